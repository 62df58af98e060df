"""Answers in A1111's words: finished images, what was generated, progress and what a picture says (hechos/a1111.md
11)."""

from __future__ import annotations

import base64
import datetime
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdcolab.core import infotext
from sdcolab.core.errors import InfotextUnreadable
from sdcolab.core.events import ImageReady, ImageSaved
from sdcolab.core.faces import GFPGAN
from sdcolab.core.infotext import Infotext
from sdcolab.core.infotext.containers import PARAMETERS_KEY
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import AFTER_SHEETS, JOB_UNITS, Grid, PromptMatrix, Script, XyzPlot
from sdcolab.core.words import PHASE_LABELS
from sdcolab.studio.job import Job, JobSnapshot, Outcome

STAMP_FORMAT = "%Y%m%d%H%M%S"
_DENOISING = "Denoising strength"
_CONDITIONED = "Conditional mask weight"
"""Infotext label that only inpainting checkpoints write."""

_BASE_LABELS = frozenset(
    {
        *("Steps", "Sampler", "CFG scale", "Seed", "Size", "Model hash", "Model", "VAE hash", "VAE", "Version"),
        *("Variation seed", "Variation seed strength", "Seed resize from", "Clip skip", "ENSD", "RNG", "Tiling"),
        *(_CONDITIONED, "Refiner", "Refiner switch at"),
    }
)
"""Labels that ``info`` tells under keys of its own, or not at all; the others are its ``extra_generation_params``."""


def generated(
    outcome: Outcome, asked: GenerationRequest, *, styles: Sequence[str], started: datetime.datetime | None
) -> dict[str, Any]:
    """``info`` of a generation: what was made of ``asked``, also when it was interrupted."""
    made = outcome.made
    request = outcome.result.request if outcome.result else asked
    texts = [image.infotext for image in made]
    first = infotext.parse(texts[0]) if texts else Infotext()
    seeds = [image.seed for image in made] or [request.seed]
    subseeds = [_subseed(request, image.index) for image in made] or [request.variation.seed]
    strength = request.init.strength if request.init else request.hires.strength if request.hires else None
    resizes = request.variation.resizes
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * len(seeds),
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * len(seeds),
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": subseeds[0],
        "all_subseeds": subseeds,
        "subseed_strength": request.variation.strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": request.restore_faces,
        "face_restoration_model": GFPGAN if request.restore_faces else None,
        "sd_model_name": first.get("Model"),
        "sd_model_hash": first.get("Model hash"),
        "sd_vae_name": first.get("VAE"),
        "sd_vae_hash": first.get("VAE hash"),
        "seed_resize_from_w": request.variation.resize_width if resizes else -1,
        "seed_resize_from_h": request.variation.resize_height if resizes else -1,
        "denoising_strength": strength,
        "extra_generation_params": dict(_extra_fields(first)),
        "index_of_first_image": 0,
        "infotexts": texts,
        "styles": list(styles),
        "job_timestamp": started.strftime(STAMP_FORMAT) if started else "0",
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": first.get(_CONDITIONED) is not None,
        "version": first.get("Version"),
    }


_SHEET_COUNTED = (XyzPlot, PromptMatrix)


def scripted(outcome: Outcome, script: Script | None) -> dict[str, Any]:
    """What ``info`` tells differently of pictures that a script made: what each of them says of itself.

    ``index_of_first_image`` is A1111's: a plot and a matrix count their whole sheet (the sheets of single Z values come
    after it as pictures), other scripts count none, even where a sheet comes first.
    """
    sheets = sum(image.index < AFTER_SHEETS for image in outcome.made)
    told = [infotext.parse(image.infotext) for image in outcome.made]
    if not told:
        return {}
    first = told[sheets] if sheets < len(told) else told[0]
    numbers = {"steps": "Steps", "cfg_scale": "CFG scale", "clip_skip": "Clip skip", "denoising_strength": _DENOISING}
    known = {key: _plain_value(value) for key, label in numbers.items() if (value := first.get(label)) is not None}
    return {
        **known,
        "prompt": first.prompt,
        "all_prompts": [one.prompt for one in told],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [one.negative_prompt for one in told],
        "sampler_name": first.get("Sampler"),
        "all_subseeds": [_plain_value(one.get("Variation seed") or str(RANDOM_SEED)) for one in told],
        "extra_generation_params": dict(_extra_fields(first)),
        "index_of_first_image": int(sheets > 0 and isinstance(script, _SHEET_COUNTED)),
    }


def image_base64(image: ImageSaved | ImageReady) -> str:
    """A finished image as a PNG with its infotext; a saved one exactly as it was saved. Raises ``OSError``."""
    if isinstance(image, ImageSaved):
        return base64.b64encode(image.path.read_bytes()).decode("ascii")
    return png_base64(image.image, {PARAMETERS_KEY: image.infotext})


