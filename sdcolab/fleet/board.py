"""The board: which engine makes what next, so that models are switched seldom and nobody idles."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sdcolab.fleet.orders import CHECKPOINTS, Order, Setup

MAX_TRIES = 3
"""An order whose engine died so often is not tried again: it may be what kills them."""


@dataclass(slots=True, eq=False)
class _Run:
    """Orders with the same checkpoints, in the order of their other switches, and who works on them."""

    checkpoints: Setup
    orders: deque[Order] = field(default_factory=deque)
    worker: int | None = None


class Board:
    """Orders that wait, for several workers, each in a thread of its own.

    A worker goes on with the checkpoint that it has; then it takes the longest run that nobody works on; when there is
    none, the second half of the longest one. So there are at most as many switches as checkpoints and workers together,
    and a few at the end. Orders of a worker that died come back.
    """

    def __init__(self, orders: Iterable[Order]) -> None:
        runs: dict[Setup, _Run] = {}
        for order in sorted(orders, key=lambda one: (one.setup, one.number)):
            key = order.setup[:CHECKPOINTS]
            runs.setdefault(key, _Run(key)).orders.append(order)
        self._runs = list(runs.values())
        self._of: dict[int, _Run] = {}
        self._tries: dict[int, int] = {}
        self._open = sum(len(run.orders) for run in self._runs)
        self._stopped = False
        self._changed = threading.Condition()

    @property
    def left(self) -> int:
        """How many orders are neither done nor given up."""
        with self._changed:
            return self._open

    @property
    def over(self) -> bool:
        """Whether nobody will get another order."""
        with self._changed:
            return self._stopped or not self._open

    def take(self, worker: int) -> Order | None:
        """The next order for ``worker``, waiting while others may still give one back; None when all is over."""
        with self._changed:
            while self._open and not self._stopped:
                run = self._run_for(worker)
                if run is not None:
                    order = run.orders.popleft()
                    self._tries[order.number] = self._tries.get(order.number, 0) + 1
                    return order
                self._changed.wait()
            return None

    def finished(self, _order: Order) -> None:
        """An order is done or given up: nobody will see it again."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def lost(self, order: Order) -> int:
        """The engine that worked on ``order`` died. 0: it waits again; else the number of tries after which it counts
        as ``finished``."""
        with self._changed:
            tries = self._tries.get(order.number, 1)
            if tries >= MAX_TRIES:
                self._open -= 1
            else:
                self._give_back(order)
            self._changed.notify_all()
            return tries if tries >= MAX_TRIES else 0

    def leave(self, worker: int) -> None:
        """``worker`` is gone: others may go on with its run."""
        with self._changed:
            if run := self._of.pop(worker, None):
                run.worker = None
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody gets another order."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run_for(self, worker: int) -> _Run | None:
        mine = self._of.get(worker)
        if mine and mine.orders:
            return mine
        if mine:
            self._runs.remove(mine)
            del self._of[worker]
        free = [run for run in self._runs if run.worker is None and run.orders]
        if mine:
            same = [run for run in free if run.checkpoints == mine.checkpoints]
            free = same or free
        run = max(free, key=lambda one: len(one.orders)) if free else self._half_of_the_longest()
        if run is not None:
            run.worker = worker
            self._of[worker] = run
        return run

    def _half_of_the_longest(self) -> _Run | None:
        longest = max(self._runs, key=lambda run: len(run.orders), default=None)
        if longest is None or not longest.orders:
            return None
        half = _Run(longest.checkpoints)
        for _ in range((len(longest.orders) + 1) // 2):
            half.orders.appendleft(longest.orders.pop())
        self._runs.append(half)
        return half

    def _give_back(self, order: Order) -> None:
        key = order.setup[:CHECKPOINTS]
        run = next((run for run in self._runs if run.checkpoints == key and run.worker is None), None)
        if run is None:
            run = _Run(key)
            self._runs.append(run)
        run.orders.append(order)  # last: it may kill the next one too
