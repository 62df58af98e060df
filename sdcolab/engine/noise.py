"""Random numbers of a generation: who draws them, in what order, and how seeds are mixed.

Every image has generators of its own, so a picture made in a batch equals the picture made alone. Facts:
hechos/a1111.md 2.2 to 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sdcolab.core.request import NoiseOrigin

Shape = tuple[int, ...]


class NormalGenerator(Protocol):
    """A seeded stream of standard normal numbers."""

    def normal(self, shape: Shape) -> Tensor:
        """The next draw: float32 of ``shape``."""
        ...


# --- Philox, as NVIDIA's cuRAND draws -----------------------------------------------------------------------------

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

_TO_UNIT = np.float32(2.3283064e-10)  # 2^-32
_TO_ANGLE = np.float32(2.3283064e-10 * 6.2831855)  # 2 pi 2^-32


def philox_normal(seed: int, call: int, shape: Shape) -> np.ndarray:
    """Float32 normals that PyTorch on CUDA draws at the ``call``-th (from 0) randn of a generator seeded ``seed``.

    Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with key ``seed`` (64 bits) and
    one counter block (call, 0, element, 0) per element, then Box-Muller on the first two words. Differs from a real GPU
    only for huge tensors.
    """
    count = math.prod(shape)
    # Words are kept in 64 bits so that a product's high half is at hand.
    c0 = np.full(count, call & 0xFFFFFFFF, np.uint64)
    c1 = np.zeros(count, np.uint64)
    c2 = np.arange(count, dtype=np.uint64)
    c3 = np.zeros(count, np.uint64)
    key = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    for _ in range(_ROUNDS):
        product_0, product_2 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0 = product_2 >> _HALF ^ c1 ^ np.uint64(key[0])
        c2 = product_0 >> _HALF ^ c3 ^ np.uint64(key[1])
        c1, c3 = product_2 & _LOW, product_0 & _LOW
        key = [(word + step) & 0xFFFFFFFF for word, step in zip(key, _WEYL, strict=True)]
    # The constants are float32 but the arithmetic is float64.
    unit = c0.astype(np.float64) * _TO_UNIT + _TO_UNIT / 2
    angle = c1.astype(np.float64) * _TO_ANGLE + _TO_ANGLE / 2
    return (np.sqrt(-2 * np.log(unit)) * np.sin(angle)).astype(np.float32).reshape(shape)


class PhiloxGenerator:
    """ "NV": the numbers of an NVIDIA GPU, on any machine."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._calls = 0

    def normal(self, shape: Shape) -> Tensor:
        """The next draw, on the CPU."""
        values = philox_normal(self._seed, self._calls, shape)
        self._calls += 1
        return torch.from_numpy(values)


class TorchGenerator:
    """ "CPU" and "GPU": PyTorch's own generator of a device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def normal(self, shape: Shape) -> Tensor:
        """The next draw, on the generator's device."""
        return torch.randn(shape, generator=self._generator, device=self._generator.device)


def make_generator(origin: NoiseOrigin, seed: int, device: torch.device) -> NormalGenerator:
    """A fresh stream for ``seed`` (0..2^64 - 1). "GPU" means ``device`` when that is CUDA, else the CPU (MPS too)."""
    if origin is NoiseOrigin.NV:
        return PhiloxGenerator(seed)
    on_gpu = origin is NoiseOrigin.GPU and device.type == "cuda"
    return TorchGenerator(seed, device if on_gpu else torch.device("cpu"))


PASSING_SEED_SHIFT, PASSING_SEEDS = 100_000, 65_536
"""Forge's seed for the noise of what a mask keeps is (seed + shift) modulo this (found from its reference images)."""


def passing_noise(origin: NoiseOrigin, seeds: Sequence[int], like: Tensor) -> Callable[[], Tensor]:
    """Unit noise [B, C, h, w] for what a mask keeps, drawn anew at each call, for the images with these ``seeds`` whose
    latents are as large as those of ``like`` [?, C, h, w], on its device. Philox has no part in this: Forge draws from
    torch, which it seeds like this when it makes the first noise.
    """
    origin = NoiseOrigin.GPU if origin is NoiseOrigin.GPU else NoiseOrigin.CPU
    shifted = [(seed + PASSING_SEED_SHIFT) % PASSING_SEEDS for seed in seeds]
    generators = [make_generator(origin, seed, like.device) for seed in shifted]
    return lambda: _sent([one.normal(tuple(like.shape[1:])) for one in generators], like.device)


