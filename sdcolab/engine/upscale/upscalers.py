"""Every upscaler of pictures that can be chosen here, by A1111's names (hechos/a1111.md 4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ModelUnreadable, NotDownloaded, OutOfMemory, UpscalerLeftOut
from sdcolab.core.events import CancelToken, Listener, Phase, PhaseStarted, Warned, ignore_events
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.registry import Registry
from sdcolab.core.resizing import Enlarger
from sdcolab.core.upscaling import TO_DOWNLOAD, enlarged_size, network_upscalers
from sdcolab.engine.memory import is_out_of_memory
from sdcolab.engine.upscale.ldsr import Ldsr
from sdcolab.engine.upscale.networks import UpscalerNetwork, load_upscaler
from sdcolab.engine.upscale.tiles import OVERLAP, TILE, Grid, in_tiles

NONE = "None"
"""A1111's word for enlarging by a plain Lanczos filter to the exact size."""

_MAX_PASSES = 3
_SMALLEST_TILE = 32


@dataclass(frozen=True, slots=True)
class Upscaler:
    """An upscaler to choose: a plain ``resample`` filter, a network's ``file``, or ("None") neither."""

    name: str
    aliases: tuple[str, ...] = ()
    resample: Image.Resampling | None = None
    file: ModelFile | None = field(default=None, compare=False)


BUILT_IN = (
    Upscaler(NONE),
    Upscaler("Lanczos", resample=Image.Resampling.LANCZOS),
    Upscaler("Nearest", resample=Image.Resampling.NEAREST),
)


def upscalers_in(library: Library) -> Registry[Upscaler]:
    """ "None", "Lanczos", "Nearest", then the files of the upscalers' folder in alphabetical order. A file also answers
    to its file name and its stem.
    """
    return Registry(ModelKind.UPSCALER.value, (*BUILT_IN, *_from_files(library)))


class Upscalers:
    """The upscalers of a library; keeps the last network loaded."""

    def __init__(self, library: Library, device: torch.device) -> None:
        self._library = library
        self._device = device
        self._network: UpscalerNetwork | Ldsr | None = None

    def registry(self) -> Registry[Upscaler]:
        """What there is now."""
        return upscalers_in(self._library)

    def names(self) -> tuple[str, ...]:
        """Names to choose from, in A1111's order."""
        return tuple(self.registry())

    def find(self, name: str) -> Upscaler:
        """The upscaler called ``name``. Raises ``NotDownloaded`` for one of ``TO_DOWNLOAD``, else ``UnknownName`` with
        close names."""
        known = self.registry()
        if not known.knows(name):
            wanted = name.strip().casefold()
            for one in TO_DOWNLOAD:
                if one.casefold() == wanted:
                    raise NotDownloaded(kind=ModelKind.UPSCALER.value, name=one)
        return known.find(name)

    def enlarger(
        self, upscaler: Upscaler, listener: Listener = ignore_events, cancel: CancelToken | None = None
    ) -> Enlarger | None:
        """``upscaler`` as ``core.resizing`` wants it: None for "None"."""
        if upscaler.name == NONE:
            return None
        return partial(self._enlarged, upscaler, listener=listener, cancel=cancel or CancelToken())

    def upscale(
        self,
        picture: Image.Image,
        scale: float,
        name: str,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
    ) -> Image.Image:
        """``picture`` (RGB) about ``scale`` times larger: int(side * scale) rounded down to a multiple of 8.

        Networks run up to three times until both sides are large enough; Lanczos fits the result. Emits
        ``PhaseStarted`` when a network is loaded and before each tile (LDSR: each step), and ``Warned`` when one is
        damaged: Lanczos does all of it then. Raises ``UnknownName``, ``Cancelled`` between tiles, ``OutOfMemory`` when
        the smallest tiles do not fit either, ``ImageNotFinite``, and what ``networks.load_upscaler`` raises beside
        ``ModelUnreadable``.
        """
        return self._enlarged(self.find(name), picture, scale, listener=listener, cancel=cancel or CancelToken())

    def release(self) -> None:
        """Let go of the network that is loaded."""
        self._network = None

    def _enlarged(
        self, upscaler: Upscaler, picture: Image.Image, scale: float, *, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        picture = picture.convert("RGB")
        width, height = enlarged_size(picture.size, scale)
        for number in range(_MAX_PASSES):
            enough = picture.width >= width and picture.height >= height
            if enough and (number > 0 or scale != 1):
                break
            before = picture.size
            picture = self._pass(upscaler, picture, scale, listener, cancel)
            if picture.size == before:
                break
        if picture.size == (width, height):
            return picture
        return picture.resize((width, height), Image.Resampling.LANCZOS)

    def _pass(
        self, upscaler: Upscaler, picture: Image.Image, scale: float, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        if upscaler.resample is not None:
            return picture.resize((int(picture.width * scale), int(picture.height * scale)), upscaler.resample)
        if upscaler.file is None:
            return picture
        try:
            network = self._load(upscaler.file, listener)
        except ModelUnreadable as error:  # A1111 goes on without it too, but only its log says so
            listener(Warned(UpscalerLeftOut(path=upscaler.file.path, reason=error.reason)))
            return picture
        if isinstance(network, Ldsr):

            def tell(step: int, steps: int) -> None:
                cancel.raise_if_cancelled()
                listener(PhaseStarted(Phase.UPSCALING, f"{upscaler.name} ({step}/{steps})"))

            return network.enlarge(picture, scale, tell)
        return self._in_tiles(network, upscaler.name, picture, listener, cancel)

    def _in_tiles(
        self, network: UpscalerNetwork, name: str, picture: Image.Image, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        tile = TILE
        while True:
            grid = Grid(picture.width, picture.height, tile, OVERLAP)
            told = _Told(network, name, len(grid), listener, cancel)
            try:
                return in_tiles(picture, grid, told.patch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the handler, so that the failed attempt's tensors are gone.
            tile //= 2
            if tile < _SMALLEST_TILE:
                raise OutOfMemory(device=self._device.type, width=picture.width, height=picture.height, batch_size=1)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _load(self, file: ModelFile, listener: Listener) -> UpscalerNetwork | Ldsr:
        if self._network is None or self._network.path != file.path:
            listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            self._network = None  # the old one goes before the new one comes
            self._network = load_upscaler(file.path, self._device)
        return self._network


class _Told:
    """A network's tiles, told to a listener one by one."""

    def __init__(
        self, network: UpscalerNetwork, name: str, total: int, listener: Listener, cancel: CancelToken
    ) -> None:
        self._network = network
        self._name = name
        self._total = total
        self._listener = listener
        self._cancel = cancel
        self._number = 0

    def patch(self, tile: Image.Image) -> Image.Image:
        """The next tile, larger."""
        self._cancel.raise_if_cancelled()
        self._number += 1
        self._listener(PhaseStarted(Phase.UPSCALING, f"{self._name} ({self._number}/{self._total})"))
        return self._network.enlarge(tile)


def _from_files(library: Library) -> Iterator[Upscaler]:
    """The networks of ``library``; each also answers to its file's name and stem."""
    for name, file in network_upscalers(library).items():
        yield Upscaler(name, aliases=(file.path.name.rsplit(".", 1)[0], file.name), file=file)
