"""Questions that ask for the same, by the words they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmrag.types import Exchange

ALIKE = 0.5  # of the words of both that they must share (Jaccard)


@dataclass(frozen=True, slots=True)
class Group:
    """Exchanges that ask for the same, the most asked first."""

    exchanges: tuple[Exchange, ...]

    @property
    def times(self) -> int:
        """How often any of them was asked."""
        return sum(exchange.times for exchange in self.exchanges)

    @property
    def at(self) -> float:
        """When the last one was asked."""
        return max(exchange.at for exchange in self.exchanges)


def grouped(exchanges: Iterable[Exchange]) -> list[Group]:
    """Groups, the most asked first; each exchange joins the group whose first one is most like it."""
    ordered = sorted(exchanges, key=lambda exchange: (-exchange.times, -exchange.at))
    leaders: list[frozenset[str]] = []
    members: list[list[Exchange]] = []
    holders: dict[str, list[int]] = {}  # groups whose leader has this word
    for exchange in ordered:
        words = frozenset(content_words(exchange.question)) or frozenset([exchange.question.casefold()])
        near = {number for word in words for number in holders.get(word, ())}
        likeness, number = max(((_jaccard(words, leaders[n]), -n) for n in near), default=(0.0, 0))
        if likeness >= ALIKE:
            members[-number].append(exchange)
            continue
        for word in words:
            holders.setdefault(word, []).append(len(leaders))
        leaders.append(words)
        members.append([exchange])
    groups = [Group(tuple(group)) for group in members]
    return sorted(groups, key=lambda group: (-group.times, -group.at))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
