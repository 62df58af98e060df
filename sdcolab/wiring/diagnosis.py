"""The diagnosis and the report to send to whoever helps."""

from __future__ import annotations

import os
from pathlib import Path

from sdcolab.core.folders import Folders


def diagnose(folders: Folders, *, network: bool = True) -> tuple[str, bool]:
    """One Spanish page about this machine, and whether all is well."""
    from sdcolab.colab.diagnosis import examine, page
    from sdcolab.colab.host import detect_host

    findings = examine(detect_host(), folders, os.environ, network=network)
    return page(findings), all(finding.problem is None for finding in findings)


def save_report(folders: Folders, page: str) -> Path:
    """The page and the logs in one file to send to whoever helps, without secrets."""
    from sdcolab.colab.report import known_secrets, write_report

    return write_report(folders, page, known_secrets(folders, os.environ))
