"""Writing LoRA files, and the state from which a training goes on exactly where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sdcolab.core.errors import SdcolabError, StateUnusable, StorageError
from sdcolab.core.files import atomic_write, make_folder, storage_errors
from sdcolab.core.words import training_progress as words
from sdcolab.engine.weights import read_pickle
from sdcolab.training.metadata import PROGRESS, tensor_hashes

PRECISIONS = {"float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

_WEIGHTS, _OPTIMISER = "model.safetensors", "optimizer.bin"


def write_lora(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A LoRA file with its hashes in its metadata. Raises ``StorageError``."""
    data = encoded_lora(tensors, metadata)
    with atomic_write(path) as file:
        file.write(data)


def encoded_lora(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What ``write_lora`` writes."""
    ours = {name: value for name, value in metadata.items() if name.startswith("ss_")}
    model, legacy = tensor_hashes(save(dict(tensors), ours))
    return save(dict(tensors), {**metadata, "sshs_model_hash": model, "sshs_legacy_hash": legacy})


def are_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number is one."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is: ``epoch`` from 1 and ``batch`` within it to do next, optimiser ``step`` done, and what it
    trains.

    ``losses`` has the mean loss of every step so far.
    """

    epoch: int
    batch: int
    step: int
    seed: int
    plan: str
    dataset: str
    losses: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that the next step depends on. Random numbers are drawn from the step's number, so they need no
    state.
    """

    progress: Progress
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    extras: Mapping[str, Any]


def write_state(folder: Path, state: State) -> None:
    """Take the place of the state in ``folder``; half of one is never seen. Raises ``StorageError``."""
    fresh = folder.with_name(f".{folder.name}.nuevo")
    with storage_errors(folder):
        shutil.rmtree(fresh, ignore_errors=True)
    make_folder(fresh)
    try:
        _fill(fresh, state)
    except StorageError:  # half a state would only take up more of a full disk
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    with storage_errors(folder):
        old = folder.with_name(f".{folder.name}.viejo")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _fill(folder: Path, state: State) -> None:
    with atomic_write(folder / _WEIGHTS) as file:
        file.write(save({name: tensor.contiguous() for name, tensor in state.weights.items()}))
    with atomic_write(folder / _OPTIMISER) as file:
        torch.save({"optimiser": state.optimiser, "extras": state.extras}, file)
    with atomic_write(folder / PROGRESS) as file:
        file.write(json.dumps(asdict(state.progress)).encode())


def read_state(folder: Path) -> State:
    """The state in ``folder``. Only data are unpickled. Raises ``StateUnusable``."""
    old = folder.with_name(f".{folder.name}.viejo")
    if not folder.exists() and old.exists():  # cut off between two renames
        folder = old
    try:
        raw = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        raw["losses"] = tuple(float(loss) for loss in raw["losses"])
        progress = Progress(**raw)
        weights = load_file(folder / _WEIGHTS)
        loaded = read_pickle(folder / _OPTIMISER)
        return State(progress, weights, loaded["optimiser"], loaded["extras"])
    except (OSError, ValueError, TypeError, KeyError, SafetensorError, SdcolabError) as error:
        raise StateUnusable(folder=folder, detail=words.INCOMPLETE) from error
