"""Fluent Emoji pictures and their captions: packing (once, on a CPU) and loading (any machine).

`prepare` writes two files: `emoji.zip` (the webp files and `records.json`) and `captions.npz` (token ids), so that
the training machine needs neither a tokenizer nor emojibase.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdcolab.engine.tokenizer import END, START, ClipTokenizer

from .captions import BACKGROUNDS, EmojiText, make_caption
from .supplement import SUPPLEMENT
from .tokenizer import frame

WHITE_CAPTIONS = 160  # captions drawn for each picture on white
COLOUR_CAPTIONS = 12  # captions drawn for each picture on each other background
UNKNOWN = 49405  # stands for every token that no caption uses, while training
# Sampling weight of a family (a base emoji and its skin tones) by emojibase group.
_GROUP_WEIGHT = {0: 1.2, 1: 0.7, 3: 1.6, 4: 1.5, 5: 1.2, 6: 1.2, 7: 1.1, 8: 0.6, 9: 0.35}
_SKIN_SHARE = 0.4  # of a family's weight, when it has skin tones
_HUES = ((15, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (255, "blue"), (290, "purple"), (342, "pink"),
         (361, "red"))  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One picture: file stem, base emoji's code point, sampling weight, and its words."""

    stem: str
    base: str
    weight: float
    text: EmojiText


@dataclass(frozen=True)
class Captions:
    """Token ids, uint16. white: [N, WHITE_CAPTIONS, 77]; colour: [N, backgrounds - 1, COLOUR_CAPTIONS, 77].

    `seen`: sorted ids that appear; every other id is `UNKNOWN` to the model.
    """

    white: np.ndarray
    colour: np.ndarray
    seen: np.ndarray


def _plain_code(hexcode: str) -> str:
    """Code point without variation selectors, in lower case and without leading zeros: "2764-FE0F" -> "2764"."""
    parts = hexcode.lower().replace("_", "-").split("-")
    return "-".join(p.lstrip("0") for p in parts if p != "fe0f")


def _read_locale(emojibase: Path, locale: str) -> dict[str, dict[str, object]]:
    """code -> {label, tags, base, group} of one emojibase language, skin variants included."""
    found: dict[str, dict[str, object]] = {}
    for entry in json.loads((emojibase / locale / "data.json").read_text("utf-8")):
        base = _plain_code(entry["hexcode"])
        for item in [entry, *entry.get("skins", [])]:
            found[_plain_code(item["hexcode"])] = {
                "label": item["label"],
                "tags": tuple(entry.get("tags", ())),
                "base": base,
                "group": entry.get("group"),
            }
    return found


def dominant_colour(image: Image.Image) -> str:
    """Name of the colour that covers more than 60% of the opaque pixels, or ""."""
    small = image.convert("RGBA").resize((48, 48), Image.Resampling.BOX)
    opaque = np.asarray(small)[..., 3] > 160
    hsv = np.asarray(small.convert("RGB").convert("HSV"), dtype=np.float32)[opaque]
    if not len(hsv):
        return ""
    hue, saturation, value = hsv[:, 0] * 360 / 255, hsv[:, 1] / 255, hsv[:, 2] / 255
    edges = np.array([limit for limit, _ in _HUES])
    names = np.array([name for _, name in _HUES])[np.searchsorted(edges, hue, side="right")]
    names = np.where((names == "orange") & (value < 0.62), "brown", names)
    names = np.where(saturation < 0.22, np.where(value > 0.85, "white", "gray"), names)
    names = np.where(value < 0.25, "black", names)
    unique, counts = np.unique(names, return_counts=True)
    best = int(counts.argmax())
    return str(unique[best]) if counts[best] > 0.6 * len(hsv) else ""


