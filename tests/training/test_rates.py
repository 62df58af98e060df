"""Learning rate schedules against the reference trainer's, and against PyTorch's own where there is no vector."""

from __future__ import annotations

from typing import Any

import pytest

from sdcolab.core.errors import FieldNotOption, WarmupUnused
from sdcolab.training.rates import RatePlan, parse_steps
from tests.support.vectors import vectors

OPTIONS = {
    "lr_scheduler": ("name", str),
    "lr_warmup_steps": ("warmup", parse_steps),
    "lr_decay_steps": ("decay", parse_steps),
    "lr_scheduler_num_cycles": ("cycles", int),
    "lr_scheduler_power": ("power", float),
    "lr_scheduler_min_lr_ratio": ("min_ratio", float),
    "lr_scheduler_timescale": ("timescale", int),
}


def plan_of(case: dict[str, Any]) -> RatePlan:
    args = case["args"]
    given = {}
    for flag, text in zip(args[::2], args[1::2], strict=True):
        if flag == "--lr_scheduler_args":
            given["rules"] = text.partition("=")[2]
        else:
            name, read = OPTIONS[flag.removeprefix("--")]
            given[name] = read(text)
    return RatePlan(steps=case["steps"], rate=case.get("base_lr", 1.0), **given)


@pytest.mark.parametrize(
    "case", vectors("lora_lr_schedules")["schedules"], ids=lambda case: " ".join(case["args"][1::2])
)
def test_rates_are_the_reference_trainers(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    if "error" in case:
        with pytest.raises(WarmupUnused):
            plan.factor()
        return
    factor = plan.factor()
    rates = [case["base_lr"] * factor(step) for step in range(case["steps"] + 1)]
    assert rates == pytest.approx([*case["lr"], case["lr_after_last"]], rel=1e-5, abs=1e-12)


def test_stable_and_piecewise_schedules() -> None:
    wsd = RatePlan("warmup_stable_decay", steps=100, warmup=0.1, decay=20).factor()
    assert [wsd(step) for step in (0, 5, 10, 79, 90)] == pytest.approx([0, 0.5, 1, 1, 0.5])
    pieces = RatePlan("piecewise_constant", steps=100, rules="1:10,0.1:20,0.01").factor()
    assert [pieces(step) for step in (0, 9, 10, 19, 20, 99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    root = RatePlan("inverse_sqrt", steps=100, warmup=10).factor()
    assert [root(step) for step in (5, 10, 40)] == pytest.approx([0.5, 1, 0.5])


def test_an_unknown_schedule_is_told_with_close_names() -> None:
    with pytest.raises(FieldNotOption) as raised:
        RatePlan("cosin").factor()
    assert "cosine" in raised.value.suggestions
