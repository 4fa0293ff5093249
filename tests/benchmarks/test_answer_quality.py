"""Answer sets made small, through the whole benchmark."""

from __future__ import annotations

import json

import pytest

from benchmarks import answer_quality
from benchmarks.answer_sets import SETS, sampled
from mmrag.evaluation.answers import AnswerRow


@pytest.mark.usefixtures("shared_models")
def test_a_set_gets_a_row_for_all_and_for_each_part(tmp_path, capsys):
    folder = tmp_path / "data" / "rgb_dev"
    folder.mkdir(parents=True)
    rows = [
        {
            "query": f"What colour has the valve of boiler {name}?",
            "answer": ["red"],
            "positive": [[f"The valve of boiler {name} has a red colour."]],
            "negative": [f"Lunch in canteen {name} is at noon."],
        }
        for name in ("Alpha", "Beta", "Gamma", "Delta", "Kappa", "Sigma")
    ]
    (folder / "en_fact.json").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for name in ("zh_refine.dev.json", "zh_int.json"):
        (folder / name).write_text("", "utf-8")
    out = tmp_path / "answers.jsonl"
    code = answer_quality.main(
        ["--data", str(tmp_path / "data"), "--only", "rgb", "--json", "--answers", str(out)]
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert lines[0]["part"] == "all"
    assert sum(line["figures"]["questions"] for line in lines[1:]) == lines[0]["figures"]["questions"] == 6
    assert lines[0]["figures"]["abstention"]["unanswerable_refused"] == 1.0
    assert lines[0]["figures"]["right"] == 1.0
    assert lines[0]["figures"]["number_errors"] == 0
    assert len(out.read_text("utf-8").splitlines()) == 6


def test_a_sample_is_the_same_each_time_and_keeps_the_order():
    rows = [AnswerRow(f"Question {number}?", (), ()) for number in range(50)]
    chosen = sampled(rows, 10)
    assert len(chosen) == 10
    assert chosen == sampled(rows, 10)
    assert [rows.index(row) for row in chosen] == sorted(rows.index(row) for row in chosen)


def test_a_folder_without_sets_is_wrong_usage(tmp_path, capsys):
    assert answer_quality.main(["--data", str(tmp_path)]) == 2
    assert "holds none of the sets" in capsys.readouterr().err


def test_every_set_has_a_name_a_language_and_a_folder():
    assert len({(one.name, one.language) for one in SETS}) == len(SETS)
    assert {one.language for one in SETS} == {"en", "zh"}
