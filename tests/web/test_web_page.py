"""The page in a real browser, with a real queue and a generator that can be held at a step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect
from support.queues import queue_of
from web_fakes import Bench
from web_visitor import (
    PASSWORD,
    PATIENCE,
    PHONE,
    USER,
    Visit,
    Visitor,
    choose,
    field,
    generate,
    infotext,
    overflow,
    part,
    write,
)

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import QueueUnreadable
from sdcolab.core.outputs import PARAMETERS_KEY
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.words import gradio
from sdcolab.core.words.faces import NO_STYLES
from sdcolab.studio.layout import LAYOUT, TabKind
from sdcolab.web.app import Server, serve

pytestmark = pytest.mark.navegador
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("Access is denied", "SecurityError"); } });"""
"""What another site's frame (Colab's cell) has in a browser that blocks others' cookies."""

# --- Coming in ----------------------------------------------------------------------------------------------------


def test_log_in_with_the_form(browser: Browser, server: Server) -> None:
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(f"{server.url}/login")
    page.get_by_label("Usuario").fill(USER)
    page.get_by_label("Contraseña").fill("otra")
    page.get_by_role("button", name="Entrar").click()
    expect(page.get_by_role("alert")).to_have_text("El usuario o la contraseña no son correctos.")
    page.get_by_label("Usuario").fill(USER)
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Entrar").click()
    expect(part(page, "generate")).to_be_visible(timeout=PATIENCE)
    expect(page).to_have_title("sdcolab")
    context.close()


def test_a_browser_that_keeps_nothing_shows_what_is_made(browser: Browser, server: Server) -> None:
    context = browser.new_context(base_url=server.url)
    context.add_init_script(NO_STORAGE)
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto("/")
    page.get_by_label("Usuario").fill(USER)
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Entrar").click()
    expect(part(page, "generate")).to_be_visible(timeout=PATIENCE)
    look = page.locator(".sd-look")
    look.click()
    expect(look).to_have_class(re.compile("sd-icon-sun"))
    generate(page, "un gato")
    expect(infotext(page)).to_have_value(re.compile("un gato"))
    assert trouble == []
    context.close()


def test_what_a_full_browser_did_not_keep_gives_way_to_what_it_keeps_later(visit: Visit) -> None:
    page = visit()
    look = page.locator(".sd-look")
    page.evaluate("""() => {
      window.plainSet = Storage.prototype.setItem;
      Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
    }""")
    look.click()
    expect(look).to_have_class(re.compile("sd-icon-sun"))
    page.evaluate("() => { Storage.prototype.setItem = window.plainSet; }")
    look.click()
    expect(look).to_have_class(re.compile("sd-icon-moon"))
    look.click()
    expect(look).to_have_class(re.compile("sd-icon-contrast"))


@pytest.mark.parametrize("options", [{}, PHONE], ids=["ancha", "teléfono"])
def test_log_out_with_the_button(browser: Browser, server: Server, options: dict[str, Any]) -> None:
    visitor = Visitor(browser, server, options)
    page = visitor.open()
    page.get_by_role("button", name="Cerrar sesión").click()
    expect(page.get_by_label("Contraseña")).to_be_visible()
    page.goto("/")
    expect(page).to_have_url(re.compile("/login$"))
    visitor.context.close()
    # What the page asked before leaving may be answered afterwards: it is refused, and gradio throws that answer.
    assert [trouble for trouble in visitor.trouble if "401" not in trouble and trouble != "Response"] == []


