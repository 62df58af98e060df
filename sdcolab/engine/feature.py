"""The protocol that every ability beyond a plain picture goes through.

A feature is one file in ``engine/features`` and one row in ``FEATURES``. For each request that asks for it there is one
object, which lives as long as the generation: its attributes are the feature's state. Every hook is optional, and they
run in the order of the rows. Whatever a feature patches it puts back; it never swallows an error.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from PIL import Image
from torch import Tensor

from sdcolab.core.infotext import EngineFacts
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.bench import Bench
from sdcolab.engine.beside import Beside
from sdcolab.engine.calls import Predictions, Predictor, Round, Step, UNetCall
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.pictures.masks import Box
from sdcolab.engine.plan import Batch, GenerationPlan, Pass
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.shelf import Checkpoint, Vae
from sdcolab.engine.vectors import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """Models at work in the pass ``one``, and what the engine lends. ``helps`` is the checkpoint that this one takes
    over from in the middle of the pass; None for the pass's own.
    """

    bench: Bench
    checkpoint: Checkpoint
    vae: Vae
    table: NoiseTable
    one: Pass
    helps: Checkpoint | None = None

    @property
    def beside(self) -> Beside:
        """What the UNet reads beside the latents."""
        return self.checkpoint.model.beside


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a pass over a batch of B images starts from.

    ``init``: latents [B, C, h, w], None for pure noise. ``extra_channels`` [1 or B, k, h, w]: what the UNet reads
    beside the latents. ``crops``: as ``Round.crops``.
    """

    init: Tensor | None = None
    extra_channels: Tensor | None = None
    crops: tuple[Box | None, ...] = ()

    def part(self, rows: slice) -> Start:
        """The same for some images of the batch."""
        extra = self.extra_channels
        return replace(
            self,
            init=None if self.init is None else self.init[rows],
            extra_channels=extra if extra is None or len(extra) == 1 else extra[rows],
            crops=self.crops[rows],
        )


Lend = Callable[[Pass], Callable[[Tensor, Tensor], Tensor]]
"""See ``Opening.lend``."""


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """How a round begins: unit ``noise`` [B, C, h, w] and the latents ``init`` that it is put on (None: none).

    ``lend`` makes the pass's model work as another pass says, with its prompts and guidance: (x, sigma) -> the guided
    image. No feature has a part in that; its calls count among the pass's ``calls_before``.
    """

    round: Round
    noise: Tensor
    init: Tensor | None
    lend: Lend


Borrow = Callable[[str], Predictor]
"""Makes the checkpoint of this name work, with the pass's prompts, until the round ends."""


class Feature:
    """One ability in one generation. Subclasses say in ``asked`` when they have a part in it."""

    tags: ClassVar[frozenset[str]] = frozenset()
    """Kinds of prompt tags (``<kind:name:1>``) that this feature understands."""
    retouches: ClassVar[bool] = False
    """Whether ``retouch`` does something."""

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        """The feature for the request, or None when it does without.

        Runs before any model is loaded, so this is where names are looked up and families compared as far as files
        tell: raises ``SdcolabError`` for what cannot work. The request's size may still be open here.
        """
        raise NotImplementedError

    @property
    def beside_unet(self) -> int:
        """How many numbers have the networks that are on the card while the UNet is, which opening the checkpoint has
        to leave room for."""
        return 0

    def to_come(self, active: Active) -> int:
        """How many of them have yet to be put there."""
        del active
        return self.beside_unet

    # --- Planning and models ------------------------------------------------------------------------------------------

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """The plan with more passes, or with other ones. ``plan.request`` has its size and seeds settled."""
        return plan

    def patch(self, active: Active) -> AbstractContextManager[None]:
        """While it lasts, weights or modules of ``active`` are changed."""
        del active
        return nullcontext()

    def text_state(self, active: Active) -> Hashable:
        """What ``patch`` made of the text encoders' weights: equal states encode equally. None: as loaded."""
        del active
        return None

    def around_part(self, active: Active, number: int) -> AbstractContextManager[Hashable]:
        """While it lasts, the text encoders' weights are those for AND part ``number`` (from 0) of the pass's prompt.
        What it gives tells them from those of other parts; falsy where there is no difference."""
        del active, number
        return nullcontext(())

    def vocabulary(self, active: Active) -> Vocabulary | None:
        """Words that stand for vectors of their own in the prompts that ``active`` reads."""
        del active
        return None

    def after_text(self, conditioning: Conditioning, active: Active) -> Conditioning:
        """The encoded prompts of a pass."""
        del active
        return conditioning

    # --- A pass over a batch ------------------------------------------------------------------------------------------

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        """Where the pass ``active.one`` over ``batch`` starts."""
        del active, batch
        return start

    def begin(self, opening: Opening) -> Opening:
        """A round begins; again after running out of memory. State that belongs to one round begins anew here."""
        return opening

    def end(self, samples: Tensor, of: Round) -> Tensor:
        """The latents [B, C, h, w] that come out of a round."""
        del of
        return samples

    def after_pass(self, latents: Tensor, active: Active, vae: Vae, batch: Batch) -> None:
        """The latents [B, C, h, w] of a whole batch, and the VAE to decode them with, when another pass follows."""

    # --- A step, in this order ----------------------------------------------------------------------------------------

    def take_over(self, step: Step, borrow: Borrow) -> Predictor | None:
        """Another model for this step and all that follow, or None to leave it as it is."""
        del step, borrow
        return None

    def before_step(self, step: Step) -> Step:
        """Guidance of the step: ``scale``, and whether the ``negative`` prompt is evaluated."""
        return step

    def before_model(self, x: Tensor, step: Step) -> Tensor:
        """The noisy latents, float32 [B, C, h, w], x = signal * image + deviation * noise as ``step`` says."""
        del step
        return x

    def before_unet(self, call: UNetCall) -> UNetCall:
        """One call of the UNet: contexts, residuals, extra channels, attention, or an output instead of it."""
        return call

    def after_unet(self, output: Tensor, call: UNetCall) -> Tensor:
        """What the UNet answered, float32 [N, C, h, w], row by row as in ``call``."""
        del call
        return output

    def combine(self, predictions: Predictions) -> Predictions:
        """What is predicted for each AND part and the negative prompt, before guidance adds them up (regions)."""
        return predictions

    def after_guidance(self, image: Tensor, step: Step) -> Tensor:
        """The image that guidance predicts, float32 [B, C, h, w] in the UNet's scale."""
        del step
        return image

    # --- Pictures and words -------------------------------------------------------------------------------------------

    def decoded(self, picture: Image.Image, index: int) -> Image.Image:
        """The picture (RGB) of image ``index`` at the size of its pass, before any feature's ``after_decode`` puts more
        around it."""
        del index
        return picture

    def after_decode(self, picture: Image.Image, index: int) -> Image.Image:
        """The finished picture (RGB) of image ``index``, counted from 0 over all batches."""
        del index
        return picture

    def retouch(self, picture: Image.Image, index: int, bench: Bench) -> Image.Image:
        """The finished picture (RGB) of image ``index`` once no model is at work any more, so that ``bench.again`` can
        make others. Only for features that set ``retouches``."""
        del index, bench
        return picture

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """What the infotext says of this feature beyond the request's own fields."""
        del bench
        return facts
