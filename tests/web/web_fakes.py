"""Stand-ins for the engine and the downloads: slow enough to watch, and steered from the prompt."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps
from support.queues import queue_of

import sdcolab
from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, ModelUnreadable, SettingsUnreadable
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.remarks import Remarks
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import Origin
from sdcolab.core.tensors import LENGTH_BYTES, header_length
from sdcolab.core.upscaling import PLAIN_UPSCALERS
from sdcolab.gallery.room import GalleryRoom
from sdcolab.studio.cards_room import CardsRoom
from sdcolab.studio.guide_room import GuideRoom
from sdcolab.studio.help_room import HelpRoom
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.made import MADE_ROOM, MadeRoom
from sdcolab.studio.plans import continued
from sdcolab.studio.poses_room import PosesRoom
from sdcolab.studio.preferences_room import PreferencesRoom
from sdcolab.studio.queue_room import QueueRoom
from sdcolab.studio.regions_room import RegionsRoom
from sdcolab.studio.session_room import SessionRoom
from sdcolab.studio.studio import Studio
from sdcolab.studio.translating import Translations
from sdcolab.studio.words_room import WordsRoom
from sdcolab.wiring.grids import forecast, script_lists, sheet_cells, wildcard_manager
from sdcolab.wiring.poses import draw_people, find_people
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.training_tasks import tag_room, training_lists

DEMO = Path(sdcolab.__file__).parent / "demo" / "emoji-128.safetensors"
SAMPLERS = ("Euler a", "Euler", "DPM++ 2M", "DDIM")
SCHEDULES = ("Automatic", "Uniform", "Karras")


@dataclass
class FakeGenerator:
    """Paints a coloured square a seed. Waits at the step where ``hold`` says, until ``release`` is set.

    A prompt with "roto" fails with a model error, one with "bug" with a bug, and one with "aviso" warns.
    """

    store: ImageStore
    step_seconds: float = 0.01
    hold_at: int | None = None
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[GenerationRequest] = field(default_factory=list)

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        self.requests.append(request)
        request = request.resolved(checkpoint=request.checkpoint or "demo.safetensors", native_size=128)
        listener(PhaseStarted(Phase.LOADING_MODEL, request.checkpoint))
        self._pause(0, cancel)
        if "roto" in request.prompt:
            raise ModelUnreadable(path=Path("/modelos/roto.safetensors"), reason="truncated")
        if "bug" in request.prompt:
            raise ZeroDivisionError("división entre cero")
        if "aviso" in request.prompt:
            listener(Warned(SettingsUnreadable(path=Path("a.json"), backup=Path("a.dañada.json"))))
        images = []
        total = request.steps * request.batch_count
        listener(PhaseStarted(Phase.SAMPLING))
        for batch in range(request.batch_count):
            for step in range(1, request.steps + 1):
                self._pause(step, cancel)
                done = batch * request.steps + step
                small = self._paint(request, batch, done / total).resize((64, 64))
                listener(StepDone(done, total, batch, request.batch_count, small))
            listener(PhaseStarted(Phase.SAVING))
            for place in range(request.batch_size):
                index = batch * request.batch_size + place
                images.append(self._save(request, index, listener))
            listener(PhaseStarted(Phase.SAMPLING))
        return GenerationResult(request, tuple(images))

    def _pause(self, step: int, cancel: CancelToken) -> None:
        cancel.raise_if_cancelled()
        cancel.wait(self.step_seconds)
        while self.hold_at == step and not self.release.is_set():
            cancel.wait(0.02)
            cancel.raise_if_cancelled()
        cancel.raise_if_cancelled()

    def _save(self, request: GenerationRequest, index: int, listener: Listener) -> GeneratedImage:
        image, seed = self._paint(request, index, 1.0), request.seed_of(index)
        hires = f", Hires upscale: {request.hires.scale:g}" if request.hires else ""
        strength = f", Denoising strength: {request.init.strength:g}" if request.init else ""
        infotext = (
            f"{request.prompt}\nNegative prompt: {request.negative_prompt}\n"
            f"Steps: {request.steps}, Sampler: {request.sampler}, "
            f"CFG scale: {request.cfg_scale:g}, Seed: {seed}, Size: {request.width}x{request.height}{strength}{hires}"
        )
        path = self.store.save(image, infotext, seed)
        listener(ImageSaved(index, path, seed, infotext))
        return GeneratedImage(image, infotext, seed, path)

    def _paint(self, request: GenerationRequest, index: int, done: float) -> Image.Image:
        seed = request.seed_of(index)
        width, height = request.width or 128, request.height or 128
        colour = tuple(60 + (seed * factor) % 180 for factor in (37, 91, 151))
        image = Image.new("RGB", (width, height), colour)
        radius = done * min(width, height) * 0.4
        box = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
        ImageDraw.Draw(image).ellipse(box, fill=(250, 240, 200))
        return image


@dataclass
class FakeDownload:
    """Writes one small checkpoint a link; waits halfway until ``release`` is set when ``hold``."""

    folders: Folders
    hold: bool = False
    release: threading.Event = field(default_factory=threading.Event)

    def __call__(self, links: str, listener: Listener, cancel: CancelToken) -> Sequence[str]:
        reports = []
        for link in links.replace(",", "\n").split():
            name = link.rsplit("/", 1)[-1]
            if "falla" in link:
                reports.append(f"{name}: no se ha descargado. El enlace no existe.")
                continue
            listener(BytesReceived(name, 0, 2_000_000_000, 0.0))
            listener(BytesReceived(name, 870_000_000, 2_000_000_000, 25_000_000.0))
            while self.hold and not self.release.is_set():
                cancel.raise_if_cancelled()
                cancel.wait(0.02)
            cancel.raise_if_cancelled()
            target = self.folders.models(ModelKind.CHECKPOINT) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"modelo")
            reports.append(f"{name}: modelo (checkpoint), 2,0 GB, guardado en models/Stable-diffusion.")
        return reports


class FakeUpscaling:
    """Enlarges with Pillow; "Remacri" inverts too, so that it can be told from the plain ones."""

    def names(self) -> tuple[str, ...]:
        return (*PLAIN_UPSCALERS, "Remacri")

    def upscale(
        self, picture: Image.Image, scale: float, name: str, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        for tile in (1, 2):
            cancel.raise_if_cancelled()
            listener(StepDone(tile, 2, 0, 1))
        large = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        return ImageOps.invert(large) if name == "Remacri" else large


def native_size(file: ModelFile) -> int:
    """512, or 128 for names with "128"; a file called "roto" cannot be read."""
    if "roto" in file.name:
        raise CannotRead(path=file.path, reason="roto")
    return 128 if "128" in file.name else 512


def count_tokens(text: str) -> tuple[int, int]:
    """One token a word, in chunks of 75."""
    count = len(text.split())
    return count, max(1, -(-count // 75)) * 75


@dataclass
class Bench:
    """A studio made of stand-ins, and the handles that tests steer it with."""

    studio: Studio
    generator: FakeGenerator
    download: FakeDownload
    upscaling: FakeUpscaling
    folders: Folders

    def add_lora(self, name: str, *words: str) -> None:
        """Drop a LoRA in its folder, with its activation words."""
        path = self.folders.models(ModelKind.LORA) / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"lora")
        path.with_name(f"{name}.civitai.info").write_text(json.dumps({"trainedWords": words}))

    def add_checkpoint(self, name: str) -> Path:
        """Drop in its folder a model file that says what the demo model does and has nothing but zeros."""
        path = self.folders.models(ModelKind.CHECKPOINT) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with DEMO.open("rb") as whole, path.open("wb") as file:
            start = whole.read(LENGTH_BYTES)
            file.write(start + whole.read(header_length(start)))
            file.truncate(DEMO.stat().st_size)
        return path

    def hold(self, step: int) -> None:
        """Make the next job stop at ``step`` until ``let_go``."""
        self.generator.release.clear()
        self.generator.hold_at = step

    def let_go(self) -> None:
        """Let a held job go on."""
        self.generator.hold_at = None
        self.generator.release.set()

    def finish_jobs(self) -> None:
        """Cancel what runs or waits and block until nothing does."""
        self.let_go()
        for job in self.studio.jobs.jobs():
            job.cancel()
            while not job.snapshot.ended:
                job.wait(job.snapshot.version, 5)


REPORT = "data:application/zip;base64,UEs="
"""A file of the two bytes "PK"."""


def make_bench(root: Path, tokens: Callable[[str], tuple[int, int]] = count_tokens) -> Bench:
    """A studio of stand-ins in ``root`` with one 128 px demo checkpoint."""
    folders = Folders(root)
    generator = FakeGenerator(ImageStore(folders.txt2img))
    download = FakeDownload(folders)
    upscaling = FakeUpscaling()
    jobs = queue_of(generator, download=download, upscaling=upscaling, folders=folders)
    translations = Translations(automatic=lambda: PreferencesFile(folders.config).peek().translate)
    studio = Studio(
        library=Library(folders),
        jobs=jobs,
        settings=SettingsFile(folders.config),
        last_form=LastForm(folders.config),
        count_tokens=tokens,
        native_size=native_size,
        samplers=SAMPLERS,
        schedules=SCHEDULES,
        folders=folders,
        report=lambda: f'Informe guardado. <a download="informe.zip" href="{REPORT}">informe</a>',
        more_lists={
            **script_lists(Library(folders), folders),
            **training_lists(folders),
            "upscalers": upscaling.names,
        },
        forecast=lambda task: forecast(task, Library(folders), folders),
        remarks=Remarks(Library(folders), lambda: {"EasyNegative": ModelFamily.SD1}, native_size).of,
        wildcards=wildcard_manager(folders),
        rooms={
            "galeria": GalleryRoom(folders, sheet_cells),
            "cola": QueueRoom(jobs),
            "cartas": CardsRoom(Library(folders)),
            "palabras": WordsRoom(folders, Library(folders), SettingsFile(folders.config), translations),
            "etiquetas": tag_room(folders, tokens, jobs, Origin.PAGE),
            "guia": GuideRoom({}, lambda links: None, {"R-ESRGAN 4x+": ("https://a.example/x.pth", 67_000_000)}),
            "ayuda": HelpRoom(),
            MADE_ROOM: MadeRoom(jobs),
            "sesion": SessionRoom(folders, TASKS, tuple, lambda: None, continued, jobs.submit),
            "zonas": RegionsRoom(),
            "poses": PosesRoom(folders, find_people, draw_people),
            "ajustes": PreferencesRoom(PreferencesFile(folders.config), SettingsFile(folders.config)),
        },
        translations=translations,
        upscalers_on_offer={"R-ESRGAN 4x+": 67_000_000},
        catalog=(("Gatos, LoRA: de todo tipo", "https://a.example/gatos.safetensors"),),
    )
    bench = Bench(studio, generator, download, upscaling, folders)
    bench.add_checkpoint("demo-128.safetensors")
    return bench
