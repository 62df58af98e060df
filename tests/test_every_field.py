"""The safety net of the table of fields: what is declared is what every interpreter does, tried with values that are
not the default. A field that is only declared, and that the rest of the program ignores, must fail here."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from support.fields import (
    ignored_by_the_api,
    lost_in_infotexts,
    lost_in_json,
    unread_by_the_engine,
    without_words,
)
from support.trial import Trial

from sdcolab.core.fields import fact, table_of
from sdcolab.core.infotext.codecs import CODECS
from sdcolab.core.request import GenerationRequest

KINDS = pytest.mark.parametrize("kind", [GenerationRequest, Trial], ids=lambda kind: kind.__name__)


@KINDS
def test_every_recorded_field_survives_writing_and_reading(kind: type[GenerationRequest]) -> None:
    assert lost_in_infotexts(kind) == []


@KINDS
def test_every_name_of_a_payload_and_every_setting_changes_the_request(kind: type[GenerationRequest]) -> None:
    assert list(ignored_by_the_api(kind)) == []


@KINDS
def test_every_field_survives_json(kind: type[GenerationRequest]) -> None:
    assert lost_in_json(kind) == []


def test_every_field_has_words_and_the_engine_reads_it() -> None:
    assert without_words(GenerationRequest) == []
    assert unread_by_the_engine(GenerationRequest) == []


def test_every_codec_exists_and_is_used() -> None:
    assert {field.codec for field in table_of(GenerationRequest).values() if field.label} == set(CODECS)


# --- The experiment: a field that is only declared ----------------------------------------------------------------


def test_a_field_that_nobody_implements_is_found() -> None:
    assert "mirrored" in without_words(Trial)
    assert "mirrored" in unread_by_the_engine(Trial)


@dataclass(frozen=True, slots=True)
class Broken(GenerationRequest):
    """Fields whose facts are wrong: a label and payload names that are others' already."""

    mirrored: bool = fact(False, label="Tiling", api=("enable_hr",), key="tiling")


def test_a_field_that_takes_anothers_names_is_found() -> None:
    with pytest.raises(ValueError, match="share the label 'Tiling'"):
        lost_in_infotexts(Broken)
    assert list(ignored_by_the_api(Broken))
