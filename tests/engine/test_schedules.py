"""The table of sigmas and every schedule against A1111's numbers."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sdcolab.core.errors import UnknownName
from sdcolab.engine.schedules import (
    SCHEDULES,
    NoiseTable,
    ScheduleOptions,
    StepTables,
    build_sigmas,
    stable_diffusion_alphas_cumprod,
)

DATA = Path(__file__).parents[1] / "data" / "referencia"
REFERENCE = json.loads((DATA / "sigmas.json").read_text())
TABLE = NoiseTable.stable_diffusion()
NAMED = [name for name in SCHEDULES if name != "Automatic"]


class ForgeTable(NoiseTable):
    """The table that the reference was made with: sigmas computed in float64."""

    @cached_property
    def sigmas(self) -> Tensor:
        return torch.tensor(REFERENCE["_meta"]["all_sigmas"])


FORGE_TABLE = ForgeTable(stable_diffusion_alphas_cumprod())


def test_table() -> None:
    """hechos/a1111.md, notation. Forge's differ by 1.3e-5 at the low end."""
    assert TABLE.sigma_min == pytest.approx(0.02916753, rel=2e-7)
    assert TABLE.sigma_max == pytest.approx(14.61464, rel=1e-6)
    torch.testing.assert_close(TABLE.sigmas, FORGE_TABLE.sigmas, rtol=1.4e-5, atol=0)


def test_table_variants() -> None:
    """hechos/a1111.md 3.7."""
    downcast = NoiseTable.stable_diffusion(downcast=True)
    assert (downcast.sigma_min, downcast.sigma_max) == pytest.approx((0.03126527, 14.612339), rel=1e-6)
    zero_snr = NoiseTable.stable_diffusion(zero_terminal_snr=True)
    assert zero_snr.sigmas[-2:].tolist() == pytest.approx([2254.24, 4518.76], rel=1e-4)
    assert zero_snr.sigma_min == pytest.approx(TABLE.sigma_min, rel=1e-4)


@pytest.mark.parametrize("name", NAMED)
def test_every_schedule_equals_reference(name: str) -> None:
    """A schedule without reference data fails here (KeyError)."""
    for steps, expected in REFERENCE[name].items():
        sigmas = build_sigmas(SCHEDULES[name], int(steps), FORGE_TABLE)
        torch.testing.assert_close(sigmas, torch.tensor(expected), rtol=3e-7, atol=0)


KNOWN = {
    "Uniform": "14.6146 7.8399 4.6092 2.9183 1.9502 1.3449 .9324 .6250 .3687 .0292 0",
    "Karras": "14.6146 9.1029 5.4784 3.1686 1.7494 .9141 .4469 .2014 .0819 .0292 0",
    "Exponential": "14.6146 7.3249 3.6712 1.8400 .9222 .4622 .2317 .1161 .0582 .0292 0",
    "SGM Uniform": "14.6146 8.3072 5.0924 3.3251 2.2797 1.6156 1.1629 .8319 .5712 .3437 0",
    "Simple": "14.6146 8.3028 5.0878 3.3211 2.2765 1.6129 1.1606 .8299 .5693 .3417 0",
    "DDIM": "8.3907 5.1344 3.3478 2.2929 1.6237 1.1682 .8357 .5741 .3462 .0413 0",
    "KL Optimal": "14.6147 4.5650 2.6329 1.7864 1.2948 .9616 .7116 .5094 .3356 .1783 .0292",
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_values_on_our_own_table(name: str) -> None:
    """hechos/a1111.md 3.3."""
    expected = [float(value) for value in KNOWN[name].split()]
    assert build_sigmas(SCHEDULES[name], 10, TABLE).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 11, 150])
def test_levels_fall_and_are_float32(name: str, steps: int) -> None:
    sigmas = build_sigmas(SCHEDULES[name], steps, TABLE)
    assert sigmas.dtype == torch.float32
    assert bool((sigmas.diff() < 0).all())
    assert name == "DDIM" or len(sigmas) == steps + 1


