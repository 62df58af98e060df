"""Measuring the demo ControlNet: do the pictures have the shape of the lines that they were given?"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel
from torch import Tensor

from sdcolab.engine.tokenizer import ClipTokenizer

from . import evaluation
from .captions import BACKGROUNDS
from .dataset import Record
from .outlines import SIZE, bend, draw_lines
from .sampling import Model, sample
from .tokenizer import framed

STEPS, GUIDANCE = 20, 4.0


def _hints(lines: list[np.ndarray]) -> Tensor:
    """Lines [128, 128] -> hints [N, 3, 128, 128] in 0..1."""
    return torch.from_numpy(np.stack(lines).astype(np.float32) / 255)[:, None].expand(-1, 3, -1, -1)


def drawn(
    model: Model,
    control: ControlNetModel | None,
    tokenizer: ClipTokenizer,
    prompts: list[str],
    lines: list[np.ndarray],
    seed: int,
) -> Tensor:
    """Images [N, 3, 128, 128] in 0..1; prompt i follows lines i with seed + i."""
    ids = torch.tensor(framed(tokenizer, prompts))
    seeds = list(range(seed, seed + len(prompts)))
    parts = []
    for first in range(0, len(prompts), 20):
        part = slice(first, first + 20)
        hint = _hints(lines[part])
        parts.append(sample(model, ids[part], seeds[part], STEPS, GUIDANCE, control=control, hint=hint))
    return torch.cat(parts)


def silhouette(image: Tensor) -> np.ndarray:
    """What is not white in an image [3, H, W] in 0..1: bool [H, W]."""
    return (image.amin(dim=0) < 0.9).numpy()


def overlap(image: Tensor, alpha: np.ndarray) -> float:
    """Intersection over union of an image's silhouette and the wanted one."""
    found, wanted = silhouette(image), alpha > 127
    union = int((found | wanted).sum())
    return int((found & wanted).sum()) / union if union else 1.0


def measure(
    model: Model,
    control: ControlNetModel,
    records: list[Record],
    pictures: np.ndarray,
    tokenizer: ClipTokenizer,
    count: int,
    seed: int,
) -> str:
    """Mean overlap of the drawn silhouettes with those that the lines came from, with and without the ControlNet."""
    rng = np.random.default_rng(seed + 1000)
    white = np.array(BACKGROUNDS[0][2], dtype=np.float32)
    chosen = rng.choice(len(records), count, replace=False)
    prompts, lines, alphas = [], [], []
    for index in chosen:
        picture, alpha = bend(pictures[index].transpose(1, 2, 0), white, rng)
        prompts.append(records[index].text.labels_es[0])
        lines.append(draw_lines(picture, alpha, rng))
        alphas.append(alpha)
    rows = []
    for name, net in (("con ControlNet", control), ("sin ControlNet", None)):
        images = drawn(model, net, tokenizer, prompts, lines, seed)
        shares = [overlap(image, alpha) for image, alpha in zip(images, alphas, strict=True)]
        rows.append(f"{name}: {np.mean(shares):.1%} de solape medio ({count} imágenes, {STEPS} pasos, CFG {GUIDANCE})")
    return "\n".join(rows)


def _polygon(points: list[tuple[float, float]], width: int = 3) -> np.ndarray:
    lines = np.zeros((SIZE, SIZE), np.uint8)
    corners = (np.array(points) * SIZE).round().astype(np.int32)
    cv2.polylines(lines, [corners], True, 255, width)
    return lines


def hand_drawn() -> dict[str, np.ndarray]:
    """A few outlines as somebody would draw them, by what they are."""
    cat = _polygon(
        [
            (0.2, 0.1),
            (0.36, 0.28),
            (0.64, 0.28),
            (0.8, 0.1),
            (0.86, 0.5),
            (0.76, 0.78),
            (0.5, 0.9),
            (0.24, 0.78),
            (0.14, 0.5),
        ]
    )
    for x in (0.36, 0.64):
        cv2.circle(cat, (round(x * SIZE), round(0.52 * SIZE)), 5, 255, 2)
    small_cat = _polygon(
        [
            (0.55, 0.45),
            (0.62, 0.53),
            (0.78, 0.53),
            (0.85, 0.45),
            (0.9, 0.65),
            (0.82, 0.82),
            (0.7, 0.87),
            (0.58, 0.82),
            (0.5, 0.65),
        ],
        2,
    )
    ball = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(ball, (SIZE // 2, SIZE // 2), 52, 255, 3)
    oval = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(oval, (64, 76), (54, 30), 0, 0, 360, 255, 3)
    house = _polygon([(0.15, 0.9), (0.15, 0.45), (0.5, 0.1), (0.85, 0.45), (0.85, 0.9)])
    return {"cat": cat, "small cat": small_cat, "ball": ball, "oval": oval, "house": house}


SHOWN = (
    ("cat", "gato"), ("cat", "cara de gato"), ("cat", "perro"), ("small cat", "gato"), ("small cat", "zorro"),
    ("ball", "pizza"), ("ball", "luna"), ("ball", "cara feliz"), ("oval", "pizza"), ("oval", "pez"), ("house", "casa"),
    ("house", "iglesia"),
)  # fmt: skip


def draw_sheet(model: Model, control: ControlNetModel, tokenizer: ClipTokenizer, seed: int, path: Path) -> None:
    """Each outline beside what was drawn over it."""
    outlines = hand_drawn()
    lines = [outlines[name] for name, _ in SHOWN]
    prompts = [prompt for _, prompt in SHOWN]
    images = drawn(model, control, tokenizer, prompts, lines, seed)
    both = torch.stack([_hints(lines), images], dim=1).flatten(0, 1)
    titles = [title for prompt in prompts for title in ("", prompt)]
    evaluation.contact_sheet(both, titles, 8, path)
