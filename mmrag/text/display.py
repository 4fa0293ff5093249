"""Foreign text made fit to be shown: in a terminal, a log line or a chat message."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\t")
# Cc, Cf: terminal escapes, bidi overrides and zero-width characters; Co, Cs: no glyph anyone agreed on.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})


def clean(text: str) -> str:
    """The text without characters that act instead of showing; line breaks and tabs stay."""
    return "".join(
        character
        for character in text
        if character in _KEPT or unicodedata.category(character) not in _HIDDEN
    )


def shorten(text: str, most: int) -> str:
    """At most `most` characters, an ellipsis in place of the rest."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
