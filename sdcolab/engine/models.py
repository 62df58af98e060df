"""Loading single-file checkpoints and VAEs into diffusers' and transformers' modules, offline.

Modules are built without memory (meta device) from configs inferred in ``engine.convert``; then every tensor goes from
the memory-mapped file straight to its device and type, so the peak of host memory stays near the file's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import CLIPTextConfig, CLIPTextModel

from sdcolab.core.detect import Detected, ModelFamily, ModelKind, Prediction, detect
from sdcolab.core.errors import (
    ModelFamilyUnsupported,
    ModelIncomplete,
    ModelWithoutVae,
    ModelWrongKind,
    VaeOtherArchitecture,
)
from sdcolab.core.file_facts import no_checkpoint, part_alone
from sdcolab.core.memory_plan import Placement
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.engine.beside import Beside, beside
from sdcolab.engine.convert import (
    QUERY_KEY_VALUE,
    SIZE_CHANNELS,
    UNET_PREFIX,
    VAE_PREFIX,
    FamilyLayout,
    MissingTensor,
    Shapes,
    SizeConditioning,
    TextKind,
    TextLayout,
    open_clip_rename,
    renamed,
    text_config,
    text_rename,
    unet_config,
    unet_layers,
    unet_rename,
    vae_config,
    vae_rename,
)
from sdcolab.engine.families import FAMILIES, Family
from sdcolab.engine.prediction import ZERO_SNR_KEY, noise_range
from sdcolab.engine.replays import Replays
from sdcolab.engine.schedules import StepTables
from sdcolab.engine.stored import WHOLE, Storage, Stored, to_be_stored
from sdcolab.engine.turns import Part, Turns
from sdcolab.engine.weights import Weights, open_weights


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """One of a model's text encoders. ``projection`` [C, D] makes the vector of the whole text that SDXL reads; None
    where there is none.
    """

    module: CLIPTextModel
    layout: TextLayout
    projection: Tensor | None = None

    @property
    def width(self) -> int:
        """Channels of its output, and of a textual inversion for it."""
        width: int = self.module.config.hidden_size
        return width


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A checkpoint's UNet and text encoders on ``device``, which work in ``dtype`` and are kept as ``storage`` says.
    Its VAE is loaded apart (``load_vae``).

    ``text_encoders`` are in the order in which the UNet reads them: SDXL's are CLIP ViT-L and OpenCLIP ViT-bigG.
    ``noise_range``: the lowest and the highest sigma that it was trained on, where it is told sigmas and no timesteps.
    ``depth``: the weights, in MiDaS' names, of the network that looks how near things are, where the file has one.
    ``replays``: what records the UNet's calls, where somebody asked for that.
    """

    path: Path
    detected: Detected
    family: Family
    unet: UNet2DConditionModel
    text_encoders: tuple[TextEncoder, ...]
    device: torch.device
    dtype: torch.dtype
    turns: Turns
    text_part: Part
    unet_part: Part
    prediction: Prediction = Prediction.EPSILON
    zero_terminal_snr: bool = False
    noise_range: tuple[float, float] | None = None
    depth: Weights | None = None
    storage: Storage = WHOLE
    replays: Replays | None = None

    @property
    def beside(self) -> Beside:
        """What its UNet reads beside the latents."""
        config = self.unet.config
        return beside(config.in_channels, config.out_channels) or Beside.NOTHING

    @property
    def waits(self) -> bool:
        """Whether its weights wait in the machine's memory for their turn on ``device``."""
        return self.unet_part.waits

    def turn_of_texts(self) -> None:
        """The text encoders are about to work."""
        self.turns.take(self.text_part)

    def turn_of_unet(self) -> None:
        """The UNet is about to work."""
        self.turns.take(self.unet_part)

    @property
    def text_encoder(self) -> CLIPTextModel:
        """The first text encoder, the only one in most families."""
        return self.text_encoders[0].module

    @property
    def step_tables(self) -> StepTables:
        """Which Align Your Steps table fits."""
        return self.family.step_tables

    @property
    def layout(self) -> FamilyLayout:
        """How its networks, prompts and latents are laid out."""
        return self.family.layout

    @property
    def embedding_width(self) -> int:
        """Channels of a textual inversion for this model: those of its text encoders side by side."""
        return sum(encoder.width for encoder in self.text_encoders)


