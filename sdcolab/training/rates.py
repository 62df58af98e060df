"""Learning rate schedules: the factor that multiplies the learning rate at each optimiser step. Pure functions.

Names and formulas are those of diffusers' and transformers' schedules, which trainers share (hechos/extensiones.md 11,
"Optimisers and schedules"); warm restarts: Loshchilov & Hutter 2017 (arXiv:1608.03983).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sdcolab.core.errors import FieldNotOption, FieldWrongType, WarmupUnused
from sdcolab.core.registry import closest

Factor = Callable[[int], float]
"""Optimiser step (from 0) -> factor."""

_POLYNOMIAL_END = 1e-7
"""Learning rate at which the polynomial schedule ends."""
_INVERSE_SQRT_SCALE = 10_000


@dataclass(frozen=True, slots=True)
class RatePlan:
    """A schedule over ``steps`` optimiser steps. ``warmup`` and ``decay`` are steps, or below 1 a share of them.

    ``cycles`` serves cosine_with_restarts (and halves of a wave in cosine_with_min_lr and warmup_stable_decay),
    ``power`` polynomial, ``min_ratio`` the lowest factor where the schedule has one, ``rules`` piecewise_constant.
    """

    name: str = "constant"
    steps: int = 1
    warmup: float = 0
    decay: float = 0
    cycles: float = 1
    power: float = 1.0
    min_ratio: float = 0.0
    timescale: int | None = None
    rules: str = ""
    rate: float = field(default=1.0)
    """The learning rate itself, which only polynomial needs: it ends at a rate and not at a factor."""

    @property
    def warmup_steps(self) -> int:
        """Steps during which the rate rises from zero."""
        return as_steps(self.warmup, self.steps)

    @property
    def decay_steps(self) -> int:
        """Steps during which warmup_stable_decay falls."""
        return as_steps(self.decay, self.steps)

    def factor(self) -> Factor:
        """The schedule's function. Raises ``FieldNotOption`` for a name that does not exist, ``WarmupUnused``."""
        make = SCHEDULES.get(self.name)
        if make is None:
            raise FieldNotOption(field="lr_scheduler", value=self.name, suggestions=closest(self.name, list(SCHEDULES)))
        if make is _constant and self.warmup_steps:
            raise WarmupUnused()
        return make(self)


def as_steps(number: float, steps: int) -> int:
    """A whole number of steps; below 1 it is a share of ``steps``."""
    return int(number * steps) if isinstance(number, float) and number < 1 else int(number)


def parse_steps(text: str) -> int | float:
    """``"5"``, ``"0.05"`` or ``"5%"``. Raises ``ValueError``."""
    text = text.strip()
    if text.endswith("%"):
        return float(text[:-1]) / 100
    number = float(text)
    return int(number) if number >= 1 and number.is_integer() else number


def _constant(_plan: RatePlan) -> Factor:
    return lambda _step: 1.0


def _with_warmup(plan: RatePlan, after: Factor) -> Factor:
    """Linear from zero, then ``after`` the warm-up, which counts from the schedule's beginning."""
    warmup = plan.warmup_steps
    return lambda step: step / max(1, warmup) if step < warmup else after(step)


def _constant_with_warmup(plan: RatePlan) -> Factor:
    return _with_warmup(plan, lambda _step: 1.0)


def _progress(plan: RatePlan, step: int) -> float:
    """Share of what follows the warm-up."""
    return (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)


def _linear(plan: RatePlan) -> Factor:
    return _with_warmup(plan, lambda step: max(0.0, 1 - _progress(plan, step)))


def _cosine(plan: RatePlan) -> Factor:
    return _with_warmup(plan, lambda step: max(0.0, 0.5 * (1 + math.cos(math.pi * _progress(plan, step)))))


def _cosine_with_restarts(plan: RatePlan) -> Factor:
    def after(step: int) -> float:
        progress = _progress(plan, step)
        if progress >= 1:
            return 0.0
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (plan.cycles * progress % 1))))

    return _with_warmup(plan, after)


def _cosine_with_min_lr(plan: RatePlan) -> Factor:
    def after(step: int) -> float:
        wave = 0.5 * (1 + math.cos(math.pi * plan.cycles * _progress(plan, step)))
        return max(0.0, wave * (1 - plan.min_ratio) + plan.min_ratio)

    return _with_warmup(plan, after)


def _polynomial(plan: RatePlan) -> Factor:
    end = _POLYNOMIAL_END / plan.rate

    def after(step: int) -> float:
        if step > plan.steps:
            return end
        return (1 - end) * (1 - _progress(plan, step)) ** plan.power + end

    return _with_warmup(plan, after)


def _inverse_sqrt(plan: RatePlan) -> Factor:
    scale = plan.timescale or plan.warmup_steps or _INVERSE_SQRT_SCALE
    return _with_warmup(plan, lambda step: math.sqrt(scale / (step + scale - plan.warmup_steps)))


def _warmup_stable_decay(plan: RatePlan) -> Factor:
    warmup, decay = plan.warmup_steps, plan.decay_steps
    stable = plan.steps - warmup - decay
    low = plan.min_ratio

    def factor(step: int) -> float:
        if step < warmup:
            return step / max(1, warmup) * (1 - low) + low
        if step < warmup + stable:
            return 1.0
        if step < warmup + stable + decay:
            progress = (step - warmup - stable) / max(1, decay)
            return max(0.0, 0.5 * (1 + math.cos(math.pi * plan.cycles * progress)) * (1 - low) + low)
        return low

    return factor


def _piecewise_constant(plan: RatePlan) -> Factor:
    """``rules`` "1:10,0.1:20,0.01": factor 1 below step 10, 0.1 below step 20, then 0.01."""
    *pieces, last = plan.rules.split(",")
    try:
        table = sorted((int(end), float(value)) for value, _, end in (piece.partition(":") for piece in pieces))
        rest = float(last)
    except ValueError:
        raise FieldWrongType(field="lr_scheduler_args", value=plan.rules, expected="text") from None
    return lambda step: next((value for end, value in table if step < end), rest)


def _adafactor(_plan: RatePlan) -> Factor:
    """Adafactor with relative steps schedules itself."""
    return lambda _step: 1.0


SCHEDULES: dict[str, Callable[[RatePlan], Factor]] = {
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _cosine_with_restarts,
    "polynomial": _polynomial,
    "constant": _constant,
    "constant_with_warmup": _constant_with_warmup,
    "inverse_sqrt": _inverse_sqrt,
    "cosine_with_min_lr": _cosine_with_min_lr,
    "warmup_stable_decay": _warmup_stable_decay,
    "piecewise_constant": _piecewise_constant,
    "adafactor": _adafactor,
}
"""Every schedule by the name that plans and metadata use."""

WITH_ARGUMENTS = frozenset({"piecewise_constant", "adafactor"})
"""Those that mean nothing without arguments, or without their optimiser: a plan may ask for them, a form does not."""
