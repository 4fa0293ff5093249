"""Test collections in BEIR's files: passages, queries, judgements. Each fault names its file and line.

    CORPUS.jsonl   {"_id", "title", "text", "image"?}
    QUERIES.jsonl  {"_id", "text", "history"?: [{"role", "text"}, ...], "image"?}
    QRELS.tsv      query-id <tab> corpus-id <tab> score, with or without such a header; also TREC's
                   four columns, separated by any white space:  query-id  0  corpus-id  score

`image` is the path of a picture, or of any other file that the readers take, beside the JSONL file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrag.errors import InvalidInput
from mmrag.evaluation import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mmrag.types import Turn

Judgements = dict[str, dict[str, int]]  # query id -> corpus id -> grade


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """What is to be found."""

    id: str
    title: str
    text: str
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class QueryRow:
    """What is asked; `history` is the thread before it, oldest first."""

    id: str
    text: str
    history: tuple[Turn, ...] = ()
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages, queries, and which passage answers which query."""

    corpus: tuple[CorpusRow, ...]
    queries: tuple[QueryRow, ...]
    judgements: Judgements

    @property
    def answerable(self) -> tuple[QueryRow, ...]:
        """Queries with a relevant passage: no ranking can be right for any other."""
        return tuple(
            query
            for query in self.queries
            if any(grade > 0 for grade in self.judgements.get(query.id, {}).values())
        )


def load(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """Read the three files. Raises InvalidInput with the file and the line of the first fault."""
    loaded = Collection(read_corpus(corpus), read_queries(queries), read_qrels(qrels))
    known = {row.id for row in loaded.corpus}
    for query, grades in loaded.judgements.items():
        strangers = sorted(id_ for id_, grade in grades.items() if grade > 0 and id_ not in known)
        if strangers:
            raise InvalidInput(
                f"{qrels}: query {query!r} is answered by {strangers[0]!r}, which {corpus} does not hold."
            )
    if not loaded.answerable:
        raise InvalidInput(f"{qrels} judges no query of {queries} with a score above 0: nothing to measure.")
    return loaded


def read_corpus(path: Path) -> tuple[CorpusRow, ...]:
    """Read CORPUS.jsonl. Raises InvalidInput."""
    rows = [
        CorpusRow(
            id=jsonl.text(row, "_id", where),
            title=jsonl.text(row, "title", where, default=""),
            text=jsonl.text(row, "text", where, default="" if "image" in row else None),
            image=jsonl.image(row, path, where),
        )
        for where, row in jsonl.json_lines(path)
    ]
    _check_ids(path, [row.id for row in rows])
    return tuple(rows)


def read_queries(path: Path) -> tuple[QueryRow, ...]:
    """Read QUERIES.jsonl. Raises InvalidInput."""
    rows = [
        QueryRow(
            id=jsonl.text(row, "_id", where),
            text=_question(row, where),
            history=jsonl.history(row, where),
            image=jsonl.image(row, path, where),
        )
        for where, row in jsonl.json_lines(path)
    ]
    _check_ids(path, [row.id for row in rows])
    return tuple(rows)


def read_qrels(path: Path) -> Judgements:
    """Read QRELS.tsv. Raises InvalidInput."""
    judgements: Judgements = {}
    for number, line in enumerate(jsonl.lines(path), start=1):
        fields = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
        if not line.strip() or (number == 1 and _is_header(fields)):
            continue
        match [field.strip() for field in fields]:
            case [query, passage, grade] | [query, _, passage, grade] if (
                query and passage and _is_grade(grade)
            ):
                judgements.setdefault(query, {})[passage] = int(float(grade))
            case _:
                raise InvalidInput(
                    f"{path}, line {number}: a judgement is  query-id <tab> corpus-id <tab> score,  "
                    "with a whole number as the score."
                )
    return judgements


def _is_header(fields: list[str]) -> bool:
    """Whether the first line names its columns; a judgement ends with a number."""
    return not _is_grade(fields[-1].strip())


def _is_grade(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def _question(row: Mapping[str, Any], where: str) -> str:
    text = jsonl.text(row, "text", where)
    if not text.strip():
        raise InvalidInput(f"{where}: 'text' is empty: write the question.")
    return text


def _check_ids(path: Path, ids: list[str]) -> None:
    if not ids:
        raise InvalidInput(f"{path} holds no row.")
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise InvalidInput(f"{path}: the id {id_!r} is there twice.")
        seen.add(id_)
