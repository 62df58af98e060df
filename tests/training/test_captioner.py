"""Sentences by BLIP: a miniature with random weights, in its own process, all the way to the caption files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BlipConfig, BlipForConditionalGeneration

from sdcolab.core.errors import TrainingCrashed
from sdcolab.core.events import CancelToken, Event, Note
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import Tools
from sdcolab.core.training import PictureWork, PreparePictures
from sdcolab.training.bases import CAPTIONERS
from sdcolab.training.captioner import pixels_of
from sdcolab.training.quick import draw_pictures, draw_zorp
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.trainer import sentences_of
from sdcolab.wiring.training_tasks import prepare_pictures

NAME, REPOSITORY = next(iter(CAPTIONERS.items()))
WORDS = ("[PAD]", "[DEC]", "[SEP]", "[UNK]", *(f"palabra{number}" for number in range(28)))


def make_blip(folder: Path) -> None:
    """The smallest model of BLIP's layout, with its tokenizer."""
    folder.mkdir(parents=True)
    sides = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sides, "vocab_size": len(WORDS), "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
    config = BlipConfig(
        text_config={**text, "pad_token_id": 0, "encoder_hidden_size": 16, "max_position_embeddings": 80},
        vision_config={**sides, "image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    torch.manual_seed(0)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens([*WORDS[:4]])
    words.save(str(folder / "tokenizer.json"))


def test_photographs_get_sentences(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    pictures = tmp_path / "lora_training" / "datasets" / "fotos" / "10_x"
    draw_pictures(pictures, 2)
    (pictures / "rota.png").write_bytes(b"no")
    make_blip(tmp_path / "models" / "taggers" / REPOSITORY.rpartition("/")[2])
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library), {**os.environ, "OMP_NUM_THREADS": "1"})
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Note):
            told.append(event.text)

    prepare_pictures(PreparePictures("fotos", PictureWork.TAG, NAME), tools, hear, CancelToken())
    caption = (pictures / "zorp_00.txt").read_text(encoding="utf-8").split()
    assert len(caption) >= 5
    assert set(caption) <= set(WORDS[4:])
    assert not (pictures / "rota.txt").exists()
    assert any(line.startswith("⚠️ rota.png") for line in told)
    assert any("2 imágenes descritas" in line for line in told)


def test_a_model_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingCrashed):
        list(sentences_of(tmp_path, [tmp_path / "a.png"], os.environ))


def test_pixels_are_clips() -> None:
    pixels = pixels_of(draw_zorp(0)[0], 32)
    assert pixels.shape == (3, 32, 32)
    assert pixels[0, 0, 0] == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-4)
