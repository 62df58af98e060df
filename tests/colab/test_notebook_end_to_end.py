"""The whole way, from a link in the notebook to an image on Drive.

The real notebook runs in a real Jupyter kernel, in a fresh virtual environment where only sdcolab is missing, with the
stand-in google.colab (hechos/lanzadores.md 5), a loopback civitai, gradio's share with a stand-in helper, and no index
of packages. Colab requests are answered inside the stand-in, so nothing here depends on iopub's parent ids (5e).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from PIL import Image

from sdcolab.core.errors import WebKilled
from sdcolab.core.messages import FIELD_LABELS, explain
from tests.support.frpc import install_frpc
from tests.support.kernel import PATIENCE, Kernel

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]  # whatever started pytest

NOTEBOOK = REPOSITORY / "notebooks" / "stable_diffusion.ipynb"
DEMO = REPOSITORY / "sdcolab" / "demo" / "emoji-128.safetensors"
TOKEN = "c1v1ta1" * 4 + "abcd"
pytestmark = [pytest.mark.lento, pytest.mark.timeout(900)]


@dataclass
class Colab:
    """A machine of Google's, all in one folder."""

    folder: Path
    python: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> Path:
        return self.folder / "content"

    @property
    def drive(self) -> Path:
        return self.folder / "nube"

    @property
    def root(self) -> Path:
        return self.content / "sdcolab"

    def packages(self) -> set[str]:
        command = [str(self.python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    def helper(self) -> tuple[int, int]:
        """Process number of the share helper running now and the port that it makes public."""
        last = (self.folder / "frpc.log").read_text().splitlines()[-1].split()
        return int(last[0]), int(last[last.index("-l") + 1])


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    """A virtual environment that has everything this one has, except sdcolab."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    here, mirror = Path(sysconfig.get_path("purelib")), folder / "preinstalado"
    mirror.mkdir()
    for entry in here.iterdir():
        if "sdcolab" not in entry.name and entry.suffix != ".pth" and entry.name != "__pycache__":
            (mirror / entry.name).symlink_to(entry)
    python = folder / "venv" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    Path(site, "preinstalado.pth").write_text(f"{mirror}\n")
    (folder / "content").mkdir()
    (folder / "home").mkdir()
    return Colab(folder, python)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rueda")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    (made,) = folder.glob("sdcolab-*.whl")
    return made


@pytest.fixture(scope="module")
def civitai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A loopback civitai with a miniature checkpoint (random weights, SD 1.x's names) that needs a token."""
    from tests.support.servers import CivitaiFile, CivitaiServer
    from tools.make_random_sd15 import MINI, write

    path = tmp_path_factory.mktemp("modelo") / "mini.safetensors"
    write(path, MINI)
    file = CivitaiFile("mini_gato.safetensors", path.read_bytes(), model_id=4384, needs_token=True)
    with CivitaiServer({128713: file}, token=TOKEN) as server:
        yield server


class Page:
    """The web UI as a program uses it: plain HTTP and gradio's queue."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.http.trust_env = False
        assert self.http.get(f"{self.url}/config", timeout=30).status_code == 401
        wrong = self.http.post(f"{self.url}/login", data={"username": user, "password": "no"}, timeout=30)
        assert wrong.status_code in (400, 401)
        self.http.post(
            f"{self.url}/login", data={"username": user, "password": password}, timeout=30
        ).raise_for_status()

        config = self.http.get(f"{self.url}/config", timeout=30).json()
        self._components = {one["id"]: one["props"] for one in config["components"]}
        self._actions = [action for action in config["dependencies"] if action["backend_fn"]]
        self._values = {number: props.get("value") for number, props in self._components.items()}
        for action in self._actions:  # as a browser does when it opens the page
            if any(event == "load" for _, event in action["targets"]):
                for number, value in zip(action["outputs"], self._do(action, {}), strict=True):
                    if not isinstance(value, dict):
                        self._values[number] = value
                    elif "value" in value:
                        self._values[number] = value["value"]
        (fill,) = [one for one in config["dependencies"] if one["outputs"] and "sdcolabFilled" in str(one.get("js"))]
        opened = self._values[fill["inputs"][0]]  # the page's script puts these where nobody has typed
        self._values |= dict(zip(fill["outputs"], opened, strict=True))

    def press(self, button: str, **values: object) -> str:
        """Press the button with this text, after writing ``values`` in the form. Returns what the page then says."""
        (action,) = [
            action
            for action in self._actions
            if any(button in str(self._components[number].get("value")) for number, _ in action["targets"] if number)
        ]
        return str(self._do(action, {FIELD_LABELS[name]: value for name, value in values.items()})[0])

    def _do(self, action: dict[str, Any], written: dict[str, object]) -> list[Any]:
        """Run one of the page's actions through gradio's queue; what it returns."""
        labels = {number: self._components[number].get("label") for number in action["inputs"]}
        assert set(written) <= set(labels.values()), labels
        data = [written.get(str(label), self._values[number]) for number, label in labels.items()]
        session = uuid.uuid4().hex
        body = {"data": data, "fn_index": action["id"], "session_hash": session, "event_data": None, "trigger_id": None}
        self.http.post(f"{self.url}/gradio_api/queue/join", json=body, timeout=30).raise_for_status()
        address = f"{self.url}/gradio_api/queue/data?session_hash={session}"
        with self.http.get(address, stream=True, timeout=60) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix(b"data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    assert message["success"], message
                    returned: list[Any] = message["output"]["data"]
                    return returned
        raise AssertionError("la página no respondió")


def wait_for(find: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "no ocurrió a tiempo"
        time.sleep(0.1)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def filled(source: str, **fields: object) -> str:
    """The play cell after the user has filled in its form: Colab rewrites the literals (5d)."""
    for name, value in fields.items():
        source, count = re.subn(
            rf"^{name} = .+? #@param", lambda _, n=name, v=value: f"{n} = {v!r} #@param", source, flags=re.M
        )
        assert count == 1, name
    return source


def test_from_the_link_to_drive(colab: Colab, wheel: Path, civitai: Any) -> None:
    install_frpc(colab.folder / "hf")
    colab.environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SDCOLAB_", "PYTEST", "JPY_", "GRADIO_"))
    } | {
        "HOME": str(colab.folder / "home"),
        "HF_HOME": str(colab.folder / "hf"),
        "PYTHONPATH": str(REPOSITORY / "tests" / "support" / "google_colab"),
        "PIP_NO_INDEX": "1",
        "COLAB_RELEASE_TAG": "release-colab_de-pruebas",
        "SDCOLAB_CONTENIDO": str(colab.content),
        "SDCOLAB_PAQUETE": str(wheel),
        "SDCOLAB_CIVITAI_URL": civitai.url,
        "STANDIN_DRIVE_FOLDER": str(colab.drive),
        "STANDIN_SECRETS": json.dumps({"CIVITAI_TOKEN": TOKEN}),
        "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:7000",
        "STANDIN_FRPC_LOG": str(colab.folder / "frpc.log"),
        "STANDIN_FRPC_URL": "http://prueba.gradio.example",
    }
    before = colab.packages()
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    play = filled(
        next(source for source in cells if "sdcolab.empezar" in source),
        modo="Enlace público",
        guardar_imagenes_en_drive=True,
        guardar_configuracion_en_drive=True,
        enlaces_adicionales="https://civitai.com/api/download/models/128713, https://civitai.com/api/download/models/404",
    )
    kernel = Kernel(colab.python, colab.environ, colab.content)
    try:
        kernel.run(cells[-1])
        kernel.finish()
        assert any("audio/wav" in shown.get("text/html", "") for shown in kernel.shown)

        kernel.run("import os; os.environ['SDCOLAB_PAQUETE'] = '/no/existe.whl'")
        kernel.finish()
        kernel.run(play)
        assert "😕 No se ha podido instalar sdcolab" in kernel.finish()
        kernel.run(f"os.environ['SDCOLAB_PAQUETE'] = {str(wheel)!r}")
        kernel.finish()

        password = first_run(kernel, colab, play)
        second_run(kernel, colab, play, password)

        kernel.run("import sys; print([name for name in ('torch', 'gradio', 'diffusers') if name in sys.modules])")
        assert kernel.finish().strip() == "[]"
        assert TOKEN not in kernel.everything
        for log in (colab.root / "registros").iterdir():
            text = log.read_text()
            assert TOKEN not in text
            assert password not in text
        kernel_that_dies(kernel, colab, play)
    finally:
        kernel.close()
    assert {line.partition("==")[0] for line in colab.packages() ^ before} == {"sdcolab"}


def first_run(kernel: Kernel, colab: Colab, play: str) -> str:
    """Download, generate, save; kill things; interrupt. Returns the password."""
    kernel.run(play)
    text = kernel.until("Contraseña: ")
    link = re.search(r"Running on public URL: (\S+)\nUsuario: (\S+)  Contraseña: (\S+)\n", text)
    assert link, text
    assert link[1] == "http://prueba.gradio.example"
    user, password = link[2], link[3]

    # The link became a model; the wrong one got its line and stopped nobody.
    model = colab.root / "models" / "Stable-diffusion" / "mini_gato.safetensors"
    assert model.is_file(), text
    reports = [line for line in text.splitlines() if " · " in line and "%" not in line]
    assert any("mini_gato.safetensors" in line and "models/Stable-diffusion" in line for line in reports), text
    assert any("404" in line for line in reports), text
    assert "🔑 Claves encontradas: CIVITAI_TOKEN" in text
    assert any("application/vnd.jupyter.widget-view+json" in shown for shown in kernel.shown)

    # Generate through the page.
    helper, port = colab.helper()
    page = Page(port, user, password)
    said = page.press("Generar", prompt="un gato", steps=2, width=64, height=64, checkpoint=model.name, seed="5")
    assert not said, said
    images = wait_for(lambda: list((colab.drive / "sdcolab" / "outputs" / "txt2img-images").glob("????-??-??/*.png")))
    assert images[0].name == "00000-5.png"
    with Image.open(images[0]) as image:
        assert image.size == (64, 64)
        assert image.info["parameters"].startswith("un gato\n")
        assert "Steps: 2" in image.info["parameters"]
        assert "Model: mini_gato" in image.info["parameters"]
    local = colab.root / images[0].relative_to(colab.drive / "sdcolab")
    assert digest(local) == digest(images[0])

    # Save the form as the defaults.
    page.press("predeterminado", prompt="un perro", steps=7, checkpoint=model.name)
    settings = colab.drive / "sdcolab" / "config" / "configuracion.json"
    wait_for(lambda: settings.exists() and "un perro" in settings.read_text())

    # The page's process is killed for memory: the same link and the same session go on.
    children = roster(colab)
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    assert not any(password in command for command in commands.values())
    web = next(pid for pid, command in commands.items() if "--eventos" in command)
    killed = time.monotonic()
    os.kill(web, signal.SIGKILL)
    text = kernel.until("vuelve a estar abierta")
    print(f"la interfaz volvió en {time.monotonic() - killed:.1f} s")
    assert str(explain(WebKilled())) in text
    page.press("Generar", prompt="otro gato", steps=1, width=64, height=64, checkpoint=model.name, seed="6")
    wait_for(lambda: list(images[0].parent.glob("00001-6.png")))

    # The link's helper dies: there is another.
    os.kill(helper, signal.SIGKILL)
    kernel.until("Running on public URL", times=2)
    children = roster(colab)
    helper, _ = colab.helper()

    # Interrupted with an image that is not on Drive yet.
    late = images[0].parent.relative_to(colab.drive / "sdcolab") / "00002-7.png"
    (colab.root / late).write_bytes(local.read_bytes())
    started = time.monotonic()
    kernel.manager.interrupt_kernel()
    text = kernel.finish()
    print(f"cerrado en {time.monotonic() - started:.1f} s")
    assert "Traceback" not in text
    assert "✅ Todo está guardado en Google Drive." in text
    assert "👋 sdcolab está cerrado." in text
    assert (colab.drive / "sdcolab" / late).exists()
    wait_for(lambda: not any(map(alive, (*children, helper))), 10)
    with pytest.raises(requests.ConnectionError):
        page.http.get(page.url, timeout=5)
    return password


def second_run(kernel: Kernel, colab: Colab, play: str, password: str) -> None:
    """Play again: nothing is downloaded twice, the password is the same, and the saved form comes back from Drive."""
    (colab.root / "config" / "configuracion.json").unlink()
    kernel.run(play)
    text = kernel.until("Contraseña: ")
    assert f"Contraseña: {password}\n" in text
    assert "un perro" in (colab.root / "config" / "configuracion.json").read_text()
    children = roster(colab)
    if DEMO.exists():
        page = Page(colab.helper()[1], "sdcolab", password)
        page.press("Generar", prompt="gato", steps=2, checkpoint=DEMO.name, width=128, height=128, seed="8")
        (image,) = wait_for(lambda: list((colab.drive / "sdcolab" / "outputs").rglob("*-8.png")))
        assert image.name == "00003-8.png"
    kernel.manager.interrupt_kernel()
    assert "👋 sdcolab está cerrado." in kernel.finish()
    wait_for(lambda: not any(map(alive, children)), 10)


def kernel_that_dies(kernel: Kernel, colab: Colab, play: str) -> None:
    """Nothing outlives the kernel, however it ends."""
    kernel.run(play)
    kernel.until("Contraseña: ")
    processes = [*roster(colab), colab.helper()[0]]
    assert all(map(alive, processes))
    kernel.manager.shutdown_kernel(now=True)
    wait_for(lambda: not any(map(alive, processes)), 15)


def roster(colab: Colab) -> list[int]:
    """The children that the session runs now."""
    (path,) = (colab.root / ".sesion").glob("procesos-*.json")
    return [pid for pid, _ in json.loads(path.read_text())["children"]]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
