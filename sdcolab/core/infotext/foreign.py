"""Generation data that other programs write as JSON, in A1111's layout: SwarmUI, Fooocus, InvokeAI and ComfyUI.

Every reader takes what its program calls prompt, negative prompt, seed, steps, CFG, size, sampler, model and LoRAs, and
leaves the rest. What is JSON of another kind is no infotext.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping

from sdcolab.core.infotext.comfy import read_graph
from sdcolab.core.infotext.copied import unwrapped
from sdcolab.core.infotext.flags import from_options, without_negatives
from sdcolab.core.infotext.shape import (
    Json,
    built,
    dict_of,
    is_number,
    list_of,
    name_of,
    sampler_name,
    schedule_name,
    size_text,
    text_of,
    vae_name,
)
from sdcolab.core.infotext.text import MIN_FIELDS, Infotext, parse, render

MAX_JSON = 4_000_000
"""Longest text, in characters, that is read as JSON."""

MAX_PYTHON = 20_000
"""The same of what is read as Python's writing of a value."""


def from_json(text: str) -> str | None:
    """The infotext that the JSON in ``text`` means; None when it is no JSON of a program known here."""
    bare = _bare(text)
    if not bare.startswith(("{", "[", '"')) or len(bare) > MAX_JSON:
        return None
    try:
        value = _value_of(bare)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, str) and parse(value).fields:
        return value
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    return _held(value) or next((render(found) for reader in _READERS if (found := reader(value)) is not None), None)


_LABEL = re.compile(r"\A\w[\w ]{0,20}:\s*(?=[{\[]\s*[{\"])")
"""What programs write before the JSON that a picture holds."""


def _bare(text: str) -> str:
    """``text`` without what may stand around JSON: marks of files, a label, and what chats and forums put there."""
    return _LABEL.sub("", unwrapped(text.strip().lstrip("\ufeff").strip()).strip())


_WRAPPERS = ("meta", "metadata", "params", "parameters", "infotext", "infotexts", "data", "item")
"""Keys under which sites' and programs' answers hold an infotext, or an object with parameters."""


def _held(value: Json) -> str | None:
    """The infotext inside an object that holds it whole."""
    for inner in (value.get(key) for key in _WRAPPERS):
        one = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(one, str) and parse(one).fields:
            return one
        if isinstance(one, dict) and one is not value:
            found = next((found for reader in _READERS if (found := reader(one)) is not None), None)
            if found is not None:
                return render(found)
    return None


def _value_of(text: str) -> object:
    """The value that ``text`` writes as JSON, or as Python prints it. Raises ``ValueError``."""
    try:
        return json.loads(text)
    except ValueError:
        if not text.startswith("{'") or len(text) > MAX_PYTHON:
            raise
    try:
        return ast.literal_eval(text)
    except (SyntaxError, MemoryError, TypeError) as error:
        raise ValueError(text[:1]) from error


def parse_any(text: str) -> Infotext:
    """What ``text`` says, in A1111's layout, in another program's JSON or as a command's options; total, as
    ``parse``."""
    options = from_options(text)
    told = _plain(options, "") if options else None
    return told or parse(from_json(text) or text)


def looks_like_json(text: str) -> bool:
    """Whether ``text`` is a JSON object or list, or the beginning of one that was cut, which is nobody's prompt."""
    bare = _bare(text)
    if not bare.startswith(("{", "[")) or len(bare) > MAX_JSON:
        return False
    if _BEGINS_OBJECT.match(bare):
        return True
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return bool(value) and isinstance(value, dict | list)


_BEGINS_OBJECT = re.compile(r"\[?\s{0,40}\{\s{0,40}\"[\w .+/-]{1,80}\"\s{0,9}:\s{0,9}(?:[\"{\[\d-]|true|false|null)")
"""The first key of a JSON object, and the beginning of its value."""


# --- One reader a program -----------------------------------------------------------------------------------------


def _swarm(value: Json) -> Infotext | None:
    data = dict_of(value.get("sui_image_params"))
    if not data:
        return None
    said = {
        "Steps": data.get("steps"),
        "Sampler": sampler_name(data.get("sampler")),
        "Schedule type": schedule_name(data.get("scheduler")),
        "CFG scale": data.get("cfgscale"),
        "Seed": data.get("seed"),
        "Size": size_text(data.get("width"), data.get("height")),
        "Model": name_of(data.get("model")),
        "VAE": vae_name(data.get("vae")),
        "Denoising strength": data.get("initimagecreativity"),
        "Clip skip": _clip_skip(data.get("clipstopatlayer")),
    }
    weights = list_of(data.get("loraweights"))
    names = [name_of(name) for name in list_of(data.get("loras"))]
    loras = zip(names, [*weights, *[1] * len(names)], strict=False)
    return built("SwarmUI", data.get("prompt"), data.get("negativeprompt"), said, loras)


