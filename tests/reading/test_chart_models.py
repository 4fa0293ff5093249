"""Models that read charts, really loaded: what they write reaches an answer, what they fail at is told.

The models are tiny and were taught one answer; what real weights would read is not tried.
"""

from __future__ import annotations

import io
import json

import pytest
import torch
from PIL import Image

from mmrag.assemble import build_chart_model
from mmrag.config import Settings
from mmrag.doctor import _chart_model
from mmrag.errors import GenerationFailed, InvalidSettings
from mmrag.reading.chart_models.families import Pix2Struct
from mmrag.reading.modelled import ModelledReader
from mmrag.types import Attachment, ModelTable, Question, Source
from tests.generation.checkpoints import CHART_MODELS, TAUGHT, make_checkpoint, teach
from tests.generation.pictures import noise
from tests.reading.kept import KeptReadings

ROWS = (("City", "Sold"), ("Oslo", "40"), ("Porto", "20"), ("Leiden", "30"))
ASKED = "How many umbrellas were sold in Oslo?"


@pytest.fixture(scope="module")
def reader(reader, readings):
    return KeptReadings(reader, readings)


@pytest.fixture(scope="module")
def dots(draw_chart):
    """A chart that the geometry declines: points without a line."""

    def draw(axes):
        axes.plot(["Oslo", "Porto", "Leiden"], [40, 20, 30], "o")
        axes.set_title("Umbrellas sold", fontsize=20)
        axes.tick_params(labelsize=16)
        axes.set_ylim(0, 50)

    return draw_chart(draw)


@pytest.fixture
def dots_file(dots, tmp_path):
    path = tmp_path / "dots.png"
    path.write_bytes(dots)
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory, dots):
    """Folders of tiny chart models that were taught what `TAUGHT` says of the chart."""
    folder = tmp_path_factory.mktemp("taught")
    with Image.open(io.BytesIO(dots)) as image:
        picture = image.convert("RGB")
    return {kind: teach(kind, folder / kind, picture, answer) for kind, answer in TAUGHT.items()}


@pytest.fixture
def chart_model(taught):
    """A chart model as the settings build it."""
    made = []

    def make(kind, **settings):
        made.append(build_chart_model(Settings(chart_model=str(taught[kind]), threads=1, **settings)))
        return made[-1]

    yield make
    for model in made:
        model.close()


@pytest.mark.parametrize("kind", CHART_MODELS)
def test_a_model_reads_pictures_of_any_size_together_as_it_reads_one(kind, chart_model, dots):
    model = chart_model(kind, chart_model_batch=2)
    alone = model.tables([dots], seconds=60)
    assert alone == [ModelTable(ROWS, chart={"deplot": "", "docling": "bar"}[kind])]
    tall, damaged = noise(1, (30, 90)), b"no picture"
    several = model.tables([damaged, dots, tall, dots], seconds=60)
    assert [several[1], several[3]] == alone * 2
    assert isinstance(several[0], GenerationFailed)
    assert isinstance(several[2], ModelTable)


def test_untaught_weights_write_noise_that_is_no_table(tmp_path):
    folder = make_checkpoint("docling", tmp_path / "noise")
    model = build_chart_model(Settings(chart_model=str(folder), chart_model_tokens=32, threads=1))
    (outcome,) = model.tables([noise(1)], seconds=60)
    model.close()
    assert isinstance(outcome, ModelTable)
    assert model.tables([noise(1)], seconds=60)[0].args == ("it was shut down",)


def test_an_answer_says_that_a_model_read_the_value_and_a_change_of_model_reads_anew(
    taught, start_engine, dots
):
    source = Source("sales.png", dots, "test:sales")
    without = start_engine()
    without.add(source, collection="default")
    assert without.ask(Question(ASKED)).abstained
    without.close()
    engine = start_engine(chart_model=str(taught["deplot"]))
    assert engine.add(source, collection="default").status == "updated"
    answer = engine.ask(Question(ASKED))
    assert answer.text == "In “Umbrellas sold”, Sold for Oslo is 40, read by a model. [1]"
    assert "Oslo | Sold: ※40" in answer.citations[0].quote
    attached = engine.ask(Question(ASKED, attachments=(Attachment("sales.png", dots),)))
    assert "Oslo is 40, read by a model." in attached.text


def test_what_is_read_shows_whose_cells_they_are_and_what_geometry_said(
    taught, dots_file, reader, run, monkeypatch
):
    monkeypatch.setattr("mmrag.assemble.build_reader", lambda _: reader)
    monkeypatch.setenv("MMRAG_CHART_MODEL", str(taught["docling"]))
    code, shown, _ = run("read", dots_file, "--json")
    (figure,) = json.loads(shown)["pages"][0]["figures"]
    assert code == 0
    assert figure["table"] == [["", "Sold"], *map(list, ROWS[1:])]
    assert figure["cells"] == [[{"origin": "model", "confidence": 0.5}]] * 3
    assert figure["chart"] == "bar"
    assert figure["reason"]
    assert figure["text"].endswith("Leiden | Sold: ※30\n※ = read by a model")


