"""What kills, stops or takes over a process that reads costs its document only."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from mmrag.assemble import build_reader
from mmrag.config import Settings
from mmrag.errors import NotReadable
from mmrag.reading import contained, messages
from mmrag.reading.confinement import CALLS, FILES, MEASURES, NAMESPACE
from mmrag.types import Page, Reading, Table

PATIENCE = 30  # seconds until something must have happened


@contextmanager
def reading(**settings):
    reader = build_reader(Settings(reading_processes=1, threads=1, **settings))
    try:
        yield reader
    finally:
        reader.close()


def children_of(parent):
    """The processes that `parent` started and that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(parent) and fields[0] != "Z":
            found.append(int(folder.name))
    return set(found)


def test_pixels_are_looked_at_in_a_child_and_what_it_cannot_decode_has_no_digest(draw_text, encode):
    picture = draw_text("the same pixels")
    with new_children() as started, reading() as reader:
        assert reader.pixel_digest(encode(picture, "PNG")) == reader.pixel_digest(encode(picture, "BMP"))
        assert reader.pixel_digest(encode(draw_text("other pixels"), "PNG")) is not None
        assert len(started()) == 1
        assert reader.pixel_digest(b"\x89PNG\r\n\x1a\n torn") is None


@contextmanager
def new_children():
    """Filled with the processes that this one started meanwhile."""
    before, new = children_of(os.getpid()), set()
    yield lambda: new | (children_of(os.getpid()) - before)


def eventually(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pdf(pages):
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(pages):
        canvas.drawString(72, 720, f"This is page {number + 1} of a document with text.")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture(scope="module")
def long_pdf():
    return pdf(3_000)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (signal.SIGSEGV, "makes its reader crash"),
        (signal.SIGKILL, "makes its reader crash"),
        (signal.SIGABRT, "makes its reader crash"),
        (signal.SIGXCPU, "too much processor time"),
        (signal.SIGSTOP, "takes too long"),
    ],
)
def test_a_process_that_ends_or_hangs_costs_its_document_only(long_pdf, ending, reason):
    with reading(reading_page_seconds=1) as reader, new_children() as started:

        def strike(done, of):
            del of
            for child in started() if done == 1 else ():
                os.kill(child, ending)

        with pytest.raises(NotReadable, match=reason):
            reader.read(long_pdf, name="long.pdf", progress=strike)
        assert reader.read(b"The next one.", name="next.txt").pages[0].text == "The next one."
        assert len(started()) == 1


def test_what_takes_more_memory_than_allowed_is_named_so(draw_text, encode):
    picture = draw_text(*["The quick brown fox jumps over 13 lazy dogs"] * 30, width=1_400)
    with reading(reading_memory_bytes=300_000_000) as reader:
        with pytest.raises(NotReadable, match="more memory than is allowed"):
            reader.read(encode(picture), name="large.png")
        assert reader.read(b"The next one.", name="next.txt").pages


def test_a_picture_that_does_not_fit_the_memory_is_not_called_damaged(encode):
    large = encode(Image.new("RGBA", (8_000, 5_000)), compress_level=1)
    with (
        reading(reading_memory_bytes=300_000_000) as reader,
        pytest.raises(NotReadable, match="more memory than is allowed"),
    ):
        reader.read(large, name="large.png")


def test_a_document_that_takes_too_long_in_all_is_given_up(long_pdf):
    with reading(reading_seconds=0.2) as reader, pytest.raises(NotReadable, match="takes too long"):
        reader.read(long_pdf, name="long.pdf")


def test_more_text_than_the_limit_is_refused_with_both_numbers():
    with (
        reading(max_text_chars=1_000) as reader,
        pytest.raises(NotReadable, match=r"2,000 characters of text, the limit is 1,000"),
    ):
        reader.read(b"a word " * 285 + b"words", name="long.txt")


def test_pages_are_told_as_they_are_read():
    heard = []
    with reading() as reader:
        reader.read(pdf(3), name="three.pdf", progress=lambda *pages: heard.append(pages))
    assert heard == [(1, 3), (2, 3), (3, 3)]


