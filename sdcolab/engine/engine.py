"""The engine: owns the loaded model and turns requests into pictures."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

import sdcolab
from sdcolab.core import infotext
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import CannotRead, ImageNotFinite, NetworkIgnored, NoCuda, OutOfMemory, SdcolabError
from sdcolab.core.events import (
    CancelToken,
    ImageReady,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
    ignore_events,
)
from sdcolab.core.files import system_reason
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import AUTOMATIC, GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.engine import tokenizer
from sdcolab.engine.conditioning import Conditioning, TextConditioner
from sdcolab.engine.decode import NotFinite, blank_canvas_channels, decode, to_image
from sdcolab.engine.denoise import Guidance, GuidedDenoiser, Predictor
from sdcolab.engine.features.embeddings import EmbeddingShelf
from sdcolab.engine.features.lora import LoraMerger, infotext_name, lora_hash, loras_in
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.memory import (
    MemoryPolicy,
    Stage,
    choose_policy,
    free_vram,
    is_out_of_memory,
    relieved,
    require_room,
    sliced_attention,
)
from sdcolab.engine.models import LoadedModel, load_checkpoint, load_vae
from sdcolab.engine.noise import BatchNoise, NoiseSpec
from sdcolab.engine.plan import Batch, GenerationPlan, choose_vae, make_plan
from sdcolab.engine.precision import weights_dtype
from sdcolab.engine.preview import Previewer, PreviewModel
from sdcolab.engine.samplers import resolve_sampler
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.weights import open_weights

_POLL_SECONDS = 0.1

T = TypeVar("T")

Stamp = tuple[Path, int, int]
"""Path, size and time of change: tells a file from another one that took its name."""


@dataclass(frozen=True, slots=True, eq=False)
class _Checkpoint:
    """The checkpoint in memory."""

    file: ModelFile
    stamp: Stamp
    model: LoadedModel
    conditioner: TextConditioner
    loras: LoraMerger
    hash: Future[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Vae:
    """The VAE in memory. ``separate`` is the file's hash and name for infotexts, None for the checkpoint's own VAE."""

    stamp: Stamp
    module: AutoencoderKL
    preview: PreviewModel
    separate: tuple[ModelFile, Future[str]] | None


class Engine:
    """Runs one request at a time, whichever threads ask; keeps the last checkpoint and VAE loaded."""

    def __init__(
        self,
        library: Library,
        store: ImageStore | None,
        *,
        device: str | None = None,
        hash_cache: Path | None = None,
        table: NoiseTable | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``store`` None keeps pictures in memory only. ``device`` None is CUDA if there is one; ``hash_cache`` is a
        JSON file that remembers the hashes of models; ``table`` replaces Stable Diffusion's noise levels.

        Raises ``NoCuda`` when CUDA is asked for by name and there is none.
        """
        self.device = choose_device(device)
        self._library = library
        self._store = store
        self._hashes = HashCache(hash_cache)
        self._table = table or NoiseTable.stable_diffusion()
        self._clock = clock
        self._embeddings: dict[Stamp, Tensor] = {}
        self._lock = threading.Lock()
        self._checkpoint: _Checkpoint | None = None
        self._vae: _Vae | None = None

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
        *,
        save: bool = True,
    ) -> GenerationResult:
        """Make the pictures of ``request`` in the caller's thread; each is saved and announced the moment it is ready.

        Emits ``PhaseStarted``, ``StepDone`` (``batch`` from 1), ``ImageSaved`` (``ImageReady`` without a store or
        without ``save``) and ``Warned``; the job queue, not the engine, says ``Ended``. Raises ``SdcolabError``;
        ``Cancelled`` before the next UNet call, keeping the finished pictures.
        """
        cancel = cancel or CancelToken()
        resolve_sampler(request.sampler, request.schedule)  # a wrong name is told before minutes of loading
        loras, ignored = loras_in(request.prompt, self._library)
        with self._turn(listener, cancel):
            checkpoint, vae = self._load(request.checkpoint, request.vae, listener)
            size = checkpoint.model.detected.native_size
            resolved = request.resolved(checkpoint=checkpoint.file.name, native_size=size)
            plan = make_plan(resolved, self._table)
            hashes = {infotext_name(lora.mentioned): lora_hash(lora.file.path, self._hashes) for lora in loras}

            def warn(warning: SdcolabError) -> None:
                listener(Warned(warning))

            for tag in ignored:
                warn(NetworkIgnored(tag=tag.source))
            with checkpoint.loras.applied(loras, warn), torch.inference_mode():
                shelf = EmbeddingShelf(
                    self._library,
                    checkpoint.model.text_encoder.config.hidden_size,
                    self._hashes,
                    warn,
                    opened=self._embeddings,
                    bundled=checkpoint.loras.bundled_embeddings(loras),
                )
                store = self._store if save else None
                run = _Run(plan, checkpoint, vae, store, listener, cancel, self._clock, hashes, shelf)
                return run.result()

    def preload(self, checkpoint: str = "", vae: str = AUTOMATIC, listener: Listener = ignore_events) -> None:
        """Load what a request with these names would need, so that it starts at once. Raises ``SdcolabError``."""
        with self._turn(listener, CancelToken()):
            self._load(checkpoint, vae, listener)

    def unload(self) -> None:
        """Let go of the loaded models, once the request that runs now has ended; the next one loads them again."""
        with self._turn(ignore_events, CancelToken()):
            self._checkpoint = self._vae = None
            release_memory()

    @contextmanager
    def _turn(self, listener: Listener, cancel: CancelToken) -> Iterator[None]:
        """Wait for the request that runs now, if any."""
        if not self._lock.acquire(blocking=False):
            listener(PhaseStarted(Phase.WAITING))
            while not self._lock.acquire(timeout=_POLL_SECONDS):
                cancel.raise_if_cancelled()
        try:
            cancel.raise_if_cancelled()
            yield
        finally:
            self._lock.release()

    def _load(self, name: str, vae_name: str, listener: Listener) -> tuple[_Checkpoint, _Vae]:
        file = self._library.find(ModelKind.CHECKPOINT, name) if name else self._library.default_checkpoint()
        vae_file = choose_vae(vae_name, file, self._library)
        stamp, vae_stamp = _stamp(file.path), _stamp((vae_file or file).path)
        if self._checkpoint is None or self._checkpoint.stamp != stamp:
            listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            weights = open_weights(file.path)
            digest = self._hashes.start(file.path)
            self._checkpoint = None  # the old one goes before the new one comes
            self._vae = self._vae if self._vae and self._vae.stamp == vae_stamp else None
            release_memory()
            require_room(weights.path, weights.header, self.device, weights_dtype(self.device))
            model = load_checkpoint(weights, self.device, weights_dtype(self.device))
            conditioner = TextConditioner(model.text_encoder, tokenizer.load())
            self._checkpoint = _Checkpoint(file, stamp, model, conditioner, LoraMerger(model), digest)
        if self._vae is None or self._vae.stamp != vae_stamp:
            if vae_file:
                listener(PhaseStarted(Phase.LOADING_MODEL, vae_file.name))
            self._vae = None
            release_memory()
            self._vae = self._load_vae(vae_stamp, vae_file, self._checkpoint.model.detected.family)
        return self._checkpoint, self._vae

    def _load_vae(self, stamp: Stamp, file: ModelFile | None, family: ModelFamily) -> _Vae:
        separate = (file, self._hashes.start(file.path)) if file else None
        module = load_vae(stamp[0], self.device, weights_dtype(self.device), family)
        return _Vae(stamp, module, PreviewModel(module), separate)


