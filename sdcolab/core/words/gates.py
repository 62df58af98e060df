"""Sentences of what is refused at the entrance because of its size."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "gates.picture_too_large": Sentence(
        "«{path}» es demasiado grande: se admiten imágenes de hasta {limit} megapíxeles.",
        "Redúcela antes de usarla.",
    ),
    "gates.pictures_too_large": Sentence(
        "Las imágenes son demasiado grandes para usarlas a la vez: entre todas pasan de {limit} megapíxeles.",
        "Hazlo en varias veces, o redúcelas primero.",
    ),
    "gates.text_too_long": Sentence(
        "El texto de «{field}» es demasiado largo: caben {limit} caracteres.", "Acórtalo y vuelve a intentarlo."
    ),
}
