"""The whole way, from a link in the notebook to an image on Drive, and everything that can go wrong on it.

The real notebook runs in a real Jupyter kernel, in a fresh virtual environment where only sdcolab is missing, with the
stand-in google.colab (hechos/lanzadores.md 5), a loopback index of packages, civitai and huggingface, gradio's share
and ngrok with stand-in helpers. The notebook is the autonomous one. Colab
requests are answered inside the stand-in, so nothing here depends on iopub's parent ids (5e). The images' folder and
Drive are disks of their own, small enough to be filled.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

import sdcolab
from sdcolab.core.errors import WebKilled
from sdcolab.core.words import FIELD_LABELS, explain
from tests.support.frpc import install_frpc
from tests.support.kernel import PATIENCE, Kernel

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]  # whatever started pytest

NOTEBOOK = REPOSITORY / "notebooks" / "stable_diffusion.ipynb"
DEMO = REPOSITORY / "sdcolab" / "demo" / "emoji-128.safetensors"
DEMO_ADDRESS = f"https://huggingface.co/ana/demo/resolve/main/{DEMO.name}"
TOKEN = "c1v1ta1" * 4 + "abcd"
NGROK = "2ZzVEPQ2pYHCYDdkn6rGGHKxXXX_4fjXPGm3pLqeXpbX"
DISK_BYTES = 4_000_000
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
    """A virtual environment that has everything this one has, except sdcolab and what the index must give."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    here, mirror = Path(sysconfig.get_path("purelib")), folder / "preinstalado"
    mirror.mkdir()
    for entry in here.iterdir():
        if (
            not entry.name.lower().startswith(("sdcolab", "jinja2", "__editable__"))
            and entry.suffix != ".pth"
            and entry.name != "__pycache__"
        ):
            (mirror / entry.name).symlink_to(entry)
    python = folder / "venv" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    Path(site, "preinstalado.pth").write_text(f"{mirror}\n")
    (folder / "content").mkdir()
    (folder / "home").mkdir()
    return Colab(folder, python)


@pytest.fixture(scope="module")
def autonomous(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The code cells of the notebook that carries this very copy of sdcolab."""
    from tools import publicar

    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    wheel = publicar.build(tmp_path_factory.mktemp("rueda"), "wheel")
    made = publicar.autonomous(notebook, publicar.Origin("ana", "sdcolab"), sdcolab.__version__, wheel)
    cells = {cell["id"]: "".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"}
    address = f"https://github.com/ana/sdcolab/releases/download/v{sdcolab.__version__}/{DEMO.name}"
    assert address in cells["empezar"]
    return cells | {"empezar": cells["empezar"].replace(address, DEMO_ADDRESS)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry of packages on this machine, with the only one that is missing."""
    found = metadata.distribution("jinja2")
    root = tmp_path_factory.mktemp("indice")
    folder = root / "simple" / "jinja2"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / f"jinja2-{found.version}-py3-none-any.whl", "w") as archive:
        for file in found.files or ():
            if "__pycache__" not in str(file) and file.name not in ("INSTALLER", "REQUESTED"):
                archive.write(str(file.locate()), str(file))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()


