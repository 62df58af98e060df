"""The panel with real widgets and a real child process; the kernel itself is in test_panel_kernel."""

from __future__ import annotations

import base64
import datetime
import gc
import html
import io
import os
import queue
import subprocess
import sys
import threading
import time
import weakref
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from PIL import Image
from support.servers import LORA_SHAPES, CivitaiFile, CivitaiServer, Fault, safetensors_bytes

from sdcolab.colab.drive_sync import DriveNews
from sdcolab.colab.panel import Panel
from sdcolab.colab.panel_fields import uploaded as panel_uploaded
from sdcolab.colab.panel_jobs import JobsView, state_line
from sdcolab.colab.panel_notes import Notes
from sdcolab.colab.prepare import Collaborators, Downloaded, MissingDownload, Preparation, StartOptions
from sdcolab.core.detect import ModelKind
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import (
    DriveFlushFailed,
    EngineKilled,
    FieldNotNumber,
    InitImageMissing,
    NotDownloaded,
    NoWidgets,
)
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import png_text
from sdcolab.core.request import FIELDS, GenerationRequest, Hires, Variation
from sdcolab.core.scripts import PromptLines
from sdcolab.core.tasks import Download, Generate, Origin, Place
from sdcolab.core.words import FIELD_LABELS, explain
from sdcolab.core.words.control import SEND_TO_CONTROL, SHOW_MAP
from sdcolab.core.words.faces import CANCEL, FOLD_UNIT, NO_LINKS, PASTE_LINKS
from sdcolab.core.words.panel import CHOOSE_PICTURE
from sdcolab.core.words.queue import HELD
from sdcolab.core.words.road import DOWNLOAD_ASKED
from sdcolab.process.supervisor import RestartPolicy, Roster
from sdcolab.studio import ledger
from sdcolab.studio.form import Control, control_of
from sdcolab.studio.job import JobSnapshot
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.last_form import FILE_NAME, LastForm
from sdcolab.studio.layout import LAYOUT
from sdcolab.studio.pending import offered
from sdcolab.wiring.studio import studio_with
from sdcolab.wiring.tasks import TASKS

PAINTER = Path(__file__).parents[1] / "support" / "engine_service.py"
TOKEN = "secreto-" + "x" * 24


@dataclass
class FakeHost:
    content: Path
    is_colab: bool = True
    drive: Path | None = None
    flushes: list[str] = field(default_factory=list)
    flush_fails: bool = False

    def mount_drive(self) -> Path:
        assert self.drive
        return self.drive

    def flush_drive(self) -> bool:
        self.flushes.append("flush")
        if self.flush_fails:
            raise DriveFlushFailed()
        return self.drive is not None

    def secret(self, name: str) -> str | None:
        return TOKEN if name == "CIVITAI_TOKEN" else None

    def proxy_url(self, port: int) -> str:
        raise AssertionError("el panel no abre ninguna página")

    def gpu(self) -> str | None:
        return None


