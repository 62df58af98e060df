"""The memory policy: what it starts with and in which order it saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import sdcolab.engine.savings as savings_module
from sdcolab.core.detect import ModelFamily
from sdcolab.core.memory_plan import GB
from sdcolab.core.request import GenerationRequest
from sdcolab.core.words.speed import SLICED_ATTENTION, TILED_DECODING
from sdcolab.engine.families import FAMILIES
from sdcolab.engine.memory import SPARING, MemoryPolicy, Stage, choose_policy, free_vram, is_out_of_memory, relieved
from sdcolab.engine.savings import Savings


@pytest.mark.parametrize("free", [None, 3 * GB, 14 * GB])
def test_no_savings_when_there_is_room(free: int | None) -> None:
    assert choose_policy(free, FAMILIES[ModelFamily.SD1].work) == MemoryPolicy()


@pytest.mark.parametrize(
    ("family", "comfortable"),
    [(ModelFamily.SD2, 4 * GB), (ModelFamily.SDXL, 6 * GB), (ModelFamily.SDXL_REFINER, 6 * GB)],
)
def test_bigger_pictures_need_more(family: ModelFamily, comfortable: int) -> None:
    assert choose_policy(comfortable, FAMILIES[family].work) == MemoryPolicy()
    assert choose_policy(comfortable - 1, FAMILIES[family].work).split_guidance


def test_all_but_the_slow_saving_when_there_is_little() -> None:
    policy = choose_policy(GB, FAMILIES[ModelFamily.SD1].work)
    assert policy == MemoryPolicy(split_guidance=True, max_batch=1, tile_decode=True)


def test_sampling_saves_step_by_step() -> None:
    policies = [MemoryPolicy()]
    while (policy := relieved(policies[-1], Stage.SAMPLING, batch_size=4)) is not None:
        policies.append(policy)
    assert [(p.split_guidance, p.max_batch, p.slice_attention) for p in policies] == [
        (False, 8, False),
        (True, 8, False),
        (True, 2, False),
        (True, 1, False),
        (True, 1, True),
    ]


def test_decoding_saves_by_tiles_only() -> None:
    tiled = relieved(MemoryPolicy(), Stage.DECODING, batch_size=4)
    assert tiled == MemoryPolicy(tile_decode=True)
    assert relieved(tiled, Stage.DECODING, batch_size=4) is None


def test_what_counts_as_out_of_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_what_torch_keeps_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card's own check is in test_cuda.py."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (3 * GB, 15 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 11 * GB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 7 * GB)
    assert free_vram(torch.device("cuda")) == 7 * GB


def test_a_cpu_has_no_vram() -> None:
    assert free_vram(torch.device("cpu")) is None


def test_what_ran_out_is_told_and_what_was_planned_is_not() -> None:
    def failing(times: int) -> Callable[[MemoryPolicy], str]:
        left = [times]

        def work(_policy: MemoryPolicy) -> str:
            left[0] -= 1
            if left[0] >= 0:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return "hecho"

        return work

    savings = Savings(GenerationRequest(), torch.device("cpu"))
    savings.choose(FAMILIES[ModelFamily.SD1].work, waits=False)
    assert list(savings.told()) == []
    assert savings.spend(Stage.DECODING, failing(1)) == "hecho"
    assert list(savings.told()) == [TILED_DECODING]
    assert savings.spend(Stage.SAMPLING, failing(2)) == "hecho"
    assert list(savings.told()) == [SLICED_ATTENTION, TILED_DECODING]
    small = Savings(GenerationRequest(), torch.device("cpu"))
    small.choose(FAMILIES[ModelFamily.SD1].work, waits=True)
    assert list(small.told()) == []


def test_networks_that_have_yet_to_come_leave_less_room(monkeypatch: pytest.MonkeyPatch) -> None:
    work = FAMILIES[ModelFamily.SD1].work
    monkeypatch.setattr(savings_module, "free_vram", lambda _device: work.comfortable + 100)
    found: list[MemoryPolicy] = []
    for to_come in (100, 101):
        savings = Savings(GenerationRequest(), torch.device("cpu"))
        savings.choose(work, waits=False, to_come=to_come)
        savings.spend(Stage.SAMPLING, found.append)
    assert found == [MemoryPolicy(), SPARING]
