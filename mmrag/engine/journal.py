"""That something was asked, and how that went: kept a moment later, so that nobody waits for it.

Figures for owners, not a promise: a process that is killed loses those of its last second.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from mmrag.errors import UserFacingError
from mmrag.types import Asked

if TYPE_CHECKING:
    from mmrag.ports import Store
    from mmrag.types import Answer, Question

GATHERED_SECONDS = 1.0  # then they are written together, in one transaction
MOST_WAITING = 10_000  # while the disk is slower than people ask; what comes on top is not counted

_log = logging.getLogger(__name__)


class Journal:
    """Notes what was asked. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: list[Asked] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def noted(self, answer: Answer, question: Question) -> Answer:
        """The answer, after it was noted that somebody asked for it."""
        if question.collections:
            asked = Asked(
                at=time.time(),
                answer_id=answer.id,
                collection=question.collections[-1],
                abstained=answer.abstained,
                cached=answer.cached,
                timings_ms=answer.timings_ms,
            )
            with self._changed:
                if len(self._waiting) < MOST_WAITING:
                    self._waiting.append(asked)
                if self._thread is None and not self._closed:
                    # A daemon: an engine that nobody closed must not keep its process alive.
                    self._thread = threading.Thread(target=self._work, name="mmrag-journal", daemon=True)
                    self._thread.start()
                self._changed.notify()
        return answer

    def close(self) -> None:
        """Write what is left, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.write()

    def _work(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._closed, timeout=GATHERED_SECONDS)
            self.write()

    def write(self) -> None:
        """Keep now what has been noted so far."""
        with self._changed:
            asked, self._waiting = self._waiting, []
        if not asked:
            return
        try:
            self._store.insight.note(asked)
        except UserFacingError as error:
            _log.warning("It was not kept that %d questions were asked: %s", len(asked), error)
        except Exception as error:  # noqa: BLE001 - such as a store that was closed: figures stop nobody
            _log.warning("It was not kept that %d questions were asked: %s", len(asked), type(error).__name__)
