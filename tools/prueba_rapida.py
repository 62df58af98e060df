"""Teach the demo model a character of our own and measure whether it learnt it: a contact sheet and a top-1 rate
before and after.

    OMP_NUM_THREADS=2 python tools/prueba_rapida.py CARPETA [--pasos 240]

Top-1: of pictures made for the character's word, the share that is nearest (``sdcolab.training.likeness``) to new
drawings of it and not to one of nine emojis that the model knows. The drawings compared with were not trained on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.training.child import run_training
from sdcolab.training.control import Control
from sdcolab.training.events import StepTrained, TrainingEvent
from sdcolab.training.likeness import top1, vector_of
from sdcolab.training.quick import COUNT, STEPS, WORD, draw_pictures, draw_zorp, quick_plan
from sdcolab.wiring.engine import demo_model

OTHERS = ("gato", "perro", "pizza", "corazón rojo", "cara triste", "rana", "uvas", "robot", "fantasma")
HELD_OUT = 500
"""Drawings from this number on are not trained."""


def pictures(engine: Engine, prompt: str, count: int) -> list[Image.Image]:
    made = []
    for seed in range(1, count + 1):
        request = GenerationRequest(
            prompt=prompt, seed=seed, steps=12, cfg_scale=5, width=128, height=128, sampler="DPM++ 2M"
        )
        made.append(engine.generate(request, save=False).images[0].image)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("carpeta", type=Path)
    parser.add_argument("--pasos", type=int, default=STEPS)
    parser.add_argument("--muestras", type=int, default=10)
    options = parser.parse_args()
    home: Path = options.carpeta
    draw_pictures(home / "datasets" / f"1_{WORD}")
    plan = quick_plan(demo_model().path, home, options.pasos)
    began = time.perf_counter()

    def hear(event: TrainingEvent) -> None:
        if isinstance(event, StepTrained) and event.step % 20 == 0:
            print(f"paso {event.step} de {event.total}: pérdida {event.average:.4f}, {event.seconds:.2f} s por paso")

    lora = run_training(plan, hear, Control())
    took = time.perf_counter() - began
    chosen = (demo_model(), ModelFile(ModelKind.LORA, lora.name, lora))
    engine = Engine(Library(Folders(home / "raiz"), first=chosen), None)
    classes = {other: [vector_of(one) for one in pictures(engine, other, 3)] for other in OTHERS}
    classes[WORD] = [vector_of(draw_zorp(HELD_OUT + number)[0]) for number in range(10)]
    before = pictures(engine, WORD, options.muestras)
    after = pictures(engine, f"{WORD} <lora:{lora.stem}:1>", options.muestras)
    rates = [top1(made, WORD, classes) for made in (before, after)]
    rows = [[draw_zorp(number)[0] for number in range(options.muestras)], before, after]
    sheet = Image.new("RGB", (128 * options.muestras, 128 * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (128 * x, 128 * y))
    sheet.save(home / "hoja.png")
    print(f"{COUNT} dibujos, {options.pasos} pasos, {took:.0f} s")
    print(f"top-1 antes {rates[0]:.0%}, después {rates[1]:.0%}; hoja: {home / 'hoja.png'}")


if __name__ == "__main__":
    main()
