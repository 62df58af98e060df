"""``python tests/support/engine_service.py FOLDER``: the engine's process with a stand-in engine.

It paints flat pictures. The prompt tells what to do: "muere" kills the process, "falla" raises, "lento" takes 100 steps
of a tenth of a second. Each life adds its number to FOLDER/vidas.txt, and each loading in advance one to precargas.txt.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from sdcolab.core.errors import OutOfMemory
from sdcolab.core.events import CancelToken, ImageReady, ImageSaved, Listener, Phase, PhaseStarted, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, write
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.process.service import Channel, serve
from sdcolab.wiring.tasks import TASKS
from support.queues import worker_of

FOLDER = Path(sys.argv[1])


class Painter:
    def unload(self) -> None: ...

    def preload(self, _checkpoint: str = "") -> None:
        with (FOLDER / "precargas.txt").open("a") as file:
            file.write(f"{os.getpid()}\n")

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        print("algo que imprime una biblioteca")
        listener(PhaseStarted(Phase.LOADING_MODEL, request.checkpoint))
        if "muere" in request.prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        if "falla" in request.prompt:
            raise OutOfMemory(width=1, height=1, batch_size=1, device="cpu")
        if "error" in request.prompt:
            raise ZeroDivisionError("división")
        settled = request.resolved(checkpoint=request.checkpoint or "pintor", native_size=64)
        listener(PhaseStarted(Phase.SAMPLING))
        steps = 100 if "lento" in request.prompt else settled.steps
        for step in range(steps):
            cancel.raise_if_cancelled()
            if "lento" in request.prompt:
                time.sleep(0.1)
            if cancel.take_skip():
                break
            listener(StepDone(step + 1, steps, 0, 1, Image.new("RGB", (8, 8), "blue")))
        facts = EngineFacts(version="prueba", schedule="Automatic", model=settled.checkpoint, model_hash="0123456789")
        store = ImageStore(FOLDER / "outputs" / "txt2img-images")
        for index in range(settled.image_count):
            infotext = write(settled, facts, index)
            picture = Image.new("RGB", (settled.width or 64, settled.height or 64), "green")
            seed = settled.seed_of(index)
            if save:
                listener(ImageSaved(index, store.save(picture, infotext, seed), seed, infotext))
            else:
                listener(ImageReady(index, picture, seed, infotext))
        return GenerationResult(settled, ())


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "vidas.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")
    serve(
        worker_of(Painter(), models=Painter(), folders=Folders(FOLDER)),
        TASKS,
        Channel.standard(),
        {"card": lambda: {"cuánta": 7}},
    )


if __name__ == "__main__":
    main()
