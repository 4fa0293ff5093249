"""Corrections that people gave: one answers the question it corrects, and no merely related one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.generation.asked import follows_up, kind_of, topic_words
from mmrag.generation.passages import tidy
from mmrag.text.names import name_words
from mmrag.text.sentences import sentence_spans
from mmrag.text.words import letters, words
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from mmrag.ports import Embedder
    from mmrag.types import Hit, Prompt

# Paraphrases of one question reach it with MiniLM, and so do questions that differ in a word
# that matters; hence the shared words and names beside it.
_SAME_MEANING = 0.9
_SAME_WORDS = 0.6
_NEGATIONS = frozenset(words("not no never without don't can't cannot isn't won't 不 没 无"))


def corrected(prompt: Prompt, embedder: Embedder) -> tuple[Claim, ...]:
    """The first correction of just this question, sentence by sentence; empty where there is none."""
    for number, hit in enumerate(prompt.hits):
        if hit.chunk.kind == "correction" and _corrects(hit, prompt, embedder):
            spans = sentence_spans(hit.chunk.text)
            return tuple(
                Claim(tidy(hit.chunk.text[start:end]), (Quote(number, start, end),)) for start, end in spans
            )
    return ()


def _corrects(hit: Hit, prompt: Prompt, embedder: Embedder) -> bool:
    """Whether the correction was given to this question, asked in the same thread or self-contained."""
    corrected_question = hit.chunk.context.strip()
    asked = [prompt.standalone]
    if not follows_up(prompt.question):
        asked.append(prompt.question)
    corrected_lines = [corrected_question, *corrected_question.splitlines()[-1:]]
    if follows_up(corrected_lines[-1]):
        corrected_lines.pop()
    return any(_same(one, other, embedder) for one in asked for other in corrected_lines)


def _same(one: str, other: str, embedder: Embedder) -> bool:
    if letters(one) == letters(other):
        return True
    ours, theirs = topic_words(one), topic_words(other)
    if (
        not ours
        or _names_in_order(one, other) != _names_in_order(other, one)
        or kind_of(one) != kind_of(other)
        or _negations(one) != _negations(other)
    ):
        return False
    if ours == theirs:
        return True
    if len(ours & theirs) < _SAME_WORDS * len(ours | theirs):
        return False
    if not (embedder.understands(one) and embedder.understands(other)):
        return False
    vectors = embedder.embed_queries([one, other])  # (2, dimension)
    return float(vectors[0] @ vectors[1]) >= _SAME_MEANING


def _names_in_order(text: str, other: str) -> list[str]:
    """The words of a text that are names in it or in the other: "paris", "rome" in either spelling."""
    named = name_words(text) | name_words(other)
    return [word for word in words(text) if word in named]


def _negations(text: str) -> int:
    return sum(word in _NEGATIONS for word in words(text))
