"""What each kind of event leads to: mentions and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.conversation import documents, questions, settings
from bots.conversation.desk import OPEN
from bots.conversation.endings import conclude
from bots.conversation.events import Notice
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from bots.conversation.desk import Desk
    from bots.conversation.events import Chat, Command, Ending, Mention
    from mmrag.ports import EngineClient

HELP = (
    "Mention me with a question, with charts, screenshots or files attached if you like.",
    "/ask QUESTION – ask outside the thread",
    "/kb add – what you attach, or a text, goes into the knowledge base",
    "/kb add LINK – so does the page or file behind a link; the same link again brings its new version",
    "/kb list – what is in it",
    "/kb remove ID... – take documents out of it",
    "/kb share ID... – let everyone read what was added in a private place",
    "/kb forget-channel – forget all that was added here",
    "/kb settings – what is set for this place",
    "correction: TEXT – in reply to an answer, what would be right",
)


async def handle_mention(mention: Mention, chat: Chat, engine: EngineClient, desk: Desk = OPEN) -> Ending:
    """Answer a question; files without any words go into the knowledge base."""
    if mention.text.strip():
        return await conclude(questions.answer(mention, chat, engine, desk), chat)
    if mention.files:
        return await conclude(documents.add(mention.text, mention, chat, engine, desk), chat)
    return await conclude(_help(chat), chat)


async def handle_command(command: Command, chat: Chat, engine: EngineClient, desk: Desk = OPEN) -> Ending:
    """Carry out `/ask` or `/kb add|list|remove|share|forget-channel|help`."""
    return await conclude(_carry_out(command, chat, engine, desk), chat)


async def _carry_out(command: Command, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:  # noqa: C901, PLR0911 - a table of commands
    verb, rest = split_off_word(command.text)
    match command.name, verb.casefold():
        case "ask", _:
            return await questions.ask_command(command, chat, engine, desk)
        case "kb", "add":
            return await documents.add(rest, command, chat, engine, desk)
        case "kb", "list":
            return await documents.list_documents(command, chat, engine)
        case "kb", "remove":
            return await documents.remove(rest.split(), command, chat, engine, desk)
        case "kb", "share":
            return await documents.share(rest.split(), command, chat, engine, desk)
        case "kb", "forget-channel":
            return await documents.forget(rest, command, chat, engine, desk)
        case "kb", "settings":
            return await settings.show_settings(command, chat, desk)
        case "kb", "set":
            return await settings.change_setting(rest.split(), command, chat, desk)
        case "kb", "" | "help":
            return await _help(chat)
        case "kb", _:
            raise InvalidInput("/kb knows add, list, remove, share, forget-channel, settings, set and help.")
        case _:
            raise InvalidInput("I know the commands /ask and /kb.")


def split_off_word(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    words = text.split(maxsplit=1)
    return " ".join(words[:1]), " ".join(words[1:]).strip()


async def _help(chat: Chat) -> Ending:
    await chat.post_notice(Notice("I answer from your documents and cite them.", HELP, mood="hint"))
    return "done"
