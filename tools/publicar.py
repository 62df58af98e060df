"""Publish a version: the wheel, the sdist, and every notebook in its forms.

    python tools/publicar.py --autonomo   # notebooks that carry this very copy of sdcolab inside, ready to be uploaded
    python tools/publicar.py --fijar      # before a release: name it in notebooks/ and README.es.md, to be committed
    python tools/publicar.py              # the release of that commit: everything, in dist/

A **light** notebook installs one wheel, by its address in the repository's release and its SHA-256, which is checked
before anything of it runs. An **autónomo** one carries the wheel, without the weights of the demo model, in its first
cell that needs it: it asks no registry, no repository and no server of ours. A **kaggle** one is autónomo too, with the
words of that site. The **pc** zip is the installer for Windows, Linux and macOS with the wheel beside it. Owner and
repository come from the git remote «origin», so a fork's links point to the fork.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import importlib.util
import io
import json
import lzma
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
INSTALLER = Path(__file__).with_name("instalar.py")
DEMO = "sdcolab/demo/emoji-128.safetensors"
MOST_NOTEBOOK_BYTES = 5_000_000
LINE = 4_000
"""Characters of the carried wheel in a line: editors are slow with longer ones."""

BEGIN = "# ── Instala sdcolab si hace falta (tools/instalar.py) ──"
END = "# ── Hasta aquí, instalar ──"
PINS = re.compile(r"^PUBLICADO = \{\n.*?^\}$", re.M | re.S)
BADGE = re.compile(r"\[!\[Abrir en Colab\]\(.+?\)\]\(.+?\)\n\n")
OTHER_NOTEBOOK = re.compile(r"(?:\*\*|\[)(\w+?)(?:_autonomo)?\.ipynb(?:\*\*|\]\([^)]+\))")
"""Where a notebook's text names the other one, with a link to it or without any."""
README_BADGE = "<!-- enlace a Colab -->\n"

KAGGLE_TITLE = """# 🎨 Stable Diffusion en español, en Kaggle

1. A la derecha, en **Session options**, elige **GPU T4 x2** y activa **Internet on**.
1. En la celda **Empezar aquí 🚀**, cambia lo que quieras entre comillas: el `modelo`, o los `enlaces_adicionales` \
separados por comas. Si alguno pide una clave, guárdala en *Add-ons → Secrets* con el nombre `CIVITAI_TOKEN` o \
`HF_TOKEN`.
1. Pulsa ▶️ en esa celda y espera un par de minutos: el panel aparece debajo.
1. Todo se guarda en `/kaggle/working/sdcolab`. Kaggle lo conserva cuando pulsas **Save Version**; si no, se borra al \
cerrar la sesión. La celda **Cerrar y guardar todo** lo deja listo.
"""

KAGGLE_WORDS = {
    'guardar_imagenes_en_drive = False #@param {type:"boolean"}\n': "",
    'guardar_configuracion_en_drive = False #@param {type:"boolean"}\n': "",
    "            guardar_imagenes_en_drive=guardar_imagenes_en_drive,\n": "",
    "            guardar_configuracion_en_drive=guardar_configuracion_en_drive,\n": "",
    "guardarlas en los **Secretos** 🔑 de Colab (barra de la izquierda)": "guardarlas en *Add-ons → Secrets*,",
    "⚠️ Colab guarda lo que escribas": "⚠️ Kaggle guarda lo que escribas",
    "espera a que Google Drive lo tenga todo antes de que cierres la sesión. Si Drive se desconectó, lo vuelve a "
    "conectar.": "deja todo en `/kaggle/working`. Pulsa después **Save Version** para que Kaggle lo conserve.",
    "vuelve a subirlo a Colab": "vuelve a subirlo",
}
"""What the cells say of Colab and Drive, in the words of Kaggle. Each must be there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository on GitHub."""

    owner: str
    repository: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.repository}"

    def release(self, version: str, name: str) -> str:
        """Address of a file of a release."""
        return f"https://github.com/{self}/releases/download/v{version}/{name}"

    def colab(self, version: str, name: str) -> str:
        """Address that opens a notebook of a release in Colab."""
        return f"https://colab.research.google.com/github/{self}/blob/v{version}/notebooks/{name}"


