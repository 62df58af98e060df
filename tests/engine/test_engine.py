"""The engine from a request to saved pictures, on a miniature checkpoint."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    Cancelled,
    ImageNotFinite,
    ModelFamilyUnsupported,
    NetworkIgnored,
    NoCuda,
    NoModels,
    OutOfMemory,
    SizeBeyondNative,
    UnetOverflowed,
    UnknownName,
)
from sdcolab.core.events import CancelToken, Ended, Event, ImageSaved, Note, Phase, PhaseStarted, StepDone, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import GB, MemoryChoice
from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.engine import darkroom as darkroom_module
from sdcolab.engine import hashes
from sdcolab.engine import memory as memory_module
from sdcolab.engine import precision as precision_module
from sdcolab.engine import shelf as shelf_module
from sdcolab.engine.convert import VAE_PREFIX
from sdcolab.engine.engine import Engine
from sdcolab.engine.samplers import SAMPLERS
from sdcolab.engine.weights import Weights

MakeEngine = Callable[..., Engine]

REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64
)


def run(engine: Engine, request: GenerationRequest = REQUEST) -> list[Event]:
    events: list[Event] = []
    engine.generate(request, events.append)
    return events


def difference(a: Image.Image, b: Image.Image) -> int:
    """Largest difference of two pictures in bytes."""
    return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


@pytest.fixture
def unet_batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batch size of every UNet call from now on."""
    from diffusers import UNet2DConditionModel

    batches: list[int] = []
    forward = UNet2DConditionModel.forward

    def counting(self: UNet2DConditionModel, sample: torch.Tensor, *rest: object, **options: object) -> object:
        batches.append(len(sample))
        return forward(self, sample, *rest, **options)

    monkeypatch.setattr(UNet2DConditionModel, "forward", counting)
    return batches


# --- The result ---------------------------------------------------------------------------------------------------


def test_a_picture_is_saved_with_its_infotext(engine: Engine, folders: Folders) -> None:
    events: list[Event] = []
    result = engine.generate(REQUEST, events.append)
    (image,) = result.images
    assert image.path is not None and image.path.is_relative_to(folders.txt2img)
    with Image.open(image.path) as saved:
        assert saved.size == (64, 64)
        assert saved.info["parameters"] == image.infotext
        assert difference(saved.convert("RGB"), image.image) == 0
    assert image.infotext.startswith(
        "un gato\nNegative prompt: feo\nSteps: 3, Sampler: Euler, Schedule type: Automatic, CFG scale: 7, Seed: 7, "
        "Size: 64x64, Model hash: "
    )
    assert (
        f"Model hash: {hashes.sha256(folders.models(ModelKind.CHECKPOINT) / 'mini.safetensors')[:10]}, Model: mini, "
        in (image.infotext)
    )
    assert result.request == replace(REQUEST, checkpoint="mini.safetensors")


def test_events_in_order(engine: Engine) -> None:
    events = run(engine, replace(REQUEST, batch_size=2, batch_count=2))
    phases = [event.phase for event in events if isinstance(event, PhaseStarted)]
    once = [Phase.SAMPLING, *[Phase.DECODING] * 2]
    assert phases == [Phase.LOADING_MODEL, Phase.ENCODING_PROMPT, *once, *once, Phase.SAVING], "others: beside the work"
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in steps} == {6}
    assert [event.batch for event in steps] == [1, 1, 1, 2, 2, 2]
    saved = [event for event in events if isinstance(event, ImageSaved)]
    assert [event.index for event in saved] == [0, 1, 2, 3]
    assert [event.seed for event in saved] == [7, 8, 9, 10]
    assert not any(isinstance(event, Ended) for event in events)  # the queue says that


def test_the_same_request_gives_the_same_picture(engine: Engine, make_engine: MakeEngine) -> None:
    first = engine.generate(REQUEST).images[0].image
    assert difference(first, engine.generate(REQUEST).images[0].image) == 0
    assert difference(first, make_engine().generate(REQUEST).images[0].image) == 0
    assert difference(first, engine.generate(replace(REQUEST, seed=8)).images[0].image) > 10
    assert difference(first, engine.generate(replace(REQUEST, prompt="un perro")).images[0].image) > 10


