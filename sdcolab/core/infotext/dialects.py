"""What old versions and other programs wrote, in today's words (hechos/a1111.md 3.1, 7.4, 13 and 14)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sdcolab.core.infotext.shape import name_of
from sdcolab.core.infotext.text import Infotext
from sdcolab.core.names import canonical_sampler
from sdcolab.core.request import AUTOMATIC, SAME
from sdcolab.core.samplers import FORGE_LCM

UNIFORM = "Uniform"
"""The schedule of samplers whose name said nothing else, before A1111 1.9."""

OLD_KARRAS = "use_old_karras_scheduler_sigmas"
"""A1111's setting, which has no label."""

Version = tuple[int, int, int, int]
"""Release and number of commits after it."""

_A1111 = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?")
_FORGE = re.compile(r"f[\d.]+v(\d+)\.(\d+)\.(\d+)")
"""Forge's versions carry A1111's: ``f2.0.1v1.10.1-previous``. It never needed A1111's compatibility rules."""

_WITHOUT_VERSION: Version = (1, 1, 0, 0)
"""A1111 writes its version since 1.2.0."""

_SIZE = re.compile(r"(-?\d{1,9})\s*[xX×*]\s*(-?\d{1,9})")
_MASK_LABELS = ("Mask blur", "Mask mode", "Masked content", "Inpaint area")
_OLD_HASH = re.compile(r"[0-9a-fA-F]{8}")
_ADDED_HASH = re.compile(r"\([0-9a-fA-F]{8,64}\)$")

_COMFY_DDIM = "DDIM Uniform"
"""ComfyUI's name of the schedule that A1111 calls DDIM."""

CIVITAI_VERSION = "civitai:"
"""What stands before the number of a model's version on civitai, in the place of a hash."""

_OTHER_SUFFIXES: Mapping[str, str] = {_COMFY_DDIM: "DDIM", "AYS": "Align Your Steps", "Trailing": "SGM Uniform"}
"""What stands behind the sampler in ComfyUI's names, and in those of Draw Things."""

_NO_SAMPLER = frozenset({"undefined", "none", "null", "unknown", "default", "automatic"})
"""What sites write where nobody said which."""

_UNIPC_BH2 = re.compile(r"uni_?pc_bh2", re.IGNORECASE)
"""ComfyUI's name of UniPC with its other B(h)."""

_GPU = re.compile(r"_gpu(?=$|[ _])", re.IGNORECASE)
"""ComfyUI's mark of samplers whose noise comes from the card."""

_NOT_IN_TAGS = re.compile(r"[<>:=,]")

Fields = dict[str, str]
J = TypeVar("J", list[Any], dict[str, Any])


def modernised(infotext: Infotext, schedules: Iterable[str]) -> Infotext:
    """The same settings under today's labels and with what their writer took for granted. ``schedules`` are the known
    names, to split "DPM++ 2M Karras". A text without fields stays as it is.
    """
    if not infotext.fields:
        return infotext
    fields = dict(infotext.fields)
    infotext = _draw_things(infotext)
    tags = "".join((*_old_network_tags(fields), *_civitai_resources(fields, infotext.prompt)))
    prompt = f"{infotext.prompt}\n{tags}".strip("\n") if tags else infotext.prompt
    old = _compatibility(infotext)
    _rename(fields)
    _name_sampler(fields, tuple(schedules))
    if "First pass size" in fields:
        fields |= _old_hires(fields)
        if fields.get("Schedule type") == "Karras":
            old[OLD_KARRAS] = "True"
    return replace(infotext, prompt=prompt, fields=tuple((old | fields).items()))


def _draw_things(infotext: Infotext) -> Infotext:
    """Draw Things puts a dash before its negative prompt, in a line of its own."""
    lines = infotext.prompt.split("\n")
    at = next((index for index, line in enumerate(lines) if index and line.startswith("-")), None)
    if infotext.negative_prompt or at is None or infotext.get("Seed Mode") is None:
        return infotext
    return replace(infotext, prompt="\n".join(lines[:at]), negative_prompt="\n".join(lines[at:])[1:].strip())


def size_of(text: str) -> tuple[int, int] | None:
    """(512, 768) from "512x768"."""
    match = _SIZE.fullmatch(text)
    return (max(0, int(match[1])), max(0, int(match[2]))) if match else None  # -1x-1: none


