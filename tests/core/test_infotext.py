"""Infotexts: A1111's layout written and read back, real ones from other programs, and pasting (hechos/a1111.md 7)."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from sdcolab.core.errors import FieldLimited, FieldNotNumber, FieldOutOfRange, InfotextUnreadable
from sdcolab.core.infotext import (
    EngineFacts,
    Infotext,
    describe,
    parse,
    read_bytes,
    read_image,
    render,
    to_request,
    user_comment,
    write,
)
from sdcolab.core.names import SAMPLER_NAMES
from sdcolab.core.outputs import png_text
from sdcolab.core.prompt import strip_comments
from sdcolab.core.request import MAX_SEED, GenerationRequest, Hires, NoiseOrigin, Variation
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import Tuning

CASES: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("data/referencia/infotexts.json").read_text("utf-8")
)
SCHEDULES = ("Uniform", "Karras", "Exponential", "SGM Uniform", "DDIM")
FACTS = EngineFacts(version="0.1.0", schedule="Automatic", model="sd15", model_hash="6ce0161689")


# --- Writing ------------------------------------------------------------------------------------------------------


def test_the_layout() -> None:
    request = GenerationRequest(
        prompt="a cat,\n(masterpiece:1.2) # best one",
        negative_prompt="blurry",
        sampler="DPM++ 2M",
        steps=25,
        cfg_scale=7.5,
        seed=41,
        width=512,
        height=768,
        clip_skip=2,
        noise_origin=NoiseOrigin.CPU,
    )
    facts = EngineFacts(
        version="0.1.0",
        schedule="Karras",
        model="sd15",
        model_hash="6ce0161689",
        vae="vae.pt",
        vae_hash="735e4c3a44",
        extra=(("Lora hashes", "x: 123, y: 456"), ("Sampler", "DPM++ 2M SDE")),
    )
    assert write(request, facts, index=1) == (
        "a cat,\n(masterpiece:1.2) \n"
        "Negative prompt: blurry\n"
        "Steps: 25, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 7.5, Seed: 42, Size: 512x768, "
        "Model hash: 6ce0161689, Model: sd15, VAE hash: 735e4c3a44, VAE: vae.pt, Clip skip: 2, RNG: CPU, "
        'Lora hashes: "x: 123, y: 456", Version: sdcolab 0.1.0'
    )


def test_what_is_empty_or_default_is_left_out() -> None:
    request = GenerationRequest(seed=1, width=512, height=512)
    assert write(request, EngineFacts(version="0.1.0", schedule="Automatic")) == (
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, "
        "Version: sdcolab 0.1.0"
    )


def test_an_unresolved_request_cannot_be_described() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        describe(GenerationRequest(), FACTS)


@pytest.mark.parametrize("value", ["a, b", "a: b", "a\nb", '"a"', " a ", 'C:\\x "y"', "niño", "a\\", "😀,"])
def test_awkward_values_come_back(value: str) -> None:
    infotext = Infotext("p", "", (("Steps", "1"), ("Strange/label-2", value), ("Seed", "2")))
    assert parse(render(infotext)) == infotext


# --- Round trips --------------------------------------------------------------------------------------------------


def as_read(prompt: str) -> str:
    """What the layout keeps of a prompt: no blanks around lines, no blank first lines (nor last ones, see render)."""
    lines = [line.strip() for line in prompt.split("\n")]
    return "\n".join(lines).lstrip("\n")


prompts = st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace").decode("utf-8").replace("\0", ""))
safe_prompts = (
    prompts.map(strip_comments)
    .map(as_read)
    .filter(lambda text: "Negative prompt:" not in text and text == text.strip())
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1, max_size=30).filter(str.strip)
requests = st.builds(
    GenerationRequest,
    prompt=safe_prompts,
    negative_prompt=safe_prompts,
    sampler=st.sampled_from(SAMPLER_NAMES),
    schedule=st.sampled_from(["Automatic", *SCHEDULES]),
    steps=st.integers(1, 150),
    cfg_scale=st.floats(0, 30) | st.integers(0, 30),
    seed=st.integers(0, MAX_SEED),
    width=st.integers(8, 256).map(lambda value: value * 8),
    height=st.integers(8, 256).map(lambda value: value * 8),
    clip_skip=st.integers(1, 12),
    noise_origin=st.sampled_from(NoiseOrigin),
    checkpoint=names,
    vae=names,
)


@given(requests)
@settings(deadline=None)
def test_every_request_comes_back(request: GenerationRequest) -> None:
    facts = EngineFacts(version="0.1.0", schedule=request.schedule, model=request.checkpoint, vae=request.vae)
    infotext = describe(request, facts)
    assert parse(render(infotext)) == infotext
    pasted = to_request(infotext, SCHEDULES)
    assert GenerationRequest(**dict(pasted.changes)) == request
    assert (pasted.warnings, pasted.unused) == ((), ())


@given(prompts, prompts)
def test_any_prompt_leaves_the_fields_readable(prompt: str, negative_prompt: str) -> None:
    request = GenerationRequest(prompt=prompt, negative_prompt=negative_prompt, seed=1, width=512, height=512)
    assert parse(write(request, FACTS)).fields == describe(request, FACTS).fields


@given(st.text() | st.text('Steps: 1,"\n\\Negative prompt:Sampler'))
def test_reading_is_total(text: str) -> None:
    infotext = parse(text)
    pasted = to_request(infotext, SCHEDULES)
    GenerationRequest(**dict(pasted.changes))
    assert parse(render(infotext)).fields == infotext.fields or len(infotext.fields) < 3


def test_a_long_line_is_read_in_no_time() -> None:
    assert parse("word " * 50_000 + '"' * 5000).fields == ()


# --- Reading other programs ---------------------------------------------------------------------------------------


HIRES_OF_CASES = {
    f"hires/{upscaler.casefold()}": Hires(upscaler=upscaler, steps=4, strength=0.6, scale=1.5, cfg_scale=7.0)
    for upscaler in ("Latent", "Lanczos")
}


@pytest.mark.parametrize("name", CASES)
def test_recorded_infotexts(name: str) -> None:
    payload, texts = CASES[name]["payload"], CASES[name]["infotexts"]
    for index, text in enumerate(texts):
        infotext = parse(text)
        assert render(infotext) == text
        changes = to_request(infotext, SCHEDULES).changes
        assert changes == {
            "prompt": payload["prompt"],
            "negative_prompt": payload["negative_prompt"],
            "sampler": payload["sampler_name"],
            "schedule": payload["scheduler"],
            "steps": payload["steps"],
            "cfg_scale": payload["cfg_scale"],
            "seed": payload["seed"] + index,
            "width": payload["width"],
            "height": payload["height"],
            "speed": Speed.FAITHFUL,
            "clip_skip": 1,
            "noise_origin": NoiseOrigin.NV,
            "checkpoint": "rand15",
            "vae": "Automatic",
            "tiling": False,
            "variation": Variation(),
            "hires": HIRES_OF_CASES.get(name),
            "refiner": None,
            "details": (),
            "restore_faces": False,
            "regions": None,
            "control": (),
            "tuning": Tuning(),
            "freeu": None,
            "inversion": None,
            "original_prompt": "",
            "original_negative_prompt": "",
        }


CIVITAI = (
    "masterpiece, 1girl, (smile:1.1), <lora:add_detail:0.5>\r\n"
    "\r\n"
    "Negative prompt: (worst quality:2),\r\n"
    "  lowres\r\n"
    "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 2934218843, Size: 512x768, Model hash: e4a30e4607, "
    "Model: majicmix, Denoising strength: 0.4, Clip skip: 2, Hires upscale: 2, Hires upscaler: 4x-UltraSharp, "
    'TI hashes: "easynegative: c74b4e810b03", Lora hashes: "add_detail: 7c6bad76eb54", Version: v1.6.0'
)


def test_a_civitai_text() -> None:
    pasted = to_request(parse(CIVITAI), SCHEDULES)
    assert pasted.changes["prompt"] == "masterpiece, 1girl, (smile:1.1), <lora:add_detail:0.5>\n"
    assert pasted.changes["negative_prompt"] == "(worst quality:2),\nlowres"
    assert (pasted.changes["sampler"], pasted.changes["schedule"]) == ("DPM++ 2M", "Karras")
    assert (pasted.changes["width"], pasted.changes["height"], pasted.changes["clip_skip"]) == (512, 768, 2)
    assert pasted.changes["hires"] == Hires(upscaler="4x-UltraSharp", strength=0.4, scale=2.0)
    assert pasted.unused == ()


def test_lines_that_dynamic_prompts_adds() -> None:
    infotext = parse("a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1\nTemplate: a {cat|dog}: x\n\nmore")
    assert infotext.prompt == "a cat"
    assert infotext.get("template") == "a {cat|dog}: x"


@pytest.mark.parametrize(
    ("text", "prompt", "negative_prompt"),
    [
        ("a cat", "a cat", ""),
        ("a cat\nNegative prompt: dog", "a cat", "dog"),
        ("Negative prompt:", "", ""),
        ("a\nSteps: 20, Sampler: Euler", "a\nSteps: 20, Sampler: Euler", ""),
    ],
)
def test_text_without_parameters_changes_only_the_prompts(text: str, prompt: str, negative_prompt: str) -> None:
    assert to_request(parse(text), SCHEDULES).changes == {"prompt": prompt, "negative_prompt": negative_prompt}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Sampler: DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("Sampler: Euler sgm uniform", ("Euler", "SGM Uniform")),
        ("Sampler: DDIM", ("DDIM", "Uniform")),
        ("Sampler: DPM++ 2M", ("DPM++ 2M", "Uniform")),
        ("Sampler: DPM++ 2M, Version: v1.8.0-139-g5f4203bf", ("DPM++ 2M", "Uniform")),
        ("Sampler: DPM++ 2M, Version: f0.0.17v1.8.0rc-latest-276-g29be1da7", ("DPM++ 2M", "Uniform")),
        ("Sampler: DPM++ 2M, Version: v1.10.1", ("DPM++ 2M", "Automatic")),
        ("Sampler: DPM++ 2M, Version: f2.0.1v1.10.1-previous-1", ("DPM++ 2M", "Automatic")),
        ("Sampler: DPM++ 2M, Version: sdcolab 0.1.0", ("DPM++ 2M", "Automatic")),
        ("Sampler: DPM++ 2M, Version: v1.9.0, Schedule type: Exponential", ("DPM++ 2M", "Exponential")),
        ("Sampler: DPM++ 2M Karras, Schedule type: Exponential", ("DPM++ 2M", "Exponential")),
    ],
)
def test_old_and_new_sampler_names(fields: str, expected: tuple[str, str]) -> None:
    changes = to_request(parse(f"Steps: 20, Seed: 1, CFG scale: 7, {fields}"), SCHEDULES).changes
    assert (changes["sampler"], changes["schedule"]) == expected


@pytest.mark.parametrize(
    ("written", "sampler", "schedule"),
    [
        ("EULER_ANCESTRAL_DISCRETE", "Euler a", "Automatic"),  # Leonardo
        ("KLMS", "LMS", "Automatic"),
        ("DPM_SOLVER", "DPM++ 2M", "Automatic"),
        ("PNDM", "PLMS", "Automatic"),
        ("EulerAncestralDiscreteScheduler", "Euler a", "Automatic"),  # diffusers
        ("DPMSolverMultistepScheduler", "DPM++ 2M", "Automatic"),
        ("KDPM2AncestralDiscreteScheduler", "DPM2 a", "Automatic"),
        ("DPMSolverSDEScheduler", "DPM++ SDE", "Automatic"),
        ("UniPCMultistepScheduler", "UniPC", "Automatic"),
        ("dpmpp_2m_sde_k", "DPM++ 2M SDE", "Karras"),  # InvokeAI
        ("kdpm_2_a", "DPM2 a", "Automatic"),
        ("euler_k", "Euler", "Karras"),
        ("Euler A Trailing", "Euler a", "SGM Uniform"),  # Draw Things
        ("DPM++ 2M AYS", "DPM++ 2M", "Align Your Steps"),
        ("heun++", "HeunPP2", "Automatic"),
        ("Euler Ancestral", "Euler a", "Automatic"),  # people
        ("DPM++ 2S Ancestral Karras", "DPM++ 2S a", "Karras"),
        ("DPM++2M Karras", "DPM++ 2M", "Karras"),
        ("DPM++ 2M (Karras)", "DPM++ 2M", "Karras"),
        ("dpmpp-2m-sde-karras", "DPM++ 2M SDE", "Karras"),
    ],
)
def test_samplers_as_other_programs_and_people_call_them(written: str, sampler: str, schedule: str) -> None:
    changes = to_request(parse(f"Steps: 20, Seed: 1, Sampler: {written}, Version: v1.10.1"), SCHEDULES).changes
    assert (changes["sampler"], changes["schedule"]) == (sampler, schedule)


def test_a_sampler_that_nobody_chose_is_none() -> None:
    assert "sampler" not in to_request(parse("Steps: 20, Seed: 1, Sampler: Undefined"), SCHEDULES).changes


def test_comfyui_s_other_unipc_is_a_setting_here() -> None:
    changes = to_request(parse("Steps: 20, Seed: 1, Sampler: uni_pc_bh2, Version: ComfyUI"), SCHEDULES).changes
    assert (changes["sampler"], changes["tuning"].unipc_variant) == ("UniPC", "bh2")


@pytest.mark.parametrize(
    ("field", "name", "error"),
    [
        ("Steps: many", "steps", FieldNotNumber),
        ("CFG scale: nan", "cfg_scale", FieldOutOfRange),
        ("Size: huge", "width", FieldNotNumber),
        (f"Seed: {'9' * 5000}", "seed", FieldNotNumber),
        (f"Steps: {'9' * 400}", "steps", FieldOutOfRange),
        ("Clip skip: 0", "clip_skip", FieldOutOfRange),
    ],
)
def test_values_that_cannot_be_used_are_reported(field: str, name: str, error: type) -> None:
    pasted = to_request(parse(f"Model: x, Sampler: y, {field}"), SCHEDULES)
    (warning,) = pasted.warnings
    assert isinstance(warning, error)
    assert warning.facts()["field"] == name
    assert name not in pasted.changes or name == "clip_skip"


@pytest.mark.parametrize(
    ("field", "name", "used"),
    [
        ("Steps: 1000", "steps", 150),
        ("CFG scale: 99.5", "cfg_scale", 30.0),
        ("Size: 512x30", "height", 64),
        ("Clip skip: 40", "clip_skip", 12),
    ],
)
def test_values_beyond_what_can_be_done_are_limited_and_told(field: str, name: str, used: float) -> None:
    pasted = to_request(parse(f"Model: x, Sampler: y, {field}"), SCHEDULES)
    warning = pasted.warnings[-1]
    assert isinstance(warning, FieldLimited)
    assert (warning.field, warning.used, pasted.changes[name]) == (name, used, used)


def test_a_size_that_is_too_large_keeps_its_shape() -> None:
    pasted = to_request(parse("Model: x, Sampler: y, Size: 3840x2160"), SCHEDULES)
    assert (pasted.changes["width"], pasted.changes["height"]) == (2048, 1152)
    assert [(one.field, one.used) for one in pasted.warnings if isinstance(one, FieldLimited)] == [
        ("width", 2048),
        ("height", 1152),
    ]


@pytest.mark.parametrize(("field", "origin"), [("", "NV"), ("RNG: NV", "NV"), ("RNG: CPU", "CPU"), ("RNG: GPU", "GPU")])
def test_whose_noise(field: str, origin: str) -> None:
    changes = to_request(parse(f"Model: x, Sampler: y, Steps: 3, {field}"), SCHEDULES).changes
    assert changes["noise_origin"] == NoiseOrigin(origin)


def test_unknown_noise_is_unused() -> None:
    pasted = to_request(parse("Model: x, Sampler: y, Steps: 3, RNG: MPS"), SCHEDULES)
    assert "noise_origin" not in pasted.changes
    assert pasted.unused == (("RNG", "MPS"),)


# --- Pictures -----------------------------------------------------------------------------------------------------


def saved(image_format: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format=image_format, **options)
    return Image.open(io.BytesIO(file.getvalue()))


def comment(raw: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = raw
    return exif


@pytest.mark.parametrize("text", ["a cat\nSteps: 1", "niña", "日本語, 🙂"])
def test_png(text: str) -> None:
    assert read_image(saved("PNG", pnginfo=png_text(text)), "x.png") == text


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "raw",
    [
        b"UNICODE\0" + "niña\nSteps: 1".encode("utf-16-be"),
        b"UNICODE\0" + "niña\nSteps: 1".encode("utf-16-le"),
        b"UNICODE\0" + "\ufeffniña\nSteps: 1".encode("utf-16-be"),
        b"UNICODE\0" + "niña\nSteps: 1".encode(),
        b"ASCII\0\0\0" + "niña\nSteps: 1".encode(),
        b"\0" * 8 + "niña\nSteps: 1".encode(),
        "niña\nSteps: 1".encode(),
    ],
)
def test_exif(image_format: str, raw: bytes) -> None:
    assert read_image(saved(image_format, exif=comment(raw)), "x") == "niña\nSteps: 1"


def test_gif_comment() -> None:
    assert read_image(saved("GIF", comment=b"a cat\nSteps: 1"), "x.gif") == "a cat\nSteps: 1"


CAMERAS = ("OLYMPUS DIGITAL CAMERA         ", "Screenshot", "Created with GIMP", "Steps to the lake, f/2.8: iso 100")


@pytest.mark.parametrize("text", CAMERAS)
def test_what_cameras_and_programs_say_is_no_prompt(text: str) -> None:
    for picture in (
        saved("JPEG", exif=comment(b"ASCII\0\0\0" + text.encode())),
        saved("WEBP", exif=comment(b"UNICODE\0" + text.encode("utf-16-be"))),
        saved("JPEG", comment=text.encode()),
        saved("GIF", comment=text.encode()),
    ):
        with pytest.raises(InfotextUnreadable):
            read_image(picture, "foto")
    own = png_text("a cat\nSteps: 1")
    assert read_image(saved("PNG", pnginfo=own, exif=comment(b"ASCII\0\0\0" + text.encode())), "x") == "a cat\nSteps: 1"


def test_what_extras_writes_of_a_picture_without_data_is_kept() -> None:
    for text in ("GFPGAN visibility: 1", "Postprocess upscale by: 2, Postprocess upscaler: Lanczos"):
        assert read_image(saved("JPEG", exif=user_comment(text)), "x.jpg") == text


def test_novelai() -> None:
    info = PngInfo()
    info.add_text("Software", "NovelAI")
    info.add_text("Description", "a cat")
    settings = {"uc": "dog", "steps": 28, "sampler": "k_euler_ancestral", "scale": 11, "seed": 5, "width": 512}
    info.add_text("Comment", json.dumps(settings | {"height": 768}))
    assert read_image(saved("PNG", pnginfo=info), "x.png") == (
        "a cat\nNegative prompt: dog\nSteps: 28, Sampler: k_euler_ancestral, CFG scale: 11, Seed: 5, Size: 512x768, "
        "Clip skip: 2, ENSD: 31337"
    )


@pytest.mark.parametrize("text", ["{", "[]", "1"])
def test_a_damaged_novelai_picture(text: str) -> None:
    info = PngInfo()
    info.add_text("Software", "NovelAI")
    info.add_text("Comment", text)
    with pytest.raises(InfotextUnreadable):
        read_image(saved("PNG", pnginfo=info), "x.png")


def test_a_newer_novelai() -> None:
    info = PngInfo()
    info.add_text("Software", "NovelAI")
    info.add_text("Description", "a cat")
    info.add_text("Comment", json.dumps({"steps": 28, "sampler": "k_dpmpp_2m", "noise_schedule": "karras", "seed": 5}))
    changes = to_request(parse(read_image(saved("PNG", pnginfo=info), "x.png"))).changes
    assert (changes["sampler"], changes["schedule"], changes["tuning"].ensd) == ("DPM++ 2M", "Karras", 31337)


def test_text_after_the_pixels() -> None:
    plain, labelled = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "PNG")
    Image.new("RGB", (8, 8)).save(labelled, "PNG", pnginfo=png_text("a cat"))
    start = labelled.getvalue().index(b"tEXt") - 4
    chunk = labelled.getvalue()[start : labelled.getvalue().index(b"IDAT") - 4]
    end = plain.getvalue().index(b"IEND") - 4
    assert read_bytes(plain.getvalue()[:end] + chunk + plain.getvalue()[end:], "x.png") == "a cat"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_files(encoding: str) -> None:
    assert read_bytes("niña\nSteps: 1".encode(encoding), "x.txt") == "niña\nSteps: 1"


@given(st.binary(max_size=200))
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_are_a_text_or_unreadable(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\x10\0\0\0WEBP", b"GIF89a", b"\xff\xfe"):
        with contextlib.suppress(InfotextUnreadable):
            assert read_bytes(start + data, "x").strip()


def test_a_picture_without_infotext() -> None:
    with pytest.raises(InfotextUnreadable) as caught:
        read_image(saved("PNG"), "foto.png")
    assert caught.value.source == "foto.png"


@given(st.binary(max_size=60))
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_damaged_exif_is_no_crash(raw: bytes) -> None:
    picture = saved("PNG")
    picture.info["exif"] = b"Exif\0\0" + raw
    with pytest.raises(InfotextUnreadable):
        read_image(picture, "x.png")
    picture.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0" + raw
    picture.info["parameters"] = "a cat"
    assert read_image(picture, "x.png")
