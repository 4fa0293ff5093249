"""Numbers are values: how they are written does not matter, what they are does."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrag.text.numbers import numbers, sole_number


def values(text):
    return [number.value for number in numbers(text)]


@pytest.mark.parametrize(
    "spelling",
    ["4,200,000", "4200000", "4.2 million", "4.2M", "€4.2m", "420万", "４２０００００", "+4.2 million"],
)
def test_spellings_of_one_amount_are_one_value(spelling):
    assert values(spelling) == [Decimal(4_200_000)]


def test_a_title_below_a_number_is_not_its_unit():
    assert [one.percent for one in numbers("2000\nPercent of adults, 12\npercent of them men")] == [
        False,
        True,
    ]


@pytest.mark.parametrize("spelling", ["12 %", "12%", "12 percent", "12 per cent", "12％"])
def test_a_share_is_no_plain_number(spelling):
    assert numbers(spelling) != numbers("12")
    assert numbers(spelling)[0].percent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("共12人，增长3.5%", ["12", "3.5"]),
        ("It took 3-5 days.", ["3", "5"]),
        ("It took 3 – 5 days.", ["3", "5"]),
        ("It was -7 and −3.2 and -$5.", ["-7", "-3.2", "-5"]),
        ("4.2 − 3.0 = 1.2", ["4.2", "3.0", "1.2"]),
        ("Q3 2025: 4.2", ["2025", "4.2"]),
        ("It ends in 2019. 5 apples remain.", ["2019", "5"]),
        ("In 2019, 5 apples.", ["2019", "5"]),
    ],
)
def test_numbers_are_found_in_running_text(text, expected):
    assert values(text) == [Decimal(number) for number in expected]


@pytest.mark.parametrize("code", ["v2.13.0", "2.13.0", "10.0.0.1", "12.05.2024", "Q3", "LF220"])
def test_codes_are_no_numbers(code):
    assert numbers(code) == ()


@pytest.mark.parametrize(
    ("cell", "value"),
    [("$  1,452.4", "1452.4"), ("(12.5)", "-12.5"), ("$(3.4)", "-3.4"), ("+12.5 %", "12.5"), ("8*", "8")],
)
def test_a_cell_that_is_a_number_has_its_value(cell, value):
    number = sole_number(cell)
    assert number is not None
    assert number.value == Decimal(value)


@pytest.mark.parametrize("cell", ["", "-", "n/a", "Q3 2025", "4.2 (estimated)", "3-5", "none"])
def test_a_cell_with_anything_else_is_no_number(cell):
    assert sole_number(cell) is None


@given(st.decimals(min_value=0, max_value=10**12, places=2, allow_nan=False, allow_infinity=False))
def test_grouping_changes_no_value(value):
    assert values(f"{value:,}") == values(f"{value}") == [value]


@given(st.text(max_size=80))
def test_any_text_can_be_searched(text):
    assert all(number.value == number.value for number in numbers(text))  # none is NaN
