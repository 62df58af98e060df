"""What the notebook's cells call, through ``sdcolab.empezar``, ``panel`` and ``cerrar`` in ``wiring.notebook``."""

from __future__ import annotations

import queue
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

from sdcolab.colab.diagnosis import examine, page
from sdcolab.colab.drive_sync import DriveNews, DriveSync
from sdcolab.colab.host import Host, KaggleHost
from sdcolab.colab.panel import Panel
from sdcolab.colab.prepare import (
    Collaborators,
    Preparation,
    StartOptions,
    drive_line,
    flush_and_tell,
    forget_drive,
    remembered_drive,
    tell_left,
)
from sdcolab.colab.report import download_link, known_secrets, report_line, write_report
from sdcolab.colab.requirements import own_requirements, renew
from sdcolab.colab.session import Session
from sdcolab.colab.waiting import telling
from sdcolab.core.errors import HostError, NoWidgets, SdcolabError, SecretTimeout
from sdcolab.core.events import CancelToken
from sdcolab.core.words import explain
from sdcolab.core.words import notebook as words
from sdcolab.process.environment import SECRET_NAMES
from sdcolab.process.supervisor import Roster

__all__ = [
    "Collaborators",
    "StartOptions",
    "close_all",
    "form_tokens",
    "open_panel",
    "renew_packages",
    "save_report",
    "start",
]

OPEN_PANEL = "_sdcolab_panel"
"""Name in the notebook's own namespace of the panel that is open in it, for the next cell that must close it."""

SAVE_REST_SECONDS = 600.0


class _Voice:
    """Says lines where they can be read now: in the cell while it runs, afterwards in the panel. What a thread prints
    when its cell has ended is shown nowhere."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say

    def __call__(self, line: str) -> None:
        self.say(line)


def _once(say: Callable[[str], object]) -> Callable[[str], object]:
    """``say`` without what it has said already: the panel, Drive and the closing have the same troubles to tell."""
    said = set[str]()

    def tell(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    return tell


def start(options: StartOptions, collaborators: Collaborators) -> None:
    """Prepare Drive, tokens and downloads, open the web UI and its public link, and stay until interrupted."""
    close_panel(collaborators.say)
    Session(options, collaborators).run()


def open_panel(options: StartOptions, collaborators: Collaborators) -> None:
    """Prepare Drive, tokens and downloads, show the panel and return, so that its buttons work.

    What a panel that was open here had not done goes on in the new one.
    """
    say = _Voice(collaborators.say)
    collaborators = replace(collaborators, say=say)
    former = close_panel(say)
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
        say(words.PANEL_OPEN)
        panel.open(display)
        if former and former.unfinished:
            panel.go_on(former.unfinished)
        tell_left(collaborators)
        say.say = panel.notes
        preparation.fetch_guide_resources(panel.refresh)
    except KeyboardInterrupt:
        cancel.cancel()
        say(words.INTERRUPTED)
        preparation.stop()
    except SdcolabError as error:
        say(f"❌ {explain(error)}")
        preparation.stop()


def close_all(collaborators: Collaborators) -> None:
    """Close what is open and wait until Google Drive has everything, also what a session that is gone left behind."""
    say = _once(collaborators.say)
    collaborators = replace(collaborators, say=say)
    if close_panel(say):
        say(words.PANEL_CLOSED)
    Roster(collaborators.folders.root / ".sesion").end_former()
    try:
        if _save_rest(collaborators):
            say(words.CLOSE_AGAIN)
            return  # Drive stays connected: another try can go on
        with telling(say, words.STILL_UPLOADING):
            flushed = collaborators.host.flush_drive()
        forget_drive(collaborators.folders)
    except SdcolabError as error:
        say(f"⚠️ {explain(error)}")
        return
    except KeyboardInterrupt:
        say(words.CLOSING_INTERRUPTED)
        return
    say(words.DRIVE_HAS_ALL if flushed else _where_all_is(collaborators))


def _where_all_is(collaborators: Collaborators) -> str:
    """What a machine without pending work for Drive tells, so that nothing is lost."""
    if collaborators.host.is_colab:
        return words.NOTHING_PENDING
    here = words.KEPT_HERE.format(folder=collaborators.folders.root)
    return f"{here} {words.KAGGLE_KEEPS}" if isinstance(collaborators.host, KaggleHost) else here


def _save_rest(collaborators: Collaborators) -> int:
    """Copy to Drive what the last session could not, connecting it again if need be; how many images are left.

    Raises ``HostError`` when Drive cannot be connected.
    """
    folders, say = collaborators.folders, collaborators.say
    choice = remembered_drive(folders)
    if choice is None:
        return 0
    images, settings = choice
    say(words.CONNECTING_DRIVE)
    with telling(say, words.WAITING_FOR_DRIVE):
        my_drive = collaborators.host.mount_drive()

    def hear(news: DriveNews) -> None:
        say(drive_line(news))

    sync = DriveSync(folders, my_drive, images=images, settings=settings, listener=hear)
    sync.start()
    try:
        return flush_and_tell(sync, folders, say, SAVE_REST_SECONDS)
    finally:
        sync.stop()


def renew_packages(say: Callable[[str], object]) -> None:
    """Put newer versions where the environment's are too old, telling what is done and what to do next."""
    try:
        with telling(say, words.STILL_INSTALLING):
            changed = renew(own_requirements(), say=say)
    except SdcolabError as error:
        say(f"⚠️ {explain(error)}")
    except KeyboardInterrupt:
        say(words.INTERRUPTED_HERE)
    else:
        say(words.RENEWED.format(names=", ".join(changed)) if changed else words.NOTHING_OLD)


def save_report(collaborators: Collaborators) -> None:
    """Write the report without secrets, and offer it for download in the cell."""
    host, folders, environ = collaborators.host, collaborators.folders, collaborators.environ
    collaborators.say(words.EXAMINING)
    with telling(collaborators.say, words.STILL_EXAMINING):
        tokens = {**secrets_of(host), **form_tokens()}
        text = page(examine(host, folders, {**environ, **tokens}, network=False))
    collaborators.say(text)
    try:
        path = write_report(folders, text, known_secrets(folders, environ, tokens.values()))
    except SdcolabError as error:
        collaborators.say(f"⚠️ {explain(error)}")
        return
    collaborators.say(f"\n{report_line(path)}")
    collaborators.show_html(download_link(path))


def secrets_of(host: Host) -> dict[str, str]:
    """The user's secrets that can be read, by name."""
    found = {}
    for name in SECRET_NAMES:
        try:
            found[name] = host.secret(name) or ""
        except SecretTimeout:  # each silence costs 10 s: do not ask for the next one
            break
        except HostError:
            continue
    return {name: value for name, value in found.items() if value}


def form_tokens() -> dict[str, str]:
    """What the user typed in the notebook's cell of keys, by name. They stay in the kernel's memory only."""
    namespace = _namespace() or {}
    typed = {name: namespace.get(name) for name in SECRET_NAMES}
    return {name: value.strip() for name, value in typed.items() if isinstance(value, str) and value.strip()}


def close_panel(say: Callable[[str], object]) -> Panel | None:
    """Close the panel that is open in this notebook, telling ``say`` how, and give it back."""
    namespace = _namespace()
    panel: Panel | None = namespace.pop(OPEN_PANEL, None) if namespace is not None else None
    if panel is not None:
        panel.close(say)
    return panel


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
