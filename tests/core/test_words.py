"""Every error has a sentence, every sentence can be filled, and every label exists."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import re
import string
import typing
from enum import StrEnum
from pathlib import Path

import pytest

from sdcolab.core import errors
from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    EmbeddingUnreadable,
    ModelFamilyUnsupported,
    NoModels,
    PromptSyntaxError,
    SdcolabError,
    UnknownName,
    leaf_errors,
)
from sdcolab.core.events import Phase
from sdcolab.core.fields import parts_of
from sdcolab.core.request import FIELDS, PARTS
from sdcolab.core.scripts import SCRIPT_FIELDS
from sdcolab.core.speed import Speed
from sdcolab.core.tasks import Enlarge
from sdcolab.core.upscaling import ENLARGEMENT_FIELDS
from sdcolab.core.words import (
    CATALOGUE,
    FIELD_GROUPS,
    FIELD_LABELS,
    FIELD_WORDS,
    KIND_LABELS,
    KIND_NAMES,
    OPTION_WORDS,
    PART_LABELS,
    PHASE_LABELS,
    explain,
    human_bytes,
    human_time,
    label_of,
    option_called,
    option_words,
    short_option_words,
)
from sdcolab.core.words.base import Template
from sdcolab.core.words.borrowed import read_once
from sdcolab.core.words.notebook import connected

PLURAL = re.compile(r"{(\w+)} (?!más\b)[a-záéíóúñ]+s\b")
LIMITS = {"limit", "side", "native", "width", "height", "step", "types", "megapixels", "size", "needed", "free"}
COUNTS = {"count", "pictures", "epochs", "steps", "repeats", "files", "tries", "left", "times", "engines", "made", "0"}

EXAMPLES: dict[str, object] = {
    "str": "muestra",
    "int": 7,
    "float": 1.5,
    "bool": True,
    "Path": Path("carpeta/archivo.safetensors"),
    "tuple[str, ...]": ("uno", "dos"),
    "tuple[int, ...]": (1, 3),
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
}


def example_of(annotation: str) -> object:
    """A value of the type that a fact's annotation names; optional facts get their value and not None."""
    return EXAMPLES[annotation.replace("datetime.datetime", "datetime").split(" |")[0]]


def example(cls: type[SdcolabError]) -> SdcolabError:
    return cls(**{field.name: example_of(str(field.type)) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_every_error_explains_itself(cls: type[SdcolabError]) -> None:
    explanation = explain(example(cls))
    assert explanation.text.endswith((".", "!", "?", ")")), explanation.text
    assert "{" not in str(explanation)


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_only_suggestions_are_asked(cls: type[SdcolabError]) -> None:
    sentence, told = CATALOGUE[cls.code], str(explain(example(cls)))
    assert ("¿Querías decir «uno»" in told) == ("{suggestions}" in sentence.text + sentence.advice), told


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_templates_use_only_facts_that_exist(cls: type[SdcolabError]) -> None:
    sentence = CATALOGUE[cls.code]
    facts = {field.name for field in dataclasses.fields(cls)}
    for template in (sentence.text, sentence.advice):
        assert {name for _, name, _, _ in string.Formatter().parse(template) if name} <= facts


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_optional_facts_may_be_missing(cls: type[SdcolabError]) -> None:
    hints = typing.get_type_hints(cls)
    facts = {
        field.name: None if type(None) in typing.get_args(hints[field.name]) else example_of(str(field.type))
        for field in dataclasses.fields(cls)
    }
    assert "None" not in str(explain(cls(**facts)))


def test_codes_are_unique_and_all_used() -> None:
    codes = [cls.code for cls in leaf_errors()]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(CATALOGUE)


def test_labels_are_complete() -> None:
    assert set(FIELD_LABELS) == set(FIELDS)
    assert {*FIELDS, *ENLARGEMENT_FIELDS, *SCRIPT_FIELDS} <= set(FIELD_WORDS)  # those of tools: test_form
    switched = {path for path, part in parts_of(Enlarge).items() if part.optional}
    assert set(PART_LABELS) == {*PARTS, *switched}
    assert [path for paths in FIELD_GROUPS.values() for path in paths] == list(FIELD_WORDS)
    assert set(PHASE_LABELS) == set(Phase)
    assert set(ModelKind) <= set(KIND_LABELS)
    assert set(KIND_NAMES) == set(ModelKind)


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_one_of_a_thing_is_told_as_one(cls: type[SdcolabError]) -> None:
    """A whole number before a plural noun says both forms; those of limits are never one."""
    numbers = {field.name for field in dataclasses.fields(cls) if field.type == "int"} - LIMITS
    for template in (CATALOGUE[cls.code].text, CATALOGUE[cls.code].advice):
        assert [one for one in PLURAL.findall(template) if one in numbers] == []


def test_one_of_a_thing_is_told_as_one_everywhere() -> None:
    """In every template of the words, which are filled with numbers of things by these names."""
    found = []
    for path in sorted((Path(errors.__file__).parents[1] / "words").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [(path.name, name) for name in PLURAL.findall(node.value) if name in COUNTS]
            if isinstance(node, ast.JoinedStr):
                found += [(path.name, name) for name in PLURAL.findall(ast.unparse(node)) if name in COUNTS]
    assert found == []


@pytest.mark.parametrize(
    ("template", "one", "two"),
    [
        ("{n:imagen|imágenes}", "1 imagen", "2 imágenes"),
        ("{n:falta #|faltan #}: {n}", "falta 1: 1", "faltan 2: 2"),
        ("{n:la única|las #}", "la única", "las 2"),
        ("{n:03}", "001", "002"),
    ],
)
def test_numbers_bring_their_noun(template: str, one: str, two: str) -> None:
    assert Template(template).format(n=1) == one
    assert Template(template).format(n=2) == two
    assert Template("{0:a|b} {x}").format(1, x=True) == "1 a True"


def test_a_family_that_nothing_tells_is_no_question_mark() -> None:
    text = explain(ModelFamilyUnsupported(path=Path("a.safetensors"), family=ModelFamily.UNKNOWN.value)).text
    assert "?" not in text
    assert "un modelo desconocido" in text


def test_a_folder_is_told_so_that_it_is_found() -> None:
    assert (
        "«models/Stable-diffusion»" in explain(NoModels(folder=Path("/content/sdcolab/models/Stable-diffusion"))).text
    )


def test_three_suggestions_are_a_list() -> None:
    text = str(explain(UnknownName(kind="sampler", name="x", suggestions=("Euler", "Euler a", "Heun"))))
    assert "¿Querías decir «Euler», «Euler a» o «Heun»?" in text


def test_unknown_name_suggests() -> None:
    text = str(explain(UnknownName(kind="sampler", name="Euler A!", suggestions=("Euler a", "Euler"))))
    assert text.startswith("No existe el sampler «Euler A!». ¿Querías decir «Euler a» o «Euler»? ")
    assert "¿" not in str(explain(UnknownName(kind="sampler", name="x")))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (870e6, "870 MB"), (2.13e9, "2,1 GB")]
)
def test_human_bytes(count: float, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (45.4, "45 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")])
def test_human_time(seconds: float, text: str) -> None:
    assert human_time(seconds) == text


