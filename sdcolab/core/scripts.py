"""Scripts as they are asked for: one frozen dataclass each, with A1111's words, and the task that runs one
(hechos/a1111.md 9; hechos/extensiones.md 4 and 6). What they do stands in ``grids``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from sdcolab.core.errors import SdcolabError
from sdcolab.core.fields import Field, check, fact, table_of
from sdcolab.core.request import GenerationRequest, MaskedContent

NOTHING = "Nothing"
"""A1111's word for an axis that is not used."""

NO_UPSCALER = "None"
USUAL_SIDE = 512
"""Side in pixels that is counted with where a request leaves its size to the checkpoint."""

PLAN_SUFFIX = ".jsonl"
"""How the name of a plan's file ends, which lies beside its sheet."""

MAX_CELLS = 10_000
"""As many pictures as one plan may make."""

_BLOCK = 64


@dataclass(frozen=True, slots=True)
class XyzPlot:
    """The same picture with one, two or three things changed.

    The axes are labels of ``grids.axes``, the values texts as ``grids.values`` reads them.

    ``sub_images`` and ``sub_grids``: the cells and the sheets of single Z values are results too. ``keep_random``:
    seeds of -1 are drawn anew in every cell. ``vary_seeds_*``: another seed for each value of that axis. ``page``: an
    HTML page with a slider for each axis lies beside the sheet. ``webp``: the sheet is a WebP, a tenth as large as a
    PNG.
    """

    code: ClassVar[str] = "xyz"
    title: ClassVar[str] = "X/Y/Z plot"

    x_axis: str = fact("Seed", choices="axes", label="X Type", api=("x_type",))
    x_values: str = fact("", label="X Values", api=("x_values",))
    y_axis: str = fact(NOTHING, choices="axes", label="Y Type", api=("y_type",))
    y_values: str = fact("", label="Y Values", api=("y_values",))
    z_axis: str = fact(NOTHING, choices="axes", label="Z Type", api=("z_type",))
    z_values: str = fact("", label="Z Values", api=("z_values",))
    legend: bool = fact(True, api=("draw_legend",))
    sub_images: bool = fact(True, api=("include_lone_images",))
    sub_grids: bool = fact(False, api=("include_sub_grids",))
    keep_random: bool = fact(False, api=("no_fixed_seeds",))
    vary_seeds_x: bool = fact(False, api=("vary_seeds_x",))
    vary_seeds_y: bool = fact(False, api=("vary_seeds_y",))
    vary_seeds_z: bool = fact(False, api=("vary_seeds_z",))
    margin: int = fact(0, low=0, high=500, step=2, api=("margin_size",))
    page: bool = False
    webp: bool = False

    def __post_init__(self) -> None:
        check(self, "xyz")


class Which(StrEnum):
    """The prompt that has the optional parts, in A1111's words."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class Delimiter(StrEnum):
    """What joins the parts, in A1111's words."""

    COMMA = "comma"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class PromptMatrix:
    """Every combination of the parts of a prompt that ``|`` divides.

    ``at_start`` puts the optional parts before the constant one; ``different_seeds``: one for each.
    """

    code: ClassVar[str] = "matrix"
    title: ClassVar[str] = "Prompt matrix"

    at_start: bool = fact(False, api=("put_at_start",))
    different_seeds: bool = fact(False, api=("different_seeds",))
    which: Which = fact(Which.POSITIVE, api=("prompt_type",), control="radio")
    delimiter: Delimiter = fact(Delimiter.COMMA, api=("variations_delimiter",), control="radio")
    margin: int = fact(0, low=0, high=500, step=2, api=("margin_size",))

    def __post_init__(self) -> None:
        check(self, "matrix")