class _Run:
    """One request on its way: what ``Engine.generate`` needs while it holds the lock."""

    def __init__(
        self,
        plan: GenerationPlan,
        checkpoint: _Checkpoint,
        vae: _Vae,
        store: ImageStore | None,
        listener: Listener,
        cancel: CancelToken,
        clock: Callable[[], float],
        lora_hashes: Mapping[str, Future[str]],
        shelf: EmbeddingShelf,
    ) -> None:
        self._plan = plan
        self._checkpoint = checkpoint
        self._model = checkpoint.model
        self._vae = vae
        self._store = store
        self._listener = listener
        self._cancel = cancel
        self._lora_hashes = lora_hashes
        self._embedding_hashes: dict[str, Future[str]] = {}
        self._shelf = shelf
        self._previewer = Previewer(vae.preview, clock)
        self._policy = choose_policy(free_vram(self._model.device), self._model.detected.family)

    def result(self) -> GenerationResult:
        """Everything, batch by batch."""
        request = self._plan.request
        self._listener(PhaseStarted(Phase.ENCODING_PROMPT))
        conditioning = self._checkpoint.conditioner.condition(
            request.prompt,
            request.negative_prompt,
            steps=request.steps,
            second_order=self._plan.second_order,
            clip_skip=request.clip_skip,
            weights_state=self._checkpoint.loras.text_state,
            shelf=self._shelf,
        )
        self._embedding_hashes = {
            infotext_name(embedding.name): self._shelf.hash_of(embedding) for embedding in conditioning.embeddings
        }
        images: list[GeneratedImage] = []
        for batch in self._plan.batches:
            self._cancel.raise_if_cancelled()
            self._listener(PhaseStarted(Phase.SAMPLING))
            latents = self._with_savings(Stage.SAMPLING, partial(self._sample, batch, conditioning))
            self._listener(PhaseStarted(Phase.DECODING))
            for offset, latent in enumerate(latents.split(1)):
                self._cancel.raise_if_cancelled()
                images.append(self._finish(batch.first + offset, latent))
        return GenerationResult(request=request, images=tuple(images))

    def _sample(self, batch: Batch, conditioning: Conditioning) -> Tensor:
        """Latents [B, C, h, w] of the batch, in as many runs as memory asks for."""
        parts = list(batch.parts(1 if self._plan.one_by_one else self._policy.max_batch))
        with sliced_attention(self._model.unet, self._policy.slice_attention):
            latents = torch.cat(
                [self._sample_part(part, conditioning, index, len(parts)) for index, part in enumerate(parts)]
            )
        if not torch.isfinite(latents).all():
            raise ImageNotFinite(checkpoint=self._checkpoint.file.name)
        return latents

    def _sample_part(self, part: Batch, conditioning: Conditioning, index: int, count: int) -> Tensor:
        plan, request = self._plan, self._plan.request
        channels = self._model.unet.config.out_channels
        spec = NoiseSpec(seeds=part.seeds, shape=(channels, *plan.latent_size), origin=request.noise_origin)
        noise = BatchNoise(spec, self._model.device)
        denoiser = GuidedDenoiser(
            Predictor(self._model.unet, conditioning, self._model.prediction, self._extra_channels()),
            plan.sampling.table,
            Guidance(request.cfg_scale),
            before_call=self._cancel.raise_if_cancelled,
            after_call=self._step_teller(part.number, index, count),
            split=self._policy.split_guidance,
        )
        return plan.sampling.sample(denoiser, plan.sampling.start(noise.normal()), noise)

    def _extra_channels(self) -> Tensor | None:
        """What inpainting models read beside the latents."""
        config = self._model.unet.config
        if config.in_channels == config.out_channels:
            return None
        return blank_canvas_channels(self._vae.module, *self._plan.latent_size)

    def _step_teller(self, number: int, part: int, parts: int) -> Callable[[Tensor], None]:
        """Tells the listener of each denoiser call of run ``part`` (from 0) of the ``parts`` that batch ``number``
        takes.
        """
        calls, done = self._plan.calls, 0

        def tell(image: Tensor) -> None:
            nonlocal done
            done = min(done + 1, calls)  # adaptive samplers may call more often than expected
            step = (number - 1) * calls + (part * calls + done) // parts
            preview = self._previewer.maybe(image) if done < calls else None
            self._listener(StepDone(step, self._plan.total_calls, number, len(self._plan.batches), preview))

        return tell

    def _finish(self, index: int, latent: Tensor) -> GeneratedImage:
        """Decode, describe, save and announce image ``index``."""
        picture = self._with_savings(Stage.DECODING, partial(self._decode, latent))
        text = infotext.write(self._plan.request, self._facts(), index)
        seed = self._plan.request.seed_of(index)
        path = self._store.save(picture, text, seed) if self._store else None
        self._listener(ImageSaved(index, path, seed, text) if path else ImageReady(index, picture, seed, text))
        return GeneratedImage(image=picture, infotext=text, seed=seed, path=path)

    def _decode(self, latent: Tensor) -> Image.Image:
        try:
            pixels = decode(self._vae.module, latent, tiled=self._policy.tile_decode)
        except NotFinite as error:
            raise ImageNotFinite(checkpoint=self._checkpoint.file.name) from error
        self._vae.preview.learn(latent, pixels)
        return to_image(pixels)

    def _facts(self) -> infotext.EngineFacts:
        separate = self._vae.separate
        return infotext.EngineFacts(
            version=sdcolab.__version__,
            schedule=self._plan.sampling.schedule,
            model=self._checkpoint.file.stem,
            model_hash=self._wait_for(self._checkpoint.hash),
            vae=separate[0].path.name if separate else "",
            vae_hash=self._wait_for(separate[1]) if separate else "",
            extra=(
                ("Lora hashes", self._hash_list(self._lora_hashes)),
                ("TI hashes", self._hash_list(self._embedding_hashes)),
            ),
        )

    def _hash_list(self, hashes: Mapping[str, Future[str]]) -> str:
        return ", ".join(f"{name}: {self._wait_for(digest)}" for name, digest in hashes.items())

    def _wait_for(self, digest: Future[str]) -> str:
        while True:
            try:
                return digest.result(timeout=_POLL_SECONDS)
            except TimeoutError:
                self._cancel.raise_if_cancelled()

    def _with_savings(self, stage: Stage, work: Callable[[], T]) -> T:
        """``work``'s result; each time memory runs out, the next saving is switched on for the rest of the request.

        Raises ``OutOfMemory`` when none is left.
        """
        while True:
            try:
                return work()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the handler, so that the failed attempt's tensors are gone.
            self._policy = self._relieved(stage)
            release_memory()

    def _relieved(self, stage: Stage) -> MemoryPolicy:
        request = self._plan.request
        policy = relieved(self._policy, stage, request.batch_size)
        if policy is None:
            raise OutOfMemory(
                device=self._model.device.type,
                width=request.width or 0,
                height=request.height or 0,
                batch_size=request.batch_size,
            )
        return policy


def choose_device(name: str | None) -> torch.device:
    """The device called ``name`` ("cpu", "cuda", "cuda:1"), or CUDA if there is one. Raises ``NoCuda``."""
    if name and name.startswith("cuda") and not torch.cuda.is_available():
        raise NoCuda()
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def release_memory() -> None:
    """Give back what nobody uses any more, also to the GPU's other programs."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return path, status.st_size, status.st_mtime_ns
