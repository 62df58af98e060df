"""The report to send to whoever helps, with one click."""

from __future__ import annotations

from sdcolab.studio.studio import Studio
from sdcolab.web.edge import attempt


def make_report(studio: Studio) -> str:
    """Write the report. Returns where it is and a link to it, or the problem's box."""
    said, problem = attempt(studio.report, "")
    return problem or f'<div class="sd-note" role="status">{said}</div>'
