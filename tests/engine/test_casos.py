"""The tiny files of ``tests/data/casos``, as the engine takes them when they lie in a folder of models already."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdcolab.core.errors import ModelError
from sdcolab.core.words import explain
from sdcolab.engine.features.embeddings import read_vectors
from sdcolab.engine.models import load_checkpoint, load_vae
from sdcolab.engine.weights import open_weights

FILES = Path(__file__).parents[1] / "data" / "casos" / "archivos"
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anima.safetensors", "es para modelos Anima: es otra arquitectura, que esta versión todavía no sabe usar"),
        ("auraflow_pony7.safetensors", "es para modelos AuraFlow"),
        ("zimage_aio.safetensors", "es para modelos Z-Image"),
        ("playground25.safetensors", "es para modelos Playground v2.5"),
        ("anima_lora.safetensors", "es un LoRA"),
        ("ltxv_lora.safetensors", "es un LoRA"),
        ("peft_default.safetensors", "es un LoRA"),
        ("te1_sd1_diffusers.safetensors", "es un LoRA"),
        ("ae_flux.safetensors", "es un VAE"),
        ("t5_full.safetensors", "es un codificador de texto"),
        ("emb_two_tokens.safetensors", "es un embedding"),
        ("metanull.safetensors", "es un embedding"),
        ("trailing.safetensors", "es un embedding"),
        ("span.pth", "es un upscaler"),
        ("params-ema.pth", "es un upscaler"),
        ("lightning.ckpt", "faltan piezas"),
        ("lfs.safetensors", "git-lfs"),
        ("json", "un mensaje de error"),
        ("torchscript.pt", "TorchScript"),
    ],
)
def test_what_is_no_model_of_ours_is_told_for_what_it_is(name: str, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_checkpoint(open_weights(FILES / name), CPU, torch.float32)
    assert words in explain(raised.value).text


@pytest.mark.parametrize(("name", "words"), [("ae_flux", "(Flux)"), ("t5_full", "es un codificador de texto")])
def test_vaes_of_others_are_one_clear_sentence(name: str, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_vae(FILES / f"{name}.safetensors", CPU, torch.float32)
    assert words in explain(raised.value).text


@pytest.mark.parametrize(
    "name", ["metanull.safetensors", "trailing.safetensors", "emb_two_tokens.safetensors", "stp_module.pt"]
)
def test_embeddings_are_read(name: str) -> None:
    assert read_vectors(FILES / name).shape == (2, 768)


def test_every_case_has_a_test() -> None:
    tests = Path(__file__).parents[1]
    told = "".join(path.read_text(encoding="utf-8") for path in tests.rglob("test_*.py"))
    cases = [path for path in (tests / "data" / "casos").rglob("*") if path.is_file()]
    assert len(cases) == 40
    assert [path.name for path in cases if f'"{path.name}"' not in told] == []
