"""Many sources at once: several are read while others are embedded together and stored.

    load -> hash -> read -> chunk     several sources at a time, each in a thread that waits for its reader
    embed -> store                    here, all that is ready; what is stored stays, whatever comes later

Sources are stored as they get ready, so that a slow one holds up no other, and reported in their order.
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from mmrag.engine.library import Prepared
from mmrag.engine.stages import check_collection
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.engine.library import Library
    from mmrag.ports import AddListener, AddOutcome, PageListener, SourceLoader

    Reading = dict[Future[Prepared | AddOutcome], int]  # to the number of the source

EMBEDDED_CHUNKS = 512  # at a time at least, where they are ready: full batches, and a report now and then
SOURCES_AHEAD = 64  # that are being read, or wait to be embedded
CHARACTERS_AHEAD = 64_000_000  # of text, or bytes of pictures, that wait to be embedded


class Intake:
    """Adds many sources to a library. `readers` are read at a time."""

    def __init__(self, library: Library, *, readers: int) -> None:
        self._library = library
        self._readers = readers

    def add_many(
        self, loaders: Sequence[SourceLoader], *, collection: str, listener: AddListener
    ) -> Iterator[AddOutcome]:
        """What came of each source, in their order, as soon as it and those before it are done."""
        check_collection(collection)
        room = _Room(CHARACTERS_AHEAD)
        # One more than are read at a time: a reader must not wait while its last document is cut.
        threads = ThreadPoolExecutor(self._readers + 1, thread_name_prefix="mmrag-intake")
        coming = iter(enumerate(loaders))
        reading: Reading = {}
        outcomes: dict[int, AddOutcome] = {}
        reported = 0
        try:
            while True:
                for number, load in islice(coming, SOURCES_AHEAD - len(reading)):
                    prepare = partial(self._prepare, load, collection, partial(listener, number), room)
                    reading[threads.submit(prepare)] = number
                if not reading:
                    return
                wait(reading, return_when=FIRST_COMPLETED)
                outcomes |= self._kept(_taken(reading, room))
                while reported in outcomes:
                    yield outcomes.pop(reported)
                    reported += 1
        finally:  # also where the caller stops, or is interrupted
            room.close()
            threads.shutdown(wait=False, cancel_futures=True)

    def _prepare(
        self, load: SourceLoader, collection: str, progress: PageListener, room: _Room
    ) -> Prepared | AddOutcome:
        """In a thread: all that comes before embedding. It ends once there is room for what it leaves."""
        try:
            prepared = self._library.prepare(load(), collection=collection, progress=progress)
        except UserFacingError as error:
            return error
        if isinstance(prepared, Prepared):
            room.take(prepared.size)
        return prepared

    def _kept(self, taken: dict[int, Prepared | AddOutcome]) -> dict[int, AddOutcome]:
        """Embed what was prepared, all of it together, and store one after the other."""
        prepared = {number: each for number, each in taken.items() if isinstance(each, Prepared)}
        outcomes = {number: each for number, each in taken.items() if not isinstance(each, Prepared)}
        vectors = self._library.embed(list(prepared.values()))
        for (number, each), rows in zip(prepared.items(), vectors, strict=True):
            try:
                outcomes[number] = self._library.keep(each, rows)
            except UserFacingError as error:
                outcomes[number] = error
        return outcomes


def _taken(reading: Reading, room: _Room) -> dict[int, Prepared | AddOutcome]:
    """What is ready, the first sources first, until it is enough to be embedded."""
    taken: dict[int, Prepared | AddOutcome] = {}
    chunks = 0
    for future, number in list(reading.items()):
        if chunks >= EMBEDDED_CHUNKS or not future.done():
            continue
        del reading[future]
        taken[number] = outcome = future.result()
        if isinstance(outcome, Prepared):
            chunks += len(outcome.chunks)
            room.give_back(outcome.size)
    return taken


class _Room:
    """What may wait to be embedded. Something larger than all of it waits alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._taken or self._taken + size <= self._size
            )
            self._taken += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Let everyone go: nothing waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
