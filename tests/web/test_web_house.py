"""The house of the page: what hurt at every picture, each with a visitor who does it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from web_fakes import Bench
from web_visitor import Visit, field, generate, infotext, part, tab

from sdcolab.core.outputs import png_text

pytestmark = pytest.mark.navegador


def test_a_new_picture_takes_neither_the_focus_nor_what_is_being_typed(page: Page, bench: Bench) -> None:
    bench.hold(2)
    generate(page, "lo que se hace")
    expect(part(page, "progress")).to_contain_text("paso 1 de 20")
    assert page.title().endswith("% · sdcolab"), "the tab says how far it is"
    field(page, "negative_prompt").click()
    page.keyboard.type("mientras ")
    scrolled = part(page, "form").evaluate("form => form.scrollTop")
    bench.let_go()
    expect(infotext(page)).to_have_value(re.compile("^lo que se hace"))
    page.keyboard.type("tanto")
    expect(field(page, "negative_prompt")).to_have_value("mientras tanto")
    assert part(page, "form").evaluate("form => form.scrollTop") == scrolled
    for name in ("generate", "prompt", "send-img2img"):
        expect(part(page, name)).to_be_in_viewport()
    expect(page.locator(".sd-shown")).to_be_in_viewport(ratio=1)
    expect(page).to_have_title("sdcolab")


def test_a_new_job_keeps_the_pictures_in_sight(page: Page, bench: Bench) -> None:
    bench.hold(1)
    generate(page, "la siguiente")
    expect(part(page, "progress").get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".sd-shown")).to_be_visible()
    bench.let_go()
    expect(page.locator(".sd-thumb")).to_have_count(2)
    page.keyboard.press("Alt+ArrowLeft")
    expect(infotext(page)).to_have_value(re.compile("^lo que se hace"))
    page.keyboard.press("Alt+ArrowRight")
    expect(infotext(page)).to_have_value(re.compile("^la siguiente"))


def test_each_tab_has_its_size(page: Page) -> None:
    part(page, "size-portrait").click()
    expect(field(page, "height")).to_have_value("192")
    tab(page, "img2img")
    part(page, "size-double").click()
    expect(field(page, "width")).to_have_value("256")
    tab(page, "txt2img")
    expect(field(page, "width")).to_have_value("128")
    tab(page, "img2img")
    expect(field(page, "width")).to_have_value("256")
    page.go_back()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "txt2img")


def test_weights_with_the_keyboard(page: Page) -> None:
    prompt = field(page, "prompt")
    prompt.fill("un gato naranja")
    prompt.evaluate("area => area.setSelectionRange(5, 5)")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("un (gato:1.1) naranja")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("un (gato:1.2) naranja")
    for _ in range(2):
        prompt.press("Control+ArrowDown")
    expect(prompt).to_have_value("un gato naranja")


DROP = """([name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_picture_dropped_anywhere_asks_what_to_do_and_outlives_a_reload(page: Page, tmp_path: Path) -> None:
    told = tmp_path / "contada.png"
    Image.new("RGB", (136, 88), "plum").save(told, pnginfo=png_text("un zorro\nSteps: 9, Sampler: DDIM, Seed: 5"))
    page.evaluate(DROP, ["contada.png", list(told.read_bytes())])
    page.get_by_role("button", name="Pintar una parte (inpaint)").click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "img2img")
    expect(field(page, "prompt")).to_have_value("un zorro")
    expect(field(page, "steps")).to_have_value("9")
    expect(field(page, "width")).to_have_value("136")
    canvas = page.locator(".sd-canvas-mask .sd-canvas-marks")
    expect(canvas).to_be_visible()
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    canvas.click()
    painted = "window.sdcolab.canvases['sd-init-inpaint-mask']?.value()"
    page.wait_for_function(f"{painted} != null")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "img2img")
    expect(part(page, "init-images").locator("img")).to_be_visible()
    page.wait_for_function(f"{painted} != null")


