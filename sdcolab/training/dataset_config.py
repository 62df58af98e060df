"""From a plan to its folders: ``N_words`` folders, or a TOML file with sd-scripts' three levels, of which the lower
wins.

Levels: ``[general]``, ``[[datasets]]``, ``[[datasets.subsets]]`` (hechos/extensiones.md 11, "Data").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcolab.core.errors import (
    DatasetEmpty,
    DatasetMissing,
    FolderOfRepeats,
    PicturesLoose,
    PlanOptionUnknown,
    PlanOptionUnserved,
    TrainingError,
    TrainingPlanUnreadable,
)
from sdcolab.core.registry import closest
from sdcolab.core.words import training_progress as words
from sdcolab.training.buckets import BucketRules
from sdcolab.training.captions import CaptionRules
from sdcolab.training.dataset import (
    Complain,
    DatasetPlan,
    Subset,
    folders_with_repeats,
    ignore,
    picture_paths,
)
from sdcolab.training.plan import TrainingPlan, as_bool, as_number, parse_resolution, plan_from_options, read_toml

SHARED_BY_SUBSETS = (
    *("caption_extension", "shuffle_caption", "caption_separator", "keep_tokens", "keep_tokens_separator"),
    *("secondary_separator", "enable_wildcard", "caption_prefix", "caption_suffix", "caption_dropout_rate"),
    *("caption_dropout_every_n_epochs", "caption_tag_dropout_rate", "token_warmup_min", "token_warmup_step"),
    *("flip_aug", "color_aug", "random_crop", "alpha_mask"),
)
"""Options of a folder that a higher level may say for all its folders."""
OF_DATASETS = (
    *("resolution", "enable_bucket", "min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale"),
    "batch_size",
)
OF_SUBSETS = ("image_dir", "num_repeats", "is_reg", "class_tokens")
_UNSERVED = ("face_crop_aug_range", "metadata_file", "conditioning_data_dir", "cache_info", "network_multiplier")


def dataset_plans(plan: TrainingPlan, hear: Complain = ignore) -> tuple[DatasetPlan, ...]:
    """The folders of ``plan``; those that are left out are told to ``hear``. Raises ``DatasetMissing``,
    ``DatasetEmpty``, ``PicturesLoose``, ``FolderOfRepeats``, ``TrainingPlanUnreadable``, ``PlanOptionUnknown``,
    ``RequestError``.
    """
    if plan.dataset_config:
        return _from_toml(plan, Path(plan.dataset_config))
    if not plan.train_data_dir:
        raise DatasetMissing(folder=Path("train_data_dir"))
    base = _subset(_given(plan, SHARED_BY_SUBSETS))
    subsets = [*folders_with_repeats(Path(plan.train_data_dir), hear=hear)]
    if not subsets:
        raise why_there_is_nothing(Path(plan.train_data_dir))
    if plan.reg_data_dir:
        subsets += folders_with_repeats(Path(plan.reg_data_dir), regularisation=True, hear=hear)
    own = tuple(
        replace(
            base,
            folder=subset.folder,
            repeats=subset.repeats,
            regularisation=subset.regularisation,
            class_tokens=subset.class_tokens,
        )
        for subset in subsets
    )
    return (_dataset({**_given(plan, OF_DATASETS[:-1]), "batch_size": plan.train_batch_size}, own, plan),)


def why_there_is_nothing(folder: Path) -> TrainingError:
    """What is wrong with a folder that has no folder with a number in it: pictures may lie right there."""
    loose = picture_paths(folder)
    if not loose:
        return DatasetEmpty(folder=folder)
    if folder.name.partition("_")[0].isdigit():
        return FolderOfRepeats(folder=folder, parent=folder.parent)
    return PicturesLoose(folder=folder, count=len(loose), name=folder.name)


def _given(plan: TrainingPlan, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in names}


def _from_toml(plan: TrainingPlan, path: Path) -> tuple[DatasetPlan, ...]:
    table = read_toml(path)
    general = _level(table.get("general", {}), (*SHARED_BY_SUBSETS, *OF_DATASETS, "num_repeats"), path)
    fallback = {
        **_given(plan, (*SHARED_BY_SUBSETS, *OF_DATASETS[:-1])),
        "batch_size": plan.train_batch_size,
    }
    made = []
    for raw in _tables(table, "datasets", path):
        level = {name: value for name, value in raw.items() if name != "subsets"}
        of_dataset = {**fallback, **general, **_level(level, (*SHARED_BY_SUBSETS, *OF_DATASETS, "num_repeats"), path)}
        subsets = []
        for entry in _tables(raw, "subsets", path):
            own = _level(entry, (*SHARED_BY_SUBSETS, *OF_SUBSETS), path)
            if not isinstance(own.get("image_dir"), str):
                raise TrainingPlanUnreadable(path=path, detail=words.NO_IMAGE_DIR)
            subsets.append(
                _subset({**of_dataset, **own, "image_dir": path.parent / Path(own["image_dir"]).expanduser()})
            )
        made.append(_dataset(of_dataset, tuple(subsets), plan))
    if not made:
        raise TrainingPlanUnreadable(path=path, detail=words.NO_DATASETS)
    return tuple(made)


def _tables(table: Mapping[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise TrainingPlanUnreadable(path=path, detail=words.NO_LIST_OF_TABLES.format(name=name))
    return found


def _level(raw: Any, known: tuple[str, ...], path: Path) -> dict[str, Any]:
    """One level's options, checked and converted. Raises ``PlanOptionUnknown``, ``PlanOptionUnserved``."""
    if not isinstance(raw, dict):
        raise TrainingPlanUnreadable(path=path, detail=words.NO_TABLE)
    own: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for name, value in raw.items():
        if name in _UNSERVED:
            if value:
                raise PlanOptionUnserved(name=name)
        elif name not in known:
            raise PlanOptionUnknown(name=name, suggestions=closest(name, list(known)))
        elif name in OF_SUBSETS:
            own[name] = value
        else:
            shared["train_batch_size" if name == "batch_size" else name] = value
    checked = plan_from_options(shared)
    for name in shared:
        own["batch_size" if name == "train_batch_size" else name] = getattr(checked, name)
    return own


