"""Progress in the cell, with and without widgets."""

from __future__ import annotations

import io

import ipywidgets
import pytest

from sdcolab.colab.progress import CellProgress, TextBars, WidgetBars, cell_bars, describe
from sdcolab.core.errors import NoCuda
from sdcolab.core.events import BytesReceived, Ended, Phase, PhaseStarted, Warned


def received(count: int, total: int | None = 1_000_000, name: str = "gato.safetensors") -> BytesReceived:
    return BytesReceived(name, count, total, 250_000.0)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (received(450_000), "45 % de 1 MB · 250 kB/s · faltan 2 s"),
        (received(450_000, None), "450 kB · 250 kB/s"),
        (received(1_000_000), "1 MB ✓"),
        (BytesReceived("a", 0, 2_100_000_000, 0.0), "0 % de 2,1 GB"),
    ],
)
def test_text(event: BytesReceived, text: str) -> None:
    assert describe(event) == text


def test_lines_where_there_are_no_widgets() -> None:
    stream = io.StringIO()
    now = iter([0.0, 0.01, 1.0, 1.1, 9.0, 9.1])
    progress = CellProgress(TextBars(stream), lambda: next(now))
    progress(received(100_000))
    progress(received(110_000))  # too soon
    progress(received(500_000))
    progress(received(1_000_000))
    progress(received(1_000_000))
    progress(PhaseStarted(Phase.LOADING_MODEL, "gato"))
    progress(Warned(NoCuda()))
    progress(Ended())
    text = stream.getvalue()
    assert "11 %" not in text
    assert text.count("✓") == 1
    assert "\r⬇️ gato.safetensors: 50 %" in text
    assert "\n⏳ Cargando modelo: gato\n⚠️ No se encuentra" in text


def test_widgets() -> None:
    shown: list[ipywidgets.VBox] = []
    said: list[str] = []
    progress = CellProgress(WidgetBars(ipywidgets, shown.append, said.append), lambda: 0.0)
    progress(received(500_000))
    progress(received(0, None, "perro.pt"))
    progress(received(1_000_000))
    progress(PhaseStarted(Phase.SAVING))
    assert len(shown) == 1
    (name, bar, label), (_, other, _) = (row.children for row in shown[0].children)
    assert name.value == "gato.safetensors"
    assert (bar.value, bar.bar_style, label.value) == (1.0, "success", "1 MB ✓")
    assert other.bar_style == "info"
    assert said == ["⏳ Guardando"]


def test_outside_a_notebook_there_are_lines() -> None:
    assert isinstance(cell_bars(print), TextBars)
