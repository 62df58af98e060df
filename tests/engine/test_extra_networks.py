"""Hypernetworks and token merging; the reference pictures of both are replayed by tools/reference.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import HypernetworkMissing, ModelUnreadable, ModelWrongKind, NetworkStrengthUnread
from sdcolab.core.events import Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tensors import read_header
from sdcolab.engine.features.hypernetworks import open_hypernetwork
from sdcolab.engine.features.token_merging import matched
from sdcolab.wiring.engine import demo_model, generate


def hypernetwork(width: int, scale: float, **settings: object) -> dict[object, object]:
    """As A1111 saves one of the structure 1-2-1."""
    generator = torch.Generator().manual_seed(width)

    def one() -> dict[str, torch.Tensor]:
        return {
            "linear.0.weight": torch.randn(2 * width, width, generator=generator) * scale,
            "linear.0.bias": torch.zeros(2 * width),
            "linear.2.weight": torch.randn(width, 2 * width, generator=generator) * scale,
            "linear.2.bias": torch.ones(width),
        }

    return {width: [one(), one()], "activation_func": "relu", "layer_structure": [1, 2, 1], "step": 1} | settings


def test_a_file_becomes_networks(tmp_path: Path) -> None:
    content = hypernetwork(8, 0.5)
    torch.save(content, tmp_path / "h.pt")
    (width, pair), *_ = open_hypernetwork(tmp_path / "h.pt").items()
    tensors, x = content[8][0], torch.randn(3, 8)  # type: ignore[index]
    wanted = torch.relu(x @ tensors["linear.0.weight"].T) @ tensors["linear.2.weight"].T + 1
    assert width == 8 and torch.allclose(pair.key(x), wanted, atol=1e-5)
    torch.save(hypernetwork(8, 0.5, activate_output=True), tmp_path / "h.pt")
    assert (open_hypernetwork(tmp_path / "h.pt")[8].key(x) >= 0).all()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"a": torch.zeros(1)}, ModelWrongKind),
        ({8: [{}]}, ModelUnreadable),
        (hypernetwork(8, 1, activation_func="nada"), ModelUnreadable),
        ({8: [{"linear.0.weight": torch.zeros(2, 2)}] * 2}, ModelUnreadable),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: object, error: type[Exception]) -> None:
    torch.save(content, tmp_path / "h.pt")
    with pytest.raises(error):
        open_hypernetwork(tmp_path / "h.pt")


PLAIN = GenerationRequest(prompt="una cara", steps=2, width=128, height=128, seed=1)


def painted(request: GenerationRequest, folders: Folders) -> tuple[np.ndarray, str, list[Event]]:
    events: list[Event] = []
    image = generate(request, folders=folders, listener=events.append).images[0]
    return np.asarray(image.image, dtype=int), image.infotext, events


def test_a_prompt_s_hypernetwork_changes_the_picture_and_leaves_no_trace(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.models(ModelKind.HYPERNETWORK).mkdir(parents=True)
    plain, _, _ = painted(PLAIN, folders)
    shapes = read_header(demo_model().path).tensors
    width = next(info.shape[1] for name, info in shapes.items() if name.endswith("attn2.to_k.weight"))
    torch.save(hypernetwork(width, 0.3), folders.models(ModelKind.HYPERNETWORK) / "h.pt")
    changed, text, _ = painted(replace(PLAIN, prompt="una cara<hypernet:h:0.8>"), folders)
    nothing, _, _ = painted(replace(PLAIN, prompt="una cara<hypernet:h:0>"), folders)
    absent, _, events = painted(replace(PLAIN, prompt="una cara<hypernet:otra:1>"), folders)
    assert abs(changed - plain).max() > 10 and "<hypernet:h:0.8>" in text
    assert abs(nothing - plain).max() <= 1 and (absent == plain).all()
    assert [type(event.warning) for event in events if isinstance(event, Warned)] == [HypernetworkMissing]
    unread, _, events = painted(replace(PLAIN, prompt="una cara<hypernet:h:mucho>"), folders)
    assert (unread == plain).all()
    assert [type(event.warning) for event in events if isinstance(event, Warned)] == [NetworkStrengthUnread]


def test_tokens_come_back_to_their_places() -> None:
    tokens = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(0))
    same = matched(tokens, 5, 6, 0)
    assert torch.equal(same.apart(same.together(tokens)), tokens)
    matches = matched(tokens, 5, 6, 12)
    merged = matches.together(tokens)
    assert merged.shape == (2, 18, 4)
    back = matches.apart(merged)
    for row in range(2):
        for place, into in zip(matches.merged[row], matches.into[row], strict=True):
            assert torch.equal(back[row, matches.others[place]], back[row, matches.stays[into]])
    assert set(matches.stays.tolist()) == {0, 2, 4, 12, 14, 16}  # the last odd row has no cells


def test_equal_tokens_lose_nothing() -> None:
    tokens = nn.functional.one_hot(torch.arange(16) // 8, 2).float()[None]
    matches = matched(tokens, 4, 4, 12)
    assert torch.equal(matches.apart(matches.together(tokens)), tokens)


def test_merging_tokens_is_told_and_changes_little(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    plain, _, _ = painted(PLAIN, folders)
    merging = replace(PLAIN, tuning=replace(PLAIN.tuning, token_merging=0.5))
    merged, text, _ = painted(merging, folders)
    assert "Token merging ratio: 0.5" in text
    assert 0 < abs(merged - plain).mean() < 30
