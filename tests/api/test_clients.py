"""A real client of A1111's (``webuiapi``) against the whole program: page, password, queue, and the demo model."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw
from webuiapi import ControlNetUnit, WebUIApi

from sdcolab.api.app import build_api
from sdcolab.api.extras import description
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.names import SAMPLER_NAMES
from sdcolab.core.words.kitchen import BLIP_BASE
from sdcolab.training.tagger import MODEL_FILE, TAGS_FILE, pixels_of
from sdcolab.web import login
from sdcolab.web.app import Server, serve
from sdcolab.wiring.demo import DEMO_FILE
from sdcolab.wiring.engine import build_library
from sdcolab.wiring.studio import build_studio, workplace_here

USER, PASSWORD = "ana", "contraseña larga"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("sdcolab"))


@pytest.fixture(scope="module")
def server(folders: Folders) -> Iterator[Server]:
    library = build_library(folders)
    place = workplace_here(folders, library)
    studio = build_studio(folders, library, place)
    patch = pytest.MonkeyPatch()
    patch.setattr(login, "WRONG_LOGIN_DELAY", 0.0)
    server = serve(
        studio,
        port=0,
        auth=(USER, PASSWORD),
        api=build_api(studio),
    )
    yield server
    server.close()
    place.close()
    patch.undo()


@pytest.fixture
def api(server: Server) -> WebUIApi:
    api = WebUIApi(port=server.port, sampler="Euler a", steps=3, username=USER, password=PASSWORD)
    api.session.trust_env = False
    return api


def test_txt2img(api: WebUIApi, folders: Folders) -> None:
    result = api.txt2img(prompt="cat face", negative_prompt="dog", width=128, height=128, seed=42, cfg_scale=7)
    assert result.image.size == (128, 128)
    text = result.image.info["parameters"]
    assert text.startswith("cat face\nNegative prompt: dog\nSteps: 3, Sampler: Euler a")
    assert result.info["infotexts"] == [text]
    assert result.parameters["prompt"] == "cat face"
    assert not list(folders.outputs.rglob("*.png"))
    again = api.txt2img(prompt="cat face", negative_prompt="dog", width=128, height=128, seed=42, cfg_scale=7)
    assert again.image.tobytes() == result.image.tobytes()
    saved = api.txt2img(prompt="cat face", width=128, height=128, seed=42, save_images=True)
    (path,) = folders.txt2img.rglob("*.png")
    assert Image.open(path).tobytes() == saved.image.tobytes()
    info = api.png_info(saved.image)
    assert info.info == saved.image.info["parameters"]
    assert info.parameters["Size-1"] == "128"


def test_controlnet(api: WebUIApi) -> None:
    paper = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(paper).ellipse((60, 60, 120, 120), outline="black", width=3)
    (model,) = api.controlnet_model_list()
    assert re.fullmatch(r"emoji-128-lineas \[[0-9a-f]{8}\]", model)
    assert api.controlnet_version() == 2
    assert {"none", "canny", "invert"} <= set(api.controlnet_module_list())
    detected = api.controlnet_detect(images=[paper], module="canny", processor_res=128)
    assert len(detected.images) == 1
    unit = ControlNetUnit(image=paper, module="invert", model=model, resize_mode="Crop and Resize")
    off = ControlNetUnit(image=paper, module="none", model="None", enabled=False)
    result = api.txt2img(prompt="pizza", width=128, height=128, seed=3, controlnet_units=[unit, off])
    assert len(result.images) == 2  # the picture and the map
    assert result.images[1].convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    assert f'ControlNet 0: "Module: invert, Model: {model}, ' in result.info["infotexts"][0]


def test_img2img_and_inpaint(api: WebUIApi) -> None:
    picture, mask = Image.new("RGB", (128, 128), "orange"), Image.new("L", (128, 128), 0)
    mask.paste(255, (32, 32, 96, 96))
    plain = api.img2img(images=[picture], prompt="cat face", width=128, height=128, seed=1, denoising_strength=0.5)
    assert plain.image.size == (128, 128)
    assert plain.info["denoising_strength"] == 0.5
    painted = api.img2img(
        images=[picture], mask_image=mask, inpainting_fill=1, prompt="cat face", width=128, height=128, seed=1
    )
    assert painted.image.size == (128, 128)
    assert painted.parameters["inpainting_fill"] == 1
    assert painted.image.getpixel((2, 2)) == picture.getpixel((2, 2))  # outside of the mask
    assert painted.image.getpixel((64, 64)) != picture.getpixel((64, 64))
    assert "Masked content" not in painted.image.info["parameters"]  # "original" goes without saying


def warnings(result: Any) -> str:
    return " ".join(result.info["warnings"])


def test_files_that_are_no_models_are_told_for_what_they_are(api: WebUIApi, folders: Folders) -> None:
    for kind, name in ((ModelKind.CHECKPOINT, "flux-Q4.gguf"), (ModelKind.LORA, "estilo.gguf")):
        path = folders.models(kind) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF\x03\x00\x00\x00")
    told = warnings(
        api.txt2img(
            prompt="gato <lora:estilo:1>",
            width=128,
            height=128,
            override_settings={"sd_model_checkpoint": "flux-Q4.gguf"},
        )
    )
    assert "«flux-Q4.gguf» está en su carpeta, pero no se puede usar: está en formato GGUF" in told
    assert "La imagen se hace sin <lora:estilo:1>: «estilo.gguf»" in told
    assert "No tienes" not in told


def test_an_infotext_tells_what_it_was_made_with_and_is_not_here(api: WebUIApi) -> None:
    text = 'un gato feo-v2\nSteps: 2, Sampler: Euler, Size: 128x128, TI hashes: "feo-v2: 1234567890ab"'
    told = warnings(api.custom_post("sdapi/v1/txt2img", payload={"infotext": text}))
    assert "«feo-v2»" in told and "no está en tus carpetas" in told


def test_lists(api: WebUIApi) -> None:
    assert [entry["name"] for entry in api.get_samplers()] == list(SAMPLER_NAMES)
    assert api.get_sd_models()[0]["title"].startswith(DEMO_FILE)
    assert [entry["name"] for entry in api.get_upscalers()][:3] == ["None", "Lanczos", "Nearest"]
    assert len(api.get_latent_upscale_modes()) == 6
    assert api.get_loras() == []
    assert api.get_sd_vae() == []
    assert api.get_hypernetworks() == []
    assert api.get_cmd_flags()["api"] is True
    assert api.util_get_model_names() == [api.get_sd_models()[0]["title"]]
    api.refresh_checkpoints()


def test_options(api: WebUIApi) -> None:
    api.set_options({"CLIP_stop_at_last_layers": 2})
    assert api.get_options()["CLIP_stop_at_last_layers"] == 2
    api.set_options({"CLIP_stop_at_last_layers": 1})
    api.util_set_model(api.get_sd_models()[0]["title"])
    assert api.util_get_current_model().startswith(DEMO_FILE)


def test_extras(api: WebUIApi) -> None:
    picture = Image.new("RGB", (24, 16), "teal")
    assert api.extra_single_image(picture, upscaler_1="Lanczos", upscaling_resize=2).image.size == (48, 32)
    batch = api.extra_batch_images([picture, picture], upscaler_1="Nearest", upscaling_resize=4)
    assert [image.size for image in batch.images] == [(96, 64)] * 2


def test_progress_and_interrupt(api: WebUIApi, server: Server) -> None:
    assert api.get_progress()["progress"] == 0
    results = []
    other = WebUIApi(port=server.port, username=USER, password=PASSWORD)
    asking = threading.Thread(
        target=lambda: results.append(other.txt2img(prompt="cat", width=128, height=128, steps=150, n_iter=100))
    )
    asking.start()
    while not (now := api.get_progress())["state"]["sampling_step"]:
        asking.join(0.02)
        assert asking.is_alive()
    assert 0 < now["progress"] < 1
    assert now["state"]["job_count"] == 100
    assert api.interrupt() == {}
    asking.join(PATIENCE)
    assert len(results[0].images) < 100
    assert api.get_progress()["progress"] == 0


def test_bad_fields_are_refused(api: WebUIApi) -> None:
    with pytest.raises(RuntimeError, match=r"422.*seed"):
        api.txt2img(seed=2**64)


def test_wrong_passwords_are_refused(server: Server, api: WebUIApi) -> None:
    stranger = WebUIApi(port=server.port, username=USER, password="otra")
    with pytest.raises(RuntimeError, match="401"):
        stranger.txt2img()
    with pytest.raises(RuntimeError, match="401"):
        WebUIApi(port=server.port).txt2img()
    assert api.get_samplers()


def test_interrogate(api: WebUIApi, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = folders.root / "models" / "taggers" / "wd-vit-tagger-v3"
    tagger.mkdir(parents=True)
    (tagger / MODEL_FILE).write_bytes(b"red")
    (tagger / TAGS_FILE).write_text("tag_id,name,category,count\n1,blue_sky,0,9\n2,cat_(animal),0,9\n3,dog,0,9\n")
    monkeypatch.setattr(
        "sdcolab.training.tagger.onnx_model", lambda _path: (pixels_of, lambda _pixels: [[0.9, 0.6, 0.2]])
    )
    described = api.interrogate(Image.new("RGB", (32, 32)), model="deepdanbooru")
    assert described.info == "blue sky, cat \\(animal\\)"
    answer = api.session.post(f"{api.baseurl}/interrogate", json={"image": "zzz"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("model", "described"),
    [
        ({}, BLIP_BASE),
        ({"model": "clip"}, BLIP_BASE),
        ({"model": "deepbooru"}, "wd-vit-tagger-v3"),
        ({"model": "pixai-tagger-v0.9"}, "pixai-tagger-v0.9"),
    ],
)
def test_who_interrogates(model: dict[str, str], described: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    image = base64.b64encode(data.getvalue()).decode()
    assert description({"image": image} | model).tagger == described
