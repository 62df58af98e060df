"""CLIP's tokenizer and the 75-token chunks (hechos/a1111.md 1.3, 1.4, 1.11; tests/data/referencia/prompts.json)."""

import gzip
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.errors import PromptSyntaxError
from sdcolab.core.prompt import Segment, parse_attention
from sdcolab.engine import tokenizer as clip
from sdcolab.engine.tokenizer import (
    COMMA,
    EMPTY_CHUNK,
    END,
    START,
    Chunk,
    Embedding,
    EmbeddingSlot,
    Flavour,
    chunk,
    count_tokens,
    open_clip_padded,
)

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("data/referencia/prompts.json").read_text("utf-8")
)
TOKENIZER = clip.load()
NAMES = {index: name for name, index in TOKENIZER.model.get_vocab().items()}


def chunks_of(text: str, **options: Any) -> tuple[Chunk, ...]:
    return chunk(parse_attention(text), TOKENIZER, **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("Cat", [2368]),
        (",", [COMMA]),
        ("it's", TOKENIZER.encode("it’s")),
        ("full, width", TOKENIZER.encode("ｆｕｌｌ，　ｗｉｄｔｈ")),
        ("  a\n\t b ", TOKENIZER.encode("a b")),
        ("e\u0301", TOKENIZER.encode("é")),
        ("\ufeffa\x00 \x7fb", TOKENIZER.encode("a b")),
        ("\ud83d", TOKENIZER.encode("?")),
        ("<|endoftext|>", [END]),
    ],
)
def test_encode(text: str, expected: list[int]) -> None:
    assert TOKENIZER.encode(text) == expected


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("Un  Gato, rojo", "un gato, rojo"),
        ("sal &amp; pimienta", "sal & pimienta"),
        ("&amp;lt;3", "<3"),  # twice
        ("AT&amp;T &Ntilde;and&uacute;", "at&t ñandú"),
        ("&noes; &#8364;", "&noes; €"),
        ("<|endoftext|>", "<| endoftext |>"),
    ],
)
def test_open_clips_flavour(text: str, same_as: str) -> None:
    assert clip.load(Flavour.OPEN_CLIP).encode(text) == TOKENIZER.encode(same_as)


def test_open_clip_has_its_own_special_words_and_padding() -> None:
    assert clip.load(Flavour.OPEN_CLIP).encode("<start_of_text>a<end_of_text>") == [START, 320, END]
    assert open_clip_padded(EMPTY_CHUNK.tokens) == (START, END, *[0] * 75)
    full = chunks_of("gato " * 75)[0].tokens
    assert open_clip_padded(full) == full


