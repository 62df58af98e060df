"""Dynamic prompts: the reference's templates, any text, wildcards, Jinja2 and plans."""

from __future__ import annotations

import collections
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcolab.core.errors import PromptTooDeep, TemplateBroken, VariableMissing, WildcardMissing
from sdcolab.core.request import GenerationRequest, Hires, Variation
from sdcolab.core.scripts import DynamicPrompts
from sdcolab.grids.dynamic import jinja, templates
from sdcolab.grids.dynamic.drawing import draw, every
from sdcolab.grids.dynamic.files import WildcardFolder
from sdcolab.grids.dynamic.plan import plan, template_fields
from sdcolab.grids.dynamic.templates import Templates

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectores" / "dynamic_prompts.json").read_text("utf-8"))

OURS = {
    # Ours is better: a byte order mark is no part of a value, braces can be escaped, "unless set" means it.
    "__bom__",
    r"\{a|b\}",
    "${x=a}${x?=b}${x}",
}
DRAWN = {"{~a|b} {!c|d}"}
"""What is drawn at random also in the reference's list of combinations."""


@pytest.fixture(scope="module")
def wildcards(tmp_path_factory: pytest.TempPathFactory) -> WildcardFolder:
    folder = tmp_path_factory.mktemp("comodines")
    for name, text in VECTORS["wildcard_files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return WildcardFolder(folder)


def texts(template: str, wildcards: WildcardFolder, limit: int = 301) -> list[str]:
    return [one.text for one in itertools.islice(every(template, wildcards), limit)]


CASES = [case for case in VECTORS["cases"] if case["template"] not in OURS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["template"]))
def test_templates_of_the_reference(case: dict[str, Any], wildcards: WildcardFolder) -> None:
    template = case["template"]
    if isinstance(case.get("combinatorial_count"), int) and template not in DRAWN:
        found = texts(template, wildcards)
        assert list(dict.fromkeys(case["combinatorial"])) == found[:60]
    if "random" in case:
        found = collections.Counter(draw(template, seed, wildcards).text for seed in range(240))
        if case["random_distinct"] <= 40:
            assert set(found) == set(case["random"])
        for text, count in case["random"].items():
            assert abs(found[text] - count) <= 5 * max(3, count**0.5)
    if "ignore_whitespace" in case and "__ " not in template:
        assert draw(template, 1, wildcards, ignore_whitespace=True).text == case["ignore_whitespace"]
    if "@" in template and "random_sequence_of_7" in case:
        assert [draw(template, 1, wildcards, index=index).text for index in range(7)] == case["random_sequence_of_7"]


@pytest.mark.parametrize("case", VECTORS["raises"], ids=lambda case: repr(case["template"]))
def test_what_breaks_the_reference_is_text_here(case: dict[str, Any], wildcards: WildcardFolder) -> None:
    template = case["template"]
    drawn = draw(template, 1, wildcards).text
    if not set("|") & set(template):
        assert drawn == template
    assert texts(template, wildcards)


def test_lists_of_the_reference(wildcards: WildcardFolder) -> None:
    assert sorted(wildcards.names()) == sorted(VECTORS["collection_names"])
    for name, values in VECTORS["values"].items():
        if name not in ("bom", "pesados"):
            assert list(wildcards.values(name)) == values
    assert wildcards.values("bom") == ("primero", "segundo")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (r"\{a|b\}", "{a|b}"),
        ("100% $5 # nada", "100% $5 "),
        ("<lora:mi__estilo__v2:0.8>", "<lora:mi__estilo__v2:0.8>"),
        ("<lora:estilo#1:0.8> x", "<lora:estilo#1:0.8> x"),
        ("${x=a}${x?=b}${x}", "a"),
        ("${x?=b}${x}", "b"),
        ("%{... and ...$$a}", "a and ..."),
        ("/* {a|b} */ {c|c}", " c"),
        ("{x|/* {a|b} __colores__ } */ x}", "x"),
        ("${v=/* {x|y} */ z}${v}", "z"),
        ("a /* {b|b} */", "a /* b */"),
        ("{1$$|$$a|a}", "a"),
        ("{2$$ | $$a|a}", "a | a"),
        ("{0.::a|2.::b}", "b"),
        ("__/estilos/3d/render/__", "octane"),
        ("{2$$|a}", "a"),
        ("x{2$$ and $$|}y", "xy"),
        ("precio $5, {a", "precio $5, {a"),
        ("{2$$ y $$a}", "a"),
        ("%{sin puntos $$ gato}", "sin puntos gato"),
        ("", ""),
    ],
)
def test_texts(template: str, text: str, wildcards: WildcardFolder) -> None:
    assert draw(template, 1, wildcards).text == text


