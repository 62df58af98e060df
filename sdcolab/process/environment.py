"""What our child processes are started with: their command, their environment without secrets, their log."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import sdcolab
from sdcolab.core.folders import Folders
from sdcolab.core.machine import USER_VARIABLE, without_secrets
from sdcolab.process.ngrok import TOKEN_VARIABLE
from sdcolab.process.supervisor import KILL, ChildSpec, RestartPolicy

DOWNLOAD_NAMES = ("CIVITAI_TOKEN", "HF_TOKEN")
"""Secrets for downloads."""

NGROK_NAME = "NGROK_TOKEN"
"""The secret for ngrok's public link."""

SECRET_NAMES = (*DOWNLOAD_NAMES, NGROK_NAME)
"""Secrets that the program asks for."""

PRIVATE_NAMES = (*SECRET_NAMES, TOKEN_VARIABLE, USER_VARIABLE)
"""Environment variables whose values stand in no report."""

ENGINE_RESTART = RestartPolicy()
TUNNEL_RESTART = RestartPolicy(delays=(3.0, 10.0, 30.0, 60.0), give_up_after=None)


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for our child processes: ``environ`` without secrets, able to import this package."""
    common = {name: value for name, value in without_secrets(environ).items() if name != "MPLBACKEND"}
    common |= {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    # Threads that wait for each other by spinning take ten times the work on cores that others use too.
    common.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return common | _source_path(common)


def own_command(*arguments: str) -> tuple[str, ...]:
    """``sdcolab`` with ``arguments``, run by this Python."""
    return (sys.executable, "-m", "sdcolab", *arguments)


def token_in(environ: Mapping[str, str], name: str) -> str:
    """The token called ``name`` of the environment; ngrok's has also a name of its own there."""
    names = (name, TOKEN_VARIABLE) if name == NGROK_NAME else (name,)
    return next(filter(None, (environ.get(one, "").strip() for one in names)), "")


def engine_spec(
    folders: Folders,
    environ: Mapping[str, str],
    model: Path | None = None,
    *,
    vae: Path | None = None,
    command: Sequence[str] | None = None,
    restart: RestartPolicy = ENGINE_RESTART,
    card: int | None = None,
) -> ChildSpec:
    """The engine's process, which opens on the file ``model`` and knows the file ``vae``; ``card`` is the only graphics
    card that it sees, for machines with several engines. ``command`` None is ``python -m sdcolab`` itself."""
    chosen = (*(("--modelo", str(model)) if model else ()), *(("--vae", str(vae)) if vae else ()))
    pictures = ("--imagenes", str(folders.pictures)) if folders.pictures else ()
    own = own_command("servicio", "--carpeta", str(folders.root), *pictures, *chosen)
    name = "motor" if card is None else f"motor-{card}"
    return ChildSpec(
        name=name,
        command=tuple(command or own),
        log=folders.logs / f"{name}.log",
        folder=folders.temporary / name,
        environ=child_environ(environ) | ({} if card is None else {"CUDA_VISIBLE_DEVICES": str(card)}),
        restart=restart,
        death_signal=KILL,
    )


def _source_path(environ: Mapping[str, str]) -> dict[str, str]:
    """``PYTHONPATH`` that lets children import a package run from a source folder; nothing when it is installed."""
    home = Path(sdcolab.__file__).parents[1]
    if home.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(home), environ.get("PYTHONPATH", "")]))}
