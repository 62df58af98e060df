"""Small pieces of HTML that the page shows: messages, progress bars, previews, token counters."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from enum import StrEnum

from PIL import Image

from sdcolab.core.errors import Cancelled, SdcolabError
from sdcolab.core.words import explain
from sdcolab.core.words import page as words
from sdcolab.core.words.fields import part_label
from sdcolab.core.words.layout import GET, offer_download, turn_off
from sdcolab.studio.remarking import ended_by, gettable

PREVIEW_SIDE = 384
"""Longest side of a preview as sent, in pixels."""

SHEET_SIDE = 768
"""The same for a sheet that fills up, of which each cell should be seen."""


class Tone(StrEnum):
    """How a message looks. The value is its CSS class."""

    ERROR = "sd-error"
    WARNING = "sd-warning"
    CALM = "sd-calm"
    GOOD = "sd-good"


_SIGNS = {
    Tone.ERROR: words.SIGN_ERROR,
    Tone.WARNING: words.SIGN_WARNING,
    Tone.CALM: words.SIGN_CALM,
    Tone.GOOD: words.SIGN_GOOD,
}


def message(text: str, tone: Tone, advice: str = "", get: str = "", off: str = "", shown: str = "") -> str:
    """A box with a sentence and its advice, read aloud when it appears. ``get``: a file to download with one tap;
    ``off``: a part of the form that one tap turns off; ``shown``: the id of the control that it speaks of, which comes
    into view with its section (``assets/page.js``)."""
    role = "alert" if tone is Tone.ERROR else "status"
    rest = f'<span class="sd-advice">{html.escape(advice)}</span>' if advice else ""
    if get:
        rest += f'<button type="button" class="sd-get" data-name="{html.escape(get)}">{GET}</button>'
    if off:
        named = html.escape(turn_off(part_label(off)))
        rest += f'<button type="button" class="sd-get sd-off" data-part="{html.escape(off)}">{named}</button>'
    sign = f'<strong class="sd-sign">{_SIGNS[tone]}</strong>'
    of = f' data-sd-shown="{html.escape(shown)}"' if shown else ""
    return f'<div class="sd-message {tone}" role="{role}"{of}>{sign} <span>{html.escape(text)}</span> {rest}</div>'


def listed(text: str, lines: Iterable[str]) -> str:
    """A calm box with a sentence and a list under it."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<div class="sd-message {Tone.CALM}" role="status"><span>{html.escape(text)}</span><ul>{items}</ul></div>'


def work(code: str, *, painted: bool) -> str:
    """What the results are of, by the code of a task: tools show only their own (``look.head``)."""
    return f'<span data-work="{html.escape(code)}"{" data-painted" if painted else ""} hidden></span>'


def note(text: str) -> str:
    """A quiet line, read aloud when it appears."""
    return f'<p class="sd-note" role="status">{html.escape(text)}</p>'


def problem(error: SdcolabError, *, warning: bool = False) -> str:
    """The box for an error, or for a ``warning``. A cancelled job is no failure and looks calm."""
    said = explain(error)
    tone = Tone.CALM if isinstance(error, Cancelled) else Tone.WARNING if warning else Tone.ERROR
    return message(said.text, tone, said.advice, get=gettable(error), off=ended_by(error) if warning else "")


def offer(name: str, size: int) -> str:
    """The box that offers to download the upscaler ``name``."""
    return message(offer_download(name, size), Tone.CALM, get=name)


def progress_bar(label: str, detail: str, fraction: float | None, name: str = words.PROGRESS) -> str:
    """A bar with its text above it; ``fraction`` from 0 to 1, or None while nobody knows."""
    if fraction is None:
        filled, value = '<div class="sd-fill sd-unknown"></div>', ""
    else:
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        filled = f'<div class="sd-fill" style="width:{percent}%"></div>'
        value = f' aria-valuenow="{percent}"'
    return (
        f'<div class="sd-progress"><div class="sd-progress-text"><span>{html.escape(label)}</span> '
        f'<span class="sd-detail">{html.escape(detail)}</span></div>'
        f'<div class="sd-bar" role="progressbar" aria-label="{html.escape(name)}" aria-valuemin="0" aria-valuemax="100"'
        f"{value}>{filled}</div></div>"
    )


def preview_address(image: Image.Image, side: int = PREVIEW_SIDE) -> str:
    """The live preview, no larger than ``side`` for slow phones, as the address of an image."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    data = io.BytesIO()
    small.save(data, format="WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()


def token_counter(count: int, limit: int) -> str:
    """``count/limit`` as A1111 writes it; marked when the prompt needs more than one chunk."""
    many = " sd-many" if limit > 75 else ""
    return f'<span class="sd-tokens{many}" title="{words.TOKENS}">{count}/{limit}</span>'


def report(lines: Iterable[str], name: str = words.DOWNLOADS_REPORT, links: Iterable[str] = ()) -> str:
    """A report, one line an item; ``links`` are lines that are HTML already."""
    items = "".join(f"<li>{line}</li>" for line in (*map(html.escape, lines), *links))
    return f'<ul class="sd-report" aria-label="{name}">{items}</ul>' if items else ""
