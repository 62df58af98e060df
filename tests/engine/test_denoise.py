"""Guidance, timesteps and cancellation of the denoiser, on a stand-in for the UNet."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sdcolab.core.detect import Prediction
from sdcolab.core.errors import Cancelled
from sdcolab.core.events import CancelToken
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.calls import Predictor, Round, Step
from sdcolab.engine.conditioning import Conditioning, Context, PromptPart
from sdcolab.engine.denoise import GuidedDenoiser, equal_lengths
from sdcolab.engine.feature import Borrow, Feature
from sdcolab.engine.features.guidance import LeftOutNegative
from sdcolab.engine.features.init_image import InitLatents, KeptPart
from sdcolab.engine.plan import make_plan
from sdcolab.engine.schedules import NoiseTable

TABLE = NoiseTable.stable_diffusion()


class FakeUNet(nn.Module):
    """Predicts the mean of the context everywhere, plus the input; remembers its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []
        self.added: list[dict[str, Tensor] | None] = []

    def forward(
        self, x: Tensor, t: Tensor, context: Tensor, added_cond_kwargs: dict[str, Tensor] | None, return_dict: bool
    ) -> tuple[Tensor]:
        self.calls.append((x, t, context))
        self.added.append(added_cond_kwargs)
        return (x[:, :4] * 0.5 + context.mean(dim=(1, 2)).reshape(-1, 1, 1, 1),)


def part(value: float, tokens: int = 77, weight: float = 1.0) -> PromptPart:
    return PromptPart(weight, ((99, ""),), torch.full((1, tokens, 8), value))


def denoiser(
    unet: FakeUNet,
    conditioning: Conditioning,
    scale: float = 7.0,
    *,
    prediction: Prediction = Prediction.EPSILON,
    extra_channels: Tensor | None = None,
    steps: int = 20,
    features: tuple[Feature, ...] = (),
    **options: object,
) -> GuidedDenoiser:
    hooks = {"before_call": lambda: None, "after_call": lambda _: None, "borrow": lambda _: None}
    predictor = Predictor(unet, conditioning, prediction, extra_channels)
    request = GenerationRequest(sampler="Euler", width=64, height=64, seed=1, cfg_scale=scale, steps=steps)
    plan = make_plan(request)
    of = Round(plan.passes[0], plan.batches[0], steps)
    return GuidedDenoiser(predictor, TABLE, of, features=features, **(hooks | options))


X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def expected_image(sigma: Tensor, noise_at: float, scaled: Tensor) -> Tensor:
    return X - sigma * (scaled * 0.5 + noise_at)


@pytest.mark.parametrize("split", [False, True])
def test_guidance(split: bool) -> None:
    unet, sigma, seen = FakeUNet(), torch.tensor(3.0), []
    denoise = denoiser(unet, Conditioning((part(2.0),), part(1.0)), split=split, after_call=seen.append)
    image = denoise(X, sigma)
    scaled = X / (sigma**2 + 1).sqrt()
    cond, uncond = expected_image(sigma, 2.0, scaled), expected_image(sigma, 1.0, scaled)
    assert torch.allclose(image, uncond + 7 * (cond - uncond), atol=1e-4)
    assert torch.equal(seen[0], image)
    assert len(unet.calls) == (2 if split else 1)
    x, t, context = unet.calls[0]
    assert torch.allclose(x[:2], scaled)
    assert context[0].mean() == 2.0  # the prompt comes first
    assert t.dtype == torch.float32
    assert t.tolist() == [float(TABLE.sigma_to_t(sigma))] * len(x)
    assert t[0] != t[0].round()


def test_different_lengths_are_separate_calls() -> None:
    unet = FakeUNet()
    together = denoiser(FakeUNet(), Conditioning((part(2.0),), part(1.0)))(X, torch.tensor(3.0))
    apart = denoiser(unet, Conditioning((part(2.0, tokens=154),), part(1.0)))(X, torch.tensor(3.0))
    assert [tuple(context.shape) for _, _, context in unet.calls] == [(2, 154, 8), (2, 77, 8)]
    assert torch.allclose(together, apart, atol=1e-5)


def test_parts_add_up_with_their_weights() -> None:
    unet, sigma = FakeUNet(), torch.tensor(1.0)
    image = denoiser(unet, Conditioning((part(2.0, weight=0.5), part(4.0, tokens=154)), part(1.0)))(X, sigma)
    scaled = X / 2**0.5
    uncond = expected_image(sigma, 1.0, scaled)
    change = 0.5 * (expected_image(sigma, 2.0, scaled) - uncond) + expected_image(sigma, 4.0, scaled) - uncond
    assert torch.allclose(image, uncond + 7 * change, atol=1e-4)
    assert [tuple(context.shape) for _, _, context in unet.calls] == [(4, 154, 8), (2, 77, 8)]


