"""The panel in a real JupyterLab in Chromium, by clicks: what the page does, a cell does, as wide as a phone too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.lab import Lab

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 240_000
"""Milliseconds for anything that starts processes on a slow, shared machine."""

pytestmark = [pytest.mark.navegador, pytest.mark.lento, pytest.mark.timeout(600)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    content = tmp_path / "content"
    content.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SDCOLAB_", "PYTEST", "JPY_"))}
    standins = REPOSITORY / "tests" / "support" / "google_colab"
    environ |= {
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(standins), os.environ.get("PYTHONPATH", "")]),
        "COLAB_RELEASE_TAG": "release-colab_de-pruebas",
        "SDCOLAB_CONTENIDO": str(content),
        "STANDIN_DRIVE_FOLDER": str(tmp_path / "nube"),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    made = Lab(tmp_path / "lab", environ, ["import sdcolab; sdcolab.panel()"])
    yield made
    made.close()


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1180, "height": 1300})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(lab.url)
    # A cell that is run before its kernel is there makes JupyterLab ask for one.
    expect(page.locator(".jp-Toolbar-kernelName")).to_contain_text("Python 3")
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".sdcolab-panel")).to_be_visible()
    yield page
    page.close()


def button(page: Page, text: str) -> Locator:
    return page.locator(".sdcolab-panel").get_by_role("button", name=text)


def labelled(page: Page, label: str, tag: str = "input") -> Locator:
    """The widget whose label this is."""
    row = page.locator(".sdcolab-panel .jupyter-widgets:visible", has=page.locator(f"label:text-is('{label}')"))
    return row.last.locator(tag).first


def slide(page: Page, label: str, value: str) -> None:
    """Type a slider's number."""
    row = page.locator(".sdcolab-panel .widget-slider:visible", has=page.locator(f"label:text-is('{label}')"))
    readout = row.first.locator(".widget-readout")
    readout.click()
    readout.fill(value)
    readout.press("Enter")


STICKING_OUT = """() => [...document.querySelectorAll('.sdcolab-panel .jupyter-widgets')].flatMap((box) => {
  const flows = (part) => part.checkVisibility() && getComputedStyle(part).position !== 'absolute';
  const end = box.getBoundingClientRect().right + 3;
  return [...box.children].filter((part) => flows(part) && part.getBoundingClientRect().right > end)
    .map((part) => part.closest('.jupyter-widgets').textContent);
})"""
"""What of the panel reaches beyond its box, over what stands beside it."""


def comes_into_view(part: Locator) -> None:
    """Scroll to ``part`` as often as what is drawn above moves it away again."""
    for _ in range(40):
        part.scroll_into_view_if_needed()
        if part.evaluate("part => part.getBoundingClientRect().bottom <= innerHeight"):
            break
        part.page.wait_for_timeout(250)
    expect(part).to_be_in_viewport(ratio=1)


def made(page: Page, count: int) -> None:
    expect(page.get_by_text(re.compile(rf"\b{count} de {count} · "))).to_be_visible()


def test_the_panel_does_by_clicks_what_the_page_does(page: Page, tmp_path: Path) -> None:
    prompt = labelled(page, "Prompt", "textarea")
    prompt.fill("smiling face")
    expect(page.locator(".sdcolab-panel .sd-tokens")).to_contain_text("2/75")
    prompt.evaluate("area => area.setSelectionRange(1, 1)")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("(smiling:1.1) face")
    prompt.press("Control+ArrowDown")
    expect(prompt).to_have_value("smiling face")
    slide(page, "Pasos", "2")
    page.get_by_text("Hires fix", exact=True).click()
    slide(page, "Ampliar por", "1.5")
    prompt.press("Control+Enter")
    made(page, 1)
    saved = next((tmp_path / "content").rglob("txt2img-images/**/*.png"))
    assert Image.open(saved).size == (192, 192)

    # Sent on, painted with the mouse, and only there changed.
    button(page, "Enviar a inpaint").click()
    canvas = page.locator(".sd-canvas-marks")
    expect(canvas).to_be_visible()
    assert page.evaluate(STICKING_OUT) == []
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    button(page, "Generar").click()
    made(page, 2)
    assert list((tmp_path / "content").rglob("img2img-images/**/*.png"))

    # Compared, enlarged, its data used again.
    button(page, "Comparar").click()
    expect(page.locator(".sd-canvas-divider")).to_be_visible()
    button(page, "Enviar a Ampliar").click()
    button(page, "▶️ Ampliar").click()
    made(page, 3)
    assert list((tmp_path / "content").rglob("extras-images/**/*.png"))
    button(page, "txt2img").click()
    labelled(page, "Prompt", "textarea").fill("otra cosa")
    button(page, "Usar sus datos").click()
    expect(labelled(page, "Prompt", "textarea")).to_have_value("smiling face")

    # Everything that was asked for is in the queue, the last one first.
    page.locator(".sdcolab-panel").get_by_role("button", name="Cola", exact=True).click()
    jobs = page.locator(".sd-queue-job")
    expect(jobs).to_have_count(3)
    expect(jobs.first).to_contain_text("Ampliar imágenes")
    expect(jobs.last).to_contain_text("smiling face")
    expect(jobs.last).to_contain_text("Terminado · 1 imagen")
    expect(jobs.last).to_contain_text("Lo pidió el panel")
    button(page, "txt2img").click()

    # As wide as a phone nothing sticks out.
    page.set_viewport_size({"width": 460, "height": 844})  # JupyterLab's own edges take 70
    panel = page.locator(".sdcolab-panel")
    expect(panel).to_have_js_property("scrollWidth", panel.evaluate("panel => panel.clientWidth"))
    tabs = panel.locator(".sd-tabs")
    box = tabs.bounding_box()
    assert box is not None and box["height"] < 80, "one strip"
    tabs.get_by_role("button", name="Ajustes", exact=True).click()
    expect(panel.locator(".sd-setting").first).to_be_visible()
    tabs.get_by_role("button", name="txt2img", exact=True).click()
    prompt = labelled(page, "Prompt", "textarea")
    comes_into_view(prompt)
    assert panel.evaluate("panel => panel.clientWidth") <= 390
