# Instala sdcolab en este Python, desde el primer sitio que lo tenga: SDCOLAB_PAQUETE; un archivo sdcolab-….whl de esta
# máquina o de Mi unidad/sdcolab; el que lleva dentro este cuaderno; o la dirección publicada, si su huella es la que
# debe. Cada cuaderno tiene una copia de este texto, puesta por tools/publicar.py: por eso solo usa lo que trae Python.
import base64
import contextlib
import hashlib
import http.client
import importlib.util
import json
import lzma
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TypeVar

MOST_BYTES = 200_000_000
TALK_SECONDS = 4.0
PIP_REASONS = {
    "No space left": "No queda espacio en el disco de esta máquina. Elige Entorno de ejecución → Desconectar y "
    "eliminar entorno de ejecución, y empieza otra vez.",
    "requires a different Python": "Este entorno tiene un Python demasiado antiguo. En Entorno de ejecución → Cambiar "
    "tipo de entorno de ejecución, elige la «Versión del entorno» más reciente.",
    "is not a valid wheel": "El archivo «{name}» está dañado o a medias: súbelo otra vez.",
    "has an invalid wheel": "El archivo «{name}» está dañado o a medias: súbelo otra vez.",
    "is invalid": "El archivo «{name}» está dañado o a medias: súbelo otra vez.",
    "Permission denied": "No hay permiso para instalar paquetes en este Python.",
    "No module named pip": "Este Python no tiene pip, que es quien instala.",
    "No matching distribution": "No se encuentra «{name}» en el índice de paquetes, o no hay conexión con él.",
    "HTTP error 404": "En la dirección que dice SDCOLAB_PAQUETE no hay nada: corrígela, o quítala.",
    "Max retries exceeded": "No hay conexión con la dirección que dice SDCOLAB_PAQUETE.",
}
WHEEL = re.compile(r"sdcolab-[\w.+]+-py3-none-any")


class CannotInstall(Exception):
    """Why a place does not give sdcolab, in Spanish."""


def install_sdcolab(address: str = "", sha256: str = "", code: str = "", origin: str = "", demo: str = "") -> bool:
    """Install sdcolab from the first place that has it; whether it is here now. ``address`` and ``sha256`` are a
    published wheel's, ``code`` holds a wheel; ``origin`` (owner/repository) and ``demo`` (address) are for sdcolab."""
    os.environ.update({name: said for name, said in (("SDCOLAB_ORIGEN", origin), ("SDCOLAB_DEMO", demo)) if said})
    if "sdcolab" in sys.modules:
        return True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places: list[Callable[[], str | Path | None]] = [
            named_package,
            lambda: wheel_at_hand(folder),
            lambda: carried_wheel(code, folder),
            lambda: published_wheel(address, sha256, folder),
            lambda: wheel_on_drive(folder),
        ]
        for place in places:
            if place is places[-1] and is_here():
                return True  # somebody has installed it: asking for Drive would only be a nuisance
            try:
                if package := place():
                    pip_install(package)
                    return True
            except CannotInstall as error:
                print(f"⚠️ {error}")
                if place is named_package:  # who names one wants no other
                    break
    if not (code or address or os.environ.get("SDCOLAB_PAQUETE")):
        print("⚠️ Este cuaderno no lleva dentro sdcolab ni dice de dónde descargarlo.")
    print(
        "😕 No se pudo instalar sdcolab. Usa el cuaderno «autónomo», que lo lleva dentro; o sube el archivo "
        "sdcolab-….whl al panel 📁 Archivos, o a Mi unidad/sdcolab, y vuelve a pulsar ▶️."
    )
    return False


def named_package() -> str | None:
    """What ``$SDCOLAB_PAQUETE`` names: a file, or whatever pip understands."""
    name = os.environ.get("SDCOLAB_PAQUETE", "").strip()
    if name.endswith(".whl") and "://" not in name and not Path(name).exists():
        raise CannotInstall(f"SDCOLAB_PAQUETE dice «{name}», y ahí no hay nada: corrígelo, o quítalo.")
    return name or None


