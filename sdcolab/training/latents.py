"""Training pictures as latents: cut to their buckets, encoded once, kept in memory or beside the pictures.

The files are those of sd-scripts (``NAME_WWWWxHHHH_sd.npz``: hechos/extensiones.md 11, "Files"), read and written, so
that a folder goes from one trainer to the other without encoding it again.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sdcolab.core.detect import ModelFamily
from sdcolab.core.errors import SdcolabError
from sdcolab.core.files import atomic_write
from sdcolab.training.buckets import crop_box
from sdcolab.training.dataset import Picture
from sdcolab.training.families import TRAINABLE
from sdcolab.training.pictures import cut, open_training_picture

LATENT_STRIDE = 8
"""Pixels of a side per latent."""
MAX_CACHE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture's latents [C, h, w] as the VAE gives them, without the UNet's scale; ``flipped`` its mirror image, and
    the
    ``mask`` [h, w] in 0..1 where the loss counts less in places.
    """

    latents: Tensor
    flipped: Tensor | None
    mask: Tensor | None = None


Encode = Callable[[Tensor], Tensor]
"""Pictures [B, 3, H, W] in -1..1 -> latents [B, C, h, w]."""


def as_tensor(picture: Image.Image) -> Tensor:
    """[3, H, W] in -1..1."""
    values = np.asarray(picture.convert("RGB"), dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(values.copy()).permute(2, 0, 1)


def mask_of(picture: Picture, source: Image.Image | None = None) -> Tensor | None:
    """Where the loss of ``picture`` counts, [h, w] in latents: from its mask file, or its own transparency."""
    if picture.mask is not None:
        layer = open_training_picture(picture.mask).convert("L")
        layer = layer.resize(picture.size) if layer.size != picture.size else layer
    elif picture.subset.alpha_mask:
        layer = (source or open_training_picture(picture.path, alpha=True)).convert("RGBA").getchannel("A")
    else:
        return None
    values = torch.from_numpy(np.asarray(cut(layer, picture.fit), dtype=np.float32) / 255)
    size = picture.fit.bucket[1] // LATENT_STRIDE, picture.fit.bucket[0] // LATENT_STRIDE
    return torch.nn.functional.interpolate(values[None, None], size=size, mode="area")[0, 0]


def cache_path(picture: Picture, family: ModelFamily) -> Path:
    """Where sd-scripts keeps the latents of ``picture``."""
    width, height = picture.size
    suffix = TRAINABLE[family].cache_suffix
    return picture.path.with_name(f"{picture.path.stem}_{width:04}x{height:04}{suffix}.npz")


def read_cache(picture: Picture, family: ModelFamily, *, flip: bool) -> Encoded | None:
    """The latents beside ``picture``, or None where there are none of its bucket."""
    path = cache_path(picture, family)
    stride = LATENT_STRIDE
    shape = (picture.fit.bucket[1] // stride, picture.fit.bucket[0] // stride)
    try:
        changed = max(one.stat().st_mtime_ns for one in (picture.path, picture.mask) if one)
        if path.stat().st_size > MAX_CACHE_BYTES or path.stat().st_mtime_ns < changed:
            return None
        with np.load(path, allow_pickle=False) as file:
            latents = file["latents"].astype(np.float32)
            flipped = file["latents_flipped"].astype(np.float32) if flip else None
            mask = file["alpha_mask"].astype(np.float32) if "alpha_mask" in file.files else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
    good = [
        latents.shape[-2:] == shape and np.isfinite(latents).all(),
        flipped is None or flipped.shape == latents.shape,
    ]
    if not all(good):
        return None
    return Encoded(
        torch.from_numpy(latents),
        None if flipped is None else torch.from_numpy(flipped),
        None if mask is None else torch.from_numpy(mask),
    )


def write_cache(picture: Picture, family: ModelFamily, encoded: Encoded) -> None:
    """Keep the latents of ``picture`` beside it. Raises ``StorageError``."""
    arrays: dict[str, Any] = {
        "latents": encoded.latents.float().numpy(),
        "original_size": np.array(picture.size),
        "crop_ltrb": np.array(crop_box(picture.fit.bucket, picture.size)),
    }
    if encoded.flipped is not None:
        arrays["latents_flipped"] = encoded.flipped.float().numpy()
    if encoded.mask is not None:
        arrays["alpha_mask"] = encoded.mask.float().numpy()
    with atomic_write(cache_path(picture, family)) as file:
        np.savez(file, **arrays)


class LatentShelf:
    """The latents of a dataset's pictures, encoded when first asked for.

    ``on_disk`` keeps them beside the pictures; ``in_memory`` here. ``chance`` draws the VAE's noise from the picture's
    number alone, so that latents are the same in whatever order they are asked for.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        encode: Encode,
        family: ModelFamily,
        *,
        on_disk: bool = False,
        in_memory: bool = True,
        hear: Callable[[SdcolabError], object] = lambda _warning: None,
    ) -> None:
        self._pictures = pictures
        self._encode = encode
        self._family = family
        self._on_disk = on_disk
        self._in_memory = in_memory
        self._hear = hear
        self._kept: dict[int, Encoded] = {}

    def of(self, index: int) -> Encoded:
        """The latents of picture number ``index``."""
        if index in self._kept:
            return self._kept[index]
        picture = self._pictures[index]
        flip = picture.subset.flip
        encoded = read_cache(picture, self._family, flip=flip) if self._on_disk else None
        if encoded is None:
            encoded = self._made(index, picture)
            if self._on_disk:
                self._write(picture, encoded)
        if self._in_memory:
            self._kept[index] = encoded
        return encoded

    def _made(self, index: int, picture: Picture) -> Encoded:
        source = open_training_picture(picture.path)
        pixels = as_tensor(cut(source, picture.fit))
        torch.manual_seed(index)
        both = torch.stack([pixels, pixels.flip(2)]) if picture.subset.flip else pixels[None]
        latents = self._encode(both).float().cpu()
        return Encoded(latents[0], latents[1] if picture.subset.flip else None, mask_of(picture))

    def _write(self, picture: Picture, encoded: Encoded) -> None:
        try:
            write_cache(picture, self._family, encoded)
        except SdcolabError as error:  # only a cache: the training goes on without it
            self._on_disk = False
            self._hear(error)
