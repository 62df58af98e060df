"""A training's progress as people see it: a line, and a chart of loss and learning rate. No torch."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from sdcolab.core.files import atomic_write
from sdcolab.core.words import explain, human_time
from sdcolab.core.words import training_progress as words
from sdcolab.core.words.training import STAGES
from sdcolab.training.events import (
    LoraSaved,
    Paused,
    SampleMade,
    StageBegan,
    StateSaved,
    StepTrained,
    Told,
    TrainingBegan,
    TrainingEnded,
    TrainingEvent,
)

POINTS = 400
"""Most points of a chart's line."""
_WIDTH, _HEIGHT, _MARGIN = 640, 200, 10


def progress_text(event: TrainingEvent) -> str:
    """One short line about ``event``."""
    match event:
        case StageBegan(stage, done, total):
            return STAGES[stage] + (words.STAGE_COUNT.format(done=done, total=total) if total else "")
        case TrainingBegan():
            again = words.GOES_ON_FROM.format(step=event.first) if event.first else ""
            where = words.CARD if event.device == "cuda" else words.PROCESSOR
            return words.TRAINING.format(pictures=event.pictures, steps=event.steps, where=where) + again
        case StepTrained():
            left = human_time((event.total - event.step) * event.seconds)
            share = 100 * event.step // max(1, event.total)
            return words.STEP.format(
                share=share,
                step=event.step,
                total=event.total,
                epoch=event.epoch,
                loss=event.average,
                rate=event.rate,
                left=left,
            )
        case LoraSaved(path, _, _, last):
            return (words.LORA_DONE if last else words.LORA_SAVED).format(name=path.name)
        case StateSaved():
            return words.STATE_SAVED.format(step=event.step)
        case SampleMade(path):
            return words.SAMPLE.format(name=path.name)
        case Paused(waiting):
            return words.PAUSED if waiting else words.GOES_ON
        case Told(warning):
            return f"⚠️ {explain(warning)}"
        case TrainingEnded(error):
            return f"❌ {explain(error)}" if error else words.TRAINED


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last ``window`` values at each place."""
    total, made = 0.0, []
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        made.append(total / min(index + 1, window))
    return made


def _points(values: Sequence[float], steps: int, low: float, high: float) -> list[tuple[float, float]]:
    """Values over ``steps`` as places in the chart; at most ``POINTS`` of them."""
    stride = max(1, len(values) // POINTS)
    span = (high - low) or 1.0
    return [
        (
            _MARGIN + (_WIDTH - 2 * _MARGIN) * index / max(1, steps - 1),
            _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (values[index] - low) / span,
        )
        for index in range(0, len(values), stride)
    ]


def chart_svg(losses: Sequence[float], rates: Sequence[float], steps: int, text: str) -> str:
    """Loss (blue, smoothed) and learning rate (orange) as an SVG with a text for those who do not see it."""
    if not losses:
        return ""
    smooth = smoothed(losses, max(5, len(losses) // 20))
    lines = []
    for values, colour in ((rates, "#d97706"), (smooth, "#2563eb")):
        if values:
            places = " ".join(f"{x:.1f},{y:.1f}" for x, y in _points(values, steps, min(values), max(values)))
            lines.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
    style = "max-width:100%;background:#8881;border-radius:8px"
    right = _WIDTH - _MARGIN
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(text)}" style="{style}">'
        f'{"".join(lines)}<text x="{_MARGIN}" y="16" font-size="12" fill="#2563eb">{words.LOSS} {smooth[-1]:.4f}</text>'
        f'<text x="{right}" y="16" font-size="12" text-anchor="end" fill="#d97706">{words.RATE}</text></svg>'
    )


def write_chart(path: Path, losses: Sequence[float], rates: Sequence[float], steps: int) -> None:
    """The same chart as a PNG. Raises ``StorageError``."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for values, colour in ((rates, "#d97706"), (smoothed(losses, max(5, len(losses) // 20)), "#2563eb")):
        if len(values) > 1:
            draw.line(_points(values, steps, min(values), max(values)), fill=colour, width=2)
    if losses:
        draw.text((_MARGIN, 2), f"{words.LOSS} {losses[-1]:.4f}", fill="#2563eb")
    with atomic_write(path) as file:
        image.save(file, "PNG")