def test_the_name_of_a_list_may_be_drawn(wildcards: WildcardFolder) -> None:
    drawn = {draw("__estilos/{pintura|foto}__", seed, wildcards).text for seed in range(60)}
    assert drawn == {"óleo", "acuarela", "analógica", "digital"}
    assert texts("__estilos/{pintura|foto}__", wildcards) == ["acuarela", "óleo"], "combinations: the first name"
    assert draw("__nada/{x|y}__ {a|a}", 1, wildcards).text == "__nada/{x|y}__ a"


def test_options_that_say_the_same_are_picked_once_among_all_combinations(wildcards: WildcardFolder) -> None:
    assert texts("{2$$a|a|b}", wildcards) == ["a,b", "b,a"]
    assert texts("{2$$a|b|}", wildcards) == ["a,b", "a", "b,a", "b"]
    assert texts("x {2$$a|a}", wildcards) == ["x a,a"], "something is left to draw"


def test_a_value_drawn_at_once_stays(wildcards: WildcardFolder) -> None:
    assert texts("${x=!{a|b}}${x} ${x}", wildcards) == ["a a", "b b"]
    assert {draw("${x=!__colores__}${x}${x}", seed, wildcards).text for seed in range(50)} == {
        "azulazul",
        "rojorojo",
        "verdeverde",
    }


def test_what_is_wrong_is_told(wildcards: WildcardFolder) -> None:
    missing = draw("__colorez__", 1, wildcards)
    assert missing.text == "__colorez__"
    assert isinstance(missing.warnings[0], WildcardMissing)
    assert "colores" in missing.warnings[0].suggestions
    assert isinstance(draw("${nada}", 1, wildcards).warnings[0], VariableMissing)
    assert isinstance(draw("__recursivo__ __bucle_a__", 1, wildcards).warnings[0], PromptTooDeep)
    assert draw("<lora:a__b__c:1>", 1, wildcards).warnings == ()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".yaml", "a: 0x" + "f" * 6000),
        (".yaml", "a: " + "[" * 100_000),
        (".yaml", "a: &a {b: *a, c: *a, d: *a, e: *a}"),
        (".yaml", "a0: &a0 {x: y}\n" + "".join(f"a{n}: &a{n} {{<<: [{f'*a{n - 1}, ' * 9}]}}\n" for n in range(1, 12))),
        (".yaml", "a0: &a0 {x: y}\n" + "".join(f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 40))),
        (".yaml", 'a: ["\\ud800", "\\0"]'),
        (".json", '{"a": ["\\ud800\\u0000"]}'),
        (".json", "[" * 200_000),
        (".json", '{"a": ' + "9" * 5000 + "}"),
    ],
)
def test_hostile_lists_neither_stop_nor_spoil_the_others(tmp_path: Path, suffix: str, content: str) -> None:
    (tmp_path / f"hostil{suffix}").write_text(content)
    (tmp_path / "buena.txt").write_text("rojo")
    folder = WildcardFolder(tmp_path)
    assert folder.values("buena") == ("rojo",)
    for name in folder.names()[:100]:
        for value in (name, *folder.values(name)):
            assert "\0" not in value
            value.encode("utf-8")


FUZZ = "{}|$%#_/*\\:.~@!=?<>-&() \n12ab" + "é🐱"


