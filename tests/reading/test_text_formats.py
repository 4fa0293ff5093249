"""Plain text, Markdown and HTML."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading import html, markdown
from mmrag.reading.page_builder import clean

CHINESE = "门店的退货期限是三十天，请保留收据。退款会在五个工作日内到账。"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "gbk", "cp1252"]
)
def test_text_is_read_in_any_usual_encoding(read, encoding):
    text = "Café prices rose – by 3 € in Zürich, naïve as it sounds.\n"
    if encoding.startswith("gb"):
        text = CHINESE
    reading = read(text.encode(encoding))
    assert reading.media_type == "text/plain"
    assert reading.pages[0].text.strip() == text.strip()


def test_short_chinese_without_a_declared_encoding_is_not_taken_for_korean(read):
    assert read("价格是三百元".encode("gbk")).pages[0].text == "价格是三百元"


def test_windows_line_ends_and_invisible_characters_do_not_reach_a_page(read):
    reading = read(b"%s\r\ntwo\xe2\x80\x8b\xe2\x80\xae\x07\xc2\xa0three\r" % (b"word " * 20))
    assert reading.pages[0].text == "word " * 20 + "\ntwo three\n"


@given(st.text(st.characters(exclude_categories=()), max_size=300))
@settings(deadline=None, max_examples=80)
def test_clean_text_can_be_stored_and_is_clean_already(text):
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert "\r" not in cleaned
    assert clean(cleaned) == cleaned


MARKDOWN = """\
# Handbook