PROBE = """
import json, os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
from mmrag.reading.confinement import confine
secret, place, parent = sys.argv[2], sys.argv[3], os.getppid()
def tried(attempt):
    try:
        attempt()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
measures = confine(memory_bytes=400_000_000, parent=parent)
attempts = {
    "socket": lambda: socket.socket(),
    "fork": os.fork,
    "program": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(parent, 0),
    "secret": lambda: open(secret).read(),
    "environment": lambda: open(f"/proc/{parent}/environ").read(),
    "write": lambda: open(place + "/new", "w"),
    "change": lambda: open(secret, "a"),
    "delete": lambda: os.unlink(secret),
    "memory": lambda: bytearray(600_000_000),
    "library": lambda: __import__("decimal"),
    "end": lambda: os.kill(os.getpid(), 0),
}
print(json.dumps([measures, {name: tried(attempt) for name, attempt in attempts.items()}]))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """The measures that are in force, and what came of each attempt."""
    folder = tmp_path_factory.mktemp("secrets")
    secret = folder / "token"
    secret.write_text("xoxb-secret")
    root = Path(contained.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, root, secret, folder], capture_output=True, text=True, check=True
    )
    assert secret.read_text() == "xoxb-secret"
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("attempt", "measure"),
    [
        *((name, CALLS) for name in ("socket", "fork", "program", "signal", "write", "change", "delete")),
        *((name, FILES) for name in ("secret", "environment")),
    ],
)
def test_a_confined_process_can_not(probed, attempt, measure):
    in_force, outcomes = probed
    if measure not in in_force:
        pytest.skip(f"this system does not allow: {measure}")
    assert outcomes[attempt] == "PermissionError"


def test_a_confined_process_can_go_on_with_its_work(probed):
    _, outcomes = probed
    assert outcomes["library"] == "done"
    assert outcomes["end"] == "done"
    assert outcomes["memory"] == "MemoryError"


def test_a_process_that_reads_has_no_secrets_no_network_and_an_empty_folder(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    with reading() as reader, new_children() as started:
        in_force = reader.measures()
        assert set(in_force) <= set(MEASURES)
        (child,) = started()
        assert b"xoxb-secret" not in Path(f"/proc/{child}/environ").read_bytes()
        assert not any(Path(f"/proc/{child}/cwd").iterdir())
        maps = Path(f"/proc/{child}/maps").read_text()
        assert not any(library in maps for library in ("torch", "openvino", "faiss"))
        if NAMESPACE in in_force:
            assert Path(f"/proc/{child}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


HOSTILE = """
import socket, struct, sys, time
peer = socket.socket(fileno=0)
def frame(body): peer.sendall(struct.pack(">Q", len(body)) + body)
{ready}
peer.recv(1 << 20)
{answer}
time.sleep(60)
"""
READY = messages.encode(messages.Ready(()))


def done(*pages):
    return f"frame({messages.encode(messages.Done(Reading('text/plain', None, pages)))!r})"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (r"frame(b'\x80\x04\x95cposix\nsystem\n(S\"true\"\ntR.')", "takes its reader over"),
        ("frame(b'')", "takes its reader over"),
        ("frame(b'\\x91' * 100_000)", "takes its reader over"),
        ("peer.sendall(struct.pack('>Q', 2**63))", "holds more than is read"),
        (f"frame({READY!r})", "takes its reader over"),
        (done(Page(2, "text")), "takes its reader over"),
        (done(Page(1, "text", tables=(Table((("a",),), 0, 9),))), "takes its reader over"),
        (done(Page(1, "text", tables=(Table((("a",),), -3, 2),))), "takes its reader over"),
        ("peer.close()", "makes its reader crash"),
        ("while True: frame(b'\\x00' * 1000)", "takes its reader over"),
    ],
)
def test_what_a_process_that_was_taken_over_says_is_not_believed(monkeypatch, answer, reason):
    script = HOSTILE.format(ready=f"peer.recv(1 << 20); frame({READY!r})", answer=answer)
    monkeypatch.setattr(contained, "_START", script)
    with reading() as reader, pytest.raises(NotReadable, match=reason):
        reader.read(b"text", name="a.txt")


FULL = """
import socket, struct
peer = socket.socket(fileno=0)
def frame(body): peer.sendall(struct.pack(">Q", len(body)) + body)
def receive():
    (size,) = struct.unpack(">Q", peer.recv(8, socket.MSG_WAITALL))
    return peer.recv(size, socket.MSG_WAITALL)
