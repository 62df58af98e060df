"""What scripts cost beside the pictures themselves, with a painter in the engine's place.

    python tools/bench/grids.py

Plans of 1,000 cells (planning, time and memory beside the same generations one by one), dynamic prompts (drawn a second
at 200 tags), and Ultimate SD upscale to 64 megapixels (peak memory). ``--fuzz 100000`` reads and draws random texts
instead, and texts made to be slow.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from PIL import Image  # noqa: E402 - the paths above come first
from support.names import ListedNames  # noqa: E402

from sdcolab.core.events import CancelToken, Listener, ignore_events  # noqa: E402
from sdcolab.core.folders import Folders  # noqa: E402
from sdcolab.core.infotext import EngineFacts, write  # noqa: E402
from sdcolab.core.outputs import ImageStores  # noqa: E402
from sdcolab.core.request import GenerationRequest, InitImage  # noqa: E402
from sdcolab.core.result import GeneratedImage, GenerationResult  # noqa: E402
from sdcolab.core.scripts import Grid, Target, Ultimate, XyzPlot  # noqa: E402
from sdcolab.grids.dynamic.drawing import draw, every  # noqa: E402
from sdcolab.grids.dynamic.nodes import Wildcards  # noqa: E402
from sdcolab.grids.run import Kit, run  # noqa: E402
from sdcolab.grids.xyz import plan  # noqa: E402

FACTS = EngineFacts(version="1", schedule="Automatic", model="m")
REQUEST = GenerationRequest(prompt="a cat", seed=7, width=512, height=512)
THOUSAND = XyzPlot("Seed", "1-100", "Steps", "10-19", sub_images=False, legend=False)


class Painter:
    """Paints noise of a size, as slowly as asked, and saves it where the engine would."""

    def __init__(self, folders: Folders, seconds: float = 0.0) -> None:
        self._stores = ImageStores.below(folders)
        self._seconds = seconds

    def generate(
        self, request: GenerationRequest, _listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        cancel.raise_if_cancelled()
        time.sleep(self._seconds)
        request = request.resolved(checkpoint="m", native_size=512)
        picture = Image.new(
            "RGB", (request.width or 512, request.height or 512), (request.steps, request.seed % 256, 9)
        )
        if request.init is not None:
            picture = request.init.images[0].convert("RGB")
        text = write(request, FACTS, 0)
        path = self._stores.of(request).save(picture, text, request.seed) if save else None
        return GenerationResult(request, (GeneratedImage(picture, text, request.seed, path),))

    def upscale(self, picture: Image.Image, scale: float, *_: Any) -> Image.Image:
        size = int(picture.width * scale), int(picture.height * scale)
        return picture.resize(size, Image.Resampling.LANCZOS)

    def names(self) -> tuple[str, ...]:
        return ("None", "Lanczos")


def kit(folder: Path, seconds: float = 0.0) -> Kit:
    folders = Folders(folder)
    return Kit(Painter(folders, seconds), folders, ListedNames(), Wildcards(), ImageStores.below(folders))


def planning() -> float:
    """Milliseconds of processor to plan 1,000 cells; the best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        assert len(plan(REQUEST, THOUSAND, ListedNames()).cells) == 1000
        best = min(best, time.process_time() - began)
    return best * 1000


def overhead(cells: int, seconds: float) -> tuple[float, float]:
    """Seconds a cell alone and inside of a plan of as many, each painted in ``seconds``; without the sheet."""
    with tempfile.TemporaryDirectory() as folder:
        bench = kit(Path(folder), seconds)
        began = time.perf_counter()
        for number in range(cells):
            bench.engine.generate(replace(REQUEST, seed=number), ignore_events, CancelToken())
        alone = (time.perf_counter() - began) / cells
    with tempfile.TemporaryDirectory() as folder:
        settings = XyzPlot("Seed", f"1-{cells}", sub_images=False, legend=False)
        ends: list[float] = []
        began = time.perf_counter()
        run(
            Grid(REQUEST, settings),
            kit(Path(folder), seconds),
            lambda _event: ends.append(time.perf_counter()),
            CancelToken(),
        )
        inside = (ends[-3] - began) / cells  # before the sheet is drawn
    return alone, inside


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_of_cells(cells: int) -> None:
    """Run a plan of so many cells of 512x512 and print what it took at most (to be run in a process of its own)."""
    with tempfile.TemporaryDirectory() as folder:
        before = peak_megabytes()
        task = Grid(REQUEST, PromptsOnly(cells))
        run(task, kit(Path(folder)), ignore_events, CancelToken())
        print(f"{peak_megabytes() - before:.0f}")


def PromptsOnly(cells: int) -> Any:  # noqa: N802 - reads as the settings it makes
    """So many jobs without a sheet, whose size is another matter."""
    from sdcolab.core.scripts import PromptLines

    return PromptLines("\n".join(f"--seed {number} --prompt x" for number in range(cells)))


