"""Text in pictures: PP-OCR through rapidocr's detector and recogniser, tuned for charts.

Differences from rapidocr as it comes, each measured on charts: no 180-degree classifier (it turns
`80%` into `%08`) but tall crops tried in several orientations; worker threads do not spin (a third
less CPU); long and large pictures are read in tiles where shrinking them would make their text too
small, and small text is enlarged. It knows pixels and lines of text, nothing of charts, tables or pages.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from dataclasses import dataclass, replace
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import numpy as np

from mmrag.reading.passed_over import Box, extended, in_rows, ink_of, passed_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
    Quad = NDArray[np.float32]  # (4, 2), x and y from the text's own top left, clockwise

_MAX_SIDE = 2000  # pixels: rapidocr's own limit; beyond it the detector costs more and finds less
_MAX_PIXELS = 3_000_000  # of a small picture; see `_detectable`
_DETECTOR_BYTES = 250  # that the detector takes for each pixel
_PICTURE_BYTES = 11  # that are held of each pixel of the whole picture meanwhile
_MAX_ASPECT = 2  # a longer strip is padded
_MIN_SIDE = 32  # pixels: the detector works on multiples of 32
_MIN_SCORE = 0.5  # rapidocr's own `text_score`: below it texture is read as text
_TILE = 1600  # pixels: what is longer is read in tiles of at most this side
_TILE_SEARCH = 400  # pixels back from a tile's end: there the emptiest row or column to cut at is looked for
_TILE_OVERLAP = 96  # pixels that neighbours share: text that a cut goes through is whole in one of them
_SHRUNK_TEXT = 14.0  # pixels: text that is smaller after shrinking is read again in tiles, unshrunk
_SMALL_TEXT = 12.0  # pixels: text of this size is enlarged for a second try
_ENLARGED_SIDE = 1200  # pixels: the shorter side of a picture that is enlarged
_MOST_ENLARGED = 3.0
_TALL = 1.5  # a crop this much taller than wide holds rotated text, or a single character
_MAYBE_UPRIGHT = 2.6  # up to this ratio a tall crop may still be one or two upright characters
_COVERED = 0.3  # of a line's area that another one shares: both are one
_ONE_HEIGHT = 0.5  # of the lower line's height that two readings of one line share
_ONE_PLACE = 0.7  # of the shorter line's width that two readings share, where each saw all of a line
_SURE = 0.9  # a score from which on no other orientation is tried
_CERTAIN = 0.95  # a score of a text that the detector passed over: signs and corners have less
_QUITE_CERTAIN = 0.98  # as above, of a single digit or a number that stands by itself
_NARROWEST = 48  # pixels that a crop is padded to, at the height of 48 that the recogniser works on
_PAD = 127  # the grey that means nothing to the recogniser


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text. `quad` is its outline in pixels, from the text's own top left, clockwise."""

    text: str
    score: float
    quad: tuple[tuple[float, float], ...]

    @property
    def left(self) -> float:
        return min(x for x, _ in self.quad)

    @property
    def right(self) -> float:
        return max(x for x, _ in self.quad)

    @property
    def top(self) -> float:
        return min(y for _, y in self.quad)

    @property
    def bottom(self) -> float:
        return max(y for _, y in self.quad)

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def type_size(self) -> float:
        """The shorter side of its box: the height of upright text, the width of vertical one."""
        return min(self.right - self.left, self.height)

    def moved(self, right: float, down: float) -> TextLine:
        return replace(self, quad=tuple((x + right, y + down) for x, y in self.quad))

    def scaled(self, factor: float) -> TextLine:
        return replace(self, quad=tuple((x * factor, y * factor) for x, y in self.quad))