def content_folder(otherwise: Path | None = None) -> Path:
    """Where people drop their files: Colab's /content, Kaggle's /kaggle/working, or ``otherwise`` (here)."""
    folders = [Path(name) for name in (os.environ.get("SDCOLAB_CONTENIDO"), "/content", "/kaggle/working") if name]
    return next((folder for folder in folders if folder.is_dir()), otherwise or Path.cwd())


@contextlib.contextmanager
def telling(what: Callable[[], str]) -> Iterator[None]:
    """Say again and again, from another thread, that ``what`` is still waited for, while the block lasts."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(TALK_SECONDS):
            print(f"   … {what()}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


T = TypeVar("T")


def answer_of(look: Callable[[], T], where: Path) -> T:
    """What ``look`` finds out about ``where``. Raises ``CannotInstall`` when it does not answer: a Drive may hang."""
    answers: queue.SimpleQueue[T] = queue.SimpleQueue()

    def ask() -> None:
        with contextlib.suppress(OSError):  # a Drive that has died
            answers.put(look())

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    asker.join(TALK_SECONDS)
    try:
        return answers.get_nowait()
    except queue.Empty:
        raise CannotInstall(f"{where} no contesta, y no se puede ver si sdcolab está ahí.") from None


def newest_wheel(source: Path, folder: Path) -> Path | None:
    """The highest version among the wheels in ``source``, of two equal ones the last that was put there; one that a
    browser or Drive has renamed ("… (1).whl", "Copia de …") is copied to ``folder`` under the name that pip asks for.
    Raises ``CannotInstall``."""

    def look() -> Path | None:
        wheels = [path for path in source.glob("*.whl") if WHEEL.search(path.name)]
        return max(wheels, key=lambda path: (version_of(path), path.stat().st_mtime), default=None)

    path = answer_of(look, source)
    if path is None:
        return None
    print(f"📦 Uso el archivo «{path.name}», que está en {source}.")
    name = f"{WHEEL.findall(path.name)[0]}.whl"
    if path.name == name:
        return path
    with telling(lambda: "copiando todavía"):
        return Path(shutil.copyfile(path, folder / name))


def version_of(wheel: Path) -> list[int]:
    """The numbers of a wheel's version, by its name."""
    return [int(one) for one in re.findall(r"\d+", WHEEL.findall(wheel.name)[0].split("-")[1])]


def wheel_at_hand(folder: Path) -> Path | None:
    """A wheel that the user put on this machine, or on a Drive that is connected already."""
    content = content_folder()
    return newest_wheel(content, folder) or newest_wheel(content / "drive" / "MyDrive" / "sdcolab", folder)


def carried_wheel(code: str, folder: Path) -> Path | None:
    """The wheel that this very cell carries: a line with its name and SHA-256, then base85 of xz of it."""
    if not code.strip():
        return None
    print("📦 Preparando sdcolab, que va dentro de este cuaderno…")
    about, *lines = code.strip().splitlines()
    try:
        name, sha256 = about.split()
        data = lzma.decompress(base64.b85decode("".join(lines)))
    except (ValueError, lzma.LZMAError):
        name, sha256, data = "", "", b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CannotInstall("Lo que este cuaderno lleva dentro está incompleto: vuelve a subirlo a Colab.")
    (folder / name).write_bytes(data)
    return folder / name


def published_wheel(address: str, sha256: str, folder: Path) -> Path | None:
    """The wheel at ``address``, only when it is the very one that this notebook was published with."""
    if not address:
        return None
    site = address.split("/")[2]
    print(f"📦 Descargando sdcolab de {site}…")
    path = folder / address.rsplit("/", 1)[-1]
    try:
        with telling(lambda: f"{path.stat().st_size / 1e6 if path.exists() else 0:.1f} MB"):
            digest = fetch(address, path)
    except urllib.error.HTTPError as error:
        gone = "ya no existe" if error.code in (404, 410) else f"no se puede descargar ahora (error {error.code})"
        raise CannotInstall(f"La dirección de esta versión de sdcolab {gone}: {address}") from None
    except (OSError, http.client.HTTPException) as error:
        full = getattr(error, "errno", None) == 28
        raise CannotInstall(
            "No queda espacio en el disco de esta máquina."
            if full
            else f"No hay conexión con {site}, que guarda sdcolab."
        ) from None
    if digest != sha256:
        raise CannotInstall(
            "Lo que se descargó no es el sdcolab que se publicó (su huella SHA-256 no coincide): no se "
            "instaló. Avisa a quien te dio este cuaderno."
        )
    return path


