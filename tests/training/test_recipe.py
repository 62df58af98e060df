"""The formulas of a step against the reference trainer's numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sdcolab.core.detect import ModelFamily
from sdcolab.core.errors import FieldWrongType, SamplesSkipped, TrainingMemory
from sdcolab.core.memory_plan import FreeMemory
from sdcolab.core.words import explain
from sdcolab.training import recipe
from sdcolab.training.events import Told, TrainingEvent
from sdcolab.training.families import TRAINABLE
from sdcolab.training.memory import GB, fit_in_memory
from sdcolab.training.needs import needs
from sdcolab.training.plan import TrainingPlan, as_bool
from sdcolab.training.samples import Sampler
from tests.support.vectors import vectors

VECTORS = vectors("lora_loss_weights")


def close(found: torch.Tensor, wanted: Any, rel: float = 2e-5) -> None:
    expected = torch.tensor([float("nan") if value is None else value for value in wanted])
    good = ~expected.isnan()
    torch.testing.assert_close(found.float()[good], expected[good], rtol=rel, atol=1e-7)


def test_noise_levels_and_their_ratio() -> None:
    abar = recipe.noise_levels()
    close(abar, VECTORS["base"]["alphas_cumprod"])
    close(recipe.signal_to_noise(abar), VECTORS["weights"]["snr"], rel=1e-4)


WEIGHTS = {
    "min_snr_1_eps": lambda abar: recipe.min_snr_weight(abar, 1, v=False),
    "min_snr_5_eps": lambda abar: recipe.min_snr_weight(abar, 5, v=False),
    "min_snr_20_eps": lambda abar: recipe.min_snr_weight(abar, 20, v=False),
    "min_snr_1_v": lambda abar: recipe.min_snr_weight(abar, 1, v=True),
    "min_snr_5_v": lambda abar: recipe.min_snr_weight(abar, 5, v=True),
    "debiased_eps": lambda abar: recipe.debiased_weight(abar, v=False),
    "debiased_v": lambda abar: recipe.debiased_weight(abar, v=True),
}


@pytest.mark.parametrize("name", [name for name in VECTORS["weights"] if name != "snr"])
def test_weights_of_timesteps(name: str) -> None:
    close(WEIGHTS[name](recipe.noise_levels()), VECTORS["weights"][name], rel=1e-4)


def test_without_any_signal_the_weights_are_finite() -> None:
    abar = recipe.noise_levels(zero_terminal_snr=True)
    assert float(abar[-1]) == 0
    for v in (False, True):
        assert torch.isfinite(recipe.min_snr_weight(abar, 5, v=v)).all()


@pytest.mark.parametrize("name", VECTORS["huber_thresholds"]["values"])
def test_huber_thresholds(name: str) -> None:
    schedule, c, scale = name.split("_")
    timesteps = torch.tensor(VECTORS["huber_thresholds"]["t"])
    abar = recipe.noise_levels()[timesteps]
    found = recipe.huber_threshold(timesteps, abar, schedule, float(c[1:]), float(scale.removeprefix("scale")))
    close(found, VECTORS["huber_thresholds"]["values"][name])


@pytest.mark.parametrize("name", VECTORS["loss_elementwise"]["values"])
def test_losses_of_elements(name: str) -> None:
    kind, _, c = name.rpartition("_c")
    difference = torch.tensor(VECTORS["loss_elementwise"]["prediction_minus_target"])
    found = recipe.elementwise_loss(difference, torch.zeros_like(difference), kind, float(c))
    close(found, VECTORS["loss_elementwise"]["values"][name])


def test_offset_noise_exactly_and_its_statistics() -> None:
    for case in VECTORS["noise_offset_exact"]:
        latents, noise, shift = (torch.tensor(case[name]) for name in ("latents", "noise", "extra_randn"))
        found = recipe.offset_noise(noise, latents, shift, case["noise_offset"], case["adaptive_noise_scale"] or 0.0)
        torch.testing.assert_close(found, torch.tensor(case["out"]), rtol=1e-5, atol=1e-6)
    for row in VECTORS["noise_statistics"]:
        if row["name"] == "noise_offset":
            rules = recipe.NoiseRules(offset=row["noise_offset"])
            noise = recipe.draw_noise(torch.zeros(row["shape"]), rules, torch.Generator().manual_seed(1))
            assert float(noise.std()) == pytest.approx(row["std"], rel=0.02)
            assert float(noise.mean((2, 3)).std()) == pytest.approx(row["std_of_channel_means"], rel=0.05)


def test_pyramid_noise_keeps_its_deviation_and_is_smooth() -> None:
    generator = torch.Generator().manual_seed(3)
    noise = recipe.draw_noise(
        torch.zeros(50, 4, 32, 32), recipe.NoiseRules(pyramid_levels=6, pyramid_discount=0.8), generator
    )
    assert float(noise.std()) == pytest.approx(1, abs=1e-3)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean()
    assert float(neighbours) > 0.2


def test_noisy_latents_and_targets_are_consistent() -> None:
    latents, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    abar = recipe.noise_levels()[torch.tensor([10, 700])]
    mixed, v = recipe.noisy(latents, noise, abar), recipe.target_of(latents, noise, abar, v=True)
    a = abar.view(-1, 1, 1, 1)
    torch.testing.assert_close(a.sqrt() * mixed - (1 - a).sqrt() * v, latents, rtol=1e-4, atol=1e-5)
    assert recipe.target_of(latents, noise, abar, v=False) is noise


def test_loss_weights_and_masks() -> None:
    plan = TrainingPlan()
    prediction, target = torch.ones(2, 4, 4, 4), torch.zeros(2, 4, 4, 4)
    timesteps, abar = torch.tensor([1, 2]), torch.tensor([0.5, 0.5])
    weights = torch.tensor([1.0, 0.5])
    assert float(recipe.loss_of(prediction, target, timesteps, abar, plan, v=False, weights=weights)) == pytest.approx(
        0.75
    )
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1
    masked = recipe.loss_of(prediction, target, timesteps, abar, plan, v=False, weights=weights, mask=mask)
    assert float(masked) == pytest.approx(0.375)


def test_what_does_not_fit_says_in_whose_memory() -> None:
    plan = TrainingPlan(sdxl=True, resolution="1024", network_dim=16)
    with pytest.raises(TrainingMemory) as small:
        needs(plan, "Pony", TRAINABLE[ModelFamily.SDXL].full, ModelFamily.SDXL, "Viejita, 3815 MiB")
    assert "de memoria de la tarjeta gráfica y hay 4,0 GB libres" in explain(small.value).text


@pytest.mark.parametrize("unet_only", [True, False])
def test_sdxl_is_planned_to_fit_a_card_of_12_gb_in_a_machine_of_8(unet_only: bool) -> None:
    plan = TrainingPlan(
        sdxl=True, resolution="1024", network_dim=8, gradient_checkpointing=True, network_train_unet_only=unet_only
    )
    family = TRAINABLE[ModelFamily.SDXL]
    fitted = fit_in_memory(plan, family.full, ModelFamily.SDXL, FreeMemory(5 * GB, 12 * GB), element=2)
    assert fitted.plan.train_batch_size == 1
    assert fitted.needed < 12 * GB
    with pytest.raises(TrainingMemory) as small:
        fit_in_memory(plan, family.full, ModelFamily.SDXL, FreeMemory(GB, 12 * GB), element=2)
    assert "de memoria del equipo y hay 1,0 GB libres" in explain(small.value).text


def test_samples_are_left_out_where_the_model_has_no_room_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcolab.training.samples.memory_bytes", lambda: (8 * GB, 4 * GB))
    card = torch.device("cuda")
    unet = SimpleNamespace(device=card, parameters=lambda: [SimpleNamespace(nbytes=5 * GB)])
    model: Any = SimpleNamespace(device=card, unet=unet, text_encoders=(), path=Path("base.safetensors"))
    sampler, told = Sampler((), model, Path("nada"), "mi", 1), list[TrainingEvent]()
    sampler.write = lambda _path: pytest.fail("no hay sitio")
    with monkeypatch.context() as context:
        context.setattr("sdcolab.training.samples.make_folder", lambda _path: None)
        sampler.make(1, 1, told.append)
        sampler.make(2, 2, told.append)
    assert [type(one.warning) for one in told if isinstance(one, Told)] == [SamplesSkipped]


def test_what_a_switch_of_a_plan_should_say_is_told_in_spanish() -> None:
    with pytest.raises(FieldWrongType) as wrong:
        as_bool("flip_aug", "quizá")
    assert "verdadero o falso" in explain(wrong.value).text