Leave is **27 days** a [year](https://example.org/leave).

## Travel

- Hotels: at most `145 euros`
- Trains
  1. second class
  2. first class *with approval*

| City | Limit |
|------|------:|
| Porto | 120 |
| Oslo | 180 |

```
lfctl restart
```

![A map of the offices](map.png)
"""


def test_markdown_becomes_readable_text_without_markup(read):
    page = read(MARKDOWN.encode(), name="handbook.md").pages[0]
    assert "Leave is 27 days a year (https://example.org/leave)." in page.text
    assert (
        "- Hotels: at most 145 euros\n- Trains\n  1. second class\n  2. first class with approval"
        in page.text
    )
    assert "lfctl restart" in page.text
    assert "A map of the offices" in page.text
    assert "**" not in page.text


def test_headings_and_tables_of_markdown_stand_at_their_offsets(read):
    reading = read(MARKDOWN.encode(), name="handbook.md")
    page = reading.pages[0]
    assert reading.title == "Handbook"
    assert [(heading.level, heading.title) for heading in page.headings] == [(1, "Handbook"), (2, "Travel")]
    for heading in page.headings:
        assert page.text[heading.offset :].startswith(heading.title)
    [table] = page.tables
    assert table.rows == (("City", "Limit"), ("Porto", "120"), ("Oslo", "180"))
    assert page.text[table.start : table.end] == "City | Limit\nPorto | 120\nOslo | 180"


def test_the_title_of_a_front_matter_wins():
    assert markdown.read_markdown("---\ntitle: Runbook\n---\n# Steps\n").title == "Runbook"


HTML = """\
<!doctype html><html><head><title>Incident  INC-7</title><style>p{color:red}</style>
<script>alert("never")</script></head><body>
<nav><a href="/">Home</a></nav>
<main><h1>What happened</h1>
<p>The <b>certificate</b> expired<!-- not shown -->&nbsp;at 05:33.<br>Nobody was paged.</p>
<img src="x.png" alt="A timeline of the outage">
<table><tr><th>Time</th><th>Event</th></tr><tr><td>05:33</td><td>Expiry</td></tr></table>
<ul><li>Renew it<li>Watch it <ul><li>daily</li></ul></ul>
<div hidden>secret</div></main></body></html>
"""


def test_html_keeps_the_main_content_and_drops_scripts_styles_and_navigation(read):
    reading = read(HTML.encode())
    page = reading.pages[0]
    assert reading.media_type == "text/html"
    assert reading.title == "Incident INC-7"
    assert page.text == (
        "What happened\n\n"
        "The certificate expired at 05:33.\nNobody was paged.\n\n"
        "A timeline of the outage\n\n"
        "Time | Event\n05:33 | Expiry\n\n"
        "- Renew it\n- Watch it\n  - daily"
    )
    assert page.tables[0].rows == (("Time", "Event"), ("05:33", "Expiry"))
    assert page.headings[0].title == "What happened"


def test_html_in_a_declared_encoding_is_read(read):
    page = '<html><head><meta charset="big5"></head><body><p>退貨期限是三十天</p></body></html>'
    assert read(page.encode("big5")).pages[0].text == "退貨期限是三十天"


def test_a_page_nested_ten_thousand_deep_is_read():
    page = "<div>" * 10_000 + "<p>bottom</p>" + "</div>" * 10_000
    assert "bottom" in html.read_html(page).pages[0].text


def test_a_table_that_only_lays_out_a_page_is_text():
    layout = "<table><tr><td><table><tr><td>a</td><td>b</td></tr></table></td></tr></table>"
    assert html.read_html(f"<body>{layout}</body>").pages[0].tables == ()


@pytest.mark.parametrize("name", ["notes.txt", "notes.md", "notes", "notes.pdf"])
def test_the_content_decides_and_the_name_only_tells_text_formats_apart(read, name):
    reading = read(b"# Notes\n\nText.", name=name)
    assert reading.media_type == ("text/markdown" if name == "notes.md" else "text/plain")
    assert read(HTML.encode(), name=name).media_type == "text/html"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "退貨期限是三十天，請保留收據。"),
        ("cp932", "返品期限は三十日です。レシートを保管してください。"),
        ("euc_jp", "返品期限は三十日です。レシートを保管してください。"),
        ("euc_kr", "반품 기한은 삼십일입니다. 영수증을 보관하십시오."),
        ("utf-32-le", "Café, 三十天"),
        ("utf-32-be", "Café, 三十天"),
        ("utf-16-be", "The leave is 27 days."),
    ],
)
def test_east_asian_and_wide_encodings_are_told_by_their_characters(read, encoding, text):
    assert read(text.encode(encoding)).pages[0].text == text


def test_cells_that_span_stand_where_they_can_be_read():
    table = (
        "<table><caption>Sales</caption><tr><th rowspan=2>City<th colspan=2>2025</tr><tr><th>Q1<th>Q2</tr>"
        "<tr><td rowspan=2>Porto<td>1<td>2</tr><tr><td>3<td>4</tr></table>"
    )
    page = html.read_html(f"<body>{table}</body>").pages[0]
    assert page.tables[0].rows == (
        ("", "2025", ""),
        ("City", "Q1", "Q2"),
        ("Porto", "1", "2"),
        ("Porto", "3", "4"),
    )
    assert page.text.startswith("Sales\n\n")


def test_a_cell_that_claims_to_span_millions_takes_no_memory():
    table = "<table><tr><td colspan=9999 rowspan=9999>a<td>b</tr><tr><td>c<td>d</tr></table>"
    assert {"a", "b"} <= set(html.read_html(f"<body>{table * 3}</body>").pages[0].tables[0].rows[0])


def test_a_long_list_of_links_beside_a_text_is_a_menu_and_an_index_of_links_is_not():
    menu = "<ul>" + "".join(f"<li><a href=x>Language {n}</a>" for n in range(30)) + "</ul>"
    assert (
        "Language"
        not in html.read_html(f"<body>{menu}<p>{'Text of the page. ' * 400}</p></body>").pages[0].text
    )
    assert "Language 29" in html.read_html(f"<body><h1>All pages</h1>{menu}</body>").pages[0].text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("# Notes\n\n- one\n- two\n", "text/markdown"),
        ("| a | b |\n|---|---|\n| **1** | 2 |\n", "text/markdown"),
        ("<p>One</p><p>Two</p>", "text/html"),
        ("#!/bin/sh\n# restart\nlfctl restart\n", "text/plain"),
        ('{"a": [1, 2], "b": "x"}', "text/plain"),
        ("From: the desk\n\nHello.", "text/plain"),
    ],
)
def test_a_text_without_a_telling_name_is_told_by_its_content(read, text, kind):
    assert read(text.encode()).media_type == kind


def test_programs_are_text_whatever_they_hold(read):
    assert read(b"# Title\n\n- a\n- b\n[x](y)\n", name="script.py").media_type == "text/plain"