def test_a_damaged_queue_is_told_on_the_page_once(visit: Visit, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = QueueUnreadable(path=Path("cola.json"), backup=Path("cola.dañada.json"))
    monkeypatch.setattr(bench.studio.jobs._ledger, "_trouble", lost)
    expect(part(visit(), "form-message")).to_contain_text("trabajos pendientes")
    assert bench.studio.jobs.take_trouble() is None


def test_a_damaged_form_is_told_on_the_page(browser: Browser, server: Server, bench: Bench) -> None:
    bench.studio.last_form.path.parent.mkdir(parents=True, exist_ok=True)
    bench.studio.last_form.path.write_bytes(b"[" * 200_000)
    visitor = Visitor(browser, server, {})  # the only page: another one's opening might read the file first
    page = visitor.open()
    expect(part(page, "form-message")).to_contain_text("está dañada")
    expect(field(page, "steps")).to_have_value("20")
    visitor.context.close()
    assert visitor.trouble == []


def test_a_session_that_ended_leads_to_the_login_page(browser: Browser, server: Server, bench: Bench) -> None:
    visitor = Visitor(browser, server, {})
    page = visitor.open()
    visitor.context.clear_cookies()
    expect(page).to_have_url(f"{server.url}/login", timeout=PATIENCE)
    visitor.context.close()


# --- Generating ---------------------------------------------------------------------------------------------------


def test_generate_see_progress_preview_image_and_infotext(visit: Visit, bench: Bench, tmp_path: Path) -> None:
    page = visit()
    bench.hold(12)
    generate(page, "un gato naranja", negative_prompt="perro", seed="1234")
    bar = part(page, "progress").get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "55")
    expect(part(page, "progress")).to_contain_text("Generando… paso 11 de 20")
    expect(page.get_by_alt_text("Vista previa")).to_be_visible()
    expect(part(page, "interrupt")).to_be_enabled()
    bench.let_go()
    expect(part(page, "progress")).to_contain_text("Listo: 1 imagen guardada.")
    expect(page.get_by_alt_text("Vista previa")).to_be_hidden()
    expect(part(page, "gallery").locator("img.sd-shown")).to_be_visible()
    expect(infotext(page)).to_have_value(
        re.compile(r"^un gato naranja\nNegative prompt: perro\n.*Seed: 1234, Size: 128x128")
    )
    expect(part(page, "interrupt")).to_be_disabled()
    assert bench.generator.requests[-1].steps == 20

    with page.expect_download() as waiting:
        part(page, "download").click()
    saved = tmp_path / "bajada.png"
    waiting.value.save_as(saved)
    original = bench.studio.jobs.jobs()[-1].snapshot.images[0].path
    assert saved.read_bytes() == original.read_bytes()
    assert waiting.value.suggested_filename == original.name
    assert Image.open(saved).info[PARAMETERS_KEY].startswith("un gato naranja")


def test_loading_the_model_is_shown(visit: Visit, bench: Bench) -> None:
    page = visit()
    bench.hold(0)
    generate(page, "un gato")
    expect(part(page, "progress")).to_contain_text("Cargando modelo… demo-128.safetensors")
    bench.let_go()
    expect(part(page, "progress")).to_contain_text("Listo")


def test_interrupt(visit: Visit, bench: Bench) -> None:
    page = visit()
    bench.hold(5)
    generate(page, "un gato")
    expect(part(page, "progress")).to_contain_text("paso 4 de 20")
    part(page, "interrupt").click()
    expect(part(page, "problems")).to_contain_text("Se interrumpió el trabajo.")
    expect(part(page, "problems").locator(".sd-error")).to_have_count(0)
    expect(part(page, "interrupt")).to_be_disabled()


def test_ctrl_enter_generates(visit: Visit, bench: Bench) -> None:
    page = visit()
    before = len(bench.generator.requests)
    field(page, "prompt").fill("con el teclado")
    field(page, "prompt").press("Control+Enter")
    expect(infotext(page)).to_have_value(re.compile(r"^con el teclado\n"))
    assert len(bench.generator.requests) == before + 1


def test_each_image_shows_its_own_infotext_and_seeds_are_reused(visit: Visit) -> None:
    page = visit()
    generate(page, "tres", batch_count="3", seed="70")
    expect(part(page, "progress")).to_contain_text("3 imágenes guardadas")
    expect(infotext(page)).to_have_value(re.compile("Seed: 72"))
    thumbnails = part(page, "gallery").locator(".sd-thumb")  # the newest first
    thumbnails.nth(2).click()
    expect(infotext(page)).to_have_value(re.compile("Seed: 70"))
    part(page, "seed-random").click()
    expect(field(page, "seed")).to_have_value("-1")
    part(page, "seed-reuse").click()
    expect(field(page, "seed")).to_have_value("70")


def test_the_form_becomes_the_request(visit: Visit, bench: Bench) -> None:
    page = visit()
    choose(page, "sampler", "DPM++ 2M")
    choose(page, "schedule", "Karras")
    write(page, "todo", steps="7", width="192", height="256", cfg_scale="5.5", batch_size="2", seed=str(2**64 - 2))
    part(page, "size-swap").click()
    expect(field(page, "width")).to_have_value("256")
    part(page, "generate").click()
    expect(part(page, "progress")).to_contain_text("2 imágenes guardadas")
    request = bench.generator.requests[-1]
    assert (request.sampler, request.schedule, request.steps, request.cfg_scale) == ("DPM++ 2M", "Karras", 7, 5.5)
    assert (request.width, request.height, request.batch_size, request.seed) == (256, 192, 2, 2**64 - 2)


