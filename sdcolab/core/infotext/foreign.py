"""Generation data that other programs write as JSON, in A1111's layout: SwarmUI, Fooocus, InvokeAI and ComfyUI.

Every reader takes what its program calls prompt, negative prompt, seed, steps, CFG, size, sampler, model and LoRAs, and
leaves the rest. What is JSON of another kind is no infotext.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sdcolab.core.infotext.flags import from_options
from sdcolab.core.infotext.text import MIN_FIELDS, Infotext, parse, render

MAX_JSON = 4_000_000
"""Longest text, in characters, that is read as JSON."""

MAX_PYTHON = 20_000
"""The same of what is read as Python's writing of a value."""

MAX_HOPS = 40
"""Longest way through the links of a ComfyUI workflow."""

Json = Mapping[str, Any]

_COMFY_SCHEDULES = {"sgm_uniform": "SGM Uniform", "ddim_uniform": "DDIM", "kl_optimal": "KL Optimal"}


def from_json(text: str) -> str | None:
    """The infotext that the JSON in ``text`` means; None when it is no JSON of a program known here."""
    stripped = text.strip()
    if not stripped.startswith(("{", '"')) or len(stripped) > MAX_JSON:
        return None
    try:
        value = _value_of(stripped)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, str) and parse(value).fields:
        return value
    if not isinstance(value, dict):
        return None
    return _held(value) or next((render(found) for reader in _READERS if (found := reader(value)) is not None), None)


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
    """Whether ``text`` is a JSON object or list, which is nobody's prompt."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")) or len(stripped) > MAX_JSON:
        return False
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return False
    return bool(value) and isinstance(value, dict | list)


def _built(program: str, prompt: object, negative: object, said: Json, loras: Iterable[tuple[str, object]]) -> Infotext:
    """``said`` by label; what is None or empty is left out. ``loras`` are names with weights."""
    known = {**said, "Version": program}
    fields = tuple((label, _text(value)) for label, value in known.items() if value not in (None, "", [], {}))
    tags = "".join(f" <lora:{name}:{_text(weight)}>" for name, weight in loras if name)
    return Infotext(f"{_text(prompt)}{tags}".strip(), _text(negative), fields)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else "" if value is None else str(value)


def _size(width: object, height: object) -> str:
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else ""


def _name(value: object) -> str:
    """The name of a model's file, without its folder and ending."""
    text = _text(value.get("name") or value.get("model_name") if isinstance(value, dict) else value)
    return re.sub(r"\.(?:safetensors|ckpt|pth?|bin|gguf)$", "", re.split(r"[\\/]", text)[-1], flags=re.IGNORECASE)


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# --- One reader a program -----------------------------------------------------------------------------------------


def _swarm(value: Json) -> Infotext | None:
    data = _dict(value.get("sui_image_params"))
    if not data:
        return None
    said = {
        "Steps": data.get("steps"),
        "Sampler": _comfy_sampler(data.get("sampler"), ""),
        "Schedule type": _comfy_schedule(data.get("scheduler")),
        "CFG scale": data.get("cfgscale"),
        "Seed": data.get("seed"),
        "Size": _size(data.get("width"), data.get("height")),
        "Model": _name(data.get("model")),
        "Denoising strength": data.get("initimagecreativity"),
        "Clip skip": _clip_skip(data.get("clipstopatlayer")),
    }
    weights = _list(data.get("loraweights"))
    names = [_name(name) for name in _list(data.get("loras"))]
    loras = zip(names, [*weights, *[1] * len(names)], strict=False)
    return _built("SwarmUI", data.get("prompt"), data.get("negativeprompt"), said, loras)


def _fooocus(value: Json) -> Infotext | None:
    if not ("base_model" in value and isinstance(value.get("prompt"), str)):
        return None
    sides = re.findall(r"\d{2,5}", _text(value.get("resolution")))
    said = {
        "Steps": value.get("steps"),
        "Sampler": _comfy_sampler(value.get("sampler"), ""),
        "Schedule type": _comfy_schedule(value.get("scheduler")),
        "CFG scale": value.get("guidance_scale"),
        "Seed": value.get("seed"),
        "Size": "x".join(sides[:2]) if len(sides) >= 2 else "",
        "Model": _name(value.get("base_model")),
        "Clip skip": value.get("clip_skip"),
    }
    numbered = [_text(text).split(" : ") for key, text in value.items() if re.fullmatch(r"lora_combined_\d+", key)]
    listed = [entry[:2] for entry in _list(value.get("loras")) if isinstance(entry, list) and len(entry) >= 2]
    loras = ((_name(pair[0]), pair[-1]) for pair in [*numbered, *listed] if len(pair) == 2)
    return _built("Fooocus", value["prompt"], value.get("negative_prompt"), said, loras)


