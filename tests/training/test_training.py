"""Whole trainings on the miniature model: files, metadata, exact continuation, orders and troubles."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save

from sdcolab.core.errors import (
    BaseMissing,
    Cancelled,
    PlanConflict,
    PlanOptionUnserved,
    ProjectName,
    StateUnusable,
    TooManySteps,
    TrainingDiverged,
)
from sdcolab.training import recipe
from sdcolab.training.control import Control
from sdcolab.training.events import LoraSaved, StateSaved, StepTrained, TrainingEvent, from_line, to_line
from sdcolab.training.loop import Run, Workshop, accumulate, loss_of_batch, train
from sdcolab.training.metadata import tensor_hashes
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.prepare import prepare
from tests.support.vectors import vectors

MakePlan = Callable[..., TrainingPlan]
DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
RUNS = {run["name"]: run for run in vectors("lora_training_runs")["runs"]}
CHANGING = {"ss_session_id", "ss_training_started_at", "ss_training_finished_at", "modelspec.date", "sshs_model_hash"}
OWN = {
    "ss_sd_scripts_commit_hash",
    "modelspec.implementation_version",
    "ss_sd_model_hash",
    "ss_new_sd_model_hash",
    "ss_sd_model_name",
    "sshs_legacy_hash",
}


def ignore(_event: TrainingEvent) -> None:
    pass


def run(plan: TrainingPlan, hear: Callable[[TrainingEvent], None] = ignore, control: Control | None = None) -> Path:
    return train(prepare(plan, hear), hear, control or Control())


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def losses(plan: TrainingPlan) -> list[float]:
    told: list[float] = []
    run(plan, lambda event: told.append(event.loss) if isinstance(event, StepTrained) else None)
    return told


@pytest.mark.parametrize("name", RUNS)
def test_runs_leave_the_files_and_metadata_of_the_reference_trainer(
    name: str, mini_checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    recorded = RUNS[name]
    arguments = [
        argument.replace("@W@/modelo_base.safetensors", str(mini_checkpoint)).replace("@W@", str(tmp_path))
        for argument in recorded["args"]
    ]
    arguments += ["--train_data_dir", str(pictures), "--output_dir", str(tmp_path / "output")]
    shop = prepare(plan_from_file(Path(os.devnull), arguments), ignore)
    rates: list[float] = []
    train(shop, lambda event: rates.append(event.rate) if isinstance(event, StepTrained) else None, Control())
    made = sorted(path.name for path in (tmp_path / "output").iterdir() if path.suffix == ".safetensors")
    assert made == sorted(recorded["files"])
    of_file = {entry["file"]: entry for entry in recorded["saved"]}
    last = next(entry for entry in recorded["saved"] if "metadata" in entry)
    for file in made:
        wanted = {**last["metadata"], **of_file[file].get("changed", {})}
        found = header(tmp_path / "output" / file)
        assert set(found) == set(wanted)
        for key in set(wanted) - CHANGING - OWN:
            assert same(key, found[key], wanted[key]), (file, key, found[key], wanted[key])
    if "latent_cache" in recorded:
        caches = {path.relative_to(tmp_path).as_posix() for path in pictures.rglob("*.npz")}
        assert caches == set(recorded["latent_cache"])
    for folder in recorded.get("state_folders", {}):
        assert (tmp_path / "output" / folder / "train_state.json").is_file()
    unique = list(dict.fromkeys(json.dumps(batch["lr"][-1]) for batch in recorded["batches"]))
    assert [json.dumps(rate) for rate in dict.fromkeys(rates)] == unique[: len(dict.fromkeys(rates))]


def same(key: str, found: str, wanted: str) -> bool:
    if key in ("ss_tag_frequency", "ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_bucket_info", "ss_network_args"):
        return json.loads(found) == json.loads(wanted)
    return found == wanted


@pytest.mark.parametrize("case", vectors("lora_files")["hashes"], ids=lambda case: f"{case['n']}-{case['dtype']}")
def test_hashes_are_the_reference_trainers(case: dict[str, Any]) -> None:
    tensors = {}
    layers = ("lora_unet_down_blocks_0_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1")
    n, dtype = case["n"], getattr(torch, case["dtype"])
    for i, layer in enumerate(layers):
        tensors[f"{layer}.alpha"] = torch.tensor(float(1 + i)).to(dtype)
        tensors[f"{layer}.lora_down.weight"] = (((torch.arange(4 * n) % 97) - 48) / 64 + i).reshape(4, n).to(dtype)
        tensors[f"{layer}.lora_up.weight"] = (((torch.arange(4 * n) % 89) - 44) / 128).reshape(n, 4).to(dtype)
    ours = {key: value for key, value in case["metadata"].items() if key.startswith("ss_")}
    assert tensor_hashes(save(tensors, ours)) == (case["sshs_model_hash"], case["sshs_legacy_hash"])


# --- One step against the formulas ------------------------------------------------------------------------------------


def test_gradients_are_those_of_the_formulas(make_plan: MakePlan) -> None:
    """The same latents, noise and timesteps, with the LoRA multiplied out by hand and no hook of ours."""
    shop = prepare(make_plan(cache_latents=True, min_snr_gamma=5.0, clip_skip=2, network_train_unet_only=True), ignore)
    for adapter in shop.network.adapters.values():
        torch.nn.init.normal_(adapter.up, std=0.02)
    chosen = [picture for picture in shop.pictures if picture.fit.bucket == (64, 64)][:2]
    latents = torch.stack([shop.latents.of(shop.pictures.index(picture)).latents for picture in chosen]) * 0.18215
    captions = [picture.caption for picture in chosen]
    with shop.network:
        loss = loss_of_batch(shop, chosen, captions, latents, None, torch.Generator().manual_seed(9))
        loss.backward()
    found = {name: one.grad.clone() for name, one in shop.network.named_parameters() if one.grad is not None}

    generator = torch.Generator().manual_seed(9)
    noise = torch.randn(latents.shape, generator=generator)
    timesteps = torch.randint(0, 1000, (2,), generator=generator)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    abar = (1 - betas).cumprod(0).float()[timesteps].view(2, 1, 1, 1)
    factors = {}
    for key, place in shop.network.places.items():
        adapter = shop.network.adapters[key]
        down, up = adapter.down.detach().requires_grad_(), adapter.up.detach().requires_grad_()
        factors[key] = down, up
        product = (up.flatten(1) @ down.flatten(1)).reshape(place.layer.weight.shape) * (2 / 4)
        weight = place.layer.weight.detach() + product
        del place.layer.weight
        place.layer.weight = weight
    tokens = shop.text.read(captions, torch.device("cpu")).tokens
    answer = shop.unet.model.unet(abar.sqrt() * latents + (1 - abar).sqrt() * noise, timesteps, tokens).sample
    snr = abar.flatten() / (1 - abar.flatten())
    expected = ((answer - noise) ** 2).mean((1, 2, 3)) * snr.clamp(max=5) / snr
    expected.mean().backward()
    assert float(loss) == pytest.approx(float(expected.mean()), rel=1e-5)
    for key, (down, up) in factors.items():
        for name, one in (("down", down), ("up", up)):
            difference = (found[f"adapters.{key}.{name}"] - one.grad).norm() / one.grad.norm().clamp(min=1e-12)
            assert float(difference) < 1e-4, (key, name)


# --- Going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer_type": "Prodigy", "learning_rate": 1.0, "gradient_accumulation_steps": 2, "shuffle_caption": True},
        {"optimizer_type": "Lion", "flip_aug": True, "network_dropout": 0.2, "ema_decay": 0.9, "noise_offset": 0.1},
    ],
    ids=["adamw", "prodigy", "lion"],
)
def test_a_training_that_was_stopped_goes_on_exactly(
    changes: dict[str, Any], make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(max_train_epochs=2, cache_latents=True, **changes)
    whole: list[float] = []
    file = run(plan, lambda event: whole.append(event.loss) if isinstance(event, StepTrained) else None)
    expected = load_file(file)

    control, first = Control(), []

    def stop_at_second(event: TrainingEvent) -> None:
        if isinstance(event, StepTrained):
            first.append(event.loss)
            if event.step == 2:
                control.stop()

    other = replace(plan, output_dir=str(tmp_path / "otra"))
    with pytest.raises(Cancelled):
        run(other, stop_at_second, control)
    assert (tmp_path / "otra" / "mi_lora-step00000002.safetensors").is_file()
    second: list[float] = []
    resumed = replace(other, resume=str(tmp_path / "otra" / "mi_lora-state"))
    file = run(resumed, lambda event: second.append(event.loss) if isinstance(event, StepTrained) else None)
    assert [*first, *second] == pytest.approx(whole, abs=1e-6)
    found = load_file(file)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_training_killed_between_the_state_and_the_file_of_an_epoch_loses_neither(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(event: TrainingEvent) -> None:
        if isinstance(event, StateSaved):
            raise Killed

    whole = make_plan(max_train_epochs=2, keep_state=True, output_dir=str(tmp_path / "entera"))
    run(whole)
    cut = replace(whole, output_dir=str(tmp_path / "cortada"))
    with pytest.raises(Killed):
        run(cut, kill)
    epoch = Path("mi_lora-000001.safetensors")
    assert not (tmp_path / "cortada" / epoch).exists()
    run(replace(cut, resume=str(tmp_path / "cortada" / "mi_lora-state")))
    for file in (epoch, Path("mi_lora.safetensors")):
        expected, found = load_file(tmp_path / "entera" / file), load_file(tmp_path / "cortada" / file)
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_state_of_other_pictures_or_another_plan_is_refused(make_plan: MakePlan, pictures: Path) -> None:
    plan = make_plan(max_train_epochs=2, keep_state=True)
    run(plan)
    state = str(Path(plan.output_dir or "") / "mi_lora-state")
    with pytest.raises(StateUnusable):
        run(make_plan(max_train_epochs=2, resume=state, network_dim=8))
    (pictures / "2_fondo" / "e.txt").write_text("otra cosa")
    with pytest.raises(StateUnusable):
        run(make_plan(max_train_epochs=2, keep_state=True, resume=state))
    (Path(state) / "optimizer.bin").write_bytes(b"roto")
    with pytest.raises(StateUnusable):
        run(make_plan(max_train_epochs=2, keep_state=True, resume=state))


def test_a_pause_saves_and_waits(make_plan: MakePlan) -> None:
    control, events = Control(), []
    control.pause()

    def hear(event: TrainingEvent) -> None:
        events.append(type(event).__name__)
        if type(event).__name__ == "Paused" and event.waiting:  # type: ignore[union-attr]
            threading.Timer(0.05, control.go_on).start()

    run(make_plan(max_train_epochs=1), hear, control)
    assert events.index("StateSaved") < events.index("Paused") < events.index("StepTrained")


# --- Troubles ---------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_at_once_and_keeps_the_last_good_file(make_plan: MakePlan) -> None:
    plan = make_plan()
    shop = prepare(plan, ignore)
    saved: list[Path] = []

    def poison(event: TrainingEvent) -> None:
        if isinstance(event, LoraSaved):
            saved.append(event.path)
            next(iter(shop.network.parameters())).data.fill_(float("nan"))

    with pytest.raises(TrainingDiverged) as raised:
        train(shop, poison, Control())
    assert raised.value.kept == "mi_lora-000001.safetensors"
    assert not (Path(plan.output_dir or "") / "mi_lora.safetensors").exists()
    assert all(torch.isfinite(tensor).all() for tensor in load_file(saved[0]).values())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pretrained_model_name_or_path": "/no/existe.safetensors"}, BaseMissing),
        ({"max_train_epochs": 100_000}, TooManySteps),
        ({"output_name": "../fuera"}, ProjectName),
        ({"color_aug": True}, PlanOptionUnserved),
        ({"random_crop": True}, PlanOptionUnserved),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_loaded(
    changes: dict[str, Any], error: type, make_plan: MakePlan
) -> None:
    with pytest.raises(error):
        prepare(make_plan(**changes), ignore)


def test_options_that_exclude_each_other_or_do_not_exist() -> None:
    with pytest.raises(PlanConflict):
        TrainingPlan(cache_latents=True, color_aug=True)
    with pytest.raises(PlanOptionUnserved):
        plan_from_file(Path(os.devnull), ["--deepspeed"])
    assert plan_from_file(Path(os.devnull), ["--xformers", "--max_data_loader_n_workers", "8"]) == TrainingPlan()


def test_defaults_are_the_reference_trainers() -> None:
    ours = TrainingPlan()
    theirs = vectors("lora_defaults")["defaults"]
    for name, value in theirs.items():
        if hasattr(ours, name):
            assert getattr(ours, name) == value, name


def test_a_plan_in_toml_is_read_with_paths_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "modelo.safetensors").touch()
    (tmp_path / "plan.toml").write_text(
        '[base]\npretrained_model_name_or_path = "modelo.safetensors"\n[red]\nnetwork_dim = 16\n'
        'network_args = ["conv_dim=8"]\n'
        'lr_warmup_steps = 0.05\nresolution = "768,512"\n'
    )
    plan = plan_from_file(tmp_path / "plan.toml", ["--unet_lr", "5e-4", "--text_encoder_lr", "1e-4"])
    assert plan.pretrained_model_name_or_path == str(tmp_path / "modelo.safetensors")
    assert (plan.network_dim, plan.unet_lr, plan.text_encoder_lr, plan.size()) == (16, 5e-4, (1e-4,), (768, 512))
    assert plan.network().conv_dim == 8
    (tmp_path / "modelo.safetensors").unlink()
    named = plan_from_file(tmp_path / "plan.toml")
    assert named.pretrained_model_name_or_path == "modelo.safetensors", "a name of the library"


def test_events_travel_as_lines() -> None:
    for event in (
        StepTrained(1, 2, 1, 0.5, 0.4, 1e-3, 0.1),
        StateSaved(Path("a"), 3),
        LoraSaved(Path("b"), 1, 2, True),
    ):
        assert from_line(to_line(event)) == event
    assert from_line("no es JSON") is None


# --- Families, masks and memory ---------------------------------------------------------------------------------------


def test_sdxl_files_have_their_own_names(make_plan: MakePlan, mini_sdxl: Path) -> None:
    plan = make_plan(pretrained_model_name_or_path=str(mini_sdxl), max_train_epochs=1, cache_latents=True)
    file = run(plan)
    tensors = load_file(file)
    assert any(name.startswith("lora_te1_text_model_encoder_layers_0_self_attn_q_proj") for name in tensors)
    assert any(name.startswith("lora_te2_") for name in tensors)
    unet = [name for name in tensors if name.startswith("lora_unet_")]
    assert unet
    assert all(
        name.startswith(("lora_unet_input_blocks_", "lora_unet_middle_block_", "lora_unet_output_blocks_"))
        for name in unet
    )
    assert header(file)["ss_base_model_version"] == "sdxl_base_v1-0"
    assert header(file)["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"


def test_text_encoders_can_be_dropped_and_layers_computed_again_without_changing_the_result(
    make_plan: MakePlan,
) -> None:
    plain = losses(make_plan(max_train_epochs=1, network_train_unet_only=True))
    saving = losses(
        make_plan(
            max_train_epochs=1,
            network_train_unet_only=True,
            cache_text_encoder_outputs=True,
            gradient_checkpointing=True,
            cache_latents=True,
        )
    )
    assert saving == pytest.approx(plain, rel=1e-4)


def shop_of(plan: TrainingPlan) -> Workshop:
    return prepare(plan, ignore)


def test_a_black_mask_leaves_nothing_to_learn(make_plan: MakePlan, pictures: Path) -> None:
    for name in ("3_gato sks/a", "3_gato sks/b", "3_gato sks/c", "3_gato sks/d", "2_fondo/e"):
        with Image.open(pictures / f"{name}.png") as picture:
            Image.new("L", picture.size).save(pictures / f"{name}_mask.png")
    shop = shop_of(make_plan(masked_loss=True, cache_latents=True))
    with shop.network:
        assert accumulate(shop, Run(), (0,)) == 0


def test_regularisation_weighs_what_the_plan_says(make_plan: MakePlan, pictures: Path, tmp_path: Path) -> None:
    (pictures / "2_fondo").rename(tmp_path / "reg_2_fondo")
    (tmp_path / "reg").mkdir()
    (tmp_path / "reg_2_fondo").rename(tmp_path / "reg" / "2_fondo")
    found = []
    for weight in (1.0, 0.5):
        shop = shop_of(make_plan(reg_data_dir=str(tmp_path / "reg"), prior_loss_weight=weight, cache_latents=True))
        with shop.network:
            found.append(accumulate(shop, Run(), (len(shop.pictures) - 1,)))
    assert found[1] == pytest.approx(found[0] / 2, rel=1e-5)


def test_v_prediction_and_zero_terminal_noise(make_plan: MakePlan) -> None:
    shop = shop_of(make_plan(v_parameterization=True, zero_terminal_snr=True))
    assert shop.unet.v
    assert float(shop.unet.abar[-1]) == 0
    with shop.network:
        assert math.isfinite(accumulate(shop, Run(), (0,)))
    assert recipe.noise_levels()[-1] > 0


def test_samples_are_made_with_the_lora_as_it_is(make_plan: MakePlan, tmp_path: Path) -> None:
    prompts = tmp_path / "muestras.txt"
    prompts.write_text("gato --w 128 --h 128 --s 2 --d 7\n# no\nperro --n feo --w 64 --h 64 --s 2\n")
    plan = make_plan(
        pretrained_model_name_or_path=str(DEMO),
        max_train_epochs=1,
        train_batch_size=4,
        sample_prompts=str(prompts),
        sample_every_n_epochs=1,
        cache_latents=True,
    )
    with_samples = losses(plan)
    made = sorted(path.name for path in (Path(plan.output_dir or "") / "sample").iterdir())
    assert [name.startswith(f"mi_lora_e000001_{index:02}_") for index, name in enumerate(made)] == [True, True]
    assert made[0].endswith("_7.png")
    with Image.open(Path(plan.output_dir or "") / "sample" / made[0]) as picture:
        assert picture.text["parameters"].startswith("gato <lora:mi_lora:1>\n")  # type: ignore[attr-defined]
    assert losses(replace(plan, sample_prompts=None)) == pytest.approx(with_samples, abs=1e-6)