def test_encode_equals_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    archive = resources.files("sdcolab.engine").joinpath("assets", "clip_bpe_vocab_16e6.txt.gz")
    lines = gzip.decompress(archive.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    theirs = transformers.CLIPTokenizer(
        vocab=TOKENIZER.model.get_vocab(), merges=[tuple(line.split()) for line in lines], unk_token="<|endoftext|>"
    )
    texts = [case["prompt"] for case in CASES] + [
        "The quick brown fox's 1234 jumps!!! over—the 'lazy' dog, e.g. #1 @home ... 50% off",
        "niña, corazón, ¿qué?, año 2023; 日本語 キャラ 🙂🙂 Ünïcödé ǅ ß",
        "masterpiece,best_quality,1girl,(solo:1.2),<lora:x:1>",
    ]
    for text in texts:
        assert TOKENIZER.encode(text) == theirs(text, add_special_tokens=False)["input_ids"], text


@given(st.text())
def test_encode_is_total(text: str) -> None:
    assert all(0 <= token <= END for token in TOKENIZER.encode(text))


@given(st.lists(st.text("abcxyz0123456789,.!'", min_size=1, max_size=8), max_size=8))
def test_encoding_loses_no_text(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join(NAMES[token] for token in TOKENIZER.encode(text)).replace("</w>", "") == text.replace(" ", "")


def test_loading_needs_no_torch() -> None:
    script = (
        "import sys; from sdcolab.engine.tokenizer import load; load().encode('a cat');"
        "sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- Chunks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=[case["prompt"][:30] for case in CASES])
def test_chunks_as_recorded(case: dict[str, Any]) -> None:
    # Its "backtrack_0" was recorded with 20 too (Forge reads the setting once): it equals "backtrack_20" everywhere.
    made = chunks_of(case["prompt"])
    expected = case["chunks"]["backtrack_20"]
    assert [list(part.tokens) for part in made] == expected["tokens"]
    assert [list(part.weights) for part in made] == expected["multipliers"]


def test_an_empty_prompt_is_one_padded_chunk() -> None:
    assert chunks_of("") == (EMPTY_CHUNK,)
    assert EMPTY_CHUNK.tokens == (START, *[END] * 76)


@pytest.mark.parametrize(("text", "count"), [("a BREAK b", 2), ("BREAK a", 2), ("a BREAK", 1), ("BREAK BREAK a", 3)])
def test_break_ends_a_chunk(text: str, count: int) -> None:
    assert len(chunks_of(text)) == count


def test_words_after_a_near_comma_move_together() -> None:
    text = "cat " * 60 + ", " + "dog " * 30
    first, second = chunks_of(text)
    assert first.tokens[61:63] == (COMMA, END)
    assert second.tokens[1:32] == (*[1929] * 30, END)
    assert chunks_of(text, comma_backtrack=14) == chunks_of(text, comma_backtrack=0)
    assert chunks_of(text, comma_backtrack=0)[0].tokens[75] == 1929


def test_weights_move_with_their_words() -> None:
    first, second = chunks_of("cat " * 60 + ", (" + "dog " * 30 + ":1.5)")
    assert set(first.weights) == {1.0}
    assert second.weights[1:32] == (*[1.5] * 30, 1.0)


def embedding(name: str, vectors: int) -> Embedding:
    return Embedding(name, tuple(TOKENIZER.encode(name)), vectors)


def test_the_longest_embedding_name_takes_its_place() -> None:
    bad, hands = embedding("bad", 1), embedding("bad hands", 3)
    (made,) = chunks_of("a (Bad Hands:1.5), bad cat", embeddings=[bad, hands])
    assert made.slots == (EmbeddingSlot("bad hands", offset=2), EmbeddingSlot("bad", offset=6))
    assert made.tokens[1:9] == (320, 0, 0, 0, COMMA, 0, 2368, END)
    assert made.weights[1:6] == (1.0, 1.5, 1.5, 1.5, 1.0)


def test_an_embedding_that_does_not_fit_begins_a_chunk() -> None:
    first, second = chunks_of("cat " * 70 + "style", embeddings=[embedding("style", 8)])
    assert first.slots == ()
    assert second.slots == (EmbeddingSlot("style", offset=1),)


def test_an_embedding_larger_than_a_chunk_is_cut() -> None:
    (made,) = chunks_of("style", embeddings=[embedding("style", 100)])
    assert len(made.tokens) == 77
    assert made.tokens[75:] == (0, END)


def test_a_nameless_embedding_matches_nothing() -> None:
    assert chunks_of("a cat", embeddings=[Embedding("?", (), 2)]) == chunks_of("a cat")


segments = st.lists(
    st.builds(
        Segment, st.sampled_from(["cat", "cat, dog ", "x, " * 30, "dog " * 40, "style"]), st.sampled_from([1.0, 1.2])
    )
    | st.just(Segment("BREAK", -1.0)),
    max_size=12,
)


@given(segments, st.integers(0, 74), st.integers(1, 80))
def test_every_chunk_is_77_long_and_nothing_is_lost(parts: list[Segment], backtrack: int, vectors: int) -> None:
    made = chunk(parts, TOKENIZER, comma_backtrack=backtrack)
    assert all(len(part.tokens) == len(part.weights) == 77 for part in made)
    assert all(part.tokens[0] == START and part.tokens[-1] == END for part in made)
    kept = [token for part in made for token in part.tokens if token not in (START, END)]
    assert kept == [token for part in parts if part.weight > 0 for token in TOKENIZER.encode(part.text)]
    with_slots = chunk(parts, TOKENIZER, comma_backtrack=backtrack, embeddings=[embedding("style", vectors)])
    assert all(len(part.tokens) == 77 for part in with_slots)
    assert sum(len(part.slots) for part in with_slots) == sum(part.text == "style" for part in parts)


# --- The counter --------------------------------------------------------------------------------------------------


# The record counts prompts as they are, the counter their variants without tags.
INVARIABLE = [case for case in CASES if not {*"[<:"} & {*case["prompt"]} and "AND" not in case["prompt"]]


@pytest.mark.parametrize("case", INVARIABLE, ids=[case["prompt"][:30] for case in INVARIABLE])
def test_counts_as_recorded(case: dict[str, Any]) -> None:
    assert count_tokens(case["prompt"], TOKENIZER).count == case["chunks"]["backtrack_20"]["token_count"]


@pytest.mark.parametrize(
    ("text", "count", "limit"),
    [
        ("", 0, 75),
        ("a cat", 2, 75),
        ("cat " * 75, 75, 75),
        ("cat " * 76, 76, 150),
        ("a BREAK b", 76, 150),
        ("a BREAK", 75, 75),
        ("a cat <lora:style:0.8>", 2, 75),
        ("a cat # three more words", 2, 75),
        ("cat AND a big dog", 3, 75),
        ("[cat:a big dog:0.5]", 3, 75),
    ],
)
def test_the_counter(text: str, count: int, limit: int) -> None:
    counted = count_tokens(text, TOKENIZER)
    assert (counted.count, counted.limit) == (count, limit)


def test_the_counter_reports_what_cannot_be_read() -> None:
    with pytest.raises(PromptSyntaxError):
        count_tokens("(a:1.2.3)", TOKENIZER)
