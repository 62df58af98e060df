"""What ``from sdcolab import ...`` promises: README's example runs as it stands, and every public name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sdcolab

README = (Path(__file__).parents[1] / "README.es.md").read_text(encoding="utf-8")


def examples() -> list[str]:
    """README's Python that needs nothing but the package."""
    return [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "from sdcolab" in code]


def test_the_example_of_readme_makes_its_pictures(tmp_path: Path) -> None:
    (code,) = examples()
    assert set(re.findall(r"from (\S+) import", code)) == {"sdcolab"}
    environment = {**os.environ, "SDCOLAB_CARPETA": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=240)
    with Image.open(tmp_path / "gato.png") as picture:
        assert picture.width > 128


EXTRAS = ("cv2", "onnxruntime", "skimage", "imagehash", "spandrel", "rtmlib", "tomesd", "prodigyopt")


def test_what_everybody_uses_needs_no_extra() -> None:
    """Packages of the extras are imported by what needs them: the engine, the page and the API open without them."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS}))"
    used = ("engine.engine", "engine.features", "wiring.engine", "wiring.tasks", "api.app", "web.app")
    code = "; ".join((hidden, *(f"import sdcolab.{name}" for name in used)))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)


@pytest.mark.parametrize("name", sdcolab.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(sdcolab, name)
    assert name in dir(sdcolab)
    assert not callable(value) or value.__doc__


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError):
        sdcolab.nada  # noqa: B018


def test_every_public_name_has_a_home() -> None:
    import sdcolab

    assert {name for name in sdcolab.__all__ if getattr(sdcolab, name, None) is None} == set()
