"""The gallery on real folders: what changes on the disk, bad files, stars, the bin, moving, zips, small copies."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import AlbumFolderName, PictureGone
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.outputs import save_options
from sdcolab.gallery import album as album_module
from sdcolab.gallery.album import Album
from sdcolab.gallery.index import Entry, GalleryIndex, Wanted
from sdcolab.gallery.scan import scan


def text(seed: int) -> str:
    return f"a fox number {seed}\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: {seed}, Size: 64x32, Model: demo"


def put(folder: Path, name: str, seed: int = 1, image_format: ImageFormat = ImageFormat.PNG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 32), (seed % 256, 90, 60)).save(folder / name, **save_options(text(seed), image_format))
    return folder / name


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    put(made.txt2img / "2026-03-01", "00000-1.png", 1)
    put(made.txt2img / "2026-03-02", "00000-2.jpg", 2, ImageFormat.JPEG)
    put(made.img2img / "2026-03-02", "00000-3.webp", 3, ImageFormat.WEBP)
    (made.txt2img / "2026-03-02" / "rota.png").write_bytes(b"\x89PNG\r\n\x1a\nbasura")
    plain = made.outputs / "otras"
    plain.mkdir()
    Image.new("RGB", (20, 20)).save(plain / "dibujo.png")
    (plain / "dibujo.txt").write_text(text(44))
    return made


@pytest.fixture
def album(folders: Folders) -> Iterator[Album]:
    made = Album(folders)
    yield made
    made.close()


def wait(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def every(album: Album, query: str = "", kind: str = "") -> dict[str, Entry]:
    return {entry.name: entry for entry in album.page(Wanted(query, kind))[0]}


def all_five(album: Album) -> dict[str, Entry]:
    wait(lambda: album.page(Wanted())[1] == 5)
    return every(album)


def test_every_format_is_read_and_bad_files_are_shown_as_such(album: Album) -> None:
    found = all_five(album)
    assert set(every(album, "semilla>=2 fox")) == {"00000-2.jpg", "00000-3.webp", "dibujo.png"}
    assert found["rota.png"].width == 0 and album.thumbnail(found["rota.png"].id) is None
    assert album.facts(found["00000-3.webp"].id).text == text(3)
    assert dict(album.kinds()) == {"txt2img-images": 3, "img2img-images": 1, "otras": 1, "*": 0}


def test_whoever_comes_back_sees_at_once_what_is_new(album: Album, folders: Folders) -> None:
    all_five(album)
    put(folders.txt2img / "2026-03-01", "00001-9.png", 9)
    album._asked = time.monotonic() - album_module.LOOK_SECONDS - 1
    album.state()
    wait(lambda: album.page(Wanted())[1] == 6)


def test_a_scan_reads_only_what_changed(folders: Folders, tmp_path: Path) -> None:
    index = GalleryIndex(tmp_path / "otro" / "indice.sqlite")
    day = folders.txt2img / "2026-03-01"
    for folder in [*folders.outputs.rglob("*")]:
        if folder.is_dir():
            os.utime(folder, (1_000_000, 1_000_000))
    read: list[int] = []
    assert scan(folders.outputs, index, dict, progress=read.append)
    assert not scan(folders.outputs, index, dict, progress=read.append) and read[-1] == 5
    put(day, "00001-9.png", 9)
    (folders.outputs / "otras" / "dibujo.png").unlink()
    read.clear()
    assert scan(folders.outputs, index, dict, progress=read.append) and read == [1]
    names = {entry.name for entry in index.page(Wanted())[0]}
    assert "00001-9.png" in names and "dibujo.png" not in names
    assert index.page(Wanted("44"))[1] == 0
    index.close()


def test_stars_and_favourites_outlive_the_index(album: Album, folders: Folders) -> None:
    fox = all_five(album)["00000-1.png"]
    album.mark([fox.id], stars=9)
    album.mark([fox.id], favourite=True)
    assert [entry.name for entry in album.page(Wanted("estrellas:5", "*"))[0]] == ["00000-1.png"]
    album.close()
    for file in (folders.temporary / "galeria").glob("indice*"):
        file.unlink()
    again = Album(folders)
    assert all_five(again)["00000-1.png"].stars == 5 and set(every(again, kind="*")) == {"00000-1.png"}
    again.close()


def test_the_bin_gives_back_what_it_got(album: Album, folders: Folders) -> None:
    found = all_five(album)
    album.mark([found["dibujo.png"].id], stars=3)
    gone = [found["dibujo.png"].id, found["00000-1.png"].id]
    assert album.discard([*gone, 10**9]) == 2 and album.bin.count() == 2
    assert len(every(album)) == 3
    assert not (folders.outputs / "otras" / "dibujo.txt").exists()
    with pytest.raises(PictureGone):
        album.path(gone[0])
    assert album.restore() == 3
    assert every(album)["dibujo.png"].width == 20 and (folders.outputs / "otras" / "dibujo.txt").exists()
    album.discard([every(album)["00000-1.png"].id])
    assert album.bin.empty() == 1 and album.bin.count() == 0


def test_moving_never_takes_another_s_name_and_keeps_stars(album: Album, folders: Folders) -> None:
    put(folders.outputs / "Mis favoritas", "00000-1.png", 70)
    album.refresh()
    wait(lambda: album.page(Wanted())[1] == 6)
    fox = next(entry for entry in album.page(Wanted("semilla:1"))[0] if entry.folder.startswith("txt2img"))
    album.mark([fox.id], stars=4)
    assert album.move([fox.id], " Mis favoritas ") == 1
    moved = every(album)["00000-1(1).png"]
    assert (moved.folder, moved.stars) == ("Mis favoritas", 4)
    for name in ("", "..", "a/b", "/tmp", "_papelera", ".x", "a" * 99, "fin."):
        with pytest.raises(AlbumFolderName):
            album.move([moved.id], name)


def test_a_look_between_the_file_and_its_marks_loses_no_stars(
    album: Album, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the album's thread may do at any moment."""
    found = all_five(album)["00000-1.png"]
    album.mark([found.id], stars=4)
    former = dict(album._marked())
    index = GalleryIndex(folders.temporary / "galeria" / "indice.sqlite")
    rename = album_module.move_to

    def rename_and_look(source: Path, target: Path) -> Path:
        moved = rename(source, target)
        scan(folders.outputs, index, lambda: former)
        return moved

    monkeypatch.setattr(album_module, "move_to", rename_and_look)
    album.move([found.id], "Elegidas")
    index.close()
    moved = every(album)["00000-1.png"]
    assert (moved.folder, moved.stars) == ("Elegidas", 4)


