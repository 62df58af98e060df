"""Training a written plan: what is kept beside the LoRA, and going on with what was left unfinished."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdcolab.core.curve import Curve
from sdcolab.core.errors import Cancelled, DatasetChanged, DiskFull, SdcolabError, StateUnusable
from sdcolab.training.chart import learnt
from sdcolab.training.child import run_training
from sdcolab.training.control import Control
from sdcolab.training.cooking import cook, copy_loras, go_on
from sdcolab.training.events import StepTrained, Told, TrainingBegan, TrainingEvent, from_line, to_line
from sdcolab.training.own_files import own_files
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.saving import Progress, State, read_state, write_state
from sdcolab.training.toml_writing import write_plan

MakePlan = Callable[..., TrainingPlan]


def test_the_plan_is_kept_beside_the_lora_even_when_its_file_goes_away_meanwhile(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, told = tmp_path / "plan.toml", list[SdcolabError]()
    plan = make_plan(max_train_epochs=1, output_dir="salida", seed=None)
    write_plan(path, plan)

    def run(running: Path) -> Path:
        asked = plan_from_file(running)
        path.unlink()  # as when Drive is emptied while it trains
        return run_training(asked, lambda _event: None, Control())

    made = cook(plan, path, run, told.append)
    kept = plan_from_file(made.with_name("mi_lora-plan.toml"))
    assert made == Path(tmp_path / "salida" / "mi_lora.safetensors")
    assert (kept.max_train_epochs, kept.resume, kept.train_data_dir) == (1, None, plan.train_data_dir)
    assert kept.output_dir == str(tmp_path / "salida")
    assert kept.seed is not None
    assert told == [] and not list(tmp_path.glob(".*"))


def test_a_kept_plan_tells_when_its_pictures_changed(make_plan: MakePlan, pictures: Path, tmp_path: Path) -> None:
    made = run_training(make_plan(max_train_epochs=1), lambda _event: None, Control())
    again = plan_from_file(made.with_name("mi_lora-plan.toml"))
    told: list[TrainingEvent] = []
    run_training(again, told.append, Control())
    assert not [event for event in told if isinstance(event, Told)]
    (pictures / "2_fondo" / "e.txt").write_text("otra cosa")
    run_training(again, told.append, Control())
    assert [type(event.warning) for event in told if isinstance(event, Told)] == [DatasetChanged]


def test_what_was_stopped_is_gone_on_with_and_what_is_over_is_not(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(max_train_epochs=2)
    firsts: list[int] = []
    told: list[SdcolabError] = []

    def run(one: TrainingPlan, stop_at: int = 0) -> Path:
        control = Control()

        def hear(event: TrainingEvent) -> None:
            if isinstance(event, TrainingBegan):
                firsts.append(event.first)
            elif isinstance(event, StepTrained) and event.step == stop_at:
                control.stop()

        return run_training(one, hear, control)

    with pytest.raises(Cancelled):
        go_on(plan, lambda one: run(one, 2), told.append)
    made = go_on(plan, run, told.append)
    assert not made.with_name("mi_lora-state").exists()
    go_on(plan, run, told.append)
    assert (firsts, told) == ([0, 2, 0], [])
    ended = replace(plan, save_state_on_train_end=True)
    go_on(ended, run, told.append)
    assert made.with_name("mi_lora-state").exists()
    go_on(ended, run, told.append)
    assert firsts == [0, 2, 0, 0, 0]


def stopped_at(plan: TrainingPlan, step: int) -> None:
    """Train ``plan`` up to ``step``, and stop."""
    control = Control()

    def hear(event: TrainingEvent) -> None:
        if isinstance(event, StepTrained) and event.step == step:
            control.stop()

    with pytest.raises(Cancelled):
        run_training(plan, hear, control)


def test_what_goes_on_tells_its_curve_from_the_first_step(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(max_train_epochs=2, lr_scheduler="cosine")
    heard: list[TrainingEvent] = []
    run_training(plan, heard.append, Control())
    whole = curve_of(heard)
    cut = replace(plan, output_dir=str(tmp_path / "cortada"))
    stopped_at(cut, 3)
    drawn = (tmp_path / "cortada" / "mi_lora-perdida.png").read_bytes()
    heard.clear()

    def hear(event: TrainingEvent) -> None:
        heard.append(from_line(to_line(event)) or event)  # as it comes from a process of its own

    go_on(cut, lambda one: run_training(one, hear, Control()), lambda _error: None)
    curve = curve_of(heard)
    assert (curve.first, curve.step, curve.total) == (0, whole.step, whole.total)
    assert [point.loss for point in curve.points] == pytest.approx([point.loss for point in whole.points], abs=1e-6)
    assert curve.rates == pytest.approx(whole.rates)
    assert (tmp_path / "cortada" / "mi_lora-perdida.png").read_bytes() != drawn


def curve_of(heard: list[TrainingEvent]) -> Curve:
    curve = Curve()
    for event in heard:
        curve = learnt(curve, event)
    return curve


def test_files_of_an_earlier_training_of_that_name_are_left_out(make_plan: MakePlan, tmp_path: Path) -> None:
    folder = tmp_path / "output"
    run_training(make_plan(max_train_epochs=3), lambda _event: None, Control())
    made = run_training(make_plan(max_train_epochs=2, network_dim=8), lambda _event: None, Control())
    own = own_files(folder, "mi_lora")
    assert [path.stem for path in own.files] == ["mi_lora-000001", "mi_lora"]
    assert [path.stem for path in own.others] == ["mi_lora-000002"]
    (folder / "mi_lora2.safetensors").write_bytes(b"de otro")
    assert copy_loras(made, tmp_path / "Lora") == 2
    assert sorted(path.stem for path in (tmp_path / "Lora").iterdir()) == ["mi_lora", "mi_lora-000001"]


def test_a_training_that_went_on_owns_the_files_of_both_parts(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(max_train_epochs=2, seed=None)
    stopped_at(plan, 3)
    go_on(plan, lambda one: run_training(one, lambda _event: None, Control()), lambda _error: None)
    own = own_files(tmp_path / "output", "mi_lora")
    assert [path.stem for path in own.files] == ["mi_lora-000001", "mi_lora-step00000003", "mi_lora"]
    assert own.others == ()


def test_a_state_of_another_base_is_told_and_left(make_plan: MakePlan, mini_checkpoint: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.safetensors"
    shutil.copyfile(mini_checkpoint, base)
    plan = make_plan(max_train_epochs=2, pretrained_model_name_or_path=str(base))
    control = Control()

    def stop(event: TrainingEvent) -> None:
        if isinstance(event, StepTrained):
            control.stop()

    with pytest.raises(Cancelled):
        run_training(plan, stop, control)
    with base.open("r+b") as file:  # another model under the same name: its last weights differ
        file.seek(-64, os.SEEK_END)
        file.write(bytes(64))
    told: list[SdcolabError] = []
    go_on(plan, lambda one: run_training(one, lambda _event: None, Control()), told.append)
    assert [type(error) for error in told] == [StateUnusable]


def test_half_a_state_does_not_stay_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(1, 0, 1, 0, "plan", "imagenes")
    write_state(tmp_path / "a-state", State(progress, {"x": torch.zeros(2)}, {}, {}))

    def full(_values: object, _file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DiskFull):
        write_state(tmp_path / "a-state", State(progress, {"x": torch.ones(2)}, {}, {}))
    assert [path.name for path in tmp_path.iterdir()] == ["a-state"]
    assert read_state(tmp_path / "a-state").weights["x"].sum() == 0  # the one before it is whole
