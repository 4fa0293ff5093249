from __future__ import annotations

import json

import pytest

from mmrag.errors import InvalidInput
from mmrag.evaluation import beir
from mmrag.types import Turn


@pytest.fixture
def write(tmp_path):
    """Write the three files: rows as JSON lines, judgements as text."""

    def _write(corpus=({"_id": "d1", "title": "T", "text": "x"},), queries=None, qrels="q1\td1\t1\n"):
        queries = [{"_id": "q1", "text": "what?"}] if queries is None else queries
        paths = tmp_path / "corpus.jsonl", tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
        for path, rows in zip(paths, (corpus, queries), strict=False):
            path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
        paths[2].write_text(qrels, "utf-8")
        return paths

    return _write


def test_rows_come_with_what_they_may_carry(write, tmp_path):
    (tmp_path / "chart.png").write_bytes(b"picture")
    loaded = beir.load(
        *write(
            corpus=[
                {"_id": "d1", "title": "T", "text": "x", "metadata": {}},
                {"_id": 7, "image": "chart.png"},
            ],
            queries=[
                {"_id": "q1", "text": "and then?", "history": [{"role": "user", "text": "first?"}]},
                {"_id": "q2", "text": "this?", "image": "chart.png"},
            ],
            qrels="query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\t7\t1\nq2\td1\t0\n",
        )
    )
    assert loaded.corpus == (
        beir.CorpusRow("d1", "T", "x"),
        beir.CorpusRow("7", "", "", tmp_path / "chart.png"),
    )
    assert loaded.queries[0].history == (Turn("user", "first?"),)
    assert loaded.queries[1].image == tmp_path / "chart.png"
    assert loaded.judgements == {"q1": {"d1": 2}, "q2": {"7": 1, "d1": 0}}


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\td1\t1\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
        "q1\td1\t1.0\r\n\n",
        "q1 0 d1 1\n",
        "\ufeffq1\t0\td1\t1",
    ],
)
def test_judgements_come_with_and_without_a_header_and_in_trecs_columns(write, qrels):
    assert beir.load(*write(qrels=qrels)).judgements == {"q1": {"d1": 1}}


def test_queries_without_a_relevant_passage_are_not_asked(write):
    queries = [{"_id": name, "text": "?"} for name in ("q1", "judged", "stranger")]
    loaded = beir.load(*write(queries=queries, qrels="q1\td1\t1\njudged\td1\t0\n"))
    assert [query.id for query in loaded.answerable] == ["q1"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"corpus": ['{"_id": "d1", "text": "x"}', "{oops"]}, ["corpus.jsonl, line 2", "no JSON"]),
        ({"corpus": ["[1]"]}, ["corpus.jsonl, line 1", "object"]),
        ({"corpus": [{"text": "x"}]}, ["corpus.jsonl, line 1", "'_id'"]),
        ({"corpus": [{"_id": "d1"}]}, ["corpus.jsonl, line 1", "'text'"]),
        ({"corpus": [{"_id": "d1", "text": 5}]}, ["corpus.jsonl, line 1", "'text'"]),
        ({"corpus": [{"_id": "d1", "text": "x"}] * 2}, ["corpus.jsonl", "'d1'", "twice"]),
        ({"corpus": []}, ["corpus.jsonl", "no row"]),
        ({"corpus": [{"_id": "d1", "text": "x", "image": "a.png"}]}, ["corpus.jsonl, line 1", "a.png"]),
        ({"queries": [{"_id": "q1", "text": " "}]}, ["queries.jsonl, line 1", "empty"]),
        ({"queries": [{"_id": "q1", "text": "?", "history": [{"role": "bot", "text": ""}]}]}, ["'history'"]),
        (
            {"queries": [{"_id": "q1", "text": "?", "history": "before"}]},
            ["queries.jsonl, line 1", "'history'"],
        ),
        ({"qrels": "q1\td1\t1\nq1\td1\n"}, ["qrels.tsv, line 2", "query-id"]),
        ({"qrels": "q1\td1\t1\nq1\td1\tyes\n"}, ["qrels.tsv, line 2", "whole number"]),
        ({"qrels": "q1\td9\t1\n"}, ["qrels.tsv", "'d9'", "corpus.jsonl does not hold"]),
        ({"qrels": "q9\td1\t1\n"}, ["qrels.tsv", "queries.jsonl", "nothing to measure"]),
        ({"qrels": ""}, ["qrels.tsv", "nothing to measure"]),
    ],
)
def test_a_fault_is_named_with_its_file_and_line(write, files, words):
    with pytest.raises(InvalidInput) as fault:
        beir.load(*write(**files))
    assert [word for word in words if word not in str(fault.value)] == []


def test_a_file_that_is_not_there_or_no_text_is_named(write, tmp_path):
    corpus, queries, qrels = write()
    with pytest.raises(InvalidInput, match=r"none\.jsonl could not be read"):
        beir.load(tmp_path / "none.jsonl", queries, qrels)
    queries.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"queries\.jsonl is not UTF-8"):
        beir.load(corpus, queries, qrels)
