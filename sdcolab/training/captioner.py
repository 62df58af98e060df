"""Sentences for photographs by BLIP (Li et al. 2022, arXiv:2201.12086) or Florence-2 (Xiao et al. 2023,
arXiv:2311.06242), from a local folder (hechos/extensiones.md 12).

As a program (``python -m sdcolab.training.captioner FOLDER``) it reads picture paths from stdin, one a line, and writes
a JSON line for each: what needs torch does so in a process of its own.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from sdcolab.core.errors import CannotRead, SdcolabError, TaggerMissing
from sdcolab.core.files import system_reason
from sdcolab.core.words import explain
from sdcolab.training.bases import FILES
from sdcolab.training.pictures import open_training_picture

BEAMS, LEAST_TOKENS, MOST_TOKENS = 3, 10, 75
"""As the guide's notebook uses BLIP: beam search, sentences of 10 to 75 tokens."""
FLORENCE_PROMPT = "Describe in detail what is shown in the image."
"""What Florence-2 was taught to answer with a few sentences (its task <DETAILED_CAPTION>)."""
FLORENCE_TOKENS = 160

Colours = tuple[float, float, float]
Pixels = np.ndarray[Any, np.dtype[np.float32]]

CLIP_COLOURS: tuple[Colours, Colours] = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and spread of CLIP's pictures, which BLIP reads."""
IMAGENET_COLOURS: tuple[Colours, Colours] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Those of ImageNet, which Florence-2 reads."""


class Describing(Protocol):
    """A model that writes sentences."""

    def ids(self, picture: Image.Image) -> Sequence[int]:
        """Tokens of what is seen in ``picture``."""
        ...


class Blip:
    """BLIP's model, on the card where there is one."""

    def __init__(self, folder: Path, _words: Any) -> None:
        from transformers import BlipForConditionalGeneration

        self._model = _loaded(BlipForConditionalGeneration, folder)

    def ids(self, picture: Image.Image) -> Sequence[int]:
        """As ``Describing``."""
        pixels = pixels_of(picture, self._model.config.vision_config.image_size, *CLIP_COLOURS)
        return _generated(self._model, pixels, num_beams=BEAMS, min_length=LEAST_TOKENS, max_length=MOST_TOKENS)


class Florence:
    """Florence-2's model, in transformers' own layout, on the card where there is one."""

    def __init__(self, folder: Path, words: Any) -> None:
        """``words`` is its tokenizer. Raises ``CannotRead``."""
        from transformers import Florence2ForConditionalGeneration

        self._side = _side(folder / "preprocessor_config.json")
        self._model = _loaded(Florence2ForConditionalGeneration, folder)
        config = self._model.config
        seen = (self._side // math.prod(config.vision_config.patch_stride)) ** 2 + 1  # and one for the whole picture
        own = config.text_config
        asked = words.encode(FLORENCE_PROMPT, add_special_tokens=False).ids
        self._asked = [*[config.image_token_id] * seen, own.bos_token_id, *asked, own.eos_token_id]

    def ids(self, picture: Image.Image) -> Sequence[int]:
        """As ``Describing``."""
        import torch

        asked = torch.tensor([self._asked], device=self._model.device)
        options = {"input_ids": asked, "attention_mask": torch.ones_like(asked)}
        pixels = pixels_of(picture, self._side, *IMAGENET_COLOURS)
        return _generated(
            self._model, pixels, **options, num_beams=BEAMS, max_new_tokens=FLORENCE_TOKENS, do_sample=False
        )


KINDS: Mapping[str, type[Blip] | type[Florence]] = {"blip": Blip, "florence2": Florence}
"""Models that write sentences, by what their ``config.json`` calls them."""


class Captioner:
    """A model that writes sentences, and its tokenizer, from its folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ``TaggerMissing`` where there is no model; ``CannotRead`` where it is of no kind that we know."""
        for name in FILES:
            if not (folder / name).is_file():
                raise TaggerMissing(folder=folder, missing=name)
        from tokenizers import Tokenizer

        config = _json(folder / "config.json")
        kind = KINDS.get(str(config.get("model_type")))
        if kind is None:
            raise CannotRead(path=folder / "config.json", reason="not_a_model")
        self._words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._model: Describing = kind(folder, self._words)

    def sentence(self, picture: Image.Image) -> str:
        """What is seen in ``picture``."""
        return " ".join(self._words.decode(self._model.ids(picture), skip_special_tokens=True).split())


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "damaged"
        raise CannotRead(path=path, reason=reason) from error
    return found if isinstance(found, dict) else {}


def _side(path: Path) -> int:
    """The side of the square that the model reads, in pixels."""
    size = _json(path).get("size")
    side = size.get("height") if isinstance(size, dict) else size
    if not isinstance(side, int) or not 32 <= side <= 2048:
        raise CannotRead(path=path, reason="damaged")
    return side


def _loaded(kind: Any, folder: Path) -> Any:
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = torch.float16 if device.type == "cuda" else torch.float32
    return kind.from_pretrained(folder, local_files_only=True, dtype=half).eval().to(device)


def _generated(model: Any, pixels: Pixels, **options: Any) -> Sequence[int]:
    import torch

    batch = torch.from_numpy(pixels[None]).to(model.device, model.dtype)
    with torch.inference_mode():
        found: list[int] = model.generate(pixel_values=batch, **options)[0].tolist()
    return found


def pixels_of(picture: Image.Image, side: int, mean: Colours, spread: Colours) -> Pixels:
    """[3, side, side]: stretched to a square by bicubic filter, with a mean and a spread a colour."""
    square = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    values = (np.asarray(square, np.float32) / 255 - np.array(mean, np.float32)) / np.array(spread, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)


def serve(folder: Path, paths: Iterable[str], out: IO[str]) -> None:
    """A JSON line for each path: its ``text``, or the ``error`` that it cannot be described. Raises
    ``TaggerMissing``, ``CannotRead``.
    """
    captioner = Captioner(folder)
    for line in paths:
        try:
            told = {"text": captioner.sentence(open_training_picture(Path(line.rstrip("\n"))))}
        except SdcolabError as error:
            told = {"error": str(explain(error))}
        out.write(json.dumps(told, ensure_ascii=False) + "\n")
        out.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
