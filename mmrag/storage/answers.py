"""Answers that were given, kept to be rated; their text goes with the documents that they quote.

Functions over a connection inside a transaction of the caller.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.ports import StoredAnswer
from mmrag.storage.feed import json_list
from mmrag.wire import answer_from_json, answer_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from mmrag.types import Answer

_OF_COLLECTION = (
    "FROM answers WHERE EXISTS (SELECT 1 FROM json_each(answers.collections) WHERE json_each.value = ?)"
)


def save_answer(db: apsw.Connection, stored: StoredAnswer) -> bool:
    """See `Store.save_answer`."""
    answer = stored.answer
    cited = {(c.document_id, c.chunk_id) for c in answer.citations if c.document_id is not None}
    live = db.execute(
        "SELECT documents.id, chunks.id FROM chunks JOIN documents ON documents.key = chunks.document "
        "WHERE chunks.id IN (SELECT value FROM json_each(?))",
        (json_list(chunk for _, chunk in cited),),
    )
    kept = cited <= set(live)
    db.execute(
        "INSERT INTO answers (id, answer, erased, question, collections, cache_key) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            answer.id,
            _dump(answer if kept else _without_text(answer)),
            not kept,
            stored.question,
            json.dumps(stored.collections),
            stored.cache_key,
        ),
    )
    db.executemany(
        "INSERT INTO answer_documents (document_id, answer) VALUES (?, ?)",
        [(document_id, answer.id) for document_id in {document_id for document_id, _ in cited}],
    )
    return kept


def answer(db: apsw.Connection, answer_id: str) -> StoredAnswer | None:
    """An answer as it was given; without its text if a document that it quotes has gone."""
    row = db.execute(
        "SELECT answer, question, collections, cache_key FROM answers WHERE id = ?", (answer_id,)
    ).fetchone()
    if row is None:
        return None
    text, question, collections, cache_key = row
    return StoredAnswer(
        answer=_load(text),
        question=question,
        collections=tuple(json.loads(collections)),
        cache_key=cache_key,
    )


def cache_keys_citing(db: apsw.Connection, document_ids: Iterable[str]) -> tuple[str, ...]:
    """See `Store.cache_keys_citing`."""
    rows = db.execute(
        "SELECT DISTINCT cache_key FROM answer_documents "
        "JOIN answers ON answers.id = answer_documents.answer "
        "WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY cache_key",
        (json_list(document_ids),),
    )
    return tuple(cache_key for (cache_key,) in rows)


def erase_answers(db: apsw.Connection, document_id: str) -> None:
    """Empty the answers that quote a document. They stay rateable, and their cache keys known."""
    db.execute(  # keys handed out at an earlier change: without this they would pile up
        "DELETE FROM answer_documents "
        "WHERE document_id = ? AND answer IN (SELECT id FROM answers WHERE erased)",
        (document_id,),
    )
    rows = db.execute(
        "SELECT id, answers.answer FROM answer_documents "
        "JOIN answers ON answers.id = answer_documents.answer WHERE document_id = ?",
        (document_id,),
    )
    for answer_id, text in list(rows):  # read to the end before the rows change
        erased = _dump(_without_text(_load(text)))
        db.execute("UPDATE answers SET answer = ?, erased = TRUE WHERE id = ?", (erased, answer_id))


def delete_answers_of(db: apsw.Connection, collection: str) -> tuple[str, ...]:
    """Delete the answers that were given from a collection, with their questions; their cache keys."""
    keys = db.execute(f"SELECT DISTINCT cache_key {_OF_COLLECTION}", (collection,)).fetchall()
    db.execute(f"DELETE {_OF_COLLECTION}", (collection,))  # their ratings go with them
    return tuple(str(key) for (key,) in keys)


def _without_text(answer: Answer) -> Answer:
    return replace(answer, text="", citations=())


def _dump(answer: Answer) -> str:
    return json.dumps(answer_to_json(answer), ensure_ascii=False)


def _load(text: str) -> Answer:
    return answer_from_json(json.loads(text))
