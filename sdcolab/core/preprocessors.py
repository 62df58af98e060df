"""The preprocessors: names, settings and files of each, without running any (hechos/extensiones.md 3).

One row a preprocessor; ``engine.preprocessors`` has the code of the same name. Names are sd-webui-controlnet's, so that
infotexts and API calls made for it mean the same here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdcolab.core.control import NO_PREPROCESSOR, ControlType
from sdcolab.core.registry import Registry


@dataclass(frozen=True, slots=True)
class Slider:
    """A number of a preprocessor; ``label`` is a key of ``core.words.control.SLIDER_LABELS``."""

    label: str
    low: float
    high: float
    default: float
    step: float = 1.0


@dataclass(frozen=True, slots=True)
class WeightFile:
    """Weights of a preprocessor: a file (or a folder in transformers' layout) below the preprocessors' folder, or below
    ``folder`` in it, as AUTOMATIC1111's extension has it. ``link`` is where to get it, ``size`` in bytes.
    """

    file: str
    folder: str
    link: str
    size: int
    licence: str = ""


PREPROCESSOR_FILES: Mapping[str, WeightFile] = {}
"""By the name that rows of ``PREPROCESSORS`` have for them."""


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """One preprocessor. ``types``: which control types offer it, the first one being its own. ``resolution``: whether
    it looks at the picture at a resolution of its own. ``files``: names of the weights that it needs, in
    ``PREPROCESSOR_FILES``.
    """

    name: str
    types: tuple[ControlType, ...]
    aliases: tuple[str, ...] = ()
    resolution: bool = True
    a: Slider | None = None
    b: Slider | None = None
    files: tuple[str, ...] = ()


PREPROCESSORS: Registry[Preprocessor] = Registry(
    "preprocessor",
    (
        Preprocessor(NO_PREPROCESSOR, tuple(ControlType), resolution=False),
        Preprocessor(
            "invert",
            (ControlType.SCRIBBLE, ControlType.LINEART, ControlType.CANNY, ControlType.MLSD),
            ("invert (from white bg & black line)",),
            resolution=False,
        ),
        Preprocessor(
            "canny",
            (ControlType.CANNY,),
            a=Slider("low", 1, 255, 100),
            b=Slider("high", 1, 255, 200),
        ),
        Preprocessor("scribble_xdog", (ControlType.SCRIBBLE,), a=Slider("xdog", 1, 64, 32)),
        Preprocessor("threshold", (ControlType.CANNY, ControlType.SCRIBBLE), a=Slider("binary", 0, 255, 127)),
        Preprocessor("blur_gaussian", (ControlType.TILE,), a=Slider("sigma", 0.01, 64, 9, 0.01)),
        Preprocessor("shuffle", (ControlType.SHUFFLE,)),
        Preprocessor("tile_resample", (ControlType.TILE,), resolution=False, a=Slider("rate", 1, 8, 1, 0.01)),
        Preprocessor("lineart_standard", (ControlType.LINEART,), ("lineart_standard (from white bg & black line)",)),
        Preprocessor(
            "recolor_luminance", (ControlType.RECOLOR,), resolution=False, a=Slider("gamma", 0.1, 2, 1, 0.001)
        ),
        Preprocessor(
            "recolor_intensity", (ControlType.RECOLOR,), resolution=False, a=Slider("gamma", 0.1, 2, 1, 0.001)
        ),
        Preprocessor("inpaint_only", (ControlType.INPAINT,), resolution=False),
        Preprocessor("inpaint_global_harmonious", (ControlType.INPAINT,), ("inpaint",), resolution=False),
    ),
)


def preprocessors_for(kind: ControlType) -> tuple[Preprocessor, ...]:
    """The preprocessors that a control type offers."""
    return tuple(one for one in PREPROCESSORS.values() if kind is ControlType.ALL or kind in one.types)


_DEFAULTS = {
    ControlType.LINEART: "lineart_standard",
    ControlType.SCRIBBLE: "scribble_xdog",
    ControlType.TILE: "tile_resample",
}


def default_preprocessor(kind: ControlType) -> Preprocessor:
    """The one to propose for a control type: its first own one besides "none"."""
    own = [one for one in PREPROCESSORS.values() if one.types[0] is kind]
    named = _DEFAULTS.get(kind)
    return PREPROCESSORS[named] if named else own[0] if own else PREPROCESSORS[NO_PREPROCESSOR]
