"""The panel: generate, watch, look and download inside the notebook's cell, with no web page and no public link.

The cell ends as soon as the panel is shown: a kernel that runs a cell hears no button. From then on buttons are called
in the kernel's main thread, one watching thread draws what happens, and the engine works in a child process.
"""

from __future__ import annotations

import contextlib
import html
import io
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdcolab.colab.diagnosis import examine, page
from sdcolab.colab.drive_sync import DriveNews
from sdcolab.colab.panel_canvas import canvas_widget
from sdcolab.colab.panel_gallery import Gallery
from sdcolab.colab.panel_generation import GenerationForm
from sdcolab.colab.panel_room import room_widget
from sdcolab.colab.panel_tabs import PngInfoTab, ToolTab
from sdcolab.colab.panel_wildcards import WildcardTab
from sdcolab.colab.prepare import (
    Collaborators,
    Preparation,
    drive_line,
    forget_drive,
)
from sdcolab.colab.progress import CellProgress, WidgetBars
from sdcolab.colab.report import download_link, known_secrets, report_line, write_report
from sdcolab.core import infotext
from sdcolab.core.errors import Cancelled, InfotextUnreadable, PictureGone, SdcolabError, Unexpected
from sdcolab.core.events import CancelToken, ImageSaved, Listener, Phase
from sdcolab.core.pictures import read_picture_file
from sdcolab.core.tasks import Preload
from sdcolab.core.words import PHASE_LABELS, explain
from sdcolab.process.environment import engine_spec
from sdcolab.process.supervisor import Roster
from sdcolab.process.worker import ProcessWorker
from sdcolab.studio.generating import IMAGE_MODE, TEXT_MODE
from sdcolab.studio.jobs import JobSnapshot
from sdcolab.studio.layout import LAYOUT, TabKind
from sdcolab.studio.look import asset, shared_css

WATCH_SECONDS = 0.25
MAX_NOTES = 8

_log = logging.getLogger(__name__)


