"""Changes to the text of prompts that several scripts make."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sdcolab.core.errors import SearchTextMissing
from sdcolab.core.request import GenerationRequest

_LORA = re.compile(r"<(?P<kind>lora|lyco):(?P<name>[^:>]+)(?P<rest>(?::[^>]*)?)>", re.IGNORECASE)


def searched_and_replaced(request: GenerationRequest, searched: str, by: str) -> GenerationRequest:
    """Every ``searched`` in both prompts replaced ``by`` (hechos/a1111.md 9.1). Raises ``SearchTextMissing``."""
    if searched not in request.prompt and searched not in request.negative_prompt:
        raise SearchTextMissing(text=searched)
    return replace(
        request,
        prompt=request.prompt.replace(searched, by),
        negative_prompt=request.negative_prompt.replace(searched, by),
    )


def reordered(prompt: str, tokens: Sequence[str]) -> str:
    """``prompt`` with ``tokens`` in this order at the places where they stand now; those it does not have are left
    out (hechos/a1111.md 9.1)."""
    places = sorted((prompt.find(token), token) for token in tokens if token and token in prompt)
    kept: list[str] = []
    at = 0
    for place, token in places:
        start = prompt.find(token, max(place, at))
        if start < 0:  # it overlapped with the one before
            continue
        kept.append(prompt[at:start])
        at = start + len(token)
    kept.append(prompt[at:])
    present = [token for token in tokens if token and token in prompt][: len(kept) - 1]
    return "".join(part + token for part, token in zip(kept, present, strict=False)) + kept[-1]


def with_lora(prompt: str, name: str) -> str:
    """``prompt`` with the LoRA ``name`` in place of the one that it names last, or at its end; "None" takes it out."""
    tags = list(_LORA.finditer(prompt))
    if name == "None":
        return prompt[: tags[-1].start()] + prompt[tags[-1].end() :] if tags else prompt
    if not tags:
        return f"{prompt.rstrip()} <lora:{name}:1>".lstrip()
    last = tags[-1]
    return f"{prompt[: last.start()]}<{last['kind']}:{name}{last['rest'] or ':1'}>{prompt[last.end() :]}"


def with_lora_weight(prompt: str, weight: float, name: str = "") -> str:
    """``prompt`` with the LoRA ``name`` at ``weight``, at its end where it is not there yet; "" means every LoRA."""

    def weighted(tag: re.Match[str]) -> str:
        other = name and tag["name"].strip().casefold() != name.casefold()
        return tag.group() if other else f"<{tag['kind']}:{tag['name']}:{weight:g}>"

    if name and not any(tag["name"].strip().casefold() == name.casefold() for tag in _LORA.finditer(prompt)):
        return f"{prompt.rstrip()} <lora:{name}:{weight:g}>".lstrip()
    return _LORA.sub(weighted, prompt)


def has_lora(prompt: str) -> bool:
    """Whether ``prompt`` names a LoRA."""
    return _LORA.search(prompt) is not None
