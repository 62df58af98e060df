"""Loopback servers that behave like civitai, huggingface and plain file hosts (hechos/lanzadores.md 4a and 4b).

    with CivitaiServer({128713: CivitaiFile("dreamshaper.safetensors", data)}) as civitai:
        DownloadQueue(folders, civitai_url=civitai.url).run("https://civitai.com/api/download/models/128713")

Every server keeps the requests it got in ``seen`` for tests to look at. ``safetensors_bytes`` makes small model files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Log in to continue</body></html>"
BROWSER_WORDS = ("mozilla", "chrome", "safari", "firefox", "opera", "edge")


@dataclass(frozen=True)
class Seen:
    """One request that a server got."""

    method: str
    path: str
    headers: Mapping[str, str]
    client: tuple[str, int] = ("", 0)
    """Address and port of the other end: the same for all requests over one connection."""


@dataclass
class Fault:
    """Something that goes wrong with one answer of file bytes.

    ``cut_after``: reset the connection after so many body bytes; ``stall_after``: fall silent there for ``stall``
    seconds; ``drip``: one byte every so many seconds; ``status``: answer that instead (with ``headers``);
    ``ignore_range``: 200 with everything; ``wrong_total``: lie about the length in Content-Range by so much;
    ``flip``: send wrong bytes; ``page``: a web page with 200; ``short``: end quietly so many bytes early, with a
    Content-Length that agrees; ``etag``: another ETag.
    """

    cut_after: int | None = None
    stall_after: int | None = None
    stall: float = 5.0
    drip: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ignore_range: bool = False
    wrong_total: int = 0
    flip: bool = False
    page: bool = False
    short: int = 0
    etag: str | None = None


class Handler(BaseHTTPRequestHandler):
    """Hands every request to its server's ``answer``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: ClassVar[LoopbackServer]

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def _handle(self) -> None:
        self.owner.seen.append(Seen(self.command, self.path, dict(self.headers.items()), self.client_address))
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.owner.answer(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A complete answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, status: int, content: object) -> None:
        """An API answer."""
        self.reply(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send_file(self, data: bytes, headers: Mapping[str, str], fault: Fault, etag: str | None) -> None:
        """``data``, or the range asked for, as a well-behaved file server would send it, plus ``fault``."""
        if not self._somebody_waits():
            self.close_connection = True
            return
        if fault.status is not None:
            self.reply(fault.status, b"no", fault.headers)
            return
        if fault.page:
            self.reply(200, LOGIN_PAGE, {"Content-Type": "text/html; charset=utf-8"})
            return
        data = bytes(byte ^ 0x55 for byte in data) if fault.flip else data
        etag = fault.etag or etag
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if_range = self.headers.get("If-Range")
        partial = wanted is not None and not fault.ignore_range and if_range in (None, etag)
        start, end = 0, len(data)
        if partial and wanted:
            start = int(wanted[1])
            end = min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data))
            if start >= len(data):
                self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
        body = data[start : end - fault.short if end - start > fault.short else end]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data) + fault.wrong_total}")
        if etag:
            self.send_header("ETag", etag)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.owner.count(len(body))
            self._send_body(body, fault)

    def _somebody_waits(self) -> bool:
        """False when the other end has hung up, maybe long ago: this thread may be late on a busy machine."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _send_body(self, body: bytes, fault: Fault) -> None:
        if fault.drip is not None:
            for index in range(len(body)):
                self.wfile.write(body[index : index + 1])
                time.sleep(fault.drip)
            return
        stop = fault.cut_after if fault.cut_after is not None else fault.stall_after
        if stop is None or len(body) <= stop:
            self.wfile.write(body)
            return
        self.wfile.write(body[:stop])
        self.wfile.flush()
        if fault.cut_after is None:
            self.owner.closing.wait(fault.stall)
        # An abrupt reset (RST), not a polite end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the tests."""


