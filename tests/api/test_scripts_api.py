"""Scripts through the API: A1111's titles and positions, the order of pictures, lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_fakes import PATIENCE, Bench
from api_fakes import Loopback as LoopbackServer
from test_routes import SMALL, get, opened, post
from test_translate import PICTURE

from sdcolab.api.fields import BadField
from sdcolab.api.scripts import scripts_of
from sdcolab.core.names import LATENT_UPSCALERS
from sdcolab.core.scripts import (
    Alternative,
    DynamicPrompts,
    Loopback,
    Outpainting,
    PoorMansOutpainting,
    PromptLines,
    PromptMatrix,
    Redraw,
    SdUpscale,
    SeamsFix,
    Target,
    Ultimate,
    XyzPlot,
)
from sdcolab.wiring.grids import axis_lists


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    bench = Bench(tmp_path_factory.mktemp("api"))
    with (
        LoopbackServer(bench.api) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as client,
    ):
        yield client
    bench.close()


LISTS = {**axis_lists(), "upscalers": lambda: ("None", "Lanczos", "Nearest"), "latent": lambda: LATENT_UPSCALERS}


def read(name: str, args: list[Any], *, img2img: bool = True) -> Any:
    payload = {"script_name": name, "script_args": args}
    return scripts_of(payload, img2img=img2img, lists=lambda listed: LISTS[listed]()).script


@pytest.mark.parametrize(
    ("name", "args", "wanted"),
    [
        (
            "X/Y/Z plot",
            [4, "2,3", [], 0, "", [], 0, "", [], True, True, True, False, False, True, False, 8, True],
            XyzPlot("Steps", "2,3", sub_images=True, sub_grids=True, vary_seeds_y=True, margin=8),
        ),
        ("x/y/z PLOT", [9, "", ["Euler a", "DDIM"], 0, "", []], XyzPlot("Sampler", "Euler a,DDIM", sub_images=True)),
        ("X/Y/Z plot", ["4", 20, [], "9", ["Euler a", "DDIM"]], XyzPlot("Steps", "20", "Sampler", "Euler a,DDIM")),
        ("X/Y/Z plot", ["Steps", [2, 3.5], None, "", "", "", None], XyzPlot("Steps", "2,3.5")),
        ("Prompt matrix", [1.0, "0", "negative"], PromptMatrix(True, False, "negative")),
        ("Prompt matrix", [True, False, "negative", "space", 10], PromptMatrix(True, False, "negative", "space", 10)),
        (
            "Prompts from file or textbox",
            [True, False, "end", "a\nb", True],
            PromptLines("a\nb", "end", iterate_seed=True, combined=True),
        ),
        ("Loopback", [3, 0.2, "Lazy", "None"], Loopback(3, 0.2, "Lazy")),
        (
            "img2img alternative test",
            ["", True, False, "a cat", "ugly", True, 30, False, 1.5, 0.1, False],
            Alternative("a cat", "ugly", 30, 1.5, 0.1, False, True, False, True, False),
        ),
        ("SD upscale", [None, 32, "lanczos", 1.5], SdUpscale(32, 1.5, "Lanczos")),
        ("SD upscale", [None, 32, 2, 1.5], SdUpscale(32, 1.5, "Nearest")),
        (
            "Ultimate SD upscale",
            [None, 128, 0, 4, 16, 32, 0.3, 8, 1, True, 1, False, 5, 3, 1, 256, 320, 3],
            Ultimate(
                tile_width=128,
                tile_height=0,
                mask_blur=4,
                padding=16,
                upscaler="Lanczos",
                redraw=Redraw.CHESS,
                seams_fix=SeamsFix.HALF_CROSS,
                seams_strength=0.3,
                seams_width=32,
                seams_mask_blur=5,
                seams_padding=8,
                target=Target.CUSTOM,
                width=256,
                height=320,
                scale=3.0,
            ),
        ),
        ("Outpainting mk2", [None, 64, 8, ["left"], 1.5, 0.1], Outpainting(64, 8, ("left",), 1.5, 0.1)),
        ("Poor man's outpainting", [32, 4, 1, ["up"]], PoorMansOutpainting(32, 4, "original", ("up",))),
        ("None", [], None),
    ],
)
def test_arguments_by_position(name: str, args: list[Any], wanted: Any) -> None:
    assert read(name, args) == wanted


def test_axes_of_img2img_have_their_own_numbers() -> None:
    assert read("X/Y/Z plot", [5, "7"]).x_axis == "CFG Scale"
    assert read("X/Y/Z plot", [5, "7"], img2img=False).x_axis == "Hires steps"


def test_places_may_be_written_with_decimals() -> None:
    assert read("X/Y/Z plot", [5.0, "7"]) == read("X/Y/Z plot", [5, "7"])
    assert read("SD upscale", [None, 32, 2.0, 1.5]).upscaler == "Nearest"
    poor = PoorMansOutpainting(32, 4, "original", ("left",))
    assert read("Poor man's outpainting", [32, 4, 1.0, [0.0]]) == poor
    with pytest.raises(BadField):
        read("X/Y/Z plot", [4.5, "7"])


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("Ultimate", [], "script_name"),
        ("Loopback", [99], "script_args"),
        ("Loopback", ["muchas"], "script_args[0]"),
        ("Loopback", {"loops": 3}, "script_args"),
        ("X/Y/Z plot", [999, "1"], "script_args"),
        ("SD upscale", [None, 32, "Nadie"], "script_args[2]"),
        ("Outpainting mk2", [None, 64, 8, ["north"]], "script_args[3]"),
    ],
)
def test_wrong_arguments_are_told(name: str, args: Any, field: str) -> None:
    with pytest.raises(BadField) as told:
        read(name, args)
    assert told.value.name == field


def test_dynamic_prompts_are_an_always_on_script() -> None:
    title = "Dynamic Prompts v2.17.1"
    args = [True, True, 2, False, False, False, 1.1, 1.5, 100, 0.7, True, False, True, False, False, 30]
    asked = scripts_of(
        {"alwayson_scripts": {title: {"args": args}}}, img2img=False, lists=lambda listed: LISTS[listed]()
    )
    assert asked.dynamic == DynamicPrompts(True, 30, 2, same_seed=True, only_positive=True)
    off = scripts_of({"alwayson_scripts": {title: {"args": [False]}}}, img2img=False, lists=lambda _listed: ())
    assert not off.any


def test_a_plot_over_http(client: httpx.Client) -> None:
    args = [4, "2,3", [], 6, "1,2", [], 0, "", [], True, True, True, False, False, False, False, 0, True]
    answer = post(client, "txt2img", prompt="gato", script_name="x/y/z plot", script_args=args, **SMALL)
    info = json.loads(answer["info"])
    assert len(answer["images"]) == 6
    assert info["index_of_first_image"] == 1
    assert info["all_seeds"] == [5] * 6
    pictures = [opened(text) for text in answer["images"]]
    assert pictures[0].width > 64
    assert [picture.size for picture in pictures[2:]] == [(64, 64)] * 4
    assert "X Type: Steps" in pictures[0].info["parameters"]
    assert "Script" not in pictures[2].info["parameters"]


def test_prompts_and_matrix_over_http(client: httpx.Client) -> None:
    lines = post(
        client,
        "txt2img",
        script_name="Prompts from file or textbox",
        script_args=[False, False, "start", "a\nb", True],
        **SMALL,
    )
    info = json.loads(lines["info"])
    assert (len(lines["images"]), info["index_of_first_image"], info["all_prompts"][1:]) == (3, 0, ["a", "b"])
    matrix = post(client, "txt2img", prompt="a|b", script_name="Prompt matrix", script_args=[], **SMALL)
    assert (len(matrix["images"]), json.loads(matrix["info"])["index_of_first_image"]) == (3, 1)


def test_img2img_scripts_over_http(client: httpx.Client) -> None:
    answer = post(
        client,
        "img2img",
        init_images=[PICTURE],
        script_name="Loopback",
        script_args=[2, 0.2, "Linear", "None"],
        **SMALL,
    )
    info = json.loads(answer["info"])
    assert (len(answer["images"]), info["index_of_first_image"]) == (3, 0)
    assert info["extra_generation_params"]["Denoising curve"] == "Linear"


def test_mistakes_over_http(client: httpx.Client) -> None:
    unknown = client.post("/sdapi/v1/txt2img", json={"script_name": "Nada", **SMALL})
    assert unknown.status_code == 422
    needs = client.post("/sdapi/v1/txt2img", json={"script_name": "Loopback", **SMALL})
    assert needs.status_code == 422 and needs.json()["error"] == "grids.script_needs_picture"
    value = client.post("/sdapi/v1/txt2img", json={"script_name": "X/Y/Z plot", "script_args": [9, "Eulr"], **SMALL})
    assert value.status_code == 422
    assert "Eulr" in value.text


def test_lists_over_http(client: httpx.Client) -> None:
    titles = get(client, "scripts")
    assert "x/y/z plot" in titles["txt2img"]
    assert "ultimate sd upscale" in set(titles["img2img"]) - set(titles["txt2img"])
    told = {(entry["name"], entry["is_img2img"]): entry for entry in get(client, "script-info")}
    plot = told["x/y/z plot", False]
    assert len(plot["args"]) == 18
    assert plot["args"][0]["choices"][:3] == ["Nothing", "Seed", "Var. seed"]
    assert told["ultimate sd upscale", True]["args"][1]["maximum"] == 2048
