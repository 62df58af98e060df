"""Spanish into English by a MarianMT model (Junczys-Dowmunt et al. 2018, arXiv:1804.00344) in a local folder.

As a program (``python -m sdcolab.engine.translator FOLDER``) it reads a JSON list of texts from each line of stdin and
writes that of their translations: what needs torch does so in a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from sdcolab.engine.sentencepiece import SPACE, load_unigram

BEAMS = 4
MOST_TOKENS = 200
"""Of one translation, and of the part of a text that is read."""

_END, _UNKNOWN = "</s>", "<unk>"


class MarianTranslator:
    """The model of ``folder``: ``core.translating.TRANSLATOR_FILES``. Runs on the processor, beside the engine."""

    def __init__(self, folder: Path) -> None:
        """Raises ``OSError`` or ``ValueError`` for what is no such model."""
        from transformers import MarianMTModel

        self._ids: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        self._pieces = {number: piece for piece, number in self._ids.items()}
        self._source = load_unigram(folder / "source.spm")
        loaded: Any = MarianMTModel.from_pretrained(folder, local_files_only=True)
        self._model: Any = loaded.eval()
        self._pad = int(self._model.config.pad_token_id)

    def numbers(self, text: str) -> list[int]:
        """The model's numbers of ``text``, with its end."""
        unknown = self._ids[_UNKNOWN]
        pieces = self._source.encode(text, add_special_tokens=False).tokens[:MOST_TOKENS]
        return [*(self._ids.get(piece, unknown) for piece in pieces), self._ids[_END]]

    def english(self, texts: Sequence[str]) -> list[str]:
        """The translation of each."""
        import torch

        if not texts:
            return []
        rows = [self.numbers(text) for text in texts]
        longest = max(map(len, rows))
        padded = torch.tensor([row + [self._pad] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=padded,
                attention_mask=(padded != self._pad).long(),
                num_beams=BEAMS,
                max_length=MOST_TOKENS,
                bad_words_ids=[[self._pad]],
            )
        return [self._text(row) for row in found.tolist()]

    def _text(self, numbers: Sequence[int]) -> str:
        dropped = {self._pad, self._ids[_END], self._ids[_UNKNOWN]}
        pieces = "".join(self._pieces.get(number, "") for number in numbers if number not in dropped)
        return pieces.replace(SPACE, " ").strip()


def serve(folder: Path, lines: Iterable[str], out: IO[str]) -> None:
    """A JSON list for each line. Raises as ``MarianTranslator``."""
    translator = MarianTranslator(folder)
    for line in lines:
        out.write(json.dumps(translator.english(json.loads(line)), ensure_ascii=False) + "\n")
        out.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
