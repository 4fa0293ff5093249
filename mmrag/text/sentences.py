"""Sentences of English and Chinese text, as spans: chunks, quotes and claims are cut along them.

A line break ends a sentence where it was meant (a list item, a table row, a heading, a line of a
chart's table), not where a paragraph was merely wrapped. It knows no language model; every rule
stands below.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# After these a full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof sr jr st vs etc e.g i.e cf approx inc ltd co corp jan feb mar apr jun jul aug sep
    sept oct nov dec u.s u.k a.m p.m dept est al""".split()
)
# After these it does not where a number follows: "Fig. 3", but "The answer is no. We".
_BEFORE_NUMBERS = frozenset("fig figs no nos vol p pp ch sec eq art".split())
_LONGEST_ABBREVIATION = 8  # characters, with the space or bracket before it
_LONGEST_NUMBER = 8  # characters of an item's number with its white space

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_END = re.compile(
    r"""[.!?…]+["'”’)\]]*(?=\s|$)     # the end marks of English, before white space
    |[。！？；…]+[”’」』）]*            # those of Chinese, anywhere
    |\n                              # a line break, where it was meant
    """,
    re.VERBOSE,
)
_LIST_ITEM = re.compile(r"[^\S\n]*(?:[-*•·▪|\#>]|\(?\d{1,3}[.)]|\(?[a-zA-Z]\))\s")
_ENUMERATION = re.compile(r"\W*(?:\d{1,3}|[a-zA-Z])")
_NUMBER_FOLLOWS = re.compile(r"\s{0,3}[\d(#]")
_CLOSING = frozenset("\"'”’)]…")
_ROW = re.compile(r" \| |: [-+]?[$€£¥]?[\d.,]+\s?\S{0,12}$")  # a row of a table
_NARROW = 45  # columns: nobody wraps prose so early, so such lines were broken on purpose
# What a sentence begins with that can't be understood without the one before.
_DEPENDENT = re.compile(
    r"(?:It|Its|This|These|Those|That|They|Their|Them|He|She|His|Her|Such|Both|Otherwise|However|Then|Also|But|And"
    r"|If so|In this case|In addition|Therefore|Instead)\b(?!\s+is\s+(?:possible|important|recommended))"
    r"|[它他她其]|该|此|这|那|但|因此|所以|否则|另外|同时|并且|而且"
)


def leans_on_the_one_before(sentence: str) -> bool:
    """Whether a sentence can't be understood without the one before it."""
    return _DEPENDENT.match(sentence) is not None


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Spans `(start, end)`, ascending and disjoint, trimmed; every other character is white space."""
    spans: list[tuple[int, int]] = []
    for block_start, block_end in _blocks(text):
        start = block_start
        for end in _ends(text, block_start, block_end):
            _append_trimmed(spans, text, start, end)
            start = end
        _append_trimmed(spans, text, start, block_end)
    return tuple(spans)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Spans between blank lines."""
    start = 0
    for blank in _BLANK_LINES.finditer(text):
        yield start, blank.start()
        start = blank.end()
    yield start, len(text)


def _ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Where sentences of a block end, before its own end."""
    width = _wrap_width(text[start:stop])
    for match in _END.finditer(text, start, stop):
        if match.group() == "\n":
            ends = _was_meant(text, match.start(), stop, width)
        else:
            single_stop = match.group().startswith(".") and not match.group().startswith("..")
            ends = not _goes_on(text, match) and not (single_stop and _is_part_of_word(text, match, start))
        if ends:
            yield match.end()
            start = match.end()


def _wrap_width(block: str) -> int:
    """The width a block is wrapped at; 0 where its lines are too short to be wrapped prose."""
    if "\n" not in block:
        return 0
    widest = max(map(_columns, block.split("\n")))
    return widest if widest >= _NARROW else 0


def _columns(line: str) -> int:
    """The width of a line: Chinese characters take two columns."""
    if line.isascii():
        return len(line)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def _was_meant(text: str, position: int, stop: int, width: int) -> bool:
    """Whether a line break ends its sentence: nothing forced it, or a list item or row begins or ends."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    line_end = text.find("\n", position + 1, stop)
    following = text[position + 1 : stop if line_end < 0 else line_end]
    if not width or _LIST_ITEM.match(following) or _ROW.search(line) or _ROW.search(following):
        return True
    first = following.split(maxsplit=1)[:1] or [""]
    word = first[0] if first[0].isascii() else first[0][:1]  # Chinese may be wrapped after any character
    return _columns(line) + 1 + _columns(word) <= width


def _is_part_of_word(text: str, match: re.Match[str], start: int) -> bool:
    """Whether a full stop belongs to an abbreviation, initials or an item's number."""
    if match.start() - start <= _LONGEST_NUMBER and _ENUMERATION.fullmatch(text[start : match.start()]):
        return True
    before = text[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()]
    word = (before.rsplit(None, 1)[-1:] or [""])[0].lstrip("(\"'“‘[").casefold()
    if word in _BEFORE_NUMBERS:
        return _NUMBER_FOLLOWS.match(text, match.end()) is not None
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence goes on after a quotation or an ellipsis: `"Stop!" he said`, `well... no`."""
    mark = match.group()
    following = text[match.end() : match.end() + 2].lstrip(" ")
    return (mark[-1] in _CLOSING or mark.endswith("..")) and following[:1].islower()


def _append_trimmed(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        offset = start + len(piece) - len(piece.lstrip())
        spans.append((offset, offset + len(stripped)))
