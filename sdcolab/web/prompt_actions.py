"""What the controls around the prompts do: token counters, styles, LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from sdcolab.core.errors import SdcolabError
from sdcolab.core.few_steps import few_steps_for
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.settings import Settings
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import NO_STYLES
from sdcolab.core.words.fields import fold_title
from sdcolab.core.words.speed import NO_FEW_STEPS, NO_FEW_STEPS_ADVICE, few_steps_put
from sdcolab.studio.generating import Asked, GenerationDesk, with_lora
from sdcolab.studio.layout import units_on
from sdcolab.studio.remarking import looked_at, remarks_on
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.actions import Updates, choices_or
from sdcolab.web.edge import attempt
from sdcolab.web.parts import Parts


class PromptActions:
    """The handlers. They return updates by control and never raise."""

    def __init__(self, studio: Studio, parts: Parts, desk: GenerationDesk) -> None:
        self._studio = studio
        self._desk = desk
        self._panel = parts.panel
        self._gadgets = parts.panel.gadgets

    def count_tokens(self, prompt: str, negative: str, chosen: list[str] | None) -> tuple[str, str]:
        """Both token counters, with the chosen styles counted in."""

        def count() -> tuple[str, str]:
            first, second = self._desk.tokens(prompt or "", negative or "", chosen or ())
            return fragments.token_counter(*first), fragments.token_counter(*second)

        return attempt(count, (gr.skip(), gr.skip()))[0]

    @property
    def remarked(self) -> list[Any]:
        """The controls that ``remarks`` looks at."""
        switches = [path for path in self._panel.fields if path.rpartition(".")[0] in self._gadgets.folds]
        fields = [control for path, control in self._panel.fields.items() if path in switches or looked_at(path)]
        return [*fields, self._gadgets.styles, self._panel.mode, self._gadgets.script]

    @property
    def told(self) -> list[Any]:
        """The controls that ``remarks`` changes."""
        return [self._gadgets.remarks, *self._gadgets.folds.values()]

    def remarks(self, data: Mapping[Any, Any]) -> list[Any]:
        """What is said of the form before its button is pressed, and the titles behind which units are on."""
        values = {path: data[control] for path, control in self._panel.fields.items() if control in data}
        asked = Asked(
            values={path: value for path, value in values.items() if looked_at(path)},
            mode=data[self._panel.mode],
            styles=data[self._gadgets.styles] or (),
            script=data[self._gadgets.script] or "",
        )
        nothing: tuple[SdcolabError, ...] = ()
        said, _ = attempt(lambda: remarks_on(self._studio, asked), nothing)
        told = "".join(fragments.problem(one, warning=True) for one in said)
        folds = self._gadgets.folds.items()
        return [told, *(gr.update(label=fold_title(str(fold.label), units_on(part, values))) for part, fold in folds)]

    def add_lora(self, name: str | None, prompt: str) -> Updates:
        """Write a LoRA's tag and its activation words into the prompt."""
        if not name:
            return {self._panel.message: ""}
        text, said = attempt(lambda: with_lora(self._studio.library, name, prompt or ""), None)
        changed = {} if text is None else {self._panel.fields["prompt"]: text}
        return changed | {self._gadgets.lora: None, self._panel.message: said}

    def few_steps(self, checkpoint: Any, prompt: Any) -> Updates:
        """The settings of a model of few steps that is chosen or in the prompt, and a message."""
        found = few_steps_for(self._studio.library, str(checkpoint or ""), str(prompt or ""))
        if found is None:
            said = fragments.message(NO_FEW_STEPS, fragments.Tone.CALM, NO_FEW_STEPS_ADVICE)
            return {self._panel.message: said}
        changed = {self._panel.fields[path]: value for path, value in found.values.items()}
        told = few_steps_put(found)
        return changed | {self._panel.message: fragments.message(told, fragments.Tone.GOOD)}

    def save_style(self, name: str, prompt: str, negative: str, chosen: list[str] | None) -> Updates:
        """Save both prompts as a style."""
        name = (name or "").strip()
        if not name:
            return {self._panel.message: ""}

        style = Style(name, prompt or "", negative or "")
        return self._change_styles(
            lambda settings: settings.with_style(style), chosen or [], words.STYLE_SAVED.format(name=name)
        )

    def delete_styles(self, chosen: list[str] | None) -> Updates:
        """Delete the chosen styles."""
        if not chosen:
            advice = words.CHOOSE_STYLES
            said = fragments.message(words.NO_STYLE_CHOSEN, fragments.Tone.ERROR, advice)
            return {self._panel.message: said}

        return self._change_styles(
            lambda settings: settings.without_styles(chosen), [], words.STYLES_DELETED.format(names=", ".join(chosen))
        )

    def _change_styles(self, change: Callable[[Settings], Settings], chosen: list[str], done: str) -> Updates:
        settings, said = attempt(lambda: self._studio.settings.change(change), None)
        if settings is None:
            return {self._panel.message: said}
        names = [style.name for style in settings.styles]
        styles = choices_or(names, NO_STYLES) | {"value": [name for name in chosen if name in names]}
        return {self._gadgets.styles: styles, self._panel.message: fragments.message(done, fragments.Tone.GOOD)}

    def apply_styles(self, prompt: str, negative: str, chosen: list[str] | None) -> Updates:
        """Write the chosen styles into both prompts and leave none chosen."""

        def apply() -> tuple[str, str]:
            return apply_styles(prompt or "", negative or "", self._studio.settings.load().chosen_styles(chosen or ()))

        both, said = attempt(apply, None)
        if both is None:
            return {self._panel.message: said}
        fields = self._panel.fields
        return {fields["prompt"]: both[0], fields["negative_prompt"]: both[1], self._gadgets.styles: []}
