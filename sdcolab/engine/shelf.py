"""The checkpoints and VAEs in memory: loads what a request needs and lets go of what it does not."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ModelTooBigForCard, ModelTooBigForRam
from sdcolab.core.events import Listener, Phase, PhaseStarted
from sdcolab.core.folders import Folders
from sdcolab.core.library import ModelFile
from sdcolab.core.memory_plan import ONE_MODEL, MemoryChoice, MemoryPlan, WorkMemory, count_weights
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import Unwritten
from sdcolab.core.tensors import header_if_told
from sdcolab.core.words.speed import NOT_REPLAYED
from sdcolab.engine.conditioning import TextConditioner
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.kept import Kept
from sdcolab.engine.memory import free_vram, require_room
from sdcolab.engine.models import LoadedModel, check_checkpoint, load_checkpoint, vae_of
from sdcolab.engine.precision import unet_dtype, weights_dtype
from sdcolab.engine.preview import PreviewModel, PreviewSource
from sdcolab.engine.replays import Replays
from sdcolab.engine.stored import Storage, storage_of
from sdcolab.engine.tiny_vae import TinyDecoder, TinyEncoder, TinyFiles, find_tiny, load_tiny_decoder, load_tiny_encoder
from sdcolab.engine.turns import Part, Turns
from sdcolab.engine.weights import Stamp, Weights, open_weights, stamp_of

PLAIN = GenerationRequest()


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A checkpoint in memory. ``hash`` is the beginning of its file's SHA-256, perhaps still being computed; ``kept``
    is what features keep beside it. ``facts``: what infotexts say of one that lies in no file, which has no hash.
    """

    file: ModelFile
    stamp: Stamp
    model: LoadedModel
    conditioner: TextConditioner
    hash: Future[str]
    kept: Kept
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Vae:
    """A VAE in memory. ``separate`` is the file's hash and name for infotexts, None for the checkpoint's own VAE. The
    tiny networks (TAESD) are there when their files, ``tiny``, are.
    """

    stamp: Stamp
    module: AutoencoderKL
    preview: PreviewModel
    separate: tuple[ModelFile, Future[str]] | None
    turns: Turns
    part: Part
    tiny: TinyFiles
    tiny_decoder: TinyDecoder | None = None
    tiny_encoder: TinyEncoder | None = None

    def its_turn(self) -> None:
        """It is about to work."""
        self.turns.take(self.part)

    @property
    def preview_source(self) -> PreviewSource:
        """What makes previews; on a CPU the linear map, which costs nothing."""
        return self.tiny_decoder if self.tiny_decoder and self.module.device.type == "cuda" else self.preview


