"""Drawing areas and poses with a mouse, and what they put in the form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from web_visitor import field, part, tab

pytestmark = pytest.mark.navegador


def test_areas_are_drawn_and_go_to_the_form(page: Page) -> None:
    tab(page, "Zonas")
    page.get_by_role("button", name="Izquierda y derecha").click()
    page.get_by_label("Prompt de la zona 1", exact=True).fill("una chica rubia")
    page.get_by_label("Prompt de la zona 2", exact=True).fill("un chico")
    canvas = page.locator(".sd-areas")
    box = canvas.bounding_box()
    assert box is not None
    page.get_by_role("button", name="Quitar la zona 2").click()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Poner en el formulario").click()
    expect(page.locator(".sd-areas-side .sd-room-told")).to_contain_text("Escribe el prompt")
    page.get_by_label("Prompt de la zona 2", exact=True).fill("un dragón")
    page.get_by_role("button", name="Vertical (2:3)").click()
    page.get_by_role("button", name="Poner en el formulario").click()
    expect(field(page, "prompt")).to_have_value("una chica rubia AND un dragón")
    expect(field(page, "width")).to_have_value("128")
    expect(field(page, "height")).to_have_value("192")
    expect(field(page, "regions-positions")).to_have_value("0-100:0-50,10-80:60-90")
    expect(field(page, "regions-weights")).to_have_value("1,1")
    expect(part(page, "regions").locator("input[type=checkbox]")).to_be_checked()


def test_the_weights_of_areas_and_their_background_sum_to_one(page: Page) -> None:
    tab(page, "Zonas")
    canvas, weights = page.locator(".sd-areas"), page.locator(".sd-areas-row output")

    def draw(*places: float) -> None:
        canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
        box = canvas.bounding_box()
        assert box is not None
        x, y, width, height = box["x"], box["y"], box["width"], box["height"]
        page.mouse.move(x + places[0] * width, y + places[1] * height)
        page.mouse.down()
        page.mouse.move(x + places[2] * width, y + places[3] * height, steps=4)
        page.mouse.up()

    page.get_by_role("button", name="Fondo y dos personajes").click()
    page.get_by_role("button", name="Quitar la zona 3").click()
    draw(0.6, 0.1, 0.9, 0.8)
    expect(weights).to_have_text(["0.2", "0.8", "0.8"])
    page.get_by_role("button", name="Quitar todas").click()
    draw(0.01, 0.01, 0.99, 0.99)
    expect(weights).to_have_text(["1"])
    page.get_by_role("button", name="Quitar todas").click()
    draw(0.1, 0.1, 0.4, 0.9)
    draw(0.42, 0.12, 0.9, 0.89)
    expect(weights).to_have_text(["1", "1"])
    rectangles = page.locator(".sd-areas rect")
    sides = [
        [float(one.get_attribute(name) or -1) for name in ("x", "y", "width", "height")] for one in rectangles.all()
    ]
    assert sides[1][0] == pytest.approx(sides[0][0] + sides[0][2])  # what nearly meets meets
    assert sides[1][1::2] == pytest.approx(sides[0][1::2])


def test_areas_are_made_with_the_keyboard_alone(page: Page) -> None:
    tab(page, "Zonas")
    page.get_by_role("button", name="Quitar todas").click()
    expect(page.get_by_text("Intro añade una zona")).to_be_hidden()
    page.get_by_role("button", name="Horizontal (3:2)").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".sd-areas")).to_be_focused()
    expect(page.get_by_text("Intro añade una zona")).to_be_visible()
    for key in ("Enter", "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    area = page.locator(".sd-areas rect")
    expect(area).to_have_count(1)
    part = [round(float(area.get_attribute(name) or 0)) for name in ("y", "height")]
    assert part == [200, 600]
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    expect(area).to_have_attribute("y", "400")
    page.get_by_role("button", name="Quitar todas").click()
    expect(area).to_have_count(0)


def test_a_pose_is_edited_by_keyboard(page: Page) -> None:
    tab(page, "Poses")
    canvas = page.locator(".sd-pose")
    told = page.locator("#sd-room-poses").get_by_role("status")
    knee = canvas.locator("circle[data-person='0'][data-point='9']")
    keys = page.get_by_text("Intro elige el punto siguiente")
    expect(keys).to_be_hidden()
    page.get_by_role("button", name="Manos y cara").focus()
    page.keyboard.press("Tab")
    expect(canvas).to_be_focused()
    expect(keys).to_be_visible()
    before = float(knee.get_attribute("cx") or 0), float(knee.get_attribute("cy") or 0)
    for _point in range(10):
        page.keyboard.press("Enter")
    expect(told).to_have_text("Persona 1: rodilla derecha, punto 10.")
    for key in ("ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    side = 768
    assert float(knee.get_attribute("cx") or 0) - before[0] == pytest.approx(side * 0.01)
    assert before[1] - float(knee.get_attribute("cy") or 0) == pytest.approx(side * 0.05)
    page.keyboard.press("Delete")
    expect(canvas.locator("circle[stroke-dasharray='3']")).to_have_count(1)
    for _change in range(3):
        page.keyboard.press("Control+z")
    expect(canvas.locator("circle[stroke-dasharray='3']")).to_have_count(0)
    assert float(knee.get_attribute("cx") or 0) == pytest.approx(before[0])
    page.keyboard.press("Shift+Enter")
    expect(told).to_have_text("Persona 1: cadera derecha, punto 9.")
    page.keyboard.press("Tab")
    expect(canvas).not_to_be_focused()


def test_a_wrist_is_held_below_its_hand_and_two_taps_hide_a_point(page: Page, tmp_path: Path) -> None:
    tab(page, "Poses")
    canvas = page.locator(".sd-pose")
    body = [value for number in range(18) for value in (100 + 15 * number, 60 + 20 * number, 1)]
    wrist = body[12:14]
    hand = [value for number in range(21) for value in (wrist[0] + number, wrist[1] + 3 * number, 1)]
    person = {"pose_keypoints_2d": body, "hand_right_keypoints_2d": hand}
    (tmp_path / "mano.json").write_text(
        json.dumps({"canvas_width": 512, "canvas_height": 512, "people": [person]}), "utf-8"
    )
    page.locator(".sd-room-host input[type=file][accept*=json]").set_input_files(tmp_path / "mano.json")
    expect(page.locator("circle[data-part='hand_right_keypoints_2d']")).to_have_count(21)
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = canvas.bounding_box()
    assert box is not None
    scale = box["width"] / 512

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * scale, box["y"] + y * scale

    def dragged(x: float, y: float) -> None:
        page.mouse.move(*at(x, y))
        page.mouse.down()
        page.mouse.move(*at(x + 50, y), steps=3)
        page.mouse.up()

    tip = page.locator("circle[data-part='hand_right_keypoints_2d'][data-point='20']")
    dragged(*wrist)
    expect(page.locator("circle[data-part='pose_keypoints_2d'][data-point='4']")).to_have_attribute(
        "cx", str(wrist[0] + 50)
    )
    expect(tip).to_have_attribute("cx", str(hand[60] + 50))
    dragged(hand[60] + 50, hand[61])
    expect(tip).to_have_attribute("cx", str(hand[60] + 100))
    dragged((body[24] + body[27]) / 2, (body[25] + body[28]) / 2)  # a limb, which is no point
    page.mouse.dblclick(*at(*body[27:29]))
    expect(page.locator("circle[stroke-dasharray='3']")).to_have_count(1)
    page.mouse.dblclick(*at(*body[27:29]))
    expect(page.locator("circle[stroke-dasharray='3']")).to_have_count(0)


def test_a_pose_is_edited_saved_and_followed(page: Page, tmp_path: Path) -> None:
    tab(page, "Poses")
    page.get_by_role("button", name="Añadir persona").click()
    head = page.locator("circle[data-person='1'][data-point='0']")
    box = head.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 30, steps=3)
    page.mouse.up()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Guardar JSON").click()
    saved.value.save_as(tmp_path / "pose.json")
    poses = json.loads((tmp_path / "pose.json").read_text("utf-8"))
    assert len(poses["people"]) == 2
    first, second = (one["pose_keypoints_2d"][:2] for one in poses["people"])
    page.get_by_role("button", name="Quitar persona").click()
    expect(page.locator("circle[data-person='1']")).to_have_count(0)
    page.get_by_role("button", name="Deshacer").click()
    expect(page.locator("circle[data-person='1'][data-point='0']")).to_have_count(1)
    assert first != second
    page.locator(".sd-room-host input[type=file][accept*=json]").set_input_files(tmp_path / "pose.json")
    expect(page.locator("circle[data-person='1'][data-point='0']")).to_have_count(1)
    page.locator("#sd-room-poses").get_by_role("button", name="Enviar a ControlNet").click()
    expect(part(page, "control-0").locator("input[type=checkbox]")).to_be_checked()
    expect(part(page, "control-0-images")).to_contain_text(".png")
    expect(field(page, "control-0-kind")).to_have_value("Openpose")
    expect(page.get_by_text("La pose es la muestra de «ControlNet 1», del tipo Openpose.")).to_be_visible()
    expect(part(page, "weights-control-0")).to_contain_text("Para Openpose no hay ningún modelo de ControlNet")
    tab(page, "Poses")
    page.locator("#sd-room-poses").get_by_role("button", name="Enviar a ControlNet").click()
    expect(part(page, "control-1").locator("input[type=checkbox]")).to_be_checked()
    expect(part(page, "control-1-images")).to_contain_text(".png")  # a unit that is on keeps its own
