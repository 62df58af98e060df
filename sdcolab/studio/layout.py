"""The layout of both faces, declared once: which tabs there are, which sections each has, in which order, what is
folded, and what belongs to which way of making a picture. The page draws it with gradio, the notebook's panel with
ipywidgets.

A field stands here by its dotted path in the tables (``core.fields``); everything else about it (range, name, help,
kind of control) comes from there and from ``core.words``. A word that begins with "@" is a gadget: something that is no
field, which each face draws in its own way (``GADGETS``).

To add a tab with a form: a task (a frozen dataclass whose fields have facts, ``core.tasks``), its row in
``wiring.tasks``, and a ``Tab`` here with a ``Tool``. To add a section to the generation form: a ``Section`` in
``GENERATION``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdcolab.core.describing import Describe
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import InitImageMissing, PlanNotChosen
from sdcolab.core.fields import parts_of, table_of
from sdcolab.core.preferences import STANDARD_UNITS
from sdcolab.core.request import FIELDS, GenerationRequest
from sdcolab.core.scripts import (
    NEED_PICTURE,
    SCRIPTS,
    ContinuePlan,
    DynamicPrompts,
    Grid,
    PromptLines,
    Ultimate,
    XyzPlot,
)
from sdcolab.core.tasks import Enlarge, Task
from sdcolab.core.training import PreparePictures, TrainLora, TryLora
from sdcolab.core.upscaling import best_upscaler, infotext_of, networks_run
from sdcolab.core.words.fields import FIELD_WORDS, part_label
from sdcolab.core.words.layout import SECTION_TITLES, TAB_WORDS, VERBS
from sdcolab.core.words.scripts import SCRIPT_NOTES, SCRIPT_TITLES
from sdcolab.core.workshop import CombineLoras, Convert, Extract, Merge, TryMerge
from sdcolab.studio.form import Lists, shown

GADGETS = frozenset(
    {
        *(
            "@paste",
            "@remarks",
            "@styles",
            "@loras",
            "@few_steps",
            "@size_chips",
            "@seed",
            "@init_size",
            "@control_files",
            "@reset_tuning",
            "@defaults",
            "@scripts",
        ),
        *("@fill:x", "@fill:y", "@fill:z", "@pick:x", "@pick:y", "@pick:z", "@swap", "@compare_loras", "@lines_file"),
    }
)
"""What a section may hold beside fields: the button that reads an infotext in the prompt, what is said of the form
before it is sent, the styles, the list of LoRA, the settings that models of few steps want, sizes to choose with one
tap, the buttons of the seed, the size of the initial image, what a unit of ControlNet shows, lacks and downloads, the
neutral fine adjustments, the saved defaults, the scripts, and in X/Y/Z plot the buttons that fill an axis, add a
value to it, exchange two axes and compare LoRA; in prompts from file, what reads the file."""


class TabKind(StrEnum):
    """What a tab is made of."""

    GENERATE = "generate"
    """One of the ways of making a picture: all show the same form."""
    TOOL = "tool"
    """The form of a task and what came of it."""
    PNG_INFO = "pnginfo"
    DOWNLOADS = "downloads"
    ROOM = "room"
    """A room of the studio (``core.rooms``), which draws itself with ``assets/rooms/ID.js``."""
    WILDCARDS = "wildcards"


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that stand together.

    ``items``: paths, gadgets, or tuples of paths that share a line. ``folded``: closed at first, behind its title.
    ``part``: path of an optional part of the request, whose switch opens the section, or of one that repeats: the
    section is then shown ``most`` times. ``modes``: the tabs of generation that show it, none for all. ``main``: in
    sight on a phone too, where the others wait in a sheet. ``group``: its title where the words have none for ``id``.
    """

    id: str
    items: tuple[str | tuple[str, ...], ...] = ()
    folded: bool = False
    part: str = ""
    most: int = 1
    modes: tuple[str, ...] = ()
    main: bool = False
    sections: tuple[Section, ...] = ()
    group: str = ""

    @property
    def title(self) -> str:
        """What stands above it; "" for none."""
        return self.group or SECTION_TITLES.get(self.id, "")

    @property
    def paths(self) -> tuple[str, ...]:
        """Every field in it and in the sections inside, in order."""
        own = (name for item in self.items for name in ((item,) if isinstance(item, str) else item))
        inner = (path for section in self.sections for path in section.paths)
        return (*(name for name in own if not name.startswith("@")), *inner)


