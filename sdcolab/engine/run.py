"""One request on its way through the models: encode the prompts, sample each pass, decode, describe, save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor

import sdcolab
from sdcolab.core import infotext
from sdcolab.core.errors import ImageNotFinite, PictureWanted
from sdcolab.core.events import Note, Phase, PhaseStarted, StepDone
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.engine.at_work import AtWork
from sdcolab.engine.bench import Bench
from sdcolab.engine.beside import Beside
from sdcolab.engine.decode import blank_canvas_channels
from sdcolab.engine.feature import Active, Feature, Start
from sdcolab.engine.memory import Stage, is_out_of_memory
from sdcolab.engine.passes import PassSampler
from sdcolab.engine.plan import Batch, GenerationPlan
from sdcolab.engine.preview import Previewer
from sdcolab.engine.saving import Finished, Saver
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.shelf import Checkpoint, Vae


class Skipped(Exception):
    """The batch at work is to be left out."""


class Overflowed(Exception):
    """The UNet of ``checkpoint`` gave no numbers in half precision, before the first picture."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint.file.name)
        self.checkpoint = checkpoint


class Run:
    """One request while the engine is held for it."""

    def __init__(self, plan: GenerationPlan, features: Sequence[Feature], bench: Bench) -> None:
        self._plan = plan
        self._features = tuple(features)
        self._bench = bench
        self._work = AtWork(bench, features)
        self._calls = plan.expected_calls(NoiseTable.stable_diffusion())

    def result(self) -> GenerationResult:
        """Everything, batch by batch. A batch that is skipped gives no more pictures. Raises ``Overflowed`` where full
        precision may help."""
        images: list[Future[GeneratedImage]] = []
        with Saver(self._bench.store, self._bench.listener) as saver:
            for batch in self._plan.batches:
                self._bench.cancel.raise_if_cancelled()
                self._bench.cancel.take_skip()
                try:
                    for finished in self._batch(batch):
                        if self._bench.store and finished.index + 1 == self._plan.count:
                            self._bench.listener(PhaseStarted(Phase.SAVING))  # there is nothing else to do meanwhile
                        images.append(saver.give(finished))  # what comes before a skip counts
                except Skipped:
                    continue
                except Overflowed as error:
                    if images or error.checkpoint.model.dtype == torch.float32:
                        raise ImageNotFinite(checkpoint=error.checkpoint.file.name) from error
                    raise
                except RuntimeError as error:  # from where no saving helps: encoding prompts, merging LoRAs
                    if not is_out_of_memory(error):
                        raise
                    raise self._bench.savings.exhausted() from error
            made = tuple(image.result() for image in images)
        for line in self._bench.savings.told():
            self._bench.listener(Note(line))
        return GenerationResult(request=self._plan.request, images=made)

    def _batch(self, batch: Batch) -> Iterator[Finished]:
        bench, (first, *others) = self._bench, self._plan.passes
        with ExitStack() as models:
            active = models.enter_context(self._work.working(first.checkpoint, first))
            describe = partial(self._facts, active)
            latents, vae = self._sampled(active, batch)
            for one in others:
                for feature in self._features:
                    feature.after_pass(latents, active, vae, batch)
                models.close()
                active = models.enter_context(self._work.working(one.checkpoint, one))
                latents, vae = self._sampled(active, batch)
            retouching = [feature for feature in self._features if feature.retouches]
            waiting: list[Image.Image] = []
            for offset, latent in enumerate(latents.split(1)):
                bench.cancel.raise_if_cancelled()
                bench.listener(PhaseStarted(Phase.DECODING))
                picture = bench.darkroom.decoded(latent, vae)
                for feature in self._features:
                    picture = feature.decoded(picture, batch.first + offset)
                for feature in self._features:
                    picture = feature.after_decode(picture, batch.first + offset)
                if retouching:
                    waiting.append(picture)
                else:
                    yield self._described(picture, batch.first + offset, describe())
        for index, picture in enumerate(waiting, batch.first):  # the models are free for other work now
            yield self._described(self._retouched(picture, index, retouching), index, describe())

    def _retouched(self, picture: Image.Image, index: int, features: Sequence[Feature]) -> Image.Image:
        for feature in features:
            picture = feature.retouch(picture, index, self._bench)
        return picture

    def _sampled(self, active: Active, batch: Batch) -> tuple[Tensor, Vae]:
        """The latents [B, C, h, w] of a pass and the VAE to decode them with."""
        bench, one = self._bench, active.one
        start = self._start(active, batch)
        if batch.number == 1:  # the others find their prompts encoded
            bench.listener(PhaseStarted(Phase.ENCODING_PROMPT))
        conditioning = self._work.conditioning(active)
        bench.listener(PhaseStarted(Phase.SAMPLING))
        wanted = bench.store is None or bench.store.wanted().preview
        previewer = Previewer(active.vae.preview_source, bench.clock, on=wanted)
        batches, of_batch = len(self._plan.batches), sum(self._calls)
        before = (batch.number - 1) * of_batch + sum(self._calls[: one.number])

        def tell(image: Tensor, calls: int, of: int) -> None:
            preview = previewer.maybe(image) if calls < of else None
            bench.listener(StepDone(before + calls, of_batch * batches, batch.number, batches, preview))

        sampler = PassSampler(
            active, batch, conditioning, start, self._features, self._work, before_call=self._before_call, tell=tell
        )
        latents = bench.savings.spend(Stage.SAMPLING, sampler.latents)
        if not torch.isfinite(latents).all():
            raise Overflowed(active.checkpoint)
        return latents, sampler.decoder

    def _start(self, active: Active, batch: Batch) -> Start:
        start = Start()
        for feature in self._features:
            start = feature.start(start, active, batch)
        if active.beside is Beside.NOTHING or start.extra_channels is not None:
            return start
        if active.beside is not Beside.MASK:  # they know nothing of pictures that are made from text alone
            active.bench.warn(PictureWanted(checkpoint=active.checkpoint.file.name))
            return start
        active.vae.its_turn()
        blank = blank_canvas_channels(active.vae.module, *active.one.size.latent)
        return replace(start, extra_channels=blank)

    def _before_call(self) -> None:
        """Raises ``Cancelled`` or ``Skipped`` when somebody asked for it."""
        self._bench.cancel.raise_if_cancelled()
        if self._bench.cancel.take_skip():
            raise Skipped

    def _described(self, picture: Image.Image, index: int, facts: infotext.EngineFacts) -> Finished:
        request, number = self._plan.picture(index)
        return Finished(index, picture, infotext.write(request, facts, number), request.seed_of(number))

    def _facts(self, active: Active) -> infotext.EngineFacts:
        """What infotexts say of the models and the features. ``active`` is the first pass's."""
        bench, separate = self._bench, active.vae.separate
        facts = infotext.EngineFacts(
            version=sdcolab.__version__,
            schedule=active.one.schedule,
            model=active.checkpoint.file.stem,
            model_hash=bench.wait_for(active.checkpoint.hash),
            vae=separate[0].path.name if separate else "",
            vae_hash=bench.wait_for(separate[1]) if separate else "",
            uses_ensd=active.one.choice.sampler.uses_ensd,
            inpainting=active.beside is Beside.MASK,
            editing=active.beside is Beside.PICTURE,
            in_8_bits=active.checkpoint.model.storage.bits is not None,
            extra=active.checkpoint.facts,
        )
        for feature in self._features:
            facts = feature.facts(facts, bench)
        return facts
