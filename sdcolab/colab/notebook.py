"""What the notebook's cells call, through ``sdcolab.empezar`` in ``wiring``."""

from __future__ import annotations

from sdcolab.colab.session import Collaborators, Session, StartOptions

__all__ = ["Collaborators", "StartOptions", "start"]


def start(options: StartOptions, collaborators: Collaborators) -> None:
    """Prepare Drive, tokens and downloads, open the web UI and its public link, and stay until interrupted."""
    Session(options, collaborators).run()
