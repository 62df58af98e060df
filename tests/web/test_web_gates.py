"""The gates in front of gradio, tried with every event and route that the running page says it has."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from web_fakes import Bench, make_bench

from sdcolab.core import pictures
from sdcolab.core.request import GenerationRequest
from sdcolab.web import gate
from sdcolab.web.app import Server, serve

USER, PASSWORD = "ana", "contraseña larga"
SECRET = "esto no lo debe leer nadie"
API = "/gradio_api"
JSON = {"content-type": "application/json"}
WHOLE_FORM = 40
"""Arguments that only an event with the whole form has more of."""
MARK = {"_type": "gradio.FileData"}


def secret_picture(path: Path) -> Path:
    info = PngInfo()
    info.add_text("parameters", f"{SECRET}\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64")
    Image.new("RGB", (64, 64), "red").save(path, pnginfo=info)
    return path


@dataclass
class House:
    """A served studio, with secrets beside its folders and one picture inside."""

    root: Path
    password: bool
    bench: Bench = field(init=False)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.bench = make_bench(self.root / "sdcolab")
        outputs = self.bench.folders.outputs
        outputs.mkdir(parents=True)
        self.text = self.root / "secreto.txt"
        self.text.write_text(SECRET)
        self.picture = secret_picture(self.root / "secreta.png")
        (outputs / "atajo.png").symlink_to(self.picture)
        secret_picture(outputs / ".oculta.png")
        (outputs / "carpeta.png").mkdir()
        if hasattr(os, "mkfifo"):
            os.mkfifo(outputs / "tubo.png")
        painted = self.bench.generator._paint(GenerationRequest(seed=7), 0, 1.0)
        self.image = self.bench.generator.store.save(painted, "gato\nSteps: 3, Sampler: Euler, Seed: 7", 7)
        self.server = serve(self.bench.studio, port=0, auth=(USER, PASSWORD) if self.password else None)

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=60) as client:
            if self.password:
                assert client.post("/login", data={"username": USER, "password": PASSWORD}).is_success
            yield client

    @functools.cached_property
    def events(self) -> list[Event]:
        """Half of the page's events, and all that take the whole form: what stands before them is the same in both
        houses, and the other has the other half."""
        with self.client() as client:
            found = events(client)
        return [event for event in found if event.number % 2 == self.password or len(event.arguments) > WHOLE_FORM]

    def foreign(self) -> list[str]:
        outputs = self.bench.folders.outputs
        return [
            *map(str, (self.picture, self.text, outputs / "atajo.png", outputs / ".oculta.png")),
            *map(str, (outputs / "carpeta.png", outputs / "tubo.png", outputs / "no-existe.png", outputs)),
            f"{outputs}/../../secreta.png",
            os.path.relpath(self.picture),
            f"file://{self.picture}",
            f"{self.server.url}/favicon.ico",
            "/dev/zero",
        ]

    def copies(self) -> list[Path]:
        """Files in the temporary folder, where gradio keeps its copies, that hold the secret."""
        files = (path for path in self.bench.folders.temporary.rglob("*") if path.is_file())
        return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.fixture(scope="module", params=[True, False], ids=["con contraseña", "sin contraseña"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("casa"), request.param)
    yield house
    house.bench.finish_jobs()
    house.server.close()
    house.bench.studio.jobs.close()


@dataclass(frozen=True)
class Event:
    """An event of the page, and what its arguments are when nobody has touched anything."""

    number: int
    arguments: tuple[Any, ...]

    def body(self, **changes: Any) -> dict[str, Any]:
        return {"fn_index": self.number, "data": list(self.arguments), "session_hash": "ladrón", **changes}

    def with_argument(self, place: int, value: Any) -> dict[str, Any]:
        data = list(self.arguments)
        data[place] = value
        return self.body(data=data)


def events(client: httpx.Client) -> list[Event]:
    """All that the page offers, as its own configuration tells."""
    config = client.get("/config").json()
    values = {part["id"]: part["props"].get("value") for part in config["components"]}
    found = [
        Event(event["id"], tuple(values[part] for part in event["inputs"]))
        for event in config["dependencies"]
        if event["backend_fn"]
    ]
    assert len(found) > 20
    return found


def named(path: str) -> list[Any]:
    """The ways to name a file in an argument."""
    plain: dict[str, Any] = {"path": path}
    marked = plain | {"meta": MARK, "orig_name": "a.png"}
    return [plain, marked, [plain], [marked], {"background": marked, "layers": [plain]}, [[{"image": plain}, None]]]


def test_no_event_takes_a_foreign_file_in_any_argument(house: House) -> None:
    """Each argument in each way, the others as they are when nobody has touched anything. The gate sees them all; three
    of each event are sent, which no event may make a difference to."""
    ways = named(str(house.picture))
    with house.client() as client:
        for event in house.events:
            count = len(event.arguments)
            for place in range(count):
                for value in ways:
                    assert str(house.picture) in gate.named_files(event.with_argument(place, value))
            for place in {0, event.number % max(count, 1), count - 1} if count else ():
                value = ways[(event.number + place) % len(ways)]
                answer = client.post(f"{API}/run/predict", json=event.with_argument(place, value))
                assert answer.status_code == 403, (event.number, place, value)


def test_a_foreign_file_s_bare_name_is_only_a_text(house: House) -> None:
    with house.client() as client:
        for event in house.events:
            places = [place for place, value in enumerate(event.arguments) if not isinstance(value, int | float)]
            for place in places[:10]:
                answer = client.post(f"{API}/run/predict", json=event.with_argument(place, str(house.picture)))
                assert SECRET not in answer.text
    house.bench.finish_jobs()
    assert house.copies() == []


def test_no_foreign_file_passes_by_any_route_that_takes_events(house: House) -> None:
    with house.client() as client:
        event = next(event for event in house.events if event.arguments)
        for path in house.foreign():
            for route in ("run/predict", "queue/join", "call/generar", "call/v2/generar", "api/predict", "cancel"):
                for value in named(path)[:2]:
                    answer = client.post(f"{API}/{route}", json=event.with_argument(0, value))
                    assert answer.status_code == 403, (route, path)
                    assert SECRET not in answer.text


def test_own_pictures_and_uploads_pass(house: House) -> None:
    with house.client() as client:
        config = client.get("/config").json()
        box = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "sd-pnginfo-picture")
        look = next(
            event for event in config["dependencies"] if event["inputs"] == [box] and len(event["outputs"]) == 2
        )
        sent = {"files": ("a.png", house.image.read_bytes())}
        (uploaded,) = client.post(f"{API}/upload", files=sent).json()
        for file in ({"path": str(house.image)}, {"path": uploaded, "meta": MARK}):
            body = {"fn_index": look["id"], "data": [file], "session_hash": "x"}
            assert "gato" in client.post(f"{API}/run/predict", json=body).json()["data"][0]


# --- How much ---------------------------------------------------------------------------------------------------------


def bomb(side: int) -> str:
    """A picture of ``side`` by ``side`` pixels in some kilobytes, in base64."""
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def test_every_event_refuses_a_body_over_its_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_EVENT_BYTES", 50_000)
    with house.client() as client:
        for event in house.events:
            answer = client.post(f"{API}/run/predict", json=event.body(extra="x" * 50_000))
            assert answer.status_code == 413


def test_long_texts_are_refused_even_when_they_pretend_to_be_pictures(house: House) -> None:
    with house.client() as client:
        event = next(event for event in house.events if event.arguments)
        for start in ("", "data:image/png;base64,"):
            answer = client.post(
                f"{API}/run/predict", json=event.with_argument(0, start + "a" * pictures.MAX_BODY_TEXT)
            )
            assert answer.status_code == 413
            assert "textos más cortos" in answer.json()["error"]


def test_pictures_of_too_many_pixels_together_are_refused_unopened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_REQUEST_PIXELS", 3_000_000)
    with house.client() as client:
        event = next(event for event in house.events if event.arguments)
        one = "data:image/png;base64," + bomb(1200)
        assert client.post(f"{API}/run/predict", json=event.with_argument(0, [one, one])).status_code != 413
        answer = client.post(f"{API}/run/predict", json=event.with_argument(0, [one, one, one]))
        assert answer.status_code == 413
        assert "megapíxeles" in answer.json()["error"]


def test_uploads_end_at_their_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_UPLOAD_BYTES", 1000)
    with house.client() as client:
        try:
            answer = client.post(f"{API}/upload", files={"files": ("a.png", bytes(200_000))})
        except httpx.TransportError:
            return
        assert not answer.is_success


# --- What texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000 + b"]" * 200_000, 400),
        (b"[" * 100 + b"]" * 100, 400),
        (b'{"data": [NaN]}', 400),
        (b"\xff\xfe{", 400),
        (b"data=1", 400),
    ],
)
def test_bodies_that_are_not_plain_json_are_refused(house: House, body: bytes, status: int) -> None:
    with house.client() as client:
        for route in ("run/predict", "queue/join", "cancel"):
            assert client.post(f"{API}/{route}", content=body).status_code == status


def test_half_an_emoji_in_any_argument_breaks_nothing(house: House) -> None:
    with house.client() as client:
        for event in house.events:
            for place, value in enumerate(event.arguments):
                if isinstance(value, str) and place < 10:
                    body = json.dumps(event.with_argument(place, "gato \ud83d \0"))
                    assert "\\ud83d" in body
                    answer = client.post(f"{API}/run/predict", content=body, headers=JSON)
                    assert answer.status_code == 200, (event.number, place, answer.text)
    house.bench.finish_jobs()
    prompts = [request.prompt for request in house.bench.generator.requests]
    assert "gato ? " in prompts


def test_named_files_are_found_wherever_they_stand() -> None:
    value: Mapping[str, Any] = {"a": [{"path": "x", "b": {"path": None, "c": {"path": 5}}}], "path": "y"}
    assert gate.named_files(value) == ["y", "x", 5]
