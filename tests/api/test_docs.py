"""The API's own description, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_fakes import Bench
from starlette.testclient import TestClient

from sdcolab.core.words.api import ROUTES


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    bench = Bench(tmp_path)
    yield TestClient(bench.api)
    bench.close()


def test_every_route_is_told(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    told = {path.removeprefix("/sdapi/v1/").removeprefix("/") for path in document["paths"]}
    silent = {path for path in told if path.startswith("refresh-")}
    assert told - silent - {"face-restorers", "realesrgan-models", "extensions"} == set(ROUTES)
    page = client.get("/docs").text
    assert all(sentence in page for sentence in ROUTES.values())
    assert "http://" not in page.replace("http://127.0.0.1:7860", "") and "https://" not in page


def test_fields_have_their_ranges_and_meaning(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    schema = paths["/sdapi/v1/txt2img"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert schema["steps"] == {
        "description": schema["steps"]["description"], "type": "integer", "minimum": 1, "maximum": 150, "default": 50
    }  # fmt: skip
    assert "init_images" not in schema and schema["enable_hr"]["default"] is False
    assert "init_images" in client.get("/docs").text
