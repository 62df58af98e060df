"""From the settings of a script to its plan or its dialogue: one table for all of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from sdcolab.core.errors import (
    AxisDecimalComma,
    AxisWithoutEffect,
    AxisWithoutLora,
    MatrixWithoutParts,
    ScriptNeedsPicture,
    SdcolabError,
)
from sdcolab.core.request import MAX_RANDOM_SEED, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import (
    IN_PARTS,
    NEED_PICTURE,
    Alternative,
    DynamicPrompts,
    Forecast,
    Grid,
    Loopback,
    Outpainting,
    PoorMansOutpainting,
    PromptLines,
    PromptMatrix,
    Script,
    SdUpscale,
    Ultimate,
    XyzPlot,
    steps_of,
)
from sdcolab.grids import alternative, lines, loopback, matrix, outpainting, sd_upscale, ultimate, values, xyz
from sdcolab.grids.axes import Kind, axis_called, idle
from sdcolab.grids.dialogue import Dialogue, Total
from sdcolab.grids.dynamic import plan as dynamic
from sdcolab.grids.dynamic.nodes import Wildcards
from sdcolab.grids.dynamic.templates import Templates
from sdcolab.grids.names import Names
from sdcolab.grids.plan import Cell, Plan
from sdcolab.grids.rewrite import has_lora
from sdcolab.grids.xyz import RandomSeed


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be done: a ``plan``, or a ``dialogue`` on ``request``; ``warnings`` for its author, ``fields`` for
    every infotext."""

    plan: Plan | None
    dialogue: Dialogue | None
    warnings: tuple[SdcolabError, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


def drawing_from(draws: int) -> RandomSeed:
    """Random seeds that are the same again for the same ``draws``."""
    generator = random.Random(draws)
    return lambda: generator.randrange(MAX_RANDOM_SEED + 1)


def prepare(task: Grid, names: Names, wildcards: Wildcards, draw_seed: RandomSeed) -> Prepared:
    """Everything that ``task`` means, before the first picture. Raises ``GridError`` and ``RequestError``."""
    request, script = task.request, task.script
    if script is not None and isinstance(script, NEED_PICTURE) and request.init is None:
        raise ScriptNeedsPicture(script=script.title)
    fields = dynamic.template_fields(request, task.dynamic) if task.dynamic else ()
    if script is None:
        settings = task.dynamic or DynamicPrompts()
        plan, warnings = dynamic.plan(request, settings, wildcards, draw_seed)
        return Prepared(plan, None, warnings, fields)
    warnings = ()
    if isinstance(script, (*NEED_PICTURE, PromptMatrix)):
        if task.dynamic:
            settled = replace(request, seed=draw_seed() if request.seed == RANDOM_SEED else request.seed)
            with Templates(wildcards) as templates:
                request, warnings = dynamic.drawn(settled, task.dynamic, templates)
        if not isinstance(script, _PLANNED_AFTER_DRAWING):
            return Prepared(None, _dialogue(request, script, draw_seed), warnings, fields)
    plan = _plan(request, script, names, draw_seed)
    if task.dynamic and not isinstance(script, _PLANNED_AFTER_DRAWING):
        plan, warnings = _with_drawn_prompts(plan, task.dynamic, wildcards)
    doubts = (*_doubtful_axes(request, plan, script), *_doubtful_matrix(plan, script), *_doubtful_lines(script, names))
    return Prepared(plan, None, (*warnings, *doubts), fields)


_PLANNED_AFTER_DRAWING = (PromptMatrix, Alternative)
"""Scripts with plans whose prompts are drawn before they are planned."""


def _plan(request: GenerationRequest, script: Script, names: Names, draw_seed: RandomSeed) -> Plan:
    match script:
        case XyzPlot():
            return xyz.plan(request, script, names, draw_seed)
        case PromptMatrix():
            return matrix.plan(request, script, draw_seed)
        case Alternative():
            return alternative.plan(request, script, draw_seed)
        case PromptLines():
            return lines.plan(request, script, names, draw_seed)
        case _:
            raise TypeError(f"{script} has no plan")


def _dialogue(request: GenerationRequest, script: Script, draw_seed: RandomSeed) -> Dialogue:
    match script:
        case Loopback():
            return loopback.dialogue(request, script, draw_seed)
        case SdUpscale():
            return sd_upscale.dialogue(request, script, draw_seed)
        case Ultimate():
            return ultimate.dialogue(request, script, draw_seed)
        case Outpainting():
            return outpainting.dialogue(request, script, draw_seed)
        case PoorMansOutpainting():
            return outpainting.poor_dialogue(request, script, draw_seed)
        case _:
            raise TypeError(f"{script} has no dialogue")


def _with_drawn_prompts(
    plan: Plan, settings: DynamicPrompts, wildcards: Wildcards
) -> tuple[Plan, tuple[SdcolabError, ...]]:
    told: dict[str, SdcolabError] = {}

    def drawn(cell: Cell, templates: Templates) -> Cell:
        if cell.request is None:
            return cell
        request, warnings = dynamic.drawn(cell.request, settings, templates)
        told.update((repr(warning), warning) for warning in warnings)
        return replace(cell, request=request)

    with Templates(wildcards) as templates:
        cells = tuple(drawn(cell, templates) for cell in plan.cells)
    return replace(plan, cells=cells), tuple(told.values())


def _doubtful_axes(request: GenerationRequest, plan: Plan, script: Script) -> tuple[SdcolabError, ...]:
    """Axes that change nothing, and those whose numbers may be meant otherwise, told before anybody waits for them."""
    if not isinstance(script, XyzPlot):
        return ()
    img2img = request.init is not None
    asked = [(getattr(script, f"{one}_axis"), getattr(script, f"{one}_values")) for one in "xyz"]
    texts = {axis_called(label, img2img=img2img): text for label, text in asked}
    commas = [axis for axis, text in texts.items() if axis.is_real and values.has_decimal_comma(text)]
    weights = [axis for axis in texts if axis.kind is Kind.WEIGHT]
    if weights and any(has_lora(asked.prompt) for asked in plan.requests):
        weights = []
    return (
        *(AxisWithoutEffect(axis=label) for label in idle(texts, request)),
        *(AxisWithoutLora(axis=axis.label) for axis in weights),
        *(AxisDecimalComma(axis=axis.label, values=values.split(texts[axis])) for axis in commas),
    )


def _doubtful_matrix(plan: Plan, script: Script) -> tuple[SdcolabError, ...]:
    return (MatrixWithoutParts(),) if isinstance(script, PromptMatrix) and len(plan.cells) == 1 else ()


def _doubtful_lines(script: Script, names: Names) -> tuple[SdcolabError, ...]:
    if not isinstance(script, PromptLines):
        return ()
    return *lines.unread_options(script), *lines.unknown_styles(script, names)


def _part_size(script: Script | None) -> tuple[int, int] | None:
    """Width and height of what a script works on at once; None for the size of the form."""
    if not isinstance(script, Ultimate):
        return None
    width, height = script.tile_width, script.tile_height or script.tile_width
    return width + script.padding, height + script.padding


def forecast(task: Grid, names: Names, wildcards: Wildcards) -> Forecast:
    """How much ``task`` is, without doing any of it. Raises what ``prepare`` raises."""
    prepared = prepare(task, names, wildcards, drawing_from(0))
    if prepared.plan is not None:
        requests = prepared.plan.requests
        steps = sum(steps_of(request) for request in requests)
        return Forecast(prepared.plan.image_count, steps, warnings=prepared.warnings)
    jobs = 0
    if prepared.dialogue is not None:
        first = next(prepared.dialogue)
        jobs = first.jobs if isinstance(first, Total) else 0
        prepared.dialogue.close()
    steps = jobs * steps_of(replace(task.request, batch_size=1, batch_count=1), _part_size(task.script))
    return Forecast(jobs, steps, isinstance(task.script, IN_PARTS), prepared.warnings)