@dataclass(frozen=True, slots=True)
class Tool:
    """The form of a task: ``task`` is a frozen dataclass with a code, by which the words have what its button says.
    ``prefix`` stands before the paths of its fields in the words ("" when the task has parts, whose names tell them
    apart). Without ``sections`` every field is shown, in the groups of the words. ``hidden``: fields that keep their
    defaults. ``finish``: the last touch to the task that the form gave, before it is queued. ``begin``: values
    by path that it opens with, instead of the defaults. ``tries``: a kind of task made of ``task`` alone, which shows
    what that would give; it has a button of its own. ``remembers``: it opens as it was last used, since what was begun
    goes on only with the same values.
    """

    task: type[Any]
    prefix: str = ""
    hidden: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    finish: Callable[[Any], Any] | None = None
    begin: Callable[[Lists], Mapping[str, Any]] | None = None
    tries: type[Any] | None = None
    remembers: bool = False

    @property
    def verb(self) -> str:
        """What its button says."""
        return VERBS[self.task.code]

    @property
    def codes(self) -> tuple[str, ...]:
        """The kinds of work that it asks for."""
        return (self.task.code, *([self.tries.code] if self.tries else []))

    @property
    def trying(self) -> str:
        """What the button says that only tries; "" where there is none."""
        return VERBS[self.tries.code] if self.tries else ""

    def finished(self, task: Any, *, trying: bool = False) -> Task:
        """What is queued when the form gave ``task``."""
        done: Task = self.finish(task) if self.finish else task
        return self.tries(done) if trying and self.tries else done

    def opening(self, lists: Lists) -> dict[str, Any]:
        """What the form's controls show at first, by path."""
        places = {section.part: section.most for section in every_section(self.shown()) if section.most > 1}
        return shown(self.task, places=places) | dict(self.begin(lists) if self.begin else {})

    def shown(self) -> tuple[Section, ...]:
        """The sections of the form."""
        return self.sections or tuple(grouped(self.task, self.prefix, self.hidden))


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab; its words are found by its ``id``. ``icon`` is a name in lucide; ``new`` begins a group."""

    id: str
    icon: str
    kind: TabKind
    tool: Tool | None = None
    new: bool = False

    @property
    def title(self) -> str:
        """What its button says."""
        return TAB_WORDS[self.id][0]

    @property
    def hint(self) -> str:
        """In a line, what it is for."""
        return TAB_WORDS[self.id][1]


@dataclass(frozen=True, slots=True)
class Script:
    """Something that makes many tasks or one long one of a request: A1111's scripts, at the foot of the form.

    ``settings`` is a frozen dataclass, drawn like a tool under the ``prefix`` of its fields' words; ``task`` makes the
    work from the request and the settings. ``hint`` says in a sentence what it is for.
    """

    id: str
    title: str
    settings: type[Any]
    task: Callable[[GenerationRequest, Any], Task]
    prefix: str = ""
    modes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    hint: str = ""

    def shown(self) -> tuple[Section, ...]:
        """The sections of its settings."""
        return self.sections or tuple(grouped(self.settings, self.prefix or self.id))


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that a face draws. ``bar``: the fields always in sight above the tabs (A1111's quicksettings)."""

    bar: tuple[str, ...]
    tabs: tuple[Tab, ...]
    generation: tuple[Section, ...]
    scripts: tuple[Script, ...] = ()

    @property
    def modes(self) -> tuple[str, ...]:
        """The tabs that show the generation form."""
        return tuple(tab.id for tab in self.tabs if tab.kind is TabKind.GENERATE)

    def tab(self, name: str) -> Tab:
        """The tab called ``name``. Raises ``KeyError``."""
        return next(iter(tab for tab in self.tabs if tab.id == name), None) or _missing(name)

    def with_bar(self, paths: Sequence[str]) -> Layout:
        """The same with other fields in the bar; those that leave it stand first among the advanced ones. Without
        ``paths`` that exist it stays as it is."""
        bar = tuple(path for path in paths if path in barred())
        if not bar or bar == self.bar:
            return self
        left = tuple(path for path in self.bar if path not in bar)
        sections = tuple(
            replace(one, items=(*left, *one.items)) if one.id == "advanced" else one for one in self.generation
        )
        return replace(self, bar=bar, generation=tuple(_without(section, bar) for section in sections))

    def with_units(self, count: int) -> Layout:
        """The same with ``count`` units of ControlNet."""
        sections = tuple(replace(one, most=count) if one.part == "control" else one for one in self.generation)
        return self if sections == self.generation else replace(self, generation=sections)

    def form_paths(self) -> tuple[str, ...]:
        """Every field of the request that the faces show, each once, as the table has it."""
        return (*self.bar, *(path for section in self.generation for path in section.paths))