def test_a_dropped_picture_without_data_is_told_of_where_it_is_seen(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "plum").save(tmp_path / "sola.png")
    tab(page, "Galería")
    page.evaluate(DROP, ["sola.png", list((tmp_path / "sola.png").read_bytes())])
    page.get_by_role("button", name="Usar sus datos", exact=True).last.click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "txt2img")
    expect(part(page, "form-message")).to_contain_text("«sola.png» no contiene datos de generación.")
    expect(part(page, "form-message")).to_be_visible()


def test_a_file_that_is_no_picture_is_told_which_kinds_are(page: Page) -> None:
    tab(page, "txt2img")
    page.evaluate(DROP, ["un $& modelo.safetensors", [1, 2]])
    told = page.get_by_role("dialog", name="«un $& modelo.safetensors» no es una imagen: aquí se sueltan PNG, JPG,")
    expect(told).to_be_visible()
    told.get_by_role("button", name="Entendido").click()
    expect(told).to_be_hidden()


def test_what_does_nothing_is_told_before_generating(page: Page) -> None:
    tab(page, "txt2img")
    remarks = part(page, "remarks")
    field(page, "prompt").fill("un gato {rojo|azul} <lora:falta:1>")
    field(page, "negative_prompt").fill("EasyNegative")
    expect(remarks).to_contain_text("El signo {…|…} no hace nada aquí sin los prompts dinámicos")
    expect(remarks).to_contain_text("No tienes el LoRA de <lora:falta:1>")
    expect(remarks.get_by_role("button", name="Descargar")).to_have_count(1)
    field(page, "prompt").fill("un gato")
    field(page, "negative_prompt").fill("")
    expect(remarks).to_be_empty()
    field(page, "width").fill("500")
    field(page, "width").blur()
    expect(remarks).to_contain_text("Usa un múltiplo de 8.")
    field(page, "width").fill("512")
    field(page, "width").blur()
    expect(remarks).to_contain_text("512 píxeles es mucho para este modelo")
    part(page, "size-square").click()
    expect(remarks).to_be_empty()


def test_a_slow_device_hears_of_what_a_button_filled_in(page: Page) -> None:
    tab(page, "txt2img")
    remarks, wire = part(page, "remarks"), page.context.new_cdp_session(page)
    field(page, "width").fill("512")
    field(page, "width").blur()
    expect(remarks).to_contain_text("512 píxeles es mucho para este modelo")
    wire.send("Emulation.setCPUThrottlingRate", {"rate": 12})  # the form is read before the button's event is sent
    part(page, "size-square").click()
    expect(remarks).to_be_empty()
    wire.send("Emulation.setCPUThrottlingRate", {"rate": 1})


def test_latent_couple_is_told_while_it_is_on_and_ended_with_one_tap(visit: Visit) -> None:
    page = visit()
    tab(page, "txt2img")
    remarks, switch = part(page, "remarks"), part(page, "regions").locator("input")
    switch.check()
    field(page, "prompt").fill("calle AND gato AND perro")
    told = "Latent Couple está activado: 3 partes del prompt se dibujan solo en su zona."
    expect(remarks).to_contain_text(told)
    part(page, "section-controlnet").get_by_role("button", name="ControlNet").click()
    part(page, "control-1").locator("input").check()
    folded = part(page, "section-controlnet").get_by_role("button", name="ControlNet · 1 en uso")
    expect(folded).to_be_visible()
    page.reload()
    expect(remarks).to_contain_text(told)
    expect(folded).to_be_visible()
    remarks.get_by_role("button", name="Desactivar Zonas (Latent Couple)").click()
    expect(switch).not_to_be_checked()
    expect(remarks).to_be_empty()


