"""The detail pass over enlarged pictures, with the demo model: its prompt, its seed, its ControlNet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.detectors import detector

from sdcolab.cli import main
from sdcolab.core.details import DetailUnit
from sdcolab.core.errors import DetailsOtherModel, DetectorMissing, InitImageMissing, UnknownName
from sdcolab.core.events import CancelToken, Event, ImageReady, Phase, PhaseStarted, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import parse
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import Enlarge, Generate, LocalWorker, Tools
from sdcolab.core.upscaling import Enlargement
from sdcolab.wiring.demo import demo_control
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.tasks import TASKS

FACE = DetailUnit("face_yolov8n.pt", strength=0.7, steps=4)
TWICE = Enlargement(upscaler="Nearest", scale=2.0)


class Bench:
    """A worker with the demo model, and a detector that sees a face in the middle of every picture."""

    def __init__(self, root: Path) -> None:
        folders = Folders(root)
        library = build_library(folders)
        self.worker = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library)))
        self.detector = root / "models" / "adetailer" / "face_yolov8n.onnx"
        detector(self.detector, (32, 32, 24, 24, 0.8))
        request = GenerationRequest(prompt="gato", seed=5, steps=4, width=128, height=128)
        (self.made,) = self.pictures(Generate(request, save=False))

    def run(self, task: Enlarge | Generate) -> list[Event]:
        heard: list[Event] = []
        self.worker.run(task, heard.append, CancelToken())
        return heard

    def pictures(self, task: Enlarge | Generate) -> list[ImageReady]:
        return [event for event in self.run(task) if isinstance(event, ImageReady)]

    def enlarged(self, *details: DetailUnit) -> ImageReady:
        task = Enlarge((self.made.image,), TWICE, (self.made.infotext,), details, save=False)
        (one,) = self.pictures(task)
        return one


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("ampliar"))


def values(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.int16)


def changed(one: ImageReady, other: ImageReady) -> np.ndarray:
    return np.abs(values(one.image) - values(other.image)).max(axis=2) > 2


def test_what_is_found_is_drawn_again_with_the_picture_s_own_prompt_and_seed(bench: Bench) -> None:
    plain, repaired = bench.enlarged(), bench.enlarged(FACE)
    assert repaired.image.size == (256, 256)
    apart = changed(plain, repaired)
    assert apart[104:152, 104:152].mean() > 0.5
    assert not apart[:60].any()
    said = dict(parse(repaired.infotext).fields)
    assert said["ADetailer model"] == "face_yolov8n.onnx"
    assert said["Postprocess upscaler"] == "Nearest"
    assert said["Seed"] == "5"
    assert not changed(repaired, bench.enlarged(FACE)).any()
    other = bench.enlarged(replace(FACE, prompt="pizza"))
    assert changed(repaired, other)[104:152, 104:152].mean() > 0.3


def test_controlnet_steers_a_detail(bench: Bench) -> None:
    model = demo_control().name
    free, steered = bench.enlarged(FACE), bench.enlarged(replace(FACE, control_model=model, control_module="canny"))
    apart = changed(free, steered)
    assert apart[104:152, 104:152].mean() > 0.2
    assert not apart[:60].any()
    said = dict(parse(steered.infotext).fields)
    assert said["ADetailer ControlNet model"].startswith(Path(model).stem)
    assert said["ADetailer ControlNet module"] == "canny"
    late = bench.enlarged(replace(FACE, control_model=model, control_module="canny", control_start=1.0))
    assert changed(steered, late).any()


def test_a_picture_without_data_is_repaired_with_the_unit_s_own_prompt(bench: Bench) -> None:
    bare = Image.new("RGB", (128, 128), "gray")
    task = Enlarge((bare,), TWICE, (), (replace(FACE, prompt="corazón rojo"),), save=False)
    events = bench.run(task)
    (made,) = (event for event in events if isinstance(event, ImageReady))
    assert values(made.image)[104:152, 104:152].std() > values(made.image)[:60].std()
    assert any(isinstance(event, PhaseStarted) and event.phase is Phase.DETAILING for event in events)


def test_a_missing_detector_is_told_before_anything_is_enlarged(bench: Bench) -> None:
    bench.detector.rename(bench.detector.with_suffix(".lejos"))
    heard: list[Event] = []
    task = Enlarge((bench.made.image,), TWICE, (), (FACE,), save=False)
    with pytest.raises(DetectorMissing):
        bench.worker.run(task, heard.append, CancelToken())
    bench.detector.with_suffix(".lejos").rename(bench.detector)
    assert not any(isinstance(event, PhaseStarted) for event in heard)


def test_a_model_that_is_missing_is_told_with_the_one_in_its_place(bench: Bench) -> None:
    text = bench.made.infotext
    other = text.replace(f"Model: {parse(text).get('Model')}", "Model: perdido").replace("Model hash", "Otro")
    for infotext, names in ((text, []), (other, ["perdido"])):
        events = bench.run(Enlarge((bench.made.image,), TWICE, (infotext,), (FACE,), save=False))
        warned = [event.warning for event in events if isinstance(event, Warned)]
        assert [one.name for one in warned if isinstance(one, DetailsOtherModel)] == names


# --- The command ------------------------------------------------------------------------------------------------------


def test_a_folder_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "fotos", tmp_path / "salida"
    source.mkdir()
    for number in range(2):
        Image.new("RGB", (40, 160), (number * 90, 40, 90)).save(source / f"{number}.png")
    steps = ["--upscaler", "Lanczos", "--escala", "2", "--dividir-ancho", "64", "--dividir-alto", "64"]
    where = ["--carpeta", str(tmp_path / "sdcolab"), "--salida", str(out), "--voltear-horizontal"]
    assert main(["ampliar", str(source), *where, *steps]) == 0
    made = [Path(line) for line in capsys.readouterr().out.split("\n") if line]
    assert {"0.png", "0-2.png", "1.png"} <= {path.name for path in made}
    assert (
        sorted(made) == sorted(out.iterdir()) and len(made) == 2 * 5 * 2
    )  # 256 rows of 64, a fifth shared; with copies
    with Image.open(made[0]) as picture:
        assert picture.size == (64, 64) and "Postprocess upscale by: 2" in picture.info["parameters"]
    empty = tmp_path / "vacía"
    empty.mkdir()
    assert main(["ampliar", str(empty), *where]) == 2


def test_a_folder_of_ours_by_name(bench: Bench, tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    day = folders.txt2img / "2026-01-02"
    day.mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(day / "1.png")
    library = build_library(folders)
    worker, heard = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library))), list[Event]()
    task = Enlarge(enlargement=TWICE, folder="outputs/txt2img-images/2026-01-02", save=False)
    worker.run(task, heard.append, CancelToken())
    assert [event.image.size for event in heard if isinstance(event, ImageReady)] == [(40, 20)]
    for wrong, error in ((Enlarge(enlargement=TWICE), InitImageMissing), (replace(task, folder="/etc"), UnknownName)):
        with pytest.raises(error):
            worker.run(wrong, heard.append, CancelToken())
