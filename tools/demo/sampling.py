"""Drawing pictures with the finished networks, for measuring them: DPM++ 2M on Karras sigmas, plain CFG."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from .networks import SCALING, device_of
from .train_unet import alphas_cumprod, empty_ids


@dataclass(frozen=True)
class Model:
    """The three networks, on one device."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: CLIPTextModel


def karras(sigmas: Tensor, steps: int, rho: float = 7.0) -> Tensor:
    """Karras et al. 2022, eq. 5, between the schedule's smallest and largest sigma; `steps` values and a final 0."""
    ramp = torch.linspace(0, 1, steps, device=sigmas.device)
    low, high = sigmas[0] ** (1 / rho), sigmas[-1] ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, sigmas.new_zeros(1)])


def _timestep(sigma: Tensor, sigmas: Tensor) -> Tensor:
    """Fractional step of a sigma, linear in log sigma (as k-diffusion does)."""
    logs = sigmas.log()
    high = torch.searchsorted(logs, sigma.log()).clamp(1, len(logs) - 1)
    share = (sigma.log() - logs[high - 1]) / (logs[high] - logs[high - 1])
    return (high - 1 + share.clamp(0, 1)).float()


@torch.no_grad()
def sample(
    model: Model,
    ids: Tensor,
    seeds: list[int],
    steps: int,
    guidance: float,
    size: int = 16,
    control: ControlNetModel | None = None,
    hint: Tensor | None = None,
) -> Tensor:
    """Token ids [B, 77] -> images [B, 3, 8 size, 8 size] in 0..1. One CPU generator for each seed. With ``control``
    they follow the lines of ``hint`` [B, 3, 8 size, 8 size].
    """
    device = device_of(model.unet)
    alphas = alphas_cumprod(device)
    sigmas = ((1 - alphas) / alphas).sqrt()
    schedule = karras(sigmas, steps)
    noise = [torch.randn((4, size, size), generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    x = torch.stack(noise).to(device) * schedule[0]
    both = torch.cat([empty_ids(device).expand(len(ids), -1), ids.to(device)])
    context = model.text(input_ids=both).last_hidden_state
    previous: Tensor | None = None
    for index in range(steps):
        sigma, following = schedule[index], schedule[index + 1]
        scaled = (x / (sigma**2 + 1).sqrt()).repeat(2, 1, 1, 1)
        at = _timestep(sigma, sigmas).expand(len(scaled))
        residuals: dict[str, object] = {}
        if control is not None and hint is not None:
            down, middle = control(scaled, at, context, hint.to(device).repeat(2, 1, 1, 1), return_dict=False)
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        noise_both = model.unet(scaled, at, context, return_dict=False, **residuals)[0]
        without, with_ = noise_both.chunk(2)
        clean = x - sigma * (without + guidance * (with_ - without))
        step = -(following.clamp(min=1e-8) / sigma).log()
        blended = clean
        if previous is not None and following > 0:
            ratio = -(sigma / schedule[index - 1]).log() / step
            blended = clean + (clean - previous) / (2 * ratio)
        x = (following / sigma) * x - torch.expm1(-step) * blended if following > 0 else clean
        previous = clean
    images = [model.vae.decode(part / SCALING, return_dict=False)[0] for part in x.split(32)]
    return (torch.cat(images).float() / 2 + 0.5).clamp(0, 1)
