"""Made text of any size, questions that each have one right chunk, and vectors for both.

All follows from a seed and a chunk's number: two runs, of any size and on any machine, see the
same chunk at the same place. The words are the English ones of the embedding model's vocabulary,
which lists them by frequency, picked by Zipf's law. A chunk is about one of `TOPICS` subjects with
words of its own, and holds a made name, an identifier and numbers, as a team's documents do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from mmrag.ports import Embedder, Vectors

VERSION = 1  # grows whenever a number gives another text or vector: files of vectors bear it
SEED = 20_261_125
BLOCK = 200  # chunks that one random generator makes
TOPICS = 500

_SENTENCES = 7  # a chunk of about 140 word pieces
_WORDS = (11, 21)  # of a sentence: at least, and fewer than
_QUESTION_WORDS = 8
_FUNCTION_WORDS = 90  # the head of the vocabulary holds a sentence together
_TOPIC_WORDS = 120
_NEAR = 8  # a derived vector lies between a real one and one of its nearest


@dataclass(frozen=True, slots=True)
class Made:
    """A chunk, a question that it answers, and the subject of both."""

    text: str
    question: str
    topic: int


class Corpus:
    """Chunk `i` for every i >= 0, in the words of `tokenizer`'s vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        by_frequency = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        english = [word for word, _ in by_frequency if word.isascii() and word.isalpha() and len(word) > 1]
        content = [word for word in english[_FUNCTION_WORDS:] if len(word) > 3]
        self._vocabulary = english[:_FUNCTION_WORDS] + content
        self._content = np.arange(_FUNCTION_WORDS, len(self._vocabulary))
        random = np.random.default_rng(SEED)
        rarer = self._content[300:]  # a subject's own words are none of the commonest
        self._topics = random.choice(rarer, size=(TOPICS, _TOPIC_WORDS))

    def chunks(self, start: int, stop: int) -> Iterator[Made]:
        """Chunks `start` up to, and without, `stop`."""
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            first = block * BLOCK
            yield from self._block(block)[max(start - first, 0) : stop - first]

    def _block(self, block: int) -> list[Made]:
        random = np.random.default_rng((SEED, block))
        topics = random.integers(TOPICS, size=BLOCK)
        lengths = random.integers(*_WORDS, size=(BLOCK, _SENTENCES))
        shape = (BLOCK, _SENTENCES, _WORDS[1] - 1)
        places = random.choice(_TOPIC_WORDS, size=shape, p=_zipf(_TOPIC_WORDS))
        share = random.random(shape)
        words = np.select(
            [share < 0.45, share < 0.7],
            [
                random.choice(_FUNCTION_WORDS, size=shape, p=_zipf(_FUNCTION_WORDS)),
                random.choice(self._content, size=shape, p=_zipf(len(self._content))),
            ],
            self._topics[topics[:, None, None], places],
        )
        names = random.choice(self._content[200:6000], size=(BLOCK, 2))
        numbers = random.integers(100, 100_000, size=(BLOCK, 3))
        asked = random.integers(_SENTENCES, size=BLOCK)
        return [
            self._made(
                topic=int(topics[i]),
                words=words[i],
                lengths=lengths[i],
                name=names[i],
                numbers=numbers[i],
                asked=int(asked[i]),
            )
            for i in range(BLOCK)
        ]

    def _made(
        self,
        *,
        topic: int,
        words: NDArray[np.int64],
        lengths: NDArray[np.int64],
        name: NDArray[np.int64],
        numbers: NDArray[np.int64],
        asked: int,
    ) -> Made:
        vocabulary = self._vocabulary
        made_name = " ".join(vocabulary[word].capitalize() for word in name.tolist())
        code, amount, year = numbers.tolist()
        picked = words.tolist()
        sentences = []
        for row, length in zip(picked, lengths.tolist(), strict=True):
            sentence = " ".join(vocabulary[word] for word in row[:length])
            sentences.append(sentence[0].upper() + sentence[1:])
        sentences[0] = f"{made_name}: {sentences[0]}"
        sentences[2] += f" ({made_name[:2].upper()}-{code})"
        sentences[4] += f", {amount} in {1900 + year % 130}"
        of_sentence = dict.fromkeys(word for word in picked[asked] if word >= _FUNCTION_WORDS)
        about = " ".join(vocabulary[word] for word in list(of_sentence)[:_QUESTION_WORDS])
        return Made(". ".join(sentences) + ".", f"What does {made_name} say about {about}?", topic)


