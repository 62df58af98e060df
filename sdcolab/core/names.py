"""The names to choose from in forms, for pages that must answer before torch has loaded.

The functions behind them live in ``engine``; a test keeps both lists equal.
"""

from __future__ import annotations

from collections.abc import Mapping

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

SAMPLER_ALIASES: Mapping[str, str] = {
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_2s_a": "DPM++ 2S a",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "euler_a": "Euler a",
    "euler_ancestral": "Euler a",
    "euler": "Euler",
    "lms": "LMS",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpm_2_ancestral": "DPM2 a",
    "dpm_fast": "DPM fast",
    "dpm_ad": "DPM adaptive",
    "dpm_adaptive": "DPM adaptive",
    "restart": "Restart",
    "ddim": "DDIM",
    "ddim_v3": "DDIM",
    "ddim_cfgpp": "DDIM CFG++",
    "plms": "PLMS",
    "unipc": "UniPC",
    "uni_pc": "UniPC",
    "lcm": "LCM",
}
"""What k-diffusion, ComfyUI and NovelAI call samplers; A1111's own aliases put ``k_`` before most."""


def canonical_sampler(name: str) -> str:
    """The sampler's name as we list it; a name that nobody knows comes back as it is."""
    folded = name.strip().casefold()
    listed = {known.casefold(): known for known in SAMPLER_NAMES}
    return listed.get(folded) or SAMPLER_ALIASES.get(folded.removeprefix("k_"), name)
