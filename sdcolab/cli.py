"""The ``sdcolab`` command, in Spanish: with no subcommand it opens the web UI here.

Exit codes: 0 all went well, 1 something failed, 2 the command was written wrongly, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn

from sdcolab import __version__
from sdcolab.core.errors import (
    Cancelled,
    CannotRead,
    FieldNotNumber,
    InfotextFieldUnused,
    InfotextModelDiffers,
    InfotextNeedsPicture,
    InfotextUnreadable,
    RequestError,
    SdcolabError,
    Unexpected,
)
from sdcolab.core.events import BytesReceived, Event, PhaseStarted, StepDone, Warned
from sdcolab.core.files import system_reason
from sdcolab.core.folders import ROOT_VARIABLE, Folders, default_root
from sdcolab.core.infotext import Pasted, parse, read_bytes
from sdcolab.core.outputs import ImageFormat
from sdcolab.core.pictures import open_picture
from sdcolab.core.request import GenerationRequest, Hires, InitImage
from sdcolab.core.result import GenerationResult
from sdcolab.core.words import PHASE_LABELS, explain, human_bytes

USER_VARIABLE = "SDCOLAB_USUARIO"
"""Environment variable with ``nombre:clave``, for programs that must not show the password in the process list."""

DEFAULT_PORT = 7860

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prefer_utf8(sys.stdout, sys.stderr)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = build_parser()
    options = parser.parse_args(arguments)
    _refuse_web_options(parser, options)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except RequestError as error:
        print(explain(error), file=sys.stderr)
        return 2
    except argparse.ArgumentTypeError as error:  # an environment variable that is written wrongly
        print(error, file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print(explain(Cancelled()), file=sys.stderr)
        return 130
    except SdcolabError as error:
        print(explain(error), file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has left: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes it
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug gets a sentence, and its traceback in the log
        _log.exception("error inesperado")
        print(explain(Unexpected(kind=type(error).__name__, detail=str(error))), file=sys.stderr)
        return 1


# --- Commands -----------------------------------------------------------------------------------------------------
# Each imports what it needs when it runs: `sdcolab --version` must not wait for gradio or torch.


def open_web(options: argparse.Namespace) -> int:
    """Serve the web UI until interrupted."""
    from sdcolab.wiring import web

    web.open_web(
        web.WebOptions(
            folders=Folders(options.carpeta),
            host="0.0.0.0" if options.escuchar else "127.0.0.1",
            port=options.puerto,
            login=options.usuario or _login_from_environment(),
            share=options.compartir,
            model=options.modelo,
            machine_events=options.eventos,
            one_process=options.un_proceso,
        )
    )
    return 0


def generate(options: argparse.Namespace) -> int:
    """Make images from a prompt and print their paths."""
    from sdcolab.wiring import engine

    _check_generate_options(options)
    folders = Folders(options.carpeta)
    decided = {field: getattr(options, field) for field in DECIDED_FIELDS if getattr(options, field) is not None}
    pasted = Pasted({})
    if options.infotext is not None:
        models = ("checkpoint",) if options.modelo else ()
        pasted = engine.paste(_read_infotext(options.infotext), folders, decided=(*decided, *models))
        _warn(*_shortcomings(pasted, with_picture=options.imagen is not None))
    request = GenerationRequest(**{**pasted.changes, **decided})
    request = replace(request, hires=_hires(options, request.hires), init=_init_image(options, pasted))
    progress = ConsoleProgress(sys.stderr)
    try:
        result = engine.generate(
            request,
            folders=folders,
            model=options.modelo,
            output=options.salida,
            image_format=ImageFormat(options.formato),
            listener=progress,
        )
    finally:
        progress.close()
    _warn(*_differences(pasted, result))
    if options.json:
        print(json.dumps(_result_as_json(result), ensure_ascii=False))
    else:
        for image in result.images:
            print(image.path)
    return 0


DECIDED_FIELDS = (
    *("prompt", "negative_prompt", "sampler", "schedule", "steps", "cfg_scale", "seed", "width", "height"),
    *("batch_size", "batch_count", "clip_skip", "vae"),
)
"""Fields of a request that have an option of their own, which wins over the infotext's."""

