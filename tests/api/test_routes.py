"""Every route over a real connection, with a painter in the engine's place."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_fakes import DIGEST, PATIENCE, Bench, Loopback, fields_of
from PIL import Image
from test_translate import MASK, PICTURE, encoded

from sdcolab.api import edge, named
from sdcolab.core import pictures
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import Cancelled
from sdcolab.core.events import Ended
from sdcolab.core.fields import table_of
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate
from sdcolab.core.tuning import Tuning
from sdcolab.studio.job import Job, JobSnapshot

SMALL = {"steps": 2, "width": 64, "height": 64, "seed": 5}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def client(bench: Bench) -> Iterator[httpx.Client]:
    with Loopback(bench.api) as server, httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="module")
def same_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server for the tests that leave no trace in it."""
    bench = Bench(tmp_path_factory.mktemp("api"))
    with Loopback(bench.api) as server, httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as client:
        yield client
    bench.close()


def post(client: httpx.Client, route: str, **payload: Any) -> Any:
    answer = client.post(f"/sdapi/v1/{route}", json=payload)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(client: httpx.Client, route: str) -> Any:
    answer = client.get(f"/sdapi/v1/{route}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


class Asking(threading.Thread):
    """A request that is answered meanwhile."""

    def __init__(self, client: httpx.Client, route: str, **payload: Any) -> None:
        super().__init__(daemon=True)
        self._ask = lambda: post(client, route, **payload)
        self._answer: Any = None
        self.start()

    def run(self) -> None:
        self._answer = self._ask()

    def answer(self) -> Any:
        self.join(PATIENCE)
        assert self._answer is not None
        return self._answer


# --- Generating ---------------------------------------------------------------------------------------------------

INFO_KEYS = {
    "sdcolab_seconds",  # ours: what each part took
    *("prompt", "all_prompts", "negative_prompt", "all_negative_prompts", "seed", "all_seeds", "subseed"),
    *("all_subseeds", "subseed_strength", "width", "height", "sampler_name", "cfg_scale", "steps", "batch_size"),
    *("restore_faces", "face_restoration_model", "sd_model_name", "sd_model_hash", "sd_vae_name", "sd_vae_hash"),
    *("seed_resize_from_w", "seed_resize_from_h", "denoising_strength", "extra_generation_params"),
    *("index_of_first_image", "infotexts", "styles", "job_timestamp", "clip_skip"),
    *("is_using_inpainting_conditioning", "version"),
}


def test_txt2img_answers_as_a1111(bench: Bench, client: httpx.Client) -> None:
    answer = post(client, "txt2img", prompt="un gato", batch_size=2, n_iter=2, scheduler="Karras", **SMALL)
    assert answer.keys() == {"images", "parameters", "info"}
    info = json.loads(answer["info"])
    assert info.keys() == INFO_KEYS
    assert all(spent >= 0 for spent in info["sdcolab_seconds"].values())
    assert info["all_seeds"] == [5, 6, 7, 8]
    assert info["all_prompts"] == ["un gato"] * 4
    assert (info["sampler_name"], info["steps"], info["width"], info["height"]) == ("Euler", 2, 64, 64)
    assert (info["sd_model_name"], info["sd_model_hash"]) == ("a", DIGEST[:10])
    assert info["extra_generation_params"] == {"Schedule type": "Karras"}
    assert (info["denoising_strength"], info["subseed_strength"], info["seed_resize_from_w"]) == (None, 0.0, -1)
    assert re.fullmatch(r"\d{14}", info["job_timestamp"])
    assert answer["parameters"]["steps"] == 2
    assert answer["parameters"]["sampler_index"] == "Euler"
    pictures = [opened(text) for text in answer["images"]]
    assert [picture.info["parameters"] for picture in pictures] == info["infotexts"]
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(seed, 90, 120) for seed in info["all_seeds"]]
    assert bench.saved() == []


def test_images_are_saved_when_asked(bench: Bench, client: httpx.Client) -> None:
    answer = post(client, "txt2img", save_images=True, **SMALL)
    (saved,) = bench.saved()
    assert base64.b64decode(answer["images"][0]) == saved.read_bytes()
    assert len(bench.jobs.jobs()) == 1


