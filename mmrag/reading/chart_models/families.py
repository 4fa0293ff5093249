"""What differs between chart models: how they are asked, and what their answers look like."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Protocol

from mmrag.checkpoints.chats import chat_inputs, check_template, pad_left
from mmrag.errors import InvalidSettings
from mmrag.reading.chart_models import doctags, linearised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from mmrag.checkpoints.finding import Checkpoint
    from mmrag.checkpoints.loading import Precision
    from mmrag.types import ModelTable

# As Pix2Struct was trained: pixels, pixels, characters.
_HEADER_SIZE, _HEADER_MARGIN, _HEADER_WIDTH = 36, 5, 80


class Family(Protocol):
    """How one kind of checkpoint is asked."""

    precision: Precision
    parse: Callable[..., ModelTable]

    def prepare(self, processor: Any) -> None:  # noqa: ANN401 - one of many classes of transformers
        """Set a processor up for batches."""
        ...

    def inputs(self, processor: Any, pictures: Sequence[Image]) -> dict[str, Any]:  # noqa: ANN401 - as above
        """A batch of pictures as the model takes it."""
        ...


class Pix2Struct:
    """DePlot and its kin: the question is drawn above the picture, the answer is a linearised table.

    The header is drawn here: transformers would fetch a font for it from the hub.
    """

    question = "Generate underlying data table of the figure below:"
    precision: Precision = "fp32"  # the places of the patches are numbers in their input: bf16 ends at 256
    parse = staticmethod(linearised.parse)

    def __init__(self) -> None:
        self._asks = False

    def prepare(self, processor: Any) -> None:  # noqa: ANN401 - as above
        self._asks = bool(processor.image_processor.is_vqa)
        processor.image_processor.is_vqa = False

    def inputs(self, processor: Any, pictures: Sequence[Image]) -> dict[str, Any]:  # noqa: ANN401 - as above
        shown = [_below(self.question, picture) if self._asks else picture for picture in pictures]
        return dict(processor.image_processor(images=shown, return_tensors="pt"))


class DocTags:
    """Granite-Docling and SmolDocling: a chat with one picture, the answer is OTSL within DocTags."""

    question = "Convert chart to table."  # in these very words: it is what they were trained on
    precision: Precision = "auto"
    parse = staticmethod(doctags.parse)

    def prepare(self, processor: Any) -> None:  # noqa: ANN401 - as above
        pad_left(processor)
        check_template(processor, setting="chart_model")

    def inputs(self, processor: Any, pictures: Sequence[Image]) -> dict[str, Any]:  # noqa: ANN401 - as above
        return chat_inputs(processor, [(self.question, [picture]) for picture in pictures])


def family_of(checkpoint: Checkpoint) -> Family:
    """How a checkpoint is asked. Raises InvalidSettings where it reads no charts."""
    if checkpoint.model_type == "pix2struct":
        return Pix2Struct()
    if checkpoint.has_token(doctags.FULL_CELL):
        return DocTags()
    raise InvalidSettings(
        f"The model {checkpoint.name!r} is of kind {checkpoint.kind} and writes no tables: set chart_model "
        "to one of Pix2Struct's kind (DePlot), or one that writes DocTags (Granite-Docling, SmolDocling)."
    )


def _below(text: str, picture: Image) -> Image:
    """The picture with the text above it, both as wide as the wider one."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - heavy

    font = ImageFont.load_default(_HEADER_SIZE)
    wrapped = "\n".join(textwrap.wrap(text, _HEADER_WIDTH))
    _, _, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((0, 0), wrapped, font=font)
    header = Image.new("RGB", (int(right) + 2 * _HEADER_MARGIN, int(bottom) + 2 * _HEADER_MARGIN), "white")
    ImageDraw.Draw(header).text((_HEADER_MARGIN, _HEADER_MARGIN), wrapped, fill="black", font=font)
    width = max(header.width, picture.width)
    header = header.resize((width, max(1, header.height * width // header.width)))
    picture = picture.resize((width, max(1, picture.height * width // picture.width)))
    whole = Image.new("RGB", (width, header.height + picture.height), "white")
    whole.paste(header, (0, 0))
    whole.paste(picture, (0, header.height))
    return whole
