"""Questions about the axes of attached charts: ticks and labels are counted, compared and subtracted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmrag.generation.asked import understand
from mmrag.generation.lookup import look_up
from mmrag.generation.passages import sentences
from mmrag.grounding import EvidenceGrounder
from mmrag.types import Draft, Prompt

FIRST = "Rain in 2020\nPeru: ≈12\nChad: ≈31\nOman: ≈44\n(no label): ≈20\nVertical axis: 0, 20, 40"
SECOND = "Rain in 2021\nPeru: ≈6\nMali: ≈9\nChad: ≈15\nVertical axis: 0, 5, 10, 15, 20"
NO_AXIS = "Rain in 2022\nPeru: 6\nOman: 1\nChad: 2"


@pytest.fixture
def ask(hit, embedder):
    def run(question, *texts):
        charts = tuple(
            replace(hit(text, kind="figure", origin="attachment", number=place), uri=f"attachment:00{place}")
            for place, text in enumerate(texts, start=1)
        )
        prompt = Prompt(question, charts)
        claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))
        grounded = EvidenceGrounder(embedder).ground(Draft(claims), prompt)
        assert len(grounded) == len(claims)
        return " ".join(claim.text for claim in grounded)

    return run


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the highest labeled tick on the vertical axis in the first chart?",
         "Vertical axis: 40 (40 > 20 > 0)."),
        ("What is the lowest tick on the vertical axis in the second chart?",
         "Vertical axis: 0 (0 < 5 < 10 < 15 < 20)."),
        ("What is the difference between consecutive tick values on the vertical axis in the second chart?",
         "5 − 0 = 5."),
        ("What is the difference between the maximum and minimum tick on a vertical axis in the first chart?",
         "40 − 0 = 40."),
        ("How many labeled ticks are there on the vertical axis in the second chart?",
         "These are 0, 5, 10, 15, 20: 1 + 1 + 1 + 1 + 1 = 5."),
        ("How many of the same ticks are there on the vertical axis in the second chart and the first chart?",
         "Vertical axis: 0, 20: 1 + 1 = 2."),
        ("How many of the same labels are on the horizontal axis in the first chart and the second chart?",
         "Both charts have Peru, Chad: 1 + 1 = 2."),
        ("How many labels do the first chart and the second chart have in common, as in the first chart?",
         "Both charts have Peru, Chad: 1 + 1 = 2."),
        ("How many countries are there on the horizontal axis in the first chart?",
         "These are Peru, Chad, Oman: 1 + 1 + 1 = 3."),
    ],
)  # fmt: skip
def test_an_axis_is_answered_from_its_ticks_and_labels(ask, question, said):
    assert ask(question, FIRST, SECOND) == said


@pytest.mark.parametrize(
    "question",
    [
        "What is the highest tick on the vertical axis in the third chart?",
        "How many ticks are there on the vertical axis?",
        "How many of the same ticks are there on the vertical axis in the first chart and the third chart?",
        "How many countries on the horizontal axis are above 20 in the first chart?",
    ],
)  # fmt: skip
def test_what_is_not_certain_of_an_axis_is_not_said(ask, question):
    assert ask(question, FIRST, SECOND, NO_AXIS) == ""


def test_a_chart_without_a_table_does_not_move_the_others_place(ask):
    question = "How many of the same labels are there in the first chart and the second chart?"
    assert ask(question, FIRST, "A photo of rain", NO_AXIS) == ""
    assert "Peru, Chad" in ask(question.replace("second", "third"), FIRST, "A photo of rain", NO_AXIS)


def test_a_question_of_one_chart_is_answered_from_that_one(ask):
    assert ask("Which country has the highest rain in the second chart?", FIRST, SECOND) == (
        "In “Rain in 2021”, Chad has the highest value: about 15, measured from the chart."
    )


def test_bars_beyond_a_bound_are_counted_with_those_whose_labels_are_left_out(ask):
    said = ask("In how many bars is the rain above 15 in 2020 in the first chart?", FIRST, SECOND)
    assert "Chad (31), Oman (44), (no label) (20): 1 + 1 + 1 = 3, measured from the chart." in said
    assert "=" not in ask("In how many bars is the rain above 12 in 2020 in the first chart?", FIRST, SECOND)


def test_lines_that_count_values_or_name_no_bar_are_never_quoted_as_an_answer(hit):
    rows = "\n".join(f"City{chr(65 + i)}: ≈{20 + 3 * i}" for i in range(16))
    data = f"18 values:\n{rows}\n(no label): ≈31, ≈33\n18 values in all"
    chart = f"Rain in 2020\n{data}\n\nVertical axis: 0, 20, 40"
    assert sentences(0, hit(chart, kind="figure", title="Report")) == ()


def test_part_of_a_long_chart_ranks_and_counts_nothing(ask):
    rows = "\n".join(f"City{chr(65 + i)}: ≈{20 + 3 * i}" for i in range(20))
    whole = f"Rain in 2020\n20 values:\n{rows}\n20 values in all\nVertical axis: 0, 20, 40, 60, 80"
    assert "CityT has the highest value: about 77" in ask("Which region has the most rain?", whole)
    part = whole[: whole.index("\nCityT")]
    assert ask("Which region has the most rain?", part) == ""
    assert ask("How many labels are there on the horizontal axis?", part) == ""
