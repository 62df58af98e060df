"""The tree of everything that can go wrong and that a user can do something about.

An error carries a code and facts; the Spanish sentence and the advice live in ``core.messages``. Anything that is not a
``SdcolabError`` and reaches an edge (web, notebook, command line) is a bug and keeps its traceback.

To add one: a dataclass below with its own ``code``, and a sentence for that code in ``core.messages`` (a test checks
both).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar


@dataclass(eq=False)
class SdcolabError(Exception):
    """Root of the tree. Subclasses with a ``code`` of their own can be raised; the others only group them."""

    code: ClassVar[str] = ""

    def facts(self) -> dict[str, object]:
        """The values its sentence may mention, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        known = ", ".join(f"{name}={value!r}" for name, value in self.facts().items())
        return f"{self.code}: {known}" if known else self.code


class Cancelled(SdcolabError):
    """The user stopped the job. Not a failure: edges report it calmly."""

    code: ClassVar[str] = "cancelled"


# --- What was asked for -------------------------------------------------------------------------------------------


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
class InitImageMissing(RequestError):
    """Starting from a picture was asked for without a picture."""

    code: ClassVar[str] = "request.init_image_missing"


@dataclass(eq=False)
class MaskMissing(RequestError):
    """Painting inside a mask was asked for without a mask."""

    code: ClassVar[str] = "request.mask_missing"


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
class PromptSyntaxError(RequestError):
    """The prompt has something that cannot be read; ``position`` counts characters from 0."""

    code: ClassVar[str] = "request.prompt_syntax"
    fragment: str
    position: int


@dataclass(eq=False)
class NetworkIgnored(RequestError):
    """The prompt names an extra network (``<lora:...>``) that this version does not apply. Told as a warning."""

    code: ClassVar[str] = "request.network_ignored"
    tag: str


@dataclass(eq=False)
class InfotextUnreadable(RequestError):
    """A text or picture holds no generation parameters."""

    code: ClassVar[str] = "request.infotext_unreadable"
    source: str


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


# --- Models -------------------------------------------------------------------------------------------------------


class ModelError(SdcolabError):
    """A model file cannot be used."""


@dataclass(eq=False)
class NoModels(ModelError):
    """The models folder is empty and there is no demo model."""

    code: ClassVar[str] = "model.none"
    folder: Path


@dataclass(eq=False)
class ModelUnreadable(ModelError):
    """The file is damaged, cut short or not a model at all. ``reason`` is one of the keys of ``UNREADABLE_REASONS``."""

    code: ClassVar[str] = "model.unreadable"
    path: Path
    reason: str


@dataclass(eq=False)
class ModelUnsafe(ModelError):
    """A pickle that torch's weights-only loader refused: it could run code."""

    code: ClassVar[str] = "model.unsafe"
    path: Path


@dataclass(eq=False)
class ModelWrongKind(ModelError):
    """The file is a model, but not of the kind it was used as. Kinds are ``core.detect.ModelKind`` values."""

    code: ClassVar[str] = "model.wrong_kind"
    path: Path
    expected: str
    found: str


@dataclass(eq=False)
class ModelFamilyUnsupported(ModelError):
    """A known family that this version cannot run."""

    code: ClassVar[str] = "model.family_unsupported"
    path: Path
    family: str


@dataclass(eq=False)
class ModelIncomplete(ModelError):
    """Tensors that its family needs are missing or have another shape; ``tensor`` is the first."""

    code: ClassVar[str] = "model.incomplete"
    path: Path
    tensor: str
    count: int


@dataclass(eq=False)
class ModelTooBigForCard(ModelError):
    """The model and the work with it do not fit in the graphics card; bytes."""

    code: ClassVar[str] = "model.too_big_for_card"
    path: Path
    needed: int
    free: int


