"""A follow-up as a query that can be searched without its thread. It knows no index."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Turn

# Words that point back into the thread, and openings that go on from what was said.
_POINTS_BACK = re.compile(
    r"""\b(?:it|its|they|them|their|theirs|this|that|these|those|he|she|his|her|him|ones?|there|same|such
        |an?other|others|also|too|else|instead|more|so|then|both|n?either|former|latter|above|previous)\b
    |^\W*(?:and|but|or|what\ about|how\ about|why|really|ok|okay|yes|no)\b
    |[它他她这那其]|呢[？?]?\s*$|^\W*(?:那么|还有|另外|为什么)|上述|上面|前者|后者
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FEWEST_TOPIC_WORDS = 4  # a question with fewer names its topic only together with the one before


def self_contained(question: str, history: Sequence[Turn]) -> str:
    """The question as it is, or twice and the user's turn before it where it leans on that.

    The question is repeated because both halves of the search weigh what is said twice: the
    turn before gives the topic, the question decides. To add it always would find a little more
    in follow-ups, and lose far more where somebody changes the subject.
    """
    before = next((turn.text for turn in reversed(history) if turn.role == "user"), None)
    if before is None or not leans_on_context(question):
        return question
    return f"{question}\n{question}\n{before}"


def leans_on_context(question: str) -> bool:
    """Whether it only makes sense with what it goes with: its thread, a picture."""
    if _POINTS_BACK.search(question):
        return True
    return len(set(content_words(question))) < _FEWEST_TOPIC_WORDS
