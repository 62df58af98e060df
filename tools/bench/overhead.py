"""How much time the engine adds to the model: wall time of ``generate`` / its UNet calls and VAE decode alone.

    python tools/bench/overhead.py                    # the demo model at its native size: at most 1.10
    python tools/bench/overhead.py --completo         # a full-size SD 1.5 with random weights at 256x256: at most 1.03
    python tools/bench/overhead.py --modelo F.safetensors --lado 512
    python tools/bench/overhead.py --grafos           # on a card: generate replays recorded calls, the bare ones do not

``generate`` is everything: prompt, noise, sampler, guidance, events, previews, decode, infotext and PNG on disk.
Two ratios:

* in turns: ``generate``, then the same calls made bare, again and again; the median of the ratios. It decides, and
  wants a machine with nothing else to do.
* inside: within each ``generate``, its time / the time spent inside the UNet and the VAE decoder. Only on a CPU, where
  calls are not queued; a busy machine hardly moves it, so it tells noise from a real cost.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import MemoryChoice
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.precision import autocast

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "sdcolab" / "demo" / "emoji-128.safetensors"
DEMO_LIMIT, FULL_LIMIT = 1.10, 1.03
DEMO_STEPS, FULL_STEPS = 20, 5
DEMO_TURNS, FULL_TURNS = 15, 3


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds: of ``generate``, of the model within it, and of the bare calls beside it."""

    generate: float
    inside: float
    bare: float


@dataclass(slots=True)
class Stopwatch:
    """Adds up the time spent inside modules."""

    seconds: float = 0.0
    _since: list[float] = field(default_factory=list)

    @contextmanager
    def on(self, *modules: nn.Module) -> Iterator[None]:
        """Measure these modules while it lasts."""
        hooks = [module.register_forward_pre_hook(self._enter) for module in modules]
        hooks += [module.register_forward_hook(self._leave) for module in modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, *_: object) -> None:
        self._since.append(time.perf_counter())

    def _leave(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since.pop()


def measure(
    checkpoint: Path, side: int | None, steps: int, turns: int, device: str | None, memory: MemoryChoice
) -> tuple[list[Turn], str]:
    """``turns`` turns after one that warms up, and the kind of device they ran on."""
    with tempfile.TemporaryDirectory() as folder:
        file = ModelFile(ModelKind.CHECKPOINT, checkpoint.name, checkpoint)
        library = Library(Folders(Path(folder)), bundled=(file,))
        engine = Engine(library, ImageStore(Path(folder) / "images"), device=device, memory=memory)
        request = GenerationRequest(
            prompt="gato rojo", negative_prompt="borroso", steps=steps, seed=1, width=side, height=side
        )
        resolved = engine.generate(request).request
        bare = bare_run(engine, resolved)
        bare()
        return [one_turn(engine, request, bare) for _ in range(turns)], engine.device.type


def one_turn(engine: Engine, request: GenerationRequest, bare: Callable[[], None]) -> Turn:
    """``generate``, then the bare calls."""
    checkpoint, vae = engine.models.checkpoints[0], engine.models.vaes[0]
    assert checkpoint and vae
    watch = Stopwatch()
    modules = (checkpoint.model.unet, vae.module.decoder) if engine.device.type == "cpu" else ()
    with watch.on(*modules):
        whole = timed(lambda: engine.generate(request), engine.device)
    return Turn(whole, watch.seconds, timed(bare, engine.device))


@torch.inference_mode()
def bare_run(engine: Engine, request: GenerationRequest) -> Callable[[], None]:
    """The model's own work for ``request``: one UNet call a step with prompt and negative prompt in a batch, and one
    decode.
    """
    checkpoint, vae = engine.models.checkpoints[0], engine.models.vaes[0]
    assert checkpoint and vae and request.width and request.height
    unet, decoder = checkpoint.model.unet, vae.module
    context = torch.cat(
        [checkpoint.conditioner.encode((text,), 1) for text in (request.prompt, request.negative_prompt)]
    )
    context = context.to(unet.dtype)
    latents = torch.randn(2, 4, request.height // 8, request.width // 8, device=unet.device, dtype=unet.dtype)

    @torch.inference_mode()
    def run() -> None:
        for step in range(request.steps):
            timesteps = torch.full((2,), 999.0 - step, device=unet.device)
            with autocast(unet):
                unet(latents, timesteps, context, return_dict=False)
        decoder.decode(latents[:1], return_dict=False)

    return run


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that ``work`` takes, the GPU's included."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Read the command line, measure, and fail when over the limit."""
    parser = argparse.ArgumentParser(description="Mide cuánto tiempo añade el motor al modelo")
    parser.add_argument(
        "--completo", action="store_true", help="un SD 1.5 de tamaño real con pesos aleatorios, a 256x256"
    )
    parser.add_argument("--modelo", type=Path, help="otro modelo")
    parser.add_argument("--lado", type=int, help="ancho y alto en píxeles")
    parser.add_argument("--pasos", type=int)
    parser.add_argument("--turnos", type=int)
    parser.add_argument("--dispositivo", help="cpu o cuda")
    parser.add_argument("--grafos", action="store_true", help="graba y repite las llamadas (solo en una tarjeta)")
    options = parser.parse_args()
    limit = FULL_LIMIT if options.completo else DEMO_LIMIT
    steps = options.pasos or (FULL_STEPS if options.completo else DEMO_STEPS)
    count = options.turnos or (FULL_TURNS if options.completo else DEMO_TURNS)
    with tempfile.TemporaryDirectory() as folder:
        path, side = options.modelo or DEMO, options.lado
        if options.completo:
            sys.path.insert(0, str(ROOT))
            from tools.make_random_sd15 import write

            path, side = Path(folder) / "rand15.safetensors", side or 256
            write(path)
        turns, device = measure(path, side, steps, count, options.dispositivo, MemoryChoice(graphs=options.grafos))
    in_turns = statistics.median(turn.generate / turn.bare for turn in turns)
    inside = statistics.median(turn.generate / turn.inside for turn in turns) if device == "cpu" else None
    seconds = statistics.median(turn.generate for turn in turns)
    print(f"generate: {seconds:.3f} s ({steps} pasos, {count} turnos, {device})")
    if inside is not None:
        print(f"cociente dentro de la misma ejecución: {inside:.3f}")
    print(f"cociente por turnos con las llamadas solas: {in_turns:.3f}")
    print(f"{'bien' if in_turns <= limit else 'MAL'}: {in_turns:.3f}, límite {limit:.2f}")
    if in_turns > limit:
        sys.exit(1)


if __name__ == "__main__":
    main()
