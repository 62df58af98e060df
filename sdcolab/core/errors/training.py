"""What can go wrong when a LoRA is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class TrainingError(SdcolabError):
    """The training cannot start, or had to stop."""


@dataclass(eq=False)
class BucketRange(TrainingError):
    """The resolution lies outside the sizes allowed to pictures; ``bound`` is the field that is too narrow."""

    code: ClassVar[str] = "training.bucket_range"
    bound: str
    value: int
    resolution: str


@dataclass(eq=False)
class PictureTooSmall(TrainingError):
    """A picture is smaller than one step of the buckets and must not be enlarged."""

    code: ClassVar[str] = "training.picture_too_small"
    width: int
    height: int
    step: int


@dataclass(eq=False)
class WarmupUnused(TrainingError):
    """Warm-up steps were asked for with the schedule that has none."""

    code: ClassVar[str] = "training.warmup_unused"


@dataclass(eq=False)
class DatasetMissing(TrainingError):
    """The folder of training pictures does not exist."""

    code: ClassVar[str] = "training.dataset_missing"
    folder: Path


@dataclass(eq=False)
class DatasetEmpty(TrainingError):
    """No picture was found in the folder, or in the folders with a number in it."""

    code: ClassVar[str] = "training.dataset_empty"
    folder: Path


@dataclass(eq=False)
class DatasetChanged(TrainingError):
    """A plan that is repeated finds other pictures or captions than it was trained with."""

    code: ClassVar[str] = "training.dataset_changed"


@dataclass(eq=False)
class FolderWithoutRepeats(TrainingError):
    """A folder of pictures has no number of repeats at the front of its name, and is left out. ``name`` is its own."""

    code: ClassVar[str] = "training.folder_without_repeats"
    folder: Path
    name: str


@dataclass(eq=False)
class FolderOfNoRepeats(TrainingError):
    """A folder of pictures asks for less than one repeat of each. ``name`` is what follows its number."""

    code: ClassVar[str] = "training.folder_of_no_repeats"
    folder: Path
    name: str


@dataclass(eq=False)
class PicturesLoose(TrainingError):
    """``count`` pictures lie right in the folder, and not in one with their repeats inside it. ``name``: a name for
    that one.
    """

    code: ClassVar[str] = "training.pictures_loose"
    folder: Path
    count: int
    name: str


@dataclass(eq=False)
class FolderOfRepeats(TrainingError):
    """The folder to train is one with its repeats itself, and not the ``parent`` that holds such folders."""

    code: ClassVar[str] = "training.folder_of_repeats"
    folder: Path
    parent: Path


@dataclass(eq=False)
class PictureSkipped(TrainingError):
    """A file that is a picture has a suffix that trainers do not read, or cannot be opened, and is left out."""

    code: ClassVar[str] = "training.picture_skipped"
    path: Path


@dataclass(eq=False)
class CaptionUnreadable(TrainingError):
    """``count`` captions, for example ``path``, are not UTF-8, or too long to be captions."""

    code: ClassVar[str] = "training.caption_unreadable"
    path: Path
    count: int = 1


@dataclass(eq=False)
class CaptionEmpty(TrainingError):
    """``count`` caption files, for example ``path``, without a single byte."""

    code: ClassVar[str] = "training.caption_empty"
    path: Path
    count: int = 1


@dataclass(eq=False)
class CaptionsMissing(TrainingError):
    """``count`` of ``total`` pictures have no caption, for example ``path``."""

    code: ClassVar[str] = "training.captions_missing"
    count: int
    pictures: int
    path: Path


@dataclass(eq=False)
class CaptionsUnread(TrainingError):
    """``count`` pictures have a caption that ends in ``found``, and those that end in ``extension`` are read."""

    code: ClassVar[str] = "training.captions_unread"
    count: int
    found: str
    extension: str


@dataclass(eq=False)
class MasksUnused(TrainingError):
    """``count`` pictures have a mask, for example ``path``, and the plan does not ask for masks."""

    code: ClassVar[str] = "training.masks_unused"
    count: int
    path: Path


@dataclass(eq=False)
class FewPictures(TrainingError):
    """Fewer pictures than the guide advises."""

    code: ClassVar[str] = "training.few_pictures"
    count: int


@dataclass(eq=False)
class ManyRepeats(TrainingError):
    """Pictures times repeats exceed what the guide advises."""

    code: ClassVar[str] = "training.many_repeats"
    count: int


@dataclass(eq=False)
class TooManySteps(TrainingError):
    """More steps than anybody means."""

    code: ClassVar[str] = "training.too_many_steps"
    count: int
    limit: int


@dataclass(eq=False)
class ProjectMissing(TrainingError):
    """No project was named."""

    code: ClassVar[str] = "training.project_missing"


@dataclass(eq=False)
class ProjectNotChosen(TrainingError):
    """A form's list of projects has nothing chosen in it."""

    code: ClassVar[str] = "training.project_not_chosen"


