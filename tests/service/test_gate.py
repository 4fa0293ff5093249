"""Who may ask what, how much, and what the log says of it."""

from __future__ import annotations

import logging
import threading

import httpx2
import pytest

from mmrag.assemble import build_keys
from mmrag.cli import main
from mmrag.config import Settings
from mmrag.errors import StoreUnavailable
from tests.service.conftest import LEAVE, client_at
from tests.service.events import events_of, until
from tests.service.serving import served

PRIVATE = "the launch is on Thursday"


# ----------------------------------------------------------------------------- keys


def test_once_there_is_a_key_nobody_is_served_without_one(service, make_key):
    assert service.get("/v1/documents").status_code == 200
    headers = make_key("bot", "*")
    refused = service.get("/v1/documents")
    assert (refused.status_code, refused.json()["code"]) == (401, "no-key")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert service.get("/v1/documents", headers=headers).status_code == 200
    wrong = {"Authorization": headers["Authorization"][:-1] + "~"}
    assert service.get("/v1/documents", headers=wrong).json()["code"] == "wrong-key"


def test_a_key_sees_its_own_collections_only(service, make_key):
    headers = make_key("bot", "default")
    listed = service.get("/v1/documents", headers=headers).json()["documents"]
    assert {document["collection"] for document in listed} == {"default"}
    assert service.get("/v1/collections", headers=headers).json()["collections"] == [
        {"name": "default", "documents": 1}
    ]
    assert [m["id"] for m in service.get("/v1/models", headers=headers).json()["data"]] == ["mmrag"]


@pytest.mark.parametrize("collection", ["board", "no-such-collection"])
def test_a_foreign_collection_is_refused_alike_whether_it_exists_or_not(service, make_key, collection):
    headers = make_key("bot", "default", "team*")
    plan = service.post("/v1/search", json={"text": "launch", "collections": ["default"]}, headers=headers)
    assert plan.status_code == 200
    asked = {"text": "When is the launch?", "collections": ["default", collection]}
    attempts = [
        service.post("/v1/ask", json=asked, headers=headers),
        service.post("/v1/search", json=asked, headers=headers),
        service.get("/v1/documents", params={"collection": collection}, headers=headers),
        service.get("/v1/figures/figure-1", params={"collection": collection}, headers=headers),
        service.delete(f"/v1/collections/{collection}", headers=headers),
        service.delete("/v1/documents/x", params={"collection": collection}, headers=headers),
        service.post(
            "/v1/documents", files={"file": ("a", b"b")}, data={"collection": collection}, headers=headers
        ),
        service.post(
            "/v1/documents/share",
            json={"document_ids": ["x"], "collections": ["default"], "into": collection},
            headers=headers,
        ),
        service.post(
            "/v1/chat/completions",
            json={"model": f"mmrag:{collection}", "messages": [{"role": "user", "content": "?"}]},
            headers=headers,
        ),
    ]
    assert {attempt.status_code for attempt in attempts} == {403}
    assert {attempt.json()["detail"].replace(collection, "X") for attempt in attempts} == {
        "This API key may not name the collection 'X': ask whoever runs the engine for a key that may."
    }


def test_documents_and_answers_of_other_collections_are_as_if_they_were_not_there(service, make_key):
    everything, little = make_key("owner", "*"), make_key("bot", "default")
    asked = {"text": "When is the secret launch?", "collections": ["default", "board"]}
    answer = service.post("/v1/ask", json=asked, headers=everything).json()
    [plan] = service.get("/v1/documents", params={"collection": "board"}, headers=everything).json()[
        "documents"
    ]
    rating = {"answer_id": answer["id"], "verdict": "down"}
    attempts = [
        service.post("/v1/ratings", json=rating, headers=little),
        service.delete(f"/v1/ratings/{answer['id']}", headers=little),
        service.delete(f"/v1/documents/{plan['document_id']}", headers=little),
        service.post("/v1/documents/remove", json={"document_ids": [plan["document_id"]]}, headers=little),
    ]
    assert [attempt.status_code for attempt in attempts] == [404] * 4
    assert service.post("/v1/ratings", json=rating, headers=everything).status_code == 200


