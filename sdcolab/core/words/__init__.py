"""Everything that a user reads of ``core``: the Spanish sentence and advice of every error, by area, and the labels.

A sentence says what happened and why; the advice says what to do now. Both are ``str.format`` templates over the
error's facts. Tests check that every error code has an entry and that every template can be filled.
"""

from sdcolab.core.words.base import Explanation, Sentence, Words, human_bytes, human_time
from sdcolab.core.words.downloads import DOWNLOAD_RESULTS, USE_OF_KIND
from sdcolab.core.words.explain import CATALOGUE, explain
from sdcolab.core.words.fields import (
    FIELD_GROUPS,
    FIELD_LABELS,
    FIELD_WORDS,
    OPTION_WORDS,
    PART_LABELS,
    label_of,
    option_called,
    option_words,
    short_option_words,
)
from sdcolab.core.words.labels import (
    KIND_LABELS,
    KIND_NAMES,
    KIND_WITH_ARTICLE,
    PHASE_LABELS,
    SYSTEM_REASONS,
    UNREACHABLE_REASONS,
    UNREADABLE_REASONS,
    VALUE_KINDS,
)
from sdcolab.core.words.tasks import ORIGIN_NAMES, TASK_NAMES

__all__ = [
    "CATALOGUE",
    "DOWNLOAD_RESULTS",
    "FIELD_GROUPS",
    "FIELD_LABELS",
    "FIELD_WORDS",
    "KIND_LABELS",
    "KIND_NAMES",
    "KIND_WITH_ARTICLE",
    "OPTION_WORDS",
    "ORIGIN_NAMES",
    "PART_LABELS",
    "PHASE_LABELS",
    "SYSTEM_REASONS",
    "TASK_NAMES",
    "UNREACHABLE_REASONS",
    "UNREADABLE_REASONS",
    "USE_OF_KIND",
    "VALUE_KINDS",
    "Explanation",
    "Sentence",
    "Words",
    "explain",
    "human_bytes",
    "human_time",
    "label_of",
    "option_called",
    "option_words",
    "short_option_words",
]
