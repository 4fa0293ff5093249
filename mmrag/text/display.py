"""Foreign text made fit to be shown: in a terminal, a log line or a chat message.

The bots and the command line share it; it needs no library.
"""

from __future__ import annotations

import re
import unicodedata

_OPENING, _CLOSING = r"\[［【〔〖〚｢⟦", r"\]］】〕〗〛｣⟧"
# A number in any kind of brackets: it would pass for the number of a source.
BRACKETED_NUMBER = re.compile(
    rf"[{_OPENING}]([^{_OPENING}{_CLOSING}]{{0,20}}?\d[^{_OPENING}{_CLOSING}]{{0,20}}?)[{_CLOSING}]"
)

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Shown as nothing although they are letters or marks: category Cf does not hold them.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def neutralise(text: str) -> str:
    """Foreign text without anything that acts or hides; line ends and tabs become plain ones.

    Control characters and lone surrogates are replaced visibly, so that a reader sees that
    something stood there; bidi controls and invisible characters are dropped.
    """
    text = _LINE_ENDS.sub("\n", text).replace("\t", "    ")
    return "".join(map(_harmless, text))


def one_line(text: str) -> str:
    """Foreign text on one line, neutralised."""
    return " ".join(neutralise(text).split())


def shorten(text: str, most: int) -> str:
    """At most `most` characters, an ellipsis in place of the rest."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def shorten_quote(text: str, most: int) -> str:
    """At most `most` characters, an ellipsis in place of the middle, between words where there are any.

    A quote reaches from the first to the last thing that is cited: both its ends are what it is for.
    """
    if len(text) <= most:
        return text
    half = (most - 3) // 2  # " … "
    head, tail = text[: most - 3 - half], text[-half:]
    if not text[len(head)].isspace() and head.rfind(" ") > len(head) // 2:
        head = head[: head.rfind(" ")]
    if not text[-half - 1].isspace() and 0 <= tail.find(" ") < len(tail) // 2:
        tail = tail[tail.find(" ") :]
    return f"{head.rstrip()} … {tail.lstrip()}"


def _harmless(character: str) -> str:
    if character == "\n":
        return character
    category = unicodedata.category(character)
    if category in {"Cc", "Cs"}:
        return _REPLACED
    if category in {"Cf", "Co"} or character in _INVISIBLE:
        return ""
    return character
