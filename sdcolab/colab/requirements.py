"""The Python packages the program needs, without ever replacing one that the environment brings.

Colab's image has them all (hechos/lanzadores.md 6). The notebook installs sdcolab with ``--no-deps``; should one be
missing, only that one is installed, with every installed version as a constraint. Old ones are reported, not touched.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sdcolab.core.errors import PackagesMissing, PackagesTooOld

Installed = Callable[[str], str | None]
Pip = Callable[[list[str]], int]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?(?:>=\s*([0-9.]+))?")

_EXTRA = re.compile(r"extra\s*==\s*[\"']([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Requirements to install, and names of packages that are here but too old."""

    missing: tuple[str, ...]
    too_old: tuple[str, ...]


def examine(requirements: Iterable[str], installed: Installed, extra: str = "") -> Verdict:
    """Compare ``requirements`` ("gradio>=6.19") with what is installed. Of the extras only ``extra`` counts."""
    missing, too_old = [], []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        of_extra = _EXTRA.search(requirement)
        if match is None or (of_extra and of_extra[1] != extra):
            continue
        version = installed(match[1])
        if version is None:
            missing.append(requirement.partition(";")[0].strip())
        elif match[2] and release(version) < release(match[2]):
            too_old.append(f"{match[1]} ({version})")
    return Verdict(tuple(missing), tuple(too_old))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version without zeros at the end: "2.11.0+cu128" -> (2, 11)."""
    numbers = [int(part) for part in re.split(r"[^0-9.].*", version, maxsplit=1)[0].split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def ensure_installed(
    requirements: Iterable[str], installed: Installed | None = None, pip: Pip | None = None, extra: str = ""
) -> tuple[str, ...]:
    """Install what is missing and return it. Raises ``PackagesTooOld`` or ``PackagesMissing``."""
    verdict = examine(requirements, installed or installed_version, extra)
    if verdict.too_old:
        raise PackagesTooOld(names=", ".join(verdict.too_old))
    if verdict.missing:
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "instalado.txt"
            constraints.write_text("\n".join(pins()) + "\n", encoding="utf-8")
            code = (pip or run_pip)(["install", "-q", "-c", str(constraints), *verdict.missing])
        if code != 0:
            raise PackagesMissing(names=", ".join(verdict.missing))
    return verdict.missing


def missing_of(requirements: Iterable[str], extra: str = "") -> tuple[str, ...]:
    """Names of those that are not here."""
    return tuple(re.split("[<>=! ]", one)[0] for one in examine(requirements, installed_version, extra).missing)


def own_requirements() -> tuple[str, ...]:
    """What sdcolab's own metadata asks for; nothing when it runs from a source folder."""
    try:
        return tuple(metadata.requires("sdcolab") or ())
    except metadata.PackageNotFoundError:
        return ()


def installed_version(name: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def pins() -> list[str]:
    """``name==version`` of everything installed, to be used as pip's constraints."""
    found = {dist.name: dist.version for dist in metadata.distributions() if dist.name and dist.version}
    return sorted(f"{name}=={version}" for name, version in found.items())


def run_pip(arguments: list[str]) -> int:
    """Run pip in this Python without showing its English; its exit code."""
    return subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, check=False).returncode
