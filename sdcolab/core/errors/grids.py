"""What scripts cannot do as they were asked to: plans of many pictures, tiles, prompts with random parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class GridError(SdcolabError):
    """A script cannot run as it was asked to."""


@dataclass(eq=False)
class AxisUnknown(GridError):
    """There is no such axis for this kind of generation."""

    code: ClassVar[str] = "grids.axis_unknown"
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class AxisOfOtherTab(GridError):
    """The axis is there, but not for this kind of generation; ``tab`` is the one that has it."""

    code: ClassVar[str] = "grids.axis_of_other_tab"
    axis: str
    tab: str


@dataclass(eq=False)
class AxisUnavailable(GridError):
    """The axis changes something that this version cannot do."""

    code: ClassVar[str] = "grids.axis_unavailable"
    axis: str


@dataclass(eq=False)
class AxisWithoutEffect(GridError):
    """An axis changes a part that the request does not have, such as a hires pass: all its cells are alike."""

    code: ClassVar[str] = "grids.axis_without_effect"
    axis: str


@dataclass(eq=False)
class AxisWithoutLora(GridError):
    """An axis weighs the LoRA of prompts that have none: all its cells are alike."""

    code: ClassVar[str] = "grids.axis_without_lora"
    axis: str


@dataclass(eq=False)
class AxisEmpty(GridError):
    """An axis was chosen and has no values."""

    code: ClassVar[str] = "grids.axis_empty"
    axis: str


@dataclass(eq=False)
class AxisValueUnreadable(GridError):
    """A value of an axis is no number and no range of them."""

    code: ClassVar[str] = "grids.axis_value_unreadable"
    axis: str
    value: str


@dataclass(eq=False)
class AxisSizeUnreadable(GridError):
    """A value of an axis is no size."""

    code: ClassVar[str] = "grids.axis_size_unreadable"
    axis: str
    value: str


@dataclass(eq=False)
class AxisSwitchUnreadable(GridError):
    """A value of an axis says neither yes nor no."""

    code: ClassVar[str] = "grids.axis_switch_unreadable"
    axis: str
    value: str


@dataclass(eq=False)
class AxisDecimalComma(GridError):
    """A number on an axis seems to be written with a comma, which divides values; ``values`` is what was read."""

    code: ClassVar[str] = "grids.axis_decimal_comma"
    axis: str
    values: tuple[str, ...]


@dataclass(eq=False)
class AxisValueUnknown(GridError):
    """A value of an axis is not one of those that there are."""

    code: ClassVar[str] = "grids.axis_value_unknown"
    axis: str
    value: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class TooManyAxisValues(GridError):
    """An axis has more values than anybody can wait for."""

    code: ClassVar[str] = "grids.too_many_axis_values"
    axis: str
    limit: int


@dataclass(eq=False)
class TooManyOrders(GridError):
    """More phrases than can be put in every order; ``limit`` of them can."""

    code: ClassVar[str] = "grids.too_many_orders"
    axis: str
    limit: int


@dataclass(eq=False)
class TooManyCells(GridError):
    """A plan would make more pictures than anybody can wait for."""

    code: ClassVar[str] = "grids.too_many_cells"
    count: int
    limit: int


@dataclass(eq=False)
class ResultTooLarge(GridError):
    """A script was asked for a picture larger than it can make; ``megapixels`` is its size."""

    code: ClassVar[str] = "grids.result_too_large"
    megapixels: int
    limit: int


@dataclass(eq=False)
class SearchTextMissing(GridError):
    """Prompt S/R looks for a text that neither prompt has."""

    code: ClassVar[str] = "grids.search_text_missing"
    text: str


@dataclass(eq=False)
class MatrixWithoutParts(GridError):
    """A matrix is asked for of a prompt that no sign divides: one picture comes of it."""

    code: ClassVar[str] = "grids.matrix_without_parts"


@dataclass(eq=False)
class ScriptNeedsPicture(GridError):
    """The script works on a picture, and there is none."""

    code: ClassVar[str] = "grids.script_needs_picture"
    script: str


@dataclass(eq=False)
class ScriptEmpty(GridError):
    """The script was given nothing to make."""

    code: ClassVar[str] = "grids.script_empty"
    script: str


@dataclass(eq=False)
class DirectionMissing(GridError):
    """A picture shall be continued, and nobody says where."""

    code: ClassVar[str] = "grids.direction_missing"


@dataclass(eq=False)
class ScriptNotPlanned(GridError):
    """The pictures of the script follow from one another: there is no list of them beforehand."""

    code: ClassVar[str] = "grids.script_not_planned"
    script: str


@dataclass(eq=False)
class ScriptUnknown(GridError):
    """There is no script of this name."""

    code: ClassVar[str] = "grids.script_unknown"
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class ScriptOption(GridError):
    """An option of a script is not one of those that there are."""

    code: ClassVar[str] = "grids.script_option"
    script: str
    option: str
    value: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class LineOptionsUnread(GridError):
    """A line of prompts has options that cannot be read, and is all prompt."""

    code: ClassVar[str] = "grids.line_options_unread"
    line: str


@dataclass(eq=False)
class ScriptHasNoOption(GridError):
    """A script has no option of this name; ``known`` are those it has."""

    code: ClassVar[str] = "grids.script_has_no_option"
    script: str
    option: str
    known: tuple[str, ...] = ()


@dataclass(eq=False)
class PlanUnreadable(GridError):
    """A file is no plan of a grid."""

    code: ClassVar[str] = "grids.plan_unreadable"
    path: Path


@dataclass(eq=False)
class CellFailed(GridError):
    """One picture of a plan could not be made; the others go on. ``detail`` says why, for people."""

    code: ClassVar[str] = "grids.cell_failed"
    cell: str
    detail: str


@dataclass(eq=False)
class CellsFailed(GridError):
    """``count`` pictures of a plan (2 or more) could not be made for one reason. ``cell`` is the first of them, whose
    own ``CellFailed`` this supersedes; ``detail`` says why, for people."""

    code: ClassVar[str] = "grids.cells_failed"
    cell: str
    count: int
    detail: str

    def supersedes(self, told: SdcolabError) -> bool:
        return isinstance(told, CellFailed) and (told.cell, told.detail) == (self.cell, self.detail)


@dataclass(eq=False)
class WildcardMissing(GridError):
    """A prompt names a wildcard that no file has."""

    code: ClassVar[str] = "grids.wildcard_missing"
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class VariableMissing(GridError):
    """A prompt uses a variable that was never set."""

    code: ClassVar[str] = "grids.variable_missing"
    name: str


@dataclass(eq=False)
class PromptTooDeep(GridError):
    """A prompt's random parts contain themselves, or are nested too deep, or grow too long."""

    code: ClassVar[str] = "grids.prompt_too_deep"


@dataclass(eq=False)
class TemplateBroken(GridError):
    """A Jinja2 template cannot be read or run; ``detail`` is what Jinja2 says."""

    code: ClassVar[str] = "grids.template_broken"
    detail: str


@dataclass(eq=False)
class WildcardRefused(GridError):
    """A wildcard file cannot have this name, place or size."""

    code: ClassVar[str] = "grids.wildcard_refused"
    name: str


@dataclass(eq=False)
class SymbolWithoutScript(GridError):
    """A prompt has marks that only a script understands, and no script is on: they are read as text."""

    code: ClassVar[str] = "grids.symbol_without_script"
    mark: str
    script: str


@dataclass(eq=False)
class PlanNotChosen(GridError):
    """A plan should be gone on with and none was chosen."""

    code: ClassVar[str] = "grids.plan_not_chosen"


@dataclass(eq=False)
class NothingToCompare(GridError):
    """A LoRA should be compared and none was chosen."""

    code: ClassVar[str] = "grids.nothing_to_compare"
