"""Every sampler against reference data or an independent oracle; plans and names against A1111's rules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler, TCDScheduler
from scipy.integrate import quad
from torch import Tensor

from sdcolab.core.errors import UnknownName
from sdcolab.core.request import NoiseOrigin
from sdcolab.core.tuning import UniPCSkipType, UniPCVariant
from sdcolab.engine.noise import BatchNoise, NoiseSpec
from sdcolab.engine.samplers import (
    SAMPLERS,
    NoisePrediction,
    SamplerOptions,
    SamplingPlan,
    SigmaPath,
    SigmaSampler,
    TimestepPath,
    resolve_sampler,
)
from sdcolab.engine.samplers.ancestral import restart_steps
from sdcolab.engine.samplers.base import ancestral_step
from sdcolab.engine.samplers.dpm_solver import fast_orders
from sdcolab.engine.samplers.multistep import deis_weights, ipndm_v_weights
from sdcolab.engine.samplers.ode import adams_bashforth_weights
from sdcolab.engine.samplers.plan import evenly_spaced_timesteps, img2img_steps
from sdcolab.engine.samplers.timestep import CFG_PP_FACTOR
from sdcolab.engine.samplers.unipc import update_weights
from sdcolab.engine.schedules import (
    AUTOMATIC,
    SCHEDULES,
    NoiseTable,
    ScheduleOptions,
    build_sigmas,
    karras_sigmas,
    stable_diffusion_alphas_cumprod,
)

DATA = Path(__file__).parents[1] / "data" / "referencia"
ANALYTIC = np.load(DATA / "samplers_analytic.npz")
ANALYTIC_CALLS = json.loads((DATA / "samplers_analytic.json").read_text())
UNIT_NOISE = torch.from_numpy(ANALYTIC["x0_unit_noise"])
TABLE = NoiseTable.stable_diffusion()


class ForgeTable(NoiseTable):
    """The table that the reference was made with: sigmas computed in float64."""

    @cached_property
    def sigmas(self) -> Tensor:
        return torch.tensor(json.loads((DATA / "sigmas.json").read_text())["_meta"]["all_sigmas"])


FORGE_TABLE = ForgeTable(stable_diffusion_alphas_cumprod())


class Analytic:
    """The reference's denoiser: a formula. ``epsilon``: the same, variance preserving, at whole timesteps."""

    def __init__(self, table: NoiseTable = FORGE_TABLE) -> None:
        self.table = table
        self.calls = 0
        self.factors: set[float] = set()

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        wave = 0.3 + 0.2 * torch.sin(3 * x / (sigma**2 + 1).sqrt())
        return (0.25 * x + sigma**2 * wave) / (0.25 + sigma**2)

    def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
        self.factors.add(guidance_factor)
        sigma = self.table.sigmas[int(t)]
        exploding = x * (sigma**2 + 1).sqrt()
        eps = (exploding - self(exploding, sigma)) / sigma
        return NoisePrediction(guided=eps, uncond=eps * 0.9)


class ReferenceNoise:
    """The reference's: one torch stream for ancestral noise, the tree of seed 1234 for the SDE samplers."""

    def __init__(self) -> None:
        self.draws: list[Tensor] = []
        self._generator = torch.Generator().manual_seed(11)
        self._batch = BatchNoise(NoiseSpec((1234,), (4, 8, 8), NoiseOrigin.CPU), torch.device("cpu"))

    def normal(self) -> Tensor:
        self.draws.append(torch.randn(1, 4, 8, 8, generator=self._generator))
        return self.draws[-1]

    def brownian(self, sigma_min: float, sigma_max: float) -> Callable[[float, float], Tensor]:
        return self._batch.brownian(sigma_min, sigma_max)


