"""From a request to its infotext (hechos/a1111.md 7.2, 4.5 and 5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sdcolab.core.infotext.labels import LABELS, NOT_MASKED, ONLY_MASKED
from sdcolab.core.infotext.text import Infotext, render
from sdcolab.core.prompt import strip_comments
from sdcolab.core.request import (
    FIELDS,
    GenerationRequest,
    Hires,
    InitImage,
    Inpaint,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    Variation,
)
from sdcolab.core.tuning import Emphasis, Tuning

Fields = dict[str, str]
"""Values by label, in order. Empty ones are left out of the text."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an infotext says beyond the request. Empty texts are left out.

    Models and ``vae`` are names for infotexts, the hashes 10 hexadecimal digits; without a name for the checkpoint of
    the hires pass or the refiner, the request's own is written. ``schedule`` and ``hires_schedule`` are the labels of
    the schedules that were used. ``extra`` are further fields in order; one that repeats a label takes its place.
    ``uses_ensd``: the sampler draws noise that ENSD changes. ``inpainting``: the checkpoint reads a mask.
    """

    version: str
    schedule: str
    model: str = ""
    model_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    hires_schedule: str = ""
    hires_model: str = ""
    hires_model_hash: str = ""
    refiner_model: str = ""
    refiner_model_hash: str = ""
    uses_ensd: bool = True
    inpainting: bool = False


def describe(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> Infotext:
    """What is written into image ``index`` of a resolved request.

    Missing ``RNG`` means NVIDIA's noise, A1111's default, which our ``NV`` equals. The version carries the program's
    name ("sdcolab 0.1.0") so that A1111 does not take it for one of its own and apply its compatibility rules.

    Raises ``ValueError`` when the request is not resolved.
    """
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    prompt, negative_prompt = strip_comments(request.prompt), strip_comments(request.negative_prompt)
    hires = request.hires if request.init is None else None
    extra = dict(facts.extra)
    fields = {
        LABELS["steps"]: str(request.steps),
        LABELS["sampler"]: request.sampler,
        LABELS["schedule"]: facts.schedule,
        LABELS["cfg_scale"]: _value(float(request.cfg_scale)),
        LABELS["seed"]: str(request.seed_of(index)),
        LABELS["width"]: f"{request.width}x{request.height}",
        "Model hash": facts.model_hash,
        LABELS["checkpoint"]: facts.model,
        "VAE hash": facts.vae_hash,
        LABELS["vae"]: facts.vae,
        **_variation(request.variation, request.variation_seed_of(index)),
        LABELS["init.strength"]: _denoising_strength(request.init, hires),
        LABELS["init.inpaint.condition_weight"]: _condition_weight(request.init, facts),
        LABELS["clip_skip"]: str(request.clip_skip) if request.clip_skip > 1 else "",
        LABELS["tuning.ensd"]: _ensd(request.tuning, facts),
        LABELS["noise_origin"]: "" if request.noise_origin is NoiseOrigin.NV else request.noise_origin.value,
        LABELS["tiling"]: "True" if request.tiling else "",
        **(_hires(hires, request, facts) if hires else {}),
        **(_init(request.init) if request.init else {}),
        **extra,
        **_tuning(request.tuning, "".join(_texts(prompt, negative_prompt, hires))),
        **(_refiner(request.refiner, facts) if request.refiner else {}),
    }
    fields |= {label: value for label, value in extra.items() if value}
    fields["Version"] = f"sdcolab {facts.version}"
    return Infotext(prompt, negative_prompt, tuple((label, value) for label, value in fields.items() if value))


def write(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> str:
    """The infotext of image ``index`` of a resolved request."""
    return render(describe(request, facts, index))


def _variation(variation: Variation, seed: int) -> Fields:
    fields: Fields = {}
    if variation.strength:
        fields[LABELS["variation.seed"]] = str(seed)
        fields[LABELS["variation.strength"]] = _value(variation.strength)
    if variation.resizes:
        fields[LABELS["variation.resize_width"]] = f"{variation.resize_width}x{variation.resize_height}"
    return fields


def _denoising_strength(init: InitImage | None, hires: Hires | None) -> str:
    part = init or hires
    return _value(part.strength) if part else ""


def _condition_weight(init: InitImage | None, facts: EngineFacts) -> str:
    weight = init.inpaint.condition_weight if init and init.inpaint else 1.0
    return _value(weight) if facts.inpainting or weight != 1 else ""


def _ensd(tuning: Tuning, facts: EngineFacts) -> str:
    return str(tuning.ensd) if tuning.ensd and tuning.eta and facts.uses_ensd else ""


def _hires(hires: Hires, request: GenerationRequest, facts: EngineFacts) -> Fields:
    """The second pass; what it shares with the first is left out."""
    resized = hires.width or hires.height
    schedule = facts.hires_schedule or hires.schedule
    return {
        LABELS["hires.cfg_scale"]: "" if hires.cfg_scale is None else _value(float(hires.cfg_scale)),
        LABELS["hires.scale"]: "" if resized else _value(float(hires.scale)),
        LABELS["hires.width"]: f"{hires.width}x{hires.height}" if resized else "",
        LABELS["hires.steps"]: str(hires.steps) if hires.steps else "",
        LABELS["hires.upscaler"]: hires.upscaler,
        LABELS["hires.checkpoint"]: _titled(facts.hires_model or hires.checkpoint, facts.hires_model_hash)
        if hires.checkpoint
        else "",
        LABELS["hires.sampler"]: hires.sampler if hires.sampler != request.sampler else "",
        LABELS["hires.schedule"]: schedule if schedule != facts.schedule else "",
        LABELS["hires.prompt"]: _unless_same(hires.prompt, request.prompt),
        LABELS["hires.negative_prompt"]: _unless_same(hires.negative_prompt, request.negative_prompt),
    }


def _unless_same(prompt: str, first: str) -> str:
    prompt = strip_comments(prompt).strip()
    return prompt if prompt != strip_comments(first).strip() else ""


def _init(init: InitImage) -> Fields:
    return {
        **(_inpaint(init.inpaint) if init.inpaint else {}),
        LABELS["init.noise_multiplier"]: _value(float(init.noise_multiplier)) if init.noise_multiplier != 1 else "",
    }


def _inpaint(inpaint: Inpaint) -> Fields:
    return {
        LABELS["init.inpaint.inverted"]: NOT_MASKED if inpaint.inverted else "",
        LABELS["init.inpaint.blur_x"]: str(inpaint.blur_x) if inpaint.blur_x == inpaint.blur_y else "",
        LABELS["init.inpaint.only_masked"]: ONLY_MASKED if inpaint.only_masked else "",
        LABELS["init.inpaint.padding"]: str(inpaint.padding) if inpaint.only_masked else "",
        LABELS["init.inpaint.content"]: "" if inpaint.content is MaskedContent.ORIGINAL else inpaint.content.value,
    }


def _texts(prompt: str, negative_prompt: str, hires: Hires | None) -> Iterator[str]:
    yield from (prompt, negative_prompt)
    if hires:
        yield from (strip_comments(hires.prompt), strip_comments(hires.negative_prompt))


def _tuning(tuning: Tuning, texts: str) -> Fields:
    """The adjustments that are not neutral; how weights count only where ``texts`` have any. ENSD has another place."""
    neutral = Tuning()
    fields = {
        field.label: _value(getattr(tuning, field.name))
        for path, field in FIELDS.items()
        if path.startswith("tuning.")
        and field.label
        and field.name != "ensd"
        and getattr(tuning, field.name) != getattr(neutral, field.name)
    }
    if tuning.emphasis is not Emphasis.ORIGINAL and not set("([") & set(texts):
        del fields[LABELS["tuning.emphasis"]]
    return fields


def _refiner(refiner: Refiner, facts: EngineFacts) -> Fields:
    return {
        LABELS["refiner.checkpoint"]: _titled(facts.refiner_model or refiner.checkpoint, facts.refiner_model_hash),
        LABELS["refiner.switch_at"]: _value(float(refiner.switch_at)),
        LABELS["refiner.by_steps"]: "True" if refiner.by_steps else "",
        LABELS["refiner.passes"]: "" if refiner.passes is RefinerPasses.SECOND else refiner.passes.value,
    }


def _titled(name: str, digest: str) -> str:
    """A model as A1111 titles it: ``name [hash]``."""
    return f"{name} [{digest}]" if digest else name


def _value(value: object) -> str:
    """As A1111's controls write it: ``7``, ``7.5``, ``True``, ``bh2``."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
