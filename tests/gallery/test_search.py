"""The search box of the gallery: its grammar, on a real index."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcolab.gallery.facts import facts_of
from sdcolab.gallery.index import GalleryIndex, Seen, Wanted
from sdcolab.gallery.search import read_query

TEXTS = {
    "gato.png": "black cat, pelo largo <lora:Detalle_XL:0.8>\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Model: animeV3",
    "perro.png": "white dog in the snow\nNegative prompt: cat\n"
    "Steps: 35, Sampler: DPM++ 2M, CFG scale: 4.5, Seed: 6, Size: 512x512, Model: fotoreal",
    "castillo.png": "castle, ilustración, cat on a wall\n"
    "Steps: 28, Sampler: Euler, CFG scale: 9, Seed: 7, Size: 768x512, Model: animeV3",
    "vacia.png": "",
}
SIZES = {"gato.png": (512, 768), "perro.png": (512, 512), "castillo.png": (768, 512), "vacia.png": (64, 64)}


def moment(day: str) -> int:
    return int(datetime.datetime.fromisoformat(day).timestamp() * 1e9)


DAYS = {"gato.png": "2026-01-31T23:59", "perro.png": "2026-02-01T00:01", "castillo.png": "2026-02-28T12:00"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> GalleryIndex:
    made = GalleryIndex(tmp_path_factory.mktemp("indice") / "indice.sqlite")
    made.add(
        [
            (Seen("txt2img-images/hoy", name, moment(DAYS.get(name, "2025-12-24")), 9), facts_of(text, *SIZES[name]))
            for name, text in TEXTS.items()
        ],
        lambda: {"txt2img-images/hoy/perro.png": (4, True)},
    )
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "gato perro castillo vacia"),
        ("cat", "gato perro castillo"),
        ("prompt:cat", "gato castillo"),
        ("negativo:cat", "perro"),
        ("CAT -dog", "gato castillo"),
        ("cat not dog", "gato castillo"),
        ("dog or castle", "perro castillo"),
        ("perro o castillo", "perro castillo"),
        ("(dog or castle) snow", "perro"),
        ("dog or castle snow", "perro"),
        ("no cat", "vacia"),
        ("no no cat", "gato perro castillo"),
        ("cast", "castillo"),
        ("ilustracion", "castillo"),
        ('"pelo largo"', "gato"),
        ('"largo pelo"', ""),
        ("modelo:anime", "gato castillo"),
        ("modelo:anime y sampler:euler", "gato castillo"),
        ("lora:detalle", "gato"),
        ("pasos>20", "perro castillo"),
        ("pasos<=20", "gato"),
        ("cfg:4,5", "perro"),
        ("semilla:7", "castillo"),
        ("tamaño:512x768", "gato"),
        ("size:512X512", "perro"),
        ("ancho>=768", "castillo"),
        ("fecha:2026-02", "perro castillo"),
        ("fecha:2026-01-31", "gato"),
        ("fecha>2026-01", "perro castillo"),
        ("fecha<2026", "vacia"),
        ("estrellas>=4", "perro"),
        ("favorita", "perro"),
        ("archivo:gato", "gato"),
        ("((cat", "gato perro castillo"),
        ("cat) dog", "perro"),
        ("or", "gato perro castillo vacia"),
        ("fecha:2026-13", ""),
        ("pasos:muchos", ""),
    ],
)
def test_a_query_finds_its_pictures(index: GalleryIndex, query: str, found: str) -> None:
    entries, total = index.page(Wanted(query, order="date"))
    assert {entry.name.removesuffix(".png") for entry in entries} == set(found.split())
    assert total == len(entries)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet='()"-:<>=*^ aoyn1x', max_size=40))
def test_no_text_breaks_the_search(index: GalleryIndex, text: str) -> None:
    index.page(Wanted(text))
    assert read_query(text).sql.count("?") == len(read_query(text).values)