class ModelShelf:
    """Keeps what was loaded until something else needs the room. Belongs to one thread at a time."""

    def __init__(
        self, folders: Folders, device: torch.device, hashes: HashCache, memory: MemoryChoice = ONE_MODEL
    ) -> None:
        self._folders = folders
        self.device = device
        self._hashes = hashes
        self._memory = memory
        self._checkpoints: dict[Stamp, Checkpoint] = {}
        self._vaes: dict[Stamp, Vae] = {}
        self._turns = Turns()
        self._together: tuple[ModelFile, ...] = ()
        self._with_unet = 0
        self._planned: dict[Stamp, int] = {}
        self._whole: set[Stamp] = set()
        self._unets = weights_dtype(device)
        self._tuning = PLAIN.tuning
        self._unwritten: dict[Path, tuple[Stamp, Unwritten]] = {}

    @contextmanager
    def with_unwritten(self, checkpoint: Unwritten) -> Iterator[None]:
        """While it lasts, the path of its weights, where no file needs to be, means ``checkpoint``."""
        path: Path = checkpoint.weights.path
        stamp = path, -1, time.monotonic_ns()  # no file's, and no other's
        self._unwritten[path] = stamp, checkpoint
        try:
            yield
        finally:
            del self._unwritten[path]
            self._turns.clear()
            self._whole.discard(stamp)
            self._checkpoints.pop(stamp, None)
            self._vaes.pop(stamp, None)
            release_memory()

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Those in memory."""
        return tuple(self._checkpoints.values())

    @property
    def vaes(self) -> tuple[Vae, ...]:
        """Those in memory."""
        return tuple(self._vaes.values())

    def keep_only(self, files: Sequence[ModelFile], request: GenerationRequest = PLAIN, with_unet: int = 0) -> None:
        """``request`` comes for ``files``, in the type and kept as it says, and for networks of ``with_unet`` numbers
        beside their UNets: if any has yet to be loaded, let go of every checkpoint that is none of them nor of the last
        used that may stay, and of its VAE."""
        self._unets, self._tuning, self._with_unet = unet_dtype(request, self.device), request.tuning, with_unet
        self._checkpoints = {stamp: one for stamp, one in self._checkpoints.items() if self._as_wanted(stamp, one)}
        self._planned = {stamp: max(self._planned[stamp], with_unet) for stamp in self._checkpoints}
        wanted = {self._stamp(file) for file in files}
        if not wanted <= self._checkpoints.keys():
            others = [stamp for stamp in self._checkpoints if stamp not in wanted]
            self._keep(wanted.union(others[max(0, len(others) + len(wanted) - self._memory.checkpoints) :]))
        self._together = tuple(files)

    def spare(self) -> bool:
        """Let go of what the request at work does not need; False when there is none. Raises ``CannotRead``."""
        wanted = {self._stamp(file) for file in self._together}
        others = not self._checkpoints.keys() <= wanted
        if others:
            self._keep(wanted)
        spared = others or release_replays(self._checkpoints.values())
        if spared:
            release_memory()
        return spared

    def widen(self, checkpoint: Checkpoint) -> None:
        """Let go of ``checkpoint``, and load it in full precision from now on: it overflows in halves."""
        self._whole.add(checkpoint.stamp)
        self._turns.clear()
        del self._checkpoints[checkpoint.stamp]
        release_memory()

    def clear(self) -> None:
        """Let go of everything."""
        self._turns.clear()
        self._checkpoints.clear()
        self._vaes.clear()
        release_memory()

    @torch.inference_mode(False)
    def checkpoint(self, file: ModelFile, listener: Listener) -> Checkpoint:
        """``file`` in memory. Others stay beside it while there is room. Raises ``SdcolabError``."""
        stamp = self._stamp(file)
        if stamp not in self._checkpoints:
            listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            _, unwritten = self._unwritten.get(file.path, (None, None))
            weights = self._opened(file.path)
            digest = _no_hash() if unwritten else self._hashes.start(file.path)
            facts = unwritten.facts if unwritten else ()
            _, family = check_checkpoint(weights)
            dtype = self._dtype(stamp)
            storage = storage_of(self._tuning, family.id)
            plan = self._room_for(file, weights, family.work, dtype, storage)
            # Text encoders cost little, and rounding them to bfloat16 costs likeness.
            of_texts = torch.promote_types(dtype, weights_dtype(self.device))
            model = load_checkpoint(weights, self.device, dtype, plan.placement, self._turns, of_texts, storage)
            model = with_replays(model, self._memory)
            self._checkpoints[stamp] = Checkpoint(file, stamp, model, TextConditioner(model), digest, Kept(), facts)
            self._planned[stamp] = self._with_unet
        self._checkpoints[stamp] = self._checkpoints.pop(stamp)  # in the order of their last use
        return self._checkpoints[stamp]

    @torch.inference_mode(False)
    def vae(self, file: ModelFile | None, checkpoint: Checkpoint, listener: Listener) -> Vae:
        """The VAE in ``file``, or the one inside ``checkpoint``. Raises ``SdcolabError``."""
        stamp = self._stamp(file or checkpoint.file)
        if stamp not in self._vaes:
            if file:
                listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            self._vaes = {known: kept for known, kept in self._vaes.items() if known in self._checkpoints}
            release_memory()
            dtype, family = weights_dtype(self.device), checkpoint.model.family
            waits = checkpoint.model.waits
            home = torch.device("cpu") if waits else self.device
            module = vae_of(self._opened(stamp[0]), home, dtype, family.id)
            separate = (file, self._hashes.start(file.path)) if file else None
            self._vaes[stamp] = Vae(
                stamp,
                module,
                PreviewModel(module),
                separate,
                self._turns,
                Part((module,), self.device, waits=waits),
                TinyFiles(family.tiny_vae),
            )
        self._vaes[stamp] = with_tiny(self._vaes[stamp], self._folders, self.device)
        return self._vaes[stamp]

    def _keep(self, stamps: Set[Stamp]) -> None:
        """Only the checkpoints of ``stamps`` and their VAEs, and every separate VAE."""
        self._checkpoints = {stamp: one for stamp, one in self._checkpoints.items() if stamp in stamps}
        self._vaes = {stamp: one for stamp, one in self._vaes.items() if one.separate or stamp in stamps}

    def _stamp(self, file: ModelFile) -> Stamp:
        """Raises ``CannotRead``."""
        return self._unwritten[file.path][0] if file.path in self._unwritten else stamp_of(file.path)

    def _opened(self, path: Path) -> Weights:
        """Raises ``ModelError``."""
        weights: Weights = self._unwritten[path][1].weights if path in self._unwritten else open_weights(path)
        return weights

    def _as_wanted(self, stamp: Stamp, one: Checkpoint) -> bool:
        """Whether what was loaded is kept as the request at work wants, with room for what it brings."""
        model = one.model
        more = (self._with_unet - self._planned[stamp]) * model.dtype.itemsize
        free = free_vram(self.device)
        room = more <= 0 or (not model.waits and (free is None or free >= more + model.family.work.least))
        return room and model.dtype == self._dtype(stamp) and model.storage == storage_of(self._tuning, model.family.id)

    def _dtype(self, stamp: Stamp) -> torch.dtype:
        return torch.float32 if stamp in self._whole else self._unets

    def _room_for(
        self, file: ModelFile, weights: Weights, work: WorkMemory, dtype: torch.dtype, storage: Storage
    ) -> MemoryPlan:
        """How the new one is placed in ``dtype`` and ``storage``. Others go if it does not fit beside them, those of
        the same request last; those that are not of it must leave room to work without any saving. Raises
        ``ModelTooBigForCard`` or ``ModelTooBigForRam``.
        """
        self._turns.clear()
        waiting = [other for other in self._together if self._stamp(other) not in self._checkpoints and other != file]
        beside = sum(_weight_of(other) * self._dtype(self._stamp(other)).itemsize for other in waiting)
        together = {self._stamp(other) for other in self._together}
        for kept in (frozenset(self._checkpoints), together, frozenset[Stamp]()):
            self._keep(kept)
            release_memory()
            alone = self._checkpoints.keys() <= together
            try:
                plan = require_room(
                    weights.path,
                    weights.header,
                    work if alone else replace(work, least=work.comfortable),
                    self.device,
                    dtype,
                    storage=storage,
                    beside=beside,
                    with_unet=self._with_unet * dtype.itemsize,
                    fastest=self._memory.fastest,
                )
            except (ModelTooBigForCard, ModelTooBigForRam):
                if not self._checkpoints:
                    raise
                continue
            if alone or not plan.placement.waits:
                return plan
        raise AssertionError("the last attempt returns or raises")


def replayed(memory: MemoryChoice, device: torch.device, *, waits: bool) -> bool:
    """Whether the calls of a UNet are recorded: on a card, where its weights lie for good."""
    return memory.graphs and device.type == "cuda" and not waits


def with_replays(model: LoadedModel, memory: MemoryChoice) -> LoadedModel:
    """``model``, and what records its calls if they are recorded."""
    wanted = replayed(memory, model.device, waits=model.waits)
    return replace(model, replays=Replays(model.unet)) if wanted else model


def with_tiny(vae: Vae, folders: Folders, device: torch.device) -> Vae:
    """``vae`` with the tiny networks whose files are here by now."""
    tiny = find_tiny(folders.roots(ModelKind.TINY_VAE), vae.tiny.name)
    if tiny == vae.tiny:
        return vae
    dtype = weights_dtype(device)
    decoder = load_tiny_decoder(tiny.decoder, device, dtype) if tiny.decoder else None
    encoder = load_tiny_encoder(tiny.encoder, device, dtype) if tiny.encoder else None
    return replace(vae, tiny=tiny, tiny_decoder=decoder, tiny_encoder=encoder)


def release_replays(checkpoints: Iterable[Checkpoint]) -> bool:
    """Let go of what was recorded of them; False where there is nothing."""
    recorded = [one.model.replays for one in checkpoints if one.model.replays and one.model.replays.release()]
    return bool(recorded)


def replay_news(checkpoints: Iterable[Checkpoint]) -> Iterator[str]:
    """What has changed in how their UNets are called, in sentences."""
    for one in checkpoints:
        if one.model.replays and one.model.replays.news():
            yield NOT_REPLAYED


def _no_hash() -> Future[str]:
    known: Future[str] = Future()
    known.set_result("")
    return known


def _weight_of(file: ModelFile) -> int:
    """About how many numbers a model file holds."""
    header = header_if_told(file.path)
    return count_weights(header).total if header else file.path.stat().st_size // 2


def release_memory() -> None:
    """Give back what nobody uses any more, also to the GPU's other programs."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
