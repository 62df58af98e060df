"""ComfyUI's graphs, with the nodes of many packs: what each says of its picture."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdcolab.core.infotext import parse
from sdcolab.core.infotext.comfy import MAX_TEXT
from sdcolab.core.infotext.foreign import from_json


def node(kind: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def sampler(**changes: object) -> dict[str, Any]:
    inputs: dict[str, object] = {"seed": 9, "steps": 12, "cfg": 5.5, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
    inputs |= {"denoise": 1, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    return node("KSampler", **(inputs | changes))


BASE = {
    "4": node("CheckpointLoaderSimple", ckpt_name="sub\\modelo.safetensors"),
    "5": node("EmptyLatentImage", width=640, height=512, batch_size=1),
    "6": node("CLIPTextEncode", text="a cat", clip=["4", 1]),
    "7": node("CLIPTextEncode", text="bad", clip=["4", 1]),
    "3": sampler(),
}
SAYS = {"prompt": "a cat", "negative": "bad", "Steps": "12", "Sampler": "dpmpp_2m", "Schedule type": "Karras"}
SAYS |= {"CFG scale": "5.5", "Seed": "9", "Size": "640x512", "Model": "modelo"}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "ControlNet hands both prompts on": (
        {
            "11": node("ControlNetApplyAdvanced", strength=1, positive=["6", 0], negative=["7", 0]),
            "3": sampler(positive=["11", 0], negative=["11", 1]),
        },
        {},
    ),
    "no negative prompt": (
        {"11": node("ConditioningZeroOut", conditioning=["6", 0]), "3": sampler(negative=["11", 0])},
        {"negative": ""},
    ),
    "a pass at a larger size, told first": (
        {
            "2": sampler(latent_image=["20", 0], denoise=0.5, steps=8, seed=10),
            "20": node("LatentUpscaleBy", upscale_method="nearest-exact", scale_by=1.5, samples=["3", 0]),
            "8": node("VAEDecode", samples=["2", 0], vae=["9", 0]),
            "9": node("VAELoader", vae_name="vae-ft-mse.safetensors"),
        },
        {
            "VAE": "vae-ft-mse",
            "Hires upscale": "1.5",
            "Hires upscaler": "Latent (nearest-exact)",
            "Hires steps": "8",
            "Denoising strength": "0.5",
        },
    ),
    "a pass after an upscaler": (
        {
            "2": sampler(latent_image=["23", 0], denoise=0.4),
            "20": node("ImageUpscaleWithModel", upscale_model=["21", 0], image=["8", 0]),
            "21": node("UpscaleModelLoader", model_name="4x-UltraSharp.pth"),
            "22": node("ImageScale", upscale_method="area", width=960, height=768, image=["20", 0]),
            "23": node("VAEEncode", pixels=["22", 0], vae=["4", 2]),
            "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        },
        {"Hires resize": "960x768", "Hires upscaler": "4x-UltraSharp", "Denoising strength": "0.4"},
    ),
    "a refiner": (
        {
            "3": sampler(start_at_step=0, end_at_step=9),
            "13": sampler(start_at_step=9, model=["41", 0], latent_image=["3", 0]),
            "41": node("CheckpointLoaderSimple", ckpt_name="fino.safetensors"),
        },
        {"Refiner": "fino", "Refiner switch at": "0.75"},
    ),
    "Efficiency nodes": (
        {
            "1": node(
                "Efficient Loader",
                ckpt_name="m.safetensors", vae_name="Baked VAE", clip_skip=-2, positive="a cat",
                lora_name="foo.safetensors", lora_model_strength=0.7, negative="bad",
                empty_latent_width=832, empty_latent_height=1216, lora_stack=["5", 0],
            ),
            "5": node(
                "LoRA Stacker",
                lora_count=2, lora_name_1="x.safetensors", lora_wt_1=0.5, model_str_1=1,
                lora_name_2="y.safetensors", lora_wt_2=0.4, lora_name_3="z.safetensors",
            ),
            "3": sampler(model=["1", 0], positive=["1", 1], negative=["1", 2], latent_image=["1", 3]),
        },
        {
            "prompt": "a cat <lora:foo:0.7> <lora:x:0.5> <lora:y:0.4>",
            "Model": "m",
            "Size": "832x1216",
            "Clip skip": "2",
        },
    ),
    "rgthree": (
        {
            "20": node(
                "Power Lora Loader (rgthree)",
                lora_1={"on": True, "lora": "a/foo.safetensors", "strength": 0.8},
                lora_2={"on": False, "lora": "b.safetensors", "strength": 1},
                model=["4", 0],
            ),
            "21": node("Seed (rgthree)", seed=77),
            "22": node("Context (rgthree)", model=["20", 0], positive=["6", 0], negative=["7", 0], latent=["5", 0]),
            "23": node("PrimitiveInt", value=33),
            "3": sampler(
                seed=["21", 0], steps=["23", 0], model=["22", 1], positive=["22", 4],
                negative=["22", 5], latent_image=["22", 3],
            ),
        },
        {"prompt": "a cat <lora:foo:0.8>", "Seed": "77", "Steps": "33"},
    ),
    "two text encoders": (
        {"6": node("CLIPTextEncodeSDXL", width=1024, text_g="a cat", text_l="a cat", clip=["4", 1])},
        {},
    ),
    "texts put together": (
        {
            "30": node("Text Multiline", text="a dog"),
            "31": node("Text Concatenate", delimiter=", ", text_a=["30", 0], text_b=["32", 0]),
            "32": node("String Literal", string="blue"),
            "6": node("CLIPTextEncodeSDXL", text_g=["31", 0], text_l=["31", 0], clip=["4", 1]),
        },
        {"prompt": "a dog, blue"},
    ),
    "conditionings put together": (
        {
            "33": node("CLIPTextEncode", text="snow", clip=["4", 1]),
            "34": node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["33", 0]),
            "35": node("ConditioningConcat", conditioning_to=["7", 0], conditioning_from=["33", 0]),
            "3": sampler(positive=["34", 0], negative=["35", 0]),
        },
        {"prompt": "a cat AND snow", "negative": "bad BREAK snow"},
    ),
    "a wildcard and what it came to": (
        {
            "60": node("ImpactWildcardProcessor", wildcard_text="{a|b} cat", populated_text="a cat", seed=3),
            "6": node("CLIPTextEncode", text=["60", 0], clip=["4", 1]),
        },
        {},
    ),
    "clip skip": (
        {
            "15": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["4", 1]),
            "6": node("CLIPTextEncode", text="a cat", clip=["15", 0]),
        },
        {"Clip skip": "2"},
    ),
    "Comfyroll's stack": (
        {
            "70": node(
                "CR LoRA Stack",
                switch_1="On", lora_name_1="a.safetensors", model_weight_1=0.3,
                switch_2="Off", lora_name_2="b.safetensors", switch_3="On", lora_name_3="None",
            ),
            "71": node("CR Apply LoRA Stack", model=["4", 0], lora_stack=["70", 0]),
            "3": sampler(model=["71", 0]),
        },
        {"prompt": "a cat <lora:a:0.3>"},
    ),
    "LoRA Manager": (
        {
            "80": node(
                "Lora Loader (LoraManager)",
                loras={"__value__": [{"name": "foo", "strength": 0.7, "active": True}, {"name": "b", "strength": 1,
                                                                                       "active": False}]},
                model=["4", 0],
            ),
            "3": sampler(model=["80", 0]),
        },
        {"prompt": "a cat <lora:foo:0.7>"},
    ),
    "a size in words": (
        {"5": node("SDXL Empty Latent Image", dimensions=" 832 x 1216  (portrait)")},
        {"Size": "832x1216"},
    ),
    "names from a node": (
        {
            "90": node("Sampler Selector", sampler_name="heun", scheduler="karras"),
            "3": sampler(sampler_name=["90", 0], scheduler=["90", 1]),
        },
        {"Sampler": "heun"},
    ),
    "a repair of faces, told first": (
        {"1": node("FaceDetailer", image=["8", 0], seed=999, steps=20, cfg=8, positive=["6", 0], negative=["7", 0])},
        {},
    ),
    "from a picture": (
        {
            "5": node("VAEEncode", pixels=["40", 0], vae=["4", 2]),
            "40": node("LoadImage", image="x.png"),
            "3": sampler(denoise=0.6),
        },
        {"Size": None, "Denoising strength": "0.6"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("first", [True, False], ids=["told first", "told last"])
def test_what_a_graph_says(changes: dict[str, Any], expected: dict[str, Any], first: bool) -> None:
    graph = (changes | {key: BASE[key] for key in BASE if key not in changes}) if first else BASE | changes
    found = parse(json.dumps(graph))
    said = {"prompt": found.prompt, "negative": found.negative_prompt, **dict(found.fields)}
    wanted = SAYS | expected
    assert {label: said.get(label) for label in wanted} == wanted


def test_pipes_are_followed() -> None:
    graph = {
        "1": node(
            "easy fullLoader",
            ckpt_name="m.safetensors",
            vae_name="Baked VAE",
            lora_name="None",
            lora_model_strength=1,
            empty_latent_width=512,
            empty_latent_height=768,
            positive="a cat",
            negative="bad",
        ),
        "2": node(
            "easy preSampling", steps=25, cfg=6.5, sampler_name="heun", scheduler="karras", seed=44, pipe=["1", 0]
        ),
        "3": node("easy kSampler", image_output="Preview", pipe=["2", 0]),
    }
    found = parse(json.dumps({"prompt": graph, "client_id": "x"}))
    assert (found.prompt, found.negative_prompt) == ("a cat", "bad")
    assert [found.get(label) for label in ("Steps", "CFG scale", "Seed", "Size", "Sampler", "Model")] == [
        *("25", "6.5", "44", "512x768", "heun", "m")
    ]


def test_a_guider_and_nodes_named_after_their_sampler_and_schedule() -> None:
    graph = {
        "5": node("EmptySD3LatentImage", width=["50", 0], height=["51", 0]),
        "50": node("PrimitiveInt", value=1024),
        "51": node("INTConstant", value=768),
        "6": node("CLIPTextEncodeFlux", clip_l="a cat", t5xxl="a cat on a mat", guidance=3.5),
        "7": node("CLIPTextEncode", text="bad"),
        "12": node("UnetLoaderGGUF", unet_name="flux1-dev-Q4.gguf"),
        "22": node("CFGGuider", cfg=2, model=["12", 0], positive=["6", 0], negative=["7", 0]),
        "16": node("SamplerDPMPP_2M_SDE", solver_type="midpoint", eta=1),
        "17": node("KarrasScheduler", steps=22, sigma_max=14, sigma_min=0.02, rho=7),
        "25": node("RandomNoise", noise_seed=12),
        "13": node(
            "SamplerCustomAdvanced",
            noise=["25", 0],
            guider=["22", 0],
            sampler=["16", 0],
            sigmas=["17", 0],
            latent_image=["5", 0],
        ),
    }
    found = parse(json.dumps(graph))
    assert (found.prompt, found.negative_prompt) == ("a cat on a mat", "bad")
    assert dict(found.fields) == {
        "Steps": "22",
        "Sampler": "dpmpp_2m_sde",
        "Schedule type": "Karras",
        "CFG scale": "2",
        "Distilled CFG Scale": "3.5",
        "Seed": "12",
        "Size": "1024x768",
        "Model": "flux1-dev-Q4",
        "Version": "ComfyUI",
    }


def editor_node(number: int, kind: str, inputs: list[tuple[str, str, int]], values: list[Any], mode: int = 0) -> Any:
    named = [{"name": name, "type": type_, "link": link} for name, type_, link in inputs]
    outputs = {"CheckpointLoaderSimple": ["MODEL", "CLIP", "VAE"], "LoraLoader": ["MODEL", "CLIP"]}.get(kind, ["*"])
    outputs = [{"type": type_} for type_ in outputs]
    return {"id": number, "type": kind, "mode": mode, "inputs": named, "outputs": outputs, "widgets_values": values}


WORKFLOW = {
    "nodes": [
        editor_node(7, "CLIPTextEncode", [("clip", "CLIP", 5)], ["bad"]),
        editor_node(6, "CLIPTextEncode", [("clip", "CLIP", 3)], ["a cat"]),
        editor_node(5, "EmptyLatentImage", [], [512, 768, 1]),
        editor_node(4, "CheckpointLoaderSimple", [], ["m.safetensors"]),
        editor_node(20, "LoraLoader", [("model", "MODEL", 11), ("clip", "CLIP", 12)], ["off.safetensors", 1, 1], 4),
        editor_node(21, "LoraLoader", [("model", "MODEL", 13), ("clip", "CLIP", 14)], ["on.safetensors", 0.5, 1]),
        editor_node(22, "Reroute", [("", "*", 4)], []),
        editor_node(23, "SetNode", [("CONDITIONING", "CONDITIONING", 6)], ["neg"]),
        editor_node(24, "GetNode", [], ["neg"]),
        editor_node(
            3,
            "KSampler",
            [
                *(("model", "MODEL", 1), ("positive", "CONDITIONING", 15), ("negative", "CONDITIONING", 16)),
                ("latent_image", "LATENT", 2),
            ],
            [156680208700286, "randomize", 20, 8, "euler", "normal", 1],
        ),
    ],
    "links": [
        *([1, 21, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 21, 1, 6, 0, "CLIP"]),
        *([4, 6, 0, 22, 0, "CONDITIONING"], [15, 22, 0, 3, 1, "CONDITIONING"], [5, 21, 1, 7, 0, "CLIP"]),
        *([6, 7, 0, 23, 0, "CONDITIONING"], [16, 24, 0, 3, 2, "CONDITIONING"]),
        *(
            [11, 4, 0, 20, 0, "MODEL"],
            [12, 4, 1, 20, 1, "CLIP"],
            [13, 20, 0, 21, 0, "MODEL"],
            [14, 20, 1, 21, 1, "CLIP"],
        ),
    ],
}


def test_the_editors_file_is_followed_by_its_links() -> None:
    """The negative prompt stands first in it; one LoRA is bypassed."""
    found = parse(json.dumps(WORKFLOW))
    assert (found.prompt, found.negative_prompt) == ("a cat <lora:on:0.5>", "bad")
    assert [found.get(label) for label in ("Seed", "Steps", "CFG scale", "Sampler", "Size", "Model")] == [
        *("156680208700286", "20", "8", "euler", "512x768", "m")
    ]


def test_graphs_that_lead_back_to_themselves_end() -> None:
    graph = BASE | {
        "6": node("CLIPTextEncode", text=["6", 0], clip=["4", 1]),
        "3": sampler(model=["3", 0], seed=["3", 0], latent_image=["3", 0]),
    }
    found = parse(json.dumps(graph))
    assert (found.prompt, found.get("Seed"), found.get("Steps")) == ("", None, "12")


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [[]], ["3", 0], [["3", 0]], {"inputs": 1}, True, ["9", "x"]])
@pytest.mark.parametrize("key", ["seed", "steps", "positive", "latent_image", "model", "sampler_name", "lora_name_1"])
def test_values_of_any_type_are_borne(key: str, value: object) -> None:
    parse(json.dumps(BASE | {"3": sampler(**{key: value})}))
    broken = {**WORKFLOW, "nodes": [*WORKFLOW["nodes"], {"id": value, "type": "KSampler", "inputs": [{key: value}]}]}
    parse(json.dumps(broken))
    parse(json.dumps({**WORKFLOW, "links": [value, *WORKFLOW["links"]]}))


@pytest.mark.parametrize(
    "names",
    [("text_1", "text_2"), ("text", "text_g", "prompt"), ("conditioning", "pipe", "ctx")],
)
def test_a_node_that_many_links_lead_to_is_asked_once(names: tuple[str, ...]) -> None:
    """Else each of these layers would double what there is to do, and to write."""
    layers = {f"n{at}": node("X", **{name: [f"n{at + 1}", 0] for name in names}) for at in range(35)}
    graph = {"s": sampler(positive=["n0", 0], negative=["n0", 0]), **layers, "n35": node("X", text="un gato")}
    told = from_json(json.dumps(graph))
    assert told is not None
    found = parse(told)
    assert found.prompt.startswith("un gato")
    assert len(found.prompt) <= MAX_TEXT


def test_a_link_from_no_output_of_a_node_leads_nowhere() -> None:
    ends = [{"name": "positive", "link": 3}, {"name": "negative", "link": 1}]
    nodes = [
        {"id": 1, "type": "KSampler", "inputs": ends, "widgets_values": [1, "fixed", 5, 7, "euler", "normal", 1]},
        {"id": 2, "type": "Reroute", "inputs": [{"link": 2}], "outputs": [{}]},
        {"id": 3, "type": "CLIPTextEncode", "widgets_values": ["un gato"]},
    ]
    links = [[1, 2, -5, 1, 1, "X"], [2, 3, 0, 2, 0, "X"], [3, 3, 0, 1, 0, "X"]]
    told = from_json(json.dumps({"nodes": nodes, "links": links}))
    assert told is not None and parse(told).prompt == "un gato"
