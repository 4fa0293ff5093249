"""`mmrag eval retrieval` as people and scripts use it."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("shared_models")

NOTES = {
    "pump": "The pump of the cooling circuit is oiled every second week.",
    "valve": "The valve of the boiler is red and opens at four bar.",
    "lunch": "Lunch is served at noon in the canteen.",
}


@pytest.fixture
def files(tmp_path):
    corpus, queries, qrels = (tmp_path / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"))
    corpus.write_text("".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in NOTES.items()), "utf-8")
    rows = [
        {"_id": "q1", "text": "How often is the pump oiled?"},
        {
            "_id": "q2",
            "text": "Which colour?",
            "history": [{"role": "user", "text": "the valve of the boiler"}],
        },
    ]
    queries.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tpump\t1\nq2\tvalve\t2\n", "utf-8")
    return corpus, queries, qrels


def test_the_json_holds_what_people_script_against(run, files):
    code, out, err = run("eval", "retrieval", *files, "-k", "1,3", "--mode", "bm25", "--json")
    figures = json.loads(out)
    assert (code, err) == (0, "")
    assert figures["queries"] == 2
    assert figures["hit"] == figures["recall"] == {"1": 1.0, "3": 1.0}
    assert figures["mrr@10"] == figures["ndcg@10"] == 1.0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert figures["documents_per_s"] > 0


def test_a_person_sees_a_table_and_nothing_is_left_in_the_data_folder(run, files):
    code, out, _ = run("eval", "retrieval", *files)
    assert code == 0
    assert "3 documents, 2 queries that something answers, hybrid" in out
    assert "nDCG@10 1.000" in out
    assert json.loads(run("documents", "--json")[1]) == []


def test_a_faulty_row_is_wrong_usage_with_its_file_and_line(run, files):
    files[0].write_text('{"_id": "pump", "text": "x"}\n{"_id": "valve"}\n', "utf-8")
    code, out, err = run("eval", "retrieval", *files)
    assert (code, out) == (2, "")
    assert f"{files[0]}, line 2: 'text' must be a text." in err


@pytest.mark.parametrize("arguments", [["-k", "0"], ["-k", "1,x"], ["--mode", "magic"]])
def test_wrong_options_are_wrong_usage(run, files, arguments, capsys):
    with pytest.raises(SystemExit) as end:
        run("eval", "retrieval", *files, *arguments)
    assert end.value.code == 2
    assert "invalid" in capsys.readouterr().err