def check_checkpoint(weights: Weights) -> tuple[Detected, Family]:
    """What the checkpoint is, and its family.

    Raises ``ModelWrongKind``, ``ModelPartAlone``, ``ModelUnreadable`` (no known model in it) or
    ``ModelFamilyUnsupported``.
    """
    detected = detect(weights.header)
    if trouble := no_checkpoint(weights.path, detected):
        raise trouble
    return detected, FAMILIES[detected.family]


def load_checkpoint(
    weights: Weights,
    device: torch.device,
    dtype: torch.dtype,
    placement: Placement = Placement.GPU,
    turns: Turns | None = None,
    of_texts: torch.dtype | None = None,
    storage: Storage = WHOLE,
) -> LoadedModel:
    """UNet and text encoders of an open checkpoint for ``device``, where they take ``turns`` if they are placed so.
    ``of_texts``: the type of the text encoders where it is another. ``storage``: how weights are kept. Raises
    ``ModelError``.
    """
    detected, family = check_checkpoint(weights)
    home, turns = torch.device("cpu") if placement.waits else device, turns or Turns()
    unet = _load_unet(weights, family.layout, home, dtype, storage)
    text_encoders = tuple(
        _load_text_encoder(weights, text, home, device, of_texts or dtype, storage) for text in family.layout.texts
    )
    _check_size_conditioning(weights, family.layout, unet, text_encoders)
    unet_part = Part((unet,), device, waits=placement.waits, streams=placement is Placement.STREAMED)
    turns.take(unet_part)
    detected, prediction = family.settle(weights, unet, detected)
    return LoadedModel(
        path=weights.path,
        detected=detected,
        family=family,
        unet=unet,
        text_encoders=text_encoders,
        device=device,
        dtype=dtype,
        turns=turns,
        text_part=Part([encoder.module for encoder in text_encoders], device, waits=placement.waits),
        unet_part=unet_part,
        prediction=prediction,
        zero_terminal_snr=ZERO_SNR_KEY in weights.header.tensors,
        noise_range=noise_range(weights),
        depth=_depth_of(weights),
        storage=storage,
    )


def load_vae(
    path: Path, device: torch.device, dtype: torch.dtype, family: ModelFamily = ModelFamily.SD1
) -> AutoencoderKL:
    """The VAE inside the checkpoint ``path``, or the VAE file ``path`` in CompVis' or diffusers' names.

    Raises ``ModelError``.
    """
    return vae_of(open_weights(path), device, dtype, family)


def vae_of(weights: Weights, device: torch.device, dtype: torch.dtype, family: ModelFamily) -> AutoencoderKL:
    """As ``load_vae``, of an open file."""
    detected = detect(weights.header)
    kind = detected.kind
    if part := part_alone(weights.path, kind):
        raise part
    if kind not in (ModelKind.CHECKPOINT, ModelKind.VAE):
        raise ModelWrongKind(path=weights.path, expected=ModelKind.VAE.value, found=kind.value)
    if kind is ModelKind.VAE and detected.family is not ModelFamily.UNKNOWN:
        raise VaeOtherArchitecture(path=weights.path, family=detected.family.value)
    has_prefix = any(name.startswith(VAE_PREFIX) for name in weights.header.tensors)
    if kind is ModelKind.CHECKPOINT and not has_prefix:
        raise ModelWithoutVae(path=weights.path)
    prefix = VAE_PREFIX if has_prefix else ""
    names = renamed(weights.header.tensors, prefix, vae_rename(weights.header.tensors, prefix))
    shapes = _shapes(weights, names)
    try:
        config = vae_config(shapes, FAMILIES[family].layout)
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    with without_weights():
        vae = AutoencoderKL(**config)
    return _filled(vae, weights, names, device, dtype)


