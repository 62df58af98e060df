"""What both ways of using the notebook do first: packages, Drive, tokens and downloads; and the end, Drive again."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sdcolab
from sdcolab.colab.drive_models import ModelCopier, drop_dead_links, link_models
from sdcolab.colab.drive_sync import DriveNews, DriveSync, DriveTrouble
from sdcolab.colab.host import Host, KaggleHost, nvidia_cards
from sdcolab.colab.progress import CellProgress, cell_bars
from sdcolab.colab.requirements import ensure_installed, missing_of, own_requirements
from sdcolab.colab.waiting import telling, within
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DriveUnread, HostError, NoCuda, NoModels, SdcolabError, SecretTimeout, Unexpected
from sdcolab.core.events import CancelToken, Listener, ignore_events
from sdcolab.core.files import system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.kept import write_kept
from sdcolab.core.library import Library
from sdcolab.core.tasks import TaskTable
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words import explain, human_bytes
from sdcolab.core.words import notebook as words
from sdcolab.process.environment import DOWNLOAD_NAMES, ENGINE_RESTART, NGROK_NAME, TUNNEL_RESTART, token_in
from sdcolab.process.public_link import Service
from sdcolab.process.supervisor import RestartPolicy, Roster
from sdcolab.process.tunnel import tunnel_command
from sdcolab.process.worker import ProcessWorker
from sdcolab.studio.pending import offered, set_aside
from sdcolab.studio.studio import Studio

DEMO_NAMES = (words.DEMO_MODEL, "demo", "")
"""What the notebook's list of models calls the one that ships with the package; the rest are the catalogue's names."""

DRIVE_CHOICE = Path(".sesion", "drive.json")
"""Below the program's folder: what goes to Drive in this machine's last session."""

PREPARE_SECONDS = 20.0
HUNG_SECONDS = 3.0
"""What a Drive that has already been slow is waited for."""

FLUSH_SECONDS = 60.0
WEB_RESTART = RestartPolicy()

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """How a link ended: its Spanish line, and the file when there is one to be used."""

    line: str
    path: Path | None = None
    kind: ModelKind | None = None
    runs: bool = True
    """Whether its architecture is one that pictures can be made with here."""


@dataclass(frozen=True, slots=True)
class MissingDownload:
    """A file that another session downloaded and this machine has not; ``link`` is what to paste to have it again."""

    link: str
    name: str


Download = Callable[[str, Listener, CancelToken], Sequence[Downloaded]]
"""Downloads every link in a text and tells how each ended, in their order."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """The notebook's form. ``services`` make the public link, the first that can; ``tokens`` were typed by name."""

    images_to_drive: bool = False
    settings_to_drive: bool = False
    model: str = DEMO_NAMES[0]
    links: str = ""
    all_controlnet_models: bool = False
    guide_resources: bool = False
    services: tuple[Service, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


def show_html(text: str) -> None:
    """Show HTML in the cell; nothing where there is no notebook."""
    with contextlib.suppress(ImportError):
        import IPython

        shown: Any = IPython.display
        if hasattr(IPython.get_ipython(), "kernel"):
            shown.display(shown.HTML(text))


LATER = ("spandrel",)
"""Packages that only upscalers need and that take longest: they come while the user works."""


def install_extras(extra: str = "colab") -> tuple[str, ...]:
    """Install the packages of ``extra`` that are missing. Raises ``HostError``."""
    return ensure_installed(own_requirements(), extra=extra)


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What a session needs from outside. ``wiring`` gives the first nine; tests give the rest.

    ``model_link`` turns a name of the notebook's list into a link or raises ``UnknownName``; ``model_note`` says what
    to know of it; ``demo_link`` is where the demo model is, when this copy came without it; ``controlnet_links`` gives
    those of ``todos_modelos_controlnet`` that a model can use as one text, how many and how many bytes; ``guide_links``
    are the files that the guide says are there; ``newer_version`` gives a Spanish line when there is one, or nothing.
    ``make_download`` receives the tokens found ("HF_TOKEN" -> its value). ``open_library`` lists the models, with the
    chosen file first; ``tasks`` are the kinds of work; ``open_studio`` gives all that a face works with, around a
    library, engines and an environment with tokens; ``missing_downloads`` is what other sessions had. ``web_command``
    gets the port and ``engine_command`` nothing; None is ``python -m sdcolab`` itself.
    """

    host: Host
    folders: Folders
    model_link: Callable[[str], str]
    make_download: Callable[[Mapping[str, str]], Download]
    open_library: Callable[[Path | None], Library]
    tasks: TaskTable
    open_studio: Callable[[Library, tuple[ProcessWorker, ...], Mapping[str, str]], Studio]
    missing_downloads: Callable[[], Sequence[MissingDownload]] = tuple
    model_note: Callable[[str], str] = str
    demo_link: Callable[[], str] = str
    controlnet_links: Callable[[str], tuple[str, int, int]] = lambda _model: ("", 0, 0)
    guide_links: Callable[[], Mapping[str, str]] = dict
    newer_version: Callable[[], str] = str
    cards: Callable[[], int] = nvidia_cards
    install_extras: Callable[[], object] = install_extras
    web_command: Callable[[int], Sequence[str]] | None = None
    engine_command: Sequence[str] | None = None
    tunnel_command: Callable[[int, Sequence[Service]], Sequence[str]] = tunnel_command
    web_restart: RestartPolicy = WEB_RESTART
    engine_restart: RestartPolicy = ENGINE_RESTART
    tunnel_restart: RestartPolicy = TUNNEL_RESTART
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    say: Callable[[str], object] = print
    show_html: Callable[[str], object] = show_html


class Preparation:
    """Gets everything ready, telling each step. Every method belongs to the kernel's main thread.

    After ``run``: ``tokens`` found for downloads, ``ngrok_token``, ``sync`` when Drive takes our files, ``model``, the
    file to start with, and ``to_download_again``, what other sessions had and this machine has not.
    """

    def __init__(
        self,
        options: StartOptions,
        collaborators: Collaborators,
        roster: Roster,
        hear_drive: Callable[[DriveNews], None],
        cancel: CancelToken,
    ) -> None:
        self._options = options
        self._with = collaborators
        self._say = collaborators.say
        self._folders = collaborators.folders
        self._roster = roster
        self._hear_drive = hear_drive
        self._cancel = cancel
        self.tokens: Mapping[str, str] = {}
        self.ngrok_token = ""
        self.sync: DriveSync | None = None
        self.model: Path | None = None
        self.to_download_again: tuple[MissingDownload, ...] = ()
        self._my_drive: Path | None = None
        self._slow_drive = False
        self._copier: ModelCopier | None = None

    def run(self) -> None:
        """Everything, in order. Raises ``SdcolabError`` for what makes it useless to go on."""
        self._say(words.VERSION.format(version=sdcolab.__version__))
        threading.Thread(target=self._tell_newer_version, name="sdcolab-version", daemon=True).start()
        demo = self._options.model.strip() in DEMO_NAMES
        link = self._with.demo_link() if demo else self._with.model_link(self._options.model)
        if missing := missing_of(own_requirements()):
            self._say(words.INSTALLING_MISSING.format(names=", ".join(missing)))
        with telling(self._say, words.STILL_INSTALLING):
            ensure_installed(own_requirements())
        self._install_extras()
        with telling(self._say, words.CLOSING_FORMER):
            ended = self._roster.end_former()
        if ended:
            self._say(words.FORMER_CLOSED)
        with telling(self._say, words.STILL_EXAMINING):
            tell_gpu(self._with)
        self._connect_drive()
        set_aside(self._folders.config, self._with.tasks)
        wanted = (*DOWNLOAD_NAMES, *[NGROK_NAME] * (Service.NGROK in self._options.services))
        with telling(self._say, words.ASKING_FOR_KEYS):
            found = read_tokens(self._with, self._options.tokens, wanted)
        self.ngrok_token = found.pop(NGROK_NAME, "")
        self.tokens = found
        self._link_models()
        if not demo:
            self._say(f"📄 {self._with.model_note(self._options.model)}")
        elif link:
            self._say(words.DEMO_APART)
        controlnets = ""
        if self._options.all_controlnet_models:
            controlnets, count, total = self._with.controlnet_links("" if demo else self._options.model)
            self._say(words.all_controlnets(count, human_bytes(total)))
        links = (link, self._options.links.strip(), controlnets)
        reports = self._download("\n".join(filter(None, links)), self.tokens)
        self.model = model_to_open(reports)
        if self.model is None and (link or demo):
            tell_other_model(self._with, expected=bool(link))
        self.to_download_again = tuple(self._with.missing_downloads())
        if self.to_download_again:
            self._say(words.HAD_ALSO.format(names=", ".join(one.name for one in self.to_download_again)))

    def fetch_guide_resources(self, listed: Callable[[], object] | None = None) -> None:
        """Bring what the guide says is installed, while the user works. Call it when the page or the panel is open;
        ``listed`` puts what came in the lists of who can be told."""
        if self._options.guide_resources:
            told = (self._with, self.tokens, self._cancel, self._say, listed)
            threading.Thread(target=fetch_resources, args=told, daemon=True).start()

    def _tell_newer_version(self) -> None:
        if line := self._with.newer_version():
            self._say(line)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every token that we know of, to be kept out of what is shown or sent."""
        return (*self.tokens.values(), *filter(None, (self.ngrok_token, *self._options.tokens.values())))

    def flush(self, say: Callable[[str], object] | None = None) -> int:
        """Give Drive some time to take what is pending, tell how it ended, and return how many images are left."""
        if self.sync is None:
            return 0
        return flush_and_tell(self.sync, self._folders, say or self._say, FLUSH_SECONDS)

    def _install_extras(self) -> None:
        """What Colab's image lacks and only some functions need; nothing else waits for it.

        Only there and in Kaggle's, which brings its torchvision too: elsewhere pip could bring a torchvision that does
        not fit the installed torch, and with it transformers and diffusers cannot be imported any more.
        """
        if not (self._with.host.is_colab or isinstance(self._with.host, KaggleHost)):
            return
        if set(missing_of(own_requirements(), "colab")) <= set(LATER):
            threading.Thread(target=self._install_later, name="sdcolab-extras", daemon=True).start()
            return
        with telling(self._say, words.STILL_INSTALLING):
            self._install_later()

    def _install_later(self) -> None:
        try:
            self._with.install_extras()
        except HostError as error:
            self._say(f"⚠️ {explain(error)}")

    def _connect_drive(self) -> None:
        images, settings = self._options.images_to_drive, self._options.settings_to_drive
        if not (images or settings):
            forget_drive(self._folders)
            if self._with.host.is_colab:
                self._say(words.WITHOUT_DRIVE)
            return
        self._say(words.CONNECTING_DRIVE)
        try:
            with telling(self._say, words.WAITING_FOR_DRIVE):
                my_drive = self._with.host.mount_drive()
        except HostError as error:
            self._say(f"⚠️ {explain(error)}")
            if images:
                self._say(words.IMAGES_STAY)
            return
        self._my_drive = my_drive
        sync = DriveSync(self._folders, my_drive, images=images, settings=settings, listener=self._hear_drive)
        self._say(words.connected(images=images, settings=settings, folder=sync.home.name))
        try:
            with telling(self._say, words.READING_SETTINGS):
                within(PREPARE_SECONDS, sync.prepare)
        except TimeoutError:
            self._slow_drive = True
            self._say(words.SLOW_FOR_SETTINGS)
        except DriveUnread as error:
            self._say(f"⚠️ {explain(error)}")
        sync.start()
        self.sync = sync
        remember_drive(self._folders, images=images, settings=settings)

    def _link_models(self) -> None:
        """Make the models that the user keeps on Drive available here."""
        my_drive = self._my_drive
        if my_drive is None:
            drop_dead_links(self._folders)
            return
        try:
            with telling(self._say, words.LOOKING_FOR_MODELS):
                seconds = HUNG_SECONDS if self._slow_drive else PREPARE_SECONDS
                models = within(seconds, lambda: link_models(my_drive, self._folders))
        except TimeoutError:
            self._say(words.SLOW_FOR_MODELS)
            return
        except OSError as error:
            self._say(f"⚠️ {explain(DriveUnread(reason=system_reason(error)))}")
            return
        if models:
            self._say(words.MODELS_ON_DRIVE.format(count=len(models)))
            self._copier = ModelCopier(models)
            self._copier.start()

    def stop(self) -> None:
        """End what works in the background. Nothing waits for Drive."""
        if self.sync:
            self.sync.stop()
        if self._copier:
            self._copier.stop()

    def _download(self, text: str, tokens: Mapping[str, str]) -> Sequence[Downloaded]:
        if not text:
            return ()
        self._say(words.DOWNLOADING)
        download = self._with.make_download(tokens)
        progress = CellProgress(cell_bars(self._say))
        try:
            with telling(self._say, words.STILL_DOWNLOADING, lambda: progress.last_word):
                reports = within(None, lambda: download(text, progress, self._cancel))
        except SdcolabError as error:
            reports = (Downloaded(str(explain(error))),)
        except Exception as error:  # noqa: BLE001 - an edge: a bug here must not take the web UI away; it is logged
            _log.exception("descargas")
            reports = (Downloaded(str(explain(Unexpected(kind=type(error).__name__, detail=str(error))))),)
        for report in reports:
            self._say(report.line)
        return reports


def tell_other_model(outside: Collaborators, *, expected: bool) -> None:
    """The chosen model did not come, if one was ``expected``: which one there is instead, or that there is none."""
    try:
        name = outside.open_library(None).default_checkpoint().name
    except NoModels as error:
        outside.say(f"⚠️ {explain(error) if expected else words.DEMO_NOT_HERE}")
        return
    except SdcolabError as error:
        outside.say(f"⚠️ {explain(error)}")
        return
    if expected:
        outside.say(words.OTHER_MODEL.format(name=name))


def tell_gpu(outside: Collaborators) -> None:
    """Say which graphics card there is, or that there is none."""
    if gpu := outside.host.gpu():
        cards = outside.cards()
        outside.say((words.CARDS if cards > 1 else words.CARD).format(card=gpu, count=cards))
    else:
        if isinstance(outside.host, KaggleHost):
            told = f"{explain(NoCuda()).text} {words.KAGGLE_CARD} {words.SLOWER_WITHOUT}"
        else:  # at home the advice says how slow it is
            told = f"{explain(NoCuda())} {words.SLOWER_WITHOUT if outside.host.is_colab else ''}"
        outside.say(f"⚠️ {told.strip()}")


def read_tokens(outside: Collaborators, typed: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The tokens that exist: Colab's secrets, then the form, then the environment. Values are never shown."""
    found: dict[str, str] = {}
    answering = True
    for name in names:
        other = typed.get(name, "").strip() or token_in(outside.environ, name)
        value = None
        if answering:
            try:
                value = outside.host.secret(name)
            except SecretTimeout as error:
                answering = False  # each silence costs 10 s: do not ask for the next one
                if not other:
                    outside.say(f"⚠️ {explain(error)}")
            except HostError as error:
                outside.say(f"⚠️ {explain(error)}")
        if value := value or other:
            found[name] = value
    if found:
        outside.say(words.KEYS_FOUND.format(names=", ".join(found)))
    elif outside.host.is_colab and answering:
        outside.say(words.NO_KEYS.format(names=", ".join(names)))
    return found


def tell_left(outside: Collaborators) -> None:
    """Say that another session left work in its queue, and where it is."""
    try:
        left = len(offered(outside.folders.config, outside.tasks))
    except SdcolabError as error:
        outside.say(f"⚠️ {explain(error)}")
        return
    if left:
        outside.say(words.left_in_queue(left))


def fetch_resources(
    outside: Collaborators,
    tokens: Mapping[str, str],
    cancel: CancelToken,
    say: Callable[[str], object],
    listed: Callable[[], object] | None = None,
) -> None:
    """Download what the guide says is installed, put it in the lists if it can be, and tell what came."""
    links = outside.guide_links()
    reports = outside.make_download(tokens)("\n".join(links.values()), ignore_events, cancel)
    if cancel.cancelled:
        return
    came = [name for name, report in zip(links, reports, strict=False) if report.path]
    missing = [name for name in links if name not in came]
    if came:
        if listed:
            listed()
        say(words.resources_came(came, listed=listed is not None))
    if missing:
        say(words.resources_missing(missing))


def model_to_open(reports: Sequence[Downloaded]) -> Path | None:
    """The first checkpoint that came and runs, in the order of the links: the one chosen in the form is the first
    link."""
    found = (report.path for report in reports if report.kind is ModelKind.CHECKPOINT and report.runs)
    return next((path for path in found if path is not None), None)


def remember_drive(folders: Folders, *, images: bool, settings: bool) -> None:
    """Write down what goes to Drive, for the cell that closes everything, maybe after the session is gone."""
    with contextlib.suppress(SdcolabError):  # only a convenience
        write_kept(folders.root / DRIVE_CHOICE, {"images": images, "settings": settings})


def remembered_drive(folders: Folders) -> tuple[bool, bool] | None:
    """Whether images and settings go to Drive in this machine's last session; None when neither does."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        saved = parse_json((folders.root / DRIVE_CHOICE).read_bytes())
        return bool(saved["images"]), bool(saved["settings"])
    return None


def forget_drive(folders: Folders) -> None:
    """Everything is on Drive: the next closing has nothing to look for."""
    with contextlib.suppress(OSError):
        (folders.root / DRIVE_CHOICE).unlink(missing_ok=True)


def flush_and_tell(sync: DriveSync, folders: Folders, say: Callable[[str], object], seconds: float) -> int:
    """Give Drive up to ``seconds`` to take what is pending, tell how it ended, and return how many images are left."""
    say(words.SAVING)
    with telling(say, words.STILL_SAVING):
        left = sync.flush(seconds)
    if left:
        if trouble := sync.trouble:
            say(f"⚠️ {explain(trouble)}")
        say(words.NOT_COPIED.format(count=left, folder=folders.outputs))
    else:
        say(words.ALL_SAVED)
    return left


def drive_line(news: DriveNews) -> str:
    """News of Drive, in Spanish."""
    if isinstance(news, DriveTrouble):
        return f"⚠️ {explain(news.error)}"
    return words.DRIVE_IS_BACK
