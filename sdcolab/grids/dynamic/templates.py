"""Jinja2 templates made in a process of their own, with little memory and time.

Jinja2's sandbox keeps a template from the program, but not from the machine: ``{{ 'a'.center(10**9) }}``, texts that
double forty times or a product of huge numbers are single steps that nothing inside the process can stop.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sdcolab
from sdcolab.core.errors import TemplateBroken
from sdcolab.grids.dynamic.nodes import Wildcards

LIMIT_SECONDS = 15.0
"""How long a template may take, with the start of its process. What can be told of it is told sooner (``jinja``)."""

TOO_MUCH = "pide demasiada memoria o demasiado tiempo"
_INHERITED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TEMP", "TMP", "TMPDIR")
"""All of the environment that the process gets: it may have secrets."""


class Templates:
    """Makes templates with the lists of ``wildcards``. The process starts with the first one; leaving the ``with``
    block ends it."""

    def __init__(self, wildcards: Wildcards) -> None:
        self.wildcards = wildcards
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def prompts(self, template: str, seed: int) -> tuple[str, ...]:
        """See ``jinja.prompts``. Raises ``TemplateBroken``."""
        process = self._process = self._process or _started()
        alarm = threading.Timer(LIMIT_SECONDS, process.kill)
        alarm.start()
        try:
            return self._answered(process, {"template": template, "seed": seed})
        except (OSError, ValueError) as error:  # it was killed, or its memory was not enough to say why
            self._end()
            raise TemplateBroken(detail=TOO_MUCH) from error
        finally:
            alarm.cancel()

    def _answered(self, process: subprocess.Popen[bytes], asked: Mapping[str, Any]) -> tuple[str, ...]:
        """The answer, after those to what the process itself asks. Raises ``OSError``, ``ValueError``."""
        assert process.stdin and process.stdout
        while True:
            process.stdin.write(json.dumps(asked).encode("ascii") + b"\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
            if "list" in said:
                found = self.wildcards.entries(said["list"])
                asked = {"entries": [(entry.weight, entry.node.source) for entry in found]}
            elif "names" in said:
                asked = {"names": [*self.wildcards.names()]}
            elif "broken" in said:
                raise TemplateBroken(detail=said["broken"])
            else:
                return tuple(said["prompts"])

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for end in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                end.close()  # type: ignore[union-attr]
        process.wait()


def _started() -> subprocess.Popen[bytes]:
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environ["PYTHONPATH"] = str(Path(sdcolab.__file__).parents[1])
    command = [sys.executable, "-P", "-m", "sdcolab.grids.dynamic.template_process"]
    return subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
