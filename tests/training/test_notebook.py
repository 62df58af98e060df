"""The training notebook: its cells, its fields, and in a real kernel the way from pictures on Drive to LoRAs there.

google.colab and Drive are stand-ins; everything else is real: the kernel, the child process, the demo model, the files.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from safetensors import safe_open

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.core.training import TrainLora
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.core.words.notebook import DEMO_MODEL
from sdcolab.engine.engine import Engine
from sdcolab.training.bases import BASES
from sdcolab.training.quick import draw_pictures
from sdcolab.training.recipe_form import asked_by
from tests.support.kernel import Kernel

REPOSITORY = Path(__file__).parents[2]
NOTEBOOK = REPOSITORY / "notebooks" / "entrenar_lora.ipynb"
MODEL = REPOSITORY / "sdcolab" / "demo" / "emoji-128.safetensors"


@pytest.fixture(scope="module")
def cells() -> dict[str, str]:
    loaded: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(loaded)
    return {cell.id: cell.source for cell in loaded.cells if cell.cell_type == "code"}


def filled(source: str, **fields: object) -> str:
    """A form cell after the user has filled it in."""
    for name, value in fields.items():
        source, count = re.subn(
            rf"^{name} = .+? #@param", lambda _, n=name, v=value: f"{n} = {v!r} #@param", source, flags=re.M
        )
        assert count == 1, name
    return source


def test_cells_are_forms_in_the_guides_order(cells: dict[str, str]) -> None:
    for source in cells.values():
        assert source.startswith("#@title ")
        ast.parse(source)
    order = list(cells)
    assert [order.index(name) for name in ("drive", "instalacion", "configuracion", "cocinar")] == sorted(
        order.index(name) for name in ("drive", "instalacion", "configuracion", "cocinar")
    )
    for heading in ("### ▶️ Inicio", "### ▶️ Archivos", "### ▶️ Pasos", "### ▶️ Entrenamiento"):
        assert f"#@markdown {heading}" in cells["configuracion"]


def test_fields_are_those_of_the_form_with_its_defaults(cells: dict[str, str]) -> None:
    namespace: dict[str, object] = {}
    source = cells["configuracion"]
    found = dict(re.findall(r"^(\w+) = (.+?) #@param", source, re.M))
    for name, literal in found.items():
        namespace[name] = ast.literal_eval(literal)
    base = namespace.pop("modelo_base")
    assert namespace.pop("enlace_a_modelo_propio") == ""
    assert namespace.pop("estructura_de_carpetas") == BY_CATEGORY
    assert namespace.pop("carpeta_de_imagenes") == ""
    task = asked_by(namespace)
    assert task == TrainLora()
    offered = re.search(r"^modelo_base = .+ #@param (\[.+\])$", source, re.M)
    assert offered
    assert json.loads(offered[1]) == list(BASES)
    assert base in BASES
    assert (task.unet_rate, task.dim, task.alpha, task.save_every) == (1e-3, 16, 8, 2)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SDCOLAB_", "PYTEST", "JPY_", "GRADIO_"))
    }
    (tmp_path / "content").mkdir()
    return clean | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "support" / "google_colab")]),
        "COLAB_RELEASE_TAG": "release-colab_de-pruebas",
        "SDCOLAB_CONTENIDO": str(tmp_path / "content"),
        "STANDIN_DRIVE_FOLDER": str(tmp_path / "nube"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.lento
@pytest.mark.timeout(600)
def test_from_pictures_on_drive_to_a_lora_on_drive(
    cells: dict[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    drive = tmp_path / "nube"
    project = drive / "lora_training" / "datasets" / "mi_zorp"
    kernel = Kernel(Path(sys.executable), environ, tmp_path / "content")
    try:
        kernel.run(
            "import subprocess; _run = subprocess.run\n"
            "subprocess.run = lambda command, **k: type('R', (), {'returncode': 0})() if 'pip' in command else "
            "_run(command, **k)"
        )
        kernel.finish()
        kernel.run(cells["drive"])
        assert "✅ Google Drive conectado" in kernel.finish()
        assert (drive / "lora_training" / "output").is_dir()
        kernel.run(cells["instalacion"])
        assert "No hay tarjeta gráfica" in kernel.finish()
        kernel.run(cells["cocinar"])
        assert "El entrenamiento todavía no está configurado" in kernel.finish()

        form = filled(
            cells["configuracion"],
            nombre_proyecto="mi_zorp",
            modelo_base=DEMO_MODEL,
            epochs=3,
            batch_size=4,
            dim=4,
            alpha=4,
            guardar_cada_cuantos_epochs=1,
        )
        kernel.run(form)
        assert "No existe la carpeta de imágenes" in kernel.finish()
        draw_pictures(project / "1_repeticiones", 10)
        kernel.run(
            filled(form.replace("nombre_proyecto = 'mi_zorp'", 'nombre_proyecto = ""'), nombre_proyecto="mi zorp")
        )
        assert "no sirve como nombre de proyecto" in kernel.finish()
        kernel.run(form)
        seen = kernel.finish()
        for words in ("Se encontraron 10 imágenes", "para un total de 9 pasos", "Tiempo aproximado", "Todo listo"):
            assert words in seen, seen
        assert any("data:image/jpeg" in shown.get("text/html", "") for shown in kernel.shown)

        kernel.run(cells["cocinar"])
        kernel.until("Guardado: mi_zorp-000001.safetensors")
        kernel.manager.interrupt_kernel()  # the session is stopped: what is trained is saved
        assert "continúa donde estaba" in kernel.finish()
        kernel.run(cells["cocinar"])
        seen = kernel.finish()
        assert "Continúa desde el paso" in seen, seen
        assert "Tu LoRA está en" in seen
    finally:
        kernel.close()
    output = drive / "lora_training" / "output"
    names = {path.name for path in output.iterdir()}
    assert {"mi_zorp-000001.safetensors", "mi_zorp-000002.safetensors", "mi_zorp.safetensors"} <= names
    assert {"mi_zorp-plan.toml", "mi_zorp-perdida.png"} <= names
    with safe_open(output / "mi_zorp.safetensors", "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["ss_tag_frequency"])["1_repeticiones"]["zorp"] == 10
    assert metadata["ss_output_name"] == "mi_zorp"
    chosen = (
        ModelFile(ModelKind.CHECKPOINT, MODEL.name, MODEL),
        ModelFile(ModelKind.LORA, "mi_zorp.safetensors", output / "mi_zorp.safetensors"),
    )
    engine = Engine(Library(Folders(tmp_path), first=chosen), None, device="cpu")
    request = GenerationRequest(prompt="zorp <lora:mi_zorp:1>", width=64, height=64, steps=1, seed=1)
    result = engine.generate(request, save=False)
    assert "mi_zorp" in result.images[0].infotext
    assert (tmp_path / "content" / "sdcolab" / "models" / "Lora" / "mi_zorp.safetensors").is_file()
