"""Public question sets as rows of `mmrag eval answers`, from the files as their authors publish them.

Each set lies in a folder of its own below the data folder. Where a set has no questions without an
answer, some are made: the passages that answer are left out. Nothing of the sets' text is part of
this repository.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from benchmarks.datasets import leaves
from mmrag.evaluation.answers import AnswerDocument, AnswerRow, fingerprint, is_one_number
from mmrag.text.numbers import numbers
from mmrag.types import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_PASSAGES = 8  # beside a question of a set of search results


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """A question set in one language; `most` questions of it are asked, chosen by their hash."""

    name: str
    language: str
    folder: str
    about: str
    rows: Callable[[Path], list[AnswerRow]]
    most: int = 200


def sampled(rows: Iterable[AnswerRow], most: int) -> list[AnswerRow]:
    """At most so many rows, the same ones each time, in their order."""
    listed = list(rows)
    ranked = sorted(listed, key=lambda row: hashlib.blake2b(row.question.encode()).digest())
    chosen = {id(row) for row in ranked[:most]}
    return [row for row in listed if id(row) in chosen]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def _pool(texts: Iterable[str], *, title: str = "") -> tuple[AnswerDocument, ...]:
    return tuple(AnswerDocument(text, title) for text in dict.fromkeys(texts) if text.strip())


# ------------------------------------------------------------------------ English


def conversations(folder: Path) -> list[AnswerRow]:
    """Last turns with their thread, over the pool of all reference passages; no underspecified ones."""
    tasks = list(_json_lines(folder / "reference.dev.jsonl"))
    pool = _pool(context["text"].strip() for task in tasks for context in task["contexts"])
    rows = []
    for task in tasks:
        (kind,) = task["answerability"]
        if kind == "UNDERSPECIFIED":
            continue
        *before, last = task["input"]
        history = tuple(
            Turn("user" if turn["speaker"] == "user" else "assistant", turn["text"]) for turn in before
        )
        expected = () if kind == "UNANSWERABLE" else tuple(target["text"] for target in task["targets"])
        rows.append(AnswerRow(last["text"], pool, expected, history))
    return rows


def conversations_without(folder: Path) -> list[AnswerRow]:
    """Last turns that the pool answers, over the pool without the passages that do: nothing answers them."""
    tasks = list(_json_lines(folder / "reference.dev.jsonl"))
    own: defaultdict[str, set[str]] = defaultdict(set)
    for task in tasks:
        own[task["input"][-1]["text"]].update(context["text"].strip() for context in task["contexts"])
    return [
        replace(
            row,
            documents=tuple(one for one in row.documents if one.text not in own[row.question]),
            expected=(),
        )
        for row in conversations(folder)
        if row.expected
    ]


def long_documents(folder: Path) -> list[AnswerRow]:
    """Questions about one PDF each, some of which it does not answer."""
    rows = []
    for row in json.loads((folder / "data" / "samples.dev.json").read_text("utf-8")):
        document = AnswerDocument(path=folder / "data" / "documents" / row["doc_id"])
        expected = () if row["answer"] == "Not answerable" else (row["answer"],)
        numeric = row["answer_format"] in {"Int", "Float"} and bool(numbers(row["answer"]))
        rows.append(AnswerRow(row["question"], (document,), expected, numeric=numeric))
    return rows


def false_premises(folder: Path) -> list[AnswerRow]:
    """Questions with a false premise, and their like with a true one, over the true ones' answers.

    Nothing in the pool supports a false premise: to answer is to affirm it.
    """
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        listed = [row for row in csv.DictReader(file) if row["question"].strip() and row["answer"].strip()]
    listed = [row for row in listed if _of_a_hundred(row["question"]) < 30]
    pool = _pool(_first(row["answer"]) for row in listed if row["label"] == "0")
    return [
        AnswerRow(row["question"], pool, (_first(row["answer"]),) if row["label"] == "0" else ())
        for row in listed
    ]


def _first(answer: str) -> str:
    """One of several answers, which are written as a list of Python."""
    match = re.match(r"\[['\"](.+?)['\"](?:,|\]$)", answer)
    return match[1] if match else answer


def _of_a_hundred(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=2).digest()[0] * 100 // 256


def faq(folder: Path) -> list[AnswerRow]:
    """Questions about courses; of one entry in five, the entry is not in the pool."""
    entries = json.loads((folder / "documents-with-ids.dev.json").read_text("utf-8"))
    missing = {entry["id"] for entry in entries if _of_a_hundred(entry["id"]) < 20}
    pool = tuple(
        AnswerDocument(entry["text"], entry["question"]) for entry in entries if entry["id"] not in missing
    )
    texts: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        texts[entry["id"]] = (*texts.get(entry["id"], ()), entry["text"])
    with (folder / "ground-truth.dev.csv").open(encoding="utf-8", newline="") as file:
        return [
            AnswerRow(row["question"], pool, () if row["document"] in missing else texts[row["document"]])
            for row in csv.DictReader(file)
        ]


def report_tables(folder: Path) -> list[AnswerRow]:
    """Questions with one number for an answer about a report's table, over it and the text around it.

    A change that fell counts with its sign or without.
    """
    rows = []
    for report in json.loads((folder / "tatqa_dataset_dev.json").read_text("utf-8")):
        document = AnswerDocument(_report_page(report), "Report")
        for row in report["questions"]:
            answers = [str(answer) for answer in leaves(row["answer"])]
            if "table" in row["answer_from"] and len(answers) == 1 and is_one_number(answers[0]):
                expected = tuple(dict.fromkeys((answers[0], answers[0].lstrip("-"))))
                rows.append(AnswerRow(row["question"], (document,), expected, numeric=True))
    return rows


def _report_page(report: dict[str, Any]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in report["table"]["table"])
    table = "".join(f"<tr>{row}</tr>" for row in cells)
    texts = sorted(report["paragraphs"], key=lambda paragraph: int(paragraph["order"]))
    first, *others = [f"<p>{escape(paragraph['text'])}</p>" for paragraph in texts]
    return f"<html><body>{first}<table>{table}</table>{''.join(others)}</body></html>"


# -------------------------------------------------------------------------- charts


def open_charts(folder: Path) -> list[AnswerRow]:
    """Open questions about a chart whose answers hold numbers: the numbers are what counts."""
    rows = []
    for picture, _, _, question, answer, _ in json.loads(
        (folder / "val300.json").read_text("utf-8")
    ).values():
        if numbers(answer):
            image = folder / "chart_images" / picture
            rows.append(AnswerRow(question, (), (answer,), images=(image,), numeric=True))
    return rows


def several_charts(folder: Path) -> list[AnswerRow]:
    """Questions with a number for an answer about two or three charts, without the formatting orders."""
    rows = []
    for file in sorted((folder / "data").glob("*/*.json")):
        for row in json.loads(file.read_text("utf-8")):
            if not is_one_number(row["answer"]) or row["type"] != "open-ended":
                continue
            question = re.split(r"\nNote that", row["question"].partition("Question:")[2])[0].strip()
            question = re.sub(r"^1\.\s*", "", question.removeprefix("\n"))
            images = tuple(file.parent / re.split(r"[\\/]", name)[-1] for name in row["image"])
            rows.append(AnswerRow(question, (), (row["answer"],), images=images, numeric=True))
    return rows


# ------------------------------------------------------------- either language


def search_results(folder: Path, *, files: Sequence[str]) -> list[AnswerRow]:
    """Search results of a question; of every third question, only those that do not answer it."""
    rows = []
    for name in files:
        for row in _json_lines(folder / name):
            positive, negative = list(leaves(row["positive"])), list(leaves(row["negative"]))
            answers = tuple(dict.fromkeys(leaves(row["answer"])))
            is_answerable = len(rows) % 3 != 0 or not negative
            texts = [*positive[: _PASSAGES // 2], *negative] if is_answerable else negative
            expected = answers if is_answerable else ()
            rows.append(
                AnswerRow(row["query"], _pool(texts[:_PASSAGES]), expected, numeric=_asks_number(expected))
            )
    return rows


def _asks_number(expected: Sequence[str]) -> bool:
    return any(map(is_one_number, expected))


def campus(folder: Path) -> list[AnswerRow]:
    """A university's pages as a search found them, conversations, and tables in whole HTML pages."""
    rows = []
    for row in _json_lines(folder / "extractive_qa" / "basic_qa_retrieved_bm25.jsonl"):
        answers = tuple(leaves(row["answers"]))
        pages = [_page(page) for page in (*row["positive_reference"], *row["retrieved_psgs"][:_PASSAGES])]
        if len(rows) % 3 == 0:
            pages = [page for page in pages if not any(answer in page.text for answer in answers)]
            answers = ()
        rows.append(
            AnswerRow(row["question"], tuple(dict.fromkeys(pages)), answers, numeric=_asks_number(answers))
        )
    for row in _json_lines(folder / "conversation_qa" / "conversation_qa.dev.jsonl"):
        history = tuple(
            turn
            for pair in row["history_qa"]
            for turn in (Turn("user", pair["question"]), Turn("assistant", pair["answers"][0]))
        )
        answers = tuple(leaves(row["answers"]))
        page = _page(row["positive_reference"])
        rows.append(AnswerRow(row["question"], (page,), answers, history, numeric=_asks_number(answers)))
    for row in _json_lines(folder / "structured_qa" / "structured_qa_twopositive.dev.jsonl"):
        answers = tuple(leaves(row["answers"]))
        pages = tuple(dict.fromkeys(_page(page) for page in leaves(row["positive_reference"])))
        rows.append(AnswerRow(row["question"], pages, answers, numeric=_asks_number(answers)))
    return rows


