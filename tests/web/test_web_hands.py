"""The guide's flows without a mouse: with the keyboard alone, and with a finger on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from web_fakes import Bench
from web_visitor import LAPTOP, PHONE, field, infotext, only_page, part

from sdcolab.web.app import Server

pytestmark = pytest.mark.navegador

INSIDE = """ids => {
  const now = document.activeElement;
  return ids.some((id) => now.id === id || (now.matches("input, textarea") && now.closest(`#${id}`)));
}"""

FORGOTTEN = """() => {
  const list = document.querySelector("#sd-sampler .options"), copy = list.cloneNode(true);
  copy.id = "forgotten";
  list.after(copy);
}"""
"""A list that gradio does not take away, as happens now and then on a slow computer."""


def reach(page: Page, *names: str, back: bool = False) -> None:
    """Go with Tab to a control of one of these parts."""
    ids = [f"sd-{name}" for name in names]
    for _ in range(150):
        if page.evaluate(INSIDE, ids):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{names} cannot be reached with Tab")


def walk_to(page: Page, name: str, key: str) -> None:
    """Go with an arrow from a tab to the one called so."""
    for _ in range(30):
        if page.evaluate(INSIDE, [f"sd-tab-{name}-button"]):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{name} cannot be reached with {key}")


def opened(page: Page, name: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-sd-tab", name)


@pytest.fixture(scope="module")
def keyboard(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    """One page for all that is done without a mouse."""
    bench.add_lora("Lineas", "thick lines")
    with only_page(browser, server, bench, LAPTOP) as page:
        yield page


def test_a_prompt_is_written_and_made_with_the_keyboard(keyboard: Page) -> None:
    reach(keyboard, "prompt")
    keyboard.keyboard.type("un gato")
    keyboard.keyboard.press("Control+Enter")
    expect(infotext(keyboard)).to_have_value(re.compile("^un gato"))


def test_the_tabs_come_after_the_bar_and_before_the_form(keyboard: Page) -> None:
    """They are drawn last and stand first."""
    keyboard.evaluate("document.activeElement.blur()")
    keyboard.locator("#sd-look button").focus()
    reach(keyboard, "tab-txt2img-button", "tab-img2img-button")
    reach(keyboard, "prompt")


def test_the_tabs_are_one_stop_and_arrows_walk_them(keyboard: Page) -> None:
    keyboard.locator("#sd-look button").focus()
    reach(keyboard, "tab-txt2img-button")
    stops = keyboard.locator("#sd-tabs > .tab-wrapper [role=tab]:not([tabindex='-1'])")
    expect(stops).to_have_count(1)
    keyboard.keyboard.press("ArrowDown")
    expect(part(keyboard, "tab-img2img-button")).to_be_focused()
    keyboard.keyboard.press("Enter")
    opened(keyboard, "img2img")
    expect(stops).to_have_attribute("id", "sd-tab-img2img-button")
    keyboard.keyboard.press("End")
    expect(keyboard.locator("#sd-tabs > .tab-wrapper [role=tab]:visible").last).to_be_focused()
    keyboard.keyboard.press("ArrowDown")
    expect(part(keyboard, "tab-txt2img-button")).to_be_focused()
    keyboard.keyboard.press("Enter")
    opened(keyboard, "txt2img")


def test_a_list_closes_when_tab_goes_away_from_it(keyboard: Page) -> None:
    keyboard.locator("#sd-sampler input").first.focus()
    options = keyboard.locator("[role=option]:visible")
    expect(options.first).to_be_visible()
    keyboard.evaluate(FORGOTTEN)
    keyboard.keyboard.press("Tab")
    expect(keyboard.locator("#sd-sampler [role=combobox]")).to_have_attribute("aria-expanded", "false")
    expect(options).to_have_count(0)
    keyboard.evaluate("document.getElementById('forgotten').remove()")


def test_a_result_is_sent_on_with_the_keyboard(keyboard: Page, bench: Bench) -> None:
    reach(keyboard, "send-img2img")
    keyboard.keyboard.press("Enter")
    opened(keyboard, "img2img")
    expect(part(keyboard, "init-images").locator("img")).to_be_visible()
    reach(keyboard, "prompt", back=True)
    keyboard.keyboard.press("End")
    keyboard.keyboard.type(", más cerca")
    keyboard.keyboard.press("Control+Enter")
    expect(infotext(keyboard)).to_have_value(re.compile("^un gato, más cerca"))
    assert bench.generator.requests[-1].init is not None
    reach(keyboard, "send-extras")
    keyboard.keyboard.press("Enter")
    opened(keyboard, "extras")
    reach(keyboard, "start-extras")
    keyboard.keyboard.press("Enter")
    expect(infotext(keyboard)).to_have_value(re.compile("Postprocess upscale by"))


def test_every_tab_opens_with_the_keyboard(keyboard: Page) -> None:
    keyboard.locator("#sd-look button").focus()
    reach(keyboard, f"tab-{keyboard.locator('html').get_attribute('data-sd-tab')}-button")
    for name in ("txt2img", "galeria", "pnginfo", "cartas", "ajustes"):
        walk_to(keyboard, name, "ArrowDown")
        keyboard.keyboard.press("Enter")
        opened(keyboard, name)
    walk_to(keyboard, "txt2img", "ArrowUp")
    keyboard.keyboard.press("Enter")
    opened(keyboard, "txt2img")


def test_a_plot_is_asked_for_with_the_keyboard(keyboard: Page) -> None:
    reach(keyboard, "script")
    keyboard.keyboard.type("X/Y/Z")
    keyboard.keyboard.press("Enter")
    expect(part(keyboard, "script-xyz")).to_be_visible()  # no hand is as fast as these tabs
    reach(keyboard, "script-xyz-x_values")
    keyboard.keyboard.type("1, 2, 3")
    expect(part(keyboard, "forecast")).to_contain_text("3")
    reach(keyboard, "script", back=True)
    keyboard.keyboard.press("Control+A")
    keyboard.keyboard.type("Ninguno")
    keyboard.keyboard.press("Enter")
    expect(part(keyboard, "forecast")).to_be_empty()


@pytest.fixture(scope="module")
def phone(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    """One page on a phone."""
    with only_page(browser, server, bench, PHONE) as page:
        yield page


def finger(page: Page, *points: tuple[float, float]) -> None:
    """Draw a short stroke from point to point and rest."""
    wire = page.context.new_cdp_session(page)
    for place, (x, y) in enumerate(points):
        kind = "touchMove" if place else "touchStart"
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


def test_from_a_prompt_to_a_painted_mask_with_a_finger(phone: Page, bench: Bench) -> None:
    field(phone, "prompt").tap()
    phone.keyboard.press("Control+A")  # the form of the last visit
    phone.keyboard.type("una flor")  # the list of words that opens leaves the button in reach
    part(phone, "generate").tap()
    expect(infotext(phone)).to_have_value(re.compile("^una flor"))
    part(phone, "send-inpaint").tap()
    opened(phone, "img2img")
    marks = phone.locator(".sd-canvas-mask .sd-canvas-marks")
    expect(marks).to_be_visible()
    sent = max(bench.folders.outputs.rglob("*.png")).name  # and not the picture of the last visit
    phone.wait_for_function(f"window.sdcolab.canvases['sd-init-inpaint-mask'].image.src.endsWith('{sent}')")
    marks.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    marks.tap(trial=True)  # nothing moves any more, and nothing is over it
    box = marks.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger(phone, middle, (middle[0] + 8, middle[1]), (middle[0] + 16, middle[1] + 4))
    phone.wait_for_function("window.sdcolab.canvases['sd-init-inpaint-mask']?.value() != null")
    before = len(bench.generator.requests)
    part(phone, "generate").tap()
    while len(bench.generator.requests) == before:  # what it says of the last one is still there
        phone.wait_for_timeout(50)
    init = bench.generator.requests[-1].init
    assert init is not None and init.inpaint is not None and init.inpaint.mask.getbbox() is not None


def test_what_comes_of_it_is_enlarged_and_found_in_the_gallery_on_a_phone(phone: Page) -> None:
    part(phone, "send-extras").tap()
    opened(phone, "extras")
    part(phone, "start-extras").tap()
    expect(infotext(phone)).to_have_value(re.compile("Postprocess upscale by"))
    phone.locator("#sd-tab-galeria-button").tap()
    opened(phone, "galeria")
    expect(phone.locator("#sd-tab-galeria img").first).to_be_visible()
    width: int = phone.evaluate("document.scrollingElement.scrollWidth")
    assert width <= 390
