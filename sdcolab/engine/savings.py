"""One generation's memory: what it saves already, and what it turns to when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from sdcolab.core.errors import OutOfMemory
from sdcolab.core.memory_plan import WorkMemory
from sdcolab.core.request import GenerationRequest
from sdcolab.core.words.speed import SLICED_ATTENTION, SPLIT_GUIDANCE, TILED_DECODING
from sdcolab.engine.memory import SPARING, MemoryPolicy, Stage, choose_policy, free_vram, is_out_of_memory, relieved
from sdcolab.engine.shelf import release_memory

T = TypeVar("T")


class Savings:
    """Savings that were switched on stay so for the rest of the request."""

    def __init__(
        self, request: GenerationRequest, device: torch.device, spare: Callable[[], bool] = lambda: False
    ) -> None:
        """``spare`` lets go of what this generation does not need, and says whether there was any."""
        self._spare = spare
        self._request = request
        self._device = device
        self._policy: MemoryPolicy | None = None
        self._chosen = MemoryPolicy()

    def choose(self, work: WorkMemory, *, waits: bool, to_come: int = 0) -> None:
        """Start from what is free now that the first checkpoint is loaded; later calls change nothing. ``waits``: its
        weights have yet to come to the card. ``to_come``: bytes of other networks (ControlNet) that have too.
        """
        if self._policy is None:
            free = free_vram(self._device)
            room = None if free is None else free - to_come
            self._policy = self._chosen = SPARING if waits else choose_policy(room, work)

    def spend(self, stage: Stage, work: Callable[[MemoryPolicy], T]) -> T:
        """``work``'s result; each time memory runs out, others' models go or else the next saving is switched on, and
        it begins again.

        Raises ``OutOfMemory`` when none is left.
        """
        while True:
            policy = self._policy or MemoryPolicy()
            try:
                return work(policy)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the handler, so that the failed attempt's tensors are gone.
            if self._spare():
                continue
            saving = relieved(policy, stage, self._request.batch_size)
            if saving is None:
                raise self.exhausted()
            self._policy = saving
            release_memory()

    def told(self) -> Iterator[str]:
        """What was slow because of it, in sentences: only what memory that ran out brought, not what the card's size
        asked for from the start.
        """
        policy, chosen = self._policy or MemoryPolicy(), self._chosen
        if policy.slice_attention and not chosen.slice_attention:
            yield SLICED_ATTENTION
        elif (policy.split_guidance, policy.max_batch) != (chosen.split_guidance, chosen.max_batch):
            yield SPLIT_GUIDANCE
        if policy.tile_decode and not chosen.tile_decode:
            yield TILED_DECODING

    def exhausted(self) -> OutOfMemory:
        """The error for memory that ran out where no saving helps."""
        request = self._request
        return OutOfMemory(
            device=self._device.type,
            width=request.width or 0,
            height=request.height or 0,
            batch_size=request.batch_size,
        )
