"""The UNet as the loop sees it: latents, timesteps and captions in, a prediction out, whatever family and precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sdcolab.core.detect import Prediction
from sdcolab.core.errors import ModelFamilyUnsupported
from sdcolab.engine.convert import SizeConditioning
from sdcolab.engine.models import LoadedModel
from sdcolab.training import recipe
from sdcolab.training.buckets import crop_box
from sdcolab.training.dataset import Picture
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.text import Reading, TextReader

HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}
_BF16_CAPABILITY = (8, 0)


def precision_for(plan: TrainingPlan, device: torch.device) -> str:
    """ "no", "fp16" or "bf16". A CPU always works in full precision; "auto" takes bf16 where the card computes in it
    (capability 8 or more: ``torch.cuda.is_bf16_supported()`` says yes on a T4, which only emulates it).
    """
    if device.type != "cuda":
        return "no"
    able = torch.cuda.get_device_capability(device) >= _BF16_CAPABILITY
    if plan.mixed_precision == "auto":
        return "bf16" if able else "fp16"
    return "fp16" if plan.mixed_precision == "bf16" and not able else plan.mixed_precision


class Unet:
    """A model's UNet, with what training it needs around it: noise levels, mixed precision, the scaling of
    gradients.
    """

    def __init__(self, model: LoadedModel, plan: TrainingPlan, device: torch.device) -> None:
        if model.noise_range:  # another loss, over other noise levels
            raise ModelFamilyUnsupported(path=model.path, family="CosXL")
        self.model = model
        self.v = plan.v_parameterization or model.prediction is Prediction.V
        self.precision = precision_for(plan, device)
        self.latent_scale = model.layout.latent_scale
        zero = plan.zero_terminal_snr or model.zero_terminal_snr
        self.abar = recipe.noise_levels(zero_terminal_snr=zero)
        self._device = device
        self._scaler = torch.amp.GradScaler("cuda", enabled=self.precision == "fp16")
        if plan.gradient_checkpointing:
            model.unet.enable_gradient_checkpointing()

    def predict(
        self, latents: Tensor, timesteps: Tensor, text: TextReader, captions: Sequence[str], pictures: Sequence[Picture]
    ) -> Tensor:
        """What the UNet answers for noisy ``latents`` [B, C, h, w] at ``timesteps`` [B]."""
        with self.autocast():
            reading = text.read(captions, self._device)
            added = self._added(reading, pictures)
            output: Tensor = self.model.unet(
                latents, timesteps, reading.tokens, added_cond_kwargs=added or None, return_dict=False
            )[0]
        return output

    def _added(self, reading: Reading, pictures: Sequence[Picture]) -> dict[str, Tensor]:
        """What SDXL is told beside the text: original size, crop, and target size, each height first."""
        if self.model.layout.size_conditioning is SizeConditioning.NONE:
            return {}
        ids = [sizes_of(picture) for picture in pictures]
        return {"text_embeds": reading.pooled, "time_ids": torch.tensor(ids, dtype=torch.float32, device=self._device)}

    def autocast(self) -> torch.autocast:
        """Half precision where it is used."""
        dtype = HALF.get(self.precision)
        return torch.autocast(self._device.type, dtype=dtype, enabled=dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Gradients of ``loss``, scaled so that small ones survive half precision."""
        self._scaler.scale(loss).backward()

    def step(self, optimiser: Optimizer, parameters: Iterable[nn.Parameter], limit: float) -> None:
        """A step of ``optimiser`` with gradients whose norm is at most ``limit`` (0: any)."""
        self._scaler.unscale_(optimiser) if self._scaler.is_enabled() else None
        if limit:
            torch.nn.utils.clip_grad_norm_([one for one in parameters if one.grad is not None], limit)
        self._scaler.step(optimiser)
        self._scaler.update()

    def scaler_state(self) -> dict[str, Any]:
        """What the scaling has learnt."""
        return dict(self._scaler.state_dict())

    def load_scaler_state(self, state: dict[str, Any]) -> None:
        """Go on with it."""
        if state:
            self._scaler.load_state_dict(state)


def sizes_of(picture: Picture) -> tuple[float, ...]:
    """Original height and width, top and left of the crop, target height and width (Podell et al. 2023, section
    2.2).
    """
    (width, height), (target_width, target_height) = picture.size, picture.fit.bucket
    left, top, *_ = crop_box(picture.fit.bucket, picture.size)
    return height, width, top, left, target_height, target_width