def _sent(draws: list[Tensor], device: torch.device) -> Tensor:
    """``draws`` [C, h, w] as one [B, C, h, w] on ``device``, which may still be busy with the step before."""
    return torch.stack(draws).to(device, non_blocking=True)


# --- First noise --------------------------------------------------------------------------------------------------


def slerp(amount: float, low: Tensor, high: Tensor) -> Tensor:
    """Spherical mix of two [C, h, w] noises, column by column: 0 gives ``low``, 1 gives ``high``.

    Nearly parallel noises mix linearly with the weights the other way round, as upstream (hechos/a1111.md 2.3).
    """
    low_unit, high_unit = low / low.norm(dim=1, keepdim=True), high / high.norm(dim=1, keepdim=True)
    cosine = (low_unit * high_unit).sum(1, keepdim=True)
    if cosine.mean() > 0.9995:
        return low * amount + high * (1 - amount)
    angle = cosine.acos()
    return ((1 - amount) * angle).sin() / angle.sin() * low + (amount * angle).sin() / angle.sin() * high


def paste_centred(small: Tensor, large: Tensor) -> Tensor:
    """``large`` [C, h, w] with ``small`` [C, h', w'] over its centre; what does not fit is cropped evenly."""
    result = large.clone()
    target, source = [], []
    for room, size in zip(large.shape[1:], small.shape[1:], strict=True):
        offset = (room - size) // 2
        length = size if offset >= 0 else size + 2 * offset
        target.append(slice(max(offset, 0), max(offset, 0) + length))
        source.append(slice(max(-offset, 0), max(-offset, 0) + length))
    result[:, target[0], target[1]] = small[:, source[0], source[1]]
    return result


@dataclass(frozen=True, slots=True)
class NoiseSpec:
    """Everything that decides the noise of a batch.

    ``seeds``: one per image. ``shape``: (C, h, w) of a latent. ``subseeds`` (one per image) mix in with
    ``subseed_strength`` 0..1. ``resize_from``: (h, w) in latent pixels whose composition the noise should keep.
    ``eta_seed_delta`` (ENSD) is added to the seeds for every draw after the first.
    """

    seeds: tuple[int, ...]
    shape: tuple[int, int, int]
    origin: NoiseOrigin = NoiseOrigin.NV
    subseeds: tuple[int, ...] = ()
    subseed_strength: float = 0.0
    resize_from: tuple[int, int] | None = None
    eta_seed_delta: int = 0


AHEAD_FROM = 4 * 64 * 64
"""Numbers of a draw from which the next one is made while this one is used: it takes milliseconds."""


class BatchNoise:
    """The noise of one pass over a batch, as ``samplers.Noise``. A hires pass makes a new one with the same seeds.

    Samplers that draw in each step find their next large draw made already, on a thread, while the model worked: the
    same numbers in the same order.
    """

    def __init__(self, spec: NoiseSpec, device: torch.device) -> None:
        self._spec = spec
        self._device = device
        self._generators = [make_generator(spec.origin, seed, device) for seed in spec.seeds]
        self._is_first = True
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: Future[list[Tensor]] | None = None

    def normal(self) -> Tensor:
        """The next draw of every image, float32 [B, C, h, w] on the device. The first is the pass's initial noise."""
        if not self._is_first:
            return self._stack(self._later())
        self._is_first = False
        first = self._stack([self._first(image) for image in range(len(self._spec.seeds))])
        if self._spec.eta_seed_delta:
            self._generators = [self._fresh(seed + self._spec.eta_seed_delta) for seed in self._spec.seeds]
        return first

    def brownian(self, sigma_min: float, sigma_max: float) -> Callable[[float, float], Tensor]:
        """See ``samplers.Noise``. Seeds are the images': neither ENSD nor variation applies (hechos/a1111.md 2.4)."""
        trees = [
            BrownianTree(sigma_min, sigma_max, seed, lambda node_seed: self._fresh(node_seed).normal(self._spec.shape))
            for seed in self._spec.seeds
        ]

        def increments(sigma: float, sigma_next: float) -> Tensor:
            low, high = sorted((sigma, sigma_next))
            sign = 1 if sigma < sigma_next else -1
            scale = torch.tensor(high - low, dtype=torch.float32).sqrt()
            return self._stack([tree.increment(low, high) for tree in trees]) * sign / scale

        return increments

    def _draws(self) -> list[Tensor]:
        return [generator.normal(self._spec.shape) for generator in self._generators]

    def _later(self) -> list[Tensor]:
        """A draw after the first. Nothing is drawn ahead where the device itself draws."""
        draws = self._draws() if self._ahead is None else self._ahead.result()
        if sum(draw.numel() for draw in draws) >= AHEAD_FROM and draws[0].device.type == "cpu":
            self._thread = self._thread or ThreadPoolExecutor(1, "noise")
            self._ahead = self._thread.submit(self._draws)
        return draws

    def _first(self, image: int) -> Tensor:
        """hechos/a1111.md 2.3."""
        spec = self._spec
        shape = spec.shape if spec.resize_from is None else (spec.shape[0], *spec.resize_from)
        resized = shape != spec.shape
        noise = (self._fresh(spec.seeds[image]) if resized else self._generators[image]).normal(shape)
        if spec.subseed_strength:
            noise = slerp(spec.subseed_strength, noise, self._fresh(spec.subseeds[image]).normal(shape))
        return paste_centred(noise, self._generators[image].normal(spec.shape)) if resized else noise

    def _fresh(self, seed: int) -> NormalGenerator:
        return make_generator(self._spec.origin, seed, self._device)

    def _stack(self, draws: list[Tensor]) -> Tensor:
        return _sent(draws, self._device)


