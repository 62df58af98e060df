"""What the user reads: whole sessions with real (tiny) child processes and a host that answers as asked."""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sdcolab.colab.host import KaggleHost
from sdcolab.colab.links import page_frame
from sdcolab.colab.notebook import Collaborators, StartOptions, close_all, start
from sdcolab.colab.prepare import (
    Download,
    Downloaded,
    MissingDownload,
    model_to_open,
    tell_gpu,
    tell_other_model,
    within,
)
from sdcolab.colab.session import session_access, web_ending
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    DriveDenied,
    EngineKilled,
    HostError,
    NgrokBusy,
    NgrokDown,
    NgrokProgramMissing,
    NgrokTokenMissing,
    NgrokTokenRejected,
    NoModels,
    PackagesMissing,
    ProxyUnavailable,
    SecretNoAccess,
    SecretTimeout,
    ShareDown,
    ShareProgramMissing,
    UnknownName,
    WebCrashed,
    WebKilled,
)
from sdcolab.core.events import BytesReceived, CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.words import explain
from sdcolab.core.words.explain import COLAB_VARIABLE
from sdcolab.core.words.notebook import DEMO_NOT_HERE
from sdcolab.process.public_link import Service
from sdcolab.process.supervisor import RestartPolicy
from sdcolab.wiring.studio import studio_with
from sdcolab.wiring.tasks import TASKS

WEB = """
import json, os, sys, time, pathlib
print("arrancando", flush=True)
pathlib.Path("usuario.txt").write_text(os.environ["SDCOLAB_USUARIO"] + " " + os.environ.get("HF_TOKEN", ""))
print(json.dumps({"event": "ready", "url": "http://127.0.0.1:7860"}), flush=True)
time.sleep(600)
"""
TUNNEL = """
import json, os, sys, time
assert "HF_TOKEN" not in os.environ and "SDCOLAB_USUARIO" not in os.environ
print(json.dumps({"event": "public_url", "url": "https://gato.gradio.live"}), flush=True)
time.sleep(600)
"""
TUNNEL_DOWN = """
import json
print(json.dumps({"event": "failed", "reason": "service", "detail": "Could not get share link"}), flush=True)
"""


@dataclass
class FakeHost:
    """A Colab that answers as the test wants."""

    content: Path
    is_colab: bool = True
    drive: Path | DriveDenied | None = None
    secrets: Mapping[str, str | Exception] = field(default_factory=dict)
    proxy: str | None = "https://7860-x.prod.colab.dev/"
    card: str | None = "Tesla T4, 15360 MiB"
    asked: list[str] = field(default_factory=list)
    flushes: int = 0

    def flush_drive(self) -> bool:
        self.flushes += 1
        return True

    def mount_drive(self) -> Path:
        if isinstance(self.drive, Path):
            return self.drive
        raise self.drive or DriveDenied()

    def secret(self, name: str) -> str | None:
        self.asked.append(name)
        value = self.secrets.get(name)
        if isinstance(value, Exception):
            raise value
        return value

    def proxy_url(self, port: int) -> str:
        if self.proxy is None:
            raise ProxyUnavailable()
        return self.proxy

    def gpu(self) -> str | None:
        return self.card