def test_a_sampler_written_with_its_schedule_shows_both(visit: Visit) -> None:
    page = visit()
    for typed in ("DPM++ 2M Karras", "dpm++ 2m karras"):
        field(page, "sampler").click()
        field(page, "sampler").fill(typed)
        field(page, "sampler").press("Enter")
        field(page, "sampler").blur()
        expect(field(page, "sampler")).to_have_value("DPM++ 2M")
        expect(field(page, "schedule")).to_have_value("Karras")
        choose(page, "schedule", "Uniform")


# --- What goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("seed", "abc", "«Semilla» debe ser un número y dice «abc». Corrígelo"),
        ("width", "500", "Usa un múltiplo de 8."),
        ("sampler", "Euler b", "¿Querías decir «Euler a»"),
    ],
)
def test_wrong_values_get_a_spanish_sentence(visit: Visit, bench: Bench, name: str, typed: str, sentence: str) -> None:
    page = visit()
    before = len(bench.generator.requests)
    generate(page, "un gato", **{name: typed})
    message = part(page, "form-message").get_by_role("alert")
    expect(message).to_contain_text(sentence)
    expect(page.locator(".toast-body")).to_have_count(0)
    assert len(bench.generator.requests) == before


def test_what_went_away_is_said_again(visit: Visit, bench: Bench) -> None:
    bench.add_lora("Hyper-SD15-4steps-lora")
    page = visit()
    told = part(page, "form-message").locator(".sd-message")
    for prompt, sentence in (
        ("<lora:Hyper-SD15-4steps-lora:1>", "Hyper-SD: Euler"),
        ("un gato", "Ni el modelo ni los LoRA"),
        ("un gato", "Ni el modelo ni los LoRA"),
    ):
        write(page, prompt)
        part(page, "few-steps").click()
        expect(told).to_be_visible()
        expect(told).to_contain_text(sentence)
        told.click()
        expect(told).to_be_hidden()


def test_numbers_beyond_the_ends_never_become_an_english_error(visit: Visit, bench: Bench) -> None:
    page = visit()
    field(page, "steps").fill("999")
    field(page, "prompt").fill("un gato")
    field(page, "prompt").press("Control+Enter")
    said = part(page, "form-message").get_by_role("alert")
    expect(said.or_(part(page, "progress").get_by_role("status")).first).to_be_visible()
    expect(page.locator(".toast-body")).to_have_count(0)


def test_job_errors_and_warnings_are_explained(visit: Visit) -> None:
    page = visit()
    generate(page, "modelo roto")
    expect(part(page, "problems").get_by_role("alert")).to_contain_text("está cortado, le falta el final")
    expect(part(page, "problems")).to_contain_text("Descárgalo otra vez y reemplázalo.")
    generate(page, "con aviso")
    expect(infotext(page)).to_have_value(re.compile("^con aviso"))
    expect(part(page, "problems").locator(".sd-warning")).to_contain_text("está dañada")
    expect(part(page, "problems").locator(".sd-error")).to_have_count(0)
    expect(page.locator(".toast-body")).to_have_count(0)


# --- Reloads and other tabs ---------------------------------------------------------------------------------------


def test_a_reload_finds_the_running_job_and_the_form(visit: Visit, bench: Bench) -> None:
    page = visit()
    bench.hold(8)
    generate(page, "no me pierdas", steps="16")
    expect(part(page, "progress")).to_contain_text("paso 7 de 16")
    field(page, "prompt").fill("lo siguiente")
    page.reload()
    expect(part(page, "progress")).to_contain_text("paso 7 de 16")
    expect(page.get_by_alt_text("Vista previa")).to_be_visible()
    expect(field(page, "prompt")).to_have_value("lo siguiente")
    expect(field(page, "steps")).to_have_value("16")
    bench.let_go()
    expect(infotext(page)).to_have_value(re.compile("^no me pierdas"))


