"""The inbox: one job for each event, whoever dies; fair, bounded, in the order of a thread."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.database import Database
from bots.inbox import SCHEMA, Bounds, Event, Inbox, LeaseLostError, Part
from bots.records import DiskRecords
from mmrag.errors import StoreUnavailable
from tests.bots.conftest import MIGRATIONS

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count()

KEPT_THEN_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bots.database import Database
from bots.inbox import SCHEMA, Event, Inbox

async def main(folder):
    inbox = Inbox(Database(folder / "bot.sqlite3", (SCHEMA,)), folder / "processes")
    for number in range(3):
        event = Event("question", (f"e{number}",), f"p{number}", "general", f"t{number}", {"text": "?"})
        await inbox.put(event)
    job = await inbox.lease("slow")
    answered = await inbox.answer(job, [{"kind": "notice"}])
    await inbox.sending(answered, answered.parts[0], "stream 1.2")
    await inbox.lease("slow")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(Path(sys.argv[1])))
"""


def event(key=None, *, person="ana", channel="general", thread=None, pace="slow", **payload):
    number = next(NUMBERS)
    keys = (key or f"key {number}",)
    return Event("question", keys, person, channel, thread or f"thread {number}", payload, pace=pace)


def run(story):
    return asyncio.run(story)


async def lease_all(inbox, pace="slow"):
    jobs = []
    while (job := await inbox.lease(pace)) is not None:
        jobs.append(job)
    return jobs


def test_an_event_that_comes_again_by_any_of_its_names_is_one_job(inbox):
    async def story():
        first = Event("question", ("event 1", "message 1"), "ana", "c", "t", {})
        again = Event("question", ("event 2", "message 1"), "ana", "c", "t", {})
        third = Event("question", ("event 2", "message 9"), "ana", "c", "t", {})
        return [await inbox.put(each) for each in (first, first, again, third)], await lease_all(inbox)

    receipts, jobs = run(story())
    assert receipts == ["taken", "known", "known", "known"]
    assert len(jobs) == 1


def test_a_job_that_is_done_is_still_known_but_its_words_are_gone(inbox, database):
    async def story():
        await inbox.put(event("e", text="something private"))
        job = await inbox.lease("slow")
        answered = await inbox.answer(job, [{"text": "something private"}])
        await inbox.sent(answered, answered.parts[0], "1.2")
        await inbox.finish(job, "delivered")
        return await inbox.put(event("e"))

    assert run(story()) == "known"
    rows = database.write_now(
        lambda db: db.execute("SELECT payload FROM jobs UNION ALL SELECT content FROM outbox").fetchall()
    )
    assert "private" not in str(rows)


