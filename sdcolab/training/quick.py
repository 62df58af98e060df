"""The guided first run: a little character that the demo model does not know, drawn here, learnt on a CPU in minutes.
No torch.

"Zorp" is violet, round, with one eye, two orange antennae and a wide mouth. No word of the demo model's captions means
it.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

from sdcolab.core.files import atomic_write, make_folder
from sdcolab.training.plan import TrainingPlan

WORD = "zorp"
COUNT = 20
STEPS = 150
SIDE = 128
_SCALE = 4
_SKIN, _DARK, _ANTENNA, _MOUTH = "#8b3fd9", "#4b1a80", "#ff8a1f", "#ffd166"
_BACKGROUNDS = (
    ("fondo blanco", "#ffffff"),
    ("fondo azul", "#6fb1ff"),
    ("fondo verde", "#7fd67f"),
    ("fondo amarillo", "#ffe680"),
    ("fondo rosa", "#ffb3d1"),
)


def draw_zorp(number: int) -> tuple[Image.Image, str]:
    """Picture ``number`` of the character, 128x128, and its caption; each has its own place, size, tilt and
    background.
    """
    chance = random.Random(number)
    words, background = _BACKGROUNDS[number % len(_BACKGROUNDS)]
    side = SIDE * _SCALE
    picture = Image.new("RGB", (side, side), background)
    layer = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    radius = side * chance.uniform(0.28, 0.34)
    x, y = side / 2 + side * chance.uniform(-0.05, 0.05), side * 0.56 + side * chance.uniform(-0.03, 0.03)
    for turn in (-1, 1):
        angle = math.radians(-90 + turn * chance.uniform(22, 34))
        tip = (x + math.cos(angle) * radius * 1.5, y + math.sin(angle) * radius * 1.5)
        draw.line([(x + turn * radius * 0.3, y - radius * 0.8), tip], fill=_DARK, width=int(side * 0.02))
        draw.ellipse(_box(*tip, side * 0.05), fill=_ANTENNA, outline=_DARK, width=int(side * 0.01))
    draw.ellipse(_box(x, y, radius), fill=_SKIN, outline=_DARK, width=int(side * 0.015))
    eye, look = radius * 0.42, radius * 0.12
    draw.ellipse(_box(x, y - radius * 0.25, eye), fill="white", outline=_DARK, width=int(side * 0.012))
    pupil = (x + chance.uniform(-1, 1) * look, y - radius * 0.25 + chance.uniform(-1, 1) * look)
    draw.ellipse(_box(*pupil, eye * 0.45), fill="#151515")
    mouth = (x - radius * 0.5, y + radius * 0.15, x + radius * 0.5, y + radius * 0.75)
    draw.chord(mouth, 0, 180, fill=_MOUTH, outline=_DARK, width=int(side * 0.012))
    layer = layer.rotate(chance.uniform(-12, 12), Image.Resampling.BICUBIC)
    picture.paste(layer, (0, 0), layer)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), f"{WORD}, {words}"


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def draw_pictures(folder: Path, count: int = COUNT) -> None:
    """``count`` pictures with their captions. Raises ``StorageError``."""
    make_folder(folder)
    for number in range(count):
        picture, caption = draw_zorp(number)
        with atomic_write(folder / f"{WORD}_{number:02}.png") as file:
            picture.save(file, "PNG")
        with atomic_write(folder / f"{WORD}_{number:02}.txt") as file:
            file.write(caption.encode("utf-8"))


def quick_plan(demo: Path, home: Path, steps: int = STEPS) -> TrainingPlan:
    """The plan over ``home``'s ``datasets`` that learns it: rank 8, one rate, the text encoder too."""
    return TrainingPlan(
        pretrained_model_name_or_path=str(demo),
        train_data_dir=str(home / "datasets"),
        output_dir=str(home / "output"),
        output_name=WORD,
        resolution=str(SIDE),
        caption_extension=".txt",
        keep_tokens=1,
        cache_latents=True,
        train_batch_size=4,
        network_module="networks.lora",
        network_dim=8,
        network_alpha=8,
        learning_rate=2e-3,
        text_encoder_lr=(1e-3,),
        lr_scheduler="cosine",
        lr_warmup_steps=0.05,
        optimizer_type="AdamW",
        max_train_steps=steps,
        min_snr_gamma=5.0,
        save_precision="fp16",
        seed=1,
    )
