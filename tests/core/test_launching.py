"""A1111's launch options: what each becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.cli import main
from sdcolab.core.errors import LaunchOptionRefused, LaunchOptionsUnreadable, LaunchOptionValueMissing
from sdcolab.core.launching import LAUNCH_OPTIONS, LaunchForm, Why, split_options, understand
from sdcolab.core.words.launching import REASONS, needless


@pytest.mark.parametrize(
    ("line", "ours", "told"),
    [
        ("--opt-channelslast --no-half-vae --theme dark", "--tema oscuro", {Why.ATTENTION, Why.PRECISION}),
        ("--medvram --xformers --opt-split-attention-v1", "", {Why.MEMORY, Why.ATTENTION}),
        ("--listen --enable-insecure-extension-access", "--escuchar", {Why.EXTENSIONS}),
        ("--gradio-auth u:c --port=7861 --share", "--usuario u:c --puerto 7861 --compartir", set()),
        ("--precision full --no-half --autolaunch", "", {Why.PRECISION, Why.STARTING}),
        ("--ckpt C:\\modelos\\a.safetensors --api", "--modelo C:\\modelos\\a.safetensors", {Why.API}),
        ("--data-dir 'D:\\mis cosas' --theme light", "--carpeta|D:\\mis cosas|--tema|claro", set()),
        ("--lora-dir x --lowvram --puerto 8000", "--puerto 8000", {Why.FOLDERS, Why.MEMORY}),
        ("--cors-allow-origins=http://a.es,http://b.es", "--permitir-web http://a.es,http://b.es", set()),
        ("--theme raro", "--tema raro", set()),
        ("", "", set()),
    ],
)
def test_lines_that_guides_give(line: str, ours: str, told: set[Why]) -> None:
    understood = understand(split_options(line))
    assert list(understood.arguments) == ours.split("|" if "|" in ours else None)
    assert {why for _option, why in understood.needless} == told


@pytest.mark.parametrize(
    "line",
    [
        *("--allow-code", "--disable-safe-unpickle", "--gradio-auth-path f", "--server-name=0.0.0.0"),
        *("--nowebui", "--subpath x", "--gradio-auth a:b,c:d"),
    ],
)
def test_what_would_not_be_as_meant_is_refused_by_its_name(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = line.split()[0].partition("=")[0]
    with pytest.raises(LaunchOptionRefused):
        understand(split_options(line))
    assert main(line.split()) == 2
    assert f"«{name}» no se puede usar aquí: " in capsys.readouterr().err


@pytest.mark.parametrize("line", ["--port", "--theme --share", "--gradio-auth"])
def test_values_that_are_missing(line: str) -> None:
    with pytest.raises(LaunchOptionValueMissing):
        understand(split_options(line))


def test_quotes_that_do_not_end() -> None:
    with pytest.raises(LaunchOptionsUnreadable):
        split_options('--data-dir "D:\\mis cosas')


@pytest.mark.parametrize(
    "line",
    [
        "set COMMANDLINE_ARGS=--port 7931 --data-dir 'D:\\a b'",
        "export COMMANDLINE_ARGS=\"--port 7931 --data-dir 'D:\\a b'\"",
        "SET COMMANDLINE_ARGS=—port 7931 –data-dir “D:\\a b”\r\n",
    ],
)
def test_the_line_of_a_file_or_of_a_site_is_read_whole(line: str) -> None:
    assert split_options(line) == ("--port", "7931", "--data-dir", "D:\\a b")


@pytest.mark.parametrize("said", ["--gradio-auth ana:secreto", "--usuario=ana:secreto", '—gradio-auth "ana:secreto 2"'])
def test_no_password_is_remembered_from_the_line(said: str) -> None:
    form = LaunchForm(extra=f"--xformers {said} --port 9000")
    assert form.kept()["extra"] == "--xformers --port 9000"
    assert any("secreto" in one for one in form.understood().arguments)


def test_every_option_has_a_meaning_or_a_reason() -> None:
    assert len(LAUNCH_OPTIONS) > 100
    for option in LAUNCH_OPTIONS.values():
        assert bool(option.ours) != bool(option.why)
    assert set(REASONS) == set(Why)


def test_reasons_are_told_once_each() -> None:
    lines = needless((("--medvram", Why.MEMORY), ("--api", Why.API), ("--lowvram", Why.MEMORY)))
    assert lines[0].startswith("ℹ️ --medvram, --lowvram no hacen falta: ")
    assert lines[1] == f"ℹ️ --api no hace falta: {REASONS[Why.API]}."


@given(st.lists(st.text(max_size=12).filter(lambda text: text.partition("=")[0] not in LAUNCH_OPTIONS)))
def test_everything_else_stays_as_it_is(arguments: list[str]) -> None:
    assert list(understand(arguments).arguments) == arguments


def test_the_command_tells_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--medvram", "--opt-channelslast", "--theme", "raro"])
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert "--medvram no hace falta: el ahorro de memoria es automático" in said
    assert "--tema no puede ser «raro»" in said


def test_what_the_line_says_takes_the_place_of_what_the_form_has() -> None:
    form = LaunchForm(theme="claro", user="yo", password="a", extra="--theme dark --port 9000 --gradio-auth u:c")
    said = "--tema oscuro --puerto 9000 --usuario u:c"
    assert " ".join(form.understood().arguments) == said
    assert " ".join(LaunchForm(extra="--listen").understood().arguments) == "--puerto 7860 --tema sistema --escuchar"
