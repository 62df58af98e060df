"""Phase 2: noise predictor and text encoder together, on latents computed once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from .captions import BACKGROUNDS
from .dataset import UNKNOWN, Captions
from .networks import (
    SCALING,
    count,
    freeze,
    load_text_state,
    make_text_encoder,
    make_unet,
    make_vae,
    plain_state,
    text_state,
)
from .pictures import background_colours, place, place_plain
from .schedule import Average, Clock, cosine, save_atomically
from .train_vae import encode_moments, standardize

MOVED_VIEWS = 2  # shifted and scaled versions of each picture, besides the plain one
CAPTION_DROP = 0.10  # trained without a caption, for classifier-free guidance
COLOURED = 0.15  # share of samples on another background than white


@dataclass(frozen=True)
class UnetSettings:
    """What the phase can be told. `minutes` is the whole budget; `stop_after` ends this run earlier."""

    minutes: float
    stop_after: float
    batch: int
    rate: float
    seed: int
    compile: bool
    snapshot_minutes: float = 4.0
    average: float = 0.9995
    gamma: float = 5.0  # min-SNR (Hang et al. 2023)


@dataclass(frozen=True)
class Bank:
    """Everything a step draws from, on the training device.

    white: [N, 1 + MOVED_VIEWS, 4, h, w]; colour: [N, backgrounds - 1, 4, h, w]; both scaled to deviation 1.
    white_ids: [N, K, 77]; colour_ids: [N, backgrounds - 1, K, 77] (int16 bit patterns of uint16). weight: [N].
    token_map: [49408] sends every token that no caption uses to UNKNOWN.
    """

    white: Tensor
    colour: Tensor
    white_ids: Tensor
    colour_ids: Tensor
    weight: Tensor
    token_map: Tensor


def alphas_cumprod(device: torch.device) -> Tensor:
    """SD 1.x noise schedule (scaled_linear, 0.00085 to 0.012, 1000 steps): cumulative alphas [1000], float32."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float().to(device)


@torch.no_grad()
def _encode(vae: AutoencoderKL, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, torch.bfloat16):
        return encode_moments(vae, images)[0].float() * SCALING


@torch.no_grad()
def make_latents(vae: AutoencoderKL, pictures: Tensor, seed: int, batch: int = 256) -> tuple[Tensor, Tensor]:
    """All latents: (white [N, 1 + MOVED_VIEWS, 4, h, w], colour [N, backgrounds - 1, 4, h, w])."""
    device = pictures.device
    generator = torch.Generator(device).manual_seed(seed)
    palette = background_colours(device)
    white, colour = [], []
    for part in pictures.split(batch):
        count_, behind = len(part), palette[0].expand(len(part), 3)
        views = [_encode(vae, place_plain(part, behind))]
        for _ in range(MOVED_VIEWS):
            scale = 1 - 0.10 * torch.rand(count_, generator=generator, device=device)
            shift = (torch.rand(count_, 2, generator=generator, device=device) - 0.5) * 0.08
            views.append(_encode(vae, place(part, scale, shift, behind)))
        white.append(torch.stack(views, 1))
        shades = [_encode(vae, place_plain(part, shade.expand(count_, 3))) for shade in palette[1:]]
        colour.append(torch.stack(shades, 1))
    return torch.cat(white), torch.cat(colour)


def make_bank(white: Tensor, colour: Tensor, captions: Captions, weights: list[float], device: torch.device) -> Bank:
    """Move everything to the device."""
    token_map = torch.full((49408,), UNKNOWN, dtype=torch.long)
    seen = torch.from_numpy(captions.seen.astype(np.int64))
    token_map[seen] = seen
    return Bank(
        white.to(device),
        colour.to(device),
        torch.from_numpy(captions.white.view(np.int16)).to(device),
        torch.from_numpy(captions.colour.view(np.int16)).to(device),
        torch.tensor(weights, device=device),
        token_map.to(device),
    )


def empty_ids(device: torch.device) -> Tensor:
    """Token ids [77] of the empty prompt."""
    ids = torch.full((77,), 49407, dtype=torch.long, device=device)
    ids[0] = 49406
    return ids


