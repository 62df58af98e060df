"""Inversion's part of a request: the noise that an initial picture might have come from (hechos/a1111.md 9.6)."""

from __future__ import annotations

from dataclasses import dataclass

from sdcolab.core.fields import check, fact


@dataclass(frozen=True, slots=True)
class Inversion:
    """img2img from the noise that the model would have made the picture of, instead of from random noise.

    ``prompt`` and ``negative_prompt`` describe the picture as it is; ``cfg_scale`` and ``steps`` are those of the way
    back. ``randomness`` 0..1 is the share of random noise in the result. ``sigma_adjustment``: each step reads the
    model at the noise level that it comes from, not at the one that it goes to.
    """

    prompt: str = fact("", label="Decode prompt", codec="always", control="prompt")
    negative_prompt: str = fact("", label="Decode negative prompt", codec="always", control="prompt")
    cfg_scale: float = fact(1.0, low=0, high=15, step=0.1, label="Decode CFG scale", codec="always")
    steps: int = fact(50, low=1, high=150, label="Decode steps", codec="always")
    randomness: float = fact(0.0, low=0, high=1, step=0.01, label="Randomness", codec="always")
    sigma_adjustment: bool = fact(False, label="Sigma Adjustment", codec="always")

    def __post_init__(self) -> None:
        check(self, "inversion")
