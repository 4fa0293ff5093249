"""The console on a real pseudo-terminal, typed at as a person would."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals are a Unix thing")
pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
termios = pytest.importorskip("termios", reason="pseudo-terminals are a Unix thing")

ROOT = Path(__file__).parents[2]
PROMPT = "ana   › "
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"
LOOK = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\]8;[^\x1b]*\x1b\\")
PATIENCE = 30  # seconds


def _take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Tests that run in the background are started with Ctrl-C ignored, and would pass that on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a pseudo-terminal; keeps all that it wrote."""

    def __init__(self, *arguments, **environment):
        self._side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("memory_engine.py"), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm-256color",
                "COLUMNS": "80",
                **environment,
            },
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - Ctrl-C needs a terminal of its own
        )
        os.close(other)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.raw = ""
        self._read = 0

    def type(self, text):
        os.write(self._side, text.encode())

    def expect(self, text):
        """Wait until `text` appears after what was expected last."""
        end = time.monotonic() + PATIENCE
        while (found := self.shown.find(text, self._read)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} did not come after:\n{self.shown[self._read :]}"
            self._receive(left)
        self._read = found + len(text)

    def press_until(self, key, text):
        """Press again where nothing comes: Python's readline can miss a Ctrl-C, as a person then notices."""
        for _ in range(5):
            self.type(key)
            end = time.monotonic() + PATIENCE / 10
            while self.shown.find(text, self._read) < 0 and (left := end - time.monotonic()) > 0:
                self._receive(left)
            if self.shown.find(text, self._read) >= 0:
                break
        self.expect(text)

    def exit_code(self):
        while self._receive(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    @property
    def shown(self):
        return LOOK.sub("", self.raw).replace("\r\n", "\n")

    def _receive(self, patience):
        if not select.select([self._side], [], [], patience)[0]:
            return False
        try:
            received = os.read(self._side, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.raw += self._decoder.decode(received)
        return bool(received)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._side)


@pytest.fixture
def start():
    started = []

    def start(*arguments, **environment):
        started.append(Terminal(*arguments, **environment))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def test_a_question_at_the_prompt_is_answered_and_ctrl_d_leaves(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("How many days of leave?\n")
    terminal.expect("mmrag   Everybody has 28 days of leave. [1]")
    terminal.expect("[1] leave.md, page 1")
    terminal.expect(PROMPT)
    terminal.type(CTRL_D)
    assert terminal.exit_code() == 0


def test_sources_are_clickable_and_speakers_coloured(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("How many days of leave?\n")
    terminal.expect("memory · 1.2 s")
    assert re.search(r"\x1b]8;id=[0-9-]+;https://wiki\.example/leave\x1b\\", terminal.raw)
    assert "\x1b[1;32mmmrag" in terminal.raw


def test_no_color_is_respected(start):
    terminal = start(NO_COLOR="1")
    terminal.expect(PROMPT)
    terminal.type("How many days of leave?\n")
    terminal.expect("memory · 1.2 s")
    codes = {code for sgr in re.findall(r"\x1b\[([0-9;]*)m", terminal.raw) for code in sgr.split(";")}
    assert codes <= {"", "0", "1", "2", "3"}  # bold, dim and italic are no colours


def test_a_dumb_terminal_gets_plain_text(start):
    terminal = start(TERM="dumb")
    terminal.expect(PROMPT)
    terminal.type("How many days of leave slowly?\n")
    terminal.expect("memory · 1.2 s")
    assert "\x1b[" not in terminal.raw
    assert "searching" not in terminal.shown


def test_the_status_shows_what_it_is_doing_and_ctrl_c_stops_the_question(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("How many days of leave slowly?\n")
    terminal.expect("checking every sentence against its source …")
    terminal.type(CTRL_C)
    terminal.expect("Stopped.")
    terminal.expect(PROMPT)
    assert terminal.raw.rstrip().count("\x1b[?25l") == terminal.raw.count("\x1b[?25h")  # the cursor is back
    terminal.type("How many days of leave?\n")
    terminal.expect("28 days of leave. [1]")
    terminal.expect(PROMPT)
    terminal.type("/quit\n")
    assert terminal.exit_code() == 0


def test_ctrl_c_at_the_prompt_does_not_leave(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("How ma")
    terminal.expect("How ma")
    terminal.press_until(CTRL_C, "Ctrl-D leaves.")
    terminal.expect(PROMPT)
    terminal.type("/help\n")
    terminal.expect("What you can type:")


def test_the_last_line_comes_back_with_the_arrow_key(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("How many days of leave?\n")
    terminal.expect(PROMPT)
    terminal.type(UP + "\n")
    terminal.expect("How many days of leave?")
    terminal.expect("28 days of leave. [1]")


def test_after_a_script_comes_the_prompt(start, tmp_path):
    script = tmp_path / "talk.script"
    script.write_text("# A caption\nHow many days of leave?\n")
    terminal = start(str(script))
    terminal.expect("A caption")
    terminal.expect(PROMPT + "How many days of leave?")
    terminal.expect("28 days of leave. [1]")
    terminal.expect(PROMPT)
    terminal.type("And for trainees with leave?\n")
    terminal.expect("28 days of leave. [1]")


def test_a_script_that_fails_ends_with_1_on_a_terminal_too(start, tmp_path):
    script = tmp_path / "talk.script"
    script.write_text("/attach gone.png\n")
    terminal = start(str(script))
    terminal.expect("There is no file")
    assert terminal.exit_code() == 1


def test_what_is_typed_in_chinese_arrives(start):
    terminal = start()
    terminal.expect(PROMPT)
    terminal.type("/kb add 商品签收后15天内可以退货。\n")
    terminal.expect("Note by ana: 商品签收后15天内可以退货。: added")
