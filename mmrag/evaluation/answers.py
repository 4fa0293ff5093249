"""How well the engine answers, and whether what it says stands where it says so.

    FILE.jsonl   {"question", "documents": [text | {"title"?, "text"} | {"path"}, ...],
                  "history"?: [{"role", "text"}, ...], "image"?: path | [path, ...],
                  "answer": text | [text, ...] | null}

Paths lie beside the file; `answer` null: nothing in the documents answers, and a refusal is right.
Every question is asked through the engine itself, over its own documents and nothing else. The
judge here is another one than the engine's grounding: it sees only what a person sees, the answer's
sentences and the quotes of their citations.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mmrag.assemble import build_embedder, build_engine
from mmrag.errors import InvalidInput, NotReadable
from mmrag.evaluation import jsonl
from mmrag.evaluation.metrics import percentile
from mmrag.evaluation.progress import silent
from mmrag.text.arithmetic import calculations
from mmrag.text.numbers import Number, numbers
from mmrag.text.words import content_words, is_han, letters, normalise, words
from mmrag.types import Attachment, Question, Source, Turn, Unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mmrag.config import Settings
    from mmrag.engine import Engine
    from mmrag.evaluation.progress import Progress
    from mmrag.ports import Embedder, Generator, Reader
    from mmrag.types import Answer, Citation

# Share of a sentence's words that its quotes must hold: templates around cells have words of their own.
HELD = 0.7
# Share of a long expected answer's words that an answer must hold to be called right.
RECALLED = 0.4
SHORT_ANSWER = 6  # words; a shorter expected answer must stand there whole

_MARKERS = re.compile(r"(?:\s*\[\d+\])+")
_MARKER = re.compile(r"\[(\d+)\]")
_LETTERS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class AnswerDocument:
    """What may be answered from: a text, or a file that the readers take."""

    text: str = ""
    title: str = ""
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A question; `expected` are answers of which any one is right, empty where a refusal is.

    `numeric` if it is the numbers of the answer that count, whatever its words.
    """

    question: str
    documents: tuple[AnswerDocument, ...]
    expected: tuple[str, ...]
    history: tuple[Turn, ...] = ()
    images: tuple[Path, ...] = ()
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class JudgedSentence:
    """A sentence with its markers; `needed` tells of each whether the sentence rests on it."""

    text: str
    held: bool
    needed: tuple[bool, ...]
    stray: tuple[str, ...]  # numbers that stand in no quote and follow from no shown working


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer, judged. `right` is None for a refusal, and where nothing was expected."""

    row: AnswerRow
    answer: Answer
    sentences: tuple[JudgedSentence, ...]
    right: bool | None
    wrong_number: bool
    milliseconds: float


@dataclass(frozen=True, slots=True)
class AnswersReport:
    """All answers with what they come to."""

    judged: tuple[Judged, ...]
    unread: tuple[Unread, ...]

    def to_json(self) -> dict[str, Any]:
        """What people script against: adding is free, renaming is not. None where nothing was to measure."""
        answerable = [one for one in self.judged if one.row.expected]
        unanswerable = [one for one in self.judged if not one.row.expected]
        answered = [one for one in self.judged if not one.answer.abstained]
        sentences = [sentence for one in answered for sentence in one.sentences]
        markers = [needed for sentence in sentences for needed in sentence.needed]
        numeric = [one for one in answerable if one.row.numeric]
        answers = _share(not one.answer.abstained for one in answerable)
        refusals = _share(one.answer.abstained for one in unanswerable)
        known = [share for share in (answers, refusals) if share is not None]
        return {
            "questions": len(self.judged),
            "answerable": len(answerable),
            "unanswerable": len(unanswerable),
            "abstention": {
                "answerable_answered": _rounded(answers),
                "unanswerable_refused": _rounded(refusals),
                "balanced_accuracy": _rounded(fmean(known) if len(known) > 1 else None),
            },
            "right": _rounded(_share(one.right is True for one in answerable)),
            "right_of_answered": _rounded(
                _share(one.right is True for one in answerable if not one.answer.abstained)
            ),
            "numeric": {
                "questions": len(numeric),
                "right": _rounded(_share(one.right is True for one in numeric)),
                "wrong": _rounded(_share(one.wrong_number for one in numeric)),
            },
            "sentences": len(sentences),
            "grounding": _rounded(_share(sentence.held for sentence in sentences)),
            "citation_precision": _rounded(_share(markers)),
            "citation_recall": _rounded(
                _share(sentence.held and bool(sentence.needed) for sentence in sentences)
            ),
            "number_errors": sum(len(sentence.stray) for sentence in sentences),
            "p50_ms": round(percentile([one.milliseconds for one in self.judged], 50), 1),
            "p95_ms": round(percentile([one.milliseconds for one in self.judged], 95), 1),
            "unread": [{"name": one.name, "reason": one.reason} for one in self.unread],
        }


# ------------------------------------------------------------------------- rows


def load(path: Path) -> tuple[AnswerRow, ...]:
    """Read FILE.jsonl. Raises InvalidInput with the line of the first fault."""
    rows = tuple(_row(row, path, where) for where, row in jsonl.json_lines(path))
    if not rows:
        raise InvalidInput(f"{path} holds no row.")
    return rows


def _row(row: Mapping[str, Any], path: Path, where: str) -> AnswerRow:
    question = jsonl.text(row, "question", where)
    if not question.strip():
        raise InvalidInput(f"{where}: 'question' is empty: write the question.")
    if "answer" not in row:
        raise InvalidInput(f"{where}: 'answer' is missing: write the right one, or null if there is none.")
    expected = _expected(row["answer"], where)
    return AnswerRow(
        question=question,
        documents=tuple(_document(one, path, where) for one in _listed(row, "documents", where)),
        expected=expected,
        history=jsonl.history(row, where),
        images=tuple(jsonl.beside(path, name, where) for name in _listed(row, "image", where)),
        numeric=any(map(is_one_number, expected)),
    )


def _expected(answer: object, where: str) -> tuple[str, ...]:
    listed = [] if answer is None else answer if isinstance(answer, list) else [answer]
    texts = [str(one) if isinstance(one, int | float) else one for one in listed]
    written = [one for one in texts if isinstance(one, str) and one.strip()]
    if len(written) < len(texts):
        raise InvalidInput(
            f"{where}: 'answer' is a text, a list of texts of which any one is right, or null."
        )
    return tuple(written)


def _listed(row: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = row.get(name)
    if name == "documents" and not isinstance(value, list):
        raise InvalidInput(f"{where}: 'documents' must be a list.")
    return [] if value is None else value if isinstance(value, list) else [value]


def _document(given: object, path: Path, where: str) -> AnswerDocument:
    match given:
        case str():
            return AnswerDocument(given)
        case {"path": str(name)}:
            return AnswerDocument(path=jsonl.beside(path, name, where))
        case {"text": str(text), **more} if isinstance(more.get("title", ""), str):
            return AnswerDocument(text, str(more.get("title", "")))
        case _:
            raise InvalidInput(f'{where}: a document is a text, {{"title", "text"}} or {{"path"}}.')


# ----------------------------------------------------------------------- asking


def evaluate(
    rows: Sequence[AnswerRow],
    *,
    settings: Settings,
    embedder: Embedder | None = None,
    reader: Reader | None = None,
    generator: Generator | None = None,
    progress: Progress | None = None,
) -> AnswersReport:
    """Ask every question in a data folder that is deleted afterwards, and judge what comes.

    Rows with the same documents share a collection. Raises MissingExtra, StoreUnavailable.
    """
    tell = progress or silent
    by_documents: defaultdict[tuple[AnswerDocument, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_documents[row.documents].append(number)
    judged: dict[int, Judged] = {}
    unread: list[Unread] = []
    with TemporaryDirectory(prefix="mmrag-eval-", ignore_cleanup_errors=True) as folder:
        own = settings.model_copy(update={"home": Path(folder)})
        # The model is converted in the data folder of the settings, once for all runs.
        shared = embedder or build_embedder(settings)
        with build_engine(own, embedder=shared, reader=reader, generator=generator) as engine:
            for place, (documents, numbers_of_rows) in enumerate(by_documents.items()):
                unread += _add(engine, documents, collection=f"rows-{place}")
                for number in numbers_of_rows:
                    judged[number] = _ask(engine, rows[number], collection=f"rows-{place}")
                    unread += judged[number].answer.unread
                    tell("questions", len(judged), len(rows))
    return AnswersReport(tuple(judged[number] for number in range(len(rows))), tuple(unread))


def _add(engine: Engine, documents: Iterable[AnswerDocument], *, collection: str) -> list[Unread]:
    unread = []
    for number, document in enumerate(documents):
        name, data = f"document-{number}.txt", document.text.encode()
        if document.path is not None:
            name, data = document.path.name, document.path.read_bytes()
        if not data.strip():
            continue
        try:
            source = Source(name, data, uri=f"row:{number}:{name}", title=document.title or None)
            engine.add(source, collection=collection)
        except NotReadable as error:
            unread.append(Unread(name, str(error)))
    return unread


def _ask(engine: Engine, row: AnswerRow, *, collection: str) -> Judged:
    attached = tuple(Attachment(image.name, image.read_bytes()) for image in row.images)
    started = time.perf_counter()
    answer = engine.ask(Question(row.question, (collection,), attached, row.history))
    return judge(row, answer, milliseconds=(time.perf_counter() - started) * 1000)


# ---------------------------------------------------------------------- judging


def judge(row: AnswerRow, answer: Answer, *, milliseconds: float = 0.0) -> Judged:
    """Compare an answer with what was expected, and each of its sentences with its quotes."""
    sentences = () if answer.abstained else tuple(judge_sentences(answer))
    said = " ".join(sentence.text for sentence in sentences)
    right = None
    wrong_number = False
    if row.expected and not answer.abstained:
        right = _is_right(row, said)
        wrong_number = row.numeric and not right and bool(_own_numbers(row, said))
    return Judged(row, answer, sentences, right, wrong_number, milliseconds)


def judge_sentences(answer: Answer) -> Iterable[JudgedSentence]:
    """Each sentence that carries markers, and the first one if none does; what is left open is none."""
    by_marker = {citation.marker: citation for citation in answer.citations}
    last = 0
    for match in _MARKERS.finditer(answer.text):
        text = answer.text[last : match.start()].strip()
        cited = [by_marker[int(mark)] for mark in _MARKER.findall(match.group()) if int(mark) in by_marker]
        last = match.end()
        if text:
            yield _judged_sentence(text, cited)
    if not last:
        yield _judged_sentence(answer.text, [])


def _judged_sentence(text: str, cited: Sequence[Citation]) -> JudgedSentence:
    held = _holds(text, cited)
    needed = tuple(
        held and (_holds(text, [one]) or not _holds(text, [other for other in cited if other is not one]))
        for one in cited
    )
    return JudgedSentence(text, held, needed, tuple(_stray_numbers(text, _quoted(cited))))


def _quoted(cited: Sequence[Citation]) -> str:
    return "\n".join(f"{citation.title}\n{citation.quote}" for citation in cited)


def _holds(text: str, cited: Sequence[Citation]) -> bool:
    evidence = _quoted(cited)
    wanted = {word for word in content_words(text) if not numbers(word)}
    present, plain = set(words(evidence)), normalise(evidence)
    there = sum(word in present or (is_han(word[0]) and word in plain) for word in wanted)
    return there >= HELD * len(wanted) and not list(_stray_numbers(text, evidence))


def _stray_numbers(text: str, evidence: str) -> Iterable[str]:
    known = set(numbers(evidence))
    shown, rest = calculations(text)
    for one in shown:
        if not one.holds:
            yield str(one.result.value)
        if any(operand.value != 1 for operand in one.operands):  # a count adds ones
            yield from (str(n.value) for n in one.operands if n not in known and not _counts(n, one.operands))
        known |= {one.result}
    yield from (str(number.value) for number in numbers(rest) if number not in known)


def _counts(number: Number, operands: Sequence[Number]) -> bool:
    """Whether it is the number of the other operands, which an average divides by."""
    return operands[-1] is number and number.value == len(operands) - 1


def _is_right(row: AnswerRow, said: str) -> bool:
    if row.numeric:
        expected = {_plain(number) for text in row.expected for number in numbers(text)}
        return bool(expected & {_plain(number) for number in _own_numbers(row, said)})
    return any(_says(said, text) for text in row.expected)


def _own_numbers(row: AnswerRow, said: str) -> list[Number]:
    """The numbers of an answer that the question did not bring along."""
    asked = {_plain(number) for number in numbers(row.question)}
    return [number for number in numbers(said) if _plain(number) not in asked]


def _plain(number: Number) -> str:
    return f"{number.value.normalize():f}"  # a per cent sign may stand in the axis rather than the cell


def _says(said: str, expected: str) -> bool:
    wanted = set(content_words(expected))
    if letters(expected) in letters(said):
        return True
    return len(wanted) > SHORT_ANSWER and len(wanted & set(words(said))) >= RECALLED * len(wanted)


def is_one_number(text: str) -> bool:
    """Whether an expected answer is one number, with or without its unit."""
    return len(numbers(text)) == 1 and len(_LETTERS.findall(text)) <= 3 and len(text) <= 24  # noqa: PLR2004 - "12 days", "632分"


def _share(flags: Iterable[bool]) -> float | None:
    listed = list(flags)
    return fmean(listed) if listed else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def fingerprint(row: AnswerRow) -> int:
    """A stable number of a question, to sample and to split by: 0 to 99."""
    return blake2b(row.question.encode(), digest_size=4).digest()[0] * 100 // 256
