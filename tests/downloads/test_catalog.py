from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK
from support.servers import (
    CONTROLNET_SHAPES,
    VAE_SHAPES,
    FileServer,
    HubFile,
    HuggingFaceServer,
    safetensors_bytes,
)

from sdcolab.core.control import ControlType, best_model
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import HashMismatch, UnknownName
from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.few_steps import few_steps
from sdcolab.core.folders import ROOT_VARIABLE, Folders
from sdcolab.core.preprocessors import usual_weights
from sdcolab.core.words import explain
from sdcolab.downloads.catalog import controlnet_links, controlnets_for, known_hashes, load_catalog, names_of_kind
from sdcolab.downloads.links import Link, parse_links
from sdcolab.downloads.queue import DownloadQueue
from sdcolab.wiring import notebook
from sdcolab.wiring.downloads import HUGGINGFACE_VARIABLE, catalog_choices, controls_on_offer

Serve = Callable[..., FileServer]

GUIDES = frozenset({ModelFamily.SD1})
"""The family of everything that the guide recommends."""


def test_what_the_guide_recommends_is_there() -> None:
    catalog = load_catalog()
    assert names_of_kind(catalog, ModelKind.CHECKPOINT, GUIDES) == (
        "7th Heaven Mix",
        "AbyssOrangeMix3 (AOM3)",
        "Heaven Orange Mix",
        "Grapefruit",
        "DreamShaper",
        "Pastel Mix",
        "Deliberate",
        "URPM",
        "Stable Diffusion 1.5",
        "AnyLoRA",
        "Deliberate (versión de la guía)",
    )
    assert names_of_kind(catalog, ModelKind.LORA, GUIDES)[0] == "Thicker Lines Anime Style"
    assert len(names_of_kind(catalog, ModelKind.VAE, GUIDES)) == 3
    assert names_of_kind(catalog, ModelKind.EMBEDDING, GUIDES) == ("EasyNegative",)


def test_loras_of_few_steps_are_known_again_by_the_names_that_they_arrive_with() -> None:
    """The form's button must know what the catalogue brought."""
    catalog = load_catalog()
    found = {}
    for name in names_of_kind(catalog, ModelKind.LORA, frozenset({ModelFamily.SD1, ModelFamily.SDXL}))[1:]:
        (link,) = parse_links(catalog[name].link)
        assert isinstance(link, Link)
        known = few_steps(link.name or link.parts.path.rpartition("/")[2])
        assert known is not None, name
        found[name] = known.name
    assert {*found.values()} == {"Hyper-SD con CFG", "Hyper-SD", "LCM", "TCD", "Lightning", "DMD2"}


def test_every_entry_is_one_link_with_a_source() -> None:
    catalog = load_catalog()
    for entry in catalog.values():
        (link,) = parse_links(entry.link)
        assert isinstance(link, Link)
        assert link.url.startswith(entry.page)
        assert link.name == entry.file
        assert link.host in ("civitai.com", "huggingface.co", "github.com")
        assert entry.note
        assert entry.source
    assert len(parse_links(", ".join(entry.link for entry in catalog.values()))) == len(catalog)


def test_sizes_and_hashes_have_a_source() -> None:
    for entry in load_catalog().values():
        assert bool(entry.size or entry.sha256) == bool(entry.sha256_source)
        assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.size is None or entry.size > 10_000
    hashes = [entry.sha256 for entry in load_catalog().values() if entry.sha256]
    assert len(set(hashes)) == len(hashes)


def test_a_file_that_is_not_the_one_in_the_catalogue_is_refused(folders: Folders, serve: Serve) -> None:
    good, other = (safetensors_bytes(VAE_SHAPES, seed) for seed in (1, 2))
    server = serve({"/bueno.safetensors": good, "/otro.safetensors": other})
    hashes = {f"{server.url}/{name}.safetensors": hashlib.sha256(good).hexdigest() for name in ("bueno", "otro")}
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY, known_hashes=hashes)
    first, second = queue.run(", ".join(hashes))
    assert first.ok
    assert isinstance(second.error, HashMismatch)
    assert [path.name for path in folders.models(ModelKind.VAE).iterdir()] == ["bueno.safetensors"]


def test_hashes_are_known_by_the_address_that_is_asked_for() -> None:
    catalog = load_catalog()
    assert len(known_hashes(catalog)) == sum(entry.sha256 is not None for entry in catalog.values())
    (link,) = parse_links(catalog["R-ESRGAN 4x+"].link)
    assert isinstance(link, Link)
    assert known_hashes(catalog)[link.url] == catalog["R-ESRGAN 4x+"].sha256


def test_the_most_used_of_sdxl_is_there_after_the_guides() -> None:
    catalog = load_catalog()
    offered = names_of_kind(catalog, ModelKind.CHECKPOINT)
    guides = names_of_kind(catalog, ModelKind.CHECKPOINT, GUIDES)
    assert offered[: len(guides)] == guides
    assert {"SDXL base 1.0", "WAI-illustrious-SDXL", "Juggernaut XL v9", "Animagine XL 4.0"} <= {*offered}


