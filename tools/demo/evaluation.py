"""Measuring the shipped file: does a caption's picture look like the emoji that it names?"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from sdcolab.engine.tokenizer import ClipTokenizer

from . import singlefile
from .captions import make_caption, plain_captions
from .dataset import Record
from .networks import freeze, load_text_state, make_text_encoder, make_unet, make_vae
from .sampling import Model, sample
from .tokenizer import framed


@dataclass(frozen=True)
class Score:
    """Shares (0..1) of captions whose label is the nearest picture's, or among the five nearest."""

    captions: int
    top1: float
    top5: float
    misses: tuple[str, ...]


def load_model(path: Path, device: torch.device) -> Model:
    """The three networks from the single file, in float32."""
    tensors, _ = singlefile.read(path)
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    unet, vae, text = make_unet(), make_vae(), make_text_encoder()
    unet_state, vae_state, text_state = singlefile.from_single_file(
        tensors, list(unet.state_dict()), list(vae.state_dict())
    )
    unet.load_state_dict(unet_state)
    vae.load_state_dict(vae_state)
    load_text_state(text, text_state)
    for module in (unet, vae, text):
        freeze(module).to(device)
    return Model(unet, vae, text)


def features(images: Tensor) -> Tensor:
    """Images [N, 3, H, W] in 0..1 -> unit vectors [N, D]: coarse colours (16x16) and edge directions (8x8 cells).

    Each half is scaled to length 1, so that colour and shape weigh the same.
    """
    colours = 1 - functional.interpolate(images, size=(16, 16), mode="area")
    gray = functional.interpolate(images.mean(1, keepdim=True), size=(64, 64), mode="area")
    dx, dy = gray[..., 1:-1, 2:] - gray[..., 1:-1, :-2], gray[..., 2:, 1:-1] - gray[..., :-2, 1:-1]
    strength, angle = (dx**2 + dy**2).sqrt(), torch.atan2(dy, dx) % torch.pi
    bins = (angle / torch.pi * 8).long().clamp(max=7)
    maps = functional.one_hot(bins[:, 0], 8).permute(0, 3, 1, 2).float() * strength
    cells = functional.adaptive_avg_pool2d(maps, (8, 8))
    halves = [functional.normalize(part.flatten(1), dim=1) for part in (colours, cells)]
    return torch.cat(halves, dim=1) / 2**0.5


def choose_captions(records: list[Record], count: int, seed: int, kind: str) -> list[tuple[int, str]]:
    """Fixed (record index, caption) pairs: `label` captions, or `any` caption as in training (white background)."""
    rng = random.Random(seed)
    pairs = []
    for index in rng.sample(range(len(records)), count):
        text = records[index].text
        pairs.append((index, rng.choice(plain_captions(text)) if kind == "label" else make_caption(text, 0, rng)))
    return pairs


def _labels(record: Record) -> set[str]:
    return {label.lower() for label in (*record.text.labels_en, *record.text.labels_es)}


def generate(
    model: Model, tokenizer: ClipTokenizer, prompts: list[str], steps: int, guidance: float, seed: int, batch: int
) -> Tensor:
    """Images [N, 3, 128, 128] in 0..1 on the CPU; prompt i uses seed + i."""
    ids = torch.tensor(framed(tokenizer, prompts))
    seeds = list(range(seed, seed + len(prompts)))
    parts = [
        sample(model, ids[i : i + batch], seeds[i : i + batch], steps, guidance).cpu()
        for i in range(0, len(ids), batch)
    ]
    return torch.cat(parts)


def score(images: Tensor, pairs: list[tuple[int, str]], records: list[Record], references: Tensor) -> Score:
    """Rank the training pictures (references [N, 3, 128, 128] in 0..1, on white) by cosine likeness.

    A hit: one of the nearest pictures has a label of the prompted picture (so a different emoji that shares the
    label counts, a skin tone other than the one asked for does not).
    """
    likeness = features(images) @ features(references).T
    nearest = likeness.topk(5, dim=1).indices.tolist()
    labels = [_labels(record) for record in records]
    first = [bool(labels[row[0]] & labels[index]) for row, (index, _) in zip(nearest, pairs, strict=True)]
    five = [any(labels[n] & labels[i] for n in row) for row, (i, _) in zip(nearest, pairs, strict=True)]
    misses = tuple(caption for hit, (_, caption) in zip(five, pairs, strict=True) if not hit)
    return Score(len(pairs), sum(first) / len(first), sum(five) / len(five), misses)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with accented letters where the system has one; Pillow's own lacks them."""
    for name in ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def contact_sheet(images: Tensor, titles: list[str], columns: int, path: Path) -> None:
    """Save images [N, 3, H, W] in 0..1 as one picture, with their titles below."""
    size, line = images.shape[-1], 14
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * size, rows * (size + line)), "white")
    pen, font = ImageDraw.Draw(sheet), _font(10)
    for number, (image, title) in enumerate(zip(images, titles, strict=True)):
        x, y = number % columns * size, number // columns * (size + line)
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        sheet.paste(Image.fromarray(pixels), (x, y))
        pen.text((x + 3, y + size), title[:23], fill="black", font=font)
    sheet.save(path, quality=88)
