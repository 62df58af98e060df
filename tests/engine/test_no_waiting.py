"""Sampling never waits for the card: played on torch's "meta" device, whose tensors have no numbers to wait for.

There, asking for a number raises, and so does bringing anything back; what is sent to the card is seen on its way. A
card would stop the processor at each of these until it has done all that was asked before.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sdcolab.core.control import ControlMode, ControlPictures, ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Event, Phase, PhaseStarted, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.freeu import FreeU
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.regions import Regions
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint, NoiseOrigin, Variation
from sdcolab.core.samplers import SAMPLERS
from sdcolab.core.tuning import EightBits, Fp8, Tuning
from sdcolab.engine.darkroom import Darkroom
from sdcolab.engine.engine import Engine
from sdcolab.engine.preview import Previewer

REQUEST = GenerationRequest(prompt="a (pizza:1.2)", negative_prompt="blue", steps=4, seed=1, batch_size=2)
LOOKS_AT_THE_PICTURE = {"DPM adaptive"}
"""Its steps depend on what came out of the last."""


class Sampled(Exception):
    """All steps were done."""


class Watch(TorchDispatchMode):
    """Notes what is sent to the card so that the processor waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.waits: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if self.on and func.overloadpacket in (torch.ops.aten.to, torch.ops.aten._to_copy, torch.ops.aten.copy_):
            source = args[1] if func.overloadpacket is torch.ops.aten.copy_ else args[0]
            if source.device != made.device and not (kwargs or {}).get("non_blocking") and True not in args[1:]:
                self.waits.append("".join(traceback.format_stack(limit=4)[:-1]))
        return made

    def hear(self, event: Event) -> None:
        self.on = event == PhaseStarted(Phase.SAMPLING) or (self.on and isinstance(event, StepDone))


@pytest.fixture
def sampled(
    demo_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[GenerationRequest], Watch]]:
    """Does the steps of a request, and gives what was noticed. Previews look at the picture, so there are none."""
    monkeypatch.setattr("sdcolab.engine.engine.choose_device", lambda _wanted: torch.device("meta"))
    monkeypatch.setattr(torch, "autocast", lambda *_values, **_options: nullcontext())
    monkeypatch.setattr(torch, "isfinite", lambda tensor: torch.ones(1, dtype=torch.bool))  # asked after the last step
    monkeypatch.setattr(Previewer, "maybe", lambda _self, _image: None)

    def done(_self: Darkroom, _latent: Tensor, _vae: Any) -> Image.Image:
        raise Sampled

    monkeypatch.setattr(Darkroom, "decoded", done)
    lines = demo_checkpoint.with_name(LINES)
    files = (
        ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint),
        ModelFile(ModelKind.CONTROLNET, lines.name, lines),
    )
    engine = Engine(Library(Folders(tmp_path), bundled=files), None, device="cuda")

    def run(request: GenerationRequest) -> Watch:
        watch = Watch()
        with watch, pytest.raises(Sampled):
            engine.generate(request, watch.hear, CancelToken(), save=False)
        return watch

    yield run


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - LOOKS_AT_THE_PICTURE))
def test_no_sampler_waits(sampler: str, sampled: Callable[[GenerationRequest], Watch]) -> None:
    assert sampled(replace(REQUEST, sampler=sampler)).waits == []


PICTURE = InitImage((Image.new("RGB", (128, 128)),))
MASK = Inpaint(Image.new("L", (128, 128), 255))


LINES = "emoji-128-lineas.safetensors"
UNIT = ControlUnit(images=PICTURE.images, model=LINES)
REFERENCE = replace(UNIT, model="", module="reference_adain+attn")


@pytest.mark.parametrize(
    "change",
    [
        {"control": (UNIT,)},
        {"control": (replace(UNIT, mode=ControlMode.CONTROL, region=MASK.mask, pictures=ControlPictures.TOGETHER),)},
        {"control": (replace(UNIT, images=PICTURE.images * 2, pictures=ControlPictures.IN_TURN),)},
        {"control": (REFERENCE,)},
        {"control": (replace(UNIT, module="inpaint_only"),), "init": replace(PICTURE, inpaint=MASK)},
        {"prompt": "a pizza AND a cat", "regions": Regions("1:2,1:2", "0:0,0:1", "1,1", 20)},
        {"prompt": "a pizza AND a [cat:dog:0.5] AND a [sun|tree]"},
        {"noise_origin": NoiseOrigin.CPU},
        {"variation": Variation(seed=3, strength=0.3)},
        {"steps": 12, "tuning": Tuning(forecast=0.5)},
        {"steps": 12, "sampler": "DPM++ 2M", "tuning": Tuning(forecast=0.5)},
        {"tuning": Tuning(ngms=3.0, cfg_rescale=0.7, skip_early_cfg=0.2)},
        {"tuning": Tuning(token_merging=0.5, ensd=31337)},
        {"tuning": Tuning(fp8=Fp8.ENABLE)},
        {"tuning": Tuning(fp8=Fp8.ENABLE, eight_bits=EightBits.INT8)},
        {"freeu": FreeU()},
        {"tiling": True},
        {"init": PICTURE},
        {"init": replace(PICTURE, inpaint=MASK)},
        {"init": replace(PICTURE, inpaint=MASK), "tuning": Tuning(classic_inpainting=True)},
    ],
    ids=lambda change: "-".join(change),
)
def test_no_option_waits(change: Mapping[str, Any], sampled: Callable[[GenerationRequest], Watch]) -> None:
    assert sampled(replace(REQUEST, **change)).waits == []