def test_a_zip_holds_the_pictures_under_names_of_their_own(album: Album, folders: Folders) -> None:
    found = all_five(album)
    put(folders.outputs / "mas", "00000-1.png", 80)
    album.refresh()
    wait(lambda: album.page(Wanted())[1] == 6)
    ids = [entry.id for entry in album.page(Wanted("archivo:00000"))[0]]
    bundle = album.bundle(ids)
    with zipfile.ZipFile(bundle) as held:
        assert sorted(held.namelist()) == ["00000-1(1).png", "00000-1.png", "00000-2.jpg", "00000-3.webp"]
        assert held.testzip() is None
    assert found["00000-1.png"].id in ids
    with pytest.raises(PictureGone):
        album.bundle([10**9])


def test_small_copies_are_webp_of_256(album: Album, folders: Folders) -> None:
    Image.effect_noise((900, 600), 50).save(folders.outputs / "otras" / "grande.png")
    album.refresh()
    wait(lambda: "grande.png" in every(album))
    data = album.thumbnail(every(album)["grande.png"].id)
    assert data is not None
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == ("WEBP", (256, 171))


def test_links_in_circles_end(folders: Folders, tmp_path: Path) -> None:
    (folders.outputs / "otras" / "circulo").symlink_to(folders.outputs)
    index = GalleryIndex(tmp_path / "otro" / "indice.sqlite")
    scan(folders.outputs, index, dict)
    assert index.page(Wanted())[1] == 5
    index.close()


def test_a_damaged_index_is_made_anew(folders: Folders) -> None:
    file = folders.temporary / "galeria" / "indice.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no es SQLite" * 100)
    album = Album(folders)
    assert len(all_five(album)) == 5
    album.close()
