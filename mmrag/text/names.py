"""Names, codes and numbers in a text: the words that a synonym can't stand in for.

A question about Brazil is not answered by a sentence about Spain, however alike they read.
Chinese writes no capitals: there only Latin words, codes and numbers are seen.
"""

from __future__ import annotations

import re

from mmrag.text.words import STOP_WORDS, content_words

# A capital or a digit somewhere in the word; `ERR-4042`, `Q3` and `v2.13.0` are one name.
_NAME = re.compile(r"(?<![A-Za-z0-9])(?=[a-z]*[A-Z0-9])[A-Za-z0-9]+(?:[-_./:+#@&][A-Za-z0-9]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:。！？：]\s*|[\"“‘'(（]\s*)$")


def names(text: str) -> tuple[str, ...]:
    """Names, codes and numbers in order of appearance, as they are written.

    A word that begins a sentence is taken for a name only if a digit or an inner capital
    says so; a text in capitals throughout has none but its codes and numbers.
    """
    shouting = text.isupper()
    return tuple(
        match.group()
        for match in _NAME.finditer(text)
        if _is_code(match.group())
        or not (
            shouting
            or match.group().casefold() in STOP_WORDS
            or _SENTENCE_START.search(text[: match.start()])
        )
    )


def name_words(text: str) -> frozenset[str]:
    """The search words of a text's names."""
    return frozenset(word for name in names(text) for word in content_words(name))


def _is_code(word: str) -> bool:
    has_inner_capital = not word.isupper() and any(character.isupper() for character in word[1:])
    return has_inner_capital or any(character.isdigit() for character in word)
