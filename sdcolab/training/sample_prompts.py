"""What pictures a training makes on the way. No torch.

A prompt file has a line for each picture: ``text --n negative --w 512 --h 512 --d seed --s steps --l scale --ss
sampler`` (hechos/extensiones.md 11, "Files").
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.errors import CannotRead, FieldNotNumber
from sdcolab.core.files import system_reason
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.samplers import SAMPLERS
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
"""Samplers of sd-scripts, in our names."""


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
        try:
            return float(options.get(name, default))
        except ValueError:
            raise FieldNotNumber(field=f"--{name}", value=options[name]) from None

    def whole(name: str, default: int) -> int:
        value = number(name, default)
        if not math.isfinite(value):
            raise FieldNotNumber(field=f"--{name}", value=options[name])
        return int(value)

    named = options.get("ss", sampler)
    request = GenerationRequest(
        prompt=prompt,
        negative_prompt=options.get("n", ""),
        width=whole("w", side) // 8 * 8,
        height=whole("h", side) // 8 * 8,
        steps=whole("s", 20),
        cfg_scale=number("l", 7),
        sampler=_SAMPLERS.get(named) or SAMPLERS.find(named).name,
        seed=whole("d", RANDOM_SEED),
    )
    return SamplePrompt(request, request.seed if "d" in options else None)


def read_prompts(plan: TrainingPlan) -> tuple[SamplePrompt, ...]:
    """The pictures that ``plan`` wants; none where it names no file. Raises ``CannotRead``, ``RequestError``."""
    if not plan.sample_prompts:
        return ()
    path = Path(plan.sample_prompts)
    try:
        text = path.read_bytes()[:MAX_PROMPT_BYTES].decode("utf-8-sig", "replace")
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return parse_prompts(text, sampler=plan.sample_sampler, side=max(plan.size()))