class Cell:
    """A notebook's cell: runs sessions in this thread, keeps what they print, and interrupts them when told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = FakeHost(folder)
        self.folders = Folders(folder / "sdcolab")
        self.text = ""
        self.web = WEB
        self.tunnel = TUNNEL
        self.environ: dict[str, str] = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
        self.download: Download = lambda text, listener, cancel: (Downloaded(text),)
        self.tokens: Mapping[str, str] = {}
        self.missing: list[MissingDownload] = []
        self.reactions: dict[str, Callable[[], object]] = {}
        self.web_restart = RestartPolicy((0.1,), 60.0, 3)
        self.extras, self.extras_fail = 0, False

    def when(self, words: str, action: Callable[[], object] = _thread.interrupt_main) -> None:
        """Do ``action`` the first time that something with ``words`` is printed; an interruption unless told."""
        self.reactions[words] = action

    def say(self, line: str) -> None:
        self.text += f"{line}\n"
        for words in [words for words in self.reactions if words in line]:
            threading.Thread(target=self.reactions.pop(words)).start()

    def run(self, options: StartOptions | None = None) -> str:
        def make_download(tokens: Mapping[str, str]) -> Download:
            self.tokens = dict(tokens)
            return self.download

        self.text = ""
        late = threading.Event()
        safety = threading.Timer(60, lambda: (late.set(), _thread.interrupt_main()))
        safety.start()
        start(options or StartOptions(), self.collaborators(make_download))
        safety.cancel()
        assert not late.is_set(), f"no llegó {[*self.reactions]}; se vio:\n{self.text}"
        return self.text

    def close(self) -> str:
        """What the closing cell prints."""
        self.text = ""
        close_all(self.collaborators(lambda tokens: self.download))
        return self.text

    def collaborators(self, make_download: Callable[[Mapping[str, str]], Download]) -> Collaborators:
        return Collaborators(
            host=self.host,
            folders=self.folders,
            model_link=model_link,
            make_download=make_download,
            open_library=lambda chosen: Library(self.folders),
            tasks=TASKS,
            open_studio=lambda library, engines, environ: studio_with(self.folders, library, engines, environ),
            missing_downloads=lambda: self.missing,
            controlnet_links=lambda _model: (
                "https://huggingface.co/a/b/resolve/main/canny.safetensors",
                1,
                722_600_000,
            ),
            web_command=lambda port: (sys.executable, "-c", self.web),
            tunnel_command=lambda port, services: (sys.executable, "-c", self.tunnel, *services),
            web_restart=self.web_restart,
            tunnel_restart=RestartPolicy((0.2,), 60.0, None),
            environ=self.environ,
            say=self.say,
            show_html=lambda text: None,
            install_extras=self.install_extras,
        )

    def install_extras(self) -> None:
        self.extras += 1
        if self.extras_fail:
            raise PackagesMissing(names="spandrel>=0.4")

    def pids(self) -> list[int]:
        (path,) = (self.folders.root / ".sesion").glob("procesos-*.json")
        return [pid for pid, _ in json.loads(path.read_text())["children"]]


def model_link(name: str) -> str:
    if name == "DreamShaper":
        return "https://civitai.com/models/4384/dreamshaper"
    raise UnknownName(kind="checkpoint", name=name, suggestions=("DreamShaper",))


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)


def test_from_play_to_public_url(cell: Cell, tmp_path: Path) -> None:
    cell.host.drive = tmp_path / "MyDrive"
    cell.host.drive.mkdir()
    cell.host.secrets = {"HF_TOKEN": "hf_secreto"}
    image = cell.folders.txt2img / "2026-11-22" / "00000-1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"gato")
    cell.when("Contraseña:")
    text = cell.run(
        StartOptions(images_to_drive=True, settings_to_drive=True, model="DreamShaper", links=" https://x/y ")
    )
    for line in (
        "✅ Tarjeta gráfica: Tesla T4, 15360 MiB",
        "✅ Google Drive conectado: las imágenes y la configuración se guardan en Mi unidad/sdcolab.",
        "🔑 Claves encontradas: HF_TOKEN",
        "https://civitai.com/models/4384/dreamshaper\nhttps://x/y\n",
        "Running on public URL: https://gato.gradio.live\nUsuario: sdcolab",
        "⏹️ Cerrando sdcolab…",
        "✅ Todo está guardado en Google Drive.",
        "👋 sdcolab está cerrado.",
    ):
        assert line in text
    assert "hf_secreto" not in text
    assert cell.tokens == {"HF_TOKEN": "hf_secreto"}
    user = (cell.folders.temporary / "proceso" / "usuario.txt").read_text().split()
    assert user[1] == "hf_secreto"
    assert f"Contraseña: {user[0].partition(':')[2]}\n" in text
    assert (cell.host.drive / "sdcolab" / "outputs" / "txt2img-images" / "2026-11-22" / "00000-1.png").exists()
    assert not list((cell.folders.root / ".sesion").glob("procesos-*.json"))


def test_no_model_at_all_is_told_before_the_page_opens(cell: Cell) -> None:
    cell.when("Contraseña:")
    assert f"⚠️ {DEMO_NOT_HERE}\n" in cell.run()
    said = list[str]()
    tell_other_model(replace(cell.collaborators(lambda tokens: cell.download), say=said.append), expected=True)
    assert said == [f"⚠️ {explain(NoModels(folder=cell.folders.models(ModelKind.CHECKPOINT)))}"]


def test_kaggle_is_told_in_its_own_words(cell: Cell) -> None:
    said: list[str] = []
    kaggle = replace(cell.collaborators(lambda tokens: cell.download), host=KaggleHost(), say=said.append)
    tell_gpu(kaggle)
    close_all(kaggle)
    assert "GPU T4 x2" in said[0]
    assert said[-1] == f"✅ Todo está en {cell.folders.root}. Pulsa Save Version para que Kaggle lo conserve."


def test_again_with_the_same_password(cell: Cell) -> None:
    cell.when("Contraseña:")
    first = cell.run()
    cell.when("Contraseña:")
    second = cell.run()
    password = [text.partition("Contraseña: ")[2].partition("\n")[0] for text in (first, second)]
    assert password[0] == password[1]
    assert len(password[0]) >= 12
    assert (cell.folders.root / ".sesion" / "acceso.json").stat().st_mode & 0o777 == 0o600


def test_killed_for_memory(cell: Cell) -> None:
    started: list[float] = []

    def kill() -> None:
        pid = next(pid for pid in cell.pids() if "SDCOLAB_USUARIO" in Path(f"/proc/{pid}/environ").read_text())
        started.append(time.monotonic())
        os.kill(pid, signal.SIGKILL)

    cell.when("Contraseña:", kill)
    cell.when("vuelve a estar abierta")
    text = cell.run()
    assert time.monotonic() - started[0] < 10
    assert str(explain(WebKilled())) in text
    assert text.count("Running on public URL") == 1


def test_the_engines_death_between_two_jobs_is_told(cell: Cell) -> None:
    sentence = str(explain(EngineKilled()))
    said = f"print(json.dumps({{'event': 'trouble', 'message': {sentence!r}}}), flush=True)\ntime.sleep(600)"
    cell.web = WEB.replace("time.sleep(600)", said)
    cell.when(sentence)
    assert f"⚠️ {sentence}\n" in cell.run()


def test_gives_up_and_says_why(cell: Cell) -> None:
    cell.web = "import sys; sys.exit('ModuleNotFoundError: No module named gradio')"
    text = cell.run()
    assert "3 veces seguidas" in text
    assert text.count("se cerró por un error (código 1)") == 2
    assert "No module named gradio" in text


def test_share_service_down(cell: Cell) -> None:
    cell.tunnel = TUNNEL_DOWN
    cell.when("Contraseña:", lambda: (time.sleep(3), _thread.interrupt_main()))
    text = cell.run()
    assert text.count("El servicio que crea el enlace público (Gradio) no responde ahora mismo.") == 1
    assert text.count("https://7860-x.prod.colab.dev/") == 1
    assert "Running on public URL" not in text


def test_colabs_own_link_beside_the_public_one(cell: Cell) -> None:
    cell.when("Solo para ti")
    text = cell.run()
    assert "🔗 Solo para ti, en este navegador y con esta pestaña abierta: https://7860-x.prod.colab.dev/" in text
    assert text.count("Contraseña: ") == 1
    assert page_frame('https://x/"><script>').count("<script>") == 0


def test_the_page_opens_on_the_model_chosen_in_the_form(tmp_path: Path) -> None:
    lora, model = tmp_path / "lora.safetensors", tmp_path / "zzz.safetensors"
    reports = [
        Downloaded("falló", None, ModelKind.CHECKPOINT),
        Downloaded("lora", lora, ModelKind.LORA),
        Downloaded("otra arquitectura", tmp_path / "a.safetensors", ModelKind.CHECKPOINT, runs=False),
        Downloaded("modelo", model, ModelKind.CHECKPOINT),
    ]
    assert model_to_open(reports) == model
    assert model_to_open(reports[:3]) is None


def test_what_another_session_had_is_offered(cell: Cell) -> None:
    cell.missing = [MissingDownload("https://civitai.com/models/1", "a"), MissingDownload("https://x/y > b", "b")]
    cell.when("Contraseña:")
    text = cell.run()
    assert "📦 En otra sesión descargaste también: a, b." in text
    assert "pega esto en enlaces_adicionales y pulsa ▶️:\n   https://civitai.com/models/1, https://x/y > b\n" in text


def test_share_service_down_and_no_proxy(cell: Cell) -> None:
    cell.tunnel = TUNNEL_DOWN
    cell.host.proxy = None
    cell.when(str(explain(ProxyUnavailable())))
    assert "Running on public URL" not in cell.run()


def test_the_link_dies_and_another_comes(cell: Cell) -> None:
    cell.tunnel = (
        "import json, os, sys, time\n"
        "print(json.dumps({'event': 'public_url', 'url': f'https://gato{os.getpid()}.gradio.live'}), flush=True)\n"
        "time.sleep(3); print(json.dumps({'event': 'lost'}), flush=True)"
    )

    cell.when("dejó de funcionar", lambda: cell.when("Contraseña:"))
    text = cell.run()
    assert text.count("El enlace público dejó de funcionar. Ya se está creando otro.") == 1
    links = [line for line in text.splitlines() if line.startswith("Running on public URL")]
    assert len(set(links)) == 2


def test_without_drive_it_goes_on(cell: Cell) -> None:
    cell.host.drive = DriveDenied()
    cell.when("Contraseña:")
    text = cell.run(StartOptions(images_to_drive=True))
    assert str(explain(DriveDenied())) in text
    assert "Running on public URL" in text


def test_advice_without_gpu_and_without_drive(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COLAB_VARIABLE, "release-colab")
    cell.host.card = None
    cell.when("Contraseña:")
    text = cell.run()
    assert "T4 GPU" in text
    assert "se borran al terminar la sesión" in text
    assert "📥" not in text


def test_tokens_come_from_secrets_then_the_form_then_the_environment(cell: Cell) -> None:
    cell.host.secrets = {"CIVITAI_TOKEN": "del secreto"}
    cell.environ |= {"HF_TOKEN": "del entorno", "CIVITAI_TOKEN": "otra"}
    cell.when("Contraseña:")
    text = cell.run(
        StartOptions(links="https://x", tokens={"CIVITAI_TOKEN": "escrita", "NGROK_TOKEN": "no hace falta"})
    )
    assert cell.tokens == {"CIVITAI_TOKEN": "del secreto", "HF_TOKEN": "del entorno"}
    assert "NGROK_TOKEN" not in cell.host.asked
    cell.host.secrets = {}
    cell.when("Contraseña:")
    text += cell.run(StartOptions(links="https://x", tokens={"HF_TOKEN": " escrita "}))
    assert cell.tokens == {"CIVITAI_TOKEN": "otra", "HF_TOKEN": "escrita"}
    for value in ("del secreto", "del entorno", "otra\n", "escrita", "no hace falta"):
        assert value not in text


def test_no_tokens_at_all(cell: Cell) -> None:
    cell.when("Contraseña:")
    text = cell.run()
    assert "🔑 No hay claves guardadas (CIVITAI_TOKEN, HF_TOKEN): solo hacen falta si un sitio las pide." in text


TUNNELS = """
import json, os, sys, time
services, token = sys.argv[1:], os.environ["NGROK_AUTHTOKEN"]
print(json.dumps({"event": "failed", "service": services[0], "reason": REASON, "detail": "d"}), flush=True)
print(json.dumps({"event": "public_url", "service": services[-1], "url": f"https://{len(token)}.{services[-1]}.example"}),
      flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("services", "reason", "token", "lines"),
    [
        ("gradio ngrok", "service", "x" * 9, (ShareDown(reason="d"), "https://9.ngrok.example", "pulsa «Visit Site»")),
        ("ngrok gradio", "token", "x", (NgrokTokenRejected(), "https://1.gradio.example")),
        ("ngrok gradio", "busy", "x", (NgrokBusy(), "https://1.gradio.example")),
        ("ngrok gradio", "program", "x", (NgrokProgramMissing(reason="d"), "https://1.gradio.example")),
        ("ngrok gradio", "service", "x", (NgrokDown(reason="d"), "https://1.gradio.example")),
        ("ngrok gradio", "program", "", (NgrokTokenMissing(), ShareProgramMissing(reason="d"), "https://0.gradio.ex")),
        ("gradio ngrok", "service", "", (ShareDown(reason="d"), "https://0.gradio.example")),
    ],
)
def test_the_services_take_turns_and_each_failure_is_one_line(
    cell: Cell, services: str, reason: str, token: str, lines: tuple[str | HostError, ...]
) -> None:
    cell.tunnel = TUNNELS.replace("REASON", repr(reason))
    cell.host.secrets = {"NGROK_TOKEN": token}
    cell.when("Contraseña:", lambda: (time.sleep(0.3), _thread.interrupt_main()))
    text = cell.run(StartOptions(services=tuple(map(Service, services.split()))))
    for line in lines:
        assert text.count(line if isinstance(line, str) else str(explain(line))) == 1, text
    assert ("Visit Site" in text) == ("ngrok.example" in text)


