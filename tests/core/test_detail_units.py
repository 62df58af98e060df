"""ADetailer's infotexts and payloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdcolab.api.fields import BadField
from sdcolab.api.translate import request_from_payload
from sdcolab.core.details import DETECTORS, DetailMerge, DetailUnit, detector_like
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DetectorMissing, NotDownloaded
from sdcolab.core.faces import FACE_FILES
from sdcolab.core.fields import table_of
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, parse, to_request, write
from sdcolab.core.infotext.labels import ordinal
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest
from sdcolab.studio.form import Reader
from sdcolab.web.fragments import problem
from sdcolab.wiring.downloads import absent_files, detector_links, face_links

OF_CIVITAI = (
    "una chica\nSteps: 20, Sampler: DPM++ 2M SDE Karras, CFG scale: 9, Seed: 1382869474, Size: 1024x1024, "
    'ADetailer model: face_yolov8n.pt, ADetailer prompt: "ojos, azules", ADetailer confidence: 0.3, '
    "ADetailer dilate erode: 4, ADetailer mask blur: 4, ADetailer denoising strength: 0.5, "
    "ADetailer inpaint only masked: True, ADetailer inpaint padding: 32, "
    "ADetailer use separate steps: True, ADetailer steps: 80, "
    "ADetailer model 2nd: hand_yolov8n.pt, "
    "ADetailer confidence 2nd: 0.4, ADetailer dilate erode 2nd: 8, ADetailer mask merge invert 2nd: Merge, ADetailer "
    "mask blur 2nd: 6, ADetailer denoising strength 2nd: 0.35, ADetailer version: 23.11.1, Version: v1.7.0"
)


def test_a_text_of_adetailers_is_read_whole() -> None:
    pasted = to_request(parse(OF_CIVITAI))
    assert pasted.unused == ()
    assert pasted.warnings == ()
    first, second = pasted.changes["details"]
    assert first == DetailUnit("face_yolov8n", prompt="ojos, azules", strength=0.5, steps=80)
    assert second == DetailUnit(
        "hand_yolov8n",
        confidence=0.4,
        grow=8,
        merge=DetailMerge.MERGE,
        blur=6,
        strength=0.35,
        only_masked=False,  # ADetailer leaves it out when it is off
    )


def test_what_is_written_is_read_back_and_in_adetailers_words() -> None:
    units = (DetailUnit("cara.onnx", steps=30, sampler="DDIM"), DetailUnit("mano.onnx", only_masked=False))
    request = GenerationRequest(prompt="a", seed=1, width=64, height=64, details=units)
    text = write(request, EngineFacts("1", "Karras"))
    assert "ADetailer use separate steps: True, ADetailer steps: 30" in text
    assert "ADetailer use separate sampler: True, ADetailer sampler: DDIM" in text
    assert "ADetailer model 2nd: mano.onnx, ADetailer confidence 2nd: 0.3" in text
    assert "only masked 2nd" not in text
    assert to_request(parse(text)).changes["details"] == units


def test_no_unit_no_word_of_it() -> None:
    pasted = to_request(parse("a\nSteps: 20, Sampler: Euler, ADetailer version: 1"))
    assert pasted.changes["details"] == ()
    assert pasted.unused == ()


def test_ordinals() -> None:
    assert [ordinal(place) for place in (0, 1, 2, 3, 10, 20)] == ["", " 2nd", " 3rd", " 4th", " 11th", " 21st"]


def asked(*args: Any) -> tuple[DetailUnit, ...]:
    payload = {"prompt": "a", "alwayson_scripts": {"ADetailer": {"args": list(args)}}}
    return request_from_payload(payload, "txt2img").details


def test_payloads_of_adetailers_clients() -> None:
    unit = {
        "ad_model": "face_yolov8n.pt",
        "ad_prompt": "ojos",
        "ad_confidence": 0.5,
        "ad_use_steps": False,
        "ad_steps": 28,
    }
    expected = DetailUnit("face_yolov8n", prompt="ojos", confidence=0.5)
    assert asked(unit) == (expected,)
    assert asked(True, False, unit, {"ad_model": "None"}) == (expected,)
    assert asked(False, False, unit) == ()
    (steps,) = asked({"ad_model": "d", "ad_use_steps": True, "ad_steps": 12, "ad_sampler": "Use same sampler"})
    assert (steps.steps, steps.sampler) == (12, "")
    with pytest.raises(BadField, match="ad_confidence"):
        asked({"ad_model": "d", "ad_confidence": 7})


def test_what_to_get_for_a_name() -> None:
    assert detector_like("hand_yolov8n").subject == "hand"
    assert detector_like("mediapipe_face_full").subject == detector_like("otra").subject == "face"


def test_lists_offer_detectors_to_download_and_begin_with_the_first(tmp_path: Path) -> None:
    library = Library(Folders(tmp_path))
    names = [one.file for one in DETECTORS]
    assert absent_files(library, ModelKind.DETECTOR, names) == tuple(names)
    path = library.folders.models(ModelKind.DETECTOR) / names[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert absent_files(library, ModelKind.DETECTOR, names) == tuple(names[1:])
    lists = {"detectors": (names[0],), "detectors:absent": tuple(names[1:])}
    reader = Reader(lambda name: lists.get(name, ()), lambda raw: raw)
    field = table_of(GenerationRequest)["details.model"]
    assert reader.read(field, None) == names[0]
    with pytest.raises(NotDownloaded):
        reader.read(field, names[1])


def test_one_tap_gets_what_an_error_misses() -> None:
    missing = DetectorMissing("x", "hand_detect_v1.0_s.onnx", Path("/x"), "https://x > hand_detect_v1.0_s.onnx", 1)
    assert 'data-name="hand_detect_v1.0_s.onnx"' in problem(missing)
    known = detector_links() | face_links()
    assert {one.file for one in (*DETECTORS, *FACE_FILES)} == set(known)
