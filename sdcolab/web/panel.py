"""The generation form: the sections of the layout, the gadgets between them, and the buttons that stay at its foot.

There is one for all ways to make a picture; the tabs only choose what it shows. So a prompt stays when its user goes
from text to an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import SCRIPT_FIELDS
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import SIZES
from sdcolab.core.words.queue import PAUSE_JOB
from sdcolab.core.words.scripts import CONTINUE_PLAN, LEAVE_PLAN, LINES_FILE, PICK_VALUE, SWAPS
from sdcolab.core.words.speed import FEW_STEPS
from sdcolab.studio.form import Lists, shown
from sdcolab.studio.layout import Layout, Script
from sdcolab.studio.scripting import CHOSEN
from sdcolab.web import fragments
from sdcolab.web.control_wires import WeightsBox, weights_box
from sdcolab.web.drawing import Drawing
from sdcolab.web.fields import bare, offered, unchecked


@dataclass(frozen=True, slots=True)
class LeftPlanBox:
    """What offers to go on with a plan of another session. ``name`` keeps which one."""

    box: gr.Column
    text: gr.HTML
    name: gr.State
    go_on: gr.Button
    leave: gr.Button


@dataclass
class Gadgets:
    """The controls that are no fields. Filled while the form is drawn."""

    tokens: dict[str, gr.HTML] = field(default_factory=dict)
    styles: Any = None
    style_name: Any = None
    style_save: Any = None
    style_delete: Any = None
    style_apply: Any = None
    lora: Any = None
    paste: Any = None
    remarks: Any = None
    few_steps: Any = None
    sizes: dict[str, gr.Button] = field(default_factory=dict)
    random_seed: Any = None
    last_seed: Any = None
    init_size: Any = None
    reset_tuning: Any = None
    put_defaults: Any = None
    save_defaults: Any = None
    script: Any = None
    script_forms: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    forecast: Any = None
    fills: dict[str, gr.Button] = field(default_factory=dict)
    picks: dict[str, gr.Dropdown] = field(default_factory=dict)
    swaps: dict[str, gr.Button] = field(default_factory=dict)
    lines_file: Any = None
    left_plan: LeftPlanBox | None = None
    compared_lora: Any = None
    compare_loras: Any = None
    weights: dict[str, WeightsBox] = field(default_factory=dict)
    folds: dict[str, gr.Accordion] = field(default_factory=dict)

    @property
    def remembered(self) -> dict[str, Any]:
        """The list of scripts and the controls of each by path, which outlive a reload."""
        if self.script is None:
            return {}
        return {CHOSEN: self.script} | {
            f"{CHOSEN}.{script}.{path}": control
            for script, drawn in self.script_forms.items()
            for path, control in drawn.items()
            if path != "@box"
        }

    @property
    def recorded(self) -> list[Any]:
        """The controls of scripts that infotexts tell of."""
        return [
            control
            for script, drawn in self.script_forms.items()
            for path, control in drawn.items()
            if (known := SCRIPT_FIELDS.get(f"{script}.{path}")) and known.label
        ]


@dataclass(frozen=True, slots=True)
class Buttons:
    """What stays at the foot of the form, and what it says. ``starts`` and ``tries`` have a button for tools by tab."""

    generate: gr.Button
    starts: Mapping[str, gr.Button]
    tries: Mapping[str, gr.Button]
    interrupt: gr.Button
    pause: gr.Button
    skip_queue: gr.Button
    sheet: gr.HTML
    progress: gr.HTML


@dataclass(frozen=True, slots=True)
class Panel:
    """The form's controls. ``fields`` has one for each field and each switch, by path, the bar's among them; ``mode``
    holds the tab of generation that was open last, ``sizes`` the size that each of the others had."""

    fields: Mapping[str, Any]
    gadgets: Gadgets
    mode: gr.Textbox
    sizes: gr.JSON
    message: gr.HTML

    def some(self, *paths: str) -> list[Any]:
        """The controls of ``paths``."""
        return [self.fields[path] for path in paths]


class PanelDrawing:
    """Draws the form once."""

    def __init__(self, layout: Layout, values: Mapping[str, Any], lists: Lists, bar: Mapping[str, Any]) -> None:
        self._lists = lists
        self._layout = layout
        self._gadgets = Gadgets()
        self._drawing = Drawing(
            GenerationRequest,
            values,
            lists,
            {
                "@paste": self._paste,
                "@remarks": self._remarks,
                "@styles": self._styles,
                "@loras": self._loras,
                "@few_steps": self._few_steps,
                "@size_chips": self._size_chips,
                "@seed": self._seed,
                "@init_size": self._init_size,
                "@reset_tuning": self._reset_tuning,
                "@defaults": self._defaults,
                "@scripts": self._scripts,
                "@control_files": self._weights,
            },
        )
        self._drawing.controls.update(bar)

    def draw(self, message: gr.HTML) -> Panel:
        """Draw it inside the current page; ``message`` is where the page speaks."""
        sections = self._layout.generation
        self._gadgets.left_plan = _left_plan()
        self._drawing.sections(tuple(section for section in sections if section.main))
        with gr.Column(elem_id="sd-settings"):
            gr.HTML(_SHEET_HEAD, elem_id="sd-sheet-head")
            self._drawing.sections(tuple(section for section in sections if not section.main))
        self._gadgets.folds = self._drawing.folds
        mode = gr.Textbox(self._layout.modes[0], visible="hidden", elem_id="sd-mode")
        sizes = gr.JSON({}, visible=False)
        return Panel(self._drawing.controls, self._gadgets, mode, sizes, message)

    # --- Gadgets ---

    def _paste(self) -> None:
        with gr.Row(elem_id="sd-prompt-tools"):
            self._gadgets.paste = _tool("paste", "clipboard-paste")
            for name in ("prompt", "negative_prompt"):
                self._gadgets.tokens[name] = gr.HTML(fragments.token_counter(0, 75), elem_id=f"sd-tokens-{name}")

    def _remarks(self) -> None:
        self._gadgets.remarks = gr.HTML("", elem_id="sd-remarks")

    def _weights(self, unit: str) -> None:
        self._gadgets.weights[unit] = weights_box(unit)

    def _styles(self) -> None:
        with gr.Row(elem_id="sd-style-row", elem_classes="sd-line"):
            self._gadgets.styles = bare(
                gr.Dropdown(
                    [],
                    label=words.STYLES,
                    multiselect=True,
                    allow_custom_value=True,
                    elem_id="sd-styles",
                    min_width=150,
                )
            )
            self._gadgets.style_apply = _tool("style-apply", "clipboard-check")
            self._gadgets.style_save = _tool("style-save", "save")
            self._gadgets.style_delete = _tool("style-delete", "trash-2")
        self._gadgets.style_name = gr.Textbox("", visible="hidden", elem_id="sd-style-name")

    def _loras(self) -> None:
        self._gadgets.lora = bare(
            gr.Dropdown([], value=None, label=words.ADD_LORA, elem_id="sd-lora", allow_custom_value=True)
        )

    def _size_chips(self) -> None:
        with gr.Row(elem_id="sd-sizes", elem_classes="sd-chips"):
            for name, size in SIZES.items():
                self._gadgets.sizes[name] = gr.Button(
                    size.label,
                    size="sm",
                    min_width=44,
                    scale=0,
                    elem_id=f"sd-size-{name}",
                    elem_classes=f"sd-chip sd-icon-{size.icon}",
                )

    def _few_steps(self) -> None:
        self._gadgets.few_steps = gr.Button(
            FEW_STEPS, size="sm", elem_id="sd-few-steps", elem_classes="sd-chip sd-icon-sparkles"
        )

    def _seed(self) -> None:
        self._gadgets.random_seed = _tool("seed-random", "dices")
        self._gadgets.last_seed = _tool("seed-last", "recycle")

    def _init_size(self) -> None:
        self._gadgets.init_size = gr.Button(
            words.SIZE_OF_PICTURE, size="sm", elem_id="sd-init-size", elem_classes="sd-chip sd-icon-ruler"
        )

    def _reset_tuning(self) -> None:
        self._gadgets.reset_tuning = gr.Button(
            words.RESET_TUNING, size="sm", elem_id="sd-reset-tuning", elem_classes="sd-icon-undo-2"
        )

    def _defaults(self) -> None:
        self._gadgets.put_defaults = gr.Button(
            words.PUT_DEFAULTS, size="sm", elem_id="sd-put-defaults", elem_classes="sd-icon-undo-2"
        )
        self._gadgets.save_defaults = gr.Button(
            words.SAVE_DEFAULTS, size="sm", elem_id="sd-save-defaults", elem_classes="sd-icon-save"
        )

    def _scripts(self) -> None:
        scripts = self._layout.scripts
        self._gadgets.script = gr.Dropdown(
            [(words.NO_SCRIPT, ""), *((script.title, script.id) for script in scripts)],
            value="",
            label=words.SCRIPT,
            elem_id="sd-script",
            visible=bool(scripts),
        )
        offered(bare(self._gadgets.script))
        for script in scripts:
            self._gadgets.script_forms[script.id] = self._script(script)
        self._gadgets.forecast = gr.HTML(elem_id="sd-forecast", elem_classes="sd-hint")

    def _script(self, script: Script) -> Mapping[str, Any]:
        drawing = Drawing(
            script.settings,
            shown(script.settings),
            self._lists,
            {
                "@compare_loras": self._compare_loras,
                "@swap": self._swap,
                "@lines_file": self._lines_file,
                **{f"@fill:{axis}": partial(self._fill, axis) for axis in "xyz"},
                **{f"@pick:{axis}": partial(self._pick, axis) for axis in "xyz"},
            },
            name=f"script-{script.id}",
            prefix=script.prefix or script.id,
        )
        with gr.Column(elem_classes="sd-script", elem_id=f"sd-script-{script.id}", visible=False) as box:
            if script.hint:
                gr.HTML(f"<p>{script.hint}</p>", elem_classes="sd-hint")
            drawing.sections(script.shown())
        drawing.controls["@box"] = box
        return drawing.controls

    def _fill(self, axis: str) -> None:
        self._gadgets.fills[axis] = _tool(f"fill-{axis}", "list-ordered", visible=False)

    def _pick(self, axis: str) -> None:
        self._gadgets.picks[axis] = gr.Dropdown(
            [],
            value=None,
            label=f"{PICK_VALUE} ({axis.upper()})",
            elem_id=f"sd-pick-{axis}",
            elem_classes="sd-pick",
            visible=False,
        )
        unchecked(bare(self._gadgets.picks[axis]))

    def _swap(self) -> None:
        with gr.Row(elem_classes="sd-chips", elem_id="sd-swaps"):
            for pair, label in SWAPS.items():
                self._gadgets.swaps[pair] = gr.Button(
                    label, size="sm", min_width=44, scale=0, elem_id=f"sd-swap-{pair}", elem_classes="sd-chip"
                )

    def _lines_file(self) -> None:
        self._gadgets.lines_file = gr.Button(
            LINES_FILE, size="sm", min_width=44, scale=0, elem_id="sd-lines-file", elem_classes="sd-chip"
        )

    def _compare_loras(self) -> None:
        with gr.Row(elem_classes="sd-line", elem_id="sd-compare-row"):
            self._gadgets.compared_lora = gr.Dropdown(
                [*self._lists("loras")],
                value=None,
                label=words.COMPARED_LORA,
                info=words.COMPARED_LORA_HELP,
                elem_id="sd-compared-lora",
            )
            unchecked(bare(self._gadgets.compared_lora))
            self._gadgets.compare_loras = gr.Button(
                words.COMPARE_LORAS, size="sm", elem_id="sd-compare-loras", elem_classes="sd-icon-grid-3x3"
            )


_SHEET_HEAD = (
    f'<div class="sd-sheet-head"><strong>{words.SETTINGS}</strong>'
    f'<button type="button" class="sd-sheet-close sd-icon-x" aria-label="{words.CLOSE_SETTINGS}"></button></div>'
)


def _tool(name: str, icon: str, *, visible: bool = True) -> gr.Button:
    """A small square button that only has an icon; the page's script gives it its name."""
    return gr.Button(
        "",
        size="sm",
        min_width=36,
        scale=0,
        elem_id=f"sd-{name}",
        elem_classes=f"sd-tool-button sd-icon-{icon}",
        visible=visible,
    )


