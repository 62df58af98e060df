"""The prompt language against A1111's recorded answers (hechos/a1111.md 1, tests/data/referencia/prompts.json)."""

import contextlib
import json
import math
import re
import string
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdcolab.core.errors import PromptSyntaxError, TooManyBrackets
from sdcolab.core.prompt import (
    BREAK,
    Segment,
    Style,
    SubPrompt,
    active_index,
    apply_styles,
    edit_schedule,
    expected_calls,
    extract_networks,
    lora_multipliers,
    parse_attention,
    split_and,
    strip_comments,
    weight_doubts,
    with_points,
)

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("data/referencia/prompts.json").read_text("utf-8")
)
recorded = pytest.mark.parametrize("case", CASES, ids=[case["prompt"][:30] for case in CASES])

prompt_like = st.lists(
    st.sampled_from(
        [
            "(",
            ")",
            "[",
            "]",
            ":",
            "|",
            "\\",
            "BREAK",
            " AND ",
            "\n",
            " ",
            ",",
            "#",
            "<lora:x:1>",
            "cat",
            ":1.5)",
            ":0.5]",
        ]
    )
    | st.text(string.digits + ".+-:e", max_size=3),
    max_size=30,
).map("".join)
any_text = st.text(max_size=80) | prompt_like


# --- Attention ----------------------------------------------------------------------------------------------------


