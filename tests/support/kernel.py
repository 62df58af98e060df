"""A real Jupyter kernel, used as a browser uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 240.0
"""Seconds for anything that starts processes on a slow, shared machine."""


class Kernel:
    """A Jupyter kernel, and what its cells print."""

    def __init__(self, python: Path, environ: Mapping[str, str], folder: Path) -> None:
        self.manager = KernelManager()
        spec = self.manager.kernel_spec
        assert spec is not None
        spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager.start_kernel(env=dict(environ), cwd=str(folder))
        self.client: BlockingKernelClient = self.manager.blocking_client()
        # A panel is opened in 1,200 messages: on a busy machine more would wait here than the 1,000 that ZeroMQ keeps.
        self.client.context.setsockopt(zmq.RCVHWM, 0)
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.text = ""
        self._heard: list[str] = []
        self.outputs: list[str] = []
        """Everything that cells and widgets sent, without the cells' own source."""
        self.shown: list[dict[str, Any]] = []
        self.widgets: dict[str, dict[str, Any]] = {}
        self._running: str | None = None

    @property
    def everything(self) -> str:
        """All that the kernel has sent: a list until it is asked for, since the cell of the autonomous notebook alone
        is of megabytes."""
        return "".join(self._heard)

    def run(self, source: str) -> None:
        """Start a cell."""
        self.text = ""
        self._running = self.client.execute(source)

    def until(self, words: str, times: int = 1) -> str:
        """Follow the cell until it has printed ``words``."""
        self._follow(lambda: self.text.count(words) >= times, f"«{words}»")
        return self.text

    def finish(self) -> str:
        """Follow the cell to its end."""
        self._follow(lambda: self._running is None, "el final de la celda")
        return self.text

    def widget(self, description: str) -> dict[str, Any]:
        """What the browser knows of the widget with this label."""
        return self.widgets[self._widget_id(description)]

    def press(self, description: str) -> None:
        """Click a button, as the browser does."""
        self._to_widget(description, {"method": "custom", "content": {"event": "click"}})

    def write(self, description: str, value: object) -> None:
        """Change a widget's value, as the browser does."""
        self._to_widget(description, {"method": "update", "state": {"value": value}, "buffer_paths": []})

    def until_shown(self, words: str) -> None:
        """Follow what widgets show until one shows ``words``."""
        self._follow(lambda: words in self.shown_by_widgets(), f"«{words}» en el panel", ended_too=True)

    def shown_by_widgets(self) -> str:
        """The text of every widget."""
        return "\n".join(str(state.get("value", "")) for state in self.widgets.values())

    def _widget_id(self, description: str) -> str:
        (found,) = [name for name, state in self.widgets.items() if state.get("description") == description]
        return found

    def _to_widget(self, description: str, data: dict[str, Any]) -> None:
        content = {"comm_id": self._widget_id(description), "data": data}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _follow(self, done: Callable[[], bool], what: str, *, ended_too: bool = False) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"no llegó {what}; se vio:\n{self.text}\n{self.shown_by_widgets()}"
            assert self._running or ended_too or done(), f"la celda terminó sin {what}:\n{self.text}"
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            self._hear(message["msg_type"], message["content"], message["parent_header"].get("msg_id"))

    def _hear(self, kind: str, content: dict[str, Any], parent: str | None) -> None:
        said = json.dumps(content, ensure_ascii=False, default=str)
        self._heard.append(said)
        if kind != "execute_input":
            self.outputs.append(said)
        if kind == "stream":
            self.text += content["text"]
        elif kind == "error":
            self.text += "\n".join(content["traceback"])
        elif kind == "display_data":
            self.shown.append(content["data"])
        elif kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["comm_id"] in self.widgets:
            self.widgets[content["comm_id"]] |= content["data"].get("state", {})
        elif kind == "status" and content["execution_state"] == "idle" and parent == self._running:
            self._running = None
