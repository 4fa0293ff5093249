"""Public question sets, from the files as their authors publish them to BEIR's three files.

Each set lies in a folder of its own below the data folder; a file's address and licence stand in
that folder's SOURCE.txt. Nothing of their text is part of this repository.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mmrag.evaluation import beir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Rows:
    """BEIR rows in the making."""

    corpus: dict[str, dict[str, str]] = field(default_factory=dict)
    queries: list[dict[str, Any]] = field(default_factory=list)
    judgements: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def passage(self, id_: str, text: str, *, title: str = "") -> str:
        """Add a passage once; its id."""
        self.corpus.setdefault(id_, {"_id": id_, "title": title, "text": text})
        return id_

    def pooled(self, text: str, *, title: str = "") -> str:
        """Add a passage that has no id; the same text is the same passage."""
        id_ = hashlib.blake2b(f"{title}\n{text}".encode(), digest_size=8).hexdigest()
        return self.passage(id_, text, title=title)

    def query(self, text: str, relevant: dict[str, int], **more: object) -> None:
        """Add a query with its grades."""
        id_ = f"q{len(self.queries)}"
        self.queries.append({"_id": id_, "text": text, **more})
        self.judgements[id_] = relevant

    def write(self, folder: Path) -> beir.Collection:
        """Write the three files and read them back as `mmrag eval retrieval` does."""
        folder.mkdir(parents=True, exist_ok=True)
        corpus, queries, qrels = (folder / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"))
        corpus.write_text(_json_lines(self.corpus.values()), encoding="utf-8")
        queries.write_text(_json_lines(self.queries), encoding="utf-8")
        judged = [
            f"{query}\t{passage}\t{grade}\n"
            for query, grades in self.judgements.items()
            for passage, grade in grades.items()
        ]
        qrels.write_text("query-id\tcorpus-id\tscore\n" + "".join(judged), encoding="utf-8")
        return beir.load(corpus, queries, qrels)


def _json_lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A question set; `measures` are the figures it is judged by, the first one above all."""

    name: str
    folder: str
    about: str
    measures: tuple[str, ...]
    convert: Callable[[Path], Rows]


# ------------------------------------------------------------------------ English


