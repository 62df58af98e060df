"""What memory the workshop's commands need for full-size files: each runs in a process of its own, as people run it.

    python tools/bench/workshop.py                      # 18 GB of disk while it lasts
    python tools/bench/workshop.py --base rand15.safetensors --en /disco/grande
    python tools/bench/workshop.py --solo convertir mezclar

The file, of 7.7 GB, has SD 1.5's tensors in float32 and their moving average beside them, as training leaves them;
``--base`` is the checkpoint that it differs a little from (``tools/make_random_sd15.py`` writes it, and so does this
when there is none), and the other model of merges.
What is printed is the peak of resident memory, the time and the size of the result. The exit code is 0 when every peak
is within 1.5 GB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from sdcolab.core.detect import ModelKind  # noqa: E402 - the path above comes first
from sdcolab.core.events import CancelToken, ignore_events  # noqa: E402
from sdcolab.core.folders import Folders  # noqa: E402
from sdcolab.core.workshop import ema_twin  # noqa: E402
from sdcolab.engine.convert import UNET_PREFIX  # noqa: E402
from sdcolab.workshop.model import Model, open_model  # noqa: E402
from sdcolab.workshop.writing import write_safetensors  # noqa: E402

LIMIT = 1.5
"""GB."""

COMMANDS = {
    "convertir": ("convertir", "{trained}"),
    "convertir a ckpt": ("convertir", "{trained}", "--formato", "ckpt", "--precision", "full", "--podar", "disabled"),
    "mezclar": ("mezclar", "--a", "{trained}", "--b", "{base}", "--multiplicador", "0.3"),
    "mezclar con TIES": ("mezclar", "--a", "{trained}", "--b", "{base}", "--c", "{base}", "--metodo", "TIES", "--fp16"),
    "extraer": ("extraer", "--modelo", "{trained}", "--base", "{base}", "--rango", "8"),
}
"""What is run, by its name: the words after ``sdcolab``."""


def write_trained(base: Path, path: Path) -> None:
    """Write at ``path`` what a training that began with ``base`` would leave: other numbers, in float32, with their
    moving average."""
    with open_model(base) as source, path.open("wb") as file:
        outline = {name: one.float() for name, one in source.outline.items()}
        sources = {name: name for name in outline}
        for name in source.outline:
            if name.startswith(UNET_PREFIX):
                sources[ema_twin(name)] = name

        def get(name: str) -> Tensor:
            tensor = source.get(sources[name]).float()
            return tensor + tensor.flip(0) * 0.01 if tensor.dim() else tensor

        made = Model(path, {name: outline[found] for name, found in sources.items()}, get)
        write_safetensors(file, replace(made, metadata={}), {"format": "pt"}, ignore_events, CancelToken())


def peak_of(words: list[str]) -> tuple[float, float, int]:
    """GB of resident memory at most, seconds, and exit code of ``sdcolab`` with ``words``."""
    began = time.monotonic()
    command = [sys.executable, "-m", "sdcolab", *words]
    child = os.posix_spawn(sys.executable, command, dict(os.environ) | {"PYTHONPATH": str(ROOT)})
    _, status, used = os.wait4(child, 0)
    return used.ru_maxrss / 2**20, time.monotonic() - began, os.waitstatus_to_exitcode(status)


def main() -> int:
    """Print a line a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--en", type=Path, help="dónde se escriben los archivos mientras dura")
    parser.add_argument("--solo", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory(dir=options.en) as temporary:
        folders = Folders(Path(temporary) / "sdcolab")
        models = folders.models(ModelKind.CHECKPOINT)
        models.mkdir(parents=True)
        base = options.base or models / "base.safetensors"
        if not base.is_file():
            from tools.make_random_sd15 import FULL, write

            write(base, FULL)
        trained = models / "trained.safetensors"
        write_trained(base, trained)
        places = {"base": str(base.absolute()), "trained": str(trained)}
        print(f"archivo: {trained.stat().st_size / 1e9:.1f} GB", flush=True)
        for name in options.solo:
            out = Path(temporary) / "salida"
            words = [word.format(**places) for word in COMMANDS[name]]
            peak, seconds, code = peak_of([*words, "--carpeta", str(folders.root), "--salida", str(out)])
            size = sum(file.stat().st_size for file in out.glob("*"))
            print(f"{name}: {peak:.2f} GB, {seconds:.0f} s, escribe {size / 1e9:.1f} GB (salida {code})", flush=True)
            worst = max(worst, peak) if code == 0 else float("inf")
            for file in out.glob("*"):
                file.unlink()
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
