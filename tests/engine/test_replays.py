"""Recorded calls of the UNet: what is replayed, and what is called as always. The card is played by what records on the
CPU; the real one is in test_cuda."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import Event, Note
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import MemoryChoice
from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, Tuning
from sdcolab.core.words.speed import NOT_REPLAYED
from sdcolab.engine.engine import Engine
from sdcolab.engine.replays import MOST, Made, Replays, Tap, difference
from sdcolab.engine.shelf import replayed

REQUEST = GenerationRequest(prompt="a red (pizza:1.2)", negative_prompt="blue", steps=5, cfg_scale=5, seed=1)


class Recorder:
    """Records as a card does: each replay works on the memory that was there when it was recorded, and leaves its
    answer where the first one lay."""

    def __init__(self, wrong: float = 0.0, fails: str = "") -> None:
        self.recorded = self.replayed = 0
        self._wrong = wrong
        self._fails = fails

    def __call__(self, work: Callable[[], Made]) -> tuple[Callable[[], None], Made]:
        if self._fails:
            raise RuntimeError(self._fails)
        self.recorded += 1
        outputs = tuple(tensor.clone() for tensor in work())

        def replay() -> None:
            self.replayed += 1
            for output, made in zip(outputs, work(), strict=True):
                output.copy_(made * (1 + self._wrong))

        return replay, outputs


class Doubler(nn.Module):
    """A layer that counts its calls by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.calls = 0

    def forward(self, given: dict[str, Tensor]) -> Tensor:
        self.calls += 1
        answer: Tensor = self.layer(given["x"])
        return answer


@pytest.fixture
def unet() -> Doubler:
    torch.manual_seed(1)
    return Doubler().requires_grad_(False)


def asked(value: float, rows: int = 1) -> dict[str, Tensor]:
    return {"x": torch.full((rows, 2), value)}


