"""The prompt language of AUTOMATIC1111, as pure functions from text to frozen values (hechos/a1111.md 1 and 8.6).

One prompt goes through them in this order: ``apply_styles``, ``strip_comments``, (the infotext is made here),
``extract_networks`` and ``split_and`` (positive prompt only), ``edit_schedule`` for each part, ``parse_attention`` for
each entry. Every function is total: any text gives a result or one ``PromptSyntaxError``.
"""

from sdcolab.core.prompt.attention import BREAK, Segment, parse_attention
from sdcolab.core.prompt.composition import SubPrompt, split_and
from sdcolab.core.prompt.networks import (
    LORA_KINDS,
    LoraMultipliers,
    NetworkTag,
    extract_networks,
    hypernetwork_multiplier,
    lora_multipliers,
    without_block_weights,
)
from sdcolab.core.prompt.schedule import Schedule, active_index, edit_schedule, expected_calls
from sdcolab.core.prompt.styles import Style, apply_styles, strip_comments
from sdcolab.core.prompt.weights import unreadable, weight_doubts, with_points

__all__ = [
    "BREAK",
    "LORA_KINDS",
    "LoraMultipliers",
    "NetworkTag",
    "Schedule",
    "Segment",
    "Style",
    "SubPrompt",
    "active_index",
    "apply_styles",
    "edit_schedule",
    "expected_calls",
    "extract_networks",
    "hypernetwork_multiplier",
    "lora_multipliers",
    "parse_attention",
    "split_and",
    "strip_comments",
    "unreadable",
    "weight_doubts",
    "with_points",
    "without_block_weights",
]