class TextRecognition:
    """Reads text in pictures. Loads its models on first use; safe to share between threads."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._loading = threading.Lock()
        self._models: tuple[Any, Any] | None = None  # rapidocr's detector and recogniser

    def read(self, pixels: Pixels) -> tuple[TextLine, ...]:
        """Lines of text with their place in the picture, in no particular order."""
        height, width = pixels.shape[:2]
        is_strip = max(height, width) > max(_MAX_SIDE, 2 * min(height, width))
        most = _detectable(height * width)
        lines = self._read_tiles(pixels, most) if is_strip else tuple(self._read_tile(pixels, most))
        size = _text_size(lines)
        if not is_strip and (scale := _fitting_scale(height, width, most)) < 1.0:
            return self._read_tiles(pixels, most) if size * scale < _SHRUNK_TEXT else lines
        if size < _SMALL_TEXT and (factor := _enlargement(height, width)) > 1.0:
            return _completed(self._read_enlarged(pixels, factor), lines)
        return lines

    def read_closely(self, pixels: Pixels, lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
        """What is seen of a picture where it is enlarged, and of its `lines` those that are not seen then.

        Small text was enlarged by `read` already: it is not looked at again.
        """
        if _text_size(lines) < _SMALL_TEXT or (factor := _enlargement(*pixels.shape[:2])) <= 1.0:
            return tuple(lines)
        return _completed(self._read_enlarged(pixels, factor), lines)

    def read_passed_over(self, pixels: Pixels, lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
        """The lines, whole where a character at their end was left out, and short texts that none of them is.

        What was read in tiles is not looked at again.
        """
        height, width = pixels.shape[:2]
        if height * width > _MAX_PIXELS or not lines:
            return tuple(lines)
        ink = ink_of(pixels, median(map(_thickness, lines)))
        whole = list(lines)
        ends = extended(ink, [_box(line) for line in lines])
        crops = [_cut(pixels, box) for box in ends.values()]
        for (number, box), read in zip(ends.items(), self._recognise(crops), strict=True):
            longer = _line_in(box, *read)
            if _is_longer(longer, lines[number]):
                whole[number] = longer
        proposals = passed_over(ink, [_box(line) for line in whole])
        crops = [_cut(pixels, proposal.box) for proposal in proposals]
        for proposal, read in zip(proposals, self._run_recogniser(crops), strict=True):
            line = _line_in(proposal.box, *read)
            if _is_text(line, aligned=proposal.aligned):
                whole.append(line)
        rows = in_rows(ink, [np.asarray(line.quad, dtype=np.float32) for line in whole])
        for quad, (text, score) in zip(
            rows, self._recognise([_crop(pixels, quad) for quad in rows]), strict=True
        ):
            line = TextLine(text.strip(), score, tuple((float(x), float(y)) for x, y in quad))
            if _is_text(line, aligned=True) and not any(_covers(other, line) for other in whole):
                whole.append(line)
        return tuple(whole)

    def _read_tiles(self, pixels: Pixels, most: int) -> tuple[TextLine, ...]:
        lines: list[TextLine] = []
        for left, top, tile in _tiles(pixels):
            found = [line.moved(left, top) for line in self._read_tile(tile, most)]
            lines = merged(lines, found)
        return tuple(lines)

    def _read_enlarged(self, pixels: Pixels, factor: float) -> tuple[TextLine, ...]:
        import cv2  # noqa: PLC0415 - heavy

        enlarged = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        return tuple(
            line.scaled(1 / factor) for line in self._read_tile(np.asarray(enlarged, np.uint8), _MAX_PIXELS)
        )

    def _read_tile(self, pixels: Pixels, most: int) -> Iterator[TextLine]:
        scaled, scale = _fit(pixels, most)
        quads = self._detect(scaled)
        crops = [_crop(scaled, quad) for quad in quads]
        for quad, (text, score) in zip(quads, self._recognise(crops), strict=True):
            if text.strip() and score >= _MIN_SCORE:
                outline = tuple((float(x / scale), float(y / scale)) for x, y in quad)
                yield TextLine(text=_corrected(text), score=score, quad=outline)

    def _detect(self, pixels: Pixels) -> Sequence[Quad]:
        detector, _ = self._load()
        boxes = detector(pixels[:, :, ::-1]).boxes  # it was trained on BGR
        return () if boxes is None else [np.asarray(box, dtype=np.float32) for box in boxes]

    def _recognise(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Text and score of each crop; of a tall one the best of its plausible orientations."""
        upright = [np.rot90(crop, -1) if _is_tall(crop) else crop for crop in crops]
        results = self._run_recogniser(upright)
        retries: list[tuple[int, Pixels]] = []
        for index, crop in enumerate(crops):
            text, score = results[index]
            if not _is_tall(crop):
                continue
            if score < _SURE or len(text) <= 2:  # noqa: PLR2004 - one or two characters prove nothing
                retries.append((index, np.rot90(crop, 1)))
                if crop.shape[0] < _MAYBE_UPRIGHT * crop.shape[1]:
                    retries.append((index, crop))
        for (index, _), (text, score) in zip(
            retries, self._run_recogniser([crop for _, crop in retries]), strict=True
        ):
            if text and score > results[index][1]:
                results[index] = (text, score)
        return results

    def _run_recogniser(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        if not crops:
            return []
        from rapidocr.ch_ppocr_rec import TextRecInput  # noqa: PLC0415 - heavy

        _, recogniser = self._load()
        bgr = [np.ascontiguousarray(_with_margin(crop)[:, :, ::-1]) for crop in crops]
        found = recogniser(TextRecInput(img=bgr, return_word_box=False))
        return [(str(text), float(score)) for text, score in zip(found.txts, found.scores, strict=True)]

    def _load(self) -> tuple[Any, Any]:
        if self._models is None:
            with self._loading:
                if self._models is None:
                    self._models = _load_models(self._threads)
        return self._models


def _load_models(threads: int) -> tuple[Any, Any]:
    """Detector and recogniser over the models that the wheel carries.

    The sessions are made here: rapidocr's own look for models on the network when a hash
    differs, and let idle threads spin.
    """
    from pathlib import Path  # noqa: PLC0415 - beside the imports it serves

    import rapidocr  # noqa: PLC0415 - heavy
    from omegaconf import flag_override  # noqa: PLC0415 - comes with rapidocr
    from rapidocr.ch_ppocr_det import TextDetector  # noqa: PLC0415 - heavy
    from rapidocr.ch_ppocr_rec import TextRecognizer  # noqa: PLC0415 - heavy
    from rapidocr.main import DEFAULT_CFG_PATH  # noqa: PLC0415 - heavy
    from rapidocr.utils.parse_parameters import ParseParams  # noqa: PLC0415 - heavy

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)  # it logs to the terminal by itself
    models = Path(rapidocr.__file__).parent / "models"
    settings = ParseParams.load(DEFAULT_CFG_PATH)
    settings.Rec.font_path = None
    settings.Rec.rec_img_shape = [3, 48, _NARROWEST]  # it pads to 320: four times the work of a tick label
    with flag_override(settings, "allow_objects", values=True):
        settings.Det.session = _session(models / "PP-OCRv6_det_small.onnx", threads)
        settings.Rec.session = _session(models / "PP-OCRv6_rec_small.onnx", threads)
    return TextDetector(settings.Det), TextRecognizer(settings.Rec)


