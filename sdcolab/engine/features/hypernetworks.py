"""``<hypernet:name:weight>``: small networks that change what the attention layers read (hechos/a1111.md 1.8, 10.7).

For each attention whose context is as wide as one of the file's pairs of networks: the keys are made of
c + weight * k(c), the values of c + weight * v(c); several files one after another, in the prompt's order. Self
attention's context is the picture itself. The idea is NovelAI's (2022); files are those that A1111 trains.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    HypernetworkMissing,
    ModelUnreadable,
    ModelWrongKind,
    NetworkStrengthUnread,
    PromptSyntaxError,
    SdcolabError,
    UnknownFile,
)
from sdcolab.core.foreign_files import left_out
from sdcolab.core.library import ModelFile
from sdcolab.core.prompt import NetworkTag, hypernetwork_multiplier
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.attention import attention_sites
from sdcolab.engine.feature import Active, Feature
from sdcolab.engine.weights import Stamp, read_pickle, stamp_of

TAG = "hypernet"

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    **{
        name.lower(): kind
        for name, kind in vars(nn.modules.activation).items()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and name not in ("Module", "MultiheadAttention")
    },
    "swish": nn.Hardswish,
}
"""By A1111's names: torch's own in lower case, and one that it calls otherwise."""

_OLD_NAMES = {"linear1": "linear.0", "linear2": "linear.1"}
"""Layers in files of the first weeks."""


@dataclass(frozen=True, slots=True)
class HypernetworkUse:
    """One tag."""

    file: ModelFile
    weight: float


class Hypernetworks(Feature):
    """The hypernetworks of a request's prompts. ``uses`` has those of each prompt text."""

    tags = frozenset({TAG})

    def __init__(self, uses: Mapping[str, tuple[HypernetworkUse, ...]], warnings: Sequence[SdcolabError]) -> None:
        self._uses = uses
        self._warnings = warnings

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        if not any(tag.kind == TAG for tag in asked.tags):
            return None
        warnings: list[SdcolabError] = []
        uses = {text: tuple(_uses(prompt.tags, asked, warnings)) for text, prompt in asked.prompts.items()}
        return cls(uses, warnings)

    @contextmanager
    def patch(self, active: Active) -> Iterator[None]:
        """The keys and values of the pass's UNet are made of changed contexts."""
        for warning in self._warnings:
            active.bench.warn(warning)
        shelf = active.bench.kept.of(HypernetworkShelf, HypernetworkShelf)
        with ExitStack() as stack:
            for use in self._uses.get(active.one.prompt, ()):
                for site in attention_sites(active.checkpoint.model.unet):
                    module: Any = site.module
                    pair = shelf.open(use.file.path).get(module.to_k.in_features)
                    if pair is not None:
                        for layer, network in ((module.to_k, pair.key), (module.to_v, pair.value)):
                            hook = layer.register_forward_pre_hook(_changing(network, use.weight))
                            stack.callback(hook.remove)
            yield


def _uses(
    tags: Sequence[NetworkTag], asked: ResolvedRequest, warnings: list[SdcolabError]
) -> Iterator[HypernetworkUse]:
    """The hypernetworks among a prompt's tags; those that are not here, and strengths that are no numbers, are told
    to ``warnings``."""
    for tag in tags:
        if tag.kind != TAG:
            continue
        try:
            file = asked.library.find(ModelKind.HYPERNETWORK, tag.name)
        except UnknownFile as error:
            missing = HypernetworkMissing(tag=tag.source, suggestions=error.suggestions)
            warnings.append(left_out(tag.source, error, missing))
            continue
        try:
            yield HypernetworkUse(file, hypernetwork_multiplier(tag))
        except PromptSyntaxError:
            warnings.append(NetworkStrengthUnread(tag=tag.source))


def _changing(network: nn.Module, weight: float) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook that gives a layer the context as the network changes it."""

    def hook(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context, *others = inputs
        moved = network.to(context.device)
        return ((context.float() + moved(context.float()) * weight).to(context.dtype), *others)

    return hook


# --- Files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The networks of one width of context."""

    key: nn.Module
    value: nn.Module


class HypernetworkShelf:
    """The file that was opened last, in float32."""

    def __init__(self) -> None:
        self._opened: dict[Stamp, Mapping[int, Pair]] = {}

    def open(self, path: Path) -> Mapping[int, Pair]:
        """The networks of a file by the width of their context. Raises ``CannotRead`` or ``ModelError``."""
        stamp = stamp_of(path)
        if stamp not in self._opened:
            self._opened = {known: pairs for known, pairs in self._opened.items() if known[0] != path}
            self._opened[stamp] = open_hypernetwork(path)
        return self._opened[stamp]


def open_hypernetwork(path: Path) -> dict[int, Pair]:
    """The networks in the file at ``path``. Raises ``CannotRead`` or ``ModelError``."""
    content = read_pickle(path)
    widths = [width for width in content if isinstance(width, int)] if isinstance(content, dict) else []
    if not widths:
        raise ModelWrongKind(path=path, expected=ModelKind.HYPERNETWORK.value, found=ModelKind.OTHER.value)
    try:
        return {width: Pair(*(_network(content[width][place], content) for place in (0, 1))) for width in widths}
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        raise ModelUnreadable(path=path, reason="damaged") from error


def _network(tensors: Mapping[str, Tensor], content: Mapping[Any, Any]) -> nn.Sequential:
    """A network by its tensors: matrices are linear layers, vectors with a bias layer norms. The activation stands
    behind every linear layer but the last, which has one too with "activate_output"."""
    layers = _layers(tensors)
    linear = [place for place, (weight, _) in layers.items() if weight.dim() == 2]
    name = content.get("activation_func") or "linear"
    made: list[nn.Module] = []
    for place, (weight, bias) in layers.items():
        layer = _blank(weight)
        layer.load_state_dict({"weight": weight, "bias": bias})
        made.append(layer)
        if place in linear and name != "linear" and (place != linear[-1] or content.get("activate_output")):
            made.append(_ACTIVATIONS[name.lower()]())
    network = nn.Sequential(*made).float().eval()
    return network.requires_grad_(False)


def _blank(weight: Tensor) -> nn.Module:
    """A layer with a weight of this shape."""
    return nn.Linear(weight.shape[1], weight.shape[0]) if weight.dim() == 2 else nn.LayerNorm(weight.shape)


def _layers(tensors: Mapping[str, Tensor]) -> OrderedDict[int, tuple[Tensor, Tensor]]:
    """Weight and bias of each layer, by its place."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        for old, new in _OLD_NAMES.items():
            name = f"{new}{name.removeprefix(old)}" if name.startswith(f"{old}.") else name
        _, place, kind = name.split(".")
        found.setdefault(int(place), {})[kind] = tensor
    return OrderedDict((place, (found[place]["weight"], found[place]["bias"])) for place in sorted(found))
