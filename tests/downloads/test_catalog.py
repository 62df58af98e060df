from __future__ import annotations

import pytest

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import UnknownName
from sdcolab.core.messages import explain
from sdcolab.downloads.catalog import load_catalog, names_of_kind
from sdcolab.downloads.links import Link, parse_links


def test_what_the_guide_recommends_is_there() -> None:
    catalog = load_catalog()
    assert names_of_kind(catalog, ModelKind.CHECKPOINT) == (
        "7th Heaven Mix",
        "AbyssOrangeMix3 (AOM3)",
        "Heaven Orange Mix",
        "Grapefruit",
        "DreamShaper",
        "Pastel Mix",
        "Deliberate",
        "URPM",
    )
    assert len(names_of_kind(catalog, ModelKind.VAE)) == 3
    assert names_of_kind(catalog, ModelKind.EMBEDDING) == ("EasyNegative",)


def test_every_entry_is_one_link_with_a_source() -> None:
    catalog = load_catalog()
    for entry in catalog.values():
        (link,) = parse_links(entry.link)
        assert isinstance(link, Link)
        assert link.url.startswith(entry.page)
        assert link.host in ("civitai.com", "huggingface.co")
        assert entry.note
        assert entry.source
    assert len(parse_links(", ".join(entry.link for entry in catalog.values()))) == len(catalog)


def test_names_are_found_and_misses_help() -> None:
    catalog = load_catalog()
    assert catalog.find("aom3").link == "https://civitai.com/models/9942/abyssorangemix3-aom3#AOM3"
    with pytest.raises(UnknownName) as caught:
        catalog.find("DreamShapper")
    assert "DreamShaper" in str(explain(caught.value))
