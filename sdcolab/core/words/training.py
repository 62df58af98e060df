"""Sentences about training a LoRA."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "training.bucket_range": Sentence(
        "La resolución {resolution} no cabe en los tamaños permitidos ({bound} = {value}).",
        "Pon en «{bound}» un valor que la incluya, o cambia la resolución.",
    ),
    "training.picture_too_small": Sentence(
        "Una imagen mide {width}×{height} y es demasiado pequeña: hacen falta al menos {step} píxeles por lado.",
        "Cámbiala por una más grande, o desactiva «bucket_no_upscale» para que se amplíe sola.",
    ),
    "training.warmup_unused": Sentence(
        "El scheduler «constant» no tiene calentamiento.",
        "Elige «constant_with_warmup», o pon el calentamiento a 0.",
    ),
    "training.dataset_missing": Sentence(
        "No existe la carpeta de imágenes «{folder}».",
        "Crea la carpeta con el nombre de tu proyecto, y dentro otra como «10_repeticiones» con tus imágenes.",
    ),
    "training.dataset_changed": Sentence(
        "Las imágenes o sus descripciones no son las mismas con que se entrenó este plan.",
        "El LoRA saldrá distinto; para repetirlo igual, entrena con las de entonces.",
    ),
    "training.dataset_empty": Sentence(
        "No hay ninguna imagen para entrenar en «{folder}».",
        "Pon tus imágenes (png, jpg, webp o bmp) en una carpeta que empiece por sus repeticiones, como "
        "«10_repeticiones».",
    ),
    "training.folder_without_repeats": Sentence(
        "La carpeta «{folder}» no se usa: su nombre no empieza por un número.",
        "Para usarla, llámala con sus repeticiones delante, por ejemplo «10_{name}».",
    ),
    "training.folder_of_no_repeats": Sentence(
        "La carpeta «{folder}» no se usa: el número de su nombre son sus repeticiones, y pide menos de una.",
        "Ponle 1 o más, por ejemplo «10_{name}».",
    ),
    "training.pictures_loose": Sentence(
        "En «{folder}» {count:hay # imagen suelta|hay # imágenes sueltas}, sin una carpeta con sus repeticiones.",
        "Ponlas dentro de otra carpeta con las repeticiones delante, por ejemplo «10_{name}».",
    ),
    "training.folder_of_repeats": Sentence(
        "«{folder}» ya es una carpeta de repeticiones, y aquí va la que la contiene.",
        'Escribe en el plan: train_data_dir = "{parent}"',
    ),
    "training.picture_skipped": Sentence(
        "«{path}» no se usa: está a medias o dañada, o su extensión no es de las conocidas.",
        "Súbela otra vez, o guárdala como png, jpg, jpeg, webp o bmp, con la extensión toda en minúsculas.",
    ),
    "training.caption_unreadable": Sentence(
        "{count:Hay # descripción que no está|Hay # descripciones que no están} en UTF-8, como «{path}».",
        "Guárdalas otra vez en UTF-8: el editor de etiquetas lo hace al guardar, y también uno de texto.",
    ),
    "training.caption_empty": Sentence(
        "{count:Hay # descripción vacía|Hay # descripciones vacías}, como «{path}».",
        "Escribe lo que se ve en la imagen, o borra el archivo.",
    ),
    "training.captions_missing": Sentence(
        "Sin descripción: {count} de {pictures:imagen|imágenes}, por ejemplo «{path}».",
        "Crea un archivo .txt con el mismo nombre junto a cada imagen: el Tagger lo hace por ti.",
    ),
    "training.captions_unread": Sentence(
        "Las descripciones «{found}» de {count:imagen|imágenes} no se leen: aquí se leen las «{extension}».",
        'Cámbiales la extensión, o escribe en el plan: caption_extension = "{found}"',
    ),
    "training.masks_unused": Sentence(
        "{count:# imagen tiene|# imágenes tienen} máscara, como «{path}», y este plan no las usa: se aprende todo.",
        "Para aprender solo lo blanco, escribe en el plan: masked_loss = true",
    ),
    "training.few_pictures": Sentence(
        "Solo hay {count:imagen|imágenes}.",
        "Hacen falta al menos 10, y la guía recomienda 20 o más: con pocas, el LoRA las memoriza.",
    ),
    "training.many_repeats": Sentence(
        "Imágenes × repeticiones suman {count}.",
        "La guía recomienda no pasar de 400: baja las repeticiones, el número delante del nombre de la carpeta.",
    ),
    "training.too_many_steps": Sentence(
        "Son {count:paso|pasos}, y el máximo es {limit}: seguramente es un error.",
        "Baja los epochs o las repeticiones, o sube el batch size.",
    ),
    "training.project_missing": Sentence("Falta el proyecto.", "Escribe su nombre, o elígelo si hay una lista."),
    "training.project_not_chosen": Sentence(
        "Falta elegir el proyecto.",
        "Si la lista está vacía, pulsa «Nuevo proyecto» en la pestaña Etiquetas y sube tus imágenes.",
    ),
    "training.nothing_trained": Sentence(
        "Todavía no hay ningún LoRA terminado que probar.",
        "Entrena uno en la pestaña Entrenar y elígelo en Probar LoRA.",
    ),
    "training.project_name": Sentence(
        "«{name}» no sirve como nombre de proyecto.",
        "Usa letras, números, guiones y guiones bajos, sin espacios ni puntos.",
    ),
    "training.plan_unreadable": Sentence(
        "El plan «{path}» no se entiende.", "Corrígelo y vuelve a intentarlo. Detalle: {detail}."
    ),
    "training.plan_option_unknown": Sentence(
        "No existe la opción «{name}» en un plan de entrenamiento.", "{suggestions}Corrige el nombre o quítala."
    ),
    "training.plan_option_unserved": Sentence(
        "La opción «{name}» de sd-scripts no existe aquí.", "Quítala del plan para entrenar sin ella."
    ),
    "training.alpha_above_dim": Sentence(
        "El alpha ({alpha}) es mayor que el dim ({dim}).",
        "Pon en alpha la mitad de dim: la guía usa dim 16 y alpha 8.",
    ),
    "training.plan_conflict": Sentence("«{name}» y «{other}» no se pueden usar a la vez.", "Desactiva una de las dos."),
    "training.base_wrong_family": Sentence(
        "No se puede entrenar un LoRA sobre «{path}» ({family}).",
        "Elige un modelo base de Stable Diffusion 1.5 o SDXL (Illustrious, NoobAI, Pony).",
    ),
    "training.base_unlicensed": Sentence(
        "«{name}» salió de una filtración y no tiene licencia: no se ofrece.",
        "Para anime, elige «{instead}» en modelo_base, que se hizo para entrenar, y deja vacío el enlace.",
    ),
    "training.rate_too_high": Sentence(
        "Un unet_aprendizaje de {rate} es demasiado: el LoRA saldría quemado.",
        "La guía usa 1e-3 con pocas imágenes y baja hasta 1e-5: mira que no falte el signo menos, como en 5e-4.",
    ),
    "training.nothing_learns": Sentence(
        "Con unet_aprendizaje 0 el LoRA apenas aprende a dibujar.", "Lo normal es de 1e-5 a 1e-3."
    ),
    "training.base_missing": Sentence(
        "No se encuentra el modelo base «{name}».", "Elige uno de la lista, o pega su enlace para descargarlo."
    ),
    "training.memory": Sentence(
        "Este entrenamiento necesita unos {needed} de memoria {place} y hay {free} libres.",
        "Baja la resolución o el dim, cierra otros programas, o usa una tarjeta con más memoria (la guía pide 8 GB).",
    ),
    "training.samples_skipped": Sentence(
        "No se dibujan muestras: para hacerles sitio en la tarjeta hacen falta {needed} de memoria del equipo, y hay "
        "{free} libres.",
        "El entrenamiento sigue. Cuando termine puedes comparar los epochs.",
    ),
    "training.saving": Sentence(
        "Para que quepa en la memoria, {saving}.", "No tienes que hacer nada: solo tardará algo más."
    ),
    "training.diverged": Sentence(
        "El entrenamiento se detuvo en el paso {step} porque la pérdida dejó de ser un número (NaN), con tasa "
        "{rate} y precisión {precision}.",
        "Lo último bueno es: {kept}. Baja «unet_aprendizaje» (1e-4 o 1e-5); si sigue pasando con 16 bits, el modelo "
        "base puede no funcionar en ellos: elige otro.",
    ),
    "training.loss_jumped": Sentence(
        "La pérdida se disparó en el paso {step} con una tasa de {rate}.",
        "Si el resultado sale quemado, entrena otra vez con «unet_aprendizaje» más bajo: 1e-4 o 1e-5.",
    ),
    "training.state_unusable": Sentence(
        "No se puede continuar desde «{folder}»: {detail}.",
        "Empieza el entrenamiento de nuevo, o continúa con las mismas imágenes y opciones de entonces.",
    ),
    "training.kept": Sentence(
        "Lo entrenado hasta el paso {step} está guardado.",
        "Entrena otra vez con las mismas opciones y continúa donde estaba.",
    ),
    "training.optimizer_unknown": Sentence(
        "No se puede usar el optimizador «{name}».",
        "{suggestions}Elige AdamW, o instala el paquete que lo trae.",
    ),
    "training.nothing_to_train": Sentence(
        "No queda nada que entrenar.", "Pon «unet_aprendizaje» o «text_encoder_aprendizaje» mayor que 0."
    ),
    "training.tagger_missing": Sentence(
        "Al Tagger le falta «{missing}» en «{folder}».", "Borra esa carpeta y vuelve a empezar: se descarga otra vez."
    ),
    "training.tagger_damaged": Sentence(
        "El modelo del Tagger «{path}» está dañado o a medias.",
        "Borra ese archivo y vuelve a empezar: se descarga otra vez.",
    ),
    "training.killed": Sentence(
        "El entrenamiento se cerró porque se acabó la memoria del equipo.",
        "Entrena otra vez y continuará desde lo último guardado; si se repite, baja la resolución o el batch size.",
    ),
    "training.captioner_crashed": Sentence(
        "El modelo que describe las imágenes se cerró solo (código {number}).",
        "Casi siempre falta memoria: cierra otros programas, o elige un tagger wd, que pide menos. Detalle: {detail}.",
    ),
    "training.crashed": Sentence(
        "El entrenamiento se cerró solo (código {number}).",
        "Entrena otra vez y continuará desde lo último guardado; si se repite, pide ayuda con el informe 🩺. Detalle: "
        "{detail}.",
    ),
    "training.nothing_configured": Sentence(
        "El entrenamiento todavía no está configurado.", "Pulsa primero ▶️ en la celda 📄 Configuración."
    ),
    "training.picture_folder_name": Sentence(
        "«{name}» no sirve como carpeta.",
        "Ponle un número de repeticiones, un guion bajo y un nombre, por ejemplo «10_repeticiones».",
    ),
    "training.nothing_to_undo": Sentence(
        "En «{folder}» no queda ningún cambio guardado que deshacer.",
        "De cada descripción se guarda solo cómo estaba antes del último cambio.",
    ),
    "training.unsaved_captions": Sentence(
        "Hay {count:descripción cambiada|descripciones cambiadas} y sin guardar.",
        "Pulsa primero «Guardar», o descarta los cambios.",
    ),
    "training.tags_repeated": Sentence(
        "Estas etiquetas están en más del 80 % de las imágenes: {tags}.",
        "Si son intrínsecas de tu personaje (pelo, ojos, orejas…), algunas personas recomiendan quitarlas para que las "
        "absorba la palabra de activación.",
    ),
}

SAVINGS: Mapping[str, str] = {
    "gradient_checkpointing": "se recalculan las capas en vez de guardarlas (gradient checkpointing)",
    "cache_text_encoder_outputs": "los textos se codifican una vez y el codificador se descarga",
    "accumulate": "el batch size se reparte en varios pasos",
    "cache_latents": "las imágenes se codifican una vez y el VAE se descarga",
}
"""How the trainer saves memory."""

STAGES: Mapping[str, str] = {
    "dataset": "💿 Revisando archivos…",
    "model": "🔄 Cargando el modelo base…",
    "latents": "🖼️ Codificando imágenes",
    "text": "📝 Codificando descripciones…",
    "training": "⭐ Entrenando",
    "saving": "💾 Guardando…",
}
"""What the trainer is doing."""

VERDICTS: Mapping[str, tuple[str, str]] = {
    "crudo": (
        "está crudo: todavía no imita tus imágenes.",
        "Entrena más epochs o, si es menor, sube «unet_aprendizaje» a 5e-4 (en casos extremos, a 1e-3).",
    ),
    "en su punto": ("parece en su punto.", "Pruébalo con semillas, ropas y escenas variadas para estar seguro."),
    "recocido": (
        "está recocido: imita tus imágenes demasiado.",
        "Usa un epoch anterior, baja su intensidad a 0.5-0.8, o entrena con una tasa menor (1e-4 o 1e-5).",
    ),
}
"""Sentence and advice of each state of a LoRA, in the guide's words."""

