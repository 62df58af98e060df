"""The small networks that are trained beside a model's layers: LoRA, LoCon, LoHa, LoKr, and DoRA over any of them.

Each adds to the output of one layer; the layer's own weights never change. Names of layers and tensors are those that
kohya's trainer writes, which every program reads (hechos/extensiones.md 11, "LoRA net").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from sdcolab.core.detect import ModelFamily
from sdcolab.core.errors import NothingToTrain
from sdcolab.core.lora_names import UNET_KEY, compvis_paths
from sdcolab.engine.models import LoadedModel, text_model
from sdcolab.training.network_rules import Algorithm, NetworkRules, block_of, by_block

Layer = nn.Linear | nn.Conv2d

_NEW = 1e-1
"""Deviation of LoHa's first factor at the start (LyCORIS)."""


# --- One layer's change ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LayerRules:
    """A layer's own rank and alpha, and how it is disturbed while training."""

    dim: int
    alpha: float
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    factor: int = -1


class Adapter(nn.Module):
    """Base of the networks beside one layer. ``scale`` is alpha / rank; ``alpha`` goes into the file.

    ``change(x)`` is what the layer's output gets added; ``weight_change()`` the same as a matrix in the weight's shape.
    """

    def __init__(self, layer: Layer, rules: LayerRules) -> None:
        super().__init__()
        self._layer = (layer,)  # in a tuple, so that its weights are not ours
        self.rules = rules
        self.scale = rules.alpha / rules.dim
        self.alpha: Tensor
        self.register_buffer("alpha", torch.tensor(float(rules.alpha)))

    @property
    def layer(self) -> Layer:
        """The layer beside which this network stands."""
        return self._layer[0]

    def tensors(self) -> dict[str, Tensor]:
        """What the file holds of this layer, by the names after the layer's."""
        raise NotImplementedError

    def weight_change(self) -> Tensor:
        """What the weight gets added, in its shape."""
        raise NotImplementedError

    def change(self, x: Tensor) -> Tensor:
        """What the output for ``x`` gets added."""
        return apply_weight(self.layer, x, self.weight_change())

    def up_parameters(self) -> list[nn.Parameter]:
        """The parameters that LoRA+ teaches faster."""
        return []

    def forward(self, x: Tensor) -> Tensor:
        """The change for ``x``, or nothing where the whole module is dropped at this step."""
        rules = self.rules
        if self.training and rules.module_dropout and float(torch.rand(())) < rules.module_dropout:
            return x.new_zeros(())
        return self.change(x)


