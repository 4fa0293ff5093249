"""What the owners of a collection see of its use: how much, how well, and what is missing.

It implements the port `Insight`. A question belongs to the narrowest of its collections, the place
where it was asked, and is seen and counted there alone: that a document of a shared collection was
cited in a private place is nothing that the shared collection's owners learn.

Kept are times, outcomes and durations, for a bounded time; no words but those of `answers`.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from mmrag.errors import NotFound
from mmrag.types import Day, Document, Exchange, Proposal, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from mmrag.storage.database import Database
    from mmrag.types import Asked, Rating

PROPOSALS_KEPT_SECONDS = 30 * 24 * 3600.0
_DECIDED = "This correction does not wait for approval any more: it was decided, or not within 30 days."
TIMED_QUESTIONS = 10_000  # the latest ones of a period, whose durations are read

_RATED_DOWN = (
    "EXISTS (SELECT 1 FROM ratings WHERE ratings.answer = asked.answer AND ratings.verdict = 'down')"
)
_EXCHANGES = """
    SELECT answers.id, question, json_extract(answers.answer, '$.text'), count(*), max(at) AS latest
    FROM asked JOIN answers ON answers.id = asked.answer
    WHERE asked.collection = ? AND at >= ? AND {chosen}
    GROUP BY answers.id ORDER BY latest DESC LIMIT ?
"""
_PROPOSALS = """
    SELECT proposals.id, proposals.answer, question, json_extract(answers.answer, '$.text'), correction,
        author, at, json_extract(collections, '$[#-1]')
    FROM proposals JOIN answers ON answers.id = proposals.answer
    WHERE at >= ?
