"""Lists as people write them, and the command that works through them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.cli import main
from sdcolab.cli.batches import read_orders
from sdcolab.core.codec import to_json
from sdcolab.core.errors import BatchEmpty, BatchUnreadable, CannotRead, SdcolabError
from sdcolab.core.folders import Folders
from sdcolab.core.outputs import png_text
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.tasks import Generate
from sdcolab.fleet.orders import Order
from sdcolab.fleet.results import MANIFEST, Place

INFOTEXT = "un gato\nNegative prompt: perro\nSteps: 7, Sampler: DDIM, Schedule type: Automatic, CFG scale: 5, Seed: 9"


def read(folder: Path, name: str, text: str | bytes, **given: object) -> list[Order]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_orders(path, Folders(folder), given)


def requests(orders: list[Order]) -> list[GenerationRequest]:
    return [order.load() for order in orders]


def test_a_table_with_the_names_of_options_the_api_or_infotexts(tmp_path: Path) -> None:
    head = "\ufeffprompt;pasos;cfg_scale;negative_prompt;Seed;tiling;modelo\n"
    text = head + "«gato, azul»;7;4,5;perro;3;no;a\notro;;;;;sí;b\n"
    first, second = requests(read(tmp_path, "a.csv", text))
    assert (first.prompt, first.steps, first.cfg_scale, first.seed) == ("«gato, azul»", 7, 4.5, 3)
    assert (first.negative_prompt, first.tiling, first.checkpoint) == ("perro", False, "a")
    assert (second.prompt, second.steps, second.tiling, second.seed) == ("otro", 20, True, -1)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("above", ["", "sep=;\r\n"])
def test_what_a_spanish_spreadsheet_saves(encoding: str, above: str, tmp_path: Path) -> None:
    text = above + 'prompt;pasos;cfg\r\n"niño; 5 €";7;4,5\r\n;;\r\n'
    (request,) = requests(read(tmp_path, "a.csv", text.encode(encoding)))
    assert (request.prompt, request.steps, request.cfg_scale) == ("niño; 5 €", 7, 4.5)


def test_a_workbook_is_told_from_a_list(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "libro.xlsx", "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(BatchUnreadable) as wrong:
        read_orders(tmp_path / "libro.xlsx", Folders(tmp_path), {})
    assert "CSV" in wrong.value.detail


def test_options_of_the_command_win(tmp_path: Path) -> None:
    (request,) = requests(read(tmp_path, "a.csv", "prompt,pasos\ngato,5\n", steps=9))
    assert request.steps == 9


def test_commas_in_quotes_and_lines_without_anything(tmp_path: Path) -> None:
    made = requests(read(tmp_path, "a.csv", 'prompt,pasos\n"gato, perro",5\n,\n\n'))
    assert [request.prompt for request in made] == ["gato, perro"]


def test_pictures_of_a_table_lie_beside_it(tmp_path: Path) -> None:
    Image.new("RGB", (16, 8), "red").save(tmp_path / "foto.png")
    (request,) = requests(read(tmp_path, "a.csv", "prompt,imagen,fuerza\ngato,foto.png,0.3\n"))
    assert request.init is not None
    assert request.init.images[0].size == (16, 8)
    assert request.init.strength == 0.3


def test_a_text_with_a_prompt_a_line(tmp_path: Path) -> None:
    assert [one.prompt for one in requests(read(tmp_path, "a.txt", "uno\n\n dos \n"))] == ["uno", "dos"]


def test_whole_requests_and_plain_ones_in_one_file(tmp_path: Path) -> None:
    asked = GenerationRequest(prompt="gato", steps=3, init=InitImage((Image.new("RGB", (8, 8), "blue"),)))
    lines = [json.dumps(to_json(Generate(asked))), '{"prompt": "perro", "steps": 4, "tiling": true}', ""]
    orders = read(tmp_path, "a.jsonl", "\n".join(lines), clip_skip=2)
    first, second = requests(orders)
    assert first.init is not None
    assert first.init.images[0].getpixel((0, 0)) == (0, 0, 255)
    assert (first.prompt, first.steps, first.clip_skip) == ("gato", 3, 2)
    assert (second.prompt, second.steps, second.tiling) == ("perro", 4, True)
    assert [order.number for order in orders] == [0, 1]
    assert len({order.digest for order in orders}) == 2


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        ("a.csv", "prompt,pasoz\ngato,5\n", 2, "no existe la columna «pasoz» (¿querías decir «pasos»?)"),
        ("a.csv", "prompt,pasos\ngato,5\nperro,muchos\n", 3, "debe ser un número"),
        ("a.csv", "prompt,pasos\ngato,900\n", 2, "no está permitido"),
        ("a.csv", "prompt\ngato,5\n", 2, "no existe la columna «»"),
        ("a.jsonl", '{"prompt": "x"}\n{"prompt"', 2, "no es JSON"),
        ("a.jsonl", "[1]\n", 1, "no es un objeto"),
        ("a.jsonl", '{"code": "train_lora"}', 1, "no se puede hacer en un lote"),
        ("a.jsonl", '{"code": "generate"}', 1, "no dice qué generar"),
        ("a.jsonl", '{"code": "generate", "request": 5}', 1, "no dice qué generar"),
        ("a.jsonl", "[" * 100_000, 1, "no es JSON"),
        ("a.csv", "sep=;\nprompt;pasos\ngato;muchos\n", 3, "debe ser un número"),
    ],
)
def test_what_is_not_understood_says_where(name: str, text: str | bytes, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(BatchUnreadable) as wrong:
        read(tmp_path, name, text)
    assert wrong.value.line == line
    assert says in wrong.value.detail


def test_nothing_to_do_and_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BatchEmpty):
        read(tmp_path, "a.csv", "prompt\n")
    with pytest.raises(CannotRead):
        read_orders(tmp_path / "no.csv", Folders(tmp_path), {})


def test_pictures_are_made_again_or_are_where_to_start(tmp_path: Path) -> None:
    folder = tmp_path / "fotos"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "con.png", pnginfo=png_text(INFOTEXT))
    Image.new("RGB", (8, 8)).save(folder / "sin.png")
    (folder / "nota.txt").touch()
    (again,) = requests(read_orders(folder, Folders(tmp_path), {"steps": 2}))
    assert (again.prompt, again.negative_prompt, again.seed, again.steps) == ("un gato", "perro", 9, 2)
    assert again.init is None
    started = requests(read_orders(folder, Folders(tmp_path), {"prompt": "luna"}, from_pictures=True))
    assert [one.prompt for one in started] == ["luna", "luna"]
    assert all(one.init is not None for one in started)


def test_a_picture_that_is_gone_when_its_turn_comes(tmp_path: Path) -> None:
    picture = tmp_path / "foto.png"
    Image.new("RGB", (8, 8)).save(picture)
    (order,) = read(tmp_path, "a.csv", "prompt,imagen\ngato,foto.png\n")
    picture.unlink()
    with pytest.raises(SdcolabError):
        order.load()


@pytest.mark.parametrize("arguments", [["--motores", "-1"], ["--gpu", "0"], ["--gpu", "1.5"], []])
def test_wrong_use(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["lote", *([str(tmp_path)] if arguments else []), *arguments, "--carpeta", str(tmp_path)])
    assert left.value.code == 2
    assert capsys.readouterr().err


def test_a_unit_takes_its_usual_preprocessor_its_model_and_the_file_of_the_folder_where_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "listas").mkdir()
    (tmp_path / "listas" / "a.txt").write_text("gato\nperro\n")
    Image.new("RGB", (64, 64), "white").save(tmp_path / "foto.png")
    monkeypatch.chdir(tmp_path)
    asked = ["--control", "imagen=foto.png,tipo=scribble", "--pasos", "1", "--salida", "hechas"]
    assert main(["lote", "listas/a.txt", *asked, "--carpeta", str(tmp_path)]) == 0
    told = capsys.readouterr().err
    assert told.count("emoji-128-lineas") == 1
    assert len(list((tmp_path / "hechas").glob("*.png"))) == 2
    refused = ["--control", "imagen=foto.png,tipo=dsine"]
    assert main(["lote", "listas/a.txt", *refused, "--carpeta", str(tmp_path)]) == 2
    assert "«normal_bae»" in capsys.readouterr().err
    bare = ["--control", "imagen=foto.png,tipo=depth", "--salida", "sin"]
    assert main(["lote", "listas/a.txt", *bare, "--carpeta", str(tmp_path)]) == 1
    manifest = (tmp_path / "sin" / MANIFEST).read_text("utf-8")
    assert "modelo=NOMBRE" in manifest  # what a command has, and no list of the page


def test_two_commands_do_not_make_the_same_list_at_once(tmp_path: Path) -> None:
    plan, target = tmp_path / "plan.csv", tmp_path / "hechas"
    plan.write_text("prompt\ngato\n")
    command = [sys.executable, "-m", "sdcolab", "lote", str(plan), "--salida", str(target), "--carpeta", str(tmp_path)]
    with Place(str(target)).alone():
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "está haciendo ya una lista" in done.stderr
    assert not list(target.iterdir())
    with Place(str(target)).alone():
        pass


def test_real_pictures_after_the_program_was_killed(tmp_path: Path) -> None:
    plan, target = tmp_path / "plan.csv", tmp_path / "hechas"
    plan.write_text("prompt\n" + "".join(f"gato {number}\n" for number in range(12)))
    command = [
        *(sys.executable, "-m", "sdcolab", "lote", str(plan), "--pasos", "1", "--salida", str(target)),
        *("--carpeta", str(tmp_path)),
    ]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while len(list(target.glob("*.png"))) < 3 and first.poll() is None:
            time.sleep(0.02)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    before = {path.name: path.read_bytes() for path in target.glob("*.png")}
    assert len(before) >= 3
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in target.glob("*.png")}
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert len((target / MANIFEST).read_text().splitlines()) == 13
