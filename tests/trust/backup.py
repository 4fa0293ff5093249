"""Promise: a backup that is taken while the data is used, restored elsewhere, gives the same answers.

And nothing is ever half there: processes that back up or restore are killed with `kill -9` between any two
lines of their code, archives are damaged, and then every row is compared.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import threading
from pathlib import Path

import apsw

from mmrag import backup, home
from mmrag.backup.places import ASIDE
from mmrag.errors import NotReadable, StoreUnavailable
from mmrag.types import ChunkDraft, Document, Page, Question, document_id
from tests.storage.samples import Version
from tests.trust import kills
from tests.trust.outcome import trial_run
from tests.trust.parts import COLLECTIONS, EMBEDDER, open_engine, open_store, opened, settle
from tests.trust.processes import started
from tests.trust.rows import index_faults, make_document, read_rows

TRIALS = 400
BACKUPS_UNDER_LOAD = 3
ASKED = "asked"  # a collection that nobody changes meanwhile
SUBJECTS = ("gateway", "invoice", "certificate", "dashboard")


def run(trials, seed, folder):
    """Each kind of trial in turn."""
    kinds = (_under_load, _killed_backup, _killed_restore, _damaged)
    with trial_run(seed) as outcome:
        for number in range(trials):
            place = folder / str(number)
            place.mkdir(parents=True)
            kinds[number % len(kinds)](place, random.Random(f"{seed} {number}"), outcome, f"trial {number}")
            outcome.trials += 1
            shutil.rmtree(place)
        return outcome


# ------------------------------------------------------------------ under load


def _under_load(place, rng, outcome, trial):
    """Backups while another process adds, replaces, removes, compacts and forgets."""
    source = place / "home"
    with open_store(source) as store:
        for version in (_fact(subject, rng) for subject in SUBJECTS):
            version.put_into(store, embedder=EMBEDDER.name)
    said = _answers(source)
    outcome.check(not all(abstained for _text, abstained, _cited in said), f"{trial}: nothing was answered")
    history = kills.History(f"{trial} {rng.random()}")
    taken, exact = [], True
    with started(kills.write, str(source), history.name, 0, exact) as (_process, connection):
        connection.recv()  # it is ready
        bot = _Bot(source, history, connection)
        bot.start()
        for number in range(BACKUPS_UNDER_LOAD):
            bot.wait_for(rng.randint(1, 10))
            file, before = place / f"{number}.tar", bot.now()
            backup.back_up(source, file)
            taken.append((file, before, bot.now()[0]))
        bot.stop()
    for number, (file, (done, state), latest) in enumerate(taken):
        outcome.count("backups under load")
        restored = place / f"restored {number}"
        backup.restore(restored, file)
        rows = read_rows(restored)
        documents = {key: rest for key, rest in rows.documents.items() if key[0] != ASKED}
        moments = _states(history.name, done, state, latest + 1)
        outcome.check(documents in moments, f"{trial}: a backup holds what never was at one moment")
        known = _Bot.known(restored) - done
        outcome.check(documents in moments[max(0, known) :], f"{trial}: a bot knows what the store does not")
        _check_sound(restored, rows, rng, outcome, trial)
        outcome.check(_answers(restored) == said, f"{trial}: the restored data answers otherwise")
        outcome.count("answers compared", len(said))


class _Bot(threading.Thread):
    """Hears of each step that the writer has done, and then notes it in a file of its own, as a bot does."""

    def __init__(self, home, history, connection):
        super().__init__()
        self._home, self._history, self._connection = home, history, connection
        self._changed = threading.Condition()
        self._stopping = False

    def run(self):
        (self._home / "bots").mkdir()
        db = apsw.Connection(str(self._home / "bots" / "bot.sqlite3"))
        list(db.execute("PRAGMA journal_mode = WAL; CREATE TABLE known (step INTEGER)"))
        while not self._stopping:
            if self._connection.poll(0.05):
                self._connection.recv()
                with self._changed:
                    self._history.advance()
                    self._changed.notify_all()
                db.execute("INSERT INTO known VALUES (?)", (self._history.done,))
        db.close()

    def now(self):
        """(steps that are done, what is held then)."""
        with self._changed:
            return self._history.done, self._history.state

    def wait_for(self, steps):
        with self._changed:
            until = self._history.done + steps
            assert self._changed.wait_for(lambda: self._history.done >= until, timeout=60)

    def stop(self):
        self._stopping = True
        self.join()

    @staticmethod
    def known(home):
        """The last step that a restored bot knows of."""
        db = apsw.Connection(str(home / "bots" / "bot.sqlite3"))
        try:
            return db.execute("SELECT coalesce(max(step), 0) FROM known").get
        finally:
            db.close()


def _fact(subject, rng):
    """A document that answers a question of `_answers`."""
    text = f"The {subject} is renewed every {rng.randint(2, 90)} days by team {rng.getrandbits(32)}."
    uri = f"{subject}.md"
    document = Document(
        document_id(ASKED, uri),
        ASKED,
        f"About {subject}",
        uri,
        "text/markdown",
        1,
        1,
        0,
        "2024-01-01T00:00:00Z",
    )
    draft = ChunkDraft(1, 0, len(text), text)
    vectors = EMBEDDER.embed_documents([draft.searched])
    return Version(document, text, (Page(1, text),), (draft,), vectors)


def _answers(folder):
    """What is said, and cited, of each subject."""
    with open_engine(folder, EMBEDDER) as engine:
        questions = [f"How often is the {subject} renewed?" for subject in SUBJECTS]
        answers = [engine.ask(Question(question, (ASKED,))) for question in questions]
    return [(answer.text, answer.abstained, answer.citations) for answer in answers]


def _states(name, done, state, until):
    """What was held after each of these steps."""
    history = kills.History(name)
    history.done, history.state = done, state
    states = [state]
    while history.done < until:
        history.advance()
        states.append(history.state)
    return states


def _check_sound(folder, rows, rng, outcome, trial):
    for fault in rows.faults:
        outcome.check(holds=False, failure=f"{trial}: {fault}")
    outcome.count("rows compared", sum(map(len, rows.chunks.values())) + len(rows.documents))
    with opened(folder) as (_store, retriever):
        for fault in index_faults(retriever, rows, rng, collections=COLLECTIONS[:2]):
            outcome.check(holds=False, failure=f"{trial}: {fault}")


# ---------------------------------------------------------------------- killed


def _killed_backup(place, rng, outcome, trial):
    source, target = place / "home", place / "taken.tar"
    held = _fill(source, rng)
    lines = _lines_of(backup.back_up, source, place / "counted.tar")
    _run_and_kill("back_up", (str(source), str(target)), rng.randint(1, lines))
    outcome.check(_held(source) == held, f"{trial}: a killed backup changed the data")
    if target.exists():
        outcome.count("killed once the backup was there")
        backup.restore(place / "restored", target)
        outcome.check(_held(place / "restored") == held, f"{trial}: a killed backup is half there")
    else:
        outcome.count("killed before the backup was there")
    backup.back_up(source, place / "again.tar")
    outcome.check(not [*place.glob(".mmrag-backup-*")], f"{trial}: what was left is never cleared")


def _killed_restore(place, rng, outcome, trial):
    old_home, file = place / "home", place / "new.tar"
    old, new = _fill(old_home, rng), _fill(place / "source", rng)
    backup.back_up(place / "source", file)
    shutil.copytree(old_home, place / "counted")
    lines = _lines_of(backup.restore, place / "counted", file, replace=True)
    _run_and_kill("restore", (str(old_home), str(file)), rng.randint(1, lines))
    if (old_home / home.RESTORE_PLAN).exists():
        outcome.count("killed once the restore was decided")
        outcome.check(not _opens(old_home), f"{trial}: a half restored store was opened")
        backup.finish(old_home)
        expected = new
    elif [*old_home.glob(f"{ASIDE}*")]:
        outcome.count("killed when the restore was done")
        expected = new
    else:
        outcome.count("killed before the restore was decided")
        expected = old
    outcome.check(_held(old_home) == expected, f"{trial}: a killed restore is half there")
    if expected is new:
        (aside,) = old_home.glob(f"{ASIDE}*")
        outcome.check(_held(aside) == old, f"{trial}: what was replaced was not kept")
    _check_sound(old_home, read_rows(old_home), rng, outcome, trial)


def _fill(folder, rng):
    """Some documents with their indexes on disk, and a bot's own file beside them; all that is held."""
    with opened(folder) as (store, retriever):
        for number in range(rng.randint(3, 12)):
            version = make_document(rng.random(), collection=rng.choice(COLLECTIONS[:2]), uri=f"{number}.md")
            version.put_into(store, embedder=EMBEDDER.name)
        retriever.search("gateway", collections=COLLECTIONS, k=5)
        settle(retriever)
    (folder / "bots").mkdir()
    db = apsw.Connection(str(folder / "bots" / "bot.sqlite3"))
    list(db.execute("PRAGMA journal_mode = WAL; CREATE TABLE marks (value TEXT)"))
    db.execute("INSERT INTO marks VALUES (?)", (str(rng.random()),))
    db.close()
    (folder / "bots" / "token.key").write_bytes(rng.randbytes(32))
    return _held(folder)


