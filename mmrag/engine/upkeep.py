"""Work that nobody waits for: indexing while much is added, compaction, new vectors after a change of model.

One thread does it, and whatever it is in the middle of may be cut off: each step is durable by
itself, and the next process goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from mmrag.engine.stages import Stages

RENEWED_CHUNKS = 256  # of which the vectors are made and stored at a time
INDEXED_CHUNKS = 2_000  # that were added: the index takes them in before somebody asks
_RETRY_SECONDS = 300.0  # after a fault, such as a full disk
FORGETTING_SECONDS = 3600.0  # between two looks at what is kept for some days only

_log = logging.getLogger(__name__)


class Upkeep:
    """Keeps what is on disk as it should be. Safe to use from many threads.

    `quiet_seconds` after the last deletion the data folder is compacted.
    """

    def __init__(self, stages: Stages, *, quiet_seconds: float) -> None:
        self._stages = stages
        self._quiet_seconds = quiet_seconds
        self._changed = threading.Condition()
        self._closed = False
        self._compact_at: float | None = None  # time.monotonic()
        self._forget_at = time.monotonic()
        self._renew = False
        self._added: dict[str, int] = {}
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Take up what earlier processes left to do."""
        if self._is_outdated():
            self._wake(renew=True)
        if self._stages.store.erasures():
            self.after_deletion()
        self._wake()  # a service that nobody asks for days forgets, too

    def after_deletion(self) -> None:
        """Compact once nothing has been deleted for a while."""
        self._wake(compact_at=time.monotonic() + self._quiet_seconds)

    def after_addition(self, collection: str, chunks: int) -> None:
        """Have these chunks indexed where they are many."""
        with self._changed:
            self._added[collection] = self._added.get(collection, 0) + chunks
            enough = self._added[collection] >= INDEXED_CHUNKS
        if enough:
            self._wake()

    def run(self) -> None:
        """Do all of it now, in this thread. Raises UserFacingError."""
        self._renew_vectors()
        self._compact()

    def close(self) -> None:
        """End the thread once what is due is done; of long work, the step that it is in."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    # ------------------------------------------------------------- in the thread

    def _wake(self, *, compact_at: float | None = None, renew: bool = False) -> None:
        with self._changed:
            self._compact_at = compact_at or self._compact_at
            self._renew = renew or self._renew
            if self._thread is None and not self._closed:
                # A daemon: an engine that nobody closed must not keep its process alive.
                self._thread = threading.Thread(target=self._work, name="mmrag-upkeep", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while self._wait():
            try:
                self._do_what_is_due()
            except UserFacingError as error:
                _log.warning("Upkeep was put off: %s", error)
                with self._changed:
                    self._compact_at = time.monotonic() + _RETRY_SECONDS

    def _wait(self) -> bool:
        """Until something is due; False when the engine closes and nothing is."""
        with self._changed:
            while not self._closed and not self._is_due():
                due = min(filter(None, (self._compact_at, self._forget_at)))
                self._changed.wait(max(due - time.monotonic(), 0))
            return self._is_due()

    def _is_due(self) -> bool:
        indexing = any(chunks >= INDEXED_CHUNKS for chunks in self._added.values())
        compacting = self._compact_at is not None and self._compact_at <= time.monotonic()
        forgetting = self._forget_at <= time.monotonic()
        return indexing or compacting or self._renew or forgetting

    def _do_what_is_due(self) -> None:
        with self._changed:
            added = [name for name, chunks in self._added.items() if chunks >= INDEXED_CHUNKS]
            for name in added:
                del self._added[name]
            compacting = self._compact_at is not None and self._compact_at <= time.monotonic()
            if compacting:
                self._compact_at = None
            renew, self._renew = self._renew, False
            forgetting = self._forget_at <= time.monotonic()
            if forgetting:
                self._forget_at = time.monotonic() + FORGETTING_SECONDS
        if forgetting:
            self._stages.store.insight.forget_old()
        for name in added:
            self._stages.retriever.catch_up(name)
        if renew:
            self._renew_vectors()
        if compacting and self._stages.store.erasures():  # another process may have been faster
            self._compact()

    # ---------------------------------------------------------------- the pieces

    def _compact(self) -> None:
        self._stages.retriever.compact()
        self._stages.store.compact()

    def _is_outdated(self) -> bool:
        states = self._stages.store.states()
        return any(state.embedder != self._stages.embedder.name for state in states.values())

    def _renew_vectors(self) -> None:
        """Give every chunk a vector of the model in use, and then switch its collection to them."""
        store, embedder = self._stages.store, self._stages.embedder
        for collection, state in store.states().items():
            if state.embedder == embedder.name:
                continue
            while self._renewed(collection) and not self._closed:
                self._stages.retriever.prepare(collection)
                if store.switch_embedder(collection, embedder=embedder.name):
                    self.after_deletion()  # of the old vectors
                    break

    def _renewed(self, collection: str) -> bool:
        """Whether every chunk got its vector before the engine closed."""
        store, embedder = self._stages.store, self._stages.embedder
        after = 0
        while not self._closed:
            texts = store.without_vector(
                collection, embedder=embedder.name, after=after, limit=RENEWED_CHUNKS
            )
            if not texts:
                return True
            store.put_vectors([*texts], embedder.embed_documents([*texts.values()]), embedder=embedder.name)
            after = max(texts)
        return False
