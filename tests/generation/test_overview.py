"""Open questions about an attached chart are answered with what it shows, cell by cell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmrag.generation.asked import understand
from mmrag.generation.lookup import look_up
from mmrag.grounding import EvidenceGrounder
from mmrag.types import Draft, Prompt

TRADE = (
    "Support for trade with Ruritania\nTotal | Favor: 60\nTotal | Oppose: 34\n"
    "Rep/Lean Rep | Favor: 49\nRep/Lean Rep | Oppose: 46\nDem/Lean Dem | Favor: 71\nDem/Lean Dem | Oppose: 24"
)
TOWNS = "Share of homes with a garden\n" + "\n".join(
    f"{name}: {value}"
    for name, value in (
        ("Total", 46), ("Porto", 31), ("Oslo", 55), ("Leiden", 28), ("Suzhou", 40), ("Lima", 62),
        ("Graz", 51), ("Cork", 58), ("Bergen", 44), ("Turin", 39),
    )
)  # fmt: skip
PART = "Losing influence in Ruritania\n4 values:\n2002: 52\n2008: 60\n2014: 72\n(no label): 66"
_DEFICIT = "Federal deficit | Percent who"
READERS = f"Following the news\n{_DEFICIT} followed it: 35\n{_DEFICIT} named it: 9"
RATES = "Rate of growth\nPeru: 4\nChad: 5\nTotal: 3"
CHINESE = "对新公园的看法\n老年人: 62%\n青年人: 48%\n儿童: 71%"


@pytest.fixture
def answer(hit, embedder):
    def run(question, text, *, origin="attachment"):
        prompt = Prompt(question, (hit(text, kind="figure", title="chart.png", origin=origin),))
        claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))
        return " ".join(claim.text for claim in EvidenceGrounder(embedder).ground(Draft(claims), prompt))

    return run


@pytest.mark.parametrize(
    "question",
    [
        "What do Americans think about trade with Ruritania?",
        "Describe the views on trade.",
        "Write some information about support for Ruritania.",
        "How supportive is the public of trade?",
        "What's the public opinion about the gap in trade?",
    ],
)
def test_a_small_chart_is_told_whole(answer, question):
    said = answer(question, TRADE)

    assert "Favor: Total 60, Rep/Lean Rep 49, Dem/Lean Dem 71." in said
    assert "Oppose: Total 34, Rep/Lean Rep 46, Dem/Lean Dem 24." in said


def test_of_a_large_chart_totals_and_extremes_stand_out(answer):
    said = answer("What are the opinions about gardens?", TOWNS)

    assert said == "In “Share of homes with a garden”, Total 46, Leiden 28, Lima 62."


def test_of_a_large_chart_the_rows_that_are_named_are_told(answer):
    assert "Porto 31, Oslo 55." in answer("Compare gardens of homes in Porto and Oslo.", TOWNS)


def test_a_part_of_a_charts_values_is_told_and_its_highest_is_not(answer):
    assert "2002 52, 2008 60, 2014 72." in answer("Describe the trend of losing influence.", PART)
    assert not answer("Which year has the highest losing influence?", PART)


def test_the_number_of_a_charts_values_is_not_its_title(answer):
    said = answer("Describe the trend from 2002 to 2014.", PART.partition("\n")[2])

    assert said.startswith("In “chart.png”, 2002 52, 2008 60")


def test_a_column_that_begins_with_percent_is_no_unit_of_the_cell_before_it(answer):
    said = answer("Describe how the federal deficit was followed.", READERS)

    assert said.endswith("Federal deficit: Percent who followed it 35, Percent who named it 9.")


def test_chinese_is_described_in_chinese(answer):
    assert (
        answer("大家对新公园的看法如何？", CHINESE)
        == "在“对新公园的看法”中，老年人 62%，青年人 48%，儿童 71%。"
    )


@pytest.mark.parametrize(
    "question",
    [
        "Describe the views on nuclear power.",  # the chart says nothing about it
        "How many groups are asked about trade?",
        "What is the average support of trade in Ruritania and Freedonia?",
        "Who supports trade?",
        "What is the gap between support for trade in Ruritania and in Freedonia?",
        "What does the vertical axis of the support for trade represent?",
    ],
)
def test_what_a_chart_does_not_show_or_what_needs_more_than_its_values_is_not_described(answer, question):
    assert "Favor: " not in answer(question, TRADE)


def test_a_stored_chart_is_not_told_for_an_open_question(answer):
    assert not answer("Describe the views on trade.", TRADE, origin="collection")


def test_of_several_charts_the_one_that_is_named_is_described(hit):
    charts = [
        replace(hit(text, kind="figure", origin="attachment", number=place), uri=f"attachment:00{place}")
        for place, text in enumerate((TRADE, TRADE.replace("60", "61")), start=1)
    ]
    prompt = Prompt("Describe the support for trade with Ruritania in the second chart.", tuple(charts))
    claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))

    assert {quote.hit for claim in claims for quote in claim.support} == {1}


def test_what_sums_countries_up_is_not_counted_as_one(hit):
    charts = [
        replace(hit(text, kind="figure", origin="attachment", number=place), uri=f"attachment:00{place}")
        for place, text in enumerate((RATES, RATES.replace("4", "6")), start=1)
    ]
    asked = (
        "How many of the same countries are on the horizontal axis in the first chart and the second chart?"
    )
    prompt = Prompt(asked, tuple(charts))
    (claim,) = (claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))

    assert claim.text == "Both charts have Peru, Chad: 1 + 1 = 2."
