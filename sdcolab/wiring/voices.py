"""How a program that stays open tells what happens: to a person, or to the program that started it."""

from __future__ import annotations

import json
import sys
import webbrowser

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import Event, ImageSaved
from sdcolab.core.words import command as words
from sdcolab.core.words import explain


class HumanVoice:
    """Tells a person at a terminal what happens."""

    def ready(self, url: str, login: tuple[str, str] | None, *, open_to_network: bool) -> None:
        """The page answers at ``url``."""
        print(words.OPEN_AT.format(url=url))
        if login:
            print(words.LOGIN.format(user=login[0], password=login[1]))
        elif open_to_network:
            print(words.OPEN_TO_NETWORK)
        print(words.HOW_TO_CLOSE, flush=True)
        if sys.stdout.isatty():
            webbrowser.open(url)

    def public(self, url: str, login: tuple[str, str]) -> None:
        """The page can also be reached at the public ``url``."""
        print(f"{words.PUBLIC_URL.format(url=url)}\n{words.LOGIN.format(user=login[0], password=login[1])}", flush=True)

    def trouble(self, error: SdcolabError) -> None:
        """Something went wrong that does not close the page."""
        print(f"⚠️ {explain(error)}", flush=True)

    def event(self, event: Event) -> None:
        """A job's event: people see those on the page."""

    def closing(self) -> None:
        """We were asked to close."""
        print(f"\n{words.CLOSED}")


class MachineVoice(HumanVoice):
    """Tells the supervisor what happens, one JSON object a line, from whichever thread."""

    def ready(self, url: str, _login: tuple[str, str] | None, *, open_to_network: bool) -> None:  # noqa: ARG002
        """The page answers at ``url``. The login is not said: who started us knows it."""
        self._say(event="ready", url=url)

    def public(self, url: str, _login: tuple[str, str]) -> None:
        """The page can also be reached at the public ``url``."""
        self._say(event="public_url", url=url)

    def trouble(self, error: SdcolabError) -> None:
        """Something went wrong that does not close the page."""
        self._say(event="trouble", code=error.code, message=str(explain(error)))

    def event(self, event: Event) -> None:
        """A job's event. Only saved images matter outside."""
        if isinstance(event, ImageSaved):
            self._say(event="image", path=str(event.path))

    def closing(self) -> None:
        """We were asked to close."""

    def _say(self, **message: str) -> None:
        sys.stdout.write(json.dumps(message) + "\n")  # at once: print writes the line's end by itself
        sys.stdout.flush()
