from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmrag.text.display import shorten_quote


@given(st.text(alphabet="ab 退货", max_size=120), st.integers(12, 100))
def test_a_short_quote_stays_and_a_long_one_keeps_both_ends_within_the_limit(text, most):
    quote = " ".join(text.split())
    shown = shorten_quote(quote, most)
    assert len(shown) <= most
    if len(quote) <= most:
        assert shown == quote
    else:
        head, tail = shown.split(" … ")
        assert head
        assert tail
        assert quote.startswith(head)
        assert quote.endswith(tail)


def test_words_stay_whole():
    quote = "Support tickets per month, 2025 " + "600 500 400 " * 20 + "Jan: 312 Feb: 298 Aug: 547"
    assert shorten_quote(quote, 60) == "Support tickets per month, … Jan: 312 Feb: 298 Aug: 547"