class Space:
    """Vectors of the chunks of a corpus and of their questions.

    The first `pool` of them come from the model. To embed all would take an hour per 100,000 on
    two cores; the others are derived from the pool so that they lie as real ones do:

        v = normalise(p + a (q - p) + 0.6 (u - w)),   a uniform in [0, 1)

    with p a pool vector of the same subject, q one of the nearest to p in the pool, and u - w the
    difference between two such neighbours elsewhere: noise with the spectrum of real differences,
    which is far from that of white noise. A derived question is displaced from its chunk as p's
    own question is from p.
    """

    def __init__(self, corpus: Corpus, chunks: Vectors, questions: Vectors) -> None:
        self.corpus = corpus
        self._chunks, self._questions = chunks, questions
        self.pool, self.dimension = chunks.shape
        topics = np.array([made.topic for made in corpus.chunks(0, self.pool)])
        self._by_topic = np.argsort(topics, kind="stable")
        self._topic_starts = np.searchsorted(topics[self._by_topic], np.arange(TOPICS + 1))
        cosines = chunks @ chunks.T
        np.fill_diagonal(cosines, -1)
        self._near = np.argpartition(-cosines, _NEAR, axis=1)[:, :_NEAR]

    @classmethod
    def load(cls, corpus: Corpus, embedder: Embedder, *, pool: int, folder: Path) -> Space:
        """The space with a pool of this many chunks, from `folder` or embedded and kept there."""
        model = "".join(c if c.isalnum() else "-" for c in embedder.name)
        path = folder / f"vectors-{VERSION}-{model}-{pool}.npy"
        if not path.exists():
            made = list(corpus.chunks(0, pool))
            chunks = embedder.embed_documents([chunk.text for chunk in made])
            questions = embedder.embed_queries([chunk.question for chunk in made])
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part.npy")
            np.save(unfinished, np.stack([chunks, questions]))
            unfinished.replace(path)
        chunks, questions = np.load(path)
        return cls(corpus, chunks, questions)

    def vectors(self, start: int, stop: int) -> tuple[Vectors, Vectors]:
        """(chunks, questions) of numbers `start` to `stop`, each (stop - start, dimension)."""
        first = start // BLOCK
        blocks = [self._block(block) for block in range(first, -(-stop // BLOCK))]
        chunks, questions = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        rows = slice(start - first * BLOCK, stop - first * BLOCK)
        return chunks[rows], questions[rows]

    def _block(self, block: int) -> tuple[Vectors, Vectors]:
        first = block * BLOCK
        real_chunks = self._chunks[first : first + BLOCK]
        real_questions = self._questions[first : first + BLOCK]
        if len(real_chunks) == BLOCK:
            return real_chunks, real_questions
        chunks, questions = self._derived(block)
        chunks[: len(real_chunks)], questions[: len(real_chunks)] = real_chunks, real_questions
        return chunks, questions

    def _derived(self, block: int) -> tuple[Vectors, Vectors]:
        first = block * BLOCK
        random = np.random.default_rng((SEED, block, 1))
        topics = np.array([made.topic for made in self.corpus.chunks(first, first + BLOCK)])
        p = self._of_topics(topics, random)
        q = self._near[p, random.integers(_NEAR, size=BLOCK)]
        u = random.integers(self.pool, size=BLOCK)
        w = self._near[u, random.integers(_NEAR, size=BLOCK)]
        a = random.random((BLOCK, 1), dtype=np.float32)
        real = self._chunks
        chunks = _unit(real[p] + a * (real[q] - real[p]) + np.float32(0.6) * (real[u] - real[w]))
        return chunks, _unit(chunks + self._questions[p] - real[p])

    def _of_topics(self, topics: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """A pool row for each topic: one of that topic where there is any."""
        starts, ends = self._topic_starts[topics], self._topic_starts[topics + 1]
        within = starts + (random.random(len(topics)) * (ends - starts)).astype(np.int64)
        anywhere = random.integers(self.pool, size=len(topics))
        rows: NDArray[np.int64] = self._by_topic[np.where(ends > starts, within, anywhere)]
        return rows


def exact(space: Space, questions: Vectors, *, rows: int, k: int, start: int = 0) -> NDArray[np.int64]:
    """Numbers of the k chunks nearest to each question among `rows` from `start`: (questions, k).

    Reads the chunks in parts: a million vectors are never held at once.
    """
    best = np.full((len(questions), k), -np.inf, dtype=np.float32)
    found = np.full((len(questions), k), -1)
    for first in range(start, start + rows, 50 * BLOCK):
        chunks, _ = space.vectors(first, min(first + 50 * BLOCK, start + rows))
        cosines = np.concatenate([best, questions @ chunks.T], axis=1)
        numbers = np.broadcast_to(np.arange(first, first + len(chunks)), (len(questions), len(chunks)))
        numbers = np.concatenate([found, numbers], axis=1)
        top = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        best, found = np.take_along_axis(cosines, top, 1), np.take_along_axis(numbers, top, 1)
    return found


def recall_at(found: Sequence[Sequence[int]], nearest: Sequence[Sequence[int]]) -> float:
    """The share of the exact nearest that was found."""
    kept = sum(len(set(one) & set(true)) for one, true in zip(found, nearest, strict=True))
    return kept / sum(map(len, nearest))


def _zipf(n: int) -> NDArray[np.float64]:
    odds = 1 / (np.arange(n) + 2.7)  # Zipf-Mandelbrot: rank r has the odds 1 / (r + 2.7)
    scaled: NDArray[np.float64] = odds / odds.sum()
    return scaled


def _unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
