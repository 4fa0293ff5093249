"""What a Word document's styles and list definitions say: levels of headings, numbers of items.

It knows definitions, not the text that they are used on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.reading.ooxml import WORD, integer, is_on, value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from mmrag.reading.ooxml import Package

_HEADING_NAME = re.compile(r"(?:heading|标题)\s*([1-9])", re.IGNORECASE)
_TITLE_NAMES = frozenset({"title", "标题"})
_LEVELS = 9
_PLACEHOLDER = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_HAN_DIGITS = "〇一二三四五六七八九"
_MAX_ROMAN = 4_000
_HAN_FORMS = ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "ideographDigital")
_MAX_HAN = 100  # tens and ones

Place = tuple[str, int] | None  # (id of a numbering, level)


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str
    level: int | None  # of a heading, from 1
    place: tuple[str, str]  # numbering and its level, each "" where the style names none
    hidden: bool


class Styles:
    """Styles by id, with what they inherit."""

    def __init__(self, package: Package, part: str | None) -> None:
        self._styles: dict[str, _Style] = {}
        for element in package.stream(part, depth=1) if part else ():
            if element.tag == f"{WORD}style":
                self._styles[value(element, "styleId")] = _style(element)

    def level(self, style: str, properties: Element | None) -> int | None:
        """The level of a heading, None for a paragraph; the title of the document has level 1."""
        outline = properties.find(f"{WORD}outlineLvl") if properties is not None else None
        if outline is not None:
            return _outline_level(outline)
        return next((s.level for s in self._chain(style) if s.level is not None), None)

    def is_title(self, style: str) -> bool:
        """Whether this is the style of a document's title."""
        return any(s.name in _TITLE_NAMES for s in self._chain(style))

    def is_hidden(self, style: str) -> bool:
        """Whether text in this style is not shown."""
        return any(s.hidden for s in self._chain(style))

    def list_place(self, style: str, properties: Element | None) -> Place:
        """The list that a paragraph belongs to and its level there; None outside of lists."""
        number, level = _list_place(properties)
        for inherited in self._chain(style):
            number, level = number or inherited.place[0], level or inherited.place[1]
        return (number, min(integer(level), _LEVELS - 1)) if number not in ("", "0") else None

    def _chain(self, style: str) -> list[_Style]:
        chain: list[_Style] = []
        while (found := self._styles.get(style)) is not None and len(chain) < len(self._styles):
            chain.append(found)
            style = found.based_on
        return chain


def _style(element: Element) -> _Style:
    name = value(element.find(f"{WORD}name"), "val").casefold()
    properties = element.find(f"{WORD}pPr")
    outline = properties.find(f"{WORD}outlineLvl") if properties is not None else None
    heading = _HEADING_NAME.fullmatch(name)
    level = int(heading[1]) if heading else 1 if name in _TITLE_NAMES else None
    return _Style(
        name=name,
        based_on=value(element.find(f"{WORD}basedOn"), "val"),
        level=_outline_level(outline) if outline is not None and level is None else level,
        place=_list_place(properties),
        hidden=is_on(element.find(f"{WORD}rPr/{WORD}vanish")),
    )


def _outline_level(outline: Element) -> int | None:
    level = integer(value(outline, "val"), _LEVELS)
    return level + 1 if level < _LEVELS else None


def _list_place(properties: Element | None) -> tuple[str, str]:
    found = properties.find(f"{WORD}numPr") if properties is not None else None
    if found is None:
        return "", ""
    return value(found.find(f"{WORD}numId"), "val"), value(found.find(f"{WORD}ilvl"), "val")


@dataclass(frozen=True, slots=True)
class _Level:
    form: str = "decimal"
    text: str = ""
    start: int = 1


class Numbering:
    """Counts the items of every list as Word does."""

    def __init__(self, package: Package, part: str | None) -> None:
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._numbers: dict[str, tuple[str, dict[int, _Level]]] = {}
        self._counts: dict[str, list[int | None]] = defaultdict(lambda: [None] * _LEVELS)
        for element in package.stream(part, depth=1) if part else ():
            if element.tag == f"{WORD}abstractNum":
                self._abstract[value(element, "abstractNumId")] = _levels(element)
            elif element.tag == f"{WORD}num":
                self._add_number(element)

    def _add_number(self, element: Element) -> None:
        abstract = value(element.find(f"{WORD}abstractNumId"), "val")
        overrides = {}
        for override in element.iter(f"{WORD}lvlOverride"):
            index = integer(value(override, "ilvl"))
            base = _levels(override).get(index, self._abstract.get(abstract, {}).get(index, _Level()))
            start = override.find(f"{WORD}startOverride")
            overrides[index] = base if start is None else replace(base, start=integer(value(start, "val"), 1))
        self._numbers[value(element, "numId")] = abstract, overrides

    def marker(self, place: Place) -> tuple[str, int]:
        """What stands before the next item at this place, and how deep it is; "" outside of lists."""
        if place is None or place[0] not in self._numbers:
            return "", 0
        number, index = place
        abstract, overrides = self._numbers[number]
        levels = self._abstract.get(abstract, {}) | overrides
        level = levels.get(index, _Level("bullet"))
        counts = self._counts[number if overrides else f"abstract {abstract}"]
        current = counts[index]
        counts[index] = level.start if current is None else current + 1
        counts[index + 1 :] = [None] * (_LEVELS - index - 1)
        if level.form == "bullet":
            return "-", index
        if level.form == "none":
            return "", index

        def numeral(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            upper = levels.get(at, _Level())
            count = counts[at]
            return spelled(upper.start if count is None else count, upper.form)

        return _PLACEHOLDER.sub(numeral, level.text).strip(), index


def _levels(element: Element) -> dict[int, _Level]:
    return {
        integer(value(level, "ilvl")): _Level(
            form=value(level.find(f"{WORD}numFmt"), "val", "decimal"),
            text=value(level.find(f"{WORD}lvlText"), "val"),
            start=integer(value(level.find(f"{WORD}start"), "val"), 1),
        )
        for level in element.iter(f"{WORD}lvl")
    }


def spelled(number: int, form: str) -> str:
    """A number as a list's format writes it; unknown formats as digits."""
    if number <= 0:
        return str(number)
    if form in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 8)
        return letter if form == "lowerLetter" else letter.upper()
    if form in ("lowerRoman", "upperRoman") and number < _MAX_ROMAN:
        text = ""
        for unit, sign in _ROMAN:
            text += sign * (number // unit)
            number %= unit
        return text if form == "lowerRoman" else text.upper()
    if form in _HAN_FORMS and number < _MAX_HAN:
        tens, ones = divmod(number, 10)
        head = "" if tens == 0 else "十" if tens == 1 else _HAN_DIGITS[tens] + "十"
        return head + (_HAN_DIGITS[ones] if ones or not tens else "")
    return f"{number:02d}" if form == "decimalZero" else str(number)
