"""What ControlNet costs: preparing a map, a step with a unit, and a second picture with the same map.

    python tools/bench/controlnet.py

* A canny map of 1024 px: the time beside OpenCV's own, at most 50 ms.
* A generation with one unit / the UNet's and the ControlNet's own calls and the decode within it, on the demo model: at
  most 1.05 more than the same without a unit. On a CPU, where calls are not queued.
* How often a preprocessor runs for a second picture with the same map: never.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from PIL import Image
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from sdcolab.core.control import ControlUnit  # noqa: E402 - the path above comes first
from sdcolab.core.detect import ModelKind  # noqa: E402
from sdcolab.core.folders import Folders  # noqa: E402
from sdcolab.core.library import Library, ModelFile  # noqa: E402
from sdcolab.core.request import GenerationRequest  # noqa: E402
from sdcolab.engine.control import preparing  # noqa: E402
from sdcolab.engine.control.shelf import Controls  # noqa: E402
from sdcolab.engine.engine import Engine  # noqa: E402
from sdcolab.engine.preprocessors import run  # noqa: E402
from sdcolab.engine.preprocessors.base import Asked  # noqa: E402

DEMO = ROOT / "sdcolab" / "demo"
MAP_LIMIT, STEP_LIMIT = 0.05, 1.05
SIDE, TURNS, STEPS = 1024, 15, 12


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def photo(side: int) -> Image.Image:
    """Something with edges."""
    noise = np.random.default_rng(1).integers(0, 255, (side // 32, side // 32, 3), np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def map_seconds() -> float:
    """Of a canny map, less OpenCV's part: medians."""
    picture = photo(SIDE)
    pixels = np.array(picture)

    def ours() -> None:
        found = run("canny", Asked(preparing.pixels(picture), SIDE, 100, 200))
        preparing.hint(preparing.part("resizing", "canny").fitted(found, SIDE, SIDE, ControlUnit().resize))

    ours()
    whole = statistics.median(seconds(ours) for _ in range(TURNS))
    alone = statistics.median(seconds(lambda: cv2.Canny(pixels, 100, 200)) for _ in range(TURNS))
    return whole - alone


class Inside:
    """Adds up the time inside modules."""

    def __init__(self) -> None:
        self.total = 0.0
        self._began = 0.0

    def on(self, module: nn.Module, stack: ExitStack) -> None:
        """Measure ``module`` too."""
        stack.callback(module.register_forward_pre_hook(self._enter).remove)
        stack.callback(module.register_forward_hook(self._leave).remove)

    def _enter(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _leave(self, *_: object) -> None:
        self.total += time.perf_counter() - self._began


def overhead(engine: Engine, request: GenerationRequest) -> float:
    """The time of a generation / that inside its models: the median of several."""
    engine.generate(request)
    ratios = []
    checkpoint, vae = engine.models.checkpoints[0], engine.models.vaes[0]
    assert checkpoint and vae
    controls = [one.net for one in checkpoint.kept.of(Controls, Controls).all]
    for _ in range(TURNS):
        inside = Inside()
        with ExitStack() as stack:
            for module in (checkpoint.model.unet, vae.module.decoder, *controls):
                inside.on(module, stack)  # type: ignore[arg-type]
            whole = seconds(lambda: engine.generate(request))
        ratios.append(whole / inside.total)
    return statistics.median(ratios)


def costs(folder: Path) -> tuple[float, float, int]:
    """Times / the models' own, with a unit and without; and how many maps a second picture prepares."""
    folders = Folders(folder)
    place = folders.models(ModelKind.CONTROLNET)
    place.mkdir(parents=True)
    (place / "lineas.safetensors").symlink_to(DEMO / "emoji-128-lineas.safetensors")
    file = DEMO / "emoji-128.safetensors"
    library = Library(folders, bundled=(ModelFile(ModelKind.CHECKPOINT, file.name, file),))
    engine = Engine(library, None, device="cpu")
    plain = GenerationRequest(prompt="gato", steps=STEPS, seed=1, width=128, height=128)
    followed = replace(plain, control=(ControlUnit(module="canny", model="lineas", images=(photo(512),)),))
    without, with_unit = overhead(engine, plain), overhead(engine, followed)
    with patch.object(preparing, "run", wraps=preparing.run) as prepared:
        engine.generate(followed)
    return with_unit, without, prepared.call_count


def main() -> int:
    """Measure and tell; 1 when a limit is passed."""
    own = map_seconds()
    print(f"mapa canny de {SIDE} px: {own * 1000:.0f} ms además de OpenCV (límite {MAP_LIMIT * 1000:.0f})")
    with tempfile.TemporaryDirectory() as folder:
        with_unit, without, maps = costs(Path(folder))
    ratio = with_unit / without
    print(f"con una unidad, {with_unit:.3f} x sus redes; sin ella, {without:.3f}; {ratio:.3f} (límite {STEP_LIMIT})")
    print(f"la segunda imagen con el mismo mapa prepara {maps} mapas (límite 0)")
    return int(own > MAP_LIMIT or ratio > STEP_LIMIT or maps > 0)


if __name__ == "__main__":
    sys.exit(main())
