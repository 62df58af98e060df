"""How the program speaks: the forms that it never uses, in every sentence, label and notebook."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcolab.core.words import CATALOGUE, FIELD_WORDS, at_home, client, console
from sdcolab.core.words.explain import advice_of

ROOT = Path(__file__).parents[2]

NEVER = {
    "tú, and nobody else": r"\b(?:usted(?:es)?|vosotros|nosotros|nuestr[oa]s?|nos (?:deja|manda|enseña|permite)|vos)\b",
    "formal orders": r"\b(?:haga|seleccione|elija|pulse usted|introduzca|asegúrese)\b",
    "one country's words": r"\b(?:ordenador(?:es)?|ficheros?|rat[oó]n(?:es)?|vale,|pincha|mola|chulo|celular)\b",
    "clicking": r"\bclick\b|\bclickea|\bha[zg][ac]?e? clic\b|\bun clic\b",
    "first person": r"\b(?:[Ss]igo|[Nn]o entiendo|[Ss]eguiré|[Nn]o encuentro|[Nn]o puedo|[Ii]ntentaré|he podido|"
    r"[Ee]stoy|[Cc]ontinúo|[Ee]mpiezo|[Nn]o conozco)\b",
    "compound past": r"\b[Hh](?:a|as|an|e|emos) (?:\w+[aií]do|dicho|hecho|visto|puesto|abierto|roto|escrito)\b",
    "translated terms": r"\b(?:muestreador|punto de control|incrustación|reescalador|escala de guía|baldosas?|"
    r"repintado|inpintado|eliminación de ruido|embaldosado)\b",
    "masked for painted": r"\b[Zz]ona enmascarada\b|\b[Pp]arte enmascarada\b",
    "enlarging": r"\bagrandar (?:la|las|una) imagen(?:es)?\b",
    "the hires pass": r"Hires\. fix",
    "room on a disk": r"\b(?:ocupan?|queda|hay|falta|libera\w*|más|sin) sitio\b",
    "keys": r"\b[Tt]u (?:token|API key|secreto)\b|guarda (?:tu|un) token",
    "notebooks": r"(?<![/\w])(?:runtime|libreta|notebook)s?\b(?![/\w])",
    # The guide's own name of a cell, and folders, stay as they are.
    "LoRA's other spellings": r"(?<![\w/])(?<!Cocinar el )Loras?\b(?!/)|\bLoRAs\b|\bVAEs\b",
    "three dots": r"\.\.\.(?!\w)",
    "nothing else to begin with": r"\b[Nn]ada más (?:abrir|empezar|entrar)\b|\bsegún se (?:crean|hacen)\b",
    "batches": r"\b[Tt]andas?\b",
    "the page": r"(?<!principalmente una )\b[Ii]nterfaz\b",  # Google's own words of what it does not allow
    "A1111's words": r"\b[Pp]reprocesador(?:es)?\b|\b[Aa]mpliador(?:es)?\b|\bseeds\b",
    "passwords": r"\b(?:nombre|usuario):clave\b",
    "numbers that people write": r"\b(?:fuerza|denoising|peso|prueba|entre) (?:de |a )?[01],\d",
    "first": r"\b(?:[Pp]ulsa|[Aa]ceptar|[Dd]escárgal[oa]|[Rr]edúcelas) antes\b",
    "giving values": r"\b(?:[Ss]i|[Aa]l) (?:das|dar) (?:ancho|alto|un|una|el|la)\b",
}


def sentences() -> Iterator[tuple[str, str]]:
    for code, advice in (*console.ADVICE.items(), *client.ADVICE.items(), *at_home.ADVICE.items()):
        yield code, advice
    for code, sentence in CATALOGUE.items():
        yield code, sentence.text
        yield code, sentence.advice
    for path, words in FIELD_WORDS.items():
        yield path, words.label
        yield path, words.help


def written_words(path: Path) -> Iterator[tuple[str, str]]:
    """The text literals of a module, without its docstrings."""
    yield from ((path.name, text) for text in literals(ast.parse(path.read_text(encoding="utf-8"))))


def literals(tree: ast.Module) -> Iterator[str]:
    """The text literals, without docstrings."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def notebook_words(path: Path) -> Iterator[tuple[str, str]]:
    """What a notebook shows: its texts, the titles and notes of its forms, and what its cells print."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        for line in source.splitlines():
            if cell["cell_type"] == "markdown" or re.match(r"\s*#\s*@", line):
                yield path.name, line
        if cell["cell_type"] == "code":
            yield from ((path.name, text) for text in literals(ast.parse(source)))


def read_words(path: Path) -> Iterator[tuple[str, str]]:
    """What a document says, its commands and addresses left out."""
    text = re.sub(
        r"```.*?```|`[^`\n]*`|\]\([^)\n]*\)|<(?:style|script).*?</(?:style|script)>",
        " ",
        path.read_text("utf-8"),
        flags=re.DOTALL,
    )
    yield from ((f"{path.name}:{number}", line) for number, line in enumerate(text.splitlines(), 1))


@pytest.mark.parametrize("rule", NEVER)
def test_forms_that_are_never_used(rule: str) -> None:
    told = [*sentences(), *(pair for path in (ROOT / "notebooks").glob("*.ipynb") for pair in notebook_words(path))]
    modules = [*(ROOT / "sdcolab" / "core" / "words").glob("*.py"), ROOT / "tools" / "instalar.py"]
    told += [pair for path in modules for pair in written_words(path)]
    documents = [ROOT / "README.es.md", *(ROOT / "sdcolab").rglob("*.html")]
    told += [pair for path in documents for pair in read_words(path)]
    assert len(told) > 500
    assert [(where, text) for where, text in told if re.search(NEVER[rule], text)] == []


ON_SCREEN = re.compile(
    r"pestaña|[Pp]ulsa|[Ss]uelta|[Aa]rrastra|casilla|celda|botón|de la lista|«Actualizar»|recarga|«Guardar»|▶️|🩺",
    re.IGNORECASE,
)
COMMAND = re.compile(r"--[a-z]|\bsdcolab [a-z]")
COLAB = re.compile(r"Colab|[Ee]ntorno de ejecución|«Secretos»|«Claves»|celda|cuaderno|MyDrive|Mi unidad|tu Drive|▶️")
AT_HOME = re.compile(r"tu equipo|variable de entorno|por tu cuenta")

IN_THE_CONSOLE = ("fleet.", "web.port_", "launch.", "borrow.", "grids.script_not_planned", "host.no_widgets")
"""Codes, and beginnings of codes, of errors that only the command has."""
NEVER_IN_THE_CONSOLE = (
    *("host.", "gallery.", "web.", "download.", "tag_editor."),
    *("training.nothing_configured", "training.nothing_trained", "training.project_not_chosen"),
    "control.unit_weights_",
)
"""Of those that only the page, the panel or a cell has; links are pasted in all of them."""
NEVER_IN_THE_API = (
    *(start for start in IN_THE_CONSOLE if start != "fleet."),
    *("fleet.", "gallery.", "web.", "download.", "guide.", "training.", "workshop.", "tag_editor."),
    "control.unit_weights_",
    *("host.drive_", "host.secret_", "host.ngrok_", "host.packages_", "host.proxy_", "host.web_", "host.share_"),
)
"""Of those that no request of an API's client can meet: nothing is downloaded, trained or merged there."""
IN_A_CELL = (
    *("host.drive_", "host.secret_", "host.ngrok_", "host.packages_", "host.proxy_", "host.no_widgets"),
    *("training.nothing_configured",),
)
"""Of those that only cells have, of Colab or of another notebook."""

