"""What of a passage may support an answer: not what a model said about a picture.

A caption helps to find a picture. It is no source: who made it up saw nothing that others could check.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.text.chart_text import CAPTION, LEGEND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmrag.types import Hit

_NO_EVIDENCE = re.compile(rf"^(?:{re.escape(CAPTION)}.*|{re.escape(LEGEND)})$", re.MULTILINE)


def evidence(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """The hits with captions of models blanked out.

    Law: every text keeps its length, so that spans in it are spans in what was found.
    """
    return tuple(_without_captions(hit) for hit in hits)


def _without_captions(hit: Hit) -> Hit:
    text = hit.chunk.text
    if hit.chunk.kind != "figure" or not (CAPTION in text or LEGEND in text):
        return hit
    blanked = _NO_EVIDENCE.sub(lambda match: " " * len(match.group()), text)
    return replace(hit, chunk=replace(hit.chunk, text=blanked))