def build_records(assets: Path, emojibase: Path) -> list[Record]:
    """Join pictures and words; a picture that emojibase does not name is left out."""
    locales = {name: _read_locale(emojibase, name) for name in ("en", "es", "es-mx")}
    stems = {_plain_code(path.stem): path.stem for path in sorted(assets.glob("*.webp"))}
    stems = {code: stem for code, stem in stems.items() if code in locales["en"] and code in locales["es"]}
    families: dict[str, int] = {}
    for code in stems:
        families[str(locales["en"][code]["base"])] = families.get(str(locales["en"][code]["base"]), 0) + 1
    records = []
    for code, stem in sorted(stems.items()):
        en, es = locales["en"][code], locales["es"][code]
        mx = locales["es-mx"].get(code, es)
        with Image.open(assets / f"{stem}.webp") as image:
            colour = dominant_colour(image)
        names_en, names_es = SUPPLEMENT.get(code, ((), ()))
        text = EmojiText(
            labels_en=(str(en["label"]),),
            labels_es=tuple(dict.fromkeys((str(es["label"]), str(mx["label"])))),
            tags_en=tuple(en["tags"]),  # type: ignore[arg-type]
            tags_es=tuple(dict.fromkeys((*es["tags"], *mx["tags"]))),  # type: ignore[misc]
            names_en=names_en,
            names_es=names_es,
            colour=colour,
        )
        base, group = str(en["base"]), en["group"]
        weight = _GROUP_WEIGHT.get(group if isinstance(group, int) else 8, 0.6) * (2.2 if code in SUPPLEMENT else 1.0)
        if families[base] > 1:
            weight *= 1 - _SKIN_SHARE if code == base else _SKIN_SHARE / (families[base] - 1)
        records.append(Record(stem, base, weight, text))
    return records


def _with_unknown_words(ids: list[int], rng: random.Random) -> list[int]:
    """Now and then put words that mean nothing around the caption, so that strange words do little harm."""
    if rng.random() >= 0.10:
        return ids
    runs = [[UNKNOWN] * rng.randint(1, 5) for _ in range(2)]
    way = rng.randrange(3)
    return (runs[0] if way != 1 else []) + ids + (runs[1] if way != 0 else [])


def build_captions(records: list[Record], tokenizer: ClipTokenizer, seed: int) -> tuple[Captions, list[str]]:
    """Draw and tokenize every caption. Also returns a few of them as text, to look at."""
    rng = random.Random(seed)
    plan = [(0, WHITE_CAPTIONS)] + [(b, COLOUR_CAPTIONS) for b in range(1, len(BACKGROUNDS))]
    texts = [make_caption(r.text, b, rng) for r in records for b, count in plan for _ in range(count)]
    raw = [tokenizer.encode(text) for text in texts]
    seen = np.unique(np.concatenate([np.array([START, END, UNKNOWN]), *map(np.array, raw)])).astype(np.uint16)
    framed = np.array([frame(_with_unknown_words(ids, rng)) for ids in raw], dtype=np.uint16)
    framed = framed.reshape(len(records), -1, framed.shape[-1])
    colour = framed[:, WHITE_CAPTIONS:].reshape(len(records), len(BACKGROUNDS) - 1, COLOUR_CAPTIONS, -1)
    return Captions(framed[:, :WHITE_CAPTIONS], colour, seen), rng.sample(texts, 60)


def prepare(assets: Path, emojibase: Path, tokenizer: ClipTokenizer, folder: Path, seed: int) -> None:
    """Write `emoji.zip` and `captions.npz` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    records = build_records(assets, emojibase)
    with zipfile.ZipFile(folder / "emoji.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("records.json", json.dumps([asdict(r) for r in records], ensure_ascii=False))
        for record in records:
            archive.write(assets / f"{record.stem}.webp", f"{record.stem}.webp")
    captions, some = build_captions(records, tokenizer, seed)
    np.savez_compressed(folder / "captions.npz", white=captions.white, colour=captions.colour, seen=captions.seen)
    print(f"{len(records)} pictures, {len(captions.seen)} different tokens", *some, sep="\n  ")


def load_records(folder: Path) -> list[Record]:
    """The records of `emoji.zip`."""
    with zipfile.ZipFile(folder / "emoji.zip") as archive:
        rows = json.loads(archive.read("records.json"))
    records = []
    for row in rows:
        words: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row["text"].items()}
        records.append(Record(row["stem"], row["base"], row["weight"], EmojiText(**words)))
    return records


def load_captions(folder: Path) -> Captions:
    """The token ids of `captions.npz`."""
    with np.load(folder / "captions.npz") as stored:
        return Captions(stored["white"], stored["colour"], stored["seen"])


def load_pictures(folder: Path, records: list[Record], size: int, threads: int) -> np.ndarray:
    """RGBA pictures with premultiplied colour, uint8 [N, 4, size, size] (size is 256, or less to try things out)."""
    with zipfile.ZipFile(folder / "emoji.zip") as archive:
        blobs = [archive.read(f"{record.stem}.webp") for record in records]

    def decode(blob: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(blob)).convert("RGBA").convert("RGBa")
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BOX)
        return np.asarray(image).transpose(2, 0, 1)

    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(decode, blobs)))