@given(st.text(FUZZ, max_size=300) | st.text(max_size=100), st.integers(0, 2**64))
@settings(max_examples=150, deadline=None)
def test_any_text(template: str, seed: int) -> None:
    drawn = draw(template, seed)
    again = draw(template, seed)
    assert (drawn.text, [*map(str, drawn.warnings)]) == (again.text, [*map(str, again.warnings)])
    for one in itertools.islice(every(template), 20):
        assert isinstance(one.text, str)


@given(st.lists(st.sampled_from(["{", "}", "|", "a", " ", "\n", "2-", "{a|b}", "{ c |d|}", "{}", ", é"])).map("".join))
@settings(max_examples=300, deadline=None)
def test_plain_templates_are_read_as_all_others(template: str) -> None:
    """They are read at once; an escaped brace at the end has them read sign by sign."""
    assert draw(template, 7).text + "{" == draw(template + "\\{", 7).text
    all_of_it = [one.text + "{" for one in itertools.islice(every(template), 40)]
    assert all_of_it == [one.text for one in itertools.islice(every(template + "\\{"), 40)]


@given(st.text(st.characters(exclude_characters="{}|$%#_/\\<", exclude_categories=["Cs"])))
def test_ordinary_text_stays(template: str) -> None:
    assert draw(template, 1).text == template
    assert [one.text for one in every(template)] == [template]


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        "}",
        "{}",
        "__",
        "${",
        "%{",
        "{a}/*",
        "{2$$",
        "{2$$|$$",
        "/* {",
        "$$",
        "|",
        "{|",
        "__a(b=",
        "{a|b} ",
        "\\{",
        "${x=",
        "{1::",
        "/*",
        "#",
        "<a:",
        "__a__b",
    ],
)
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    template = piece * (6_000 // len(piece))
    began = time.process_time()
    draw(template, 1)
    list(itertools.islice(every(template), 2))
    assert time.process_time() - began < 5  # quadratic ones take minutes
    balanced = piece * 2_000 + "}" * 2_000
    draw(balanced, 1)


def test_jinja(wildcards: WildcardFolder) -> None:
    template = """{% for c in wildcard("__colores__") %}{% prompt %}un gato {{ c }}{% endprompt %}{% endfor %}"""
    assert jinja.prompts(template, 1, wildcards) == ("un gato azul", "un gato rojo", "un gato verde")
    drawn = {jinja.prompts("{{ choice('a', 'b') }} {{ random_sample('{c|d}') }}", seed)[0] for seed in range(40)}
    assert drawn == {"a c", "a d", "b c", "b d"}
    assert jinja.prompts("{{ weighted_choice(('a', 0), ('b', 1)) }}{{ randint(2, 2) }}", 1) == ("b2",)
    assert jinja.prompts("{{ permutations(['a', 'b'], 2)|length }}", 1) == ("2",)
    assert jinja.prompts("{{ all_combinations('{a|b}')|join('+') }}", 1) == ("a+b",)


@pytest.mark.parametrize(
    "template",
    [
        "{% for %}",
        "{{ 'a' * 10**9 }}",
        "{{ 9**9**9 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(300) %}{% for j in range(300) %}x{% endfor %}{% endfor %}",
        "{{ choice() + 1 }}",
        "{% include 'x' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ '%999999999d' % 1 }}",
    ],
)
def test_jinja_stays_in_its_sandbox(template: str) -> None:
    began = time.monotonic()
    with pytest.raises(TemplateBroken):
        jinja.prompts(template, 1)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = 'x' * 1000 %}" + "{% set a = a ~ a %}" * 40 + "{{ a|length }}",
        "{{ 'a'.center(10**11)|length }}",
        "{% set a = 1000**100 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
        "{% for a in [1] * 90000 %}{% for b in [1] * 90000 %}{% endfor %}{% endfor %}",
    ],
)
def test_what_the_sandbox_cannot_stop_ends_with_its_process(
    template: str, wildcards: WildcardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "LIMIT_SECONDS", 3.0)
    with Templates(wildcards) as made:
        with pytest.raises(TemplateBroken):
            made.prompts(template, 1)
        monkeypatch.setattr(templates, "LIMIT_SECONDS", 60.0)
        assert made.prompts("{{ wildcard('__colores__')|join(' ') }}", 1) == ("azul rojo verde",)