class Insert(StrEnum):
    """Where a line's prompt goes with respect to the form's, in A1111's words."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class PromptLines:
    """One job a line of ``text``, with its own options.

    ``iterate_seed``: the next line goes on with the seed after the last one's; ``same_random_seed``: a random seed is
    drawn once for all lines; ``combined``: the pictures on one sheet too.
    """

    code: ClassVar[str] = "lines"
    title: ClassVar[str] = "Prompts from file or textbox"

    text: str = fact("", control="lines", api=("prompt_txt",))
    insert: Insert = fact(Insert.START, api=("prompt_position",), control="radio")
    iterate_seed: bool = fact(False, api=("checkbox_iterate",))
    same_random_seed: bool = fact(False, api=("checkbox_iterate_batch",))
    combined: bool = fact(False, api=("make_combined",))


MOST_OF_A_FILE = 10_000_000
"""Bytes of a file of prompts that are read."""


def text_of(content: bytes) -> str:
    """What a file of prompts says, also one that an old Windows wrote."""
    content = content[:MOST_OF_A_FILE]
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


class Curve(StrEnum):
    """How the denoising strength goes from the first loop's to the last one's, in A1111's words."""

    AGGRESSIVE = "Aggressive"
    LINEAR = "Linear"
    LAZY = "Lazy"


@dataclass(frozen=True, slots=True)
class Loopback:
    """A picture through img2img again and again.

    ``final_strength`` 0..1 is the denoising strength of the last loop.
    """

    code: ClassVar[str] = "loopback"
    title: ClassVar[str] = "Loopback"

    loops: int = fact(4, low=1, high=32, api=("loops",))
    final_strength: float = fact(0.5, low=0.0, high=1.0, step=0.01, api=("final_denoising_strength",))
    curve: Curve = fact(Curve.LINEAR, api=("denoising_curve",))

    def __post_init__(self) -> None:
        check(self, "loopback")


@dataclass(frozen=True, slots=True)
class Alternative:
    """img2img that begins with the noise which the model would have made the picture of (``core.inversion``).

    The first of the fields are the inversion's; ``override_*``: the request's own sampler, prompts, steps and denoising
    strength give way to Euler, the inversion's prompts and steps, and 1.
    """

    code: ClassVar[str] = "alternative"
    title: ClassVar[str] = "img2img alternative test"

    prompt: str = fact("", control="prompt", api=("original_prompt",))
    negative_prompt: str = fact("", control="prompt", api=("original_negative_prompt",))
    steps: int = fact(50, low=1, high=150, api=("st",))
    cfg_scale: float = fact(1.0, low=0, high=15, step=0.1, api=("cfg",))
    randomness: float = fact(0.0, low=0, high=1, step=0.01, api=("randomness",))
    sigma_adjustment: bool = fact(True, api=("sigma_adjustment",))
    override_sampler: bool = fact(True, api=("override_sampler",))
    override_prompt: bool = fact(True, api=("override_prompt",))
    override_steps: bool = fact(True, api=("override_steps",))
    override_strength: bool = fact(True, api=("override_strength",))

    def __post_init__(self) -> None:
        check(self, "alternative")


@dataclass(frozen=True, slots=True)
class SdUpscale:
    """A picture enlarged and worked over in tiles.

    They have the request's size and overlap by ``overlap`` pixels; "None" as ``upscaler`` works on the picture as it
    is.
    """

    code: ClassVar[str] = "sd_upscale"
    title: ClassVar[str] = "SD upscale"

    overlap: int = fact(64, low=0, high=256, step=16, api=("overlap",))
    scale: float = fact(2.0, low=1.0, high=4.0, step=0.05, api=("scale_factor",))
    upscaler: str = fact(NO_UPSCALER, choices="upscalers", api=("upscaler_index",))

    def __post_init__(self) -> None:
        check(self, "sd_upscale")


class Redraw(StrEnum):
    """The order of the tiles, in A1111's words."""

    LINEAR = "Linear"
    CHESS = "Chess"
    NONE = "None"


class SeamsFix(StrEnum):
    """What is done over the seams afterwards, in A1111's words."""

    NONE = "None"
    BAND = "Band pass"
    HALF = "Half tile offset pass"
    HALF_CROSS = "Half tile offset pass + intersections"


class Target(StrEnum):
    """Where the size of the result comes from, in A1111's words."""

    IMG2IMG = "From img2img2 settings"
    CUSTOM = "Custom size"
    SCALE = "Scale from image size"