@pytest.fixture(scope="module")
def civitai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A loopback civitai with a miniature checkpoint (random weights, SD 1.x's names) that needs a token."""
    from tests.support.servers import CivitaiFile, CivitaiServer
    from tools.make_random_sd15 import MINI, write

    path = tmp_path_factory.mktemp("modelo") / "mini.safetensors"
    write(path, MINI)
    file = CivitaiFile("mini_gato.safetensors", path.read_bytes(), model_id=4384, needs_token=True)
    with CivitaiServer({128713: file}, token=TOKEN) as server:
        server.refuse_next.append((429, {"Retry-After": "1"}))  # "too many requests", once
        yield server


@pytest.fixture(scope="module")
def huggingface() -> Iterator[Any]:
    """A loopback huggingface with a LoRA for everybody and one whose author asks for something first."""
    from tests.support.servers import LORA_SHAPES, HubFile, HuggingFaceServer, safetensors_bytes

    lora = safetensors_bytes(LORA_SHAPES)
    files = {
        "ana/libre/main/lineas.safetensors": HubFile(lora),
        "ana/cerrado/main/otras.safetensors": HubFile(lora, gated=True),
        f"ana/demo/main/{DEMO.name}": HubFile(DEMO.read_bytes()),
    }
    with HuggingFaceServer(files) as server:
        yield server


@pytest.fixture(scope="module")
def ngrok() -> Iterator[Any]:
    """Where ngrok's agent is downloaded from."""
    from tests.support.ngrok import packed_agent
    from tests.support.servers import FileServer

    with FileServer({"/ngrok.tgz": packed_agent()}) as server:
        yield server


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own at ``folder``, in memory (needs root)."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this user may make small disks."""
    try:
        with small_disk(folder):
            return True
    except subprocess.CalledProcessError:
        return False


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """No byte fits in the disk of ``folder`` (the program skips hidden files)."""
    filler = folder / ".relleno"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


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
        self.look()
        (fill,) = [one for one in config["dependencies"] if one["outputs"] and "sdcolabFilled" in str(one.get("js"))]
        opened = self._values[fill["inputs"][0]]  # the page's script puts these where nobody has typed
        self._values |= dict(zip(fill["outputs"], opened, strict=True))

    def look(self) -> str:
        """Open the page, as a browser does, and ask for news, as its script does; everything that it shows."""
        for action in self._actions:
            if any(event == "load" or self._id(number) == "sd-look-again" for number, event in action["targets"]):
                for number, value in zip(action["outputs"], self._do(action, {}), strict=True):
                    if not isinstance(value, dict):
                        self._values[number] = value
                    elif "value" in value:
                        self._values[number] = value["value"]
        return "\n".join(map(str, self._values.values()))

    def _id(self, number: int | None) -> object:
        return self._components[number].get("elem_id") if number else None

    def field(self, name: str) -> object:
        """What the form shows in a field."""
        (number,) = [one for one, props in self._components.items() if props.get("elem_id") == f"sd-{name}"]
        return self._values[number]

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


def test_from_the_link_to_drive(
    colab: Colab, autonomous: dict[str, str], index: str, civitai: Any, huggingface: Any, ngrok: Any
) -> None:
    if not can_mount(colab.folder / "disco"):
        pytest.skip("los discos de la prueba se montan como administrador")
    install_frpc(colab.folder / "hf")
    colab.environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SDCOLAB_", "PYTEST", "JPY_", "GRADIO_"))
    } | {
        "HOME": str(colab.folder / "home"),
        "HF_HOME": str(colab.folder / "hf"),
        "PYTHONPATH": str(REPOSITORY / "tests" / "support" / "google_colab"),
        "PIP_INDEX_URL": index,
        "COLAB_RELEASE_TAG": "release-colab_de-pruebas",
        "SDCOLAB_CONTENIDO": str(colab.content),
        "SDCOLAB_CIVITAI_URL": civitai.url,
        "SDCOLAB_HUGGINGFACE_URL": huggingface.url,
        "SDCOLAB_NGROK_URL": f"{ngrok.url}/ngrok.tgz",
        "STANDIN_DRIVE_FOLDER": str(colab.drive),
        "STANDIN_NGROK_LOG": str(colab.folder / "ngrok.log"),
        "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:7000",
        "STANDIN_FRPC_LOG": str(colab.folder / "frpc.log"),
        "STANDIN_FRPC_URL": "http://prueba.gradio.example",
    }
    before = colab.packages()
    cells = autonomous
    links = (
        "https://civitai.com/api/download/models/128713, https://civitai.com/api/download/models/404",
        "https://huggingface.co/ana/libre/blob/main/lineas.safetensors, ftp://esto.no/es/un-enlace",
        "https://huggingface.co/ana/cerrado/resolve/main/otras.safetensors",
    )
    play = filled(
        cells["empezar"],
        modo="Enlace público",
        guardar_imagenes_en_drive=True,
        guardar_configuracion_en_drive=True,
        enlaces_adicionales=", ".join(links),
        recursos_de_la_guia=False,
    )
    kernel = Kernel(colab.python, colab.environ, colab.content)
    try:
        before_installing(kernel, cells, play)
        with small_disk(colab.root / "outputs"), small_disk(colab.drive):
            access = first_run(kernel, colab, play, cells)
            second_run(kernel, colab, filled(play, modo="Enlace público con ngrok"), access)
            nothing_is_lost(colab)

            kernel.run("import sys; print([name for name in ('torch', 'gradio', 'diffusers') if name in sys.modules])")
            assert kernel.finish().strip() == "[]"
            no_secret_anywhere(kernel, colab, cells["informe"], access[1])
            kernel_that_dies(kernel, colab, play)
    finally:
        kernel.close()
    assert {line.partition("==")[0].lower() for line in colab.packages() ^ before} == {"sdcolab", "jinja2"}


