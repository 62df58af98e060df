"""Sentences by BLIP and Florence-2: miniatures with random weights, in their own process, all the way to the caption
files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BlipConfig, BlipForConditionalGeneration, Florence2Config, Florence2ForConditionalGeneration

from sdcolab.core.describing import Describe
from sdcolab.core.errors import Cancelled, CannotRead, CaptionerCrashed, UnknownName
from sdcolab.core.events import CancelToken, Event, Note, StepDone
from sdcolab.core.finishing import Caption
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import Enlarge, Tools
from sdcolab.core.training import PictureWork, PreparePictures
from sdcolab.core.upscaling import Enlargement
from sdcolab.core.words import explain
from sdcolab.training.bases import CAPTIONERS
from sdcolab.training.captioner import CLIP_COLOURS, Captioner, pixels_of
from sdcolab.training.quick import draw_pictures, draw_zorp
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.enlarging import enlarge_pictures
from sdcolab.wiring.trainer import sentences_of
from sdcolab.wiring.training_tasks import describe, prepare_pictures

BLIP, FLORENCE = "BLIP base (oraciones para fotos)", "Florence-2 base (oraciones para fotos)"
WORDS = ("[PAD]", "[DEC]", "[SEP]", "[UNK]", "[IMG]", *(f"palabra{number}" for number in range(28)))


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
    save_words(folder)


def make_florence(folder: Path) -> None:
    """The smallest model of Florence-2's layout, which reads pictures of 64 pixels, with its tokenizer."""
    folder.mkdir(parents=True)
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": len(WORDS),
            "d_model": 16,
            "max_position_embeddings": 200,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 16,
            "decoder_ffn_dim": 16,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": 2,
        },
        vision_config={
            "depths": [1] * 4,
            "embed_dim": [8, 8, 8, 16],
            "num_heads": [1] * 4,
            "num_groups": [1] * 4,
            "window_size": 2,
            "projection_dim": 16,
            "max_position_embeddings": 10,
        },
        image_token_id=4,
    )
    torch.manual_seed(0)
    Florence2ForConditionalGeneration(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')
    save_words(folder)


def save_words(folder: Path) -> None:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens([*WORDS[:5]])
    words.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(("name", "make"), [(BLIP, make_blip), (FLORENCE, make_florence)], ids=["blip", "florence"])
def test_photographs_get_sentences(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    pictures = tmp_path / "lora_training" / "datasets" / "fotos" / "10_x"
    draw_pictures(pictures, 2)
    (pictures / "rota.png").write_bytes(b"no")
    make(tmp_path / "models" / "taggers" / CAPTIONERS[name].repository.rpartition("/")[2])
    (pictures / "zorp_01.txt").write_text("ya está", encoding="utf-8")
    (pictures / "zorp_00.txt").unlink()
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library), {**os.environ, "OMP_NUM_THREADS": "1"})
    told: list[str] = []
    steps: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, Note):
            told.append(event.text)
        if isinstance(event, StepDone):
            steps.append(event.step)

    task = PreparePictures("fotos", PictureWork.TAG, name, only_bare=True)
    prepare_pictures(task, tools, hear, CancelToken())
    caption = (pictures / "zorp_00.txt").read_text(encoding="utf-8").split()
    assert len(caption) >= 5
    assert set(caption) <= set(WORDS[4:])
    assert not (pictures / "rota.txt").exists()
    assert any(line.startswith("⚠️ rota.png") for line in told)
    assert any("1 imagen descrita" in line for line in told)
    assert (pictures / "zorp_01.txt").read_text(encoding="utf-8") == "ya está"
    assert steps == [0, 1, 2]
    cancelled = CancelToken()
    cancelled.cancel()
    with pytest.raises(Cancelled):
        prepare_pictures(PreparePictures("fotos", PictureWork.TAG, name), tools, hear, cancelled)


def test_finished_pictures_get_sentences_too(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    make_blip(tmp_path / "models" / "taggers" / CAPTIONERS[BLIP].repository.rpartition("/")[2])
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library), {**os.environ, "OMP_NUM_THREADS": "1"})
    events: list[Event] = []
    pictures = draw_zorp(0)[0], draw_zorp(1)[0].convert("RGBA")
    describe(Describe(pictures, BLIP), tools, events.append, CancelToken())
    told = [event.text for event in events if isinstance(event, Note)]
    assert len(told) == 2 and all(set(one.split()) <= set(WORDS[4:]) for one in told)
    wanted = Enlarge(pictures[:1], Enlargement("Lanczos", 2.0), caption=Caption(BLIP))
    enlarge_pictures(wanted, tools, events.append, CancelToken())
    (text,) = folders.extras.rglob("*.txt")
    assert set(text.read_text(encoding="utf-8").split()) <= set(WORDS[4:])
    with pytest.raises(UnknownName) as unknown:
        describe(Describe(pictures, "blop"), tools, events.append, CancelToken())
    assert explain(unknown.value).text == "No existe el tagger «blop»."


def test_a_model_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptionerCrashed):
        list(sentences_of(tmp_path, [tmp_path / "a.png"], os.environ))
    make_blip(tmp_path / "otro")
    (tmp_path / "otro" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CannotRead):
        Captioner(tmp_path / "otro")


def test_pixels_are_clips() -> None:
    pixels = pixels_of(draw_zorp(0)[0], 32, *CLIP_COLOURS)
    assert pixels.shape == (3, 32, 32)
    assert pixels[0, 0, 0] == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-4)