def test_images_are_not_sent_when_not_wanted(bench: Bench, client: httpx.Client) -> None:
    answer = post(client, "txt2img", send_images=False, save_images=True, **SMALL)
    assert answer["images"] == []
    assert len(bench.saved()) == 1


def test_img2img(bench: Bench, client: httpx.Client) -> None:
    answer = post(client, "img2img", init_images=[PICTURE], mask=MASK, inpaint_full_res=False, **SMALL)
    assert opened(answer["images"][0]).getpixel((9, 9)) == (255, 0, 0)
    assert answer["parameters"]["init_images"] is None
    assert json.loads(answer["info"])["denoising_strength"] == 0.75
    assert json.loads(answer["info"])["extra_generation_params"] == {
        "Denoising strength": 0.75,
        "Mask blur": 4,
        "Masked content": "fill",
    }
    init = bench.painter.requests[0].init
    assert init
    assert init.inpaint
    again = post(client, "img2img", init_images=[PICTURE], include_init_images=True, **SMALL)
    assert again["parameters"]["init_images"] == [PICTURE]


def test_variations_tell_their_seeds(same_client: httpx.Client) -> None:
    info = json.loads(post(same_client, "txt2img", subseed=9, subseed_strength=0.5, batch_size=2, **SMALL)["info"])
    assert (info["all_seeds"], info["all_subseeds"], info["subseed_strength"]) == ([5, 5], [9, 10], 0.5)


def test_checkpoints_go_by_name_title_and_hash(bench: Bench, client: httpx.Client) -> None:
    for name in ("a", f"a.safetensors [{DIGEST[:10]}]", DIGEST[:10], DIGEST, "bonito", "sub/Bonito.safetensors"):
        post(client, "txt2img", override_settings={"sd_model_checkpoint": name}, **SMALL)
    names = [request.checkpoint for request in bench.painter.requests]
    assert names == ["a.safetensors"] * 4 + ["sub/Bonito.safetensors"] * 2


def test_settings_and_styles_of_the_page_count(bench: Bench, client: httpx.Client) -> None:
    defaults = GenerationRequest(clip_skip=2, checkpoint="sub/Bonito.safetensors", prompt="de la página")
    bench.settings.save(Settings(defaults, styles=(Style("foto", "foto de {prompt}"),)))
    info = json.loads(post(client, "txt2img", prompt="un gato", styles=["foto"], **SMALL)["info"])
    assert (info["prompt"], info["styles"], info["clip_skip"]) == ("foto de un gato", ["foto"], 2)
    assert bench.painter.requests[0].checkpoint == "sub/Bonito.safetensors"
    assert get(client, "prompt-styles") == [{"name": "foto", "prompt": "foto de {prompt}", "negative_prompt": ""}]


# --- What A1111 takes, with a word on it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"width": 133, "height": 64}, "se usa 128"),
        ({"steps": 200}, "se usa 150"),
        ({"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 1.5}, "se usa 1"),
        ({"batch_size": 9}, "se usa 8"),
        ({"width": 32}, "se usa 64"),
        (
            {"width": 4096, "height": 128},
            "se usa 2048. Si no te sirve, pide otro valor. «Alto» pasa de 128",
        ),
        ({"cfg_scale": 100}, "se usa 30"),
        ({"enable_hr": True, "hr_scale": 20, "hr_cfg": 40}, "se usa 8"),
        ({"firstpass_image": PICTURE}, "no se usa aquí"),
        ({"override_settings": {"sd_model_checkpoint": "sub/bonita"}}, "¿Querías decir «sub/Bonito.safetensors»?"),
        ({"override_settings": {"sd_vae": "x"}}, "No tienes el VAE «x»"),
        ({"styles": ["fot"]}, "No tienes el estilo «fot»; la imagen se hace sin él."),
        (
            {"alwayson_scripts": {"ADetailer": {"args": [{"ad_model": "face_yolov8n.pt"}]}}},
            "El detector «face_yolov8n» no está",
        ),
        ({"restore_faces": True}, "Para restaurar caras falta el archivo GFPGANv1.4.pth"),
        ({"infotext": "a cat\nSteps: 9, Seed: 1, Size: 133x64, CFG scale: 70", "width": None}, "se usa 128, como"),
        ({"infotext": "a cat\nSteps: 9, Seed: 1, Size: 64x64, Kohya hrfix: on"}, "lo que indica «Kohya hrfix: on»"),
        ({"sampler_name": "Eulr"}, "se usa «DPM++ 2M». ¿Querías decir «Euler»"),
        ({"sampler_name": "Eulr a Karras", "scheduler": "Karas"}, "No existe el schedule «Karas»; se usa «Automatic»"),
        ({"enable_hr": True, "hr_sampler_name": "x", "hr_scheduler": "y"}, "el schedule «y»"),
    ],
)
def test_what_is_done_otherwise_is_told(same_client: httpx.Client, payload: dict[str, Any], sentence: str) -> None:
    info = json.loads(post(same_client, "txt2img", **SMALL | payload)["info"])
    assert sentence in " ".join(info["warnings"])


