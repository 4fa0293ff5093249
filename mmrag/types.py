"""The vocabulary: what every part of the project hands to the others.

Plain frozen dataclasses without behaviour beyond what they derive from themselves. This
module knows no library, no storage and no platform.

    Source --read--> Reading(Page...) --chunk--> Chunk --search--> Hit --cite--> Citation
    Question (with Attachments, Turns) --ask--> Answer
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_COLLECTION = "default"

Verdict = Literal["up", "down"]
Role = Literal["user", "assistant"]
Origin = Literal["collection", "attachment", "thread"]
ChunkKind = Literal["text", "table", "figure", "correction"]
AddStatus = Literal["added", "updated", "unchanged"]
CellOrigin = Literal["printed", "measured", "model"]
Stage = Literal["reading", "searching", "answering", "checking"]

_MARKERS = re.compile(r"(?:\[[0-9]{1,4}\])+(?: |$)")


# ---------------------------------------------------------------- what is read


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that someone wants in the knowledge base.

    `uri` identifies the source within its collection: the same uri added again replaces
    the old version. Without a `title` it is called as it calls itself, or by its name; "" is no title.
    `added_by` is what the person who adds it is called, where there is one.
    """

    name: str
    data: bytes = field(repr=False)
    uri: str
    title: str | None = None
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was added."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `offset` characters into its page's text; `level` counts from 1."""

    offset: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class CellSource:
    """Where a value of a chart comes from: printed there, measured on its axis, or read by a model.

    `confidence` is a little less than the share of such cells that were right on charts with known data.
    Of a model's cells no such share is known: there it is (n + 1) / (n + 2), Laplace's rule of succession,
    where all n of its values that could be compared with what is certain agree.
    """

    origin: CellOrigin
    confidence: float


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a table; the first row is its header. `start:end` is its place in the page's text.

    `sources` says of a chart in a picture where its values come from, row by row without header and
    labels; None stands at an empty cell. It is empty for all other tables.
    """

    rows: tuple[tuple[str, ...], ...]
    start: int
    end: int
    sources: tuple[tuple[CellSource | None, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture on a page. `start:end` is the place of its text (OCR, table) in the page's text.

    `kind` is "chart", "text" or "picture"; `chart` is the kind of chart where a table was read:
    "bar", "grouped", "line" and others. `table` holds a chart's data where it is certain, else
    `reason` says why it is not; where a model read it, `table` holds that and `reason` stays.
    `image` is the picture as PNG or JPEG bytes, upright and on white. `key` is what it shares only with
    pictures of the same pixels. `box` is its place on the page: left, top, right and bottom as shares of
    the page's width and height.
    """

    kind: str
    start: int
    end: int
    table: Table | None = None
    image: bytes | None = field(default=None, repr=False)
    key: str | None = None
    box: tuple[float, float, float, float] | None = None
    chart: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, numbered from 1. A format without pages is one page.

    `text` is canonical: offsets of headings, tables, figures, chunks and quotes count its
    characters.
    """

    number: int
    text: str
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers saw in one file or picture.

    It is not `complete` where a model that looks at figures failed: read again, there may be more.
    """

    media_type: str
    title: str | None
    pages: tuple[Page, ...]
    warnings: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ModelTable:
    """What a model wrote as the data of a chart: its header, then its rows, not yet believed.

    `chart` is the kind of chart it saw, or "". What was `cut_off` lacks its end.
    """

    rows: tuple[tuple[str, ...], ...]
    chart: str = ""
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk before it is stored. Law: `text == page.text[start:end]`.

    `context` (title and heading path, a split table's header) helps to find the chunk and
    is never quoted. `figure` is an index into the page's figures.
    """

    page: int
    start: int
    end: int
    text: str
    context: str = ""
    kind: ChunkKind = "text"
    figure: int | None = None

    @property
    def searched(self) -> str:
        """What the indexes hold: the context helps to find a chunk."""
        return f"{self.context}\n{self.text}" if self.context else self.text


# ------------------------------------------------------------ what is kept


def document_id(collection: str, uri: str) -> str:
    """The stable id of a source within its collection."""
    name = len(collection).to_bytes(4, "big") + collection.encode() + uri.encode()
    return blake2b(name, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document. `id` is stable for (collection, uri), across updates.

    `added_at` and `added_by` are of its last version; "" where nobody was named.
    """

    id: str
    collection: str
    title: str
    uri: str
    media_type: str
    pages: int
    chunks: int
    figures: int
    added_at: str
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored piece of a document's page. `id` is unique in the store and never reused.

    `image` names the stored figure that the chunk belongs to.
    """

    id: int
    document_id: str
    page: int
    start: int
    end: int
    text: str
    context: str = ""
    kind: ChunkKind = "text"
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, with what a citation of it needs.

    `retrievers` names who found it ("bm25", "dense", "attachment") and, with "rerank", that a
    cross-encoder placed it; `score` is the last one's and compares with those of the same. For an
    attached file or a thread's message `origin` says so and the chunk is not a stored one.
    """

    chunk: Chunk
    title: str
    uri: str
    rank: int
    score: float
    retrievers: tuple[str, ...]
    origin: Origin = "collection"


# ------------------------------------------------------ question and answer


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture or file that came with a question or an earlier turn.

    `failure` says why its bytes could not be had; the answer then names it as unread.
    """

    name: str
    data: bytes = field(repr=False)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier message of the thread."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and where it may be answered from.

    `collections` are those that everyone who will see the answer may read, widest audience
    first; the engine never widens them, and a correction goes into the last, narrowest one.
    `history` is the thread before this question, oldest first.
    """

    text: str
    collections: tuple[str, ...] = (DEFAULT_COLLECTION,)
    attachments: tuple[Attachment, ...] = ()
    history: tuple[Turn, ...] = ()

    @property
    def standalone(self) -> str:
        """The question with the person's previous one, where it follows up on it."""
        return standalone(self.text, self.history)


def standalone(text: str, history: Sequence[Turn]) -> str:
    """A question that two threads share only if they also share what was asked just before."""
    asked = [turn.text for turn in history if turn.role == "user"]
    return "\n".join([*asked[-1:], text])


@dataclass(frozen=True, slots=True)
class Unread:
    """An attachment that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Citation:
    """One source of an answer. `marker` is the number in the text, from 1.

    `quote` is verbatim text of the cited page. `document_id` and `chunk_id` are None for an
    attachment or a message of the thread. `image` names the stored figure that is cited. `link`
    opens the cited page for whoever sees the answer, for a while; it is never stored.
    """

    marker: int
    document_id: str | None
    title: str
    page: int | None
    uri: str | None
    quote: str
    chunk_id: int | None
    image: str | None = None
    origin: Origin = "collection"
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """Who made the answer from what; `reason` says why this generator was chosen.

    `note` is for the person who asked: why the chosen generator did not make this answer.
    """

    generator: str
    model: str
    index_version: str
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of an answer with its markers, as soon as it is certain: it is never taken back.

    `citations` are those of its markers. Until the answer is whole their quotes may still grow.
    """

    answer_id: str
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose every sentence is cited, or an abstention with the nearest sources.

    When `abstained`, `citations` are the nearest sources, not support.
    """

    id: str
    text: str
    abstained: bool
    citations: tuple[Citation, ...]
    unread: tuple[Unread, ...]
    cached: bool
    generation: Generation
    timings_ms: dict[str, float]

    @property
    def sentences(self) -> tuple[Said, ...]:
        """What it says; joined by spaces the sentences are its text. An abstention says nothing."""
        if self.abstained:
            return ()
        ends = [match.end() for match in _MARKERS.finditer(self.text)]
        pieces = [self.text[start:end] for start, end in pairwise([0, *ends, len(self.text)])]
        return tuple(self._said(piece.removesuffix(" ")) for piece in pieces if piece)

    def _said(self, text: str) -> Said:
        cited = tuple(citation for citation in self.citations if f"[{citation.marker}]" in text)
        return Said(self.id, text, cited)


@dataclass(frozen=True, slots=True)
class Rating:
    """A person's verdict on an answer, with a correction if they know better."""

    answer_id: str
    verdict: Verdict
    correction: str | None = None
    author: str = "someone"


@dataclass(frozen=True, slots=True)
class RatingReceipt:
    """What a rating did: the answer it counts for and the document its correction became."""

    answer_id: str
    verdict: Verdict
    correction_document_id: str | None


@dataclass(frozen=True, slots=True)
class AddReport:
    """What adding one source did."""

    document_id: str
    pages: int
    chunks: int
    figures: int
    status: AddStatus
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits of a search, best first, with the index version they come from."""

    hits: tuple[Hit, ...]
    index_version: str
    timings_ms: dict[str, float]
    unread: tuple[Unread, ...] = ()


# ------------------------------------------------------- what its owners see


@dataclass(frozen=True, slots=True)
class Asked:
    """That an answer was asked for at `at` (seconds since 1970), and how that went.

    `collection` is the narrowest of the question's: the place where it was asked.
    """

    at: float
    answer_id: str
    collection: str
    abstained: bool
    cached: bool
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Day:
    """The questions of a UTC day, or of several from `date` on.

    Answered, not answered, from the cache; rated down of the answered.
    """

    date: str
    answered: int
    abstained: int
    cached: int
    rated_down: int

    @property
    def asked(self) -> int:
        """All of them."""
        return self.answered + self.abstained


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer (empty where it went with a document), asked `times`, last at `at`."""

    answer_id: str
    question: str
    answer: str
    times: int
    at: float


@dataclass(frozen=True, slots=True)
class Use:
    """How many questions a document answered, and when the last one was asked."""

    document: Document
    answers: int
    at: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that waits for approval, with the question and the answer that it is about."""

    id: str
    answer_id: str
    question: str
    answer: str
    correction: str
    author: str
    at: float


# ------------------------------------------- between generation and grounding


@dataclass(frozen=True, slots=True)
class Quote:
    """A verbatim span: characters `start:end` of the text of `hits[hit].chunk`."""

    hit: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a draft or an answer, with the spans it rests on.

    A generator that copies knows its support; one that phrases leaves it empty for
    grounding to find.
    """

    text: str
    support: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator says, sentence by sentence; empty when it has nothing to say.

    `unanswered` are those of several things asked for which it found nothing, in the
    question's words.
    """

    claims: tuple[Claim, ...]
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """An attached picture as a model is shown it: PNG or JPEG bytes, upright and on white."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator may use: the question, the evidence best first, the thread, the pictures.

    What was read from a picture is among the hits, under the picture's name as their title.
    """

    question: str
    hits: tuple[Hit, ...]
    history: tuple[Turn, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def standalone(self) -> str:
        """See `Question.standalone`: what a correction's context is compared with."""
        return standalone(self.question, self.history)
