"""Which East Asian encoding bytes are in, by the characters that they would be.

Each candidate that decodes is judged by how many of its characters are common ones of its language:
kana and the first level of JIS X 0208, the first levels of GB 2312 and Big5, Hangul. Bytes of one
encoding read as another give rare characters, half-width kana and Hangul by accident.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JAPANESE = ("cp932", "euc_jp")
_NO_KANA = 0.8  # times as likely is Japanese without any kana
_DOUBT = 0.9  # times as likely is Chinese with a space after each word
_FEWEST_SPACES = 3
_LONGEST_WORD = 6  # characters of two bytes, on average
_WORD = re.compile(rb"(?:[\x81-\xfe][\x81-\xfe])+")
_SPACE = re.compile(rb"(?<=[\x81-\xfe]) (?=[\x81-\xfe])")
_FEWEST = 2  # characters beyond ASCII
_SURE = 0.75  # of them common in the language of the encoding
# In order of preference where two fit alike: Chinese is the project's second language.
_ENCODINGS = ("gb18030", "big5", "cp932", "euc_jp", "euc_kr")


def likely_encoding(sample: bytes) -> str | None:
    """The likeliest of the encodings, None where the bytes fit none of them well."""
    scores = {encoding: _score(sample, encoding) for encoding in _ENCODINGS}
    if _has_words(sample):  # Hangul and common Chinese take the same bytes; only one parts its words
        scores["gb18030"] *= _DOUBT
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] >= _SURE else None


def _has_words(sample: bytes) -> bool:
    """Whether spaces stand between runs of two-byte characters, again and again."""
    words = _WORD.findall(sample)
    return len(_SPACE.findall(sample)) >= _FEWEST_SPACES and sum(map(len, words)) <= 2 * _LONGEST_WORD * len(
        words
    )


def _score(sample: bytes, encoding: str) -> float:
    """The share of common characters among those beyond ASCII, counted by the bytes they took."""
    text = _decoded(sample, encoding)
    if text is None:
        return 0.0
    foreign = [character for character in text if ord(character) > 0x7F]  # noqa: PLR2004 - ASCII
    if len(foreign) < _FEWEST:
        return 0.0
    common = _common(encoding)
    share = sum(character in common for character in foreign) / len(foreign)
    is_doubtful = encoding in _JAPANESE and not any(
        "\u3041" <= character <= "\u30ff" for character in foreign
    )
    return _NO_KANA * share if is_doubtful else share


def _decoded(sample: bytes, encoding: str) -> str | None:
    for cut in range(4):  # the sample may end within a character
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


@cache
def _common(encoding: str) -> frozenset[str]:
    kana = {chr(code) for code in range(0x3041, 0x30FF)}
    marks = set("　、。，．・：；？！「」『』（）【】《》〈〉“”‘’—…～％＋－＝０１２３４５６７８９")
    match encoding:
        case "gb18030":  # rows 16 to 55 of GB 2312
            return frozenset({*marks, *_rows("gb2312", range(0xB0, 0xD8), [range(0xA1, 0xFF)])})
        case "big5":
            trails = [range(0x40, 0x7F), range(0xA1, 0xFF)]
            return frozenset({*marks, *_rows("big5", range(0xA4, 0xC7), trails)})
        case "euc_kr":
            return frozenset({*marks, *_rows("euc_kr", range(0xB0, 0xC9), [range(0xA1, 0xFF)])})
        case _:  # rows 16 to 47 of JIS X 0208
            return frozenset({*marks, *kana, *_rows("euc_jp", range(0xB0, 0xD0), [range(0xA1, 0xFF)])})


def _rows(encoding: str, leads: range, trails: list[range]) -> Iterator[str]:
    """The characters of these rows of a double-byte set."""
    for lead in leads:
        for trail in (code for run in trails for code in run):
            yield bytes((lead, trail)).decode(encoding, errors="ignore")
