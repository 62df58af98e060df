"""How alike pictures are, measured without a model: colours where they are, and the directions of edges. No torch.

A picture becomes 16x16 colours (a blurred copy, which tells composition and palette) and an 8x8 grid of edge
directions (which tells drawing), each with a norm of 1 (Dalal & Triggs 2005 for the edges). Two pictures are as far
apart as these vectors. That sees style, colour and pose, not meaning: figures of it compare epochs of one training,
and say little between two trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

COLOUR_SIDE = 16
EDGE_SIDE = 64
CELLS = 8
DIRECTIONS = 8

Vector = np.ndarray[Any, np.dtype[np.float32]]


def vector_of(picture: Image.Image) -> Vector:
    """The picture's vector, float32 of length 1280."""
    plain = picture.convert("RGB")
    colours = np.asarray(plain.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX), np.float32) / 255
    grey = np.asarray(plain.convert("L").resize((EDGE_SIDE, EDGE_SIDE), Image.Resampling.BOX), np.float32) / 255
    return np.concatenate([_unit((colours - colours.mean()).ravel()), _unit(_edges(grey).ravel())])


def _edges(grey: Any) -> Vector:
    """[CELLS, CELLS, DIRECTIONS]: strength of the edges of each direction in each cell."""
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    cell = EDGE_SIDE // CELLS
    made = np.zeros((CELLS, CELLS, DIRECTIONS), np.float32)
    rows, columns = np.indices(grey.shape) // cell
    np.add.at(made, (rows, columns, direction), strength)
    return made


def _unit(values: Vector) -> Vector:
    return (values / max(float(np.linalg.norm(values)), 1e-6)).astype(np.float32)


def distances(ones: Sequence[Vector], others: Sequence[Vector]) -> Vector:
    """[ones, others]: how far each is from each."""
    left, right = np.stack(list(ones)), np.stack(list(others))
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
    return np.sqrt(np.maximum(squares, 0)).astype(np.float32)


def nearest_class(picture: Image.Image, classes: Mapping[str, Sequence[Vector]]) -> str:
    """The class whose members are nearest on average to their three closest."""
    own = [vector_of(picture)]
    scores = {name: float(np.sort(distances(own, members)[0])[:3].mean()) for name, members in classes.items()}
    return min(scores, key=lambda name: scores[name])


def top1(pictures: Sequence[Image.Image], wanted: str, classes: Mapping[str, Sequence[Vector]]) -> float:
    """Share of ``pictures`` that are nearest to the class ``wanted``."""
    return sum(nearest_class(picture, classes) == wanted for picture in pictures) / max(1, len(pictures))
