"""Names and shapes of the tensors in a ``.ckpt/.pt/.pth/.bin``, read by torch's weights-only unpickler.

Runs as a program of its own, ``python -P pickle_probe.py FILE``, so that the program that downloads never loads torch
and a file made to exhaust memory takes only this process down. Prints one JSON object with one of the keys ``tensors``
({name: shape}), ``refused`` or ``damaged`` (a reason, for the log).
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_NAMES = 20_000
MAX_NAME_CHARACTERS = 300
MAX_DEPTH = 5
EXTRA_MEMORY = 6 << 30
"""Bytes of data this process may hold besides the file itself."""


def main(path: Path) -> dict[str, Any]:
    """What the file at ``path`` holds, as the JSON object described above."""
    from sdcolab.core.pickles import harmless_globals, insides, state_dict_in

    zipped = zipfile.is_zipfile(path)
    if zipped and (problem := _zip_problem(path)):
        return {"damaged": problem}
    import torch

    warnings.simplefilter("ignore")
    try:
        with torch.serialization.safe_globals(harmless_globals()), path.open("rb") as file:
            misnamed = path.suffix.lower() == ".safetensors"  # which torch would believe
            source, mapped = (file, False) if misnamed else (path, zipped)
            content = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        return {"refused": str(error)[:500]}
    except (RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError) as error:
        return {"damaged": str(error)[:500]}
    names: dict[str, list[int]] = {}
    for name, shape in _tensors(state_dict_in(content), "", 0, insides):
        names[name[:MAX_NAME_CHARACTERS]] = shape
        if len(names) == MAX_NAMES:
            break
    return {"tensors": names}


def _tensors(
    value: object, name: str, depth: int, insides: Callable[[object], object]
) -> Iterator[tuple[str, list[int]]]:
    """Every tensor below ``value`` with its path of keys joined by dots."""
    value = insides(value)
    shape = getattr(value, "shape", None)
    if shape is not None:
        yield name, [int(side) for side in shape]
    elif depth < MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            yield from _tensors(inner, f"{name}.{key}" if name else str(key), depth + 1, insides)


def _zip_problem(path: Path) -> str | None:
    """Why a zip is none of torch's, which are stored uncompressed: anything compressed could be a bomb. Its sums are
    checked here, because torch maps the file into memory and checks none."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                return "compressed entries"
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                return "entries larger than the file"
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        return str(error) or type(error).__name__
    return f"wrong checksum of {broken}" if broken else None


def _limit_memory(file_size: int) -> None:
    if sys.platform != "linux":
        return
    import resource

    limit = EXTRA_MEMORY + 2 * file_size
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard in (resource.RLIM_INFINITY, -1) or hard > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    _limit_memory(target.stat().st_size)
    sys.stdout.write(json.dumps(main(target)))
