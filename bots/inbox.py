"""What came in and what has to go out, on disk: nothing that was acknowledged is lost, or answered twice.

    put -> waiting -> lease -> running -> answer (job and outbox rows in one commit) -> answered
        -> sending, sent (each part) -> finish -> done

An event is put before it is acknowledged. It is known by several keys (the platform's event id, the
message itself), so however often, by whatever way and to whichever process it comes, there is one job. A
worker leases a job; another process takes it over when its owner is gone, which a file lock tells at once,
or has stalled: the owner's heart has not beaten for `stalled_seconds`. Each lease has a number, its attempt,
and whoever comes back with a lease that somebody else has taken over changes nothing any more
(`LeaseLostError`). What was answered is delivered by the outbox; a part that was being sent when a process
died is `unsure`, and its adapter looks before it sends again.

Fair and bounded: of those who wait, whoever has least under way and was served longest ago is next;
one person, one channel and all together may have so many waiting; beyond, one refusal for what is too
much. Messages of one thread are worked on one after the other. All of it holds over all processes of one
data folder, since all of it stands there. It knows no platform and no engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import apsw

    from bots.database import Database

Receipt = Literal["taken", "known", "full"]
Pace = Literal["quick", "slow"]  # quick jobs have workers of their own and never wait for an answer

REMEMBERED_SECONDS = 48 * 3600  # a platform delivers again for hours; trust asks for a day at least
MOST_ATTEMPTS = 3  # a job that took its process down that often is apologised for
TIDY_SECONDS = 60.0
STALLED_SECONDS = 60.0  # without a heartbeat; a process that swaps or computes must not seem to be gone

SCHEMA = """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,           -- known outside: the platform's messages carry it
        kind TEXT NOT NULL,
        pace TEXT NOT NULL,
        person TEXT NOT NULL,
        channel TEXT NOT NULL,
        thread TEXT NOT NULL,               -- jobs of one thread run one after the other
        payload TEXT NOT NULL,              -- emptied when the job is done
        state TEXT NOT NULL,                -- waiting, running, answered, done
        owner TEXT,                         -- the process that works on it
        attempts INTEGER NOT NULL DEFAULT 0,
        received REAL NOT NULL,
        finished REAL,
        outcome TEXT
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state, pace, owner);
    CREATE INDEX jobs_by_person ON jobs (person, state);

    CREATE TABLE outbox (
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        part INTEGER NOT NULL,
        content TEXT NOT NULL,              -- emptied when it is sent
        state TEXT NOT NULL,                -- ready, sending, sent
        receipt TEXT NOT NULL DEFAULT '',   -- what the adapter knows of it: a message's id, a stream
        PRIMARY KEY (job, part)
    ) STRICT;

    CREATE TABLE seen (key TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
    CREATE INDEX seen_by_time ON seen (at);
    CREATE TABLE served (person TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many jobs may wait; and how many slow ones of a person may be under way at once."""

    of_a_person: int = 20
    of_a_channel: int = 200
    in_all: int = 2_000
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a platform and asks for work.

    `keys` are all names it may come by again. `person`, `channel` and `thread` are for fairness and order.
    """

    kind: str
    keys: tuple[str, ...]
    person: str
    channel: str
    thread: str
    payload: Mapping[str, Any]
    pace: Pace = "slow"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to send. It is `unsure` if an earlier attempt may have arrived."""

    number: int
    content: dict[str, Any]
    unsure: bool
    receipt: str


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job: to work on, or with `parts` to deliver what was answered."""

    id: int
    key: str
    kind: str
    payload: dict[str, Any]
    attempts: int
    received: float
    parts: tuple[Part, ...] | None = None


class LeaseLostError(Exception):
    """Another process has taken this job over: it is not ours to work on any more."""


class Inbox:
    """The jobs in a database. `folder` holds the file by which others see that this process lives.

    What works on a leased job raises LeaseLostError where the lease is somebody else's by now.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        bounds: Bounds | None = None,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._database = database
        self._bounds = bounds or Bounds()
        self._wake = {"quick": asyncio.Event(), "slow": asyncio.Event()}
        self._stalled_seconds = stalled_seconds
        self._owner = Owner(folder, stalled_seconds=stalled_seconds)
        self._tidied = float("-inf")
        self._version = -1  # of the database, as other processes have changed it

    async def put(self, event: Event, *, also: Callable[[apsw.Connection], object] | None = None) -> Receipt:
        """Keep an event, and do `also` in the same commit; it may be acknowledged when this returns."""
        receipt = await self._database.write(lambda db: self._put(db, event, also))
        if receipt != "known":
            self._wake["quick" if receipt == "full" else event.pace].set()
        return receipt

    async def lease(self, pace: Pace) -> Job | None:
        """The next job for a worker, or None: what is answered already first, then whose turn it is."""
        return await self._database.write(lambda db: self._lease(db, pace))

    async def wait(self, pace: Pace, *, seconds: float) -> None:
        """Until there may be a job for this pace, or this long."""
        # Python 3.11's `wait_for` loses a cancellation that comes with the event: a worker would never end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake[pace].wait()
        self._wake[pace].clear()

    def wake(self) -> None:
        """Let every worker look again: a thread or a person may be free now."""
        for event in self._wake.values():
            event.set()

    def beat(self) -> None:
        """Show the other processes that this one works; to be called far more often than they wait for it."""
        self._owner.beat()

    async def look_around(self) -> None:
        """Let the workers look for what other processes have put or set free since the last time."""
        version: int = await self._database.write(lambda db: db.execute("PRAGMA data_version").get)
        if version != self._version:
            self._version = version
            self.wake()

    async def hold(self, job: Job) -> None:
        """Raise LeaseLostError unless the job is ours still: to be called before anything is shown."""
        await self._promptly(lambda db: self._check(db, job))

    async def answer(
        self,
        job: Job,
        contents: Sequence[Mapping[str, Any]],
        *,
        also: Callable[[apsw.Connection], object] | None = None,
    ) -> Job:
        """The job is answered and this is to be sent: one commit. Returns the job with its parts."""

        def change(db: apsw.Connection) -> None:
            self._check(db, job)
            db.execute("UPDATE jobs SET state = 'answered' WHERE id = ?", (job.id,))
            db.executemany(
                "INSERT INTO outbox (job, part, content, state) VALUES (?, ?, ?, 'ready')",
                [(job.id, number, json.dumps(content)) for number, content in enumerate(contents)],
            )
            if also is not None:
                also(db)

        await self._database.write(change)
        parts = tuple(
            Part(number, dict(content), unsure=False, receipt="") for number, content in enumerate(contents)
        )
        return Job(job.id, job.key, job.kind, job.payload, job.attempts, job.received, parts)

    async def sending(self, job: Job, part: Part, receipt: str = "") -> None:
        """A part is about to be sent, or half sent: from now on it may have arrived. Holds the job, too."""
        await self._promptly(self._noted(job, part, "state = 'sending'", receipt))

    async def sent(self, job: Job, part: Part, receipt: str) -> None:
        """A part has arrived; its content is not needed any more."""
        await self._database.write(self._noted(job, part, "state = 'sent', content = '{}'", receipt))

    async def _promptly(self, change: Callable[[apsw.Connection], object]) -> None:
        """Make a change; once more where it took so long that the job may be another's since."""
        for _ in range(_MOST_CHANGES):
            begun = time.monotonic()
            await self._database.write(change)
            if time.monotonic() - begun < self._stalled_seconds / 2:
                return

    def _noted(self, job: Job, part: Part, change: str, receipt: str) -> Callable[[apsw.Connection], object]:
        def note(db: apsw.Connection) -> None:
            self._check(db, job)
            db.execute(
                f"UPDATE outbox SET {change}, receipt = ? WHERE job = ? AND part = ?",  # noqa: S608 - ours, above
                (receipt, job.id, part.number),
            )

        return note

    async def finish(self, job: Job, outcome: str) -> None:
        """Nothing is left to do; what was said is forgotten, that it was answered is remembered."""

        def change(db: apsw.Connection) -> None:
            self._check(db, job)
            db.execute(
                "UPDATE jobs SET state = 'done', owner = NULL, payload = '{}', finished = ?, outcome = ? "
                "WHERE id = ?",
                (time.time(), outcome, job.id),
            )
            db.execute("UPDATE outbox SET content = '{}' WHERE job = ?", (job.id,))

        await self._database.write(change)
        self.wake()

    async def release(self, job: Job) -> None:
        """It could not be worked on: it is anybody's again. Nothing happens where it is not ours."""

        def change(db: apsw.Connection) -> None:
            with contextlib.suppress(LeaseLostError):
                self._check(db, job)
                db.execute(f"{_SET_FREE} WHERE id = ?", (job.id,))

        await self._database.write(change)
        self.wake()

    async def recover(self) -> int:
        """Set free what processes that are gone or stalled had leased; how many jobs there were.

        Every minute, what is old is forgotten.
        """
        now = time.monotonic()
        tidies = now - self._tidied > TIDY_SECONDS
        self._tidied = now if tidies else self._tidied

        def change(db: apsw.Connection) -> int:
            taken_over = 0
            for (owner,) in db.execute(_OWNERS).fetchall():
                if not self._owner.works(str(owner)):
                    db.execute(f"{_SET_FREE} WHERE state IN ('running', 'answered') AND owner = ?", (owner,))
                    taken_over += db.changes()
            if tidies:
                _forget_old(db)
            return taken_over

        taken_over = await self._database.write(change)
        if taken_over:
            self.wake()
        if tidies:
            self._owner.sweep()
        return taken_over

    def close(self) -> None:
        self._owner.leave()

    # -------------------------------------------------------------- transactions

    def _check(self, db: apsw.Connection, job: Job) -> None:
        """Raise LeaseLostError unless this very lease of ours stands."""
        lease = (job.id, self._owner.name, job.attempts)
        if not db.execute("SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND attempts = ?", lease).get:
            raise LeaseLostError(job.key)

    def _put(
        self, db: apsw.Connection, event: Event, also: Callable[[apsw.Connection], object] | None
    ) -> Receipt:
        if _is_known(db, event.keys):
            _remember(db, event.keys)  # by its other names as well
            return "known"
        _remember(db, event.keys)
        if also is not None:
            also(db)
        if self._is_full(db, event):
            _refuse(db, event)
            return "full"
        _insert(db, event, key=secrets.token_hex(12))
        return "taken"

    def _is_full(self, db: apsw.Connection, event: Event) -> bool:
        if event.pace == "quick":
            return False
        waiting = "SELECT count(*) FROM jobs WHERE state = 'waiting' AND pace = 'slow'"
        return bool(
            db.execute(f"{waiting} AND person = ?", (event.person,)).get >= self._bounds.of_a_person
            or db.execute(waiting).get >= self._bounds.in_all
            or db.execute(f"{waiting} AND channel = ?", (event.channel,)).get >= self._bounds.of_a_channel
        )

    def _lease(self, db: apsw.Connection, pace: Pace) -> Job | None:
        at_once = self._bounds.at_once if pace == "slow" else -1
        row = (
            db.execute(_NEXT_ANSWERED, (pace,)).fetchone()
            or db.execute(_NEXT_WAITING, (pace, at_once)).fetchone()
        )
        if row is None:
            return None
        id_, person = row
        leased: Any = db.execute(
            "UPDATE jobs SET owner = ?, attempts = attempts + 1, "
            "state = iif(state = 'waiting', 'running', state) WHERE id = ? "
            "RETURNING key, kind, payload, attempts, received, state",
            (self._owner.name, id_),
        ).fetchone()
        key, kind, payload, attempts, received, state = leased
        db.execute(
            "INSERT INTO served (person, turn) SELECT ?1, coalesce(max(turn), 0) + 1 FROM served WHERE true "
            "ON CONFLICT (person) DO UPDATE SET turn = excluded.turn",
            (person,),
        )
        parts = _parts(db, id_) if state == "answered" else None
        return Job(id_, key, kind, json.loads(payload), attempts, received, parts)


_MOST_CHANGES = 3  # a disk that is always slow must not hold up everything
_SET_FREE = "UPDATE jobs SET owner = NULL, state = iif(state = 'running', 'waiting', state)"
_OWNERS = """
    SELECT DISTINCT owner FROM jobs WHERE state IN ('running', 'answered') AND owner IS NOT NULL
"""
_NEXT_ANSWERED = """
    SELECT id, person FROM jobs WHERE state = 'answered' AND pace = ? AND owner IS NULL ORDER BY id LIMIT 1
"""
# Whoever has least under way, then whoever was served longest ago; the order within a thread stays.
_NEXT_WAITING = """
    WITH busy AS (
        SELECT person, count(*) AS number FROM jobs WHERE state IN ('running', 'answered') AND pace = ?1
        GROUP BY person
    )
    SELECT id, person FROM jobs AS job LEFT JOIN busy USING (person) LEFT JOIN served USING (person)
    WHERE state = 'waiting' AND pace = ?1
        AND thread NOT IN (SELECT thread FROM jobs WHERE state IN ('running', 'answered'))
        AND (?2 < 0 OR coalesce(number, 0) < ?2)
    ORDER BY coalesce(number, 0), coalesce(turn, 0), id
    LIMIT 1
"""


def _forget_old(db: apsw.Connection) -> None:
    horizon = time.time() - REMEMBERED_SECONDS
    db.execute("DELETE FROM seen WHERE at < ?", (horizon,))
    db.execute("DELETE FROM jobs WHERE state = 'done' AND finished < ?", (horizon,))


def _is_known(db: apsw.Connection, keys: Sequence[str]) -> bool:
    return any(db.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).get for key in keys)


def _remember(db: apsw.Connection, keys: Sequence[str]) -> None:
    now = time.time()
    db.executemany("INSERT OR IGNORE INTO seen (key, at) VALUES (?, ?)", [(key, now) for key in keys])


def _insert(db: apsw.Connection, event: Event, *, key: str) -> None:
    db.execute(
        "INSERT INTO jobs (key, kind, pace, person, channel, thread, payload, state, received) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
        (
            *(key, event.kind, event.pace, event.person, event.channel, event.thread),
            *(json.dumps(event.payload), time.time()),
        ),
    )


def _refuse(db: apsw.Connection, event: Event) -> None:
    """One refusal for all that is too much of one person in one channel until it is said."""
    counted = db.execute(
        "UPDATE jobs SET payload = json_set(payload, '$.refused', json_extract(payload, '$.refused') + 1) "
        "WHERE kind = 'refusal' AND state = 'waiting' AND person = ? AND channel = ? RETURNING id",
        (event.person, event.channel),
    ).fetchone()
    if counted is None:
        refusal = Event(
            kind="refusal",
            keys=(),
            person=event.person,
            channel=event.channel,
            thread=f"refusal {secrets.token_hex(4)}",
            payload={**event.payload, "refused": 1},
            pace="quick",
        )
        _insert(db, refusal, key=secrets.token_hex(12))


def _parts(db: apsw.Connection, job: int) -> tuple[Part, ...]:
    rows = db.execute(
        "SELECT part, content, state, receipt FROM outbox WHERE job = ? AND state != 'sent' ORDER BY part",
        (job,),
    )
    return tuple(
        Part(part, json.loads(content), unsure=state == "sending", receipt=receipt)
        for part, content, state, receipt in rows
    )


class Owner:
    """This process among those that share an inbox: it lives as long as it holds the lock on its file.

    In the file stands when its heart last beat, by the clock that runs since the machine started: it is the
    same for all processes, nobody sets it, and it stands still while the machine sleeps.
    """

    def __init__(self, folder: Path, *, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._folder = folder
        self._stalled_seconds = stalled_seconds
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._lock = self._locked()
        self.beat()

    def _locked(self) -> int:
        """Our file, locked; made again where another process took it for one that was left behind."""
        path = self._path(self.name)
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), path.stat()):
                    return lock
            os.close(lock)

    def beat(self) -> None:
        os.pwrite(self._lock, _BEAT % time.monotonic(), 0)

    def works(self, name: str) -> bool:
        """Whether a process is there and its heart beats; the file of one that is gone is removed."""
        if name == self.name:
            return True
        try:
            other = os.open(self._path(name), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return time.monotonic() - float(os.pread(other, 64, 0) or "inf") < self._stalled_seconds
        else:
            self._path(name).unlink(missing_ok=True)
            return False
        finally:
            os.close(other)

    def sweep(self) -> None:
        """Remove the files of processes that are gone."""
        for path in self._folder.glob("*-*.lock"):
            self.works(path.stem)

    def leave(self) -> None:
        self._path(self.name).unlink(missing_ok=True)
        os.close(self._lock)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


_BEAT = b"%020.3f"  # always as long, so that it is written whole
