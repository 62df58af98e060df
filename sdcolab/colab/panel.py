"""The panel: generate, watch, look and download inside the notebook's cell, with no web page and no public link.

The cell ends as soon as the panel is shown: a kernel that runs a cell hears no button. From then on buttons are called
in the kernel's main thread, one watching thread draws what happens, and the engine works in a child process.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from sdcolab.colab.diagnosis import examine, page
from sdcolab.colab.drive_sync import DriveNews
from sdcolab.colab.panel_canvas import canvas_widget
from sdcolab.colab.panel_downloads import DownloadTab
from sdcolab.colab.panel_drop import drop_widget
from sdcolab.colab.panel_gallery import Gallery
from sdcolab.colab.panel_generation import GenerationForm
from sdcolab.colab.panel_jobs import JobsView, put
from sdcolab.colab.panel_keys import keys_widget
from sdcolab.colab.panel_notes import Notes
from sdcolab.colab.panel_plans import LeftPlanOffer
from sdcolab.colab.panel_room import room_widget
from sdcolab.colab.panel_sending import Sender
from sdcolab.colab.panel_tabs import PngInfoTab, TabStack, ToolTab
from sdcolab.colab.panel_watch import Watcher
from sdcolab.colab.panel_wildcards import WildcardTab
from sdcolab.colab.prepare import Collaborators, Preparation, drive_line, forget_drive
from sdcolab.colab.report import download_link, known_secrets, report_line, write_report
from sdcolab.colab.waiting import telling
from sdcolab.core.events import ImageSaved
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.rooms import Room, ask
from sdcolab.core.tasks import Preload, Task
from sdcolab.core.words import explain
from sdcolab.core.words import panel as words
from sdcolab.core.words.faces import RESPONSIBILITY
from sdcolab.core.words.notebook import STILL_CLOSING, STILL_UPLOADING
from sdcolab.process.environment import engine_spec
from sdcolab.process.supervisor import Roster
from sdcolab.process.worker import ProcessWorker
from sdcolab.studio.job import Job
from sdcolab.studio.jobs import behind
from sdcolab.studio.layout import LAYOUT, Tab, TabKind
from sdcolab.studio.look import asset, shared_css
from sdcolab.studio.pending import take_up, unfinished
from sdcolab.studio.sheets import Sheets

HELPERS = ("palabras", "ayuda", "archivos")
"""Rooms without a tab: they help where something is typed or set."""


class Panel:
    """Built and closed in the kernel's main thread. ``preparation`` has run and puts its news in ``drive_news``.

    Once closed, ``unfinished`` is what its queue had not done, in order. ``notes`` tells a line, from any thread.
    """

    def __init__(
        self,
        widgets: Any,
        collaborators: Collaborators,
        preparation: Preparation,
        roster: Roster,
        drive_news: queue.SimpleQueue[DriveNews],
    ) -> None:
        self._widgets = widgets
        self._with = collaborators
        self._ready = preparation
        self._drive_news = drive_news
        self.notes = Notes(widgets, lambda name: str(ask(self._studio.rooms, "guia", "get", {"name": name})))
        self.unfinished: tuple[Task, ...] = ()
        self._left_on_drive = 0
        self._library = collaborators.open_library(preparation.model)
        self._engines = new_engines(collaborators, preparation, roster, self.notes)
        tokens = {**collaborators.environ, **preparation.tokens}
        self._studio = collaborators.open_studio(self._library, self._engines, tokens)
        self._jobs = self._studio.jobs
        self._build()
        self._watcher = Watcher(self._draw_news, self.notes.crashed)

    def open(self, display: Callable[[Any], object]) -> None:
        """Show it, start the engine and begin to follow it."""
        display(self.box)
        for engine in self._engines:
            engine.start()
        self._watcher.start()

    def go_on(self, tasks: Sequence[Task]) -> None:
        """Queue what another panel of this notebook had not done, in its order."""
        count = take_up(tasks, self._with.folders.config, self._with.tasks, self._jobs)
        self.notes(words.queue_goes_on(count))

    def close(self, say: Callable[[str], object] | None = None) -> None:
        """End everything, telling ``say`` (else our own news) how; what is left to copy to Drive is still copied if it
        is quick. Safe to call twice."""
        say = say or self.notes
        with telling(say, STILL_CLOSING):
            if not self._watcher.stop():
                return
            self._downloads.close()
        for button in (self._generate, self._interrupt, self._empty, self._save):
            button.disabled = True
        self.unfinished = unfinished(self._jobs)
        with telling(say, STILL_CLOSING):
            self._studio.close(2.0, [engine.stop for engine in self._engines])
        self._draw_news()
        self._left_on_drive = self._ready.flush(say)
        self._ready.stop()
        self._view.state.value = words.CLOSED

    # --- Building ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        new, notes = self._widgets, self.notes
        preferred = PreferencesFile(self._studio.folders.config).peek()
        layout = LAYOUT.with_bar(preferred.bar).with_units(preferred.control_units)
        self._form = GenerationForm(new, self._studio, layout, notes)
        self.refresh = self._form.refresh  # for files that come from elsewhere
        told = (notes.guarded, notes.forget_troubles)
        self._tool = cache(lambda name: ToolTab(new, self._studio, LAYOUT.tab(name), *told))
        self._tabs = TabStack(new, LAYOUT.tabs, self._tab_box, self._opened, notes.guarded)
        self._sender = Sender(self._form, self._tool, notes, self._tabs.open)
        self._gallery = Gallery(new, self._sender.shown_actions(), canvas_widget, Sheets(self._jobs))
        self._view = JobsView(new, self._jobs, self._show_new, self._gallery.open_cell, self._form.refresh, notes)
        self._downloads = DownloadTab(new, self._studio, self._ready.to_download_again, notes)
        self._make_buttons()
        opened = partial(self._tabs.open, "pnginfo")
        self._png_info = cache(lambda: PngInfoTab(new, self._sender.file_actions(), opened, notes.guarded))
        self.box = self._put_together()
        self._tabs.show()

    def _make_buttons(self) -> None:
        new, button = self._widgets, self.notes.button
        self._generate = button(words.GENERATE, self._on_generate, button_style="primary")
        self._generate.add_class("sd-generate")
        self._interrupt = button(words.INTERRUPT, self._on_interrupt, disabled=True)
        self._empty = button(words.EMPTY_QUEUE, self._on_empty, disabled=True)
        self._save = button(words.SAVE_ALL, self._on_save)
        self._report = button(words.MAKE_REPORT, self._on_report)
        self._report_link = new.HTML()

    def _tab_box(self, tab: Tab) -> Any:
        """What a tab shows."""
        match tab.kind:
            case TabKind.GENERATE:
                return self._form.box
            case TabKind.TOOL:
                return self._tool(tab.id).box
            case TabKind.PNG_INFO:
                return self._png_info().box
            case TabKind.DOWNLOADS:
                return self._downloads.box
            case TabKind.WILDCARDS:
                return WildcardTab(self._widgets, self._studio.wildcards, self.notes, self.notes.guarded).box
            case TabKind.ROOM:
                room = self._studio.rooms.get(tab.id)
                drawn = [room_widget(tab.id, room, partial(self._sender.grant, room))] if room else []
                return self._widgets.VBox(drawn)

    def _put_together(self) -> Any:
        """The parts in their places; what comes of it right under what asks for it, since the form is a long one."""
        new, view = self._widgets, self._view
        self._generate_row = new.HBox([self._generate], layout=new.Layout(width="auto"))
        buttons = new.HBox(
            [self._generate_row, self._interrupt, view.pause, self._empty, self._save],
            layout=new.Layout(flex_flow="row wrap"),
        )
        pictures = self._gallery.box
        results = [buttons, view.state, view.progress, view.preview, self.notes.box, view.report, pictures]
        offer = LeftPlanOffer(new, self._studio, self.notes, self.notes.guarded)
        left, self._right = new.VBox([offer.box, self._tabs.body]), new.VBox(results)
        self._both = new.HBox([left, self._right], layout=new.Layout(flex_flow="row wrap"))
        named(left=left, right=self._right, both=self._both, tabs=self._tabs.bar, report=view.report, pictures=pictures)
        style = new.HTML(f"<style>{shared_css()}{asset('panel.css')}</style>", layout=new.Layout(display="none"))
        report = new.HBox([self._report, self._report_link, new.HTML(RESPONSIBILITY).add_class("sd-responsible")])
        unseen = (*helper_widgets(self._studio.rooms), keys_widget(), drop_widget(self._take))
        box = new.VBox([style, self._tabs.bar, self._both, report, *unseen])
        box.add_class("sdcolab-panel")
        return box

    def _opened(self, tab: Tab) -> None:
        if tab.kind is TabKind.GENERATE:
            self._form.open_mode(tab.id)
        self._generate_row.layout.display = "flex" if tab.kind is TabKind.GENERATE else "none"
        mark(self._both, tab.kind)
        show_own(self._right, tab, self._jobs.shown())
        if tab.tool:
            self._tool(tab.id).refresh()

    def _take(self, name: str, data: bytes) -> None:
        """A file was dropped on the panel."""
        self.notes.guarded(lambda: self._png_info().show(name, data))(None)

    # --- Buttons: the kernel's main thread ---------------------------------------------------------------------------

    def _on_generate(self) -> None:
        self.notes.forget_troubles()  # before it begins: what fails at once has its own to tell
        self._form.generate()
        self._interrupt.disabled = False

    def _on_interrupt(self) -> None:
        """Stop the job that runs; those that wait go on."""
        job = self._jobs.shown()
        if job and not job.snapshot.ended:
            job.cancel()
            self.notes(words.INTERRUPTING)

    def _on_empty(self) -> None:
        """Take away the jobs that wait; the one that runs goes on."""
        self.notes(words.queue_emptied(self._jobs.drop_waiting()))

    def _on_save(self) -> None:
        self._save.description = words.SAVING_ALL
        self.close()
        if self._left_on_drive:  # Drive stays connected: another try can go on
            self.notes(words.SAVE_AGAIN)
            self._save.description = words.SHUT
            return
        try:
            with telling(self.notes, STILL_UPLOADING):
                connected = self._with.host.flush_drive()
            forget_drive(self._with.folders)
            if connected:
                self.notes(words.DRIVE_HAS_ALL)
        finally:
            self._save.description = words.SAVED_ALL

    def _on_report(self) -> None:
        path = save_report(self._with, self._ready)
        self._report_link.value = download_link(path)
        self.notes(report_line(path))

    # --- The watching thread -----------------------------------------------------------------------------------------

    def _draw_news(self) -> None:
        """Draw what changed."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.notes(drive_line(self._drive_news.get_nowait()))
        self._view.look()
        self._downloads.look()
        if current := self._jobs.shown():
            put(self._interrupt, "disabled", current.snapshot.ended)
            put(self._empty, "disabled", not behind(current, self._jobs))
            show_own(self._right, self._tabs.tab, current)

    def _show_new(self, image: ImageSaved) -> None:
        self._gallery.add(image)
        if self._ready.sync:
            self._ready.sync.poke()