def test_what_the_payload_says_itself_is_not_told_of_its_infotext(same_client: httpx.Client) -> None:
    text = "a cat\nSteps: 9, Seed: 1, Size: 133x67, CFG scale: 70"
    info = json.loads(post(same_client, "txt2img", infotext=text, cfg_scale=7, **SMALL)["info"])
    assert (info["width"], info["cfg_scale"], info.get("warnings", [])) == (SMALL["width"], 7.0, [])


def test_a_side_that_is_the_least_already_is_told_of_once(same_client: httpx.Client) -> None:
    info = json.loads(post(same_client, "txt2img", **SMALL | {"width": 4096, "height": 64})["info"])
    assert [warning for warning in info["warnings"] if "«Alto»" in warning] == []
    assert (info["width"], info["height"]) == (2048, 64)


@pytest.mark.parametrize("written", [PICTURE.rstrip("="), PICTURE.replace("+", "-").replace("/", "_")])
def test_pictures_in_other_ways_of_base64(client: httpx.Client, written: str) -> None:
    post(client, "img2img", init_images=[written], **SMALL)


@pytest.mark.parametrize(("name", "size"), [("api_payload_display.json", None), ("api_sdcn8.json", (128, 200))])
def test_payloads_of_real_clients(same_client: httpx.Client, name: str, size: tuple[int, int] | None) -> None:
    folder = Path(__file__).parents[1] / "data" / "casos" / "textos"
    info = json.loads(post(same_client, "txt2img", **json.loads((folder / name).read_text()))["info"])
    assert info["width"] % 8 == 0
    assert size in (None, (info["width"], info["height"]))


def test_what_a1111s_own_scripts_say(same_client: httpx.Client) -> None:
    scripts = {
        "Sampler": {"args": [7, "DPM++ 2M", "Karras"]},
        "Seed": {"args": [5, True, 9, 0.25, 0, 0]},
        "Refiner": {"args": [True, "sub/Bonito", 0.6]},
    }
    info = json.loads(post(same_client, "txt2img", **SMALL, alwayson_scripts=scripts)["info"])
    assert (info["steps"], info["sampler_name"], info["seed"], info["subseed_strength"]) == (7, "DPM++ 2M", 5, 0.25)


def test_names_of_tasks_take_little_memory(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "MAX_NAMED", 3)
    names = [f"task({number})" for number in range(5)] + ["x" * (named.MAX_NAME + 1)]
    for name in names:
        post(client, "txt2img", **SMALL, force_task_id=name)
    told = [client.post("/internal/progress", json={"id_task": name}).json()["completed"] for name in names]
    assert told == [False, False, True, True, True, False]
    assert client.post("/internal/progress", json={"id_task": ["a"]}).json()["completed"] is False


def test_names_of_tasks_are_asked_for_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = named.NamedTasks()
    own = Job.snapshot.fget
    assert own is not None

    def slow(job: Job) -> JobSnapshot:
        time.sleep(0.001)  # somebody else's turn
        return own(job)

    def ask(number: int) -> None:
        for place in range(10):
            job = Job(place, Generate(GenerationRequest()))
            job.notify(Ended())
            tasks.add(f"task({number}-{place})", job)
            tasks.pending()

    monkeypatch.setattr(Job, "snapshot", property(slow))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert tasks.pending() == []


