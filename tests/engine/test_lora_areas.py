"""LoRAs that act only in the area of their part of the prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.prompt import extract_networks
from sdcolab.core.regions import Region, Regions
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import share_a_batch
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.lora import LoraMerger
from sdcolab.engine.features.lora_areas import AreaLoras, AreaUse, LayerChange, _places
from sdcolab.engine.lora_tags import by_area, loras_in
from tools.reference import decoded_latents

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
TEXT_WIDTH = 128
HALVES = Regions("1:2,1:2", "0:0,0:1", "1,1", 20)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def lora() -> dict[str, Tensor]:
    """Rank 2, on every attention of the demo model and on its text encoder; changes of the norms beside them, and a
    textual inversion.
    """
    made: dict[str, Tensor] = {"bundle_emb.lunita.string_to_param.*": rand(2, TEXT_WIDTH)}
    for name, tensor in load_file(DEMO).items():
        stem = name.removesuffix(".weight")
        if name.startswith("model.diffusion_model.") and ".attn" in name and tensor.ndim == 2:
            key = "lora_unet_" + stem.removeprefix("model.diffusion_model.").replace(".", "_")
        elif ".self_attn." in name and name.endswith("_proj.weight"):
            key = "lora_te_" + stem[stem.index("text_model") :].replace(".", "_")
        elif name.startswith("model.diffusion_model.") and stem.endswith((".1.norm", ".norm1")) and tensor.ndim == 1:
            key = "lora_unet_" + stem.removeprefix("model.diffusion_model.").replace(".", "_")
            if name.endswith(".weight"):
                made |= {f"{key}.w_norm": rand(len(tensor)) * 0.005, f"{key}.b_norm": rand(len(tensor), seed=1) * 0.005}
            continue
        else:
            continue
        out, into = tensor.shape
        made[f"{key}.lora_up.weight"] = rand(out, 2) * 0.15
        made[f"{key}.lora_down.weight"] = rand(2, into) * 0.15
    return made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folders = Folders(tmp_path_factory.mktemp("zonas"))
    place = folders.models(ModelKind.LORA)
    place.mkdir(parents=True)
    save_file({name: one.contiguous() for name, one in lora().items()}, place / "estilo.safetensors")
    checkpoint = ModelFile(ModelKind.CHECKPOINT, DEMO.name, DEMO)
    return Engine(Library(folders, bundled=(checkpoint,)), None, device="cpu")


def picture(engine: Engine, prompt: str, regions: Regions | None = HALVES, steps: int = 3) -> np.ndarray:
    request = GenerationRequest(prompt=prompt, steps=steps, cfg_scale=4, seed=3, width=128, height=128, regions=regions)
    return np.asarray(engine.generate(request).images[0].image, np.int16)


# --- Which tags -------------------------------------------------------------------------------------------------------


def test_tags_know_their_part() -> None:
    _, tags = extract_networks("a <lora:x:1> AND b, AND <lora:y:1> <lora:AND:1> c BRAND <lora:z:1>")
    assert [(tag.name, tag.part) for tag in tags] == [("x", 0), ("y", 2), ("AND", 2), ("z", 2)]


def test_only_tags_of_areas_are_kept_apart() -> None:
    regions = Regions("1:1,1:2", "0:0,0:1", "0.2,0.8")
    _, tags = extract_networks("<lora:a:1> AND <lora:b:1> AND <lora:c:1>")
    everywhere, in_areas = by_area(tags, regions)
    assert [tag.name for tag in everywhere] == ["a", "c"]
    ((part, area),) = in_areas
    assert (part, area) == (1, Region(0, 1, 0.5, 1, 0.8))
    assert by_area(tags, None) == (tags, {})


def test_pictures_with_tags_in_other_parts_do_not_share_a_batch() -> None:
    one = GenerationRequest(prompt="a <lora:x:1> AND b")
    assert share_a_batch(one, replace(one, prompt="c <lora:x:1> AND d"))
    assert not share_a_batch(one, replace(one, prompt="c AND <lora:x:1> d"))


# --- What a layer answers ---------------------------------------------------------------------------------------------


def test_a_change_is_what_merging_would_add(engine: Engine) -> None:
    linear, conv = nn.Linear(6, 5), nn.Conv2d(3, 4, 3, stride=2, padding=1)
    for layer, x in ((linear, rand(2, 7, 6)), (conv, rand(2, 3, 8, 8))):
        out, into = layer.weight.shape[0], layer.weight[0].numel()
        up, down = rand(out, 2), rand(2, into)
        merged = (up @ down).reshape(layer.weight.shape)
        expected = nn.functional.linear(x, merged) if layer is linear else nn.functional.conv2d(x, merged, None, 2, 1)
        assert torch.allclose(LayerChange(layer, up, down)(x), expected, atol=1e-4)
        assert torch.allclose(LayerChange(layer, up @ down, None)(x), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "x"), [(nn.GroupNorm(2, 6), (2, 6, 4, 4)), (nn.LayerNorm(6), (2, 7, 6)), (nn.Linear(6, 6), (2, 7, 6))]
)
def test_a_change_of_norms_and_biases_is_what_merging_would_add(layer: nn.Module, x: tuple[int, ...]) -> None:
    given, weight, bias = rand(*x), rand(6, 6) if isinstance(layer, nn.Linear) else rand(6), rand(6, seed=1)
    before = layer(given)
    added = LayerChange(layer, weight, None, bias)(given)
    with torch.no_grad():
        layer.weight += weight
        layer.bias += bias
        assert torch.allclose(layer(given), before + added, atol=1e-4)


def test_changes_of_a_file_are_those_of_its_merge(engine: Engine) -> None:
    engine.preload()
    model = engine.models.checkpoints[0].model
    merger = LoraMerger(model)
    (use,) = loras_in(extract_networks("<lora:estilo:0.7>")[1], engine._library, pytest.fail)
    layers = {one.module: one for one in merger.changes(use, pytest.fail)}
    before = {module: module.weight.detach().clone() for module in layers}
    biases = {module: module.bias.detach().clone() for module in layers if module.bias is not None}
    with merger.applied([use], pytest.fail):
        for module, one in layers.items():
            added = one.up if one.down is None else one.up @ one.down
            assert torch.allclose(module.weight - before[module], added.reshape(module.weight.shape), atol=1e-5)
            if module in biases:
                moved = torch.zeros_like(biases[module]) if one.bias is None else one.bias
                assert torch.allclose(module.bias - biases[module], moved, atol=1e-5)
    merger.restore()
    assert len(layers) > 20
    assert {type(module) for module in layers if layers[module].bias is not None} == {nn.GroupNorm, nn.LayerNorm}


def test_places_are_found_at_every_size() -> None:
    right = Region(0, 1, 0.5, 1, 1)
    tokens = _places(right, (9, 16), torch.empty(2, 5 * 8, 3))
    assert tokens is not None
    assert tokens.view(5, 8)[:, 4:].all()
    assert not tokens.view(5, 8)[:, :4].any()
    grid = _places(right, (9, 16), torch.empty(2, 3, 5, 8))
    assert grid is not None
    assert grid.shape == (1, 1, 5, 8)
    assert _places(right, (9, 16), torch.empty(2, 31, 3)) is None
    assert _places(right, (9, 16), torch.empty(2, 3)) is None


def test_other_rows_and_places_answer_as_they_did() -> None:
    """And what reads words acts in all of the part's row while the areas last, and afterwards not at all."""
    unet = nn.Module()
    unet.attn1, unet.attn2 = nn.Module(), nn.Module()
    unet.attn1.to_q, unet.attn2.to_k = nn.Linear(4, 4), nn.Linear(4, 4)
    use = AreaUse(1, Region(0, 1, 0.5, 1, 1), None)  # type: ignore[arg-type]
    layers = [LayerChange(one, rand(4, 2), rand(2, 4)) for one in (unet.attn1.to_q, unet.attn2.to_k)]
    acting, places, words = AreaLoras([(use, layers)], unet, end=5), rand(3, 32, 4), rand(3, 77, 4)
    q, k = unet.attn1.to_q(places), unet.attn2.to_k(words)
    for number, reads in ((4, True), (5, False)):
        step = SimpleNamespace(number=number)
        call = SimpleNamespace(x=torch.empty(3, 4, 4, 8), parts=torch.tensor([-1, 0, 1]), step=step)
        with acting.hooked(), acting.during(call):  # type: ignore[arg-type]
            changed_q, changed_k = unet.attn1.to_q(places) - q, unet.attn2.to_k(words) - k
        grid = changed_q.view(3, 4, 8, 4)
        assert not grid[:2].any()
        assert not grid[2, :, :4].any()
        assert grid[2, :, 4:].abs().min() > 0
        assert not changed_k[:2].any()
        assert bool(changed_k[2].any()) is reads
    assert torch.equal(unet.attn1.to_q(places), q)


