"""Which of the ranked hits are shown: not the same thing twice, not one page only.

It reorders and never loses: what says nothing new waits behind what does, and comes where
nothing else is left. It knows no index and no score.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.types import Chunk, Hit

# Hits of one page before others have their turn. With two, on a page of a handbook a third section
# that bears on the question makes room for hits that have nothing to do with it.
PER_PAGE = 3
PER_DOCUMENT = 5
# What a printed page holds. A format without pages is a single page however long it is, so there
# a page is the text around a hit.
PAGE_CHARS = 3_000
# Shorter texts live by their headings ("24 months." under each product): under different ones they
# are no repetition. In bytes, for a Chinese character says as much as three letters.
SELF_CONTAINED_BYTES = 120


def diversified(hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    """The k hits of these, best first, that do not repeat each other, ranked from 1.

    The best stays first. A hit that repeats a better one, or whose page or document has had its
    share, waits; those that wait come last, repetitions behind the others, so that k come wherever
    there are k. Among those that did not wait, and among those that did, the order stays.
    """
    shown = _Shown()
    places = range(len(hits))
    chosen = _chosen(hits, places, k, shown, fills_up=False)
    if len(chosen) < min(k, len(hits)):
        waiting = sorted({*places}.difference(chosen))
        chosen += _chosen(hits, waiting, k - len(chosen), shown, fills_up=True)
        chosen += sorted({*waiting}.difference(chosen))
    return tuple(replace(hits[place], rank=rank) for rank, place in enumerate(chosen[:k], start=1))


def is_diverse(hits: Sequence[Hit]) -> bool:
    """Whether none of these would wait, so that they stay as they are whatever hits follow."""
    return len(_chosen(hits, range(len(hits)), len(hits), _Shown(), fills_up=False)) == len(hits)


def _chosen(
    hits: Sequence[Hit], places: Iterable[int], k: int, shown: _Shown, *, fills_up: bool
) -> list[int]:
    """Places of up to k hits that repeat none that is shown; crowded ones too where it fills up."""
    chosen: list[int] = []
    for place in places:
        if len(chosen) == k:
            break
        chunk = hits[place].chunk
        if not shown.repeats(chunk) and (fills_up or not shown.crowds(chunk)):
            shown.add(chunk)
            chosen.append(place)
    return chosen


class _Shown:
    """The chunks that are shown so far."""

    def __init__(self) -> None:
        self._of_document: Counter[str] = Counter()
        self._starts: defaultdict[tuple[str, int], list[int]] = defaultdict(list)  # of a page's chunks
        self._texts: list[tuple[str, str]] = []  # (words, context)

    def add(self, chunk: Chunk) -> None:
        self._of_document[chunk.document_id] += 1
        self._starts[chunk.document_id, chunk.page].append(chunk.start)
        # A correction is an authority of its own: it repeats nothing, nothing repeats it.
        if chunk.kind != "correction":
            self._texts.append((_plain(chunk.text), chunk.context))

    def crowds(self, chunk: Chunk) -> bool:
        """Whether this chunk's page or document has had its share."""
        near = [
            start
            for start in self._starts[chunk.document_id, chunk.page]
            if abs(start - chunk.start) < PAGE_CHARS
        ]
        return len(near) >= PER_PAGE or self._of_document[chunk.document_id] >= PER_DOCUMENT

    def repeats(self, chunk: Chunk) -> bool:
        """Whether all its words, in order and nothing between, stand in a chunk that is shown.

        The same up to case, width and white space: texts that differ in one word or number may
        contradict each other, and both are shown.
        """
        if chunk.kind == "correction" or not self._texts:
            return False
        text = _plain(chunk.text)
        stands_alone = len(text.encode()) >= SELF_CONTAINED_BYTES
        return any(
            text in shown and (stands_alone or context == chunk.context) for shown, context in self._texts
        )


def _plain(text: str) -> str:
    """The text with a space around each word, so that no word is found inside another."""
    return f" {' '.join(normalise(text).split())} "