def _load_unet(
    weights: Weights, layout: FamilyLayout, device: torch.device, dtype: torch.dtype, storage: Storage
) -> UNet2DConditionModel:
    layers = unet_layers(weights.header.tensors)
    names = renamed(weights.header.tensors, UNET_PREFIX, unet_rename(layers))
    try:
        config = unet_config(_shapes(weights, names), layout, layers)
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    latent, found = config["out_channels"], config["in_channels"]
    if layout.size_conditioning is SizeConditioning.NONE and "add_embedding.linear_1.weight" in names:
        raise ModelFamilyUnsupported(path=weights.path, family=f"{detect(weights.header).family.value} unCLIP")
    if beside(found, latent) is None:
        family = f"{detect(weights.header).family.value} {found}/{latent}"
        raise ModelFamilyUnsupported(path=weights.path, family=family)
    with without_weights():
        unet = UNet2DConditionModel(**config)
    use_doubling_upsamplers(unet)
    if storage.bits:
        to_be_stored(unet, storage)
    return _filled(unet, weights, names, device, dtype)


_DEPTH_PREFIX = "depth_model.model."


def _depth_of(weights: Weights) -> Weights | None:
    """The network inside a depth2img checkpoint, as a file of its own would give it."""
    inside = {
        name.removeprefix(_DEPTH_PREFIX): info
        for name, info in weights.header.tensors.items()
        if name.startswith(_DEPTH_PREFIX)
    }
    if not inside:
        return None
    return Weights(weights.path, TensorHeader(tensors=inside), lambda name: weights.get(_DEPTH_PREFIX + name))


def _check_size_conditioning(
    weights: Weights, layout: FamilyLayout, unet: UNet2DConditionModel, text_encoders: tuple[TextEncoder, ...]
) -> None:
    """Whether the UNet expects exactly what it is going to be told beside the text. Raises ``ModelIncomplete``."""
    if layout.size_conditioning is SizeConditioning.NONE:
        return
    pooled = sum(encoder.projection.shape[1] for encoder in text_encoders if encoder.projection is not None)
    expected = pooled + layout.size_conditioning.numbers * SIZE_CHANNELS
    if unet.config.projection_class_embeddings_input_dim != expected:
        raise _incomplete(weights, [f"{UNET_PREFIX}label_emb.0.0.weight"])


def _load_text_encoder(
    weights: Weights,
    layout: TextLayout,
    home: torch.device,
    device: torch.device,
    dtype: torch.dtype,
    storage: Storage,
) -> TextEncoder:
    weights = _in_transformers_names(weights, layout)
    names = {name: name for name in weights.header.tensors}
    try:
        config = CLIPTextConfig(**text_config(_shapes(weights, names), layout))
    except MissingTensor as missing:
        raise _incomplete(weights, [str(missing)]) from missing
    with without_weights():
        module = CLIPTextModel(config)
    inner = text_model(module)
    if storage.bits:  # OpenCLIP keeps these three in one tensor of no linear layer, which A1111 leaves as it is
        to_be_stored(inner, storage, without=QUERY_KEY_VALUE if layout.kind is TextKind.OPEN_CLIP else ())
    _filled(inner, weights, names, home, dtype)
    # The only buffer: not saved in files (or saved in odd types), so made again.
    positions = torch.arange(config.max_position_embeddings, device=home).expand(1, -1)
    inner.get_submodule("embeddings").register_buffer("position_ids", positions, persistent=False)
    projection = None
    if layout.pooled:
        projection = _moved(_projection(weights), device, dtype)
    return TextEncoder(module.eval(), layout, projection)


_PROJECTION = "text_projection"


def _projection(weights: Weights) -> Tensor:
    """The matrix [C, D] of OpenCLIP's projection, or of a linear layer, as some programs save it."""
    if _PROJECTION in weights.header.tensors:
        return weights.get(_PROJECTION)
    if f"{_PROJECTION}.weight" in weights.header.tensors:
        return weights.get(f"{_PROJECTION}.weight").T
    raise _incomplete(weights, [_PROJECTION])


def _in_transformers_names(weights: Weights, layout: TextLayout) -> Weights:
    """The tensors of one text encoder of ``weights``, as a file of its own in transformers' names would give them."""
    start = "token_embedding.weight" if layout.kind is TextKind.OPEN_CLIP else "embeddings.token_embedding.weight"
    prefix = next((p for p in layout.prefixes if p + start in weights.header.tensors), layout.prefixes[0])
    inside = [name for name in weights.header.tensors if name.startswith(prefix)]
    tensors: dict[str, TensorInfo] = {}
    rows: dict[str, tuple[str, slice]] = {}
    for name in inside:
        info, new_names = weights.header.tensors[name], _text_names(name.removeprefix(prefix), layout.kind)
        share = info.shape[0] // len(new_names) if len(new_names) > 1 and info.shape else None
        for index, new in enumerate(new_names):
            shape = info.shape if share is None else (share, *info.shape[1:])
            tensors[new] = replace(info, shape=shape)
            rows[new] = name, slice(None) if share is None else slice(index * share, (index + 1) * share)

    def get(new: str) -> Tensor:
        name, part = rows[new]
        return weights.get(name)[part]

    return Weights(path=weights.path, header=TensorHeader(tensors=tensors), get=get)


