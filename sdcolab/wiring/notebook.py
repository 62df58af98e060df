"""What the notebook's cells call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.words.notebook import DEMO_MODEL, LINK_MODE, NGROK_MODE, PANEL_MODE
from sdcolab.wiring.demo import demo_address
from sdcolab.wiring.downloads import build_downloads, model_note
from sdcolab.wiring.engine import library_around
from sdcolab.wiring.studio import studio_with
from sdcolab.wiring.tasks import TASKS

if TYPE_CHECKING:
    from sdcolab.colab.prepare import Collaborators, Downloaded, MissingDownload
    from sdcolab.downloads.queue import DownloadQueue


def empezar(
    *,
    modo: str = LINK_MODE,
    guardar_imagenes_en_drive: bool = False,
    guardar_configuracion_en_drive: bool = False,
    modelo: str = DEMO_MODEL,
    enlaces_adicionales: str = "",
    todos_modelos_controlnet: bool = False,
    recursos_de_la_guia: bool = False,
) -> None:
    """What the notebook's play button calls, with the form's fields under the names of the guide.

    The public link comes from Gradio, or from ngrok when there is a token for it: the one that ``modo`` does not name
    takes its place when it fails.
    """
    from sdcolab.colab.notebook import StartOptions, form_tokens, open_panel, start
    from sdcolab.process.public_link import Service

    services = {
        PANEL_MODE: (),
        NGROK_MODE: (Service.NGROK, Service.GRADIO),
    }.get(modo, (Service.GRADIO, Service.NGROK))

    options = StartOptions(
        images_to_drive=guardar_imagenes_en_drive,
        settings_to_drive=guardar_configuracion_en_drive,
        model=modelo,
        links=enlaces_adicionales,
        all_controlnet_models=todos_modelos_controlnet,
        guide_resources=recursos_de_la_guia,
        services=services,
        tokens=form_tokens(),
    )
    (open_panel if modo == PANEL_MODE else start)(options, _collaborators())


def panel(
    *,
    guardar_imagenes_en_drive: bool = False,
    guardar_configuracion_en_drive: bool = False,
    modelo: str = DEMO_MODEL,
    enlaces_adicionales: str = "",
    todos_modelos_controlnet: bool = False,
    recursos_de_la_guia: bool = False,
) -> None:
    """``empezar`` in its panel mode: everything inside the cell, without a web page and without a public link."""
    empezar(
        modo=PANEL_MODE,
        guardar_imagenes_en_drive=guardar_imagenes_en_drive,
        guardar_configuracion_en_drive=guardar_configuracion_en_drive,
        modelo=modelo,
        enlaces_adicionales=enlaces_adicionales,
        todos_modelos_controlnet=todos_modelos_controlnet,
        recursos_de_la_guia=recursos_de_la_guia,
    )


def cerrar() -> None:
    """What the notebook's last cell calls: close the panel if it is open, and wait until Drive has everything."""
    from sdcolab.colab.notebook import close_all

    close_all(_collaborators())


def actualizar() -> None:
    """What the notebook's cell of packages calls: newer versions of what is too old here, never torch's."""
    from sdcolab.colab.notebook import renew_packages

    renew_packages(print)


def informe() -> None:
    """What the notebook's report cell calls: one page about this machine, and a file with it and the logs to send."""
    from sdcolab.colab.notebook import save_report as save_and_show

    save_and_show(_collaborators())


def _collaborators() -> Collaborators:
    from sdcolab.colab.host import detect_host, host_folders
    from sdcolab.colab.newer import newer_line
    from sdcolab.colab.prepare import Collaborators
    from sdcolab.downloads.catalog import chosen_entry, controlnets_for, guide_links, load_catalog

    host = detect_host()
    folders = host_folders(host)
    return Collaborators(
        host=host,
        folders=folders,
        model_link=lambda name: chosen_entry(load_catalog(), name).link,
        model_note=model_note,
        demo_link=demo_address,
        make_download=lambda tokens: _download_reports(build_downloads(folders, {**os.environ, **tokens})),
        open_library=lambda chosen: library_around(folders, chosen),
        tasks=TASKS,
        open_studio=lambda library, engines, environ: studio_with(folders, library, engines, environ),
        missing_downloads=lambda: _missing_downloads(folders),
        controlnet_links=lambda name: controlnets_for(load_catalog(), name),
        guide_links=lambda: guide_links(load_catalog()),
        newer_version=newer_line,
    )


def _missing_downloads(folders: Folders) -> tuple[MissingDownload, ...]:
    from sdcolab.colab.prepare import MissingDownload
    from sdcolab.downloads.history import DownloadHistory

    missing = DownloadHistory(folders.config).missing(folders)
    return tuple(MissingDownload(entry.link, entry.name) for entry in missing)


def _download_reports(queue: DownloadQueue) -> Callable[[str, Listener, CancelToken], tuple[Downloaded, ...]]:
    """``queue`` as the notebook uses it."""
    from sdcolab.colab.prepare import Downloaded
    from sdcolab.downloads.queue import report_line
    from sdcolab.downloads.report import RUNS_TODAY, LinkReport, foreign_family

    def runs_here(report: LinkReport) -> bool:
        return not foreign_family(report, RUNS_TODAY)

    def run(links: str, listener: Listener, cancel: CancelToken) -> tuple[Downloaded, ...]:
        return tuple(
            Downloaded(report_line(report), report.path if report.ok else None, report.kind, runs_here(report))
            for report in queue.run(links, listener, cancel)
        )

    return run
