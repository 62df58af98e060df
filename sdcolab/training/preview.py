"""What is going to be trained, before anything is: pictures, captions as they will be read, buckets, steps, time. No
torch.
"""

from __future__ import annotations

import base64
import html
import io
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import (
    CaptionsMissing,
    CaptionsUnread,
    DatasetEmpty,
    FewPictures,
    FolderOfNoRepeats,
    FolderWithoutRepeats,
    ManyRepeats,
    MasksUnused,
    NothingLearns,
    PictureUnreadable,
    RateTooHigh,
    SdcolabError,
    TagsRepeated,
    TooManySteps,
)
from sdcolab.core.pictures import DAMAGED, FORMATS
from sdcolab.core.words import explain, human_time
from sdcolab.core.words import training_progress as words
from sdcolab.training.captions import Moment, caption_at
from sdcolab.training.dataset import Dataset, Picture, read_dataset, refuse_unserved
from sdcolab.training.dataset_config import dataset_plans
from sdcolab.training.memory import work_share
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.sample_prompts import read_prompts
from sdcolab.training.steps import MAX_STEPS, StepCount, count_steps

LEAST_PICTURES = 10
MOST_REPEATED = 400
"""The guide's advice: at least ten pictures, and at most 400 with their repeats."""
HIGHEST_RATE = 0.01
"""Ten times the guide's highest: above it, optimisers that take the rate as it is ruin the LoRA in a few steps."""
_OWN_RATE = ("prodigy", "dadapt")
OFTEN = 0.8
SHOWN = 8
_CAPTIONS = (".txt", ".caption")
"""How captions end: of taggers and of the guide, and of sd-scripts where nobody says."""
_THUMBNAIL = 128

_MEGAPIXEL = 1_000_000
_SECONDS = {(False, "gpu"): 1.7, (True, "gpu"): 3.4, (False, "cpu"): 100.0, (True, "cpu"): 400.0}
"""Seconds per megapixel of a batch on a T4 and on two cores of a CPU, by SDXL or not: only to know how long to wait."""
_START = 8.0
"""Seconds to begin."""
_STEP = {"gpu": 0.08, "cpu": 0.3}
"""Seconds of each step whatever its size: on a CPU, where small models go, as the demo's take
(``tools/bench/training.py``)."""


