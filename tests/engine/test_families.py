"""SD 2, SDXL and SDXL's refiner: text encoders against an implementation of their own, the UNet's names against
diffusers' conversion, size conditioning, what is predicted, inpainting variants, and whole generations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from sdcolab.core.detect import ModelFamily, ModelKind, Prediction
from sdcolab.core.errors import (
    ImageNotFinite,
    ModelFamilyUnsupported,
    ModelIncomplete,
    ModelWithoutVae,
    SdcolabError,
)
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.prompt import parse_attention
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tuning import Tuning
from sdcolab.core.words import explain
from sdcolab.engine import tokenizer
from sdcolab.engine.conditioning import Conditioning, TextConditioner
from sdcolab.engine.engine import Engine
from sdcolab.engine.families import FAMILIES as LOADED
from sdcolab.engine.features.embeddings import EmbeddingShelf
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.models import LoadedModel, load_checkpoint, load_vae
from sdcolab.engine.tokenizer import END, Flavour
from sdcolab.engine.weights import open_weights

CPU = torch.device("cpu")
UNET = "model.diffusion_model."
SDXL_L = "conditioner.embedders.0.transformer.text_model."
SDXL_G = "conditioner.embedders.1.model."
REQUEST = GenerationRequest(prompt="un (gato:1.2) rojo", sampler="Euler a", steps=3, seed=7, width=64, height=64)

State = dict[str, Tensor]
MiniFamily = Callable[..., Path]
Write = Callable[..., Path]


def load(path: Path) -> LoadedModel:
    return load_checkpoint(open_weights(path), CPU, torch.float32)


def condition(model: LoadedModel, prompt: str, negative: str = "feo", **changes: object) -> Conditioning:
    options = {"steps": 4, "second_order": False, "clip_skip": 1} | changes
    return TextConditioner(model).condition(prompt, negative, **options)


def ids(text: str, flavour: Flavour) -> Tensor:
    """The ids of a text of one chunk, padded as the flavour does."""
    chunks = tokenizer.chunk(parse_attention(text), tokenizer.load(flavour))
    padding = {Flavour.CLIP: END, Flavour.OPEN_CLIP: 0}[flavour]
    (row,) = (list(chunk.tokens) for chunk in chunks)
    length = row.index(END) + 1
    return torch.tensor([row[:length] + [padding] * (77 - length)])


# --- Text encoders ----------------------------------------------------------------------------------------------------


def transformer(state: State, prefix: str, tokens: Tensor) -> list[Tensor]:
    """OpenCLIP's text tower from its definition (Radford et al. 2021, section 2.4; the code of open_clip): the hidden
    states before the first and after each layer [N, 77, C]. Attention is written out, with query, key and value in one
    matrix and no token seeing those after it.
    """
    get = {name.removeprefix(prefix): tensor.float() for name, tensor in state.items() if name.startswith(prefix)}
    width = get["token_embedding.weight"].shape[1]
    heads = width // 64

    def normed(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (width,), get[f"{name}.weight"], get[f"{name}.bias"], 1e-5)

    x = get["token_embedding.weight"][tokens] + get["positional_embedding"]
    states, layer = [x], 0
    future = torch.ones(77, 77, dtype=torch.bool).triu(1)
    while f"transformer.resblocks.{layer}.ln_1.weight" in get:
        name = f"transformer.resblocks.{layer}"
        fused = normed(x, f"{name}.ln_1") @ get[f"{name}.attn.in_proj_weight"].T + get[f"{name}.attn.in_proj_bias"]
        query, key, value = (part.reshape(len(x), 77, heads, 64).transpose(1, 2) for part in fused.split(width, dim=2))
        scores = (query @ key.transpose(2, 3) / 8).masked_fill(future, -math.inf).softmax(-1)
        read = (scores @ value).transpose(1, 2).reshape(len(x), 77, width)
        x = x + read @ get[f"{name}.attn.out_proj.weight"].T + get[f"{name}.attn.out_proj.bias"]
        inner = normed(x, f"{name}.ln_2") @ get[f"{name}.mlp.c_fc.weight"].T + get[f"{name}.mlp.c_fc.bias"]
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
        x = x + inner @ get[f"{name}.mlp.c_proj.weight"].T + get[f"{name}.mlp.c_proj.bias"]
        states.append(x)
        layer += 1
    return [*states, normed(states[-2], "ln_final"), normed(states[-1], "ln_final")]


def test_sd2_reads_the_layer_before_the_last_normalised(mini_family: MiniFamily) -> None:
    path = mini_family("sd2")
    model = load(path)
    assert len(model.text_encoders) == 1
    expected = transformer(load_file(path), "cond_stage_model.model.", ids("un gato &amp; rojo", Flavour.OPEN_CLIP))[-2]
    made = condition(model, "un gato &amp; rojo").positive[0].at(0)
    assert torch.allclose(made.tokens, expected, atol=1e-4)
    assert not made.added


def test_sdxl_reads_two_encoders_side_by_side(mini_sdxl: Path) -> None:
    model, state = load(mini_sdxl), load_file(mini_sdxl)
    made = condition(model, "un gato").positive[0].at(0)
    states = transformer(state, SDXL_G, ids("un gato", Flavour.OPEN_CLIP))
    assert torch.allclose(made.tokens[..., 64:], states[-4], atol=1e-4)  # of three layers, the last but one
    with torch.inference_mode():
        of_l = model.text_encoder(ids("un gato", Flavour.CLIP), output_hidden_states=True).hidden_states
    assert torch.allclose(made.tokens[..., :64], of_l[-2], atol=1e-4)
    end = ids("un gato", Flavour.OPEN_CLIP)[0].tolist().index(END)
    pooled = states[-1][:, end] @ state[f"{SDXL_G}text_projection"].float()
    assert torch.allclose(made.added["text_embeds"], pooled, atol=1e-4)


def test_pooled_is_of_the_first_chunk_and_without_emphasis(mini_sdxl: Path) -> None:
    model = load(mini_sdxl)
    long = condition(model, "(un gato:1.5) BREAK perro").positive[0].at(0)
    short = condition(model, "un gato").positive[0].at(0)
    assert long.tokens.shape == (1, 154, 192)
    assert torch.allclose(long.added["text_embeds"], short.added["text_embeds"], atol=1e-5)
    assert not torch.allclose(long.tokens[:, :77], short.tokens, atol=1e-2)


def test_emphasis_restores_the_mean_of_each_encoder(mini_sdxl: Path) -> None:
    model = load(mini_sdxl)
    plain = condition(model, "un gato").positive[0].at(0).tokens
    strong = condition(model, "un (gato:1.5)").positive[0].at(0).tokens
    for columns in (slice(0, 64), slice(64, 192)):
        assert torch.allclose(strong[..., columns].mean(), plain[..., columns].mean(), rtol=1e-3)


@pytest.mark.parametrize("name", ["sd2", "sdxl", "refiner"])
def test_clip_skip_changes_nothing(name: str, mini_family: MiniFamily) -> None:
    model = load(mini_family(name))
    calls: list[int] = []
    for encoder in model.text_encoders:
        encoder.module.register_forward_pre_hook(lambda *_: calls.append(1))
    conditioner = TextConditioner(model)

    def made(skip: int) -> Tensor:
        once = conditioner.condition("gato", "feo", steps=4, second_order=False, clip_skip=skip)
        return once.positive[0].at(0).tokens

    assert torch.equal(made(1), made(2))
    assert len(calls) == 2 * len(model.text_encoders)  # and the second time nothing is encoded


def test_clip_skip_of_sdxls_first_encoder(mini_sdxl: Path) -> None:
    model = load(mini_sdxl)
    tuning = Tuning(sdxl_clip_l_skip=True)
    plain = condition(model, "gato").positive[0].at(0).tokens
    with torch.inference_mode():
        states = model.text_encoder(ids("gato", Flavour.CLIP), output_hidden_states=True).hidden_states
    for skip in (1, 2, 3):
        made = condition(model, "gato", tuning=tuning, clip_skip=skip).positive[0].at(0).tokens
        assert torch.allclose(made[..., :64], states[-skip], atol=1e-4)
        assert torch.equal(made[..., 64:], plain[..., 64:])


def test_texts_of_unequal_length_in_the_two_encoders(mini_sdxl: Path) -> None:
    """ "&lt;" is three tokens for the first and one for the second."""
    made = condition(load(mini_sdxl), "&lt; " * 30).positive[0].at(0)
    assert made.tokens.shape == (1, 154, 192)


@pytest.mark.parametrize("name", ["sd2-v", "sdxl", "refiner"])
def test_half_precision_as_on_a_card(name: str, mini_family: MiniFamily) -> None:
    path = mini_family(name)
    half, full = load_checkpoint(open_weights(path), CPU, torch.float16), load(path)
    assert half.prediction is full.prediction
    assert {tensor.dtype for tensor in half.text_encoder.state_dict().values()} == {torch.float16}
    made, expected = (condition(model, "un (gato:1.2)").positive[0].at(0) for model in (half, full))
    assert torch.allclose(made.tokens, expected.tokens, atol=0.05)
    for key, tensor in expected.added.items():
        assert made.added[key].dtype == torch.float32
        assert torch.allclose(made.added[key], tensor, atol=0.05)


# --- Size conditioning ------------------------------------------------------------------------------------------------


def test_size_conditioning(mini_family: MiniFamily) -> None:
    tuning = Tuning(sdxl_crop_top=8, sdxl_crop_left=16, refiner_low_score=2.0, refiner_high_score=7.0)
    base = condition(load(mini_family("sdxl")), "gato", "feo", size=(512, 768), tuning=tuning)
    for part in (base.positive[0], base.negative):
        assert part.at(0).added["time_ids"].tolist() == [[512, 768, 8, 16, 512, 768]]
    refiner = condition(load(mini_family("refiner")), "gato", "feo", size=(512, 768), tuning=tuning)
    assert refiner.positive[0].at(0).added["time_ids"].tolist() == [[512, 768, 8, 16, 7]]
    assert refiner.negative.at(0).added["time_ids"].tolist() == [[512, 768, 8, 16, 2]]


def test_an_empty_negative_prompt_is_zeros(mini_family: MiniFamily) -> None:
    for name in ("sdxl", "refiner"):
        model = load(mini_family(name))
        made = condition(model, "", "")
        assert not made.negative.at(0).tokens.any()
        assert not made.negative.at(0).added["text_embeds"].any()
        assert made.negative.at(0).added["time_ids"].any()
        assert made.positive[0].at(0).tokens.any()
        assert made.positive[0].at(0).added["text_embeds"].any()
        assert condition(model, "", " ").negative.at(0).tokens.any()
    assert condition(load(mini_family("sd2")), "", "").negative.at(0).tokens.any()


def test_editing_has_a_pooled_vector_for_each_text(mini_sdxl: Path) -> None:
    model = load(mini_sdxl)
    part = condition(model, "[gato:perro:0.5]").positive[0]
    for call, text in ((0, "gato"), (4, "perro")):
        alone = condition(model, text).positive[0].at(0)
        assert torch.allclose(part.at(call).added["text_embeds"], alone.added["text_embeds"], atol=1e-5)
        assert part.at(call).added["time_ids"].shape == (1, 6)


@pytest.mark.parametrize("name", ["sdxl", "refiner"])
def test_the_unet_reads_the_vector_of_the_paper(name: str, mini_family: MiniFamily) -> None:
    """Pooled text, then for each number 128 cosines and 128 sines of geometric frequencies."""
    model = load(mini_family(name))
    context = condition(model, "gato", size=(512, 768)).positive[0].at(0)
    seen: list[Tensor] = []
    handle = model.unet.add_embedding.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    with torch.inference_mode():
        model.unet(torch.zeros(1, 4, 8, 8), torch.tensor([1.0]), context.tokens, added_cond_kwargs=dict(context.added))
    handle.remove()
    angles = context.added["time_ids"][0, :, None] * 10000 ** (-torch.arange(128) / 128)
    numbers = torch.cat([angles.cos(), angles.sin()], dim=1).flatten()
    expected = torch.cat([context.added["text_embeds"][0], numbers])
    assert torch.allclose(seen[0][0], expected, atol=1e-4)


# --- UNet -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "refiner"])
@pytest.mark.parametrize("inpaint", [False, True])
def test_unet_names_are_diffusers(name: str, inpaint: bool, mini_family: MiniFamily) -> None:
    path = mini_family(name, inpaint=inpaint)
    unet = load(path).unet
    config = dict(unet.config)
    assert config["in_channels"] == (9 if inpaint else 4)
    theirs = convert_ldm_unet_checkpoint(load_file(path), config | {"class_embed_type": None})
    ours = unet.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[key], theirs[key].float().reshape(ours[key].shape)) for key in ours)


def test_full_sizes() -> None:
    """The configurations that diffusers' hub repositories give the full models, from our drawing of their shapes."""
    from sdcolab.engine.convert import Shapes, renamed, unet_config, unet_layers, unet_rename
    from tools.make_random_families import FAMILIES
    from tools.make_random_sd15 import Draw, draw_unet

    class ShapesOnly(Draw):
        def normal(self, name: str, shape: tuple[int, ...], deviation: float = 1.0) -> Tensor:
            return torch.empty(tuple(shape), device="meta")

    expected = {
        "sd2": (ModelFamily.SD2, (5, 10, 20, 20), (1, 1, 1, 1), 1024, 865_910_724),
        "sdxl": (ModelFamily.SDXL, (5, 10, 20), (1, 2, 10), 2048, 2_567_463_684),
        "refiner": (ModelFamily.SDXL_REFINER, (6, 12, 24, 24), (1, 4, 4, 4), 1280, None),
    }
    for name, (family, heads, depths, width, count) in expected.items():
        draw = ShapesOnly(0, torch.float16)
        with torch.device("meta"):
            draw_unet(draw, FAMILIES[name].sizes)
        names = renamed(draw.tensors, UNET, unet_rename(unet_layers(draw.tensors)))
        shapes = Shapes({new: tuple(draw.tensors[old].shape) for new, old in names.items()})
        config = unet_config(shapes, LOADED[family].layout, unet_layers(draw.tensors))
        assert config["attention_head_dim"] == heads
        assert config["transformer_layers_per_block"] == depths
        assert config["cross_attention_dim"] == width
        assert config["use_linear_projection"]
        with torch.device("meta"):
            unet = UNet2DConditionModel(**config)
        assert unet.state_dict().keys() == shapes.keys()
        assert count is None or sum(parameter.numel() for parameter in unet.parameters()) == count