@dataclass(eq=False)
class ModelTooBigForRam(ModelError):
    """The model does not fit in the machine's own memory; bytes."""

    code: ClassVar[str] = "model.too_big_for_ram"
    path: Path
    needed: int
    free: int


@dataclass(eq=False)
class LoraNoLayers(ModelError):
    """A LoRA none of whose layers exist in the loaded model."""

    code: ClassVar[str] = "model.lora_no_layers"
    path: Path


@dataclass(eq=False)
class LoraWrongFamily(ModelError):
    """A LoRA made for another family than the loaded model's."""

    code: ClassVar[str] = "model.lora_wrong_family"
    path: Path
    family: str
    model_family: str


@dataclass(eq=False)
class LoraMisfit(ModelError):
    """A layer of a LoRA does not have the size of the model's layer."""

    code: ClassVar[str] = "model.lora_misfit"
    path: Path
    layer: str


@dataclass(eq=False)
class LoraFormatUnknown(ModelError):
    """A layer of a LoRA holds tensors of no known kind; ``tensors`` are their names."""

    code: ClassVar[str] = "model.lora_format"
    path: Path
    layer: str
    tensors: str


@dataclass(eq=False)
class LoraPartlyUsed(ModelError):
    """(Warning) Only ``used`` of the ``layers`` layers of a LoRA can be merged into the loaded model: the others do not
    exist in it, or lack the rest of their attention (hechos/a1111.md 10.3, OpenCLIP).
    """

    code: ClassVar[str] = "model.lora_partly_used"
    path: Path
    used: int
    layers: int


@dataclass(eq=False)
class EmbeddingSkipped(ModelError):
    """(Warning) An embedding that the prompt names was made for models of another text width."""

    code: ClassVar[str] = "model.embedding_skipped"
    path: Path
    width: int
    model_width: int


# --- The machine --------------------------------------------------------------------------------------------------


class MachineError(SdcolabError):
    """The computer cannot do what was asked."""


@dataclass(eq=False)
class OutOfMemory(MachineError):
    """Memory ran out on ``device`` ("cuda" or "cpu") even after every saving was tried."""

    code: ClassVar[str] = "machine.out_of_memory"
    device: str
    width: int
    height: int
    batch_size: int


@dataclass(eq=False)
class NoCuda(MachineError):
    """A GPU was asked for by name and there is none."""

    code: ClassVar[str] = "machine.no_cuda"


@dataclass(eq=False)
class MemoryLow(MachineError):
    """Little memory is free; ``free`` of ``size`` bytes."""

    code: ClassVar[str] = "machine.memory_low"
    free: int
    size: int


@dataclass(eq=False)
class DiskLow(MachineError):
    """The disk of ``folder`` has room for no more than a model; ``free`` in bytes."""

    code: ClassVar[str] = "machine.disk_low"
    folder: Path
    free: int


@dataclass(eq=False)
class TinyVaeMissing(ModelError):
    """TAESD was asked for and its file is not there. ``part`` is "encoder" or "decoder"."""

    code: ClassVar[str] = "model.tiny_vae_missing"
    folder: Path
    part: str


@dataclass(eq=False)
class ImageNotFinite(MachineError):
    """The result was not a number (NaN): the model or the VAE is damaged, or the model does not work in 16 bits."""

    code: ClassVar[str] = "machine.image_not_finite"
    checkpoint: str


@dataclass(eq=False)
class LibraryMissing(MachineError):
    """A Python package that this needs is not installed, or does not fit the installed PyTorch. ``packages`` are to be
    installed."""

    code: ClassVar[str] = "machine.library_missing"
    library: str
    packages: str


# --- Files and folders --------------------------------------------------------------------------------------------


class StorageError(SdcolabError):
    """A file or folder could not be read or written."""


@dataclass(eq=False)
class DiskFull(StorageError):
    """Not enough room: ``needed`` and ``free`` in bytes."""

    code: ClassVar[str] = "storage.disk_full"
    folder: Path
    needed: int
    free: int


