"""Which field of a request has which label in infotexts, and which fields infotexts do not hold (hechos/a1111.md 7.2,
15 and Appendix A): the labels that stand beside the fields.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.request import FIELDS

PROMPTS = frozenset({"prompt", "negative_prompt"})
"""Fields that have lines of their own."""

LABELS: Mapping[str, str] = {path: field.label for path, field in FIELDS.items() if field.label}
"""By dotted path. Fields with one label share its value: sizes are ``WxH``, and one blur is both."""

NOT_RECORDED = frozenset(FIELDS) - LABELS.keys() - PROMPTS
"""Dotted paths of what no infotext says; whoever reads one leaves them at their defaults."""

NOT_MASKED = "Inpaint not masked"
ONLY_MASKED = "Only masked"
"""A1111's words; the other choices are not written."""
