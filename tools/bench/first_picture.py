"""How long the first picture takes after a start, against loading the model and making one when everything is warm.

    python tools/bench/first_picture.py             # the demo model, 20 steps
    python tools/bench/first_picture.py --veces 5

Each time in a process of its own, once the engine is imported: the first picture (which loads), then the model is let
go of and loaded again (on its own), then the same picture. Told is first / (loading + picture), the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 1.1


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def one_start(steps: int) -> None:
    """Print the three times of this process."""
    from sdcolab.core.folders import Folders
    from sdcolab.core.request import GenerationRequest
    from sdcolab.engine.engine import Engine
    from sdcolab.wiring.engine import build_library

    engine = Engine(build_library(Folders(Path(tempfile.mkdtemp()))), None, device="cpu")
    request = GenerationRequest(prompt="pizza", steps=steps, seed=1)

    def generate() -> object:
        return engine.generate(request, save=False)

    first = timed(generate)
    engine.unload()
    print(json.dumps({"first": first, "load": timed(engine.preload), "picture": timed(generate)}))


def main() -> None:
    """Print the ratio, and end with 1 where it is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--veces", type=int, default=3)
    parser.add_argument("--pasos", type=int, default=20)
    parser.add_argument("--una", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.una:
        one_start(options.pasos)
        return
    again = [sys.executable, __file__, "--una", "--pasos", str(options.pasos)]
    ratios = []
    for _ in range(options.veces):
        told = json.loads(subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        ratios.append(told["first"] / (told["load"] + told["picture"]))
        print(f"{told['first']:.2f} s / ({told['load']:.2f} + {told['picture']:.2f} s) = {ratios[-1]:.3f}", flush=True)
    median = statistics.median(ratios)
    print(f"primera imagen / (cargar + generar): {median:.3f}, límite {LIMIT:.2f}")
    sys.exit(median > LIMIT)


if __name__ == "__main__":
    main()
