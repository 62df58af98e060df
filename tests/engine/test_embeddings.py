"""Textual inversion: layouts of files, matching in prompts, vectors in the text encoder, and hashes."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file
from torch import Tensor, nn

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import (
    EmbeddingMissing,
    EmbeddingOtherFamily,
    EmbeddingSkipped,
    EmbeddingUnreadable,
    ModelUnreadable,
    ModelUnsafe,
    SdcolabError,
)
from sdcolab.core.events import CancelToken, Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.prompt import parse_attention
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import Generate, Tools
from sdcolab.engine import tokenizer
from sdcolab.engine.conditioning import Conditioning, TextConditioner
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.embeddings import EmbeddingShelf, read_embedding, read_vectors
from sdcolab.engine.hashes import HashCache, sha256
from sdcolab.engine.models import LoadedModel, load_checkpoint
from sdcolab.engine.weights import open_weights
from sdcolab.wiring.tasks import generate

WIDTH = 64
REQUEST = GenerationRequest(prompt="un gato", sampler="Euler", steps=1, seed=7, width=64, height=64)


@pytest.fixture(scope="module")
def model(mini_checkpoint: Path) -> LoadedModel:
    return load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float32)


@pytest.fixture
def conditioner(model: LoadedModel) -> TextConditioner:
    return TextConditioner(model)


@pytest.fixture
def place(folders: Folders) -> Path:
    place = folders.models(ModelKind.EMBEDDING)
    place.mkdir(parents=True)
    return place


Condition = Callable[..., Conditioning]


@pytest.fixture
def condition(conditioner: TextConditioner, folders: Folders) -> Condition:
    """Conditions a prompt with the embeddings in the folder; warnings go to the list ``warnings``."""

    def run(prompt: str, negative: str = "", warnings: list[SdcolabError] | None = None) -> Conditioning:
        warn = ([] if warnings is None else warnings).append
        shelf = EmbeddingShelf(Library(folders), WIDTH, HashCache(), warn)
        return conditioner.condition(
            prompt, negative, steps=4, second_order=False, clip_skip=1, vocabulary=shelf.occurring
        )

    return run


def vectors(count: int, width: int = WIDTH) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def encoded_with(model: LoadedModel, text: str, at: int, rows: Tensor) -> Tensor:
    """The encoder's output for ``text`` with ``rows`` written over its token embeddings from ``at`` on."""
    chunks = tokenizer.chunk(parse_attention(text), tokenizer.load())
    tokens = torch.tensor([chunk.tokens for chunk in chunks])

    def write(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        return torch.cat([output[:, :at], rows[None, : 77 - at], output[:, at + len(rows) :]], dim=1)

    handle = model.text_encoder.get_input_embeddings().register_forward_hook(write)
    with torch.inference_mode():
        z = model.text_encoder(tokens).last_hidden_state
    handle.remove()
    return z


# --- Files ------------------------------------------------------------------------------------------------------------


def old_pickle(path: Path) -> None:
    torch.save({"string_to_param": nn.ParameterDict({"*": nn.Parameter(vectors(2))}), "step": 1}, path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.safetensors", lambda path: save_file({"emb_params": vectors(2)}, path)),
        ("a.pt", lambda path: torch.save({"string_to_param": {"*": vectors(2)}, "name": "b", "step": 3}, path)),
        ("a.pt", lambda path: torch.save({"string_to_param": {"*": nn.Parameter(vectors(2))}}, path)),
        ("a.pt", old_pickle),
        ("a.bin", lambda path: torch.save({"<gato>": vectors(2)}, path)),
        ("a.bin", lambda path: torch.save({"<gato>": vectors(2).half()}, path)),
    ],
)
def test_layouts(name: str, save: Callable[[Path], None], tmp_path: Path) -> None:
    save(tmp_path / name)
    found = read_vectors(tmp_path / name)
    assert found.dtype == torch.float32
    assert torch.allclose(found, vectors(2), atol=2e-3)


def test_one_vector_without_rows(tmp_path: Path) -> None:
    torch.save({"<gato>": vectors(1)[0]}, tmp_path / "a.bin")
    assert torch.equal(read_vectors(tmp_path / "a.bin"), vectors(1))