class Desk:
    """A panel and the means to use it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folders = Folders(folder / "sdcolab")
        self.host = FakeHost(folder)
        self.environ = {**environ, "CIVITAI_TOKEN": TOKEN}
        self.said: list[str] = []
        self.panel: Panel | None = None
        self.options = StartOptions()
        self.missing: list[MissingDownload] = []
        self.fetched: tuple[Downloaded, ...] = ()
        self.cards = 0

    def open(self) -> Panel:
        def make_download(tokens: Mapping[str, str]) -> Callable[..., tuple[Downloaded, ...]]:
            def run(text: str, listener: Listener, cancel: CancelToken) -> tuple[Downloaded, ...]:
                return self.fetched

            return run

        together = Collaborators(
            host=self.host,
            folders=self.folders,
            model_link=lambda name: "https://civitai.com/models/1",
            make_download=make_download,
            open_library=self.library,
            tasks=TASKS,
            open_studio=lambda library, engines, environ: replace(
                studio_with(self.folders, library, engines, environ),
                native_size=lambda model: 768 if "xl" in model.name else 512,
            ),
            missing_downloads=lambda: self.missing,
            cards=lambda: self.cards,
            engine_command=(sys.executable, str(PAINTER), str(self.folders.root)),
            engine_restart=RestartPolicy((0.1,), 20.0, 4),
            environ=self.environ,
            say=self.said.append,
        )
        news: queue.SimpleQueue[DriveNews] = queue.SimpleQueue()
        roster = Roster(self.folders.root / ".sesion")
        preparation = Preparation(self.options, together, roster, news.put, CancelToken())
        preparation.run()
        self.panel = Panel(ipywidgets, together, preparation, roster, news)
        self.panel.open(lambda box: None)
        return self.panel

    def library(self, chosen: Path | None) -> Library:
        first = () if chosen is None else (ModelFile(ModelKind.CHECKPOINT, chosen.name, chosen),)
        return Library(self.folders, first=first)

    def add_model(self, name: str) -> Path:
        path = self.folders.models(ModelKind.CHECKPOINT) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"modelo")
        return path

    def widget(self, description: str) -> Any:
        assert self.panel
        return find(self.panel.box, description)

    def press(self, description: str) -> None:
        self.widget(description).click()

    def text(self) -> str:
        assert self.panel
        return everything(self.panel.box)

    def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)


def walk(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def find(box: Any, description: str) -> Any:
    (found,) = [one for one in walk(box) if getattr(one, "description", None) == description]
    return found


def everything(box: Any) -> str:
    return "\n".join(str(one.value) for one in walk(box) if isinstance(getattr(one, "value", None), str))


@pytest.fixture
def desk(tmp_path: Path, child_environ: dict[str, str]) -> Iterator[Desk]:
    made = Desk(tmp_path, child_environ)
    yield made
    if made.panel:
        made.panel.close()


def test_from_the_form_to_the_gallery(desk: Desk) -> None:
    drive = desk.folders.root.parent / "MyDrive"
    drive.mkdir()
    desk.host.drive = drive
    desk.options = StartOptions(images_to_drive=True, settings_to_drive=True)
    desk.add_model("gato.safetensors")
    desk.open()
    desk.widget("Prompt").value = "un gato <b>"
    desk.widget("Pasos").value = 2
    desk.widget("Ancho").value = desk.widget("Alto").value = 64
    desk.widget("Cantidad de lotes").value = 2
    desk.widget("Semilla").value = "7"
    desk.press("🎨 Generar")
    desk.until(lambda: "2 imágenes listas" in desk.text())
    assert "2 de 2 · 00001-8.png" in desk.text()
    assert "un gato <b>\nSteps: 2" in desk.widget("Datos").value
    assert "Model: gato" in desk.widget("Datos").value
    desk.press("◀ Anterior")
    assert "1 de 2 · 00000-7.png" in desk.text()
    desk.press("◀ Anterior")
    assert "2 de 2" in desk.text()
    desk.widget("Prompt").value = "otra cosa"
    desk.press("♻️ Usar sus datos")
    assert desk.widget("Prompt").value == "un gato <b>"
    assert desk.widget("Semilla").value == "8"
    desk.until(lambda: len(list((drive / "sdcolab" / "outputs").rglob("*.png"))) == 2)
    desk.until((drive / "sdcolab" / "config" / FILE_NAME).exists)

    # Reopened: the same form.
    assert desk.panel
    desk.panel.close()
    desk.open()
    assert desk.widget("Prompt").value == "un gato <b>"
    assert desk.widget("Semilla").value == "7"


def test_numbers_come_without_the_slider_s_noise(desk: Desk) -> None:
    """A browser's slider counts steps: 70 of a tenth are 7.000000000000001."""
    desk.open()
    desk.widget("CFG").value = 70 * 0.1
    desk.press("🎨 Generar")
    desk.until(lambda: "1 imagen lista" in desk.text())
    assert "CFG scale: 7," in desk.widget("Datos").value


def test_what_cannot_be_read_of_a_prompt_is_told_once_while_it_is_typed(desk: Desk) -> None:
    desk.open()
    desk.widget("Prompt").value = "(gato:1.2.3)"
    desk.until(lambda: "No se entiende «(gato:1.2.3)»" in desk.text())
    assert desk.text().count("No se entiende") == 1
    desk.widget("Prompt").value = "gato"
    desk.until(lambda: "No se entiende" not in desk.text())
    desk.press("↙️ Leer los datos del prompt")
    assert "El texto no trae parámetros" in desk.text()


def test_a_sampler_chosen_with_its_schedule_shows_both(desk: Desk) -> None:
    desk.open()
    desk.widget("Sampler").value = "DPM++ 2M Karras"
    assert (desk.widget("Sampler").value, desk.widget("Schedule").value) == ("DPM++ 2M", "Karras")


def test_what_does_nothing_is_told_before_generating(desk: Desk) -> None:
    panel = desk.open()
    desk.widget("Prompt").value = "{rojo|azul} (gato:1,2)"
    assert "El signo {…|…} no hace nada aquí" in desk.text()
    assert "lleva coma" in desk.text()
    panel._form.scripts.choose("dynamic")
    assert "no hace nada aquí" not in desk.text() and "lleva coma" in desk.text()
    desk.widget("Prompt").value = "gato"
    assert "lleva coma" not in desk.text()


def test_the_pictures_of_jobs_that_were_forgotten_leave_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        def run(self, *_values: Any) -> None: ...

    monkeypatch.setattr(ledger, "MAX_REMEMBERED", 1)
    jobs = JobQueue(TASKS, {Place.ENGINE: (Worker(),)})
    drawn = JobsView(ipywidgets, jobs, lambda _: None, lambda _: None, lambda: None, Notes(ipywidgets, str))
    given: list[weakref.ref[Image.Image]] = []
    for _ in range(3):
        picture = Image.new("RGB", (8, 8))
        given.append(weakref.ref(picture))
        jobs.order(Detect((picture,), "canny"))[1].result(10)
        del picture
        drawn.look()
    gc.collect()
    assert [one() is None for one in given] == [True, True, False]
    jobs.close(1)