@dataclass(eq=False)
class NothingTrained(TrainingError):
    """There is no finished LoRA of the project to try, or no project was chosen."""

    code: ClassVar[str] = "training.nothing_trained"


@dataclass(eq=False)
class ProjectName(TrainingError):
    """The project's name is too long or has characters that a folder must not have."""

    code: ClassVar[str] = "training.project_name"
    name: str


@dataclass(eq=False)
class TrainingPlanUnreadable(TrainingError):
    """A plan is no TOML, or has something in it that cannot be: ``detail`` says where."""

    code: ClassVar[str] = "training.plan_unreadable"
    path: Path
    detail: str


@dataclass(eq=False)
class PlanOptionUnknown(TrainingError):
    """A plan has an option that does not exist, ours or sd-scripts'."""

    code: ClassVar[str] = "training.plan_option_unknown"
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class PlanOptionUnserved(TrainingError):
    """A plan asks for an option of sd-scripts that this program does not have."""

    code: ClassVar[str] = "training.plan_option_unserved"
    name: str


@dataclass(eq=False)
class AlphaAboveDim(TrainingError):
    """``alpha`` is greater than ``dim``: the LoRA would start stronger than it was trained."""

    code: ClassVar[str] = "training.alpha_above_dim"
    alpha: float
    dim: int


@dataclass(eq=False)
class PlanConflict(TrainingError):
    """Two options of a plan exclude each other."""

    code: ClassVar[str] = "training.plan_conflict"
    name: str
    other: str


@dataclass(eq=False)
class BaseWrongFamily(TrainingError):
    """The base model belongs to a family that cannot be trained, or to another one than was said."""

    code: ClassVar[str] = "training.base_wrong_family"
    path: Path
    family: str


@dataclass(eq=False)
class BaseUnlicensed(TrainingError):
    """The base model called ``name`` came from a leak and is not offered; ``instead`` is one that is."""

    code: ClassVar[str] = "training.base_unlicensed"
    name: str
    instead: str


@dataclass(eq=False)
class RateTooHigh(TrainingError):
    """The learning rate of the UNet burns any LoRA."""

    code: ClassVar[str] = "training.rate_too_high"
    rate: str


@dataclass(eq=False)
class NothingLearns(TrainingError):
    """The UNet's learning rate is 0: the picture side of the LoRA stays as it is."""

    code: ClassVar[str] = "training.nothing_learns"


@dataclass(eq=False)
class BaseMissing(TrainingError):
    """No base model was named, or the file is not there."""

    code: ClassVar[str] = "training.base_missing"
    name: str


@dataclass(eq=False)
class TrainingMemory(TrainingError):
    """The training does not fit in memory with any saving; ``place``: in whose, in words."""

    code: ClassVar[str] = "training.memory"
    place: str
    needed: int
    free: int


