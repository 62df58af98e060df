"""Files of a public repository on huggingface that are no models of ours: taggers, say. By huggingface_hub itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from socket import gaierror

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

    logging.getLogger("huggingface_hub").setLevel(
        logging.ERROR
    )  # it tells each of its retries, in English; what comes of them is told here
    for name in names:
        try:
            hf_hub_download(repository, name, local_dir=folder, token=token or False, endpoint=endpoint)
        except (LocalEntryNotFoundError, OSError) as error:
            if isinstance(error, HfHubHTTPError):
                raise LinkNotFound(link=f"{repository}/{name}") from error
            raise HostUnreachable(host="huggingface.co", reason=_reason(error)) from error
    return folder


def _reason(error: BaseException) -> str:
    """Why the hub is out of reach: "dns", also where there is no connection at all, or "connection"."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, gaierror):
            return "dns"
        seen = seen.__cause__ or seen.__context__
    return "connection"
