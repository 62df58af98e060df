from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.detect import ModelKind
from sdcolab.core.file_names import MAX_NAME_BYTES, numbered, safe_name, split_suffix, with_suffix
from sdcolab.downloads.names import disposition_name, offered_name
from sdcolab.downloads.report import LinkReport, LinkStatus, report_line


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("modelo.safetensors", "modelo.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("C:\\x\\y.ckpt", "y.ckpt"),
        ("C:y.ckpt", "C_y.ckpt"),
        ("..", "archivo"),
        ("", "archivo"),
        ("...", "archivo"),
        (".bashrc", "bashrc"),
        ("a\x00b\nc\u202e.pt", "abc.pt"),
        ("con.safetensors", "_con.safetensors"),
        ("COM1", "_COM1"),
        ("nul", "_nul"),
        ("comida.pt", "comida.pt"),
        ("mi modelo  ñandú 猫.safetensors ", "mi modelo ñandú 猫.safetensors"),
        ('a<b>c:"d|e?f*.pt', "a_b_c__d_e_f_.pt"),
        ("n\u0303.pt", "ñ.pt"),
    ],
)
def test_safe_name(raw: str, name: str) -> None:
    assert safe_name(raw) == name


@given(st.text())
def test_names_are_always_safe(raw: str) -> None:
    name = safe_name(raw)
    assert name
    assert name == PurePosixPath(name).name == PureWindowsPath(name).name
    assert name not in (".", "..")
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert name.isprintable()
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert safe_name(name) == name
    assert len(numbered(name, 12).encode()) <= MAX_NAME_BYTES


@given(st.text(min_size=300))
def test_long_names_keep_their_extension(raw: str) -> None:
    assert safe_name("a" + raw.replace("/", "").replace("\\", "") + "z.safetensors").endswith(".safetensors")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="dream shaper.safetensors"', "dream shaper.safetensors"),
        ("attachment; filename=x.pt", "x.pt"),
        ("attachment; filename=\"a.pt\"; filename*=UTF-8''%C3%B1and%C3%BA.pt", "ñandú.pt"),
        ("attachment; filename*=utf-8''%E7%8C%AB.pt; filename=\"cat.pt\"", "猫.pt"),
        ("attachment; filename*=ISO-8859-1''%F1.pt", "ñ.pt"),
        ('attachment; filename="a\\"b.pt"', 'a"b.pt'),
        ('attachment; filename="a;b.pt"', "a;b.pt"),
        ('attachment; filename="ñ.pt"'.encode().decode("latin-1"), "ñ.pt"),
        ('attachment; filename="ma%C3%B1ana.pt"', "mañana.pt"),
        ('filename="x.pt"', "x.pt"),
        ('attachment; filename="=?UTF-8?B?w7FhbmTDui5wdA==?="', "ñandú.pt"),
        ("attachment; filename==?iso-8859-1?Q?ma=F1ana.pt?=", "mañana.pt"),
        ('attachment; filename="=?no-existe?B?eA==?="', "=?no-existe?B?eA==?="),
        ('attachment; filename="=?UTF-8?B?!!!"', "=?UTF-8?B?!!!"),
        ("inline", ""),
        ("attachment; filename*=no-existe''x", ""),
    ],
)
def test_content_disposition(header: str, name: str) -> None:
    assert disposition_name(header) == name


@given(st.text())
def test_content_disposition_never_fails(header: str) -> None:
    safe_name(disposition_name(header))


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_extended_names_arrive_whole(name: str) -> None:
    assert disposition_name(f"attachment; filename*=UTF-8''{quote(name, safe='')}") == name


def test_a_header_bomb_is_cut() -> None:
    assert len(disposition_name('attachment; filename="' + "a" * 1_000_000 + '"')) < 10_000


def test_offered_name() -> None:
    signed = "https://s.example/objeto?response-content-disposition=attachment%3B%20filename%3D%22b.pt%22"
    assert offered_name('attachment; filename="a.pt"', signed) == "a.pt"
    assert offered_name(None, signed) == "b.pt"
    assert offered_name(None, "https://s.example/x/ma%C3%B1ana%20.pt?q=1") == "mañana .pt"


def test_suffixes() -> None:
    assert split_suffix("a.b.safetensors") == ("a.b", ".safetensors")
    assert split_suffix("modelo v1.5 final") == ("modelo v1.5 final", "")
    assert split_suffix("modelo") == ("modelo", "")
    assert with_suffix("modelo.ckpt", ".safetensors") == "modelo.safetensors"
    assert with_suffix("modelo", ".safetensors") == "modelo.safetensors"
    for name in ("Deliberate v1.5", "mezcla.fp16", "dreamshaper_8.pruned", "v2.0fp16", "a.b"):
        assert with_suffix(name, ".safetensors") == f"{name}.safetensors"
        assert numbered(name, 2) == f"{name} (2)"
    assert numbered("a.pt", 2) == "a (2).pt"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (ModelKind.LORA, "<lora:flor v1.5:1>"),
        (ModelKind.HYPERNETWORK, "<hypernet:flor v1.5:1>"),
        (ModelKind.EMBEDDING, "escribe flor v1.5 en el prompt"),
    ],
)
def test_what_has_come_is_told_by_the_name_that_uses_it(kind: ModelKind, says: str) -> None:
    file = Path("models/flor v1.5.safetensors")
    report = LinkReport("https://h.x/f", LinkStatus.DOWNLOADED, name=file.name, kind=kind, path=file)
    assert says in report_line(report)
