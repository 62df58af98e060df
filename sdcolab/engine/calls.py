"""What passes between the loop and the features: where a generation is, one call of the UNet, and what it said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from sdcolab.core.detect import Prediction
from sdcolab.engine.attention import AttentionHook, AttentionSites
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.levels import LEVELS, Levels
from sdcolab.engine.models import LoadedModel
from sdcolab.engine.pictures.masks import Box
from sdcolab.engine.plan import Batch, Pass

NEGATIVE = -1
"""``Share.part`` of the negative prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A UNet and the prompts encoded for it. ``extra_channels`` [1 or B, k, h, w] go to the UNet beside the latents
    (``engine.beside``). ``model`` is the checkpoint that the UNet belongs to.
    """

    unet: UNet2DConditionModel
    conditioning: Conditioning
    prediction: Prediction = Prediction.EPSILON
    extra_channels: Tensor | None = None
    model: LoadedModel | None = None
    sites: AttentionSites = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sites", AttentionSites(self.unet))

    @property
    def levels(self) -> Levels:
        """What the UNet's output means."""
        return LEVELS[self.prediction] if self.model is None else self.model.family.levels(self.prediction)


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One run of a sampler: those images of a batch that are made together, through one pass.

    ``batch`` holds their seeds and the index of the first. ``calls`` denoiser calls are expected. ``crops`` has for
    each image the area of its initial picture, in pixels of that picture, that is worked on ("only masked"); None where
    it is the whole picture.
    """

    one: Pass
    batch: Batch
    calls: int
    crops: tuple[Box | None, ...] = ()

    @property
    def steps(self) -> int:
        """Steps that run; samplers of second order call the denoiser twice in each but the last."""
        return (self.calls + 1) // 2 if self.one.second_order else self.calls


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One call of the denoiser.

    ``call`` counts from 0 within the round. x = ``signal`` * image + ``deviation`` * unit noise; signal is 1 for
    samplers on sigmas. ``t`` is the timestep (0..999, perhaps fractional) and ``sigma`` = deviation / signal.
    ``by_timesteps``: the sampler works with timesteps (DDIM, PLMS, UniPC). ``scale`` is the guidance's; without
    ``negative`` the negative prompt is not evaluated and the prompt pulls at scale 1. ``picture_scale``: how hard the
    picture pulls that the UNet reads beside the latents; None where that is not asked for apart.
    """

    round: Round
    call: int
    sigma: float
    t: float
    signal: Tensor | float
    deviation: Tensor | float
    by_timesteps: bool
    scale: float
    negative: bool = True
    picture_scale: float | None = None

    @property
    def number(self) -> int:
        """The step that the call belongs to, from 0."""
        return self.call // 2 if self.round.one.second_order else self.call

    @property
    def progress(self) -> float:
        """What is done, 0..1, as A1111's extensions count it: step number / number of steps."""
        return self.number / max(1, self.round.steps)

    def within(self, start: float, end: float) -> bool:
        """Whether the step lies in the part ``start``..``end`` (0..1) of the steps; both ends belong to it
        (hechos/extensiones.md 3).
        """
        return start <= self.progress <= end


@dataclass(frozen=True, slots=True)
class Share:
    """Which prompt a block of rows of a UNet call reads: part number ``part`` of those joined by AND, or
    ``NEGATIVE``. ``bare``: what lies beside the latents is kept from them.
    """

    part: int
    bare: bool = False

    @property
    def negative(self) -> bool:
        """Whether it is the negative prompt."""
        return self.part == NEGATIVE