def _page(page: dict[str, Any]) -> AnswerDocument:
    return AnswerDocument(page["contents"].replace(" ", ""), page["title"])


def misconceptions(folder: Path) -> list[AnswerRow]:
    """Misleading questions in Chinese, over the reasons given for every second one's right answer."""
    listed = json.loads((folder / "HalluQA.dev.json").read_text("utf-8"))
    known = [row for row in listed if _of_a_hundred(row["Question"]) < 50]
    pool = _pool(f"{row['Best Answer1']}{row['Source']}" for row in known)
    return [
        AnswerRow(row["Question"], pool, (row["Best Answer1"], row["Source"]) if row in known else ())
        for row in listed
    ]


def paragraphs(folder: Path, *, file: str) -> list[AnswerRow]:
    """Questions over the paragraphs of an article; every third one's own paragraph is left out."""
    rows = []
    for article in json.loads((folder / file).read_text("utf-8"))["data"]:
        texts = [paragraph["context"] for paragraph in article["paragraphs"]]
        for paragraph in article["paragraphs"]:
            others = _pool(text for text in texts if text != paragraph["context"])
            for asked in paragraph["qas"]:
                if not asked["question"].strip():
                    continue
                row = AnswerRow(
                    asked["question"], _pool(texts), tuple(answer["text"] for answer in asked["answers"])
                )
                is_answerable = fingerprint(row) % 3 != 0
                rows.append(
                    replace(row, numeric=_asks_number(row.expected))
                    if is_answerable
                    else replace(row, documents=others, expected=())
                )
    return rows


