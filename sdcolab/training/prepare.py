"""From a plan to a workshop: the pictures read, the model loaded, the network made. Everything is checked before the
first step.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import Optimizer

from sdcolab.core.detect import ModelFamily, detect
from sdcolab.core.errors import (
    BaseMissing,
    BaseWrongFamily,
    CannotRead,
    DatasetChanged,
    ProjectName,
    SdcolabError,
    StateUnusable,
    TrainingSaving,
)
from sdcolab.core.files import make_folder, system_reason
from sdcolab.core.memory_plan import FreeMemory, count_weights, memory_bytes
from sdcolab.core.tensors import TensorHeader
from sdcolab.core.words import training_progress as words
from sdcolab.engine.models import LoadedModel, load_checkpoint, load_vae
from sdcolab.engine.weights import open_weights
from sdcolab.training.check import base_of
from sdcolab.training.dataset import Dataset, Picture, dataset_hash, read_dataset, refuse_unserved
from sdcolab.training.dataset_config import dataset_plans
from sdcolab.training.events import Hear, StageBegan, Told
from sdcolab.training.families import TRAINABLE
from sdcolab.training.fleet import Alone, Fleet
from sdcolab.training.latents import LatentShelf
from sdcolab.training.loop import Workshop
from sdcolab.training.memory import fit_in_memory
from sdcolab.training.metadata import BaseFile, Facts, session_of
from sdcolab.training.network import Network, places_of
from sdcolab.training.optimisers import entry_of, full_name, make_optimiser
from sdcolab.training.plan import TrainingPlan, literals
from sdcolab.training.preview import mask_advice
from sdcolab.training.samples import Sampler
from sdcolab.training.saving import read_state
from sdcolab.training.steps import StepCount, check_steps, count_steps
from sdcolab.training.text import TextReader
from sdcolab.training.unet import HALF, Unet, precision_for


def prepare(plan: TrainingPlan, hear: Hear, fleet: Fleet | None = None) -> Workshop:
    """Read the pictures, load the model and build everything that the loop needs.

    Raises ``TrainingError``, ``ModelError``, ``RequestError``, ``StorageError`` or ``MachineError``.
    """
    fleet = fleet or Alone()
    plan = _named(plan)
    hear(StageBegan("dataset"))
    base = _base_path(plan)
    base_of(base)  # what it is no base for is told before anything is read
    weights = open_weights(base)
    datasets = _datasets(plan, hear)
    refuse_unserved(datasets)
    steps = _count(plan, datasets, fleet)
    check_steps(steps)
    plan = _fitted(plan, weights.header, base, fleet.device, hear)
    if plan.train_batch_size != datasets[0].plan.batch_size and not plan.dataset_config:
        datasets = tuple(read_dataset(one) for one in dataset_plans(plan))
        steps = _count(plan, datasets, fleet)
    hear(StageBegan("model"))
    dtype = HALF.get(precision_for(plan, fleet.device), torch.float32)
    model = load_checkpoint(weights, fleet.device, dtype)
    family = _family(model, base)
    plan = replace(plan, sdxl=family is ModelFamily.SDXL)
    seed = _seed(plan)
    torch.manual_seed(seed)
    network = _network(plan, model, fleet.device)
    optimiser, arguments = _optimiser(plan, network, model)
    pictures = tuple(picture for dataset in datasets for picture in dataset.pictures)
    unet = Unet(model, plan, fleet.device)
    text = _text(plan, model, [picture.caption for picture in pictures], hear)
    folder = Path(plan.output_dir or ".")
    make_folder(folder)
    name = plan.output_name or "last"
    digest = dataset_hash(datasets)
    if plan.dataset_sha256 and plan.dataset_sha256 != digest:
        hear(Told(DatasetChanged()))
    facts = _facts(plan, datasets, steps, base, family, full_name(optimiser, arguments), seed)
    own = plan_hash(plan, steps.total, [one.sha256 for one in (facts.base, facts.vae) if one])
    return Workshop(
        plan=plan,
        datasets=datasets,
        pictures=pictures,
        steps=steps,
        seed=seed,
        fleet=fleet,
        unet=unet,
        network=network,
        text=text,
        latents=_latents(plan, model, pictures, hear),
        optimiser=optimiser,
        factor=plan.rates(steps.total).factor(),
        facts=replace(facts, v=unet.v, processes=fleet.count, session=session_of(own, digest, seed)),
        folder=folder,
        name=name,
        plan_hash=own,
        dataset_hash=digest,
        sampler=Sampler.of(plan, model, folder, name, seed),
    )


def _facts(
    plan: TrainingPlan,
    datasets: tuple[Dataset, ...],
    steps: StepCount,
    base: Path,
    family: ModelFamily,
    optimiser: str,
    seed: int,
) -> Facts:
    """What the files will say of this training, with what its parts add left out."""
    return Facts(
        plan=plan,
        datasets=datasets,
        steps=steps,
        session=0,
        started=time.time(),
        optimiser=optimiser,
        seed=seed,
        family=TRAINABLE[family],
        base=BaseFile.of(base),
        vae=BaseFile.of(Path(plan.vae)) if plan.vae else None,
    )


def _named(plan: TrainingPlan) -> TrainingPlan:
    """The plan with a name for its files. Raises ``ProjectName``."""
    name = plan.output_name or "last"
    if not name.strip() or any(character in name for character in '/\\:*?"<>|\0') or name.startswith("."):
        raise ProjectName(name=name)
    return replace(plan, output_name=name)


def _seed(plan: TrainingPlan) -> int:
    """The plan's seed, that of the state to go on from, or one by chance."""
    if plan.seed is not None:
        return plan.seed
    return read_state(Path(plan.resume)).progress.seed if plan.resume else random.SystemRandom().randrange(2**31)


