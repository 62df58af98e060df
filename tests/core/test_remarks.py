"""What is said of a request while it is being written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.regions import Regions
from sdcolab.core.remarks import Draft, Remarks

_DOWN = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


@pytest.fixture
def remarks(tmp_path: Path) -> Remarks:
    folders = Folders(tmp_path)
    for kind, name, tensors in (
        (ModelKind.LORA, "otra familia", {_DOWN: np.zeros((4, 2048), np.float16)}),
        (ModelKind.LORA, "mía", {_DOWN: np.zeros((4, 768), np.float16)}),
        (ModelKind.CHECKPOINT, "modelo", _checkpoint()),
        (ModelKind.CHECKPOINT, "otra arquitectura", {"model.double_layers.0.attn.w1q.weight": np.zeros((8, 8))}),
    ):
        path = folders.models(kind) / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path)
    for kind, name in ((ModelKind.LORA, "comprimido.zip"), (ModelKind.HYPERNETWORK, "cuanto.gguf")):
        path = folders.models(kind) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return Remarks(Library(folders), lambda: {"EasyNegative": ModelFamily.SD1}, lambda _file: 512)


def _checkpoint() -> dict[str, np.ndarray]:
    unet = "model.diffusion_model."
    return {
        f"{unet}input_blocks.0.0.weight": np.zeros((8, 4, 3, 3), np.float16),
        f"{unet}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": np.zeros((8, 768), np.float16),
        "first_stage_model.decoder.conv_in.weight": np.zeros((8, 4, 3, 3), np.float16),
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": np.zeros((10, 768), np.float16),
    }


@pytest.mark.parametrize(
    ("draft", "codes"),
    [
        (Draft("un gato, (bonito:1.2), [día|noche], <lora:mía:1>", width=512, height=768), ()),
        (Draft("{gato|perro} de __color__"), ("grids.symbol_without_script",) * 2),
        (Draft("{gato|perro} de __color__", script="dynamic"), ()),
        (Draft("gato|perro"), ("grids.symbol_without_script",)),
        (Draft("gato|perro", script="matrix"), ()),
        (Draft("a cat --ar 3:2 --s 250"), ("request.options_in_prompt",)),
        (Draft("gato", "EasyNegative"), ("request.embedding_missing",)),
        (Draft("(gato:1,2)"), ("request.decimal_comma",)),
        (Draft("(gato:1.2.3)"), ("request.prompt_syntax",)),
        (Draft("(" * 300 + "gato", "[a|" * 300), ("request.too_many_brackets",) * 2),
        (Draft("(" * 300 + "gato", script="dynamic"), ()),
        (Draft("gato <lora:falta:1> <hypernet:tampoco:1>"), ("request.lora_missing", "request.hypernetwork_missing")),
        (Draft("gato <lora:comprimido:1> <hypernet:cuanto:1>"), ("request.foreign_left_out",) * 2),
        (Draft("gato <lora:mía:mucho> <hypernet:h:1.x>"), ("request.network_strength_unread",) * 2),
        (Draft("gato <lora:mía:0.8:IN02>"), ()),
        (Draft("gato <lora:otra familia:1>"), ("model.lora_wrong_family",)),
        (Draft("gato", checkpoint="otra arquitectura.safetensors"), ("model.family_unsupported",)),
        (Draft("gato", width=1024, height=512), ("request.size_beyond_native",)),
        (Draft("gato", width=1024, height=512, from_picture=True), ()),
        (Draft("# (gato:1,2)\ngato"), ()),
        (Draft("calle AND gato AND perro", regions=Regions()), ("control.regions_at_work",)),
        (Draft("gato", regions=Regions()), ("control.regions_alone",)),
        (Draft("gato", regions=Regions(), script="dynamic"), ()),
        (Draft("gato AND perro"), ()),
    ],
)
def test_what_is_said(remarks: Remarks, draft: Draft, codes: tuple[str, ...]) -> None:
    said = remarks.of(replace(draft, checkpoint=draft.checkpoint or "modelo.safetensors"))
    assert tuple(one.code for one in said) == codes


def test_a_model_that_is_gone_says_nothing_here(remarks: Remarks) -> None:
    assert list(remarks.of(Draft("gato", checkpoint="otro.safetensors", width=2048, height=2048))) == []
