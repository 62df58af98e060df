"""What Linux does better than a program can: move bytes from a socket to a file without copying them through Python,
promise a file its room on the disk, and begin to write to the disk before anybody waits for it.

All of it is help and nothing depends on it: elsewhere, and on file systems and sockets that cannot, the functions do
nothing or say so.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import select
import socket
import sys
from collections.abc import Iterator
from typing import Any, TypeGuard

PIPE_BYTES = 1 << 20
"""Room asked for in the pipe between socket and file; an unprivileged program gets no more (``pipe(7)``)."""

FALLOC_FL_KEEP_SIZE = 1
SYNC_FILE_RANGE_WRITE = 2
"""Values of ``linux/falloc.h`` and ``linux/fs.h``."""

CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ESPIPE, errno.ENODEV})
"""What a kernel, sandbox or file system answers that does not know a call."""


class Pipe:
    """Carries bytes from a plain TCP socket to a file inside the kernel (``splice(2)``)."""

    def __init__(self) -> None:
        self._out, self._into = os.pipe()
        with contextlib.suppress(OSError):
            import fcntl

            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def fill(self, source: socket.socket, most: int) -> int | None:
        """Take what has arrived at ``source``, at most ``most`` bytes, waiting for the first as long as the socket's
        time-out says. 0 at its end; None when this kernel cannot.

        Raises ``TimeoutError``, or ``OSError`` when the connection broke.
        """
        while True:
            try:
                return os.splice(source.fileno(), self._into, min(most, PIPE_BYTES))
            except BlockingIOError:
                _wait(source)
            except OSError as error:
                if error.errno in CANNOT:
                    return None
                raise

    def empty(self, target: int, position: int, count: int) -> None:
        """Put the ``count`` bytes that are inside into the file ``target`` at ``position``. Raises ``OSError``."""
        while count:
            try:
                moved = os.splice(self._out, target, count, offset_dst=position)
            except OSError as error:
                if error.errno not in CANNOT:
                    raise
                moved = _write(target, os.read(self._out, count), position)
            position += moved
            count -= moved

    def close(self) -> None:
        """Give the pipe back, with whatever is inside."""
        os.close(self._out)
        os.close(self._into)


@contextlib.contextmanager
def open_pipe() -> Iterator[Pipe]:
    """A ``Pipe`` for the length of a block."""
    pipe = Pipe()
    try:
        yield pipe
    finally:
        pipe.close()


def can_splice(source: object) -> TypeGuard[socket.socket]:
    """Whether ``source`` is a plain socket on a system with ``splice`` (TLS has to pass through the program)."""
    return sys.platform == "linux" and type(source) is socket.socket


def allocate(file: int, size: int) -> bool:
    """Give ``file`` room for ``size`` bytes on its disk without changing its length. Whether it has it now.

    Raises ``OSError`` when the disk has no such room. Not ``os.posix_fallocate``: where the file system cannot, that
    one writes to every block instead.
    """
    call = _system_call("fallocate")
    if call is None:
        return False
    failed = _errno(call(file, FALLOC_FL_KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)))
    if failed in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise OSError(failed, os.strerror(failed))
    return not failed


def begin_writing(file: int, start: int, count: int) -> None:
    """Start to bring these bytes of ``file`` to the disk, without waiting: a later ``fsync`` finds little to do."""
    call = _system_call("sync_file_range")
    if call is not None:
        call(file, ctypes.c_int64(start), ctypes.c_int64(count), SYNC_FILE_RANGE_WRITE)


def has_arrived(source: socket.socket, seconds: float | None) -> bool:
    """Whether ``source`` has something (or its end) within ``seconds``; None waits for ever."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _wait(source: socket.socket) -> None:
    """Wait until ``source`` has something, no longer than its time-out. Raises ``TimeoutError``."""
    if not has_arrived(source, source.gettimeout()):
        raise TimeoutError


def _write(target: int, data: bytes, position: int) -> int:
    left = memoryview(data)
    while left:
        written = os.pwrite(target, left, position)
        left, position = left[written:], position + written
    return len(data)


@functools.cache
def _system_call(name: str) -> Any:
    """A function of the C library that Python does not offer, or None where there is none."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), name, None)


def _errno(result: int) -> int:
    return ctypes.get_errno() if result else 0
