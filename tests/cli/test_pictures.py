"""`mmrag read` on a terminal: pictures by the protocol that the terminal has, else in half-blocks."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image
from rich.console import Console

from mmrag.cli import pictures


@pytest.fixture
def flag():
    """Red over blue, as PNG."""
    image = Image.new("RGB", (40, 40), "red")
    image.paste("blue", (0, 20, 40, 40))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "tmux-0/default,1,0"}, None),
    ],
)
def test_a_protocol_is_used_only_where_the_terminal_names_it(environment, expected):
    assert pictures.protocol(environment) == expected


def test_half_blocks_show_two_pixels_a_character(flag):
    [*lines] = pictures.half_blocks(Image.open(io.BytesIO(flag)), columns=4, rows=4)
    assert [line.plain for line in lines] == ["▀▀▀▀"] * 4
    assert str(lines[0].spans[0].style) == "#ff0000 on #ff0000"
    assert str(lines[-1].spans[0].style) == "#0000ff on #0000ff"


def test_kitty_gets_the_whole_picture_in_chunks():
    png = bytes(range(256)) * 40
    sequence = pictures.kitty(png, columns=10)
    chunks = re.findall(r"\x1b_G[^;]*m=([01]);([^\x1b]*)\x1b\\", sequence)
    assert base64.b64decode("".join(data for _, data in chunks)) == png
    assert [more for more, _ in chunks] == ["1"] * (len(chunks) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in chunks)


def test_nothing_is_drawn_into_a_pipe(flag):
    console = Console(file=io.StringIO(), force_terminal=False)
    pictures.draw(console, flag)
    assert console.file.getvalue() == ""


def test_a_terminal_without_protocol_gets_colours(flag, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=20)
    pictures.draw(console, flag)
    assert "38;2;255;0;0" in console.file.getvalue()