SIGMA_REFERENCES = {
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde@heun",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "Euler a": "euler_ancestral",
    "Euler": "euler",
    "LMS": "lms",
    "Heun": "heun",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "Restart": "restart_snoise0",
    "HeunPP2": "heunpp2",
    "IPNDM": "ipndm",
    "IPNDM_V": "ipndm_v",
    "DEIS": "deis",
}
TIMESTEP_REFERENCES = {"DDIM": "ddim", "PLMS": "plms", "UniPC": "unipc"}
ORACLES = {"LCM", "LCM (Forge)", "DDPM", "DDIM CFG++", "TCD"}
"""Samplers without data, checked below against diffusers or against their formula."""


def sigmas_of(plan: SamplingPlan[SigmaPath] | SamplingPlan[TimestepPath]) -> Tensor:
    assert isinstance(plan.path, SigmaPath)
    return plan.path.sigmas


def test_every_sampler_has_a_reference() -> None:
    assert set(SAMPLERS) == SIGMA_REFERENCES.keys() | TIMESTEP_REFERENCES.keys() | ORACLES


@pytest.mark.parametrize("schedule", ["Karras", "Uniform"])
@pytest.mark.parametrize("name", SIGMA_REFERENCES)
def test_sigma_sampler_equals_reference(name: str, schedule: str) -> None:
    sampler = SAMPLERS[name]
    assert isinstance(sampler, SigmaSampler)
    sigmas = build_sigmas(SCHEDULES[schedule], 10, FORGE_TABLE)
    ends = (float(sigmas[-2]), float(sigmas[0]))
    options = SamplerOptions()
    if sampler.range_only:
        ends, options = (FORGE_TABLE.sigma_min, FORGE_TABLE.sigma_max), SamplerOptions(eta=0.0)
    path = SigmaPath(sigmas, 10, *ends, FORGE_TABLE)
    denoise = Analytic()
    result = sampler.function(denoise, path.start(UNIT_NOISE), path, ReferenceNoise(), options)
    key = f"{SIGMA_REFERENCES[name]}_{schedule.lower()}"
    # A sampler that measures its own error to choose its steps magnifies the last bit that processors differ in.
    rtol = 5e-5 if name == "DPM adaptive" else 1e-6
    np.testing.assert_allclose(result.numpy(), ANALYTIC[key], atol=3e-6, rtol=rtol)
    assert denoise.calls == ANALYTIC_CALLS[key]["calls"]


@pytest.mark.parametrize("steps", [5, 10, 20])
@pytest.mark.parametrize("name", TIMESTEP_REFERENCES)
def test_timestep_sampler_equals_reference(name: str, steps: int) -> None:
    plan = SAMPLERS[name].txt2img(steps, FORGE_TABLE)
    denoise = Analytic()
    result = plan.sample(denoise, plan.start(UNIT_NOISE), ReferenceNoise())
    key = f"{TIMESTEP_REFERENCES[name]}_{steps}"
    np.testing.assert_allclose(result.numpy(), ANALYTIC[key], atol=2e-6, rtol=0)
    assert denoise.calls == ANALYTIC_CALLS[key]["calls"] == plan.expected_calls


