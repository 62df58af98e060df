"""Training: what the ``entrenar`` command and the training notebook call."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken, Listener
from sdcolab.training.bases import BASES
from sdcolab.training.control import Control
from sdcolab.training.events import LoraSaved, Told, TrainingEvent
from sdcolab.training.kitchen import Kitchen
from sdcolab.training.plan import plan_from_file
from sdcolab.training.preview import lines, preview
from sdcolab.training.progress import progress_text
from sdcolab.training.recipe_form import TrainingForm
from sdcolab.training.watch import TrainingProcess


def train(plan: Path, arguments: Sequence[str], *, warn: Callable[[SdcolabError], object]) -> Path:
    """Train ``plan`` in this process, with a progress line where there is a terminal. Ctrl+C saves and stops.

    Raises ``SdcolabError``; ``Cancelled`` when it was stopped.
    """
    from sdcolab.training.child import run_training

    control = Control()
    line = ProgressLine(sys.stderr)

    def hear(event: TrainingEvent) -> None:
        if isinstance(event, Told):
            line.close()
            warn(event.warning)
        elif isinstance(event, LoraSaved):
            line.close()
            print(f"💾 {event.path}", file=sys.stderr)
        else:
            line.show(progress_text(event))

    with stopping(control.stop):
        try:
            return run_training(plan_from_file(plan, arguments), hear, control)
        finally:
            line.close()


def serve(plan: Path, arguments: Sequence[str]) -> int:
    """Be a training's process: events on stdout, orders on stdin."""
    from sdcolab.training.child import serve as serve_training

    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with the events

    def write(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    return serve_training(plan_from_file(plan, arguments), sys.stdin, write)


def review(plan: Path, arguments: Sequence[str]) -> tuple[list[str], bool]:
    """What is going to be trained, and whether it can be."""
    seen = preview(plan_from_file(plan, arguments))
    return lines(seen, gpu=_has_card()), not seen.faults


def training_process(plan: Path, environ: Mapping[str, str]) -> TrainingProcess:
    """The process that trains ``plan``, bound to the life of this one."""
    from sdcolab.process.child import bound_command
    from sdcolab.process.environment import child_environ, own_command

    command = bound_command(own_command("entrenar", str(plan), "--eventos"), signal.SIGTERM)
    return TrainingProcess(command, child_environ(environ))


class ProgressLine:
    """One line of ``stream`` kept up to date; silent where that is no terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Write ``text`` over what is there."""
        if self._live and text:
            self._stream.write("\r" + text.ljust(self._width))
            self._stream.flush()
            self._width = len(text)

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


@contextlib.contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """While it lasts, the first Ctrl+C calls ``stop`` and the second one interrupts."""

    def first(_signal: int, _frame: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _has_card() -> bool:
    from sdcolab.colab.host import nvidia_gpu

    return nvidia_gpu() is not None


# --- The notebook -----------------------------------------------------------------------------------------------------


def build_kitchen() -> Kitchen:
    """What the training notebook's cells work with."""
    from importlib.util import find_spec

    from sdcolab.colab.host import detect_host, host_folders
    from sdcolab.colab.notebook import form_tokens
    from sdcolab.colab.prepare import install_extras, show_html
    from sdcolab.downloads.catalog import load_catalog
    from sdcolab.downloads.queue import report_line
    from sdcolab.wiring.downloads import build_downloads
    from sdcolab.wiring.engine import demo_model

    host = detect_host()
    folders = host_folders(host)
    environ = dict(os.environ)

    def download(links: str, listener: Listener, cancel: CancelToken) -> Iterator[tuple[str, Path | None]]:
        for report in build_downloads(folders, {**environ, **form_tokens()}).run(links, listener, cancel):
            yield report_line(report), report.path if report.ok else None

    return Kitchen(
        host=host,
        folders=folders,
        say=print,
        show_html=show_html,
        canvas=CellCanvas,
        base_link=lambda name: load_catalog().find(name).link,
        download=download,
        demo=demo_model().path,
        start=lambda plan: training_process(plan, environ),
        install=lambda: install_extras("entrenar"),
        has_package=lambda name: find_spec(name) is not None,
    )


class CellCanvas:
    """A place in the notebook's cell whose content changes; nothing where there is no notebook."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str) -> None:
        """Put ``html`` in the place of what was there."""
        try:
            import IPython
        except ImportError:
            return
        shown: Any = IPython.display
        if not hasattr(IPython.get_ipython(), "kernel"):
            return
        if self._handle is None:
            self._handle = shown.display(shown.HTML(html), display_id=True)
        else:
            self._handle.update(shown.HTML(html))


def montar_drive() -> None:
    """📂: connect Google Drive and make the guide's folders in it."""
    build_kitchen().mount()


def instalar_entrenador() -> None:
    """💿: install what training needs and this machine lacks."""
    build_kitchen().get_ready()


def configurar_lora(
    *, modelo_base: str = BASES["AnyLoRA (anime)"].name, enlace_a_modelo_propio: str = "", **campos: Any
) -> None:
    """📄: check the pictures and options, bring the base model, and show what is going to be trained."""
    build_kitchen().configure(TrainingForm(**campos), modelo_base, enlace_a_modelo_propio)


def cocinar_lora() -> None:
    """🔥: train what was configured."""
    build_kitchen().cook()


def prueba_rapida_lora() -> None:
    """🍳: learn a little character on the demo model, to see that everything works."""
    build_kitchen().quick_test()
