"""Processes for trials: forked in a moment from one that has imported everything, and has no threads."""

from __future__ import annotations

import logging
import multiprocessing
from contextlib import contextmanager

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *("__main__", "faiss", "tantivy", "tests.trust.parts", "tests.trust.rows"),
        *("tests.trust.slack_bot", "tests.trust.discord_bot"),
    ]
)


@contextmanager
def started(work, *arguments):
    """A process that runs `work(connection, *arguments)`, and our end of the connection.

    Killed at the end if it has not ended by then.
    """
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_quietly, args=(work, theirs, *arguments))
    process.start()
    theirs.close()  # the pipe ends with the process
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def _quietly(work, *arguments):
    logging.disable(logging.WARNING)  # damaged indexes are meant to be warned about
    work(*arguments)


def answer_of(work, *arguments, seconds=60.0):
    """What `work` sends first, run in a process of its own, and how the process ended.

    (None, exit code) where it sends nothing; the code is None where it took too long.
    """
    with started(work, *arguments) as (process, connection):
        try:
            answer = connection.recv() if connection.poll(seconds) else None
        except EOFError:
            answer = None
        process.join(seconds)
        return answer, process.exitcode