def test_the_page_shows_the_tab_that_was_open_though_gradio_tells_of_its_first_one_later(visit: Visit) -> None:
    page = visit()
    page.get_by_role("tab", name="Entrenar", exact=True).click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "entrenar")
    page.evaluate("window.sdcolab.openTab('txt2img')")
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "entrenar")
    page.get_by_role("tab", name="txt2img", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "txt2img")


@pytest.fixture
def saved_steps(bench: Bench) -> Iterator[int]:
    """Steps that the configuration asks for, other than those a page is drawn with."""
    bench.studio.settings.save(Settings(defaults=GenerationRequest(steps=33)))
    yield 33
    bench.studio.settings.save(Settings())


def test_the_page_works_from_the_moment_it_appears(visit: Visit, bench: Bench, saved_steps: int) -> None:
    page = visit()
    page.add_init_script("sessionStorage.clear()")  # just before it opens again: the first opening may still write
    held: list[Route] = []
    settled = False

    def hold(route: Route) -> None:
        if settled or route.request.method != "POST":
            route.continue_()
        else:
            held.append(route)

    page.route("**/gradio_api/**", hold)
    page.reload()
    write(page, "más rápido que la página")
    part(page, "generate").click()
    expect(field(page, "steps")).to_have_value("20")  # as the page was drawn: its opening answer is still held
    expect(field(page, "width")).to_have_value("128")
    settled = True
    for route in held:
        route.continue_()
    expect(field(page, "steps")).to_have_value(str(saved_steps))
    expect(field(page, "prompt")).to_have_value("más rápido que la página")
    expect(infotext(page)).to_have_value(re.compile("^más rápido que la página"))


_TYPE_WHILE_THE_FORM_IS_FILLED = """Object.defineProperty(window, "sdcolabFilled", { set() {
  const prompt = document.querySelector("#sd-prompt textarea");
  prompt.value = "escrito en mal momento";
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
} })"""


def test_what_is_typed_while_the_opening_form_is_filled_stays(visit: Visit, saved_steps: int) -> None:
    page = visit()
    page.add_init_script("sessionStorage.clear()")
    page.add_init_script(_TYPE_WHILE_THE_FORM_IS_FILLED)
    page.reload()
    expect(field(page, "steps")).to_have_value(str(saved_steps))
    expect(field(page, "prompt")).to_have_value("escrito en mal momento")


def test_what_is_typed_while_a_kept_prompt_comes_back_stays(visit: Visit) -> None:
    page = visit()
    write(page, "de antes")
    page.wait_for_function("() => sessionStorage.getItem('sdcolab-formulario')?.includes('de antes')")
    page.add_init_script(_TYPE_WHILE_THE_FORM_IS_FILLED)
    page.reload()
    expect(field(page, "prompt")).to_have_value("escrito en mal momento")
    page.wait_for_timeout(1000)  # nothing that comes later writes over it
    expect(field(page, "prompt")).to_have_value("escrito en mal momento")


def test_a_second_tab_follows_and_can_interrupt(visit: Visit, bench: Bench) -> None:
    first = visit()
    second = visit(again=True)
    bench.hold(3)
    generate(first, "desde la primera")
    for page in (first, second):
        expect(part(page, "progress")).to_contain_text("paso 2 de 20")
    generate(second, "desde la segunda")
    expect(part(first, "progress")).to_contain_text("1 trabajo más en espera")
    part(second, "interrupt").click()
    expect(part(first, "progress")).not_to_contain_text("en espera")
    bench.let_go()
    for page in (first, second):
        expect(infotext(page)).to_have_value(re.compile("^desde la segunda"))


# --- Models, styles, defaults, counters ---------------------------------------------------------------------------


def test_refresh_finds_new_models_and_sizes_follow_them(visit: Visit, bench: Bench) -> None:
    page = visit()
    expect(field(page, "width")).to_have_value("128")
    new = bench.add_checkpoint("zorro-v1.safetensors")
    page.get_by_role("button", name="Actualizar las listas de modelos, VAE y LoRA").click()
    choose(page, "checkpoint", "zorro-v1.safetensors")
    expect(field(page, "width")).to_have_value("512")
    expect(field(page, "height")).to_have_value("512")
    write(page, "", width="384")
    choose(page, "checkpoint", "demo-128.safetensors")
    expect(field(page, "checkpoint")).to_have_value("demo-128.safetensors")
    expect(field(page, "width")).to_have_value("384")
    new.unlink()


