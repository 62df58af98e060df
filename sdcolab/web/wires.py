"""Which event of the page calls what. All are quick and unqueued: long work lives in the job queue."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import FormActions
from sdcolab.web.browser import SHOW_CONTROL
from sdcolab.web.canvas import show_in
from sdcolab.web.fields import element_id
from sdcolab.web.form_wires import QUIET, FormWires
from sdcolab.web.pairs import connect_samplers
from sdcolab.web.parts import Parts
from sdcolab.web.pulse import Pulse
from sdcolab.web.sending import Sender
from sdcolab.web.tabs.downloads import DownloadActions
from sdcolab.web.tabs.wildcards import WildcardActions
from sdcolab.web.tools import fresh_choices, start_tool


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
        self._selected = gr.State(None)
        self._native = gr.State(0)
        self._pulse = Pulse(studio, desk, parts, self._actions, self._selected)

    def connect(self) -> None:
        """Connect every event of the page."""
        FormWires(self._page, self._studio, self._parts, self._actions, self._selected, self._native).connect()
        self._connect_jobs()
        self._connect_pictures()
        self._connect_sending()
        self._connect_pnginfo()
        self._connect_tools()
        self._connect_wildcards()
        self._connect_downloads()
        self._connect_rooms()

    @property
    def _form_outputs(self) -> list[Any]:
        """Everything that sending or filling may change."""
        tools = self._parts.tools["extras"].controls["pictures"] if "extras" in self._parts.tools else None
        return [
            *self._panel.fields.values(),
            self._panel.message,
            self._panel.sizes,
            self._parts.tabs,
            self._gadgets.script,
            *self._gadgets.recorded,
            self._parts.pnginfo.message,
            *([tools] if tools else []),
        ]

    # --- Jobs ---------------------------------------------------------------------------------------------------------

    def _connect_jobs(self) -> None:
        actions, results, buttons = self._actions, self._parts.results, self._parts.buttons
        buttons.generate.click(
            lambda *values: (actions.generate(dict(zip(actions.form, values, strict=True))), None),
            actions.form,
            [self._panel.message, self._selected],  # a new job's pictures are followed: none is chosen
            queue=False,
            show_progress="hidden",
            api_name="generar",
        )
        buttons.interrupt.click(actions.interrupt, None, None, **QUIET)
        buttons.pause.click(actions.pause, None, None, **QUIET)
        buttons.skip_queue.click(actions.empty_queue, None, self._panel.message, **QUIET)
        chosen = [self._selected, results.infotext, results.download]
        results.viewer.select(actions.select_image, None, chosen, **QUIET)
        self._pulse.connect()

    def _connect_tools(self) -> None:
        for name, form in self._parts.tools.items():
            for buttons, trying in ((self._parts.buttons.starts, False), (self._parts.buttons.tries, True)):
                if name in buttons:
                    buttons[name].click(
                        partial(self._start, name, trying=trying),
                        {*form.controls.values()},
                        [self._panel.message, self._selected],
                        **QUIET,
                    )
            self._show_pictures(form.controls, name)
            connect_samplers(form.controls, self._studio.lists, QUIET)
            if listed := [form.controls[path] for path in form.live()]:
                opened = self._parts.tab_of[name].select
                changed = [*form.controls.values()] if form.tool.remembers else listed
                told = [form.opened, *listed]
                opened(partial(fresh_choices, self._studio, form), told, [form.opened, *changed], **QUIET)

    def _start(self, name: str, data: Any, *, trying: bool) -> tuple[str, None]:
        return start_tool(self._studio, self._parts.tools[name], self._actions.reader, data, trying=trying), None

    def _connect_pictures(self) -> None:
        """The pictures that are painted on."""
        self._show_pictures(self._panel.fields, "")
        self._gadgets.init_size.click(
            self._sender.size_of,
            self._panel.fields["init.images"],
            [*self._panel.some("width", "height"), self._panel.message],
            **QUIET,
        )

    def _show_pictures(self, controls: Any, name: str) -> None:
        """Every surface to paint on shows the picture of its part, or of the part around it."""
        pictures = {path: control for path, control in controls.items() if isinstance(control, gr.Image | gr.File)}
        for path, control in controls.items():
            if not isinstance(control, gr.HTML):
                continue
            near = [one for one in pictures if path.startswith(one.rpartition(".")[0])]
            if near:
                source = pictures[max(near, key=lambda one: (one.count("."), one.endswith(".images")))]
                source.change(None, source, None, js=show_in(element_id(path, name)), **QUIET)

    # --- Sending ------------------------------------------------------------------------------------------------------

    def _connect_sending(self) -> None:
        sender, actions = self._sender, self._parts.results.actions
        filled = self._form_outputs
        self._gadgets.paste.click(sender.paste, self._panel.fields["prompt"], filled, **QUIET)
        actions["use-infotext"].click(sender.use, self._selected, filled, **QUIET)
        where = [self._selected, self._panel.mode, self._panel.sizes]
        for name, inpaint in (("send-img2img", False), ("send-inpaint", True)):
            actions[name].click(partial(sender.send, inpaint=inpaint), where, filled, **QUIET)
        actions["send-extras"].click(sender.send_to_extras, self._selected, filled, **QUIET)
        units = self._panel.some(*self._actions.desk.control.units)
        actions["send-control"].click(sender.send_to_control, [self._selected, *units], filled, **QUIET).then(
            None, None, None, js=SHOW_CONTROL, **QUIET
        )
        actions["seed-reuse"].click(self._actions.reuse_seed, self._selected, self._panel.fields["seed"], **QUIET)
        actions["copy"].click(None, None, None, js="() => { window.sdcolab.viewer?.copy() }", **QUIET)
        self._parts.drop.input(
            sender.dropped, [self._parts.drop, self._panel.mode, self._panel.sizes, *units], filled, **QUIET
        ).then(None, self._parts.drop, None, js=f"(drop) => drop?.action === 'control' && ({SHOW_CONTROL})()", **QUIET)
        actions["compare"].click(None, None, None, js="() => { window.sdcolab.viewer?.compare() }", **QUIET)
        actions["enhance"].click(
            lambda selected: (self._actions.enhance(selected), None),
            self._selected,
            [self._panel.message, self._selected],
            **QUIET,
        )

    def _connect_pnginfo(self) -> None:
        tab, sender = self._parts.pnginfo, self._sender
        tab.picture.change(sender.look, tab.picture, [tab.text, tab.message], **QUIET)
        tab.to_txt2img.click(sender.use_file, tab.picture, self._form_outputs, **QUIET)
        where = [tab.picture, self._panel.mode, self._panel.sizes]
        for button, inpaint in ((tab.to_img2img, False), (tab.to_inpaint, True)):
            button.click(partial(sender.send_file, inpaint=inpaint), where, self._form_outputs, **QUIET)
        units = self._panel.some(*self._actions.desk.control.units)
        tab.to_control.click(sender.send_file_to_control, [tab.picture, *units], self._form_outputs, **QUIET).then(
            None, None, None, js=SHOW_CONTROL, **QUIET
        )

    def _connect_rooms(self) -> None:
        units = self._panel.some(*self._actions.desk.control.units)
        form = self._panel.some("checkpoint", "width", "height")
        for name, room in self._parts.rooms.items():
            room.input(
                partial(self._sender.grant, name),
                [room, self._panel.mode, self._panel.sizes, *form, *units],
                self._form_outputs,
                **QUIET,
            )

    def _connect_wildcards(self) -> None:
        tab, actions = self._parts.wildcards, WildcardActions(self._studio)
        tab.chosen.input(actions.look, tab.chosen, [tab.name, tab.text, tab.mention, tab.message], **QUIET)
        tab.save.click(actions.save, [tab.name, tab.text], [tab.chosen, tab.mention, tab.message], **QUIET)
        tab.delete.click(actions.delete, tab.name, [tab.chosen, tab.text, tab.message], **QUIET)
        tab.archive.upload(actions.import_zip, tab.archive, [tab.chosen, tab.message], **QUIET)

    def _connect_downloads(self) -> None:
        tab, actions = self._parts.downloads, DownloadActions(self._desk)
        tab.start.click(actions.start, [tab.links, tab.chosen], tab.message, **QUIET)
        tab.cancel.click(actions.cancel, None, None, **QUIET)
