"""Documents, ratings and collections over HTTP."""

from __future__ import annotations

import io
import socket
import threading
from urllib.parse import urlsplit

import pytest
from reportlab.pdfgen.canvas import Canvas

from mmrag.types import Question
from tests.service.conftest import HANDBOOK, LEAVE
from tests.service.events import events_of, until

NOTE = b"The canteen opens at noon."


def two_pages():
    pdf = io.BytesIO()
    canvas = Canvas(pdf)
    for text in ("The canteen opens at noon.", "The garden closes at six."):
        canvas.drawString(100, 700, text)
        canvas.showPage()
    canvas.save()
    return pdf.getvalue()


def test_each_uploaded_file_is_reported_and_a_bad_one_keeps_no_other_out(service):
    files = [("file", ("note.txt", NOTE)), ("file", ("empty.txt", b"")), ("file", ("handbook.md", HANDBOOK))]
    reply = service.post("/v1/documents", files=files, data={"collection": "team"})
    assert reply.status_code == 200
    outcomes = reply.json()["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == ["added", "failed", "added"]
    assert outcomes[1]["code"] == "not-readable"
    listed = service.get("/v1/documents", params={"collection": "team"}).json()["documents"]
    assert {document["uri"] for document in listed} == {"upload:note.txt", "upload:handbook.md"}


def test_a_file_that_can_not_be_read_is_a_problem_with_its_reason(service):
    reply = service.post("/v1/documents", files={"file": ("broken.pdf", b"%PDF-1.4 and then nothing")})
    assert reply.status_code == 422
    problem = reply.json()
    assert problem["code"] == "not-readable"
    assert problem["outcomes"][0]["reason"] == problem["detail"]


def test_the_pages_that_are_read_come_as_events(service):
    events = events_of(service, "/v1/documents", files={"file": ("two.pdf", two_pages())})
    assert [name for name, _ in events if name != "progress"] == ["document", "done"]
    assert [data["page"] for name, data in events if name == "progress"] == [1, 2]
    assert events[-1][1]["outcomes"][0]["status"] == "added"


def test_the_same_uri_replaces_what_was_there_and_a_title_names_it(service):
    for text in (NOTE, b"The canteen opens at one."):
        data = {"uri": "u:canteen", "title": "Canteen", "name": "hours.txt"}
        reply = service.post("/v1/documents", files={"file": ("x", text)}, data=data)
    assert reply.json()["outcomes"][0]["status"] == "updated"
    listed = service.get("/v1/documents").json()["documents"]
    assert [d["title"] for d in listed if d["uri"] == "u:canteen"] == ["Canteen"]


def test_documents_are_removed_all_or_none(service):
    ids = [document["document_id"] for document in service.get("/v1/documents").json()["documents"]]
    wrong = service.post("/v1/documents/remove", json={"document_ids": [*ids, "nobody"]})
    assert (wrong.status_code, len(service.get("/v1/documents").json()["documents"])) == (404, len(ids))
    removed = service.post("/v1/documents/remove", json={"document_ids": ids}).json()["documents"]
    assert [document["document_id"] for document in removed] == ids
    assert service.get("/v1/documents").json()["documents"] == []


def test_a_document_is_removed_from_the_collections_that_are_named_only(service):
    [plan] = service.get("/v1/documents", params={"collection": "board"}).json()["documents"]
    path = f"/v1/documents/{plan['document_id']}"
    assert service.delete(path, params={"collection": "default"}).status_code == 404
    assert service.delete(path, params={"collection": "board"}).json()["documents"] == [plan]


def test_documents_are_shared_and_collections_forgotten(service):
    [plan] = service.get("/v1/documents", params={"collection": "board"}).json()["documents"]
    body = {"document_ids": [plan["document_id"]], "collections": ["board"], "into": "default"}
    [copy] = service.post("/v1/documents/share", json=body).json()["documents"]
    assert (copy["title"], copy["collection"]) == ("Plan", "default")
    counted = service.get("/v1/collections").json()["collections"]
    assert counted == [{"name": "board", "documents": 1}, {"name": "default", "documents": 2}]
    assert service.delete("/v1/collections/board").json()["documents"] == [plan]
    assert service.delete("/v1/collections/board").status_code == 404


def test_a_correction_over_http_is_cited_in_the_next_answer(service):
    answer = service.post("/v1/ask", json={"text": LEAVE}).json()
    rating = {
        "answer_id": answer["id"],
        "verdict": "down",
        "correction": "30 days of leave.",
        "author": "ana",
    }
    receipt = service.post("/v1/ratings", json=rating).json()
    assert receipt["correction_document_id"]
    corrected = service.post("/v1/ask", json={"text": LEAVE}).json()
    assert corrected["text"] == "30 days of leave. [1]"
    assert corrected["citations"][0]["title"] == "Correction by ana"


def test_a_rating_is_taken_back(start, memory):
    client = start(memory)
    answer = memory.ask(Question("How many days are the holidays?"))
    client.post("/v1/ratings", json={"answer_id": answer.id, "verdict": "up", "author": "ana"})
    assert [rating.verdict for rating in memory.ratings] == ["up"]
    assert client.delete(f"/v1/ratings/{answer.id}", params={"author": "ana"}).status_code == 200
    assert memory.ratings == []


# ----------------------------------------------------------------- what is sent twice


def test_a_request_that_is_sent_again_is_done_once(start, memory):
    client = start(memory)
    key = {"Idempotency-Key": "one"}
    replies = [client.post("/v1/ask", json={"text": "Holidays?"}, headers=key).json() for _ in range(3)]
    assert len(memory.questions) == 1
    assert replies[0] == replies[1] == replies[2]
    other = client.post("/v1/ask", json={"text": "Other?"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "reused-key")


def test_a_removal_that_is_sent_again_says_what_it_removed_the_first_time(service):
    ids = [document["document_id"] for document in service.get("/v1/documents").json()["documents"]]
    sent = {"json": {"document_ids": ids}, "headers": {"Idempotency-Key": "one"}}
    replies = [service.post("/v1/documents/remove", **sent) for _ in range(2)]
    assert replies[0].status_code == 200
    assert replies[0].json() == replies[1].json()


def test_a_proposal_that_is_sent_again_after_its_decision_waits_no_second_time(service, engine):
    rated = {"answer_id": engine.ask(Question(LEAVE)).id, "correction": "30 days.", "proposal_id": "p1"}
    sent = {"json": rated, "headers": {"Idempotency-Key": "one"}}
    first = service.post("/v1/proposals", **sent).json()
    service.post("/v1/proposals/p1", json={"approved": False})
    assert service.post("/v1/proposals", **sent).json() == first
    assert engine.insight.proposals("default") == ()


def test_a_rating_that_is_given_after_one_was_taken_back_outlives_a_second_sending_of_that(start, memory):
    client = start(memory)
    answer = memory.ask(Question("How many days are the holidays?"))
    sent = {"params": {"author": "ana"}, "headers": {"Idempotency-Key": "one"}}
    client.delete(f"/v1/ratings/{answer.id}", **sent)
    client.post("/v1/ratings", json={"answer_id": answer.id, "verdict": "up", "author": "ana"})
    assert client.delete(f"/v1/ratings/{answer.id}", **sent).status_code == 200
    assert [rating.verdict for rating in memory.ratings] == ["up"]


def test_two_who_send_the_same_at_once_share_one_reply(start, memory):
    client = start(memory)
    asked, go_on = threading.Event(), threading.Event()
    memory.during_ask = lambda _: (asked.set(), go_on.wait(10))
    replies = []

    def ask():
        sent = {"json": {"text": "Holidays?"}, "headers": {"Idempotency-Key": "one"}}
        replies.append(client.post("/v1/ask", **sent).json()["id"])

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert asked.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(memory.questions) == 1
    assert replies[0] == replies[1]


# --------------------------------------------------------------- what does not arrive


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_of_an_upload_that_breaks_off_nothing_is_stored(service, share):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="note.txt"\r\n\r\n'
        + NOTE * 20_000
        + b"\r\n--b--\r\n"
    )
    address = urlsplit(str(service.base_url))
    before = service.get("/v1/documents").json()
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"POST /v1/documents HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        connection.sendall(body[: int(len(body) * share)])
    until(lambda: 'route="/v1/documents",status="left"' in service.get("/metrics").text)
    assert service.get("/v1/documents").json() == before
