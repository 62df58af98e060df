"""The web page: building it and serving it.

``serve`` listens on this computer only, unless told otherwise, and never makes a public link itself.
"""

from __future__ import annotations

import gradio as gr
from starlette.types import ASGIApp

from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import PanelActions
from sdcolab.web.header import build_header, options_now
from sdcolab.web.help import build_help
from sdcolab.web.panel import Panel, build_panel
from sdcolab.web.server import CACHE_SECONDS, Server, start_server
from sdcolab.web.tabs.downloads import build_downloads
from sdcolab.web.tabs.pnginfo import build_pnginfo
from sdcolab.web.wires import Parts, Wires

__all__ = ["Server", "build_page", "serve"]


def build_page(studio: Studio) -> gr.Blocks:
    """The whole page for ``studio``, ready to serve."""
    return _build(studio)


def serve(
    studio: Studio,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    api: ASGIApp | None = None,
) -> Server:
    """Serve the page without blocking; ``auth`` is (user, password), and ``port`` 0 takes any free one. ``api`` is the
    HTTP API for other programs.

    Raises ``PortBusy``.
    """
    return start_server(
        lambda: _build(studio),
        host=host,
        port=port,
        auth=auth,
        outputs=studio.folders.outputs,
        temporary=studio.folders.temporary,
        api=api,
    )


def _build(studio: Studio) -> gr.Blocks:
    options = options_now(studio)
    desk = DownloadDesk(studio.jobs)
    with gr.Blocks(title="sdcolab", analytics_enabled=False, delete_cache=(3600, CACHE_SECONDS)) as page:
        header = build_header(options)
        modes = []
        with gr.Tabs(elem_id="sd-tabs") as tabs:
            for name, label, shown in (
                ("txt2img", "txt2img", True),
                ("img2img", "img2img", True),
                ("extras", "Ampliar", True),
            ):
                with gr.Tab(label, id=name, elem_id=f"sd-tab-{name}", visible=shown) as tab:
                    modes.append((name, tab))
            with gr.Tab("PNG Info", id="pnginfo", elem_id="sd-tab-pnginfo") as tab:
                modes.append(("pnginfo", tab))
                pnginfo = build_pnginfo()
            with gr.Tab("Descargas", id="descargas", elem_id="sd-tab-downloads") as tab:
                modes.append(("descargas", tab))
                downloads = build_downloads(studio.catalog)
        panel = build_panel(options, header, extras=True)
        foot = build_help()
        _draw_values(studio, panel)
        Wires(page, studio, desk, Parts(header, tabs, tuple(modes), panel, pnginfo, downloads, foot)).connect()
    return page


def _draw_values(studio: Studio, panel: Panel) -> None:
    """Give every control the value that it will show, so that the page works from the moment it appears."""
    for name, value in PanelActions(studio).drawn_values().items():
        if value is not None:
            panel.fields[name].value = value
