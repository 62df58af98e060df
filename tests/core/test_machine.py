"""How the program is opened on this machine: what is kept, and which folders pictures may be saved in."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from sdcolab.core.errors import FolderUnfit, ModelTooBigForCard
from sdcolab.core.folders import Folders
from sdcolab.core.machine import FILE_NAME, PRIVATE_FOLDER, Machine, MachineFile, MemoryUse, folders_in, picture_folder
from sdcolab.core.memory_plan import GB, FreeMemory, Placement, WeightCounts, WorkMemory, plan_memory
from sdcolab.core.picture_folders import picture_folders
from sdcolab.studio.space import measured

XL = WeightCounts(2_567_000_000, 817_000_000, 84_000_000), WorkMemory(2 * GB, 6 * GB)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "programa"
    made.mkdir()
    return made


def test_it_is_kept_for_its_owner_only(root: Path, tmp_path: Path) -> None:
    machine = Machine(str(tmp_path / "fotos"), MemoryUse.STREAMED, "ana", "contraseña larga", 3, graphs=True)
    assert MachineFile(root).change(lambda _now: machine) == machine
    assert (MachineFile(root).peek(), machine.login) == (machine, ("ana", "contraseña larga"))
    assert "larga" not in repr(machine)
    path = root / PRIVATE_FOLDER / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.is_relative_to(Folders(root).config), "what goes to a Drive has no password"


def test_a_program_without_it_is_as_always(root: Path) -> None:
    assert (MachineFile(root).peek(), folders_in(root)) == (Machine(), Folders(root))
    (root / PRIVATE_FOLDER).mkdir()
    wrong = ['{"outputs": 3}', '{"outputs": "aqui"}', '{"memory": "toda"}']
    wrong += ['{"checkpoints": 0}', '{"checkpoints": true}', '{"graphs": 1}']
    for damaged in ("", "[]", *wrong):
        (root / PRIVATE_FOLDER / FILE_NAME).write_text(damaged)
        assert MachineFile(root).peek() == Machine()


def test_pictures_go_where_it_says(root: Path, tmp_path: Path) -> None:
    place = picture_folder(f" {tmp_path}/nueva/fotos ", root)
    assert not place.exists()
    MachineFile(root).change(lambda now: replace(now, outputs=str(place)))
    folders = folders_in(root)
    assert (folders.txt2img, folders.config) == (place / "txt2img-images", root / "config")
    folders.txt2img.mkdir(parents=True)
    (folders.txt2img / "1.png").write_bytes(b"x")
    assert picture_folders(folders) == {"fotos/txt2img-images": folders.txt2img}
    assert [thing.name for thing in measured(folders) if thing.group == "outputs"] == [str(place)]


def test_folders_that_pictures_may_go_to(root: Path, tmp_path: Path) -> None:
    empty, ours, hidden = (tmp_path / name for name in ("vacia", "de-a1111", "oculta"))
    for folder in (empty, ours / "txt2img-images", ours / "favoritas", hidden / ".miniaturas"):
        folder.mkdir(parents=True)
    (hidden / ".nada").write_text("x")
    for folder in (empty, ours, hidden, root / "outputs", root / "outputs" / "mias"):
        assert picture_folder(str(folder), root) == folder


def test_folders_that_they_may_not(root: Path, tmp_path: Path) -> None:
    private, file, locked = tmp_path / "mis fotos", tmp_path / "archivo", tmp_path / "cerrada"
    (private / "txt2img-images").mkdir(parents=True)
    (private / "dni.png").write_text("x")
    (tmp_path / "otros" / "2024").mkdir(parents=True)
    file.write_text("x")
    link, loop = tmp_path / "enlace", tmp_path / "vuelta"
    link.symlink_to(private)
    loop.symlink_to(loop)
    wrong = [private, tmp_path / "otros", file, file / "dentro", link, loop, root, root.parent, Path("/")]
    wrong += [root / "config", root / "models" / "x", Path("relativa"), Path("x" * 2000), tmp_path / ("y" * 300) / "z"]
    if os.geteuid():  # root may write everywhere
        locked.mkdir(mode=0o500)
        wrong += [locked, locked / "dentro"]
    for text in (*map(str, wrong), "", "/tmp/a\0b", "../x"):
        with pytest.raises(FolderUnfit):
            picture_folder(text, root)


@pytest.mark.parametrize(
    ("use", "vram", "placement"),
    [
        (MemoryUse.AUTO, 24 * GB, Placement.GPU),
        (MemoryUse.TURNS, 24 * GB, Placement.TURNS),
        (MemoryUse.STREAMED, 24 * GB, Placement.STREAMED),
        (MemoryUse.AUTO, 5 * GB, Placement.STREAMED),
        (MemoryUse.TURNS, 5 * GB, Placement.STREAMED),
        (MemoryUse.STREAMED, None, Placement.CPU),
    ],
)
def test_the_card_is_used_no_faster_than_it_says(use: MemoryUse, vram: int | None, placement: Placement) -> None:
    plan = plan_memory(Path(), *XL, FreeMemory(64 * GB, vram), element_bytes=2, fastest=use.fastest)
    assert plan.placement is placement


def test_a_card_too_small_is_told_all_the_same() -> None:
    with pytest.raises(ModelTooBigForCard):
        plan_memory(Path(), *XL, FreeMemory(64 * GB, GB), element_bytes=2, fastest=MemoryUse.TURNS.fastest)