@recorded
def test_attention_as_recorded(case: dict[str, Any]) -> None:
    assert [[segment.text, segment.weight] for segment in parse_attention(case["prompt"])] == case["attention"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a:1.5", [("a:1.5", 1.1)]),
        ("a:1.5)", [("a:1.5)", 1.0)]),
        ("([a])", [("a", 1.0)]),
        ("(a:)", [("a:", 1.1)]),
        ("(a]", [("a]", 1.1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 1 / 1.1)]),
        ("((a:1.5))", [("a", 1.65)]),
        ("(a:b:1.5)", [("a:b", 1.5)]),
        ("[a:1.5]", [("a:1.5", 1 / 1.1)]),
        ("(a:1e1)", [("a:1e1", 1.1)]),
        ("(a:1,5)", [("a:1,5", 1.1)]),
        ("(a:-1)", [("a", -1.0)]),
        ("(a:0)", [("a", 0.0)]),
        ("(a:1.)", [("a", 1.0)]),
        (r"(a\:1.5)", [("a", 1.5)]),
        (r"\\", [("\\", 1.0)]),
        ("()", [("", 1.0)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("(a:1.5) BREAK (b:1.5)", [("a", 1.5), ("", 1.0), ("BREAK", -1.0), ("", 1.0), ("b", 1.5)]),
        ("(a BREAK b:1.3)", [("a", 1.3), ("BREAK", -1.3), ("b", 1.3)]),
        ("aBREAKb", [("aBREAKb", 1.0)]),
    ],
)
def test_attention_vectors(text: str, expected: list[tuple[str, float]]) -> None:
    segments = parse_attention(text)
    assert [segment.text for segment in segments] == [text for text, _ in expected]
    assert [segment.weight for segment in segments] == pytest.approx([weight for _, weight in expected])


def test_break_is_a_marker_only_outside_brackets() -> None:
    assert BREAK in parse_attention("a BREAK b")
    assert BREAK not in parse_attention("(a BREAK b:1.3)")


@pytest.mark.parametrize(
    ("text", "fragment", "position"),
    [
        ("a (b:1.2.3) c", "(b:1.2.3)", 2),
        ("(x:.)", "(x:.)", 0),
        (f"(x:{'9' * 400})", "(x:" + "9" * 37, 0),
        ("((x:1.1):..)", "((x:1.1)", 0),
    ],
)
def test_a_weight_that_is_no_number_is_a_clear_error(text: str, fragment: str, position: int) -> None:
    with pytest.raises(PromptSyntaxError) as caught:
        parse_attention(text)
    assert (caught.value.fragment, caught.value.position) == (fragment, position)


def test_a_product_of_weights_beyond_floats_is_an_error() -> None:
    with pytest.raises(PromptSyntaxError):
        parse_attention("(" * 8000 + "cat")


@given(any_text)
@example("(a:9" + "9" * 300 + ")")
def test_attention_is_total_and_keeps_weights_finite(text: str) -> None:
    try:
        segments = parse_attention(text)
    except PromptSyntaxError as error:
        assert text[error.position :].startswith(error.fragment)
    else:
        assert segments
        assert all(math.isfinite(segment.weight) for segment in segments)
        assert all(left.weight != right.weight for left, right in pairwise(segments))


@given(st.text().filter(lambda text: not re.search(r"[\\()\[\]]|BREAK", text)))
def test_text_without_syntax_is_one_neutral_segment(text: str) -> None:
    assert parse_attention(text) == (Segment(text, 1.0),)


@given(st.text().filter(lambda text: "BREAK" not in text), st.integers(-30, 30))
def test_escaped_text_survives_inside_a_weight(text: str, tenths: int) -> None:
    escaped = re.sub(r"([\\()\[\]])", r"\\\1", text)
    segments = parse_attention(f"({escaped}:{tenths / 10})")
    assert "".join(segment.text for segment in segments) == text
    if text:
        assert {segment.weight for segment in segments} == {tenths / 10}


# --- Editing and alternation --------------------------------------------------------------------------------------


@recorded
def test_schedules_as_recorded(case: dict[str, Any]) -> None:
    text = case["prompt"]
    assert [list(entry) for entry in edit_schedule(text, 10)] == case["sched_10"]
    assert [list(entry) for entry in edit_schedule(text, 20)] == case["sched_20"]
    assert [list(entry) for entry in edit_schedule(text, 10, old_timeline=True)] == case["sched_old_10"]
    hires = edit_schedule(text, 6, base_calls=10)
    assert [list(entry) for entry in hires] == case["sched_base10_hr6_second"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a|b:0.5]", [(10, "[a|b:0.5]")]),
        ("[a:b:c:5]", [(10, "[a:b:c:5]")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:0.5][c:d:0.2]", [(2, "ac"), (5, "ad"), (10, "bd")]),
        ("[[a|b]:c:0.5]", [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a"), *[(step, "c") for step in range(6, 11)]]),
        ("[x:y]", [(10, "[x:y]")]),
        ("{a|b}", [(10, "{a|b}")]),
        ("a|b", [(10, "a|b")]),
        ("[a (b:c:0.5]", [(10, "[a (b:c:0.5]")]),
        (r"[a\:b:c:5]", [(5, r"a\:b"), (10, "c")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:1e0]", [(1, "a"), (10, "b")]),
        ("[a:b:1.5]", [(10, "a")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("a|b [c:d:5]", [(10, "a|b [c:d:5]")]),
        ("[c:d:5] \\", [(10, "[c:d:5] \\")]),
    ],
)
def test_schedule_vectors(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(edit_schedule(text, 10)) == expected


def test_alternation_with_empty_options() -> None:
    texts = [text for _, text in edit_schedule("[fe|||]male", 5)]
    assert texts == ["female", "male", "male", "male", "female"]


def test_second_order_samplers_count_two_calls_a_step() -> None:
    assert expected_calls(10, second_order=True) == 20
    assert edit_schedule("[a:b:0.5]", 10, second_order=True) == ((10, "a"), (20, "b"))
    assert edit_schedule("[a:b:5]", 10, second_order=True) == ((5, "a"), (20, "b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:0.5]", [(20, "b")]),
        ("[a:b:1.5]", [(10, "a"), (20, "b")]),
        ("[a:b:15]", [(5, "a"), (20, "b")]),
        ("[a|b]", [(step, "ab"[(step - 1) % 2]) for step in range(1, 21)]),
    ],
)
def test_hires_pass_counts_on_from_the_base_pass(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(edit_schedule(text, 20, base_calls=10)) == expected


def test_old_timeline_is_the_same_in_both_passes() -> None:
    base = edit_schedule("[a:b:0.5] [c:d:3.0]", 10, old_timeline=True)
    assert base == ((3, "a c"), (5, "a d"), (10, "b d"))
    assert edit_schedule("[a:b:0.5] [c:d:3.0]", 6, base_calls=10, old_timeline=True) == base


def test_the_first_entry_lasts_one_call_more() -> None:
    alternation = edit_schedule("[a|b]", 4)
    assert [alternation[active_index(alternation, call)][1] for call in range(5)] == ["a", "a", "b", "a", "b"]
    edit = edit_schedule("[a:b:2]", 4)
    assert "".join(edit[active_index(edit, call)][1] for call in range(5)) == "aaabb"


def test_past_the_last_entry_the_first_one_is_back() -> None:
    edit = edit_schedule("[a:b:2]", 4)
    assert active_index(edit, 5) == 0


@given(any_text, st.integers(1, 40), st.none() | st.integers(1, 40), st.booleans(), st.booleans())
def test_schedules_are_total_and_cover_the_pass(
    text: str, steps: int, base_calls: int | None, second_order: bool, old: bool
) -> None:
    schedule = edit_schedule(text, steps, second_order=second_order, base_calls=base_calls, old_timeline=old)
    ends = [end for end, _ in schedule]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    calls = expected_calls(steps, second_order=second_order)
    assert ends[-1] == (base_calls if old and base_calls else calls)


@given(st.text().filter(lambda text: not re.search(r"[\\\[\]|]", text)), st.integers(1, 20))
def test_text_without_square_brackets_never_changes(text: str, steps: int) -> None:
    assert edit_schedule(text, steps) == ((steps, text),)


@pytest.mark.parametrize("text", ["[" * 20_000, "[" * 5000 + ":3]" * 5000, "(" * 5000 + "a" + ")" * 5000])
def test_nesting_has_no_limit(text: str) -> None:
    assert edit_schedule(text, 2)[-1][0] == 2


# --- Composition, networks, styles, comments ----------------------------------------------------------------------


@recorded
def test_composition_as_recorded(case: dict[str, Any]) -> None:
    assert [[part.text, part.weight] for part in split_and(case["prompt"])] == case["multicond"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a :1.2 AND b :0.5", [("a", 1.2), (" b", 0.5)]),
        ("a photo:1.5", [("a photo", 1.5)]),
        ("(x:1.2)", [("(x:1.2)", 1.0)]),
        ("(a AND b)", [("(a", 1.0), (" b)", 1.0)]),
        ("a:1e1", [("a:1e1", 1.0)]),
        ("a:-.5", [("a", -0.5)]),
        ("a:1.", [("a", 1.0)]),
        ("SAND AND ANDY", [("SAND", 1.0), (" ANDY", 1.0)]),
    ],
)
def test_composition_vectors(text: str, expected: list[tuple[str, float]]) -> None:
    assert split_and(text) == tuple(SubPrompt(*pair) for pair in expected)


def test_an_infinite_guidance_weight_is_an_error() -> None:
    with pytest.raises(PromptSyntaxError) as caught:
        split_and("a AND b:" + "9" * 400)
    assert caught.value.position == 7


@given(any_text)
def test_composition_is_total(text: str) -> None:
    parts = split_and(text)
    assert len(parts) == len(re.findall(r"\bAND\b", text)) + 1
    assert all(math.isfinite(part.weight) for part in parts)


def test_networks_are_taken_out_and_nothing_is_put_in() -> None:
    text, tags = extract_networks("a, <lora:my style:0.8>, b <hypernet:h> <lora:x:te=0.5:unet=1>")
    assert text == "a, , b  "
    assert [(tag.kind, tag.name, tag.args, tag.named) for tag in tags] == [
        ("lora", "my style", ("0.8",), ()),
        ("hypernet", "h", (), ()),
        ("lora", "x", (), (("te", "0.5"), ("unet", "1"))),
    ]


@pytest.mark.parametrize("text", ["<lora>", "<:x>", "<lora:>", "a < b: c", "<3"])
def test_what_is_no_network_tag_stays(text: str) -> None:
    assert extract_networks(text) == (text, ())


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<lora:x>", (1.0, 1.0, None)),
        ("<lora:x:0.8>", (0.8, 0.8, None)),
        ("<lora:x:0.8:0.5:16>", (0.8, 0.5, 16)),
        ("<lora:x:unet=0.5>", (1.0, 0.5, None)),
        ("<lora:x:0.3:te=0.6:dyn=4>", (0.6, 0.6, 4)),
        ("<lora:x:-1>", (-1.0, -1.0, None)),
    ],
)
def test_lora_multipliers(tag: str, expected: tuple[float, float, int | None]) -> None:
    multipliers = lora_multipliers(extract_networks(tag)[1][0])
    assert (multipliers.te, multipliers.unet, multipliers.dyn) == expected


@pytest.mark.parametrize("tag", ["<lora:x:strong>", "<lora:x:1:>", "<lora:x:te=nan>", "<lora:x:1:1:inf>"])
def test_a_multiplier_that_is_no_number_is_a_clear_error(tag: str) -> None:
    with pytest.raises(PromptSyntaxError) as caught:
        lora_multipliers(extract_networks("a " + tag)[1][0])
    assert (caught.value.fragment, caught.value.position) == (tag, 2)


@given(any_text)
def test_networks_are_total_and_leave_the_other_text(text: str) -> None:
    rest, tags = extract_networks(text)
    assert len(rest) + sum(len(tag.source) for tag in tags) == len(text)
    assert all(text[tag.position :].startswith(tag.source) for tag in tags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a # b", "a "),
        ("a # b\nc", "a c"),
        ("a\n# b\nc", "a\nc"),
        ("# b\nc", "\nc"),
        ("a\n# b\n# c\nd", "a\nd"),
        ("a", "a"),
        ("#", "\n"),
    ],
)
def test_comments(text: str, expected: str) -> None:
    assert strip_comments(text) == expected


@given(any_text)
def test_no_comment_survives(text: str) -> None:
    assert "#" not in strip_comments(text)


def test_styles_frame_or_follow_the_prompt() -> None:
    styles = [
        Style("photo", "photo of {prompt}, 35mm, {prompt}", "drawing"),
        Style("none"),
        Style("good", " masterpiece ", "{prompt}, blurry"),
    ]
    assert apply_styles(" a cat ", "", styles) == (
        "photo of  a cat , 35mm,  a cat, masterpiece",
        "drawing, blurry",
    )


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("(gato:1,2), (sol: 0,5 )", "(gato:1.2), (sol:0.5)"),
        ("(gato:1.2), uno,2", "(gato:1.2), uno,2"),
        ("gato:1,2", "gato:1,2"),
        ("[gato:perro:0,5], [sol: 0,25 ], [a::0,5]", "[gato:perro:0.5], [sol:0.25], [a::0.5]"),
        ("gato :1,2 AND perro :0,8", "gato :1.2 AND perro :0.8"),
        ("<lora:y:0,8>, <lyco:a,1,5:0,8:te=0,5>", "<lora:y:0.8>, <lyco:a,1,5:0.8:te=0.5>"),
        ("<hypernet:h: 0,5 >, <lora:1,5>, <lora:x:0.8:1,1,0>", "<hypernet:h: 0.5 >, <lora:1,5>, <lora:x:0.8:1,1,0>"),
    ],
)
def test_decimal_commas(text: str, better: str) -> None:
    assert with_points(text) == better


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(gato:1,2), (sol: 0,5 ), (luna:1,2)", ["1,2", "0,5"]),
        ("[gato:perro:0,5], [sol:0,25]", ["0,5", "0,25"]),
        ("gato :1,2 AND perro:0,8", ["1,2", "0,8"]),
        ("(gato:1.x)", ["1.x"]),
        ("(gato:1'2), (sol:-1·5)", ["1'2", "-1·5"]),
        ("(gato:120%)", ["120%"]),
        ("(gato: 1. 2)", ["1. 2"]),
        ("(un gato blanco:1.2, perro)", ["un gato blanco:1.2"]),
        ("(gato:1.2", ["gato:1.2"]),
        ("sol, gato:1.2, perro", ["gato:1.2"]),
        ("{gato:1.2}, sol", ["gato:1.2"]),
        ("（gato：1.2）", ["gato：1.2"]),
        ("a\ngato:.8\nb", ["gato:.8"]),
        ("[gato:1.2]", ["[gato:1.2]"]),
        ("[un gato : 1.1]", ["[un gato : 1.1]"]),
        # what is read as it was meant, or means no weight
        ("(gato:1.2), ((sol)), [luna:0.5], [a:b:0.3], [a|b]", []),
        ("(gato:-1.2), (sol:.5), (mar: +1 ), (rio:2)", []),
        ("<lora:x:0,8>, <lora:x:0.8:1.2>", []),
        ("a cat :1.2 AND a dog:0.8", []),
        ("un reloj (12:30 pm), aspect 16:9, (clock: 12:30)", []),
        ("nier:2b, (yorha:2b), fate/1st:ascension, f:1,8", []),
        ("\\(gato:1,x\\), https://a.b/c:8080", []),
        ("{0.5::gato|perro}, [(gato:1.2):0.5]", []),
        ("[gato:3], [gato:10], ratio 1:1.5", []),
    ],
)
def test_what_looks_like_a_weight_and_is_none_is_told(text: str, told: list[str]) -> None:
    doubts = [next(iter(doubt.facts().values())) for doubt in weight_doubts(text)]
    assert doubts == told


