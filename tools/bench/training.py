"""Our training step against a bare forward and backward of the same modules, in one run, and the memory of loading.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python tools/bench/training.py [--modelo ARCHIVO] [--pasos 10]

Bare is what nobody can do without: the network's own modules attached, one UNet call on the same latents, texts and
timesteps, the mean square, ``backward`` and the optimiser's step. Ours is everything that happens from one step to the
next. Both take turns, and the median of each counts. Peak memory is that of the process while the checkpoint is
loaded, over the file's size.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch

from sdcolab.training.loop import Run, Workshop, accumulate, epoch_batches, latents_of, optimise, randomness
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.prepare import prepare
from sdcolab.training.quick import draw_pictures
from sdcolab.wiring.engine import demo_model

BATCH = 4


def workshop(model: Path, folder: Path, side: int) -> Workshop:
    """A training of the model over pictures of the quick test."""
    draw_pictures(folder / "datasets" / "1_zorp", 3 * BATCH)
    plan = TrainingPlan(
        pretrained_model_name_or_path=str(model),
        train_data_dir=str(folder / "datasets"),
        output_dir=str(folder),
        output_name="medida",
        resolution=str(side),
        caption_extension=".txt",
        cache_latents=True,
        train_batch_size=BATCH,
        network_dim=8,
        network_alpha=8,
        network_train_unet_only=True,
        learning_rate=1e-4,
        max_train_epochs=1000,
        max_grad_norm=0,
        seed=1,
        mixed_precision="auto",
    )
    return prepare(plan, lambda _event: None)


def ours(shop: Workshop, run: Run, batch: tuple[int, ...]) -> float:
    began = time.perf_counter()
    run.pending = accumulate(shop, run, batch)
    optimise(shop, run)
    return time.perf_counter() - began


def bare(shop: Workshop, run: Run, batch: tuple[int, ...]) -> float:
    chance, _ = randomness(shop, run)
    latents, _ = latents_of(shop, batch, chance)
    captions = [shop.pictures[index].caption for index in batch]
    reading = shop.text.read(captions, shop.fleet.device)
    noise, timesteps = torch.randn_like(latents), torch.randint(0, 1000, (len(latents),), device=latents.device)
    began = time.perf_counter()
    with shop.unet.autocast():
        answer = shop.unet.model.unet(latents + noise, timesteps, reading.tokens).sample
    ((answer - noise) ** 2).mean().backward()
    shop.optimiser.step()
    shop.optimiser.zero_grad(set_to_none=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--modelo", type=Path, default=demo_model().path)
    parser.add_argument("--lado", type=int, default=128)
    parser.add_argument("--pasos", type=int, default=10)
    options = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with tempfile.TemporaryDirectory() as folder:
        shop = workshop(options.modelo, Path(folder), options.lado)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        run, times = Run(), {"ours": [], "bare": []}
        batch = epoch_batches(shop, 1)[0]
        with shop.network:
            for step in range(options.pasos + 2):
                for name, work in (("ours", ours), ("bare", bare)):
                    seconds = work(shop, run, batch)
                    if step >= 2:
                        times[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    size = options.modelo.stat().st_size
    print(f"ours {medians['ours']:.3f} s, bare {medians['bare']:.3f} s: {medians['ours'] / medians['bare']:.3f}")
    print(f"memory while loading: {(after - before) / 1e6:.0f} MB for a file of {size / 1e6:.0f} MB")
    if torch.cuda.is_available():
        print(f"peak on the card: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
