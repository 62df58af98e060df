"""img2img alternative test: begin with the noise that the picture might have come from (hechos/a1111.md 9.6)."""

from __future__ import annotations

from dataclasses import replace

from sdcolab.core.inversion import Inversion
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import Alternative
from sdcolab.grids.pictures import initial
from sdcolab.grids.plan import Cell, Plan
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = Alternative.title
SAMPLER = "Euler"
"""The sampler that goes back the way that the inversion came."""


def plan(request: GenerationRequest, settings: Alternative, draw_seed: RandomSeed = random_seed) -> Plan:
    """One job: ``request`` with the inversion, and with what the settings say in the place of its own.

    Raises ``ScriptNeedsPicture``.
    """
    init, _ = initial(request, TITLE)
    made = replace(
        request,
        seed=draw_seed() if request.seed == RANDOM_SEED else request.seed,
        inversion=Inversion(
            settings.prompt,
            settings.negative_prompt,
            settings.cfg_scale,
            settings.steps,
            settings.randomness,
            settings.sigma_adjustment,
        ),
    )
    if settings.override_sampler:
        made = replace(made, sampler=SAMPLER)
    if settings.override_prompt:
        made = replace(made, prompt=settings.prompt, negative_prompt=settings.negative_prompt)
    if settings.override_steps:
        made = replace(made, steps=settings.steps)
    if settings.override_strength:
        made = replace(made, init=replace(init, strength=1.0))
    return Plan(TITLE, (Cell(made, (0, 0, 0)),), (0,), None)