def _text_names(name: str, kind: TextKind) -> tuple[str, ...]:
    if name in (_PROJECTION, f"{_PROJECTION}.weight"):
        return (name,)
    if kind is TextKind.OPEN_CLIP:
        return open_clip_rename(name)
    new = text_rename(name)
    return () if new is None else (new,)


def text_model(text_encoder: CLIPTextModel) -> nn.Module:
    """The transformer with ``embeddings``, ``encoder`` and ``final_layer_norm``: transformers < 5.16 or so wraps it
    once more.
    """
    inner: nn.Module = getattr(text_encoder, "text_model", text_encoder)
    return inner


def _shapes(weights: Weights, names: Mapping[str, str]) -> Shapes:
    return Shapes({new: weights.header.tensors[old].shape for new, old in names.items()})


def _filled(
    module: nn.Module,
    weights: Weights,
    names: Mapping[str, str],
    device: torch.device,
    dtype: torch.dtype,
) -> nn.Module:
    """``module`` with its tensors from the file; 1x1 convolutions become linear layers where the module wants so, and
    layers that are to be stored keep theirs as they were told.

    Raises ``ModelIncomplete`` for missing tensors and wrong shapes.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = weights.header.tensors
    wrong = [
        name for name, shape in expected.items() if name not in names or not _fits(found[names[name]].shape, shape)
    ]
    if wrong:
        raise _incomplete(weights, [names.get(name, name) for name in wrong])
    owners = dict(module.named_modules())
    for name, shape in expected.items():
        owner, _, leaf = name.rpartition(".")
        layer, tensor = owners[owner], _moved(weights.get(names[name]).reshape(shape), device, dtype)
        if isinstance(layer, Stored):
            layer.load(leaf, tensor)
        else:
            layer.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    return module.eval()


class _Uninitialised(TorchFunctionMode):
    """While it lasts, ``torch.nn.init`` leaves tensors as they are."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs.get("tensor", args[0] if args else None)
        if func is torch.arange:  # "meta" would count in Python, and import all of sympy for it
            kwargs = {"device": "cpu", **kwargs}
        return func(*args, **kwargs)


@contextmanager
def without_weights() -> Iterator[None]:
    """While it lasts, modules are built without memory and without the time of drawing weights that the file brings."""
    with torch.device("meta"), _Uninitialised():
        yield


def _fits(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return found == wanted or found == (*wanted, 1, 1)


def _moved(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return tensor.to(device=device, dtype=dtype)


def _incomplete(weights: Weights, names: list[str]) -> ModelIncomplete:
    return ModelIncomplete(path=weights.path, tensor=names[0], count=len(names))


class DoublingUpsample(nn.Module):
    """Upsampler of the UNet in CompVis' order: always doubles, convolves, and only then fits the skip tensor's size.

    diffusers resizes to the skip's size before the convolution, which makes another image for every size that is not a
    multiple of 64 (hechos/a1111.md 0).
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """[B, C, h, w] -> [B, C, 2h, 2w], or [B, C, *output_size]."""
        doubled = self.conv(functional.interpolate(hidden_states, scale_factor=2.0, mode="nearest"))
        if output_size is None or tuple(doubled.shape[-2:]) == tuple(output_size):
            return doubled
        return functional.interpolate(doubled, size=tuple(output_size), mode="nearest")


def use_doubling_upsamplers(unet: UNet2DConditionModel) -> None:
    """Replace every upsampler of ``unet`` by a ``DoublingUpsample`` over the same convolution (tensor names stay)."""
    for block in unet.up_blocks:
        for index, upsampler in enumerate(block.upsamplers or ()):
            block.upsamplers[index] = DoublingUpsample(upsampler.conv)
