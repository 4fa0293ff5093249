"""What the engine needs from its stages, and what the bots need from the engine.

Tiny Protocols; the implementations never inherit from them. `mmrag.assemble` is the one
place that decides who implements what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mmrag.errors import GenerationFailed, UserFacingError
from mmrag.types import (
    AddReport,
    Answer,
    Asked,
    Chunk,
    ChunkDraft,
    Citation,
    Claim,
    Day,
    Document,
    Draft,
    Exchange,
    Hit,
    ModelTable,
    Original,
    Page,
    Prompt,
    Proposal,
    Question,
    Rating,
    RatingReceipt,
    Reading,
    Said,
    SearchResult,
    Source,
    Stage,
    Turn,
    Use,
    Verdict,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]  # (n, dimension), rows of unit length

Listener = Callable[[Stage], None]
SaidListener = Callable[[Said], None]
ClaimListener = Callable[[Claim], None]
PageListener = Callable[[int, int], None]  # pages that are read, of how many
AddListener = Callable[[int, int, int], None]  # of which source, pages that are read, of how many
SourceLoader = Callable[[], Source]  # raises UserFacingError
AddOutcome = AddReport | UserFacingError
TableOutcome = ModelTable | GenerationFailed
CaptionOutcome = str | GenerationFailed


def unheard(_: object) -> None:
    """Who listens where only the end is waited for."""


# ------------------------------------------------------------ seen by the bots


class EngineClient(Protocol):
    """The engine, in this process or behind HTTP."""

    def ask(
        self, question: Question, *, listener: Listener | None = None, said: SaidListener | None = None
    ) -> Answer:
        """Answer with cited sources, or abstain. Raises UserFacingError.

        `said` hears each of the answer's sentences as soon as it is certain; together they are its text.
        """
        ...

    def search(self, question: Question, *, k: int = 10) -> SearchResult:
        """Find the k best hits without answering. Raises UserFacingError."""
        ...

    def add(self, source: Source, *, collection: str) -> AddReport:
        """Read, index and store one source. Raises UserFacingError."""
        ...

    def documents(self, *, collections: Sequence[str] | None = None) -> tuple[Document, ...]:
        """List documents, newest first; `None` means all collections."""
        ...

    def remove(
        self, document_ids: Sequence[str], *, collections: Sequence[str] | None = None
    ) -> tuple[Document, ...]:
        """Remove documents and all that was derived from them; returns those removed.

        Ids outside `collections` are treated as unknown. All or none: an unknown id raises
        NotFound.
        """
        ...

    def forget(self, collection: str) -> tuple[Document, ...]:
        """Remove a collection whole: documents, answers, indexes; returns the documents.

        Raises NotFound where there is no such collection.
        """
        ...

    def share(
        self, document_ids: Sequence[str], *, collections: Sequence[str], into: str
    ) -> tuple[Document, ...]:
        """Copy documents of these collections whole into another one; returns the copies.

        All or none: an unknown id raises NotFound.
        """
        ...

    def rate(self, rating: Rating) -> RatingReceipt:
        """Record a verdict; a correction becomes a source at once. Raises UserFacingError."""
        ...

    def propose(self, rating: Rating, *, proposal_id: str) -> None:
        """Record a verdict whose correction waits until it is decided; once for each id.

        Raises UserFacingError.
        """
        ...

    def decide(self, proposal_id: str, *, approved: bool) -> RatingReceipt:
        """End the waiting of a correction: approved, it becomes a source at once.

        Raises NotFound where it does not wait any more: of those who decide at once, one does.
        """
        ...

    def withdraw(self, answer_id: str, *, author: str) -> None:
        """Take back what this author said of an answer; nothing where nothing was said."""
        ...

    def figure(self, name: str, *, collections: Sequence[str]) -> bytes | None:
        """The picture that a citation names, as PNG or JPEG; None where these collections hold none such."""
        ...


class ServedEngine(EngineClient, Protocol):
    """The engine as the service needs it: what it has to look up before it lets a client do something."""

    def add_many(
        self, loaders: Sequence[SourceLoader], *, collection: str, listener: AddListener
    ) -> Iterator[AddOutcome]:
        """Add many sources; a report or the reason of each, in their order."""
        ...

    def warm_up(self) -> None:
        """Load the models, so that the first question does not wait for them. Raises UserFacingError."""
        ...

    def collections(self) -> tuple[str, ...]:
        """The names of all collections that hold something."""
        ...

    def page(
        self, document_id: str, number: int, *, collections: Sequence[str]
    ) -> tuple[Document, StoredPage]:
        """A document of these collections, and a page of it as it was read. Raises NotFound."""
        ...

    def answered_from(self, answer_id: str) -> tuple[str, ...]:
        """The collections that an answer was given from. Raises NotFound."""
        ...

    @property
    def sources(self) -> Sources:
        """What answers cite, for who follows a link."""
        ...

    @property
    def insight(self) -> Insight:
        """What owners see of their collections' use."""
        ...

    def cache_size(self) -> CacheSize:
        """How much the answer cache holds."""
        ...

    def decide(
        self, proposal_id: str, *, approved: bool, collections: Sequence[str] | None = None
    ) -> RatingReceipt:
        """As `EngineClient.decide`, for a correction that would become a source of these collections."""
        ...

    def batch_sizes(self) -> Mapping[int, int]:
        """How many steps a local model made for so many questions together; empty where there is none."""
        ...


