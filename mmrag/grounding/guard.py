"""The number guard: every number of a claim must stand in what it cites, or be shown to follow from it.

Values are compared, not spellings. A number of the question supports nothing, and a result
of arithmetic counts only where the claim shows it ("4.2 − 3.0 = 1.2") with operands that
stand in the evidence and a result that is right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.numbers import numbers, sole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmrag.text.numbers import Number

_OPERAND = r"[$€£¥₹]?\s?\d[\d,.]*(?:\s?(?:%|[^\W\d_]{1,9}))?"
_SUBTRACTION = re.compile(
    rf"(?P<left>{_OPERAND})\s*[−–-]\s*(?P<right>{_OPERAND})\s*=\s*(?P<result>-?{_OPERAND})"
)
_HIGHEST = re.compile(r"\b(?:highest|largest|most|maximum|biggest)\b|最高|最大|最多", re.IGNORECASE)
_LOWEST = re.compile(r"\b(?:lowest|smallest|least|minimum|fewest)\b|最低|最小|最少", re.IGNORECASE)


def numbers_stand(text: str, evidence: str) -> bool:
    """Whether every number of a claim stands in the evidence or is a shown difference of two that do."""
    known = set(numbers(evidence))
    shown, rest = _shown_differences(text)
    return all(_is_right(*subtraction, known) for subtraction in shown) and set(numbers(rest)) <= known


def extremes_hold(text: str, quoted: Iterable[str], evidence: str) -> bool:
    """Whether a claim of a highest or lowest value is a source's own, or true of the cells it cites.

    The value is the last number of the claim. It is compared with every cited span that is
    nothing but a number, less those that the claim names itself (a year that heads a column).
    """
    stated = numbers(text)
    for word, extreme in ((_HIGHEST, max), (_LOWEST, min)):
        if not word.search(text) or word.search(evidence):
            continue
        cells = {number for span in quoted if (number := sole_number(span)) is not None}
        if not stated or stated[-1] not in cells:
            return False
        compared = [cell.value for cell in cells - set(stated[:-1]) if cell.percent == stated[-1].percent]
        if not compared or extreme(*compared, stated[-1].value) != stated[-1].value:
            return False
    return True


def _shown_differences(text: str) -> tuple[list[tuple[Number, Number, Number]], str]:
    shown = []
    for match in _SUBTRACTION.finditer(text):
        parts = [numbers(match[name]) for name in ("left", "right", "result")]
        if all(len(part) == 1 for part in parts):
            shown.append((parts[0][0], parts[1][0], parts[2][0]))
    return shown, _SUBTRACTION.sub(" ", text)


def _is_right(left: Number, right: Number, result: Number, known: set[Number]) -> bool:
    return (
        {left, right} <= known
        and left.percent == right.percent == result.percent
        and left.value - right.value == result.value
    )
