"""What the tools take and give, where it is not what the service takes and gives."""

import base64
import binascii
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mmrag.errors import InvalidInput
from mmrag.service.schemas import DocumentReply
from mmrag.types import Attachment, ChunkKind

MOST_ATTACHMENTS = 20


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


class DocumentsOutput(BaseModel):
    """Documents, newest first; `total` counts those that there are."""

    documents: list[DocumentReply]
    total: int
