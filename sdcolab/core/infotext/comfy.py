"""What ComfyUI's graphs say of a picture: as its server runs them (nodes by number, in a picture's "prompt") and as its
editor saves them (a list of nodes and a list of links, in "workflow" and in files).

Nothing here knows a node pack by name. A graph is followed from its first sampler over the names of inputs that packs
have in common, so that a node that nobody knows is passed through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from sdcolab.core.infotext.shape import (
    Json,
    built,
    dict_of,
    is_number,
    name_of,
    sampler_name,
    schedule_name,
    size_text,
    text_of,
    vae_name,
)
from sdcolab.core.infotext.text import Infotext
from sdcolab.core.infotext.widgets import from_workflow

MAX_GRAPH = 1000
"""Most nodes of a graph that are looked at."""

MAX_NODES = 400
"""Most nodes that are looked at on the way from one input."""

_ANY_WAY = (
    "pipe",
    "basic_pipe",
    "sdxl_tuple",
    "sdxl_pipe",
    "base_ctx",
    "ctx",
    "context",
    "bus",
    "any",
    "value",
    "input",
)
"""Inputs that pass several things on together, or one of any kind."""

_PARTS = ("sigmas", "sampler", "guider", "noise", "settings", "optional_sampler_settings", *_ANY_WAY)
"""Inputs of a sampler that lead to nodes with its values."""

_MODEL = ("model", "MODEL", "unet", "lora_stack", "optional_lora_stack", "LORA_STACK", "opt_model", *_ANY_WAY)
_LATENT = ("latent_image", "samples", "latent", "LATENT", "pixels", "image", "optional_latent", *_ANY_WAY)
_CLIP = ("clip", "CLIP", *_ANY_WAY)
_CONDITIONING = ("conditioning", "conditioning_to", "conditioning_1", "conditioning1", "cond1", "positive")

_TEXTS = (
    "text",
    "text_positive",
    "prompt",
    "t5xxl",
    "text_g",
    "clip_g",
    "clip_l",
    "text_l",
    "string",
    "value",
    "wildcard_text",
)
_PIECE = re.compile(r"(?:text|string|prompt|str|input|conditioning)_?(?:\d{1,2}|[a-h]|to|from)$", re.IGNORECASE)
_SIDES = re.compile(r"(\d{2,5})\s*[xX×]\s*(\d{2,5})")
_OFF = (False, None, "Off", "off", "None", "", "disabled")

_LORA_NAME = re.compile(r"lora_name(_\d{1,2})?|lora(?:_name)?_(\d{1,2})(?:_name)?|lora")
_WEIGHTS = (
    *("strength_model{}", "lora_wt{}", "model_str{}", "model_weight{}", "strength{}", "lora_strength{}", "weight{}"),
    *("lora{}_strength", "lora{}_model_strength", "lora_model_strength{}", "lora_weight{}"),
)
_SWITCHES = ("switch{}", "lora{}_on", "enabled{}", "toggle{}")

_SCHEDULERS = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "BetaSamplingScheduler": "beta",
    "AlignYourStepsScheduler": "align_your_steps",
    "GITSScheduler": "gits",
    "SDTurboScheduler": "turbo",
}
"""Nodes that are a schedule."""


@dataclass(frozen=True, slots=True)
class _Node:
    key: str
    kind: str
    inputs: Json = field(default_factory=dict)


Graph = Mapping[str, _Node]


def read_graph(value: Json) -> Infotext | None:
    """What a graph says, in either of its forms; None where it has no sampler."""
    held = value.get("prompt")
    nodes = value if any(_is_node(node) for node in value.values()) else dict_of(held) or from_workflow(value)
    graph = {
        key: _Node(key, text_of(node["class_type"]), dict_of(node.get("inputs")))
        for key, node in islice(((key, node) for key, node in nodes.items() if _is_node(node)), MAX_GRAPH)
    }
    sampler = _first_sampler(graph)
    return None if sampler is None else _told(graph, sampler)


def _is_node(value: object) -> bool:
    return isinstance(value, dict) and "class_type" in value


# --- Samplers -----------------------------------------------------------------------------------------------------


def _first_sampler(graph: Graph) -> _Node | None:
    """The sampler that begins: the one whose latents come from no other. Nodes that repair parts of a finished picture
    count only where there is nothing else."""
    found = [node for node in graph.values() if _samples(node)]
    named = [node for node in found if "sampler" in node.kind.casefold()]
    found = named or found
    others = {node.key for node in found}
    for node in found:
        if not {one.key for one in _upstream(graph, node, _LATENT)} & others:
            return node
    return found[0] if found else None


def _second_pass(graph: Graph, first: _Node, model: object) -> dict[str, object]:
    """What the sampler that goes on with the latents of ``first`` does: a refiner, or a pass at a larger size."""
    for node in graph.values():
        behind = list(_upstream(graph, node, _LATENT)) if node.key != first.key and _samples(node) else []
        if first not in behind:
            continue
        between = behind[: behind.index(first)]
        start, steps = (_number(graph, node.inputs.get(key), (key,)) for key in ("start_at_step", "steps"))
        name = name_of(_string(graph, _first(list(_upstream(graph, node, _MODEL)), "ckpt_name"), ("ckpt_name",)))
        if isinstance(start, int) and isinstance(steps, int) and 0 < start < steps and not between:
            return {"Refiner": name, "Refiner switch at": round(start / steps, 3)} if name not in ("", model) else {}
        size = _enlarged(graph, between)
        strength = _number(graph, node.inputs.get("denoise"), ("denoise",))
        return (
            {**size, "Hires steps": steps, "Denoising strength": strength} if size and strength not in (1, None) else {}
        )
    return {}


def _enlarged(graph: Graph, nodes: list[_Node]) -> dict[str, object]:
    """How the nodes between two samplers enlarge; nothing where they do not, or where nobody says how much."""
    loaders = list(_nodes_of(graph, nodes, ("upscale_model",)))
    file = name_of(_string(graph, _first([one for one in loaders if "Upscale" in one.kind], "model_name"), ()))
    method = text_of(_first(nodes, "upscale_method"))
    upscaler = file or {"nearest-exact": "Latent (nearest-exact)", "bicubic": "Latent (bicubic)"}.get(method, "Latent")
    scaling = [node for node in nodes if "cale" in node.kind]
    if size := _size_of(graph, scaling):
        return {"Hires resize": size, "Hires upscaler": upscaler}
    factor = _number(graph, _first(scaling, "scale_by", "upscale_by", "scale"), ("scale_by",))
    return {"Hires upscale": factor, "Hires upscaler": upscaler} if is_number(factor) and not file else {}


def _samples(node: _Node) -> bool:
    inputs = node.inputs
    piped = "sampler" in node.kind.casefold() and any(_is_link(inputs.get(key)) for key in _ANY_WAY)
    return (
        ("steps" in inputs and ("positive" in inputs or "latent_image" in inputs or ("cfg" in inputs and piped)))
        or ("sigmas" in inputs and "latent_image" in inputs)
        or (piped and "presampl" not in node.kind.casefold())
    )


def _told(graph: Graph, sampler: _Node) -> Infotext:
    parts = [sampler, *_upstream(graph, sampler, _PARTS)]
    models = list(_nodes_of(graph, parts, _MODEL))
    latents = list(_nodes_of(graph, parts, _LATENT))
    seed = _number(graph, _first(parts, "seed", "noise_seed"), ("seed", "noise_seed"))
    schedule = _string(graph, _first(parts, "scheduler", "scheduler_name"), ("scheduler",))
    named = next((_SCHEDULERS[node.kind] for node in parts if node.kind in _SCHEDULERS), "")
    method = _string(graph, _first(parts, "sampler_name"), ("sampler_name", "sampler"))
    said: dict[str, object] = {
        "Steps": _number(graph, _first(parts, "steps"), ("steps",)),
        "Sampler": sampler_name(method or _own_sampler(parts)),
        "Schedule type": schedule_name(schedule or named),
        "CFG scale": _number(graph, _first(parts, "cfg", "cfg_scale"), ("cfg",)),
        "Distilled CFG Scale": _guidance(graph, parts),
        "Seed": seed,
        "Size": _size_of(graph, [*latents, *models]),
        "Model": name_of(_string(graph, _first(models, "ckpt_name", "base_ckpt_name", "unet_name", "model_name"), ())),
        "VAE": vae_name(_vae(graph)),
        "Clip skip": _clip_skip(graph, parts, models),
    }
    strength = _number(graph, _first(parts, "denoise"), ("denoise",))
    said["Denoising strength"] = strength if strength != 1 else None
    said |= _second_pass(graph, sampler, said["Model"])
    prompt, negative = (_Texts(graph, want).of(_prompt_link(parts, want)) for want in ("positive", "negative"))
    return built("ComfyUI", prompt, negative, said, _loras(models))


def _own_sampler(parts: list[_Node]) -> str:
    """The sampler that a node is named after: ``SamplerDPMPP_2M_SDE``."""
    kind = next((node.kind for node in parts if re.fullmatch(r"Sampler(?:Euler|DPM|LMS|LCM)\w*", node.kind)), "")
    words = kind.removeprefix("Sampler").replace("EulerAncestral", "euler_ancestral")
    return words.casefold().removesuffix("ed")


def _prompt_link(parts: list[_Node], want: str) -> object:
    if want == "negative":
        return _first(parts, "negative", "neg", "text_negative")
    return _first(parts, "positive", "conditioning", "cond1", "pos", "text_positive")


# --- Following links ----------------------------------------------------------------------------------------------


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def _behind(graph: Graph, link: object) -> _Node | None:
    return graph.get(text_of(link[0])) if isinstance(link, list) and _is_link(link) else None


def _upstream(graph: Graph, node: _Node, ways: tuple[str, ...]) -> Iterator[_Node]:
    """The nodes behind the inputs called ``ways`` of ``node`` and of those nodes in turn, the nearest first."""
    seen, waiting = {node.key}, [node]
    while waiting and len(seen) < MAX_NODES:
        inputs = waiting.pop(0).inputs
        for way in ways:
            found = _behind(graph, inputs.get(way))
            if found is not None and found.key not in seen:
                seen.add(found.key)
                waiting.append(found)
                yield found


def _nodes_of(graph: Graph, starts: list[_Node], ways: tuple[str, ...]) -> Iterator[_Node]:
    seen: set[str] = set()
    for start in starts:
        for node in (start, *_upstream(graph, start, ways)):
            if node.key not in seen:
                seen.add(node.key)
                yield node


def _first(nodes: list[_Node], *keys: str) -> object:
    return next((node.inputs[key] for node in nodes for key in keys if node.inputs.get(key) is not None), None)


def _number(graph: Graph, value: object, names: tuple[str, ...]) -> object:
    """A number, or the one of the node that it comes from."""
    seen: set[str] = set()
    while (node := _behind(graph, value)) is not None and node.key not in seen:
        seen.add(node.key)
        inputs = node.inputs
        told = next((inputs[key] for key in (*names, "value", "int", "float", "number") if key in inputs), None)
        value = (
            told
            if told is not None
            else next((one for one in inputs.values() if is_number(one) or _is_link(one)), None)
        )
    return value if is_number(value) else None


def _string(graph: Graph, value: object, names: tuple[str, ...]) -> str:
    """A text, or the one of the node that it comes from."""
    seen: set[str] = set()
    while (node := _behind(graph, value)) is not None and node.key not in seen:
        seen.add(node.key)
        inputs = node.inputs
        told = next((inputs[key] for key in (*names, *_TEXTS) if key in inputs), None)
        value = told if told is not None else next((one for one in inputs.values() if isinstance(one, str)), None)
    return value if isinstance(value, str) else ""


# --- Prompts ------------------------------------------------------------------------------------------------------


MAX_HOPS = 40
"""Longest way through the links to a text."""

MAX_TEXT = 100_000
"""Most characters of a prompt: nodes that join others' texts can double them at every step."""


