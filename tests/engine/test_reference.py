"""Replays of images made by Forge (A1111's numerics) on the full-size random checkpoint; see tests/data/referencia."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sdcolab.core import infotext
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.tasks import LocalWorker, Tools
from sdcolab.engine.engine import Engine
from sdcolab.engine.hashes import sha256
from sdcolab.engine.weights import open_weights
from sdcolab.wiring.tasks import TASKS
from tools.reference import SCRIPT_CASES, Case, InOneProcess, cases, make_models, replay, replay_script

FORGES_OWN = {"Hires Module 1"}

FAST = ("controlnet/inpaint_only_txt2img", "hires/latent", "latent_couple/and_weights", "scripts_img2img/loopback_1")
"""Cases that go together through most of the engine, in every run of the suite."""
ONE_OF_EACH = (
    "a1111_t/dpmpp_2m_karras",
    "controlnet/and_control",
    "extra_networks/lora_1",
    "hypernetwork/layernorm_0.8",
    "img2img/denoise_0.5",
    "inpaint/original",
    "prompts/edit",
    "samplers/ddim",
)
"""One case of each other kind, with ``--completo``; tools/reference.py replays them all."""


def marked(found: Sequence[Case]) -> list[Any]:
    """``found`` as parameters: those that are not fast are for ``--completo``."""
    return [pytest.param(case, id=case.name, marks=() if case.name in FAST else pytest.mark.completo) for case in found]


PICTURES = [case for case in cases() if case.name in FAST + ONE_OF_EACH]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Folders]:
    """A folder with the full-size checkpoint (2.1 GB) and what guides it, which are gone after these tests."""
    replayed = [case for case in PICTURES if case.name in FAST or pytestconfig.getoption("completo")]
    folders = Folders(tmp_path_factory.mktemp("referencia"))
    make_models(folders, set(), set().union(*(case.control_models for case in replayed)))
    yield folders
    for kind in (ModelKind.CHECKPOINT, ModelKind.CONTROLNET):
        for path in folders.models(kind).iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def digest(folders: Folders) -> str:
    return sha256(folders.models(ModelKind.CHECKPOINT) / "rand15.safetensors")


@pytest.fixture(scope="module")
def engine(folders: Folders) -> Engine:
    return Engine(Library(folders), None, device="cpu")


SUMS = {
    "model.diffusion_model.input_blocks.1.0.in_layers.2.weight": (16447.907, 10.2837),
    "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (67885.928, 43.4672),
    "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight": (11203.120, 38.1611),
}
"""Sums of the absolute values and of the values of three tensors. The file's own hash depends on the processor, whose
vector units draw random numbers that differ in their last bits, and on the order of its metadata.
"""


@pytest.mark.lento
def test_checkpoint_is_the_reference_one(folders: Folders) -> None:
    weights = open_weights(folders.models(ModelKind.CHECKPOINT) / "rand15.safetensors")
    for name, (absolute, total) in SUMS.items():
        tensor = weights.get(name).double()
        assert tensor.abs().sum().item() == pytest.approx(absolute, rel=1e-5)
        assert tensor.sum().item() == pytest.approx(total, abs=0.05)


def test_a_case_may_have_no_latents(tmp_path: Path) -> None:
    assert Case(tmp_path, {"info": {"all_seeds": [1]}}).latents() is None


@pytest.mark.lento
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", marked(PICTURES))
def test_image_equals_reference(
    case: Case, engine: Engine, digest: str, record_property: pytest.RecordProperty
) -> None:
    result, distance = replay(engine, case)
    record_property("latent_error", distance.latents)
    print(f"{case.name}: latents {distance.latents:.1e} relative, PNG {distance.picture} of 255")
    assert [image.seed for image in result.images] == case.data["info"]["all_seeds"]
    assert distance.near
    text = result.images[0].infotext
    assert f"Model hash: {digest[:10]}, Model: rand15" in text
    # Their numbers are not compared: Forge hashes a whole LoRA file, A1111 and we what follows its header.
    theirs = infotext.parse(case.data["info"]["infotexts"][0])
    for label in {label for label, _ in theirs.fields} - FORGES_OWN:
        assert f"{label}: " in text


@pytest.mark.lento
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", marked(cases(SCRIPT_CASES)))
def test_scripts_equal_the_reference(case: Case, engine: Engine, folders: Folders) -> None:
    worker = LocalWorker(TASKS, Tools(folders, Library(folders), InOneProcess(engine)))
    assert replay_script(worker, case).near