def test_hires_by_size_alone(same_client: httpx.Client) -> None:
    post(same_client, "txt2img", **SMALL, enable_hr=True, hr_scale=0, hr_resize_x=128, hr_resize_y=128)


def test_a_task_is_found_by_the_name_that_its_client_gave_it(same_client: httpx.Client) -> None:
    post(same_client, "txt2img", **SMALL, force_task_id="task(gato)")
    told = same_client.post("/internal/progress", json={"id_task": "task(gato)", "id_live_preview": -1}).json()
    assert (told["active"], told["queued"], told["completed"]) == (False, False, True)
    assert same_client.post("/internal/progress", json={"id_task": "otra"}).json()["completed"] is False
    assert same_client.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}


# --- What goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "payload", "status", "field", "sentence"),
    [
        ("txt2img", {"steps": 0}, 422, "steps", "El valor 0 de «Pasos» no está permitido."),
        ("txt2img", {"steps": "x"}, 422, "steps", "debe ser un número entero"),
        ("txt2img", {"send_images": "x"}, 422, "send_images", "verdadero o falso"),
        ("txt2img", {"enable_hr": True, "hr_upscaler": "Lanzos"}, 422, "hr_upscaler", "¿Querías decir «Lanczos» o"),
        ("txt2img", {"enable_hr": True, "hr_checkpoint_name": "x"}, 422, "hr_checkpoint_name", "No existe el modelo"),
        ("txt2img", {"refiner_checkpoint": "x"}, 422, "refiner_checkpoint", "No existe el modelo «x»"),
        ("img2img", {}, 404, "init_images", "Falta la imagen"),
        ("img2img", {"init_images": ["http://127.0.0.1/a.png"]}, 422, "init_images", "es un enlace"),
        ("png-info", {}, 422, "image", "debe ser un texto"),
        ("png-info", {"image": "x"}, 422, "image", "no se puede leer"),
        ("extra-single-image", {"image": PICTURE, "upscaler_1": "Lanzos"}, 422, "upscaler_1", "«Lanczos»"),
        ("extra-single-image", {"image": PICTURE, "upscaling_resize": 9}, 422, "upscaling_resize", "entre 0.05"),
        ("extra-single-image", {"image": PICTURE, "codeformer_visibility": 1}, 422, "codeformer_visibility", "S-Lab"),
        ("extra-batch-images", {"imageList": ["x"]}, 422, "imageList", "debe ser una lista"),
        ("options", {"CLIP_stop_at_last_layers": 99}, 422, "CLIP_stop_at_last_layers", "Clip skip"),
        ("options", {"sd_model_checkpoint": "x"}, 422, "sd_model_checkpoint", "No existe el modelo «x»"),
    ],
)
def test_refusals_name_the_field_in_spanish(
    same_client: httpx.Client, route: str, payload: dict[str, Any], status: int, field: str, sentence: str
) -> None:
    answer = same_client.post(f"/sdapi/v1/{route}", json=payload)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"error", "detail", "body", "errors"}
    assert fields_of(answer) == [field]
    assert sentence in body["detail"][0]["msg"]
    assert body["errors"] == f"{field}: {body['detail'][0]['msg']}"


def test_failures_of_the_engine_are_explained(same_client: httpx.Client) -> None:
    broken = same_client.post("/sdapi/v1/txt2img", json={"prompt": "roto"})
    assert (broken.status_code, broken.json()["error"]) == (500, "model.unreadable")
    assert "roto.safetensors" in broken.json()["detail"]
    bug = same_client.post("/sdapi/v1/txt2img", json={"prompt": "bug"})
    assert (bug.status_code, bug.json()["error"]) == (500, "unexpected")
    assert post(same_client, "txt2img", **SMALL)["images"]


