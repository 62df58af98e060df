"""The seams that features enter through, on whole generations with a miniature checkpoint."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from sdcolab.core import library as library_module
from sdcolab.core import resolved as resolved_module
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import UnknownName
from sdcolab.core.events import Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, Hires, InitImage, Inpaint
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.attention import Attend, AttentionSite
from sdcolab.engine.calls import NEGATIVE, Predictions, Round, Step, UNetCall
from sdcolab.engine.engine import Engine
from sdcolab.engine.feature import Feature, Opening
from sdcolab.engine.features import FEATURES

MakeEngine = Callable[..., Engine]

PACKAGE = Path(__file__).parents[2] / "sdcolab"
REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64
)


class Trial(Feature):
    """Takes part in every generation."""

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self:
        return cls()


def picture(engine: Engine, request: GenerationRequest = REQUEST) -> np.ndarray:
    return np.asarray(engine.generate(request, save=False).images[0].image, np.int16)


@pytest.fixture
def with_feature(make_engine: MakeEngine) -> Callable[[type[Feature]], Engine]:
    """An engine with one feature more than it ships with."""
    return lambda row: make_engine(features=(*FEATURES, row))


# --- Features are removable -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_all(kept_engine: Engine) -> np.ndarray:
    """The picture of an engine with every feature."""
    return picture(kept_engine)


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row.__name__)
def test_without_its_row_the_program_works(row: type[Feature], make_engine: MakeEngine, with_all: np.ndarray) -> None:
    """What does not ask for the feature comes out the same."""
    poorer = make_engine(features=tuple(other for other in FEATURES if other is not row))
    assert np.array_equal(picture(poorer), with_all)


@pytest.fixture(scope="module")
def importers() -> dict[str | None, set[str]]:
    """The files of the package that import from a module, by the module's name."""
    found: dict[str | None, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                found[node.module].add(path.relative_to(PACKAGE).as_posix())
    return found


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row.__name__)
def test_nothing_but_the_rows_knows_its_file(row: type[Feature], importers: dict[str | None, set[str]]) -> None:
    assert importers[row.__module__] == {"engine/features/__init__.py"}


def test_tags_that_no_feature_understands_are_told(make_engine: MakeEngine) -> None:
    events: list[Event] = []
    engine = make_engine(features=())
    engine.generate(replace(REQUEST, prompt="un gato <lora:nada:1>"), events.append, save=False)
    assert [event.warning.tag for event in events if isinstance(event, Warned)] == ["<lora:nada:1>"]


# --- What a feature is told -------------------------------------------------------------------------------------------


def test_a_call_says_whose_rows_are_whose(with_feature: Callable[[type[Feature]], Engine]) -> None:
    calls: list[UNetCall] = []

    class Watching(Trial):
        def before_unet(self, call: UNetCall) -> UNetCall:
            calls.append(call)
            return call

    hires = Hires(scale=2.0, steps=2, strength=0.9)
    request = replace(REQUEST, prompt="un gato AND un perro :0.5", batch_size=2, hires=hires)
    with_feature(Watching).generate(request, save=False)
    first, last = calls[0], calls[-1]
    assert len(calls) == 3 + 2
    assert [share.part for share in first.shares] == [0, 1, NEGATIVE]
    assert first.images == 2 and first.x.shape == (6, 4, 8, 8)
    assert first.parts.tolist() == [0, 0, 1, 1, NEGATIVE, NEGATIVE]
    assert first.is_negative.tolist() == [False] * 4 + [True] * 2
    assert first.image_numbers.tolist() == [0, 1, 0, 1, 0, 1]
    assert first.for_rows(torch.tensor([[1.0], [2.0]]))[:, 0].tolist() == [1, 2, 1, 2, 1, 2]
    assert (first.step.round.one.number, last.step.round.one.number) == (0, 1)
    assert (last.step.round.one.size.width, last.x.shape[-1]) == (128, 16)
    assert [call.step.number for call in calls] == [0, 1, 2, 0, 1]
    assert [call.step.progress for call in calls] == pytest.approx([0, 1 / 3, 2 / 3, 0, 1 / 2])
    assert first.step.round.batch.seeds == (7, 8)
    assert first.predictor.model is not None and first.predictor.model.path.stem == "mini"


