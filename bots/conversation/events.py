"""The words of a conversation: what comes in, what goes out, and the place where it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.conversation.audience import Audience
    from mmrag.types import Answer, Question, Said, Turn, Verdict

Ending = Literal["answered", "abstained", "done", "refused", "apologised"]
Mood = Literal["done", "hint", "problem"]


# --------------------------------------------------------------- what comes in


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
    """Somebody turns to the bot. `thread` is None outside of any thread.

    `author` identifies the person, `name` is what others call them; `admin` if they look after the bot.
    """

    text: str
    author: str
    audience: Audience
    thread: str | None = None
    files: tuple[FileRef, ...] = ()
    name: str = ""
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command: `name` without its slash, `text` as it was typed after it.

    `author_name` and `admin` as of a mention; `place` and `workspace` are what the records call them; `links`
    were given as such, beside the text.
    """

    name: str
    text: str
    author: str
    audience: Audience
    files: tuple[FileRef, ...] = ()
    author_name: str = ""
    admin: bool = False
    place: str = ""
    workspace: str = ""
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A thumb that somebody set or took back: by a button, a reaction, a command.

    `by` tells the ways apart: a person's last standing mark counts. `at` orders them, in seconds: they
    may come in any order. A `silent` one is thanked for by nothing but its own sight.
    """

    answer_id: str
    author: str
    by: str
    verdict: Verdict
    standing: bool
    at: float
    name: str = ""
    silent: bool = False


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


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that waits for approval: `needed` people beside its author, or one admin."""

    id: str
    answer_id: str
    correction: str
    author: str
    name: str
    needed: int


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

    async def show_said(self, said: Sequence[Said], question: Question) -> None:
        """Show what is certain already of the answer, all of it each time; the answer takes its place."""
        ...

    async def post_answer(self, answer: Answer, question: Question) -> None:
        """Post an answer that can be rated by its id; `question` is what it answers."""
        ...

    async def post_notice(self, notice: Notice) -> None: ...

    async def ask_for_correction(self, answer_id: str) -> None:
        """Ask the person who rated an answer down what would be right."""
        ...

    async def ask_for_approval(self, proposal: Proposal) -> None:
        """Show a correction to those who may approve it."""
        ...
