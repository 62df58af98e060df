"""A release's notebooks: what they carry, what they refuse, and that they start where nothing is installed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sysconfig
import threading
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdcolab.core.folders import Folders
from tests.support.kernel import Kernel
from tests.support.servers import FileServer
from tools import instalar, publicar
from tools.publicar import Origin

ORIGIN = Origin("ana", "mi-sdcolab")


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("https://github.com/ana/mi-sdcolab.git", "ana/mi-sdcolab"),
        ("https://ana:clave@github.com/ana/mi-sdcolab", "ana/mi-sdcolab"),
        ("git@github.com:ana/mi-sdcolab.git", "ana/mi-sdcolab"),
        ("ssh://git@github.com/ana/sd.colab/", "ana/sd.colab"),
        ("https://gitlab.com/ana/mi-sdcolab", None),
        ("/srv/git/sdcolab.git", None),
        ("", None),
    ],
)
def test_whose_repository(remote: str, repository: str | None) -> None:
    origin = publicar.origin_of(remote)
    assert (str(origin) if origin else None) == repository


def test_a_copy_that_came_in_a_zip_needs_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert publicar.origin_of(publicar.git("remote", "get-url", "origin")) is None


def test_what_stops_a_release() -> None:
    changelog = "# Cambios\n\n## 1.2.0 · 2026-11-28\n\n- Algo\n\n## 1.1.0\n"
    assert publicar.problems("1.2.0", changelog, "", ORIGIN) == []
    (old,) = publicar.problems("1.3.0", changelog, "", ORIGIN)
    assert "1.3.0" in old
    (unpublished,) = publicar.problems("1.2.0", changelog.replace("· 2026-11-28", "(sin publicar)"), "", ORIGIN)
    assert "sin publicar" in unpublished
    dirty, homeless = publicar.problems("1.2.0", changelog, " M README.es.md", None)
    assert "README.es.md" in dirty
    assert "origin" in homeless


def test_the_zip_for_pcs_holds_all_that_an_installation_needs(tmp_path: Path) -> None:
    wheel = tmp_path / "sdcolab-1.2.0-py3-none-any.whl"
    wheel.write_bytes(b"rueda")
    first = publicar.for_pcs(wheel, "1.2.0")
    with zipfile.ZipFile(first) as archive:
        modes = {item.filename: item.external_attr >> 16 & 0o111 for item in archive.infolist()}
        assert archive.read(f"sdcolab-pc/{wheel.name}") == b"rueda"
    scripts = ("Instalar.bat", "instalador.py", "instalar.ps1", "instalar.sh", wheel.name)
    assert sorted(modes) == [f"sdcolab-pc/{name}" for name in scripts]
    assert modes["sdcolab-pc/instalar.sh"]
    before = first.read_bytes()
    assert publicar.for_pcs(wheel, "1.2.0").read_bytes() == before


def test_the_badge_is_the_forks(tmp_path: Path) -> None:
    wheel = tmp_path / "sdcolab-1.2.0-py3-none-any.whl"
    wheel.write_bytes(b"rueda")
    (notebook,) = [one for name, one in publicar.notebooks().items() if name == "stable_diffusion.ipynb"]
    made = publicar.light(notebook, "stable_diffusion.ipynb", ORIGIN, "1.2.0", wheel)
    title = "".join(made["cells"][0]["source"])
    address = "github/ana/mi-sdcolab/blob/v1.2.0/notebooks/stable_diffusion.ipynb"
    assert title.count("https://colab.research.google.com/" + address) == 1
    other = "github/ana/mi-sdcolab/blob/v1.2.0/notebooks/entrenar_lora.ipynb"
    assert title.count(f"[entrenar_lora.ipynb](https://colab.research.google.com/{other})") == 1
    text = json.dumps(made)
    assert "https://github.com/ana/mi-sdcolab/releases/download/v1.2.0/sdcolab-1.2.0-py3-none-any.whl" in text
    assert hashlib.sha256(b"rueda").hexdigest() in text
    assert publicar.light(made, "stable_diffusion.ipynb", ORIGIN, "1.2.0", wheel) == made  # once is enough
    carried = "".join(publicar.autonomous(made, ORIGIN, "1.2.0", tiny_wheel(tmp_path))["cells"][0]["source"])
    assert "Abrir en Colab" not in carried
    assert "**entrenar_lora_autonomo.ipynb**" in carried


def test_what_is_not_published_is_linked_nowhere(tmp_path: Path) -> None:
    """Copies of this tree that nobody has published lead to no repository: those who start here would find nothing."""
    readme = (publicar.ROOT / "README.es.md").read_text(encoding="utf-8")
    texts = [readme, *("".join(one["cells"][0]["source"]) for one in publicar.notebooks().values())]
    for one in publicar.notebooks().values():
        carrying = publicar.autonomous(one, None, "9.9.9", tiny_wheel(tmp_path))
        texts.append("".join(carrying["cells"][0]["source"]))
    named = {link for text in texts for link in re.findall(r"colab\.research\.google\.com/github/[^)\s]+", text)}
    pinned = {f"colab.research.google.com/github/{pins}" for pins in published_origins()}
    assert not [link for link in named if not any(link.startswith(origin) for origin in pinned)]


def published_origins() -> set[str]:
    """The repositories that the notebooks of this tree install from."""
    cells = ["".join(cell["source"]) for one in publicar.notebooks().values() for cell in one["cells"]]
    return {origin for cell in cells for origin in re.findall(r'^    "origin": "(.+)",$', cell, re.M)}


def tiny_wheel(folder: Path, code: str = "def empezar(**form): print('¡hola!', form['modelo'])\n") -> Path:
    """A package called sdcolab that does nothing but say hello."""
    path = folder / "sdcolab-9.9.9-py3-none-any.whl"
    files = {
        "sdcolab/__init__.py": code,
        publicar.DEMO: "pesos",
        "sdcolab-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: sdcolab\nVersion: 9.9.9\n",
        "sdcolab-9.9.9.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, "sdcolab-9.9.9.dist-info/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "sdcolab-9.9.9.dist-info/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


def test_the_carried_wheel_is_whole_or_refused(tmp_path: Path) -> None:
    wheel = publicar.without_demo(tiny_wheel(tmp_path))
    code = publicar.carried("sdcolab-9.9.9-py3-none-any.whl", wheel)
    path = instalar.carried_wheel(code, tmp_path)
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert publicar.DEMO not in archive.namelist()
        assert publicar.DEMO not in archive.read("sdcolab-9.9.9.dist-info/RECORD").decode()
    for damaged in (code[:-40], code.replace("\n", "\nxxxxx", 1), "una línea"):
        with pytest.raises(instalar.CannotInstall, match="incompleto"):
            instalar.carried_wheel(damaged, tmp_path)


@pytest.fixture
def published(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer({"/sdcolab-9.9.9-py3-none-any.whl": tiny_wheel(tmp_path).read_bytes()}) as server:
        yield server


def test_only_the_published_wheel_is_taken(published: FileServer, tmp_path: Path) -> None:
    address = f"{published.url}/sdcolab-9.9.9-py3-none-any.whl"
    right = hashlib.sha256((tmp_path / "sdcolab-9.9.9-py3-none-any.whl").read_bytes()).hexdigest()
    assert instalar.published_wheel(address, right, tmp_path) == tmp_path / "sdcolab-9.9.9-py3-none-any.whl"
    for wrong, words in (
        ((address, "0" * 64), "su huella SHA-256 no coincide"),
        ((f"{published.url}/otra.whl", right), "ya no existe"),
        (("http://127.0.0.1:9/sdcolab.whl", right), "No hay conexión con 127.0.0.1:9"),
    ):
        with pytest.raises(instalar.CannotInstall, match=words):
            instalar.published_wheel(*wrong, tmp_path)


def test_a_download_that_is_cut_is_not_taken_for_a_forgery(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65_536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(10_000))

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/sdcolab-9.9.9-py3-none-any.whl"
        with pytest.raises(instalar.CannotInstall, match="No hay conexión"):
            instalar.published_wheel(address, "0" * 64, tmp_path)


@pytest.mark.parametrize("name", ["sdcolab-9.9.9-py3-none-any (1).whl", "Copia de sdcolab-9.9.9-py3-none-any.whl"])
def test_a_wheel_that_browsers_have_renamed_is_found(tmp_path: Path, name: str) -> None:
    content, folder = tmp_path / "content", tmp_path / "de paso"
    content.mkdir()
    folder.mkdir()
    (content / "sdcolab-9.9.8-py3-none-any.whl").write_bytes(b"vieja")
    (content / "otra.whl").write_bytes(b"otra")
    (content / name).write_bytes(b"nueva")
    found = instalar.newest_wheel(content, folder)
    assert found == folder / "sdcolab-9.9.9-py3-none-any.whl"
    assert found.read_bytes() == b"nueva"


def test_of_two_equal_wheels_the_last_that_was_uploaded_counts(tmp_path: Path) -> None:
    first = tmp_path / "sdcolab-9.9.9-py3-none-any.whl"
    again = tmp_path / "sdcolab-9.9.9-py3-none-any (1).whl"
    for path, when in ((first, 1_000), (again, 2_000)):
        path.write_bytes(str(when).encode())
        os.utime(path, (when, when))
    folder = tmp_path / "de paso"
    folder.mkdir()
    found = instalar.newest_wheel(tmp_path, folder)
    assert found is not None
    assert found.read_bytes() == b"2000"


def test_a_folder_that_hangs_is_told_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(instalar, "TALK_SECONDS", 0.2)
    with pytest.raises(instalar.CannotInstall, match="no contesta"):
        instalar.answer_of(lambda: answers.wait(60), tmp_path)
    answers.set()


@pytest.mark.lento
class TestInAFreshKernel:
    """The play cell of every form, in an environment where sdcolab and all that it needs is missing."""

    @pytest.fixture(scope="class")
    def python(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A Python with a kernel and pip, and nothing else."""
        folder = tmp_path_factory.mktemp("colab") / "venv"
        venv.create(folder, with_pip=True)
        site = next((folder / "lib").glob("python3*")) / "site-packages"
        kernel = ("ipykernel", "IPython", "jupyter_client", "jupyter_core", "zmq", "tornado", "traitlets", "dateutil")
        more = ("comm", "psutil", "nest_asyncio", "packaging", "platformdirs", "pygments", "prompt_toolkit", "wcwidth")
        rest = (
            "decorator",
            "jedi",
            "parso",
            "pexpect",
            "ptyprocess",
            "stack_data",
            "executing",
            "asttokens",
            "pure_eval",
        )
        ones = ("matplotlib_inline", "debugpy", "six.py", "ipython_pygments_lexers.py", "typing_extensions.py", "_cffi")
        for name in (*kernel, *more, *rest, *ones, "pyzmq.libs", "ipykernel_launcher.py"):
            for entry in Path(sysconfig.get_path("purelib")).glob(f"{name}*"):
                if not (site / entry.name).exists():
                    (site / entry.name).symlink_to(entry)
        return folder / "bin" / "python"

    @pytest.fixture
    def kernel(self, python: Path, tmp_path: Path) -> Iterator[Kernel]:
        (tmp_path / "content").mkdir()
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "sdcolab"], check=True, capture_output=True)
        environ = {name: said for name, said in os.environ.items() if not name.startswith(("SDCOLAB", "PYTHON", "PIP"))}
        environ |= {"PIP_NO_INDEX": "1", "SDCOLAB_CONTENIDO": str(tmp_path / "content"), "HOME": str(tmp_path)}
        kernel = Kernel(python, environ, tmp_path / "content")
        yield kernel
        kernel.close()

    def play(self, notebook: dict[str, Any]) -> str:
        (cell,) = [cell for cell in notebook["cells"] if cell.get("id") == "empezar"]
        return "".join(cell["source"])

    def committed(self) -> dict[str, Any]:
        return publicar.notebooks()["stable_diffusion.ipynb"]

    def test_the_autonomous_one_needs_nobody(self, kernel: Kernel, tmp_path: Path) -> None:
        kernel.run(self.play(publicar.autonomous(self.committed(), None, "9.9.9", tiny_wheel(tmp_path))))
        text = kernel.finish()
        assert "📦 Instalando sdcolab-9.9.9-py3-none-any.whl…" in text
        assert "¡hola! Demostración (emojis)" in text
        assert "Traceback" not in text

    def test_the_light_one_takes_its_wheel_and_no_other(
        self, kernel: Kernel, published: FileServer, tmp_path: Path
    ) -> None:
        wheel = tmp_path / "sdcolab-9.9.9-py3-none-any.whl"
        notebook = publicar.light(self.committed(), "stable_diffusion.ipynb", ORIGIN, "9.9.9", wheel)
        play = self.play(notebook).replace("https://github.com/ana/mi-sdcolab/releases/download/v9.9.9", published.url)
        kernel.run(play.replace(hashlib.sha256(wheel.read_bytes()).hexdigest(), "0" * 64))
        text = kernel.finish()
        assert "su huella SHA-256 no coincide" in text
        assert "Instalando" not in text
        kernel.run(play)
        assert "¡hola! Demostración (emojis)" in kernel.finish()

    def test_a_wheel_dropped_in_the_files_panel(self, kernel: Kernel, tmp_path: Path) -> None:
        (tmp_path / "content" / "sdcolab-9.9.8-py3-none-any.whl").write_bytes(b"a medias")
        kernel.run(self.play(self.committed()))
        text = kernel.finish()
        assert "⚠️ El archivo «sdcolab-9.9.8-py3-none-any.whl» está dañado o a medias: súbelo otra vez." in text
        assert "😕 No se pudo instalar sdcolab." in text
        assert (
            Folders(tmp_path / "content" / "sdcolab").logs / "instalacion.log"
        ).read_text()  # where the report looks
        tiny_wheel(tmp_path / "content")  # 9.9.9 is the newest
        kernel.run(self.play(self.committed()))
        assert "¡hola! Demostración (emojis)" in kernel.finish()

    def test_an_interruption_is_told_in_spanish(self, kernel: Kernel, tmp_path: Path) -> None:
        waits = "import time\ndef empezar(**form):\n    print('espero', flush=True)\n    time.sleep(60)\n"
        kernel.run(self.play(publicar.autonomous(self.committed(), None, "9.9.9", tiny_wheel(tmp_path, waits))))
        kernel.until("espero")
        kernel.manager.interrupt_kernel()
        text = kernel.finish()
        assert "⏹️ Interrumpido. Pulsa ▶️ para volver a empezar." in text
        assert "Traceback" not in text


def _is_read(cell: dict[str, Any], line: str) -> bool:
    """Whether people read it: a text, a form's line, or what a cell does besides installing."""
    return cell["cell_type"] == "markdown" or cell["id"] != "empezar" or line.startswith("#@") or "_en_drive" in line


def test_the_real_one_fits(tmp_path: Path) -> None:
    """What Colab has to open and save at each change stays small, with all of today's code."""
    assert publicar.main(["--autonomo", "--carpeta", str(tmp_path)]) == 0
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*_autonomo.ipynb")}
    assert "stable_diffusion_autonomo.ipynb" in sizes
    assert max(sizes.values()) <= publicar.MOST_NOTEBOOK_BYTES
    kaggle = json.loads((tmp_path / "stable_diffusion_kaggle.ipynb").read_text(encoding="utf-8"))
    said = "".join(line for cell in kaggle["cells"] for line in cell["source"] if _is_read(cell, line))
    assert "Save Version" in said
    assert not re.search("Colab|Drive|/content", said)