class Panel:
    """Built and closed in the kernel's main thread. ``preparation`` has run and puts its news in ``drive_news``."""

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
        self._notes: list[str] = []
        self._stop = threading.Event()
        self._left_on_drive = 0
        self._drawn: dict[int, JobSnapshot] = {}
        self._download_cancel = CancelToken()
        self._library = collaborators.open_library(preparation.model)
        self._engine = self._new_engine(roster)
        tokens = {**collaborators.environ, **preparation.tokens}
        self._studio = collaborators.open_studio(self._library, self._engine, tokens)
        self._jobs = self._studio.jobs
        self._build()
        self._watcher = threading.Thread(target=self._watch, name="sdcolab-panel", daemon=True)

    def open(self, display: Callable[[Any], object]) -> None:
        """Show it, start the engine and begin to follow it."""
        display(self.box)
        self._engine.start()
        self._watcher.start()

    def close(self) -> None:
        """End everything; what is left to copy to Drive is still copied if it is quick. Safe to call twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._download_cancel.cancel()
        for button in (self._generate, self._interrupt, self._empty, self._download, self._save):
            button.disabled = True
        self._engine.stop()
        self._jobs.close(2.0)
        self._draw_news()
        self._left_on_drive = self._ready.flush(self._note)
        self._ready.stop()
        self._state.value = "<b>👋 El panel está cerrado.</b> Pulsa ▶️ en la celda para volver a abrirlo."

    # --- Building ----------------------------------------------------------------------------------------------------

    def _new_engine(self, roster: Roster) -> ProcessWorker:
        spec = engine_spec(
            self._with.folders,
            self._with.environ,
            self._ready.model,
            command=self._with.engine_command,
            restart=self._with.engine_restart,
        )
        return ProcessWorker(
            spec,
            self._with.tasks,
            roster,
            on_trouble=lambda error: self._note(f"⚠️ {explain(error)}"),
            first=Preload(),
        )

    def _build(self) -> None:
        new = self._widgets
        self._note_box = new.HTML()
        self._form = GenerationForm(new, self._studio, LAYOUT, self._note, self._guarded)
        self._gallery = Gallery(new, self._image_actions(), canvas_widget)
        self._make_buttons()
        self._progress = new.FloatProgress(min=0.0, max=1.0, layout=new.Layout(width="98%", visibility="hidden"))
        self._state = new.HTML(value="El motor se está preparando; ya puedes pulsar «Generar».")
        self._preview = new.Image(format="jpeg", layout=new.Layout(width="256px", display="none"))
        self._job_report = new.HTML()
        self._tools = {tab.id: ToolTab(new, self._studio, tab, self._guarded) for tab in LAYOUT.tabs if tab.tool}
        self._boxes = self._tab_boxes()
        self._tabs = new.ToggleButtons(
            options=[(tab.title, tab.id) for tab in LAYOUT.tabs], style={"button_width": "auto"}
        )
        self._tabs.observe(lambda change: self._open_tab(change["new"]), names="value")
        body = new.VBox([*{id(box): box for box in self._boxes.values()}.values()])
        self._generate_row = new.HBox([self._generate], layout=new.Layout(width="auto"))
        buttons = new.HBox(
            [self._generate_row, self._interrupt, self._empty, self._save], layout=new.Layout(flex_flow="row wrap")
        )
        results = [self._state, self._progress, self._preview, self._note_box, self._job_report, self._gallery.box]
        left, right = new.VBox([body, buttons]), new.VBox(results)
        both = new.HBox([left, right], layout=new.Layout(flex_flow="row wrap"))
        for box, name in ((left, "sd-left"), (right, "sd-right"), (both, "sd-both"), (self._tabs, "sd-tabs")):
            box.add_class(name)
        style = new.HTML(f"<style>{shared_css()}{asset('panel.css')}</style>")
        words = self._studio.rooms.get("palabras")
        helpers = [room_widget("palabras", words, lambda _said: None)] if words else []
        self.box = new.VBox([style, self._tabs, both, new.HBox([self._report, self._report_link]), *helpers])
        self.box.add_class("sdcolab-panel")
        self._open_tab(LAYOUT.tabs[0].id)

    def _make_buttons(self) -> None:
        new = self._widgets

        def button(text: str, action: Callable[[], None], **options: Any) -> Any:
            made = new.Button(description=text, layout=new.Layout(width="auto"), **options)
            made.on_click(self._guarded(action))
            return made

        self._generate = button("🎨 Generar", self._on_generate, button_style="primary")
        self._interrupt = button("⏹️ Interrumpir", self._on_interrupt, disabled=True)
        self._empty = button("🗑️ Vaciar la cola", self._on_empty, disabled=True)
        self._save = button("💾 Cerrar y guardar todo", self._on_save)
        self._report = button("🩺 Guardar informe", self._on_report)
        self._download = button("📥 Descargar", self._on_download)
        self._report_link = new.HTML()

    def _tab_boxes(self) -> dict[str, Any]:
        """What each tab shows."""
        boxes: dict[str, Any] = {}
        for tab in LAYOUT.tabs:
            match tab.kind:
                case TabKind.GENERATE:
                    boxes[tab.id] = self._form.box
                case TabKind.TOOL:
                    boxes[tab.id] = self._tools[tab.id].box
                case TabKind.PNG_INFO:
                    boxes[tab.id] = self._png_info()
                case TabKind.DOWNLOADS:
                    boxes[tab.id] = self._downloads()
                case TabKind.ROOM:
                    boxes[tab.id] = self._room(tab.id)
                case TabKind.WILDCARDS:
                    lists = self._studio.wildcards
                    boxes[tab.id] = WildcardTab(self._widgets, lists, self._note, self._guarded).box
        return boxes

    def _png_info(self) -> Any:
        def use(_picture: bytes, text: str) -> None:
            self._read(text)
            self._tabs.value = TEXT_MODE

        def begin(inpaint: bool) -> Callable[[bytes, str], None]:
            return lambda picture, text: self._begin_from(picture, text, inpaint=inpaint)

        sends = {"Enviar a txt2img": use, "Enviar a img2img": begin(False), "Enviar a inpaint": begin(True)}
        return PngInfoTab(self._widgets, sends, self._guarded).box

    def _room(self, name: str) -> Any:
        room = self._studio.rooms.get(name)
        if room is None:
            return self._widgets.VBox([])

        def wish(said: Mapping[str, Any]) -> None:
            found = room.file("picture", str(said.get("id")))
            if found is None or not isinstance(found.content, Path):
                raise PictureGone()
            picture = read_picture_file(found.content)
            match said.get("act"):
                case "img2img" | "inpaint" as act:
                    self._begin_from(picture, _text_in(picture), inpaint=act == "inpaint")
                case "extras":
                    self._tools["extras"].form.fill({"pictures": [picture]})
                    self._tabs.value = "extras"
                case _:
                    self._read(infotext.read_bytes(picture, found.content.name))
                    self._tabs.value = TEXT_MODE

        return self._widgets.VBox([room_widget(name, room, wish)])

    def _downloads(self) -> Any:
        new = self._widgets
        wide = new.Layout(width="98%")
        self._catalog = new.SelectMultiple(options=[*self._studio.catalog], rows=8, description="Catálogo", layout=wide)
        self._links = new.Textarea(rows=3, placeholder="https://civitai.com/…, https://huggingface.co/…", layout=wide)
        self._bars = new.VBox([])
        self._reports = new.HTML()
        if again := self._ready.to_download_again:
            self._links.value = "\n".join(one.link for one in again)
            self._note(
                "📥 Lo que tenías en otra sesión está en la pestaña Descargas: pulsa «Descargar» para recuperarlo."
            )
        return new.VBox([self._catalog, self._links, self._download, self._bars, self._reports])

    def _open_tab(self, name: str) -> None:
        tab = LAYOUT.tab(name)
        if tab.kind is TabKind.GENERATE:
            self._form.open_mode(name)
        for box in self._boxes.values():
            box.layout.display = "flex" if box is self._boxes[name] else "none"
        self._generate_row.layout.display = "flex" if tab.kind is TabKind.GENERATE else "none"

    # --- What is done with a picture ---------------------------------------------------------------------------------

    def _image_actions(self) -> dict[str, Callable[[ImageSaved], None]]:
        def to_extras(image: ImageSaved) -> None:
            self._tools["extras"].form.fill({"pictures": [image.path.read_bytes()]})
            self._tabs.value = "extras"

        actions: dict[str, Callable[[ImageSaved], None]] = {
            "🖼️ Enviar a img2img": lambda image: self._begin_from(
                image.path.read_bytes(), image.infotext, inpaint=False
            ),
            "🎨 Enviar a inpaint": lambda image: self._begin_from(
                image.path.read_bytes(), image.infotext, inpaint=True
            ),
            "🔍 Enviar a Ampliar": to_extras,
            "✨ Mejorar esta imagen": lambda image: self._form.enhance(image.infotext),
            "🎲 Usar su semilla": lambda image: self._form.put_seed(image.seed),
            "♻️ Usar estos datos": lambda image: self._read(image.infotext),
        }
        return {text: self._guarded_with(act) for text, act in actions.items()}

    def _guarded_with(self, act: Callable[[ImageSaved], None]) -> Callable[[ImageSaved], None]:
        return lambda image: self._guarded(lambda: act(image))(None)

    def _begin_from(self, picture: bytes, text: str, *, inpaint: bool) -> None:
        self._form.begin_from(picture, text, inpaint=inpaint)
        self._tabs.value = IMAGE_MODE

    def _read(self, text: str) -> None:
        for trouble in self._form.read(text).troubles:
            self._note(f"⚠️ {trouble}")

    # --- Buttons: the kernel's main thread ---------------------------------------------------------------------------

    def _guarded(self, action: Callable[[], None]) -> Callable[[object], None]:
        def press(_button: object) -> None:
            try:
                action()
            except SdcolabError as error:
                self._note(f"⚠️ {explain(error)}")
            except Exception as error:  # noqa: BLE001 - an edge: the user must see that the button did not work
                _log.exception("panel")
                self._note(f"❌ {explain(Unexpected(kind=type(error).__name__, detail=str(error)))}")

        return press

    def _on_generate(self) -> None:
        self._form.generate()
        self._notes = [note for note in self._notes if not note.startswith(("⚠️", "❌"))]  # of what was just corrected
        self._note_box.value = "<br>".join(map(html.escape, self._notes))
        self._interrupt.disabled = False

    def _on_interrupt(self) -> None:
        """Stop the job that runs; those that wait go on."""
        job = self._jobs.current()
        if job and not job.snapshot.ended:
            job.cancel()
            self._note("⏹️ Interrumpiendo: se detiene al acabar el paso en que está.")

    def _on_empty(self) -> None:
        """Take away the jobs that wait; the one that runs goes on."""
        count = self._jobs.drop_waiting()
        self._note(f"🗑️ Cola vaciada: {count} en espera {'quitado' if count == 1 else 'quitados'}.")

    def _on_download(self) -> None:
        text = "\n".join(filter(None, (self._links.value.strip(), *self._catalog.value)))
        if not text:
            return
        self._download.disabled = True
        self._reports.value = "Descargando…"
        self._bars.children = ()
        bars = WidgetBars(self._widgets, self._show_bars, self._note)
        threading.Thread(target=self._fetch, args=(text, CellProgress(bars)), daemon=True).start()

    def _on_save(self) -> None:
        self._save.description = "💾 Guardando…"
        self.close()
        if self._left_on_drive:  # Drive stays connected: another try can go on
            self._note("💾 Para intentarlo otra vez, pulsa ▶️ en la celda «Cerrar y guardar todo».")
            self._save.description = "💾 Cerrado"
            return
        try:
            connected = self._with.host.flush_drive()
            forget_drive(self._with.folders)
            if connected:
                self._note("✅ Google Drive confirmó que todo está subido.")
        finally:
            self._save.description = "💾 Guardado y cerrado"

    def _on_report(self) -> None:
        """The diagnosis and the logs in one file, without secrets."""
        folders, environ = self._with.folders, self._with.environ
        findings = examine(self._with.host, folders, {**environ, **self._ready.tokens}, network=False)
        path = write_report(folders, page(findings), known_secrets(folders, environ, self._ready.secrets))
        self._report_link.value = download_link(path)
        self._note(report_line(path))

    def _show_bars(self, box: Any) -> None:
        self._bars.children = (box,)

    # --- Other threads -----------------------------------------------------------------------------------------------

    def _fetch(self, text: str, listener: Listener) -> None:
        """Download ``text`` (a thread of its own)."""
        try:
            reports = self._with.make_download(self._ready.tokens)(text, listener, self._download_cancel)
            lines = [report.line for report in reports]
            self._form.refresh()
        except SdcolabError as error:
            lines = [str(explain(error))]
        except Exception as error:  # noqa: BLE001 - an edge: a thread's bug would be seen by nobody
            _log.exception("descargas")
            lines = [str(explain(Unexpected(kind=type(error).__name__, detail=str(error))))]
        self._reports.value = "<br>".join(map(html.escape, lines))
        self._download.disabled = self._stop.is_set()

    def _watch(self) -> None:
        """Draw what changes until the panel is closed (the watching thread)."""
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._draw_news()
            except Exception as error:  # noqa: BLE001 - an edge: one drawing that fails must not end the watch
                _log.exception("panel")
                self._note(f"❌ {explain(Unexpected(kind=type(error).__name__, detail=str(error)))}")

    def _draw_news(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._note(drive_line(self._drive_news.get_nowait()))
        for job in self._jobs.jobs():
            snapshot, former = job.snapshot, self._drawn.get(job.id)
            if former is None or snapshot.version != former.version:
                self._drawn[job.id] = snapshot
                self._draw(snapshot, former)
        if current := self._jobs.current():
            waiting = sum(not job.snapshot.ended for job in self._jobs.jobs()) - (not current.snapshot.ended)
            self._draw_current(current.snapshot, waiting)

    def _draw(self, snapshot: JobSnapshot, former: JobSnapshot | None) -> None:
        """What stays of a job: its images, warnings and error."""
        images, warnings = (len(former.images), len(former.warnings)) if former else (0, 0)
        for image in snapshot.images[images:]:
            self._gallery.add(image)
            if self._ready.sync:
                self._ready.sync.poke()
        for warning in snapshot.warnings[warnings:]:
            self._note(f"⚠️ {explain(warning)}")
        lines = [*snapshot.notes, *(f"Archivo: {path}" for path in snapshot.files)]
        _put(self._job_report, "value", "<br>".join(map(html.escape, lines)))
        if snapshot.ended and not (former and former.ended):
            if isinstance(snapshot.error, Cancelled):
                self._note("⏹️ Interrumpido.")
            elif snapshot.error:
                self._note(f"❌ {explain(snapshot.error)}")

    def _draw_current(self, snapshot: JobSnapshot, waiting: int) -> None:
        """What moves: the bar, its sentence and the preview."""
        _put(self._state, "value", state_line(snapshot, waiting))
        _put(self._progress, "value", snapshot.fraction)
        _put(self._progress.layout, "visibility", "hidden" if snapshot.ended else "visible")
        _put(self._interrupt, "disabled", snapshot.ended)
        _put(self._empty, "disabled", not waiting)
        _put(self._preview.layout, "display", "none" if snapshot.ended or snapshot.preview is None else "flex")
        if snapshot.preview is not None and not snapshot.ended:
            encoded = io.BytesIO()
            snapshot.preview.save(encoded, format="JPEG", quality=80)
            _put(self._preview, "value", encoded.getvalue())

    def _note(self, text: str) -> None:
        """Show a line of news, once in a row; the last ones stay."""
        if self._notes[-1:] != [text]:
            self._notes = [*self._notes[1 - MAX_NOTES :], text]
        self._note_box.value = "<br>".join(map(html.escape, self._notes))


def _text_in(picture: bytes) -> str:
    """The infotext of a picture; nothing where it has none."""
    try:
        return infotext.read_bytes(picture, "imagen")
    except InfotextUnreadable:
        return ""


def state_line(snapshot: JobSnapshot, waiting: int) -> str:
    """The sentence beside the bar, as HTML."""
    queued = f" · {waiting} en espera" if waiting else ""
    if snapshot.ended:
        if isinstance(snapshot.error, Cancelled):
            return "⏹️ Interrumpido."
        if snapshot.error:
            return "❌ No se pudo generar; el motivo está abajo."
        made = len(snapshot.images)
        if not made:
            return "✅ Listo."
        return f"✅ {made} imagen lista." if made == 1 else f"✅ {made} imágenes listas."
    if snapshot.phase is Phase.WAITING:
        return f"⏳ Preparando el motor y el modelo; la primera vez tarda un poco más{queued}"
    steps = (
        f" · paso {snapshot.step} de {snapshot.total}" if snapshot.phase is Phase.SAMPLING and snapshot.total else ""
    )
    detail = f": {snapshot.detail}" if snapshot.detail else ""
    return html.escape(f"⏳ {PHASE_LABELS[snapshot.phase]}{detail}{steps}{queued}")


def _put(widget: Any, trait: str, value: object) -> None:
    """Set a trait only when it changes: each one that does is a message to the browser."""
    if getattr(widget, trait) != value:
        setattr(widget, trait, value)