def test_the_closing_cell_saves_what_a_session_could_not(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = cell.host.drive = tmp_path / "MyDrive"
    drive.mkdir()
    cell.when("Contraseña:")
    cell.run(StartOptions(images_to_drive=True))
    image = cell.folders.txt2img / "2026-11-22" / "00000-1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"gato")
    drive.rename(tmp_path / "lejos")

    monkeypatch.setattr("sdcolab.colab.notebook.SAVE_REST_SECONDS", 0.3)
    assert "1 imagen no está todavía en tu Drive." in cell.close()
    assert cell.host.flushes == 0
    cell.host.drive = DriveDenied()
    assert str(explain(DriveDenied())) in cell.close()
    (tmp_path / "lejos").rename(drive)
    cell.host.drive = drive
    monkeypatch.setattr("sdcolab.colab.notebook.SAVE_REST_SECONDS", 30)
    assert "✅ Google Drive confirmó que todo está subido." in cell.close()
    assert (drive / "sdcolab" / image.relative_to(cell.folders.root)).read_bytes() == b"gato"
    cell.host.drive = DriveDenied()  # nothing is left: nobody is asked for Drive again
    assert "Drive confirmó" in cell.close()


def test_all_controlnet_models_come_after_what_was_asked_for(cell: Cell) -> None:
    asked: list[str] = []

    def download(text: str, _listener: Listener, _cancel: CancelToken) -> Sequence[Downloaded]:
        asked.append(text)
        return ()

    cell.download = download
    cell.when("Contraseña:")
    cell.run(StartOptions(links="https://civitai.com/models/1", all_controlnet_models=True))
    assert asked == ["https://civitai.com/models/1\nhttps://huggingface.co/a/b/resolve/main/canny.safetensors"]


def test_secrets_that_cannot_be_read(cell: Cell) -> None:
    cell.host.secrets = {"CIVITAI_TOKEN": SecretTimeout(name="CIVITAI_TOKEN"), "HF_TOKEN": "no se pregunta"}
    cell.environ["HF_TOKEN"] = "del entorno"
    cell.when("Contraseña:")
    text = cell.run(StartOptions(links="https://x"))
    assert cell.tokens == {"HF_TOKEN": "del entorno"}
    assert cell.host.asked == ["CIVITAI_TOKEN"]
    assert "no respondió al pedirle la clave CIVITAI_TOKEN" in text
    cell.host.secrets = {"CIVITAI_TOKEN": SecretNoAccess(name="CIVITAI_TOKEN")}
    cell.when("Contraseña:")
    assert "activa «Acceso desde el cuaderno» junto a CIVITAI_TOKEN" in cell.run()


def test_a_wrong_model_name_is_told_at_once(cell: Cell) -> None:
    text = cell.run(StartOptions(model="DreamShapper"))
    assert "No existe el modelo «DreamShapper». ¿Querías decir «DreamShaper»?" in text
    assert "Abriendo" not in text


def test_a_bug_in_the_downloads_does_not_take_the_page_away(cell: Cell) -> None:
    def broken(text: str, listener: Listener, cancel: CancelToken) -> Sequence[Downloaded]:
        listener(BytesReceived("a", 1, 2, 1.0))
        raise ZeroDivisionError("división")

    cell.download = broken
    cell.when("Contraseña:")
    text = cell.run(StartOptions(links="https://x"))
    assert "Ocurrió un error inesperado (ZeroDivisionError)" in text
    assert "Running on public URL" in text


def test_interrupting_a_download_cancels_it(cell: Cell) -> None:
    cancelled = threading.Event()

    def slow(text: str, listener: Listener, cancel: CancelToken) -> Sequence[Downloaded]:
        if cancel.wait(30):
            cancelled.set()
        return ()

    cell.download = slow
    cell.when("📥", lambda: (time.sleep(0.3), _thread.interrupt_main()))
    text = cell.run(StartOptions(links="https://x"))
    assert cancelled.wait(5)
    assert "Cerrando" in text
    assert "Abriendo" not in text


def test_outside_colab_the_local_address_is_shown_and_no_extras_are_installed(cell: Cell) -> None:
    cell.host = replace(cell.host, is_colab=False)
    cell.when("En este equipo: http://127.0.0.1:", lambda: (time.sleep(1), _thread.interrupt_main()))
    assert "Running on public URL" in cell.run()
    assert cell.extras == 0


def test_extras_that_cannot_be_installed_stop_nothing(cell: Cell) -> None:
    cell.extras_fail = True
    cell.when("Contraseña:")
    text = cell.run()
    assert str(explain(PackagesMissing(names="spandrel>=0.4"))) in text
    assert "Running on public URL" in text


def test_a_former_session_is_closed_first(cell: Cell) -> None:
    from sdcolab.process.supervisor import Roster

    left = os.posix_spawn(
        sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], os.environ, setsid=True
    )
    Roster(cell.folders.root / ".sesion").add(left)
    reaper = threading.Thread(target=os.waitpid, args=(left, 0))
    reaper.start()
    cell.when("Contraseña:")
    assert "La sesión anterior se cerró" in cell.run()
    reaper.join(5)
    assert not reaper.is_alive()