def memory_of_ultimate(side: int) -> None:
    """Enlarge to ``side`` x ``side`` and print the peak of the process in MB."""
    with tempfile.TemporaryDirectory() as folder:
        source = Image.effect_noise((side // 4, side // 4), 50).convert("RGB")
        request = replace(REQUEST, init=InitImage((source,), strength=0.3))
        settings = Ultimate(target=Target.CUSTOM, width=side, height=side, upscaler="Lanczos")
        run(Grid(request, settings), kit(Path(folder)), ignore_events, CancelToken())
        print(f"{peak_megabytes():.0f}")


def in_its_own_process(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def prompts_a_second() -> tuple[float, float]:
    """Prompts drawn a second from one template of 200 tags, and different templates of 200 tags read and drawn."""
    tags = [f"tag number {number}" if number % 8 else f"{{a tag {number}|other one|third}}" for number in range(200)]
    template = ", ".join(tags)
    began = time.process_time()
    for seed in range(5000):
        draw(template, seed)
    drawn = 5000 / (time.process_time() - began)
    shuffler = random.Random(1)
    templates = [", ".join(shuffler.sample(tags, len(tags))) for _ in range(2000)]
    began = time.process_time()
    for one in templates:
        draw(one, 1)
    return drawn, len(templates) / (time.process_time() - began)


_PIECES = (
    *("{", "}", "|", "$$", "${", "%{", "__", "::", "#", "//", "/*", "*/", "...", "\\", "$", "%", "<", ">", "(", ")"),
    *(
        "~",
        "@",
        "!",
        "=",
        "?=",
        ":",
        "-",
        ",",
        " ",
        "\n",
        "a",
        "b",
        "2",
        "10",
        "gato",
        "<lora:a__b:0.8>",
        "é",
        "\u200b",
    ),
)


def fuzzed_texts(count: int) -> Iterator[str]:
    """Texts made of the grammar's signs, short ones and some long ones."""
    dice = random.Random(15)
    for number in range(count):
        yield "".join(dice.choices(_PIECES, k=400 if number % 1000 == 0 else dice.randrange(1, 40)))


def fuzz(count: int) -> None:
    """Read and draw so many texts, and the first of all that each can be; print the slowest one."""
    slowest, text_of_it = 0.0, ""
    for text in fuzzed_texts(count):
        began = time.process_time()
        draw(text, 1)
        for _ in itertools.islice(every(text), 20):
            pass
        spent = time.process_time() - began
        if spent > slowest:
            slowest, text_of_it = spent, text
    print(f"{count} textos al azar sin excepciones; el más lento, {slowest * 1000:.0f} ms: {text_of_it[:80]!r}")


def growth() -> None:
    """What reading and drawing texts made to be slow costs when they are twice as long; 2 is linear."""
    for piece in (*_PIECES, "{a|", "__a", "${x=", "%{a$$", "{1$$", "{2$$,$$", "/**", "<a:", "__a(", "{{a|b}|", "\\{"):
        times = []
        for length in (20_000, 40_000):
            text = piece * (length // len(piece))
            began = time.process_time()
            draw(text, 1)
            times.append(max(time.process_time() - began, 1e-4))
        if times[1] > 0.01 or times[1] / times[0] > 2.5:
            print(f"{piece!r} repetido: {times[0] * 1000:.0f} ms y {times[1] * 1000:.0f} ms al doble")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celdas", type=int)
    parser.add_argument("--lado", type=int)
    parser.add_argument("--fuzz", type=int, metavar="TEXTOS")
    options = parser.parse_args()
    if options.fuzz:
        fuzz(options.fuzz)
        growth()
        return
    if options.celdas:
        memory_of_cells(options.celdas)
        return
    if options.lado:
        memory_of_ultimate(options.lado)
        return
    print(f"planear 1000 celdas: {planning():.0f} ms de procesador (máximo 50)")
    alone, inside = overhead(40, 0.25)
    print(f"una celda de 0,25 s: {alone * 1000:.1f} ms sola, {inside * 1000:.1f} ms en la cuadrícula")
    few, many = (in_its_own_process("--celdas", str(cells)) for cells in (100, 1000))
    print(f"memoria de 100 celdas: +{few} MB; de 1000: +{many} MB")
    drawn, read = prompts_a_second()
    print(f"prompts de 200 etiquetas por segundo: {drawn:.0f} de una plantilla, {read:.0f} de plantillas distintas")
    for side in (2048, 8000):
        print(f"Ultimate hasta {side}x{side}: {in_its_own_process('--lado', str(side))} MB de máximo en el proceso")


if __name__ == "__main__":
    main()
