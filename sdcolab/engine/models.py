"""Loading single-file checkpoints and VAEs into diffusers' and transformers' modules, offline.

Modules are built without memory (meta device) from configs inferred in ``engine.convert``; then every tensor goes from
the memory-mapped file straight to its device and type, so the peak of host memory stays near the file's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from sdcolab.core.detect import Detected, ModelFamily, ModelKind, Prediction, detect
from sdcolab.core.errors import ModelFamilyUnsupported, ModelIncomplete, ModelUnreadable, ModelWrongKind
from sdcolab.engine.convert import (
    FAMILY_LAYOUTS,
    UNET_PREFIX,
    VAE_PREFIX,
    FamilyLayout,
    MissingTensor,
    Shapes,
    renamed,
    text_config,
    text_rename,
    unet_config,
    unet_layers,
    unet_rename,
    vae_config,
    vae_rename,
)
from sdcolab.engine.weights import Weights, open_weights

_VARIANTS = {1: "depth2img", 4: "InstructPix2Pix"}
"""Names of UNets by the channels that they read beside the latents, for error messages."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A checkpoint's UNet and text encoder on ``device`` in ``dtype``. Its VAE is loaded apart (``load_vae``)."""

    path: Path
    detected: Detected
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    device: torch.device
    dtype: torch.dtype
    prediction: Prediction = Prediction.EPSILON


def check_checkpoint(weights: Weights) -> tuple[Detected, FamilyLayout]:
    """What the checkpoint is and how its family is laid out.

    Raises ``ModelWrongKind``, ``ModelUnreadable`` (no known model in it) or ``ModelFamilyUnsupported``.
    """
    detected = detect(weights.header)
    if detected.kind is ModelKind.OTHER:
        raise ModelUnreadable(path=weights.path, reason="not_a_model")
    if detected.kind is not ModelKind.CHECKPOINT:
        raise ModelWrongKind(path=weights.path, expected=ModelKind.CHECKPOINT.value, found=detected.kind.value)
    layout = FAMILY_LAYOUTS.get(detected.family)
    if layout is None:
        raise ModelFamilyUnsupported(path=weights.path, family=detected.family.value)
    return detected, layout


