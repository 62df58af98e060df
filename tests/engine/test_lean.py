"""Importing the engine without what others need: the same pictures, and nothing hidden from who comes later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdcolab.engine import lean

DRAW = """
import hashlib, json, sys
from pathlib import Path

from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest
from sdcolab.wiring.engine import build_engine, build_library

folders = Folders(Path(sys.argv[1]))
engine = build_engine(folders, build_library(folders))
request = GenerationRequest(prompt="a (red:1.2) pizza", steps=3, seed=3)
(made,) = engine.generate(request, ignore_events, CancelToken(), save=False).images
told = {"picture": hashlib.sha256(made.image.tobytes()).hexdigest(), "imported": sorted(sys.modules)}
"""
REST = """
import diffusers.models.unets, torch, torch._dynamo
from diffusers import ControlNetModel, FluxTransformer2DModel
from scipy.stats import norm
from transformers import BertModel, CLIPModel
from transformers.masking_utils import TransformGetItemToIndex

with TransformGetItemToIndex():
    pass
told["sharding"] = torch.distributed.is_available()
told["compiled"] = torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item()
told["one class"] = diffusers.models.unets.UNet2DConditionModel is diffusers.UNet2DConditionModel
"""
HEAVY = {"accelerate", "scipy", "sympy", "torch._dynamo", "torch.distributed.tensor", "torchvision"}
OTHERS = ("diffusers.models.transformers.transformer_flux", "diffusers.models.controlnets.controlnet_flux")


def told_by(code: str, folder: Path) -> dict[str, Any]:
    """What a new process tells after ``code``."""
    command = [sys.executable, "-c", f"{code}\nprint(json.dumps(told))", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    return dict(json.loads(made.stdout))


class TestLeanImports:
    @pytest.fixture(scope="class")
    def ours(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        return told_by(DRAW + REST, tmp_path_factory.mktemp("ours"))

    def test_a_process_of_ours_draws_without_what_others_need(self, ours: dict[str, Any]) -> None:
        assert "transformers.models.clip.modeling_clip" in ours["imported"]
        assert not {*HEAVY, *OTHERS}.intersection(ours["imported"])

    def test_whoever_asks_later_gets_the_real_ones(self, ours: dict[str, Any]) -> None:
        assert (ours["sharding"], ours["compiled"], ours["one class"]) == (True, 2.0, True)

    def test_the_picture_is_that_of_the_whole_libraries(self, ours: dict[str, Any], tmp_path: Path) -> None:
        whole = told_by(f"import diffusers\n{DRAW}", tmp_path)
        assert whole["picture"] == ours["picture"]
        assert HEAVY.intersection(whole["imported"])  # the measure sees what it should

    def test_a_version_that_nobody_tried_is_imported_whole(self, tmp_path: Path) -> None:
        first = "from sdcolab.engine import lean\nlean.TRIED['diffusers'] = (0, 1), (0, 2)\n"
        assert "torch._dynamo" in told_by(first + DRAW, tmp_path)["imported"]

    def test_what_an_image_of_colab_brings_besides_is_left_alone(self, ours: dict[str, Any], tmp_path: Path) -> None:
        """Colab's torchao takes of the tracer what does not stand for it, and its peft cannot bear that torchao."""
        package, facts = tmp_path / "torchao", tmp_path / "torchao-0.10.0.dist-info"
        for folder in (package, facts):
            folder.mkdir()
        (package / "__init__.py").write_text("from torch._dynamo.utils import warn_once\n")
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torchao\nVersion: 0.10.0\n")
        made = told_by(f"import sys\nsys.path.append({str(tmp_path)!r})\n{DRAW}", tmp_path / "datos")
        assert made["picture"] == ours["picture"]
        assert not {*HEAVY, "torchao"}.intersection(made["imported"])

    def test_where_it_fails_everything_is_imported(self, ours: dict[str, Any], tmp_path: Path) -> None:
        first = "from sdcolab.engine import lean\nlean.SHELVES = (*lean.SHELVES, 'diffusers.utils')\n"
        made = told_by(first + DRAW + REST, tmp_path)
        assert made["picture"] == ours["picture"]
        assert "torch._dynamo" in made["imported"]
        assert (made["sharding"], made["compiled"], made["one class"]) == (True, 2.0, True)

    def test_the_versions_of_this_suite_were_tried(self) -> None:
        assert lean.untried() == []