@dataclass(frozen=True, slots=True, eq=False)
class UNetCall:
    """What the UNet is about to be asked. Features change it by ``dataclasses.replace`` or by the methods below.

    ``x`` [N, C, h, w]: the latents as the UNet reads them (scaled, in its type), without ``extra`` [N, k, h, w], the
    channels that some models read beside them. ``timesteps`` [N], ``context`` [N, tokens, D] and ``added``
    (SDXL's ``text_embeds`` and ``time_ids``) go with the rows of ``x``, which are: for each of ``shares`` in turn, one
    row for every image of the round. A step may take several calls (for prompts of different lengths, or for memory).

    ``down`` and ``mid``: ControlNet's residuals for the skips and the middle block. ``adapter``: T2I-Adapter's
    features, one for each level. ``attention``: hooks around each attention layer, the first outermost. ``around``:
    what is entered before the UNet is called and left after it. ``output`` (float32 [N, C, h, w]): what the UNet would
    say; when it is there the UNet is not called.
    """

    step: Step
    predictor: Predictor
    shares: tuple[Share, ...]
    x: Tensor
    timesteps: Tensor
    context: Tensor
    added: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Tensor | None = None
    down: tuple[Tensor, ...] = ()
    mid: Tensor | None = None
    adapter: tuple[Tensor, ...] = ()
    attention: tuple[AttentionHook, ...] = ()
    around: tuple[Callable[[], AbstractContextManager[None]], ...] = ()
    output: Tensor | None = None

    @property
    def images(self) -> int:
        """How many images are made together."""
        return len(self.x) // len(self.shares)

    @property
    def has_negative(self) -> bool:
        """Whether there are rows of the negative prompt."""
        return any(share.negative for share in self.shares)

    @property
    def is_negative(self) -> Tensor:
        """Bool [N] on the device of ``x``: rows of the negative prompt."""
        return self._rows([share.negative for share in self.shares])

    @property
    def parts(self) -> Tensor:
        """Int64 [N]: the AND part of each row, ``NEGATIVE`` in those of the negative prompt."""
        return self._rows([share.part for share in self.shares])

    @property
    def image_numbers(self) -> Tensor:
        """Int64 [N]: which image of the round each row belongs to, from 0."""
        return torch.arange(self.images, device=self.x.device).repeat(len(self.shares))

    def for_rows(self, of_images: Tensor) -> Tensor:
        """``of_images`` [1 or images, ...] repeated for every row of ``x``: [N, ...]."""
        if len(of_images) == 1:
            return of_images.expand(len(self.x), *of_images.shape[1:])
        return of_images.repeat(len(self.shares), *(1 for _ in of_images.shape[1:]))

    def rows_of(self, places: Sequence[int], rows: Tensor) -> Tensor:
        """Of ``rows`` [N, ...] those of the shares at ``places``, one after the other."""
        if len(places) == len(self.shares):
            return rows
        of_shares = rows.chunk(len(self.shares))
        return torch.cat([of_shares[place] for place in places])

    def with_residuals(self, down: Sequence[Tensor], mid: Tensor) -> UNetCall:
        """With these residuals [N, ...] of the skips, the shallowest first, and of the middle block, added to those
        there are.
        """
        if self.mid is None:
            return replace(self, down=tuple(down), mid=mid)
        summed = tuple(one + other for one, other in zip(self.down, down, strict=True))
        return replace(self, down=summed, mid=self.mid + mid)

    def with_adapter(self, features: Sequence[Tensor]) -> UNetCall:
        """With these features [N, ...] of each level added to those there are."""
        if not self.adapter:
            return replace(self, adapter=tuple(features))
        return replace(self, adapter=tuple(a + b for a, b in zip(self.adapter, features, strict=True)))

    def with_attention(self, hook: AttentionHook) -> UNetCall:
        """With one more hook, inside the others."""
        return replace(self, attention=(*self.attention, hook))

    def _rows(self, of_shares: list[bool] | list[int]) -> Tensor:
        rows = torch.tensor(of_shares).repeat_interleave(self.images)
        return rows.to(self.x.device, non_blocking=True)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What the model predicts in one step before guidance, float32 [B, C, h, w] each: for each AND part ``positive``
    with its ``weights``, and ``negative`` (the first part's where the negative prompt is not evaluated). ``bare``: the
    negative prompt's without the picture beside the latents, which then pulls by ``picture_scale``.

    They are images for samplers on sigmas and noises for those on timesteps; guidance is the same sum of either, for
    one is an affine function of the other. ``guided`` is the sum when a feature makes it by itself.
    """

    step: Step
    positive: tuple[Tensor, ...]
    weights: tuple[float, ...]
    negative: Tensor
    scale: float
    guided: Tensor | None = None
    bare: Tensor | None = None
    picture_scale: float = 1.0

    def summed(self) -> Tensor:
        """Negative + sum of scale * weight * (part - negative) (Ho & Salimans 2022, arXiv:2207.12598, equation 6;
        hechos/a1111.md 1.6). With ``bare``, negative - bare counts ``picture_scale`` times (Brooks et al. 2022,
        arXiv:2211.09800, equation 3; hechos/a1111.md 3.7).
        """
        if self.guided is not None:
            return self.guided
        parts = zip(self.positive, self.weights, strict=True)
        base = self.negative
        if self.bare is not None:
            base = self.bare + (self.negative - self.bare) * self.picture_scale
        return base + sum((one - self.negative) * (weight * self.scale) for one, weight in parts)
