"""Numbers in text, as values: the number guard and chart answers compare them, not their spelling.

"4.2M", "4,200,000" and "4.2 million" are one value; "12 %" and "12" are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from mmrag.text.words import normalise

_SCALES = {
    "k": 3, "thousand": 3, "m": 6, "mn": 6, "mm": 6, "million": 6, "b": 9, "bn": 9, "billion": 9,
    "tn": 12, "trillion": 12, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8,
}  # fmt: skip
_NUMBER = re.compile(
    r"""(?<![\w.])(?P<sign>[-−–]?)\s?[$€£¥₹]?\s?
    (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)
    (?:\s?(?P<percent>%|percent\b|per\ cent\b)
      |\s?(?P<scale>thousand|million|billion|trillion|百万|千万|[千万亿]|(?:k|mn|mm|m|bn|b|tn)\b)
    )?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `start:end` of the normalised text. `value` has scale words applied."""

    value: Decimal
    percent: bool


def numbers(text: str) -> tuple[Number, ...]:
    """All numbers of a text in order."""
    return tuple(_number(match) for match in _NUMBER.finditer(normalise(text)))


def _number(match: re.Match[str]) -> Number:
    value = Decimal(match["digits"].replace(",", ""))
    if match["sign"]:
        value = -value
    if match["scale"]:
        value = value.scaleb(_SCALES[match["scale"]])
    return Number(value=value, percent=bool(match["percent"]))
