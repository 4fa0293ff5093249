"""The words of attached pictures as a part of the query. It knows no index but by how rare words are.

What a chart says (its title, its labels, its data) names the topic that "how many came in in
August?" leaves out. It must not drown the question either: a screenshot holds hundreds of words
that nobody asked about.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mmrag.retrieval.query import leans_on_context
from mmrag.text.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Chosen on charts of public reports with a question and their OCR: the paragraph about the chart
# is found as well as with greater weights or more words, and a chart that has nothing to do with
# the question costs next to nothing.
WEIGHT = 0.2  # of a picture's word; a word of the question weighs 1 each time it is said
MOST_WORDS = 32  # of all pictures, the rarest first
_TITLE_CHARS = 120


def weighted_words(
    question_words: Sequence[str],
    pictures: Sequence[str],
    *,
    rarest: Callable[[Iterable[str], int], Sequence[str]],
) -> dict[str, float]:
    """The weight of each word of the query.

    `rarest` gives the so many rarest of some words, without those that no chunk holds: stop words
    never get there where there is more to say, and misread letters never at all.
    """
    weights: dict[str, float] = dict(Counter(question_words))
    if pictures:
        for word in rarest(dict.fromkeys(words("\n".join(pictures))), MOST_WORDS):
            weights[word] = weights.get(word, 0) + WEIGHT
    return weights


def with_titles(question: str, pictures: Sequence[str]) -> str:
    """The question for the embedder: with the pictures' titles where it leans on what it is shown with.

    Otherwise as it is: a vector mixes all it is given, and a title pulls it from what was asked.
    """
    if not leans_on_context(question):
        return question
    titles = [picture.strip().partition("\n")[0][:_TITLE_CHARS] for picture in pictures]
    return "\n".join([question, *filter(None, titles)])