@pytest.mark.parametrize("names", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")])
def test_sdxls_two_encoders_are_side_by_side(tmp_path: Path, names: tuple[str, str]) -> None:
    save_file({names[1]: vectors(2, 1280), names[0]: vectors(2, 768)}, tmp_path / "a.safetensors")
    told = detect(open_weights(tmp_path / "a.safetensors").header)
    assert (told.kind, told.family) == (ModelKind.EMBEDDING, ModelFamily.SDXL)
    assert torch.equal(read_vectors(tmp_path / "a.safetensors"), torch.cat([vectors(2, 768), vectors(2, 1280)], dim=1))


def test_files_that_are_none(tmp_path: Path) -> None:
    save_file({"a": vectors(2), "b": vectors(2)}, tmp_path / "two.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"string_to_param": {"*": print}}, tmp_path / "code.pt")
    (tmp_path / "text.pt").write_text("hola")
    (tmp_path / "nada.pt").touch()
    for name, error in (
        ("nada.pt", ModelUnreadable),
        ("two.safetensors", ModelUnreadable),
        ("list.pt", ModelUnreadable),
        ("text.pt", ModelUnreadable),
    ):
        with pytest.raises(error):
            read_vectors(tmp_path / name)
    with pytest.raises(ModelUnsafe):
        read_vectors(tmp_path / "code.pt")


# --- Pictures ---------------------------------------------------------------------------------------------------------


def as_json(name: str, rows: Tensor) -> bytes:
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": rows.tolist()}}, "name": name}
    return json.dumps(content).encode()


def with_text(path: Path, name: str, rows: Tensor) -> None:
    """A PNG with an embedding in its text, as AUTOMATIC1111 saves it."""
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(as_json(name, rows)).decode())
    picture(64, 48).save(path, pnginfo=info)


def generator() -> Iterator[int]:
    """The pseudo-random numbers that hide the data, one by one."""
    state = 0
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state % 255


def picture(width: int, height: int) -> Image.Image:
    numbers = np.random.default_rng(0).integers(1, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(numbers | 1)


def with_pixels(path: Path, name: str, rows: Tensor, border: int = 0) -> None:
    """A picture with an embedding in the low bits beside it; the high bits show a pattern."""
    height = 48
    data = np.frombuffer(zlib.compress(as_json(name, rows), 9), dtype=np.uint8)
    data = np.resize(data, -(-len(data) // (height * 3)) * height * 3).reshape(height, -1, 3)
    numbers = generator()
    mask = np.array([next(numbers) & 15 for _ in range(data.size)], dtype=np.uint8).reshape(data.shape)
    pattern = np.random.default_rng(1).integers(1, 16, data.shape, dtype=np.uint8) << 4
    left, right = (((part ^ mask) | pattern) for part in (data & 15, data >> 4))
    divider = np.zeros((height, 1, 3), dtype=np.uint8)
    whole = np.concatenate([left, divider, np.asarray(picture(64, height)), divider, right], axis=1)
    whole = np.pad(whole, ((border, border), (border, border), (0, 0)))
    Image.fromarray(whole).save(path, lossless=True)


@pytest.mark.parametrize("save", [with_text, with_pixels])
def test_pictures_hold_embeddings(save: Callable[..., None], tmp_path: Path) -> None:
    save(tmp_path / "a.png", "mi estilo", vectors(3))
    found = read_embedding(tmp_path / "a.png")
    assert found is not None
    assert found.name == "mi estilo"
    assert torch.allclose(found.vectors, vectors(3))


def test_pixels_in_webp_and_inside_a_black_border(tmp_path: Path) -> None:
    with_pixels(tmp_path / "a.webp", "x", vectors(2), border=5)
    found = read_embedding(tmp_path / "a.webp")
    assert found is not None
    assert torch.allclose(found.vectors, vectors(2))


def test_pictures_without_embeddings(tmp_path: Path) -> None:
    picture(64, 48).save(tmp_path / "plain.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "black.png")
    with_pixels(tmp_path / "lossless.png", "x", vectors(2))
    Image.open(tmp_path / "lossless.png").save(tmp_path / "lossy.webp", quality=50)
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(b'{"string_to_param": {"*": {"TORCHTENSOR": "no"}}}').decode())
    picture(9, 9).save(tmp_path / "odd.png", pnginfo=info)
    (tmp_path / "text.png").write_text("hola")
    for name in ("plain.png", "black.png", "lossy.webp", "odd.png", "text.png"):
        assert read_embedding(tmp_path / name) is None, name


def test_a_picture_is_called_as_it_says(condition: Condition, place: Path) -> None:
    with_text(place / "archivo.png", "xyz", vectors(2))
    with_text(place / "otro.preview.png", "abc", vectors(2))
    picture(64, 48).save(place / "gato.png")
    made = condition("un gato xyz abc archivo")
    assert [embedding.name for embedding in made.embeddings] == ["xyz"]


# --- In prompts -------------------------------------------------------------------------------------------------------


def test_vectors_stand_in_for_the_name(model: LoadedModel, condition: Condition, place: Path) -> None:
    save_file({"emb_params": vectors(3)}, place / "EasyNegative.safetensors")
    made = condition("un gato", "feo, easynegative, malo")
    # Three slots between "feo," and ", malo": any three tokens hold the same places.
    at = 1 + len(tokenizer.load().encode("feo,"))
    expected = encoded_with(model, "feo, a a a, malo", at, vectors(3))
    assert torch.allclose(made.negative.at(0).tokens, expected, atol=1e-5)
    assert torch.equal(made.positive[0].at(0).tokens, condition("un gato").positive[0].at(0).tokens)
    assert [embedding.name for embedding in made.embeddings] == ["EasyNegative"]
    assert not condition("un gato").embeddings


def test_weights_apply_to_all_slots(condition: Condition, place: Path) -> None:
    save_file({"emb_params": vectors(2)}, place / "xyz.safetensors")
    ratio = (condition("(xyz:1.5) b").positive[0].at(0).tokens / condition("xyz b").positive[0].at(0).tokens).mean(-1)[
        0
    ]
    assert torch.allclose(ratio[1:3] / ratio[0], torch.tensor([1.5, 1.5]), rtol=1e-4)
    assert torch.allclose(ratio[3], ratio[0], rtol=1e-4)


def test_editing_and_several_texts(model: LoadedModel, condition: Condition, place: Path) -> None:
    save_file({"emb_params": vectors(2)}, place / "xyz.safetensors")
    made = condition("[gato:xyz:0.5]")
    assert torch.allclose(made.positive[0].at(0).tokens, condition("gato").positive[0].at(0).tokens, atol=1e-5)
    assert torch.allclose(made.positive[0].at(3).tokens, encoded_with(model, "a a", 1, vectors(2)), atol=1e-5)


def test_more_vectors_than_a_chunk_are_cut(model: LoadedModel, condition: Condition, place: Path) -> None:
    save_file({"emb_params": vectors(90)}, place / "xyz.safetensors")
    made = condition("xyz")
    assert made.positive[0].at(0).tokens.shape == (1, 77, WIDTH)
    assert torch.allclose(made.positive[0].at(0).tokens, encoded_with(model, "a " * 75, 1, vectors(90)), atol=1e-5)


def test_names_with_punctuation_and_blanks(condition: Condition, place: Path) -> None:
    for name in ("bad-hands-5", "mi estilo", "x(y)"):
        save_file({"emb_params": vectors(2)}, place / f"{name}.safetensors")
    made = condition(r"Bad-Hands-5, Mi  Estilo, x\(y\)")
    assert {embedding.name for embedding in made.embeddings} == {"bad-hands-5", "mi estilo", "x(y)"}
    assert not condition("bad-hands miestilo x(y)").embeddings


def test_another_width_is_skipped_with_one_warning(condition: Condition, place: Path) -> None:
    save_file({"emb_params": vectors(2, 768)}, place / "xyz.safetensors")
    warnings: list[SdcolabError] = []
    made = condition("xyz", "xyz", warnings)
    assert not made.embeddings
    (warning,) = warnings
    assert isinstance(warning, EmbeddingSkipped)
    assert (warning.width, warning.model_width) == (768, WIDTH)


def test_files_that_no_prompt_names_are_not_opened(condition: Condition, place: Path) -> None:
    (place / "roto.pt").write_text("hola")
    (place / "vacio.pt").touch()
    (place / "xyz.preview.pt").write_text("hola")
    condition("un gato vacio xyz.preview")


def test_a_repeated_prompt_encodes_nothing_until_its_file_changes(
    model: LoadedModel, condition: Condition, place: Path
) -> None:
    calls: list[int] = []
    handle = model.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    save_file({"emb_params": vectors(2)}, place / "xyz.safetensors")
    first = condition("xyz", "feo")
    assert len(calls) == 2
    assert condition("xyz", "feo").embeddings == first.embeddings != ()
    assert len(calls) == 2
    (place / "xyz.safetensors").unlink()
    save_file({"emb_params": vectors(3)}, place / "xyz.safetensors")
    condition("xyz", "feo")
    assert len(calls) == 3
    handle.remove()


# --- In the engine ----------------------------------------------------------------------------------------------------


def test_a_request_with_embeddings(engine: Engine, place: Path) -> None:
    request = replace(REQUEST, prompt="un gato xyz", negative_prompt="EasyNegative, xyz")
    plain = engine.generate(request).images[0]
    assert "TI hashes" not in plain.infotext
    for name in ("EasyNegative", "xyz", "otro"):
        save_file({"emb_params": vectors(len(name))}, place / f"{name}.safetensors")
    made = engine.generate(request).images[0]
    hashes = [sha256(place / f"{name}.safetensors")[:12] for name in ("xyz", "EasyNegative")]
    assert f'TI hashes: "xyz: {hashes[0]}, EasyNegative: {hashes[1]}", Version: ' in made.infotext
    assert made.image.tobytes() != plain.image.tobytes()


def test_the_engine_tells_what_was_skipped(engine: Engine, place: Path) -> None:
    save_file({"emb_params": vectors(2, 768)}, place / "xyz.safetensors")
    events: list[Event] = []
    engine.generate(replace(REQUEST, prompt="xyz"), events.append)
    assert [type(event.warning) for event in events if isinstance(event, Warned)] == [EmbeddingSkipped]


def test_an_embedding_of_the_catalogue_that_is_not_here_is_told(engine: Engine, folders: Folders, place: Path) -> None:
    def absent(negative: str) -> list[str]:
        events: list[Event] = []
        asked = Generate(replace(REQUEST, negative_prompt=negative), save=False)
        generate(asked, Tools(folders, Library(folders), engine), events.append, CancelToken())
        told = [event.warning for event in events if isinstance(event, Warned)]
        return [error.name for error in told if isinstance(error, EmbeddingMissing)]

    assert absent("(easynegative:1.2), lowres") == ["EasyNegative"]
    assert absent("EasyNegativeV2") == []
    save_file({"emb_params": torch.ones(2, WIDTH)}, place / "EasyNegative.safetensors")
    assert absent("EasyNegative, lowres") == []


def test_an_embedding_of_another_family_is_not_offered(engine: Engine, folders: Folders, mini_sdxl: Path) -> None:
    shutil.copy(mini_sdxl, folders.models(ModelKind.CHECKPOINT) / "xl.safetensors")
    events: list[Event] = []
    asked = Generate(replace(REQUEST, checkpoint="xl", negative_prompt="EasyNegative"), save=False)
    generate(asked, Tools(folders, Library(folders), engine), events.append, CancelToken())
    (told,) = [event.warning for event in events if isinstance(event, Warned)]
    assert isinstance(told, EmbeddingOtherFamily)
    assert (told.family, told.model_family) == ("SD1", "SDXL")


def test_a_bad_file_is_told_where_its_name_is_a_word_and_troubles_nobody_else(folders: Folders) -> None:
    home = folders.models(ModelKind.EMBEDDING)
    home.mkdir(parents=True, exist_ok=True)
    (home / "gat.pt").write_bytes(b"PK\x03\x04no es un modelo")
    torch.save({"string_to_param": {"*": print}}, home / "malo.pt")
    (home / "roto.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told: list[SdcolabError] = []
    shelf = EmbeddingShelf(Library(folders), 768, HashCache(), told.append)
    assert shelf.occurring(["unas gatas, category, maloso"]) == ()
    assert told == []
    assert shelf.occurring(["una gat_negra, malo", "GAT"]) == ()
    assert [(one.path.name, one.reason) for one in told if isinstance(one, EmbeddingUnreadable)] == [
        ("gat.pt", "damaged"),
        ("malo.pt", "unsafe"),
    ]