def before_installing(kernel: Kernel, cells: dict[str, str], play: str) -> None:
    """The audio plays, nothing breaks before its time, and an install that fails says its reason and what to do."""
    kernel.run(cells["audio"])
    kernel.finish()
    assert any("audio/wav" in shown.get("text/html", "") for shown in kernel.shown)
    for name in ("cerrar", "informe"):
        kernel.run(cells[name])
        assert kernel.finish() == "Aquí todavía no hay nada: primero pulsa ▶️ en «Empezar aquí 🚀».\n"
    kernel.run("import os; os.environ['SDCOLAB_PAQUETE'] = '/no/existe.whl'")
    kernel.finish()
    kernel.run(play)
    reason, advice = kernel.finish().splitlines()
    assert reason == "⚠️ SDCOLAB_PAQUETE dice «/no/existe.whl», y ahí no hay nada: corrígelo, o quítalo."
    assert advice.startswith("😕 No se pudo instalar sdcolab. Usa el cuaderno «autónomo»")
    kernel.run("del os.environ['SDCOLAB_PAQUETE']")
    kernel.finish()
    kernel.run(filled(cells["claves"], CIVITAI_TOKEN=TOKEN))
    assert kernel.finish() == "🔑 Claves leídas. Ahora pulsa ▶️ en «Empezar aquí 🚀».\n"


def nothing_is_lost(colab: Colab) -> None:
    """Every picture that was made is on Drive, once."""
    made = sorted(digest(path) for path in (colab.root / "outputs").rglob("*.png"))
    saved = sorted(digest(path) for path in (colab.drive / "sdcolab" / "outputs").rglob("*.png"))
    assert made == saved
    assert len(set(made)) >= 7


def no_secret_anywhere(kernel: Kernel, colab: Colab, report_cell: str, password: str) -> None:
    """Neither in what cells show, nor in any file of ours or Drive's, nor in the report."""
    kernel.run(report_cell)
    text = kernel.finish()
    assert "🩺 Diagnóstico de sdcolab" in text
    assert "No contiene claves ni contraseñas." in text
    assert any("download" in shown.get("text/html", "") for shown in kernel.shown)
    with zipfile.ZipFile(colab.root / "informe-sdcolab.zip") as report:
        assert {"diagnostico.txt", "interfaz.log", "enlace.log"} <= set(report.namelist())
        written = b"".join(report.read(name) for name in report.namelist())
    shown = "\n".join(kernel.outputs)
    assert len(shown) > 1000
    files = [path for top in (colab.root, colab.drive) for path in top.rglob("*") if path.is_file()]
    for secret in (TOKEN, NGROK):
        assert secret not in shown
        assert secret.encode() not in written
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert password.encode() not in written
    assert [path.name for path in files if password.encode() in path.read_bytes()] == ["acceso.json"]


