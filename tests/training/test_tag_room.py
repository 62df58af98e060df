"""The tag editor's answers: filters, edits, uploads in pieces, and nothing outside the project."""

from __future__ import annotations

import base64
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdcolab.core.errors import (
    PictureFolderName,
    PictureSkipped,
    PictureUnreadable,
    ProjectName,
    SdcolabError,
    StrangeQuestion,
    UnknownName,
    UnsavedCaptions,
)
from sdcolab.core.events import CancelToken, Listener, Note, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.rooms import ask
from sdcolab.core.tasks import Origin, Place, Task
from sdcolab.core.training import PreparePictures
from sdcolab.studio.jobs import JobQueue
from sdcolab.training.preparing import Double, set_aside
from sdcolab.training.quick import draw_pictures
from sdcolab.training.recipe_form import has_masks
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.training_tasks import tag_room

Ask = Callable[..., Any]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    draw_pictures(tmp_path / "lora_training" / "datasets" / "zorp" / "10_buenas", 4)
    draw_pictures(tmp_path / "lora_training" / "datasets" / "zorp" / "1_otras", 2)
    return made


class Tags:
    """Writes a caption wherever there is none, as a tagger would; "mal" is no tagger."""

    def run(self, task: Task, listener: Listener, _cancel: CancelToken) -> None:
        assert isinstance(task, PreparePictures)
        if task.tagger == "mal":
            raise UnknownName(kind="tagger", name="mal")
        pictures = [path for path in Path(self.folder).rglob("*.png") if not path.with_suffix(".txt").exists()]
        for count, path in enumerate(pictures, 1):
            path.with_suffix(".txt").write_text(f"puesta {task.threshold:g}", encoding="utf-8")
            listener(StepDone(count, len(pictures), 1, 1))
        listener(Note(f"{len(pictures)} etiquetadas"))

    def __init__(self, folder: Path) -> None:
        self.folder = folder


@pytest.fixture
def jobs(folders: Folders) -> Iterator[JobQueue]:
    queue = JobQueue(TASKS, {Place.ENGINE: [], Place.HERE: [Tags(folders.root)]})
    yield queue
    queue.close(10)


@pytest.fixture
def asked(folders: Folders, jobs: JobQueue) -> Ask:
    room = tag_room(folders, lambda text: (len(text.split()), 75), jobs, Origin.PANEL)

    def question(about: str, /, **said: Any) -> Any:
        return ask({"etiquetas": room}, "etiquetas", about, {"project": "zorp", **said})

    question.room = room  # type: ignore[attr-defined]
    return question


def test_those_that_are_shown_are_edited_saved_and_undone(asked: Ask, folders: Folders) -> None:
    state = asked("open")
    assert (state["pictures"], state["folders"], state["changed"]) == (6, ["10_buenas", "1_otras"], 0)
    blue = asked("page", all_of=["fondo azul"])
    assert {entry["text"] for entry in blue["entries"]} == {"zorp, fondo azul"}
    assert asked("tags", search="fondo")["tags"][0] == ["fondo azul", 2]
    state = asked("edit", act="first", tags=["mi palabra"], all_of=["zorp"], none_of=["fondo azul"])
    assert state["told"].startswith("4 descripciones")
    assert (state["changed"], state["undo"]) == (4, True)
    one = folders.root / "lora_training" / "datasets" / "zorp" / "10_buenas" / "zorp_00.txt"
    assert one.read_text(encoding="utf-8") == "zorp, fondo blanco"
    asked("save")
    assert one.read_text(encoding="utf-8") == "mi palabra, zorp, fondo blanco\n"
    assert asked("undo")["changed"] == 4  # saved already: taking it back is a change again
    asked("save")
    assert one.read_text(encoding="utf-8") == "zorp, fondo blanco\n"
    chosen = blue["entries"][0]["id"]
    asked("edit", act="replace", tags=["zorp"], new=["sks", "x"], ids=[chosen])
    asked("write", id=chosen, text="sks,  nueva ,")
    entry = next(entry for entry in asked("page")["entries"] if entry["id"] == chosen)
    assert (entry["text"], entry["changed"], entry["tokens"], entry["room"]) == ("sks, nueva", True, 2, 75)
    assert asked("reload")["changed"] == 0