"""


class StoreInsight:
    """Over the store's file. `kept_days` is how long it is known that something was asked."""

    def __init__(self, database: Database, *, kept_days: float) -> None:
        self._database = database
        self._kept_seconds = kept_days * 24 * 3600

    # ------------------------------------------------------------------ questions

    def note(self, several: Sequence[Asked]) -> None:
        """Keep that these were asked, but for answers that have gone meanwhile."""
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO asked (at, answer, collection, abstained, cached, timings) "
                "SELECT ?1, id, ?3, ?4, ?5, ?6 FROM answers WHERE id = ?2",
                [
                    (a.at, a.answer_id, a.collection, a.abstained, a.cached, json.dumps(a.timings_ms))
                    for a in several
                ],
            )
            self._forget_old(db)

    def forget_old(self) -> None:
        """Forget what was asked too long ago; without anything to forget it writes nothing."""
        with self._database.reading() as db:
            oldest = db.execute("SELECT at FROM asked ORDER BY key LIMIT 1").get
        if oldest is not None and oldest < time.time() - self._kept_seconds:
            with self._database.writing() as db:
                self._forget_old(db)

    def _forget_old(self, db: apsw.Connection) -> None:
        db.execute("DELETE FROM asked WHERE at < ?", (time.time() - self._kept_seconds,))

    def places(self) -> tuple[str, ...]:
        """Every collection that holds a document or was asked something."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT name FROM collections UNION SELECT DISTINCT collection FROM asked ORDER BY 1"
            )
            return tuple(str(name) for (name,) in rows)

    def days(self, collection: str, *, since: float) -> tuple[Day, ...]:
        """The days on which something was asked, the oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT date(at, 'unixepoch') AS day, sum(NOT abstained), sum(abstained), sum(cached), "  # noqa: S608 - constants
                f"sum(NOT abstained AND {_RATED_DOWN}) FROM asked "
                "WHERE collection = ? AND at >= ? GROUP BY day ORDER BY day",
                (collection, since),
            )
            return tuple(Day(*row) for row in rows)

    def durations(self, collection: str, *, since: float, cached: bool = False) -> dict[str, list[float]]:
        """Milliseconds by stage, ascending, of the latest questions that were worked out (or cached)."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT timings FROM asked WHERE collection = ? AND at >= ? AND cached = ? "
                "ORDER BY at DESC LIMIT ?",
                (collection, since, cached, TIMED_QUESTIONS),
            ).fetchall()
        stages: defaultdict[str, list[float]] = defaultdict(list)
        for (timings,) in rows:
            for stage, milliseconds in json.loads(str(timings)).items():
                stages[stage].append(milliseconds)
        return {stage: sorted(times) for stage, times in stages.items()}

    def unanswered(self, collection: str, *, since: float, limit: int) -> tuple[Exchange, ...]:
        """Questions without an answer, the latest first."""
        return self._exchanges("abstained", collection, since, limit)

    def rated_down(self, collection: str, *, since: float, limit: int) -> tuple[Exchange, ...]:
        """Answers that somebody found wrong, the latest first."""
        return self._exchanges(f"NOT abstained AND {_RATED_DOWN}", collection, since, limit)

    def _exchanges(self, chosen: str, collection: str, since: float, limit: int) -> tuple[Exchange, ...]:
        with self._database.reading() as db:
            rows = db.execute(_EXCHANGES.format(chosen=chosen), (collection, since, limit))
            return tuple(Exchange(*row) for row in rows)

    # ------------------------------------------------------------------ documents

    def uses(self, collection: str, *, since: float) -> tuple[Use, ...]:
        """Every document of the collection, the most cited first, by the questions asked there."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT documents.id, collections.name, title, uri, media_type, pages, chunks, figures, "
                "added_at, added_by, count(asked.key) AS answers, max(asked.at) "
                "FROM documents JOIN collections ON collections.key = documents.collection "
                "LEFT JOIN answer_documents ON answer_documents.document_id = documents.id "
                "LEFT JOIN asked ON asked.answer = answer_documents.answer AND asked.at >= ?2 "
                "AND asked.collection = ?1 AND NOT asked.abstained "
                "WHERE collections.name = ?1 GROUP BY documents.key ORDER BY answers DESC, added_at DESC",
                (collection, since),
            )
            return tuple(Use(Document(*document), answers, at) for *document, answers, at in rows)

    # ---------------------------------------------------------------- corrections

    def propose(self, rating: Rating, *, proposal_id: str) -> None:
        """Keep a correction until it is decided, or for 30 days; once, however often it is proposed."""
        with self._database.writing() as db:
            db.execute("DELETE FROM proposals WHERE at < ?", (_too_old(),))
            db.execute(
                "INSERT OR IGNORE INTO proposals (id, answer, correction, author, at) VALUES (?, ?, ?, ?, ?)",
                (proposal_id, rating.answer_id, rating.correction, rating.author, time.time()),
            )

    def proposals(self, collection: str) -> tuple[Proposal, ...]:
        """Those that wait and would become sources of this collection, the oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                f"{_PROPOSALS} AND json_extract(collections, '$[#-1]') = ? ORDER BY at",
                (_too_old(), collection),
            )
            return tuple(Proposal(*row) for *row, _ in rows)

    def proposal(self, proposal_id: str, *, collections: Iterable[str] | None) -> Proposal:
        """One that waits. Raises NotFound where none such waits in these collections (None for all)."""
        with self._database.reading() as db:
            row = db.execute(f"{_PROPOSALS} AND proposals.id = ?", (_too_old(), proposal_id)).fetchone()
        if row is None or (collections is not None and row[-1] not in collections):
            raise NotFound(_DECIDED)
        return Proposal(*row[:-1])

    def drop_proposal(self, proposal_id: str) -> None:
        """It is decided. Raises NotFound where it does not wait any more."""
        with self._database.writing() as db:
            settle(db, proposal_id)


def settle(db: apsw.Connection, proposal_id: str) -> None:
    """End the waiting of a correction in this transaction: of those who try at once, one does.

    Raises NotFound where it does not wait any more.
    """
    db.execute("DELETE FROM proposals WHERE id = ? AND at >= ?", (proposal_id, _too_old()))
    if not db.changes():
        raise NotFound(_DECIDED)


def _too_old() -> float:
    """When a correction that was proposed before does not wait any more, in seconds since 1970."""
    return time.time() - PROPOSALS_KEPT_SECONDS
