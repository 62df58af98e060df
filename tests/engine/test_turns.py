"""Parts that take turns on the card. The "meta" device stands in for one: what lies there has no numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sdcolab.core.memory_plan import MemoryPlan, Placement
from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.engine import shelf as shelf_module
from sdcolab.engine.engine import Engine
from sdcolab.engine.models import LoadedModel, load_checkpoint
from sdcolab.engine.turns import STREAMED, Part, Turns
from sdcolab.engine.weights import open_weights

CARD = torch.device("meta")
REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=2, seed=7, width=64, height=64
)


def devices(module: nn.Module) -> set[str]:
    return {tensor.device.type for tensor in (*module.parameters(), *module.buffers())}


def part(*, waits: bool = True) -> tuple[nn.Module, Part]:
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    return module, Part((module,), CARD, waits=waits)


def test_what_leaves_is_as_it_was() -> None:
    module, one = part()
    before = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    one.come()
    assert devices(module) == {"meta"} and one.here
    one.leave()
    assert devices(module) == {"cpu"} and not one.here
    assert {name: tensor.data_ptr() for name, tensor in module.state_dict().items()} == before


def test_one_at_a_time() -> None:
    turns, (_, first), (_, second) = Turns(), part(), part()
    resident, always = part(waits=False)
    for one in (first, second, always, None):
        turns.take(one)
    assert (first.here, second.here) == (False, True)  # those that do not wait take nobody's turn
    assert devices(resident) == {"cpu"}
    with turns.nobody():
        assert not second.here
        turns.take(first)
    assert not first.here


def test_who_does_not_fit_goes_home(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, (module, one) = Turns(), part()
    to, moved = torch.Tensor.to, []

    def failing(self: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        if len(moved) == 2:
            raise torch.OutOfMemoryError
        moved.append(1)
        return to(self, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "to", failing)
    with pytest.raises(torch.OutOfMemoryError):
        turns.take(one)
    assert devices(module) == {"cpu"}


def test_a_streamed_unet_has_one_block_on_the_card(mini_checkpoint: Path) -> None:
    model = load_checkpoint(open_weights(mini_checkpoint), CARD, torch.float32, Placement.STREAMED)
    blocks = [module for module in model.unet.modules() if isinstance(module, STREAMED)]
    at_once: list[int] = []

    def count(*_: Any) -> None:
        at_once.append(sum(devices(block) == {"meta"} for block in blocks))

    for block in blocks:
        block.register_forward_pre_hook(count)
    model.turn_of_unet()
    assert sum(devices(block) == {"cpu"} for block in blocks) == len(blocks)
    assert devices(model.unet.conv_in) == {"meta"}
    inputs = (torch.empty(1, 4, 8, 8), torch.empty(1), torch.empty(1, 77, model.unet.config.cross_attention_dim))
    model.unet(*(tensor.to(CARD) for tensor in inputs))
    assert set(at_once) == {1} and len(at_once) == len(blocks)
    model.turns.clear()
    assert devices(model.unet) == {"cpu"}


@pytest.fixture(params=[Placement.TURNS, Placement.STREAMED])
def sharing_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Engine:
    """An engine whose models take turns, on a processor that plays the card."""
    plan = MemoryPlan(request.param, ram=0, vram=0)
    monkeypatch.setattr(shelf_module, "require_room", lambda *_, **__: plan)
    return engine


def test_a_picture_of_parts_that_take_turns_is_the_same(
    sharing_engine: Engine, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    seen: list[tuple[str, bool, bool, bool]] = []

    def here(what: str) -> None:
        (checkpoint,), (vae,) = sharing_engine.models.checkpoints, sharing_engine.models.vaes
        model: LoadedModel = checkpoint.model
        seen.append((what, model.text_part.here, model.unet_part.here, vae.part.here))

    for kind, name in ((UNet2DConditionModel, "forward"), (AutoencoderKL, "decode")):
        real = getattr(kind, name)

        def watching(self: Any, *arguments: Any, real: Any = real, name: str = name, **options: Any) -> Any:
            if sharing_engine.models.vaes:
                here(name)
            return real(self, *arguments, **options)

        monkeypatch.setattr(kind, name, watching)
    request = replace(REQUEST, hires=Hires(upscaler="None", scale=2.0, steps=1), batch_count=2)
    made = sharing_engine.generate(request, save=False).images[1].image
    assert {what: rest for what, *rest in seen if what == "forward"} == {"forward": [False, True, False]}
    assert all(not unet for what, _, unet, _ in seen if what == "decode")
    (checkpoint,) = sharing_engine.models.checkpoints
    assert not checkpoint.model.unet_part.here  # after the request the card is free
    monkeypatch.undo()
    expected = make_engine().generate(request, save=False).images[1].image
    assert np.abs(np.asarray(made, np.int16) - np.asarray(expected, np.int16)).max() <= 2
