from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import LocalFileMissing, NotALink, UnknownPrefix
from sdcolab.downloads.links import Link, LocalFile, parse_links, redacted, shown_text, without_secrets
from sdcolab.downloads.local import files_at


def urls(text: str) -> list[str]:
    return [entry.url if isinstance(entry, Link) else f"!{entry.text}" for entry in parse_links(text)]


A, B, C = "https://a.example/x.safetensors", "https://b.example/y.ckpt", "https://c.example/z"


ONE_LINE = (
    "https://h.example/0.pt , !wget -O a.pt https://h.example/1!aria2c -d models/VAE -o b.pt https://h.example/2 "
    "%cd /content !curl -Lo c.pt https://h.example/3 , https://h.example/4.pt > mi nombre"
)


def test_commands_that_a_field_of_one_line_has_joined_keep_their_names() -> None:
    found = [entry for entry in parse_links(ONE_LINE) if isinstance(entry, Link)]
    assert len(found) == len(parse_links(ONE_LINE))
    assert [(one.url[-1], one.name, one.kind) for one in found[1:4]] == [
        ("1", "a.pt", None),
        ("2", "b.pt", ModelKind.VAE),
        ("3", "c.pt", None),
    ]
    assert (found[0].name, found[4].name) == ("", "mi nombre")


@pytest.mark.parametrize(
    "text",
    [
        f"{A},{B},{C}",
        f"{A}, {B},\n{C}",
        f"{A} {B}\t{C}",
        f"{A}\r\n{B}\r\n\r\n{C}\n",
        f",,{A};{B} ,, {C},",
        f"{A}{B} {C}",
    ],
)
def test_separators(text: str) -> None:
    assert urls(text) == [A, B, C]


def test_nothing() -> None:
    assert parse_links("") == parse_links(" \n,, # solo un comentario\n") == ()


def test_duplicates_collapse_in_order() -> None:
    assert urls(f"{B} {A} {B} {A.replace('https://a', 'HTTPS://A')}") == [B, A]


def test_comments() -> None:
    assert urls(f"# mis modelos\n{A} # el bueno, {B}\n{C}#AOM3") == [A, f"{C}#AOM3"]


def test_bad_items_are_named_and_do_not_hide_good_ones() -> None:
    assert urls(f"hola\n{A} ftp://x/y javascript:alert(1)") == ["!hola", A, "!ftp://x/y", "!javascript:alert(1"]


@pytest.mark.parametrize("bad", ["https://", "https:///x", "http://[::1", "https://h:99999/x", "https://" + "a" * 9000])
def test_unusable_addresses(bad: str) -> None:
    (entry,) = parse_links(bad)
    assert isinstance(entry, NotALink)


@pytest.mark.parametrize("wrapped", [f"<{A}>", f"«{A}»", f'"{A}"', f"({A})", f"`{A}`", f"[modelo]({A})", f"{A}."])
def test_wrappers_are_taken_off(wrapped: str) -> None:
    assert urls(wrapped) == [A]


def test_links_inside_links_stay() -> None:
    inside = "https://proxy.example/?url=https://a.example/x"
    assert urls(inside) == [inside]


def test_known_sites_without_scheme_and_air() -> None:
    assert urls("civitai.com/models/5 urn:air:sd1:lora:civitai:12@34 urn:air:sdxl:checkpoint:civitai:12") == [
        "https://civitai.com/models/5",
        "https://civitai.com/models/12?modelVersionId=34",
        "https://civitai.com/models/12",
    ]
    lost = "drive.google.com/file/d/1/view www.dropbox.com/s/x.pt mega.nz/file/x github.com/a/b/raw/x.pth"
    assert urls(lost) == [f"https://{item}" for item in lost.split()]
    assert urls("modelos/x.safetensors x.com") == ["!modelos/x.safetensors", "!x.com"]


