"""The model as samplers see it: UNet calls with classifier-free guidance, at any noise level.

Ho & Salimans 2022 (arXiv:2207.12598) equation 6; numerics of hechos/a1111.md 0, 1.6, 1.7, 3.2, 3.5 and 3.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from sdcolab.engine.attention import hooked
from sdcolab.engine.calls import NEGATIVE, Predictions, Predictor, Round, Share, Step, UNetCall
from sdcolab.engine.conditioning import Context
from sdcolab.engine.feature import Borrow, Feature
from sdcolab.engine.precision import autocast, working_dtype
from sdcolab.engine.replays import Given
from sdcolab.engine.samplers.base import NoisePrediction
from sdcolab.engine.schedules import NoiseTable


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """What the UNet says, or what that means, [B, C, h, w] each: for the parts of the prompt, for the negative prompt,
    and for that one without the picture beside the latents."""

    positive: tuple[Tensor, ...]
    negative: Tensor
    bare: Tensor | None = None

    def each(self, meaning: Callable[[Tensor], Tensor]) -> _Said:
        """The same with ``meaning`` of each."""
        bare = None if self.bare is None else meaning(self.bare)
        return _Said(tuple(map(meaning, self.positive)), meaning(self.negative), bare)


class GuidedDenoiser:
    """``samplers.base.Denoiser`` for one round (it counts its calls)."""

    def __init__(
        self,
        predictor: Predictor,
        table: NoiseTable,
        of: Round,
        *,
        before_call: Callable[[], None],
        after_call: Callable[[Tensor], None],
        features: Sequence[Feature] = (),
        borrow: Borrow | None = None,
        split: bool = False,
    ) -> None:
        """``before_call`` runs before each UNet call and may raise to stop. ``after_call`` hears the image that each
        denoiser call predicts, [B, C, h, w]. ``borrow`` is for features that take over. ``split`` evaluates the prompts
        in separate UNet calls even when one would do, for half the memory.
        """
        self._use(predictor)
        self._table = table
        self._round = of
        self._before_call = before_call
        self._after_call = after_call
        self._features = tuple(features)
        self._borrow = borrow
        self._split = split
        self._calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided image in ``x`` (float32 [B, C, h, w]) at ``sigma`` (0-d CPU)."""
        t = self._table.sigma_to_t(sigma)
        step = self._step(sigma=float(sigma), t=float(t), signal=1.0, deviation=sigma, by_timesteps=False)
        x = self._before_model(x, step)
        levels = self._predictor.levels
        said = self._predict(levels.scaled(x, sigma), t, step)
        image = self._finished(self._guided(said.each(lambda output: levels.image(x, output, sigma)), step), step)
        self._after_call(image)
        return image

    def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
        """The guided noise in ``x`` (float32 [B, C, h, w], variance preserving) at timestep ``t``."""
        sigma = self._table.t_to_sigma(t)
        level = (sigma**2 + 1).sqrt()
        step = self._step(sigma=float(sigma), t=t, signal=1 / level, deviation=sigma / level, by_timesteps=True)
        x = self._before_model(x, step)
        levels = self._predictor.levels
        noises = self._predict(x, torch.tensor(float(t)), step).each(lambda output: levels.noise(x, output, sigma))
        guided = self._guided(noises, step, guidance_factor)
        image = x * level - guided * sigma
        finished = self._finished(image, step)
        if finished is not image:
            guided = (x * level - finished) / sigma
        self._after_call(finished)
        return NoisePrediction(guided=guided, uncond=noises.negative)

    def _use(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._dtype = working_dtype(predictor.unet)  # diffusers' own ``dtype`` looks through every tensor

    # --- Features -----------------------------------------------------------------------------------------------------

    def _step(self, **level: Any) -> Step:
        """The next step as the features want it; one of them may bring another model for it."""
        step = Step(round=self._round, call=self._calls, scale=self._round.one.cfg_scale, **level)
        self._calls += 1
        for feature in self._features:
            if self._borrow is not None and (predictor := feature.take_over(step, self._borrow)) is not None:
                self._use(predictor)
        for feature in self._features:
            step = feature.before_step(step)
        return step

    def _before_model(self, x: Tensor, step: Step) -> Tensor:
        for feature in self._features:
            x = feature.before_model(x, step)
        return x

    def _guided(self, said: _Said, step: Step, factor: float = 1.0) -> Tensor:
        """The sum of what is predicted for each part and for the negative prompt. Without negative prompt the first
        part stands in for it, at scale 1.
        """
        scale = factor * (step.scale if step.negative else 1.0)
        weights = tuple(part.weight for part in self._predictor.conditioning.positive)
        pull = 1.0 if step.picture_scale is None else step.picture_scale
        predictions = Predictions(
            step, said.positive, weights, said.negative, scale, bare=said.bare, picture_scale=pull
        )
        for feature in self._features:
            predictions = feature.combine(predictions)
        return predictions.summed()

    def _finished(self, image: Tensor, step: Step) -> Tensor:
        for feature in self._features:
            image = feature.after_guidance(image, step)
        return image

    # --- The UNet -----------------------------------------------------------------------------------------------------

    def _predict(self, x: Tensor, t: Tensor, step: Step) -> _Said:
        """What the UNet says for each part of the prompt and for the negative prompt; one UNet call when lengths allow.
        Without negative prompt the first part stands in for it.
        """
        conditioning = self._predictor.conditioning
        positive = equal_lengths([part.at(step.call) for part in conditioning.positive])
        shares = [Share(number) for number in range(len(positive))]
        if not step.negative:
            outputs = self._outputs(x, t, step, positive, shares)
            return _Said(tuple(outputs), outputs[0])
        negative = conditioning.negative.at(step.call)
        others = [Share(NEGATIVE)] if step.picture_scale is None else [Share(NEGATIVE), Share(NEGATIVE, bare=True)]
        negatives = [negative] * len(others)
        if positive[0].tokens.shape == negative.tokens.shape:
            outputs = self._outputs(x, t, step, [*positive, *negatives], [*shares, *others])
        else:
            outputs = self._outputs(x, t, step, positive, shares) + self._outputs(x, t, step, negatives, others)
        return _Said(tuple(outputs[: len(shares)]), *outputs[len(shares) :])

    def _outputs(self, x: Tensor, t: Tensor, step: Step, contexts: list[Context], shares: list[Share]) -> list[Tensor]:
        if self._split:
            pairs = zip(contexts, shares, strict=True)
            return [self._call(x, t, step, [context], (share,))[0] for context, share in pairs]
        return self._call(x, t, step, contexts, tuple(shares))

    def _call(
        self, x: Tensor, t: Tensor, step: Step, contexts: list[Context], shares: tuple[Share, ...]
    ) -> list[Tensor]:
        """One UNet call: ``x`` [B, C, h, w] at timestep ``t`` with each of ``contexts`` of one length."""
        self._before_call()
        count, images = len(contexts), len(x)
        told = self._table.time_told(t)
        call = UNetCall(
            step=step,
            predictor=self._predictor,
            shares=shares,
            x=x.to(self._dtype).repeat(count, 1, 1, 1),
            # A1111 1.10 rounds the timestep to float16 (hechos/a1111.md 0); bfloat16 knows only every fourth of them.
            timesteps=torch.full(
                (count * images,),
                float(told),  # a number and no tensor: the step does not wait for the card to take it over
                device=x.device,
                dtype=t.dtype if self._dtype is torch.bfloat16 else self._dtype,
            ),
            context=self._joined([context.tokens for context in contexts], images),
            added=self._joined_added(contexts, images),
            extra=self._extra(shares, images),
        )
        for feature in self._features:
            call = feature.before_unet(call)
        output = answered(call) if call.output is None else call.output
        for feature in self._features:
            output = feature.after_unet(output, call)
        return list(output.chunk(count))

    def _extra(self, shares: tuple[Share, ...], images: int) -> Tensor | None:
        """What lies beside the latents of each row: [shares * images, k, h, w]."""
        extra = self._predictor.extra_channels
        if extra is None:
            return None
        seen = extra.to(self._dtype).expand(images, -1, -1, -1)
        return torch.cat([torch.zeros_like(seen) if share.bare else seen for share in shares])

    def _joined(self, rows: list[Tensor], images: int) -> Tensor:
        """``rows`` (each [1, ...]), each repeated for every image: [rows * images, ...]."""
        return torch.cat([row.expand(images, *row.shape[1:]) for row in rows]).to(self._dtype)

    def _joined_added(self, contexts: list[Context], images: int) -> Mapping[str, Tensor]:
        names = contexts[0].added
        return {name: self._joined([one.added[name] for one in contexts], images) for name in names}


def answered(call: UNetCall) -> Tensor:
    """What the UNet answers to ``call``: float32 [N, C, h, w]."""
    unet, model = call.predictor.unet, call.predictor.model
    if model is not None:
        model.turn_of_unet()
    with autocast(unet), _attending(call), ExitStack() as around:
        for enter in call.around:
            around.enter_context(enter())
        ask = partial(_asked, unet)
        if model is None or model.replays is None or call.attention or call.around:
            output = ask(_given(call))
        else:
            output = model.replays.answer(call.step.round, _given(call), ask)
    return output.float()


_ADDED, _DOWN, _ADAPTER = "added.", "down.", "adapter."
"""Before the names of what there are several of in a call."""


def _given(call: UNetCall) -> Given:
    """All that the UNet is asked, by name, in an order that tells how it is asked."""
    given = {"x": call.x if call.extra is None else torch.cat([call.x, call.extra], dim=1)}
    given |= {"timesteps": call.timesteps, "context": call.context}
    given |= {f"{_ADDED}{name}": tensor for name, tensor in call.added.items()}
    for before, tensors in ((_DOWN, call.down), (_ADAPTER, call.adapter)):
        given |= {f"{before}{place}": tensor for place, tensor in enumerate(tensors)}
    return given if call.mid is None else given | {"mid": call.mid}


def _asked(unet: UNet2DConditionModel, given: Given) -> Tensor:
    def several(before: str) -> dict[str, Tensor]:
        return {name.removeprefix(before): tensor for name, tensor in given.items() if name.startswith(before)}

    residuals: dict[str, Any] = {}
    if "mid" in given:
        down = tuple(several(_DOWN).values())
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": given["mid"]}
    if adapter := list(several(_ADAPTER).values()):  # diffusers takes them out of the list
        residuals["down_intrablock_additional_residuals"] = adapter
    answer: Tensor = unet(
        given["x"],
        given["timesteps"],
        given["context"],
        added_cond_kwargs=several(_ADDED) or None,
        return_dict=False,
        **residuals,
    )[0]
    return answer


def _attending(call: UNetCall) -> AbstractContextManager[None]:
    return hooked(call.predictor.sites.all(), call.attention) if call.attention else nullcontext()


def equal_lengths(contexts: list[Context]) -> list[Context]:
    """Contexts of one length: the shorter ones repeat their last token (hechos/a1111.md 1.6)."""
    longest = max(context.tokens.shape[1] for context in contexts)
    return [
        Context(
            torch.cat(
                [context.tokens, context.tokens[:, -1:].expand(-1, longest - context.tokens.shape[1], -1)], dim=1
            ),
            context.added,
        )
        for context in contexts
    ]
