"""How many threads of a processor share a sum: pictures are the same to the last bit only where it is the same."""

from __future__ import annotations

import torch


def threads_here() -> int:
    """The number that this machine's engines use."""
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Let this process use ``count``, whatever its environment says."""
    torch.set_num_threads(count)
