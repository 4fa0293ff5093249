"""How a conversation looks in a terminal: a column of speakers, a column of what they say.

Colours, a live status line and clickable links where the terminal has them, plain text where
it has not. It draws layouts and notices and knows nothing of where they come from. All text is
drawn as `rich.text.Text`, never as markup: brackets in somebody's document are just brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.segment import Segment
from rich.spinner import Spinner
from rich.style import Style
from rich.text import Text

from bots.render import Marker
from mmrag.text.display import neutralise, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType, RenderResult

    from bots.conversation import Mood, Notice
    from bots.render import Layout, SourceLine

BOT = "mmrag"
WIDEST_LINE = 100  # columns; longer lines are hard to read
WIDEST_NAME = 16

PERSON_STYLE = Style(color="cyan", bold=True)
BOT_STYLE = Style(color="green", bold=True)
MARKER_STYLE = Style(color="cyan")
QUIET = Style(dim=True)
WARNING = Style(color="yellow")

_MOODS: dict[Mood, tuple[str, Style]] = {
    "done": ("✓", Style(color="green")),
    "hint": ("·", QUIET),
    "problem": ("!", WARNING),
}
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """Draws a conversation. `person` is the name of who types."""

    def __init__(self, console: Console | None = None, *, person: str) -> None:
        self._console = console or Console(highlight=False, markup=False, emoji=False)
        self._person = one_line(person)[:WIDEST_NAME] or "you"
        self._label_width = max(cell_len(self._person), cell_len(BOT))
        self._live: Live | None = None

    # ---------------------------------------------------------- what is said

    def caption(self, text: str) -> None:
        """A line between exchanges that says what comes next."""
        self._print(_Hanging("── ", QUIET, Text(one_line(text), Style(italic=True))))
        self._print()

    def said(self, text: str) -> None:
        """What a person typed, shown as if at the prompt."""
        self._say(self._person, PERSON_STYLE, Text(neutralise(text)), sign="›")

    def answer(self, layout: Layout) -> None:
        """An answer with its sources, what was not used, and who made it."""
        links = {source.marker: source.link for source in layout.sources}
        parts: list[RenderableType] = []
        for paragraph in layout.paragraphs:
            parts += [_paragraph(paragraph, links), Text()]
        if layout.sources:
            parts += [Text(layout.sources_heading, QUIET), *map(_source, layout.sources), Text()]
        if layout.notes:
            parts += [*(_Hanging("! ", WARNING, Text(note, WARNING)) for note in layout.notes), Text()]
        parts.append(Text(layout.footer, QUIET))
        self._print()
        self._say(BOT, BOT_STYLE, Group(*parts))
        self._print()

    def notice(self, notice: Notice) -> None:
        """A few words from the bot itself."""
        sign, style = _MOODS[notice.mood]
        text = Text(one_line(notice.text), QUIET if notice.mood == "hint" else Style())
        lines = [Text(one_line(line), overflow="fold") for line in notice.lines]
        body = _Hanging(f"{sign} ", style, Group(text, *lines))
        self._print(_Hanging(" " * self._indent, Style(), body))
        self._print()

    # ------------------------------------------------------- the status line

    def show_status(self, text: str | None) -> None:
        """Show what is going on at the bottom of a terminal; None takes it away."""
        if text is None:
            if self._live is not None:
                self._live.stop()
                self._live = None
        else:
            status = Text(one_line(text) + " …", QUIET, no_wrap=True, overflow="ellipsis")
            self._show(Spinner("dots", status, style=MARKER_STYLE))

    def show_said(self, layout: Layout) -> None:
        """Show at the bottom of a terminal what is certain already of an answer, until it is whole."""
        links = {source.marker: source.link for source in layout.sources}
        spinner = Spinner("dots", Text("…", QUIET), style=MARKER_STYLE)
        self._show(Group(*(_paragraph(each, links) for each in layout.paragraphs), spinner))

    def _show(self, shown: RenderableType) -> None:
        if not self._console.is_interactive:
            return
        # Not filled up to the edge: the "^C" that a terminal echoes must not break the line.
        padded = Padding(shown, (0, 0, 0, self._indent), expand=False)
        if self._live is None:
            self._live = Live(padded, console=self._console, transient=True)
            self._live.start()
        else:
            self._live.update(padded)

    # ------------------------------------------------------------- the prompt

    def prompt(self, *, edited: bool) -> str:
        """The prompt for `input`; where readline edits the line, it is told that colours have no width."""
        label = f"{set_cell_size(self._person, self._label_width)} › "
        if not (edited and self._console.is_interactive):
            return label
        style = PERSON_STYLE.without_color if self._console.no_color else PERSON_STYLE
        coloured = style.render(label, color_system=ColorSystem.STANDARD)
        return _ESCAPE_SEQUENCE.sub(lambda match: f"\001{match.group()}\002", coloured)

    def end_line(self) -> None:
        """End the prompt's line when the person did not."""
        self._print()

    # --------------------------------------------------------------- drawing

    @property
    def _indent(self) -> int:
        return self._label_width + 3  # a space, the sign, a space

    def _say(self, speaker: str, style: Style, body: RenderableType, *, sign: str = " ") -> None:
        label = set_cell_size(speaker, self._label_width) + f" {sign} "
        self._print(_Hanging(label, style, body))

    def _print(self, renderable: RenderableType = "") -> None:
        self._console.print(renderable, width=min(self._console.width, WIDEST_LINE))


@dataclass(frozen=True, slots=True)
class _Hanging:
    """A label and beside it a body that hangs below itself; no line is filled up with blanks."""

    label: str
    style: Style
    body: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = cell_len(self.label)
        width = max(1, options.max_width - indent)
        lines = console.render_lines(self.body, options.update(width=width), pad=False)
        for number, line in enumerate(lines):
            if number == 0:
                yield Segment(self.label, self.style)
            elif line:
                yield Segment(" " * indent)
            yield from line
            yield Segment.line()


def _paragraph(spans: Iterable[str | Marker], links: dict[int, str | None]) -> Text:
    text = Text(overflow="fold")
    for span in spans:
        if isinstance(span, Marker):
            text.append(f"[{span.number}]", MARKER_STYLE + Style(link=links.get(span.number)))
        else:
            text.append(span)
    return text


def _source(source: SourceLine) -> _Hanging:
    link = Style(link=source.link)
    title = Text(source.title, link, overflow="fold")
    if source.place:
        title.append(f", {source.place}")
    if source.link:
        title.append("  " + _readable(source.link), QUIET + link)
    lines = [title, Text(f"“{source.snippet}”", QUIET, overflow="fold")] if source.snippet else [title]
    return _Hanging(f"[{source.marker}] ", MARKER_STYLE, Group(*lines))


def _readable(link: str) -> str:
    """A link for eyes: a local file as a path, from the current folder where it lies below it."""
    parts = urlsplit(link)
    if parts.scheme != "file":
        return one_line(link)
    path = Path(unquote(parts.path))
    return one_line(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
