"""Untrusted text made inert for a model: it can be read, and is nothing but text.

What a tokenizer or a chat template would take for a special token, what could pass for a line, a
number of a source or a label of the prompt, and what is invisible, is replaced by something that
looks alike. The grounder compares with the text as it was, so nothing is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.display import BRACKETED_NUMBER, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOOKALIKES = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "|": "¦", "{": "(", "}": ")"})
# What templates of open models use; those of the model at hand come from its tokenizer.
_MARKUP = re.compile(r"<[^\s<>][^<>]{0,60}>|<\||\|>|<<|>>|\[/?[A-Z_]{2,20}\]|\{\{|\}\}|\{%|%\}|`{3,}")
_LABEL = re.compile(
    r"\b(context|before|question|answer(?: in chinese)?|asked|answered|picture|sources?|system|user|assistant|human|bot)"
    r"\s*[:：]|(资料|此前的对话|提问|回答|问题|答案|系统|用户|助手)\s*[:：]",
    re.IGNORECASE,
)
_BREAK = "·"  # put into a special token that has none of the characters above


class Inert:
    """Makes text inert; `specials` are the special tokens of the model at hand."""

    def __init__(self, specials: Iterable[str] = ()) -> None:
        known = sorted({token for token in specials if token.strip()}, key=len, reverse=True)
        self._specials = re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None

    def __call__(self, text: str) -> str:
        """The text on one line. Law: no special token, no line end and no `[n]` is in it."""
        # Invisible characters first: "<im\\u200bage>" becomes a token only when they are gone.
        plain = one_line(text)
        plain = _MARKUP.sub(lambda match: _defused(match.group()), plain)
        plain = BRACKETED_NUMBER.sub(r"(\1)", plain)
        plain = _LABEL.sub(lambda match: f"{match[1] or match[2]} -", plain)
        # Last, and until none is left: what was replaced may have joined two halves.
        while self._specials is not None and self._specials.search(plain):
            plain = self._specials.sub(lambda match: _defused(match.group()), plain)
        return plain


def _defused(token: str) -> str:
    changed = token.translate(_LOOKALIKES)
    return changed if changed != token else f"{token[:1]}{_BREAK}{token[1:]}"
