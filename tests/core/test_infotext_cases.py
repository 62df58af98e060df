"""Texts and pictures as people have them: what each says, and what none of them says."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdcolab.core.errors import FieldFloored, InfotextEncoding, InfotextForeign, InfotextUnreadable, InfotextWorkflow
from sdcolab.core.infotext import Pasted, parse, read_bytes, to_request
from sdcolab.core.infotext.foreign import from_json
from sdcolab.core.pictures import picture_from

TEXTS = Path(__file__).parents[1] / "data" / "casos" / "textos"


def pasted(name: str) -> Pasted:
    return to_request(parse(read_bytes((TEXTS / name).read_bytes(), name)))


FULL = {
    "prompt": "a niña 猫 🐱",
    "negative_prompt": "bad",
    "seed": 42,
    "sampler": "DPM++ 2M",
    "schedule": "Karras",
    "width": 512,
    "height": 768,
}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "dynprompts_template.txt",
            {
                "prompt": "a cat",
                "negative_prompt": "bad",
                "seed": 42,
                "sampler": "DPM++ 2M",
                "schedule": "Karras",
                "width": 128,
                "height": 128,
            },
        ),
        ("civitai_copy_one_line.txt", {"prompt": "a cat", "negative_prompt": "bad", "steps": 20, "height": 768}),
        ("comfy_saver3.txt", {"sampler": "DPM++ 2M SDE", "schedule": "Karras"}),
        ("nbsp.txt", {"cfg_scale": 7.0, "seed": 42}),
        ("size_mul.txt", {"width": 984, "height": 312}),
        ("avif.avif", FULL),
        ("png_exif_blank.png", FULL),
        ("novelai_plus_params.png", FULL),
        ("stealth.png", FULL),
        (
            "swarm.png",
            {"prompt": "a cat", "negative_prompt": "bad", "seed": 5, "steps": 25, "cfg_scale": 4.0, "width": 1024},
        ),
        ("fooocus_json.png", {"prompt": "a cat", "steps": 30, "seed": 123}),
    ],
)
def test_what_is_read(name: str, changes: dict[str, Any]) -> None:
    found = pasted(name).changes
    assert {path: found.get(path) for path in changes} == changes


def test_weights_are_no_parameters() -> None:
    text = (TEXTS / "weights_only.txt").read_text()
    assert pasted("weights_only.txt").changes == {"prompt": text.strip(), "negative_prompt": ""}


def test_sizes_are_floored_and_told() -> None:
    assert [type(warning) for warning in pasted("size_mul.txt").warnings] == [FieldFloored, FieldFloored]


@pytest.mark.parametrize("name", ["api_denoise0.txt", "seed_resize_api.txt"])
def test_what_the_api_wrote_of_pictures_from_text(name: str) -> None:
    found = pasted(name)
    assert not found.starts_from_picture
    assert not found.changes["variation"].resizes
    assert found.unused == found.warnings == ()


def test_resources_of_civitais_generator() -> None:
    found = pasted("civitai_resources_job.txt")
    assert "<lora:civitai 426797:0.4>" in found.changes["prompt"]
    assert found.hashes["lora:civitai 426797"] == "civitai:426797"
    assert found.hashes["embed:civitai 250708"] == "civitai:250708"


@pytest.mark.parametrize(
    ("resources", "prompt", "embedding"),
    [
        ('[{"type":"locon","weight":null,"modelVersionId":12}]', "<lora:civitai 12:1>", None),
        ('[{"type":"dora","modelVersionId":13}]', "<lora:civitai 13:1>", None),
        (
            '[{"modelVersionId":7,"type":"ImageJobNetworkParams { Strength = -0.35, TriggerWord = a, Type = locon }"}]',
            "<lora:civitai 7:-0.35>",
            None,
        ),
        (
            '[{"air":"urn:air:sdxl:lora:civitai:5@6","weight":0.7},{"air":"urn:air:sd1:embedding:civitai:8@9"}]',
            "<lora:civitai 6:0.7>",
            "civitai:9",
        ),
        ('[{"type":"textualinversion","weight":1,"modelVersionId":14}]', "", "civitai:14"),
        ("[]", "", None),
    ],
)
def test_resources_of_civitai_that_say_little(resources: str, prompt: str, embedding: str | None) -> None:
    line = f"Steps: 20, CFG scale: 5, Sampler: Euler a, Civitai resources: {resources}, Civitai metadata: {{}}"
    found = to_request(parse(f"a cat\n{line}"))
    assert found.changes["prompt"] == f"a cat\n{prompt}".strip()
    assert next((digest for name, digest in found.hashes.items() if name.startswith("embed:")), None) == embedding
    assert found.unused == ()


def test_resources_of_civitai_that_are_cut_are_told() -> None:
    found = to_request(parse('a cat\nSteps: 20, CFG scale: 5, Seed: 1, Civitai resources: [{"type":"lora","weight":0'))
    assert [label for label, _ in found.unused] == ["Civitai resources"]


@pytest.mark.parametrize("name", ["jpg_phone_nul.jpg", "jpg_com.jpg", "bmp.bmp"])
def test_pictures_without_parameters_are_pictures_all_the_same(name: str) -> None:
    data = (TEXTS / name).read_bytes()
    with pytest.raises(InfotextUnreadable):
        read_bytes(data, name)
    assert picture_from(data, Path(name)).size == (64, 64)


@pytest.mark.parametrize(("suffix", "options"), [("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})])
def test_what_pixels_hide_is_read_in_every_format_that_keeps_them(suffix: str, options: dict[str, Any]) -> None:
    file = io.BytesIO()
    Image.open(TEXTS / "stealth.png").save(file, suffix, **options)
    hidden = read_bytes((TEXTS / "stealth.png").read_bytes(), "x.png")
    assert read_bytes(file.getvalue(), "x") == hidden


def test_an_avif_is_a_start_picture() -> None:
    assert picture_from((TEXTS / "avif.avif").read_bytes(), Path("avif.avif")).mode == "RGB"


def test_quoted_values_may_hold_line_ends() -> None:
    text = (
        'a\nNegative prompt: b\nSteps: 20, Sampler: Euler, Hires prompt: "one\ntwo: three, four", Seed: 7\nTemplate: x'
    )
    found = parse(text)
    assert (found.prompt, found.negative_prompt) == ("a", "b")
    assert (found.get("Hires prompt"), found.get("Seed"), found.get("Template")) == ("one\ntwo: three, four", "7", "x")


def test_an_encoding_that_nobody_can_know_is_named() -> None:
    with pytest.raises(InfotextEncoding):
        read_bytes("una niña\nSteps: 20".encode("latin-1"), "a.txt")


COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 9,
            "steps": 12,
            "cfg": 5.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/modelo.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "10": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "fino.safetensors", "strength_model": 0.6, "model": ["4", 0], "clip": ["4", 1]},
    },
}
INVOKE = {
    "positive_prompt": "a cat",
    "negative_prompt": "bad",
    "seed": 9,
    "steps": 12,
    "cfg_scale": 5.5,
    "width": 640,
    "height": 512,
    "model": {"name": "modelo"},
    "scheduler": "dpmpp_2m_k",
    "loras": [{"model": {"name": "fino"}, "weight": 0.6}],
}


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


FLUX = {
    "5": node("EmptySD3LatentImage", width=1024, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text="a cup of coffee", clip=["11", 0]),
    "11": node("DualCLIPLoader", clip_name1="t5.safetensors", clip_name2="clip_l.safetensors", type="flux"),
    "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "13": node(
        "SamplerCustomAdvanced",
        noise=["25", 0],
        guider=["22", 0],
        sampler=["16", 0],
        sigmas=["18", 1],
        latent_image=["5", 0],
    ),
    "16": node("KSamplerSelect", sampler_name="euler"),
    "17": node("BasicScheduler", scheduler="simple", steps=["30", 0], denoise=1, model=["12", 0]),
    "18": node("SplitSigmas", step=0, sigmas=["17", 0]),
    "22": node("BasicGuider", model=["12", 0], conditioning=["26", 0]),
    "25": node("RandomNoise", noise_seed=9191),
    "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
    "30": node("PrimitiveInt", value=20),
}
"""ComfyUI's own example for Flux; a sampler in several nodes."""


