"""AUTOMATIC1111's launch options, as people paste them from guides: what each one means here.

One table for the command and whoever else reads them (hechos/a1111.md 12). An option becomes one of ours, needs nothing
because the program does it by itself, means nothing here, or is refused because it cannot be done as asked and going on
would not be what was meant.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import chain
from types import MappingProxyType

from sdcolab.core.errors import LaunchOptionRefused, LaunchOptionsUnreadable, LaunchOptionValueMissing

MAX_TEXT = 10_000


class Why(StrEnum):
    """Why an option of A1111 changes nothing, or is refused. The sentences live in ``core.words.launching``."""

    MEMORY = "memory"
    ATTENTION = "attention"
    PRECISION = "precision"
    API = "api"
    EXTENSIONS = "extensions"
    STARTING = "starting"
    FOLDERS = "folders"
    INTERFACE = "interface"
    OLD = "old"
    UNSAFE = "unsafe"
    CODE = "code"
    SERVER = "server"
    SECRET_FILE = "secret_file"
    ONE_USER = "one_user"


@dataclass(frozen=True, slots=True)
class LaunchOption:
    """One option. ``values``: whether a value follows it. ``ours``: our options in its place, ``{}`` for the value;
    ``why``: the reason for which there are none; ``refused``: nothing is started."""

    name: str
    values: bool = False
    ours: tuple[str, ...] = ()
    why: Why | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Understood:
    """``arguments`` in our words, and the options that need nothing with the reason for each."""

    arguments: tuple[str, ...]
    needless: tuple[tuple[str, Why], ...] = ()


THEMES: Mapping[str, str] = MappingProxyType({"dark": "oscuro", "light": "claro"})


def _plain(why: Why, names: str) -> Iterator[LaunchOption]:
    return (LaunchOption(f"--{name}", why=why) for name in names.split())


def _valued(why: Why, names: str) -> Iterator[LaunchOption]:
    return (LaunchOption(f"--{name}", values=True, why=why) for name in names.split())


def _refused(why: Why, names: str, *, values: bool = False) -> Iterator[LaunchOption]:
    return (LaunchOption(f"--{name}", values=values, why=why, refused=True) for name in names.split())


_OPTIONS: tuple[LaunchOption, ...] = (
    LaunchOption("--listen", ours=("--escuchar",)),
    LaunchOption("--share", ours=("--compartir",)),
    LaunchOption("--port", values=True, ours=("--puerto", "{}")),
    LaunchOption("--gradio-auth", values=True, ours=("--usuario", "{}")),
    LaunchOption("--api-auth", values=True, ours=("--usuario", "{}")),
    LaunchOption("--ckpt", values=True, ours=("--modelo", "{}")),
    LaunchOption("--vae-path", values=True, ours=("--vae", "{}")),
    LaunchOption("--data-dir", values=True, ours=("--carpeta", "{}")),
    LaunchOption("--cors-allow-origins", values=True, ours=("--permitir-web", "{}")),
    LaunchOption("--theme", values=True, ours=("--tema", "{}")),
    *_plain(Why.MEMORY, "medvram medvram-sdxl lowvram lowram disable-model-loading-ram-optimization"),
    *_plain(
        Why.ATTENTION,
        "xformers force-enable-xformers xformers-flash-attention opt-split-attention opt-split-attention-v1 "
        "opt-split-attention-invokeai opt-sub-quad-attention opt-sdp-attention opt-sdp-no-mem-attention "
        "disable-opt-split-attention opt-channelslast reinstall-xformers",
    ),
    *_valued(Why.ATTENTION, "sub-quad-q-chunk-size sub-quad-kv-chunk-size sub-quad-chunk-threshold"),
    *_plain(Why.PRECISION, "no-half no-half-vae upcast-sampling disable-nan-check"),
    *_valued(Why.PRECISION, "precision"),
    *_plain(Why.API, "api api-log"),
    *_plain(
        Why.EXTENSIONS,
        "enable-insecure-extension-access update-all-extensions disable-all-extensions disable-extra-extensions",
    ),
    *_plain(
        Why.STARTING,
        "skip-torch-cuda-test skip-install skip-prepare-environment skip-python-version-check skip-version-check "
        "reinstall-torch update-check no-download-sd-model do-not-download-clip skip-load-model-at-start no-hashing "
        "log-startup dump-sysinfo test-server administrator autolaunch",
    ),
    *_valued(Why.STARTING, "loglevel config"),
    *_valued(
        Why.FOLDERS,
        "models-dir ckpt-dir vae-dir embeddings-dir hypernetwork-dir lora-dir lyco-dir-backcompat "
        "textual-inversion-templates-dir localizations-dir codeformer-models-path gfpgan-models-path "
        "esrgan-models-path bsrgan-models-path realesrgan-models-path dat-models-path clip-models-path "
        "scunet-models-path swinir-models-path ldsr-models-path gfpgan-dir gfpgan-model styles-file ui-config-file "
        "ui-settings-file controlnet-dir",
    ),
    *_plain(
        Why.INTERFACE,
        "use-textbox-seed hide-ui-dir-config freeze-settings no-prompt-history disable-console-progressbars "
        "no-progressbar-hiding ui-debug-mode unix-filenames-sanitization gradio-debug no-gradio-queue",
    ),
    *_valued(
        Why.INTERFACE,
        "freeze-settings-in-sections freeze-specific-settings filenames-max-length timeout-keep-alive",
    ),
    *_plain(
        Why.OLD,
        "always-batch-cond-uncond unload-gfpgan show-negative-prompt gradio-queue enable-console-prompts "
        "add-stop-route deepdanbooru",
    ),
    *_valued(Why.OLD, "max-batch-count gradio-img2img-tool gradio-inpaint-tool ngrok-region"),
    *_refused(Why.UNSAFE, "disable-safe-unpickle disable-tls-verify"),
    *_refused(Why.CODE, "allow-code"),
    *_refused(Why.SERVER, "nowebui api-server-stop use-ipex"),
    *_refused(
        Why.SERVER,
        "server-name subpath tls-keyfile tls-certfile cors-allow-origins-regex gradio-allowed-path "
        "device-id use-cpu ngrok",
        values=True,
    ),
    *_refused(Why.SECRET_FILE, "gradio-auth-path", values=True),
)

LAUNCH_OPTIONS: Mapping[str, LaunchOption] = MappingProxyType({option.name: option for option in _OPTIONS})
"""A1111's options by name."""