# --- What the model predicts ------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Write:
    """Writes ``source`` with ``changes`` (None drops a tensor), metadata and a configuration beside it."""

    def save(
        source: Path,
        changes: dict[str, Tensor | None] | None = None,
        metadata: dict[str, str] | None = None,
        config: str | None = None,
    ) -> Path:
        merged = {key: tensor for key, tensor in (load_file(source) | (changes or {})).items() if tensor is not None}
        save_file(merged, tmp_path / "copia.safetensors", metadata=metadata)
        if config is not None:
            (tmp_path / "copia.yaml").write_text(config)
        return tmp_path / "copia.safetensors"

    return save


def test_sd2_is_probed(mini_family: MiniFamily) -> None:
    plain, velocity = load(mini_family("sd2")), load(mini_family("sd2-v"))
    assert (plain.prediction, plain.detected.native_size) == (Prediction.EPSILON, 512)
    assert (velocity.prediction, velocity.detected.native_size) == (Prediction.V, 768)
    assert load(mini_family("sd2-v", inpaint=True)).prediction is Prediction.EPSILON
    assert not velocity.zero_terminal_snr


EPSILON_CONFIG = "model:\n  params:\n    linear_start: 0.00085\n"
V_CONFIG = EPSILON_CONFIG + '    parameterization: "v"  # como en SD 2\n'
SDXL_V_CONFIG = "scaling_config:\n  target: sgm.modules.diffusionmodules.denoiser_scaling.VScaling\n"
V_KEY: State = {"v_pred": torch.zeros(0)}


