"""The indexes of all collections: opened when first asked for, dropped by least use.

It knows where they lie and how much memory they may take together, not what is in them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from mmrag.retrieval.disk import delete
from mmrag.retrieval.index import CollectionIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mmrag.ports import ChunkFeed, ChunkSnapshot, CollectionState
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.index import View
    from mmrag.retrieval.layout import Limits

_WAIT_SECONDS = 60.0  # for another process that builds the same index


class IndexPool:
    """Indexes below `folder`, which may be deleted at any time between two processes.

    `embedder` is the model that is in use now; a collection may still be searched by an earlier
    one. Those in memory take about `memory_bytes` at most; one alone may take more. Safe to share
    between threads.
    """

    def __init__(
        self,
        feed: ChunkFeed,
        *,
        embedder: str,
        folder: Path,
        limits: Limits,
        memory_bytes: int,
        build_dense: DenseBuilder,
    ) -> None:
        self._feed = feed
        self._embedder = embedder
        self._folder = folder
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._build_dense = build_dense
        self._changing = threading.Lock()
        self._indexes: OrderedDict[tuple[str, str], CollectionIndex] = OrderedDict()
        # One at a time: building takes all cores, and as much memory as it needs for one segment.
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="mmrag-index")
        self._building: set[Future[None]] = set()

    def view(self, collection: str, state: CollectionState, now: ChunkSnapshot) -> View | None:
        """What a search of this collection sees in this snapshot; see `CollectionIndex.view`."""
        index = self._index(collection, state.embedder)
        before = index.held_bytes
        view = index.view(state, now)
        if index.held_bytes != before:
            self._drop_least_used()
        return view

    def build_what_is_due(self) -> None:
        """Build the indexes that a search could not go without."""
        with self._changing:
            indexes = list(self._indexes.values())
        for index in indexes:
            index.build_if_due()

    def build(self, collection: str) -> None:
        """Write what of this collection's index belongs on disk. Raises as `CollectionIndex.build`."""
        self._index(collection, self._embedder).build(wait_seconds=_WAIT_SECONDS)

    def settle(self) -> None:
        """Wait until nothing is built in the background."""
        while self._building:
            for future in list(self._building):
                future.result()

    def compact(self) -> None:
        """Leave no dead row on disk. Raises as `CollectionIndex.build`."""
        folders = set(self._folder.glob("*/*"))  # listed before the states: what is made later stays
        live: set[Path] = set()
        for collection, state in self._feed.states().items():
            mine = {self._folder_of(collection, name): name for name in (state.embedder, self._embedder)}
            live |= mine.keys()
            for folder, embedder in mine.items():
                if folder.exists():
                    index = self._index(collection, embedder)
                    index.build(thorough=True, wait_seconds=_WAIT_SECONDS)
            if not any(folder.exists() for folder in mine):
                self._feed.forget_removals(collection, until=state.revision)
        for folder in folders - live:
            delete(folder)

    def forget(self, collection: str) -> None:
        """Delete the indexes of a collection that is gone from the store."""
        with self._changing:
            for key in [key for key in self._indexes if key[0] == collection]:
                del self._indexes[key]
        delete(self._folder / _hash(collection))

    def close(self) -> None:
        """Wait for what is built in the background."""
        self._builder.shutdown()

    def _index(self, collection: str, embedder: str) -> CollectionIndex:
        key = (collection, embedder)
        with self._changing:
            if key not in self._indexes:
                self._indexes[key] = CollectionIndex(
                    collection,
                    self._feed,
                    embedder=embedder,
                    folder=self._folder_of(collection, embedder),
                    limits=self._limits,
                    prunes=embedder == self._embedder and self._is_settled(collection),
                    build_dense=self._build_dense,
                    in_background=self._start,
                )
            self._indexes.move_to_end(key)
            return self._indexes[key]

    def _is_settled(self, collection: str) -> bool:
        """Whether this collection is searched by the model that is in use now."""
        state = self._feed.states([collection]).get(collection)
        return state is not None and state.embedder == self._embedder

    def _drop_least_used(self) -> None:
        """What is dropped is gone once the searches that use it have ended."""
        with self._changing:
            held = sum(index.held_bytes for index in self._indexes.values())
            while held > self._memory_bytes and len(self._indexes) > 1:
                _, dropped = self._indexes.popitem(last=False)
                held -= dropped.held_bytes

    def _start(self, work: Callable[[], None]) -> None:
        future = self._builder.submit(work)
        self._building.add(future)
        future.add_done_callback(self._building.discard)

    def _folder_of(self, collection: str, embedder: str) -> Path:
        return self._folder / _hash(collection) / _hash(embedder)


def _hash(name: str) -> str:
    """A name that every file system takes, whatever a collection or a model is called."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
