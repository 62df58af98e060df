"""Dynamic prompts: from one request with templates to many with prompts (hechos/extensiones.md 6)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sdcolab.core.errors import SdcolabError
from sdcolab.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import MAX_CELLS, DynamicPrompts
from sdcolab.grids.dynamic import drawing
from sdcolab.grids.dynamic.nodes import Wildcards
from sdcolab.grids.dynamic.templates import Templates
from sdcolab.grids.plan import Cell, Fields, Plan, in_order
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = DynamicPrompts.title


@dataclass(frozen=True, slots=True)
class Prompts:
    """What one picture is made with."""

    prompt: str
    negative_prompt: str
    warnings: tuple[SdcolabError, ...] = ()


def plan(
    request: GenerationRequest,
    settings: DynamicPrompts,
    wildcards: Wildcards,
    draw_seed: RandomSeed = random_seed,
) -> tuple[Plan, tuple[SdcolabError, ...]]:
    """One cell a picture, and warnings. At random: as many as the request makes, picture i with the prompts that its
    seed means. Combinatorial: every prompt with every negative prompt.

    Raises ``TemplateBroken``.
    """
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    request = replace(request, seed=seed)
    prompt_seed = draw_seed() if settings.unlinked else seed
    with Templates(wildcards) as templates:
        if settings.combinatorial:
            found = list(_combinations(request, settings, templates, prompt_seed)) * settings.rounds
        else:
            found = [
                _drawn(request, settings, templates, _seed_of(request, index, prompt_seed), index)
                for index in range(request.image_count)
            ]
    cells = tuple(
        Cell(_job(request, settings, prompts, index), (index, 0, 0), prompts.prompt)
        for index, prompts in enumerate(found)
    )
    warnings = {repr(warning): warning for prompts in found for warning in prompts.warnings}
    return Plan(TITLE, cells, in_order(cells), None, at_once=request.batch_size), tuple(warnings.values())


def drawn(
    request: GenerationRequest, settings: DynamicPrompts, templates: Templates
) -> tuple[GenerationRequest, tuple[SdcolabError, ...]]:
    """``request`` with the prompts that its seed means, for scripts that make their own plans of it.

    Raises ``TemplateBroken``.
    """
    prompts = _drawn(request, settings, templates, request.seed, 0)
    return replace(request, prompt=prompts.prompt, negative_prompt=prompts.negative_prompt), prompts.warnings


def template_fields(request: GenerationRequest, settings: DynamicPrompts) -> Fields:
    """What infotexts say of the templates."""
    if not settings.keep_template:
        return ()
    templates = (("Template", request.prompt), ("Negative Template", request.negative_prompt))
    return tuple((label, text) for label, text in templates if text)


def _seed_of(request: GenerationRequest, index: int, prompt_seed: int) -> int:
    """The seed of the prompts of picture ``index``: the same for all of them when they are variations of one."""
    return prompt_seed if request.variation.strength else (prompt_seed + index) & MAX_SEED


def _drawn(
    request: GenerationRequest, settings: DynamicPrompts, templates: Templates, seed: int, index: int
) -> Prompts:
    def one(template: str) -> drawing.Drawn:
        if settings.jinja:
            made = templates.prompts(template, seed)
            return drawing.Drawn(made[index % len(made)])
        return drawing.draw(
            template, seed, templates.wildcards, index=index, ignore_whitespace=settings.ignore_whitespace
        )

    positive = one(request.prompt)
    negative = drawing.Drawn(request.negative_prompt) if settings.only_positive else one(request.negative_prompt)
    return Prompts(positive.text, negative.text, (*positive.warnings, *negative.warnings))


def _combinations(
    request: GenerationRequest, settings: DynamicPrompts, templates: Templates, seed: int
) -> Iterator[Prompts]:
    limit = settings.limit or MAX_CELLS
    pairs = (
        Prompts(positive.text, negative.text, (*positive.warnings, *negative.warnings))
        for positive in _all(request.prompt, settings, templates, seed)
        for negative in (
            iter((drawing.Drawn(request.negative_prompt),))
            if settings.only_positive
            else _all(request.negative_prompt, settings, templates, seed)
        )
    )
    yield from itertools.islice(pairs, min(limit, MAX_CELLS // settings.rounds))


def _all(template: str, settings: DynamicPrompts, templates: Templates, seed: int) -> Iterator[drawing.Drawn]:
    if settings.jinja:
        return iter([drawing.Drawn(text) for text in templates.prompts(template, seed)])
    return drawing.every(template, templates.wildcards, seed=seed, ignore_whitespace=settings.ignore_whitespace)


def _job(request: GenerationRequest, settings: DynamicPrompts, prompts: Prompts, index: int) -> GenerationRequest:
    hires = request.hires
    if hires is not None:  # prompts of their own follow those of the first pass
        hires = replace(
            hires,
            prompt=_follows(hires.prompt, request.prompt, prompts.prompt),
            negative_prompt=_follows(hires.negative_prompt, request.negative_prompt, prompts.negative_prompt),
        )
    varied = bool(request.variation.strength)
    variation = replace(request.variation, seed=request.variation_seed_of(index)) if varied else request.variation
    return replace(
        request,
        prompt=prompts.prompt,
        negative_prompt=prompts.negative_prompt,
        seed=request.seed if settings.same_seed else request.seed_of(index),
        variation=variation,
        batch_size=1,
        batch_count=1,
        hires=hires,
    )


def _follows(own: str, template: str, prompt: str) -> str:
    return prompt if own == template else own
