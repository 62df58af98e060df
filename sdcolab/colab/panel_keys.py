"""The keys of the faces (``studio/assets/keys.js``) in the notebook's panel, by anywidget."""

from __future__ import annotations

from functools import cache
from typing import Any

from sdcolab.studio.look import asset

_RENDER = """
export default {
  render({ el: place }) {
    let leave = () => {};
    const timer = setInterval(() => {
      const root = place.closest(".sdcolab-panel");
      if (!root) return;
      clearInterval(timer);
      leave = listenKeys(root);
    }, 50);
    return () => { clearInterval(timer); leave(); };
  },
};
"""


@cache
def _keys_class() -> type[Any]:
    """The widget's class; made when the first panel is, since importing anywidget takes a while."""
    import anywidget

    class Keys(anywidget.AnyWidget):
        """Shows nothing: it listens while the panel around it is there."""

        _esm = asset("keys.js") + _RENDER

    return Keys


def keys_widget() -> Any:
    """What makes the panel that it is put in hear its keys."""
    return _keys_class()()
