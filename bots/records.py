"""What a bot remembers between one exchange and the next: it implements `conversation.Records`.

Settings of places, thumbs and (for a week) their reasons, corrections that wait, uses that are counted,
which message shows which answer, which threads the bot takes part in, what was asked and not answered. No
document and no answer stands here; the words of a question only where it was not answered, for a week, and
those of a correction while it waits.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bots.conversation import Proposal
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import apsw

    from bots.conversation import Mark
    from bots.database import Database
    from mmrag.types import Verdict

    Change = Callable[[apsw.Connection], object]

DAY, WEEK = 24 * 3600, 7 * 24 * 3600
PROPOSALS_KEPT_SECONDS = 30 * 24 * 3600

SCHEMA = """
    CREATE TABLE settings (place TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (place, name)) STRICT;
    CREATE TABLE uses (what TEXT NOT NULL, person TEXT NOT NULL, at REAL NOT NULL) STRICT;
    CREATE INDEX uses_by_person ON uses (what, person, at);
    CREATE TABLE marks (
        answer TEXT NOT NULL, author TEXT NOT NULL, by TEXT NOT NULL,
        verdict TEXT NOT NULL, standing INTEGER NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (answer, author, by)
    ) STRICT;
    CREATE TABLE proposals (
        id TEXT PRIMARY KEY, answer TEXT NOT NULL, correction TEXT NOT NULL, author TEXT NOT NULL,
        name TEXT NOT NULL, needed INTEGER NOT NULL, at REAL NOT NULL
    ) STRICT;
    CREATE TABLE approvals (
        proposal TEXT NOT NULL REFERENCES proposals ON DELETE CASCADE, person TEXT NOT NULL,
        PRIMARY KEY (proposal, person)
    ) STRICT;
    CREATE TABLE posts (                       -- the bot's messages, by what their platform calls them
        message TEXT PRIMARY KEY, thread TEXT NOT NULL, answer TEXT, at REAL NOT NULL
    ) STRICT;
    CREATE INDEX posts_by_thread ON posts (thread, at);
    CREATE TABLE threads (thread TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
    CREATE TABLE asked (
        at REAL NOT NULL, workspace TEXT NOT NULL, place TEXT NOT NULL, question TEXT,
        answered INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE whispers (answer TEXT PRIMARY KEY, content TEXT NOT NULL, at REAL NOT NULL) STRICT;
    CREATE INDEX asked_by_time ON asked (workspace, at);
"""
# Came later. Some files of an unreleased version have it already.
REASONS_SCHEMA = """
    CREATE TABLE IF NOT EXISTS reasons (       -- of a thumbs down, as they were ticked
        answer TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
        workspace TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (answer, author, reason)
    ) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Post:
    """A message of the bot's: the thread it stands in, and the answer that it shows."""

    message: str
    thread: str
    answer_id: str | None


class DiskRecords:
    """Records in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ----------------------------------------------------- for the conversation

    async def spend(self, what: str, person: str, *, most: int, seconds: int) -> bool:
        def change(db: apsw.Connection) -> bool:
            now = time.time()
            db.execute(
                "DELETE FROM uses WHERE what = ? AND person = ? AND at < ?", (what, person, now - seconds)
            )
            spent = db.execute("SELECT count(*) FROM uses WHERE what = ? AND person = ?", (what, person)).get
            if spent >= most:
                return False
            db.execute("INSERT INTO uses VALUES (?, ?, ?)", (what, person, now))
            return True

        return await self._database.write(change)

    async def mark(self, mark: Mark) -> tuple[Verdict | None, Verdict | None]:
        def change(db: apsw.Connection) -> tuple[Verdict | None, Verdict | None]:
            before = _verdict(db, mark.answer_id, mark.author)
            db.execute(
                "INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (answer, author, by) DO UPDATE SET "
                "verdict = excluded.verdict, standing = excluded.standing, at = excluded.at "
                "WHERE excluded.at >= marks.at",
                (mark.answer_id, mark.author, mark.by, mark.verdict, mark.standing, mark.at),
            )
            return before, _verdict(db, mark.answer_id, mark.author)

        return await self._database.write(change)

    async def propose(self, proposal: Proposal) -> None:
        said = (proposal.id, proposal.answer_id, proposal.correction, proposal.author, proposal.name)
        values = (*said, proposal.needed, time.time())
        await self._database.write(
            lambda db: db.execute("INSERT OR IGNORE INTO proposals VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        )

    async def approve(self, proposal_id: str, person: str, *, admin: bool) -> tuple[Proposal, bool] | None:
        def change(db: apsw.Connection) -> tuple[Proposal, bool] | None:
            proposal = _proposal(db, proposal_id)
            if proposal is None:
                return None
            if proposal.author == person and not admin:
                raise InvalidInput("Somebody else has to approve your correction.")
            db.execute("INSERT OR IGNORE INTO approvals VALUES (?, ?)", (proposal_id, person))
            votes = db.execute("SELECT count(*) FROM approvals WHERE proposal = ?", (proposal_id,)).get
            return proposal, admin or votes >= proposal.needed

        return await self._database.write(change)

    async def proposal(self, proposal_id: str) -> Proposal | None:
        return await self._database.write(lambda db: _proposal(db, proposal_id))

    async def settle(self, proposal_id: str) -> None:
        await self._database.write(
            lambda db: db.execute("DELETE FROM proposals WHERE id = ?", (proposal_id,))
        )

    # ----------------------------------------------------------- for an adapter

    async def apply(self, change: Change) -> None:
        """Carry out one of the changes below by itself."""
        await self._database.write(change)

    async def setting(self, place: str, name: str, default: str) -> str:
        """What was set for a place."""
        value: str | None = await self._database.write(
            lambda db: (
                db.execute("SELECT value FROM settings WHERE place = ? AND name = ?", (place, name)).get
            )
        )
        return default if value is None else value

    async def set(self, place: str, name: str, value: str) -> None:
        await self._database.write(remember_setting(place, name, value))

    async def places_with(self, name: str) -> dict[str, str]:
        """{place: value} of all places where something of this name is set."""
        rows = await self._database.write(
            lambda db: db.execute("SELECT place, value FROM settings WHERE name = ?", (name,)).fetchall()
        )
        return {str(place): str(value) for place, value in rows}

    async def settings_within(self, places: str) -> dict[str, dict[str, str]]:
        """{place: {name: value}} of all places whose name begins so, where something is set."""
        rows = await self._database.write(
            lambda db: db.execute(
                "SELECT place, name, value FROM settings WHERE substr(place, 1, length(?1)) = ?1 "
                "ORDER BY place, name",
                (places,),
            ).fetchall()
        )
        found: dict[str, dict[str, str]] = {}
        for place, name, value in rows:
            found.setdefault(str(place), {})[str(name)] = str(value)
        return found

    async def post(self, message: str) -> Post | None:
        """The bot's message of this name."""
        row = await self._database.write(
            lambda db: db.execute(
                "SELECT message, thread, answer FROM posts WHERE message = ?", (message,)
            ).fetchone()
        )
        return None if row is None else Post(*row)

    async def last_answer(self, thread: str) -> Post | None:
        """The last answer in a thread."""
        row = await self._database.write(
            lambda db: db.execute(
                "SELECT message, thread, answer FROM posts WHERE thread = ? AND answer IS NOT NULL "
                "ORDER BY at DESC, rowid DESC LIMIT 1",
                (thread,),
            ).fetchone()
        )
        return None if row is None else Post(*row)

    async def messages_in(self, thread: str) -> frozenset[str]:
        """The bot's messages in a thread, as far as they are known to have arrived."""
        rows = await self._database.write(
            lambda db: db.execute("SELECT message FROM posts WHERE thread = ?", (thread,)).fetchall()
        )
        return frozenset(str(message) for (message,) in rows)

    async def takes_part_in(self, thread: str) -> bool:
        """Whether the bot was asked in this thread before."""
        return bool(
            await self._database.write(
                lambda db: db.execute("SELECT 1 FROM threads WHERE thread = ?", (thread,)).get
            )
        )

    async def whispered(self, answer_id: str) -> dict[str, Any] | None:
        """An answer that one person saw, as it was to be shown, for a day."""
        content: str | None = await self._database.write(
            lambda db: db.execute("SELECT content FROM whispers WHERE answer = ?", (answer_id,)).get
        )
        return None if content is None else json.loads(content)

    async def note_reasons(self, workspace: str, answer_id: str, author: str, reasons: Sequence[str]) -> None:
        """What a person says is wrong with an answer; it takes the place of what they said before."""
        now = time.time()

        def change(db: apsw.Connection) -> None:
            db.execute(
                "DELETE FROM reasons WHERE (answer = ? AND author = ?) OR at < ?",
                (answer_id, author, now - WEEK),
            )
            db.executemany(
                "INSERT OR IGNORE INTO reasons VALUES (?, ?, ?, ?, ?)",
                [(answer_id, author, reason, workspace, now) for reason in reasons],
            )

        await self._database.write(change)

    async def reasons_lately(self, workspace: str) -> dict[str, int]:
        """How often each reason was given in a week."""
        return await self._database.write(
            lambda db: {
                str(reason): int(number)
                for reason, number in db.execute(
                    "SELECT reason, count(*) FROM reasons WHERE workspace = ? AND at > ? GROUP BY reason",
                    (workspace, time.time() - WEEK),
                )
            }
        )

    async def asked_lately(self, workspace: str) -> tuple[int, list[str]]:
        """How many questions a week brought where everyone can see, and the unanswered, newest first."""

        def read(db: apsw.Connection) -> tuple[int, list[str]]:
            since = time.time() - WEEK
            values = (workspace, since)
            number = db.execute(
                "SELECT count(*) FROM asked WHERE workspace = ? AND at > ? AND place = ''", values
            ).get
            rows = db.execute(
                "SELECT question FROM asked WHERE workspace = ? AND at > ? AND place = '' "
                "AND NOT answered AND question IS NOT NULL ORDER BY at DESC LIMIT 10",
                values,
            )
            return number, [str(question) for (question,) in rows]

        return await self._database.write(read)


def remember_post(message: str, thread: str, answer_id: str | None) -> Change:
    """A change: the bot has posted this."""
    return lambda db: db.execute(
        "INSERT OR REPLACE INTO posts VALUES (?, ?, ?, ?)", (message, thread, answer_id, time.time())
    )


def remember_setting(place: str, name: str, value: str) -> Change:
    """A change: this is set for a place."""
    return lambda db: db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (place, name, value))


def take_part_in(thread: str) -> Change:
    """A change: the bot is asked in this thread."""
    return lambda db: db.execute("INSERT OR REPLACE INTO threads VALUES (?, ?)", (thread, time.time()))


def remember_whisper(answer_id: str, content: Mapping[str, Any]) -> Change:
    """A change: one person saw this answer and may share it within a day."""

    def change(db: apsw.Connection) -> None:
        now = time.time()
        db.execute("DELETE FROM whispers WHERE at < ?", (now - DAY,))
        db.execute("INSERT OR REPLACE INTO whispers VALUES (?, ?, ?)", (answer_id, json.dumps(content), now))

    return change


def remember_asked(workspace: str, place: str, question: str | None, *, answered: bool) -> Change:
    """A change: something was asked; its words are kept for a week if nobody answered it."""

    def change(db: apsw.Connection) -> None:
        now = time.time()
        db.execute("DELETE FROM asked WHERE at < ?", (now - WEEK,))
        db.execute("DELETE FROM proposals WHERE at < ?", (now - PROPOSALS_KEPT_SECONDS,))
        db.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?, ?)",
            (now, workspace, place, None if answered else question, answered),
        )

    return change


def _verdict(db: apsw.Connection, answer_id: str, author: str) -> Verdict | None:
    verdict: Verdict | None = db.execute(
        "SELECT verdict FROM marks WHERE answer = ? AND author = ? AND standing ORDER BY at DESC LIMIT 1",
        (answer_id, author),
    ).get
    return verdict


def _proposal(db: apsw.Connection, proposal_id: str) -> Proposal | None:
    row = db.execute(
        "SELECT id, answer, correction, author, name, needed FROM proposals WHERE id = ?", (proposal_id,)
    ).fetchone()
    return None if row is None else Proposal(*row)
