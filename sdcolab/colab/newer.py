"""Whether the repository that a copy of the notebook came from has published a newer version. Nothing is changed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import sdcolab
from sdcolab.colab.requirements import release
from sdcolab.core.words.explain import COLAB_VARIABLE
from sdcolab.core.words.notebook import NEWER

ORIGIN_VARIABLE = "SDCOLAB_ORIGEN"
"""Environment variable with the repository on GitHub (owner/name), set by the notebook (tools/instalar.py)."""

ASK_SECONDS = 5.0

Ask = Callable[[str], Any]


def newer_line(environ: Mapping[str, str] = os.environ, ask: Ask | None = None) -> str:
    """A Spanish line with a link when there is one, else nothing; also when nobody answers."""
    origin = environ.get(ORIGIN_VARIABLE, "")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", origin):
        return ""
    answer = (ask or latest)(f"https://api.github.com/repos/{origin}/releases/latest")
    tag = answer.get("tag_name") if isinstance(answer, dict) else None
    if not isinstance(tag, str) or not re.fullmatch(r"v\d+(\.\d+){1,3}", tag):
        return ""
    if release(tag[1:]) <= release(sdcolab.__version__):
        return ""
    link = f"https://github.com/{origin}/releases/tag/{tag}"
    if COLAB_VARIABLE in environ:
        link = f"https://colab.research.google.com/github/{origin}/blob/{tag}/notebooks/stable_diffusion.ipynb"
    return NEWER.format(version=tag[1:], link=link)


def latest(address: str) -> Any:
    """The JSON at ``address``, or None."""
    import requests

    try:
        with requests.get(address, timeout=ASK_SECONDS) as answer:
            return answer.json() if answer.ok and len(answer.content) < 1_000_000 else None
    except (requests.RequestException, ValueError):
        return None