class _Texts:
    """What conditionings and strings say of the prompt ``want``, through the nodes that only pass it on or join
    several. Each node is asked once, however many links lead to it."""

    def __init__(self, graph: Graph, want: str) -> None:
        self._graph = graph
        self._want = want
        self._known: dict[str, str] = {}

    def of(self, value: object, depth: int = 0) -> str:
        """The text of an input that holds ``value``, a text or a link."""
        if isinstance(value, str):
            return value.strip()
        node = _behind(self._graph, value)
        if node is None or depth > MAX_HOPS:
            return ""
        if node.key not in self._known:
            self._known[node.key] = ""  # for those that lead back to themselves
            self._known[node.key] = self._told(node, depth + 1)[:MAX_TEXT]
        return self._known[node.key]

    def _told(self, node: _Node, depth: int) -> str:
        if "zeroout" in node.kind.casefold():  # what stands for no text at all
            return ""
        inputs = node.inputs
        pieces = [key for key in inputs if _PIECE.fullmatch(key)]
        if len(pieces) > 1:
            texts = (self.of(inputs[key], depth) for key in sorted(pieces, key=_as_numbered))
            return _joined((text for text in texts if text), _joiner(node))
        if self._want in inputs:
            return self.of(inputs[self._want], depth)
        if isinstance(inputs.get("populated_text"), str):  # what a wildcard came to
            return self.of(inputs["populated_text"], depth)
        found = _once(self.of(inputs[key], depth) for key in _TEXTS if key in inputs)
        if found:
            return _joined(iter(found), ", ")
        others = (key for key in (*pieces, *_CONDITIONING, *_ANY_WAY) if key in inputs)
        return next((text for key in others if (text := self.of(inputs[key], depth))), "")


