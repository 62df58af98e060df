"""The room of the guide (``rooms/guia.js``): the road, step by step, and the downloads that its buttons ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.rooms import Answer, RoomFile, number, text
from sdcolab.core.words.base import human_bytes
from sdcolab.core.words.road import DOWNLOAD_ASKED, MORE_THAN, ROAD, ROAD_HINT, ROAD_TITLE, Act


class GuideRoom:
    """``links`` gives the link of each file of the catalogue by its name, and its bytes (0 when nobody says);
    ``offered`` the same of what lists and messages offer, by the names that it has there; ``download`` queues a text of
    links. Raises as ``download`` does."""

    def __init__(
        self,
        links: Mapping[str, tuple[str, int]],
        download: Callable[[str], object],
        offered: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    ) -> None:
        self._links = links
        self._download = download
        self._offered = offered

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {"road": lambda _said: self._road(), "download": self._fetch, "get": self._get}

    def file(self, _kind: str, _name: str) -> RoomFile | None:
        """It has none."""
        return None

    def _road(self) -> dict[str, Any]:
        steps = [asdict(step) | {"acts": [self._told(act) for act in step.acts]} for step in ROAD]
        return {"title": ROAD_TITLE, "hint": ROAD_HINT, "steps": steps}

    def _told(self, act: Act) -> dict[str, Any]:
        sizes = [self._links[name][1] for name in act.download if name in self._links]
        size = human_bytes(sum(sizes)) if any(sizes) else ""
        return asdict(act) | {"size": size if all(sizes) else MORE_THAN.format(size=size) if size else ""}

    def _get(self, said: Mapping[str, Any]) -> str:
        """Queue a file that a list or a message offers. Raises ``StrangeQuestion``."""
        name = text(said, "name")
        if name not in self._offered:
            raise StrangeQuestion(question="get")
        self._download(self._offered[name][0])
        return DOWNLOAD_ASKED.format(names=name)

    def _fetch(self, said: Mapping[str, Any]) -> str:
        """Queue what one button of one step downloads. Raises ``StrangeQuestion``."""
        step = next((step for step in ROAD if step.id == text(said, "step")), None)
        place = number(said, "act")
        names = step.acts[place].download if step and 0 <= place < len(step.acts) else ()
        if not names:
            raise StrangeQuestion(question="download")
        self._download("\n".join(self._links[name][0] for name in names))
        return DOWNLOAD_ASKED.format(names=", ".join(names))
