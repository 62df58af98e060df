"""Models of few steps are known by the names that their authors and users give them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file as save

from sdcolab.core.detect import ModelKind
from sdcolab.core.few_steps import few_steps
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.remarks import said_of_settings
from sdcolab.core.request import GenerationRequest
from sdcolab.core.samplers import SAMPLERS, SCHEDULES
from sdcolab.core.words import explain

KNOWN = {
    "Hyper-SD15-8steps-CFG-lora.safetensors": ("Hyper-SD con CFG", "Euler", 8, 5),
    "Hyper-SDXL-12steps-CFG-lora.safetensors": ("Hyper-SD con CFG", "Euler", 12, 5),
    "rapidos/Hyper-SD15-1step-lora.safetensors": ("Hyper-SD", "Euler", 1, 1),
    "Hyper-SDXL-4steps-lora.safetensors": ("Hyper-SD", "Euler", 4, 1),
    "sdxl_lightning_4step_lora.safetensors": ("Lightning", "Euler", 4, 1),
    "juggernautXL_v9Rdphoto2Lightning.safetensors": ("Lightning", "Euler", 8, 1),
    "dreamshaperXL_lightningDPMSDE.safetensors": ("Lightning", "Euler", 8, 1),
    "pytorch_lora_weights_lcm.safetensors": ("LCM", "LCM", 6, 1.5),
    "LCM_LoRA_Weights_SD15.safetensors": ("LCM", "LCM", 6, 1.5),
    "lcm-lora-sdv1-5.safetensors": ("LCM", "LCM", 6, 1.5),
    "TCD-SD15-LoRA.safetensors": ("TCD", "TCD", 4, 1),
    "dmd2_sdxl_4step_lora_fp16.safetensors": ("DMD2", "LCM", 4, 1),
    "sd_xl_turbo_1.0_fp16.safetensors": ("Turbo", "Euler a", 4, 1),
    "sd_turbo.safetensors": ("Turbo", "Euler a", 4, 1),
    "dreamshaperXL_v21TurboDPMSDE.safetensors": ("Turbo", "DPM++ SDE", 7, 2),
    "turbovisionxl_turbo.safetensors": ("Turbo", "DPM++ SDE", 7, 2),
    "dreamshaper_8.safetensors": None,
    "hyperrealism_v3.safetensors": None,
    "hyper_detail_cfg_helper.safetensors": None,
    "landscape.safetensors": None,
    "": None,
}


@pytest.mark.parametrize(("name", "wants"), KNOWN.items())
def test_names(name: str, wants: tuple[str, str, int, float] | None) -> None:
    found = few_steps(name)
    assert (found and (found.name, found.sampler, found.steps, found.cfg_scale)) == wants


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lightning_style.safetensors", None),
        ("Electric-Lightning_v2_2000steps.safetensors", None),
        ("porsche_911_Turbo.safetensors", None),
        ("sdxl_lightning_lora.safetensors", "Lightning"),
        ("mix_lightning_8steps.safetensors", "Lightning"),
        ("sd_xl_turbo_lora_v1.safetensors", "Turbo"),
        ("Hyper-SD15-lora.safetensors", "Hyper-SD"),
    ],
)
def test_a_lora_of_storms_or_cars_is_not_one_of_few_steps(name: str, kind: str | None) -> None:
    found = few_steps(name, {"modelspec.tags": "lightning, storm"}, lora=True)
    assert (found and found.name) == kind


def test_metadata_tells_what_a_name_does_not() -> None:
    found = few_steps("mi_lora.safetensors", {"modelspec.title": "Hyper-SD 8-step CFG", "ss_output_name": "x"})
    assert found is not None
    assert (found.name, found.steps) == ("Hyper-SD con CFG", 8)
    assert few_steps("mi_lora.safetensors", {"modelspec.title": "gatos"}) is None


def test_what_is_offered_exists() -> None:
    for name in KNOWN:
        if found := few_steps(name):
            assert found.sampler in SAMPLERS
            assert found.schedule in SCHEDULES
            assert found.values["steps"] == found.steps


@pytest.mark.parametrize(
    ("prompt", "cfg_scale", "told"),
    [
        ("<lora:mi_lcm:1>", 7, True),
        ("<lora:mi_lcm:1>", 2, False),
        ("<lora:mi_lcm:0>", 7, False),
        ("<lora:mi_lcm:1:0>", 7, False),
        ("<lora:alias:1>", 7, True),
        ("gato", 7, False),
    ],
)
def test_too_much_guidance_is_told(tmp_path: Path, prompt: str, cfg_scale: float, told: bool) -> None:
    folders = Folders(tmp_path)
    path = folders.models(ModelKind.LORA) / "mi_lcm.safetensors"
    path.parent.mkdir(parents=True)
    save({"x.lora_up.weight": np.zeros((2, 2), np.float32)}, path, {"ss_output_name": "alias"})
    request = GenerationRequest(prompt=prompt, cfg_scale=cfg_scale)
    more = replace(request, cfg_scale=cfg_scale + 2)
    said = [f"{explain(one).text} {explain(one).advice}" for one in said_of_settings(request, Library(folders), 512)]
    assert [("LCM" in text, "CFG 1.5" in text) for text in said] == [(True, True)] * told
    facts = [[one.facts() for one in said_of_settings(one, Library(folders), 512)] for one in (request, more)]
    assert not told or facts[0] == facts[1], "one warning for every cell of a grid over CFG"