def test_what_changed_in_the_folder_meanwhile_is_seen_and_only_then_can_nothing_be_undone(
    asked: Ask, folders: Folders
) -> None:
    asked("open")
    folder = folders.root / "lora_training" / "datasets" / "zorp" / "10_buenas"
    asked("edit", act="last", tags=["nueva"])
    assert asked("fresh")["undo"]
    asked("save")
    assert asked("fresh")["undo"], "what is written is our own"
    set_aside([Double(folder / "zorp_00.png", folder / "zorp_01.png")], folder.parent)
    state = asked("fresh")
    assert (state["pictures"], state["undo"]) == (5, False)
    assert "zorp_00.png" not in [entry["name"] for entry in asked("page", folder_of="10_buenas")["entries"]]


def test_pictures_are_seen_and_set_aside(asked: Ask, folders: Folders) -> None:
    assert asked.room.file("thumb", "zorp:0") is None  # type: ignore[attr-defined] # nobody has opened it
    asked("open")
    small = asked.room.file("thumb", "zorp:0")  # type: ignore[attr-defined]
    assert Image.open(io.BytesIO(small.content)).format == "WEBP"
    for name in ("zorp:99", "zorp:-1", "../zorp:0", "zorp"):
        assert asked.room.file("picture", name) is None  # type: ignore[attr-defined]
    assert asked("aside", ids=[0, 0, 1])["pictures"] == 4
    aside = folders.root / "lora_training" / "datasets" / "zorp" / "_apartadas"
    assert len([*aside.iterdir()]) == 4


