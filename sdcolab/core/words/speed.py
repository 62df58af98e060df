"""Sentences about how long things took and why, and about models of few steps."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.events import Phase
from sdcolab.core.few_steps import FewSteps
from sdcolab.core.words.base import counted

_PARTS: Mapping[Phase, str] = {
    Phase.LOADING_LIBRARIES: "preparar el motor",
    Phase.LOADING_MODEL: "cargar modelos",
    Phase.ENCODING_PROMPT: "leer el prompt",
    Phase.SAMPLING: "generar",
    Phase.UPSCALING: "ampliar",
    Phase.DETAILING: "repasar los detalles",
    Phase.RESTORING: "restaurar las caras",
    Phase.DECODING: "convertir a imagen (VAE)",
    Phase.SAVING: "guardar",
}
_LEAST = 0.05
"""Seconds; parts that are shorter are not told."""

TILED_DECODING = (
    "Fue más lento: el VAE trabajó por partes porque faltaba memoria. Con un tamaño menor o menos imágenes a la vez no "
    "hará falta."
)
SPLIT_GUIDANCE = (
    "Fue más lento: faltaba memoria para calcular juntos el prompt y el negativo, o todo el lote. Prueba "
    "con un tamaño o un lote menores."
)
SLICED_ATTENTION = (
    "Fue mucho más lento: casi no quedaba memoria y la atención se calculó por partes. Elige un tamaño menor."
)

NOT_REPLAYED = (
    "La tarjeta no repite bien los pasos grabados, o no le queda memoria para ellos: se calculan como siempre. Si pasa "
    "a menudo, quita «Grabar los pasos» en Ajustes."
)


def times_line(parts: Mapping[Phase, float]) -> str:
    """One line about where the time went, "" when it was nowhere."""
    told = {phase: spent for phase, spent in parts.items() if spent >= _LEAST and phase in _PARTS}
    if not told:
        return ""
    details = " · ".join(f"{_PARTS[phase]}: {seconds(spent)}" for phase, spent in told.items())
    return f"Tardó {seconds(sum(parts.values()))} ({details})."


def seconds(duration: float) -> str:
    """ "0,4 s", "12,3 s", "3 min 20 s"."""
    if duration < 60:
        return f"{duration:.1f} s".replace(".", ",")
    return f"{round(duration) // 60} min {round(duration) % 60:02} s"


# --- Few steps --------------------------------------------------------------------------------------------------------

FEW_STEPS = "Ajustes de pocos pasos"
NO_FEW_STEPS = "Ni el modelo ni los LoRA del prompt parecen de pocos pasos."
NO_FEW_STEPS_ADVICE = (
    "Se reconocen por su nombre: Hyper-SD, LCM, TCD, DMD2, y Lightning o Turbo si dice sus pasos («lightning_8steps»). "
    "Añade uno al prompt y pulsa otra vez."
)


def few_steps_put(found: FewSteps) -> str:
    """What was put in the form, and what to expect of it."""
    negative = " Con este CFG el prompt negativo apenas cuenta." if found.cfg_scale <= 2 else ""
    many = counted(found.steps, "paso", "pasos")
    return f"{found.name}: {found.sampler}, {found.schedule}, {many} y CFG {found.cfg_scale:g}.{negative}"
