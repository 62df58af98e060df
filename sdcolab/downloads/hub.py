"""Files of a public repository on huggingface that are no models of ours: taggers, say. By huggingface_hub itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdcolab.core.errors import HostUnreachable, LinkNotFound


def fetch_files(
    repository: str, names: Sequence[str], folder: Path, *, token: str | None = None, endpoint: str | None = None
) -> Path:
    """``folder`` with the files ``names`` of ``repository`` in it; those that are there are not fetched again.

    Raises ``LinkNotFound`` or ``HostUnreachable``.
    """
    if all((folder / name).is_file() for name in names):
        return folder
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for name in names:
        try:
            hf_hub_download(repository, name, local_dir=folder, token=token or False, endpoint=endpoint)
        except (LocalEntryNotFoundError, OSError) as error:
            if isinstance(error, HfHubHTTPError):
                raise LinkNotFound(link=f"{repository}/{name}") from error
            raise HostUnreachable(host="huggingface.co", reason="connection") from error
    return folder