def units_on(part: str, values: Mapping[str, Any]) -> int:
    """How many units of a part that repeats are on in a form."""
    switches = (path for path, value in values.items() if value is True)
    return sum(1 for path in switches if path.rpartition(".")[0] == part and path.rpartition(".")[2].isdigit())


def _missing(name: str) -> Tab:
    raise KeyError(name)


def barred() -> tuple[str, ...]:
    """The fields that may stand in the bar: those of no part, and the fine adjustments."""
    alone = (*LAYOUT.bar, "sampler", "schedule", "steps", "cfg_scale", "tiling", "noise_origin")
    return (*alone, *(path for path in FIELDS if path.startswith("tuning.")))


def _without(section: Section, paths: Sequence[str]) -> Section:
    """``section`` without the fields at ``paths``, nor lines that they leave empty."""
    lines = (
        item if isinstance(item, str) else tuple(one for one in item if one not in paths) for item in section.items
    )
    return replace(
        section,
        items=tuple(line for line in lines if line and line not in paths),
        sections=tuple(_without(inner, paths) for inner in section.sections),
    )


def every_section(sections: tuple[Section, ...]) -> Iterator[Section]:
    """``sections`` and those inside, in order."""
    for section in sections:
        yield section
        yield from every_section(section.sections)


def grouped(kind: type[Any], prefix: str = "", hidden: tuple[str, ...] = ()) -> Iterator[Section]:
    """The fields of the dataclass ``kind`` (paths as in its own table) as sections, by the groups of their words; the
    first group is open, the others folded. Parts that may be absent or repeat become sections of their own."""
    groups: dict[tuple[str, str], list[str]] = {}
    parts = parts_of(kind)
    for path in table_of(kind):
        if path in hidden or path.split(".")[0] in hidden:
            continue
        own = next((part for part in parts if path.startswith(f"{part}.") and _stands_alone(kind, part)), "")
        words = FIELD_WORDS.get(f"{prefix}.{path}" if prefix else path)
        groups.setdefault((own, "" if own else words.group if words else ""), []).append(path)
    for place, ((own, title), paths) in enumerate(groups.items()):
        part = parts[own] if own else None
        label = part_label(own, prefix)
        yield Section(
            id=own.replace(".", "-") or f"g{place}",
            group=label if own else title if place else "",
            items=tuple(paths),
            folded=place > 0,
            part=own,
            most=3 if part and part.many else 1,
        )


def _stands_alone(kind: type[Any], part: str) -> bool:
    found = parts_of(kind)[part]
    return found.optional or found.many


# --- The form of a generation -------------------------------------------------------------------------------------


def _tuning(id: str, *paths: str) -> Section:
    return Section(id, tuple(f"tuning.{path}" for path in paths), folded=True)


