"""axe-core finds nothing to object to, on any tab: on a phone by day and on a desk by night, and with ``--completo`` at
three sizes, light and dark."""

from __future__ import annotations

import re
from itertools import product

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect
from web_fakes import Bench
from web_visitor import Visit, generate, infotext, part

from sdcolab.core.prompt import Style
from sdcolab.studio.layout import LAYOUT

pytestmark = pytest.mark.navegador

SIZES = {"phone": (390, 844), "laptop": (1366, 768), "desk": (1920, 1080)}
LOOKS = {"light": None, "dark": ["color-contrast"]}
"""The rules that each look is tried with: colours are all that dark can change."""
ONCE = {("phone", "light"), ("desk", "dark")}
FAULTS = """rules => axe.run({ preload: false, resultTypes: ["violations"], ...(rules && { runOnly: rules }) })
  .then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`)))"""

DRAWN = """() => ![...document.querySelectorAll(".sd-room-host")]
  .some((one) => one.checkVisibility() && !one.childElementCount)"""


@pytest.mark.timeout(900)
def test_axe_objects_to_nothing(visit: Visit, bench: Bench, pytestconfig: pytest.Config) -> None:
    """With something to see in the tabs: pictures, a warning, a job that failed, a LoRA, a style, a wildcard list."""
    bench.add_lora("Lineas", "thick lines")
    bench.studio.settings.change(lambda now: now.with_style(Style("Mi estilo", "ink, {prompt}", "")))
    bench.folders.wildcards.mkdir(parents=True, exist_ok=True)
    (bench.folders.wildcards / "poses.txt").write_text("de pie\n")
    page = visit()
    page.evaluate(AXE_SCRIPT)
    found: dict[str, list[str]] = {}
    generate(page, "roto")
    expect(part(page, "problems")).to_contain_text("roto")
    generate(page, "un gato con aviso")
    expect(infotext(page)).to_have_value(re.compile("^un gato"))
    for tab in LAYOUT.tabs:
        page.evaluate("id => document.getElementById(`sd-tab-${id}-button`).click()", tab.id)
        expect(page.locator("html")).to_have_attribute("data-sd-tab", tab.id)
        page.wait_for_function(DRAWN)
        for size, look in product(SIZES, LOOKS) if pytestconfig.getoption("completo") else ONCE:
            width, height = SIZES[size]
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=look, reduced_motion="reduce")
            for fault in page.evaluate(FAULTS, LOOKS[look]):
                found.setdefault(fault, []).append(f"{tab.id} {size} {look}")
    assert found == {}
