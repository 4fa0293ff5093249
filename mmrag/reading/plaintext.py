"""Plain text in any usual encoding."""

from __future__ import annotations

import codecs
import contextlib

from mmrag.errors import NotReadable
from mmrag.reading.east_asian import likely_encoding
from mmrag.reading.media import SUPPORTED, TEXT
from mmrag.reading.page_builder import clean
from mmrag.types import Page, Reading

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024  # bytes: enough to tell an encoding
_MAX_CONTROL = 0.02  # more control characters than this make it no text


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Text of any usual encoding; `declared` is what the file says of itself, if it does.

    Raises NotReadable where this is not text.
    """
    text = _decode(data, declared)
    if text is None or _is_binary(text):
        raise NotReadable(f"This type of file is not read: send {SUPPORTED}.")
    return clean(text)


def read_text(text: str) -> Reading:
    """A text as one page, as it stands."""
    return Reading(media_type=TEXT, title=None, pages=(Page(number=1, text=text),))


def _decode(data: bytes, declared: str | None) -> str | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if utf32 := _utf32_without_mark(data):
        return data.decode(utf32, errors="replace")
    if utf16 := _utf16_without_mark(data[:_SAMPLE]):
        return data.decode(utf16, errors="replace")
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(data, declared)


def _utf32_without_mark(data: bytes) -> str | None:
    """UTF-32: every fourth byte is zero, and what its neighbours make are characters."""
    if len(data) < 8 or len(data) % 4:  # noqa: PLR2004 - two characters prove nothing
        return None
    sample = data[:_SAMPLE]
    if not any(sample[3::4]):
        return "utf-32-le" if max(sample[2::4]) <= 0x10 and any(sample[::2]) else None  # noqa: PLR2004 - planes
    if not any(sample[::4]):
        return "utf-32-be" if max(sample[1::4]) <= 0x10 and any(sample[1::2]) else None  # noqa: PLR2004 - planes
    return None


def _utf16_without_mark(sample: bytes) -> str | None:
    """UTF-16 of mostly Latin text: every other byte is zero."""
    if len(sample) < 4 or b"\x00" not in sample:  # noqa: PLR2004 - two characters prove nothing
        return None
    even, odd = sample[::2], sample[1::2]
    if odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.05 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and odd.count(0) < 0.05 * len(odd):
        return "utf-16-be"
    return None


def _decode_legacy(data: bytes, declared: str | None) -> str | None:
    """As declared; else East Asian before what only might be: short GB text is easily taken for Korean."""
    if declared:
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            return data.decode(declared)
    sample = data[:_SAMPLE]
    if east_asian := likely_encoding(sample):
        return data.decode(east_asian, errors="replace")
    from charset_normalizer import from_bytes  # noqa: PLC0415 - half a second to import

    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return None
    # A few accents fit many code pages equally well: then the Western one is the likeliest here.
    equal = (match for match in matches if match.chaos == best.chaos and match.coherence == best.coherence)
    western = any("cp1252" in (match.encoding, *match.could_be_from_charset) for match in equal)
    return data.decode("cp1252" if western else best.encoding, errors="replace")


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    controls = sum(character < " " and character not in "\t\n\r\x0b\x0c\x1b" for character in sample)
    return controls + sample.count("\ufffd") > _MAX_CONTROL * len(sample)
