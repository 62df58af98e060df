"""What a visitor does beyond a plain generation, one after another in one page: hires, img2img, inpainting, pasting,
sending, enlarging, LoRAs and the queue."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from web_fakes import Bench
from web_visitor import PATIENCE, PHONE, Visit, choose, field, generate, infotext, only_page, overflow, part, tab

from sdcolab.core.detect import ModelKind
from sdcolab.core.outputs import png_text
from sdcolab.core.request import GenerationRequest, MaskedContent
from sdcolab.core.scripts import Grid, XyzPlot
from sdcolab.core.tuning import Tuning
from sdcolab.web.app import Server

pytestmark = pytest.mark.navegador

MASK = "window.sdcolab.canvases['sd-init-inpaint-mask']"


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    """One page for all: opening it is what takes time. Nothing may go wrong in it."""
    expect.set_options(timeout=PATIENCE)
    bench.add_lora("Lineas", "thick lines", "anime")
    with only_page(browser, server, bench, {}) as page:
        yield page


@pytest.fixture(autouse=True)
def _nothing_runs_afterwards(bench: Bench) -> Iterator[None]:
    yield
    bench.finish_jobs()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "foto.png"
    Image.new("RGB", (160, 120), "teal").save(path)
    return path


def mode(page: Page, name: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-sd-tab", name)


def unfold(page: Page, title: str) -> None:
    """Open what is folded, and wait until gradio has put its values in what it mounts then: it does so a moment after
    showing the fields, faster than a person can type but not than a test."""
    page.locator("#sd-page button.label-wrap:visible", has_text=title).first.click()
    page.evaluate("() => new Promise(done => requestIdleCallback(() => requestIdleCallback(done)))")


def switch(page: Page, name: str, *, on: bool) -> None:
    part(page, name).locator("input[type=checkbox]").set_checked(on)


def said(page: Page) -> Locator:
    return part(page, "form-message")


def done(page: Page, bench: Bench, count: int = 1) -> GenerationRequest:
    """Wait for the last job and give its request."""
    expect(part(page, "progress")).to_contain_text("Listo: " + ("1 imagen" if count == 1 else f"{count} imágenes"))
    return bench.generator.requests[-1]


def ask(page: Page, bench: Bench, prompt: str) -> GenerationRequest:
    """Generate and give the request that reached the generator."""
    generate(page, prompt)
    expect(infotext(page)).to_have_value(re.compile("^" + re.escape(prompt)))
    return bench.generator.requests[-1]


def test_hires_is_asked_for_only_while_it_is_on(page: Page, bench: Bench) -> None:
    expect(part(page, "hires-upscaler")).to_be_hidden()
    switch(page, "hires", on=True)
    choose(page, "hires-upscaler", "Remacri")
    field(page, "hires-strength").fill("0.45")
    field(page, "hires-scale").fill("1.5")
    unfold(page, "Más opciones de Hires fix")
    field(page, "hires-prompt").fill("más detalle")
    hires = ask(page, bench, "grande").hires
    assert hires is not None
    assert (hires.upscaler, hires.strength, hires.scale, hires.prompt) == ("Remacri", 0.45, 1.5, "más detalle")
    assert (hires.sampler, hires.checkpoint, hires.cfg_scale) == ("", "", None)
    switch(page, "hires", on=False)
    expect(part(page, "hires-upscaler")).to_be_hidden()
    assert ask(page, bench, "pequeña").hires is None


def test_fine_adjustments_reach_the_request_and_are_reset(page: Page, bench: Bench) -> None:
    unfold(page, "Avanzado")
    unfold(page, "Ajustes finos: sampler")
    field(page, "tuning-ensd").fill("31337")
    field(page, "tuning-eta").fill("0.5")
    assert ask(page, bench, "fina").tuning == Tuning(ensd=31337, eta=0.5)
    part(page, "reset-tuning").click()
    expect(field(page, "tuning-ensd")).to_have_value("0")
    assert ask(page, bench, "neutra").tuning == Tuning()


LISTEN = """() => {
  const plain = Object.entries;
  window.told = [];
  window.deaf = () => { Object.entries = plain; };
  Object.entries = (thing) => {
    const found = plain(thing);
    if (found[0]?.[1]?.stream_state !== undefined) window.told.push(found.length);
    return found;
  };
}"""
"""How many controls gradio tells how its events go."""


def test_after_a_picture_the_page_is_as_quick_as_before(page: Page, bench: Bench) -> None:
    ask(page, bench, "una")
    page.evaluate(LISTEN)
    ask(page, bench, "otra")
    told = page.evaluate("() => { deaf(); return told; }")
    assert told
    assert max(told) < 20  # and not the hundreds of the form, each looked for from the root of the page


def test_img2img_from_an_uploaded_picture(page: Page, bench: Bench, photo: Path) -> None:
    switch(page, "hires", on=True)
    tab(page, "img2img")
    expect(part(page, "hires")).to_be_hidden()
    part(page, "generate").click()
    expect(said(page)).to_contain_text("Falta la imagen.")
    part(page, "init-images").locator("input[type=file]").set_input_files(photo)
    expect(part(page, "init-images").locator("img")).to_be_visible()
    part(page, "init-size").click()
    expect(field(page, "width")).to_have_value("160")
    field(page, "init-strength").fill("0.6")
    request = ask(page, bench, "desde la foto")
    assert request.init is not None and request.init.inpaint is None and request.hires is None
    assert (request.init.images[0].size, request.init.strength) == ((160, 120), 0.6)
    assert (request.width, request.height) == (160, 120)
    tab(page, "txt2img")
    switch(page, "hires", on=False)
    assert ask(page, bench, "desde el texto").init is None


def test_inpaint_with_a_painted_mask(page: Page, bench: Bench, photo: Path, tmp_path: Path) -> None:
    tab(page, "img2img")
    switch(page, "init-inpaint", on=True)
    part(page, "generate").click()
    expect(said(page)).to_contain_text("hace falta una máscara")
    canvas = page.locator(".sd-canvas-marks")
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = canvas.bounding_box()
    assert box is not None
    for start, end in (((0.1, 0.2), (0.3, 0.2)), ((0.9, 0.9), (0.9, 0.8))):
        page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=4)
        page.mouse.up()
    page.get_by_role("button", name="Deshacer (Ctrl+Z)").click()
    part(page, "init-inpaint-content").get_by_label("Ruido").check()
    switch(page, "init-inpaint-only_masked", on=True)
    init = ask(page, bench, "retocada").init
    assert init is not None and init.inpaint is not None
    assert (init.inpaint.content, init.inpaint.only_masked) == (MaskedContent.LATENT_NOISE, True)
    assert init.inpaint.mask.size == (160, 120)
    left, top, right, bottom = init.inpaint.mask.getbbox() or (0, 0, 0, 0)
    assert left < 16 < 48 < right < 100 and top < 24 < bottom < 80

    uploaded = tmp_path / "mascara.png"
    mask = Image.new("RGB", (80, 60))
    mask.paste("white", (40, 0, 80, 60))
    mask.save(uploaded)
    page.locator(".sd-canvas-tool input").set_input_files(uploaded)
    expect(page.get_by_role("button", name="Limpiar")).to_be_visible()
    page.wait_for_function(f"{MASK}.value() !== null")
    init = ask(page, bench, "con máscara").init
    assert init is not None and init.inpaint is not None
    assert init.inpaint.mask.getbbox() == (80, 0, 160, 120)
    switch(page, "init-inpaint", on=False)


def test_results_are_sent_on(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    expect(field(page, "width")).to_have_value("128")  # the tab's own, which comes a moment after it
    field(page, "width").fill("192")
    field(page, "width").blur()
    ask(page, bench, "para enviar")
    part(page, "send-inpaint").click()
    mode(page, "img2img")
    expect(part(page, "init-inpaint").locator("input")).to_be_checked()
    expect(page.locator(".sd-canvas-mask .sd-canvas-picture")).to_be_in_viewport(ratio=0.5)
    expect(field(page, "width")).to_have_value("192")
    assert page.evaluate(f"{MASK}.value()") is None, "the mask belonged to the picture before"
    switch(page, "init-inpaint", on=False)
    init = ask(page, bench, "otra vuelta").init
    assert init is not None and init.images[0].width == 192
    part(page, "seed-reuse").click()
    seed = bench.studio.jobs.jobs()[-1].snapshot.images[0].seed
    expect(field(page, "seed")).to_have_value(str(seed))


def test_enlarging_a_result_and_an_uploaded_picture(page: Page, bench: Bench, photo: Path) -> None:
    tab(page, "txt2img")
    ask(page, bench, "para ampliar")
    part(page, "send-extras").click()
    mode(page, "extras")
    expect(part(page, "generate")).to_be_hidden()
    choose(page, "extras-enlargement-upscaler", "Remacri")
    field(page, "extras-enlargement-scale").fill("2")
    field(page, "extras-enlargement-scale").blur()
    part(page, "start-extras").click()
    expect(infotext(page)).to_have_value(re.compile("Postprocess upscale by: 2, Postprocess upscaler: Remacri$"))
    part(page, "extras-pictures").locator("input[type=file]").set_input_files([photo, photo])
    expect(part(page, "extras-pictures")).to_contain_text("foto")
    field(page, "extras-enlargement-upscaler").fill("Remacre")
    part(page, "start-extras").click()
    expect(said(page)).to_contain_text("No existe el upscaler «Remacre». ¿Querías decir «Remacri»?")
    choose(page, "extras-enlargement-upscaler", "Remacri")
    field(page, "extras-enlargement-scale").fill("3")
    field(page, "extras-enlargement-scale").blur()
    part(page, "start-extras").click()
    expect(infotext(page)).to_have_value("Postprocess upscale by: 3, Postprocess upscaler: Remacri")
    saved = bench.studio.jobs.jobs()[-1].snapshot.images[-1].path
    assert saved.is_relative_to(bench.folders.extras)
    assert Image.open(saved).size == (480, 360)


def test_beside_a_tool_are_only_the_results_of_its_own_work(page: Page, bench: Bench, photo: Path) -> None:
    tab(page, "txt2img")
    ask(page, bench, "un gato")
    nothing, shown = part(page, "nothing"), part(page, "gallery")
    expect(nothing).to_be_hidden()
    tab(page, "Convertir")
    expect(nothing).to_have_text("Aquí sale lo que hagas con esta herramienta.")
    for name in ("gallery", "send", "data", "progress"):
        expect(part(page, name)).to_be_hidden()
    tab(page, "Ampliar (Extras)")
    expect(nothing).to_be_visible()
    part(page, "extras-pictures").locator("input[type=file]").set_input_files([photo])
    expect(part(page, "extras-pictures")).to_contain_text("foto")
    part(page, "start-extras").click()
    expect(shown.locator(".sd-shown")).to_be_visible()
    expect(nothing).to_be_hidden()
    tab(page, "txt2img")
    expect(shown.locator(".sd-shown")).to_be_visible()


def test_a_preview_of_another_shape_has_nothing_behind_it(page: Page, bench: Bench) -> None:
    ask(page, bench, "la de antes")
    shown = page.locator(".sd-shown")
    expect(shown).to_have_css("opacity", "1")
    page.evaluate(
        "const { root, preview } = window.sdcolab.viewer; root.classList.add('sd-busy'); preview.hidden = true"
    )
    expect(shown).to_have_css("opacity", "0.25")
    page.evaluate("window.sdcolab.viewer.preview.hidden = false")
    expect(shown).to_have_css("opacity", "0")
    page.evaluate("window.sdcolab.viewer.update({ images: window.sdcolab.viewer.images })")
    expect(shown).to_have_css("opacity", "1")


PASTED = """obra maestra, <lora:Lineas:0.8>
Negative prompt: borroso
Steps: 31, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5.5, Seed: 4321, Size: 256x192, \
Model: no-esta, Clip skip: 2, Rareza: 7, Version: v1.10.1"""


def test_pasting_fills_the_form_and_says_what_it_cannot_use(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    field(page, "prompt").fill(PASTED)
    part(page, "paste").click()
    expect(field(page, "prompt")).to_have_value("obra maestra, <lora:Lineas:0.8>")
    expect(field(page, "steps")).to_have_value("31")
    for sentence in ("No se pudo usar tal cual:", "«no-esta»", "Rareza: 7"):
        expect(said(page)).to_contain_text(sentence)
    request = ask(page, bench, "obra maestra, <lora:Lineas:0.8>")
    assert (request.negative_prompt, request.sampler, request.schedule) == ("borroso", "DPM++ 2M", "Karras")
    assert (request.cfg_scale, request.seed, request.clip_skip) == (5.5, 4321, 2)
    assert (request.width, request.height, request.checkpoint) == (256, 192, "demo-128.safetensors")
    for name, value in (("steps", "20"), ("seed", "-1"), ("prompt", "")):
        field(page, name).fill(value)
        field(page, name).blur()
    part(page, "paste").click()
    expect(field(page, "seed")).to_have_value("4321")
    expect(field(page, "prompt")).to_have_value("obra maestra, <lora:Lineas:0.8>")


def test_the_data_of_a_sheet_bring_its_script_and_those_of_a_cell_take_it_away(page: Page, bench: Bench) -> None:
    cell = "un gato\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 64x64"
    tab(page, "txt2img")
    field(page, "prompt").fill(f'{cell}, Script: X/Y/Z plot, X Type: Steps, X Values: "4, 8"')
    part(page, "paste").click()
    expect(field(page, "script")).to_have_value("X/Y/Z plot")
    expect(field(page, "script-xyz-x_axis")).to_have_value(re.compile("Steps"))
    expect(field(page, "script-xyz-x_values")).to_have_value("4, 8")
    expect(field(page, "script-xyz-x_values")).to_be_visible()
    field(page, "prompt").fill(f"{cell}, Script: X/Y/Z plot, X Type: Seed, X Values: 1")
    part(page, "paste").click()
    expect(field(page, "script-xyz-x_axis")).to_have_value(re.compile("Seed"))
    field(page, "prompt").fill(cell)
    part(page, "paste").click()
    expect(field(page, "script")).to_have_value("Ninguno")
    expect(part(page, "script-xyz")).to_be_hidden()


def test_png_info_reads_a_picture_and_sends_it(page: Page, bench: Bench, photo: Path, tmp_path: Path) -> None:
    told = tmp_path / "contada.png"
    Image.new("RGB", (136, 88), "plum").save(told, pnginfo=png_text("un zorro\nSteps: 9, Sampler: DDIM, Seed: 5"))
    tab(page, "PNG Info")
    expect(part(page, "generate")).to_be_hidden()
    chooser = part(page, "pnginfo-picture").locator("input[type=file]")
    chooser.set_input_files(told)
    expect(part(page, "pnginfo-text").locator("textarea")).to_have_value(re.compile("^un zorro\nSteps: 9"))
    part(page, "pnginfo-txt2img").click()
    mode(page, "txt2img")
    expect(field(page, "prompt")).to_have_value("un zorro")
    expect(field(page, "steps")).to_have_value("9")
    expect(said(page)).to_contain_text("Los datos están en el formulario.")
    for name, value in (("prompt", "otra cosa"), ("steps", "3"), ("seed", "-1")):
        field(page, name).fill(value)
        field(page, name).blur()
    tab(page, "PNG Info")
    part(page, "pnginfo-img2img").click()
    mode(page, "img2img")
    expect(field(page, "width")).to_have_value("136")
    request = ask(page, bench, "un zorro")
    assert request.init is not None and request.init.images[0].size == (136, 88)
    assert (request.steps, request.sampler, request.seed) == (9, "DDIM", 5)
    field(page, "seed").fill("-1")
    field(page, "seed").blur()
    tab(page, "PNG Info")
    part(page, "pnginfo-picture").get_by_role("button", name="Quitar la imagen").click()
    chooser.set_input_files(photo)
    expect(part(page, "pnginfo-message")).to_contain_text("no contiene datos de generación")
    expect(part(page, "pnginfo-text").locator("textarea")).to_have_value("")


def test_a_lora_is_added_with_its_words(page: Page) -> None:
    tab(page, "txt2img")
    field(page, "prompt").fill("una niña")
    choose(page, "lora", "Lineas")
    expect(field(page, "prompt")).to_have_value("una niña, <lora:Lineas:1>, thick lines, anime")
    expect(field(page, "lora")).to_have_value("")


def test_a_script_takes_the_generation_over(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    expect(part(page, "script-xyz")).to_be_hidden()
    choose(page, "script", "X/Y/Z plot")
    expect(part(page, "script-xyz")).to_be_visible()
    field(page, "script-xyz-x_values").fill("1, 2")
    field(page, "prompt").fill("muchas")
    last = len(bench.studio.jobs.jobs())
    part(page, "generate").click()
    for _ in range(600):  # the page may still say that the job before is done
        if len(bench.studio.jobs.jobs()) > last:
            break
        page.wait_for_timeout(50)
    expect(part(page, "progress")).to_contain_text("Listo")
    task = bench.studio.jobs.jobs()[-1].task
    assert isinstance(task, Grid) and isinstance(task.script, XyzPlot)
    assert (task.request.prompt, task.script.x_axis, task.script.x_values) == ("muchas", "Seed", "1, 2")
    field(page, "script-xyz-x_values").fill("uno")
    part(page, "generate").click()
    expect(part(page, "form-message").locator(".sd-error")).to_be_visible()
    choose(page, "script", "Ninguno")
    expect(part(page, "form-message").locator(".sd-error")).to_have_count(0)


def test_the_focus_goes_on_from_an_open_list_to_the_next_control(page: Page) -> None:
    tab(page, "txt2img")
    choose(page, "script", "X/Y/Z plot")
    field(page, "script-xyz-x_axis").click()
    expect(page.get_by_role("option", name="Sampler", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(field(page, "script-xyz-x_values")).to_be_focused()
    choose(page, "script", "Ninguno")


def test_prompts_are_read_from_a_file(page: Page, tmp_path: Path) -> None:
    tab(page, "txt2img")
    choose(page, "script", "Prompts from file or textbox")
    for content in ("un año\nun gato".encode(), "un año\nun gato".encode("cp1252")):
        field(page, "script-lines-text").fill("otra cosa")
        (tmp_path / "prompts.txt").write_bytes(content)
        with page.expect_file_chooser() as chooser:
            part(page, "lines-file").click()
        chooser.value.set_files(tmp_path / "prompts.txt")
        expect(field(page, "script-lines-text")).to_have_value("un año\nun gato")
    choose(page, "script", "Ninguno")


def test_a_plot_is_filled_counted_and_shown_cell_by_cell(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    choose(page, "script", "X/Y/Z plot")
    choose(page, "script-xyz-x_axis", "Sampler")
    part(page, "fill-x").click()
    expect(field(page, "script-xyz-x_values")).to_have_value(re.compile("^DPM\\+\\+ 2M,.*Euler a,Euler"))
    field(page, "script-xyz-x_values").fill("Euler a")
    choose(page, "pick-x", "DDIM")
    expect(field(page, "script-xyz-x_values")).to_have_value("Euler a, DDIM")
    part(page, "swap-xy").click()
    expect(field(page, "script-xyz-y_values")).to_have_value("Euler a, DDIM")
    expect(part(page, "pick-x")).to_be_hidden()
    expect(part(page, "fill-x")).to_be_hidden()
    part(page, "swap-xy").click()
    expect(field(page, "script-xyz-x_axis")).to_have_value("Sampler")
    choose(page, "script-xyz-y_axis", "Prompt S/R · Buscar y reemplazar")
    field(page, "script-xyz-y_values").fill("gato, perro")
    field(page, "prompt").fill("un zorro")
    expect(part(page, "forecast")).to_contain_text("no está en tu prompt")
    field(page, "prompt").fill("un gato")
    field(page, "script-xyz-y_values").fill("gato, perro, pez")
    expect(part(page, "forecast")).to_contain_text("Se harán 6 imágenes")
    before = len(bench.generator.requests)
    part(page, "generate").click()
    expect(part(page, "progress")).to_contain_text("Listo: 7 imágenes")
    made = bench.generator.requests[before:]
    assert [(one.sampler, one.prompt) for one in made][:3] == [
        ("Euler a", "un gato"),
        ("DDIM", "un gato"),
        ("Euler a", "un perro"),
    ]
    expect(infotext(page)).to_have_value(re.compile("Script: X/Y/Z plot"))

    # Pressed on the sheet, a cell is opened, and its data are used; the keys go on from there.
    cells = page.locator(".sd-cell")
    expect(cells).to_have_count(6)
    page.get_by_role("button", name="Abrir Sampler: DDIM, Prompt S/R: perro").click()
    expect(infotext(page)).to_have_value(re.compile("^un perro\n.*Sampler: DDIM", re.DOTALL))
    expect(page.locator(".sd-count")).to_have_text("4 de 6")
    page.locator(".sd-cell-bar").get_by_role("button", name="Usar sus datos").click()
    expect(field(page, "prompt")).to_have_value("un perro")
    page.get_by_role("button", name="Volver a la cuadrícula").click()
    expect(cells.nth(3)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    expect(cells.nth(4)).to_be_focused()
    page.keyboard.press("Enter")
    expect(infotext(page)).to_have_value(re.compile("^un pez\n.*Sampler: Euler a", re.DOTALL))
    page.locator(".sd-strip button").first.click()
    expect(cells).to_have_count(6)
    choose(page, "script", "Ninguno")


def test_wildcard_lists_are_edited(page: Page, bench: Bench, tmp_path: Path) -> None:
    tab(page, "Comodines")
    tree = part(page, "wildcard")
    tree.get_by_text("poses", exact=True).click()
    expect(field(page, "wildcard-text")).to_have_value(re.compile("standing"))
    expect(field(page, "wildcard-mention")).to_have_value("__poses__")
    field(page, "wildcard-name").fill("mis colores")
    field(page, "wildcard-text").fill("rojo\nazul")
    part(page, "wildcard-save").click()
    expect(part(page, "wildcard-message")).to_contain_text("Lista «mis colores.txt» guardada.")
    assert (bench.studio.folders.wildcards / "mis colores.txt").read_text("utf-8") == "rojo\nazul"
    field(page, "wildcard-name").fill("../fuera")
    part(page, "wildcard-save").click()
    expect(part(page, "wildcard-message")).to_contain_text("no se puede guardar")
    with zipfile.ZipFile(tmp_path / "listas.zip", "w") as archive:
        archive.writestr("bichos/mar/peces.txt", "atún\nlubina")
    part(page, "wildcard-zip").locator("input[type=file]").set_input_files(tmp_path / "listas.zip")
    expect(part(page, "wildcard-message")).to_contain_text("bichos/mar/peces.txt")
    expect(tree).to_contain_text("bichos/")
    tree.get_by_text("peces").click()
    expect(field(page, "wildcard-text")).to_have_value("atún\nlubina")
    expect(field(page, "wildcard-mention")).to_have_value("__bichos/mar/peces__")
    tab(page, "txt2img")


def test_the_queue_is_emptied(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    bench.hold(1)
    before = len(bench.generator.requests)
    generate(page, "la primera")
    expect(part(page, "interrupt")).to_be_enabled()
    expect(part(page, "empty-queue")).to_be_hidden()
    generate(page, "la segunda")
    expect(part(page, "progress")).to_contain_text("1 trabajo más en espera")  # a second click at once counts for none
    generate(page, "la tercera")
    expect(part(page, "progress")).to_contain_text("2 trabajos más en espera")
    part(page, "empty-queue").click()
    expect(said(page)).to_contain_text("Cola vacía: 2 trabajos quitados.")
    expect(part(page, "empty-queue")).to_be_hidden()
    bench.let_go()
    expect(infotext(page)).to_have_value(re.compile("^la primera"))
    assert len(bench.generator.requests) == before + 1


def test_a_phone_shows_everything_and_paints_with_a_finger(visit: Visit, bench: Bench, photo: Path) -> None:
    page = visit(**PHONE | {"viewport": {"width": 360, "height": 740}})
    for name in ("txt2img", "img2img"):
        tab(page, name)
        assert overflow(page) == 0, name
    part(page, "init-images").locator("input[type=file]").set_input_files(photo)
    switch(page, "init-inpaint", on=True)
    canvas = page.locator(".sd-canvas-marks")
    expect(canvas).to_be_visible()
    canvas.tap()
    page.get_by_role("button", name="Ajustes", exact=True).click()
    for title in ("Avanzado", "Semilla: opciones", "Ajustes finos: schedule"):
        unfold(page, title)
    assert overflow(page) == 0
    folds = [fold.bounding_box() for fold in page.locator("#sd-settings button.label-wrap:visible").all()]
    assert folds and all(box and box["height"] >= 44 for box in folds)
    page.get_by_role("button", name="Cerrar los ajustes").click()
    init = ask(page, bench, "con el dedo").init
    assert init is not None and init.inpaint is not None and init.inpaint.mask.getbbox()
    expect(part(page, "generate")).to_be_in_viewport()
    small = page.evaluate(
        """() => [...document.querySelectorAll("#sd-page button")]
            .filter(button => button.offsetParent && (/^sd-/.test(button.id) || button.dataset.tool))
            .filter(button => button.getBoundingClientRect().height < 40).map(button => button.id)"""
    )
    assert [name for name in small if name != "sd-paste"] == []


def test_a_preprocessor_brings_the_model_that_goes_with_it(page: Page, bench: Bench) -> None:
    folder = bench.folders.models(ModelKind.CONTROLNET)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "control_v11p_sd15_canny.safetensors").write_bytes(b"x")
    part(page, "refresh").click()
    unfold(page, "ControlNet")
    switch(page, "control-0", on=True)
    choose(page, "control-0-module", "canny")
    expect(field(page, "control-0-model")).to_have_value("control_v11p_sd15_canny.safetensors")
    unfold(page, "Más opciones de la unidad")
    expect(part(page, "control-0-threshold_a")).to_contain_text("Umbral bajo")
    expect(part(page, "control-0-threshold_a")).not_to_contain_text("-1 =")


def test_a_type_of_control_leaves_what_serves_it(page: Page, bench: Bench) -> None:
    folder = bench.folders.models(ModelKind.CONTROLNET)
    (folder / "control_v11f1p_sd15_depth.safetensors").write_bytes(b"x")
    part(page, "refresh").click()
    choose(page, "control-0-kind", "Depth")
    expect(field(page, "control-0-module")).to_have_value("depth_midas")
    expect(field(page, "control-0-model")).to_have_value("control_v11f1p_sd15_depth.safetensors")
    expect(part(page, "weights-control-0")).to_contain_text("dpt_hybrid-midas")
    part(page, "refresh").click()
    page.wait_for_timeout(300)
    field(page, "control-0-model").click()
    expect(page.get_by_role("option", name="control_v11f1p_sd15_depth")).to_be_visible()
    expect(page.get_by_role("option", name="control_v11p_sd15_canny")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(part(page, "get-weights-control-0")).to_be_visible()
    choose(page, "control-0-module", "none")
    expect(part(page, "get-weights-control-0")).to_be_hidden()
    switch(page, "control-0", on=False)


def test_what_is_drawn_is_a_scribble_and_its_unit_can_be_named_and_folded(page: Page) -> None:
    switch(page, "control-1", on=True)
    marks = part(page, "control-1-drawing").locator(".sd-canvas-marks")
    marks.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = marks.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(field(page, "control-1-kind")).to_have_value("Scribble")
    expect(field(page, "control-1-module")).to_have_value("scribble_xdog")
    page.get_by_role("button", name="Más opciones de la unidad").click()
    field(page, "control-1-title").fill("el contorno")
    expect(part(page, "control-1")).to_contain_text("ControlNet 2 · el contorno")
    fold = page.get_by_role("button", name="Plegar o desplegar la unidad")
    fold.click()
    expect(part(page, "control-1-kind")).to_be_hidden()
    expect(part(page, "control-1").locator("input")).to_be_checked()
    fold.click()
    expect(part(page, "control-1-kind")).to_be_visible()
    switch(page, "control-1", on=False)
    expect(fold).to_be_hidden()


def test_a_result_is_followed_by_a_unit(page: Page, bench: Bench) -> None:
    tab(page, "txt2img")
    ask(page, bench, "una casa")
    part(page, "send-control").click()
    expect(part(page, "control-0").locator("input[type=checkbox]")).to_be_checked()
    expect(part(page, "control-0-images")).to_contain_text(".png")
    expect(part(page, "control-0")).to_be_in_viewport()
    expect(page.get_by_text("La imagen es la muestra de «ControlNet 1»")).to_be_visible()
    page.wait_for_function("window.sdcolab.canvases['sd-control-0-drawing']?.url")  # seen where it can be drawn on
    switch(page, "control-0", on=False)
