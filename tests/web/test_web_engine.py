"""The whole way in a real browser: page, queue, the real engine and the demo model that ships with the package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from sdcolab.core.folders import Folders
from sdcolab.core.outputs import PARAMETERS_KEY
from sdcolab.web.app import Server, serve
from sdcolab.wiring.demo import DEMO_FILE
from sdcolab.wiring.engine import build_library
from sdcolab.wiring.studio import build_studio, workplace_here

PATIENCE = 120_000
"""Milliseconds: loading torch and the model on a busy machine takes a while."""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def server(folders: Folders) -> Iterator[Server]:
    library = build_library(folders)
    place = workplace_here(folders, library)
    server = serve(build_studio(folders, library, place), port=0)
    yield server
    server.close()
    place.close()


@pytest.mark.navegador
def test_from_a_prompt_to_an_image_on_disk(browser: Browser, server: Server, folders: Folders) -> None:
    page = browser.new_page(base_url=server.url)
    page.goto("/")
    expect(page.locator("#sd-checkpoint input")).to_have_value(DEMO_FILE, timeout=PATIENCE)
    expect(page.locator("#sd-width input").first).to_have_value("128")
    page.locator("#sd-prompt textarea").fill("cat face, (emoji:1.1)")
    page.locator("#sd-negative_prompt textarea").fill("dog")
    expect(page.locator("#sd-tokens-prompt")).to_have_text("4/75", timeout=PATIENCE)
    page.locator("#sd-steps input").first.fill("4")
    page.locator("#sd-seed input, #sd-seed textarea").first.fill("42")
    page.locator("#sd-generate").click()
    infotext = page.locator("#sd-infotext textarea")
    expect(infotext).to_have_value(re.compile(r"^cat face, \(emoji:1\.1\)\nNegative prompt: dog\n"), timeout=PATIENCE)
    expect(infotext).to_have_value(re.compile("Steps: 4, Sampler: Euler a.*Seed: 42, Size: 128x128"))
    expect(page.locator("#sd-progress")).to_contain_text("Listo: 1 imagen guardada.")
    expect(page.locator("#sd-problems .sd-message")).to_have_count(0)
    (saved,) = folders.txt2img.rglob("*.png")
    assert saved.name == "00000-42.png"
    with Image.open(saved) as image:
        assert image.size == (128, 128)
        assert image.info[PARAMETERS_KEY] == infotext.input_value()

    page.locator("#sd-hires input[type=checkbox]").check()
    page.locator("#sd-hires-scale input").first.fill("1.5")
    page.locator("#sd-hires-scale input").first.blur()
    page.locator("#sd-generate").click()
    expect(infotext).to_have_value(re.compile("Hires upscale: 1.5, Hires upscaler: Latent"), timeout=PATIENCE)
    with Image.open(max(folders.txt2img.rglob("*.png"))) as image:
        assert image.size == (192, 192)

    page.locator("#sd-send-img2img").click()
    expect(page.locator("#sd-width input").first).to_have_value("192")
    page.locator("#sd-generate").click()
    expect(infotext).to_have_value(re.compile(r"Size: 192x192.*Denoising strength: 0\.75"), timeout=PATIENCE)
    assert [path.name for path in folders.img2img.rglob("*.png")] == ["00000-42.png"]

    page.locator("#sd-send-extras").click()
    page.locator("#sd-extras-enlargement-scale input").first.fill("2")
    page.locator("#sd-extras-enlargement-scale input").first.blur()
    page.locator("#sd-start-extras").click()
    expect(infotext).to_have_value(
        re.compile("Postprocess upscale by: 2, Postprocess upscaler: Lanczos"), timeout=PATIENCE
    )
    (saved,) = folders.extras.rglob("*.png")
    with Image.open(saved) as image:
        assert image.size == (384, 384)

    # A merge is tried: what it draws is seen beside its form.
    page.get_by_role("tab", name="Mezclar", exact=True).click()
    expect(page.locator("#sd-gallery")).to_be_hidden()
    second = page.locator("#sd-mezclar-secondary input").first
    second.fill(DEMO_FILE)
    second.press("Enter")

    # What a merge makes stands where one looks, not below the place of pictures that there are none of.
    page.locator("#sd-mezclar-name input, #sd-mezclar-name textarea").first.fill("mitad")
    page.locator("#sd-start-mezclar").click()
    made = page.locator("#sd-job-report").get_by_text("mitad.safetensors").first
    expect(made).to_be_visible(timeout=PATIENCE)
    box = made.bounding_box()
    assert box is not None
    assert box["y"] < 300

    page.get_by_role("button", name="Probar la mezcla antes de guardarla").click()
    page.locator("#sd-mezclar-trial-prompt textarea").fill("cat face")
    page.locator("#sd-mezclar-trial-steps input").first.fill("2")
    page.locator("#sd-try-mezclar").click()
    expect(infotext).to_have_value(re.compile(r"^cat face\nSteps: 2"), timeout=PATIENCE)
    expect(page.locator("#sd-gallery .sd-shown")).to_be_visible()
    page.close()


def test_importing_the_page_loads_no_torch() -> None:
    code = "import sys, sdcolab.web.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