# ------------------------------------------------------ reached by the engine


class Reader(Protocol):
    """Turns bytes into pages."""

    def read(self, data: bytes, *, name: str, progress: PageListener | None = None) -> Reading:
        """Read one file or picture; `progress` hears of pages as they are read. Raises NotReadable."""
        ...

    def pixel_digest(self, data: bytes) -> str | None:
        """Tell a picture by what it shows; None where its bytes must do."""
        ...

    def draw_page(self, data: bytes, *, number: int, quote: str) -> bytes:
        """A page of a PDF as it looks, as PNG, the quoted words marked. Raises NotReadable."""
        ...


class ChartModel(Protocol):
    """A model that reads the data of drawn charts. Safe to use from many threads."""

    @property
    def version(self) -> str:
        """Changes whenever the same picture could be read otherwise."""
        ...

    def tables(self, pictures: Sequence[bytes], *, seconds: float) -> Sequence[TableOutcome]:
        """What it reads in each picture (PNG or JPEG), or why it failed, within so many seconds."""
        ...

    def close(self) -> None:
        """Give back what it holds; it is not asked again."""
        ...


class Captioner(Protocol):
    """A model that says what a picture shows. Safe to use from many threads."""

    @property
    def version(self) -> str:
        """Changes whenever the same picture could be described otherwise."""
        ...

    def captions(self, pictures: Sequence[bytes], *, seconds: float) -> Sequence[CaptionOutcome]:
        """A few words about each picture (PNG or JPEG), or why it failed, within so many seconds."""
        ...


class Chunker(Protocol):
    """Cuts pages into chunks."""

    def chunk(self, pages: Sequence[Page], *, title: str) -> tuple[ChunkDraft, ...]: ...


class Embedder(Protocol):
    """Turns text into unit vectors."""

    @property
    def name(self) -> str:
        """Identifies model and weights: vectors of different names never mix."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors: ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors: ...

    def understands(self, text: str) -> bool:
        """Whether its vectors mean something for this text's language."""
        ...

    def count_tokens(self, text: str) -> int: ...


