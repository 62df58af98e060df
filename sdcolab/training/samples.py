"""Pictures of the LoRA on the way, made by our own engine from the files just as anybody would use them.

A prompt file has a line for each picture: ``text --n negative --w 512 --h 512 --d seed --s steps --l scale --ss
sampler`` (hechos/extensiones.md 11, "Files").
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, SdcolabError
from sdcolab.core.files import atomic_write, make_folder, system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.models import LoadedModel
from sdcolab.training.events import Hear, SampleMade, Told
from sdcolab.training.plan import TrainingPlan

MAX_PROMPTS = 20
MAX_PROMPT_BYTES = 100_000

_OPTION = re.compile(r"\s--(\w+)\s+([^\s].*?)(?=\s--\w+\s|$)")
_SAMPLERS = {
    "ddim": "DDIM",
    "euler": "Euler",
    "k_euler": "Euler",
    "euler_a": "Euler a",
    "k_euler_a": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpmsolver++": "DPM++ 2M",
    "lms": "LMS",
    "pndm": "PLMS",
}
"""Samplers of sd-scripts, in our names. Others are taken as they are written."""


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """One line of a prompt file, as a request; ``seed`` None: the training's."""

    request: GenerationRequest
    seed: int | None


def parse_prompts(text: str, *, sampler: str, side: int) -> tuple[SamplePrompt, ...]:
    """The pictures that a prompt file asks for; blank lines and those with # are none. Raises ``RequestError``."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return tuple(_prompt(line, sampler, side) for line in lines[:MAX_PROMPTS])


def _prompt(line: str, sampler: str, side: int) -> SamplePrompt:
    options: dict[str, str] = dict(_OPTION.findall(line))
    prompt = line.partition(" --")[0].strip()

    def number(name: str, default: float) -> float:
        return float(options.get(name, default))

    named = options.get("ss", sampler)
    request = GenerationRequest(
        prompt=prompt,
        negative_prompt=options.get("n", ""),
        width=int(number("w", side)) // 8 * 8,
        height=int(number("h", side)) // 8 * 8,
        steps=int(number("s", 20)),
        cfg_scale=number("l", 7),
        sampler=_SAMPLERS.get(named) or named,
    )
    return SamplePrompt(request, int(options["d"]) if "d" in options else None)


class Sampler:
    """Makes the pictures of a plan with the LoRA as it is. ``write`` writes the LoRA file to use."""

    def __init__(
        self, prompts: tuple[SamplePrompt, ...], model: LoadedModel, folder: Path, name: str, seed: int
    ) -> None:
        self._prompts = prompts
        self._model = model
        self._folder = folder
        self._name = name
        self._seed = seed
        self.write: Callable[[Path], object] | None = None

    @classmethod
    def of(cls, plan: TrainingPlan, model: LoadedModel, folder: Path, name: str, seed: int) -> Sampler | None:
        """The sampler of a plan, or None where it wants no pictures. Raises ``CannotRead``, ``RequestError``."""
        if not plan.sample_prompts:
            return None
        path = Path(plan.sample_prompts)
        try:
            text = path.read_bytes()[:MAX_PROMPT_BYTES].decode("utf-8-sig", "replace")
        except OSError as error:
            raise CannotRead(path=path, reason=system_reason(error)) from error
        side = max(plan.size())
        return cls(parse_prompts(text, sampler=plan.sample_sampler, side=side), model, folder, name, seed)

    def make(self, epoch: int, step: int, hear: Hear) -> None:
        """Make every picture; what cannot be made is told, and the training goes on."""
        if self.write is None:
            return
        target = self._folder / "sample"
        try:
            make_folder(target)
            with tempfile.TemporaryDirectory() as scratch, self._aside(), torch.random.fork_rng():
                lora = Path(scratch) / "muestra.safetensors"
                self.write(lora)
                engine = _engine(self._model.path, lora, Path(scratch))
                for index, prompt in enumerate(self._prompts):
                    seed = self._seed if prompt.seed is None else prompt.seed
                    self._one(engine, prompt, index, seed, epoch if epoch else step, target, hear)
        except SdcolabError as error:
            hear(Told(error))

    def _one(
        self, engine: Engine, prompt: SamplePrompt, index: int, seed: int, epoch: int, target: Path, hear: Hear
    ) -> None:
        request = replace(
            prompt.request,
            prompt=f"{prompt.request.prompt} <lora:muestra:1>",
            seed=seed,
            checkpoint=self._model.path.name,
        )
        image = engine.generate(request, save=False).images[0]
        moment = time.strftime("%Y%m%d%H%M%S")
        path = target / f"{self._name}_e{epoch:06}_{index:02}_{moment}_{seed}.png"
        with atomic_write(path) as file:
            image.image.save(file, "PNG")
        hear(SampleMade(path, epoch, prompt.request.prompt))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """The model that is trained makes room on a card for the one that makes pictures."""
        device = self._model.device
        modules = [self._model.unet, *(encoder.module for encoder in self._model.text_encoders)]
        moved = [module for module in modules if device.type == "cuda" and module.device.type == "cuda"]
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