def test_what_a_killed_process_had_under_way_is_taken_up_and_what_it_sent_is_unsure(tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", KEPT_THEN_KILLED, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -9

    async def story():
        with Database(tmp_path / "bot.sqlite3", (SCHEMA,)) as database:
            inbox = Inbox(database, tmp_path / "processes")
            taken_over = await inbox.recover()
            inboxes = len(list((tmp_path / "processes").iterdir()))
            return taken_over, inboxes, await lease_all(inbox)

    taken_over, inboxes, jobs = run(story())
    assert (taken_over, inboxes) == (2, 1)
    assert [job.parts is not None for job in jobs] == [True, False, False]
    [part] = jobs[0].parts
    assert (part.unsure, part.receipt) == (True, "stream 1.2")
    assert sorted(job.attempts for job in jobs[1:]) == [1, 2]


def test_nothing_is_taken_from_a_process_that_lives(inbox, database, tmp_path):
    async def story():
        await inbox.put(event())
        await inbox.lease("slow")
        other = Inbox(database, tmp_path / "bots" / "processes")
        try:
            return await other.recover(), await other.lease("slow")
        finally:
            other.close()

    assert run(story()) == (0, None)


def test_a_process_that_stalls_loses_its_jobs_and_can_do_nothing_with_them_any_more(
    inbox, database, tmp_path
):
    async def story():
        await inbox.put(event())
        lost = await inbox.lease("slow")
        hasty = Inbox(database, tmp_path / "bots" / "processes", stalled_seconds=0)  # for it all others stall
        taken_over = await hasty.recover()
        job = await hasty.lease("slow")
        answered = replace(lost, parts=(Part(0, {}, unsure=False, receipt=""),))
        for late in (
            inbox.hold(lost),
            inbox.answer(lost, [{"text": "late"}]),
            inbox.sending(answered, answered.parts[0]),
            inbox.sent(answered, answered.parts[0], "1.2"),
            inbox.finish(lost, "delivered"),
        ):
            with pytest.raises(LeaseLostError):
                await late
        await inbox.release(lost)  # nor does this
        await hasty.hold(job)
        hasty.close()
        return taken_over, job.attempts

    assert run(story()) == (1, 2)


def test_who_got_a_job_back_has_another_lease_than_before(inbox, database, tmp_path):
    async def story():
        await inbox.put(event())
        before = await inbox.lease("slow")
        hasty = Inbox(database, tmp_path / "bots" / "processes", stalled_seconds=0)
        await hasty.recover()
        hasty.close()
        again = await inbox.lease("slow")
        with pytest.raises(LeaseLostError):
            await inbox.hold(before)
        await inbox.hold(again)

    run(story())


def test_a_job_that_could_not_be_finished_is_anybodys_again(inbox):
    async def story():
        await inbox.put(event())
        await inbox.release(await inbox.lease("slow"))
        again = await inbox.lease("slow")
        await inbox.release(await inbox.answer(again, [{"text": "28 days"}]))
        return await inbox.lease("slow")

    job = run(story())
    assert (job.attempts, [part.content for part in job.parts]) == (3, [{"text": "28 days"}])


def test_what_another_process_puts_or_sets_free_is_noticed(inbox, tmp_path):
    async def story():
        with Database(tmp_path / "bots" / "bot.sqlite3", MIGRATIONS) as database:
            other = Inbox(database, tmp_path / "bots" / "processes")
            await inbox.look_around()
            await inbox.wait("slow", seconds=0)
            waiting = asyncio.create_task(inbox.wait("slow", seconds=60))
            await other.put(event())
            await inbox.look_around()
            await waiting
            other.close()
            return await inbox.lease("slow")

    assert run(story()) is not None


STEPS = st.tuples(st.sampled_from(("put", "lease", "lease", "end", "recover")), st.integers(0, 2))


@contextmanager
def several(folder):
    """The inboxes of three processes; for the last one all others have stalled."""
    with ExitStack() as stack:
        inboxes = []
        for seconds in (60.0, 60.0, 0.0):
            database = stack.enter_context(Database(folder / "bot.sqlite3", (SCHEMA,)))
            inboxes.append(Inbox(database, folder / "processes", stalled_seconds=seconds))
            stack.callback(inboxes[-1].close)
        yield inboxes


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(STEPS, max_size=60))
def test_of_several_processes_one_ends_each_job_in_the_order_of_its_thread(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("several")

    async def story(inboxes):
        held, ended, put = [], [], 0

        async def end(inbox, job):
            with suppress(LeaseLostError):
                await inbox.finish(await inbox.answer(job, [{"text": "28 days"}]), "delivered")
                ended.append(job.payload["number"])

        for step, which in steps:
            if step == "put":
                await inboxes[which].put(event(person=f"p{put % 3}", thread=f"t{put % 4}", number=put))
                put += 1
            elif step == "lease" and (job := await inboxes[which].lease("slow")) is not None:
                held.append((inboxes[which], job))
            elif step == "end" and held:
                await end(*held.pop(which % len(held)))
            elif step == "recover":
                await inboxes[2].recover()
        for inbox, job in held:
            await end(inbox, job)
        await inboxes[2].recover()
        while (job := await inboxes[0].lease("slow")) is not None:
            await end(inboxes[0], job)
        return put, ended

    with several(folder) as inboxes:
        put, ended = run(story(inboxes))
    assert sorted(ended) == list(range(put))
    assert all([n for n in ended if n % 4 == thread] == list(range(thread, put, 4)) for thread in range(4))


def test_messages_of_a_thread_are_worked_on_one_after_the_other(inbox):
    async def story():
        for number in range(3):
            await inbox.put(event(thread="t", number=number))
        first = await inbox.lease("slow")
        nothing = await inbox.lease("slow")
        await inbox.finish(first, "delivered")
        second = await inbox.lease("slow")
        return first, nothing, second

    first, nothing, second = run(story())
    assert nothing is None
    assert (first.payload["number"], second.payload["number"]) == (0, 1)


def test_whoever_asks_most_waits_longest(inbox):
    async def story():
        for number in range(10):
            await inbox.put(event(person="loud", number=number))
        for person in ("ben", "eva"):
            await inbox.put(event(person=person))
        order = []
        while (job := await inbox.lease("slow")) is not None:
            order.append(job.payload.get("number", "other"))
            await inbox.finish(job, "delivered")
        return order

    assert run(story())[:4] == [0, "other", "other", 1]


def test_what_is_too_much_is_refused_once_with_its_number(database, tmp_path):
    async def story():
        inbox = Inbox(database, tmp_path / "p", bounds=Bounds(of_a_person=5))
        receipts = [await inbox.put(event()) for _ in range(12)]
        other = await inbox.put(event(person="ben"))
        [refusal] = await lease_all(inbox, "quick")
        inbox.close()
        return receipts, other, refusal

    receipts, other, refusal = run(story())
    assert receipts == ["taken"] * 5 + ["full"] * 7
    assert other == "taken"
    assert (refusal.kind, refusal.payload["refused"]) == ("refusal", 7)


def test_a_worker_is_woken_by_what_comes_in(inbox):
    async def story():
        waiting = asyncio.create_task(inbox.wait("slow", seconds=60))
        await asyncio.sleep(0)
        await inbox.put(event())
        await asyncio.wait_for(waiting, 10)

    run(story())


def test_a_change_that_fails_takes_no_other_with_it(database):
    async def story():
        good = [database.write(lambda db: db.execute("INSERT INTO seen VALUES (hex(randomblob(8)), 1)").get)]
        bad = database.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
        good += [database.write(lambda db: db.execute("INSERT INTO seen VALUES (hex(randomblob(8)), 1)").get)]
        results = await asyncio.gather(*good, bad, return_exceptions=True)
        return results[-1], await database.write(lambda db: db.execute("SELECT count(*) FROM seen").get)

    error, kept = run(story())
    assert isinstance(error, Exception)
    assert kept == 2


@pytest.mark.parametrize("platform", ["slack", "discord"])
@pytest.mark.parametrize("without", ["DROP TABLE reasons", "SELECT 1"])
def test_data_of_before_reasons_were_kept_is_taken_over(tmp_path, platform, without):
    migrations = import_module(f"bots.{platform}.service").MIGRATIONS
    path = tmp_path / "bot.sqlite3"

    async def story():
        with Database(path, migrations) as database:
            await DiskRecords(database).set("place", "follow-ups", "off")
            await database.write(lambda db: list(db.execute(f"{without}; PRAGMA user_version = {older}")))
        with Database(path, migrations) as database:
            records = DiskRecords(database)
            await records.note_reasons("workspace", "answer", "ana", ["wrong"])
            return await records.setting("place", "follow-ups", "on"), await records.reasons_lately(
                "workspace"
            )

    older = len(migrations) - 1
    assert run(story()) == ("off", {"wrong": 1})


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "bot.sqlite3").write_bytes(b"x" * 5000)
    with pytest.raises(StoreUnavailable, match=r"bot\.sqlite3"):
        Database(tmp_path / "bot.sqlite3", (SCHEMA,))