@dataclass(frozen=True, slots=True)
class Ultimate:
    """A picture of any size, worked over in tiles.

    All in pixels but the scale and the strength. A tile side of 0 is the same as the other one.
    """

    code: ClassVar[str] = "ultimate"
    title: ClassVar[str] = "Ultimate SD upscale"

    tile_width: int = fact(512, low=0, high=2048, step=64, api=("tile_width",))
    tile_height: int = fact(0, low=0, high=2048, step=64, api=("tile_height",))
    mask_blur: int = fact(8, low=0, high=64, api=("mask_blur",))
    padding: int = fact(32, low=0, high=256, api=("padding",))
    upscaler: str = fact(NO_UPSCALER, choices="upscalers", api=("upscaler_index",))
    redraw: Redraw = fact(Redraw.LINEAR, api=("redraw_mode",))
    seams_fix: SeamsFix = fact(SeamsFix.NONE, api=("seams_fix_type",))
    seams_strength: float = fact(0.35, low=0.0, high=1.0, step=0.01, api=("seams_fix_denoise",))
    seams_width: int = fact(64, low=8, high=128, api=("seams_fix_width",))
    seams_mask_blur: int = fact(4, low=0, high=64, api=("seams_fix_mask_blur",))
    seams_padding: int = fact(16, low=0, high=128, api=("seams_fix_padding",))
    target: Target = fact(Target.SCALE, api=("target_size_type",))
    width: int = fact(2048, low=64, high=12288, step=64, api=("custom_width",))
    height: int = fact(2048, low=64, high=12288, step=64, api=("custom_height",))
    scale: float = fact(2.0, low=1.0, high=16.0, step=0.01, api=("custom_scale",))
    save_upscaled: bool = fact(True, api=("save_upscaled_image",))

    def __post_init__(self) -> None:
        check(self, "ultimate")

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of a tile."""
        width = self.tile_width or self.tile_height or USUAL_SIDE
        return width, self.tile_height or width

    def size_for(self, source: tuple[int, int], form: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the result for a picture of ``source`` size and a form that says ``form``."""
        match self.target:
            case Target.IMG2IMG:
                return form
            case Target.CUSTOM:
                return self.width, self.height
            case Target.SCALE:
                return _blocks(source[0] * self.scale), _blocks(source[1] * self.scale)


def _blocks(side: float) -> int:
    return math.ceil(side / _BLOCK) * _BLOCK


class Direction(StrEnum):
    """Where a picture goes on, in A1111's words and order."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


EVERYWHERE = (Direction.LEFT, Direction.RIGHT, Direction.UP, Direction.DOWN)


@dataclass(frozen=True, slots=True)
class Outpainting:
    """A picture continued beyond its edges.

    ``falloff`` is the exponent of the picture's spectrum in the noise that fills the new area (lower: more detail),
    ``colour_variation`` 0..1 how colourful it is.
    """

    code: ClassVar[str] = "outpainting"
    title: ClassVar[str] = "Outpainting mk2"

    pixels: int = fact(128, low=8, high=256, step=8, api=("pixels",))
    mask_blur: int = fact(8, low=0, high=16, api=("mask_blur",))
    directions: tuple[Direction, ...] = fact(EVERYWHERE, control="lists", api=("direction",))
    falloff: float = fact(1.0, low=0.0, high=4.0, step=0.01, api=("noise_q",))
    colour_variation: float = fact(0.05, low=0.0, high=1.0, step=0.01, api=("color_variation",))

    def __post_init__(self) -> None:
        check(self, "outpainting")


@dataclass(frozen=True, slots=True)
class PoorMansOutpainting:
    """The same in a simpler way: tiles of the request's size, ``content`` under the mask."""

    code: ClassVar[str] = "poor_mans"
    title: ClassVar[str] = "Poor man's outpainting"

    pixels: int = fact(128, low=8, high=256, step=8, api=("pixels",))
    mask_blur: int = fact(4, low=0, high=32, api=("mask_blur",))
    content: MaskedContent = fact(MaskedContent.FILL, api=("inpainting_fill",))
    directions: tuple[Direction, ...] = fact(EVERYWHERE, control="lists", api=("direction",))

    def __post_init__(self) -> None:
        check(self, "poor_mans")


