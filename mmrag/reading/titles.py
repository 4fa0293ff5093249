"""What a document's properties call it, unless a program wrote that."""

from __future__ import annotations

from mmrag.reading.page_builder import one_line

_MAX_TITLE = 200  # characters
_MADE = (
    "microsoft ",
    "untitled",
    "(anonymous)",
    "unspecified",
    "document",
    "powerpoint ",
    "presentation",
    "word ",
)
_ENDINGS = (".pdf", ".doc", ".docx", ".ppt", ".pptx", ".xls", ".xlsx", ".tex", ".indd")


def sensible_title(title: str) -> str | None:
    """The title, unless it is a number, a file's name or a program's own."""
    title = one_line(title)
    lowered = title.casefold()
    has_words = sum(map(str.isalpha, title)) > 1
    is_made = lowered.startswith(_MADE) or lowered.endswith(_ENDINGS)
    return title[:_MAX_TITLE] if has_words and not is_made else None