def painted(size: tuple[int, int] = (64, 64)) -> str:
    mask = Image.new("RGB", size, "black")
    mask.paste("white", (0, 0, size[0] // 2, size[1]))
    data = io.BytesIO()
    mask.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def test_a_mask_is_painted_used_and_taken_away(asked: Ask, folders: Folders) -> None:
    asked("open")
    folder = folders.root / "lora_training" / "datasets" / "zorp" / "10_buenas"
    assert not has_masks(folder.parent)
    state = asked("mask", id=0, data=painted())
    assert (state["pictures"], "zorp_00_mask.png" in state["told"]) == (6, True)
    assert [entry["mask"] for entry in asked("page")["entries"]].count(True) == 1
    with Image.open(folder / "zorp_00_mask.png") as mask:
        assert (mask.size, mask.mode) == ((128, 128), "L")  # the picture's own
        assert [mask.getpixel((x, 64)) for x in (10, 120)] == [255, 0]
    shown = asked.room.file("mask", "zorp:0")  # type: ignore[attr-defined]
    assert shown.content == folder / "zorp_00_mask.png"
    assert asked.room.file("mask", "zorp:1") is None  # type: ignore[attr-defined]
    assert has_masks(folder.parent)
    asked("mask", id=0)
    assert not has_masks(folder.parent)
    assert [path.name for path in (folder.parent / "_apartadas").iterdir()] == ["10_buenas-zorp_00_mask.png"]


def test_a_tagger_works_in_the_queue(asked: Ask, folders: Folders) -> None:
    asked("open")
    bare = folders.root / "lora_training" / "datasets" / "zorp" / "1_otras" / "zorp_00.txt"
    bare.unlink()
    assert asked("open")["bare"] == 1
    asked("edit", act="last", tags=["sin guardar"])
    options = {"tagger": asked("taggers")["names"][0], "percent": 35, "only_bare": True}
    with pytest.raises(UnsavedCaptions):
        asked("tag", **options)
    asked("undo")
    seen = followed(asked, asked("tag", **options)["job"])
    assert seen == {"fraction": 1.0, "ended": True, "told": "1 etiquetadas"}
    assert bare.read_text(encoding="utf-8") == "puesta 0.35"
    assert asked("open")["bare"] == 0
    assert "mal" in followed(asked, asked("tag", tagger="mal", percent=999)["job"])["told"]
    assert asked("tagging", job=12345)["ended"]


def followed(asked: Ask, job: int) -> dict[str, Any]:
    end = time.monotonic() + 10
    while not (seen := asked("tagging", job=job))["ended"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    return dict(seen)


def send(asked: Ask, name: str, data: bytes, folder: str = "10_nuevas", key: str = "abcdef0123456789") -> Any:
    half = len(data) // 2
    asked("upload", key=key, name=name, folder=folder, at=0, data=base64.b64encode(data[:half]).decode())
    rest = base64.b64encode(data[half:]).decode()
    return asked("upload", key=key, name=name, folder=folder, at=half, data=rest, last=True, look=True)


def test_pictures_and_zips_arrive_in_pieces(asked: Ask, folders: Folders) -> None:
    assert asked("create", project="otro") == "otro"
    made = Path(folders.root / "lora_training" / "datasets" / "otro")
    assert (made / "10_repeticiones").is_dir()
    png = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(png, "PNG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../a.png", png.getvalue())
        file.writestr("a.txt", "uno, dos")
    asked("edit", act="last", tags=["sin guardar"])
    state = send(asked, "todo.zip", archive.getvalue())
    assert (state["pictures"], state["changed"]) == (7, 6)  # edits that were not saved are still there
    assert send(asked, "C:\\fotos\\b.PNG", png.getvalue())["pictures"] == 8
    own = folders.root / "lora_training" / "datasets" / "zorp" / "10_nuevas"
    assert {path.name for path in own.iterdir()} == {"a.png", "a.txt", "b.png"}
    for name, data in (("b.PNG", png.getvalue()), ("b_mask.png", png.getvalue()), ("b.txt", b"otra")):
        send(asked, name, data)
    more = {path.name for path in own.iterdir()} - {"a.png", "a.txt", "b.png"}
    assert more == {"b-2.png", "b-2_mask.png", "b-2.txt"}, "what is beside a picture takes its name"
    with pytest.raises(PictureSkipped):
        send(asked, "virus.exe", b"MZ")
    more = asked("upload", key="0123456789abcdef", name="c.txt", folder="10_nuevas", at=0, before=3, data="", last=True)
    assert (more["came"], more["told"]) == (4, "✅ 4 archivos en 10_nuevas.")  # with those of earlier files
    assert not [*(folders.temporary / "subidas").iterdir()]


def test_a_folder_without_repeats_gets_the_guides_and_uploads_that_were_given_up_do_not_stop_others(
    asked: Ask, folders: Folders
) -> None:
    assert [asked("target", folder=name) for name in ("gato", " 3_gato azul ")] == ["10_gato", "3_gato azul"]
    for number in range(20):
        asked("upload", key=f"abandonado{number}", name="a.txt", folder="gato", at=0, data="", last=False)
    assert send(asked, "a.txt", b"uno, dos")["told"] == "✅ 1 archivo en 10_nuevas."
    assert len([*(folders.temporary / "subidas").iterdir()]) == 15, "of sixteen one was over"


@pytest.mark.parametrize(
    ("question", "said", "error"),
    [
        ("open", {"project": "../fuera"}, ProjectName),
        ("open", {"project": ["zorp"]}, StrangeQuestion),
        ("edit", {"act": "borrar"}, StrangeQuestion),
        ("edit", {"act": "remove", "tags": "zorp"}, StrangeQuestion),
        ("edit", {"act": "remove", "ids": [99]}, StrangeQuestion),
        ("write", {"id": -1, "text": ""}, StrangeQuestion),
        ("mask", {"id": 99, "data": ""}, StrangeQuestion),
        ("mask", {"id": 0, "data": "data:image/png;base64,¡"}, StrangeQuestion),
        ("mask", {"id": 0, "data": "data:image/png;base64,bm8="}, PictureUnreadable),
        ("tag", {"tagger": "x", "percent": 0.5}, StrangeQuestion),
        ("upload", {"key": "../../x", "at": 0, "data": ""}, StrangeQuestion),
        ("upload", {"key": "abcdefgh", "at": 7, "data": ""}, StrangeQuestion),
        ("upload", {"key": "abcdefgh", "at": 0, "data": "no es base64"}, StrangeQuestion),
        ("upload", {"key": "abcdefgh", "at": 0, "data": "", "last": True, "folder": "../x"}, PictureFolderName),
        ("target", {"folder": "0_x"}, PictureFolderName),
        ("target", {"folder": "mi/gato"}, PictureFolderName),
    ],
)
def test_what_is_asked_is_checked(asked: Ask, question: str, said: dict[str, Any], error: type[SdcolabError]) -> None:
    with pytest.raises(error):
        asked(question, **said)


def test_captions_that_windows_wrote_are_read_and_saved_as_trainers_read_them(asked: Ask, folders: Folders) -> None:
    own = folders.root / "lora_training" / "datasets" / "zorp" / "1_otras"
    first, second = sorted(own.glob("*.txt"))
    first.write_bytes("niña, corazón".encode("cp1252"))
    second.write_bytes("ñandú".encode("utf-16"))
    opened = asked("open")
    assert opened["changed"] == 2
    assert "2 descripciones no estaban en UTF-8" in opened["told"]
    assert asked("open")["changed"] == 2
    asked("save")
    assert [path.read_text(encoding="utf-8") for path in (first, second)] == ["niña, corazón\n", "ñandú\n"]
    assert asked("open")["changed"] == 0
