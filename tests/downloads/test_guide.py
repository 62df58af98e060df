"""The guide's links to extensions and to what was deleted get an answer, and nothing is asked of the network."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sdcolab.core.folders import Folders
from sdcolab.core.words import explain
from sdcolab.core.words.fields import PART_LABELS
from sdcolab.core.words.guide import EXTENSIONS as PLACES
from sdcolab.downloads.catalog import load_catalog
from sdcolab.downloads.guide import EXTENSIONS, as_guided
from sdcolab.downloads.links import Link
from sdcolab.downloads.queue import DownloadQueue
from sdcolab.studio.layout import LAYOUT


def answer(folders: Folders, link: str) -> str:
    (report,) = DownloadQueue(folders).run(link)
    assert report.error is not None
    return str(explain(report.error))


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("https://github.com/Mikubill/sd-webui-controlnet", "ControlNet ya viene incluido"),
        ("https://github.com/Mikubill/sd-webui-controlnet.git", "ControlNet ya viene incluido"),
        ("https://github.com/Coyote-A/ultimate-upscale-for-automatic1111/tree/master", "Ultimate SD upscale"),
        ("https://github.com/aka7774/sd_images_browser", "pestaña Galería"),
        ("https://github.com/DominikDoom/a1111-sd-webui-tagcomplete", "elige de la lista"),
        ("https://github.com/opparco/stable-diffusion-webui-two-shot", PART_LABELS["regions"]),
        ("https://huggingface.co/hollowstrawberry/upscalers-backup/blob/main/LDSR/project.yaml", "no hace falta"),
        ("https://github.com/adieyal/sd-dynamic-prompts", "{rojo|azul}"),
        ("https://github.com/Akegarasu/sd-webui-model-converter", "pestaña Convertir"),
        (
            "https://huggingface.co/runwayml/stable-diffusion-v1-5",
            "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/v1-5-pruned-emaonly.safet",
        ),
        (
            "https://huggingface.co/runwayml/stable-diffusion-v1-5/blob/main/v1-5-pruned.ckpt",
            "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/v1-5-pruned.ckpt",
        ),
    ],
)
def test_a_better_answer_than_downloading(tmp_path_factory: pytest.TempPathFactory, link: str, words: str) -> None:
    assert words in answer(Folders(tmp_path_factory.mktemp("programa")), link)


@pytest.mark.parametrize("page", ["tree/main/LDSR", "blob/main/LDSR/model.ckpt", "resolve/main/LDSR/model.ckpt"])
def test_the_folder_of_ldsr_means_its_one_file(page: str) -> None:
    link = as_guided(Link(f"https://huggingface.co/hollowstrawberry/upscalers-backup/{page}"))
    entry = load_catalog().find("LDSR")
    assert f"{link.url} > {link.name}.ckpt" == entry.link
    assert as_guided(replace(link, name="otro")).name == "otro"


def test_every_extension_has_its_words() -> None:
    assert set(EXTENSIONS.values()) == set(PLACES)


def test_every_place_is_there() -> None:
    titles = {tab.title for tab in LAYOUT.tabs}
    for place in PLACES.values():
        for tab in re.findall(r"pestaña ([A-Z][a-zé ]+?)[.,]", place):
            assert tab in titles, place
    scripts = {script.title for script in LAYOUT.scripts}
    assert set(re.findall(r"Script «(.+?)»", PLACES["dynamic_prompts"])) <= scripts
