"""What the readers of other programs' JSON share: values of any type as the texts of an infotext."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sdcolab.core.infotext.text import Infotext

Json = Mapping[str, Any]

_FILE_END = re.compile(r"\.(?:safetensors|ckpt|pth?|bin|gguf|sft)$", re.IGNORECASE)
_TAG_NAME = re.compile(r"<lora:([^:>]+)")
_BUILT_IN = re.compile(r"(?:baked[ _-]?in|baked|built-?in|default|automatic|auto|none|from model)\b.*", re.IGNORECASE)
"""What programs write for the VAE of the model itself."""

_COMFY_SCHEDULES = {
    "sgm_uniform": "SGM Uniform",
    "ddim_uniform": "DDIM",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
    "ays": "Align Your Steps",
    "gits": "Align Your Steps GITS",
}


def built(program: str, prompt: object, negative: object, said: Json, loras: Iterable[tuple[str, object]]) -> Infotext:
    """``said`` by label; what is None or empty is left out. ``loras`` are names with weights, which become tags unless
    the prompt has them."""
    known = {**said, "Version": program}
    fields = tuple((label, text_of(value)) for label, value in known.items() if value not in (None, "", [], {}))
    words = text_of(prompt)
    tagged = {name_of(name).casefold() for name in _TAG_NAME.findall(words)}
    own = {name: weight for name, weight in loras if name and name.casefold() not in tagged}
    tags = "".join(f" <lora:{name}:{text_of(weight)}>" for name, weight in own.items())
    return Infotext(f"{words}{tags}".strip(), text_of(negative), fields)


def text_of(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else "" if value is None else str(value)


def size_text(width: object, height: object) -> str:
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else ""


def name_of(value: object) -> str:
    """The name of a model's file, without its folder and ending."""
    text = text_of(value.get("name") or value.get("model_name") if isinstance(value, dict) else value)
    return _FILE_END.sub("", re.split(r"[\\/]", text)[-1].strip())


def vae_name(value: object) -> str:
    """The name of a VAE's file; nothing for the model's own."""
    name = name_of(value)
    return "" if _BUILT_IN.fullmatch(name) else name


def dict_of(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sampler_name(name: object) -> str:
    return text_of(name).removesuffix("_gpu")


def schedule_name(name: object) -> str:
    """A schedule as people read it, from the way that ComfyUI and its kin write them."""
    text = text_of(name)
    if text != text.casefold():
        return text
    return _COMFY_SCHEDULES.get(text, text.replace("_", " ").title() if text != "normal" else "")
