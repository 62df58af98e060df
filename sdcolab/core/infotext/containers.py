"""Infotexts inside files: pictures of several programs, and plain text (hechos/a1111.md 7.3)."""

from __future__ import annotations

import codecs
import io
import json
import struct
from collections.abc import Mapping

from PIL import ExifTags, Image, UnidentifiedImageError

from sdcolab.core.errors import InfotextEncoding, InfotextUnreadable, InfotextWorkflow
from sdcolab.core.infotext.foreign import from_json, looks_like_json, novelai
from sdcolab.core.infotext.stealth import stealth_text
from sdcolab.core.infotext.text import parse, parse_fields, render, render_fields
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS

PARAMETERS_KEY = "parameters"
"""Keyword of the PNG text chunk that A1111 and its readers use."""

_UNICODE = b"UNICODE\0"

_EXACT = frozenset({"PNG", "WEBP", "AVIF", "BMP", "TIFF"})
"""The formats that can keep each bit of a pixel."""

_MARKS = (
    *((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),  # before the others, which begin alike
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
"""What text files of Windows begin with, and what it says of their encoding."""


def read_bytes(data: bytes, source: str) -> str:
    """The infotext in the bytes of a file: a picture, or a text in UTF-8, UTF-16 or UTF-32.

    ``source`` names the file in the error. Raises ``InfotextUnreadable`` when there is none.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return read_image(image, source)
    except UnidentifiedImageError:
        return _plain_text(data, source)
    except DAMAGED as error:
        raise InfotextUnreadable(source=source) from error


def read_image(image: Image.Image, source: str) -> str:
    """The infotext inside a picture: PNG text, the EXIF comment of JPEG and WebP, or NovelAI's own format.

    ``source`` names the picture in the error. Raises ``InfotextUnreadable`` when there is none.
    """
    text = _text_of(image)
    if not text and image.format in _EXACT and image.width * image.height <= MAX_PIXELS:
        try:
            image.load()  # some programs write a PNG's text after the pixels
        except DAMAGED as error:
            raise InfotextUnreadable(source=source) from error
        text = _text_of(image) or stealth_text(image)
    if not text:
        workflow = any(looks_like_json(_as_text(image.info.get(key))) for key in ("prompt", "workflow"))
        raise InfotextWorkflow(source=source) if workflow else InfotextUnreadable(source=source)
    return text


def user_comment(text: str) -> bytes:
    """EXIF with ``text`` as its UserComment, in UTF-16 big-endian as A1111 writes it; for JPEG and WebP."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _UNICODE + text.encode("utf-16-be", "replace")
    return exif.tobytes()


def _plain_text(data: bytes, source: str) -> str:
    """A text file. Files of Windows begin with a mark; those without are UTF-8, or UTF-16 where their zeros say so."""
    try:
        text = data.decode(_encoding_of(data))
    except UnicodeDecodeError as error:
        if not data or not _is_text(data):
            raise InfotextUnreadable(source=source) from error
        raise InfotextEncoding(source=source) from error
    text = from_json(text) or text
    if not text.strip() or "\0" in text:
        raise InfotextUnreadable(source=source)
    return text


def _encoding_of(data: bytes) -> str:
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    start = data[:4096]
    high, low = start[::2].count(0), start[1::2].count(0)
    zeros = max(high, low) > len(start) // 4 and not (high and low)  # Latin text: every second byte
    return marked or (_utf16_order(start) if zeros else "utf-8-sig")


def _is_text(data: bytes) -> bool:
    """Whether bytes that are no UTF-8 may still be a text of an older encoding."""
    return not any(byte < 9 or 13 < byte < 32 for byte in data[:4096])


def _text_of(image: Image.Image) -> str:
    info = image.info
    written = (
        _generated(_user_comment(image)),
        _useful(_as_text(info.get(PARAMETERS_KEY))),
        _novelai(info) if info.get("Software") == "NovelAI" else "",
        *(from_json(_as_text(info.get(key))) or "" for key in ("prompt", "invokeai_metadata", "workflow")),
        _as_text(info.get("Dream")),  # of InvokeAI's first versions
        *(_generated(_as_text(info.get(key))) for key in ("comment", "Comment")),
    )
    return next((text for text in written if text), "")


def _useful(text: str) -> str:
    """``text`` without what some cameras and programs leave in its place, or what its JSON means."""
    bare = text.replace("\0", "").strip()
    return from_json(bare) or bare


def _generated(text: str) -> str:
    """``text`` if it has parameters, or ends in a line of nothing but fields as Extras writes it: every other comment
    is the camera's, the telephone's or the program's ("OLYMPUS DIGITAL CAMERA", "Screenshot")."""
    found = _useful(text)
    last = found.rpartition("\n")[2]
    return found if parse(found).fields or (last and render_fields(parse_fields(last)) == last) else ""


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "ignore")
    return value if isinstance(value, str) else ""


def _user_comment(image: Image.Image) -> str:
    """EXIF UserComment: an 8-byte name of the encoding, then the text (Exif 2.3, table 9)."""
    try:
        raw = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):  # damaged EXIF: Pillow lets these out
        return ""
    if not isinstance(raw, bytes):
        return _as_text(raw)
    encoding, body = raw[:8], raw[8:]
    if encoding == _UNICODE and b"\0" in body:  # some write UTF-8 under this name
        return body.decode(_utf16_order(body), "ignore").lstrip("\ufeff")
    if encoding == b"JIS\0\0\0\0\0":
        return body.decode("shift_jis", "ignore")
    return (body if encoding in (_UNICODE, b"ASCII\0\0\0", b"\0" * 8) else raw).decode("utf-8", "ignore")


def _utf16_order(body: bytes) -> str:
    """A1111 writes big-endian, other programs the file's order: Latin text has its zero bytes first or second."""
    return "utf-16-le" if body[1::2].count(0) > body[::2].count(0) else "utf-16-be"


def _novelai(info: Mapping[str | tuple[int, int], object]) -> str:
    """NovelAI's ``Description`` and JSON ``Comment`` in A1111's layout (hechos/a1111.md 7.3)."""
    try:
        comment = json.loads(_as_text(info.get("Comment")))
    except (ValueError, RecursionError):
        return ""
    return render(novelai(comment, _as_text(info.get("Description")))) if isinstance(comment, dict) else ""