def test_lcm_equals_diffusers() -> None:
    """Variance preserving there, exploding here: x = x_vp / sqrt(abar)."""
    table = TABLE.for_lcm()
    timesteps = list(range(999, 0, -140))
    plan = SAMPLERS["LCM"].txt2img(len(timesteps), TABLE)
    denoise, noise = Analytic(TABLE), ReferenceNoise()
    result = plan.sample(denoise, plan.start(UNIT_NOISE), noise)

    make: Any = LCMScheduler
    scheduler = make(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    scheduler.set_timesteps(timesteps=timesteps, original_inference_steps=50)
    draws = iter(noise.draws)
    x = UNIT_NOISE * sigmas_of(plan)[0] * scheduler.alphas_cumprod[999].sqrt()
    denoised = x
    for i, t in enumerate(timesteps):
        eps = Analytic(TABLE).epsilon(x, float(t)).guided
        _, denoised = scheduler.step(eps, t, x, return_dict=False)
        if i + 1 < len(timesteps):
            alpha = scheduler.alphas_cumprod[timesteps[i + 1]]
            x = alpha.sqrt() * denoised + (1 - alpha).sqrt() * next(draws)
    assert plan.table.stride == table.stride
    assert denoise.calls == plan.expected_calls == len(timesteps)
    torch.testing.assert_close(result, denoised, atol=2e-5, rtol=0)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
def test_tcd_equals_diffusers(gamma: float) -> None:
    """Its authors' own scheduler, variance preserving, up to the last level: there it stays at timestep 0, a little
    below which is the image.
    """
    timesteps = [999, 759, 499, 259]
    make: Any = TCDScheduler
    scheduler = make(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    scheduler.set_timesteps(timesteps=timesteps)
    sigmas = torch.stack([*(TABLE.t_to_sigma(t) for t in timesteps), torch.zeros(())])
    path = SigmaPath(sigmas, 4, float(sigmas[-2]), float(sigmas[0]), TABLE)
    denoise, noise = Analytic(TABLE), ReferenceNoise()
    result = SAMPLERS["TCD"].function(denoise, path.start(UNIT_NOISE), path, noise, SamplerOptions(tcd_gamma=gamma))  # type: ignore[arg-type]

    draws = iter(noise.draws)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.schedulers.scheduling_tcd.randn_tensor", lambda *_, **__: next(draws))
        x = UNIT_NOISE * sigmas[0] * scheduler.alphas_cumprod[999].sqrt()
        for t in timesteps:
            eps = Analytic(TABLE).epsilon(x, float(t)).guided
            x = scheduler.step(eps, t, x, eta=gamma).prev_sample
    alpha = scheduler.alphas_cumprod[0]
    image = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
    torch.testing.assert_close(result, image, atol=2e-5, rtol=0)
    assert len(noise.draws) == (3 if gamma else 0)
    assert denoise.calls == 4


def test_forges_lcm_adds_noise_to_the_image_of_each_level() -> None:
    """On the whole table, where A1111's differs by what its grid rounds."""
    plan = SAMPLERS["LCM (Forge)"].txt2img(6, TABLE)
    denoise, noise = Analytic(TABLE), ReferenceNoise()
    result = plan.sample(denoise, plan.start(UNIT_NOISE), noise)
    sigmas = sigmas_of(plan)
    assert torch.equal(sigmas, build_sigmas(SCHEDULES["Uniform"], 6, TABLE))
    x = UNIT_NOISE * sigmas[0]
    for sigma, sigma_next, draw in zip(sigmas[:-2], sigmas[1:], noise.draws, strict=False):
        x = denoise(x, sigma) + sigma_next * draw
    torch.testing.assert_close(result, denoise(x, sigmas[-2]))
    assert plan.table.stride == 1


def test_ddpm_equals_its_paper() -> None:
    """Ho et al. 2020 (arXiv:2006.11239), algorithm 2 with the variance of equation 7, in float64 and variance
    preserving."""
    plan = SAMPLERS["DDPM"].txt2img(10, TABLE)
    noise = ReferenceNoise()
    result = plan.sample(Analytic(TABLE), plan.start(UNIT_NOISE), noise, SamplerOptions(eta=0.3))
    sigmas = sigmas_of(plan).double()
    draws = iter(noise.draws)
    x = UNIT_NOISE.double() * sigmas[0] / (1 + sigmas[0] ** 2).sqrt()
    for sigma, sigma_next in pairwise(sigmas):
        exploding = x * (1 + sigma**2).sqrt()
        eps = (exploding - Analytic(TABLE)(exploding, sigma)) / sigma
        abar, abar_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
        alpha = abar / abar_next
        x = (x - (1 - alpha) / (1 - abar).sqrt() * eps) / alpha.sqrt()
        if sigma_next > 0:
            x = x + ((1 - alpha) * (1 - abar_next) / (1 - abar)).sqrt() * next(draws)
    torch.testing.assert_close(result.double(), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_ddim_with_eta_equals_diffusers(eta: float) -> None:
    plan = SAMPLERS["DDIM"].txt2img(10, TABLE)
    noise = ReferenceNoise()
    result = plan.sample(Analytic(TABLE), UNIT_NOISE, noise, SamplerOptions(eta_ddim=eta))

    make: Any = DDIMScheduler
    scheduler = make(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1
    )
    scheduler.set_timesteps(10)
    x = UNIT_NOISE
    timesteps = scheduler.timesteps.tolist()[:-1]
    assert isinstance(plan.path, TimestepPath)
    assert timesteps == plan.path.timesteps.flip(0).tolist()[:-1]
    for t, draw in zip(timesteps, noise.draws, strict=True):
        eps = Analytic(TABLE).epsilon(x, float(t)).guided
        x = scheduler.step(eps, t, x, eta=eta, variance_noise=draw, return_dict=False)[0]
    torch.testing.assert_close(result, x, atol=3e-6, rtol=0)


def test_ddim_cfgpp_equals_its_formula() -> None:
    """hechos/a1111.md 3.5, in float64."""
    plan = SAMPLERS["DDIM CFG++"].txt2img(10, TABLE)
    denoise = Analytic(TABLE)
    result = plan.sample(denoise, UNIT_NOISE, ReferenceNoise())
    x = UNIT_NOISE.double()
    alphas = TABLE.alphas_cumprod.double()
    for t, t_next in zip(range(901, 1, -100), range(801, 0, -100), strict=True):
        prediction = Analytic(TABLE).epsilon(x.float(), float(t))
        image = (x - (1 - alphas[t]).sqrt() * prediction.guided) / alphas[t].sqrt()
        x = alphas[t_next].sqrt() * image + (1 - alphas[t_next]).sqrt() * prediction.uncond
    torch.testing.assert_close(result.double(), x, atol=1e-5, rtol=0)
    assert denoise.factors == {CFG_PP_FACTOR} == {0.08}


# --- Pieces -------------------------------------------------------------------------------------------------------


def test_ancestral_step_keeps_the_variance() -> None:
    sigma, sigma_next = torch.tensor(3.0), torch.tensor(2.0)
    for eta in (0.0, 0.3, 1.0, 5.0):
        down, up = ancestral_step(sigma, sigma_next, eta)
        assert float(down**2 + up**2) == pytest.approx(4.0)
        assert up <= sigma_next
    assert [float(part) for part in ancestral_step(sigma, torch.tensor(0.0), 1.0)] == [0.0, 0.0]


def test_adams_bashforth_weights_on_even_steps() -> None:
    """The textbook coefficients."""
    weights = adams_bashforth_weights(np.array([0.0, -1.0, -2.0, -3.0]), 1.0)
    assert weights == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24])
    assert adams_bashforth_weights(np.array([5.0]), 3.0) == pytest.approx([-2.0])


def test_ipndm_v_weights_on_even_steps_are_adams_bashforths() -> None:
    assert ipndm_v_weights([-1.0] * 3) == pytest.approx([23 / 12, -16 / 12, 5 / 12])
    assert sum(ipndm_v_weights([-1.0, -1.4, -2.0])) == pytest.approx(1)
    assert [-weight for weight in ipndm_v_weights([-1.0, -1.4])] == pytest.approx(
        adams_bashforth_weights(np.array([1.0, 2.4]), 0.0)
    )


def test_deis_follows_a_constant_slope() -> None:
    """The weights of a step add up to its length: a straight path is followed exactly but for the sums' 1e-4."""
    assert sum(deis_weights([2.0, 3.0, 5.0, 9.0])) == pytest.approx(-1.0, rel=3e-4)
    assert deis_weights([2.0, 3.0]) == [-1.0]


@pytest.mark.parametrize("calls", range(1, 13))
def test_fast_orders(calls: int) -> None:
    orders = fast_orders(calls)
    assert sum(orders) == calls
    assert orders == {1: [1], 2: [2], 3: [2, 1], 10: [3, 3, 3, 1], 12: [3, 3, 3, 2, 1]}.get(calls, orders)


def test_restart_jumps() -> None:
    """hechos/a1111.md 3.4: 9 extra steps from 20 on, twice a quarter from 36 on."""
    for steps, jumps in ((19, 0), (20, 1), (36, 2)):
        sigmas = karras_sigmas(steps, TABLE.sigma_min, TABLE.sigma_max)
        walked = list(restart_steps(sigmas))
        rises = [(a[1], b[0]) for a, b in pairwise(walked) if b[0] > a[1]]
        assert (len(walked), len(rises)) == (steps, jumps)
        assert all(abs(low - 0.1) < 0.05 and abs(high - 2.0) < 0.5 for low, high in rises)


def test_restart_adds_noise_once_per_jump() -> None:
    plan = SAMPLERS["Restart"].txt2img(36, TABLE)
    noise = ReferenceNoise()
    denoise = Analytic(TABLE)
    plan.sample(denoise, plan.start(UNIT_NOISE), noise)
    assert len(noise.draws) == 2
    assert denoise.calls == plan.expected_calls == 71


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2"])
def test_churn_draws_every_step_and_respects_its_window(name: str) -> None:
    plan = SAMPLERS[name].txt2img(10, TABLE)
    plain = plan.sample(Analytic(TABLE), plan.start(UNIT_NOISE), ReferenceNoise())
    noise = ReferenceNoise()
    outside = plan.sample(
        Analytic(TABLE), plan.start(UNIT_NOISE), noise, SamplerOptions(s_churn=5.0, s_tmin=100.0, s_tmax=200.0)
    )
    inside = plan.sample(Analytic(TABLE), plan.start(UNIT_NOISE), ReferenceNoise(), SamplerOptions(s_churn=5.0))
    assert torch.equal(plain, outside)
    assert len(noise.draws) == 10
    assert not torch.allclose(plain, inside, atol=1e-2)


def test_churn_noise_is_what_the_formula_says() -> None:
    class Nothing(Analytic):
        def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
            return x * 0

    path = SigmaPath(torch.tensor([2.0, 1.0]), 1, 1.0, 2.0, TABLE)
    noise = ReferenceNoise()
    sampler = SAMPLERS["Euler"]
    assert isinstance(sampler, SigmaSampler)
    result = sampler.function(Nothing(), UNIT_NOISE, path, noise, SamplerOptions(s_churn=100.0, s_noise=1.5))
    # The level rises from 2 to 2 sqrt 2; then, as nothing is denoised, the step divides x by that.
    expected = (UNIT_NOISE + noise.draws[0] * 1.5 * 2.0) / (2.0 * math.sqrt(2))
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["DPM fast", "DPM adaptive"])
def test_dpm_solver_is_ancestral_by_default(name: str) -> None:
    """hechos/a1111.md 3.1: A1111 hands them eta = 1."""
    plan = SAMPLERS[name].txt2img(12, TABLE)
    results = [
        plan.sample(Analytic(TABLE), plan.start(UNIT_NOISE), ReferenceNoise(), options)
        for options in (SamplerOptions(), SamplerOptions(eta=1.0), SamplerOptions(eta=0.0))
    ]
    assert torch.equal(results[0], results[1])
    assert not torch.allclose(results[0], results[2], atol=0.1)


