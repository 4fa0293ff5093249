"""What the tools take and give, with what a model needs to know of each field."""

import base64
import binascii
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mmrag.errors import InvalidInput
from mmrag.types import Attachment, ChunkKind, Origin, Role, Turn

MOST_ATTACHMENTS = 20
MOST_TURNS = 1_000


class AttachmentInput(BaseModel):
    """A picture or file that comes with the question."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255, description="Its file name, such as chart.png.")]
    data: Annotated[str, Field(description="Its bytes in base64; a data: URL is taken, too.")]

    def attachment(self) -> Attachment:
        """Raises InvalidInput where this is no base64."""
        _, comma, rest = self.data.partition(",")
        encoded = rest if self.data.startswith("data:") and comma else self.data
        try:
            return Attachment(self.name, base64.b64decode("".join(encoded.split()), validate=True))
        except (binascii.Error, ValueError):
            raise InvalidInput("An attachment's data is no base64: encode the file's bytes.") from None


class TurnInput(BaseModel):
    """An earlier message of the conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    text: str

    def turn(self) -> Turn:
        return Turn(self.role, self.text)


class UnusedAttachment(BaseModel):
    """An attachment that could not be read, and why."""

    name: str
    reason: str


class CitationOutput(BaseModel):
    """A source; `marker` is its number in the answer's text, `quote` what is said there, word for word."""

    marker: int
    document_id: str | None
    title: str
    page: int | None
    uri: str | None
    quote: str
    chunk_id: int | None
    image: str | None
    origin: Origin


class GenerationOutput(BaseModel):
    """Who made the answer from what."""

    generator: str
    model: str
    index_version: str
    reason: str
    note: str


class AnswerOutput(BaseModel):
    """An answer; where it `abstained`, the citations are the nearest sources and support nothing."""

    id: str
    text: str
    abstained: bool
    citations: list[CitationOutput]
    unread: list[UnusedAttachment]
    cached: bool
    generation: GenerationOutput
    timings_ms: dict[str, float]


class FoundPassage(BaseModel):
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


class SearchOutput(BaseModel):
    """What was found, best first."""

    hits: list[FoundPassage]
    index_version: str
    timings_ms: dict[str, float]
    unread: list[UnusedAttachment]


class PagePart(BaseModel):
    """A part of a page: characters `start` to `end` of its text."""

    chunk_id: int
    start: int
    end: int
    kind: ChunkKind
    image: str | None


class SourcePage(BaseModel):
    """A page of a document as it was read."""

    document_id: str
    title: str
    uri: str
    page: int
    pages: int
    text: str
    parts: list[PagePart]


class ListedDocument(BaseModel):
    """A document of the knowledge base."""

    document_id: str
    collection: str
    title: str
    uri: str
    media_type: str
    pages: int
    chunks: int
    figures: int
    added_at: str


class DocumentsOutput(BaseModel):
    """Documents, newest first; `total` counts those that there are."""

    documents: list[ListedDocument]
    total: int