def test_a_model_is_shown_charts_that_are_open_and_nothing_else(reader, bars):
    def shown(data):
        seen = []

        class Seeing:
            version = "1"

            def tables(self, pictures, *, seconds):
                assert seconds == 60
                seen.extend(pictures)
                return [ModelTable((("City", "Sold"), ("Oslo", "1"), ("Porto", "2")))] * len(pictures)

            def close(self):
                """It holds nothing."""

        modelled = ModelledReader(reader, chart_model=Seeing(), captioner=None, seconds=60)
        (page,) = modelled.read(data, name="file").pages
        return len(seen), page

    for data in (bars, noise(1, (300, 200))):
        count, page = shown(data)
        assert count == 0
        assert "※" not in page.text


def test_memory_that_is_too_small_halves_a_batch_and_then_costs_the_table_only(
    chart_model, dots, monkeypatch
):
    small = chart_model("deplot", chart_model_batch=4)
    ask, refused = Pix2Struct.inputs, []

    def on_a_small_device(family, processor, pictures):
        if len(pictures) > room:
            refused.append(len(pictures))
            raise torch.OutOfMemoryError
        return ask(family, processor, pictures)

    monkeypatch.setattr(Pix2Struct, "inputs", on_a_small_device)
    room = 1
    assert small.tables([dots] * 4, seconds=60) == [ModelTable(ROWS)] * 4
    assert refused == [4, 2]
    room = 0
    (failure,) = small.tables([dots], seconds=60)
    assert str(failure) == "the device has too little memory for it"


def test_a_model_that_fails_costs_its_part_and_the_document_is_read_again_when_it_is_added_again(
    taught, start_engine, dots, monkeypatch
):
    def fails(*_):
        raise torch.OutOfMemoryError

    source = Source("sales.png", dots, "test:sales")
    engine = start_engine(chart_model=str(taught["deplot"]))
    with monkeypatch.context() as patched:
        patched.setattr(Pix2Struct, "inputs", fails)
        report = engine.add(source, collection="default")
        assert report.warnings == (
            "The model for charts failed at 1 of 1 figures: the device has too little memory for it.",
        )
        question = Question(ASKED, attachments=(Attachment("mine.png", dots),))
        assert "read by a model" not in engine.ask(question).text
    assert "40, read by a model" in engine.ask(question).text  # neither reading nor answer was kept
    assert engine.add(source, collection="default").status == "updated"
    assert engine.add(source, collection="default").status == "unchanged"


def test_a_chart_that_takes_too_long_is_read_without_the_model(chart_model, dots):
    model = chart_model("docling", chart_model_seconds=0.0001)
    assert [str(one) for one in model.tables([dots], seconds=60)] == ["it was not done in time"]
    assert [str(one) for one in model.tables([dots], seconds=0)] == ["there was no time left for it"]


def test_a_checkpoint_that_reads_no_charts_or_is_not_there_is_explained(tmp_path, monkeypatch):
    folder = make_checkpoint("llava", tmp_path / "llava")
    with pytest.raises(
        InvalidSettings, match="writes no tables: set chart_model to one of Pix2Struct's kind"
    ):
        build_chart_model(Settings(chart_model=str(folder)))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InvalidSettings, match="set chart_model_revision to the 40 digits"):
        build_chart_model(Settings(chart_model="google/deplot"))


def test_damaged_weights_are_a_reason_for_every_chart(taught, dots, tmp_path, reader):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for file in taught["docling"].iterdir():
        (folder / file.name).write_bytes(
            file.read_bytes()[: 5_000 if file.suffix == ".safetensors" else None]
        )
    model = build_chart_model(Settings(chart_model=str(folder), threads=1))
    modelled = ModelledReader(reader, chart_model=model, captioner=None, seconds=60)
    reading = modelled.read(dots, name="dots.png")
    model.close()
    assert "cannot be loaded" in reading.pages[0].figures[0].reason
    assert "cannot be loaded" in reading.warnings[0]
    assert not reading.complete
    assert "Oslo" in reading.pages[0].text


def test_the_doctor_says_whether_a_chart_model_works(taught):
    (off,) = _chart_model(Settings())
    (on,) = _chart_model(Settings(chart_model=str(taught["deplot"]), threads=1))
    assert (off.state, on.state) == ("note", "ok")
    assert "deplot@" in on.says
    assert "wrote 8 cells of a specimen chart" in on.says
