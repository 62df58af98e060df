"""The room of the session: what a lost one left, what takes room on the disk, and the settings as one file."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sdcolab.core import kept
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotWrite, NotOurSettings, StrangeQuestion
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.preferences import FILE_NAME as PREFERENCES_NAME
from sdcolab.core.preferences import Preferences, PreferencesFile
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.rooms import ask
from sdcolab.core.scripts import Grid
from sdcolab.core.settings import FILE_NAME as SETTINGS_NAME
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import Download, Generate, Origin, Place, Task
from sdcolab.core.words.session import EXPORTED_WITHOUT, NOTHING_INSIDE, SPACE_GROUPS
from sdcolab.studio import bundle, last_form, pending, space
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.journal import JobJournal, JournalEntry
from sdcolab.studio.pending import OFFERED, WAITING, PendingJournal
from sdcolab.studio.plans import LeftPlan, continued
from sdcolab.studio.session_room import Absent, SessionRoom
from sdcolab.web.rooms import MAX_QUESTION_BYTES
from sdcolab.wiring.studio import Workplace, build_studio, studio_with
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.voices import HumanVoice
from sdcolab.wiring.web import WebOptions, _workplace

GATO = Generate(GenerationRequest(prompt="gato"))


def entry(number: int, task: Task = GATO, *, journal: JobJournal) -> JournalEntry:
    return JournalEntry(number, task, Origin.PAGE, False, journal.written(task))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "sdcolab")


PLAN = LeftPlan("a/b.plan", "X/Y/Z plot", 3, 9, datetime.datetime(2026, 1, 2, 3, 4), job="nueve")


class House:
    """The room and what it queued."""

    def __init__(self, folders: Folders) -> None:
        self.queued: list[Task] = []
        self.absent = (Absent("https://a/x", "x.safetensors", 50_000_000), Absent("https://a/y", "y.pt", None))
        self.room = SessionRoom(folders, TASKS, lambda: self.absent, lambda: PLAN, continued, self.queued.append)

    def ask(self, question: str, **said: Any) -> Any:
        return ask({"sesion": self.room}, "sesion", question, said)


def test_only_a_form_that_was_filled_in_is_said_to_be_kept(folders: Folders) -> None:
    house = House(folders)
    assert house.ask("left")["form"] is False
    folders.config.mkdir(parents=True)
    (folders.config / last_form.FILE_NAME).write_text("{}", encoding="utf-8")
    assert house.ask("left")["form"] is True


def test_what_was_not_done_outlives_the_machine_and_is_offered(folders: Folders) -> None:
    journal = PendingJournal(folders.config, TASKS)
    assert journal.read() == ()
    journal.write([entry(1, journal=journal), entry(2, Download("https://a/x"), journal=journal)])
    pending.set_aside(folders.config, TASKS)
    assert json.loads((folders.config / WAITING).read_text()) == []
    house = House(folders)
    left = house.ask("left")
    assert left["plan"]["name"] == "a/b.plan"
    assert "(3 de 9 imágenes hechas, 02/01 03:04)" in left["plan"]["told"]
    assert left["tasks"] == ["Generar imágenes: gato", "Descargar"]
    assert [one["time"] for one in left["absent"]] == ["2 s", ""]
    pending.set_aside(folders.config, TASKS)  # another start without anything new keeps offering it
    house.ask("resume")
    assert house.queued == [GATO, Download("https://a/x")]
    assert house.ask("left")["tasks"] == []
    assert json.loads((folders.config / OFFERED).read_text()) == []  # Drive hears of it


OTHER = """
import sys
from pathlib import Path
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import Generate, Origin
from sdcolab.studio import pending
from sdcolab.studio.journal import JournalEntry
from sdcolab.wiring.tasks import TASKS