@pytest.mark.parametrize("variant", [UniPCVariant.BH1, UniPCVariant.BH2])
@pytest.mark.parametrize("h", [0.1, 0.8])
@pytest.mark.parametrize("ratios", [[-1.0], [-0.7, -1.9]])
def test_unipc_corrector_is_exact_on_polynomials(variant: UniPCVariant, h: float, ratios: list[float]) -> None:
    """An image that is a polynomial of lambda of degree up to the order is integrated exactly (theorem 3.1)."""
    _, corrector = update_weights(ratios, h, variant)
    for degree in range(1, len(ratios) + 2):
        exact = quad(lambda u, k=degree: math.exp(u - h) * u**k, 0, h)[0]
        got = -sum(w * r ** (degree - 1) for w, r in zip(corrector, [*ratios, 1.0], strict=True)) * h**degree
        assert got == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("variant", UniPCVariant)
def test_unipc_predictor_is_exact_on_polynomials(variant: UniPCVariant) -> None:
    h, ratios = 0.5, [-0.7, -1.9]
    predictor, _ = update_weights(ratios, h, variant)
    for degree in (1, 2):
        exact = quad(lambda u, k=degree: math.exp(u - h) * u**k, 0, h)[0]
        got = -sum(w * r ** (degree - 1) for w, r in zip(predictor, ratios, strict=True)) * h**degree
        assert got == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("variant", UniPCVariant)