def _fooocus(value: Json) -> Infotext | None:
    if not ("base_model" in value and isinstance(value.get("prompt"), str)):
        return None
    sides = re.findall(r"\d{2,5}", text_of(value.get("resolution")))
    said = {
        "Steps": value.get("steps"),
        "Sampler": sampler_name(value.get("sampler")),
        "Schedule type": schedule_name(value.get("scheduler")),
        "CFG scale": value.get("guidance_scale"),
        "Seed": value.get("seed"),
        "Size": "x".join(sides[:2]) if len(sides) >= 2 else "",
        "Model": name_of(value.get("base_model")),
        "VAE": vae_name(value.get("vae")),
        "Clip skip": value.get("clip_skip"),
    }
    numbered = [text_of(text).split(" : ") for key, text in value.items() if re.fullmatch(r"lora_combined_\d+", key)]
    loras = [*((name_of(pair[0]), pair[-1]) for pair in numbered if len(pair) == 2), *_listed_loras(value)]
    return built("Fooocus", value["prompt"], value.get("negative_prompt"), said, loras)


def _invoke(value: Json) -> Infotext | None:
    if "positive_prompt" not in value:
        return None
    model = value.get("model")
    said = {
        "Steps": value.get("steps"),
        "Sampler": sampler_name(value.get("scheduler")).removesuffix("_k"),
        "Schedule type": "Karras" if text_of(value.get("scheduler")).endswith("_k") else "",
        "CFG scale": value.get("cfg_scale"),
        "Seed": value.get("seed"),
        "Size": size_text(value.get("width"), value.get("height")),
        "Model": name_of(model),
        "Clip skip": (value.get("clip_skip") or 0) + 1 if isinstance(value.get("clip_skip"), int) else "",
        "VAE": vae_name(value.get("vae")),
        "CFG Rescale": value.get("cfg_rescale_multiplier") or "",
        "Tiling": "True" if value.get("seamless_x") and value.get("seamless_y") else "",
        "Denoising strength": value.get("strength"),
    }
    return built("InvokeAI", value.get("positive_prompt"), value.get("negative_prompt"), said, _listed_loras(value))


def _invoke_before_3(value: Json) -> Infotext | None:
    """What InvokeAI wrote until 2.3: the negative prompt stands in brackets inside the prompt."""
    image = dict_of(value.get("image"))
    prompts = image.get("prompt")
    if "steps" not in image or prompts is None:
        return None
    texts = [text_of(dict_of(one).get("prompt")) for one in list_of(prompts)] or [text_of(prompts)]
    prompt, negative = without_negatives(texts[0])
    said = {
        "Steps": image.get("steps"),
        "Sampler": sampler_name(image.get("sampler")),
        "CFG scale": image.get("cfg_scale"),
        "Seed": image.get("seed"),
        "Size": size_text(image.get("width"), image.get("height")),
        "Model": name_of(value.get("model_weights")),
        "Tiling": "True" if image.get("seamless") else "",
        "Denoising strength": image.get("strength") if image.get("type") == "img2img" else None,
    }
    return built("InvokeAI", prompt, negative, said, ())


_NOVELAI_SCHEDULES = {"karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential"}


_NOVELAI_ALONE = frozenset(("n_samples", "noise_schedule", "v4_prompt", "sm", "reference_strength"))


def _novelai_alone(value: Json) -> Infotext | None:
    """NovelAI's comment where nothing else says whose it is."""
    return novelai(value) if "scale" in value and "prompt" in value and _NOVELAI_ALONE & value.keys() else None