Advices = dict[str, str]


def advices(reader: str) -> Advices:
    """By code, the advice that a reader can meet, as the templates are."""
    elsewhere, absent = {
        "terminal": (console.ADVICE, NEVER_IN_THE_CONSOLE),
        "client": (client.ADVICE, NEVER_IN_THE_API),
        "page at home": ({}, (*IN_THE_CONSOLE, *IN_A_CELL)),
        "page in Colab": ({}, IN_THE_CONSOLE),
    }[reader]
    told = {code: elsewhere.get(code) or advice_of(code, in_colab=reader == "page in Colab") for code in CATALOGUE}
    return {code: advice for code, advice in told.items() if not code.startswith(absent)}


@pytest.mark.parametrize(
    ("reader", "never"),
    [
        ("terminal", ON_SCREEN),
        ("terminal", COLAB),
        ("client", ON_SCREEN),
        ("client", COMMAND),
        ("client", COLAB),
        ("page at home", COMMAND),
        ("page at home", COLAB),
        ("page at home", re.compile("[🔃📒🎲💾↙]")),
        ("page in Colab", COMMAND),
        ("page in Colab", AT_HOME),
        ("page in Colab", re.compile("[🔃📒🎲💾↙]")),
    ],
)
def test_advice_names_nothing_that_its_reader_does_not_have(reader: str, never: re.Pattern[str]) -> None:
    told = advices(reader)
    assert len(told) > 100
    assert {code: advice for code, advice in told.items() if never.search(advice)} == {}


@pytest.mark.parametrize("given", [console.ADVICE, client.ADVICE, at_home.ADVICE], ids=["terminal", "client", "home"])
def test_advice_for_some_readers_has_the_facts_of_its_error(given: Advices) -> None:
    assert given.keys() <= CATALOGUE.keys()
    for code, advice in given.items():
        needed = set(re.findall(r"{(\w+)", advice))
        assert needed <= set(re.findall(r"{(\w+)", f"{CATALOGUE[code].text} {CATALOGUE[code].advice}")), code


OF_ONE_FACE = re.compile("[🔃📒🎲💾↙♻]")
"""Signs of the panel's buttons: the page's have icons without a name."""
ON_BOTH_FACES = ("help", "road", "preferences", "faces", "cards", "rooms", "layout", "fields", "scripts", "control")


@pytest.mark.parametrize("module", ON_BOTH_FACES)
def test_words_of_both_faces_name_no_button_that_one_of_them_has(module: str) -> None:
    told = list(written_words(ROOT / "sdcolab" / "core" / "words" / f"{module}.py"))
    assert told
    assert [text for _, text in told if OF_ONE_FACE.search(text)] == []


OURS = frozenset({"training.state_unusable"})
"""Codes whose detail is always one of our own sentences."""


def test_what_libraries_say_in_english_comes_last() -> None:
    for code, sentence in CATALOGUE.items():
        assert "{detail}" not in sentence.text or code in OURS, code
    given = (*console.ADVICE.items(), *client.ADVICE.items(), *at_home.ADVICE.items())
    for code, advice in (*((code, one.advice) for code, one in CATALOGUE.items()), *given):
        assert "{detail}" not in advice or advice.endswith("Detalle: {detail}."), code
        assert "{detail}" in advice or "{detail}" not in CATALOGUE[code].advice, code


def test_errors_of_the_system_are_told_in_our_words() -> None:
    asking = [path for path in (ROOT / "sdcolab").rglob("*.py") if "error.strerror" in path.read_text(encoding="utf-8")]
    assert [path.name for path in asking] == ["files.py"]
    raw = re.compile(r"reason=str\((?!explain)")
    assert [path for path in (ROOT / "sdcolab").rglob("*.py") if raw.search(path.read_text(encoding="utf-8"))] == []
