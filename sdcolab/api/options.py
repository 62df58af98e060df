"""A1111's options: those of our settings that have its names, and the checkpoint that a client chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdcolab.api.names import Names, found
from sdcolab.api.translate import KEPT_SETTINGS, changed
from sdcolab.core.detect import ModelKind
from sdcolab.core.request import GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.studio.studio import Studio


class Options:
    """The settings of ``studio``, as a client reads and changes them."""

    def __init__(self, studio: Studio, names: Names) -> None:
        self._studio = studio
        self._names = names
        self._checkpoint = ""  # what a client chose since the program was opened

    def checkpoint_of(self, defaults: GenerationRequest) -> str:
        """The library's name of the checkpoint that requests without one get; empty when there is none at all."""
        file = self._names.current_checkpoint(self._checkpoint, defaults.checkpoint)
        return file.name if file else ""

    @property
    def checkpoint(self) -> str:
        """The checkpoint of the saved settings."""
        return self.checkpoint_of(self._studio.settings.load().defaults)

    def read(self) -> dict[str, Any]:
        """Every option and its value."""
        defaults = self._studio.settings.load().defaults
        checkpoint = self.checkpoint_of(defaults)
        options = {setting.key: _plain(defaults, setting.path) for setting in KEPT_SETTINGS}
        if checkpoint:
            file = self._studio.library.find(ModelKind.CHECKPOINT, checkpoint)
            options["sd_model_checkpoint"] = self._names.title(file)
        return options

    def save(self, payload: Mapping[str, Any]) -> None:
        """Keep the options that ``payload`` names. Raises ``BadField``."""
        self._studio.settings.change(lambda settings: replace(settings, defaults=self._chosen(settings, payload)))

    def _chosen(self, settings: Settings, payload: Mapping[str, Any]) -> GenerationRequest:
        defaults = changed(settings.defaults, payload)
        if payload.get("sd_vae"):
            defaults = replace(defaults, vae=found("sd_vae", self._names.vae, defaults.vae))
        if payload.get("sd_model_checkpoint"):
            name = found("sd_model_checkpoint", self._names.checkpoint, defaults.checkpoint)
            defaults = replace(defaults, checkpoint=name)
            self._checkpoint = name
        return defaults

    def styles(self) -> list[dict[str, str]]:
        """The saved styles, as A1111 lists them."""
        return [
            {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
            for style in self._studio.settings.load().styles
        ]


def _plain(request: GenerationRequest, path: str) -> Any:
    """The value of a field, by its dotted path, as JSON: the words of choices are texts already."""
    value: Any = request
    for name in path.split("."):
        value = getattr(value, name)
    return value
