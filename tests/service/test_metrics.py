"""What Prometheus reads of a service that answers: stages, first sentences, cache hits, batches, memory."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.types import Source
from tests.generation.checkpoints import make_checkpoint
from tests.service.conftest import HANDBOOK, LEAVE
from tests.trust.parts import EMBEDDER

GIB = 1 << 30


def read(client):
    """{(name of a series, its labels): value}."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_endings_stages_first_sentences_and_cache_hits_are_counted(service):
    for text in (LEAVE, LEAVE, "Who discovered Uranus?"):
        assert service.post("/v1/ask", json={"text": text}).status_code == 200
    series = read(service)
    assert series["mmrag_questions_total", ("ending", "answered")] == 2
    assert series["mmrag_questions_total", ("ending", "abstained")] == 1
    assert series["mmrag_cache_hits_total",] == 1
    assert series["mmrag_first_sentence_seconds_count",] == 2  # an abstention has none
    for stage in ("read", "search", "generate", "ground"):
        assert series["mmrag_stage_seconds_count", ("stage", stage)] == 2  # the cache has no stages
    assert series["mmrag_stage_seconds_count", ("stage", "total")] == 3
    assert series["mmrag_running", ("lane", "answering")] == 0


def test_a_models_batches_are_counted_and_no_gpu_is_where_there_is_none(start, home, reader, tmp_path):
    checkpoint = make_checkpoint("blip2-t5", tmp_path / "model")
    settings = Settings(home=home, generator_model=str(checkpoint), generator_tokens=24, cache_bytes=0)
    with build_engine(settings, embedder=EMBEDDER, reader=reader) as engine:
        engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
        client = start(engine, serve_answering=4)

        def ask(number):
            return client.post("/v1/ask", json={"text": f"{LEAVE} {number}"}).status_code

        assert ask(0) == 200
        alone = read(client)
        assert alone["mmrag_generation_batch_size_count",] == alone["mmrag_generation_batch_size_sum",] > 0
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(1, 9))) == [200] * 8
        together = read(client)
        steps = together["mmrag_generation_batch_size_count",]
        assert together["mmrag_generation_batch_size_sum",] > steps  # some were answered together
        assert together["mmrag_generation_batch_size_bucket", ("le", "4.0")] == steps
        assert not [name for name, *_ in together if name.startswith("mmrag_gpu")]


@pytest.fixture
def two_gpus(monkeypatch):
    """A torch that has two, of which 6 and 1 of 80 GiB are in use."""
    used = (6, 1)
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: len(used),
        mem_get_info=lambda device: ((80 - used[device]) * GIB, 80 * GIB),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


@pytest.mark.usefixtures("two_gpus")
def test_the_memory_of_each_gpu_is_told(start, memory):
    series = read(start(memory))
    assert series["mmrag_gpu_memory_bytes", ("device", "0")] == 6 * GIB
    assert series["mmrag_gpu_memory_bytes", ("device", "1")] == 1 * GIB
    assert series["mmrag_gpu_memory_total_bytes", ("device", "1")] == 80 * GIB
