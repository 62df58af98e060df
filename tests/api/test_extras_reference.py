"""Enlarged pictures against those of Forge (A1111's arithmetic), by the same payloads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.networks import import_spandrel
from support.reference_extras import write_esrgan

from sdcolab.api.extras import enlargement_from_payload, html_of
from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.upscaling import enlarged
from sdcolab.engine.upscale.upscalers import Upscalers

REFERENCE = Path(__file__).parents[1] / "data" / "referencia"
CASES = sorted((REFERENCE / "taller" / "extras").iterdir())
MAX_BYTE_ERROR = 2


@pytest.fixture(scope="module")
def upscalers(tmp_path_factory: pytest.TempPathFactory) -> Upscalers:
    import_spandrel()
    folders = Folders(tmp_path_factory.mktemp("extras"))
    write_esrgan(folders.models(ModelKind.UPSCALER) / "randesrgan_x4.pth")
    return Upscalers(Library(folders), torch.device("cpu"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_extras_equal_the_reference(folder: Path, upscalers: Upscalers) -> None:
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    wanted = enlargement_from_payload(case["payload"])
    names = re.findall(r"see ([\w.-]+\.png)", json.dumps(case["payload"]))
    assert len(names) == case["n_images"]
    for number, name in enumerate(names):
        with Image.open(REFERENCE / "imagenes" / "inputs" / name) as picture:
            made = enlarged(picture, wanted, upscalers, ignore_events, CancelToken())
        assert list(made.size) == case["sizes"][number]
        with Image.open(folder / f"{number}.png") as theirs:
            apart = np.abs(np.asarray(made, np.int16) - np.asarray(theirs.convert("RGB"), np.int16)).max()
        assert apart <= MAX_BYTE_ERROR
    assert html_of(wanted) == case["html_info"]