class Reranker(Protocol):
    """Reads a question and a passage together: finer than what found it, too slow for all there are."""

    @property
    def name(self) -> str:
        """Identifies model and weights: rankings of different names may differ."""
        ...

    def understands(self, text: str) -> bool:
        """Whether its scores mean something for this question's language."""
        ...

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One score for each passage, the higher the better; comparable for one question only."""
        ...


class Retriever(Protocol):
    """Finds chunks in collections."""

    def search(
        self,
        query: str,
        *,
        collections: Sequence[str],
        k: int,
        history: Sequence[Turn] = (),
        attached: Sequence[str] = (),
    ) -> tuple[Hit, ...]:
        """Hits best first, rank from 1; k of them where there are k.

        A query that only makes sense in its thread is completed from it. `attached` holds what
        stands in each picture that came with it: that names its topic, with less weight.
        """
        ...

    def search_passages(self, query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
        """Rank passages that came with the question itself, best first."""
        ...

    def index_version(self, collections: Sequence[str]) -> str:
        """Changes whenever a search in these collections could change."""
        ...

    def catch_up(self, collection: str) -> None:
        """Take in what was added, as the next search would. Raises StoreUnavailable."""
        ...

    def prepare(self, collection: str) -> None:
        """Build the index of a collection for the embedder in use, before the store switches to it."""
        ...

    def compact(self) -> None:
        """Leave nothing of removed chunks in the indexes on disk. Raises StoreUnavailable."""
        ...

    def forget(self, collection: str) -> None:
        """Delete the indexes of a collection that is gone from the store."""
        ...


class Generator(Protocol):
    """Drafts an answer from evidence."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def version(self) -> str:
        """Part of the cache key: changes whenever the same prompt could be answered otherwise."""
        ...

    def generate(self, prompt: Prompt, *, drafted: ClaimListener = unheard) -> Draft:
        """The draft; `drafted` hears each of its claims as soon as it is whole, and may end it by raising."""
        ...

    def close(self) -> None:
        """Give back what it holds; it is not asked again."""
        ...


