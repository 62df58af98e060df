# Instala sdcolab en este Python, desde el primer sitio que lo tenga: SDCOLAB_PAQUETE; un archivo sdcolab-….whl de esta
# máquina o de Mi unidad/sdcolab; el que lleva dentro este cuaderno; o la dirección publicada, si su huella es la que
# debe. Cada cuaderno tiene una copia de este texto, puesta por tools/publicar.py: por eso solo usa lo que trae Python.
import base64
import hashlib
import http.client
import importlib.util
import json
import lzma
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

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
}


class CannotInstall(Exception):
    """Why a place does not give sdcolab, in Spanish."""


def install_sdcolab(address: str = "", sha256: str = "", code: str = "", origin: str = "", demo: str = "") -> bool:
    """Install sdcolab from the first place that has it; whether it is here now. ``address`` and ``sha256`` are a
    published wheel's, ``code`` holds a wheel; ``origin`` (owner/repository) and ``demo`` (address) are for sdcolab."""
    os.environ.update({name: said for name, said in (("SDCOLAB_ORIGEN", origin), ("SDCOLAB_DEMO", demo)) if said})
    if "sdcolab" in sys.modules:
        return True
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places: list[Callable[[], str | Path | None]] = [
            named_package,
            wheel_at_hand,
            lambda: carried_wheel(code, folder),
            lambda: published_wheel(address, sha256, folder),
            wheel_on_drive,
        ]
        for place in places:
            if place is wheel_on_drive and is_here():
                return True  # somebody has installed it: asking for Drive would only be a nuisance
            try:
                if package := place():
                    pip_install(package)
                    return True
            except CannotInstall as error:
                failed = True
                print(f"⚠️ {error}")
                if place is named_package:  # who names one wants no other
                    break
    if not failed:
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


def content_folder() -> Path:
    """Where people drop their files: Colab's /content, Kaggle's /kaggle/working, or here."""
    folders = [Path(name) for name in (os.environ.get("SDCOLAB_CONTENIDO"), "/content", "/kaggle/working") if name]
    return next((folder for folder in folders if folder.is_dir()), Path.cwd())


def newest_wheel(*folders: Path) -> Path | None:
    """The highest version among the wheels in ``folders``. A Drive that hangs is not waited for."""
    found: queue.SimpleQueue[list[Path]] = queue.SimpleQueue()

    def look() -> None:
        found.put([path for folder in folders for path in sorted(folder.glob("sdcolab-*-py3-none-any.whl"))])

    threading.Thread(target=look, daemon=True).start()
    try:
        wheels = found.get(timeout=TALK_SECONDS)
    except queue.Empty:
        return None
    return max(wheels, key=lambda path: [int(one) for one in re.findall(r"\d+", path.name.split("-")[1])], default=None)


def wheel_at_hand() -> Path | None:
    """A wheel that the user put on this machine, or on a Drive that is connected already."""
    return newest_wheel(content_folder(), content_folder() / "drive" / "MyDrive" / "sdcolab")


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
    """Download ``address`` to ``path``, telling that it goes on; its SHA-256."""
    digest, told = hashlib.sha256(), time.monotonic()
    with urllib.request.urlopen(address, timeout=TALK_SECONDS * 5) as answer, path.open("wb") as file:
        while piece := answer.read(1 << 16):
            digest.update(piece)
            file.write(piece)
            if file.tell() > MOST_BYTES:
                raise CannotInstall(f"{address} no es sdcolab: es demasiado grande.")
            if time.monotonic() - told > TALK_SECONDS:
                told = time.monotonic()
                print(f"   … {file.tell() / 1e6:.1f} MB")
    return digest.hexdigest()


def wheel_on_drive() -> Path | None:
    """A wheel in Mi unidad/sdcolab after asking for permission: the last chance, and only Colab's."""
    mountpoint = content_folder() / "drive"
    if "COLAB_RELEASE_TAG" not in os.environ or (mountpoint / "MyDrive").exists():
        return None
    print(
        "📂 Busco sdcolab en tu Drive (Mi unidad/sdcolab): acepta la ventana de permisos, o ciérrala si no está allí."
    )
    try:
        from google.colab import drive

        drive.mount(str(mountpoint))
    except Exception:  # noqa: BLE001 - google.colab raises half a dozen unrelated types
        raise CannotInstall("Tampoco se pudo conectar tu Drive.") from None
    return newest_wheel(mountpoint / "MyDrive" / "sdcolab")


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
    options = ["--no-deps", "--no-input", "--force-reinstall", "--disable-pip-version-check"]
    offline = ["--no-index"] if Path(package).exists() else []
    command = [sys.executable, "-m", "pip", "install", *options, *offline, str(package)]
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            while running.poll() is None:
                try:
                    running.wait(TALK_SECONDS)
                except subprocess.TimeoutExpired:
                    print("   … instalando todavía")
        finally:
            running.kill()
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    log = Path(os.environ.get("SDCOLAB_CARPETA") or content_folder() / "sdcolab", "registros", "instalacion.log")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, encoding="utf-8")
    except OSError:
        pass  # it is only for the report
    importlib.invalidate_caches()
    if running.returncode:
        other = f"pip no pudo instalar «{{name}}»; lo que dijo está en {log}."
        reason = next((why for sign, why in PIP_REASONS.items() if sign in text), other)
        raise CannotInstall(reason.format(name=name))