def test_a_sampler_in_several_nodes_is_read() -> None:
    found = parse(from_json(json.dumps(FLUX)) or "")
    assert found.prompt == "a cup of coffee"
    assert dict(found.fields) == {
        "Steps": "20",
        "Sampler": "euler",
        "Schedule type": "Simple",
        "Distilled CFG Scale": "3.5",
        "Seed": "9191",
        "Size": "1024x768",
        "Model": "flux1-dev",
        "Version": "ComfyUI",
    }


def test_a_custom_sampler_with_both_prompts_is_read() -> None:
    nodes = {
        **{key: FLUX[key] for key in ("5", "6", "12", "16", "17", "30")},
        "7": node("CLIPTextEncode", text="blurry", clip=["11", 0]),
        "13": node(
            "SamplerCustom",
            noise_seed=5,
            cfg=4.5,
            model=["12", 0],
            positive=["6", 0],
            negative=["7", 0],
            sampler=["16", 0],
            sigmas=["17", 0],
            latent_image=["5", 0],
        ),
    }
    found = parse(from_json(json.dumps(nodes)) or "")
    assert (found.prompt, found.negative_prompt) == ("a cup of coffee", "blurry")
    assert [found.get(label) for label in ("Steps", "CFG scale", "Seed")] == ["20", "4.5", "5"]