def understand(arguments: Sequence[str]) -> Understood:
    """``arguments`` with A1111's options put into our words; whatever is none of them stays as it is.

    Raises ``LaunchOptionRefused`` and ``LaunchOptionValueMissing``.
    """
    made: list[str] = []
    needless: list[tuple[str, Why]] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        option = LAUNCH_OPTIONS.get(name)
        if option is None:
            made.append(argument)
            continue
        if option.refused:
            raise LaunchOptionRefused(option=option.name, why=str(option.why))
        if option.values and not equals:
            value = _value(option, rest)
        if option.why is not None:
            needless.append((option.name, option.why))
        made += _ours(option, value)
    return Understood(tuple(made), tuple(needless))


def split_options(text: str) -> tuple[str, ...]:
    """The arguments in a line as people type it in a box; a Windows path keeps its backslashes.

    Raises ``LaunchOptionsUnreadable`` for a quote that does not end.
    """
    reader = shlex.shlex(_as_typed(text[:MAX_TEXT]), posix=True, punctuation_chars=False)
    reader.whitespace_split = True
    reader.escape = ""
    reader.commenters = ""
    try:
        return tuple(reader)
    except ValueError as error:
        raise LaunchOptionsUnreadable(text=text[:100]) from error


_ARGUMENTS_LINE = re.compile(r"""\s*(?:set|export)\s+("?)COMMANDLINE_ARGS=("?)(.*?)\s*\Z""", re.IGNORECASE | re.DOTALL)
"""How A1111's ``webui-user.bat`` and ``webui-user.sh`` say them; there the whole may stand in quotes."""

