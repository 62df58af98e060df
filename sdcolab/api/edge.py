"""Where JSON comes in and goes out, and where errors become answers (hechos/a1111.md 11, "Errors")."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sdcolab.api.fields import BadField, wrong
from sdcolab.core.arrival import HungUp, body_value, read_body
from sdcolab.core.errors import (
    ControlError,
    DetailError,
    GridError,
    InitImageMissing,
    PayloadTooLarge,
    PayloadTooSlow,
    PayloadUnreadable,
    PicturesTooLarge,
    QueueClosed,
    QueueFull,
    RequestError,
    SdcolabError,
    Unexpected,
)
from sdcolab.core.words.api import NO_ROUTE
from sdcolab.core.words.client import explain

MAX_BODY_BYTES = 96 * 1024 * 1024
"""Room for some large pictures in base64."""

Payload = Mapping[str, Any]
Handler = Callable[[Payload], Awaitable[Any]]
"""The JSON object that was sent, or the query's values, -> what is sent back as JSON."""

_log = logging.getLogger(__name__)


def get(path: str, answer: Callable[[Payload], Any]) -> Route:
    """A route that answers in a thread; ``answer`` gets the query's values."""

    async def ask(request: Request) -> Any:
        return await run_in_threadpool(answer, dict(request.query_params))

    return Route(path, _guarded(ask), methods=["GET"])


def post(path: str, answer: Handler) -> Route:
    """A route that takes a JSON object; no body at all counts as an empty one."""

    async def ask(request: Request) -> Any:
        payload = await _payload(request)
        return await _unless_gone(request, answer(payload))

    return Route(path, _guarded(ask), methods=["POST"])


async def missing(request: Request, _error: Exception) -> Response:
    """The answer for routes that do not exist here."""
    sentence = NO_ROUTE.format(method=request.method, path=request.url.path)
    return _json({"error": "NotFound", "detail": sentence, "body": "", "errors": ""}, 404)


def _guarded(ask: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        begun = time.perf_counter()
        try:
            response = _json(await ask(request))
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it
        except BadField as bad:
            response = _refusal(bad.error, bad.name)
        except SdcolabError as error:
            response = _refusal(error)
        except Exception as error:  # noqa: BLE001 - the edge: a bug is logged with its traceback and still explained
            _log.exception("%s %s", request.method, request.url.path)
            response = _refusal(Unexpected(kind=type(error).__name__, detail=str(error)))
        response.headers["X-Process-Time"] = f"{time.perf_counter() - begun:.4f}"
        return response

    return answer


async def _unless_gone(request: Request, work: Awaitable[Any]) -> Any:
    """What ``work`` gives; it is cancelled when nobody waits for it any more. Raises ``ClientDisconnect``."""
    doing = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientDisconnect()
    finally:
        watching.cancel()
        doing.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _payload(request: Request) -> Payload:
    """Raises ``BadField``, ``PayloadTooLarge``, ``PayloadTooSlow``, ``PayloadUnreadable`` or ``ClientDisconnect``."""
    try:
        body = await read_body(request.receive, MAX_BODY_BYTES)
    except TimeoutError as error:
        raise PayloadTooSlow() from error
    except HungUp as error:
        raise ClientDisconnect() from error
    if body is None:
        raise PayloadTooLarge(size=MAX_BODY_BYTES)
    if not body.strip():
        return {}
    payload = await run_in_threadpool(_parsed, body)
    if not isinstance(payload, dict):
        raise BadField("body", wrong("body", payload, "object"))
    return payload


def _parsed(body: bytes) -> Any:
    """Raises ``PayloadUnreadable``, or as ``body_value``."""
    try:
        return body_value(body)
    except ValueError as error:
        raise PayloadUnreadable() from error


def status_of(error: SdcolabError) -> int:
    """The HTTP status that tells of ``error``."""
    if isinstance(error, InitImageMissing):
        return 404  # as A1111
    if isinstance(error, PayloadTooLarge | PicturesTooLarge):
        return 413
    if isinstance(error, PayloadTooSlow):
        return 408
    if isinstance(error, RequestError | GridError | ControlError | DetailError):
        return 422
    return 503 if isinstance(error, QueueFull | QueueClosed) else 500


def _refusal(error: SdcolabError, field: str | None = None) -> Response:
    """A1111's shape of errors; a field is named in ``detail`` as FastAPI does, with its Spanish sentence."""
    sentence = str(explain(error))
    detail: Any = sentence
    if field is not None:
        location = [] if field == "body" else field.split(".")
        detail = [{"loc": ["body", *location], "msg": sentence, "type": error.code}]
    errors = sentence if field is None else f"{field}: {sentence}"
    return _json({"error": error.code, "detail": detail, "body": "", "errors": errors}, status_of(error))


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")