def test_a_workflow_that_nobody_reads_is_told_as_one() -> None:
    info = PngInfo()
    info.add_text("workflow", json.dumps({"nodes": [{"type": "SomeoneElses"}], "links": []}))
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    with pytest.raises(InfotextWorkflow):
        read_bytes(file.getvalue(), "x.png")


@pytest.mark.parametrize("value", [COMFY, INVOKE], ids=["ComfyUI", "InvokeAI"])
def test_what_other_programs_write_as_json(value: object) -> None:
    changes = to_request(parse(json.dumps(value))).changes
    assert changes["prompt"] == "a cat <lora:fino:0.6>"
    wanted = {"negative_prompt": "bad", "seed": 9, "steps": 12, "cfg_scale": 5.5, "width": 640, "schedule": "Karras"}
    assert {name: changes[name] for name in wanted} == wanted
    assert (changes["sampler"], changes["checkpoint"]) == ("DPM++ 2M", "modelo")


@pytest.mark.parametrize(
    "around", ["\ufeff{}", "```json\n{}\n```", "[{}]", "parameters: {}", "> {}", "\n{}\n\n", "[code]{}[/code]"]
)
def test_json_is_read_whatever_stands_around_it(around: str) -> None:
    changes = to_request(parse(around.replace("{}", json.dumps(INVOKE)))).changes
    assert (changes["prompt"], changes["seed"], changes["checkpoint"]) == ("a cat <lora:fino:0.6>", 9, "modelo")


def test_json_that_says_little_is_read_too() -> None:
    changes = to_request(parse(json.dumps({"sui_image_params": {"prompt": "a fox", "seed": 3}}))).changes
    assert (changes["prompt"], changes["seed"]) == ("a fox", 3)


@pytest.mark.parametrize(
    "text",
    [
        '{"hola": [1, 2]}',
        "[1, 2, 3]",
        '{"nodes": []}',
        json.dumps(INVOKE)[:-9],
        '[{"prompt": "a cat", "se',
    ],
)
def test_json_of_somebody_else_is_never_a_prompt(text: str) -> None:
    found = to_request(parse(text))
    assert found.changes == {}
    assert isinstance(found.warnings[0], InfotextForeign)


@pytest.mark.parametrize(
    "text", ["[cat|dog], {a|b}", '{"gato"|"perro"} rojo', '["x": y]', "{masterpiece}", "[gato:0.5]", "{}", "[]"]
)
def test_prompts_with_brackets_stay_prompts(text: str) -> None:
    assert to_request(parse(text)).changes["prompt"] == text


PLAIN = {
    "prompt": "a cat",
    "negative_prompt": "dog",
    "steps": 20,
    "sampler_name": "Euler a",
    "cfg_scale": 7.5,
    "seed": 5,
}

LAID_OUT = """a cat
Negative prompt: dog
Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 5, Size: 512x768"""

SPANISH = """Prompt positivo: a cat
Prompt negativo: dog
Pasos: 20, Sampler: Euler a, Escala CFG: 7,5, Semilla: 5, Tamaño: 512x768"""

SAYS = {
    "prompt": "a cat",
    "negative_prompt": "dog",
    "steps": 20,
    "sampler": "Euler a",
    "cfg_scale": 7.5,
    "seed": 5,
    "width": 512,
    "height": 768,
}


