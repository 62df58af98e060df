"""The panel's scripts: one is chosen, and its settings are shown below."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sdcolab.colab.panel_fields import DESCRIPTION_WIDTH, uploaded
from sdcolab.colab.panel_form import FormBox
from sdcolab.colab.panel_notes import Guarded
from sdcolab.colab.panel_parts import button_row
from sdcolab.core.errors import SdcolabError
from sdcolab.core.scripts import text_of
from sdcolab.core.words import explain
from sdcolab.core.words import panel as words
from sdcolab.core.words.scripts import LINES_FILE, PICK_VALUE, SWAPS
from sdcolab.studio.form import Lists, once, shown
from sdcolab.studio.generating import lora_names
from sdcolab.studio.layout import Script
from sdcolab.studio.scripting import comparison, filled_axis, values_to_add, with_value_added
from sdcolab.studio.studio import Studio


class ScriptBox:
    """``forecast`` says how much the chosen script will be. ``box`` is what is shown."""

    def __init__(
        self,
        widgets: Any,
        studio: Studio,
        scripts: tuple[Script, ...],
        forecast: Callable[[], str],
        guarded: Guarded,
    ) -> None:
        self._new = widgets
        self._studio = studio
        self._scripts = {script.id: script for script in scripts}
        self._forecast = forecast
        self._guarded = guarded
        self._forms: dict[str, FormBox] = {}
        self._compared: Any = None
        self._to_watch: list[tuple[str, Callable[[], None]]] = []
        self._body = widgets.VBox([])
        self._foretold = widgets.HTML()
        self._choice = widgets.Dropdown(
            options=[(words.NO_SCRIPT, ""), *((script.title, script.id) for script in scripts)],
            description=words.SCRIPT,
            layout=widgets.Layout(width="98%"),
            style={"description_width": DESCRIPTION_WIDTH},
        )
        self._choice.observe(lambda change: self._show(change["new"]), names="value")
        self.box = widgets.VBox([self._choice, self._body] if scripts else [])

    def choose(self, script: str | None, values: Mapping[str, Any] | None = None) -> None:
        """Choose the script called ``script`` ("" for none; None leaves what is chosen), with these settings."""
        if script is None:
            return
        self._choice.value = script
        if values:
            self._forms[script].fill(values)

    @property
    def chosen(self) -> str:
        """The script's id; empty without one."""
        return self._choice.value or ""

    def watch(self, told: Callable[[], object]) -> None:
        """Call ``told`` whenever another script is chosen."""
        self._choice.observe(lambda _change: told(), names="value")

    @property
    def values(self) -> dict[str, Any]:
        """The settings of the chosen script."""
        form = self._forms.get(self.chosen)
        return form.values if form else {}

    def offer(self, lists: Lists) -> None:
        """Look for what can be chosen again."""
        for form in self._forms.values():
            form.offer(lists)
        if self._compared is not None:
            put_names(self._compared, lora_names(self._studio.library))

    def _show(self, name: str) -> None:
        script = self._scripts.get(name)
        if script and name not in self._forms:
            self._forms[name] = FormBox(
                self._new,
                script.settings,
                script.shown(),
                shown(script.settings),
                once(self._studio.lists),
                gadgets=self._gadgets(name),
                prefix=script.prefix or script.id,
            )
            for path, told in self._to_watch:
                self._forms[name].watch(path, told)
            self._to_watch.clear()
        hint = [self._new.HTML(f"<p>{script.hint}</p>")] if script and script.hint else []
        self._foretold.value = ""
        count = button_row(self._new, self._guarded, (words.FORECAST, self._foretell))
        told = self._new.HBox([count, self._foretold], layout=self._new.Layout(flex_flow="row wrap"))
        self._body.children = (*hint, self._forms[name].box, told) if script else ()

    def _foretell(self) -> None:
        """Say how much it will be or what is wrong with it, beside the button: the notes are far up there. What was
        said before is not true any more."""
        self._foretold.value = ""
        try:
            self._foretold.value = html.escape(self._forecast())
        except SdcolabError as error:
            self._foretold.value = html.escape(f"⚠️ {explain(error)}")

    def _gadgets(self, name: str) -> Mapping[str, Callable[[], Any]]:
        def fill(axis: str) -> None:
            form = self._forms[name]
            values = form.values
            text = filled_axis(self._studio, values[f"{axis}_axis"], values[f"{axis}_values"])
            form.fill({f"{axis}_values": text})

        def button(axis: str) -> Callable[[], Any]:
            said = words.FILL_AXIS.format(axis=axis.upper())

            def draw() -> Any:
                row = button_row(self._new, self._guarded, (said, lambda: fill(axis)))
                row.layout.flex = "0 0 auto"  # beside a list that takes what there is
                row.layout.display = "none"

                def offer() -> None:
                    row.layout.display = "flex" if self._to_add(name, axis) else "none"

                self._to_watch.append((f"{axis}_axis", offer))
                return row

            return draw

        return {
            "@compare_loras": lambda: self._compare_row(name),
            "@swap": lambda: self._swap_row(name),
            "@lines_file": lambda: self._lines_file(name),
            **{f"@fill:{axis}": button(axis) for axis in "xyz"},
            **{f"@pick:{axis}": partial(self._pick, name, axis) for axis in "xyz"},
        }

    def _to_add(self, name: str, axis: str) -> Sequence[str]:
        """What the axis that is chosen now can have."""
        return values_to_add(self._studio, self._forms[name].values[f"{axis}_axis"])

    def _pick(self, name: str, axis: str) -> Any:
        """A list of what can be added to an axis, there while there is something to choose from."""
        chosen = self._new.Dropdown(
            options=[],
            description=PICK_VALUE,
            layout=self._new.Layout(width="98%"),
            style={"description_width": DESCRIPTION_WIDTH},
        )

        def add() -> None:
            if value := chosen.value:
                form = self._forms[name]
                form.fill({f"{axis}_values": with_value_added(form.values[f"{axis}_values"], value)})
                chosen.value = ""

        def offer() -> None:
            found = self._to_add(name, axis)
            chosen.options = ["", *found]
            chosen.layout.display = "flex" if found else "none"

        chosen.layout.display = "none"
        chosen.observe(self._guarded(add), names="value")
        self._to_watch.append((f"{axis}_axis", offer))
        return chosen

    def _swap_row(self, name: str) -> Any:
        def swap(one: str, other: str) -> None:
            form, values = self._forms[name], self._forms[name].values
            pairs = ((one, other), (other, one))
            form.fill({f"{to}_{part}": values[f"{at}_{part}"] for to, at in pairs for part in ("axis", "values")})

        swaps = ((label, partial(swap, *pair)) for pair, label in SWAPS.items())
        return button_row(self._new, self._guarded, *swaps)

    def _lines_file(self, name: str) -> Any:
        """Reads the list of prompts from a file."""
        upload = self._new.FileUpload(accept=".txt,text/plain", multiple=False, description=LINES_FILE)
        upload.layout.width = "auto"

        def read() -> None:
            for content in uploaded(upload.value):
                self._forms[name].fill({"text": text_of(content)})

        upload.observe(self._guarded(read), names="value")
        return upload

    def _compare_row(self, name: str) -> Any:
        lora = self._new.Dropdown(description="LoRA", style={"description_width": DESCRIPTION_WIDTH})
        put_names(lora, lora_names(self._studio.library))
        self._compared = lora

        def compare() -> None:
            self._forms[name].fill(comparison(self._studio, lora.value or ""))

        row = button_row(self._new, self._guarded, (words.COMPARE_LORAS, compare))
        return self._new.HBox([lora, row], layout=self._new.Layout(flex_flow="row wrap"))


def put_names(dropdown: Any, names: Sequence[str]) -> None:
    """What can be chosen now; what was chosen stays while it is there."""
    chosen = dropdown.value
    dropdown.options = ["", *names]
    dropdown.value = chosen if chosen in names else ""
