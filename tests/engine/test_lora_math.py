"""Each kind of LoRA file against plain float64 sums over indices."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sdcolab.engine.features.lora_math import Misfit, UnknownFormat, change_of, fitted, plain_factors

LINEAR = (6, 8)
CONV = (6, 8, 3, 3)
RANK = 2


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def check(tensors: dict[str, Tensor], weight: Tensor, expected: Tensor, dyn: int | None = None) -> None:
    """``expected`` is a float64 reference of the change."""
    change = change_of(tensors, weight, dyn)
    assert change.weight is not None and change.weight.dtype == torch.float32
    assert change.weight.shape == weight.shape
    assert torch.allclose(change.weight.double(), expected.reshape(weight.shape), rtol=1e-4, atol=1e-5)


def test_lora_linear_with_alpha() -> None:
    up, down = draw(6, RANK), draw(RANK, 8)
    expected = torch.zeros(LINEAR, dtype=torch.float64)
    for i, j, r in itertools.product(range(6), range(8), range(RANK)):
        expected[i, j] += up[i, r].double() * down[r, j].double() * 0.5
    check({"up": up, "down": down, "alpha": torch.tensor(1.0)}, draw(*LINEAR), expected)
    # No alpha: whole. "scale" wins over alpha.
    check({"up": up, "down": down}, draw(*LINEAR), expected * 2)
    check({"up": up, "down": down, "alpha": torch.tensor(1.0), "scale": torch.tensor(3.0)}, draw(*LINEAR), expected * 6)


def test_dyn_cuts_the_rank_but_not_the_scale() -> None:
    up, down = draw(6, 4), draw(4, 8)
    first = up[:, :1].double() @ down[:1].double()
    check({"up": up, "down": down, "alpha": torch.tensor(2.0)}, draw(*LINEAR), first * 0.5, dyn=1)
    check({"up": up, "down": down}, draw(*LINEAR), up.double() @ down.double(), dyn=9)


def test_locon() -> None:
    up, down = draw(6, RANK, 1, 1), draw(RANK, 8, 3, 3)
    expected = torch.einsum("ir,rjkl->ijkl", up[:, :, 0, 0].double(), down.double())
    check({"up": up, "down": down}, draw(*CONV), expected)


def test_one_by_one_convolutions_are_linear_layers() -> None:
    up, down = draw(6, RANK), draw(RANK, 8)
    expected = up.double() @ down.double()
    check({"up": up[..., None, None], "down": down[..., None, None]}, draw(*LINEAR), expected)
    check({"up": up, "down": down}, draw(6, 8, 1, 1), expected)


@pytest.mark.parametrize(
    ("up", "down", "shape"),
    [
        ((6, 4), (4, 8), LINEAR),
        ((6, 4, 1, 1), (4, 8, 1, 1), LINEAR),
        ((6, 4), (4, 8), (6, 8, 1, 1)),
        ((6, 4, 1, 1), (4, 8, 3, 3), CONV),
    ],
)
@pytest.mark.parametrize("dyn", [None, 3])
def test_factors_of_plain_files(
    up: tuple[int, ...], down: tuple[int, ...], shape: tuple[int, ...], dyn: int | None
) -> None:
    tensors = {"up": draw(*up), "down": draw(*down), "alpha": torch.tensor(2.0)}
    weight = draw(*shape)
    factors = plain_factors(tensors, weight, dyn)
    assert factors is not None
    change = change_of(tensors, weight, dyn).weight
    assert change is not None and torch.allclose((factors[0] @ factors[1]).reshape(shape), change, atol=1e-5)


@pytest.mark.parametrize(
    ("tensors", "weight"),
    [
        ({"up": draw(6, 4), "down": draw(4, 9)}, draw(*LINEAR)),
        ({"up": draw(8, 4), "down": draw(4, 6)}, draw(*LINEAR)),
        ({"up": draw(6, 4), "down": draw(3, 8)}, draw(*LINEAR)),
        ({"up": draw(6, 4), "down": draw(4, 72)}, draw(*CONV)),
        ({"up": draw(6, 4), "down": draw(4, 4, 3, 3)}, draw(6, 9, 3, 3)),
        ({"up": draw(6, 4), "down": draw(4, 8), "dora_scale": draw(1, 8)}, draw(*LINEAR)),
        ({"up": draw(6, 4), "down": draw(4, 8), "bias": draw(*LINEAR)}, draw(*LINEAR)),
        ({"up": draw(6, 4), "mid": draw(4, 4, 3, 3), "down": draw(4, 8)}, draw(*CONV)),
        ({"diff": draw(*LINEAR)}, draw(*LINEAR)),
    ],
)
def test_other_files_have_no_factors(tensors: dict[str, Tensor], weight: Tensor) -> None:
    assert plain_factors(tensors, weight) is None


def test_tucker_core() -> None:
    up, mid, down = draw(6, RANK, 1, 1), draw(RANK, RANK, 3, 3), draw(RANK, 8, 1, 1)
    expected = torch.zeros(CONV, dtype=torch.float64)
    for n, m in itertools.product(range(RANK), range(RANK)):
        expected += torch.einsum("kl,i,j->ijkl", mid[n, m].double(), up[:, n, 0, 0].double(), down[m, :, 0, 0].double())
    check({"up": up, "mid": mid, "down": down, "alpha": torch.tensor(1.0)}, draw(*CONV), expected / RANK, dyn=1)


@pytest.mark.parametrize("shape", [LINEAR, CONV])
def test_loha(shape: tuple[int, ...]) -> None:
    columns = 8 if len(shape) == 2 else 72
    a1, b1, a2, b2 = draw(6, RANK), draw(RANK, columns), draw(6, RANK, seed=1), draw(RANK, columns, seed=1)
    tensors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "alpha": torch.tensor(4.0)}
    check(tensors, draw(*shape), (a1.double() @ b1.double()) * (a2.double() @ b2.double()) * 2)


def test_loha_with_one_core_and_with_a_kernel() -> None:
    """One product of plain matrices, whose second is a kernel in some files, and one with a core."""
    a1, b1 = draw(6, RANK), draw(RANK, 8, 3, 3)
    core, a2, b2 = draw(RANK, RANK, 3, 3), draw(RANK, 6), draw(RANK, 8)
    plain = torch.einsum("ir,rjkl->ijkl", a1.double(), b1.double())
    cored = torch.einsum("rskl,ri,sj->ijkl", core.double(), a2.double(), b2.double())
    first = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "hada_t2": core}
    check(first | {"alpha": torch.tensor(1.0)}, draw(*CONV), plain * cored / RANK)


def test_loha_with_cores() -> None:
    tensors = {
        name: draw(*shape, seed=seed)
        for seed in (1, 2)
        for name, shape in (
            (f"hada_t{seed}", (RANK, RANK, 3, 3)),
            (f"hada_w{seed}_a", (RANK, 6)),
            (f"hada_w{seed}_b", (RANK, 8)),
        )
    }
    factors = [
        torch.einsum(
            "ijkl,jr,ip->prkl",
            *(tensors[name].double() for name in (f"hada_t{seed}", f"hada_w{seed}_b", f"hada_w{seed}_a")),
        )
        for seed in (1, 2)
    ]
    check(tensors, draw(*CONV), factors[0] * factors[1])


@pytest.mark.parametrize("on_input", [False, True])
@pytest.mark.parametrize("shape", [LINEAR, CONV])
def test_ia3(on_input: bool, shape: tuple[int, ...]) -> None:
    factors, weight = draw(8 if on_input else 6), draw(*shape)
    sides = [1, -1] if on_input else [-1, 1]
    expected = weight.double() * factors.double().reshape(*sides, *[1] * (len(shape) - 2))
    check({"weight": factors, "on_input": torch.tensor(on_input)}, weight, expected)


def kron(w1: Tensor, w2: Tensor) -> Tensor:
    """[a, b] x [c, d, ...] -> [a * c, b * d, ...]."""
    product = torch.einsum("ab,cd...->acbd...", w1.double(), w2.double())
    return product.reshape(w1.shape[0] * w2.shape[0], w1.shape[1] * w2.shape[1], *w2.shape[2:])


def test_lokr_whole_has_no_scale_by_rank() -> None:
    w1, w2 = draw(2, 2), draw(3, 4)
    check({"lokr_w1": w1, "lokr_w2": w2, "alpha": torch.tensor(7.0)}, draw(*LINEAR), kron(w1, w2))
    w2 = draw(3, 4, 3, 3)
    check({"lokr_w1": w1, "lokr_w2": w2}, draw(*CONV), kron(w1, w2))


def test_lokr_of_products() -> None:
    a1, b1, a2, b2 = draw(2, 1), draw(1, 2), draw(3, RANK), draw(RANK, 4)
    w1, w2 = a1.double() @ b1.double(), a2.double() @ b2.double()
    alpha = {"alpha": torch.tensor(1.0)}
    all_products = {"lokr_w1_a": a1, "lokr_w1_b": b1, "lokr_w2_a": a2, "lokr_w2_b": b2}
    check(all_products | alpha, draw(*LINEAR), kron(w1, w2) / RANK)
    check({"lokr_w1": w1.float(), "lokr_w2_a": a2, "lokr_w2_b": b2}, draw(*LINEAR), kron(w1, w2))
    check({"lokr_w1_a": a1, "lokr_w1_b": b1, "lokr_w2": w2.float()} | alpha, draw(*LINEAR), kron(w1, w2))
    b2 = draw(RANK, 36)
    expected = kron(w1, (a2.double() @ b2.double()).reshape(3, 4, 3, 3))
    check({"lokr_w1": w1.float(), "lokr_w2_a": a2, "lokr_w2_b": b2}, draw(*CONV), expected)
    core, left, right = draw(RANK, RANK, 3, 3), draw(RANK, 3), draw(RANK, 4)
    expected = kron(w1, torch.einsum("rskl,ra,sb->abkl", core.double(), left.double(), right.double()))
    check({"lokr_w1": w1.float(), "lokr_t2": core, "lokr_w2_a": left, "lokr_w2_b": right}, draw(*CONV), expected)


def test_full_and_norm() -> None:
    diff, bias = draw(*CONV), draw(6)
    change = change_of({"diff": diff, "diff_b": bias, "alpha": torch.tensor(3.0)}, draw(*CONV))
    assert torch.equal(change.weight, diff) and torch.equal(change.bias, bias)
    change = change_of({"w_norm": draw(6), "b_norm": bias}, draw(6))
    assert torch.equal(change.weight, draw(6)) and torch.equal(change.bias, bias)
    assert change_of({"diff_b": bias}, draw(*CONV)).weight is None


def test_glora() -> None:
    tensors = {"a1": draw(RANK, 8), "a2": draw(8, RANK), "b1": draw(RANK, 8, seed=1), "b2": draw(6, RANK)}
    weight, (a1, a2, b1, b2) = draw(*LINEAR), (tensors[name].double() for name in ("a1", "a2", "b1", "b2"))
    expected = b2 @ b1 + weight.double() @ a2 @ a1
    check(tensors | {"alpha": torch.tensor(1.0)}, weight, expected)
    newer = {"a1": tensors["a2"], "a2": tensors["a1"], "b1": tensors["b2"], "b2": tensors["b1"]}
    check(newer | {"alpha": torch.tensor(1.0)}, weight, expected / RANK)


def cayley(blocks: Tensor) -> Tensor:
    skew = blocks.double() - blocks.double().transpose(-1, -2)
    identity = torch.eye(blocks.shape[-1], dtype=torch.float64)
    return (identity + skew) @ torch.linalg.inv(identity - skew)


@pytest.mark.parametrize("shape", [LINEAR, CONV])
def test_oft(shape: tuple[int, ...]) -> None:
    blocks, weight = draw(2, 3, 3) * 0.2, draw(*shape)
    turns = cayley(blocks)
    expected = torch.zeros(shape, dtype=torch.float64)
    for block, m, n in itertools.product(range(2), range(3), range(3)):
        expected[3 * block + m] += turns[block, n, m] * weight[3 * block + n].double()
    check({"oft_blocks": blocks}, weight, expected - weight.double())
    check({"oft_diag": turns.float()}, weight, expected - weight.double())
    rows = torch.rand(6, 1)
    rescaled = expected * rows.double().reshape(6, *[1] * (len(shape) - 1))
    check({"oft_blocks": blocks, "rescale": rows}, weight, rescaled - weight.double())


def test_oft_is_held_within_its_constraint() -> None:
    blocks, weight = draw(2, 3, 3), draw(*LINEAR)
    skew = blocks - blocks.transpose(1, 2)
    held = skew * (0.01 * 6 / skew.norm()) / 2  # blocks whose skew part is the clamped one
    expected = change_of({"oft_blocks": held}, weight).weight
    check({"oft_blocks": blocks, "alpha": torch.tensor(0.01)}, weight, expected.double())


def test_boft_of_one_factor_turns_blocks_of_shuffled_rows() -> None:
    blocks, weight = draw(1, 2, 4, 4) * 0.2, draw(8, 5)
    turns = cayley(blocks)[0]
    order = [0, 2, 1, 3, 4, 6, 5, 7]  # (2 groups, 2 halves, 2 rows) with the last two exchanged
    shuffled = weight.double()[order]
    turned = torch.cat([turns[0] @ shuffled[:4], turns[1] @ shuffled[4:]])
    expected = torch.empty_like(turned)
    expected[order] = turned
    check({"oft_blocks": blocks}, weight, expected - weight.double())


def test_boft_of_several_factors() -> None:
    """Liu et al. 2023, section 4: W' = B_m ... B_1 W with B_i = P_i^T blockdiag(R_i) P_i. P_i brings the rows that are
    ``stride`` apart next to each other, stride = 2^(i-1) * half a block.
    """
    rows, size, factors = 16, 4, 3
    blocks, weight = draw(factors, rows // size, size, size) * 0.2, draw(rows, 5)
    whole = torch.eye(rows, dtype=torch.float64)
    for level in range(factors):
        stride = 2**level * (size // 2)
        order = [
            group * 2 * stride + half * stride + index
            for group in range(rows // (2 * stride))
            for index in range(stride)
            for half in range(2)
        ]
        shuffle = torch.zeros(rows, rows, dtype=torch.float64)
        for place, row in enumerate(order):
            shuffle[place, row] = 1.0
        whole = shuffle.T @ torch.block_diag(*cayley(blocks[level])) @ shuffle @ whole
    assert torch.allclose(whole @ whole.T, torch.eye(rows, dtype=torch.float64), atol=1e-6)  # a rotation
    check({"oft_blocks": blocks}, weight, whole @ weight.double() - weight.double())


def test_boft_keeps_lengths() -> None:
    weight = draw(8, 5)
    change = change_of({"oft_blocks": draw(2, 2, 4, 4)}, weight).weight
    assert torch.allclose((weight + change).norm(dim=0), weight.norm(dim=0), rtol=1e-4)


@pytest.mark.parametrize("shape", [LINEAR, CONV])
def test_dora_sets_the_norm_of_input_channels(shape: tuple[int, ...]) -> None:
    up, down, weight = draw(6, RANK), draw(RANK, *shape[1:]), draw(*shape)
    magnitude = torch.rand(1, 8, *[1] * (len(shape) - 2)) + 0.5
    whole = weight.double() + torch.einsum("ir,r...->i...", up.double(), down.double()) * 0.5
    norm = whole.transpose(0, 1).reshape(8, -1).norm(dim=1)
    expected = whole * (magnitude.double() / norm.reshape(magnitude.shape)) - weight.double()
    check({"up": up, "down": down, "alpha": torch.tensor(1.0), "dora_scale": magnitude}, weight, expected)


def test_dora_by_output_channel() -> None:
    up, down, weight, magnitude = draw(6, RANK), draw(RANK, 8), draw(*LINEAR), torch.rand(6) + 0.5
    whole = weight.double() + up.double() @ down.double()
    expected = whole / whole.norm(dim=1, keepdim=True) * magnitude.double()[:, None] - weight.double()
    for shape in ((6,), (6, 1)):
        check({"up": up, "down": down, "dora_scale": magnitude.reshape(shape)}, weight, expected)


def test_extra_bias_is_scaled_too() -> None:
    up, down, extra = draw(6, RANK), draw(RANK, 8), draw(*LINEAR)
    expected = (up.double() @ down.double() + extra.double()) * 0.5
    check({"up": up, "down": down, "bias": extra, "alpha": torch.tensor(1.0)}, draw(*LINEAR), expected)


def test_inpainting_input_gets_zeros() -> None:
    change = draw(6, 4, 3, 3)
    wide = fitted(change, draw(6, 9, 3, 3))
    assert torch.equal(wide[:, :4], change) and not wide[:, 4:].any()


def test_what_cannot_be_used() -> None:
    with pytest.raises(UnknownFormat):
        change_of({"alpha": torch.tensor(1.0)}, draw(*LINEAR))
    with pytest.raises(Misfit):
        change_of({"up": draw(6, RANK), "down": draw(RANK, 9)}, draw(*LINEAR))
    with pytest.raises(Misfit):  # as many numbers, other sides
        change_of({"up": draw(8, RANK), "down": draw(RANK, 6)}, draw(*LINEAR))
