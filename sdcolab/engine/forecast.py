"""What the model would say next, from what it said before: Spectrum (Han et al. 2026, arXiv:2603.01623).

What a UNet holds before its last layer changes smoothly along the steps. It is seen as a function of time, its values
at the computed steps are fitted with Chebyshev polynomials by ridge regression, and the fit is read at the steps in
between. All of that is linear in the known values, so a forecast is their sum with a few weights, which do not depend
on the values and are found once on the CPU.

Nothing here knows a model: times are step numbers and values are tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from torch import Tensor

DEGREES = 4
"""How many Chebyshev polynomials, T_0 and up (the paper's M)."""

RIDGE = 0.1
"""Penalty on their coefficients (the paper's lambda)."""

SPECTRAL_SHARE = 0.3
"""Of a forecast; the rest is the last known value. The authors mix their fit with another forecast too, for sturdiness
(README of their code), and less of it keeps pictures of SDXL sharper (hechos/mercado.md 1b). Theirs is the line through
the last two values: it overshoots where values are far apart, and samplers carry that on until pictures break.
"""

LEAST_STEPS = 10
"""With fewer steps none is forecast: each changes too much."""

LEAST_KNOWN = 3
"""Values to forecast from."""

_LEAST_REAL = 8
_MOST_KNOWN = 8
_WARM_UP = 0.4
_LEAST_WARM_UP = 3
_WIDENING = 1.5
_ENDING = 2


def real_steps(steps: int, share: float) -> frozenset[int]:
    """The steps of ``steps`` that ask the model when ``share`` (0..1) of them should be forecast: a run at the
    beginning, the last ones, and others between them, ever farther apart (the paper's growing window): so none lies
    much farther ahead than the values before it lie apart.
    """
    everything = frozenset(range(steps))
    real = max(round(steps * (1 - share)), _LEAST_REAL)
    if steps < LEAST_STEPS or share <= 0 or real >= steps:
        return everything
    first, last = max(round(real * _WARM_UP), _LEAST_WARM_UP), _ENDING
    between = real - first - last
    reach = steps - last - first + 1
    middle = {first - 1 + round(reach * (place / (between + 1)) ** _WIDENING) for place in range(1, between + 1)}
    return frozenset(range(first)) | middle | frozenset(range(steps - last, steps))


def spectral_weights(times: tuple[int, ...], at: int, end: int) -> np.ndarray:
    """What each value known at ``times`` weighs in the one at ``at``, both within 0..``end``: float64 [times].

    With P the polynomials at the known times and p those at ``at``, the weights are p (P'P + lambda I)^-1 P', and the
    last known value takes what is missing to 1: the penalty pulls towards it and not towards zero.
    """

    def polynomials(where: tuple[int, ...]) -> np.ndarray:
        return chebvander(2 * np.array(where, np.float64) / max(end, 1) - 1, DEGREES - 1)

    known = polynomials(times)
    normal = known.T @ known + RIDGE * np.eye(DEGREES)
    weights: np.ndarray = polynomials((at,))[0] @ np.linalg.solve(normal, known.T)
    weights[-1] += 1 - weights.sum()
    return weights


@dataclass(slots=True)
class Known:
    """The last values of one quantity, with the steps (rising) that they were computed in."""

    times: list[int] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    level: float = float("inf")

    def learn(self, time: int, value: Tensor, level: float) -> None:
        """``value`` was computed in step ``time``, at the noise level ``level``; it takes the place of one of the same
        step. What was known before counts no more once the noise rises, as where Restart goes back up."""
        if self.times and time == self.times[-1]:
            self.values[-1] = value
            return
        if level > self.level:
            self.times.clear()
            self.values.clear()
        self.times.append(time)
        self.values.append(value)
        self.level = level
        if len(self.times) > _MOST_KNOWN:
            del self.times[0], self.values[0]

    def continues(self, time: int, level: float) -> bool:
        """Whether enough is known to say what comes in step ``time`` at ``level``: the noise never rose since."""
        return len(self.times) >= LEAST_KNOWN and time > self.times[-1] and level <= self.level

    def forecast(self, at: int, end: int, spectral_share: float) -> Tensor:
        """The value in step ``at`` of ``end``: ``spectral_share`` (0..1) of the fit, the rest the last value."""
        if not spectral_share:
            return self.values[-1]
        weights = spectral_share * spectral_weights(tuple(self.times), at, end)
        weights[-1] += 1 - spectral_share
        total = self.values[0] * float(weights[0])
        for weight, value in zip(weights[1:], self.values[1:], strict=True):
            total = total.add(value, alpha=float(weight))
        return total