@pytest.mark.parametrize("skip_type", UniPCSkipType)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_options_all_solve_the_same_equation(variant: UniPCVariant, skip_type: UniPCSkipType, order: int) -> None:
    """With many steps every variant must come near the exact flow, which 200 Heun steps give."""

    class Smooth(Analytic):
        def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
            sigma = self.table.t_to_sigma(t)
            exploding = x * (sigma**2 + 1).sqrt()
            eps = (exploding - self(exploding, sigma)) / sigma
            return NoisePrediction(eps, eps)

    sigmas = karras_sigmas(200, TABLE.sigma_min, TABLE.sigma_max)[:-1]
    heun = SAMPLERS["Heun"]
    assert isinstance(heun, SigmaSampler)
    path = SigmaPath(sigmas, 199, TABLE.sigma_min, TABLE.sigma_max, TABLE)
    start = UNIT_NOISE * TABLE.sigma_max
    exact = heun.function(Smooth(TABLE), start, path, ReferenceNoise(), SamplerOptions())
    plan = SAMPLERS["UniPC"].txt2img(100, TABLE)
    options = SamplerOptions(unipc_variant=variant, unipc_skip_type=skip_type, unipc_order=order)
    got = plan.sample(Smooth(TABLE), start * TABLE.alphas_cumprod[-1].sqrt(), ReferenceNoise(), options)
    torch.testing.assert_close(got / TABLE.alphas_cumprod[0].sqrt(), exact, atol=0.06, rtol=0)


