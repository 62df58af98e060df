"""``sdcolab generar`` with infotexts, initial images and hires passes, and pictures made again for real."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import sdcolab.wiring.engine as wiring_engine
from sdcolab.cli import main
from sdcolab.core.formats import ImageFormat
from sdcolab.core.infotext import read_bytes
from sdcolab.core.outputs import save_options
from sdcolab.core.request import GenerationRequest, Hires, Inpaint, NoiseOrigin
from sdcolab.core.result import GeneratedImage, GenerationResult


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


# --- For real -----------------------------------------------------------------------------------------------------


def test_a_picture_is_made_again_from_any_of_its_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*arguments: str) -> Path:
        assert main(["generar", *arguments, "--carpeta", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return Path(out.strip())

    first = made(
        "cat", "--negativo", "dog", "--pasos", "2", "--semilla", "77", "--sampler", "DPM++ 2M", "--schedule", "Karras",
        "--cfg", "5,5", "--clip-skip", "2", "--ancho", "64", "--alto", "64",
    )  # fmt: skip
    text = read_bytes(first.read_bytes(), first.name)
    (tmp_path / "datos.txt").write_text(text, "utf-8")
    for image_format in (ImageFormat.JPEG, ImageFormat.WEBP):
        Image.new("RGB", (8, 8)).save(tmp_path / f"datos.{image_format}", **save_options(text, image_format))
    for source in (first, *(tmp_path / f"datos.{suffix}" for suffix in ("txt", "jpg", "webp"))):
        again = made("--infotext", str(source))
        assert again != first
        assert pixels(again) == pixels(first)
        assert read_bytes(again.read_bytes(), again.name) == text

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(first.read_bytes())))
    other = made("--infotext", "-", "--semilla", "78", "--formato", "webp")
    assert other.suffix == ".webp"
    assert read_bytes(other.read_bytes(), other.name) == text.replace("Seed: 77", "Seed: 78")
    assert pixels(other) != pixels(first)


def test_a_sheet_is_made_again_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def made(*arguments: str) -> list[Path]:
        assert main([*arguments, "--carpeta", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return [Path(line) for line in out.splitlines()]

    size = ("--ancho", "64", "--alto", "64", "--pasos", "2")
    sheet, *cells = made("cuadricula", "cat", *size, "--x", "Steps=1,2", "--y", "Prompt S/R=cat,dog")
    again, *same = made("generar", "--infotext", str(sheet))
    assert len(cells) == len(same) == 4
    assert [pixels(one) for one in (again, *same)] == [pixels(one) for one in (sheet, *cells)]
    assert made("generar", "--infotext", str(cells[0]))[0].parent == cells[0].parent, "a cell is a picture like others"


# --- What is asked for --------------------------------------------------------------------------------------------


class Recorder:
    """Stands where the engine is built: keeps the request and where pictures would go."""

    def __init__(self) -> None:
        self.request = GenerationRequest()
        self._store: Any = None

    def build(self, _folders: object, _library: object, store: Any) -> Recorder:
        self._store = store
        return self

    @property
    def folder(self) -> Path:
        """Where the pictures of the last request would go."""
        folder: Path = self._store.of(self.request).folder
        return folder

    def generate(self, request: GenerationRequest, _listener: object, _cancel: object) -> GenerationResult:
        self.request = request
        text = "x\nSteps: 1, Seed: 2, Model hash: 1111111111, Model: modelo"
        image = GeneratedImage(image=Image.new("RGB", (8, 8)), infotext=text, seed=1, path=None)
        return GenerationResult(request=request, images=(image,))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(wiring_engine, "build_engine", recorder.build)
    monkeypatch.setattr(wiring_engine, "native_size", lambda _model: 512)
    return recorder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    (models / "modelo.safetensors").write_bytes(b"one")
    (models / "otro.safetensors").write_bytes(b"two")
    return tmp_path


def told(folder: Path, line: str, *options: str, prompt: str = "a cat") -> int:
    (folder / "datos.txt").write_text(f"{prompt}\nSteps: 9, CFG scale: 7, Seed: 5, {line}", "utf-8")
    return main(["generar", "--infotext", str(folder / "datos.txt"), "--carpeta", str(folder), *options])


def test_the_options_win(engine: Recorder, folder: Path) -> None:
    line = "Sampler: Euler, Size: 512x768, Model: otro, RNG: CPU, Denoising strength: 0.5, Hires resize: 768x1152"
    assert told(folder, line, "--pasos", "4", "--hires-escala", "1,5", "--modelo", "modelo", "--negativo", "") == 0
    assert engine.request == GenerationRequest(
        prompt="a cat",
        sampler="Euler",
        schedule="Uniform",
        steps=4,
        seed=5,
        width=512,
        height=768,
        noise_origin=NoiseOrigin.CPU,
        checkpoint="modelo.safetensors",
        hires=Hires(strength=0.5, scale=1.5),
    )
    assert engine.folder == folder / "outputs" / "txt2img-images"


def test_a_hires_pass_by_options(engine: Recorder, folder: Path) -> None:
    options = ("--hires-upscaler", "Lanczos", "--hires-fuerza", "0,4", "--hires-pasos", "7")
    assert main(["generar", "x", *options, "--carpeta", str(folder)]) == 0
    assert engine.request.hires == Hires("Lanczos", 7, 0.4)


def test_an_initial_image_and_its_mask(engine: Recorder, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (60, 30), "red").save(folder / "foto.jpg", exif=exif)
    Image.new("L", (30, 60), "white").save(folder / "zona.png")
    pictures = ("--imagen", str(folder / "foto.jpg"), "--mascara", str(folder / "zona.png"))
    assert told(folder, "Denoising strength: 0.6, Mask blur: 9, Inpaint area: Only masked", *pictures) == 0
    init = engine.request.init
    assert init
    assert init.inpaint
    assert init.images[0].size == (30, 60)
    assert init.inpaint == Inpaint(init.inpaint.mask, 9, 9, only_masked=True)
    assert init.strength == 0.6
    assert (engine.request.width, engine.request.height) == (512, 1024)
    assert engine.folder == folder / "outputs" / "img2img-images"
    assert told(folder, "Denoising strength: 0.6, Model: modelo", *pictures, "--fuerza", "0.2") == 0
    assert engine.request.init
    assert engine.request.init.strength == 0.2


def test_what_cannot_be_honoured_is_told(engine: Recorder, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "Model hash: 2222222222, Model: modelo, VAE: nada.pt, Eta: 900, Face restoration: CodeFormer, Mask blur: 4"
    assert told(folder, line) == 0
    assert capsys.readouterr().err.splitlines() == [
        "La imagen se hizo con el VAE «nada.pt», y no está en tus carpetas. Búscalo en civitai o huggingface por su "
        "nombre o su hash y descárgalo con: sdcolab descargar ENLACE. O elige otro con --modelo, --vae o la opción que "
        "sea.",
        "«Eta» pide 900, fuera de lo que se puede: se usa 10. Si no te sirve, pide otro valor.",
        "Esta versión todavía no sabe hacer lo que indica «Face restoration: CodeFormer». La imagen se hace sin ello y "
        "puede salir distinta.",
        "La imagen se hizo a partir de otra, que no se guarda en sus datos. Se hace solo con el texto; para repetirla "
        "añade la imagen inicial (--imagen), y la máscara si la tenía.",
        "Tu modelo «modelo» no es el mismo archivo con el que se hizo la imagen: su hash es 1111111111 y no "
        "2222222222. La imagen puede salir distinta; busca en civitai la versión que tiene el hash 2222222222.",
    ]
    assert engine.request.steps == 9


@pytest.mark.parametrize("digest", ["11111111", "1111111111", "111111111122", "1111111111" + "0" * 54, ""])
def test_the_same_model_is_no_news(
    digest: str, engine: Recorder, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(folder, f"Model hash: {digest}, Model: modelo") == 0
    assert engine.request.checkpoint == "modelo.safetensors"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "prompt", "says"),
    [
        ("Model hash: 2222222222, Model: perdido", "a", "con el modelo «perdido» (hash 2222222222), y no está"),
        ("Model hash: 22222222, Size: 64x64", "a", "con el modelo «22222222», y no está"),
        ("Model: modelo, Refiner: r [2222222222]", "a", "con el modelo «r» (hash 2222222222), y no está"),
        ('Model: modelo, Lora hashes: "x: 333333333333"', "a <lora:x:1>", "con el LoRA «x» (hash 333333333333), y no"),
    ],
)
def test_a_missing_model_is_an_error(
    line: str, prompt: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(folder, line, prompt=prompt) == 2
    assert says in capsys.readouterr().err


def test_a_missing_model_may_be_replaced(engine: Recorder, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(folder, "Model hash: 2222222222, Model: perdido", "--modelo", "otro") == 0
    assert engine.request.checkpoint == "otro.safetensors"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no existe.png", None, "No se puede leer"),
        ("foto.txt", b"solo un prompt", "«foto.txt» no contiene datos de generación."),
        ("foto.bin", b"\xff\x00\x01", "«foto.bin» no contiene datos de generación."),
    ],
)
def test_files_without_infotext(
    name: str, content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["generar", "--infotext", str(tmp_path / name), "--carpeta", str(tmp_path)]) in (1, 2)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"texto", b""])
def test_an_initial_image_that_is_none(content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "foto.png").write_bytes(content)
    assert main(["generar", "x", "--imagen", str(folder / "foto.png"), "--carpeta", str(folder)]) == 2
    assert "«foto.png» no es una imagen que se pueda leer." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("picture", "native", "size"),
    [((4000, 3000), 512, (680, 512)), ((100, 100), 1024, (1024, 1024)), ((5000, 10), 512, (2048, 512))],
)
def test_sizes_like_a_picture(picture: tuple[int, int], native: int, size: tuple[int, int]) -> None:
    assert wiring_engine.size_like(picture, native) == size
