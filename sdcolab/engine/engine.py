"""The engine: owns the loaded models and turns requests into pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    ImageNotFinite,
    NetworkIgnored,
    NoCuda,
    UnetOverflowed,
)
from sdcolab.core.events import CancelToken, Listener, Note, Phase, PhaseStarted, ignore_events, in_turns
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import ONE_MODEL, MemoryChoice
from sdcolab.core.outputs import ImageStore, ImageStores
from sdcolab.core.remarks import said_of_settings
from sdcolab.core.request import AUTOMATIC, GenerationRequest
from sdcolab.core.resolved import ResolvedRequest, resolve
from sdcolab.core.result import GenerationResult, Unwritten
from sdcolab.engine.bench import POLL_SECONDS, Bench
from sdcolab.engine.darkroom import Darkroom
from sdcolab.engine.faces import FaceRestorer
from sdcolab.engine.feature import Feature
from sdcolab.engine.features import FEATURES
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.kept import Kept
from sdcolab.engine.plan import make_plan
from sdcolab.engine.precision import quick_in_bfloat16, settled
from sdcolab.engine.run import Overflowed, Run
from sdcolab.engine.samplers import resolve_sampler
from sdcolab.engine.savings import Savings
from sdcolab.engine.shelf import ModelShelf, replay_news
from sdcolab.engine.upscale.upscalers import Upscalers


class Engine:
    """Runs one request at a time, whichever threads ask; keeps the last models loaded."""

    def __init__(
        self,
        library: Library,
        store: ImageStore | ImageStores | None,
        *,
        device: str | None = None,
        hash_cache: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        features: Sequence[type[Feature]] = FEATURES,
        memory: MemoryChoice = ONE_MODEL,
    ) -> None:
        """``store`` None keeps pictures in memory only. ``device`` None is CUDA if there is one; ``hash_cache`` is a
        JSON file that remembers the hashes of models. ``features`` are the abilities beyond a plain picture,
        ``memory`` what may be used of it. Raises ``NoCuda`` when CUDA is asked for by name and is not there.
        """
        self.device = choose_device(device)
        self._library = library
        self._store = store
        self._hashes = HashCache(hash_cache)
        self._clock = clock
        self._kept = Kept()
        self._rows = tuple(features)
        self._lock = threading.Lock()
        self.models = ModelShelf(library.folders, self.device, self._hashes, memory)
        self.upscalers = Upscalers(library, self.device)
        self.faces = FaceRestorer(library.folders, self.device)

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
        *,
        save: bool = True,
        beside: Sequence[GenerationRequest] = (),
    ) -> GenerationResult:
        """Make the pictures of ``request`` in the caller's thread; each is saved (unless ``save`` is False) and
        announced the moment it is ready. ``beside``: further pictures of the same batch, after its own, by requests
        that ``core.resolved.share_a_batch`` with it.

        Emits ``PhaseStarted``, ``StepDone`` (``batch`` from 1), ``ImageSaved`` (``ImageReady`` of those that are not
        saved) and ``Warned``; the job queue, not the engine, says ``Ended``. Raises ``SdcolabError``; ``Cancelled``
        before the next UNet call, keeping the finished pictures.
        """
        understood = self._understood(request, self._library, beside)
        return self._made(*understood, listener, cancel or CancelToken(), save=save)

    def try_out(
        self, checkpoint: Unwritten, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> GenerationResult:
        """As ``core.result.Trying.try_out``."""
        file = ModelFile(ModelKind.CHECKPOINT, checkpoint.name, checkpoint.weights.path)
        request = replace(request, checkpoint=file.name)
        understood = self._understood(request, self._library.beginning_with(file))
        return self._made(*understood, listener, cancel, unwritten=checkpoint)

    def _made(
        self,
        asked: ResolvedRequest,
        features: list[Feature],
        listener: Listener,
        cancel: CancelToken,
        *,
        save: bool = True,
        unwritten: Unwritten | None = None,
    ) -> GenerationResult:
        """The pictures of ``asked``, in a turn with its ``features``."""
        with self._opened(asked, features, listener, cancel, save=save, unwritten=unwritten) as (bench, native):
            self._warn(bench, native)
            while True:
                try:
                    return self._run(features, bench)
                except Overflowed as error:
                    bench.warn(UnetOverflowed(checkpoint=error.checkpoint.file.name))
                    self.models.widen(error.checkpoint)
                features = self._features(asked)  # nothing of the first try is kept

    def retouch(
        self, picture: Image.Image, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        """As ``core.result.Retouching.retouch``: what the features do to each finished picture of ``request``."""
        asked, features = self._understood(request, self._library)
        with self._opened(asked, features, listener, cancel, save=False) as (bench, _):
            for feature in features:
                if feature.retouches:
                    picture = feature.retouch(picture, 0, bench)
            return picture

    @contextmanager
    def _opened(
        self,
        asked: ResolvedRequest,
        features: Sequence[Feature],
        listener: Listener,
        cancel: CancelToken,
        *,
        save: bool,
        unwritten: Unwritten | None = None,
    ) -> Iterator[tuple[Bench, int]]:
        """A turn with the checkpoint of ``asked`` in it, what it works with, its own side. Raises ``SdcolabError``."""
        if asked.request.restore_faces or any(unit.restore_faces for unit in asked.request.details):
            self.faces.require()
        lent = self.models.with_unwritten(unwritten) if unwritten else nullcontext()
        with self._turn(listener, cancel), lent, torch.inference_mode():
            self.models.keep_only((asked.checkpoint, *asked.others.values()), asked.request, _beside_unet(features))
            native = self.models.checkpoint(asked.checkpoint, listener).model.detected.native_size
            yield self._bench(asked.sized(native), listener, cancel, save=save), native
            for line in replay_news(self.models.checkpoints):
                listener(Note(line))

    def _understood(
        self, request: GenerationRequest, library: Library, beside: Sequence[GenerationRequest] = ()
    ) -> tuple[ResolvedRequest, list[Feature]]:
        """What ``request`` means, and the features that have a part in it. Raises ``SdcolabError``."""
        resolve_sampler(request.sampler, request.schedule)
        request, *beside = (settled(one, self.device, quick=quick_in_bfloat16()) for one in (request, *beside))
        asked = resolve(request, library, beside)
        return asked, self._features(asked)

    def _features(self, asked: ResolvedRequest) -> list[Feature]:
        return [feature for row in self._rows if (feature := row.asked(asked)) is not None]

    @staticmethod
    def _run(features: Sequence[Feature], bench: Bench) -> GenerationResult:
        plan = make_plan(bench.request, bench.asked.pictures)
        for feature in features:
            plan = feature.passes(plan)
        return Run(plan, features, bench).result()

    def _again(self, bench: Bench, request: GenerationRequest, listener: Listener) -> Image.Image | None:
        """The first picture of another request, in the turn of the one that ``bench`` is for; None if it is skipped."""
        asked, features = self._understood(request, bench.library)
        inner = self._bench(asked, listener, bench.cancel, save=False)
        try:
            made = self._run(features, inner).images
        except Overflowed as error:
            raise ImageNotFinite(checkpoint=error.checkpoint.file.name) from error
        return made[0].image if made else None

    def _warn(self, bench: Bench, native: int) -> None:
        """Tell what nobody will do, and what its settings will do to a picture of ``native`` size."""
        request, understood = bench.request, frozenset().union(*(row.tags for row in self._rows))
        for tag in bench.asked.tags:
            if tag.kind not in understood:
                bench.warn(NetworkIgnored(tag=tag.source))
        for doubt in bench.asked.weight_doubts:
            bench.warn(doubt)
        for remark in said_of_settings(request, bench.library, native):
            bench.warn(remark)

    def preload(self, checkpoint: str = "", vae: str = AUTOMATIC, listener: Listener = ignore_events) -> None:
        """Load what a request with these names would need, so that it starts at once. Raises ``SdcolabError``."""
        with self._turn(listener, CancelToken()):
            asked = resolve(GenerationRequest(checkpoint=checkpoint, vae=vae), self._library)
            self.models.keep_only([asked.checkpoint])
            loaded = self.models.checkpoint(asked.checkpoint, listener)
            self.models.vae(asked.vae_of(asked.checkpoint), loaded, listener)

    def unload(self) -> None:
        """Let go of the loaded models, once the request that runs now has ended; the next one loads what it needs."""
        with self._turn(ignore_events, CancelToken()):
            self.models.clear()
            self.upscalers.release()
            self.faces.release()

    def _bench(self, asked: ResolvedRequest, listener: Listener, cancel: CancelToken, *, save: bool) -> Bench:
        request = asked.request
        savings = Savings(request, self.device, self.models.spare)
        bench = Bench(
            asked=asked,
            models=self.models,
            upscalers=self.upscalers,
            faces=self.faces,
            hashes=self._hashes,
            kept=self._kept,
            store=self._store.of(request) if self._store and save else None,
            clock=self._clock,
            listener=in_turns(listener),
            cancel=cancel,
            savings=savings,
            darkroom=Darkroom(request.tuning, savings, self._library.folders.tiny_vaes),
            again=lambda other, hears: self._again(bench, other, hears),
        )
        return bench

    @contextmanager
    def _turn(self, listener: Listener, cancel: CancelToken) -> Iterator[None]:
        """Wait for the request that runs now, if any."""
        if not self._lock.acquire(blocking=False):
            listener(PhaseStarted(Phase.WAITING))
            while not self._lock.acquire(timeout=POLL_SECONDS):
                cancel.raise_if_cancelled()
        try:
            cancel.raise_if_cancelled()
            yield
        finally:
            self._lock.release()


def choose_device(name: str | None) -> torch.device:
    """The device called ``name`` ("cpu", "cuda", "cuda:1"), or CUDA if there is one. Raises ``NoCuda``."""
    if name and name.startswith("cuda") and not torch.cuda.is_available():
        raise NoCuda()
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def _beside_unet(features: Sequence[Feature]) -> int:
    return sum(feature.beside_unet for feature in features)
