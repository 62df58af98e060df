from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcolab.core.errors import SettingsUnreadable
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.core.settings import Settings, SettingsFile


def test_round_trip(tmp_path: Path) -> None:
    settings = Settings(
        defaults=GenerationRequest(prompt="año", steps=33, cfg_scale=5.5, width=768, noise_origin=NoiseOrigin.CPU),
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
    "content", [b"{", b"[]", b'{"defaults": {}}', b"\xff\xfe", b"null", b'{"defaults":{},"styles":[1]}']
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    file = SettingsFile(tmp_path)
    file.path.write_bytes(content)
    with pytest.raises(SettingsUnreadable) as caught:
        file.load()
    assert caught.value.backup.read_bytes() == content
    assert file.load() == Settings()


def test_a_style_replaces_the_one_with_its_name() -> None:
    settings = Settings().with_style(Style("a", "1")).with_style(Style("b")).with_style(Style("a", "2"))
    assert settings.styles == (Style("a", "2"), Style("b"))
    assert settings.chosen_styles(["b", "ya no está", "a"]) == (Style("b"), Style("a", "2"))
    assert settings.without_style("a").styles == (Style("b"),)