folder = Path(sys.argv[1])
pending.set_aside(folder, TASKS)
journal = pending.PendingJournal(folder, TASKS)
task = Generate(GenerationRequest(prompt=sys.argv[2]))
journal.write([JournalEntry(1, task, Origin.PAGE, False, journal.written(task))])
print("escrito", flush=True)
sys.stdin.read()
"""


def test_programs_open_at_once_do_not_take_each_other_s_work(folders: Folders) -> None:
    def opened(prompt: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OTHER, str(folders.config), prompt]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "escrito\n"
        return process

    def told() -> list[str]:
        entries = pending.offered(folders.config, TASKS)
        return [entry.task.request.prompt for entry in entries if isinstance(entry.task, Generate)]

    folders.config.mkdir(parents=True)
    first, second = opened("gato"), opened("perro")
    pending.set_aside(folders.config, TASKS)
    assert told() == []
    for process in (first, second):  # as when the machine is lost
        process.kill()
        process.wait()
        pending.set_aside(folders.config, TASKS)
    assert told() == ["gato", "perro"]
    pending.set_aside(folders.config, TASKS)
    assert told() == ["gato", "perro"]
    assert b"gato" not in bundle.exported(folders)[0]


def test_a_double_click_queues_what_was_left_once(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = PendingJournal(folders.config, TASKS)
    journal.write([entry(1, journal=journal)])
    pending.set_aside(folders.config, TASKS)
    house, settle, both = House(folders), pending.settle, threading.Barrier(2)

    def slow(*said: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        settle(*said)

    monkeypatch.setattr(pending, "settle", slow)
    with concurrent.futures.ThreadPoolExecutor(2) as clicks:
        list(clicks.map(house.ask, ("resume", "resume")))
    assert house.queued == [GATO]


def test_work_of_which_there_is_a_plan_is_offered_once(folders: Folders) -> None:
    begun, other = (Grid(GenerationRequest(prompt=name), name=name) for name in ("nueve", "otra"))
    journal = PendingJournal(folders.config, TASKS)
    journal.write([entry(number, task, journal=journal) for number, task in enumerate((begun, GATO, other))])
    pending.set_aside(folders.config, TASKS)
    house = House(folders)
    assert house.ask("left")["tasks"] == ["Generar imágenes: gato", "Script: cuadrículas y series: otra"]
    house.ask("resume")
    assert house.queued == [GATO, other]
    assert [one.task for one in pending.offered(folders.config, TASKS)] == [begun]
    for name in ("", "otra", "nueve"):
        pending.settle_plan(folders.config, TASKS, name)
    assert pending.offered(folders.config, TASKS) == ()


def test_several_lost_queues_are_offered_together_and_settled_one_by_one(folders: Folders) -> None:
    for prompt in ("gato", "perro"):
        journal = PendingJournal(folders.config, TASKS)
        journal.write([entry(1, Generate(GenerationRequest(prompt=prompt)), journal=journal)] * 2)
        journal.close()
        journal.write([])  # how a queue that is closed ends
        pending.set_aside(folders.config, TASKS)
    house = House(folders)
    assert house.ask("left")["tasks"] == ["Generar imágenes: gato"] * 2 + ["Generar imágenes: perro"] * 2
    pending.settle(folders.config, TASKS, [Generate(GenerationRequest(prompt="gato"))])
    assert house.ask("left")["tasks"] == ["Generar imágenes: gato"] + ["Generar imágenes: perro"] * 2
    house.ask("discard")
    assert house.ask("left")["tasks"] == []


def test_what_another_version_left_is_offered_no_more_once_it_was_taken_up(folders: Folders) -> None:
    journal = PendingJournal(folders.config, TASKS)
    journal.write([entry(1, journal=journal)])
    written = json.loads((folders.config / WAITING).read_text())
    del written[0]["task"]["request"]["tiling"]  # a field that it did not have
    (folders.config / WAITING).write_text(json.dumps(written), encoding="utf-8")
    journal.close()
    pending.set_aside(folders.config, TASKS)
    house = House(folders)
    house.ask("resume")
    assert house.queued == [GATO]
    assert house.ask("left")["tasks"] == []


def test_a_queue_that_ended_leaves_nothing(folders: Folders) -> None:
    inner = JobJournal(folders.root / "cola.json", TASKS)
    journal = PendingJournal(folders.config, TASKS, inner)
    journal.write([entry(1, journal=journal)])
    assert len(journal.read()) == 1
    journal.write([])
    pending.set_aside(folders.config, TASKS)
    assert pending.offered(folders.config, TASKS) == ()
    assert journal.read() == ()


def test_a_click_fetches_and_goes_on(folders: Folders) -> None:
    house = House(folders)
    house.ask("fetch", places=[1, 0])
    house.ask("grid", name="a/b.plan")
    assert house.queued == [Download("https://a/y\nhttps://a/x"), Grid(GenerationRequest(), plan=Path("a/b.plan"))]
    for question, said in (("fetch", {"places": [7]}), ("fetch", {"places": []}), ("grid", {"name": "a/otro.plan"})):
        with pytest.raises(StrangeQuestion):
            house.ask(question, **said)


def fill(folders: Folders) -> None:
    models = folders.models(ModelKind.CHECKPOINT)
    for path, size in (
        (models / "grande.safetensors", 3000),
        (models / "grande.json", 10),
        (models / "grande.civitai.info", 10),
        (models / "chico.ckpt", 20),
        (folders.outputs / "txt2img-images" / "00000-1.png", 500),
        (folders.set_aside / "malo.ckpt", 40),
        (folders.temporary / "gradio" / "viejo.webp", 60),
        (folders.temporary / "gradio" / "nuevo.webp", 70),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    (models / "de_drive.safetensors").symlink_to(folders.root / "lejos")
    hours_ago = time.time() - 7200
    os.utime(folders.temporary / "gradio" / "viejo.webp", (hours_ago, hours_ago))


def test_only_what_was_chosen_goes_and_never_a_picture(folders: Folders) -> None:
    fill(folders)
    house = House(folders)
    groups = {group["title"]: group["things"] for group in house.ask("space")["groups"]}
    models = groups[SPACE_GROUPS["checkpoint"]]
    assert [Path(one["name"]).name for one in models] == ["grande.safetensors", "chico.ckpt", "de_drive.safetensors"]
    assert models[2]["drive"]
    assert [one["deletable"] for one in groups[SPACE_GROUPS["outputs"]]] == [False]
    every = [thing["name"] for things in groups.values() for thing in things if "chico" not in thing["name"]]
    house.ask("delete", names=[*every, "../fuera", str(folders.outputs / "txt2img-images" / "00000-1.png")])
    left = sorted(path.name for path in folders.root.rglob("*") if path.is_symlink() or path.is_file())
    assert left == ["00000-1.png", "chico.ckpt", "de_drive.safetensors", "nuevo.webp"]
    with pytest.raises(StrangeQuestion):
        house.ask("delete", names=[1])


def test_a_download_that_ends_meanwhile_hides_nothing(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folders)
    part = folders.models(ModelKind.CHECKPOINT) / "nuevo.safetensors.12345678.parcial"
    part.write_bytes(b"x")
    files = space._files

    def then_gone(folder: Path) -> list[Path]:
        found = files(folder)
        if part in found and folder == folders.root:
            part.unlink()
        return found

    monkeypatch.setattr(space, "_files", then_gone)
    groups = {group["title"] for group in House(folders).ask("space")["groups"]}
    assert groups == {SPACE_GROUPS[name] for name in ("checkpoint", "aside", "temporary", "outputs")}


def test_a_page_on_a_pc_offers_what_the_last_one_had_not_done(folders: Folders) -> None:
    options = WebOptions(folders, one_process=True)
    first, _ = _workplace(options, HumanVoice())
    journal = PendingJournal(folders.config, TASKS)
    journal.write([entry(1, journal=journal)])  # and the power goes
    second, _ = _workplace(options, HumanVoice())
    assert [entry.task for entry in pending.offered(folders.config, TASKS)] == [GATO]
    for place in (first, second):
        place.close()


def test_every_group_has_its_words() -> None:
    assert {kind.value for kind in ModelKind} <= set(SPACE_GROUPS)


def test_settings_travel_as_one_file(folders: Folders, tmp_path: Path) -> None:
    folders.config.mkdir(parents=True)
    (folders.config / "configuracion.json").write_text('{"a": "ñ"}', encoding="utf-8")
    (folders.config / WAITING).write_text("[]")
    (folders.wildcards / "sub").mkdir(parents=True)
    (folders.wildcards / "sub" / "pelo.txt").write_text("rojo\nazul")
    given = House(folders).room.file("ajustes", bundle.BUNDLE_NAME)
    assert given is not None
    assert isinstance(given.content, bytes)
    other = Folders(tmp_path / "otra")
    (other.config).mkdir(parents=True)
    (other.config / "configuracion.json").write_text('{"a": 1}')
    said = House(other).ask("import", text=given.content.decode())
    assert "configuracion" in said
    assert json.loads((other.config / "configuracion.json").read_text(encoding="utf-8")) == {"a": "ñ"}
    assert (other.wildcards / "sub" / "pelo.txt").read_text() == "rojo\nazul"
    before = json.loads((other.config / bundle.BEFORE_NAME).read_text())
    assert json.loads(before["archivos"]["configuracion.json"]) == {"a": 1}
    assert House(folders).room.file("ajustes", "../x") is None


def test_what_a_new_installation_exports_is_taken_and_changes_nothing(folders: Folders) -> None:
    given = House(folders).room.file("ajustes", bundle.BUNDLE_NAME)
    assert given is not None
    assert isinstance(given.content, bytes)
    assert House(folders).ask("import", text=given.content.decode()) == NOTHING_INSIDE
    assert not folders.root.exists()


def test_settings_come_only_while_nobody_changes_them(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that had read the old ones would write them back over what came."""
    SettingsFile(folders.config).change(lambda settings: settings.with_style(Style("mío")))
    PreferencesFile(folders.config).change(lambda _now: Preferences())
    content, _ = bundle.exported(folders)
    monkeypatch.setattr(kept, "LOCK_SECONDS", 0.05)
    for name in (SETTINGS_NAME, PREFERENCES_NAME):
        with kept.locked(folders.config / name), pytest.raises(CannotWrite):
            bundle.imported(folders, content.decode())
    assert len(bundle.imported(folders, content.decode())) == 3


