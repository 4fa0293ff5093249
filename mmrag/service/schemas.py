"""The JSON of requests and replies, as the OpenAPI document and MCP's tools show it.

`mmrag.wire` writes the replies. It needs no web framework, which `mmrag mcp` can do without.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mmrag.types import DEFAULT_COLLECTION, AddStatus, ChunkKind, Origin, Role, Verdict

MOST_HITS = 1_000
MOST_COLLECTIONS = 200
MOST_TURNS = 1_000
MOST_ATTACHMENTS = 100
MOST_IDS = 1_000

Id = Annotated[str, Field(min_length=1, max_length=200)]
Author = Annotated[str, Field(min_length=1, max_length=200, description="Who says it.")]
CollectionName = Annotated[str, Field(min_length=1, max_length=200, examples=["default"])]


class _Request(BaseModel):
    # A misspelt member would be passed over in silence otherwise.
    model_config = ConfigDict(extra="forbid")


class _Reply(BaseModel):
    model_config = ConfigDict(extra="allow")  # members may be added within a version


# ------------------------------------------------------------------------- requests


class TurnBody(_Request):
    """An earlier message of the thread."""

    role: Role
    text: str


class AttachmentBody(_Request):
    """A picture or file that comes with a question.

    `data` is its bytes in base64. In a multipart request it is left out: the parts called `attachment`
    follow in the same order. `failure` says why its bytes could not be had.
    """

    name: Annotated[str, Field(max_length=1_000, examples=["chart.png"])]
    data: Annotated[str | None, Field(json_schema_extra={"contentEncoding": "base64"})] = None
    failure: Annotated[str | None, Field(max_length=2_000)] = None

    @field_validator("data")
    @classmethod
    def _is_base64(cls, value: str | None) -> str | None:
        if value is not None:
            decoded(value)
        return value


def decoded(data: str) -> bytes:
    """Raises ValueError where it is not base64."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None


class _QuestionBody(_Request):
    text: Annotated[str, Field(description="What is asked.")]
    collections: Annotated[
        list[CollectionName],
        Field(max_length=MOST_COLLECTIONS, description="Where the answer may come from, widest first."),
    ] = [DEFAULT_COLLECTION]
    history: Annotated[
        list[TurnBody], Field(max_length=MOST_TURNS, description="The thread so far, oldest first.")
    ] = []
    attachments: Annotated[list[AttachmentBody], Field(max_length=MOST_ATTACHMENTS)] = []


class AskBody(_QuestionBody):
    """A question, and where it may be answered from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "How many days of paid leave do we have?", "collections": ["default"]},
                {
                    "text": "And in May?",
                    "history": [
                        {"role": "user", "text": "How many tickets came in in April?"},
                        {"role": "assistant", "text": "317. [1]"},
                    ],
                },
            ]
        },
    )


class SearchBody(_QuestionBody):
    """A question to which hits are wanted, not an answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "paid leave", "collections": ["default"], "k": 5}]},
    )

    k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits.")] = 10


class RatingBody(_Request):
    """A verdict on an answer, with a correction if somebody knows better."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "5f2c9d1e8a7b6c50",
                    "verdict": "down",
                    "correction": "28 days since January.",
                    "author": "ana",
                }
            ]
        },
    )

    answer_id: Id
    verdict: Verdict
    correction: str | None = None
    author: Author = "someone"


class ProposalBody(_Request):
    """A correction that waits until it is decided; the answer counts as rated down."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "5f2c9d1e8a7b6c50",
                    "correction": "28 days since January.",
                    "author": "ana",
                    "proposal_id": "9d1e8a7b6c505f2c",
                }
            ]
        },
    )

    answer_id: Id
    correction: str
    author: Author = "someone"
    proposal_id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="A name of your own, to decide it by.")
    ]


class DecisionBody(_Request):
    """What becomes of a correction that waits."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approved": True}]})

    approved: bool


class DocumentIdsBody(_Request):
    """Documents by their ids; without `collections`, in all that the key may name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"document_ids": ["8c1f0e5b7d2a4966"], "collections": ["default"]}]},
    )

    document_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)]
    collections: Annotated[list[CollectionName] | None, Field(max_length=MOST_COLLECTIONS)] = None


class ShareBody(_Request):
    """Documents of some collections that are copied into another."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"document_ids": ["8c1f0e5b7d2a4966"], "collections": ["team"], "into": "default"}]
        },
    )

    document_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)]
    collections: Annotated[list[CollectionName], Field(min_length=1, max_length=MOST_COLLECTIONS)]
    into: CollectionName


# -------------------------------------------------------------------------- replies


class CitationReply(_Reply):
    """One source of an answer. `marker` is its number in the text, `quote` stands so on the page."""

    marker: int
    document_id: str | None
    title: str
    page: int | None
    uri: str | None
    quote: str
    chunk_id: int | None
    image: str | None
    origin: Origin
    link: str | None  # opens the cited page for a while, where the service has a public address


class UnreadReply(_Reply):
    """An attachment that could not be used, and why."""

    name: str
    reason: str


class GenerationReply(_Reply):
    """Who made the answer from what."""

    generator: str
    model: str
    index_version: str
    reason: str
    note: str


class AnswerReply(_Reply):
    """An answer whose every sentence is cited, or an abstention with the nearest sources."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5f2c9d1e8a7b6c50",
                    "text": "Every employee has 28 days of paid leave a year. [1]",
                    "abstained": False,
                    "citations": [
                        {
                            "marker": 1,
                            "document_id": "8c1f0e5b7d2a4966",
                            "title": "Handbook",
                            "page": 1,
                            "uri": "upload:handbook.md",
                            "quote": "Every employee has 28 days of paid leave a year.",
                            "chunk_id": 1,
                            "image": None,
                            "origin": "collection",
                            "link": "https://answers.example.com/s/AWpv...#quote",
                        }
                    ],
                    "unread": [],
                    "cached": False,
                    "generation": {
                        "generator": "extractive",
                        "model": "none",
                        "index_version": "7d1b",
                        "reason": "needs no model, and `generator_model` names none",
                        "note": "",
                    },
                    "timings_ms": {"read": 0.0, "search": 5.1, "generate": 3.2, "ground": 0.4, "total": 9.0},
                }
            ]
        },
    )

    id: str
    text: str
    abstained: bool
    citations: list[CitationReply]
    unread: list[UnreadReply]
    cached: bool
    generation: GenerationReply
    timings_ms: dict[str, float]


