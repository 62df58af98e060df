"""Which of the user's files an infotext means: by hash before name, renamed LoRAs, and what is missing."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.hashes import old_hash, with_hash
from sdcolab.core.infotext import Pasted, parse, to_request, with_files
from sdcolab.core.library import Library
from sdcolab.core.request import SAME
from sdcolab.core.words import explain


def safetensors(content: bytes, **metadata: str) -> bytes:
    header = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(header)) + header + content


def put(folders: Folders, kind: ModelKind, name: str, content: bytes) -> Path:
    path = folders.models(kind) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Digests:
    """Hashes as the engine's cache gives them; ``read`` says which files had to be read."""

    def __init__(self, *known: Path) -> None:
        self.known = set(known)
        self.read: list[str] = []

    def digest(self, path: Path, *, after_header: bool, read: bool) -> str | None:
        if path not in self.known:
            if not read:
                return None
            self.read.append(path.name)
        content = path.read_bytes()
        if after_header:
            content = content[8 + int.from_bytes(content[:8], "little") :]
        return sha(content)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def resolved(folders: Folders, line: str, prompt: str = "a", digests: Digests | None = None) -> Pasted:
    text = f"{prompt}\nSteps: 9, CFG scale: 7, Sampler: Euler, {line}"
    return with_files(to_request(parse(text)), Library(folders), digests)


def missing(pasted: Pasted) -> list[tuple[str, str, str]]:
    return [(one.field, one.name, one.digest) for one in pasted.missing]


# --- Checkpoints and VAEs -----------------------------------------------------------------------------------------


def test_by_name_nothing_is_read(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "sub/anime.safetensors", b"x")
    digests = Digests()
    found = resolved(folders, "Model hash: 0123456789, Model: sub_anime", digests=digests)
    assert found.changes["checkpoint"] == "sub/anime.safetensors"
    assert (digests.read, found.missing) == ([], ())


@pytest.mark.parametrize("digits", [10, 12, 64])
def test_a_renamed_checkpoint_is_found_by_its_hash(digits: int, folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "a.safetensors", b"x")
    put(folders, ModelKind.CHECKPOINT, "b.safetensors", b"y")
    digests = Digests()
    found = resolved(folders, f"Model hash: {sha(b'y')[:digits].upper()}, Model: lost", digests=digests)
    assert found.changes["checkpoint"] == "b.safetensors"
    assert digests.read == ["a.safetensors", "b.safetensors"]


def test_a_known_hash_wins_over_a_name(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "model.safetensors", b"new version")
    old = put(folders, ModelKind.CHECKPOINT, "model (old).safetensors", b"old version")
    digests = Digests(old)
    found = resolved(folders, f"Model hash: {sha(b'old version')[:10]}, Model: model", digests=digests)
    assert found.changes["checkpoint"] == "model (old).safetensors"
    assert digests.read == []


def test_of_two_equal_files_the_named_one(folders: Folders) -> None:
    paths = [put(folders, ModelKind.CHECKPOINT, f"{name}.safetensors", b"x") for name in "ab"]
    found = resolved(folders, f"Model hash: {sha(b'x')[:10]}, Model: b", digests=Digests(*paths))
    assert found.changes["checkpoint"] == "b.safetensors"


def test_the_hash_of_before_2023(folders: Folders) -> None:
    content = bytes(range(256)) * 0x2000
    path = put(folders, ModelKind.CHECKPOINT, "old.ckpt", content)
    assert old_hash(path) == sha(content[0x100000:0x110000])[:8]
    assert resolved(folders, f"Model hash: {old_hash(path)}").changes["checkpoint"] == "old.ckpt"


def test_what_civitai_says_is_enough(folders: Folders) -> None:
    path = put(folders, ModelKind.CHECKPOINT, "mine.safetensors", b"x")
    info = {"files": [{"hashes": {"AutoV2": "67AB2FD8EC", "SHA256": "67AB2FD8EC" + "0" * 54}}, "?"]}
    path.with_name("mine.civitai.info").write_text(json.dumps(info))
    assert resolved(folders, "Model hash: 67ab2fd8ec, Model: pony").changes["checkpoint"] == "mine.safetensors"


def test_versions_of_civitai(folders: Folders) -> None:
    resources = (
        '[{"type": "checkpoint", "modelVersionId": 5, "modelName": "Pony"}, 3, '
        '{"type": "lora", "modelVersionId": 6, "modelName": "Cats: all", "weight": 0.7}, '
        '{"type": "lora", "modelVersionId": 8, "modelName": "Lost"}]'
    )
    for kind, name, version in ((ModelKind.CHECKPOINT, "p", 5), (ModelKind.LORA, "c", 6), (ModelKind.LORA, "d", 60)):
        path = put(folders, kind, f"{name}.safetensors", safetensors(b"x"))
        path.with_name(f"{name}.civitai.info").write_text(json.dumps({"id": version}))
    found = resolved(folders, f"Civitai resources: {resources}", digests=Digests())
    assert found.changes["checkpoint"] == "p.safetensors"
    assert found.changes["prompt"] == "a\n<lora:c:0.7><lora:Lost:1>"
    assert missing(found) == [("prompt", "Lost", "civitai:8")]


