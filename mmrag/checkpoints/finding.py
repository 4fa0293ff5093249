"""Finding a model's files: a folder, or a name in the hub's cache, or downloaded once at a pinned revision.

Only safetensors is read and no code of a checkpoint's own is run. It knows no torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrag.errors import InvalidSettings

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BLIP2 = frozenset({"blip-2", "instructblip"})
_DECODED = frozenset({"opt", "t5"})
_TOKENIZER_FILES = ("tokenizer.json", "added_tokens.json", "tokenizer_config.json")
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_HEAD = 1 << 20  # bytes of each weights file that are hashed: reading gigabytes at each start takes too long


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files. `identity` changes with what decides on its answers."""

    name: str
    folder: Path
    identity: str
    config: dict[str, Any]

    @property
    def model_type(self) -> str:
        """What transformers calls the architecture: "blip-2", "idefics3", ..."""
        return str(self.config.get("model_type", ""))

    @property
    def kind(self) -> str:
        """The architecture and that of its language model, for people."""
        return " over ".join(part for part in (self.model_type, self.language_model_type) if part) or "none"

    @property
    def suits_decode_loop(self) -> bool:
        """Whether our own decode loop can run it; transformers' `generate` runs the others."""
        return self.model_type in _BLIP2 and self.language_model_type in _DECODED

    def has_token(self, token: str) -> bool:
        """Whether its tokenizer knows this token, by the tokenizer's files."""
        quoted = json.dumps(token).encode()
        files = [self.folder / name for name in _TOKENIZER_FILES]
        return any(quoted in file.read_bytes() for file in files if file.is_file())

    @property
    def language_model_type(self) -> str:
        """The architecture of its language model, where it is a part of its own: "opt", "t5", ..."""
        return str((self.config.get("text_config") or {}).get("model_type", ""))


def find_checkpoint(name: str, *, revision: str = "", revision_setting: str = "") -> Checkpoint:
    """The checkpoint of a folder or hub name; what is missing is downloaded, with progress on standard error.

    A download that was interrupted goes on where it stopped. `revision_setting` is where a person would
    pin the revision. Raises InvalidSettings where there is none, or none that can be loaded safely.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name, revision, revision_setting)
    config = _config(name, folder)
    if "auto_map" in config:
        raise _unusable(name, "it brings code of its own, which is not run")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise _unusable(name, "it has no *.safetensors, and other kinds of weights can hold code")
    return Checkpoint(name, folder, f"{Path(name).name}@{_digest(folder, weights)}", config)


def _from_hub(name: str, revision: str, revision_setting: str) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where a name is no folder
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415 - as above

    wanted = revision or None
    try:
        return Path(snapshot_download(name, revision=wanted, local_files_only=True, allow_patterns=_FILES))
    except HFValidationError as error:
        raise _unusable(name, "it is no folder, and no name of the hub either") from error
    except LocalEntryNotFoundError:
        pass
    if not _COMMIT.fullmatch(revision):
        raise _unusable(
            name,
            "it is no folder and not in the local cache; to download it, pin what you have checked: "
            f"set {revision_setting} to the 40 digits of its commit",
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except Exception as error:
        raise _unusable(
            name,
            f"it is not in the local cache and could not be downloaded ({type(error).__name__}): go online "
            "once, or copy its folder here and name that; what was downloaded already is kept",
        ) from error


def _config(name: str, folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unusable(name, "it has no config.json") from None
    except ValueError:
        raise _unusable(name, "its config.json is damaged") from None
    if not isinstance(config, dict):
        raise _unusable(name, "its config.json is damaged")
    return config


def _digest(folder: Path, weights: list[Path]) -> str:
    """Of all small files, and of the weights' headers, sizes and first megabyte."""
    digest = hashlib.sha256()
    small = sorted(path for path in folder.iterdir() if path.suffix in {".json", ".txt", ".model", ".jinja"})
    for path in [*small, *weights]:
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_HEAD) if path in weights else file.read())
    return digest.hexdigest()[:12]


def _unusable(name: str, why: str) -> InvalidSettings:
    return InvalidSettings(f"The model {name!r} cannot be used: {why}.")
