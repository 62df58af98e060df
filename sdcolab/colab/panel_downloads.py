"""The panel's tab of downloads."""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sdcolab.colab.panel_notes import Guarded, Note, unexpected
from sdcolab.colab.prepare import Download, MissingDownload
from sdcolab.colab.progress import CellProgress, WidgetBars
from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.words import explain
from sdcolab.core.words import panel as words

_log = logging.getLogger(__name__)


class DownloadTab:
    """Choose from ``catalog`` or paste links, and download. ``again`` is what other sessions had. ``come`` is called
    when files have come, from another thread."""

    def __init__(
        self,
        widgets: Any,
        catalog: Sequence[tuple[str, str]],
        download: Download,
        again: Sequence[MissingDownload],
        come: Callable[[], None],
        note: Note,
        guarded: Guarded,
    ) -> None:
        self._widgets = widgets
        self._fetch_links = download
        self._come = come
        self._note = note
        self._cancel = CancelToken()
        wide = widgets.Layout(width="98%")
        self._catalog = widgets.SelectMultiple(options=[*catalog], rows=8, description=words.CATALOG, layout=wide)
        self.links = widgets.Textarea(
            rows=3, placeholder="https://civitai.com/…, https://huggingface.co/…", layout=wide
        )
        self._button = widgets.Button(description=words.DOWNLOAD, layout=widgets.Layout(width="auto"))
        self._button.on_click(guarded(self._start))
        self._bars = widgets.VBox([])
        self._reports = widgets.HTML()
        if again:
            self.links.value = "\n".join(one.link for one in again)
            note(words.DOWNLOAD_AGAIN)
        self.box = widgets.VBox([self._catalog, self.links, self._button, self._bars, self._reports])

    def close(self) -> None:
        """Stop what comes; nothing else can be asked for."""
        self._cancel.cancel()
        self._button.disabled = True

    def _start(self) -> None:
        text = "\n".join(filter(None, (self.links.value.strip(), *self._catalog.value)))
        if not text:
            return
        self._button.disabled = True
        self._reports.value = words.DOWNLOADING
        self._bars.children = ()
        bars = WidgetBars(self._widgets, self._show_bars, self._note)
        threading.Thread(target=self._fetch, args=(text, CellProgress(bars)), daemon=True).start()

    def _show_bars(self, box: Any) -> None:
        self._bars.children = (box,)

    def _fetch(self, text: str, listener: Listener) -> None:
        """Download ``text`` (a thread of its own)."""
        try:
            lines = [report.line for report in self._fetch_links(text, listener, self._cancel)]
            self._come()
        except SdcolabError as error:
            lines = [str(explain(error))]
        except Exception as error:  # noqa: BLE001 - an edge: a thread's bug would be seen by nobody
            _log.exception("descargas")
            lines = [str(explain(unexpected(error)))]
        self._reports.value = "<br>".join(map(html.escape, lines))
        self._button.disabled = self._cancel.cancelled
