"""What the controls of scripts do, on both faces: fill an axis, compare the epochs of a LoRA, tell how much it is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sdcolab.core.codec import CODE, from_json
from sdcolab.core.errors import (
    AxisEmpty,
    DirectionMissing,
    InitImageMissing,
    NothingToCompare,
    ScriptEmpty,
    SdcolabError,
)
from sdcolab.core.events import Phase
from sdcolab.core.scripts import ContinuePlan, Grid, steps_of
from sdcolab.core.tasks import Generate, Place, Task
from sdcolab.core.words import explain, human_time
from sdcolab.core.words.scripts import forecast_text
from sdcolab.studio.form import Reader, readable, shown
from sdcolab.studio.generating import Asked, GenerationDesk
from sdcolab.studio.layout import Layout
from sdcolab.studio.studio import Studio

CHOSEN = "@script"
"""Path of the list of scripts among those of the form; a setting of one is below it ("@script.xyz.margin")."""

_EPOCH = re.compile(r"[-_](\d{2,6}|e(poch)?\d{1,5})$", re.IGNORECASE)
_WEIGHTS = "0.2, 0.4, 0.6, 0.8, 1"
_LOADING = (Phase.LOADING_LIBRARIES, Phase.LOADING_MODEL)
_FILE_ENDINGS = (".safetensors", ".pt", ".ckpt")


def filled_axis(studio: Studio, axis: str, now: str) -> str:
    """Every value that the axis can have, as text; what was typed (``now``) where there are too many to list."""
    values = studio.lists(f"axis.{axis}")
    return as_text(values) if values else now


def values_to_add(studio: Studio, axis: str) -> tuple[str, ...]:
    """What the axis can have, to be added one by one; empty where there are too many to list."""
    return studio.lists(f"axis.{axis}") if axis else ()


def with_value_added(now: str, value: str) -> str:
    """The text of an axis with one more value."""
    return f"{now.rstrip().removesuffix(',')}, {as_text((value,))}" if now.strip() else as_text((value,))


def comparison(studio: Studio, lora: str) -> Mapping[str, str]:
    """The settings of an X/Y/Z plot that shows a LoRA's epochs in rows and its weight in columns, by field.

    Raises ``NothingToCompare`` without a name.
    """
    if not lora:
        raise NothingToCompare()
    names = epochs_of(lora, studio.lists("axis.LoRA"))
    return {
        "x_axis": "LoRA weight",
        "x_values": _WEIGHTS,
        "y_axis": "LoRA",
        "y_values": as_text(("None", *names)),
        "z_axis": "Nothing",
    }


def script_left(studio: Studio, layout: Layout) -> tuple[str, dict[str, Any]]:
    """The script of the last generation and what its controls show; "" without one. A plan to go on with is none: it
    is offered by itself while there is something of it to do."""
    last = studio.last_form.peek()
    said = last.script if last else {}
    script = next((script for script in layout.scripts if script.id == said.get(CODE)), None)
    if script is None or script.settings is ContinuePlan:
        return "", {}
    return script.id, shown(script.settings, from_json(script.settings, said))


def every_script(layout: Layout, reader: Reader, chosen: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the list of scripts and the controls of all of them show, by path, when the one called ``chosen`` has
    ``values``; those that its controls cannot read stay as in a new form."""
    found: dict[str, Any] = {CHOSEN: chosen}
    for script in layout.scripts:
        new = shown(script.settings)
        mine = {path: value for path, value in values.items() if path in new} if script.id == chosen else {}
        new |= readable(script.settings, mine, reader)
        found |= {f"{CHOSEN}.{script.id}.{path}": value for path, value in new.items()}
    return found


def forecast_sentence(studio: Studio, desk: GenerationDesk, asked: Asked) -> str:
    """How many pictures the chosen script will make, how long that takes here, what may be meant otherwise;
    what is still to be written, which is no fault yet; nothing when there is no script.

    Raises what is wrong with it.
    """
    try:
        told = desk.forecast(asked)
    except (AxisEmpty, DirectionMissing, InitImageMissing, ScriptEmpty) as unwritten:
        return str(explain(unwritten))
    if told is None or not told.pictures:
        return ""
    seconds = seconds_a_step(studio)
    counted = forecast_text(told, "" if seconds is None else human_time(told.steps * seconds))
    return " ".join([counted, *(f"⚠️ {explain(warning)}" for warning in told.warnings)])


def seconds_a_step(studio: Studio) -> float | None:
    """How long a denoising step, as ``steps_of`` counts them, took in the last pictures of this session, loading the
    model apart; None before there are any."""
    for job in reversed(studio.jobs.jobs(Place.ENGINE)):
        spent = sum(seconds for phase, seconds in job.seconds.items() if phase not in _LOADING)
        if not spent or not job.snapshot.images or job.snapshot.error is not None:
            continue
        steps = _steps(studio, job.task)
        if steps:
            return spent / steps
    return None


def _steps(studio: Studio, task: Task) -> float:
    """Denoising steps of work that made pictures; 0 where that cannot be told."""
    if isinstance(task, Generate):
        return steps_of(task.request)
    if not isinstance(task, Grid) or task.plan is not None:
        return 0
    try:
        return studio.forecast(task).steps
    except SdcolabError:  # what it was asked with is gone
        return 0


def as_text(values: Sequence[str]) -> str:
    """Values as the text of an axis."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def epochs_of(lora: str, names: Sequence[str]) -> tuple[str, ...]:
    """The LoRA of ``names`` that are epochs of the same training as ``lora``, in order: the last one has no number."""
    stem = lora.rpartition(".")[0] if lora.endswith(_FILE_ENDINGS) else lora
    base = _EPOCH.sub("", stem)
    same = [name for name in names if name != "None" and _EPOCH.sub("", name) == base]
    return tuple(sorted(same, key=lambda name: (name == base, name)))
