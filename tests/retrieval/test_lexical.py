from __future__ import annotations

import random
from collections import Counter

import pytest
from rank_bm25 import BM25Okapi

from mmrag.retrieval import lexical
from mmrag.retrieval.lexical import LexicalIndex
from mmrag.text.words import content_words, words


def index_of(texts, first_id=0):
    return LexicalIndex.empty().with_rows(range(first_id, first_id + len(texts)), texts)


def search(indexes, question_words, *, depth, **options):
    """A word asked twice counts twice."""
    return [id_ for _, id_ in lexical.search(indexes, Counter(question_words), depth=depth, **options)]


def find(texts, question, depth=10):
    return search([index_of(texts)], content_words(question), depth=depth)


def topic_words(text, count, rng):
    """Content words: in text as in language the first few of the vocabulary are function words."""
    return rng.sample([word for word in text.split() if int(word[1:]) >= 100], count)


def made_up_texts(rows, seed=1):
    """Words as frequent as in a language (Zipf), texts of 20 to 120 of them."""
    rng = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(3000)]
    weights = [1 / (i + 1) for i in range(3000)]
    return [" ".join(rng.choices(vocabulary, weights, k=rng.randint(40, 120))) for _ in range(rows)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I reset ERR-4042?", 0),
        ("err4042", 0),
        ("getUserName", 1),
        ("user_name", 1),
        ("Which release is 2.13.0?", 2),
        ("退款需要多久？", 3),
        ("revenues of 4,200,000", 4),
    ],
)
def test_words_identifiers_numbers_and_chinese_are_found(question, expected):
    texts = [
        "When ERR-4042 appears, restart the gateway.",
        "Call get_user_name before the session starts.",
        "Since v2.13.0 exports are signed.",
        "退款将在七个工作日内到账。",
        "Revenue was 4200000 dollars.",
    ]
    assert find(texts, question)[0] == expected


def test_ranks_agree_with_an_independent_bm25():
    texts = made_up_texts(1500)
    tokens = [words(text) for text in texts]
    index, reference = index_of(texts), BM25Okapi(tokens, k1=1.2, b=0.75)
    rng = random.Random(2)
    overlaps = []
    for _ in range(60):
        question = topic_words(rng.choice(texts), 5, rng)
        scores = reference.get_scores(question)
        theirs = sorted(range(len(texts)), key=lambda i: -scores[i])[:10]
        overlaps.append(len(set(theirs) & set(search([index], question, depth=10))) / 10)
    assert sum(overlaps) / len(overlaps) >= 0.9


def test_what_is_spread_over_two_indexes_ranks_as_in_one():
    texts = made_up_texts(1200)
    whole, parts = [index_of(texts)], [index_of(texts[:1150]), index_of(texts[1150:], first_id=1150)]
    rng = random.Random(3)
    for _ in range(30):
        question = topic_words(texts[rng.randrange(1150, 1200)], 5, rng)
        one, two = (search(indexes, question, depth=10) for indexes in (whole, parts))
        assert one[0] == two[0]
        assert len(set(one) & set(two)) >= 8


def test_a_word_asked_twice_counts_twice():
    texts = ["apples and pears", "apples and plums"]
    assert find(texts, "pears plums plums") == [1, 0]
    assert find(texts, "pears pears plums") == [0, 1]


def test_removed_rows_do_not_take_up_the_places_of_live_ones():
    index = index_of(["the same words"] * 500 + ["the same words and a few more"])
    found = search([index], ["word"], depth=5, without=frozenset(range(500)))
    assert found == [500]


@pytest.mark.parametrize("question", ["", "?!", "zebra", "   "])
def test_a_question_without_known_words_finds_nothing(question):
    assert find(["apples and pears"], question) == []


def test_no_index_and_an_empty_index_find_nothing():
    assert search([], ["apple"], depth=5) == []
    assert search([LexicalIndex.empty()], ["apple"], depth=5) == []


def test_a_question_of_ten_thousand_words_is_answered():
    question = " ".join(f"w{i}" for i in range(10_000)) + " pears pears"
    assert find(["apples and plums", "apples and pears"], question) == [1]


def test_an_index_stays_as_it_was_when_rows_are_added():
    old = index_of(["apples"])
    new = old.with_rows([1], ["more apples"])
    assert search([old], ["appl"], depth=5) == [0]
    assert sorted(search([new], ["appl"], depth=5)) == [0, 1]


def test_large_ids_come_back_whole():
    index = LexicalIndex.empty().with_rows([2**53 + 1], ["apples"])
    assert search([index], ["appl"], depth=1) == [2**53 + 1]


def test_a_word_counts_by_its_weight():
    index = index_of(["apples and pears", "apples and plums"])
    for weights, expected in (({"pear": 1.0, "plum": 0.2}, [0, 1]), ({"pear": 0.2, "plum": 1.0}, [1, 0])):
        assert [id_ for _, id_ in lexical.search([index], weights, depth=2)] == expected


def test_the_rarest_words_are_those_of_the_fewest_rows_over_all_indexes():
    indexes = [index_of(["apples pears plums"]), index_of(["apples pears", "apples"], first_id=9)]
    assert lexical.rarest(indexes, ["appl", "zebra", "pear", "plum"], 2) == ["plum", "pear"]
    assert lexical.rarest(indexes, ["zebra"], 2) == []
    assert lexical.rarest([], ["appl"], 2) == []