def test_every_path_has_a_label() -> None:
    assert label_of("steps") == "Pasos"
    assert label_of("hires") == "Hires fix"
    assert label_of("nada.que.ver") == "nada.que.ver"


@pytest.mark.parametrize("kind", OPTION_WORDS, ids=lambda kind: kind.__name__)
def test_every_word_of_an_enumeration_is_called_something(kind: type[StrEnum]) -> None:
    assert set(OPTION_WORDS[kind]) == set(kind)


def test_characters_are_counted_from_one() -> None:
    assert "carácter 1)" in explain(PromptSyntaxError(fragment="(gato:1.2.3)", position=0)).text


@pytest.mark.parametrize(
    ("images", "settings", "told"),
    [
        (True, True, "las imágenes y la configuración se guardan"),
        (True, False, "las imágenes se guardan"),
        (False, True, "la configuración se guarda en"),
    ],
)
def test_what_goes_to_drive_agrees_with_its_verb(images: bool, settings: bool, told: str) -> None:
    assert told in connected(images=images, settings=settings, folder="sdcolab")


@pytest.mark.parametrize(
    ("styles", "defaults", "told"),
    [
        (3, 0, "se tomaron 3 estilos."),
        (0, 1, "se tomó 1 valor por defecto."),
        (1, 2, "se tomaron 1 estilo y 2 valores por defecto."),
        (0, 0, "no se tomó nada"),
    ],
)
def test_nothing_is_counted_that_is_not_there(styles: int, defaults: int, told: str) -> None:
    assert told in read_once(styles, defaults)


def test_an_embedding_with_instructions_is_not_to_be_fetched_as_it_was() -> None:
    assert ".safetensors" in explain(EmbeddingUnreadable(path=Path("a.pt"), reason="unsafe")).advice


@pytest.mark.parametrize("text", ["fast", "Rápido", " RAPIDO ", "FAST"])
def test_an_option_has_the_name_that_the_faces_show_too(text: str) -> None:
    assert option_called(Speed, text) is Speed.FAST
    assert option_called(Speed, f"{text}s") is None


@pytest.mark.parametrize("kind", OPTION_WORDS, ids=lambda kind: kind.__name__)
def test_what_is_typed_for_an_option_means_it_alone(kind: type[StrEnum]) -> None:
    for word, typed in short_option_words(kind).items():
        assert option_called(kind, typed) is option_called(kind, option_words(kind)[word]) is word
