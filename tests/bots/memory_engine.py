"""An engine in memory: for what the real one can't be made to do at will (be slow, fail), and quickly.

python memory_engine.py [SCRIPT]    a console on it, for the tests that need a terminal
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

from bots import console
from mmrag.errors import NotFound, NotReadable, UserFacingError
from mmrag.types import (
    AddReport,
    Answer,
    Citation,
    Document,
    Generation,
    RatingReceipt,
    SearchResult,
    Source,
    Unread,
    document_id,
)

INDEX_VERSION = "memory"
NEVER = threading.Event()


class MemoryEngine:
    """Answers with the document that shares most words with the question; keeps what it was given."""

    def __init__(self):
        self.questions = []
        self.ratings = []
        self.answers = {}
        self.proposals = {}
        self.texts = {}  # document -> its text
        self.picture = None  # the figure that every document holds
        self.during_ask = lambda _: None

    def ask(self, question, *, listener=None, said=None):
        self.questions.append(question)
        for stage in ("reading", "searching", "answering", "checking"):
            if listener is not None:
                listener(stage)
        self.during_ask(question)
        answer = self._answer(question)
        for sentence in answer.sentences if said is not None else ():
            said(sentence)
        return answer

    def _answer(self, question):
        number = len(self.questions)
        known = next((a for a in self.answers.values() if a[0] == question), None)
        if known is not None:
            return replace(known[1], cached=True, timings_ms={"total": 3.4})
        document = self._best(question)
        answer = Answer(
            id=f"answer-{number}",
            text=f"{self.texts[document]} [1]" if document else "I could not find this.",
            abstained=document is None,
            citations=(self._citation(document),) if document else (),
            unread=tuple(Unread(a.name, a.failure) for a in question.attachments if a.failure),
            cached=False,
            generation=Generation("memory", "none", INDEX_VERSION),
            timings_ms={"total": 1234.5},
        )
        self.answers[answer.id] = (question, answer)
        return answer

    def search(self, question, *, k=10):
        del question, k
        return SearchResult((), INDEX_VERSION, {})

    def add(self, source, *, collection):
        text = source.data.decode("utf-8", "replace")
        if not text.strip():
            raise NotReadable("it is empty.")
        document = Document(
            id=document_id(collection, source.uri),
            collection=collection,
            title=source.title or source.name,
            uri=source.uri,
            media_type="text/plain",
            pages=1,
            chunks=1,
            figures=0,
            added_at="2025-01-01T00:00:00+00:00",
            added_by=source.added_by,
        )
        self.texts[document] = text.strip()
        return AddReport(document.id, pages=1, chunks=1, figures=0, status="added")

    def add_many(self, loaders, *, collection, listener):
        for number, load in enumerate(loaders):
            listener(number, 1, 1)
            try:
                yield self.add(load(), collection=collection)
            except UserFacingError as error:
                yield error

    def warm_up(self):
        self.warm = True

    def collections(self):
        return tuple(sorted({document.collection for document in self.texts}))

    def answered_from(self, answer_id):
        if answer_id not in self.answers:
            raise NotFound("There is no such answer.")
        return self.answers[answer_id][0].collections

    def batch_sizes(self):
        return {}

    def documents(self, *, collections=None):
        return tuple(d for d in reversed(self.texts) if collections is None or d.collection in collections)

    def remove(self, document_ids, *, collections=None):
        found = tuple(d for d in self.documents(collections=collections) if d.id in document_ids)
        if len(found) < len(document_ids):
            raise NotFound("There is no such document.")
        for document in found:
            del self.texts[document]
        return found

    def share(self, document_ids, *, collections, into):
        found = tuple(d for d in self.documents(collections=collections) if d.id in document_ids)
        if len(found) < len(document_ids):
            raise NotFound("There is no such document.")
        shared = tuple(replace(d, id=document_id(into, d.uri), collection=into) for d in found)
        self.texts |= {copy: self.texts[original] for copy, original in zip(shared, found, strict=True)}
        return shared

    def forget(self, collection):
        return self.remove([d.id for d in self.documents(collections=[collection])], collections=[collection])

    def figure(self, name, *, collections):
        del collections
        return self.picture if name == "figure1" else None

    def withdraw(self, answer_id, *, author):
        self.ratings = [r for r in self.ratings if (r.answer_id, r.author) != (answer_id, author)]

    def rate(self, rating):
        if rating.answer_id not in self.answers:
            raise NotFound("There is no such answer.")
        self.ratings.append(rating)
        return RatingReceipt(
            rating.answer_id,
            rating.verdict,
            correction_document_id="correction" if rating.correction else None,
        )

    def propose(self, rating, *, proposal_id):
        self.rate(replace(rating, correction=None))
        self.proposals.setdefault(proposal_id, rating)

    @property
    def insight(self):
        """Of what owners see, the names alone."""
        return self

    def places(self):
        return self.collections()

    def decide(self, proposal_id, *, approved, collections=None):
        del collections
        if proposal_id not in self.proposals:
            raise NotFound("It does not wait any more.")
        rating = self.proposals.pop(proposal_id)
        return self.rate(rating) if approved else RatingReceipt(rating.answer_id, rating.verdict, None)

    def _best(self, question):
        asked = _words(question.text)
        ranked = sorted(
            self.documents(collections=question.collections), key=lambda d: len(asked & _words(self.texts[d]))
        )
        return ranked[-1] if ranked and asked & _words(self.texts[ranked[-1]]) else None

    def _citation(self, document):
        return Citation(
            marker=1,
            document_id=document.id,
            title=document.title,
            page=1,
            uri=document.uri,
            quote=self.texts[document],
            chunk_id=1,
            image=None if self.picture is None else "figure1",
        )


def _words(text):
    return {word.strip(".,?!").casefold() for word in text.split() if len(word) > 3}


def _run_console(script):
    engine = MemoryEngine()
    engine.add(
        Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave"),
        collection="default",
    )
    engine.during_ask = _be_slow
    went_well = console.run(
        engine,
        console.Screen(person="ana"),
        collections=["default"],
        person="ana",
        max_file_bytes=1_000_000,
        script=console.read_script(script) if script else None,
    )
    return 0 if went_well else 1


def _be_slow(question):
    if "slowly" in question.text:
        NEVER.wait(1.5)


if __name__ == "__main__":
    sys.exit(_run_console(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
