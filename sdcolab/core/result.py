"""What comes back from a generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One finished picture: RGB, 8 bits a channel. ``path`` is None when the engine was given nowhere to save."""

    image: Image.Image
    infotext: str
    seed: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """``request`` is the resolved one (definite seed, size and checkpoint): running it again gives the same images."""

    request: GenerationRequest
    images: tuple[GeneratedImage, ...]


class Generator(Protocol):
    """Anything that turns requests into results: the engine, or the job queue's stand-in while torch loads."""

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener,
        cancel: CancelToken,
        *,
        save: bool = True,
        beside: Sequence[GenerationRequest] = (),
    ) -> GenerationResult:
        """Run ``request`` to its end in the caller's thread; with ``save`` False no picture is written to disk. The
        pictures of ``beside``, requests that ``core.resolved.share_a_batch`` with it, are made in the same batch.

        Raises ``SdcolabError``; ``Cancelled`` within one denoising step of ``cancel.cancel()``.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Unwritten:
    """A checkpoint that lies in no file, called ``name``: ``weights`` (``engine.weights.Weights``) give its tensors.
    ``facts``: what infotexts say of how it is made, by label."""

    name: str
    weights: Any
    facts: tuple[tuple[str, str], ...] = ()


class Trying(Protocol):
    """Anything that makes pictures with a checkpoint that has not been written."""

    def try_out(
        self, checkpoint: Unwritten, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> GenerationResult:
        """As ``Generator.generate``, with ``checkpoint``, which is let go of afterwards. Raises ``SdcolabError``."""
        ...


class Retouching(Protocol):
    """Anything that does to a finished picture what a request does to its own once they are decoded."""

    def retouch(
        self, picture: Image.Image, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        """``picture`` (RGB) after the faces and the details of ``request``, in the caller's thread; nothing is sampled
        or saved but what they draw again.

        Raises ``SdcolabError`` as ``Generator.generate``.
        """
        ...
