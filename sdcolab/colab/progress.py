"""Downloads and phases shown in the cell: one ipywidgets bar a file where there are widgets, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from sdcolab.core.events import BytesReceived, Event, PhaseStarted, Warned
from sdcolab.core.words import PHASE_LABELS, explain, human_bytes, human_time
from sdcolab.core.words.notebook import PART_OF, TIME_LEFT

MIN_SECONDS = 0.2
"""Between two updates of one bar; thousands of events a second would choke the notebook's channel."""


class Bars(Protocol):
    """Where progress is drawn, one bar for each name."""

    def show(self, name: str, fraction: float | None, text: str) -> None:
        """Draw or redraw ``name``'s bar; ``fraction`` is None while the size is unknown."""
        ...

    def say(self, text: str) -> None:
        """A line of its own."""
        ...


class CellProgress:
    """The listener. It may be called from any thread."""

    def __init__(self, bars: Bars, clock: Callable[[], float] = time.monotonic) -> None:
        self._bars = bars
        self._clock = clock
        self._drawn: dict[str, float] = {}
        self.last_word = 0.0
        """When something was last heard of (``time.monotonic``)."""
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.last_word = time.monotonic()
            match event:
                case BytesReceived():
                    self._bytes(event)
                case PhaseStarted(phase, detail):
                    self._bars.say(f"⏳ {PHASE_LABELS[phase]}{f': {detail}' if detail else ''}")
                case Warned(warning):
                    self._bars.say(f"⚠️ {explain(warning)}")
                case _:
                    pass

    def _bytes(self, event: BytesReceived) -> None:
        now = self._clock()
        finished = event.total is not None and event.received >= event.total
        if finished or now - self._drawn.get(event.name, -MIN_SECONDS) >= MIN_SECONDS:
            self._drawn[event.name] = now
            fraction = event.received / event.total if event.total else None
            self._bars.show(event.name, 1.0 if finished else fraction, describe(event))


def describe(event: BytesReceived) -> str:
    """ "45 % de 2,1 GB · 25 MB/s · faltan 45 s"."""
    if event.total is None or event.total <= 0:
        parts = [human_bytes(event.received)]
    elif event.received >= event.total:
        return f"{human_bytes(event.total)} ✓"
    else:
        parts = [PART_OF.format(percent=100 * event.received // event.total, size=human_bytes(event.total))]
    if event.bytes_per_second > 0:
        parts.append(f"{human_bytes(event.bytes_per_second)}/s")
        if event.total:
            parts.append(TIME_LEFT.format(time=human_time((event.total - event.received) / event.bytes_per_second)))
    return " · ".join(parts)


class TextBars:
    """One line rewritten in place; a finished file keeps its line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._width = 0
        self._finished: set[str] = set()

    def show(self, name: str, fraction: float | None, text: str) -> None:
        """See ``Bars.show``."""
        if name in self._finished:
            return
        line = f"⬇️ {name}: {text}"
        self._stream.write(f"\r{line:<{self._width}}")
        self._width = len(line)
        if fraction is not None and fraction >= 1:
            self._finished.add(name)
            self._stream.write("\n")
            self._width = 0
        self._stream.flush()

    def say(self, text: str) -> None:
        """See ``Bars.say``."""
        if self._width:
            self._stream.write("\n")
            self._width = 0
        self._stream.write(f"{text}\n")
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class _Row:
    bar: Any
    label: Any


class WidgetBars:
    """ipywidgets bars inside one box. Works with ipywidgets 7.7 and 8.

    Build it in the cell's own thread: the box is displayed at once, still empty, because what other threads display may
    land in another cell.
    """

    def __init__(self, widgets: Any, display: Callable[[Any], object], say: Callable[[str], object]) -> None:
        self._widgets = widgets
        self._say = say
        self._box = widgets.VBox([])
        self._rows: dict[str, _Row] = {}
        display(self._box)

    def show(self, name: str, fraction: float | None, text: str) -> None:
        """See ``Bars.show``."""
        row = self._rows.get(name) or self._add(name)
        row.bar.value = fraction or 0.0
        row.bar.bar_style = "success" if fraction is not None and fraction >= 1 else "info"
        row.label.value = text

    def say(self, text: str) -> None:
        """See ``Bars.say``."""
        self._say(text)

    def _add(self, name: str) -> _Row:
        wide = self._widgets.Layout(width="40%", min_width="120px")
        row = _Row(
            bar=self._widgets.FloatProgress(value=0.0, min=0.0, max=1.0, layout=self._widgets.Layout(width="25%")),
            label=self._widgets.Label(value=""),
        )
        self._rows[name] = row
        line = self._widgets.HBox([self._widgets.Label(value=name, layout=wide), row.bar, row.label])
        self._box.children = (*self._box.children, line)
        return row


def cell_bars(say: Callable[[str], object]) -> Bars:
    """Widgets inside a notebook that has them, else text."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if not hasattr(get_ipython(), "kernel"):
            return TextBars()
        import ipywidgets
    except ImportError:
        return TextBars()
    return WidgetBars(ipywidgets, display, say)