def test_shorter_parts_repeat_their_last_token() -> None:
    short, long = torch.arange(6.0).reshape(1, 3, 2), torch.zeros(1, 5, 2)
    made, same = equal_lengths([Context(short), Context(long)])
    assert made.tokens[0].tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert torch.equal(same.tokens, long)


def test_epsilon_for_timestep_samplers() -> None:
    unet, seen = FakeUNet(), []
    denoise = denoiser(unet, Conditioning((part(2.0),), part(1.0)), after_call=seen.append)
    prediction = denoise.epsilon(X, 500.0)
    assert torch.allclose(prediction.uncond, X * 0.5 + 1, atol=1e-6)
    assert torch.allclose(prediction.guided, X * 0.5 + 1 + 7 * 1, atol=1e-5)
    assert torch.equal(unet.calls[0][0][:2], X)
    assert unet.calls[0][1].tolist() == [500.0] * 4
    alpha = TABLE.alphas_cumprod[500]
    assert torch.allclose(seen[0], (X - (1 - alpha).sqrt() * prediction.guided) / alpha.sqrt(), atol=1e-4)
    half = denoise.epsilon(X, 500.0, guidance_factor=0.5)
    assert torch.allclose(half.guided, X * 0.5 + 1 + 3.5, atol=1e-5)


def test_prompt_editing_counts_calls() -> None:
    unet = FakeUNet()
    edited = PromptPart(1.0, ((1, "a"), (4, "b")), torch.stack([torch.full((77, 8), v) for v in (2.0, 3.0)]))
    denoise = denoiser(unet, Conditioning((edited,), part(1.0)))
    for _ in range(4):
        denoise(X, torch.tensor(2.0))
    assert [float(context[0].mean()) for _, _, context in unet.calls] == [2.0, 2.0, 3.0, 3.0]


def test_extra_channels_go_beside_the_latents() -> None:
    unet = FakeUNet()
    denoiser(unet, Conditioning((part(2.0),), part(1.0)), extra_channels=torch.ones(1, 5, 8, 8))(X, torch.tensor(2.0))
    assert unet.calls[0][0].shape == (4, 9, 8, 8)
    assert (unet.calls[0][0][:, 4:] == 1).all()


@pytest.mark.parametrize("split", [False, True])
def test_cancellation_stops_before_the_next_unet_call(split: bool) -> None:
    unet, cancel = FakeUNet(), CancelToken()
    denoise = denoiser(unet, Conditioning((part(2.0),), part(1.0)), before_call=cancel.raise_if_cancelled, split=split)
    denoise(X, torch.tensor(2.0))
    calls = len(unet.calls)
    cancel.cancel()
    with pytest.raises(Cancelled):
        denoise(X, torch.tensor(1.0))
    assert len(unet.calls) == calls


def test_v_prediction_gives_the_same_image_at_both_kinds_of_sampler() -> None:
    """v = sqrt(abar) noise - sqrt(1 - abar) image and x = sqrt(abar) image + sqrt(1 - abar) noise give both back."""
    alpha = TABLE.alphas_cumprod[500]
    sigma = TABLE.sigmas[500]
    conditioning = Conditioning((part(2.0),), part(1.0))
    image = denoiser(FakeUNet(), conditioning, prediction=Prediction.V)(X, sigma)
    x_vp = X / (sigma**2 + 1).sqrt()
    v = x_vp * 0.5 + 1 + 7 * 1
    assert torch.allclose(image, alpha.sqrt() * x_vp - (1 - alpha).sqrt() * v, atol=1e-4)
    noise = denoiser(FakeUNet(), conditioning, prediction=Prediction.V).epsilon(x_vp, 500.0).guided
    assert torch.allclose(noise, (1 - alpha).sqrt() * x_vp + alpha.sqrt() * v, atol=1e-4)
    assert torch.allclose((x_vp - (1 - alpha).sqrt() * noise) / alpha.sqrt(), image, atol=1e-4)