def test_the_picture_of_a_unit_outlives_a_reload_and_without_it_the_unit_is_off(
    visit: Visit, bench: Bench, tmp_path: Path
) -> None:
    sample = tmp_path / "muestra.png"
    Image.new("RGB", (64, 64), "plum").save(sample)
    page = visit()
    tab(page, "txt2img")
    fold = part(page, "section-controlnet").get_by_role("button", name="ControlNet")
    fold.click()
    part(page, "control-0").locator("input").check()
    part(page, "control-0-images").locator("input[type=file]").set_input_files(sample)
    expect(part(page, "control-0-images")).to_contain_text("muestra")
    part(page, "control-1").locator("input").check()
    drawn = part(page, "control-1-drawing").locator(".sd-canvas-marks")
    drawn.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    drawn.click()
    kept = "JSON.parse(sessionStorage.getItem('sdcolab-imagenes') || '{}')['control.0.images']?.length"
    page.wait_for_function(kept)
    page.reload()
    expect(fold).to_have_text(re.compile("2 en uso"))
    generate(page, "sin abrir la sección")
    expect(infotext(page)).to_have_value(re.compile("^sin abrir"))
    first, second = bench.generator.requests[-1].control
    assert (len(first.images), first.images[0].size) == (1, (64, 64))
    assert second.drawing is not None
    page.add_init_script('sessionStorage[\'sdcolab-imagenes\'] = \'{"control.0.images": [{"url": "http://"}]}\'')
    page.reload()
    expect(part(page, "form-message")).to_contain_text("La unidad 1 de ControlNet se desactivó")
    expect(fold).to_have_text(re.compile("1 en uso"))


_LEAVE_AT_ONCE = """() => {
  const later = window.setTimeout;
  window.setTimeout = (act, wait, ...rest) => later(act, wait === 250 ? 1e8 : wait, ...rest);  // nobody rests so long
  document.querySelector("#sd-regions input").click();
  window.dispatchEvent(new Event("beforeunload"));
}"""


def test_what_was_changed_in_the_moment_before_a_reload_is_kept(visit: Visit) -> None:
    page = visit()
    page.wait_for_function("() => window.sdcolabFilled")
    page.evaluate(_LEAVE_AT_ONCE)
    page.wait_for_function("() => JSON.parse(sessionStorage.getItem('sdcolab-formulario') || '{}').regions === true")


def test_light_dark_and_as_the_system(page: Page) -> None:
    look = page.get_by_role("button", name="Aspecto: claro, oscuro o el del sistema")
    for dark in (False, True, False):
        look.click()
        expect(page.locator("html")).to_have_class(re.compile("dark") if dark else re.compile("^(?!.*dark)"))


