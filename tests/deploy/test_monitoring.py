"""The dashboard and the alerts ask for metrics that the engine has."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from mmrag.service.metrics import Metrics
from mmrag.service.work import Lane
from tests.deploy.conftest import DEPLOY

FOLDER = DEPLOY / "monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS += [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def series():
    """{name of a series: its labels} that the engine exports."""
    lane = Lane("answering", at_once=1, waiting=1)
    metrics = Metrics([lane], lambda: {1: 1})
    metrics.requested("GET", "/healthz", 200, 0.1)
    metrics._stage_seconds.labels("total").observe(1)  # noqa: SLF001 - an answer would have to be made up
    found = {"up": {"job", "instance"}}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        if not family.samples:  # GPUs, where there are none
            found[family.name] = {"device"}
    lane.close()
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_series_and_labels_that_there_are(expression, series):
    named = set(re.findall(r"\b(mmrag_\w+|up)\b(?=[{\[ )]|$)", expression))
    assert named
    assert named <= series.keys()
    labels = {label for name in named for label in series[name]} | {"instance", "job", "le"}
    used = set(re.findall(r"(\w+)(?==~?\"|!=\")", expression))
    used |= {
        label.strip() for group in re.findall(r"by \(([\w, ]+)\)", expression) for label in group.split(",")
    }
    assert used <= labels


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_promql(expression):
    parser = pytest.importorskip("promql_parser", reason="needs the extra dev")
    assert parser.parse(re.sub(r"\$__(rate_interval|range)", "5m", expression))


def test_every_metric_is_shown(series):
    shown = set(re.findall(r"\bmmrag_\w+", " ".join(EXPRESSIONS)))
    missing = {name for name in series if not name.endswith(("_created", "_count", "_sum"))} - shown - {"up"}
    assert missing == set()


def test_panels_have_their_own_places_and_titles():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] for panel in DASHBOARD["panels"])


def test_each_alert_says_what_to_look_at():
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "description"}
            assert rule["labels"]["severity"] in {"page", "warn"}
