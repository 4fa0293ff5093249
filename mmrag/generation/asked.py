"""What a question asks for: its topic, the names it must not miss, and the kind of its answer.

It knows no evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmrag.text.names import name_words
from mmrag.text.words import CHINESE_STOP_CHARACTERS, STOP_WORDS, is_chinese, is_han, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Prompt, Turn

Kind = Literal["number", "date", "person", "reason", "steps"]

# Words of asking, not of the topic: they stand in questions and not in answers.
_FRAME_WORDS = frozenset(
    word
    for frame in """about according actually answer anyone ask asked attached bit briefly can chart describe detail
    details diagram exactly example explain fact figure find get give given go got graph happen happened help hi
    hello hey image information kind know known let like list look lot made main make many may mean means
    mention mentioned might more much must name number ok okay picture please possible
    question read regarding right say says screenshot see shall should show shown shows sort specific summarize
    summary table talk tell thank thanks thing things think time typical understand us want way
    well yes there someone something somebody let's myself yourself sorry btw guess hear heard told meant saw big
    huge extra still since away anyway anyhow clarify insight concrete option become becomes recommend suggest
    suggestion provide offer issue problem cause relate related ensure avoid appear seem different various certain
    necessary important importance expect suppose supposed despite whereas maybe perhaps besides somewhere anything
    everything else instead really actually usually generally currently better best good great nice opinion idea
    regard concern concerned discuss purpose role able available apply start begin keep try come put set bring
    take took away around without within upon per via etc""".split()
    for word in words(frame)
)
_FUNCTION_WORDS = frozenset(words(" ".join(STOP_WORDS))) | CHINESE_STOP_CHARACTERS
# The words of asking in Chinese, longest first; taken out before the rest becomes bigrams.
_CHINESE_FRAME = re.compile(
    "什么时候|什么时间|什么地方|什么样|多长时间|请问一下|告诉我|是什么|为什么|怎么样|怎么办|有没有|是不是|能不能|可不可以"
    "|哪一年|哪一个|多少|几个|几天|几年|几月|几号|什么|怎么|如何|哪些|哪个|哪里|哪年|哪位|哪种|哪家|哪|谁的|谁|是否|可以"
    "|请问|为何|何时|何地|何种|多久|多大|多高|多长|多远|我们|你们|他们|需要|应该|一下|图中|图表|表中|这个|那个|这张|那么|请"
    "|[吗呢吧啊呀么的了是在有为我你您他她它被把将几其该此这那和与及或]"
)
_CONTRACTIONS = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m))\b", re.IGNORECASE)

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("date", re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|time)\b|什么时候|何时|哪一?年|几月|几号|哪一?天|什么时间")),
    ("number", re.compile(r"\bhow (?:many|much|long|old|often|far|tall|big|large|high)\b|\bwhat (?:percentage|percent|share|number|amount)\b"
                          r"|多少|几(?![乎何])|多久|多长|多大|多高|多远")),
    ("person", re.compile(r"\bwho(?:m|se)?\b|谁|哪位")),
    ("reason", re.compile(r"\bwhy\b|为什么|为何|原因")),
    ("steps", re.compile(r"\bhow (?:do|does|can|could|should|would|to|is|are)\b|怎么|如何|怎样")),
)  # fmt: skip
_BACKWARD = re.compile(
    r"^(?:and|but|so|also|then|or|what about|how about|why|why not|what else|ok|okay)\b"
    r"|\b(?:it|its|they|them|their|this|that|these|those|he|she|him|her|his|there|one|same|former|latter)\b"
    r"|^(?:那|那么|还有|然后|所以|为什么)|[它他她]|这个|那个|这些|那些|呢[？?]?$"
)
_SHORT = 2  # topic words; a question with no more leans on what was asked before


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, taken apart.

    `topic` are the search words that evidence should share; `background` those of the
    person's previous question, where this one follows up on it. `names` are search words of
    names, codes and numbers in the question: evidence without them is about something else.
    """

    text: str
    chinese: bool
    topic: frozenset[str]
    background: frozenset[str]
    names: frozenset[str]
    kind: Kind | None


def understand(prompt: Prompt) -> Asked:
    """Take the prompt's question apart, in the light of its history."""
    text = prompt.question.strip()
    topic = topic_words(text)
    return Asked(
        text=text,
        chinese=is_chinese(text),
        topic=topic,
        background=_background(text, topic, prompt.history),
        names=name_words(text) & topic,
        kind=kind_of(text),
    )


def kind_of(question: str) -> Kind | None:
    """The kind of answer that a question asks for, if it says so."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question.casefold())), None)


def topic_words(question: str) -> frozenset[str]:
    """Search words of a question without the words of asking; empty if nothing else is left."""
    bare = _CHINESE_FRAME.sub(" ", _CONTRACTIONS.sub(" ", question))
    found = frozenset(words(bare)) - _FRAME_WORDS - _FUNCTION_WORDS
    # What the words of asking leave of a Chinese word is no word, unless it is all there is.
    return frozenset(word for word in found if not _is_lone_han(word)) or found


def _is_lone_han(word: str) -> bool:
    return len(word) == 1 and is_han(word)


def follows_up(question: str) -> bool:
    """Whether a question can't be understood without what was said before it."""
    return len(topic_words(question)) <= _SHORT or _BACKWARD.search(question.casefold()) is not None


def _background(text: str, topic: frozenset[str], history: Sequence[Turn]) -> frozenset[str]:
    previous = [turn.text for turn in history if turn.role == "user"]
    if not previous or not follows_up(text):
        return frozenset()
    return topic_words(previous[-1]) - topic
