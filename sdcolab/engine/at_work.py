"""Models made ready for a pass: loaded, patched by the features, with the pass's prompts encoded."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from sdcolab.core.prompt import strip_comments
from sdcolab.engine.bench import Bench
from sdcolab.engine.beside import Beside
from sdcolab.engine.calls import Predictor
from sdcolab.engine.conditioning import Conditioning, together
from sdcolab.engine.feature import Active, Feature
from sdcolab.engine.plan import Pass, noise_table
from sdcolab.engine.shelf import Checkpoint
from sdcolab.engine.vectors import joined


class AtWork:
    """The models of one generation, as its features want them."""

    def __init__(self, bench: Bench, features: Sequence[Feature]) -> None:
        self._bench = bench
        self._features = tuple(features)

    @contextmanager
    def working(self, name: str, one: Pass, *, helps: Checkpoint | None = None) -> Iterator[Active]:
        """The checkpoint called ``name`` in the pass ``one``, where it may take over from another (``helps``). Raises
        ``SdcolabError``.
        """
        bench = self._bench
        file = bench.asked.checkpoint_called(name)
        checkpoint = bench.models.checkpoint(file, bench.listener)
        vae = bench.models.vae(bench.asked.vae_of(file), checkpoint, bench.listener)
        table = noise_table(bench.request.tuning, checkpoint.model)
        active = Active(bench, checkpoint, vae, table, one, helps)
        model, to_come = checkpoint.model, sum(feature.to_come(active) for feature in self._features)
        bench.savings.choose(model.family.work, waits=model.waits, to_come=to_come * model.dtype.itemsize)
        with checkpoint.model.turns.nobody(), ExitStack() as patches:
            for feature in self._features:
                patches.enter_context(feature.patch(active))
            with checkpoint.model.turns.nobody():  # patches come off at home too
                yield active

    def conditioning(self, active: Active) -> Conditioning:
        """The pass's prompts for the models at work; of each picture its own, where they differ. Raises
        ``PromptSyntaxError``.
        """
        bench, one = self._bench, active.one
        vocabulary = joined([known for feature in self._features if (known := feature.vocabulary(active))])
        state = tuple(feature.text_state(active) for feature in self._features)

        @contextmanager
        def around_part(number: int) -> Iterator[Hashable]:
            with ExitStack() as parts:
                states = [parts.enter_context(feature.around_part(active, number)) for feature in self._features]
                yield tuple(one for one in states if one)

        def encoded(prompt: str, negative_prompt: str) -> Conditioning:
            return active.checkpoint.conditioner.condition(
                bench.asked.prompts[prompt].text,
                strip_comments(negative_prompt),
                steps=one.steps,
                second_order=one.second_order,
                clip_skip=bench.request.clip_skip,
                tuning=bench.request.tuning,
                size=(one.told.height, one.told.width),
                base_calls=one.base_calls,
                weights_state=state,
                vocabulary=vocabulary,
                around_part=around_part,
            )

        request = bench.request
        own = [
            encoded(  # a pass with prompts of its own has them for every picture
                picture.prompt if one.prompt == request.prompt else one.prompt,
                picture.negative_prompt if one.negative_prompt == request.negative_prompt else one.negative_prompt,
            )
            for picture in bench.asked.pictures
        ]
        conditioning = together(own) if own else encoded(one.prompt, one.negative_prompt)
        for feature in self._features:
            conditioning = feature.after_text(conditioning, active)
        return conditioning


def predictor(active: Active, conditioning: Conditioning, extra_channels: Tensor | None) -> Predictor:
    """The UNet with ``conditioning``, and with ``extra_channels`` where they are what it reads beside the latents."""
    model = active.checkpoint.model
    return Predictor(model.unet, conditioning, model.prediction, _fitting(active, extra_channels), model)


def _fitting(active: Active, extra: Tensor | None) -> Tensor | None:
    """``extra`` where the UNet reads so many channels. One that reads others, which there are none of, sees nothing in
    them; for inpainting that is a picture of which everything is masked.
    """
    wanted = active.beside.channels(active.checkpoint.model.unet.config.out_channels)
    if not wanted:
        return None
    if extra is not None and extra.shape[1] == wanted:
        return extra
    nothing = torch.zeros(1, wanted, *active.one.size.latent, device=active.checkpoint.model.device)
    if active.beside is Beside.MASK:
        nothing[:, 0] = 1
    return nothing
