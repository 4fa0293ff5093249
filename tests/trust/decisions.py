"""Promise: a correction is decided once, whoever decides at the same time; and two people are two.

Four people decide about a correction at once, two in each of two processes on one data folder: admins who
approve, an admin who rejects meanwhile, people of whom two are needed, somebody who decides at the engine as
the pages of the owners do. One must be told that it is done, the others that it was decided, or that another
vote is needed; the correction must be a source if it was approved, and none if not. A trial is a correction.
"""

from __future__ import annotations

import asyncio
import os
import random

from bots.conversation import Desk, Rules, handle_approval, handle_correction
from bots.database import Database
from bots.inbox import SCHEMA as JOBS
from bots.records import SCHEMA, DiskRecords
from mmrag.errors import UserFacingError
from mmrag.types import Question, Source
from tests.bots.recorded_chat import RecordedChat
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine
from tests.trust.processes import started

TRIALS = 1_000
IN_MEMORY = True  # nothing here is about durability
DONE, DECIDED, COUNTED = "done", "decided", "counted"
SAYS = {
    "Approved: the correction": DONE,
    "is rejected": DONE,
    "was decided": DECIDED,
    "Noted: it takes": COUNTED,
}
RULES = Rules(approvals=2)
ADMIN_YES, ADMIN_NO, PERSON, PAGES = "admin yes", "admin no", "person", "pages"
# (who decides, how many are told that their vote is counted and others are needed)
KINDS = (
    ((ADMIN_YES,) * 4, 0),
    ((ADMIN_YES, ADMIN_NO) * 2, 0),
    ((PERSON,) * 4, 1),
    ((ADMIN_YES, PAGES) * 2, 0),
    ((ADMIN_NO, PAGES) * 2, 0),
)


def run(trials, seed, folder):
    """Have so many corrections decided."""
    with (
        trial_run(seed) as outcome,
        open_engine(folder / "home", EMBEDDER) as engine,
        _records(folder) as database,
        started(_work, folder) as (_, first),
        started(_work, folder) as (_, second),
    ):
        data = b"The valve of the boiler opens at four bar."
        engine.add(Source("valve.txt", data, uri="test:valve"), collection="shared")
        desk = Desk(RULES, DiskRecords(database))
        rng = random.Random(seed)
        for trial in range(trials):
            _trial(trial, (engine, desk), (first, second), rng, outcome)
            outcome.trials += 1
        for connection in (first, second):
            connection.send(None)
    return outcome


def _records(folder):
    return Database(folder / "bots" / "bot.sqlite3", (JOBS, SCHEMA))


def _trial(trial, parts, connections, rng, outcome):
    engine, desk = parts
    answer = engine.ask(Question(f"At which pressure does valve {trial} open?", ("shared",)))
    chat = RecordedChat()
    correction = f"Valve {trial} opens at {trial} bar."
    asyncio.run(handle_correction(answer.id, correction, chat, engine, author="ana", desk=desk))
    proposal = chat.endings[-1][1]
    deciders, counted = KINDS[trial % len(KINDS)]
    deciders = rng.sample(deciders, len(deciders))
    for number, connection in enumerate(connections):
        connection.send((proposal.id, deciders[2 * number : 2 * number + 2]))
    told = [each for connection in connections for each in connection.recv()]
    what = [kind for _, kind, _ in told]
    outcome.check(what.count(DONE) == 1, f"{what.count(DONE)} of {deciders} decided: {told}")
    outcome.check(what.count(COUNTED) == counted, f"{what.count(COUNTED)} votes were not enough: {told}")
    outcome.check(set(what) <= {DONE, DECIDED, COUNTED}, f"somebody was told something else: {told}")
    approved = any(kind == DONE and yes for yes, kind, _ in told)
    found = engine.search(Question(f"At how many bar does valve {trial} open?", ("shared",)), k=50)
    indexed = sum(hit.chunk.text == correction for hit in found.hits)
    outcome.check(
        indexed == approved,
        f"{indexed} sources of a correction that was {'' if approved else 'not '}approved",
    )
    outcome.count("approved" if approved else "rejected")
    waiting = engine.insight.proposals("shared")
    outcome.check(not waiting, f"{len(waiting)} corrections still wait")


def _work(connection, folder):
    with open_engine(folder / "home", EMBEDDER) as engine, _records(folder) as database:
        desk = Desk(RULES, DiskRecords(database))
        while (given := connection.recv()) is not None:
            connection.send(asyncio.run(_decide(*given, engine, desk)))


async def _decide(proposal, deciders, engine, desk):
    """[(whether they approved, what came of it, what they were told)] of those who decide at once."""
    return await asyncio.gather(
        *(
            _decision(proposal, who, f"{who} {number} of {os.getpid()}", engine, desk)
            for number, who in enumerate(deciders)
        )
    )


async def _decision(proposal, who, name, engine, desk):
    if who == PAGES:
        try:
            await asyncio.to_thread(engine.decide, proposal, approved=True, collections=["shared"])
        except UserFacingError as error:
            return True, _kind(str(error)), str(error)
        return True, DONE, ""
    chat = RecordedChat()
    await handle_approval(
        proposal, chat, engine, desk, person=name, admin=who != PERSON, approved=who != ADMIN_NO
    )
    text = chat.endings[-1][1].text
    return who != ADMIN_NO, _kind(text), text


def _kind(text):
    return next((kind for words, kind in SAYS.items() if words in text), text)
