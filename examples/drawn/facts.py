"""The numbers of the made-up company that more than one picture or document shows.

The hand-written texts in `knowledge/` repeat some of them; tests/examples compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep")  # of 2025

TICKETS = (342, 318, 365, 351, 338, 372, 389, 547, 401)  # opened per month

RESPONSE_WEEKS = tuple(range(27, 40))  # ISO weeks of 2025; the outage was in week 34
RESPONSE_HOURS = (3.1, 3.0, 3.3, 2.9, 3.2, 3.4, 3.1, 7.8, 5.2, 4.1, 3.5, 3.2, 3.0)  # median a week

ACTIVE_USERS = (47.1, 48.3, 49.6, 51.0, 52.8, 54.5, 56.9, 58.0, 60.4)  # thousands, per month

QUARTERS = ("Q3 2024", "Q4 2024", "Q1 2025", "Q2 2025", "Q3 2025")
REVENUE = (3.42, 3.98, 3.61, 3.87, 4.26)  # million euros

CHANNELS = {"Online shop": 46, "Pharmacies": 27, "Clinics": 20, "Marketplaces": 7}  # % of revenue, Q3 2025


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its price in euros, its revenue in thousand euros and its return rate in % of units."""

    model: str
    name: str
    price: int
    line: str
    revenue_q2: int
    revenue_q3: int
    returns_q2: float
    returns_q3: float


PRODUCTS = (
    Product("LF-110", "Finger Oximeter", 39, "Oximeters", 610, 584, 2.1, 2.4),
    Product("LF-220", "Arm Monitor", 89, "Blood pressure", 1240, 1395, 3.4, 2.9),
    Product("LF-310", "Ear Thermometer", 34, "Thermometers", 405, 437, 1.8, 1.7),
    Product("LF-410", "Smart Scale", 119, "Scales", 520, 556, 4.6, 5.3),
    Product("LF-510", "Travel Nebuliser", 149, "Nebulisers", 385, 418, 2.7, 2.5),
    Product("LF-900", "Handheld Ultrasound", 2490, "Ultrasound", 710, 870, 0.9, 0.6),
)
