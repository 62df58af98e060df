"""Every part of a request in infotexts: written, read back, and what other programs and old versions meant by it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.requests import requests

from sdcolab.core.errors import FieldLimited, FieldNotNumber, FieldOutOfRange
from sdcolab.core.infotext import LABELS, NOT_RECORDED, PROMPTS, EngineFacts, describe, parse, render, to_request, write
from sdcolab.core.prompt import strip_comments
from sdcolab.core.request import (
    AUTOMATIC,
    FIELDS,
    SAME,
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
from sdcolab.core.tuning import EightBits, Emphasis, Fp8, NoiseSchedule, Tuning, UniPCVariant, VaeMethod

PICTURE = Image.new("RGB", (8, 8))
MASK = Image.new("L", (8, 8))


# --- The table ----------------------------------------------------------------------------------------------------


def test_every_field_has_its_place() -> None:
    places = [*PROMPTS, *LABELS, *NOT_RECORDED]
    assert len(places) == len(set(places))
    assert set(places) == set(FIELDS)


# --- Round trips --------------------------------------------------------------------------------------------------


def without(part: Any, prefix: str = "") -> Any:
    """``part`` with the fields that infotexts do not record at their defaults; pictures stay."""
    neutral = type(part)(**{name: getattr(part, name) for name in NEEDED.get(type(part), ())})
    changes: dict[str, Any] = {}
    for field in fields(part):
        path, value = f"{prefix}{field.name}", getattr(part, field.name)
        if path in NOT_RECORDED:
            changes[field.name] = getattr(neutral, field.name)
        elif is_dataclass(value):
            changes[field.name] = without(value, f"{path}.")
    return replace(part, **changes)


NEEDED = {InitImage: ("images",), Inpaint: ("mask",), Refiner: ("checkpoint",)}


def as_recorded(request: GenerationRequest) -> GenerationRequest:
    """``request`` as its infotext has it: without what infotexts do not hold, and with values that mean nothing where
    they stand at their defaults."""
    request = without(replace(request, width=request.width or 512, height=request.height or 512))
    request = replace(
        request,
        prompt=strip_comments(request.prompt),
        negative_prompt=strip_comments(request.negative_prompt),
        seed=max(request.seed, 0),
        variation=recorded_variation(request.variation),
        hires=recorded_hires(request.hires, request) if request.hires and request.init is None else None,
        init=request.init and replace(request.init, inpaint=request.init.inpaint and recorded(request.init.inpaint)),
    )
    return replace(request, tuning=recorded_tuning(request.tuning, request))


def recorded_variation(variation: Variation) -> Variation:
    size = (variation.resize_width, variation.resize_height) if variation.resizes else (0, 0)
    seed = max(variation.seed, 0) if variation.strength else -1
    return Variation(seed, variation.strength, *size)


def recorded_hires(hires: Hires, request: GenerationRequest) -> Hires:
    def own(name: str) -> str:
        value = strip_comments(getattr(hires, name)) if name.endswith("prompt") else getattr(hires, name)
        return SAME if value == getattr(request, name) else value

    names = ("sampler", "schedule", "prompt", "negative_prompt")
    resized = {"scale": 2.0} if hires.width or hires.height else {}
    return replace(hires, **{name: own(name) for name in names}, **resized)


def recorded(inpaint: Inpaint) -> Inpaint:
    blur = (inpaint.blur_x, inpaint.blur_y) if inpaint.blur_x == inpaint.blur_y else (4, 4)
    padding = inpaint.padding if inpaint.only_masked else 32
    inpaint = replace(inpaint, blur_x=blur[0], blur_y=blur[1], padding=padding)
    if inpaint.soft:
        return inpaint
    names = [path.rpartition(".")[2] for path in LABELS if path.startswith("init.inpaint.soft_")]
    return replace(inpaint, **{name: getattr(Inpaint(inpaint.mask), name) for name in names})


def recorded_tuning(tuning: Tuning, request: GenerationRequest) -> Tuning:
    hires = request.hires or Hires()
    texts = request.prompt + request.negative_prompt + hires.prompt + hires.negative_prompt
    emphasis = tuning.emphasis if set("([") & set(texts) else Emphasis.ORIGINAL
    tuning = replace(tuning, emphasis=emphasis, ensd=tuning.ensd if tuning.eta else 0)
    small = tuning.fp8 is not Fp8.DISABLE
    return tuning if small else replace(tuning, eight_bits=EightBits.FP8, cache_fp16=False)


def as_read(text: str) -> str:
    """What the layout keeps of a prompt: no blanks around lines, and no first lines without anything."""
    return "\n".join(line.strip() for line in text.split("\n")).strip()


texts = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=30)
    .map(strip_comments)
    .map(as_read)
    .filter(lambda text: "Negative prompt:" not in text)
)


@given(requests(texts))
@settings(deadline=None)
def test_every_request_comes_back(request: GenerationRequest) -> None:
    wanted = as_recorded(request)
    facts = EngineFacts(
        "0.1.0", wanted.schedule, model=wanted.checkpoint, vae=wanted.vae if wanted.vae != AUTOMATIC else ""
    )
    infotext = describe(wanted, facts)
    assert parse(render(infotext)) == infotext
    pasted = to_request(infotext)
    assert (pasted.warnings, pasted.unused) == ((), ())
    init = wanted.init and pasted.init_image(wanted.init.images[0], wanted.init.inpaint and wanted.init.inpaint.mask)
    if init and wanted.init:
        init = replace(init, images=wanted.init.images)
    assert GenerationRequest(**pasted.changes, init=init) == wanted
    assert describe(GenerationRequest(**pasted.changes, init=init), facts) == infotext


@given(st.lists(st.tuples(st.sampled_from([*LABELS.values()]), st.text(max_size=12)), max_size=12))
@example([("ADetailer model", ""), ("ADetailer prompt", "ojos")])
@settings(deadline=None)
def test_any_values_make_a_request(pairs: list[tuple[str, str]]) -> None:
    line = ", ".join(f'{label}: "{value}"' for label, value in pairs)
    pasted = to_request(parse(f"Steps: 1, Sampler: DDIM, Seed: 2, {line}"))
    GenerationRequest(**pasted.changes, init=pasted.init_image(PICTURE, MASK))


# --- Writing ------------------------------------------------------------------------------------------------------

BASE = GenerationRequest(prompt="a cat", seed=1, width=512, height=512)
FACTS = EngineFacts("0.1.0", "Automatic")
START = "a cat\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, "


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"variation": Variation(7, 0.25)}, "Variation seed: 7, Variation seed strength: 0.25"),
        ({"variation": Variation(7, 0.0, 384, 640)}, "Seed resize from: 384x640"),
        ({"variation": Variation(7, 0.0, 384, 0)}, ""),
        (
            {"hires": Hires("4x, (v2)", 10, 0.4, 1.5), "clip_skip": 2, "tiling": True},
            "Denoising strength: 0.4, Clip skip: 2, Tiling: True, Hires upscale: 1.5, Hires steps: 10, "
            'Hires upscaler: "4x, (v2)"',
        ),
        (
            {"hires": Hires(width=768, checkpoint="m", sampler="DDIM", schedule="Karras", prompt="dog", cfg_scale=5)},
            "Denoising strength: 0.7, Hires CFG Scale: 5, Hires resize: 768x0, Hires upscaler: Latent, "
            "Hires checkpoint: m, Hires sampler: DDIM, Hires schedule type: Karras, Hires prompt: dog",
        ),
        (
            {"hires": Hires(sampler="Euler a", schedule=AUTOMATIC, prompt="a cat # the same")},
            "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent",
        ),
        ({"init": InitImage((PICTURE,), 0.5, noise_multiplier=1.1)}, "Denoising strength: 0.5, Noise multiplier: 1.1"),
        (
            {"init": InitImage((PICTURE,), inpaint=Inpaint(MASK)), "hires": Hires()},
            "Denoising strength: 0.75, Mask blur: 4",
        ),
        (
            {
                "init": InitImage(
                    (PICTURE,),
                    inpaint=Inpaint(MASK, 2, 3, True, MaskedContent.LATENT_NOISE, True, 16, condition_weight=0.5),
                )
            },
            "Denoising strength: 0.75, Conditional mask weight: 0.5, Mask mode: Inpaint not masked, "
            "Inpaint area: Only masked, Masked area padding: 16, Masked content: latent noise",
        ),
        ({"refiner": Refiner("xl_refiner")}, "Refiner: xl_refiner, Refiner switch at: 0.8"),
        (
            {"refiner": Refiner("r", 0.5, True, RefinerPasses.BOTH)},
            "Refiner: r, Refiner switch at: 0.5, Refiner switch by sampling steps: True, Hires refiner: both passes",
        ),
        (
            {"tuning": Tuning(ensd=31337, eta=0.5, sigma_noise=1.05, ngms=3.0, unipc_variant=UniPCVariant.BH2)},
            "ENSD: 31337, Eta: 0.5, Sigma noise: 1.05, UniPC variant: bh2, NGMS: 3",
        ),
        ({"tuning": Tuning(ensd=31337, eta=0.0)}, "Eta: 0"),
        ({"tuning": Tuning(emphasis=Emphasis.NO_NORM)}, ""),
        ({"tuning": Tuning(comma_backtrack=0, quantize=True, sdxl_crop_top=8)}, "Quantize timesteps: True"),
        (
            {"tuning": Tuning(noise_schedule=NoiseSchedule.ZERO_TERMINAL_SNR, vae_decoder=VaeMethod.TAESD)},
            "Noise Schedule: Zero Terminal SNR, VAE Decoder: TAESD",
        ),
        ({"noise_origin": NoiseOrigin.GPU}, "RNG: GPU"),
    ],
)
def test_what_each_part_writes(part: dict[str, Any], text: str) -> None:
    between = f"{text}, " if text else ""
    assert write(replace(BASE, **part), FACTS) == f"{START}{between}Version: sdcolab 0.1.0"


def test_weights_need_a_weight() -> None:
    tuning = Tuning(emphasis=Emphasis.IGNORE)
    assert "Emphasis: Ignore" in write(replace(BASE, negative_prompt="[dog]", tuning=tuning), FACTS)
    assert "Emphasis: Ignore" in write(replace(BASE, hires=Hires(prompt="(dog)"), tuning=tuning), FACTS)


def test_what_the_engine_knows() -> None:
    request = replace(
        BASE,
        sampler="DPM++ 2M",
        hires=Hires(checkpoint="sub/a.safetensors", sampler="Euler"),
        refiner=Refiner("sub/b.safetensors"),
        tuning=Tuning(ensd=5, eta=0.5),
    )
    facts = EngineFacts(
        "0.1.0",
        "Karras",
        model="m",
        model_hash="0123456789",
        extra=(("Lora hashes", "x: 1"), ("TI hashes", ""), ("Eta", "0.75")),
        hires_schedule="Automatic",
        hires_model="sub_a",
        hires_model_hash="a" * 10,
        refiner_model="sub_b",
        refiner_model_hash="b" * 10,
        uses_ensd=False,
        inpainting=True,
    )
    assert write(request, facts).split("Size: 512x512, ")[1] == (
        "Model hash: 0123456789, Model: m, Denoising strength: 0.7, Conditional mask weight: 1, Hires upscale: 2, "
        "Hires upscaler: Latent, Hires checkpoint: sub_a [aaaaaaaaaa], Hires sampler: Euler, "
        'Hires schedule type: Automatic, Lora hashes: "x: 1", Eta: 0.75, Refiner: sub_b [bbbbbbbbbb], '
        "Refiner switch at: 0.8, Version: sdcolab 0.1.0"
    )


def test_images_of_a_variation_share_the_seed() -> None:
    request = replace(BASE, variation=Variation(10, 0.5), batch_count=3)
    text = write(request, FACTS, index=2)
    assert "Seed: 1," in text
    assert "Variation seed: 12," in text


# --- Reading ------------------------------------------------------------------------------------------------------


def pasted(line: str, prompt: str = "a cat") -> Any:
    return to_request(parse(f"{prompt}\nSteps: 20, CFG scale: 7, Seed: 1, {line}"))


def tuning(line: str, prompt: str = "a cat") -> Tuning:
    found = pasted(line, prompt).changes["tuning"]
    assert isinstance(found, Tuning)
    return found


def test_denoising_strength_alone_belongs_to_an_initial_image() -> None:
    found = pasted("Denoising strength: 0.55, Hires resize: 0x0, Version: v1.10.1")
    assert found.changes["hires"] is None
    assert found.init == {"strength": 0.55}
    assert found.starts_from_picture
    assert found.init_image(PICTURE) == InitImage((PICTURE,), 0.55)
    assert not pasted("Version: v1.10.1").starts_from_picture


@pytest.mark.parametrize(
    "key", ["Hires upscale: 2", "Hires resize: 1024x0", "Hires steps: 5", "Hires upscaler: Latent"]
)
def test_a_hires_key_turns_hires_on(key: str) -> None:
    found = pasted(f"Denoising strength: 0.55, {key}, Version: v1.10.1")
    assert found.changes["hires"].strength == 0.55
    assert not found.starts_from_picture


def test_hires_words_for_the_same() -> None:
    found = pasted(
        "Hires upscale: 2, Hires checkpoint: Use same checkpoint, Hires sampler: Use same sampler, "
        "Hires schedule type: Use same scheduler, Version: v1.10.1"
    )
    assert found.changes["hires"] == Hires()


def test_inpainting() -> None:
    found = pasted(
        "Denoising strength: 0.6, Conditional mask weight: 0.5, Mask mode: Inpaint not masked, Mask blur: 8, "
        "Inpaint area: Only masked, Masked area padding: 64, Masked content: latent nothing, Version: v1.10.1"
    )
    expected = Inpaint(MASK, 8, 8, True, MaskedContent.LATENT_NOTHING, True, 64, condition_weight=0.5)
    assert found.init_image(PICTURE, MASK) == InitImage((PICTURE,), 0.6, inpaint=expected)
    assert found.unused == ()


def test_an_inpainting_checkpoint_alone_needs_no_picture() -> None:
    assert not pasted("Conditional mask weight: 1.0, Version: v1.10.1").starts_from_picture


def test_models_with_their_hashes() -> None:
    found = pasted(
        "Model hash: 6ce0161689, Model: sd15, VAE hash: 735e4c3a44, VAE: mse.pt, Hires upscale: 2, "
        "Hires checkpoint: other [aaaaaaaaaa], Refiner: refi [v2] [bbbbbbbbbb], Refiner switch at: 0.6, "
        'Lora hashes: "one: 111111111111, two words: 222222222222", Version: v1.10.1'
    )
    assert found.changes["hires"].checkpoint == "other"
    assert found.changes["refiner"] == Refiner("refi [v2]", 0.6)
    assert found.hashes == {
        "checkpoint": "6ce0161689",
        "vae": "735e4c3a44",
        "hires.checkpoint": "aaaaaaaaaa",
        "refiner.checkpoint": "bbbbbbbbbb",
        "lora:one": "111111111111",
        "lora:two words": "222222222222",
    }


@pytest.mark.parametrize("label", ["Beta schedule alpha", "Beta scheduler alpha"])
def test_both_labels_of_beta(label: str) -> None:
    assert tuning(f"{label}: 0.5, Version: v1.10.1") == Tuning(beta_alpha=0.5)


@pytest.mark.parametrize(
    ("line", "error", "field"),
    [
        ("Hires upscale: 2, Denoising strength: 7", FieldLimited, "hires.strength"),
        ("Denoising strength: 7", FieldLimited, "init.strength"),
        ("Mask blur: 100", FieldLimited, "init.inpaint.blur_x"),
        ("Hires upscale: big", FieldNotNumber, "hires.scale"),
        ("Hires resize: big", FieldNotNumber, "hires.width"),
        ("Variation seed: -5", FieldOutOfRange, "variation.seed"),
        ("Eta: x", FieldNotNumber, "tuning.eta"),
        ("Refiner: x, Refiner switch at: 0", FieldOutOfRange, "refiner.switch_at"),
    ],
)
def test_wrong_values_in_parts_are_reported(line: str, error: type, field: str) -> None:
    warnings = pasted(f"{line}, Version: v1.10.1").warnings
    assert {(type(warning), warning.field) for warning in warnings} >= {(error, field)}


def test_what_somebody_else_decides() -> None:
    found = pasted("Steps: 900, Model: x, Model hash: 1234567890, Version: v1.10.1").without("steps", "checkpoint")
    assert not {"steps", "checkpoint"} & found.changes.keys()
    assert (found.warnings, found.hashes) == ((), {})


def test_words_that_nobody_knows_stay_unused() -> None:
    line = "Tiling: maybe, Emphasis: Strong, Masked content: dots, Face restoration: CodeFormer"
    assert [label for label, _ in pasted(f"{line}, Version: v1.10.1").unused] == [
        "Tiling",
        "Emphasis",
        "Masked content",
        "Face restoration",
    ]


# --- Old versions -------------------------------------------------------------------------------------------------

OLD_15 = Tuning(downcast_alphas=True)


@pytest.mark.parametrize(
    ("line", "prompt", "expected"),
    [
        ("Sampler: DDIM, Version: v1.5.2", "a cat", Tuning(downcast_alphas=True, pad_conditions_v0=True)),
        ("Sampler: PLMS, Version: 1.5.2", "a cat", Tuning(downcast_alphas=True, pad_conditions_v0=True)),
        ("Sampler: Euler, Version: v1.5.2", "a [cat:dog:3]", Tuning(downcast_alphas=True, old_prompt_editing=True)),
        ("Sampler: DDIM, Version: v1.6.0", "a [cat:dog:3]", OLD_15),
        ("Sampler: Euler, Version: v1.7.0", "a cat", OLD_15),
        ("Sampler: Euler, Version: v1.7.0-224-gabc", "a cat", OLD_15),
        ("Sampler: Euler, Version: v1.7.0-225-gabc", "a cat", Tuning()),
        ("Sampler: Euler, Version: v1.8.0", "a cat", Tuning()),
        ("Sampler: Euler, Version: f0.0.17v1.5.0rc-latest-276-g29be1da7", "a [cat:dog:3]", Tuning()),
        ("Sampler: Euler, Version: ComfyUI", "a [cat:dog:3]", Tuning()),
        ("Sampler: Euler, Model hash: 6ce0161689", "a [cat:dog:3]", Tuning()),
        ("Sampler: Euler, Model hash: 7460a6fa", "a [cat:dog:3]", replace(OLD_15, old_prompt_editing=True)),
        ("Sampler: Euler, Version: v1.7.0, Downcast alphas_cumprod: False", "a cat", Tuning()),
    ],
)
def test_what_old_versions_did(line: str, prompt: str, expected: Tuning) -> None:
    assert tuning(line, prompt) == expected


@pytest.mark.parametrize(("version", "by_steps"), [("v1.7.0-300-gabc", True), ("v1.8.0", False)])
def test_when_old_versions_changed_to_the_refiner(version: str, by_steps: bool) -> None:
    found = pasted(f"Refiner: x [abcdef1234], Refiner switch at: 0.8, Version: {version}")
    assert found.changes["refiner"] == Refiner("x", by_steps=by_steps)


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("k_euler_ancestral", ("Euler a", "Uniform")),
        ("k_dpmpp_2m", ("DPM++ 2M", "Uniform")),
        ("dpmpp_2m_sde_karras", ("DPM++ 2M SDE", "Karras")),
        ("dpmpp_2m_sgm_uniform", ("DPM++ 2M", "SGM Uniform")),
        ("euler_ddim_uniform", ("Euler", "DDIM")),
        ("Euler SGMUniform", ("Euler", "SGM Uniform")),
        ("Restart", ("Restart", "Automatic")),
        ("euler A", ("Euler a", "Uniform")),
        ("Heun++ 2", ("HeunPP2", "Uniform")),
        ("SA Solver", ("SA Solver", "Uniform")),
    ],
)
def test_names_of_samplers(sampler: str, expected: tuple[str, str]) -> None:
    changes = pasted(f"Sampler: {sampler}").changes
    assert (changes["sampler"], changes["schedule"]) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v1.10.1", "LCM"), ("f2.0.1v1.10.1-previous-664-gd557aef9", "LCM (Forge)"), ("sdcolab 0.1.0", "LCM")],
)
def test_lcm_is_what_the_program_that_wrote_it_calls_so(version: str, expected: str) -> None:
    text = f"Sampler: LCM, Schedule type: Turbo, Version: {version}"
    assert pasted(text).changes["sampler"] == expected
    assert pasted(text).changes["schedule"] == "Turbo"
    hires = pasted(f"Hires upscale: 2, Hires sampler: LCM, Denoising strength: 0.5, Version: {version}")
    assert hires.changes["hires"].sampler == expected


@pytest.mark.parametrize(
    ("fields", "sampler", "schedule"),
    [
        ("Hires sampler: DPM++ 2M Karras, Version: v1.7.0", "DPM++ 2M", "Karras"),
        ("Hires sampler: DPM++ 2M, Version: v1.7.0", "DPM++ 2M", "Uniform"),
        ("Hires sampler: DPM++ 2M, Version: v1.10.1", "DPM++ 2M", SAME),
        ("Hires sampler: k_dpmpp_2m, Hires schedule type: Karras, Version: v1.10.1", "DPM++ 2M", "Karras"),
        ("Hires sampler: Use same sampler, Version: v1.7.0", SAME, SAME),
    ],
)
def test_the_sampler_of_the_hires_pass(fields: str, sampler: str, schedule: str) -> None:
    hires = pasted(f"Sampler: Euler, Hires upscale: 2, {fields}").changes["hires"]
    assert (hires.sampler, hires.schedule) == (sampler, schedule)


@pytest.mark.parametrize(
    ("first", "final", "expected"),
    [("512x768", "1024x1536", (512, 768)), ("0x0", "1024x1024", (512, 512)), ("0x0", "1920x1080", (704, 384))],
)
def test_hires_before_2023(first: str, final: str, expected: tuple[int, int]) -> None:
    found = pasted(
        f"Sampler: DPM++ 2M Karras, Size: {final}, Model hash: 7460a6fa, Denoising strength: 0.6, "
        f"First pass size: {first}"
    )
    width, height = map(int, final.split("x"))
    assert (found.changes["width"], found.changes["height"]) == expected
    assert found.changes["hires"] == Hires("Latent", strength=0.6, width=width, height=height)
    assert found.changes["tuning"] == replace(OLD_15, old_karras_sigmas=True)


def test_networks_outside_the_prompt() -> None:
    found = pasted(
        "Hypernet: anime(abcdef12), Hypernet strength: 0.8, AddNet Enabled: True, AddNet Module 1: LoRA, "
        "AddNet Model 1: style(0123456789ab), AddNet Weight A 1: 0.7, AddNet Weight B 1: 0.7, AddNet Module 2: LoRA, "
        "AddNet Model 2: face, AddNet Weight A 2: 0.5, AddNet Weight B 2: 0.2"
    )
    assert found.changes["prompt"] == "a cat\n<hypernet:anime:0.8><lora:style:0.7><lora:face:0.2:0.5>"
    assert found.unused == ()


def test_additional_networks_that_were_off() -> None:
    found = pasted("AddNet Enabled: False, AddNet Module 1: LoRA, AddNet Model 1: style, AddNet Weight A 1: 0.7")
    assert found.changes["prompt"] == "a cat"


# --- Whole texts of other programs --------------------------------------------------------------------------------

A1111_2022 = (
    "portrait of a [cat|dog]\nNegative prompt: blurry\n"
    "Steps: 30, Sampler: Euler a, CFG scale: 11, Seed: 965475433, Size: 512x704, Model hash: 925997e9, "
    "Batch size: 2, Batch pos: 1, Variation seed: 5, Variation seed strength: 0.1, Clip skip: 2, ENSD: 31337"
)
A1111_110 = (
    "a cat <lora:detail:0.5>\nNegative prompt: EasyNegative\n"
    "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4, Size: 832x1216, "
    "Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Denoising strength: 0.4, RNG: CPU, Hires upscale: 1.5, "
    'Hires upscaler: R-ESRGAN 4x+, Hires prompt: "a cat, best", Lora hashes: "detail: 7c6bad76eb54", '
    "Refiner: sd_xl_refiner_1.0 [7440042bbd], Refiner switch at: 0.8, Pad conds: True, Version: v1.10.1"
)
FORGE = (
    "a cat\nSteps: 20, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 7, Seed: 9, Size: 512x512, "
    "Model hash: 6ce0161689, Model: sd15, Denoising strength: 0.5, Hires Module 1: Use same choices, "
    "Hires CFG Scale: 5, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, "
    "Version: f2.0.1v1.10.1-previous-669-gdfdcbab6, Module 1: vae-ft-mse-840000-ema-pruned"
)
COMFY = (
    "a cat\nNegative prompt: dog\nSteps: 20, Sampler: dpmpp_2m_karras, CFG Scale: 8.0, Seed: 156680208700286, "
    "Size: 512x512, Model hash: 6ce0161689, Model: sd15, Version: ComfyUI"
)
CIVITAI = (
    "a cat\nNegative prompt: dog\nSteps: 25, CFG scale: 7, Sampler: Euler a, Seed: 3, Clip skip: 2, Size: 832x1216, "
    'Created Date: 2024-11-02T12:32:39.0392837Z, Civitai resources: [{"type":"checkpoint","modelVersionId":290640,'
    '"modelName":"Pony, v6","modelVersionName":"V6: XL"},{"type":"lora","weight":0.8,"modelVersionId":7,'
    '"modelName":"Cats","modelVersionName":"v1"}], Civitai metadata: {}'
)
CIVITAI_HASHES = (
    "a cat <lora:detail:1>\nSteps: 25, CFG scale: 7, Sampler: Euler a, Seed: 3, Model: pony, "
    'Hashes: {"model": "67ab2fd8ec", "lora:detail": "47aaaf0d29"}'
)


def test_a_text_of_2022() -> None:
    found = to_request(parse(A1111_2022))
    assert GenerationRequest(**found.changes) == GenerationRequest(
        prompt="portrait of a [cat|dog]",
        negative_prompt="blurry",
        sampler="Euler a",
        schedule="Uniform",
        steps=30,
        cfg_scale=11.0,
        seed=965475433,
        width=512,
        height=704,
        clip_skip=2,
        variation=Variation(5, 0.1),
        tuning=Tuning(ensd=31337, downcast_alphas=True, old_prompt_editing=True),
    )
    assert found.hashes == {"checkpoint": "925997e9"}
    assert (found.warnings, found.unused) == ((), ())


def test_a_text_of_a1111_1_10() -> None:
    found = to_request(parse(A1111_110))
    assert GenerationRequest(**found.changes) == GenerationRequest(
        prompt="a cat <lora:detail:0.5>",
        negative_prompt="EasyNegative",
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=25,
        cfg_scale=6.5,
        seed=4,
        width=832,
        height=1216,
        noise_origin=NoiseOrigin.CPU,
        checkpoint="sd_xl_base_1.0",
        hires=Hires("R-ESRGAN 4x+", strength=0.4, scale=1.5, prompt="a cat, best"),
        refiner=Refiner("sd_xl_refiner_1.0", 0.8),
        tuning=Tuning(pad_conditions=True),
    )
    assert (found.warnings, found.unused) == ((), ())


def test_a_text_of_forge() -> None:
    found = to_request(parse(FORGE))
    assert found.changes["vae"] == "vae-ft-mse-840000-ema-pruned"
    assert found.changes["hires"] == Hires("Latent", 10, 0.5, 2.0, cfg_scale=5.0)
    assert found.changes["schedule"] == "Karras"
    assert (found.warnings, found.unused) == ((), ())


def test_a_text_of_comfyui() -> None:
    changes = to_request(parse(COMFY)).changes
    assert (changes["sampler"], changes["schedule"], changes["cfg_scale"]) == ("DPM++ 2M", "Karras", 8.0)
    assert changes["negative_prompt"] == "dog"


def test_a_text_copied_from_civitai() -> None:
    infotext = parse(CIVITAI)
    assert parse(render(infotext)) == infotext
    assert infotext.get("Civitai metadata") == "{}"
    found = to_request(infotext)
    assert found.unused == ()
    assert (found.changes["width"], found.changes["clip_skip"]) == (832, 2)
    assert (found.changes["prompt"], found.changes["checkpoint"]) == ("a cat\n<lora:Cats v1:0.8>", "Pony v6 V6 XL")
    assert found.hashes == {"checkpoint": "civitai:290640", "lora:Cats v1": "civitai:7"}


def test_hashes_of_civitai() -> None:
    assert to_request(parse(CIVITAI_HASHES)).hashes == {"checkpoint": "67ab2fd8ec", "lora:detail": "47aaaf0d29"}
