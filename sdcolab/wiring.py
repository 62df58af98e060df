"""The composition root: builds the parts and hands each what it needs. Only this module knows everyone.

torch, diffusers and gradio are imported inside the functions that need them, when they need them.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken, Event, ImageSaved, Listener, Phase, PhaseStarted, ignore_events
from sdcolab.core.files import make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import Pasted, parse, to_request, with_files
from sdcolab.core.jobs import JobQueue
from sdcolab.core.journal import JOURNAL_NAME, JobJournal
from sdcolab.core.last_form import LastForm
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.messages import KIND_NAMES, explain
from sdcolab.core.names import SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.outputs import ImageFormat, ImageStore, ImageStores
from sdcolab.core.request import AUTOMATIC, INSIDE, SIZE_STEP, GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tensors import read_header
from sdcolab.core.upscaling import Upscaling, upscaler_names

if TYPE_CHECKING:
    from PIL import Image
    from starlette.applications import Starlette

    from sdcolab.colab.prepare import Collaborators, Downloaded, MissingDownload
    from sdcolab.colab.supervisor import Supervisor
    from sdcolab.downloads.queue import DownloadQueue
    from sdcolab.engine.engine import Engine
    from sdcolab.web.app import Studio

DEMO_FILE = "emoji-128.safetensors"

_log = logging.getLogger(__name__)

# --- Models and engine --------------------------------------------------------------------------------------------


def demo_model() -> ModelFile:
    """The miniature model that ships with the package."""
    return ModelFile(ModelKind.CHECKPOINT, DEMO_FILE, Path(str(resources.files("sdcolab") / "demo" / DEMO_FILE)))


def build_library(folders: Folders, *chosen: ModelFile) -> Library:
    """The user's models and the demo; ``chosen`` files, from anywhere on the disk, come first."""
    return Library(folders, bundled=(demo_model(),), first=chosen)


def library_around(folders: Folders, checkpoint: Path | None) -> Library:
    """The library with the file ``checkpoint`` first in it, if there is such a file."""
    if checkpoint is None or not checkpoint.is_file():
        return build_library(folders)
    return build_library(folders, model_file(folders, ModelKind.CHECKPOINT, str(checkpoint)))


def model_file(folders: Folders, kind: ModelKind, name: str) -> ModelFile:
    """The file that ``name`` means: a path on the disk or a name in the library. Raises ``UnknownFile``."""
    path = Path(name).expanduser()
    if path.is_file():
        return ModelFile(kind, path.name, path.absolute())
    return build_library(folders).find(kind, name)


def native_size(model: ModelFile) -> int:
    """Side in pixels of the square images ``model`` was trained on; 512 when its file does not say."""
    if model.path.suffix != ".safetensors":
        return 512
    return detect(read_header(model.path)).native_size


class LazyEngine:
    """An engine that the first thread to need it imports and builds, so that pages answer before torch has loaded."""

    def __init__(self, library: Library, store: ImageStore | ImageStores, hash_cache: Path) -> None:
        self._library = library
        self._store = store
        self.hash_cache = hash_cache
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        """As ``Engine.generate``, after loading the libraries if nobody has yet."""
        if self._engine is None:
            listener(PhaseStarted(Phase.LOADING_LIBRARIES))
        return self._built().generate(request, listener, cancel, save=save)

    def preload(self, checkpoint: str = "") -> None:
        """Load the libraries and a checkpoint (empty: the default one), so that the first image waits for neither."""
        self._built().preload(checkpoint or self._library.default_checkpoint().name)

    def unload(self) -> None:
        """Let go of the models, if any are loaded."""
        if self._engine is not None:
            self._engine.unload()

    def names(self) -> tuple[str, ...]:
        """Upscalers to choose from, "None" first."""
        return upscaler_names(self._library)

    def upscale(
        self,
        picture: Image.Image,
        scale: float,
        name: str,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
    ) -> Image.Image:
        """``picture`` about ``scale`` times larger, as ``engine.upscale.upscalers.Upscalers.upscale``. Call it from the
        job queue's thread: an engine does one thing at a time."""
        return self._built().upscalers.upscale(picture, scale, name, listener, cancel)

    def _built(self) -> Engine:
        from sdcolab.engine.engine import Engine

        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._library, self._store, hash_cache=self.hash_cache)
            return self._engine


def build_engine(folders: Folders, library: Library, store: ImageStore | ImageStores | None = None) -> LazyEngine:
    """An engine that saves in ``store``, or each kind of picture in its folder."""
    return LazyEngine(library, store or ImageStores.below(folders), hash_file(folders))


