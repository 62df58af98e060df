"""The engine: owns the loaded models and turns requests into pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sdcolab.core.errors import NoCuda
from sdcolab.core.events import CancelToken, Listener, Phase, PhaseStarted, ignore_events
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore, ImageStores
from sdcolab.core.request import AUTOMATIC, GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.engine.features.embeddings import Opened
from sdcolab.engine.features.lora import loras_in
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.plan import choose_vae, make_plan
from sdcolab.engine.run import POLL_SECONDS, Run, Tools
from sdcolab.engine.samplers import resolve_sampler
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.shelf import ModelShelf
from sdcolab.engine.upscale.latents import latent_upscaler_called
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
    ) -> None:
        """``store`` None keeps pictures in memory only. ``device`` None is CUDA if there is one; ``hash_cache`` is a
        JSON file that remembers the hashes of models.

        Raises ``NoCuda`` when CUDA is asked for by name and there is none.
        """
        self.device = choose_device(device)
        self._library = library
        self._store = store
        self._hashes = HashCache(hash_cache)
        self._clock = clock
        self._embeddings: Opened = {}
        self._lock = threading.Lock()
        self.models = ModelShelf(library, self.device, self._hashes)
        self.upscalers = Upscalers(library, self.device)

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
        *,
        save: bool = True,
    ) -> GenerationResult:
        """Make the pictures of ``request`` in the caller's thread; each is saved (unless ``save`` is False) and
        announced the moment it is ready.

        Emits ``PhaseStarted``, ``StepDone`` (``batch`` from 1), ``ImageSaved`` (``ImageReady`` of those that are not
        saved) and ``Warned``; the job queue, not the engine, says ``Ended``. Raises ``SdcolabError``; ``Cancelled``
        before the next UNet call, keeping the finished pictures.
        """
        cancel = cancel or CancelToken()
        self._check_names(request)
        with self._turn(listener, cancel):
            files = [self.models.file(name) for name in _checkpoints_of(request)]
            self.models.keep_only(files)
            checkpoint = self.models.checkpoint(files[0], listener)
            native_size = checkpoint.model.detected.native_size
            resolved = request.resolved(checkpoint=files[0].name, native_size=native_size)
            plan = make_plan(resolved, NoiseTable.stable_diffusion())
            tools = Tools(
                library=self._library,
                models=self.models,
                upscalers=self.upscalers,
                hashes=self._hashes,
                embeddings=self._embeddings,
                store=self._store.of(request) if self._store and save else None,
                clock=self._clock,
            )
            with torch.inference_mode():
                return Run(plan, tools, listener, cancel).result()

    def preload(self, checkpoint: str = "", vae: str = AUTOMATIC, listener: Listener = ignore_events) -> None:
        """Load what a request with these names would need, so that it starts at once. Raises ``SdcolabError``."""
        with self._turn(listener, CancelToken()):
            file = self.models.file(checkpoint)
            self.models.keep_only([file])
            self.models.vae(vae, self.models.checkpoint(file, listener), listener)

    def unload(self) -> None:
        """Let go of the loaded models, once the request that runs now has ended; the next one loads what it needs."""
        with self._turn(ignore_events, CancelToken()):
            self.models.clear()
            self.upscalers.release()

    def _check_names(self, request: GenerationRequest) -> None:
        """Wrong names are told before minutes of loading. Raises ``SdcolabError``."""
        resolve_sampler(request.sampler, request.schedule)
        loras_in(request.prompt, self._library)
        for name in _checkpoints_of(request):
            choose_vae(request.vae, self.models.file(name), self._library)
        hires = request.hires if request.init is None else None
        if hires is not None:
            resolve_sampler(hires.sampler or request.sampler, hires.schedule or request.schedule)
            loras_in(hires.prompt, self._library)
            if latent_upscaler_called(hires.upscaler) is None:
                self.upscalers.find(hires.upscaler)
        if request.init is not None:
            self.upscalers.find(request.init.upscaler)

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


def _checkpoints_of(request: GenerationRequest) -> tuple[str, ...]:
    """Names of the checkpoints that ``request`` works with, its own first."""
    hires = request.hires.checkpoint if request.hires and request.init is None else ""
    refiner = request.refiner.checkpoint if request.refiner else ""
    return (request.checkpoint, *(name for name in (hires, refiner) if name))


def choose_device(name: str | None) -> torch.device:
    """The device called ``name`` ("cpu", "cuda", "cuda:1"), or CUDA if there is one. Raises ``NoCuda``."""
    if name and name.startswith("cuda") and not torch.cuda.is_available():
        raise NoCuda()
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
