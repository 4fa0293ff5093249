"""The fit of what decides whether a question is answered."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import abstention
from benchmarks.abstention import Case, balanced, cross_validated, fitted, judged, sample_of


def cases(similarities, *, answerable):
    return [Case(answerable, studied=True, ruled_out=False, similarity=value) for value in similarities]


@pytest.fixture
def apart():
    """Answered questions are nearer than others; near to nothing is ruled out."""
    noise = np.random.default_rng(3)
    return sample_of(
        [
            *cases(noise.normal(0.7, 0.05, 60), answerable=True),
            *cases(noise.normal(0.4, 0.05, 30), answerable=False),
            *[Case(answerable=False, studied=True, ruled_out=True, similarity=0.9) for _ in range(30)],
        ],
        ("similarity",),
    )


def test_a_fit_finds_what_tells_the_outcomes_apart(apart):
    coefficients = fitted([apart])

    assert coefficients[1] > 0
    assert balanced(apart, judged(apart, coefficients))[2] > 0.95


def test_what_the_rules_forbid_is_not_answered_however_near(apart):
    assert not judged(apart, np.array([9.0, 9.0]))[-30:].any()


def test_a_set_is_judged_by_fits_that_did_not_see_the_question(apart):
    answered = cross_validated("one", {"one": apart})

    assert balanced(apart, answered)[2] > 0.9


def test_without_both_outcomes_there_is_no_balance(apart):
    assert balanced(apart.part(apart.answerable), np.ones(60, dtype=bool)) is None


@pytest.mark.usefixtures("shared_models")
def test_the_weights_are_printed_beside_those_of_the_code(tmp_path, capsys):
    folder = tmp_path / "falseqa_dev"
    folder.mkdir()
    lines = ["question,answer,label"]
    lines += [
        f"What colour has valve {name} of the boiler?,Valve {name} is red.,0"
        for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ]
    lines += [
        f"Why does whale {name} cook dinner on Mondays?,It does not.,1"
        for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ]
    (folder / "train.csv").write_text("\n".join(lines), "utf-8")
    code = abstention.main(["--data", str(tmp_path), "--only", "falseqa"])
    printed = capsys.readouterr().out
    assert code == 0
    assert "(in the code: bias" in printed
    assert "falseqa (en)" in printed


def test_a_folder_without_sets_is_wrong_usage(tmp_path, capsys):
    assert abstention.main(["--data", str(tmp_path)]) == 2
    assert "holds none of the sets" in capsys.readouterr().err
