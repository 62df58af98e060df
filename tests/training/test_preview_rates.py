"""What the preview says of learning rates that nobody means, and of the base that nobody may use."""

from __future__ import annotations

import pytest

from sdcolab.core.errors import NothingLearns, RateTooHigh
from sdcolab.training.bases import BASES, INSTEAD_OF_LEAKED, is_leaked
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.preview import rate_advice


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"unet_lr": 1e-3}, []),
        ({"unet_lr": 1e-5}, []),
        ({"unet_lr": 10.0}, [RateTooHigh]),
        ({"learning_rate": 5.0}, [RateTooHigh]),
        ({"unet_lr": 1.0, "optimizer_type": "Prodigy"}, []),  # it finds its own
        ({"unet_lr": 0.0}, [NothingLearns]),
        ({"unet_lr": 0.0, "network_train_text_encoder_only": True}, []),
    ],
)
def test_rates_that_nobody_means_are_told(facts: dict[str, object], told: list[type]) -> None:
    assert [type(one) for one in rate_advice(TrainingPlan(**facts))] == told  # type: ignore[arg-type]


def test_the_leaked_model_is_known_by_name_only() -> None:
    assert INSTEAD_OF_LEAKED in BASES
    assert is_leaked(" animefull-final ") and is_leaked("AnimeFull-final-pruned")
    assert not is_leaked("/mis/animefull-final.ckpt") and not is_leaked("AnyLoRA")
