"""A painter in the engine's place, and the API served for it on this computer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import uvicorn
from PIL import Image
from starlette.types import ASGIApp
from support.queues import queue_of

from sdcolab.api.app import build_api
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ModelUnreadable
from sdcolab.core.events import CancelToken, ImageReady, ImageSaved, Listener, Phase, PhaseStarted, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, write
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.settings import SettingsFile
from sdcolab.core.upscaling import NO_UPSCALER
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.studio import Studio
from sdcolab.wiring.grids import axis_lists

PATIENCE = 20.0
DIGEST = "0123456789abcdef" * 4


class Skipped(Exception):
    """The batch is to be left out."""


@dataclass
class Painter:
    """Paints a square a seed, or gives back the initial picture. Stops at the steps ``hold_at``, counted over
    all batches, until ``go``.

    A prompt with "roto" fails with a model error, and one with "bug" with a bug.
    """

    store: ImageStore
    hold_at: frozenset[int] = frozenset()
    go: threading.Event = field(default_factory=threading.Event)
    held: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    requests: list[GenerationRequest] = field(default_factory=list)

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        self.requests.append(request)
        request = request.resolved(checkpoint=request.checkpoint or "a.safetensors", native_size=64)
        if "roto" in request.prompt:
            raise ModelUnreadable(path=Path("/modelos/roto.safetensors"), reason="truncated")
        if "bug" in request.prompt:
            raise ZeroDivisionError("uy")
        images: list[GeneratedImage] = []
        listener(PhaseStarted(Phase.SAMPLING))
        for batch in range(request.batch_count):
            cancel.take_skip()
            try:
                self._steps(request, batch, listener, cancel)
            except Skipped:
                continue
            indices = range(batch * request.batch_size, (batch + 1) * request.batch_size)
            images += [self._finished(request, index, listener, save) for index in indices]
        return GenerationResult(request, tuple(images))

    def _steps(self, request: GenerationRequest, batch: int, listener: Listener, cancel: CancelToken) -> None:
        total = request.steps * request.batch_count
        for step in range(1, request.steps + 1):
            if batch * request.steps + step in self.hold_at:
                self.held.release()
                while not self.go.wait(0.01):
                    cancel.raise_if_cancelled()
                    if cancel.take_skip():
                        raise Skipped
            cancel.raise_if_cancelled()
            preview = Image.new("RGB", (16, 16), "blue")
            listener(StepDone(batch * request.steps + step, total, batch + 1, request.batch_count, preview))

    def _finished(self, request: GenerationRequest, index: int, listener: Listener, save: bool) -> GeneratedImage:
        seed = request.seed_of(index)
        if request.init:
            picture = request.init.images[0].convert("RGB").resize((request.width or 64, request.height or 64))
        else:
            picture = Image.new("RGB", (request.width or 64, request.height or 64), (seed % 256, 90, 120))
        facts = EngineFacts(
            editing=False,
            version="prueba",
            schedule=request.schedule,
            model="a",
            model_hash=DIGEST[:10],
            extra=(("Denoising strength", f"{request.init.strength}"),) if request.init else (),
        )
        text = write(request, facts, index)
        path = self.store.save(picture, text, seed) if save else None
        listener(ImageSaved(index, path, seed, text) if path else ImageReady(index, picture, seed, text))
        return GeneratedImage(picture, text, seed, path)


class PlainUpscaling:
    """Two of Pillow's filters."""

    FILTERS: ClassVar = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}

    def names(self) -> tuple[str, ...]:
        return (NO_UPSCALER, *self.FILTERS)

    def upscale(
        self, picture: Image.Image, scale: float, name: str, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        size = (int(picture.width * scale) // 8 * 8, int(picture.height * scale) // 8 * 8)
        return picture.resize(size, self.FILTERS[name])


@dataclass
class FakeModels:
    """Remembers what was loaded."""

    loaded: list[str] = field(default_factory=list)

    def preload(self, checkpoint: str = "") -> None:
        self.loaded.append(checkpoint)

    def unload(self) -> None:
        self.loaded.append("-")


@dataclass
class Bench:
    """A studio around a painter in a folder of its own, with two checkpoints whose first is hashed."""

    root: Path

    def __post_init__(self) -> None:
        self.folders = Folders(self.root)
        self.painter = Painter(ImageStore(self.folders.txt2img))
        self.models = FakeModels()
        upscaling = PlainUpscaling()
        self.jobs = queue_of(self.painter, upscaling=upscaling, models=self.models, folders=self.folders)
        self.settings = SettingsFile(self.folders.config)
        for kind, name in (
            (ModelKind.CHECKPOINT, "a.safetensors"),
            (ModelKind.CHECKPOINT, "sub/Bonito.safetensors"),
            (ModelKind.VAE, "claro.safetensors"),
        ):
            self.add(kind, name, b"modelo")
        self.studio = Studio(
            library=Library(self.folders),
            jobs=self.jobs,
            settings=self.settings,
            last_form=LastForm(self.folders.config),
            count_tokens=lambda text: (0, 75),
            native_size=lambda file: 512,
            folders=self.folders,
            report=str,
            more_lists={"upscalers": upscaling.names, **axis_lists()},
            known_hash=lambda file: DIGEST if file.name == "a.safetensors" else None,
            cuda_memory=self.cuda_memory,
        )
        self.api = build_api(self.studio)

    def cuda_memory(self) -> Mapping[str, object] | None:
        return None

    def add(self, kind: ModelKind, name: str, data: bytes) -> ModelFile:
        path = self.folders.models(kind) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return ModelFile(kind, name, path)

    def saved(self) -> list[Path]:
        return sorted(self.folders.outputs.rglob("*.png"))

    def close(self) -> None:
        self.painter.go.set()
        self.jobs.close()


class Loopback:
    """``app`` on a free port of this computer."""

    def __init__(self, app: ASGIApp) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._socket.listen(64)  # from here on the kernel accepts: nobody needs to wait for the thread
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()


def fields_of(answer: Any) -> list[str]:
    """The fields that a refusal names."""
    return [".".join(entry["loc"][1:]) for entry in answer.json()["detail"]]
