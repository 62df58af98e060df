"""What scripts may choose from, without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdcolab.core.prompt import Style


class ListedNames:
    """``grids.names.Names`` from plain lists."""

    def __init__(
        self, lists: Mapping[str, Sequence[str]] | None = None, styles: Mapping[str, Style] | None = None
    ) -> None:
        self._lists = dict(lists or {})
        self._styles = dict(styles or {})

    def choices(self, listed: str) -> Sequence[str]:
        """See ``Names``."""
        return self._lists.get(listed, ())

    def styles(self) -> Mapping[str, Style]:
        """See ``Names``."""
        return self._styles