DETAILS = Section(
    "details",
    items=(
        "details.model",
        "details.prompt",
        "details.negative_prompt",
        ("details.strength", "details.confidence"),
    ),
    part="details",
    most=2,
    sections=(
        Section(
            "details-what",
            (
                "details.classes",
                ("details.most", "details.choice"),
                ("details.min_ratio", "details.max_ratio"),
                ("details.grow", "details.blur"),
                ("details.x_offset", "details.y_offset"),
                "details.merge",
            ),
            folded=True,
        ),
        Section(
            "details-how",
            (
                ("details.only_masked", "details.padding"),
                ("details.width", "details.height"),
                ("details.steps", "details.cfg_scale"),
                ("details.sampler", "details.schedule"),
                ("details.control_model", "details.control_module"),
                "details.control_weight",
                "details.restore_faces",
                ("details.control_start", "details.control_end"),
            ),
            folded=True,
        ),
    ),
)
"""The detail pass, wherever pictures are finished."""

GENERATION: tuple[Section, ...] = (
    Section("prompts", items=("prompt", "negative_prompt", "@paste", "@remarks", "@styles", "@loras"), main=True),
    Section(
        "source",
        ("init.images", "@init_size", "init.strength", "init.resize_mode"),
        modes=("img2img",),
        main=True,
        sections=(
            Section(
                "inpaint",
                items=(
                    "init.inpaint.mask",
                    "init.inpaint.content",
                    "init.inpaint.only_masked",
                    "init.inpaint.padding",
                    "init.inpaint.inverted",
                    ("init.inpaint.blur_x", "init.inpaint.blur_y"),
                ),
                part="init.inpaint",
                sections=(
                    Section(
                        "mask-more",
                        ("init.inpaint.overlay", "init.inpaint.rounded", "init.inpaint.condition_weight"),
                        folded=True,
                    ),
                    Section(
                        "mask-soft",
                        (
                            "init.inpaint.soft",
                            ("init.inpaint.soft_bias", "init.inpaint.soft_preservation"),
                            ("init.inpaint.soft_contrast", "init.inpaint.soft_influence"),
                            ("init.inpaint.soft_threshold", "init.inpaint.soft_difference"),
                        ),
                        folded=True,
                    ),
                ),
            ),
            Section(
                "init-more",
                (
                    "init.image_cfg_scale",
                    "init.color_correction",
                    "init.exact_steps",
                    "init.upscaler",
                    "init.noise_multiplier",
                    "init.background",
                ),
                folded=True,
            ),
        ),
    ),
    Section(
        "parameters",
        items=(
            ("sampler", "schedule"),
            "steps",
            "speed",
            "@few_steps",
            "width",
            "height",
            "@size_chips",
            "cfg_scale",
            "batch_count",
            "batch_size",
            ("seed", "@seed"),
        ),
    ),
    Section(
        "hires",
        items=("hires.upscaler", "hires.scale", "hires.strength", "hires.steps"),
        part="hires",
        modes=("txt2img",),
        sections=(
            Section(
                "hires-more",
                (
                    ("hires.width", "hires.height"),
                    ("hires.checkpoint", "hires.cfg_scale"),
                    ("hires.sampler", "hires.schedule"),
                    "hires.prompt",
                    "hires.negative_prompt",
                ),
                folded=True,
            ),
        ),
    ),
    Section(
        "refiner",
        items=("refiner.checkpoint", "refiner.switch_at", "refiner.passes", "refiner.by_steps"),
        part="refiner",
    ),
    Section("freeu", items=("freeu.b1", "freeu.b2", "freeu.s1", "freeu.s2"), part="freeu"),
    Section(
        "controlnet",
        items=(
            "control.images",
            "control.drawing",
            "control.kind",
            ("control.module", "control.model"),
            "@control_files",
            "control.weight",
            ("control.start", "control.end"),
            "control.mode",
            "control.resize",
            "control.pixel_perfect",
        ),
        part="control",
        most=STANDARD_UNITS,
        sections=(
            Section(
                "controlnet-more",
                (
                    "control.resolution",
                    ("control.threshold_a", "control.threshold_b"),
                    "control.passes",
                    "control.mask",
                    "control.region",
                    "control.pictures",
                    "control.crop_to_mask",
                    "control.loopback",
                    "control.save_map",
                    "control.title",
                ),
                folded=True,
            ),
        ),
    ),
    DETAILS,
    Section(
        "regions",
        items=("regions.divisions", "regions.positions", "regions.weights", "regions.end"),
        part="regions",
    ),
    Section(
        "advanced",
        items=(("tiling", "restore_faces"),),
        folded=True,
        sections=(
            Section(
                "variation",
                (
                    "variation.seed",
                    "variation.strength",
                    ("variation.resize_width", "variation.resize_height"),
                    "noise_origin",
                ),
                folded=True,
            ),
            _tuning(
                "tuning-prompt",
                "emphasis",
                "comma_backtrack",
                "old_prompt_editing",
                "pad_conditions",
                "pad_conditions_v0",
            ),
            _tuning(
                "tuning-sampler",
                "eta",
                "eta_ddim",
                "tcd_gamma",
                "ensd",
                "sigma_churn",
                "sigma_tmin",
                "sigma_tmax",
                "sigma_noise",
                "unipc_variant",
                "unipc_skip_type",
                "unipc_order",
                "unipc_lower_order_final",
            ),
            _tuning(
                "tuning-schedule",
                "schedule_min_sigma",
                "schedule_max_sigma",
                "schedule_rho",
                "beta_alpha",
                "beta_beta",
                "old_karras_sigmas",
                "discard_penultimate",
                "sgm_noise_multiplier",
                "quantize",
            ),
            _tuning(
                "tuning-negative",
                "ngms",
                "skip_early_cfg",
                "cfg_rescale",
                "extra_noise",
                "classic_inpainting",
                "ngms_all",
            ),
            _tuning(
                "tuning-speed",
                "forecast",
                "cpu_precision",
                "token_merging",
                "token_merging_hires",
            ),
            _tuning(
                "tuning-model",
                "noise_schedule",
                "vae_encoder",
                "vae_decoder",
                "fp8",
                "eight_bits",
                "cache_fp16",
                "downcast_alphas",
            ),
            _tuning(
                "tuning-sdxl",
                "sdxl_crop_top",
                "sdxl_crop_left",
                "refiner_low_score",
                "refiner_high_score",
                "sdxl_clip_l_skip",
            ),
            Section("defaults", items=("@reset_tuning", "@defaults")),
        ),
    ),
    Section("scripts", items=("@scripts",)),
)


