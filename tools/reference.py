"""Replay reference images and tell how near ours come.

    python tools/reference.py                      # the cases in tests/data/referencia
    python tools/reference.py CARPETA --modelos M  # any folder of cases made the same way

A case is a folder with ``case.json`` (an API payload and what the reference server answered), the pictures that came
back and the latents they were decoded from. The payload goes through our own API's translation and engine, on the CPU
in float32. Checkpoints are taken from the folder of ``--modelos`` by the name that the case gives; ``rand15`` and
``rand15-inpaint``, the LoRA, the embeddings and the ControlNets are made when they are not there.

The exit code is 0 when at least 95 % of the cases are within the limits.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402 - the paths above come first
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from sdcolab.api.control_routes import detection  # noqa: E402
from sdcolab.api.scripts import scripts_of  # noqa: E402
from sdcolab.api.translate import request_from_payload  # noqa: E402
from sdcolab.core.detect import ModelKind  # noqa: E402
from sdcolab.core.detecting import Detect  # noqa: E402
from sdcolab.core.events import CancelToken, Event, ImageReady, MapMade  # noqa: E402
from sdcolab.core.folders import Folders  # noqa: E402
from sdcolab.core.library import Library  # noqa: E402
from sdcolab.core.request import GenerationRequest  # noqa: E402
from sdcolab.core.result import GenerationResult  # noqa: E402
from sdcolab.core.scripts import AFTER_SHEETS, Grid  # noqa: E402
from sdcolab.core.tasks import LocalWorker, Tools  # noqa: E402
from sdcolab.core.upscaling import PLAIN_UPSCALERS  # noqa: E402
from sdcolab.engine import darkroom as darkroom_module  # noqa: E402
from sdcolab.engine.control.preparing import detected  # noqa: E402
from sdcolab.engine.engine import Engine  # noqa: E402
from sdcolab.engine.models import DoublingUpsample  # noqa: E402
from sdcolab.engine.samplers import unipc  # noqa: E402
from sdcolab.wiring.grids import axis_lists  # noqa: E402
from sdcolab.wiring.tasks import TASKS  # noqa: E402

CASES = ROOT / "tests" / "data" / "referencia" / "imagenes"
SCRIPT_CASES = CASES.parent / "guiones"
DEFAULT_MODEL = "rand15"
MAX_LATENT_ERROR = 1e-3
MAX_BYTE_ERROR = 2
MAX_BYTE = 255
WANTED_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Case:
    """One reference case."""

    folder: Path
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """Group and name."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def model(self) -> str:
        """Name of the checkpoint it was made with."""
        info = self.data["info"]
        return DEFAULT_MODEL if self.detects else str(info.get("sd_model_name") or DEFAULT_MODEL)

    def request(self) -> GenerationRequest:
        """What the payload asks for, with the pictures that it names in place of their names."""
        payload = self._with_pictures(self.data["payload"])
        if isinstance(payload.get("init_images"), str):
            payload["init_images"] = [payload["init_images"]]
        request = request_from_payload(payload, self.data["kind"])
        return replace(request, checkpoint=self.model)

    @property
    def count(self) -> int:
        """How many of its pictures are results; maps of ControlNet come after them."""
        return len(self.data["info"]["all_seeds"])

    @property
    def control_models(self) -> set[str]:
        """Files that its units name."""
        units = self.data["payload"].get("alwayson_scripts", {}).get("ControlNet", {}).get("args", [])
        return {unit["model"] for unit in units} - {"None"}

    def detection(self) -> Detect:
        """What a payload for a preprocessor alone asks for."""
        return detection(self._with_pictures(self.data["payload"]))

    @property
    def detects(self) -> bool:
        """Whether it is a map without a generation."""
        return bool(self.data["kind"] == "controlnet/detect")

    @property
    def scripted(self) -> bool:
        """Whether a script made it."""
        return bool(self.data["payload"].get("script_name"))

    def grid(self) -> Grid:
        """What a payload with a script asks for."""
        img2img = self.data["kind"] == "img2img"
        lists = {**axis_lists(), "upscalers": lambda: PLAIN_UPSCALERS}
        asked = scripts_of(self.data["payload"], img2img=img2img, lists=lambda name: lists[name]())
        return Grid(self.request(), asked.script, asked.dynamic, save=False)

    def pictures(self) -> list[Image.Image]:
        """The reference's pictures."""
        return [Image.open(self.folder / f"{index}.png").convert("RGB") for index in range(self.data["n_images"])]

    def latents(self) -> torch.Tensor | None:
        """What the reference's pictures were decoded from [N, C, h, w]: of each batch what its last pass gave. None
        where they were not kept."""
        passes = [torch.from_numpy(np.load(file)) for file in sorted(self.folder.glob("*_latents.npy"))]
        if not passes:
            return None
        last = passes[-1].shape[-2:]
        return torch.cat([one for one in passes if one.shape[-2:] == last])[-self.count :]

    def _with_pictures(self, value: Any) -> Any:
        """``value`` with the pictures that its texts name in base64."""
        if isinstance(value, dict):
            return {name: self._with_pictures(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._with_pictures(one) for one in value]
        named = re.match(r"see ([\w.-]+\.png) in ", value) if isinstance(value, str) else None
        return base64.b64encode((self._inputs() / named[1]).read_bytes()).decode("ascii") if named else value

    def _inputs(self) -> Path:
        own = self.folder.parent.parent / "inputs"
        return own if own.is_dir() else CASES / "inputs"


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a case is: latents relative to their norm, pictures in bytes. ``why`` it cannot be compared, where
    the distance is infinite."""

    latents: float
    picture: int
    why: str = ""

    @property
    def near(self) -> bool:
        """Whether both are within the limits."""
        return self.latents <= MAX_LATENT_ERROR and self.picture <= MAX_BYTE_ERROR


def cases(folder: Path = CASES) -> list[Case]:
    """The cases below ``folder``, in order."""
    return [Case(path.parent, json.loads(path.read_text("utf-8"))) for path in sorted(folder.rglob("case.json"))]


def replay(engine: Engine, case: Case) -> tuple[GenerationResult, Distance]:
    """Make the case's pictures and compare."""
    maps: list[Image.Image] = []

    def hear(event: Event) -> None:
        if isinstance(event, MapMade):
            maps.append(event.image)

    request = case.request()
    with decoded_latents() as latents, whole_timesteps(), fitted_before_convolving():
        result = engine.generate(request, hear, save=False)
    made, expected = torch.cat(latents[-len(result.images) :]), case.latents()
    pictures = case.pictures()
    # The reference gives the mask of where a unit acts back as if it were a map.
    regions = sum(unit.region is not None for unit in request.control)
    if expected is not None and made.shape != expected.shape:
        return result, incomparable(f"latents {tuple(made.shape)}, no {tuple(expected.shape)}")
    if len(pictures) != (ours := case.count + len(maps) + regions):
        return result, incomparable(f"{ours} imágenes, no {len(pictures)}: {case.count} y {len(maps)} mapas")
    images = [image.image for image in result.images]
    most = max(apart(*pair) for pair in zip(images + maps, pictures, strict=regions == 0))
    return result, Distance(0.0 if expected is None else float((made - expected).norm() / expected.norm()), most)


def incomparable(why: str) -> Distance:
    """The distance of a case that made something else."""
    return Distance(float("inf"), MAX_BYTE, why)


def apart(one: Image.Image, two: Image.Image) -> int:
    """The largest difference of two pictures, in bytes; 255 where they are not of one size."""
    if one.size != two.size:
        return MAX_BYTE
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(two, np.int16)).max())