def test_a_key_that_only_reads_changes_nothing(service, make_key):
    headers = make_key("assistant", "*", role="read")
    answer = service.post("/v1/ask", json={"text": LEAVE}, headers=headers).json()
    correction = {"answer_id": answer["id"], "verdict": "down", "correction": "30 days."}
    attempts = [
        service.post("/v1/documents", files={"file": ("a.txt", b"b")}, headers=headers),
        service.post("/v1/documents/remove", json={"document_ids": ["x"]}, headers=headers),
        service.delete("/v1/collections/default", headers=headers),
        service.post("/v1/ratings", json=correction, headers=headers),
    ]
    assert [attempt.status_code for attempt in attempts] == [403] * 4
    assert (
        service.post("/v1/ratings", json=correction | {"correction": None}, headers=headers).status_code
        == 200
    )


def test_a_key_that_is_removed_is_refused_at_once(service, make_key, home):
    headers = make_key("bot", "*")
    make_key("other", "*")
    assert service.get("/v1/documents", headers=headers).status_code == 200
    with build_keys(Settings(home=home)) as keys:
        keys.remove(["bot"])
    assert service.get("/v1/documents", headers=headers).status_code == 401


def test_of_a_key_only_its_hash_is_kept(make_key, home):
    secret = make_key("bot", "*")["Authorization"].split("_", 2)[2].encode()
    assert all(secret not in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_without_keys_neither_a_web_page_nor_a_proxy_on_this_machine_lets_others_in(service):
    port = service.base_url.port
    forged = [
        {"Host": f"evil.example:{port}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Via": "1.1 proxy"},
    ]
    assert [service.get("/v1/documents", headers=each).status_code for each in forged] == [403] * 5
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert service.get("/v1/documents", headers=own).status_code == 200


@pytest.mark.usefixtures("shared_models")
def test_beyond_this_machine_nothing_is_served_without_a_key(capsys):
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2  # noqa: S104 - what is refused
    assert "make an API key first (`mmrag keys add NAME`)" in capsys.readouterr().err


def test_health_needs_no_key_and_metrics_do(start, memory, make_key):
    headers = make_key("prometheus", "none")
    client = start(memory)
    assert client.get("/healthz").json() == {"status": "ok"}
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/metrics").status_code == 401
    assert "mmrag_questions_total" in client.get("/metrics", headers=headers).text


def test_a_service_whose_store_is_gone_is_not_ready(start, memory):
    client = start(memory)
    until(lambda: client.get("/readyz").status_code == 200)

    def fail():
        raise StoreUnavailable("the disk is full.")

    memory.collections = fail
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()) == (503, {"status": "fault", "reason": "the disk is full."})


# --------------------------------------------------------------------------- limits


def test_a_request_that_says_it_is_too_large_is_refused_before_it_is_sent(start, memory):
    client = start(memory, serve_request_bytes=10_000)
    reply = client.post("/v1/documents", files={"file": ("a.txt", b"x" * 20_000)})
    assert (reply.status_code, reply.json()["code"]) == (413, "too-large")
    assert memory.documents(collections=["default"])[0].title == "handbook.md"


