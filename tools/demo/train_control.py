"""The demo ControlNet (Zhang et al. 2023): lines steer the shape of what the demo model draws.

The demo model stays as it is; a copy of its down half learns to add to its skips. Pictures are bent anew all the time,
so that the lines and not the memory of an emoji say where it goes. It trains on one CPU core in about an hour.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel
from torch import Tensor
from torch.nn import functional

from .captions import BACKGROUNDS
from .dataset import UNKNOWN, Captions
from .networks import SCALING, count
from .outlines import make_view
from .sampling import Model
from .schedule import Average, Clock, cosine, save_atomically
from .train_unet import alphas_cumprod, empty_ids
from .train_vae import encode_moments

COLOURED = 0.12  # share of views on another background than white
CAPTION_DROP = 0.3  # trained without a caption, so that the lines are read for themselves
HINT_WIDTHS = (16, 32, 64, 96)  # channels of the block that reads the lines, 8 times smaller at its end


@dataclass(frozen=True)
class ControlSettings:
    """What the phase can be told. `minutes` is the whole budget; `stop_after` (minutes) ends this run earlier.

    Each step draws `batch` views, `fresh` of them newly bent and encoded, the rest from the last `kept` views.
    """

    minutes: float
    stop_after: float
    batch: int
    rate: float
    seed: int
    fresh: int = 4
    kept: int = 6144
    first: int = 384
    average: float = 0.998
    late: float = 0.75  # share of noise levels drawn from the noisier 70 %, where the shape is decided
    snapshot_minutes: float = 4.0


def make_control(model: Model) -> ControlNetModel:
    """A ControlNet that starts as a copy of the UNet's down half and changes nothing yet."""
    return ControlNetModel.from_unet(model.unet, conditioning_embedding_out_channels=HINT_WIDTHS)


class Views:
    """An endless stream of bent pictures: latents [4, 16, 16], lines [128, 128], token ids [77]; the last are kept."""

    def __init__(
        self, model: Model, pictures: np.ndarray, captions: Captions, weights: list[float], settings: ControlSettings
    ) -> None:
        self.model, self.pictures, self.captions, self.settings = model, pictures, captions, settings
        self.rng = np.random.default_rng(settings.seed)
        self.share = np.array(weights) / sum(weights)
        self.colours = np.array([rgb for _, _, rgb in BACKGROUNDS], dtype=np.float32)
        self.token_map = np.full(49408, UNKNOWN, dtype=np.int64)
        self.token_map[captions.seen.astype(np.int64)] = captions.seen.astype(np.int64)
        self.latents = torch.zeros(settings.kept, 4, 16, 16)
        self.lines = torch.zeros(settings.kept, 128, 128, dtype=torch.uint8)
        self.ids = torch.zeros(settings.kept, 77, dtype=torch.long)
        self.made = 0

    def add(self, number: int) -> None:
        """Bend and encode `number` more pictures."""
        chosen = self.rng.choice(len(self.pictures), number, p=self.share)
        views, ids = [], []
        for index in chosen:
            shade = int(self.rng.integers(1, len(BACKGROUNDS))) if self.rng.random() < COLOURED else 0
            views.append(make_view(self.pictures[index].transpose(1, 2, 0), self.colours[shade], self.rng))
            row = self.captions.colour[index, shade - 1] if shade else self.captions.white[index]
            ids.append(self.token_map[row[self.rng.integers(len(row))].astype(np.int64)])
        images = torch.from_numpy(np.stack([view.picture for view in views])).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            latents = encode_moments(self.model.vae, images)[0].float() * SCALING
        place = torch.arange(self.made, self.made + number) % self.settings.kept
        self.latents[place] = latents
        self.lines[place] = torch.from_numpy(np.stack([view.lines for view in views]))
        self.ids[place] = torch.from_numpy(np.stack(ids))
        self.made += number

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """A batch: latents [B, 4, 16, 16], hint [B, 3, 128, 128] in 0..1, token ids [B, 77]."""
        self.add(self.settings.first if self.made == 0 else self.settings.fresh)
        filled = min(self.made, self.settings.kept)
        rows = torch.from_numpy(self.rng.integers(0, filled, self.settings.batch))
        newest = (self.made - 1 - torch.arange(self.settings.fresh)) % self.settings.kept
        rows[: self.settings.fresh] = newest
        ids = self.ids[rows].clone()
        dropped = torch.from_numpy(self.rng.random(len(rows)) < CAPTION_DROP)
        ids[dropped] = empty_ids(ids.device)
        hint = (self.lines[rows].float() / 255)[:, None].expand(-1, 3, -1, -1)
        return self.latents[rows], hint, ids