def test_two_cards_are_two_engines(desk: Desk) -> None:
    desk.cards = 2
    desk.open()
    desk.until(lambda: {path.name for path in desk.folders.temporary.glob("motor*")} == {"motor-0", "motor-1"})
    desk.widget("Prompt").value = "gato"
    desk.press("🎨 Generar")
    desk.press("🎨 Generar")
    desk.until(lambda: len(list(desk.folders.outputs.rglob("*.png"))) == 2)


def test_play_again_goes_on_with_the_queue(desk: Desk) -> None:
    first = desk.open()
    for prompt in ("lento", "segundo", "tercero"):
        desk.widget("Prompt").value = prompt
        desk.press("🎨 Generar")
    desk.until(lambda: "· 2 en espera" in desk.text())
    first.close()
    assert [task.request.prompt for task in first.unfinished if isinstance(task, Generate)] == [
        "lento",
        "segundo",
        "tercero",
    ]
    again = desk.open()
    assert len(offered(desk.folders.config, TASKS)) == 3  # had it not opened, they would be offered
    again.go_on(first.unfinished[1:])
    desk.until(lambda: len(list(desk.folders.outputs.rglob("*.png"))) == 2)
    assert "▶️ La cola sigue con los 2 trabajos que quedaban." in desk.text()
    assert [entry.task for entry in offered(desk.folders.config, TASKS)] == [first.unfinished[0]]


def test_the_engine_dies_and_comes_back(desk: Desk) -> None:
    desk.open()
    desk.widget("Prompt").value = "muere"
    desk.press("🎨 Generar")
    desk.widget("Prompt").value = "un gato"
    desk.press("🎨 Generar")
    desk.until(lambda: "1 imagen lista" in desk.text())
    assert desk.text().count(str(explain(EngineKilled()))) == 1
    assert desk.widget("Prompt").value == "un gato"


def test_interrupting(desk: Desk) -> None:
    desk.open()
    desk.widget("Prompt").value = "lento"
    desk.press("🎨 Generar")
    desk.press("🎨 Generar")
    desk.until(lambda: "Generando · paso" in desk.text())
    assert "1 en espera" in desk.text()
    desk.press("⏹️ Interrumpir")
    desk.until(lambda: "⏹️ Interrumpido." in desk.text())
    desk.until(lambda: "Generando · paso" in desk.text())  # the one that waited
    desk.press("⏹️ Interrumpir")
    desk.until(lambda: desk.widget("⏹️ Interrumpir").disabled)
    assert "<b>" not in state_line(JobSnapshot(1, Generate(GenerationRequest()), detail="<b>"), 0)


def test_a_paused_queue_says_where_it_goes_on(desk: Desk) -> None:
    desk.open()
    assert desk.panel is not None
    jobs = desk.panel._jobs
    jobs.pause()
    desk.press("🎨 Generar")
    desk.until(lambda: HELD in desk.text())
    jobs.resume()
    desk.until(lambda: HELD not in desk.text())


def test_emptying_the_queue(desk: Desk) -> None:
    desk.open()
    assert desk.widget("🗑️ Vaciar la cola").disabled
    desk.widget("Prompt").value = "lento"
    for _ in range(3):
        desk.press("🎨 Generar")
    desk.until(lambda: "2 en espera" in desk.text())
    desk.until(lambda: not desk.widget("🗑️ Vaciar la cola").disabled)
    desk.press("🗑️ Vaciar la cola")
    assert "🗑️ Cola vaciada: 2 en espera quitados." in desk.text()
    desk.until(lambda: desk.widget("🗑️ Vaciar la cola").disabled)
    assert not desk.widget("⏹️ Interrumpir").disabled  # the one that runs goes on
    desk.press("⏹️ Interrumpir")
    desk.until(lambda: desk.widget("⏹️ Interrumpir").disabled)


def test_wrong_values_are_explained(desk: Desk) -> None:
    desk.open()
    desk.widget("Semilla").value = "muchas"
    desk.press("🎨 Generar")
    assert str(explain(FieldNotNumber(field="seed", value="muchas"))) in desk.text()


def test_what_fails_at_once_is_still_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = desk.open()
    panel.notes("❌ lo de antes")
    monkeypatch.setattr(panel._form, "generate", lambda: panel.notes("❌ la unidad 1 no tiene modelo"))
    desk.press("🎨 Generar")
    assert "❌ la unidad 1 no tiene modelo" in desk.text() and "lo de antes" not in desk.text()


