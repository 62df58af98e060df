"""Where a job shows its progress and what it made: the viewer, what can be done with a picture, and its data."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from sdcolab.core.files import changed
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import ACTIONS, EMPTY_RESULTS, EXAMPLES, NOTHING_MADE, RESPONSIBILITY
from sdcolab.studio.job import Job

FILE_ROUTE = "/gradio_api/file="

MOST_SHOWN = 60
"""Pictures in the filmstrip; older ones stay in their folder."""


@dataclass(frozen=True, slots=True)
class Results:
    """The controls of the results. ``actions`` are the buttons for the picture on show, by the names in ``ACTIONS``;
    ``report`` tells of work that makes other things than pictures."""

    progress: gr.HTML
    problems: gr.HTML
    viewer: gr.HTML
    infotext: gr.Textbox
    report: gr.HTML
    download: gr.DownloadButton
    actions: Mapping[str, gr.Button]


def build_results() -> Results:
    """Draw the results inside the current page."""
    gr.HTML(f"<p>{NOTHING_MADE}</p>", elem_id="sd-nothing")
    progress = gr.HTML(elem_id="sd-progress")
    problems = gr.HTML(elem_id="sd-problems")
    viewer = gr.HTML(
        value={},
        html_template=_viewer_html(),
        js_on_load=_MOUNT,
        apply_default_css=False,
        elem_id="sd-gallery",
    )
    with gr.Row(elem_id="sd-send"):
        actions = {
            name: gr.Button(
                action.label,
                size="sm",
                min_width=44,
                elem_id=f"sd-{name}",
                elem_classes=f"sd-action sd-icon-{action.icon}",
            )
            for name, action in ACTIONS.items()
        }
        download = gr.DownloadButton(
            words.DOWNLOAD,
            interactive=False,
            size="sm",
            min_width=44,
            elem_id="sd-download",
            elem_classes="sd-action sd-icon-download",
        )
    report = gr.HTML(elem_id="sd-job-report")
    with gr.Accordion(words.PICTURE_DATA, open=True, elem_id="sd-data", elem_classes="sd-fold"):
        infotext = gr.Textbox(
            show_label=False,
            container=False,
            placeholder=words.PICTURE_DATA_HINT,
            lines=3,
            max_lines=5,
            interactive=False,
            buttons=["copy"],
            elem_id="sd-infotext",
        )
    return Results(progress, problems, viewer, infotext, report, download, actions)


_MOUNT = """
const start = () => {
  if (!["mountViewer", "mountCanvas", "layCells"].every((name) => window.sdcolab?.[name])) return setTimeout(start, 20);
  const viewer = window.sdcolab.mountViewer(element.querySelector(".sd-viewer"), (key) => trigger("select", { key }));
  watch("value", () => viewer.update(props.value || {}));
  viewer.update(props.value || {});
};
start();
"""


def _viewer_html() -> str:
    examples = "".join(
        f'<button type="button" class="sd-example" data-example="{place}" data-prompt="{html.escape(example.prompt)}" '
        f'data-negative="{html.escape(example.negative)}"{" data-demo" if example.demo else ""}>'
        f"<strong>{example.title}</strong><span>{html.escape(example.prompt)}</span></button>"
        for place, example in enumerate(EXAMPLES)
    )
    return (
        '<div class="sd-viewer"><div class="sd-stage"><img class="sd-shown" alt="" hidden>'
        f'<img class="sd-preview" alt="{words.PREVIEW}" hidden>'
        f'<div class="sd-empty"><h2>{EMPTY_RESULTS.label}</h2><p>{EMPTY_RESULTS.help}</p>'
        f'<div class="sd-examples">{examples}</div>'
        f'<p class="sd-responsible">{RESPONSIBILITY}</p></div><span class="sd-count"></span>'
        '<div class="sd-cells"></div><div class="sd-cell-bar" hidden></div></div>'
        f'<div class="sd-strip" role="group" aria-label="{words.PICTURES_OF_SESSION}" hidden></div></div>'
    )


def shown_images(jobs: Sequence[Job], thumbnail: Callable[[Path], Path]) -> list[dict[str, Any]]:
    """The pictures of ``jobs`` as the viewer takes them, oldest first; ``thumbnail`` gives a small file for a
    picture."""
    found = [(job, place, image) for job in jobs for place, image in enumerate(job.snapshot.images)]
    return [
        {
            "key": f"{job.id}-{place}",
            "url": file_url(image.path),
            "thumb": file_url(thumbnail(image.path)),
            "name": image.path.name,
            **({"sheet": True} if image.path in job.snapshot.sheets else {}),
        }
        for job, place, image in found[-MOST_SHOWN:]
    ]


def file_url(path: Path) -> str:
    """The address of a picture that the page may show: another one once the file is written again, as the sheet of a
    plan that is gone on with."""
    return f"{FILE_ROUTE.lstrip('/')}{quote(str(path))}?{changed(path)}"
