from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval.passages import rank_passages
from mmrag.types import Chunk, Hit


def passage(text, number=0, title="report.pdf", context=""):
    chunk = Chunk(
        id=-number, document_id="", page=1, start=0, end=len(text), text=text, context=context, kind="text"
    )
    return Hit(chunk, title, "", number, 0.0, (), origin="attachment")


def ranked(question, *texts, k=10):
    return [hit.chunk.text for hit in rank_passages(question, [passage(text) for text in texts], k=k)]


def test_the_passage_that_answers_comes_first():
    texts = ["Costs rose in March.", "Revenue in Q3 was 4.2M.", "The office moved."]
    assert ranked("What was revenue in Q3?", *texts)[0] == texts[1]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_attached_files_the_right_one_comes_first(order):
    texts = ["Revenue by quarter: Q1 3, Q2 4", "Headcount by team: Sales 5, Support 9"][::order]
    assert ranked("How many people are in support?", *texts)[0].startswith("Headcount")
    assert ranked("What was the revenue?", *texts)[0].startswith("Revenue")


def test_a_chart_that_shares_no_word_is_kept_and_comes_last():
    assert ranked("What was the revenue?", "41 58 77", "revenue fell") == ["revenue fell", "41 58 77"]
    assert ranked("What is the highest bar?", "41 58 77") == ["41 58 77"]


def test_the_title_and_the_heading_help_to_find_a_passage():
    passages = [passage("41 58", title="a.png"), passage("77 12", context="Revenue by region")]
    assert rank_passages("revenue by region", passages, k=1)[0].chunk.text == "77 12"


def test_chinese_passages_are_ranked():
    assert ranked("退款多久到账？", "发票可以补开。", "退款七天到账。")[0] == "退款七天到账。"


@pytest.mark.parametrize("texts", [[], [""], ["", "。"], ["same", "same"]])
@pytest.mark.parametrize("question", ["", "what?", "same"])
def test_odd_passages_and_questions_are_no_fault(question, texts):
    assert len(ranked(question, *texts)) == len(texts)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text("ab 。中x", max_size=12), max_size=8), st.text("abx中 ", max_size=8), st.integers(1, 9)
)
def test_ranks_count_up_scores_fall_and_nothing_is_lost(texts, question, k):
    hits = rank_passages(question, [passage(text, i) for i, text in enumerate(texts)], k=k)
    assert [hit.rank for hit in hits] == list(range(1, min(k, len(texts)) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score >= 0 and hit.retrievers == ("attachment",) for hit in hits)
    assert len({hit.chunk.id for hit in hits}) == len(hits)
    assert all(hit.origin == "attachment" for hit in hits)