def test_both_ends_of_a_range_of_steps_belong_to_it() -> None:
    """hechos/extensiones.md 3."""
    from sdcolab.engine.plan import make_plan

    plan = make_plan(replace(REQUEST, sampler="Heun", steps=4))
    of = Round(plan.passes[0], plan.batches[0], calls=7)
    steps = [Step(of, call, 1.0, 500.0, 1.0, 1.0, by_timesteps=False, scale=7.0) for call in range(7)]
    assert [step.number for step in steps] == [0, 0, 1, 1, 2, 2, 3]
    assert [step.number for step in steps if step.within(0.25, 0.5)] == [1, 1, 2, 2]


def test_only_masked_says_which_area(with_feature: Callable[[type[Feature]], Engine]) -> None:
    rounds: list[Round] = []

    class Watching(Trial):
        def begin(self, opening: Opening) -> Opening:
            rounds.append(opening.round)
            return opening

    mask = Image.new("L", (96, 96))
    mask.paste(255, (16, 16, 40, 40))
    inpaint = Inpaint(mask, only_masked=True, padding=4, blur_x=0, blur_y=0)
    request = replace(REQUEST, init=InitImage((Image.new("RGB", (96, 96), "red"),), inpaint=inpaint))
    with_feature(Watching).generate(request, save=False)
    (box,) = rounds[0].crops
    assert box is not None and box[0] <= 12 and box[2] >= 44 and box[2] - box[0] < 96


# --- What a feature can change ----------------------------------------------------------------------------------------


def residuals(call: UNetCall, value: float) -> UNetCall:
    """``call`` with ``value`` as every residual."""
    unet: Any = call.predictor.unet
    shapes: list[tuple[int, ...]] = []
    height, width = call.x.shape[-2:]
    for level, channels in enumerate(unet.config.block_out_channels):
        first = [unet.config.block_out_channels[0]] if level == 0 else []
        last = level == len(unet.config.block_out_channels) - 1
        here = (height >> level, width >> level)
        shapes += [(count, *here) for count in (*first, *(channels,) * unet.config.layers_per_block)]
        if not last:
            shapes.append((channels, height >> (level + 1), width >> (level + 1)))
    down = [torch.full((len(call.x), *shape), value) for shape in shapes]
    return call.with_residuals(down, torch.full((len(call.x), *shapes[-1]), value))


class Added(Trial):
    """Residuals of two features add up: 0.5 and -0.5 to nothing."""

    values: tuple[float, ...] = (0.5, -0.5)

    def before_unet(self, call: UNetCall) -> UNetCall:
        for value in self.values:
            call = residuals(call, value)
        return call


class AddedOnce(Added):
    values = (0.5,)


def test_residuals_reach_the_unet(engine: Engine, with_feature: Callable[[type[Feature]], Engine]) -> None:
    plain = picture(engine)
    assert np.abs(picture(with_feature(Added)) - plain).max() <= 1
    assert np.abs(picture(with_feature(AddedOnce)) - plain).max() > 3


