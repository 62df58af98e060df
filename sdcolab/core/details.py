"""The detail pass as asked for: parts of a finished picture (faces, hands, people) are found and drawn again, enlarged.

Units, fields and infotext labels are those of the ADetailer extension, so that its texts and payloads mean the same
here. Its models are YOLO networks; ``engine.details`` runs them from ONNX files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DetectorMissing, UnknownFile
from sdcolab.core.fields import check, fact, facts
from sdcolab.core.library import Library, ModelFile

MAX_UNITS = 10
PROMPT_MARK = "[PROMPT]"
"""Stands for the picture's own prompt in a unit's."""

_TORCH_SUFFIX = ".pt"
_BETWEEN = re.compile(r"\s*\[SEP\]\s*")
_SKIPPED = re.compile(r"\s*\[SKIP\]\s*")


class DetailMerge(StrEnum):
    """What becomes of the masks of one unit (ADetailer's words)."""

    NONE = "None"
    MERGE = "Merge"
    INVERT = "Merge and Invert"


class DetailChoice(StrEnum):
    """Which of the things that were found count first (ADetailer's words)."""

    AREA = "Area"
    CONFIDENCE = "Confidence"


@dataclass(frozen=True, slots=True)
class DetailUnit:
    """One kind of thing to find and to draw again.

    ``model``: a file of the detectors' folder, whatever its extension. ``classes``: of what it knows, the names that
    count, with commas; "" for all. Empty prompts are the picture's own; ``[SEP]`` parts those of the first thing, the
    second..., ``[SKIP]`` leaves one out and ``[PROMPT]`` is the picture's.

    ``confidence`` 0..1: what is surer counts. ``most``: so many at most, 0 for all, by ``choice``. ``min_ratio`` and
    ``max_ratio``: shares of the picture that its box must have. ``grow``: pixels by which masks grow, or shrink when
    negative, after moving by ``x_offset`` (right) and ``y_offset`` (up). ``blur``, ``strength``, ``only_masked`` and
    ``padding`` as in ``Inpaint``. ``width``, ``height``, ``steps`` 0, ``cfg_scale`` None, ``sampler`` and ``schedule``
    "" are the picture's own. ``control_model`` "": without ControlNet.

    Raises ``FieldOutOfRange``.
    """

    model: str = field(
        metadata=facts(label="ADetailer model", codec="title", api=("ad_model",), choices="detectors"),
    )
    enabled: bool = fact(True, api=("ad_tab_enable",))
    classes: str = fact("", label="ADetailer model classes", api=("ad_model_classes",))
    prompt: str = fact("", label="ADetailer prompt", api=("ad_prompt",), control="prompt")
    negative_prompt: str = fact("", label="ADetailer negative prompt", api=("ad_negative_prompt",), control="prompt")
    confidence: float = fact(0.3, low=0, high=1, label="ADetailer confidence", codec="always", api=("ad_confidence",))
    choice: DetailChoice = fact(
        DetailChoice.AREA,
        label="ADetailer method to decide top k masks",
        api=("ad_mask_filter_method",),
        control="radio",
    )
    most: int = fact(0, low=0, high=10, label="ADetailer mask only top k", api=("ad_mask_k_largest", "ad_mask_k"))
    min_ratio: float = fact(0.0, low=0, high=1, label="ADetailer mask min ratio", api=("ad_mask_min_ratio",))
    max_ratio: float = fact(1.0, low=0, high=1, label="ADetailer mask max ratio", api=("ad_mask_max_ratio",))
    grow: int = fact(4, low=-128, high=128, label="ADetailer dilate erode", codec="always", api=("ad_dilate_erode",))
    x_offset: int = fact(0, low=-200, high=200, label="ADetailer x offset", api=("ad_x_offset",))
    y_offset: int = fact(0, low=-200, high=200, label="ADetailer y offset", api=("ad_y_offset",))
    merge: DetailMerge = fact(
        DetailMerge.NONE, label="ADetailer mask merge invert", api=("ad_mask_merge_invert",), control="radio"
    )
    blur: int = fact(4, low=0, high=64, label="ADetailer mask blur", codec="always", api=("ad_mask_blur",))
    strength: float = fact(
        0.4, low=0, high=1, label="ADetailer denoising strength", codec="always", api=("ad_denoising_strength",)
    )
    only_masked: bool = fact(True, label="ADetailer inpaint only masked", codec="on", api=("ad_inpaint_only_masked",))
    padding: int = fact(
        32,
        low=0,
        high=256,
        step=4,
        label="ADetailer inpaint padding",
        codec="padding",
        api=("ad_inpaint_full_res_padding", "ad_inpaint_only_masked_padding"),
    )
    width: int = fact(
        0, low=0, high=2048, multiple=8, label="ADetailer inpaint width", api=("ad_inpaint_width",), control="number"
    )
    height: int = fact(
        0, low=0, high=2048, multiple=8, label="ADetailer inpaint height", api=("ad_inpaint_height",), control="number"
    )
    steps: int = fact(0, low=0, high=150, label="ADetailer steps", api=("ad_steps",))
    cfg_scale: float | None = fact(
        None, low=0, high=30, step=0.5, label="ADetailer CFG scale", api=("ad_cfg_scale",), control="number"
    )
    sampler: str = fact("", label="ADetailer sampler", api=("ad_sampler",), choices="samplers")
    schedule: str = fact("", label="ADetailer scheduler", api=("ad_scheduler",), choices="schedules")
    restore_faces: bool = fact(False, label="ADetailer restore face", api=("ad_restore_face",))
    control_model: str = fact(
        "",
        label="ADetailer ControlNet model",
        codec="title",
        api=("ad_controlnet_model",),
        choices="controlnets",
    )
    control_module: str = fact(
        "none", label="ADetailer ControlNet module", api=("ad_controlnet_module",), choices="preprocessors"
    )
    control_weight: float = fact(
        1.0, low=0, high=2, step=0.05, label="ADetailer ControlNet weight", api=("ad_controlnet_weight",)
    )
    control_start: float = fact(
        0.0,
        low=0,
        high=1,
        label="ADetailer ControlNet guidance start",
        api=("ad_controlnet_guidance_start",),
    )
    control_end: float = fact(
        1.0, low=0, high=1, label="ADetailer ControlNet guidance end", api=("ad_controlnet_guidance_end",)
    )

    def __post_init__(self) -> None:
        check(self, "details")
        if self.model.lower().endswith(_TORCH_SUFFIX):  # ADetailer's file of the network that we have as ONNX
            object.__setattr__(self, "model", self.model[: -len(_TORCH_SUFFIX)])


@dataclass(frozen=True, slots=True)
class DetectorFile:
    """A detector to download: what to call its ``file``, what it finds (a word in names of such files), where it is,
    its size in bytes and SHA-256, and its licence."""

    file: str
    subject: str
    link: str
    size: int
    sha256: str
    licence: str


_DEEPGHS = "https://huggingface.co/deepghs/"

DETECTORS = (
    DetectorFile(
        "face_detect_v1.4_s.onnx",
        "face",
        f"{_DEEPGHS}anime_face_detection/resolve/main/face_detect_v1.4_s/model.onnx",
        44_583_229,
        "403b5bc93b6ff789b7d183418df4a1364049bac00c24acd927604a7ff6891483",
        "MIT",
    ),
    DetectorFile(
        "hand_detect_v1.0_s.onnx",
        "hand",
        f"{_DEEPGHS}anime_hand_detection/resolve/main/hand_detect_v1.0_s/model.onnx",
        44_583_229,
        "408750ad39645fcdc0c5e774aa45a73941b2e785fc5611fb7d3d9790a41899c0",
        "OpenRAIL",
    ),
    DetectorFile(
        "person_detect_v1.3_s.onnx",
        "person",
        f"{_DEEPGHS}anime_person_detection/resolve/main/person_detect_v1.3_s/model.onnx",
        44_583_229,
        "",
        "MIT",
    ),
)
"""YOLOv8 networks, the ones for faces first."""

DETECTOR_FILE_NAMES = frozenset(one.file for one in DETECTORS)


def detector_like(name: str) -> DetectorFile:
    """The detector to get in place of the one called ``name``: one that finds the same, else faces."""
    return next((one for one in DETECTORS if one.subject in name.casefold()), DETECTORS[0])


def find_detector(name: str, library: Library) -> ModelFile:
    """The detector called ``name``. Raises ``DetectorMissing`` with the one to download."""
    try:
        return library.find(ModelKind.DETECTOR, name)
    except UnknownFile as error:
        other = detector_like(name)
        raise DetectorMissing(
            model=name or other.file,
            file=other.file,
            folder=library.folders.models(ModelKind.DETECTOR),
            link=f"{other.link} > {other.file}",
            size=other.size,
        ) from error


SWITCHES = {
    "width": ("ADetailer use inpaint width height", "ad_use_inpaint_width_height"),
    "height": ("ADetailer use inpaint width height", "ad_use_inpaint_width_height"),
    "steps": ("ADetailer use separate steps", "ad_use_steps"),
    "cfg_scale": ("ADetailer use separate CFG scale", "ad_use_cfg_scale"),
    "sampler": ("ADetailer use separate sampler", "ad_use_sampler"),
    "schedule": ("ADetailer use separate sampler", "ad_use_sampler"),
}
"""Fields that ADetailer counts only when a switch is on: its label in infotexts and its name in payloads. Here they
count when they are not neutral."""


def prompts(asked: str, own: str, count: int) -> tuple[str | None, ...]:
    """The prompt for each of ``count`` things: ``asked`` of a unit with the picture's ``own`` in it; the last one goes
    on for the rest. None: that thing is left as it is.
    """
    parts = _BETWEEN.split(asked)
    each = [parts[min(place, len(parts) - 1)] for place in range(count)]
    filled = ((part or own).replace(PROMPT_MARK, own) for part in each)
    return tuple(None if _SKIPPED.fullmatch(part) else part for part in filled)
