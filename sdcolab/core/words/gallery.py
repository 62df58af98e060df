"""Sentences of the gallery, the cards, and what else the faces ask of the studio."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "gallery.picture_gone": Sentence(
        "Esa imagen ya no está: alguien la movió o la borró.", "Pulsa «Actualizar» para ver las que hay."
    ),
    "gallery.name_taken": Sentence(
        "En su carpeta ya hay un archivo que se llama «{name}».",
        "Cambia el nombre de uno de los dos y vuelve a intentarlo.",
    ),
    "gallery.folder_name": Sentence(
        "Una carpeta no puede llamarse «{name}».",
        "Usa letras, números, espacios o guiones, y empieza por una letra o un número.",
    ),
    "gallery.strange_question": Sentence(
        "La página pidió algo que el programa no entiende («{question}»).",
        "Recarga la página: quizá es de una versión anterior.",
    ),
    "gallery.not_our_settings": Sentence(
        "Ese archivo no tiene ajustes de sdcolab, o está dañado. No se cambió nada.",
        "Elige el que guardaste con «Exportar mis ajustes»: sdcolab-ajustes.json.",
    ),
}
