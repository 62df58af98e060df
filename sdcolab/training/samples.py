"""Pictures of the LoRA on the way, made by our own engine from the files just as anybody would use them."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SamplesSkipped, SdcolabError
from sdcolab.core.files import atomic_write, make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import memory_bytes
from sdcolab.core.outputs import save_options
from sdcolab.engine.engine import Engine
from sdcolab.engine.models import LoadedModel
from sdcolab.training.events import Hear, SampleMade, Told
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.sample_prompts import SamplePrompt, read_prompts

SPARE = 500_000_000
"""Bytes of the machine's memory that stay free."""


class Sampler:
    """Makes the pictures of a plan with the LoRA as it is. ``write`` writes the LoRA file to use."""

    def __init__(
        self, prompts: tuple[SamplePrompt, ...], model: LoadedModel, folder: Path, name: str, seed: int
    ) -> None:
        self._prompts = prompts
        self._model = model
        self._folder = folder
        self._name = name
        self._called = re.sub(r"[<>:\\/]", "_", name)  # as a prompt can write it
        self._seed = seed
        self.write: Callable[[Path], object] | None = None

    @classmethod
    def of(cls, plan: TrainingPlan, model: LoadedModel, folder: Path, name: str, seed: int) -> Sampler | None:
        """The sampler of a plan, or None where it wants no pictures. Raises ``CannotRead``, ``RequestError``."""
        prompts = read_prompts(plan)
        return cls(prompts, model, folder, name, seed) if prompts else None

    def make(self, epoch: int, step: int, hear: Hear) -> None:
        """Make every picture; what cannot be made is told, and the training goes on."""
        if self.write is None:
            return
        target = self._folder / "sample"
        try:
            make_folder(target)
            with tempfile.TemporaryDirectory() as scratch, self._aside(), torch.random.fork_rng():
                lora = Path(scratch) / f"{self._called}.safetensors"
                self.write(lora)
                engine = _engine(self._model.path, lora, Path(scratch))
                for index, prompt in enumerate(self._prompts):
                    seed = self._seed if prompt.seed is None else prompt.seed
                    self._one(engine, prompt, index, seed, epoch if epoch else step, target, hear)
        except SdcolabError as error:
            hear(Told(error))
            if isinstance(error, SamplesSkipped):  # nor will there be room the next time: once is enough
                self.write = None

    def _one(
        self, engine: Engine, prompt: SamplePrompt, index: int, seed: int, epoch: int, target: Path, hear: Hear
    ) -> None:
        request = replace(
            prompt.request,
            prompt=f"{prompt.request.prompt} <lora:{self._called}:1>",
            seed=seed,
            checkpoint=self._model.path.name,
        )
        image = engine.generate(request, save=False).images[0]
        moment = time.strftime("%Y%m%d%H%M%S")
        path = target / f"{self._name}_e{epoch:06}_{index:02}_{moment}_{seed}.png"
        with atomic_write(path) as file:
            image.image.save(file, **save_options(image.infotext, ImageFormat.PNG))
        hear(SampleMade(path, epoch, prompt.request.prompt, seed))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """The model that is trained makes room on a card for the one that makes pictures. Raises ``SamplesSkipped``
        where there is none for it in the machine's memory."""
        device = self._model.device
        modules = [self._model.unet, *(encoder.module for encoder in self._model.text_encoders)]
        moved = [module for module in modules if device.type == "cuda" and module.device.type == "cuda"]
        ram, needed = memory_bytes(), sum(one.nbytes for module in moved for one in module.parameters())
        if moved and ram and ram[1] < needed + SPARE:
            raise SamplesSkipped(needed=needed, free=ram[1])
        for module in moved:
            module.to("cpu")
        try:
            yield
        finally:
            for module in moved:
                module.to(device)
            if moved:
                torch.cuda.empty_cache()


def _engine(base: Path, lora: Path, scratch: Path) -> Engine:
    chosen = (ModelFile(ModelKind.CHECKPOINT, base.name, base), ModelFile(ModelKind.LORA, lora.name, lora))
    return Engine(Library(Folders(scratch), first=chosen), None)