# --- Plans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 4, 21])
def test_every_sampler_runs_with_every_schedule(name: str, schedule: str, steps: int) -> None:
    plan = SAMPLERS[name].txt2img(steps, TABLE, SCHEDULES[schedule])
    result = plan.sample(Analytic(TABLE), plan.start(UNIT_NOISE), ReferenceNoise())
    assert bool(result.isfinite().all())
    assert result.shape == UNIT_NOISE.shape
    assert result.dtype == torch.float32


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("exact_steps", [False, True])
def test_every_sampler_starts_from_an_image(name: str, strength: float, exact_steps: bool) -> None:
    plan = SAMPLERS[name].img2img(10, strength, TABLE, exact_steps=exact_steps)
    init = UNIT_NOISE.flip(-1) * 0.5
    denoise = Analytic(TABLE)
    result = plan.sample(denoise, plan.start(UNIT_NOISE, init), ReferenceNoise())
    assert bool(result.isfinite().all())
    if name != "DPM adaptive" and not SAMPLERS[name].second_order:
        assert denoise.calls == plan.expected_calls
    if strength == 0.0 and exact_steps:
        assert denoise.calls == 0
        torch.testing.assert_close(result, init, atol=0.15, rtol=0)


@pytest.mark.parametrize(
    ("steps", "strength", "calls"), [(20, 0.75, 16), (20, 0.5, 11), (20, 0.7, 15), (20, 1.0, 20), (20, 0.0, 1)]
)
def test_img2img_calls(steps: int, strength: float, calls: int) -> None:
    """hechos/a1111.md 3.6."""
    plan = SAMPLERS["Euler"].img2img(steps, strength, TABLE)
    full = SAMPLERS["Euler"].txt2img(steps, TABLE)
    assert plan.expected_calls == calls
    assert torch.equal(sigmas_of(plan), sigmas_of(full)[-calls - 1 :])


