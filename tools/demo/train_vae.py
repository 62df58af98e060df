"""Phases 1 and 3: the autoencoder, and later its decoder alone.

Both minimize L1 + Laplacian pyramid, with a patch discriminator in the last part; phase 1 adds a small KL term.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from .networks import SCALING, PatchDiscriminator, count, make_vae, plain_state
from .pictures import background_colours, place
from .schedule import Average, Clock, cosine, save_atomically

JUDGE_RATE = 2e-4
DECODER_NOISE = 0.03  # deviation of the noise on the latents that the decoder is tuned on, whose deviation is 1


@dataclass(frozen=True)
class VaeSettings:
    """What the phases can be told. `minutes` is the whole budget; `stop_after` (minutes) ends this run earlier."""

    minutes: float
    stop_after: float
    batch: int
    rate: float
    seed: int
    compile: bool
    kl_weight: float = 5e-4
    adversarial_from: float = 0.45  # progress at which the discriminator starts
    adversarial_weight: float = 0.2  # its gradient's norm at the picture, relative to the reconstruction's
    average: float = 0.999


def laplacian_loss(ours: Tensor, target: Tensor, levels: int = 4) -> Tensor:
    """L1 of the pictures and of their Laplacian pyramids (Bojanowski et al. 2018), equal weight for every level."""
    loss = functional.l1_loss(ours, target)
    error = ours - target
    for _ in range(levels):
        small = functional.avg_pool2d(error, 2)
        detail = error - functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        loss = loss + detail.abs().mean()
        error = small
    return loss + error.abs().mean()


def random_views(pictures: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """A batch of random pictures: some moved and scaled, 60% on white, the rest on the palette or any colour."""
    device = pictures.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    index = torch.randint(len(pictures), (batch,), generator=generator, device=device)
    palette = background_colours(device)
    chosen = palette[torch.randint(len(palette), (batch,), generator=generator, device=device)]
    kind = rand(batch, 1)
    colour = torch.where(kind < 0.6, torch.ones_like(chosen), torch.where(kind < 0.85, chosen, rand(batch, 3)))
    moved = (rand(batch) < 0.7).float()
    scale = 1 - moved * (0.25 * rand(batch) - 0.05)
    shift = (rand(batch, 2) - 0.5) * 0.16 * moved[:, None]
    return place(pictures[index], scale, shift, colour).to(memory_format=torch.channels_last)


def encode_moments(vae: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images -> mean and log variance, each [B, 4, h, w]."""
    mean, logvar = vae.quant_conv(vae.encoder(images)).chunk(2, dim=1)
    return mean, logvar.clamp(-30, 20)


class Reconstruct(nn.Module):
    """Images and noise [B, 4, h, w] -> (reconstruction, KL per latent value), as one module to compile."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = encode_moments(self.vae, images)
        mean, logvar = mean.float(), logvar.float()
        latents = mean + noise * torch.exp(0.5 * logvar)
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return self.vae.decoder(self.vae.post_quant_conv(latents)).float(), divergence


class Redecode(nn.Module):
    """Like `Reconstruct` with a finished encoder: no gradient, no KL, and a fixed deviation of noise."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            mean = encode_moments(self.vae, images)[0].float()
        latents = mean + noise * (DECODER_NOISE / SCALING)
        return self.vae.decoder(self.vae.post_quant_conv(latents)).float(), images.new_zeros(())


