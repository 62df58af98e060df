"""What loading a checkpoint costs: peak memory of the process / size of the file, and time / a plain read of the file.

    python tools/bench/loading.py                   # SDXL: at most 1.15 of memory; SD 1.5: at most 1.5 of time
    python tools/bench/loading.py --carpeta DIR     # keeps the files of random weights (9 GB) there

Each load runs in a process of its own, on the CPU with float16 weights, as they are on a card; then every tensor is
copied once into a small buffer, as on its way to the card. Time is from opening the file to the last copy, with the
file in the system's cache, of the UNet, the text encoders and the VAE; the median of some runs, each beside a plain
read. Memory is the most that the process ever had (getrusage(2), what ``/usr/bin/time -v`` prints), Python and torch
included. On a CPU the engine works in float32; ``--float32`` measures that instead.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from sdcolab.engine.models import load_checkpoint, load_vae
from sdcolab.engine.weights import open_weights
from tools.make_random_families import FAMILIES, checkpoint
from tools.make_random_sd15 import Draw

MEMORY_LIMIT, TIME_LIMIT = 1.15, 1.5
TURNS = 5
BLOCK = 1 << 24


class Shapes(Draw):
    """Draws no numbers: only names and shapes matter here."""

    def normal(self, name: str, shape: tuple[int, ...], deviation: float = 1.0) -> Tensor:  # noqa: ARG002
        """A tensor of ``shape`` without memory."""
        return torch.empty(tuple(shape), device="meta")


def write_file(path: Path, family: str) -> None:
    """A float16 checkpoint of the family's shapes with noise for weights, written piece by piece."""
    with torch.device("meta"):
        tensors = checkpoint(FAMILIES[family], draw=Shapes(0, torch.float16))
    header, end = {}, 0
    for name, tensor in tensors.items():
        start, end = end, end + 2 * math.prod(tensor.shape)
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = (torch.randn(BLOCK // 2, generator=torch.Generator().manual_seed(0)) * 0.02).half().numpy().tobytes()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end, BLOCK):
            file.write(noise[: end - start])


def plain_read(path: Path) -> float:
    """Seconds of reading the file through one buffer."""
    buffer = bytearray(BLOCK)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


def load(path: Path, dtype: torch.dtype) -> tuple[float, int]:
    """Seconds that loading takes, and peak bytes of this process."""
    device, start = torch.device("cpu"), time.perf_counter()
    model = load_checkpoint(open_weights(path), device, dtype)
    vae = load_vae(path, device, dtype, model.detected.family)
    for module in (model.unet, vae, *(encoder.module for encoder in model.text_encoders)):
        carry(module)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def carry(module: nn.Module) -> None:
    """Copy every weight once through a buffer."""
    buffer = torch.empty(BLOCK // 2, dtype=next(module.parameters()).dtype)
    for parameter in module.parameters():
        for piece in parameter.detach().flatten().split(len(buffer)):
            buffer[: len(piece)].copy_(piece)


def in_a_child(path: Path, dtype: torch.dtype) -> tuple[float, int]:
    """``load`` in a new process."""
    command = [sys.executable, __file__, "--archivo", str(path), *(["--float32"] if dtype == torch.float32 else [])]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(answer)
    return seconds, peak


def measure(folder: Path, family: str, dtype: torch.dtype) -> tuple[float, float]:
    """Memory / size of the file and time / a plain read, which are printed too."""
    path = folder / f"{family}-al-azar.safetensors"
    if not path.exists():
        write_file(path, family)
    size = path.stat().st_size
    plain_read(path)  # warms the cache
    reads, loads, peaks = [], [], []
    for _ in range(TURNS):
        reads.append(plain_read(path))
        seconds, peak = in_a_child(path, dtype)
        loads.append(seconds)
        peaks.append(peak)
    ratio = statistics.median(load / read for load, read in zip(loads, reads, strict=True))
    memory = max(peaks) / size
    print(
        f"{family}: archivo {size / 1e9:.2f} GB; memoria {max(peaks) / 1e9:.2f} GB = {memory:.3f} x archivo; "
        f"carga {statistics.median(loads):.2f} s, lectura {statistics.median(reads):.2f} s = {ratio:.2f} x lectura"
    )
    return memory, ratio


def main() -> int:
    """Read the command line; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description="Mide la memoria y el tiempo de cargar un modelo")
    parser.add_argument("--carpeta", type=Path, help="dónde guardar los modelos de pesos al azar")
    parser.add_argument("--float32", action="store_true", help="en float32, como trabaja sin tarjeta gráfica")
    parser.add_argument("--archivo", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    dtype = torch.float32 if options.float32 else torch.float16
    if options.archivo:
        print(json.dumps(load(options.archivo, dtype)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.carpeta or Path(temporary)
        _, time_ratio = measure(folder, "sd1", dtype)
        if options.float32:
            return 0
        memory_ratio, _ = measure(folder, "sdxl", dtype)
    return int(time_ratio > TIME_LIMIT or memory_ratio > MEMORY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
