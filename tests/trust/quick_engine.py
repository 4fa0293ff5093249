"""An engine that answers at once, for trials of what is around it; and how long a bot may take."""

from __future__ import annotations

import hashlib
import time

from bots.conversation import endings
from mmrag.types import Answer, Citation, Generation, RatingReceipt, SearchResult

LINK = "https://wiki.example/leave"
BOUNDS = {"of_a_person": 10_000, "of_a_channel": 10_000, "in_all": 20_000}


class QuickEngine:
    """Answers at once, by what the question asks: the engine is not what is under trial."""

    def __init__(self, seconds=0.0, *, holds_interpreter=False, pause=None):
        """With a `pause`, in seconds, the answer is said in sentences with one between them, all shown."""
        self._seconds = seconds
        self._pause = pause
        if pause is not None:
            endings.SAID_SECONDS = 0.0
        self._compute = _in_python if holds_interpreter else _in_native_code

    def ask(self, question, *, listener=None, said=None):
        if listener is not None:
            listener("searching")
        end = time.perf_counter() + self._seconds
        while time.perf_counter() < end:
            self._compute()
        citation = Citation(1, "d1", "Leave", 1, LINK, "28 days", 1)
        answer = Answer(
            id=f"answer to {question.text}",
            text=f"{expected(question.text)} [1]" if self._pause is None else _in_sentences(question.text),
            abstained=False,
            citations=(citation,),
            unread=(),
            cached=False,
            generation=Generation("quick", "none", "v"),
            timings_ms={"total": 1.0},
        )
        for sentence in answer.sentences if said is not None else ():
            said(sentence)
            time.sleep(self._pause or 0.0)
        return answer

    def search(self, question, *, k=10):
        del question, k
        return SearchResult((), "v", {})

    def documents(self, *, collections=None):
        del collections
        return ()

    def rate(self, rating):
        return RatingReceipt(rating.answer_id, rating.verdict, None)

    def withdraw(self, answer_id, *, author):
        del answer_id, author

    def figure(self, name, *, collections):
        del name, collections


def _in_python():
    sum(range(1000))


def _in_native_code():
    """As a model or an index computes: on a core, without the interpreter."""
    hashlib.sha256(_BLOCK).digest()


_BLOCK = bytes(1 << 20)


def expected(text):
    """What the engine says to this, long enough to be streamed in pieces."""
    return f"To {text}: " + "everybody has 28 days of leave in a year. " * 8


def _in_sentences(text):
    """The same words, each sentence with its source."""
    return " ".join(f"{sentence.strip()}. [1]" for sentence in expected(text).strip().rstrip(".").split("."))


async def in_time(server, holds, *, seconds):
    """Whether it came to hold within this time."""
    try:
        return bool(await server.until(holds, seconds=seconds))
    except TimeoutError:
        return False
