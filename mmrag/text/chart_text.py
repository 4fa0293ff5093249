"""The signs by which a chart's data stands in a page's text: written by reading, understood by answering."""

from __future__ import annotations

MEASURED = "≈"  # stands before a value that was measured on the chart's axis, not printed there
BY_MODEL = "※"  # stands before a value that a model read from the chart
LEGEND = f"{BY_MODEL} = read by a model"  # says so, in a line below the data
CAPTION = "Caption by a model: "  # begins a line that a model wrote about a picture
NO_LABEL = "(no label)"  # names the values whose labels the chart leaves out, in one line
VALUES = "{} values:"  # heads a long table, as `COUNT` reads it
IN_ALL = "{} values in all"  # ends it: a part of it shows that it is one
COUNT = r"(\d+) values(?::| in all)"  # either of these
LONG = 16  # values: a table of more may be cut in two when it is stored
AXES = ("Vertical axis", "Horizontal axis")  # name a value axis, before its ticks


def unsigned(value: str) -> str:
    """A value as it is written in a chart's data, without the sign of where it comes from."""
    return value.removeprefix(MEASURED).removeprefix(BY_MODEL)