def apply_weight(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """The layer's output for ``x`` with another weight and no bias."""
    if isinstance(layer, nn.Conv2d):
        return functional.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    return functional.linear(x, weight)


class LoraAdapter(Adapter):
    """up(down(x)) alpha / rank (Hu et al. 2021). A convolution's kernel belongs to ``down``; ``up`` is 1x1."""

    def __init__(self, layer: Layer, rules: LayerRules) -> None:
        super().__init__(layer, rules)
        out, inside, *kernel = layer.weight.shape
        self.down = nn.Parameter(torch.empty(rules.dim, inside, *kernel))
        self.up = nn.Parameter(torch.zeros(out, rules.dim, *[1] * len(kernel)))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def change(self, x: Tensor) -> Tensor:
        """As ``Adapter.change``, in two thin products."""
        inner = apply_weight(self.layer, x, self.down)
        scale = self.scale
        if self.training and self.rules.dropout:
            inner = functional.dropout(inner, self.rules.dropout)
        if self.training and self.rules.rank_dropout:
            kept = torch.rand(inner.shape[0], self.rules.dim, device=inner.device) > self.rules.rank_dropout
            sides = (-1, self.rules.dim, 1, 1) if inner.dim() == 4 else (-1, *[1] * (inner.dim() - 2), self.rules.dim)
            inner = inner * kept.view(sides)
            scale /= 1 - self.rules.rank_dropout
        outer = functional.conv2d(inner, self.up) if inner.dim() == 4 else functional.linear(inner, self.up)
        return outer * scale

    def weight_change(self) -> Tensor:
        """up @ down, in the weight's shape."""
        product = self.up.flatten(1) @ self.down.flatten(1)
        return (product * self.scale).reshape(self.layer.weight.shape)

    def tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.tensors``."""
        return {"lora_down.weight": self.down, "lora_up.weight": self.up, "alpha": self.alpha}

    def up_parameters(self) -> list[nn.Parameter]:
        """As ``Adapter.up_parameters``."""
        return [self.up]


class LohaAdapter(Adapter):
    """(w1a w1b) times (w2a w2b), element by element (FedPara, arXiv:2108.06098; LyCORIS, arXiv:2309.14859)."""

    def __init__(self, layer: Layer, rules: LayerRules) -> None:
        super().__init__(layer, rules)
        out, columns = layer.weight.shape[0], layer.weight[0].numel()
        self.w1_a = nn.Parameter(torch.randn(out, rules.dim) * _NEW)
        self.w1_b = nn.Parameter(torch.randn(rules.dim, columns))
        self.w2_a = nn.Parameter(torch.zeros(out, rules.dim))
        self.w2_b = nn.Parameter(torch.randn(rules.dim, columns))

    def weight_change(self) -> Tensor:
        """As ``Adapter.weight_change``."""
        product = (self.w1_a @ self.w1_b) * (self.w2_a @ self.w2_b)
        return (product * self.scale).reshape(self.layer.weight.shape)

    def tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.tensors``."""
        factors = {f"hada_{name}": getattr(self, name) for name in ("w1_a", "w1_b", "w2_a", "w2_b")}
        return {**factors, "alpha": self.alpha}


def factorised(size: int, factor: int) -> tuple[int, int]:
    """``size`` as a product of two whole numbers, the smaller first: ``factor`` and its partner where it divides, else
    the two nearest to each other (LyCORIS' ``factorization``).
    """
    if factor > 0 and size % factor == 0:
        return min(factor, size // factor), max(factor, size // factor)
    limit = factor if factor > 0 else size
    small = max(number for number in range(1, math.isqrt(size) + 1) if size % number == 0 and number <= limit)
    return small, size // small


class LokrAdapter(Adapter):
    """Kronecker product of a small matrix and a larger one, which is a product itself where the rank makes it smaller
    (LyCORIS, arXiv:2309.14859).
    """

    def __init__(self, layer: Layer, rules: LayerRules) -> None:
        super().__init__(layer, rules)
        out, inside, *kernel = layer.weight.shape
        (rows, more_rows), (columns, more_columns) = (factorised(side, rules.factor) for side in (out, inside))
        self.w1 = nn.Parameter(torch.empty(rows, columns))
        nn.init.kaiming_uniform_(self.w1, a=math.sqrt(5))
        self._shape = (more_rows, more_columns, *kernel)
        self.w2: nn.Parameter | None = None
        if rules.dim >= max(more_rows, more_columns) / 2:
            self.scale = 1.0
            self.register_buffer("alpha", torch.tensor(float(rules.dim)))
            self.w2 = nn.Parameter(torch.zeros(self._shape))
        else:
            self.w2_a = nn.Parameter(torch.empty(more_rows, rules.dim))
            self.w2_b = nn.Parameter(torch.zeros(rules.dim, more_columns * math.prod(kernel)))
            nn.init.kaiming_uniform_(self.w2_a, a=math.sqrt(5))

    def weight_change(self) -> Tensor:
        """As ``Adapter.weight_change``."""
        w2 = self.w2 if self.w2 is not None else (self.w2_a @ self.w2_b).reshape(self._shape)
        w1 = self.w1.reshape(*self.w1.shape, *[1] * (w2.dim() - 2))
        return torch.kron(w1, w2).reshape(self.layer.weight.shape) * self.scale

    def tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.tensors``."""
        second = {"lokr_w2": self.w2} if self.w2 is not None else {"lokr_w2_a": self.w2_a, "lokr_w2_b": self.w2_b}
        return {"lokr_w1": self.w1, **second, "alpha": self.alpha}


class DoraAdapter(nn.Module):
    """Another network's change, with the norm of each input channel learnt apart (Liu et al. 2024, arXiv:2402.09353,
    eq. 5).

    As the paper says (section 4.3), no gradient goes through the norm that it divides by.
    """

    def __init__(self, inner: Adapter) -> None:
        super().__init__()
        self.inner = inner
        weight = inner.layer.weight.detach().float()
        self.magnitude = nn.Parameter(self._norm(weight))

    @staticmethod
    def _norm(weight: Tensor) -> Tensor:
        """Norm of each input channel: [1, in] or [1, in, 1, 1]."""
        axes = [axis for axis in range(weight.dim()) if axis != 1]
        return torch.linalg.vector_norm(weight, dim=axes, keepdim=True)

    @property
    def layer(self) -> Layer:
        """The layer beside which this network stands."""
        return self.inner.layer

    def weight_change(self) -> Tensor:
        """m (W + change) / |W + change| - W."""
        weight = self.layer.weight.detach().to(self.magnitude.dtype)
        whole = weight + self.inner.weight_change()
        return whole * (self.magnitude / self._norm(whole.detach())) - weight

    def forward(self, x: Tensor) -> Tensor:
        """The change for ``x``."""
        return apply_weight(self.layer, x, self.weight_change())

    def tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.tensors``."""
        return {**self.inner.tensors(), "dora_scale": self.magnitude}

    def up_parameters(self) -> list[nn.Parameter]:
        """As ``Adapter.up_parameters``."""
        return self.inner.up_parameters()


_ADAPTERS: Mapping[Algorithm, type[Adapter]] = {
    Algorithm.LORA: LoraAdapter,
    Algorithm.LOHA: LohaAdapter,
    Algorithm.LOKR: LokrAdapter,
}


# --- A model's layers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A layer that can be trained. ``part`` is -1 for the UNet, else the text encoder's number; ``block`` of the
    UNet.
    """

    key: str
    layer: Layer
    part: int
    block: int = 0
    of_convolution: bool = False
    """Whether only a network with ``conv_dim`` has it."""


_ATTENTION = ("proj_in", "proj_out", "transformer_blocks")
_TEXT = ("self_attn.", "mlp.")


def unet_places(unet: nn.Module, *, sdxl: bool, layers: int = 2) -> Iterator[Place]:
    """Layers of a UNet in diffusers' modules: those of the transformers, and those of residual blocks and samplers."""
    for path, module in unet.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        inside = path.split(".")
        of_attention = "attentions" in inside and any(part in inside for part in _ATTENTION)
        of_convolution = any(part in inside for part in ("resnets", "downsamplers", "upsamplers"))
        if of_attention or of_convolution:
            key = UNET_KEY + _named(path, sdxl=sdxl, layers=layers).replace(".", "_")
            yield Place(key, module, -1, block_of(key, sdxl=sdxl), of_convolution)


def _named(path: str, *, sdxl: bool, layers: int) -> str:
    """The layer's path in the names that the family's trainer writes: CompVis' for SDXL, diffusers' for the others."""
    names = compvis_paths(path, layers) if sdxl else ()
    return names[-1] if names else path


def text_places(encoder: nn.Module, part: int, prefix: str) -> Iterator[Place]:
    """Layers of a text encoder in transformers' modules."""
    for path, module in encoder.named_modules():
        if isinstance(module, nn.Linear) and any(name in path for name in _TEXT):
            yield Place(f"{prefix}text_model_{path.replace('.', '_')}", module, part)


def places_of(model: LoadedModel) -> list[Place]:
    """Every layer of a checkpoint that can be trained, text encoders first."""
    sdxl = model.detected.family is ModelFamily.SDXL
    found: list[Place] = []
    for index, encoder in enumerate(model.text_encoders):
        prefix = f"lora_te{index + 1}_" if len(model.text_encoders) > 1 else "lora_te_"
        found += text_places(text_model(encoder.module), index, prefix)
    layers = model.unet.config.layers_per_block
    return [*found, *unet_places(model.unet, sdxl=sdxl, layers=layers)]


# --- The whole network -----------------------------------------------------------------------------------------------


class Network(nn.Module):
    """Networks beside a model's layers, by layer key. Attached while a ``with`` block lasts."""

    def __init__(
        self, places: list[Place], rules: NetworkRules, *, unet: bool = True, text: tuple[bool, ...] = (True, True)
    ) -> None:
        super().__init__()
        self.rules = rules
        self.places: dict[str, Place] = {}
        self.adapters = nn.ModuleDict()
        for place in places:
            wanted = unet if place.part < 0 else text[place.part]
            own = _layer_rules(place, rules) if wanted else None
            if own is not None:
                inner = _ADAPTERS[rules.algorithm](place.layer, own)
                self.adapters[place.key] = DoraAdapter(inner) if rules.dora else inner
                self.places[place.key] = place
        if not self.adapters:
            raise NothingToTrain()
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Network:
        for key, adapter in self.adapters.items():
            self._handles.append(self.places[key].layer.register_forward_hook(_adding(adapter)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def file_tensors(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """The file's tensors, on the CPU in ``dtype`` (None: as they are)."""
        return {
            f"{key}.{name}": tensor.detach().to("cpu", dtype).contiguous().clone()
            for key, adapter in self.adapters.items()
            for name, tensor in _typed(adapter).tensors().items()
        }

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> int:
        """Take over a file's tensors where names and shapes agree; how many layers did."""
        taken = 0
        with torch.no_grad():
            for key, adapter in self.adapters.items():
                own = _typed(adapter).tensors()
                found = {name: tensors.get(f"{key}.{name}") for name in own if name != "alpha"}
                if all(given is not None and given.shape == own[name].shape for name, given in found.items()):
                    taken += 1
                    for name, given in found.items():
                        own[name].copy_(cast(Tensor, given))
        return taken

    def groups(self, unet_rate: float, text_rates: tuple[float, ...]) -> list[dict[str, Any]]:
        """Parameters by learning rate, for an optimiser. Those whose rate is zero are left out, and not trained."""
        made: dict[tuple[str, float], list[nn.Parameter]] = {}
        for key, adapter in self.adapters.items():
            place = self.places[key]
            name, rate, ratio = "unet", unet_rate, self.rules.up_ratio_unet
            if place.part >= 0:
                name, rate, ratio = f"textencoder {place.part + 1}", text_rates[place.part], self.rules.up_ratio_text
            else:
                rate *= by_block(self.rules.blocks.rates, place.block, 1.0)
            faster = set(_typed(adapter).up_parameters()) if ratio != 1.0 else set()
            for parameter in adapter.parameters():
                plus = parameter in faster
                group = (f"{name} plus" if plus else name, rate * ratio if plus else rate)
                if group[1]:
                    made.setdefault(group, []).append(parameter)
                else:
                    parameter.requires_grad_(False)
        if not made:
            raise NothingToTrain()
        return [{"params": parameters, "lr": rate, "name": name} for (name, rate), parameters in made.items()]

    @torch.no_grad()
    def limit_norms(self, limit: float) -> tuple[int, float, float]:
        """Shrink each layer's LoRA whose change has a norm above ``limit`` (max-norm regularisation); how many were
        shrunk, and the mean and greatest norm after.
        """
        norms, shrunk = [], 0
        for adapter in self.adapters.values():
            inner = adapter.inner if isinstance(adapter, DoraAdapter) else adapter
            if isinstance(inner, LoraAdapter):
                norm = float(inner.weight_change().norm())
                ratio = min(1.0, limit / max(norm, limit / 2))
                if ratio < 1:
                    shrunk += 1
                    inner.up.mul_(ratio**0.5)
                    inner.down.mul_(ratio**0.5)
                norms.append(norm * ratio)
        return (shrunk, sum(norms) / len(norms), max(norms)) if norms else (0, 0.0, 0.0)


def _typed(adapter: nn.Module) -> Adapter:
    """Module dictionaries forget what they hold; a DoRA has an adapter's methods."""
    return cast(Adapter, adapter)


def _adding(adapter: nn.Module) -> Any:
    """A hook that adds the network's change to its layer's output."""

    def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + adapter(inputs[0]).to(output.dtype)

    return hook


def _layer_rules(place: Place, rules: NetworkRules) -> LayerRules | None:
    """The layer's rank and alpha, or None where it gets no network."""
    blocks, kernel = rules.blocks, place.layer.kernel_size if isinstance(place.layer, nn.Conv2d) else (1, 1)
    if place.of_convolution and rules.conv_dim is None and not blocks.conv_dims:
        return None
    if place.part < 0 and blocks.rates and not by_block(blocks.rates, place.block, 1.0):
        return None
    wide = kernel != (1, 1)
    if place.part < 0 and wide:
        dim = by_block(blocks.conv_dims, place.block, rules.conv_dim) or 0
        alpha = by_block(blocks.conv_alphas, place.block, rules.conv_alpha)
    elif place.part < 0:
        dim, alpha = by_block(blocks.dims, place.block, rules.dim), by_block(blocks.alphas, place.block, rules.alpha)
    else:
        dim, alpha = rules.dim, rules.alpha
    if not dim:
        return None
    return LayerRules(dim, alpha or dim, rules.dropout, rules.rank_dropout, rules.module_dropout, rules.factor)