# --- Versions -----------------------------------------------------------------------------------------------------


def _compatibility(infotext: Infotext) -> Fields:
    """Settings that bring back what A1111 did when it made the picture. Without a version, only a text that is surely
    old gets them."""
    version = _a1111_version(infotext)
    if version is None:
        return {}
    texts = infotext.prompt + infotext.negative_prompt
    rules = {
        "Old prompt editing timelines": version < (1, 6, 0, 0) and "[" in texts,
        "Pad conds v0": version < (1, 6, 0, 0) and infotext.get("Sampler") in ("DDIM", "PLMS"),
        "Downcast alphas_cumprod": version < (1, 7, 0, 225),
        "Refiner switch by sampling steps": version < (1, 8, 0, 0) and bool(infotext.get("Refiner")),
        "Classic inpainting": any(infotext.get(label) for label in _MASK_LABELS),
    }
    return {label: "True" for label, applies in rules.items() if applies}


def _a1111_version(infotext: Infotext) -> Version | None:
    """The version of A1111 that wrote the text; None when it was another program, or nobody knows."""
    text = infotext.get("Version")
    if text is None:
        surely_old = infotext.get("First pass size") or _OLD_HASH.fullmatch(infotext.get("Model hash") or "")
        return _WITHOUT_VERSION if surely_old else None
    match = _A1111.match(text)
    return (int(match[1]), int(match[2]), int(match[3]), int(match[4] or 0)) if match else None


def _writes_schedule(version: str | None) -> bool:
    """Whether the program that calls itself ``version`` writes "Schedule type". Those without a version did not."""
    if version is None:
        return False
    match = _A1111.match(version) or _FORGE.match(version)
    return match is None or (int(match[1]), int(match[2])) >= (1, 9)


# --- Names --------------------------------------------------------------------------------------------------------


def _rename(fields: Fields) -> None:
    """Other programs' labels, where the value means the same."""
    for label, today in _TODAY.items():
        if label in fields:
            value = fields.pop(label)
            fields.setdefault(today, value)
    for label in [label for label in fields if _plain_name(label) in _SYNONYMS]:
        value = fields.pop(label)
        fields.setdefault(_SYNONYMS[_plain_name(label)], value)
    if fields.pop("RescaleCFG Enabled", "") == "True" and (scale := fields.pop("RescaleCFG Scale", "")):
        fields.setdefault("CFG Rescale", scale)
    if _OWN_VAE.fullmatch(fields.get("VAE", "")):
        del fields["VAE"]
    sides = [fields.get(label, "").strip() for label in ("Width", "Height")]
    if all(re.fullmatch(r"\d{1,5}", side) for side in sides):
        fields.setdefault("Size", "x".join(sides))
        del fields["Width"], fields["Height"]
    if _BELOW_ZERO.fullmatch(fields.get("Clip skip", "")):
        fields["Clip skip"] = fields["Clip skip"].strip()[1:]


_OWN_VAE = re.compile(r"(?:default|baked)\b.*", re.IGNORECASE)
"""What Fooocus and ComfyUI's savers say where the VAE is the model's."""

_BELOW_ZERO = re.compile(r"\s*-\d{1,2}\s*")
"""ComfyUI counts the layers of CLIP from behind."""


def _plain_name(label: str) -> str:
    return label.casefold().replace("_", " ")


_SYNONYMS: Mapping[str, str] = {
    "cfg scale": "CFG scale",
    "cfg": "CFG scale",
    "schedule": "Schedule type",
    "scheduler": "Schedule type",
    "sampler name": "Sampler",
    "width": "Width",
    "height": "Height",
    "size-1": "Width",
    "size-2": "Height",
    "sampling steps": "Steps",
    "sampling method": "Sampler",
    "guidance scale": "CFG scale",
    "image size": "Size",
    "stable diffusion model": "Model",
}
"""What sites and other programs call the same things."""

_TODAY: Mapping[str, str] = {
    "CFG Rescale φ": "CFG Rescale",
    "CFG Rescale phi": "CFG Rescale",
    "CFG rescale": "CFG Rescale",
    "Beta scheduler alpha": "Beta schedule alpha",
    "Beta scheduler beta": "Beta schedule beta",
    "Module 1": "VAE",
}
"""A1111's own name of a setting (it writes both), and Forge's for the VAE."""