def hash_file(folders: Folders) -> Path:
    """Where the hashes of model files are remembered."""
    return folders.temporary / "hashes.json"


def paste(text: str, folders: Folders, *, decided: Collection[str] = ()) -> Pasted:
    """What the infotext ``text`` changes in a request, with the names of the user's own files. The request's fields in
    ``decided`` are left out: somebody else says them.
    """
    from sdcolab.engine.hashes import HashCache

    pasted = to_request(parse(text), SCHEDULE_NAMES).without(*decided)
    return with_files(pasted, build_library(folders), HashCache(hash_file(folders)))


def generate(
    request: GenerationRequest,
    *,
    folders: Folders,
    model: str | None = None,
    output: Path | None = None,
    image_format: ImageFormat = ImageFormat.PNG,
    listener: Listener = ignore_events,
) -> GenerationResult:
    """Make the images of ``request`` in this thread. ``model``, which wins over the request's checkpoint, and
    ``request.vae`` may be paths or names in the library. Pictures are saved in their kind's folder, or flat in
    ``output``. A picture made from another one has its shape when the request says no size.
    """
    chosen = [] if model is None else [model_file(folders, ModelKind.CHECKPOINT, model)]
    if request.vae not in (AUTOMATIC, INSIDE):
        vae = model_file(folders, ModelKind.VAE, request.vae)
        chosen.append(vae)
        request = replace(request, vae=vae.name)
    library = build_library(folders, *chosen)
    stores = ImageStores.below(folders, image_format)
    store = stores if output is None else ImageStore(output, today=None, image_format=image_format)
    make_folder(store.of(request).folder)  # before minutes of work, not after
    named = model is None and request.checkpoint
    checkpoint = library.find(ModelKind.CHECKPOINT, request.checkpoint) if named else library.default_checkpoint()
    request = replace(request, checkpoint=checkpoint.name)  # the default is the chosen one, which comes first
    if request.init and request.width is None and request.height is None:
        width, height = size_like(request.init.images[0].size, native_size(checkpoint))
        request = replace(request, width=width, height=height)
    return build_engine(folders, library, store).generate(request, listener, CancelToken())


def size_like(picture: tuple[int, int], native: int) -> tuple[int, int]:
    """A size with the shape of ``picture`` whose short side is ``native`` pixels, as far as requests allow."""
    scale = native / min(picture)
    width, height = (min(max(round(side * scale / SIZE_STEP) * SIZE_STEP, 64), 2048) for side in picture)
    return width, height


# --- Downloads ----------------------------------------------------------------------------------------------------

CIVITAI_VARIABLE = "SDCOLAB_CIVITAI_URL"
HUGGINGFACE_VARIABLE = "SDCOLAB_HUGGINGFACE_URL"
"""Environment variables with the address of a mirror, for networks that reach only that (and for the tests)."""


DRIVE_ROOT = Path("/content/drive/MyDrive")
"""Where Colab mounts the user's Drive: paths in lists of links are looked for there too."""


@dataclass(frozen=True, slots=True)
class DownloadOutcome:
    """How a list of links ended: one Spanish line a link, and the same as JSON values."""

    lines: tuple[str, ...]
    entries: tuple[dict[str, object], ...]
    all_well: bool


def build_downloads(folders: Folders, environment: Mapping[str, str] = os.environ) -> DownloadQueue:
    """The download queue with the tokens and mirrors that ``environment`` names."""
    from sdcolab.downloads.catalog import known_hashes, load_catalog
    from sdcolab.downloads.history import DownloadHistory
    from sdcolab.downloads.http import Tokens
    from sdcolab.downloads.queue import DownloadQueue

    return DownloadQueue(
        folders,
        tokens=Tokens(huggingface=environment.get("HF_TOKEN"), civitai=environment.get("CIVITAI_TOKEN")),
        civitai_url=environment.get(CIVITAI_VARIABLE),
        huggingface_url=environment.get(HUGGINGFACE_VARIABLE),
        drive_root=DRIVE_ROOT,
        history=DownloadHistory(folders.config),
        known_hashes=known_hashes(load_catalog()),
    )


def download(
    links: str, *, folders: Folders, listener: Listener = ignore_events, cancel: CancelToken | None = None
) -> DownloadOutcome:
    """Download ``links`` into the model folders."""
    from sdcolab.downloads.queue import report_data, report_line

    reports = build_downloads(folders).run(links, listener, cancel)
    return DownloadOutcome(
        lines=tuple(report_line(report) for report in reports),
        entries=tuple(report_data(report) for report in reports),
        all_well=all(report.ok for report in reports),
    )


