"""Which event of the page calls what. All are quick and unqueued: long work lives in the job queue."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.core.words.faces import SIZES
from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.generating import chip_size
from sdcolab.studio.layout import TabKind
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import FormActions, Selected, Updates, image_updates, random_seed
from sdcolab.web.bar import DOWNLOAD_REPORT
from sdcolab.web.bridge import DeskView, JobView, Watch, see_desk, see_job
from sdcolab.web.canvas import show_in
from sdcolab.web.fields import element_id
from sdcolab.web.help import make_report
from sdcolab.web.parts import Parts
from sdcolab.web.results import shown_images
from sdcolab.web.sending import Sender
from sdcolab.web.tabs.downloads import DownloadActions
from sdcolab.web.tabs.wildcards import WildcardActions
from sdcolab.web.thumbnails import Thumbnails
from sdcolab.web.tools import start_tool

BUSY_PULSE = 0.6
"""Seconds between looks at a running job: at most two previews a second."""

IDLE_PULSE = 2.0
"""Seconds between looks when nothing runs, so that another tab's job shows up here soon."""

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How nearly every event is sent: answered at once, with no spinner, and not offered to other programs."""

_STORE = "sdcolab-formulario"
_FILLED_FLAG = "sdcolabFilled"
_RECALL_FORM = f"""() => {{
  try {{ return [JSON.parse(sessionStorage.getItem('{_STORE}') || 'null')] }} catch {{ return [null] }}
}}"""
"""The form outlives a reload of its tab: phones reload pages whenever they wake up."""


_KEEP_PICTURE = "(image) => { window.sdcolab.keepPicture?.(image) }"
_RECALL_PICTURE = """async () => {
  const kept = window.sdcolab.keptPicture?.();
  const there = kept && (await fetch(kept.url).then((answer) => answer.ok, () => false));
  return there ? kept : { __type__: "update" };
}"""
"""The picture to start from outlives a reload too, as long as the server has it."""


def _keep_form(paths: Sequence[str]) -> str:
    return f"""(...values) => {{
      const kept = Object.fromEntries({json.dumps([*paths, "@styles"])}.map((path, place) => [path, values[place]]));
      try {{ if (window.{_FILLED_FLAG}) sessionStorage.setItem('{_STORE}', JSON.stringify(kept)) }} catch {{}}
    }}"""


def _fill_untouched(initial: Sequence[Any]) -> str:
    """Script that gives each control its opening value, unless its user was quicker: it then differs from ``initial``,
    which it had when the page was drawn.

    A control that needs no new value is not written at all: gradio reads every control before it runs the script and
    writes after it, and what somebody types in between would be lost.
    """
    return f"""(opening, ...now) => {{
      const initial = {json.dumps(list(initial))};
      const leave = {{ __type__: "update" }};
      const same = (one, other) => JSON.stringify(one ?? "") === JSON.stringify(other ?? "");
      const fill = (value, index) => opening && same(value, initial[index]) && !same(value, opening[index]);
      window.{_FILLED_FLAG} = true;
      return now.map((value, index) => (fill(value, index) ? opening[index] : leave));
    }}"""


def _open_tab(tab: str, *, generation: bool) -> str:
    """Script for the event of a tab: the page shows what belongs to it, and each way of making a picture has a size of
    its own. Takes and returns the mode, width, height, and the sizes of the others."""
    if not generation:
        return f"() => window.sdcolab.openTab('{tab}')"
    return f"""(mode, width, height, sizes) => {{
      window.sdcolab.openTab('{tab}');
      const kept = {{ ...(sizes || {{}}), ...(mode === '{tab}' ? {{}} : {{ [mode]: [width, height] }}) }};
      const own = kept['{tab}'];
      const leave = {{ __type__: "update" }};
      return ['{tab}', own ? own[0] : leave, own ? own[1] : leave, kept];
    }}"""


_ASK_STYLE = """(name, prompt, negative, chosen) =>
  [window.prompt("Nombre del estilo", (chosen || [])[0] || "") || "", prompt, negative, chosen]"""


class Wires:
    """Connects the parts of a page to their handlers."""

    def __init__(self, page: gr.Blocks, studio: Studio, desk: DownloadDesk, parts: Parts) -> None:
        self._page = page
        self._studio = studio
        self._desk = desk
        self._parts = parts
        self._panel = parts.panel
        self._gadgets = parts.panel.gadgets
        self._actions = FormActions(studio, parts)
        self._sender = Sender(studio, parts, self._actions.desk)
        self._thumbnails = Thumbnails(studio.folders.temporary.absolute() / "gradio" / "miniaturas")
        self._watch = gr.State(Watch())
        self._selected = gr.State(None)
        self._native = gr.State(0)
        self._timer = gr.Timer(IDLE_PULSE)

    def connect(self) -> None:
        """Connect every event of the page."""
        self._connect_tabs()
        self._connect_opening()
        self._connect_parameters()
        self._connect_prompts()
        self._connect_bar()
        self._connect_jobs()
        self._connect_pictures()
        self._connect_sending()
        self._connect_pnginfo()
        self._connect_tools()
        self._connect_wildcards()
        self._connect_downloads()
        self._connect_rooms()

    def _fields(self, *paths: str) -> list[Any]:
        return [self._panel.fields[path] for path in paths]

    @property
    def _every_list(self) -> list[Any]:
        return [self._gadgets.styles, self._gadgets.lora, *(control for control, _ in self._parts.lists())]

    @property
    def _form_outputs(self) -> list[Any]:
        """Everything that sending or filling may change."""
        tools = self._parts.tools["extras"].controls["pictures"] if "extras" in self._parts.tools else None
        return [
            *self._panel.fields.values(),
            self._panel.message,
            self._panel.sizes,
            self._parts.tabs,
            self._parts.pnginfo.message,
            *([tools] if tools else []),
        ]

    # --- The form -----------------------------------------------------------------------------------------------------

    def _connect_tabs(self) -> None:
        size = self._fields("width", "height")
        for tab in self._parts.layout.tabs:
            drawn = self._parts.tab_of[tab.id]
            if tab.kind is TabKind.GENERATE:
                both = [self._panel.mode, *size, self._panel.sizes]
                drawn.select(None, both, both, js=_open_tab(tab.id, generation=True), **_QUIET)
            else:
                drawn.select(None, None, None, js=_open_tab(tab.id, generation=False), **_QUIET)

    def _connect_opening(self) -> None:
        kept, opened = gr.JSON(visible=False), gr.JSON(visible=False)
        fields = self._fields(*self._actions.kept)
        self._page.load(
            self._actions.open_form,
            kept,
            [opened, self._gadgets.styles, self._native, self._panel.message],
            js=_RECALL_FORM,
            **_QUIET,
        ).then(None, [opened, *fields], fields, js=_fill_untouched([field.value for field in fields]), **_QUIET)
        image = self._panel.fields["init.images"]
        image.change(None, image, None, js=_KEEP_PICTURE, **_QUIET)
        self._page.load(None, None, image, js=_RECALL_PICTURE, **_QUIET)
        self._page.load(self._actions.fresh_lists, None, self._every_list, **_QUIET)
        remembered = [*fields, self._gadgets.styles]
        gr.on(
            [control.change for control in remembered],
            None,
            remembered,
            None,
            js=_keep_form(self._actions.kept),
            api_visibility="private",
        )

    def _connect_parameters(self) -> None:
        gadgets, actions = self._gadgets, self._actions
        size = self._fields("width", "height")
        for name in SIZES:
            gadgets.sizes[name].click(partial(_chip, name), [*size, self._native], size, **_QUIET)
        gadgets.random_seed.click(random_seed, None, self._panel.fields["seed"], **_QUIET)
        gadgets.last_seed.click(actions.reuse_seed, self._selected, self._panel.fields["seed"], **_QUIET)
        fields = [*self._panel.fields.values()]
        gadgets.reset_tuning.click(actions.neutral_tuning, None, fields, **_QUIET)
        gadgets.put_defaults.click(actions.put_defaults, None, [*fields, self._panel.message], **_QUIET)
        gadgets.save_defaults.click(
            lambda data: actions.save_defaults(data[self._native], data),
            {*actions.form, self._native},
            self._panel.message,
            **_QUIET,
        )
        self._connect_scripts()

    def _connect_scripts(self) -> None:
        gadgets = self._gadgets
        boxes = {script: form["@box"] for script, form in gadgets.script_forms.items()}
        if boxes:
            gadgets.script.change(
                lambda chosen: {box: gr.update(visible=chosen == script) for script, box in boxes.items()},
                gadgets.script,
                [*boxes.values()],
                **_QUIET,
            )
        plot = gadgets.script_forms.get("xyz", {})
        for axis, button in gadgets.fills.items():
            kind, values = plot[f"{axis}_axis"], plot[f"{axis}_values"]
            button.click(self._actions.fill_axis, [kind, values], values, **_QUIET)
        if gadgets.compare_loras is not None:
            axes = [plot[name] for name in ("x_axis", "x_values", "y_axis", "y_values", "z_axis")]
            gadgets.compare_loras.click(self._actions.compare_loras, gadgets.compared_lora, axes, **_QUIET)
        drawn = [control for form in gadgets.script_forms.values() for path, control in form.items() if path != "@box"]
        if gadgets.forecast is not None:
            gr.on(
                [gadgets.script.change, *(control.change for control in drawn if hasattr(control, "change"))],
                self._actions.forecast,
                {*self._actions.form},
                gadgets.forecast,
                trigger_mode="always_last",
                **_QUIET,
            )

    def _connect_prompts(self) -> None:
        gadgets, actions = self._gadgets, self._actions
        prompts = self._fields("prompt", "negative_prompt")
        told = [*prompts, gadgets.styles]
        gr.on(
            [control.change for control in told],
            actions.count_tokens,
            told,
            [*gadgets.tokens.values()],
            trigger_mode="always_last",
            **_QUIET,
        )
        changed = [*told, gadgets.lora, self._panel.message]
        gadgets.style_save.click(actions.save_style, [gadgets.style_name, *told], changed, js=_ASK_STYLE, **_QUIET)
        gadgets.style_delete.click(actions.delete_styles, gadgets.styles, changed, **_QUIET)
        gadgets.style_apply.click(actions.apply_styles, told, changed, **_QUIET)
        gadgets.lora.input(actions.add_lora, [gadgets.lora, prompts[0]], changed, **_QUIET)

    def _connect_bar(self) -> None:
        bar = self._parts.bar
        chosen = self._fields("checkpoint", "vae")
        bar.refresh.click(self._actions.refresh, chosen, self._every_list, **_QUIET)
        size = self._fields("width", "height")
        chosen[0].input(  # only what the user chooses: an answer on opening the page would undo quick typing
            self._actions.choose_checkpoint, [chosen[0], *size, self._native], [*size, self._native], **_QUIET
        )
        bar.report.click(partial(make_report, self._studio), None, bar.report_said, **_QUIET).then(
            None, None, None, js=DOWNLOAD_REPORT, **_QUIET
        )

    # --- Jobs ---------------------------------------------------------------------------------------------------------

    def _connect_jobs(self) -> None:
        actions, results, buttons = self._actions, self._parts.results, self._parts.buttons
        buttons.generate.click(
            lambda *values: actions.generate(dict(zip(actions.form, values, strict=True))),
            actions.form,
            self._panel.message,
            queue=False,
            show_progress="hidden",
            api_name="generar",
        ).then(_forget, None, self._selected, **_QUIET).then(**self._pulse())
        buttons.interrupt.click(actions.interrupt, None, None, **_QUIET)
        buttons.skip_queue.click(actions.empty_queue, None, self._panel.message, **_QUIET).then(**self._pulse())
        chosen = [self._selected, results.infotext, results.download]
        results.viewer.select(actions.select_image, None, chosen, **_QUIET)
        self._page.load(**self._pulse())
        self._timer.tick(**self._pulse())

    def _connect_tools(self) -> None:
        for name, form in self._parts.tools.items():
            self._parts.buttons.enlarge[name].click(
                partial(self._start, name),
                {*form.controls.values()},
                self._panel.message,
                **_QUIET,
            ).then(_forget, None, self._selected, **_QUIET).then(**self._pulse())
            self._show_pictures(form.controls, name)

    def _start(self, name: str, data: Any) -> str:
        return start_tool(self._studio, self._parts.tools[name], self._actions.reader, data)

    def _connect_pictures(self) -> None:
        """The pictures that are painted on."""
        self._show_pictures(self._panel.fields, "")
        self._gadgets.init_size.click(
            self._sender.size_of,
            self._panel.fields["init.images"],
            [*self._fields("width", "height"), self._panel.message],
            **_QUIET,
        )

    def _show_pictures(self, controls: Any, name: str) -> None:
        """Every surface to paint on shows the picture of its part, or of the part around it."""
        pictures = {path: control for path, control in controls.items() if isinstance(control, gr.Image)}
        for path, control in controls.items():
            if not isinstance(control, gr.HTML):
                continue
            near = [one for one in pictures if path.startswith(one.rpartition(".")[0])]
            if near:
                source = pictures[max(near, key=len)]
                source.change(None, source, None, js=show_in(element_id(path, name)), **_QUIET)

    # --- Sending ------------------------------------------------------------------------------------------------------

    def _connect_sending(self) -> None:
        sender, actions = self._sender, self._parts.results.actions
        filled = self._form_outputs
        self._gadgets.paste.click(sender.paste, self._panel.fields["prompt"], filled, **_QUIET)
        actions["use-infotext"].click(sender.use, self._selected, filled, **_QUIET)
        where = [self._selected, self._panel.mode, self._panel.sizes]
        for name, inpaint in (("send-img2img", False), ("send-inpaint", True)):
            actions[name].click(partial(sender.send, inpaint=inpaint), where, filled, **_QUIET)
        actions["send-extras"].click(sender.send_to_extras, self._selected, filled, **_QUIET)
        actions["seed-reuse"].click(self._actions.reuse_seed, self._selected, self._panel.fields["seed"], **_QUIET)
        actions["copy"].click(None, None, None, js="() => { window.sdcolab.viewer?.copy() }", **_QUIET)
        self._parts.drop.input(
            sender.dropped, [self._parts.drop, self._panel.mode, self._panel.sizes], filled, **_QUIET
        )
        actions["compare"].click(None, None, None, js="() => { window.sdcolab.viewer?.compare() }", **_QUIET)
        actions["enhance"].click(self._actions.enhance, self._selected, self._panel.message, **_QUIET).then(
            _forget, None, self._selected, **_QUIET
        ).then(**self._pulse())

    def _connect_pnginfo(self) -> None:
        tab, sender = self._parts.pnginfo, self._sender
        tab.picture.change(sender.look, tab.picture, [tab.text, tab.message], **_QUIET)
        tab.to_txt2img.click(sender.use_file, tab.picture, self._form_outputs, **_QUIET)
        where = [tab.picture, self._panel.mode, self._panel.sizes]
        for button, inpaint in ((tab.to_img2img, False), (tab.to_inpaint, True)):
            button.click(partial(sender.send_file, inpaint=inpaint), where, self._form_outputs, **_QUIET)

    def _connect_rooms(self) -> None:
        for name, room in self._parts.rooms.items():
            room.input(
                partial(self._sender.grant, name),
                [room, self._panel.mode, self._panel.sizes],
                self._form_outputs,
                **_QUIET,
            )

    def _connect_wildcards(self) -> None:
        tab, actions = self._parts.wildcards, WildcardActions(self._studio)
        tab.chosen.input(actions.look, tab.chosen, [tab.name, tab.text, tab.mention, tab.message], **_QUIET)
        tab.save.click(actions.save, [tab.name, tab.text], [tab.chosen, tab.mention, tab.message], **_QUIET)
        tab.delete.click(actions.delete, tab.name, [tab.chosen, tab.text, tab.message], **_QUIET)
        tab.archive.upload(actions.import_zip, tab.archive, [tab.chosen, tab.message], **_QUIET)

    def _connect_downloads(self) -> None:
        tab, actions = self._parts.downloads, DownloadActions(self._desk)
        tab.start.click(actions.start, [tab.links, tab.chosen], tab.message, **_QUIET).then(**self._pulse())
        tab.cancel.click(actions.cancel, None, None, **_QUIET)

    # --- The pulse: what has changed since the page last looked ---

    def _pulse(self) -> dict[str, Any]:
        """The event that brings the page up to date."""
        results, downloads, buttons = self._parts.results, self._parts.downloads, self._parts.buttons
        outputs = [
            *(self._watch, self._timer),
            *(results.progress, buttons.progress, results.problems, results.viewer, results.report),
            *(results.infotext, results.download),
            *(buttons.interrupt, buttons.skip_queue),
            *(downloads.progress, downloads.report, downloads.cancel),
            *self._every_list,
        ]
        inputs = [self._watch, self._selected, *self._fields("checkpoint", "vae")]
        return {"fn": self._look, "inputs": inputs, "outputs": outputs, **_QUIET}

    def _look(self, watch: Watch, selected: Selected, checkpoint: str | None, vae: str | None) -> Updates:
        seen, job_view = see_job(watch, self._studio.jobs, time.monotonic)
        seen, desk_view = see_desk(seen, self._desk.snapshot)
        updates: Updates = {} if seen == watch else {self._watch: seen}
        if job_view:
            updates |= self._job_updates(job_view, selected)
        if desk_view:
            updates |= self._desk_updates(desk_view)
            if desk_view.refresh:
                updates |= self._actions.refresh(checkpoint, vae)
        if job_view or desk_view:
            job = self._studio.jobs.current()
            busy = self._desk.snapshot.running or (job is not None and not job.snapshot.ended)
            updates[self._timer] = gr.Timer(BUSY_PULSE if busy else IDLE_PULSE)
        return updates or {self._timer: gr.skip()}

    def _job_updates(self, view: JobView, selected: Selected) -> Updates:
        results, buttons = self._parts.results, self._parts.buttons
        updates: Updates = {
            results.progress: view.progress,
            buttons.progress: view.progress if view.running else "",
            results.problems: view.problems,
            results.report: view.report,
            buttons.interrupt: gr.update(interactive=view.running),
            buttons.skip_queue: gr.update(visible=view.waiting > 0),
        }
        if view.pictures is not None or view.preview is not None:
            shown = shown_images(self._studio.jobs.jobs(), self._thumbnails.of)
            updates[results.viewer] = {"images": shown, "preview": view.now, "busy": view.running}
        if view.pictures is not None and not selected:
            last = view.pictures[-1] if view.pictures else None
            infotext, download = image_updates(last)
            updates |= {results.infotext: infotext, results.download: download}
        return updates

    def _desk_updates(self, view: DeskView) -> Updates:
        tab = self._parts.downloads
        return {tab.progress: view.progress, tab.report: view.report, tab.cancel: gr.update(interactive=view.running)}


def _forget() -> None:
    """No image is chosen: a new job's are followed."""


def _chip(name: str, width: Any, height: Any, native: int) -> tuple[Any, Any]:
    try:
        return chip_size(name, int(width), int(height), native)
    except (TypeError, ValueError):
        return width, height