def test_discard_penultimate_makes_one_more_and_drops_it() -> None:
    long = build_sigmas(SCHEDULES["Karras"], 11, TABLE)
    short = build_sigmas(SCHEDULES["Karras"], 10, TABLE, discard_penultimate=True)
    assert short.tolist() == [*long[:10].tolist(), 0.0]
    asked = build_sigmas(SCHEDULES["Karras"], 10, TABLE, ScheduleOptions(discard_penultimate=True))
    assert torch.equal(short, asked)


def test_no_steps_is_just_zero() -> None:
    assert all(build_sigmas(schedule, 0, TABLE).tolist() == [0.0] for schedule in SCHEDULES.values())


TAKES_RANGE = {"Karras", "Exponential", "Polyexponential", "SGM Uniform", "KL Optimal", "Normal", "Beta"}


@pytest.mark.parametrize("name", NAMED)
def test_range_override(name: str) -> None:
    """hechos/a1111.md 3.3: the rest keep the model's range."""
    options = ScheduleOptions(sigma_min=0.1, sigma_max=10.0)
    changed, usual = build_sigmas(SCHEDULES[name], 10, TABLE, options), build_sigmas(SCHEDULES[name], 10, TABLE)
    if name in TAKES_RANGE:
        assert float(changed[0]) == pytest.approx(10.0, rel=1e-4)
        lowest = changed[changed > 0].min()
        assert float(lowest) == pytest.approx(0.1, rel=1e-3) or (name == "SGM Uniform" and lowest > 0.1)
    else:
        assert torch.equal(changed, usual)


def test_rho_and_beta_change_their_schedules() -> None:
    assert build_sigmas(SCHEDULES["Karras"], 3, TABLE, ScheduleOptions(rho=1.0))[1] == pytest.approx(
        (TABLE.sigma_min + TABLE.sigma_max) / 2, rel=1e-6
    )
    flat = build_sigmas(SCHEDULES["Beta"], 5, TABLE, ScheduleOptions(beta_alpha=1.0, beta_beta=1.0))
    assert flat[:5].diff().tolist() == pytest.approx([(TABLE.sigma_min - TABLE.sigma_max) / 4] * 4, rel=1e-5)


def test_align_your_steps_follows_the_model_family() -> None:
    xl = NoiseTable.stable_diffusion(step_tables=StepTables.SDXL)
    levels = build_sigmas(SCHEDULES["Align Your Steps"], 11, xl)
    assert levels[:3].tolist() == pytest.approx([14.615, 6.315, 3.771])
    assert levels[-2:].tolist() == pytest.approx([0.029, 0.0])


@given(st.floats(0, 999))
def test_t_and_sigma_are_inverse(t: float) -> None:
    assert float(TABLE.sigma_to_t(TABLE.t_to_sigma(t))) == pytest.approx(t, abs=2e-3)


def test_sigma_to_t_clamps_quantizes_and_keeps_shape() -> None:
    assert TABLE.sigma_to_t(torch.tensor([[0.001, 1000.0]])).tolist() == [[0.0, 999.0]]
    sigma = TABLE.t_to_sigma(torch.tensor([3.4, 735.37, 735.63]))
    assert NoiseTable.stable_diffusion(quantize=True).sigma_to_t(sigma).tolist() == [3.0, 735.0, 736.0]


def test_lcm_table_has_every_twentieth_timestep() -> None:
    table = TABLE.for_lcm()
    assert torch.equal(table.sigmas, TABLE.sigmas[19::20])
    assert table.sigma_to_t(table.sigmas).tolist() == list(range(19, 1000, 20))
    torch.testing.assert_close(table.t_to_sigma(torch.tensor([19.0, 519.0, 999.0])), TABLE.sigmas[[19, 519, 999]])
    # Uniform: linspace(999, 19, n) through that table (hechos/a1111.md 3.4)
    levels = build_sigmas(SCHEDULES["Uniform"], 8, table)
    torch.testing.assert_close(levels[:-1], TABLE.sigmas[list(range(999, 0, -140))])


def test_names_and_aliases() -> None:
    assert SCHEDULES.find("SGMUniform") is SCHEDULES.find("sgm_uniform") is SCHEDULES["SGM Uniform"]
    with pytest.raises(UnknownName) as miss:
        SCHEDULES.find("Karas")
    assert miss.value.suggestions[0] == "Karras"
