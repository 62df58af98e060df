"""Bent pictures and the lines somebody could have drawn for them, as the demo ControlNet sees them while it trains.

Everything is numpy + OpenCV on the CPU, drawn from a seeded `numpy.random.Generator`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SIZE = 128
_WORK = 256  # the size of the stored pictures; bent at this size, then halved


@dataclass(frozen=True)
class View:
    """A bent picture uint8 [128, 128, 3] on its background, and its lines uint8 [128, 128], white (255) on black."""

    picture: np.ndarray
    lines: np.ndarray


def _bending(rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of the bent picture comes from: float32 [256, 256, 2] (x, y) in pixels of the original."""
    scale = rng.uniform(0.6, 1.02, 2) if rng.random() < 0.6 else np.full(2, rng.uniform(0.55, 1.0))
    angle, shear = rng.normal(0, 0.12), rng.normal(0, 0.08)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[1, shear], [0, 1]]) @ np.diag(scale)
    room = np.maximum(0, 1 - np.abs(matrix).sum(1))
    shift = rng.uniform(-1, 1, 2) * room * _WORK / 2
    middle = (_WORK - 1) / 2
    y, x = np.mgrid[0:_WORK, 0:_WORK].astype(np.float64)
    target = np.stack([x - middle - shift[0], y - middle - shift[1]], -1)
    source = target @ np.linalg.inv(matrix).T
    if rng.random() < 0.5:
        source[..., 0] *= -1
    waves = rng.normal(0, rng.uniform(0, 9), (4, 4, 2)).astype(np.float32)
    source += cv2.resize(waves, (_WORK, _WORK), interpolation=cv2.INTER_CUBIC)
    return (source + middle).astype(np.float32)


def bend(rgba: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied RGBA uint8 [256, 256, 4] -> (picture uint8 [128, 128, 3] on `colour` (0..255), alpha)."""
    bent = cv2.remap(rgba, _bending(rng), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    small = cv2.resize(bent, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    picture = small[..., :3] + (1 - small[..., 3:] / 255) * colour
    return picture.round().clip(0, 255).astype(np.uint8), small[..., 3].astype(np.uint8)


def _outline(alpha: np.ndarray, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The silhouette as a hand would draw it: simplified, a little shaky, with or without the strongest inner lines."""
    shapes, _ = cv2.findContours((alpha > 100).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = np.zeros(alpha.shape, np.uint8)
    width = int(rng.integers(1, 5))
    for shape in shapes:
        if len(shape) < 8:
            continue
        simple = cv2.approxPolyDP(shape, rng.uniform(0.3, 2.5), True).astype(np.float64)
        simple += rng.normal(0, rng.uniform(0, 0.8), simple.shape)
        cv2.polylines(lines, [(simple * 8).round().astype(np.int32)], True, 255, width, cv2.LINE_AA, 3)
    if rng.random() < 0.45:
        inner = cv2.Canny(cv2.GaussianBlur(picture, (0, 0), 1.2), 120, 240)
        inner = cv2.dilate(inner, np.ones((width, width), np.uint8))
        lines = np.maximum(lines, np.where(alpha > 60, inner, 0).astype(np.uint8))
    return lines


def _scribble(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thick edges of the blurred picture, with gaps."""
    edges = cv2.Canny(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 2.0)), 60, 150)
    width = int(rng.integers(2, 5))
    lines = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    for _ in range(int(rng.integers(0, 6))):
        centre = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        cv2.circle(lines, centre, int(rng.integers(2, 9)), 0, -1)
    return lines


def draw_lines(picture: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the three ways to get lines: Canny, a drawn outline, a scribble. uint8 [128, 128], 0 or 255."""
    kind = rng.random()
    if kind < 0.35:
        low = rng.uniform(60, 130)
        lines = cv2.Canny(picture, low, 2 * low)
    elif kind < 0.75:
        lines = _outline(alpha, picture, rng)
    else:
        lines = _scribble(picture, rng)
    return np.where(lines > 127, 255, 0).astype(np.uint8)


def make_view(rgba: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> View:
    """Bend one picture and draw its lines."""
    picture, alpha = bend(rgba, colour, rng)
    return View(picture, draw_lines(picture, alpha, rng))
