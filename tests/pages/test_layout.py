"""A page's text as blocks: nothing is lost, nothing is said twice, and what is marked is the quote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmrag.ports import StoredPage
from mmrag.service.pages.layout import Quote, find_quote, lay_out
from mmrag.types import Chunk, Citation

pieces = st.sampled_from(
    ["word", "two words", "a | b", " | ", "- item", "\n", "\n\n", "  ", "Leave", "年假", "."]
)


def runs_of(blocks):
    for block in blocks:
        for line in [*block.lines, *(cell for row in block.rows for cell in row)]:
            yield from line
        yield from runs_of(block.parts)


def visible(text):
    return "".join(c for c in text if not c.isspace() and c not in "|-")


def page_of(text, *, pictures=()):
    chunks = [
        Chunk(n, "d", 1, a, b, text[a:b], "Title > Leave", "figure", f"figure-{n}") for n, a, b in pictures
    ]
    return StoredPage(text, (Chunk(99, "d", 1, 0, len(text), text, "Title > Leave"), *chunks))


@given(st.lists(pieces, max_size=25).map("".join), st.data())
def test_every_character_is_laid_out_once_and_those_of_the_quote_are_marked(text, data):
    places = st.integers(0, len(text))
    start, end = sorted([data.draw(places), data.draw(places)])
    spans = sorted(data.draw(st.lists(places, min_size=4, max_size=4, unique=True))) if len(text) > 3 else []
    pictures = [(n, a, b) for n, (a, b) in enumerate(zip(spans[::2], spans[1::2], strict=True))]
    runs = list(runs_of(lay_out(page_of(text, pictures=pictures), Quote(start, end))))
    assert visible("".join(run.text for run in runs)) == visible(text)
    assert visible("".join(run.text for run in runs if run.quoted)) == visible(text[start:end])
    assert sum(run.first for run in runs) == (1 if any(run.quoted for run in runs) else 0)


def test_headings_lists_tables_and_pictures_are_known():
    text = "Leave\n\nEverybody has it.\n\n- one\n- two\n\nName | Days\nAna | 28\n\nA chart\n\nthe end"
    chart = text.index("A chart")
    blocks = lay_out(page_of(text, pictures=[(1, chart, chart + 7)]))
    kinds = [(block.kind, block.text) for block in blocks]
    assert kinds == [
        ("heading", "Leave"),
        ("paragraph", "Everybody has it."),
        ("items", "one two"),
        ("table", "Name Days Ana 28"),
        ("picture", "A chart"),
        ("paragraph", "the end"),
    ]
    assert blocks[4].name == "figure-1"


def test_of_words_that_stand_twice_those_in_the_cited_chunk_are_marked():
    text = "It is so. Here. It is so."
    chunks = (Chunk(1, "d", 1, 0, 9, text[:9]), Chunk(2, "d", 1, 16, 25, text[16:]))
    citation = Citation(1, "d", "T", 1, "u", "It is so.", 2)
    assert find_quote(StoredPage(text, chunks), citation) == Quote(16, 25)
    gone = Citation(1, "d", "T", 1, "u", "It was so.", 2)
    assert find_quote(StoredPage(text, chunks), gone) == Quote(0, 0)