@pytest.mark.parametrize(
    "text",
    [
        LAID_OUT,
        LAID_OUT.replace("\n", "\r\n"),
        LAID_OUT.replace("CFG scale: 7.5", "CFG\u3000scale:\u20027.5").replace("Seed: 5", "Seed:\u205f5"),
        LAID_OUT.replace("\n", "\r"),
        LAID_OUT.replace("\n", "<br>"),
        LAID_OUT.replace("\n", "<BR />"),
        LAID_OUT.replace(": ", "：").replace(", ", "，"),
        LAID_OUT.lower().replace("euler", "Euler"),
        "Prompt: " + LAID_OUT.replace("\n", "\r"),
        LAID_OUT.replace(", ", "\n"),
        LAID_OUT.replace("Steps: 20, Sampler: Euler a", "Sampler: Euler a, Steps: 20"),
        LAID_OUT.replace(", Seed", ",\nSeed"),
        f"```\n{LAID_OUT}\n```",
        f"[quote=ana][code]{LAID_OUT}[/code][/quote]",
        "".join(f"> {line}\n" for line in LAID_OUT.splitlines()),
        "".join(f'<p class="x">{line}</p>' for line in LAID_OUT.splitlines()),
        "Prompt: a cat\nSeed: 5\nSampler: euler_a\nWidth: 512\nHeight: 768\nSteps: 20\nGuidance Scale: 7.5\n"
        "Negative Prompt: dog",
        "Prompt: a cat\nWidth: 512\nHeight: 768\nSeed: 5\nSteps: 20\nGuidance Scale: 7.5\nUse Upscaling: None\n"
        "Sampler: euler_a\nNegative Prompt: dog\nStable Diffusion model: mini\nVAE model: None\nLoRA model: None",
        'prompt = "a cat"\nnegative_prompt = "dog"\nseed = 5\nsteps = 20\ncfg_scale = 7.5\nsampler = "euler_a"\n'
        "width = 512\nheight = 768",
        "Prompt: a cat\nNegative Prompt: dog\nSampling Method: Euler a\nSampling Steps: 20\nCFG Scale: 7.5\nSeed: 5\n"
        "Image Size: 512 x 768",
        "Prompt: a cat\nNegativo: dog\nPasos: 20\nSampler: Euler a\nCFG: 7.5\nSemilla: 5\nTamaño: 512x768",
        json.dumps({"Prompt": "a cat", "Negative Prompt": "dog", "Seed": 5, "Steps": 20, "Guidance Scale": 7.5,
                    "Width": 512, "Height": 768, "Sampler": "euler_a"}),
        LAID_OUT.replace(", ", "; "),
        LAID_OUT.replace(", ", "\t"),
        LAID_OUT.replace(", ", " | "),
        re.sub(r"([A-Z][\w ]*): ", r"**\1:** ", "Prompt: " + LAID_OUT),
        re.sub(r"([A-Z][\w ]*): ", r"**\1**: ", "Prompt: " + LAID_OUT),
        LAID_OUT.replace("7.5", "7,5"),
        LAID_OUT.replace("512x768", "512×768"),
        LAID_OUT.replace("512x768", "512 * 768"),
        LAID_OUT.replace("Seed: 5", "Seed:\u200b 5\u200b").replace("Euler a", "Euler\xa0a"),
        LAID_OUT.replace("Euler a", "&quot;Euler a&quot;").replace(": ", ":&nbsp;"),
        LAID_OUT.replace(", Seed", ", RNG: &#x22;NV&#34;, Seed").replace("\n", "<br>"),
        SPANISH,
        SPANISH.replace(", ", "\n").replace("Semilla", "semilla"),
        SPANISH.replace("Prompt negativo", "Negative prompt").replace("Pasos: 20, Sampler:", "Pasos: 20, Método:"),
        SPANISH.replace("Tamaño: 512x768", "Ancho: 512, Alto: 768").replace("Sampler", "Método de muestreo"),
        json.dumps({**PLAIN, "seed": 5, "width": 512, "height": 768}),
        json.dumps({"prompt": "a cat", "negativePrompt": "dog", "cfgScale": 7.5, "steps": 20, "seed": 5,
                    "sampler": "Euler a", "Size": "512x768"}),
        json.dumps({"prompt": "a cat", "uc": "dog", "scale": 7.5, "steps": 20, "seed": 5,
                    "sampler": "k_euler_ancestral", "width": 512, "height": 768}),
        "a cat\nPrompt negativo: dog\nPassos: 20, Amostrador: Euler a, Escala CFG: 7,5, Semente: 5, Tamanho: 512x768",
        "a cat\nNegativo: dog\nPassos: 20, Método de amostragem: Euler a, Escala de CFG: 7,5, Semente: 5, "
        "Largura: 512, Altura: 768",
        "a cat\nPrompt négatif : dog\nÉtapes : 20, Échantillonneur : Euler a, Échelle CFG : 7.5, Graine : 5, "
        "Taille : 512x768",
        "a cat\nInvite négative\xa0: dog\nÉtapes\xa0: 20, Échantillonneur\xa0: Euler a, Échelle de CFG\xa0: 7.5, "
        "Graine\xa0: 5, Taille\xa0: 512x768",
        "a cat\nPrompt negativo: dog\nPassi: 20, Campionatore: Euler a, Scala CFG: 7.5, Seme: 5, Dimensione: 512x768",
        "a cat\nNegativer Prompt: dog\nSchritte: 20, Sampler: Euler a, CFG-Skala: 7.5, Seed: 5, Größe: 512x768",
        LAID_OUT.replace("prompt: ", "prompt ").replace("Negative prompt", "**Negative prompt**").replace(
            "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 5, Size: ",
            "**Steps** 20, **Sampler** Euler a, **CFG scale** 7.5, **Seed** 5, **Size** ",
        ),
        "a cat\nNegative prompt: dog\nSteps 20, Sampler Euler a, CFG scale 7.5, Seed 5, Size 512x768",
        "a cat\nNegative prompt: dog\nSteps = 20, Sampler = Euler a, CFG scale = 7.5, Seed = 5, Size = 512x768",
        "**Prompt**\na cat\n**Negative prompt**\ndog\n**Steps**\n20\n**Sampler**\nEuler a\n**CFG scale**\n7.5\n**Seed**"
        "\n5\n**Size**\n512x768",
        "Prompt\na cat\nNegative prompt\ndog\nSteps\n20\nSampler\nEuler a\nCFG scale\n7.5\nSeed\n5\nSize\n512x768",
        "a cat\nNegative prompt: dog\n| Steps | 20 |\n| Sampler | Euler a |\n| CFG scale | 7.5 |\n| Seed | 5 |\n"
        "| Size | 512x768 |",
        "Steps: 20\nSampler: Euler a\nCFG scale: 7.5\nSeed: 5\nSize: 512x768\nPrompt: a cat\nNegative prompt: dog",
        '"a cat, [dog]" -s 20 -S 5 -W 512 -H 768 -C 7.5 -A k_euler_a',
        "a cat [dog] -s20 -S5 -W512 -H768 -C7.5 -Ak_euler_a",
        '--prompt "a cat" --negative_prompt "dog" --width 512 --height 768 --sampler_name "Euler a" --steps 20 '
        "--cfg_scale 7.5 --seed 5",
        "./sd -p 'a cat' -n 'dog' -W 512 -H 768 --steps 20 --cfg-scale 7.5 -s 5 --sampling-method euler_a",
        LAID_OUT.replace("\nNegative", " Negative"),
        LAID_OUT.replace("Negative prompt", "NEGATIVE PROMPT"),
        LAID_OUT.replace("Negative prompt", "Negative"),
        "Positive prompt: " + LAID_OUT,
        LAID_OUT.split("\n")[2] + "\n" + "\n".join(LAID_OUT.split("\n")[:2]),
        LAID_OUT.replace("\n", "\\n"),
        json.dumps(LAID_OUT),
        json.dumps({"parameters": LAID_OUT}),
        json.dumps({"images": [], "infotexts": [LAID_OUT]}),
        json.dumps({"meta": {**PLAIN, "width": 512, "height": 768}}),
        str({**PLAIN, "width": 512, "height": 768}),
        quote(LAID_OUT),
        "prompt: a cat\nnegative_prompt: dog\nsteps: 20\nsampler_name: Euler a\ncfg_scale: 7.5\nseed: 5\nwidth: 512\n"
        "height: 768",
        "a cat\nNegative prompt: dog\n- Steps: 20\n- Sampler: Euler a\n- CFG scale: 7.5\n- Seed: 5\n- Size: 512x768",
        "a cat\nNegative prompt: dog\n1. Steps: 20\n2. Sampler: Euler a\n3. CFG scale: 7.5\n4. Seed: 5\n"
        "5. Size: 512x768",
        LAID_OUT.replace("Steps", "Ste\u200bps"),
        LAID_OUT.replace("a cat", "a bird").replace("Seed: 5", "Seed: 9") + "\n\n" + LAID_OUT,
        json.dumps({"c": "a cat", "uc": "dog", "scale": 7.5, "steps": 20, "seed": 5, "sampler": "Euler a",
                    "size": "512x768"}),
    ],
)  # fmt: skip
def test_the_same_data_in_every_way_that_people_copy_it(text: str) -> None:
    found = to_request(parse(text)).changes
    assert {path: found.get(path) for path in SAYS} == SAYS


