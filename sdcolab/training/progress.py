"""A training's progress as people read it. No torch."""

from __future__ import annotations

from sdcolab.core.words import explain, human_time
from sdcolab.core.words import training_progress as words
from sdcolab.core.words.training import STAGES
from sdcolab.training.events import (
    LearntBefore,
    LoraSaved,
    Paused,
    SampleMade,
    StageBegan,
    StateSaved,
    StepTrained,
    Told,
    TrainingBegan,
    TrainingEnded,
    TrainingEvent,
)


def progress_text(event: TrainingEvent) -> str:
    """One short line about ``event``."""
    match event:
        case StageBegan(stage, done, total):
            return STAGES[stage] + (words.STAGE_COUNT.format(done=done, total=total) if total else "")
        case TrainingBegan():
            again = words.GOES_ON_FROM.format(step=event.first) if event.first else ""
            where = words.CARD if event.device == "cuda" else words.PROCESSOR
            return words.TRAINING.format(pictures=event.pictures, steps=event.steps, where=where) + again
        case StepTrained():
            left = human_time((event.total - event.step) * event.seconds)
            share = 100 * event.step // max(1, event.total)
            return words.STEP.format(
                share=share,
                step=event.step,
                total=event.total,
                epoch=event.epoch,
                loss=event.average,
                rate=event.rate,
                left=left,
            )
        case LoraSaved(path, _, _, last):
            return (words.LORA_DONE if last else words.LORA_SAVED).format(name=path.name)
        case StateSaved():
            return words.STATE_SAVED.format(step=event.step)
        case SampleMade(path):
            return words.SAMPLE.format(name=path.name)
        case Paused(waiting):
            return words.PAUSED if waiting else words.GOES_ON
        case LearntBefore():
            return ""
        case Told(warning):
            return f"⚠️ {explain(warning)}"
        case TrainingEnded(error):
            return f"❌ {explain(error)}" if error else words.TRAINED
