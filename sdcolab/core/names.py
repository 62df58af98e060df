"""The names to choose from in forms, for pages that must answer before torch has loaded.

The functions behind them live in ``engine``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdcolab.core.samplers import SAMPLERS, SCHEDULES

SAMPLER_NAMES = tuple(SAMPLERS)
"""Samplers in A1111's order (hechos/a1111.md 3.1)."""

SCHEDULE_NAMES = tuple(SCHEDULES)
"""Schedules in A1111's order (hechos/a1111.md 3.3)."""

JOINED_NAMES: Mapping[str, tuple[str, str]] = {
    f"{sampler} {schedule}": (sampler, schedule)
    for sampler, schedules in {
        "DPM++ 2M": ("Karras",),
        "DPM++ SDE": ("Karras",),
        "DPM++ 2M SDE": ("Karras", "Exponential"),
        "DPM++ 2M SDE Heun": ("Karras", "Exponential"),
        "DPM++ 2S a": ("Karras",),
        "DPM++ 3M SDE": ("Karras", "Exponential"),
        "LMS": ("Karras",),
        "DPM2": ("Karras",),
        "DPM2 a": ("Karras",),
    }.items()
    for schedule in schedules
}
"""What A1111 listed as samplers before 1.9, and guides still do: a sampler and a schedule (hechos/a1111.md 3.1)."""

LATENT_UPSCALERS = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
"""Ways to enlarge latents in a hires pass, in A1111's order (hechos/a1111.md 4.3)."""

FOREIGN_SAMPLER_NAMES: Mapping[str, str] = {
    name.removeprefix("k_"): sampler.name
    for sampler in SAMPLERS.values()
    for name in (*sampler.aliases, *sampler.foreign)
}
"""What k-diffusion, ComfyUI and NovelAI call samplers; A1111's own aliases put ``k_`` before most."""


def canonical_sampler(name: str) -> str:
    """The sampler's name as we list it; a name that nobody knows comes back as it is."""
    folded = name.strip().casefold()
    listed = {known.casefold(): known for known in SAMPLER_NAMES}
    return listed.get(folded) or FOREIGN_SAMPLER_NAMES.get(folded.removeprefix("k_"), name)


def split_name(name: str, samplers: Iterable[str], schedules: Iterable[str]) -> tuple[str, str] | None:
    """The sampler and the schedule that ``name`` joins ("DPM++ 2M Karras", whatever the case); None where it does
    not."""
    folded, known = name.strip().casefold(), tuple(samplers)
    for schedule in schedules:
        if folded.endswith(f" {schedule.casefold()}"):
            sampler = canonical_sampler(name.strip()[: -len(schedule)])
            if sampler in known:
                return sampler, schedule
    return None
