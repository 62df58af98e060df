"""The web page: building it and serving it.

``serve`` listens on this computer only, unless told otherwise, and never makes a public link itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import gradio as gr
from starlette.types import ASGIApp

from sdcolab.core.preferences import PreferencesFile
from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.form import Lists, Reader, once
from sdcolab.studio.generating import GenerationDesk
from sdcolab.studio.layout import LAYOUT, Layout, Tab, TabKind
from sdcolab.studio.studio import Studio
from sdcolab.web import look
from sdcolab.web.bar import build_bar
from sdcolab.web.dropping import drop_box
from sdcolab.web.panel import PanelDrawing, build_buttons
from sdcolab.web.parts import Parts
from sdcolab.web.reading import told_anew
from sdcolab.web.results import build_results
from sdcolab.web.rooms import build_room, rooms_app
from sdcolab.web.server import CACHE_SECONDS, Server, start_server
from sdcolab.web.tabs.downloads import Downloads, build_downloads
from sdcolab.web.tabs.pnginfo import PngInfo, build_pnginfo
from sdcolab.web.tabs.wildcards import Wildcards, build_wildcards
from sdcolab.web.tools import ToolForm, build_tool
from sdcolab.web.uploads import chosen_picture
from sdcolab.web.wires import Wires

__all__ = ["Server", "build_page", "serve"]


def build_page(studio: Studio) -> gr.Blocks:
    """The whole page for ``studio``, ready to serve."""
    return _build(studio, locked=False)


def serve(
    studio: Studio,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    api: ASGIApp | None = None,
    guests: frozenset[str] = frozenset(),
) -> Server:
    """Serve the page without blocking; ``auth`` is (user, password), and ``port`` 0 takes any free one. ``api`` is the
    HTTP API for other programs, which pages of the sites ``guests`` may use too.

    Raises ``PortBusy``.
    """

    def build() -> gr.Blocks:
        preferred = PreferencesFile(studio.folders.config).peek()
        layout = LAYOUT.with_bar(preferred.bar).with_units(preferred.control_units)
        return _build(studio, layout, locked=auth is not None)

    return start_server(
        build,
        host=host,
        port=port,
        auth=auth,
        outputs=studio.folders.outputs,
        temporary=studio.folders.temporary,
        head=look.head(LAYOUT),
        api=api,
        rooms=rooms_app(studio.rooms),
        guests=guests,
    )


def _build(studio: Studio, layout: Layout = LAYOUT, *, locked: bool) -> gr.Blocks:
    values, lists = _opening_values(studio, layout), once(studio.lists)
    with gr.Blocks(title="sdcolab", analytics_enabled=False, delete_cache=(3600, CACHE_SECONDS)) as page:
        with gr.Column(elem_id="sd-page"):
            bar = build_bar(layout, values, lists, locked=locked)
            message = told_anew(gr.HTML(elem_id="sd-form-message"))  # outside the form, which other tabs do not show
            with gr.Column(elem_id="sd-form", elem_classes=["sd-mode", *(f"sd-in-{mode}" for mode in layout.modes)]):
                panel = PanelDrawing(layout, values, lists, bar.fields).draw(message)
            buttons = build_buttons(layout)
            with gr.Column(elem_id="sd-results"):
                results = build_results()
            drawn = _Tabs(studio, layout, lists)  # last: the browser looks for controls in this order (assets/page.js)
        parts = Parts(
            layout,
            drawn.tabs,
            drawn.tab_of,
            bar,
            panel,
            buttons,
            results,
            drawn.tools,
            drawn.pnginfo,
            drawn.downloads,
            drawn.rooms,
            drop_box(),
            drawn.wildcards,
        )
        Wires(page, studio, DownloadDesk(studio.jobs), parts).connect()
        _tell_no_progress(page)
    return page


def _tell_no_progress(page: gr.Blocks) -> None:
    """gradio's own progress is hidden everywhere, and yet each event would write it in all that the events before have
    changed: in hundreds of controls, each looked for from the root of the page. Now it writes it in one."""
    nowhere = gr.HTML(visible="hidden")
    for event in page.fns.values():
        event.show_progress_on = [nowhere]


class _Tabs:
    """Draws the tabs of the layout, each with what belongs to it alone."""

    pnginfo: PngInfo
    downloads: Downloads
    wildcards: Wildcards

    def __init__(self, studio: Studio, layout: Layout, lists: Lists) -> None:
        self._studio = studio
        self._lists = lists
        self.tab_of: dict[str, gr.Tab] = {}
        self.tools: dict[str, ToolForm] = {}
        self.rooms: dict[str, gr.HTML] = {}
        with gr.Tabs(elem_id="sd-tabs", **_all_tabs_shown()) as self.tabs:
            for tab in layout.tabs:
                with gr.Tab(tab.title, id=tab.id, elem_id=f"sd-tab-{tab.id}") as self.tab_of[tab.id]:
                    self._inside(tab)

    def _inside(self, tab: Tab) -> None:
        match tab.kind:
            case TabKind.TOOL:
                self.tools[tab.id] = build_tool(tab, self._lists, self._studio.last_values)
            case TabKind.PNG_INFO:
                self.pnginfo = build_pnginfo()
            case TabKind.ROOM:
                self.rooms[tab.id] = build_room(tab)
            case TabKind.DOWNLOADS:
                self.downloads = build_downloads(self._studio.catalog)
            case TabKind.WILDCARDS:
                self.wildcards = build_wildcards(self._studio)
            case TabKind.GENERATE:
                pass


def _opening_values(studio: Studio, layout: Layout) -> Mapping[str, Any]:
    """What each control is drawn with, so that the page works from the moment it appears: what a page that opens now
    would show."""
    desk = GenerationDesk(studio, layout, Reader(studio.lists, chosen_picture))
    values, _ = desk.opening(studio.settings.peek(), peek=True)
    return values


def _all_tabs_shown() -> dict[str, Any]:
    """gradio hides tabs that do not fit; newer versions can be told not to."""
    return {"overflow_behavior": "wrap"} if "overflow_behavior" in signature(gr.Tabs.__init__).parameters else {}
