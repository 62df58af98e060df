"""The training loop: what happens from the first step to the last file.

For each batch: latents of the pictures, noise at a random timestep, what the UNet makes of both and of the captions,
its distance from the truth, and a step of the optimiser over the small network (Ho et al. 2020, algorithm 1; Hu et al.
2021). Every random number of a step is drawn from the seed and the step's number, so that a training that was cut off
goes on as if it never was.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from sdcolab.core.errors import Cancelled, LossJumped, StateUnusable, TrainingDiverged
from sdcolab.core.words import training_progress as words
from sdcolab.training import recipe
from sdcolab.training.captions import Moment, caption_at
from sdcolab.training.control import Control
from sdcolab.training.dataset import Dataset, Picture, batches
from sdcolab.training.events import (
    Hear,
    LearntBefore,
    LoraSaved,
    Paused,
    StateSaved,
    StepTrained,
    Told,
    TrainingBegan,
)
from sdcolab.training.fleet import Fleet, share_of
from sdcolab.training.latents import LatentShelf
from sdcolab.training.metadata import (
    Facts,
    epoch_file,
    last_file,
    metadata_of,
    outdated_epoch,
    outdated_step,
    state_folder,
    step_file,
)
from sdcolab.training.network import Network
from sdcolab.training.own_files import is_made_by
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.rates import Factor
from sdcolab.training.samples import Sampler
from sdcolab.training.saving import PRECISIONS, Progress, State, are_finite, read_state, write_lora, write_state
from sdcolab.training.steps import StepCount
from sdcolab.training.text import TextReader
from sdcolab.training.unet import Unet

JUMP = 3.0
"""A loss this many times the least average so far is told: the rate is too high."""
WINDOW = 50


@dataclass(frozen=True, eq=False)
class Workshop:
    """Everything that a training works with; made by ``prepare``."""

    plan: TrainingPlan
    datasets: tuple[Dataset, ...]
    pictures: tuple[Picture, ...]
    steps: StepCount
    seed: int
    fleet: Fleet
    unet: Unet
    network: Network
    text: TextReader
    latents: LatentShelf
    optimiser: Optimizer
    factor: Factor
    facts: Facts
    folder: Path
    name: str
    plan_hash: str
    dataset_hash: str
    sampler: Sampler | None = None


@dataclass
class Run:
    """How far the training is: what changes from step to step."""

    epoch: int = 1
    batch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: float = math.inf
    jumped: bool = False
    pending: float = 0.0
    saved: str = ""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    ema: dict[str, Tensor] = field(default_factory=dict)


def train(shop: Workshop, hear: Hear, control: Control) -> Path:
    """Train to the last step and return the finished file.

    Raises ``Cancelled`` after saving what there is, ``TrainingDiverged``, ``StateUnusable`` or ``StorageError``.
    """
    run = Run()
    if shop.sampler:
        shop.sampler.write = lambda path: write_lora(path, run.ema or shop.network.file_tensors(), {})
    if shop.plan.ema_decay:
        run.ema = shop.network.file_tensors()
    if shop.plan.resume:
        resume(shop, run, Path(shop.plan.resume))
    hear(_began(shop, run))
    if run.step:
        hear(_before(shop, run))
    if cut_off_between(shop, run):
        save_epoch(shop, run, run.epoch - 1, hear)
    with shop.network:
        shop.network.train()
        if shop.sampler and shop.plan.sample_at_first and run.step == 0:
            shop.sampler.make(0, 0, hear)
        while run.step < shop.steps.total:
            train_epoch(shop, run, hear, control)
    return save(shop, run, last_file(shop.name), shop.steps.epochs, hear, last=True)


def train_epoch(shop: Workshop, run: Run, hear: Hear, control: Control) -> None:
    """The rest of the epoch that ``run`` is in."""
    order = epoch_batches(shop, run.epoch)
    while run.batch < len(order) and run.step < shop.steps.total:
        obey(shop, run, hear, control)
        began = time.perf_counter()
        last_of_epoch = run.batch == len(order) - 1
        run.pending += accumulate(shop, run, order[run.batch]) / shop.plan.gradient_accumulation_steps
        run.batch += 1
        if run.batch % shop.plan.gradient_accumulation_steps == 0 or last_of_epoch:
            optimise(shop, run)
            run.times.append(time.perf_counter() - began)
            hear(_told(shop, run))
            warn_of_jumps(shop, run, hear)
            save_by_steps(shop, run, hear)
    if run.batch >= len(order):
        finished, run.epoch, run.batch = run.epoch, run.epoch + 1, 0
        save_by_epochs(shop, run, finished, hear)


def epoch_batches(shop: Workshop, epoch: int) -> list[tuple[int, ...]]:
    """This process's batches of ``epoch``: numbers of pictures, those of all datasets mixed."""
    found: list[tuple[int, ...]] = []
    first = 0
    for dataset in shop.datasets:
        found += [tuple(first + index for index in batch) for batch in batches(dataset, shop.seed, epoch)]
        first += len(dataset.pictures)
    if len(shop.datasets) > 1:
        random.Random(shop.seed + epoch).shuffle(found)
    return share_of(found, shop.fleet)


