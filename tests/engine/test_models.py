"""The engine with a model: what it says is grounded, and where it fails the answer is made without it."""

from __future__ import annotations

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import GenerationFailed
from mmrag.generation.extractive import ExtractiveGenerator
from mmrag.types import Attachment, Claim, Draft, Question, Source
from tests.generation.checkpoints import make_checkpoint
from tests.generation.pictures import noise

FACT = "The warranty lasts 30 months from the day of purchase."
ASKED = Question("How many months does the warranty last?")


class Model:
    """A generator that says what it is told to, and keeps what it was asked."""

    name, model, version = "parrot", "parrot-1", "1"

    def __init__(self):
        self.says = ()
        self.asked = []
        self.is_closed = False

    def close(self):
        self.is_closed = True

    def generate(self, prompt, *, drafted):
        self.asked.append(prompt)
        claims = []
        for said in self.says:
            if isinstance(said, GenerationFailed):
                raise said
            claims.append(Claim(said))
            drafted(claims[-1])
        return Draft(tuple(claims))


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def engine(model, embedder, reader, tmp_path, monkeypatch):
    monkeypatch.setattr("mmrag.generation.choice.choose_generator", lambda *_: (model, "chosen by the test"))
    with build_engine(Settings(home=tmp_path / "home"), embedder=embedder, reader=reader) as engine:
        engine.add(Source("note.txt", FACT.encode(), "test:note"), collection="default")
        yield engine


def test_what_a_model_phrases_is_said_where_a_source_supports_it(engine, model):
    model.says = ("The warranty lasts 30 months.", "It covers accidents in Australia.")
    answer = engine.ask(ASKED)
    assert answer.text == "The warranty lasts 30 months. [1]"
    assert (answer.generation.generator, answer.generation.note) == ("parrot", "")


def test_a_model_that_says_nothing_supported_gives_way_to_the_sources_own_words(engine, model):
    model.says = ("The warranty lasts 31 months.",)
    answer = engine.ask(ASKED)
    assert "30 months" in answer.text
    assert answer.generation.generator == ExtractiveGenerator.name
    assert answer.generation.note == "the sources support nothing that parrot wrote"
    assert engine.ask(ASKED).cached


def test_a_model_that_fails_is_told_of_and_asked_again_the_next_time(engine, model):
    model.says = (GenerationFailed("it did not answer in time"),)
    answer = engine.ask(ASKED)
    assert "30 months" in answer.text
    assert answer.generation.note == "parrot gave no answer: it did not answer in time"
    model.says = ("The warranty lasts 30 months.",)
    assert engine.ask(ASKED).generation.generator == "parrot"


def test_a_model_is_closed_with_the_engine(engine, model):
    engine.close()
    assert model.is_closed


def test_a_model_is_shown_the_attached_pictures_that_could_be_read(engine, model):
    picture = noise(1, (300, 200))
    files = (Attachment("a.png", picture), Attachment("b.txt", b"a note"), Attachment("c.png", b"no picture"))
    engine.ask(Question(ASKED.text, attachments=files))
    (shown,) = model.asked[0].pictures
    assert shown.name == "a.png"
    assert shown.data.startswith(b"\x89PNG")


def test_a_real_tiny_model_answers_through_the_engine_with_a_picture(embedder, reader, tmp_path):
    """It says noise, of which nothing can be supported: that must not reach the answer."""
    checkpoint = make_checkpoint("blip2-t5", tmp_path / "model")
    settings = Settings(home=tmp_path / "home", generator_model=str(checkpoint), generator_tokens=8)
    with build_engine(settings, embedder=embedder, reader=reader) as engine:
        engine.add(Source("note.txt", FACT.encode(), "test:note"), collection="default")
        answer = engine.ask(Question(ASKED.text, attachments=(Attachment("a.png", noise(1, (300, 200))),)))
    assert "30 months" in answer.text
    assert answer.generation.note == "the sources support nothing that blip2 wrote"
    assert answer.generation.reason == "`generator_model` names a checkpoint of blip-2 over t5"