@dataclass(eq=False)
class CannotWrite(StorageError):
    """The system refused a write; ``reason`` is its own short message."""

    code: ClassVar[str] = "storage.cannot_write"
    path: Path
    reason: str


@dataclass(eq=False)
class CannotRead(StorageError):
    """The system refused a read; ``reason`` is its own short message."""

    code: ClassVar[str] = "storage.cannot_read"
    path: Path
    reason: str


@dataclass(eq=False)
class SettingsUnreadable(StorageError):
    """A settings file is not what we wrote; it was set aside as ``backup`` and the defaults are used."""

    code: ClassVar[str] = "storage.settings_unreadable"
    path: Path
    backup: Path


# --- Downloads ----------------------------------------------------------------------------------------------------


class DownloadError(SdcolabError):
    """A link did not become a file. Addresses in facts never carry secrets (see ``downloads.links.redacted``)."""


@dataclass(eq=False)
class NotALink(DownloadError):
    """An item of the list of links is no address. ``text`` is shortened and carries no key."""

    code: ClassVar[str] = "download.not_a_link"
    text: str


@dataclass(eq=False)
class LocalFileMissing(NotALink):
    """An item of the list of links looks like a path, but there is no model file there."""

    code: ClassVar[str] = "download.local_missing"


@dataclass(eq=False)
class UnknownPrefix(NotALink):
    """The word before a link, which should say what it is, is none of those that are known."""

    code: ClassVar[str] = "download.unknown_prefix"


@dataclass(eq=False)
class DriveRefused(DownloadError):
    """Google Drive shows a page instead of the file: it is not shared, or too many people have downloaded it."""

    code: ClassVar[str] = "download.drive_refused"
    link: str


@dataclass(eq=False)
class PageNotFile(DownloadError):
    """The address is a page of a site, not one of its files."""

    code: ClassVar[str] = "download.page_not_file"
    link: str


@dataclass(eq=False)
class UnsupportedHost(DownloadError):
    """A site whose files cannot be had with a plain request."""

    code: ClassVar[str] = "download.unsupported_host"
    host: str


@dataclass(eq=False)
class InsecureLink(DownloadError):
    """Plain ``http``: what arrives could have been changed on the way."""

    code: ClassVar[str] = "download.insecure"
    link: str


@dataclass(eq=False)
class PrivateAddress(DownloadError):
    """The link, or a redirect of it, leads to this computer or its own network."""

    code: ClassVar[str] = "download.private_address"
    host: str


@dataclass(eq=False)
class TooManyRedirects(DownloadError):
    """The server sends the program round in circles."""

    code: ClassVar[str] = "download.redirects"
    host: str


@dataclass(eq=False)
class HostUnreachable(DownloadError):
    """No connection, also after retries. ``reason`` is one of the keys of ``UNREACHABLE_REASONS``."""

    code: ClassVar[str] = "download.unreachable"
    host: str
    reason: str


@dataclass(eq=False)
class ServerFailed(DownloadError):
    """The server answered with an HTTP status that means it cannot serve anybody now."""

    code: ClassVar[str] = "download.server_failed"
    host: str
    status: int


@dataclass(eq=False)
class TooManyRequests(DownloadError):
    """The server asks to wait ``seconds`` (None: it did not say how long)."""

    code: ClassVar[str] = "download.too_many_requests"
    host: str
    seconds: float | None = None


@dataclass(eq=False)
class LinkNotFound(DownloadError):
    """There is nothing at the address (any more)."""

    code: ClassVar[str] = "download.not_found"
    link: str


