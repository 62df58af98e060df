"""Stand-in for google.colab.userdata."""

from __future__ import annotations

import json
import os


class SecretNotFoundError(Exception):
    """The secret does not exist."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Secret {key} does not exist.")


class NotebookAccessError(Exception):
    """The secret exists and the notebook may not read it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Notebook does not have access to secret {key}")


class TimeoutException(Exception):
    """Nobody answered."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Requesting secret {key} timed out. Secrets can only be fetched when running from the Colab UI."
        )


def get(key: str) -> str:
    """The secret called ``key``."""
    if key in os.environ.get("STANDIN_SECRETS_SILENT", "").split(","):
        raise TimeoutException(key)
    if key in os.environ.get("STANDIN_SECRETS_DENIED", "").split(","):
        raise NotebookAccessError(key)
    secrets: dict[str, str] = json.loads(os.environ.get("STANDIN_SECRETS", "{}"))
    if key not in secrets:
        raise SecretNotFoundError(key)
    return secrets[key]