def test_a_request_that_turns_out_too_large_is_refused(start, memory):
    client = start(memory, serve_request_bytes=10_000)
    reply = client.post(
        "/v1/ask", content=(b" " * 1_000 for _ in range(20)), headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 413
    assert "10,000 bytes" in reply.json()["detail"]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(start, memory):
    client = start(memory, serve_client_a_minute=3)
    replies = [client.get("/v1/collections") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 20
    assert client.get("/healthz").status_code == 200


def test_too_many_at_once_are_refused_by_client_and_altogether(start, memory, make_key):
    patient, other = make_key("patient", "*"), make_key("other", "*")
    begun, go_on = threading.Event(), threading.Event()
    memory.during_ask = lambda _: (begun.set(), go_on.wait(20))
    client = start(memory, serve_client_at_once=2, serve_answering=1, serve_waiting=1)
    replies = []

    def ask(headers, text):
        replies.append(client.post("/v1/ask", json={"text": text}, headers=headers).status_code)

    threads = [threading.Thread(target=ask, args=(patient, f"holidays {n}?")) for n in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    metrics = {"headers": other}
    until(lambda: 'mmrag_waiting{lane="answering"} 1.0' in client.get("/metrics", **metrics).text)
    third = client.post("/v1/ask", json={"text": "holidays?"}, headers=patient)
    assert (third.status_code, third.json()["code"]) == (429, "too-many")
    crowded = client.post("/v1/ask", json={"text": "holidays?"}, headers=other)
    assert (crowded.status_code, crowded.json()["code"]) == (503, "overloaded")
    assert int(crowded.headers["retry-after"]) >= 1
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert replies == [200, 200]


# ------------------------------------------------------------------- leaving, stopping


class Stages:
    """An engine that stops at a stage until it is let go, and says how far it came."""

    def __init__(self, memory):
        self._memory = memory
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.came_to = []

    def __getattr__(self, name):
        return getattr(self._memory, name)

    def ask(self, question, *, listener, said):
        del said
        for stage in ("reading", "searching", "answering", "checking"):
            listener(stage)
            self.came_to.append(stage)
            if stage == "searching":
                self.reached.set()
                assert self.go_on.wait(20)
        return self._memory.ask(question)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_client_that_leaves_withdraws_its_question(start, memory, accept):
    engine = Stages(memory)
    client = start(engine)

    def ask():
        sent = {"json": {"text": "Holidays?"}, "headers": {"Accept": accept}}
        with client.stream("POST", "/v1/ask", timeout=0.5, **sent) as reply:
            for _ in reply.iter_lines():
                pass

    with pytest.raises(httpx2.ReadTimeout):
        ask()
    until(lambda: 'route="/v1/ask"' in client.get("/metrics").text)
    engine.go_on.set()
    until(lambda: 'mmrag_running{lane="answering"} 0.0' in client.get("/metrics").text)
    assert engine.came_to == ["reading", "searching"]
    assert 'mmrag_questions_total{ending="withdrawn"} 1.0' in client.get("/metrics").text


def test_a_service_that_is_stopped_finishes_what_was_begun(home, memory):
    engine = Stages(memory)
    answers = []
    with served(engine, Settings(home=home)) as url:

        def ask():
            with client_at(url) as client:
                answers.append(events_of(client, "/v1/ask", json={"text": "Holidays?"})[-1])

        asking = threading.Thread(target=ask)
        asking.start()
        assert engine.reached.wait(10)
        threading.Timer(0.3, engine.go_on.set).start()  # while it is being stopped
    asking.join(10)
    [(name, answer)] = answers
    assert (name, answer["text"]) == ("answer", "Holidays are 28 days. [1]")


def test_what_can_not_be_finished_in_time_is_told_so_when_the_service_stops(home, memory, caplog):
    engine = Stages(memory)
    replies = []
    with served(engine, Settings(home=home, serve_shutdown_seconds=1)) as url:

        def ask():
            with client_at(url) as client:
                replies.append(client.post("/v1/ask", json={"text": "Holidays?"}))
                engine.go_on.set()

        asking = threading.Thread(target=ask)
        asking.start()
        assert engine.reached.wait(10)
    asking.join(10)
    assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(503, "engine-unavailable")]
    assert engine.came_to == ["reading", "searching"]
    assert "Traceback" not in caplog.text


def test_no_text_and_no_key_stands_in_the_log(start, memory, make_key, caplog):
    caplog.set_level(logging.DEBUG)
    headers = make_key("bot", "default")
    client = start(memory)
    client.post("/v1/ask", json={"text": PRIVATE}, headers=headers)
    client.get("/v1/documents", params={"collection": PRIVATE}, headers=headers)
    client.get(f"/v1/{PRIVATE}", headers=headers)

    def break_down(question):
        raise RuntimeError(question.text)

    memory.during_ask = break_down
    reply = client.post("/v1/ask", json={"text": PRIVATE}, headers=headers)
    assert reply.json()["code"] == "unexpected"
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("mmrag", "uvicorn"))]
    assert any("POST /v1/ask 200" in line for line in lines)
    reference = reply.json()["detail"].split()[-1].rstrip(".")
    assert any(reference in line for line in lines)
    assert not any(PRIVATE in line or "launch" in line for line in lines)
    assert not any(headers["Authorization"].split()[1] in line for line in lines)