def _joined(texts: Iterator[str], between: str) -> str:
    """``texts`` in one, up to where it is longer than any prompt."""
    whole = next(texts, "")
    for text in texts:
        if len(whole) > MAX_TEXT:
            break
        whole += between + text
    return whole


def _once(texts: Iterator[str]) -> list[str]:
    """``texts`` without those that another one holds: SDXL and Flux have a prompt for each of their text encoders."""
    own = list(dict.fromkeys(text for text in texts if text))
    return [text for text in own if not any(text != other and text in other for other in own)]


def _as_numbered(key: str) -> tuple[int, str]:
    number = re.search(r"\d+$", key)
    return int(number[0]) if number else 0, {"to": "a", "from": "b"}.get(key.rpartition("_")[2], key)


def _joiner(node: _Node) -> str:
    """What stands between texts that a node joins."""
    told = next((node.inputs[key] for key in ("delimiter", "separator", "seperator") if key in node.inputs), None)
    if isinstance(told, str):
        return told.replace("\\n", "\n")
    kind = node.kind.casefold()
    return " BREAK " if "conditioning" in kind and "concat" in kind else " AND " if "conditioning" in kind else ", "


def _guidance(graph: Graph, parts: list[_Node]) -> object:
    """What Flux is told of its guidance on the way to a conditioning, under Forge's name."""
    start = _behind(graph, _prompt_link(parts, "positive"))
    nodes = [start, *_upstream(graph, start, ("conditioning", "positive"))] if start else []
    return _number(graph, _first(nodes, "guidance"), ("guidance",))