def _held(folder):
    """Documents with all their rows, what the bot's file holds, and its key."""
    db = apsw.Connection(str(folder / "bots" / "bot.sqlite3"))
    marks = [*db.execute("SELECT value FROM marks")]
    db.close()
    return read_rows(folder).documents, marks, (folder / "bots" / "token.key").read_bytes()


def _opens(folder):
    try:
        open_store(folder).close()
    except StoreUnavailable:
        return False
    return True


def _lines_of(work, *arguments, **options):
    """How many lines of the code under trial are run."""
    lines = 0

    def count():
        nonlocal lines
        lines += 1

    _traced(count, work, *arguments, **options)
    return lines


def _run_and_kill(name, arguments, line):
    with started(_die_at, name, arguments, line) as (process, _connection):
        process.join(60)


def _die_at(_connection, name, arguments, line):
    """Back up or restore, and be killed before so many lines of that are run."""
    paths = [Path(argument) for argument in arguments]
    options = {"replace": True} if name == "restore" else {}
    left = line

    def count():
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    _traced(count, getattr(backup, name), *paths, **options)


def _traced(count, work, *arguments, **options):
    """Run `work`; `count` is called before each line of the package's code that it runs."""
    watched = (
        str(Path(backup.__file__).parent),
        str(Path(backup.__file__).parents[1] / "retrieval" / "disk.py"),
    )

    def trace(frame, event, _argument):
        if event == "call" and not frame.f_code.co_filename.startswith(watched):
            return None
        if event == "line":
            count()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(*arguments, **options)
    finally:
        sys.settrace(before)


