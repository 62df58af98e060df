"""The rooms where areas and poses are drawn: what browsers send is read or refused, and what comes of it."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdcolab.core.errors import PosesMalformed, PreprocessorFileMissing, SdcolabError, StrangeQuestion
from sdcolab.core.folders import Folders
from sdcolab.core.poses import BODY, STANDING, Figure, Poses, poses_from_json, poses_to_json
from sdcolab.core.regions import Region, Regions
from sdcolab.studio.poses_room import PosesRoom
from sdcolab.studio.regions_room import RegionsRoom
from sdcolab.wiring.poses import draw_people, find_people

HALVES = [
    {"x": 0, "y": 0, "width": 0.5, "height": 1, "weight": 1, "prompt": "una  chica\nrubia"},
    {"x": 0.5, "y": 0, "width": 0.5, "height": 1, "weight": 0.8, "prompt": "un chico"},
]


def standing(width: int, height: int) -> Figure:
    """Somebody who stands in the middle of a canvas."""
    return Figure(tuple((x * width, y * height, seen) for x, y, seen in STANDING))


def test_drawn_areas_become_a_prompt_and_latent_couple() -> None:
    values = RegionsRoom().answers["write"]({"areas": HALVES})
    assert values["prompt"] == "una chica rubia AND un chico"
    regions = Regions(values["regions.divisions"], values["regions.positions"], values["regions.weights"])
    assert regions.areas() == (Region(0, 1, 0, 0.5, 1), Region(0, 1, 0.5, 1, 0.8))


def test_every_template_covers_the_picture_once() -> None:
    templates = RegionsRoom().answers["words"]({})["templates"]
    for name, boxes in templates.items():
        whole = np.zeros((60, 60))
        for box in boxes:
            top, left = round(box["y"] * 60), round(box["x"] * 60)
            whole[top : top + round(box["height"] * 60), left : left + round(box["width"] * 60)] += box["weight"]
        assert np.allclose(whole, 1), name
        written = RegionsRoom().answers["write"]({"areas": [{**box, "prompt": "a"} for box in boxes]})
        assert len(Regions(*(written[f"regions.{part}"] for part in ("divisions", "positions", "weights"))).areas())


@pytest.mark.parametrize(
    "areas",
    [
        None,
        [],
        [7],
        [{}] * 65,
        [{**HALVES[0], "x": -0.1}],
        [{**HALVES[0], "weight": "1"}],
        [{**HALVES[0], "height": float("inf")}],
        [{**HALVES[0], "prompt": 3}],
    ],
)
def test_areas_that_cannot_be_are_refused(areas: object) -> None:
    with pytest.raises(StrangeQuestion):
        RegionsRoom().answers["write"]({"areas": areas})


def test_an_area_at_the_edge_is_never_empty() -> None:
    values = RegionsRoom().answers["write"]({"areas": [{**HALVES[0], "x": 1, "y": 1, "width": 0, "height": 0}]})
    assert values["regions.positions"] == "99-100:99-100"


# --- Poses --------------------------------------------------------------------------------------------------------


def room(tmp_path: Path, **parts: Any) -> PosesRoom:
    return PosesRoom(Folders(tmp_path), parts.get("find", find_people), draw_people)


def sent(poses: Poses) -> dict[str, str]:
    return {"poses": json.dumps(poses_to_json(poses))}


def test_poses_survive_their_json() -> None:
    hand = tuple((float(one), 2.0 * one, 1.0) for one in range(21))
    poses = Poses(512, 768, (standing(512, 768), Figure(standing(512, 768).body, hand, hand, ((1.0, 2.0, 1.0),))))
    assert poses_from_json(json.loads(json.dumps(poses_to_json(poses)))) == poses
    assert poses_from_json([poses_to_json(poses)]) == poses


def test_shares_of_the_canvas_are_understood() -> None:
    raw = {"canvas_width": 512, "canvas_height": 256, "people": [{"pose_keypoints_2d": [0.5, 0.5, 1] * BODY}]}
    assert poses_from_json(raw).people[0].body[0] == (256, 128, 1)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"canvas_width": 10**9, "canvas_height": 512, "people": []},
        {"canvas_width": 512, "canvas_height": 512, "people": [3]},
        {"canvas_width": 512, "canvas_height": 512, "people": [{"pose_keypoints_2d": [1, 2]}]},
        {"canvas_width": 512, "canvas_height": 512, "people": [{"pose_keypoints_2d": ["a"] * 54}]},
        {"canvas_width": 512, "canvas_height": 512, "people": [{}] * 21},
    ],
)
def test_what_is_no_pose_is_refused(raw: object) -> None:
    with pytest.raises(PosesMalformed):
        poses_from_json(raw)


def test_more_than_anybody_draws_is_no_pose(tmp_path: Path) -> None:
    many = {"canvas_width": 512, "canvas_height": 512, "people": [{"pose_keypoints_2d": [1] * 54}] * 5000}
    with pytest.raises(PosesMalformed):
        room(tmp_path).answers["open"]({"poses": json.dumps(many)})


def test_a_pose_is_drawn_and_can_be_taken(tmp_path: Path) -> None:
    poses = room(tmp_path)
    first, second = (poses.answers["draw"](sent(Poses(256, 384, (standing(256, 384),)))) for _ in range(2))
    assert (first, second) == (0, 1)
    file = poses.file("picture", str(second))
    assert file is not None
    assert isinstance(file.content, Path)
    made = np.asarray(Image.open(file.content))
    assert made.shape == (384, 256, 3)
    assert len(np.unique(made.reshape(-1, 3), axis=0)) > 18  # every limb has its colour
    assert made[0, 0].tolist() == [0, 0, 0]
    for name in ("7", "-1", "../x", "1" * 40):
        assert poses.file("picture", name) is None
    with pytest.raises(PosesMalformed):
        poses.answers["draw"]({"poses": "{"})


def test_people_are_looked_for_in_a_picture(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 96), "teal").save(data, "PNG")
    picture = {"picture": base64.b64encode(data.getvalue()).decode()}
    found = Poses(64, 96, (standing(64, 96),))
    seen: list[Image.Image] = []

    def find(given: Image.Image, _folders: Folders) -> Poses:
        seen.append(given)
        return found

    assert room(tmp_path, find=find).answers["find"](picture) == poses_to_json(found)
    assert (seen[0].mode, seen[0].size) == ("RGB", (64, 96))
    with pytest.raises(PreprocessorFileMissing):
        room(tmp_path).answers["find"](picture)
    for wrong in ({"picture": "%%"}, {"picture": "ñ"}, {"picture": base64.b64encode(b"no").decode()}, {}):
        with pytest.raises(SdcolabError):
            room(tmp_path, find=find).answers["find"](wrong)
