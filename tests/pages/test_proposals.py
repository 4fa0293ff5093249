"""Corrections that wait, proposed and decided by a bot whose engine is elsewhere."""

from __future__ import annotations

import pytest

from mmrag.errors import InvalidInput, NotAllowed, NotFound
from mmrag.remote import RemoteEngine
from mmrag.types import Question, Rating
from tests.pages.conftest import LEAVE, PUBLIC
from tests.service.serving import served


@pytest.fixture
def remote(engine, settings, make_key):
    """(*collections, role) -> the engine as a client with such a key has it."""
    with served(engine, settings(serve_port=0)) as url:
        clients = []

        def remote(*collections, role="write"):
            key = make_key(f"client {len(clients)}", *collections, role=role)
            clients.append(RemoteEngine(url, key=key, patience_seconds=0))
            return clients[-1]

        yield remote
        for client in clients:
            client.close()


def test_a_correction_waits_and_becomes_a_source_when_it_is_approved(remote, engine):
    bot = remote("*")
    answer = bot.ask(Question(LEAVE))
    assert answer.citations[0].link.startswith(f"{PUBLIC}/s/")
    for _ in range(2):
        bot.propose(Rating(answer.id, "down", "30 days of paid leave.", author="eva"), proposal_id="p1")
    assert [proposal.correction for proposal in engine.insight.proposals("default")] == [
        "30 days of paid leave."
    ]
    assert "30" not in bot.ask(Question(LEAVE)).text
    assert bot.decide("p1", approved=True).correction_document_id is not None
    assert "30 days" in bot.ask(Question(LEAVE)).text
    with pytest.raises(NotFound, match="decided"):
        bot.decide("p1", approved=True)


def test_a_rejected_correction_is_forgotten(remote, engine):
    bot = remote("*")
    bot.propose(Rating(bot.ask(Question(LEAVE)).id, "down", "Never.", author="eva"), proposal_id="p1")
    assert bot.decide("p1", approved=False).correction_document_id is None
    assert engine.insight.proposals("default") == ()


def test_nobody_proposes_or_decides_beyond_their_key(remote, engine):
    bot, reader, other = remote("*"), remote("*", role="read"), remote("board")
    rating = Rating(bot.ask(Question(LEAVE)).id, "down", "No.", author="eva")
    bot.propose(rating, proposal_id="p1")
    with pytest.raises(NotAllowed):
        reader.propose(rating, proposal_id="p2")
    with pytest.raises(NotAllowed):
        reader.decide("p1", approved=True)
    with pytest.raises(NotFound):
        other.propose(rating, proposal_id="p2")
    with pytest.raises(NotFound):
        other.decide("p1", approved=True)
    with pytest.raises(InvalidInput):
        bot.propose(Rating(rating.answer_id, "down", "  ", author="eva"), proposal_id="p2")
    assert [proposal.id for proposal in engine.insight.proposals("default")] == ["p1"]