def test_refresh_tells_what_is_no_model(visit: Visit, bench: Bench) -> None:
    page = visit()
    strange = bench.folders.models(ModelKind.CHECKPOINT) / "flux-Q4.gguf"
    strange.parent.mkdir(parents=True, exist_ok=True)
    strange.write_bytes(b"GGUF\x03\x00\x00\x00")
    try:
        part(page, "refresh").click()
        expect(part(page, "form-message")).to_contain_text("«flux-Q4.gguf» está en su carpeta, pero no se puede usar")
        expect(part(page, "form-message")).to_contain_text("busca su versión .safetensors")
    finally:
        strange.unlink()
    part(page, "refresh").click()
    expect(part(page, "form-message")).not_to_contain_text("GGUF")


def test_styles_are_saved_used_applied_and_deleted(visit: Visit, bench: Bench) -> None:
    page = visit()
    write(page, "obra maestra, {prompt}, nítido", negative_prompt="borroso")
    expect(part(page, "styles")).to_contain_text(NO_STYLES)
    page.once("dialog", lambda dialog: dialog.accept("Bonito"))
    part(page, "style-save").click()
    expect(part(page, "form-message")).to_contain_text("Estilo «Bonito» guardado.")
    expect(part(page, "styles")).not_to_contain_text(NO_STYLES)
    write(page, "un gato", negative_prompt="")
    choose(page, "styles", "Bonito")
    expect(part(page, "tokens-prompt")).to_have_text("5/75")
    part(page, "generate").click()
    expect(infotext(page)).to_have_value(re.compile(r"^obra maestra, un gato, nítido\nNegative prompt: borroso\n"))
    part(page, "style-apply").click()
    expect(field(page, "prompt")).to_have_value("obra maestra, un gato, nítido")
    choose(page, "styles", "Bonito")
    part(page, "style-delete").click()
    expect(part(page, "form-message")).to_contain_text("Estilos borrados: Bonito.")
    expect(part(page, "styles")).to_contain_text(NO_STYLES)
    assert bench.studio.settings.load().styles == ()


def test_defaults_are_saved_and_shown_by_new_pages(visit: Visit, bench: Bench) -> None:
    page = visit()
    write(page, "mi prompt de siempre", steps="33")
    page.get_by_role("button", name="Avanzado").click()
    part(page, "save-defaults").click()
    expect(part(page, "form-message")).to_contain_text("Valores predeterminados guardados.")
    other = visit()
    expect(field(other, "prompt")).to_have_value("mi prompt de siempre")
    expect(field(other, "steps")).to_have_value("33")
    write(other, "otra cosa", steps="12")
    other.get_by_role("button", name="Avanzado").click()
    part(other, "put-defaults").click()
    expect(field(other, "prompt")).to_have_value("mi prompt de siempre")
    expect(field(other, "steps")).to_have_value("33")
    assert bench.studio.settings.load().defaults.width is None
    bench.studio.settings.path.unlink()


def test_another_session_opens_with_the_last_form(visit: Visit, browser: Browser, bench: Bench) -> None:
    bench.studio.settings.save(Settings(styles=(Style("Anime", "2d, {prompt}"),)))
    page = visit()
    choose(page, "styles", "Anime")
    choose(page, "script", "Prompt matrix")
    part(page, "script-matrix-different_seeds").locator("input").check()
    generate(page, "lo de ayer", steps="31")
    expect(infotext(page)).to_have_value(re.compile("^2d, lo de ayer"))
    tomorrow = replace(bench.studio, jobs=queue_of(bench.generator))
    server = serve(tomorrow, port=0, auth=(USER, PASSWORD))
    visitor = Visitor(browser, server, {})
    again = visitor.open()
    expect(field(again, "prompt")).to_have_value("lo de ayer")
    expect(field(again, "steps")).to_have_value("31")
    expect(part(again, "styles")).to_contain_text("Anime")
    expect(field(again, "script")).to_have_value("Prompt matrix")
    expect(part(again, "script-matrix-different_seeds").locator("input")).to_be_checked()
    expect(part(again, "script-xyz")).to_be_hidden()
    visitor.context.close()
    server.close()
    tomorrow.jobs.close()
    bench.studio.settings.save(Settings())


