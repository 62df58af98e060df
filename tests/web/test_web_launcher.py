"""The launcher: what it shows, what it understands, and who may use it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sdcolab.cli import build_parser
from sdcolab.cli.lanzar import complaint as complaint_of
from sdcolab.core.folders import Folders
from sdcolab.core.launching import LaunchForm, launch_form
from sdcolab.core.words.launching import LAUNCH_FIELDS, LAUNCH_GROUPS
from sdcolab.web.launcher import Launcher, Machine
from sdcolab.wiring import launcher as wired
from sdcolab.wiring.launcher import advice

GIB = 1024**3


def complaint(arguments: Sequence[str]) -> str:
    return complaint_of(arguments, build_parser)


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    found = Launcher(LaunchForm(extra='"><script>'), Machine(("Tarjeta: <T4>",), ("a.safetensors",)), complaint)
    yield found
    found.close()


def asked(launcher: Launcher, place: str, form: Any = None, **headers: str) -> tuple[int, str]:
    """Status and body; a POST with a form."""
    _, _, host, secret, _ = launcher.url.split("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    body = None if form is None else form if isinstance(form, bytes) else json.dumps(form).encode()
    connection.request("GET" if form is None else "POST", place.replace("SECRET", secret), body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_every_option_is_shown_and_explained_and_nothing_is_taken_for_html(launcher: Launcher) -> None:
    status, page = asked(launcher, "/SECRET/")
    assert status == 200
    assert {name for _, names in LAUNCH_GROUPS for name in names} == set(LAUNCH_FIELDS)
    for name, words in LAUNCH_FIELDS.items():
        assert f'name="{name}"' in page
        assert words.help.split("«")[0][:30] in page
    assert "Tarjeta: &lt;T4&gt;" in page
    assert '<option value="a.safetensors">' in page
    assert "&quot;&gt;&lt;script&gt;" in page or "&lt;script&gt;" in page
    assert '"><script>' not in page


def test_lines_of_guides_are_put_into_our_words(launcher: Launcher) -> None:
    line = "--medvram --opt-channelslast --no-half-vae --theme dark --listen --gradio-auth yo:secreto"
    _, said = asked(launcher, "/SECRET/entender", {"extra": line})
    answer = json.loads(said)
    assert answer["wrong"] == ""
    assert any("--medvram" in told and "automático" in told for told in answer["lines"])
    assert answer["lines"][-1].endswith("--tema oscuro --escuchar --usuario …")


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"extra": "--allow-code"}, "«--allow-code» no se puede usar aquí"),
        ({"extra": "--raro"}, "No existe la opción «--raro»."),
        ({"extra": "generar gato"}, "solo van opciones"),
        ({"extra": '"'}, "comillas"),
        ({"user": "yo"}, "usuario y la contraseña así"),
        ({"cards": 99}, "no es un número de 1 a 16"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_opens(launcher: Launcher, form: dict[str, Any], wrong: str) -> None:
    _, said = asked(launcher, "/SECRET/abrir", form)
    assert wrong in json.loads(said)["wrong"]
    assert launcher._chosen is None


def test_opening_gives_the_form_and_the_port_that_counts(launcher: Launcher) -> None:
    status, said = asked(launcher, "/SECRET/abrir", {"theme": "oscuro", "port": 7870, "extra": "--port 7999"})
    assert (status, json.loads(said)["port"]) == (200, 7999)
    assert launcher.wait() == LaunchForm(theme="oscuro", port=7870, extra="--port 7999")


def test_strangers_and_nonsense_get_nothing(launcher: Launcher) -> None:
    assert asked(launcher, "/")[0] == 404
    assert asked(launcher, "/otro/")[0] == 404
    assert asked(launcher, "/SECRET/otra", {})[0] == 404
    assert asked(launcher, "/SECRET/", Host="malo.example:80")[0] == 404
    assert asked(launcher, "/SECRET/abrir", {}, Host="malo.example")[0] == 404
    assert asked(launcher, "/SECRET/entender", b"[1]")[0] == 400
    assert asked(launcher, "/SECRET/entender", b"{")[0] == 400
    assert asked(launcher, "/SECRET/entender", b"x" * 100_001)[0] == 413
    assert asked(launcher, "/SECRET/entender", b"{}", **{"Content-Length": "9" * 5000})[0] == 413


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"port": "7", "cards": True, "listen": "si", "theme": "rosa", "extra": 5, "user": "a\0"},
        {"port": 10**9, "cards": -1, "model": None},
    ],
)
def test_what_is_nothing_of_its_kind_is_the_default(raw: dict[str, object]) -> None:
    assert launch_form(raw) == LaunchForm()


def test_the_password_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Launcher, "wait", lambda _self: LaunchForm(user="yo", password="secreto", theme="claro", cards=2)
    )
    said: list[str] = []
    folders = Folders(tmp_path)
    arguments = wired.ask(folders, complaint=complaint, browser=False, say=said.append)
    assert arguments is not None
    assert list(arguments) == ["--puerto", "7860", "--tema", "claro", "--usuario=yo:secreto", "--tarjetas", "2"]
    assert complaint(arguments) == ""
    assert said[0].startswith("http://127.0.0.1:")
    kept = (folders.config / "lanzador.json").read_text("utf-8")
    assert "secreto" not in kept
    assert launch_form(json.loads(kept)) == LaunchForm(user="yo", theme="claro", cards=2)


def test_the_advice_is_the_planners() -> None:
    ram = (16 * GIB, 12 * GIB)
    assert "procesador" in advice(None, ram)[0]
    t4 = advice("Tesla T4, 15360 MiB", ram)
    assert "T4" in t4[0]
    assert t4[-2].endswith("a toda velocidad.")
    small = advice("NVIDIA GeForce GTX 1650, 4096 MiB", ram)
    assert "Stable Diffusion 1.5" in small[-2]
    assert "tarjeta" in small[-2]
    assert small[-1] != t4[-1]
    assert "no cabe" in advice("X, 1024 MiB", (4 * GIB, GIB))[-1]
