"""What a command is doing, in one line of the terminal."""

from __future__ import annotations

from typing import IO

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import BytesReceived, Event, PhaseStarted, StepDone, Warned
from sdcolab.core.words import PHASE_LABELS, human_bytes
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain


class ConsoleProgress:
    """A listener that keeps one line of ``stream`` up to date, and stays silent when it is not a terminal; of
    warnings it prints those of the sorts in ``warnings``."""

    def __init__(self, stream: IO[str], *, warnings: tuple[type[SdcolabError], ...] = (SdcolabError,)) -> None:
        self._stream = stream
        self._warnings = warnings
        self._live = stream.isatty()
        self._width = 0

    def __call__(self, event: Event) -> None:
        """Show ``event``. Warnings are printed on a line of their own, also where there is no terminal."""
        if isinstance(event, Warned):
            if isinstance(event.warning, self._warnings):
                self.close()
                print(explain(event.warning), file=self._stream)
        elif self._live and (text := progress_text(event)):
            self._stream.write("\r" + text.ljust(self._width))
            self._stream.flush()
            self._width = len(text)

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


def progress_text(event: Event) -> str:
    """One short line about ``event``, or nothing when it is not progress."""
    match event:
        case PhaseStarted(phase, detail):
            return f"{PHASE_LABELS[phase]}… {detail}".rstrip()
        case StepDone(step, total):
            return said.STEP_OF.format(step=step, total=total)
        case BytesReceived(name, received, total, speed):
            share = said.SHARE_OF.format(total=human_bytes(total)) if total else ""
            return f"{name}: {human_bytes(received)}{share} ({human_bytes(speed)}/s)"
        case _:
            return ""


def warn(stream: IO[str], *warnings: SdcolabError) -> None:
    """Print each warning on a line of its own."""
    for warning in warnings:
        print(explain(warning), file=stream)
