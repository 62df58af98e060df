"""The command ``sdcolab entrenar``: what it says of a plan before it trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcolab.cli import main
from sdcolab.core.errors import ModelWrongKind
from sdcolab.core.training import TrainLora
from sdcolab.training.plan import plan_from_file
from sdcolab.training.prepare import prepare

CONTROL = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128-lineas.safetensors"

PLAN = """
[training]
{base}
output_dir = "salida"
resolution = 128
train_data_dir = "{pictures}"
max_train_epochs = 1
{more}
"""

Said = tuple[int, str]
Review = Callable[..., Said]


@pytest.fixture
def review(tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> Review:
    """How ``--solo-revisar`` ends, and what it prints of a plan over the pictures."""

    def reviewed(base: str, more: str = "", *flags: str) -> Said:
        plan = tmp_path / "plan.toml"
        named = f'pretrained_model_name_or_path = "{base}"' if base else ""
        plan.write_text(PLAN.format(base=named, pictures=pictures, more=more), encoding="utf-8")
        code = main(["--carpeta", str(tmp_path / "home"), "entrenar", str(plan), *flags])
        said = capsys.readouterr()
        return code, said.out + said.err

    return reviewed


def test_a_base_may_be_called_by_its_name(review: Review) -> None:
    code, said = review("emoji-128", "", "--solo-revisar")
    assert code == 0, said
    assert "💥" not in said
    assert "es de la familia Stable Diffusion 1.5: entrenar así necesita unos" in said


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("emoji128", "¿Querías decir «emoji-128.safetensors»?"),
        ("otra/nada.safetensors", "No existe el modelo «otra/nada.safetensors»."),
        (str(CONTROL), "es un modelo de ControlNet"),
        ("", "Falta elegir el modelo."),
    ],
)
@pytest.mark.parametrize("flags", [("--solo-revisar",), ()])
def test_what_is_no_base_is_told_by_both(review: Review, base: str, says: str, flags: tuple[str, ...]) -> None:
    code, said = review(base, "", *flags)
    assert code != 0
    assert says in said
    assert "Actualizar" not in said, "there is no such button in a terminal"


def test_captions_that_the_plan_does_not_read_are_told(review: Review) -> None:
    _, said = review("emoji-128", "", "--solo-revisar")
    assert "Las descripciones «.txt» de 4 imágenes no se leen: aquí se leen las «.caption»" in said
    assert "Sin descripción: 1 de 5 imágenes" in said
    _, said = review("emoji-128", 'caption_extension = ".txt"', "--solo-revisar")
    assert "no se leen" not in said


def test_a_file_of_another_kind_is_no_base(make_plan: Callable[..., object]) -> None:
    with pytest.raises(ModelWrongKind):
        prepare(make_plan(pretrained_model_name_or_path=str(CONTROL)), lambda _event: None)  # type: ignore[arg-type]


def test_the_example_plan_is_one_to_begin_with(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "mio.toml"

    def said(*arguments: str) -> str:
        code = main(["--carpeta", str(tmp_path / "home"), "entrenar", str(plan), *arguments])
        out = capsys.readouterr().out
        assert code == 0, out
        return out

    assert said("--ejemplo").strip() == str(plan)
    asked, given = plan_from_file(plan), TrainLora(project="x")
    assert asked.unet_lr == given.unet_rate and asked.max_train_epochs == given.epochs
    assert plan.read_text(encoding="utf-8").count("\n# ") > 20
    plan.write_text(
        plan.read_text(encoding="utf-8")
        .replace("modelo.safetensors", "emoji-128")
        .replace('"imagenes"', json.dumps(str(pictures))),
        encoding="utf-8",
    )
    assert "epochs" in said("--solo-revisar")
    assert said("--ejemplo").strip() == str(tmp_path / "mio-1.toml"), "what is there is not lost"


def test_a_lora_to_go_on_with_that_is_none_is_told(review: Review, tmp_path: Path) -> None:
    code, said = review(str(CONTROL.with_name("emoji-128.safetensors")), 'network_weights = "nada.safetensors"')
    assert code == 1
    assert "No se puede leer" in said and "no existe" in said
    (tmp_path / "falso.safetensors").write_bytes(b"no soy un LoRA")
    code, said = review(str(CONTROL.with_name("emoji-128.safetensors")), 'network_weights = "falso.safetensors"')
    assert "está incompleto o dañado" in said


def test_the_few_values_of_an_option_are_all_told(review: Review) -> None:
    _, said = review("emoji-128", 'save_model_as = "ckpt"')
    assert "«safetensors»" in said
    _, said = review("emoji-128", 'network_args = ["algo=lyco"]')
    assert "«loha»" in said and "«lokr»" in said


def test_masks_that_nobody_asks_for_are_told(review: Review, pictures: Path) -> None:
    (pictures / "2_fondo" / "e_mask.png").write_bytes((pictures / "2_fondo" / "e.png").read_bytes())
    assert "1 imagen tiene máscara" in review("emoji-128", "", "--solo-revisar")[1]
    trained = review("emoji-128", "cache_latents = true")[1]
    assert "masked_loss = true" in trained
    assert "máscara, como" not in review("emoji-128", "masked_loss = true", "--solo-revisar")[1]


def test_a_plan_that_is_no_toml_is_told_in_spanish_with_its_place(review: Review) -> None:
    code, said = review("emoji-128", "masked_loss = True", "--solo-revisar")
    assert code == 1
    assert "línea 8, columna 15: el valor no se entiende" in said
    assert "Invalid" not in said
