"""What each kind of LoRA file adds to a layer: pure functions over tensors, in float32.

``W`` is the layer's weight [out, in] or [out, in, kh, kw]; every formula gives a change of W of the same size. Sources:
LoRA, Hu et al. 2021 (arXiv:2106.09685); LoHa and LoKr, Yeh et al. 2023 (arXiv:2309.14859), after FedPara (2108.06098);
IA3, Liu et al. 2022 (2205.05638); OFT, Qiu et al. 2023 (2306.07280); BOFT, Liu et al. 2023 (2311.06243); DoRA, Liu et
al. 2024 (2402.09353); GLoRA, Chavan et al. 2023 (2306.07967); which tensors and scales, hechos/a1111.md 10.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sdcolab.engine.beside import Beside

LayerTensors = Mapping[str, Tensor]
"""One layer's float32 tensors by our names (``lora_names``)."""


class UnknownFormat(ValueError):
    """The layer's tensors belong to no known kind of file."""


class Misfit(ValueError):
    """The change does not have the weight's size."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A change before its scale. ``rank`` is what ``alpha`` is divided by; None: no scale by rank."""

    weight: Tensor | None
    rank: int | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a layer's weight and bias get added, both times the multiplier. None: nothing."""

    weight: Tensor | None
    bias: Tensor | None


def change_of(tensors: LayerTensors, weight: Tensor, dyn: int | None = None) -> Change:
    """The change of ``weight`` (float32, as it is now) that a layer of a file asks for.

    ``dyn`` keeps the first rows of the rank of plain LoRAs; the scale stays that of the whole rank. Raises
    ``UnknownFormat`` or ``Misfit``.
    """
    tensors = _cut(tensors, dyn)
    formula = next((formula for needed, formula in FORMATS if needed <= tensors.keys()), None)
    if formula is None:
        raise UnknownFormat(", ".join(sorted(tensors)))
    raw = formula(tensors, weight)
    if raw.weight is None:
        return Change(None, raw.bias)
    change = raw.weight
    if "bias" in tensors:
        if tensors["bias"].numel() != change.numel():
            raise Misfit("bias")
        change = change + tensors["bias"].reshape(change.shape)
    change = fitted(change * _scale(tensors, raw.rank), weight)
    if "dora_scale" in tensors:
        change = _dora(change, weight, tensors["dora_scale"])
    return Change(change, raw.bias)


def plain_factors(tensors: LayerTensors, weight: Tensor, dyn: int | None = None) -> tuple[Tensor, Tensor] | None:
    """up [out, r] with the scale in it and down [r, in * kh * kw], whose product is the whole change that ``change_of``
    would give; None where the layer is anything but a plain LoRA of the weight's size.
    """
    if not {"up", "down"} <= tensors.keys() <= {"up", "down", "alpha", "scale"}:
        return None
    tensors = _cut(tensors, dyn)
    up, down = _flat(tensors["up"]), tensors["down"]
    columns = _flat(down)
    fits = up.shape[1] == columns.shape[0] and down.shape[1:2] == weight.shape[1:2]
    if not fits or up.shape[0] * columns.shape[1] != weight.numel() or up.shape[0] != weight.shape[0]:
        return None
    return up * _scale(tensors, columns.shape[0]), columns


_LATENT = 4
_READING_MORE = frozenset(_LATENT + kind.channels(_LATENT) for kind in Beside) - {_LATENT}


def fitted(change: Tensor, weight: Tensor) -> Tensor:
    """``change`` in the weight's shape: 1x1 convolutions and linear layers are the same; the input channels that
    models read beside the latents (``engine.beside``) get zeros after the 4 of a plain one.

    Raises ``Misfit``.
    """
    if change.dim() == 4 and weight.dim() == 4 and change.shape[1] == _LATENT and weight.shape[1] in _READING_MORE:
        more = weight.shape[1] - _LATENT
        change = torch.cat([change, change.new_zeros(change.shape[0], more, *change.shape[2:])], dim=1)
    sides, wanted = list(change.shape), list(weight.shape)
    if change.numel() != weight.numel() or sides[:2] != wanted[:2]:
        raise Misfit(f"{sides} {wanted}")
    return change.reshape(weight.shape)


def _cut(tensors: LayerTensors, dyn: int | None) -> LayerTensors:
    """A plain LoRA with the first ``dyn`` of its rank and the scale of the whole; others, and those with a core, as
    they are.
    """
    if dyn is None or "mid" in tensors or not {"up", "down"} <= tensors.keys():
        return tensors
    up, down = tensors["up"], tensors["down"]
    return {**tensors, "up": up[:, :dyn], "down": down[:dyn], "scale": torch.tensor(_scale(tensors, down.shape[0]))}


