"""The story of a conversation, the same on every platform: mentions, commands, ratings, corrections.

An adapter translates its platform's events into `Mention`, `Command` and calls of
`handle_rating` and `handle_correction`, and implements `Chat` for the way back. Whatever
happens, a person sees exactly one ending: an answer, an abstention, a notice that says what
was done or why not, or an apology.

It knows no platform, no model and no way to draw anything. The engine is synchronous and works
in a thread; `_narrated` brings what it tells on its way back into the conversation's loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import traceback
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from mmrag.errors import InvalidInput, UserFacingError
from mmrag.types import Attachment, Question, Rating, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from mmrag.ports import EngineClient, Listener
    from mmrag.types import AddReport, Answer, Document, RatingReceipt, Stage, Turn, Verdict

log = logging.getLogger(__name__)

Ending = Literal["answered", "abstained", "done", "refused", "apologised"]
Mood = Literal["done", "hint", "problem"]

EARLIER_TURNS = 20  # a follow-up leans on what was said just before; a thread may hold thousands
EARLIER_FILES = 3  # likewise the chart that "and in May?" is about
LISTED_DOCUMENTS = 30
NOTE_TITLE_CHARS = 60

HELP = (
    "Mention me with a question, with charts, screenshots or files attached if you like.",
    "/ask QUESTION – ask outside the thread",
    "/kb add – what you attach, or a text, goes into the knowledge base",
    "/kb list – what is in it",
    "/kb remove ID... – take documents out of it",
)

_STAGES: dict[Stage, str] = {
    "reading": "reading the question",
    "searching": "searching the documents",
    "answering": "answering",
    "checking": "checking every sentence against its source",
}


# --------------------------------------------------------------- what comes in


@dataclass(frozen=True, slots=True)
class Audience:
    """Everyone who sees what is posted in a place, as the collections that all of them may read.

    Widest first. What is added in the place belongs to the last, narrowest one.
    """

    collections: tuple[str, ...]

    @property
    def home(self) -> str:
        """The collection that new documents go into."""
        return self.collections[-1]


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that somebody sent, not downloaded yet.

    `uri` is the link to it that a citation may show; `key` is what its adapter downloads it by.
    """

    name: str
    uri: str
    key: str


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody turns to the bot. `thread` is None outside of any thread."""

    text: str
    author: str
    audience: Audience
    thread: str | None = None
    files: tuple[FileRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command: `name` without its slash, `text` as it was typed after it."""

    name: str
    text: str
    author: str
    audience: Audience
    files: tuple[FileRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """What was said in a thread before a message, oldest first, and the files that came with it."""

    turns: tuple[Turn, ...] = ()
    files: tuple[FileRef, ...] = ()


# ---------------------------------------------------------------- what goes out


@dataclass(frozen=True, slots=True)
class Notice:
    """A few words from the bot itself, without markup: an adapter escapes all of it."""

    text: str
    lines: tuple[str, ...] = ()
    mood: Mood = "done"


class Chat(Protocol):
    """The place of one exchange, as its platform shows it.

    A post is visible as a whole when it returns; if it raises, nothing of it is visible.
    """

    async def earlier(self, thread: str, *, turns: int, files: int) -> Thread:
        """The last `turns` turns and `files` files before the message at hand."""
        ...

    async def download(self, file: FileRef) -> bytes:
        """Fetch a file. Raises UserFacingError with what is wrong with it."""
        ...

    async def show_status(self, text: str | None) -> None:
        """Show what the bot is doing; None takes it away."""
        ...

    async def post_answer(self, answer: Answer) -> None:
        """Post an answer that can be rated by its id."""
        ...

    async def post_notice(self, notice: Notice) -> None: ...

    async def ask_for_correction(self, answer_id: str) -> None:
        """Ask the person who rated an answer down what would be right."""
        ...


# -------------------------------------------------------------------- the story


async def handle_mention(mention: Mention, chat: Chat, engine: EngineClient) -> Ending:
    """Answer a question; files without any words go into the knowledge base."""
    if mention.text.strip():
        return await _conclude(_answer(mention, chat, engine), chat)
    if mention.files:
        return await _conclude(_add(mention.text, mention, chat, engine), chat)
    return await _conclude(_help(chat), chat)


async def handle_command(command: Command, chat: Chat, engine: EngineClient) -> Ending:
    """Carry out `/ask` or `/kb add|list|remove|help`."""
    return await _conclude(_carry_out(command, chat, engine), chat)


async def handle_rating(rating: Rating, chat: Chat, engine: EngineClient) -> Ending:
    """Record a verdict, with its correction if there is one; ask for one after a thumbs down."""
    return await _conclude(_rate(rating, chat, engine), chat)


async def handle_correction(
    answer_id: str, correction: str, chat: Chat, engine: EngineClient, *, author: str
) -> Ending:
    """Take what somebody says is right: the answer counts as rated down."""
    rating = Rating(answer_id=answer_id, verdict="down", correction=correction, author=author)
    return await handle_rating(rating, chat, engine)


async def _conclude(story: Coroutine[None, None, Ending], chat: Chat) -> Ending:
    """Give the story its one visible ending, whatever it runs into."""
    try:
        return await story
    except UserFacingError as error:
        await chat.post_notice(Notice(str(error), mood="problem"))
        return "refused"
    except Exception as error:  # noqa: BLE001 - nobody who asked may be left without an ending
        reference = _log_fault(error)
        await chat.post_notice(
            Notice(
                "Sorry, something went wrong on my side. Please try again; if it stays like this, "
                f"tell whoever runs me the reference {reference}.",
                mood="problem",
            )
        )
        return "apologised"


async def _carry_out(command: Command, chat: Chat, engine: EngineClient) -> Ending:
    verb, rest = _split_off_word(command.text)
    match command.name, verb.casefold():
        case "ask", _:
            return await _ask_command(command, chat, engine)
        case "kb", "add":
            return await _add(rest, command, chat, engine)
        case "kb", "list":
            return await _list(command, chat, engine)
        case "kb", "remove":
            return await _remove(rest.split(), command, chat, engine)
        case "kb", "" | "help":
            return await _help(chat)
        case "kb", _:
            raise InvalidInput("/kb knows add, list, remove and help.")
        case _:
            raise InvalidInput("I know the commands /ask and /kb.")


def _split_off_word(text: str) -> tuple[str, str]:
    words = text.split(maxsplit=1)
    return " ".join(words[:1]), " ".join(words[1:]).strip()


async def _help(chat: Chat) -> Ending:
    await chat.post_notice(Notice("I answer from your documents and cite them.", HELP, mood="hint"))
    return "done"


# ----------------------------------------------------------- questions and answers


async def _ask_command(command: Command, chat: Chat, engine: EngineClient) -> Ending:
    if not command.text.strip():
        raise InvalidInput("What would you like to know? Write the question after /ask.")
    mention = Mention(command.text, command.author, command.audience, files=command.files)
    return await _answer(mention, chat, engine)


async def _answer(mention: Mention, chat: Chat, engine: EngineClient) -> Ending:
    async with _working(chat, "thinking about it"):
        thread = await _thread_of(mention, chat)
        question = Question(
            text=mention.text,
            collections=mention.audience.collections,
            attachments=await _download_all((*mention.files, *thread.files), chat),
            history=thread.turns,
        )
        answer = await _ask(question, chat, engine)
    await chat.post_answer(answer)
    return "abstained" if answer.abstained else "answered"


async def _thread_of(mention: Mention, chat: Chat) -> Thread:
    if mention.thread is None:
        return Thread()
    return await chat.earlier(mention.thread, turns=EARLIER_TURNS, files=EARLIER_FILES)


async def _download_all(files: tuple[FileRef, ...], chat: Chat) -> tuple[Attachment, ...]:
    """Every file once; the engine names in its answer those that could not be downloaded."""
    if files:
        await _show(chat, "fetching the attachments")
    return tuple(await asyncio.gather(*(_download(file, chat) for file in dict.fromkeys(files))))


async def _download(file: FileRef, chat: Chat) -> Attachment:
    try:
        return Attachment(file.name, await chat.download(file))
    except UserFacingError as error:
        return Attachment(file.name, b"", failure=str(error))
    except Exception as error:  # noqa: BLE001 - one lost download must not cost the answer
        reason = f"It could not be downloaded (reference {_log_fault(error)})."
        return Attachment(file.name, b"", failure=reason)


async def _ask(question: Question, chat: Chat, engine: EngineClient) -> Answer:
    async with _narrated(chat, question.attachments) as listener:
        return await asyncio.to_thread(engine.ask, question, listener=listener)


# ------------------------------------------------------------------- documents


async def _add(text: str, message: Mention | Command, chat: Chat, engine: EngineClient) -> Ending:
    """Add the files that came along and the text that was typed, and report on each."""
    if not text and not message.files:
        raise InvalidInput("What shall I add? Attach a file to /kb add, or write a text after it.")
    async with _working(chat, "adding to the knowledge base"):
        lines = [await _add_file(file, message.audience, chat, engine) for file in message.files]
        if text:
            lines.append(await _add_source(_note(text, message.author), message.audience, engine))
    failed = sum(not line.went_in for line in lines)
    added = len(lines) - failed
    await chat.post_notice(
        Notice(
            f"{_count(added, 'document')} in the knowledge base" + (f", {failed} not." if failed else "."),
            tuple(line.text for line in lines),
            mood="problem" if failed else "done",
        )
    )
    return "refused" if failed else "done"


@dataclass(frozen=True, slots=True)
class _AddLine:
    text: str
    went_in: bool


async def _add_file(file: FileRef, audience: Audience, chat: Chat, engine: EngineClient) -> _AddLine:
    await _show(chat, f"reading {file.name}")
    attachment = await _download(file, chat)
    if attachment.failure is not None:
        return _AddLine(f"{file.name}: {attachment.failure}", went_in=False)
    return await _add_source(Source(file.name, attachment.data, uri=file.uri), audience, engine)


async def _add_source(source: Source, audience: Audience, engine: EngineClient) -> _AddLine:
    name = source.title or source.name
    try:
        report = await asyncio.to_thread(engine.add, source, collection=audience.home)
    except UserFacingError as error:
        return _AddLine(f"{name}: {error}", went_in=False)
    except Exception as error:  # noqa: BLE001 - one source that breaks must not hide what became of the others
        return _AddLine(f"{name}: It could not be added (reference {_log_fault(error)}).", went_in=False)
    return _AddLine(f"{name}: {_summary(report)}", went_in=True)


def _summary(report: AddReport) -> str:
    counts = [_count(report.pages, "page"), _count(report.chunks, "passage")]
    if report.figures:
        counts.append(_count(report.figures, "figure"))
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


async def _list(command: Command, chat: Chat, engine: EngineClient) -> Ending:
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
    heading = f"{_count(len(documents), 'document')}, newest first:"
    await chat.post_notice(Notice(heading, tuple(lines), mood="hint"))
    return "done"


def _describe(document: Document, *, with_collection: bool) -> str:
    parts = [document.id, document.title, _count(document.pages, "page")]
    return " · ".join([*parts, document.collection] if with_collection else parts)


async def _remove(ids: list[str], command: Command, chat: Chat, engine: EngineClient) -> Ending:
    if not ids:
        raise InvalidInput("Which document? /kb remove takes the ids that /kb list shows.")
    removed = await asyncio.to_thread(engine.remove, ids, collections=command.audience.collections)
    await chat.post_notice(
        Notice(f"{_count(len(removed), 'document')} removed.", tuple(document.title for document in removed))
    )
    return "done"


# --------------------------------------------------------------------- ratings


async def _rate(rating: Rating, chat: Chat, engine: EngineClient) -> Ending:
    if rating.correction is not None and not rating.correction.strip():
        raise InvalidInput("The correction is empty: write what would be right.")
    receipt = await asyncio.to_thread(engine.rate, rating)
    if receipt.verdict == "down" and rating.correction is None:
        await chat.ask_for_correction(receipt.answer_id)
    else:
        await chat.post_notice(Notice(_thanks(receipt)))
    return "done"


def _thanks(receipt: RatingReceipt) -> str:
    if receipt.correction_document_id is not None:
        return "Thank you. Your correction is a source of its own from now on."
    thanks: dict[Verdict, str] = {
        "up": "Thank you, noted.",
        "down": "Thank you, noted: this answer will not be repeated from the cache.",
    }
    return thanks[receipt.verdict]


# ------------------------------------------------------- threads, status, faults


@asynccontextmanager
async def _working(chat: Chat, text: str) -> AsyncIterator[None]:
    """Show that something is going on for as long as it is."""
    await _show(chat, text)
    try:
        yield
    finally:
        await _show(chat, None)


@asynccontextmanager
async def _narrated(chat: Chat, attachments: Sequence[Attachment]) -> AsyncIterator[Listener]:
    """A listener for the engine's thread whose stages appear as the status of the chat."""
    loop = asyncio.get_running_loop()
    stages: asyncio.Queue[Stage] = asyncio.Queue()

    def listener(stage: Stage) -> None:
        # A cancelled question may still be worked on when the loop is closed: nobody listens any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stages.put_nowait, stage)

    async def narrate() -> None:
        while True:
            await _show(chat, _describe_stage(await stages.get(), attachments))

    narrator = asyncio.create_task(narrate())
    try:
        yield listener
    finally:
        narrator.cancel()
        # No status may come after the ending.
        await asyncio.wait([narrator])


def _describe_stage(stage: Stage, attachments: Sequence[Attachment]) -> str:
    if stage == "reading" and attachments:
        return f"reading {', '.join(attachment.name for attachment in attachments)}"
    return _STAGES[stage]


async def _show(chat: Chat, text: str | None) -> None:
    try:
        await chat.show_status(text)
    except Exception as error:  # noqa: BLE001 - a status that can't be shown must not cost the answer
        _log_fault(error)


def _log_fault(error: Exception) -> str:
    """Log where an unexpected error arose, never what it says: that may be somebody's text."""
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("reference %s: %s at %s", reference, type(error).__name__, place)
    log.debug("reference %s: %s", reference, "".join(traceback.format_tb(error.__traceback__)))
    return reference


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
