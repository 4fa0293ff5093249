"""What a question asks for: its topic, the names it must not miss, and the kind of its answer.

It knows no evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmrag.text.names import name_words, names
from mmrag.text.words import FUNCTION_WORDS, HAN, is_chinese, is_han, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Hit, Prompt

Kind = Literal["number", "date", "person", "meaning", "reason", "steps"]

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
# The words of asking in Chinese, longest first; taken out before the rest becomes bigrams.
_CHINESE_FRAME = re.compile(
    "几[天日周月年个]+(?:之|以)?内|什么时候|什么时间|什么地方|什么样|多长时间|请问一下|告诉我|是什么|为什么|怎么样|怎么办|有没有|是不是|能不能|可不可以"
    "|哪一年|哪一个|多少|几个|几天|几年|几月|几号|什么|怎么|如何|哪些|哪个|哪里|哪年|哪位|哪种|哪家|哪|谁的|谁|是否|可以"
    "|请问|为何|何时|何地|何种|多久|多大|多高|多长|多远|我们|你们|他们|需要|应该|一下|图中|图表|表中|这个|那个|这张|那么|天内|之内|以内|之前|才能|请"
    "|[吗呢吧啊呀么的了要能是在有为我你您他她它被把将几其该此这那和与及或]"
)

_VERB = "(?:is|are|am|was|were|do|does|did|has|have|had|will|would|can|could|shall|should|must|may|might)"
# "When" asks for a date where a verb follows; "what happens when there is no pressure" does not.
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("date", re.compile(rf"^(?:(?:and|but|so|ok),? )?when\b(?! (?:i|you|he|she|it|we|they|the|an?|my|your|our)\b)|\bwhen {_VERB}\b"
                        r"|\b(?:know|tell me|remember|sure|wonder(?:ing)?|find out) when\b"
                        r"|\b(?:what|which) (?:year|date|day|month|time)\b|什么时候|何时|哪一?年|几月|几号|哪一?天|什么时间")),
    ("number", re.compile(r"\bhow (?:many|much|long|old|often|far|tall|big|large|high)\b|\bwhat (?:percentage|percent|share|number|amount)\b"
                          r"|多少|几(?![乎何])|多久|多长|多大|多高|多远")),
    ("person", re.compile(r"\bwho(?:m|se)?\b|谁|哪位")),
    ("meaning", re.compile(r"\bwhat (?:does|do|did)\b.*\bmean\b|\bmeaning of\b|什么意思|含义")),
    ("reason", re.compile(r"\bwhy\b|为什么|为何|原因")),
    ("steps", re.compile(r"\bhow (?:do|does|can|could|should|would|to|is|are)\b|怎么|如何|怎样")),
)  # fmt: skip
# What has to be worked out: only a sentence that states such a thing itself answers it.
_DERIVED = (
    re.compile(
        r"\b(?:chang|increas|decreas|grow|grew|declin|rise|rose|fall|fell|drop|improv)|增长|增加|减少|下降|上升|变化"
    ),
    re.compile(r"\baverage\b|\bmean of\b|平均"),
    re.compile(r"\bratios?\b|比率|比例"),
    re.compile(r"\bdifferences? (?:between|in)\b|相差|差额|之差"),
    re.compile(r"\bsum of\b|总和"),
)
_BACKWARD = re.compile(
    r"^(?:and|but|so|also|then|or|what about|how about|why|why not|what else|ok|okay)\b"
    r"|\b(?:it|its|they|them|their|this|that|these|those|he|she|him|her|his|there|one|same|former|latter)\b"
    r"|^(?:那|那么|还有|然后|所以|为什么)|[它他她]|这个|那个|这些|那些|呢[？?]?$"
)
_POINTING = re.compile(
    r"\b(?:this|these|picture|image|photo|screenshot|chart|here|attached)\b|图|截图|照片|这"
)
_CODE = re.compile(r"[A-Za-z]{2,}-?\d{2,}")  # ERR-4042, LF220
_AND_ASKS = re.compile(
    r"(?<=[?？])\s*|[,，;；]?\s+and\s+(?=(?:(?:at|above|below|in|by|from|to|on|for|of|within|after|until)\s+)?"
    r"(?:what|which|how|when|who|whose|where|why)\b)|[，,；;](?=[^，,；;]*(?:多少|什么|哪|谁|几|如何|怎么|吗)[^，,]*$)",
    re.IGNORECASE,
)
# What a question goes on with if it lets choose: "Which one floats? Iron or wood?"
_CHOICES = re.compile(
    rf"(?!.*\b(?:what|which|how|when|who|whose|where|why)\b|{_VERB}\b)(?:[^\s?]+\s+){{1,6}}or\s[^?]+\?",
    re.IGNORECASE,
)
_CHINESE_ASKS = re.compile("[?？吗呢]|什么|哪|谁|几|多[少久长大高远]|如何|怎|何|是否|请|告诉|介绍|列出")
_ASKS = re.compile(
    r"[?？]\s*$|\b(?:what|which|how|when|who|whose|where|why|tell|show|list|give|explain|describe|compare|summari[sz]e)\b"
    rf"|[{HAN}]",
    re.IGNORECASE,
)
# How an answer is to be written is no part of what is asked: "Answer in one word. For example: [3]".
_ORDER = re.compile(
    r"(?<=[.?!？。])\s*(?:(?:please|directly|and)\s+)*(?:write|answer|give|round|save|represent|format|express|return"
    r"|output|provide)\b[^?？]*?\b(?:answer|format|formatted|decimals?|integer|list|percentage|json|string|yes"
    r"|sentences?|words?|number)\b[^?？]*$|(?<=[.?!？。])\s*(?:for example|e\.g\.)[,:]?\s*[\[\"'‘“][^?？]*$",
    re.IGNORECASE,
)
_MAY = re.compile(r"(?<!^)\bMay\b")  # the month, which a stop word hides
_COUNTED = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
_PAGE = re.compile(
    rf"\bpages? (?:no\.? ?)?(\d{{1,4}}|{'|'.join(_COUNTED)})\b|第\s*(\d{{1,4}})\s*页", re.IGNORECASE
)
_MOST_PARTS = 3
_SHORT = 2  # topic words; a question with no more leans on what was asked before


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a question asks, taken apart. `context` is its text with what it leans on.

    `topic` are the search words that evidence should share; `background` those of
    what was asked before, where this one follows up on it. `names` are search words of
    names, codes and numbers in the question: evidence without them is about something else.
    """

    text: str
    context: str
    chinese: bool
    topic: frozenset[str]
    background: frozenset[str]
    names: frozenset[str]
    kind: Kind | None


