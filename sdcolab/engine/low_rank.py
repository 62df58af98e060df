"""The two thin matrices whose product is nearest to a matrix (Eckart & Young 1936)."""

from __future__ import annotations

import torch
from torch import Tensor

OVERSAMPLE = 16
"""More columns than wanted that a randomised decomposition looks at (Halko et al. 2011, arXiv:0909.4061)."""
_PASSES = 4
_SMALL = 1024
"""Side up to which the exact decomposition takes no longer than a person waits."""


def low_rank(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """left [out, r] and right [r, in], equally large, of at most ``rank``; large ones by a randomised decomposition,
    with the same numbers each time.
    """
    rank = min(rank, *matrix.shape)
    if min(matrix.shape) <= _SMALL and rank * 4 > min(matrix.shape):
        u, values, right = torch.linalg.svd(matrix, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, values, v = torch.svd_lowrank(matrix, q=min(rank + OVERSAMPLE, *matrix.shape), niter=_PASSES)
        right = v.T
    root = values[:rank].sqrt()
    return u[:, :rank] * root, (root[:, None] * right[:rank]).contiguous()