receive(); frame({ready!r})
receive(); receive(); frame({first!r})
receive(); receive(); frame({second!r})
receive()
"""


@pytest.mark.parametrize("kind", ["MemoryError", "ONNXRuntimeError"])
def test_what_one_document_left_behind_does_not_count_against_the_next(monkeypatch, kind):
    first = messages.encode(messages.Done(Reading("text/plain", None, (Page(1, "read"),))))
    second = messages.encode(messages.Failed(kind))
    monkeypatch.setattr(contained, "_START", FULL.format(ready=READY, first=first, second=second))
    with reading() as reader:
        for _ in range(3):
            assert reader.read(b"text", name="a.txt").pages[0].text == "read"


class Fair(threading.BoundedSemaphore):
    """Whoever waits is next: what the library leaves to chance, at its worst."""

    def release(self, n=1):
        super().release(n)
        time.sleep(0.01)


def test_a_process_that_is_replaced_is_not_one_more(monkeypatch):
    monkeypatch.setattr(contained.threading, "BoundedSemaphore", Fair)
    first = messages.encode(messages.Done(Reading("text/plain", None, (Page(1, "read"),))))
    second = messages.encode(messages.Failed("MemoryError"))
    monkeypatch.setattr(contained, "_START", FULL.format(ready=READY, first=first, second=second))
    with reading() as reader, new_children() as started, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: reader.read(b"text", name="a.txt"), range(16)))
        assert len(started()) == 1


def test_a_process_that_ends_between_two_documents_costs_none():
    with reading() as reader, new_children() as started:
        reader.read(b"The first one.", name="first.txt")
        for child in started():
            os.kill(child, signal.SIGKILL)
        assert eventually(lambda: not started())
        assert reader.read(b"The next one.", name="next.txt").pages[0].text == "The next one."


def test_a_process_that_the_system_does_not_start_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(contained.sys, "executable", "/nowhere/python")
    with reading() as reader, pytest.raises(NotReadable, match=r"does not start \(No such file"):
        reader.read(b"text", name="a.txt")


def test_a_temporary_folder_that_the_system_tidied_away_costs_no_document(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with reading() as reader:
        reader.read(b"The first one.", name="first.txt")
        (folder,) = tmp_path.iterdir()
        folder.rmdir()
        assert reader.read(b"The next one.", name="next.txt").pages[0].text == "The next one."
        assert reader.read(b"The third.", name="third.txt").pages[0].text == "The third."


PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from mmrag.assemble import build_reader
from mmrag.config import Settings
reader = build_reader(Settings(reading_processes=1))
reader.read(b"warm", name="a.txt")
print("ready", flush=True)
time.sleep(600)
"""


def test_a_parent_that_is_killed_leaves_no_process_behind():
    root = Path(contained.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", PARENT, root], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "ready\n"
        children = children_of(parent.pid)
        assert len(children) == 1
        parent.kill()
    assert eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_closing_ends_every_process_and_what_is_being_read(long_pdf):
    with new_children() as started:
        reader = build_reader(Settings(reading_processes=1, threads=1))
        begun = threading.Event()
        outcome = []

        def read():
            try:
                reader.read(long_pdf, name="long.pdf", progress=lambda *_: begun.set())
            except NotReadable as error:
                outcome.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(PATIENCE)
        reader.close()
        thread.join(PATIENCE)
        assert len(outcome) == 1
        assert started() == set()
    with pytest.raises(NotReadable, match="engine is closed"):
        reader.read(b"text", name="a.txt")


def test_a_name_of_any_bytes_is_taken(reader):
    assert reader.read(b"# Title", name="caf\udce9.md").media_type == "text/markdown"
