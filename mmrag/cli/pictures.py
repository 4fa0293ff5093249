"""Pictures on a terminal: by its own protocol where it says that it has one, else in half-blocks.

Only what the environment says is believed: a terminal is not asked, since an answer that never
comes would hang, and one that comes late would land in the shell.
"""

from __future__ import annotations

import base64
import io
import os
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import Image
    from rich.console import Console

_WIDTH = 80  # columns at most
_ROWS = 40  # at most
_CHUNK = 4096  # bytes of base64 in one of kitty's escape sequences
_SENT_SIDE = 1200  # pixels: more than a terminal shows
_HALF_BLOCK = "\N{UPPER HALF BLOCK}"


def draw(console: Console, png: bytes) -> None:
    """Draw a picture; nothing where there is no terminal or it shows no colours."""
    if not console.is_terminal or console.color_system is None:
        return
    from PIL import Image  # noqa: PLC0415 - heavy

    with Image.open(io.BytesIO(png), formats=("PNG", "JPEG")) as opened:
        image = opened.convert("RGB")
    columns, rows = _cells(image.size, min(_WIDTH, console.width))
    match protocol(os.environ):
        case "kitty":
            _write(console, kitty(_as_png(image), columns=columns))
        case "iterm":
            _write(console, iterm(_as_png(image), columns=columns))
        case _:
            for line in half_blocks(image, columns=columns, rows=rows):
                console.print(line, no_wrap=True, crop=True)


def protocol(environment: Mapping[str, str]) -> str | None:
    """Which protocol the terminal says it has: "kitty", "iterm", or None, also inside a multiplexer."""
    if environment.get("TMUX") or environment.get("STY"):
        return None
    program = environment.get("TERM_PROGRAM", "").casefold()
    if "KITTY_WINDOW_ID" in environment or "kitty" in environment.get("TERM", "") or program == "ghostty":
        return "kitty"
    return "iterm" if program in {"iterm.app", "wezterm"} else None


def kitty(png: bytes, *, columns: int) -> str:
    """The terminal graphics protocol's `transmit and display`, in chunks."""
    encoded = base64.b64encode(png).decode()
    chunks = [encoded[start : start + _CHUNK] for start in range(0, len(encoded), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks, start=1):
        keys = f"a=T,f=100,q=2,c={columns}," if number == 1 else ""
        parts.append(f"\x1b_G{keys}m={int(number < len(chunks))};{chunk}\x1b\\")
    return "".join(parts) + "\n"


def iterm(png: bytes, *, columns: int) -> str:
    """iTerm2's inline image."""
    encoded = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={columns};preserveAspectRatio=1:{encoded}\a\n"


def half_blocks(image: Image.Image, *, columns: int, rows: int) -> Iterator[Text]:
    """Lines of characters, each two pixels: its colour above, its background below."""
    small = image.resize((columns, 2 * rows))
    pixels = small.tobytes()
    for row in range(rows):
        line = Text()
        for column in range(columns):
            upper, lower = (
                "#" + pixels[at : at + 3].hex()
                for at in (3 * (2 * row * columns + column), 3 * ((2 * row + 1) * columns + column))
            )
            line.append(_HALF_BLOCK, style=f"{upper} on {lower}")
        yield line


def _cells(size: tuple[int, int], columns: int) -> tuple[int, int]:
    """Columns and rows of a picture: a cell is twice as high as it is wide."""
    width, height = size
    rows = max(1, round(columns * height / width / 2))
    if rows > _ROWS:
        columns, rows = max(1, round(columns * _ROWS / rows)), _ROWS
    return columns, rows


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.thumbnail((_SENT_SIDE, _SENT_SIDE))
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _write(console: Console, sequence: str) -> None:
    """Past rich, which would take the sequence for text to be wrapped."""
    console.file.write(sequence)
    console.file.flush()