# --- Pictures ---------------------------------------------------------------------------------------------------------


def test_a_lora_of_an_area_acts_there(engine: Engine) -> None:
    plain = picture(engine, "pizza AND luna")
    right = np.abs(picture(engine, "pizza AND luna <lora:estilo:1>") - plain)
    left = np.abs(picture(engine, "pizza <lora:estilo:1> AND luna") - plain)
    assert right[:, 72:].mean() > 2 * right[:, :56].mean()
    assert left[:, :56].mean() > 2 * left[:, 72:].mean()
    assert np.array_equal(picture(engine, "pizza AND luna"), plain)  # nothing of it stays


def latents(engine: Engine, prompt: str, regions: Regions | None) -> torch.Tensor:
    """After one step, before they are decoded."""
    with decoded_latents() as seen:
        picture(engine, prompt, regions, steps=1)
    return seen[-1][0]


def test_one_step_leaves_the_rest_as_it_was(engine: Engine) -> None:
    """The part counts for nothing outside of its area, and its LoRA changes nothing else: not even the words."""
    right = latents(engine, "pizza AND luna <lora:estilo:1>", HALVES) - latents(engine, "pizza AND luna", HALVES)
    assert right[..., 8:].abs().max() > 0.1
    assert right[..., :8].abs().max() < 1e-5
    everywhere = latents(engine, "pizza AND luna <lora:estilo:1>", None) - latents(engine, "pizza AND luna", None)
    assert everywhere[..., :8].abs().max() > 0.1  # the known complaint about the original


def test_the_infotext_names_its_file(engine: Engine) -> None:
    request = GenerationRequest(prompt="pizza AND luna <lora:estilo:1>", steps=1, seed=3, regions=HALVES)
    text = engine.generate(request).images[0].infotext
    assert 'Lora hashes: "estilo: ' in text
    assert "<lora:estilo:1>" in text


def test_the_words_of_its_file_are_known_in_the_areas(engine: Engine) -> None:
    """A textual inversion inside of a LoRA: its name means something only where the LoRA is."""
    written = "<lora:estilo:0>"
    with_it, without = (picture(engine, f"pizza AND lunita {tag}") for tag in (written, ""))
    assert not np.array_equal(with_it, without)