@pytest.mark.parametrize(
    ("steps", "strength", "total"), [(20, 0.75, 26), (20, 0.5, 40), (20, 0.7, 28), (30, 0.35, 85), (20, 0.0, 0)]
)
def test_exact_steps(steps: int, strength: float, total: int) -> None:
    """hechos/a1111.md 3.6."""
    assert img2img_steps(steps, strength, exact=True) == (total, steps - 1)
    assert SAMPLERS["Euler"].img2img(steps, strength, TABLE, exact_steps=True).expected_calls == (steps if total else 0)


def test_brownian_range_is_the_whole_schedule() -> None:
    """hechos/a1111.md 2.4; DPM fast and adaptive instead take the part that runs (3.4)."""
    options = ScheduleOptions(sigma_max=10.0)
    sde = SAMPLERS["DPM++ 2M SDE"].img2img(20, 0.5, TABLE, options=options).path
    assert isinstance(sde, SigmaPath)
    assert (sde.sigma_min, sde.sigma_max) == pytest.approx((TABLE.sigma_min, 10.0))
    assert sde.sigmas[0] < 1
    fast = SAMPLERS["DPM fast"]
    part = fast.img2img(20, 0.5, TABLE).path
    assert isinstance(part, SigmaPath)
    assert (part.sigma_min, part.sigma_max) == (float(part.sigmas[-2]), float(part.sigmas[0]))
    assert part.steps == 11
    whole = fast.txt2img(20, TABLE, SCHEDULES["Karras"], options).path
    assert isinstance(whole, SigmaPath)
    assert (whole.sigma_min, whole.sigma_max, whole.steps) == (TABLE.sigma_min, TABLE.sigma_max, 20)


def test_start() -> None:
    """hechos/a1111.md 2.5."""
    noise, init = torch.full((1, 4, 2, 2), 2.0), torch.full((1, 4, 2, 2), 0.5)
    euler, ddim = SAMPLERS["Euler"].txt2img(20, TABLE), SAMPLERS["DDIM"].txt2img(20, TABLE)
    top = TABLE.sigma_max
    assert euler.start(noise).flatten()[0].item() == pytest.approx(2 * top)
    assert euler.start(noise, sgm_noise_multiplier=True).flatten()[0].item() == pytest.approx(2 * math.sqrt(1 + top**2))
    assert ddim.start(noise) is noise
    half = SAMPLERS["Euler"].img2img(20, 0.5, TABLE)
    sigma = float(sigmas_of(half)[0])
    assert half.start(noise, init, extra_noise=0.1).flatten()[0].item() == pytest.approx(0.5 + 2 * sigma + 0.2)
    half_ddim = SAMPLERS["DDIM"].img2img(20, 0.5, TABLE)
    assert isinstance(half_ddim.path, TimestepPath)
    assert half_ddim.path.timesteps.tolist() == list(range(1, 500, 50))
    assert half_ddim.path.start_timestep == 501
    assert half_ddim.expected_calls == 9
    alpha = float(TABLE.alphas_cumprod[501])
    expected = 0.5 * math.sqrt(alpha) + 2 * math.sqrt(1 - alpha) + 2 * 0.1 * math.sqrt(alpha)
    assert half_ddim.start(noise, init, extra_noise=0.1).flatten()[0].item() == pytest.approx(expected, rel=1e-6)


def test_ddim_timesteps_equal_reference() -> None:
    reference = json.loads((DATA / "ddim_timesteps.json").read_text())
    assert {steps: evenly_spaced_timesteps(int(steps)).tolist() for steps in reference} == reference


def test_an_error_in_the_denoiser_comes_out() -> None:
    class Stop(Exception):
        pass

    class Stopping(Analytic):
        def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
            raise Stop

    for sampler in SAMPLERS.values():
        plan = sampler.txt2img(5, TABLE)
        with pytest.raises(Stop):
            plan.sample(Stopping(TABLE), plan.start(UNIT_NOISE), ReferenceNoise())


