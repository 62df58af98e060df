"""What is wrong with a TOML file, and where; each ends the sentence that names the file."""

from __future__ import annotations

from collections.abc import Mapping

AT = "línea {line}, columna {column}: {fault}"
AT_END = "al final del archivo: {fault}"
NOT_UTF8 = "línea {line}: no está en UTF-8; guárdalo así con tu editor de texto"
TOO_DEEP = "tiene demasiados niveles, unos dentro de otros"

_TWICE = "esto ya se dijo más arriba; déjalo en un solo sitio"
_BACKSLASH = "la barra \\ no se entiende entre comillas dobles; pon el texto entre comillas simples, como 'C:\\modelos'"
_UNENDED = "a un texto le falta la comilla del final"

FAULTS: Mapping[str, str] = {
    "Invalid statement": "aquí va el nombre de una opción, una [sección] o un # con un comentario",
    "Expected newline or end of document": "sobra algo detrás del valor; una opción por línea, y decimales con punto",
    "Expected '=' after a key": "falta el signo = detrás del nombre de la opción",
    "Invalid initial character for a key part": "falta el nombre de una opción, o lleva signos que van entre comillas",
    "Invalid value": "el valor no se entiende; los textos van entre comillas, y sí o no se escriben true o false",
    "Illegal character '\\n'": _UNENDED,
    "Illegal character '\\r'": _UNENDED,
    "Illegal character": "hay un carácter que no se admite",
    "Found invalid character '\\n'": _UNENDED,
    "Found invalid character": "hay un carácter que no se admite",
    "Unterminated string": _UNENDED,
    "Expected '\"": _UNENDED,
    "Expected \"'": _UNENDED,
    "Expected ']' at the end of a table": "al nombre de la sección le falta el ] del final",
    "Expected ']]'": "al nombre de la sección le faltan los ]] del final",
    "Unclosed array": "a una lista le falta el ] del final, o una coma entre dos valores",
    "Unclosed inline table": "a un grupo entre llaves le falta el } del final, o una coma entre dos valores",
    "Cannot overwrite a value": _TWICE,
    "Cannot declare": _TWICE,
    "Cannot redefine": _TWICE,
    "Cannot mutate": _TWICE,
    "Duplicate inline table key": _TWICE,
    "Unescaped '\\'": _BACKSLASH,
    "Invalid hex value": _BACKSLASH,
    "Escaped character": _BACKSLASH,
    "Invalid date": "esa fecha no existe",
}
"""By how ``tomllib``'s own sentences begin; the first that fits."""

OTHER = "no es TOML"
