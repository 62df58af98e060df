"""A stand-in for gradio's helper program: it says on stdout what the real frpc says, and connects to nothing."""

from __future__ import annotations

import platform
import stat
import sys
import textwrap
from pathlib import Path

FRPC = """\
#!{python}
import os, sys, time
mode = os.environ.get("STANDIN_FRPC", "")
assert sys.argv[1] == "http" and "--server_addr" in sys.argv, sys.argv
with open(os.environ["STANDIN_FRPC_LOG"], "a") as log:
    log.write(str(os.getpid()) + " " + " ".join(sys.argv[1:]) + chr(10))
def say(text):
    sys.stdout.write("2026/11/22 10:00:00 [I] [control.go:172] " + text + chr(10)); sys.stdout.flush()
if mode == "refuse":
    say("login to server failed: dial tcp 127.0.0.1:7000: connect: connection refused")
    sys.exit(1)
if mode == "silent":
    time.sleep(600)
say("start proxy success: " + os.environ.get("STANDIN_FRPC_URL", "http://prueba.gradio.example"))
if mode == "chatty":
    for _ in range(20000):
        say("x" * 60)
    open(os.environ["STANDIN_FRPC_LOG"] + ".chatty", "w").close()
if mode == "short":
    time.sleep(1)
    sys.exit(1)
time.sleep(600)
"""


def install_frpc(hf_home: Path, python: str = sys.executable) -> Path:
    """Write the stand-in helper where gradio 6 would download its own (gradio/tunneling.py BINARY_PATH)."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = hf_home / "gradio" / "frpc" / f"frpc_{platform.system().lower()}_{machine}_v0.3"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(FRPC.format(python=python)), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path
