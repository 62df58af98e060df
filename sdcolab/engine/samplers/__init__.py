"""Samplers: pure functions of (denoiser, x, path of noise levels, noise, options), and their registry."""

from sdcolab.engine.samplers.base import (
    Denoiser,
    Noise,
    NoisePrediction,
    SamplerOptions,
    SigmaPath,
    TimestepPath,
)
from sdcolab.engine.samplers.plan import Sampler, SamplingPlan, SigmaSampler, TimestepSampler
from sdcolab.engine.samplers.registry import SAMPLERS, SamplerChoice, resolve_sampler

__all__ = [
    "SAMPLERS",
    "Denoiser",
    "Noise",
    "NoisePrediction",
    "Sampler",
    "SamplerChoice",
    "SamplerOptions",
    "SamplingPlan",
    "SigmaPath",
    "SigmaSampler",
    "TimestepPath",
    "TimestepSampler",
    "resolve_sampler",
]
