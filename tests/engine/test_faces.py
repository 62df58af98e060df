"""Restored faces: finding them, putting them back, and what is said when a file is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.onnx import constant_model

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FaceFileMissing, ModelUnreadable
from sdcolab.core.faces import DETECTOR, RESTORER
from sdcolab.core.infotext import parse, to_request
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.faces import POINTS, open_detector, with_face

pytest.importorskip("cv2")

PICTURE = np.random.default_rng(3).integers(0, 256, (300, 400, 3)).astype(np.uint8)
FACE = POINTS / 4 + (120, 60)
"""A face of 128 x 128 pixels at (120, 60)."""
REQUEST = GenerationRequest(prompt="a", sampler="Euler", steps=2, seed=7, width=64, height=64, restore_faces=True)


def yunet(path: Path, *faces: np.ndarray) -> Path:
    """A network with YuNet's outputs that sees ``faces`` (points [5, 2]) in any picture of 320 x 320 pixels."""
    outputs: dict[str, np.ndarray] = {}
    for stride in (8, 16, 32):
        side = 320 // stride
        outputs |= {
            f"cls_{stride}": np.zeros((1, side * side, 1)),
            f"obj_{stride}": np.zeros((1, side * side, 1)),
            f"bbox_{stride}": np.zeros((1, side * side, 4)),
            f"kps_{stride}": np.zeros((1, side * side, 10)),
        }
    for number, points in enumerate(faces):
        column, row = (int(value) // 32 for value in points.mean(axis=0))
        place = row * 10 + column
        outputs["cls_32"][0, place] = outputs["obj_32"][0, place] = 0.99 - number / 100
        outputs["bbox_32"][0, place] = (0, 0, np.log(2), np.log(2))
        outputs["kps_32"][0, place] = (points / 32 - (column, row)).reshape(-1)
    return constant_model(path, 320, 320, outputs)


def test_only_the_face_changes_and_it_lands_where_it_was() -> None:
    seen: list[torch.Tensor] = []

    def brighter(faces: torch.Tensor) -> torch.Tensor:
        seen.append(faces)
        return torch.ones_like(faces)

    made = with_face(PICTURE, FACE, brighter)
    assert seen[0].shape == (1, 3, 512, 512)
    assert -1 <= seen[0].min() < seen[0].max() <= 1
    assert (made[100:150, 160:210] == 255).all()  # inside
    assert np.array_equal(made[:60], PICTURE[:60])
    assert np.array_equal(made[:, 260:], PICTURE[:, 260:])


def test_a_network_that_changes_nothing_leaves_the_picture() -> None:
    smooth = np.asarray(Image.fromarray(PICTURE).resize((8, 6)).resize((400, 300), Image.Resampling.BICUBIC))
    made = with_face(smooth, FACE, lambda faces: faces)
    assert np.abs(made.astype(int) - smooth).max() <= 2


def test_points_that_are_no_face_leave_it() -> None:
    assert with_face(PICTURE, np.zeros((5, 2)), torch.zeros_like) is PICTURE


def test_faces_are_found_where_the_network_says(tmp_path: Path) -> None:
    face = POINTS / 4 + (100, 60)
    detector = open_detector(yunet(tmp_path / "caras.onnx", face))
    (points,) = detector.points(np.zeros((320, 320, 3), np.uint8))
    assert np.abs(points - face).max() < 0.01
    broken = tmp_path / "ñ.onnx"
    broken.write_bytes(b"nada")
    with pytest.raises(ModelUnreadable):
        open_detector(broken)


def test_what_is_missing_is_told_with_its_link_before_any_work(engine: Engine) -> None:
    with pytest.raises(FaceFileMissing) as caught:
        engine.generate(REQUEST, save=False)
    assert caught.value.link == RESTORER.link
    folder = engine.faces._folders.models(ModelKind.FACES)
    folder.mkdir(parents=True)
    (folder / RESTORER.file).write_bytes(b"x")
    with pytest.raises(FaceFileMissing) as missing:
        engine.generate(REQUEST, save=False)
    assert missing.value.link == DETECTOR.link


def test_a_generation_is_restored_and_its_infotext_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = engine._library.folders.models(ModelKind.FACES)
    folder.mkdir(parents=True)
    (folder / RESTORER.file).write_bytes(b"x")
    yunet(folder / DETECTOR.file)
    monkeypatch.setattr(engine.faces, "_detect", lambda _pixels: [POINTS / 10])
    monkeypatch.setattr(engine.faces, "_net", torch.ones_like)
    made = engine.generate(REQUEST, save=False).images[0]
    plain = engine.generate(replace(REQUEST, restore_faces=False), save=False).images[0]
    assert (np.asarray(made.image)[25:28, 20:30] == 255).all()
    assert not (np.asarray(plain.image)[25:28, 20:30] == 255).all()
    assert "Face restoration: GFPGAN" in made.infotext
    assert to_request(parse(made.infotext)).changes["restore_faces"] is True
    assert to_request(parse(plain.infotext)).changes["restore_faces"] is False
