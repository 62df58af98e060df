"""The control models that are here, by what their files say: which go with a checkpoint, which is the best of a kind,
and what an IP-Adapter lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdcolab.core.architectures import FAMILY_OF_SIDE, FAMILY_OF_WIDTH, ModelFamily
from sdcolab.core.clip_vision import ClipFile, ClipNeed, clip_need, clip_on_offer, clip_paths, gives
from sdcolab.core.control import ControlType, best_model, family_in_name
from sdcolab.core.control_files import UNSERVED, ControlKind, Guided, fits, guided, sniff
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ModelUnreadable, SdcolabError
from sdcolab.core.tensors import TensorHeader, read_header
from sdcolab.core.words.control import MISFIT, UNSERVED_HERE
from sdcolab.studio.studio import Studio

_READERS = 8
"""Files that are looked into at once: on Drive each look takes a while."""


class ControlModels:
    """Reads each file's header once, until it changes. ``native_size`` gives the side in pixels that a checkpoint was
    trained at."""

    def __init__(self, studio: Studio, native_size: Callable[[str | None], int]) -> None:
        self._studio = studio
        self._native_size = native_size
        self._headers: dict[tuple[Path, int, int], TensorHeader | None] = {}

    def family(self, checkpoint: str | None) -> ModelFamily:
        """That of ``checkpoint``."""
        return FAMILY_OF_SIDE.get(self._native_size(checkpoint), ModelFamily.UNKNOWN)

    def best(self, kind: ControlType, checkpoint: str | None) -> str | None:
        """The model to propose for ``kind``; None when none serves it."""
        family = self.family(checkpoint)
        return self.fitting(checkpoint, lambda names: best_model(kind, names, family))

    def fitting(self, checkpoint: str | None, choose: Callable[[list[str]], str | None]) -> str | None:
        """What ``choose`` takes of the control models that are here, without those whose files turn out not to fit."""
        names = [*self._studio.lists("controlnets")]
        while (found := choose(names)) and found in names and not self.may_guide(found, checkpoint):
            names.remove(found)
        return found

    def may_guide(self, model: str, checkpoint: str | None) -> bool:
        """Whether nothing is against using ``model`` with ``checkpoint``."""
        return not _against(model, self._header(ModelKind.CONTROLNET, model), self._followed(checkpoint))

    def marks(self, models: Iterable[str], checkpoint: str | None) -> dict[str, str]:
        """How those of ``models`` are written that cannot be used with ``checkpoint``."""
        named, followed = [name for name in models if name], self._followed(checkpoint)
        paths = {file.name: file.path for file in self._studio.library.files(ModelKind.CONTROLNET)}

        def header(name: str) -> TensorHeader | None:
            return self._header_at(paths[name]) if name in paths else self._header(ModelKind.CONTROLNET, name)

        with ThreadPoolExecutor(_READERS) as readers:
            read = readers.map(header, named)
            against = {name: _against(name, control, followed) for name, control in zip(named, read, strict=True)}
        return {name: mark.format(name=name) for name, mark in against.items() if mark}

    def _followed(self, checkpoint: str | None) -> Guided:
        own = self._header(ModelKind.CHECKPOINT, checkpoint or "")
        return guided(own) if own else Guided()

    def clip_lacked(self, model: str, checkpoint: str | None) -> ClipFile | None:
        """What an IP-Adapter that goes with ``checkpoint`` reads pictures with, if it has to be got. One that is not
        looked into (.bin) may be there."""
        adapter = self._header(ModelKind.CONTROLNET, model)
        if adapter is None or sniff(adapter, model).kind is not ControlKind.IP_ADAPTER:
            return None
        if not self.may_guide(model, checkpoint):
            return None
        need = clip_need(adapter)
        return None if need is None or self._has_clip(need) else clip_on_offer(need)

    def _has_clip(self, need: ClipNeed) -> bool:
        try:
            return any(self._may_give(path, need) for path in clip_paths(self._studio.folders))
        except SdcolabError:
            return True  # nobody can tell

    def _may_give(self, path: Path, need: ClipNeed) -> bool:
        header = self._header_at(path)
        return "clip" in f"{path.parent.name}/{path.name}".casefold() if header is None else gives(header, need)

    def _header(self, kind: ModelKind, name: str) -> TensorHeader | None:
        """What is at the front of a file; None where that tells nothing."""
        try:
            return self._header_at(self._studio.library.find(kind, name).path)
        except SdcolabError:
            return None

    def _header_at(self, path: Path) -> TensorHeader | None:
        try:
            stamp = path.stat()
            known = (path, stamp.st_mtime_ns, stamp.st_size)
            if known not in self._headers:
                self._headers[known] = _header_in(path)
            return self._headers[known]
        except (SdcolabError, OSError):
            return None


def _header_in(path: Path) -> TensorHeader | None:
    """What is at the front of the file; None of one that has none. Raises ``CannotRead``."""
    try:
        return read_header(path)
    except ModelUnreadable:
        return None


def _against(model: str, control: TensorHeader | None, followed: Guided) -> str:
    """What is against using ``model`` with a checkpoint: a sentence with ``name``, "" for nothing. One that is not
    looked into (.pth) is for a family that others train for too, and of that which its name tells."""
    if control is not None:
        info = sniff(control, model)
        return UNSERVED_HERE if info.kind in UNSERVED else "" if fits(info, followed) else MISFIT
    if not followed.context_width or not model or model.endswith(".safetensors"):
        return ""
    usual = FAMILY_OF_WIDTH.get(followed.context_width, ModelFamily.UNKNOWN)
    likely = usual is not ModelFamily.UNKNOWN and family_in_name(model) in (ModelFamily.UNKNOWN, usual)
    return "" if likely else MISFIT
