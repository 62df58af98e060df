"""``sdcolab cuadricula`` and ``generar --guion``: counting, exporting, mistakes, and a grid of the demo model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.cli import main
from sdcolab.cli.scripts import script_called
from sdcolab.core.errors import CannotRead, ScriptOption, ScriptUnknown
from sdcolab.core.scripts import Direction, DynamicPrompts, Insert, Outpainting, PromptLines, Redraw, Ultimate
from sdcolab.core.tasks import Generate
from sdcolab.wiring.tasks import TASKS


def test_counting_and_exporting_make_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["cuadricula", "a cat", "--x", "Steps=2,3", "--y", 'Prompt S/R=cat,"dog, big"', "--carpeta", str(tmp_path)]
    assert main([*common, "--contar"]) == 0
    assert capsys.readouterr().out == "4 imágenes\n"
    target = tmp_path / "plan.jsonl"
    assert main([*common, "--exportar", str(target)]) == 0
    tasks = [TASKS.from_json(json.loads(line)) for line in target.read_text("utf-8").splitlines()]
    assert [task.request.prompt for task in tasks if isinstance(task, Generate)] == [
        "a cat",
        "a cat",
        "a dog, big",
        "a dog, big",
    ]
    assert not list(tmp_path.rglob("*.png"))


def test_the_plan_of_any_script_is_exported_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "plan.jsonl"
    matrix = ["generar", "a cat|red|blue", "--guion", "Prompt matrix", "--carpeta", str(tmp_path)]
    assert main([*matrix, "--contar"]) == 0
    assert capsys.readouterr().out == "4 imágenes\n"
    assert main([*matrix, "--exportar", str(target)]) == 0
    tasks = [TASKS.from_json(json.loads(line)) for line in target.read_text("utf-8").splitlines()]
    prompts = [task.request.prompt for task in tasks if isinstance(task, Generate)]
    assert prompts == ["a cat", "a cat, red", "a cat, blue", "a cat, red, blue"]


def test_scripts_save_where_they_are_told_in_the_picture_s_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, place = tmp_path / "ancha.png", tmp_path / "salida"
    Image.new("RGB", (192, 128), "teal").save(picture)
    script = ["--guion", "Loopback", "--guion-valor", "loops=2", "--imagen", str(picture)]
    told = ["--pasos", "2", "--salida", str(place), "--formato", "webp", "--carpeta", str(tmp_path / "raiz")]
    assert main(["generar", "a cat", *script, *told]) == 0
    made = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.parent for path in made} == {place}
    singles = [path for path in made if path.suffix == ".webp"]
    assert [Image.open(path).size for path in singles] == [(192, 128)] * 2
    assert len(made) == 3, "and their sheet"
    assert not list((tmp_path / "raiz").rglob("*.png"))


def test_what_may_be_meant_otherwise_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["cuadricula", "a cat", "--x", "CFG Scale=7,5, 8", "--carpeta", str(tmp_path)]
    assert main([*asked, "--contar"]) == 0
    assert "punto: 0.5" in capsys.readouterr().err
    assert main([*asked, "--exportar", str(tmp_path / "plan.jsonl")]) == 0
    assert capsys.readouterr().err.count("punto: 0.5") == 1


def test_prompts_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "lista.txt").write_bytes("un año\n--prompt gato".encode("cp1252"))
    asked = ["insert=end", f"text={tmp_path / 'lista.txt'}"]
    assert script_called("lines", asked) == PromptLines("un año\n--prompt gato", Insert.END)
    assert script_called("lines", ["text=un gato, 8k"]) == PromptLines("un gato, 8k")
    with pytest.raises(CannotRead):
        script_called("lines", [f"text={tmp_path / 'otra.txt'}"])


def test_the_axes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuadricula", "--ejes"]) == 0
    assert {"Steps · Pasos", "LoRA › LoRA weight · Peso del LoRA"} < set(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cuadricula", "x"], 2, "--x"),
        (["cuadricula", "x", "--x", "Steps"], 2, "EJE=VALORES"),
        (["cuadricula", "x", "--x", "Sampler=Eulr"], 2, "«Euler»"),
        (["cuadricula", "x", "--x", "Pasillos=1"], 2, "Pasillos"),
        (["cuadricula", "x", "--x", "Passos=1"], 2, "«Pasos»"),
        (["generar", "x", "--guion", "Loopbak"], 2, "«Loopback»"),
        (["generar", "x", "--guion", "Loopback"], 2, "--imagen"),
        (["generar", "x", "--exportar", "plan.jsonl"], 2, "--guion"),
        (["generar", "x", "--guion", "Loopback", "--guion-valor", "vueltas=3"], 2, "final_strength"),
        (["generar", "x", "--guion", "X/Y/Z plot", "--guion-valor", "legend=quizás"], 2, "quizás"),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        left = main([*arguments, "--carpeta", str(tmp_path)])
    except SystemExit as left_by_argparse:
        left = left_by_argparse.code
    assert left == code
    assert said in capsys.readouterr().err


def test_settings_of_scripts_by_name() -> None:
    wanted = Ultimate(scale=3.0, redraw=Redraw.CHESS, tile_width=640)
    assert script_called("ultimate sd upscale", ["custom_scale=3", "redraw=chess", "tile_width=640"]) == wanted
    assert script_called("outpainting", ["directions=left,up"]) == Outpainting(
        directions=(Direction.LEFT, Direction.UP)
    )
    with pytest.raises(ScriptOption):
        script_called("ultimate", ["redraw=Ches"])
    with pytest.raises(ScriptUnknown):
        script_called("nada", [])
    assert script_called("Dynamic Prompts", ["combinatorial=true", "limit=3"]) == DynamicPrompts(True, 3)
    with pytest.raises(ScriptUnknown) as unknown:
        script_called("dinámicos", [])
    assert "Dynamic Prompts" in unknown.value.suggestions


def test_a_grid_of_the_demo_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "hoja.html"
    arguments = ["--x", "Steps=1,2", "--ancho", "64", "--alto", "64", "--semilla", "5", "--json"]
    assert main(["cuadricula", "a cat", *arguments, "--html", str(page), "--carpeta", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert [image["hoja"] for image in told["imagenes"]] == [True, False, False]
    assert page.read_text("utf-8").count("data:image/webp") == 2
    assert main(["cuadricula", "--continuar", told["plan"], "--json", "--carpeta", str(tmp_path)]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["imagenes"][0]["archivo"] == told["imagenes"][0]["archivo"]


def test_what_may_go_wrong_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A Steps value of 500 is out of its range: a gap of the sheet.
    asked = ["cuadricula", "a cat", "--x", "Steps=1,500", "--ancho", "64", "--alto", "64", "--carpeta", str(tmp_path)]
    assert main(asked) == 0
    assert capsys.readouterr().err.count("Steps: 500") == 1


def test_a_unit_of_a_grid_takes_the_only_model_of_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "foto.png")
    monkeypatch.chdir(tmp_path)
    asked = ["--x", "Steps=2,3", "--control", "imagen=foto.png,tipo=canny", "--exportar", "plan.jsonl"]
    assert main(["cuadricula", "a cat", *asked, "--carpeta", str(tmp_path)]) == 0
    assert "emoji-128-lineas" in capsys.readouterr().err
    (unit,) = json.loads((tmp_path / "plan.jsonl").read_text("utf-8").splitlines()[0])["request"]["control"]
    assert (unit["module"], unit["model"]) == ("canny", "emoji-128-lineas.safetensors")
