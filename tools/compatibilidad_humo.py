"""What ``compatibilidad.py`` runs inside each environment: does the installed sdcolab work here?

    python compatibilidad_humo.py [--sin-torch] CARPETA

Imports everything, checks that no requirement is missing, makes a picture of the demo model and one of a checkpoint
written here, opens the page and gets it, and uses the panel in a Jupyter kernel. Raises at the first thing that does
not work.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import pkgutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WAIT_SECONDS = 180
NEEDS_TORCH = ("sdcolab.engine",)
EXTRAS_MODULES = ("cv2", "onnxruntime", "ray")  # what may be missing, and with it the modules that need it at their top


def import_everything(torch: bool) -> None:
    """Every module of the package; without torch or an extra, those that do not need it."""
    import sdcolab

    for module in pkgutil.walk_packages(sdcolab.__path__, "sdcolab."):
        if module.name != "sdcolab.__main__" and (torch or not module.name.startswith(NEEDS_TORCH)):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name not in EXTRAS_MODULES:
                    raise


def load(path: str) -> Any:
    """A module of this source by its path: its folder must not be in the way of the installed sdcolab."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, Path(__file__).parents[1] / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def check_requirements(torch: bool) -> None:
    """What the notebook looks at before anything else: nothing is missing and nothing too old."""
    from sdcolab.colab.requirements import examine, installed_version, own_requirements

    verdict = examine(own_requirements(), installed_version)
    missing = [one for one in verdict.missing if torch or not one.startswith("torch")]
    if missing or verdict.too_old:
        raise SystemExit(f"faltan {missing} o son viejos {verdict.too_old}")


def check_lean() -> None:
    """The engine takes of diffusers and transformers only what it needs; of what ``TRIED`` does not say, everything."""
    from sdcolab.engine.lean import untried

    if new := untried():
        raise SystemExit(f"engine/lean.py: TRIED no dice la versión de {new}; ponla allí y prueba otra vez")


def sdcolab(*arguments: object) -> str:
    """Run the command; its standard output."""
    command = [sys.executable, "-P", "-m", "sdcolab", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def make_pictures(folder: Path) -> None:
    """One of the demo model, and one of a checkpoint of Stable Diffusion 1.x with random weights."""
    from PIL import Image

    make_random_sd15 = load("tools/make_random_sd15.py")
    checkpoint = folder / "mini.safetensors"
    make_random_sd15.write(checkpoint, make_random_sd15.MINI)
    for model, extra in (((), ()), (("--modelo", checkpoint), ("--ancho", 64, "--alto", 64))):
        out = sdcolab("generar", "gato", "--pasos", 3, "--semilla", 7, "--json", "--carpeta", folder, *model, *extra)
        (made,) = json.loads(out)["imagenes"]
        with Image.open(made["archivo"]) as image:
            image.load()
            colours = image.convert("RGB").getcolors(1 << 20)
            assert image.info["parameters"].startswith("gato\n")
        assert colours is None or len(colours) > 16, "la imagen es de un solo color"


def read_a_checkpoint() -> None:
    """What can be told of a model from its header alone."""
    from sdcolab.core.detect import ModelKind, detect
    from sdcolab.core.tensors import read_header
    from sdcolab.wiring.demo import demo_model

    model = demo_model()
    found = detect(read_header(model.path))
    assert (found.kind, found.native_size) == (ModelKind.CHECKPOINT, 128), found


def open_the_page(folder: Path) -> None:
    """Start the command, log in, and get the page and what it is made of."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-m", "sdcolab", "--puerto", str(port), "--carpeta", str(folder), "--eventos"]
    log = folder / "pagina.log"
    with log.open("wb") as file:
        page = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "SDCOLAB_USUARIO": "ana:gata"})
    try:
        address = f"http://127.0.0.1:{port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
        wait_for(opener, address, page, log)
        opener.open(f"{address}/login", data=b"username=ana&password=gata", timeout=30).close()
        with opener.open(address, timeout=60) as answer:
            assert b"gradio" in answer.read(), "la página está vacía"
        with opener.open(f"{address}/config", timeout=60) as answer:
            labels = {str(one["props"].get("label")) for one in json.load(answer)["components"]}
        assert {"Prompt", "Pasos"} <= labels, labels
    finally:
        page.terminate()
        page.wait(30)


def use_the_panel(folder: Path, torch: bool) -> None:
    """Open the panel in a real Jupyter kernel of this environment, and make a picture with its buttons."""
    environ = {**os.environ, "SDCOLAB_CARPETA": str(folder / "panel"), "HOME": str(folder)}
    kernel = load("tests/support/kernel.py").Kernel(Path(sys.executable), environ, folder)
    try:
        kernel.run("import sdcolab; sdcolab.panel()")
        assert "✅ El panel está abierto" in kernel.finish(), kernel.text
        if torch:
            for label, value in (("Prompt", "gato"), ("Pasos", 2), ("Semilla", "7")):
                kernel.write(label, value)
            kernel.press("🎨 Generar")
            kernel.until_shown("1 de 1 ·")
        kernel.run("sdcolab.cerrar()")
        assert "👋 El panel está cerrado." in kernel.finish(), kernel.text
    finally:
        kernel.close()


def wait_for(opener: urllib.request.OpenerDirector, address: str, page: subprocess.Popen[bytes], log: Path) -> None:
    """Until the page answers anything."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and page.poll() is None:
        with contextlib.suppress(OSError):
            try:
                opener.open(address, timeout=5).close()
            except urllib.error.HTTPError:  # it asks for the password: it answers
                return
            return
        time.sleep(0.3)
    raise SystemExit(f"la página no se abre:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def main() -> None:
    """Everything, in order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sin-torch", action="store_true")
    parser.add_argument("carpeta", type=Path)
    options = parser.parse_args()
    options.carpeta.mkdir(parents=True, exist_ok=True)
    import_everything(not options.sin_torch)
    check_requirements(not options.sin_torch)
    read_a_checkpoint()
    if not options.sin_torch:
        check_lean()
        make_pictures(options.carpeta)
    open_the_page(options.carpeta)
    use_the_panel(options.carpeta, not options.sin_torch)


if __name__ == "__main__":
    main()