def test_a_word_before_the_link_says_what_it_is() -> None:
    links = parse_links(f"lora:{A} VAE: {B} $ckpt:{C} lora:urn:air:sd1:lora:civitai:12@34 $ups:{C}?a cosa:{A}")
    assert [getattr(link, "kind", None) for link in links] == [
        ModelKind.LORA,
        ModelKind.VAE,
        ModelKind.CHECKPOINT,
        ModelKind.LORA,
        ModelKind.UPSCALER,
        None,
    ]
    assert isinstance(links[-1], NotALink)
    assert urls(f"Enlaces: {A}") == [A]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{A} > mi modelo", [(A, "mi modelo")]),
        (f"{A} > mi modelo.safetensors,{B}", [(A, "mi modelo.safetensors"), (B, "")]),
        (f"{A} > mi modelo，\u200b{B}", [(A, "mi modelo"), (B, "")]),
        (f"{A} > uno,{B} > dos tres;{C}", [(A, "uno"), (B, "dos tres"), (C, "")]),
        (f"{A} > uno {B} > dos, {C}", [(A, "uno"), (B, "dos"), (C, "")]),
        (f"{A}|uno.safetensors {B}", [(A, "uno.safetensors"), (B, "")]),
        (f"{A}[uno dos.safetensors]{B}|tres", [(A, "uno dos.safetensors"), (B, "tres")]),
        (f'{A} > "entre comillas"\n{B}>x', [(A, "entre comillas"), (B, "x")]),
        (f"<{A}> <{B}>", [(A, ""), (B, "")]),
        (f"[texto]({A}), {B}", [(A, ""), (B, "")]),
        (f"{A} > uno, {A} > dos", [(A, "uno")]),
        (f"{A}|uno|{B}|dos|{C}", [(A, "uno"), (B, "dos"), (C, "")]),
        (f"{A} > uno > {B} > dos", [(A, "uno"), (B, "dos")]),
        (f"{A}>{B}>dos tres", [(A, ""), (B, "dos tres")]),
        (f"<{A}> > uno dos, <{B}>|<{C}>", [(A, "uno dos"), (B, ""), (C, "")]),
    ],
)
def test_names_given_to_links(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(entry.url, entry.name) for entry in parse_links(text) if isinstance(entry, Link)] == expected
    assert not [entry for entry in parse_links(text) if isinstance(entry, NotALink)]


def test_names_and_kinds_together() -> None:
    (lora, model) = parse_links(f"lora:{A} > mi lora, civitai.com/models/5[neo]")
    assert lora == Link(A, ModelKind.LORA, "mi lora")
    assert model == Link("https://civitai.com/models/5", None, "neo")


def test_names_take_no_time_to_read() -> None:
    started = time.process_time()
    for filler in ("a ", "[", ">", "|", "/", "a>", "https://", "x:[", " "):
        parse_links(f"{A} > " + filler * 20_000)
        parse_links(filler * 20_000 + A)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        f"{A}|{B}",
        f"{A} | {B}",
        f"{A} > {B}",
        f"{A} -> {B}",
        f"{A}\u2060,\u200e{B}",
        f"{A}，{B}",
        f"{A}、 {B}；",
        f"{A}\xa0{B}",
        f'[url]{A}[/url] [b][url="{B}"]DreamShaper[/url][/b]',
        f'[uno]({A} "título"), [dos]({B})',
        f'<a class="x" href="{A}">uno</a>, <a href={B}>dos</a>',
        f"&lt;{A}&gt; {B} (1,5 GB)",
        f"[url={A}][b]Mi [i]LoRA[/i][/b][/url] [url][b]{B}[/b][/url]",
        f"<{A}>|<{B}>",
        f"[uno](<{A}>), [dos](<{B}>)",
        f"%cd /content\n!wget -q {A}\n!mkdir -p modelos && curl -L {B}\n!pip install torch",
        f"!aria2c -c -x 16 {A} && aria2c -c {B}",
        A.replace("https", "ht\u200btps") + " " + B.replace("https://", "https：／／"),
    ],
)
def test_what_people_copy(text: str) -> None:
    assert [entry.name for entry in parse_links(text) if isinstance(entry, Link)] == ["", ""]
    assert urls(text) == [A, B]


@pytest.mark.parametrize(
    "text",
    [
        f"aria2c -c {A} -d /content/x -o uno.pt wget {B} -O dos.pt",
        f"wget -O uno.pt {A} curl '{B}' -o dos.pt",
        f'!wget {A} -O uno.pt sudo wget "{B}" -O dos.pt',
        f"curl -L {A} -o uno.pt wget {B} -O dos.pt pip install x",
        f"wget {A} -O uno.pt | {B} > dos.pt",
        f"wget {A} -O uno.pt|{B}|dos.pt",
        f"wget {A} -O uno.pt;wget {B} -O dos.pt",
        f"wget {A} -O uno.pt&&curl {B} > dos.pt",
        f"wget {A} -O uno.pt|wget -qO- {B} > dos.pt",
        f"wget {A} -O uno.pt > {B} > dos.pt",
    ],
)
def test_commands_that_follow_one_another_in_one_line(text: str) -> None:
    found = [(entry.url, entry.name) for entry in parse_links(text) if isinstance(entry, Link)]
    assert found == [(A, "uno.pt"), (B, "dos.pt")]


