"""The files that jobs made, and the links to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Generate
from sdcolab.studio.made import MadeRoom, made_lines


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Any]:
    files = tuple(tmp_path / name for name in ("xyz_grid-0000-1.jsonl", "a <b>.html", "gone.zip"))
    for file in files[:2]:
        file.write_text("x" * 2000)
    yield SimpleNamespace(id=7, snapshot=SimpleNamespace(id=7, files=files, task=Grid(GenerationRequest())))


def test_each_file_is_told_with_a_link_where_it_is_there(job: Any) -> None:
    page, gone = made_lines(job.snapshot, "there/{key}")
    assert 'href="there/7-1"' in page
    assert 'download="a &lt;b&gt;.html"' in page
    assert "⬇️ Descargar a &lt;b&gt;.html (2 kB)" in page
    assert (gone.startswith("Archivo: "), "<a " in gone) == (True, False)
    large, _ = made_lines(job.snapshot, "#", most=1999)
    assert (large.startswith("Archivo: "), "<a " in large) == (True, False)


def test_other_work_tells_such_files_too(job: Any) -> None:
    job.snapshot.task = Generate(GenerationRequest())
    assert len([*made_lines(job.snapshot, "#")]) == 3


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        ("made", "7-1", "a <b>.html"),
        ("made", "7-0", "xyz_grid-0000-1.jsonl"),
        ("made", "7-2", None),
        ("made", "7-3", None),
        ("made", "8-0", None),
        ("made", "7--1", None),
        ("made", "../7-0", None),
        ("made", "", None),
        ("cell", "7-0", None),
    ],
)
def test_a_file_is_given_by_its_place_in_a_job(job: Any, kind: str, name: str, given: str | None) -> None:
    jobs: Any = SimpleNamespace(get=lambda number: job if number == 7 else None)
    file = MadeRoom(jobs).file(kind, name)
    assert (file.name if file else None) == given
