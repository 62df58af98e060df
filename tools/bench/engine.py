"""What the engine costs beside the model, on a full-size SD 1.5 with random weights.

    python tools/bench/engine.py                      # 256x256 on a CPU, 512x512 on a GPU
    python tools/bench/engine.py --modelo F.safetensors --lado 512

* a step: one call of our denoiser with prompt and negative prompt / the bare UNet call of the same tensors, for one
  image and for two: at most 1.03.
* LoRA: changing from one set of LoRAs to another that touches the same layers / a step for one image: at most 1. The
  files are of rank 32 on all 192 + 72 layers that kohya's trainer uses. From no LoRA to one is told, not judged.
* prompts: a second image with the same prompts must not call the text encoder.

Everything is measured in turns, and the median of the ratios decides; it wants a machine with nothing else to do. On a
CPU steps count the processor's time; with OMP_WAIT_POLICY=passive that is steady on a busy machine too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import read_prompt
from sdcolab.engine.calls import Predictor, Round
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.denoise import GuidedDenoiser
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.lora import loras_in, merger_of
from sdcolab.engine.models import LoadedModel, text_model
from sdcolab.engine.plan import make_plan
from sdcolab.engine.precision import autocast
from sdcolab.engine.schedules import NoiseTable

ROOT = Path(__file__).parents[2]
STEP_LIMIT, SWITCH_LIMIT = 1.03, 1.0
SIGMA = 3.0
PROMPT, NEGATIVE_PROMPT = "un gato (rojo:1.3) en un jardín", "borroso"
RANK = 32
LORAS = ("uno", "dos", "tres")
START = "<lora:uno:1><lora:dos:1>"
FIRST = "de ninguno a uno"
SWITCHES = {
    FIRST: ("", "<lora:uno:1>"),
    "otra fuerza": (START, "<lora:uno:1><lora:dos:0.5>"),
    "otra fuerza en el primero": (START, "<lora:uno:0.5><lora:dos:1>"),
    "otro LoRA": (START, "<lora:uno:1><lora:tres:1>"),
    "uno menos": (START, "<lora:uno:1>"),
    "uno más": ("<lora:uno:1>", START),
}
"""Name -> prompts before and after."""


class Bench:
    """A loaded engine and how to time things on it."""

    def __init__(self, folder: Path, checkpoint: Path, side: int | None, device: str | None) -> None:
        self.folders = Folders(folder)
        bundled = (ModelFile(ModelKind.CHECKPOINT, checkpoint.name, checkpoint),)
        self.library = Library(self.folders, bundled=bundled)
        self.engine = Engine(self.library, None, device=device)
        self.engine.preload()
        self.side = side or (512 if self.engine.device.type == "cuda" else 256)
        (loaded,) = self.engine.models.checkpoints
        self.model, self.conditioner, self.merger = loaded.model, loaded.conditioner, merger_of(loaded)

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds that ``work`` takes, the GPU's included."""
        return self._measured(work, time.perf_counter)

    def worked(self, work: Callable[[], object]) -> float:
        """The same for work that only computes: on a CPU, seconds of its time, which other programs hardly change."""
        return self._measured(work, time.process_time if self.engine.device.type == "cpu" else time.perf_counter)

    def _measured(self, work: Callable[[], object], clock: Callable[[], float]) -> float:
        self._wait()
        start = clock()
        work()
        self._wait()
        return clock() - start

    def _wait(self) -> None:
        if self.engine.device.type == "cuda":
            torch.cuda.synchronize()

    def conditioning(self) -> Conditioning:
        """The prompts, encoded or remembered."""
        return self.conditioner.condition(PROMPT, NEGATIVE_PROMPT, steps=20, second_order=False, clip_skip=1)

    def latents(self, batch: int) -> Tensor:
        """Noise [batch, 4, h, w]."""
        generator = torch.Generator().manual_seed(1)
        size = self.side // 8
        return torch.randn(batch, 4, size, size, generator=generator).to(self.engine.device) * SIGMA

    def step(self, batch: int) -> Callable[[], object]:
        """One call of our denoiser for ``batch`` images."""
        plan = make_plan(GenerationRequest(sampler="Euler", width=self.side, height=self.side, seed=1))
        denoiser = GuidedDenoiser(
            Predictor(self.model.unet, self.conditioning(), self.model.prediction),
            NoiseTable.stable_diffusion(),
            Round(plan.passes[0], plan.batches[0], calls=20),
            before_call=lambda: None,
            after_call=lambda _: None,
        )
        x, sigma = self.latents(batch), torch.tensor(SIGMA)
        return lambda: denoiser(x, sigma)

    def bare_step(self, batch: int) -> Callable[[], object]:
        """The UNet call alone, of the tensors that ``step`` makes."""
        unet, encoded = self.model.unet, self.conditioning()
        dtype = next(unet.parameters()).dtype
        parts = (encoded.positive[0], encoded.negative)
        context = torch.cat([part.at(0).tokens.expand(batch, -1, -1) for part in parts]).to(dtype)
        x = (self.latents(batch) / (SIGMA**2 + 1) ** 0.5).to(dtype).repeat(2, 1, 1, 1)
        t = NoiseTable.stable_diffusion().sigma_to_t(torch.tensor(SIGMA)).to(x.device, dtype).expand(2 * batch)

        def call() -> object:
            with autocast(unet):
                return unet(x, t, context, return_dict=False)

        return call

    def switch(self, prompt: str) -> Callable[[], object]:
        """Finding and merging the LoRAs of ``prompt``, as a request does."""

        def merge() -> None:
            uses = loras_in(read_prompt(prompt).tags, self.library.now())
            with self.merger.applied(uses, _refuse):
                pass

        return merge


