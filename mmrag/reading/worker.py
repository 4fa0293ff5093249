"""The child process that reads: it gives up what it does not need, then reads one document after the other.

Started by `contained.py` and by nothing else. Standard input is a socket; its other end is the parent. What
libraries print goes nowhere.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading import messages
from mmrag.reading.confinement import confine, give_back_memory, limit_processor_time

if TYPE_CHECKING:
    from mmrag.reading.reader import FileReader


def main() -> None:
    """Serve until the parent closes its end."""
    channel = _Channel(socket.socket(fileno=os.dup(0)))
    setup = messages.SETUP.decode(channel.receive())
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)
    sys.dont_write_bytecode = True
    measures = confine(memory_bytes=setup.memory_bytes, parent=setup.parent)
    try:
        reader = _reader(setup)
    except ModuleNotFoundError as missing:
        channel.send(messages.Lacks(missing.name or "A reader"))
        return
    channel.send(messages.Ready(measures))
    while (task := channel.receive_or_end()) is not None:
        data = channel.receive()
        limit_processor_time(setup.processor_seconds)
        channel.send_encoded(_done(messages.TASK.decode(task), reader, data, setup, channel))
        del data
        give_back_memory()


def _reader(setup: messages.Setup) -> FileReader:
    from mmrag.reading.reader import FileReader  # noqa: PLC0415 - nothing is imported before it is confined

    return FileReader(
        max_file_bytes=setup.max_file_bytes,
        max_pages=setup.max_pages,
        max_image_bytes=setup.max_image_bytes,
        max_image_pixels=setup.max_image_pixels,
        threads=setup.threads,
    )


def _done(
    task: messages.Task, reader: FileReader, data: bytes, setup: messages.Setup, channel: _Channel
) -> bytes:
    answer: messages.FromChild
    try:
        if task.page:
            from mmrag.reading.facsimile import draw_page  # noqa: PLC0415 - as in `_reader`

            answer = messages.Drawn(draw_page(data, number=task.page, quote=task.quote))
        elif task.read:
            answer = _read(reader, data, task.name.decode("utf-8", "surrogateescape"), setup, channel)
        else:
            answer = messages.Digested(reader.pixel_digest(data))
        return messages.encode(answer)
    except NotReadable as error:
        answer = messages.Refused(str(error))
    except ModuleNotFoundError as missing:
        answer = messages.Lacks(missing.name or "A reader")
    except Exception as error:  # noqa: BLE001 - readers of hostile bytes raise anything
        answer = messages.Failed(type(error).__name__)
    return messages.encode(answer)


def _read(
    reader: FileReader, data: bytes, name: str, setup: messages.Setup, channel: _Channel
) -> messages.Done:
    def progress(done: int, of: int) -> None:
        channel.send(messages.Progress(done, of))

    reading = reader.read(data, name=name, progress=progress)
    characters = sum(len(page.text) for page in reading.pages)
    if characters > setup.max_text_chars:
        raise NotReadable(
            f"This document holds {characters:,} characters of text, the limit is "
            f"{setup.max_text_chars:,}: send it in parts."
        )
    return messages.Done(reading)


class _Channel:
    """Frames over a socket, one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: messages.FromChild) -> None:
        self.send_encoded(messages.encode(message))

    def send_encoded(self, body: bytes) -> None:
        self._connection.sendall(messages.LENGTH.pack(len(body)))
        self._connection.sendall(body)

    def receive(self) -> bytes:
        """The next frame. Raises EOFError where the parent has gone."""
        body = self.receive_or_end()
        if body is None:
            raise EOFError
        return body

    def receive_or_end(self) -> bytes | None:
        """The next frame; None at the end."""
        head = self._exactly(messages.LENGTH.size)
        return None if head is None else self._exactly(*messages.LENGTH.unpack(head))

    def _exactly(self, size: int) -> bytes | None:
        body = bytearray(size)
        view = memoryview(body)
        while view:
            count = self._connection.recv_into(view)
            if not count:
                return None
            view = view[count:]
        return bytes(body)