def faq(folder: Path, *, with_questions: bool) -> Rows:
    """Entries of courses' FAQs; a question's entries are all those that carry its id."""
    rows, entries = Rows(), defaultdict(list)
    for number, entry in enumerate(json.loads((folder / "documents-with-ids.dev.json").read_text("utf-8"))):
        title = entry["question"] if with_questions else ""
        entries[entry["id"]].append(rows.passage(f"{entry['id']}-{number}", entry["text"], title=title))
    with (folder / "ground-truth.dev.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.query(row["question"], dict.fromkeys(entries[row["document"]], 1))
    return rows


def cranfield(folder: Path) -> Rows:
    """Abstracts of aerodynamics. Every judged document counts as relevant, grade 1.

    Judgements name a query by its place in the file, not by its number. The grades are left out:
    the file's own description and its codes disagree (-1, once a query, is in none of the two).
    """
    rows = Rows()
    for number, fields in _smart_records(folder / "cran.all.1400"):
        title = " ".join(fields["T"].split())
        # The abstract begins with its title.
        rows.passage(number, fields["W"].strip().removeprefix(fields["T"].strip()).strip(), title=title)
    relevant: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for line in (folder / "cranqrel").read_text("utf-8").splitlines():
        place, document, _ = line.split()
        relevant[int(place)][document] = 1
    for place, (_, fields) in enumerate(_smart_records(folder / "cran.qry"), start=1):
        rows.query(" ".join(fields["W"].split()), relevant[place])
    return rows


def _smart_records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(number, fields) of each record: `.I 12`, then `.T` and the like each before its text."""
    for record in re.split(r"^\.I ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        number, *parts = re.split(r"^\.([A-Z])\n", record, flags=re.MULTILINE)
        yield number.strip(), dict(zip(parts[::2], parts[1::2], strict=True))


def conversations(folder: Path) -> Rows:
    """The last turns of conversations, with the turns before; all reference passages are one pool."""
    rows = Rows()
    for line in (folder / "reference.dev.jsonl").read_text("utf-8").splitlines():
        task = json.loads(line)
        relevant = {rows.passage(one["document_id"], one["text"]): 1 for one in task["contexts"]}
        *history, last = [
            {"role": "user" if turn["speaker"] == "user" else "assistant", "text": turn["text"]}
            for turn in task["input"]
        ]
        if relevant:
            rows.query(last["text"], relevant, history=history)
    return rows


def filings(folder: Path) -> Rows:
    """Questions about companies' filings; what is to be found is the filing, a PDF, by any of its pages."""
    rows = Rows()
    for pdf in sorted((folder / "pdfs").glob("*.pdf")):
        rows.corpus[pdf.stem] = {"_id": pdf.stem, "title": "", "text": "", "image": str(pdf.resolve())}
    for line in (folder / "open_source.dev.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        rows.query(row["question"], {row["doc_name"]: 1})
    return rows


def abstracts(folder: Path) -> Rows:
    """Questions that are the titles of medical papers, and the papers' abstracts."""
    rows = Rows()
    for id_, paper in json.loads((folder / "ori_pqal.dev.json").read_text("utf-8")).items():
        rows.query(paper["QUESTION"], {rows.passage(id_, " ".join(paper["CONTEXTS"])): 1})
    return rows


def tables(folder: Path) -> Rows:
    """Questions about a table and the paragraphs around it; the two together are one passage."""
    rows = Rows()
    for page in json.loads((folder / "tatqa_dataset_dev.json").read_text("utf-8")):
        lines = [" | ".join(cells) for cells in page["table"]["table"]]
        paragraphs = [part["text"] for part in sorted(page["paragraphs"], key=lambda part: part["order"])]
        id_ = rows.passage(page["table"]["uid"], "\n".join([*paragraphs, *lines]))
        for question in page["questions"]:
            rows.query(question["question"], {id_: 1})
    return rows


# ------------------------------------------------------------- either language


def passages_of_answers(folder: Path, *, files: tuple[str, ...]) -> Rows:
    """Search-engine snippets: those that hold the answer, among all that do not."""
    rows = Rows()
    for name in files:
        for line in (folder / name).read_text("utf-8").splitlines():
            row = json.loads(line)
            rows.query(row["query"], {rows.pooled(text): 1 for text in leaves(row["positive"])})
            for text in leaves(row["negative"]):
                rows.pooled(text)
    return rows


def leaves(nested: Any) -> Iterator[Any]:
    """What stands in lists in lists; what is no list is itself one."""
    for one in nested if isinstance(nested, list) else [nested]:
        if isinstance(one, list):
            yield from leaves(one)
        else:
            yield one


def paragraphs(folder: Path, *, file: str) -> Rows:
    """SQuAD's form: questions about one paragraph each."""
    rows = Rows()
    for article in json.loads((folder / file).read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            id_ = rows.pooled(paragraph["context"])
            for question in paragraph["qas"]:
                if question["question"].strip():  # one of them is empty
                    rows.query(question["question"], {id_: 1})
    return rows


def campus(folder: Path) -> Rows:
    """One university's pages, as a search found them; the text was segmented and is joined again."""
    rows = Rows()
    lines = (folder / "extractive_qa" / "basic_qa_retrieved_bm25.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        row = json.loads(line)
        relevant = [_campus_passage(rows, page) for page in row["positive_reference"]]
        rows.query(row["question"], dict.fromkeys(relevant, 1))
        for page in row["retrieved_psgs"]:
            _campus_passage(rows, page)
    return rows


def _campus_passage(rows: Rows, page: dict[str, Any]) -> str:
    return rows.pooled(page["contents"].replace(" ", ""), title=page["title"])


# ------------------------------------------------------------------ the thread


def without_threads(rows: Rows) -> Rows:
    """The last turns alone: what completing a follow-up gains."""
    for query in rows.queries:
        query.pop("history")
    return rows


def after_another_topic(rows: Rows) -> Rows:
    """Each question after one about something else: what completing a question that is none costs."""
    asked = [query["text"] for query in rows.queries]
    for place, query in enumerate(rows.queries):
        before = asked[place - len(asked) // 2]  # far away in the file: another topic
        query["history"] = [
            {"role": "user", "text": before},
            {"role": "assistant", "text": "See the sources."},
        ]
    return rows


DATASETS = (
    Dataset(
        "faq",
        "slackfaq_dev",
        "FAQ entries without their questions",
        ("hit@5", "mrr@10"),
        partial(faq, with_questions=False),
    ),
    Dataset(
        "faq-questions",
        "slackfaq_dev",
        "the same entries with their questions as titles",
        ("hit@5", "mrr@10"),
        partial(faq, with_questions=True),
    ),
    Dataset("cranfield", "cranfield_dev", "abstracts of aerodynamics", ("ndcg@10", "hit@5"), cranfield),
    Dataset("mtrag", "mtrag_un_dev", "last turns with their thread", ("hit@5", "mrr@10"), conversations),
    Dataset("filings", "financebench_dev", "filings by their pages (PDF)", ("hit@1", "hit@5"), filings),
    Dataset(
        "rgb-zh",
        "rgb_dev",
        "Chinese snippets",
        ("hit@5", "ndcg@10"),
        partial(passages_of_answers, files=("zh_int.json", "zh_refine.dev.json")),
    ),
    Dataset(
        "rgb-en",
        "rgb_dev",
        "English snippets",
        ("hit@5", "ndcg@10"),
        partial(passages_of_answers, files=("en_fact.json",)),
    ),
    Dataset(
        "xquad-en",
        "xquad_dev",
        "paragraphs, English",
        ("mrr@10", "hit@1"),
        partial(paragraphs, file="xquad.en.dev.json"),
    ),
    Dataset(
        "xquad-zh",
        "xquad_dev",
        "paragraphs, Chinese",
        ("mrr@10", "hit@1"),
        partial(paragraphs, file="xquad.zh.dev.json"),
    ),
    Dataset(
        "cmrc",
        "cmrc2018_dev",
        "paragraphs, Chinese",
        ("mrr@10", "hit@1"),
        partial(paragraphs, file="cmrc2018_trial.json"),
    ),
    Dataset("campus", "domainrag_dev", "a university's pages, Chinese", ("hit@5", "mrr@10"), campus),
    Dataset("abstracts", "pubmedqa_dev", "medical abstracts", ("mrr@10", "hit@1"), abstracts),
    Dataset("tables", "tatqa_dev", "tables with their paragraphs", ("hit@5", "mrr@10"), tables),
    Dataset(
        "mtrag-last-turn",
        "mtrag_un_dev",
        "last turns without their thread",
        ("hit@5", "mrr@10"),
        lambda folder: without_threads(conversations(folder)),
    ),
    Dataset(
        "faq-new-topic",
        "slackfaq_dev",
        "FAQ entries, asked after something else",
        ("hit@5", "mrr@10"),
        lambda folder: after_another_topic(faq(folder, with_questions=False)),
    ),
)