def _scale(tensors: LayerTensors, rank: int | None) -> float:
    if "scale" in tensors:
        return float(tensors["scale"])
    return float(tensors["alpha"]) / rank if "alpha" in tensors and rank else 1.0


def _flat(matrix: Tensor) -> Tensor:
    return matrix.reshape(matrix.shape[0], -1)


# --- Formulas ---------------------------------------------------------------------------------------------------------


def _lora(tensors: LayerTensors, _weight: Tensor) -> Raw:
    """up [out, r] down [r, in * kh * kw]; with a core ``mid`` [r, r, kh, kw] (Tucker) the kernel is the core's."""
    up, down = _flat(tensors["up"]), tensors["down"]
    rank = down.shape[0]
    if "mid" in tensors:
        return Raw(torch.einsum("nmkl,in,mj->ijkl", tensors["mid"], up, _flat(down)), rank)
    product = up @ _flat(down)
    return Raw(product.reshape(up.shape[0], *down.shape[1:]), rank)


def _core(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """core [r, s, kh, kw], left [r, a], right [s, b] -> [a, b, kh, kw]."""
    return torch.einsum("rskl,ra,sb->abkl", core, _flat(left), _flat(right))


def _loha(tensors: LayerTensors, weight: Tensor) -> Raw:
    """(w1a w1b) times (w2a w2b), element by element; each may have a core."""

    def factor(number: int) -> Tensor:
        left, right = tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]
        core = tensors.get(f"hada_t{number}")
        return _like(_flat(left) @ _flat(right) if core is None else _core(core, left, right), weight)

    return Raw(factor(1) * factor(2), tensors["hada_w1_b"].shape[0])


def _ia3(tensors: LayerTensors, weight: Tensor) -> Raw:
    """Every output row of W (or input column, ``on_input``) times its number."""
    factors = tensors["weight"].flatten()
    axis = 1 if bool(tensors["on_input"].any()) else 0
    if factors.numel() != weight.shape[axis]:
        raise Misfit(f"{factors.numel()} {weight.shape[axis]}")
    sides = [1] * weight.dim()
    sides[axis] = -1
    return Raw(weight * factors.reshape(sides))


def _lokr(tensors: LayerTensors, weight: Tensor) -> Raw:
    """Kronecker product of w1 and w2, each whole or a product; w2 may have a core or be a kernel [., ., kh, kw]."""
    w1 = tensors["lokr_w1"] if "lokr_w1" in tensors else tensors["lokr_w1_a"] @ tensors["lokr_w1_b"]
    if "lokr_w2" in tensors:
        w2 = tensors["lokr_w2"]
    elif "lokr_t2" in tensors:
        w2 = _core(tensors["lokr_t2"], tensors["lokr_w2_a"], tensors["lokr_w2_b"])
    else:
        w2 = tensors["lokr_w2_a"] @ tensors["lokr_w2_b"]
    ranked = tensors.get("lokr_w2_b", tensors.get("lokr_w1_b"))
    w1 = w1.reshape(*w1.shape, *[1] * (w2.dim() - w1.dim()))
    return Raw(_like(torch.kron(w1.contiguous(), w2.contiguous()), weight), None if ranked is None else ranked.shape[0])


def _full(tensors: LayerTensors, _weight: Tensor) -> Raw:
    return Raw(tensors.get("diff"), bias=tensors.get("diff_b"))


def _norm(tensors: LayerTensors, _weight: Tensor) -> Raw:
    return Raw(tensors["w_norm"], bias=tensors.get("b_norm"))


def _glora(tensors: LayerTensors, weight: Tensor) -> Raw:
    """b2 b1 + (W a2) a1, without a scale by rank. LyCORIS 2 and later exchange 1 and 2, and scale."""
    a1, a2, b1, b2 = (_flat(tensors[name]) for name in ("a1", "a2", "b1", "b2"))
    rank = None
    if a1.shape[0] == weight.shape[1] != a1.shape[1]:
        a1, a2, b1, b2, rank = a2, a1, b2, b1, a1.shape[1]
    mixed = torch.einsum("oi...,ir,rj->oj...", weight, a2, a1)
    return Raw(_like(b2 @ b1, weight) + mixed, rank)


