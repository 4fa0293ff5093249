"""Text as search words, for BM25 and for comparing a question with a sentence.

English words are lower-cased and stemmed (Snowball), Chinese runs become character bigrams
(they find more than word segmentation does here, see docs/decisions.md). Identifiers such as
`ERR-4042`, `snake_case`, `camelCase`, `week8` and `v2.13.0` are kept in parts and whole, so that
each spelling of one finds the others. Accents are folded: who types `cafe` means `café`. It knows
no index and no formula.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import Stemmer

if TYPE_CHECKING:
    from collections.abc import Sequence

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"

# Soft hyphens and zero-width characters split a word that the eye sees whole; PDFs are full of them.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_HYPHENS = str.maketrans("\u2010\u2011\u2012", "---")

_LETTER = f"(?:(?![{HAN}])[^\\W_])"
_TOKEN = re.compile(
    f"""(?P<han>[{HAN}]+)
    |(?P<number>\\d{{1,3}}(?:,\\d{{3}})+(?:\\.\\d+)?(?!\\d)|\\d+\\.\\d+(?!\\d|[.\\-_/:]{_LETTER}))
    |(?P<word>{_LETTER}+(?:[-_./:@&]{_LETTER}+)*(?:\\+\\+|\\#)?)""",
    re.VERBOSE,
)
_PART = re.compile(r"[^\W_]+")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?:s\b)?(?=\w|\b)", re.IGNORECASE)
_SEPARATOR = re.compile(r"(?<!\d)[-_./:@&]|[-_./:@&](?!\d)")  # none between digits: 3-11 is not 311
_QUANTITY = re.compile(r"(\d+)([a-z]{1,4})")
_NUMBERED = re.compile(r"([a-z]{3,})(\d+)")  # not q3 or mp3: their letters alone say nothing
_VERSION = re.compile(r"v\d+(?:\.\d+)+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_HAN_CHARACTER = re.compile(f"[{HAN}]")

_LONGEST_KEPT_RUN = 24  # characters; longer ones are Chinese, or addresses that do not come again
_LONGEST_WORD = 64  # characters; a longer one is a hash or a line of base64 that nobody types

# Function words carry no topic: dropping them from questions is 4x faster at 100k chunks and
# loses nothing. Question words stay out as well: "what" matches every FAQ entry.
STOP_WORDS = frozenset(
    """a about above after again all also am an and any are arent as at be because been before being below
    between both but by can cant could couldnt did didnt do does doesnt doing dont down during each few for
    from further had hadnt has hasnt have havent having he her here hers him his how i if im in into is isnt
    it its itself ive just me more most my no nor not of off on once only or other our out over own please
    same she should shouldnt so some such tell than that thats the their them then there theres these they
    theyre this those through to too under until up very was wasnt we were werent weve what whats when where
    which while who whom whose why will with wont would wouldnt you your youre youve""".split()
)
CHINESE_STOP_CHARACTERS = frozenset("的了吗呢吧啊是在和与及或这那哪么什谁怎为有个们")

_stemmers = threading.local()  # a Stemmer is not safe to share between threads


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not hasattr(_stemmers, "english"):
        _stemmers.english = Stemmer.Stemmer("english")
    return str(_stemmers.english.stemWord(word))


def normalise(text: str) -> str:
    """Full-width forms folded (NFKC), invisible characters dropped, case folded."""
    return _visible(text).casefold()


def words(text: str) -> list[str]:
    """Search words in order of appearance, stop words included. No word contains white space."""
    return [word for run in text.split() for word in _words_of_run(run)]


def _words_of_run(run: str) -> Sequence[str]:
    """The words of what stands between two white spaces; most texts repeat the same few thousand runs."""
    return _words_of_short_run(run) if len(run) <= _LONGEST_KEPT_RUN else _read_words(run)


def _read_words(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for match in _TOKEN.finditer(_APOSTROPHE.sub("", _without_accents(_visible(text)))):
        token = match.group()
        if match.lastgroup == "han":
            found.extend(_bigrams(token))
        elif match.lastgroup == "number":
            found.append(token.replace(",", ""))
        elif token.isalpha() and (token.islower() or token.istitle()):
            found.append(_stem(token.casefold()[:_LONGEST_WORD]))
        else:
            found.extend(_identifier(token))
    return tuple(found)


_words_of_short_run = lru_cache(maxsize=65_536)(_read_words)


def letters(text: str) -> str:
    """Its letters and digits, normalised: alike where texts differ in marks, case and white space alone."""
    return "".join(character for character in normalise(text) if character.isalnum())


def content_words(text: str) -> list[str]:
    """Search words without function words; all of them where nothing else is left."""
    found = words(text)
    return [word for word in found if not _is_function_word(word)] or found


def is_han(character: str) -> bool:
    """Whether this is a Chinese character."""
    return _HAN_CHARACTER.match(character) is not None


def is_chinese(text: str) -> bool:
    """Whether a reader of this text reads Chinese: a fifth of its letters are Han."""
    letters = sum(map(str.isalpha, text))
    return letters > 0 and len(_HAN_CHARACTER.findall(text)) >= letters / 5


def _visible(text: str) -> str:
    if text.isascii():  # nothing in it has another form
        return text
    return unicodedata.normalize("NFKC", text).translate(_INVISIBLE).translate(_HYPHENS)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", bare)  # only accents are lost: Korean and kana are whole again


def _identifier(token: str) -> list[str]:
    """Parts of a compound, then the whole without separators: `ERR-4042`, `Err4042` and `err_4042` meet."""
    humps = [hump for part in _PART.findall(token) for hump in _CAMEL_HUMP.split(part)]
    parts = [_stem(hump.casefold()[:_LONGEST_WORD]) for hump in humps]
    whole = _SEPARATOR.sub("", token).casefold()
    if quantity := _QUANTITY.fullmatch(whole):  # "5kg" is found by "5 kg"
        return [quantity[1], _stem(quantity[2]), whole]
    if _VERSION.fullmatch(whole):
        return [*parts, whole, whole.removeprefix("v")]
    if numbered := _NUMBERED.fullmatch(whole):  # "week8" is found by "week 8"
        parts += [part for part in (_stem(numbered[1]), numbered[2]) if part not in parts]
    if len(whole) > _LONGEST_WORD or (whole := _stem(whole)) in parts:
        return parts
    return [*parts, whole]


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _is_function_word(word: str) -> bool:
    return word in _STOPPED or CHINESE_STOP_CHARACTERS.issuperset(word)


_STOPPED = frozenset(_stem(word) for word in STOP_WORDS) | STOP_WORDS
# What a text's search words hold of these, stemmed.
FUNCTION_WORDS = frozenset(words(" ".join(STOP_WORDS))) | CHINESE_STOP_CHARACTERS