def test_models_and_downloads(desk: Desk) -> None:
    desk.add_model("aaa.safetensors")
    chosen = desk.add_model("zzz_xl.safetensors")
    desk.fetched = (Downloaded("zzz_xl.safetensors ✅", chosen, ModelKind.CHECKPOINT),)
    desk.options = StartOptions(model="zzz")
    desk.open()
    assert desk.widget("Modelo").value == "zzz_xl.safetensors"  # the one chosen in the cell, not the first
    assert desk.widget("Ancho").value == 768
    desk.widget("Modelo").value = "aaa.safetensors"
    assert desk.widget("Ancho").value == desk.widget("Alto").value == 512
    desk.add_model("otro <b>.safetensors")
    desk.press("🔃 Actualizar")
    assert "otro <b>.safetensors" in desk.widget("Modelo").options
    assert desk.widget("Modelo").value == "aaa.safetensors"


@pytest.fixture
def civitai(desk: Desk) -> Iterator[CivitaiServer]:
    """Somewhere to download from, for whoever shows the notebook's token."""
    flower = CivitaiFile("flor <i>.safetensors", safetensors_bytes(LORA_SHAPES), needs_token=True)
    with CivitaiServer({2: flower}, TOKEN) as server:
        desk.environ["SDCOLAB_CIVITAI_URL"] = server.url
        yield server


def test_downloads_are_jobs_whoever_asks_for_them(desk: Desk, civitai: CivitaiServer) -> None:
    panel = desk.open()
    panel._tabs.open("descargas")
    desk.press("📥 Descargar")
    assert f"{NO_LINKS} {PASTE_LINKS}" in html.unescape(desk.text())
    panel._downloads.links.value = "https://civitai.com/api/download/models/2"
    desk.press("📥 Descargar")
    desk.until(lambda: "flor" in desk.text() and "✅" in panel._downloads._told.value)
    assert "<i>" not in panel._downloads._told.value
    (job,) = panel._jobs.jobs(Place.HERE)
    assert isinstance(job.task, Download) and job.snapshot.by is Origin.PANEL
    assert desk.widget(CANCEL).disabled
    desk.until(lambda: any("flor" in str(name) for name in desk.widget("LoRA").options))
    (file,) = desk.folders.models(ModelKind.LORA).glob("flor*.safetensors")
    file.unlink()
    panel._studio.submit(job.task, Origin.PANEL)  # as the room of the guide does
    desk.until(lambda: panel._downloads._told.value.count("✅") == 2)


def test_what_is_missing_is_fetched_with_one_tap(desk: Desk, civitai: CivitaiServer) -> None:
    panel = desk.open()
    name = "R-ESRGAN 4x+"
    fetch = panel.notes._fetch
    assert fetch.layout.display == "none"
    desk.widget("Hires fix").value = True
    (upscaler,) = [one for one in walk(panel._form.box) if name in str(getattr(one, "options", ""))]
    upscaler.value = name
    assert f"«{name}» todavía no está" in html.unescape(desk.text())
    assert fetch.layout.display == "flex" and name in fetch.description
    panel.notes.forget_troubles()
    assert fetch.layout.display == "none"
    panel.notes.trouble(NotDownloaded(name=name, kind="upscaler"))
    fetch.click()
    (job,) = panel._jobs.jobs(Place.HERE)
    assert isinstance(job.task, Download) and "RealESRGAN_x4plus" in job.task.links
    assert DOWNLOAD_ASKED.format(names=name) in html.unescape(desk.text())


def test_a_download_can_be_cancelled(desk: Desk, civitai: CivitaiServer) -> None:
    civitai.storage.faults += [Fault(stall_after=100, stall=20.0)] * 20
    panel = desk.open()
    panel._tabs.open("descargas")
    panel._downloads.links.value = "https://civitai.com/api/download/models/2"
    desk.press("📥 Descargar")
    desk.until(lambda: not desk.widget(CANCEL).disabled)
    desk.add_model("gato.safetensors")
    desk.press("🔃 Actualizar")
    desk.widget("Semilla").value = "7"
    desk.press("🎨 Generar")
    desk.until(lambda: "1 imagen lista" in desk.text())
    assert desk.widget("🗑️ Vaciar la cola").disabled  # nothing waits for the engine
    desk.press(CANCEL)
    desk.until(lambda: desk.widget(CANCEL).disabled)
    assert not list(desk.folders.models(ModelKind.LORA).glob("flor*.safetensors"))


def test_the_first_model_that_comes_is_chosen(desk: Desk) -> None:
    """Without network there is no model at all; the user puts one in its folder and looks again."""
    panel = desk.open()
    assert desk.widget("Modelo").value is None
    desk.add_model("gato.safetensors")
    desk.press("🔃 Actualizar")
    assert desk.widget("Modelo").value == "gato.safetensors"
    blank = [
        one for one in walk(panel.box) if isinstance(one, ipywidgets.Dropdown) and one.options and one.index is None
    ]
    assert not [one.description for one in blank]
    desk.press("🎨 Generar")
    desk.until(lambda: "1 imagen lista" in desk.text())


