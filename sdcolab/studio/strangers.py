"""What both faces say, when they look for files again, of those that lie among the models and are none."""

from __future__ import annotations

from itertools import chain

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ForeignFile, ForeignMore, SdcolabError
from sdcolab.core.folders import MODEL_FOLDERS
from sdcolab.core.foreign_files import why_foreign
from sdcolab.core.library import Library

MOST = 4
"""More at a time nobody reads."""


def strangers(library: Library) -> tuple[SdcolabError, ...]:
    """What lies in the folders of models and is nothing that lists offer: the first ``MOST``, and how many more there
    are. Those of ``ModelKind.OTHER`` were put away on purpose."""
    kinds = (kind for kind in MODEL_FOLDERS if kind is not ModelKind.OTHER)
    files = [*chain.from_iterable(library.foreign(kind) for kind in kinds)]
    told = [ForeignFile(file.kind.value, file.name, (), file.path, why_foreign(file.path)) for file in files[:MOST]]
    return (*told, ForeignMore(len(files) - MOST)) if len(files) > MOST else (*told,)
