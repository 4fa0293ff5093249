"""A cell's stored number as a spreadsheet shows it: dates, percentages, thousands, currencies.

Follows the number formats of ECMA-376, Part 1, 18.8.30 and 18.8.31. What a format asks for that is not
known here (fractions, scientific notation, conditions) leaves the number as it is stored, never a wrong one.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm",
    37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 49: "@",
}  # fmt: skip
_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
_BRACKETED = re.compile(r"\[(?:\$([^\]-]*)(?:-[^\]]*)?|[^\]]*)\]")
_PADDING = re.compile(r"_.|\*.")
_DATE_LETTER = re.compile(r"[ymdhs]", re.IGNORECASE)
_DATE_TOKEN = re.compile(
    r"AM/PM|A/P|上午/下午|\[h+\]|\[m+\]|\[s+\]|y+|m+|d+|h+|s+(?:\.0+)?|\"[^\"]*\"|\\.|.",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"[#0?](?:[#0?,]*[#0?])?(?:\.[#0?]*)?|\.[#0?]+")
_LITERAL_MARK = "\ue000"  # a private character: stands for quoted text while the format is taken apart
_EPOCH_1900 = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001 - as above
_LAST_DAY = 2_958_465  # 9999-12-31
_MOST_DIGITS = 30  # no format spells out longer numbers
_SIGNIFICANT = 11  # digits that General shows
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def display(text: str, code: str, *, from_1904: bool = False) -> str:
    """A stored number as its format shows it; what is no number stays as it is."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return text
    section, shown = _section(code, number)
    try:
        if is_date(section):
            return _as_date(section, float(number), from_1904=from_1904) or _general(number)
        return _as_number(section, shown) if shown is not None else _general(number)
    except InvalidOperation:  # more places than a decimal holds: no format that a person chose
        return text


@lru_cache(maxsize=1024)
def is_date(code: str) -> bool:
    """Whether a format shows days or times."""
    bare = _PADDING.sub("", _QUOTED.sub("", code))
    elapsed = re.search(r"\[[hms]+\]", bare, re.IGNORECASE) is not None
    bare = _BRACKETED.sub("", bare)
    return elapsed or (
        _DATE_LETTER.search(bare) is not None
        and "general" not in bare.lower()
        and not re.search(r"[#0]\.?[#0]*E[+-]", bare)
    )


def _section(code: str, number: Decimal) -> tuple[str, Decimal | None]:
    """The part of a format for this sign, and the number to show in it (its own part shows no minus)."""
    parts = _split(code)
    if any(re.search(r"\[[<>=]", part) for part in parts):
        return "General", None
    if number < 0 and len(parts) > 1:
        return parts[1], -number
    if number == 0 and len(parts) > 2:  # noqa: PLR2004 - positive; negative; zero
        return parts[2], number
    return parts[0], number


@lru_cache(maxsize=1024)
def _split(code: str) -> tuple[str, ...]:
    parts, quoted, start = [], False, 0
    for index, character in enumerate(code):
        if character == '"':
            quoted = not quoted
        elif character == ";" and not quoted and code[index - 1 : index] != "\\":
            parts.append(code[start:index])
            start = index + 1
    return (*parts, code[start:])


def _as_number(section: str, number: Decimal) -> str:
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(match[1] if match[1] is not None else match[2] or "")
        return _LITERAL_MARK

    pattern = _QUOTED.sub(keep, section)
    pattern = _PADDING.sub("", _BRACKETED.sub(lambda match: match[1] or "", pattern))
    if "general" in pattern.lower() or pattern.strip() in ("", "@"):
        return _general(number)
    body = _NUMBER.search(pattern)
    if body is None or "/" in pattern or re.search(r"E[+-]", pattern):
        return _general(number) if body is not None else _with_literals(pattern, literals)
    percent = pattern.count("%")
    scaled = number * (Decimal(100) ** percent)
    end = body.end()
    while pattern[end : end + 1] == ",":  # each comma behind the digits divides by a thousand
        scaled /= 1000
        end += 1
    shown = _digits(scaled, body[0])
    prefix, suffix = pattern[: body.start()], pattern[end:]
    sign = "-" if shown.startswith("-") else ""
    return _with_literals(f"{sign}{prefix}{shown.removeprefix('-')}{suffix}", literals).strip()


