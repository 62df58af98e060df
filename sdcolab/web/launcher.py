"""The launcher: a small page of this machine alone, shown before the program opens, with the standard library only.

Who may use it knows the address, which has a secret in it; other sites' pages can neither guess it nor, since the
``Host`` must be this machine's own, reach it by a name of theirs.
"""

from __future__ import annotations

import html
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import pairwise
from typing import Any

from sdcolab.core.errors import LaunchError
from sdcolab.core.launching import CHOOSE_THEMES, LaunchForm, launch_form
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words import explain
from sdcolab.core.words import launching as words

MAX_BODY = 100_000
HOST = "127.0.0.1"
LOGIN_OPTION = "--usuario"
_SECONDS = 10

Complaint = Callable[[Sequence[str]], str]
"""What is wrong with the command's arguments, in Spanish; "" when nothing is."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the launcher says of this machine: finished sentences in Spanish."""

    lines: tuple[str, ...]
    models: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()


class Launcher:
    """Serves the page until somebody opens the program or ``close`` is called."""

    def __init__(self, form: LaunchForm, machine: Machine, complaint: Complaint, port: int = 0) -> None:
        self._form = form
        self._machine = machine
        self._complaint = complaint
        self._secret = secrets.token_urlsafe(16)
        self._chosen: LaunchForm | None = None
        self._done = threading.Event()
        self._server = _Server((HOST, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="lanzador", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_port}/{self._secret}/"

    def wait(self) -> LaunchForm | None:
        """What was chosen, once it is; None when ``close`` came first."""
        while not self._done.wait(0.5):  # a wait without end would not hear Ctrl+C on Windows
            pass
        return self._chosen

    def close(self) -> None:
        """Serve no longer; the answer that is being given is given."""
        self._done.set()
        self._server.shutdown()
        self._server.server_close()

    # --- Answers, for the handler -------------------------------------------------------------------------------------

    def allows(self, host: str) -> bool:
        """Whether a request that was sent to ``host`` is meant for us."""
        name, _, port = host.rpartition(":")
        return name in (HOST, "localhost") and port == str(self._server.server_port)

    def place_of(self, path: str) -> str | None:
        """What is asked for below our secret; None for anything else."""
        head = f"/{self._secret}/"
        return path.removeprefix(head) if path.startswith(head) else None

    def page(self) -> str:
        """The page."""
        return _page(self._form, self._machine)

    def understood(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What a form means: ``wrong`` is a sentence, or ``lines`` say what its options become."""
        form = launch_form(raw)
        try:
            told = form.understood()
        except LaunchError as error:
            explained = explain(error)
            return {"wrong": f"{explained.text} {explained.advice}".strip(), "lines": []}
        shown = " ".join(_without_passwords(told.arguments))
        lines = [*words.needless(told.needless), words.LAUNCH_UNDERSTOOD.format(options=shown)]
        return {"wrong": self._complaint(told.arguments), "lines": lines}

    def opened(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Take a form, unless something is wrong with it, and say where the program will be."""
        answer = self.understood(raw)
        if not answer["wrong"]:
            self._chosen = launch_form(raw)
            answer["port"] = _port_of(self._chosen)
        return answer

    def taken(self) -> None:
        """The answer about the chosen form has been sent."""
        if self._chosen is not None:
            self._done.set()


def _without_passwords(arguments: Sequence[str]) -> Iterator[str]:
    before = ""
    for argument in arguments:
        joined = argument.startswith(f"{LOGIN_OPTION}=")
        yield "…" if before == LOGIN_OPTION else f"{LOGIN_OPTION}=…" if joined else argument
        before = argument


def _port_of(form: LaunchForm) -> int:
    """The last port among the arguments: that of the line wins."""
    arguments = form.understood().arguments
    ports = [value for name, value in pairwise(arguments) if name == "--puerto"]
    return int(ports[-1]) if ports and ports[-1].isdecimal() else form.port


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], launcher: Launcher) -> None:
        self.launcher = launcher
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server: _Server

    def do_GET(self) -> None:
        launcher = self.server.launcher
        if self._place() == "":
            self._answer(200, launcher.page().encode("utf-8"), "text/html; charset=utf-8")
        else:
            self._answer(404)

    def do_POST(self) -> None:
        launcher = self.server.launcher
        answers = {"entender": launcher.understood, "abrir": launcher.opened}
        answer = answers.get(self._place() or "")
        if answer is None:
            self._answer(404)
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and len(length) < 10 and int(length) <= MAX_BODY):
            self._answer(413)
            return
        try:
            raw = parse_json(self.rfile.read(int(length)))
        except ValueError:
            raw = None
        if not isinstance(raw, dict):
            self._answer(400)
            return
        self._answer(200, json.dumps(answer(raw), ensure_ascii=False).encode("utf-8"), "application/json")
        launcher.taken()

    def log_message(self, *_words: Any) -> None:
        """Nothing: the address holds the secret."""

    def _place(self) -> str | None:
        launcher = self.server.launcher
        return launcher.place_of(self.path) if launcher.allows(self.headers.get("Host", "")) else None

    def _answer(self, status: int, body: bytes = b"", kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)


