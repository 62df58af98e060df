"""The surface for pictures in a real Chromium, without any face around it: mouse, pen, one finger and two."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from sdcolab.core.words.canvas import CANVAS_WORDS
from sdcolab.studio.look import asset, shared_css

pytestmark = pytest.mark.navegador

SIDE = 200
"""Pixels of the picture, which is shown at twice that."""


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 420, "height": 700}, has_touch=True)
    yield context
    context.close()


@pytest.fixture
def open_canvas(context: BrowserContext) -> Iterator[Any]:
    pages: list[Page] = []
    trouble: list[str] = []

    def open_page(mode: str, *, picture: bool = True) -> Page:
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.set_content(
            f"<style>{shared_css()} body {{ margin: 0 }} #host {{ width: 400px }}</style><div id=host></div>"
            f"<script type=module>{asset('canvas.js')}\nwindow.told = []; window.surface = mountCanvas("
            f"document.getElementById('host'), {{ mode: '{mode}', words: {json.dumps(CANVAS_WORDS)}, "
            f"size: [{SIDE}, {SIDE}], onChange: value => window.told.push(value) }})</script>"
        )
        page.wait_for_function("window.surface !== undefined")
        if picture:
            page.evaluate("url => surface.show(url)", data_url("teal"))
        return page

    yield open_page
    for page in pages:
        page.close()
    assert trouble == []


def data_url(colour: str) -> str:
    data = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), colour).save(data, format="PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def opened(value: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(value.partition(",")[2]))).convert("L")


def box_of(page: Page) -> tuple[int, int, int, int] | None:
    """What is white in the value: left, top, right, bottom."""
    value = page.evaluate("surface.value()")
    return opened(value).getbbox() if value else None


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """With the mouse, between two points of the picture in its own pixels."""
    left, top = corner(page)
    page.mouse.move(left + 2 * start[0], top + 2 * start[1])
    page.mouse.down()
    page.mouse.move(left + 2 * end[0], top + 2 * end[1], steps=5)
    page.mouse.up()


def corner(page: Page) -> tuple[float, float]:
    box = page.locator(".sd-canvas-stage").bounding_box()
    assert box is not None
    return box["x"], box["y"]


def press(page: Page, tool: str) -> None:
    page.get_by_role("button", name=CANVAS_WORDS[tool]).click()


def near(found: tuple[int, ...] | None, wanted: tuple[int, ...], slack: int = 3) -> bool:
    return found is not None and all(abs(one - other) <= slack for one, other in zip(found, wanted, strict=True))


def test_a_mask_is_painted_erased_undone_inverted_and_cleared(open_canvas: Any) -> None:
    page = open_canvas("mask")
    page.evaluate("surface.size.value = 40")  # 40 pixels on the screen: 20 of the picture's
    assert page.evaluate("surface.value()") is None
    drag(page, (40, 50), (100, 50))
    assert near(box_of(page), (30, 40, 110, 60))
    assert page.evaluate("told.length") == 1
    drag(page, (50, 150), (50, 170))
    press(page, "undo")
    assert near(box_of(page), (30, 40, 110, 60))
    page.keyboard.press("Control+y")
    page.locator(".sd-canvas-surface").press("Control+y")
    assert near(box_of(page), (30, 40, 110, 180))
    press(page, "erase")
    drag(page, (50, 140), (50, 180))
    assert near(box_of(page), (30, 40, 110, 60))
    press(page, "invert")
    value = opened(page.evaluate("surface.value()"))
    assert (value.getpixel((60, 50)), value.getpixel((5, 5))) == (0, 255)
    press(page, "clear")
    assert page.evaluate("surface.value()") is None
    page.evaluate("url => surface.show(url)", data_url("red"))
    assert page.evaluate("surface.marks.length") == 0, "the mask belonged to the picture before"


def test_an_uploaded_mask_and_a_kept_one_come_back(open_canvas: Any) -> None:
    page = open_canvas("mask")
    mask = Image.new("RGB", (100, 100))
    mask.paste("white", (50, 0, 100, 100))
    data = io.BytesIO()
    mask.save(data, format="PNG")
    page.locator("input[type=file]").set_input_files(
        {"name": "m.png", "mimeType": "image/png", "buffer": data.getvalue()}
    )
    page.wait_for_function("told.length === 1")
    assert box_of(page) == (100, 0, 200, 200)
    page.evaluate("() => surface.restore(told[0])")
    assert box_of(page) == (100, 0, 200, 200)


@pytest.fixture
def fingers(context: BrowserContext) -> Any:
    """Two fingers, which only the browser's own protocol has."""

    def touch(page: Page) -> CDPSession:
        return context.new_cdp_session(page)

    return touch


def points(page: Page, *places: tuple[float, float]) -> list[dict[str, float]]:
    left, top = corner(page)
    return [{"x": left + 2 * x, "y": top + 2 * y, "id": number} for number, (x, y) in enumerate(places)]


def test_a_finger_paints_and_two_zoom_without_painting(open_canvas: Any, fingers: Any) -> None:
    page = open_canvas("mask")
    hand = fingers(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        hand.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points(page, *places)})

    touch("Start", (50, 100))
    touch("Move", (100, 100))
    touch("End")
    assert near(box_of(page), (38, 88, 112, 112))
    touch("Start", (80, 100))
    touch("Start", (80, 100), (120, 100))
    touch("Move", (60, 100), (140, 100))
    touch("End")
    assert page.evaluate("surface.view.scale") > 1.5
    assert near(box_of(page), (38, 88, 112, 112)), "the first finger of two paints nothing"
    press(page, "fit")
    assert page.evaluate("surface.view.scale") == 1