def test_a_body_that_does_not_come_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly = functools.partial(edge.read_body, seconds=0.2, rate=1e9)
    monkeypatch.setattr(edge, "read_body", slowly)
    with Loopback(bench.api) as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        assert slow.recv(12) == b"HTTP/1.1 408"
    assert not bench.studio.jobs.jobs()


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"cfg_scale": NaN}', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_json_object(same_client: httpx.Client, body: bytes) -> None:
    assert same_client.post("/sdapi/v1/txt2img", content=body).status_code == 422


def test_bodies_have_a_limit(same_client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MAX_BODY_BYTES", 1000)
    answer = same_client.post("/sdapi/v1/png-info", json={"image": "x" * 2000})
    assert (answer.status_code, answer.json()["error"]) == (413, "request.payload_too_large")


@pytest.mark.parametrize("path", ["/sdapi/v1/nada", "/sdapi/v1/train/embedding", "/internal/nada"])
def test_other_routes_do_not_exist(same_client: httpx.Client, path: str) -> None:
    answer = same_client.post(path, json={})
    assert answer.status_code == 404
    assert path in answer.json()["detail"]


# --- While it runs ------------------------------------------------------------------------------------------------


def test_progress_interrupt_and_what_was_finished(bench: Bench, client: httpx.Client) -> None:
    idle = get(client, "progress")
    assert (idle["progress"], idle["current_image"], idle["state"]["job_count"]) == (0.0, None, 0)
    bench.painter.hold_at = frozenset({2, 6})
    asking = Asking(client, "txt2img", prompt="un gato", n_iter=2, **SMALL | {"steps": 4})
    assert bench.painter.held.acquire(timeout=PATIENCE)
    now = get(client, "progress")
    assert now["progress"] == pytest.approx(0.01 + 1 / 8)
    assert now["eta_relative"] >= 0
    assert now["textinfo"] == "Generando"
    assert opened(now["current_image"]).size == (16, 16)
    state = now["state"]
    assert (state["job_count"], state["job_no"], state["sampling_step"], state["sampling_steps"]) == (2, 0, 1, 4)
    assert get(client, "progress?skip_current_image=true")["current_image"] is None
    assert client.post("/sdapi/v1/skip").json() is None
    assert bench.painter.held.acquire(timeout=PATIENCE)
    assert get(client, "progress")["state"]["job_no"] == 1
    assert client.post("/sdapi/v1/interrupt").json() == {}
    answer = asking.answer()
    assert answer["images"] == []
    info = json.loads(answer["info"])
    assert info.keys() == INFO_KEYS
    assert (info["prompt"], info["infotexts"]) == ("un gato", [])


def test_an_interrupted_request_keeps_its_finished_images(bench: Bench, client: httpx.Client) -> None:
    bench.painter.hold_at = frozenset({3})  # in the second batch
    asking = Asking(client, "txt2img", n_iter=2, **SMALL)
    assert bench.painter.held.acquire(timeout=PATIENCE)
    client.post("/sdapi/v1/interrupt")
    answer = asking.answer()
    assert len(answer["images"]) == 1
    assert json.loads(answer["info"])["all_seeds"] == [5]


def test_the_page_and_the_api_share_a_queue(bench: Bench, client: httpx.Client) -> None:
    bench.painter.hold_at = frozenset({1})
    job = bench.jobs.submit(Generate(GenerationRequest(prompt="página", steps=2, width=64, height=64)))
    assert bench.painter.held.acquire(timeout=PATIENCE)
    asking = Asking(client, "txt2img", prompt="api", **SMALL)
    while len(bench.jobs.jobs()) < 2:
        job.wait(job.snapshot.version, 0.01)
    assert [request.prompt for request in bench.painter.requests] == ["página"]
    bench.painter.go.set()
    assert len(asking.answer()["images"]) == 1
    assert [request.prompt for request in bench.painter.requests] == ["página", "api"]
    assert [known.snapshot.request.prompt for known in bench.jobs.jobs()] == ["página"]


def test_who_hangs_up_leaves_the_queue(bench: Bench, client: httpx.Client) -> None:
    bench.painter.hold_at = frozenset({1})
    job = bench.jobs.submit(Generate(GenerationRequest(prompt="página", steps=2, width=64, height=64)))
    assert bench.painter.held.acquire(timeout=PATIENCE)
    body = json.dumps({"prompt": "api", **SMALL}).encode()
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    address = (client.base_url.host, client.base_url.port or 0)
    with contextlib.ExitStack() as callers:
        for _ in range(3):
            callers.enter_context(socket.create_connection(address)).sendall(head + body)
        while len(bench.jobs.jobs()) < 4:
            job.wait(job.snapshot.version, 0.01)
    while len(bench.jobs.jobs()) > 1:
        job.wait(job.snapshot.version, 0.01)
    bench.painter.go.set()
    assert len(post(client, "txt2img", prompt="otra", **SMALL)["images"]) == 1
    assert [request.prompt for request in bench.painter.requests] == ["página", "otra"]


@pytest.mark.parametrize("saved", [True, False])
def test_what_nobody_will_see_stops_when_its_client_hangs_up(bench: Bench, client: httpx.Client, saved: bool) -> None:
    bench.painter.hold_at = frozenset({1})
    body = json.dumps({"prompt": "api", "save_images": saved, **SMALL}).encode()
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as caller:
        caller.sendall(head + body)
        assert bench.painter.held.acquire(timeout=PATIENCE)
        (job,) = bench.jobs.running()
    if saved:
        bench.painter.go.set()
    while not job.snapshot.ended:
        job.wait(job.snapshot.version, 0.05)
    assert isinstance(job.snapshot.error, Cancelled) is not saved
    assert len(list(bench.studio.folders.outputs.rglob("*.png"))) == saved


def test_small_bodies_that_unpack_to_too_much_are_refused_unopened(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_REQUEST_PIXELS", 3_000_000)
    out = io.BytesIO()
    Image.frombytes("1", (1200, 1200), bytes(180_000)).save(out, "PNG")
    bomb = base64.b64encode(out.getvalue()).decode()
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("unpacked"))
    for route, payload in (
        ("img2img", {"init_images": [bomb] * 3}),
        ("extra-batch-images", {"imageList": [{"data": bomb, "name": "a"}] * 3}),
    ):
        answer = client.post(f"/sdapi/v1/{route}", json=payload)
        assert answer.status_code == 413
        assert answer.json()["error"] == "gates.pictures_too_large"


@pytest.mark.parametrize("route", ["txt2img", "img2img", "options", "extra-single-image", "png-info"])
def test_texts_of_every_route_are_bounded(same_client: httpx.Client, route: str) -> None:
    answer = same_client.post(f"/sdapi/v1/{route}", json={"prompt": "a" * (pictures.MAX_BODY_TEXT + 1)})
    assert answer.status_code == 413


def test_a_prompt_that_is_too_long_is_refused_in_words(same_client: httpx.Client) -> None:
    answer = same_client.post("/sdapi/v1/txt2img", json={"prompt": "a" * 100_001})
    assert answer.status_code == 422
    assert "100000 caracteres" in answer.text


# --- Pictures -----------------------------------------------------------------------------------------------------

TEXT = "un gato\nNegative prompt: feo\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x32, Model: ñ"


def with_infotext(container: str) -> str:
    picture = Image.new("RGB", (8, 8))
    if container == "PNG":
        from sdcolab.core.outputs import png_text

        info = png_text(TEXT)
        info.add_text("otra", "cosa")
        return encoded(picture, pnginfo=info)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + TEXT.encode("utf-16-be")
    return encoded(picture, format=container, exif=exif.tobytes())


@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
def test_png_info(same_client: httpx.Client, container: str) -> None:
    answer = post(same_client, "png-info", image=with_infotext(container))
    assert answer["info"] == TEXT
    assert answer["items"] == ({"otra": "cosa"} if container == "PNG" else {})
    assert answer["parameters"] == {
        "Prompt": "un gato",
        "Negative prompt": "feo",
        "Steps": "20",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "1",
        "Size-1": "64",
        "Size-2": "32",
        "Model": "ñ",
    }


def test_png_info_of_a_picture_without_parameters(same_client: httpx.Client) -> None:
    assert post(same_client, "png-info", image=PICTURE) == {"info": "", "items": {}, "parameters": {}}


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ({"upscaler_1": "Lanczos"}, (48, 32)),
        ({"upscaler_1": "lanczos", "upscaling_resize": 4}, (96, 64)),
        ({"upscaler_1": "None"}, (24, 16)),
        ({"upscaler_1": "Nearest", "upscaler_2": "Lanczos", "extras_upscaler_2_visibility": 0.5}, (48, 32)),
        ({"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 64}, (64, 64)),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 64,
                "upscaling_resize_h": 64,
                "upscaling_crop": False,
            },
            (96, 64),
        ),
    ],
)
def test_extras(same_client: httpx.Client, payload: dict[str, Any], size: tuple[int, int]) -> None:
    answer = post(same_client, "extra-single-image", image=PICTURE, **payload)
    picture = opened(answer["image"])
    assert picture.size == size
    middle = picture.convert("RGB").getpixel((size[0] // 2, size[1] // 2))
    assert middle == (255, 0, 0)
    assert ("Postprocess upscaler" in answer["html_info"]) == (payload["upscaler_1"] != "None")


def test_extras_keep_the_infotext(same_client: httpx.Client) -> None:
    answer = post(
        same_client, "extra-single-image", image=with_infotext("PNG"), upscaler_1="Lanczos", upscaling_resize=2
    )
    info = opened(answer["image"]).info
    assert info["parameters"] == TEXT
    assert info["extras"] == info["postprocessing"] == "Postprocess upscale by: 2.0, Postprocess upscaler: Lanczos"


def test_extras_of_several_pictures(same_client: httpx.Client) -> None:
    images = [{"data": PICTURE, "name": "a"}, {"data": encoded(Image.new("RGB", (8, 8))), "name": "b"}]
    answer = post(same_client, "extra-batch-images", imageList=images, upscaler_1="Nearest")
    assert [opened(text).size for text in answer["images"]] == [(48, 32), (16, 16)]


# --- Settings and models ------------------------------------------------------------------------------------------


def test_options_are_kept_as_the_page_keeps_them(bench: Bench, client: httpx.Client) -> None:
    before = get(client, "options")
    assert before["sd_model_checkpoint"] == f"a.safetensors [{DIGEST[:10]}]"
    assert {field.key for field in table_of(Tuning).values()} <= before.keys()
    assert (before["randn_source"], before["eta_noise_seed_delta"], before["emphasis"]) == ("NV", 0, "Original")
    changes = {
        "sd_model_checkpoint": "bonito",
        "sd_vae": "claro",
        "CLIP_stop_at_last_layers": 2,
        "eta_noise_seed_delta": 31337,
        "de_otro_programa": 3,
        "samples_format": "jpg",
    }
    assert client.post("/sdapi/v1/options", json=changes).json() is None
    after = get(client, "options")
    assert after["sd_model_checkpoint"] == "sub/Bonito.safetensors"
    assert after["sd_vae"] == "claro.safetensors"
    assert (after["CLIP_stop_at_last_layers"], after["eta_noise_seed_delta"]) == (2, 31337)
    assert "de_otro_programa" not in after
    saved = bench.settings.load().defaults
    assert (saved.checkpoint, saved.vae, saved.clip_skip) == ("sub/Bonito.safetensors", "claro.safetensors", 2)
    assert saved.tuning.ensd == 31337
    assert bench.models.loaded == ["sub/Bonito.safetensors"]
    post(client, "txt2img", **SMALL)
    asked = bench.painter.requests[-1]
    assert (asked.checkpoint, asked.vae, asked.clip_skip) == (saved.checkpoint, saved.vae, 2)
    (bench.folders.models(ModelKind.CHECKPOINT) / saved.checkpoint).unlink()
    assert get(client, "options")["sd_model_checkpoint"].startswith("a.safetensors")


def test_wrong_options_change_nothing(bench: Bench, client: httpx.Client) -> None:
    answer = client.post("/sdapi/v1/options", json={"eta_ddim": 0.5, "emphasis": "Mucho"})
    assert answer.status_code == 422
    assert get(client, "options")["eta_ddim"] == 0.0
    assert bench.models.loaded == []


def test_models_are_listed(bench: Bench, client: httpx.Client) -> None:
    first, second = get(client, "sd-models")
    assert first["title"] == f"a.safetensors [{DIGEST[:10]}]"
    assert (first["model_name"], first["hash"], first["sha256"]) == ("a", DIGEST[:10], DIGEST)
    assert first["filename"] == str(bench.folders.models(ModelKind.CHECKPOINT) / "a.safetensors")
    assert (second["title"], second["model_name"], second["hash"]) == ("sub/Bonito.safetensors", "sub_Bonito", None)
    assert [vae["model_name"] for vae in get(client, "sd-vae")] == ["claro.safetensors"]


def safetensors(metadata: dict[str, str], shapes: dict[str, tuple[int, int]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + bytes(end)


def test_networks_are_listed(bench: Bench, client: httpx.Client) -> None:
    metadata = {"ss_output_name": "bonita", "ss_tag_frequency": '{"a": {"gato": 2}}'}
    bench.add(ModelKind.LORA, "Cosa.safetensors", safetensors(metadata, {"x": (1, 2)}))
    bench.add(ModelKind.LORA, "rota.safetensors", b"nada")
    bench.add(ModelKind.EMBEDDING, "feo.safetensors", safetensors({}, {"emb_params": (3, 768)}))
    good, bad = get(client, "loras")
    assert (good["name"], good["alias"], good["metadata"]["ss_tag_frequency"]) == ("Cosa", "bonita", {"a": {"gato": 2}})
    assert (bad["name"], bad["alias"], bad["metadata"]) == ("rota", "rota", {})
    embeddings = get(client, "embeddings")
    assert (embeddings["loaded"]["feo"]["vectors"], embeddings["loaded"]["feo"]["shape"]) == (3, 768)
    for route in ("refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings"):
        assert post(client, route) is None


def test_models_can_be_unloaded_and_loaded(bench: Bench, client: httpx.Client) -> None:
    assert post(client, "unload-checkpoint") == {}
    assert post(client, "reload-checkpoint") == {}
    assert bench.models.loaded == ["-", "a.safetensors"]


def test_lists_of_samplers_schedulers_and_upscalers(same_client: httpx.Client) -> None:
    samplers = {entry["name"]: entry for entry in get(same_client, "samplers")}
    assert len(samplers) == 27
    assert samplers["Euler a"]["aliases"] == ["k_euler_a", "k_euler_ancestral"]
    assert samplers["DPM++ 2M"]["options"] == {"scheduler": "karras"}
    schedulers = {entry["name"]: entry for entry in get(same_client, "schedulers")}
    assert schedulers["karras"] == {
        "name": "karras",
        "label": "Karras",
        "aliases": None,
        "default_rho": 7.0,
        "need_inner_model": False,
    }
    assert schedulers["sgm_uniform"]["aliases"] == ["SGMUniform"]
    assert [entry["name"] for entry in get(same_client, "upscalers")] == ["None", "Lanczos", "Nearest"]
    assert get(same_client, "latent-upscale-modes")[0] == {"name": "Latent"}


@pytest.mark.parametrize("route", ["hypernetworks", "face-restorers", "realesrgan-models", "extensions"])
def test_what_there_is_not_is_an_empty_list(same_client: httpx.Client, route: str) -> None:
    assert get(same_client, route) == []


def test_the_rest(bench: Bench, client: httpx.Client) -> None:
    assert get(client, "cmd-flags")["ckpt_dir"] == str(bench.folders.models(ModelKind.CHECKPOINT))
    memory = get(client, "memory")
    assert memory["ram"]["total"] == memory["ram"]["free"] + memory["ram"]["used"]
    assert memory["cuda"] == {"error": "unavailable"}
    ping = client.get("/internal/ping")
    assert (ping.json(), float(ping.headers["x-process-time"]) >= 0) == ({}, True)


def test_clients_hear_how_many_units_the_faces_show(client: httpx.Client, bench: Bench) -> None:
    assert client.get("/controlnet/settings").json() == {"control_net_unit_count": 3}
    PreferencesFile(bench.studio.folders.config).change(lambda now: replace(now, control_units=5))
    assert client.get("/controlnet/settings").json() == {"control_net_unit_count": 5}
