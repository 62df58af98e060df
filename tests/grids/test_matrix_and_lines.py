"""Prompt matrices and prompts from a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.names import ListedNames

from sdcolab.core.errors import ScriptEmpty, ScriptOption, TooManyCells
from sdcolab.core.names import SAMPLER_NAMES
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import Delimiter, Grid, Insert, PromptLines, PromptMatrix, Which
from sdcolab.grids import lines, matrix
from sdcolab.grids.dynamic.nodes import Wildcards
from sdcolab.grids.plan import Legend
from sdcolab.grids.scripts import prepare

NAMES = ListedNames(
    {"samplers": SAMPLER_NAMES, "schedules": ("Automatic", "Karras"), "checkpoints": ("uno", "dos")},
    {"foto": Style("foto", "photo")},
)


def prompts(request: GenerationRequest, settings: PromptMatrix) -> list[str]:
    return [cell.request.prompt for cell in matrix.plan(request, settings).cells if cell.request]


def test_the_guides_matrix() -> None:
    request = GenerationRequest(prompt="young man|tree, grass|city", seed=3)
    plotted = matrix.plan(request, PromptMatrix())
    assert prompts(request, PromptMatrix()) == [
        "young man",
        "young man, tree, grass",
        "young man, city",
        "young man, tree, grass, city",
    ]
    assert plotted.sheet and (plotted.sheet.columns, plotted.sheet.rows) == (2, 2)
    assert plotted.sheet.column_legends == ((Legend("tree, grass", False),), (Legend("tree, grass"),))
    assert plotted.sheet.row_legends == ((Legend("city", False),), (Legend("city"),))
    assert {cell.request.seed for cell in plotted.cells if cell.request} == {3}


def test_matrix_options() -> None:
    request = GenerationRequest(prompt="a cat|red ,|on a sofa", negative_prompt="x|y", seed=3)
    start = PromptMatrix(at_start=True, delimiter=Delimiter.SPACE, different_seeds=True)
    assert prompts(request, start) == ["a cat", "red  a cat", "on a sofa a cat", "red  on a sofa a cat"]
    assert [cell.request.seed for cell in matrix.plan(request, start).cells if cell.request] == [3, 4, 5, 6]
    negative = matrix.plan(request, PromptMatrix(which=Which.NEGATIVE))
    assert [cell.request.negative_prompt for cell in negative.cells if cell.request] == ["x", "x, y"]
    assert len(matrix.plan(GenerationRequest(prompt="solo"), PromptMatrix()).cells) == 1
    with pytest.raises(TooManyCells):
        matrix.plan(GenerationRequest(prompt="|" * 400), PromptMatrix())


def test_one_job_a_line_with_its_options() -> None:
    text = (
        "a red cat\n\n"
        '--prompt "a dog" --steps 5 --cfg_scale 3.5 --width 64 --tiling true --seed 9 --sampler_name ddim\n'
        "--negative_prompt ugly hands --batch_size 2 --sd_model dos --styles foto\n"
        "--prompt x --do_not_save_samples true --sampler_index 1 --s_min_uncond 2.5 --scheduler karras\n"
        "--prompt y --width 100 --sampler_name 'DPM++ 2M Karras'\n"
        "--broken option\n"
        "--prompt 'no closing quote\n"
        "a -- b"
    )
    request = GenerationRequest(prompt="base", negative_prompt="blurry", seed=100)
    cells = lines.plan(request, PromptLines(text), NAMES).cells
    jobs = [cell.request for cell in cells if cell.request]
    assert [job.prompt for job in jobs] == [
        "a red cat base",
        "a dog base",
        "base, photo",
        "x base",
        "y base",
        "--broken option base",
        "--prompt 'no closing quote base",
        "a -- b base",
    ]
    assert (jobs[1].steps, jobs[1].cfg_scale, jobs[1].width, jobs[1].tiling, jobs[1].seed) == (5, 3.5, 64, True, 9)
    assert jobs[1].sampler == "DDIM"
    assert (jobs[2].negative_prompt, jobs[2].batch_size, jobs[2].checkpoint) == ("ugly hands blurry", 2, "dos")
    assert (cells[3].save, jobs[3].sampler) == (False, SAMPLER_NAMES[1])
    assert (jobs[4].width, jobs[4].sampler, jobs[4].schedule) == (96, "DPM++ 2M", "Karras")
    assert (jobs[3].tuning.ngms, jobs[3].schedule) == (2.5, "Karras")


def test_seeds_of_lines_and_the_sheet() -> None:
    request = GenerationRequest(prompt="", seed=-1, batch_size=2)
    settings = PromptLines("a\nb\nc", iterate_seed=True, combined=True, insert=Insert.END)
    plotted = lines.plan(request, settings, NAMES, lambda: 50)
    assert [cell.request.seed for cell in plotted.cells if cell.request] == [50, 52, 54]
    assert plotted.sheet and (plotted.sheet.columns, plotted.sheet.rows) == (2, 2)
    assert [cell.at for cell in plotted.cells] == [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
    once = lines.plan(request, PromptLines("\ufeffa\nb", same_random_seed=True), NAMES, lambda: 50)
    assert [cell.request.prompt for cell in once.cells if cell.request] == ["a", "b"]
    assert [cell.request.seed for cell in once.cells if cell.request] == [50, 50]
    assert once.sheet is None
    with pytest.raises(ScriptEmpty):
        lines.plan(request, PromptLines(" \n "), NAMES)


@pytest.mark.parametrize("line", ["--sampler_name Eulr", "--sampler_index 99", "--sd_model tres"])
def test_names_of_lines_are_checked(line: str) -> None:
    with pytest.raises(ScriptOption):
        lines.plan(GenerationRequest(), PromptLines(line), NAMES)


def test_a_style_that_nobody_has_is_told_and_left_out() -> None:
    settings = PromptLines("--prompt gato --styles mar\n--prompt perro --styles 'FOTO, mar, fato'")
    prepared = prepare(Grid(GenerationRequest(), settings), NAMES, Wildcards(), lambda: 5)
    assert prepared.plan
    assert [cell.request.prompt for cell in prepared.plan.cells if cell.request] == ["gato", "perro, photo"]
    told = [warning.facts() for warning in prepared.warnings]
    assert [(fact["option"], fact["value"], fact["suggestions"]) for fact in told] == [
        ("--styles", "mar", ()),
        ("--styles", "fato", ("foto",)),
    ]


def test_options_that_cannot_be_read_are_told() -> None:
    unread = ['--prompt "gato', "--prompt perro --volar 3", "--steps muchos --prompt pez", "mar --steps 3"]
    read = ["gato -- perro", "--prompt sol --steps 3", "—prompt “la luna” —steps 4"]
    prepared = prepare(Grid(GenerationRequest(), PromptLines("\n".join(unread + read))), NAMES, Wildcards(), lambda: 5)
    assert [warning.facts()["line"] for warning in prepared.warnings] == unread
    assert prepared.plan
    jobs = [cell.request for cell in prepared.plan.cells if cell.request]
    assert [job.prompt for job in jobs] == [*unread, "gato -- perro", "sol", "la luna"]
    assert jobs[-1].steps == 4


@given(st.text() | st.text("-- abc\"'\\=prompt seed1"))
def test_options_of_any_line(line: str) -> None:
    assert lines.options_of(line)
