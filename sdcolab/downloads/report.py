"""How a link ended, as data and as the one Spanish line that the user reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdcolab.core.architectures import RUN_HERE
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import Cancelled, KindUnknown, ModelFamilyUnsupported, SdcolabError
from sdcolab.core.folders import MODEL_FOLDERS
from sdcolab.core.words import DOWNLOAD_RESULTS, KIND_NAMES, USE_OF_KIND, explain, human_bytes

RUNS_TODAY = RUN_HERE


class LinkStatus(StrEnum):
    """How a link ended. Its Spanish words live in ``core.words.DOWNLOAD_RESULTS``."""

    DOWNLOADED = "downloaded"
    ALREADY_HERE = "already_here"
    SET_ASIDE = "set_aside"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class LinkReport:
    """How one link ended. ``link`` is its shown address (or the text that was no link): nothing secret in here."""

    link: str
    status: LinkStatus
    name: str = ""
    """File name, "" when it never became known."""
    kind: ModelKind | None = None
    family: ModelFamily | None = None
    site_family: str = ""
    """What the site calls the family, in its own words, where they are none that is known here."""
    path: Path | None = None
    """Where the file is now, if it is."""
    size: int | None = None
    error: SdcolabError | None = None
    warnings: tuple[SdcolabError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the file is there to be used."""
        return self.status in (LinkStatus.DOWNLOADED, LinkStatus.ALREADY_HERE)


def report_line(report: LinkReport) -> str:
    """One Spanish line: file, kind, folder, size, result, what to do. When there is no file to name, what happened
    comes before the address."""
    result = DOWNLOAD_RESULTS[report.status.value]
    known = report.family not in (None, ModelFamily.UNKNOWN)
    family = f" {report.family.value if report.family and known else report.site_family}".rstrip()
    kind = f"{KIND_NAMES[report.kind]}{family}" if report.kind else ""
    folder = ""
    if report.path:
        known = report.kind is not None and report.status is not LinkStatus.SET_ASIDE
        folder = MODEL_FOLDERS[report.kind] if report.kind and known else report.path.parent.name
    size = human_bytes(report.size) if report.size is not None else ""
    notes = [str(explain(problem)) for problem in (report.error, *report.warnings) if problem]
    if isinstance(report.error, Cancelled) or not notes:
        arrived = report.kind if report.status is LinkStatus.DOWNLOADED else None
        named = (report.path or Path(report.name)).stem
        notes = [USE_OF_KIND[arrived].format(name=named) if arrived else result.advice]
    told = f"{result.text} {' '.join(notes)}".strip()
    address = "" if report.link in told else report.link
    pieces = (report.name, kind, folder, size, told) if report.name else (told, address)
    return " · ".join(piece for piece in pieces if piece)


def report_data(report: LinkReport) -> dict[str, object]:
    """A report as plain JSON values, with Spanish keys, for ``--json`` and the notebook."""
    return {
        "enlace": report.link,
        "estado": report.status.value,
        "archivo": report.name or None,
        "tipo": report.kind.value if report.kind else None,
        "familia": report.family.value if report.family else None,
        "ruta": str(report.path) if report.path else None,
        "bytes": report.size,
        "error": report.error.code if report.error else None,
        "avisos": [warning.code for warning in report.warnings],
        "mensaje": report_line(report),
    }


def doubts(report: LinkReport, supported: frozenset[ModelFamily]) -> tuple[SdcolabError, ...]:
    """What the user should know of a file that is there: of no known kind, or of a family that cannot run yet."""
    path = report.path or Path(report.name)
    if report.kind is ModelKind.OTHER:
        return (KindUnknown(path=path),)
    return foreign_family(report, supported)


def foreign_family(report: LinkReport, supported: frozenset[ModelFamily]) -> tuple[SdcolabError, ...]:
    """What to say of a file whose architecture cannot run here, by its name or by what the site calls it."""
    path = report.path or Path(report.name)
    if report.family and report.family not in supported:
        return (ModelFamilyUnsupported(path=path, family=report.family.value),)
    if report.family in (None, ModelFamily.UNKNOWN) and report.site_family:
        return (ModelFamilyUnsupported(path=path, family=report.site_family),)
    return ()
