"""What Prometheus reads: how much is asked, how it ends, how long each stage takes, what waits.

No label holds a collection, a document or a person.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from mmrag.service.context import service_of
from mmrag.service.openapi import bytes_of, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mmrag.service.work import Lane
    from mmrag.types import Answer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)

router = APIRouter(tags=["health"])


class Metrics:
    """Counts what happens. `lanes` and `batches` are looked at when Prometheus reads."""

    def __init__(self, lanes: Sequence[Lane], batches: Callable[[], Mapping[int, int]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Now(lanes, batches))
        self._requests = Counter(
            "mmrag_requests", "Requests.", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "mmrag_request_seconds",
            "Seconds until a request was answered.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._questions = Counter(
            "mmrag_questions",
            "Questions by their ending: answered, abstained, failed, withdrawn.",
            ("ending",),
            registry=self.registry,
        )
        self._cache_hits = Counter(
            "mmrag_cache_hits", "Questions that the cache answered.", registry=self.registry
        )
        self._stage_seconds = Histogram(
            "mmrag_stage_seconds",
            "Seconds that a stage of a question took: read, search, generate, ground, total.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first_seconds = Histogram(
            "mmrag_first_sentence_seconds",
            "Seconds from a question, its waiting for a turn included, to the first sentence of its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._documents = Counter(
            "mmrag_documents",
            "Uploaded documents by what came of them: added, updated, unchanged, failed.",
            ("status",),
            registry=self.registry,
        )
        self._ratings = Counter("mmrag_ratings", "Ratings.", ("verdict",), registry=self.registry)
        for ending in ("answered", "abstained", "failed", "withdrawn"):
            self._questions.labels(ending)  # a rate of what has not happened yet is 0, not nothing
        for status in ("added", "updated", "unchanged", "failed"):
            self._documents.labels(status)
        for verdict in ("up", "down"):
            self._ratings.labels(verdict)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request that was answered; status 0 is a client that left before."""
        known = method if method in {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"} else "other"
        self._requests.labels(known, route, str(status) if status else "left").inc()
        self._request_seconds.labels(route).observe(seconds)

    def answered(self, answer: Answer) -> None:
        """A question that came to its end."""
        self._questions.labels("abstained" if answer.abstained else "answered").inc()
        if answer.cached:
            self._cache_hits.inc()
        for stage, milliseconds in answer.timings_ms.items():
            self._stage_seconds.labels(stage).observe(milliseconds / 1000)

    def began(self, seconds: float) -> None:
        """The first sentence of an answer was there after so long."""
        self._first_seconds.observe(seconds)

    def unanswered(self, ending: str) -> None:
        """A question without an answer: failed or withdrawn."""
        self._questions.labels(ending).inc()

    def added(self, status: str) -> None:
        """What came of an uploaded document."""
        self._documents.labels(status).inc()

    def rated(self, verdict: str) -> None:
        """A rating."""
        self._ratings.labels(verdict).inc()


class _Now(Collector):
    """What is true at the moment of reading."""

    def __init__(self, lanes: Sequence[Lane], batches: Callable[[], Mapping[int, int]]) -> None:
        self._lanes = lanes
        self._batches = batches

    def collect(self) -> Iterable[Metric]:
        running = GaugeMetricFamily(
            "mmrag_running", "Requests that are worked on, by their lane.", labels=["lane"]
        )
        waiting = GaugeMetricFamily(
            "mmrag_waiting", "Requests that wait for their turn, by their lane.", labels=["lane"]
        )
        for lane in self._lanes:
            running.add_metric([lane.name], lane.running)
            waiting.add_metric([lane.name], lane.waiting)
        yield running
        yield waiting
        yield from _gpu_memory()
        yield _batch_sizes(self._batches())


def _gpu_memory() -> Iterable[Metric]:
    """Of each GPU, once a model has loaded torch: it is not loaded to look."""
    torch = sys.modules.get("torch")
    used = GaugeMetricFamily("mmrag_gpu_memory_bytes", "GPU memory that is in use.", labels=["device"])
    total = GaugeMetricFamily("mmrag_gpu_memory_total_bytes", "GPU memory that there is.", labels=["device"])
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            free, of = torch.cuda.mem_get_info(device)
            used.add_metric([str(device)], of - free)
            total.add_metric([str(device)], of)
    yield used
    yield total


def _batch_sizes(sizes: Mapping[int, int]) -> Metric:
    family = HistogramMetricFamily(
        "mmrag_generation_batch_size", "Questions that a local model answered together in a step."
    )
    bounds = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    buckets = [
        (str(float(bound)), float(sum(steps for size, steps in sizes.items() if size <= bound)))
        for bound in bounds
    ]
    buckets.append(("+Inf", float(sum(sizes.values()))))
    family.add_metric([], buckets, sum_value=float(sum(size * steps for size, steps in sizes.items())))
    return family


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=bytes_of("The metrics", "text/plain") | problems(401, 403, 429),
)
async def metrics(request: Request) -> Response:
    """In Prometheus' text format. Needs a key, as every other route: give it as Prometheus' `credentials`."""
    return Response(generate_latest(service_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