def understand(prompt: Prompt) -> tuple[Asked, ...]:
    """Take the prompt's question apart: one `Asked` for each thing it asks, in order.

    A part that leans on what was said before takes its background from the part before it,
    or from the person's previous question; one that points at a picture, from the codes in it.
    """
    previous = [turn.text for turn in prompt.history if turn.role == "user"][-1:]
    parts: list[Asked] = []
    for text in _parts(prompt.question):
        topic = topic_words(without_pages(text)) or topic_words(text)
        background: frozenset[str] = frozenset()
        if previous and follows_up(text):
            background = topic_words(previous[0])
        if _POINTING.search(text.casefold()):
            background |= _codes_in_attachments(prompt.hits)
        parts.append(
            Asked(
                text=text,
                context="\n".join([*previous, text]) if background else text,
                chinese=is_chinese(prompt.question),
                topic=topic,
                background=background - topic,
                names=name_words(text) & topic,
                kind=kind_of(text),
            )
        )
        previous = [text]
    return tuple(parts)


def _parts(question: str) -> list[str]:
    """What is asked together, one by one: "How many were sold, and which is the target?"."""
    parts: list[str] = []
    asked = _ORDER.sub("", _ORDER.sub("", question)).strip()
    for part in _AND_ASKS.split(asked, maxsplit=_MOST_PARTS - 1):
        if parts and _CHOICES.fullmatch(part.strip()):
            parts[-1] += f" {part.strip()}"
        elif parts and is_chinese(parts[-1]) and not _CHINESE_ASKS.search(parts[-1]):
            parts[-1] += f"，{part.strip()}"  # what comes before the comma says of what it is asked
        else:
            parts.append(part.strip())
    return [part for part in parts if topic_words(part) and (len(parts) == 1 or _ASKS.search(part))]


def pages_of(question: str) -> frozenset[int]:
    """The numbers of the pages that a question asks about."""
    return frozenset(_page_number(*match.groups()) for match in _PAGE.finditer(question))


def without_pages(question: str) -> str:
    """A question without the pages that it asks about: passages do not say on which page they stand."""
    return _PAGE.sub(" ; ", question)


def _page_number(digits: str | None, chinese: str | None) -> int:
    number = digits or chinese or "0"
    return int(number) if number.isdigit() else _COUNTED.index(number.casefold()) + 1


def _codes_in_attachments(hits: Sequence[Hit]) -> frozenset[str]:
    texts = [hit.chunk.text for hit in hits if hit.origin == "attachment"]
    codes = {code for text in texts for code in names(text) if _CODE.fullmatch(code)}
    return frozenset(word for code in codes for word in words(code)[-1:])


def kind_of(question: str) -> Kind | None:
    """The kind of answer that a question asks for, if it says so."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question.casefold())), None)


def topic_words(question: str) -> frozenset[str]:
    """Search words of a question without the words of asking; empty if nothing else is left."""
    bare = _CHINESE_FRAME.sub(" ", question)
    found = frozenset(words(bare)) - _FRAME_WORDS - FUNCTION_WORDS
    if _MAY.search(question):
        found |= {"may"}
    # What the words of asking leave of a Chinese word is no word, unless it is all there is.
    return frozenset(word for word in found if not _is_lone_han(word)) or found


def _is_lone_han(word: str) -> bool:
    return len(word) == 1 and is_han(word)


def follows_up(question: str) -> bool:
    """Whether a question can't be understood without what was said before it."""
    return len(topic_words(question)) <= _SHORT or _BACKWARD.search(question.casefold()) is not None


def states_what_is_derived(question: str, sentence: str) -> bool:
    """Whether a sentence itself speaks of the change, average, ratio, ... that a question asks for."""
    return all(
        pattern.search(sentence.casefold()) for pattern in _DERIVED if pattern.search(question.casefold())
    )
