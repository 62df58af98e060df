"""Pictures that come from the browser: where they are chosen, and opening them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from sdcolab.core.errors import PictureUnreadable
from sdcolab.core.pictures import PICTURE_SUFFIXES, open_picture
from sdcolab.web.reading import read_by


def picture_input(label: str, element: str, height: int = 320) -> gr.Image:
    """A place to choose, paste or drop one picture; events get the path of the file as it was uploaded."""
    box = gr.Image(
        label=label,
        type="filepath",
        sources=["upload", "clipboard"],
        buttons=["fullscreen"],
        height=height,
        interactive=True,
        elem_id=element,
    )
    # gradio would open the file, lose what is written inside and refuse a bad one in English.
    return read_by(box, _path)


def pictures_input(label: str, element: str) -> gr.File:
    """A place to choose or drop several pictures; events get the list of their paths."""
    box = gr.File(label=label, file_count="multiple", file_types=list(PICTURE_SUFFIXES), height=180, elem_id=element)
    return read_by(box, _paths)


def file_input(label: str, element: str, suffix: str) -> gr.File:
    """A place to choose or drop one file that is no picture; events get its path."""
    box = gr.File(label=label, file_types=[suffix], height=180, elem_id=element)
    return read_by(box, _path)


def _path(_control: Any, payload: Any) -> str | None:
    return getattr(payload, "path", None)


def _paths(_control: Any, payload: Any) -> list[str]:
    files = getattr(payload, "root", payload)  # gradio wraps lists of files in a model of their own
    return [file.path for file in files or () if file.path] if isinstance(files, Iterable) else []


def chosen_picture(path: Any) -> Image.Image:
    """The picture that a control of ours holds. Raises as ``core.pictures.open_picture``."""
    if not isinstance(path, str):
        raise PictureUnreadable(path=Path(str(path)[:80]))
    return open_picture(Path(path))