def novelai(value: Json, description: str = "") -> Infotext:
    """NovelAI's comment (hechos/a1111.md 7.3); ``description`` is its prompt where it stands apart. The prompts of its
    characters come behind that of the picture."""
    said = {
        "Steps": value.get("steps"),
        "Sampler": value.get("sampler"),
        "CFG scale": value.get("scale"),
        "Seed": value.get("seed"),
        "Schedule type": _NOVELAI_SCHEDULES.get(text_of(value.get("noise_schedule")), ""),
        "Size": size_text(value.get("width"), value.get("height")),
        "CFG Rescale": value.get("cfg_rescale") or "",
        "Clip skip": "" if "v4_prompt" in value else 2,
        "ENSD": "" if "v4_prompt" in value else 31337,
    }
    prompt, negative = (
        ", ".join([text, *_characters(value.get(key))])
        for text, key in (
            (description or text_of(value.get("prompt")), "v4_prompt"),
            (text_of(value.get("uc")), "v4_negative_prompt"),
        )
    )
    fields = tuple((label, text_of(told)) for label, told in said.items() if told not in (None, ""))
    return Infotext(prompt, negative, fields)


def _characters(value: object) -> list[str]:
    captions = list_of(dict_of(dict_of(value).get("caption")).get("char_captions"))
    return [text for one in captions if (text := text_of(dict_of(one).get("char_caption")).strip())]


_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "Steps": ("steps", "num_inference_steps"),
    "Sampler": ("sampler", "sampler_name"),
    "Schedule type": ("schedule_type", "schedule", "scheduler", "noise_schedule"),
    "CFG scale": ("cfg_scale", "cfg", "guidance_scale", "scale"),
    "Seed": ("seed",),
    "Size": ("size",),
    "Model": ("model", "base_model", "sd_model_checkpoint", "sd_model_name", "stable_diffusion_model"),
    "VAE": ("vae", "sd_vae", "vae_model"),
    "Clip skip": ("clip_skip",),
    "Denoising strength": ("denoising_strength",),
}
"""What programs call the same things, in words joined by underscores."""


def _plain(value: Json, program: str = "JSON") -> Infotext | None:
    """An object with a prompt and a few of its parameters, whoever wrote it: A1111's API, civitai's, NovelAI, Draw
    Things."""
    known = {_key(key): said for key, said in value.items()}
    prompt = next((known[key] for key in ("prompt", "positive", "c") if isinstance(known.get(key), str)), None)
    said = {label: next((known[key] for key in keys if key in known), None) for label, keys in _SYNONYMS.items()}
    sides = re.findall(r"\d{2,5}", text_of(known.get("resolution")))
    said["Size"] = said["Size"] or size_text(known.get("width"), known.get("height")) or "x".join(sides[:2])
    said["Sampler"] = sampler_name(said["Sampler"])
    said["Schedule type"] = schedule_name(said["Schedule type"])
    if prompt is None or sum(map(bool, said.values())) < MIN_FIELDS - 1:
        return None
    negative = next((known[key] for key in ("negative_prompt", "negative", "uc") if key in known), "")
    said |= {"Model": name_of(said["Model"]), "VAE": vae_name(said["VAE"])}
    return built(program, prompt, negative, said, _listed_loras(known))


def _key(key: str) -> str:
    """``cfg_scale`` from "cfgScale", "CFG Scale" and "cfg scale"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.replace("LoRA", "Lora")).casefold().replace(" ", "_")


_LORA_LISTS = ("loras", "lora", "lora_models", "lora_list", "additional_networks")
_LORA_NAMES = ("model", "lora", "name", "path", "model_name", "file")
_LORA_WEIGHTS = ("weight", "strength", "scale", "multiplier", "model_weight")


def _listed_loras(value: Json) -> Iterator[tuple[str, object]]:
    """LoRAs that stand beside the prompt: objects or pairs in a list, or Fooocus's ``LoRA 1: name : 0.5``."""
    for one in (entry for key in _LORA_LISTS for entry in list_of(value.get(key))):
        if isinstance(one, dict):
            name = next((name_of(one[key]) for key in _LORA_NAMES if one.get(key)), "")
            weight = next((one[key] for key in _LORA_WEIGHTS if is_number(one.get(key))), 1)
            yield name, weight
        elif isinstance(one, list) and len(one) > 1:
            yield name_of(one[0]), one[1]
    for key, told in value.items():
        if re.fullmatch(r"lora_\d{1,2}", key) and isinstance(told, str):
            name, _, weight = told.rpartition(" : ")
            yield name_of(name or told), weight if name else 1


_READERS: tuple[Callable[[Json], Infotext | None], ...] = (
    *(_swarm, _invoke, _invoke_before_3, _novelai_alone, read_graph, _fooocus, _plain),
)


def _clip_skip(value: object) -> object:
    return abs(value) if isinstance(value, int) else None
