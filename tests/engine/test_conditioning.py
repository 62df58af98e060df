"""Text to conditioning: chunks, emphasis, clip skip, editing and AND, and the memory of encoded prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdcolab.core.errors import PromptSyntaxError
from sdcolab.core.prompt import parse_attention
from sdcolab.core.resolved import read_prompt
from sdcolab.core.tuning import Emphasis, Tuning
from sdcolab.engine import tokenizer
from sdcolab.engine.conditioning import (
    REMEMBERED_PROMPTS,
    Conditioning,
    PromptPart,
    TextConditioner,
    emphasized,
    hidden_states,
)
from sdcolab.engine.models import LoadedModel, load_checkpoint
from sdcolab.engine.weights import open_weights


@pytest.fixture(scope="module")
def model(mini_checkpoint: Path) -> LoadedModel:
    return load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float32)


@pytest.fixture
def conditioner(model: LoadedModel) -> TextConditioner:
    return TextConditioner(model)


@pytest.fixture
def encoder_calls(model: LoadedModel) -> list[int]:
    """Grows with each call of the text encoder."""
    calls: list[int] = []
    handle = model.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    yield calls
    handle.remove()


def tokens_of(text: str) -> Tensor:
    chunks = tokenizer.chunk(parse_attention(text), tokenizer.load())
    return torch.tensor([chunk.tokens for chunk in chunks])


def test_plain_prompt_is_the_encoders_output(conditioner: TextConditioner, model: LoadedModel) -> None:
    encoded = conditioner.encode(("un gato rojo",), 1)
    assert encoded.shape == (1, 77, 64)
    assert encoded.dtype == torch.float32
    with torch.inference_mode():
        assert torch.equal(encoded, model.text_encoder(tokens_of("un gato rojo")).last_hidden_state)


def test_emphasis_weighs_tokens_and_keeps_the_mean(conditioner: TextConditioner) -> None:
    plain, weighted = (conditioner.encode((text,), 1) for text in ("un gato rojo", "un (gato:1.4) rojo"))
    assert torch.allclose(weighted.mean(), plain.mean(), rtol=1e-4)
    ratio = (weighted / plain).mean(-1)[0]
    assert torch.allclose(ratio[2] / ratio[1], torch.tensor(1.4), rtol=1e-4)  # gato is token 2
    assert torch.allclose(ratio[3:], ratio[1].expand(74), rtol=1e-4)


def test_emphasis_formula() -> None:
    """hechos/a1111.md 1.9 "Original"."""
    z, weights = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]]), torch.tensor([[1.0, 2.0]])
    assert torch.allclose(emphasized(z, weights), torch.tensor([[[1.0, 3.0], [4.0, 4.0]]]) * (2 / 3))


def test_long_prompts_are_chunks_one_after_another(conditioner: TextConditioner) -> None:
    long = conditioner.encode(("gato " * 80,), 1)
    assert long.shape == (1, 154, 64)
    broken = conditioner.encode(("gato BREAK perro",), 1)
    assert broken.shape == (1, 154, 64)
    assert torch.allclose(broken[:, 77:], conditioner.encode(("perro",), 1), atol=1e-5)


def test_clip_skip_takes_an_earlier_layer_and_normalises_it(conditioner: TextConditioner, model: LoadedModel) -> None:
    tokens = tokens_of("gato")
    with torch.inference_mode():
        states = model.text_encoder(tokens, output_hidden_states=True).hidden_states
        norm = model.text_encoder.state_dict()
        expected = torch.nn.functional.layer_norm(
            states[-2], (64,), norm["final_layer_norm.weight"], norm["final_layer_norm.bias"], 1e-5
        )
    assert torch.allclose(conditioner.encode(("gato",), 2), expected, atol=1e-6)
    assert not torch.allclose(conditioner.encode(("gato",), 1), expected)


def test_clip_skip_beyond_the_first_layer(model: LoadedModel) -> None:
    with torch.inference_mode():
        assert torch.equal(
            hidden_states(model.text_encoder, tokens_of("a"), 12), hidden_states(model.text_encoder, tokens_of("a"), 3)
        )


def test_a_repeated_prompt_encodes_nothing(conditioner: TextConditioner, encoder_calls: list[int]) -> None:
    def ask(prompt: str, skip: int = 1) -> None:
        conditioner.condition(prompt, "feo", steps=10, second_order=False, clip_skip=skip)

    ask("gato")
    assert len(encoder_calls) == 2
    ask("gato")
    assert len(encoder_calls) == 2
    ask("gato", skip=2)
    assert len(encoder_calls) == 4
    ask("perro")
    assert len(encoder_calls) == 5


def test_memory_of_prompts_is_bounded(conditioner: TextConditioner, encoder_calls: list[int]) -> None:
    for index in range(REMEMBERED_PROMPTS + 1):
        conditioner.encode((f"gato {index}",), 1)
    conditioner.encode((f"gato {REMEMBERED_PROMPTS}",), 1)
    assert len(encoder_calls) == REMEMBERED_PROMPTS + 1
    conditioner.encode(("gato 0",), 1)
    assert len(encoder_calls) == REMEMBERED_PROMPTS + 2


def test_prompt_editing_switches_over_the_calls(conditioner: TextConditioner) -> None:
    made = conditioner.condition("[gato:perro:0.5]", "", steps=4, second_order=False, clip_skip=1)
    (part,) = made.positive
    alone = [conditioner.encode((text,), 1) for text in ("gato", "perro")]
    assert [torch.allclose(part.at(call).tokens, alone[0], atol=1e-5) for call in range(5)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert torch.allclose(part.at(4).tokens, alone[1], atol=1e-5)


def test_texts_of_one_prompt_have_one_length(conditioner: TextConditioner) -> None:
    assert conditioner.encode(("gato", "gato " * 80), 1).shape == (2, 154, 64)


def test_parts_joined_by_and(conditioner: TextConditioner) -> None:
    made = conditioner.condition("gato AND perro :0.5", "feo AND malo", steps=4, second_order=False, clip_skip=1)
    assert [part.weight for part in made.positive] == [1.0, 0.5]
    assert isinstance(made.negative, PromptPart)  # the negative prompt is never split
    assert torch.equal(made.negative.at(0).tokens, conditioner.encode(("feo AND malo",), 1))


def test_comments_and_network_tags_do_not_count(conditioner: TextConditioner) -> None:
    text = read_prompt("gato<lora:x:1># nota").text
    made = conditioner.condition(text, "", steps=4, second_order=False, clip_skip=1)
    assert torch.equal(made.positive[0].at(0).tokens, conditioner.encode(("gato",), 1))


def test_bad_weight_is_told(conditioner: TextConditioner) -> None:
    with pytest.raises(PromptSyntaxError):
        conditioner.condition("(gato:1.2.3)", "", steps=4, second_order=False, clip_skip=1)


# --- Fine adjustments -------------------------------------------------------------------------------------------------


def tuned(conditioner: TextConditioner, prompt: str, negative: str = "feo", **changes: object) -> Conditioning:
    return conditioner.condition(prompt, negative, steps=10, second_order=False, clip_skip=1, tuning=Tuning(**changes))


def positive(conditioner: TextConditioner, prompt: str, **changes: object) -> Tensor:
    return tuned(conditioner, prompt, **changes).positive[0].at(0).tokens


def test_emphasis_modes(conditioner: TextConditioner) -> None:
    plain = conditioner.encode(("un gato",), 1)
    without_norm = positive(conditioner, "un (gato:1.5)", emphasis=Emphasis.NO_NORM)
    weights = torch.ones(1, 77, 1)
    weights[:, 2] = 1.5
    assert torch.allclose(without_norm, plain * weights, atol=1e-5)
    assert torch.equal(positive(conditioner, "un (gato:1.5)", emphasis=Emphasis.IGNORE), plain)
    as_it_is = positive(conditioner, "un (gato:1.5) BREAK a", emphasis=Emphasis.NONE)
    with torch.inference_mode():
        ids = tokenizer.load().encode("un (gato:1.5) BREAK a")
        row = [tokenizer.START, *ids, *[tokenizer.END] * (76 - len(ids))]
        assert torch.allclose(as_it_is, conditioner._model.text_encoder(torch.tensor([row])).last_hidden_state)


def test_comma_backtrack(conditioner: TextConditioner) -> None:
    prompt = "gato " * 70 + ", " + "perro " * 10
    for backtrack, cut in ((20, 71), (0, 75)):
        first = positive(conditioner, prompt, comma_backtrack=backtrack)[:, :77]
        chunks = tokenizer.chunk(parse_attention(prompt), tokenizer.load(), comma_backtrack=backtrack)
        assert chunks[0].tokens.index(tokenizer.END) == 1 + cut
        with torch.inference_mode():
            expected = conditioner._model.text_encoder(torch.tensor([chunks[0].tokens])).last_hidden_state
        assert torch.allclose(first, expected, atol=1e-5)


def test_hires_pass_counts_on_from_the_first(conditioner: TextConditioner) -> None:
    def hires(**changes: object) -> list[int]:
        made = conditioner.condition(
            "[gato:perro:12]", "", steps=6, second_order=False, clip_skip=1, base_calls=10, tuning=Tuning(**changes)
        )
        return [end for end, _ in made.positive[0].schedule]

    assert hires() == [2, 6]
    assert hires(old_prompt_editing=True) == [10]


def test_old_prompt_editing(conditioner: TextConditioner) -> None:
    made = tuned(conditioner, "[gato:perro:1.0]", old_prompt_editing=True)
    assert [end for end, _ in made.positive[0].schedule] == [1, 10]
    assert [end for end, _ in tuned(conditioner, "[gato:perro:1.0]").positive[0].schedule] == [10]


LONG = "gato BREAK perro BREAK pez"


def test_padding_with_the_empty_prompt(conditioner: TextConditioner) -> None:
    empty = conditioner.encode(("",), 1)
    made = tuned(conditioner, LONG, pad_conditions=True)
    expected = torch.cat([conditioner.encode(("feo",), 1), empty, empty], dim=1)
    assert torch.equal(made.negative.at(0).tokens, expected)
    assert torch.equal(made.positive[0].at(0).tokens, conditioner.encode((LONG,), 1))
    # The other way round: parts of one prompt first repeat their last token, then comes the empty prompt.
    made = tuned(conditioner, "gato AND perro BREAK pez", LONG, pad_conditions=True)
    short = conditioner.encode(("gato ",), 1)
    expected = torch.cat([short, short[:, -1:].expand(-1, 77, -1), empty], dim=1)
    assert torch.equal(made.positive[0].at(0).tokens, expected)
    assert torch.equal(made.positive[1].at(0).tokens[:, 154:], empty)


def test_padding_of_old(conditioner: TextConditioner) -> None:
    feo = conditioner.encode(("feo",), 1)
    made = tuned(conditioner, LONG, pad_conditions=True, pad_conditions_v0=True)
    assert torch.equal(made.negative.at(0).tokens, torch.cat([feo, feo[:, -1:].expand(-1, 154, -1)], dim=1))
    cut = tuned(conditioner, "gato", LONG, pad_conditions_v0=True)
    assert torch.equal(cut.negative.at(0).tokens, conditioner.encode((LONG,), 1)[:, :77])


def test_padding_covers_every_text_of_a_prompt(conditioner: TextConditioner) -> None:
    made = tuned(conditioner, LONG, "[feo:malo:0.5]", pad_conditions=True)
    assert made.negative.encoded.shape == (2, 231, 64)


def test_adjustments_are_remembered_apart(conditioner: TextConditioner, encoder_calls: list[int]) -> None:
    for _ in range(2):
        for emphasis in Emphasis:
            tuned(conditioner, "(gato:1.5)", emphasis=emphasis)
        tuned(conditioner, "(gato:1.5)", pad_conditions=True)
    assert len(encoder_calls) == 2 * len(Emphasis) + 1  # the empty prompt
