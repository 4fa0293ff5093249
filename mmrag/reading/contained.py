"""Untrusted bytes are read in child processes with limits. What kills a child costs its document only.

The children live on and keep their models warm; one that died, or holds on to much memory, is replaced. What
they answer is data: checked against the types and the laws of a reading before it is believed.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import msgspec

from mmrag.errors import MissingExtra, NotReadable
from mmrag.reading import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmrag.ports import PageListener
    from mmrag.types import Reading

Result = TypeVar("Result")

_TICK = 0.05  # seconds between two looks at a child's memory
_START_SECONDS = 60.0
_ENDING_SECONDS = 1.0  # between a closed socket and an exit code
_RETAINED = 0.6  # of its memory: a child that holds more after a document is replaced
_NEAR = 0.75  # of its memory: a child that crashed with more than this had too little of it
_RECEIVED = 1 << 18  # bytes at a time
_FOLDER_PREFIX = "mmrag-reader-"  # of the temporary folder that is all children may write to
_DOES_NOT_START = "The process that reads files does not start ({}): `mmrag doctor` says more."
_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_REASON = 600  # characters of a child's sentence
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# -I keeps the environment and the current folder out; what is imported from where is told instead.
_START = "import sys; sys.path[:0] = [sys.argv[1]]; from mmrag.reading.worker import main; main()"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one child may use for one document.

    `page_seconds` is the longest until a next page is done, or a document without pages; `answer_bytes`
    bounds what comes back.
    """

    memory_bytes: int
    page_seconds: float
    seconds: float
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What is read of one file: see the settings of the same names."""

    max_file_bytes: int
    max_pages: int
    max_image_bytes: int
    max_image_pixels: int
    max_text_chars: int


class ContainedReader:
    """Reads in up to `processes` children at a time, others wait. Implements `ports.Reader`; thread-safe."""

    def __init__(self, limits: FileLimits, bounds: Bounds, *, processes: int, threads: int) -> None:
        self._limits = limits
        self._bounds = bounds
        self._threads = threads
        self._processes = processes
        self._places = threading.BoundedSemaphore(processes)
        self._children = _Children()
        # Ends the children, closed or not; at the latest with the interpreter.
        self._end = weakref.finalize(self, self._children.end)

    def read(self, data: bytes, *, name: str, progress: PageListener | None = None) -> Reading:
        return self._in_child(lambda child: child.read(data, name, progress))

    def pixel_digest(self, data: bytes) -> str | None:
        try:
            return self._in_child(lambda child: child.pixel_digest(data))
        except NotReadable:  # reading it will say why
            return None

    def draw_page(self, data: bytes, *, number: int, quote: str) -> bytes:
        return self._in_child(lambda child: child.draw_page(data, number, quote))

    def measures(self) -> tuple[str, ...]:
        """What of `confinement.MEASURES` is in force for the children on this system."""
        return self._in_child(lambda child: child.measures)

    def _in_child(self, work: Callable[[_Child], Result]) -> Result:
        with self._places:  # kept for the second child, or there would be one too many
            child = self._children.take() or self._start()
            is_its_first = child.is_new
            try:
                return self._worked(child, work)
            except _BlamedError:
                if is_its_first:
                    raise
            # What earlier documents left behind in a child must not count against this one.
            return self._worked(self._start(), work)

    def _worked(self, child: _Child, work: Callable[[_Child], Result]) -> Result:
        try:
            return work(child)
        finally:
            self._children.give_back(child)

    def close(self) -> None:
        """End the children; what they are reading is not read."""
        self._end()

    def _start(self) -> _Child:
        """A child may use all processors while it is the only one."""
        threads = self._threads if self._children.count() == 0 else max(1, self._threads // self._processes)
        setup = messages.Setup(
            parent=os.getpid(),
            threads=threads,
            memory_bytes=self._bounds.memory_bytes,
            processor_seconds=self._bounds.seconds * threads,
            max_file_bytes=self._limits.max_file_bytes,
            max_pages=self._limits.max_pages,
            max_image_bytes=self._limits.max_image_bytes,
            max_image_pixels=self._limits.max_image_pixels,
            max_text_chars=self._limits.max_text_chars,
        )
        return self._children.start(setup, self._bounds)


class _Children:
    """The children that live. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._living: set[_Child] = set()
        self._closed = False
        self._folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX)
        # Linux ends a child with the *thread* that started it: so one thread starts all, and lives on.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="mmrag-reader")

    def count(self) -> int:
        with self._lock:
            return len(self._living)

    def take(self) -> _Child | None:
        """The child that read last and is free; what the system took from it meanwhile costs no document."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                child = self._idle.pop()
                if child.lives:
                    return child
                self._living.discard(child)
            child.kill()

    def start(self, setup: messages.Setup, bounds: Bounds) -> _Child:
        with self._lock:
            if self._closed:
                raise NotReadable("Reading has ended: the engine is closed.")
            if not Path(self._folder).is_dir():  # systems tidy temporary folders away
                self._folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX)
            child = self._starter.submit(_Child, self._folder, bounds).result()
            self._living.add(child)
        try:
            child.set_up(setup)
        except BaseException:
            self.give_back(child)
            raise
        return child

    def give_back(self, child: _Child) -> None:
        """Keep it for the next document, if it can be trusted with it."""
        with self._lock:
            if child.is_fit and not self._closed:
                self._idle.append(child)
                return
            self._living.discard(child)
        child.kill()

    def end(self) -> None:
        with self._lock:
            self._closed = True
            living = [*self._living]
            self._idle.clear()
            self._living.clear()
        for child in living:
            child.kill()
        self._starter.shutdown(wait=False)
        shutil.rmtree(self._folder, ignore_errors=True)


class _Child:
    """One process and our end of its socket."""

    def __init__(self, folder: str, bounds: Bounds) -> None:
        """Raises NotReadable where the system starts no process."""
        self._bounds = bounds
        self._folder = folder
        self._peak = 0  # bytes of memory seen while it reads
        self.measures: tuple[str, ...] = ()
        self.is_fit = False  # to read another document
        self.is_new = True  # it has read none
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-I", "-c", _START, str(Path(__file__).resolve().parents[2])],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=folder,
                    env=_environment(folder),
                    start_new_session=True,  # Ctrl-C is the parent's to answer
                )
            except OSError as error:  # no memory, no more processes
                self._socket.close()
                raise NotReadable(_DOES_NOT_START.format(error.strerror)) from error
        self._socket.settimeout(0)
        self._poll = select.poll()

    @property
    def lives(self) -> bool:
        """Whether it runs, with its folder: without, it would fail on whatever it reads."""
        return self._process.poll() is None and Path(self._folder).is_dir()

    def set_up(self, setup: messages.Setup) -> None:
        """Wait until it is ready. Raises NotReadable, MissingExtra."""
        exchange = _Exchange([messages.framed(messages.encode(setup))], limit=self._bounds.answer_bytes)
        try:
            answer = self._converse(exchange, None, seconds=_START_SECONDS, page_seconds=_START_SECONDS)
        except NotReadable:
            raise NotReadable(_DOES_NOT_START.format(self._ending())) from None
        if not isinstance(answer, messages.Ready):
            self._refuse(answer)
        self.measures = answer.measures
        self.is_fit = True

    def read(self, data: bytes, name: str, progress: PageListener | None) -> Reading:
        """Raises NotReadable, MissingExtra."""
        task = messages.Task(name.encode("utf-8", "surrogateescape"), read=True)
        answer = self._done(task, data, progress)
        if not isinstance(answer, messages.Done):
            self._refuse(answer)
        if not _is_lawful(answer.reading):
            self._distrust()
        return answer.reading

    def pixel_digest(self, data: bytes) -> str | None:
        """Raises NotReadable, MissingExtra."""
        answer = self._done(messages.Task(b"", read=False), data, None)
        if not isinstance(answer, messages.Digested):
            self._refuse(answer)
        return answer.digest

    def draw_page(self, data: bytes, number: int, quote: str) -> bytes:
        """Raises NotReadable, MissingExtra."""
        answer = self._done(messages.Task(b"", read=False, page=number, quote=quote), data, None)
        if not isinstance(answer, messages.Drawn):
            self._refuse(answer)
        if not answer.picture.startswith(_PNG):
            self._distrust()
        return answer.picture

    def _done(self, task: messages.Task, data: bytes, progress: PageListener | None) -> messages.FromChild:
        self.is_fit = self.is_new = False
        self._peak = 0
        parts = [messages.framed(messages.encode(task)), messages.LENGTH.pack(len(data)), data]
        answer = self._converse(
            _Exchange(parts, limit=self._bounds.answer_bytes),
            progress,
            seconds=self._bounds.seconds,
            page_seconds=self._bounds.page_seconds,
        )
        self.is_fit = self._memory() < _RETAINED * self._bounds.memory_bytes
        return answer

    def kill(self) -> None:
        """End it now, whatever it is doing."""
        self.is_fit = False
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for it
        self._socket.close()

    # ------------------------------------------------------------- one document

    def _converse(
        self, exchange: _Exchange, progress: PageListener | None, *, seconds: float, page_seconds: float
    ) -> messages.FromChild:
        """What it says last. It is killed where it goes beyond its bounds."""
        now = time.monotonic()
        end, page_end = now + seconds, now + page_seconds
        while True:
            try:
                message = exchange.message()
                if message is None:
                    self._wait(exchange, min(end, page_end))
                    exchange.step(self._socket)
            except _TooLargeError:
                self.kill()
                raise NotReadable(
                    "This file holds more than is read of one document: send it in parts."
                ) from None
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self._distrust()
            except OSError:
                self._explain_death()
            if isinstance(message, messages.Progress):
                page_end = time.monotonic() + page_seconds
                if progress:
                    progress(message.done, message.of)
            elif message is not None:
                return message

    def _wait(self, exchange: _Exchange, deadline: float) -> None:
        """Until the socket has something or takes something; time and memory are watched meanwhile."""
        try:
            self._poll.register(self._socket, select.POLLIN | (select.POLLOUT if exchange.sends else 0))
        except (OSError, ValueError):  # closed by another thread
            self._explain_death()
        ready = False
        while not ready:
            ready = bool(self._poll.poll(1000 * _TICK))
            self._watch_memory()
            if time.monotonic() > deadline:  # also of one that never stops talking
                self.kill()
                raise NotReadable(
                    "Reading this file takes too long and was given up: send it in parts, or as a PDF."
                )

    def _watch_memory(self) -> None:
        memory = self._memory()
        self._peak = max(self._peak, memory)
        if memory > self._bounds.memory_bytes:
            self.kill()
            self._lacks_memory()

    def _memory(self) -> int:
        """Bytes in memory; 0 once it has ended."""
        try:
            fields = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0
        return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else 0

    # ------------------------------------------------------------- why it failed

    def _refuse(self, answer: messages.FromChild) -> NoReturn:
        match answer:
            case messages.Refused(reason=reason):
                raise NotReadable(reason[:_MAX_REASON])
            case messages.Lacks(package=package):
                raise MissingExtra(package[:_MAX_REASON], "cpu")
            case messages.Failed(kind="MemoryError"):
                self._lacks_memory()
            case messages.Failed(kind=kind):
                _log.warning("A reader failed on a file: %s", kind[:_MAX_REASON])
                if self._peak > _NEAR * self._bounds.memory_bytes:
                    self._lacks_memory()
                self.is_fit = False
                raise _BlamedError(
                    "This file is damaged or made in a way that its reader does not expect: save it anew, or "
                    "print it to a PDF, and send that."
                )
            case _:
                self._distrust()

    def _explain_death(self) -> NoReturn:
        """It ended by itself, or was ended."""
        ending = self._ending()
        self.kill()
        if self._process.returncode == -signal.SIGXCPU:
            raise NotReadable(
                "Reading this file takes too much processor time and was given up: send it in parts."
            )
        if self._peak > _NEAR * self._bounds.memory_bytes:
            self._lacks_memory()
        _log.warning("A file ended the process that was reading it: %s", ending)
        raise NotReadable(
            "This file makes its reader crash: save it anew, or print it to a new PDF, and send that."
        )

    def _lacks_memory(self) -> NoReturn:
        self.is_fit = False
        raise _BlamedError(
            "Reading this file takes more memory than is allowed "
            f"({self._bounds.memory_bytes / 1e6:,.0f} MB): send a smaller one, or in parts."
        )

    def _distrust(self) -> NoReturn:
        """It says what no reader says."""
        self.kill()
        _log.warning("A process that read a file answered what is no reading")
        raise NotReadable("This file takes its reader over: it was not used, and should not be trusted.")

    def _ending(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_ENDING_SECONDS)
        code = self._process.returncode
        if code is None:
            return "no answer"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class _BlamedError(NotReadable):
    """A reader failed, or was refused memory: the file's fault, unless other files were read there before."""


