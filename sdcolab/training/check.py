"""Whether a base model can be trained here, and what it is, told from its header alone. No torch."""

from __future__ import annotations

from pathlib import Path

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import BaseWrongFamily
from sdcolab.core.file_facts import no_checkpoint
from sdcolab.core.tensors import TensorHeader, read_header
from sdcolab.training.bases import Base
from sdcolab.training.families import TRAINABLE


def base_of(path: Path) -> Base | None:
    """The file at ``path`` as a base model; None for old pickles, which do not tell before they are opened.

    Raises ``BaseWrongFamily``, and what ``no_checkpoint`` and reading it say.
    """
    if path.suffix.lower() != ".safetensors":
        return None
    header = read_header(path)
    found = detect(header)
    if found.kind is ModelKind.CHECKPOINT and found.family not in TRAINABLE:
        raise BaseWrongFamily(path=path, family=found.family.value)
    if trouble := no_checkpoint(path, found):
        raise trouble
    side = found.native_size
    return Base(
        path.name,
        "",
        sdxl=found.family is ModelFamily.SDXL,
        v=declared_v(header),
        resolution=side,
        clip_skip=1 if side < SMALL else 2,
    )


SMALL = 256
"""Models of fewer pixels a side are miniatures, which were made without leaving layers out."""


def declared_v(header: TensorHeader) -> bool:
    """Whether a checkpoint says that it predicts v."""
    return "v_pred" in header.tensors or header.metadata.get("modelspec.prediction_type", "").startswith("v")
