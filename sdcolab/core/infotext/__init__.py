"""Generation parameters as text, in AUTOMATIC1111's layout: writing, reading, and pasting them into a request.

::

    a cat, (masterpiece:1.2)
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, Model: sd15

``write`` makes one; ``read_bytes`` finds one in a file, ``parse`` splits it, ``to_request`` says what it changes in a
request, and ``with_files`` which of the user's model files it means. Source: hechos/a1111.md 7.
"""

from sdcolab.core.infotext.codecs import EngineFacts
from sdcolab.core.infotext.containers import PARAMETERS_KEY, read_bytes, read_image, user_comment
from sdcolab.core.infotext.copied import NEGATIVE_MARK
from sdcolab.core.infotext.files import with_files
from sdcolab.core.infotext.foreign import parse_any as parse
from sdcolab.core.infotext.labels import LABELS, NOT_RECORDED, PROMPTS
from sdcolab.core.infotext.pasting import Pasted, to_request
from sdcolab.core.infotext.scripts import PastedScript, script_of
from sdcolab.core.infotext.text import Infotext, render
from sdcolab.core.infotext.writing import describe, write

__all__ = [
    "LABELS",
    "NEGATIVE_MARK",
    "NOT_RECORDED",
    "PARAMETERS_KEY",
    "PROMPTS",
    "EngineFacts",
    "Infotext",
    "Pasted",
    "PastedScript",
    "describe",
    "parse",
    "read_bytes",
    "read_image",
    "render",
    "script_of",
    "to_request",
    "user_comment",
    "with_files",
    "write",
]
