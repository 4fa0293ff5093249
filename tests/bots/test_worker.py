"""The workers: a job that goes wrong on the way to its ending is taken up again."""

from __future__ import annotations

import asyncio

from bots.inbox import Event
from bots.worker import Workers


class Delivery:
    """Fails so often, then delivers."""

    def __init__(self, failures):
        self.failures = failures
        self.delivered = asyncio.Event()

    async def deliver(self, job):
        assert [part.content for part in job.parts] == [{"text": "28 days"}]
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        self.delivered.set()
        return "delivered"


class Handlers:
    silent = frozenset()

    async def handle(self, job, chat):
        chat.answered = await chat.inbox.answer(job, [{"text": "28 days"}])


class Chat:
    platform, answered = "a test", None

    def __init__(self, job, inbox):
        self.job, self.inbox = job, inbox


def test_what_could_not_be_delivered_is_delivered_when_it_can_be(inbox, monkeypatch):
    monkeypatch.setattr("bots.worker.IDLE_SECONDS", 0.02)

    async def story():
        await inbox.put(Event("question", ("e",), "ana", "general", "t", {"text": "?"}))
        delivery = Delivery(failures=1)
        chat_of = lambda job: Chat(job, inbox)  # noqa: E731 - one line
        workers = Workers(inbox, Handlers(), delivery, chat_of, answering=1, answer_seconds=5)
        working = asyncio.create_task(workers.run())
        async with asyncio.timeout(30):
            await delivery.delivered.wait()
        working.cancel()
        await asyncio.wait([working])

    asyncio.run(story())