def catalog_choices() -> tuple[tuple[str, str], ...]:
    """What the catalogue offers and this program can use: words to show and link to download."""
    from sdcolab.downloads.catalog import load_catalog

    return tuple(
        (f"{entry.name}, {KIND_NAMES[entry.kind]}: {entry.note}", entry.link)
        for entry in load_catalog().values()
        if entry.runs()
    )


def download_lines(queue: DownloadQueue) -> Callable[[str, Listener, CancelToken], tuple[str, ...]]:
    """``queue`` as the page and the notebook use it: links in, report lines out."""
    from sdcolab.downloads.queue import report_line

    def run(links: str, listener: Listener, cancel: CancelToken) -> tuple[str, ...]:
        return tuple(report_line(report) for report in queue.run(links, listener, cancel))

    return run


# --- The web UI ---------------------------------------------------------------------------------------------------

USER_NAME = "sdcolab"


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How to open the web UI. ``machine_events`` prints JSON lines for the program that started us."""

    folders: Folders
    host: str = "127.0.0.1"
    port: int = 7860
    login: tuple[str, str] | None = None
    share: bool = False
    model: str | None = None
    machine_events: bool = False


def build_studio(folders: Folders, library: Library, jobs: JobQueue, upscaling: Upscaling | None = None) -> Studio:
    """Everything that the page works with."""
    from sdcolab.colab.report import report_html
    from sdcolab.engine import tokenizer
    from sdcolab.web.app import Studio

    def count_tokens(text: str) -> tuple[int, int]:
        counted = tokenizer.count_tokens(text, tokenizer.load())
        return counted.count, counted.limit

    return Studio(
        library=library,
        jobs=jobs,
        settings=SettingsFile(folders.config),
        last_form=LastForm(folders.config),
        download=download_lines(build_downloads(folders)),
        count_tokens=count_tokens,
        native_size=native_size,
        samplers=SAMPLER_NAMES,
        schedules=SCHEDULE_NAMES,
        folders=folders,
        report=lambda: report_html(save_report(folders, diagnose(folders, network=False)[0])),
        catalog=catalog_choices(),
        upscaling=upscaling,
    )


def build_http_api(folders: Folders, library: Library, jobs: JobQueue, engine: LazyEngine) -> Starlette:
    """The HTTP API for other programs, on the page's queue."""
    from sdcolab.api.app import build_api
    from sdcolab.api.studio import ApiStudio
    from sdcolab.engine.hashes import HashCache

    return build_api(
        ApiStudio(
            library=library,
            jobs=jobs,
            settings=SettingsFile(folders.config),
            upscaling=engine,
            models=engine,
            known_hash=lambda file: HashCache(engine.hash_cache).known(file.path),
            cuda_memory=_cuda_memory,
        )
    )


def _cuda_memory() -> dict[str, object] | None:
    """What the graphics card holds; None without one, or before torch has been loaded."""
    if "torch" not in sys.modules:
        return None
    from sdcolab.engine.memory import card_memory

    return card_memory()


def open_web(options: WebOptions) -> None:
    """Serve the page until interrupted (Ctrl+C or SIGTERM). Raises ``PortBusy``."""
    from sdcolab.web.app import serve

    login = options.login
    if options.share and login is None:
        login = (USER_NAME, secrets.token_urlsafe(9))
    say = MachineVoice() if options.machine_events else HumanVoice()
    chosen = [] if options.model is None else [model_file(options.folders, ModelKind.CHECKPOINT, options.model)]
    library = build_library(options.folders, *chosen)
    engine = build_engine(options.folders, library)
    supervised = options.machine_events
    journal = JobJournal(options.folders.root / ".sesion" / JOURNAL_NAME) if supervised else None
    jobs = JobQueue(engine, say.event, journal=journal)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server = serve(
            build_studio(options.folders, library, jobs, engine),
            host=options.host,
            port=options.port,
            auth=login,
            api=build_http_api(options.folders, library, jobs, engine),
        )
        tunnel = None
        try:
            say.ready(server.url, login, open_to_network=options.host != "127.0.0.1")
            threading.Thread(target=_preload, args=(engine,), name="sdcolab-precarga", daemon=True).start()
            tunnel = _open_tunnel(options.folders, server.port, login, say) if options.share and login else None
            while not server.wait(1.0):
                pass
        finally:
            if tunnel:
                tunnel.stop()
            server.close()
    except KeyboardInterrupt:
        say.closing()
    finally:
        jobs.close()


