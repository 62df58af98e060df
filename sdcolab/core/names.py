"""The names to choose from in forms, for pages that must answer before torch has loaded.

The functions behind them live in ``engine``.
"""

from __future__ import annotations

import re
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


def _plain(name: str) -> str:
    """A sampler's name without what programs write in different ways: ``dpmpp2sa`` from ``DPM++ 2S Ancestral``,
    ``k_dpmpp_2s_a`` and ``dpmpp-2s-ancestral``, ``dpmsolver`` from ``DPMSolverMultistepScheduler``."""
    folded = _PREFIX.sub("", name.strip().casefold()).replace("dpm-solver++", "dpm++").replace("++", "pp")
    letters = _NO_LETTERS.sub("", folded).replace("ancestral", "a").removesuffix("gpu")
    return _CLASS_ENDS.sub("", letters.removesuffix("scheduler"))


_PREFIX = re.compile(r"k_|sample_")
_NO_LETTERS = re.compile(r"[\s_\-(),]+")
_CLASS_ENDS = re.compile(r"discrete$|multistep$")
"""Of diffusers' classes, and of Leonardo's names."""

FOREIGN_SAMPLER_NAMES: Mapping[str, str] = {
    _plain(name): sampler.name
    for sampler in SAMPLERS.values()
    for name in (sampler.name, *sampler.aliases, *sampler.foreign)
}
"""What k-diffusion, diffusers, InvokeAI, ComfyUI, NovelAI and Leonardo call samplers, without what they write in
different ways."""


def canonical_sampler(name: str) -> str:
    """The sampler's name as we list it; a name that nobody knows comes back as it is."""
    folded = name.strip().casefold()
    listed = {known.casefold(): known for known in SAMPLER_NAMES}
    return listed.get(folded) or FOREIGN_SAMPLER_NAMES.get(_plain(name), name)


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
