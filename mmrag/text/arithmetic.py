"""Arithmetic that a sentence shows: "(547 − 400) ÷ 400 = 36.75 %", "2.1 + 3.4 = 5.5".

A result counts only where its working is shown: whoever reads can follow it, and code can check
it. It knows no evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import TYPE_CHECKING

from mmrag.text.numbers import Number, numbers, place_numbers
from mmrag.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

_EQUALS = re.compile(r"\s*(?:=|≈)\s*")
_OPERATORS = {
    "+": "+",
    "−": "-",
    "–": "-",
    "-": "-",
    "÷": "/",
    "/": "/",
    "×": "*",
    "*": "*",
    "(": "(",
    ")": ")",
}
_UNIT_CHARS = 12  # of a word or symbol that stands behind an operand: "3 days + 4 days"
_UNIT = re.compile(rf"[^\W\d_]{{1,{_UNIT_CHARS}}}")
_LONGEST = 400  # characters of a working
_FEWEST = 2  # operands of a calculation


@dataclass(frozen=True, slots=True)
class Calculation:
    """What was put together; `holds` if the result is that of the operands, as rounded as it is shown."""

    operands: tuple[Number, ...]
    result: Number
    holds: bool


def calculations(text: str) -> tuple[tuple[Calculation, ...], str]:
    """The calculations that a text shows, and the text without them."""
    plain = normalise(text)
    found: list[Calculation] = []
    taken: list[tuple[int, int]] = []
    for equals in _EQUALS.finditer(plain):
        working = _working(plain, equals.start())
        result = next(iter(place_numbers(plain[equals.end() : equals.end() + 40])), None)
        if working is None or result is None or plain[equals.end() : equals.end() + result[1]].strip():
            continue
        tokens, start = working
        number, _, stop = result
        value = _evaluate(tokens, percent=number.percent)
        operands = tuple(token for token in tokens if isinstance(token, Number))
        if len(operands) < _FEWEST:
            continue
        holds = value is not None and _rounds_to(value, number, plain[equals.end() : equals.end() + stop])
        found.append(Calculation(operands, number, holds))
        taken.append((start, equals.end() + stop))
    rest, last = [], 0
    for start, end in taken:
        rest.append(plain[last : max(start, last)])
        last = max(end, last)
    return tuple(found), " ".join([*rest, plain[last:]])


def _working(text: str, end: int) -> tuple[list[Number | str], int] | None:
    """The operands and operators that stand before an equals sign, and where they begin."""
    begin = max(0, end - _LONGEST)
    placed = {start: (number, stop) for number, start, stop in place_numbers(text[begin:end])}
    pieces: list[tuple[Number | str, int]] = []  # token, place
    position = 0
    window = text[begin:end]
    while position < len(window):
        if position in placed:
            number, stop = placed[position]
            if pieces and isinstance(pieces[-1][0], Number):
                pieces = []  # two numbers side by side: the working begins at the second
            pieces.append((number, position))
            position = stop
            unit = _UNIT.match(window, position + (window[position : position + 1] == " "))
            if unit and (window[unit.end() :].lstrip()[:1] or "=") in "+−–-÷/×*)=":
                position = unit.end()
            continue
        character = window[position]
        if character in _OPERATORS:
            pieces.append((_OPERATORS[character], position))
        elif not character.isspace():
            pieces = []
        position += 1
    while pieces and not (isinstance(pieces[0][0], Number) or pieces[0][0] == "("):
        pieces = pieces[1:]
    if not pieces:
        return None
    return [token for token, _ in pieces], begin + pieces[0][1]


def _evaluate(tokens: Sequence[Number | str], *, percent: bool) -> Decimal | None:
    """The value; of a quotient shown in per cent, its hundredfold. None where it can't be worked out."""
    values = [token for token in tokens if isinstance(token, Number)]
    alike = {token.percent for token in values}
    try:
        value, rest = _sum(list(tokens))
    except (InvalidOperation, DivisionByZero, ValueError, IndexError):
        return None
    if rest:
        return None
    # An average of percentages divides them by a plain count; a share divides like by like.
    is_share = "/" in tokens and percent and len(alike) == 1
    return value * 100 if is_share else value


def _sum(tokens: list[Number | str]) -> tuple[Decimal, list[Number | str]]:
    value, tokens = _product(tokens)
    while tokens and tokens[0] in ("+", "-"):
        operator = tokens[0]
        other, tokens = _product(tokens[1:])
        value = value + other if operator == "+" else value - other
    return value, tokens


def _product(tokens: list[Number | str]) -> tuple[Decimal, list[Number | str]]:
    value, tokens = _operand(tokens)
    while tokens and tokens[0] in ("*", "/"):
        operator = tokens[0]
        other, tokens = _operand(tokens[1:])
        value = value * other if operator == "*" else value / other
    return value, tokens


def _operand(tokens: list[Number | str]) -> tuple[Decimal, list[Number | str]]:
    first, rest = tokens[0], tokens[1:]
    if isinstance(first, Number):
        return first.value, rest
    if first != "(":
        raise ValueError(first)
    value, rest = _sum(rest)
    if rest[:1] != [")"]:
        raise ValueError(rest)
    return value, rest[1:]


def _rounds_to(value: Decimal, shown: Number, written: str) -> bool:
    """Whether a value, rounded to the places that are shown, is what is shown."""
    if value == shown.value:
        return True
    digits = re.search(r"\d[\d,]*(?:\.(\d+))?", written)
    places = len(digits[1] or "") if digits else 0
    plain = numbers(digits[0])[0].value if digits else shown.value
    scale = abs(shown.value / plain) if plain else Decimal(1)  # of "4.2 million"
    return abs(value - shown.value) <= scale * Decimal(10) ** -places / 2
