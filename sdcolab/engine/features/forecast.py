"""Steps that are forecast instead of computed, which changes the picture a little: ``tools/bench/speed.py`` says how
much, and for what.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from sdcolab.core.prompt.schedule import active_index
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.samplers import SAMPLERS
from sdcolab.core.speed import FORECAST
from sdcolab.engine.calls import Round, Share, Step, UNetCall
from sdcolab.engine.feature import Active, Feature, Opening
from sdcolab.engine.forecast import SPECTRAL_SHARE, Known, real_steps
from sdcolab.engine.plan import Pass
from sdcolab.engine.precision import autocast
from sdcolab.engine.replays import Tap

MOST_FOR_MULTISTEP_SDE = 0.44
"""The largest share for DPM++ 2M SDE and 3M SDE, which build each step on the difference of the last two or three
images: with fewer computed their pictures break."""


class StepForecast(Feature):
    """``share`` (0..1) of the steps is forecast. Samplers that add no noise: the UNet's last feature, which its last
    layer then turns into an answer. Those that add noise in each step: the image that the UNet saw last, for the noise
    in its answer is new each time.

    Known values are kept apart for each prompt in its version of the moment, for each model and for the ControlNet
    units at work, so that none is forecast across a change. Features are kept apart for both halves of a step of second
    order too; an image stands for both, since DPM2 a multiplies what lies between theirs. Samplers whose calls are of
    several orders (DPM fast), follow the picture (DPM adaptive) or begin anew (LCM, TCD) are left alone.
    """

    def __init__(self, share: float, asked: ResolvedRequest) -> None:
        self._share = share
        self._tuning = asked.request.tuning
        self._units = tuple((unit.start, unit.end) for unit in asked.request.control if unit.enabled)
        self._tap = Tap()
        self._x: Tensor | None = None
        self._known: dict[Hashable, Known] = {}
        self._real: frozenset[int] = frozenset()
        self._noisy = False

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        request = asked.request
        share = request.tuning.forecast or FORECAST[request.speed]
        return cls(share, asked) if share else None

    @contextmanager
    def patch(self, active: Active) -> Iterator[None]:
        """What comes before the UNet's last layers is remembered, where that is what is forecast."""
        if self._adds_noise(active.one):
            yield
            return
        hook = active.checkpoint.model.unet.conv_norm_out.register_forward_pre_hook(self._tap)
        try:
            yield
        finally:
            hook.remove()
            self._forget()

    def begin(self, opening: Opening) -> Opening:
        """A round knows nothing of the one before."""
        self._forget()
        one, steps = opening.round.one, opening.round.steps
        facts = SAMPLERS[one.choice.sampler.name]
        share = 0 if facts.range_only or facts.few_steps else self._share
        if facts.brownian and not facts.second_order:
            share = min(share, MOST_FOR_MULTISTEP_SDE)
        self._real = real_steps(steps, share)
        self._noisy = self._adds_noise(one)
        return opening

    def end(self, samples: Tensor, of: Round) -> Tensor:
        """Frees what was kept."""
        del of
        self._forget()
        return samples

    def before_model(self, x: Tensor, step: Step) -> Tensor:
        """Kept in full precision, with the image at scale 1."""
        self._x = x / step.signal if self._noisy else None
        return x

    def before_unet(self, call: UNetCall) -> UNetCall:
        """An answer in place of the UNet's, where one can be forecast for every row."""
        step = call.step
        known = [self._of(call, share) for share in call.shares]
        if step.number in self._real or not all(one.continues(step.number, step.sigma) for one in known):
            return call
        spectral = 0 if self._noisy else SPECTRAL_SHARE
        values = torch.cat([one.forecast(step.number, step.round.steps, spectral) for one in known])
        return replace(call, output=self._answer(values, call))

    def after_unet(self, output: Tensor, call: UNetCall) -> Tensor:
        """What was computed is learnt."""
        if call.output is not None:
            return output
        values = self._images(output, call) if self._noisy else self._tap.take()
        if values is not None:
            for share, value in zip(call.shares, values.chunk(len(call.shares)), strict=True):
                self._of(call, share).learn(call.step.number, value, call.step.sigma)
        return output

    # --- Values -------------------------------------------------------------------------------------------------------

    def _of(self, call: UNetCall, share: Share) -> Known:
        step, conditioning = call.step, call.predictor.conditioning
        part = conditioning.negative if share.negative else conditioning.positive[share.part]
        half = step.call % 2 if step.round.one.second_order and not self._noisy else 0
        acting = tuple(step.within(start, end) for start, end in self._units)
        key = (call.predictor, share, active_index(part.schedule, step.call), half, acting)
        return self._known.setdefault(key, Known())

    def _answer(self, values: Tensor, call: UNetCall) -> Tensor:
        """What the UNet says with ``values`` before its last layers, or seeing them as images: float32."""
        if self._noisy:
            sigma = torch.tensor(call.step.sigma)
            return call.predictor.levels.output(self._xs(call), values, sigma)
        unet = call.predictor.unet
        if call.predictor.model is not None:
            call.predictor.model.turn_of_unet()
        with autocast(unet):
            answer: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(values)))
        return answer.float()

    def _images(self, output: Tensor, call: UNetCall) -> Tensor:
        return call.predictor.levels.image(self._xs(call), output, torch.tensor(call.step.sigma))

    def _xs(self, call: UNetCall) -> Tensor:
        assert self._x is not None  # before_model came first
        return self._x.repeat(len(call.shares), 1, 1, 1)

    def _adds_noise(self, one: Pass) -> bool:
        facts = SAMPLERS[one.choice.sampler.name]
        return (
            facts.uses_ensd
            or facts.adds_noise
            or facts.brownian
            or self._tuning.sigma_churn > 0
            or (facts.own_eta and self._tuning.eta_ddim > 0)
        )

    def _forget(self) -> None:
        self._known.clear()
        self._tap.take()
        self._x = None