# --- Names --------------------------------------------------------------------------------------------------------

DEFAULTS = {
    "Karras": {"DPM++ 2M", "DPM++ SDE", "DPM++ 2S a", "DPM2", "DPM2 a", "Restart"},
    "Exponential": {"DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"},
}
FLAGS = {
    "second_order": {"DPM++ SDE", "DPM++ 2S a", "Heun", "DPM2", "DPM2 a", "Restart"},
    "brownian": {"DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"},
    "uses_ensd": {"DPM++ 2S a", "Euler a", "DPM2 a", "DPM fast", "DPM adaptive"},
    "discard_penultimate": {"DPM++ 3M SDE", "DPM2", "DPM2 a"},
}


def test_registry_is_a1111s_table() -> None:
    """hechos/a1111.md 3.1: order, automatic schedules and flags."""
    assert list(SAMPLERS)[:3] == ["DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE"]
    assert list(SAMPLERS)[19:] == ["LCM", "LCM (Forge)", "DDPM", "HeunPP2", "IPNDM", "IPNDM_V", "DEIS", "TCD"]
    for sampler in SAMPLERS.values():
        if isinstance(sampler, SigmaSampler):
            label = next((label for label, names in DEFAULTS.items() if sampler.name in names), "Automatic")
            assert sampler.txt2img(10, TABLE).schedule == label
            assert sampler.txt2img(10, TABLE, SCHEDULES["Simple"]).schedule == "Simple"
        for flag, names in FLAGS.items():
            assert getattr(sampler, flag, False) == (sampler.name in names)


@pytest.mark.parametrize(
    ("name", "schedule", "version", "expected"),
    [
        ("Euler a", None, None, ("Euler a", "Automatic")),
        ("k_euler_a", None, None, ("Euler a", "Automatic")),
        ("euler A ", "karras", None, ("Euler a", "Karras")),
        ("DPM++ 2M Karras", None, None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Heun Exponential", "Automatic", "v1.8.0", ("DPM++ 2M SDE Heun", "Exponential")),
        ("Euler SGMUniform", "Karras", None, ("Euler", "SGM Uniform")),
        ("DPM++ 2M", None, "v1.8.0", ("DPM++ 2M", "Uniform")),
        ("DPM++ 2M", None, "v1.6.0-2-g4afaaf8a", ("DPM++ 2M", "Uniform")),
        ("DPM++ 2M", None, "v1.9.0", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M", None, "v1.10.1", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M", None, "f2.0.1v1.10.1-previous-535-gb20cb4bf", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M", "Automatic", "v1.8.0", ("DPM++ 2M", "Automatic")),
        ("Restart", None, "v1.6.0", ("Restart", "Automatic")),
        ("DDIM", None, "v1.6.0", ("DDIM", "Automatic")),
        ("DDIM CFG++", None, None, ("DDIM CFG++", "Automatic")),
        ("ipndm_v", "align_your_steps_gits", None, ("IPNDM_V", "Align Your Steps GITS")),
        ("Euler Align Your Steps 32", None, None, ("Euler", "Align Your Steps 32")),
    ],
)
def test_resolve_sampler(name: str, schedule: str | None, version: str | None, expected: tuple[str, str]) -> None:
    choice = resolve_sampler(name, schedule, version)
    assert (choice.sampler.name, choice.schedule.name) == expected
    assert (choice.schedule is AUTOMATIC) == (expected[1] == "Automatic")


def test_unknown_names_help() -> None:
    with pytest.raises(UnknownName) as miss:
        resolve_sampler("Eulr a")
    assert (miss.value.kind, miss.value.suggestions[0]) == ("sampler", "Euler a")
    with pytest.raises(UnknownName) as miss:
        resolve_sampler("DPM++ 2N Karras")
    assert miss.value.suggestions[0].startswith("DPM++ 2")
    with pytest.raises(UnknownName) as miss:
        resolve_sampler("Euler", "Karas")
    assert miss.value.kind == "schedule"
