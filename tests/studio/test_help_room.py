"""The help: it speaks of controls that exist, and shows a strip wherever it has examples."""

from __future__ import annotations

import io

from PIL import Image

from sdcolab.core.words.help import HELP
from sdcolab.studio.help_room import SIDE, HelpRoom
from sdcolab.studio.layout import EXTRAS, LAYOUT, every_section


def test_it_speaks_of_what_the_form_shows() -> None:
    paths = set(LAYOUT.form_paths()) | {path for one in EXTRAS.shown() for path in one.paths}
    parts = {section.part for section in every_section(LAYOUT.generation) if section.part}
    parts |= {f"{section.part}.0" for section in every_section(LAYOUT.generation) if section.most > 1}
    assert set(HELP) <= paths | parts
    told = HelpRoom().answers["help"]({})
    assert len({entry["label"] for entry in told["entries"]}) > 0.8 * len(HELP)
    assert all(entry["text"] for entry in told["entries"])


def test_every_example_has_its_picture_and_nothing_else_is_given() -> None:
    room = HelpRoom()
    for path, entry in HELP.items():
        strip = room.file("strip", path)
        if not entry.examples:
            assert strip is None
            continue
        assert strip is not None and isinstance(strip.content, bytes)
        with Image.open(io.BytesIO(strip.content)) as picture:
            assert picture.size == (SIDE * len(entry.examples), SIDE)
    assert room.file("strip", "../help/steps") is None and room.file("otro", "steps") is None
