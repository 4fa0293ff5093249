"""One collection's index, brought up to date with the store at every question.

    index = segments on disk (none while the collection is small) + what came later, in memory

The store is the truth. What it says was added goes into the part in memory, what it says was
removed is left out of every search; when `layout` says so, segments are written anew, in the
background, while the old ones answer. It knows no question and no ranking.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock

from mmrag.errors import UserFacingError
from mmrag.retrieval import manifest as manifests
from mmrag.retrieval import segment as segments
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.disk import delete
from mmrag.retrieval.layout import Size, next_build
from mmrag.retrieval.lexical import LexicalIndex
from mmrag.retrieval.manifest import Entry, Manifest
from mmrag.retrieval.segment import among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import ChunkBatch, ChunkFeed, ChunkSnapshot, CollectionState
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.layout import Build, Limits
    from mmrag.retrieval.segment import Segment

BATCH_ROWS = 2_000  # chunks that are read from the store at a time: about 5 MB
# 384 numbers in 8 bits with their graph, and a few words each; exact rows and those in memory take more.
_BYTES_A_ROW = 1_000
_OPENING_THREADS = 4
RETRY_SECONDS = 30.0  # after the disk has refused a segment; until then it stays in memory

# How the disk says no through Python, Tantivy and FAISS; also filelock's Timeout, an OSError:
# another process builds the same index at this moment.
BUILD_FAULTS = (OSError, ValueError, RuntimeError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Newest:
    """The chunks that are in no segment yet, in memory."""

    ids: NDArray[np.int64]
    lexical: LexicalIndex
    dense: DenseIndex

    @classmethod
    def of(cls, batch: ChunkBatch) -> Newest:
        lexical = LexicalIndex.empty().with_rows(batch.ids.tolist(), batch.texts)
        return cls(batch.ids, lexical, DenseIndex.exact(batch.embedded, batch.vectors))

    def with_rows(self, batch: ChunkBatch) -> Newest:
        """With these chunks; Tantivy's part is shared, so only the newest may grow."""
        import numpy as np  # noqa: PLC0415 - heavy

        dense = self.dense
        if not len(dense.ids):  # its dimension is unknown
            dense = DenseIndex.exact(batch.embedded, batch.vectors)
        elif len(batch.embedded):
            dense = dense.with_rows(batch.embedded, batch.vectors)
        lexical = self.lexical.with_rows(batch.ids.tolist(), batch.texts)
        return Newest(np.concatenate([self.ids, batch.ids]), lexical, dense)


@dataclass(frozen=True, slots=True)
class View:
    """What a search of one collection sees: the collection at `revision`. Never changes.

    `covered` is the greatest id that was considered: later chunks have greater ones.
    """

    revision: int = 0
    covered: int = 0
    segments: tuple[Segment, ...] = ()
    newest: Newest | None = None
    dead: frozenset[int] = frozenset()

    @property
    def parts(self) -> tuple[Segment | Newest, ...]:
        return (*self.segments, self.newest) if self.newest else self.segments

    @property
    def lexical(self) -> list[LexicalIndex]:
        return [part.lexical for part in self.parts]

    @property
    def dense(self) -> list[DenseIndex]:
        return [part.dense for part in self.parts if len(part.dense.ids)]

    @property
    def rows(self) -> int:
        return sum(len(part.ids) for part in self.parts)

    @property
    def live(self) -> int:
        return self.rows - len(self.dead)

    def sizes(self) -> list[Size]:
        """Of the segments."""
        return [Size(part.rows, len(among(part.ids, self.dead))) for part in self.segments]

    def with_dead(self, ids: frozenset[int]) -> View:
        """With those of the ids dead that it holds: one that came and went unseen is in no part."""
        if not ids:
            return self
        return replace(self, dead=self.dead.union(*(among(part.ids, ids) for part in self.parts)))


class _AheadOfSnapshot(Exception):
    """The index holds a later state of the collection than the snapshot that it is looked at with."""


class _MuchIsNew(Exception):
    """More was added than is held in memory: segments are to be built first."""