def _with_infotexts(task: Enlarge) -> Enlarge:
    """Raises ``InitImageMissing`` where there is nothing to enlarge."""
    if not task.pictures and not task.folder:
        raise InitImageMissing()
    return replace(task, infotexts=tuple(map(infotext_of, task.pictures)))


def _best_upscaler(lists: Lists) -> dict[str, str]:
    """A network when there is one that can run here."""
    return {"enlargement.upscaler": best_upscaler(lists("upscalers"), networks=networks_run())}


EXTRAS = Tool(
    Enlarge,
    hidden=("infotexts", "save", "enlargement.in_eights", "details.enabled"),
    finish=_with_infotexts,
    begin=_best_upscaler,
    sections=(
        Section(
            "extras",
            items=("pictures", "folder", "enlargement.upscaler", "enlargement.scale", "enlargement.gfpgan_visibility"),
        ),
        Section(
            "extras-more",
            (
                "enlargement.max_side",
                ("enlargement.width", "enlargement.height"),
                "enlargement.crop",
                "enlargement.second",
                "enlargement.second_visibility",
            ),
            folded=True,
        ),
        DETAILS,
        Section("split", (("split.width", "split.height"), "split.threshold", "split.overlap"), part="split"),
        Section(
            "focal",
            (("focal.width", "focal.height"), "focal.faces", "focal.entropy", "focal.edges"),
            part="focal",
        ),
        Section(
            "sized",
            (
                ("sized.low", "sized.high"),
                ("sized.min_area", "sized.max_area"),
                "sized.objective",
                "sized.error",
            ),
            part="sized",
        ),
        Section("flip", ("flip.horizontal", "flip.vertical", "flip.both"), part="flip"),
        Section("caption", ("caption.tagger", "caption.threshold"), part="caption"),
    ),
)

# --- Scripts --------------------------------------------------------------------------------------------------------