def _session(model: object, threads: int) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    import onnxruntime  # noqa: PLC0415 - heavy

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena would keep the largest picture's memory for ever
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _text_size(lines: Sequence[TextLine]) -> float:
    """The size of a picture's smaller text, in pixels: what a quarter of its lines do not exceed."""
    if len(lines) < 2:  # noqa: PLR2004 - quartiles need two
        return lines[0].type_size if lines else float("inf")
    return quantiles((line.type_size for line in lines), n=4, method="inclusive")[0]


def _thickness(line: TextLine) -> float:
    """The shorter side of its outline, in pixels: the height of a line of text, tilted or not."""
    a, b, c, _ = line.quad
    return min(math.dist(a, b), math.dist(b, c))


def _detectable(picture_pixels: int) -> int:
    """How many pixels the detector may look at, so that it and the picture fit the memory together."""
    return max(_MAX_PIXELS // 2, _MAX_PIXELS - picture_pixels * _PICTURE_BYTES // _DETECTOR_BYTES)


def _fitting_scale(height: int, width: int, most: int) -> float:
    return min(1.0, _MAX_SIDE / max(height, width), math.sqrt(most / (height * width)))


def _enlargement(height: int, width: int) -> float:
    """By how much a picture may be enlarged for small text."""
    wanted = min(_MOST_ENLARGED, _ENLARGED_SIDE / min(height, width))
    return min(wanted, _MAX_SIDE / max(height, width), math.sqrt(_MAX_PIXELS / (height * width)))


def _completed(lines: Sequence[TextLine], others: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """Lines, and of the others those that stand where none of them does."""
    return (*lines, *(other for other in others if not any(_covers(line, other) for line in lines)))


def _covers(line: TextLine, other: TextLine) -> bool:
    return _shared(line, other) > _COVERED * (other.right - other.left) * other.height


def _shared(a: TextLine, b: TextLine) -> float:
    """The area that two boxes share."""
    wide = min(a.right, b.right) - max(a.left, b.left)
    high = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(0.0, wide) * max(0.0, high)


def _tiles(pixels: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Left, top and pixels of a large picture's tiles; neighbours share some rows or columns."""
    for top, bottom in _cuts(pixels):
        row = pixels[top:bottom]
        for left, right in _cuts(row.transpose(1, 0, 2)):
            yield left, top, row[:, left:right]


def _cuts(pixels: Pixels) -> Iterator[tuple[int, int]]:
    """Ranges of rows, cut where the least is drawn, each reaching a little into the next."""
    height = pixels.shape[0]
    start = 0
    while height - start > _TILE:
        window = pixels[start + _TILE - _TILE_SEARCH : start + _TILE].astype(np.int16)
        drawn = np.abs(np.diff(window, axis=1)).sum(axis=(1, 2))
        emptiest = _TILE_SEARCH - 1 - int(np.argmin(drawn[::-1]))  # the last of equals
        cut = start + _TILE - _TILE_SEARCH + emptiest + 1
        yield start, min(height, cut + _TILE_OVERLAP)
        start = cut
    yield start, height


def merged(lines: Sequence[TextLine], further: Sequence[TextLine]) -> list[TextLine]:
    """Lines of several tiles: what two of them saw stands there once, what was cut is joined."""
    whole = list(lines)
    for line in further:
        kept = line
        for seen in [seen for seen in whole if _is_one_line(seen, kept)]:
            whole.remove(seen)
            kept = _united(seen, kept)
        whole.append(kept)
    return whole


def _is_one_line(a: TextLine, b: TextLine) -> bool:
    high = min(a.bottom, b.bottom) - max(a.top, b.top)
    return _shared(a, b) > 0 and high > _ONE_HEIGHT * min(a.height, b.height)


def _united(a: TextLine, b: TextLine) -> TextLine:
    """The one of two readings that saw more of a line; both joined where each saw another end."""
    wide = min(a.right, b.right) - max(a.left, b.left)
    if wide > _ONE_PLACE * min(a.right - a.left, b.right - b.left):
        return max((a, b), key=lambda line: ((line.right - line.left) * line.height, line.score))
    first, second = sorted((a, b), key=lambda line: line.left)
    left, right = first.left, second.right
    top, bottom = min(a.top, b.top), max(a.bottom, b.bottom)
    return TextLine(
        text=_spliced(first, second, wide),
        score=min(a.score, b.score),
        quad=((left, top), (right, top), (right, bottom), (left, bottom)),
    )


def _spliced(first: TextLine, second: TextLine, shared: float) -> str:
    """The texts of a line's two ends as one, at the characters that both of them saw.

    A character that a cut went through may be misread at either end, so up to two are given up.
    """
    for length in range(min(len(first.text), len(second.text)), 1, -1):
        for lost in range(3):
            for skipped in range(3):
                end = len(first.text) - lost
                common = second.text[skipped : skipped + length]
                if len(common) == length <= end and first.text[end - length : end] == common:
                    return first.text[:end] + second.text[skipped + length :]
    each = (second.right - second.left) / max(1, len(second.text))  # no two agree: by their places
    return first.text + second.text[round(shared / each) :]


def _fit(pixels: Pixels, most: int) -> tuple[Pixels, float]:
    """The picture within the detector's limits and `most` pixels, and the factor it was scaled by."""
    import cv2  # noqa: PLC0415 - heavy

    height, width = pixels.shape[:2]
    scale = _fitting_scale(height, width, most)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # The detector scales the shorter side up: a strip would become a giant, so it is padded first.
    height, width = pixels.shape[:2]
    padding = [
        (0, max(_MIN_SIDE, other // _MAX_ASPECT) - side) for side, other in ((height, width), (width, height))
    ]
    if any(after > 0 for _, after in padding):
        pixels = np.pad(pixels, [(0, max(0, after)) for _, after in padding] + [(0, 0)], mode="edge")
    return pixels, scale


def _crop(pixels: Pixels, quad: Quad) -> Pixels:
    """The text inside a quadrilateral, straightened."""
    import cv2  # noqa: PLC0415 - heavy

    width = max(1, int(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]))))
    height = max(1, int(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    warp = cv2.getPerspectiveTransform(quad, target)
    crop = cv2.warpPerspective(
        pixels, warp, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC
    )
    return np.asarray(crop, dtype=np.uint8)


def _with_margin(crop: Pixels) -> Pixels:
    """A crop with room behind its end: without it a tick's mark there is read as a dash."""
    return np.pad(crop, ((0, 0), (0, crop.shape[0]), (0, 0)), constant_values=_PAD)


def _line_in(box: Box, text: str, score: float) -> TextLine:
    return TextLine(text=_corrected(text), score=score, quad=_outline(box))


def _outline(box: Box) -> tuple[tuple[float, float], ...]:
    return (box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)


def _cut(pixels: Pixels, box: Box) -> Pixels:
    return _crop(pixels, np.asarray(_outline(box), dtype=np.float32))


def _box(line: TextLine) -> Box:
    return Box(line.left, line.top, line.right, line.bottom)


def _is_longer(line: TextLine, short: TextLine) -> bool:
    """Whether a line is another one with a further character, or the minus of a number."""
    if line.score < _CERTAIN or len(line.text) == len(short.text):
        return False
    if line.text.startswith(short.text):
        more = line.text.removeprefix(short.text)
        return (
            _are_alike(more, short.text[-1]) and more != _ONE
        )  # the mark of a tick above a text that runs upwards
    more = line.text.removesuffix(short.text)
    return _are_alike(more, short.text[0]) or (more in _MINUS and short.text[0].isdigit())


def _are_alike(more: str, neighbour: str) -> bool:
    """Whether one character continues a text: a value beside a name is another text."""
    return len(more) == 1 and any(
        is_of(more) and is_of(neighbour) for is_of in (str.isdigit, _is_latin_letter, _is_east_asian_letter)
    )


def _is_latin_letter(character: str) -> bool:
    return character.isalpha() and character.isascii()


def _is_east_asian_letter(character: str) -> bool:
    return character.isalpha() and character >= _EAST_ASIAN


def _is_text(line: TextLine, *, aligned: bool) -> bool:
    """In a row with others a digit or more than one character, elsewhere a number of several digits.

    A marker or a corner may look like one letter, and texture like a word.
    """
    said = [character for character in line.text if character.isalnum()]
    digits = sum(map(str.isdigit, said))
    if aligned and len(said) > 1:
        return line.score >= _CERTAIN
    is_number = digits >= (1 if aligned else 2) and bool(_SOLE_NUMBER.fullmatch(line.text))
    return line.score >= _QUITE_CERTAIN and is_number


def _is_tall(crop: Pixels) -> bool:
    height, width = crop.shape[:2]
    return bool(height >= _TALL * width)


_SOLE_NUMBER = re.compile(r"[-+−–]?[$€£¥]?\d[\d.,]*\s?(?:%|[KkMBb]n?|万|亿)?")
_ONE = "一"
_EAST_ASIAN = "\u2e80"  # the first of them
_MINUS = ("-", "−", "–", "—")
_DASH_MONTH = re.compile(r"^[-–—](?=月)")  # January, whose numeral is a dash
_LONE_ZERO = re.compile(r"([-+]?[$€£¥]?)[oO](\s?(?:%|[MBmb]n?|万|亿)?)")  # not `OK`
_NUMBER_WITH_O = re.compile(r"(?<![\w.,])[$€£¥]?(?=[oO\d.,]*\d)[\doO]+(?:[.,][\doO]+)*(?![A-Za-z0-9])")


def _corrected(text: str) -> str:
    return correct_zeros(_DASH_MONTH.sub("一", text.strip()))


def correct_zeros(text: str) -> str:
    """`OM`, `O%` and `1O.5` with the zeros they were drawn with: most misread numbers are these."""
    if whole := _LONE_ZERO.fullmatch(text):
        return f"{whole[1]}0{whole[2]}" if whole[2] or whole[1] else text
    return _NUMBER_WITH_O.sub(lambda match: match.group().replace("o", "0").replace("O", "0"), text)
