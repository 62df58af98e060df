"""What kind of network is trained, with which ranks and rates: the part of a plan that ``network_args`` holds. No
torch.

Names of arguments: sd-scripts' ``networks.lora`` and LyCORIS' ``lycoris.kohya`` (hechos/extensiones.md 11, "LoRA net").
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdcolab.core.checks import check_range
from sdcolab.core.errors import FieldNotNumber, FieldNotOption, PlanOptionUnknown
from sdcolab.core.registry import closest

KOHYA_MODULE = "networks.lora"
LYCORIS_MODULE = "lycoris.kohya"

MAX_DIM = 1024


class Algorithm(StrEnum):
    """How the change of a layer's weight is written."""

    LORA = "lora"
    """up @ down (Hu et al. 2021, arXiv:2106.09685); with ``conv_dim`` also convolutions, which is called LoCon."""
    LOHA = "loha"
    """Hadamard product of two such products (Hyeon-Woo et al. 2022, arXiv:2108.06098)."""
    LOKR = "lokr"
    """Kronecker product (Yeh et al. 2023, arXiv:2309.14859)."""


@dataclass(frozen=True, slots=True)
class BlockRules:
    """Ranks, alphas and learning rate factors by block of the UNet; empty: the same everywhere."""

    dims: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    conv_dims: tuple[int, ...] = ()
    conv_alphas: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """A network to train. ``alpha`` None or 0 means the rank, so that the change is not scaled."""

    algorithm: Algorithm = Algorithm.LORA
    dim: int = 4
    alpha: float | None = 1.0
    conv_dim: int | None = None
    conv_alpha: float | None = None
    dora: bool = False
    """Norm and direction of each weight apart (Liu et al. 2024, arXiv:2402.09353)."""
    factor: int = -1
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    up_ratio_unet: float = 1.0
    """LoRA+ (Hayou et al. 2024, arXiv:2402.12354): the up matrices learn this many times faster."""
    up_ratio_text: float = 1.0
    blocks: BlockRules = BlockRules()

    def __post_init__(self) -> None:
        check_range("network_dim", self.dim, 1, MAX_DIM)
        for name in ("dropout", "rank_dropout", "module_dropout"):
            check_range(name, getattr(self, name), 0, 1)

    @property
    def module(self) -> str:
        """Name of the module that other trainers make the same network with (``ss_network_module``)."""
        return KOHYA_MODULE if self.algorithm is Algorithm.LORA and not self.dora else LYCORIS_MODULE


_ALGORITHMS = {"lora": Algorithm.LORA, "locon": Algorithm.LORA, "loha": Algorithm.LOHA, "lokr": Algorithm.LOKR}


def network_rules(
    dim: int | None, alpha: float | None, arguments: Mapping[str, str], *, dropout: float | None, sdxl: bool
) -> NetworkRules:
    """The network of a plan. ``arguments`` are its ``network_args``.

    Raises ``PlanOptionUnknown``, ``FieldNotOption``, ``FieldNotNumber`` or ``FieldOutOfRange``.
    """
    known = _Arguments(arguments)
    algorithm = known.text("algo", "lora").lower()
    if algorithm not in _ALGORITHMS:
        raise FieldNotOption(field="algo", value=algorithm, suggestions=tuple(_ALGORITHMS))
    plus = known.number("loraplus_lr_ratio", 1.0)
    conv_dim = known.number("conv_dim", None)
    rules = NetworkRules(
        algorithm=_ALGORITHMS[algorithm],
        dim=dim or 4,
        alpha=alpha,
        conv_dim=None if conv_dim is None else int(conv_dim),
        conv_alpha=known.number("conv_alpha", 1.0),
        dora=known.flag("dora_wd") or known.flag("dora"),
        factor=int(known.number("factor", -1) or -1),
        dropout=dropout or 0.0,
        rank_dropout=known.number("rank_dropout", 0.0) or 0.0,
        module_dropout=known.number("module_dropout", 0.0) or 0.0,
        up_ratio_unet=known.number("loraplus_unet_lr_ratio", plus) or 1.0,
        up_ratio_text=known.number("loraplus_text_encoder_lr_ratio", plus) or 1.0,
        blocks=BlockRules(
            dims=tuple(int(value) for value in known.numbers("block_dims")),
            alphas=known.numbers("block_alphas"),
            conv_dims=tuple(int(value) for value in known.numbers("conv_block_dims")),
            conv_alphas=known.numbers("conv_block_alphas"),
            rates=block_rates(known, sdxl=sdxl),
        ),
    )
    known.refuse_others()
    return rules