def test_a_tab_is_made_when_it_is_opened_first(desk: Desk) -> None:
    panel = desk.open()
    first = list(walk(panel.box))
    for tab in LAYOUT.tabs:
        panel._tabs.open(tab.id)
        shown = [box for box in panel._tabs.body.children if box.layout.display != "none"]
        assert len(shown) == 1 and panel._tabs.tab is tab
    assert len(list(walk(panel.box))) > 2 * len(first)
    made = list(walk(panel.box))
    panel._tabs.open("extras")
    assert list(walk(panel.box)) == made, "once"


def test_closing_ends_what_the_gallery_opened(desk: Desk) -> None:
    panel = desk.open()
    before = set(threading.enumerate())
    panel._studio.rooms["galeria"].answers["state"]({})
    reading = [one for one in set(threading.enumerate()) - before if one.name == "sdcolab-galeria"]
    assert reading
    panel.close()
    assert not any(one.is_alive() for one in reading)


def test_close_and_save_everything(desk: Desk) -> None:
    drive = desk.folders.root.parent / "MyDrive"
    drive.mkdir()
    desk.host.drive = drive
    desk.options = StartOptions(images_to_drive=True)
    panel = desk.open()
    image = desk.folders.txt2img / "2026-11-22" / "00000-1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"gato")
    desk.press("💾 Cerrar y guardar todo")
    assert (drive / "sdcolab" / "outputs" / "txt2img-images" / "2026-11-22" / "00000-1.png").exists()
    assert desk.host.flushes == ["flush"]
    assert "confirmó que todo está subido" in desk.text()
    assert "El panel está cerrado" in desk.text()
    assert panel._engines[0].pid is None
    assert not list((desk.folders.root / ".sesion").glob("procesos-*.json"))


def test_closing_with_drive_unplugged_says_what_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcolab.colab.prepare.FLUSH_SECONDS", 0.5)
    drive = desk.folders.root.parent / "MyDrive"
    drive.mkdir()
    desk.host.drive = drive
    desk.options = StartOptions(images_to_drive=True)
    desk.open()
    drive.rename(drive.with_name("lejos"))
    image = desk.folders.txt2img / "2026-11-22" / "00000-1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"gato")
    desk.press("💾 Cerrar y guardar todo")
    assert "1 imagen no está todavía en tu Drive." in desk.text()
    assert "Para intentarlo otra vez, pulsa ▶️ en la celda «Cerrar y guardar todo»." in desk.text()
    assert desk.host.flushes == []
    assert "confirmó" not in desk.text()


def test_drive_that_does_not_confirm(desk: Desk) -> None:
    desk.host.flush_fails = True
    desk.open()
    desk.press("💾 Cerrar y guardar todo")
    assert str(explain(DriveFlushFailed())) in desk.text()


def test_no_secret_is_written_or_shown(desk: Desk) -> None:
    desk.open()
    desk.press("🎨 Generar")
    desk.until(lambda: "imagen lista" in desk.text())
    assert TOKEN not in desk.text() + "\n".join(desk.said)
    assert "🔑 Claves encontradas: CIVITAI_TOKEN" in desk.said
    for path in desk.folders.root.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert desk.panel
    pid = desk.panel._engines[0].pid
    assert TOKEN not in Path(f"/proc/{pid}/environ").read_text()  # the engine never downloads


def test_the_report_in_one_click(desk: Desk) -> None:
    desk.open()
    desk.folders.logs.mkdir(parents=True, exist_ok=True)
    (desk.folders.logs / "interfaz.log").write_text(f"clave {TOKEN}")
    desk.press("🩺 Guardar informe")
    assert 'download="informe-sdcolab.zip" href="data:application/zip;base64,' in desk.text()
    with zipfile.ZipFile(desk.folders.root / "informe-sdcolab.zip") as report:
        assert not any(TOKEN.encode() in report.read(name) for name in report.namelist())


def test_what_another_session_had_is_offered(desk: Desk) -> None:
    desk.missing = [MissingDownload("https://civitai.com/models/2", "gato.safetensors")]
    desk.open()._tabs.open("descargas")
    assert "https://civitai.com/models/2" in desk.text()
    assert "📦 En otra sesión descargaste también: gato.safetensors." in "\n".join(desk.said)


def test_what_the_page_left_is_shown_and_can_be_turned_off(desk: Desk) -> None:
    last_form = LastForm(desk.folders.config)
    desk.folders.config.mkdir(parents=True)
    left = GenerationRequest(
        "una isla", steps=2, tiling=True, hires=Hires(scale=1.5), variation=Variation(strength=0.5)
    )
    last_form.save(left)
    panel = desk.open()
    assert find(panel._form.box, "Ampliar por").value == 1.5  # of hires: its section is open, since it is on
    desk.press("▸ Avanzado")
    assert desk.widget("Mosaico sin bordes").value is True
    desk.widget("Mosaico sin bordes").value = False
    desk.press("🎨 Generar")
    done = last_form.load()
    assert done
    assert (done.request.steps, done.request.tiling, done.request.variation.strength) == (2, False, 0.5)
    assert done.request.hires is not None and done.request.hires.scale == 1.5
    desk.widget("Hires fix").value = False
    desk.press("🎨 Generar")
    done = last_form.load()
    assert done and done.request.hires is None