SHIFTS = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
  }).observe({ type: "layout-shift" });
}"""


def test_nothing_jumps_while_generating(page: Page, bench: Bench) -> None:
    page.evaluate(SHIFTS)
    bench.hold(2)
    generate(page, "sin saltos")
    expect(part(page, "progress")).to_contain_text("paso 1 de")
    bench.let_go()
    expect(infotext(page)).to_have_value(re.compile("^sin saltos"))
    assert page.evaluate("window.shifted") <= 0.05


def test_the_question_mark_tells_the_guide_s_advice_and_gives_the_focus_back(page: Page) -> None:
    sign = page.get_by_role("button", name="Ayuda: Pasos")
    sign.click()
    card = page.get_by_role("dialog", name="Ayuda: Pasos")
    expect(card).to_contain_text("De 20 a 50")
    picture = card.get_by_role("img", name="Pasos: 40")
    expect(picture).to_have_css("background-image", re.compile("/sdcolab/file/ayuda/strip/steps"))
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(sign).to_be_focused()
    page.get_by_role("button", name="Ayuda: Sampler", exact=True).click()
    without = page.get_by_role("dialog", name="Ayuda: Sampler", exact=True)
    expect(without.locator("p").last).to_be_visible()
    expect(without).not_to_contain_text("null")
    page.keyboard.press("Escape")


def test_an_upscaler_that_is_not_here_offers_its_download(page: Page) -> None:
    tab(page, "Ampliar (Extras)")
    page.locator("#sd-extras-enlargement-upscaler input").click()
    page.get_by_role("option", name="⬇️ R-ESRGAN 4x+ (por descargar)").click()
    said = part(page, "form-message")
    expect(said).to_be_visible()
    expect(said).to_contain_text("«R-ESRGAN 4x+» todavía no está en este equipo: son 67 MB.")
    said.get_by_role("button", name="Descargar").click()
    expect(said).to_contain_text("Descargando R-ESRGAN 4x+")
    tab(page, "txt2img")


def test_the_bar_holds_what_is_wanted_at_once_and_after_a_reload(page: Page) -> None:
    tab(page, "Ajustes")
    page.get_by_role("button", name="Pasos", exact=True).click()
    expect(page.locator("#sd-bar #sd-steps")).to_be_visible()
    page.reload()
    expect(page.locator("#sd-bar #sd-steps")).to_be_visible()
    page.get_by_role("button", name="Pasos", exact=True).click()
    expect(page.locator("#sd-bar #sd-steps")).to_have_count(0)
    tab(page, "txt2img")
    expect(page.locator("#sd-section-parameters #sd-steps")).to_have_count(1)


def test_the_queue_tells_what_was_asked_and_by_whom(page: Page) -> None:
    tab(page, "Cola")
    first = page.locator(".sd-queue-job").first
    expect(first).to_contain_text("sin saltos")
    expect(first).to_contain_text("Lo pidió la página")
    tab(page, "txt2img")


def test_a_tool_says_what_it_lacks_where_it_can_be_seen(page: Page) -> None:
    tab(page, "Ampliar (Extras)")
    part(page, "start-extras").click()
    expect(part(page, "form-message").get_by_role("alert")).to_be_in_viewport()
    tab(page, "txt2img")


def test_what_leaves_the_bar_goes_back_to_its_place_in_the_form(page: Page) -> None:
    before = part(page, "sampler").evaluate("control => control.nextElementSibling?.id")
    for shown in (True, False, True, False):
        tab(page, "Ajustes")
        page.get_by_role("button", name="Sampler", exact=True).click()
        expect(page.locator("#sd-bar #sd-sampler")).to_have_count(int(shown))
        tab(page, "txt2img")
    expect(part(page, "sampler")).to_be_visible()
    assert part(page, "sampler").evaluate("control => control.nextElementSibling?.id") == before == "sd-schedule"


def test_no_section_of_the_form_scrolls_sideways(page: Page) -> None:
    wide = page.evaluate(
        """() => [...document.querySelectorAll("#sd-settings *")]
        .filter((box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1)
        .filter((box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX) && !box.matches("textarea"))
        .map((box) => `${box.id || box.className}: ${box.innerText.slice(0, 40)}`)"""
    )
    assert wide == []


FOOT = """() => [...document.querySelectorAll("#sd-actions .row > button")]
  .filter((one) => one.checkVisibility())
  .map((one) => ({
    top: one.getBoundingClientRect().top, height: one.offsetHeight, cut: one.scrollWidth > one.clientWidth,
  }))"""
COVERED = """(ids) => ids.filter((id) => {
  const words = document.querySelector(`#sd-${id} [data-testid=block-info]`), box = words.getBoundingClientRect();
  words.style.pointerEvents = "auto";
  const above = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  words.style.pointerEvents = "";
  return above !== words;
})"""


def test_the_foot_is_level_and_no_word_of_it_is_cut(page: Page) -> None:
    for width, height in ((390, 844), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        for name in ("txt2img", "Mezclar", "Entrenar"):
            tab(page, name)
            buttons = page.evaluate(FOOT)
            assert len(buttons) > 1
            assert len({(one["top"], one["height"]) for one in buttons}) == 1, name
            assert not any(one["cut"] for one in buttons), name


def test_nothing_lies_over_the_labels_of_the_bar(page: Page) -> None:
    tab(page, "txt2img")
    assert page.evaluate(COVERED, ["checkpoint", "vae", "clip_skip"]) == []


def test_the_label_of_a_box_of_files_is_clear_of_its_drawing(page: Page) -> None:
    tab(page, "Comodines")
    box = part(page, "wildcard-zip")
    label, drawing = (box.locator(one).bounding_box() for one in ("[data-testid=block-label]", "button svg"))
    assert label and drawing
    assert label["y"] + label["height"] <= drawing["y"]
    expect(box.locator("[data-testid=block-label] svg")).to_be_hidden()
