"""Calculations that a sentence shows, read and checked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrag.text.arithmetic import calculations
from mmrag.text.numbers import numbers


@pytest.mark.parametrize(
    "text",
    [
        "the difference is 4.2 − 3.0 = 1.2.",
        "it rose by (547 − 400) ÷ 400 = 36.75 %.",
        "the average is (3 % + 4 % + 5 %) ÷ 3 = 4 %",
        "the share is 20 ÷ 80 = 25 %",
        "the share is 1 ÷ 3 = 33.33 %",
        "$4.2 million − $3.0 million = $1.2 million",
        "合计为 3 天 + 4 天 = 7 天。",
        "In 2024 it was 2 + 2 = 4",
    ],
)
def test_a_right_result_holds(text):
    (calculation,), rest = calculations(text)
    assert calculation.holds
    assert not set(calculation.operands) & set(numbers(rest))


@pytest.mark.parametrize("text", ["5 + 3 = 9", "20 ÷ 80 = 26 %", "(547 − 400) ÷ 400 = 36.6 %", "4 ÷ 0 = 1"])
def test_a_wrong_result_does_not(text):
    ((calculation, *_), _) = calculations(text)
    assert not calculation.holds


@pytest.mark.parametrize("text", ["", "x = 4", "4 = 4", "the total is 7", "= = =", "(((", "1 +"])
def test_what_is_no_calculation_is_left_alone(text):
    found, rest = calculations(text)
    assert found == ()
    assert numbers(rest) == numbers(text)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8), st.integers(-5, 5))
def test_a_sum_holds_exactly_when_it_is_right(operands, off):
    result = sum(operands) + off
    if result >= 0:
        ((calculation,), _) = calculations(f"{' + '.join(map(str, operands))} = {result}")
        assert calculation.holds == (off == 0)
        assert [number.value for number in calculation.operands] == [Decimal(value) for value in operands]


@given(st.text(alphabet="0123456789.,+-−÷×*/()=% abc百", max_size=60))
def test_nothing_that_is_written_stops_it(text):
    calculations(text)