def test_attention_goes_through_hooks_and_comes_back_as_it_was(
    engine: Engine, with_feature: Callable[[type[Feature]], Engine]
) -> None:
    seen: list[tuple[str, bool]] = []

    class Through(Trial):
        def before_unet(self, call: UNetCall) -> UNetCall:
            def outer(site: AttentionSite, go_on: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
                seen.append((site.name, site.crosses))
                return go_on(hidden, context) * 2

            def inner(site: AttentionSite, go_on: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
                return go_on(hidden, context) / 2

            return call.with_attention(outer).with_attention(inner)

    hooked = with_feature(Through)
    assert np.abs(picture(hooked) - picture(engine)).max() <= 1
    assert {crosses for _, crosses in seen} == {False, True}
    assert all(name.endswith("attn2") == crosses for name, crosses in seen)
    unet = hooked.models.checkpoints[0].model.unet
    assert not [name for name, module in unet.named_modules() if "forward" in vars(module)]


def test_an_output_takes_the_place_of_the_unet(
    with_feature: Callable[[type[Feature]], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import UNet2DConditionModel

    ran: list[int] = []
    forward = UNet2DConditionModel.forward

    def counting(self: UNet2DConditionModel, *arguments: Any, **options: Any) -> Any:
        ran.append(1)
        return forward(self, *arguments, **options)

    monkeypatch.setattr(UNet2DConditionModel, "forward", counting)

    class OnlyTheFirst(Trial):
        answer: Tensor | None = None

        def before_unet(self, call: UNetCall) -> UNetCall:
            return call if self.answer is None else replace(call, output=self.answer)

        def after_unet(self, output: Tensor, call: UNetCall) -> Tensor:
            self.answer = output
            return output

    engine = with_feature(OnlyTheFirst)
    engine.generate(REQUEST, save=False)
    assert len(ran) == 1
    engine.generate(REQUEST, save=False)  # nothing is left of it
    assert len(ran) == 2


def test_parts_are_combined_before_guidance(engine: Engine, with_feature: Callable[[type[Feature]], Engine]) -> None:
    """A part that is masked everywhere pulls nowhere."""

    class OnlyTheFirstPart(Trial):
        def combine(self, predictions: Predictions) -> Predictions:
            first, *others = predictions.positive
            return replace(predictions, positive=(first, *(predictions.negative for _ in others)))

    request = replace(REQUEST, prompt="un gato AND un perro")
    masked = picture(with_feature(OnlyTheFirstPart), request)
    assert np.abs(masked - picture(engine)).max() <= 1
    assert np.abs(masked - picture(engine, request)).max() > 3


def test_a_feature_can_refuse_before_anything_is_loaded(with_feature: Callable[[type[Feature]], Engine]) -> None:
    class Refusing(Feature):
        @classmethod
        def asked(cls, asked: ResolvedRequest) -> Self | None:
            asked.library.find(ModelKind.CONTROLNET, "no está")
            return None

    engine = with_feature(Refusing)
    with pytest.raises(UnknownName):
        engine.generate(REQUEST)
    assert not engine.models.checkpoints


def test_an_error_of_a_feature_fails_the_request_and_what_it_patched_is_put_back(
    engine: Engine, with_feature: Callable[[type[Feature]], Engine]
) -> None:
    class Breaking(Trial):
        def after_guidance(self, image: Tensor, step: Step) -> Tensor:
            raise ZeroDivisionError

    broken = with_feature(Breaking)
    with pytest.raises(ZeroDivisionError):
        broken.generate(replace(REQUEST, tiling=True), save=False)
    unet = broken.models.checkpoints[0].model.unet
    assert {module.padding_mode for module in unet.modules() if isinstance(module, torch.nn.Conv2d)} == {"zeros"}


# --- A request looks at the folders once ------------------------------------------------------------------------------


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders that were walked from now on."""
    folders: list[str] = []
    walk = library_module._walk

    def counting(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
        folders.append(folder.name)
        return walk(folder, suffixes)

    monkeypatch.setattr(library_module, "_walk", counting)
    return folders


def test_a_request_walks_each_folder_once_and_reads_each_prompt_once(
    engine: Engine, folders: Folders, walked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folders.models(ModelKind.EMBEDDING)
    place.mkdir(parents=True)
    save_file({"emb_params": torch.ones(1, 64)}, place / "xyz.safetensors")
    read: list[str] = []
    extract = resolved_module.extract_networks
    monkeypatch.setattr(resolved_module, "extract_networks", lambda text: (read.append(text), extract(text))[1])
    hires = Hires(scale=2.0, steps=1, upscaler="Lanczos", prompt="un xyz", checkpoint="mini")
    made = engine.generate(replace(REQUEST, prompt="un gato xyz", steps=1, batch_count=4, hires=hires), save=False)
    assert len(made.images) == 4
    assert sorted(walked) == sorted(set(walked))
    assert len(walked) <= 5  # checkpoints, VAEs, embeddings, and the two folders of upscalers
    assert sorted(read) == ["un gato xyz", "un xyz"]
