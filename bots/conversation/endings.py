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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from bots.conversation.events import Chat, Ending
    from mmrag.ports import Listener
    from mmrag.types import Attachment, Stage

log = logging.getLogger("bots.conversation")

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
async def narrated(chat: Chat, attachments: Sequence[Attachment]) -> AsyncIterator[Listener]:
    """A listener for the engine's thread whose stages appear as the status of the chat."""
    loop = asyncio.get_running_loop()
    stages: asyncio.Queue[Stage] = asyncio.Queue()

    def listener(stage: Stage) -> None:
        # A cancelled question may still be worked on when the loop is closed: nobody listens any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stages.put_nowait, stage)

    async def narrate() -> None:
        while True:
            await show(chat, _describe_stage(await stages.get(), attachments))

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