def _datasets(plan: TrainingPlan, hear: Hear) -> tuple[Dataset, ...]:
    """The pictures of ``plan``; ``hear`` is told of what is left out."""

    def tell(warning: SdcolabError) -> None:
        hear(Told(warning))

    datasets = tuple(read_dataset(one, tell) for one in dataset_plans(plan, tell))
    for advice in mask_advice(plan, datasets):
        tell(advice)
    return datasets


def _base_path(plan: TrainingPlan) -> Path:
    path = Path(plan.pretrained_model_name_or_path or "")
    if not path.is_file():
        raise BaseMissing(name=plan.pretrained_model_name_or_path or "")
    return path


def _count(plan: TrainingPlan, datasets: tuple[Dataset, ...], fleet: Fleet) -> StepCount:
    return count_steps(
        sum(dataset.batch_count for dataset in datasets),
        epochs=plan.max_train_epochs,
        steps=plan.max_train_steps,
        processes=fleet.count,
        accumulation=plan.gradient_accumulation_steps,
    )


def _family(model: LoadedModel, path: Path) -> ModelFamily:
    family = model.detected.family
    if family not in TRAINABLE or model.unet.config.in_channels != model.unet.config.out_channels:
        raise BaseWrongFamily(path=path, family=family.value)
    return family


def _fitted(plan: TrainingPlan, header: TensorHeader, path: Path, device: torch.device, hear: Hear) -> TrainingPlan:
    """The plan as it fits in memory; savings are told. Raises ``TrainingMemory``."""
    ram = memory_bytes()
    vram = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    element = 2 if precision_for(plan, device) != "no" else 4
    family = detect(header).family
    if family not in TRAINABLE:
        raise BaseWrongFamily(path=path, family=family.value)
    fitted = fit_in_memory(
        plan, count_weights(header), family, FreeMemory(ram[1] if ram else None, vram), element=element
    )
    for saving in fitted.savings:
        hear(Told(TrainingSaving(saving=saving)))
    return fitted.plan