class HitReply(_Reply):
    """A passage that was found."""

    rank: int
    score: float
    document_id: str
    title: str
    uri: str
    page: int
    chunk_id: int
    text: str
    retrievers: list[str]
    image: str | None
    start: int
    end: int
    context: str
    kind: ChunkKind
    origin: Origin


class SearchReply(_Reply):
    """Hits, best first."""

    hits: list[HitReply]
    index_version: str
    timings_ms: dict[str, float]
    unread: list[UnreadReply]


class DocumentReply(_Reply):
    """A stored document."""

    document_id: str
    collection: str
    title: str
    uri: str
    media_type: str
    pages: int
    chunks: int
    figures: int
    added_at: str
    added_by: str


class DocumentsReply(_Reply):
    """Documents, newest first."""

    documents: list[DocumentReply]


class OutcomeReply(_Reply):
    """What came of one uploaded file; where `status` is "failed", `reason` and `code` say why."""

    path: str
    document_id: str | None
    pages: int
    chunks: int
    figures: int
    status: AddStatus | Literal["failed"]
    reason: str | None
    warnings: list[str]
    code: str | None


class OutcomesReply(_Reply):
    """What came of each uploaded file, in their order."""

    outcomes: list[OutcomeReply]


class ReceiptReply(_Reply):
    """What a rating did: the answer it counts for and the document that its correction became."""

    answer_id: str
    verdict: Verdict
    correction_document_id: str | None


class ProposalReply(_Reply):
    """A correction waits under this name."""

    proposal_id: str


class CollectionReply(_Reply):
    """A collection and how many documents it holds."""

    name: str
    documents: int


class CollectionsReply(_Reply):
    """The collections that the key may name."""

    collections: list[CollectionReply]


class WithdrawnReply(_Reply):
    """The answer of which nothing is said by this author any more."""

    answer_id: str


class HealthReply(_Reply):
    """Whether the service is alive, or ready for questions; `reason` where it is not."""

    status: Literal["ok", "starting", "stopping", "fault"]
    reason: str | None = None


class ProblemDocument(_Reply):
    """RFC 9457: `detail` says what happened and what to do, `code` is for programs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:mmrag:invalid-input",
                    "title": "The request can't be answered as it is",
                    "status": 400,
                    "detail": "The question is empty: write what you want to know.",
                    "code": "invalid-input",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    code: str


# ------------------------------------------------------- the OpenAI-compatible part


class _Foreign(BaseModel):
    model_config = ConfigDict(extra="allow")  # clients send what other servers understand


class ImageUrl(_Foreign):
    """A picture as a data URL; addresses are not fetched."""

    url: Annotated[str, Field(examples=["data:image/png;base64,iVBORw0KGgo="])]


class ContentPart(_Foreign):
    """A piece of a message: a text or a picture."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None


class ChatMessage(_Foreign):
    """A message. What system, developer and tool messages say is not used: answers come from documents."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[ContentPart], Field(max_length=MOST_ATTACHMENTS)] | None = None


class ChatBody(_Foreign):
    """A chat of OpenAI's API. Of its parameters those below count; others are accepted and do nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "mmrag", "messages": [{"role": "user", "content": "How many days of leave?"}]}
            ]
        },
    )

    model: Annotated[
        str, Field(max_length=2_000, description="`mmrag`, or `mmrag:` and collections with commas between.")
    ]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_TURNS)]
    stream: bool | None = None
    n: Annotated[int | None, Field(ge=1, le=1)] = None


class ChatReplyMessage(_Reply):
    """The answer with its sources below."""

    role: Literal["assistant"]
    content: str


class ChatChoice(_Reply):
    """The one choice there is."""

    index: int
    message: ChatReplyMessage
    finish_reason: Literal["stop"]


class ChatReply(_Reply):
    """A chat completion; `mmrag` is the answer as `/v1/ask` gives it."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    mmrag: AnswerReply


class ModelReply(_Reply):
    """What can be asked: all documents of a collection under a model's name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsReply(_Reply):
    """Every model of this key."""

    object: Literal["list"]
    data: list[ModelReply]


ALL: tuple[type[BaseModel], ...] = (
    AskBody, SearchBody, RatingBody, ProposalBody, DecisionBody, DocumentIdsBody, ShareBody, AnswerReply,
    SearchReply, DocumentsReply, OutcomesReply, ReceiptReply, ProposalReply, CollectionsReply, WithdrawnReply,
    HealthReply, ProblemDocument, ChatBody, ChatReply, ModelsReply,
)  # fmt: skip
