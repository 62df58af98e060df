"""``sdcolab diagnostico``: one Spanish page about this machine and what is wrong with it. Loads no torch."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sdcolab
from sdcolab.colab.drive_sync import DRIVE_FOLDER
from sdcolab.colab.host import ColabHost, Host
from sdcolab.colab.requirements import Installed, installed_version, own_requirements, release
from sdcolab.colab.requirements import examine as examine_requirements
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    CannotWrite,
    DiskLow,
    MemoryLow,
    NoCuda,
    NoModels,
    PackagesMissing,
    PackagesTooOld,
    SdcolabError,
    ShareDown,
    SiteUnreachable,
)
from sdcolab.core.files import free_bytes, system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.memory_plan import memory_bytes
from sdcolab.core.tensors import read_header
from sdcolab.core.words import KIND_NAMES, explain, human_bytes
from sdcolab.core.words import notebook as words
from sdcolab.process.environment import SECRET_NAMES

GB = 1_000_000_000
LOW_MEMORY = 3 * GB
LOW_DISK = 8 * GB
PACKAGES = ("torch", "diffusers", "transformers", "gradio", "huggingface_hub", "safetensors", "ipywidgets", "numpy")
COLAB_FIX = (6, 27)
"""The gradio that finds its own way behind Colab's proxy (its changelog, #13800); ``web.address`` helps older ones."""

