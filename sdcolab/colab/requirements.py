"""The Python packages the program needs, without ever replacing one that the environment brings.

Colab's image has them all (hechos/lanzadores.md 6). The notebook installs sdcolab with ``--no-deps``; should one be
missing, only that one is installed, with every installed version as a constraint. Old ones are reported, and replaced
only when the user asks for it (``renew``).
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sdcolab.core.errors import PackagesMissing, PackagesTooOld
from sdcolab.core.words.notebook import INSTALLING

Installed = Callable[[str], str | None]
Pip = Callable[[list[str]], int]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?(?:>=\s*([0-9.]+))?")

RENEWABLE = frozenset(
    {
        "gradio",
        "gradio-client",
        "diffusers",
        "transformers",
        "huggingface-hub",
        "tokenizers",
        "safetensors",
        "hf-gradio",
    }
)
"""What may be replaced by a newer one with nothing else of the environment noticing: pure Python, or (tokenizers and
safetensors) compiled for any Python and with nothing of torch's inside."""

FIRM = re.compile(r"(torch|nvidia|triton|numpy|scipy|pillow|jax|tensorflow)", re.I)
"""What the environment was built around: never replaced."""

MOST_ROUNDS = 6
"""How deep what the new packages ask for is followed."""

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


def renewal(requirements: Iterable[str], installed: Installed | None = None) -> tuple[str, ...]:
    """What ``renew`` would install first: "gradio==6.19" for each one that is too old and may be replaced, in the
    lowest version that serves, which is the nearest to what the environment expects."""
    found = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None or not match[2] or _EXTRA.search(requirement):
            continue
        version = (installed or installed_version)(match[1])
        if version and release(version) < release(match[2]) and normal(match[1]) in RENEWABLE:
            found.append(f"{match[1]}=={match[2]}")
    return tuple(found)


def renew(requirements: Iterable[str], pip: Pip | None = None, say: Callable[[str], object] = print) -> tuple[str, ...]:
    """Install newer versions of what is too old and may be replaced, and then whatever those ask for that is not here,
    each with ``--no-deps``; what the environment was built around is never touched. Returns what was asked of pip.

    Raises ``PackagesTooOld`` when pip fails, or when something else is too old.
    """
    requirements, asked = tuple(requirements), list[str]()
    wanted = renewal(requirements)
    for _ in range(MOST_ROUNDS):
        if not wanted:
            break
        say(INSTALLING.format(names=", ".join(wanted)))
        asked += wanted
        if (pip or run_pip)(["install", "-q", "--no-deps", *wanted]) != 0:
            raise PackagesTooOld(names=", ".join(wanted))
        importlib.invalidate_caches()
        wanted = tuple(one for one in unmet(asked) if one not in asked)
    if verdict := examine(requirements, installed_version).too_old:
        raise PackagesTooOld(names=", ".join(verdict))
    return tuple(asked)


def unmet(packages: Iterable[str]) -> tuple[str, ...]:
    """What the installed ``packages`` ("gradio==6.19") ask for and is not here in a version that serves; never what the
    environment was built around."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    for package in packages:
        name = re.split("[<>=!~ ]", package)[0]
        for line in metadata.requires(name) or ():
            one = Requirement(line)
            if FIRM.match(one.name) or (one.marker and not one.marker.evaluate({"extra": ""})):
                continue
            version = installed_version(one.name)
            if version is None or not one.specifier.contains(version, prereleases=True):
                found[normal(one.name)] = f"{one.name}{one.specifier}"
    return tuple(found.values())


def normal(name: str) -> str:
    """A package's name as PyPI compares them: "huggingface_hub" -> "huggingface-hub"."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
