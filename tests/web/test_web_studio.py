"""The guide that does things, the settings, and the base prompts, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect
from web_fakes import Bench
from web_visitor import field, part, tab

from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.words.road import PRESETS

pytestmark = pytest.mark.navegador


def test_every_tab_is_in_sight_on_a_laptop(page: Page) -> None:
    for one in page.get_by_role("tab").all():
        expect(one).to_be_in_viewport(ratio=1)


def test_base_prompts_come_before_what_is_written_and_only_once(page: Page) -> None:
    anime = PRESETS[0]
    field(page, "prompt").fill("a fox")
    chip = page.get_by_role("button", name=anime.title, exact=True)
    chip.click()
    expect(field(page, "prompt")).to_have_value(f"{anime.prompt}, a fox")
    expect(field(page, "negative_prompt")).to_have_value(anime.negative)
    chip.click()
    expect(field(page, "prompt")).to_have_value(f"{anime.prompt}, a fox")


def test_a_step_of_the_guide_opens_what_it_speaks_of(page: Page) -> None:
    tab(page, "Guía")
    page.get_by_role("button", name="Abrir Hires fix").click()
    expect(page.locator("html")).to_have_attribute("data-sd-tab", "txt2img")
    expect(part(page, "hires").locator("input[type=checkbox]")).to_be_checked()
    tab(page, "Guía")
    page.get_by_role("button", name="Abrir X/Y/Z plot").click()
    expect(part(page, "script-xyz")).to_be_visible()


def test_a_project_made_in_one_tab_is_ready_in_the_others(page: Page, bench: Bench) -> None:
    tab(page, "Etiquetas")
    page.get_by_role("button", name="Nuevo proyecto").click()
    page.locator("dialog input:visible").fill("mi_gato")
    page.locator("dialog input:visible").press("Enter")
    expect(page.get_by_text("Aquí no hay imágenes")).to_be_visible()
    trained = bench.folders.root / "lora_training" / "output" / "mi_gato-plan.toml"
    trained.parent.mkdir(parents=True)
    trained.touch()
    for title, name in (
        ("Probar LoRA", "probar-project"),
        ("Entrenar", "entrenar-project"),
        ("Imágenes de entrenamiento", "imagenes-project"),
    ):
        tab(page, title)
        expect(field(page, name)).to_have_value("mi_gato")

    # What works beside the engine tells how it went there too.
    page.get_by_role("button", name="Empezar", exact=True).click()
    expect(part(page, "problems")).to_contain_text("No hay ninguna imagen para entrenar")


def test_settings_are_saved_as_they_change_and_found_by_a_word(page: Page, bench: Bench) -> None:
    tab(page, "Ajustes")
    page.get_by_label("Calidad de JPEG y WebP").fill("61")
    page.get_by_label("Calidad de JPEG y WebP").blur()
    expect(page.get_by_text("Guardado: Calidad de JPEG y WebP.")).to_be_visible()
    assert PreferencesFile(bench.folders.config).peek().quality == 61
    page.get_by_label("Aspecto", exact=True).select_option("dark")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.get_by_label("Buscar un ajuste").fill("sonido")
    expect(page.locator(".sd-setting:visible")).to_have_count(1)
    page.get_by_label("Buscar un ajuste").fill("clip skip")
    expect(page.locator(".sd-setting:visible")).to_contain_text(["Siempre a la vista"])
    page.get_by_label("Buscar un ajuste").fill("")
    config = {
        "name": "config.json",
        "mimeType": "application/json",
        "buffer": json.dumps({"jpeg_quality": 70}).encode(),
    }
    page.get_by_label("Archivo de ajustes de AUTOMATIC1111").set_input_files(config)
    expect(page.get_by_text("Ajustes que se trajeron: 1.")).to_be_visible()
    assert PreferencesFile(bench.folders.config).peek().quality == 70
