"""An answer is said sentence by sentence: each once it is certain, none taken back, all of it in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.engine.asking import Asking
from mmrag.engine.saying import Saying
from mmrag.errors import GenerationFailed
from mmrag.generation.drafts import claims_of, draft_of
from mmrag.grounding.citations import cite
from mmrag.types import Answer, Chunk, Claim, Draft, Generation, Hit, Prompt, Question, Quote, Source
from tests.generation.checkpoints import make_checkpoint
from tests.generation.test_openai import scripted
from tests.trust.parts import EMBEDDER

LEAVE = "Every employee has 28 days of paid leave a year."
PRINTER = "The printer is on floor 3."
TICKETS = b"month,tickets\nMay,410\nJune,380\n"
QUESTION = Question("How many days of paid leave does every employee have?")
BOTH = Question("How many days of paid leave does every employee have, and on which floor is the printer?")


class Drafting:
    """A generator that drafts what it is told to; between its claims it looks at what was said."""

    name, model, version = "drafting", "drafting-1", "1"

    def __init__(self, *drafts):
        self.drafts = drafts
        self.said = []
        self.said_before = []  # before each claim, and before the end

    def close(self):
        """It holds nothing."""

    def generate(self, prompt, *, drafted):
        del prompt
        claims = []
        for text in self.drafts:
            self.said_before.append([sentence.text for sentence in self.said])
            if isinstance(text, Exception):
                raise text
            claims.append(Claim(text))
            drafted(claims[-1])
        self.said_before.append([sentence.text for sentence in self.said])
        return Draft(tuple(claims))


class Believing:
    """A grounder that takes every claim for what the first hit says: noise of tiny models passes."""

    def ground(self, draft, prompt):
        end = len(prompt.hits[0].chunk.text)
        return tuple(replace(claim, support=(Quote(0, 0, end),)) for claim in draft.claims)

    def cite(self, claims, prompt, *, unanswered=()):
        return cite(claims, prompt, unanswered=unanswered)


@pytest.fixture
def start(tmp_path, reader, monkeypatch):
    """(model or None, **settings) -> an engine with a handbook, without a cache."""
    engines = []

    def start(model=None, /, **settings):
        if model is not None:
            choose = "mmrag.generation.choice.choose_generator"
            monkeypatch.setattr(choose, lambda *_: (model, "chosen by the test"))
        home = tmp_path / f"home{len(engines)}"
        all_settings = Settings(home=home, public_url="https://kb.example", **({"cache_bytes": 0} | settings))
        engine = build_engine(all_settings, embedder=EMBEDDER, reader=reader)
        engines.append(engine)
        engine.add(Source("handbook.md", f"{LEAVE}\n\n{PRINTER}".encode(), "u:1"), collection="default")
        engine.add(Source("tickets.csv", TICKETS, "u:2"), collection="default")
        return engine

    yield start
    for engine in engines:
        engine.close()


def in_sentences(tokens):
    """Noise as sentences of eight words."""
    words = [f"W{token}{'.' if number % 8 == 7 else ''}" for number, token in enumerate(tokens)]
    return " ".join(words)


def said_and_answered(engine, question):
    said = []
    return said, engine.ask(question, said=said.append)


def check_that_what_was_said_is_the_answer(said, answer):
    assert " ".join(sentence.text for sentence in said) == answer.text
    assert {sentence.answer_id for sentence in said} == {answer.id}
    cited = {citation.marker: citation for citation in answer.citations}
    for sentence in said:
        for citation in sentence.citations:
            assert citation.quote in cited[citation.marker].quote
            assert replace(citation, quote="") == replace(cited[citation.marker], quote="")
    assert {citation.marker for sentence in said for citation in sentence.citations} == set(cited)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.text("aB [1]【２】\n.（3）"), st.lists(st.integers(0, 2), min_size=1)), max_size=5),
    st.lists(st.text("why? [2]", min_size=1), max_size=2),
)
def test_whatever_is_claimed_the_sentences_that_were_said_are_the_answers(claimed, unanswered):
    chunks = [Chunk(number, f"d{number}", 1, 0, 9, "A source.") for number in range(3)]
    hits = tuple(Hit(chunk, "Page", "u", 1, 1.0, ("bm25",)) for chunk in chunks)
    prompt = Prompt("Why?", hits)
    claims = [Claim(text, tuple(Quote(hit, 0, 9) for hit in cited)) for text, cited in claimed]
    said = []
    saying = Saying("5f2c9d1e8a7b6c50", said.append)
    for number in range(1, len(claims) + 1):
        saying.last_of(claims[:number], Believing(), prompt)
    text, citations = cite(claims, prompt, unanswered=unanswered)
    answer = Answer(
        id="5f2c9d1e8a7b6c50",
        text=text,
        abstained=not claims,
        citations=citations,
        unread=(),
        cached=False,
        generation=Generation("drafting", "1", "v"),
        timings_ms={},
    )
    saying.rest_of(answer)
    assert tuple(said) == answer.sentences
    assert answer.abstained or " ".join(sentence.text for sentence in said) == text


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        BOTH,
        Question("How many tickets were there in May, and how many in June?"),
        Question("How many days of paid leave does every employee have, and who discovered Uranus?"),
    ],
    ids=lambda question: question.text[-30:],
)
def test_what_quotes_and_reads_cells_is_said_as_it_is_answered(start, question):
    engine = start()
    said, answer = said_and_answered(engine, question)
    check_that_what_was_said_is_the_answer(said, answer)
    assert engine.ask(question).text == answer.text


@pytest.mark.parametrize(("family", "name"), [("blip2-t5", "blip2"), ("idefics3", "vlm")])
def test_what_a_tiny_checkpoint_says_is_said_as_it_is_answered(start, tmp_path, monkeypatch, family, name):
    checkpoint = make_checkpoint(family, tmp_path / "model")
    engine = start(generator_model=str(checkpoint), generator_tokens=40)
    stages = replace(engine._stages, grounder=Believing(), fallback=None)  # noqa: SLF001 - noise is never grounded
    served = stages.generator.loaded()
    monkeypatch.setattr(type(served), "decode", lambda _, tokens: in_sentences(tokens))
    asking = Asking(stages, limits=engine._limits)  # noqa: SLF001 - as above
    said = []
    answer = asking.ask(QUESTION, said=said.append)
    assert answer.generation.generator == name
    assert len(said) > 1
    check_that_what_was_said_is_the_answer(said, answer)
    assert asking.ask(QUESTION).text == answer.text
    asking.journal.close()


def test_what_a_server_says_is_said_as_it_is_answered(start):
    def script(reply, _):
        reply.streams(
            "Every employee has 28 days ", "of paid leave. The prin", "ter is on floor 3. It is", " red."
        )

    with scripted(script) as (address, _):
        engine = start(generator="openai", openai_base_url=address, generator_model="m")
        said, answer = said_and_answered(engine, BOTH)
        check_that_what_was_said_is_the_answer(said, answer)
        assert [sentence.text for sentence in said] == [
            "Every employee has 28 days of paid leave. [1]",
            "The printer is on floor 3. [1]",
        ]
        assert engine.ask(BOTH).text == answer.text


def test_a_sentence_is_said_before_the_next_is_drafted_and_what_nothing_supports_never(start):
    model = Drafting(LEAVE, "It has 99 floors.", PRINTER)
    said = model.said
    answer = start(model).ask(BOTH, said=said.append)
    first, second = f"{LEAVE} [1]", f"{PRINTER} [1]"
    assert model.said_before == [[], [first], [first], [first, second]]
    check_that_what_was_said_is_the_answer(said, answer)


def test_where_nothing_is_supported_only_the_fallback_is_heard(start):
    said, answer = said_and_answered(start(Drafting("It has 99 floors.")), QUESTION)
    assert answer.generation.generator == "extractive"
    check_that_what_was_said_is_the_answer(said, answer)


def test_an_abstention_says_nothing(start):
    said, answer = said_and_answered(start(), Question("Who discovered Uranus?"))
    assert answer.abstained
    assert said == []


def test_what_was_said_of_a_draft_that_breaks_off_stands_and_is_not_kept_for_others(start):
    model = Drafting(LEAVE, GenerationFailed("it did not answer in time"))
    engine = start(model, cache_bytes=1_000_000)
    said, answer = said_and_answered(engine, BOTH)
    assert answer.text == f"{LEAVE} [1]"
    assert answer.generation.note == "drafting broke off before its end: it did not answer in time"
    check_that_what_was_said_is_the_answer(said, answer)
    model.drafts = (LEAVE, PRINTER)
    said, answer = said_and_answered(engine, BOTH)
    assert not answer.cached
    assert answer.text == f"{LEAVE} [1] {PRINTER} [1]"
    check_that_what_was_said_is_the_answer(said, answer)
    said, answer = said_and_answered(engine, BOTH)
    assert answer.cached
    check_that_what_was_said_is_the_answer(said, answer)


class LeftError(Exception):
    """Nobody listens any more."""


def test_who_leaves_in_the_middle_stops_the_model(start):
    def leave(_):
        raise LeftError

    model = Drafting(LEAVE, PRINTER)
    with pytest.raises(LeftError):
        start(model).ask(BOTH, said=leave)
    assert len(model.said_before) == 1


def test_who_makes_the_pieces_is_stopped_at_once_where_a_claim_is_refused():
    ended = []

    def pieces():
        try:
            yield "One. "
            yield "Two. "
            yield "Three."
        finally:
            ended.append(True)

    def refuse(_):
        raise LeftError

    with pytest.raises(LeftError):
        draft_of(claims_of(pieces(), cut_off=lambda: False), refuse)
    assert ended == [True]
