"""A real JupyterLab on loopback, with one notebook."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path


class Lab:
    """JupyterLab in ``folder``, whose kernels get ``environ``. The notebook's cells are given as their sources."""

    def __init__(self, folder: Path, environ: Mapping[str, str], cells: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                    "id": f"c{n}",
                }
                for n, source in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (folder / "panel.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._log = (folder / "lab.log").open("w")
        self._process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
                *(f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token="),
                *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            ],
            env=dict(environ),
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.url = f"http://127.0.0.1:{port}/doc/tree/panel.ipynb"
        self._wait(port)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2).close()
                return
            except OSError:
                assert self._process.poll() is None, "JupyterLab no arranca"
                assert time.monotonic() < deadline, "JupyterLab no contesta"
                time.sleep(0.2)

    def close(self) -> None:
        """Stop it and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()