class HumanVoice:
    """Tells a person at a terminal what happens."""

    def ready(self, url: str, login: tuple[str, str] | None, *, open_to_network: bool) -> None:
        """The page answers at ``url``."""
        print(f"✅ sdcolab está abierto en {url}")
        if login:
            print(f"Usuario: {login[0]}  Contraseña: {login[1]}")
        elif open_to_network:
            print("⚠️ Cualquiera en tu red puede entrar. Para pedir contraseña usa --usuario nombre:clave.")
        print("Para cerrarlo pulsa Ctrl+C.", flush=True)
        if sys.stdout.isatty():
            webbrowser.open(url)

    def public(self, url: str, login: tuple[str, str]) -> None:
        """The page can also be reached at the public ``url``."""
        print(f"Running on public URL: {url}\nUsuario: {login[0]}  Contraseña: {login[1]}", flush=True)

    def trouble(self, error: SdcolabError) -> None:
        """Something went wrong that does not close the page."""
        print(f"⚠️ {explain(error)}", flush=True)

    def event(self, event: Event) -> None:
        """A job's event: people see those on the page."""

    def closing(self) -> None:
        """We were asked to close."""
        print("\n👋 sdcolab está cerrado.")


class MachineVoice(HumanVoice):
    """Tells the supervisor what happens, one JSON object a line."""

    def ready(self, url: str, _login: tuple[str, str] | None, *, open_to_network: bool) -> None:  # noqa: ARG002
        """The page answers at ``url``. The login is not said: who started us knows it."""
        self._say(event="ready", url=url)

    def public(self, url: str, _login: tuple[str, str]) -> None:
        """The page can also be reached at the public ``url``."""
        self._say(event="public_url", url=url)

    def trouble(self, error: SdcolabError) -> None:
        """Something went wrong that does not close the page."""
        self._say(event="trouble", code=error.code, message=str(explain(error)))

    def event(self, event: Event) -> None:
        """A job's event. Only saved images matter outside."""
        if isinstance(event, ImageSaved):
            self._say(event="image", path=str(event.path))

    def closing(self) -> None:
        """We were asked to close."""

    def _say(self, **message: str) -> None:
        print(json.dumps(message), flush=True)


def _open_tunnel(folders: Folders, port: int, login: tuple[str, str], say: HumanVoice) -> Supervisor:
    """Make ``port`` public and keep it so, telling each new address."""
    from sdcolab.colab.ngrok import TOKEN_VARIABLE
    from sdcolab.colab.prepare import NGROK_NAME, TUNNEL_RESTART, child_environ, token_in
    from sdcolab.colab.public_link import Service
    from sdcolab.colab.session import link_error
    from sdcolab.colab.supervisor import ChildNews, ChildSaid, ChildSpec, Supervisor
    from sdcolab.colab.tunnel import tunnel_command

    def hear(news: ChildNews) -> None:
        match news:
            case ChildSaid({"event": "public_url", "url": str(url)}):
                say.public(url, login)
            case ChildSaid({"event": "failed"}):
                say.trouble(link_error(news.message))
            case _:
                pass

    token = token_in(os.environ, NGROK_NAME)
    services = (Service.GRADIO, Service.NGROK) if token else (Service.GRADIO,)

    spec = ChildSpec(
        name="enlace",
        command=tunnel_command(port, services),
        log=folders.logs / "enlace.log",
        folder=folders.temporary / "enlace",
        environ=child_environ(os.environ) | {TOKEN_VARIABLE: token},
        restart=TUNNEL_RESTART,
    )
    tunnel = Supervisor(spec, hear)
    tunnel.start()
    return tunnel


def _preload(engine: LazyEngine) -> None:
    try:
        engine.preload()
    except SdcolabError as error:  # the first generation meets the same error and explains it where the user looks
        _log.warning("precarga: %s", error)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# --- Diagnosis ----------------------------------------------------------------------------------------------------


def diagnose(folders: Folders, *, network: bool = True) -> tuple[str, bool]:
    """One Spanish page about this machine, and whether all is well."""
    from sdcolab.colab.diagnosis import examine, page
    from sdcolab.colab.host import detect_host

    findings = examine(detect_host(), folders, os.environ, network=network)
    return page(findings), all(finding.problem is None for finding in findings)


def save_report(folders: Folders, page: str) -> Path:
    """The page and the logs in one file to send to whoever helps, without secrets."""
    from sdcolab.colab.report import known_secrets, write_report

    return write_report(folders, page, known_secrets(folders, os.environ))