@pytest.mark.parametrize(
    ("family", "changes", "metadata", "config", "expected"),
    [
        ("sd2-v", {}, {}, EPSILON_CONFIG, Prediction.EPSILON),
        ("sd2", {}, {}, V_CONFIG, Prediction.V),
        ("sd1", {}, {}, V_CONFIG, Prediction.V),
        ("sdxl", {}, {}, None, Prediction.EPSILON),
        ("sdxl", {}, {}, SDXL_V_CONFIG, Prediction.V),
        ("sdxl", V_KEY, {}, None, Prediction.V),
        ("sdxl", V_KEY, {}, EPSILON_CONFIG, Prediction.EPSILON),
        ("sdxl", {}, {"modelspec.prediction_type": "v"}, None, Prediction.V),
        ("sdxl", {}, {"modelspec.prediction_type": "epsilon"}, None, Prediction.EPSILON),
    ],
)
def test_what_is_declared_wins(
    family: str,
    changes: State,
    metadata: dict[str, str],
    config: str | None,
    expected: Prediction,
    mini_family: MiniFamily,
    copy: Write,
) -> None:
    assert load(copy(mini_family(family), changes, metadata, config)).prediction is expected


def test_zero_terminal_snr_is_marked(mini_sdxl: Path, copy: Write) -> None:
    model = load(copy(mini_sdxl, {"ztsnr": torch.zeros(()), **V_KEY}))
    assert model.zero_terminal_snr
    assert model.prediction is Prediction.V


