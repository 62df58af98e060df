"""``python -m sdcolab.process.child PARENT SIGNAL COMMAND...``: become COMMAND, bound to the life of its parent.

The system sends SIGNAL to the process when its parent ends in any way (prctl(2), PR_SET_PDEATHSIG survives execve),
and prefers it to the parent when memory runs out (proc(5), oom_score_adj). Both are Linux's; elsewhere the command just
runs. A launcher, because code between fork and exec is not safe in a process with threads such as a Jupyter kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
OOM_SCORE = "500"
"""Of 1000: well before the kernel and Drive, after something that really uses all the memory."""


def bound_command(command: Sequence[str], death_signal: int) -> list[str]:
    """``command`` wrapped in this launcher, for a child of this process; as it is where the launcher has nothing to
    do."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-m", "sdcolab.process.child", str(os.getpid()), str(int(death_signal)), *command]


def main(arguments: Sequence[str]) -> None:
    """Never returns: the process becomes the command, or ends at once when the parent is already gone."""
    parent, death_signal, command = int(arguments[0]), int(arguments[1]), list(arguments[2:])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
