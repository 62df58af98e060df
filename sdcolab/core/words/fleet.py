"""Sentences about long lists of requests and clusters."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence, counted, human_time

SENTENCES: Mapping[str, Sentence] = {
    "fleet.batch_unreadable": Sentence(
        "La lista «{path}» no se entiende en la línea {line}.",
        "Corrige esa línea y vuelve a intentarlo. Detalle: {detail}.",
    ),
    "fleet.batch_empty": Sentence(
        "En «{path}» no hay nada que generar.",
        "Una lista lleva un trabajo por línea; de una carpeta se toman las imágenes que guardan sus datos.",
    ),
    "fleet.place_taken": Sentence(
        "En «{place}» están los resultados de otra lista.", "Elige otra carpeta con --salida, o borra esa."
    ),
    "fleet.place_busy": Sentence(
        "Otro comando está haciendo ya una lista en «{place}».",
        "Espera a que termine y repite este, o elige otra carpeta con --salida.",
    ),
    "fleet.place_wrong": Sentence(
        "No se puede guardar en «{place}».",
        "Comprueba la dirección y los permisos; s3:// necesita «pip install s3fs» y gs://, «pip install gcsfs». "
        "Detalle: {detail}.",
    ),
    "fleet.engine_lost": Sentence(
        "El motor que hacía este trabajo murió {tries:vez|veces}.",
        "Casi siempre falta memoria: prueba un tamaño menor o menos imágenes por lote.",
    ),
    "fleet.engines_gone": Sentence(
        "No queda ningún motor en marcha y {left:falta # trabajo|faltan # trabajos}.",
        "Revisa las máquinas y repite el mismo comando: sigue donde se quedó.",
    ),
    "fleet.cluster_unreachable": Sentence(
        "No se encontró ningún clúster de Ray en «{address}».",
        "Arranca uno con «ray start --head» en la máquina principal y «ray start --address=…» en las demás. Detalle: "
        "{detail}.",
    ),
    "fleet.cluster_silent": Sentence(
        "En «{address}» no responde ningún clúster de Ray.",
        "Comprueba la dirección y el puerto, y que la máquina principal está encendida con «ray start --head».",
    ),
    "fleet.cluster_version": Sentence(
        "Una máquina del clúster tiene sdcolab {there} y aquí está la {here}.",
        "Instala la misma versión en todas: así dan las mismas imágenes.",
    ),
}


def batch_progress(done: int, total: int, engines: int, seconds_left: float | None) -> str:
    """One line while a list is being made."""
    workers = counted(engines, "motor", "motores")
    left = "" if seconds_left is None else f" · quedan {human_time(seconds_left)}"
    return f"{done} de {total} · {workers}{left}"


def batch_ended(made: int, before: int, failed: int, place: str) -> str:
    """One line when it is over."""
    again = f", {counted(before, 'ya estaba', 'ya estaban')}" if before else ""
    wrong = (
        f", {counted(failed, 'falló', 'fallaron')} (los motivos, en el manifiesto; repite el comando para reintentarlo)"
        if failed
        else ""
    )
    return f"{counted(made, 'hecha', 'hechas')}{again}{wrong}: {place}"
