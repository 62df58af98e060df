"""What a unit of ControlNet offers on both faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.servers import safetensors_bytes
from web_fakes import Bench, make_bench

from sdcolab.core.control import ControlOnOffer
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import ControlImageMissing
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSOR_FILES, PREPROCESSORS, WeightFile, missing_weights
from sdcolab.core.tasks import Download, Origin
from sdcolab.core.words.control import DOWNLOAD_WEIGHTS, MAP_ASKED, WEIGHTS_COMING, WEIGHTS_DID_NOT_COME
from sdcolab.studio.control_desk import ControlDesk, UnitLacks, as_names, as_number
from sdcolab.studio.form import Reader
from sdcolab.web.control_wires import UnitActions, renewed

READER = Reader(lambda _name: [*PREPROCESSORS], lambda picture: picture)
ATTENTION = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
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


def put(bench: Bench, kind: ModelKind, files: dict[str, bytes]) -> None:
    """Into their folder."""
    folder = bench.folders.models(kind)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def desk(bench: Bench) -> ControlDesk:
    return ControlDesk(bench.studio, ("control.0", "control.1"), lambda _checkpoint: 512, Origin.PAGE, READER)


def test_a_type_of_control_filters_and_proposes(desk: ControlDesk) -> None:
    offer = desk.offer("Depth", "canny", CANNY, None)
    assert "canny" not in offer.modules
    assert {"none", "depth_midas"} < set(offer.modules)
    assert (offer.module, offer.models, offer.model) == ("depth_midas", (DEPTH,), DEPTH)
    everything = desk.offer("All", "canny", CANNY, None)
    assert {"canny", "depth_midas", "none"} < set(everything.modules)
    assert (everything.module, everything.models, everything.model) == ("canny", (DEPTH, CANNY), CANNY)
    assert desk.offer("an unknown type", "canny", CANNY, None) == everything


def test_what_is_drawn_is_a_scribble_where_nothing_is_chosen(desk: ControlDesk) -> None:
    offer = desk.drawn("All", "none", "", None)
    assert offer is not None and offer.module == "scribble_xdog"
    for chosen in (("Canny", "none", ""), ("All", "canny", ""), ("All", "none", CANNY)):
        assert desk.drawn(*chosen, None) is None
    assert desk.title("control.1") == "ControlNet 2"
    assert desk.title("control.1", " la pose ") == "ControlNet 2 · la pose"


def test_looking_again_keeps_what_is_chosen(bench: Bench, desk: ControlDesk) -> None:
    new = "control_v11p_sd15s2_lineart_anime_canny.safetensors"
    (bench.folders.models(ModelKind.CONTROLNET) / new).write_bytes(b"x")
    offer = desk.offered("Canny", "none", DEPTH, None)
    assert (offer.module, offer.model) == ("none", DEPTH)
    assert set(offer.models) == {CANNY, new}
    updates = renewed(desk, "Canny", "none", DEPTH, None)
    assert [value for _, value in updates[1]["choices"]] == ["", *offer.models, DEPTH]


def test_a_unit_that_lacked_its_model_gets_it_once_it_has_come(bench: Bench, desk: ControlDesk) -> None:
    assert desk.renewed("Tile/Blur", "tile_resample", "", None).model == ""
    (bench.folders.models(ModelKind.CONTROLNET) / TILE.name).write_bytes(b"x")
    assert desk.renewed("Tile/Blur", "tile_resample", "", None).model == TILE.name
    assert desk.renewed("Tile/Blur", "tile_resample", CANNY, None).model == CANNY  # what is chosen stays
    assert desk.renewed("Reference", "reference_only", "", None).model == ""  # needs none
    assert desk.renewed("All", "unheard of", "", None).model == ""


def test_a_page_that_opens_tells_what_each_unit_lacks(desk: ControlDesk) -> None:
    units = True, "Openpose", "openpose", CANNY, True, "Canny", "canny", CANNY
    told = UnitActions(desk).mark_all(None, *units)
    assert [update["visible"] for update in (*told[1:3], *told[4:6])] == [True, True, False, False]


def control(width: int) -> bytes:
    hint = {"control_model.input_hint_block.0.weight": (1, 3, 3, 3)}
    return safetensors_bytes(hint | {f"control_model.{ATTENTION}": (1, width)})


def checkpoint(width: int) -> bytes:
    return safetensors_bytes({f"model.diffusion_model.{ATTENTION}": (1, width)})


def test_models_that_do_not_go_with_the_checkpoint_are_last_and_say_so(bench: Bench, desk: ControlDesk) -> None:
    put(bench, ModelKind.CHECKPOINT, {"uno.safetensors": checkpoint(768), "xl.safetensors": checkpoint(2048)})
    sparse = {"down_blocks.0.motion_modules.0.x": (1,), "controlnet_cond_embedding.conv_in.weight": (1, 4, 3, 3)}
    control_files = {"a.safetensors": control(768), "b.safetensors": control(2048)}
    put(bench, ModelKind.CONTROLNET, control_files | {"0.safetensors": safetensors_bytes(sparse)})
    offer = desk.offered("All", "none", "b.safetensors", "uno.safetensors")
    assert offer.model_choices == (
        ("Ninguno", ""),
        ("a.safetensors", "a.safetensors"),
        (DEPTH, DEPTH),
        (CANNY, CANNY),
        ("⚠️ 0.safetensors (sdcolab no sabe usarlo)", "0.safetensors"),
        ("⚠️ b.safetensors (no va con este modelo)", "b.safetensors"),
    )
    other = desk.offered("All", "none", "b.safetensors", "xl.safetensors")
    assert set(other.marks) == {"0.safetensors", "a.safetensors"}
    unknown = desk.offered("All", "none", "", None)
    assert set(unknown.marks) == {"0.safetensors"}
    units = True, "All", "none", "b.safetensors", False, "All", "none", ""
    updates = UnitActions(desk).mark_all("uno.safetensors", *units)
    assert updates[0]["choices"] == [*offer.model_choices] and "value" not in updates[0]
    assert "choices" not in updates[3]  # nobody looks at a unit that is off


def test_an_ip_adapter_says_what_it_reads_pictures_with_and_brings_it(bench: Bench, desk: ControlDesk) -> None:
    def adapter(**shapes: tuple[int, ...]) -> bytes:
        named = {f"image_proj.{name.replace('__', '.')}.weight": shape for name, shape in shapes.items()}
        return safetensors_bytes(named | {"ip_adapter.1.to_k_ip.weight": (1, 768)})

    def clip(hidden: int, projected: int) -> bytes:
        embedding = {"vision_model.embeddings.patch_embedding.weight": (hidden, 1, 1, 1)}
        return safetensors_bytes(embedding | {"visual_projection.weight": (projected, 1)})

    adapters = {"ip.safetensors": adapter(proj=(4, 1024)), "plus.safetensors": adapter(proj_in=(4, 1280))}
    adapters |= {"big.safetensors": adapter(proj=(4, 1280)), "raro.safetensors": adapter(proj=(4, 99))}
    put(bench, ModelKind.CONTROLNET, adapters)

    def lacked(name: str) -> UnitLacks:
        return desk.lacks("IP-Adapter", "none", name, None)

    told = lacked("ip.safetensors")
    assert told.told == (
        "Al IP-Adapter «ip.safetensors» le falta su archivo de CLIP vision: "
        "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors, de 2,5 GB, con licencia MIT (LAION)."
    )
    assert told.links == lacked("plus.safetensors").links != lacked("big.safetensors").links
    assert lacked("raro.safetensors") == UnitLacks()  # generating tells what to look for
    put(bench, ModelKind.CHECKPOINT, {"xl.safetensors": checkpoint(2048)})
    assert desk.lacks("IP-Adapter", "none", "ip.safetensors", "xl.safetensors") == UnitLacks()  # would not go with it
    bench.download.hold = True
    job = desk.download(told)
    assert job is not None and isinstance(job.task, Download)
    assert lacked("ip.safetensors").coming
    bench.download.release.set()
    put(bench, ModelKind.CLIP_VISION, {"x.safetensors": clip(1280, 1024)})
    assert lacked("ip.safetensors") == lacked("plus.safetensors") == UnitLacks()
    assert "bigG" in lacked("big.safetensors").told
    put(bench, ModelKind.CLIP_VISION, {"g.pth": b"PK"})  # is not looked into
    assert lacked("big.safetensors") == UnitLacks()


def test_a_ready_made_map_keeps_the_model_of_its_type(desk: ControlDesk) -> None:
    assert desk.model("Canny", "none", CANNY, None) == CANNY
    assert desk.model("All", "none", DEPTH, None) == DEPTH
    assert desk.model("All", "canny", DEPTH, None) == CANNY
    assert desk.model("All", "unheard of", "x", None) == "x"


def test_what_is_for_other_checkpoints_is_not_proposed(bench: Bench) -> None:
    studio = replace(bench.studio, controls_on_offer=(LINEART,))
    desk = ControlDesk(studio, ("control.0",), lambda _checkpoint: 512, Origin.PAGE, READER)
    controls, checkpoints = (bench.folders.models(kind) for kind in (ModelKind.CONTROLNET, ModelKind.CHECKPOINT))
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / "mio.safetensors").write_bytes(checkpoint(768))
    (controls / "lineart-demo.safetensors").write_bytes(control(128))
    assert desk.offer("Lineart", "none", "", "mio.safetensors").model == ""
    assert desk.offer("Lineart", "none", "lineart-demo.safetensors", "mio.safetensors").model == ""
    assert desk.lacks("Lineart", "lineart_standard", "", "mio.safetensors").links == (LINEART.link,)
    (controls / "x_lineart.safetensors").write_bytes(control(768))
    assert desk.offer("Lineart", "none", "", "mio.safetensors").model == "x_lineart.safetensors"
    assert desk.lacks("Lineart", "lineart_standard", "", "mio.safetensors") == UnitLacks()
    assert desk.model("All", "none", "lineart-demo.safetensors", "mio.safetensors") == "lineart-demo.safetensors"


def test_a_preprocessor_brings_its_numbers(desk: ControlDesk) -> None:
    low, high = desk.numbers("canny", -1, 150)
    assert (low.label, low.low, low.high, low.value) == ("Umbral bajo", 1, 255, 100)
    assert high.value == 150
    assert [one.label for one in desk.numbers("none", 5, 5)] == ["", ""]
    assert [one.value for one in desk.numbers("canny")] == [100, 200]
    assert desk.has_resolution("canny")
    assert not desk.has_resolution("none")


def test_another_preprocessor_begins_at_its_own_numbers_and_one_that_comes_with_numbers_keeps_them(
    desk: ControlDesk,
) -> None:
    actions = UnitActions(desk)
    assert [update["value"] for update in actions.choose_module("All", "canny", CANNY, None)[1:]] == [100, 200]
    assert [update["value"] for update in actions.choose_kind("Canny", "none", "", None)[2:]] == [100, 200]
    assert all("value" not in update for update in actions.choose_kind("Canny", "canny", "", None)[2:])
    assert all("value" not in update for update in actions.look("canny", 60, 90)[:2])  # as a text brings them
    assert [update["value"] for update in actions.look("canny", -1, 900)[:2]] == [100, 200]


def test_a_file_that_nobody_looks_into_is_proposed_where_its_name_and_the_checkpoint_allow_it(bench: Bench) -> None:
    put(bench, ModelKind.CHECKPOINT, {"demo.safetensors": checkpoint(128), "mio.safetensors": checkpoint(768)})
    names = "control_v11p_sd15_lineart.pth", "controlnet-lineart-xl.pth"
    put(bench, ModelKind.CONTROLNET, dict.fromkeys(names, b"PK"))
    fresh = ControlDesk(bench.studio, ("control.0",), lambda _checkpoint: 128, Origin.PAGE, READER)
    assert fresh.offer("Lineart", "none", "", "mio.safetensors").model == "control_v11p_sd15_lineart.pth"
    assert fresh.offer("Lineart", "none", "", "demo.safetensors").model == ""


PICTURE = Image.new("RGB", (64, 96), "plum")


def test_a_unit_shows_its_map_without_generating(bench: Bench, desk: ControlDesk) -> None:
    values = dict.fromkeys(desk.map_paths("control.1")) | {"width": 512, "height": 512}
    values |= {"control.1.module": "canny", "control.1.threshold_a": 60, "control.1.threshold_b": 90}
    values |= {"control.1.resize": "Crop and Resize", "control.1.resolution": -1, "control.1.pixel_perfect": False}

    def task(**other: object) -> Detect:
        held = values | {"control.1.images": [PICTURE]} | {f"control.1.{name}": value for name, value in other.items()}
        (made,) = (job.task for job in desk.show_maps("control.1", held, from_picture=False))
        assert isinstance(made, Detect)
        return made

    made = task()
    assert (made.pictures, made.module) == ((PICTURE,), "canny")
    assert (made.threshold_a, made.threshold_b, made.resolution) == (60, 90, 512)
    assert task(resolution=768).resolution == 768
    assert task(pixel_perfect=True, resolution=768).resolution == 512
    assert task(pixel_perfect=True, resize="Resize and Fill").resolution == 341
    with pytest.raises(ControlImageMissing) as told:
        desk.show_maps("control.1", values, from_picture=False)
    assert told.value.units == (2,)
    (initial,) = desk.show_maps("control.1", values | {"init.images": [PICTURE]}, from_picture=True)
    assert isinstance(initial.task, Detect) and initial.task.pictures == (PICTURE,)


def test_a_unit_shows_the_maps_of_all_that_it_follows(desk: ControlDesk) -> None:
    values = dict.fromkeys(desk.map_paths("control.1")) | {"width": 512, "height": 512, "control.1.module": "canny"}
    values |= {"control.1.resize": "Resize and Fill", "control.1.threshold_a": -1, "control.1.threshold_b": -1}
    values |= {"control.1.resolution": -1, "control.1.pixel_perfect": True, "control.1.mask": PICTURE}
    values["control.1.images"] = [PICTURE, PICTURE, Image.new("RGB", (96, 32))]
    made = [job.task for job in desk.show_maps("control.1", values, from_picture=False)]
    assert [(len(one.pictures), one.resolution, one.mask) for one in made if isinstance(one, Detect)] == [
        (2, 341, PICTURE),
        (1, 171, PICTURE),
    ]


def test_what_is_wrong_with_a_map_is_told_in_the_unit(desk: ControlDesk) -> None:
    actions = UnitActions(desk)
    held: dict[str, object] = dict.fromkeys(desk.map_paths("control.1"))
    held |= {"control.1.module": "canny", "control.1.resize": "Just Resize", "width": 512, "height": 512}
    held |= {"control.1.threshold_a": -1, "control.1.threshold_b": -1, "control.1.resolution": -1}
    told, _, selected = actions.show_map("control.1", "txt2img", *held.values())
    assert "Falta la imagen de muestra de ControlNet 2" in told["value"] and told["visible"] and selected is None
    told, _, _ = actions.show_map("control.1", "txt2img", *(held | {"control.1.images": [PICTURE]}).values())
    assert MAP_ASKED in told["value"] and told["visible"]


def test_a_map_that_lacks_weights_names_the_units_own_button(bench: Bench, desk: ControlDesk) -> None:
    actions = UnitActions(desk)
    held: dict[str, object] = dict.fromkeys(desk.map_paths("control.1")) | {"control.1.images": [PICTURE]}
    held |= {"control.1.module": "openpose", "control.1.resize": "Just Resize", "width": 512, "height": 512}
    held |= {"control.1.threshold_a": -1, "control.1.threshold_b": -1, "control.1.resolution": -1}
    told, _, _ = actions.show_map("control.1", "txt2img", *held.values())
    assert "Sin yolox_l.onnx, dw-ll_ucoco_384.onnx (351 MB)" in told["value"]
    assert DOWNLOAD_WEIGHTS in told["value"] and "http" not in told["value"]
    bench.download.hold = True
    desk.download(desk.lacks("Canny", "openpose", CANNY, None))
    told, _, _ = actions.show_map("control.1", "txt2img", *held.values())
    assert "se está descargando" in told["value"] and DOWNLOAD_WEIGHTS not in told["value"]
    bench.download.release.set()


def test_missing_weights_are_told_with_their_size_and_downloaded(bench: Bench, desk: ControlDesk) -> None:
    lacks = desk.lacks("All", "openpose_full", "", None)
    assert "yolox_l.onnx, dw-ll_ucoco_384.onnx (351" in lacks.told
    job = desk.download(lacks)
    assert job is not None
    assert isinstance(job.task, Download)
    assert job.task.links == ", ".join(PREPROCESSOR_FILES[name].link for name in ("people", "pose"))
    for name in ("people", "pose"):
        file = bench.folders.preprocessors / PREPROCESSOR_FILES[name].folder / PREPROCESSOR_FILES[name].file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    assert desk.lacks("All", "openpose_full", CANNY, None) == UnitLacks()
    assert desk.download(UnitLacks()) is None


def test_a_download_is_told_while_it_runs_and_when_it_brought_nothing(bench: Bench, desk: ControlDesk) -> None:
    lacks = desk.lacks("Canny", "openpose", CANNY, None)
    bench.download.hold = True
    job = desk.download(lacks)
    assert job is not None
    assert desk.lacks("Canny", "openpose", CANNY, None) == UnitLacks(WEIGHTS_COMING, coming=True)
    assert desk.lacks("Depth", "depth_midas", DEPTH, None).links  # another one
    bench.download.release.set()
    while not job.snapshot.ended:
        job.wait(job.snapshot.version, 5)
    assert job.snapshot.notes  # they say why
    told = " ".join((lacks.told, WEIGHTS_DID_NOT_COME, *job.snapshot.notes))
    assert desk.lacks("Canny", "openpose", CANNY, None) == replace(lacks, told=told)


def test_a_download_that_ends_meanwhile_did_not_fail(
    bench: Bench, desk: ControlDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.download.hold = True
    job = desk.download(desk.lacks("Canny", "openpose", CANNY, None))
    assert job is not None
    looked = missing_weights

    def slow(folders: Folders, module: str) -> tuple[WeightFile, ...]:
        found = looked(folders, module)
        bench.download.release.set()
        while not job.snapshot.ended:
            job.wait(job.snapshot.version, 5)
        return found

    monkeypatch.setattr("sdcolab.studio.control_desk.missing_weights", slow)
    assert desk.lacks("Canny", "openpose", CANNY, None).coming


LINEART = ControlOnOffer("control_v11p_sd15_lineart.safetensors", ModelFamily.SD1, "https://ejemplo.es/lineart", 9)
TILE = ControlOnOffer("control_v11f1e_sd15_tile.safetensors", ModelFamily.SD1, "https://ejemplo.es/tile", 700_000_000)


def test_a_type_that_no_model_serves_says_which_one_is_missing_and_brings_it(bench: Bench) -> None:
    studio = replace(bench.studio, controls_on_offer=(TILE,))
    desk = ControlDesk(studio, ("control.0",), lambda _checkpoint: 512, Origin.PAGE, READER)
    assert desk.offer("Tile/Blur", "canny", CANNY, None).model == ""
    lacks = desk.lacks("Tile/Blur", "tile_resample", "", None)
    assert lacks.told == f"Para Tile falta un modelo de ControlNet: {TILE.name} (700 MB)."
    assert lacks.links == (TILE.link,)
    assert desk.lacks("All", "tile_resample", "", None) == lacks
    assert desk.lacks("Tile/Blur", "tile_resample", CANNY, None) == UnitLacks()


@pytest.mark.parametrize("kind, module", [("Canny", "canny"), ("Reference", "reference_only"), ("All", "none")])
def test_nothing_is_missing_where_a_model_is_there_or_none_is_needed(desk: ControlDesk, kind: str, module: str) -> None:
    assert desk.lacks(kind, module, "", None) == UnitLacks()


def test_where_none_can_be_had_the_types_that_work_are_told(bench: Bench) -> None:
    studio = replace(bench.studio, controls_on_offer=(TILE,))
    desk = ControlDesk(studio, ("control.0",), lambda _checkpoint: 128, Origin.PAGE, READER)  # as the demo model
    lacks = desk.lacks("Tile/Blur", "tile_resample", "", None)
    assert lacks.links == ()
    assert lacks.told == (
        "Para Tile no hay ningún modelo de ControlNet que sirva a tu modelo. Con lo que hay puedes elegir Canny, Depth."
    )


def test_a_picture_goes_to_the_first_unit_that_is_off(desk: ControlDesk) -> None:
    assert desk.put("a", {}) == {"control.0": True, "control.0.images": ["a"]}
    assert desk.put("a", {"control.0": True}) == {"control.1": True, "control.1.images": ["a"]}
    assert desk.put("a", {"control.0": True, "control.1": True})["control.0.images"] == ["a"]


def test_what_an_old_preprocessor_lacks_is_not_told_of_the_new_type(desk: ControlDesk) -> None:
    """The page asks about both when the type changes, and the answers may come in any order."""
    actions = UnitActions(desk)
    told, _ = actions.tell("OpenPose", "depth_midas", "", None)
    assert "value" not in told
    told, _ = actions.tell("OpenPose", "openpose", "", None)
    assert "yolox_l.onnx" in told["value"]


def test_what_controls_send_is_read_whatever_it_is() -> None:
    assert [as_number(value) for value in (3, "x", None, True)] == [3, -1, -1, -1]
    assert as_names("a", None, ["b"]) == ["a", "", ""]