class CollectionIndex:
    """Keeps the newest view of one collection. Safe to share between threads and processes.

    `folder` is where its segments lie; it is made when there are any. If it `prunes`, the store may
    forget which removals it has taken note of: no other index of this collection needs them.
    `build_dense` indexes the vectors of a segment that is too large for exact search.
    `in_background` runs a piece of work some time later, in another thread.
    """

    def __init__(
        self,
        collection: str,
        feed: ChunkFeed,
        *,
        embedder: str,
        folder: Path,
        limits: Limits,
        prunes: bool,
        build_dense: DenseBuilder,
        in_background: Callable[[Callable[[], None]], None],
    ) -> None:
        self._collection = collection
        self._feed = feed
        self._embedder = embedder
        self._folder = folder
        self._limits = limits
        self._prunes = prunes
        self._build_dense = build_dense
        self._in_background = in_background
        self._changing = threading.Lock()
        self._view = View()
        self._known: dict[str, Segment] = {}  # what was opened last
        self._scheduled = False
        self._due = self._was_built = False
        self._not_before = 0.0  # time.monotonic()

    def view(self, state: CollectionState, now: ChunkSnapshot) -> View | None:
        """The collection as it is in this snapshot, where it is in this state. Raises StoreUnavailable.

        None where the index has gone beyond that meanwhile, or is to be built first: let the
        snapshot go, call `build_if_due`, and take another one.
        """
        view = self._view
        if view.revision == state.revision:
            return view
        with self._changing:
            before = self._view
            try:
                view = self._caught_up(before, state, now)
            except _AheadOfSnapshot:
                return None
            except _MuchIsNew:
                self._due = True
                return None
            self._view, self._was_built = view, False
        if view is not before and self._is_overdue(view):
            self._schedule()
        return view

    def build_if_due(self) -> None:
        """Build what `view` could not go without. It holds no snapshot: compactions wait for those."""
        if self._due:
            self._due = False
            self._build_or_warn()
            self._was_built = True

    def build(self, *, thorough: bool = False, wait_seconds: float = 0.0) -> None:
        """Write the segments that `layout` asks for. If `thorough`, also those that hold a dead row.

        Raises StoreUnavailable, and OSError, ValueError or RuntimeError where the disk refuses;
        a TimeoutError among them where another process builds for longer than `wait_seconds`.
        """
        lock = self._folder / "build.lock"
        self._folder.mkdir(parents=True, exist_ok=True)
        if lock.is_dir():  # nothing of ours: it would block every index to come
            delete(lock)
        with FileLock(lock, timeout=wait_seconds):
            manifest, opened = self._published() or (Manifest(self._embedder), ())
            manifests.tidy(self._folder, manifest if opened else None)
            while built := self._next_manifest(manifest, opened, thorough=thorough):
                manifests.publish(self._folder, built)
                if self._prunes:
                    self._feed.forget_removals(self._collection, until=built.revision)
                manifest, opened = built, self._opened(built)

    @property
    def held_bytes(self) -> int:
        """About what this index takes in memory once every part of it has been searched."""
        view = self._view
        return sum(_BYTES_A_ROW * len(part.ids) for part in view.parts)

    # -------------------------------------------------------------- catching up

    def _caught_up(self, view: View, state: CollectionState, now: ChunkSnapshot) -> View:
        if view.revision == state.revision:
            return view  # another thread was faster
        followed = self._followed(view, state, now) or self._followed(self._published_view(), state, now)
        return self._without_dead_ballast(followed or self._whole(state, now), now)

    def _followed(self, view: View, state: CollectionState, now: ChunkSnapshot) -> View | None:
        """The view with what changed since; None where it can't be brought up to date."""
        if view.revision > state.revision and self._is_of_this_store(view):
            raise _AheadOfSnapshot
        if not 0 < view.revision <= state.revision:
            return None
        changes = now.changes(self._collection, since=view.revision, after=view.covered)
        if changes.anew:
            return None
        self._refuse_what_is_much(len(changes.added))
        view = self._with_rows(view, changes.added, now).with_dead(changes.removed)
        return replace(view, revision=changes.revision)

    def _is_of_this_store(self, view: View) -> bool:
        """Whether the store has ever been where this view is: not if it was put back to a backup."""
        newest = self._feed.states([self._collection]).get(self._collection)
        return newest is not None and view.revision <= newest.revision

    def _whole(self, state: CollectionState, now: ChunkSnapshot) -> View:
        """All that is in the store, from nothing: on disk where it is much and the disk takes it."""
        added = now.changes(self._collection, since=0, after=0).added
        self._refuse_what_is_much(len(added))
        return self._with_rows(View(state.revision), added, now)

    def _refuse_what_is_much(self, added: int) -> None:
        """Unless it was built just now or the disk refused: then memory takes all, and nobody waits twice."""
        refused = time.monotonic() < self._not_before
        if added > self._limits.memory and not (refused or self._was_built):
            raise _MuchIsNew

    def _without_dead_ballast(self, view: View, now: ChunkSnapshot) -> View:
        """What is new, made anew where too much of it has gone again."""
        import numpy as np  # noqa: PLC0415 - heavy

        if view.newest is None:
            return view
        dead = among(view.newest.ids, view.dead)
        if not Size(len(view.newest.ids), len(dead)).is_overdue:
            return view
        live = np.setdiff1d(view.newest.ids, dead)
        return self._with_rows(replace(view, newest=None, dead=view.dead.difference(dead)), live, now)

    def _with_rows(self, view: View, ids: NDArray[np.int64], source: ChunkSnapshot) -> View:
        newest = view.newest
        for batch in self._batches(ids, source):
            newest = newest.with_rows(batch) if newest else Newest.of(batch)
        covered = max(view.covered, int(ids[-1])) if len(ids) else view.covered
        return replace(view, newest=newest, covered=covered)

    def _batches(self, ids: NDArray[np.int64], source: ChunkSnapshot) -> Iterator[ChunkBatch]:
        for start in range(0, len(ids), BATCH_ROWS):
            batch = source.rows(ids[start : start + BATCH_ROWS], embedder=self._embedder)
            if len(batch.ids):  # else all of them went meanwhile
                yield batch

    # ------------------------------------------------------------- what is on disk

    def _published_view(self) -> View:
        """What lies on disk, every byte verified; an empty view where there is nothing to trust."""
        published = self._published()
        if published is None:
            return View()
        manifest, opened = published
        return View(manifest.revision, manifest.covered, opened, dead=manifest.dead)

    def _published(self) -> tuple[Manifest, tuple[Segment, ...]] | None:
        manifest = manifests.read(self._folder, embedder=self._embedder)
        while manifest is not None:
            try:
                return manifest, self._opened(manifest)
            except Exception as error:  # noqa: BLE001 - FAISS and Tantivy raise many types on what is off
                latest = manifests.read(self._folder, embedder=self._embedder)
                if latest == manifest:
                    _log.warning("an index is rebuilt from the store: %s", type(error).__name__)
                    return None
                manifest = latest  # another process published a newer one and deleted segments of this one
        return None

    def _opened(self, manifest: Manifest) -> tuple[Segment, ...]:
        """The manifest's segments; those that are open already are taken over."""
        with ThreadPoolExecutor(_OPENING_THREADS) as pool:  # verifying is most of it, and lets go of the lock
            opened = tuple(pool.map(self._open, manifest.segments))
        self._known = {segment.name: segment for segment in opened}
        return opened

    def _open(self, entry: Entry) -> Segment:
        return self._known.get(entry.name) or segments.open_verified(self._folder, entry.name, entry.files)

    # ----------------------------------------------------------------- building

    def _is_overdue(self, view: View) -> bool:
        new = len(view.newest.ids) if view.newest else 0
        return next_build(view.sizes(), new, self._limits) is not None

    def _schedule(self) -> None:
        if not self._scheduled and time.monotonic() >= self._not_before:
            self._scheduled = True
            self._in_background(self._build_and_take_over)

    def _build_and_take_over(self) -> None:
        try:
            if self._build_or_warn():
                self._take_over(self._published_view())  # outside of the lock: verifying takes a while
        except UserFacingError as error:  # the store went away: the next question says so
            _log.warning("an index was not built anew: %s", type(error).__name__)
        finally:
            self._scheduled = False

    def _take_over(self, view: View) -> None:
        with self._feed.snapshot() as now, self._changing:
            state = now.states([self._collection]).get(self._collection)
            if state is not None:
                with contextlib.suppress(_AheadOfSnapshot):  # then the next question takes it over
                    self._view = self._followed(view, state, now) or self._view

    def _build_or_warn(self) -> bool:
        """Whether the segments could be written; else what is new stays in memory."""
        try:
            self.build()
        except BUILD_FAULTS as error:
            _log.warning("a part of an index stays in memory: %s", type(error).__name__)
            self._not_before = time.monotonic() + RETRY_SECONDS
            return False
        return True

    def _next_manifest(
        self, manifest: Manifest, opened: Sequence[Segment], *, thorough: bool
    ) -> Manifest | None:
        """One step towards what `layout` asks for, its segment written; None where nothing is to be done."""
        changes = self._feed.changes(self._collection, since=manifest.revision, after=manifest.covered)
        is_foreign = manifest.revision > changes.revision  # the store was put back to a backup
        if is_foreign or (changes.anew and manifest.segments):
            return Manifest(self._embedder, changes.revision)
        entries = [
            entry.without(changes.removed, held=segment.ids)
            for entry, segment in zip(manifest.segments, opened, strict=True)
        ]
        build = next_build(
            [entry.size for entry in entries], len(changes.added), self._limits, thorough=thorough
        )
        if build is None:
            # What the manifest already knows of, the store need not tell any more.
            is_news = thorough and manifest.segments and manifest.revision < changes.revision
            return replace(manifest, revision=changes.revision) if is_news else None
        entries[build.first : build.last] = self._built(entries, opened, changes.added[: build.new], build)
        covered = int(changes.added[build.new - 1]) if build.new else manifest.covered
        return Manifest(self._embedder, changes.revision, covered, tuple(entries))

    def _built(
        self, entries: Sequence[Entry], opened: Sequence[Segment], new: NDArray[np.int64], build: Build
    ) -> list[Entry]:
        """The segment that takes the place of others; none where nothing in them is live."""
        import numpy as np  # noqa: PLC0415 - heavy

        replaced = range(build.first, build.last)
        live = [np.setdiff1d(opened[i].ids, np.array(entries[i].dead, dtype=np.int64)) for i in replaced]
        ids = np.concatenate([*live, new])
        if not len(ids):
            return []
        exact = self._limits.is_exact(len(ids))
        files = segments.write(
            self._folder,
            lambda: self._batches(ids, self._feed),
            exact=exact,
            build_dense=self._build_dense,
        )
        name = next(iter(files)).partition("/")[0]
        return [Entry(name, len(ids), (), files)]