def _invoke(value: Json) -> Infotext | None:
    if "positive_prompt" not in value:
        return None
    model = value.get("model")
    said = {
        "Steps": value.get("steps"),
        "Sampler": _comfy_sampler(value.get("scheduler"), "").removesuffix("_k"),
        "Schedule type": "Karras" if _text(value.get("scheduler")).endswith("_k") else "",
        "CFG scale": value.get("cfg_scale"),
        "Seed": value.get("seed"),
        "Size": _size(value.get("width"), value.get("height")),
        "Model": _name(model),
        "Clip skip": (value.get("clip_skip") or 0) + 1 if isinstance(value.get("clip_skip"), int) else "",
        "Denoising strength": value.get("strength"),
    }
    loras = (
        (_name(entry.get("model", entry.get("lora"))), entry.get("weight", 1))
        for entry in _list(value.get("loras"))
        if isinstance(entry, dict)
    )
    return _built("InvokeAI", value.get("positive_prompt"), value.get("negative_prompt"), said, loras)


_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "Steps": ("steps", "num_inference_steps"),
    "Sampler": ("sampler", "sampler_name"),
    "Schedule type": ("schedule_type", "schedule", "scheduler"),
    "CFG scale": ("cfg_scale", "cfg", "guidance_scale", "scale"),
    "Seed": ("seed",),
    "Size": ("size",),
    "Model": ("model", "base_model", "sd_model_checkpoint", "sd_model_name", "stable_diffusion_model"),
    "Clip skip": ("clip_skip",),
    "Denoising strength": ("denoising_strength",),
}
"""What programs call the same things, in words joined by underscores."""


def _plain(value: Json, program: str = "JSON") -> Infotext | None:
    """An object with a prompt and a few of its parameters, whoever wrote it: A1111's API, civitai's, NovelAI, Draw
    Things."""
    known = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).casefold().replace(" ", "_"): said for key, said in value.items()}
    prompt = next((known[key] for key in ("prompt", "positive", "c") if isinstance(known.get(key), str)), None)
    said = {label: next((known[key] for key in keys if key in known), None) for label, keys in _SYNONYMS.items()}
    sides = re.findall(r"\d{2,5}", _text(known.get("resolution")))
    said["Size"] = said["Size"] or _size(known.get("width"), known.get("height")) or "x".join(sides[:2])
    said["Sampler"] = _comfy_sampler(said["Sampler"], "")
    said["Schedule type"] = _comfy_schedule(said["Schedule type"])
    if prompt is None or sum(map(bool, said.values())) < MIN_FIELDS - 1:
        return None
    negative = next((known[key] for key in ("negative_prompt", "negative", "uc") if key in known), "")
    return _built(program, prompt, negative, {**said, "Model": _name(said["Model"])}, ())


def _comfy(value: Json) -> Infotext | None:
    """A ComfyUI prompt: nodes by number. What its first sampler says, and what hangs on its inputs."""
    nodes = {key: node for key, node in value.items() if isinstance(node, dict) and "class_type" in node}
    sampler = next((node for node in nodes.values() if "Sampler" in _text(node["class_type"]) and _samples(node)), None)
    if sampler is None:
        return None
    own = _taken_together(nodes, _dict(sampler.get("inputs")))
    upstream = list(_upstream(nodes, own.get("model")))
    latent = next((_dict(node.get("inputs")) for node in _upstream(nodes, own.get("latent_image"))), {})
    name, schedule = own.get("sampler_name"), own.get("scheduler")
    said = {
        "Steps": _number(nodes, own.get("steps")),
        "Sampler": _comfy_sampler(name, ""),
        "Schedule type": _comfy_schedule(schedule),
        "CFG scale": _number(nodes, own.get("cfg")),
        "Distilled CFG Scale": _guidance(nodes, own.get("positive")),
        "Seed": _number(nodes, own.get("seed", own.get("noise_seed"))),
        "Size": _size(latent.get("width"), latent.get("height")),
        "Model": _name(_first(upstream, "ckpt_name") or _first(upstream, "unet_name")),
    }
    if own.get("denoise") not in (None, 1, 1.0):
        said["Denoising strength"] = own.get("denoise")
    loras = (
        (_name(inputs["lora_name"]), inputs.get("strength_model", 1))
        for node in upstream
        if "lora_name" in (inputs := _dict(node.get("inputs")))
    )
    return _built("ComfyUI", _words(nodes, own.get("positive")), _words(nodes, own.get("negative")), said, loras)


