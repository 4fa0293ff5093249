"""Units that stand at a number: 12 days are no 12 weeks, and $5 is not €5.

Only units that are known here are compared; a bare number agrees with any.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from mmrag.text.numbers import place_numbers
from mmrag.text.words import normalise

if TYPE_CHECKING:
    from mmrag.text.numbers import Number

_SPELLINGS = {
    "second": "s sec secs second seconds 秒 秒钟",
    "minute": "min mins minute minutes 分钟",
    "hour": "h hr hrs hour hours 小时",
    "day": "day days 天 日",
    "week": "week weeks 周 星期",
    "month": "month months 个月",
    "year": "year years yr yrs 年",
    "metre": "metre metres meter meters 米",
    "kilometre": "km kilometre kilometres kilometer kilometers 公里 千米",
    "centimetre": "cm centimetre centimetres centimeter centimeters 厘米",
    "mile": "mile miles 英里",
    "kilogram": "kg kilogram kilograms 公斤 千克",
    "gram": "gram grams 克",
    "tonne": "tonne tonnes ton tons 吨",
    "litre": "litre litres liter liters 升",
    "bar": "bar",
    "volt": "volt volts 伏",
    "watt": "watt watts 瓦",
    "dollar": "$ usd dollar dollars 美元",
    "euro": "€ eur euro euros 欧元",
    "pound": "£ gbp",
    "yuan": "¥ cny rmb yuan 元 人民币",
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_CURRENCY = re.compile(r"[$€£¥]")
_LATIN = re.compile(r"\s?-?([a-z]+)")
_HAN = re.compile(
    r"\s?(个月|分钟|秒钟|小时|星期|公里|千米|厘米|英里|公斤|千克|美元|欧元|人民币|[秒天日周年米克吨升伏瓦元])"
)


def units_agree(text: str, evidence: str) -> bool:
    """Whether each number of a claim that has a unit has it in the evidence too, or stands bare there."""
    known = _units(evidence)
    return all(
        not known[number] or not units or units & known[number] or "" in known[number]
        for number, units in _units(text).items()
    )


def _units(text: str) -> defaultdict[Number, set[str]]:
    plain = normalise(text)
    found: defaultdict[Number, set[str]] = defaultdict(set)
    for number, start, end in place_numbers(plain):
        sign = _CURRENCY.search(plain, max(0, start - 2), start + 2)
        latin, han = _LATIN.match(plain, end), _HAN.match(plain, end)
        unit = sign[0] if sign else latin[1] if latin else han[1] if han else ""
        found[number].add(_UNITS.get(unit, ""))
    return found
