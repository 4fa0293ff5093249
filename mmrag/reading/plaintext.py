"""Plain text in any usual encoding."""

from __future__ import annotations

import codecs
import contextlib

from mmrag.errors import NotReadable
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
    if utf16 := _utf16_without_mark(data[:_SAMPLE]):
        return data.decode(utf16, errors="replace")
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(data, declared)


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
    """As declared; else Chinese before what only might be: short GB text is easily taken for Korean."""
    if declared:
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            return data.decode(declared)
    sample = data[:_SAMPLE]
    if _is_gb18030(sample):
        return data.decode("gb18030", errors="replace")
    from charset_normalizer import from_bytes  # noqa: PLC0415 - half a second to import

    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return None
    # A few accents fit many code pages equally well: then the Western one is the likeliest here.
    equal = (match for match in matches if match.chaos == best.chaos and match.coherence == best.coherence)
    western = any("cp1252" in (match.encoding, *match.could_be_from_charset) for match in equal)
    return data.decode("cp1252" if western else best.encoding, errors="replace")


def _is_gb18030(sample: bytes) -> bool:
    """Whether most two-byte characters are GB 2312's common Han (rows 16 to 55) or its marks (1 to 3)."""
    common = pairs = position = 0
    while position + 1 < len(sample):
        first, second = sample[position], sample[position + 1]
        if first < 0x81:  # noqa: PLR2004 - ASCII, and 0x80, which GB 18030 does not use
            position += 1
            continue
        pairs += 1
        common += (0xB0 <= first <= 0xD7 or 0xA1 <= first <= 0xA3) and second >= 0xA1  # noqa: PLR2004 - rows
        position += 2
    return pairs > 1 and common >= 0.8 * pairs


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    controls = sum(character < " " and character not in "\t\n\r\x0b\x0c\x1b" for character in sample)
    return controls + sample.count("\ufffd") > _MAX_CONTROL * len(sample)
