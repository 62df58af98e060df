"""The panel in a real Jupyter kernel: the cell ends, buttons work, the real engine makes images, nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]  # whatever started pytest

from sdcolab.core.errors import EngineKilled  # noqa: E402
from sdcolab.core.words import explain  # noqa: E402
from tests.support.kernel import Kernel  # noqa: E402

TOKEN = "c1v1ta1" * 4 + "abcd"

pytestmark = [pytest.mark.lento, pytest.mark.timeout(600)]


@pytest.fixture
def civitai(tmp_path: Path) -> Iterator[Any]:
    """A loopback civitai with a miniature checkpoint (random weights, SD 1.x's names) that needs a token."""
    from tests.support.servers import CivitaiFile, CivitaiServer
    from tools.make_random_sd15 import MINI, write

    path = tmp_path / "mini.safetensors"
    write(path, MINI)
    file = CivitaiFile("mini_gato.safetensors", path.read_bytes(), model_id=4384, needs_token=True)
    with CivitaiServer({128713: file}, token=TOKEN) as server:
        yield server


@pytest.fixture
def kernel(tmp_path: Path, civitai: Any) -> Iterator[Kernel]:
    content = tmp_path / "content"
    content.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SDCOLAB_", "PYTEST", "JPY_"))}
    environ |= {
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(
            [str(REPOSITORY), str(REPOSITORY / "tests" / "support" / "google_colab"), os.environ.get("PYTHONPATH", "")]
        ),
        "COLAB_RELEASE_TAG": "release-colab_de-pruebas",
        "SDCOLAB_CONTENIDO": str(content),
        "SDCOLAB_CIVITAI_URL": civitai.url,
        "STANDIN_DRIVE_FOLDER": str(tmp_path / "nube"),
        "STANDIN_SECRETS": json.dumps({"CIVITAI_TOKEN": TOKEN}),
        "CUDA_VISIBLE_DEVICES": "",
    }
    made = Kernel(Path(sys.executable), environ, content)
    yield made
    made.close()


def children_of(root: Path) -> list[list[int]]:
    """The processes that the panel runs, as soon as there are any."""
    deadline = time.monotonic() + 30
    while not (found := list((root / ".sesion").glob("procesos-*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children: list[list[int]] = json.loads(found[0].read_text())["children"]
    return children


def test_everything_inside_the_cell(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(
        "import sdcolab; sdcolab.panel(guardar_imagenes_en_drive=True, guardar_configuracion_en_drive=True, "
        "enlaces_adicionales='https://civitai.com/api/download/models/128713')"
    )
    text = kernel.finish()  # the cell ends, so that buttons work
    assert "✅ El panel está abierto" in text
    assert "🔑 Claves encontradas: CIVITAI_TOKEN" in text
    modelo = kernel.widget("Modelo")
    assert modelo["_options_labels"][modelo["index"]] == "mini_gato.safetensors"

    root, drive = tmp_path / "content" / "sdcolab", tmp_path / "nube" / "sdcolab"
    for field, value in (("Prompt", "a cat"), ("Pasos", 2), ("Ancho", 64), ("Alto", 64), ("Semilla", "5")):
        kernel.write(field, value)
    kernel.press("🎨 Generar")
    kernel.until_shown("1 de 1 · 00000-5.png")
    (saved,) = (root / "outputs" / "txt2img-images").rglob("*.png")
    with Image.open(saved) as image:
        assert image.size == (64, 64)
        assert image.info["parameters"].startswith("a cat\n")
        assert "Model: mini_gato" in image.info["parameters"]

    # Killed for memory: explained, back within 10 s, the queue and the form intact.
    ((engine, _),) = children_of(root)
    environ = Path(f"/proc/{engine}/environ").read_text() + Path(f"/proc/{engine}/cmdline").read_text()
    assert "CIVITAI_TOKEN=" not in environ
    for field, value in (("Pasos", 150), ("Ancho", 512), ("Alto", 512), ("Semilla", "6")):
        kernel.write(field, value)
    kernel.press("🎨 Generar")
    for field, value in (("Pasos", 1), ("Ancho", 64), ("Alto", 64), ("Semilla", "7")):
        kernel.write(field, value)
    kernel.press("🎨 Generar")
    kernel.until_shown("de 150")  # of this picture: on a busy machine what is told of the last one still stands
    killed = time.monotonic()
    os.kill(engine, signal.SIGKILL)
    kernel.until_shown(str(explain(EngineKilled())).split(":")[0])
    kernel.until_shown("2 de 2 · 00001-7.png")
    print(f"la siguiente imagen de la cola llegó en {time.monotonic() - killed:.1f} s")

    kernel.press("💾 Cerrar y guardar todo")
    kernel.until_shown("El panel está cerrado")
    kernel.until_shown("confirmó que todo está subido")
    assert not (root.parent / "drive" / "MyDrive").exists()
    assert len(list((drive / "outputs").rglob("*.png"))) == 2
    assert "a cat" in (drive / "config" / "ultimo_formulario.json").read_text()
    assert not list((root / ".sesion").glob("procesos-*.json"))

    # A new machine: the form of last time, and the offer to download again what was there. Opened twice: the first
    # panel gives way to the second.
    shutil.rmtree(root)
    engines = []
    for _ in range(2):
        kernel.widgets.clear()
        kernel.run("sdcolab.panel(guardar_configuracion_en_drive=True)")
        text = kernel.finish()
        assert "✅ El panel está abierto" in text
        assert "📦 En otra sesión descargaste también: mini_gato.safetensors." in text
        kernel.until_shown("https://civitai.com/api/download/models/128713")
        assert kernel.widget("Prompt")["value"] == "a cat"
        engines.append(children_of(root))
    assert [len(children) for children in engines] == [1, 1]
    assert engines[0] != engines[1]
    assert not Path(f"/proc/{engines[0][0][0]}").exists()

    kernel.run("import sys; print([name for name in ('torch', 'gradio', 'diffusers') if name in sys.modules])")
    assert kernel.finish().strip() == "[]"
    kernel.run("sdcolab.cerrar()")
    assert "👋 El panel está cerrado." in kernel.finish()
    assert not list((root / ".sesion").glob("procesos-*.json"))
    assert TOKEN not in kernel.everything
    found = subprocess.run(["grep", "-rl", TOKEN, str(root), str(drive)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_what_comes_after_the_cell_is_told_in_the_panel(kernel: Kernel) -> None:
    """What a thread prints when its cell has ended is shown nowhere."""
    from tests.support.servers import HuggingFaceServer

    with HuggingFaceServer({}) as server:
        kernel.run(f"import os, sdcolab; os.environ['SDCOLAB_HUGGINGFACE_URL'] = '{server.url}'")
        kernel.finish()
        kernel.run("sdcolab.panel(recursos_de_la_guia=True)")
        kernel.finish()
        kernel.until_shown("De los recursos de la guía no llegaron EasyNegative, Remacri")
