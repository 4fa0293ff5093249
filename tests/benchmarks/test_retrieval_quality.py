"""The measurement itself, on a set that the test makes in the form of one of the public ones."""

from __future__ import annotations

import json

import pytest

from benchmarks import retrieval_quality
from benchmarks.datasets import Rows, after_another_topic, without_threads

pytestmark = pytest.mark.usefixtures("shared_models")

PARAGRAPHS = {
    "The pump of the cooling circuit is oiled every second week.": "How often is the pump oiled?",
    "The valve of the boiler is red and opens at four bar.": "When does the boiler's valve open?",
    "Lunch is served at noon in the canteen.": "Where do people eat?",
}


@pytest.fixture
def data(tmp_path):
    """A data folder that holds one set."""
    articles = [
        {"paragraphs": [{"context": text, "qas": [{"question": question}, {"question": " "}]}]}
        for text, question in PARAGRAPHS.items()
    ]
    folder = tmp_path / "data" / "xquad_dev"
    folder.mkdir(parents=True)
    (folder / "xquad.en.dev.json").write_text(json.dumps({"data": articles}), "utf-8")
    return folder.parent


def test_every_way_of_searching_is_measured_and_a_second_run_says_the_same(data, tmp_path, capsys):
    arguments = ["--data", str(data), "--only", "xquad-en", "--cache", str(tmp_path / "cache"), "--json"]
    assert retrieval_quality.main(arguments) == 0
    first = capsys.readouterr().out
    rows = [json.loads(line) for line in first.splitlines()]
    assert [(row["measure"], row["documents"], row["queries"]) for row in rows] == [
        ("mrr@10", 3, 3),
        ("hit@1", 3, 3),
    ]
    assert rows[0]["figures"].keys() == {"plain", "bm25", "dense", "hybrid"}
    assert rows[1]["figures"]["hybrid"] == 1
    assert rows[1]["figures"]["plain"] < 1  # the last question shares no word with its answer
    assert retrieval_quality.main(arguments) == 0
    assert capsys.readouterr().out == first


def test_the_table_comes_as_markdown(data, capsys):
    assert retrieval_quality.main(["--data", str(data), "--only", "xquad-en", "--markdown"]) == 0
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert header == "| set | measure | documents | queries | plain | bm25 | dense | hybrid |"
    assert {line.count("|") for line in (rule, *rows)} == {9}


def test_a_folder_without_sets_is_wrong_usage(tmp_path, capsys):
    assert retrieval_quality.main(["--data", str(tmp_path)]) == 2
    assert "holds none of the sets" in capsys.readouterr().err


def test_threads_can_be_left_out_or_be_about_something_else():
    rows = Rows()
    for number in range(4):
        rows.query(f"question {number}?", {rows.pooled(f"answer {number}"): 1})
    changed = after_another_topic(rows).queries
    assert all(query["history"][0]["text"] not in ("", query["text"]) for query in changed)
    assert all("history" not in query for query in without_threads(rows).queries)
