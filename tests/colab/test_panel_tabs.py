"""The panel's forms of tools: what can be chosen follows what there is."""

from __future__ import annotations

from typing import Any, cast

import ipywidgets

from sdcolab.colab.panel_tabs import ToolTab
from sdcolab.studio.layout import LAYOUT
from sdcolab.studio.studio import Studio


class Lists:
    """A studio that only knows lists."""

    def __init__(self) -> None:
        self.trained: tuple[str, ...] = ()

    def lists(self, name: str) -> tuple[str, ...]:
        return self.trained if name == "trained_projects" else ()


def test_a_project_that_was_just_trained_is_offered_and_the_choice_is_kept() -> None:
    studio = Lists()
    tab = ToolTab(ipywidgets, cast(Studio, studio), LAYOUT.tab("probar"), lambda action: action)
    project: Any = tab.form.fields["project"]
    assert not project.value
    studio.trained = ("zorp",)
    tab.refresh()
    assert project.value == "zorp"
    studio.trained = ("antes", "zorp")
    tab.refresh()
    assert project.value == "zorp"
