"""Tags as a prompt."""

from __future__ import annotations

import pytest

from sdcolab.core.describing import prompt_of
from sdcolab.core.prompt import parse_attention


@pytest.mark.parametrize(
    ("tags", "prompt"),
    [
        (["blue sky", "1girl"], "blue sky, 1girl"),
        (["saber (fate)", "[x]", "a\\b"], "saber \\(fate\\), \\[x\\], a\\\\b"),
        ([], ""),
    ],
)
def test_brackets_are_no_weights(tags: list[str], prompt: str) -> None:
    assert prompt_of(tags) == prompt
    assert [(one.text, one.weight) for one in parse_attention(prompt)] == [(", ".join(tags), 1.0)]