def first_run(kernel: Kernel, colab: Colab, play: str, cells: dict[str, str]) -> tuple[str, str]:
    """Download, generate, save; break everything; interrupt. Returns the user and the password."""
    kernel.run(play)
    text = kernel.until("prod.colab.dev")
    link = re.search(r"Running on public URL: (\S+)\nUsuario: (\S+)  Contraseña: (\S+)\n", text)
    assert link, text
    assert link[1] == "http://prueba.gradio.example"
    user, password = link[2], link[3]

    # The links became models, also the one that was refused once (429); the wrong ones got their line each.
    model = colab.root / "models" / "Stable-diffusion" / "mini_gato.safetensors"
    assert model.is_file(), text
    reports = [line for line in text.splitlines() if (" · " in line or line.startswith("❌")) and "%" not in line]
    assert any("mini_gato.safetensors" in line and "models/Stable-diffusion" in line for line in reports), text
    assert any("404" in line for line in reports), text
    assert any("lineas.safetensors" in line and "models/Lora" in line for line in reports), text
    assert any("ana/cerrado" in line and "HF_TOKEN" in line for line in reports), text
    assert "ftp://esto.no" in text
    assert "🔑 Claves encontradas: CIVITAI_TOKEN" in text
    assert text.count("🔗 Solo para ti, en este navegador y con esta pestaña abierta: https://") == 1
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
    page.press("Guardar como valores predeterminados", prompt="un perro", steps=7, checkpoint=model.name)
    settings = colab.drive / "sdcolab" / "config" / "configuracion.json"
    wait_for(lambda: settings.exists() and "un perro" in settings.read_text())

    # The disk is full: said on the page, and the next picture is made when there is room.
    with full(colab.root / "outputs"):
        page.press("Generar", prompt="no cabe", steps=1, width=64, height=64, checkpoint=model.name, seed="20")
        wait_for(lambda: "No queda espacio en el disco" in page.look())
    # Drive is full, then it is unplugged: nothing waits for it, and it catches up.
    with full(colab.drive):
        page.press("Generar", prompt="un pez", steps=1, width=64, height=64, checkpoint=model.name, seed="21")
        kernel.until("Tu Google Drive está lleno: 1 archivo")
        assert not list(images[0].parent.glob("*-21.png"))
    kernel.until("✅ Google Drive volvió")
    assert list(images[0].parent.glob("*-21.png"))
    with unplugged(colab):
        page.press("Generar", prompt="un pato", steps=1, width=64, height=64, checkpoint=model.name, seed="22")
        wait_for(lambda: list(local.parent.glob("*-22.png")))  # made without waiting for Drive
        kernel.until("Google Drive no responde")
    kernel.until("✅ Google Drive volvió", times=2)
    assert list(images[0].parent.glob("*-22.png"))

    assert any('<iframe src="https://' in shown.get("text/html", "") for shown in kernel.shown)

    # The page's process is killed for memory: the same link, the same session and the rest of the queue go on.
    page.press("Generar", prompt="enorme", steps=150, width=512, height=512, checkpoint=model.name, seed="23")
    page.press("Generar", prompt="en cola", steps=1, width=64, height=64, checkpoint=model.name, seed="24")
    children = roster(colab)
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    assert not any(password in command for command in commands.values())
    web = next(pid for pid, command in commands.items() if "--eventos" in command)
    killed = time.monotonic()
    os.kill(web, signal.SIGKILL)
    text = kernel.until("vuelve a estar abierta")
    print(f"la interfaz volvió en {time.monotonic() - killed:.1f} s")
    assert str(explain(WebKilled())) in text
    wait_for(lambda: list(images[0].parent.glob("*-24.png")))
    assert not list(local.parent.glob("*-23.png"))
    page.press("Generar", prompt="otro gato", steps=1, width=64, height=64, checkpoint=model.name, seed="6")
    wait_for(lambda: list(images[0].parent.glob("*-6.png")))

    # The link's helper dies: there is another.
    os.kill(helper, signal.SIGKILL)
    kernel.until("Running on public URL", times=2)
    children = roster(colab)
    helper, _ = colab.helper()

    # Interrupted, twice, with an image that is not on Drive and Drive unplugged: the closing cell saves it later.
    late = images[0].parent.relative_to(colab.drive / "sdcolab") / "00099-7.png"
    with unplugged(colab):
        (colab.root / late).write_bytes(local.read_bytes() + b"tarde")
        kernel.manager.interrupt_kernel()
        kernel.until("💾 Guardando en Google Drive…")
        kernel.manager.interrupt_kernel()
        text = kernel.finish()
    assert "Traceback" not in text
    assert "⚠️ Cerrado sin esperar a Google Drive (sin copiar: 1)." in text
    wait_for(lambda: not any(map(alive, (*children, helper))), 10)
    with pytest.raises(requests.ConnectionError):
        page.http.get(page.url, timeout=5)
    assert not (colab.drive / "sdcolab" / late).exists()
    kernel.run(cells["cerrar"])
    text = kernel.finish()
    assert "✅ Todo está guardado en Google Drive." in text
    assert "✅ Google Drive confirmó que todo está subido." in text
    assert (colab.drive / "sdcolab" / late).exists()
    kernel.run(cells["cerrar"])
    assert "✅ No había nada pendiente en Drive.\n" in kernel.finish()
    return user, password


