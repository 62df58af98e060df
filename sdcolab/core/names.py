"""The names to choose from in forms, for pages that must answer before torch has loaded.

The functions behind them live in ``engine``; a test keeps both lists equal.
"""

from __future__ import annotations

SAMPLER_NAMES = (
    "DPM++ 2M",
    "DPM++ SDE",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Heun",
    "DPM++ 2S a",
    "DPM++ 3M SDE",
    "Euler a",
    "Euler",
    "LMS",
    "Heun",
    "DPM2",
    "DPM2 a",
    "DPM fast",
    "DPM adaptive",
    "Restart",
    "DDIM",
    "DDIM CFG++",
    "PLMS",
    "UniPC",
    "LCM",
)
"""Samplers in A1111's order (hechos/a1111.md 3.1)."""

SCHEDULE_NAMES = (
    "Automatic",
    "Uniform",
    "Karras",
    "Exponential",
    "Polyexponential",
    "SGM Uniform",
    "KL Optimal",
    "Align Your Steps",
    "Simple",
    "Normal",
    "DDIM",
    "Beta",
)
"""Schedules in A1111's order (hechos/a1111.md 3.3)."""