def test_a_random_seed_is_settled(engine: Engine) -> None:
    result = engine.generate(replace(REQUEST, seed=-1))
    assert result.request.seed >= 0
    assert difference(engine.generate(result.request).images[0].image, result.images[0].image) == 0


@pytest.mark.parametrize(
    ("sampler", "origin"),
    [
        *product(("Euler", "Euler a", "DPM++ 2M", "DDIM", "DPM++ SDE"), (NoiseOrigin.NV, NoiseOrigin.CPU)),
        ("DPM adaptive", NoiseOrigin.NV),  # it chooses its steps, and they are many
    ],
)
def test_a_batch_equals_its_pictures_alone(kept_engine: Engine, sampler: str, origin: NoiseOrigin) -> None:
    request = replace(REQUEST, sampler=sampler, noise_origin=origin)
    batch = kept_engine.generate(replace(request, batch_size=2)).images
    counted = kept_engine.generate(replace(request, batch_count=2)).images
    alone = [kept_engine.generate(replace(request, seed=7 + index)).images[0] for index in range(2)]
    for together, apart, single in zip(batch, counted, alone, strict=True):
        assert together.seed == apart.seed == single.seed
        assert difference(together.image, single.image) <= 1
        assert difference(apart.image, single.image) == 0


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_every_sampler_runs(kept_engine: Engine, name: str) -> None:
    events: list[Event] = []
    result = kept_engine.generate(replace(REQUEST, sampler=name, steps=4), events.append)
    assert f"Sampler: {name}, " in result.images[0].infotext
    steps = [event.step for event in events if isinstance(event, StepDone)]
    assert steps == sorted(steps)
    assert all(event.step <= event.total for event in events if isinstance(event, StepDone))


def test_old_sampler_names(engine: Engine) -> None:
    result = engine.generate(replace(REQUEST, sampler="dpm++ 2m karras"))
    assert (result.request.sampler, result.request.schedule) == ("DPM++ 2M", "Karras")
    assert "Sampler: DPM++ 2M, Schedule type: Karras" in result.images[0].infotext


def test_size_defaults_to_the_checkpoints(engine: Engine, folders: Folders) -> None:
    place = folders.models(ModelKind.CHECKPOINT)
    save_file(load_file(place / "mini.safetensors"), place / "small.safetensors", {"modelspec.resolution": "128x128"})
    result = engine.generate(replace(REQUEST, checkpoint="small", width=None, height=None, steps=1))
    assert (result.request.width, result.request.height) == (128, 128)
    assert result.images[0].image.size == (128, 128)


@pytest.mark.parametrize(("width", "height"), [(72, 104), (200, 64)])
def test_sizes_that_are_not_multiples_of_64(engine: Engine, width: int, height: int) -> None:
    assert engine.generate(replace(REQUEST, width=width, height=height)).images[0].image.size == (width, height)


def test_without_a_store_nothing_is_saved(make_engine: MakeEngine, folders: Folders) -> None:
    events: list[Event] = []
    engine = Engine(Library(folders), None, device="cpu")
    assert engine.generate(REQUEST, events.append).images[0].path is None
    assert not any(isinstance(event, ImageSaved) for event in events)
    assert not folders.outputs.exists()


def test_network_tags_are_told(engine: Engine) -> None:
    events = run(engine, replace(REQUEST, prompt="un gato <otra:x:0.8>"))
    assert [event.warning.tag for event in events if isinstance(event, Warned)] == ["<otra:x:0.8>"]
    assert isinstance(next(event.warning for event in events if isinstance(event, Warned)), NetworkIgnored)


# --- Stopping -----------------------------------------------------------------------------------------------------