# --- Models, sizes ------------------------------------------------------------------------------------------------


def _loras(nodes: list[_Node]) -> Iterator[tuple[str, object]]:
    """LoRAs with their weights, in the ways that packs name them: one a node, numbered, or an object each."""
    for node in nodes:
        for key, value in node.inputs.items():
            if isinstance(value, dict):
                yield from _lora_of_object(value)
            elif isinstance(value, list) and not _is_link(value):
                for one in value:
                    yield from _lora_of_object(dict_of(one))
            elif isinstance(value, str) and (named := _LORA_NAME.fullmatch(key)):
                yield from _lora_at(node, f"_{named[1] or named[2] or ''}".replace("__", "_").rstrip("_"), value)


def _lora_of_object(value: Json) -> Iterator[tuple[str, object]]:
    inner = value.get("__value__")
    if isinstance(inner, list):
        for one in inner:
            yield from _lora_of_object(dict_of(one))
        return
    name = value.get("lora") or (value.get("name") if "strength" in value else None)
    if isinstance(name, str) and value.get("on", value.get("active", True)) not in _OFF:
        yield _lora_name(name), value.get("strength", 1)


def _lora_at(node: _Node, number: str, name: str) -> Iterator[tuple[str, object]]:
    inputs = node.inputs
    count = inputs.get("lora_count", inputs.get("num_loras"))
    beyond = is_number(count) and number and int(number[1:]) > count
    off = any(inputs.get(switch.format(number), True) in _OFF for switch in _SWITCHES)
    weights = (inputs.get(weight.format(number)) for weight in _WEIGHTS)
    if not beyond and not off and inputs.get("toggle", True) not in _OFF:
        yield _lora_name(name), next((weight for weight in weights if is_number(weight)), 1)


def _lora_name(name: str) -> str:
    return "" if name in _OFF else name_of(name)


def _size_of(graph: Graph, nodes: list[_Node]) -> str:
    for node in nodes:
        for prefix in ("", "empty_latent_"):
            sides = [node.inputs.get(f"{prefix}{side}") for side in ("width", "height")]
            if None not in sides:
                found = [_number(graph, side, (name,)) for side, name in zip(sides, ("width", "height"), strict=True)]
                if size := size_text(*found):
                    return size
        told = next((node.inputs.get(key) for key in ("dimensions", "resolution", "aspect_ratio", "size")), None)
        if isinstance(told, str) and (match := _SIDES.search(told)):
            return f"{match[1]}x{match[2]}"
    return ""


def _vae(graph: Graph) -> str:
    decoders = [node for node in graph.values() if "vae" in node.inputs]
    nodes = list(_nodes_of(graph, decoders, ("vae", *_ANY_WAY)))
    return _string(graph, _first([*nodes, *graph.values()], "vae_name"), ("vae_name",))


def _clip_skip(graph: Graph, parts: list[_Node], models: list[_Node]) -> object:
    start = _behind(graph, _prompt_link(parts, "positive"))
    nodes = list(_nodes_of(graph, [start] if start else [], (*_CONDITIONING, *_CLIP)))
    told = _first([*nodes, *models], "stop_at_clip_layer", "clip_skip")
    return abs(told) if isinstance(told, int) else None
