"""Look-up decoding: what a question's answer copies from its context is guessed, not computed.

The last few tokens are looked up in what was read and written before; what followed them there is
the draft of what follows now (prompt look-up decoding, Saxena 2023). A wrong draft costs nothing
but its place in a step that is run anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 3  # tokens that are looked up; shorter ones where the longer were not seen before


class LookUp:
    """The tokens of one question, and where each short run of them was last followed by something."""

    def __init__(self, tokens: Iterable[int]) -> None:
        self._tokens: list[int] = []
        self._next: dict[tuple[int, ...], int] = {}  # run of tokens -> index of what followed it last
        self.extend(tokens)

    def extend(self, tokens: Iterable[int]) -> None:
        """Take in what was read or written."""
        for token in tokens:
            for run in self._suffixes():
                self._next[run] = len(self._tokens)
            self._tokens.append(token)

    def draft(self, width: int) -> list[int]:
        """At most `width` tokens that followed the longest known ending; empty if none is known."""
        for run in self._suffixes():
            place = self._next.get(run)
            if place is not None:
                return self._tokens[place : place + width]
        return []

    def _suffixes(self) -> list[tuple[int, ...]]:
        """The last tokens, longest run first."""
        longest = min(_LONGEST, len(self._tokens))
        return [tuple(self._tokens[-length:]) for length in range(longest, 0, -1)]
