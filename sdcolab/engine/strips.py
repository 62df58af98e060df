"""A VAE in strips, for little memory: the same picture as in one piece.

Tiles that are decoded apart and blended show: each tile's group normalisation sees other means and variances, and its
attention other points (on the demo VAE, tiles of 256 pixels changed a picture by up to 149 of 255). So here every layer
is computed over the whole picture before the next one begins, a strip of rows at a time. What lies between two layers
stays in main memory, with the sums that the next normalisation needs. The attention is at latent size, where all of it
fits, and takes a part of its queries at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D
from torch import Tensor, nn
from torch.nn import functional

STRIP_ELEMENTS = 1 << 23
"""Numbers of a layer's input in a strip. With what a layer makes of them on the way, that is some 200 MB in halves."""

QUERIES = 1024
"""Points that the attention looks from at once."""

_HOST = torch.device("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class _FeatureMap:
    """What lies between two layers: ``values`` [1, C, H, W] in main memory, and the ``mean`` and ``variance`` of each
    group of channels, float64 [groups]."""

    values: Tensor
    mean: Tensor
    variance: Tensor

    def normalise(self, strip: Tensor, norm: nn.GroupNorm) -> Tensor:
        """Rows of this map as ``norm`` gives them (Wu & He 2018, arXiv:1803.08494)."""
        per_channel = norm.num_channels // norm.num_groups
        deviation = (self.variance + norm.eps).sqrt().repeat_interleave(per_channel)
        scale = norm.weight.double() / deviation.to(norm.weight.device)
        shift = norm.bias.double() - self.mean.repeat_interleave(per_channel).to(scale.device) * scale
        return (strip.float() * scale.float()[:, None, None] + shift.float()[:, None, None]).to(strip.dtype)


class _Layers:
    """Runs the layers of ``vae`` strip by strip on its device."""

    def __init__(self, vae: AutoencoderKL, strip_elements: int) -> None:
        self._device = vae.device
        self._groups = vae.config.norm_num_groups
        self._strip_elements = strip_elements

    def keep(self, values: Tensor) -> _FeatureMap:
        """A map of ``values`` [1, C, H, W]."""
        return self._collect(values.shape, values.shape[1:], values.dtype, lambda top, end: values[:, :, top:end])

    def conv(
        self,
        source: _FeatureMap,
        conv: nn.Conv2d,
        *,
        norm: nn.GroupNorm | None = None,
        doubled: bool = False,
        residual: Callable[[int, int], Tensor] | None = None,
    ) -> _FeatureMap:
        """``conv`` over ``source``, of which ``norm`` and SiLU are taken first or which is ``doubled`` (nearest) first,
        plus the rows of ``residual``."""
        factor = 2 if doubled else 1
        _, channels, height, width = source.values.shape
        height, width = height * factor, width * factor
        kernel, stride, before = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        # A convolution without padding of its own is the encoder's downsampler: one empty row below, one column right.
        wrap = conv.padding_mode == "circular" and before > 0
        shape = torch.Size([1, conv.out_channels, height // stride, width // stride])
        right = (shape[3] - 1) * stride + kernel - before - width

        def rows(top: int, end: int) -> Tensor:
            first, last = top * stride - before, (end - 1) * stride - before + kernel
            wanted = torch.arange(first, last)
            inside = wanted % height if wrap else wanted[(wanted >= 0) & (wanted < height)]
            strip = source.values.index_select(2, inside // factor).to(self._device)
            if norm is not None:
                strip = functional.silu(source.normalise(strip, norm))
            if doubled:
                strip = strip.repeat_interleave(2, dim=3)
            if wrap:
                strip = functional.pad(strip, (before, right, 0, 0), mode="circular")
            else:
                strip = functional.pad(strip, (before, right, max(0, -first), max(0, last - height)))
            result = functional.conv2d(strip, conv.weight, conv.bias, stride)
            return result if residual is None else residual(top, end) + result

        return self._collect(shape, (channels, height, width), source.values.dtype, rows)

    def resnet(self, source: _FeatureMap, block: ResnetBlock2D) -> _FeatureMap:
        """``block``, which has no time embedding in a VAE."""

        def skipped(top: int, end: int) -> Tensor:
            strip = source.values[:, :, top:end].to(self._device)
            return strip if block.conv_shortcut is None else block.conv_shortcut(strip)

        inner = self.conv(source, block.conv1, norm=block.norm1)
        return self.conv(inner, block.conv2, norm=block.norm2, residual=skipped)

    def _collect(
        self, shape: torch.Size, source: tuple[int, ...], dtype: torch.dtype, rows: Callable[[int, int], Tensor]
    ) -> _FeatureMap:
        """The map of ``shape`` whose ``rows`` are made from a source [C, H, W] of the given size."""
        channels, source_height, width = source
        height = shape[2]
        at_once = max(1, self._strip_elements * height // (channels * source_height * width))
        values = torch.empty(shape, dtype=dtype, device=_HOST)
        groups = self._groups if shape[1] % self._groups == 0 else 1
        sums = torch.zeros(2, groups, dtype=torch.float64)
        for top in range(0, height, at_once):
            end = min(top + at_once, height)
            strip = rows(top, end)
            values[:, :, top:end] = strip
            grouped = strip.reshape(groups, -1).float()
            sums += torch.stack([part.sum(dim=1, dtype=torch.float64) for part in (grouped, grouped.square())]).to(
                _HOST
            )
        mean, square = sums / (shape.numel() // groups)
        return _FeatureMap(values, mean, (square - mean**2).clamp(min=0))


def decode_in_strips(vae: AutoencoderKL, z: Tensor, strip_elements: int = STRIP_ELEMENTS) -> Tensor:
    """What ``vae.decode`` gives for ``z`` [1, C, h, w] (the VAE's scale and type): float32 [1, 3, 8h, 8w] on its
    device."""
    decoder = vae.decoder
    layers = _Layers(vae, strip_elements)
    if vae.post_quant_conv is not None:
        z = vae.post_quant_conv(z)
    features = layers.keep(_middle(decoder.mid_block, decoder.conv_in(z)))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            features = layers.resnet(features, resnet)
        for upsampler in block.upsamplers or ():
            features = layers.conv(features, upsampler.conv, doubled=True)
    return layers.conv(features, decoder.conv_out, norm=decoder.conv_norm_out).values.to(z.device).float()


def encode_in_strips(vae: AutoencoderKL, pixels: Tensor, strip_elements: int = STRIP_ELEMENTS) -> Tensor:
    """The moments that ``vae.encode`` gives for ``pixels`` [1, 3, H, W] (the VAE's type): float32 [1, 2C, H/8, W/8],
    means first and then logarithms of variances."""
    encoder = vae.encoder
    layers = _Layers(vae, strip_elements)
    features = layers.conv(layers.keep(pixels), encoder.conv_in)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            features = layers.resnet(features, resnet)
        for downsampler in block.downsamplers or ():
            features = layers.conv(features, downsampler.conv)
    middle = _middle(encoder.mid_block, features.values.to(pixels.device))
    moments = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(middle)))
    return (moments if vae.quant_conv is None else vae.quant_conv(moments)).float()


def _middle(block: UNetMidBlock2D, hidden_states: Tensor) -> Tensor:
    """``block`` over [1, C, h, w]."""
    first, *others = block.resnets
    hidden_states = first(hidden_states, None)
    for attention, resnet in zip(block.attentions, others, strict=True):
        if attention is not None:
            hidden_states = _attend_by_parts(attention, hidden_states)
        hidden_states = resnet(hidden_states, None)
    return hidden_states


def _attend_by_parts(attention: Attention, hidden_states: Tensor) -> Tensor:
    """``attention`` over the points of ``hidden_states`` [1, C, h, w], with its residual connection."""
    shape = hidden_states.shape
    tokens = attention.group_norm(hidden_states.flatten(2)).transpose(1, 2)
    query, key, value = (
        layer(tokens).unflatten(2, (attention.heads, -1)).transpose(1, 2)
        for layer in (attention.to_q, attention.to_k, attention.to_v)
    )
    parts = [functional.scaled_dot_product_attention(part, key, value) for part in query.split(QUERIES, dim=2)]
    attended = attention.to_out[0](torch.cat(parts, dim=2).transpose(1, 2).flatten(2))
    return hidden_states + attended.transpose(1, 2).reshape(shape)
