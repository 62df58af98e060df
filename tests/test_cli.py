"""The command line as a user types it. Commands that need torch run in a child process on the demo model."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest
from PIL import Image
from support.fields import another
from support.servers import CivitaiFile, CivitaiServer, safetensors_bytes
from support.trial import Fit, Trial, Unit

from sdcolab import __version__
from sdcolab.cli import build_parser, main
from sdcolab.cli.generar import FIELD_OPTIONS
from sdcolab.cli.options import FieldOptions, option_name
from sdcolab.cli.parser import SpanishParser
from sdcolab.cli.progress import progress_text
from sdcolab.core.control import ControlType
from sdcolab.core.errors import Cancelled
from sdcolab.core.events import BytesReceived, Ended, Phase, PhaseStarted, StepDone
from sdcolab.core.fields import Field, table_of, value_at, with_values
from sdcolab.core.request import FIELDS, GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.speed import Speed
from sdcolab.core.words import Words
from sdcolab.core.words.command import HELP, SUBCOMMANDS

SECONDS = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdcolab", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        env={**os.environ, **environment},
        check=False,
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"sdcolab {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--puerto", "hola"], "no es un puerto"),
        (["--puerto", "0"], "entre 1 y 65535"),
        (["--puerto"], "Falta el valor de --puerto."),
        (["--usuario", "sinclave"], "nombre:contraseña"),
        (["generar", "x", "--salida", "gato.PNG"], "«gato.PNG» es el nombre de un archivo: escribe solo la carpeta."),
        (["mezclar", "--salida", "mezcla.safetensors"], "es el nombre de un archivo"),
        (["lote", "l.csv", "--salida", "s3://cubo/a.png"], "es el nombre de un archivo"),
        (["--nada"], "No existe la opción «--nada»."),
        (["--puert", "3"], "No existe la opción «--puert». ¿Querías decir «--puerto»?"),
        (["generar", "x", "--paso", "3"], "¿Querías decir «--pasos»? Mira las opciones con: sdcolab generar --help"),
        (["ampliar", "x", "--zzz", "3"], "No existe la opción «--zzz 3». Mira las opciones con: sdcolab ampliar"),
        (["gener", "x"], "No existe el subcomando «gener»."),
        (["generar"], "Falta escribir PROMPT."),
        (["generar", "x", "--pasos", "muchos"], "«Pasos» debe ser un número y dice «muchos»."),
        (["generar", "x", "--cfg", "1,2,3"], "«CFG» debe ser un número"),
        (["generar", "x", "--json=si"], "La opción --json no lleva valor"),
        (["generar", "x", "--formato", "bmp"], "--formato no puede ser «bmp»: elige entre "),
        (["generar", "x", "--fuerza", "0.5"], "--fuerza solo sirve con --imagen."),
        (["generar", "x", "--mascara", "m.png"], "--mascara solo sirve con --imagen."),
        (["descargar"], "Falta escribir ENLACES."),
        (["entrenar"], "Falta escribir PLAN.toml."),
        (["--puerto", "8000", "generar", "gato"], "--puerto solo sirve para abrir la página"),
        (["generar", "g\udcffto"], "escríbelo en UTF-8"),
    ],
)
def test_wrong_use_is_one_spanish_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == 2
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pasos", "0"], "El valor 0 de «Pasos» no está permitido. Escribe un número entre 1 y 150."),
        (["--ancho", "100"], "Usa un múltiplo de 8."),
        (["--hires-escala", "9"], "El valor 9 de «Ampliar por» no está permitido."),
    ],
)
def test_values_out_of_range(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generar", "gato", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_a_wrong_login_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SDCOLAB_USUARIO", "sinclave")
    assert main(["--carpeta", str(tmp_path)]) == 2
    assert "nombre:contraseña" in capsys.readouterr().err


def test_help_is_spanish(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["generar", "--help"], ["mezclar", "--help"], ["descargar", "--ayuda"]):
        with pytest.raises(SystemExit):
            main(arguments)
        text = capsys.readouterr().out
        assert text.startswith("uso: ")
        assert "opciones:" in text
        assert not {"usage", "options", "show", "positional"} & set(text.split())
        assert "e+" not in text, "bounds are written out"


def test_help_says_the_names_that_are_the_same_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generar", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "DPM++ 2M SDE, " in text and "Align Your Steps" in text


def test_the_folder_may_stand_before_the_subcommand(tmp_path: Path) -> None:
    before = build_parser().parse_args(["--carpeta", str(tmp_path), "generar", "x"])
    after = build_parser().parse_args(["generar", "x", "--carpeta", str(tmp_path)])
    assert before.carpeta == after.carpeta == tmp_path


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (PhaseStarted(Phase.LOADING_MODEL, "demo"), "Cargando modelo… demo"),
        (StepDone(3, 20, 0, 1), "Paso 3 de 20"),
        (BytesReceived("a.bin", 500_000, 2_000_000, 1e6), "a.bin: 500 kB de 2 MB (1 MB/s)"),
        (BytesReceived("a.bin", 500_000, None, 1e6), "a.bin: 500 kB (1 MB/s)"),
        (Ended(), ""),
    ],
)
def test_progress_lines(event: PhaseStarted | StepDone | BytesReceived | Ended, text: str) -> None:
    assert progress_text(event) == text


def test_generate_on_the_demo_model(tmp_path: Path) -> None:
    output = tmp_path / "salida"
    done = run(
        "generar", "gato", "--pasos", "4", "--semilla", "7", "--cantidad", "2", "--salida", str(output), "--json",
        "--carpeta", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["segundos"]["sampling"] > 0
    assert told["notas"] == []
    images = told["imagenes"]
    assert [image["semilla"] for image in images] == [7, 8]
    for image in images:
        with Image.open(image["archivo"]) as picture:
            assert picture.size == (128, 128)
            assert picture.info["parameters"] == image["infotexto"]
            assert "Seed: " in image["infotexto"]
    assert sorted(path.name for path in output.iterdir()) == ["00000-7.png", "00001-8.png"]


def test_generate_prints_paths_in_the_users_folder(tmp_path: Path) -> None:
    done = run("generar", "pizza", "--pasos", "2", "--semilla", "1", SDCOLAB_CARPETA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.is_file()
    assert path.is_relative_to(tmp_path / "outputs" / "txt2img-images")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sampler", "Euler b"], "No existe el sampler «Euler b». ¿Querías decir «Euler"),
        (["--modelo", "no-existe"], "No existe el modelo «no-existe»."),
        (["--vae", "no-existe"], "No existe el VAE «no-existe»."),
    ],
)
def test_names_that_do_not_exist(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = run("generar", "gato", *arguments, "--carpeta", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_links_at_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["descargar", " , ", "--carpeta", str(tmp_path)]) == 2
    assert "No hay ningún enlace" in capsys.readouterr().err


def test_links_may_be_several_arguments(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["descargar", "ftp://a.example/x", "ftp://b.example/y", "--carpeta", str(tmp_path)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "ftp://a.example/x" in first and "ftp://b.example/y" in second


def test_another_architecture_is_told_before_the_lines_of_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = CivitaiFile("tren.safetensors", safetensors_bytes({"joint_blocks.0.x": (4, 4)}), base_model="SD 3.5 Large")
    with CivitaiServer({5: file}) as server:
        monkeypatch.setenv("SDCOLAB_CIVITAI_URL", server.url)
        main(["descargar", "https://civitai.com/api/download/models/5 perdida", "--carpeta", str(tmp_path)])
    told = capsys.readouterr()
    (line,) = told.err.splitlines()  # the note beside the link waits for the report
    assert "es para modelos SD3" in line
    assert "✅ Descargado" in told.out


def test_a_folder_that_is_a_file_is_told_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "archivo").touch()
    for arguments in (["generar", "gato", "--salida"], ["--carpeta"]):
        assert main([*arguments, str(tmp_path / "archivo")]) == 1
        assert "No se puede escribir" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--modelo", "zzz"], ["--modelo", "zzz", "generar", "gato"]])
def test_the_model_may_stand_before_the_subcommand(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--carpeta", str(tmp_path)]) == 2
    assert "No existe el modelo «zzz»." in capsys.readouterr().err


def test_the_vae_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mi vae.safetensors"
    path.write_bytes(b"no es un VAE")
    done = run("generar", "gato", "--vae", str(path), "--carpeta", str(tmp_path))
    assert done.returncode == 1
    assert "«mi vae.safetensors»" in done.stderr


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "foto.safetensors"
    path.write_bytes(b"esto no es un modelo")
    done = run("generar", "gato", "--modelo", str(path), "--carpeta", str(tmp_path))
    assert done.returncode == 1
    assert "No se puede leer el modelo «foto.safetensors»: es un texto, quizá el aviso de un error." in done.stderr
    assert "Traceback" not in done.stderr


# --- Every field is an option -------------------------------------------------------------------------------------

FILES = {path: f"{field.name}.png" for path, field in FIELDS.items() if field.is_picture}


def written(field: Field, value: object) -> str:
    """``value`` as people type it."""
    if field.path in FILES:
        return FILES[field.path]
    return value.value if isinstance(value, StrEnum) else str(value)


def request_of(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> GenerationRequest:
    """What ``sdcolab generar`` asks the engine for."""
    asked: list[GenerationRequest] = []

    def generate(request: GenerationRequest, **_options: object) -> GenerationResult:
        asked.append(request)
        raise Cancelled

    monkeypatch.setattr("sdcolab.wiring.engine.generate", generate)
    monkeypatch.setattr("sdcolab.wiring.engine.with_control_models", lambda request, *_: (request, ()))
    monkeypatch.chdir(folder)
    assert main(["generar", "gato", *arguments, "--carpeta", str(folder)]) == 130
    return asked[0]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in FILES.values():
        Image.new("RGB", (8, 8), "white").save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [path for path in FIELDS if path not in FIELD_OPTIONS.beside and not path.startswith(("control.", "details."))],
)
def test_every_field_has_an_option_that_sets_it(path: str, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field, value = FIELDS[path], another(FIELDS[path])
    option = f"--{option_name(path)}"
    if field.kind is bool:
        arguments = [option if value else f"--no-{option_name(path)}"]
    else:
        arguments = [f"{option}={written(field, value)}"]
    for needed in FIELD_OPTIONS.needed(path):
        if needed != path:
            arguments.append(f"--{option_name(needed)}={written(FIELDS[needed], another(FIELDS[needed]))}")
    request = request_of(monkeypatch, pictures, *arguments)
    found = value_at(request, path)
    assert found is not None
    assert found == value or path in FILES


def test_words_are_understood_as_the_page_shows_them() -> None:
    written = [
        "--schedule",
        "Automático",
        "--vae",
        "automático",
        "--velocidad",
        "rápido",
        "--hires-upscaler",
        "Ninguno",
    ]
    given = FIELD_OPTIONS.given(build_parser().parse_args(["generar", "gato", *written]))
    names = [given[path] for path in ("schedule", "vae", "speed", "hires.upscaler")]
    assert names == ["Automatic", "Automatic", Speed.FAST, "None"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--refiner-desde", "0.5"], "--refiner-desde solo sirve con --refiner."),
        (["--margen", "8"], "--margen solo sirve con --imagen."),
        (["--origen-ruido", "TPU"], "no es un valor posible de «Origen del ruido»"),
    ],
)
def test_options_that_need_another_say_so(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["generar", "gato", *arguments, "--carpeta", str(tmp_path)])
    assert left.value.code == 2
    assert says in capsys.readouterr().err


def test_parts_that_repeat_are_an_option_that_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {path: Words(path.replace(".", " ")) for path in table_of(Trial)}
    words |= {path: Words(field.name) for path, field in table_of(Unit, "units").items()} | {
        "units.model": Words("Modelo")
    }
    monkeypatch.setattr("sdcolab.cli.options.FIELD_WORDS", words)
    parts = {"units": "Unidades", "control": "ControlNet", "details": "Repaso"}
    monkeypatch.setattr("sdcolab.cli.options.PART_LABELS", parts)
    options = FieldOptions(Trial)
    parser = SpanishParser()
    options.add_to(parser)
    typed = ["--unidades", "modelo=canny,weight=0.5", "--units", "modelo=b,fit=Just Resize"]
    given = options.given(parser.parse_args(typed))
    assert with_values(Trial(), given).units == (Unit("canny", weight=0.5), Unit("b", fit=Fit.STRETCH))


def test_the_pictures_of_a_unit_are_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mapas").mkdir()
    for name, side in (("foto.png", 8), ("mapas/b.png", 24), ("mapas/a.png", 16), ("zona.png", 32)):
        Image.new("RGB", (side, side)).save(tmp_path / name)
    (tmp_path / "mapas" / "leeme.txt").write_text("x")
    typed = ("--control", "imagen=foto.png,tipo=canny,peso=0,8", "--controlnet", "imagen=mapas,imagen=foto.png")
    request = request_of(monkeypatch, tmp_path, *typed, "--control", "dibujo=foto.png,zona=zona.png,nombre=trazo")
    first, second, third = request.control
    assert [(one.width, unit.module, unit.weight) for unit in (first,) for one in unit.images] == [(8, "canny", 0.8)]
    assert [one.width for one in second.images] == [16, 24, 8]
    assert (third.images, third.title) == ((), "trazo")
    assert third.drawing is not None
    assert third.region is not None
    assert (third.drawing.width, third.region.width) == (8, 32)


def test_a_type_of_control_means_its_usual_preprocessor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = [part for word in ("TILE", "canny", "IP-Adapter") for part in ("--control", f"tipo={word}")]
    request = request_of(monkeypatch, tmp_path, *typed)
    assert [(unit.module, unit.kind) for unit in request.control] == [
        ("tile_resample", ControlType.TILE),
        ("canny", ControlType.CANNY),
        ("none", ControlType.IP_ADAPTER),
    ]
    assert main(["generar", "gato", "--carpeta", str(tmp_path), "--control", "tipo=tilee"]) == 2


@pytest.mark.parametrize("number", [0, 2])
def test_a_unit_of_an_infotext_takes_what_the_command_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "foto.png")
    unit = f'ControlNet {number}: "Module: reference_only, Model: None, Weight: 0.5, Control Mode: Balanced"'
    (tmp_path / "datos.txt").write_text(f"gato\nSteps: 9, Sampler: Euler, Seed: 3, {unit}", "utf-8")
    request = request_of(monkeypatch, tmp_path, "--infotext", "datos.txt", "--control", "imagen=foto.png,fin=0.5")
    (unit_made,) = request.control
    assert (unit_made.module, unit_made.weight, unit_made.end, len(unit_made.images)) == ("reference_only", 0.5, 0.5, 1)


def test_every_option_says_what_it_is_for_and_no_explanation_is_left_over() -> None:
    parser = build_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    explained = set()
    for name, one in {"": parser, **commands.choices}.items():
        for action in one._actions:
            if action is commands:
                continue
            assert action.help, f"{name} {action.dest}"
            explained.add((name, action.option_strings[0] if action.option_strings else action.dest))
    assert {(name, option) for name, options in HELP.items() for option in options} <= explained
    assert set(SUBCOMMANDS) <= set(commands.choices)
