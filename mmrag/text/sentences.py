"""Sentences of English and Chinese text, as spans: chunks, quotes and claims are cut along them."""

from __future__ import annotations

import re

# After these a full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof sr jr st vs etc e.g i.e cf fig figs no nos vol p pp ch sec eq approx inc ltd co corp
    jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k a.m p.m dept est al""".split()
)
_END = re.compile(
    r"""[.!?…]+["'”’)\]]*(?=\s|$)     # the end marks of English, before white space
    |[。！？；…]+[”’」』）]*            # those of Chinese, anywhere
    |\n\s*\n                         # a blank line
    |\n(?=\s*(?:[-*•|\#>]|\d+[.)]\s)) # a list item or table row begins
    """,
    re.VERBOSE,
)


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Spans `(start, end)`, ascending and disjoint, trimmed; every other character is white space."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and _is_abbreviation(text, start, match.start()):
            continue
        _append_trimmed(spans, text, start, match.end())
        start = match.end()
    _append_trimmed(spans, text, start, len(text))
    return tuple(spans)


def _is_abbreviation(text: str, start: int, stop: int) -> bool:
    word = text[start:stop].rsplit(None, 1)[-1:] or [""]
    bare = word[0].lstrip("(\"'“‘[").casefold()
    return bare in _ABBREVIATIONS or (len(bare) == 1 and bare.isalpha())


def _append_trimmed(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        offset = start + piece.index(stripped)
        spans.append((offset, offset + len(stripped)))
