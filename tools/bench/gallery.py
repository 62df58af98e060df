"""How the gallery behaves with many pictures: it makes them, indexes them and searches them.

    python tools/bench/gallery.py                     # 100,000 pictures in a temporary folder (about 200 MB)
    python tools/bench/gallery.py --cuantas 20000 --carpeta DIR

Told: pictures indexed a second, the first page and each kind of search, worst and median of several tries, opening
again with an index that is up to date, and thumbnails a second. The pictures are small so that making them is bearable;
the index only reads headers, so their size matters little. Thumbnails are measured with pictures of 512x768.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image

from sdcolab.core.outputs import png_text
from sdcolab.core.thumbnails import thumbnail
from sdcolab.gallery.index import GalleryIndex, Wanted
from sdcolab.gallery.scan import scan

_WORDS = (
    *("masterpiece", "best", "quality", "woman", "man", "cat", "castle", "forest", "sunset", "neon", "armor", "dress"),
    *("smile", "rain", "snow", "mountain", "river", "portrait", "city", "dragon", "robot", "flower", "garden"),
    *("window", "light", "shadow", "golden", "silver", "crimson", "ancient"),
)
_SEARCHES = (
    "masterpiece",
    "dragon and not robot",
    "(castle or forest) sunset",
    "modelo:anime lora:detalle",
    "pasos>30 cfg<8",
    "semilla:1234567",
    "fecha>=2026-05 estrellas:0",
    "no masterpiece",
    '"best quality" -cat',
    "zzz",
)


def make(root: Path, count: int) -> None:
    """Write ``count`` small PNG files with infotexts, 400 a day."""
    chance = random.Random(7)
    image = Image.new("RGB", (64, 96), (120, 90, 60))
    for number in range(count):
        kind = "txt2img-images" if number % 3 else "img2img-images"
        day = root / kind / time.strftime("%Y-%m-%d", time.localtime(1_770_000_000 + number // 400 * 86400))
        day.mkdir(parents=True, exist_ok=True)
        prompt = ", ".join(chance.choices(_WORDS, k=18)) + (" <lora:detalle:0.7>" if number % 5 == 0 else "")
        seed = 1234567 if number == count // 2 else chance.randrange(2**32)
        text = (
            f"{prompt}\nNegative prompt: worst quality, low quality, blurry\nSteps: {chance.choice((20, 28, 40))}, "
            f"Sampler: Euler a, CFG scale: {chance.choice((5, 7, 9))}, Seed: {seed}, Size: 512x768, "
            f"Model hash: 0123456789, Model: {chance.choice(('anime', 'foto', 'mezcla'))}, Version: v1.10.1"
        )
        image.save(day / f"{number:05}-{seed}.png", "PNG", pnginfo=png_text(text), compress_level=1)


def measure(index: GalleryIndex, wanted: Wanted, tries: int = 5) -> tuple[float, float, int]:
    """Worst and median milliseconds, and how many were found."""
    taken, total = [], 0
    for _ in range(tries):
        begun = time.perf_counter()
        _, total = index.page(wanted)
        taken.append((time.perf_counter() - begun) * 1000)
    return max(taken), statistics.median(taken), total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuantas", type=int, default=100_000)
    parser.add_argument("--carpeta", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.carpeta or Path(temporary)
        outputs, file = folder / "outputs", Path(temporary) / "indice.sqlite"
        if not outputs.exists():
            make(outputs, options.cuantas)
        index = GalleryIndex(file)
        begun = time.perf_counter()
        scan(outputs, index, dict)
        seconds = time.perf_counter() - begun
        total = index.page(Wanted())[1]
        print(f"índice: {total} imágenes en {seconds:.1f} s, {total / seconds:.0f} por segundo")
        index.close()
        begun = time.perf_counter()
        index = GalleryIndex(file)
        index.page(Wanted())
        print(f"abrir y primera página: {(time.perf_counter() - begun) * 1000:.0f} ms")
        begun = time.perf_counter()
        scan(outputs, index, dict)
        print(f"mirar si algo cambió: {(time.perf_counter() - begun) * 1000:.0f} ms")
        for query in _SEARCHES:
            worst, median, found = measure(index, Wanted(query))
            print(f"{query:32} {found:7} imágenes, peor {worst:6.1f} ms, mediana {median:6.1f} ms")
        for order in ("name", "stars", "model", "random"):
            worst, median, _ = measure(index, Wanted(order=order))
            print(f"por {order:28} peor {worst:6.1f} ms, mediana {median:6.1f} ms")
        worst, _, _ = measure(index, Wanted(start=max(0, total - 60)))
        print(f"la última página: peor {worst:.1f} ms")
        large = Path(temporary) / "grande.png"
        Image.effect_noise((512, 768), 60).convert("RGB").save(large)
        begun = time.perf_counter()
        for _ in range(40):
            thumbnail(large)
        print(f"miniaturas: {40 / (time.perf_counter() - begun):.0f} por segundo")
        index.close()


if __name__ == "__main__":
    main()