def _left_plan() -> LeftPlanBox:
    with gr.Column(visible=False, elem_id="sd-left-plan") as box:
        text = gr.HTML()
        with gr.Row(elem_classes="sd-line"):
            go_on = gr.Button(CONTINUE_PLAN, size="sm", elem_id="sd-left-plan-continue")
            leave = gr.Button(LEAVE_PLAN, size="sm", elem_id="sd-left-plan-leave")
    return LeftPlanBox(box, text, gr.State(""), go_on, leave)


def build_buttons(layout: Layout) -> Buttons:
    """Draw the foot of the forms: one button to start for each kind of work, one to stop, and the progress for
    phones."""
    with gr.Column(elem_id="sd-actions"):
        progress = gr.HTML(elem_id="sd-progress-bottom")
        with gr.Row():
            sheet = gr.HTML(
                '<button type="button" class="sd-sheet-open sd-icon-sliders-horizontal" '
                f'aria-label="{words.SETTINGS}"></button>',
                elem_id="sd-sheet",
                elem_classes="sd-mode sd-in-txt2img sd-in-img2img",
            )
            generate = gr.Button(
                words.GENERATE,
                variant="primary",
                elem_id="sd-generate",
                elem_classes=["sd-mode", *(f"sd-in-{mode}" for mode in layout.modes)],
                scale=2,
                min_width=110,
            )
            starts = {
                tab.id: gr.Button(
                    tab.tool.verb,
                    variant="primary",
                    elem_id=f"sd-start-{tab.id}",
                    elem_classes=f"sd-start sd-mode sd-in-{tab.id}",
                    scale=2,
                    min_width=110,
                )
                for tab in layout.tabs
                if tab.tool
            }
            tries = {
                tab.id: gr.Button(
                    tab.tool.trying,
                    elem_id=f"sd-try-{tab.id}",
                    elem_classes=f"sd-start sd-mode sd-in-{tab.id}",
                    scale=2,
                    min_width=110,
                )
                for tab in layout.tabs
                if tab.tool and tab.tool.tries
            }
            interrupt = gr.Button(
                words.INTERRUPT, variant="stop", elem_id="sd-interrupt", scale=1, min_width=100, interactive=False
            )
            pause = gr.Button(PAUSE_JOB, elem_id="sd-pause", scale=1, min_width=100, visible=False)
            skip = gr.Button(words.EMPTY_QUEUE, elem_id="sd-empty-queue", scale=1, min_width=100, visible=False)
    return Buttons(generate, starts, tries, interrupt, pause, skip, sheet, progress)
