"""Upscalers: names, networks from files, passes, tiles, and latents (hechos/a1111.md 4.3 and 4.4)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.networks import NAMINGS, SCALE, esrgan, import_spandrel, write_esrgan
from torch import Tensor

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    Cancelled,
    ImageNotFinite,
    LibraryMissing,
    ModelUnreadable,
    ModelUnsafe,
    ModelWrongKind,
    NotDownloaded,
    OutOfMemory,
    UnknownName,
    UpscalerLeftOut,
)
from sdcolab.core.events import CancelToken, Event, Phase, PhaseStarted, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.resizing import resize_exactly
from sdcolab.core.upscaling import TO_DOWNLOAD
from sdcolab.core.words import explain
from sdcolab.core.words.console import explain as explain_in_terminal
from sdcolab.downloads.catalog import load_catalog
from sdcolab.engine.upscale import upscalers as upscalers_module
from sdcolab.engine.upscale.latents import LATENT_UPSCALERS
from sdcolab.engine.upscale.networks import UpscalerNetwork, load_network, load_upscaler
from sdcolab.engine.upscale.tiles import Grid, in_tiles, starts
from sdcolab.engine.upscale.upscalers import Upscalers

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def spandrel() -> None:
    import_spandrel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a user's upscalers lie."""
    return Folders(tmp_path).models(ModelKind.UPSCALER)


@pytest.fixture
def upscalers(tmp_path: Path) -> Upscalers:
    return Upscalers(Library(Folders(tmp_path)), CPU)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A soft coloured picture."""
    values = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def expected(layers: Mapping[str, Tensor], picture: Image.Image) -> np.ndarray:
    """ESRGAN's bytes: blue, green, red in 0..1, and rounded."""
    pixels = torch.from_numpy(np.array(picture)[..., ::-1].astype(np.float32) / 255).permute(2, 0, 1)[None]
    result = esrgan(layers, pixels).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return (result * 255).round().astype(int)[..., ::-1]


def errors(picture: Image.Image, wanted: np.ndarray) -> np.ndarray:
    return np.abs(np.asarray(picture).astype(int) - wanted)