def test_a_second_interruption_stops_waiting_for_drive(cell: Cell, tmp_path: Path) -> None:
    drive = tmp_path / "MyDrive"
    drive.mkdir()
    cell.host.drive = drive

    def unplug() -> None:
        drive.rename(tmp_path / "lejos")
        image = cell.folders.txt2img / "2026-11-22" / "00000-1.png"
        image.parent.mkdir(parents=True)
        image.write_bytes(b"gato")
        _thread.interrupt_main()

    cell.when("Contraseña:", unplug)
    cell.when("💾", lambda: (time.sleep(1), _thread.interrupt_main()))
    text = cell.run(StartOptions(images_to_drive=True))
    assert "Cerrado sin esperar a Google Drive (sin copiar: 1)" in text
    assert not drive.exists()


def test_endings() -> None:
    assert isinstance(web_ending(-9), WebKilled)
    assert isinstance(web_ending(137), WebKilled)
    assert "señal SIGSEGV" in str(explain(web_ending(-11)))
    assert isinstance(web_ending(1), WebCrashed)


def test_access_survives_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "acceso.json"
    path.write_text("roto")
    assert session_access(path) == session_access(path)


def test_work_in_time_and_late() -> None:
    assert within(None, lambda: 3) == 3
    with pytest.raises(TimeoutError):
        within(0.1, lambda: time.sleep(5))
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
