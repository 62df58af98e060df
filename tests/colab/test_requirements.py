"""Installing replaces nothing that the environment brings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sdcolab.colab import requirements
from sdcolab.colab.requirements import Verdict, ensure_installed, examine, pins, release, renew, renewal
from sdcolab.core.errors import PackagesMissing, PackagesTooOld
from tools.compatibilidad import COLAB_2026_08, bounds

COLAB = {"torch": "2.11.0+cu128", "jinja2": "3.1.6", "pyyaml": "6.0.3", **COLAB_2026_08}
"""Colab's versions (hechos/lanzadores.md 6)."""


def test_colabs_image_is_enough() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], "gradio >= 6.19", "pillow", "otro>=7.7; extra == 'pruebas'"]
    assert examine(wanted, COLAB.get) == Verdict((), ())
    assert release(COLAB["ipywidgets"]) >= release(bounds()["ipywidgets"])


def test_an_extra_counts_when_it_is_asked_for() -> None:
    wanted = [
        'spandrel>=0.4; extra == "colab"',
        'spandrel>=0.4; extra == "upscalers"',
        "pytest>=8.3; extra == 'pruebas'",
    ]
    assert examine(wanted, COLAB.get) == Verdict((), ())
    assert examine(wanted, COLAB.get, "colab") == Verdict(("spandrel>=0.4",), ())
    assert ensure_installed(wanted, COLAB.get, lambda arguments: 0, "colab") == ("spandrel>=0.4",)


def test_missing_and_old() -> None:
    wanted = ["xformers>=0.5", "gradio>=6.30", 'tomli>=2; python_version < "3.12"', "numpy (>=3.0)"]
    assert examine(wanted, COLAB.get) == Verdict(("xformers>=0.5", "tomli>=2"), ("gradio (6.24.0)", "numpy (2.1.3)"))


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.11.0+cu128", (2, 11)), ("6.0", (6,)), ("1.0rc1", (1,)), ("0.41.0.dev0", (0, 41)), ("", ())],
)
def test_versions(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


def test_only_what_is_missing_is_installed_with_everything_else_pinned() -> None:
    asked: list[list[str]] = []
    constraints: list[str] = []

    def pip(arguments: list[str]) -> int:
        asked.append(arguments)
        constraints.extend(Path(arguments[arguments.index("-c") + 1]).read_text().splitlines())
        return 0

    assert ensure_installed(["gradio>=6.19", "xformers>=0.5"], COLAB.get, pip) == ("xformers>=0.5",)
    assert asked[0][0] == "install"
    assert asked[0][-1] == "xformers>=0.5"
    assert "--upgrade" not in asked[0]
    assert set(pins()) == set(constraints)
    assert any(pin.startswith("pytest==") for pin in constraints)


def test_failures_are_told() -> None:
    with pytest.raises(PackagesMissing):
        ensure_installed(["xformers"], COLAB.get, lambda arguments: 1)
    with pytest.raises(PackagesTooOld):
        ensure_installed(["gradio>=7"], COLAB.get, lambda arguments: 0)
    assert ensure_installed(["torch"], COLAB.get, lambda arguments: 1) == ()


def test_only_what_may_be_replaced_is_offered() -> None:
    old = {"torch": "2.5", "gradio": "5.50.0", "diffusers": "0.36.0", "numpy": "1.26", "transformers": "5.15.0"}
    wanted = ["torch>=2.6", "gradio>=6.19", "diffusers>=0.39", "transformers>=5.0", "numpy>=2.0", 'x>=1; extra == "y"']
    assert renewal(wanted, old.get) == ("gradio==6.19", "diffusers==0.39")


def test_renewing_follows_what_the_new_ones_ask_for_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"gradio": "5.50.0", "gradio-client": "1.0", "numpy": "1.0"}
    asks = {"gradio": ["gradio-client==2.0", "numpy>=2", "groovy~=0.1"], "gradio-client": ["gradio>=6"], "groovy": []}
    asked: list[list[str]] = []

    def pip(arguments: list[str]) -> int:
        asked.append(arguments)
        here.update({re.split("[=~>]+", one)[0]: re.split("[=~>]+", one)[1] for one in arguments if "=" in one})
        return 0

    monkeypatch.setattr(requirements, "installed_version", lambda name: here.get(requirements.normal(name)))
    monkeypatch.setattr("importlib.metadata.requires", lambda name: asks.get(name))
    assert renew(["gradio>=6.19"], pip, lambda line: None) == ("gradio==6.19", "gradio-client==2.0", "groovy~=0.1")
    assert [one[2] for one in asked] == ["--no-deps"] * 2
    with pytest.raises(PackagesTooOld):
        here["torch"] = "2.5"
        renew(["torch>=2.6"], pip, lambda line: None)
