"""Which text names which colour: a legend's sample left of it, the ink it is written in.

It knows colours and places of texts, no bars and no lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.marks import Colours

_MOSTLY = 0.7  # of what is drawn in a region that one colour must be
_LEAST_INK = 20  # pixels
_SIGNS = "■□●▪◆•- "  # a sample that was read as text


def by_sample(labels: Iterable[Label], colours: Colours, wanted: AbstractSet[int]) -> dict[int, str]:
    """Colours whose sample stands left of one text; {} unless each of them has just one."""
    return _named(((label, _sample(label, colours, wanted)) for label in labels), wanted)


def named_by_sample(labels: Iterable[Label], colours: Colours, wanted: AbstractSet[int]) -> set[int]:
    """Colours among those wanted whose sample stands left of some text."""
    found = (_sample(label, colours, wanted) for label in labels if _is_name(label.text))
    return {colour for colour in found if colour is not None}


def by_ink(labels: Iterable[Label], colours: Colours, wanted: AbstractSet[int]) -> dict[int, str]:
    """Colours that one text is written in; {} unless each of them has just one."""
    return _named(((label, _ink(label, colours)) for label in labels), wanted)


def _named(found: Iterable[tuple[Label, int | None]], wanted: AbstractSet[int]) -> dict[int, str]:
    texts: dict[int, list[str]] = {}
    for label, colour in found:
        if colour is not None and colour in wanted and _is_name(label.text):
            texts.setdefault(colour, []).append(label.text.lstrip(_SIGNS))
    alone = {colour: names[0] for colour, names in texts.items() if len(names) == 1}
    return alone if set(alone) == set(wanted) and len(set(alone.values())) == len(alone) else {}


def _is_name(text: str) -> bool:
    """A marker on a line is read as a sign or as one letter."""
    bare = text.strip(_SIGNS)
    return len(bare) > 1 or (len(bare) == 1 and bare.isalpha() and not bare.isascii())


def _sample(label: Label, colours: Colours, wanted: AbstractSet[int]) -> int | None:
    size = label.height
    left, right = max(0.0, label.left - 2.6 * size), label.left + 0.8 * size  # the text may hold its sample
    region = _region(colours, left, label.y - 0.45 * size, right, label.y + 0.45 * size)
    of_series = np.where(np.isin(region, list(wanted)), region, np.int8(0))
    small = _without_tall(of_series)
    return _main_colour(small if small.any() else of_series, least=max(5, int(0.4 * size)))


def _without_tall(region: NDArray[np.int8]) -> NDArray[np.int8]:
    """A region without what reaches from its top to its bottom: bars beside a legend are no samples."""
    import cv2  # noqa: PLC0415 - heavy

    _, parts = cv2.connectedComponents((region > 0).astype(np.uint8))
    tall = np.intersect1d(parts[0], parts[-1])
    return np.where(np.isin(parts, tall), np.int8(0), region)


def _ink(label: Label, colours: Colours) -> int | None:
    return _main_colour(_region(colours, label.left, label.top, label.right, label.bottom), least=_LEAST_INK)


def _region(colours: Colours, left: float, top: float, right: float, bottom: float) -> NDArray[np.int8]:
    return colours.index[max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1]


def _main_colour(region: NDArray[np.int8], *, least: int) -> int | None:
    drawn = region[region > 0]
    if len(drawn) < least:
        return None
    counts: Sequence[int] = np.bincount(drawn).tolist()
    commonest = max(range(len(counts)), key=counts.__getitem__)
    return commonest if counts[commonest] > _MOSTLY * len(drawn) else None
