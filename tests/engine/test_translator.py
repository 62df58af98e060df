"""The translator: texts are cut as SentencePiece does, and random weights work in a process of their own."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import MarianConfig, MarianMTModel

from sdcolab.core.translating import TRANSLATOR_FILES
from sdcolab.engine.sentencepiece import load_unigram
from sdcolab.engine.translator import MOST_TOKENS, MarianTranslator
from sdcolab.process.asking import Asked
from sdcolab.process.environment import child_environ

DATA = Path(__file__).parents[1] / "data" / "traductor"
"""A model of 70 pieces that sentencepiece 0.2.3 trained, and what it makes of some texts (``piezas.json``)."""

CUT: list[tuple[str, list[str]]] = json.loads((DATA / "piezas.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traductor")
    (folder / "source.spm").write_bytes(gzip.decompress((DATA / "source.spm.gz").read_bytes()))
    (folder / "vocab.json").write_bytes((DATA / "vocab.json").read_bytes())
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    config = MarianConfig(
        vocab_size=len(vocab),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=256,
        pad_token_id=vocab["<pad>"],
        decoder_start_token_id=vocab["<pad>"],
        eos_token_id=0,
        forced_eos_token_id=0,
    )
    torch.manual_seed(3)
    made: Any = MarianMTModel(config)
    config.save_pretrained(folder)
    torch.save(made.state_dict(), folder / "pytorch_model.bin")
    assert all((folder / name).is_file() for name in TRANSLATOR_FILES)
    return folder


@pytest.mark.parametrize(("text", "pieces"), CUT, ids=[text for text, _ in CUT])
def test_texts_are_cut_as_sentencepiece_does(folder: Path, text: str, pieces: list[str]) -> None:
    assert load_unigram(folder / "source.spm").encode(text, add_special_tokens=False).tokens == pieces


@given(st.binary(max_size=300))
def test_no_file_breaks_the_reader_of_pieces(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "malo.spm"
    path.write_bytes(data)
    with pytest.raises(ValueError):
        load_unigram(path)


def test_translations_are_transformers_own_search_whatever_goes_with_them(folder: Path) -> None:
    translator = MarianTranslator(folder)
    alone = [translator.english([text])[0] for text in ("un gato rojo", "la luna llena ilumina el camino")]
    assert translator.english(["un gato rojo", "la luna llena ilumina el camino"]) == alone
    assert all(alone) and "▁" not in "".join(alone) and "<" not in "".join(alone)
    assert len(translator.numbers("gato " * 5000)) == MOST_TOKENS + 1
    assert translator.english([]) == []


def test_it_answers_in_a_process_of_its_own_and_comes_back_when_it_was_ended(folder: Path) -> None:
    asked = Asked((sys.executable, "-m", "sdcolab.engine.translator", str(folder)), child_environ(os.environ))
    try:
        first = asked.ask(["un gato rojo"], 120)
        assert first == MarianTranslator(folder).english(["un gato rojo"])
        asked.close()
        assert asked.ask(["un gato rojo"], 120) == first
    finally:
        asked.close()


def test_a_program_that_dies_or_says_nothing_gives_no_answer(tmp_path: Path) -> None:
    for program in ("raise SystemExit(3)", "import time; time.sleep(60)", "print('nada de JSON', flush=True)"):
        asked = Asked((sys.executable, "-c", program), child_environ(os.environ))
        assert asked.ask(["hola"], 3) is None
        asked.close()


def test_a_program_that_cannot_be_started_gives_no_answer(tmp_path: Path) -> None:
    assert Asked((str(tmp_path / "no hay"),), child_environ(os.environ)).ask(["hola"], 3) is None


def test_nobody_asking_for_a_while_ends_it() -> None:
    echo = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    asked = Asked((sys.executable, "-c", echo), child_environ(os.environ), idle=0.2)
    assert asked.ask(["sí"], 30) == ["sí"]
    process = asked._running
    assert process is not None and process.wait(10) is not None
    assert asked.ask(["otra vez"], 30) == ["otra vez"]
    asked.close()
