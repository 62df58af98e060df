"""Forms of tools that open as they were last used."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcolab.core.errors import SettingsUnreadable
from sdcolab.core.request import GenerationRequest
from sdcolab.core.training import NetworkKind, TrainLora
from sdcolab.core.workshop import Convert
from sdcolab.studio.last_form import TOOLS_NAME, LastForm


def test_the_last_training_is_remembered_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    form, task = LastForm(tmp_path), TrainLora(project="zorp", epochs=4, network=NetworkKind.LOHA)
    assert form.last_task(TrainLora) is None
    form.keep_task(TrainLora(project="antes"))
    form.keep_task(task)
    assert LastForm(tmp_path).last_task(TrainLora) == task
    assert form.last_task(Convert) is None
    for damaged in ("{", "[]", '{"train": 3}'):
        (tmp_path / TOOLS_NAME).write_text(damaged, encoding="utf-8")
        assert form.last_task(TrainLora) is None
    form.keep_task(task)
    assert form.last_task(TrainLora) == task


def test_a_damaged_file_is_kept_aside_and_told_when_the_program_opens(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.save(GenerationRequest(prompt="gato"))
    (tmp_path / TOOLS_NAME).write_text("{", encoding="utf-8")
    with pytest.raises(SettingsUnreadable) as caught:
        form.load()
    assert caught.value.backup.read_text() == "{"
    assert form.load() == form.peek()


def test_a_file_damaged_while_the_program_is_open_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / TOOLS_NAME).write_text("{", encoding="utf-8")
    LastForm(tmp_path).keep_task(TrainLora(project="zorp"))
    assert (tmp_path / "ultimas_herramientas.dañada.json").read_text() == "{"
