"""What a model is told: within its budget, by rank, and nothing of it can leave its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrag.errors import GenerationFailed
from mmrag.generation.drafts import claims_of
from mmrag.generation.inert import Inert
from mmrag.generation.prompting import CHAT, NO_ANSWER, PLAIN, written
from mmrag.types import Chunk, Claim, Hit, Prompt, Turn

SPECIALS = ("<image>", "</s>", "<|im_end|>", "[INST]", "BOS")


def words(text):
    return len(text.split())


def claims_in(text, *, cut_off=False):
    return list(claims_of([text], cut_off=lambda: cut_off))


def test_sources_are_numbered_as_the_hits_are_and_stand_one_on_a_line(hit):
    prompt = Prompt("How many?", (hit("One\ntwo", title="A"), hit("three", title="B", number=2)))
    assert written(prompt, PLAIN, count=words, budget=100) == (
        "Context:\n[1] (A) One two\n[2] (B) three\nQuestion: How many?\nAnswer:"
    )


def test_what_was_read_from_a_picture_stands_before_the_other_sources(hit):
    read = hit("Sales 42", title="chart.png", kind="figure", origin="attachment", number=2)
    prompt = Prompt("How many?", (hit("three", title="B"), read))
    lines = written(prompt, PLAIN, count=words, budget=100).splitlines()
    assert lines[0] == "Picture: [2] (chart.png) Sales 42"
    assert lines[2] == "[1] (B) three"


def test_the_thread_comes_oldest_first_and_the_latest_turns_are_kept(hit):
    history = (Turn("user", "old " * 40), Turn("user", "What of March?"), Turn("assistant", "It was 7."))
    prompt = Prompt("And April?", (hit("three"),), history)
    lines = written(prompt, PLAIN, count=words, budget=60).splitlines()
    assert lines[-5:] == [
        "Before:",
        "asked: What of March?",
        "answered: It was 7.",
        "Question: And April?",
        "Answer:",
    ]


def test_a_chinese_question_is_told_to_be_answered_in_chinese():
    text = written(Prompt("预算是多少？", ()), CHAT, count=len, budget=1_000)
    assert "请用中文" in text
    assert NO_ANSWER[True] in text


def test_a_question_longer_than_the_budget_is_refused_and_not_cut():
    with pytest.raises(GenerationFailed, match="too long"):
        written(Prompt("why " * 50, ()), PLAIN, count=words, budget=40)


@given(
    texts=st.lists(st.text(max_size=300), max_size=5),
    turns=st.lists(st.text(max_size=100), max_size=3),
    budget=st.integers(12, 200),
)
def test_a_prompt_keeps_to_its_budget_and_keeps_question_and_tail(hit_of, texts, turns, budget):
    hits = tuple(hit_of(text, number) for number, text in enumerate(texts, start=1))
    prompt = Prompt("How many are there?", hits, tuple(Turn("user", text) for text in turns))
    text = written(prompt, PLAIN, count=words, budget=budget)
    assert words(text) <= budget
    assert text.endswith("Question: How many are there?\nAnswer:")
    numbers = [line.split("]")[0] for line in text.splitlines() if line.startswith("[")]
    assert numbers == [f"[{number}" for number in range(1, len(numbers) + 1)]  # by rank, without a gap


@pytest.fixture(scope="module")
def hit_of():
    def make(text, number):
        chunk = Chunk(number, "d", 1, 0, len(text), text)
        return Hit(chunk, "Title", "test", number, 1.0, ("bm25",))

    return make


@given(
    st.lists(
        st.sampled_from([*SPECIALS, "<", ">", "im", "age", "\u200b", "\n", "[1]", "B", "OS", " x"])
        | st.text()
    )
)
def test_inert_text_has_no_special_token_no_line_end_and_no_source_number(parts):
    text = Inert(SPECIALS)("".join(parts))
    assert not any(token.casefold() in text.casefold() for token in SPECIALS)
    assert len(text.splitlines()) <= 1
    assert "[1]" not in text


@pytest.mark.parametrize(
    "text", ["Costs rose by 4 % (see A. Smith).", "预算是 700 万元。", "a < b and c > d", "x = y[i]"]
)
def test_plain_text_stays_as_it_is(text):
    assert Inert(SPECIALS)(text) == text


def test_labels_of_the_prompt_are_no_labels_in_a_text():
    assert Inert()("Fine. Answer: 42 问题：多少") == "Fine. Answer - 42 问题 -多少"


def test_a_draft_is_taken_apart_into_claims_without_the_models_own_markers():
    claims = claims_in("Answer: It rose to 42 [1]. It rose to 42. The target is 40 [2, 3].")
    assert claims == [Claim("It rose to 42."), Claim("The target is 40.")]


def test_a_model_that_does_not_know_drafts_nothing():
    assert claims_in("NO ANSWER") == []
    assert claims_in("没有答案。") == []


def test_a_sentence_that_was_cut_off_is_left_out():
    assert claims_in("It rose. It fell by", cut_off=True) == [Claim("It rose.")]
    assert len(claims_in("It rose. It fell by")) == 2


def test_claims_come_as_soon_as_they_are_whole():
    taken = []

    def pieces():
        for piece in ("It ro", "se to 42. It", " fell. The end"):
            taken.append(piece)
            yield piece

    claims = claims_of(pieces(), cut_off=lambda: False)
    assert next(claims).text == "It rose to 42."
    assert taken == ["It ro", "se to 42. It"]
    assert [claim.text for claim in claims] == ["It fell.", "The end"]
