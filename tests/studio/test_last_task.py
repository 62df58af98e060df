"""Forms of tools that open as they were last used."""

from __future__ import annotations

from pathlib import Path

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
