"""Where two examples state the same fact they agree: texts, pictures and the numbers they are drawn from."""

from __future__ import annotations

import re

import pytest

from examples.drawn import facts


@pytest.fixture
def text_of(examples):
    def text(name):
        return (examples / "knowledge" / name).read_text(encoding="utf-8")

    return text


def test_product_lines_add_up_to_the_revenue_of_both_quarters():
    assert sum(product.revenue_q2 for product in facts.PRODUCTS) == round(facts.REVENUE[-2] * 1000)
    assert sum(product.revenue_q3 for product in facts.PRODUCTS) == round(facts.REVENUE[-1] * 1000)


def test_the_channels_share_the_whole_revenue():
    assert sum(facts.CHANNELS.values()) == 100


@pytest.mark.parametrize("product", facts.PRODUCTS, ids=lambda product: product.model)
def test_the_catalogue_has_the_price_of_the_picture(product, text_of):
    assert f"<h2>{product.model} {product.name}, {product.price:,} euros</h2>" in text_of("catalogue.html")


def test_growth_and_tickets_in_the_report_follow_from_the_charts(read_words):
    report = read_words("quarterly-report-q3-2025.pdf")

    assert (
        f"{(facts.REVENUE[-1] / facts.REVENUE[0] - 1) * 100:.1f} % more than in the third quarter" in report
    )
    assert (
        f"{(facts.REVENUE[-1] / facts.REVENUE[-2] - 1) * 100:.1f} % more than in the second quarter" in report
    )
    assert f"{sum(facts.TICKETS[6:]):,} tickets in the quarter" in report
    assert f"{facts.ACTIVE_USERS[-1] * 1000:,.0f} active users" in report


def test_the_outage_costs_and_lasts_the_same_in_both_reports(read_words):
    incident, report = (
        read_words(name) for name in ("incident-2025-08-19.html", "quarterly-report-q3-2025.pdf")
    )

    for fact in ("44,600 euros", "38,400 euros", "6,200 euros", "4 hours and 32 minutes", "46 clinics"):
        assert fact in incident
        assert fact in report


def test_one_product_is_above_the_limit_of_the_handbook_and_the_report_names_it(text_of, read_words):
    limit = float(re.search(r"return rate of a product is above (\d+) %", text_of("handbook.md"))[1])

    above = [product.model for product in facts.PRODUCTS if product.returns_q3 > limit]

    assert above == ["LF-410"]
    assert "The LF-410 was the only product with a return rate above" in read_words(
        "quarterly-report-q3-2025.pdf"
    )
