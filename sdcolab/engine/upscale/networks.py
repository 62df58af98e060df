"""Upscaler networks from files: ESRGAN and the other families that spandrel knows, and LDSR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sdcolab.core.detect import ModelKind, detect, is_ldsr
from sdcolab.core.errors import ImageNotFinite, LibraryMissing, ModelUnreadable, ModelWrongKind
from sdcolab.engine.precision import weights_dtype
from sdcolab.engine.upscale.ldsr import Ldsr, load_ldsr
from sdcolab.engine.weights import Weights, open_weights

_COLOURS = 3


@dataclass(frozen=True, slots=True, eq=False)
class UpscalerNetwork:
    """A network (spandrel's ``ImageModelDescriptor``) and the file it came from."""

    path: Path
    model: Any

    def enlarge(self, picture: Image.Image) -> Image.Image:
        """``picture`` (RGB) ``model.scale`` times larger.

        Colours go in and come out in the order blue, green, red, in 0..1, and are rounded to bytes: A1111 feeds every
        network so (hechos/a1111.md 4.4). Half precision that overflows is turned to float32 for good. Raises
        ``ImageNotFinite``.
        """
        result = self._run(picture)
        if not torch.isfinite(result).all() and self.model.dtype != torch.float32:
            self.model.to(dtype=torch.float32)
            result = self._run(picture)
        if not torch.isfinite(result).all():
            raise ImageNotFinite(checkpoint=self.path.name)
        values = result[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray((values * 255).round().astype(np.uint8)[..., ::-1].copy())

    @torch.inference_mode()
    def _run(self, picture: Image.Image) -> torch.Tensor:
        blue_first = np.asarray(picture)[..., ::-1].astype(np.float32) / 255
        pixels = torch.from_numpy(blue_first).permute(2, 0, 1)[None]
        return self.model(pixels.to(self.model.device, self.model.dtype)).float()


def load_upscaler(path: Path, device: torch.device) -> UpscalerNetwork | Ldsr:
    """What enlarges in the file ``path``: LDSR, or a network. Raises as ``load_network``."""
    weights = open_weights(path)
    return load_ldsr(weights, device) if is_ldsr(weights.header) else _network_in(weights, device)


def load_network(path: Path, device: torch.device) -> UpscalerNetwork:
    """The network in the file ``path``, in half precision on a GPU if its family bears it.

    Raises ``CannotRead``, ``ModelUnreadable``, ``ModelUnsafe``, ``ModelWrongKind`` (no network of colour pictures) or
    ``LibraryMissing``.
    """
    return _network_in(open_weights(path), device)


def _network_in(weights: Weights, device: torch.device) -> UpscalerNetwork:
    path = weights.path
    kind = detect(weights.header).kind
    wrong = ModelWrongKind(path=path, expected=ModelKind.UPSCALER.value, found=kind.value)
    if kind not in (ModelKind.UPSCALER, ModelKind.OTHER):  # spandrel knows more families than ``detect``
        raise wrong
    try:
        import spandrel  # a hundred modules of network families, torchvision among them
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise LibraryMissing(library="spandrel", packages="spandrel torchvision") from error
    try:
        model = spandrel.ModelLoader().load_from_state_dict(
            {name: weights.get(name) for name in weights.header.tensors}
        )
    except spandrel.UnsupportedModelError as error:
        raise wrong from error
    except (
        RuntimeError,
        LookupError,
        ValueError,
        AssertionError,
    ) as error:  # the names fit a family, the shapes do not
        raise ModelUnreadable(path=path, reason="damaged") from error
    colours = isinstance(model, spandrel.ImageModelDescriptor) and model.input_channels == model.output_channels
    if not colours or model.input_channels != _COLOURS:
        raise wrong
    dtype = weights_dtype(device)
    model.to(device=device, dtype=dtype if model.supports_half else torch.float32).eval()
    return UpscalerNetwork(path, model)
