"""The settings' cross-encoder, from the start of the engine to the hits and to the doctor."""

from __future__ import annotations

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.doctor import examine
from mmrag.errors import InvalidSettings
from mmrag.types import Question, Source
from tests.retrieval.cross_encoders import make_cross_encoder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


def test_a_named_cross_encoder_orders_the_hits(start_engine, model):
    engine = start_engine(rerank_model=str(model))
    for name in ("gateway", "door", "rack"):
        engine.add(Source(name, f"The {name} is in Berlin.".encode(), name), collection="default")
    hits = engine.search(Question("Where is the gateway?")).hits
    assert len(hits) == 3
    assert all(hit.retrievers[-1] == "rerank" for hit in hits)
    without = start_engine().search(Question("Where is the gateway?"))
    assert without.index_version != engine.search(Question("Where is the gateway?")).index_version


def test_an_engine_does_not_start_with_a_cross_encoder_that_is_not_there(tmp_path, embedder, reader):
    settings = Settings(home=tmp_path, rerank_model=str(tmp_path / "nothing"))
    with pytest.raises(InvalidSettings, match="rerank_model"):
        build_engine(settings, embedder=embedder, reader=reader)


@pytest.mark.usefixtures("shared_models")
def test_the_doctor_says_whether_candidates_are_reranked_and_by_what(tmp_path, model):
    def findings(**settings):
        examined = examine(Settings(home=tmp_path / "home", **settings))
        return {finding.part: (finding.state, finding.says) for finding in examined}["reranker"]

    state, says = findings(rerank_model=str(model), rerank_candidates=20)
    assert state == "ok"
    assert all(part in says for part in ("tiny@", "best 20 candidates", "not Chinese"))
    state, says = findings(rerank_model=str(tmp_path / "nothing"))
    assert state == "fault"
    assert "rerank_model" in says