@pytest.mark.parametrize(
    "text",
    [
        "Steps: a stairway, Mood: dark, Size: big",
        "portrait, lighting: soft, mood: calm, camera: 35mm, lens: wide",
        "seed: pumpkin, size: huge, steps: stone",
        "retrato, modelo: ana, semilla: calabaza, pasos: piedra",
        "foto, ancho: 300, alto: 200, modelo: coche, tamaño: 3x2",
        "R&B &amp; soul",
        "> cat",
        "a cat\nVersion: comic",
        "a cat, Seed: 3",
        "model: a woman, version: 2",
        "[quote] a sign, [code]",
        "style: anime\nmood: dark\nsteps: many",
        "a cat<br>, steps; stone",
        "cat, (masterpiece:1.2), Steps: 20",
        "two lines\rof a prompt, Steps: 20",
        "Steps of stone\nseed of doubt\nsize of a house",
        "a man, steps 3, seeds, model",
        "a well--lit room, state-of-the-art --- cat, a man --no, a woman",
        "two t-shirts -S size -M other",
        "étapes d'un chat, taille fine",
    ],
)
def test_prompts_that_look_like_parameters_stay_whole(text: str) -> None:
    found = to_request(parse(text)).changes
    assert (found["prompt"], found["negative_prompt"]) == (text, "")


