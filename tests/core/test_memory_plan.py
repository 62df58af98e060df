"""What fits where: the machines that users have, and the models that they bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcolab.core.errors import ModelTooBigForCard, ModelTooBigForRam
from sdcolab.core.memory_plan import GB, FreeMemory, Placement, WeightCounts, WorkMemory, count_weights, plan_memory
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.core.words import explain

SD1 = WeightCounts(unet=859_520_964, text=123_060_480, vae=83_653_863)
SDXL = WeightCounts(unet=2_567_463_684, text=817_720_320, vae=83_653_863)
"""Numbers of Stable Diffusion 1.x and XL."""

FLUX = WeightCounts(unet=11_901_408_320, text=4_885_000_000, vae=83_819_683)
SD2 = WeightCounts(unet=865_910_724, text=354_032_641, vae=83_653_863)
REFINER = WeightCounts(unet=2_259_526_564, text=694_659_841, vae=83_653_863)
MINI = WeightCounts(unet=100_000, text=50_000, vae=20_000)

COLAB = FreeMemory(ram=int(10.5 * GB), vram=int(15.6 * GB))
"""A free session: 12.7 GB of RAM with Python and torch in it, and a T4."""

MODEL = Path("modelo.safetensors")

SMALL, MIDDLE, LARGE = WorkMemory(), WorkMemory(comfortable=4 * GB), WorkMemory(least=2 * GB, comfortable=6 * GB)
"""Of SD 1, 2 and XL."""


@pytest.mark.parametrize(
    ("weights", "work", "free", "element_bytes", "placement"),
    [
        (SDXL, LARGE, COLAB, 2, Placement.GPU),
        (SD1, SMALL, COLAB, 2, Placement.GPU),
        (SD2, MIDDLE, COLAB, 2, Placement.GPU),
        (REFINER, LARGE, COLAB, 2, Placement.GPU),
        (SD2, MIDDLE, FreeMemory(8 * GB, 6 * GB), 2, Placement.GPU_SPARING),
        (SDXL, LARGE, FreeMemory(10 * GB, 10 * GB), 2, Placement.GPU_SPARING),
        (SD1, SMALL, FreeMemory(8 * GB, 4 * GB), 2, Placement.GPU_SPARING),
        (SDXL, LARGE, FreeMemory(10 * GB, int(7.5 * GB)), 2, Placement.TURNS),
        (SD1, SMALL, FreeMemory(8 * GB, int(2.9 * GB)), 2, Placement.TURNS),
        (SDXL, LARGE, FreeMemory(10 * GB, 4 * GB), 2, Placement.STREAMED),
        (SD1, SMALL, FreeMemory(8 * GB, int(1.9 * GB)), 2, Placement.STREAMED),
        (SD1, SMALL, FreeMemory(int(10.5 * GB), None), 4, Placement.CPU),
        (MINI, SMALL, FreeMemory(int(0.5 * GB), None), 4, Placement.CPU),
        (SDXL, LARGE, FreeMemory(None, None), 4, Placement.CPU),
        (SD1, SMALL, COLAB, 2, Placement.GPU),
    ],
)
def test_what_fits(
    weights: WeightCounts, work: WorkMemory, free: FreeMemory, element_bytes: int, placement: Placement
) -> None:
    plan = plan_memory(MODEL, weights, work, free, element_bytes=element_bytes)
    assert plan.placement is placement
    assert free.ram is None or plan.ram <= free.ram
    assert plan.vram <= (free.vram or 0)


CONTROL_SD1, CONTROL_XL = 361_279_120 * 2, 1_251_500_000 * 2
"""Bytes of a ControlNet in halves."""


@pytest.mark.parametrize(
    ("weights", "work", "units", "free", "placement"),
    [
        (SD1, SMALL, 2 * CONTROL_SD1, COLAB, Placement.GPU),
        (SDXL, LARGE, CONTROL_XL, COLAB, Placement.GPU),
        (SDXL, LARGE, CONTROL_XL, FreeMemory(COLAB.ram, int(14.6 * GB)), Placement.GPU_SPARING),
        (SDXL, LARGE, CONTROL_XL, FreeMemory(10 * GB, 10 * GB), Placement.TURNS),
        (SDXL, LARGE, CONTROL_XL, FreeMemory(10 * GB, int(7.5 * GB)), Placement.STREAMED),
        (SD1, SMALL, 2 * CONTROL_SD1, FreeMemory(8 * GB, 4 * GB), Placement.STREAMED),
    ],
)
def test_units_of_controlnet_are_counted_where_the_unet_works(
    weights: WeightCounts, work: WorkMemory, units: int, free: FreeMemory, placement: Placement
) -> None:
    plan = plan_memory(MODEL, weights, work, free, element_bytes=2, with_unet=units)
    assert plan.placement is placement
    assert units < plan.vram <= (free.vram or 0)


def test_units_that_no_card_holds_beside_the_model_are_refused() -> None:
    with pytest.raises(ModelTooBigForCard):
        plan_memory(MODEL, SDXL, LARGE, FreeMemory(10 * GB, 4 * GB), element_bytes=2, with_unet=2 * CONTROL_XL)
    with pytest.raises(ModelTooBigForRam):
        plan_memory(MODEL, SD1, SMALL, FreeMemory(6 * GB, None), element_bytes=4, with_unet=4 * CONTROL_SD1)


def test_sdxl_opens_on_a_free_colab_with_little_ram_left() -> None:
    plan = plan_memory(MODEL, SDXL, LARGE, FreeMemory(3 * GB, COLAB.vram), element_bytes=2)
    assert plan.placement is Placement.GPU
    assert plan.ram < 3 * GB


def test_sdxl_without_a_card_is_refused_with_advice() -> None:
    with pytest.raises(ModelTooBigForRam) as caught:
        plan_memory(MODEL, SDXL, LARGE, FreeMemory(int(10.5 * GB), None), element_bytes=4)
    text = str(explain(caught.value, in_colab=True))
    assert "necesita 15,9 GB y quedan 10,5 GB" in text
    assert "T4 GPU" in text
    assert "T4 GPU" not in str(explain(caught.value, in_colab=False))


def test_what_no_free_card_holds_is_refused_with_advice() -> None:
    with pytest.raises(ModelTooBigForCard) as caught:
        plan_memory(MODEL, FLUX, SMALL, COLAB, element_bytes=2)
    assert "más pequeño" in str(explain(caught.value))


def test_what_waits_needs_the_machines_memory() -> None:
    with pytest.raises(ModelTooBigForCard):
        plan_memory(MODEL, SDXL, LARGE, FreeMemory(4 * GB, int(7.5 * GB)), element_bytes=2)


def test_models_of_one_request_take_turns_where_not_all_fit() -> None:
    alone = plan_memory(MODEL, SDXL, LARGE, COLAB, element_bytes=2)
    both = plan_memory(MODEL, SDXL, LARGE, COLAB, element_bytes=2, beside=REFINER.total * 2 + GB)
    assert (alone.placement, both.placement) == (Placement.GPU, Placement.TURNS)


def test_an_old_pickle_is_read_whole() -> None:
    with pytest.raises(ModelTooBigForRam):
        plan_memory(MODEL, SDXL, LARGE, COLAB, element_bytes=2, unmapped_bytes=13 * GB)


def test_counting_from_the_header() -> None:
    def tensor(*shape: int) -> TensorInfo:
        return TensorInfo("F16", shape, 0, 0)

    header = TensorHeader(
        {
            "model.diffusion_model.a": tensor(2, 3),
            "model_ema.a": tensor(2, 3),
            "cond_stage_model.b": tensor(5),
            "conditioner.embedders.1.c": tensor(7),
            "first_stage_model.d": tensor(11, 1),
            "scalar": tensor(),
        }
    )
    assert count_weights(header) == WeightCounts(unet=7, text=12, vae=11)
