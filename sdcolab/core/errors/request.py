"""What was asked for cannot be done as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class RequestError(SdcolabError):
    """The request cannot be run as it is."""


@dataclass(eq=False)
class FieldOutOfRange(RequestError):
    """A number is outside what the program accepts."""

    code: ClassVar[str] = "request.out_of_range"
    field: str
    value: float
    low: float
    high: float


@dataclass(eq=False)
class FieldNotMultiple(RequestError):
    """A size is not a multiple of what the model needs."""

    code: ClassVar[str] = "request.not_multiple"
    field: str
    value: int
    step: int


@dataclass(eq=False)
class FieldFloored(RequestError):
    """A size was no multiple of what the model needs; the next smaller one is used."""

    code: ClassVar[str] = "request.floored"
    field: str
    value: int
    used: int


@dataclass(eq=False)
class InitImageMissing(RequestError):
    """Starting from a picture was asked for without a picture."""

    code: ClassVar[str] = "request.init_image_missing"


@dataclass(eq=False)
class MaskMissing(RequestError):
    """Painting inside a mask was asked for without a mask."""

    code: ClassVar[str] = "request.mask_missing"


@dataclass(eq=False)
class FieldEmpty(RequestError):
    """A field that holds a number holds nothing."""

    code: ClassVar[str] = "request.empty"
    field: str


@dataclass(eq=False)
class FieldNotNumber(RequestError):
    """A field that holds a number holds something else."""

    code: ClassVar[str] = "request.not_number"
    field: str
    value: str


@dataclass(eq=False)
class FieldWrongType(RequestError):
    """A field of a payload holds another kind of value; ``expected`` is one of the keys of ``VALUE_KINDS``."""

    code: ClassVar[str] = "request.wrong_type"
    field: str
    value: str
    expected: str


@dataclass(eq=False)
class FieldNotOption(RequestError):
    """A field that takes one of a few values holds another; ``suggestions`` are close ones."""

    code: ClassVar[str] = "request.not_option"
    field: str
    value: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class FeatureMissing(RequestError):
    """A field of a payload asks for something that this program does not do."""

    code: ClassVar[str] = "request.feature_missing"
    field: str


@dataclass(eq=False)
class FieldNotPicture(RequestError):
    """A field that holds a picture as text holds something else, or a picture of an unknown format or size."""

    code: ClassVar[str] = "request.not_picture"
    field: str


@dataclass(eq=False)
class PictureIsLink(RequestError):
    """A field that holds a picture holds a link, which the program does not follow."""

    code: ClassVar[str] = "request.picture_is_link"
    field: str


@dataclass(eq=False)
class TooManyInitImages(RequestError):
    """More initial images than images in a batch."""

    code: ClassVar[str] = "request.too_many_init_images"
    count: int
    batch_size: int


@dataclass(eq=False)
class PayloadUnreadable(RequestError):
    """What another program sent is not JSON."""

    code: ClassVar[str] = "request.payload_unreadable"


@dataclass(eq=False)
class PayloadTooLarge(RequestError):
    """What another program sent has more than ``size`` bytes."""

    code: ClassVar[str] = "request.payload_too_large"
    size: int


@dataclass(eq=False)
class PayloadTooSlow(RequestError):
    """What another program sent did not arrive in time."""

    code: ClassVar[str] = "request.payload_too_slow"


@dataclass(eq=False)
class UnknownName(RequestError):
    """A name is in no registry. ``kind`` is the registry's label; ``suggestions`` are close names."""

    code: ClassVar[str] = "request.unknown_name"
    kind: str
    name: str
    suggestions: tuple[str, ...] = ()


@dataclass(eq=False)
class UnknownFile(UnknownName):
    """A file's name is in no folder. ``kind`` is its ``core.detect.ModelKind``."""

    code: ClassVar[str] = "request.unknown_file"


@dataclass(eq=False)
class ForeignFile(UnknownFile):
    """What has the name lies in the folder and is no model that is used here. ``reason`` as in ``ModelUnreadable``."""

    code: ClassVar[str] = "request.foreign_file"
    path: Path = Path()
    reason: str = ""


@dataclass(eq=False)
class ForeignMore(RequestError):
    """There are ``count`` more files like those that were told as ``ForeignFile``."""

    code: ClassVar[str] = "request.foreign_more"
    count: int


@dataclass(eq=False)
class NameNotChosen(UnknownFile):
    """Nothing was chosen where a name is needed."""

    code: ClassVar[str] = "request.name_not_chosen"


@dataclass(eq=False)
class NotDownloaded(UnknownFile):
    """A file that lists offer by its name is not here yet; the catalogue has it."""

    code: ClassVar[str] = "request.not_downloaded"


