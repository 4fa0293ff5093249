"""One collection's index, brought up to date with the store at every question.

    index = snapshot on disk (none while the collection is small) + what came later, in memory

The store is the truth. What it says was added goes into the part in memory, what it says was
removed is left out of every search; where either has grown too much, the whole is built anew
in the background while the old one answers. It knows no question and no ranking.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock

from mmrag.errors import UserFacingError
from mmrag.retrieval import snapshot
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.lexical import LexicalIndex

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mmrag.ports import Changes, ChunkFeed
    from mmrag.retrieval.snapshot import Snapshot

MEMORY_ROWS = 2_000  # chunks: indexed in less than half a second, when a process first asks
OVERDUE_SHARE = 5  # one row in five dead or not yet in the snapshot: the index is built anew
FEWEST_DEAD = 100  # fewer dead rows than this are no reason

# How the disk says no through Python, Tantivy and FAISS; also filelock's Timeout, an OSError:
# another process builds the same index at this moment.
_REFUSED = (OSError, ValueError, RuntimeError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What a search of one collection sees: the collection at `revision`. Never changes."""

    revision: int = 0
    lexical: tuple[LexicalIndex, ...] = ()  # the snapshot's first, where there is one
    dense: tuple[DenseIndex, ...] = ()
    dead: frozenset[int] = frozenset()
    snapshot: Snapshot | None = None

    @classmethod
    def of_snapshot(cls, opened: Snapshot) -> View:
        return cls(opened.revision, (opened.lexical,), (opened.dense,), snapshot=opened)

    @property
    def rows(self) -> int:
        return sum(len(index.ids) for index in self.dense)

    @property
    def in_snapshot(self) -> int:
        return self.snapshot.lexical.rows if self.snapshot else 0

    @property
    def in_memory(self) -> int:
        return self.rows - self.in_snapshot

    def is_overdue(self, memory_rows: int) -> bool:
        """Whether it should be built anew."""
        too_much_in_memory = self.in_memory > max(memory_rows, self.in_snapshot // OVERDUE_SHARE)
        too_many_dead = len(self.dead) > max(FEWEST_DEAD, self.rows // OVERDUE_SHARE)
        return too_much_in_memory or too_many_dead

    def after(self, changes: Changes) -> View:
        """The view once these changes are applied. Tantivy's part in memory is shared with this view."""
        ids, texts, vectors = changes.added.ids, changes.added.texts, changes.added.vectors
        lexical, dense = self.lexical, self.dense
        if len(ids) and self.in_memory:
            lexical[-1].add(ids.tolist(), texts)
            dense = (*dense[:-1], dense[-1].with_rows(ids, vectors))
        elif len(ids):
            newest = LexicalIndex.create()
            newest.add(ids.tolist(), texts)
            lexical = (*lexical, newest)
            dense = (*dense, DenseIndex.of(ids, vectors))
        dead = self.dead | self._indexed(changes.removed)
        return replace(self, revision=changes.revision, lexical=lexical, dense=dense, dead=dead)

    def _indexed(self, ids: Iterable[int]) -> frozenset[int]:
        """Those of the ids that it holds: one added and removed since the last look never came in."""
        import numpy as np  # noqa: PLC0415 - heavy

        wanted = np.fromiter(ids, dtype=np.int64)
        found = [wanted[np.isin(wanted, index.ids)] for index in self.dense]
        return frozenset(id_ for part in found for id_ in part.tolist())


class CollectionIndex:
    """Keeps the newest view of one collection. Safe to share between threads and processes.

    `folder` is where its snapshot lies; it is made when there is one. Up to `exact_search_rows`
    chunks a snapshot is searched exactly, beyond by HNSW; up to `memory_rows` there is none.
    """

    def __init__(
        self,
        collection: str,
        feed: ChunkFeed,
        *,
        embedder: str,
        folder: Path,
        exact_search_rows: int,
        memory_rows: int = MEMORY_ROWS,
    ) -> None:
        self._collection = collection
        self._feed = feed
        self._embedder = embedder
        self._folder = folder
        self._exact_search_rows = exact_search_rows
        self._memory_rows = memory_rows
        self._changing = threading.Lock()
        self._view = View()
        self._rebuilding: threading.Thread | None = None

    def view(self) -> View:
        """The collection as it is in the store now. Raises StoreUnavailable."""
        view = self._view
        if view.revision == self._feed.revision(self._collection):
            return view
        with self._changing:
            self._view = view = self._caught_up(self._view)
            if view.is_overdue(self._memory_rows):
                self._start_rebuilding()
            return view

    def close(self) -> None:
        """Wait for what is built in the background."""
        if self._rebuilding is not None:
            self._rebuilding.join()

    def _caught_up(self, view: View) -> View:
        now = self._feed.revision(self._collection)
        if view.revision == now:
            return view  # another thread was faster
        if view.revision == 0 or view.revision > now:  # nothing loaded yet, or another store's
            self._view = View()
            view = self._newer_published() or self._built()
        return view.after(self._changes(since=view.revision))

    def _start_rebuilding(self) -> None:
        if self._rebuilding is None or not self._rebuilding.is_alive():
            # No daemon: a process that ends waits for it, or its work would be lost each time.
            self._rebuilding = threading.Thread(target=self._rebuild, name="mmrag-index")
            self._rebuilding.start()

    def _rebuild(self) -> None:
        try:
            view = self._newer_published() or self._built()
            with self._changing:
                self._view = self._caught_up(view)
        except UserFacingError as error:  # the store went away: the next question says so
            _log.warning("an index was not built anew: %s", type(error).__name__)

    def _built(self) -> View:
        """A new index of all that is in the store; in memory where it is small or the disk refuses it."""
        everything = self._changes(since=0)
        rows = len(everything.added.ids)
        if rows <= self._memory_rows and not self._folder.exists():
            return View().after(everything)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "build.lock", timeout=0):
                if rows <= self._memory_rows:
                    snapshot.withdraw(self._folder)
                    return View().after(everything)
                exact = rows <= self._exact_search_rows
                return View.of_snapshot(
                    snapshot.publish(self._folder, everything, embedder=self._embedder, exact=exact)
                )
        except _REFUSED as error:
            _log.warning("an index stays in memory: %s", type(error).__name__)
            return View().after(everything)

    def _newer_published(self) -> View | None:
        """What this process, or another one since, has left on disk; None where that is no news."""
        opened = snapshot.open_published(self._folder, embedder=self._embedder)
        mine = self._view.snapshot.revision if self._view.snapshot else 0
        if opened is None or not mine < opened.revision <= self._feed.revision(self._collection):
            return None
        return View.of_snapshot(opened)

    def _changes(self, *, since: int) -> Changes:
        return self._feed.changes(self._collection, since=since, embedder=self._embedder)
