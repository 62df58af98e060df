"""Training a written plan from its last saved state, wherever it was asked for. No torch."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sdcolab.core.errors import SdcolabError, StateUnusable
from sdcolab.core.files import make_folder
from sdcolab.training.metadata import PROGRESS, last_file, state_folder
from sdcolab.training.own_files import own_files
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.toml_writing import write_plan


def saved_state(plan: TrainingPlan) -> Path | None:
    """The state that an earlier training of ``plan`` left unfinished."""
    folder, name = Path(plan.output_dir or "."), plan.output_name or "last"
    state, finished = folder / state_folder(last_file(name)), folder / last_file(name)
    unfinished = not finished.exists() or finished.stat().st_mtime < state.stat().st_mtime if state.is_dir() else False
    return state if unfinished else None


def step_of(state: Path) -> int:
    """The step that a saved state has done; 0 where it does not tell."""
    try:
        return int(json.loads((state / PROGRESS).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def go_on(plan: TrainingPlan, run: Callable[[TrainingPlan], Path], unusable: Callable[[SdcolabError], object]) -> Path:
    """Run ``plan`` from the state that an earlier training left unfinished, if any, which then goes away; the finished
    file. A state that does not fit any more is told to ``unusable`` and left; a state that the plan asks for is its
    own affair.
    """
    state = None if plan.resume else saved_state(plan)
    try:
        made = run(replace(plan, resume=str(state)) if state else plan)
    except StateUnusable as error:
        if state is None:
            raise
        unusable(error)
        made = run(plan)
    if not (plan.save_state or plan.save_state_on_train_end):
        for over in (state, made.parent / state_folder(made.name)):
            if over is not None:
                shutil.rmtree(over, ignore_errors=True)
    return made


def cook(
    plan: TrainingPlan, path: Path, run: Callable[[Path], Path], unusable: Callable[[SdcolabError], object]
) -> Path:
    """``go_on`` with a ``run`` that trains the plan it finds at a path: beside ``path``, where ``plan`` is written."""
    return go_on(plan, lambda one: _run(one, path, run), unusable)


def _run(plan: TrainingPlan, path: Path, run: Callable[[Path], Path]) -> Path:
    running = path.with_name(f".{path.stem}-en-marcha.toml")
    write_plan(running, plan)
    try:
        return run(running)
    finally:
        with contextlib.suppress(OSError):
            running.unlink()


def copy_loras(made: Path, target: Path) -> int:
    """Every file of the training that ``made`` ended in ``target``, where the studio looks for LoRAs; how many."""
    count = 0
    with contextlib.suppress(OSError, SdcolabError):
        make_folder(target)
        for file in own_files(made.parent, made.stem).files:
            shutil.copyfile(file, target / file.name)
            count += 1
    return count