def _digits(number: Decimal, body: str) -> str:
    whole, _, fraction = body.partition(".")
    places, fixed = len(fraction), fraction.count("0")
    rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = f"{rounded:,f}" if "," in whole else f"{rounded:f}"
    if places > fixed and "." in text:
        head, _, tail = text.partition(".")
        tail = tail[:fixed] + tail[fixed:].rstrip("0")
        text = f"{head}.{tail}" if tail else head
    least = whole.count("0")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    head, dot, tail = digits.partition(".")
    if "," not in whole:
        head = head.zfill(least)
    return f"{sign if rounded else ''}{head}{dot}{tail}"


def _with_literals(text: str, literals: list[str]) -> str:
    waiting = iter(literals)
    return "".join(next(waiting, "") if character == _LITERAL_MARK else character for character in text)


def _general(number: Decimal) -> str:
    """As the format General: 11 significant digits, no zeros at the end."""
    if number == number.to_integral_value() and abs(number) < Decimal(10) ** 15:
        return f"{int(number)}"
    digits = max(0, _SIGNIFICANT - max(number.adjusted() + 1, 1))
    return f"{number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP).normalize():f}"


def _as_date(section: str, days: float, *, from_1904: bool) -> str | None:
    """A day number as its format shows it; None for one that is no date."""
    if not 0 <= days < _LAST_DAY:
        return None
    epoch = _EPOCH_1904 if from_1904 else _EPOCH_1900
    if not from_1904 and 1 <= days < 60:  # noqa: PLR2004 - 1900 is taken for a leap year: day 60 is its 29 February
        epoch += timedelta(days=1)
    moment = epoch + timedelta(milliseconds=round(days * 86_400_000))
    tokens = _DATE_TOKEN.findall(
        re.sub(r"\[\$[^\]]*\]|\[(?![hms]+\])[^\]]*\]", "", _PADDING.sub("", section))
    )
    halves = any(token.upper() in ("AM/PM", "A/P", "上午/下午") for token in tokens)
    shown: list[str] = []
    clock = False  # whether hours came last: then `m` are minutes
    for index, token in enumerate(tokens):
        following = next((t[0].lower() for t in tokens[index + 1 :] if t[0].isalpha() or t[0] == "["), "")
        is_minutes = token[0].lower() == "m" and len(token) <= 2 and (clock or following == "s")  # noqa: PLR2004 - `mmm` names a month
        shown.append(_date_part(token, moment, days, halves=halves, is_minutes=is_minutes))
        if token[0].isalpha() or token[0] == "[":
            clock = token.strip("[]")[:1].lower() == "h"
    return "".join(shown).partition(";")[0].strip()


def _date_part(token: str, moment: datetime, days: float, *, halves: bool, is_minutes: bool) -> str:  # noqa: PLR0911 - one line for each letter
    letter, length = token.strip("[]")[:1].lower(), len(token.strip("[]"))
    if token.startswith("[") and letter:
        unit = {"h": 24, "m": 1440, "s": 86_400}[letter]
        return str(int(round(days * 86_400, 3) * unit / 86_400)).zfill(length)
    if token.upper() in ("AM/PM", "A/P", "上午/下午"):
        return token.split("/")[moment.hour >= 12]  # noqa: PLR2004 - noon
    if is_minutes:
        return f"{moment.minute:0{min(length, 2)}d}"
    match letter:
        case "y":
            return f"{moment.year % 100:02d}" if length <= 2 else str(moment.year)  # noqa: PLR2004 - digits
        case "m":
            return _named(_MONTHS[moment.month - 1], moment.month, length)
        case "d":
            return _named(_DAYS[moment.weekday()], moment.day, length)
        case "h":
            hour = (moment.hour % 12 or 12) if halves else moment.hour
            return f"{hour:0{min(length, 2)}d}"
        case "s":
            return f"{moment.second:0{min(len(token.partition('.')[0]), 2)}d}"
        case _:
            return token[1:-1] if token.startswith('"') and length > 1 else token.removeprefix("\\")


def _named(name: str, number: int, length: int) -> str:
    if length <= 2:  # noqa: PLR2004 - digits
        return f"{number:0{length}d}"
    return name[:3] if length == 3 else name[0] if length == 5 else name  # noqa: PLR2004 - `mmm`, `mmmmm`, `mmmm`