HIRES_FIELDS = {
    "hires_escala": "scale",
    "hires_upscaler": "upscaler",
    "hires_fuerza": "strength",
    "hires_pasos": "steps",
}
"""Options of the hires pass and their fields."""


def _check_generate_options(options: argparse.Namespace) -> None:
    if options.prompt is None and options.infotext is None:
        options.fail("the following arguments are required: PROMPT")
    for name in ("mascara", "fuerza"):
        if getattr(options, name) is not None and options.imagen is None:
            options.fail(f"--{name} solo sirve con --imagen.")


def _read_infotext(source: str) -> str:
    """The infotext in a picture or text file, or in what comes by stdin when ``source`` is "-"."""
    path = Path(source)
    try:
        data = sys.stdin.buffer.read() if source == "-" else path.read_bytes()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    text = read_bytes(data, path.name)
    if not parse(text).fields:
        raise InfotextUnreadable(source=path.name)
    return text


def _shortcomings(pasted: Pasted, *, with_picture: bool) -> Iterator[SdcolabError]:
    """What of the infotext will not be as it was. Raises ``InfotextFileMissing`` for what cannot do without."""
    for missing in pasted.missing:
        if missing.field != "vae":
            raise missing
    yield from pasted.missing
    yield from pasted.warnings
    yield from (InfotextFieldUnused(label=label, value=value) for label, value in pasted.unused)
    if pasted.starts_from_picture and not with_picture:
        yield InfotextNeedsPicture()


def _differences(pasted: Pasted, result: GenerationResult) -> Iterator[SdcolabError]:
    """Whether the model that was used is another file than the infotext's."""
    made = parse(result.images[0].infotext)
    wanted, own = pasted.hashes.get("checkpoint", "").casefold(), made.get("Model hash") or ""
    if wanted.isalnum() and len(wanted) >= len(own) > 0 and not wanted.startswith(own):
        yield InfotextModelDiffers(name=made.get("Model") or "", wanted=wanted, own=own)


def _hires(options: argparse.Namespace, asked: Hires | None) -> Hires | None:
    """The hires pass ``asked`` for by an infotext, with what the options say."""
    given = {
        field: getattr(options, name) for name, field in HIRES_FIELDS.items() if getattr(options, name) is not None
    }
    if "scale" in given:
        given |= {"width": 0, "height": 0}
    return replace(asked or Hires(), **given) if given else asked


def _init_image(options: argparse.Namespace, pasted: Pasted) -> InitImage | None:
    if options.imagen is None:
        return None
    init = pasted.init_image(open_picture(options.imagen), open_picture(options.mascara) if options.mascara else None)
    return init if options.fuerza is None else replace(init, strength=options.fuerza)


def _warn(*warnings: SdcolabError) -> None:
    for warning in warnings:
        print(explain(warning), file=sys.stderr)


def download(options: argparse.Namespace) -> int:
    """Download links into the model folders, one report line each."""
    from sdcolab.wiring import downloads

    progress = ConsoleProgress(sys.stderr, warnings=False)  # the report lines say them
    try:
        outcome = downloads.download(options.enlaces, folders=Folders(options.carpeta), listener=progress)
    finally:
        progress.close()
    if not outcome.lines:
        print("No hay ningún enlace: pon al menos uno, completo, desde https://.", file=sys.stderr)
        return 2
    print(json.dumps(outcome.entries, ensure_ascii=False) if options.json else "\n".join(outcome.lines))
    return 0 if outcome.all_well else 1


def diagnose(options: argparse.Namespace) -> int:
    """Print one page about this machine and what is wrong with it; 1 when something is."""
    from sdcolab.wiring import diagnosis

    page, all_well = diagnosis.diagnose(Folders(options.carpeta), network=not options.sin_red)
    print(page)
    if options.informe:
        print(f"\nInforme guardado en {diagnosis.save_report(Folders(options.carpeta), page)}")
    return 0 if all_well else 1