@dataclass(frozen=True, slots=True)
class Preview:
    """``warnings`` are advice; ``faults`` make it useless to begin. ``share``: of a full-size model's work, what the
    base needs."""

    plan: TrainingPlan
    datasets: tuple[Dataset, ...]
    steps: StepCount
    warnings: tuple[SdcolabError, ...]
    faults: tuple[SdcolabError, ...]
    share: float = 1.0

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures."""
        return tuple(picture for dataset in self.datasets for picture in dataset.pictures)

    def seconds(self, *, gpu: bool) -> float:
        """About how long the training takes."""
        sizes = [picture.fit.bucket for picture in self.pictures]
        pixels = sum(width * height for width, height in sizes) / max(1, len(sizes)) / _MEGAPIXEL
        batch = self.datasets[0].plan.batch_size * self.plan.gradient_accumulation_steps
        place = "gpu" if gpu else "cpu"
        step = batch * pixels * _SECONDS[self.plan.sdxl, place] * self.share
        return _START + self.steps.total * (_STEP[place] + step)


def preview(plan: TrainingPlan) -> Preview:
    """Look at the pictures of ``plan``. Raises ``TrainingError`` where there is nothing to look at."""
    warnings: list[SdcolabError] = []
    try:
        datasets = tuple(read_dataset(one, warnings.append) for one in dataset_plans(plan, warnings.append))
    except DatasetEmpty:
        for warning in warnings:
            if isinstance(warning, FolderWithoutRepeats | FolderOfNoRepeats):  # why it is empty
                raise warning from None
        raise
    steps = count_steps(
        sum(dataset.batch_count for dataset in datasets),
        epochs=plan.max_train_epochs,
        steps=plan.max_train_steps,
        accumulation=plan.gradient_accumulation_steps,
    )
    faults: list[SdcolabError] = [TooManySteps(count=steps.total, limit=MAX_STEPS)] if steps.total > MAX_STEPS else []
    for check in (lambda: refuse_unserved(datasets), lambda: read_prompts(plan)):
        try:
            check()
        except SdcolabError as error:
            faults.append(error)
    warnings += [*rate_advice(plan), *mask_advice(plan, datasets)]
    share = work_share(Path(plan.pretrained_model_name_or_path or ""))
    return Preview(plan, datasets, steps, (*warnings, *advice(datasets)), tuple(faults), share)


def advice(datasets: Sequence[Dataset]) -> list[SdcolabError]:
    """What the guide would say of these pictures."""
    train = [one for dataset in datasets for one in dataset.pictures if not one.subset.regularisation]
    told: list[SdcolabError] = []
    if len(train) < LEAST_PICTURES:
        told.append(FewPictures(count=len(train)))
    repeated = sum(dataset.train_images for dataset in datasets)
    if repeated > MOST_REPEATED:
        told.append(ManyRepeats(count=repeated))
    bare = [one for one in train if not one.captioned]
    unread = Counter(pair for one in bare if (pair := _unread(one)))
    told += [CaptionsUnread(count=count, found=found, extension=read) for (found, read), count in unread.items()]
    if missing := [one for one in bare if not _unread(one)]:
        told.append(CaptionsMissing(count=len(missing), pictures=len(train), path=missing[0].path))
    often = frequent_tags([one.caption for one in train if one.captioned])
    if often:
        told.append(TagsRepeated(tags=", ".join(often)))
    return told


def rate_advice(plan: TrainingPlan) -> list[SdcolabError]:
    """What is said of a learning rate that nobody means: a lost sign in the exponent, or none at all."""
    if plan.network_train_text_encoder_only:
        return []
    rate = plan.rate_unet
    if rate == 0:
        return [NothingLearns()]
    finds_its_own = plan.optimizer_type.casefold().startswith(_OWN_RATE)
    return [RateTooHigh(rate=f"{rate:g}")] if rate > HIGHEST_RATE and not finds_its_own else []


def mask_advice(plan: TrainingPlan, datasets: Sequence[Dataset]) -> list[SdcolabError]:
    """What is said of masks that lie beside the pictures of a plan that does not want any."""
    pictures = [picture for dataset in datasets for picture in dataset.pictures if not picture.subset.alpha_mask]
    masks = [picture.mask for picture in pictures if picture.mask]
    return [MasksUnused(count=len(masks), path=masks[0])] if masks and not plan.masked_loss else []


def _unread(picture: Picture) -> tuple[str, str] | None:
    """How the caption beside ``picture`` ends that another trainer would read, and how the one ends that is read."""
    read = picture.subset.caption_extension
    found = next((end for end in _CAPTIONS if end != read and picture.path.with_suffix(end).is_file()), None)
    return (found, read) if found else None


def frequent_tags(captions: Sequence[str], share: float = OFTEN) -> tuple[str, ...]:
    """Tags of more than ``share`` of the captions, except those that all begin with: their activation words."""
    tags = [[tag.strip() for tag in caption.split(",") if tag.strip()] for caption in captions]
    first = Counter(row[0] for row in tags if row)
    counts = Counter(tag for row in tags for tag in dict.fromkeys(row))
    if len(captions) < 2:
        return ()
    return tuple(
        tag
        for tag, count in counts.most_common(20)
        if count > share * len(captions) and first[tag] < share * len(captions)
    )


def lines(seen: Preview, *, gpu: bool, explained: Callable[[SdcolabError], object] = explain) -> list[str]:
    """The preview as the notebook and the command print it; ``explained`` says an error in that face's words."""
    told = []
    for dataset in seen.datasets:
        for subset, count, _ in dataset.found:
            told.append(f"📁 {subset.folder.name}{words.REGULARISATION if subset.regularisation else ''}")
            told.append(words.FOUND.format(count=count, repeats=subset.repeats, total=count * subset.repeats))
    buckets = Counter(picture.fit.bucket for picture in seen.pictures)
    shown = ", ".join(f"{width}×{height} ({count})" for (width, height), count in sorted(buckets.items())[:12])
    masked = sum(
        picture.mask is not None and (seen.plan.masked_loss or picture.subset.alpha_mask) for picture in seen.pictures
    )
    if masked:
        told.append(words.MASKED.format(count=masked))
    steps, batch = seen.steps, seen.datasets[0].plan.batch_size
    told.append(words.SIZES.format(sizes=shown))
    told.append(words.BATCHES.format(batch=batch, steps=steps.per_epoch))
    told.append(words.EPOCHS.format(epochs=steps.epochs, steps=steps.total))
    time = human_time(seen.seconds(gpu=gpu))
    told.append(words.ESTIMATE.format(place=words.ON_T4 if gpu else words.WITHOUT_CARD, time=time))
    told += [f"⚠️ {explained(warning)}" for warning in seen.warnings]
    told += [f"💥 {explained(fault)}" for fault in seen.faults]
    return told


def as_html(seen: Preview, chance: random.Random | None = None) -> str:
    """Some pictures as they will be cut, each with a caption as it may be read."""
    chance = chance or random.Random(0)
    pictures = list(seen.pictures)
    chosen = sorted(chance.sample(range(len(pictures)), min(SHOWN, len(pictures))))
    cells = []
    for index in chosen:
        picture = pictures[index]
        text = caption_at(picture.caption, picture.subset.captions, Moment(), chance) or words.NO_CAPTION
        try:
            image = thumbnail(picture)
        except SdcolabError:
            continue
        width, height = picture.fit.bucket
        cells.append(
            '<figure style="margin:0;max-width:160px">'
            f'<img alt="" style="max-width:100%" src="data:image/jpeg;base64,{image}">'
            '<figcaption style="font-size:12px;overflow-wrap:anywhere">'
            f"{html.escape(text)}<br><small>{width}×{height} · {picture.repeats} {words.REPEATS}</small>"
            "</figcaption></figure>"
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(cells)}</div>'


def thumbnail(picture: Picture) -> str:
    """The middle of the picture that is trained, small, as base64 JPEG. Raises ``PictureUnreadable``."""
    try:
        with Image.open(picture.path, formats=FORMATS) as image:
            small = image.convert("RGB")
            small.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL))
            ratio = picture.fit.bucket[0] / picture.fit.bucket[1]
            width, height = small.size
            room = (min(width, round(height * ratio)), min(height, round(width / ratio)))
            left, top = (width - room[0]) // 2, (height - room[1]) // 2
            small = small.crop((left, top, left + room[0], top + room[1]))
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=80)
    except DAMAGED as error:
        raise PictureUnreadable(path=picture.path) from error
    return base64.b64encode(out.getvalue()).decode("ascii")