def replay_detection(folders: Folders, case: Case) -> Distance:
    """Look at the case's pictures with its preprocessor and compare the maps."""
    task = case.detection()
    made = [detected(task, picture, folders)[0] for picture in task.pictures]
    return Distance(0.0, max(apart(*pair) for pair in zip(made, case.pictures(), strict=True)))


def replay_script(worker: LocalWorker, case: Case) -> Distance:
    """Run the case's script and compare its pictures; of sheets, whose letters are another font's, only the size."""
    made: list[ImageReady] = []

    def hear(event: Event) -> None:
        if isinstance(event, ImageReady):
            made.append(event)

    with fitted_before_convolving():
        worker.run(case.grid(), hear, CancelToken())
    made.sort(key=lambda image: image.index)
    expected = case.pictures()
    sizes, wanted = [image.image.size for image in made], [picture.size for picture in expected]
    if sizes != wanted:
        return incomparable(f"imágenes de {sizes}, no de {wanted}")
    legends = "Script: " in made[0].infotext or case.folder.parent.name == "prompt_matrix"
    pairs = [
        (image.image, picture)
        for image, picture in zip(made, expected, strict=True)
        if image.index >= AFTER_SHEETS or not legends
    ]
    return Distance(0.0, max(apart(*pair) for pair in pairs))


