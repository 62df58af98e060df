"""How much of a picture's likeness is given for speed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Speed(StrEnum):
    """One setting that people understand. ``FAITHFUL`` computes every step, as AUTOMATIC1111 does."""

    FAITHFUL = "faithful"
    BALANCED = "balanced"
    FAST = "fast"


FORECAST: Final[Mapping[Speed, float]] = MappingProxyType({Speed.FAITHFUL: 0.0, Speed.BALANCED: 0.44, Speed.FAST: 0.64})
"""The share of the steps that each forecasts (``engine.forecast``): of 25, 14 and 9 are computed. What that costs in
likeness: ``tools/bench/speed.py``. Guidance that ends early, T-GATE and merged tokens cost more for less on the demo
model (three prompts, Euler a: errors from 0.075 for an eighth of the work saved), so they have no part in it.
"""

IN_BFLOAT16: Final = frozenset({Speed.FAST})
"""Those that compute in bfloat16 on a processor that is quick at it; its error is a tenth of what forecasting costs."""