@dataclass(eq=False)
class EmbeddingMissing(NotDownloaded):
    """A prompt names an embedding of the catalogue that is not here, so that its name is read as text. Told as a
    warning."""

    code: ClassVar[str] = "request.embedding_missing"


@dataclass(eq=False)
class EmbeddingOtherFamily(RequestError):
    """A prompt names an embedding of the catalogue that is not here and was made for another family than the chosen
    model's. Told as a warning."""

    code: ClassVar[str] = "request.embedding_other_family"
    name: str
    family: str
    model_family: str


@dataclass(eq=False)
class PromptSyntaxError(RequestError):
    """The prompt has something that cannot be read; ``position`` counts characters from 0."""

    code: ClassVar[str] = "request.prompt_syntax"
    fragment: str
    position: int


@dataclass(eq=False)
class TooManyBrackets(PromptSyntaxError):
    """More brackets are open at a time than any prompt needs; ``most`` may be."""

    code: ClassVar[str] = "request.too_many_brackets"
    most: int


@dataclass(eq=False)
class NetworkIgnored(RequestError):
    """The prompt names an extra network (``<lora:...>``) that this version does not apply. Told as a warning."""

    code: ClassVar[str] = "request.network_ignored"
    tag: str


@dataclass(eq=False)
class FieldLimited(RequestError):
    """A number is beyond what the program does; the limit is used. Told as a warning."""

    code: ClassVar[str] = "request.limited"
    field: str
    value: float
    used: float


@dataclass(eq=False)
class FieldShaped(RequestError):
    """A side was possible and became smaller with the other one, which was not. Told as a warning."""

    code: ClassVar[str] = "request.shaped"
    field: str
    value: int
    used: int


@dataclass(eq=False)
class FieldIgnored(RequestError):
    """A field means nothing here. Told as a warning."""

    code: ClassVar[str] = "request.ignored"
    field: str


@dataclass(eq=False)
class NameReplaced(RequestError):
    """A model that is not here; what was chosen before is used. Told as a warning. ``kind`` as ``UnknownFile``'s."""

    code: ClassVar[str] = "request.name_replaced"
    kind: str
    name: str
    suggestions: tuple[str, ...]


@dataclass(eq=False)
class ForeignReplaced(NameReplaced):
    """The same, where what has the name lies in its folder and is no model that is used here; as ``ForeignFile``."""

    code: ClassVar[str] = "request.foreign_replaced"
    path: Path = Path()
    reason: str = ""


@dataclass(eq=False)
class ForeignLeftOut(RequestError):
    """What a prompt's tag names lies in its folder and is no model that is used here; the picture is made without it.
    Told as a warning. ``path`` and ``reason`` as ``ForeignFile``'s."""

    code: ClassVar[str] = "request.foreign_left_out"
    tag: str
    path: Path
    reason: str


@dataclass(eq=False)
class StyleMissing(RequestError):
    """A style that nobody saved; the picture is made without it. Told as a warning."""

    code: ClassVar[str] = "request.style_missing"
    name: str
    suggestions: tuple[str, ...]


@dataclass(eq=False)
class LoraMissing(RequestError):
    """A LoRA of the prompt is in no folder; the picture is made without it. Told as a warning."""

    code: ClassVar[str] = "request.lora_missing"
    tag: str
    suggestions: tuple[str, ...]


@dataclass(eq=False)
class HypernetworkMissing(RequestError):
    """A hypernetwork of the prompt is in no folder; the picture is made without it. Told as a warning."""

    code: ClassVar[str] = "request.hypernetwork_missing"
    tag: str
    suggestions: tuple[str, ...]


@dataclass(eq=False)
class NetworkStrengthUnread(RequestError):
    """The strength in a tag is no number; the picture is made without it, as in A1111. Told as a warning."""

    code: ClassVar[str] = "request.network_strength_unread"
    tag: str


@dataclass(eq=False)
class SamplerReplaced(RequestError):
    """A sampler or a schedule that nobody knows; the usual one is used. Told as a warning. ``kind`` as
    ``UnknownName``'s."""

    code: ClassVar[str] = "request.sampler_replaced"
    kind: str
    name: str
    used: str
    suggestions: tuple[str, ...]


@dataclass(eq=False)
class LoraArgumentIgnored(RequestError):
    """A LoRA's tag says more than strengths, as extensions for block weights read it. Told as a warning."""

    code: ClassVar[str] = "request.lora_argument_ignored"
    tag: str


@dataclass(eq=False)
class DecimalComma(RequestError):
    """A weight, or where words come in, has a comma, so that it is read as text. Told as a warning."""

    code: ClassVar[str] = "request.decimal_comma"
    number: str
    better: str


@dataclass(eq=False)
class WeightNotNumber(RequestError):
    """Where a weight stands in the prompt is something else, ``(gato:1.x)``, so that it is read as text. Told as a
    warning."""

    code: ClassVar[str] = "request.weight_not_number"
    weight: str