def serve_engine(options: argparse.Namespace) -> int:
    """Do the work of a page or a panel, in a process of its own (not for people)."""
    from sdcolab.wiring import engine

    engine.serve_engine(Folders(options.carpeta), options.modelo)
    return 0


# --- The parser ---------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = SpanishParser(
        prog="sdcolab",
        description="Estudio de Stable Diffusion en español. Sin subcomando, abre la página web en este equipo.",
    )
    parser.set_defaults(command=open_web)
    parser.add_argument("--version", action="version", version=f"sdcolab {__version__}", help="muestra la versión")
    _add_web_options(parser)
    _add_folder_option(parser, default_root())
    commands = parser.add_subparsers(title="subcomandos", metavar="SUBCOMANDO", parser_class=SpanishParser)
    _add_generate_options(commands.add_parser("generar", help="crea imágenes a partir de un prompt"))
    _add_download_options(commands.add_parser("descargar", help="descarga enlaces en su carpeta"))
    _add_diagnose_options(commands.add_parser("diagnostico", help="revisa este equipo y explica qué falla"))
    _add_service_options(commands.add_parser("servicio"))
    return parser


def _add_web_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--puerto", type=port, default=DEFAULT_PORT, metavar="N", help=f"puerto de la página ({DEFAULT_PORT})")
    add("--compartir", action="store_true", help="crea un enlace público, siempre con contraseña")
    add("--usuario", type=login, metavar="NOMBRE:CLAVE", help="pide este usuario y esta contraseña al entrar")
    add("--modelo", metavar="ARCHIVO", help="archivo o nombre del modelo con el que empezar")
    add("--escuchar", action="store_true", help="permite entrar desde otros equipos de tu red")
    add("--un-proceso", action="store_true", help="genera en el mismo proceso que la página, sin vigilarlo")
    add("--eventos", action="store_true", help=argparse.SUPPRESS)


