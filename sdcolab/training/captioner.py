"""Sentences for photographs by BLIP (Li et al. 2022, arXiv:2201.12086; hechos/extensiones.md 12), from a local folder.

As a program (``python -m sdcolab.training.captioner FOLDER``) it reads picture paths from stdin, one a line, and writes
a JSON line for each: what needs torch does so in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from sdcolab.core.errors import SdcolabError, TaggerMissing
from sdcolab.core.words import explain
from sdcolab.training.pictures import open_training_picture

MODEL_FILES = ("config.json", "tokenizer.json", "model.safetensors")
BEAMS, LEAST_TOKENS, MOST_TOKENS = 3, 10, 75
"""As the guide's notebook: beam search, sentences of 10 to 75 tokens."""

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Captioner:
    """BLIP's model and tokenizer, from its folder, on the card where there is one."""

    def __init__(self, folder: Path) -> None:
        """Raises ``TaggerMissing`` where a file is not there, or is none of BLIP's."""
        for name in MODEL_FILES:
            if not (folder / name).is_file():
                raise TaggerMissing(folder=folder, missing=name)
        import torch
        from tokenizers import Tokenizer
        from transformers import BlipForConditionalGeneration

        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        half = torch.float16 if self._device.type == "cuda" else torch.float32
        loaded: Any = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype=half)
        self._model: Any = loaded.eval().to(self._device)
        self._words = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def sentence(self, picture: Image.Image) -> str:
        """What is seen in ``picture``."""
        import torch

        pixels = torch.from_numpy(pixels_of(picture, self._model.config.vision_config.image_size)[None])
        with torch.inference_mode():
            found = self._model.generate(
                pixel_values=pixels.to(self._device, self._model.dtype),
                num_beams=BEAMS,
                min_length=LEAST_TOKENS,
                max_length=MOST_TOKENS,
            )
        return " ".join(self._words.decode(found[0].tolist(), skip_special_tokens=True).split())


def pixels_of(picture: Image.Image, side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """[3, side, side]: stretched to a square by bicubic filter, with CLIP's mean and spread."""
    square = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    values = (np.asarray(square, np.float32) / 255 - _MEAN) / _SPREAD
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def serve(folder: Path, paths: Iterable[str], out: IO[str]) -> None:
    """A JSON line for each path: its ``text``, or the ``error`` that it cannot be described. Raises
    ``TaggerMissing``.
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
