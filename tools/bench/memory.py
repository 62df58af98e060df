"""Whether memory grows with generations: resident memory of the engine's process after each hundred of them.

    python tools/bench/memory.py             # 500 pictures of the demo model, each with another size, sampler and seed
    python tools/bench/memory.py --veces 100

The exit code is 0 when the last hundred ends within 16 MB of where the first one did: what a process keeps for good
(compiled code, caches) is there by then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
LIMIT = 16
"""MB."""

SAMPLERS = ("Euler a", "DPM++ 2M", "DDIM", "DPM++ SDE")
SIDES = (64, 96, 128)


def resident() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


def main() -> int:
    """Print a line a hundred."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--veces", type=int, default=500)
    times = parser.parse_args().veces
    after: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(Path(folder))
        library = Library(folders, bundled=(ModelFile(ModelKind.CHECKPOINT, DEMO.name, DEMO),))
        engine = Engine(library, ImageStore(folders.txt2img), device="cpu")
        for number in range(1, times + 1):
            side = SIDES[number % len(SIDES)]
            sampler = SAMPLERS[number % len(SAMPLERS)]
            engine.generate(
                GenerationRequest(f"gato {number}", sampler=sampler, steps=3, seed=number, width=side, height=side)
            )
            if number % 100 == 0 or number == times:
                after.append(resident())
                print(f"{number}: {after[-1]:.0f} MB", flush=True)
    return 0 if after[-1] - after[0] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