class Judge:
    """The patch discriminator with its optimizer."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = PatchDiscriminator().to(device)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), JUDGE_RATE, betas=(0.5, 0.95), weight_decay=1e-4)

    def learn(self, real: Tensor, fake: Tensor) -> None:
        """One hinge-loss step."""
        with torch.autocast(self.device.type, torch.bfloat16):
            on_real, on_fake = self.net(real)[0].float(), self.net(fake)[0].float()
        loss = functional.relu(1 - on_real).mean() + functional.relu(1 + on_fake).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def gradient(self, real: Tensor, fake: Tensor) -> Tensor:
        """Gradient at `fake` of hinge loss + twice the feature matching (Wang et al. 2018)."""
        leaf = fake.detach().requires_grad_(True)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, ours = self.net(leaf)
            with torch.no_grad():
                _, theirs = self.net(real)
        matching = sum(
            (
                functional.l1_loss(a.float(), b.float()) / b.float().abs().mean()
                for a, b in zip(ours, theirs, strict=True)
            ),
            torch.zeros((), device=self.device),
        )
        (gradient,) = torch.autograd.grad(-logits.float().mean() + 2.0 * matching, leaf)
        return gradient


class VaeRun:
    """One training phase of (a part of) the autoencoder: its networks, optimizers, averages and random numbers."""

    def __init__(
        self, vae: AutoencoderKL, trained: list[nn.Parameter], settings: VaeSettings, device: torch.device
    ) -> None:
        self.vae, self.trained, self.settings, self.device = vae, trained, settings, device
        self.judge = Judge(device)
        self.optimizer = torch.optim.AdamW(
            trained, settings.rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=device.type == "cuda"
        )
        self.average = Average(trained, settings.average)
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.step, self.spent = 0, 0.0

    def resume(self, path: Path) -> None:
        """Go on from a state that `save` wrote, if there is one."""
        if not path.exists():
            return
        stored = torch.load(path, map_location=self.device, weights_only=True)
        self.vae.load_state_dict(stored["live"])
        self.judge.net.load_state_dict(stored["judge"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.judge.optimizer.load_state_dict(stored["judge_optimizer"])
        self.average.load(stored["shadow"])
        self.generator.set_state(stored["generator"].cpu())
        self.step, self.spent = stored["step"], stored["spent"]

    def save(self, path: Path, spent: float) -> None:
        """Write everything; `vae` in the file holds the averaged weights."""
        self.average.swap()
        averaged = {k: v.clone() for k, v in plain_state(self.vae).items()}
        self.average.swap()
        content = {
            "vae": averaged,
            "live": plain_state(self.vae),
            "shadow": self.average.shadow,
            "judge": self.judge.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "judge_optimizer": self.judge.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "spent": spent,
        }
        save_atomically(content, path)

    def learn(self, forward: nn.Module, pictures: Tensor, progress: float) -> Tensor:
        """One step; returns the mean absolute error of the reconstruction (pictures are -1..1)."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * cosine(progress, self.step, 200)
        real = random_views(pictures, settings.batch, self.generator)
        side = real.shape[-1] // 8
        noise = torch.randn((settings.batch, 4, side, side), generator=self.generator, device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            fake, divergence = forward(real, noise)
        outputs, gradients = [fake], [self._gradient(real, fake, progress)]
        if divergence.requires_grad:
            outputs.append(divergence)
            gradients.append(torch.full_like(divergence, settings.kl_weight))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(outputs, gradients)
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.average.update(self.step)
        self.step += 1
        return (fake.detach() - real).abs().mean()

    def _gradient(self, real: Tensor, fake: Tensor, progress: float) -> Tensor:
        """Gradient at the reconstruction; the discriminator's share is set by norm, so that it never dominates."""
        leaf = fake.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(laplacian_loss(leaf, real), leaf)
        start = self.settings.adversarial_from
        if progress <= start:
            return gradient
        self.judge.learn(real, fake.detach())
        extra = self.judge.gradient(real, fake)
        ramp = min(1.0, (progress - start) / 0.1)
        return gradient + extra * (self.settings.adversarial_weight * ramp * gradient.norm() / extra.norm())


def _loop(run: VaeRun, forward: nn.Module, pictures: Tensor, path: Path, name: str) -> None:
    """Train until the budget (or this run's share) is used, then save."""
    settings = run.settings
    if settings.compile:
        forward = torch.compile(forward)  # type: ignore[assignment]
    clock = Clock(settings.minutes * 60, run.spent)
    stop = run.spent + settings.stop_after * 60
    print(f"{name}: {count(run.vae):.2f} M parameters, from step {run.step}, {run.spent:.0f} s spent", flush=True)
    logged, first = time.monotonic(), run.step
    while clock.progress() < 1 and clock.elapsed() < stop:
        error = run.learn(forward, pictures, clock.progress())
        if run.step % 200 == 0:
            pace = (run.step - first) * settings.batch / (time.monotonic() - logged)
            print(
                f"{name} {clock.elapsed():6.0f} s step {run.step:6d} l1 {float(error):.4f} {pace:.0f} img/s", flush=True
            )
            logged, first = time.monotonic(), run.step
    run.save(path, clock.elapsed())
    print(f"{name}: saved at step {run.step} after {clock.elapsed():.0f} s", flush=True)


def _start(settings: VaeSettings, device: torch.device, part: Callable[[AutoencoderKL], list[nn.Parameter]]) -> VaeRun:
    torch.manual_seed(settings.seed)
    vae = make_vae().to(device, memory_format=torch.channels_last)
    return VaeRun(vae, part(vae), settings, device)


def train_vae(pictures: Tensor, settings: VaeSettings, folder: Path) -> None:
    """Phase 1; leaves `vae.pt` in `folder`. pictures: uint8 [N, 4, 256, 256] on the device."""
    run = _start(settings, pictures.device, lambda vae: list(vae.parameters()))
    run.resume(folder / "vae.pt")
    _loop(run, Reconstruct(run.vae), pictures, folder / "vae.pt", "vae")


def tune_decoder(pictures: Tensor, settings: VaeSettings, folder: Path) -> None:
    """Phase 3, from `vae_final.pt` (standardized) to `decoder.pt`; latents, and so the UNet, stay valid."""
    run = _start(settings, pictures.device, lambda vae: [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()])
    run.vae.load_state_dict(torch.load(folder / "vae_final.pt", map_location=pictures.device, weights_only=True))
    run.average = Average(run.trained, settings.average)
    first_phase = torch.load(folder / "vae.pt", map_location=pictures.device, weights_only=True)
    run.judge.net.load_state_dict(first_phase["judge"])
    run.resume(folder / "decoder.pt")
    _loop(run, Redecode(run.vae), pictures, folder / "decoder.pt", "decoder")


@torch.no_grad()
def standardize(vae: AutoencoderKL, images: Tensor, batch: int = 256) -> Tensor:
    """Give every latent channel mean 0 and deviation 1 / SCALING over `images`, by rewriting the two 1x1 convs.

    The decoder sees exactly what it saw before. Returns the deviations found [4].
    """
    means = torch.cat([encode_moments(vae, part)[0].float() for part in images.split(batch)])
    centre = means.mean(dim=(0, 2, 3)).double()
    deviation = means.double().std(dim=(0, 2, 3))
    factor = 1 / (deviation * SCALING)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:4] = (quant.weight[:4].double() * factor[:, None, None, None]).float()
    quant.bias[:4] = ((quant.bias[:4].double() - centre) * factor).float()
    quant.bias[4:] += 2 * factor.log().float()
    matrix = post.weight[:, :, 0, 0].double()
    post.bias += (matrix @ centre).float()
    post.weight.copy_((matrix / factor).float()[:, :, None, None])
    return deviation.float()
