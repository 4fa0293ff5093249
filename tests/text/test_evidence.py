"""What a model said about a picture helps to find it and supports nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmrag.text.chart_text import CAPTION, LEGEND
from mmrag.text.evidence import evidence
from mmrag.types import Chunk, Hit

LINES = st.lists(
    st.sampled_from([f"{CAPTION}boats at …", LEGEND, "Oslo: ※547", "", "a harbour"])
    | st.text(st.characters(exclude_characters="\n"), max_size=9)
).map("\n".join)


def hit(text, kind):
    return Hit(Chunk(1, "d", 1, 0, len(text), text, kind=kind), "", "", 1, 1.0, ())


@given(LINES)
def test_captions_are_blanked_and_every_other_character_stays_in_its_place(text):
    (seen,) = evidence([hit(text, "figure")])
    lines = zip(text.split("\n"), seen.chunk.text.split("\n"), strict=True)
    for before, after in lines:
        if before.startswith(CAPTION) or before == LEGEND:
            assert after == " " * len(before)
        else:
            assert after == before


@given(LINES)
def test_text_that_is_no_figure_is_what_it_is(text):
    assert evidence([hit(text, "text")]) == (hit(text, "text"),)
