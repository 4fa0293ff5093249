"""From a question to its cited answer, or to its hits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.cache_key import cache_key
from mmrag.engine.attached import AttachmentDesk, pictures, thread_passages
from mmrag.engine.flights import SingleFlight
from mmrag.engine.joining import joined
from mmrag.engine.journal import Journal
from mmrag.engine.saying import Saying
from mmrag.engine.stages import check_collection
from mmrag.engine.timing import Stopwatch
from mmrag.errors import GenerationFailed, InvalidInput
from mmrag.ports import StoredAnswer, unheard
from mmrag.types import Answer, Draft, Generation, Prompt, SearchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.engine.stages import Limits, Stages
    from mmrag.ports import Generator, Listener, SaidListener
    from mmrag.types import Claim, Hit, Question, Unread

EVIDENCE = 10  # passages of the collections, and as many that came with the question


@dataclass(frozen=True, slots=True)
class _Drafted:
    """What may be said, and who drafted it; `failed` where that is not who should have, or not all of it."""

    claims: tuple[Claim, ...]
    unanswered: tuple[str, ...]
    by: Generator
    note: str = ""
    failed: bool = False


class Asking:
    """Answers questions. Safe to use from many threads."""

    def __init__(self, stages: Stages, *, limits: Limits) -> None:
        self._stages = stages
        self.journal = Journal(stages.store)
        self._limits = limits
        self._desk = AttachmentDesk(stages.reader, stages.chunker, most=limits.attachments)
        self._flights: SingleFlight[Answer] = SingleFlight(stages.flights)

    def ask(self, question: Question, listener: Listener = unheard, said: SaidListener = unheard) -> Answer:
        """From the cache where nothing changed since; once, however many ask at the same time.

        Whoever takes another's answer hears its sentences when it is whole: the other may leave in the
        middle, and what is begun anew need not begin alike.
        """
        self._check(question)
        watch = Stopwatch()
        # Taken before anything is searched: an answer that a later commit makes stale is then kept
        # under a version that nobody asks for again.
        index_version = self._stages.retriever.index_version(question.collections)
        key = self._cache_key(question, index_version)
        cached = self._stages.cache.get(key)
        if cached is not None:
            Saying(cached.id, said).rest_of(cached)
            return self.journal.noted(replace(cached, cached=True, timings_ms=watch.timings()), question)
        own: list[Answer] = []  # stays empty where somebody else's answer to the same question is taken

        def work() -> Answer:
            own.append(self._answer(question, key, index_version, watch, listener, said))
            return own[0]

        answer = self._flights.run(key, work)
        if own:
            return self.journal.noted(answer, question)
        Saying(answer.id, said).rest_of(answer)
        self.journal.noted(replace(answer, cached=True, timings_ms=watch.timings()), question)
        return answer

    def _answer(  # noqa: PLR0917 - one step's way through the engine
        self,
        question: Question,
        key: str,
        index_version: str,
        watch: Stopwatch,
        listener: Listener,
        said: SaidListener,
    ) -> Answer:
        cached = self._stages.cache.get(key)  # by another process, while this one waited for it
        if cached is not None:
            Saying(cached.id, said).rest_of(cached)
            return replace(cached, cached=True, timings_ms=watch.timings())
        saying = Saying(secrets.token_hex(8), said)
        prompt, unread = self._gather(question, watch, listener)
        drafted = self._drafted(prompt, watch, listener, saying)
        answer = self._compose(saying.answer_id, drafted, prompt, unread, index_version, watch)
        failed = self._desk.forget_incomplete(question.attachments) or drafted.failed
        stored = StoredAnswer(answer, question.standalone, question.collections, key)
        # In this order no removal slips through: it finds the saved answer's key, or is seen here.
        if not failed:  # the next time the model may be well again
            self._stages.cache.set(key, answer)
        if not self._stages.store.save_answer(stored):
            self._stages.cache.delete([key])
        saying.rest_of(answer)
        return answer

    def _gather(
        self, question: Question, watch: Stopwatch, listener: Listener
    ) -> tuple[Prompt, tuple[Unread, ...]]:
        """The evidence: what came with the question first, then the collections' best."""
        listener("reading")
        attached, unread = self._desk.passages(question.attachments)
        watch.lap("read")
        listener("searching")
        came_along = (*attached, *thread_passages(question.history))
        ranked = self._stages.retriever.search_passages(question.text, came_along, k=EVIDENCE)
        found = joined(self._search_collections(question, attached, EVIDENCE), self._stages.store.stored_page)
        hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(chain(ranked, found), start=1))
        watch.lap("search")
        return Prompt(question.text, hits, question.history, self._desk.shown(question.attachments)), unread

    def _compose(  # noqa: PLR0917 - all that an answer is put together from
        self,
        answer_id: str,
        drafted: _Drafted,
        prompt: Prompt,
        unread: tuple[Unread, ...],
        index_version: str,
        watch: Stopwatch,
    ) -> Answer:
        stages = self._stages
        text, citations = stages.grounder.cite(drafted.claims, prompt, unanswered=drafted.unanswered)
        watch.lap("ground")
        return Answer(
            id=answer_id,
            text=text,
            abstained=not drafted.claims,
            citations=citations,
            unread=unread,
            cached=False,
            generation=Generation(
                generator=drafted.by.name,
                model=drafted.by.model,
                index_version=index_version,
                reason=stages.generator_reason,
                note=drafted.note,
            ),
            timings_ms=watch.timings(),
        )

    def _drafted(self, prompt: Prompt, watch: Stopwatch, listener: Listener, saying: Saying) -> _Drafted:
        """What grounding leaves of the draft; of the fallback's where the generator has nothing to say.

        What has been said of a draft that breaks off stays said. Raises GenerationFailed where nothing
        has been and there is no fallback.
        """
        generator, fallback = self._stages.generator, self._stages.fallback
        failed = False
        try:
            drafted = self._grounded(generator, prompt, watch, listener, saying)
            if drafted.claims or fallback is None:
                return drafted
            note = f"the sources support nothing that {generator.name} wrote"
        except GenerationFailed as failure:
            if fallback is None:
                raise
            failed, note = True, f"{generator.name} gave no answer: {failure}"
        drafted = self._grounded(fallback, prompt, watch, listener, saying)
        return replace(drafted, note=note, failed=failed)

    def _grounded(
        self, generator: Generator, prompt: Prompt, watch: Stopwatch, listener: Listener, saying: Saying
    ) -> _Drafted:
        """The draft's claims, each grounded and said as soon as it is whole."""
        grounder = self._stages.grounder
        heard = 0
        claims: list[Claim] = []

        def check(claim: Claim) -> None:
            nonlocal heard
            watch.lap("generate")
            if not heard:
                listener("checking")
            heard += 1
            grounded = grounder.ground(Draft((claim,)), prompt)
            watch.lap("ground")
            if grounded:
                claims.extend(grounded)
                saying.last_of(claims, grounder, prompt)

        listener("answering")
        try:
            draft = generator.generate(prompt, drafted=check)
        except GenerationFailed as failure:
            if not claims:
                raise
            note = f"{generator.name} broke off before its end: {failure}"
            return _Drafted(tuple(claims), (), generator, note=note, failed=True)
        watch.lap("generate")
        if not heard:
            listener("checking")
        return _Drafted(tuple(claims), draft.unanswered, generator)

    def search(self, question: Question, k: int) -> SearchResult:
        """The k best hits of the question's collections."""
        self._check(question)
        if k < 1:
            raise InvalidInput("Ask for at least one hit: -k takes a number from 1.")
        watch = Stopwatch()
        attached, unread = self._desk.passages(question.attachments)
        watch.lap("read")
        index_version = self._stages.retriever.index_version(question.collections)
        hits = self._search_collections(question, attached, k)
        watch.lap("search")
        return SearchResult(hits, index_version, watch.timings(), unread)

    def _search_collections(self, question: Question, attached: Sequence[Hit], k: int) -> tuple[Hit, ...]:
        return self._stages.retriever.search(
            question.text,
            collections=question.collections,
            k=k,
            history=question.history,
            attached=pictures(attached),
        )

    def _check(self, question: Question) -> None:
        length = len(question.text)
        if not question.text.strip():
            raise InvalidInput("The question is empty: write what you want to know.")
        if length > self._limits.question_chars:
            raise InvalidInput(
                f"The question has {length:,} characters and at most {self._limits.question_chars:,} can be "
                "asked: shorten it, or attach the long part as a file."
            )
        for collection in question.collections:
            check_collection(collection)

    def _cache_key(self, question: Question, index_version: str) -> str:
        # Of the fallback, too: its answers are kept where the sources support nothing of the other's.
        generators = (self._stages.generator, self._stages.fallback)
        versions = [self._stages.reading_version]  # of what is attached
        versions += [f"{each.name} {each.model} {each.version}" for each in generators if each is not None]
        return cache_key(
            text=question.text,
            collections=question.collections,
            history=question.history,
            attachments=question.attachments,
            pixels=[self._stages.reader.pixel_digest(file.data) for file in question.attachments],
            index_version=index_version,
            generator_version="\n".join(versions),
        )
