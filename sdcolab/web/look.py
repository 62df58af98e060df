"""How the page looks: theme, style sheet, scripts and the login page, from ``assets/``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from sdcolab.core.words import gradio
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import BUTTON_NAMES, VIEWER_WORDS
from sdcolab.studio.layout import Layout, Tab, TabKind, Tool
from sdcolab.studio.look import icon_rule, shared_css
from sdcolab.web.canvas import canvas_script, cells_script, house_script, keys_script

ASSETS = Path(__file__).parent / "assets"
FAVICON = ASSETS / "favicon.png"

_FONTS = ("ui-rounded", "Nunito", "Segoe UI", "system-ui", "-apple-system", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Consolas", "DejaVu Sans Mono", "monospace")


_COLOURS: Mapping[str, str] = {
    "body_background_fill": "#f4f2ef",
    "body_background_fill_dark": "#151311",
    "body_text_color": "*neutral_800",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "block_background_fill": "white",
    "block_background_fill_dark": "#221e1b",
    "block_border_width": "1px",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "#3a332e",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#3a332e",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*neutral_700",
    "block_label_text_color_dark": "*neutral_200",
    "block_title_text_color": "*neutral_700",
    "block_title_text_color_dark": "*neutral_200",
    "block_title_text_weight": "600",
    "block_label_text_weight": "600",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_400",
    "input_background_fill": "*neutral_50",
    "input_background_fill_dark": "#1a1714",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "#463d37",
    "input_border_color_focus": "*primary_500",
    "input_border_color_focus_dark": "*primary_500",
    "background_fill_secondary": "*neutral_50",
    "background_fill_secondary_dark": "#1a1714",
    "background_fill_primary_dark": "#221e1b",
    "link_text_color": "*primary_700",
    "link_text_color_hover": "*primary_800",
    "link_text_color_active": "*primary_700",
    "link_text_color_visited": "*primary_700",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_500",
    "button_primary_background_fill": "linear-gradient(135deg, #ea580c, #c2410c)",
    "button_primary_background_fill_dark": "linear-gradient(135deg, #ea580c, #c2410c)",
    "button_primary_background_fill_hover": "linear-gradient(135deg, #c2410c, #9a3412)",
    "button_primary_background_fill_hover_dark": "linear-gradient(135deg, #c2410c, #9a3412)",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_dark": "#2d2723",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "#3a332e",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "#463d37",
    "button_cancel_background_fill": "#fee2e2",
    "button_cancel_background_fill_dark": "#4c1d1d",
    "button_cancel_text_color": "#991b1b",
    "button_cancel_text_color_dark": "#fecaca",
}
"""What the theme changes of gradio's, by its names."""


def theme() -> gr.themes.Base:
    """Orange on warm grey. Only fonts that the reader's computer already has: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        secondary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        font=_FONTS,
        font_mono=_MONO,
    ).set(**_COLOURS)


def head(layout: Layout) -> str:
    """What goes into the page's ``<head>``: our styles and scripts. The styles go here because gradio rewrites those
    that it is given, so that they reach only inside its container."""
    style, page, viewer = ((ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "viewer.js"))
    names = {**BUTTON_NAMES, **{f"sd-tab-{tab.id}-button": tab.hint for tab in layout.tabs}}
    told = json.dumps(names, ensure_ascii=False).replace("</", "<\\/")
    viewer_words = json.dumps(VIEWER_WORDS, ensure_ascii=False).replace("</", "<\\/")
    gradio_words = json.dumps(_gradio_words(), ensure_ascii=False).replace("</", "<\\/")
    modes = "".join(
        f'html[data-sd-tab="{tab.id}"] .sd-in-{tab.id} {{ display: flex !important }}' for tab in layout.tabs
    )
    modes += "".join(
        f'html[data-sd-tab="{tab.id}"] :is(#sd-results, #sd-actions) {{ display: none !important }}'
        for tab in layout.tabs
        if tab.kind is TabKind.ROOM
    )
    modes += "".join(_own_results(tab) for tab in layout.tabs if tab.tool)
    tools = _work_of(*(tab.tool for tab in layout.tabs if tab.tool))
    modes += f"#sd-results:has({tools}) > #sd-job-report {{ display: none }}"
    modes += "".join(f"#sd-tab-{tab.id}-button {{ --sd-apart: 7px }}" for tab in layout.tabs if tab.new)
    modes += "".join(icon_rule(f"#sd-tab-{tab.id}-button", tab.icon) for tab in layout.tabs)
    return (
        f"<style>{shared_css()}{style}{modes}</style>{canvas_script()}{cells_script()}{keys_script()}{house_script()}"
        f"<script>Object.assign(window.sdcolab, {{ names: {told}, viewerWords: {viewer_words}, "
        f"gradioWords: {gradio_words} }})</script>"
        f"<script>{page}</script><script>{viewer}</script>"
    )


def _work_of(*tools: Tool) -> str:
    """A selector of the work that these tools ask for (``fragments.work``)."""
    works = (f'[data-work="{code}"]' for tool in tools for code in tool.codes)
    return f":is({', '.join(works)})"


def _own_results(tab: Tab) -> str:
    """The rules by which the results beside a tool are only those of its own last work."""
    if tab.tool is None:
        return ""
    here, of = f'html[data-sd-tab="{tab.id}"] #sd-results', _work_of(tab.tool)
    return (
        f"{here}:not(:has({of})) > :not(#sd-nothing) {{ display: none !important }}"
        f"{here}:not(:has({of}[data-painted])) > :is(#sd-gallery, #sd-send, #sd-data) {{ display: none !important }}"
        f"{here}:not(:has({of})) > #sd-nothing {{ display: block !important }}"
        f"{here}:not(:has({of}[data-painted])) {{ grid-template-rows: none !important; align-content: start }}"
        f"{here}:has({of}) > #sd-job-report {{ display: block }}"
    )


def _gradio_words() -> dict[str, object]:
    """Spanish for what gradio's parts are called (``assets/page.js``)."""
    return {
        "labels": gradio.LABELS,
        "patterns": gradio.PATTERNS,
        "more": words.MORE,
        "less": words.LESS,
        "infotext": words.PICTURE_DATA,
    }


def login_page(*, wrong: bool) -> str:
    """The whole HTML of the login page; ``wrong`` shows that the last try failed."""
    told = {
        "{title}": words.LOGIN_TITLE,
        "{intro}": words.LOGIN_INTRO,
        "{notice}": f'<p role="alert">{words.WRONG_PASSWORD}</p>' if wrong else "",
        "{user}": words.LOGIN_USER,
        "{password}": words.LOGIN_PASSWORD,
        "{enter}": words.LOGIN_ENTER,
    }
    template = (ASSETS / "login.html").read_text(encoding="utf-8")
    return functools.reduce(lambda text, pair: text.replace(*pair), told.items(), template)