def _subset(options: Mapping[str, Any]) -> Subset:
    """A folder from its options, those of its levels included."""
    return Subset(
        folder=Path(options.get("image_dir", "")),
        repeats=as_number("num_repeats", options.get("num_repeats", 1), int),
        regularisation=as_bool("is_reg", options.get("is_reg", False)),
        class_tokens=options.get("class_tokens"),
        caption_extension=options["caption_extension"],
        captions=CaptionRules(
            prefix=options["caption_prefix"] or "",
            suffix=options["caption_suffix"] or "",
            separator=options["caption_separator"],
            secondary_separator=options["secondary_separator"] or "",
            shuffle=options["shuffle_caption"],
            keep_tokens=options["keep_tokens"],
            keep_tokens_separator=options["keep_tokens_separator"] or "",
            wildcards=options["enable_wildcard"],
            dropout_rate=options["caption_dropout_rate"],
            dropout_every_n_epochs=options["caption_dropout_every_n_epochs"],
            tag_dropout_rate=options["caption_tag_dropout_rate"],
            token_warmup_min=options["token_warmup_min"],
            token_warmup_step=options["token_warmup_step"],
        ),
        flip=options["flip_aug"],
        colour=options["color_aug"],
        random_crop=options["random_crop"],
        alpha_mask=options["alpha_mask"],
    )


def _dataset(options: Mapping[str, Any], subsets: tuple[Subset, ...], plan: TrainingPlan) -> DatasetPlan:
    text = options["resolution"] or ("1024" if plan.sdxl else "512")
    return DatasetPlan(
        rules=BucketRules(
            area=parse_resolution(text),
            enabled=options["enable_bucket"],
            shortest=options["min_bucket_reso"],
            longest=options["max_bucket_reso"],
            step=options["bucket_reso_steps"],
            no_upscale=options["bucket_no_upscale"],
        ),
        subsets=subsets,
        batch_size=options["batch_size"],
    )