def test_a_declared_size_wins(mini_family: MiniFamily, copy: Write) -> None:
    model = load(copy(mini_family("sd2"), metadata={"modelspec.resolution": "640x640"}))
    assert model.detected.native_size == 640


# --- Files that are otherwise -----------------------------------------------------------------------------------------


def test_projection_saved_as_a_linear_layer(mini_sdxl: Path, copy: Write) -> None:
    matrix = load_file(mini_sdxl)[f"{SDXL_G}text_projection"]
    changes = {f"{SDXL_G}text_projection": None, f"{SDXL_G}text_projection.weight": matrix.T.contiguous()}
    other = load(copy(mini_sdxl, changes)).text_encoders[1].projection
    assert other is not None
    assert torch.equal(other, matrix.float())


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [
        ({f"{SDXL_G}text_projection": None}, "text_projection"),
        ({f"{UNET}label_emb.0.0.weight": torch.zeros(128, 99)}, "label_emb"),
        ({f"{SDXL_G}transformer.resblocks.1.attn.in_proj_bias": None}, "_proj.bias"),
        ({f"{SDXL_G}transformer.resblocks.1.attn.in_proj_bias": torch.zeros(())}, "_proj.bias"),
        ({f"{SDXL_G}ln_final.weight": None}, "final_layer_norm.weight"),
    ],
)
def test_incomplete_files(changes: dict[str, Tensor | None], tensor: str, mini_sdxl: Path, copy: Write) -> None:
    with pytest.raises(ModelIncomplete) as caught:
        load(copy(mini_sdxl, changes))
    assert tensor in caught.value.tensor