SITES = {
    "Hugging Face": "https://huggingface.co/api/models?limit=1",
    "civitai": "https://civitai.com/api/v1/models?limit=1",
}
SHARE_URL = "https://api.gradio.app/v3/tunnel-request"
SITE_SECONDS = 8.0

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page: what was looked at, what it is, and what is wrong with it."""

    title: str
    text: str
    problem: SdcolabError | None = None


def examine(
    host: Host,
    folders: Folders,
    environ: Mapping[str, str],
    *,
    network: bool = True,
    ask: Ask | None = None,
    installed: Installed = installed_version,
) -> tuple[Finding, ...]:
    """Look at everything. ``ask`` tells whether an address answers."""
    return (
        *_versions(installed),
        _gpu(host),
        *_memory(),
        _disk(folders),
        *_folders(folders),
        *_models(folders),
        _drive(host),
        _tokens(environ),
        *(_sites(ask or answers) if network else ()),
        _logs(folders),
    )


def page(findings: tuple[Finding, ...]) -> str:
    """The findings as text, with advice below what is wrong."""
    lines = [words.DIAGNOSIS.format(version=sdcolab.__version__), ""]
    for finding in findings:
        lines.append(f"{'⚠️' if finding.problem else '✅'} {finding.title}: {finding.text}")
        if finding.problem:
            lines.append(f"   → {explain(finding.problem)}")
    problems = sum(finding.problem is not None for finding in findings)
    summary = words.problems(problems) if problems else words.ALL_WELL
    return "\n".join([*lines, "", summary])


def answers(url: str) -> bool:
    """Whether a site answers anything that is not its own failure."""
    import requests

    try:
        with requests.get(url, timeout=SITE_SECONDS, stream=True) as answer:
            return answer.status_code < 500
    except requests.RequestException:
        return False


def _versions(installed: Installed) -> Iterator[Finding]:
    system = platform.platform(terse=True)
    yield Finding(words.SYSTEM, words.SYSTEM_TEXT.format(version=platform.python_version(), system=system))
    shown = ", ".join(f"{name} {installed(name) or words.NOT_INSTALLED}" for name in PACKAGES)
    verdict = examine_requirements(own_requirements(), installed)
    problem: SdcolabError | None = None
    if verdict.too_old:
        problem = PackagesTooOld(names=", ".join(verdict.too_old))
    elif verdict.missing:
        problem = PackagesMissing(names=", ".join(verdict.missing))
    yield Finding(words.PACKAGES, shown, problem)
    gradio = installed("gradio")
    if gradio and release(gradio) < COLAB_FIX:
        yield Finding(words.PAGE_IN_COLAB, words.OLD_GRADIO.format(version=gradio))


def _gpu(host: Host) -> Finding:
    gpu = host.gpu()
    return Finding(words.GRAPHICS_CARD, gpu or words.NO_CARD, None if gpu else NoCuda())


def _memory() -> Iterator[Finding]:
    if found := memory_bytes():
        total, free = found
        problem = MemoryLow(free=free, size=total) if free < LOW_MEMORY else None
        yield Finding(words.MEMORY, words.MEMORY_TEXT.format(free=human_bytes(free), size=human_bytes(total)), problem)


def _disk(folders: Folders) -> Finding:
    free = free_bytes(folders.root)
    return Finding(
        words.DISK,
        words.DISK_TEXT.format(free=human_bytes(free)),
        DiskLow(folders.root, free) if free < LOW_DISK else None,
    )


def _folders(folders: Folders) -> Iterator[Finding]:
    """Whether we can write where we must; looks without leaving anything behind."""
    for title, folder in ((words.OWN_FOLDER, folders.root), (words.IMAGES_FOLDER, folders.outputs)):
        if not folder.exists():
            yield Finding(title, words.FOLDER_LATER.format(folder=folder))
            continue
        try:
            with tempfile.TemporaryFile(dir=folder):
                yield Finding(title, str(folder))
        except OSError as error:
            yield Finding(title, str(folder), CannotWrite(path=folder, reason=system_reason(error)))


def _models(folders: Folders) -> Iterator[Finding]:
    library = Library(folders)
    counts = {kind: len(library.files(kind)) for kind in ModelKind}
    shown = ", ".join(f"{KIND_NAMES[kind]}: {count}" for kind, count in counts.items() if count)
    if counts[ModelKind.CHECKPOINT] or has_demo():
        yield Finding(words.MODEL_FILES, shown or words.ONLY_DEMO)
    else:
        yield Finding(words.MODEL_FILES, shown or words.NONE, NoModels(folder=folders.models(ModelKind.CHECKPOINT)))
    for kind in ModelKind:
        for file in library.files(kind):
            if file.path.suffix == ".safetensors":
                try:
                    read_header(file.path)
                except SdcolabError as error:
                    yield Finding(KIND_NAMES[kind].capitalize(), file.name, error)


def has_demo() -> bool:
    """Whether this copy of the package came with the demo model: the one inside a notebook does not."""
    return any(Path(sdcolab.__file__).with_name("demo").glob("*.safetensors"))


def _drive(host: Host) -> Finding:
    if not isinstance(host, ColabHost):
        return Finding(words.DRIVE, words.DRIVE_ONLY_COLAB)
    if home := host.my_drive():
        return Finding(words.DRIVE, words.DRIVE_CONNECTED.format(folder=home / DRIVE_FOLDER))
    return Finding(words.DRIVE, words.DRIVE_NOT_CONNECTED)


def _tokens(environ: Mapping[str, str]) -> Finding:
    """Which are set, never what they say."""
    kinds = ((name, words.KEY_SET if environ.get(name, "").strip() else words.KEY_NOT_SET) for name in SECRET_NAMES)
    return Finding(words.KEYS, ", ".join(kind.format(name=name) for name, kind in kinds))


def _sites(ask: Ask) -> Iterator[Finding]:
    for site, url in SITES.items():
        well = ask(url)
        yield Finding(
            site, words.ANSWERS if well else words.DOES_NOT_ANSWER, None if well else SiteUnreachable(site=site)
        )
    well = ask(SHARE_URL)
    problem = None if well else ShareDown(reason=words.NO_ANSWER)
    yield Finding(words.LINK_SERVICE, words.ANSWERS if well else words.DOES_NOT_ANSWER, problem)


def _logs(folders: Folders) -> Finding:
    logs = sorted(path for path in folders.logs.glob("*.log*") if path.is_file()) if folders.logs.is_dir() else []
    shown = ", ".join(f"{path.name} ({human_bytes(path.stat().st_size)})" for path in logs)
    return Finding(words.LOGS, f"{folders.logs}: {shown}" if shown else words.NO_LOGS)