class Grounder(Protocol):
    """Keeps of a draft only what the evidence supports."""

    def ground(self, draft: Draft, prompt: Prompt) -> tuple[Claim, ...]:
        """Claims with at least one supporting quote each, in the draft's order.

        Each is judged by itself: one after the other, the same are kept as all at once.
        """
        ...

    def cite(
        self, claims: Sequence[Claim], prompt: Prompt, *, unanswered: Sequence[str] = ()
    ) -> tuple[str, tuple[Citation, ...]]:
        """The answer's text with markers, and its citations; then what it leaves unanswered.

        Further claims only add to the text. Without claims: an abstention in the question's language and
        the nearest sources.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is kept of an answer so that it can be rated and its sources forgotten."""

    answer: Answer
    question: str
    collections: tuple[str, ...]
    cache_key: str


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection as it is in the store now.

    `revision` grows with every change and is never the same again, not even after the collection
    was forgotten and made anew. What changed since a revision below `horizon` is not told any
    more. `embedder` made the vectors that are searched.
    """

    revision: int
    horizon: int
    embedder: str


class VectorStore(Protocol):
    """What a change of the embedding model needs of the store."""

    def states(self, collections: Iterable[str] | None = None) -> dict[str, CollectionState]:
        """As `ChunkSnapshot.states`."""
        ...

    def without_vector(self, collection: str, *, embedder: str, after: int, limit: int) -> dict[int, str]:
        """The first `limit` chunks with ids over `after` that have no vector of this embedder.

        Their searched texts by id, in ascending order of ids.
        """
        ...

    def put_vectors(self, ids: Sequence[int], vectors: Vectors, *, embedder: str) -> None:
        """Keep vectors beside those of other embedders; chunks that went meanwhile are passed over."""
        ...

    def switch_embedder(self, collection: str, *, embedder: str) -> bool:
        """Search by this embedder from now on, and drop the vectors of others.

        False, and nothing happens, while a chunk still lacks its vector.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page's canonical text and its chunks, in their order."""

    text: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation of an answer, the document that it cites, and until when the link opens it."""

    citation: Citation
    document: Document
    expires: float  # seconds since 1970

    @property
    def page(self) -> int:
        """The page that is cited."""
        return self.citation.page or 1


class Sources(Protocol):
    """What answers cite, for who follows a link. Every method raises StoreUnavailable."""

    def follow(self, token: str) -> Cited:
        """What a link stands for. Raises ForgedLinkError, ExpiredLinkError, NotFound."""
        ...

    def page(self, document: Document, number: int) -> StoredPage:
        """A page of the document. Raises NotFound."""
        ...

    def figure(self, document: Document, name: str) -> bytes:
        """A picture of the document. Raises NotFound."""
        ...

    def original(self, document: Document) -> Original:
        """The file as it was added. Raises NotFound where it was not kept."""
        ...

    def facsimile(self, document: Document, number: int, *, quote: str) -> bytes:
        """A page as it looks in a PDF that was kept, as PNG, the quote marked. Raises NotFound."""
        ...

    def has_original(self, document: Document) -> bool:
        """Whether there is something to download."""
        ...


@dataclass(frozen=True, slots=True)
class CacheSize:
    """How much the answer cache holds, and may hold."""

    answers: int
    bytes: int
    limit: int


class Insight(Protocol):
    """What owners see of a collection's use. A question is seen where it was asked only.

    `since` is in seconds since 1970.
    """

    def note(self, several: Sequence[Asked]) -> None:
        """Keep that these were asked, for a while."""
        ...

    def forget_old(self) -> None:
        """Forget what was asked too long ago, also where nobody asks any more."""
        ...

    def places(self) -> tuple[str, ...]:
        """Every collection that holds a document or was asked something."""
        ...

    def days(self, collection: str, *, since: float) -> tuple[Day, ...]:
        """The days on which something was asked, the oldest first."""
        ...

    def durations(self, collection: str, *, since: float, cached: bool = False) -> dict[str, list[float]]:
        """Milliseconds by stage, ascending, of the latest questions that were worked out (or cached)."""
        ...

    def unanswered(self, collection: str, *, since: float, limit: int) -> tuple[Exchange, ...]:
        """Questions without an answer, the latest first."""
        ...

    def rated_down(self, collection: str, *, since: float, limit: int) -> tuple[Exchange, ...]:
        """Answers that somebody found wrong, the latest first."""
        ...

    def uses(self, collection: str, *, since: float) -> tuple[Use, ...]:
        """Every document of the collection, the most cited first."""
        ...

    def propose(self, rating: Rating, *, proposal_id: str) -> None:
        """Keep a correction until it is decided, or for 30 days; once, however often it is proposed."""
        ...

    def proposals(self, collection: str) -> tuple[Proposal, ...]:
        """Those that would become sources of this collection, the oldest first."""
        ...

    def proposal(self, proposal_id: str, *, collections: Iterable[str] | None) -> Proposal:
        """One that waits. Raises NotFound where none such waits in these collections (None for all)."""
        ...

    def drop_proposal(self, proposal_id: str) -> None:
        """Let a correction wait no longer. Raises NotFound where it does not wait."""
        ...


class Store(VectorStore, Protocol):
    """The truth on disk: documents, chunks, vectors, answers, ratings."""

    @property
    def insight(self) -> Insight: ...

    def find(self, *, collection: str, uri: str) -> tuple[Document, str] | None:
        """The document of this source and the hash of its content."""
        ...

    def put(
        self,
        document: Document,
        *,
        content_hash: str,
        pages: Sequence[Page],
        chunks: Sequence[ChunkDraft],
        vectors: Vectors,
        embedder: str,
        original: Original | None = None,
        settles: str | None = None,
    ) -> None:
        """Store a document whole, replacing its old version, in one transaction.

        In the same one the correction `settles` ends to wait: raises NotFound, and nothing is stored, where
        it does not wait.
        """
        ...

    def document(self, document_id: str) -> Document | None: ...

    def original(self, document_id: str) -> Original | None:
        """The file as it was added, where it was kept."""
        ...

    def has_original(self, document_id: str) -> bool: ...

    def vectors_of(self, document_id: str, *, embedder: str) -> dict[str, NDArray[np.float32]]:
        """The vectors (dimension,) of a stored document, by the searched text of its chunks."""
        ...

    def documents(self, collections: Sequence[str] | None) -> tuple[Document, ...]: ...

    def stored_page(self, document_id: str, number: int) -> StoredPage | None:
        """A page with its chunks, as they are at one moment."""
        ...

    def remove(
        self, document_ids: Sequence[str], collections: Sequence[str] | None
    ) -> tuple[Document, ...]: ...

    def copy(
        self, document_ids: Sequence[str], collections: Sequence[str] | None, *, into: str
    ) -> tuple[Document, ...]:
        """Copy documents with pages, pictures, chunks and vectors, in one transaction; returns the copies."""
        ...

    def figure(self, name: str, collections: Sequence[str] | None = None) -> bytes | None:
        """A stored picture, if a document of these collections holds it."""
        ...

    def figure_of(self, document_id: str, name: str) -> bytes | None:
        """A stored picture, if this document holds it."""
        ...

    def save_answer(self, stored: StoredAnswer) -> bool:
        """Keep an answer; False, and without its text, if a source it quotes has gone meanwhile."""
        ...

    def answer(self, answer_id: str) -> StoredAnswer | None: ...

    def save_rating(self, rating: Rating) -> None:
        """The last verdict of an author on an answer wins."""
        ...

    def withdraw_rating(self, answer_id: str, *, author: str) -> None: ...

    def cache_keys_citing(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        """Cache keys of answers that quote these documents."""
        ...

    def verdicts(self, answer_id: str) -> tuple[tuple[str, Verdict], ...]:
        """(author, verdict) of everyone who rated this answer."""
        ...

    def forget(self, collection: str) -> tuple[tuple[Document, ...], tuple[str, ...]]:
        """Remove a collection whole: its documents, and the answers that were given from it.

        Returns the documents, and the cache keys of those answers.
        """
        ...

    def erasures(self) -> int:
        """How many deletions there were since the file was last compacted."""
        ...

    def compact(self) -> None:
        """Leave no byte of what was deleted in the store's files."""
        ...


