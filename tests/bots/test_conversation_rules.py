"""Limits, rights, sharing, approval, thumbs: what the conversation holds people to."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.conversation import (
    Audience,
    Command,
    Desk,
    Mark,
    Mention,
    Place,
    Rules,
    audience_of,
    handle_approval,
    handle_command,
    handle_correction,
    handle_mark,
    handle_mention,
    may_see,
)
from mmrag.types import Source
from tests.bots.recorded_chat import RecordedChat

PRIVATE = Audience(("team", "team:C1"), shared="team")
PUBLIC = Audience(("team",), shared="team")


@pytest.fixture
def engine(memory_engine):
    memory_engine.add(Source("handbook.md", b"Holidays are 28 days.", uri="u:handbook"), collection="team")
    return memory_engine


@pytest.fixture
def desk(records):
    rules = Rules(questions_a_day=2, ratings_an_hour=5, corrections_a_day=2, approvals=2)
    return Desk(rules, records)


def run(story):
    return asyncio.run(story)


def command(text, engine, desk, *, audience=PRIVATE, admin=False):
    chat = RecordedChat()
    ending = run(
        handle_command(Command("kb", text, "ana", audience, admin=admin, place="p"), chat, engine, desk)
    )
    return ending, chat.endings[-1][1].text


def ask(engine, desk, person="ana"):
    chat = RecordedChat()
    ending = run(handle_mention(Mention("How many holidays?", person, PUBLIC), chat, engine, desk))
    return ending, chat.endings[-1][1]


# ------------------------------------------------------------------ who sees what


@pytest.mark.parametrize(
    ("place", "collections"),
    [
        (Place("team", "C1", "public"), ("team",)),
        (Place("team", "C1", "private"), ("team", "team:C1")),
        (Place("team", "D1", "direct"), ("team", "team:D1")),
        (Place("team", "G1", "group"), ("team", "team:G1")),
        (Place("team", "C1", "public", outsiders=True), ("team:C1",)),
        (Place("team", "C1", "private", outsiders=True), ("team:C1",)),
        (Place("team", "D1", "direct", outsiders=True), ("team:D1",)),
    ],
)
def test_a_place_reads_what_everyone_in_it_may_read(place, collections):
    assert audience_of(place).collections == collections


def test_an_admin_may_open_a_place_to_those_who_look_on_from_elsewhere():
    place = Place("team", "C1", "public", outsiders=True)
    assert audience_of(place, open_to_outsiders=True).collections == ("team", "team:C1")


PLACES = st.builds(
    Place,
    st.sampled_from(["team", "other"]),
    st.sampled_from(["C1", "C2"]),
    st.sampled_from(["public", "private", "direct", "group"]),
    st.booleans(),
)


@given(PLACES, PLACES)
def test_nothing_of_a_place_of_its_own_may_be_seen_in_another(here, there):
    asked, shown = audience_of(here), audience_of(there)
    own = {collection for collection in asked.collections if collection.endswith(here.id)}
    if (here.workspace, here.id) != (there.workspace, there.id) and own:
        assert not may_see(shown, asked.collections)
    assert may_see(asked, asked.collections)


# ------------------------------------------------------------------------- limits


def test_questions_beyond_the_limit_of_a_day_are_refused_with_the_number(engine, desk):
    assert [ask(engine, desk)[0] for _ in range(3)] == ["answered", "answered", "refused"]
    assert "2 questions" in ask(engine, desk)[1].text
    assert ask(engine, desk, "ben")[0] == "answered"


def test_where_admins_add_nobody_else_does(engine, records):
    desk = Desk(Rules(adders="admins"), records)
    assert command("add The printer is on floor 3.", engine, desk)[0] == "refused"
    assert command("remove x", engine, desk)[1].startswith("Only admins")
    assert command("add The printer is on floor 3.", engine, desk, admin=True)[0] == "done"


# ------------------------------------------------------------ sharing and forgetting


def test_what_is_added_in_a_private_place_stays_there_until_an_admin_shares_it(engine, desk):
    command("add The launch is on Thursday.", engine, desk)
    [note] = engine.documents(collections=["team:C1"])
    assert command(f"share {note.id}", engine, desk) == (
        "refused",
        "Only an admin may do that: ask one of them.",
    )
    assert len(engine.documents(collections=["team"])) == 1
    assert command(f"share {note.id}", engine, desk, admin=True)[0] == "done"
    assert len(engine.documents(collections=["team"])) == 2


def test_where_all_is_shared_there_is_nothing_to_share_or_forget(engine, desk):
    for text in ("share x", "forget-channel"):
        assert command(text, engine, desk, audience=PUBLIC, admin=True)[0] == "refused"


def test_a_document_of_another_place_can_not_be_shared(engine, desk):
    report = engine.add(Source("s.md", b"salaries", uri="u:s"), collection="team:C2")
    assert command(f"share {report.document_id}", engine, desk, admin=True)[0] == "refused"


def test_a_channel_is_forgotten_once_it_is_confirmed_and_nothing_else_is(engine, desk):
    command("add The launch is on Thursday.", engine, desk)
    assert "type  /kb forget-channel confirm" in command("forget-channel", engine, desk, admin=True)[1]
    assert command("forget-channel confirm", engine, desk)[0] == "refused"
    assert command("forget-channel confirm", engine, desk, admin=True)[0] == "done"
    assert [d.title for d in engine.documents()] == ["handbook.md"]
    assert "nothing to forget" in command("forget-channel confirm", engine, desk, admin=True)[1]


def test_settings_of_a_place_are_shown_and_changed_by_admins(engine, desk, records):
    assert command("set ephemeral on", engine, desk)[0] == "refused"
    assert command("set ephemeral on", engine, desk, admin=True)[0] == "done"
    assert run(records.setting("p", "ephemeral", "off")) == "on"
    assert command("set ephemeral maybe", engine, desk, admin=True)[0] == "refused"
    assert command("settings", engine, desk)[0] == "done"


# ----------------------------------------------------------------------- ratings


def mark(answer_id, by, verdict, *, at, standing=True, author="ana"):
    return Mark(answer_id, author, by, verdict, standing, at, silent=True)


def test_the_last_standing_thumb_counts_and_taking_it_back_brings_the_one_before(engine, desk):
    answer = ask(engine, desk)[1]

    def put(*marks):
        for one in marks:
            run(handle_mark(one, RecordedChat(), engine, desk))
        return [rating.verdict for rating in engine.ratings]

    assert put(mark(answer.id, "button", "up", at=1)) == ["up"]
    assert put(mark(answer.id, "reaction down", "down", at=2)) == ["up", "down"]
    assert put(mark(answer.id, "reaction down", "down", at=3, standing=False))[-1] == "up"
    assert put(mark(answer.id, "button", "up", at=4, standing=False)) == []


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)))
def test_thumbs_may_come_in_any_order(tmp_path_factory, order):
    from bots.database import Database  # noqa: PLC0415 - a database for each order
    from bots.records import SCHEMA, DiskRecords  # noqa: PLC0415 - as above

    marks = [
        mark("a", "button", "up", at=1.0),
        mark("a", "reaction down", "down", at=2.0),
        mark("a", "reaction down", "down", at=3.0, standing=False),
        mark("a", "reaction up", "up", at=4.0),
        mark("a", "button", "down", at=5.0),
    ]
    with Database(tmp_path_factory.mktemp("marks") / "bot.sqlite3", (SCHEMA,)) as database:
        records = DiskRecords(database)
        for index in order:
            _, verdict = run(records.mark(marks[index]))
    assert verdict == "down"


def test_too_many_ratings_are_refused(engine, desk):
    answer = ask(engine, desk)[1]
    endings = [
        run(handle_mark(mark(answer.id, "button", "up", at=n), RecordedChat(), engine, desk))
        for n in range(6)
    ]
    assert endings == ["done"] * 5 + ["refused"]


# ------------------------------------------------------------------- corrections


def correct(answer, engine, desk, **who):
    chat = RecordedChat()
    run(handle_correction(answer.id, "30 days.", chat, engine, author="ana", desk=desk, **who))
    return chat.endings[-1]


def decide(proposal, engine, desk, person, *, admin=False, approved=True):
    chat = RecordedChat()
    story = handle_approval(proposal.id, chat, engine, desk, person=person, admin=admin, approved=approved)
    return run(story), chat.endings[-1][1].text


def corrections(engine):
    return [rating.correction for rating in engine.ratings if rating.correction]


def test_a_correction_waits_until_two_others_approve(engine, desk):
    what, proposal = correct(ask(engine, desk)[1], engine, desk)
    assert (what, corrections(engine)) == ("asked for approval", [])
    assert decide(proposal, engine, desk, "ana") == (
        "refused",
        "Somebody else has to approve your correction.",
    )
    assert decide(proposal, engine, desk, "ben")[0] == "done"
    assert decide(proposal, engine, desk, "ben")[0] == "done"
    assert corrections(engine) == []
    assert "is a source" in decide(proposal, engine, desk, "eva")[1]
    assert corrections(engine) == ["30 days."]
    assert decide(proposal, engine, desk, "joe")[0] == "refused"


def test_of_all_who_decide_at_once_one_does_and_the_others_hear_that_it_was_decided(engine, desk):
    _, proposal = correct(ask(engine, desk)[1], engine, desk)

    async def at_once():
        def decision(chat, person, *, admin, approved):
            return handle_approval(
                proposal.id, chat, engine, desk, person=person, admin=admin, approved=approved
            )

        chats = [RecordedChat() for _ in range(6)]
        await asyncio.gather(
            *(
                decision(chat, f"person {number}", admin=number < 3, approved=number != 1)
                for number, chat in enumerate(chats)
            )
        )
        return [chat.endings[-1][1].text for chat in chats]

    told = run(at_once())
    done = [text for text in told if "is a source" in text or "is rejected" in text]
    assert len(done) == 1
    assert all("Noted" in text or "not wait" in text for text in told if text not in done)
    assert len(corrections(engine)) == ("is a source" in done[0])


def test_one_admin_is_enough_and_needs_nobody_for_their_own(engine, desk):
    answer = ask(engine, desk)[1]
    _, proposal = correct(answer, engine, desk)
    assert "is a source" in decide(proposal, engine, desk, "boss", admin=True)[1]
    correct(answer, engine, desk, admin=True)
    assert corrections(engine) == ["30 days.", "30 days."]


def test_a_correction_is_rejected_by_its_author_or_an_admin_only(engine, desk):
    _, proposal = correct(ask(engine, desk)[1], engine, desk)
    assert decide(proposal, engine, desk, "ben", approved=False)[0] == "refused"
    assert decide(proposal, engine, desk, "ana", approved=False)[0] == "done"
    assert decide(proposal, engine, desk, "boss", admin=True)[0] == "refused"


def test_the_answer_counts_as_rated_down_at_once(engine, desk):
    correct(ask(engine, desk)[1], engine, desk)
    assert [rating.verdict for rating in engine.ratings] == ["down"]


def test_corrections_beyond_the_limit_are_refused(engine, desk):
    answer = ask(engine, desk)[1]
    endings = [correct(answer, engine, desk)[0] for _ in itertools.repeat(None, 3)]
    assert endings == ["asked for approval", "asked for approval", "notice"]
