"""Promise: two hundred stream at once, and one who reads slowly or never holds up nobody.

Clients open a stream each for a question of their own, all at once; among them are some that read nothing
of a long reply, and some that leave in the middle. The engine is one in memory that answers with a long
text after all have asked, so that what is seen is the service. Everybody who reads must get a whole answer,
the other routes must answer meanwhile, and the last answer may not come later than a bound. A trial is a
stream.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from dataclasses import replace

from mmrag.config import Settings
from mmrag.types import Source
from tests.bots.memory_engine import MemoryEngine
from tests.service.serving import served
from tests.trust.outcome import trial_run

TRIALS = 200
_LONG = 8_000_000  # characters of a reply that nobody reads: more than the sockets hold, so it is waited for
_SHORT = 20_000  # of the others
_NOBODY_READS = "at length"
_LOOKS, _LOOK_SECONDS = 50, 2.0  # at another route, and the time in which it must answer each
_SECONDS = 120.0  # in which everybody must be answered
_SLOW, _LEAVING = 0.05, 0.05  # shares of the streams


class LongAnswers(MemoryEngine):
    """Answers when everybody has asked, some at great length."""

    def __init__(self, *, together):
        super().__init__()
        self._together = threading.Barrier(together)
        self.add(Source("h.md", b"Holidays are 28 days.", uri="u:h"), collection="default")

    def ask(self, question, *, listener=None, said=None):
        self._together.wait(_SECONDS)
        del said  # at length, and at once
        answer = super().ask(question, listener=listener)
        length = _LONG if _NOBODY_READS in question.text else _SHORT
        return replace(answer, text=f"{'long ' * (length // 5)}{question.text} [1]")


def run(trials, seed, folder):
    """Open so many streams at once."""
    with trial_run(seed) as outcome:
        slow, leaving = max(1, round(trials * _SLOW)), max(1, round(trials * _LEAVING))
        engine = LongAnswers(together=trials)
        settings = Settings(
            home=folder, serve_answering=trials, serve_client_at_once=2 * trials, serve_client_a_minute=0
        )
        with served(engine, settings) as url:
            asyncio.run(_run((trials, slow, leaving), url.removeprefix("http://"), outcome))
    return outcome


async def _run(numbers, address, outcome):
    trials, slow, leaving = numbers
    outcome.count("µs of another route before", await _look(address, outcome))
    began = time.perf_counter()
    tasks = []
    for number in range(trials):
        how = "never reads" if number < slow else "leaves" if number < slow + leaving else "reads"
        outcome.count(f"that {how}" if how != "reads" else "that read")
        tasks.append(asyncio.create_task(_stream(address, number, how)))
    for number, result in enumerate(await asyncio.gather(*tasks[slow:], return_exceptions=True), start=slow):
        outcome.check(result is True, f"stream {number}: {result!r}"[:300])
    seconds = time.perf_counter() - began
    outcome.check(seconds < _SECONDS, f"the last one was answered after {seconds:.0f} s")
    outcome.count("ms until the last was answered", round(seconds * 1000))
    outcome.count("µs of another route while some don't read", await _look(address, outcome))
    outcome.check(await _finished(address) == trials - slow, "those that do not read were not waited for")
    for task in tasks[:slow]:
        task.cancel()
    await asyncio.gather(*tasks[:slow], return_exceptions=True)
    outcome.trials += trials


async def _stream(address, number, how):
    """Whether the answer came whole; True where the client left as it meant to."""
    question = f"holidays of number {number}{f', {_NOBODY_READS}' if how == 'never reads' else ''}?"
    reader, writer = await _asked(address, "POST", "/v1/ask", json.dumps({"text": question}))
    try:
        if how == "never reads":
            await asyncio.sleep(2 * _SECONDS)
        if how == "leaves":
            await reader.readuntil(b"event: progress")
            return True
        text = (await reader.read()).decode()
        return f"{question} [1]" in text.rpartition("event: answer")[2]
    finally:
        writer.close()


async def _look(address, outcome):
    """The median time of another route, in microseconds."""
    times = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        reply = await _reply(address, "/v1/collections")
        times.append(time.perf_counter() - began)
        outcome.check(
            reply.startswith(b"HTTP/1.1 200") and times[-1] < _LOOK_SECONDS, f"a look: {times[-1]:.1f} s"
        )
    return round(statistics.median(times) * 1e6)


async def _finished(address):
    """How many streams the service is done with."""
    lines = (await _reply(address, "/metrics")).decode().splitlines()
    return sum(
        float(line.split()[-1])
        for line in lines
        if line.startswith("mmrag_requests_total{") and "/v1/ask" in line
    )


async def _reply(address, path):
    reader, writer = await _asked(address, "GET", path, "")
    try:
        return await reader.read()
    finally:
        writer.close()


async def _asked(address, method, path, body):
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: {address}",
        "Connection: close",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body.encode())}",
    ]
    writer.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())
    await writer.drain()
    return reader, writer