class LoopbackServer:
    """A server on 127.0.0.1 with a port of its own, running inside a ``with`` block. ``listens_on``: another address
    that it is reached by too."""

    listens_on: ClassVar[str] = "127.0.0.1"

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self.sent = 0
        """File bytes that answers have promised to clients that still waited for them."""
        self._counting = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"owner": self})
        self._server = _QuietServer((self.listens_on, 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def count(self, size: int) -> None:
        """An answer with ``size`` bytes of a file begins."""
        with self._counting:
            self.sent += size

    def answer(self, request: Handler) -> None:
        """Reply to one request."""
        raise NotImplementedError

    def seen_headers(self) -> str:
        """Every header value and path that arrived, as one text to search for secrets."""
        return "\n".join(f"{seen.path} {dict(seen.headers)}" for seen in self.seen)


class FileServer(LoopbackServer):
    """Plain files by path. ``faults`` are used up one answer at a time, in order; ``None`` means a good answer."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        faults: Sequence[Fault | None] = (),
        headers: Mapping[str, str] | None = None,
        etags: bool = True,
        redirects: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.files = dict(files)
        self.faults = list(faults)
        self.headers = dict(headers or {})
        self.etags = etags
        self.redirects = dict(redirects or {})
        self._lock = threading.Lock()

    def next_fault(self) -> Fault:
        """The fault of this answer."""
        with self._lock:
            return (self.faults.pop(0) if self.faults else None) or Fault()

    def headers_for(self, request: Handler) -> Mapping[str, str]:
        """Extra headers of a file's answer."""
        return self.headers

    def answer(self, request: Handler) -> None:
        path = unquote(urlsplit(request.path).path)
        if path in self.redirects:
            request.reply(302, b"", {"Location": self.redirects[path]})
        elif path in self.files:
            data = self.files[path]
            request.send_file(data, self.headers_for(request), self.next_fault(), etag_of(data) if self.etags else None)
        else:
            request.reply(404, b"not found")


class StorageServer(FileServer):
    """Signed storage: refuses requests that carry ``Authorization`` and addresses whose signature has expired."""

    def __init__(self) -> None:
        super().__init__({})
        self.expired: set[str] = set()
        self.signatures = 0

    def sign(self, path: str, name: str) -> str:
        """A new short-lived address of ``path`` that is downloaded as ``name``."""
        self.signatures += 1
        disposition = quote(f'attachment; filename="{name}"')
        query = f"X-Amz-Signature=firma{self.signatures}&X-Amz-Expires=86400"
        return f"{self.url}{path}?{query}&response-content-disposition={disposition}"

    def expire_all(self) -> None:
        """Every address signed until now stops working."""
        self.expired |= {f"firma{number}" for number in range(1, self.signatures + 1)}

    def answer(self, request: Handler) -> None:
        query = parse_qs(urlsplit(request.path).query)
        if "Authorization" in request.headers:
            request.reply(400, b"<Error><Code>InvalidArgument</Code>Missing x-amz-content-sha256</Error>")
            return
        if query.get("X-Amz-Signature", [""])[0] in self.expired | {""}:
            request.reply(403, b"<Error><Code>AccessDenied</Code>Request has expired</Error>")
            return
        super().answer(request)

    def headers_for(self, request: Handler) -> Mapping[str, str]:
        disposition = parse_qs(urlsplit(request.path).query).get("response-content-disposition")
        return {"Content-Disposition": disposition[0]} if disposition else {}


@dataclass
class CivitaiFile:
    """A version with one file. ``refusal`` is (status, JSON body) of the download endpoint; ``needs_token`` asks for
    the server's token; ``query`` holds filters that the file has (others give 404)."""

    name: str
    data: bytes
    model_id: int = 1
    model_type: str = ""
    """"" for the one that fits ``data``."""
    file_type: str = "Model"
    base_model: str = "SD 1.5"
    version_name: str = "v1"
    needs_token: bool = False
    refusal: tuple[int, Mapping[str, Any]] | None = None
    query: Mapping[str, str] = field(default_factory=lambda: {"type": "Model", "format": "SafeTensor"})
    usage_control: str = "Download"
    sha256: str | None = None
    """What the API says; None for the right one."""
    words: Sequence[str] = ()
    picture: bytes | None = None
    """What lies at the address of its preview; None for no preview."""
    picture_at: str = ""
    """Another address that the API gives for the preview; "" for the server's own."""


class ServerWithStorage(LoopbackServer):
    """Hands files out from a storage of its own, which runs as long as it does."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = StorageServer()

    def __enter__(self) -> Self:
        self.storage.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self.storage.__exit__(*exception)


class CivitaiServer(ServerWithStorage):
    """Civitai's API, download endpoint and login page, with its signed storage on a second port (``storage``)."""

    def __init__(self, files: Mapping[int, CivitaiFile], token: str = "c1v1ta1" * 4 + "abcd") -> None:
        super().__init__()
        self.files = dict(files)
        self.token = token
        self.refuse_next: list[tuple[int, Mapping[str, str]]] = []
        """Answers (status, headers) given to the next requests of the download endpoint instead of the file."""
        self.without_api = False
        self.found: list[Mapping[str, object]] = []
        """What a search answers."""
        self.direct = False
        """Serve files from here, without redirect to the storage."""

    def answer(self, request: Handler) -> None:
        path = urlsplit(request.path).path
        number = re.search(r"(\d+)$", path)
        if path.startswith("/api/download/models/") and number:
            self._download(request, int(number[1]))
        elif path.startswith("/api/v1/") and self.without_api:
            request.reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
        elif path == "/api/v1/models":
            self._api(request, {"items": self.found, "metadata": {}})
        elif path.startswith("/api/v1/model-versions/") and number:
            found = self.files.get(int(number[1]))
            self._api(request, self._version(int(number[1]), found) if found else None)
        elif path.startswith("/api/v1/models/") and number:
            self._api(request, self._model(int(number[1])))
        elif path.startswith("/imagen/") and number:
            request.reply(200, self.files[int(number[1])].picture or b"", {"Content-Type": "image/jpeg"})
        elif path == "/login":
            request.reply(200, LOGIN_PAGE, {"Content-Type": "text/html; charset=utf-8"})
        elif path.startswith("/models/"):
            request.reply(200, b"<!DOCTYPE html><html>a model page</html>", {"Content-Type": "text/html"})
        else:
            request.reply(404, b"{}")

    def _download(self, request: Handler, version_id: int) -> None:
        if request.command == "HEAD":
            request.reply_json(401, {"error": "Unauthorized"})
            return
        agent = request.headers.get("User-Agent", "").lower()
        if agent.startswith("python-urllib"):
            request.reply(403, b"error code: 1010")
            return
        if self.refuse_next:
            status, headers = self.refuse_next.pop(0)
            request.reply(status, b"{}", headers)
            return
        file = self.files.get(version_id)
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()}
        filters = {key: value for key, value in query.items() if key in ("type", "format", "size", "fp")}
        if file is None or any(file.query.get(key) != value for key, value in filters.items()):
            request.reply_json(404, {"error": "File not found"})
            return
        if file.refusal:
            request.reply_json(file.refusal[0], file.refusal[1])
            return
        if file.needs_token and not self._authorised(request, query):
            if any(word in agent for word in BROWSER_WORDS):
                request.reply(307, b"", {"Location": f"/login?returnUrl=/models/{file.model_id}"})
                return
            message = "The creator of this asset requires you to be logged in to download it"
            request.reply_json(401, {"error": "Unauthorized", "message": message})
            return
        path = f"/civitai-delivery/{version_id}/objeto"
        self.storage.files[path] = file.data
        if self.direct:
            disposition = f'attachment; filename="{file.name}"'
            request.send_file(file.data, {"Content-Disposition": disposition}, Fault(), etag_of(file.data))
            return
        request.reply(307, b"", {"Location": self.storage.sign(path, file.name)})

    def _authorised(self, request: Handler, query: Mapping[str, str]) -> bool:
        return self.token in (request.headers.get("Authorization", "").removeprefix("Bearer "), query.get("token"))

    def _api(self, request: Handler, content: Mapping[str, Any] | None) -> None:
        request.reply_json(200, content) if content else request.reply_json(404, {"error": "Model not found"})

    def _version(self, version_id: int, file: CivitaiFile) -> dict[str, Any]:
        return {
            "id": version_id,
            "modelId": file.model_id,
            "name": file.version_name,
            "baseModel": file.base_model,
            "usageControl": file.usage_control,
            "model": {"name": "modelo", "type": _model_type(file)},
            "trainedWords": [*file.words],
            "images": self._images(version_id, file),
            "files": [
                {
                    "id": version_id * 10,
                    "sizeKB": len(file.data) / 1024,
                    "name": file.name,
                    "type": file.file_type,
                    "hashes": {"SHA256": file.sha256 or hashlib.sha256(file.data).hexdigest().upper()},
                    "primary": True,
                    "downloadUrl": f"https://civitai.com/api/download/models/{version_id}",
                }
            ],
        }

    def _images(self, version_id: int, file: CivitaiFile) -> list[dict[str, Any]]:
        if file.picture is None:
            return []
        video = {"url": f"{self.url}/video.mp4", "type": "video", "nsfwLevel": 1}
        bold = {"url": f"{self.url}/nada.jpeg", "type": "image", "nsfwLevel": 16}
        return [
            video,
            bold,
            {"url": file.picture_at or f"{self.url}/imagen/{version_id}", "type": "image", "nsfwLevel": 1},
        ]

    def _model(self, model_id: int) -> dict[str, Any] | None:
        """The page lists a model's versions newest first: here in the order of ``files``."""
        versions = [(number, file) for number, file in self.files.items() if file.model_id == model_id]
        if not versions:
            return None
        listed = [{key: value for key, value in self._version(*pair).items() if key != "model"} for pair in versions]
        return {"id": model_id, "name": "modelo", "type": _model_type(versions[0][1]), "modelVersions": listed}


def _model_type(file: CivitaiFile) -> str:
    return file.model_type or ("LORA" if b"lora_unet" in file.data[:65_536] else "Checkpoint")


@dataclass
class HubFile:
    """A file of a repository. ``gated`` asks for the token; ``lfs`` files are redirected to the storage."""

    data: bytes
    lfs: bool = True
    gated: bool = False
    private: bool = False
    sha256: str | None = None


class HuggingFaceServer(ServerWithStorage):
    """Huggingface's resolve endpoint; files by "owner/repo/main/path". LFS files live on a second port, ``storage``."""

    def __init__(self, files: Mapping[str, HubFile], token: str = "hf_" + "Zx9" * 11) -> None:
        super().__init__()
        self.files = dict(files)
        self.token = token

    def answer(self, request: Handler) -> None:
        path = unquote(urlsplit(request.path).path)
        if "/blob/" in path:
            request.reply(200, b"<!doctype html><html>page</html>", {"Content-Type": "text/html"})
            return
        if path.startswith("/api/"):
            self._list(request, path)
            return
        key = path.replace("/resolve/", "/", 1).strip("/")
        file = self.files.get(key)
        authorised = request.headers.get("Authorization") == f"Bearer {self.token}"
        repository = "/".join(key.split("/")[:2])
        if file is None:
            exists = any(name.startswith(f"{repository}/") for name in self.files)
            code = "EntryNotFound" if exists else "RepoNotFound"
            request.reply(404 if exists or authorised else 401, b"", {"X-Error-Code": code})
        elif file.gated and not authorised:
            request.reply(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif file.private and not authorised:
            request.reply(401, b"", {"X-Error-Code": "RepoNotFound"})
        elif not file.lfs:
            request.send_file(file.data, {}, Fault(), '"' + "a" * 40 + '"')
        else:
            digest = file.sha256 or hashlib.sha256(file.data).hexdigest()
            self.storage.files[f"/xet/{digest}"] = file.data
            location = self.storage.sign(f"/xet/{digest}", key.rsplit("/", 1)[-1])
            linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(file.data)), "X-Repo-Commit": "c" * 40}
            request.reply(302, b"", {"Location": location, "ETag": f'"{digest}"', **linked})

    def _list(self, request: Handler, path: str) -> None:
        """``/api/models/owner/name/tree/main/folder``: what lies in a folder."""
        folder = path.removeprefix("/api/").removeprefix("models/").replace("/tree/", "/", 1).strip("/")
        repository = "/".join(folder.split("/")[: 4 if folder.startswith("datasets/") else 3])
        inside = [name.removeprefix(f"{folder}/") for name in self.files if name.startswith(f"{folder}/")]
        base = folder.removeprefix(repository).strip("/")
        entries = {name.split("/")[0]: "directory" if "/" in name else "file" for name in inside}
        listed = [{"type": kind, "path": f"{base}/{name}".strip("/"), "size": 1} for name, kind in entries.items()]
        if any(name.startswith(f"{repository}/") for name in self.files):
            request.reply(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        else:
            request.reply(401, b"", {"X-Error-Code": "RepoNotFound"})


def etag_of(data: bytes) -> str:
    """A strong ETag of ``data``."""
    return '"' + hashlib.md5(data, usedforsecurity=False).hexdigest() + '"'


def safetensors_bytes(
    shapes: Mapping[str, Sequence[int]], seed: int = 0, metadata: Mapping[str, str] | None = None
) -> bytes:
    """A safetensors file of F16 tensors with the given names and shapes and reproducible noise inside."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, shape in shapes.items():
        length = 2
        for side in shape:
            length *= side
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + hashlib.shake_256(seed.to_bytes(8, "little")).digest(offset)


CHECKPOINT_SHAPES: Mapping[str, Sequence[int]] = {
    "model.diffusion_model.input_blocks.0.0.weight": (32, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
}
LORA_SHAPES: Mapping[str, Sequence[int]] = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (320, 4),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.alpha": (),
}
SDXL_LORA_SHAPES: Mapping[str, Sequence[int]] = {
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 2048),
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_up.weight": (640, 4),
}
VAE_SHAPES: Mapping[str, Sequence[int]] = {
    "encoder.conv_in.weight": (8, 3, 3, 3),
    "decoder.conv_in.weight": (8, 4, 3, 3),
    "quant_conv.weight": (8, 8, 1, 1),
}
EMBEDDING_SHAPES: Mapping[str, Sequence[int]] = {"emb_params": (75, 768)}
CONTROLNET_SHAPES: Mapping[str, Sequence[int]] = {
    "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
}
UPSCALER_SHAPES: Mapping[str, Sequence[int]] = {
    "model.0.weight": (64, 3, 3, 3),
    "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3),
}
"""Small files whose names and shapes are those of real ones, for each kind."""