class ControlRun:
    """The ControlNet, its optimizer and averages."""

    def __init__(self, model: Model, views: Views, settings: ControlSettings) -> None:
        self.model, self.views, self.settings = model, views, settings
        torch.manual_seed(settings.seed)
        self.control = make_control(model).train()
        self.optimizer = torch.optim.AdamW(
            self.control.parameters(), settings.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.average = Average(self.control.parameters(), settings.average)
        self.alphas = alphas_cumprod(torch.device("cpu"))
        self.step, self.spent = 0, 0.0

    def resume(self, path: Path) -> None:
        """Go on from a state that `save` wrote, if there is one."""
        if not path.exists():
            return
        stored = torch.load(path, map_location="cpu", weights_only=True)
        self.control.load_state_dict(stored["control"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.average.load(stored["shadow"])
        self.step, self.spent = stored["step"], stored["spent"]
        self.views.rng = np.random.default_rng(self.settings.seed + self.step)

    def save(self, path: Path, spent: float) -> None:
        """Write everything that `resume` needs."""
        content = {
            "control": self.control.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "shadow": self.average.shadow,
            "step": self.step,
            "spent": spent,
        }
        save_atomically(content, path)

    def snapshot(self, path: Path) -> None:
        """Averaged weights only, for looking at and exporting."""
        self.average.swap()
        content = {k: v.clone() for k, v in self.control.state_dict().items()}
        self.average.swap()
        save_atomically(content, path)

    def learn(self, progress: float) -> float:
        """One step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * cosine(progress, self.step, 100)
        loss = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.control.parameters(), 1.0)
        self.optimizer.step()
        self.average.update(self.step)
        self.step += 1
        return loss.item()

    def _loss(self) -> Tensor:
        """Mean squared error of the predicted noise."""
        latents, hint, ids = self.views.draw()
        low = torch.where(torch.rand(len(latents)) < self.settings.late, 300.0, 0.0)
        steps = (low + torch.rand(len(latents)) * (1000 - low)).long()
        noise = torch.randn_like(latents)
        alpha = self.alphas[steps][:, None, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with torch.no_grad():
            context = self.model.text(input_ids=ids).last_hidden_state
        down, middle = self.control(noisy, steps, context, hint, return_dict=False)
        predicted = self.model.unet(
            noisy, steps, context, down_block_additional_residuals=down, mid_block_additional_residual=middle,
            return_dict=False,
        )[0]  # fmt: skip
        # The shape is decided early, where the noise's error is tiny: weigh by the picture's error, bounded.
        snr = (alpha / (1 - alpha)).flatten()
        error = functional.mse_loss(predicted, noise, reduction="none").mean(dim=(1, 2, 3))
        return (error / snr.clamp(min=0.125, max=5.0)).mean()


def train_control(model: Model, views: Views, settings: ControlSettings, folder: Path) -> None:
    """Train (or go on training); leaves `control.pt` (to resume) and `control_final.pt` (averaged weights)."""
    run = ControlRun(model, views, settings)
    run.resume(folder / "control.pt")
    clock = Clock(settings.minutes * 60, run.spent)
    stop = run.spent + settings.stop_after * 60
    print(f"control {count(run.control):.2f} M parameters, from step {run.step}, {run.spent:.0f} s spent", flush=True)
    shot = time.monotonic()
    losses: list[float] = []
    while clock.progress() < 1 and clock.elapsed() < stop:
        losses.append(run.learn(clock.progress()))
        if run.step in (1, 5) or run.step % 50 == 0:
            print(f"control {clock.elapsed():6.0f} s step {run.step:6d} loss {np.mean(losses):.4f}", flush=True)
            losses = []
        if time.monotonic() - shot > settings.snapshot_minutes * 60:
            run.snapshot(folder / "control_final.pt")
            run.save(folder / "control.pt", clock.elapsed())
            shot = time.monotonic()
    run.save(folder / "control.pt", clock.elapsed())
    run.snapshot(folder / "control_final.pt")
    print(f"control: saved at step {run.step} after {clock.elapsed():.0f} s", flush=True)
