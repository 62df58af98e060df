"""ComfyUI's graphs as its editor saves them, made into the form that its server runs.

The editor's file has lists of nodes and links. Values stand in a list without names; newer editors name each as an
input with a "widget", and for older files the names of the common nodes stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdcolab.core.infotext.shape import Json, dict_of, is_number, list_of, text_of

_NAMES: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "KSampler (Efficient)": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
}
_AFTER_SEED = frozenset(("fixed", "increment", "decrement", "randomize", "increment-wrap"))
"""What the editor keeps behind a seed and its server never sees."""

_MUTED, _BYPASSED = 2, 4
_PASSING = ("Reroute", "GetNode", "SetNode")
_MAX_HOPS = 40


def from_workflow(value: Json) -> dict[str, Json]:
    """The nodes of an editor's file by number, as ``{"class_type": ..., "inputs": ...}``."""
    nodes = {text_of(node.get("id")): node for node in list_of(value.get("nodes")) if isinstance(node, dict)}
    links = dict(_link(one) for one in list_of(value.get("links")) if _link(one)[0])
    setters = {text_of(_first_value(node)): node for node in nodes.values() if node.get("type") == "SetNode"}
    return {
        key: {"class_type": text_of(node.get("type")), "inputs": _inputs(node, nodes, links, setters)}
        for key, node in nodes.items()
        if node.get("mode") not in (_MUTED, _BYPASSED) and node.get("type") not in _PASSING
    }


def _link(one: object) -> tuple[str, list[Any]]:
    """A link's number, and the node and the output that it comes from; its number is "" where it is none."""
    if isinstance(one, dict):
        return text_of(one.get("id")), [text_of(one.get("origin_id")), one.get("origin_slot")]
    parts = list_of(one)
    return (text_of(parts[0]), [text_of(parts[1]), parts[2]]) if len(parts) > 3 else ("", [])


def _first_value(node: Json) -> object:
    return next(iter(list_of(node.get("widgets_values"))), None)


def _inputs(node: Json, nodes: Mapping[str, Json], links: Mapping[str, list[Any]], setters: Json) -> Json:
    found = _values(node)
    for slot in list_of(node.get("inputs")):
        origin = links.get(text_of(dict_of(slot).get("link")))
        if origin and (source := _source(origin, nodes, links, setters)):
            found[text_of(slot.get("name"))] = source
    return found


def _source(origin: list[Any], nodes: Mapping[str, Json], links: Mapping[str, list[Any]], setters: Json) -> list[Any]:
    """Where a link comes from, behind what only passes it on; nothing where it comes from nowhere."""
    for _ in range(_MAX_HOPS):
        node = nodes.get(origin[0])
        if node is None:
            return []
        if node.get("type") == "GetNode":
            node = dict_of(setters.get(text_of(_first_value(node))))
        elif node.get("mode") != _BYPASSED and node.get("type") not in _PASSING:
            return origin
        behind = links.get(text_of(_passed_on(node, origin[1])))
        if behind is None:
            return []
        origin = behind
    return []


def _passed_on(node: Json, slot: object) -> object:
    """The link that a node hands on at its output ``slot``: the input of the same type, or its first."""
    inputs = [one for one in list_of(node.get("inputs")) if dict_of(one).get("link") is not None]
    outputs = list_of(node.get("outputs"))
    kind = dict_of(outputs[slot]).get("type") if isinstance(slot, int) and 0 <= slot < len(outputs) else None
    same = [one for one in inputs if one.get("type") == kind]
    return next((one["link"] for one in (*same, *(() if node.get("mode") == _BYPASSED else inputs))), None)


def _values(node: Json) -> dict[str, Any]:
    """A node's own values by name."""
    told = node.get("widgets_values")
    if isinstance(told, dict):
        return dict(told)
    values = [
        one for place, one in enumerate(list_of(told)) if not (place and isinstance(one, str) and one in _AFTER_SEED)
    ]
    named = [
        text_of(dict_of(one["widget"]).get("name")) for one in list_of(node.get("inputs")) if dict_of(one).get("widget")
    ]
    kind = text_of(node.get("type"))
    names = _NAMES.get(kind) or (named if len(named) == len(values) else ())
    found = dict(zip(names, values, strict=False))
    return found or _guessed(values)


def _guessed(values: list[Any]) -> dict[str, Any]:
    """Names for the values of a node that nobody knows: a text, numbers, and objects, such as LoRAs."""
    texts = [one for one in values if isinstance(one, str)]
    numbers = [one for one in values if is_number(one)]
    found: dict[str, Any] = {f"object_{place}": one for place, one in enumerate(values) if isinstance(one, dict)}
    if texts:
        found["text"] = max(texts, key=len)
    return {**found, "value": numbers[0]} if numbers and not texts else found