@pytest.mark.parametrize(
    ("text", "url", "name", "kind"),
    [
        (f"!wget -O detalle.safetensors {A}", A, "detalle.safetensors", None),
        (f'!wget -O "a, b; c.safetensors" {A}', A, "a, b; c.safetensors", None),
        (f'!wget -O "[v2] gato.safetensors" {A}', A, "[v2] gato.safetensors", None),
        (f"aria2c {A} -d models/Lora -o 'a, b.safetensors'", A, "a, b.safetensors", ModelKind.LORA),
        (f'curl -L {A} -o "uno > dos|tres.pt"', A, "uno _ dos_tres.pt", None),
        (f"!wget {A} -O /content/webui/models/Lora/detalle.safetensors", A, "detalle.safetensors", ModelKind.LORA),
        (f"wget --output-document=z.ckpt '{A}' && echo listo", A, "z.ckpt", None),
        (f"!wget -Oz.ckpt {A}", A, "z.ckpt", None),
        (f"!aria2c -c -x 16 -s 16 -k 1M {A} -d /content/models/VAE -o a.pt", A, "a.pt", ModelKind.VAE),
        (f"!aria2c -c \\\n -d /content/embeddings \\\n {A}", A, "", ModelKind.EMBEDDING),
        (f'curl -Lo a.pt -H "Authorization: Bearer abc" "{A}"', A, "a.pt", None),
        (f"iwr -Uri '{A}' -OutFile models\\Lora\\a.pt", A, "a.pt", ModelKind.LORA),
        (f'curl {A} --output "C:\\sd\\models\\VAE\\a.pt"', A, "a.pt", ModelKind.VAE),
        (f"axel -n 10 {A} -o a.pt", A, "a.pt", None),
        (f"wget {A} -q > /dev/null 2>&1", A, "", None),
        (f"wget {A} -O mi\\ modelo.pt | tail -1", A, "mi modelo.pt", None),
        (f"clip_vision:{A}", A, "", ModelKind.CLIP_VISION),
        (f"{A} => otro nombre.pt", A, "otro nombre.pt", None),
        (
            "!gdown --id 1AbCdEfGhIjKlMnOpQrStUvWxY",
            "https://drive.google.com/file/d/1AbCdEfGhIjKlMnOpQrStUvWxY",
            "",
            None,
        ),
        ("https://h.example/x/mi modelo v2.safetensors", "https://h.example/x/mi%20modelo%20v2.safetensors", "", None),
        (
            "https://h.example/x/a b.ckpt?download=true&u=c:/d",
            "https://h.example/x/a%20b.ckpt?download=true&u=c:/d",
            "",
            None,
        ),
        ("[x](https://h.example/c_(v2).pt)", "https://h.example/c_(v2).pt", "", None),
        ("https://h.example/?a=1&amp;b=2", "https://h.example/?a=1&b=2", "", None),
        ("https:\\\\h.example\\x\\a.pt", "https://h.example/x/a.pt", "", None),
        (f"loras: {A}", A, "", ModelKind.LORA),
        (f"MODELOS:{A}", A, "", ModelKind.CHECKPOINT),
        (f"lora = [{A}]", A, "", ModelKind.LORA),
        (f"lora:\n{A} (el mejor)", A, "", ModelKind.LORA),
        (f"--- LoRA ---\n{A}", A, "", ModelKind.LORA),
        (f"#vae\n{A}", A, "", ModelKind.VAE),
        (f"$ckpt\n{A}", A, "", ModelKind.CHECKPOINT),
        (f"{A}→ otro nombre.pt", A, "otro nombre.pt", None),
        (f"https://www.google.com/url?q={A}&sa=D&ust=1", A, "", None),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fh.example%2Fa.pt&h=AT", "https://h.example/a.pt", "", None),
        (f"https://translate.google.com/translate?sl=en&u={A}", A, "", None),
        (
            "https://civitai-com.translate.goog/models/9?modelVersionId=5&_x_tr_sl=en",
            "https://civitai.com/models/9?modelVersionId=5",
            "",
            None,
        ),
        ("//civitai.com/models/9", "https://civitai.com/models/9", "", None),
        (f"view-source:{A}", A, "", None),
        ("hf download ana/demo sub/a.pt", "https://huggingface.co/ana/demo/resolve/main/sub/a.pt", "", None),
        (
            "!huggingface-cli download ana/demo a.pt --revision v2 --local-dir /content/models/VAE",
            "https://huggingface.co/ana/demo/resolve/v2/a.pt",
            "",
            ModelKind.VAE,
        ),
        (f"!wget {A} -O /content/models/Lora/mi lora.safetensors", A, "mi lora.safetensors", ModelKind.LORA),
        ("https://h.example/?a=1&#38;b=2", "https://h.example/?a=1&b=2", "", None),
        ("hxxps://h.example/a.pt", "https://h.example/a.pt", "", None),
        (f'urls = [\n  "{A}",\n]', A, "", None),
        (f'lora = [\n  "{A}",\n]', A, "", ModelKind.LORA),
        (
            'hf_hub_download(repo_id="ana/demo", filename="sub/a.pt", local_dir="x")',
            "https://huggingface.co/ana/demo/resolve/main/sub/a.pt",
            "",
            None,
        ),
        (
            "path = hf_hub_download('ana/demo', 'a.pt', subfolder='vae', revision='fp16')",
            "https://huggingface.co/ana/demo/resolve/fp16/vae/a.pt",
            "",
            None,
        ),
        (
            "hf download --repo-type dataset ana/demo",
            "https://huggingface.co/datasets/ana/demo",
            "",
            None,
        ),
    ],
)
def test_commands_and_addresses_from_elsewhere(text: str, url: str, name: str, kind: ModelKind | None) -> None:
    (entry,) = parse_links(text)
    assert isinstance(entry, Link)
    assert (entry.url, entry.name, entry.kind) == (url, name, kind)


