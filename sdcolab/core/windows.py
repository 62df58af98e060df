"""What Windows does otherwise with files, as pure functions: it can be tried on any system."""

from __future__ import annotations

import errno

LONGEST_PATH = 259
"""Characters of a path that every program can open; longer ones need a setting of the system that few have."""

_PATH_NOT_FOUND = frozenset({errno.ENOENT, errno.EINVAL})
"""What Windows says of paths that are too long."""

_SHARING, _LOCKED, _DENIED = 32, 33, 5


def is_locked(winerror: int | None) -> bool:
    """Whether Windows' error ``winerror`` (None on other systems) means that another program has the file open: a
    moment later it may be free. Replacing an open file is "access denied" there."""
    return winerror in (_SHARING, _LOCKED, _DENIED)


def is_too_long(path: str, code: int | None) -> bool:
    """Whether the system error ``code`` (as in ``errno``) about ``path`` means that the path is too long, which Windows
    tells as one that is not there."""
    return code in _PATH_NOT_FOUND and len(path) > LONGEST_PATH