def origin_of(remote: str) -> Origin | None:
    """The repository that a git remote's address names, if it is on GitHub."""
    found = re.fullmatch(
        r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?", remote
    )
    return Origin(found[1], found[2]) if found else None


def git(*arguments: str) -> str:
    """What git says; empty when it fails or is not here, as where this tree came in a zip."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def version_of(root: Path = ROOT) -> str:
    """The package's version."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "sdcolab" / "__init__.py").read_text(encoding="utf-8"), re.M)
    assert found, "sdcolab/__init__.py no dice su versión"
    return found[1]


def problems(version: str, changelog: str, status: str, origin: Origin | None) -> list[str]:
    """Why this tree cannot be published, in Spanish."""
    found = []
    heading = re.search(r"^## (.+)$", changelog, re.M)
    if heading is None or not heading[1].startswith(version):
        found.append(f"CHANGELOG.md no empieza con la versión {version}: cuenta ahí sus cambios.")
    elif "sin publicar" in heading[1]:
        found.append(f"CHANGELOG.md dice que la {version} está «sin publicar»: pon la fecha en su título.")
    if status:
        found.append(f"Hay cambios sin commit: guárdalos antes.\n{status}")
    if origin is None:
        found.append("git no tiene un «origin» de GitHub, donde irán los archivos: git remote add origin …")
    return found


def build(folder: Path, kind: str) -> Path:
    """Build a "wheel" or an "sdist" of this tree in ``folder``; the same tree gives the same bytes. Where hatchling is
    not installed, pip brings it for the wheel alone and installs nothing here."""
    if kind == "wheel" and importlib.util.find_spec("hatchling") is None:
        command = ["-m", "pip", "wheel", "-q", "--no-deps", "--disable-pip-version-check", "-w", str(folder), str(ROOT)]
    else:
        command = ["-c", f"import hatchling.build; print(hatchling.build.build_{kind}({str(folder)!r}))"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"No se pudo construir: {done.stderr.strip().splitlines()[-1]}\nPrueba: pip install hatchling")
    names = {"wheel": f"sdcolab-{version_of()}-py3-none-any.whl", "sdist": f"sdcolab-{version_of()}.tar.gz"}
    return folder / names[kind]