def png_base64(picture: Image.Image, texts: Mapping[str, str] | None = None) -> str:
    """``picture`` as a PNG with ``texts`` inside, by keyword."""
    info = PngInfo()
    for keyword, words in (texts or {}).items():
        info.add_text(keyword, words)
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG", pnginfo=info)
    return base64.b64encode(encoded.getvalue()).decode("ascii")


def progress(job: Job | None, now: datetime.datetime, *, with_image: bool) -> dict[str, Any]:
    """Answer of ``progress`` for the job that runs or waits; nothing is happening when it has ended."""
    snapshot = job.snapshot if job else None
    if job is None or snapshot is None or snapshot.ended:
        return {"progress": 0.0, "eta_relative": 0.0, "state": _state(), "current_image": None, "textinfo": None}
    count, number, step, steps = _position(snapshot)
    done = min(0.01 + snapshot.fraction, 1.0)
    elapsed = (now - job.started).total_seconds() if job.started else 0.0
    preview = snapshot.preview if with_image else None
    return {
        "progress": done,
        "eta_relative": max(0.0, elapsed / done - elapsed),
        "state": _state(
            interrupted=job.cancel_token.cancelled,
            stopping_generation=job.cancel_token.cancelled,
            job=_job_name(getattr(snapshot.task, "request", None)),
            job_count=count,
            job_timestamp=job.started.strftime(STAMP_FORMAT) if job.started else "0",
            job_no=number,
            sampling_step=step,
            sampling_steps=steps,
        ),
        "current_image": png_base64(preview) if preview else None,
        "textinfo": " ".join((PHASE_LABELS[snapshot.phase], snapshot.detail)).strip(),
    }


def progress_of(job: Job | None, now: datetime.datetime, *, ended: bool, with_image: bool) -> dict[str, Any]:
    """Answer of ``internal/progress`` for one task, which has ``ended`` or may never have existed (``job`` None)."""
    known = progress(job, now, with_image=with_image)
    ended = ended or (job is not None and job.snapshot.ended)
    active = job is not None and not ended and job.started is not None
    preview = known["current_image"]
    return {
        "active": active,
        "queued": job is not None and not ended and not active,
        "completed": ended,
        "progress": known["progress"],
        "eta": known["eta_relative"],
        "live_preview": f"data:image/png;base64,{preview}" if preview else None,
        "id_live_preview": job.snapshot.version if job is not None and preview else -1,
        "textinfo": known["textinfo"] or ("" if job is None else None),
    }


def png_info(picture: Image.Image) -> dict[str, Any]:
    """Answer of ``png-info``: the picture's infotext, what it means, and the other texts inside the file."""
    items = {
        key: value for key, value in picture.info.items() if isinstance(value, str) and key != PARAMETERS_KEY
    }  # before the infotext is looked for: reading the EXIF unpacks the picture and may add to it
    try:
        text = infotext.read_image(picture, "image")
    except InfotextUnreadable:
        return {"info": "", "items": items, "parameters": {}}
    return {"info": text, "items": items, "parameters": _parameters(infotext.parse(text))}


def _parameters(parsed: Infotext) -> dict[str, str]:
    found = {"Prompt": parsed.prompt, "Negative prompt": parsed.negative_prompt}
    for label, value in parsed.fields:
        sides = value.split("x")
        if label in ("Size", "Hires resize", "Seed resize from") and len(sides) == 2:
            found |= {f"{label}-1": sides[0], f"{label}-2": sides[1]}
        else:
            found[label] = value
    return found


def _subseed(request: GenerationRequest, index: int) -> int:
    return RANDOM_SEED if request.variation.seed == RANDOM_SEED else request.variation_seed_of(index)


def _extra_fields(parsed: Infotext) -> list[tuple[str, Any]]:
    return [
        (label, _plain_value(value))
        for label, value in parsed.fields
        if label not in _BASE_LABELS and (label, value) != ("Schedule type", "Automatic")
    ]


def _plain_value(written: str) -> Any:
    """Numbers and truth values as such."""
    if written in ("True", "False"):
        return written == "True"
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return value if type(value) in (int, float) else written


def _job_name(request: GenerationRequest | None) -> str:
    """What the page's user does, by the names of A1111's tabs."""
    if request is None:
        return "extras"
    return "img2img" if request.init else "txt2img"


def _position(snapshot: JobSnapshot) -> tuple[int, int, int, int]:
    """Batches, the batch's place from 0, and its step of how many: the snapshot counts the steps of all together."""
    count = snapshot.request.batch_count if snapshot.request else 1
    if isinstance(snapshot.task, Grid):
        count = max(1, snapshot.total // JOB_UNITS)
    steps = snapshot.total // count
    number = min(snapshot.step // steps, count - 1) if steps else 0
    return count, number, snapshot.step - number * steps, steps


def _state(**known: Any) -> dict[str, Any]:
    return {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    } | known
