"""Promise: whatever is sent to the service, it answers as its OpenAPI document says, and never breaks.

schemathesis makes requests of the document, valid and broken ones, for every route; they go over a real
socket to the real engine. No answer may be an error of the server, have a status, a media type or a form
that is not documented. A trial is a request.
"""

from __future__ import annotations

import itertools

import httpx2
import hypothesis
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mmrag.config import Settings
from mmrag.types import Source
from tests.service.serving import served
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine

TRIALS = 10_000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
_ROUND = 50  # requests to one route before the next, at most
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def run(trials, seed, folder):
    """Send so many requests, the same number to each route in turn."""
    with trial_run(seed) as outcome, open_engine(folder, EMBEDDER) as engine:
        engine.add(
            Source("handbook.md", b"We have 28 days of leave.", uri="u:handbook"), collection="default"
        )
        settings = Settings(home=folder, serve_client_a_minute=0)
        with served(engine, settings) as url:
            document = httpx2.get(f"{url}/openapi.json", trust_env=False).json()
            schema = schemathesis.openapi.from_dict(document)
            operations = [each.ok() for each in schema.get_all_operations()]
            each = max(1, min(_ROUND, trials // (len(_MODES) * len(operations))))
            for number, (mode, operation) in enumerate(
                itertools.cycle(itertools.product(_MODES, operations))
            ):
                if outcome.trials >= trials:
                    break
                _requests(operation, mode, seed + number, each, outcome, url=url)
    return outcome


def _requests(operation, mode, seed, number, outcome, *, url):

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), as_events=st.booleans())
    def send(case, as_events):
        outcome.trials += 1
        if (
            isinstance(case.body, dict)
            and isinstance(case.body.get("model"), str)
            and case.body["model"][:1] < "P"
        ):
            case.body["model"] = "mmrag"  # of other names there is no end, and no answer
        headers = {"Accept": "text/event-stream"} if as_events else {}
        reply = case.call(base_url=url, headers=headers, timeout=60)
        outcome.count(f"answered by {reply.status_code // 100}xx")
        try:
            case.validate_response(reply, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            reasons = "; ".join(
                f"{type(each).__name__}: {each}" for each in getattr(failure, "exceptions", [failure])
            )
            outcome.failures.append(f"{operation.label} {mode.name}: {' '.join(reasons.split())[:300]}")

    try:
        send()
    except hypothesis.errors.Unsatisfiable:
        outcome.count("routes that can't be asked wrongly")