@dataclass(eq=False)
class MissingOrPrivate(DownloadError):
    """The site does not tell a missing file from a private one. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.missing_or_private"
    link: str
    token: str


@dataclass(eq=False)
class LinkGone(DownloadError):
    """The file was archived by its site and will not come back."""

    code: ClassVar[str] = "download.gone"
    link: str


@dataclass(eq=False)
class AccessDenied(DownloadError):
    """The server refuses this file to us."""

    code: ClassVar[str] = "download.access_denied"
    link: str


@dataclass(eq=False)
class RegionBlocked(DownloadError):
    """The site does not serve the country where this computer is."""

    code: ClassVar[str] = "download.region_blocked"
    host: str


@dataclass(eq=False)
class TokenNeeded(DownloadError):
    """The site gives this file only to registered users. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.token_needed"
    host: str
    token: str


@dataclass(eq=False)
class TokenRejected(DownloadError):
    """The site did not accept the key in the secret ``token``."""

    code: ClassVar[str] = "download.token_rejected"
    host: str
    token: str


@dataclass(eq=False)
class LinkTokenRejected(DownloadError):
    """The site did not accept the key that is written inside the link; the secret ``token`` could replace it."""

    code: ClassVar[str] = "download.link_token_rejected"
    host: str
    token: str


@dataclass(eq=False)
class DownloadsDisabled(DownloadError):
    """The author switched off downloads of this file."""

    code: ClassVar[str] = "download.disabled_by_author"
    link: str


@dataclass(eq=False)
class EarlyAccess(DownloadError):
    """Only those who paid can download it until the date ``until`` (None: not said)."""

    code: ClassVar[str] = "download.early_access"
    link: str
    until: datetime.datetime | None = None


@dataclass(eq=False)
class GatedRepository(DownloadError):
    """The author wants conditions accepted on ``page`` first. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.gated"
    page: str
    token: str


@dataclass(eq=False)
class WebPageInsteadOfFile(DownloadError):
    """The server sent a web page where a file was expected."""

    code: ClassVar[str] = "download.web_page"
    link: str


@dataclass(eq=False)
class NotAModelFile(DownloadError):
    """The content is not what the extension of ``name`` promises."""

    code: ClassVar[str] = "download.not_a_model"
    name: str


@dataclass(eq=False)
class DownloadDamaged(DownloadError):
    """The file on the server is itself cut short or broken."""

    code: ClassVar[str] = "download.damaged"
    name: str


@dataclass(eq=False)
class DownloadInterrupted(DownloadError):
    """The connection kept failing; ``received`` of ``total`` bytes are kept for the next try."""

    code: ClassVar[str] = "download.interrupted"
    name: str
    received: int
    total: int | None = None


@dataclass(eq=False)
class HashMismatch(DownloadError):
    """What arrived, twice, does not have the SHA-256 that the site states."""

    code: ClassVar[str] = "download.hash_mismatch"
    name: str


@dataclass(eq=False)
class AlreadyDownloading(DownloadError):
    """Another window or process is downloading the same file now."""

    code: ClassVar[str] = "download.already_downloading"
    name: str


@dataclass(eq=False)
class PickleNotInspected(DownloadError):
    """A pickle could not be checked in time or memory, so it was set aside at ``path``."""

    code: ClassVar[str] = "download.not_inspected"
    path: Path


@dataclass(eq=False)
class KindUnknown(DownloadError):
    """(Warning) Nobody could tell what the file is for; it was left in the folder of other files."""

    code: ClassVar[str] = "download.kind_unknown"
    path: Path


@dataclass(eq=False)
class KindDisputed(DownloadError):
    """(Warning) The site says that the file is of the kind ``expected`` and its contents look like ``found``."""

    code: ClassVar[str] = "download.kind_disputed"
    path: Path
    expected: str
    found: str


@dataclass(eq=False)
class SavedUnderOtherName(DownloadError):
    """(Warning) A different file called ``name`` was there already; the new one is ``path``."""

    code: ClassVar[str] = "download.other_name"
    name: str
    path: Path


# --- Colab --------------------------------------------------------------------------------------------------------


class HostError(SdcolabError):
    """Google Colab, Drive or the public link did not work."""


@dataclass(eq=False)
class DriveDenied(HostError):
    """The user closed Drive's permission dialog, chose another account, or the browser blocks third-party cookies."""

    code: ClassVar[str] = "host.drive_denied"