@pytest.mark.parametrize(
    ("text", "changes", "options"),
    [
        (
            "a cat --ar 3:2 --no dogs, people --s 250 --v 5.2 --seed 123",
            {"prompt": "a cat", "negative_prompt": "dogs, people", "seed": 123, "width": 768, "height": 512},
            "--ar 3:2 --no dogs, people --s 250 --v 5.2 --seed 123",
        ),
        (
            "/imagine prompt: a cat in the snow --ar 9:16 --style raw",
            {"prompt": "a cat in the snow", "negative_prompt": "", "width": 512, "height": 912},
            "--ar 9:16 --style raw",
        ),
        (
            "**a cat, cinematic --s 250** - @ana (fast)",
            {"prompt": "a cat, cinematic", "negative_prompt": ""},
            "--s 250",
        ),
        (
            "a cat —no dog —tile , red\nNegative prompt: bad",
            {"prompt": "a cat , red", "negative_prompt": "bad, dog"},
            "--no dog --tile",
        ),
    ],
)
def test_midjourneys_options_are_used_or_told(text: str, changes: dict[str, Any], options: str) -> None:
    found = to_request(parse(text))
    assert found.changes == changes
    assert [warning.facts()["options"] for warning in found.warnings] == [options]


@pytest.mark.parametrize(
    "piece",
    [
        "Steps: 1;",
        "steps 1, ",
        "steps\n1\n",
        "--no a, ",
        " -s 1 -S 2",
        "**Steps** ",
        "étapes : 1, ",
        "Pasos: 1, ",
        "&amp;",
        "\t",
        "**a:** ",
        "<br>",
        "Negative prompt: ",
        "a: 1, ",
        '"',
        " ",
        "steps: 1\n",
        "Prompt\n",
        "Prompt\nNegative prompt\n",
        "Include in Image: ",
        "Exclude from Image:; ",
        "\r",
        "{",
    ],
)
def test_reading_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    """Counted in calls, not in seconds: nothing may be called once for each pair of characters."""

    def calls(size: int) -> int:
        count = 0

        def counted(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(counted)
        try:
            parse(f"a cat\nsteps: 20; {piece * size}")
        finally:
            sys.setprofile(None)
        return count

    assert calls(4000) <= 5 * calls(1000) + 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a cat\nNegative prompt: bad\nSampling Steps: 25, CFG scale: 6, Sampling Method: Euler a, Seed: 5",
            {"negative_prompt": "bad", "steps": 25, "sampler": "Euler a"},
        ),
        (
            "a cat Negative prompt: bad Sampling Steps: 25, CFG scale: 6, Sampling Method: Euler a, Seed: 5",
            {"prompt": "a cat", "negative_prompt": "bad", "steps": 25},
        ),
        (
            "a cat\n-bad, -ugly\nSteps: 20, Sampler: UniPC, Guidance Scale: 7.0, Seed: 5, Seed Mode: Scale Alike",
            {"prompt": "a cat", "negative_prompt": "bad, -ugly"},
        ),
        ("a cat\n-bad\nSteps: 20, Sampler: UniPC, CFG scale: 7, Seed: 5", {"prompt": "a cat\n-bad"}),
        ("a cat\nSteps: 20, Sampler: euler, CFG scale: 7, Seed: 5, Clip skip: -2", {"clip_skip": 2}),
        (
            "a cat\nSteps: 20, Sampler: euler, CFG: 6, Seed: 5, Schedule: karras",
            {"cfg_scale": 6.0, "schedule": "Karras"},
        ),
    ],
)
def test_what_other_sites_and_programs_write_in_their_way(text: str, expected: dict[str, Any]) -> None:
    found = to_request(parse(text)).changes
    assert {name: found[name] for name in expected} == expected


