"""The look inside: who may enter, what they see, what they decide."""

from __future__ import annotations

import re
import time

import pytest

from mmrag.assemble import build_keys
from mmrag.errors import InvalidSettings, NotFound
from mmrag.service.admin.door import COOKIE
from mmrag.types import Question, Rating, Source
from tests.pages.conftest import LEAVE, PUBLIC, parsed, text_of

MOON = "Is the office closed for the moon landing?"
LAUNCH = "When is the secret launch?"
SSO = {
    "admin_sso_header": "X-Person",
    "admin_sso_proxies": "10.0.0.0/24",
    "admin_sso_users": "ana, ben=board+x",
}


@pytest.fixture
def asked(engine):
    """Questions in two places, one of which reads both collections."""
    engine.ask(Question(LEAVE))
    engine.ask(Question(LEAVE))
    engine.ask(Question(MOON))
    engine.ask(Question(LAUNCH, ("default", "board")))
    return engine


@pytest.fixture
def enter(browse, asked):
    """A browser that came in with this key."""

    def enter(key, **chosen):
        browser = browse(asked, **chosen)
        reply = browser.post("/admin/enter", data={"key": key})
        assert (reply.status_code, reply.headers["location"]) == (303, "/admin")
        return browser

    return enter


def tiles(reply):
    return {
        tile.css_first("dt").text(): tile.css_first("dd").text() for tile in parsed(reply).css(".tiles > div")
    }


# -------------------------------------------------------------------- coming in


def test_without_a_key_there_is_nothing_but_the_way_in(asked, browse, make_key):
    make_key("owner", "*")
    for path in ("", "/in/default", "/in/default/questions", "/in/default/corrections", "/in/nowhere"):
        reply = browse(asked).get(f"/admin{path}")
        assert reply.status_code == 401
        assert parsed(reply).css_first('input[name="key"]')
        assert "default" not in text_of(reply)


def test_only_an_admins_key_opens_the_door_and_the_session_ends_with_it(
    asked, browse, make_key, settings, enter
):
    writer, owner = make_key("writer", "*", role="write"), make_key("owner", "*")
    for wrong in (writer, "", "mmrag_000000000000_" + "x" * 43, owner[:-1]):
        reply = browse(asked).post("/admin/enter", data={"key": wrong})
        assert reply.status_code == 401
        assert COOKIE not in reply.cookies
    browser = enter(owner)
    assert browser.get("/admin").status_code == 200
    with build_keys(settings()) as keys:
        keys.remove(["owner"])
    assert browser.get("/admin").status_code == 401


def test_a_session_is_kept_from_programs_other_sites_and_other_paths_and_has_an_end(
    asked, browse, make_key, enter, monkeypatch
):
    key = make_key("owner", "*")
    cookie = browse(asked).post("/admin/enter", data={"key": key}).headers["set-cookie"]
    assert key.split("_")[2] not in cookie
    for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/admin", "Max-Age=43200"):
        assert part in cookie
    browser = enter(key)
    later = time.time() + 13 * 3600
    monkeypatch.setattr("mmrag.service.admin.door.time.time", lambda: later)
    assert browser.get("/admin").status_code == 401


def test_leaving_ends_the_session(make_key, enter):
    browser = enter(make_key("owner", "*"))
    browser.post("/admin/leave")
    assert browser.get("/admin").status_code == 401


def test_a_proxys_word_counts_only_from_the_proxy_and_for_those_who_may(asked, browse):
    ana = {"X-Person": "ana"}
    assert browse(asked, peer="10.0.0.7", **SSO).get("/admin", headers=ana).status_code == 200
    assert browse(asked, peer="10.0.1.7", **SSO).get("/admin", headers=ana).status_code == 401
    spoofed = ana | {"X-Forwarded-For": "10.0.0.7", "Forwarded": "for=10.0.0.7", "X-Real-IP": "10.0.0.7"}
    assert browse(asked, peer="192.0.2.1", **SSO).get("/admin", headers=spoofed).status_code == 401
    proxied = browse(asked, peer="10.0.0.7", **SSO)
    assert proxied.get("/admin", headers={"X-Person": "eve"}).status_code == 401
    assert proxied.get("/admin", headers={"X-Person": ""}).status_code == 401
    assert proxied.get("/admin", headers=[("X-Person", "eve"), ("X-Person", "ana")]).status_code == 401
    ben = {"X-Person": "ben"}
    assert proxied.get("/admin", headers=ben).headers["location"] == "/admin/in/board"
    assert proxied.get("/admin/in/default", headers=ben).status_code == 404


