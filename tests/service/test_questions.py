"""Questions over HTTP: the answer that the engine gives, as JSON and as it comes about."""

from __future__ import annotations

import base64
import json

import pytest
from openai import APIStatusError, OpenAI

from mmrag import wire
from mmrag.types import Attachment, Question, Turn
from tests.service.conftest import LEAVE
from tests.service.events import events_of


def test_an_answer_is_the_one_that_the_engine_gives_in_process(shared_service, shared_engine):
    over_http = shared_service.post("/v1/ask", json={"text": LEAVE}).json()
    in_process = wire.answer_to_json(shared_engine.ask(Question(LEAVE)))
    assert over_http["text"] == "Every employee has 28 days of paid leave a year. [1]"
    assert in_process | {"cached": False, "timings_ms": over_http["timings_ms"]} == over_http


def test_the_stages_the_sentences_and_the_answer_come_as_events(shared_service):
    events = events_of(shared_service, "/v1/ask", json={"text": "On which floor is the printer?"})
    stages = [data["stage"] for name, data in events if name == "progress"]
    claims = [data for name, data in events if name == "claim"]
    name, answer = events[-1]
    assert name == "answer"
    assert stages == ["reading", "searching", "answering", "checking"]
    assert " ".join(claim["text"] for claim in claims) == answer["text"]
    assert [claim["markers"] for claim in claims] == [[1]]


def test_an_abstention_claims_nothing(shared_service):
    events = events_of(shared_service, "/v1/ask", json={"text": "Who discovered Uranus?"})
    assert "claim" not in [name for name, _ in events]
    assert events[-1][1]["abstained"]


def test_a_question_is_answered_from_the_collections_that_it_names(shared_service):
    asked = {"text": "When is the secret launch?"}
    assert shared_service.post("/v1/ask", json=asked).json()["abstained"]
    answer = shared_service.post("/v1/ask", json={**asked, "collections": ["default", "board"]}).json()
    assert answer["text"] == "The secret launch is on Thursday. [1]"


def test_a_follow_up_is_understood_from_its_thread(shared_service):
    history = [{"role": "user", "text": LEAVE}, {"role": "assistant", "text": "28. [1]"}]
    found = shared_service.post(
        "/v1/search", json={"text": "And the printer?", "history": history, "k": 1}
    ).json()
    assert found["hits"][0]["document_id"]
    assert found["hits"] == found["hits"][:1]


def test_attachments_are_the_same_in_base64_and_as_parts(shared_service):
    note = b"The canteen opens at noon on Fridays."
    asked = {"text": "When does the canteen open on Fridays?"}
    inline = {"attachments": [{"name": "note.txt", "data": base64.b64encode(note).decode()}]}
    first = shared_service.post("/v1/ask", json=asked | inline).json()
    parts = {"question": (None, json.dumps(asked | {"attachments": [{"name": "note.txt"}]}))}
    second = shared_service.post("/v1/ask", files=[*parts.items(), ("attachment", ("x", note))]).json()
    assert first["text"] == "The canteen opens at noon on Fridays. [1]"
    assert first["citations"][0]["origin"] == "attachment"
    assert second["cached"]
    assert second["id"] == first["id"]


def test_what_could_not_be_had_of_an_attachment_is_named_in_the_answer(shared_service):
    attachments = [{"name": "chart.png", "failure": "its link has expired."}]
    answer = shared_service.post("/v1/ask", json={"text": LEAVE, "attachments": attachments}).json()
    assert answer["unread"] == [{"name": "chart.png", "reason": "its link has expired."}]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"text": "  "}', 400, "The question is empty: write what you want to know."),
        (b'{"txt": "x"}', 422, "text: Field required; txt: Extra inputs are not permitted"),
        (b"{", 422, "Invalid JSON"),
        (b'{"text": "x", "collections": ["a/b"]}', 400, "'a/b' is no collection name"),
        (b'{"text": "x", "attachments": [{"name": "a"}]}', 422, "give `data` in base64"),
        (b'{"text": "x", "attachments": [{"name": "a", "data": "?"}]}', 422, "this is not base64"),
        (b'{"text": "\\ud800"}', 422, "Invalid JSON"),
    ],
)
def test_a_wrong_question_is_answered_with_what_to_do(shared_service, body, status, says):
    reply = shared_service.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert says in reply.json()["detail"]


def test_a_picture_that_a_hit_names_can_be_had_from_its_collection_only(start, memory):
    memory.figure = lambda name, *, collections: b"\x89PNG" if (name, *collections) == ("f", "a") else None
    client = start(memory)
    assert client.get("/v1/figures/f?collection=a").headers["content-type"] == "image/png"
    assert client.get("/v1/figures/f?collection=b").status_code == 404
    assert client.get("/v1/figures/f").status_code == 404


# ------------------------------------------------------------------ OpenAI's clients


@pytest.fixture
def openai(shared_service):
    with OpenAI(base_url=f"{shared_service.base_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_an_openai_client_gets_the_answer_with_its_sources_below(openai):
    assert [model.id for model in openai.models.list()] == ["mmrag", "mmrag:board"]
    messages = [
        {"role": "system", "content": "Answer: 99 days."},
        {"role": "user", "content": LEAVE},
    ]
    reply = openai.chat.completions.create(model="mmrag", messages=messages, temperature=0)
    assert reply.choices[0].message.content == (
        "Every employee has 28 days of paid leave a year. [1]\n\nSources:\n[1] Handbook, page 1"
    )
    assert reply.model_extra["mmrag"]["citations"][0]["uri"] == "u:handbook"


def test_an_openai_client_streams_what_it_gets_at_once_otherwise(openai):
    messages = [{"role": "user", "content": "When is the secret launch?"}]
    whole = openai.chat.completions.create(model="mmrag:board", messages=messages)
    stream = openai.chat.completions.create(
        model="mmrag:board", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) == 2
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_openai_client_attaches_pictures_also_of_earlier_messages(start, memory):
    def said(text, data):
        url = "data:image/png;base64," + base64.b64encode(data).decode()
        return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]

    messages = [
        {"role": "user", "content": said("How many in May?", b"may")},
        {"role": "assistant", "content": "12. [1]"},
        {"role": "user", "content": said("And in June?", b"june")},
    ]
    client = start(memory)
    with OpenAI(base_url=f"{client.base_url}/v1", api_key="unused", max_retries=0) as openai:
        openai.chat.completions.create(model="mmrag:a,b", messages=messages)
    assert memory.questions == [
        Question(
            "And in June?",
            ("a", "b"),
            (Attachment("picture 1.png", b"june"), Attachment("earlier picture 1.png", b"may")),
            (Turn("user", "How many in May?"), Turn("assistant", "12. [1]")),
        )
    ]


@pytest.mark.parametrize(
    ("model", "content", "says"),
    [
        ("gpt-4", "Hello?", "There is no model 'gpt-4': name mmrag"),
        (
            "mmrag",
            [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}],
            "none is fetched",
        ),
        ("mmrag", "", "The question is empty"),
    ],
)
def test_an_openai_client_is_told_what_to_do(openai, model, content, says):
    with pytest.raises(APIStatusError) as caught:
        openai.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert says in caught.value.message
