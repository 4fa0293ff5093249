"""One visible ending for every story, and what is shown until then."""

from __future__ import annotations

import asyncio
import logging
import secrets
import traceback
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from bots.conversation.events import Notice
from mmrag.errors import UserFacingError
from mmrag.types import Said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from bots.conversation.events import Chat, Ending
    from mmrag.types import Attachment, Question, Stage

log = logging.getLogger("bots.conversation")

SAID_SECONDS = 0.5  # what is whole sooner after its first sentence is shown as a whole: each piece is a call

_STAGES: dict[Stage, str] = {
    "reading": "reading the question",
    "searching": "searching the documents",
    "answering": "answering",
    "checking": "checking every sentence against its source",
}


async def conclude(story: Coroutine[None, None, Ending], chat: Chat) -> Ending:
    """Give the story its one visible ending, whatever it runs into."""
    try:
        return await story
    except UserFacingError as error:
        await chat.post_notice(Notice(str(error), mood="problem"))
        return "refused"
    except Exception as error:  # noqa: BLE001 - nobody who asked may be left without an ending
        await chat.post_notice(apology(log_fault(error)))
        return "apologised"


def apology(reference: str) -> Notice:
    """What is said when something broke that nobody foresaw."""
    return Notice(
        "Sorry, something went wrong on my side. Please try again; if it stays like this, "
        f"tell whoever runs me the reference {reference}.",
        mood="problem",
    )


@asynccontextmanager
async def working(chat: Chat, text: str) -> AsyncIterator[None]:
    """Show that something is going on for as long as it is."""
    await show(chat, text)
    try:
        yield
    finally:
        await show(chat, None)


@asynccontextmanager
async def narrated(chat: Chat, question: Question) -> AsyncIterator[Callable[[Stage | Said], None]]:
    """A listener for the engine's thread: stages appear as the chat's status, sentences as its draft."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Stage | Said] = asyncio.Queue()

    def listener(heard: Stage | Said) -> None:
        # A cancelled question may still be worked on when the loop is closed: nobody listens any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told.put_nowait, heard)

    narrator = asyncio.create_task(_narrate(chat, question, told))
    try:
        yield listener
    finally:
        narrator.cancel()
        # No status may come after the ending.
        await asyncio.wait([narrator])


async def _narrate(chat: Chat, question: Question, told: asyncio.Queue[Stage | Said]) -> None:
    said: list[Said] = []
    while True:
        heard = await told.get()
        if not isinstance(heard, Said):
            await show(chat, _describe_stage(heard, question.attachments))
            continue
        said.append(heard)
        await asyncio.sleep(SAID_SECONDS)
        while not told.empty():  # nothing but sentences comes after the first
            following = told.get_nowait()
            said += [following] if isinstance(following, Said) else []
        try:
            await chat.show_said(tuple(said), question)
        except Exception as error:  # noqa: BLE001 - as with a status: the answer comes all the same
            log_fault(error)


def _describe_stage(stage: Stage, attachments: Sequence[Attachment]) -> str:
    if stage == "reading" and attachments:
        return f"reading {', '.join(attachment.name for attachment in attachments)}"
    return _STAGES[stage]


async def show(chat: Chat, text: str | None) -> None:
    """Show a status, or none; that it can't be shown costs nobody an answer."""
    try:
        await chat.show_status(text)
    except Exception as error:  # noqa: BLE001 - a status that can't be shown must not cost the answer
        log_fault(error)


def log_fault(error: BaseException) -> str:
    """Log where an unexpected error arose, never what it says: that may be somebody's text."""
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("reference %s: %s at %s", reference, type(error).__name__, place)
    log.debug("reference %s: %s", reference, "".join(traceback.format_tb(error.__traceback__)))
    return reference


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 page", "2 pages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
