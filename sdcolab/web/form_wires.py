"""Which event of the generation form calls what."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.core.fields import plain_path
from sdcolab.core.request import GenerationRequest
from sdcolab.core.words.faces import SIZES
from sdcolab.studio.form import picture_paths
from sdcolab.studio.generating import BROUGHT, chip_size
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import FormActions, offer_upscaler, random_seed, tell_strangers
from sdcolab.web.bar import DOWNLOAD_REPORT
from sdcolab.web.browser import (
    ASK_STYLE,
    KEEP_PICTURE,
    READ_TEXT_FILE,
    RECALL_PICTURE,
    fill_if_other,
    fill_untouched,
    keep_form,
    open_mode,
    recall_form,
    recall_pictures,
)
from sdcolab.web.control_wires import connect_units
from sdcolab.web.fields import element_id
from sdcolab.web.help import make_report
from sdcolab.web.pairs import connect_samplers
from sdcolab.web.parts import Parts
from sdcolab.web.prompt_actions import PromptActions

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How nearly every event is sent: answered at once, with no spinner, and not offered to other programs."""


class FormWires:
    """Connects the form of a page. ``selected`` holds the image on show and ``native`` the checkpoint's own size."""

    def __init__(
        self, page: gr.Blocks, studio: Studio, parts: Parts, actions: FormActions, selected: gr.State, native: gr.State
    ) -> None:
        self._page = page
        self._studio = studio
        self._parts = parts
        self._panel = parts.panel
        self._gadgets = parts.panel.gadgets
        self._actions = actions
        self._prompts = PromptActions(studio, parts, actions.desk)
        self._selected = selected
        self._native = native

    def connect(self) -> None:
        """Connect every event of the form."""
        self._connect_tabs()
        self._connect_opening()
        self._connect_parameters()
        listed = self._connect_lists()
        connect_units(self._page, self._panel, self._actions.desk.control, self._selected, listed, QUIET)
        self._connect_scripts()
        self._connect_left_plan()
        self._connect_prompts()
        self._connect_bar()

    def _connect_tabs(self) -> None:
        size = self._panel.some("width", "height")
        for mode in self._parts.layout.modes:  # the page's script follows the other tabs by itself
            both = [self._panel.mode, *size, self._panel.sizes]
            self._parts.tab_of[mode].select(None, both, both, js=open_mode(mode), **QUIET)

    def _connect_opening(self) -> None:
        kept, opened = gr.JSON(visible=False), gr.JSON(visible=False)
        every = {**self._panel.fields, **self._gadgets.remembered}
        fields = [every[path] for path in self._actions.kept]
        drawn = [field.value for field in fields]
        filler = gr.Button(visible="hidden", elem_id="sd-fill")
        self._page.load(
            self._actions.open_form,
            kept,
            [opened, self._gadgets.styles, self._native, self._panel.message],
            js=recall_form(self._actions.desk.control.units),
            **QUIET,
        ).then(None, opened, None, js=fill_if_other(drawn, "sd-fill"), **QUIET)
        fill = fill_untouched(drawn, [element_id(path) for path in self._actions.kept])
        filler.click(None, [opened, *fields], fields, js=fill, **QUIET).then(
            self._prompts.remarks, {*self._prompts.remarked}, self._prompts.told, **QUIET
        )
        image = self._panel.fields["init.images"]
        image.change(None, image, None, js=KEEP_PICTURE, **QUIET)
        self._page.load(None, None, image, js=RECALL_PICTURE, **QUIET)
        units = (path for path in self._panel.fields if plain_path(path).startswith("control."))
        pictures = picture_paths(GenerationRequest, units)
        drawings = [f"{unit}.drawing" for unit in self._actions.desk.control.units]
        recall = recall_pictures(pictures, [element_id(path) for path in drawings])
        self._page.load(None, None, self._panel.some(*pictures, *drawings), js=recall, **QUIET)
        remembered = [*fields, self._gadgets.styles, *self._panel.some(*pictures)]
        keeper = gr.Button(visible="hidden", elem_id="sd-keep-form")
        keeper.click(None, remembered, None, js=keep_form(self._actions.kept, pictures), **QUIET)
        told = {*self._prompts.remarked}, self._prompts.told
        keeper.click(self._prompts.remarks, *told, trigger_mode="always_last", **QUIET)

    def _connect_lists(self) -> Any:
        """The lists are drawn with what there is; a page that opens looks for more, and only where there is does it
        change them all. Returns that event."""
        drawn = self._actions.fresh_lists()
        for control, update in drawn.items():
            control.choices = gr.Dropdown(update["choices"], render=False).choices
            control.info = update.get("info", control.info)
        changed = gr.Textbox("", visible="hidden", elem_id="sd-lists")

        def look() -> Any:
            return gr.skip() if self._actions.fresh_lists() == drawn else str(time.monotonic_ns())

        self._page.load(look, None, changed, **QUIET)
        return changed.change(self._actions.fresh_lists, None, self._parts.every_list, **QUIET)

    def _connect_parameters(self) -> None:
        gadgets, actions = self._gadgets, self._actions
        size = self._panel.some("width", "height")
        for name in SIZES:
            gadgets.sizes[name].click(partial(_chip, name), [*size, self._native], size, **QUIET)
        gadgets.random_seed.click(random_seed, None, self._panel.fields["seed"], **QUIET)
        gadgets.last_seed.click(actions.reuse_seed, self._selected, self._panel.fields["seed"], **QUIET)
        fields = [*self._panel.fields.values()]
        tuned = [control for path, control in self._panel.fields.items() if path.startswith("tuning.")]
        gadgets.reset_tuning.click(actions.neutral_tuning, None, tuned, **QUIET)
        gadgets.put_defaults.click(actions.put_defaults, None, [*fields, self._panel.message], **QUIET)
        gadgets.save_defaults.click(
            lambda data: actions.save_defaults(data[self._native], data),
            {*actions.form, self._native},
            self._panel.message,
            **QUIET,
        )

        connect_samplers(self._panel.fields, self._studio.lists, QUIET)
        for control, field in self._parts.lists():
            if field.choices in ("upscalers", "hires_upscalers"):
                control.input(partial(offer_upscaler, self._studio), control, self._panel.message, **QUIET)

    def _connect_scripts(self) -> None:
        gadgets = self._gadgets
        boxes = {script: form["@box"] for script, form in gadgets.script_forms.items()}
        if boxes:
            gadgets.script.change(
                lambda chosen: (
                    {box: gr.update(visible=chosen == script) for script, box in boxes.items()} | {gadgets.forecast: ""}
                ),
                gadgets.script,
                [*boxes.values(), gadgets.forecast],
                js="(chosen) => { window.sdcolab.keepFormSoon(); return [chosen] }",
                **QUIET,
            )
            # what was wrong with the script before is no news; one that a text brings comes with its own message
            gadgets.script.input(None, None, self._panel.message, js="() => ''", **QUIET)
        plot = gadgets.script_forms.get("xyz", {})
        for axis, button in gadgets.fills.items():
            kind, values = plot[f"{axis}_axis"], plot[f"{axis}_values"]
            button.click(self._actions.fill_axis, [kind, values], values, **QUIET)
        for axis, pick in gadgets.picks.items():
            kind, values = plot[f"{axis}_axis"], plot[f"{axis}_values"]
            kind.change(self._actions.offer_values, kind, [pick, gadgets.fills[axis]], **QUIET)
            pick.input(self._actions.add_value, [pick, values], [values, pick], **QUIET)
        for pair, button in gadgets.swaps.items():
            both = [plot[f"{axis}_{part}"] for axis in pair for part in ("axis", "values")]
            button.click(None, both, both, js="(a, b, c, d) => [c, d, a, b]", **QUIET)
        if gadgets.lines_file is not None:
            text = gadgets.script_forms["lines"]["text"]
            gadgets.lines_file.click(None, text, text, js=READ_TEXT_FILE, **QUIET)
        if gadgets.compare_loras is not None:
            axes = [plot[name] for name in ("x_axis", "x_values", "y_axis", "y_values", "z_axis")]
            axes.append(self._panel.message)
            gadgets.compare_loras.click(self._actions.compare_loras, gadgets.compared_lora, axes, **QUIET)
        if gadgets.forecast is not None:
            counter = gr.Button(visible="hidden", elem_id="sd-count-plan")
            counter.click(
                self._actions.forecast, {*self._actions.form}, gadgets.forecast, trigger_mode="always_last", **QUIET
            )

    def _connect_left_plan(self) -> None:
        if (left := self._gadgets.left_plan) is None:
            return
        self._page.load(self._actions.offer_plan, None, [left.box, left.text, left.name], **QUIET)
        told = [left.box, self._panel.message]
        left.go_on.click(self._actions.continue_plan, left.name, told, **QUIET)
        left.leave.click(self._actions.leave_plan, left.name, told, **QUIET)

    def _connect_prompts(self) -> None:
        gadgets, actions = self._gadgets, self._prompts
        wanted = self._panel.some("sampler", "schedule", "steps", "cfg_scale")
        model = self._panel.some("checkpoint", "prompt")
        gadgets.few_steps.click(actions.few_steps, model, [*wanted, self._panel.message], **QUIET)
        prompts = self._panel.some("prompt", "negative_prompt")
        told = [*prompts, gadgets.styles]
        gr.on(
            [control.change for control in told],
            actions.count_tokens,
            told,
            [*gadgets.tokens.values()],
            trigger_mode="always_last",
            **QUIET,
        )
        changed = [*told, gadgets.lora, self._panel.message]
        gadgets.style_save.click(actions.save_style, [gadgets.style_name, *told], changed, js=ASK_STYLE, **QUIET)
        gadgets.style_delete.click(actions.delete_styles, gadgets.styles, changed, **QUIET)
        gadgets.style_apply.click(actions.apply_styles, told, changed, **QUIET)
        gadgets.lora.input(actions.add_lora, [gadgets.lora, prompts[0]], changed, **QUIET)

    def _connect_bar(self) -> None:
        bar = self._parts.bar
        bar.refresh.click(self._actions.refresh, self._parts.chosen, self._parts.every_list, **QUIET).then(
            partial(tell_strangers, self._studio), None, self._panel.message, **QUIET
        )
        checkpoint = self._panel.fields["checkpoint"]
        size = self._panel.some("width", "height")
        checkpoint.input(  # only what the user chooses: an answer on opening the page would undo quick typing
            self._actions.choose_checkpoint,
            [checkpoint, *size, self._native],
            [*size, self._native, *self._panel.some(*BROUGHT)],
            **QUIET,
        )
        bar.report.click(partial(make_report, self._studio), None, bar.report_said, **QUIET).then(
            None, None, None, js=DOWNLOAD_REPORT, **QUIET
        )


def _chip(name: str, width: Any, height: Any, native: int) -> tuple[Any, Any]:
    try:
        return chip_size(name, int(width), int(height), native)
    except (TypeError, ValueError):
        return width, height