def _named(task: Callable[[GenerationRequest, Any], Grid]) -> Callable[[GenerationRequest, Any], Grid]:
    """``task`` with a name of its own, by which it goes on after a process that died."""

    def named(request: GenerationRequest, settings: Any) -> Grid:
        made = task(request, settings)
        return Grid(made.request, made.script, made.dynamic, secrets.token_hex(8), made.plan)

    return named


def _gone_on_with(request: GenerationRequest, settings: ContinuePlan) -> Grid:
    """Raises ``PlanNotChosen``."""
    if not settings.plan:
        raise PlanNotChosen
    return Grid(request, plan=Path(settings.plan))


_XYZ = (
    Section(
        "xyz",
        items=(
            ("x_axis", "@fill:x"),
            "x_values",
            "@pick:x",
            ("y_axis", "@fill:y"),
            "y_values",
            "@pick:y",
            ("z_axis", "@fill:z"),
            "z_values",
            "@pick:z",
            "@swap",
            "@compare_loras",
        ),
    ),
    Section(
        "xyz-more",
        (
            "legend",
            "sub_images",
            "sub_grids",
            "keep_random",
            "vary_seeds_x",
            "vary_seeds_y",
            "vary_seeds_z",
            "margin",
            "page",
            "webp",
        ),
        folded=True,
    ),
)

_ULTIMATE = (
    Section(
        "ultimate",
        items=(
            "target",
            "scale",
            "width",
            "height",
            "upscaler",
            "redraw",
            "tile_width",
            "tile_height",
            "mask_blur",
            "padding",
        ),
    ),
    Section(
        "ultimate-seams",
        ("seams_fix", "seams_strength", "seams_width", "seams_mask_blur", "seams_padding", "save_upscaled"),
        folded=True,
    ),
)

_LINES = (Section("lines", items=("text", "@lines_file", "insert", "iterate_seed", "same_random_seed", "combined")),)

_SECTIONS = {XyzPlot: _XYZ, Ultimate: _ULTIMATE, PromptLines: _LINES}

SCRIPT_ROWS: tuple[Script, ...] = (
    *(
        Script(
            id=kind.code,
            title=kind.title,
            settings=kind,
            task=_named(Grid),
            modes=("img2img",) if kind in NEED_PICTURE else (),
            sections=_SECTIONS.get(kind, ()),
            hint=SCRIPT_NOTES[kind.code],
        )
        for kind in SCRIPTS
    ),
    Script(
        id=DynamicPrompts.code,
        title=SCRIPT_TITLES[DynamicPrompts.code],
        settings=DynamicPrompts,
        task=_named(lambda request, settings: Grid(request, None, settings)),
        hint=SCRIPT_NOTES["dynamic"],
    ),
    Script(
        id=ContinuePlan.code,
        title=SCRIPT_TITLES[ContinuePlan.code],
        settings=ContinuePlan,
        task=_named(_gone_on_with),
        hint=SCRIPT_NOTES["continue"],
    ),
)
"""In the order of the list."""


def _first_of(**listed: str) -> Callable[[Lists], dict[str, str]]:
    """A form that opens with the first of a list in each of the fields named."""
    return lambda lists: {path: next(iter(lists(name)), "") for path, name in listed.items()}


_OF_THE_GUIDE = (("heaven", "7th"), ("abyssorange", "abyss orange", "aom3"))
"""Words in the names of the two models that the guide's author mixed."""


def _heaven_orange(lists: Lists) -> dict[str, Any]:
    """The guide's own mixture when both of its models are here, else a merge of the first one."""
    names = [name for name in lists("checkpoints") if "heavenorange" not in name.casefold().replace(" ", "")]
    found = [next((one for one in names if any(word in one.casefold() for word in of)), "") for of in _OF_THE_GUIDE]
    if not all(found) or found[0] == found[1]:
        return dict(_first_of(primary="checkpoints")(lists))
    return {"primary": found[0], "secondary": found[1], "multiplier": 0.5, "name": "heaven-orange-mix"}


