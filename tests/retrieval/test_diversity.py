from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval.diversity import PAGE_CHARS, PER_DOCUMENT, PER_PAGE, diversified, is_diverse
from mmrag.types import Chunk, Hit

LONG = (
    "Anyone who leaves the building last closes the windows, switches the lights off and sets the alarm. " * 2
)


def hit(number, text=None, *, document="d", page=1, start=0, context="", kind="text"):
    text = f"text {number}" if text is None else text
    chunk = Chunk(number, document, page, start, start + len(text), text, context, kind)
    return Hit(chunk, document, document, number, 1 / number, ("bm25",))


def shown(hits, k):
    return [found.chunk.id for found in diversified(hits, k)]


hits_of_few_documents = st.lists(
    st.tuples(
        st.sampled_from(["alpha", "alpha beta", "beta", LONG, f"{LONG} and more", f"so {LONG}"]),
        st.sampled_from("de"),
        st.integers(1, 2),
        st.sampled_from([0, 100, 2 * PAGE_CHARS]),
        st.sampled_from(["", "Heading"]),
        st.sampled_from(["text", "text", "table", "correction"]),
    ),
    max_size=16,
).map(
    lambda rows: [
        hit(number, text, document=document, page=page, start=start, context=context, kind=kind)
        for number, (text, document, page, start, context, kind) in enumerate(rows, start=1)
    ]
)


@settings(deadline=None, max_examples=60)
@given(hits_of_few_documents, st.integers(1, 20))
def test_k_hits_come_where_there_are_k_each_once_with_the_best_first(hits, k):
    found = diversified(hits, k)
    assert len(found) == min(k, len(hits))
    assert len({one.chunk.id for one in found}) == len(found)
    assert {one.chunk.id for one in found} <= {one.chunk.id for one in hits}
    assert [one.rank for one in found] == list(range(1, len(found) + 1))
    assert [one.chunk for one in found[:1]] == [one.chunk for one in hits[:1]]


@settings(deadline=None, max_examples=60)
@given(hits_of_few_documents, st.integers(1, 20))
def test_done_twice_it_changes_nothing_more(hits, k):
    once = diversified(hits, k)
    assert diversified(once, k) == once


@settings(deadline=None, max_examples=60)
@given(hits_of_few_documents, st.integers(1, 20))
def test_fewer_hits_are_the_first_of_more(hits, k):
    assert diversified(hits, k) == diversified(hits, 20)[:k]


@settings(deadline=None, max_examples=60)
@given(hits_of_few_documents)
def test_what_waits_comes_behind_what_does_not_and_each_keeps_its_order(hits):
    ids = shown(hits, 20)
    descents = sum(later < earlier for earlier, later in pairwise(ids))
    assert descents <= 2  # shown; crowded; repeated


@given(hits_of_few_documents, st.integers(0, 16))
def test_the_first_k_stay_whatever_follows_exactly_where_none_of_them_waits(hits, k):
    k = min(k, len(hits))
    first = [found.chunk.id for found in hits[:k]]
    new = [hit(100 + number, document=f"new {number}") for number in range(k)]
    assert is_diverse(hits[:k]) == (shown([*hits[:k], *new], k) == first)
    if is_diverse(hits[:k]):
        assert shown(hits, k) == first


def test_five_chunks_of_one_page_do_not_keep_others_out():
    crowd = [hit(number, start=100 * number) for number in range(1, 6)]
    others = [hit(10 + number, document=f"other {number}") for number in range(3)]
    assert shown([*crowd, *others], 5) == [1, 2, 3, 10, 11]
    assert shown([*crowd, *others], 8) == [1, 2, 3, 10, 11, 12, 4, 5]
    assert PER_PAGE == 3


def test_one_page_fills_all_places_where_nothing_else_is_left():
    assert shown([hit(number, start=100 * number) for number in range(1, 8)], 6) == [1, 2, 3, 4, 5, 6]


def test_a_long_format_without_pages_is_no_single_page():
    chapters = [hit(number, start=PAGE_CHARS * number) for number in range(1, 5)]
    assert shown([*chapters, hit(9, document="other")], 5) == [1, 2, 3, 4, 9]


def test_a_document_has_its_share_however_many_pages_it_has():
    pages = [hit(number, page=number) for number in range(1, 9)]
    assert shown([*pages, hit(20, document="other")], 6) == [1, 2, 3, 4, 5, 20]
    assert PER_DOCUMENT == 5


@pytest.mark.parametrize(
    "copy",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "\n  "),
        LONG.partition(" ")[2].strip(),
        "最后离开大楼的人要关上窗户、关掉电灯并且打开警报装置，钥匙要交给门卫，第二天早上再去取回来。",
    ],
    ids=["the same", "in capitals", "wrapped otherwise", "a part", "in Chinese"],
)
def test_what_repeats_a_better_one_waits_though_it_stands_elsewhere(copy):
    first = copy if copy.startswith("最") else LONG
    hits = [hit(1, first, context="A"), hit(2, copy, document="copy", context="B"), hit(3, document="new")]
    assert shown(hits, 2) == [1, 3]
    assert shown(hits, 3) == [1, 3, 2]


@pytest.mark.parametrize("other", [LONG.replace("last", "first"), f"{LONG} Since 2024.", LONG[:-3]])
def test_one_word_or_number_more_or_otherwise_is_no_repetition(other):
    assert shown([hit(1, LONG), hit(2, other, document="copy"), hit(3, document="new")], 2) == [1, 2]


def test_a_short_text_repeats_only_what_stands_under_the_same_heading():
    hits = [
        hit(1, "24 months.", document="a", context="Scales > Warranty"),
        hit(2, "24 months.", document="b", context="Monitors > Warranty"),
        hit(3, "24 months.", document="c", context="Scales > Warranty"),
    ]
    assert shown(hits, 3) == [1, 2, 3]
    assert shown([hits[0], hits[2], hits[1]], 3) == [1, 2, 3]


def test_a_correction_is_never_taken_for_a_repetition():
    hits = [hit(1, LONG), hit(2, LONG, document="correction", kind="correction"), hit(3, document="new")]
    assert shown(hits, 2) == [1, 2]
