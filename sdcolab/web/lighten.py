"""Takes out of gradio's document what a page as large as ours pays for and does not use."""

from __future__ import annotations

import re

_API_INFO = re.compile(r"window\.gradio_api_info = \{.*?\};</script>", re.DOTALL)
_NO_API_INFO = 'window.gradio_api_info = {"named_endpoints": {}, "unnamed_endpoints": {}};</script>'
"""How other programs may call the events: 200 kB, shown on a tab of gradio's that this page does not have. Programs ask
the server for it."""

STILL = """<script>
{
  class Row extends Array {}
  class Still {}
  const keep = (one) => Object.setPrototypeOf(one, Still.prototype);
  const { dependencies, components, layout } = window.gradio_config ?? {};
  const walk = (node) => keep(node).children?.forEach(walk);
  if (dependencies && components && layout) {
    for (const list of [dependencies, components]) Object.setPrototypeOf(list, Row.prototype).forEach(keep);
    walk(layout);
  }
}
</script>"""
"""For the end of the head. gradio watches every plain object of its configuration for changes, and asks each part for
each event through those watchers: a third of the time until our page can be used. Nothing changes there, and what is
of a class is not watched (Svelte 5, ``proxy``)."""


def lightened(page: str) -> str:
    """gradio's document without the description of its events."""
    return _API_INFO.sub(_NO_API_INFO, page, count=1)
