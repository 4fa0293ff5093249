"""Pictures embedded in a PDF's page, as they are seen: upright, with their masks, parts put together.

It decides which of them are worth reading, not what they show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrag.reading.pdf_drawings import clipped, crop_to
from mmrag.reading.pdf_text import as_seen
from mmrag.reading.pdfium import pdfium, to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import Image

    from mmrag.reading.pdf_text import Box

_MIN_SIDE = 40  # pixels: smaller pictures are icons, bullets and rules
_MIN_SHARE = 0.005  # of the page's area
_MAX_LISTED = 1_000  # pictures of one page that are looked at
_TOUCH = 3.0  # points: parts of one picture are at most this far apart
_UPRIGHT = 0.01  # of a picture's matrix that may be rotation
_PROBE_SIDE = 64  # pixels: at this size a picture is asked whether it is opaque
_OPAQUE = 255
_PART_SCALE = 3.0  # pixels for each point of a picture in parts, at most
_PART_SIDE = 2000  # pixels
_DAMAGED = "A picture in this PDF is damaged and was left out."
_TOO_LARGE = "A picture in this PDF is larger than the limit and was left out."


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is still to be read, and where it stands on its page (as seen)."""

    image: Image.Image
    box: Box


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A picture object and its box as PDF gives it: left, bottom, right, top."""

    object: Any  # pypdfium2 ships no types
    bounds: Box
    pixels: tuple[int, int]


def covered_share(page: Any) -> float:  # noqa: ANN401 - pypdfium2 ships no types
    """The share of a page's area that pictures cover, overlaps counted twice."""
    width, height = page.get_size()
    area = sum(_area(embedded.bounds) for embedded in _embedded(page, warn=lambda _: None))
    return area / (width * height) if width * height else 0.0


def pictures_of(page: Any, *, max_pixels: int, warn: Callable[[str], None]) -> Iterator[Picture]:  # noqa: ANN401 - as above
    """Pictures in the order they were drawn; those that touch each other are one."""
    width, height = page.get_size()
    rotation = page.get_rotation()
    for group in _groups([one for one in _embedded(page, warn=warn) if min(one.pixels) > 1], rotation):
        bounds = _around([one.bounds for one in group])
        if _area(bounds) < _MIN_SHARE * width * height:
            continue
        seen = as_seen(bounds, rotation)
        try:
            if len(group) > 1:
                yield Picture(_rendered(page, seen), seen)
            elif min(group[0].pixels) < _MIN_SIDE:
                continue
            elif group[0].pixels[0] * group[0].pixels[1] > max_pixels:
                warn(_TOO_LARGE)
            else:
                yield Picture(_bitmap(group[0].object, rotation), seen)
        except pdfium().PdfiumError:
            warn(_DAMAGED)


def _embedded(page: Any, *, warn: Callable[[str], None]) -> list[_Embedded]:  # noqa: ANN401 - as above
    found = []
    for count, embedded in enumerate(
        page.get_objects(filter=[pdfium().raw.FPDF_PAGEOBJ_IMAGE], max_depth=4), start=1
    ):
        if count > _MAX_LISTED:
            warn(f"Of a page's pictures only the first {_MAX_LISTED:,} were looked at.")
            break
        try:
            found.append(_Embedded(embedded, embedded.get_bounds(), embedded.get_px_size()))
        except pdfium().PdfiumError:
            warn(_DAMAGED)
    return found


def _groups(embedded: Sequence[_Embedded], rotation: int) -> list[list[_Embedded]]:
    """Each picture by itself; strips and tiles of one, which share a whole edge, together.

    A turned page's are left apart: parts are put together by rendering, which is for upright pages.
    """
    groups: list[list[_Embedded]] = []
    for one in embedded:
        touching = [
            group for group in groups if not rotation and any(_continues(one, other) for other in group)
        ]
        groups = [group for group in groups if group not in touching]
        groups.append([*(member for group in touching for member in group), one])
    return groups


def _continues(a: _Embedded, b: _Embedded) -> bool:
    """Whether two pictures share a whole edge."""
    (a_left, a_bottom, a_right, a_top), (b_left, b_bottom, b_right, b_top) = a.bounds, b.bounds
    one_column = abs(a_left - b_left) < _TOUCH and abs(a_right - b_right) < _TOUCH
    one_row = abs(a_bottom - b_bottom) < _TOUCH and abs(a_top - b_top) < _TOUCH
    stacked = one_column and min(abs(a_bottom - b_top), abs(b_bottom - a_top)) < _TOUCH
    return stacked or (one_row and min(abs(a_left - b_right), abs(b_left - a_right)) < _TOUCH)


def _bitmap(embedded: Any, rotation: int) -> Image.Image:  # noqa: ANN401 - as above
    """The picture's own pixels; rendered where a mask or a matrix changes how they are seen."""
    a, b, c, d, *_ = embedded.get_matrix().get()
    is_upright = a > 0 and d > 0 and max(abs(b), abs(c)) < _UPRIGHT * max(a, d)
    if is_upright and not _is_masked(embedded):
        image = to_rgb(embedded.get_bitmap(render=False))
    else:
        image = to_rgb(embedded.get_bitmap(render=True, scale_to_original=True))
    return image.rotate(-rotation, expand=True) if rotation else image


def _is_masked(embedded: Any) -> bool:  # noqa: ANN401 - as above
    """Whether anything of a picture is transparent: PDFium's own answer leaves masks out."""
    matrix = embedded.get_matrix()
    width, height = (min(side, _PROBE_SIDE) for side in embedded.get_px_size())
    embedded.set_matrix(pdfium().PdfMatrix(a=width, d=height))
    try:
        probe = embedded.get_bitmap(render=True, scale_to_original=False)
    finally:
        embedded.set_matrix(matrix)
    try:
        return bool(probe.to_pil().getchannel("A").getextrema()[0] < _OPAQUE)
    finally:
        probe.close()


def _rendered(page: Any, seen: Box) -> Image.Image:  # noqa: ANN401 - as above
    area = clipped(seen, page)
    longest = max(area[2] - area[0], area[3] - area[1], 1.0)
    return to_rgb(page.render(scale=min(_PART_SCALE, _PART_SIDE / longest), crop=crop_to(area, page)))


def _area(bounds: Box) -> float:
    return max(0.0, bounds[2] - bounds[0]) * max(0.0, bounds[3] - bounds[1])


def _around(boxes: Sequence[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)