class TestReplays:
    def test_the_first_call_of_a_shape_is_recorded_and_the_others_replayed(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays, of = Replays(unet, recorder), object()
        for value in (1.0, 2.0, 3.0):
            assert torch.equal(replays.answer(of, asked(value), unet), unet.layer(asked(value)["x"]))
        replays.answer(of, asked(1.0, rows=2), unet)
        assert (recorder.recorded, recorder.replayed) == (2, 4)

    def test_an_answer_is_nobody_else_s(self, unet: Doubler) -> None:
        replays, of = Replays(unet, Recorder()), object()
        answers = [replays.answer(of, asked(value), unet) for value in (1.0, 2.0, 3.0)]
        assert torch.equal(answers[1], unet.layer(asked(2.0)["x"]))

    def test_weights_that_change_in_place_keep_the_recording(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays = Replays(unet, recorder)
        replays.answer(1, asked(1.0), unet)
        unet.layer.weight.mul_(2)
        assert torch.equal(replays.answer(2, asked(1.0), unet), unet.layer(asked(1.0)["x"]))
        assert recorder.recorded == 1

    def test_weights_that_move_are_recorded_anew(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays = Replays(unet, recorder)
        replays.answer(1, asked(1.0), unet)
        before, unet.layer.weight = unet.layer.weight, nn.Parameter(torch.ones(2, 2), requires_grad=False)
        assert torch.equal(replays.answer(2, asked(1.0), unet), unet.layer(asked(1.0)["x"]))
        assert recorder.recorded == 2 and before is not unet.layer.weight

    def test_what_python_does_on_the_way_is_never_recorded(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays = Replays(unet, recorder)
        replays.answer(1, asked(1.0), unet)
        hook = unet.layer.register_forward_hook(lambda _layer, _given, made: made + 1)
        assert torch.equal(replays.answer(2, asked(1.0), unet), unet.layer(asked(1.0)["x"]))
        hook.remove()
        assert torch.equal(replays.answer(3, asked(1.0), unet), unet.layer(asked(1.0)["x"]))
        assert recorder.replayed == 2, "one check of each recording, and no more"

    def test_a_tap_hears_what_is_replayed(self, unet: Doubler) -> None:
        recorder, tap = Recorder(), Tap()
        replays = Replays(unet, recorder)
        replays.answer(1, asked(1.0), unet)
        hook = unet.layer.register_forward_pre_hook(tap)
        for value in (1.0, 2.0, 3.0):
            replays.answer(2, asked(value), unet)
            heard = tap.take()
            assert heard is not None and torch.equal(heard, asked(value)["x"])
        assert (recorder.recorded, recorder.replayed) == (2, 4), "one without the tap, and one with it"
        hook.remove()
        replays.answer(3, asked(1.0), unet)
        assert recorder.recorded == 3 and tap.take() is None

    def test_a_tap_hears_the_call_itself_where_the_recording_is_wrong(self, unet: Doubler) -> None:
        tap = Tap()
        unet.layer.register_forward_pre_hook(tap)
        Replays(unet, Recorder(wrong=0.5)).answer(1, asked(2.0), unet)
        heard = tap.take()
        assert heard is not None and torch.equal(heard, asked(2.0)["x"])

    def test_no_more_shapes_than_there_is_room_for(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays, of = Replays(unet, recorder), object()
        for rows in range(1, MOST + 2):
            replays.answer(of, asked(1.0, rows), unet)
        replays.answer(of, asked(1.0, MOST + 1), unet)
        assert recorder.recorded == MOST + 1
        replays.answer(of, asked(1.0, 1), unet)
        assert recorder.recorded == MOST + 2, "the oldest had gone"

    @pytest.mark.parametrize("recorder", [Recorder(wrong=0.01), Recorder(fails="no se puede")])
    def test_what_is_wrong_or_fails_is_off_for_good_and_told_once(self, unet: Doubler, recorder: Recorder) -> None:
        replays, of = Replays(unet, recorder), object()
        assert not replays.news()
        for value in (1.0, 2.0):
            assert torch.equal(replays.answer(of, asked(value), unet), unet.layer(asked(value)["x"]))
        assert recorder.recorded <= 1
        assert (replays.news(), replays.news()) == (True, False)

    def test_memory_is_given_back_for_good(self, unet: Doubler) -> None:
        recorder = Recorder()
        replays, of = Replays(unet, recorder), object()
        assert not replays.release()
        replays.answer(of, asked(1.0), unet)
        assert replays.release()
        replays.answer(of, asked(1.0), unet)
        assert recorder.recorded == 1 and not replays.release()

    @pytest.mark.parametrize(
        ("one", "other", "told"),
        [([3.0, 4.0], [3.0, 4.0], 0.0), ([3.0, 5.0], [3.0, 4.0], 0.2), ([float("nan"), 1.0], [float("inf"), 1.0], 0.0)],
    )
    def test_differences(self, one: list[float], other: list[float], told: float) -> None:
        assert difference(torch.tensor(one), torch.tensor(other)) == pytest.approx(told)

    def test_what_overflows_alone_is_not_alike(self) -> None:
        assert difference(torch.tensor([float("nan")]), torch.tensor([1.0])) == float("inf")


class TestInTheEngine:
    """The demo model with a recorder in the place of a card."""

    @pytest.fixture
    def engine(self, demo_checkpoint: Path, tmp_path: Path) -> Engine:
        file = ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint)
        return Engine(Library(Folders(tmp_path), bundled=(file,)), None, device="cpu")

    def recorded(self, engine: Engine, recorder: Recorder) -> None:
        engine.preload()
        (stamp,) = engine.models._checkpoints
        model = engine.models._checkpoints[stamp].model
        object.__setattr__(model, "replays", Replays(model.unet, recorder))

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"sampler": "DPM++ 2M", "batch_size": 2},
            {"hires": Hires(scale=1.5, steps=3)},
            {"prompt": "a pizza AND a cat"},
            {"speed": Speed.FAST, "steps": 12, "tuning": Tuning(cpu_precision=CpuPrecision.FULL)},
            {"sampler": "Heun", "steps": 12, "tuning": Tuning(forecast=0.4)},
            {"tiling": True},
        ],
    )
    def test_pictures_are_those_without_it(self, engine: Engine, change: dict[str, Any]) -> None:
        request = replace(REQUEST, **change)
        without = [np.asarray(one.image) for one in engine.generate(request, save=False).images]
        recorder = Recorder()
        self.recorded(engine, recorder)
        for _ in range(2):  # tiling and the others change how layers work between two rounds
            engine.generate(REQUEST, save=False)
            made = [np.asarray(one.image) for one in engine.generate(request, save=False).images]
            assert all(np.array_equal(one, other) for one, other in zip(made, without, strict=True))
        assert recorder.replayed >= 2 * REQUEST.steps

    def test_it_is_told_when_it_ends(self, engine: Engine) -> None:
        self.recorded(engine, Recorder(wrong=0.5))
        told: list[Event] = []
        for _ in range(2):
            engine.generate(REQUEST, told.append, save=False)
        assert [one.text for one in told if isinstance(one, Note)].count(NOT_REPLAYED) == 1

    @pytest.mark.parametrize(
        ("memory", "device", "waits", "wanted"),
        [
            (MemoryChoice(graphs=True), "cuda", False, True),
            (MemoryChoice(), "cuda", False, False),
            (MemoryChoice(graphs=True), "cpu", False, False),
            (MemoryChoice(graphs=True), "cuda", True, False),
        ],
    )
    def test_it_is_for_cards_and_for_who_asks(
        self, memory: MemoryChoice, device: str, waits: bool, wanted: bool
    ) -> None:
        assert replayed(memory, torch.device(device), waits=waits) is wanted
