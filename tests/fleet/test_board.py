"""Who makes what next."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.request import GenerationRequest, Variation
from sdcolab.fleet.board import MAX_TRIES, Board
from sdcolab.fleet.orders import Order, digest_of, setup_of, switches, with_seeds


def order(number: int, checkpoint: str = "a", lora: str = "") -> Order:
    request = GenerationRequest(prompt=lora, checkpoint=checkpoint)
    return Order(number, setup_of(request), str(number), lambda: request)


def in_turns(board: Board, workers: int) -> dict[int, list[Order]]:
    """What each of some equally fast workers makes."""
    made: dict[int, list[Order]] = {worker: [] for worker in range(workers)}
    while board.left:
        for worker in made:
            if board.left and (one := board.take(worker)):
                made[worker].append(one)
                board.finished(one)
    return made


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 6))
def test_everything_is_made_once_with_few_switches(checkpoints: Sequence[str], workers: int) -> None:
    orders = [order(number, name) for number, name in enumerate(checkpoints)]
    made = in_turns(Board(orders), workers)
    assert sorted(one.number for done in made.values() for one in done) == list(range(len(orders)))
    loaded = sum(switches(one.setup for one in done) for done in made.values())
    halves = workers * max(1, len(orders).bit_length())  # a run may be halved until it is empty
    assert loaded <= len(set(checkpoints)) + halves


def test_one_worker_loads_each_checkpoint_once_and_each_lora_once() -> None:
    orders = [order(number, "ab"[number % 2], f"<lora:{'xyz'[number % 3]}:1>") for number in range(60)]
    made = in_turns(Board(orders), 1)[0]
    assert switches(one.setup for one in made) == 2
    changes = sum(first.setup != second.setup for first, second in itertools.pairwise(made))
    assert changes == 5


def test_two_workers_share_one_long_run_without_idling() -> None:
    made = in_turns(Board(order(number) for number in range(100)), 2)
    assert [len(done) for done in made.values()] == [50, 50]


def test_a_lost_order_comes_back_and_one_that_kills_is_given_up() -> None:
    board = Board([order(0)])
    for _ in range(MAX_TRIES - 1):
        lost = board.take(0)
        assert lost is not None
        assert board.lost(lost) == 0
        board.leave(0)
    lost = board.take(1)
    assert lost is not None
    assert board.lost(lost) == MAX_TRIES
    assert board.left == 0
    assert board.take(1) is None


def test_who_waits_gets_what_another_loses() -> None:
    board = Board([order(0)])
    first = board.take(0)
    assert first is not None
    got: list[Order | None] = []
    waiting = threading.Thread(target=lambda: got.append(board.take(1)))
    waiting.start()
    board.lost(first)
    waiting.join(10)
    assert got == [first]


def test_stopping_wakes_who_waits() -> None:
    board = Board([order(0)])
    board.take(0)
    got: list[Order | None] = []
    waiting = threading.Thread(target=lambda: got.append(board.take(1)))
    waiting.start()
    board.stop()
    waiting.join(10)
    assert got == [None]
    assert board.over


def test_seeds_follow_from_the_list_and_the_number() -> None:
    asked = GenerationRequest(variation=Variation(strength=0.5))
    settled = with_seeds(asked, 7, 3)
    assert settled == with_seeds(asked, 7, 3)
    assert len({with_seeds(asked, draws, number).seed for draws in range(4) for number in range(4)}) == 16
    assert settled.seed >= 0
    assert settled.variation.seed >= 0
    assert with_seeds(GenerationRequest(seed=5), 7, 3).seed == 5


@pytest.mark.parametrize(("first", "second"), [((b"ab", b"c"), (b"a", b"bc")), (("a",), ("b",)), ((), ("",))])
def test_digests_tell_things_apart(first: tuple[str | bytes, ...], second: tuple[str | bytes, ...]) -> None:
    assert digest_of(*first) != digest_of(*second)
