"""The number guard: every number of a claim must stand in what it cites, or be shown to follow from it.

Values are compared, not spellings. A number of the question supports nothing, and a result
of arithmetic counts only where the claim shows it ("(4.2 − 3.0) ÷ 3.0 = 40 %") with operands that
stand in the evidence and a result that is right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.arithmetic import calculations
from mmrag.text.chart_text import unsigned
from mmrag.text.numbers import numbers, sole_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmrag.text.arithmetic import Calculation
    from mmrag.text.numbers import Number

_HIGHEST = re.compile(r"\b(?:highest|largest|most|maximum|biggest)\b|最高|最大|最多", re.IGNORECASE)
_LOWEST = re.compile(r"\b(?:lowest|smallest|least|minimum|fewest)\b|最低|最小|最少", re.IGNORECASE)


def numbers_stand(text: str, evidence: str) -> bool:
    """Whether every number of a claim stands in the evidence or is worked out, to be seen, from such."""
    known = set(numbers(evidence))
    shown, rest = calculations(text)
    results = {calculation.result for calculation in shown}
    return all(_stand(calculation, known) for calculation in shown) and set(numbers(rest)) <= known | results


def extremes_hold(text: str, quoted: Iterable[str], evidence: str) -> bool:
    """Whether a claim of a highest or lowest value is a source's own, or true of the cells it cites.

    The value is the last number of the claim. It is compared with every cited span that is
    nothing but a number, less those that the claim names itself (a year that heads a column).
    """
    stated = numbers(text)
    for word, extreme in ((_HIGHEST, max), (_LOWEST, min)):
        if not word.search(text) or word.search(evidence):
            continue
        cells = {number for span in quoted if (number := sole_number(unsigned(span))) is not None}
        if not stated or stated[-1] not in cells:
            return False
        compared = [cell.value for cell in cells - set(stated[:-1]) if cell.percent == stated[-1].percent]
        if not compared or extreme(*compared, stated[-1].value) != stated[-1].value:
            return False
    return True


def _stand(calculation: Calculation, known: set[Number]) -> bool:
    """Whether a result is right and its operands stand in the evidence.

    The divisor of an average is the number of what was added, and a count adds ones.
    """
    *operands, last = calculation.operands
    counts = not any(one.percent or one.value != 1 for one in calculation.operands)
    is_average = last.value == len(operands) and not last.percent
    return calculation.holds and (counts or (set(operands) <= known and (last in known or is_average)))
