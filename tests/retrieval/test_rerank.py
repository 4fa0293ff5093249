"""A cross-encoder of random weights through the code that loads any other."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

import pytest
from sentence_transformers import CrossEncoder

from mmrag.errors import InvalidSettings
from mmrag.retrieval.hybrid import RERANKER
from mmrag.retrieval.rerank import CrossEncoderReranker
from tests.retrieval.cross_encoders import make_cross_encoder

ENGLISH = [
    f"gateway {word} in rack {number}" for number, word in enumerate("restarts runs stops waits".split())
]
CHINESE = ["退款将在七个工作日内到账。", "网关在夜间重启。", "发票随货寄出，请妥善保管。", "退款"]
# A child process: what it loads and says is its own. Connecting to anywhere ends it.
OFFLINE = """
import json, socket, sys
def refuse(*arguments):
    raise SystemExit("tried the network")
socket.socket.connect = socket.getaddrinfo = refuse
from mmrag.retrieval.rerank import CrossEncoderReranker
reranker = CrossEncoderReranker(sys.argv[1])
early = reranker.name and "torch" in sys.modules
print(json.dumps([early, len(reranker.scores("which?", ["this", "that"]))]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "tiny", chinese=True)


@pytest.fixture(scope="module")
def reranker(folder):
    return CrossEncoderReranker(str(folder))


@pytest.fixture(scope="module")
def english_only(tmp_path_factory):
    return CrossEncoderReranker(str(make_cross_encoder(tmp_path_factory.mktemp("models") / "english")))


@pytest.mark.parametrize(
    ("question", "passages"),
    [("When does the gateway restart?", ENGLISH * 10 + ["", "long " * 300]), ("退款要多久？", CHINESE)],
    ids=["English", "Chinese"],
)
def test_the_order_is_that_of_the_library_itself(folder, reranker, question, passages):
    library = CrossEncoder(str(folder), device="cpu")
    expected = library.predict([(question, passage) for passage in passages])
    scores = reranker.scores(question, passages)
    order = sorted(range(len(passages)), key=lambda place: -scores[place])
    assert len(set(scores)) >= 4
    assert all(expected[better] >= expected[worse] - 1e-4 for better, worse in pairwise(order))


def test_no_passages_have_no_scores(reranker):
    assert reranker.scores("anything", []) == []


def test_it_loads_at_the_first_question_offline_and_in_silence(run_python, folder):
    done = run_python("-c", OFFLINE, folder)
    assert json.loads(done.stdout) == [False, 2]
    assert done.stderr == ""


def test_many_threads_load_it_once_and_agree(folder):
    fresh = CrossEncoderReranker(str(folder))
    found = []
    threads = [threading.Thread(target=lambda: found.append(fresh.scores("why", ENGLISH))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 6


def test_the_name_tells_weights_apart_not_places(folder, tmp_path):
    other = make_cross_encoder(tmp_path / "other" / "tiny", chinese=True, seed=2)
    same = make_cross_encoder(tmp_path / "same" / "tiny", chinese=True)
    names = [CrossEncoderReranker(str(place)).name for place in (folder, same, other)]
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("tiny@") for name in names)


def test_chinese_is_read_where_the_vocabulary_knows_it(reranker, english_only):
    assert reranker.understands("退款要多久？")
    assert reranker.understands("How long?")
    assert english_only.understands("How long?")
    assert not english_only.understands("退款要多久？")


def without_config(folder):
    (folder / "config.json").unlink()


def with_code_of_its_own(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "shady.Module"
    (folder / "modules.json").write_text(json.dumps(modules))


def with_pickled_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def with_half_of_the_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_config, "config.json"),
        (with_code_of_its_own, "code of its own"),
        (with_pickled_weights, "safetensors"),
        (with_half_of_the_weights, "damaged"),
    ],
)
def test_what_cannot_be_loaded_safely_is_refused_at_once(tmp_path, spoil, reason):
    place = make_cross_encoder(tmp_path / "model")
    spoil(place)
    with pytest.raises(InvalidSettings, match=reason) as refusal:
        CrossEncoderReranker(str(place))
    assert "rerank_model" in str(refusal.value)