def test_token_counters(visit: Visit) -> None:
    page = visit()
    expect(part(page, "tokens-prompt")).to_have_text("0/75")
    field(page, "prompt").fill("uno dos tres")
    expect(part(page, "tokens-prompt")).to_have_text("3/75")
    field(page, "negative_prompt").fill("x " * 76)
    expect(part(page, "tokens-negative_prompt")).to_have_text("76/150")


# --- Help ---------------------------------------------------------------------------------------------------------


def test_one_click_saves_the_report(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    with page.expect_download() as downloading:
        part(page, "make-report").click()
    assert downloading.value.suggested_filename == "informe.zip"
    downloading.value.save_as(tmp_path / "informe.zip")
    assert (tmp_path / "informe.zip").read_bytes() == b"PK"
    expect(part(page, "report").get_by_role("status")).to_contain_text("Informe guardado")


# --- Downloads ----------------------------------------------------------------------------------------------------


def test_downloads_show_progress_a_report_and_refresh_the_models(visit: Visit, bench: Bench) -> None:
    page = visit()
    page.get_by_role("tab", name="Descargas").click()
    part(page, "download-start").click()
    expect(part(page, "download-message")).to_contain_text("No hay ningún enlace.")
    bench.download.hold = True
    field(page, "links").fill("https://a.example/nuevo.safetensors,\nhttps://a.example/falla")
    part(page, "download-start").click()
    bar = page.get_by_role("progressbar", name="Descarga de nuevo.safetensors")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("4[34]"))
    expect(part(page, "download-progress")).to_contain_text("870 MB de 2,0 GB · 25 MB/s · quedan 45 s")
    page.reload()
    page.get_by_role("tab", name="Descargas").click()
    expect(bar).to_be_visible()
    bench.download.release.set()
    lines = part(page, "download-report").get_by_role("listitem")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("guardado en models/Stable-diffusion")
    expect(lines.nth(1)).to_contain_text("no se ha descargado")
    expect(bar).to_have_count(0)
    field(page, "checkpoint").click()
    expect(page.get_by_role("option", name="nuevo.safetensors")).to_be_visible()
    bench.download.hold = False


def test_files_of_the_catalogue_are_downloaded_with_the_links(visit: Visit) -> None:
    page = visit()
    page.get_by_role("tab", name="Descargas").click()
    field(page, "links").fill("https://a.example/perros.safetensors")
    field(page, "catalog").click()
    page.get_by_role("option", name="Gatos, LoRA: de todo tipo").click()
    part(page, "download-start").click()
    lines = part(page, "download-report").get_by_role("listitem")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("perros.safetensors")
    expect(lines.nth(1)).to_contain_text("gatos.safetensors")


def test_downloads_can_be_cancelled(visit: Visit, bench: Bench) -> None:
    page = visit()
    bench.download.hold = True
    bench.download.release.clear()
    page.get_by_role("tab", name="Descargas").click()
    field(page, "links").fill("https://a.example/largo.safetensors")
    part(page, "download-start").click()
    expect(part(page, "download-progress")).to_contain_text("870 MB")
    part(page, "download-cancel").click()
    expect(part(page, "download-report")).to_contain_text("Se interrumpió el trabajo.")
    expect(part(page, "download-cancel")).to_be_disabled()
    bench.download.hold = False


# --- Phones, themes, names ----------------------------------------------------------------------------------------


