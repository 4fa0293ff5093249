"""The text of DrawingML: of shapes on slides, of diagrams, of titles of charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.reading.math_text import linear
from mmrag.reading.ooxml import DRAWING, MATH

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def drawing_text(paragraph: Element) -> str:
    """One paragraph's runs, its line breaks as such, its equations as a line."""
    parts: list[str] = []
    waiting = [paragraph]
    while waiting:
        node = waiting.pop()
        if node.tag == f"{DRAWING}t":
            parts.append(node.text or "")
        elif node.tag == f"{DRAWING}br":
            parts.append("\n")
        elif node.tag == f"{MATH}oMath":
            parts.append(f" {linear(node)} ")
        else:
            waiting.extend(reversed(list(node)))
    return "".join(parts)


def drawing_paragraphs(element: Element) -> list[str]:
    """The paragraphs anywhere below an element that hold text."""
    texts = map(drawing_text, element.iter(f"{DRAWING}p"))
    return [text for text in texts if text.strip()]