def second_run(kernel: Kernel, colab: Colab, play: str, access: tuple[str, str]) -> None:
    """Play again, with ngrok and tokens in Colab's secrets: nothing is downloaded twice, user and password are the
    same, the defaults and the last form come back from Drive, and a dead link is made again."""
    user, password = access
    for saved in ("configuracion.json", "ultimo_formulario.json"):
        (colab.root / "config" / saved).unlink()
    kernel.run(f"os.environ['STANDIN_SECRETS'] = {json.dumps({'CIVITAI_TOKEN': TOKEN, 'NGROK_TOKEN': NGROK})!r}")
    kernel.finish()
    kernel.run(play)
    text = kernel.until("prod.colab.dev")
    assert f"Running on public URL: https://gato.ngrok-free.app\nUsuario: {user}  Contraseña: {password}\n" in text
    assert "🔑 Claves encontradas: CIVITAI_TOKEN, NGROK_TOKEN" in text
    assert "pulsa «Visit Site»" in text
    assert "un perro" in (colab.root / "config" / "configuracion.json").read_text()
    agent = (colab.folder / "ngrok.log").read_text().split()[0]
    children = roster(colab)
    page = Page(int(re.search(r"https://(\d+)-m-s-", text)[1]), user, password)  # type: ignore[index]
    assert (page.field("prompt"), page.field("seed")) == ("otro gato", "6")
    page.press("Generar", prompt="gato", steps=2, checkpoint=DEMO.name, width=128, height=128, seed="8")
    wait_for(lambda: list((colab.drive / "sdcolab" / "outputs").rglob("*-8.png")))
    os.kill(int(agent), signal.SIGKILL)
    kernel.until("Running on public URL: https://gato.ngrok-free.app", times=2)
    assert "El enlace público dejó de funcionar. Ya se está creando otro." in kernel.text
    kernel.manager.interrupt_kernel()
    text = kernel.finish()
    assert "✅ Todo está guardado en Google Drive." in text
    assert "👋 sdcolab está cerrado." in text
    wait_for(lambda: not any(map(alive, children)), 10)


def kernel_that_dies(kernel: Kernel, colab: Colab, play: str) -> None:
    """Nothing outlives the kernel, however it ends."""
    kernel.run(play)
    kernel.until("Contraseña: ")
    processes = [*roster(colab), colab.helper()[0]]
    assert all(map(alive, processes))
    kernel.manager.shutdown_kernel(now=True)
    wait_for(lambda: not any(map(alive, processes)), 15)


@contextlib.contextmanager
def unplugged(colab: Colab) -> Iterator[None]:
    """Drive is not there."""
    there, away = colab.content / "drive", colab.folder / "lejos"
    there.rename(away)
    there.mkdir()  # an empty mount point
    yield
    there.rmdir()  # nobody may write below it meanwhile: Drive could not be mounted again
    away.rename(there)


def roster(colab: Colab) -> list[int]:
    """The children that the session runs now."""
    (path,) = (colab.root / ".sesion").glob("procesos-*.json")
    return [pid for pid, _ in json.loads(path.read_text())["children"]]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