def _refuse_web_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A subcommand with an option that only opens the page is a mistake that must not pass in silence."""
    if options.command is not open_web:
        for name in ("puerto", "compartir", "usuario", "escuchar", "un_proceso", "eventos"):
            if getattr(options, name) != parser.get_default(name):
                parser.error(f"--{name.replace('_', '-')} solo sirve para abrir la página, sin subcomando.")


def _add_generate_options(parser: argparse.ArgumentParser) -> None:
    defaults = GenerationRequest()
    parser.set_defaults(command=generate, fail=parser.error)
    add = parser.add_argument
    add("prompt", nargs="?", type=words, metavar="PROMPT", help="lo que quieres ver")
    add("--negativo", dest="negative_prompt", type=words, metavar="TEXTO", help="lo que no quieres ver")
    add(
        "--infotext",
        metavar="ARCHIVO",
        help="repite una imagen guardada (PNG, JPEG, WebP o sus datos en un .txt; - es la entrada estándar); lo que "
        "digan otras opciones gana a lo suyo",
    )
    add("--pasos", dest="steps", type=whole("steps"), metavar="N", help=f"pasos ({defaults.steps})")
    add("--sampler", metavar="NOMBRE", help=f"sampler ({defaults.sampler})")
    add("--schedule", metavar="NOMBRE", help="schedule (el del sampler)")
    add("--cfg", dest="cfg_scale", type=decimal("cfg_scale"), metavar="X", help="fidelidad al prompt (7)")
    add("--semilla", dest="seed", type=whole("seed"), metavar="N", help="semilla (-1: al azar)")
    add("--ancho", dest="width", type=whole("width"), metavar="PX", help="ancho (el propio del modelo)")
    add("--alto", dest="height", type=whole("height"), metavar="PX", help="alto (el propio del modelo)")
    add("--lote", dest="batch_size", type=whole("batch_size"), metavar="N", help="imágenes a la vez (1)")
    add("--cantidad", dest="batch_count", type=whole("batch_count"), metavar="N", help="cuántos lotes (1)")
    add("--clip-skip", type=whole("clip_skip"), metavar="N", help="clip skip (1)")
    add("--imagen", type=Path, metavar="ARCHIVO", help="imagen de la que partir (img2img)")
    add("--mascara", type=Path, metavar="ARCHIVO", help="qué zona de la imagen pintar: la blanca (inpainting)")
    add("--fuerza", type=decimal("init.strength"), metavar="X", help="cuánto cambiar la imagen, de 0 a 1 (0,75)")
    add("--hires-escala", type=decimal("hires.scale"), metavar="X", help="amplía en una segunda pasada, por ejemplo 2")
    add("--hires-upscaler", metavar="NOMBRE", help="con qué se amplía (Latent)")
    add("--hires-fuerza", type=decimal("hires.strength"), metavar="X", help="cuánto cambia esa pasada, de 0 a 1 (0,7)")
    add("--hires-pasos", type=whole("hires.steps"), metavar="N", help="pasos de esa pasada (0: los mismos)")
    add("--modelo", default=argparse.SUPPRESS, metavar="ARCHIVO", help="archivo o nombre del modelo")
    add("--vae", metavar="ARCHIVO", help="archivo o nombre del VAE (el del modelo)")
    add("--salida", type=Path, metavar="DIR", help="dónde guardar las imágenes")
    formats = [known.value for known in ImageFormat]
    add("--formato", choices=formats, default=formats[0], metavar="FORMATO", help="png, jpg o webp (png)")
    add("--json", action="store_true", help="escribe el resultado como JSON")
    _add_folder_option(parser, argparse.SUPPRESS)


def _add_download_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=download)
    parser.add_argument("enlaces", metavar="ENLACES", help="enlaces separados por comas, espacios o líneas")
    parser.add_argument("--json", action="store_true", help="escribe el informe como JSON")
    _add_folder_option(parser, argparse.SUPPRESS)


def _add_diagnose_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=diagnose)
    parser.add_argument("--sin-red", action="store_true", help="no prueba la conexión con los sitios")
    parser.add_argument("--informe", action="store_true", help="guarda un informe con los registros, sin secretos")
    _add_folder_option(parser, argparse.SUPPRESS)


def _add_service_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=serve_engine)
    parser.add_argument("--modelo", type=Path, help=argparse.SUPPRESS)
    _add_folder_option(parser, argparse.SUPPRESS)


def _add_folder_option(parser: argparse.ArgumentParser, default: object) -> None:
    """Subcommands leave the default out (SUPPRESS), so that an option before the subcommand is not overwritten."""
    parser.add_argument(
        "--carpeta",
        type=lambda text: Path(text).expanduser().absolute(),
        default=default,
        metavar="DIR",
        help=f"carpeta del programa (${ROOT_VARIABLE} o ~/sdcolab)",
    )


def whole(field: str) -> Callable[[str], int]:
    """A parser for an integer request field; its complaint names the field in Spanish."""
    return _number(field, int)


def decimal(field: str) -> Callable[[str], float]:
    """A parser for a decimal request field. A decimal comma is understood too."""
    return _number(field, lambda text: float(text.replace(",", ".")))


def _number(field: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(explain(FieldNotNumber(field=field, value=text)).text) from None

    return parse


def words(text: str) -> str:
    """Text for people. Its bytes are read as UTF-8 also where the system's locale says otherwise."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        raise argparse.ArgumentTypeError("el texto tiene letras que no se pueden leer: escríbelo en UTF-8.") from None


