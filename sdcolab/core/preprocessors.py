"""The preprocessors: names, settings and files of each, without running any (hechos/extensiones.md 3).

One row a preprocessor; ``engine.preprocessors`` has the code of the same name. Names are sd-webui-controlnet's, so that
infotexts and API calls made for it mean the same here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.control import (
    NO_PREPROCESSOR,
    ControlType,
    ControlUnit,
    best_model,
    models_for,
    type_called,
    type_in_name,
)
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import PreprocessorUnserved
from sdcolab.core.folders import Folders
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
    """Weights of a preprocessor: a file below the preprocessors' folder, or below ``folder`` in it, as AUTOMATIC1111's
    extension has it. ``link`` is where to get it, ``size`` in bytes (about). ``also``: files that do as well.
    """

    file: str
    folder: str
    link: str
    size: int
    licence: str
    also: tuple[str, ...] = ()


_ANNOTATORS = "https://huggingface.co/lllyasviel/Annotators/resolve/main/"
_DWPOSE = "https://huggingface.co/yzd-v/DWPose/resolve/main/"
_ANYTHING = "https://huggingface.co/spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/"
_ANYTHING_V2 = "https://huggingface.co/depth-anything/Depth-Anything-V2-Small/resolve/main/"
_TEED = "https://huggingface.co/bdsqlsz/qinglong_controlnet-lllite/resolve/main/Annotators/"
_ANYLINE = "https://huggingface.co/TheMistoAI/MistoLine/resolve/main/Anyline/"
_UPERNET = "https://huggingface.co/openmmlab/upernet-convnext-small/resolve/main/"
_VITPOSE = "https://huggingface.co/usyd-community/vitpose-base-simple/resolve/main/"


def _annotator(file: str, folder: str, size: int, licence: str) -> WeightFile:
    return WeightFile(file, folder, _ANNOTATORS + file, size, licence)


PREPROCESSOR_FILES: Mapping[str, WeightFile] = {
    "hed": _annotator("ControlNetHED.pth", "hed", 29_444_406, "Apache 2.0"),
    "pidinet": _annotator("table5_pidinet.pth", "pidinet", 2_871_148, "investigación (PiDiNet)"),
    "drawing": _annotator("sk_model.pth", "lineart", 17_173_511, "MIT"),
    "drawing_coarse": _annotator("sk_model2.pth", "lineart", 17_173_511, "MIT"),
    "anime": _annotator("netG.pth", "lineart_anime", 217_694_784, "Apache 2.0"),
    "mlsd": _annotator("mlsd_large_512_fp32.pth", "mlsd", 6_341_481, "Apache 2.0"),
    "midas": _annotator("dpt_hybrid-midas-501f0c75.pt", "midas", 492_757_791, "MIT"),
    "depth_anything": WeightFile(
        "depth_anything_vitl14.pth",
        "depth_anything",
        f"{_ANYTHING}depth_anything_vitl14.pth",
        1_341_373_070,
        "Apache 2.0",
        also=("depth_anything_vitb14.pth", "depth_anything_vits14.pth"),
    ),
    "depth_anything_v2": WeightFile(
        "depth_anything_v2_vits.pth",
        "depth_anything_v2",
        f"{_ANYTHING_V2}depth_anything_v2_vits.pth",
        99_218_434,
        "Apache 2.0",
        also=(
            "depth_anything_v2_vitl.safetensors",
            "depth_anything_v2_vitl.pth",
            "depth_anything_v2_vitb.pth",
        ),
    ),
    "leres": _annotator("res101.pth", "leres", 530_585_000, "no comercial (AdelaiDepth)"),
    "zoe": _annotator("ZoeD_M12_N.pt", "zoedepth", 1_443_406_000, "MIT"),
    "normals": _annotator("scannet.pt", "normal_bae", 291_098_000, "MIT"),
    "teed": WeightFile("7_model.pth", "TEED", f"{_TEED}7_model.pth", 242_000, "MIT"),
    "anyline": WeightFile("MTEED.pth", "Anyline", f"{_ANYLINE}MTEED.pth", 242_000, "MIT"),
    "segments": WeightFile("upernet-convnext-small.bin", "upernet", f"{_UPERNET}pytorch_model.bin", 327_900_000, "MIT"),
    "vitpose": WeightFile(
        "vitpose-base-simple.safetensors", "vitpose", f"{_VITPOSE}model.safetensors", 343_660_000, "Apache 2.0"
    ),
    "people": WeightFile("yolox_l.onnx", "openpose", f"{_DWPOSE}yolox_l.onnx", 216_746_733, "Apache 2.0"),
    "pose": WeightFile("dw-ll_ucoco_384.onnx", "openpose", f"{_DWPOSE}dw-ll_ucoco_384.onnx", 134_399_116, "Apache 2.0"),
}
"""By the name that rows of ``PREPROCESSORS`` have for them. Those that are called like everybody else's at their link
have their repository's name here, as downloads give it to them."""


