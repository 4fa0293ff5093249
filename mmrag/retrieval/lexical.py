"""BM25 by Tantivy, over the words of `mmrag.text.words`. It knows no vector and no collection.

Several indexes are searched as if they were one: a word's weight (idf) comes from all of
them, so that what was added a moment ago to a small index competes fairly with a big one.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from mmrag.text.words import words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import tantivy

_WRITER_BYTES = 200_000_000  # memory before Tantivy starts another part of its own, which costs searches
_SMALL_WRITER_BYTES = 15_000_000  # the least that Tantivy takes; it is set up several times faster
_MOST_QUERY_WORDS = 256  # different words; more come from a pasted document, and each costs time


class LexicalIndex:
    """A Tantivy index of (id, words) as it was at one moment: searches need no lock."""

    def __init__(self, index: tantivy.Index) -> None:
        # Tantivy's own policy watches the folder and reads it anew when it changes: bytes that
        # were altered there would come in unverified.
        index.config_reader("manual")
        self._index = index
        self._schema = index.schema
        self._searcher = index.searcher()
        self.rows = int(self._searcher.num_docs)

    @classmethod
    def empty(cls) -> LexicalIndex:
        """An index in memory without a row."""
        return cls(_new_index(None))

    @classmethod
    def build(cls, folder: Path, batches: Iterable[tuple[Iterable[int], Iterable[str]]]) -> LexicalIndex:
        """An index of these (ids, texts) in an empty folder."""
        index = _new_index(folder)
        _write(index, batches, _WRITER_BYTES)
        return cls(index)

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """What was created in `folder`. Raises OSError or ValueError where it cannot be read."""
        import tantivy  # noqa: PLC0415 - heavy: a native library

        return cls(tantivy.Index.open(str(folder)))

    def with_rows(self, ids: Iterable[int], texts: Iterable[str]) -> LexicalIndex:
        """This index with one text more for each id. One at a time; searches of this one go on."""
        _write(self._index, [(ids, texts)], _SMALL_WRITER_BYTES)
        return LexicalIndex(self._index)

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


def _new_index(folder: Path | None) -> tantivy.Index:
    import tantivy  # noqa: PLC0415 - heavy: a native library

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", fast=True)
    # "freq": no positions, nothing asks for phrases
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    return tantivy.Index(builder.build(), path=None if folder is None else str(folder))


def _write(
    index: tantivy.Index, batches: Iterable[tuple[Iterable[int], Iterable[str]]], heap_bytes: int
) -> None:
    """Commit one text for each id."""
    import tantivy  # noqa: PLC0415 - heavy: a native library

    writer = index.writer(heap_bytes, num_threads=1)
    for ids, texts in batches:
        for id_, text in zip(ids, texts, strict=True):
            document = tantivy.Document()
            document.add_unsigned("id", int(id_))
            document.add_text("words", " ".join(words(text)))
            writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()  # also lets go of the folder
    index.reload()


def search(
    indexes: Sequence[LexicalIndex],
    query_words: Mapping[str, float],
    *,
    depth: int,
    without: Collection[int] = frozenset(),
) -> list[tuple[float, int]]:
    """The `depth` best (BM25 score, id) over all indexes, best first. Each word counts by its weight."""
    indexes = [index for index in indexes if index.rows]
    asked = dict(heapq.nlargest(_MOST_QUERY_WORDS, query_words.items(), key=lambda item: item[1]))
    scored: list[tuple[float, int]] = []
    for index, boosts in zip(indexes, _boosts(indexes, asked), strict=True):
        scored += _best_live(index, boosts, depth, without)
    scored.sort(key=lambda row: (-row[0], row[1]))
    return scored[:depth]


def _boosts(indexes: Sequence[LexicalIndex], asked: Mapping[str, float]) -> list[Mapping[str, float]]:
    """What each index must multiply the words' scores by, so that all score as one would."""
    if len(indexes) == 1:
        return [asked]
    rows = sum(index.rows for index in indexes)
    frequencies = [{word: index.document_frequency(word) for word in asked} for index in indexes]
    idf_of_all = {word: idf(rows, sum(counts[word] for counts in frequencies)) for word in asked}
    # Tantivy multiplies by the idf of its own rows: dividing by it leaves the idf of all rows.
    return [
        {
            word: weight * idf_of_all[word] / idf(index.rows, counts[word])
            for word, weight in asked.items()
            if counts[word]
        }
        for index, counts in zip(indexes, frequencies, strict=True)
    ]


def rarest(indexes: Sequence[LexicalIndex], asked: Iterable[str], most: int) -> list[str]:
    """Up to `most` of these words that occur in some row, the rarest first, else in their order."""
    counts = {word: sum(index.document_frequency(word) for index in indexes) for word in asked}
    return heapq.nsmallest(most, filter(counts.__getitem__, counts), key=counts.__getitem__)


def idf(N: int, n: int) -> float:  # noqa: N803 - the symbols of the paper
    """Weight of a word that occurs in n of N rows: ln(1 + (N - n + 0.5) / (n + 0.5)) > 0.

    Robertson and Spärck Jones' weight in the positive form of Lucene and Tantivy.
    """
    return math.log(1 + (N - n + 0.5) / (n + 0.5))


def _best_live(
    index: LexicalIndex, boosts: Mapping[str, float], depth: int, without: Collection[int]
) -> list[tuple[float, int]]:
    """Looks deeper while removed rows take up the places of live ones."""
    if not boosts:
        return []
    looked = depth
    while True:
        found = index.best(boosts, looked)
        live = [row for row in found if row[1] not in without] if without else found
        if len(live) >= depth or len(found) < looked:
            return live
        looked *= 2
