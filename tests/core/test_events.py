from __future__ import annotations

import threading

import pytest

from sdcolab.core.errors import Cancelled
from sdcolab.core.events import CancelToken


def test_cancel_is_seen_from_another_thread() -> None:
    token = CancelToken()
    token.raise_if_cancelled()
    assert not token.cancelled
    threading.Thread(target=token.cancel).start()
    assert token.wait(5)
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.raise_if_cancelled()


def test_wait_times_out() -> None:
    assert not CancelToken().wait(0.001)
