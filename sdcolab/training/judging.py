"""Raw or overcooked: a sheet of epochs and weights, and a report with figures (the guide's "Probar tus resultados").
No torch.

How it is measured, with ``likeness``: every epoch draws the same prompts with the same seeds, and so does the model
without LoRA.

* *closeness* goes from 0, where pictures are as far from the training pictures as those without LoRA, to 1, where they
are as
  near as the training pictures are to each other (each to its nearest).
* *copies* is the share of pictures nearer to a training picture than half of that: the picture itself, nearly.
* *variety* is how much pictures of different seeds differ, of what they differ without LoRA, at
  most all of it.

Under 0.25 of closeness a LoRA is raw; it is overcooked when over half are copies, or less than half of the variety is
left. The uncertainty is the standard error over the seeds (bootstrap): with two or three pictures the figures are only
a hint.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sdcolab.core.errors import DatasetEmpty
from sdcolab.core.letters import letters
from sdcolab.core.words import training_progress as words
from sdcolab.core.words.training import VERDICTS
from sdcolab.training.likeness import Vector, distances, vector_of

RAW, COPIED, UNIFORM = 0.25, 0.5, 0.5
NEAR = 0.5
RESAMPLES = 200
MAX_FILES = 12
_LABEL = 22
_OF_STEPS = re.compile(r"-step\d{8}$")

Make = Callable[[str, int, Path | None, float], Image.Image]
"""Prompt, seed, LoRA file (None: without) and weight -> picture."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one file; ``error`` is the standard error of ``closeness``, None where one picture tells none."""

    closeness: float
    error: float | None
    copies: float
    variety: float

    @property
    def verdict(self) -> str:
        """ "crudo", "en su punto" or "recocido"."""
        if self.copies > COPIED or self.variety < UNIFORM:
            return words.OVERCOOKED
        return words.RAW if self.closeness < RAW else words.RIGHT


@dataclass(frozen=True, slots=True)
class Judgement:
    """The sheet and what was measured of each file at full weight."""

    sheet: Image.Image
    measured: Mapping[str, Measured]

    def lines(self) -> list[str]:
        """The report, in the guide's words."""
        told = []
        for name, one in self.measured.items():
            sentence, advice = VERDICTS[one.verdict]
            told.append(
                (words.MEASURED_ONCE if one.error is None else words.MEASURED).format(
                    name=name,
                    sentence=sentence,
                    closeness=100 * one.closeness,
                    error=100 * (one.error or 0),
                    copies=100 * one.copies,
                    variety=100 * one.variety,
                    advice=advice,
                )
            )
        told.append(words.LIKENESS)
        return told


def lora_files(files: Sequence[Path]) -> list[Path]:
    """Of a training's ``files`` those to compare: every epoch and the finished one, evenly chosen where there are
    many."""
    found = [path for path in files if not _OF_STEPS.search(path.stem)]
    if len(found) <= MAX_FILES:
        return found
    return [found[round(index * (len(found) - 1) / (MAX_FILES - 1))] for index in range(MAX_FILES)]


def judge(
    make: Make,
    files: Sequence[Path],
    pictures: Sequence[Image.Image],
    prompts: Sequence[str],
    *,
    weights: Sequence[float] = (1.0,),
    seeds: Sequence[int] = (1, 2, 3, 4),
) -> Judgement:
    """Draw everything and measure it. ``pictures`` are those of the training; seeds take the prompts in turn. Raises
    ``DatasetEmpty`` without files.
    """
    if not files or not pictures:
        raise DatasetEmpty(folder=files[0].parent if files else Path())
    texts = [prompts[index % len(prompts)] for index in range(len(seeds))]
    plain = [make(text, seed, None, 0.0) for text, seed in zip(texts, seeds, strict=True)]
    trained = [vector_of(picture) for picture in pictures]
    base = [vector_of(picture) for picture in plain]
    rows: dict[float, dict[str, list[Image.Image]]] = {weight: {} for weight in weights}
    measured = {}
    for path in files:
        for weight in weights:
            rows[weight][path.stem] = [make(text, seed, path, weight) for text, seed in zip(texts, seeds, strict=True)]
        full = rows[max(weights)][path.stem]
        measured[path.stem] = measure([vector_of(picture) for picture in full], base, trained)
    return Judgement(sheet_of(rows, plain), measured)


def measure(made: Sequence[Vector], base: Sequence[Vector], trained: Sequence[Vector]) -> Measured:
    """The figures of pictures ``made`` with a LoRA, against those without and against the training pictures."""
    own = distances(trained, trained)
    np.fill_diagonal(own, np.inf)
    among = float(np.median(own.min(1))) if len(trained) > 1 else 0.5
    nearest, far = distances(made, trained).min(1), float(distances(base, trained).min(1).mean())
    span = max(far - among, 1e-6)
    each = (far - nearest) / span
    chance = random.Random(0)
    means = [float(np.mean([chance.choice(each) for _ in each])) for _ in range(RESAMPLES)]
    return Measured(
        closeness=float(np.clip(each.mean(), 0, 1)),
        error=float(np.std(means)) if len(made) > 1 else None,
        copies=float((nearest < NEAR * among).mean()),
        variety=min(1.0, _spread(made) / max(_spread(base), 1e-6)),
    )


def _spread(vectors: Sequence[Vector]) -> float:
    """Mean distance between different pictures; of a single one, none."""
    if len(vectors) < 2:
        return 1.0
    among = distances(vectors, vectors)
    return float(among[~np.eye(len(vectors), dtype=bool)].mean())


def sheet_of(rows: Mapping[float, Mapping[str, Sequence[Image.Image]]], plain: Sequence[Image.Image]) -> Image.Image:
    """A column a file and one without LoRA at the end, as the guide's; a row for each weight and seed."""
    names = [*next(iter(rows.values())), words.PLAIN_COLUMN]
    width, height = plain[0].size
    count = len(plain)
    sheet = Image.new("RGB", (len(names) * width, (height * count + _LABEL) * len(rows) + _LABEL), "white")
    draw, font = ImageDraw.Draw(sheet), letters(13)
    for x, name in enumerate(names):
        draw.text((x * width + 4, 3), name[-max(8, width // 8) :], fill="black", font=font)
    for y, (weight, columns) in enumerate(rows.items()):
        top = _LABEL + y * (height * count + _LABEL)
        draw.text((4, top + 3), f"peso {weight:g}", fill="#2563eb", font=font)
        for x, name in enumerate(names):
            for index, picture in enumerate(columns.get(name, plain)):
                sheet.paste(picture, (x * width, top + _LABEL + index * height))
    return sheet
