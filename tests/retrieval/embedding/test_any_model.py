"""Any sentence-transformers model: what its files say, and its vectors on each way to run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mmrag.errors import InvalidSettings
from mmrag.retrieval.embedding.convert import NotConvertible, convert
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
from mmrag.retrieval.embedding.model import Prompts, find_model
from mmrag.retrieval.embedding.openvino_runtime import OpenVinoRuntime
from mmrag.retrieval.embedding.runtime import EXACT_ENOUGH
from mmrag.retrieval.embedding.torch_runtime import load, load_on_cpu

# The converter warns a lot; outside the tests it does so in a process of its own.
pytestmark = pytest.mark.filterwarnings("ignore::Warning")

TEXTS = [
    "how many days of leave",
    "",
    "the refund policy: paid within a week, 100 %",
    "returned device " * 100,
    "Ünï 退款 🙂",
    *("weather number " * times for times in range(1, 30, 3)),
]


@pytest.mark.parametrize(("name", "dimension"), [("mean", 32), ("cls", 32), ("dense", 24), ("chinese", 32)])
def test_each_way_gives_the_vectors_of_sentence_transformers(tiny, tmp_path, name, dimension):
    model = find_model(str(tiny(name)))
    reference = load(model, device="cpu", threads=1)
    measured = convert(model, tmp_path, threads=1)
    ways = {"torch": load_on_cpu(model, threads=1, reason="")}
    for each in measured[1:]:
        precision = each.way.split()[1]
        ways[each.way] = OpenVinoRuntime(
            tmp_path, prompts=model.prompts, precision=precision, threads=1, reason=""
        )
    assert len(ways) >= 2
    assert model.dimension == dimension
    for task in ("query", "document"):
        expected = reference.encode(TEXTS, prompt=model.prompts.of(task), normalize_embeddings=True)
        assert expected.shape == (len(TEXTS), dimension)
        for way, runtime in ways.items():
            vectors = runtime.embed(TEXTS, task)
            exact = EXACT_ENOUGH if way != "openvino bf16" else 0.99  # random weights magnify rounding
            assert (vectors * expected).sum(axis=1).min() >= exact, (way, task)


def test_the_models_differ_in_what_they_were_made_to_differ_in(tiny):
    mean, cls = find_model(str(tiny("mean"))), find_model(str(tiny("cls")))
    assert mean.prompts == Prompts(query="the number of ", document="a policy: ")
    assert cls.prompts == Prompts()
    assert (mean.max_tokens, cls.max_tokens) == (64, 64)
    assert mean.name.startswith(f"{mean.reference}@")
    assert len({find_model(str(tiny(name))).name for name in ("mean", "cls", "dense", "chinese")}) == 4


def test_a_prompt_of_a_query_is_none_of_a_document(tiny):
    embedder = SentenceTransformerEmbedder(str(tiny("mean")), runtime="torch")
    assert embedder.embed_queries(["days"])[0] @ embedder.embed_documents(["days"])[0] < 0.999
    prompted = SentenceTransformerEmbedder(str(tiny("cls")), runtime="torch")
    assert prompted.embed_queries(["days"])[0] @ prompted.embed_documents(["days"])[0] > 0.999


def test_a_reference_opens_the_same_model_again(tiny):
    first = SentenceTransformerEmbedder(str(tiny("mean")), runtime="torch")
    again = SentenceTransformerEmbedder(first.reference, runtime="torch")
    assert again.name == first.name
    assert np.array_equal(again.embed_queries(["leave"]), first.embed_queries(["leave"]))


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config_sentence_transformers.json"])
def test_what_changes_the_vectors_changes_the_name(tiny, tmp_path, file):
    copied = tmp_path / "mean"
    shutil.copytree(tiny("mean"), copied)
    before = find_model(str(copied)).name
    assert before.rpartition("@")[2] == find_model(str(tiny("mean"))).name.rpartition("@")[2]
    (copied / file).write_bytes((copied / file).read_bytes() + b"\n")
    assert find_model(str(copied)).name != before


def test_a_vocabulary_with_chinese_gives_a_vote_on_chinese(tiny):
    def understands(name, **options):
        return SentenceTransformerEmbedder(str(tiny(name)), **options).understands("退款政策是什么？")

    assert understands("chinese")
    assert not understands("mean")
    assert understands("mean", languages="multilingual")
    assert not understands("chinese", languages="english")


def test_weights_as_a_pickle_are_refused(tiny, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny("mean"), folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidSettings, match="pickle, which is never loaded"):
        SentenceTransformerEmbedder(str(folder)).embed_queries(["hello"])


def test_code_of_a_model_is_not_run(tiny, tmp_path):
    folder = tmp_path / "coded"
    shutil.copytree(tiny("mean"), folder)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(
        modules.replace("sentence_transformers.base.modules.normalize", "own")
    )
    with pytest.raises(InvalidSettings, match="code of its own, which is never run"):
        SentenceTransformerEmbedder(str(folder)).embed_queries(["hello"])
    assert not ran.exists()


def test_damaged_weights_are_an_error_for_a_person(tiny, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(tiny("mean"), folder)
    (folder / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(InvalidSettings, match="cannot be loaded"):
        SentenceTransformerEmbedder(str(folder), runtime="torch").embed_queries(["hello"])


def test_pooling_that_leaves_the_prompt_out_stays_with_pytorch(tiny, tmp_path, edit_json):
    folder = tmp_path / "instructed"
    shutil.copytree(tiny("mean"), folder)
    edit_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    with pytest.raises(NotConvertible, match="leaves the prompt out"):
        convert(find_model(str(folder)), tmp_path, threads=1)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidSettings, match="nowhere, which is not there"):
        SentenceTransformerEmbedder(str(tmp_path / "nowhere"))


def offline(code, cache):
    """What a process without network says, with this folder as the hub's cache."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_hub_name_without_network_says_what_to_do(tmp_path):
    code = (
        "from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder\n"
        "try: SentenceTransformerEmbedder('someone/some-model')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = offline(code, tmp_path)
    assert said.startswith("InvalidSettings The embedding model 'someone/some-model' is neither a folder")
    assert "copy its folder here" in said


def test_a_hub_name_loads_from_the_hubs_cache(tiny, tmp_path):
    cached = tmp_path / "hub" / "models--someone--some-model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny("cls"), cached / "snapshots" / ("0" * 40))
    code = (
        "from mmrag.retrieval.embedding.model import find_model\n"
        "model = find_model('someone/some-model')\n"
        "print(model.name, model.dimension)"
    )
    fingerprint = find_model(str(tiny("cls"))).name.split("@")[1]
    assert offline(code, tmp_path).split() == [f"someone/some-model@{fingerprint}", "32"]