class AnswerCache(Protocol):
    """Answers by key. Any fault is a miss."""

    def get(self, key: str) -> Answer | None: ...

    def set(self, key: str, answer: Answer) -> None: ...

    def delete(self, keys: Iterable[str]) -> None: ...

    def size(self) -> CacheSize: ...


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a collection since a revision: forget `removed` first, then take `added` in.

    If `anew`, all that was known before is void and `added` are all live chunks.
    """

    revision: int
    anew: bool
    removed: frozenset[int]
    added: NDArray[np.int64]  # (n,), ascending ids


@dataclass(frozen=True, slots=True)
class ChunkBatch:
    """Chunks as an index wants them: `texts[i]` is what is searched of chunk `ids[i]`.

    `vectors[j]` (m, dimension) belongs to chunk `embedded[j]`; a chunk that was added while the
    embedding model changes has no vector of the old one.
    """

    ids: NDArray[np.int64]  # (n,), ascending
    texts: tuple[str, ...]
    embedded: NDArray[np.int64]  # (m,), ascending, some of `ids`
    vectors: Vectors


class ChunkSnapshot(Protocol):
    """What the indexes read from the store: they are disposable, it is the truth."""

    def states(self, collections: Iterable[str] | None = None) -> dict[str, CollectionState]:
        """The state of each of these collections that exists; `None` means all."""
        ...

    def changes(self, collection: str, *, since: int, after: int) -> Changes:
        """What was removed since a revision, and the ids of live chunks greater than `after`.

        Chunks get ascending ids, so those greater than the last one that was known at `since` are
        those that were added since.
        """
        ...

    def rows(self, ids: Sequence[int] | NDArray[np.int64], *, embedder: str) -> ChunkBatch:
        """Those of the chunks that are live, with their vectors of this embedder."""
        ...

    def hits(self, ids: Sequence[int]) -> dict[int, tuple[Chunk, str, str]]:
        """(chunk, document title, uri) of each id that is live."""
        ...


class ChunkFeed(ChunkSnapshot, Protocol):
    """The store as it is at each call; what must fit together is read from one snapshot."""

    def snapshot(self) -> AbstractContextManager[ChunkSnapshot]:
        """The store as it is when the snapshot is first read, whatever is changed meanwhile."""
        ...

    def forget_removals(self, collection: str, *, until: int) -> None:
        """Raise the horizon to `until`: what was removed up to that revision is not told any more."""
        ...