def test_what_fooocus_copies_is_read_whole() -> None:
    copied = {"Prompt": "a cat", "Negative Prompt": "bad", "Performance": "Speed", "Steps": 30, "Guidance Scale": 4}
    copied |= {
        "Resolution": "(896, 1152)",
        "Base Model": "jugger.safetensors",
        "Sampler": "dpmpp_2m_sde_gpu",
        "Seed": "5",
    }
    found = parse(from_json(json.dumps(copied)) or "")
    assert [found.get(label) for label in ("Size", "Model", "Seed")] == ["896x1152", "jugger", "5"]


PAGE = """Resources used
Illustrious
Checkpoint
Prompt
TXT2IMG
a cat
Negative prompt
bad
Other metadata
"""
DRAW_THINGS = {"c": "a cat", "uc": "bad", "lora": [{"model": "foo_f16.ckpt", "weight": 0.6}], "model": "m_f16.ckpt"}
DRAW_THINGS |= {"sampler": "DPM++ 2M Karras", "scale": 6, "seed": 3, "size": "512x768", "steps": 20, "v2": {}}
NOVELAI_4 = {"prompt": "a cat", "uc": "bad", "steps": 28, "scale": 6, "seed": 3, "width": 512, "height": 768}
NOVELAI_4 |= {"noise_schedule": "karras", "sampler": "k_euler_ancestral", "n_samples": 1, "cfg_rescale": 0.2}
NOVELAI_4 |= {"v4_prompt": {"caption": {"char_captions": [{"char_caption": "girl, blue", "centers": []}]}}}
INVOKE_2 = {"model_weights": "sd-1.5", "app_version": "2.3.0"}
INVOKE_2["image"] = {"prompt": [{"prompt": "a cat [bad]", "weight": 1}], "steps": 20, "cfg_scale": 6, "seed": 3,
                     "width": 512, "height": 768, "sampler": "k_heun", "seamless": True, "type": "txt2img"}  # fmt: skip