def test_the_script_of_the_last_session_is_chosen_with_its_settings(desk: Desk) -> None:
    desk.folders.config.mkdir(parents=True)
    LastForm(desk.folders.config).save(GenerationRequest("una isla"), script=PromptLines("uno\ndos"))
    scripts = desk.open()._form.scripts
    assert (scripts.chosen, scripts.values["text"]) == ("lines", "uno\ndos")


def test_outside_a_notebook_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sdcolab; sdcolab.panel()"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "SDCOLAB_CARPETA": str(tmp_path)},
        timeout=60,
        check=True,
    )
    assert str(explain(NoWidgets())) in done.stdout
    assert done.stdout.count("\n") == 1


def uploaded(name: str, data: bytes) -> tuple[dict[str, Any], ...]:
    return ({"name": name, "type": "image/png", "size": len(data), "content": data, "last_modified": NOW},)


NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def png(colour: str, size: tuple[int, int] = (96, 64), text: str = "") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG", pnginfo=png_text(text) if text else None)
    return data.getvalue()


def mask_url() -> str:
    mask = Image.new("L", (96, 64))
    mask.paste(255, (10, 10, 40, 30))
    data = io.BytesIO()
    mask.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def test_every_field_of_the_layout_is_drawn(desk: Desk) -> None:
    panel = desk.open()
    for one in [one for one in walk(panel.box) if str(getattr(one, "description", "")).startswith("▸ ")]:
        if one.description != "▸ Más opciones":
            one.click()
    for one in [one for one in walk(panel.box) if isinstance(one, ipywidgets.Checkbox)]:
        one.value = True
    while folded := [one for one in walk(panel.box) if str(getattr(one, "description", "")).startswith("▸ ")]:
        folded[0].click()
    shown = {getattr(one, "description", "") for one in walk(panel.box)}
    painted = {path for path in LAYOUT.form_paths() if control_of(FIELDS[path]) in (Control.MASK, Control.DRAW)}
    assert {FIELD_LABELS[path] for path in set(LAYOUT.form_paths()) - painted} <= shown
    assert all(FIELD_LABELS[path] in desk.text() for path in painted)
    assert [one for one in walk(panel.box) if type(one).__name__ == "Canvas"], "the mask's surface"


def test_img2img_inpaint_and_enlarging_by_widgets(desk: Desk) -> None:
    panel = desk.open()
    requests: list[GenerationRequest] = []
    tasks: list[Any] = []
    submit = panel._studio.jobs.submit

    def spy(task: Any, by: Origin) -> Any:
        tasks.append(task)
        return submit(task, by)

    panel._studio.jobs.submit = spy  # type: ignore[method-assign]
    desk.widget("Prompt").value = "retocada"
    panel._tabs.open("img2img")
    desk.press("🎨 Generar")
    assert str(explain(InitImageMissing())) in desk.text()
    desk.widget("Imagen inicial").value = uploaded("foto.png", png("teal"))
    desk.press("📐 Usar el tamaño de la imagen")
    assert (desk.widget("Ancho").value, desk.widget("Alto").value) == (96, 64)
    desk.widget("Inpaint: pintar solo una parte").value = True
    (canvas,) = [one for one in walk(panel.box) if type(one).__name__ == "Canvas"]
    assert canvas.picture == png("teal")
    canvas.value = mask_url()
    desk.press("🎨 Generar")
    requests = [task.request for task in tasks]
    init = requests[-1].init
    assert init is not None and init.inpaint is not None
    assert (init.images[0].size, init.inpaint.mask.getbbox()) == ((96, 64), (10, 10, 40, 30))
    panel._tabs.open("txt2img")
    assert desk.widget("Ancho").value == 512, "each way of making a picture has its own size"

    panel._tabs.open("extras")
    desk.widget("Imágenes que quieres ampliar").value = uploaded("a.png", png("red", text="un gato"))
    desk.press("▶️ Ampliar")
    assert (tasks[-1].code, tasks[-1].infotexts) == ("enlarge", ("un gato",))
    assert "sd-elsewhere" in panel._right._dom_classes, "nothing of its own yet beside this tool"

    panel._tabs.open("pnginfo")
    told = png("plum", (136, 88), "un zorro\nSteps: 9, Sampler: DDIM, Seed: 5")
    desk.widget("Elegir una imagen").value = uploaded("b.png", told)
    assert desk.widget("Datos guardados").value.startswith("un zorro")
    desk.press("Enviar a txt2img")
    assert (panel._tabs.tab.id, desk.widget("Prompt").value, desk.widget("Pasos").value) == ("txt2img", "un zorro", 9)
    assert "sd-elsewhere" not in panel._right._dom_classes
    desk.widget("Semilla").value, desk.widget("Pasos").value = "-1", 3
    panel._form.form.fill({"control.0": True, "control.0.kind": "Canny"})
    panel._tabs.open("pnginfo")
    desk.press("Enviar a img2img")
    assert panel._form.form.values["control.0.kind"] == "Canny", "what the text lacks stays as it was"
    chosen = desk.widget("Imagen inicial")
    assert len(chosen.value) == 1, "its button counts the picture that was sent"
    assert (panel._tabs.tab.id, desk.widget("Semilla").value, desk.widget("Pasos").value) == ("img2img", "5", 9)