def _name_sampler(fields: Fields, schedules: tuple[str, ...]) -> None:
    """Sampler and schedule. Before A1111 1.9 the sampler's name held the schedule, and one that held none was uniform;
    every later version writes the schedule."""
    labels = {label.casefold(): label for label in fields}
    version = fields.get(labels.get("version", ""))
    modern, forge = _writes_schedule(version), _FORGE.match(version or "") is not None
    for sampler_label, schedule_label, unsaid in (
        ("Sampler", "Schedule type", AUTOMATIC),
        ("Hires sampler", "Hires schedule type", SAME),
    ):
        label = labels.get(sampler_label.casefold(), "")
        written = fields.get(label)
        if not written or written.casefold() == "use same sampler":
            continue
        if written.casefold() in _NO_SAMPLER:
            del fields[label]
            continue
        if _UNIPC_BH2.search(written):
            fields.setdefault("UniPC variant", "bh2")
        _name_schedule(fields, labels.get(schedule_label.casefold(), ""), schedules)
        name, suffix = _split_sampler(_GPU.sub("", written), schedules)
        sampler = canonical_sampler(name)
        fields[label] = sampler = FORGE_LCM if sampler == "LCM" and forge else sampler
        old = AUTOMATIC if sampler == "Restart" else UNIFORM  # Restart chose its own schedule in every version
        fields.setdefault(labels.get(schedule_label.casefold(), schedule_label), suffix or (unsaid if modern else old))


def _name_schedule(fields: Fields, label: str, schedules: tuple[str, ...]) -> None:
    """The schedule at ``label`` in A1111's spelling: ComfyUI's programs write ``karras``."""
    written = fields.get(label, "").casefold().replace("_", " ")
    written = "ddim" if written == _COMFY_DDIM.casefold() else written
    found = next((name for name in (*schedules, AUTOMATIC) if name.casefold() == written), None)
    if found:
        fields[label] = found


def _split_sampler(name: str, schedules: Iterable[str]) -> tuple[str, str]:
    """("DPM++ 2M", "Karras") from "DPM++ 2M Karras" or "dpmpp_2m_karras"; no schedule when the name holds none."""
    labels = {**_OTHER_SUFFIXES, **{schedule: schedule for schedule in schedules}}
    for label in sorted(labels, key=len, reverse=True):
        words = r"[ _\-]?".join(map(re.escape, label.split()))
        if match := re.fullmatch(rf"(.+?)[ _\-,(]+{words}\)?", name, re.IGNORECASE | re.DOTALL):
            return match[1], labels[label]
    if name.casefold().endswith("_k"):  # InvokeAI
        return name[:-2], "Karras"
    return name, ""


# --- Old forms ----------------------------------------------------------------------------------------------------


def _old_network_tags(fields: Fields) -> Iterator[str]:
    """Tags for what was chosen outside the prompt: a hypernetwork, and the LoRAs of the Additional Networks extension.
    Takes their fields out."""
    if name := fields.pop("Hypernet", ""):
        yield f"<hypernet:{_ADDED_HASH.sub('', name)}:{fields.pop('Hypernet strength', '1')}>"
    fields.pop("Hypernet hash", None)
    yield from _weighted_beside(fields)
    enabled = fields.pop("AddNet Enabled", "")
    numbers = [label.rpartition(" ")[2] for label in fields if label.startswith("AddNet Model ")]
    for number in numbers:
        module, name, unet, text_encoder = (
            fields.pop(f"AddNet {part} {number}", "") for part in ("Module", "Model", "Weight A", "Weight B")
        )
        if enabled == "True" and module == "LoRA" and name not in ("", "None"):
            unet = unet or "1"
            weights = unet if text_encoder in ("", unet) else f"{text_encoder}:{unet}"
            yield f"<lora:{_ADDED_HASH.sub('', name)}:{weights}>"