class _Arguments:
    """Arguments that remember which of them were asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._known: set[str] = set()

    def text(self, name: str, default: str) -> str:
        self._known.add(name)
        return str(self._given.get(name, default)).strip()

    def has(self, name: str) -> bool:
        return bool(self.text(name, ""))

    def flag(self, name: str) -> bool:
        return self.text(name, "false").lower() in ("true", "1", "yes")

    def number(self, name: str, default: float | None) -> float | None:
        text = self.text(name, "")
        return _number(name, text) if text else default

    def numbers(self, name: str) -> tuple[float, ...]:
        text = self.text(name, "")
        return tuple(_number(name, part) for part in text.split(",")) if text else ()

    def refuse_others(self) -> None:
        for name in self._given:
            if name not in self._known:
                raise PlanOptionUnknown(name=f"network_args: {name}", suggestions=closest(name, sorted(self._known)))


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise FieldNotNumber(field=name, value=text) from None
    if not math.isfinite(value):
        raise FieldNotNumber(field=name, value=text)
    return value


# --- Blocks of the UNet -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockCounts:
    """Blocks of a UNet's sides and of its middle, and whether its two ends count as blocks."""

    side: int
    middle: int
    ends: bool

    @property
    def total(self) -> int:
        """How many values describe a UNet."""
        return 2 * self.side + self.middle + 2 * self.ends


SD1_BLOCKS = BlockCounts(12, 1, ends=False)
SDXL_BLOCKS = BlockCounts(9, 3, ends=True)


def _sine(count: int) -> list[float]:
    return [math.sin(math.pi * index / (count - 1) / 2) for index in range(count)]


def _linear(count: int) -> list[float]:
    return [index / (count - 1) for index in range(count)]


_SHAPES: Mapping[str, Callable[[int], list[float]]] = {
    "sine": _sine,
    "cosine": lambda count: _sine(count)[::-1],
    "linear": _linear,
    "reverse_linear": lambda count: _linear(count)[::-1],
    "zeros": lambda count: [0.0] * count,
}
"""Curves over the blocks that can be named; "+0.25" after the name lifts them."""


def block_rates(arguments: _Arguments | Mapping[str, str], *, sdxl: bool) -> tuple[float, ...]:
    """Factor of the learning rate in each block, from ``down_lr_weight``, ``mid_lr_weight`` and ``up_lr_weight``;
    empty where none is given. Factors up to ``block_lr_zero_threshold`` are zero: such blocks get no network.
    """
    known = arguments if isinstance(arguments, _Arguments) else _Arguments(arguments)
    limit = known.number("block_lr_zero_threshold", 0.0) or 0.0
    names = ("down_lr_weight", "mid_lr_weight", "up_lr_weight")
    given = [known.has(name) for name in names]  # all are asked for, so that none counts as unknown
    if not any(given):
        return ()
    counts = SDXL_BLOCKS if sdxl else SD1_BLOCKS
    rates: list[float] = []
    for name, count in zip(names, (counts.side, counts.middle, counts.side), strict=True):
        values = _curve(name, known.text(name, ""), counts.side)[:count]
        rates += [value if value > limit else 0.0 for value in [*values, *[1.0] * (count - len(values))]]
    return (1.0, *rates, 1.0) if counts.ends else tuple(rates)


def _curve(name: str, text: str, count: int) -> list[float]:
    if not text:
        return []
    shape, _, lift = text.partition("+")
    if shape in _SHAPES:
        return [value + (_number(name, lift) if lift else 0.0) for value in _SHAPES[shape](count)]
    return [_number(name, part) for part in text.split(",")]


_PART = re.compile(r"(down|up)_blocks_(\d+)_(resnets|attentions|upsamplers|downsamplers)_(\d+)_")
_COMPVIS = re.compile(r"(input_blocks|middle_block|output_blocks)_(\d+)_")


def block_of(layer: str, *, sdxl: bool) -> int:
    """Which of a UNet's blocks the layer key belongs to; 0 for those in none."""
    if sdxl:
        match = _COMPVIS.search(layer)
        if match:
            first = {"input_blocks": 1, "middle_block": 10, "output_blocks": 13}[match[1]]
            return first + int(match[2])
        return SDXL_BLOCKS.total - 1 if "_unet_out_" in layer else 0
    match = _PART.search(layer)
    if match is None:
        return SD1_BLOCKS.side if "mid_block_" in layer else 0
    side, level, kind, index = match[1], int(match[2]), match[3], int(match[4])
    position = 3 * level + (2 if kind.endswith("samplers") else index)
    return position + (1 if side == "down" else SD1_BLOCKS.side + 1)


def by_block(values: Sequence[Any], block: int, default: Any) -> Any:
    """The block's own value, or the common one."""
    return values[block] if values and block < len(values) else default
