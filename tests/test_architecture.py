"""Dependencies point inwards (design 2.2 and 3): checked on the source's AST, imports inside functions included."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sdcolab"

MAY_IMPORT = {
    "core": {"core"},
    "engine": {"core", "engine"},
    "downloads": {"core", "downloads"},
    "grids": {"core", "grids"},
    "fleet": {"core", "fleet"},
    "gallery": {"core", "gallery"},
    "process": {"core", "process"},
    "studio": {"core", "studio"},
    "training": {"core", "engine", "training"},
    "workshop": {"core", "engine", "workshop"},
    "web": {"core", "studio", "web"},
    "colab": {"core", "studio", "process", "colab"},
    "api": {"core", "studio", "api"},
    "wiring": {
        *(
            "core",
            "engine",
            "downloads",
            "fleet",
            "gallery",
            "grids",
            "process",
            "studio",
            "training",
            "web",
            "colab",
            "api",
            "wiring",
            "workshop",
        ),
    },
    "cli": {"core", "fleet", "wiring", "cli"},
    "__main__": {"cli"},
    # The facade names its modules as strings; these are for type checkers only.
    "__init__": {"core", "engine", "wiring"},
}
"""Which parts of sdcolab each part may import. A part is a folder or a module right below ``sdcolab/``."""

OUTSIDE = {
    "core": {"PIL", "filelock", "numpy", "yaml"},
    "engine": {
        "PIL",
        "cv2",
        "numpy",
        "torch",
        "torchsde",
        "scipy",
        "diffusers",
        "transformers",
        "safetensors",
        "tokenizers",
        "spandrel",
        "onnxruntime",
    },
    "downloads": {"requests", "urllib3", "huggingface_hub", "torch", "safetensors"},
    "grids": {"PIL", "numpy", "jinja2", "yaml"},
    "fleet": {"fsspec", "ray"},
    "gallery": {"PIL"},
    "process": {"PIL", "requests", "gradio"},
    "studio": {"PIL"},
    "training": {
        *("PIL", "numpy", "torch", "diffusers", "transformers", "safetensors"),
        *("accelerate", "bitsandbytes", "prodigyopt", "onnxruntime", "imagehash", "tokenizers"),
    },
    "workshop": {"PIL", "numpy", "torch", "safetensors"},
    "web": {"gradio", "fastapi", "starlette", "uvicorn", "PIL"},
    "colab": {*("PIL", "google", "IPython", "ipywidgets", "anywidget", "traitlets", "requests", "gradio"), "packaging"},
    "api": {"PIL", "starlette"},
    "wiring": {"PIL", "starlette", "IPython"},
    "cli": {"PIL"},
    "__main__": set(),
    "__init__": set(),
}
"""Which installed packages each part may import, besides the standard library."""

NEVER_AT_IMPORT = {
    "core",
    "downloads",
    "fleet",
    "gallery",
    "grids",
    "process",
    "studio",
    "colab",
    "api",
    "wiring",
    "cli",
    "__init__",
    "__main__",
}
"""Parts whose import must load neither torch nor gradio."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that ``path`` imports anywhere; relative imports are made absolute."""
    own = module_name(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.rsplit(".", node.level - 1)[0]
                base = f"{above}.{base}".rstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                is_module = any((PACKAGE.parent / full.replace(".", "/")).with_suffix(s).exists() for s in (".py", ""))
                yield full if base.startswith("sdcolab") and is_module else base


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_respect_the_layout(path: Path) -> None:
    part = part_of(module_name(path))
    assert part in MAY_IMPORT, f"{path}: a new part needs its place in MAY_IMPORT and in the design"
    for name in imports(path):
        top = name.split(".")[0]
        if top == "sdcolab":
            target = part_of(name)
            allowed = target in MAY_IMPORT[part] or (target == "__init__" and part != "core")
            assert allowed, f"{path.name} ({part}) imports {name}"
        elif top not in sys.stdlib_module_names:
            assert top in OUTSIDE[part], f"{path.name} ({part}) imports {name}"


def test_contributors_read_what_may_import_what() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `sdcolab/(\w+)` \|[^|]+\| ([^|]+) \|$", text, re.MULTILINE)
    told = {part: {part, *re.findall(r"`(\w+)`", others)} for part, others in rows}
    everything = set(MAY_IMPORT) - {"cli", "__init__", "__main__"}
    assert told | {"wiring": everything} == {part: MAY_IMPORT[part] for part in (*everything, "cli")}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_global_statement(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]


def test_no_import_cycles() -> None:
    names = {module_name(path) for path in MODULES}
    graph = {module_name(path): {name for name in imports(path) if name in names} for path in MODULES}
    for name, targets in graph.items():
        targets.discard(name)
        targets.discard("sdcolab")  # the facade's imports are lazy
    graph["sdcolab"] = set()
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the cycle


@pytest.mark.parametrize("part", sorted(NEVER_AT_IMPORT))
def test_import_loads_neither_torch_nor_gradio(part: str) -> None:
    wanted = [module_name(p) for p in MODULES if part_of(module_name(p)) == part and p.name != "__main__.py"]
    code = f"""
import sys, importlib
for name in {wanted!r}:
    importlib.import_module(name)
loaded = {{"torch", "gradio", "diffusers", "transformers"}} & set(sys.modules)
sys.exit(f"loaded {{loaded}}" if loaded else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


MOST_FUNCTION_LINES = 60
MOST_CLASS_LINES = 200


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_functions_and_classes_do_one_thing(path: Path) -> None:
    limits: tuple[tuple[type[ast.AST] | tuple[type[ast.AST], ...], int], ...] = (
        ((ast.FunctionDef, ast.AsyncFunctionDef), MOST_FUNCTION_LINES),
        (ast.ClassDef, MOST_CLASS_LINES),
    )
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for kind, most in limits:
            if isinstance(node, kind):
                lines = node.end_lineno - node.lineno + 1  # type: ignore[attr-defined]
                assert lines <= most, f"{path}: {node.name} has {lines} lines"  # type: ignore[attr-defined]


SPANISH = re.compile(
    r"[áéíóúñ¿¡«»]|\b(?:el|la|los|las|un|una|de|del|con|para|que|por|en|se|al|sin|todos?|todas?)\b|"
    r"\b[A-Z][a-z]+(?:ar|ir)\b"
)
"""What tells a Spanish sentence from an identifier, an address or a script."""

SPOKEN = [path for path in MODULES if "words" not in path.parts]

NOT_SENTENCES = {
    "core/few_steps.py": "names of published files' kinds",
    "core/file_names.py": "Windows' reserved names",
    "core/infotext/translated.py": "labels that people translated",
    "core/kept.py": "a suffix",
    "downloads/links.py": "quotation marks around links",
    "engine/tokenizer.py": "a byte of CLIP's alphabet",
    "gallery/search.py": "words that people search with",
    "grids/axes.py": "names that people write for axes",
    "grids/values.py": "how people write yes",
    "studio/tags.py": "an accent",
    "studio/translating.py": "a dictionary of the words that link others",
    "training/tags.py": "a dictionary from Spanish to tags",
    "wiring/trainer.py": "quotation marks around prompts",
}
"""Modules whose Spanish is no sentence that the program says, and what it is. Nothing else may have any."""

PLAIN = {"Linear", "galería", "máscara", "investigación (PiDiNet)", "para"}
"""Names of schedules, logs, licences and orders between processes that look like Spanish."""


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """The text literals that are no docstrings."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node


def is_spanish(text: str) -> bool:
    """Whether ``text`` reads as Spanish, its names, attributes, addresses and scripts left out."""
    return bool(SPANISH.search(re.sub(r"\bhttps?:\S+|(?<!\S)/\S+|[\w-]*[-=_]\"?\w+\"?|\bel: ", "", text)))


PAGES = [*PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.js")]
_MARKUP = re.compile(r"<style.*?</style>|<!--.*?-->|/\*.*?\*/|^\s*//.*?$|(?<=[;{}] )//.*?$", re.DOTALL | re.MULTILINE)
_SAID = re.compile(r">([^<>{}$]+)<|(?:title|aria-label|placeholder|alt)=\"([^\"{}$]+)\"|\"([^\"\n]+)\"")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_and_scripts_say_only_what_the_words_give_them(path: Path) -> None:
    bare = _MARKUP.sub(" ", path.read_text(encoding="utf-8"))
    said = [next(filter(None, found), "") for found in _SAID.findall(bare)]
    assert [text for text in said if re.search(r"[a-záéíóúñ] [a-záéíóúñ]", text) and is_spanish(text)] == []


@pytest.mark.parametrize("path", SPOKEN, ids=module_name)
def test_sentences_live_in_the_words(path: Path) -> None:
    found = [
        (node.lineno, node.value)
        for node in texts(ast.parse(path.read_text(encoding="utf-8")))
        if node.value not in PLAIN and is_spanish(str(node.value))
    ]
    if str(path.relative_to(PACKAGE)) in NOT_SENTENCES:
        assert found, "it has none left: take its row out"
    else:
        assert found == []


SCRIPTS = sorted(PACKAGE.rglob("*.js"))
JS_TEXT = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_take_their_sentences_from_the_words(path: Path) -> None:
    """Texts of JavaScript, comments and what is filled into a template left out. ``se`` is a side of a box."""
    code = re.sub(r"/\*.*?\*/|(?m:^\s*//.*$)", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    told = (re.sub(r"\$\{[^{}]*\}", "", next(filter(None, found), "")) for found in JS_TEXT.findall(code))
    assert [text for text in told if text not in ("se", "Clear") and is_spanish(text)] == []


def test_no_two_test_files_have_one_name() -> None:
    """pytest takes a file in another folder for the first one of its name, and stops."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
