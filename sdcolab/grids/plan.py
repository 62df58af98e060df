"""What a script that knows all its pictures from the start makes of a request: cells, and the sheet they go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sdcolab.core.errors import CellFailed, SdcolabError, TooManyCells
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import share_a_batch
from sdcolab.core.scripts import MAX_CELLS

Fields = tuple[tuple[str, str], ...]
"""Labels and values for an infotext."""


@dataclass(frozen=True, slots=True)
class Legend:
    """A line beside or above the cells. One that is not ``active`` is greyed and struck through."""

    text: str
    active: bool = True


Legends = tuple[tuple[Legend, ...], ...]
"""The lines of each column, row or title."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One job of a plan: ``request``, or the reason why there is none. ``name`` says for people which one it is.

    The first picture that the request makes is the cell's. ``at`` is its place: column, row, sheet. ``save``: its
    pictures are kept as files.
    """

    request: GenerationRequest | None
    at: tuple[int, int, int]
    name: str = ""
    problem: SdcolabError | None = None
    save: bool = True


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """How cells lie on sheets of ``columns`` x ``rows``, one sheet for each of ``titles``, side by side.

    ``fields`` go into the infotext of the whole, ``part_fields`` into those of single sheets; ``alone`` is whether
    the single sheets are pictures of their own too. ``margin`` in pixels between cells. ``plain``: cells edge to edge
    without legends, as A1111's ordinary grids.
    """

    columns: int
    rows: int
    titles: Legends = ((),)
    column_legends: Legends = ()
    row_legends: Legends = ()
    margin: int = 0
    fields: Fields = ()
    part_fields: Fields = ()
    alone: bool = False
    plain: bool = False

    @property
    def sheets(self) -> int:
        """How many sheets there are."""
        return max(1, len(self.titles))


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a script will make. ``order`` are indices of ``cells``, as they are best made; ``sheet`` is None
    where there is none. ``cells_shown``: the single pictures are results too, not only the sheets; with ``first_only``
    the first one of each job. As many as ``at_once`` cells are made in one batch, where their requests allow it.
    """

    script: str
    cells: tuple[Cell, ...]
    order: tuple[int, ...]
    sheet: SheetPlan | None
    cells_shown: bool = True
    first_only: bool = False
    at_once: int = 1

    @property
    def image_count(self) -> int:
        """How many pictures will be made, those that no cell shows too."""
        return sum(cell.request.image_count for cell in self.cells if cell.request)

    @property
    def requests(self) -> tuple[GenerationRequest, ...]:
        """The jobs in the order in which they are made."""
        return tuple(request for index in self.order if (request := self.cells[index].request) is not None)

    def batches(self, indices: Iterable[int]) -> Iterator[tuple[int, ...]]:
        """``indices`` of cells in runs that can be made in one batch; cells that have no request are left out."""
        batch: list[int] = []
        for index in indices:
            cell = self.cells[index]
            if cell.request is None:
                continue
            if batch and not (len(batch) < self.at_once and self._share(self.cells[batch[0]], cell)):
                yield tuple(batch)
                batch = []
            batch.append(index)
        if batch:
            yield tuple(batch)

    def looking_ahead(self, indices: Iterable[int]) -> Iterator[tuple[tuple[int, ...], str]]:
        """As ``batches``, each with the checkpoint of the next one where it is another; else ""."""
        batches = list(self.batches(indices))
        names = [request.checkpoint if (request := self.cells[batch[0]].request) else "" for batch in batches]
        for batch, name, after in zip(batches, names, [*names[1:], ""], strict=False):
            yield batch, after if after != name else ""

    @staticmethod
    def _share(one: Cell, other: Cell) -> bool:
        if one.request is None or other.request is None or one.save != other.save:
            return False
        return share_a_batch(one.request, other.request)

    @property
    def problems(self) -> tuple[CellFailed, ...]:
        """Cells that cannot be made, with the code of the reason."""
        return tuple(CellFailed(cell=cell.name, detail=str(cell.problem)) for cell in self.cells if cell.problem)


def check_count(count: int) -> None:
    """Raise ``TooManyCells`` unless so many pictures are bearable."""
    if count > MAX_CELLS:
        raise TooManyCells(count=count, limit=MAX_CELLS)


def in_order(cells: Sequence[Cell]) -> tuple[int, ...]:
    """The order of ``cells`` as they are."""
    return tuple(range(len(cells)))
