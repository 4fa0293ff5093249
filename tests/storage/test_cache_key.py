"""Two questions share a cache key only where one answer is right for both."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.cache_key import cache_key
from mmrag.types import Attachment, Turn

# Few letters, and those that separators are made of: tricks with concatenation come up often.
TEXT = st.text(st.sampled_from('a"[],\\0😀\ud83d\ude00'), max_size=4)
QUESTIONS = st.fixed_dictionaries(
    {
        "text": TEXT,
        "collections": st.lists(TEXT, max_size=3),
        "history": st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), TEXT), max_size=3),
        "attachments": st.lists(
            st.builds(Attachment, TEXT, st.binary(max_size=2), st.none() | TEXT), max_size=2
        ),
        "index_version": TEXT,
        "generator_version": TEXT,
    }
)


def meaning(question):
    return question | {"collections": frozenset(question["collections"])}


@given(QUESTIONS, QUESTIONS)
@settings(deadline=None, max_examples=300)
def test_keys_are_equal_exactly_when_the_questions_are(one, other):
    assert (cache_key(**one) == cache_key(**other)) == (meaning(one) == meaning(other))


@given(QUESTIONS, st.data())
@settings(deadline=None)
def test_the_order_of_collections_does_not_matter(question, data):
    shuffled = question | {"collections": data.draw(st.permutations(question["collections"]))}
    assert cache_key(**shuffled) == cache_key(**question)


PARTS = ["text", "collections", "history", "attachments", "index_version", "generator_version"]


@given(QUESTIONS, QUESTIONS, st.sampled_from(PARTS))
@settings(deadline=None, max_examples=300)
def test_each_part_matters_by_itself(question, other, part):
    changed = question | {part: other[part]}
    assert (cache_key(**changed) == cache_key(**question)) == (meaning(changed) == meaning(question))


def test_the_order_of_the_thread_and_of_attachments_matters():
    question = {"text": "a", "collections": ["c"], "index_version": "1", "generator_version": "g"}
    turns = [Turn("user", "x"), Turn("assistant", "y")]
    files = [Attachment("a.png", b"1"), Attachment("b.png", b"2")]
    keys = {
        cache_key(**question, history=history, attachments=attachments)
        for history in (turns, turns[::-1])
        for attachments in (files, files[::-1])
    }
    assert len(keys) == 4


def test_a_picture_counts_by_what_it_shows_and_white_space_not_at_all():
    def key(text, data, pixels):
        return cache_key(
            text=text,
            collections=["c"],
            history=(),
            attachments=[Attachment("chart.png", data)],
            pixels=[pixels],
            index_version="1",
            generator_version="g",
        )

    assert key("How  many?\n", b"one encoding", "same") == key("How many?", b"another", "same")
    assert key("How many?", b"x", "same") != key("How many?", b"x", "other")
    assert key("How many?", b"x", None) != key("How many?", b"y", None)