def _weighted_beside(fields: Fields) -> Iterator[str]:
    """The LoRAs that Fooocus ("Lora weights: a: 0.5, b: 1") and Draw Things ("LoRA 1 Model", "LoRA 1 Weight") name
    beside their prompts."""
    for entry in filter(None, fields.pop("Lora weights", "").split(",")):
        name, _, weight = entry.rpartition(":")
        yield f"<lora:{name.strip()}:{weight.strip()}>"
    for label in [label for label in fields if re.fullmatch(r"LoRA \d{1,2} Model", label)]:
        name, weight = name_of(fields.pop(label)), fields.pop(label.replace("Model", "Weight"), "1")
        yield f"<lora:{name}:{weight}>"


def _civitai_resources(fields: Fields, prompt: str) -> Iterator[str]:
    """Tags for the LoRAs that civitai's own generator used, which its prompts do not name; the checkpoint becomes the
    model, and all get their version on civitai for a hash. Takes the field out."""
    loras: list[str] = []
    embeddings: list[str] = []
    for resource in _resources(fields):
        kind, version = _resource_kind(resource), f"{CIVITAI_VERSION}{_resource_version(resource)}"
        words = (str(resource.get(key) or "") for key in ("modelName", "modelVersionName"))
        name = " ".join(_NOT_IN_TAGS.sub(" ", " ".join(words)).split()) or version.replace(":", " ")
        if kind == "checkpoint" and "Model" not in fields:
            fields["Model"] = name
            fields.setdefault("Model hash", version)
        elif kind in ("embed", "embedding", "textualinversion"):
            embeddings.append(f"{name}: {version}")
        elif kind in ("lora", "lycoris", "locon", "dora") and f"<lora:{name}:" not in prompt:
            loras.append(f"{name}: {version}")
            yield f"<lora:{name}:{_resource_weight(resource)}>"
    for label, found in (("Lora hashes", loras), ("TI hashes", embeddings)):
        if found:
            known = [fields[label]] if fields.get(label) else []
            fields[label] = ", ".join([*known, *found])


def _resources(fields: Fields) -> list[dict[str, Any]]:
    """What civitai lists; takes the field out, unless it is cut: then it stays, to be told."""
    text = fields.get("Civitai resources", "")
    listed = json_of(text, list)
    if listed or text.strip() in ("", "[]"):
        fields.pop("Civitai resources", None)
    return [resource for resource in listed if isinstance(resource, dict)]


_AIR = re.compile(r"urn:air:[\w.-]+:(\w+):civitai:\d+@(\d+)")
"""civitai's own address of a version: what it is, and its number."""


def _resource_kind(resource: Mapping[str, Any]) -> str:
    """What a resource is; some texts hold the whole object that civitai's server made of it, or only its address."""
    text = str(resource.get("type") or "").casefold()
    inner = re.search(r"\btype = (\w+)", text) or (None if text else _AIR.match(str(resource.get("air"))))
    return inner[1] if inner else text


def _resource_version(resource: Mapping[str, Any]) -> object:
    air = _AIR.match(str(resource.get("air")))
    return resource.get("modelVersionId") or (air[2] if air else None)


def _resource_weight(resource: Mapping[str, Any]) -> object:
    """How strongly a LoRA was used; 1 where nothing says it."""
    said = resource.get("weight")
    if isinstance(said, int | float):
        return said
    inner = re.search(r"\bStrength = (-?\d+(?:\.\d+)?)", str(resource.get("type")))
    return inner[1] if inner else 1


def json_of(text: str, kind: type[J]) -> J:
    """The JSON list or object in ``text``; an empty one when it is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return kind()
    return value if isinstance(value, kind) else kind()


def _old_hires(fields: Fields) -> Fields:
    """Before 2023 "Size" was the final size and "First pass size" the first one; 0x0 meant one of about 512x512."""
    final = size_of(fields.get("Size", ""))
    first = size_of(fields.pop("First pass size"))
    if final is None or first is None or not all(final):
        return {}
    if not all(first):
        ratio = math.sqrt(512 * 512 / (final[0] * final[1]))
        first = (math.ceil(ratio * final[0] / 64) * 64, math.ceil(ratio * final[1] / 64) * 64)
    return {
        "Size": f"{first[0]}x{first[1]}",
        "Hires resize": f"{final[0]}x{final[1]}",
        "Hires upscaler": fields.get("Hires upscaler", "Latent"),
    }
