"""The picture that an answer rests on, the same on every platform: which one, its name, words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bots.markup import unlinked
from mmrag.text.display import one_line, shorten, shorten_quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmrag.types import Answer, Citation

PNG = b"\x89PNG"
DESCRIPTION_CHARS = 1_000  # Discord takes 1,024, Slack 2,000
_NO_MARKUP = str.maketrans("<>[]`@", "‹›()'＠")  # no platform draws a description; nothing in one may act


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of a cited source. `title` says where it stands, `description` is for who can't see it.

    In neither anything acts.
    """

    name: str
    data: bytes
    title: str
    description: str


def figure_of(answer: Answer, load: Callable[[str], bytes | None]) -> Figure | None:
    """The first figure that an answer cites and `load` still has; an abstention rests on none."""
    for citation in () if answer.abstained else answer.citations:
        data = None if citation.image is None else load(citation.image)
        if data is not None:
            name = f"{citation.image}.{'png' if data.startswith(PNG) else 'jpg'}"
            return Figure(name, data, _title(citation), _description(citation))
    return None


def _title(citation: Citation) -> str:
    title = shorten(one_line(citation.title), 200) or "untitled"
    page = "" if citation.page is None else f", page {citation.page}"
    return unlinked(f"{title}{page}").translate(_NO_MARKUP)


def _description(citation: Citation) -> str:
    words = unlinked(one_line(citation.quote)).translate(_NO_MARKUP)
    return shorten_quote(f"Figure of {_title(citation)}" + (f": {words}" if words else ""), DESCRIPTION_CHARS)