def test_templates_know_what_lists_there_are_and_no_secrets(
    wildcards: WildcardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secreto")
    with Templates(wildcards) as made:
        assert made.prompts("{{ random_sample('__colorez__') }}{{ wildcard('nada')|length }}", 1) == ("__colorez__0",)
        assert made.prompts("{{ random_sample('__colores__') }}", 3)[0] in ("azul", "rojo", "verde")
        process = made._process
        assert process is not None
        environ = Path(f"/proc/{process.pid}/environ")
        assert not environ.exists() or b"secreto" not in environ.read_bytes()
    assert process.returncode is not None


def test_numbers_without_end_in_a_list_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("gatos:\n  - 1" + ":59" * 200_000)
    (tmp_path / "b.yaml").write_text("perros:\n  - 1:30\n  - '" + "1" * 400 + "'")
    began = time.process_time()
    assert WildcardFolder(tmp_path).names() == ["perros"]
    assert WildcardFolder(tmp_path).values("perros") == ("1" * 400, "90")
    assert time.process_time() - began < 5


REQUEST = GenerationRequest(prompt="{a|b|c} gato", negative_prompt="{x|y}", seed=10, batch_size=2, batch_count=2)


def test_each_picture_has_the_prompt_of_its_seed(wildcards: WildcardFolder) -> None:
    made, _ = plan(REQUEST, DynamicPrompts(), wildcards)
    jobs = [cell.request for cell in made.cells if cell.request]
    assert [job.seed for job in jobs] == [10, 11, 12, 13]
    assert [job.prompt for job in jobs] == [draw(REQUEST.prompt, seed).text for seed in range(10, 14)]
    again, _ = plan(GenerationRequest(prompt=REQUEST.prompt, seed=12), DynamicPrompts(), wildcards)
    assert again.cells[0].request and again.cells[0].request.prompt == jobs[2].prompt
    told = dict(template_fields(REQUEST, DynamicPrompts()))
    assert told == {
        "Template": "{a|b|c} gato",
        "Negative Template": "{x|y}",
    }


def test_combinations_and_their_limits(wildcards: WildcardFolder) -> None:
    made, _ = plan(REQUEST, DynamicPrompts(combinatorial=True), wildcards)
    pairs = [(cell.request.prompt, cell.request.negative_prompt) for cell in made.cells if cell.request]
    assert pairs == [(f"{a} gato", b) for a in "abc" for b in "xy"]
    few, _ = plan(REQUEST, DynamicPrompts(combinatorial=True, limit=4, rounds=2, same_seed=True), wildcards)
    assert [cell.request.seed for cell in few.cells if cell.request] == [10] * 8
    positive, _ = plan(REQUEST, DynamicPrompts(combinatorial=True, only_positive=True), wildcards)
    assert [cell.request.negative_prompt for cell in positive.cells if cell.request] == ["{x|y}"] * 3


def test_variations_hires_and_jinja(wildcards: WildcardFolder) -> None:
    varied = GenerationRequest(prompt="{a|b|c|d|e|f|g|h}", seed=1, batch_size=8, variation=Variation(5, 0.3))
    made, _ = plan(varied, DynamicPrompts(), wildcards)
    jobs = [cell.request for cell in made.cells if cell.request]
    assert len({job.prompt for job in jobs}) == 1
    assert [job.variation.seed for job in jobs] == list(range(5, 13))
    hires = GenerationRequest(prompt="{a|b}", seed=1, hires=Hires(prompt="{a|b}"))
    made, _ = plan(hires, DynamicPrompts(), wildcards)
    job = made.cells[0].request
    assert job and job.hires and job.hires.prompt == job.prompt in ("a", "b")
    templated = GenerationRequest(prompt="{% for a in [1, 2] %}{% prompt %}n{{ a }}{% endprompt %}{% endfor %}", seed=1)
    made, _ = plan(templated, DynamicPrompts(combinatorial=True, jinja=True), wildcards)
    assert [cell.request.prompt for cell in made.cells if cell.request] == ["n1", "n2"]
