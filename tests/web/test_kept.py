"""What gradio answers the same way is made once, and only that."""

from __future__ import annotations

import asyncio
import gzip

from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from sdcolab.web.kept import KeptAnswers

BODY = b"console.log(1);" * 200


class _Gradio:
    """Counts what it is asked, and says where it was asked from."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[str] = []
        self.status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        host = dict(scope["headers"]).get(b"x-forwarded-host", b"")
        headers = [(b"content-type", b"text/javascript"), (b"etag", b'"a"')]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": BODY, "more_body": True})
        await send({"type": "http.response.body", "body": host})


def _client(gradio: _Gradio, most: int = 1_000_000) -> TestClient:
    return TestClient(KeptAnswers(gradio, most))


def test_an_asset_is_made_once_and_kept_by_browsers() -> None:
    gradio = _Gradio()
    client = _client(gradio)
    first, second = (client.get("/assets/a-1.js", headers={"accept-encoding": "gzip"}) for _ in range(2))
    assert gradio.asked == ["/assets/a-1.js"]
    assert first.content == second.content == BODY
    assert second.headers["content-encoding"] == "gzip" and second.headers["etag"] == '"a"'
    assert int(second.headers["content-length"]) < len(BODY) / 4
    assert "immutable" in second.headers["cache-control"]


def test_who_does_not_read_gzip_gets_it_plain() -> None:
    client = _client(_Gradio())
    client.get("/assets/a-1.js", headers={"accept-encoding": "gzip"})
    plain = client.get("/assets/a-1.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == BODY


def test_the_document_is_kept_for_each_address_and_never_by_browsers() -> None:
    gradio = _Gradio()
    client = _client(gradio)
    for host in ("a.gradio.live", "b.gradio.live", "a.gradio.live"):
        answer = client.get("/", headers={"x-forwarded-host": host})
        assert answer.text.endswith(host) and "cache-control" not in answer.headers
    assert gradio.asked == ["/", "/"]


def test_what_changes_is_asked_each_time() -> None:
    gradio = _Gradio()
    client = _client(gradio)
    asked = ("/?__theme=dark", "/config", "/gradio_api/run/predict", "/assets/a.js?v=1")
    for _ in range(2):
        for path in asked:
            client.get(path)
        client.post("/")
        client.get("/assets/a.js", headers={"range": "bytes=0-3"})
    assert len(gradio.asked) == 2 * (len(asked) + 2)


def test_an_error_is_not_kept() -> None:
    gradio = _Gradio(404)
    client = _client(gradio)
    for _ in range(2):
        answer = client.get("/assets/gone.js")
        assert answer.status_code == 404 and "cache-control" not in answer.headers
    assert len(gradio.asked) == 2


def test_memory_is_bounded_and_the_oldest_leaves() -> None:
    gradio = _Gradio()
    client = _client(gradio, most=2 * len(BODY) + 1)
    for name in ("a", "b", "a", "c", "a", "b"):
        client.get(f"/assets/{name}.js", headers={"accept-encoding": "identity"})
    assert gradio.asked == ["/assets/a.js", "/assets/b.js", "/assets/c.js", "/assets/b.js"]


def test_what_is_packed_is_what_was_said() -> None:
    async def raw() -> bytes:
        sent: list[dict[str, object]] = []

        async def send(message: object) -> None:
            sent.append(dict(message))  # type: ignore[call-overload]

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"accept-encoding", b"gzip")],
        }
        await KeptAnswers(_Gradio())(scope, None, send)  # type: ignore[arg-type]
        return bytes(sent[1]["body"])  # type: ignore[call-overload]

    assert gzip.decompress(asyncio.run(raw())) == BODY