def _oft(tensors: LayerTensors, weight: Tensor) -> Raw:
    """Blocks of output rows turned by orthogonal matrices, made from skew ones by Cayley's transform.

    ``oft_diag`` (old files) holds the orthogonal matrices themselves. Four-dimensional blocks [m, n, b, b] are BOFT: m
    turns one after another, between which rows are shuffled like a butterfly.
    """
    if "oft_diag" in tensors:
        turns = tensors["oft_diag"]
    else:
        turns = _cayley(_clamped(tensors["oft_blocks"], tensors.get("alpha"), weight.shape[0]))
    if turns.shape[-3] * turns.shape[-1] != weight.shape[0]:
        raise Misfit(f"{tuple(turns.shape)} {tuple(weight.shape)}")
    turned = weight
    if turns.dim() == 4:
        for level, blocks in enumerate(turns):
            stride = 2**level * (blocks.shape[-1] // 2)
            turned = _shuffled(turned, stride)
            turned = torch.einsum("bij,bj...->bi...", blocks, _blocks(turned, blocks)).reshape(weight.shape)
            turned = _unshuffled(turned, stride)
    else:
        turned = torch.einsum("knm,kn...->km...", turns, _blocks(weight, turns)).reshape(weight.shape)
    if "rescale" in tensors:
        turned = turned * tensors["rescale"].reshape(-1, *[1] * (weight.dim() - 1))
    return Raw(turned - weight)


def _clamped(blocks: Tensor, alpha: Tensor | None, out: int) -> Tensor:
    """Skew matrices B - Bᵀ, shrunk together to a norm of at most alpha * out."""
    skew = blocks - blocks.transpose(-1, -2)
    if alpha is None or float(alpha) <= 0:
        return skew
    norm = skew.norm() + 1e-8
    return skew * (norm.clamp(max=float(alpha) * out + 1e-8) / norm)


def _cayley(skew: Tensor) -> Tensor:
    identity = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def _blocks(weight: Tensor, turns: Tensor) -> Tensor:
    return weight.reshape(turns.shape[-3], turns.shape[-1], *weight.shape[1:])


def _shuffled(rows: Tensor, stride: int) -> Tensor:
    """Rows (c, 2, stride) in the order (c, stride, 2)."""
    return rows.reshape(-1, 2, stride, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _unshuffled(rows: Tensor, stride: int) -> Tensor:
    return rows.reshape(-1, stride, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _dora(change: Tensor, weight: Tensor, magnitude: Tensor) -> Tensor:
    """(W + change) with the norm of each input channel set to ``magnitude`` [1, in, ...], minus W. A magnitude a row
    ([out] or [out, 1, ...], as peft and newer LyCORIS write) sets the norm of each output channel.
    """
    whole = weight + change
    kept = 0 if magnitude.shape[0] == magnitude.numel() == weight.shape[0] else 1
    if magnitude.numel() != weight.shape[kept]:
        raise Misfit(f"{tuple(magnitude.shape)} {tuple(weight.shape)}")
    sides = [1] * weight.dim()
    sides[kept] = -1
    others = [axis for axis in range(weight.dim()) if axis != kept]
    norm = torch.linalg.vector_norm(whole, dim=others, keepdim=True)
    return whole * (magnitude.reshape(sides) / norm) - weight


def _like(product: Tensor, weight: Tensor) -> Tensor:
    """A product whose kernel may be folded into its columns, in the weight's shape. Raises ``Misfit``."""
    if product.numel() != weight.numel() or product.shape[0] != weight.shape[0]:
        raise Misfit(f"{tuple(product.shape)} {tuple(weight.shape)}")
    return product.reshape(weight.shape)


def _lokr_factors(number: int) -> tuple[tuple[str, ...], ...]:
    """Names of a factor that is whole, and of one that is a product."""
    return (f"lokr_w{number}",), (f"lokr_w{number}_a", f"lokr_w{number}_b")


Formula = Callable[[LayerTensors, Tensor], Raw]

FORMATS: tuple[tuple[frozenset[str], Formula], ...] = (
    (frozenset({"up", "down"}), _lora),
    (frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}), _loha),
    (frozenset({"weight", "on_input"}), _ia3),
    *((frozenset({*w1, *w2}), _lokr) for w1 in _lokr_factors(1) for w2 in _lokr_factors(2)),
    (frozenset({"diff"}), _full),
    (frozenset({"diff_b"}), _full),
    (frozenset({"w_norm"}), _norm),
    (frozenset({"a1", "a2", "b1", "b2"}), _glora),
    (frozenset({"oft_blocks"}), _oft),
    (frozenset({"oft_diag"}), _oft),
)
"""The tensors that tell a kind of file, and its formula; the first that matches wins."""