def for_pcs(wheel: Path, version: str) -> Path:
    """The zip that is unpacked and run on a PC: the installer and the wheel. The same files give the same bytes."""
    target = wheel.with_name(f"sdcolab-pc-{version}.zip")
    files = [*sorted((ROOT / "instalador").glob("[!_]*.*")), wheel]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            item = zipfile.ZipInfo(f"sdcolab-pc/{file.name}", (1980, 1, 1, 0, 0, 0))
            item.external_attr = (0o100755 if file.suffix == ".sh" else 0o100644) << 16
            item.create_system = 3  # Unix: the mode counts
            archive.writestr(item, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


def is_of_demo(name: str) -> bool:
    """Whether a file of the wheel holds the weights of a demo model, or a picture of its card."""
    return name.startswith("sdcolab/demo/") and name.endswith((".safetensors", ".webp"))


def without_demo(wheel: Path) -> bytes:
    """The wheel without the demo models, not compressed. The same wheel gives the same bytes. The fewer, the better:
    ipykernel hashes a cell's text byte by byte, in Python, before it runs it."""
    made = io.BytesIO()
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
        for item in source.infolist():
            if is_of_demo(item.filename):
                continue
            data = source.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8"))) if row and not is_of_demo(row[0])]
                written = io.StringIO()
                csv.writer(written, lineterminator="\n").writerows(rows)
                data = written.getvalue().encode("utf-8")
            item.compress_type = zipfile.ZIP_STORED
            target.writestr(item, data)
    return made.getvalue()


def carried(name: str, wheel: bytes) -> str:
    """A wheel as ``instalar.carried_wheel`` reads it."""
    packed = base64.b85encode(lzma.compress(wheel, preset=9 | lzma.PRESET_EXTREME)).decode("ascii")
    lines = [packed[start : start + LINE] for start in range(0, len(packed), LINE)]
    return "\n".join([f"{name} {hashlib.sha256(wheel).hexdigest()}", *lines])


def with_installer(notebook: dict[str, Any], pins: dict[str, str] | None = None) -> dict[str, Any]:
    """``notebook`` with the present installer in the cells that install, and ``pins`` for it unless None. The wheel
    itself only fits in the first of them."""
    made: dict[str, Any] = json.loads(json.dumps(notebook))
    for cell in made["cells"]:
        source = "".join(cell["source"])
        if BEGIN not in source:
            continue
        before, _, rest = source.partition(BEGIN)
        _, _, after = rest.partition(END)
        if pins is not None:
            text = pins_text(pins)
            after = PINS.sub(lambda _, text=text: text, after)
            pins = {**pins, "code": ""}
        source = f"{before}{BEGIN}\n{INSTALLER.read_text(encoding='utf-8').strip()}\n{END}{after}"
        cell["source"] = source.splitlines(keepends=True)
    return made


def pins_text(pins: dict[str, str]) -> str:
    """The line of a cell that names what it installs."""
    code = pins.get("code", "")
    shown = [f'    "{name}": "{pins.get(name, "")}",\n' for name in ("address", "sha256", "origin", "demo")]
    return "PUBLICADO = {\n" + "".join(shown) + (f'    "code": """{code}""",\n' if code else '    "code": "",\n') + "}"


def with_badge(text: str, address: str) -> str:
    """A notebook's first text with the link that opens it in Colab; without any when there is no ``address``."""
    title, rest = BADGE.sub("", text).split("\n", 1)
    badge = f"[![Abrir en Colab](https://colab.research.google.com/assets/colab-badge.svg)]({address})\n\n"
    return f"{title}\n\n{badge if address else ''}{rest.lstrip()}"


def naming_other(notebook: dict[str, Any], shown: Callable[[str], str]) -> None:
    """Name the other notebook as this form has it: ``shown`` gets its name without suffix."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = OTHER_NOTEBOOK.sub(lambda found: shown(found[1]), "".join(cell["source"]))
            cell["source"] = text.splitlines(keepends=True)


def notebooks() -> dict[str, dict[str, Any]]:
    """The notebooks of this tree, by the name of their file."""
    found = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in found}


def light(notebook: dict[str, Any], name: str, origin: Origin | None, version: str, wheel: Path) -> dict[str, Any]:
    """The notebook that installs the release's wheel."""
    pins = {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    if origin:
        pins |= {"address": origin.release(version, wheel.name), "origin": str(origin)}
    made = with_installer(notebook, pins)
    first = made["cells"][0]
    badged = with_badge("".join(first["source"]), origin.colab(version, name) if origin else "")
    first["source"] = badged.splitlines(keepends=True)
    if origin:
        naming_other(made, lambda name: f"[{name}.ipynb]({origin.colab(version, f'{name}.ipynb')})")
    return made


def autonomous(notebook: dict[str, Any], origin: Origin | None, version: str, wheel: Path) -> dict[str, Any]:
    """The notebook that carries the wheel."""
    pins = {"code": carried(wheel.name, without_demo(wheel))}
    if origin:
        pins |= {"origin": str(origin), "demo": origin.release(version, Path(DEMO).name)}
    made = with_installer(notebook, pins)
    first = made["cells"][0]
    first["source"] = with_badge("".join(first["source"]), "").splitlines(keepends=True)
    naming_other(made, lambda name: f"**{name}_autonomo.ipynb**")
    return made


def kaggle(notebook: dict[str, Any]) -> dict[str, Any]:
    """An autonomous notebook with Kaggle's words and settings: the same cells, without what only Colab has."""
    made: dict[str, Any] = json.loads(json.dumps(notebook))
    made["metadata"]["kaggle"] = {"accelerator": "nvidiaTeslaT4", "isGpuEnabled": True, "isInternetEnabled": True}
    made["metadata"].pop("colab", None)
    made["cells"] = [cell for cell in made["cells"] if cell.get("id") not in ("aviso", "telefono", "audio")]
    made["cells"][0]["source"] = KAGGLE_TITLE.splitlines(keepends=True)
    for there, here in KAGGLE_WORDS.items():
        if not any(there in "".join(cell["source"]) for cell in made["cells"]):
            raise SystemExit(f"El cuaderno ya no dice «{there.strip()}»: corrige KAGGLE_WORDS.")
        for cell in made["cells"]:
            cell["source"] = "".join(cell["source"]).replace(there, here).splitlines(keepends=True)
    return made


def write(notebook: dict[str, Any], path: Path) -> None:
    """Write a notebook as Colab does. Exits when it is too big to be uploaded with ease."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    if len(text.encode("utf-8")) > MOST_NOTEBOOK_BYTES:
        raise SystemExit(f"{path.name} pesa más de {MOST_NOTEBOOK_BYTES / 1e6:.0f} MB: quita algo de la rueda.")
    path.write_text(text, encoding="utf-8")
    print(
        f"✅ {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path} ({len(text.encode('utf-8')) / 1e6:.1f} MB)"
    )


def write_autonomous(folder: Path, origin: Origin | None, version: str, wheel: Path) -> None:
    """The notebooks that carry ``wheel``, in ``folder``."""
    for name, notebook in notebooks().items():
        made = autonomous(notebook, origin, version, wheel)
        write(made, folder / f"{Path(name).stem}_autonomo.ipynb")
        if name == "stable_diffusion.ipynb":
            write(kaggle(made), folder / "stable_diffusion_kaggle.ipynb")


def pin(folder: Path, origin: Origin, version: str) -> None:
    """Name the coming release in README.es.md and notebooks/. README first: the wheel holds its text."""
    readme = ROOT / "README.es.md"
    text = readme.read_text(encoding="utf-8")
    link = origin.colab(version, "stable_diffusion.ipynb")
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    text = BADGE.sub("", text).replace(README_BADGE, f"{README_BADGE}[![Abrir en Colab]({image})]({link})\n\n")
    readme.write_text(text, encoding="utf-8")
    wheel = build(folder, "wheel")
    for name, notebook in notebooks().items():
        write(light(notebook, name, origin, version, wheel), ROOT / "notebooks" / name)
    print(f"Ahora: git commit -am 'Release {version}', git tag v{version}, y python tools/publicar.py")


def release(folder: Path, origin: Origin, version: str) -> None:
    """Everything of a release, in ``folder``. Exits when the notebooks of this tree name another one."""
    wheel, sdist = build(folder, "wheel"), build(folder, "sdist")
    for name, notebook in notebooks().items():
        light_one = light(notebook, name, origin, version, wheel)
        if light_one != notebook:
            raise SystemExit(f"notebooks/{name} no instala esta versión: python tools/publicar.py --fijar, y commit.")
        write(light_one, folder / name)
    write_autonomous(folder, origin, version, wheel)
    demo = folder / Path(DEMO).name
    demo.write_bytes((ROOT / DEMO).read_bytes())
    made = (wheel, sdist, demo, for_pcs(wheel, version))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in made]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="ascii")
    print("\n".join(sums))
    print(f"Ahora: git push origin v{version}, y gh release create v{version} {folder.name}/*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--autonomo", action="store_true", help="solo los cuadernos que llevan dentro esta copia")
    choice.add_argument("--fijar", action="store_true", help="prepara notebooks/ y README.es.md para el commit")
    choice.add_argument("--cuadernos", action="store_true", help="pone tools/instalar.py en notebooks/")
    parser.add_argument("--carpeta", type=Path, default=ROOT / "dist", help="dónde dejarlo (dist)")
    options = parser.parse_args(arguments)
    folder, version, origin = options.carpeta.absolute(), version_of(), origin_of(git("remote", "get-url", "origin"))
    folder.mkdir(parents=True, exist_ok=True)
    if options.cuadernos:
        for name, notebook in notebooks().items():
            write(with_installer(notebook), ROOT / "notebooks" / name)
        return 0
    if options.autonomo:
        write_autonomous(folder, origin, version, build(folder, "wheel"))
        print("Súbelo a Colab: Archivo → Subir cuaderno.")
        return 0
    status = "" if options.fijar else git("status", "--porcelain")
    found = problems(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), status, origin)
    if found or origin is None:
        print("\n".join(f"❌ {one}" for one in found))
        return 1
    (pin if options.fijar else release)(folder, origin, version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
