"""What A1111's payloads mean here."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdcolab.api.control_routes import detection
from sdcolab.api.fields import BadField
from sdcolab.api.tolerance import tolerant
from sdcolab.api.translate import FIELDS, KEPT_SETTINGS, Context, Kind, changed, echo, request_from_payload
from sdcolab.core.control import ControlMode, ControlPasses, ControlResize, ControlUnit
from sdcolab.core.errors import FieldNotOption, FieldOutOfRange, FieldWrongType, SdcolabError, UnknownName
from sdcolab.core.fields import table_of
from sdcolab.core.prompt import Style
from sdcolab.core.request import (
    GenerationRequest,
    Hires,
    InitImage,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    ResizeMode,
    Variation,
)
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import (
    CpuPrecision,
    EightBits,
    Emphasis,
    Fp8,
    NoiseSchedule,
    Tuning,
    UniPCSkipType,
    UniPCVariant,
    VaeMethod,
)
from sdcolab.core.words import explain

DEFAULT = GenerationRequest(sampler="Euler", steps=50, cfg_scale=7.0, width=512, height=512)


def encoded(picture: Image.Image, prefix: str = "", **options: Any) -> str:
    data = io.BytesIO()
    picture.save(data, **{"format": "PNG"} | options)
    return prefix + base64.b64encode(data.getvalue()).decode()


def plain_picture(colour: str = "red", size: tuple[int, int] = (24, 16)) -> Image.Image:
    return Image.new("RGB", size, colour)


PICTURE, MASK = encoded(plain_picture()), encoded(Image.new("L", (24, 16), 255))


def txt2img(**payload: Any) -> GenerationRequest:
    return request_from_payload(payload, "txt2img")


def img2img(**payload: Any) -> GenerationRequest:
    return request_from_payload({"init_images": [PICTURE], **payload}, "img2img")


@pytest.mark.parametrize(
    ("side", "used", "code"),
    [(30, 64, "request.limited"), (131, 128, "request.floored"), (4001, 2048, "request.limited")],
)
def test_a_side_that_cannot_be_is_told_once(side: int, used: int, code: str) -> None:
    told: list[SdcolabError] = []
    assert tolerant({"height": side}, "txt2img", told.append) == {"height": used}
    assert [(error.code, error.facts()["value"], error.facts()["used"]) for error in told] == [(code, side, used)]


def init_of(**payload: Any) -> InitImage:
    init = img2img(**payload).init
    assert init is not None
    return init


def value_at(request: GenerationRequest, path: str) -> Any:
    value: Any = request
    for name in path.split("."):
        value = getattr(value, name)
    return value


def refused(kind: Kind = "txt2img", **payload: Any) -> BadField:
    with pytest.raises(BadField) as caught:
        request_from_payload(payload, kind)
    return caught.value


# --- Defaults -----------------------------------------------------------------------------------------------------


def test_an_empty_payload_is_a1111_s_defaults() -> None:
    assert txt2img() == DEFAULT


def test_null_means_absent() -> None:
    assert txt2img(**dict.fromkeys(FIELDS["txt2img"])) == DEFAULT
    assert init_of(**{name: None for name in FIELDS["img2img"] if name != "init_images"}) == init_of()


def test_defaults_of_img2img() -> None:
    init = init_of(mask=MASK)
    assert (init.strength, init.resize_mode, init.noise_multiplier) == (0.75, ResizeMode.STRETCH, 1.0)
    assert init.inpaint is not None
    inpaint = init.inpaint
    assert (inpaint.content, inpaint.only_masked, inpaint.padding) == (MaskedContent.FILL, True, 0)
    assert (inpaint.blur_x, inpaint.blur_y, inpaint.rounded, inpaint.inverted) == (4, 4, True, False)
    assert (inpaint.condition_weight, inpaint.overlay) == (1.0, True)


def test_defaults_of_hires() -> None:
    assert txt2img(enable_hr=True).hires == Hires(strength=0.75)


def test_settings_of_the_program_count_and_other_defaults_do_not() -> None:
    ours = GenerationRequest(
        steps=7, sampler="LCM", prompt="de la página", clip_skip=2, checkpoint="mio", vae="None", tiling=True,
        noise_origin=NoiseOrigin.CPU, tuning=Tuning(ensd=31337),
    )  # fmt: skip
    request = request_from_payload({}, "txt2img", Context(ours))
    assert (request.steps, request.sampler, request.prompt) == (50, "Euler", "")
    assert (request.clip_skip, request.checkpoint, request.vae, request.tiling) == (2, "mio", "None", True)
    assert (request.noise_origin, request.tuning.ensd) == (NoiseOrigin.CPU, 31337)
    again = request_from_payload({"override_settings": {"eta_noise_seed_delta": 0}}, "txt2img", Context(ours))
    assert again.tuning.ensd == 0


# --- Every field --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "path", "expected"),
    [
        ("prompt", "un gato", "prompt", "un gato"),
        ("prompt", "roto \ud800", "prompt", "roto ?"),
        ("negative_prompt", "borroso", "negative_prompt", "borroso"),
        ("seed", 2**64 - 1, "seed", 2**64 - 1),
        ("seed", "", "seed", -1),
        ("seed", 12.0, "seed", 12),
        ("subseed", 9, "variation.seed", 9),
        ("subseed_strength", 0.25, "variation.strength", 0.25),
        ("seed_resize_from_w", 256, "variation.resize_width", 256),
        ("seed_resize_from_h", -1, "variation.resize_height", 0),
        ("steps", 12, "steps", 12),
        ("steps", "12", "steps", 12),
        ("cfg_scale", 5, "cfg_scale", 5.0),
        ("width", 768, "width", 768),
        ("height", 640, "height", 640),
        ("batch_size", 3, "batch_size", 3),
        ("n_iter", 4, "batch_count", 4),
        ("tiling", True, "tiling", True),
        ("tiling", 1, "tiling", True),
        ("eta", 0.5, "tuning.eta", 0.5),
        ("s_min_uncond", 2.5, "tuning.ngms", 2.5),
        ("s_churn", 1.5, "tuning.sigma_churn", 1.5),
        ("s_tmin", 0.5, "tuning.sigma_tmin", 0.5),
        ("s_tmax", 50, "tuning.sigma_tmax", 50.0),
        ("s_noise", 1.1, "tuning.sigma_noise", 1.1),
        ("scheduler", "karras", "schedule", "Karras"),
        ("scheduler", "SGMUniform", "schedule", "SGM Uniform"),
        ("scheduler", "", "schedule", "Automatic"),
    ],
)
def test_plain_fields(field: str, value: Any, path: str, expected: Any) -> None:
    for request in (txt2img(**{field: value}), img2img(**{field: value, "init_images": [PICTURE]})):
        assert value_at(request, path) == expected


@pytest.mark.parametrize(
    ("written", "sampler", "schedule"),
    [
        ({"sampler_name": "DPM++ 2M"}, "DPM++ 2M", "Automatic"),
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "Exponential"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "Euler SGMUniform"}, "Euler", "SGM Uniform"),
        ({"sampler_name": "k_euler_a"}, "Euler a", "Automatic"),
        ({"sampler_name": "euler A", "scheduler": "automatic"}, "Euler a", "Automatic"),
        ({"sampler_name": "DDIM CFG++"}, "DDIM CFG++", "Automatic"),
        ({"sampler_index": "Heun"}, "Heun", "Automatic"),
        ({"sampler_index": "Heun", "sampler_name": "LMS"}, "LMS", "Automatic"),
        ({"sampler_index": "DPM++ SDE Karras"}, "DPM++ SDE", "Karras"),
        ({"scheduler": "Beta"}, "Euler", "Beta"),
    ],
)
def test_samplers_and_schedules(written: dict[str, Any], sampler: str, schedule: str) -> None:
    request = txt2img(**written)
    assert (request.sampler, request.schedule) == (sampler, schedule)


def test_eta_belongs_to_the_sampler() -> None:
    tuning = txt2img(eta=0.5, sampler_name="DDIM").tuning
    assert (tuning.eta, tuning.eta_ddim) == (1.0, 0.5)


def test_a_setting_that_is_not_neutral_wins_over_its_field() -> None:
    request = txt2img(s_churn=5, s_noise=1.05, override_settings={"s_churn": 2})
    assert (request.tuning.sigma_churn, request.tuning.sigma_noise) == (2.0, 1.05)


@pytest.mark.parametrize("speed", ["fast", "Rápido", "RAPIDO"])
def test_choices_have_the_names_that_the_faces_show_too(speed: str) -> None:
    assert txt2img(override_settings={"sdcolab_speed": speed}).speed is Speed.FAST


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("hr_upscaler", "Lanczos", "upscaler", "Lanczos"),
        ("hr_second_pass_steps", 4, "steps", 4),
        ("denoising_strength", 0.4, "strength", 0.4),
        ("hr_scale", 1.5, "scale", 1.5),
        ("hr_resize_x", 768, "width", 768),
        ("hr_resize_y", 1024, "height", 1024),
        ("hr_checkpoint_name", "otro.safetensors [0123456789]", "checkpoint", "otro.safetensors [0123456789]"),
        ("hr_checkpoint_name", "Use same checkpoint", "checkpoint", ""),
        ("hr_sampler_name", "k_heun", "sampler", "Heun"),
        ("hr_sampler_name", "Use same sampler", "sampler", ""),
        ("hr_scheduler", "simple", "schedule", "Simple"),
        ("hr_scheduler", "Use same scheduler", "schedule", ""),
        ("hr_prompt", "un gato grande", "prompt", "un gato grande"),
        ("hr_negative_prompt", "feo", "negative_prompt", "feo"),
        ("hr_cfg", 5, "cfg_scale", 5.0),
        ("hr_additional_modules", ["Use same choices"], "upscaler", "Latent"),
    ],
)
def test_hires_fields(field: str, value: Any, attribute: str, expected: Any) -> None:
    hires = txt2img(enable_hr=True, **{field: value}).hires
    assert getattr(hires, attribute) == expected
    assert txt2img(**{field: value}).hires is None


def test_a_schedule_at_the_end_of_the_hires_sampler() -> None:
    hires = txt2img(enable_hr=True, hr_sampler_name="DPM++ 2M Karras", hr_scheduler="Beta").hires
    assert hires is not None
    assert (hires.sampler, hires.schedule) == ("DPM++ 2M", "Karras")


def test_old_ways_to_give_the_final_size() -> None:
    first = txt2img(enable_hr=True, width=1024, height=768, firstphase_width=512, firstphase_height=384)
    old = txt2img(enable_hr=True, width=1024, height=1536, override_settings={"use_old_hires_fix_width_height": True})
    assert first.hires is not None
    assert (first.width, first.height, first.hires.width, first.hires.height) == (512, 384, 1024, 768)
    assert old.hires is not None
    # sqrt(512² / (1024·1536)) = 0.408…: ceil(6.53)·64 and ceil(9.79)·64
    assert (old.width, old.height, old.hires.width, old.hires.height) == (448, 640, 1024, 1536)


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("denoising_strength", 0.3, "strength", 0.3),
        *[("resize_mode", number, "resize_mode", mode) for number, mode in enumerate(ResizeMode)],
        ("initial_noise_multiplier", 0.9, "noise_multiplier", 0.9),
        ("override_settings", {"img2img_fix_steps": True}, "exact_steps", True),
        ("override_settings", {"img2img_color_correction": True}, "color_correction", True),
        ("override_settings", {"initial_noise_multiplier": 1.2}, "noise_multiplier", 1.2),
        ("override_settings", {"upscaler_for_img2img": "Lanczos"}, "upscaler", "Lanczos"),
        ("override_settings", {"upscaler_for_img2img": None}, "upscaler", "None"),
        ("override_settings", {"img2img_background_color": "#102030"}, "background", "#102030"),
        ("image_cfg_scale", 1.5, "strength", 0.75),
    ],
)
def test_init_fields(field: str, value: Any, attribute: str, expected: Any) -> None:
    assert getattr(init_of(**{field: value}), attribute) == expected


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("mask_blur", 7, "blur_x", 7),
        ("mask_blur", 7, "blur_y", 7),
        ("mask_blur_x", 3, "blur_x", 3),
        ("mask_blur_y", 2, "blur_y", 2),
        ("mask_round", False, "rounded", False),
        *[("inpainting_fill", number, "content", content) for number, content in enumerate(MaskedContent)],
        ("inpaint_full_res", False, "only_masked", False),
        ("inpaint_full_res", 0, "only_masked", False),
        ("inpaint_full_res_padding", 32, "padding", 32),
        ("inpainting_mask_invert", 1, "inverted", True),
        ("override_settings", {"inpainting_mask_weight": 0.5}, "condition_weight", 0.5),
        ("override_settings", {"overlay_inpaint": False}, "overlay", False),
    ],
)
def test_inpaint_fields(field: str, value: Any, attribute: str, expected: Any) -> None:
    inpaint = init_of(mask=MASK, **{field: value}).inpaint
    assert getattr(inpaint, attribute) == expected
    assert init_of(**{field: value}).inpaint is None


TUNING_EXAMPLES: Mapping[str, Any] = {
    "fp8": Fp8.ENABLE,
    "eight_bits": EightBits.INT8,
    "emphasis": Emphasis.NO_NORM,
    "comma_backtrack": 0,
    "ensd": 31337,
    "unipc_variant": UniPCVariant.BH2,
    "unipc_skip_type": UniPCSkipType.LOG_SNR,
    "unipc_order": 2,
    "noise_schedule": NoiseSchedule.ZERO_TERMINAL_SNR,
    "cpu_precision": CpuPrecision.BFLOAT16,
    "vae_encoder": VaeMethod.TAESD,
    "vae_decoder": VaeMethod.TAESD,
    "sdxl_crop_top": 8,
    "sdxl_crop_left": 16,
}


@pytest.mark.parametrize("row", table_of(Tuning).values(), ids=lambda row: row.key)
def test_every_fine_adjustment_is_a_setting(row: Any) -> None:
    before = getattr(Tuning(), row.name)
    value = TUNING_EXAMPLES.get(row.name, not before if isinstance(before, bool) else 0.5)
    assert value != before
    request = txt2img(override_settings={row.key: value})
    assert getattr(request.tuning, row.name) == value
    assert changed(GenerationRequest(), {row.key: value}).tuning == request.tuning


@pytest.mark.parametrize(
    ("key", "value", "path", "expected"),
    [
        ("sd_model_checkpoint", "modelo.safetensors [0123456789]", "checkpoint", "modelo.safetensors [0123456789]"),
        ("sd_vae", "bueno.safetensors", "vae", "bueno.safetensors"),
        ("sd_vae", "automatic", "vae", "Automatic"),
        ("sd_vae", "None", "vae", "None"),
        ("CLIP_stop_at_last_layers", 2, "clip_skip", 2),
        ("randn_source", "GPU", "noise_origin", NoiseOrigin.GPU),
        ("randn_source", "cpu", "noise_origin", NoiseOrigin.CPU),
        ("tiling", True, "tiling", True),
        ("lo_que_sea", "x", "clip_skip", 1),
        ("emphasis", None, "tuning.emphasis", Emphasis.ORIGINAL),
    ],
)
def test_other_settings(key: str, value: Any, path: str, expected: Any) -> None:
    assert value_at(txt2img(override_settings={key: value}), path) == expected


def test_fields_win_over_the_settings_of_their_name() -> None:
    assert txt2img(tiling=False, override_settings={"tiling": True}).tiling is False
    assert (
        init_of(initial_noise_multiplier=0.8, override_settings={"initial_noise_multiplier": 1.2}).noise_multiplier
        == 0.8
    )


def test_refiner() -> None:
    request = txt2img(
        refiner_checkpoint="refina",
        refiner_switch_at=0.6,
        override_settings={"refiner_switch_by_sample_steps": True, "hires_fix_refiner_pass": "both passes"},
    )
    assert request.refiner == Refiner("refina", 0.6, by_steps=True, passes=RefinerPasses.BOTH)
    assert txt2img(refiner_checkpoint="refina").refiner == Refiner("refina")
    assert txt2img(refiner_checkpoint="None", refiner_switch_at=0.6).refiner is None
    assert txt2img(override_settings={"hires_fix_refiner_pass": "both passes"}).refiner is None


def test_styles_are_applied_to_every_prompt_that_is_there() -> None:
    styles = (Style("foto", "foto de {prompt}, 35mm", "dibujo"), Style("vacío"))
    context = Context(styles=styles)
    payload = {"prompt": "un gato", "styles": ["foto", "no existe"], "enable_hr": True, "hr_prompt": "un perro"}
    request = request_from_payload(payload, "txt2img", context)
    assert (request.prompt, request.negative_prompt) == ("foto de un gato, 35mm", "dibujo")
    assert request.hires is not None
    assert (request.hires.prompt, request.hires.negative_prompt) == ("foto de un perro, 35mm", "")


def test_networks_can_be_left_out() -> None:
    request = txt2img(prompt="un gato <lora:a:1>", disable_extra_networks=True)
    assert request.prompt == "un gato "
    assert txt2img(prompt="un gato <lora:a:1>").prompt == "un gato <lora:a:1>"


def test_what_a1111s_soft_inpainting_says_has_fields() -> None:
    payload = {"init_images": [PICTURE], "mask": PICTURE}
    scripts = {"Soft Inpainting": {"args": [True, 1.5, 0.3, 8, 0.25, 1, 3]}}
    request = request_from_payload(tolerant(payload | {"alwayson_scripts": scripts}, "img2img", pytest.fail), "img2img")
    assert request.init is not None
    inpaint = request.init.inpaint
    assert inpaint is not None
    told = (inpaint.soft, inpaint.soft_bias, inpaint.soft_preservation, inpaint.soft_contrast)
    assert (told, inpaint.soft_influence) == ((True, 1.5, 0.3, 8.0), 0.25)
    assert (inpaint.soft_threshold, inpaint.soft_difference) == (1.0, 3.0)


def test_settings_of_models_in_8_bits() -> None:
    asked = txt2img(override_settings={"fp8_storage": "Enable for SDXL", "cache_fp16_weight": True}).tuning
    assert (asked.fp8, asked.cache_fp16) == (Fp8.SDXL, True)


def test_the_pull_of_the_picture() -> None:
    pulls = [img2img(**given).init for given in ({}, {"image_cfg_scale": None}, {"image_cfg_scale": 2.5})]
    assert [init and init.image_cfg_scale for init in pulls] == [1.0, 1.0, 2.5]  # A1111's None pulls as 1 does


def test_unknown_fields_and_empty_scripts_are_ignored() -> None:
    assert txt2img(inventado={"a": [1]}, script_name=None, script_args=[], alwayson_scripts={}, comments={}) == DEFAULT


def test_an_infotext_fills_what_the_payload_leaves_open() -> None:
    text = (
        "un gato\nNegative prompt: feo\n"
        "Steps: 12, Sampler: DPM++ 2M Karras, CFG scale: 5, Seed: 3, Size: 256x320, Model: otro"
    )
    request = txt2img(infotext=text, cfg_scale=9, width=None)
    assert (request.prompt, request.negative_prompt, request.steps) == ("un gato", "feo", 12)
    assert (request.sampler, request.schedule, request.cfg_scale) == ("DPM++ 2M", "Karras", 9.0)
    assert (request.seed, request.width, request.height, request.checkpoint) == (3, 256, 320, "")


# --- Pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "options"), [("", {}), ("data:image/png;base64,", {}), ("", {"format": "WEBP"})])
def test_pictures_come_as_base64(prefix: str, options: dict[str, Any]) -> None:
    picture = plain_picture("blue")
    (opened,) = init_of(init_images=[encoded(picture, prefix, **options)]).images
    assert opened.size == picture.size
    assert opened.convert("RGB").getpixel((3, 3))[2] > 250  # type: ignore[index]


def test_photographs_are_turned_as_their_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    assert init_of(init_images=[encoded(plain_picture(), format="JPEG", exif=exif)]).images[0].size == (16, 24)


def test_one_picture_serves_a_whole_batch_and_several_set_its_size() -> None:
    assert img2img(batch_size=4).batch_size == 4
    assert img2img(batch_size=4, init_images=[PICTURE] * 2).batch_size == 2
    bad = refused("img2img", init_images=[PICTURE] * 2)
    assert bad.name == "init_images"
    assert "2 imágenes iniciales para un lote de 1" in str(explain(bad.error))


@pytest.mark.parametrize("missing", [{}, {"init_images": []}, {"init_images": None}])
def test_img2img_needs_a_picture(missing: dict[str, Any]) -> None:
    assert refused("img2img", **missing).name == "init_images"


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "field", "error"),
    [
        ({"steps": 0}, "steps", FieldOutOfRange),
        ({"steps": "muchos"}, "steps", FieldWrongType),
        ({"steps": 2.5}, "steps", FieldWrongType),
        ({"steps": True}, "steps", FieldWrongType),
        ({"steps": [1]}, "steps", FieldWrongType),
        ({"cfg_scale": "nan"}, "cfg_scale", FieldOutOfRange),
        ({"prompt": 5}, "prompt", FieldWrongType),
        ({"seed": 2**64}, "seed", FieldOutOfRange),
        ({"n_iter": 0}, "n_iter", FieldOutOfRange),
        ({"subseed_strength": 2}, "subseed_strength", FieldOutOfRange),
        ({"sampler_name": "Euler z"}, "sampler_name", UnknownName),
        ({"sampler_index": "Eulerr"}, "sampler_index", UnknownName),
        ({"scheduler": "Karas"}, "scheduler", UnknownName),
        ({"enable_hr": "quizá"}, "enable_hr", FieldWrongType),
        ({"enable_hr": True, "hr_scale": 20}, "hr_scale", FieldOutOfRange),
        ({"enable_hr": True, "denoising_strength": 2}, "denoising_strength", FieldOutOfRange),
        ({"enable_hr": True, "hr_sampler_name": "x"}, "hr_sampler_name", UnknownName),
        ({"styles": "foto"}, "styles", FieldWrongType),
        ({"override_settings": []}, "override_settings", FieldWrongType),
        ({"override_settings": {"emphasis": "Mucho"}}, "override_settings.emphasis", FieldNotOption),
        ({"override_settings": {"eta_ddim": 3}}, "override_settings.eta_ddim", FieldOutOfRange),
        ({"override_settings": {"randn_source": "TPU"}}, "override_settings.randn_source", FieldNotOption),
        ({"alwayson_scripts": {"nadie": {"args": []}}}, "alwayson_scripts", UnknownName),
        ({"alwayson_scripts": {"controlnet": [{}]}}, "alwayson_scripts.controlnet", FieldWrongType),
        ({"alwayson_scripts": {"controlnet": {"args": "x"}}}, "alwayson_scripts.controlnet.args", FieldWrongType),
        ({"alwayson_scripts": {"controlnet": {"args": [{}, 3]}}}, "alwayson_scripts.controlnet.args.1", FieldWrongType),
    ],
)
def test_wrong_values_name_their_field(payload: dict[str, Any], field: str, error: type[Exception]) -> None:
    bad = refused(**payload)
    assert bad.name == field
    assert isinstance(bad.error, error)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"init_images": ["https://example.com/a.png"]}, "init_images"),
        ({"init_images": ["no es una imagen"]}, "init_images"),
        ({"init_images": [5]}, "init_images"),
        ({"init_images": "texto"}, "init_images"),
        ({"init_images": [PICTURE], "mask": PICTURE[:40]}, "mask"),
        ({"init_images": [PICTURE], "resize_mode": 4}, "resize_mode"),
        ({"init_images": [PICTURE], "mask": MASK, "inpainting_fill": 9}, "inpainting_fill"),
        ({"init_images": [PICTURE], "mask": MASK, "mask_blur": 100}, "mask_blur"),
        ({"init_images": [PICTURE], "latent_mask": MASK}, "latent_mask"),
        ({"init_images": [PICTURE], "override_settings": {"img2img_background_color": "rojo"}},
         "override_settings.img2img_background_color"),
    ],
)  # fmt: skip
def test_wrong_pictures_and_masks_name_their_field(payload: dict[str, Any], field: str) -> None:
    assert refused("img2img", **payload).name == field


UNIT = {"module": "canny", "model": "lineas", "image": PICTURE}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"image": f"data:image/png;base64,{PICTURE}"}, ControlUnit(module="canny", model="lineas")),
        ({"image": None, "input_image": PICTURE}, ControlUnit(module="canny", model="lineas")),
        ({"image": {"image": PICTURE, "mask": None}}, ControlUnit(module="canny", model="lineas")),
        ({"image": [{"image": PICTURE, "mask": MASK}]}, ControlUnit(module="canny", model="lineas")),
        (
            {"resize_mode": 2, "control_mode": 1},
            ControlUnit(module="canny", model="lineas", resize=ControlResize.FILL, mode=ControlMode.PROMPT),
        ),
        (
            {"resize_mode": "Scale to Fit (Inner Fit)", "control_mode": "2"},
            ControlUnit(module="canny", model="lineas", mode=ControlMode.CONTROL),
        ),
        (
            {"resize_mode": "ResizeMode.OUTER_FIT", "control_mode": "ControlMode.PROMPT"},
            ControlUnit(module="canny", model="lineas", resize=ControlResize.FILL, mode=ControlMode.PROMPT),
        ),
        (
            {"resize_mode": "RESIZE", "control_mode": "CONTROL", "hr_option": "LOW_RES_ONLY"},
            ControlUnit(
                module="canny",
                model="lineas",
                resize=ControlResize.JUST,
                mode=ControlMode.CONTROL,
                passes=ControlPasses.LOW,
            ),
        ),
        (
            {"resize_mode": "resizemode.inner_fit", "control_mode": "BALANCED", "hr_option": "Both"},
            ControlUnit(module="canny", model="lineas"),
        ),
        ({"guessmode": True}, ControlUnit(module="canny", model="lineas", mode=ControlMode.CONTROL)),
        ({"guess_mode": True, "control_mode": "Balanced"}, ControlUnit(module="canny", model="lineas")),
        ({"enabled": "False", "foo": {"bar": 1}}, ControlUnit(enabled=False, module="canny", model="lineas")),
        (
            {"processor_res": -1, "threshold_a": "100", "weight": None, "hr_option": "HiResFixOption.HIGH_RES_ONLY"},
            ControlUnit(module="canny", model="lineas", threshold_a=100.0, passes=ControlPasses.HIGH),
        ),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_the_units_of_clients(given: dict[str, Any], expected: ControlUnit, alone: bool) -> None:
    raw = UNIT | given
    (unit,) = txt2img(alwayson_scripts={"ControlNet": {"args": raw if alone else [raw]}}).control
    assert replace(unit, images=(), mask=None) == expected
    assert [image.size for image in unit.images] == [(24, 16)]


def test_suggestions_and_labels_are_spanish() -> None:
    assert str(explain(refused(sampler_name="Euler z").error)).startswith("No existe el sampler «Euler z». ¿Querías")
    assert "«Pasos» debe ser un número entero" in str(explain(refused(steps="x").error))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([PICTURE, "Euler", "0.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SETTING_KEYS = [setting.key for setting in KEPT_SETTINGS] + ["img2img_fix_steps", "use_old_hires_fix_width_height"]


@given(
    kind=st.sampled_from(["txt2img", "img2img"]),
    payload=st.dictionaries(st.sampled_from([*FIELDS["txt2img"], *FIELDS["img2img"]]), ANY_JSON, max_size=6),
    settings=st.dictionaries(st.sampled_from(SETTING_KEYS), ANY_JSON, max_size=3),
    with_picture=st.booleans(),
    with_hires=st.booleans(),
)
def test_any_json_gives_a_request_or_names_a_field(
    kind: Kind, payload: dict[str, Any], settings: dict[str, Any], with_picture: bool, with_hires: bool
) -> None:
    payload |= {"init_images": [PICTURE], "mask": MASK} if with_picture else {}
    payload |= {"enable_hr": True} if with_hires else {}
    payload.setdefault("override_settings", settings)
    try:
        request = request_from_payload(payload, kind)
    except BadField as bad:
        assert bad.name.split(".")[0] in FIELDS[kind]
        assert str(explain(bad.error))
    else:
        assert (request.init is not None) == (kind == "img2img")


# --- The echo -----------------------------------------------------------------------------------------------------


def test_the_echo_has_every_field_and_no_pictures() -> None:
    repeated = echo({"steps": 3, "init_images": [PICTURE], "mask": MASK, "inventado": 1}, "img2img")
    assert repeated.keys() == FIELDS["img2img"].keys()
    assert (repeated["steps"], repeated["init_images"], repeated["mask"]) == (3, None, None)
    assert echo({"init_images": [PICTURE], "include_init_images": True}, "img2img")["init_images"] == [PICTURE]


# --- What a reference server answered -----------------------------------------------------------------------------

CASES = sorted((Path(__file__).parents[1] / "data" / "referencia" / "imagenes").glob("*/*/case.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}")
def test_reference_payloads_mean_what_the_server_made_of_them(path: Path) -> None:
    case = json.loads(re.sub(r"see [\w.-]+\.png in [\w/]+", PICTURE, path.read_text(encoding="utf-8")))
    payload, info = dict(case["payload"]), case["info"]
    if case["kind"] == "img2img":
        payload["init_images"] = [PICTURE]
    if "mask" in payload:
        payload["mask"] = MASK
    request = request_from_payload(payload, case["kind"])
    settings = payload["override_settings"]
    assert (request.sampler, request.steps, request.cfg_scale) == (
        info["sampler_name"],
        info["steps"],
        info["cfg_scale"],
    )
    assert request.schedule == info["extra_generation_params"].get("Schedule type", "Automatic")
    assert (request.width, request.height) == (info["width"], info["height"])
    assert [request.seed_of(index) for index in range(request.image_count)] == info["all_seeds"]
    assert request.noise_origin.value == settings["randn_source"]
    assert request.tuning.quantize == settings["enable_quantization"]
    if request.hires:
        extra = info["extra_generation_params"]
        assert (request.hires.upscaler, request.hires.scale) == (extra["Hires upscaler"], extra["Hires upscale"])
        cfg_scale = request.hires.cfg_scale or request.cfg_scale
        assert (request.hires.steps, cfg_scale) == (extra["Hires steps"], extra["Hires CFG Scale"])
    if request.init:
        assert request.init.strength == info["denoising_strength"]
    assert request.variation == Variation()


def test_what_is_wrong_with_a_wanted_map_names_its_field() -> None:
    wrong = {"controlnet_processor_res": 9999, "controlnet_threshold_a": 1e9, "controlnet_module": "nadie"}
    for name, value in wrong.items():
        with pytest.raises(BadField) as caught:
            detection({"controlnet_module": "canny", "controlnet_input_images": [PICTURE], name: value})
        assert caught.value.name == name