class _TooLargeError(Exception):
    """More came than was allowed."""


class _Exchange:
    """Bytes that are still to be sent, and frames that are coming in; nothing of it blocks."""

    def __init__(self, parts: list[bytes], *, limit: int) -> None:
        self._parts = [memoryview(part) for part in parts if part]
        self._left = limit
        self._received = bytearray()

    @property
    def sends(self) -> bool:
        return bool(self._parts)

    def step(self, connection: socket.socket) -> None:
        """Send and take what can be. Raises OSError where the other end is gone, _TooLargeError."""
        with suppress(BlockingIOError):
            while self._parts:
                sent = connection.send(self._parts[0])
                self._parts[0] = self._parts[0][sent:]
                if not self._parts[0]:
                    del self._parts[0]
        with suppress(BlockingIOError):
            received = connection.recv(_RECEIVED)
            if not received:
                raise ConnectionResetError
            self._left -= len(received)
            self._received += received
        if self._left < 0:
            raise _TooLargeError

    def message(self) -> messages.FromChild | None:
        """The next message, once it is whole. Raises msgspec's errors where it is none, _TooLargeError."""
        head = messages.LENGTH.size
        if len(self._received) < head:
            return None
        (size,) = messages.LENGTH.unpack_from(self._received)
        if size > self._left + len(self._received):
            raise _TooLargeError
        if len(self._received) < head + size:
            return None
        body = bytes(memoryview(self._received)[head : head + size])
        del self._received[: head + size]
        return messages.FROM_CHILD.decode(body)


def _environment(folder: str) -> dict[str, str]:
    """Nothing of ours but where libraries lie: no tokens, no settings, no home."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return kept | {
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",  # glibc would reserve 64 MB for each thread
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _is_lawful(reading: Reading) -> bool:
    """Pages are numbered from 1, and whatever stands on one has its place within the page's text."""
    for number, page in enumerate(reading.pages, start=1):
        length = len(page.text)
        spans = [(span.start, span.end) for part in (page.tables, page.figures) for span in part]
        spans += [(heading.offset, heading.offset) for heading in page.headings]
        if page.number != number or not all(0 <= start <= end <= length for start, end in spans):
            return False
    return True
