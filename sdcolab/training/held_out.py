"""Captions that a training has not seen, to judge it by what it learnt and not by what it knows by heart. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sdcolab.training.tags import split_tags


def held_out(captions: Sequence[str], count: int, *, keep: int = 1, separator: str = ",") -> tuple[str, ...]:
    """Up to ``count`` new captions, from pictures spread over all of ``captions``: the first ``keep`` tags of one and
    every other tag of the rest, then every other tag of the nearest caption with which that makes none of ``captions``,
    in whatever order. Where nothing new can be made (sentences, a single caption) the caption itself.
    """
    tags = [split_tags(caption.partition("\n")[0], separator) for caption in captions]
    seen = {frozenset(one) for one in tags}
    made = []
    for start in dict.fromkeys(index * len(tags) // count for index in range(count)):
        others = (tags[(start + step) % len(tags)] for step in range(1, len(tags)))
        mixed = next((new for new in _mixes(tags[start], others, max(1, keep)) if frozenset(new) not in seen), None)
        made.append(f"{separator} ".join(mixed) if mixed else captions[start])
    return tuple(dict.fromkeys(made))


def _mixes(own: Sequence[str], others: Iterable[Sequence[str]], keep: int) -> Iterable[list[str]]:
    half = [*own[:keep], *own[keep::2]]
    for other in others:
        yield list(dict.fromkeys([*half, *other[keep + 1 :: 2]]))
    yield list(dict.fromkeys(half))
