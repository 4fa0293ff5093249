"""Captions of a model are added to figures, marked as such, to be found by."""

from __future__ import annotations

import pytest
from PIL import Image

from mmrag.assemble import build_captioner
from mmrag.config import Settings
from mmrag.errors import GenerationFailed, InvalidSettings
from mmrag.generation.captions import Captions
from mmrag.generation.choice import choose_generator
from mmrag.reading.chunking import SentenceChunker
from mmrag.reading.modelled import ModelledReader
from mmrag.types import Attachment, Question, Source
from tests.generation.checkpoints import make_checkpoint
from tests.generation.pictures import noise
from tests.reading.kept import KeptReadings

PHOTO = noise(1, (300, 200))


class Saying:
    """A captioner that says what it is told to."""

    version = "1"

    def __init__(self, *says):
        self.says = says

    def captions(self, pictures, *, seconds):
        assert seconds > 0
        return self.says[: len(pictures)]


@pytest.fixture(scope="module")
def reader(reader, readings):
    return KeptReadings(reader, readings)


@pytest.fixture(scope="module")
def blip2(tmp_path_factory):
    return make_checkpoint("blip2-t5", tmp_path_factory.mktemp("blip2") / "model")


@pytest.fixture
def read_with(reader):
    def read(*says, data=PHOTO):
        modelled = ModelledReader(reader, chart_model=None, captioner=Saying(*says), seconds=60)
        return modelled.read(data, name="photo.png")

    return read


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("two boats in a harbour", "Caption by a model: two boats in a harbour"),
        ("a  chart\nof 547 umbrellas in 2024", "Caption by a model: a chart of … umbrellas in …"),
        ("sales of $4.2 million (12 %)", "Caption by a model: sales of … million (…)"),
        ("Caption by a model: Caption by a model: boats", "Caption by a model: boats"),
        ("12:30", ""),
        (" \x00 ", ""),
        ("a" * 500, "Caption by a model: " + "a" * 200),
    ],
)
def test_a_caption_is_one_marked_line_without_numbers(read_with, said, written):
    reading = read_with(said)
    assert reading.pages[0].text == written
    (figure,) = reading.pages[0].figures
    assert (figure.start, figure.end) == (0, len(written))


def test_a_caption_that_failed_is_told_and_costs_nothing_else(read_with):
    reading = read_with(GenerationFailed("it did not answer in time"))
    assert reading.pages[0].text == ""
    assert not reading.complete
    told = "The model for captions failed at 1 of 1 figures: it did not answer in time."
    assert reading.warnings == ("No text was found in this picture.", told)


def test_a_picture_of_text_needs_no_caption(read_with, draw_text, encode):
    reading = read_with("a page of text", data=encode(draw_text("All passwords are changed", "every spring")))
    assert "Caption" not in reading.pages[0].text


def test_captions_are_written_on_a_gpu_unless_the_settings_say_otherwise(blip2, tmp_path, monkeypatch):
    def captioner(**settings):
        chosen = Settings(**{"generator_model": str(blip2)} | settings)
        generator, _ = choose_generator(chosen, None)
        return build_captioner(chosen, generator)

    assert captioner() is None  # on a CPU
    assert isinstance(captioner(captions="on"), Captions)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert isinstance(captioner(), Captions)
    assert captioner(captions="off") is None
    llava = str(make_checkpoint("llava", tmp_path / "llava"))
    assert captioner(generator_model=llava) is None
    with pytest.raises(InvalidSettings, match="set captions to auto"):
        captioner(generator_model=llava, captions="on")


def test_a_real_tiny_model_captions_pictures_as_it_captions_each_alone(blip2):
    settings = Settings(generator_model=str(blip2), captions="on", generator_tokens=12, threads=1)
    generator, _ = choose_generator(settings, None)
    captions = build_captioner(settings, generator)
    pictures = [noise(number, (60, 40)) for number in range(10)]
    try:
        alone = [captions.captions([picture], seconds=60)[0] for picture in pictures[:3]]
        assert all(isinstance(caption, str) for caption in alone)
        assert captions.captions(pictures, seconds=60)[:3] == alone
        assert str(captions.captions(pictures, seconds=-1)[-1]) == "there was no time left for it"
    finally:
        generator.close()
    assert str(captions.captions(pictures[:1], seconds=60)[0]) == "it was shut down"


def test_a_photo_is_found_by_its_caption_and_no_answer_rests_on_it(start_engine, monkeypatch, blip2):
    said = "two boats in the harbour of Porto at sunset"
    monkeypatch.setattr(Captions, "captions", lambda *_, **__: [said])
    engine = start_engine(generator_model=str(blip2), captions="on", generator_tokens=8)
    engine.add(Source("photo.png", PHOTO, "test:photo"), collection="default")
    hits = engine.search(Question("boats in a harbour")).hits
    assert [hit.chunk.text for hit in hits] == [f"Caption by a model: {said}"]
    assert hits[0].chunk.image
    question = "What is in the harbour of Porto at sunset?"
    for files in ((), (Attachment("mine.png", PHOTO),)):
        answer = engine.ask(Question(question, attachments=files))
        assert answer.abstained
        assert "boats" not in answer.text
    assert answer.citations[-1].quote == f"Caption by a model: {said}"


def test_a_caption_stands_at_the_end_of_what_was_read_from_a_chart(read_with, bars):
    (page,) = read_with("a bar chart", data=bars).pages
    text, (figure,) = page.text, page.figures
    assert text.endswith("\n\nCaption by a model: a bar chart")
    assert text[figure.table.start : figure.table.end].count("≈") == 3


def test_a_caption_of_many_tokens_is_not_cut_from_its_mark(read_with):
    reading = read_with("船" * 180)
    chunker = SentenceChunker(count_tokens=len, target_tokens=32)
    chunks = chunker.chunk(reading.pages, title="photo.png")
    assert [chunk.text for chunk in chunks] == [reading.pages[0].text]


def test_pictures_that_come_from_a_reader_are_opened_as_png_or_jpeg_alone(blip2, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.bmp")
    settings = Settings(generator_model=str(blip2), captions="on", threads=1)
    generator, _ = choose_generator(settings, None)
    try:
        (failure,) = build_captioner(settings, generator).captions(
            [(tmp_path / "a.bmp").read_bytes()], seconds=60
        )
        assert isinstance(failure, GenerationFailed)
    finally:
        generator.close()
