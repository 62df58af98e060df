"""How gradio reads what a control of ours holds, or sends what it is to show, where its own way will not do.

gradio builds a control anew for each visitor that gets an update of it, a mere "leave it as it is" included, by calling
its class. So a way of our own has to stand in the class, and not in the control.
"""

from __future__ import annotations

import functools
import itertools
from abc import ABCMeta
from collections.abc import Callable
from typing import Any, TypeVar

from gradio.component_meta import ComponentMeta
from gradio.components import Component

C = TypeVar("C", bound=Component)

Reading = Callable[[Any, Any], Any]
"""(the control, what the browser sent) -> what events get."""


def read_by(control: C, reading: Reading) -> C:
    """``control``, of which events get what ``reading`` says. Pass a function of a module: classes are kept by it."""
    control.__class__ = _class_of(type(control), "preprocess", reading)
    return control


_times = itertools.count(1)


def numbered(_control: Any, value: str | None) -> str | None:
    """``value`` with a number that no other has."""
    return f'{value}<span class="sd-told" hidden>{next(_times)}</span>' if value else value


def told_anew(control: C) -> C:
    """``control``, an HTML, of which the browser knows each text that it gets from the one before, even where it says
    the same: gradio draws what differs into the elements that are there, and nothing where nothing does."""
    control.__class__ = _class_of(type(control), "postprocess", numbered)
    return control


@functools.cache
def _class_of(kind: type, method: str, own_way: Callable[[Any, Any], Any]) -> Any:
    # Not by ``class``: gradio's metaclass would write a file of types beside this one. A template is drawn as its base.
    own = {method: own_way, "is_template": True, "__module__": kind.__module__}
    return ABCMeta.__new__(ComponentMeta, kind.__name__, (kind,), own)
