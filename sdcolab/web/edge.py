"""Where errors become Spanish sentences: what a handler raises must not reach gradio, which speaks English."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from sdcolab.core.errors import SdcolabError, Unexpected
from sdcolab.web import fragments

T = TypeVar("T")

_log = logging.getLogger(__name__)


def attempt(action: Callable[[], T], otherwise: T) -> tuple[T, str]:
    """What ``action`` returns and an empty text; or ``otherwise`` and the box that explains what went wrong."""
    try:
        return action(), ""
    except SdcolabError as error:
        return otherwise, fragments.problem(error)
    except Exception as error:  # noqa: BLE001 - the edge: a bug is logged with its traceback and still explained
        _log.exception("page")
        return otherwise, fragments.problem(Unexpected(kind=type(error).__name__, detail=str(error)))