def test_a_picture_sent_to_control_and_its_type(desk: Desk) -> None:
    for name in ("control_v11p_sd15_canny", "control_v11f1p_sd15_depth"):
        model = desk.folders.models(ModelKind.CONTROLNET) / f"{name}.safetensors"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(b"x")
    panel = desk.open()
    panel._tabs.open("pnginfo")
    desk.widget("Elegir una imagen").value = uploaded("b.png", png("plum"))
    desk.press(SEND_TO_CONTROL)
    assert panel._tabs.tab.id == "txt2img"
    desk.press("▸ ControlNet · 1 en uso")
    form = panel._form.form
    assert (form.values["control.0"], form.values["control.0.images"]) == (True, [png("plum")])
    desk.widget("Tipo de control (Control Type)").value = "Canny"
    numbers = [form.values[f"control.0.threshold_{one}"] for one in ("a", "b")]
    assert numbers == [100, 200], "those of the preprocessor, as the page sends them"
    desk.widget("Tipo de control (Control Type)").value = "Depth"
    assert form.values["control.0.module"] == "depth_midas"
    model = form.fields["control.0.model"].box
    assert [value for _, value in model.options] == ["", "control_v11f1p_sd15_depth.safetensors"]
    assert model.value == "control_v11f1p_sd15_depth.safetensors"
    assert "dpt_hybrid-midas" in desk.text()
    desk.press("▸ Más opciones de la unidad")
    desk.widget("Tipo de control (Control Type)").value = "Canny"
    slider = desk.widget("Umbral alto")
    assert (slider.min, slider.max, slider.value) == (1, 255, 200)
    assert slider.description_tooltip == "Umbral alto", "and not how to leave it to the preprocessor"
    slider.value = 90
    panel._form.refresh()
    assert slider.value == 90, "what the user chose stays where files are looked for"
    assert [value for _, value in model.options] == ["", "control_v11p_sd15_canny.safetensors"], "still of its type"
    desk.press(f"💥 {SHOW_MAP}")
    (task,) = [job.task for job in panel._studio.jobs.jobs() if isinstance(job.task, Detect)]
    assert (task.module, task.threshold_b) == ("canny", 90)
    form.fields["control.0.module"].box.value = "none"
    form.fields["control.0.module"].box.value = "canny"
    assert slider.value == 200, "another preprocessor begins at its own numbers"
    form.fill({"control.0.images": [], "control.0.module": "scribble_xdog", "control.0.threshold_a": 40})
    assert form.values["control.0.threshold_a"] == 40, "and one that a text brings, at those of the text"
    desk.press(f"💥 {SHOW_MAP}")
    assert "Falta la imagen de muestra de ControlNet 1" in desk.text()
    form.fields["control.0.title"].put("la pose")
    assert desk.widget("ControlNet 1 · la pose").value is True
    folds = [one for one in walk(panel.box) if getattr(one, "tooltip", "") == FOLD_UNIT]
    (fold,) = [one for one in folds if one.layout.display != "none"]
    (unit,) = [one for one in walk(panel.box) if fold in getattr(one, "children", ())]
    (body,) = [one.children[1] for one in walk(panel.box) if unit in getattr(one, "children", ())]
    fold.value = False
    assert (body.layout.display, fold.description, form._switches["control.0"].value) == ("none", "▸", True)
    fold.value = True
    assert body.layout.display == "flex"
    form.fill({"control.1": True})
    form.fill({"control.1.module": "mlsd"})
    desk.press("▸ Más opciones de la unidad")
    assert desk.widget("Umbral de distancia").value == 0.1, "its own names, also where it is opened later"
    assert desk.widget("▾ ControlNet · 2 en uso")