class TestNames:
    def test_are_a1111s_in_its_order(self, upscalers: Upscalers, folder: Path) -> None:
        for name in (
            "remacri.pth",
            "4x-UltraSharp.pth",
            "ESRGAN_4x.pth",
            "RealESRGAN_x4plus.pth",
            "RealESRGAN_x4plus_anime_6B.pth",
            "sub/Otro.safetensors",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        assert upscalers.names() == (
            "None",
            "Lanczos",
            "Nearest",
            "4x-UltraSharp",
            "ESRGAN_4x",
            "R-ESRGAN 4x+",
            "R-ESRGAN 4x+ Anime6B",
            "remacri",
            "sub_Otro",
        )
        for name in ("R-ESRGAN 4x+", "r-esrgan 4x+", "RealESRGAN_x4plus", "RealESRGAN_x4plus.pth"):
            assert upscalers.find(name).name == "R-ESRGAN 4x+"
        assert upscalers.find("otro").name == "sub_Otro"

    def test_of_two_files_with_one_stem_can_both_be_chosen(self, upscalers: Upscalers, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in ("x.pth", "x.safetensors"):
            (folder / name).touch()
        assert upscalers.names()[3:] == ("x", "x.safetensors")
        assert upscalers.find("x.safetensors").file.path.suffix == ".safetensors"

    def test_that_nobody_knows_bring_close_ones(self, upscalers: Upscalers) -> None:
        with pytest.raises(UnknownName) as caught:
            upscalers.find("Lanzcos")
        assert caught.value.suggestions == ("Lanczos",)
        assert "upscaler" in explain(caught.value).text


class TestNetworks:
    @pytest.mark.parametrize("naming", NAMINGS)
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_esrgan_of_every_naming(self, tmp_path: Path, naming: str, suffix: str) -> None:
        path = tmp_path / f"tiny{suffix}"
        layers = write_esrgan(path, naming)
        picture = noise(12, 10)
        wanted = expected(layers, picture)
        assert wanted.std() > 3, "a network that does something"
        network = load_network(path, CPU)
        assert network.model.scale == SCALE
        assert errors(network.enlarge(picture), wanted).max() <= 1

    @pytest.mark.parametrize("wrapper", ["params_ema", "params", "state_dict"])
    def test_wrapped_state_dicts(self, tmp_path: Path, wrapper: str) -> None:
        layers = write_esrgan(tmp_path / "tiny.pth", wrapper=wrapper)
        picture = noise(8, 8)
        assert errors(load_network(tmp_path / "tiny.pth", CPU).enlarge(picture), expected(layers, picture)).max() <= 1

    def test_a_checkpoint_is_no_upscaler(self, mini_checkpoint: Path) -> None:
        with pytest.raises(ModelWrongKind) as caught:
            load_network(mini_checkpoint, CPU)
        assert mini_checkpoint.name in explain(caught.value).text
        assert "un upscaler" in explain(caught.value).text

    def test_what_no_family_fits_is_no_upscaler(self, tmp_path: Path) -> None:
        torch.save({"a.weight": torch.zeros(2, 2)}, tmp_path / "x.pth")
        with pytest.raises(ModelWrongKind):
            load_network(tmp_path / "x.pth", CPU)

    def test_grey_networks_are_refused(self, tmp_path: Path) -> None:
        layers = write_esrgan(tmp_path / "x.pth", "old")
        tensors = torch.load(tmp_path / "x.pth")
        tensors["model.0.weight"] = layers["first.weight"][:, :1].clone()
        tensors["model.10.weight"] = layers["last.weight"][:1].clone()
        tensors["model.10.bias"] = layers["last.bias"][:1].clone()
        torch.save(tensors, tmp_path / "x.pth")
        with pytest.raises(ModelWrongKind):
            load_network(tmp_path / "x.pth", CPU)

    def test_a_network_with_a_layer_missing_is_damaged(self, tmp_path: Path) -> None:
        write_esrgan(tmp_path / "x.pth", "old")
        tensors = torch.load(tmp_path / "x.pth")
        del tensors["model.1.sub.0.RDB2.conv3.0.weight"]
        torch.save(tensors, tmp_path / "x.pth")
        with pytest.raises(ModelUnreadable):
            load_network(tmp_path / "x.pth", CPU)

    def test_what_cannot_be_loaded_leaves_it_to_lanczos_and_says_so(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path)
        path = folders.models(ModelKind.UPSCALER) / "x.pth"
        path.parent.mkdir(parents=True)
        write_esrgan(path, "old")
        tensors = torch.load(path)
        del tensors["model.1.sub.0.RDB2.conv3.0.weight"]
        torch.save(tensors, path)
        picture = Image.effect_noise((24, 16), 40).convert("RGB")
        events: list[Event] = []
        made = Upscalers(Library(folders), CPU).upscale(picture, 2, "x", events.append)
        assert np.array_equal(made, picture.resize((48, 32), Image.Resampling.LANCZOS))
        (warned,) = [event.warning for event in events if isinstance(event, Warned)]
        assert isinstance(warned, UpscalerLeftOut)

    def test_a_pickle_that_runs_code_is_refused(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, ...]:
                return print, ("no",)

        torch.save({"model.0.weight": Evil()}, tmp_path / "x.pth")
        with pytest.raises(ModelUnsafe):
            load_network(tmp_path / "x.pth", CPU)

    def test_without_spandrel_it_says_what_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_esrgan(tmp_path / "x.pth")
        monkeypatch.setitem(sys.modules, "spandrel", None)
        with pytest.raises(LibraryMissing) as caught:
            load_network(tmp_path / "x.pth", CPU)
        assert "pip install spandrel torchvision" in explain(caught.value).advice

    def test_overflow_in_half_precision_is_run_again_and_stays(self, tmp_path: Path) -> None:
        write_esrgan(tmp_path / "x.pth")
        network = load_network(tmp_path / "x.pth", CPU)
        network.model.to(dtype=torch.float16)
        network.model.model.model[0].weight.data *= 1e4
        network.model.model.model[0].bias.data += 6e4
        network.enlarge(noise(8, 8))
        assert network.model.dtype is torch.float32

    def test_numbers_that_are_none_are_told(self, tmp_path: Path) -> None:
        write_esrgan(tmp_path / "x.pth")
        network = load_network(tmp_path / "x.pth", CPU)
        network.model.model.model[0].weight.data *= torch.nan
        with pytest.raises(ImageNotFinite) as caught:
            network.enlarge(noise(8, 8))
        assert "x.pth" in explain(caught.value).text


class TestPasses:
    @pytest.mark.parametrize(("name", "filter"), [("Lanczos", 1), ("Nearest", 0)])
    def test_filters(self, upscalers: Upscalers, name: str, filter: int) -> None:
        picture = noise(40, 24)
        assert upscalers.upscale(picture, 2, name) == picture.resize((80, 48), filter)
        # 66 x 39 first, and then the multiples of 8 below
        assert upscalers.upscale(picture, 1.65, name) == picture.resize((66, 39), filter).resize((64, 32), 1)

    def test_none_is_one_plain_lanczos_to_the_exact_size(self, upscalers: Upscalers) -> None:
        picture = noise(40, 24)
        assert upscalers.enlarger(upscalers.find("none")) is None
        assert resize_exactly(picture, 66, 39, upscalers.enlarger(upscalers.find("None"))) == picture.resize(
            (66, 39), 1
        )
        assert upscalers.upscale(picture, 1.65, "None") == picture.resize((64, 32), 1)

    @pytest.mark.parametrize(
        ("scale", "passes", "size"),
        [
            (1, 1, (16, 8)),
            (2, 1, (32, 16)),
            (4, 1, (64, 32)),
            (5, 2, (80, 40)),
            (100, 3, (1600, 800)),
            (0.5, 0, (8, 8)),
        ],
    )
    def test_networks_run_until_it_is_large_enough(
        self,
        upscalers: Upscalers,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        scale: float,
        passes: int,
        size: tuple[int, int],
    ) -> None:
        write_esrgan(folder / "x.pth")
        ran: list[tuple[int, int]] = []

        def enlarge(network: UpscalerNetwork, picture: Image.Image) -> Image.Image:
            return picture.resize((picture.width * SCALE, picture.height * SCALE))

        def in_one_tile(picture: Image.Image, grid: Grid, patch: object) -> Image.Image:
            ran.append(picture.size)
            return patch(picture)  # type: ignore[operator]

        monkeypatch.setattr(UpscalerNetwork, "enlarge", enlarge)
        monkeypatch.setattr(upscalers_module, "in_tiles", in_one_tile)
        assert upscalers.upscale(noise(16, 8), scale, "x").size == size
        assert len(ran) == passes

    def test_end_to_end(self, upscalers: Upscalers, folder: Path) -> None:
        layers = write_esrgan(folder / "remacri.pth", "old")
        picture = noise(200, 192)
        events: list[Event] = []
        result = upscalers.upscale(picture, 4, "Remacri", events.append)
        assert result.size == (800, 768)
        assert events == [
            PhaseStarted(Phase.LOADING_MODEL, "remacri.pth"),
            PhaseStarted(Phase.UPSCALING, "remacri (1/2)"),
            PhaseStarted(Phase.UPSCALING, "remacri (2/2)"),
        ]
        # The second tile begins at 8: near its left side it sees an edge that the whole picture has not.
        wrong = errors(result, expected(layers, picture))
        assert wrong[:, 160:].max() <= 1
        assert wrong.mean() < 1

    def test_the_network_stays_until_another_comes(
        self, upscalers: Upscalers, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_esrgan(folder / "a.pth", seed=1)
        write_esrgan(folder / "b.pth", seed=2)
        loaded: list[str] = []
        real = load_upscaler

        def load(path: Path, device: torch.device) -> UpscalerNetwork:
            loaded.append(path.stem)
            return real(path, device)

        monkeypatch.setattr(upscalers_module, "load_upscaler", load)
        monkeypatch.setattr(UpscalerNetwork, "enlarge", lambda network, tile: tile.resize((768, 768)))
        picture = noise(8, 8)
        for name in ("a", "a", "b", "a"):
            upscalers.upscale(picture, 4, name)
        upscalers.release()
        upscalers.upscale(picture, 4, "a")
        assert loaded == ["a", "b", "a", "a"]

    def test_cancel_stops_between_tiles(self, upscalers: Upscalers, folder: Path) -> None:
        write_esrgan(folder / "a.pth")
        cancel = CancelToken()
        seen: list[Event] = []

        def listener(event: Event) -> None:
            seen.append(event)
            if event == PhaseStarted(Phase.UPSCALING, "a (1/2)"):
                cancel.cancel()

        with pytest.raises(Cancelled):
            upscalers.upscale(noise(200, 8), 4, "a", listener, cancel)
        assert seen[-1] == PhaseStarted(Phase.UPSCALING, "a (1/2)")

    @pytest.mark.parametrize(("fits", "tiles"), [(100, [192, 96]), (50, [192, 96, 48]), (0, [192, 96, 48])])
    def test_smaller_tiles_when_memory_runs_out(
        self, upscalers: Upscalers, folder: Path, monkeypatch: pytest.MonkeyPatch, fits: int, tiles: list[int]
    ) -> None:
        write_esrgan(folder / "a.pth")
        tried: list[int] = []

        def enlarge(network: UpscalerNetwork, picture: Image.Image) -> Image.Image:
            if picture.width not in tried:
                tried.append(picture.width)
            if picture.width > fits:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return picture.resize((picture.width * SCALE, picture.height * SCALE))

        monkeypatch.setattr(UpscalerNetwork, "enlarge", enlarge)
        if fits:
            assert upscalers.upscale(noise(100, 100), 4, "a").size == (400, 400)
        else:
            with pytest.raises(OutOfMemory):
                upscalers.upscale(noise(100, 100), 4, "a")
        assert tried == tiles

    def test_other_failures_are_not_hidden(
        self, upscalers: Upscalers, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_esrgan(folder / "a.pth")

        def enlarge(network: UpscalerNetwork, picture: Image.Image) -> Image.Image:
            raise RuntimeError("shapes do not match")

        monkeypatch.setattr(UpscalerNetwork, "enlarge", enlarge)
        with pytest.raises(RuntimeError, match="shapes"):
            upscalers.upscale(noise(8, 8), 4, "a")


class TestTiles:
    @pytest.mark.parametrize(
        ("length", "places"),
        [(192, (0,)), (193, (0, 1)), (376, (0, 184)), (512, (0, 160, 320)), (600, (0, 136, 272, 408)), (100, (-92,))],
    )
    def test_are_spread_evenly(self, length: int, places: tuple[int, ...]) -> None:
        """By hand: ceil((length - 8) / 184) tiles, (length - 192) / (tiles - 1) apart, cut."""
        assert starts(length, 192, 8) == places

    @given(st.integers(1, 3000), st.integers(32, 192))
    def test_cover_the_side(self, length: int, tile: int) -> None:
        places = starts(length, tile, 8)
        assert places[0] <= 0
        assert places[-1] + tile == length
        for one, other in itertools.pairwise(places):
            assert other <= one + tile - 8

    @pytest.mark.parametrize("size", [(64, 64), (100, 70), (70, 100), (20, 90), (20, 20), (60, 62)])
    def test_leave_no_trace_of_what_does_not_depend_on_them(self, size: tuple[int, int]) -> None:
        picture = noise(*size)

        def patch(tile: Image.Image) -> Image.Image:
            return tile.resize((tile.width * 3, tile.height * 3), Image.Resampling.NEAREST)

        result = in_tiles(picture, Grid(*size, tile=64), patch)
        wanted = np.asarray(picture.resize((size[0] * 3, size[1] * 3), Image.Resampling.NEAREST)).astype(int)
        assert errors(result, wanted).max() == 0

    def test_fade_in_over_their_left_and_upper_neighbour(self) -> None:
        shades = iter((0, 200, 100, 40))

        def patch(tile: Image.Image) -> Image.Image:
            return Image.new("RGB", (tile.width * 2, tile.height * 2), (next(shades),) * 3)

        result = np.asarray(in_tiles(Image.new("RGB", (24, 24)), Grid(24, 24, 16, 8), patch))[..., 0].astype(int)
        ramp = [round(200 * int(step * 255 / 16) / 255) for step in range(16)]
        assert np.abs(result[0] - [*[0] * 16, *ramp, *[200] * 16]).max() <= 1
        ramp = [round(100 * int(step * 255 / 16) / 255) for step in range(16)]
        assert np.abs(result[:, 0] - [*[0] * 16, *ramp, *[100] * 16]).max() <= 1
        assert result[47, 47] == 40


class TestLatents:
    @pytest.mark.parametrize("name", LATENT_UPSCALERS)
    def test_size(self, name: str) -> None:
        latents = torch.randn(2, 4, 6, 5)
        assert LATENT_UPSCALERS[name].resize(latents, 12, 8).shape == (2, 4, 12, 8)

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("Latent", [0, 1, 3, 4]),
            ("Latent (nearest)", [0, 0, 4, 4]),
            ("Latent (nearest-exact)", [0, 0, 4, 4]),
            # Keys' kernel with a = -0.75: 4 * w(1.25) and 4 * (w(0.75) + w(1.75))
            ("Latent (bicubic)", [-0.421875, 0.90625, 3.09375, 4.421875]),
        ],
    )
    def test_values_of_a_doubled_step(self, name: str, wanted: list[float]) -> None:
        """Two points 0 and 4, doubled without aligned corners; by hand."""
        step = torch.tensor([0.0, 4.0]).expand(1, 1, 2, 2)
        assert LATENT_UPSCALERS[name].resize(step, 4, 4)[0, 0, 0].tolist() == pytest.approx(wanted)

    def test_nearest_and_nearest_exact_choose_other_points(self) -> None:
        points = torch.arange(3.0).expand(1, 1, 3, 3)
        assert LATENT_UPSCALERS["Latent (nearest)"].resize(points, 5, 5)[0, 0, 0].tolist() == [0, 0, 1, 1, 2]
        assert LATENT_UPSCALERS["Latent (nearest-exact)"].resize(points, 5, 5)[0, 0, 0].tolist() == [0, 0, 1, 2, 2]

    @pytest.mark.parametrize("kind", ["", "bicubic "])
    def test_antialiasing_looks_at_everything_when_shrinking(self, kind: str) -> None:
        latents = torch.zeros(1, 1, 1, 16)
        latents[..., 1] = 1
        plain = LATENT_UPSCALERS[f"Latent ({kind.strip()})" if kind else "Latent"]
        smooth = LATENT_UPSCALERS[f"Latent ({kind}antialiased)"]
        assert plain.resize(latents, 1, 2)[..., 0].abs().item() < 1e-6 < smooth.resize(latents, 1, 2)[..., 0].item()


def test_an_upscaler_of_the_catalogue_is_told_as_one_to_download(tmp_path: Path) -> None:
    upscalers = Upscalers(Library(Folders(tmp_path)), torch.device("cpu"))
    with pytest.raises(NotDownloaded) as missing:
        upscalers.find("ldsr")
    assert 'sdcolab descargar "LDSR"' in str(explain_in_terminal(missing.value))
    with pytest.raises(UnknownName):
        upscalers.find("LDRS")
    assert set(TO_DOWNLOAD) <= set(load_catalog())
