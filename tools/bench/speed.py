"""What each speed costs in likeness and brings in time, or with ``--pesos`` each way to keep weights in 8 bits: a
Markdown table of its error against the plain picture, and with ``--grafica`` a Mermaid chart of it.

    OMP_NUM_THREADS=1 python tools/bench/speed.py                 # the demo model, 32 prompts, 25 steps
    python tools/bench/speed.py --prompts 4 --samplers "Euler a"  # a short look
    python tools/bench/speed.py --pesos                           # weights in 8 bits
    python tools/bench/speed.py --modelo F.safetensors --lado 128 --precision bf16  # a whole SD 1.5, half an hour each

Each picture is made in each way from the same seed, in full precision if nothing else is asked for, so that the error
is that of forecasting alone; "Automatic" is what users get. Told, as means over the prompts: the relative error of the
final latents, PSNR and SSIM of the pictures, their sharpness (mean absolute Laplacian) / the plain one's, UNet calls of
the plain one / those made, and the same of wall time, the parts of which are prompt, sampling and decoding.
Times are of one run; only their ratio means something.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, EightBits, Fp8, Tuning
from sdcolab.core.words import OPTION_WORDS
from sdcolab.engine.calls import Round
from sdcolab.engine.engine import Engine
from sdcolab.engine.feature import Feature
from sdcolab.engine.features import FEATURES

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
THINGS = ("pizza", "cat", "dog", "heart", "sun", "tree", "car", "apple")
KINDS = ("{}", "red {}", "{} face", "blue {}, simple")
PROMPTS = tuple(kind.format(thing) for kind in KINDS for thing in THINGS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to make a picture, which is to ask the UNet ``least`` times less often than the plain one."""

    name: str
    speed: Speed = Speed.FAITHFUL
    fp8: Fp8 = Fp8.DISABLE
    bits: EightBits = EightBits.FP8
    least: float = 1.0

    def of(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` made so."""
        return replace(request, speed=self.speed, tuning=replace(request.tuning, fp8=self.fp8, eight_bits=self.bits))


PLAIN = Way("plain")
SPEEDS = (
    Way(OPTION_WORDS[Speed][Speed.BALANCED], Speed.BALANCED, least=1.6),
    Way(OPTION_WORDS[Speed][Speed.FAST], Speed.FAST, least=2.5),
)
STORAGES = tuple(Way(OPTION_WORDS[EightBits][bits], fp8=Fp8.ENABLE, bits=bits) for bits in EightBits)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A picture (uint8 [H, W, 3]), its latents, the UNet calls and the seconds that it took."""

    picture: np.ndarray
    latents: Tensor
    calls: int
    seconds: float


def engine_that_shows(latents: list[Tensor], checkpoint: Path) -> Engine:
    """An engine on the CPU that puts the latents of each round into ``latents``."""

    class Shown(Feature):
        @classmethod
        def asked(cls, asked: ResolvedRequest) -> Self | None:
            del asked
            return cls()

        def end(self, samples: Tensor, of: Round) -> Tensor:
            del of
            latents.append(samples)
            return samples

    folder = Path(tempfile.mkdtemp())
    file = ModelFile(ModelKind.CHECKPOINT, checkpoint.name, checkpoint)
    return Engine(Library(Folders(folder), bundled=(file,)), None, device="cpu", features=(*FEATURES, Shown))


def measured(
    engine: Engine, shown: list[Tensor], requests: Sequence[GenerationRequest], ways: Iterable[Way]
) -> list[dict[Way, Made]]:
    """``requests`` in every way, one after the other: each may want the UNet in another precision."""
    made: list[dict[Way, Made]] = [{} for _ in requests]
    for way in ways:
        first, *_ = requests
        engine.generate(replace(way.of(first), steps=1), save=False)  # it loads
        unet = engine.models.checkpoints[0].model.unet
        for request, one in zip(requests, made, strict=True):
            calls: list[int] = []
            hook = unet.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
            began = time.perf_counter()
            (image,) = engine.generate(way.of(request), save=False).images
            seconds = time.perf_counter() - began
            hook.remove()
            one[way] = Made(np.asarray(image.image), shown[-1], len(calls), seconds)
            del shown[:]
    return made


def sharpness(picture: np.ndarray) -> float:
    """Mean absolute Laplacian of the luminance."""
    grey = picture.mean(axis=2)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.abs(laplacian).mean())


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of a sampler in a way: relative errors of the latents, PSNR in dB, SSIM, sharpness / the
    plain one's, and how many times fewer UNet calls and less time."""

    sampler: str
    way: Way
    error: float
    worst: float
    psnr: float
    alike: float
    sharp: float
    calls: float
    wall: float

    def line(self) -> str:
        """Its line of the table."""
        cells = f"{self.error:.3f} | {self.worst:.3f} | {self.psnr:.1f} | {self.alike:.3f} | {self.sharp:.2f}"
        return f"| {self.sampler} | {self.way.name} | {cells} | {self.calls:.2f} | {self.wall:.2f} |"


def row(sampler: str, way: Way, every: list[dict[Way, Made]]) -> Row:
    """What ``every`` prompt's pictures say of a way."""
    pairs = [(one[PLAIN], one[way]) for one in every]
    error = statistics.mean(float((b.latents - a.latents).norm() / a.latents.norm()) for a, b in pairs)
    worst = max(float((b.latents - a.latents).norm() / a.latents.norm()) for a, b in pairs)
    psnr = statistics.mean(min(99.0, _psnr(a.picture, b.picture)) for a, b in pairs)
    alike = statistics.mean(structural_similarity(a.picture, b.picture, channel_axis=2) for a, b in pairs)
    sharp = statistics.mean(sharpness(b.picture) / max(sharpness(a.picture), 1e-6) for a, b in pairs)
    calls = sum(a.calls for a, _ in pairs) / sum(b.calls for _, b in pairs)
    wall = sum(a.seconds for a, _ in pairs) / sum(b.seconds for _, b in pairs)
    return Row(sampler, way, error, worst, psnr, alike, sharp, calls, wall)


def chart(rows: Sequence[Row]) -> str:
    """A Mermaid chart: the mean error of each row as a bar, its worst as a line."""
    names = ", ".join(f'"{one.sampler}, {one.way.name}"' for one in rows)
    means = ", ".join(f"{one.error:.3f}" for one in rows)
    worsts = ", ".join(f"{one.worst:.3f}" for one in rows)
    top = max(one.worst for one in rows) * 1.1
    return (
        "```mermaid\nxychart-beta\n"
        '    title "Error de los latents: la barra es la media; la línea, el peor"\n'
        f'    x-axis [{names}]\n    y-axis "error relativo" 0 --> {top:.2f}\n'
        f"    bar [{means}]\n    line [{worsts}]\n```"
    )


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 99.0 if np.array_equal(one, other) else float(peak_signal_noise_ratio(one, other))