@pytest.mark.usefixtures("database")
def test_only_its_owner_may_read_what_is_kept(tmp_path):
    assert (tmp_path / "bots").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "bots" / "bot.sqlite3").stat().st_mode & 0o777 == 0o600


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), messages=st.integers(1, 25))
def test_however_often_and_in_whatever_order_events_come_each_is_done_once(tmp_path_factory, seed, messages):
    rng = random.Random(seed)
    deliveries = [
        Event("question", (f"event {n} {kind}", f"message {n}"), f"p{n % 3}", "c", f"t{n % 7}", {"n": n})
        for n in range(messages)
        for kind in rng.choices(["mention", "message"], k=rng.randint(1, 4))
    ]
    rng.shuffle(deliveries)
    folder = tmp_path_factory.mktemp("inbox")

    async def story():
        with Database(folder / "bot.sqlite3", (SCHEMA,)) as database:
            inbox = Inbox(database, folder / "p")
            done = []
            for delivery in deliveries:
                await inbox.put(delivery)
                if rng.random() < 0.5 and (job := await inbox.lease("slow")) is not None:
                    done.append(job.payload["n"])
                    await inbox.finish(job, "delivered")
            while (job := await inbox.lease("slow")) is not None:
                done.append(job.payload["n"])
                await inbox.finish(job, "delivered")
            inbox.close()
            return done

    assert sorted(run(story())) == list(range(messages))
