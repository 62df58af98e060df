from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdcolab.core import kept
from sdcolab.core.errors import CannotWrite, SettingsUnreadable
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.core.settings import Settings, SettingsFile


def test_round_trip(tmp_path: Path) -> None:
    settings = Settings(
        defaults=GenerationRequest(prompt="año", steps=33, cfg_scale=5.5, width=768, noise_origin=NoiseOrigin.CPU),
        by_size={1024: GenerationRequest(sampler="DPM++ 2M", steps=28)},
        styles=(Style("Anime", "2d, {prompt}", "3d"), Style("Foto")),
    )
    file = SettingsFile(tmp_path / "config")
    file.save(settings)
    assert file.load() == settings


def test_no_file_means_the_built_in_settings(tmp_path: Path) -> None:
    assert SettingsFile(tmp_path).load() == Settings()


def test_fields_of_other_versions_are_survived(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    raw = {"version": 9, "styles": [], "defaults": {"steps": 30, "cfg_scale": 5, "nuevo": 1, "width": 13, "seed": "x"}}
    file.path.write_text(json.dumps(raw), encoding="utf-8")
    assert file.load().defaults == GenerationRequest(steps=30, cfg_scale=5)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"defaults": {}}',
        b"\xff\xfe",
        b"null",
        b'{"defaults":{},"styles":[1]}',
        b"[" * 200_000,
        b'{"defaults": {}, "styles": ' + b"[" * 100 + b"]" * 100 + b"}",
        bytes(100),
    ],
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    file = SettingsFile(tmp_path)
    file.path.write_bytes(content)
    assert file.peek() == Settings()
    with pytest.raises(SettingsUnreadable) as caught:
        file.load()
    assert caught.value.backup.read_bytes() == content
    assert file.load() == Settings()


def test_a_style_replaces_the_one_with_its_name() -> None:
    settings = Settings().with_style(Style("a", "1")).with_style(Style("b")).with_style(Style("a", "2"))
    assert settings.styles == (Style("a", "2"), Style("b"))
    assert settings.chosen_styles(["b", "ya no está", "a"]) == (Style("b"), Style("a", "2"))
    assert settings.without_styles(["a"]).styles == (Style("b"),)


def test_changes_of_threads_and_processes_all_stay(tmp_path: Path) -> None:
    """Two processes with two threads each, ten styles a thread, all in one file."""
    script = """
import sys, threading
from pathlib import Path
from sdcolab.core.prompt import Style
from sdcolab.core.settings import SettingsFile

def add(name):
    file = SettingsFile(Path(sys.argv[1]))
    for number in range(10):
        style = Style(f"{name}-{number}", "x")
        file.change(lambda settings: settings.with_style(style))

threads = [threading.Thread(target=add, args=(f"{sys.argv[2]}-{one}",)) for one in range(2)]
[one.start() for one in threads]
[one.join() for one in threads]
"""
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in ("a", "b")]
    assert [one.wait(60) for one in running] == [0, 0]
    assert len(SettingsFile(tmp_path).load().styles) == 40


def test_a_lock_that_is_not_let_go_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LOCK_SECONDS", 0.05)
    file = SettingsFile(tmp_path)
    with kept.locked(file.path), pytest.raises(CannotWrite) as caught:
        file.change(lambda settings: settings)
    assert caught.value.reason == "EBUSY"
    assert file.change(lambda settings: settings.with_style(Style("a"))).styles == (Style("a"),)


def test_without_system_locks_a_file_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(kept.filelock, "FileLock", none)
    monkeypatch.setattr(kept, "LOCK_SECONDS", 0.05)
    file = SettingsFile(tmp_path)
    with kept.locked(file.path), pytest.raises(CannotWrite):
        file.change(lambda settings: settings)
    file.change(lambda settings: settings.with_style(Style("a")))
    assert file.load().styles == (Style("a"),)


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    old, new = tmp_path / ".configuracion.json.a.tmp", tmp_path / ".configuracion.json.b.tmp"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    SettingsFile(tmp_path).change(lambda settings: settings)
    assert not old.exists()
    assert new.exists()


def test_styles_in_the_program_s_folder_count_until_there_are_own_ones(
    tmp_path: Path,
) -> None:
    brought = tmp_path / "styles.csv"
    brought.write_text("name,prompt,negative_prompt\nfoto,foto de {prompt},feo\n", encoding="utf-8-sig")
    file = SettingsFile(tmp_path / "config")
    assert [style.name for style in file.load().styles] == [style.name for style in file.peek().styles] == ["foto"]
    file.change(lambda settings: settings.with_style(Style("otro", "x", "")))
    assert [style.name for style in file.load().styles] == ["foto", "otro"]
    file.change(lambda settings: settings.without_styles(["foto", "otro"]))
    assert file.load().styles == ()
    assert "foto" in brought.read_text("utf-8-sig")