def lines(options: argparse.Namespace) -> Iterator[str]:
    """The table, line by line, as it is measured."""
    shown: list[Tensor] = []
    engine = engine_that_shows(shown, options.modelo)
    tuning = Tuning(cpu_precision=CpuPrecision(options.precision))
    ways = STORAGES if options.pesos else SPEEDS
    yield "| sampler | way | error | worst | PSNR | SSIM | sharpness | fewer calls | faster |"
    yield "|---|---|---|---|---|---|---|---|---|"
    rows: list[Row] = []
    for sampler in options.samplers:
        plain = GenerationRequest(
            sampler=sampler, steps=options.pasos, width=options.lado, height=options.lado, tuning=tuning
        )
        prompts = enumerate(PROMPTS[: options.prompts])
        requests = [replace(plain, prompt=prompt, seed=100 + number) for number, prompt in prompts]
        every = measured(engine, shown, requests, (PLAIN, *ways))
        for way in ways:
            rows.append(row(sampler, way, every))
            enough = rows[-1].calls >= way.least or options.pasos != 25
            yield rows[-1].line() + ("" if enough else f" under {way.least}")
    if options.grafica:
        yield chart(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modelo", type=Path, default=DEMO)
    parser.add_argument("--lado", type=int)
    parser.add_argument("--pasos", type=int, default=25)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--pesos", action="store_true", help="no las velocidades, sino los pesos en 8 bits")
    parser.add_argument("--grafica", action="store_true", help="también una gráfica, en Mermaid")
    numbers = [one.value for one in CpuPrecision]
    parser.add_argument("--precision", choices=numbers, default=CpuPrecision.FULL.value, help="de las tres velocidades")
    parser.add_argument("--samplers", nargs="+", default=["Euler a", "Euler", "DPM++ 2M", "DPM++ 2M SDE"])
    torch.set_num_threads(1)
    for line in lines(parser.parse_args()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
