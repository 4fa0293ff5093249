"""Neighbouring chunks as one passage: pages cut by the real chunker, any of the chunks found."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.engine.joining import MOST_CHARS, joined
from mmrag.ports import StoredPage
from mmrag.reading.chunking import SentenceChunker
from mmrag.types import Chunk, Heading, Hit, Page, Question, Source, Table

CHUNKER = SentenceChunker(count_tokens=lambda text: len(text.split()), target_tokens=12)


def stored(page, document_id="d"):
    """A page as the store gives it, cut into chunks of about twelve words."""
    drafts = CHUNKER.chunk([page], title="Title")
    return StoredPage(
        page.text,
        tuple(
            Chunk(100 + n, document_id, page.number, d.start, d.end, d.text, d.context, d.kind)
            for n, d in enumerate(drafts)
        ),
    )


def found(page, *places, origin="collection"):
    """Hits of these chunks, the first named the best."""
    return [
        Hit(page.chunks[place], "Title", "test:d", rank, 1 / rank, (f"finder {place}",), origin)
        for rank, place in enumerate(places, start=1)
    ]


def join(page, hits):
    return joined(hits, lambda document_id, number: page if (document_id, number) == ("d", 1) else None)


def sentence(number):
    return f"Gateway {number} was moved to another rack in the year {2000 + number}."


def prose(count):
    return " ".join(sentence(number) for number in range(count))


@st.composite
def pages(draw):
    """Headings, prose that leans on what stands before, introductions, tables; in two languages."""
    text, headings, tables = "", [], []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            headings.append(Heading(len(text), 1, "A heading"))
            text += "A heading\n\n"
        for _ in range(draw(st.integers(0, 6))):
            text += draw(
                st.sampled_from(
                    [prose(1), prose(3), "It was moved.", "These are:", "它在夜间重启。", "网关在柏林。\n"]
                )
            )
            text += draw(st.sampled_from([" ", "\n", "\n\n  "]))
        if draw(st.booleans()):
            rows = (("Rack", "Load"), ("one", "17"))
            start = len(text)
            text += "Rack | Load\none | 17"
            tables.append(Table(rows, start, len(text)))
            text += "\n\n"
    return stored(Page(1, text, tuple(headings), tuple(tables)))


@settings(deadline=None, max_examples=80)
@given(pages(), st.data())
def test_passages_are_verbatim_disjoint_and_hold_each_found_chunk_once(page, data):
    order = data.draw(st.permutations(range(len(page.chunks))))
    places = order[: data.draw(st.integers(0, len(order)))]
    hits = found(page, *places)
    passages = join(page, hits)

    for passage in passages:
        chunk = passage.chunk
        assert chunk.text == page.text[chunk.start : chunk.end]
        held = [hit for hit in hits if chunk.start <= hit.chunk.start and hit.chunk.end <= chunk.end]
        assert (chunk.id, passage.rank) == (held[0].chunk.id, held[0].rank)
        assert set(passage.retrievers) == {name for hit in held for name in hit.retrievers}
        parts = [part for part in page.chunks if chunk.start <= part.start and part.end <= chunk.end]
        assert {(part.kind, part.context) for part in parts} == {(chunk.kind, chunk.context)}
        assert len(parts) == 1 or (chunk.kind == "text" and chunk.end - chunk.start <= MOST_CHARS)
    spans = sorted((passage.chunk.start, passage.chunk.end) for passage in passages)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(sum(start <= hit.chunk.start < end for start, end in spans) == 1 for hit in hits)
    assert [passage.rank for passage in passages] == sorted(passage.rank for passage in passages)
    assert join(page, passages) == passages


def test_two_neighbours_become_one_passage_at_the_place_of_the_better():
    page = stored(Page(1, prose(6)))
    (passage,) = join(page, found(page, 2, 1))
    assert passage.chunk.text == f"{page.chunks[1].text} {page.chunks[2].text}"
    assert passage.chunk.id == page.chunks[2].id
    assert passage.retrievers == ("finder 2", "finder 1")


def test_chunks_with_another_between_them_stay_apart():
    page = stored(Page(1, prose(6)))
    hits = found(page, 0, 2)
    assert join(page, hits) == tuple(hits)


def test_neighbours_under_different_headings_stay_apart():
    text = f"Spain\n\n{prose(1)}\n\nFrance\n\n{prose(1)}"
    page = stored(Page(1, text, (Heading(0, 1, "Spain"), Heading(text.index("France"), 1, "France"))))
    hits = found(page, 0, 1)
    assert join(page, hits) == tuple(hits)


def test_a_chunk_that_leans_back_brings_the_one_before_though_nobody_found_it():
    page = stored(Page(1, f"{sentence(1)} It draws forty watts while it is idle."))
    (passage,) = join(page, found(page, 1))
    assert passage.chunk.text == page.text
    assert passage.chunk.id == page.chunks[1].id


def test_an_introduction_brings_what_it_introduces():
    page = stored(Page(1, "When a rack is moved, these people are told:\n\n- the owner of the gateway"))
    assert len(page.chunks) == 2
    (passage,) = join(page, found(page, 0))
    assert passage.chunk.text == page.text


def test_a_passage_ends_where_it_would_become_too_long():
    page = stored(Page(1, prose(80)))
    passages = join(page, found(page, *range(len(page.chunks))))
    assert len(passages) > 1
    assert all(len(passage.chunk.text) <= MOST_CHARS for passage in passages)
    assert max(len(passage.chunk.text) for passage in passages) > MOST_CHARS - 100


def test_what_changed_or_went_meanwhile_is_left_as_it_was_found():
    page = stored(Page(1, prose(4)))
    hits = found(page, 0, 1)
    assert join(stored(Page(1, f"New. {prose(4)}")), hits) == tuple(hits)
    assert joined(hits, lambda *_: None) == tuple(hits)


def test_what_came_with_the_question_is_no_page_of_the_store():
    page = stored(Page(1, prose(4)))
    hits = found(page, 0, 1, origin="attachment")
    assert join(page, hits) == tuple(hits)


TAXI = (
    "# Travel\n\nTrains are booked by the office at least one week ahead, and always in the second class.\n\n"
    "A taxi from the airport is taken by anyone who carries more than two heavy cases of equipment or tools. "
    "It is paid up to 45 euros, and its receipt goes to the finance team before the end of the month.\n"
)


def test_an_answer_leans_on_the_chunk_before_it_and_cites_a_live_one(start_engine):
    engine = start_engine(chunk_tokens=32)
    report = engine.add(Source("travel.md", TAXI.encode(), "test:travel"), collection="default")
    assert report.chunks >= 3

    answer = engine.ask(Question("Up to how many euros is a taxi from the airport paid?"))

    (citation,) = answer.citations
    assert "45 euros" in answer.text
    assert "A taxi from the airport" in answer.text
    assert citation.quote in TAXI
    assert citation.document_id == report.document_id
    assert engine.ask(Question("Up to how many euros is a taxi from the airport paid?")).id == answer.id


def test_search_shows_the_chunks_themselves(start_engine):
    engine = start_engine(chunk_tokens=32)
    engine.add(Source("long.txt", prose(12).encode(), "test:long"), collection="default")
    hits = engine.search(Question("Which gateway was moved?"), k=8).hits
    spans = sorted((hit.chunk.start, hit.chunk.end) for hit in hits)
    assert len(spans) > 3
    assert max(end - start for start, end in spans) < 200