@contextmanager
def decoded_latents() -> Iterator[list[torch.Tensor]]:
    """The latents that are decoded while it lasts, in order."""
    seen: list[torch.Tensor] = []
    decode = darkroom_module.decode

    def spying(vae: Any, latents: torch.Tensor, **options: Any) -> torch.Tensor:
        seen.append(latents)
        return decode(vae, latents, **options)

    darkroom_module.decode = spying
    try:
        yield seen
    finally:
        darkroom_module.decode = decode


@contextmanager
def whole_timesteps() -> Iterator[None]:
    """While it lasts, UniPC asks the model at whole timesteps, as the reference server does. AUTOMATIC1111 and we ask
    at its own, which are fractional.
    """
    nodes = unipc._nodes

    def rounded(*given: Any) -> list[Any]:
        return [replace(node, timestep=float(round(node.timestep))) for node in nodes(*given)]

    unipc._nodes = rounded
    try:
        yield
    finally:
        unipc._nodes = nodes


@contextmanager
def fitted_before_convolving() -> Iterator[None]:
    """While it lasts, the UNet's upsamplers fit the skip's size before their convolution, as the reference server does
    for sizes that are not multiples of 64. AUTOMATIC1111 and we do it after."""
    ours = DoublingUpsample.forward

    def theirs(self: DoublingUpsample, hidden: torch.Tensor, output_size: tuple[int, int] | None = None) -> Any:
        size = output_size or tuple(2 * side for side in hidden.shape[-2:])
        return self.conv(torch.nn.functional.interpolate(hidden, size=tuple(size), mode="nearest"))

    DoublingUpsample.forward = theirs
    try:
        yield
    finally:
        DoublingUpsample.forward = ours


class InOneProcess:
    """The engine as tasks use it."""

    def __init__(self, engine: Engine) -> None:
        self.generate = engine.generate
        self.preload = engine.preload
        self.unload = engine.unload
        self.names = engine.upscalers.names
        self.upscale = engine.upscalers.upscale


def make_models(folders: Folders, names: set[str], controls: set[str] = frozenset()) -> None:
    """Write the checkpoints called ``names`` and the ControlNets called ``controls`` that are not there yet, and what
    the cases' prompts mention.
    """
    from support.reference_extras import write_embeddings, write_hypernetworks, write_lora

    from tools.make_random_control import write_control
    from tools.make_random_sd15 import FULL, write

    place = folders.models(ModelKind.CHECKPOINT)
    place.mkdir(parents=True, exist_ok=True)
    for name in sorted({DEFAULT_MODEL, *names}):
        path = place / f"{name}.safetensors"
        if not path.is_file():
            write(path, replace(FULL, in_channels=9) if "inpaint" in name else FULL)
    lora = folders.models(ModelKind.LORA) / "randlora.safetensors"
    if not lora.is_file():
        write_lora(place / f"{DEFAULT_MODEL}.safetensors", lora)
        write_embeddings(folders.models(ModelKind.EMBEDDING))
    if not (hypernetworks := folders.models(ModelKind.HYPERNETWORK)).is_dir():
        write_hypernetworks(hypernetworks)
    write_control(sorted(controls), folders.models(ModelKind.CONTROLNET), place / f"{DEFAULT_MODEL}.safetensors")


def main() -> int:
    """Replay every case and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("carpeta", type=Path, nargs="?", default=CASES)
    parser.add_argument("--modelos", type=Path, help="carpeta de sdcolab con los modelos (por omisión, una temporal)")
    options = parser.parse_args()
    found = sorted(cases(options.carpeta), key=lambda case: case.model)
    with tempfile.TemporaryDirectory() as temporary:
        folders = Folders(options.modelos or Path(temporary))
        make_models(folders, {case.model for case in found}, set().union(*(case.control_models for case in found)))
        library = Library(folders)
        engine = Engine(library, None, device="cpu")
        worker = LocalWorker(TASKS, Tools(folders, library, InOneProcess(engine)))
        near = 0
        for case in found:
            began = time.monotonic()
            if case.detects:
                distance = replay_detection(folders, case)
            else:
                distance = replay_script(worker, case) if case.scripted else replay(engine, case)[1]
            near += distance.near
            mark = "✅" if distance.near else "❌"
            print(
                f"{mark} {case.name}: latents {distance.latents:.1e}, imagen {distance.picture}/255, "
                f"{time.monotonic() - began:.0f} s{distance.why and f': {distance.why}'}",
                flush=True,
            )
    print(f"{near} de {len(found)} dentro de {MAX_LATENT_ERROR:g} y {MAX_BYTE_ERROR}/255")
    return 0 if near >= WANTED_SHARE * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