def test_what_is_for_adults_can_be_hidden() -> None:
    everything, others = catalog_choices(), catalog_choices(adult=False)
    hidden = set(everything) - set(others)
    assert {"Grapefruit", "URPM"} <= {line.partition(" · ")[2].partition(",")[0] for line, _ in hidden}
    assert all("🔞" in line for line, _ in hidden)
    assert not any("🔞" in line for line, _ in others)


def test_units_of_sdxl_are_offered_its_union() -> None:
    offers = {one.name: one for one in controls_on_offer() if one.family is ModelFamily.SDXL}
    found = [best_model(kind, offers, ModelFamily.SDXL) for kind in (ControlType.SCRIBBLE, ControlType.TILE)]
    assert found == ["xinsir_controlnet_union_sdxl_promax.safetensors", "xinsir_controlnet_tile_sdxl.safetensors"]
    assert all(len(one.name) > len(".safetensors") for one in controls_on_offer())


def test_what_cannot_run_is_not_in_the_menus() -> None:
    catalog = load_catalog()
    for kind in ModelKind:
        only_sdxl = names_of_kind(catalog, kind, frozenset({ModelFamily.SDXL}))
        assert all(catalog[name].family in (ModelFamily.SDXL, ModelFamily.UNKNOWN) for name in only_sdxl)
        assert "DreamShaper" not in only_sdxl


def test_upscalers_of_the_guide() -> None:
    upscalers = names_of_kind(load_catalog(), ModelKind.UPSCALER)
    assert {"Remacri", "R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B"} <= {*upscalers}


def test_all_controlnet_models() -> None:
    links = [entry for entry in parse_links(controlnet_links(load_catalog())) if isinstance(entry, Link)]
    assert len(links) == 14
    for wanted in ("canny", "depth", "openpose", "scribble"):
        assert any(f"_{wanted}_" in link.url for link in links)
    assert all("sd15" in link.url for link in links)
    text, count, size = controlnets_for(load_catalog(), "URPM")
    weights = usual_weights()
    assert text.startswith(controlnet_links(load_catalog()))
    assert text.endswith(weights[-1].link)
    assert count == 14 + len(weights)
    assert size == 14 * 722_600_000 + sum(one.size for one in weights)
    assert len({one.file for one in weights}) == len(weights) >= 8
    text, count, size = controlnets_for(load_catalog(), "Juggernaut XL v9")
    assert "xinsir" in text
    assert (count, size) == (1 + len(weights), 2_513_342_408 + sum(one.size for one in weights))


def test_every_file_of_the_box_tells_its_size_in_the_menu() -> None:
    lines = {line.partition(",")[0]: line for line, _ in catalog_choices()}
    assert "· 723 MB · Licencia: OpenRAIL" in lines["ControlNet canny"]
    assert "· 493 MB · Licencia: MIT" in next(line for name, line in lines.items() if "dpt_hybrid" in name)


def test_the_diff_versions_of_the_guide_are_there_and_only_when_asked_for() -> None:
    catalog = load_catalog()
    for kind in ("canny", "depth", "openpose", "scribble"):
        entry = catalog.find(f"diff_control_sd15_{kind}_fp16")
        assert entry.kind is ModelKind.CONTROLNET
        assert entry.link not in controlnet_links(catalog)


def test_all_controlnet_models_arrive_in_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the notebook's box does it, from the catalogue's own addresses."""
    links = [entry for entry in parse_links(controlnet_links(load_catalog())) if isinstance(entry, Link)]
    names = [link.parts.path.rsplit("/", 1)[-1] for link in links]
    control = safetensors_bytes(CONTROLNET_SHAPES)
    files = {link.parts.path.strip("/").replace("/resolve/", "/", 1): HubFile(control) for link in links}
    with HuggingFaceServer(files) as hub:
        monkeypatch.setenv(HUGGINGFACE_VARIABLE, hub.url)
        monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
        together = notebook._collaborators()
        wanted = ", ".join(together.controlnet_links("")[0].split(", ")[: len(links)])
        reports = together.make_download({})(wanted, ignore_events, CancelToken())
    folder = Folders(tmp_path).models(ModelKind.CONTROLNET)
    assert [report.path for report in reports] == [folder / name for name in names]
    assert {report.kind for report in reports} == {ModelKind.CONTROLNET}


def test_the_page_offers_what_runs() -> None:
    catalog = load_catalog()
    choices = catalog_choices()
    assert {link for _, link in choices} == {entry.link for entry in catalog.values() if entry.runs()}
    line = "DreamShaper, modelo (checkpoint) para SD1: Arte en general, muy creativo · Licencia: la que diga su página"
    assert (line, catalog["DreamShaper"].link) in choices


def test_names_are_found_and_misses_help() -> None:
    catalog = load_catalog()
    assert catalog.find("aom3").link == "https://civitai.com/models/9942/abyssorangemix3-aom3#AOM3"
    with pytest.raises(UnknownName) as caught:
        catalog.find("DreamShapper")
    assert "DreamShaper" in str(explain(caught.value))


def test_what_must_be_known_before_choosing() -> None:
    lines = {line for line, _ in catalog_choices()}
    assert any(line.startswith("🔞 Para adultos · Grapefruit") for line in lines)
    assert all("Licencia: " in line for line in lines)
    assert sum(line.startswith("🔞") for line in lines) == sum(entry.adult for entry in load_catalog().values())
