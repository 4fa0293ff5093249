"""What tables are asked that no single cell says, with the working shown and kept by grounding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmrag.generation.asked import understand
from mmrag.generation.lookup import look_up
from mmrag.grounding import EvidenceGrounder
from mmrag.types import Draft, Prompt

TICKETS = "Support tickets per month\nJan: 365\nFeb: 372\nMar: 342\nApr: 389\nMay: 547"
MONEY = (
    "Quarter | Revenue | Costs\n--- | --- | ---\nQ1 | $4.2 million | $3.0 million\n"
    "Q2 | $5.0 million | $3.5 million\nQ3 | $6.3 million | $4.1 million"
)
WITH_TOTAL = "Team | People\n--- | ---\nSales | 20\nSupport | 30\nTotal | 50"
EMPTY_CORNER = (
    "| Years ended 30 September, |\n | 2019 | 2018 | 2017\n | (in millions) |  | \nServices: |  |  | \n"
    "Repairs | $1,452.4 | $1,146.2 | $1,036.9\nRentals | 44.1 | 56.7 | 70.8\n"
    "Total sales | $1,496.5 | $1,202.9 | $1,107.7"
).replace("| Years", "|  | Years", 1)
SHORT_YEARS = "| F19 | F18\nSales | 1,671 | 1,612\nStores | 83 | 91"
TOTAL_AND_CURRENT = "| Current | Total\nReceivables | 23,524 | 27,579\nDeposits | 10 | 20"
RENEWED = "| Renewed | New\nDeposits | 10 | 20\nLoans | 3 | 4"
TWO_KINDS = "| 2019 Units | 2019 Price | 2018 Units | 2018 Price\nRentals | 300 | 12 | 280 | 11"
CHINESE_YEARS = "| 2019年 | 2018年\n维修收入 | 150 | 120\n租赁收入 | 44 | 57"
CHINESE = "各季度销售额\n一季度: 120\n二季度: 150\n三季度: 90"


@pytest.fixture
def answer(hit, embedder):
    def run(question, text, kind):
        prompt = Prompt(question, (hit(text, kind=kind, title="Report"),))
        claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))
        return " ".join(claim.text for claim in EvidenceGrounder(embedder).ground(Draft(claims), prompt))

    return run


@pytest.mark.parametrize(
    ("question", "text", "kind", "working"),
    [
        ("What is the total of tickets in Jan and Feb?", TICKETS, "figure", "365 + 372 = 737"),
        ("What is the average number of tickets?", TICKETS, "figure", "÷ 5 = 403"),
        ("What is the growth in percent from Jan to May?", TICKETS, "figure", "(547 − 365) ÷ 365 = 49.86 %"),
        ("By how much did tickets fall from Feb to Mar?", TICKETS, "figure", "fell by 372 − 342 = 30"),
        ("Which month has the second highest tickets?", TICKETS, "figure", "the second highest: 547 > 389"),
        ("How many months are above 370?", TICKETS, "figure", "May (547): 1 + 1 + 1 = 3"),
        ("What is the total revenue?", MONEY, "table", "= $15.5 million"),
        ("Which quarter has the second lowest costs?", MONEY, "table", "Q2 is the second lowest"),
        ("What is the share of Sales?", WITH_TOTAL, "table", "20 ÷ 50 = 40 %"),
        ("What was the percentage change in Rentals from 2018 to 2019?", EMPTY_CORNER, "table",
         "fell by (56.7 − 44.1) ÷ 56.7 = 22.22 %"),
        ("What is the total of Rentals from 2017 to 2019?", EMPTY_CORNER, "table", "+ 56.7 + 70.8 = 171.6"),
        ("What is the average of Rentals in 2017-2019?", EMPTY_CORNER, "table", "÷ 3 = 57.2"),
        ("What are the average Rentals?", EMPTY_CORNER, "table", "(44.1 + 56.7 + 70.8) ÷ 3 = 57.2"),
        ("What were the total sales in 2019?", EMPTY_CORNER, "table", "2019 for Total sales is $1,496.5"),
        ("In which year were Rentals the largest?", EMPTY_CORNER, "table", "the highest in 2017: 70.8"),
        ("In which year were Stores lower?", SHORT_YEARS, "table", "the lowest in F19: 83"),
        ("What is the average of Sales for FY19 and FY18?", SHORT_YEARS, "table", "= 1,641.5"),
        ("What is the difference between total receivables and current receivables?", TOTAL_AND_CURRENT,
         "table", "27,579 − 23,524 = 4,055"),
        ("What is the sum of renewed and new Deposits?", RENEWED, "table", "10 + 20 = 30"),
        ("维修收入从2018年到2019年增长了百分之几？", CHINESE_YEARS, "table", "(150 − 120) ÷ 120 = 25 %"),
        ("租赁收入哪一年最高？", CHINESE_YEARS, "table", "2018年的租赁收入最高，为 57"),
        ("销售额总计多少？", CHINESE, "figure", "120 + 150 + 90 = 360"),
        ("平均销售额是多少？", CHINESE, "figure", "(120 + 150 + 90) ÷ 3 = 120"),
        ("一季度到二季度销售额增长率是多少？", CHINESE, "figure", "(150 − 120) ÷ 120 = 25 %"),
        ("第二高的是哪个季度？", CHINESE, "figure", "一季度排第二：150 > 120"),
        ("三季度占总销售额的比例是多少？", CHINESE, "figure", "90 ÷ (120 + 150 + 90) = 25 %"),
    ],
)  # fmt: skip
def test_it_is_worked_out_to_be_seen(answer, question, text, kind, working):
    assert working in answer(question, text, kind)


@pytest.mark.parametrize(
    ("question", "text", "kind"),
    [
        ("What is the total profit?", MONEY, "table"),  # the table says nothing about profit
        ("What is the average of the refunds?", TICKETS, "figure"),
        ("What is the total of Rentals from 2015 to 2019?", EMPTY_CORNER, "table"),  # 2015 is missing
        (
            "What is the sum of current and total deposits?",
            TOTAL_AND_CURRENT,
            "table",
        ),  # a part and its whole
        ("What are the average Rentals of 2018 and 2019?", TWO_KINDS, "table"),  # units or dollars?
        ("What is the total?", "Item | Value\n--- | ---\nWeight | 3 kg\nHeight | 4 cm", "table"),
        ("What is the total support?", "Who | Share\n--- | ---\nMen | 40 %\nWomen | 55 %", "table"),
    ],
)
def test_what_can_not_be_put_together_is_not(answer, question, text, kind):
    assert "=" not in answer(question, text, kind)


PROFIT = "Profit per quarter\nQ1: −5\nQ2: −3\nQ3: −8"


@pytest.mark.parametrize(
    "question", ["How did profit change from Q1 to Q2?", "How many quarters of profit are above 4?"]
)
def test_amounts_below_zero_are_not_worked_with_as_if_they_were_above(answer, question):
    assert "=" not in answer(question, PROFIT, "figure")


def test_a_claim_with_a_wrong_result_or_a_foreign_operand_is_dropped(hit, embedder, quoted):
    for text in ("The total is 365 + 372 = 738.", "The total is 365 + 371 = 736."):
        prompt = Prompt("What is the total?", (hit(TICKETS, kind="figure"),))
        assert EvidenceGrounder(embedder).ground(Draft((quoted(text, TICKETS),)), prompt) == ()


@pytest.fixture
def quoted():
    from mmrag.types import Claim, Quote  # noqa: PLC0415 - beside its one use

    def make(text, source):
        return Claim(text, (Quote(0, 0, len(source)),))

    return make


def test_an_open_question_about_an_attached_chart_is_told_its_values(hit, embedder):
    chart = hit(TICKETS, kind="figure", origin="attachment", title="chart.png")
    prompt = Prompt("How do support tickets differ by month?", (chart,))
    (asked,) = understand(prompt)
    claims = look_up(asked, prompt.hits)
    assert [claim.text for claim in EvidenceGrounder(embedder).ground(Draft(claims), prompt)] == [
        "In “Support tickets per month”, Jan 365, Feb 372, Mar 342, Apr 389, May 547."
    ]


def test_labels_that_two_attached_charts_share_are_counted_by_name(hit, embedder):
    charts = [
        replace(hit(text, kind="figure", origin="attachment", number=place), uri=f"attachment:00{place}")
        for place, text in enumerate(
            ("Rate in 2020\nFrance: 3\nPeru: 4\nChad: 5", "Rate in 2021\nPeru: 6\nOman: 1\nChad: 2"), start=1
        )
    ]
    question = "How many of the same labels are there in the second chart and the first chart?"
    prompt = Prompt(question, (charts[1], charts[0]))
    claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))
    (claim,) = EvidenceGrounder(embedder).ground(Draft(claims), prompt)
    assert claim.text == "Both charts have Peru, Chad: 1 + 1 = 2."
    assert {quote.hit for quote in claim.support} == {0, 1}
