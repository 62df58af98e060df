"""A sampler chosen or typed with its schedule ("DPM++ 2M Karras") shows both, each in its own control."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.studio.form import Lists, apart, schedule_of


def connect_samplers(controls: Mapping[str, Any], lists: Lists, quiet: dict[str, Any]) -> None:
    """Follow every sampler of a form that has a schedule beside it."""
    for path, control in controls.items():
        if path.rpartition(".")[2] == "sampler" and schedule_of(path) in controls:
            both = [control, controls[schedule_of(path)]]
            control.input(partial(_both, lists), control, both, **quiet)


def _both(lists: Lists, typed: Any) -> tuple[Any, Any]:
    found = [*apart({"sampler": typed}, "sampler", lists).values()]
    return (found[0], found[1]) if found else (gr.skip(), gr.skip())
