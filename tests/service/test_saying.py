"""Sentences over HTTP: each is there before the next is made, and together they are the answer."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai import OpenAI

from mmrag import wire
from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.remote import RemoteEngine
from mmrag.service.streams import event
from mmrag.types import Answer, Citation, Claim, Draft, Generation, Question, Source
from tests.service.conftest import HANDBOOK, LEAVE, client_at
from tests.service.events import events_of, parsed, until
from tests.service.serving import served
from tests.trust.parts import EMBEDDER

CLAIMS = ("Every employee has 28 days of paid leave a year.", "The printer is on floor 3.")
SAID = [f"{text} [1]" for text in CLAIMS]
SECONDS = 30


class Drafting:
    """Drafts its first claim, and the others when somebody has heard the first."""

    name, model, version = "drafting", "drafting-1", "1"

    def __init__(self):
        self.heard = threading.Event()
        self.drafted = 0
        self.ended = threading.Event()

    def close(self):
        """It holds nothing."""

    def generate(self, prompt, *, drafted):
        del prompt
        claims = tuple(map(Claim, (CLAIMS[0], "It has 99 floors.", CLAIMS[1])))
        try:
            for claim in claims:
                drafted(claim)
                self.drafted += 1
                assert self.heard.wait(SECONDS), "the first sentence was not heard before the second was made"
        finally:
            self.ended.set()
        return Draft(claims)


@pytest.fixture
def model():
    return Drafting()


@pytest.fixture
def url(model, home, reader, monkeypatch):
    monkeypatch.setattr("mmrag.generation.choice.choose_generator", lambda *_: (model, "chosen by the test"))
    settings = Settings(home=home, public_url="https://kb.example")
    with build_engine(settings, embedder=EMBEDDER, reader=reader) as engine:
        engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
        with served(engine, settings) as url:
            yield url


def asked(url, lines, model):
    """The events of a stream; the model goes on when the first claim is there."""
    with (
        client_at(url) as client,
        client.stream(
            "POST", "/v1/ask", json={"text": LEAVE}, headers={"Accept": "text/event-stream"}
        ) as reply,
    ):
        for line in reply.iter_lines():
            lines.append(line)
            if line == "event: claim":
                model.heard.set()
    return parsed("\n".join(lines))


def test_a_claim_is_sent_before_the_next_is_made_and_what_is_not_grounded_never(url, model):
    events = asked(url, [], model)
    assert [data["stage"] for name, data in events if name == "progress"] == [
        "reading",
        "searching",
        "answering",
        "checking",
    ]
    claims = [data for name, data in events if name == "claim"]
    assert [claim["text"] for claim in claims] == SAID
    (name, answer) = events[-1]
    assert name == "answer"
    assert answer["text"] == " ".join(SAID)
    assert answer["citations"][0]["link"].startswith("https://kb.example/s/")
    for claim in claims:
        assert claim["answer_id"] == answer["id"]
        assert claim["markers"] == [1]
        assert claim["citations"][0]["link"] == answer["citations"][0]["link"]
        assert claim["citations"][0]["quote"] in answer["citations"][0]["quote"]
    with client_at(url) as client:
        at_once = client.post("/v1/ask", json={"text": LEAVE}).json()
        again = events_of(client, "/v1/ask", json={"text": LEAVE})
    assert at_once["text"] == answer["text"]
    assert [data["text"] for name, data in again if name == "claim"] == SAID  # from the cache


def test_an_openai_client_reads_a_sentence_before_the_next_is_made(url, model):
    messages = [{"role": "user", "content": LEAVE}]
    with OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as openai:
        chunks = []
        for chunk in openai.chat.completions.create(model="mmrag", messages=messages, stream=True):
            chunks.append(chunk)
            if chunk.choices[0].delta.content:
                model.heard.set()
        whole = openai.chat.completions.create(model="mmrag", messages=messages)
    content = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert content[:2] == [SAID[0], f" {SAID[1]}"]
    links = re.compile(r"/s/\S+")  # each reply's expire a while after it
    assert links.sub("", "".join(content)) == links.sub("", whole.choices[0].message.content)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_who_leaves_after_a_sentence_stops_the_model_at_the_next(url, model):
    with (
        client_at(url) as client,
        client.stream(
            "POST", "/v1/ask", json={"text": LEAVE}, headers={"Accept": "text/event-stream"}
        ) as reply,
    ):
        next(line for line in reply.iter_lines() if line == "event: claim")
    with client_at(url) as client:
        until(lambda: 'mmrag_questions_total{ending="withdrawn"} 1.0' in client.get("/metrics").text)
    model.heard.set()
    assert model.ended.wait(SECONDS)
    assert model.drafted == 2  # the second was not supported, and the third would have been said


def test_a_bot_elsewhere_hears_a_sentence_before_the_next_is_made(url, model):
    heard = []

    def hear(sentence):
        heard.append(sentence)
        model.heard.set()

    with RemoteEngine(url, patience_seconds=5) as remote:
        answer = remote.ask(Question(LEAVE), said=hear)
    assert {sentence.answer_id for sentence in heard} == {answer.id}
    assert heard[0].citations[0].link == answer.citations[0].link
    assert [sentence.text for sentence in heard] == SAID


@contextmanager
def broken_off(*streams):
    """An engine that answers each time with the next of these streams, and ends with the last."""
    replies = iter(streams)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Mmrag-Wire", str(wire.VERSION))
            self.end_headers()
            texts = next(replies)
            answer = answer_of(streams[-1])
            for sentence in answer_of(texts).sentences:
                self.wfile.write(event("claim", wire.said_to_json(sentence)))
            if texts is streams[-1]:
                self.wfile.write(event("answer", wire.answer_to_json(answer)))

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_of(texts):
    citation = Citation(1, "d", "Handbook", 1, "u:1", "a quote", 1)
    return Answer(
        id="5f2c9d1e8a7b6c50",
        text=" ".join(texts),
        abstained=False,
        citations=(citation,),
        unread=(),
        cached=False,
        generation=Generation("drafting", "1", "v"),
        timings_ms={"total": 1.0},
    )


@pytest.mark.parametrize(
    ("before", "heard"),
    [
        (("A. [1]",), ["A. [1]", "B. [1]"]),
        (("A. [1]", "B. [1]"), ["A. [1]", "B. [1]"]),
        (("Z. [1]",), ["Z. [1]"]),  # it begins otherwise now: only the end counts
    ],
)
def test_a_sentence_is_heard_once_though_the_stream_broke_off_and_began_anew(before, heard):
    said = []
    with broken_off(before, ("A. [1]", "B. [1]")) as address, RemoteEngine(address) as remote:
        answer = remote.ask(Question("What?"), said=said.append)
    assert [sentence.text for sentence in said] == heard
    assert answer.text == "A. [1] B. [1]"


def test_the_events_of_a_stream_are_json_in_one_line_each(url, model):
    lines = []
    asked(url, lines, model)
    for line in lines:
        assert line == "" or line.startswith((":", "event: ", "data: "))
        if line.startswith("data: "):
            json.loads(line.removeprefix("data: "))
