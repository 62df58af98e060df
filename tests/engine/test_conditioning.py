"""Text to conditioning: chunks, emphasis, clip skip, editing and AND, and the memory of encoded prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdcolab.core.errors import PromptSyntaxError
from sdcolab.core.prompt import parse_attention
from sdcolab.engine import tokenizer
from sdcolab.engine.conditioning import (
    REMEMBERED_PROMPTS,
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
    made = conditioner.condition("gato<lora:x:1># nota", "", steps=4, second_order=False, clip_skip=1)
    assert torch.equal(made.positive[0].at(0).tokens, conditioner.encode(("gato",), 1))


def test_bad_weight_is_told(conditioner: TextConditioner) -> None:
    with pytest.raises(PromptSyntaxError):
        conditioner.condition("(gato:1.2.3)", "", steps=4, second_order=False, clip_skip=1)
