"""Links of citations: who gets one, what it opens, how long it holds."""

from __future__ import annotations

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.render import lay_out
from mmrag import wire
from mmrag.config import load_settings
from mmrag.errors import InvalidSettings
from mmrag.links import ExpiredLinkError, ForgedLinkError, PageLinks, read_key
from mmrag.service.server import with_address
from mmrag.storage.catalog import SqliteStore
from mmrag.types import Attachment, Question
from tests.pages.conftest import LEAVE, PUBLIC

KEY = bytes(32)
LINKS = PageLinks(KEY, PUBLIC)
answers = st.binary(min_size=8, max_size=8).map(bytes.hex)
markers = st.integers(0, 65_535)


@given(answers, markers)
def test_a_token_opens_what_it_was_made_for(answer, marker):
    claim = LINKS.open(LINKS.token(answer, marker))
    assert (claim.answer_id, claim.marker) == (answer, marker)


@given(answers, markers, st.data())
def test_a_token_that_is_changed_anywhere_is_forged(answer, marker, data):
    token = LINKS.token(answer, marker)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=1_000).filter(lambda c: c != token[place]))
    for changed in (
        token[:place] + other + token[place + 1 :],
        token[:place] + token[place + 1 :],
        token + other,
    ):
        with pytest.raises(ForgedLinkError):
            LINKS.open(changed)


@given(
    st.text(max_size=60)
    | st.binary(min_size=33, max_size=33).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_what_nobody_signed_is_forged(token):
    with pytest.raises(ForgedLinkError):
        LINKS.open(token)


def test_another_data_folders_token_is_forged_and_an_old_one_has_expired():
    with pytest.raises(ForgedLinkError):
        LINKS.open(PageLinks(b"x" * 32).token("00" * 8, 1))
    with pytest.raises(ExpiredLinkError):
        LINKS.open(PageLinks(KEY, days=-1 / 86_400).token("00" * 8, 1))


def test_the_key_is_made_once_however_many_want_it_and_only_its_owner_reads_it(tmp_path):
    path, keys = tmp_path / "links.key", []
    threads = [threading.Thread(target=lambda: keys.append(read_key(path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 16
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["links.key"]
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        read_key(path)


def test_an_answer_brings_a_link_for_each_stored_source_and_none_is_kept(engine, start_engine, home):
    first = engine.ask(Question(LEAVE))
    again = start_engine().ask(Question(LEAVE))
    assert again.cached
    for answer in (first, again):
        (citation,) = answer.citations
        assert citation.link.startswith(f"{PUBLIC}/s/")
        assert wire.answer_to_json(answer)["citations"][0]["link"] == citation.link
        assert lay_out(answer).sources[0].link == citation.link
    with SqliteStore(home / "store.sqlite3") as store:
        stored = store.answer(first.id).answer
    assert [citation.link for citation in stored.citations] == [None]


def test_what_came_with_the_question_and_an_engine_without_public_address_have_no_links(engine, start_engine):
    attached = engine.ask(
        Question("What does the note say of the gate?", (), (Attachment("n.txt", b"The gate is red."),))
    )
    assert [(citation.origin, citation.link) for citation in attached.citations] == [("attachment", None)]
    (citation,) = start_engine(public_url="").ask(Question(LEAVE)).citations
    assert citation.link is None


@pytest.mark.parametrize(
    "url", ["answers.example", "ftp://a.example", "https://a.example?x", "https://u@a.example"]
)
def test_a_public_address_that_cannot_begin_a_link_is_refused(url):
    with pytest.raises(InvalidSettings, match="public_url"):
        load_settings(public_url=url)


def test_links_lead_to_the_service_itself_where_only_its_machine_reaches_it(settings):
    def address(**chosen):
        return with_address(settings(**chosen), "http://127.0.0.1:8000").public_url

    assert address(public_url="") == "http://127.0.0.1:8000"
    assert address(public_url="", serve_host="0.0.0.0") == ""  # noqa: S104 - what is tried
    assert address() == PUBLIC