def _network(plan: TrainingPlan, model: LoadedModel, device: torch.device) -> Network:
    """The network on its device, in full precision (or half where the plan says so), maybe from a file."""
    text = tuple(plan.rate_text(index) > 0 for index in range(len(model.text_encoders)))
    if plan.cache_text_encoder_outputs:
        text = tuple(False for _ in text)
    network = Network(places_of(model), plan.network(), unet=plan.rate_unet > 0, text=text)
    dtype = torch.float16 if plan.full_fp16 else torch.bfloat16 if plan.full_bf16 else torch.float32
    network.to(device, dtype if device.type == "cuda" else torch.float32)
    if plan.network_weights:
        path = Path(plan.network_weights)
        if not network.load_file_tensors(_lora_tensors(path)):
            raise StateUnusable(folder=path, detail=words.OTHER_LAYERS)
    return network


def _lora_tensors(path: Path) -> dict[str, Tensor]:
    """What a LoRA file holds. Raises ``CannotRead`` or ``StateUnusable``."""
    try:
        path.open("rb").close()  # safetensors tells what is missing in English only
        return load_file(path)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    except SafetensorError as error:
        raise StateUnusable(folder=path, detail=words.INCOMPLETE) from error


def _optimiser(plan: TrainingPlan, network: Network, model: LoadedModel) -> tuple[Optimizer, dict[str, Any]]:
    arguments = literals(plan.optimizer_args or ())
    groups = network.groups(plan.rate_unet, tuple(plan.rate_text(index) for index in range(len(model.text_encoders))))
    rate = plan.rate_unet or plan.rate_text()
    entry_of(plan.optimizer_type)
    optimiser = make_optimiser(plan.optimizer_type, groups, rate, arguments)
    for group in optimiser.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return optimiser, arguments


def _text(plan: TrainingPlan, model: LoadedModel, captions: list[str], hear: Hear) -> TextReader:
    learns = not plan.cache_text_encoder_outputs and any(
        plan.rate_text(index) > 0 for index in range(len(model.text_encoders))
    )
    reader = TextReader(model, plan.max_token_length or 75, plan.clip_skip or 1, frozen=not learns)
    if plan.cache_text_encoder_outputs:
        hear(StageBegan("text"))
        reader.remember_all(list(dict.fromkeys(captions)))
        reader.release()
    return reader


def _latents(plan: TrainingPlan, model: LoadedModel, pictures: tuple[Picture, ...], hear: Hear) -> LatentShelf:
    """The pictures' latents; with ``cache_latents`` all of them now, so that the VAE can go."""
    vae = load_vae(Path(plan.vae or model.path), model.device, torch.float32, model.detected.family)

    def encode(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            latents: Tensor = vae.encode(pixels.to(model.device)).latent_dist.sample()
        return latents

    shelf = LatentShelf(
        pictures,
        encode,
        model.detected.family,
        on_disk=plan.cache_latents_to_disk,
        in_memory=plan.cache_latents,
        hear=lambda warning: hear(Told(warning)),
    )
    if plan.cache_latents:
        for index in range(len(pictures)):
            shelf.of(index)
            hear(StageBegan("latents", index + 1, len(pictures)))
        vae.to("meta")
    return shelf


def plan_hash(plan: TrainingPlan, steps: int, models: list[str]) -> str:
    """What decides the course of a training, so that another plan does not go on with its state; places and names do
    not. ``models`` are the hashes of what it is trained over: another base may lie in the same place.
    """
    values = dataclasses.asdict(plan)
    for name in _NOT_IN_HASH:
        values.pop(name)
    return hashlib.sha256(json.dumps([values, steps, models], sort_keys=True, default=str).encode()).hexdigest()


_NOT_IN_HASH = (
    *("resume", "output_dir", "output_name", "pretrained_model_name_or_path", "vae", "train_data_dir", "reg_data_dir"),
    *("dataset_config", "sample_prompts", "sample_every_n_epochs", "sample_every_n_steps", "sample_at_first"),
    *("sample_sampler", "save_every_n_epochs", "save_every_n_steps", "save_last_n_epochs", "save_last_n_steps"),
    *("save_state", "save_state_on_train_end", "keep_state", "logging_dir", "cache_latents_to_disk", "no_metadata"),
    *("training_comment", "metadata_title", "metadata_author", "metadata_description", "metadata_license"),
    *("metadata_tags", "save_precision", "seed", "dataset_sha256"),
)
