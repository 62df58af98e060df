"""One request on its way through the models: encode the prompts, sample each pass, decode, describe, save."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

import sdcolab
from sdcolab.core import infotext
from sdcolab.core.errors import ImageNotFinite, NetworkIgnored, OutOfMemory, SdcolabError, TinyVaeMissing
from sdcolab.core.events import CancelToken, ImageReady, ImageSaved, Listener, Phase, PhaseStarted, StepDone, Warned
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import Hires
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.tuning import VaeMethod
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.decode import NotFinite, blank_canvas_channels, decode, encode, to_image, to_pixels
from sdcolab.engine.features.embeddings import EmbeddingShelf, Opened
from sdcolab.engine.features.init_image import Arranged, InitLatents, arrange, encoded, inpainting_channels
from sdcolab.engine.features.lora import infotext_name, lora_hash, loras_in
from sdcolab.engine.features.tiling import seamless
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.memory import MemoryPolicy, Stage, choose_policy, free_vram, is_out_of_memory, relieved
from sdcolab.engine.passes import Active, PassSampler, Start
from sdcolab.engine.pictures.colours import corrected
from sdcolab.engine.pictures.resizing import resize_exactly
from sdcolab.engine.plan import Batch, GenerationPlan, Pass, cropped_latents, noise_table
from sdcolab.engine.preview import Previewer
from sdcolab.engine.shelf import Checkpoint, ModelShelf, Vae, release_memory
from sdcolab.engine.upscale.latents import latent_upscaler_called
from sdcolab.engine.upscale.upscalers import Upscalers

POLL_SECONDS = 0.1

T = TypeVar("T")


class Skipped(Exception):
    """The batch at work is to be left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Tools:
    """What the engine lends to a run. ``embeddings`` remembers the textual inversions already opened."""

    library: Library
    models: ModelShelf
    upscalers: Upscalers
    hashes: HashCache
    embeddings: Opened
    store: ImageStore | None
    clock: Callable[[], float]


