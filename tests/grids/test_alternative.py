"""img2img alternative test: what it makes of a request."""

from __future__ import annotations

import pytest
from PIL import Image
from support.names import ListedNames

from sdcolab.core.errors import ScriptNeedsPicture
from sdcolab.core.inversion import Inversion
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.scripts import Alternative, DynamicPrompts, Grid
from sdcolab.grids.alternative import plan
from sdcolab.grids.dynamic.nodes import Wildcards
from sdcolab.grids.scripts import prepare

INIT = InitImage((Image.new("RGB", (64, 64)),), strength=0.4)
REQUEST = GenerationRequest(prompt="a dog", negative_prompt="bad", sampler="DDIM", steps=7, seed=-1, init=INIT)


def test_the_request_gives_way_to_the_inversion() -> None:
    (cell,) = plan(REQUEST, Alternative("a cat", "ugly", steps=30, randomness=0.1), lambda: 5).cells
    made = cell.request
    assert made is not None
    assert made.inversion == Inversion("a cat", "ugly", 1.0, 30, 0.1, True)
    assert (made.prompt, made.negative_prompt, made.sampler, made.steps, made.seed) == ("a cat", "ugly", "Euler", 30, 5)
    assert made.init is not None
    assert made.init.strength == 1.0


def test_what_is_not_overridden_stays() -> None:
    settings = Alternative(
        "a cat", override_sampler=False, override_prompt=False, override_steps=False, override_strength=False
    )
    (cell,) = plan(REQUEST, settings, lambda: 5).cells
    made = cell.request
    assert made is not None and made.init is not None
    assert (made.prompt, made.sampler, made.steps, made.init.strength) == ("a dog", "DDIM", 7, 0.4)


def test_it_needs_a_picture_and_takes_drawn_prompts() -> None:
    with pytest.raises(ScriptNeedsPicture):
        plan(GenerationRequest(), Alternative())
    request = GenerationRequest(prompt="{a|a} dog", seed=1, init=INIT)
    task = Grid(request, Alternative("x", override_prompt=False), DynamicPrompts())
    prepared = prepare(task, ListedNames(), Wildcards(), lambda: 5)
    assert prepared.plan is not None
    assert [one.prompt for one in prepared.plan.requests] == ["a dog"]
