"""Numbers in text, as values: the number guard and chart answers compare them, not their spelling.

"4.2M", "4,200,000" and "4.2 million" are one value; "12 %" and "12" are not. It knows no
unit but per cent, no number words ("twelve", 十二) and no dates: `12.05.2024`, `2.13.0` and
other dotted codes are no numbers, they are compared as words.
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
_CURRENCY = "$€£¥₹"
_NUMBER = re.compile(
    rf"""(?<![a-zà-ÿ0-9_])(?<!\d[.,])            # not inside a word, a code or another number
    (?:(?<![\w)%.])(?P<sign>[-−–+])[{_CURRENCY}]?  # a sign touches its number: "3 - 5" has none
      |[{_CURRENCY}]\s*(?P<inner_sign>[-−–+])?)?
    (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|\.\d|,\d{{3}})
    (?:\s?(?P<percent>%|percent\b|per\ cent\b)
      |\s?(?P<scale>thousand|million|billion|trillion|百万|千万|[千万亿]|(?:k|mn|mm|m|bn|b|tn)(?![a-z0-9]))
    )?""",
    re.VERBOSE,
)
_NEW_LINE = re.compile(r"\n(?=Per)")  # "Percent of adults" below a number is a title, not its unit
_BRACKETED = re.compile(r"\(([^()]+)\)")  # accountants' way to write a negative amount


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a value: scale words ("4.2 million") are applied."""

    value: Decimal
    percent: bool


def numbers(text: str) -> tuple[Number, ...]:
    """All numbers of a text in order."""
    return tuple(_number(match) for match in _NUMBER.finditer(normalise(_NEW_LINE.sub("\n\n", text))))


def place_numbers(text: str) -> tuple[tuple[Number, int, int], ...]:
    """(number, start, end) of each number of a text that is normalised already."""
    return tuple((_number(match), match.start(), match.end()) for match in _NUMBER.finditer(text))


def sole_number(text: str) -> Number | None:
    """The number that a table cell is, or None where it holds anything else.

    "(12.5)" is -12.5 as accountants write it.
    """
    bare = normalise(text).strip().rstrip("*†").strip()
    bracketed = _BRACKETED.fullmatch(bare.lstrip(_CURRENCY).lstrip())
    match = _NUMBER.fullmatch(bracketed[1].strip() if bracketed else bare)
    if match is None:
        return None
    number = _number(match)
    return Number(-number.value, number.percent) if bracketed else number


def _number(match: re.Match[str]) -> Number:
    value = Decimal(match["digits"].replace(",", ""))
    if (match["sign"] or match["inner_sign"] or "+") != "+":
        value = -value
    if match["scale"]:
        value = value.scaleb(_SCALES[match["scale"]])
    return Number(value=value, percent=bool(match["percent"]))
