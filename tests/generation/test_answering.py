"""When something is said at all: what is merely near a question is no answer to it."""

from __future__ import annotations

import pytest

from mmrag.generation.answering import Answering
from mmrag.generation.asked import kind_of, understand
from mmrag.generation.naming import Evidence, choices, named
from mmrag.types import Chunk, Hit, Prompt, Turn

TOBACCO = (
    "The plant of Brockfeld Tobacco is in Andheri. The other plant is in Guldhar. "
    "Brockfeld Tobacco has three directors."
)


def asked(question, history=()):
    return understand(Prompt(question, (), history))


def said(claims):
    return " ".join(claim.text for claim in claims)


@pytest.fixture
def long_document():
    """Passages of one document, a page each."""

    def make(*texts):
        return tuple(
            Hit(
                Chunk(number, "report", number, 0, len(text), text),
                "Report",
                "test:report",
                number,
                1.0,
                ("bm25",),
            )
            for number, text in enumerate(texts, start=1)
        )

    return make


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When does the office open?", "date"),
        ("And when is the office open?", "date"),
        ("Do you know when the office opens?", "date"),
        ("What happens to people when there is no pressure?", None),
        ("Is the place important when I buy a house?", None),
        ("When I send money, is there a charge?", None),
    ],
)
def test_when_asks_for_a_date_only_where_it_asks(question, kind):
    assert kind_of(question) == kind


def test_things_to_choose_from_belong_to_the_question_they_follow():
    (only,) = asked("Which of them floats on water? Iron or wood?")

    assert only.text == "Which of them floats on water? Iron or wood?"
    assert choices(only.text) == (frozenset({"iron"}), frozenset({"wood"}))


def test_an_answer_names_one_of_the_things_to_choose_from(draft, hit):
    question = "Which material floats on water, iron or wood?"

    assert said(draft(question, hit("Wood is a material that floats on water."))).startswith("Wood")
    assert draft(question, hit("Cork is a material that floats on water.")) == ()


def test_a_remark_after_a_question_is_not_asked():
    assert [one.text for one in asked("Can the landlord sue me? The rent is too expensive..")] == [
        "Can the landlord sue me?"
    ]


def test_what_comes_before_a_chinese_comma_belongs_to_the_question_after_it():
    assert [one.text for one in asked("云南的历史类专业中，最低分数线是多少？")] == [
        "云南的历史类专业中，最低分数线是多少？"
    ]
    assert [one.text for one in asked("年假有多少天，病假怎么请？")] == ["年假有多少天", "病假怎么请？"]


def test_a_remark_alone_is_asked():
    assert [one.text for one in asked("My family also wants to do some fishing.")] == [
        "My family also wants to do some fishing."
    ]


@pytest.mark.parametrize(
    "order",
    [
        "Please write the answer in float format.",
        "Directly answer 'yes' or 'no'.",
        "Answer in percentage terms, round to 2 decimal places.",
        'Save your answer as a list. For example: ["a", "b"]',
    ],
)
def test_how_an_answer_is_to_be_written_is_not_asked(order):
    assert [one.text for one in asked(f"How large is the fleet of Nordwind? {order}")] == [
        "How large is the fleet of Nordwind?"
    ]


def test_what_a_document_does_not_name_it_does_not_answer(draft, hit):
    assert said(draft("Where is the plant of Brockfeld Tobacco?", hit(TOBACCO))).startswith(
        "The plant of Brockfeld"
    )
    assert draft("Where is the plant of Apple Computers?", hit(TOBACCO)) == ()


def test_a_name_may_stand_elsewhere_in_the_document_but_a_number_may_not(long_document):
    hits = long_document(
        "Nordwind Logistics, annual report of 2023.",
        "Revenue of the year 2022 was 4.1 million euros. Nordwind grew.",
        "Staff grew as well.",
        "Risks are insured.",
        "Nordwind Logistics plans no sale.",
    )
    (of_2022,) = asked("What was the revenue of Nordwind Logistics in 2022?")
    (of_2023,) = asked("What was the revenue of Nordwind Logistics in 2023?")

    assert {one.values for one in (named(of_2022), named(of_2023))} == {("2022",), ("2023",)}
    assert Evidence([hits[1]]).share(named(of_2022).phrases) == 0
    assert Evidence(hits).share(named(of_2022).phrases) == 1
    assert Evidence([hits[1]]).knows("2022")
    assert not Evidence([hits[1]]).knows("2023")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WSL", "Install the Windows Subsystem for Linux first."),
        ("PTO", "Paid time off is requested in the calendar."),
        ("FY2023", "Basic earnings in fiscal 2023 were 6.31 dollars."),
        ("Bestbuy", "The stores of Best Buy are open."),
        ("Wi-Fi", "The wifi of the office"),
    ],
)
def test_a_name_is_known_in_any_spelling(name, text):
    evidence = Evidence([Hit(Chunk(1, "d", 1, 0, len(text), text), "", "u", 1, 1.0, ("bm25",))])

    assert evidence.knows(name)
    assert not evidence.knows("Zephyr")


def test_a_greeting_names_nobody_whom_evidence_must_know():
    (one,) = asked("Hi Anna, where is the guide of Nordwind?")

    assert named(one).phrases == (("Nordwind",),)


def test_capitals_on_every_word_tell_no_names():
    (one,) = asked("How Long Does Annual Leave Last In Total")

    assert named(one).phrases == ()


def test_a_question_about_a_page_is_answered_from_that_page(long_document, draft):
    hits = long_document(
        "The court is the Superior Court of Montreal.",
        "The court is the Court of Appeal of Quebec.",
    )

    assert (
        said(draft("Which court is named on page 2?", *hits)) == "The court is the Court of Appeal of Quebec."
    )
    assert draft("Which court is named on page seven?", *hits) == ()


def test_what_people_do_is_not_what_others_do(draft, hit):
    text = "People cook with a griddle because it is a handy tool."

    assert said(draft("Do people cook with a griddle?", hit(text))) == text
    assert draft("Do dogs prefer to cook with a griddle?", hit(text)) == ()


@pytest.mark.parametrize(
    "message",
    [
        "I am talking about the Murray Museum.",
        "Explain in brief how the Murray Museum works.",
        "我想了解穆雷博物馆。",
    ],
)
def test_who_asks_in_a_thread_answers_nothing(draft, hit, message):
    history = (Turn("user", message), Turn("assistant", "It is a museum."))
    thread = hit(message, title="message 1 of this thread", origin="thread")

    assert draft("And who built the Murray Museum?", thread, history=history) == ()


def test_who_states_something_in_a_thread_is_quoted(draft, hit):
    message = "Our printer in Berlin is a Larkspur 4200."
    thread = hit(message, title="message 1 of this thread", origin="thread")

    assert said(draft("Which printer do we have in Berlin?", thread)) == message


def test_a_notice_of_copyright_is_no_answer(draft, hit):
    assert draft("Judicial Council of Larkspur", hit("© 2024 Judicial Council of Larkspur.")) == ()


def test_a_line_of_a_table_of_contents_is_no_answer(draft, hit):
    assert (
        draft("How many strengths does Appendix E list?", hit("Appendix E: Strengths ............... 14"))
        == ()
    )


def test_one_long_document_is_all_the_evidence(long_document, hit):
    (one,) = asked("How large is the fleet?")
    pages = long_document(*(f"Page {number} of the report." for number in range(1, 7)))

    assert Answering(one, pages).is_long
    assert not Answering(one, pages[:3]).is_long
    assert not Answering(one, (*pages, hit("Another document.", number=9))).is_long
