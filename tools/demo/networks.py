"""The three networks of the demo model, at Stable Diffusion 1.x's layout and a fraction of its width."""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

SCALING = 0.18215  # SD 1.x: latents the UNet sees = VAE latents * SCALING
TEXT_WIDTH = 128  # 2 heads of 64, as the loader's rule heads = width / 64 says
TEXT_LAYERS = 4
UNET_CHANNELS = (128, 128, 160)
VAE_CHANNELS = (32, 64, 96, 96)


def make_vae() -> AutoencoderKL:
    """KL autoencoder, factor 8, 4 latent channels; images [B, 3, H, W] in -1..1."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=VAE_CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=32,
        sample_size=128,
        scaling_factor=SCALING,
    )


def make_unet() -> UNet2DConditionModel:
    """Noise predictor on latents [B, 4, h, w] with cross-attention to [B, 77, TEXT_WIDTH]; 8 heads at every level."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=UNET_CHANNELS,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,
        norm_num_groups=32,
        use_linear_projection=False,
    )


def make_text_encoder() -> CLIPTextModel:
    """CLIP text transformer with the standard vocabulary; output [B, 77, TEXT_WIDTH] after the final norm."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=TEXT_WIDTH // 64,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            bos_token_id=49406,
            eos_token_id=49407,
            pad_token_id=49407,
            projection_dim=TEXT_WIDTH,
        )
    )


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017) whose hidden activations also serve for feature matching."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)
            )
            for a, b in pairwise(channels)
        )
        self.head = nn.Conv2d(channels[-1], 1, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Images [B, 3, H, W] -> (logits [B, 1, H/8, W/8], activations of every stage)."""
        hidden, activations = images, []
        for stage in self.stages:
            hidden = stage(hidden)
            activations.append(hidden)
        return self.head(hidden), activations


def count(module: nn.Module) -> float:
    """Parameters in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """State dict with a compiled module's prefix removed."""
    return {k.removeprefix("_orig_mod."): v for k, v in module.state_dict().items()}


def text_state(module: nn.Module) -> dict[str, Tensor]:
    """Text encoder's state with names as in transformers 4 (`text_model.*`), whatever the version."""
    return {
        "text_model." + k.removeprefix("text_model."): v
        for k, v in plain_state(module).items()
        if not k.endswith("position_ids")
    }


def load_text_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """The inverse of `text_state`."""
    prefix = "text_model." if any(k.startswith("text_model.") for k in module.state_dict()) else ""
    wanted = {prefix + k.removeprefix("text_model."): v for k, v in state.items()}
    missing, unexpected = module.load_state_dict(wanted, strict=False)
    wrong = [k for k in [*missing, *unexpected] if not k.endswith("position_ids")]
    if wrong:
        raise ValueError(f"text encoder names do not match: {wrong[:4]}")


def freeze(module: nn.Module) -> nn.Module:
    """Evaluation mode without gradients."""
    return module.eval().requires_grad_(False)


def device_of(module: nn.Module) -> torch.device:
    """Where the first parameter lives."""
    return next(module.parameters()).device
