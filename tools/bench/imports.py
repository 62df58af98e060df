"""What importing the engine costs, against ``import torch`` alone: at most 2.5 times in a process of ours.

    python tools/bench/imports.py            # five turns
    python tools/bench/imports.py --veces 9

Each turn imports in three new processes, one after the other: torch; the engine as a process of ours does
(``engine.lean``); the engine as a library. The medians of the turns' ratios are told. Files are in the system's cache:
it is Python's time, not the disk's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MOST = 2.5
TORCH = "import torch"
LEAN = """
from sdcolab.engine.lean import import_lean
import_lean("sdcolab.engine.engine")
import sdcolab.engine.engine
"""
WHOLE = "import sdcolab.engine.engine"
TIMED = "import time; began = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def seconds(code: str) -> float:
    """Seconds that ``code`` takes in a new Python."""
    command = [sys.executable, "-c", TIMED.format(code)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Print the two ratios; 1 when ours is over ``MOST``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--veces", type=int, default=5)
    turns = [(seconds(TORCH), seconds(LEAN), seconds(WHOLE)) for _ in range(parser.parse_args().veces + 1)][1:]
    lean = statistics.median(lean / torch for torch, lean, _ in turns)
    whole = statistics.median(whole / torch for torch, _, whole in turns)
    print(f"en un proceso nuestro: {lean:.2f} x import torch (como mucho {MOST}); entero: {whole:.2f} x")
    return int(lean > MOST)


if __name__ == "__main__":
    sys.exit(main())
