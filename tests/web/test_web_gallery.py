"""The gallery in the page, in a real Chromium, and the routes that its module asks."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from web_fakes import Bench
from web_visitor import PASSWORD, PATIENCE, USER, Visitor, field, part

from sdcolab.core.detect import ModelKind
from sdcolab.core.outputs import png_text
from sdcolab.grids.planfile import Done, PlanFile
from sdcolab.training.quick import draw_pictures
from sdcolab.web.app import Server

pytestmark = pytest.mark.navegador


def put(bench: Bench, name: str, seed: int, prompt: str) -> Path:
    day = bench.folders.txt2img / "2026-03-01"
    day.mkdir(parents=True, exist_ok=True)
    text = f"{prompt}\nNegative prompt: blurry\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: {seed}, Size: 96x64"
    Image.new("RGB", (96, 64), (seed % 256, 120, 90)).save(day / name, pnginfo=png_text(text))
    return day / name


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE)
    for number in range(30):
        put(bench, f"{number:05}-{number}.png", number, "a red fox" if number % 3 else "a blue cat, <lora:mio:1>")
    (bench.folders.txt2img / "2026-03-01" / "rota.png").write_bytes(b"no")
    visitor = Visitor(browser, server, {"viewport": {"width": 1920, "height": 1080}})
    yield visitor.open()
    visitor.context.close()
    assert [one for one in visitor.trouble if "404" not in one] == []  # the damaged picture has no small copy


def found(page: Page, query: str, count: int) -> None:
    page.get_by_role("searchbox", name="Buscar imágenes").fill(query)
    expect(page.locator(".sd-wall-cell")).to_have_count(count)


def test_pictures_are_searched_looked_at_and_sent(page: Page) -> None:
    page.get_by_role("tab", name="Galería", exact=True).click()
    expect(page.locator(".sd-room-told")).to_contain_text("31 imágenes")
    found(page, "gato o cat", 10)
    found(page, "cat semilla:9", 1)
    page.locator(".sd-wall-cell").click()
    viewer = page.locator("dialog.sd-room-viewer")
    expect(viewer.locator(".sd-room-text")).to_contain_text("a blue cat, <lora:mio:1>")
    expect(viewer.locator("img.sd-room-picture")).to_have_js_property("naturalWidth", 96)
    page.keyboard.press("4")
    expect(viewer.locator(".sd-room-star[aria-pressed=true]")).to_have_count(4)
    viewer.get_by_role("button", name="Usar sus datos").click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "txt2img")
    expect(field(page, "prompt")).to_have_value("a blue cat, <lora:mio:1>")
    page.get_by_role("tab", name="Galería", exact=True).click()
    page.locator(".sd-wall-cell").click()
    viewer.get_by_role("button", name="inpaint").click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "img2img")


def test_the_cells_of_a_sheet_of_another_session_are_opened_on_it(page: Page, bench: Bench) -> None:
    folder = bench.folders.outputs / "txt2img-grids" / "2026-03-01"
    folder.mkdir(parents=True)
    sheet = folder / "xyz_grid-0000-501.png"
    with PlanFile(sheet.with_suffix(".jsonl")) as plan:
        for place in range(2):
            picture = put(bench, f"celda-{place}.png", 501 + place, f"a fox in cell {place}")
            plan.done(place, Done(picture, 501 + place, ""))
        plan.drawn(sheet, [(place, f"Seed: {501 + place}", (place / 2, 0, place / 2 + 0.5, 1)) for place in range(2)])
    Image.new("RGB", (192, 64)).save(sheet, pnginfo=png_text("a sheet\nSteps: 20, Seed: 501, Script: X/Y/Z plot"))
    page.get_by_role("tab", name="Galería", exact=True).click()
    page.get_by_role("button", name="Actualizar (R)").click()
    found(page, "semilla>500", 3)
    found(page, "semilla:501 sheet", 1)
    page.locator(".sd-wall-cell").click()
    viewer = page.locator("dialog.sd-room-viewer")
    cells = viewer.locator(".sd-cell")
    expect(cells).to_have_count(2)
    expect(viewer.locator("img.sd-room-picture")).to_have_js_property("naturalWidth", 192)
    expect(viewer.locator(".sd-cells")).to_have_attribute("style", re.compile("width"))
    image, second = viewer.locator("img.sd-room-picture").bounding_box(), cells.nth(1).bounding_box()
    assert image is not None and second is not None
    assert abs(second["x"] - (image["x"] + image["width"] / 2)) < 2, "its half of the picture"
    assert abs(second["width"] / second["height"] - 96 / 64) < 0.02
    viewer.get_by_role("button", name="Seed: 502").click()
    expect(viewer.locator(".sd-room-text")).to_contain_text("a fox in cell 1")
    page.keyboard.press("ArrowLeft")
    expect(viewer.locator(".sd-room-text")).to_contain_text("a fox in cell 0")
    expect(viewer.locator(".sd-room-cell")).to_contain_text("Seed: 501")
    viewer.get_by_role("button", name="Volver a la cuadrícula").click()
    expect(cells.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(viewer.locator(".sd-room-text")).to_contain_text("a fox in cell 1")
    viewer.get_by_role("button", name="Usar sus datos").click()
    expect(field(page, "prompt")).to_have_value("a fox in cell 1")
    for path in (sheet, *bench.folders.txt2img.glob("*/celda-*.png")):
        path.unlink()


def test_chosen_pictures_go_to_the_bin_and_come_back(page: Page) -> None:
    page.get_by_role("tab", name="Galería", exact=True).click()
    found(page, "semilla<2", 2)
    boxes = page.locator(".sd-wall-cell input")
    boxes.nth(0).click()
    expect(page.locator(".sd-room-actions")).not_to_contain_text("null")
    boxes.nth(1).click()
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_download() as download:
        page.get_by_role("button", name="Zip").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert sorted(bundle.namelist()) == ["00000-0.png", "00001-1.png"]
    page.get_by_role("button", name="Papelera", exact=True).click()
    expect(page.locator(".sd-wall-cell")).to_have_count(0)
    page.get_by_role("button", name="Recuperar 2").click()
    expect(page.locator(".sd-wall-cell")).to_have_count(2)


def test_the_routes_are_closed_without_a_session_and_to_strange_questions(page: Page, server: Server) -> None:
    for path in ("ask/galeria/page", "file/galeria/thumb/1", "module/galeria.js"):
        assert requests.get(f"{server.url}/sdcolab/{path}", timeout=20).status_code == 401
    own = requests.Session()
    own.post(f"{server.url}/login", data={"username": USER, "password": PASSWORD}, timeout=20)
    for question, said in (("nada", {}), ("page", []), ("page", {"start": "1"}), ("mark", {"ids": [1.5]})):
        assert own.post(f"{server.url}/sdcolab/ask/galeria/{question}", json=said, timeout=20).status_code == 422
    for path in ("file/galeria/picture/..", "file/galeria/zip/..%2Findice.sqlite", "module/..%2Fcanvas.js"):
        assert own.get(f"{server.url}/sdcolab/{path}", timeout=20).status_code in (403, 404)
    entry = own.post(f"{server.url}/sdcolab/ask/galeria/page", json={"query": "semilla:5"}, timeout=20).json()
    small = own.get(f"{server.url}/sdcolab/file/galeria/thumb/{entry['entries'][0]['id']}", timeout=20)
    assert Image.open(io.BytesIO(small.content)).format == "WEBP"


def test_captions_are_filtered_edited_and_saved(page: Page, bench: Bench) -> None:
    draw_pictures(bench.folders.root / "lora_training" / "datasets" / "zorp" / "10_buenas", 6)
    page.get_by_role("tab", name="Etiquetas", exact=True).click()
    room = part(page, "room-etiquetas")
    expect(room.locator(".sd-wall-cell")).to_have_count(6)
    room.get_by_role("button", name="fondo blanco").click()
    expect(room.locator(".sd-wall-cell")).to_have_count(2)
    room.get_by_text("Editar a la vez").click()
    room.get_by_label("Etiquetas, separadas por comas").fill("de noche")
    room.get_by_role("button", name="Añadir al final").click()
    room.get_by_role("button", name="Guardar · 2 sin guardar").click()
    expect(room.locator(".sd-room-told")).to_contain_text("2 descripciones guardadas")
    written = [*(bench.folders.root / "lora_training" / "datasets" / "zorp").rglob("*.txt")]
    assert sum("de noche" in path.read_text(encoding="utf-8") for path in written) == 2
    room.locator(".sd-wall-cell").first.click()
    box = room.get_by_role("textbox", name="Descripción", exact=True)
    box.fill("una sola")
    room.get_by_role("button", name="Aceptar").click()
    expect(room.locator(".sd-wall-cell")).to_have_count(1)
    room.get_by_role("button", name="Deshacer").click()
    expect(room.locator(".sd-wall-cell")).to_have_count(2)


def test_a_mask_is_painted_over_a_training_picture(page: Page, bench: Bench) -> None:
    folder = bench.folders.root / "lora_training" / "datasets" / "zorp" / "10_buenas"
    draw_pictures(folder, 3)
    page.get_by_role("tab", name="Etiquetas", exact=True).click()
    room = part(page, "room-etiquetas")
    expect(room.get_by_label("Proyecto")).to_have_value("zorp")
    room.locator(".sd-wall-cell").first.click()
    room.get_by_role("button", name="Máscara", exact=True).click()
    surface = room.locator(".sd-tag-canvas .sd-canvas-surface")
    expect(surface).to_be_visible()
    box = surface.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2 - 30, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    room.get_by_role("button", name="Guardar la máscara").click()
    expect(room.locator(".sd-room-told")).to_contain_text("zorp_00_mask.png")
    with Image.open(folder / "zorp_00_mask.png") as mask:
        assert (mask.size, mask.getpixel((64, 64)), mask.getpixel((2, 2))) == ((128, 128), 255, 0)
    room.get_by_role("button", name="Máscara", exact=True).click()
    room.get_by_role("button", name="Quitar la máscara").click()
    expect(room.locator(".sd-room-told")).to_contain_text("se aprende la imagen entera")
    assert not (folder / "zorp_00_mask.png").exists()


def test_cards_of_what_was_made_meanwhile_are_there_when_one_comes_back(page: Page, bench: Bench) -> None:
    page.keyboard.press("Escape")  # what another test looks at
    page.get_by_role("tab", name="Cartas").click()
    cards = page.locator(".sd-card strong")
    expect(page.get_by_role("searchbox", name="Buscar por nombre, carpeta o palabra")).to_be_visible()
    expect(cards.get_by_text("recién hecho")).to_have_count(0)
    page.get_by_role("tab", name="Cola").click()
    made = bench.folders.models(ModelKind.LORA) / "recién hecho.safetensors"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(b"x")
    page.get_by_role("tab", name="Cartas").click()
    expect(cards.get_by_text("recién hecho")).to_be_visible()
