"""The story that every platform tells, in a chat that records it."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.conversation import (
    EARLIER_FILES,
    EARLIER_TURNS,
    Audience,
    Command,
    Desk,
    FileRef,
    Mention,
    Thread,
    handle_command,
    handle_correction,
    handle_mention,
    handle_rating,
    links_in,
)
from mmrag.errors import InvalidInput, NotReadable, StoreUnavailable
from mmrag.types import Attachment, Rating, Source, Turn
from tests.bots.memory_engine import MemoryEngine
from tests.bots.recorded_chat import RecordedChat

AUDIENCE = Audience(("company", "board"))
CHART = FileRef("chart.png", "https://files.example/chart.png", "chart")
SCAN = FileRef("scan.png", "https://files.example/scan.png", "scan")
PRIVATE = "the launch is on Thursday"


@pytest.fixture
def engine(memory_engine):
    source = Source("handbook.md", b"Holidays are 28 days.", uri="u:handbook")
    memory_engine.add(source, collection="company")
    return memory_engine


def mention(text, chat, engine, **more):
    return asyncio.run(handle_mention(Mention(text, "ana", AUDIENCE, **more), chat, engine))


def command(name, text, chat, engine, **more):
    return asyncio.run(handle_command(Command(name, text, "ana", AUDIENCE, **more), chat, engine))


def notice_of(chat):
    [(what, notice)] = chat.endings
    assert what == "notice"
    return notice


def reference_in(caplog):
    """What the bots logged; the engine at the other end of HTTP logs a reference of its own."""
    return next(record for record in caplog.records if record.name == "bots.conversation").args[0]


# ------------------------------------------------------------------ questions


def test_a_mention_is_answered_once_and_the_status_is_gone_before(engine):
    chat = RecordedChat()
    assert mention("How many days are the holidays?", chat, engine) == "answered"
    [(what, answer)] = chat.endings
    assert (what, answer.text) == ("answer", "Holidays are 28 days. [1]")
    assert chat.events[-2:] == [("status", None), ("answer", answer)]


def test_the_stages_of_the_engine_become_the_status(engine):
    chat = RecordedChat(files={"chart": b"png"})
    reached = threading.Event()
    show_status = chat.show_status

    async def show_and_tell(text):
        await show_status(text)
        if text and text.startswith("checking"):
            reached.set()

    chat.show_status = show_and_tell
    engine.during_ask = lambda _: reached.wait(10)
    mention("How many holidays?", chat, engine, files=(CHART,))
    assert chat.statuses == [
        "thinking about it",
        "fetching the attachments",
        "reading chart.png",
        "searching the documents",
        "answering",
        "checking every sentence against its source",
        None,
    ]


def test_an_abstention_is_an_ending_too(engine):
    chat = RecordedChat()
    assert mention("Who discovered Uranus?", chat, engine) == "abstained"
    assert [what for what, _ in chat.endings] == ["answer"]


def test_the_question_carries_audience_thread_and_files(engine):
    earlier = Thread((Turn("user", "And in May?"), Turn("assistant", "12 [1]")), (CHART,))
    chat = RecordedChat(files={"chart": b"chart", "scan": b"scan"}, thread=earlier)
    mention("And in June?", chat, engine, thread="t1", files=(SCAN,))
    [question] = engine.questions
    assert question.collections == ("company", "board")
    assert question.history == earlier.turns
    assert question.attachments == (Attachment("scan.png", b"scan"), Attachment("chart.png", b"chart"))


def test_a_file_sent_twice_in_a_thread_is_attached_once(engine):
    chat = RecordedChat(files={"chart": b"chart"}, thread=Thread(files=(CHART,)))
    mention("And in June?", chat, engine, thread="t1", files=(CHART,))
    assert engine.questions[0].attachments == (Attachment("chart.png", b"chart"),)


def test_of_a_long_thread_the_last_turns_and_files_are_taken(engine):
    turns = tuple(Turn("user", f"message {n}") for n in range(10_000))
    files = tuple(FileRef(f"{n}.png", f"u:{n}", str(n)) for n in range(50))
    chat = RecordedChat(files={str(n): b"x" for n in range(50)}, thread=Thread(turns, files))
    mention("And now?", chat, engine, thread="t1")
    assert engine.questions[0].history == turns[-EARLIER_TURNS:]
    assert [a.name for a in engine.questions[0].attachments] == [f.name for f in files[-EARLIER_FILES:]]


def test_outside_of_a_thread_nobody_looks_at_one(engine):
    chat = RecordedChat(thread=Thread((Turn("user", "Something private"),)))
    assert command("ask", "How many days are the holidays?", chat, engine) == "answered"
    assert engine.questions[0].history == ()
    assert "looked at" not in [what for what, _ in chat.events]


def test_a_download_that_fails_is_named_with_its_reason_and_the_rest_is_used(engine):
    gone = NotReadable("its link has expired: send it again.")
    chat = RecordedChat(files={"chart": gone, "scan": b"scan"})
    assert mention("How many holidays?", chat, engine, files=(CHART, SCAN)) == "answered"
    [(_, answer)] = chat.endings
    assert [(u.name, u.reason) for u in answer.unread] == [("chart.png", str(gone))]
    assert Attachment("scan.png", b"scan") in engine.questions[0].attachments


def test_a_download_that_breaks_unexpectedly_is_named_by_a_reference(engine, caplog):
    chat = RecordedChat(files={"chart": ConnectionError(PRIVATE)})
    assert mention("How many holidays?", chat, engine, files=(CHART,)) == "answered"
    [unread] = chat.endings[0][1].unread
    [record] = caplog.records
    assert record.args[0] in unread.reason
    assert PRIVATE not in unread.reason + caplog.text


def test_a_mention_without_words_says_how_to_ask(engine):
    chat = RecordedChat()
    assert mention("  \n ", chat, engine) == "done"
    assert any("/kb add" in line for line in notice_of(chat).lines)
    assert engine.questions == []


def test_files_without_words_go_into_the_knowledge_base(engine):
    chat = RecordedChat(files={"chart": b"Tickets: 547"})
    assert mention("", chat, engine, files=(CHART,)) == "done"
    assert [d.title for d in engine.documents(collections=["board"])] == ["chart.png"]
    assert notice_of(chat).lines == ("chart.png: added, 1 page, 1 passage",)


def test_what_a_link_leads_to_is_added_with_who_added_it(engine):
    class Web:
        async def fetch(self, link):
            if "broken" in link:
                raise ConnectionError(PRIVATE)
            return (Source("plan.html", b"The launch is in May.", uri=link),)

    desk = Desk(web=Web())
    chat = RecordedChat()
    text = "add <https://wiki.example/plan> https://wiki.example/broken"
    story = handle_command(Command("kb", text, "U1", AUDIENCE, author_name="Ana"), chat, engine, desk)
    assert asyncio.run(story) == "refused"
    notice = notice_of(chat)
    assert notice.text == "1 document in the knowledge base, 1 not."
    assert notice.lines[0] == "plan.html: added, 1 page, 1 passage"
    assert notice.lines[1].startswith("wiki.example/broken: It could not be opened (reference ")
    [plan] = engine.documents(collections=["board"])
    assert (plan.uri, plan.added_by) == ("https://wiki.example/plan", "Ana")
    chat = RecordedChat()
    command("kb", "list", chat, engine)
    assert any("2025-01-01 by Ana" in line for line in notice_of(chat).lines)


def test_too_many_links_at_a_time_are_refused_before_any_is_opened(engine):
    chat = RecordedChat()
    text = "add " + " ".join(f"https://wiki.example/{number}" for number in range(11))
    story = handle_command(Command("kb", text, "ana", AUDIENCE), chat, engine, Desk(web=object()))
    assert asyncio.run(story) == "refused"
    assert "at most 10 are added at a time" in notice_of(chat).text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://a.example/x", ("https://a.example/x",)),
        ("<https://a.example/x>\n HTTP://b.example", ("https://a.example/x", "HTTP://b.example")),
        ("ftp://a.example/x", ("ftp://a.example/x",)),
        ("See https://a.example/x", ()),
        ("https://a.example/x.", ("https://a.example/x.",)),
        ("a.example/x", ()),
        ("mailto:ana@a.example", ()),
        ("", ()),
    ],
)
def test_a_text_that_holds_other_words_than_links_is_a_text(text, links):
    assert links_in(text) == links


# ----------------------------------------------------------------- when it fails


def test_an_error_for_people_is_shown_as_it_is(engine):
    def refuse(_):
        raise StoreUnavailable("The disk is full: make room and ask again.")

    engine.during_ask = refuse
    chat = RecordedChat()
    assert mention("How many holidays?", chat, engine) == "refused"
    assert notice_of(chat).text == "The disk is full: make room and ask again."


def test_any_other_error_becomes_an_apology_with_a_logged_reference(engine, caplog):
    def break_down(question):
        raise RuntimeError(question.text)

    engine.during_ask = break_down
    chat = RecordedChat()
    caplog.set_level(logging.DEBUG, logger="bots")
    assert mention(PRIVATE, chat, engine) == "apologised"
    notice = notice_of(chat)
    reference = reference_in(caplog)
    assert reference in notice.text
    assert "RuntimeError" in caplog.text
    assert PRIVATE not in caplog.text + notice.text


def test_an_answer_that_can_not_be_posted_becomes_an_apology(engine, caplog):
    chat = RecordedChat(broken=["answer"])
    assert mention("How many holidays?", chat, engine) == "apologised"
    assert "Sorry" in notice_of(chat).text
    assert "secret" not in caplog.text


def test_a_status_that_can_not_be_shown_costs_no_answer(engine):
    chat = RecordedChat(broken=["status"] * 99)
    assert mention("How many holidays?", chat, engine) == "answered"
    assert [what for what, _ in chat.endings] == ["answer"]


def test_a_status_that_is_slow_to_show_comes_before_the_ending_or_never(engine):
    chat = RecordedChat()
    show_status = chat.show_status
    under_way = threading.Event()

    async def slow_to_show(text):
        if text and text.startswith("checking"):
            under_way.set()
            try:
                await asyncio.Event().wait()
            finally:  # the platform shows it all the same
                await show_status(text)
        else:
            await show_status(text)

    chat.show_status = slow_to_show
    engine.during_ask = lambda _: under_way.wait(10)
    assert mention("How many holidays?", chat, engine) == "answered"
    assert [what for what, _ in chat.events][-2:] == ["status", "answer"]
    assert chat.statuses[-2:] == ["checking every sentence against its source", None]


def test_a_slow_engine_leaves_the_loop_to_others(engine):
    other_was_done = threading.Event()
    engine.during_ask = lambda _: other_was_done.wait(10) or pytest.fail("the loop was blocked")
    chat = RecordedChat()

    async def both():
        async def other():
            other_was_done.set()

        story = handle_mention(Mention("How many holidays?", "ana", AUDIENCE), chat, engine)
        return (await asyncio.gather(story, other()))[0]

    assert asyncio.run(both()) == "answered"


def test_a_cancelled_question_ends_without_a_post_and_without_a_status(engine):
    asked, go_on = threading.Event(), threading.Event()
    engine.during_ask = lambda _: (asked.set(), go_on.wait(10))
    chat = RecordedChat()

    async def cancel_it():
        story = asyncio.create_task(
            handle_mention(Mention("How many holidays?", "ana", AUDIENCE), chat, engine)
        )
        await asyncio.to_thread(asked.wait, 10)
        story.cancel()
        with pytest.raises(asyncio.CancelledError):
            await story
        go_on.set()

    asyncio.run(cancel_it())
    assert chat.endings == []
    assert chat.statuses[-1] is None


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(),
    files=st.lists(
        st.sampled_from([b"words in a file", b"", NotReadable("no."), OSError(PRIVATE)]), max_size=4
    ),
    fault=st.sampled_from([None, InvalidInput("Too long."), ValueError(PRIVATE), KeyError(PRIVATE)]),
    broken=st.lists(st.sampled_from(["answer", "status"]), max_size=3),
)
def test_whatever_happens_a_mention_has_exactly_one_visible_ending(text, files, fault, broken):
    def raise_it(_):
        if fault is not None:
            raise fault

    engine = MemoryEngine()
    engine.during_ask = raise_it
    refs = tuple(FileRef(f"{n}.md", f"u:{n}", str(n)) for n in range(len(files)))
    chat = RecordedChat(files={str(n): content for n, content in enumerate(files)}, broken=broken)
    ending = mention(text, chat, engine, thread="t1", files=refs)
    assert len(chat.endings) == 1
    assert (chat.endings[0][0] == "answer") == (ending in ("answered", "abstained"))
    assert PRIVATE not in repr(chat.endings)


# ------------------------------------------------------------- knowledge base


def test_what_is_added_goes_into_the_narrowest_collection_with_a_report_per_file(engine):
    chat = RecordedChat(files={"chart": b"Tickets: 547", "scan": b"  "})
    assert command("kb", "add", chat, engine, files=(CHART, SCAN)) == "refused"
    notice = notice_of(chat)
    assert notice.text == "1 document in the knowledge base, 1 not."
    assert notice.lines == ("chart.png: added, 1 page, 1 passage", "scan.png: it is empty.")
    assert [(d.title, d.uri) for d in engine.documents(collections=["board"])] == [
        ("chart.png", "https://files.example/chart.png")
    ]


def test_a_document_that_can_not_be_downloaded_is_reported(engine):
    chat = RecordedChat(files={"chart": NotReadable("its link has expired.")})
    assert command("kb", "add", chat, engine, files=(CHART,)) == "refused"
    assert notice_of(chat).lines == ("chart.png: its link has expired.",)


def test_a_document_that_breaks_the_engine_does_not_hide_what_became_of_the_others(engine, caplog):
    chat = RecordedChat(files={"chart": b"Tickets: 547", "scan": None})  # None has no bytes to decode
    assert command("kb", "add", chat, engine, files=(SCAN, CHART)) == "refused"
    broken, added = notice_of(chat).lines
    assert broken == f"scan.png: It could not be added (reference {reference_in(caplog)})."
    assert added.startswith("chart.png: added")


@pytest.mark.parametrize("text", ["add\nThe printer is on floor 3.", "ADD  The printer is on floor 3."])
def test_a_command_is_understood_however_it_is_spaced_and_spelt(engine, text):
    assert command("kb", text, RecordedChat(), engine) == "done"
    assert list(engine.texts.values())[-1] == "The printer is on floor 3."


def test_a_typed_text_is_a_document_and_the_same_text_the_same_one(engine):
    for _ in range(2):
        command("kb", "add The printer is on floor 3.", RecordedChat(), engine)
    [note] = engine.documents(collections=["board"])
    assert note.title == "Note by ana: The printer is on floor 3."


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("kb", "add", "What shall I add?"),
        ("kb", "remove", "Which document?"),
        ("kb", "remove nonsense", "no such document"),
        ("kb", "burn", "/kb knows add, list, remove, share, forget-channel, settings, set and help."),
        ("ask", "  ", "What would you like to know?"),
        ("dance", "", "/ask and /kb"),
    ],
)
def test_wrong_usage_is_answered_with_what_to_do(engine, name, text, says):
    chat = RecordedChat()
    assert command(name, text, chat, engine) == "refused"
    assert says in notice_of(chat).text


def test_the_list_names_what_this_audience_may_see_and_no_more(engine):
    engine.add(Source("salaries.md", b"secret", uri="u:s"), collection="management")
    chat = RecordedChat()
    assert command("kb", "list", chat, engine) == "done"
    [line] = notice_of(chat).lines
    assert "handbook.md" in line


def test_a_document_of_another_audience_can_not_be_removed(engine):
    report = engine.add(Source("salaries.md", b"secret", uri="u:s"), collection="management")
    assert command("kb", f"remove {report.document_id}", RecordedChat(), engine) == "refused"
    assert len(engine.documents(collections=["management"])) == 1


def test_removed_documents_are_named(engine):
    [handbook] = engine.documents()
    chat = RecordedChat()
    assert command("kb", f"remove {handbook.id}", chat, engine) == "done"
    assert notice_of(chat).lines == ("handbook.md",)
    assert engine.documents() == ()


def test_a_long_list_says_how_many_more_there_are(engine):
    for n in range(40):
        engine.add(Source(f"{n}.md", b"words", uri=f"u:{n}"), collection="board")
    chat = RecordedChat()
    command("kb", "list", chat, engine)
    assert notice_of(chat).lines[-1] == "and 11 older ones"


def test_an_empty_knowledge_base_says_how_to_fill_it():
    chat = RecordedChat()
    assert command("kb", "list", chat, MemoryEngine()) == "done"
    assert "/kb add" in notice_of(chat).text


# -------------------------------------------------------------------- ratings


@pytest.fixture
def answer_id(engine):
    chat = RecordedChat()
    mention("How many holidays?", chat, engine)
    return chat.endings[0][1].id


def test_a_thumbs_up_is_thanked_for(engine, answer_id):
    chat = RecordedChat()
    assert asyncio.run(handle_rating(Rating(answer_id, "up", author="ana"), chat, engine)) == "done"
    assert "Thank you" in notice_of(chat).text
    assert engine.ratings == [Rating(answer_id, "up", author="ana")]


def test_a_thumbs_down_is_recorded_at_once_and_asks_what_is_right(engine, answer_id):
    chat = RecordedChat()
    assert asyncio.run(handle_rating(Rating(answer_id, "down"), chat, engine)) == "done"
    assert chat.endings == [("asked for correction", answer_id)]
    assert engine.ratings == [Rating(answer_id, "down")]


def test_a_correction_is_recorded_with_its_author(engine, answer_id):
    chat = RecordedChat()
    story = handle_correction(answer_id, "30 days.", chat, engine, author="ben")
    assert asyncio.run(story) == "done"
    assert engine.ratings == [Rating(answer_id, "down", correction="30 days.", author="ben")]
    assert "source" in notice_of(chat).text


def test_an_empty_correction_is_refused_and_records_nothing(engine, answer_id):
    chat = RecordedChat()
    assert asyncio.run(handle_correction(answer_id, " \n", chat, engine, author="ben")) == "refused"
    assert "empty" in notice_of(chat).text
    assert engine.ratings == []


def test_rating_an_answer_that_is_gone_is_refused(engine):
    chat = RecordedChat()
    assert asyncio.run(handle_rating(Rating("gone", "up"), chat, engine)) == "refused"
    assert "no such answer" in notice_of(chat).text
