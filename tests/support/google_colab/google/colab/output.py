"""Stand-in for google.colab.output."""

from __future__ import annotations

import os
import re

from google.colab._message import MessageError


def eval_js(script: str, ignore_result: bool = False, timeout_sec: float | None = None) -> object:
    """Answers ``google.colab.kernel.proxyPort`` only."""
    port = re.fullmatch(r"google\.colab\.kernel\.proxyPort\((\d+), \{'cache': false\}\)", script)
    if port is None or os.environ.get("STANDIN_PROXY") == "no":
        raise MessageError("ReferenceError: google is not defined")
    return f"https://{port[1]}-m-s-1a2b3c-c.us-west1-0.prod.colab.dev/"