@dataclass(eq=False)
class WeightMisplaced(RequestError):
    """A weight in the prompt, ``fragment``, does not stand before the end of its parenthesis, so that it is read as
    text. Told as a warning."""

    code: ClassVar[str] = "request.weight_misplaced"
    fragment: str
    better: str


@dataclass(eq=False)
class EditNeverBegins(RequestError):
    """``fragment``, ``[word:1.2]``, puts a word into the prompt after the last step. Told as a warning."""

    code: ClassVar[str] = "request.edit_never_begins"
    fragment: str
    word: str
    better: str


@dataclass(eq=False)
class OptionsTakenOut(RequestError):
    """A pasted prompt had options of another program, which were taken out of it. Told as a warning."""

    code: ClassVar[str] = "request.options_taken_out"
    options: str
    program: str


@dataclass(eq=False)
class OptionsInPrompt(RequestError):
    """A prompt has options of another program, which are read as text. Told as a warning."""

    code: ClassVar[str] = "request.options_in_prompt"
    options: str
    program: str


@dataclass(eq=False)
class SizeBeyondNative(RequestError):
    """The first pass is much larger than what the model was trained on. Told as a warning; ``side`` and ``native`` in
    pixels."""

    code: ClassVar[str] = "request.size_beyond_native"
    side: int
    native: int


@dataclass(eq=False)
class FewStepsTooGuided(RequestError):
    """The model or a LoRA of the prompt is of few steps, of the ``kind`` of that name, and the CFG is above ``most``,
    far from what it was taught with. Told as a warning, with the settings that it wants."""

    code: ClassVar[str] = "request.few_steps_too_guided"
    kind: str
    most: float
    sampler: str
    schedule: str
    steps: int
    wanted: float


@dataclass(eq=False)
class InfotextForeign(RequestError):
    """The text is JSON of a program whose data are not read here."""

    code: ClassVar[str] = "request.infotext_foreign"


@dataclass(eq=False)
class InfotextUnreadable(RequestError):
    """A text or picture holds no generation parameters."""

    code: ClassVar[str] = "request.infotext_unreadable"
    source: str


@dataclass(eq=False)
class InfotextWorkflow(InfotextUnreadable):
    """A picture holds a workflow of ComfyUI that is made in a way that nobody here can read."""

    code: ClassVar[str] = "request.infotext_workflow"


@dataclass(eq=False)
class InfotextEncoding(InfotextUnreadable):
    """A text file is in an encoding that nobody can be sure of."""

    code: ClassVar[str] = "request.infotext_encoding"


@dataclass(eq=False)
class InfotextFileMissing(RequestError):
    """A model that made a picture is not here. ``field`` is the path of the request's field that names it, ``kind`` its
    ``core.detect.ModelKind``, ``digest`` its hash, "" when the infotext does not say.
    """

    code: ClassVar[str] = "request.infotext_file_missing"
    field: str
    kind: str
    name: str
    digest: str = ""


@dataclass(eq=False)
class InfotextFileForeign(InfotextFileMissing):
    """The same, where what has the name lies in its folder and is no model that is used here; as ``ForeignFile``."""

    code: ClassVar[str] = "request.infotext_file_foreign"
    path: Path = Path()
    reason: str = ""


@dataclass(eq=False)
class UnitsBeyondForm(RequestError):
    """(Warning) A text asks for more units of the part ``field`` than the form has room for; ``count`` are left out."""

    code: ClassVar[str] = "request.units_beyond_form"
    field: str
    count: int


@dataclass(eq=False)
class InfotextFieldUnused(RequestError):
    """(Warning) An infotext says something that this version does not do."""

    code: ClassVar[str] = "request.infotext_field_unused"
    label: str
    value: str


@dataclass(eq=False)
class InfotextModelDiffers(RequestError):
    """(Warning) The model of the infotext's name is another file: ``wanted`` was its hash, ``own`` is ours."""

    code: ClassVar[str] = "request.infotext_model_differs"
    name: str
    wanted: str
    own: str


@dataclass(eq=False)
class InfotextNeedsPicture(RequestError):
    """(Warning) The picture was made from another one, which infotexts do not hold."""

    code: ClassVar[str] = "request.infotext_needs_picture"


@dataclass(eq=False)
class PictureUnreadable(RequestError):
    """A file that should be a picture is none."""

    code: ClassVar[str] = "request.picture_unreadable"
    path: Path


@dataclass(eq=False)
class EnlargedTooLarge(RequestError):
    """(Warning) One picture of many was left out, for it would become too large: the ``number``-th (from 1), of
    ``width`` by ``height`` pixels."""

    code: ClassVar[str] = "request.enlarged_too_large"
    number: int
    width: int
    height: int
