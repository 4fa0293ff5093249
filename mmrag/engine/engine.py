"""The engine as the bots and the command line see it: ask, search, add, remove, rate.

It reaches every stage through `mmrag.ports` and decides only their order. It knows no file
format, no index, no model and no chat platform.

    ask (asking.py):   read what is attached -> search -> draft -> keep what is supported -> cite
    add (library.py):  read -> chunk -> embed -> store in one step; the indexes follow by themselves
    add_many (intake.py): the same for many sources, several at a time
    upkeep (upkeep.py): compact after deletions, renew vectors after a change of model, in the background
    rate (here):       a verdict is kept; a thumbs down drops the cached answer; a correction is a source,
                       at once or when it is approved
    sources (sources.py): what an answer cites, for who follows its link
    journal (journal.py): that something was asked, for the owners' figures
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from mmrag.engine.asking import Asking
from mmrag.engine.intake import Intake
from mmrag.engine.library import Library
from mmrag.engine.sources import CitedSources
from mmrag.engine.upkeep import Upkeep
from mmrag.errors import GenerationFailed, InvalidInput, NotFound
from mmrag.ports import unheard
from mmrag.types import RatingReceipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from mmrag.engine.stages import Limits, Stages
    from mmrag.ports import (
        AddListener,
        AddOutcome,
        CacheSize,
        Insight,
        Listener,
        SaidListener,
        SourceLoader,
        Sources,
        StoredAnswer,
        StoredPage,
    )
    from mmrag.types import AddReport, Answer, Document, Question, Rating, Said, SearchResult, Source


def nobody_adds(source: int, done: int, of: int) -> None:
    """The listener where nobody waits for pages."""


class Engine:
    """Answers from its collections with cited sources. Safe to use from many threads."""

    def __init__(
        self, stages: Stages, *, limits: Limits, compact_after_seconds: float, close: Callable[[], None]
    ) -> None:
        self._stages = stages
        self._limits = limits
        self._close = close
        self._upkeep = Upkeep(stages, quiet_seconds=compact_after_seconds)
        self._asking = Asking(stages, limits=limits)
        self._library = Library(stages, self._upkeep)
        self._intake = Intake(self._library, readers=limits.readers)
        self._upkeep.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the data folder; what is under way in the background ends first."""
        self._upkeep.close()
        self._asking.journal.close()
        self._close()

    def ask(
        self, question: Question, *, listener: Listener | None = None, said: SaidListener | None = None
    ) -> Answer:
        links, began = self._stages.links, time.time()

        def linked(heard: Said) -> None:
            if said is not None:
                said(replace(heard, citations=links.linked(heard.answer_id, heard.citations, at=began)))

        answer = self._asking.ask(question, listener or unheard, linked)
        # Of the same second as in what was said before: a link that is shown does not change any more.
        return replace(answer, citations=links.linked(answer.id, answer.citations, at=began))

    def search(self, question: Question, *, k: int = 10) -> SearchResult:
        return self._asking.search(question, k)

    def add(self, source: Source, *, collection: str) -> AddReport:
        return self._library.add(source, collection=collection)

    def add_many(
        self,
        loaders: Sequence[SourceLoader],
        *,
        collection: str,
        listener: AddListener = nobody_adds,
    ) -> Iterator[AddOutcome]:
        """Add many sources: read several at a time, embed them together.

        Yields a report or the reason of each, in their order. `listener` is called from other threads.
        Where the caller stops, what was stored stays; what was not is found to be missing the next time.
        """
        return self._intake.add_many(loaders, collection=collection, listener=listener)

    def documents(self, *, collections: Sequence[str] | None = None) -> tuple[Document, ...]:
        return self._stages.store.documents(collections)

    def warm_up(self) -> None:
        """Load the models, so that the first question does not wait for them. Raises UserFacingError."""
        self._stages.embedder.embed_queries(["Are you there?"])
        load = getattr(self._stages.generator, "loaded", None)  # only those that run a model have one to load
        if load is not None:
            with suppress(GenerationFailed):  # questions are answered without it then, and say why
                load()

    def collections(self) -> tuple[str, ...]:
        """The names of all collections that hold something."""
        return tuple(sorted(self._stages.store.states()))

    def page(
        self, document_id: str, number: int, *, collections: Sequence[str]
    ) -> tuple[Document, StoredPage]:
        """A document of these collections, and a page of it as it was read. Raises NotFound."""
        document = self._stages.store.document(document_id)
        if document is None or document.collection not in collections:
            raise NotFound(f"There is no document {document_id[:60]!r}: take the id that a source shows.")
        page = self._stages.store.stored_page(document_id, number)
        if page is None:
            raise NotFound(f"The document has no page {number}: it has {document.pages:,}, from 1.")
        return document, page

    def answered_from(self, answer_id: str) -> tuple[str, ...]:
        """The collections that an answer was given from. Raises NotFound."""
        return self._stored(answer_id).collections

    def batch_sizes(self) -> Mapping[int, int]:
        """How many steps a local model made for so many questions together; empty where there is none."""
        return dict(getattr(self._stages.generator, "batch_sizes", {}))  # only those that run one

    def remove(
        self, document_ids: Sequence[str], *, collections: Sequence[str] | None = None
    ) -> tuple[Document, ...]:
        return self._library.remove(document_ids, collections)

    def forget(self, collection: str) -> tuple[Document, ...]:
        return self._library.forget(collection)

    def share(
        self, document_ids: Sequence[str], *, collections: Sequence[str], into: str
    ) -> tuple[Document, ...]:
        return self._library.share(document_ids, collections, into=into)

    def figure(self, name: str, *, collections: Sequence[str]) -> bytes | None:
        return self._stages.store.figure(name, collections)

    @property
    def sources(self) -> Sources:
        """What answers cite, to be looked at."""
        return CitedSources(self._stages.store, self._stages.links, self._stages.reader)

    @property
    def insight(self) -> Insight:
        """What owners see of their collections' use; of other processes the last second may be missing."""
        self._asking.journal.write()
        return self._stages.store.insight

    def cache_size(self) -> CacheSize:
        """How much the answer cache holds."""
        return self._stages.cache.size()

    def withdraw(self, answer_id: str, *, author: str) -> None:
        self._stages.store.withdraw_rating(answer_id, author=author)

    def compact(self) -> None:
        """Leave no byte of what was deleted, now; and give what an earlier model embedded its new vectors.

        Takes time in proportion to what is stored; questions are answered meanwhile. Raises
        StoreUnavailable.
        """
        self._upkeep.run()

    def rate(self, rating: Rating) -> RatingReceipt:
        correction, stored = self._rated(rating)
        corrected = self._library.correct(stored, correction, author=rating.author) if correction else None
        return RatingReceipt(rating.answer_id, rating.verdict, corrected)

    def propose(self, rating: Rating, *, proposal_id: str) -> None:
        correction, stored = self._rated(rating)
        if not correction:
            raise InvalidInput("The correction is empty: write what would be right.")
        if not stored.collections:
            raise InvalidInput("This answer read no collection: there is none to keep a correction in.")
        self._stages.store.insight.propose(replace(rating, correction=correction), proposal_id=proposal_id)

    def decide(
        self, proposal_id: str, *, approved: bool, collections: Sequence[str] | None = None
    ) -> RatingReceipt:
        """End the waiting of a correction for one of these collections; approved, it becomes a source.

        Raises NotFound where it does not wait any more. It is a source and does not wait in one commit, so
        that of those who decide at once one does, and a crash before leaves it waiting, not lost.
        """
        insight = self._stages.store.insight
        proposal = insight.proposal(proposal_id, collections=collections)
        if not approved:
            insight.drop_proposal(proposal_id)
            return RatingReceipt(proposal.answer_id, "down", None)
        corrected = self._library.correct(
            self._stored(proposal.answer_id),
            proposal.correction,
            author=proposal.author,
            settles=proposal_id,
        )
        return RatingReceipt(proposal.answer_id, "down", corrected)

    def _rated(self, rating: Rating) -> tuple[str, StoredAnswer]:
        """Record the verdict; the correction, "" for none, and the answer that it is about."""
        correction = (rating.correction or "").strip()
        if len(correction) > self._limits.question_chars:
            raise InvalidInput(
                f"The correction has {len(correction):,} characters and at most "
                f"{self._limits.question_chars:,} can be kept: add a longer text as a document."
            )
        stored = self._stored(rating.answer_id)
        self._stages.store.save_rating(rating)
        if rating.verdict == "down":
            self._stages.cache.delete([stored.cache_key])
        return correction, stored

    def _stored(self, answer_id: str) -> StoredAnswer:
        stored = self._stages.store.answer(answer_id)
        if stored is None:
            raise NotFound(
                f"There is no answer {answer_id[:60]!r}: take the id that `mmrag ask --json` shows."
            )
        return stored
