"""The maps that ControlNet made, beside the picture that followed them: the two results that the guide tells of."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from sdcolab.core.events import MapMade
from sdcolab.core.words.faces import MAP_OF_UNIT

SIDE = 320
"""Longest side shown, in pixels."""

MOST = 4
"""Maps of a job that are shown; all of them are in the answer of the API."""


def figures(maps: Sequence[MapMade]) -> str:
    """The last maps as HTML figures with their unit's name; "" for none."""
    if not maps:
        return ""
    return f'<div class="sd-maps">{"".join(map(_figure, maps[-MOST:]))}</div>'


def _figure(made: MapMade) -> str:
    small = made.image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    coded = io.BytesIO()
    small.save(coded, format="WEBP", quality=85)
    address = f"data:image/webp;base64,{base64.b64encode(coded.getvalue()).decode()}"
    name = html.escape(MAP_OF_UNIT.format(unit=made.title or made.unit), quote=True)
    style = "display:inline-block;margin:4px 8px 4px 0;max-width:160px;vertical-align:top"
    return (
        f'<figure style="{style}"><img src="{address}" alt="{name}" style="max-width:100%;border-radius:6px">'
        f"<figcaption>{name}</figcaption></figure>"
    )
