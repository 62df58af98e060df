"""Searching civitai, against a server that answers as its API does."""

from __future__ import annotations

from typing import Any

import pytest
from support.servers import CivitaiServer

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ServerFailed
from sdcolab.wiring.downloads import CIVITAI_VARIABLE, civitai_search


def model(number: int, **facts: Any) -> dict[str, Any]:
    image = {"url": f"https://image.civitai.com/{number}.jpeg", "nsfwLevel": 1, "type": "image"}
    files = [{"sizeKB": 10, "primary": False}, {"sizeKB": 2048, "primary": True}]
    version = {"id": number * 10, "baseModel": "SD 1.5", "files": files, "images": [image]}
    return {"id": number, "name": f"Modelo {number}", "nsfw": False, "modelVersions": [version]} | facts


def test_models_are_found_without_what_is_for_adults() -> None:
    with CivitaiServer({}) as server:
        bold = [{"url": "https://image.civitai.com/b.jpeg", "nsfwLevel": 8}, {"url": "https://evil.example/x.png"}]
        bold.append({"url": "https://[", "nsfwLevel": 1})
        server.found = [
            model(1, creator={"username": "ana"}, stats={"downloadCount": 5}),
            model(2, nsfw=True),
            model(3, modelVersions=[{"id": 30, "images": bold}]),
            model(4, modelVersions=[]),
            {"id": "x"},
        ]
        found = civitai_search("capa roja", ModelKind.LORA, environment={CIVITAI_VARIABLE: server.url})
        assert [one["name"] for one in found] == ["Modelo 1", "Modelo 3"]
        facts = {"name": "Modelo 1", "author": "ana", "base": "SD 1.5", "downloads": 5, "size": "2 MB", "adult": False}
        assert found[0] | facts == found[0] and found[0]["picture"] == "https://image.civitai.com/1.jpeg"
        assert found[0]["link"] == f"{server.url}/api/download/models/10" and not found[1]["picture"]
        asked = server.seen[-1].path
        assert "query=capa+roja&types=LORA&types=LoCon&types=DoRA" in asked and "nsfw=false" in asked
        every = civitai_search("capa", ModelKind.LORA, adult=True, environment={CIVITAI_VARIABLE: server.url})
        assert len(every) == 3 and "nsfw=true" in server.seen[-1].path
        server.without_api = True
        with pytest.raises(ServerFailed):
            civitai_search("capa", ModelKind.LORA, environment={CIVITAI_VARIABLE: server.url})