def test_cancelling_stops_within_one_step(engine: Engine, unet_batches: list[int], folders: Folders) -> None:
    cancel = CancelToken()

    def stop_at_second_step(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            cancel.cancel()

    with pytest.raises(Cancelled):
        engine.generate(replace(REQUEST, steps=20), stop_at_second_step, cancel)
    assert len(unet_batches) == 2
    assert not folders.txt2img.exists()
    assert engine.generate(REQUEST).images  # and the engine goes on


def test_cancelling_keeps_finished_pictures(engine: Engine) -> None:
    cancel, events = CancelToken(), []

    def stop_at_fifth_step(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepDone) and event.step == 5:
            cancel.cancel()

    with pytest.raises(Cancelled):
        engine.generate(replace(REQUEST, batch_size=2, batch_count=3), stop_at_fifth_step, cancel)
    saved = [event for event in events if isinstance(event, ImageSaved)]
    assert [event.index for event in saved] == [0, 1]
    assert all(event.path.is_file() for event in saved)


def test_cancelled_before_it_starts(engine: Engine) -> None:
    cancel, events = CancelToken(), []
    cancel.cancel()
    with pytest.raises(Cancelled):
        engine.generate(REQUEST, events.append, cancel)
    assert not events


def test_one_request_at_a_time(engine: Engine) -> None:
    engine.preload()
    inside, waiting, overlaps = threading.Event(), threading.Event(), []
    running: list[int] = []

    def first(event: Event) -> None:
        if isinstance(event, StepDone):
            inside.set()
            waiting.wait(10)
            overlaps.append(len(running))

    def second(event: Event) -> None:
        if event == PhaseStarted(Phase.WAITING):
            waiting.set()
        else:
            running.append(1)

    thread = threading.Thread(target=engine.generate, args=(REQUEST, first))
    thread.start()
    assert inside.wait(10)
    engine.generate(REQUEST, second)
    thread.join(10)
    assert waiting.is_set()
    assert set(overlaps) == {0}
    assert running


def test_waiting_for_a_turn_can_be_cancelled(engine: Engine) -> None:
    cancel = CancelToken()
    with engine._lock, pytest.raises(Cancelled):
        engine.generate(REQUEST, lambda _: cancel.cancel(), cancel)


# --- Models -------------------------------------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were loaded as checkpoints and VAEs."""
    names: list[str] = []
    for function in ("load_checkpoint", "vae_of"):
        real = getattr(shelf_module, function)

        def counting(source: Weights, *rest: object, real: Callable = real, function: str = function) -> object:
            names.append(f"{function} {source.path.name}")
            return real(source, *rest)

        monkeypatch.setattr(shelf_module, function, counting)
    return names


def test_a_model_is_loaded_once_and_goes_when_another_comes(engine: Engine, folders: Folders, loads: list[str]) -> None:
    place = folders.models(ModelKind.CHECKPOINT)
    shutil.copy(place / "mini.safetensors", place / "other.safetensors")
    engine.preload("mini")
    assert not any(event == PhaseStarted(Phase.LOADING_MODEL, "mini.safetensors") for event in run(engine))
    assert loads == ["load_checkpoint mini.safetensors", "vae_of mini.safetensors"]
    run(engine, replace(REQUEST, checkpoint="other"))
    run(engine, replace(REQUEST, checkpoint="other.safetensors"))
    assert loads[2:] == ["load_checkpoint other.safetensors", "vae_of other.safetensors"]
    run(engine, replace(REQUEST, checkpoint="mini"))
    assert len(loads) == 6


def test_the_last_models_stay_while_there_is_room(
    folders: Folders, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folders.models(ModelKind.CHECKPOINT)
    for name in ("other", "third"):
        shutil.copy(place / "mini.safetensors", place / f"{name}.safetensors")
    engine = Engine(Library(folders), None, device="cpu", memory=MemoryChoice(checkpoints=2))

    def loaded_for(*names: str) -> list[str]:
        before = len(loads)
        for name in names:
            engine.generate(replace(REQUEST, checkpoint=name))
        return [line.split()[1].removesuffix(".safetensors") for line in loads[before:] if "checkpoint" in line]

    assert loaded_for("mini", "other", "mini", "other", "mini") == ["mini", "other"]
    assert loaded_for("third", "mini", "other") == ["third", "other"], "the one used longest ago goes"
    free = iter([GB // 8])
    monkeypatch.setattr(memory_module, "memory_bytes", lambda: (64 * GB, next(free, 64 * GB)))
    assert loaded_for("third") == ["third"], "memory is short: nobody stays beside it"
    assert [one.file.stem for one in engine.models.checkpoints] == ["third"]


def test_models_that_nobody_needs_now_go_before_anything_is_saved(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folders.models(ModelKind.CHECKPOINT)
    shutil.copy(place / "mini.safetensors", place / "other.safetensors")
    engine = Engine(Library(folders), None, device="cpu", memory=MemoryChoice(checkpoints=2))
    engine.generate(replace(REQUEST, checkpoint="other"))
    failures = iter([torch.OutOfMemoryError("CUDA out of memory")])
    real = darkroom_module.decode

    def decode(*given: object, **options: object) -> torch.Tensor:
        for failure in failures:
            raise failure
        return real(*given, **options)

    monkeypatch.setattr(darkroom_module, "decode", decode)
    heard: list[Event] = []
    assert engine.generate(replace(REQUEST, checkpoint="mini"), heard.append).images
    assert [one.file.stem for one in engine.models.checkpoints] == ["mini"]
    assert not any(isinstance(event, Note) for event in heard), "nothing became slower"


def test_a_file_that_changed_is_loaded_again(engine: Engine, folders: Folders, loads: list[str]) -> None:
    run(engine)
    place = folders.models(ModelKind.CHECKPOINT) / "mini.safetensors"
    state = load_file(place)
    place.unlink()  # it is a link to the session's file
    save_file(state, place, {"format": "pt"})
    run(engine)
    assert len(loads) == 4


def test_a_failed_load_leaves_the_engine_usable(engine: Engine, folders: Folders) -> None:
    save_file(
        {"model.diffusion_model.out.0.weight": torch.zeros(2), "joint_blocks.0.x": torch.zeros(2)},
        folders.models(ModelKind.CHECKPOINT) / "sd3.safetensors",
    )
    run(engine)
    with pytest.raises(ModelFamilyUnsupported):
        run(engine, replace(REQUEST, checkpoint="sd3"))
    assert engine.generate(replace(REQUEST, checkpoint="mini")).images


def test_wrong_names_are_told_before_loading(engine: Engine, loads: list[str]) -> None:
    for changes in ({"sampler": "Eulero"}, {"schedule": "Karas"}, {"checkpoint": "mimi"}, {"vae": "nada.pt"}):
        with pytest.raises(UnknownName):
            run(engine, replace(REQUEST, **changes))
    assert not loads


def test_no_models(tmp_path: Path) -> None:
    with pytest.raises(NoModels):
        Engine(Library(Folders(tmp_path / "empty")), None, device="cpu").generate(REQUEST)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_by_name_without_cuda(folders: Folders) -> None:
    with pytest.raises(NoCuda):
        Engine(Library(folders), None, device="cuda")


def test_inpainting_checkpoints_make_pictures_too(engine: Engine, folders: Folders) -> None:
    place = folders.models(ModelKind.CHECKPOINT)
    state = load_file(place / "mini.safetensors")
    entry = state["model.diffusion_model.input_blocks.0.0.weight"]
    state["model.diffusion_model.input_blocks.0.0.weight"] = torch.cat([entry, entry[:, :1].repeat(1, 5, 1, 1)], dim=1)
    save_file(state, place / "inpainting.safetensors")
    assert engine.generate(replace(REQUEST, checkpoint="inpainting", batch_size=2)).images


# --- VAE ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def other_vae(folders: Folders) -> dict[str, torch.Tensor]:
    """A VAE file's tensors that give another picture."""
    state = load_file(folders.models(ModelKind.CHECKPOINT) / "mini.safetensors")
    plain = {key.removeprefix(VAE_PREFIX): tensor for key, tensor in state.items() if key.startswith(VAE_PREFIX)}
    return plain | {"decoder.conv_out.bias": torch.full((3,), 0.5).half()}


def test_a_vae_of_the_library(engine: Engine, folders: Folders, other_vae: dict[str, torch.Tensor]) -> None:
    folders.models(ModelKind.VAE).mkdir(parents=True)
    save_file(other_vae, folders.models(ModelKind.VAE) / "bonito.safetensors")
    own = engine.generate(REQUEST).images[0]
    other = engine.generate(replace(REQUEST, vae="bonito.safetensors")).images[0]
    assert difference(own.image, other.image) > 10
    digest = hashes.sha256(folders.models(ModelKind.VAE) / "bonito.safetensors")[:10]
    assert f"Model: mini, VAE hash: {digest}, VAE: bonito.safetensors" in other.infotext
    assert "VAE" not in own.infotext
    back = engine.generate(replace(REQUEST, vae="None")).images[0]
    assert difference(own.image, back.image) == 0


@pytest.mark.parametrize("beside", [True, False])
def test_automatic_vae_is_named_like_the_checkpoint(
    engine: Engine, folders: Folders, other_vae: dict[str, torch.Tensor], beside: bool
) -> None:
    if beside:
        path = folders.models(ModelKind.CHECKPOINT) / "mini.vae.pt"
        torch.save({"state_dict": other_vae}, path)
    else:
        path = folders.models(ModelKind.VAE) / "mini.safetensors"
        path.parent.mkdir(parents=True)
        save_file(other_vae, path)
    request = replace(REQUEST, checkpoint="mini.safetensors")
    assert f"VAE: {path.name}" in engine.generate(request).images[0].infotext
    assert "VAE" not in engine.generate(replace(request, vae="None")).images[0].infotext


def test_nan_in_the_vae_is_told(engine: Engine) -> None:
    engine.preload()
    engine.models.vaes[0].module.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(ImageNotFinite):
        engine.generate(REQUEST)


def test_nan_in_the_unet_is_told(engine: Engine) -> None:
    engine.preload()
    engine.models.checkpoints[0].model.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(ImageNotFinite):
        engine.generate(REQUEST)


def test_a_unet_that_overflows_in_halves_works_in_full_precision(
    folders: Folders, mini_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, make_engine: MakeEngine
) -> None:
    """Weights that are too large for float16 and whose size a norm takes away again: the picture is that of float32."""
    tensors = load_file(mini_checkpoint)
    for end in ("weight", "bias"):
        tensors[f"model.diffusion_model.input_blocks.1.0.in_layers.2.{end}"] *= 1e5
    tensors["model.diffusion_model.input_blocks.1.0.emb_layers.1.weight"] *= 0
    save_file(tensors, folders.models(ModelKind.CHECKPOINT) / "grande.safetensors")
    request = replace(REQUEST, checkpoint="grande.safetensors")
    expected = make_engine().generate(request).images[0].image
    for module in (shelf_module, precision_module):
        monkeypatch.setattr(module, "weights_dtype", lambda _device: torch.float16)
    engine = make_engine()
    events = run(engine, request)
    warnings = [event.warning for event in events if isinstance(event, Warned)]
    assert [repr(warning) for warning in warnings] == [repr(UnetOverflowed(checkpoint="grande.safetensors"))]
    (saved,) = [event for event in events if isinstance(event, ImageSaved)]
    with Image.open(saved.path) as picture:
        assert difference(picture.convert("RGB"), expected) <= 4  # the VAE is in halves
    assert not [event for event in run(engine, request) if isinstance(event, Warned)]


# --- Memory -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[int]]]:
    """Makes UNet calls of more than so many images run out of memory; gives the batch sizes that were tried."""
    from diffusers import UNet2DConditionModel

    forward = UNet2DConditionModel.forward

    def limit(images: int) -> list[int]:
        tried: list[int] = []

        def failing(self: UNet2DConditionModel, sample: torch.Tensor, *rest: object, **options: object) -> object:
            tried.append(len(sample))
            if len(sample) > images:
                raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
            return forward(self, sample, *rest, **options)

        monkeypatch.setattr(UNet2DConditionModel, "forward", failing)
        return tried

    yield limit


def test_out_of_memory_makes_smaller_batches(engine: Engine, small_memory: Callable[[int], list[int]]) -> None:
    request = replace(REQUEST, batch_size=4, sampler="Euler a")
    expected = engine.generate(request).images
    tried = small_memory(1)
    events: list[Event] = []
    images = engine.generate(request, events.append).images
    assert tried[:4] == [8, 4, 2, 1]
    assert all(difference(a.image, b.image) <= 1 for a, b in zip(images, expected, strict=True))
    steps = [event.step for event in events if isinstance(event, StepDone)]
    assert steps == sorted(steps)
    assert steps[-1] == 3


def test_out_of_memory_at_the_end(engine: Engine, small_memory: Callable[[int], list[int]]) -> None:
    engine.preload()
    tried = small_memory(0)
    with pytest.raises(OutOfMemory) as caught:
        engine.generate(replace(REQUEST, batch_size=2))
    assert tried == [4, 2, 1, 1]  # together, split, alone, and alone with sliced attention
    assert (caught.value.device, caught.value.width, caught.value.batch_size) == ("cpu", 64, 2)


def test_out_of_memory_decodes_in_tiles(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tiled: list[bool] = []
    real = darkroom_module.decode

    def failing(vae: object, latents: torch.Tensor, **options: bool) -> torch.Tensor:
        tiled.append(options["tiled"])
        if not options["tiled"]:
            raise torch.OutOfMemoryError
        return real(vae, latents, **options)

    monkeypatch.setattr(darkroom_module, "decode", failing)
    assert engine.generate(replace(REQUEST, batch_count=2)).images
    assert tiled == [False, True, True]


def test_other_runtime_errors_are_bugs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(darkroom_module, "decode", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        engine.generate(REQUEST)


def test_sliced_attention_changes_nothing_and_is_undone(engine: Engine) -> None:
    from sdcolab.engine.memory import sliced_attention

    engine.preload()
    unet = engine.models.checkpoints[0].model.unet
    before = dict(unet.attn_processors)
    inputs = (torch.randn(1, 4, 8, 8), torch.tensor([3.0]), torch.randn(1, 77, 64))
    with torch.inference_mode():
        plain = unet(*inputs, return_dict=False)[0]
        with sliced_attention(unet, enabled=True):
            assert {type(p).__name__ for p in unet.attn_processors.values()} == {"SlicedAttnProcessor"}
            sliced = unet(*inputs, return_dict=False)[0]
    assert torch.allclose(plain, sliced, atol=1e-4)
    assert unet.attn_processors == before


# --- Hashes and previews ------------------------------------------------------------------------------------------


def test_hashes_are_remembered(make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "config" / "hashes.json"
    first = make_engine(hash_cache=store).generate(REQUEST).images[0].infotext
    assert len(json.loads(store.read_text())) == 1

    def refuse(_: Path) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr(hashes, "sha256", refuse)
    assert make_engine(hash_cache=store).generate(REQUEST).images[0].infotext == first


def test_a_damaged_hash_store_only_costs_time(make_engine: MakeEngine, tmp_path: Path) -> None:
    store = tmp_path / "hashes.json"
    store.write_text("[1, 2")
    assert "Model hash: " in make_engine(hash_cache=store).generate(REQUEST).images[0].infotext
    assert json.loads(store.read_text())


def test_previews_come_when_steps_are_slow(make_engine: MakeEngine) -> None:
    ticks = iter(range(1000))
    engine = make_engine(clock=lambda: float(next(ticks)))
    previews = [event.preview for event in run(engine) if isinstance(event, StepDone)]
    assert [preview is not None for preview in previews] == [True, True, False]  # the picture itself follows the last


# --- The demo model -----------------------------------------------------------------------------------------------


def test_the_demo_model_makes_a_picture(demo_checkpoint: Path, tmp_path: Path) -> None:
    file = ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint)
    engine = Engine(Library(Folders(tmp_path), bundled=(file,)), None, device="cpu")
    result = engine.generate(GenerationRequest(prompt="corazón rojo", steps=10, cfg_scale=5, seed=1))
    (image,) = result.images
    assert image.image.size == (128, 128)
    red, green, blue = np.asarray(image.image, np.float64)[40:88, 40:88].mean(axis=(0, 1))
    assert red > green + 50 and red > blue + 30
    assert np.asarray(image.image)[:8, :8].mean() > 220  # on white


def test_a_picture_much_larger_than_the_model_is_advised_against(demo_checkpoint: Path, tmp_path: Path) -> None:
    file = ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint)
    engine = Engine(Library(Folders(tmp_path), bundled=(file,)), None, device="cpu")

    def advice(width: int, height: int) -> list[tuple[int, int]]:
        seen: list[Event] = []
        engine.generate(GenerationRequest("gato", steps=1, width=width, height=height), seen.append)
        told = [one.warning for one in seen if isinstance(one, Warned)]
        return [(one.side, one.native) for one in told if isinstance(one, SizeBeyondNative)]

    assert advice(128, 200) == [(200, 128)]
    assert not advice(192, 128)