def test_a_checkpoint_without_vae_says_to_choose_one(mini_sdxl: Path, copy: Write) -> None:
    inside = [name for name in open_weights(mini_sdxl).header.tensors if name.startswith("first_stage_model.")]
    path = copy(mini_sdxl, dict.fromkeys(inside))
    with pytest.raises(ModelWithoutVae) as caught:
        load_vae(path, CPU, torch.float32, ModelFamily.SDXL)
    assert "Elige uno como VAE" in str(explain(caught.value))


def test_unclip_is_refused_in_spanish(mini_family: MiniFamily, copy: Write) -> None:
    path = copy(mini_family("sd2"), {f"{UNET}label_emb.0.0.weight": torch.zeros(256, 64)})
    with pytest.raises(ModelFamilyUnsupported) as caught:
        load(path)
    assert "SD2 unCLIP" in str(explain(caught.value))


def test_latent_scales(mini_family: MiniFamily) -> None:
    assert load_vae(mini_family("sdxl"), CPU, torch.float32, ModelFamily.SDXL).config.scaling_factor == 0.13025
    assert load_vae(mini_family("sd2"), CPU, torch.float32, ModelFamily.SD2).config.scaling_factor == 0.18215


# --- Textual inversion ------------------------------------------------------------------------------------------------


