"""Captions in blocks of 75 tokens, joined again, and ModelSpec: each recorded case of the reference trainer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sdcolab.core.detect import ModelFamily
from sdcolab.engine.tokenizer import CHUNK_LENGTH, END, START
from sdcolab.training.dataset import Dataset, read_dataset
from sdcolab.training.dataset_config import dataset_plans
from sdcolab.training.families import TRAINABLE
from sdcolab.training.metadata import Facts, metadata_of, modelspec
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.steps import StepCount
from sdcolab.training.text import joined, token_blocks
from tests.support.vectors import vectors

RECORDED, FILES = vectors("lora_training_runs"), vectors("lora_files")
TOY_START, TOY_END = 512, 513
"""Of the toy tokenizer of the recorded runs: a byte is a token, and another one at the end of a word."""
FAMILIES = {"stable-diffusion-v1/lora": ModelFamily.SD1, "stable-diffusion-v2-512/lora": ModelFamily.SD2}


def caption_of(written: str) -> str:
    """The caption of "'x '*74", or the caption itself."""
    repeated = re.fullmatch(r"'(.+)'\*(\d+)", written)
    return repeated[1] * int(repeated[2]) if repeated else written


def toy_ids(caption: str) -> list[int]:
    first = ord("!")
    return [
        ord(letter) - first + 256 * (place == len(word) - 1)
        for word in caption.split()
        for place, letter in enumerate(word)
    ]


@pytest.mark.parametrize(
    "case", RECORDED["token_blocks"]["cases"], ids=lambda case: f"{case['max_token_length']}-{case['caption']}"
)
def test_captions_are_cut_where_the_reference_trainer_cuts_them(case: dict[str, Any]) -> None:
    blocks = (case["max_token_length"] or CHUNK_LENGTH) // CHUNK_LENGTH
    special = {TOY_START: START, TOY_END: END}
    wanted = [[special.get(token, token) for token, times in runs for _ in range(times)] for runs in case["ids"]]
    assert token_blocks(toy_ids(caption_of(case["caption"])), blocks) == wanted
    assert case["shape"] == [1, len(wanted), len(wanted[0])]


@pytest.mark.parametrize("case", RECORDED["text_conditions"], ids=lambda case: str(case["max_token_length"]))
def test_blocks_are_joined_as_the_reference_trainer_joins_them(case: dict[str, Any]) -> None:
    blocks, length = (case["max_token_length"] or CHUNK_LENGTH) // CHUNK_LENGTH, CHUNK_LENGTH + 2
    place = torch.arange(blocks * length).reshape(1, blocks, length, 1)
    found = [divmod(int(row), length) for row in joined(place)[0, :, 0]]
    assert len(found) == case["shape"][1]
    # Each row may stand in several places of the recording, whose blocks are partly alike.
    for rows, start in ((case["first_rows"], 0), (case["around_76"], 75), (case["last_rows"], len(found) - 3)):
        for number, places in enumerate(rows):
            assert list(found[start + number]) in places, (start + number, found[start + number], places)


def facts_of(plan: TrainingPlan, family: ModelFamily = ModelFamily.SD1, datasets: tuple[Dataset, ...] = ()) -> Facts:
    return Facts(
        plan=plan,
        datasets=datasets,
        steps=StepCount(1, 1, 1, 1),
        session=1,
        started=0.0,
        optimiser="torch.optim.adamw.AdamW",
        seed=1,
        family=TRAINABLE[family],
        v=plan.v_parameterization,
    )


@pytest.mark.parametrize("case", FILES["modelspec"], ids=lambda case: " ".join(case["args"]) or "default")
def test_modelspec_is_the_reference_trainers(case: dict[str, Any]) -> None:
    resolution = [] if "--resolution" in case["args"] else ["--resolution", "512"]
    plan = plan_from_file(Path(os.devnull), [*case["args"], *resolution, "--output_name", "mi_lora"])
    found = modelspec(facts_of(plan, FAMILIES[case["spec"]["modelspec.architecture"]]), 0.0)
    assert set(found) == set(case["spec"])
    for key, value in case["spec"].items():
        assert value.startswith("<") or found[key] == value, key


def test_the_least_metadata_are_the_reference_trainers(make_plan: Callable[..., TrainingPlan]) -> None:
    plan = make_plan(no_metadata=True, network_args=("conv_dim=4",))
    datasets = tuple(read_dataset(one) for one in dataset_plans(plan))
    assert list(metadata_of(facts_of(plan, datasets=datasets), epoch=1, step=1, finished=0.0)) == FILES["minimum_keys"]
