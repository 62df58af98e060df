"""Weights from a file into a network of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from sdcolab.core.errors import ModelUnreadable
from sdcolab.engine.preprocessors.nets.filling import COUNTER

P = TypeVar("P", bound=PreTrainedModel)


def pretrained(kind: type[P], config: PretrainedConfig, given: Mapping[str, Tensor], path: Path, device: str) -> P:
    """transformers' model ``kind`` with the weights ``given`` of ``path`` by the names that its files have, whatever
    its layers are called in the version that is installed.

    Raises ``ModelUnreadable`` when a weight is missing or has another shape.
    """
    try:
        net, told = kind.from_pretrained(None, config=config, state_dict=dict(given), output_loading_info=True)
    except RuntimeError as error:  # of shapes that differ
        raise ModelUnreadable(path=path, reason="not_a_model") from error
    if any(not name.endswith(COUNTER) for name in told["missing_keys"]):
        raise ModelUnreadable(path=path, reason="not_a_model")
    ready: P = net.float().to(device).eval().requires_grad_(False)
    return ready