def named(**boxes: Any) -> None:
    """Give each box the class that the style sheet knows it by."""
    for name, box in boxes.items():
        box.add_class(f"sd-{name}")


def helper_widgets(rooms: Mapping[str, Room]) -> list[Any]:
    """The rooms without a tab."""
    return [room_widget(name, room, lambda _said: None) for name, room in rooms.items() if name in HELPERS]


def mark(both: Any, opened: TabKind) -> None:
    """Let the style sheet know which kind of tab is beside the results."""
    for kind in (TabKind.GENERATE, TabKind.ROOM, TabKind.DOWNLOADS):
        (both.add_class if opened is kind else both.remove_class)(f"sd-both-{kind}")


def show_own(right: Any, tab: Tab, job: Job | None) -> None:
    """Let the style sheet know whether what ``right`` shows belongs to ``tab``: a tool has only its own last work
    there, and the other tabs no pictures."""
    generates = tab.kind is TabKind.GENERATE
    own = generates or bool(job and tab.tool and job.task.code in tab.tool.codes)
    bare = not generates and not (own and job and job.snapshot.images)
    for name, wanted in (("sd-elsewhere", not own), ("sd-bare", bare)):
        (right.add_class if wanted else right.remove_class)(name)


def new_engines(
    collaborators: Collaborators, preparation: Preparation, roster: Roster, note: Callable[[str], None]
) -> tuple[ProcessWorker, ...]:
    """The engines in processes of their own, one a graphics card, which open on the model that the notebook chose."""
    cards = max(1, collaborators.cards())
    return tuple(
        ProcessWorker(
            engine_spec(
                collaborators.folders,
                collaborators.environ,
                preparation.model,
                command=collaborators.engine_command,
                restart=collaborators.engine_restart,
                card=None if cards == 1 else card,
            ),
            collaborators.tasks,
            roster,
            on_trouble=lambda error: note(f"⚠️ {explain(error)}"),
            first=Preload(),
        )
        for card in range(cards)
    )


def save_report(collaborators: Collaborators, preparation: Preparation) -> Path:
    """The diagnosis and the logs in one file, without secrets."""
    folders, environ = collaborators.folders, collaborators.environ
    findings = examine(collaborators.host, folders, {**environ, **preparation.tokens}, network=False)
    return write_report(folders, page(findings), known_secrets(folders, environ, preparation.secrets))