def serve_engine(folders: Folders, model: Path | None) -> None:
    """Be the engine's process of the notebook's panel: orders on stdin, events on stdout, until stdin ends."""
    from sdcolab.colab.service import serve

    library = library_around(folders, model)
    events, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with the events

    def say(message: Mapping[str, object]) -> None:
        events.write(json.dumps(message) + "\n")
        events.flush()

    serve(build_engine(folders, library), sys.stdin.fileno(), say)


# --- The notebook -------------------------------------------------------------------------------------------------


PANEL_MODE = "Panel en el cuaderno"
LINK_MODE = "Enlace público"
NGROK_MODE = "Enlace público con ngrok"


def empezar(
    *,
    modo: str = LINK_MODE,
    guardar_imagenes_en_drive: bool = False,
    guardar_configuracion_en_drive: bool = False,
    modelo: str = "Demostración (emojis)",
    enlaces_adicionales: str = "",
    todos_modelos_controlnet: bool = False,
) -> None:
    """What the notebook's play button calls, with the form's fields under the names of the guide.

    The public link comes from Gradio, or from ngrok when there is a token for it: the one that ``modo`` does not name
    takes its place when it fails.
    """
    from sdcolab.colab.notebook import StartOptions, form_tokens, open_panel, start
    from sdcolab.colab.public_link import Service

    services = {
        PANEL_MODE: (),
        NGROK_MODE: (Service.NGROK, Service.GRADIO),
    }.get(modo, (Service.GRADIO, Service.NGROK))

    options = StartOptions(
        images_to_drive=guardar_imagenes_en_drive,
        settings_to_drive=guardar_configuracion_en_drive,
        model=modelo,
        links=enlaces_adicionales,
        all_controlnet_models=todos_modelos_controlnet,
        services=services,
        tokens=form_tokens(),
    )
    (open_panel if modo == PANEL_MODE else start)(options, _collaborators())


def panel(
    *,
    guardar_imagenes_en_drive: bool = False,
    guardar_configuracion_en_drive: bool = False,
    modelo: str = "Demostración (emojis)",
    enlaces_adicionales: str = "",
    todos_modelos_controlnet: bool = False,
) -> None:
    """``empezar`` in its panel mode: everything inside the cell, without a web page and without a public link."""
    empezar(
        modo=PANEL_MODE,
        guardar_imagenes_en_drive=guardar_imagenes_en_drive,
        guardar_configuracion_en_drive=guardar_configuracion_en_drive,
        modelo=modelo,
        enlaces_adicionales=enlaces_adicionales,
        todos_modelos_controlnet=todos_modelos_controlnet,
    )


def cerrar() -> None:
    """What the notebook's last cell calls: close the panel if it is open, and wait until Drive has everything."""
    from sdcolab.colab.notebook import close_all

    close_all(_collaborators())


def informe() -> None:
    """What the notebook's report cell calls: one page about this machine, and a file with it and the logs to send."""
    from sdcolab.colab.notebook import save_report as save_and_show

    save_and_show(_collaborators())


def _collaborators() -> Collaborators:
    from sdcolab.colab.host import detect_host, host_folders
    from sdcolab.colab.prepare import Collaborators
    from sdcolab.downloads.catalog import controlnet_links, load_catalog

    host = detect_host()
    folders = host_folders(host)
    return Collaborators(
        host=host,
        folders=folders,
        model_link=lambda name: load_catalog().find(name).link,
        make_download=lambda tokens: _download_reports(build_downloads(folders, {**os.environ, **tokens})),
        open_library=lambda chosen: library_around(folders, chosen),
        native_size=native_size,
        missing_downloads=lambda: _missing_downloads(folders),
        controlnet_links=lambda: controlnet_links(load_catalog()),
    )


def _missing_downloads(folders: Folders) -> tuple[MissingDownload, ...]:
    from sdcolab.colab.prepare import MissingDownload
    from sdcolab.downloads.history import DownloadHistory

    missing = DownloadHistory(folders.config).missing(folders)
    return tuple(MissingDownload(entry.link, entry.name) for entry in missing)


def _download_reports(queue: DownloadQueue) -> Callable[[str, Listener, CancelToken], tuple[Downloaded, ...]]:
    """``queue`` as the notebook uses it."""
    from sdcolab.colab.prepare import Downloaded
    from sdcolab.downloads.queue import report_line

    def run(links: str, listener: Listener, cancel: CancelToken) -> tuple[Downloaded, ...]:
        return tuple(
            Downloaded(report_line(report), report.path if report.ok else None, report.kind)
            for report in queue.run(links, listener, cancel)
        )

    return run