def weights_in(folders: Folders, name: str) -> Path | None:
    """The weights called ``name``, wherever AUTOMATIC1111's extension keeps them below its own folder."""
    row = PREPROCESSOR_FILES[name]
    places = [place for folder in folders.roots(ModelKind.ANNOTATOR) for place in (folder, folder / row.folder)]
    return next((place / file for file in (row.file, *row.also) for place in places if (place / file).exists()), None)


def missing_weights(folders: Folders, module: str) -> tuple[WeightFile, ...]:
    """What the preprocessor ``module`` needs and is not there; nothing for one that does not exist."""
    files = PREPROCESSORS[module].files if module in PREPROCESSORS else ()
    return tuple(PREPROCESSOR_FILES[name] for name in files if weights_in(folders, name) is None)


PREPROCESSOR_FILE_NAMES = frozenset(name for row in PREPROCESSOR_FILES.values() for name in (row.file, *row.also))
"""Files that only preprocessors use."""

_POSE_FILES = ("people", "pose")


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """One preprocessor. ``types``: which control types offer it, the first one being its own. ``resolution``: whether
    it looks at the picture at a resolution of its own, and ``padded``: there, whether it sees it grown to multiples of
    64. ``files``: names of the weights that it needs, in ``PREPROCESSOR_FILES``. ``model_free``: its unit works without
    a control model.
    """

    name: str
    types: tuple[ControlType, ...]
    aliases: tuple[str, ...] = ()
    resolution: bool = True
    padded: bool = True
    a: Slider | None = None
    b: Slider | None = None
    files: tuple[str, ...] = ()
    model_free: bool = False


UNSERVED: Mapping[str, str] = {
    "animal_openpose": "openpose_full",
    "anime_face_segment": "seg_upernet",
    "color": "tile_resample",
    "densepose": "openpose_full",
    "densepose (pruple bg & purple torso)": "openpose_full",
    "densepose_parula": "openpose_full",
    "densepose_parula (black bg & blue torso)": "openpose_full",
    "depth_hand_refiner": "depth_anything_v2",
    "depth_leres++": "depth_leres",
    "dsine": "normal_bae",
    "facexlib": "openpose_faceonly",
    "hand_refiner": "depth_anything_v2",
    "inpaint+lama": "inpaint_only",
    "inpaint_only+lama": "inpaint_only",
    "instant_id_face_embedding": "openpose_faceonly",
    "instant_id_face_keypoints": "openpose_faceonly",
    "ip-adapter_face_id": "reference_only",
    "ip-adapter_face_id_plus": "reference_only",
    "ip-adapter_pulid": "reference_only",
    "leres++": "depth_leres",
    "lineart_anime_denoise": "lineart_anime",
    "mediapipe_face": "openpose_faceonly",
    "normal_dsine": "normal_bae",
    "normal_map": "normal_bae",
    "normal_midas": "normal_bae",
    "oneformer_ade20k": "seg_upernet",
    "oneformer_coco": "seg_upernet",
    "pidinet_sketch": "softedge_pidinet",
    "revision_clipvision": "reference_only",
    "revision_ignore_prompt": "reference_only",
    "seg_anime_face": "seg_upernet",
    "seg_ofade20k": "seg_upernet",
    "seg_ofcoco": "seg_upernet",
    "t2ia_color_grid": "tile_resample",
    "t2ia_sketch_pidi": "softedge_pidinet",
    "t2ia_style_clipvision": "reference_only",
}
"""Preprocessors of sd-webui-controlnet that are not here, and what is most like each."""


