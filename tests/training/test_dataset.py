"""Folders and counts against the reference trainer's; the folders are made from the recorded recipes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdcolab.core.errors import (
    BucketRange,
    CaptionEmpty,
    CaptionUnreadable,
    DatasetEmpty,
    FolderOfNoRepeats,
    FolderOfRepeats,
    FolderWithoutRepeats,
    PictureSkipped,
    PicturesLoose,
    PlanOptionUnserved,
    SdcolabError,
    TooManySteps,
)
from sdcolab.core.words import explain
from sdcolab.training.buckets import BucketRules
from sdcolab.training.dataset import (
    Dataset,
    DatasetPlan,
    batches,
    dataset_hash,
    folders_with_repeats,
    picture_size,
    read_dataset,
)
from sdcolab.training.dataset_config import dataset_plans
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.preview import preview
from sdcolab.training.quick import draw_pictures
from sdcolab.training.steps import check_steps, count_steps
from tests.support.vectors import vectors

VECTORS = vectors("lora_dataset")
ERRORS = {"UnicodeDecodeError": CaptionUnreadable, "AssertionError": BucketRange}


def make_files(root: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            kind = {"jpg": "JPEG", "jpeg": "JPEG", "tiff": "TIFF"}.get(path.suffix.lower()[1:], path.suffix[1:].upper())
            Image.new("RGB", tuple(content)).save(path, kind or "PNG")
        elif isinstance(content, dict):
            path.write_bytes(bytes.fromhex(content["hex"]))
        else:
            path.write_bytes(content.encode("utf-8"))


def datasets_of(case: dict[str, Any], root: Path, batch: int) -> list[Dataset]:
    arguments = [*" ".join(VECTORS["common_args"]).split(), *case["args"], "--train_batch_size", str(batch)]
    if case["toml"]:
        config = root / "datos.toml"
        config.write_text(case["toml"].replace("@ROOT@", root.as_posix()), encoding="utf-8")
        arguments += ["--dataset_config", str(config)]
    else:
        arguments += ["--train_data_dir", str(root / "train")]
        if (root / "reg").is_dir():
            arguments += ["--reg_data_dir", str(root / "reg")]
    return [read_dataset(plan) for plan in dataset_plans(plan_from_file(Path(os.devnull), arguments))]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_folders_are_read_as_the_reference_trainer_reads_them(case: dict[str, Any], tmp_path: Path) -> None:
    make_files(tmp_path, case["files"])
    expected = case["result_batch1"]
    if "error" in expected:
        with pytest.raises(ERRORS[expected["error"]]):
            datasets_of(case, tmp_path, 1)
        return
    datasets = datasets_of(case, tmp_path, 1)
    assert sum(dataset.train_images for dataset in datasets) == expected["num_train_images"]
    assert sum(dataset.reg_images for dataset in datasets) == expected["num_reg_images"]
    assert sum(dataset.batch_count for dataset in datasets) == expected["total_batches"]
    for dataset, wanted in zip(datasets, expected["datasets"], strict=True):
        check_dataset(dataset, wanted, tmp_path)
    for batch, wanted in case["by_batch"].items():
        datasets = datasets_of(case, tmp_path, int(batch))
        assert sum(dataset.batch_count for dataset in datasets) == wanted["total_batches"]
        assert [dataset.plan.batch_size for dataset in datasets] == wanted["batch_sizes"]
        for dataset, of_buckets in zip(datasets, wanted["per_bucket"], strict=True):
            size = dataset.plan.batch_size
            shapes = {
                f"{w}x{h}": [-(-len(e) // size), (len(e) - 1) % size + 1] for (w, h), e in dataset.buckets.items()
            }
            assert shapes == of_buckets


def check_dataset(dataset: Dataset, wanted: dict[str, Any], root: Path) -> None:
    found = [
        {
            "file": picture.path.relative_to(root).as_posix(),
            "repeats": picture.repeats,
            "caption": picture.caption,
            "is_reg": picture.subset.regularisation,
            "size": list(picture.size),
            "bucket": list(picture.fit.bucket),
            "resized": list(picture.fit.resized),
        }
        for picture in dataset.pictures
    ]
    assert sorted(found, key=lambda row: row["file"]) == sorted(wanted["images"], key=lambda row: row["file"])
    assert {subset.folder.name: tags for subset, _, tags in dataset.found} == wanted["tag_frequency"]
    info = wanted["bucket_info"]
    if info is not None:
        assert dataset.ratio_error == pytest.approx(info["mean_img_ar_error"])
        counts = [{"resolution": list(size), "count": len(entries)} for size, entries in dataset.buckets.items()]
        assert counts == list(info["buckets"].values())
    subsets = {subset.folder.relative_to(root).as_posix(): (subset, count) for subset, count, _ in dataset.found}
    for row in wanted["subsets"]:
        subset, count = subsets[row["image_dir"]]
        assert (count, subset.repeats, subset.regularisation) == (row["img_count"], row["num_repeats"], row["is_reg"])
        assert (subset.class_tokens, subset.caption_extension) == (row["class_tokens"], row["caption_extension"])
        assert (subset.captions.keep_tokens, subset.captions.shuffle) == (row["keep_tokens"], row["shuffle_caption"])
        assert subset.flip == row["flip_aug"]


@pytest.mark.parametrize("row", VECTORS["steps"], ids=lambda row: "-".join(str(value) for value in row.values()))
def test_steps_are_the_reference_trainers(row: dict[str, int]) -> None:
    count = count_steps(
        row["batches"],
        epochs=row.get("max_train_epochs"),
        steps=row.get("given_max_train_steps"),
        processes=row["processes"],
        accumulation=row["accumulation"],
    )
    if "max_train_epochs" in row:
        assert count.total == row["max_train_steps"]
    else:
        assert (count.batches, count.per_epoch, count.epochs) == (
            row["dataloader_len"],
            row["updates_per_epoch"],
            row["num_train_epochs"],
        )


def test_too_many_steps_are_told() -> None:
    check_steps(count_steps(10, epochs=1000))
    with pytest.raises(TooManySteps):
        check_steps(count_steps(10, epochs=1001))


def small_dataset(root: Path, **sizes: tuple[int, int]) -> Dataset:
    make_files(root, {f"3_x/{name}.png": list(size) for name, size in sizes.items()})
    plan = plan_from_file(
        Path(os.devnull),
        ["--train_data_dir", str(root), "--resolution", "512", "--enable_bucket", "--train_batch_size", "2"],
    )
    return read_dataset(dataset_plans(plan)[0])


def test_batches_hold_every_entry_once_and_never_mix_buckets(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, a=(512, 512), b=(512, 512), c=(512, 768))
    made = [batches(dataset, seed=7, epoch=epoch) for epoch in (1, 2)]
    assert made[0] != made[1]
    assert made[0] == batches(dataset, seed=7, epoch=1)
    for epoch in made:
        entries = [entry for batch in epoch for entry in batch]
        assert sorted(entries) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert all(len({dataset.pictures[entry].fit.bucket for entry in batch}) == 1 for batch in epoch)
        assert len(epoch) == dataset.batch_count == 5


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    make_files(tmp_path, {"2_x/a.png": [64, 64], "2_x/b.Png": [64, 64], "sin_numero/c.png": [64, 64]})
    (tmp_path / "2_x" / "rota.png").write_bytes(b"no soy una imagen")
    told: list[SdcolabError] = []
    subsets = tuple(folders_with_repeats(tmp_path, hear=told.append))
    dataset = read_dataset(DatasetPlan(BucketRules(), subsets), told.append)
    assert [picture.path.name for picture in dataset.pictures] == ["a.png"]
    assert [type(error) for error in told] == [FolderWithoutRepeats, PictureSkipped, PictureSkipped]
    assert explain(told[0]).advice.endswith("por ejemplo «10_sin_numero».")


def test_a_folder_without_a_number_is_why_there_is_nothing(tmp_path: Path) -> None:
    plan = TrainingPlan(train_data_dir=str(tmp_path))
    with pytest.raises(DatasetEmpty) as nothing:
        preview(plan)
    assert nothing.value.folder == tmp_path
    draw_pictures(tmp_path / "buenas", 1)
    with pytest.raises(FolderWithoutRepeats):
        preview(plan)
    draw_pictures(tmp_path / "1_otras", 1)
    assert any(isinstance(warning, FolderWithoutRepeats) for warning in preview(plan).warnings)


def test_half_a_picture_is_left_out_before_anything_is_trained(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "1_x", 2)
    whole, half = sorted((tmp_path / "1_x").glob("*.png"))
    for suffix in (".jpg", ".bmp", ".webp"):
        Image.open(whole).save(whole.with_suffix(suffix))
        cut_off = half.with_suffix(suffix)
        cut_off.write_bytes(whole.with_suffix(suffix).read_bytes()[: whole.with_suffix(suffix).stat().st_size // 2])
    half.unlink()
    told: list[SdcolabError] = []
    dataset = read_dataset(dataset_plans(TrainingPlan(train_data_dir=str(tmp_path)))[0], told.append)
    assert {picture.path.stem for picture in dataset.pictures} == {whole.stem}
    assert len(dataset.pictures) == 4
    assert [type(error) for error in told] == [PictureSkipped] * 3


def test_all_captions_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "1_x", 4)
    first, second, third, _ = sorted((tmp_path / "1_x").glob("*.txt"))
    for path in (first, second):
        path.write_bytes("niña".encode("cp1252"))
    third.write_bytes(b"")
    plan = TrainingPlan(train_data_dir=str(tmp_path), caption_extension=".txt")
    with pytest.raises(CaptionUnreadable) as unreadable:
        preview(plan)
    assert "Hay 2 descripciones que no están en UTF-8" in explain(unreadable.value).text
    first.write_text("a"), second.write_text("b")
    with pytest.raises(CaptionEmpty) as empty:
        preview(plan)
    assert "Hay 1 descripción vacía" in explain(empty.value).text


def test_why_a_folder_has_nothing_to_train_is_told(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "0_zorro", 1)
    with pytest.raises(FolderOfNoRepeats) as no_repeats:
        preview(TrainingPlan(train_data_dir=str(tmp_path)))
    assert "«10_zorro»" in explain(no_repeats.value).advice
    draw_pictures(tmp_path / "otra" / "5_zorro", 1)
    with pytest.raises(FolderOfRepeats) as itself:
        preview(TrainingPlan(train_data_dir=str(tmp_path / "otra" / "5_zorro")))
    assert itself.value.parent == tmp_path / "otra"
    draw_pictures(tmp_path / "sueltas", 3)
    with pytest.raises(PicturesLoose) as loose:
        preview(TrainingPlan(train_data_dir=str(tmp_path / "sueltas")))
    assert (loose.value.count, loose.value.name) == (3, "sueltas")


def test_what_is_not_served_is_told_before_training(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "1_x", 1)
    (fault,) = preview(TrainingPlan(train_data_dir=str(tmp_path), color_aug=True)).faults
    assert isinstance(fault, PlanOptionUnserved)


def test_masks_are_no_pictures_of_their_own(tmp_path: Path) -> None:
    make_files(tmp_path, {"1_x/a.png": [64, 64], "1_x/a_mask.png": [64, 64], "1_x/b_mask.png": [64, 64]})
    plan = plan_from_file(Path(os.devnull), ["--train_data_dir", str(tmp_path), "--resolution", "512"])
    pictures = read_dataset(dataset_plans(plan)[0]).pictures
    assert [(picture.path.name, picture.mask and picture.mask.name) for picture in pictures] == [
        ("a.png", "a_mask.png"),
        ("b_mask.png", None),
    ]


def test_a_dataset_whose_mask_was_painted_again_is_another(tmp_path: Path) -> None:
    make_files(tmp_path, {"1_x/a.png": [64, 64], "1_x/a_mask.png": [64, 64]})
    plans = dataset_plans(plan_from_file(Path(os.devnull), ["--train_data_dir", str(tmp_path), "--resolution", "512"]))
    before = dataset_hash([read_dataset(plans[0])])
    assert dataset_hash([read_dataset(plans[0])]) == before
    Image.new("L", (64, 64), 255).save(tmp_path / "1_x" / "a_mask.png")
    assert dataset_hash([read_dataset(plans[0])]) != before


def test_a_photo_is_as_its_camera_held_it(tmp_path: Path) -> None:
    photo = Image.new("RGB", (80, 40))
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    assert picture_size(tmp_path / "a.jpg") == (40, 80)