# --- Brownian path ------------------------------------------------------------------------------------------------

_POOL_SIZE = 24
_DECIMALS = 6
_REMEMBERED_NODES = 64


class BrownianTree:
    """A Brownian path over [``start``, ``end``]: an increment depends only on ``seed`` and its two times.

    It gives the numbers of torchsde 0.2.6's ``BrownianTree`` (Li et al. 2020, arXiv:2001.01328; a Brownian
    bridge halved again and again down to 1e-6), except that ``draw`` maps a node's seed to its standard normal numbers:
    torchsde has no way to choose them.
    """

    def __init__(self, start: float, end: float, seed: int, draw: Callable[[int], Tensor]) -> None:
        self._start, self._end = round(start, _DECIMALS), round(end, _DECIMALS)
        self._seed = seed
        # Neighbouring queries share most of their nodes. Only this many are kept: each is as big as a latent.
        self._draw = lru_cache(maxsize=_REMEMBERED_NODES)(draw)
        root = np.random.SeedSequence(entropy=seed, pool_size=_POOL_SIZE).generate_state(3)[0]
        self._total = draw(int(root)) * math.sqrt(end - start)

    def increment(self, low: float, high: float) -> Tensor:
        """W(``high``) - W(``low``), for ``low`` <= ``high``; times outside the range count as its ends."""
        low, high = (round(min(max(time, self._start), self._end), _DECIMALS) for time in (low, high))
        if low == high:
            return torch.zeros_like(self._total)
        total: Tensor | None = None
        # Descend to the largest nodes that tile [low, high], from left to right.
        # A node is (start, end, index in its depth, depth, increment).
        pending = [(self._start, self._end, 0, 0, self._total)]
        while pending:
            start, end, index, depth, whole = pending.pop()
            if low <= start and end <= high:
                total = whole if total is None else total + whole
                continue
            middle = round((start + end) / 2, _DECIMALS)
            left = self._left_half(start, middle, end, index, depth, whole)
            if high > middle:
                pending.append((middle, end, 2 * index + 1, depth + 1, whole - left))
            if low < middle:
                pending.append((start, middle, 2 * index, depth + 1, left))
        assert total is not None  # low < high, so some node was inside
        return total

    def _left_half(self, start: float, middle: float, end: float, index: int, depth: int, whole: Tensor) -> Tensor:
        """The increment over [start, middle] given that over [start, end]: the bridge's mean plus the node's noise."""
        state = np.random.SeedSequence(entropy=self._seed, spawn_key=(index, depth), pool_size=_POOL_SIZE)
        per_length = 1 / (end - start)
        deviation = math.sqrt((middle - start) * (end - middle) * per_length)
        return (middle - start) * whole * per_length + deviation * self._draw(int(state.generate_state(4)[0]))
