"""BM25 by Tantivy, over the words of `mmrag.text.words`. It knows no vector and no collection.

Several indexes are searched as if they were one: a word's weight (idf) comes from all of
them, so that what was added a moment ago to a small index competes fairly with a big one.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from mmrag.text.words import words

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from pathlib import Path

    import tantivy

_WRITER_BYTES = 50_000_000  # memory before Tantivy starts a new segment; its minimum is 15 MB
_MOST_QUERY_WORDS = 256  # different words; more come from a pasted document, and each costs time


class LexicalIndex:
    """A Tantivy index of (id, words). Rows are added, never removed.

    Searches may run while rows are added; adding needs exclusion.
    """

    def __init__(self, index: tantivy.Index) -> None:
        # Tantivy's own policy watches the folder and reads it anew when it changes: bytes that
        # were altered there would come in unverified.
        index.config_reader("manual")
        self._index = index
        self._schema = index.schema
        self._searcher = index.searcher()

    @classmethod
    def create(cls, folder: Path | None = None) -> LexicalIndex:
        """An empty index, in memory or in an empty folder."""
        import tantivy  # noqa: PLC0415 - heavy: a native library

        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("id", fast=True)
        # "freq": no positions, nothing asks for phrases
        builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
        return cls(tantivy.Index(builder.build(), path=None if folder is None else str(folder)))

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """What was created in `folder`. Raises OSError or ValueError where it cannot be read."""
        import tantivy  # noqa: PLC0415 - heavy: a native library

        return cls(tantivy.Index.open(str(folder)))

    @property
    def rows(self) -> int:
        """How many ids it holds."""
        return int(self._searcher.num_docs)

    def add(self, ids: Iterable[int], texts: Iterable[str]) -> None:
        """Index one text for each id; searchable on return."""
        import tantivy  # noqa: PLC0415 - heavy: a native library

        writer = self._index.writer(_WRITER_BYTES, num_threads=1)
        for id_, text in zip(ids, texts, strict=True):
            document = tantivy.Document()
            document.add_unsigned("id", int(id_))
            document.add_text("words", " ".join(words(text)))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()  # also lets go of the folder
        self._index.reload()
        self._searcher = self._index.searcher()

    def document_frequency(self, word: str) -> int:
        """In how many rows the word occurs."""
        return int(self._searcher.doc_freq("words", word))

    def best(self, boosts: Mapping[str, float], depth: int) -> list[tuple[float, int]]:
        """The `depth` best (score, id), best first: the sum of the words' BM25 scores times their boosts."""
        from tantivy import Occur, Query  # noqa: PLC0415 - heavy: a native library

        clauses = [
            (Occur.Should, Query.boost_query(Query.term_query(self._schema, "words", word, "freq"), boost))
            for word, boost in boosts.items()
        ]
        found = self._searcher.search(Query.boolean_query(clauses), limit=depth, count=False).hits
        ids = self._searcher.fast_field_values("id", [address for _, address in found])
        return [(score, int(id_ or 0)) for (score, _), id_ in zip(found, ids, strict=True)]


def search(
    indexes: Sequence[LexicalIndex],
    query_words: Sequence[str],
    *,
    depth: int,
    without: Container[int] = frozenset(),
) -> list[tuple[float, int]]:
    """The `depth` best (BM25 score, id) over all indexes, best first. A word asked twice counts twice."""
    indexes = [index for index in indexes if index.rows]
    asked = dict(Counter(query_words).most_common(_MOST_QUERY_WORDS))
    rows = sum(index.rows for index in indexes)
    frequencies = [{word: index.document_frequency(word) for word in asked} for index in indexes]
    idf_of_all = {word: idf(rows, sum(counts[word] for counts in frequencies)) for word in asked}
    scored: list[tuple[float, int]] = []
    for index, counts in zip(indexes, frequencies, strict=True):
        # Tantivy multiplies by the idf of its own rows: dividing by it leaves the idf of all rows.
        boosts = {
            word: times * idf_of_all[word] / idf(index.rows, counts[word])
            for word, times in asked.items()
            if counts[word]
        }
        scored += _best_live(index, boosts, depth, without)
    scored.sort(key=lambda row: (-row[0], row[1]))
    return scored[:depth]


def idf(N: int, n: int) -> float:  # noqa: N803 - the symbols of the paper
    """Weight of a word that occurs in n of N rows: ln(1 + (N - n + 0.5) / (n + 0.5)) > 0.

    Robertson and Spärck Jones' weight in the positive form of Lucene and Tantivy.
    """
    return math.log(1 + (N - n + 0.5) / (n + 0.5))


def _best_live(
    index: LexicalIndex, boosts: Mapping[str, float], depth: int, without: Container[int]
) -> list[tuple[float, int]]:
    """Looks deeper while removed rows take up the places of live ones."""
    if not boosts:
        return []
    looked = depth
    while True:
        found = index.best(boosts, looked)
        live = [row for row in found if row[1] not in without]
        if len(live) >= depth or len(found) < looked:
            return live
        looked *= 2
