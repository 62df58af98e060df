"""What old model files hold besides numbers, and that is harmless: one list for the downloader's probe and the engine.

torch's weights-only unpickler runs nothing but what it knows; these globals are added to what it knows. Classes of
training programs stand in files as names only, so each becomes an ``Inert`` of that name: it keeps what the file says
of it and does nothing.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdcolab.core.tensors import ZIP_SIGN

_INERT = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.utilities.enums.AMPType",
    "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
    "torch.nn.modules.container.ParameterDict",
    "torch.nn.modules.container.ParameterList",
    *(
        f"torch.{home}.grad_scaler.{name}"
        for home in ("amp", "cuda.amp")
        for name in ("GradScaler", "OptState", "_refresh_per_optimizer_state")
    ),
    "argparse.Namespace",
    "typing.Any",
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"pathlib.{pure}{kind}" for pure in ("", "Pure") for kind in ("Path", "PosixPath", "WindowsPath")),
)
"""Classes that checkpoints, embeddings and upscalers were saved with, by the names that pickles write."""

_SETTINGS = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
"""Dictionaries under names of their own, which unpicklers fill as they fill no object."""

_NUMPY = (
    ("numpy.core.multiarray.scalar", "scalar"),
    ("numpy._core.multiarray.scalar", "scalar"),
    ("numpy.core.multiarray._reconstruct", "_reconstruct"),
    ("numpy._core.multiarray._reconstruct", "_reconstruct"),
)
_PLAIN = {"set": set, "frozenset": frozenset, "dict": dict, "list": list, "int": int, "float": float, "bool": bool}


WRAPPERS = (
    *("state_dict", "params_ema", "params-ema", "params", "model_state_dict", "generator", "netG", "net_g", "model"),
    "ema",
    "depth_model",
)
"""Keys under which training programs put a model's tensors, the better one first (BasicSR's ``params_ema``)."""


Harmless = Callable[..., Any] | tuple[Callable[..., Any], str]
"""As ``torch.serialization.safe_globals`` takes it: what stands for a global, and the name that pickles write."""


class Inert:
    """An object of a class that is not here. It holds what the file gave it."""

    def __new__(cls, *_given: object, **_named: object) -> Inert:
        """Whatever its maker was given is left out."""
        return super().__new__(cls)

    def __init__(self, *_given: object, **_named: object) -> None:
        """Nothing to do."""

    def __setstate__(self, state: object) -> None:
        """Keep ``state`` where it can be looked through."""
        self.state = state


def harmless_globals() -> list[Harmless]:
    """Everything that pickles may name besides what torch's unpickler knows itself."""
    import numpy as np
    from numpy._core import multiarray

    found: list[Harmless] = [(type(name.rpartition(".")[2], (Inert,), {}), name) for name in _INERT]
    found += [(type(name.rpartition(".")[2], (_Settings,), {}), name) for name in _SETTINGS]
    found += [(getattr(multiarray, attribute), name) for name, attribute in _NUMPY]
    found += [(np.dtype, "numpy.dtype"), (np.ndarray, "numpy.ndarray")]
    found += [(kind, f"numpy.dtypes.{kind.__name__}") for kind in _dtype_classes()]
    found += [(plain, f"{home}.{name}") for name, plain in _PLAIN.items() for home in ("builtins", "__builtin__")]
    found += [(_encoded, "_codecs.encode"), (_without_default, "collections.defaultdict")]
    return found


def no_weights(path: Path) -> str | None:
    """The reason (``core.words.UNREADABLE_REASONS``) why a zip is none that torch's loader of weights reads; None for
    one that may be, for what cannot be looked into, and for what is no zip. Raises ``OSError``."""
    with path.open("rb") as file:
        if file.read(len(ZIP_SIGN)) != ZIP_SIGN:
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return None
    if not any(name.endswith("data.pkl") for name in names):
        return "archive"
    script = any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names)
    return "torchscript" if script else None  # a program, which torch's loader of weights does not read


def state_dict_in(content: object) -> Mapping[str, Any]:
    """The tensors of a loaded pickle by name, out of the ``WRAPPERS`` that training programs put around them."""
    content = insides(content)
    while isinstance(content, Mapping):
        inner = next((insides(content[name]) for name in WRAPPERS if name in content), None)
        if not isinstance(inner, Mapping) or not inner:
            return content
        content = inner
    return {}


def insides(value: object) -> object:
    """What an ``Inert`` holds, in the shape of what its class held: the dictionary of a module's parameters; any other
    value as it is.
    """
    if not isinstance(value, Inert):
        return value
    state = getattr(value, "state", None)
    if isinstance(state, dict) and isinstance(state.get("_parameters"), dict):
        return {**state["_parameters"], **(state.get("_buffers") or {})}
    return state


def _dtype_classes() -> Sequence[type]:
    import numpy as np

    return [getattr(np.dtypes, name) for name in dir(np.dtypes) if name.endswith("DType")]


class _Settings:
    """Makes plain dictionaries."""

    def __new__(cls) -> dict[object, object]:  # type: ignore[misc]
        """An empty one."""
        return {}


def _without_default(_maker: object = None) -> dict[object, object]:
    """An empty dictionary in the place of one that calls something for what it lacks."""
    return {}


def _encoded(text: str, encoding: str = "latin1", _errors: str = "strict") -> bytes:
    """What pickles of protocol 2 write for bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(encoding)
    return text.encode("latin-1")