def load_checkpoint(weights: Weights, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """UNet and text encoder of an open checkpoint. Raises ``ModelError``."""
    detected, layout = check_checkpoint(weights)
    return LoadedModel(
        path=weights.path,
        detected=detected,
        unet=_load_unet(weights, layout, device, dtype),
        text_encoder=_load_text_encoder(weights, layout, device, dtype),
        device=device,
        dtype=dtype,
    )


def load_vae(
    path: Path, device: torch.device, dtype: torch.dtype, family: ModelFamily = ModelFamily.SD1
) -> AutoencoderKL:
    """The VAE inside the checkpoint ``path``, or the VAE file ``path`` in CompVis' or diffusers' names.

    Raises ``ModelError``.
    """
    weights = open_weights(path)
    kind = detect(weights.header).kind
    if kind not in (ModelKind.CHECKPOINT, ModelKind.VAE):
        raise ModelWrongKind(path=path, expected=ModelKind.VAE.value, found=kind.value)
    inside = kind is ModelKind.CHECKPOINT or any(name.startswith(VAE_PREFIX) for name in weights.header.tensors)
    prefix = VAE_PREFIX if inside else ""
    names = renamed(weights.header.tensors, prefix, vae_rename(weights.header.tensors, prefix))
    shapes = _shapes(weights, names)
    try:
        config = vae_config(shapes, FAMILY_LAYOUTS[family])
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
    return _filled(vae, weights, names, device, dtype)


def _load_unet(
    weights: Weights, layout: FamilyLayout, device: torch.device, dtype: torch.dtype
) -> UNet2DConditionModel:
    layers = unet_layers(weights.header.tensors)
    names = renamed(weights.header.tensors, UNET_PREFIX, unet_rename(layers))
    try:
        config = unet_config(_shapes(weights, names), layout, layers)
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    latent, found = config["out_channels"], config["in_channels"]
    if found not in (latent, inpainting_channels(latent)):
        variant = _VARIANTS.get(found - latent, f"{found}/{latent}")
        raise ModelFamilyUnsupported(path=weights.path, family=f"{detect(weights.header).family.value} {variant}")
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    use_doubling_upsamplers(unet)
    return _filled(unet, weights, names, device, dtype)


def _load_text_encoder(
    weights: Weights, layout: FamilyLayout, device: torch.device, dtype: torch.dtype
) -> CLIPTextModel:
    prefix = next(
        (p for p in layout.text_prefixes if p + "embeddings.token_embedding.weight" in weights.header.tensors),
        layout.text_prefixes[0],
    )
    names = renamed(weights.header.tensors, prefix, text_rename)
    try:
        config = CLIPTextConfig(**text_config(_shapes(weights, names), layout))
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    with torch.device("meta"):
        text_encoder = CLIPTextModel(config)
    inner = text_model(text_encoder)
    _filled(inner, weights, names, device, dtype)
    # The only buffer: not saved in files (or saved in odd types), so made again.
    positions = torch.arange(config.max_position_embeddings, device=device).expand(1, -1)
    inner.get_submodule("embeddings").register_buffer("position_ids", positions, persistent=False)
    return text_encoder.eval().requires_grad_(False)


def inpainting_channels(latent_channels: int) -> int:
    """Input channels of an inpainting UNet: noisy latents, a mask, and the latents of the masked picture."""
    return 2 * latent_channels + 1


def text_model(text_encoder: CLIPTextModel) -> nn.Module:
    """The transformer with ``embeddings``, ``encoder`` and ``final_layer_norm``: transformers < 5.16 or so wraps it
    once more.
    """
    inner: nn.Module = getattr(text_encoder, "text_model", text_encoder)
    return inner


def _shapes(weights: Weights, names: Mapping[str, str]) -> Shapes:
    return Shapes({new: weights.header.tensors[old].shape for new, old in names.items()})


def _filled(
    module: nn.Module, weights: Weights, names: Mapping[str, str], device: torch.device, dtype: torch.dtype
) -> nn.Module:
    """``module`` with its tensors from the file; 1x1 convolutions become linear layers where the module wants so.

    Raises ``ModelIncomplete`` for missing tensors and wrong shapes.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = weights.header.tensors
    wrong = [
        name for name, shape in expected.items() if name not in names or not _fits(found[names[name]].shape, shape)
    ]
    if wrong:
        raise _incomplete(weights, [names.get(name, name) for name in wrong])
    tensors = {name: _moved(weights.get(names[name]), shape, device, dtype) for name, shape in expected.items()}
    module.load_state_dict(tensors, assign=True)
    return module.eval().requires_grad_(False)


def _fits(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return found == wanted or found == (*wanted, 1, 1)


def _moved(tensor: Tensor, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    return tensor.reshape(shape).to(device=device, dtype=dtype)


def _incomplete(weights: Weights, names: list[str]) -> ModelIncomplete:
    return ModelIncomplete(path=weights.path, tensor=names[0], count=len(names))


class DoublingUpsample(nn.Module):
    """Upsampler of the UNet in CompVis' order: always doubles, convolves, and only then fits the skip tensor's size.

    diffusers resizes to the skip's size before the convolution, which makes another image for every size that is not a
    multiple of 64 (hechos/a1111.md 0).
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """[B, C, h, w] -> [B, C, 2h, 2w], or [B, C, *output_size]."""
        doubled = self.conv(functional.interpolate(hidden_states, scale_factor=2.0, mode="nearest"))
        if output_size is None or tuple(doubled.shape[-2:]) == tuple(output_size):
            return doubled
        return functional.interpolate(doubled, size=tuple(output_size), mode="nearest")


def use_doubling_upsamplers(unet: UNet2DConditionModel) -> None:
    """Replace every upsampler of ``unet`` by a ``DoublingUpsample`` over the same convolution (tensor names stay)."""
    for block in unet.up_blocks:
        for index, upsampler in enumerate(block.upsamplers or ()):
            block.upsamplers[index] = DoublingUpsample(upsampler.conv)
