"""What the engine lends to one generation and its features."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from PIL import Image

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken, Listener, Warned
from sdcolab.core.library import Listing
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.darkroom import Darkroom
from sdcolab.engine.faces import FaceRestorer
from sdcolab.engine.hashes import HashCache
from sdcolab.engine.kept import Kept
from sdcolab.engine.savings import Savings
from sdcolab.engine.shelf import ModelShelf
from sdcolab.engine.upscale.upscalers import Upscalers

POLL_SECONDS = 0.1


def _nothing_again(_request: GenerationRequest, _listener: Listener) -> Image.Image:
    raise LookupError("nobody makes other pictures here")


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """``asked`` is the request with everything settled, and ``kept`` outlives the generation."""

    asked: ResolvedRequest
    models: ModelShelf
    upscalers: Upscalers
    faces: FaceRestorer
    hashes: HashCache
    kept: Kept
    store: ImageStore | None
    clock: Callable[[], float]
    listener: Listener
    cancel: CancelToken
    savings: Savings
    darkroom: Darkroom
    again: Callable[[GenerationRequest, Listener], Image.Image | None] = field(default=_nothing_again)
    """The first picture of another request, saved nowhere and announced to nobody; to be asked for in ``retouch``.
    None when the user skips it."""
    _warned: set[str] = field(default_factory=set)

    @property
    def request(self) -> GenerationRequest:
        """The request with definite names, seeds and size."""
        return self.asked.request

    @property
    def library(self) -> Listing:
        """What the model folders held when the request came."""
        return self.asked.library

    def warn(self, warning: SdcolabError) -> None:
        """Tell ``warning`` once, however many passes meet it."""
        if repr(warning) not in self._warned:
            self._warned.add(repr(warning))
            self.listener(Warned(warning))

    def wait_for(self, digest: Future[str]) -> str:
        """A hash, when it has been computed. Raises ``Cancelled`` and ``CannotRead``."""
        while True:
            try:
                return digest.result(timeout=POLL_SECONDS)
            except TimeoutError:
                self.cancel.raise_if_cancelled()