@pytest.mark.parametrize(
    ("feature", "sigmas", "images"),
    [
        (LeftOutNegative(ngms=2.0), (3.0, 1.0, 1.0, 1.0), (2, 1, 2, 1)),
        (LeftOutNegative(ngms=2.0, ngms_all=True), (3.0, 1.0, 1.0), (2, 1, 1)),
        (LeftOutNegative(skip_early=0.25), (3.0, 3.0, 3.0), (1, 1, 2)),
    ],
)
def test_the_negative_prompt_can_be_left_out(
    feature: LeftOutNegative, sigmas: tuple[float, ...], images: tuple[int, ...]
) -> None:
    unet = FakeUNet()
    denoise = denoiser(unet, Conditioning((part(2.0),), part(1.0)), steps=4, features=(feature,))
    made = [denoise(X, torch.tensor(sigma)) for sigma in sigmas]
    assert [len(x) // len(X) for x, _, _ in unet.calls] == list(images)
    alone = sigmas[images.index(1)]
    expected = expected_image(torch.tensor(alone), 2.0, X / (alone**2 + 1) ** 0.5)
    assert torch.allclose(made[images.index(1)], expected, atol=1e-4)


def test_size_conditioning_goes_with_each_prompt() -> None:
    unet = FakeUNet()
    parts = [
        PromptPart(1.0, ((99, ""),), torch.full((1, 77, 8), value), added={"time_ids": torch.full((1, 6), value)})
        for value in (2.0, 1.0)
    ]
    denoiser(unet, Conditioning((parts[0],), parts[1]))(X, torch.tensor(2.0))
    assert unet.added[0] is not None
    assert unet.added[0]["time_ids"][:, 0].tolist() == [2.0, 2.0, 1.0, 1.0]


def test_another_model_takes_over_when_it_is_due() -> None:
    first, second = FakeUNet(), FakeUNet()

    class FromTheThirdCall(Feature):
        def take_over(self, step: Step, borrow: Borrow) -> Predictor | None:
            return borrow("otro") if step.call == 2 else None

    other = Predictor(second, Conditioning((part(5.0),), part(1.0)))
    conditioning = Conditioning((part(2.0),), part(1.0))
    denoise = denoiser(first, conditioning, features=(FromTheThirdCall(),), borrow=lambda _: other)
    for _ in range(4):
        denoise(X, torch.tensor(2.0))
    assert (len(first.calls), len(second.calls)) == (2, 2)
    assert second.calls[0][2][0].mean() == 5.0


class Kept(Feature):
    """What ``FromPictures`` does at each step."""

    def __init__(self, kept: KeptPart) -> None:
        self.before_model, self.after_guidance = kept.before, kept.after


def test_what_is_kept_goes_its_own_way_in_the_classic_manner() -> None:
    """Samplers on sigmas get it back in the image, those on timesteps before the model."""
    paint = torch.zeros(1, 1, 8, 8)
    paint[..., 4:] = 1
    kept = Kept(KeptPart(InitLatents(torch.full((2, 4, 8, 8), 9.0), paint), None))
    unet, seen = FakeUNet(), []
    denoise = denoiser(unet, Conditioning((part(2.0),), part(1.0)), features=(kept,), after_call=seen.append)
    assert (denoise(X, torch.tensor(2.0))[..., :4] == 9).all()
    assert (seen[0][..., :4] == 9).all()
    denoise.epsilon(X, 500.0)
    assert (unet.calls[-1][0][..., :4] == 9).all()
    assert torch.equal(unet.calls[-1][0][:2, :, :, 4:], X[..., 4:])


def test_what_is_kept_can_be_noised_afresh_for_each_call() -> None:
    """At any call the kept part of x is image + sigma * noise, whatever scale the sampler works at, and the prediction
    holds the image itself there."""
    kept = torch.full((2, 4, 8, 8), 2.0)
    paint = torch.zeros(1, 1, 8, 8)
    paint[..., 4:] = 1
    draws: list[Tensor] = []

    def draw() -> Tensor:
        draws.append(torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(len(draws))))
        return draws[-1]

    unet, seen = FakeUNet(), []
    feature = Kept(KeptPart(InitLatents(kept, paint), draw))
    conditioning = Conditioning((part(2.0),), part(1.0))
    denoise = denoiser(unet, conditioning, features=(feature,), after_call=seen.append)
    sigma = TABLE.sigmas[500]
    level = (sigma**2 + 1).sqrt()
    image = denoise(X, sigma)
    noise = denoise.epsilon(X / level, 500.0).guided
    for call in (0, 1):
        left = unet.calls[call][0][:2, ..., :4] * level
        assert torch.allclose(left, (kept + draws[call] * sigma)[..., :4], atol=1e-4)
        assert torch.allclose(unet.calls[call][0][:2, ..., 4:] * level, X[..., 4:], atol=1e-4)
        assert torch.allclose(seen[call][..., :4], kept[..., :4], atol=1e-4)
    assert torch.allclose(image[..., :4], kept[..., :4])
    assert torch.allclose(noise[..., :4], draws[1][..., :4], atol=1e-3)
