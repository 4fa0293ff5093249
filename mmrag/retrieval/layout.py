"""Which segments a collection's index should consist of: pure decisions over numbers of rows.

This is the one place that decides what is searched exactly, and when rows move from
memory to disk. Segments follow each other in the order of their chunks' ids, and of levels that
fall: each level holds twice as many rows as the one below, and a segment whose level is no higher
than the next one's is merged with it (the logarithmic method of Bentley and Saxe, 1980). So a
collection of n chunks has O(log n) segments, besides full ones, and a chunk is written O(log n)
times. It knows no files, no vectors and no collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY_ROWS = 1_000  # indexed in about a tenth of a second, when a process first asks
SEGMENT_ROWS = 250_000
OVERDUE_SHARE = 5  # one row in five dead: the segment is built anew
FEWEST_DEAD = 100  # fewer dead rows than this are no reason


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers of chunks.

    exact_search   up to so many a segment is compared row by row; beyond, by short codes or a graph
    memory         up to so many that are new are kept in memory only
    segment        at most so many in one segment: building a larger one would take minutes, for
                   little faster search
    """

    exact_search: int
    memory: int = MEMORY_ROWS
    segment: int = SEGMENT_ROWS

    def is_exact(self, rows: int) -> bool:
        """Whether so many rows are compared one by one: always right, and at that size as fast."""
        return rows <= self.exact_search

    def level(self, rows: int) -> int:
        """0 for less than what memory holds, 1 for up to twice that, 2 for up to four times that ..."""
        return (rows // self.memory).bit_length()

    def join(self, one: int, next_one: int) -> bool:
        """Whether segments of so many live rows, one after the other, are to be one."""
        return self.level(one) <= self.level(next_one) and one + next_one <= self.segment

    def describe(self, rows: int, *, beyond: str) -> str:
        """How a collection of so many chunks is searched by meaning, and why."""
        if self.is_exact(rows):
            return f"exact, because it has at most {self.exact_search:,} chunks"
        segments = f"{beyond} in segments of at most {self.segment:,}"
        return f"{segments}, because it has over {self.exact_search:,} chunks"


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of a segment, and how many of them are dead."""

    rows: int
    dead: int

    @property
    def live(self) -> int:
        return self.rows - self.dead

    @property
    def is_overdue(self) -> bool:
        """Whether dead rows cost enough searching to build it anew."""
        return self.dead > max(FEWEST_DEAD, self.rows // OVERDUE_SHARE)


@dataclass(frozen=True, slots=True)
class Build:
    """Replace segments `first:last` by one of their live rows and of the next `new` rows."""

    first: int
    last: int
    new: int = 0


def next_build(sizes: Sequence[Size], new: int, limits: Limits, *, thorough: bool = False) -> Build | None:
    """What to build next, or None where all is as it should be.

    `new` rows are in no segment yet. If `thorough`, no dead row may stay in a segment.
    """
    if new > limits.memory:
        return _of_new_rows(sizes, min(new, limits.segment), limits)
    for index, size in enumerate(sizes):
        if size.is_overdue or (thorough and size.dead):
            return Build(index, index + 1)
    for index in range(len(sizes) - 1):
        if limits.join(sizes[index].live, sizes[index + 1].live):
            return Build(index, index + 2)
    return None


def _of_new_rows(sizes: Sequence[Size], new: int, limits: Limits) -> Build:
    """New rows take those segments along that they would be merged with at once."""
    first, rows = len(sizes), new
    while first > 0 and limits.join(sizes[first - 1].live, rows):
        first -= 1
        rows += sizes[first].live
    return Build(first, len(sizes), new)