@pytest.mark.parametrize(
    "broken",
    [
        {"admin_sso_proxies": ""},
        {"admin_sso_users": ""},
        {"admin_sso_proxies": "proxy"},
        {"admin_sso_users": "ana="},
    ],
)
def test_half_a_single_sign_on_is_refused_at_the_start(engine, browse, broken):
    with pytest.raises(InvalidSettings, match="admin_sso"):
        browse(engine, **(SSO | broken))


def test_who_sits_at_the_machine_may_look_as_long_as_there_is_no_key_and_no_proxy(asked, browse, make_key):
    here = {"public_url": "", "at": "http://127.0.0.1:8000"}
    assert browse(asked, **here).get("/admin").status_code == 200
    assert browse(asked, **here).get("/admin", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    assert browse(asked, **here | {"at": "http://rebound.example"}).get("/admin").status_code == 401
    assert browse(asked, **here, peer="192.0.2.1").get("/admin").status_code == 401
    assert browse(asked, **here, serve_host="0.0.0.0").get("/admin").status_code == 401  # noqa: S104 - what is tried
    assert browse(asked, **here | {"public_url": PUBLIC}).get("/admin").status_code == 401
    assert browse(asked, **here | {"public_url": "http://127.0.0.1:8000"}).get("/admin").status_code == 200
    make_key("owner", "*")
    assert browse(asked, **here).get("/admin").status_code == 401


# ------------------------------------------------------------------ what is seen


def test_questions_are_counted_and_shown_where_they_were_asked(make_key, enter):
    browser = enter(make_key("owner", "*"))
    assert tiles(browser.get("/admin"))["Questions"] == "4"
    default = browser.get("/admin/in/default")
    assert tiles(default) == {
        "Questions": "3",
        "Answered": "67 %2",
        "Not answered": "33 %1",
        "Rated down": "0 %0 of those answered",
        "From the cache": "33 %1",
    }
    assert MOON in text_of(default)
    assert "Handbook" in text_of(default)
    assert "Searching" in text_of(default)
    (row,) = parsed(default).css("#time ~ details tbody tr")
    assert [cell.text() for cell in row.css("td")] == ["3", "2", "0", "1", "1"]
    assert parsed(default).css("svg.plot rect.answered")


def test_a_key_of_one_collection_sees_nothing_of_another(make_key, enter):
    browser = enter(make_key("owner", "default"))
    assert browser.get("/admin").headers["location"] == "/admin/in/default"
    seen = ""
    for path in ("", "/questions", "/documents", "/corrections"):
        reply = browser.get(f"/admin/in/default{path}")
        assert reply.status_code == 200
        seen += text_of(reply)
    assert "launch" not in seen
    assert "board" not in seen
    assert "Plan" not in seen
    unknown, foreign = browser.get("/admin/in/nowhere"), browser.get("/admin/in/board")
    assert (unknown.status_code, foreign.status_code) == (404, 404)
    assert unknown.text == foreign.text


def test_a_private_places_use_of_a_shared_document_is_not_told(asked, make_key, enter):
    asked.ask(Question("On which floor is the printer?", ("default", "board")))
    rows = parsed(enter(make_key("owner", "*")).get("/admin/in/default/documents")).css(
        "#used ~ div tbody tr"
    )
    assert [row.css_first(".number").text() for row in rows] == ["2"]


def test_unanswered_questions_that_ask_for_the_same_stand_together(asked, make_key, enter):
    for question in (
        "Will the office be closed for the moon landing?",
        "Who sells llamas?",
        "公司有宠物政策吗？",
    ):
        asked.ask(Question(question))
    groups = parsed(enter(make_key("owner", "*")).get("/admin/in/default/questions")).css(
        "#missing ~ .groups > li"
    )
    assert [group.css_first(".count strong").text() for group in groups] == ["2", "1", "1"]
    assert "1 more wording" in groups[0].text()


def test_answers_that_were_rated_down_are_shown_with_what_was_said(asked, make_key, enter):
    answer = asked.ask(Question(LEAVE))
    asked.rate(Rating(answer.id, "down", author="eva"))
    browser = enter(make_key("owner", "*"))
    page = text_of(browser.get("/admin/in/default/questions"))
    assert answer.text[:30] in page
    assert "eva" not in page
    assert tiles(browser.get("/admin/in/default"))["Rated down"].startswith("100 %3")


def test_documents_that_were_never_cited_are_named(asked, make_key, enter):
    asked.add(Source("attic.md", b"# Attic\n\nNobody asks for this.", uri="u:attic"), collection="default")
    page = parsed(enter(make_key("owner", "*")).get("/admin/in/default/documents"))
    assert [item.text(strip=True)[:5] for item in page.css(".names li")] == ["Attic"]


def test_what_people_wrote_is_shown_and_never_acts(asked, make_key, enter):
    asked.ask(Question("<script>alert(1)</script> \u202eevil {{ 7 * 7 }} zebra?"))
    reply = enter(make_key("owner", "*")).get("/admin/in/default/questions")
    assert "<script>alert(1)</script> evil {{ 7 * 7 }} zebra?" in text_of(reply)
    assert not parsed(reply).css("script")


# ------------------------------------------------------------------ what is done


@pytest.fixture
def proposed(asked):
    answer = asked.ask(Question(LEAVE))
    asked.propose(Rating(answer.id, "down", "30 days of paid leave.", author="eva"), proposal_id="p1")
    return asked


def token_in(reply):
    return re.search(r'name="token" value="([^"]+)"', reply.text)[1]


def test_an_approved_correction_is_a_source_at_once_and_a_rejected_one_forgotten(proposed, make_key, enter):
    proposed.propose(
        Rating(proposed.ask(Question(MOON)).id, "down", "It is open.", author="joe"), proposal_id="p2"
    )
    browser = enter(make_key("owner", "*"))
    corrections = "/admin/in/default/corrections"
    token = token_in(browser.get(corrections))
    assert "30 days" not in proposed.ask(Question(LEAVE)).text
    reply = browser.post(f"{corrections}/p1", data={"token": token, "decision": "approved"})
    assert reply.headers["location"] == f"{corrections}?done=approved"
    assert "30 days of paid leave" in proposed.ask(Question(LEAVE)).text
    browser.post(f"{corrections}/p2", data={"token": token, "decision": "rejected"})
    assert proposed.ask(Question(MOON)).abstained
    assert "Nothing waits." in text_of(browser.get(corrections))
    again = browser.post(f"{corrections}/p1", data={"token": token, "decision": "approved"})
    assert again.status_code == 404
    with pytest.raises(NotFound, match="decided"):
        proposed.decide("p1", approved=False)


def test_a_form_that_another_site_has_somebody_send_decides_nothing(proposed, make_key, enter):
    key, other = make_key("owner", "*"), make_key("other", "*")
    browser = enter(key)
    path = "/admin/in/default/corrections"
    foreign = token_in(enter(other).get(path))
    for form in ({}, {"token": "x"}, {"token": foreign}, {"token": "é" * 200}):
        assert browser.post(f"{path}/p1", data=form | {"decision": "approved"}).status_code == 400
    undecided = browser.post(f"{path}/p1", data={"token": token_in(browser.get(path))})
    assert undecided.status_code == 400
    huge = browser.post(f"{path}/p1", content=b"a=" + b"x" * 20_000)
    assert huge.status_code == 400
    assert [proposal.id for proposal in proposed.insight.proposals("default")] == ["p1"]


def test_a_correction_is_decided_by_those_of_its_collection_only(proposed, make_key, enter):
    browser = enter(make_key("board", "board"))
    token = "x"  # noqa: S105 - there is no page that shows one
    for collection in ("default", "board"):
        path = f"/admin/in/{collection}/corrections/p1"
        assert browser.post(path, data={"token": token, "decision": "approved"}).status_code in (400, 404)
    mine = token_in_of(browser, proposed)
    reply = browser.post("/admin/in/board/corrections/p1", data={"token": mine, "decision": "approved"})
    assert reply.status_code == 404
    assert [proposal.id for proposal in proposed.insight.proposals("default")] == ["p1"]


def token_in_of(browser, engine):
    """A token of this visitor's own, from a correction that is theirs."""
    answer = engine.ask(Question(LAUNCH, ("board",)))
    engine.propose(Rating(answer.id, "down", "On Friday.", author="joe"), proposal_id="p9")
    return token_in(browser.get("/admin/in/board/corrections"))
