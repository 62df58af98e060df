"""Plans of scripts that were begun in another session and not ended, as faces offer them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import Grid
from sdcolab.core.words.scripts import left_plan_text
from sdcolab.studio.jobs import JobQueue


@dataclass(frozen=True, slots=True)
class LeftPlan:
    """A plan that was left: its file's ``name`` below the folder of all outputs, the script's ``title``, how many cells
    are ``done`` of ``total`` (0: not known), ``when`` the last one was, and the name of the ``job`` that made them."""

    name: str
    title: str
    done: int
    total: int
    when: datetime.datetime
    job: str = ""


class Plans(Protocol):
    """Where such plans lie."""

    def unfinished(self) -> tuple[LeftPlan, ...]:
        """Those with something done, the newest first."""
        ...

    def continued(self, name: str) -> Grid:
        """The task that goes on with one; the queue's own copy of that work is offered no more."""
        ...

    def leave(self, name: str) -> None:
        """Offer one no more. Raises ``PlanUnreadable``, ``DiskFull`` or ``CannotWrite``."""
        ...


class NoPlans:
    """There are none."""

    def unfinished(self) -> tuple[LeftPlan, ...]:
        """See ``Plans``."""
        return ()

    def continued(self, name: str) -> Grid:
        """See ``Plans``."""
        return continued(name)

    def leave(self, _name: str) -> None:
        """See ``Plans``."""


def offered(plans: Plans, jobs: JobQueue) -> LeftPlan | None:
    """The newest plan that no job here is at work on, or waits to be."""
    at_work = {key for job in jobs.jobs() if not job.snapshot.ended for key in _keys(job.task)}
    return next((plan for plan in plans.unfinished() if not {plan.name, plan.job} & at_work), None)


def _keys(task: object) -> set[str]:
    """What a task's plan goes by: its own name, the file that it goes on with."""
    if not isinstance(task, Grid):
        return set()
    return {key for key in (task.name, task.plan.as_posix() if task.plan else "") if key}


def continued(name: str) -> Grid:
    """The task that goes on with a plan."""
    return Grid(GenerationRequest(), plan=Path(name))


def sentence(plan: LeftPlan) -> str:
    """What is told of it."""
    return left_plan_text(plan.title, plan.done, plan.total, plan.when)