@dataclass(frozen=True, slots=True)
class DynamicPrompts:
    """Prompts with random parts.

    ``limit`` 0 is all combinations; ``rounds`` repeats them with other seeds; ``same_seed``: all pictures have the
    first one's; ``unlinked``: prompts are drawn from a random seed and not from the pictures'.
    """

    code: ClassVar[str] = "dynamic"
    title: ClassVar[str] = "Dynamic Prompts"

    combinatorial: bool = fact(False, api=("is_combinatorial",))
    limit: int = fact(0, low=0, high=MAX_CELLS, api=("max_generations",))
    rounds: int = fact(1, low=1, high=10, api=("combinatorial_batches",))
    same_seed: bool = fact(False, api=("use_fixed_seed",))
    unlinked: bool = fact(False, api=("unlink_seed_from_prompt",))
    only_positive: bool = fact(False, api=("disable_negative_prompt",))
    jinja: bool = fact(False, api=("enable_jinja_templates",))
    ignore_whitespace: bool = fact(False, api=("ignore_whitespace",))
    keep_template: bool = fact(True, api=("save_template",))

    def __post_init__(self) -> None:
        check(self, "dynamic")


@dataclass(frozen=True, slots=True)
class ContinuePlan:
    """A plan to go on with: its file, as the live list of those that have not ended names it."""

    code: ClassVar[str] = "continue"
    title: ClassVar[str] = "Continue"

    plan: str = fact("", choices="unfinished_plans")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a task will take: how many ``pictures``, and as many denoising ``steps`` in all, as ``steps_of`` counts
    them. ``parts``: they are the parts of one. ``warnings``: what its author may have meant otherwise."""

    pictures: int
    steps: float
    parts: bool = False
    warnings: tuple[SdcolabError, ...] = ()


def steps_of(request: GenerationRequest, size: tuple[int, int] | None = None) -> float:
    """Denoising steps of a request's pictures, those of a hires pass too, each counted for as much as it takes: one of
    a picture with ``USUAL_SIDE`` pixels a side is one. ``size``: of what is worked on at once, where it is not the
    picture."""
    strength = request.init.strength if request.init and not request.init.exact_steps else 1.0
    own = max(1, round(request.steps * strength))
    second = request.hires if request.init is None else None
    more = round((second.steps or request.steps) * second.strength * second.scale**2) if second else 0
    width, height = size or (request.width or USUAL_SIDE, request.height or USUAL_SIDE)
    return (own + more) * request.image_count * width * height / USUAL_SIDE**2


Script = (
    XyzPlot
    | PromptMatrix
    | PromptLines
    | Loopback
    | Alternative
    | SdUpscale
    | Ultimate
    | Outpainting
    | PoorMansOutpainting
)
"""What takes over a generation. In A1111 only one does."""

SCRIPTS: tuple[Any, ...] = (
    Alternative,
    Loopback,
    Outpainting,
    PoorMansOutpainting,
    PromptMatrix,
    PromptLines,
    SdUpscale,
    Ultimate,
    XyzPlot,
)
"""Every script, in A1111's order."""

SCRIPT_FIELDS: Mapping[str, Field] = {
    path: field
    for kind in (*SCRIPTS, DynamicPrompts, ContinuePlan)
    for path, field in table_of(kind, kind.code).items()
}
"""Every field of every script, by its path below the script's code."""

AFTER_SHEETS = 100_000
"""Places of results (``index`` of their events): sheets come before this, single pictures from here on."""

JOB_UNITS = 1000
"""Steps that each job of a script counts for in its progress."""

NEED_PICTURE: tuple[Any, ...] = (Alternative, Loopback, Outpainting, PoorMansOutpainting, SdUpscale, Ultimate)
"""Scripts that work on a picture: in img2img only."""

IN_PARTS: tuple[Any, ...] = (SdUpscale, Ultimate, Outpainting, PoorMansOutpainting)
"""Scripts that make one picture in many parts."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Run ``script`` on ``request``, after ``dynamic`` made its prompts; one of both at least.

    ``name`` tells this work from any other, so that it can go on where a process that died left it; ``plan`` is the
    file of a plan to go on with, whose own request and script count then. With ``save`` False nothing is kept on disk.
    """

    code: ClassVar[str] = "grid"

    request: GenerationRequest
    script: Script | None = None
    dynamic: DynamicPrompts | None = None
    name: str = ""
    plan: Path | None = None
    save: bool = True