# --- One step ---------------------------------------------------------------------------------------------------------


def accumulate(shop: Workshop, run: Run, batch: tuple[int, ...]) -> float:
    """Add the gradients of one batch; its loss. Raises ``TrainingDiverged`` when it is no number."""
    chance, generator = randomness(shop, run)
    pictures = [shop.pictures[index] for index in batch]
    latents, mask = latents_of(shop, batch, chance)
    moment = Moment(run.epoch, run.step, shop.steps.total)
    captions = [caption_at(picture.caption, picture.subset.captions, moment, chance) for picture in pictures]
    loss = loss_of_batch(shop, pictures, captions, latents, mask, generator)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise diverged(shop, run)
    shop.unet.backward(loss / shop.plan.gradient_accumulation_steps)
    return value


def loss_of_batch(
    shop: Workshop,
    pictures: list[Picture],
    captions: list[str],
    latents: Tensor,
    mask: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """How far the UNet is from the truth on ``latents``: a number with a gradient."""
    plan, unet = shop.plan, shop.unet
    rules = recipe.NoiseRules.of(plan)
    noise = recipe.draw_noise(latents, rules, generator)
    timesteps = recipe.draw_timesteps(len(latents), plan, generator)
    abar = unet.abar[timesteps].to(latents.device)
    seen = recipe.noisy(latents, recipe.input_noise(noise, rules, generator), abar)
    prediction = unet.predict(seen, timesteps.to(latents.device), shop.text, captions, pictures)
    return recipe.loss_of(
        prediction,
        recipe.target_of(latents, noise, abar, v=unet.v),
        timesteps.to(latents.device),
        abar,
        plan,
        v=unet.v,
        weights=torch.tensor([_weight(picture, plan) for picture in pictures], device=latents.device),
        mask=mask,
    )


def optimise(shop: Workshop, run: Run) -> None:
    """One step of the optimiser with the gradients gathered so far."""
    plan, network = shop.plan, shop.network
    factor = shop.factor(run.step)
    for group in shop.optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor
    shop.fleet.average(network.parameters())
    shop.unet.step(shop.optimiser, network.parameters(), plan.max_grad_norm)
    shop.optimiser.zero_grad(set_to_none=True)
    if plan.scale_weight_norms:
        network.limit_norms(plan.scale_weight_norms)
    if plan.ema_decay:
        for name, tensor in network.file_tensors().items():
            run.ema[name].lerp_(tensor, 1 - plan.ema_decay)
    run.step += 1
    run.losses.append(shop.fleet.mean(run.pending))
    run.pending = 0.0


def randomness(shop: Workshop, run: Run) -> tuple[random.Random, torch.Generator]:
    """The random numbers of this batch, which the seed, the epoch and the batch's number decide; dropout's too."""
    number = (shop.seed * 1_000_003 + run.epoch * 1_009 + run.batch) * 64 + shop.fleet.rank
    number %= 2**63
    torch.manual_seed(number)
    return random.Random(number), torch.Generator().manual_seed(number)


def latents_of(shop: Workshop, batch: tuple[int, ...], chance: random.Random) -> tuple[Tensor, Tensor | None]:
    """Latents [B, C, h, w] of the batch in the UNet's scale, some mirrored, and where the loss counts [B, 1, h, w]."""
    chosen, masks = [], []
    masked = [shop.plan.masked_loss or shop.pictures[index].subset.alpha_mask for index in batch]
    for index, used in zip(batch, masked, strict=True):
        encoded = shop.latents.of(index)
        mirrored = encoded.flipped is not None and chance.random() < 0.5
        chosen.append(encoded.flipped if mirrored and encoded.flipped is not None else encoded.latents)
        mask = encoded.mask if used and encoded.mask is not None else torch.ones(chosen[-1].shape[-2:])
        masks.append(mask.flip(1) if mirrored else mask)
    device = shop.fleet.device
    latents = torch.stack(chosen).to(device) * shop.unet.latent_scale
    return latents, torch.stack(masks)[:, None].to(device) if any(masked) else None


def _weight(picture: Picture, plan: TrainingPlan) -> float:
    return plan.prior_loss_weight if picture.subset.regularisation else 1.0


# --- Orders and troubles ----------------------------------------------------------------------------------------------


def obey(shop: Workshop, run: Run, hear: Hear, control: Control) -> None:
    """Wait while somebody wants a pause; save and raise ``Cancelled`` when somebody wants to stop."""
    if control.paused:
        save_state(shop, run, state_folder(last_file(shop.name)), hear)
        hear(Paused(waiting=True))
        control.wait_while_paused()
        hear(Paused(waiting=False))
    if control.stopped:
        if run.step:
            save_state(shop, run, state_folder(last_file(shop.name)), hear)
            save(shop, run, step_file(shop.name, run.step), run.epoch - 1, hear)
        raise Cancelled()


def warn_of_jumps(shop: Workshop, run: Run, hear: Hear) -> None:
    """Tell once when the loss is far above what it was."""
    if len(run.losses) < WINDOW:
        return
    average = sum(run.losses[-WINDOW:]) / WINDOW
    run.best = min(run.best, average)
    if average > JUMP * run.best and not run.jumped:
        run.jumped = True
        hear(Told(LossJumped(step=run.step, rate=shop.plan.rate_unet)))


def diverged(shop: Workshop, run: Run) -> TrainingDiverged:
    """The error of a loss that is no number."""
    kept = run.saved or words.NOTHING_KEPT
    precision = words.PRECISIONS[shop.unet.precision]
    return TrainingDiverged(step=run.step + 1, rate=shop.plan.rate_unet, precision=precision, kept=kept)


# --- Files ------------------------------------------------------------------------------------------------------------


def save_by_steps(shop: Workshop, run: Run, hear: Hear) -> None:
    """The file of every n-th step, and the picture of it."""
    plan, every = shop.plan, shop.plan.save_every_n_steps
    if every and run.step % every == 0 and run.step < shop.steps.total:
        save(shop, run, step_file(shop.name, run.step), run.epoch - 1, hear)
        if plan.save_last_n_steps is not None:
            old = outdated_step(run.step, every, plan.save_last_n_steps)
            if old is not None:
                (shop.folder / step_file(shop.name, old)).unlink(missing_ok=True)
    if shop.sampler and plan.sample_every_n_steps and run.step % plan.sample_every_n_steps == 0:
        shop.sampler.make(run.epoch, run.step, hear)


def save_by_epochs(shop: Workshop, run: Run, finished: int, hear: Hear) -> None:
    """The state to go on from and what ``save_epoch`` writes, except after the last epoch, and the pictures of it."""
    plan = shop.plan
    if plan.keep_state and finished < shop.steps.epochs:  # first: who is cut off after it has lost nothing
        save_state(shop, run, state_folder(last_file(shop.name)), hear)
    save_epoch(shop, run, finished, hear)
    if shop.sampler and plan.sample_every_n_epochs and finished % plan.sample_every_n_epochs == 0:
        shop.sampler.make(finished, run.step, hear)


def save_epoch(shop: Workshop, run: Run, finished: int, hear: Hear) -> None:
    """The file, and the state that goes with it, of every n-th epoch except the last."""
    plan, every = shop.plan, shop.plan.save_every_n_epochs
    if not every or finished % every or finished >= shop.steps.epochs:
        return
    name = epoch_file(shop.name, finished)
    save(shop, run, name, finished, hear)
    if plan.save_state:
        save_state(shop, run, state_folder(name), hear)
    if plan.save_last_n_epochs:
        old = outdated_epoch(finished, every, plan.save_last_n_epochs)
        if old is not None:
            (shop.folder / epoch_file(shop.name, old)).unlink(missing_ok=True)


def save(shop: Workshop, run: Run, file: str, epoch: int, hear: Hear, *, last: bool = False) -> Path:
    """Write the LoRA as it is now. Raises ``TrainingDiverged`` rather than writing numbers that are none."""
    path = shop.folder / file
    if shop.fleet.rank:
        return path
    precision = PRECISIONS[shop.plan.save_precision or "float"]
    tensors: Mapping[str, Tensor] = run.ema or shop.network.file_tensors()
    if not are_finite(tensors):
        raise diverged(shop, run)
    if last and (shop.plan.save_state or shop.plan.save_state_on_train_end):  # older than the file: it is over
        save_state(shop, run, state_folder(file), hear)
    tensors = {name: tensor.to(precision) for name, tensor in tensors.items()}
    write_lora(path, tensors, metadata_of(shop.facts, epoch=epoch, step=run.step, finished=time.time()))
    run.saved = file
    hear(LoraSaved(path, epoch, run.step, last))
    return path


def save_state(shop: Workshop, run: Run, name: str, hear: Hear) -> None:
    """Write down everything that the next step depends on."""
    if shop.fleet.rank:
        return
    folder = shop.folder / name
    progress = Progress(run.epoch, run.batch, run.step, shop.seed, shop.plan_hash, shop.dataset_hash, tuple(run.losses))
    extras: dict[str, Any] = {
        "scaler": shop.unet.scaler_state(),
        "ema": run.ema,
        "pending": run.pending,
        "gradients": {name: one.grad for name, one in shop.network.named_parameters() if one.grad is not None},
    }
    write_state(folder, State(progress, shop.network.state_dict(), shop.optimiser.state_dict(), extras))
    hear(StateSaved(folder, run.step))


def cut_off_between(shop: Workshop, run: Run) -> bool:
    """Whether a training that goes on was cut off between the state of an epoch and its file."""
    finished = run.epoch - 1
    begins = shop.plan.keep_state and run.batch == 0 and finished > 0
    path = shop.folder / epoch_file(shop.name, finished)
    return begins and not (path.exists() if shop.plan.no_metadata else is_made_by(path, shop.facts.session))


def resume(shop: Workshop, run: Run, folder: Path) -> None:
    """Go on from a saved state. Raises ``StateUnusable`` when it is damaged, or of other pictures or another plan."""
    state = read_state(folder)
    progress = state.progress
    if progress.plan != shop.plan_hash:
        raise StateUnusable(folder=folder, detail=words.OTHER_OPTIONS)
    if progress.seed != shop.seed:
        raise StateUnusable(folder=folder, detail=words.OTHER_SEED)
    if progress.dataset != shop.dataset_hash:
        raise StateUnusable(folder=folder, detail=words.OTHER_PICTURES)
    try:
        shop.network.load_state_dict(dict(state.weights))
        shop.optimiser.load_state_dict(dict(state.optimiser))
    except (RuntimeError, ValueError, KeyError) as error:
        raise StateUnusable(folder=folder, detail=words.OTHER_NETWORK) from error
    shop.unet.load_scaler_state(state.extras["scaler"])
    run.ema = dict(state.extras["ema"])
    run.pending = float(state.extras["pending"])
    for name, gradient in state.extras["gradients"].items():
        parameter = shop.network.get_parameter(name)
        parameter.grad = gradient.to(parameter.device)
    run.epoch, run.batch, run.step, run.losses = progress.epoch, progress.batch, progress.step, [*progress.losses]


# --- What is told -----------------------------------------------------------------------------------------------------


def _began(shop: Workshop, run: Run) -> TrainingBegan:
    return TrainingBegan(
        steps=shop.steps.total,
        epochs=shop.steps.epochs,
        per_epoch=shop.steps.per_epoch,
        pictures=len(shop.pictures),
        parameters=sum(parameter.numel() for parameter in trained(shop.network)),
        device=shop.fleet.device.type,
        precision=shop.unet.precision,
        first=run.step,
    )


def _before(shop: Workshop, run: Run) -> LearntBefore:
    """What a state brought: the rates of its steps are not in it, but the schedule tells them."""
    rate = shop.optimiser.param_groups[-1]["initial_lr"]
    rates = tuple(rate * shop.factor(step) for step in range(len(run.losses)))
    return LearntBefore(tuple(run.losses), rates, shop.steps.total)


def trained(network: Network) -> Iterator[torch.nn.Parameter]:
    """The parameters that learn."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def _told(shop: Workshop, run: Run) -> StepTrained:
    recent = run.losses[-shop.steps.per_epoch :]
    rates = [group["lr"] for group in shop.optimiser.param_groups]
    return StepTrained(
        step=run.step,
        total=shop.steps.total,
        epoch=run.epoch,
        loss=run.losses[-1],
        average=sum(recent) / len(recent),
        rate=rates[-1],
        seconds=sum(run.times) / len(run.times),
    )