@dataclass(eq=False)
class DriveRootTimeout(HostError):
    """Drive's root folder has so many files that it could not be read in time."""

    code: ClassVar[str] = "host.drive_root_timeout"


@dataclass(eq=False)
class DriveNoAnswer(HostError):
    """Mounting Drive ran out of time without any answer."""

    code: ClassVar[str] = "host.drive_no_answer"


@dataclass(eq=False)
class DriveNotEmpty(HostError):
    """The mount point already holds files that are not Drive's."""

    code: ClassVar[str] = "host.drive_not_empty"
    mountpoint: str


@dataclass(eq=False)
class DriveSymlink(HostError):
    """The mount point is a symbolic link."""

    code: ClassVar[str] = "host.drive_symlink"
    mountpoint: str


@dataclass(eq=False)
class DriveBadMountpoint(HostError):
    """The mount point has a space, is not a folder, or its parent does not exist."""

    code: ClassVar[str] = "host.drive_bad_mountpoint"
    mountpoint: str


@dataclass(eq=False)
class DrivePolicy(HostError):
    """The administrator of the user's domain does not allow Drive in Colab."""

    code: ClassVar[str] = "host.drive_policy"


@dataclass(eq=False)
class DriveUnsupported(HostError):
    """This environment cannot mount Drive: it is not google.com's Colab."""

    code: ClassVar[str] = "host.drive_unsupported"


@dataclass(eq=False)
class DriveMountFailed(HostError):
    """Drive could not be mounted for another reason; ``reason`` is Colab's own message."""

    code: ClassVar[str] = "host.drive_mount_failed"
    reason: str


@dataclass(eq=False)
class DriveFull(HostError):
    """Drive has no room left; ``pending`` images wait on the machine."""

    code: ClassVar[str] = "host.drive_full"
    pending: int


@dataclass(eq=False)
class DriveLost(HostError):
    """Drive went away or refuses writes; ``pending`` images wait on the machine."""

    code: ClassVar[str] = "host.drive_lost"
    pending: int
    reason: str


@dataclass(eq=False)
class SecretNoAccess(HostError):
    """A Colab secret exists but the notebook may not read it."""

    code: ClassVar[str] = "host.secret_no_access"
    name: str


@dataclass(eq=False)
class SecretTimeout(HostError):
    """Colab did not answer when asked for its secrets."""

    code: ClassVar[str] = "host.secret_timeout"
    name: str


@dataclass(eq=False)
class ProxyUnavailable(HostError):
    """Colab gave no link of its own to a port of the machine."""

    code: ClassVar[str] = "host.proxy_unavailable"


@dataclass(eq=False)
class ShareDown(HostError):
    """The public link service did not answer or refused; ``reason`` is its own message."""

    code: ClassVar[str] = "host.share_down"
    reason: str


@dataclass(eq=False)
class ShareProgramMissing(HostError):
    """The program that makes the public link could not be downloaded or run."""

    code: ClassVar[str] = "host.share_program_missing"
    reason: str


class NgrokTokenMissing(HostError):
    """The user chose ngrok and gave no token for it."""

    code: ClassVar[str] = "host.ngrok_token_missing"


class NgrokTokenRejected(HostError):
    """ngrok does not accept the user's token."""

    code: ClassVar[str] = "host.ngrok_token_rejected"


class NgrokBusy(HostError):
    """The user's ngrok account allows one link at a time and has it open somewhere else."""

    code: ClassVar[str] = "host.ngrok_busy"


@dataclass(eq=False)
class NgrokDown(HostError):
    """ngrok did not answer or refused; ``reason`` is its own message."""

    code: ClassVar[str] = "host.ngrok_down"
    reason: str


