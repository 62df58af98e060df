"""What a project's folder holds, before anybody thinks of training: counts, repeats, sizes, and what is wrong with it.
No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sdcolab.core.errors import CaptionsMissing, FewPictures, SdcolabError, TrainingError
from sdcolab.core.words import explain
from sdcolab.core.words import kitchen as words
from sdcolab.training.buckets import BucketRules
from sdcolab.training.dataset import Dataset, DatasetPlan, Subset, folders_with_repeats, picture_paths, read_dataset
from sdcolab.training.preview import LEAST_PICTURES, advice
from sdcolab.training.tags import EXTENSION, has_caption, pictures_below


def survey(folder: Path) -> Iterator[str]:
    """A line for everything that there is to know of ``folder``."""
    pictures = pictures_below(folder)
    described = sum(map(has_caption, pictures))
    yield words.SUM.format(count=len(pictures), described=described, folder=folder)
    warnings: list[SdcolabError] = []
    dataset = _as_trained(folder, warnings)
    if dataset is None:
        warnings += _of_pictures(pictures)
    else:
        yield from _counts(dataset, loose=folder)
        warnings += advice([dataset])
    yield from (f"⚠️ {explain(warning)}" for warning in warnings)


def _as_trained(folder: Path, warnings: list[SdcolabError]) -> Dataset | None:
    """The pictures as a training would read them; None where it could not. What is left out goes to ``warnings``."""
    loose = picture_paths(folder)  # then the form's repeats count, and no folder below
    subsets = [Subset(folder)] if loose else folders_with_repeats(folder, hear=warnings.append)
    read = tuple(replace(subset, caption_extension=EXTENSION) for subset in subsets)
    try:
        return read_dataset(DatasetPlan(BucketRules(), read), warnings.append)
    except TrainingError as error:
        if not warnings:  # else they say why there is nothing
            warnings.append(error)
        return None


def _counts(dataset: Dataset, *, loose: Path) -> Iterator[str]:
    for subset, count, _ in dataset.found:
        if subset.folder == loose:
            yield words.LOOSE.format(count=count)
        else:
            total = count * subset.repeats
            yield words.FOLDER.format(name=subset.folder.name, count=count, repeats=subset.repeats, total=total)
    if len(dataset.found) > 1:
        yield words.IN_ALL.format(total=dataset.train_images)
    sizes = sorted((one.size for one in dataset.pictures), key=lambda size: size[0] * size[1])
    least, most = ("{}×{}".format(*size) for size in (sizes[0], sizes[-1]))
    yield (words.MEASURES if len(set(sizes)) > 1 else words.ONE_SIZE).format(least=least, most=most)


def _of_pictures(pictures: list[Path]) -> list[SdcolabError]:
    found: list[SdcolabError] = [FewPictures(count=len(pictures))] if len(pictures) < LEAST_PICTURES else []
    bare = [path for path in pictures if not has_caption(path)]
    return found + ([CaptionsMissing(count=len(bare), pictures=len(pictures), path=bare[0])] if bare else [])
