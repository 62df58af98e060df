"""The sampler, its schedule and its options, as A1111 and its clients write them (hechos/a1111.md 3.1)."""

from __future__ import annotations

from sdcolab.api import fields
from sdcolab.api.draft import Draft
from sdcolab.api.fields import BadField
from sdcolab.core.errors import UnknownName
from sdcolab.core.names import canonical_sampler
from sdcolab.core.samplers import SAMPLERS, SCHEDULES

_SIGMAS = (
    ("s_churn", "sigma_churn", 0.0),
    ("s_tmin", "sigma_tmin", 0.0),
    ("s_tmax", "sigma_tmax", 0.0),
    ("s_noise", "sigma_noise", 1.0),
)
"""Fields that count only while the setting of their name has its neutral value (hechos/a1111.md 3.1)."""


def put_sampler(draft: Draft) -> None:
    """The sampler, its schedule and its options."""
    name = next((name for name in ("sampler_name", "sampler_index") if draft.given.get(name)), "sampler_index")
    sampler, schedule = draft.start.sampler, None
    if draft.given.get(name):
        sampler, schedule = find_sampler(name, draft.take(name, fields.text, ""))
        draft.values.put("sampler", name, sampler)
    written = draft.take("scheduler", fields.text, "")
    if schedule or written:
        draft.values.put("schedule", "scheduler", schedule or find_schedule("scheduler", written))
    if "eta" in draft.given:
        path = "tuning.eta_ddim" if SAMPLERS[sampler].own_eta else "tuning.eta"
        draft.values.read(path, "eta", draft.given["eta"], fields.number)
    for name, option, neutral in _SIGMAS:
        path = f"tuning.{option}"
        setting = draft.values.values.get(path, getattr(draft.start.tuning, option))
        if name in draft.given and setting == neutral:
            draft.values.read(path, name, draft.given[name], fields.number)


def find_sampler(name: str, written: str) -> tuple[str, str | None]:
    """The sampler's own name, and the schedule that stood at its end ("DPM++ 2M Karras"), which wins over others
    (hechos/a1111.md 3.1)."""
    try:
        try:
            return SAMPLERS.find(canonical_sampler(written)).name, None
        except UnknownName:
            folded = written.strip().casefold()
            for schedule in SCHEDULES.values():
                for label in (schedule.name, *schedule.aliases):
                    if folded.endswith(f" {label.casefold()}"):
                        sampler = canonical_sampler(written.strip()[: -len(label)])
                        return SAMPLERS.find(sampler).name, schedule.name
            raise
    except UnknownName as error:
        raise BadField(name, error) from error


def find_schedule(name: str, written: str) -> str:
    """The schedule's own name. Raises ``BadField``."""
    try:
        return SCHEDULES.find(written).name
    except UnknownName as error:
        raise BadField(name, error) from error
