"""Questions: from a mention to its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bots.conversation.endings import log_fault, narrated, show, working
from bots.conversation.events import Mention, Thread
from bots.conversation.rights import spend_question
from mmrag.errors import InvalidInput, UserFacingError
from mmrag.types import Attachment, Question

if TYPE_CHECKING:
    from bots.conversation.desk import Desk
    from bots.conversation.events import Chat, Command, Ending, FileRef
    from mmrag.ports import EngineClient
    from mmrag.types import Answer

EARLIER_TURNS = 20  # a follow-up leans on what was said just before; a thread may hold thousands
EARLIER_FILES = 3  # likewise the chart that "and in May?" is about


async def ask_command(command: Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """`/ask`: a question outside of any thread."""
    if not command.text.strip():
        raise InvalidInput("What would you like to know? Write the question after /ask.")
    mention = Mention(command.text, command.author, command.audience, files=command.files)
    return await answer(mention, chat, engine, desk)


async def answer(mention: Mention, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Answer from what the audience may read, with what was attached and said before."""
    await spend_question(desk, mention.author)
    async with working(chat, "thinking about it"):
        thread = await _thread_of(mention, chat)
        question = Question(
            text=mention.text,
            collections=mention.audience.collections,
            attachments=await _download_all((*mention.files, *thread.files), chat),
            history=thread.turns,
        )
        answered = await _ask(question, chat, engine)
    await chat.post_answer(answered, question)
    return "abstained" if answered.abstained else "answered"


async def _thread_of(mention: Mention, chat: Chat) -> Thread:
    if mention.thread is None:
        return Thread()
    return await chat.earlier(mention.thread, turns=EARLIER_TURNS, files=EARLIER_FILES)


async def _download_all(files: tuple[FileRef, ...], chat: Chat) -> tuple[Attachment, ...]:
    """Every file once; the engine names in its answer those that could not be downloaded."""
    if files:
        await show(chat, "fetching the attachments")
    return tuple(await asyncio.gather(*(download(file, chat) for file in dict.fromkeys(files))))


async def download(file: FileRef, chat: Chat) -> Attachment:
    """A file with its bytes, or with the reason why they could not be had."""
    try:
        return Attachment(file.name, await chat.download(file))
    except UserFacingError as error:
        return Attachment(file.name, b"", failure=str(error))
    except Exception as error:  # noqa: BLE001 - one lost download must not cost the answer
        reason = f"It could not be downloaded (reference {log_fault(error)})."
        return Attachment(file.name, b"", failure=reason)


async def _ask(question: Question, chat: Chat, engine: EngineClient) -> Answer:
    async with narrated(chat, question) as heard:
        return await asyncio.to_thread(engine.ask, question, listener=heard, said=heard)
