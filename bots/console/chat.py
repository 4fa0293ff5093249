"""The terminal as a `Chat`: draws what is posted, remembers the thread, reads files from disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bots.conversation import FileRef, Notice, Thread
from bots.render import lay_out, so_far
from mmrag.errors import MissingExtra, NotReadable
from mmrag.types import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.addresses import Reach
    from bots.console.screen import Screen
    from bots.conversation import Proposal
    from mmrag.types import Answer, Question, Said, Source


class ConsoleChat:
    """One person's terminal: one thread at a time."""

    def __init__(self, screen: Screen, *, max_file_bytes: int) -> None:
        self._screen = screen
        self._max_file_bytes = max_file_bytes
        self._thread = Thread()
        self.last_answer: Answer | None = None

    async def earlier(self, thread: str, *, turns: int, files: int) -> Thread:
        del thread  # the terminal shows one thread only
        return Thread(self._thread.turns[-turns:], self._thread.files[-files:])

    async def download(self, file: FileRef) -> bytes:
        return await asyncio.to_thread(read_file, Path(file.key), limit=self._max_file_bytes)

    async def show_status(self, text: str | None) -> None:
        self._screen.show_status(text)

    async def show_said(self, said: Sequence[Said], question: Question) -> None:
        del question
        self._screen.show_said(lay_out(so_far(said)))

    async def post_answer(self, answer: Answer, question: Question) -> None:
        del question  # what was typed stands above
        self._screen.answer(lay_out(answer))
        self.last_answer = answer

    async def post_notice(self, notice: Notice) -> None:
        self._screen.notice(notice)

    async def ask_for_correction(self, answer_id: str) -> None:
        del answer_id  # `/correct` means the last answer, which is the one that was rated
        self._screen.notice(
            Notice("Noted. What would be right? /correct TEXT makes it a source.", mood="hint")
        )

    async def ask_for_approval(self, proposal: Proposal) -> None:
        del proposal  # the one person at a terminal approves of what they write
        self._screen.notice(Notice("The correction waits for approval."))

    def remember(self, text: str, files: tuple[FileRef, ...], answer: Answer) -> None:
        """Keep an exchange as part of the thread."""
        turns = (Turn("user", text), Turn("assistant", answer.text))
        self._thread = Thread((*self._thread.turns, *turns), (*self._thread.files, *files))

    def begin_thread(self) -> None:
        """Forget the thread; answers stay rateable."""
        self._thread = Thread()


@dataclass(frozen=True, slots=True)
class LateWeb:
    """The web for who gives a link: a terminal needs no HTTP client before."""

    reach: Reach
    most_bytes: int

    async def fetch(self, link: str) -> Sequence[Source]:
        try:
            from bots.fetching import Fetcher  # noqa: PLC0415 - needs an extra; named by the error
        except ModuleNotFoundError as missing:
            raise MissingExtra(missing.name or "aiohttp", "links") from missing
        return await Fetcher(self.reach, most_bytes=self.most_bytes).fetch(link)


def read_file(path: Path, *, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises NotReadable with the reason."""
    check_file(path)
    try:
        size = path.stat().st_size
        if size > limit:
            raise NotReadable(f"It has {size:,} bytes and at most {limit:,} are read: send it in parts.")
        return path.read_bytes()
    except OSError as error:
        raise NotReadable(f"It could not be read: {error.strerror}.") from None


def check_file(path: Path) -> None:
    """Raises NotReadable where there is no file to read."""
    try:
        if path.is_file():
            return
        if path.is_dir():
            raise NotReadable(f"{path} is a folder: name its files, or add it whole with  mmrag add")
        if path.exists():
            raise NotReadable(f"{path} is not a regular file: name a file.")
    except (OSError, ValueError):  # no permission on a folder above it, or a path that can't be one
        raise NotReadable(f"{path} can't be looked at: check the path and its permissions.") from None
    raise NotReadable(f"There is no file {path}: check the path.")