def test_a_second_pass_makes_room_for_late_words() -> None:
    assert list(weight_doubts("[gato:1.2]", hires=True)) == []


def test_what_is_proposed_is_read() -> None:
    for text in ("(gato:1.2", "un gato:1,5, sol", "[gato:1.3]"):
        (doubt,) = weight_doubts(text)
        assert parse_attention(str(doubt.facts()["better"]))[0].weight > 1.1


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python ``work`` runs: a count that no machine changes."""
    count = 0

    def trace(_frame: object, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(PromptSyntaxError):
            work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "part",
    [" ", "[a|", "(", "[", "<a:", "(a:1.2", "[a:b:", "((a))", "a AND ", "BREAK ", ": ", "(a", "[a|b]", "\\", "#"],
)
def test_time_grows_with_the_text_and_not_with_its_square(part: str) -> None:
    def everything(text: str) -> None:
        strip_comments(text)
        extract_networks(text)
        for one in split_and(text):
            edit_schedule(one.text, 20)
        parse_attention(text)

    small, large = (lines_run(lambda: everything(part * count)) for count in (1000, 4000))  # noqa: B023 - called at once
    assert large < 5 * small + 1000
    started = time.process_time()  # what patterns do is no line of Python
    with contextlib.suppress(PromptSyntaxError):
        everything(part * 20_000)
    assert time.process_time() - started < 5


def test_too_many_open_brackets_name_the_first_and_not_the_model() -> None:
    with pytest.raises(TooManyBrackets) as raised:
        parse_attention("gato, " + "[" + "(" * 3000)
    assert raised.value.position == 6
    assert parse_attention("(" * 200)