def test_models_that_do_not_go_with_the_chosen_one_say_so_in_a_unit(desk: Desk) -> None:
    attention = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    hint = {"control_model.input_hint_block.0.weight": (1, 3, 3, 3)}
    for name, width in (("uno", 768), ("xl", 2048)):
        control = safetensors_bytes(hint | {f"control_model.{attention}": (1, width)})
        checkpoint = safetensors_bytes({f"model.diffusion_model.{attention}": (1, width)})
        for kind, content in ((ModelKind.CONTROLNET, control), (ModelKind.CHECKPOINT, checkpoint)):
            place = desk.folders.models(kind) / f"{name}.safetensors"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    form = desk.open()._form.form
    form.fill({"control.0": True, "checkpoint": "uno.safetensors"})
    desk.press("▸ ControlNet · 1 en uso")
    model = form.fields["control.0.model"].box
    fits, misfits = ["uno.safetensors", "xl.safetensors"], "⚠️ {} (no va con este modelo)"
    assert [text for text, _ in model.options] == ["Ninguno", fits[0], misfits.format(fits[1])]
    model.value = "xl.safetensors"
    form.fields["checkpoint"].box.value = "xl.safetensors"
    assert [text for text, _ in model.options] == ["Ninguno", fits[1], misfits.format(fits[0])]
    assert model.value == "xl.safetensors"


def test_looking_again_tells_what_is_no_model(desk: Desk) -> None:
    desk.open()
    desk.add_model("flux-Q4.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    desk.press("🔃 Actualizar")
    assert "«flux-Q4.gguf» está en su carpeta, pero no se puede usar: está en formato GGUF" in desk.text()


def test_what_is_drawn_is_a_scribble_until_something_is_chosen(desk: Desk) -> None:
    model = desk.folders.models(ModelKind.CONTROLNET) / "control_v11p_sd15_scribble.safetensors"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"x")
    panel = desk.open()
    form = panel._form.form
    form.fill({"control.0": True})
    desk.press("▸ ControlNet · 1 en uso")
    canvas = form.fields["control.0.drawing"]._canvas
    drawn = f"data:image/png;base64,{base64.b64encode(png('white')).decode()}"
    canvas.value = drawn
    assert form.values["control.0.kind"] == "Scribble/Sketch"
    assert form.values["control.0.module"] == "scribble_xdog"
    assert form.values["control.0.model"] == "control_v11p_sd15_scribble.safetensors"
    form.fields["control.0.kind"].box.value = "Canny"
    canvas.value = None
    canvas.value = drawn
    assert form.values["control.0.kind"] == "Canny"


def test_a_unit_that_changes_nothing_is_told(desk: Desk) -> None:
    panel = desk.open()
    desk.press("▸ ControlNet")
    panel._form.form.fill({"control.0": True, "control.0.start": 0.8, "control.0.end": 0.2})
    panel._form.form.fill({"control.2": True, "control.2.weight": 0})
    assert "ControlNet 1 y 3 no cambia nada" in desk.text()


def test_latent_couple_is_told_while_it_is_on_and_ended_with_one_press(desk: Desk) -> None:
    panel = desk.open()
    panel._form.form.fill({"regions": True, "prompt": "calle AND gato"})
    assert "Latent Couple está activado: 2 partes del prompt se dibujan solo en su zona." in desk.text()
    desk.press("Desactivar Zonas (Latent Couple)")
    assert panel._form.form.values["regions"] is False
    assert "Latent Couple está activado" not in desk.text()


def test_styles_lora_and_defaults(desk: Desk) -> None:
    lora = desk.folders.models(ModelKind.LORA) / "Lineas.safetensors"
    lora.parent.mkdir(parents=True)
    lora.write_bytes(b"lora")
    panel = desk.open()
    desk.widget("Prompt").value = "obra maestra, {prompt}"
    panel._form.styles.name.value = "Bonito"
    desk.press("💾 Guardar estilo")
    assert desk.widget("Estilos").options == ("Bonito",)
    desk.widget("Prompt").value = "un gato"
    desk.widget("Estilos").value = ("Bonito",)
    desk.press("📋 Pasar al prompt")
    assert desk.widget("Prompt").value == "obra maestra, un gato"
    desk.widget("LoRA").value = "Lineas"
    assert desk.widget("Prompt").value == "obra maestra, un gato, <lora:Lineas:1>"
    desk.widget("Estilos").value = ("Bonito",)
    desk.press("🗑️ Borrar estilos")
    assert desk.widget("Estilos").options == ()


def test_a_tiff_is_seen_and_called_by_its_name(desk: Desk) -> None:
    panel = desk.open()
    panel._tabs.open("pnginfo")
    data = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(data, "TIFF")
    (chooser,) = [one for one in walk(panel.box) if getattr(one, "description", "") == CHOOSE_PICTURE]
    chooser.value = uploaded("foto.tif", data.getvalue())
    assert "«foto.tif» no contiene datos" in desk.text()
    shown = [one.value for one in walk(panel.box) if isinstance(one, ipywidgets.Image) and one.value]
    assert [one[:4] for one in shown] == [b"\x89PNG"]


def test_uploads_of_both_generations_of_ipywidgets() -> None:
    assert panel_uploaded({"a.png": {"content": b"1"}, "b.png": {"content": b"2"}}) == [b"1", b"2"]
    assert panel_uploaded(({"name": "a.png", "content": memoryview(b"1")},)) == [b"1"]
    assert panel_uploaded(()) == []