def test_paths(tmp_path: Path) -> None:
    drive = tmp_path / "MyDrive"
    one, two = drive / "mis modelos" / "uno.safetensors", drive / "dos.ckpt"
    one.parent.mkdir(parents=True)
    for path in (one, two, drive / "secreto.txt", drive / ".oculto.pt"):
        path.write_bytes(b"x")

    def read(text: str) -> list[object]:
        return [
            entry.path if isinstance(entry, LocalFile) else getattr(entry, "url", type(entry))
            for entry in parse_links(text, lambda path: files_at(path, drive))
        ]

    assert read(str(one)) == read("MyDrive/mis modelos/uno.safetensors") == read("mis modelos/uno.safetensors") == [one]
    assert read(f"/content/drive/MyDrive/dos.ckpt, {A} dos.ckpt") == [two, A]
    assert read("mis modelos/") == [one]
    assert read("lora:MyDrive/dos.ckpt > otro") == [two]
    assert read("MyDrive\\mis modelos\\uno.safetensors") == [one]
    assert read("MyDrive/nada.safetensors MyDrive/secreto.txt MyDrive/.oculto.pt") == [LocalFileMissing] * 3
    assert read("dos") == [NotALink]
    (entry,) = parse_links("vae:dos.ckpt|nuevo.pt", lambda path: files_at(path, drive))
    assert entry == LocalFile(two, ModelKind.VAE, "nuevo.pt")
    assert files_at("dos.ckpt", None) == files_at("\0", drive) == files_at("../../etc/passwd", drive) == ()


def test_a_word_that_is_no_kind() -> None:
    for text in ("foo:https://a.com/x", "t2i:https://a.com/x", "$foto:urn:air:sd1:model:civitai:1"):
        (entry,) = parse_links(text)
        assert isinstance(entry, UnknownPrefix)
        assert entry.text == text


def test_spaces_and_letters_are_escaped_once() -> None:
    assert urls("https://a.example/añ%20o.safetensors") == ["https://a.example/a%C3%B1%20o.safetensors"]


def test_redacted_drops_keys_users_and_signatures() -> None:
    shown = redacted(
        "https://ana:clave@civitai.com/api/download/models/5?type=Model&token=SECRETO&X-Amz-Signature=ff#f"
    )
    assert shown == "https://civitai.com/api/download/models/5?type=Model&…"
    assert "clave" not in shown


def test_a_pasted_key_is_not_repeated() -> None:
    key = "0123456789abcdef0123456789abcdef"
    (entry,) = parse_links(key)
    assert isinstance(entry, NotALink)
    assert key not in entry.text
    assert "hf_abcdefghijklmnopqrstuvwxyz" not in shown_text("token=hf_abcdefghijklmnopqrstuvwxyz")


