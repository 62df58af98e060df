"""X/Y/Z plots: cells, order, seeds, legends and what is told before the first cell."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from support.names import ListedNames

from sdcolab.core.errors import (
    AxisEmpty,
    AxisOfOtherTab,
    AxisSizeUnreadable,
    AxisSwitchUnreadable,
    AxisUnknown,
    AxisValueUnknown,
    CellFailed,
    FieldOutOfRange,
    SearchTextMissing,
    TooManyCells,
    TooManyOrders,
)
from sdcolab.core.names import SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest, Hires, InitImage, NoiseOrigin
from sdcolab.core.scripts import XyzPlot
from sdcolab.core.tuning import Fp8, Tuning
from sdcolab.grids.axes import AXES, Kind, axis_called, idle, in_groups, of_tab
from sdcolab.grids.plan import Legend, Plan
from sdcolab.grids.xyz import plan

NAMES = ListedNames(
    {
        "samplers": SAMPLER_NAMES,
        "schedules": SCHEDULE_NAMES,
        "checkpoints": ("anime/uno.safetensors", "dos.ckpt", "tres [abcd1234]"),
        "vaes": ("kl-f8.safetensors",),
        "loras": ("mi lora", "mi lora-000005"),
    },
    {"foto": Style("foto", "photo of {prompt}", "drawing"), "noche": Style("noche", "night")},
)
REQUEST = GenerationRequest(prompt="a photo of a red cat", negative_prompt="blurry", seed=1234, width=128, height=128)


def made(settings: XyzPlot, request: GenerationRequest = REQUEST) -> Plan:
    return plan(request, settings, NAMES, lambda: 77)


def requests(settings: XyzPlot, request: GenerationRequest = REQUEST) -> list[GenerationRequest]:
    return [cell.request for cell in made(settings, request).cells if cell.request]


def test_numbers_of_axes_are_a1111s() -> None:
    by_number = {
        4: "Steps",
        6: "CFG Scale",
        7: "Prompt S/R",
        8: "Prompt order",
        17: "Schedule type",
        23: "Eta",
        24: "Clip skip",
        41: "Size",
    }
    txt2img = of_tab(img2img=False)
    assert {number: txt2img[number].label for number in by_number} == by_number
    assert of_tab(img2img=True)[5].label == "CFG Scale"
    assert len({axis.label for axis in AXES}) == len(AXES)


def test_cells_go_over_the_columns_first() -> None:
    found = requests(XyzPlot("Steps", "20,30", "CFG Scale", "4,8", "Clip skip", "1,2"))
    assert [(one.steps, one.cfg_scale, one.clip_skip) for one in found] == [
        (x, y, z) for z, y, x in itertools.product((1, 2), (4.0, 8.0), (20, 30))
    ]
    assert {one.seed for one in found} == {1234}


@pytest.mark.parametrize(
    ("axis", "text", "path", "wanted"),
    [
        ("Sampler", "euler A, DDIM", "sampler", ["Euler a", "DDIM"]),
        ("Sampler", "dpm++ 2m karras, DDIM", "sampler", ["DPM++ 2M", "DDIM"]),
        ("Sampler", "dpm++ 2m karras, DDIM", "schedule", ["Karras", "Automatic"]),
        ("Hires sampler", "DPM++ SDE Karras", "hires.schedule", ["Karras"]),
        ("Checkpoint name", "uno, dos", "checkpoint", ["anime/uno.safetensors", "dos.ckpt"]),
        ("VAE", "Automatic,None,kl-f8", "vae", ["Automatic", "None", "kl-f8.safetensors"]),
        ("Schedule type", "karras", "schedule", ["Karras"]),
        ("RNG source", "cpu,NV", "noise_origin", [NoiseOrigin.CPU, NoiseOrigin.NV]),
        ("Eta", "0,0.5", "tuning.eta", [0.0, 0.5]),
        ("Always discard next-to-last sigma", "True,False", "tuning.discard_penultimate", [True, False]),
        ("Var. strength", "0.2", "variation.strength", [0.2]),
        ("UniPC Order", "2,40", "tuning.unipc_order", [2, 19]),
        ("Hires steps", "5", "hires.steps", [5]),
        ("Denoising", "0.2", "hires.strength", [0.2]),
        ("Size", "64x96", "height", [96]),
        ("Size", "100x132, 7x8", "width", [96]),
        ("Ancho", "100", "width", [96]),
    ],
)
def test_axes_change_their_field(axis: str, text: str, path: str, wanted: list[object]) -> None:
    from sdcolab.core.fields import value_at

    request = GenerationRequest(prompt="x", seed=1, hires=Hires())
    assert [value_at(one, path) for one in requests(XyzPlot(axis, text), request)] == wanted


def test_axes_of_img2img_and_refiner() -> None:
    from PIL import Image

    started = GenerationRequest(seed=1, init=InitImage((Image.new("RGB", (64, 64)),)))
    found = requests(XyzPlot("Denoising", "0.1,0.9", "Refiner checkpoint", "None,dos"), started)
    assert [one.init.strength for one in found if one.init] == [0.1, 0.9, 0.1, 0.9]
    assert [one.refiner and one.refiner.checkpoint for one in found] == [None, None, "dos.ckpt", "dos.ckpt"]


def test_search_and_replace_in_both_prompts() -> None:
    request = GenerationRequest(prompt="red cat, red hat", negative_prompt="no red cat", seed=1)
    found = requests(XyzPlot("Prompt S/R", 'red cat,"blue cat, smiling"'), request)
    assert [(one.prompt, one.negative_prompt) for one in found] == [
        ("red cat, red hat", "no red cat"),
        ("blue cat, smiling, red hat", "no blue cat, smiling"),
    ]


def test_later_axes_see_what_earlier_ones_replaced() -> None:
    found = requests(XyzPlot("Prompt S/R", "cat,dog", "Prompt S/R", "red dog,blue bird"))
    plotted = made(XyzPlot("Prompt S/R", "cat,dog", "Prompt S/R", "red dog,blue bird"))
    assert [one.prompt for one in found] == ["a photo of a red dog", "a photo of a blue bird"]
    assert [cell.request is None for cell in plotted.cells] == [True, False, True, False]
    assert all(isinstance(problem, CellFailed) for problem in plotted.problems)


def test_prompt_order() -> None:
    request = GenerationRequest(prompt="cat, dog, bird", seed=1)
    found = [one.prompt for one in requests(XyzPlot("Prompt order", "cat,dog,bird"), request)]
    assert found == [", ".join(order) for order in itertools.permutations(("cat", "dog", "bird"))]
    backwards = [one.prompt for one in requests(XyzPlot("Prompt order", "bird,cat"), request)]
    assert backwards == ["bird, dog, cat", "cat, dog, bird"]


def test_lora_axes_work_together_whatever_their_place() -> None:
    settings = XyzPlot("LoRA weight", "0.4,1", "LoRA", "None,mi lora-000005")
    assert [one.prompt for one in requests(settings)] == [
        "a photo of a red cat",
        "a photo of a red cat",
        "a photo of a red cat <lora:mi lora-000005:0.4>",
        "a photo of a red cat <lora:mi lora-000005:1>",
    ]
    with_tag = GenerationRequest(prompt="x <lora:mi lora:0.7>", seed=1)
    assert next(one.prompt for one in requests(settings, with_tag)) == "x "
    assert [one.prompt for one in requests(settings, with_tag)][3] == "x <lora:mi lora-000005:1>"


def test_one_lora_has_its_weights_and_others_stay() -> None:
    request = GenerationRequest(prompt="x <lora:mi lora:0.7> <lora:otra:1>", seed=1)
    settings = XyzPlot("LoRA weight", "MI LORA:0.2-0.6 [3],1, mi lora-000005.safetensors:0.5")
    assert [one.prompt for one in requests(settings, request)] == [
        *(f"x <lora:mi lora:{weight}> <lora:otra:1>" for weight in (0.2, 0.4, 0.6, 1)),
        "x <lora:mi lora:0.7> <lora:otra:1> <lora:mi lora-000005:0.5>",
    ]
    sheet = made(settings, request).sheet
    assert sheet is not None
    assert [legend[0].text for legend in sheet.column_legends][1:4:2] == [
        "LoRA weight: mi lora 0.4",
        "LoRA weight: mi lora 1",
    ]
    with pytest.raises(AxisValueUnknown):
        made(XyzPlot("LoRA weight", "mi lorra:1"))
    assert axis_called("LoRA weight", img2img=False).choices(NAMES)[0] == "mi lora:0.2-1 [5]"


def test_the_weight_of_a_lora_is_also_said_by_its_tag_or_its_name_alone() -> None:
    request = GenerationRequest(prompt="x", seed=1)
    tags = XyzPlot("LoRA weight", "<lora:mi lora:0.4>, <lora:mi lora-000005:0.6>, 1")
    assert [one.prompt for one in requests(tags, request)] == [
        *("x <lora:mi lora:0.4>", "x <lora:mi lora-000005:0.6>", "x <lora:mi lora-000005:1>"),
    ]
    usual = [one.prompt for one in requests(XyzPlot("LoRA weight", "Mi LoRA"), request)]
    assert usual == [f"x <lora:mi lora:{weight}>" for weight in (0.2, 0.4, 0.6, 0.8, 1)]
    with pytest.raises(AxisValueUnknown):
        made(XyzPlot("LoRA weight", "mi lorra"))


def test_controlnet_units_have_axes() -> None:
    from sdcolab.core.control import ControlMode, ControlUnit

    request = GenerationRequest(seed=1, control=(ControlUnit(module="canny"), ControlUnit()))
    first = XyzPlot("[ControlNet] Weight", "0.5,1", "[ControlNet] Control Mode", "balanced,My prompt is more important")
    assert [(one.control[0].weight, one.control[0].mode) for one in requests(first, request)][1:3] == [
        (1.0, ControlMode.BALANCED),
        (0.5, ControlMode.PROMPT),
    ]
    second = requests(XyzPlot("[ControlNet 2] Enabled", "no, yes"), request)
    assert [one.control[1].enabled for one in second] == [False, True]
    assert [one.control[0] for one in second] == [request.control[0]] * 2
    axes = [axis_called("[ControlNet 3] Guidance End", img2img=False)]
    assert idle(axes, request) == ("[ControlNet 3] Guidance End",)
    assert requests(XyzPlot("[ControlNet 3] Guidance End", "0.5"), request)[0].control == request.control


def test_units_of_the_detail_pass_have_axes() -> None:
    from sdcolab.core.details import DetailUnit

    request = GenerationRequest(seed=1, details=(DetailUnit("face.onnx"), DetailUnit("hand.onnx", strength=0.2)))
    found = requests(XyzPlot("[ADetailer 2] Denoising strength", "0.3,0.6", "[ADetailer] Prompt", "smile,sad"), request)
    assert [(one.details[0].prompt, one.details[1].strength) for one in found] == [
        ("smile", 0.3),
        ("smile", 0.6),
        ("sad", 0.3),
        ("sad", 0.6),
    ]
    assert made(XyzPlot("[ADetailer] CFG scale", "5"), request).cells[0].name == "[ADetailer] CFG scale: 5.0"
    assert idle([axis_called("[ADetailer 2] Steps", img2img=True)], REQUEST) == ("[ADetailer 2] Steps",)
    names = ListedNames({"detectors": ("face.onnx",)})
    assert axis_called("[ADetailer] Model", img2img=False).read("FACE.pt, face.onnx", names) == ("face.onnx",) * 2


def test_lists_show_axes_in_groups_by_their_names_in_forms() -> None:
    listed = in_groups()
    assert sorted(axis.label for axis in listed) == sorted(axis.label for axis in AXES if axis.available)
    groups = [group for group, _ in itertools.groupby(axis.group for axis in listed)]
    assert len(groups) == len(set(groups)) and groups[:2] == ["", "LoRA"]
    assert {"Hires fix", "ControlNet", "ControlNet 3", "ADetailer 2", "Semilla", "Ajustes finos"} < set(groups)
    titles = {axis.label: axis.title for axis in listed}
    assert len(set(titles.values())) == len(titles)
    assert titles["Seed"] == "Seed · Semilla" and titles["Sampler"] == "Sampler"
    assert titles["Hires steps"] == "Hires fix › Hires steps · Pasos de hires"
    assert titles["[ControlNet 2] Weight"] == "ControlNet 2 › Weight · Peso"


def test_styles_are_added() -> None:
    found = requests(XyzPlot("Styles", 'foto,"foto, noche"'))
    assert [one.prompt for one in found] == ["photo of a photo of a red cat", "photo of a photo of a red cat, night"]
    assert found[0].negative_prompt == "blurry, drawing"


def test_seeds() -> None:
    open_seed = GenerationRequest(seed=-1)
    assert {one.seed for one in requests(XyzPlot("Steps", "1,2"), open_seed)} == {77}
    assert [one.seed for one in requests(XyzPlot("Steps", "1,2", keep_random=True), open_seed)] == [-1, -1]
    assert [one.seed for one in requests(XyzPlot("Seed", "-1,5"))] == [77, 5]
    varied = XyzPlot("CFG Scale", "4,8", "Steps", "2,3", vary_seeds_x=True, vary_seeds_y=True)
    assert [one.seed for one in requests(varied)] == [1234, 1235, 1236, 1237]
    only_z = XyzPlot("CFG Scale", "4,8", "Steps", "2,3", "Clip skip", "1,2", vary_seeds_z=True)
    assert [one.seed for one in requests(only_z)] == [1234] * 4 + [1235] * 4


def test_costly_changes_happen_least_often() -> None:
    plotted = made(XyzPlot("Checkpoint name", "uno,dos", "Steps", "1,2,3", "VAE", "None,Automatic"))
    done = [plotted.cells[index].request for index in plotted.order]
    assert sorted(plotted.order) == list(range(12))
    changes = sum(one.checkpoint != two.checkpoint for one, two in itertools.pairwise(done) if one and two)
    vae_changes = sum(one.vae != two.vae for one, two in itertools.pairwise(done) if one and two)
    assert (changes, vae_changes) == (1, 3)
    plain = made(XyzPlot("Steps", "1,2", "CFG Scale", "1,2"))
    assert plain.order == (0, 1, 2, 3)
    loras = made(XyzPlot("Prompt S/R", "cat,<lora:a:1>", "Steps", "1,2"))
    assert loras.order == (0, 2, 1, 3)
    speeds = made(XyzPlot("Speed", "Fiel,Rápido", "Steps", "1,2"))  # each in numbers of its own on some processors
    assert speeds.order == (0, 2, 1, 3)


def test_legends_and_infotext() -> None:
    plotted = made(XyzPlot("Seed", "1-4(+2)", "Sampler", "Euler a,DDIM", "CFG Scale", "1,2.5"))
    sheet = plotted.sheet
    assert sheet is not None
    assert sheet.column_legends == ((Legend("Seed: 1"),), (Legend("Seed: 3"),))
    assert sheet.row_legends == ((Legend("Euler a"),), (Legend("DDIM"),))
    assert sheet.titles == ((Legend("CFG Scale: 1.0"),), (Legend("CFG Scale: 2.5"),))
    assert dict(sheet.fields) == {
        "Script": "X/Y/Z plot",
        "X Type": "Seed",
        "X Values": "1-4(+2)",
        "Fixed X Values": "1, 3",
        "Y Type": "Sampler",
        "Y Values": "Euler a,DDIM",
        "Z Type": "CFG Scale",
        "Z Values": "1,2.5",
    }
    assert [label for label, _ in sheet.part_fields][-1] == "Y Values"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (XyzPlot("Sampler", "Eulr a"), AxisValueUnknown),
        (XyzPlot("Checkpoint name", "cuatro"), AxisValueUnknown),
        (XyzPlot("Steps", ""), AxisEmpty),
        (XyzPlot("Stepz", "1"), AxisUnknown),
        (XyzPlot("Image CFG Scale", "1"), AxisOfOtherTab),
        (XyzPlot("Size", "512"), AxisSizeUnreadable),
        (XyzPlot("Tiling", "quizás"), AxisSwitchUnreadable),
        (XyzPlot("Prompt order", "a,b,c,d,e,f,g"), TooManyOrders),
        (XyzPlot("Steps", "0, 200"), FieldOutOfRange),
        (XyzPlot("Prompt S/R", "no está,x"), SearchTextMissing),
        (XyzPlot("Seed", "1-200", "Steps", "1-100"), TooManyCells),
    ],
)
def test_mistakes_are_told_before_the_first_cell(settings: XyzPlot, error: type[Exception]) -> None:
    with pytest.raises(error) as told:
        made(settings)
    if error is AxisValueUnknown and settings.x_axis == "Sampler":
        assert "Euler a" in told.value.suggestions  # type: ignore[attr-defined]


def test_a_value_out_of_range_is_a_gap() -> None:
    plotted = made(XyzPlot("Steps", "20,500"))
    assert isinstance(plotted.cells[1].problem, FieldOutOfRange)


def test_the_guides_words_find_axes() -> None:
    for word, label in (
        ("S/R Prompt", "Prompt S/R"),
        ("pasos", "Steps"),
        ("modelo", "Checkpoint name"),
        ("Semilla de variación", "Var. seed"),
        ("peso del LoRA", "LoRA weight"),
        ("nada", "Nothing"),
        ("", "Nothing"),
    ):
        assert axis_called(word, img2img=False).label == label


def test_fill_buttons_have_every_name() -> None:
    assert axis_called("Sampler", img2img=False).choices(NAMES) == SAMPLER_NAMES
    assert axis_called("LoRA", img2img=False).choices(NAMES) == ("None", "mi lora", "mi lora-000005")
    assert axis_called("Steps", img2img=False).choices(NAMES) == ()


def test_axes_that_do_nothing_are_known() -> None:
    axes = [axis_called("Hires steps", img2img=False), axis_called("Steps", img2img=False)]
    assert idle(axes, REQUEST) == ("Hires steps",)
    assert idle(axes, GenerationRequest(hires=Hires())) == ()
    bring = [axis_called(name, img2img=False) for name in ("freeu_b1", "Refiner checkpoint")]
    assert idle(bring, REQUEST) == ()


def test_the_format_of_8_bits_is_idle_while_no_weights_are_kept_so() -> None:
    axes = [axis_called(name, img2img=False) for name in ("8-bit format", "Cache FP16 weight for LoRA")]
    assert idle(axes, REQUEST) == ("8-bit format", "Cache FP16 weight for LoRA")
    assert idle(axes, replace(REQUEST, tuning=Tuning(fp8=Fp8.ENABLE))) == ()
    assert idle([*axes, axis_called("FP8 mode", img2img=False)], REQUEST) == ()


def test_every_plain_field_is_an_axis() -> None:
    from sdcolab.core.fields import plain_path
    from sdcolab.core.request import FIELDS, PARTS

    numbers = {path for path, field in FIELDS.items() if field.kind in (int, float, bool) and not field.many}
    missing = numbers - {plain_path(axis.path) for axis in AXES}
    by_hand = {"hires.strength", "init.strength", "restore_faces"}
    rest = {path for path in missing - by_hand if not (FIELDS[path].parent and PARTS[FIELDS[path].parent].many)}
    assert rest == {"batch_size", "batch_count"}
    (scale,) = requests(XyzPlot("CFG Rescale", "0.7"))
    assert scale.tuning.cfg_rescale == 0.7
    assert axis_called("Speed", img2img=False).choices(NAMES) == ("faithful", "balanced", "fast")
    assert axis_called("Velocidad", img2img=False).read("Fiel, rapido, FAST", NAMES) == ("faithful", "fast", "fast")


def test_every_axis_reads_something() -> None:
    for axis in of_tab(img2img=False):
        if axis.kind in (Kind.INT, Kind.FLOAT):
            assert axis.read("1", NAMES) == (1,)


def test_an_axis_of_freeu_turns_it_on() -> None:
    found = requests(XyzPlot("freeu_b1", "1.1, 1.3", "freeu_s2", "0.2"))
    assert [(one.freeu.b1, one.freeu.s2) for one in found if one.freeu] == [(1.1, 0.2), (1.3, 0.2)]


def test_face_restore_takes_a1111s_words() -> None:
    axis = axis_called("Face restore", img2img=False)
    words = ("GFPGAN", "codeformer", "yes", "None", "")
    on = [axis.apply(GenerationRequest(), word, words).restore_faces for word in words]
    assert on == [True, True, True, False, False]