def test_sdxls_embeddings_reach_both_encoders(mini_sdxl: Path, folders: Folders) -> None:
    place = folders.models(ModelKind.EMBEDDING)
    place.mkdir(parents=True)
    of_l, of_g = (torch.randn(2, width, generator=torch.Generator().manual_seed(width)) for width in (64, 128))
    save_file({"clip_l": of_l, "clip_g": of_g}, place / "xyz.safetensors")
    model, state = load(mini_sdxl), load_file(mini_sdxl)
    warnings: list[SdcolabError] = []
    shelf = EmbeddingShelf(Library(folders), model.embedding_width, HashCache(), warnings.append)
    made = condition(model, "un xyz", vocabulary=shelf.occurring)
    assert [one.name for one in made.embeddings] == ["xyz"]
    # The same from a vocabulary in which two words are these vectors.
    first, second = tokenizer.load().encode("cat dog")
    token_embedding = state[f"{SDXL_G}token_embedding.weight"].float()
    token_embedding[[first, second]] = of_g
    changed = state | {f"{SDXL_G}token_embedding.weight": token_embedding}
    expected = transformer(changed, SDXL_G, ids("un cat dog", Flavour.OPEN_CLIP))[-4]
    assert torch.allclose(made.positive[0].at(0).tokens[..., 64:], expected, atol=1e-4)
    plain = condition(model, "un cat dog").positive[0].at(0).tokens
    assert not torch.allclose(made.positive[0].at(0).tokens[:, 2:4, :64], plain[:, 2:4, :64], atol=1e-2)
    assert not warnings


# --- Whole generations ------------------------------------------------------------------------------------------------


@pytest.fixture
def engine_with(folders: Folders, make_engine: Callable[..., Engine]) -> Callable[[Path], Engine]:
    """An engine whose folder has the checkpoint ``path`` too, under its own name."""

    def made(path: Path) -> Engine:
        (folders.models(ModelKind.CHECKPOINT) / path.name).hardlink_to(path)
        return make_engine()

    return made


@pytest.mark.parametrize("name", ["sd2-v", "sdxl"])
@pytest.mark.parametrize("inpaint", [False, True])
def test_generation(name: str, inpaint: bool, mini_family: MiniFamily, engine_with: Callable[[Path], Engine]) -> None:
    path = mini_family(name, inpaint=inpaint)
    engine = engine_with(path)
    request = replace(REQUEST, checkpoint=path.stem, batch_size=2)
    first, second = engine.generate(request).images
    assert first.image.tobytes() != second.image.tobytes()
    alone = engine.generate(replace(request, batch_size=1, seed=second.seed)).images[0]
    difference = torch.tensor(list(alone.image.tobytes())) - torch.tensor(list(second.image.tobytes()))
    assert difference.abs().max() <= 1  # another batch size may round otherwise
    again = engine.generate(replace(request, batch_size=1, seed=second.seed)).images[0]
    assert again.image.tobytes() == alone.image.tobytes()
    other = engine.generate(replace(request, batch_size=1, seed=second.seed, prompt="un perro")).images[0]
    assert other.image.tobytes() != alone.image.tobytes()


def test_numbers_that_overflow_are_told(mini_sdxl: Path, copy: Write, engine_with: Callable[[Path], Engine]) -> None:
    path = copy(mini_sdxl, {f"{UNET}out.2.bias": torch.full((4,), math.nan)})
    with pytest.raises(ImageNotFinite) as caught:
        engine_with(path).generate(replace(REQUEST, checkpoint=path.stem))
    assert "copia" in str(explain(caught.value))


def test_the_families_that_downloads_call_usable_are_those_that_load() -> None:
    from sdcolab.downloads.report import RUNS_TODAY

    assert set(LOADED) == RUNS_TODAY
