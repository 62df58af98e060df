"""The detail pass: what detectors say, the masks it becomes, and whole generations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.detectors import detector
from support.onnx import constant_model

from sdcolab.core.details import DetailChoice, DetailMerge, DetailUnit, prompts
from sdcolab.core.errors import DetailClassesUnknown, DetectorMissing, ModelUnreadable
from sdcolab.core.events import CancelToken, Event, Note, Phase, PhaseStarted, ignore_events
from sdcolab.core.infotext import parse, to_request
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.details.masks import chosen, grown, masks_for, moved
from sdcolab.engine.details.networks import Network, opened
from sdcolab.engine.details.yolo import Found, apart, candidates, find, names_of
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.details import part_requests

PICTURE = Image.new("RGB", (200, 100), "white")


def answering(*outputs: np.ndarray, names: str = "{0: 'face', 1: 'hand'}") -> Network:
    """A network of 64 x 64 pixels that says ``outputs``."""
    arrays = [np.asarray(output, np.float32) for output in outputs]
    return Network(Path("d.onnx"), (64, 64), {"names": names}, lambda _pixels: arrays)


# --- What detectors say -------------------------------------------------------------------------------------------


def test_every_layout_of_yolo_says_the_same() -> None:
    finished = np.zeros((1, 300, 6))
    finished[0, 0] = (16, 24, 32, 40, 0.9, 1)
    eighth = np.zeros((1, 6, 84))
    eighth[0, :, 5] = (24, 32, 16, 16, 0.1, 0.9)
    fifth = np.zeros((1, 1200, 7))
    fifth[0, 8] = (24, 32, 16, 16, 0.95, 0.1, 0.9 / 0.95)
    for output in (finished, eighth, fifth):
        (one,) = find(PICTURE, answering(output), 0.5)
        # 200 x 100 is 64 x 32 there, 16 rows below the top
        assert one.label == "hand"
        assert one.confidence == pytest.approx(0.9)
        assert one.box == pytest.approx((50, 25, 100, 75), abs=1e-3)
        assert find(PICTURE, answering(output), 0.95) == ()
        assert find(PICTURE, answering(output), 0.5, "face") == ()
        assert len(find(PICTURE, answering(output), 0.5, "Hand, face")) == 1


def test_shapes_come_from_prototypes_inside_their_box() -> None:
    output = np.zeros((1, 4 + 1 + 32, 84))
    output[0, :6, 0] = (32, 32, 32, 16, 0.9, 20)
    prototypes = np.full((1, 32, 16, 16), -1.0)
    prototypes[0, 0, :, 8:] = 1  # the right half
    (one,) = find(PICTURE, answering(output, prototypes, names="{0: 'person'}"), 0.5)
    assert one.shape is not None
    assert one.shape.shape == (100, 200)
    rows, columns = np.nonzero(one.shape)
    assert 95 <= columns.min() <= 105
    assert 145 <= columns.max() <= 155
    assert 20 <= rows.min() <= 30
    assert 70 <= rows.max() <= 80


def test_what_mostly_covers_a_surer_one_is_left_out() -> None:
    boxes = np.array([(0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10), (0, 0, 10, 10)], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.3], np.float32)
    assert list(apart(boxes, scores, np.array([0, 0, 0, 1]))) == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "{", "__import__('os')", "[" * 5000, "{'a': 1}", "3"])
def test_hostile_names_are_none(text: str) -> None:
    assert names_of({"names": text}) == {}


def test_names_of_exports() -> None:
    assert (
        names_of({"names": "{0: 'face', 1: 'hand'}"})
        == {0: "face", 1: "hand"}
        == names_of({"names": "['face', 'hand']"})
    )


def test_what_is_no_detector_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable):
        find(PICTURE, answering(np.zeros((1, 3))), 0.3)
    with pytest.raises(ValueError, match="detector"):
        candidates([np.zeros((1, 1000), np.float32)], 0.3, 0)
    with pytest.raises(DetailClassesUnknown) as caught:
        find(PICTURE, answering(np.zeros((1, 6, 84))), 0.3, "pies")
    assert caught.value.known == "face, hand"
    broken = tmp_path / "roto.onnx"
    broken.write_bytes(b"\x08\x08 no es un modelo")
    with pytest.raises(ModelUnreadable):
        opened(broken)


def test_a_file_is_run_at_its_own_size_with_its_own_names(tmp_path: Path) -> None:
    network = opened(detector(tmp_path / "cara.onnx", (32, 32, 16, 16, 0.8), side=96))
    assert network.size == (96, 96)
    (one,) = find(Image.new("RGB", (96, 96)), network, 0.3)
    assert (one.label, one.box) == ("face", (24, 24, 40, 40))


# --- Masks --------------------------------------------------------------------------------------------------------


def test_growing_and_shrinking_are_opencvs() -> None:
    cv2 = pytest.importorskip("cv2")
    mask = np.zeros((20, 24), np.uint8)
    mask[6:14, 5:17] = 255
    for pixels in (1, 4, 5, -3, -4):
        kernel = np.ones((abs(pixels), abs(pixels)), np.uint8)
        expected = cv2.dilate(mask, kernel) if pixels > 0 else cv2.erode(mask, kernel)
        assert np.array_equal(grown(mask, pixels), expected), pixels


def test_moving_goes_right_and_up_and_out() -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[3, 0] = 255
    assert np.argwhere(moved(mask, 2, 1)).tolist() == [[2, 2]]
    assert not moved(mask, 0, -1).any()
    assert not moved(mask, 9, 0).any()


def test_sizes_and_counts_choose() -> None:
    small, large = Found((0, 0, 10, 10), 0.9, "face"), Found((0, 0, 50, 50), 0.5, "face")
    size = (100, 100)
    unit = DetailUnit("d")
    assert chosen([small, large], unit, size) == [small, large]
    assert chosen([small, large], replace(unit, most=1), size) == [large]
    assert chosen([small, large], replace(unit, most=1, choice=DetailChoice.CONFIDENCE), size) == [small]
    assert chosen([small, large], replace(unit, min_ratio=0.1), size) == [large]
    assert chosen([small, large], replace(unit, max_ratio=0.1), size) == [small]


def test_masks_are_one_each_or_merged_or_the_rest() -> None:
    found = [Found((0, 0, 9, 9), 0.9, "face"), Found((20, 20, 29, 29), 0.5, "face")]
    unit = DetailUnit("d", grow=0)
    one, other = masks_for(found, unit, (40, 40))
    assert np.count_nonzero(one) == np.count_nonzero(other) == 100
    (merged,) = masks_for(found, replace(unit, merge=DetailMerge.MERGE), (40, 40))
    assert np.count_nonzero(merged) == 200
    (rest,) = masks_for(found, replace(unit, merge=DetailMerge.INVERT), (40, 40))
    assert np.count_nonzero(rest) == 1400
    assert masks_for(found, replace(unit, grow=-40), (40, 40)) == []
    assert masks_for([], replace(unit, merge=DetailMerge.INVERT), (40, 40)) == []


# --- Prompts and requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count", "expected"),
    [
        ("", 2, ("un gato", "un gato")),
        ("ojos", 2, ("ojos", "ojos")),
        ("uno [SEP] dos", 3, ("uno", "dos", "dos")),
        ("[SKIP][SEP]dos", 2, (None, "dos")),
        ("[PROMPT], feliz", 1, ("un gato, feliz",)),
        ("a[SEP]", 2, ("a", "un gato")),
    ],
)
def test_prompts_of_each_thing(asked: str, count: int, expected: tuple[str | None, ...]) -> None:
    assert prompts(asked, "un gato", count) == expected


REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64
)


def test_each_part_is_an_inpainting_of_its_own() -> None:
    masks = [Image.new("L", (128, 128), 255)] * 2
    unit = DetailUnit("d", strength=0.3, steps=9, cfg_scale=4.0, sampler="DDIM", negative_prompt="mal", padding=16)
    first, second = part_requests(replace(REQUEST, batch_count=3), unit, masks, 1)
    assert (first.seed, second.seed) == (8, 9)
    assert (first.steps, first.cfg_scale, first.sampler, first.negative_prompt) == (9, 4.0, "DDIM", "mal")
    assert (first.width, first.height, first.image_count) == (64, 64, 1)
    assert first.init is not None
    assert first.init.strength == 0.3
    assert first.init.inpaint is not None
    assert (first.init.inpaint.padding, first.init.inpaint.only_masked) == (16, True)
    (whole,) = part_requests(REQUEST, replace(unit, only_masked=False), masks[:1], 0)
    assert (whole.width, whole.height) == (128, 128)


# --- Whole generations --------------------------------------------------------------------------------------------


@pytest.fixture
def face(engine: Engine) -> Path:
    """A detector in its folder that sees a face in the middle of every picture."""
    return detector(engine._library.folders.root / "models" / "adetailer" / "face_yolov8n.onnx", (32, 32, 20, 20, 0.8))


def made(engine: Engine, request: GenerationRequest, events: list[Event] | None = None) -> tuple[np.ndarray, str]:
    hear = ignore_events if events is None else events.append
    image = engine.generate(request, hear, CancelToken(), save=False).images[-1]
    return np.asarray(image.image, np.int16), image.infotext


def test_only_what_was_found_is_drawn_again_and_the_text_says_so_as_adetailer(engine: Engine, face: Path) -> None:
    plain, _ = made(engine, REQUEST)
    events: list[Event] = []
    unit = DetailUnit("face_yolov8n.pt", strength=0.8, padding=8, blur=0)
    detailed, text = made(engine, replace(REQUEST, details=(unit,)), events)
    changed = np.abs(detailed - plain).max(axis=2) > 2
    assert changed[26:38, 26:38].mean() > 0.5
    assert not changed[:18].any()
    assert not changed[:, 47:].any()
    assert (
        "ADetailer model: face_yolov8n.onnx, ADetailer confidence: 0.3, ADetailer dilate erode: 4, "
        "ADetailer mask blur: 0, ADetailer denoising strength: 0.8, "
        "ADetailer inpaint only masked: True, ADetailer inpaint padding: 8" in text
    )
    assert [event.detail for event in events if isinstance(event, PhaseStarted) and event.phase is Phase.DETAILING] == [
        "face_yolov8n",
        "face_yolov8n (1/1)",
    ]
    again, _ = made(engine, replace(REQUEST, details=to_request(parse(text)).changes["details"]))
    assert np.array_equal(again, detailed)
    back, _ = made(engine, REQUEST)
    assert np.array_equal(back, plain)


def test_the_second_image_has_its_own_seed_and_a_lora_is_put_on_once(engine: Engine, face: Path) -> None:
    unit = DetailUnit("face_yolov8n", strength=0.8, prompt="[PROMPT] feliz")
    two, _ = made(engine, replace(REQUEST, batch_size=2, details=(unit,)))
    alone, _ = made(engine, replace(REQUEST, seed=8, details=(unit,)))
    assert np.abs(two - alone).max() <= 2


def test_nothing_found_leaves_the_picture_and_says_so(engine: Engine, face: Path) -> None:
    events: list[Event] = []
    plain, _ = made(engine, REQUEST)
    same, _ = made(engine, replace(REQUEST, details=(DetailUnit("face_yolov8n", confidence=0.9),)), events)
    assert np.array_equal(same, plain)
    assert [event.text for event in events if isinstance(event, Note)] == [
        "El detector «face_yolov8n» no encontró nada que repasar en la imagen 1."
    ]


def test_a_detector_that_is_not_here_is_told_before_any_work(engine: Engine) -> None:
    with pytest.raises(DetectorMissing) as caught:
        engine.generate(replace(REQUEST, details=(DetailUnit("hand_yolov8n.pt"),)))
    assert caught.value.link.endswith("hand_detect_v1.0_s.onnx")


def test_a_hires_picture_is_repaired_at_its_own_size(engine: Engine, face: Path) -> None:
    from sdcolab.core.request import Hires

    request = replace(REQUEST, hires=Hires(steps=2), details=(DetailUnit("face_yolov8n", strength=0.9),))
    plain, _ = made(engine, replace(request, details=()))
    detailed, text = made(engine, request)
    changed = np.abs(detailed - plain).max(axis=2) > 2
    assert detailed.shape == (128, 128, 3)
    assert changed[50:78, 50:78].mean() > 0.5
    assert not changed[:24].any()
    assert "Hires upscale: 2" in text


def test_units_from_a_constant_model_of_two_outputs(tmp_path: Path) -> None:
    places = np.zeros((1, 37, 84), np.float32)
    path = constant_model(tmp_path / "s.onnx", 64, 64, {"output0": places, "output1": np.zeros((1, 32, 16, 16))})
    assert find(PICTURE, opened(path), 0.3) == ()
