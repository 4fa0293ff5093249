"""What decides whether a question is answered: the coefficients, and how well they do on sets they never saw.

    python -m benchmarks.abstention --data DIR [--only NAME]... [--most N] [--cache DIR] [--markdown]

The rules of `mmrag.generation.answering` come first; what they leave is judged by a logistic model of a few
features, one where an embedder reads the question and one by words alone. Both are fitted here on `studied`:
half of each set's questions, by a hash. Each set and each outcome weighs the same, but an answer to what
nothing answers weighs more than a refusal. `cross-validated` is on a fifth of a set that the fit did not
see, `left out` on a set of which it saw nothing; `held out` is the other half, with the weights as they
stand in the code. A cell is: answerable ones answered / others refused = their mean.
Answers by code over tables are not counted here: `benchmarks.answer_quality` counts whole answers.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.answer_sets import SETS, AnswerSet, conversations_without, sampled
from benchmarks.kept import embedder_and_reader
from benchmarks.table import grid
from mmrag.config import load_settings
from mmrag.evaluation.answers import evaluate, fingerprint
from mmrag.generation.answering import BY_MEANING, BY_WORDS, LIKELY, Answering
from mmrag.generation.asked import understand
from mmrag.generation.extractive import ExtractiveGenerator
from mmrag.generation.passages import sentences
from mmrag.generation.scoring import score
from mmrag.ports import unheard
from mmrag.types import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mmrag.config import Settings
    from mmrag.evaluation.answers import AnswerRow
    from mmrag.ports import ClaimListener, Embedder, Reader
    from mmrag.types import Prompt

STUDIED = 50  # of a hundred questions: chosen on these
WRONG_ANSWER = 1.3  # weight of an answer to what nothing answers, beside a refusal of what was answered
RIDGE = 1e-4
FOLDS = 5
FEATURES = {"by meaning": ("similarity", "near", "long"), "by words": ("own", "near")}
# Sets with and without answers. The snippets of rgb in English were chosen because they nearly answer, by
# people who read them: their closeness teaches nothing, and they are only measured.
MEASURED_ONLY = frozenset({"rgb (en)"})
WITHOUT = AnswerSet(
    "mtrag_un without",
    "en",
    "mtrag_un_dev",
    "answerable turns, without what answers them",
    conversations_without,
    40,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the features of its best sentence; `ruled_out` if no sentence may answer."""

    answerable: bool
    studied: bool
    ruled_out: bool
    similarity: float = 0.0
    own: float = 0.0
    near: float = 0.0
    long: float = 0.0
    likelihood: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Cases as arrays: features (n, 1 + features, the first is 1), answerable (n), left by the rules (n)."""

    features: NDArray[np.float64]
    answerable: NDArray[np.bool_]
    left: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> Sample:
        """The cases where `chosen` (n) is true."""
        return Sample(self.features[chosen], self.answerable[chosen], self.left[chosen])


def sample_of(cases: Sequence[Case], names: Sequence[str]) -> Sample:
    """The cases with these features."""
    return Sample(
        np.array([[1.0, *(getattr(case, name) for name in names)] for case in cases]),
        np.array([case.answerable for case in cases]),
        np.array([not case.ruled_out for case in cases]),
    )


def fitted(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Bias and coefficients of a logistic model with a small ridge, by Newton's method."""
    width = samples[0].features.shape[1]
    features = np.concatenate([one.features[one.left] for one in samples])
    answerable = np.concatenate([one.answerable[one.left] for one in samples]).astype(float)
    weights = np.concatenate([_weights(one)[one.left] for one in samples]) / len(samples)
    ridge = RIDGE * np.eye(width)
    coefficients = np.zeros(width)
    for _ in range(50):
        likely = 1 / (1 + np.exp(-features @ coefficients))
        slope = features.T @ (weights * (answerable - likely)) - ridge @ coefficients
        curve = (features * (weights * likely * (1 - likely))[:, None]).T @ features + ridge
        coefficients = coefficients + np.linalg.solve(curve, slope)
    return coefficients


def _weights(sample: Sample) -> NDArray[np.float64]:
    """Each outcome weighs the same, whatever the number of its cases."""
    yes, no = max(1, int(sample.answerable.sum())), max(1, int((~sample.answerable).sum()))
    return np.where(sample.answerable, 0.5 / yes, WRONG_ANSWER * 0.5 / no)