class Run:
    """One request while the engine is held for it."""

    def __init__(self, plan: GenerationPlan, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
        self._plan = plan
        self._request = plan.request
        self._tools = tools
        self._listener = listener
        self._cancel = cancel
        self._warned: set[str] = set()
        self._policy: MemoryPolicy | None = None
        self._lora_hashes: dict[str, Future[str]] = {}
        self._embedding_hashes: dict[str, Future[str]] = {}

    def result(self) -> GenerationResult:
        """Everything, batch by batch. A batch that is skipped gives no more pictures."""
        images: list[GeneratedImage] = []
        for batch in self._plan.batches:
            self._cancel.raise_if_cancelled()
            self._cancel.take_skip()
            try:
                for image in self._batch(batch):
                    images.append(image)  # noqa: PERF402 - what comes before a skip counts
            except Skipped:
                continue
            except RuntimeError as error:  # from where no saving helps: encoding prompts, merging LoRAs
                if not is_out_of_memory(error):
                    raise
                raise self._out_of_memory() from error
        return GenerationResult(request=self._request, images=tuple(images))

    def _batch(self, batch: Batch) -> Iterator[GeneratedImage]:
        first, second, hires = self._plan.first, self._plan.second, self._request.hires
        arranged = self._arranged(batch)
        with ExitStack() as models:
            active = models.enter_context(self._working(first.checkpoint, first.prompt))
            describe = partial(self._facts, active)
            latents, vae = self._sampled(first, batch, active, self._start(active, arranged), done=0)
            if second is not None and hires is not None:
                enlarged = self._enlarged(latents, vae, hires)
                models.close()
                active = models.enter_context(self._working(second.checkpoint, second.prompt))
                start = self._second_start(second, batch, active, enlarged)
                latents, vae = self._sampled(second, batch, active, start, done=self._plan.first_calls)
            self._listener(PhaseStarted(Phase.DECODING))
            for offset, latent in enumerate(latents.split(1)):
                self._cancel.raise_if_cancelled()
                picture = self._decoded(latent, vae)
                if arranged:
                    picture = self._pasted(picture, arranged[offset])
                yield self._announced(picture, batch.first + offset, describe())

    # --- Models -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _working(self, name: str, prompt: str, *, only_for: Checkpoint | None = None) -> Iterator[Active]:
        """The checkpoint called ``name`` with the LoRAs of ``prompt``, which are left out when it is of another family
        than ``only_for``.
        """
        tools = self._tools
        checkpoint = tools.models.checkpoint(tools.models.file(name), self._listener)
        vae = tools.models.vae(self._request.vae, checkpoint, self._listener)
        model = checkpoint.model
        loras, ignored = loras_in(prompt, tools.library)
        for tag in ignored:
            self._warn(NetworkIgnored(tag=tag.source))
        if only_for is not None and only_for.model.detected.family is not model.detected.family:
            loras = ()
        for lora in loras:
            self._lora_hashes[infotext_name(lora.mentioned)] = lora_hash(lora.file.path, tools.hashes)
        if self._policy is None:
            self._policy = choose_policy(free_vram(model.device), model.detected.family)
        table = noise_table(self._request.tuning, model)
        with checkpoint.loras.applied(loras, self._warn), seamless((model.unet, vae.module), self._request.tiling):
            shelf = EmbeddingShelf(
                tools.library,
                model.embedding_width,
                tools.hashes,
                self._warn,
                opened=tools.embeddings,
                bundled=checkpoint.loras.bundled_embeddings(loras),
            )
            yield Active(checkpoint, vae, shelf, table)

    def _conditioning(self, one: Pass, active: Active) -> Conditioning:
        checkpoint = active.checkpoint
        told = self._plan.enlarged if one is self._plan.second else one.size  # before it is cropped
        conditioning = checkpoint.conditioner.condition(
            one.prompt,
            one.negative_prompt,
            steps=one.steps,
            second_order=one.second_order,
            clip_skip=self._request.clip_skip,
            tuning=self._request.tuning,
            size=(told.height, told.width),
            base_calls=one.base_calls,
            weights_state=checkpoint.loras.text_state,
            shelf=active.shelf,
        )
        for embedding in conditioning.embeddings:
            self._embedding_hashes[infotext_name(embedding.name)] = active.shelf.hash_of(embedding)
        return conditioning

    @contextmanager
    def _refining(self, one: Pass, base: Active) -> Iterator[tuple[Active, Conditioning]]:
        """The refiner of a pass at work, with the pass's prompts."""
        if one.refiner is None:
            raise ValueError("the pass has no refiner")
        with self._working(one.refiner.checkpoint, one.prompt, only_for=base.checkpoint) as active:
            yield active, self._conditioning(one, active)

    # --- Where a pass starts ------------------------------------------------------------------------------------------

    def _arranged(self, batch: Batch) -> tuple[Arranged, ...]:
        """The initial pictures of the batch's images, which are taken in turns; none in txt2img."""
        init, size = self._request.init, self._plan.first.size
        if init is None:
            return ()
        enlarge = self._tools.upscalers.enlarger(init.upscaler, self._listener, self._cancel)
        wanted = [(batch.first + offset) % len(init.images) for offset in range(len(batch.seeds))]
        made = {index: arrange(init, index, size.width, size.height, enlarge) for index in dict.fromkeys(wanted)}
        return tuple(made[index] for index in wanted)

    def _start(self, active: Active, arranged: tuple[Arranged, ...]) -> Start:
        """Where the first pass starts. A1111 encodes pictures with noise that nobody can make again; the mean is
        nearest to all that it might have made.
        """
        init, size = self._request.init, self._plan.first.size.latent
        if init is None:
            return Start(None, self._blank(active, size))
        encode_here, device = partial(self._encoded, active.vae), active.checkpoint.model.device
        channels = inpainting_channels(arranged, init, size, encode_here, device) if active.inpaints else None
        return Start(encoded(arranged, init, size, encode_here, device), channels)

    def _enlarged(self, latents: Tensor, vae: Vae, hires: Hires) -> Tensor | list[Image.Image]:
        """What the first pass made, at the size that the second starts from: latents, or pictures, as the upscaler
        works on one or the other.
        """
        size, latent_upscaler = self._plan.enlarged, latent_upscaler_called(hires.upscaler)
        if latent_upscaler is not None:
            return latent_upscaler.resize(latents, *size.latent)
        enlarge = self._tools.upscalers.enlarger(hires.upscaler, self._listener, self._cancel)
        self._listener(PhaseStarted(Phase.DECODING))
        pictures = [self._decoded(latent, vae) for latent in latents.split(1)]
        self._listener(PhaseStarted(Phase.UPSCALING))
        return [resize_exactly(picture, size.width, size.height, enlarge) for picture in pictures]

    def _second_start(self, one: Pass, batch: Batch, active: Active, enlarged: Tensor | list[Image.Image]) -> Start:
        if isinstance(enlarged, list):
            # A1111 encodes with what the CPU's generator gives after the seed of the batch's last picture.
            generator = torch.Generator().manual_seed(batch.seeds[-1])
            enlarged = torch.cat([self._encoded(active.vae, to_pixels(picture), generator) for picture in enlarged])
        rows, columns = cropped_latents((enlarged.shape[-2], enlarged.shape[-1]), self._plan.enlarged, one.size)
        return Start(InitLatents(enlarged[..., rows, columns]), self._blank(active, one.size.latent))

    def _blank(self, active: Active, latent_size: tuple[int, int]) -> Tensor | None:
        """What an inpainting UNet reads when there is no picture."""
        return blank_canvas_channels(active.vae.module, *latent_size) if active.inpaints else None

    # --- Sampling -----------------------------------------------------------------------------------------------------

    def _sampled(self, one: Pass, batch: Batch, active: Active, start: Start, *, done: int) -> tuple[Tensor, Vae]:
        """The latents [B, C, h, w] of a pass and the VAE to decode them with, after ``done`` calls of the batch."""
        if batch.number == 1:  # the others find their prompts encoded
            self._listener(PhaseStarted(Phase.ENCODING_PROMPT))
        conditioning = self._conditioning(one, active)
        self._listener(PhaseStarted(Phase.SAMPLING))
        previewer = Previewer(active.vae.preview_source, self._tools.clock)
        total, batches = self._plan.total_calls, len(self._plan.batches)
        before = (batch.number - 1) * self._plan.calls + done

        def tell(image: Tensor, calls: int, of: int) -> None:
            preview = previewer.maybe(image) if calls < of else None
            self._listener(StepDone(before + calls, total, batch.number, batches, preview))

        sampler = PassSampler(
            self._request,
            one,
            batch,
            active,
            conditioning,
            start,
            before_call=self._before_call,
            tell=tell,
            refine=lambda: self._refining(one, active),
        )
        latents = self._with_savings(Stage.SAMPLING, sampler.latents)
        if not torch.isfinite(latents).all():
            raise ImageNotFinite(checkpoint=active.checkpoint.file.name)
        return latents, sampler.decoder

    def _before_call(self) -> None:
        """Raises ``Cancelled`` or ``Skipped`` when somebody asked for it."""
        self._cancel.raise_if_cancelled()
        if self._cancel.take_skip():
            raise Skipped

    # --- Pictures -----------------------------------------------------------------------------------------------------

    def _encoded(self, vae: Vae, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if self._request.tuning.vae_encoder is VaeMethod.TAESD:
            if vae.tiny_encoder is None:
                raise TinyVaeMissing(folder=self._tools.library.folders.tiny_vaes, part="encoder")
            return vae.tiny_encoder.encode(pixels)
        return self._finite(vae, lambda policy: encode(vae.module, pixels, generator, tiled=policy.tile_decode))

    def _decoded(self, latent: Tensor, vae: Vae) -> Image.Image:
        if self._request.tuning.vae_decoder is VaeMethod.TAESD:
            if vae.tiny_decoder is None:
                raise TinyVaeMissing(folder=self._tools.library.folders.tiny_vaes, part="decoder")
            return to_image(vae.tiny_decoder.decode(latent))
        pixels = self._finite(vae, lambda policy: decode(vae.module, latent, tiled=policy.tile_decode))
        vae.preview.learn(latent, pixels)
        return to_image(pixels)

    def _finite(self, vae: Vae, work: Callable[[MemoryPolicy], Tensor]) -> Tensor:
        """``work`` of a VAE, with savings of memory. Raises ``ImageNotFinite``."""
        try:
            return self._with_savings(Stage.DECODING, work)
        except NotFinite as error:
            raise ImageNotFinite(checkpoint=vae.stamp[0].name) from error

    def _pasted(self, picture: Image.Image, arranged: Arranged) -> Image.Image:
        """``picture`` with the initial picture's colours and untouched parts, as asked for."""
        init = self._request.init
        if init is not None and init.color_correction:
            picture = corrected(picture, arranged.picture)
        return arranged.finished(picture)

    def _announced(self, picture: Image.Image, index: int, facts: infotext.EngineFacts) -> GeneratedImage:
        """Describe, save and announce image ``index``."""
        text = infotext.write(self._request, facts, index)
        seed, store = self._request.seed_of(index), self._tools.store
        path = store.save(picture, text, seed) if store else None
        self._listener(ImageSaved(index, path, seed, text) if path else ImageReady(index, picture, seed, text))
        return GeneratedImage(image=picture, infotext=text, seed=seed, path=path)

    def _facts(self, active: Active) -> infotext.EngineFacts:
        """What infotexts say of the models. ``active`` is the first pass's."""
        first, second, separate = self._plan.first, self._plan.second, active.vae.separate
        hires, refiner = (self._named(name) for name in self._other_checkpoints())
        return infotext.EngineFacts(
            version=sdcolab.__version__,
            schedule=first.sampling(active.table).schedule,
            model=active.checkpoint.file.stem,
            model_hash=self._wait_for(active.checkpoint.hash),
            vae=separate[0].path.name if separate else "",
            vae_hash=self._wait_for(separate[1]) if separate else "",
            extra=(
                ("Lora hashes", self._hash_list(self._lora_hashes)),
                ("TI hashes", self._hash_list(self._embedding_hashes)),
            ),
            hires_schedule=second.sampling(active.table).schedule if second else "",
            hires_model=hires[0],
            hires_model_hash=hires[1],
            refiner_model=refiner[0],
            refiner_model_hash=refiner[1],
            uses_ensd=first.choice.sampler.uses_ensd,
            inpainting=active.inpaints,
        )

    def _other_checkpoints(self) -> tuple[str, str]:
        """Names of the checkpoints of the hires pass and of the refiner; empty when there is none."""
        hires, refiner = self._request.hires, self._request.refiner
        return hires.checkpoint if hires and self._plan.second else "", refiner.checkpoint if refiner else ""

    def _named(self, checkpoint: str) -> tuple[str, str]:
        """Name and hash of a checkpoint in infotexts; empty for an empty name."""
        if not checkpoint:
            return "", ""
        file = self._tools.models.file(checkpoint)
        return file.stem, self._wait_for(self._tools.hashes.start(file.path))

    def _hash_list(self, hashes: Mapping[str, Future[str]]) -> str:
        return ", ".join(f"{name}: {self._wait_for(digest)}" for name, digest in hashes.items())

    def _wait_for(self, digest: Future[str]) -> str:
        while True:
            try:
                return digest.result(timeout=POLL_SECONDS)
            except TimeoutError:
                self._cancel.raise_if_cancelled()

    def _warn(self, warning: SdcolabError) -> None:
        """Tell ``warning`` once, however many passes meet it."""
        if repr(warning) not in self._warned:
            self._warned.add(repr(warning))
            self._listener(Warned(warning))

    # --- Memory -------------------------------------------------------------------------------------------------------

    def _with_savings(self, stage: Stage, work: Callable[[MemoryPolicy], T]) -> T:
        """``work``'s result; each time memory runs out, the next saving is switched on for the rest of the request.

        Raises ``OutOfMemory`` when none is left.
        """
        while True:
            policy = self._policy or MemoryPolicy()
            try:
                return work(policy)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the handler, so that the failed attempt's tensors are gone.
            self._policy = self._relieved(policy, stage)
            release_memory()

    def _relieved(self, policy: MemoryPolicy, stage: Stage) -> MemoryPolicy:
        saving = relieved(policy, stage, self._request.batch_size)
        if saving is None:
            raise self._out_of_memory()
        return saving

    def _out_of_memory(self) -> OutOfMemory:
        request = self._request
        return OutOfMemory(
            device=self._tools.models.device.type,
            width=request.width or 0,
            height=request.height or 0,
            batch_size=request.batch_size,
        )