@dataclass(eq=False)
class NgrokProgramMissing(HostError):
    """ngrok's agent could not be downloaded or run."""

    code: ClassVar[str] = "host.ngrok_program_missing"
    reason: str


@dataclass(eq=False)
class ShareLost(HostError):
    """The public link stopped working; another is on its way."""

    code: ClassVar[str] = "host.share_lost"


@dataclass(eq=False)
class WebKilled(HostError):
    """The system killed the web UI's process, nearly always for using too much memory."""

    code: ClassVar[str] = "host.web_killed"


@dataclass(eq=False)
class WebCrashed(HostError):
    """The web UI's process ended on its own; ``ending`` says how."""

    code: ClassVar[str] = "host.web_crashed"
    ending: str


@dataclass(eq=False)
class WebGaveUp(HostError):
    """The web UI's process died ``times`` times in a row as soon as it started."""

    code: ClassVar[str] = "host.web_gave_up"
    times: int
    log: Path


class EngineKilled(HostError):
    """The system killed the process that makes the images, nearly always for using too much memory."""

    code: ClassVar[str] = "host.engine_killed"


class JobLost(HostError):
    """The process that was making these images was killed or crashed meanwhile."""

    code: ClassVar[str] = "host.job_lost"


@dataclass(eq=False)
class EngineCrashed(HostError):
    """The process that makes the images ended on its own; ``ending`` says how."""

    code: ClassVar[str] = "host.engine_crashed"
    ending: str


@dataclass(eq=False)
class EngineGaveUp(HostError):
    """The process that makes the images died ``times`` times in a row as soon as it started."""

    code: ClassVar[str] = "host.engine_gave_up"
    times: int
    log: Path


class DriveFlushFailed(HostError):
    """Google Drive did not confirm in time that it has sent everything to the cloud."""

    code: ClassVar[str] = "host.drive_flush_failed"


@dataclass(eq=False)
class SiteUnreachable(HostError):
    """A site that the program needs does not answer; ``site`` is its name."""

    code: ClassVar[str] = "host.site_unreachable"
    site: str


class NoWidgets(HostError):
    """The panel needs a Jupyter notebook with ipywidgets."""

    code: ClassVar[str] = "host.no_widgets"


@dataclass(eq=False)
class PackagesMissing(HostError):
    """Python packages that the program needs could not be installed."""

    code: ClassVar[str] = "host.packages_missing"
    names: str


@dataclass(eq=False)
class PackagesTooOld(HostError):
    """The environment's packages are older than what the program needs."""

    code: ClassVar[str] = "host.packages_too_old"
    names: str


# --- The web UI ---------------------------------------------------------------------------------------------------


class WebError(SdcolabError):
    """The web UI could not do what was asked."""


@dataclass(eq=False)
class PortBusy(WebError):
    """Another program uses the port."""

    code: ClassVar[str] = "web.port_busy"
    port: int


@dataclass(eq=False)
class PortForbidden(WebError):
    """The system keeps the port for itself."""

    code: ClassVar[str] = "web.port_forbidden"
    port: int


@dataclass(eq=False)
class QueueFull(WebError):
    """Too many jobs are waiting."""

    code: ClassVar[str] = "web.queue_full"
    limit: int


@dataclass(eq=False)
class Unexpected(SdcolabError):
    """A bug. Edges wrap what they did not foresee in this so that the user still reads a sentence; the traceback is
    logged. ``kind`` is the exception's class name."""

    code: ClassVar[str] = "unexpected"
    kind: str
    detail: str


def leaf_errors() -> tuple[type[SdcolabError], ...]:
    """Every error class that has a code of its own, in order of definition. For the catalogue's exhaustiveness test."""

    def walk(cls: type[SdcolabError]) -> list[type[SdcolabError]]:
        own = [cls] if cls.__dict__.get("code") else []
        return own + [leaf for child in cls.__subclasses__() for leaf in walk(child)]

    return tuple(walk(SdcolabError))
