"""The notebook itself: short, in Spanish, pinned, and with the guide's names (hechos/lanzadores.md 0 and 5d)."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from sdcolab.colab.prepare import DEMO_NAMES
from sdcolab.core.detect import ModelKind
from sdcolab.downloads.catalog import ADULT_MARK, chosen_entry, load_catalog, names_of_kind
from sdcolab.process.environment import SECRET_NAMES
from sdcolab.wiring.notebook import LINK_MODE, NGROK_MODE, PANEL_MODE
from tools import publicar

PATH = Path(__file__).parents[2] / "notebooks" / "stable_diffusion.ipynb"


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    loaded = nbformat.read(PATH, as_version=4)
    nbformat.validate(loaded)
    return loaded


@pytest.fixture(scope="module")
def play(notebook: NotebookNode) -> str:
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and "#@title Empezar" in cell.source]
    return str(cell.source)


def test_cells_are_short_forms(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        own = re.sub(f"{re.escape(publicar.BEGIN)}.*{re.escape(publicar.END)}", "", cell.source, flags=re.S)
        assert len(own.splitlines()) <= (40 if cell.get("id") == "empezar" else 10)
        if cell.cell_type == "code":
            assert cell.metadata.cellView == "form"
            assert cell.source.startswith("#@title ")
            ast.parse(cell.source)


def test_form_fields_are_the_guides(play: str) -> None:
    fields = re.findall(r"^(\w+) = .+ #@param", play, re.MULTILINE)
    assert fields == [
        "modo",
        "guardar_imagenes_en_drive",
        "guardar_configuracion_en_drive",
        "modelo",
        "enlaces_adicionales",
        "todos_modelos_controlnet",
        "recursos_de_la_guia",
    ]
    for heading in ("#@markdown ### Configuraciones", "#@markdown ### Modelos y otros recursos"):
        assert heading in play
    assert play.startswith("#@title Empezar aquí 🚀")
    (call,) = [node for node in ast.walk(ast.parse(play)) if isinstance(node, ast.Call) and name_of(node) == "empezar"]
    assert [(keyword.arg, ast.unparse(keyword.value)) for keyword in call.keywords] == [(name, name) for name in fields]


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def test_form_fields_for_tokens(notebook: NotebookNode) -> None:
    (cell,) = [cell for cell in notebook.cells if cell.get("id") == "claves"]
    fields = re.findall(r'^(\w+) = "" #@param \{"type":"string","placeholder":"[^"]+"\}$', cell.source, re.MULTILINE)
    assert tuple(fields) == SECRET_NAMES
    for words in ("Secretos", "bórralo antes de compartirla"):
        assert words in cell.source


def test_the_panel_comes_first(play: str, notebook: NotebookNode) -> None:
    found = re.search(r'^modo = "(.+?)" #@param (\[.+\])$', play, re.MULTILINE)
    assert found
    assert json.loads(found[2]) == [PANEL_MODE, LINK_MODE, NGROK_MODE]
    assert found[1] == PANEL_MODE
    for name in ("cerrar", "informe"):
        assert any(f"from sdcolab import {name}\n" in cell.source for cell in notebook.cells)


def test_the_list_of_models_is_the_catalogues(play: str) -> None:
    found = re.search(r'^modelo = "(.+?)" #@param (\[.+\])$', play, re.MULTILINE)
    assert found
    names = json.loads(found[2])
    catalog = load_catalog()
    shown = names_of_kind(catalog, ModelKind.CHECKPOINT)
    assert names == [DEMO_NAMES[0], *(f"{ADULT_MARK * catalog[name].adult}{name}" for name in shown)]
    assert [chosen_entry(catalog, name).name for name in names[1:]] == [name.removeprefix("🔞 ") for name in names[1:]]
    assert any(name.startswith("🔞 ") for name in names)
    assert found[1] in names


def test_nothing_comes_from_a_branch_or_a_registry(play: str, notebook: NotebookNode) -> None:
    assert '"--no-deps"' in play
    assert "SDCOLAB_PAQUETE" in play
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not re.search(
                r"git\+|clone|/main|/master|curl|wget|sdcolab==|https?://(?!…|civitai\.com/…|huggingface)", cell.source
            )
        else:
            assert not re.search(r"blob/(main|master)", cell.source)


def test_every_notebook_has_the_installer_as_it_is_now() -> None:
    for name, notebook in publicar.notebooks().items():
        assert publicar.with_installer(notebook) == notebook, f"{name}: python tools/publicar.py --cuadernos"
        assert any(publicar.BEGIN in "".join(cell["source"]) for cell in notebook["cells"]), name


def test_what_the_text_promises(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for words in (
        "Copiar a mi Drive",
        "Empezar aquí 🚀",
        "Running on public URL",
        "Configuraciones",
        "https://research.google.com/colaboratory/faq.html",
        "Mantén abierta esta pestaña",
        "se pierde lo que no esté en tu Drive",
    ):
        assert words in text
    assert "stable-diffusion-webui" not in text


def test_the_audio_is_made_here(notebook: NotebookNode) -> None:
    cell = notebook.cells[-1]
    assert "<audio controls loop" in cell.source
    assert "http" not in cell.source
    shown: list[str] = []
    exec(
        cell.source.replace("from IPython.display import HTML, display", "HTML = str; display = shown.append"),
        {"shown": shown},
    )
    assert cell.outputs[0].data["text/html"] == shown[0]  # ready to use also while the kernel is busy
    assert shown[0].startswith('<audio controls loop src="data:audio/wav;base64,UklGR')


def test_nothing_of_anybody_is_saved(notebook: NotebookNode) -> None:
    for cell in notebook.cells[:-1]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
