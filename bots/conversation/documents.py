"""The knowledge base: adding, listing, removing, sharing, forgetting."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bots.conversation.endings import count, log_fault, show, working
from bots.conversation.events import Command, Mention, Notice
from bots.conversation.questions import download
from bots.conversation.rights import check_may_add, check_may_share
from mmrag.errors import InvalidInput, UserFacingError
from mmrag.text.display import shorten
from mmrag.types import Source

if TYPE_CHECKING:
    from bots.conversation.audience import Audience
    from bots.conversation.desk import Desk, Web
    from bots.conversation.events import Chat, Ending, FileRef
    from mmrag.ports import EngineClient
    from mmrag.types import AddReport, Document

LISTED_DOCUMENTS = 30
NOTE_TITLE_CHARS = 60
MOST_LINKS = 10
LINK_CHARS = 80  # of a link that is named
_LINK = re.compile(
    r"<?([a-z][a-z0-9+.-]*://[^\s<>]+)>?", re.IGNORECASE
)  # a platform's brackets mean the link


async def add(text: str, message: Mention | Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Add the files that came along, what the links lead to and the text that was typed; report on each."""
    check_may_add(desk, admin=message.admin)
    given = message.links if isinstance(message, Command) else ()
    typed = links_in(text) if desk.web is not None else ()
    links = tuple(dict.fromkeys((*given, *typed)))
    note = "" if typed else text
    if not note and not message.files and not links:
        raise InvalidInput("What shall I add? Attach a file to /kb add, or write a text or a link after it.")
    if len(links) > MOST_LINKS:
        raise InvalidInput(f"These are {len(links)} links, and at most {MOST_LINKS} are added at a time.")
    async with working(chat, "adding to the knowledge base"):
        adding = _Adding(chat, engine, message.audience, _signature(message))
        lines = [await adding.file(file) for file in message.files]
        for link in links:
            lines += await adding.link(link, desk.web)
        if note:
            lines.append(await adding.source(_note(note, adding.by)))
    failed = sum(not line.went_in for line in lines)
    added = len(lines) - failed
    await chat.post_notice(
        Notice(
            f"{count(added, 'document')} in the knowledge base" + (f", {failed} not." if failed else "."),
            tuple(line.text for line in lines),
            mood="problem" if failed else "done",
        )
    )
    return "refused" if failed else "done"


def links_in(text: str) -> tuple[str, ...]:
    """The links that a text consists of; none where there are other words as well: then it is a text."""
    found = [_LINK.fullmatch(word) for word in text.split()]
    return tuple(link[1] for link in found if link is not None) if all(found) else ()


async def list_documents(command: Command, chat: Chat, engine: EngineClient) -> Ending:
    """What this audience may read, newest first."""
    documents = await asyncio.to_thread(engine.documents, collections=command.audience.collections)
    if not documents:
        await chat.post_notice(Notice("The knowledge base is empty: add to it with /kb add.", mood="hint"))
        return "done"
    lines = [
        _describe(document, with_collection=len(command.audience.collections) > 1)
        for document in documents[:LISTED_DOCUMENTS]
    ]
    if len(documents) > LISTED_DOCUMENTS:
        lines.append(f"and {len(documents) - LISTED_DOCUMENTS} older ones")
    heading = f"{count(len(documents), 'document')}, newest first:"
    await chat.post_notice(Notice(heading, tuple(lines), mood="hint"))
    return "done"


