"""What is wrong with a TOML file, told in Spanish with its place."""

from __future__ import annotations

import re

import pytest

from sdcolab.core.toml_faults import TomlFault, read_toml_text

PLACES = [
    ("a = 1\nb 2", "línea 2, columna 3: falta el signo = detrás del nombre de la opción"),
    ("a = hola", "línea 1, columna 5: el valor no se entiende"),
    ("a = True", "línea 1, columna 5: el valor no se entiende"),
    ("a = 1,5", "línea 1, columna 6: sobra algo detrás del valor"),
    ('a = "hola\nb = 1', "línea 1, columna 10: a un texto le falta la comilla del final"),
    ("a = 'hola\nb = 1", "a un texto le falta la comilla del final"),
    ('a = "hola', "al final del archivo: a un texto le falta la comilla del final"),
    ("a = 'hola", "al final del archivo: a un texto le falta la comilla del final"),
    ('a = "C:\\Users"', "pon el texto entre comillas simples"),
    ('a = "C:\\modelos"', "pon el texto entre comillas simples"),
    ("a = 1\na = 2\n", "línea 2, columna 6: esto ya se dijo más arriba"),
    ("[a]\n[a]", "línea 2, columna 3: esto ya se dijo más arriba"),
    ("[a\nb = 1", "línea 1, columna 3: al nombre de la sección le falta el ]"),
    ("[[a]\nb = 1", "le faltan los ]] del final"),
    ("a = [1 2]", "línea 1, columna 8: a una lista le falta el ]"),
    ("a = {b = 1", "al final del archivo: a un grupo entre llaves le falta el }"),
    ("a = 2026-02-31", "esa fecha no existe"),
    ("%", "línea 1, columna 1: aquí va el nombre de una opción"),
    ("a = " + "[" * 5000, "demasiados niveles"),
    (b"a = 1\nb = '\xf1'", "línea 2: no está en UTF-8"),
]


@pytest.mark.parametrize(("text", "told"), PLACES, ids=[str(one[0])[:12] for one in PLACES])
def test_faults_are_told_in_spanish_with_their_place(text: str | bytes, told: str) -> None:
    with pytest.raises(TomlFault) as fault:
        read_toml_text(text)
    assert told in str(fault.value)
    assert not re.search(r"Expected|Invalid|Cannot|at line|document", str(fault.value))


def test_a_mark_in_front_does_not_matter() -> None:
    assert read_toml_text("\ufeffa = 1".encode()) == {"a": 1}