def _refuse(warning: SdcolabError) -> None:
    raise warning


def step_ratio(bench: Bench, batch: int, turns: int) -> tuple[float, float]:
    """Median of step / bare call, and the median seconds of a step."""
    step, bare = bench.step(batch), bench.bare_step(batch)
    bare()
    step()
    times = [(bench.worked(step), bench.worked(bare)) for _ in range(turns)]
    return statistics.median(ours / theirs for ours, theirs in times), statistics.median(ours for ours, _ in times)


def switch_ratios(bench: Bench, turns: int) -> dict[str, tuple[float, float]]:
    """For each of ``SWITCHES``, the median of switch / step for one image, and the median seconds of a switch."""
    step = bench.step(1)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in SWITCHES}
    for _ in range(turns):
        one_step = bench.timed(step)
        for name, (before, after) in SWITCHES.items():
            bench.switch(before)()
            times[name].append((bench.timed(bench.switch(after)), one_step))
    return {
        name: (statistics.median(ours / one for ours, one in found), statistics.median(ours for ours, _ in found))
        for name, found in times.items()
    }


def encodings(bench: Bench) -> tuple[tuple[int, float], tuple[int, float]]:
    """Text encoder calls and seconds for the prompts the first and the second time."""
    calls: list[int] = []
    with ExitStack() as stack:
        stack.callback(bench.model.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1)).remove)
        first = bench.timed(bench.conditioning)
        called = len(calls)
        second = bench.timed(bench.conditioning)
    return (called, first), (len(calls) - called, second)


def write_loras(bench: Bench) -> None:
    """Three LoRAs of the layers that kohya's trainer uses (hechos/extensiones.md 11), small enough to keep the model
    working.
    """
    folder = bench.folders.models(ModelKind.LORA)
    folder.mkdir(parents=True)
    for seed, name in enumerate(LORAS):
        generator = torch.Generator().manual_seed(seed)
        tensors: dict[str, Tensor] = {}
        for key, module in trained_layers(bench.model):
            out, into, *kernel = module.get_parameter("weight").shape
            kernel = [1] * len(kernel)
            down = torch.randn(RANK, into, *kernel, generator=generator) / into**0.5
            tensors[f"{key}.lora_down.weight"] = down.half()
            tensors[f"{key}.lora_up.weight"] = (torch.randn(out, RANK, *kernel, generator=generator) * 0.01).half()
            tensors[f"{key}.alpha"] = torch.tensor(float(RANK))
        save_file(tensors, folder / f"{name}.safetensors")


def trained_layers(model: LoadedModel) -> list[tuple[str, nn.Module]]:
    """Name in kohya's files and module of each layer that its trainer changes by default."""
    parts = (("lora_unet", model.unet, "attentions"), ("lora_te_text_model", text_model(model.text_encoder), "layers"))
    return [
        (f"{prefix}_{path.replace('.', '_')}", module)
        for prefix, network, inside in parts
        for path, module in network.named_modules()
        if inside in path.split(".") and isinstance(module, nn.Linear | nn.Conv2d)
    ]


@torch.inference_mode()
def run(bench: Bench, turns: int) -> bool:
    """Measure and tell. Whether all limits are kept."""
    good = True

    def judge(what: str, ratio: float, limit: float, seconds: float) -> None:
        nonlocal good
        good = good and ratio <= limit
        verdict = "bien" if ratio <= limit else "MAL"
        bound = "sin límite" if limit == float("inf") else f"límite {limit:.2f}"
        print(f"{verdict}: {what}: {ratio:.4f} ({bound}; {seconds:.3f} s)", flush=True)

    (first_calls, first), (second_calls, second) = encodings(bench)
    print(f"prompts: {first_calls} llamadas al codificador, {first:.3f} s; otra vez: {second_calls}, {second:.6f} s")
    good = good and first_calls > 0 == second_calls
    for batch in (1, 2):
        ratio, seconds = step_ratio(bench, batch, turns)
        judge(f"paso con lote {batch} / llamada sola de la UNet", ratio, STEP_LIMIT, seconds)
    write_loras(bench)
    bench.switch(START)()  # the files are in the cache from here on
    for name, (ratio, seconds) in switch_ratios(bench, turns).items():
        limit = float("inf") if name == FIRST else SWITCH_LIMIT
        judge(f"LoRA, {name} / paso", ratio, limit, seconds)
    return good


def main() -> None:
    """Read the command line, measure, and fail when over a limit."""
    parser = argparse.ArgumentParser(description="Mide lo que cuesta el motor junto al modelo")
    parser.add_argument("--modelo", type=Path, help="otro modelo (sin él, un SD 1.5 de pesos aleatorios)")
    parser.add_argument("--lado", type=int, help="ancho y alto en píxeles")
    parser.add_argument("--turnos", type=int, default=9)
    parser.add_argument("--dispositivo", help="cpu o cuda")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.modelo
        if path is None:
            sys.path.insert(0, str(ROOT))
            from tools.make_random_sd15 import write

            path = Path(folder) / "rand15.safetensors"
            write(path)
        bench = Bench(Path(folder), path, options.lado, options.dispositivo)
        print(f"{bench.side}x{bench.side}, {bench.engine.device.type}, {options.turnos} turnos", flush=True)
        if not run(bench, options.turnos):
            sys.exit(1)


if __name__ == "__main__":
    main()
