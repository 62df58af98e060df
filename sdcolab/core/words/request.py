"""Sentences of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "request.out_of_range": Sentence(
        "El valor {value} de «{field}» no está permitido.", "Escribe un número entre {low} y {high}."
    ),
    "request.not_multiple": Sentence(
        "El valor {value} de «{field}» no sirve porque el modelo trabaja en bloques de {step} píxeles.",
        "Usa un múltiplo de {step}.",
    ),
    "request.empty": Sentence("Falta el número de «{field}».", "Escríbelo y vuelve a intentarlo."),
    "request.not_number": Sentence(
        "«{field}» debe ser un número y dice «{value}».", "Corrígelo y vuelve a intentarlo."
    ),
    "request.init_image_missing": Sentence(
        "Falta la imagen.", "Súbela o arrástrala a su casilla y vuelve a pulsar el botón."
    ),
    "request.mask_missing": Sentence(
        "Para el inpaint hace falta una máscara.",
        "Pinta con el dedo o el mouse la zona que quieres cambiar, o sube una máscara.",
    ),
    "request.wrong_type": Sentence(
        "«{field}» debe ser {expected} y dice «{value}».", "Corrígelo y vuelve a intentarlo."
    ),
    "request.not_option": Sentence(
        "«{value}» no es un valor posible de «{field}».", "{suggestions}Elige un valor de la lista."
    ),
    "request.feature_missing": Sentence(
        "Esta versión todavía no sabe usar «{field}».", "Quítalo de la petición y vuelve a intentarlo."
    ),
    "request.not_picture": Sentence(
        "La imagen de «{field}» no se puede leer.",
        "Envía una imagen PNG, JPEG, WebP, AVIF, GIF, BMP o TIFF en base64, de 50 megapíxeles como mucho.",
    ),
    "request.picture_is_link": Sentence(
        "La imagen de «{field}» es un enlace, y el programa no los abre por seguridad.",
        "Descárgala tú y envíala codificada en base64.",
    ),
    "request.too_many_init_images": Sentence(
        "Hay {count:imagen inicial|imágenes iniciales} para un lote de {batch_size}.",
        "Quita imágenes o aumenta el tamaño del lote.",
    ),
    "request.payload_unreadable": Sentence(
        "El cuerpo de la petición no es JSON válido.", "Revisa el programa que la envía."
    ),
    "request.payload_too_slow": Sentence(
        "La petición tardó demasiado en llegar.", "Repítela con mejor conexión o con imágenes más pequeñas."
    ),
    "request.payload_too_large": Sentence("La petición ocupa más de {size}.", "Envía menos imágenes, o más pequeñas."),
    "request.unknown_name": Sentence("No existe {kind} «{name}».", "{suggestions}Elige un nombre de la lista."),
    "request.unknown_file": Sentence(
        "No existe {kind} «{name}».",
        "{suggestions}Comprueba que el archivo está en su carpeta y pulsa «Actualizar».",
    ),
    "request.foreign_file": Sentence("«{path}» está en su carpeta, pero no se puede usar: {reason}.", "Elige otro."),
    "request.foreign_more": Sentence(
        "En sus carpetas {count:hay # archivo más que no se puede|hay # archivos más que no se pueden} usar.",
        "Quita de ahí los que no necesites.",
    ),
    "request.name_not_chosen": Sentence("Falta elegir {kind}.", "Está en su lista."),
    "request.not_downloaded": Sentence(
        "«{name}» todavía no está en este equipo.",
        "Descárgalo (está en el catálogo de «Descargas») y vuelve a intentarlo, o elige otro de la lista.",
    ),
    "request.prompt_syntax": Sentence(
        "No se entiende «{fragment}» en el prompt (carácter {position}).",
        "Revisa el número después de los dos puntos; por ejemplo: (gato:1.2).",
    ),
    "request.too_many_brackets": Sentence(
        "El prompt abre más de {most:paréntesis|paréntesis} o corchetes a la vez (el primero, carácter {position}).",
        "Borra los que sobran o ciérralos. Para dar más peso a algo escribe un número; por ejemplo: (gato:1.3).",
    ),
    "request.network_ignored": Sentence(
        "Esta versión todavía no sabe usar {tag}.", "La imagen se hace sin él; puedes quitarlo del prompt."
    ),
    "request.limited": Sentence(
        "«{field}» pide {value}, fuera de lo que se puede: se usa {used}.", "Si no te sirve, pide otro valor."
    ),
    "request.shaped": Sentence(
        "«{field}» pasa de {value} a {used} para conservar la forma de la imagen.", "Si no te sirve, pide otro tamaño."
    ),
    "request.ignored": Sentence("«{field}» no se usa aquí.", "La imagen se hace sin él."),
    "request.name_replaced": Sentence(
        "No tienes {kind} «{name}»; se usa lo que estaba elegido.", "{suggestions}Si lo quieres, descárgalo primero."
    ),
    "request.foreign_replaced": Sentence(
        "«{path}» está en su carpeta, pero no se puede usar: {reason}. Se usa lo que estaba elegido.", "Elige otro."
    ),
    "request.foreign_left_out": Sentence(
        "La imagen se hace sin {tag}: «{path}» está en su carpeta, pero no se puede usar; {reason}.",
        "Elige otro, o quítalo del prompt.",
    ),
    "request.style_missing": Sentence(
        "No tienes el estilo «{name}»; la imagen se hace sin él.",
        "{suggestions}GET /sdapi/v1/prompt-styles dice cuáles hay.",
    ),
    "request.lora_missing": Sentence(
        "No tienes el LoRA de {tag}; la imagen se hace sin él.",
        "{suggestions}Descárgalo en la pestaña «Descargas», o quítalo del prompt.",
    ),
    "request.embedding_missing": Sentence(
        "No tienes el embedding «{name}»: su nombre se lee como texto y no hace nada.",
        "Descárgalo (está en el catálogo de «Descargas»), o quítalo del prompt.",
    ),
    "request.embedding_other_family": Sentence(
        "El embedding «{name}» es para modelos {family} y el elegido es {model_family}: su nombre se lee como texto.",
        "Quítalo del prompt, o elige un modelo {family}.",
    ),
    "request.hypernetwork_missing": Sentence(
        "No tienes la hypernetwork de {tag}; la imagen se hace sin ella.",
        "{suggestions}Descárgala en la pestaña «Descargas», o quítala del prompt.",
    ),
    "request.network_strength_unread": Sentence(
        "La fuerza de {tag} no es un número, así que no se usa.",
        "Escribe un número después del nombre; por ejemplo: <lora:nombre:0.8>.",
    ),
    "request.sampler_replaced": Sentence(
        "No existe {kind} «{name}»; se usa «{used}».", "{suggestions}Si no te sirve, escribe otro nombre."
    ),
    "request.lora_argument_ignored": Sentence(
        "En {tag} solo se usa la primera fuerza: los pesos por bloques no se aplican.",
        "Escribe <lora:nombre:fuerza>, o <lora:nombre:fuerza:fuerza de la UNet>.",
    ),
    "request.decimal_comma": Sentence(
        "«{number}» lleva coma, así que se lee como texto y no como número.",
        "Usa punto: {better}.",
    ),
    "request.weight_not_number": Sentence(
        "El peso «{weight}» no es un número, así que se lee como texto.",
        "Escribe un número con punto antes de cerrar el paréntesis; por ejemplo: (gato:1.2).",
    ),
    "request.weight_misplaced": Sentence(
        "En «{fragment}» el número se lee como texto: el peso va justo antes de cerrar el paréntesis.",
        "Escribe {better}.",
    ),
    "request.edit_never_begins": Sentence(
        "«{fragment}» no da peso: dice en qué parte de los pasos entra «{word}», y con ese número no entra nunca.",
        "Para darle peso escribe {better}; para que entre a la mitad, usa 0.5.",
    ),
    "request.options_taken_out": Sentence(
        "«{options}» son opciones de {program}, que aquí no existen, y no están en el prompt.",
        "El tamaño, la semilla y el prompt negativo que decían están en el formulario; repásalos.",
    ),
    "request.options_in_prompt": Sentence(
        "«{options}» son opciones de {program}: aquí se leen como texto.",
        "Quítalas del prompt: el tamaño, la semilla y el prompt negativo tienen su propio campo.",
    ),
    "request.size_beyond_native": Sentence(
        "{side} píxeles es mucho para este modelo, hecho para imágenes de unos {native}: pueden salir cuerpos "
        "repetidos o deformados.",
        "Genera a {native} y amplía con Hires fix.",
    ),
    "request.few_steps_too_guided": Sentence(
        "El modelo o un LoRA del prompt parece de pocos pasos ({kind}): con un CFG de más de {most} los colores "
        "pueden salir quemados.",
        "Pulsa «Ajustes de pocos pasos»: pone {sampler}, {schedule}, {steps:paso|pasos} y CFG {wanted}.",
    ),
    "request.floored": Sentence(
        "«{field}» es {value}, que no es múltiplo de 8; se usa {used}, como en AUTOMATIC1111.",
        "Si quieres otro tamaño, escribe un múltiplo de 8.",
    ),
    "request.infotext_foreign": Sentence(
        "El texto es JSON de otro programa y no dice cómo se hizo una imagen, o no se sabe leer.",
        "Se leen los datos de AUTOMATIC1111, Forge, civitai, SwarmUI, Fooocus, InvokeAI, NovelAI, Draw Things y "
        "ComfyUI.",
    ),
    "request.infotext_encoding": Sentence(
        "El texto de «{source}» no está en UTF-8 ni en UTF-16.",
        "Ábrelo en un editor de textos y guárdalo de nuevo eligiendo «UTF-8».",
    ),
    "request.infotext_workflow": Sentence(
        "«{source}» guarda un flujo de ComfyUI hecho de una forma que aquí no se sabe leer.",
        "Ábrelo en ComfyUI, copia de allí el prompt y pégalo aquí.",
    ),
    "request.infotext_unreadable": Sentence(
        "«{source}» no contiene datos de generación.",
        "Usa la imagen tal como la guardó el programa: las redes sociales suelen borrar esos datos.",
    ),
    "request.infotext_file_missing": Sentence(
        "La imagen se hizo con {kind} «{name}»{digest}, y no está en tus carpetas.",
        "Búscalo en civitai o huggingface por su nombre o su hash y descárgalo, o elige otro en su lugar.",
    ),
    "request.infotext_file_foreign": Sentence(
        "La imagen se hizo con {kind} «{name}»; «{path}» está en su carpeta, pero no se puede usar: {reason}.",
        "Elige otro en su lugar.",
    ),
    "request.infotext_field_unused": Sentence(
        "Esta versión todavía no sabe hacer lo que indica «{label}: {value}».",
        "La imagen se hace sin ello y puede salir distinta.",
    ),
    "request.units_beyond_form": Sentence(
        "En «{field}» {count:no cabe una unidad|no caben # unidades} de las que trae el texto.",
        "La imagen se hace sin ellas: deja en el texto las que quieras usar y léelo otra vez.",
    ),
    "request.infotext_model_differs": Sentence(
        "Tu modelo «{name}» no es el mismo archivo con el que se hizo la imagen: su hash es {own} y no {wanted}.",
        "La imagen puede salir distinta; busca en civitai la versión que tiene el hash {wanted}.",
    ),
    "request.infotext_needs_picture": Sentence(
        "La imagen se hizo a partir de otra, que no se guarda en sus datos.",
        "Se hace solo con el texto; para repetirla añade la imagen inicial, y la máscara si la tenía.",
    ),
    "request.enlarged_too_large": Sentence(
        "La imagen {number} ({width}×{height}) quedaría demasiado grande y se dejó fuera.",
        "Ponle un límite al lado más largo, o amplíala aparte menos veces.",
    ),
    "request.picture_unreadable": Sentence(
        "«{path}» no es una imagen que se pueda leer.", "Usa una imagen PNG, JPEG, WebP, AVIF, GIF, BMP o TIFF."
    ),
}
