"""Values that were measured on a chart are said to be, and are ranked only where they differ enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmrag.generation.asked import understand
from mmrag.generation.lookup import look_up
from mmrag.grounding import EvidenceGrounder
from mmrag.types import Draft, Prompt

SALES = "Umbrellas sold\nPorto: ≈120\nOslo: ≈547\nLeiden: ≈300\nSuzhou: ≈302"
HALF_LABELLED = "Umbrellas sold\nPorto: ≈120\nOslo: ≈547\nLeiden: ≈300\n(no label): ≈210, ≈600"
CHINESE = "雨伞销量\n北京: ≈120\n上海: ≈547\n广州: ≈300"


@pytest.fixture
def ask(hit, embedder):
    grounder = EvidenceGrounder(embedder)

    def run(question, text):
        prompt = Prompt(question, (hit(text, kind="figure", title="Report"),))
        claims = tuple(claim for asked in understand(prompt) for claim in look_up(asked, prompt.hits))
        return grounder.cite(grounder.ground(Draft(claims), prompt), prompt)

    return run


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        ("How many umbrellas were sold in Oslo?", SALES, "Oslo is about 547, measured from the chart."),
        ("Where were the most umbrellas sold?", SALES, "highest value: about 547, measured from the chart."),
        ("Which has the second highest umbrellas?", SALES, None),
        ("What is the total of umbrellas in Porto and Oslo?", SALES,
         "120 + 547 = 667, measured from the chart."),
        ("What is the difference between Oslo and Porto in umbrellas sold?", SALES,
         "547 − 120 = 427, measured from the chart."),
        ("What is the difference between Leiden and Suzhou in umbrellas sold?", SALES, None),
        ("How many cities sold umbrellas above 301?", SALES, None),
        ("How many umbrellas were sold in Oslo?", HALF_LABELLED, "about 547"),
        ("Where were the most umbrellas sold?", HALF_LABELLED, None),
        ("Where were the fewest umbrellas sold?", HALF_LABELLED, "Porto has the lowest value: about 120"),
        ("上海的雨伞销量是多少？", CHINESE, "上海为 约 547（按图量得）。"),
        ("哪个地区的雨伞销量最高？", CHINESE, "上海最高，为 约 547（按图量得）。"),
    ],
)  # fmt: skip
def test_a_measured_value_is_about_so_much_or_not_said(ask, question, text, said):
    answer, citations = ask(question, text)
    if said is None:
        assert "measured" not in answer
        assert "=" not in answer
        assert "highest" not in answer
    else:
        assert said in answer
        assert "≈" in citations[0].quote


def test_only_a_measured_value_may_be_called_so(hit, embedder):
    text = "Umbrellas sold\nPorto: 120\nOslo: 547\nLeiden: 300"
    prompt = Prompt("How many umbrellas were sold in Oslo?", (hit(text, kind="figure"),))
    (claim,) = look_up(understand(prompt)[0], prompt.hits)
    assert "about" not in claim.text
    grounder = EvidenceGrounder(embedder)
    assert grounder.ground(Draft((claim,)), prompt)
    guessed = replace(claim, text=claim.text.replace("547", "about 547, measured from the chart"))
    assert grounder.ground(Draft((guessed,)), prompt) == ()


READ_BY_MODEL = "Umbrellas sold\nPorto: ※120\nOslo: ※547\nLeiden: ※300\nSuzhou: ※310\n※ = read by a model"
IN_PART = READ_BY_MODEL.replace("※120", "120").replace("※300", "≈300")


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        ("How many umbrellas were sold in Oslo?", READ_BY_MODEL, "Oslo is 547, read by a model."),
        ("Where were the most umbrellas sold?", READ_BY_MODEL, "highest value: 547, read by a model."),
        ("What is the total of umbrellas in Porto and Oslo?", READ_BY_MODEL,
         "120 + 547 = 667, read by a model."),
        ("What is the total of umbrellas in Porto and Oslo?", IN_PART,
         "120 + 547 = 667, in part read by a model."),
        ("Where were the most umbrellas sold?", IN_PART,
         "547, measured from the chart and in part read by a model."),
        ("How many umbrellas were sold in Porto?", IN_PART, "Porto is 120."),
        ("What is the difference between Leiden and Suzhou in umbrellas sold?", READ_BY_MODEL, None),
        ("上海的雨伞销量是多少？", CHINESE.replace("≈", "※"), "上海为 547（由模型读出）。"),
    ],
)  # fmt: skip
def test_a_value_that_a_model_read_is_said_to_be_and_not_told_from_one_close_to_it(ask, question, text, said):
    answer, citations = ask(question, text)
    if said is None:
        assert "=" not in answer
    else:
        assert said in answer
        assert "model" not in citations[0].quote


def test_only_what_a_model_read_may_be_said_to_be(hit, embedder):
    prompt = Prompt("How many umbrellas were sold in Oslo?", (hit(SALES, kind="figure"),))
    (claim,) = look_up(understand(prompt)[0], prompt.hits)
    said = replace(claim, text=claim.text.replace("measured from the chart", "read by a model"))
    assert EvidenceGrounder(embedder).ground(Draft((said,)), prompt) == ()


def test_labels_that_a_model_read_are_not_counted_as_shared(hit):
    def shared(second):
        hits = tuple(
            replace(hit(text, kind="figure", origin="attachment"), uri=f"attachment:{place:03d}")
            for place, text in enumerate((SALES, second), start=1)
        )
        question = "How many labels do the first chart and the second chart have in common?"
        return look_up(understand(Prompt(question, hits))[0], hits)

    assert shared(SALES)
    assert shared(READ_BY_MODEL) == ()
