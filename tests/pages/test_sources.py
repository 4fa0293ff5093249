"""What a citation's link opens, as a browser gets it."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from PIL import Image

from mmrag.links import PageLinks, read_key
from mmrag.types import Question, Rating, Source
from tests.pages.conftest import HANDBOOK, LEAVE, PUBLIC, linked, parsed, pdf, picture, text_of, workbook

HOSTILE = b"""# <script>alert(1)</script>

<img src=x onerror=alert(1)> The <b>gate</b> is red. {{ 7 * 7 }} {% raw %} javascript:alert(1)
"""


def test_the_cited_words_are_marked_on_the_page_that_holds_them(engine, browse):
    reply = browse(engine).get(linked(engine))
    assert reply.status_code == 200
    page = parsed(reply)
    assert page.css_first("h1").text() == "Handbook"
    marks = page.css("mark")
    assert "Every employee has 28 days of paid leave a year." in marks[0].text()
    assert marks[0].attributes["id"] == "quote"
    assert [row.text(separator=" ", strip=True) for row in page.css("tr")] == [
        "Office People",
        "Leiden 61",
        "Porto 23",
    ]
    assert len(page.css("li")) == 2


def test_every_reply_forbids_programs_frames_and_caches(engine, browse):
    browser, link = browse(engine), linked(engine)
    for path in (
        link,
        f"{link}/9",
        "/s/forged",
        "/admin",
        "/assets/style.css",
        "/assets/icon.svg",
        "/assets/x",
    ):
        reply = browser.get(path)
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        if not path.startswith("/assets"):
            assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
            assert reply.headers["cache-control"] == "private, no-store"
            page = parsed(reply)
            assert not page.css("script, iframe, object, embed, [style], base")
            assert not re.search(r"\son\w+=", reply.text)


def test_text_of_documents_is_shown_and_never_acts(engine, browse):
    engine.add(
        Source("<svg onload=alert(1)>.md", HOSTILE, uri="javascript:alert(1)", title="<i>x</i>"),
        collection="default",
    )
    reply = browse(engine).get(linked(engine, "Is the gate red?"))
    page = parsed(reply)
    assert page.css_first("h1").text() == "<i>x</i>"
    assert "gate is red." in page.css_first("article").text()
    assert not page.css("script, img, b, i")
    assert not [a for a in page.css("a") if not a.attributes["href"].startswith(("#", "/s/"))]


def test_pages_of_the_cited_document_are_turned_and_no_others(engine, browse):
    book = workbook("The first page is calm.", "The turbine broke in May.", "An end.")
    engine.add(Source("report.xlsx", book, uri="https://files.example/r.xlsx"), collection="default")
    browser, link = browse(engine), linked(engine, "When did the turbine break?")
    page = parsed(browser.get(link))
    turns = [a.attributes["href"] for a in page.css('[rel="prev"], [rel="next"]')]
    assert turns == [f"{link}/1", f"{link}/3"] * 2
    assert page.css_first('[href="https://files.example/r.xlsx"]')
    other = browser.get(f"{link}/1")
    assert "first page is calm" in text_of(other)
    assert not parsed(other).css("mark")
    for beyond in (0, 4, 10**30):
        assert browser.get(f"{link}/{beyond}").status_code == 410
    narrow = browse(engine, link_scope="page")
    assert not parsed(narrow.get(link)).css('[rel="prev"], [rel="next"]')
    assert narrow.get(f"{link}/2").status_code == 200
    assert narrow.get(f"{link}/1").status_code == 410


def test_a_cited_picture_is_shown_and_no_other_documents_picture(engine, browse):
    for name, text in (("gate.png", "The gate is red"), ("door.png", "The door is blue")):
        engine.add(Source(name, picture(text), uri=name), collection="default")
    browser, link = browse(engine), linked(engine, "Is the gate red?")
    page = parsed(browser.get(link))
    (image,) = page.css("figure.cited img")
    reply = browser.get(image.attributes["src"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert "gate is red" in image.attributes["alt"]
    number = int(image.attributes["src"].rpartition("-")[2])
    for other in {1, 2, 3} - {number}:
        assert browser.get(f"{link}/picture/figure-{other}").status_code == 410
    assert browser.get(f"{link}/picture/x").status_code == 410


def test_an_original_is_offered_where_it_was_kept_and_comes_as_it_was(start_engine, browse):
    engine = start_engine(keep_originals=True)
    data = HANDBOOK + b"<script>alert(1)</script>\r\n"
    engine.add(Source("../Han “d”book\n.html", data, uri="u:h"), collection="default")
    browser, link = browse(engine), linked(engine)
    assert parsed(browser.get(link)).css_first(f'[href="{link}/original"]')
    reply = browser.get(f"{link}/original")
    assert reply.content == data
    assert reply.headers["content-type"] == "application/octet-stream"
    disposition = reply.headers["content-disposition"]
    assert disposition.startswith(
        "attachment; filename=\"Han _d_book .html\"; filename*=UTF-8''Han%20%E2%80%9Cd"
    )
    assert "sandbox" in reply.headers["content-security-policy"]
    assert browse(engine, link_scope="page").get(f"{link}/original").status_code == 410


def test_without_the_setting_there_is_no_original(engine, browse):
    browser, link = browse(engine), linked(engine)
    assert "original" not in browser.get(link).text.replace("original address", "")
    assert browser.get(f"{link}/original").status_code == 410


def test_what_was_removed_or_changed_is_gone_for_its_links_too(engine, browse):
    browser, link = browse(engine), linked(engine)
    engine.add(Source("handbook.md", HANDBOOK.replace(b"28", b"29"), uri="u:handbook"), collection="default")
    assert browser.get(link).status_code == 410
    renewed = linked(engine)
    assert browser.get(renewed).status_code == 200
    engine.remove([engine.documents(collections=["default"])[0].id])
    reply = browser.get(renewed)
    assert reply.status_code == 410
    assert "Handbook" not in reply.text
    assert browser.get(f"{renewed}/original").status_code == 410


def test_a_link_that_expired_says_so_and_shows_nothing(engine, browse, home):
    answer = engine.ask(Question(LEAVE))
    token = PageLinks(read_key(home / "links.key"), days=-1).token(answer.id, 1)
    reply = browse(engine).get(f"/s/{token}")
    assert reply.status_code == 410
    assert "expired" in text_of(reply)
    assert "Handbook" not in reply.text


def test_below_a_path_of_another_site_every_address_begins_with_it(start_engine, browse):
    engine = start_engine(public_url=f"{PUBLIC}/help/")
    engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
    (citation,) = engine.ask(Question(LEAVE)).citations
    assert citation.link.startswith(f"{PUBLIC}/help/s/")
    browser = browse(engine, public_url=f"{PUBLIC}/help/")
    page = parsed(browser.get(citation.link.removeprefix(f"{PUBLIC}/help")))
    assert [link.attributes["href"].split("?")[0] for link in page.css("link")] == [
        "/help/assets/icon.svg",
        "/help/assets/style.css",
    ]


@pytest.mark.parametrize("path", ["/s/", "/s/x/y/z", "/assets/../app.py", "/assets/%2e%2e%2fapp.py"])
def test_other_paths_lead_nowhere(engine, browse, path):
    assert browse(engine).get(path).status_code in (401, 403, 404)


def test_a_page_of_a_pdf_that_was_kept_is_shown_as_it_looks(start_engine, browse):
    engine = start_engine(keep_originals=True)
    engine.add(
        Source("turbine.pdf", pdf("Nothing here.", "The turbine broke in May."), uri="u:t"),
        collection="default",
    )
    browser, link = browse(engine), linked(engine, "When did the turbine break?")
    (image,) = parsed(browser.get(link)).css(".facsimile img")
    assert image.attributes["src"] == f"{link}/page/2"
    reply = browser.get(image.attributes["src"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    with Image.open(BytesIO(reply.content)) as picture:
        assert (255, 232, 130) in {colour for _, colour in picture.getcolors(1_000_000)}
    assert browser.get(f"{link}/page/1").status_code == 200
    assert browser.get(f"{link}/page/3").status_code == 410
    narrow = browse(engine, link_scope="page")
    assert narrow.get(f"{link}/page/2").status_code == 200
    assert narrow.get(f"{link}/page/1").status_code == 410
    engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
    other = linked(engine)
    assert not parsed(browser.get(other)).css(".facsimile")
    assert browser.get(f"{other}/page/1").status_code == 410


def test_a_correction_is_shown_as_one(engine, browse):
    engine.rate(Rating(engine.ask(Question(LEAVE)).id, "down", "30 days of paid leave.", author="eva"))
    page = parsed(browse(engine).get(linked(engine)))
    assert page.css_first(".eyebrow").text() == "Correction"
    assert page.css_first("h1").text() == "Correction by eva"
    assert "30 days" in page.css_first("mark").text()