def _comfy_workflow(value: Json) -> Infotext | None:
    """A ComfyUI workflow as its editor saves it: no order of inputs is told, so only what texts and samplers say."""
    nodes = [node for node in _list(value.get("nodes")) if isinstance(node, dict)]
    sampler = next((node for node in nodes if _text(node.get("type")).startswith("KSampler")), None)
    if sampler is None:
        return None
    values = [one for one in _list(sampler.get("widgets_values")) if one not in ("randomize", "fixed", "increment")]
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    words = [one for one in values if isinstance(one, str)]
    texts = [
        _text(_list(node.get("widgets_values"))[0])
        for node in nodes
        if node.get("type") == "CLIPTextEncode" and _list(node.get("widgets_values"))
    ]
    said: dict[str, object] = dict(zip(("Seed", "Steps", "CFG scale"), numbers, strict=False))
    said |= {"Sampler": _comfy_sampler(words[0] if words else "", "")}
    said |= {"Schedule type": _comfy_schedule(words[1] if len(words) > 1 else "")}
    return _built("ComfyUI", texts[0] if texts else "", texts[1] if len(texts) > 1 else "", said, ())


_READERS: tuple[Callable[[Json], Infotext | None], ...] = (_swarm, _invoke, _comfy, _comfy_workflow, _fooocus, _plain)


# --- ComfyUI's nodes ----------------------------------------------------------------------------------------------


def _samples(node: Json) -> bool:
    inputs = _dict(node.get("inputs"))
    return ("steps" in inputs and "positive" in inputs) or "sigmas" in inputs


_PARTS = {"sigmas": "sigmas", "sampler": "", "guider": "", "noise": ""}
"""Inputs of ComfyUI's custom samplers that lead to nodes with a sampler's values, and through which input those pass
one another on."""


def _taken_together(nodes: Json, own: Json) -> dict[str, Any]:
    """The inputs of a sampler, also where they are divided among several nodes (SamplerCustom, SamplerCustomAdvanced:
    Flux and what came after it)."""
    found: dict[str, Any] = dict(own)
    for part, passed in _PARTS.items():
        for node in _linked(nodes, own.get(part), passed):
            found = {**_dict(node.get("inputs")), **found}
    positive = next((found[key] for key in ("positive", "conditioning", "cond1") if key in found), None)
    return {**found, "positive": positive} if positive is not None else found


def _linked(nodes: Json, link: object, through: str) -> Iterator[Json]:
    """The node that ``link`` leads to, and those behind its input ``through``."""
    for _ in range(MAX_HOPS):
        node = _dict(nodes.get(_text(link[0]))) if isinstance(link, list) and link else {}
        if not node:
            return
        yield node
        link = _dict(node.get("inputs")).get(through)


def _guidance(nodes: Json, link: object) -> object:
    """What Flux is told of its guidance on the way to a conditioning, under Forge's name."""
    behind = _linked(nodes, link, "conditioning")
    return next((told for node in behind if (told := _dict(node.get("inputs")).get("guidance")) is not None), None)


def _upstream(nodes: Json, link: object) -> Iterator[Json]:
    """The nodes that a link leads to, the nearest first, going on through their models, clips and latents."""
    for _ in range(MAX_HOPS):
        node = _dict(nodes.get(_text(link[0]))) if isinstance(link, list) and link else {}
        if not node:
            return
        yield node
        inputs = _dict(node.get("inputs"))
        link = next((inputs[key] for key in ("model", "clip", "samples", "latent") if key in inputs), None)


def _words(nodes: Json, link: object) -> str:
    """The text of a conditioning, through the nodes that only pass it on."""
    for _ in range(MAX_HOPS):
        node = _dict(nodes.get(_text(link[0]))) if isinstance(link, list) and link else {}
        inputs = _dict(node.get("inputs"))
        for key in ("text", "text_g", "t5xxl", "prompt", "string", "value"):
            if isinstance(inputs.get(key), str):
                return str(inputs[key])
        link = next(
            (inputs[key] for key in ("text", "conditioning", "conditioning_1", "positive") if key in inputs), None
        )
    return ""


def _number(nodes: Json, value: object) -> object:
    """A number, or the one of the node that it comes from."""
    for node in _upstream(nodes, value):
        return next((one for one in _dict(node.get("inputs")).values() if isinstance(one, int | float)), None)
    return value


def _first(nodes: list[Json], key: str) -> object:
    return next((inputs[key] for node in nodes if key in (inputs := _dict(node.get("inputs")))), None)


def _comfy_sampler(name: object, otherwise: str) -> str:
    return _text(name).removesuffix("_gpu") or otherwise


def _comfy_schedule(name: object) -> str:
    text = _text(name)
    if text != text.casefold():
        return text  # as people read it
    return _COMFY_SCHEDULES.get(text, text.replace("_", " ").title() if text != "normal" else "")


def _clip_skip(value: object) -> object:
    return abs(value) if isinstance(value, int) else None