def test_what_is_exported_can_always_be_imported(folders: Folders) -> None:
    folders.wildcards.mkdir(parents=True)
    for number in range(8):
        (folders.wildcards / f"lista{number}.txt").write_text("niño\n" * 18_000, encoding="utf-8")
    house = House(folders)
    given = house.room.file("ajustes", bundle.BUNDLE_NAME)
    assert given is not None
    assert isinstance(given.content, bytes)
    text = given.content.decode()
    assert len(json.dumps({"text": text}, ensure_ascii=False).encode()) < MAX_QUESTION_BYTES
    inside = [f"wildcards/lista{number}.txt" for number in range(8) if f"lista{number}.txt" in text]
    assert 4 < len(inside) < 8
    left_out = EXPORTED_WITHOUT.partition("{files}")[0].format(name=bundle.BUNDLE_NAME)
    assert house.ask("export").startswith(left_out)
    assert "lista" in house.ask("import", text=text)
    (folders.wildcards / "lista0.txt").write_text("x" * 5_000_000)
    assert "wildcards/lista0.txt" in house.ask("export")


def test_damaged_files_stay_behind_and_spoil_no_export(folders: Folders) -> None:
    folders.config.mkdir(parents=True)
    (folders.config / "configuracion.json").write_text("{}")
    (folders.config / "ultimo_formulario.dañada.json").write_text("{")  # as ``core.kept`` sets it aside
    (folders.config / "palabras.json").write_text("{")
    content, left_out = bundle.exported(folders)
    assert left_out == ()
    assert bundle.imported(folders, content.decode()) == ("configuracion.json",)


