"""What is shown in Discord: laws of escaping and splitting."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from bots.discord.cards import CONTENT_CHARS, answer_messages, cut
from bots.discord.commands import commands, differ
from bots.discord.markup import escape, plain_words, size
from mmrag.types import Answer, Citation, Generation

WORDS = st.lists(st.sampled_from("leave days of the handbook says 28 per year ．退货 😀".split()), min_size=1)
PARAGRAPHS = st.lists(WORDS.map(" ".join), min_size=1, max_size=400).map("\n\n".join)


def answer_of(text):
    return Answer(
        id="a1",
        text=text,
        abstained=False,
        citations=(Citation(1, "d", "Handbook", 2, "https://wiki.example/handbook", "28 days", 1),),
        unread=(),
        cached=False,
        generation=Generation("quick", "none", "v"),
        timings_ms={"total": 1.0},
    )


@settings(max_examples=60, deadline=None)
@given(PARAGRAPHS)
def test_a_split_answer_says_all_its_words_in_order_within_the_limits(text):
    messages = answer_messages(answer_of(text))
    assert all(size(message.content) <= CONTENT_CHARS for message in messages)
    assert " ".join(message.content for message in messages).split() == text.split()
    assert [bool(message.embeds) for message in messages] == [False] * (len(messages) - 1) + [True]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=200))
def test_what_is_escaped_reads_as_it_was_written(text):
    words = text.split()
    shown = plain_words(escape(" ".join(words))).split()
    if not any(sign in text for sign in ("@", "<", ":", "www", "\\")):  # some of these are shown otherwise
        assert shown == words


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.integers(20, 200))
def test_a_text_is_cut_to_its_limit_with_no_fence_open(text, most):
    shown = cut(text, most)
    assert size(shown) <= most
    assert shown == text or shown.count("```") % 2 == 0


def test_a_table_stays_readable_where_there_are_no_tables():
    (message,) = answer_messages(
        answer_of("| month | tickets |\n|---|---|\n| Aug | 547 [1] |\n| 九月 | 401 |")
    )
    assert message.content == ("```\nmonth  tickets\n-----  -------\nAug    547 [1]\n九月   401\n```")


def test_commands_differ_only_where_something_that_is_ours_has_changed():
    def told(command):
        return command | {"id": str(random.Random(1).random()), "version": "1", "nsfw": False}

    known = [told(command) for command in commands()]
    assert not differ(known, commands())
    assert differ(known[1:], commands())
    known[0] = known[0] | {"description": "old"}
    assert differ(known, commands())
