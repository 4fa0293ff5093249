"""Whether evidence knows what a question names: a synonym stands in for a word, never for a name.

A document about tobacco has much to say on plants and directors, and nothing about those of a
company that it does not name. It knows questions and texts only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mmrag.generation.asked import pages_of, without_pages
from mmrag.text.names import names
from mmrag.text.words import content_words, letters, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.asked import Asked
    from mmrag.types import Hit

_GREETING = re.compile(
    r"^\s*(?:hi|hey|hello|dear|thanks|thank you|ok)\b,?\s+[A-Z][\w-]*\s*[,!.:–-]\s*", re.IGNORECASE
)
_FISCAL = re.compile(r"(?:FY|CY)['’]?(?:20)?(\d\d)", re.IGNORECASE)  # FY2023 and FY23 are 2023
_ACRONYM = re.compile(r"([A-Z]{2,6})s?")
_BETWEEN_INITIALS = r"(?:\s+(?:of|for|the|and|in|to)){0,2}[\s-]+"
# The end of a question that lets choose: "..., iron or wood?" At least one of them is to be known.
_CHOICES = re.compile(
    r"(?<=[,:?.])\s*((?:[^\s,:?.]+\s){0,4}[^\s,:?.]+(?:,? or )[^,:?.]{1,40})\?\s*$", re.IGNORECASE
)
_RECOGNISABLE = 6  # letters; a shorter name may stand by chance where words are run together
_FEWEST_INITIALS = 3  # letters of an acronym that may be spelled out without capitals


@dataclass(frozen=True, slots=True)
class Named:
    """What a question names: `phrases` of adjacent capitalised words, and `values`: codes and numbers.

    `pages` are the numbers of the pages that it asks about.
    """

    phrases: tuple[tuple[str, ...], ...]
    values: tuple[str, ...]
    pages: frozenset[int]


def named(asked: Asked) -> Named:
    """The names of a question's topic. One in capitals word by word has none but codes and numbers."""
    text = _GREETING.sub("", asked.text)
    pages = pages_of(text)
    text = _CHOICES.sub("", without_pages(text))
    phrases: list[list[str]] = []
    values: list[str] = []
    end = -1
    for name, start in _placed(text):
        adjacent = end >= 0 and not text[end:start].strip()
        end = start + len(name)
        if not asked.topic.intersection(content_words(name)):
            end = -1
        elif any(map(str.isdigit, name)):
            values.append(name)
            end = -1
        elif adjacent:
            phrases[-1].append(name)
        else:
            phrases.append([name])
    return Named(() if _is_title_case(text) else tuple(map(tuple, phrases)), tuple(values), pages)


def choices(question: str) -> tuple[frozenset[str], ...]:
    """The words of each thing that a question lets choose from; empty if it does not."""
    listed = _CHOICES.search(question)
    if listed is None:
        return ()
    each = [
        frozenset(content_words(choice)) for choice in re.split(r",? or |, ", listed[1], flags=re.IGNORECASE)
    ]
    return tuple(one - frozenset.intersection(*each) or one for one in each)


def _placed(text: str) -> list[tuple[str, int]]:
    places = []
    start = 0
    for name in names(text):
        start = text.index(name, start)
        places.append((name, start))
        start += len(name)
    return places


def _is_title_case(text: str) -> bool:
    """Whether capitals tell nothing: "How Long Is One Day on Mars"."""
    spelled = [word for word in re.findall(r"[A-Za-z]+", text) if len(word) > 3]  # noqa: PLR2004 - not "of", "the"
    return len(spelled) > 3 and all(word[0].isupper() for word in spelled)  # noqa: PLR2004 - a few may be names


class Evidence:
    """A text that may know names."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        # What a correction corrects is no part of it.
        self._text = "\n".join(
            f"{hit.title}\n{'' if hit.chunk.kind == 'correction' else hit.chunk.context}\n{hit.chunk.text}"
            for hit in hits
        )

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(words(self._text))

    @cached_property
    def _letters(self) -> str:
        return letters(self._text)

    def share(self, phrases: Sequence[Sequence[str]]) -> float:
        """The share of the phrases of which more than half of the words stand here; 1 if there are none."""
        if not phrases:
            return 1.0
        return sum(2 * sum(map(self.knows, phrase)) > len(phrase) for phrase in phrases) / len(phrases)

    def knows(self, name: str) -> bool:
        """Whether a name stands here: as a whole, in its parts, run together, or spelled out."""
        *parts, whole = content_words(name)
        if whole in self._words or (parts and self._words.issuperset(parts)):
            return True
        if fiscal := _FISCAL.fullmatch(name):
            return f"20{fiscal[1]}" in self._words
        run_together = letters(name)
        return (len(run_together) >= _RECOGNISABLE and run_together in self._letters) or self._spells_out(
            name
        )

    def holds_any(self, wanted: frozenset[str]) -> bool:
        """Whether one of these search words stands here."""
        return not self._words.isdisjoint(wanted)

    def holds_all(self, wanted: frozenset[str]) -> bool:
        """Whether all of these search words stand here."""
        return self._words.issuperset(wanted)

    def _spells_out(self, name: str) -> bool:
        acronym = _ACRONYM.fullmatch(name)
        if acronym is None:
            return False
        initials = r"\b" + (r"\w*" + _BETWEEN_INITIALS).join(acronym[1])
        flags = re.IGNORECASE if len(acronym[1]) >= _FEWEST_INITIALS else 0
        return re.search(initials, self._text, flags) is not None
