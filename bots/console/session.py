"""A conversation line by line: what each typed line means, and the loop that takes them.

It translates lines into the events of `bots.conversation`; the story itself is told there.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from bots.addresses import Reach
from bots.console import editing
from bots.console.chat import ConsoleChat, LateWeb, check_file
from bots.conversation import (
    OPEN,
    Audience,
    Command,
    Desk,
    FileRef,
    Mention,
    Notice,
    handle_command,
    handle_correction,
    handle_mention,
    handle_rating,
    links_in,
)
from mmrag.errors import InvalidInput, UserFacingError
from mmrag.types import Question, Rating

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from types import TracebackType

    from bots.console.screen import Screen
    from bots.conversation import Ending
    from mmrag.ports import EngineClient
    from mmrag.types import Answer, Verdict

Outcome = Literal["went well", "failed", "left"]

THREAD = "terminal"
HELP = (
    "any text – a question in this thread",
    "/attach PATH... – charts, screenshots or files for the next question",
    "/ask QUESTION – a question outside the thread",
    "/new – start a new thread",
    "/up, /down [WHAT IS RIGHT] – rate the last answer",
    "/correct WHAT IS RIGHT – correct the last answer",
    "/kb add PATH...|LINK...|TEXT, /kb list, /kb remove ID... – the knowledge base; a link adds its page",
    "/quit or Ctrl-D – leave; Ctrl-C stops a question",
)


class Session:
    """One person's conversation with the engine, in one terminal.

    A context manager: leaving it waits for what a stopped question still has under way.
    """

    def __init__(
        self,
        engine: EngineClient,
        screen: Screen,
        *,
        audience: Audience,
        author: str,
        max_file_bytes: int,
        desk: Desk = OPEN,
    ) -> None:
        self._engine = engine
        self._screen = screen
        self._audience = audience
        self._author = author
        self._desk = desk
        self._chat = ConsoleChat(screen, max_file_bytes=max_file_bytes)
        self._runner = asyncio.Runner()
        self._attached: tuple[FileRef, ...] = ()
        self._folder = Path()
        self._commands: dict[str, Callable[[str], Ending]] = {
            "/attach": self._attach,
            "/ask": self._ask_outside,
            "/new": self._begin_thread,
            "/up": self._rate_up,
            "/down": self._rate_down,
            "/correct": self._correct,
            "/kb": self._knowledge_base,
            "/help": self._help,
        }

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.__exit__(kind, error, trace)

    # --------------------------------------------------------------- the loops

    def play(self, lines: Iterable[str], *, folder: Path) -> bool:
        """Play lines as if they were typed, up to the first that fails; whether all went well.

        `# ...` is a caption. Paths start at `folder`.
        """
        self._folder = folder
        self._start_warm_up()
        try:
            for line in map(str.strip, lines):
                if line.startswith("#"):
                    self._screen.caption(line.lstrip("# "))
                    continue
                if not line:
                    continue
                self._screen.said(line)
                match self._handle(line):
                    case "failed":
                        return False
                    case "left":
                        return True
            return True
        finally:
            self._folder = Path()

    def converse(self) -> None:
        """Take lines from the prompt until the person leaves."""
        edited = editing.enable(("/quit", *self._commands))
        self._start_warm_up()
        self._screen.notice(Notice("Ask me something. /help shows what else you can type.", mood="hint"))
        while True:
            try:
                line = input(self._screen.prompt(edited=edited))
            except EOFError:
                self._screen.end_line()
                return
            except KeyboardInterrupt:
                self._screen.end_line()
                self._screen.notice(Notice("Ctrl-D leaves.", mood="hint"))
                continue
            try:
                if self._handle(_decodable(line).strip()) == "left":
                    return
            except KeyboardInterrupt:
                self._screen.notice(Notice("Stopped.", mood="hint"))

    def _start_warm_up(self) -> None:
        """Let the engine load its models while the first question is typed, or its picture is read."""
        self._runner.get_loop().run_in_executor(None, self._warm_up)

    def _warm_up(self) -> None:
        with suppress(Exception):  # whatever is wrong is told to the first question
            self._engine.search(Question("Are you there?", self._audience.collections), k=1)

    def _handle(self, line: str) -> Outcome:
        if line == "/quit":
            return "left"
        try:
            ending = self._dispatch(line)
        except UserFacingError as error:
            self._screen.notice(Notice(str(error), mood="problem"))
            return "failed"
        return "failed" if ending in ("refused", "apologised") else "went well"

    def _dispatch(self, line: str) -> Ending:
        head, _, rest = line.partition(" ")
        if not head.startswith("/"):
            return self._ask(line) if line else "done"
        if head not in self._commands:
            raise InvalidInput(f"There is no command {head}: /help shows those there are.")
        return self._commands[head](rest.strip())

    # ------------------------------------------------------------ what a line means

    def _ask(self, text: str) -> Ending:
        files = self._attached
        mention = Mention(text, self._author, self._audience, thread=THREAD, files=files)
        before = self._chat.last_answer
        ending = self._run(handle_mention(mention, self._chat, self._engine))
        answer = self._chat.last_answer
        if answer is not None and answer is not before:
            self._chat.remember(text, files, answer)
            self._attached = ()
        return ending

    def _ask_outside(self, text: str) -> Ending:
        return self._command("ask", text, self._attached)

    def _knowledge_base(self, text: str) -> Ending:
        verb, _, rest = text.partition(" ")
        paths = self._paths_to_add(rest) if verb == "add" and not links_in(rest) else []
        if paths:
            return self._command("kb", verb, (*self._attached, *map(_file_ref, paths)))
        return self._command("kb", text, self._attached if verb == "add" else ())

    def _command(self, name: str, text: str, files: tuple[FileRef, ...]) -> Ending:
        command = Command(name, text, self._author, self._audience, files)
        ending = self._run(handle_command(command, self._chat, self._engine, self._desk))
        if files and ending in ("answered", "abstained", "done"):
            self._attached = ()
        return ending

    def _attach(self, text: str) -> Ending:
        paths = [self._locate(word) for word in _shell_words(text)]
        if not paths:
            raise InvalidInput("Which file? /attach PATH takes one or several.")
        for path in paths:
            check_file(path)
        self._attached += tuple(map(_file_ref, paths))
        names = ", ".join(file.name for file in self._attached)
        self._screen.notice(Notice(f"With the next question: {names}"))
        return "done"

    def _rate_up(self, text: str) -> Ending:
        if text:
            raise InvalidInput("/up takes nothing more: a correction goes with /down or /correct.")
        return self._rate("up")

    def _rate_down(self, text: str) -> Ending:
        return self._rate("down", correction=text or None)

    def _rate(self, verdict: Verdict, correction: str | None = None) -> Ending:
        rating = Rating(self._last_answer().id, verdict, correction, author=self._author)
        return self._run(handle_rating(rating, self._chat, self._engine))

    def _correct(self, text: str) -> Ending:
        answer = self._last_answer()
        if not text:
            raise InvalidInput("What would be right? Write it after /correct.")
        return self._run(handle_correction(answer.id, text, self._chat, self._engine, author=self._author))

    def _last_answer(self) -> Answer:
        if self._chat.last_answer is None:
            raise InvalidInput("There is no answer to rate yet: ask something first.")
        return self._chat.last_answer

    def _begin_thread(self, _: str) -> Ending:
        self._chat.begin_thread()
        self._screen.notice(Notice("A new thread: what was said before is not looked at."))
        return "done"

    def _help(self, _: str) -> Ending:
        self._screen.notice(Notice("What you can type:", HELP, mood="hint"))
        return "done"

    def _run(self, story: Coroutine[None, None, Ending]) -> Ending:
        return self._runner.run(story)

    # ------------------------------------------------------------------- paths

    def _paths_to_add(self, text: str) -> list[Path]:
        """The paths in `/kb add ...`, or none where it is a text.

        One word that looks like a path is taken for one, so that a misspelt path is not
        added as a text.
        """
        words = _shell_words(text)
        paths = [self._locate(word) for word in words]
        lone_path = len(words) == 1 and bool(Path(words[0]).suffix or "/" in words[0])
        if not lone_path and not any(map(_is_there, paths)):
            return []
        for path in paths:
            check_file(path)
        return paths

    def _locate(self, word: str) -> Path:
        return self._folder / Path(word).expanduser()


@dataclass(frozen=True, slots=True)
class Script:
    """Lines to play as if they were typed; paths in them start at `folder`."""

    lines: tuple[str, ...]
    folder: Path


def read_script(path: Path) -> Script:
    """Read a script. Raises InvalidInput where it can't be read."""
    try:
        return Script(tuple(path.read_text(encoding="utf-8").splitlines()), path.parent)
    except FileNotFoundError:
        raise InvalidInput(f"There is no script {path}: check the path.") from None
    except OSError as error:
        raise InvalidInput(f"The script {path} could not be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"The script {path} is not UTF-8 text: save it as such.") from None


def run(
    engine: EngineClient,
    screen: Screen,
    *,
    collections: Sequence[str],
    person: str,
    max_file_bytes: int,
    reach: Reach | None = None,
    script: Script | None = None,
) -> bool:
    """Play the script if there is one, then take lines from the terminal or the pipe on standard input.

    False where a line of a script or a pipe failed.
    """
    audience = Audience(tuple(collections))
    with Session(
        *(engine, screen),
        audience=audience,
        author=person,
        max_file_bytes=max_file_bytes,
        desk=Desk(web=LateWeb(reach or Reach(), max_file_bytes)),
    ) as session:
        if script is not None and not session.play(script.lines, folder=script.folder):
            return False
        if sys.stdin.isatty():
            session.converse()
        elif script is None:
            return session.play(sys.stdin, folder=Path())
        return True


def _file_ref(path: Path) -> FileRef:
    return FileRef(name=path.name, uri=path.resolve().as_uri(), key=str(path))


def _shell_words(text: str) -> list[str]:
    """Words as a shell reads them, for paths with spaces; plain words where quotes don't match."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a sentence is not always a possible path
        return False


def _decodable(line: str) -> str:
    """A line without the lone surrogates that stand for undecodable bytes."""
    return line.encode("utf-8", "replace").decode()