def port(text: str) -> int:
    """A TCP port number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"«{text}» no es un puerto: escribe un número entre 1 y 65535.")
    return int(text)


def login(text: str) -> tuple[str, str]:
    """``nombre:clave``; the password may hold colons."""
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise argparse.ArgumentTypeError("escribe el usuario y la contraseña así: nombre:clave.")
    return name, password


def _login_from_environment() -> tuple[str, str] | None:
    text = os.environ.get(USER_VARIABLE)
    return login(text) if text else None


class SpanishParser(argparse.ArgumentParser):
    """argparse that speaks Spanish: headings, and one line and exit code 2 for wrong use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=SpanishHelp, **options)
        self._positionals.title = "argumentos"
        self._optionals.title = "opciones"
        self.add_argument("-h", "--help", "--ayuda", action="help", help="muestra esta ayuda")

    def error(self, message: str) -> NoReturn:
        """Print one Spanish line and leave with code 2."""
        self.exit(2, f"{in_spanish(message)} Mira las opciones con: {self.prog} --help\n")


class SpanishHelp(argparse.HelpFormatter):
    """Help whose usage line starts in Spanish."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """As argparse's, with its prefix in Spanish."""
        super().add_usage(usage, actions, groups, "uso: " if prefix is None else prefix)


@dataclass(frozen=True)
class Translation:
    """A pattern of argparse's English messages and its Spanish replacement."""

    pattern: str
    spanish: str


TRANSLATIONS = (
    Translation(r"unrecognized arguments: (.+)", r"No conozco «\1»."),
    Translation(r"the following arguments are required: (.+)", r"Falta escribir \1."),
    Translation(r"argument (.+): expected one argument", r"Falta el valor de \1."),
    Translation(r"argument SUBCOMANDO: invalid choice: '(.*)' .*", r"No existe el subcomando «\1»."),
    Translation(
        r"argument (.+): invalid choice: '(.*)' \(choose from (.+)\)", r"\1 no puede ser «\2»: elige entre \3."
    ),
    Translation(r"argument (.+): ignored explicit argument '(.*)'", r"La opción \1 no lleva valor («\2»)."),
    Translation(r"argument (\S+): (.+)", r"\1: \2"),
)


def in_spanish(message: str) -> str:
    """argparse's complaint in Spanish; our own sentences, which end in a full stop, stay as they are."""
    if message.startswith("--") and message.endswith("."):
        return message
    for translation in TRANSLATIONS:
        found = re.fullmatch(translation.pattern, message, re.DOTALL)
        if found:
            return found.expand(translation.spanish)
    return f"El comando está mal escrito ({message})."


# --- Output -------------------------------------------------------------------------------------------------------


class ConsoleProgress:
    """A listener that keeps one line of ``stream`` up to date, and stays silent when it is not a terminal."""

    def __init__(self, stream: IO[str], *, warnings: bool = True) -> None:
        self._stream = stream
        self._warnings = warnings
        self._live = stream.isatty()
        self._width = 0

    def __call__(self, event: Event) -> None:
        """Show ``event``. Warnings are printed on a line of their own, also where there is no terminal."""
        if isinstance(event, Warned):
            if self._warnings:
                self.close()
                print(explain(event.warning), file=self._stream)
        elif self._live and (text := progress_text(event)):
            self._stream.write("\r" + text.ljust(self._width))
            self._stream.flush()
            self._width = len(text)

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


def progress_text(event: Event) -> str:
    """One short line about ``event``, or nothing when it is not progress."""
    match event:
        case PhaseStarted(phase, detail):
            return f"{PHASE_LABELS[phase]}… {detail}".rstrip()
        case StepDone(step, total):
            return f"Paso {step} de {total}"
        case BytesReceived(name, received, total, speed):
            share = f" de {human_bytes(total)}" if total else ""
            return f"{name}: {human_bytes(received)}{share} ({human_bytes(speed)}/s)"
        case _:
            return ""


def _result_as_json(result: Any) -> dict[str, object]:
    return {
        "imagenes": [
            {"archivo": str(image.path), "semilla": image.seed, "infotexto": image.infotext} for image in result.images
        ]
    }


def _prefer_utf8(*streams: Any) -> None:
    """Spanish needs UTF-8, and some consoles and pipes still start with something else."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
