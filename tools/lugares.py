"""Cuenta en cuántos archivos y líneas del paquete está el nombre de un campo, de un sampler o de otra cosa.

    python tools/lugares.py tiling                   # hoy
    python tools/lugares.py tiling --en 01145c3      # en otra revisión
    python tools/lugares.py "DPM++ 2M SDE Heun"

Las líneas donde se declara o se nombra para una cara se cuentan aparte de las del motor, que es donde se usa.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the package."""

    file: str
    line: int
    text: str

    @property
    def is_use(self) -> bool:
        """Whether it is where the thing is done, and not where it is declared."""
        return self.file.startswith("sdcolab/engine/") and not self.file.endswith("registry.py")


def places(name: str, revision: str) -> Iterator[Place]:
    """Lines of code with ``name`` as a whole word, documentation left out."""
    command = ["git", "grep", "-n", "-F", name, revision, "--", "sdcolab/*.py"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)|[\"'.]{re.escape(name)}[\"']|\.{re.escape(name)}\b")
    for row in found.splitlines():
        _, file, line, text = row.split(":", 3)
        code = text.split("#")[0]
        if word.search(code) and "``" not in code and not code.lstrip().startswith('"""'):
            yield Place(file, int(line), text.strip())


def main() -> None:
    """Print the places and their count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nombre")
    parser.add_argument("--en", default="HEAD", metavar="REVISIÓN")
    options = parser.parse_args()
    found = list(places(options.nombre, options.en))
    for title, chosen in (("Declarado o nombrado", False), ("Usado en el motor", True)):
        some = [place for place in found if place.is_use is chosen]
        print(f"{title}: {len(some)} líneas en {len({place.file for place in some})} archivos")
        for place in some:
            print(f"  {place.file}:{place.line}: {place.text[:90]}")


if __name__ == "__main__":
    main()
