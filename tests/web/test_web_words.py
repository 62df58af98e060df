"""The words that help, in a real Chromium: the pure half of the module by itself, and typing in the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from web_fakes import Bench
from web_visitor import PATIENCE, Visitor, field, infotext, part

from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.prompt import Style
from sdcolab.web.app import Server

pytestmark = pytest.mark.navegador


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE)
    bench.add_lora("Lineas", "thick lines", "anime")
    bench.studio.settings.change(lambda now: now.with_style(Style("Mi estilo", "ink, {prompt}", "")))
    (bench.folders.wildcards / "ropa").mkdir(parents=True, exist_ok=True)
    (bench.folders.wildcards / "ropa" / "sombreros.txt").write_text("gorra\nboina\n")
    visitor = Visitor(browser, server, {"viewport": {"width": 1920, "height": 1080}})
    page = visitor.open()
    page.evaluate("async () => { window.words = await import('./sdcolab/module/palabras.js') }")
    yield page
    visitor.context.close()
    assert visitor.trouble == []


LINES = "\n".join(
    (
        "1girl\t0\t5000000\tone_girl\tuna chica",
        "long_hair\t0\t4000000\t\tpelo largo",
        "longbow_(weapon)\t0\t900\tarco_largo\t",
        "very_long_hair\t0\t800\t\tpelo muy largo",
        "castle\t0\t10\t\tcastillo|ñandú",
        "^_^\t0\t5\t\t",
    )
)


@pytest.mark.parametrize(
    ("query", "names", "by"),
    [
        ("long", ["long_hair", "longbow_(weapon)", "very_long_hair"], ""),
        ("LONG h", ["long_hair", "very_long_hair"], ""),
        ("hair", ["long_hair", "very_long_hair"], ""),
        ("air", [], ""),
        ("*air", ["long_hair", "very_long_hair"], ""),
        ("pelo larg", ["long_hair"], "pelo largo"),
        ("arco", ["longbow_(weapon)"], "arco_largo"),
        ("nandu", ["castle"], "ñandú"),
        ("ÑANDÚ", ["castle"], "ñandú"),
        ("(", [], None),
    ],
)
def test_tags_are_found_in_any_name_at_the_beginning_of_a_word(
    page: Page, query: str, names: list[str], by: str | None
) -> None:
    found = page.evaluate(
        "([lines, query]) => new words.TagList(lines).find(query).map((tag) => [tag.name, words.foundBy(tag)])",
        [LINES, query],
    )
    pieces = page.evaluate(
        "async ([lines, query]) => (await words.TagList.build(lines, 2)).find(query).map((tag) => tag.name)",
        [LINES, query],
    )
    assert pieces == [name for name, _ in found]
    if by is not None:
        assert [name for name, _ in found] == names
        assert not found or found[0][1] == by


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a fox, long ha", {"what": "tag", "query": "long ha", "start": 7}),
        ("(long", {"what": "tag", "query": "long", "start": 1}),
        ("fox <lora:Lin", {"what": "network", "kind": "lora", "query": "Lin", "start": 4}),
        ("<", {"what": "network", "kind": "", "query": "", "start": 0}),
        ("<e:bad", {"what": "network", "kind": "embedding", "query": "bad", "start": 0}),
        ("<lora:Lineas:1>", {"what": "tag", "query": "", "start": 15}),
        ("a __ropa/som", {"what": "wildcard", "query": "ropa/som", "start": 2}),
        ("a __ropa__, b", {"what": "tag", "query": "b", "start": 12}),
        ("$Mi est", {"what": "style", "query": "Mi est", "start": 0}),
    ],
)
def test_what_is_typed_says_what_it_asks_for(page: Page, text: str, asked: dict[str, Any]) -> None:
    assert page.evaluate("(text) => words.asked(text, text.length)", text) == asked


@pytest.mark.parametrize("filling", [" " * 12000, "word " * 3000, "[a|" * 33000, "cat AND " * 5000, "__a" * 9001])
def test_no_more_is_looked_at_than_the_longest_name_has(page: Page, filling: str) -> None:
    text = f"cat{filling}long hai"
    asked = page.evaluate("(text) => words.asked(text, text.length)", text)
    assert len(asked["query"]) <= 200
    assert text[asked["start"] :].endswith(asked["query"])
    assert page.evaluate("(text) => words.asked(text, text.length)", f"{text}, <lora:Lin") == {
        "what": "network",
        "kind": "lora",
        "query": "Lin",
        "start": len(text) + 2,
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(cat:1,2)", True),
        ("<lora:a:0,8>", True),
        ("cat :1,2 AND dog", True),
        ("cat AND dog :0,7 ", True),
        ("dog :0,7", False),
        ("at 10,30 AND", False),
        ("(cat:1.2), 1,2", False),
        ("cat AND " * 20000, False),
    ],
)
def test_commas_are_mended_where_they_are_weights(page: Page, text: str, wanted: bool) -> None:
    assert page.evaluate("(text) => words.wantsPoints(text)", text) is wanted


def test_insertion_and_learning_follow_the_rules(page: Page) -> None:
    assert page.evaluate("['long_hair', 'bow_(weapon)', '^_^', '>_<'].map(words.written)") == [
        *("long hair", "bow \\(weapon\\)", "^_^", ">_<"),
    ]
    assert page.evaluate("['', ', b', ':1.2)', ' , c', ')'].map(words.tail)") == [", ", "", "", "", ""]
    assert page.evaluate("[0, 900, 1234, 5000000].map(words.short)") == ["", "900", "1.2k", "5M"]
    order = page.evaluate(
        "([lines, uses]) => words.lifted(new words.TagList(lines).find('long'), uses, 100).map((tag) => tag.name)",
        [LINES, {"very_long_hair": [9, 90], "longbow_(weapon)": [2, 100]}],
    )
    assert order == ["very_long_hair", "long_hair", "longbow_(weapon)"]


def test_typing_completes_tags_in_both_languages_and_keeps_undo(page: Page) -> None:
    prompt, box = field(page, "prompt"), page.locator("#sd-words")
    prompt.click()
    prompt.press_sequentially("castillo")
    expect(box.locator(".sd-word").first).to_contain_text("castillo ➝ castle")
    prompt.press("Enter")  # nothing chosen: only closes
    expect(box).to_be_hidden()
    prompt.fill("")
    prompt.press_sequentially("a fox, pelo lar")
    expect(box.locator(".sd-word").first).to_contain_text("long hair")
    place = box.bounding_box()
    page.evaluate("document.body.style.transform = 'translate(30px, 80px)'")  # as JupyterLab does to its cells
    prompt.press_sequentially("g")
    expect(box.locator(".sd-word").first).to_contain_text("long hair")
    moved = box.bounding_box()
    assert place and moved and abs(moved["y"] - place["y"] - 80) < 2, "the list stays beside its prompt"
    page.evaluate("document.body.style.transform = ''")
    prompt.press("Backspace")
    prompt.press("Tab")
    expect(prompt).to_have_value("a fox, long hair, ")
    prompt.press("Control+z")
    expect(prompt).to_have_value("a fox, pelo lar")


@pytest.mark.parametrize(
    ("typed", "value"),
    [("<lora:lin", "<lora:Lineas:1>"), ("__somb", "__ropa/sombreros__"), ("$mi", "ink,")],
)
def test_networks_wildcards_and_styles_complete_too(page: Page, typed: str, value: str) -> None:
    negative = field(page, "negative_prompt")
    negative.fill("")
    negative.press_sequentially(typed)
    expect(page.locator("#sd-words .sd-word").first).to_be_visible()
    negative.press("ArrowDown")
    negative.press("Enter")
    assert negative.input_value().startswith(value)
    negative.fill("")


def test_a_spanish_prompt_is_translated_at_one_s_asking(page: Page) -> None:
    prompt = field(page, "prompt")
    prompt.fill("una chica con pelo largo, (vestido rojo:1.2), <lora:Lineas:1>")
    prompt.click()
    page.get_by_role("button", name="Traducir", exact=True).first.click()
    expect(prompt).to_have_value("1girl with long hair, (red dress:1.2), <lora:Lineas:1>")
    expect(page.get_by_role("button", name=re.compile("^Traductor"))).to_have_count(0)
    prompt.fill("perro xilófono")
    page.get_by_role("button", name=re.compile("^(Traducir|Traducido)$")).first.click()
    expect(prompt).to_have_value("dog xilófono")
    page.get_by_role("button", name="Traductor: 315 MB").click()
    expect(page.get_by_role("button", name="Descargando…")).to_be_disabled()


def test_what_will_be_sent_is_shown_while_prompts_are_translated_by_themselves(page: Page, bench: Bench) -> None:
    PreferencesFile(bench.folders.config).change(lambda now: replace(now, translate=True))
    prompt = field(page, "prompt")
    prompt.fill("pelo largo")
    prompt.blur()
    expect(page.get_by_text("Se enviará: long hair")).to_be_visible()
    part(page, "generate").click()
    expect(infotext(page)).to_have_value(re.compile("^long hair"))
    expect(prompt).to_have_value("pelo largo")
    assert bench.generator.requests[-1].original_prompt == "pelo largo"
    PreferencesFile(bench.folders.config).change(lambda now: replace(now, translate=False))
    prompt.fill("")
    prompt.blur()
    expect(page.get_by_text("Se enviará: long hair")).to_be_hidden()


def test_decimal_commas_become_points_at_one_s_asking(page: Page) -> None:
    prompt, mend = field(page, "prompt"), page.get_by_role("button", name="Cambiar comas por puntos")
    prompt.fill("(gato:1.2), sol")
    expect(mend).to_have_count(0)
    prompt.fill("(gato:1,2), sol, luna")
    mend.click()
    expect(prompt).to_have_value("(gato:1.2), sol, luna")
    expect(mend).to_have_count(0)
    for written, better in (
        ("gato <lora:y:0,8>", "gato <lora:y:0.8>"),
        ("[gato:perro:0,5]", "[gato:perro:0.5]"),
        ("gato :1,2 AND perro :0,8", "gato :1.2 AND perro :0.8"),
    ):
        prompt.fill(written)
        mend.click()
        expect(prompt).to_have_value(better)
        expect(mend).to_have_count(0)


def test_a_card_goes_into_the_prompt_and_out_again(page: Page) -> None:
    field(page, "prompt").fill("a fox")
    page.get_by_role("tab", name="Cartas 🎴", exact=True).click()
    page.get_by_role("button", name="Poner o quitar Lineas").click()
    expect(field(page, "prompt")).to_have_value("a fox <lora:Lineas:1> thick lines")
    page.get_by_role("button", name="Poner o quitar Lineas").click()
    expect(field(page, "prompt")).to_have_value("a fox")
