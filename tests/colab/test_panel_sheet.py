"""A finished sheet in the notebook: its cells open, and it is seen as large as it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from sdcolab.colab.panel_sheet import as_cells, sheet_widget
from sdcolab.studio.look import asset, shared_css
from sdcolab.studio.sheets import Spot

SHEET, WHOLE = (400, 200), (1600, 800)
SPOTS = (Spot("a", "Steps: 4", (0.1, 0.2, 0.5, 1.0)), Spot("b", "Steps: 8", (0.5, 0.2, 0.9, 1.0)))

_MODEL = """(values) => {
  const bytes = text => new DataView(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
  const heard = {}, now = { ...values, picture: bytes(values.picture), whole: bytes("") };
  window.sent = [];
  window.model = {
    get: name => now[name],
    set: (name, text) => { now[name] = bytes(text); for (const told of heard[`change:${name}`] ?? []) told() },
    on: (name, told) => (heard[name] ??= new Set()).add(told),
    off: (name, told) => heard[name]?.delete(told),
    send: said => window.sent.push(said),
    listeners: () => Object.values(heard).reduce((sum, told) => sum + told.size, 0),
  };
  window.leave = window.face.render({ model: window.model, el: document.getElementById("host") });
}"""


def jpeg(size: tuple[int, int]) -> str:
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, format="JPEG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 700}, has_touch=True)
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    module = asset("cells.js").replace("export default", "window.face =")
    page.set_content(
        f"<style>{shared_css()} {asset('cells.css')}</style><div id=host></div><script type=module>{module}</script>"
    )
    page.wait_for_function("window.face !== undefined")
    words = {"label": "Cuadrícula", "verb": "Abrir", "larger": "Ver más grande", "smaller": "Cerrar (Esc)"}
    page.evaluate(_MODEL, {**words, "picture": jpeg(SHEET), "cells": as_cells(SPOTS)})
    yield page
    context.close()
    assert trouble == []


@pytest.mark.navegador
def test_a_sheet_is_opened_as_large_as_it_is(page: Page) -> None:
    shown, dialog = page.locator("#host > .sd-sheet-box img"), page.locator("dialog")
    expect(shown).to_be_visible()
    resting = page.evaluate("model.listeners()")
    page.get_by_role("button", name="Ver más grande").tap()
    expect(dialog).to_be_visible()
    assert page.evaluate("sent") == [{"whole": True}]
    page.evaluate("text => model.set('whole', text)", jpeg(WHOLE))
    page.wait_for_function("document.querySelector('dialog img').offsetWidth === 1600")
    scrolls = "[document.querySelector('.sd-sheet-whole')].map(box => box.scrollWidth > box.clientWidth)[0]"
    assert page.evaluate(scrolls), "a finger moves what does not fit"
    cell = dialog.get_by_role("button", name="Abrir Steps: 4").bounding_box()
    assert cell is not None and (round(cell["width"]), round(cell["height"])) == (640, 640)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("sent") == [{"whole": True}, {"whole": False}]
    assert page.evaluate("model.listeners()") == resting
    page.evaluate("leave()")
    assert page.evaluate("model.listeners()") == 0


@pytest.mark.navegador
def test_a_cell_of_the_large_sheet_opens(page: Page) -> None:
    page.get_by_role("button", name="Ver más grande").tap()
    page.locator("dialog").get_by_role("button", name="Abrir Steps: 8").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.wait_for_function("sent.length === 3")
    assert [said for said in page.evaluate("sent") if "key" in said] == [{"key": "b"}]


def test_the_whole_sheet_is_given_while_it_is_looked_at() -> None:
    pressed: list[str] = []
    widget = sheet_widget(pressed.append, lambda: b"entera")
    widget._handle_custom_msg({"whole": True}, [])
    assert widget.whole == b"entera"
    widget._handle_custom_msg({"whole": False}, [])
    widget._handle_custom_msg({"key": "a"}, [])
    widget._handle_custom_msg("otra cosa", [])
    assert (widget.whole, pressed) == (b"", ["a"])


def test_a_sheet_that_fills_up_has_no_more_than_is_shown() -> None:
    widget = sheet_widget(lambda _key: None)
    widget._handle_custom_msg({"whole": True}, [])
    assert widget.whole == b""