INVOKE_5 = INVOKE | {"vae": {"name": "fp16-fix"}, "seamless_x": True, "seamless_y": True, "cfg_rescale_multiplier": 0.2}
SWARM = {"prompt": "a cat <lora:fino:0.5>", "negativeprompt": "bad", "steps": 20, "cfgscale": 6, "seed": 3}
SWARM |= {"width": 512, "height": 768, "loras": ["a/fino.safetensors"], "loraweights": ["0.5"], "vae": "b.safetensors"}
FOOOCUS_LOG = {"Prompt": "a cat", "Negative Prompt": "bad", "Steps": 30, "Guidance Scale": 6, "Seed": "3"}
FOOOCUS_LOG |= {"Resolution": "(512, 768)", "VAE": "Default (model)", "LoRA 1": "fino.safetensors : 0.1"}
SEAART = {"prompt": "a cat", "negative_prompt": "bad", "steps": 20, "cfg_scale": 6, "seed": 3, "width": 512}
SEAART |= {"height": 768, "lora_models": [{"name": "fino", "weight": 0.8}], "vae": "mse"}
COMMON = {"negative_prompt": "bad", "cfg_scale": 6.0, "seed": 3, "width": 512, "height": 768}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAGE + "CFG Scale\n6\nSteps\n20\nSampler\nHeun\nSeed\n3\nClip Skip\n2", {"prompt": "a cat", "clip_skip": 2}),
        (PAGE + "cfgScale: 6\nsteps: 20\nsampler: Heun\nseed: 3\nclipSkip: 2", {"prompt": "a cat", "clip_skip": 2}),
        (
            "Include in Image: a cat, red; Exclude from Image: bad; Model: m; Steps: 20; Guidance Scale: 6; Seed: 3; "
            "Size: 512x768; Upscaler: ; Scheduler: DPM-Solver++; Generator: Mochi Diffusion 5.0",
            {"prompt": "a cat, red", "sampler": "DPM++ 2M", "checkpoint": "m", **COMMON},
        ),
        (
            "Include in Image:\na cat\nExclude from Image:\nbad\nModel:\nm\nSteps:\n20\nGuidance Scale:\n6\nSeed:\n3\n"
            "Size:\n512x768\nUpscaler:\nScheduler:\nDPM-Solver++",
            {"prompt": "a cat", "sampler": "DPM++ 2M", "checkpoint": "m", **COMMON},
        ),
        (json.dumps(DRAW_THINGS), {"prompt": "a cat <lora:foo_f16:0.6>", "schedule": "Karras", **COMMON}),
        (
            "a cat\n-bad\nSteps: 20, Sampler: Heun, Guidance Scale: 6, Seed: 3, Size: 512x768, Seed Mode: Scale Alike, "
            "LoRA 1 Model: foo_f16.ckpt, LoRA 1 Weight: 0.6",
            {"prompt": "a cat\n<lora:foo_f16:0.6>", **COMMON},
        ),
        (json.dumps(NOVELAI_4), {"prompt": "a cat, girl, blue", "schedule": "Karras", "sampler": "Euler a", **COMMON}),
        (
            json.dumps(INVOKE_2),
            {"prompt": "a cat", "sampler": "Heun", "tiling": True, "checkpoint": "sd-1.5", **COMMON},
        ),
        (json.dumps(INVOKE_5), {"prompt": "a cat <lora:fino:0.6>", "vae": "fp16-fix", "tiling": True}),
        (json.dumps({"sui_image_params": SWARM}), {"prompt": "a cat <lora:fino:0.5>", "vae": "b", **COMMON}),
        (json.dumps(FOOOCUS_LOG), {"prompt": "a cat <lora:fino:0.1>", "vae": "Automatic", **COMMON}),
        (json.dumps(SEAART), {"prompt": "a cat <lora:fino:0.8>", "vae": "mse", **COMMON}),
        (
            "a cat\nNegative prompt: bad\nSteps: 30, Sampler: Heun, Seed: 3, Size: 512x768, CFG scale: 6, VAE: Default "
            '(model), Lora hashes: "fino: 4852686128", Lora weights: "fino: 0.1, b_1.0: 1", Version: Fooocus v2.5.5',
            {"prompt": "a cat\n<lora:fino:0.1><lora:b_1.0:1>", "vae": "Automatic", **COMMON},
        ),
        (
            "a cat\nNegative prompt: bad\nSteps: 30, Seed: 3, Sampler: UniPC, CFG scale: 6, Size-1: 512, Size-2: 768",
            {"prompt": "a cat", **COMMON},
        ),
    ],
)
def test_what_stands_beside_the_prompt_in_other_programs(text: str, expected: dict[str, Any]) -> None:
    found = to_request(parse(text))
    assert {name: found.changes.get(name) for name in expected} == expected
    assert not found.warnings


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NOVELAI_4),
        json.dumps(INVOKE_5),
        "a\nSteps: 20, Sampler: Heun, CFG scale: 6, RescaleCFG Enabled: True, RescaleCFG Scale: 0.2",
    ],
)
def test_what_others_call_cfg_rescale(text: str) -> None:
    assert to_request(parse(text)).changes["tuning"].cfg_rescale == 0.2
