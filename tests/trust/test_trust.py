"""A short sample of the trials of `make trust`, with other seeds."""

from __future__ import annotations

import importlib
import logging

import pytest

from tests.trust.outcome import CannotRunError
from tests.trust.report import PROMISES

SAMPLES = {
    "kills": 12,
    "damage": 14,
    "full_disk": 5,
    "collections": 400,
    "canaries": 12,
    "sharing": 1,
    "cached": 100,
    "slack_hostile": 300,
    "slack_kills": 2,
    "slack_processes": 1,
    "slack_doubled": 40,
    "slack_cut": 30,
    "slack_forged": 300,
    "service_schema": 34,
    "service_keys": 100,
    "service_streams": 40,
    "service_kills": 2,
    "service_links": 340,
    "decisions": 5,
    "discord_hostile": 100,
    "discord_kills": 1,
    "discord_processes": 1,
    "discord_drops": 3,
    "discord_sessions": 1,
    "discord_cut": 2,
    "hostile": 1,
    "stampede": 1_100,
    "backup": 4,
    "mcp_keys": 60,
    "pictures": 60,
    "decoding": 30,
    "prompts": 21,
    "network": 240,
}
MEASURE_TIME = {"slack_acks", "slack_flood"}  # a machine with other work would fail them


def test_every_promise_has_a_sample():
    assert {promise.module for promise in PROMISES} - {None} == SAMPLES.keys() | MEASURE_TIME


@pytest.mark.parametrize(("name", "trials"), SAMPLES.items(), ids=SAMPLES)
def test_a_sample_of_the_trials_holds(name, trials, tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    module = importlib.import_module(f"tests.trust.{name}")
    try:
        outcome = module.run(trials, 2, tmp_path)
    except CannotRunError as reason:
        pytest.skip(str(reason))
    assert outcome.failures == []
    assert outcome.trials >= trials
