"""The default model, as the engine uses it."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.config import Settings
from mmrag.errors import StoreUnavailable
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
from mmrag.retrieval.embedding.model import DEFAULT_MODEL, ModelFolder, find_model
from mmrag.retrieval.embedding.runtime import EXACT_ENOUGH, PROBES

# A child process: what it loads and says is its own. Connecting to anywhere ends it.
SECOND_START = """
import json, socket, sys
from pathlib import Path
def refuse(*arguments):
    raise SystemExit("tried the network")
socket.socket.connect = socket.getaddrinfo = refuse
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
embedder = SentenceTransformerEmbedder(models=Path(sys.argv[1]), threads=1, runtime=sys.argv[2])
facts = [embedder.name, embedder.dimension, embedder.count_tokens("three short words")]
early = sorted({"torch", "openvino"} & set(sys.modules))
vectors = embedder.embed_queries(["hello"])
late = sorted({"torch", "transformers", "openvino", "openvino_telemetry"} & set(sys.modules))
print(json.dumps({"facts": facts, "early": early, "shape": vectors.shape, "late": late}))
"""


@pytest.fixture(scope="module")
def pytorch():
    return SentenceTransformerEmbedder(threads=2, runtime="torch")


@pytest.fixture
def converted(embedder, models, tmp_path):
    """Where the model lies in OpenVINO's form, and the setting that uses it.

    While something else keeps the machine busy, PyTorch may be measured as the faster one.
    """
    if embedder.runtime_reason.startswith("OpenVINO"):
        return models, "auto"
    SentenceTransformerEmbedder(models=tmp_path, threads=1, runtime="openvino").embed_queries(["hello"])
    return tmp_path, "openvino"


def test_a_second_start_embeds_without_pytorch_offline_and_in_silence(run_python, converted):
    done = run_python("-c", SECOND_START, *converted)
    report = json.loads(done.stdout)
    assert report == {
        "facts": ["all-MiniLM-L6-v2@53aa51172d14", 384, 3],
        "early": [],
        "shape": [1, 384],
        "late": ["openvino"],
    }
    assert done.stderr == ""


def test_the_default_of_the_settings_is_the_default_model():
    assert Settings().embedding_model == DEFAULT_MODEL


def test_it_says_what_runs_the_model_and_why(embedder, pytorch):
    assert "cosine" in embedder.runtime_reason
    assert "texts/s" in embedder.runtime_reason
    assert pytorch.runtime_reason == "PyTorch in fp32 on the CPU: chosen by the setting embedding_runtime"


def test_the_fast_way_gives_the_vectors_of_the_exact_one(embedder, pytorch):
    cosines = (embedder.embed_documents(PROBES) * pytorch.embed_documents(PROBES)).sum(axis=1)
    assert cosines.min() >= EXACT_ENOUGH


def test_vectors_are_unit_rows_in_the_order_of_the_texts(embedder):
    texts = ["short", "a much longer text about the weather in the mountains " * 8, "", "three words here"]
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert float(embedder.embed_queries([text])[0] @ vector) > 0.9999


WORDS = st.lists(st.sampled_from("leave refund 42 ERR-7 weather Ünï 退款 the \n".split(" ")), max_size=90)


@settings(max_examples=15, deadline=None)
@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_neither_order_nor_company_changes_a_vector(embedder, texts, random):
    places = random.sample(range(len(texts)), len(texts))
    shuffled = embedder.embed_documents([texts[place] for place in places])
    for place, vector in zip(places, shuffled, strict=True):
        assert embedder.embed_documents([texts[place]])[0] @ vector > 0.9999


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


def test_the_default_model_reads_english_and_not_chinese(embedder):
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


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("fault", ["altered", "missing"])
def test_a_default_model_that_is_not_the_published_one_is_refused(tmp_path, models, path, fault):
    folder = tmp_path / "model"
    shutil.copytree(find_model(DEFAULT_MODEL).folder, folder)
    if fault == "missing":
        (folder / path).unlink()
    else:
        (folder / path).write_bytes((folder / path).read_bytes()[:-1] + b"?")
    altered = SentenceTransformerEmbedder(model=ModelFolder(DEFAULT_MODEL, folder), models=models)
    with pytest.raises(StoreUnavailable, match="pip install --force-reinstall") as raised:
        altered.embed_queries(["hello"])
    assert path in str(raised.value)
