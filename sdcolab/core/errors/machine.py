"""What this computer lacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError
from sdcolab.core.errors.models import ModelError


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
    """TAESD was asked for and its file, called ``name``, is not there."""

    code: ClassVar[str] = "model.tiny_vae_missing"
    folder: Path
    name: str


@dataclass(eq=False)
class ImageNotFinite(MachineError):
    """The result was not a number (NaN): the model or the VAE is damaged, or the model does not work in 16 bits."""

    code: ClassVar[str] = "machine.image_not_finite"
    checkpoint: str


@dataclass(eq=False)
class UnetOverflowed(MachineError):
    """The model gave no numbers in 16 bits and works in 32 from now on."""

    code: ClassVar[str] = "machine.unet_overflowed"
    checkpoint: str


@dataclass(eq=False)
class LibraryMissing(MachineError):
    """A Python package that this needs is not installed, or does not fit the installed PyTorch. ``packages`` are to be
    installed."""

    code: ClassVar[str] = "machine.library_missing"
    library: str
    packages: str


@dataclass(eq=False)
class FolderUnfit(MachineError):
    """Pictures cannot be saved in a folder."""

    code: ClassVar[str] = "machine.folder_unfit"
    path: str


@dataclass(eq=False)
class PasswordUnfit(MachineError):
    """A user's name or a password is too short, too long, or has what neither can have."""

    code: ClassVar[str] = "machine.password_unfit"


@dataclass(eq=False)
class PasswordWrong(MachineError):
    """The password of now is not the one that was said, or was said wrongly too often."""

    code: ClassVar[str] = "machine.password_wrong"