def test_a_pen_s_pressure_widens_the_line_and_makes_fingers_only_move(open_canvas: Any) -> None:
    page = open_canvas("draw", picture=False)
    page.evaluate(
        """() => {
          const box = surface.surface.getBoundingClientRect();
          const send = (type, x, y, pressure) => surface.surface.dispatchEvent(new PointerEvent(type, {
            pointerId: 7, pointerType: "pen", isPrimary: true, button: 0, buttons: 1, pressure,
            clientX: box.left + x, clientY: box.top + y, bubbles: true }));
          surface.surface.setPointerCapture = () => {};
          surface.size.value = 40;
          send("pointerdown", 100, 200, 0.1);
          send("pointermove", 260, 200, 0.1);
          send("pointermove", 380, 200, 1);
          send("pointerup", 380, 200, 0);
        }"""
    )
    drawn = opened(page.evaluate("surface.value()"))
    heights = [sum(drawn.getpixel((x, y)) < 128 for y in range(SIDE)) for x in (70, 160)]
    assert heights[0] < 10 < heights[1], heights
    page.touchscreen.tap(50, 60)
    assert page.evaluate("surface.marks.length") == 1


def test_rectangles_are_drawn_moved_resized_and_removed(open_canvas: Any) -> None:
    page = open_canvas("boxes")

    def boxes() -> list[tuple[float, ...]]:
        found: list[dict[str, float]] = page.evaluate("surface.value()")
        return [tuple(round(box[name], 2) for name in ("x", "y", "width", "height")) for box in found]

    drag(page, (20, 40), (100, 120))
    assert boxes() == [(0.1, 0.2, 0.4, 0.4)]
    drag(page, (60, 80), (80, 80))
    assert boxes() == [(0.2, 0.2, 0.4, 0.4)]
    drag(page, (120, 120), (160, 160))
    assert boxes() == [(0.2, 0.2, 0.6, 0.6)]
    drag(page, (5, 5), (6, 6))
    assert len(boxes()) == 1, "a slip of the hand is no rectangle"
    press(page, "undo")
    assert boxes() == [(0.2, 0.2, 0.4, 0.4)]
    page.evaluate("surface.chosen = 0")
    press(page, "remove")
    assert boxes() == []


def test_the_keys_cover_nothing_that_the_mouse_draws(open_canvas: Any) -> None:
    page = open_canvas("draw")
    keys = page.locator(".sd-canvas-keys")
    page.evaluate("document.body.append(document.createElement('textarea'))")
    page.locator("textarea").focus()
    page.keyboard.type("gato")  # the focus that a page gives after that counts as one by keyboard
    drag(page, (40, 40), (60, 60))
    expect(page.locator(".sd-canvas-surface")).to_be_focused()
    expect(keys).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(keys).to_be_visible()


def test_a_mask_is_painted_with_the_keyboard_alone(open_canvas: Any) -> None:
    page = open_canvas("mask")
    page.evaluate("surface.size.value = '20'")
    page.keyboard.press("Tab")
    expect(page.locator(".sd-canvas-keys")).to_be_visible()
    for key in ("ArrowRight", "Shift+ArrowLeft", "Enter", "Shift+ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate("told.length") == 0, "the stroke goes on"
    page.keyboard.press("Enter")
    assert page.evaluate("told.length") == 1
    left, top, right, bottom = box_of(page) or (0, 0, 0, 0)
    assert (left, top, right, bottom) == pytest.approx((79, 95, 89, 129), abs=2)
    page.keyboard.press("Control+z")
    assert box_of(page) is None
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("told.length") == 3, "what was begun is done where the keys go elsewhere"


def test_a_rectangle_is_drawn_with_the_keyboard_alone(open_canvas: Any) -> None:
    page = open_canvas("boxes")
    page.keyboard.press("Tab")
    for key in ("Shift+ArrowUp", "Enter", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    (box,) = page.evaluate("surface.value()")
    assert [round(box[name], 2) for name in ("x", "y", "width", "height")] == [0.5, 0.4, 0.2, 0.1]
    page.keyboard.press("Delete")
    assert page.evaluate("surface.value()") == []
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("surface.value()") == [], "a corner alone is no rectangle"


def test_two_pictures_are_compared_with_mouse_and_keyboard(open_canvas: Any) -> None:
    page = open_canvas("compare", picture=False)
    page.evaluate("([one, two]) => surface.compare(one, two)", [data_url("black"), data_url("white")])

    def lightness(x: int) -> int:
        shot = Image.open(io.BytesIO(page.locator(".sd-canvas-stage").screenshot())).convert("L")
        return int(shot.getpixel((x, 20)))  # type: ignore[arg-type]

    assert (lightness(150), lightness(250)) == (0, 255)
    left, top = corner(page)
    page.mouse.click(left + 300, top + 100)
    assert (lightness(250), lightness(350)) == (0, 255)
    page.get_by_role("slider").press("Home")
    assert lightness(60) == 255


def test_the_whole_screen_is_taken_and_given_back(open_canvas: Any) -> None:
    page = open_canvas("mask")
    press(page, "full")
    box = page.locator(".sd-canvas").bounding_box()
    assert box is not None and (box["width"], box["height"]) == (420, 700)
    page.mouse.move(200, 200)
    page.mouse.wheel(0, -300)
    assert page.evaluate("surface.view.scale") > 2
    page.keyboard.press("Escape")
    assert page.locator(".sd-canvas-full").count() == 0
