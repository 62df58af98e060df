"""The optimisers of a plan, by the names that trainers use (hechos/extensiones.md 11, "Optimisers and schedules").

Those of PyTorch and of well-kept packages come from there; packages that are missing are told by name. Lion is 15
lines.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from sdcolab.core.errors import FieldWrongType, LibraryMissing, OptimizerUnknown
from sdcolab.core.registry import closest

Groups = list[dict[str, Any]]


class Lion(Optimizer):
    """Steps of one size along the sign of an interpolated momentum (Chen et al. 2023, arXiv:2302.06675, algorithm
    2).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; returns what ``closure`` does."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self.state[parameter].setdefault("exp_avg", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(momentum.lerp(parameter.grad, 1 - first).sign_(), alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - second)
        return loss


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an optimiser comes from: a module, a class in it, the package that brings it, and arguments of its own.

    ``one_rate``: it finds its own rate, so that all parts must share one.
    """

    module: str
    name: str
    package: str = ""
    arguments: Mapping[str, Any] | None = None
    one_rate: bool = False


OPTIMISERS: Mapping[str, Entry] = {
    "adamw": Entry("torch.optim", "AdamW"),
    "adamw8bit": Entry("bitsandbytes.optim", "AdamW8bit", "bitsandbytes"),
    "pagedadamw8bit": Entry("bitsandbytes.optim", "PagedAdamW8bit", "bitsandbytes"),
    "pagedadamw32bit": Entry("bitsandbytes.optim", "PagedAdamW32bit", "bitsandbytes"),
    "lion": Entry(__name__, "Lion"),
    "lion8bit": Entry("bitsandbytes.optim", "Lion8bit", "bitsandbytes"),
    "sgdnesterov": Entry("torch.optim", "SGD", arguments={"nesterov": True, "momentum": 0.9}),
    "sgdnesterov8bit": Entry("bitsandbytes.optim", "SGD8bit", "bitsandbytes", {"nesterov": True, "momentum": 0.9}),
    "prodigy": Entry("prodigyopt", "Prodigy", "prodigyopt", one_rate=True),
    "dadaptation": Entry("dadaptation", "DAdaptAdam", "dadaptation", one_rate=True),
    "dadaptadam": Entry("dadaptation", "DAdaptAdam", "dadaptation", one_rate=True),
    "dadaptlion": Entry("dadaptation", "DAdaptLion", "dadaptation", one_rate=True),
    "adafactor": Entry(
        "transformers.optimization",
        "Adafactor",
        arguments={"relative_step": False, "scale_parameter": False, "warmup_init": False},
    ),
}
"""Optimisers by name in lower case. Without a name it is AdamW."""


def entry_of(name: str) -> Entry:
    """The optimiser called ``name``: one of the list, or any dotted class. Raises ``OptimizerUnknown``."""
    name = name or "AdamW"
    if "." in name:
        module, _, kind = name.rpartition(".")
        return Entry(module, kind, module.split(".")[0])
    if name.lower() not in OPTIMISERS:
        raise OptimizerUnknown(name=name, suggestions=closest(name, list(OPTIMISERS)))
    return OPTIMISERS[name.lower()]


def make_optimiser(name: str, groups: Groups, rate: float, arguments: Mapping[str, Any]) -> Optimizer:
    """The optimiser over parameter groups that have rates of their own. Raises ``OptimizerUnknown``,
    ``LibraryMissing``,
    ``FieldWrongType`` for arguments that it does not take.
    """
    entry = entry_of(name)
    try:
        kind = getattr(importlib.import_module(entry.module), entry.name)
    except ImportError:
        if entry.package and "." not in name:
            raise LibraryMissing(library=entry.package, packages=entry.package) from None
        raise OptimizerUnknown(name=name) from None
    except AttributeError:
        raise OptimizerUnknown(name=name) from None
    if not (isinstance(kind, type) and issubclass(kind, Optimizer)):
        raise OptimizerUnknown(name=name)
    if entry.one_rate:
        groups = [{**group, "lr": rate} for group in groups]
    try:
        make: Callable[..., Optimizer] = kind
        made = make(groups, lr=rate, **{**(entry.arguments or {}), **arguments})
    except (TypeError, ValueError) as error:
        raise FieldWrongType(field="optimizer_args", value=str(error), expected="text") from error
    return made


def full_name(optimiser: Optimizer, arguments: Mapping[str, Any]) -> str:
    """As ``ss_optimizer`` has it: the class with its module, and what it was given."""
    kind = type(optimiser)
    given = ",".join(f"{name}={value}" for name, value in arguments.items())
    return f"{kind.__module__}.{kind.__name__}" + (f"({given})" if given else "")
