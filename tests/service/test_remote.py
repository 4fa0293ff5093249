"""A bot's engine elsewhere: what it says when things go wrong on the way, and what it needs."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.starting import start
from bots.__main__ import main
from bots.conversation import Audience, Mention, handle_mention
from mmrag.config import Settings
from mmrag.errors import EngineUnavailable, InvalidInput, InvalidSettings, NotAllowed, NotFound
from mmrag.remote import EngineFault, RemoteEngine
from mmrag.types import Attachment, Question, Rating, Source
from tests.bots.program import script_played
from tests.bots.recorded_chat import RecordedChat
from tests.machine import free_port
from tests.service.cutting import cutting
from tests.service.serving import served

HOLIDAYS = Question("How many days are the holidays?", ("default",))


@pytest.fixture
def url(memory, home):
    with served(memory, Settings(home=home)) as url:
        yield url


@pytest.fixture
def remote(url):
    with RemoteEngine(url, patience_seconds=5) as remote:
        yield remote


def test_every_call_says_what_the_engine_says(remote, memory):
    stages = []
    answer = remote.ask(HOLIDAYS, listener=stages.append)
    assert answer.text == "Holidays are 28 days. [1]"
    assert stages == ["reading", "searching", "answering", "checking"]
    report = remote.add(Source('a "note".txt', b"A note.", uri="u:é", title=""), collection="ana")
    [note] = remote.documents(collections=["ana"])
    assert (note.id, note.uri) == (report.document_id, "u:é")
    assert remote.documents() == memory.documents()
    assert remote.documents(collections=()) == ()
    [copy] = remote.share([note.id], collections=["ana"], into="default")
    assert copy.collection == "default"
    assert remote.remove([note.id], collections=["ana"]) == (note,)
    assert remote.rate(Rating(answer.id, "down", "30", "ana")).correction_document_id == "correction"
    remote.withdraw(answer.id, author="ana")
    remote.withdraw("unknown", author="ana")
    assert memory.ratings == []
    assert remote.figure("figure-1", collections=["default"]) is None
    assert {each.uri for each in remote.forget("default")} == {"u:é", "u:handbook"}
    with pytest.raises(NotFound, match="There is no such"):
        remote.remove(["unknown"], collections=["default"])


def test_a_question_arrives_as_it_was_asked(remote, memory):
    question = Question(
        'What about "that"?\n第二行',
        ("a", "b"),
        (
            Attachment("one.png", b"\x89PNG\r\n--b\r\n"),
            Attachment("gone.png", b"", "it expired."),
            Attachment("", b""),
        ),
    )
    remote.ask(question)
    assert memory.questions == [question]


def test_a_fault_of_the_engine_is_a_fault_here_too_and_shows_no_text(remote, memory, caplog):
    def break_down(question):
        raise RuntimeError(question.text)

    memory.during_ask = break_down
    with pytest.raises(EngineFault):
        remote.ask(Question("the launch is on Thursday"))
    assert re.search(r"the reference [0-9a-f]{8}", caplog.text)
    assert "Thursday" not in caplog.text


def test_an_engine_that_is_away_is_said_to_be_away():
    with (
        RemoteEngine(f"http://127.0.0.1:{free_port()}", patience_seconds=0.5) as remote,
        pytest.raises(EngineUnavailable, match="can't be reached just now, so nothing was done"),
    ):
        remote.ask(HOLIDAYS)


def test_whoever_asks_while_the_engine_is_away_is_told_so_in_the_thread():
    chat = RecordedChat()
    with RemoteEngine(f"http://127.0.0.1:{free_port()}", patience_seconds=0.5) as remote:
        asked = Mention("How many holidays?", "ana", Audience(("default",)))
        assert asyncio.run(handle_mention(asked, chat, remote)) == "refused"
    [(what, notice)] = chat.endings
    assert (what, notice.mood) == ("notice", "problem")
    assert "please try again in a few minutes" in notice.text


def test_an_engine_that_comes_back_in_time_answers(memory, home):
    port = free_port()
    with RemoteEngine(f"http://127.0.0.1:{port}", patience_seconds=20) as remote:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(remote.ask(HOLIDAYS)))
        asking.start()
        with served(memory, Settings(home=home), port=port):
            asking.join(20)
    assert [answer.text for answer in answers] == ["Holidays are 28 days. [1]"]


@pytest.mark.parametrize("cut", ["before it is sent on", "before the reply", "in the reply"])
def test_what_breaks_off_is_sent_again_and_done_once(url, memory, cut):
    with cutting(url, cut) as (through, cuts), RemoteEngine(through, patience_seconds=10) as remote:
        remote.add(Source("a.txt", b"A note.", uri="u:a"), collection="default")
        [document] = [each for each in remote.documents() if each.uri == "u:a"]
        answer = remote.ask(HOLIDAYS)
        assert remote.rate(Rating(answer.id, "down", author="ana")).verdict == "down"
        assert remote.remove([document.id]) == (document,)
        assert cuts() >= 5  # each call broke off once
    assert [rating.verdict for rating in memory.ratings] == ["down"]
    assert memory.documents(collections=["default"])[0].uri == "u:handbook"


def test_a_connection_that_always_breaks_is_given_up(url):
    with (
        cutting(url, "in the reply", always=True) as (through, _),
        RemoteEngine(through, patience_seconds=1) as remote,
        pytest.raises(EngineUnavailable, match="broke off"),
    ):
        remote.ask(HOLIDAYS)


def test_a_wrong_key_is_named_with_the_setting(url, make_key, capsys, monkeypatch):
    make_key("another", "*")
    with (
        RemoteEngine(url, key="mmrag_wrong") as remote,
        pytest.raises(NotAllowed, match="set MMRAG_ENGINE_KEY to a key"),
    ):
        remote.documents()
    monkeypatch.setenv("MMRAG_ENGINE_KEY", "mmrag_wrong")
    assert main(["console", "--engine", url]) == 2
    assert "set MMRAG_ENGINE_KEY" in capsys.readouterr().err


def test_what_is_no_engine_is_named(url):
    with RemoteEngine(f"{url}/nowhere") as remote, pytest.raises(InvalidSettings, match="There is nothing"):
        remote.probe()
    for wrong in (
        "127.0.0.1:8000",
        "ftp://engine",
        "http://",
        "http://user:secret@engine",
        "http://[",
        "http://e?x=1",
    ):
        with pytest.raises(InvalidInput, match="is no engine's address"):
            RemoteEngine(wrong)


@contextmanager
def answering(headers, body):
    """The address of a server that says the same to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        ({"Content-Type": "text/html"}, b"<html>Welcome", "is no mmrag engine: check the address"),
        ({"Mmrag-Wire": "2"}, b"{}", "speaks version 2 of the format and this bot 1: upgrade the older"),
        ({"Mmrag-Wire": "1"}, b"{}", "was not understood"),
        ({"Mmrag-Wire": "1"}, b"<html>", "was not understood"),
        (
            {"Mmrag-Wire": "1"},
            b'{"documents": [{"title": "the launch is on Thursday"}]}',
            "was not understood",
        ),
    ],
)
def test_what_an_address_says_that_is_not_understood_is_no_answer(headers, body, says):
    with (
        answering(headers, body) as url,
        RemoteEngine(url) as remote,
        pytest.raises(EngineUnavailable, match=says) as caught,
    ):
        remote.documents()
    assert "Thursday" not in str(caught.value)


@pytest.mark.parametrize("platform", ["console", "slack"])
def test_a_bot_with_an_engine_elsewhere_starts_at_once_and_loads_no_model(url, platform):
    started = start(platform, url)
    assert started.loaded == ()
    assert started.megabytes < 120
    assert started.cpu_seconds < 1.5  # the time on the clock is for a machine without other work


def test_the_console_talks_with_an_engine_elsewhere(url, tmp_path):
    lines = ("/ask How many days are the holidays?", "/up")
    shown = script_played(tmp_path, lines, "--engine", url, home=tmp_path / "nothing")
    assert "Holidays are 28 days. [1]" in shown
    assert not (tmp_path / "nothing").exists()
