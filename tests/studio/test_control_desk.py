"""What a unit of ControlNet offers on both faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_fakes import Bench, make_bench

from sdcolab.core.detect import ModelKind
from sdcolab.core.preprocessors import PREPROCESSOR_FILES
from sdcolab.core.tasks import Download, Origin
from sdcolab.studio.control_desk import ControlDesk, as_names, as_number
from sdcolab.web.control_wires import offers

CANNY, DEPTH = "control_v11p_sd15_canny.safetensors", "control_v11f1p_sd15_depth.safetensors"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = make_bench(tmp_path)
    folder = bench.folders.models(ModelKind.CONTROLNET)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CANNY, DEPTH):
        (folder / name).write_bytes(b"x")
    yield bench
    bench.studio.jobs.close()


@pytest.fixture
def desk(bench: Bench) -> ControlDesk:
    return ControlDesk(bench.studio, ("control.0", "control.1"), lambda _checkpoint: 512, Origin.PAGE)


def test_a_type_of_control_filters_and_proposes(desk: ControlDesk) -> None:
    offer = desk.offer("Depth", "canny", CANNY, None)
    assert "canny" not in offer.modules
    assert {"none", "depth_midas"} < set(offer.modules)
    assert (offer.module, offer.models, offer.model) == ("depth_midas", (DEPTH,), DEPTH)
    everything = desk.offer("All", "canny", CANNY, None)
    assert {"canny", "depth_midas", "none"} < set(everything.modules)
    assert (everything.module, everything.models, everything.model) == ("canny", (DEPTH, CANNY), CANNY)
    assert desk.offer("an unknown type", "canny", CANNY, None) == everything


def test_looking_again_keeps_what_is_chosen(bench: Bench, desk: ControlDesk) -> None:
    new = "control_v11p_sd15s2_lineart_anime_canny.safetensors"
    (bench.folders.models(ModelKind.CONTROLNET) / new).write_bytes(b"x")
    offer = desk.offered("Canny", "none", DEPTH)
    assert (offer.module, offer.model) == ("none", DEPTH)
    assert set(offer.models) == {CANNY, new}
    updates = offers(desk, "Canny", "none", DEPTH)
    assert [value for _, value in updates[1]["choices"]] == ["", *offer.models, DEPTH]


def test_a_ready_made_map_keeps_the_model_of_its_type(desk: ControlDesk) -> None:
    assert desk.model("Canny", "none", CANNY, None) == CANNY
    assert desk.model("All", "none", DEPTH, None) == DEPTH
    assert desk.model("All", "canny", DEPTH, None) == CANNY
    assert desk.model("All", "unheard of", "x", None) == "x"


def test_a_preprocessor_brings_its_numbers(desk: ControlDesk) -> None:
    low, high = desk.numbers("canny", -1, 150)
    assert (low.label, low.low, low.high, low.value) == ("Umbral bajo", 1, 255, 100)
    assert high.value == 150
    assert [one.label for one in desk.numbers("none", 5, 5)] == ["", ""]
    assert desk.has_resolution("canny")
    assert not desk.has_resolution("none")


def test_missing_weights_are_told_with_their_size_and_downloaded(bench: Bench, desk: ControlDesk) -> None:
    told = desk.missing("openpose_full")
    assert "yolox_l.onnx, dw-ll_ucoco_384.onnx (351" in told
    job = desk.download("openpose_full")
    assert job is not None
    assert isinstance(job.task, Download)
    assert job.task.links == ", ".join(PREPROCESSOR_FILES[name].link for name in ("people", "pose"))
    for name in ("people", "pose"):
        file = bench.folders.preprocessors / PREPROCESSOR_FILES[name].folder / PREPROCESSOR_FILES[name].file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    assert desk.missing("openpose_full") == ""
    assert desk.download("openpose_full") is None


def test_a_picture_goes_to_the_first_unit_that_is_off(desk: ControlDesk) -> None:
    assert desk.put("a", {}) == {"control.0": True, "control.0.images": ["a"]}
    assert desk.put("a", {"control.0": True}) == {"control.1": True, "control.1.images": ["a"]}
    assert desk.put("a", {"control.0": True, "control.1": True})["control.0.images"] == ["a"]


def test_what_controls_send_is_read_whatever_it_is() -> None:
    assert [as_number(value) for value in (3, "x", None, True)] == [3, -1, -1, -1]
    assert as_names("a", None, ["b"]) == ["a", "", ""]