async def remove(ids: list[str], command: Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Take documents out by their ids."""
    check_may_add(desk, admin=command.admin)
    if not ids:
        raise InvalidInput("Which document? /kb remove takes the ids that /kb list shows.")
    removed = await asyncio.to_thread(engine.remove, ids, collections=command.audience.collections)
    await chat.post_notice(
        Notice(f"{count(len(removed), 'document')} removed.", tuple(document.title for document in removed))
    )
    return "done"


async def share(ids: list[str], command: Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Let everybody read what was added in a place that not everybody sees."""
    shared = command.audience.shared
    if shared is None or not command.audience.has_its_own:
        raise InvalidInput("What is added here can be read by everyone already.")
    check_may_share(desk, admin=command.admin)
    if not ids:
        raise InvalidInput("Which document? /kb share takes the ids that /kb list shows.")
    documents = await asyncio.to_thread(engine.share, ids, collections=(command.audience.home,), into=shared)
    await chat.post_notice(
        Notice(
            f"{count(len(documents), 'document')} shared with everyone.",
            tuple(document.title for document in documents),
        )
    )
    return "done"


async def forget(confirmation: str, command: Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Forget all that was added in this place: documents, corrections, answers."""
    audience = command.audience
    if not audience.has_its_own:
        raise InvalidInput("What is added here belongs to everyone: remove documents by /kb remove ID.")
    check_may_share(desk, admin=command.admin)
    documents = await asyncio.to_thread(engine.documents, collections=(audience.home,))
    if not documents:
        await chat.post_notice(Notice("Nothing was added here: there is nothing to forget.", mood="hint"))
        return "done"
    if confirmation.casefold() != "confirm":
        raise InvalidInput(
            f"That removes {count(len(documents), 'document')} added here, for good: "
            "type  /kb forget-channel confirm  if you mean it."
        )
    await asyncio.to_thread(engine.forget, audience.home)
    await chat.post_notice(
        Notice(f"{count(len(documents), 'document')} forgotten, and the answers from them.")
    )
    return "done"


def _describe(document: Document, *, with_collection: bool) -> str:
    added = f"added {document.added_at[:10]}" + (f" by {document.added_by}" if document.added_by else "")
    parts = [document.id, document.title, count(document.pages, "page"), added]
    return " · ".join([*parts, document.collection] if with_collection else parts)


# ------------------------------------------------------------------------ adding


@dataclass(frozen=True, slots=True)
class _AddLine:
    text: str
    went_in: bool


@dataclass(frozen=True, slots=True)
class _Adding:
    """What somebody adds in a place, one after the other; what goes wrong with one costs no other."""

    chat: Chat
    engine: EngineClient
    audience: Audience
    by: str

    async def file(self, file: FileRef) -> _AddLine:
        await show(self.chat, f"reading {file.name}")
        attachment = await download(file, self.chat)
        if attachment.failure is not None:
            return _AddLine(f"{file.name}: {attachment.failure}", went_in=False)
        return await self.source(Source(file.name, attachment.data, uri=file.uri))

    async def link(self, link: str, web: Web | None) -> list[_AddLine]:
        name = shorten(link.partition("://")[2] or link, LINK_CHARS)
        if web is None:
            return [_AddLine(f"{name}: Links are not opened here: attach the file.", went_in=False)]
        await show(self.chat, "opening the link")
        try:
            sources = await web.fetch(link)
        except UserFacingError as error:
            return [_AddLine(f"{name}: {error}", went_in=False)]
        except Exception as error:  # noqa: BLE001 - as below
            return [
                _AddLine(f"{name}: It could not be opened (reference {log_fault(error)}).", went_in=False)
            ]
        return [await self.source(source) for source in sources]

    async def source(self, source: Source) -> _AddLine:
        name, source = source.title or source.name, replace(source, added_by=self.by)
        try:
            report = await asyncio.to_thread(self.engine.add, source, collection=self.audience.home)
        except UserFacingError as error:
            return _AddLine(f"{name}: {error}", went_in=False)
        except Exception as error:  # noqa: BLE001 - one source that breaks must not hide what became of the others
            return _AddLine(f"{name}: It could not be added (reference {log_fault(error)}).", went_in=False)
        return _AddLine(f"{name}: {_summary(report)}", went_in=True)


def _summary(report: AddReport) -> str:
    counts = [count(report.pages, "page"), count(report.chunks, "passage")]
    if report.figures:
        counts.append(count(report.figures, "figure"))
    return "; ".join((f"{report.status}, {', '.join(counts)}", *report.warnings))


def _note(text: str, author: str) -> Source:
    """A typed text as a source: the same words are the same source."""
    first_line = text.strip().splitlines()[0]
    shortened = first_line[:NOTE_TITLE_CHARS] + ("…" if len(first_line) > NOTE_TITLE_CHARS else "")
    data = text.encode()
    return Source(
        name="note.md",
        data=data,
        uri=f"note:{hashlib.sha256(data).hexdigest()[:16]}",
        title=f"Note by {author}: {shortened}",
    )


def _signature(message: Mention | Command) -> str:
    name = message.name if isinstance(message, Mention) else message.author_name
    return name or message.author
