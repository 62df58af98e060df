"""Hashes of model files by scheme, and their memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdcolab.core.errors import CannotRead
from sdcolab.engine import hashes
from sdcolab.engine.hashes import EMBEDDING_HASH, LORA_HASH, MODEL_HASH, HashCache


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.arange(100.0)}, path, {"nota": "hola"})
    return path


def test_schemes(file: Path) -> None:
    content = file.read_bytes()
    whole = hashlib.sha256(content).hexdigest()
    tensors = hashlib.sha256(torch.arange(100.0).numpy().tobytes()).hexdigest()
    cache = HashCache()
    for _ in range(2):
        found = [cache.start(file, scheme).result(10) for scheme in (MODEL_HASH, EMBEDDING_HASH, LORA_HASH)]
        assert found == [whole[:10], whole[:12], tensors[:12]]


def test_files_without_header_are_hashed_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"0123456789")
    assert HashCache().start(path, LORA_HASH).result(10) == hashlib.sha256(b"0123456789").hexdigest()[:12]


def test_hashes_outlive_the_program(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "hashes.json"
    first = [HashCache(store).start(file, scheme).result(10) for scheme in (MODEL_HASH, LORA_HASH)]
    monkeypatch.setattr(hashes, "sha256", None)
    cache = HashCache(store)
    assert [cache.start(file, scheme).result(10) for scheme in (MODEL_HASH, LORA_HASH)] == first


def test_programs_at_work_at_once_keep_each_other_s_hashes(tmp_path: Path) -> None:
    store, paths = tmp_path / "hashes.json", [tmp_path / "a.pt", tmp_path / "b.pt"]
    caches = [HashCache(store), HashCache(store)]
    for path, cache in zip(paths, caches, strict=True):
        path.write_bytes(path.name.encode())
        cache.start(path).result(10)
    again = HashCache(store)
    assert [again.known(path) for path in paths] == [hashlib.sha256(path.name.encode()).hexdigest() for path in paths]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CannotRead):
        HashCache().start(tmp_path / "nada.pt").result(10)


def test_whole_digests_are_read_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes((4).to_bytes(8, "little") + b"{}  " + b"weights")
    cache = HashCache(tmp_path / "hashes.json")
    assert cache.digest(path, after_header=False, read=False) is None
    assert cache.digest(path, after_header=False, read=True) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert cache.digest(path, after_header=True, read=True) == hashlib.sha256(b"weights").hexdigest()
    again = HashCache(tmp_path / "hashes.json")
    assert again.digest(path, after_header=True, read=False) == hashlib.sha256(b"weights").hexdigest()
    assert again.start(path).result() == hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    assert cache.digest(tmp_path / "missing", after_header=False, read=True) is None
