"""Markdown as a neutral tree and as Slack's markups: shown as meant, split where it may be, never acting."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.markup import Code, Marker, Paragraph, Words, parse, split, unlinked
from bots.slack.blocks import answer_messages
from bots.slack.delivery import _slices
from bots.slack.markup import to_markdown, to_mrkdwn
from tests.bots.test_render import ANSWER
from tests.trust.hostile_texts import PIECES
from tests.trust.live import faults

LINK = "https://wiki.example/a_b(c)"
LINKS = {1: LINK}


def markdown(text):
    return to_markdown(parse(text, frozenset(LINKS)), LINKS)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("It is **28** days.", "It is **28** days."),
        ("*maybe* ~~not~~ `x < 3`", "_maybe_ ~~not~~ `x &lt; 3`"),
        ("# Leave", "**Leave**"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("```py\nx = 1\n```", "```\nx = 1\n```"),
        ("> said", "> said"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("28 days [1].", "28 days [\\[1\\]](https://wiki.example/a%5Fb%28c%29)."),
        ("Hello![1]", "Hello\\![\\[1\\]](https://wiki.example/a%5Fb%28c%29)"),
        ("28 days [2].", "28 days \\[2\\]."),
        ("<b>loud</b>", "&lt;b&gt;loud&lt;/b&gt;"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("[here](https://evil.example)", "here (https\\[:\\]//evil.example)"),
        ("![a cat](https://evil.example/c.png)", "a cat"),
        ("2024. A good year", "2024. A good year"),
        ("年假为28天。[1]", "年假为28天。[\\[1\\]](https://wiki.example/a%5Fb%28c%29)"),
    ],
)
def test_markdown_is_shown_as_it_is_meant(written, shown):
    assert markdown(written) == shown


def test_old_clients_and_notifications_get_words():
    blocks = parse("# Leave\n\nIt is **28** days [1].\n\n- a\n- b", frozenset(LINKS))
    assert to_mrkdwn(blocks) == "Leave\n\nIt is 28 days [1].\n\n• a\n• b"


def test_an_address_in_a_text_is_taken_apart_and_can_still_be_read():
    assert (
        unlinked("see https://a.example and www.b.example") == "see https[:]//a.example and www[.]b.example"
    )
    assert unlinked("at 10:30, metadata: x, C://") == "at 10:30, metadata: x, C[:]//"


def test_a_marker_is_told_from_a_number_in_brackets():
    assert parse("[1] [7]", frozenset({1})) == (Paragraph((Marker(1), Words(" [7]"))),)


LONG = st.lists(
    st.sampled_from(
        [
            "A sentence of some words. " * 30,
            "```\n" + "line of code\n" * 60 + "```",
            "- item of a list\n" * 50,
            "| a | b |\n|---|---|\n" + "| cell | another |\n" * 60,
            "> a quotation " * 40,
            "x" * 1500,
            "退货要在15天内申请。" * 80,
        ]
    ),
    min_size=1,
    max_size=4,
).map("\n\n".join)


@settings(max_examples=40, deadline=None)
@given(LONG, st.integers(200, 900))
def test_every_part_of_a_long_text_fits_and_nothing_is_lost(text, most):
    blocks = parse(text, frozenset())
    parts = split(blocks, most=most, length=lambda some: len(to_markdown(some, {})))
    rendered = [to_markdown(part, {}) for part in parts]
    assert all(len(part) <= most for part in rendered)
    assert all(part.count("```") % 2 == 0 for part in rendered)
    words = re.findall(r"\w", to_mrkdwn(blocks))
    again = re.findall(r"\w", "".join(to_mrkdwn(part) for part in parts))
    header = sum(part.count("| a | b |") for part in rendered) - text.count("| a | b |")
    items = sum(isinstance(block, Code) for block in blocks)
    assert len(again) - 2 * max(header, 0) >= len(words) - items


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_what_is_streamed_piece_by_piece_is_the_text_and_never_acts(text):
    for message in answer_messages(replace(ANSWER, text=text)):
        pieces = _slices(message.markdown)
        assert "".join(pieces) == message.markdown
        for end in range(1, len(pieces) + 1):
            shown = {"markdown_text": "".join(pieces[:end])}
            assert faults(shown, links={"https://wiki.example/handbook"}) == []


def test_a_long_answer_is_several_messages_and_the_last_one_has_sources_and_buttons():
    messages = answer_messages(replace(ANSWER, text="A sentence about leave [1]. " * 900))
    assert len(messages) > 1
    assert all(len(message.markdown) <= 9_000 for message in messages)
    assert [bool(message.below) for message in messages] == [False] * (len(messages) - 1) + [True]
