"""The workshop from a command to a file among the models."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdcolab.cli import main
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    Cancelled,
    LorasUnused,
    ModelWrongKind,
    NothingDiffers,
    NothingLeft,
    RecipeAbsent,
    RecipeUnreadable,
    SdcolabError,
)
from sdcolab.core.events import CancelToken, Event, FileMade, StepDone, ignore_events
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import parse
from sdcolab.core.infotext.containers import PARAMETERS_KEY
from sdcolab.core.infotext.text import parse_fields
from sdcolab.core.prompt import LoraMultipliers
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import LocalWorker, Task, Tools
from sdcolab.core.tensors import read_header
from sdcolab.core.workshop import (
    Convert,
    Extract,
    FileFormat,
    Merge,
    MergeMethod,
    PartAction,
    Precision,
    Pruning,
    Trial,
    TryMerge,
)
from sdcolab.engine.low_rank import low_rank
from sdcolab.engine.weights import read_pickle
from sdcolab.wiring.engine import build_engine, build_library, demo_model, generate
from sdcolab.wiring.tasks import TASKS
from sdcolab.workshop.loras import layers_by_key, with_loras
from sdcolab.workshop.model import Model
from sdcolab.workshop.recipe import read_recipe

DATA = Path(__file__).parents[1] / "data" / "referencia" / "taller" / "merger"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A user's folder with three small models and a VAE."""
    folders = Folders(tmp_path)
    models = folders.models(ModelKind.CHECKPOINT)
    models.mkdir(parents=True)
    for letter in "ABC":
        shutil.copy(DATA / f"merge{letter}.safetensors", models)
    folders.models(ModelKind.VAE).mkdir(parents=True)
    shutil.copy(DATA / "mergevae.safetensors", folders.models(ModelKind.VAE))
    return folders


def run(folders: Folders, task: Task, cancel: CancelToken | None = None) -> tuple[Path, list[Event]]:
    events: list[Event] = []
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library))
    LocalWorker(TASKS, tools).run(task, events.append, cancel or CancelToken())
    return next(event.path for event in events if isinstance(event, FileMade)), events


def test_a_merge_becomes_a_model_of_its_own(folders: Folders) -> None:
    wanted = Merge("mergeA", "mergeB.safetensors", multiplier=0.3, vae="mergevae")
    first, events = run(folders, wanted)
    second, _ = run(folders, wanted)
    assert first.name == "0.7(mergeA) + 0.3(mergeB).safetensors"
    assert second.name == "0.7(mergeA) + 0.3(mergeB) (2).safetensors"  # no file is ever written over
    steps = [event for event in events if isinstance(event, StepDone)]
    assert steps[-1].step == steps[-1].total == len(read_header(first).tensors)
    vae = load_file(DATA / "mergevae.safetensors")
    name = "first_stage_model.decoder.conv_in.weight"
    assert torch.equal(load_file(first)[name], vae["decoder.conv_in.weight"])
    assert json.loads(read_header(first).metadata["sd_merge_recipe"])["bake_in_vae"] == "mergevae"


CASES = sorted(path.stem for path in DATA.glob("*.json"))


@pytest.mark.parametrize("name", CASES)
def test_the_metadata_of_files_have_a1111_s_names(name: str, folders: Folders) -> None:
    case = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    payload = case["payload"]
    wanted = Merge(
        *(payload[letter] or "" for letter in ("primary", "secondary", "tertiary")),
        MergeMethod(payload["interp_method"]),
        payload["multiplier"],
        half=payload["save_as_half"],
        name=payload["custom_name"],
        vae=payload["bake_in_vae"].replace("None", ""),
        discard=payload["discard_weights"],
        save_metadata=payload["save_metadata"],
        add_recipe=payload["add_merge_recipe"],
        copy_metadata=payload["copy_metadata_fields"],
        metadata_json=payload["metadata_json"],
    )
    for letter in ("Ah", "Bh", "Ainp"):
        shutil.copy(DATA / f"merge{letter}.safetensors", folders.models(ModelKind.CHECKPOINT))
    path, _ = run(folders, wanted)
    found, theirs = read_header(path), read_header(DATA / f"merged_{name}.safetensors")
    assert path.name == case["file"] and found.tensors.keys() == theirs.tensors.keys()
    assert dict(found.metadata).keys() == dict(theirs.metadata).keys()
    for label in {"sd_merge_recipe", "sd_merge_models"} & dict(theirs.metadata).keys():
        ours, expected = (json.loads(one.metadata[label]) for one in (found, theirs))
        assert ours.keys() == expected.keys()
        if label == "sd_merge_recipe":  # recorded without hashes: that program's cache was empty
            assert {k: v for k, v in ours.items() if not k.endswith("_hash")} == {
                k: v for k, v in expected.items() if not k.endswith("_hash")
            }