class Preprocessors(Registry[Preprocessor]):
    """The preprocessors by their names."""

    def find(self, name: str) -> Preprocessor:
        """The one called ``name``. Raises ``UnknownName``, and ``PreprocessorUnserved`` for one that exists
        elsewhere."""
        if instead := UNSERVED.get(name.strip().casefold()):
            raise PreprocessorUnserved(name=name, instead=instead)
        return super().find(name)


PREPROCESSORS = Preprocessors(
    "preprocessor",
    (
        # An IP-Adapter reads its picture itself: the names that stand for it elsewhere mean no preprocessor.
        Preprocessor(
            NO_PREPROCESSOR,
            tuple(ControlType),
            (
                "clip_vision",
                "ip-adapter-auto",
                "ip-adapter_clip_sd15",
                "ip-adapter_clip_sdxl",
                "ip-adapter_clip_sdxl_plus_vith",
            ),
            resolution=False,
        ),
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
        Preprocessor("depth_midas", (ControlType.DEPTH,), ("depth",), files=("midas",)),
        Preprocessor("depth_anything", (ControlType.DEPTH,), files=("depth_anything",)),
        Preprocessor("depth_anything_v2", (ControlType.DEPTH,), files=("depth_anything_v2",)),
        Preprocessor(
            "depth_leres",
            (ControlType.DEPTH,),
            ("leres",),
            a=Slider("near", 0, 100, 0, 0.1),
            b=Slider("background", 0, 100, 0, 0.1),
            files=("leres",),
        ),
        Preprocessor("depth_zoe", (ControlType.DEPTH,), ("zoe",), files=("zoe",)),
        Preprocessor("normal_bae", (ControlType.NORMAL,), ("normalbae",), files=("normals",)),
        Preprocessor("openpose", (ControlType.OPENPOSE,), files=_POSE_FILES),
        Preprocessor("openpose_face", (ControlType.OPENPOSE,), files=_POSE_FILES),
        Preprocessor("openpose_faceonly", (ControlType.OPENPOSE,), files=_POSE_FILES),
        Preprocessor("openpose_hand", (ControlType.OPENPOSE,), files=_POSE_FILES),
        Preprocessor("openpose_full", (ControlType.OPENPOSE,), ("dw_openpose_full",), files=_POSE_FILES),
        Preprocessor("vitpose", (ControlType.OPENPOSE,), files=("people", "vitpose")),
        Preprocessor(
            "mlsd",
            (ControlType.MLSD,),
            a=Slider("value", 0.01, 2, 0.1, 0.01),
            b=Slider("distance", 0.01, 20, 0.1, 0.01),
            files=("mlsd",),
        ),
        Preprocessor("softedge_pidinet", (ControlType.SOFT_EDGE,), ("pidinet",), files=("pidinet",)),
        Preprocessor("softedge_pidisafe", (ControlType.SOFT_EDGE,), ("pidinet_safe",), files=("pidinet",)),
        Preprocessor("softedge_hed", (ControlType.SOFT_EDGE,), ("hed",), files=("hed",)),
        Preprocessor("softedge_hedsafe", (ControlType.SOFT_EDGE,), ("hed_safe",), files=("hed",)),
        Preprocessor("softedge_teed", (ControlType.SOFT_EDGE,), ("teed",), a=Slider("safe", 0, 10, 2), files=("teed",)),
        Preprocessor(
            "softedge_anyline", (ControlType.SOFT_EDGE,), ("anyline",), a=Slider("safe", 0, 10, 2), files=("anyline",)
        ),
        Preprocessor("scribble_pidinet", (ControlType.SCRIBBLE,), ("pidinet_scribble",), files=("pidinet",)),
        Preprocessor("scribble_hed", (ControlType.SCRIBBLE,), ("fake_scribble",), files=("hed",)),
        Preprocessor("scribble_xdog", (ControlType.SCRIBBLE,), a=Slider("xdog", 1, 64, 32)),
        # With another backbone than the original of these names; the same 150 things and colours.
        Preprocessor("seg_upernet", (ControlType.SEGMENTATION,), ("segmentation", "seg_ufade20k"), files=("segments",)),
        Preprocessor("threshold", (ControlType.CANNY, ControlType.SCRIBBLE), a=Slider("binary", 0, 255, 127)),
        Preprocessor("blur_gaussian", (ControlType.TILE,), padded=False, a=Slider("sigma", 0.01, 64, 9, 0.01)),
        Preprocessor("shuffle", (ControlType.SHUFFLE,), padded=False),
        Preprocessor("tile_resample", (ControlType.TILE,), resolution=False, a=Slider("rate", 1, 8, 1, 0.01)),
        Preprocessor("tile_colorfix", (ControlType.TILE,), resolution=False, a=Slider("variation", 3, 32, 8)),
        Preprocessor(
            "tile_colorfix+sharp",
            (ControlType.TILE,),
            resolution=False,
            a=Slider("variation", 3, 32, 8),
            b=Slider("sharpness", 0, 2, 1, 0.01),
        ),
        *(
            Preprocessor(
                name,
                (ControlType.REFERENCE,),
                resolution=False,
                a=Slider("fidelity", 0, 1, 0.5, 0.01),
                model_free=True,
            )
            for name in ("reference_only", "reference_adain", "reference_adain+attn")
        ),
        Preprocessor("lineart_realistic", (ControlType.LINEART,), ("lineart",), files=("drawing",)),
        Preprocessor("lineart_coarse", (ControlType.LINEART,), files=("drawing_coarse",)),
        Preprocessor("lineart_anime", (ControlType.LINEART,), files=("anime",)),
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


def usual_weights() -> tuple[WeightFile, ...]:
    """What the first preprocessor that needs weights needs, of each control type: each file once."""
    with_weights = [one for one in PREPROCESSORS.values() if one.files]
    firsts = (next((one for one in with_weights if one.types[0] is kind), None) for kind in ControlType)
    names = dict.fromkeys(name for first in firsts if first for name in first.files)
    return tuple(PREPROCESSOR_FILES[name] for name in names)


def model_for(
    module: str,
    model: str,
    models: Sequence[str],
    family: ModelFamily = ModelFamily.UNKNOWN,
    kind: ControlType = ControlType.ALL,
) -> str:
    """The control model to go with the preprocessor called ``module``: ``model`` if it serves its type, or the type
    ``kind`` when one is told, else the best of ``models``. When none fits, ``model`` as it is, unless its name says
    that it is of another type; as it is too where the preprocessor serves every type.
    """
    served = PREPROCESSORS[module].types if kind is ControlType.ALL and module in PREPROCESSORS else (kind,)
    if served[0] is ControlType.ALL or model in models_for(served[0], models):
        return model
    other = type_in_name(model) and not any(models_for(one, (model,)) for one in served)
    return best_model(served[0], models, family) or ("" if other else model)


_DEFAULTS = {
    ControlType.LINEART: "lineart_standard",
    ControlType.SCRIBBLE: "scribble_xdog",
    ControlType.TILE: "tile_resample",
}


def lacks_model(unit: ControlUnit) -> ControlType | None:
    """The type of control whose models would do for ``unit``, which has none and needs one; None where it has one,
    needs none, or nobody can tell."""
    row = PREPROCESSORS.get(unit.module)
    if unit.model or not unit.enabled or row is None or row.model_free:
        return None
    kind = row.types[0] if unit.kind is ControlType.ALL else unit.kind
    return None if kind is ControlType.ALL else kind


def unit_called(word: str) -> tuple[ControlType, str]:
    """The type of control and the preprocessor that ``word`` means where people may write either: what is a
    preprocessor's name is nothing else, and a type's means its usual one. Raises ``UnknownName``, and
    ``PreprocessorUnserved``."""
    kind = type_called(word)
    if kind and not (word.strip().casefold() in UNSERVED or PREPROCESSORS.knows(word)):
        return kind, default_preprocessor(kind).name
    row = PREPROCESSORS.find(word)
    return row.types[0], row.name


def default_preprocessor(kind: ControlType) -> Preprocessor:
    """The one to propose for a control type: its first own one besides "none"."""
    own = [one for one in PREPROCESSORS.values() if one.types[0] is kind]
    named = _DEFAULTS.get(kind)
    return PREPROCESSORS[named] if named else own[0] if own else PREPROCESSORS[NO_PREPROCESSOR]
