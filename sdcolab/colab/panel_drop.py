"""Pictures that are dropped on the notebook's panel. Without this a browser would leave the panel and show them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

MAX_BYTES = 60_000_000
"""Largest file, in bytes, that is taken."""

_LISTEN = """
export default {
  render({ model, el: place }) {
    let leave = () => {};
    const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const over = (event) => { if (holds(event)) event.preventDefault(); };
    const dropped = async (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      event.stopPropagation();
      const file = event.dataTransfer.files[0];
      if (file && file.size <= MOST) model.send({ name: file.name }, undefined, [await file.arrayBuffer()]);
    };
    const timer = setInterval(() => {
      const root = place.closest(".sdcolab-panel");
      if (!root) return;
      clearInterval(timer);
      root.addEventListener("dragover", over);
      root.addEventListener("drop", dropped);
      leave = () => { root.removeEventListener("dragover", over); root.removeEventListener("drop", dropped); };
    }, 50);
    return () => { clearInterval(timer); leave(); };
  },
};
""".replace("MOST", str(MAX_BYTES))


@cache
def _drop_class() -> type[Any]:
    """The widget's class; made when the first panel is, since importing anywidget takes a while."""
    import anywidget

    class Drop(anywidget.AnyWidget):
        """Shows nothing: it listens while the panel around it is there."""

        _esm = _LISTEN

    return Drop


def drop_widget(take: Callable[[str, bytes], None]) -> Any:
    """What makes the panel that it is put in take files: ``take`` hears name and content of each, in the kernel's main
    thread."""
    widget = _drop_class()()

    def hear(_widget: Any, said: Any, buffers: Any) -> None:
        if isinstance(said, dict) and buffers and len(buffers[0]) <= MAX_BYTES:
            take(str(said.get("name")), bytes(buffers[0]))

    widget.on_msg(hear)
    return widget
