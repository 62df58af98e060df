"""Merges and conversions, tensor by tensor, against those of the programs that people know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from sdcolab.core.errors import (
    BlockWeightsWrong,
    DiscardPatternWrong,
    MergeNeedsModel,
    MergeShapes,
    MergeUnlike,
    SdcolabError,
    SpecialModelFirst,
)
from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.workshop import (
    BLOCK_PRESETS,
    Convert,
    Extract,
    Merge,
    MergeMethod,
    PartAction,
    Precision,
    Pruning,
    block_multipliers,
)
from sdcolab.workshop.converting import converted, with_vae
from sdcolab.workshop.extracting import extracted
from sdcolab.workshop.merging import Merged, dare, merged, ties
from sdcolab.workshop.metadata import Ingredient, merge_metadata
from sdcolab.workshop.model import Model, open_model
from sdcolab.workshop.writing import write_safetensors

DATA = Path(__file__).parents[1] / "data" / "referencia" / "taller"
MERGES: Any = json.loads((DATA / "merge.json").read_text(encoding="utf-8"))
CONVERSIONS: Any = json.loads((DATA / "model_converter.json").read_text(encoding="utf-8"))
DTYPES = {
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f64": torch.float64,
    "i64": torch.int64,
    "i32": torch.int32,
    "f8e4m3": torch.float8_e4m3fn,
    "f8e5m2": torch.float8_e5m2,
}
METHODS = {"Weighted sum": 2, "Add difference": 3, "No interpolation": 1}


def tensor(raw: Mapping[str, Any]) -> Tensor:
    return torch.tensor(raw["data"], dtype=torch.float64).to(DTYPES[raw["dtype"]]).reshape(raw["shape"])


def model(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Model:
    return Model(
        Path("m.safetensors"), {n: t.to("meta") for n, t in tensors.items()}, dict(tensors).__getitem__, metadata or {}
    )


def recorded(raw: Mapping[str, Any]) -> Model:
    return model({name: tensor(one) for name, one in raw.items()})


def made(result: Model) -> dict[str, Tensor]:
    """Every tensor, which must be what the outline promised."""
    found = {name: result.get(name) for name in result.outline}
    for name, one in found.items():
        assert (one.dtype, one.shape) == (result.outline[name].dtype, result.outline[name].shape), name
    return found


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, one in wanted.items():
        assert found[name].dtype == one.dtype, name
        assert torch.equal(found[name].double(), one.double()), name  # bit by bit: the same operations


def request(inputs: Mapping[str, Any]) -> Merge:
    return Merge(
        primary=inputs["primary"],
        secondary=inputs["secondary"] or "",
        tertiary=inputs["tertiary"] or "",
        method=MergeMethod(inputs["interp_method"]),
        multiplier=inputs["multiplier"],
        half=inputs["save_as_half"],
        name=inputs["custom_name"],
        vae=inputs["bake_in_vae"].replace("None", ""),
        discard=inputs["discard_weights"],
        save_metadata=inputs["save_metadata"],
        add_recipe=inputs["add_merge_recipe"],
        copy_metadata=inputs["copy_metadata_fields"],
        metadata_json=inputs["metadata_json"],
    )


def merge_case(case: Mapping[str, Any]) -> tuple[Merge, Merged, list[str]]:
    wanted = request(case["inputs"])
    names = [case["inputs"][letter] for letter in ("primary", "secondary", "tertiary")][: METHODS[wanted.method.value]]
    a, *others = [recorded(MERGES["models"][name]) for name in names if name]
    result = merged(wanted, a, *others)
    if wanted.vae == "v.safetensors":
        vae = {name: one for name, one in MERGES["vae"].items() if not name.startswith("loss")}
        result = Merged(with_vae(result.model, recorded(vae), wanted.half), result.special)
    return wanted, result, names


ERRORS = {
    "pix2pix_B_error": SpecialModelFirst,
    "shape_mismatch": MergeShapes,
    "no_secondary": MergeNeedsModel,
    "discard_bad_regex": DiscardPatternWrong,
}


@pytest.mark.parametrize("case", MERGES["cases"], ids=lambda case: case["name"])
def test_merges_are_a1111_s_bit_by_bit(case: Mapping[str, Any]) -> None:
    if case["name"] in ERRORS:
        with pytest.raises(ERRORS[case["name"]]):
            merge_case(case)
        return
    wanted, result, names = merge_case(case)
    wanted_tensors = {name: tensor(one) for name, one in case["result"].items()}
    assert_same(made(result.model), wanted_tensors)
    assert f"{wanted.file_stem(names, result.suffix)}.safetensors" == case["filename"]


@pytest.mark.parametrize("case", [c for c in MERGES["cases"] if c["name"] not in ERRORS], ids=lambda c: c["name"])
def test_metadata_are_a1111_s(case: Mapping[str, Any]) -> None:
    wanted, result, names = merge_case(case)
    ingredients = [
        Ingredient(f"{n}.safetensors", f"<sha256 of {n}>", "e3b0c442", MERGES["model_metadata"].get(n) or {})
        for n in names
    ]
    warnings: list[SdcolabError] = []
    found: dict[str, Any] = merge_metadata(wanted, ingredients, result.special, warnings.append)
    for name in ("sd_merge_recipe", "sd_merge_models"):
        if name in found:
            found[name] = json.loads(found[name])
    if "sd_merge_recipe" in found:  # recorded without hashes: that program's cache was empty
        assert [v for n, v in found["sd_merge_recipe"].items() if n.endswith("_hash")][: len(names)] == [
            f"<sha256 of {n}>" for n in names
        ]
        found["sd_merge_recipe"] |= dict.fromkeys(("primary_model_hash", "secondary_model_hash", "tertiary_model_hash"))
    assert found == (case["metadata"] or {})
    assert len(warnings) == len(case.get("logged_errors", ()))


FILES = sorted(path.stem for path in (DATA / "merger").glob("*.json"))


@pytest.mark.parametrize("name", FILES)
def test_merged_files(name: str, tmp_path: Path) -> None:
    payload = json.loads((DATA / "merger" / f"{name}.json").read_text(encoding="utf-8"))["payload"]
    wanted = request(payload)
    paths = [DATA / "merger" / f"{payload[x]}.safetensors" for x in ("primary", "secondary", "tertiary") if payload[x]]
    with ExitStack() as stack, (tmp_path / "out.safetensors").open("wb") as file:
        result = merged(wanted, *(stack.enter_context(open_model(path)) for path in paths))
        write_safetensors(file, result.model, {"a": "ñ"}, ignore_events, CancelToken())
    assert_same(load_file(tmp_path / "out.safetensors"), load_file(DATA / "merger" / f"merged_{name}.safetensors"))


def conversion(options: Mapping[str, Any]) -> Convert:
    return Convert(
        precision=Precision(options["precision"]),
        pruning=Pruning(options["pruning"]),
        unet=PartAction(options["unet"]),
        text_encoder=PartAction(options["text_encoder"]),
        vae_part=PartAction(options["vae"]),
        others=PartAction(options["others"]),
        fix_clip=options["fix_clip"],
        whole_positions=options["force_position_id"],
        drop_junk=options["delete_known_junk"],
    )


@pytest.mark.parametrize(
    "case", [case for case in CONVERSIONS["cases"] if case["outputs"]], ids=lambda case: case["name"]
)
def test_conversions(case: Mapping[str, Any]) -> None:
    name, options = case["model"].removesuffix(".safetensors"), case["options"]
    wanted = conversion(options)
    source = recorded(CONVERSIONS["models"]["base" if name == "v1.5.pruned" else name])
    if options["bake_in_vae"] != "None":
        source = with_vae(source, recorded({n: t for n, t in CONVERSIONS["vae"].items() if n[:4] != "loss"}))
    result = made(converted(source, wanted))
    (file, recorded_result), *_ = case["outputs"].items()
    expected = {name: tensor(one) for name, one in recorded_result["tensors"].items()}
    if options["bake_in_vae"] != "None":  # that program forgets the prefix: its VAE lies in the file unused
        baked = expected.pop("encoder.conv_in.weight")
        expected["first_stage_model.encoder.conv_in.weight"] = baked
    assert_same(result, expected)
    if name != "v1.5.pruned":  # that program cuts the name at the first dot
        assert f"{wanted.file_stem(name)}.safetensors" == file


# --- Block weights, TIES, DARE ----------------------------------------------------------------------------------------


def test_what_has_nothing_in_common_is_told_from_a_model() -> None:
    a = model({"model.diffusion_model.out.2.bias": torch.zeros(4)})
    lora = model({"lora_unet_out.lora_up.weight": torch.zeros(4, 1)})
    for first, second in ((a, lora), (lora, a)):
        with pytest.raises(MergeUnlike):
            merged(Merge(), first, second)
        with pytest.raises(MergeUnlike):
            extracted(first, second, Extract())
    with pytest.raises(MergeUnlike):
        merged(Merge(method=MergeMethod.DIFFERENCE), a, a, lora)
    merged(Merge(), a, a, lora)  # C is not read


def test_block_weights_reach_their_blocks() -> None:
    numbers = ",".join(str(number / 100) for number in range(26))
    weight = block_multipliers(numbers, 0.9)
    for name, place in {
        "cond_stage_model.transformer.text_model.final_layer_norm.weight": 0,
        "model.diffusion_model.time_embed.0.weight": 1,
        "model.diffusion_model.input_blocks.0.0.weight": 1,
        "model.diffusion_model.input_blocks.11.0.in_layers.0.weight": 12,
        "model.diffusion_model.middle_block.1.norm.weight": 13,
        "model.diffusion_model.output_blocks.0.0.weight": 14,
        "model.diffusion_model.output_blocks.11.1.weight": 25,
        "model.diffusion_model.out.2.bias": 25,
    }.items():
        assert weight(name) == pytest.approx(place / 100), name
    assert block_multipliers("grad_v", 0.9)("first_stage_model.x") == 0.9
    assert block_multipliers("", 0.9)("model.diffusion_model.out.2.bias") == 0.9
    assert all(len(preset) == 25 and min(preset) >= 0 and max(preset) <= 1 for preset in BLOCK_PRESETS.values())


@pytest.mark.parametrize("text", ["1,2,3", "GRAD_X", "nan," * 26, "0.5"])
def test_other_block_weights_are_refused(text: str) -> None:
    with pytest.raises(BlockWeightsWrong):
        block_multipliers(text, 0.5)


def test_ties_trims_elects_and_averages() -> None:
    base = torch.zeros(5)
    a, b = torch.tensor([4.0, -3.0, 0.1, 2.0, 0.0]), torch.tensor([2.0, 5.0, 3.0, -0.1, 0.0])
    # 0.6 of 5 keeps three of each: a has lost nothing but 0.1's rank, b its -0.1
    assert ties(a, b, base, 0.5, 0.6).tolist() == [3.0, 5.0, 3.0, 2.0, 0.0]
    assert torch.equal(ties(a, b, base, 0.0, 1.0)[:2], a[:2])  # all the weight is A's


@given(density=st.floats(0.05, 1), seed=st.integers(0, 2**31))
def test_dare_keeps_the_mean(density: float, seed: int) -> None:
    a = torch.ones(20_000)
    found = dare(a, a, torch.zeros_like(a), 0.5, density, seed)
    assert found.mean().item() == pytest.approx(1, abs=6 * (1 / density / 20_000) ** 0.5)
    assert torch.equal(found, dare(a, a, torch.zeros_like(a), 0.5, density, seed))


def test_what_the_base_lacks_stays(tmp_path: Path) -> None:
    name = "model.diffusion_model.extra"
    one = {name: torch.ones(3), "model.diffusion_model.x": torch.ones(3)}
    base = {"model.diffusion_model.x": torch.zeros(3)}
    wanted = Merge("a", "b", "c", MergeMethod.TIES, 0.5, density=1.0)
    found = made(merged(wanted, model(one), model({n: 3 * t for n, t in one.items()}), model(base)).model)
    assert found[name].tolist() == [1, 1, 1] and found["model.diffusion_model.x"].tolist() == [2, 2, 2]


def test_ema_only_takes_the_average() -> None:
    tensors = {
        "model.diffusion_model.out.2.bias": torch.zeros(2),
        "model.diffusion_model.alone": torch.zeros(2),
        "model_ema.diffusion_modelout2bias": torch.ones(2),
        "model_ema.decay": torch.tensor(0.9),
    }
    found = made(converted(model(tensors), Convert("m", Precision.FULL, Pruning.EMA_ONLY)))
    assert found["model.diffusion_model.out.2.bias"].tolist() == [1, 1]
    assert found.keys() == {*tensors} - {"model_ema.diffusion_modelout2bias"}
