from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval import lexical
from mmrag.retrieval.lexical import LexicalIndex
from mmrag.retrieval.pictures import MOST_WORDS, WEIGHT, weighted_words, with_titles

CHART = "Support tickets per month\nJan: 342\nFeb: 318\n"


def first(asked, most):
    """As if each word were as rare as any."""
    return list(asked)[:most]


def search(retriever, question, *attached, collections=("team",), k=3):
    hits = retriever.search(question, collections=collections, k=k, attached=attached)
    return [hit.chunk.text for hit in hits]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ticket", "august", "target"])), st.lists(st.text(max_size=40), max_size=4))
def test_each_word_of_the_question_weighs_more_than_any_that_only_pictures_hold(asked, pictures):
    weights = weighted_words(asked, pictures, rarest=first)
    assert all(weights[word] >= asked.count(word) for word in asked)
    assert all(weight == WEIGHT for word, weight in weights.items() if word not in asked)
    assert len(weights) <= len(set(asked)) + MOST_WORDS


def test_without_a_picture_the_question_is_as_it_is():
    assert weighted_words(["a", "b", "a"], [], rarest=first) == {"a": 2, "b": 1}
    assert with_titles("Is this more?", []) == "Is this more?"


def test_a_question_that_points_at_the_picture_is_embedded_with_its_title():
    assert with_titles("Is this more?", [CHART]) == "Is this more?\nSupport tickets per month"
    plain = "How many days of annual leave does the handbook grant?"
    assert with_titles(plain, [CHART]) == plain


def test_a_picture_names_the_topic_that_the_question_leaves_out(feed, retriever):
    feed.add(
        "team", "The target is 145 euros a night.", "The target is 400 support tickets.", "Lunch is at noon."
    )
    assert search(retriever, "Is August above our target?", CHART)[0] == "The target is 400 support tickets."


def test_a_picture_of_something_else_does_not_drown_the_question(feed, retriever):
    feed.add(
        "team", "Everyone has 27 days of annual leave.", *(f"Report {n}: server rack load" for n in range(9))
    )
    screenshot = "Error\n" + " ".join(f"server rack load report {n} memory disk" for n in range(300))
    found = search(retriever, "How many days of annual leave does everyone have?", screenshot)
    assert found[0] == "Everyone has 27 days of annual leave."


def test_chinese_pictures_name_their_topic_too(feed, retriever):
    feed.add("team", "目标是每晚一百四十五欧元。", "目标是四百张客服工单。", "午餐在中午。")
    assert search(retriever, "八月超过目标了吗？", "每月客服工单\n一月: 342")[0] == "目标是四百张客服工单。"


def test_of_a_long_picture_the_rarest_words_that_somebody_wrote_are_taken():
    common = [f"common{number}" for number in range(200)]
    index = LexicalIndex.empty().with_rows(range(4), [*[" ".join(common)] * 3, "ERR-4042 needs a restart"])
    picture = f"{' '.join(common)} misr3ad ERR-4042"
    weights = weighted_words([], [picture], rarest=partial(lexical.rarest, [index]))
    assert len(weights) == MOST_WORDS
    assert list(weights)[:3] == ["err", "4042", "err4042"]
    assert "misr3ad" not in weights
