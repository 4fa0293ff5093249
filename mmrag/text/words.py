"""Text as search words, for BM25 and for comparing a question with a sentence.

English words are lower-cased and stemmed (Snowball), Chinese runs become character bigrams
(they find more than word segmentation does here, see docs/decisions.md), identifiers such as
`ERR-4042` or `v2.13.0` are kept whole and in parts.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import Stemmer

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
_HAN_RUN = f"[{HAN}]+"
_TOKEN = re.compile(f"{_HAN_RUN}|(?:(?![{HAN}])[^\\W_])+(?:[-_./:+#@&'’](?:(?![{HAN}])[^\\W_])+)*")
_PART = re.compile(r"[^\W_]+")

# Function words carry no topic: dropping them from questions is 4x faster at 100k chunks and
# loses nothing. Question words stay out as well: "what" matches every FAQ entry.
STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has have
    having he her here hers him his how i if in into is it its itself just me more most my no nor not of
    off on once only or other our out over own please same she should so some such tell than that the
    their them then there these they this those through to too under until up very was we were what when
    where which while who whom whose why will with would you your""".split()
)
CHINESE_STOP_CHARACTERS = frozenset("的了吗呢吧啊是在和与及或这那哪么什谁怎为有个们")

_stemmers = threading.local()  # a Stemmer is not safe to share between threads


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not hasattr(_stemmers, "english"):
        _stemmers.english = Stemmer.Stemmer("english")
    return str(_stemmers.english.stemWord(word))


def normalise(text: str) -> str:
    """Full-width forms folded (NFKC), case folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> list[str]:
    """Search words in order of appearance, stop words included."""
    found: list[str] = []
    for match in _TOKEN.finditer(normalise(text)):
        token = match.group()
        if is_han(token[0]):
            found.extend(_bigrams(token))
            continue
        parts = _PART.findall(token)
        found.extend(_stem(part) for part in parts)
        if len(parts) > 1:
            found.append(token.replace("’", "'"))
    return found


def content_words(text: str) -> list[str]:
    """Search words without function words; all of them where nothing else is left."""
    kept = [word for word in words(text) if word not in _STOPPED and not _is_function_bigram(word)]
    return kept or words(text)


def is_han(character: str) -> bool:
    """Whether this is a Chinese character."""
    return re.match(_HAN_RUN, character) is not None


def is_chinese(text: str) -> bool:
    """Whether a reader of this text reads Chinese: a fifth of its letters are Han."""
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and sum(map(is_han, letters)) >= len(letters) / 5


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _is_function_bigram(word: str) -> bool:
    return len(word) <= 2 and all(character in CHINESE_STOP_CHARACTERS for character in word)  # noqa: PLR2004


_STOPPED = frozenset(_stem(word) for word in STOP_WORDS) | STOP_WORDS