def test_repr_of_a_link_is_redacted() -> None:
    assert "SECRETO" not in repr(Link("https://civitai.com/x?token=SECRETO"))


def test_without_secrets() -> None:
    assert without_secrets("https://u:p@civitai.com/x?type=LoRA&token=K#f") == ("https://civitai.com/x?type=LoRA", "K")
    assert without_secrets("https://a.example/x?b=%2F") == ("https://a.example/x?b=%2F", None)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for entry in parse_links(text):
        if isinstance(entry, Link):
            assert re.match(r"https?://[^\s]+$", entry.url)
            assert len(entry.shown) <= 120
        else:
            assert entry.text == shown_text(entry.text) or len(entry.text) <= 60


ADDRESSES = st.from_regex(r"\Ahttps://[a-z]{1,9}\.(?:com|red)/[a-z0-9/_-]{0,20}[a-z0-9]\Z")


@given(st.lists(ADDRESSES, unique=True), st.data())
def test_good_links_survive_any_separators(links: list[str], data: st.DataObject) -> None:
    text = "".join(link + data.draw(st.sampled_from([",", " ", "\n", ", ", "\r\n", ";", " ,\n"])) for link in links)
    assert urls(text) == links


@given(st.text(min_size=1), st.text(min_size=1))
def test_redacting_never_fails(path: str, value: str) -> None:
    assert len(redacted(f"https://h.example/{path}?token={value}")) <= 120
    assert "\n" not in redacted(f"https://h.example/{path}\n?a={value}")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("hola esto no es un enlace", ["hola esto no es un enlace"]),
        ("una frase, con comas\ny dos líneas", ["una frase con comas y dos líneas"]),
        (f"mira {A} que es bueno", []),
        (f"{A} (el mejor)\n{B} - anime, muy bueno", []),
        (f"esto es mi lista\n{A} (caras, 2GB)", ["esto es mi lista"]),
        ("ftp://a.es/x ftp://b.es/y", ["ftp://a.es/x", "ftp://b.es/y"]),
        ("no sé " * 40, [("no sé " * 40)[:59] + "…"]),
        (f"Modelo principal: {A}", []),
        ("(masterpiece:1.2), best quality, 1girl", ["masterpiece:1.2 best quality 1girl"]),
        ("ftp://a.es/x.safetensors", ["ftp://a.es/x.safetensors"]),
        ("file:///etc/x.ckpt hf:ana/repo/x.safetensors", ["file:///etc/x.ckpt", "hf:ana/repo/x.safetensors"]),
    ],
)
def test_a_sentence_is_one_mistake(text: str, wrong: list[str]) -> None:
    found = [entry for entry in parse_links(text) if isinstance(entry, NotALink)]
    assert [entry.text for entry in found] == wrong
    assert {type(entry) for entry in found} <= {NotALink}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{A}, dreamshaper", [("dreamshaper",)]),
        (f"{A}, dreamshaper, {B}; anything_v5", [("dreamshaper",), ("anything_v5",)]),
        (f"{A}, el mejor, {B} bueno", [(), ()]),
        (f"{A},\ndreamshaper", [()]),
    ],
)
def test_a_word_between_commas_is_kept_with_the_link_before_it(text: str, words: list[tuple[str, ...]]) -> None:
    assert [entry.words for entry in parse_links(text) if isinstance(entry, Link)] == words


@pytest.mark.parametrize(
    "text",
    [
        f"1. {A}\n2) {B}",
        f"- {A}\n- {B}",
        f"• {A}\n• {B}",
        f"{A}\\n{B}",
        f"🔥{A}🔥 → {B}",
        f"{A}）。{B}",
        f"{A}: el mejor\n{B}: el otro",
        f'<a class="x" href="{A}">el primero</a> <a href={B}>el segundo</a>',
        "https//a.example/x.safetensors https://https://b.example/y.ckpt",
        "https:/a.example/x.safetensors https://http://https://b.example/y.ckpt",
    ],
)
def test_lists_html_and_broken_addresses(text: str) -> None:
    assert urls(text) == [A, B]


def test_a_heading_tells_of_the_links_below_it_that_say_nothing_themselves() -> None:
    found = parse_links(f"VAE\n{A}, lora:{B}\nLoRA:\n{C}")
    assert [entry.kind for entry in found if isinstance(entry, Link)] == [ModelKind.VAE, ModelKind.LORA, ModelKind.LORA]