@dataclass(eq=False)
class TrainingSaving(TrainingError):
    """To fit in memory the training goes on with a saving: ``saving`` is one of ``SAVINGS`` in the words."""

    code: ClassVar[str] = "training.saving"
    saving: str


@dataclass(eq=False)
class SamplesSkipped(TrainingError):
    """There is no room in the machine's memory for the model that is trained while its card draws samples."""

    code: ClassVar[str] = "training.samples_skipped"
    needed: int
    free: int


@dataclass(eq=False)
class TrainingDiverged(TrainingError):
    """The loss is no number, at ``step``. ``rate`` is the UNet's learning rate; ``kept`` the last good file."""

    code: ClassVar[str] = "training.diverged"
    step: int
    rate: float
    precision: str
    kept: str


@dataclass(eq=False)
class LossJumped(TrainingError):
    """The loss is far above what it was: the rate is too high. ``rate`` is the UNet's learning rate."""

    code: ClassVar[str] = "training.loss_jumped"
    step: int
    rate: float


@dataclass(eq=False)
class StateUnusable(TrainingError):
    """A saved state cannot be continued: it is damaged, or of another plan or dataset."""

    code: ClassVar[str] = "training.state_unusable"
    folder: Path
    detail: str


@dataclass(eq=False)
class TrainingKept(TrainingError):
    """What a training that was interrupted has learnt up to ``step`` is kept, and the same one goes on from there."""

    code: ClassVar[str] = "training.kept"
    step: int


@dataclass(eq=False)
class OptimizerUnknown(TrainingError):
    """No optimiser of that name can be imported."""

    code: ClassVar[str] = "training.optimizer_unknown"
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class NothingToTrain(TrainingError):
    """Both learning rates are zero, or no layer of the model fits."""

    code: ClassVar[str] = "training.nothing_to_train"


@dataclass(eq=False)
class TaggerMissing(TrainingError):
    """The tagger's folder lacks ``missing``."""

    code: ClassVar[str] = "training.tagger_missing"
    folder: Path
    missing: str


@dataclass(eq=False)
class TaggerDamaged(TrainingError):
    """The tagger's model at ``path`` cannot be opened."""

    code: ClassVar[str] = "training.tagger_damaged"
    path: Path


@dataclass(eq=False)
class PictureFolderName(TrainingError):
    """``name`` cannot be a folder of pictures."""

    code: ClassVar[str] = "training.picture_folder_name"
    name: str


@dataclass(eq=False)
class NothingToUndo(TrainingError):
    """No caption of the folder was written here, or all are as they were before."""

    code: ClassVar[str] = "training.nothing_to_undo"
    folder: Path


@dataclass(eq=False)
class UnsavedCaptions(TrainingError):
    """``count`` captions of the tag editor are not saved yet, and what was asked would write over them."""

    code: ClassVar[str] = "training.unsaved_captions"
    count: int


@dataclass(eq=False)
class TagsRepeated(TrainingError):
    """Tags that nearly every picture has: candidates for cleaning, as the guide says. ``tags`` is one text."""

    code: ClassVar[str] = "training.tags_repeated"
    tags: str


@dataclass(eq=False)
class TrainingKilled(TrainingError):
    """The system ended the training's process: memory ran out."""

    code: ClassVar[str] = "training.killed"


@dataclass(eq=False)
class CaptionerCrashed(TrainingError):
    """The process that writes sentences ended by itself with exit code ``number``; ``detail`` is its last line."""

    code: ClassVar[str] = "training.captioner_crashed"
    number: int
    detail: str


@dataclass(eq=False)
class TrainingCrashed(TrainingError):
    """The training's process ended by itself with exit code ``number``; ``detail`` is the last line that it wrote."""

    code: ClassVar[str] = "training.crashed"
    number: int
    detail: str


@dataclass(eq=False)
class NothingConfigured(TrainingError):
    """Training was asked for before the cell with its options had run."""

    code: ClassVar[str] = "training.nothing_configured"
