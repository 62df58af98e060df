"""Weights kept in 8 bits: which, how near the pictures stay, what LoRAs do to them, and what the infotext says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from sdcolab.core import infotext
from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import GB, FreeMemory, Placement, WeightCounts, WorkMemory, plan_memory
from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.core.resolved import read_prompt
from sdcolab.core.tuning import CpuPrecision, EightBits, Fp8, Tuning
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.lora import LoraMerger
from sdcolab.engine.lora_tags import loras_in
from sdcolab.engine.models import LoadedModel, load_checkpoint, text_model
from sdcolab.engine.stored import FP8, WHOLE, Storage, rows_of, storage_of
from sdcolab.engine.weights import open_weights

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
CPU = torch.device("cpu")
PLAIN = GenerationRequest(prompt="pizza", sampler="Euler", steps=12, seed=100, width=128, height=128)
IN_FP8 = replace(PLAIN, tuning=Tuning(fp8=Fp8.ENABLE))
IN_INT8 = replace(PLAIN, tuning=Tuning(fp8=Fp8.ENABLE, eight_bits=EightBits.INT8))
TO_Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
KEY = f"lora_unet_{TO_Q.replace('.', '_')}"
LAYERS = (nn.Linear, nn.Conv2d)
AS_FP8 = Storage(EightBits.FP8)
IN_FP8_WITH_COPIES = Storage(EightBits.FP8, copies=True)
AS_INT8 = Storage(EightBits.INT8)


@pytest.fixture(scope="module")
def demo_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The model that ships in the package: random weights would hide what rounding costs."""
    file = ModelFile(ModelKind.CHECKPOINT, DEMO.name, DEMO)
    return Engine(Library(Folders(tmp_path_factory.mktemp("demo")), bundled=(file,)), None, device="cpu")


def loaded(path: Path, storage: Storage, dtype: torch.dtype = torch.float32) -> LoadedModel:
    return load_checkpoint(open_weights(path), CPU, dtype, storage=storage)


@pytest.mark.parametrize(
    ("tuning", "sd1", "sdxl"),
    [
        (Tuning(), WHOLE, WHOLE),
        (Tuning(cache_fp16=True), WHOLE, WHOLE),
        (Tuning(fp8=Fp8.SDXL), WHOLE, AS_FP8),
        (Tuning(fp8=Fp8.ENABLE), AS_FP8, AS_FP8),
        (Tuning(fp8=Fp8.ENABLE, eight_bits=EightBits.INT8), AS_INT8, AS_INT8),
        (Tuning(eight_bits=EightBits.INT8), WHOLE, WHOLE),
        (Tuning(fp8=Fp8.ENABLE, cache_fp16=True), IN_FP8_WITH_COPIES, IN_FP8_WITH_COPIES),
    ],
)
def test_who_is_kept_how(tuning: Tuning, sd1: Storage, sdxl: Storage) -> None:
    assert storage_of(tuning, ModelFamily.SD1) == sd1
    assert storage_of(tuning, ModelFamily.SDXL) == sdxl
    assert storage_of(tuning, ModelFamily.SDXL_REFINER) == sdxl


# --- Weights ----------------------------------------------------------------------------------------------------------


def test_linear_layers_and_convolutions_are_kept_in_8_bits(mini_sdxl: Path) -> None:
    model = loaded(mini_sdxl, AS_FP8)
    modules = [*model.unet.named_modules()]
    for encoder in model.text_encoders:
        modules += text_model(encoder.module).named_modules()
    second = {id(module) for module in text_model(model.text_encoders[1].module).modules()}
    for name, module in modules:
        whole = id(module) in second and name.endswith(("q_proj", "k_proj", "v_proj"))  # one tensor of no layer there
        small = isinstance(module, LAYERS) and not whole
        dtypes = {weight.dtype for weight in module.parameters(recurse=False)}
        assert dtypes <= {FP8 if small else torch.float32}, name


def rounded(model: LoadedModel) -> LoadedModel:
    """``model``, kept whole, with the numbers that 8 bits have in the layers of its UNet."""
    for module in model.unet.modules():
        if isinstance(module, LAYERS):
            for weight in module.parameters(recurse=False):
                weight.data = weight.data.to(FP8).to(weight.dtype)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_answer_is_that_of_the_rounded_weights(mini_checkpoint: Path, dtype: torch.dtype) -> None:
    models = loaded(mini_checkpoint, AS_FP8, dtype), rounded(loaded(mini_checkpoint, WHOLE, dtype))
    generator = torch.Generator().manual_seed(1)
    x, context = (torch.randn(*shape, generator=generator).to(dtype) for shape in ((2, 4, 16, 12), (2, 77, 64)))
    with torch.no_grad():
        one, other = (model.unet(x, torch.tensor([500]), context, return_dict=False)[0] for model in models)
    assert torch.equal(one, other)