# --------------------------------------------------------------------- damaged


def _damaged(place, rng, outcome, trial):
    held = _fill(place / "home", rng)
    backup.back_up(place / "home", place / "sound.tar")
    sound = (place / "sound.tar").read_bytes()
    file = place / "damaged.tar"
    file.write_bytes(_damage(sound, rng))
    restored = place / "restored"
    try:
        backup.restore(restored, file)
    except NotReadable:
        outcome.count("damaged backups refused")
        left = [path.name for path in restored.rglob("*") if path.is_file()]
        outcome.check(not left, f"{trial}: a refused backup left {left}")
    else:  # what was changed says nothing: padding, and numbers that are not taken over
        outcome.count("damaged backups restored whole")
        outcome.check(_held(restored) == held, f"{trial}: a damaged backup was believed")


def _damage(sound, rng):
    data = bytearray(sound)
    at = rng.randrange(len(data))
    match rng.choice(["bit", "block", "cut", "gap", "twice", "noise"]):
        case "bit":
            data[at] ^= 1 << rng.randrange(8)
        case "block":
            data[at : at + 512] = bytes(len(data[at : at + 512]))
        case "cut":
            del data[at:]
        case "gap":
            del data[at : at + 512 * rng.randint(1, 20)]
        case "twice":
            data[at:at] = data[at : at + 512 * rng.randint(1, 20)]
        case "noise":
            data[at : at + 100] = rng.randbytes(len(data[at : at + 100]))
    return bytes(data)
