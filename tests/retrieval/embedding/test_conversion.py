"""Converted models on disk: made once, by one process, trusted only if undamaged."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder

EMBED = """
import sys
from pathlib import Path
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
embedder = SentenceTransformerEmbedder(sys.argv[1], models=Path(sys.argv[2]), runtime="openvino")
print(embedder.runtime_reason, embedder.embed_queries(["leave"]).tolist())
"""


def conversions(models):
    return sorted(path.name for path in models.glob("*/openvino/conversion-*"))


@pytest.fixture(scope="module")
def models_of_two_processes(tiny, tmp_path_factory):
    """Two processes that start at the same time with nothing converted; what each of them said."""
    models = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-c", EMBED, tiny("cls"), models]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=100) for process in both]
    return models, said


def test_of_two_processes_one_converts_and_both_embed(models_of_two_processes):
    models, said = models_of_two_processes
    assert said[0] == said[1]
    assert said[0][0].startswith("OpenVINO in")
    assert said[0][1] == ""
    assert len(conversions(models)) == 1


def test_a_damaged_conversion_is_made_anew(tiny, models_of_two_processes):
    models, _ = models_of_two_processes
    (before,) = conversions(models)
    weights = next(models.glob(f"*/openvino/{before}/model.bin"))
    exact = SentenceTransformerEmbedder(str(tiny("cls")), runtime="torch").embed_queries(["leave"])
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 0x40
    weights.write_bytes(data)
    embedder = SentenceTransformerEmbedder(str(tiny("cls")), models=models, runtime="openvino")
    assert float(embedder.embed_queries(["leave"])[0] @ exact[0]) > 0.9995
    (after,) = conversions(models)
    assert after != before


def test_where_no_conversion_can_be_kept_pytorch_embeds_and_says_why(tiny, tmp_path):
    (tmp_path / "models").write_text("a file, not a folder")
    embedder = SentenceTransformerEmbedder(str(tiny("cls")), models=tmp_path / "models")
    assert embedder.embed_queries(["leave"]).shape == (1, 32)
    assert "cannot be kept" in embedder.runtime_reason
