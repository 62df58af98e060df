"""What the notebook's cells call, through ``sdcolab.empezar``, ``panel`` and ``cerrar`` in ``wiring``."""

from __future__ import annotations

import queue
from collections.abc import MutableMapping
from typing import Any

from sdcolab.colab.drive_sync import DriveNews
from sdcolab.colab.panel import Panel
from sdcolab.colab.prepare import Collaborators, Preparation, StartOptions
from sdcolab.colab.session import Session
from sdcolab.colab.supervisor import Roster
from sdcolab.core.errors import NoWidgets, SdcolabError
from sdcolab.core.events import CancelToken
from sdcolab.core.messages import explain

__all__ = ["Collaborators", "StartOptions", "close_all", "open_panel", "start"]

OPEN_PANEL = "_sdcolab_panel"
"""Name in the notebook's own namespace of the panel that is open in it, for the next cell that must close it."""


def start(options: StartOptions, collaborators: Collaborators) -> None:
    """Prepare Drive, tokens and downloads, open the web UI and its public link, and stay until interrupted."""
    close_panel()
    Session(options, collaborators).run()


def open_panel(options: StartOptions, collaborators: Collaborators) -> None:
    """Prepare Drive, tokens and downloads, show the panel and return, so that its buttons work."""
    say = collaborators.say
    close_panel()
    cancel = CancelToken()
    news: queue.SimpleQueue[DriveNews] = queue.SimpleQueue()
    roster = Roster(collaborators.folders.root / ".sesion")
    preparation = Preparation(options, collaborators, roster, news.put, cancel)
    try:
        widgets, display = _widgets()
        preparation.run()
        panel = Panel(widgets, collaborators, preparation, roster, news)
        namespace = _namespace()
        if namespace is not None:
            namespace[OPEN_PANEL] = panel
        panel.open(display)
        say("✅ El panel está abierto aquí abajo. Las imágenes aparecen en él según se crean.")
    except KeyboardInterrupt:
        cancel.cancel()
        say("\n⏹️ Interrumpido. Pulsa ▶️ para volver a empezar.")
        preparation.stop()
    except SdcolabError as error:
        say(f"❌ {explain(error)}")
        preparation.stop()


def close_all(collaborators: Collaborators) -> None:
    """Close what is open and wait until Google Drive has everything."""
    say = collaborators.say
    if close_panel():
        say("👋 El panel está cerrado.")
    Roster(collaborators.folders.root / ".sesion").end_former()
    try:
        flushed = collaborators.host.flush_drive()
    except SdcolabError as error:
        say(f"⚠️ {explain(error)}")
        return
    say("✅ Google Drive ha confirmado que todo está subido." if flushed else "✅ No había nada pendiente en Drive.")


def close_panel() -> bool:
    """Close the panel that is open in this notebook; whether there was one."""
    namespace = _namespace()
    panel = namespace.pop(OPEN_PANEL, None) if namespace is not None else None
    if panel is None:
        return False
    panel.close()
    return True


def _namespace() -> MutableMapping[str, Any] | None:
    """The variables of the notebook, or None outside one."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return None if shell is None else shell.user_ns


def _widgets() -> tuple[Any, Any]:
    """ipywidgets and IPython's ``display``. Raises ``NoWidgets``."""
    try:
        import ipywidgets
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        raise NoWidgets() from None
    if not hasattr(get_ipython(), "kernel"):
        raise NoWidgets()
    return ipywidgets, display