@pytest.mark.parametrize("name", ["nobody/has-this-model", "not/a/name/at all", "/no/such/folder"])
def test_a_name_that_is_not_here_is_refused_without_the_network(name):
    with pytest.raises(InvalidSettings, match="no folder and not in the local cache"):
        CrossEncoderReranker(name)


def test_a_model_that_sorts_into_classes_is_no_reranker(tmp_path):
    classifier = CrossEncoderReranker(str(make_cross_encoder(tmp_path / "model", labels=3)))
    with pytest.raises(InvalidSettings, match="3 classes"):
        classifier.scores("why", ["because"])


# ------------------------------------------------------------- in the retriever


def test_the_best_candidates_come_in_the_rerankers_order_and_name_it(feed, start_retriever, reranker):
    feed.add("team", *ENGLISH)
    feed.add("board", *(f"the gateway of room {number}" for number in range(4)))
    retriever = start_retriever(reranker=reranker, rerank_candidates=50)
    question = "When does the gateway restart?"
    hits = retriever.search(question, collections=["team", "board"], k=8)
    texts = [hit.chunk.text for hit in hits]
    scores = reranker.scores(question, texts)
    assert len(set(texts)) == 8
    assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True), abs=2e-4)
    assert all(hit.retrievers[-1] == RERANKER for hit in hits)
    assert [hit.rank for hit in hits] == list(range(1, 9))


def test_only_so_many_candidates_are_read_and_the_rest_follows(feed, start_retriever, reranker):
    feed.add("team", *(f"gateway in room {number}" for number in range(30)))
    plain = start_retriever().search("gateway", collections=["team"], k=10)
    hits = start_retriever(reranker=reranker, rerank_candidates=4).search(
        "gateway", collections=["team"], k=10
    )
    assert {hit.chunk.id for hit in hits[:4]} == {hit.chunk.id for hit in plain[:4]}
    assert [hit.chunk.id for hit in hits[4:]] == [hit.chunk.id for hit in plain[4:]]
    assert [RERANKER in hit.retrievers for hit in hits] == [True] * 4 + [False] * 6


def test_a_candidate_that_both_halves_put_low_can_come_first(feed, start_retriever, reranker):
    feed.add("team", *(f"gateway in room {number}" for number in range(30)))
    searched = start_retriever(reranker=reranker, rerank_candidates=30)
    best = searched.search("gateway", collections=["team"], k=1)
    everything = start_retriever().search("gateway", collections=["team"], k=30)
    scores = reranker.scores("gateway", [hit.chunk.text for hit in everything])
    assert best[0].chunk.text == everything[scores.index(max(scores))].chunk.text


class Indifferent:
    """Implements `ports.Reranker`: all passages are alike to it."""

    name = "indifferent"

    def understands(self, text):  # noqa: ARG002 - the port's names
        return True

    def scores(self, question, passages):  # noqa: ARG002 - as above
        return [0.5] * len(passages)


def test_among_equals_the_fused_order_decides(feed, start_retriever):
    feed.add("team", *ENGLISH)
    plain = start_retriever().search("restarts in rack 2", collections=["team"], k=4)
    hits = start_retriever(reranker=Indifferent(), rerank_candidates=10).search(
        "restarts in rack 2", collections=["team"], k=4
    )
    assert [hit.chunk.id for hit in hits] == [hit.chunk.id for hit in plain]


def test_it_has_no_vote_on_a_language_that_it_does_not_read(feed, start_retriever, english_only):
    feed.add("team", *CHINESE)
    hits = start_retriever(reranker=english_only, rerank_candidates=10).search(
        "退款要多久？", collections=["team"], k=4
    )
    assert hits
    assert all(hit.retrievers == ("bm25",) for hit in hits)


def test_the_index_version_changes_with_the_reranker(feed, start_retriever, reranker, english_only):
    feed.add("team", "one")
    options = [
        {},
        {"reranker": reranker, "rerank_candidates": 10},
        {"reranker": reranker, "rerank_candidates": 20},
        {"reranker": english_only, "rerank_candidates": 10},
    ]
    versions = [start_retriever(**chosen).index_version(["team"]) for chosen in options]
    assert len(set(versions)) == 4