ROWS = st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3), min_size=1, max_size=4)


@given(ROWS)
def test_rows_lose_half_a_step_and_what_was_rounded_stays(rows: list[list[float]]) -> None:
    weight = torch.tensor(rows)
    kept = rows_of(weight)
    assert kept.scale is not None and kept.numbers.dtype is torch.int8
    step = weight.abs().amax(1, keepdim=True) / 127
    assert ((kept.whole() - weight).abs() <= step * 0.51 + 1e-37).all()
    again = rows_of(kept.whole())
    assert again.scale is not None
    assert torch.equal(again.numbers, kept.numbers) and torch.equal(again.scale, kept.scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_answer_as_what_they_mean(mini_checkpoint: Path, dtype: torch.dtype) -> None:
    models = loaded(mini_checkpoint, AS_INT8, dtype), loaded(mini_checkpoint, WHOLE, dtype)
    for module in models[1].unet.modules():
        if isinstance(module, LAYERS):
            weight = module.get_parameter("weight")
            weight.data = rows_of(weight.data).whole().to(dtype)
    generator = torch.Generator().manual_seed(1)
    x, context = (torch.randn(*shape, generator=generator).to(dtype) for shape in ((2, 4, 16, 12), (2, 77, 64)))
    with torch.no_grad():
        one, other = (model.unet(x, torch.tensor([500]), context, return_dict=False)[0] for model in models)
    assert torch.equal(one, other)


def test_it_takes_half_the_room_of_a_card() -> None:
    weights, work = WeightCounts(unet=2_567_000_000, text=818_000_000, vae=84_000_000), WorkMemory(GB, 3 * GB)
    free = FreeMemory(ram=12 * GB, vram=8 * GB)
    half = plan_memory(DEMO, weights, work, free, element_bytes=2)
    small = plan_memory(DEMO, weights, work, free, element_bytes=1, other_bytes=2)
    assert (half.placement, small.placement) == (Placement.GPU_SPARING, Placement.GPU)
    assert small.vram == 2_567_000_000 + 2 * 902_000_000 + 3 * GB
    with_copies = plan_memory(DEMO, weights, work, free, element_bytes=1, other_bytes=2, unmapped_bytes=5 * GB)
    assert with_copies.ram == small.ram + 5 * GB


# --- Pictures ---------------------------------------------------------------------------------------------------------


def test_nearly_the_same_picture_and_the_infotext_tells(demo_engine: Engine) -> None:
    plain = demo_engine.generate(PLAIN, save=False).images[0]
    small = demo_engine.generate(IN_FP8, save=False).images[0]
    far = np.abs(np.asarray(small.image, np.int16) - np.asarray(plain.image, np.int16))
    assert 0 < far.mean() < 3  # of 255; 0.5 to 1.2 with other prompts
    assert "FP8 weight: Enable, Cache FP16 weight for LoRA: False" in small.infotext
    assert "FP8" not in plain.infotext
    pasted = infotext.to_request(infotext.parse(small.infotext))
    assert (pasted.unused, pasted.changes["tuning"]) == ((), IN_FP8.tuning)
    again = demo_engine.generate(PLAIN, save=False).images[0]
    assert np.array_equal(np.asarray(again.image), np.asarray(plain.image))


def test_rows_stay_much_nearer_than_fp8(demo_engine: Engine) -> None:
    plain = np.asarray(demo_engine.generate(PLAIN, save=False).images[0].image, np.int16)
    fp8 = np.asarray(demo_engine.generate(IN_FP8, save=False).images[0].image, np.int16)
    made = demo_engine.generate(IN_INT8, save=False).images[0]
    far = np.abs(np.asarray(made.image, np.int16) - plain).mean()
    assert 0 < far < np.abs(fp8 - plain).mean() / 2
    assert "FP8 weight: Enable, 8-bit format: INT8, Cache FP16 weight for LoRA: False" in made.infotext
    assert infotext.to_request(infotext.parse(made.infotext)).changes["tuning"] == IN_INT8.tuning


def test_for_sdxl_alone_nothing_changes_here(demo_engine: Engine) -> None:
    made = [
        demo_engine.generate(replace(PLAIN, tuning=Tuning(fp8=fp8)), save=False).images[0]
        for fp8 in (Fp8.DISABLE, Fp8.SDXL)
    ]
    assert np.array_equal(*(np.asarray(one.image) for one in made))
    assert "FP8" not in made[1].infotext


@pytest.mark.parametrize("bits", EightBits)
def test_every_kind_of_work_runs_in_8_bits(bits: EightBits, demo_engine: Engine) -> None:
    """Second order, forecast steps, AND, merged tokens, no seams, a hires pass and a batch, in bfloat16."""
    precise = Tuning(cpu_precision=CpuPrecision.BFLOAT16, forecast=0.4, token_merging=0.3)
    tuning = replace(precise, fp8=Fp8.ENABLE, eight_bits=bits)
    request = replace(PLAIN, prompt="pizza AND sun", sampler="DPM++ SDE", batch_size=2, tiling=True, tuning=tuning)
    images = demo_engine.generate(replace(request, hires=Hires(steps=2, scale=1.5)), save=False).images
    assert len(images) == 2
    assert all(np.asarray(one.image).std() > 10 for one in images)


# --- LoRA -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def change(folders: Folders) -> Callable[[str, int], Tensor]:
    """Saves a LoRA of one layer, and gives what it adds."""

    def save(name: str, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        up, down = torch.randn(32, 2, generator=generator) * 0.1, torch.randn(2, 32, generator=generator) * 0.1
        path = folders.models(ModelKind.LORA) / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({f"{KEY}.lora_up.weight": up, f"{KEY}.lora_down.weight": down}, path)
        return up.double() @ down.double()

    return save


def weight_of(model: LoadedModel) -> Tensor:
    weight: Tensor = model.unet.get_submodule(TO_Q).weight
    return weight


@pytest.mark.parametrize("storage", [AS_FP8, IN_FP8_WITH_COPIES])
def test_loras_are_added_to_what_is_kept_or_to_its_copy(
    storage: Storage, mini_checkpoint: Path, folders: Folders, change: Callable[[str, int], Tensor]
) -> None:
    model, whole = loaded(mini_checkpoint, storage), weight_of(loaded(mini_checkpoint, WHOLE)).double()
    before, (one, other) = weight_of(model).clone(), (change("uno", 1), change("otro", 2))
    merger, library = LoraMerger(model), Library(folders)

    def merged(prompt: str) -> Tensor:
        with merger.applied(loras_in(read_prompt(prompt).tags, library, pytest.fail), pytest.fail):
            assert weight_of(model).dtype is FP8
            return weight_of(model).double()

    def near(found: Tensor, exact: Tensor) -> bool:
        """Whether every number is one of the two of 8 bits around the exact one, and nearly all are the nearer."""
        nearest = exact.float().to(FP8).double()
        return bool(
            ((found - exact).abs() <= nearest.abs() / 8 + 2**-9).all() and (found == nearest).double().mean() > 0.98
        )

    if storage.copies:
        assert near(merged("<lora:uno:1>"), whole + one)
        assert near(merged("<lora:uno:1><lora:otro:1>"), whole + one + other)
    else:  # rounded to 8 bits before, and after each file, as in A1111
        start = before.double()
        assert near(merged("<lora:uno:1>"), start + one)
        after_one = (start + one).float().to(FP8).double()
        assert near(merged("<lora:uno:1><lora:otro:1>"), after_one + other)
    assert near(merged("<lora:otro:0.5>"), (whole if storage.copies else before.double()) + other / 2)
    merger.restore()
    assert torch.equal(weight_of(model).view(torch.uint8), before.view(torch.uint8))


@pytest.mark.parametrize("copies", [False, True])
def test_loras_are_added_to_rows_or_to_their_copy(
    copies: bool, mini_checkpoint: Path, folders: Folders, change: Callable[[str, int], Tensor]
) -> None:
    model = loaded(mini_checkpoint, replace(AS_INT8, copies=copies))
    layer, merger, library = model.unet.get_submodule(TO_Q), LoraMerger(model), Library(folders)
    before = layer.weight.clone(), layer.scale.clone()
    start = weight_of(loaded(mini_checkpoint, WHOLE)).half().float() if copies else before[0] * before[1]
    one, other = change("uno", 1).float(), change("otro", 2).float()

    def merged(prompt: str) -> Tensor:
        with merger.applied(loras_in(read_prompt(prompt).tags, library, pytest.fail), pytest.fail):
            return layer.weight * layer.scale

    for prompt, exact in (
        ("<lora:uno:1>", start + one),
        ("<lora:uno:1><lora:otro:1>", start + one + other),
        ("<lora:otro:0.5>", start + other / 2),
    ):
        step = exact.abs().amax(1, keepdim=True) / 127
        assert ((merged(prompt) - exact).abs() <= step * 0.51 + 2**-9 * copies).all()
    merger.restore()
    assert torch.equal(layer.weight, before[0]) and torch.equal(layer.scale, before[1])


def test_copies_lie_beside_what_is_kept(mini_checkpoint: Path) -> None:
    layer = loaded(mini_checkpoint, IN_FP8_WITH_COPIES).unet.get_submodule(TO_Q)
    whole = weight_of(loaded(mini_checkpoint, WHOLE))
    assert torch.equal(layer.copies["weight"], whole.half())
    assert torch.equal(layer.weight.view(torch.uint8), whole.half().to(FP8).view(torch.uint8))
