"""A miniature checkpoint with SD 1.x's tensor names, and engines over it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore
from sdcolab.engine.engine import Engine

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # for tools.make_random_sd15, whatever started pytest

DEMO = ROOT / "sdcolab" / "demo" / "emoji-128.safetensors"


@pytest.fixture(scope="session")
def mini_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 MB of seeded random weights."""
    from tools.make_random_sd15 import MINI, write

    path = tmp_path_factory.mktemp("mini") / "mini.safetensors"
    write(path, MINI)
    return path


MiniFamily = Callable[..., Path]


@pytest.fixture(scope="session")
def mini_family(tmp_path_factory: pytest.TempPathFactory) -> MiniFamily:
    """Gives the miniature checkpoint of a family: "sd1", "sd2", "sd2-v", "sdxl" or "refiner", ``inpaint`` or not."""
    folder = tmp_path_factory.mktemp("familias")

    def made(name: str, *, inpaint: bool = False) -> Path:
        from tools.make_random_families import MINIATURES, write

        path = folder / f"{name}{'-inpaint' if inpaint else ''}.safetensors"
        if not path.exists():
            write(path, MINIATURES[name], inpaint=inpaint)
        return path

    return made


@pytest.fixture
def mini_sdxl(mini_family: MiniFamily) -> Path:
    """20 MB of seeded random weights with SDXL's tensor names."""
    return mini_family("sdxl")


@pytest.fixture
def demo_checkpoint() -> Path:
    """The model that ships in the package."""
    assert DEMO.is_file(), f"falta el modelo de demostración: {DEMO}"
    return DEMO


@pytest.fixture
def folders(tmp_path: Path, mini_checkpoint: Path) -> Folders:
    """A root folder with the miniature checkpoint in its place."""
    folders = Folders(tmp_path)
    place = folders.models(ModelKind.CHECKPOINT) / "mini.safetensors"
    place.parent.mkdir(parents=True)
    place.hardlink_to(mini_checkpoint)
    return folders


MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(folders: Folders) -> MakeEngine:
    """Builds an engine on the CPU that saves below ``folders``."""

    def make(**changes: object) -> Engine:
        return Engine(Library(folders), ImageStore(folders.txt2img), **({"device": "cpu"} | changes))

    return make


@pytest.fixture(scope="module")
def kept_engine(tmp_path_factory: pytest.TempPathFactory, mini_checkpoint: Path) -> Engine:
    """One engine over the miniature checkpoint for a whole file, which saves nothing: loading it is what takes time."""
    folders = Folders(tmp_path_factory.mktemp("motor"))
    place = folders.models(ModelKind.CHECKPOINT) / "mini.safetensors"
    place.parent.mkdir(parents=True)
    place.hardlink_to(mini_checkpoint)
    return Engine(Library(folders), None, device="cpu")


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    """An engine over the miniature checkpoint."""
    return make_engine()