SETS = (
    AnswerSet("mtrag_un", "en", "mtrag_un_dev", "last turns of conversations", conversations, 234),
    AnswerSet("mmlongbench", "en", "mmlongbench_dev", "long PDFs", long_documents, 200),
    AnswerSet("falseqa", "en", "falseqa_dev", "false premises", false_premises, 300),
    AnswerSet("opencqa", "en", "opencqa_dev", "open questions about a chart", open_charts, 120),
    AnswerSet("multichartqa", "en", "multichartqa_dev", "several charts", several_charts, 130),
    AnswerSet("tatqa", "en", "tatqa_dev", "tables of reports", report_tables, 100),
    AnswerSet("rgb", "en", "rgb_dev", "search results", partial(search_results, files=("en_fact.json",))),
    AnswerSet(
        "rgb",
        "zh",
        "rgb_dev",
        "search results",
        partial(search_results, files=("zh_refine.dev.json", "zh_int.json")),
    ),
    AnswerSet("domainrag", "zh", "domainrag_dev", "a university's pages", campus),
    AnswerSet("halluqa", "zh", "halluqa_dev", "misleading questions", misconceptions),
    AnswerSet("xquad", "en", "xquad_dev", "paragraphs", partial(paragraphs, file="xquad.en.dev.json"), 150),
    AnswerSet("xquad", "zh", "xquad_dev", "paragraphs", partial(paragraphs, file="xquad.zh.dev.json"), 150),
    AnswerSet("slackfaq", "en", "slackfaq_dev", "questions about courses", faq, 250),
)
