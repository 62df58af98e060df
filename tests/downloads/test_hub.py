"""Files of a repository that are no models of ours: the translator, from a server that speaks as huggingface."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.servers import HubFile, HuggingFaceServer

from sdcolab.core.errors import LinkNotFound
from sdcolab.core.events import BytesReceived, CancelToken, Event, Note
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.tasks import Tools
from sdcolab.core.translating import TRANSLATOR, TRANSLATOR_FILES, FetchTranslator
from sdcolab.wiring.downloads import HUGGINGFACE_VARIABLE
from sdcolab.wiring.translating import build_translations, fetch_translator, translator_folder


def fetch(folders: Folders, hub: HuggingFaceServer) -> list[Event]:
    told: list[Event] = []
    tools = Tools(folders, Library(folders), None, {HUGGINGFACE_VARIABLE: hub.url})  # type: ignore[arg-type]
    fetch_translator(FetchTranslator(), tools, told.append, CancelToken())
    return told


def test_the_translator_arrives_whole_and_only_once(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    files = {f"{TRANSLATOR}/main/{name}": HubFile(name.encode() * 900) for name in TRANSLATOR_FILES}
    assert not build_translations(folders).has_model
    with HuggingFaceServer(files) as hub:
        told = fetch(folders, hub)
        asked = len(hub.seen)
        fetch(folders, hub)
        assert len(hub.seen) == asked
    assert isinstance(told[-1], Note)
    came = {one.name: one for one in told if isinstance(one, BytesReceived)}
    assert {name: (one.received, one.total) for name, one in came.items()} == {
        name: (len(name) * 900, len(name) * 900) for name in TRANSLATOR_FILES
    }
    assert {name: (translator_folder(folders) / name).read_bytes() for name in TRANSLATOR_FILES} == {
        name: name.encode() * 900 for name in TRANSLATOR_FILES
    }
    assert build_translations(folders).has_model


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    other = {f"{TRANSLATOR}/main/README.md": HubFile(b"x")}
    with HuggingFaceServer(other) as hub, pytest.raises(LinkNotFound):
        fetch(Folders(tmp_path), hub)
    assert not build_translations(Folders(tmp_path)).has_model