@pytest.mark.parametrize("info", ["", "[]", '{"files": 3}', '{"files": [{"hashes": [1]}, {"hashes": {"a": 1}}]}'])
def test_damaged_information_is_no_crash(info: str, folders: Folders) -> None:
    path = put(folders, ModelKind.CHECKPOINT, "mine.safetensors", b"x")
    path.with_name("mine.civitai.info").write_text(info)
    assert missing(resolved(folders, "Model hash: 67ab2fd8ec, Model: pony")) == [("checkpoint", "pony", "67ab2fd8ec")]


def test_what_is_missing_is_left_out(folders: Folders) -> None:
    found = resolved(
        folders,
        "Model hash: 67ab2fd8ec, Model: a, VAE hash: 1111111111, VAE: v.pt, Hires upscale: 2, "
        "Hires checkpoint: b [2222222222], Refiner: c",
    )
    assert "checkpoint" not in found.changes
    assert found.changes["vae"] == "Automatic"
    assert found.changes["hires"].checkpoint == SAME
    assert found.changes["refiner"] is None
    assert missing(found) == [
        ("checkpoint", "a", "67ab2fd8ec"),
        ("vae", "v.pt", "1111111111"),
        ("hires.checkpoint", "b", "2222222222"),
        ("refiner.checkpoint", "c", ""),
    ]


def test_every_model_gets_its_own_name(folders: Folders) -> None:
    for name in ("a", "sub/b", "c"):
        put(folders, ModelKind.CHECKPOINT, f"{name}.safetensors", b"x")
    put(folders, ModelKind.VAE, "v.pt", b"x")
    found = resolved(
        folders, "Model: a, Module 1: v, Hires upscale: 2, Hires checkpoint: sub_b, Refiner: c [3333333333]"
    )
    changes = found.changes
    assert (changes["checkpoint"], changes["vae"]) == ("a.safetensors", "v.pt")
    assert changes["hires"].checkpoint == "sub/b.safetensors"
    assert changes["refiner"].checkpoint == "c.safetensors"
    assert found.missing == ()


@pytest.mark.parametrize("digest", ["", "x" * 10, "1234567", "67ab2fd8ec; rm"])
def test_what_is_no_hash_finds_nothing(digest: str, folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "a.safetensors", b"x")
    digests = Digests()
    assert with_hash(Library(folders).files(ModelKind.CHECKPOINT), digest, digests, read=True) == ()
    assert digests.read == []


# --- LoRAs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["tensors", "whole", "written"])
def test_a_renamed_lora_is_renamed_in_the_prompts(part: str, folders: Folders) -> None:
    content = safetensors(b"weights", **({"sshs_model_hash": "abcdef012345" + "0" * 52} if part == "written" else {}))
    put(folders, ModelKind.LORA, "sub/detail (new).safetensors", content)
    put(folders, ModelKind.LORA, "other.safetensors", safetensors(b"other"))
    digest = {"tensors": sha(b"weights")[:12], "whole": sha(content)[:12], "written": "abcdef012345"}[part]
    found = resolved(
        folders,
        f'Hires upscale: 2, Hires prompt: "<lora:det:ail:1>, <lyco:detail>", Lora hashes: "detail: {digest}"',
        "a <lora:detail:0.5:unet=1> <lora:details:1> <hypernet:detail:1>, <lora:detail>",
        Digests(),
    )
    assert found.changes["prompt"] == (
        "a <lora:detail (new):0.5:unet=1> <lora:details:1> <hypernet:detail:1>, <lora:detail (new)>"
    )
    assert found.changes["hires"].prompt == "<lora:det:ail:1>, <lyco:detail (new)>"
    assert missing(found) == [("prompt", "details", ""), ("hires.prompt", "det", "")]


def test_a_lora_that_is_here_keeps_its_name(folders: Folders) -> None:
    put(folders, ModelKind.LORA, "sub/detail.safetensors", safetensors(b"weights"))
    put(folders, ModelKind.LORA, "x.safetensors", safetensors(b"y", ss_output_name="alias"))
    prompt = "<lora:detail:1> <lora:Detail:1> <lora:sub/detail:1> <lora:alias:1>"
    found = resolved(folders, 'Lora hashes: "detail: 111111111111"', prompt, Digests())
    assert (found.changes["prompt"], found.missing) == (prompt, ())


def test_a_file_of_that_name_that_is_no_model_is_told_for_what_it_is(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "flux-Q4.gguf", b"GGUF\x03\x00\x00\x00")
    put(folders, ModelKind.LORA, "estilo.zip", b"Rar!" + bytes(30))
    pasted = resolved(folders, "Model: flux-Q4", "a <lora:estilo:1> <lora:otro:1>")
    assert [one.code.rpartition(".")[2] for one in pasted.missing] == [
        "infotext_file_foreign",
        "infotext_file_foreign",
        "infotext_file_missing",
    ]
    assert "GGUF" in explain(pasted.missing[0]).text
    assert "checkpoint" not in pasted.changes