@pytest.mark.parametrize(
    "files",
    [
        {"../fuera.json": "{}"},
        {"wildcards/../../fuera.txt": "x"},
        {"wildcards//etc/x.txt": "x"},
        {"configuracion.json": "{"},
        {"configuracion.json": 1},
        {"x.py": "1"},
        {WAITING: "[]"},
        "x",
    ],
)
def test_strange_files_change_nothing(folders: Folders, files: object) -> None:
    with pytest.raises(NotOurSettings):
        House(folders).ask("import", text=json.dumps({"sdcolab": "ajustes", "archivos": files}))
    with pytest.raises(NotOurSettings):
        House(folders).ask("import", text="hola")
    assert not folders.root.exists()


@pytest.mark.parametrize("face", [Origin.PAGE, Origin.PANEL])
def test_what_a_room_asks_for_is_of_the_face_where_it_was_asked(folders: Folders, face: Origin) -> None:
    journal = PendingJournal(folders.config, TASKS)
    journal.write([entry(1, journal=journal)])
    pending.set_aside(folders.config, TASKS)
    library, nobody = Library(folders), Workplace(JobQueue(TASKS, {Place.ENGINE: (), Place.HERE: ()}))
    on_panel = face is Origin.PANEL
    studio = studio_with(folders, library, (), {}) if on_panel else build_studio(folders, library, nobody)
    ask(studio.rooms, "sesion", "resume", {})
    assert [job.snapshot.by for job in studio.jobs.jobs()] == [face]
    studio.jobs.close(2.0)