def fetch(address: str, path: Path) -> str:
    """Download ``address`` to ``path``; its SHA-256. Raises ``OSError`` when less came than was announced."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(address, timeout=TALK_SECONDS * 5) as answer, path.open("wb") as file:
        while piece := answer.read(1 << 16):
            digest.update(piece)
            file.write(piece)
            if file.tell() > MOST_BYTES:
                raise CannotInstall(f"{address} no es sdcolab: es demasiado grande.")
        if file.tell() < int(answer.headers["Content-Length"] or 0):
            raise ConnectionError
    return digest.hexdigest()


def wheel_on_drive(folder: Path) -> Path | None:
    """A wheel in Mi unidad/sdcolab after asking for permission: the last chance, and only Colab's."""
    mountpoint = content_folder() / "drive"
    if "COLAB_RELEASE_TAG" not in os.environ:
        return None
    try:
        if answer_of((mountpoint / "MyDrive").exists, mountpoint):
            return None
    except CannotInstall:
        return None  # told already: ``wheel_at_hand`` looked there
    print(
        "📂 Busco sdcolab en tu Drive (Mi unidad/sdcolab): acepta la ventana de permisos, o ciérrala si no está allí."
    )
    try:
        from google.colab import drive

        with telling(lambda: "esperando a Google Drive; si ves su ventana de permisos, acéptala o ciérrala"):
            drive.mount(str(mountpoint))
    except Exception:  # noqa: BLE001 - google.colab raises half a dozen unrelated types
        raise CannotInstall("Tampoco se pudo conectar tu Drive.") from None
    if wheel := newest_wheel(mountpoint / "MyDrive" / "sdcolab", folder):
        return wheel
    raise CannotInstall("En tu Mi unidad/sdcolab no hay ningún archivo sdcolab-….whl.")


def is_here() -> bool:
    """Whether there is a package to import; the folder /content/sdcolab, with the user's files, is none."""
    found = importlib.util.find_spec("sdcolab")
    return found is not None and found.origin is not None


def is_installed(package: str | Path) -> bool:
    """Whether what is installed came from this very file."""
    try:
        about = json.loads(metadata.distribution("sdcolab").read_text("direct_url.json") or "{}")
        installed = about["archive_info"]["hashes"]["sha256"]
        return bool(installed == hashlib.sha256(Path(package).read_bytes()).hexdigest())
    except (metadata.PackageNotFoundError, KeyError, ValueError, OSError):
        return False


def pip_install(package: str | Path) -> None:
    """Install ``package`` and nothing of what it asks for. What pip says is kept for the report."""
    if is_installed(package):
        return
    name = Path(package).name
    print(f"📦 Instalando {name}…")
    options = ["--no-deps", "--no-input", "--force-reinstall", "--disable-pip-version-check", "--no-color"]
    offline = ["--no-index"] if Path(package).exists() else []
    command = [sys.executable, "-m", "pip", "install", *options, *offline, str(package)]
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            with telling(lambda: "instalando todavía"):
                running.wait()
        finally:
            running.kill()
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    root = os.environ.get("SDCOLAB_CARPETA") or content_folder(Path.home()) / "sdcolab"
    log = Path(root, "registros", "instalacion.log")
    with contextlib.suppress(OSError):  # it is only for the report
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    if running.returncode:
        other = f"pip no pudo instalar «{{name}}»; lo que dijo está en {log}."
        reason = next((why for sign, why in PIP_REASONS.items() if sign in text), other)
        raise CannotInstall(reason.format(name=name))
