"""Times by part: what is added up, and how it is told."""

from __future__ import annotations

from sdcolab.core.events import Event, Phase, PhaseStarted, StepDone
from sdcolab.core.timing import PartTimes
from sdcolab.core.words.speed import seconds, times_line


def test_parts_are_added_up_and_everything_is_passed_on() -> None:
    now, heard = [0.0], list[Event]()
    timed = PartTimes(heard.append, lambda: now[0])
    for at, phase in ((0, Phase.WAITING), (5, Phase.SAMPLING), (15, Phase.DECODING), (16, Phase.SAMPLING)):
        now[0] = at
        timed(PhaseStarted(phase))
    timed(StepDone(1, 2, 1, 1))
    now[0] = 26
    assert timed.ended() == {Phase.SAMPLING: 20, Phase.DECODING: 1}
    assert timed.ended() == {Phase.SAMPLING: 20, Phase.DECODING: 1}
    assert len(heard) == 5


def test_every_part_of_a_picture_has_its_name() -> None:
    for phase in set(Phase) - {Phase.WAITING, Phase.TRAINING, Phase.DOWNLOADING, Phase.LOOKING}:
        assert times_line({phase: 1.0}).startswith("Tardó 1,0 s ("), phase


def test_nothing_that_was_too_short_is_told() -> None:
    parts = {Phase.SAMPLING: 12.34, Phase.DECODING: 1.0, Phase.SAVING: 0.01}
    assert times_line(parts) == "Tardó 13,3 s (generar: 12,3 s · convertir a imagen (VAE): 1,0 s)."
    assert times_line({}) == times_line({Phase.SAVING: 0.01}) == ""
    assert (seconds(59.94), seconds(200)) == ("59,9 s", "3 min 20 s")