MERGE = Tool(Merge, prefix="merge", begin=_heaven_orange, tries=TryMerge)
EXTRACT = Tool(Extract, prefix="extract")
COMBINE = Tool(CombineLoras, prefix="combine", begin=_first_of(first="loras"))
CONVERT = Tool(Convert, prefix="convert", begin=_first_of(checkpoint="checkpoints"))


TRAIN = Tool(
    TrainLora,
    prefix="train",
    remembers=True,
    begin=_first_of(project="training_projects", checkpoint="checkpoints"),
    sections=(
        Section("train", items=("project", "checkpoint")),
        Section("train-steps", ("epochs", "batch_size", "save_every")),
        Section("train-learning", ("unet_rate", "dim", "alpha", "keep_tokens")),
        Section("train-files", ("resolution", "repeats", "shuffle", "flip"), folded=True),
        Section(
            "train-more",
            (
                ("text_rate", "optimizer"),
                "scheduler",
                "scheduler_value",
                "warmup",
                "min_snr",
                "network",
                "conv_dim",
                "conv_alpha",
                "save_last",
                "seed",
                "samples",
            ),
            folded=True,
        ),
    ),
)

TRY_LORA = Tool(
    TryLora,
    prefix="try_lora",
    begin=_first_of(project="trained_projects"),
    sections=(Section("try", items=("project", "prompt", "weights", "count", "steps")),),
)

PICTURES = Tool(
    PreparePictures,
    prefix="pictures",
    begin=_first_of(project="training_projects"),
    sections=(
        Section("pictures", items=("project", "work")),
        Section("pictures-tagger", ("tagger", "threshold", "only_bare", "characters", "undesired")),
    ),
)

DESCRIBE = Tool(Describe, prefix="describe")
DETECT = Tool(Detect, prefix="detect", hidden=("save", "mask"))

LAYOUT = Layout(
    bar=("checkpoint", "vae", "clip_skip"),
    tabs=(
        Tab("txt2img", "sparkles", TabKind.GENERATE),
        Tab("img2img", "image", TabKind.GENERATE),
        Tab("extras", "expand", TabKind.TOOL, EXTRAS),
        Tab(
            "galeria",
            "images",
            TabKind.ROOM,
            new=True,
        ),
        Tab("cola", "list-ordered", TabKind.ROOM),
        Tab("pnginfo", "file-search", TabKind.PNG_INFO),
        Tab(
            "cartas",
            "layout-grid",
            TabKind.ROOM,
            new=True,
        ),
        Tab("descargas", "download", TabKind.DOWNLOADS),
        Tab("comodines", "list-ordered", TabKind.WILDCARDS),
        Tab(
            "zonas",
            "layout-grid",
            TabKind.ROOM,
            new=True,
        ),
        Tab("poses", "brush", TabKind.ROOM),
        Tab("mapas", "scan", TabKind.TOOL, DETECT),
        Tab(
            "describir",
            "file-search",
            TabKind.TOOL,
            DESCRIBE,
        ),
        Tab(
            "mezclar",
            "blend",
            TabKind.TOOL,
            MERGE,
        ),
        Tab(
            "extraer",
            "puzzle",
            TabKind.TOOL,
            EXTRACT,
        ),
        Tab("sumar", "blend", TabKind.TOOL, COMBINE),
        Tab(
            "convertir",
            "wrench",
            TabKind.TOOL,
            CONVERT,
        ),
        Tab(
            "imagenes",
            "image-up",
            TabKind.TOOL,
            PICTURES,
            new=True,
        ),
        Tab(
            "etiquetas",
            "bookmark",
            TabKind.ROOM,
        ),
        Tab("entrenar", "graduation-cap", TabKind.TOOL, TRAIN),
        Tab(
            "probar",
            "clipboard-check",
            TabKind.TOOL,
            TRY_LORA,
        ),
        Tab(
            "guia",
            "book-open",
            TabKind.ROOM,
            new=True,
        ),
        Tab(
            "sesion",
            "hard-drive-download",
            TabKind.ROOM,
        ),
        Tab(
            "ajustes",
            "settings",
            TabKind.ROOM,
        ),
    ),
    generation=GENERATION,
    scripts=SCRIPT_ROWS,
)
"""The layout of the program as it comes."""