# --- The page -----------------------------------------------------------------------------------------------------


def _page(form: LaunchForm, machine: Machine) -> str:
    template = files("sdcolab.web").joinpath("assets", "launcher.html").read_text(encoding="utf-8")
    groups = "".join(_group(title, names, form, machine) for title, names in words.LAUNCH_GROUPS)
    memory = "".join(f"<li>{html.escape(line)}</li>" for line in machine.lines)
    told = {
        "{title}": html.escape(words.LAUNCH_TITLE),
        "{intro}": html.escape(words.LAUNCH_INTRO),
        "{memory}": html.escape(words.LAUNCH_MEMORY),
        "{automatic}": html.escape(words.LAUNCH_AUTOMATIC),
        "{machine}": memory,
        "{open}": html.escape(words.LAUNCH_OPEN),
        "{words}": json.dumps({"opening": words.LAUNCH_OPENING, "slow": words.LAUNCH_SLOW}, ensure_ascii=False),
        "{groups}": groups,  # last: what users wrote in it is not looked through for marks
    }
    for mark, value in told.items():
        template = template.replace(mark, value)
    return template


def _group(title: str, names: Sequence[str], form: LaunchForm, machine: Machine) -> str:
    inner = "".join(_field(name, getattr(form, name), machine) for name in names)
    if not title:
        return f"<section>{inner}</section>"
    opened = " open" if any(getattr(form, name) != getattr(LaunchForm(), name) for name in names) else ""
    return f"<details{opened}><summary>{html.escape(title)}</summary>{inner}</details>"


def _field(name: str, value: Any, machine: Machine) -> str:
    told = words.LAUNCH_FIELDS[name]
    label, help_ = html.escape(told.label), f'<small id="{name}-ayuda">{html.escape(told.help)}</small>'
    marks = f'id="{name}" name="{name}" aria-describedby="{name}-ayuda"'
    if isinstance(value, bool):
        checked = " checked" if value else ""
        return f'<p class="casilla"><label><input type="checkbox" {marks}{checked}> {label}</label>{help_}</p>'
    written = html.escape(str(value), quote=True)
    if name == "theme":
        control = _select(marks, {theme: words.LAUNCH_THEMES[theme] for theme in CHOOSE_THEMES}, value)
    elif name in ("model", "vae"):
        names = machine.models if name == "model" else machine.vaes
        known = {"": words.LAUNCH_USUAL_MODEL} | {one: one for one in names}
        control = _select(marks, known, value)
    elif name == "extra":
        control = f'<textarea {marks} rows="2" spellcheck="false">{written}</textarea>'
    elif isinstance(value, int):
        high = 16 if name == "cards" else 65_535
        control = f'<input type="number" {marks} min="1" max="{high}" value="{written}">'
    else:
        kind = "password" if name == "password" else "text"
        control = f'<input type="{kind}" {marks} autocomplete="off" value="{written}">'
    return f'<p><label for="{name}">{label}</label>{control}{help_}</p>'


def _select(marks: str, known: Mapping[str, str], value: str) -> str:
    options = ""
    for key, text in known.items():
        chosen = " selected" if key == value else ""
        options += f'<option value="{html.escape(key, quote=True)}"{chosen}>{html.escape(text)}</option>'
    return f"<select {marks}>{options}</select>"