def draw(bank: Bank, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch: latents [B, 4, h, w] and token ids [B, 77] (int64, unknown words mapped)."""
    device = bank.white.device

    def integers(high: int) -> Tensor:
        return torch.randint(high, (batch,), generator=generator, device=device)

    def chance(share: float) -> Tensor:
        return torch.rand(batch, generator=generator, device=device) < share

    index = torch.multinomial(bank.weight, batch, replacement=True, generator=generator)
    view = torch.where(chance(0.6), 0, integers(bank.white.shape[1]))
    shade = integers(len(BACKGROUNDS) - 1)
    coloured = chance(COLOURED)
    latents = torch.where(coloured[:, None, None, None], bank.colour[index, shade], bank.white[index, view])
    ids = torch.where(
        coloured[:, None],
        bank.colour_ids[index, shade, integers(bank.colour_ids.shape[2])],
        bank.white_ids[index, integers(bank.white_ids.shape[1])],
    )
    ids = bank.token_map[ids.long() & 0xFFFF]
    return latents, _drop_some(ids, chance(CAPTION_DROP), integers(12), generator)


def _drop_some(ids: Tensor, dropped: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
    """Replace dropped captions with the empty one; a quarter of these with a few unknown words instead."""
    empty = empty_ids(ids.device)
    position = torch.arange(ids.shape[1], device=ids.device)
    unknown = torch.rand(len(ids), 1, generator=generator, device=ids.device) < 0.25
    words = unknown & (position[None] >= 1) & (position[None] <= length[:, None])
    replacement = torch.where(words, UNKNOWN, empty[None])
    return torch.where(dropped[:, None], replacement, ids)


class Predictor(nn.Module):
    """Token ids + noisy latents -> predicted noise, as one module."""

    def __init__(self) -> None:
        super().__init__()
        self.text = make_text_encoder()
        self.unet = make_unet()

    def forward(self, latents: Tensor, steps: Tensor, ids: Tensor) -> Tensor:
        context = self.text(input_ids=ids).last_hidden_state
        return self.unet(latents, steps, context, return_dict=False)[0]


def _parameter_groups(model: Predictor) -> list[dict[str, object]]:
    """No weight decay for embeddings, norms and biases."""
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and "embedding" not in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim > 1 and "embedding" not in n)]
    return [{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]


def _load_vae(folder: Path, device: torch.device) -> AutoencoderKL:
    vae = make_vae()
    vae.load_state_dict(torch.load(folder / "vae.pt", map_location="cpu", weights_only=True)["vae"])
    freeze(vae)
    return vae.to(device)


def prepare_latents(pictures: Tensor, folder: Path, seed: int) -> tuple[Tensor, Tensor]:
    """Standardize the trained autoencoder, keep it as `vae_final.pt`, and encode everything (`latents.pt`)."""
    device = pictures.device
    vae = _load_vae(folder, device)
    palette = background_colours(device)
    plain = torch.cat([place_plain(part, palette[0].expand(len(part), 3)) for part in pictures.split(256)])
    deviation = standardize(vae, plain)
    white, colour = make_latents(vae, pictures, seed)
    print(f"latents: deviations were {deviation.tolist()}, now {white.std().item():.3f}", flush=True)
    save_atomically({k: v.cpu() for k, v in vae.state_dict().items()}, folder / "vae_final.pt")
    save_atomically({"white": white.half().cpu(), "colour": colour.half().cpu()}, folder / "latents.pt")
    return white, colour


class UnetRun:
    """The second phase: networks, optimizer, averages and random numbers."""

    def __init__(self, bank: Bank, settings: UnetSettings) -> None:
        self.bank, self.settings, self.device = bank, settings, bank.white.device
        torch.manual_seed(settings.seed)
        self.model = Predictor().to(self.device)
        self.model.unet.to(memory_format=torch.channels_last)
        self.forward: nn.Module = torch.compile(self.model) if settings.compile else self.model  # type: ignore[assignment]
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.model), settings.rate, betas=(0.9, 0.99), fused=self.device.type == "cuda"
        )
        self.average = Average(self.model.parameters(), settings.average)
        self.generator = torch.Generator(self.device).manual_seed(settings.seed)
        self.alphas = alphas_cumprod(self.device)
        self.step, self.spent = 0, 0.0

    def resume(self, path: Path) -> None:
        """Go on from a state that `save` wrote, if there is one."""
        if not path.exists():
            return
        stored = torch.load(path, map_location=self.device, weights_only=True)
        self.model.unet.load_state_dict(stored["unet"])
        load_text_state(self.model.text, stored["text"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.average.load(stored["shadow"])
        self.generator.set_state(stored["generator"].cpu())
        self.step, self.spent = stored["step"], stored["spent"]

    def save(self, path: Path, spent: float) -> None:
        """Write everything that `resume` needs."""
        content = {
            "unet": plain_state(self.model.unet),
            "text": text_state(self.model.text),
            "optimizer": self.optimizer.state_dict(),
            "shadow": self.average.shadow,
            "generator": self.generator.get_state(),
            "step": self.step,
            "spent": spent,
        }
        save_atomically(content, path)

    def snapshot(self, path: Path) -> None:
        """Averaged weights only, for looking at and exporting."""
        self.average.swap()
        content = {
            "unet": {k: v.cpu().clone() for k, v in plain_state(self.model.unet).items()},
            "text": {k: v.cpu().clone() for k, v in text_state(self.model.text).items()},
        }
        self.average.swap()
        save_atomically(content, path)

    def learn(self, progress: float) -> Tensor:
        """One step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * cosine(progress, self.step, 400)
        loss = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update(self.step)
        self.step += 1
        return loss.detach()

    def _loss(self) -> Tensor:
        """Min-SNR weighted mean squared error of the predicted noise."""
        latents, ids = draw(self.bank, self.settings.batch, self.generator)
        steps = torch.randint(1000, (len(latents),), generator=self.generator, device=self.device)
        noise = torch.randn(latents.shape, generator=self.generator, device=self.device)
        alpha = self.alphas[steps][:, None, None, None]
        noisy = alpha.sqrt() * latents.float() + (1 - alpha).sqrt() * noise
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self.forward(noisy.to(memory_format=torch.channels_last), steps, ids)
        snr = self.alphas[steps] / (1 - self.alphas[steps])
        error = functional.mse_loss(predicted.float(), noise, reduction="none").mean(dim=(1, 2, 3))
        return (error * snr.clamp(max=self.settings.gamma) / snr).mean()


def train_unet(bank: Bank, settings: UnetSettings, folder: Path) -> None:
    """Train (or go on training); leaves `unet.pt` (to resume) and `unet_final.pt` (averaged weights)."""
    run = UnetRun(bank, settings)
    run.resume(folder / "unet.pt")
    clock = Clock(settings.minutes * 60, run.spent)
    stop = run.spent + settings.stop_after * 60
    sizes = f"unet {count(run.model.unet):.2f} M, text {count(run.model.text):.2f} M parameters"
    print(f"{sizes}, from step {run.step}, {run.spent:.0f} s spent", flush=True)
    logged = shot = time.monotonic()
    losses: list[Tensor] = []
    while clock.progress() < 1 and clock.elapsed() < stop:
        losses.append(run.learn(clock.progress()))
        if run.step in (1, 20) or run.step % 250 == 0:
            mean = float(torch.stack(losses).mean())
            pace = len(losses) * settings.batch / (time.monotonic() - logged)
            print(f"unet {clock.elapsed():6.0f} s step {run.step:6d} loss {mean:.4f} {pace:.0f} samples/s", flush=True)
            logged, losses = time.monotonic(), []
        if time.monotonic() - shot > settings.snapshot_minutes * 60:
            run.snapshot(folder / "unet_final.pt")
            shot = time.monotonic()
    run.save(folder / "unet.pt", clock.elapsed())
    run.snapshot(folder / "unet_final.pt")
    print(f"unet: saved at step {run.step} after {clock.elapsed():.0f} s", flush=True)