def judged(sample: Sample, coefficients: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which cases are answered with these coefficients."""
    return sample.left & (sample.features @ coefficients >= 0)


def balanced(sample: Sample, answered: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Shares of answerable ones answered, of others refused, and their mean; None without one of them."""
    if sample.answerable.all() or not sample.answerable.any():
        return None
    yes = float(answered[sample.answerable].mean())
    no = float(1 - answered[~sample.answerable].mean())
    return yes, no, (yes + no) / 2


def cross_validated(name: str, samples: Mapping[str, Sample]) -> NDArray[np.bool_]:
    """Which cases of a set are answered by fits that saw the other sets and four fifths of it."""
    own = samples[name]
    others = [one for other, one in samples.items() if other != name]
    folds = np.random.default_rng(1).permutation(len(own.left)) % FOLDS
    answered = np.zeros(len(own.left), dtype=bool)
    for fold in range(FOLDS):
        seen = fitted([*others, own.part(folds != fold)])
        answered[folds == fold] = judged(own.part(folds == fold), seen)
    return answered


# ----------------------------------------------------------------------- cases


def cases_of(
    rows: Sequence[AnswerRow], *, settings: Settings, embedder: Embedder, reader: Reader
) -> list[Case]:
    """Ask every row through the engine; the generator notes its evidence and says nothing."""
    cases = []
    by_documents: defaultdict[object, list[AnswerRow]] = defaultdict(list)
    for row in rows:
        by_documents[row.documents].append(row)
    for together in by_documents.values():
        noting = NotingGenerator(embedder)
        evaluate(together, settings=settings, embedder=embedder, reader=reader, generator=noting)
        cases += [_case(row, noting.noted[row.question, row.history], embedder) for row in together]
    return cases


class NotingGenerator(ExtractiveGenerator):
    """Notes the evidence of each question and says nothing."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self.noted: dict[object, Prompt] = {}

    def generate(self, prompt: Prompt, *, drafted: ClaimListener = unheard) -> Draft:
        del drafted
        self.noted[prompt.question, prompt.history] = prompt
        return Draft(())


def _case(row: AnswerRow, prompt: Prompt, embedder: Embedder) -> Case:
    """The likeliest part of a question counts: one answered part is an answer."""
    found = tuple(chain.from_iterable(sentences(number, hit) for number, hit in enumerate(prompt.hits)))
    answerable, studied = bool(row.expected), fingerprint(row) < STUDIED
    best = Case(answerable, studied, ruled_out=True)
    for asked in understand(prompt):
        answering = Answering(asked, prompt.hits)
        scored = score(asked, prompt.hits, [one for one in found if answering.concerns(one)], embedder)
        if not scored:
            continue
        features = scored[0].features
        case = Case(
            answerable,
            studied,
            ruled_out=answering.rules_out(scored[0]),
            similarity=features.similarity or 0.0,
            own=features.own,
            near=features.near,
            long=float(answering.is_long),
            likelihood=answering.likelihood(features),
        )
        best = max(best, case, key=lambda one: (not one.ruled_out, one.likelihood))
    return best


# ---------------------------------------------------------------------- command


def print_model(model: str, cases: Mapping[str, list[Case]], *, markdown: bool) -> None:
    """The coefficients, and a row a set."""
    names = FEATURES[model]
    samples = {
        name: sample_of([case for case in listed if case.studied], names) for name, listed in cases.items()
    }
    known = {name: one for name, one in samples.items() if name not in MEASURED_ONLY}
    coefficients = fitted(list(known.values()))
    weights = BY_MEANING if model == "by meaning" else BY_WORDS
    shown = ", ".join(
        f"{name} {value:.1f}" for name, value in zip(("bias", *names), coefficients, strict=True)
    )
    in_code = ", ".join(f"{name} {getattr(weights, name):.1f}" for name in ("bias", *names))
    print(f"\n{model}: {shown} (in the code: {in_code})\n")
    rows = []
    for name, sample in samples.items():
        others = [one for other, one in known.items() if other != name]
        rest = [case for case in cases[name] if not case.studied]
        unseen = judged(sample, fitted(others)) if others else None
        tried = [
            balanced(sample, sample.left),
            balanced(sample, cross_validated(name, known)) if name in known else None,
            balanced(sample, unseen) if unseen is not None else None,
            balanced(sample, _as_in_code([case for case in cases[name] if case.studied])),
            balanced(sample_of(rest, names), _as_in_code(rest)) if rest else None,
        ]
        rows.append([name, str(len(cases[name])), *map(_cell, tried)])
    header = ["set", "questions", "rules alone", "cross-validated", "left out", "studied", "held out"]
    print(grid(header, rows, texts=1, markdown=markdown))


def _as_in_code(cases: Sequence[Case]) -> NDArray[np.bool_]:
    return np.array([not case.ruled_out and case.likelihood >= LIKELY for case in cases])


def _cell(shares: tuple[float, float, float] | None) -> str:
    return "–" if shares is None else f"{shares[0]:.2f} / {shares[1]:.2f} = {shares[2]:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and measure on the sets that are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.abstention", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder of the sets' folders"
    )
    sets = [one for one in (*SETS, WITHOUT) if one.name not in {"opencqa", "multichartqa"}]
    names = [*dict.fromkeys(one.name for one in sets)]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--most", type=int, metavar="N", help="ask at most so many questions of a set")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what was read and embedded")
    parser.add_argument("--markdown", action="store_true", help="the tables as they stand in docs/answers.md")
    arguments = parser.parse_args(argv)
    wanted = arguments.only or names
    chosen = [one for one in sets if one.name in wanted and (arguments.data / one.folder).is_dir()]
    if not chosen:
        print(f"{arguments.data} holds none of the sets: name the folder that holds theirs.", file=sys.stderr)
        return 2
    settings = load_settings()
    cases: dict[str, dict[str, list[Case]]] = {model: {} for model in FEATURES}
    with embedder_and_reader(settings, arguments.cache) as (embedder, reader):
        for one in chosen:
            print(f"{one.name} ({one.language}): {one.about} ...", file=sys.stderr)
            rows = sampled(one.rows(arguments.data / one.folder), arguments.most or one.most)
            measured = cases_of(rows, settings=settings, embedder=embedder, reader=reader)
            cases["by words" if one.language == "zh" else "by meaning"][f"{one.name} ({one.language})"] = (
                measured
            )
    for model, measured_sets in cases.items():
        if measured_sets:
            print_model(model, _joined(measured_sets), markdown=arguments.markdown)
    return 0


def _joined(cases: Mapping[str, list[Case]]) -> dict[str, list[Case]]:
    """The made conversations have no answer: what is answered there comes from those they are made of."""
    answered = [case for case in cases.get("mtrag_un (en)", []) if case.answerable]
    return {
        name: [*listed, *answered] if name.startswith(WITHOUT.name) else listed
        for name, listed in cases.items()
    }


if __name__ == "__main__":
    sys.exit(main())