def test_same_bytes_twice(folders: Folders) -> None:
    one, _ = run(folders, Convert("mergeA"))
    other, _ = run(folders, Convert("mergeA", name="otro"))
    assert one.read_bytes() == other.read_bytes()
    assert one.name == "mergeA-fp16-no-ema.safetensors"


def test_stopping_leaves_nothing(folders: Folders) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        run(folders, Convert("mergeA"), cancel)
    assert len(list(folders.models(ModelKind.CHECKPOINT).iterdir())) == 3


def test_nothing_is_no_model(folders: Folders) -> None:
    delete = PartAction.DELETE
    with pytest.raises(NothingLeft):
        run(folders, Convert("mergeA", unet=delete, text_encoder=delete, vae_part=delete, others=delete))


def test_a_name_cannot_leave_the_folder(folders: Folders) -> None:
    path, _ = run(folders, Convert("mergeA", name="../../fuera"))
    assert path.parent == folders.models(ModelKind.CHECKPOINT) and path.name == "fuera.safetensors"


def test_ckpt_and_back(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders.root / "salida"
    source = str(DATA / "mergeA.safetensors")
    assert main(["convertir", "--carpeta", str(folders.root), source, "--formato", "ckpt", "--salida", str(out)]) == 0
    pickled = Path(capsys.readouterr().out.strip())
    assert read_pickle(pickled)["state_dict"].keys() == load_file(source).keys() - {"model_ema.decay"}
    assert (
        main(["convertir", "--carpeta", str(folders.root), str(out), "--precision", "full", "--podar", "disabled"]) == 0
    )
    back = load_file(capsys.readouterr().out.strip())
    assert all(
        torch.equal(tensor, pickled)
        for tensor, pickled in zip(
            back.values(), (read_pickle(pickled)["state_dict"][name] for name in back), strict=True
        )
    )
    assert [path.name for path in out.iterdir()] == [pickled.name]  # no draft is left


RECIPE = """
# Dos pasos
[[paso]]
como = "mitad"
a = "mergeA"
b = "mergeB"
multiplicador = 0.5

[[paso]]
a = "mitad"
b = "mergeB"
c = "mergeC"
metodo = "add difference"
multiplicador = 1
nombre = "final"
"""


def test_a_ckpt_is_whole_however_often_what_was_read_is_forgotten(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcolab.workshop.writing._KEPT_BYTES", 1)
    wanted = Convert("mergeA.safetensors", Precision.FULL, Pruning.DISABLED, FileFormat.CKPT, whole_positions=False)
    path, _ = run(folders, wanted)
    written = torch.load(path, weights_only=True)["state_dict"]
    expected = load_file(folders.models(ModelKind.CHECKPOINT) / "mergeA.safetensors")
    assert list(written) and written.keys() == expected.keys()
    assert all(torch.equal(written[name], one) for name, one in expected.items())


def test_a_recipe_is_its_steps(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = folders.root / "receta.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    assert main(["mezclar", "--carpeta", str(folders.root), "--receta", str(recipe)]) == 0
    at_once = Path(capsys.readouterr().out.strip())
    half, _ = run(folders, Merge("mergeA", "mergeB", multiplier=0.5, name="mitad"))
    by_hand, _ = run(folders, Merge("mitad", "mergeB", "mergeC", MergeMethod.DIFFERENCE, 1.0, name="a mano"))
    found, wanted = load_file(at_once), load_file(by_hand)
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)
    metadata = read_header(at_once).metadata
    assert metadata["sdcolab_recipe"] == RECIPE and half.exists()
    assert {model["name"] for model in json.loads(metadata["sd_merge_models"]).values()} == {
        f"merge{letter}.safetensors" for letter in "ABC"
    }


def test_a_recipe_is_pasted_and_taken_from_the_model_that_it_made(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    pasted, _ = run(folders, Merge("mergeC", recipe=RECIPE))
    again, _ = run(folders, Merge(recipe="final"))
    assert (pasted.name, again.name) == ("final.safetensors", "final (2).safetensors")
    assert pasted.read_bytes() == again.read_bytes()
    assert main(["mezclar", "--carpeta", str(folders.root), "--receta", str(pasted)]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == pasted.read_bytes()
    with pytest.raises(RecipeAbsent):
        run(folders, Merge(recipe="mergeA"))
    with pytest.raises(RecipeUnreadable):
        run(folders, Merge("mergeA", "mergeB", recipe="[[paso]]\nreceta = 'final'"))
    assert main(["mezclar", "--carpeta", str(folders.root), "--receta", str(DATA / "mergeA.safetensors")]) == 1
    assert "no lleva dentro ninguna receta" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "x", "paso = 3", "[[paso]]\nz = 1", "[[paso]]\na = 1", "[[paso]]\nmetodo = 'x'", "[[paso]]\n[[paso]]",
     "[[paso]]\nmultiplicador = 7", "[[paso]]\nmultiplicador = true", "a = " + "[" * 5000],
)  # fmt: skip
def test_other_recipes_are_refused(text: str) -> None:
    with pytest.raises(RecipeUnreadable):
        read_recipe(text)


def test_complaints_are_spanish(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--carpeta", str(folders.root)]
    assert main(["mezclar", *where, "--a", "mergeA"]) == 1
    assert "falta el modelo B" in capsys.readouterr().err
    assert main(["convertir", *where, "nada"]) != 0
    assert "nada" in capsys.readouterr().err


# --- LoRAs ------------------------------------------------------------------------------------------------------------

UNET = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
CLIP_G = "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight"


def of(tensors: dict[str, torch.Tensor]) -> Model:
    return Model(Path("m"), {name: one.to("meta") for name, one in tensors.items()}, tensors.__getitem__)


def test_loras_reach_the_layers_they_name() -> None:
    base = {UNET: torch.randn(4, 4), CLIP_G: torch.randn(12, 4), "first_stage_model.x.weight": torch.zeros(2)}
    up, down = torch.randn(4, 2), torch.randn(2, 4)
    to_q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    to_v = "lora_te2_text_model_encoder_layers_0_self_attn_v_proj"
    lora = {f"{layer}.lora_up.weight": up for layer in (to_q, to_v, "lora_unet_missing")}
    lora |= {f"{layer}.lora_down.weight": down for layer in (to_q, to_v, "lora_unet_missing")}
    lora[f"{to_v}.alpha"] = torch.tensor(1.0)
    warnings: list[SdcolabError] = []
    result = with_loras(of(base), [(of(lora), LoraMultipliers(te=0.5, unet=2.0, dyn=None))], warnings.append)
    assert torch.allclose(result.get(UNET), base[UNET] + 2 * up @ down, atol=1e-6)
    wanted = base[CLIP_G].clone()
    wanted[8:] += 0.5 * 0.5 * up @ down  # alpha 1 of rank 2; the value is the last third
    assert torch.allclose(result.get(CLIP_G), wanted, atol=1e-6)
    assert [(one.count, one.layers) for one in warnings if isinstance(one, LorasUnused)] == [(1, 3)]


def test_every_layer_of_the_demo_has_a_key() -> None:
    names = tuple(read_header(demo_model().path).tensors)
    reached = {layer.tensor for layer in layers_by_key(names).values()}
    weights = {n for n in names if n.startswith("model.diffusion_model.") and n.endswith(".weight")}
    assert weights <= reached


def test_baking_is_what_the_prompt_does(folders: Folders) -> None:
    """The same picture with the LoRA in the prompt and with the LoRA inside the model."""
    names = read_header(demo_model().path)
    layer = next(n for n in names.tensors if n.endswith("attn2.to_k.weight"))
    height, width = names.tensors[layer].shape
    key = next(k for k, found in layers_by_key(tuple(names.tensors)).items() if found.tensor == layer)
    generator = torch.Generator().manual_seed(1)
    folders.models(ModelKind.LORA).mkdir(parents=True)
    save_file(
        {f"{key}.lora_up.weight": torch.randn(height, 2, generator=generator),
         f"{key}.lora_down.weight": torch.randn(2, width, generator=generator)},
        folders.models(ModelKind.LORA) / "cambio.safetensors",
    )  # fmt: skip
    baked, _ = run(folders, Merge(demo_model().name, method=MergeMethod.NONE, loras="<lora:cambio:0.7>", name="x"))
    plain = GenerationRequest(prompt="una cara", steps=3, width=128, height=128, seed=1)
    with_tag = replace(plain, prompt="una cara<lora:cambio:0.7>")
    in_prompt, inside, without = (
        np.asarray(generate(request, folders=folders, model=str(model)).images[0].image, dtype=int)
        for request, model in ((with_tag, demo_model().path), (plain, baked), (plain, demo_model().path))
    )
    assert abs(in_prompt - inside).max() <= 2  # the file's numbers have 16 bits
    assert abs(in_prompt - without).max() > 20


# --- Trying -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(folders: Folders) -> str:
    """A model of the demo's family that paints otherwise."""
    generator = torch.Generator().manual_seed(3)
    tensors = {
        name: one + (torch.randn(one.shape, generator=generator) * 0.02).to(one.dtype) if "to_q" in name else one
        for name, one in load_file(demo_model().path).items()
    }
    metadata = dict(read_header(demo_model().path).metadata)
    save_file(tensors, folders.models(ModelKind.CHECKPOINT) / "otro.safetensors", metadata)
    return "otro"


def files_below(folders: Folders) -> set[Path]:
    return {path for path in folders.root.rglob("*") if path.is_file()}


def test_a_merge_that_is_tried_paints_as_the_one_that_is_written(folders: Folders, other: str) -> None:
    trial = Trial("una cara", steps=3, seed=1)
    wanted = Merge(demo_model().name, other, multiplier=0.4, blocks="GRAD_V", name="mitad", trial=trial)
    library = build_library(folders)
    engine = build_engine(folders, library)
    tools, before = Tools(folders, library, engine), files_below(folders)
    plain = engine.generate(replace(trial.request(), checkpoint=other), ignore_events, CancelToken(), save=False)
    tried = LocalWorker(TASKS, tools).run(TryMerge(wanted), ignore_events, CancelToken())
    assert tried is not None
    (picture,) = tried.images
    assert {path.suffix for path in files_below(folders) - before} <= {".png", ".json"}  # no model
    path, _ = run(folders, wanted)
    request = replace(trial.request(), checkpoint=path.name)
    written = engine.generate(request, ignore_events, CancelToken(), save=False)
    assert picture.image.tobytes() == written.images[0].image.tobytes() != plain.images[0].image.tobytes()
    said = parse(picture.infotext)
    assert said.get("Model") == "mitad" and said.get("Model hash") is None
    told = dict(parse_fields(said.get("Merge") or ""))
    assert told["Model A"] == demo_model().name and told["Model B"] == other
    assert (told["Method"], told["Multiplier"], told["Block weights"]) == ("Weighted sum", "0.4", "GRAD_V")
    assert (
        engine.generate(replace(request, checkpoint=other), ignore_events, CancelToken(), save=False)
        .images[0]
        .image.tobytes()
        == plain.images[0].image.tobytes()
    )  # and nothing of it stays


def test_two_merges_of_one_name_are_two_merges(folders: Folders, other: str) -> None:
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library))
    merges = [
        Merge(demo_model().name, other, multiplier=share, name="x", trial=Trial("una cara", steps=2, seed=1))
        for share in (0.0, 1.0, 0.0)
    ]
    results = [LocalWorker(TASKS, tools).run(TryMerge(one), ignore_events, CancelToken()) for one in merges]
    first, second, third = (result.images[0].image.tobytes() for result in results if result)
    assert first == third != second


def test_a_merge_and_a_recipe_are_tried_by_command(
    folders: Folders, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where, out = ["--carpeta", str(folders.root)], folders.root / "pruebas"
    trial = ["--probar", "una cara", "--probar-pasos", "2", "--probar-semilla", "1", "--salida", str(out)]
    demo = str(demo_model().path)
    assert main(["mezclar", *where, "--a", demo, "--b", other, "--multiplicador", "0.5", *trial]) == 0
    recipe = folders.root / "receta.toml"
    recipe.write_text(
        f"[[paso]]\ncomo = 'mitad'\na = '{demo}'\nb = '{other}'\nmultiplicador = 0.5\n"
        "[[paso]]\na = 'mitad'\nmetodo = 'no interpolation'",
        encoding="utf-8",
    )
    assert main(["mezclar", *where, "--receta", str(recipe), *trial]) == 0
    one, again = (Path(line) for line in capsys.readouterr().out.split("\n") if line)
    assert {path.suffix for path in out.iterdir()} == {".png"}
    with Image.open(one) as picture, Image.open(again) as same:
        assert picture.tobytes() == same.tobytes()
        assert "Merge 1: " in same.info[PARAMETERS_KEY] and "Result: mitad" in same.info[PARAMETERS_KEY]
    with pytest.raises(SystemExit):
        main(["mezclar", *where, "--a", "mergeA", "--b", "mergeB", "--probar-pasos", "2"])
    assert "--probar dice" in capsys.readouterr().err


# --- Extracting -------------------------------------------------------------------------------------------------------


def test_what_is_extracted_is_what_was_baked(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    """A LoRA baked into the demo model and extracted again is the same change."""
    names = read_header(demo_model().path)
    base, tuned = load_file(demo_model().path), load_file(demo_model().path)
    layer = next(n for n in names.tensors if n.endswith("attn2.to_k.weight"))
    generator = torch.Generator().manual_seed(1)
    up = torch.randn(base[layer].shape[0], 3, generator=generator)
    down = torch.randn(3, base[layer].shape[1], generator=generator)
    tuned[layer] = (base[layer].float() + up @ down).to(base[layer].dtype)
    save_file(tuned, folders.models(ModelKind.CHECKPOINT) / "afinado.safetensors")
    models = ["--modelo", "afinado", "--base", str(demo_model().path), "--rango", "4"]
    assert main(["extraer", "--carpeta", str(folders.root), *models]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == folders.models(ModelKind.LORA) and path.name == "afinado-lora4.safetensors"
    found = load_file(path)
    again = with_loras(of(base), [(of(found), LoraMultipliers(te=1, unet=1, dyn=None))], lambda warning: None)
    change = again.get(layer).float() - base[layer].float()
    assert (change - up @ down).norm() / (up @ down).norm() < 0.01
    others = (name for name in names.tensors if name != layer)
    assert all(torch.allclose(again.get(name).float(), base[name].float(), atol=1e-3) for name in others)


def test_a_model_without_anything_of_its_own_gives_no_lora(folders: Folders) -> None:
    models, demo = folders.models(ModelKind.CHECKPOINT), demo_model().path
    shutil.copy(demo, models / "igual.safetensors")
    save_file({name: one.float() for name, one in load_file(demo).items()}, models / "ancho.safetensors")
    rounded = {name: one.bfloat16().float() for name, one in load_file(demo).items()}
    save_file(rounded, models / "redondo.safetensors")
    for tuned, base in (("igual", demo.name), ("ancho", demo.name), ("igual", "igual")):
        with pytest.raises(NothingDiffers):
            run(folders, Extract(f"{tuned}.safetensors", base if base == demo.name else f"{base}.safetensors", 2))
    assert not list(folders.models(ModelKind.LORA).glob("*"))
    assert run(folders, Extract("redondo.safetensors", "ancho.safetensors", 2))[0].is_file()


def test_a_lora_among_the_models_is_no_model(folders: Folders) -> None:
    down = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    save_file({down: torch.ones(4, 768)}, folders.models(ModelKind.CHECKPOINT) / "capa.safetensors")
    for task in (
        Convert("capa.safetensors"),
        Merge("capa.safetensors", "capa.safetensors"),
        Extract("capa.safetensors", "mergeA.safetensors"),
    ):
        with pytest.raises(ModelWrongKind):
            run(folders, task)


def test_the_rank_is_the_best_of_its_size() -> None:
    matrix = torch.randn(40, 30, generator=torch.Generator().manual_seed(2))
    left, right = low_rank(matrix, 8)
    singular = torch.linalg.svdvals(matrix)
    assert (matrix - left @ right).norm() <= singular[8:].norm() * 1.001
    assert left.shape == (40, 8) and right.shape == (8, 30)