def test_phone(visit: Visit, bench: Bench) -> None:
    page = visit(**PHONE)
    assert overflow(page) == 0
    bench.hold(9)
    generate(page, "un gato " + "muylargo" * 30)
    bar = part(page, "progress-bottom").get_by_role("progressbar")
    expect(bar).to_be_in_viewport()
    assert overflow(page) == 0
    bench.let_go()
    expect(infotext(page)).to_have_value(re.compile("^un gato"))
    for name in ("generate", "interrupt"):
        expect(part(page, name)).to_be_in_viewport()
    assert overflow(page) == 0
    page.get_by_role("button", name="Ajustes", exact=True).click()
    field(page, "seed").fill("abc")
    page.get_by_role("button", name="Cerrar los ajustes").click()
    part(page, "generate").click()
    expect(part(page, "form-message").get_by_role("alert")).to_be_in_viewport()
    assert overflow(page) == 0
    small = page.evaluate(
        """() => [...document.querySelectorAll("#sd-page button")]
            .filter(button => button.offsetParent && /^sd-/.test(button.id))
            .filter(button => button.getBoundingClientRect().height < 40).map(button => button.id)"""
    )
    assert small == []
    page.get_by_role("tab", name="Descargas").click()
    expect(part(page, "links")).to_be_visible()
    assert overflow(page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes_follow_the_system_and_texts_can_be_read(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    generate(page, "un gato", seed="abc")
    expect(part(page, "form-message").get_by_role("alert")).to_be_visible()
    dark = page.evaluate("document.body.classList.contains('dark')")
    assert dark == (scheme == "dark")
    for name in (
        "generate",
        "prompt label span",
        "form-message .sd-message",
        "tokens-prompt span",
        "tabs [role=tab].selected",
    ):
        ratio = page.locator(f"#sd-{name}").first.evaluate(CONTRAST)
        assert ratio >= (3 if name == "generate" else 4.5), (name, ratio)


CONTRAST = """element => {
  const parse = colour => { const c = colour.match(/[\\d.]+/g).map(Number); return c.length < 4 ? [...c, 1] : c };
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const text = light(parse(getComputedStyle(element).color));
  let ground = null;
  for (let at = element; at && !ground; at = at.parentElement) {
    const style = getComputedStyle(at), gradient = style.backgroundImage.match(/rgba?\\([^)]*\\)/);
    if (gradient && parse(gradient[0])[3] > 0) ground = parse(gradient[0]);
    else if (parse(style.backgroundColor)[3] > 0) ground = parse(style.backgroundColor);
  }
  const under = light(ground ?? [255, 255, 255]);
  return (Math.max(text, under) + .05) / (Math.min(text, under) + .05);
}"""
"""Contrast of an element's text with what is painted under it (WCAG 2)."""


ENGLISH = (
    "the",
    "reset",
    "value",
    "download",
    "close",
    "copy",
    "clear",
    "full",
    "thumbnail",
    "for",
    "view",
    "more",
    "select",
    "upload",
    "remove",
    "paste",
)


def test_everything_has_a_spanish_name(visit: Visit) -> None:
    page = visit()
    generate(page, "un gato")
    expect(part(page, "progress")).to_contain_text("Listo")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.get_by_role("button", name="Avanzado").click()
    for name in ("PNG Info", "Ampliar (Extras)", "img2img"):
        page.get_by_role("tab", name=name).click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, [role=tab]")]
            .filter(element => element.offsetParent && !element.closest("[aria-hidden=true]"))
            .filter(element => !/\\p{L}/u.test(element.getAttribute("aria-label") || element.textContent
                || [...(element.labels || [])].map(label => label.textContent).join("")))
            .map(element => element.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    names = page.evaluate(
        """() => [...document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")].flatMap(element =>
            ["aria-label", "title", "placeholder", "alt"].map(name => element.getAttribute(name) || ""))"""
    )
    english = re.compile(rf"\b({'|'.join(ENGLISH)})\b", re.IGNORECASE)
    assert sorted({name for name in names if english.search(name)}) == []
    assert "Built with" not in page.inner_text("body")


FORMAL = re.compile(
    r"\b(?:[Hh]aga|[Cc]oloque|[Pp]ermita|[Cc]ompruebe|[Ss]eleccione|[Cc]argue|[Ii]nténtelo|[Cc]ontacte)\b"
)


def test_gradio_speaks_to_the_reader_as_we_do(visit: Visit) -> None:
    """Its Spanish says "usted", and some of its names are only in English: neither is left in any tab."""
    page = visit()
    seen: set[str] = set()
    for tab in LAYOUT.tabs:
        if tab.kind is TabKind.ROOM:
            continue
        page.evaluate("id => document.getElementById(`sd-tab-${id}-button`).click()", tab.id)
        page.wait_for_timeout(150)
        seen.update(
            page.evaluate(
                """() => [...document.querySelectorAll("#sd-page *")].filter((e) => e.checkVisibility())
                  .flatMap((one) => [
                  one.getAttribute("aria-label"), one.getAttribute("title"),
                  ...[...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()),
                ]).filter(Boolean)"""
            )
        )
    assert "Suelta aquí una imagen" in seen
    assert {text for text in seen if FORMAL.search(text)} == set()
    assert seen & {name for name, spanish in gradio.LABELS.items() if name != spanish} == set()
    assert {text for text in seen if any(re.match(pattern, text) for pattern in gradio.PATTERNS)} == set()


def test_what_a_place_for_a_picture_has_is_large_enough_for_a_finger(visit: Visit, tmp_path: Path) -> None:
    page = visit(**PHONE)
    picture = tmp_path / "foto.png"
    Image.new("RGB", (64, 64), "plum").save(picture)
    page.evaluate("document.getElementById('sd-tab-pnginfo-button').click()")
    part(page, "pnginfo-picture").locator("input[type=file]").set_input_files(picture)
    expect(part(page, "pnginfo-picture").get_by_role("button", name="Quitar la imagen")).to_be_visible()
    sides = page.evaluate(
        """() => [...document.querySelectorAll(":is(#sd-pnginfo-picture, #sd-pnginfo-text) button")]
          .filter((one) => one.checkVisibility())
          .map((one) => [one.getAttribute("aria-label"), one.getBoundingClientRect()])
          .map(([name, box]) => [name, Math.min(box.width, box.height)])"""
    )
    assert len(sides) > 3
    assert [name for name, side in sides if side < 28] == []


def test_only_prompts_with_tools_keep_room_for_them(visit: Visit) -> None:
    page = visit()
    part(page, "hires").locator("input[type=checkbox]").check()
    page.get_by_role("button", name="Más opciones de Hires fix").click()
    expect(field(page, "hires-negative_prompt")).to_be_visible()
    room = "(id) => getComputedStyle(document.querySelector(`#sd-${id}`), '::after').content"
    assert page.evaluate(room, "hires-prompt") == page.evaluate(room, "hires-negative_prompt") == "none"


def test_the_bar_of_a_job_in_the_queue_has_the_page_s_colours(visit: Visit) -> None:
    page = visit()
    drawn = page.evaluate(
        """() => {
          const told = document.createElement("div");
          told.className = "sd-queue-told";
          told.innerHTML = "<progress max=1 value=0.5></progress>";
          document.getElementById("sd-page").append(told);
          return getComputedStyle(told.firstChild).appearance;
        }"""
    )
    assert drawn == "none"  # else Chromium draws it green on grey


def test_links_can_be_read_on_the_page_s_ground(visit: Visit) -> None:
    page = visit()
    ratio = page.evaluate(
        """() => {
          const link = document.createElement("a");
          link.style.color = "var(--link-text-color)";
          document.getElementById("sd-job-report").append(link);
          const light = (colour) => {
            const [r, g, b] = colour.match(/\\d+/g).map((one) => one / 255)
              .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
          };
          return light(getComputedStyle(document.body).backgroundColor) / light(getComputedStyle(link).color);
        }"""
    )
    assert ratio >= 4.5  # WCAG 2.2, 1.4.3


def test_files_that_gradio_refuses_are_refused_in_spanish(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="PNG Info", exact=True).click()
    text = tmp_path / "notas.txt"
    text.write_text("hola")
    part(page, "pnginfo-picture").locator("input[type=file]").set_input_files(text)
    expect(page.locator(".toast-message-text")).to_have_text("«notas.txt» no sirve aquí. Elige otro archivo.")


def test_a_file_that_gradio_finds_too_large_is_refused_in_spanish() -> None:
    said = 'File(s) exceed the maximum allowed size of 64.0 Mb: "enorme.png"'
    pattern = next(pattern for pattern in gradio.PATTERNS if re.search(pattern, said))
    spanish = re.sub(pattern, re.sub(r"\$(\d)", r"\\\1", gradio.PATTERNS[pattern]), said)
    assert spanish == 'Hay archivos demasiado grandes, de más de 64.0 Mb: "enorme.png". Elige otros más pequeños.'


def test_an_option_that_lies_over_the_sheet_s_backdrop_does_not_close_it(visit: Visit) -> None:
    page = visit(**PHONE)
    page.get_by_role("button", name="Ajustes", exact=True).click()
    house = page.locator("html")
    expect(house).to_have_class(re.compile(r"\bsd-sheet\b"))
    # An option goes away as it is pressed: the click is that of the page, which holds it and what lay below.
    press = "node => node.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))"
    click = "node => node.dispatchEvent(new MouseEvent('click', { bubbles: true }))"
    field(page, "script").evaluate(press)
    house.evaluate(click)
    expect(house).to_have_class(re.compile(r"\bsd-sheet\b"))
    house.evaluate(press)
    house.evaluate(click)
    expect(house).not_to_have_class(re.compile(r"\bsd-sheet\b"))
