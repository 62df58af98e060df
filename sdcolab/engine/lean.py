"""Import the engine without what diffusers and transformers bring besides.

More than half of what importing their UNet and CLIP costs is for others: the models of every other family, the tracer
of ``torch.compile``, sharding over machines, statistics of losses. Both libraries leave most of that out by themselves
where it is not installed; while our imports last, they are told that it is not, which also keeps out what an image of
Colab brings and they cannot bear (hechos/lanzadores.md 6). What is left is stood for by modules without contents.
Figures: ``tools/bench/imports.py``.

The libraries remember what they were told, so this is for processes of ours alone: whoever imports sdcolab as a library
may want theirs whole. In versions that nobody tried it does nothing.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

TRIED = {"torch": ((2, 11), (2, 14)), "diffusers": ((0, 39), (0, 42)), "transformers": ((5, 0), (5, 24))}
"""First and last version of each, by its two first numbers."""
LIBRARIES = ("diffusers", "transformers")
WANTED = frozenset(
    {*LIBRARIES, "PIL", "huggingface_hub", "jinja2", "numpy", "psutil", "safetensors", "tokenizers", "torch"}
)
"""The packages that are told to be here. Both libraries ask for dozens more, and run no model of ours with them."""
TRACER = "torch._dynamo"
"""Of this the libraries take decorators that mean something to ``torch.compile`` only, which we never call."""
LATER = ("torch._dynamo._trace_wrapped_higher_order_op", "torch.fx.experimental.symbolic_shapes")
"""Of the first, transformers takes a context for attention masks of a kind that CLIP has not; of the second, torch's
flex attention (2.14) a function, and with it would come sympy."""
SHELVES = (
    *(f"diffusers.models.{name}" for name in ("autoencoders", "controlnets", "transformers", "unets")),
    "transformers.models",
)
"""Packages that import every model in them, or look for it on the disk, as soon as one is asked for."""


_log = logging.getLogger(__name__)


def import_lean(*names: str) -> None:
    """Import the modules ``names``, which bring diffusers and transformers, with what they need and no more.

    Where one of those is imported already, or is of a version that was not tried, nothing happens: whoever asks for the
    modules next brings everything. So too where it fails, as it may beside a package that nobody foresaw.
    """
    if {*LIBRARIES, TRACER} & sys.modules.keys() or untried():
        return
    before = set(sys.modules)
    try:
        with _without_the_rest():
            for name in names:
                import_module(name)
    except Exception:  # noqa: BLE001 - an edge: other people's modules raise anything while they are imported
        _log.warning("lean", exc_info=True)
        for name in sys.modules.keys() - before:
            if name.partition(".")[0] in {*LIBRARIES, "sdcolab"}:
                del sys.modules[name]


@contextmanager
def _without_the_rest() -> Iterator[None]:
    """While it lasts, nothing but ``WANTED`` is said to be here, and nothing looks for garbage among what stays for
    ever."""
    find_spec = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return find_spec(name, package) if name.partition(".")[0] in WANTED else None

    stand_ins = {one.__name__: one for one in (_Marks(TRACER), *map(_Later, LATER), *_shelves(find_spec))}
    with _instead(importlib.util, "find_spec", found), _instead(torch.distributed, "is_available", lambda: False):
        sys.modules.update(stand_ins)
        gc.disable()
        try:
            yield
        finally:  # whoever asks for these from now on gets the real ones
            for name in stand_ins:
                del sys.modules[name]
            gc.freeze()
            gc.enable()


@contextmanager
def _instead(module: ModuleType, name: str, stand_in: object) -> Iterator[None]:
    real = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, real)


def untried() -> list[str]:
    """The libraries that are here in a version that ``TRIED`` does not say."""
    return [name for name, (first, last) in TRIED.items() if not first <= _version(name) <= last]


class _Marks(ModuleType):
    """A module whose every function gives back what it decorates, with or without options of its own."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _unmarked


def _unmarked(marked: Any = None, *_options: object, **_named: object) -> Any:
    return _unmarked if marked is None else marked


class _Later(ModuleType):
    """A module whose functions import the real one when they are called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given, **named: getattr(import_module(self.__name__), name)(*given, **named)


def _shelves(find_spec: Callable[[str], ModuleSpec | None]) -> Iterator[ModuleType]:
    """The packages ``SHELVES`` without what their ``__init__`` does: their modules are found, one by one."""
    for name in SHELVES:
        library, *folders = name.split(".")
        spec = find_spec(library)
        assert spec and spec.origin
        shelf = ModuleType(name)
        shelf.__path__ = [str(Path(spec.origin).parent.joinpath(*folders))]
        yield shelf


def _version(name: str) -> tuple[int, ...]:
    """Its two first numbers; nothing for what is not here, or is numbered otherwise."""
    try:
        return tuple(int(part) for part in version(name).split(".")[:2])
    except (PackageNotFoundError, ValueError):
        return ()
