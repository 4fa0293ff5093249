"""Answers as a layout, and foreign text that can't act or hide."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bots.console import Screen
from bots.conversation import Notice
from bots.render import SNIPPET_CHARS, Marker, lay_out, safe_link
from mmrag.text.display import neutralise, one_line
from mmrag.types import Answer, Citation, Generation, Unread

CITATION = Citation(
    marker=1,
    document_id="d1",
    title="Handbook",
    page=3,
    uri="https://wiki.example/handbook",
    quote="Everybody has 28 days.",
    chunk_id=7,
)
ANSWER = Answer(
    id="a1",
    text="Everybody has 28 days [1].",
    abstained=False,
    citations=(CITATION,),
    unread=(),
    cached=False,
    generation=Generation("extractive", "none", "v1"),
    timings_ms={"total": 412.4},
)


def test_markers_that_cite_are_told_from_brackets_that_do_not():
    layout = lay_out(replace(ANSWER, text="See [1], not [7] and not [1.5]."))
    assert layout.paragraphs == (("See ", Marker(1), ", not [7] and not [1.5]."),)


def test_blank_lines_separate_paragraphs_and_single_ones_stay():
    layout = lay_out(replace(ANSWER, text="\nOne [1]\nstill one.\n \nTwo.\n\n"))
    assert layout.paragraphs == (("One ", Marker(1), "\nstill one."), ("Two.",))


def test_a_source_has_marker_title_page_link_and_quote():
    [source] = lay_out(ANSWER).sources
    assert (source.marker, source.title, source.place) == (1, "Handbook", "page 3")
    assert source.link == "https://wiki.example/handbook"
    assert source.snippet == "Everybody has 28 days."


@pytest.mark.parametrize(
    ("origin", "page", "place"),
    [
        ("collection", 3, "page 3"),
        ("collection", None, ""),
        ("attachment", 1, "page 1, attached"),
        ("attachment", None, "attached"),
        ("thread", 4, "this thread"),
    ],
)
def test_a_source_says_where_it_is_from(origin, page, place):
    citation = replace(CITATION, origin=origin, page=page, uri=None)
    [source] = lay_out(replace(ANSWER, citations=(citation,))).sources
    assert (source.place, source.link) == (place, None)


def test_a_long_quote_shows_both_its_ends_in_whole_words():
    citation = replace(CITATION, quote="first " + "word " * 100 + "last")
    [source] = lay_out(replace(ANSWER, citations=(citation,))).sources
    assert len(source.snippet) <= SNIPPET_CHARS
    assert source.snippet.startswith("first word ")
    assert source.snippet.endswith(" word last")
    assert " word … word " in source.snippet


def test_an_abstention_calls_its_citations_the_nearest():
    assert lay_out(replace(ANSWER, abstained=True)).sources_heading == "Nearest in the documents"


def test_of_a_source_that_is_merely_near_the_beginning_is_shown():
    long = replace(CITATION, quote="The beginning. " + "word " * 100 + "cut off in")
    [source] = lay_out(replace(ANSWER, abstained=True, citations=(long,))).sources
    assert len(source.snippet) <= SNIPPET_CHARS
    assert source.snippet.startswith("The beginning. word")
    assert source.snippet.endswith("word…")
    assert lay_out(ANSWER).sources_heading == "Sources"


def test_what_was_not_used_is_named_with_its_reason():
    layout = lay_out(replace(ANSWER, unread=(Unread("b.png", "it is damaged."), Unread("c.png", "no text."))))
    assert layout.notes == ("b.png was not used. It is damaged.", "c.png was not used. No text.")


@pytest.mark.parametrize(
    ("cached", "milliseconds", "footer"),
    [
        (False, 412.4, "extractive · 412 ms"),
        (False, 2345.6, "extractive · 2.3 s"),
        (False, 999.7, "extractive · 1.0 s"),
        (True, 3.4, "from the cache in 3 ms"),
        (True, 0.2, "from the cache in 1 ms"),
    ],
)
def test_the_footer_says_who_answered_and_how_fast(cached, milliseconds, footer):
    assert lay_out(replace(ANSWER, cached=cached, timings_ms={"total": milliseconds})).footer == footer


def test_the_footer_says_why_the_chosen_generator_did_not_answer():
    made = replace(ANSWER.generation, note="blip2 gave no answer: it did not answer in time")
    footer = lay_out(replace(ANSWER, generation=made)).footer
    assert footer == "extractive, since blip2 gave no answer: it did not answer in time · 412 ms"


# ------------------------------------------------------------- foreign text


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("\x9b2J", "�2J"),
        ("\x1b]8;;https://evil.example\x07click\x1b]8;;\x07", "�]8;;https://evil.example�click�]8;;�"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("pay\u200bpal\u2066\ufeff\u3164", "paypal"),
        ("\U000e0041\U000e0042hidden tags", "hidden tags"),
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("a\tb", "a    b"),
        ("lone \ud800 surrogate", "lone � surrogate"),
        ("退货要在15天内申请。 Größe: 3 × 4 €", "退货要在15天内申请。 Größe: 3 × 4 €"),
    ],
)
def test_foreign_text_neither_acts_nor_hides(foreign, shown):
    assert neutralise(foreign) == shown


TRICKS = (
    *("\x1b", "\x1b[2J", "\x9b31m", "\x1b]8;;http://e.x\x1b\\", "\x07", "\r", "\x08", "\x7f", "\u202e"),
    *("\u2066", "\u200b", "\ufeff", "\u2028", "\ud800", "[/]", "[link=http://e.x]", "[1]", "[bold]"),
    *("\n\n", "退货", "a", " ", ":smile:", "\t", "[", "]", "%", "//"),
)

# Text as an attacker would build it, and any text at all.
foreign_text = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(TRICKS), max_size=12).map("".join),
)
ACTING = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


@settings(deadline=None)
@given(foreign_text)
def test_neutral_text_has_no_character_that_acts_and_stays_as_it_is(text):
    neutral = neutralise(text)
    assert {unicodedata.category(c) for c in neutral if c != "\n"}.isdisjoint(ACTING)
    assert neutralise(neutral) == neutral
    assert "\n" not in one_line(text)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])))
def test_plain_text_is_shown_as_it_is(text):
    visible = "".join(c for c in text if c not in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
    assert neutralise(visible) == visible


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "note:12ab",
        "correction:12ab",
        "/etc/passwd",
        "http://[broken",
        " https://a.example",
    ],
)
def test_only_known_schemes_become_links(uri):
    assert safe_link(uri) is None


def test_a_link_is_percent_encoded_where_it_has_to_be():
    assert safe_link("https://a.example/ü?q=1#p") == "https://a.example/%C3%BC?q=1#p"
    assert safe_link("file:///tmp/a%20b.pdf") == "file:///tmp/a%20b.pdf"
    assert "\x1b" not in (safe_link("https://a.example/\x1b]8;;\x07") or "")


def drawn(answer, notice=None, *, width=80, terminal=True):
    """What a terminal is sent."""
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
    )
    screen = Screen(console, person="ana")
    screen.answer(lay_out(answer))
    if notice is not None:
        screen.notice(notice)
    return out.getvalue()


OUR_OWN = re.compile(
    r"\x1b\[[0-9;]*m"  # colours
    r"|\x1b\]8;id=[0-9-]+;(?P<link>[\x21-\x7e]+)\x1b\\"  # the beginning of a link
    r"|\x1b\]8;;\x1b\\"  # its end
)


@settings(max_examples=150, deadline=None)
@given(st.lists(foreign_text, min_size=6, max_size=6), st.sampled_from([30, 80, 120]))
def test_nothing_foreign_acts_on_the_terminal(texts, width):
    text, title, uri, quote, name, reason = texts
    citation = replace(CITATION, title=title, quote=quote, uri=f"https://a.example/{uri}")
    answer = replace(ANSWER, text=f"{text}[1]", citations=(citation,), unread=(Unread(name, reason),))
    sent = drawn(answer, Notice(title, (quote, name), mood="problem"), width=width)
    links = {match["link"] for match in OUR_OWN.finditer(sent) if match["link"]}
    assert links <= {safe_link(citation.uri)}
    rest = OUR_OWN.sub("", sent)
    assert {unicodedata.category(c) for c in rest if c != "\n"}.isdisjoint(ACTING)


@settings(max_examples=50, deadline=None)
@given(foreign_text)
def test_without_a_terminal_there_are_no_escapes_at_all(text):
    assert "\x1b" not in drawn(replace(ANSWER, text=text), terminal=False)


def test_markup_of_the_drawing_library_in_a_document_is_just_text():
    assert "[bold]loud[/bold] :smile:" in drawn(
        replace(ANSWER, text="[bold]loud[/bold] :smile:"), terminal=False
    )


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    answer = replace(ANSWER, text="每个人每年有二十八天假期。" * 12 + "word " * 80 + "x" * 300 + " [1]")
    widest = max(map(cell_len, drawn(answer, width=width, terminal=False).splitlines()))
    assert 30 < widest <= min(width, 100)


def test_a_local_source_is_named_by_its_path_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here, elsewhere = tmp_path / "docs" / "leave 2025.md", tmp_path.parent / "other.md"
    for path, shown in [(here, "docs/leave 2025.md"), (elsewhere, str(elsewhere))]:
        answer = replace(ANSWER, citations=(replace(CITATION, uri=path.as_uri()),))
        assert f"page 3  {shown}" in " ".join(drawn(answer, width=400, terminal=False).split(" "))
