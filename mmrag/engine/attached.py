"""What came with a question, as evidence: attached pictures and files, and the thread's own words.

Nothing of it is stored. An attachment that gives no evidence is named with its reason, always.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.types import Chunk, Hit, Picture, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.ports import Chunker, Reader
    from mmrag.types import Attachment, Page, Reading, Turn

REMEMBERED_READINGS = 32  # a thread's follow-ups come with the same pictures: they are read once
FIRST_PIECE = -1  # the id of an attachment's first passage; the others' go on downwards
SHORTEST_STATEMENT = 40  # characters; shorter messages of a thread ("thanks!") support nothing


class AttachmentDesk:
    """Reads attachments into passages, ranked later. Safe to use from many threads."""

    def __init__(self, reader: Reader, chunker: Chunker, *, most: int) -> None:
        self._reader = reader
        self._chunker = chunker
        self._most = most
        self._lock = threading.Lock()
        self._readings: OrderedDict[bytes, Reading] = OrderedDict()

    def passages(self, attachments: Sequence[Attachment]) -> tuple[tuple[Hit, ...], tuple[Unread, ...]]:
        """Passages of everything that could be read, and the names of what could not."""
        passages: list[Hit] = []
        unread: list[Unread] = []
        for number, attachment in enumerate(attachments, start=1):
            if number > self._most:
                reason = f"only {self._most} attachments of one question are read: ask again with this one."
                unread.append(Unread(attachment.name, reason))
                continue
            try:
                reading = self._read(attachment)
            except NotReadable as error:
                unread.append(Unread(attachment.name, str(error)))
                continue
            found = self._pieces(attachment.name, reading.pages, number)
            passages.extend(found)
            if not found:
                reason = " ".join(reading.warnings) or "no text was found in it."
                unread.append(Unread(attachment.name, reason))
        return tuple(passages), tuple(unread)

    def shown(self, attachments: Sequence[Attachment]) -> tuple[Picture, ...]:
        """The pictures among what could be read, as a model is shown them."""
        return tuple(
            Picture(attachment.name, figure.image)
            for attachment, reading in self._read_again(attachments)
            if reading.media_type.startswith("image/")
            for page in reading.pages
            for figure in page.figures
            if figure.image is not None
        )

    def forget_incomplete(self, attachments: Sequence[Attachment]) -> bool:
        """Have those read anew the next time in which a model failed; whether there are any."""
        with self._lock:
            keys = {_key(attachment) for attachment in attachments} & self._readings.keys()
            incomplete = [key for key in keys if not self._readings[key].complete]
            for key in incomplete:
                del self._readings[key]
        return bool(incomplete)

    def _read_again(self, attachments: Sequence[Attachment]) -> Iterator[tuple[Attachment, Reading]]:
        for attachment in attachments[: self._most]:
            try:
                yield attachment, self._read(attachment)
            except NotReadable:
                continue  # named when its passages were asked for

    def _read(self, attachment: Attachment) -> Reading:
        if attachment.failure:
            raise NotReadable(attachment.failure)
        key = _key(attachment)
        with self._lock:
            if key in self._readings:
                self._readings.move_to_end(key)
                return self._readings[key]
        reading = self._reader.read(attachment.data, name=attachment.name)
        with self._lock:
            self._readings[key] = reading
            while len(self._readings) > REMEMBERED_READINGS:
                self._readings.popitem(last=False)
        return reading

    def _pieces(self, title: str, pages: Sequence[Page], place: int) -> list[Hit]:
        drafts = self._chunker.chunk(pages, title=title)
        return [
            Hit(
                chunk=Chunk(
                    id=FIRST_PIECE - number,
                    document_id="",
                    page=draft.page,
                    start=draft.start,
                    end=draft.end,
                    text=draft.text,
                    context=draft.context,
                    kind=draft.kind,
                ),
                title=title,
                uri=f"attachment:{place:03d}",  # "the second chart" is told by it
                rank=number + 1,
                score=0.0,
                retrievers=("attachment",),
                origin="attachment",
            )
            for number, draft in enumerate(drafts)
        ]


def _key(attachment: Attachment) -> bytes:
    return hashlib.blake2b(attachment.data + b"\0" + attachment.name.encode(), digest_size=16).digest()


def pictures(passages: Sequence[Hit]) -> list[str]:
    """What stands in each attached picture: its text and data. A file with pages of text is none."""
    texts: list[list[Hit]] = []
    for hit in passages:
        if hit.chunk.id == FIRST_PIECE:
            texts.append([])
        texts[-1].append(hit)
    return [
        "\n".join(hit.chunk.text for hit in pieces)
        for pieces in texts
        if all(hit.chunk.kind == "figure" for hit in pieces)
    ]


def thread_passages(history: Sequence[Turn]) -> tuple[Hit, ...]:
    """What people stated in the thread; never what the bot said, and no questions."""
    return tuple(
        Hit(
            chunk=Chunk(id=-number, document_id="", page=number, start=0, end=len(text), text=text),
            title=f"message {number} of this thread",
            uri="",
            rank=number,
            score=0.0,
            retrievers=("thread",),
            origin="thread",
        )
        for number, text in _statements(history)
    )


def _statements(history: Sequence[Turn]) -> Iterator[tuple[int, str]]:
    for number, turn in enumerate(history, start=1):
        asks = turn.text.rstrip().endswith(("?", "？"))
        if turn.role == "user" and not asks and len(turn.text) >= SHORTEST_STATEMENT:
            yield number, turn.text
