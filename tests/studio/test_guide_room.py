"""The guide: every button leads somewhere that exists, and downloads only what the catalogue offers."""

from __future__ import annotations

import pytest

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.words.road import ROAD
from sdcolab.studio.guide_room import GuideRoom
from sdcolab.studio.layout import LAYOUT, every_section
from sdcolab.studio.look import icons
from sdcolab.wiring.downloads import catalog_links, embedding_links, upscaler_links


def test_every_button_leads_somewhere() -> None:
    sections = {section.id for section in every_section(LAYOUT.generation)}
    links = catalog_links()
    for step in ROAD:
        assert step.icon in icons() and step.text and step.acts
        for act in step.acts:
            assert not act.tab or LAYOUT.tab(act.tab)
            assert not act.section or act.section in sections
            assert not act.script or act.script in {script.id for script in LAYOUT.scripts}
            assert all(name in links for name in act.download), act.label


def test_a_button_queues_its_links_and_nothing_else() -> None:
    asked: list[str] = []
    room = GuideRoom(catalog_links(), asked.append, upscaler_links() | embedding_links())
    steps = room.answers["road"]({})["steps"]
    sizes = [act["size"] for step in steps for act in step["acts"]]
    assert any(size.endswith("B") for size in sizes) and "0 B" not in sizes
    said = room.answers["download"]({"step": "vae", "act": 0})
    assert len(asked[0].splitlines()) == 3 and "vae-ft-mse-840000" in said
    for wrong in ({"step": "vae", "act": 9}, {"step": "opciones", "act": 0}, {"step": "x", "act": -1}):
        with pytest.raises(StrangeQuestion):
            room.answers["download"](wrong)
    assert len(asked) == 1
    assert "R-ESRGAN 4x+" in room.answers["get"]({"name": "R-ESRGAN 4x+"})
    assert asked[1].endswith("RealESRGAN_x4plus.pth")
    room.answers["get"]({"name": "EasyNegative"})
    assert asked[2].endswith("EasyNegative.safetensors")
    with pytest.raises(StrangeQuestion):
        room.answers["get"]({"name": "https://example.com/x.pth"})