_LONG_DASH = re.compile(r"(?:^|(?<=\s))[—–](?=[a-z])")
"""What telephones and sites make of the two dashes of an option."""

_CURLY = str.maketrans("“”„", '"""')


def _as_typed(text: str) -> str:
    """``text`` as it was before the file or the site that it was copied from dressed it up."""
    text = text.translate(_CURLY)
    line = _ARGUMENTS_LINE.match(text)
    if line is not None:
        text = line[3].removesuffix('"') if line[1] or line[2] else line[3]
    return _LONG_DASH.sub("--", text)


def _without_password(text: str) -> str:
    """``text`` less the options that give a user and a password."""
    names = ("--usuario", *(one.name for one in LAUNCH_OPTIONS.values() if "--usuario" in one.ours))
    given = rf"""(?:^|(?<=\s))(?:{"|".join(names)})(?:=|\s+)(?:"[^"]*"|'[^']*'|\S+)\s*"""
    return re.sub(given, "", _as_typed(text)).strip()


def _value(option: LaunchOption, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None or value.startswith("--"):
        raise LaunchOptionValueMissing(option=option.name)
    return value


def _ours(option: LaunchOption, value: str) -> Iterable[str]:
    if "--usuario" in option.ours and "," in value:  # A1111's way to name several
        raise LaunchOptionRefused(option=option.name, why=str(Why.ONE_USER))
    if option.name == "--theme":
        value = THEMES.get(value, value)
    return (part.replace("{}", value) for part in option.ours)


# --- The launcher's form ----------------------------------------------------------------------------------------------

CHOOSE_THEMES = ("sistema", "claro", "oscuro")


@dataclass(frozen=True, slots=True)
class LaunchForm:
    """What the launcher asks for: the fields are what the command's options of the same meaning hold; "" and 0 leave an
    option out. ``extra``: further options as people paste them, A1111's too.
    """

    theme: str = CHOOSE_THEMES[0]
    port: int = 7860
    listen: bool = False
    share: bool = False
    user: str = ""
    password: str = ""
    model: str = ""
    vae: str = ""
    cards: int = 1
    extra: str = ""

    def understood(self) -> Understood:
        """The command's arguments for it; what the line says too counts as it says it, which is the most deliberate.

        Raises ``LaunchError``.
        """
        told = understand(split_options(self.extra))
        said = {argument.partition("=")[0] for argument in told.arguments}
        own = (option for option in self._own() if option[0].partition("=")[0] not in said)
        return Understood((*chain.from_iterable(own), *told.arguments), told.needless)

    def _own(self) -> Iterator[tuple[str, ...]]:
        yield from (("--puerto", str(self.port)), ("--tema", self.theme))
        if self.listen:
            yield ("--escuchar",)
        if self.share:
            yield ("--compartir",)
        if self.user or self.password:
            yield (f"--usuario={self.user}:{self.password}",)
        if self.model:
            yield (f"--modelo={self.model}",)
        if self.vae:
            yield (f"--vae={self.vae}",)
        if self.cards != 1:
            yield ("--tarjetas", str(self.cards))

    def kept(self) -> dict[str, object]:
        """What is remembered of it: all but the password, in its box or in the line."""
        kept = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "password"}
        return {**kept, "extra": _without_password(self.extra)}


def launch_form(raw: Mapping[str, object]) -> LaunchForm:
    """The form that a page or a file gave, with the defaults for what is missing or is nothing of its kind."""
    known = LaunchForm()
    values: dict[str, object] = {}
    for one in fields(LaunchForm):
        given, default = raw.get(one.name), getattr(known, one.name)
        if isinstance(default, bool):
            values[one.name] = given is True
        elif isinstance(default, int):
            fits = isinstance(given, int) and not isinstance(given, bool) and 0 < given <= 65_535
            values[one.name] = given if fits else default
        elif isinstance(given, str) and "\0" not in given:
            values[one.name] = given.strip()[:MAX_TEXT]
    form = replace(known, **values)  # type: ignore[arg-type]  # each was compared with its default
    return form if form.theme in CHOOSE_THEMES else replace(form, theme=known.theme)
