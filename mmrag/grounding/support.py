"""Whether quoted text supports a claim: its words, its names, its numbers and its negations.

The number guard compares values, not spellings, and recomputes what a claim computed. It
knows one claim and the quoted text only.
"""

from __future__ import annotations

import re

from mmrag.text.names import name_words
from mmrag.text.numbers import Number, numbers
from mmrag.text.words import content_words, words

# Of a claim's content words, those that must stand in what it quotes. A quotation has them all; a
# phrased sentence may join them with words of its own.
_SHARE = 0.75
_NEGATIONS = frozenset(words("not no never none neither nor without cannot don't doesn't isn't won't"))
_CHINESE_NEGATION = re.compile("不|没|无|未|非")
# The frame that the generator puts around a table's value.
_FRAME = frozenset(
    words("in is has the highest lowest value difference between and for 在 中 为 最高 最低 相差 与 的")
)
_SUBTRACTION = re.compile(r"(?P<left>[^=−]*\d[^=−]*)−(?P<right>[^=−]*\d[^=−]*)=(?P<result>[^=]*\d[^=]*)")


def supports(quoted: str, titles: str, claim: str) -> bool:
    """Whether `quoted` (with its source's titles) says what `claim` says."""
    return (
        _numbers_stand(quoted, titles, claim)
        and _names_stand(f"{quoted}\n{titles}", claim)
        and overlap(f"{quoted}\n{titles}", claim) >= _SHARE
        and _negates(quoted) == _negates(claim)
    )


def overlap(text: str, claim: str) -> float:
    """The share of a claim's content words that stand in a text; 0 for a claim without any."""
    said = [word for word in content_words(claim) if word not in _FRAME and not _is_framed(word)]
    if not said:
        return 0.0
    there = frozenset(words(text))
    return sum(word in there for word in said) / len(said)


def _is_framed(word: str) -> bool:
    """A Chinese bigram that reaches into the frame ("为三")."""
    return any(frame in word for frame in _FRAME if not frame.isascii())


def _numbers_stand(quoted: str, titles: str, claim: str) -> bool:
    computed = _computed(claim)
    if computed is None:
        return False
    there = {*numbers(quoted), *numbers(titles), *computed}
    return all(number in there for number in numbers(claim))


def _computed(claim: str) -> tuple[Number, ...] | None:
    """The result of a subtraction that a claim shows; None if it does not come out."""
    match = _SUBTRACTION.search(claim)
    if match is None:
        return ()
    left, right, result = (numbers(match[part]) for part in ("left", "right", "result"))
    if not (left and right and result):
        return None
    minuend, subtrahend, difference = left[-1], right[0], result[0]
    if minuend.percent != subtrahend.percent or minuend.value - subtrahend.value != difference.value:
        return None
    return (difference,)


def _names_stand(text: str, claim: str) -> bool:
    there = frozenset(words(text))
    return all(word in there for word in name_words(claim) - _FRAME)


def _negates(text: str) -> bool:
    return not _NEGATIONS.isdisjoint(words(text)) or _CHINESE_NEGATION.search(text) is not None
