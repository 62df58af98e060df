"""A copy says when there is a newer version, and never changes by itself."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from colab.test_session import Cell

from sdcolab.colab.host import KaggleHost, detect_host
from sdcolab.colab.newer import newer_line
from sdcolab.colab.notebook import StartOptions
from sdcolab.colab.prepare import Downloaded, Preparation
from sdcolab.core.events import CancelToken
from sdcolab.core.registry import Registry
from sdcolab.core.words.explain import COLAB_VARIABLE
from sdcolab.downloads.catalog import guide_links, load_catalog
from sdcolab.process.supervisor import Roster

ORIGIN = {"SDCOLAB_ORIGEN": "ana/mi-sdcolab"}


def test_a_newer_one_is_told_with_its_link() -> None:
    line = newer_line({**ORIGIN, COLAB_VARIABLE: "release"}, lambda address: {"tag_name": "v9.0.0"})
    assert "9.0.0" in line
    assert "github/ana/mi-sdcolab/blob/v9.0.0/notebooks/stable_diffusion.ipynb" in line
    elsewhere = newer_line(ORIGIN, lambda address: {"tag_name": "v9.0.0"})  # Kaggle, Jupyter: a file to be uploaded
    assert "https://github.com/ana/mi-sdcolab/releases/tag/v9.0.0" in elsewhere


@pytest.mark.parametrize("answer", [None, {}, [], {"tag_name": "v0.0.1"}, {"tag_name": "v9.0.0/../../otra"}])
def test_otherwise_nothing_is_said(answer: object) -> None:
    assert newer_line(ORIGIN, lambda address: answer) == ""


def test_only_the_copys_own_repository_is_asked() -> None:
    asked: list[str] = []
    newer_line({"SDCOLAB_ORIGEN": "http://otra/cosa"}, asked.append)
    newer_line({}, asked.append)
    assert not asked
    newer_line(ORIGIN, asked.append)
    assert asked == ["https://api.github.com/repos/ana/mi-sdcolab/releases/latest"]


def test_kaggle_is_known_by_its_own_sign() -> None:
    host = detect_host({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"})
    assert isinstance(host, KaggleHost)
    assert (host.is_colab, host.content) == (False, Path("/kaggle/working"))
    assert host.secret("HF_TOKEN") is None  # no kaggle_secrets here


def test_what_the_guide_says_is_there() -> None:
    catalog = load_catalog()
    assert isinstance(catalog, Registry)
    links = guide_links(catalog)
    assert len(links) == 5
    assert {"EasyNegative", "Remacri"} < set(links)


def test_its_resources_come_only_when_asked(tmp_path: Path) -> None:
    cell, said = Cell(tmp_path), list[str]()
    cell.download = lambda text, listener, cancel: tuple(
        Downloaded(link, tmp_path if link == "a" else None) for link in text.split()
    )
    parts = cell.collaborators(lambda tokens: cell.download)
    parts = replace(parts, guide_links=lambda: {"Uno": "a", "Dos": "b"}, say=said.append)
    listed = list[str]()
    for wanted in (False, True):
        options = StartOptions(guide_resources=wanted)
        preparation = Preparation(options, parts, Roster(tmp_path), lambda news: None, CancelToken())
        preparation.fetch_guide_resources(lambda: listed.append(f"antes de decir {len(said)}"))
        deadline = time.monotonic() + (0.3 if not wanted else 10)
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert bool(said) == wanted
    assert said[0] == "📦 Recursos de la guía listos: Uno. Ya están en las listas."
    assert listed == ["antes de decir 0"]
    assert "no llegó Dos" in said[1]