EXAMPLE_HEAD = """\
# Un plan para «sdcolab entrenar». Cambia lo que quieras y míralo antes de entrenar:
#   sdcolab entrenar ESTE_ARCHIVO.toml --solo-revisar
# Las rutas se cuentan desde la carpeta de este archivo. Sirven también las demás opciones de sd-scripts.
"""

EXAMPLE_OPTIONS: Mapping[str, str] = {
    "pretrained_model_name_or_path": "El modelo del que se parte: su archivo, o su nombre si está en tus carpetas.",
    "sdxl": 'Pon true si es de la familia SDXL (Pony, Illustrious, NoobAI…), con resolution = "1024".',
    "train_data_dir": "Tus imágenes, en carpetas que dicen cuántas veces se repite cada una: imagenes/10_mi_lora.",
    "caption_extension": "La extensión de las descripciones, una al lado de cada imagen.",
    "output_dir": "Dónde se guarda el LoRA.",
    "output_name": "Cómo se llama.",
    "resolution": "El lado de las imágenes, en píxeles.",
    "enable_bucket": "Respeta la forma de cada imagen en vez de recortarla.",
    "max_token_length": "Cuánto cabe en una descripción: 75, 150 o 225 tokens.",
    "cache_latents": "Prepara las imágenes una sola vez: va mucho más rápido.",
    "train_batch_size": "Cuántas imágenes se miran a la vez: más va más rápido y usa más memoria.",
    "max_train_epochs": "Cuántas vueltas se dan a todas las imágenes.",
    "save_every_n_epochs": "Cada cuántas vueltas se guarda un LoRA, para elegir después el mejor.",
    "keep_state": "Guarda por dónde va: si se corta, repite el comando y continúa donde estaba.",
    "unet_lr": "Cuánto aprende en cada paso.",
    "text_encoder_lr": "Y cuánto las palabras: siempre menos.",
    "lr_scheduler": "Cómo baja lo que aprende a lo largo del entrenamiento.",
    "lr_scheduler_num_cycles": "Cuántas veces vuelve a empezar, con cosine_with_restarts.",
    "lr_warmup_steps": "La parte del entrenamiento en que sube poco a poco: 0.05 es el 5 %.",
    "min_snr_gamma": "Reparte mejor lo que aprende entre lo grande y lo pequeño (min-SNR).",
    "optimizer_type": "AdamW, AdamW8bit (usa menos memoria), Prodigy (elige solo cuánto aprende), Adafactor o Lion.",
    "network_dim": "El tamaño del LoRA: más grande aprende más detalle y pesa más.",
    "network_alpha": "Frena lo que aprende: lo habitual es la mitad del tamaño, y nunca más que él.",
    "shuffle_caption": "Cambia de orden las etiquetas en cada vuelta.",
    "keep_tokens": "Cuántas etiquetas del principio no se mueven: la palabra de activación va la primera.",
    "flip_aug": "Aprende también la imagen en espejo. No lo uses si hay detalles en un solo lado.",
    "mixed_precision": "La precisión de las cuentas: «auto» elige la de tu tarjeta.",
    "save_precision": "En fp16 el archivo ocupa la mitad y sirve igual.",
    "clip_skip": "2 para los modelos de anime; 1 para los demás.",
    "seed": "La misma semilla entrena lo mismo.",
}
"""Options of the example plan, in its order, each with what it does."""
