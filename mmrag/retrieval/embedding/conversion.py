"""Converted models on disk: made once by a process of its own, checksummed, disposable.

    FOLDER/current.json       the verdict: which conversion, for what, what was measured, checksums
    FOLDER/conversion-<...>/  the graph, its weights, the tokenizer, the layout of its inputs
    FOLDER/build.lock         held while one process converts

A conversion never changes. What is damaged, or made from other weights, by other versions or on
another processor, is made anew. The conversion runs in a child process: PyTorch with its memory
and its warnings stays out of the process that answers, and a crash there is a reason, not an end.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrag.errors import StoreUnavailable
from mmrag.retrieval import disk

if TYPE_CHECKING:
    from mmrag.retrieval.embedding.model import ModelFolder

FORMAT = 1  # grows whenever older conversions must be made anew

_VERDICT = "current.json"
_PREFIX = "conversion-"
_LIBRARIES = ("openvino", "sentence-transformers", "tokenizers", "torch", "transformers")
_TIME_LIMIT = 1800  # seconds; a large model takes a few minutes
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to run the model: its lowest cosine to fp32 PyTorch on the probes, and its speed."""

    way: str  # "torch f32", "openvino f32", "openvino bf16"
    cosine: float
    texts_per_second: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A conversion, what it was made for, and what was measured with it. `failure` is empty or a reason."""

    format: int
    made_for: dict[str, str]
    folder: str
    files: dict[str, str]  # paths to sha256
    measured: tuple[Measured, ...]
    failure: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """A verdict whose files were verified, and where they lie."""

    verdict: Verdict
    folder: Path


def conversion_of(model: ModelFolder, folder: Path, *, threads: int) -> Conversion:
    """The conversion of a model, made now if there is none to trust. Raises StoreUnavailable.

    One process converts, others wait for it.
    """
    from filelock import FileLock  # noqa: PLC0415 - an engine dependency, absent in a light install

    made_for = _made_for(model)
    found = _published(folder, made_for)
    if found is not None:
        return found
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # the data folder is for its owner only
        with FileLock(folder / "build.lock"):
            return _published(folder, made_for) or _convert(model, folder, made_for, threads=threads)
    except OSError as error:
        raise StoreUnavailable(
            f"The converted embedding model cannot be kept in {folder} ({error.strerror})."
        ) from error


def _published(folder: Path, made_for: dict[str, str]) -> Conversion | None:
    """The published conversion if it is for this model, these versions and this machine, and undamaged."""
    while (verdict := _read(folder)) is not None and verdict.made_for == made_for:
        conversion = folder / verdict.folder
        try:
            intact = all(
                disk.sha256(conversion / path) == expected for path, expected in verdict.files.items()
            )
        except OSError:
            intact = False
        if intact:
            return Conversion(verdict, conversion)
        if _read(folder) == verdict:  # else another process published a newer one and deleted this one
            _log.warning("the converted embedding model is damaged: it is converted anew")
            return None
    return None


def _convert(model: ModelFolder, folder: Path, made_for: dict[str, str], *, threads: int) -> Conversion:
    """Call with the lock held. Raises OSError, StoreUnavailable."""
    _delete_conversions(folder)  # leftovers of processes that were killed, and what is stale
    name = _PREFIX + secrets.token_hex(8)
    new = folder / name
    new.mkdir()
    try:
        report = _run_converter(model, new, threads=threads)
        verdict = Verdict(
            format=FORMAT,
            made_for=made_for,
            folder=name,
            files={path.name: disk.sha256(path) for path in sorted(new.iterdir())},
            measured=tuple(Measured(**each) for each in report["measured"]),
            failure=report["failure"],
        )
        _publish(folder, verdict)
    except BaseException:
        disk.delete(new)
        raise
    return Conversion(verdict, new)


def _run_converter(model: ModelFolder, new: Path, *, threads: int) -> dict[str, Any]:
    package_root = str(Path(__file__).parents[3])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(  # noqa: S603 - this Python, on a module of ours
            [
                sys.executable,
                "-m",
                "mmrag.retrieval.embedding.convert",
                *(model.reference, str(model.folder), str(new), str(threads)),
            ],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise StoreUnavailable(
            f"The embedding model could not be converted within {_TIME_LIMIT // 60} minutes."
        ) from None
    try:
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        _log.debug("the conversion said: %s", done.stderr)
        raise StoreUnavailable(
            f"The embedding model could not be converted: that process ended with code {done.returncode}."
        ) from None
    return report


def _made_for(model: ModelFolder) -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"model": model.fingerprint, "processor": _processor(), **versions}


@cache
def _processor() -> str:
    """Model and abilities of the processor: what decides on the fastest precision."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    kept = "\n".join(line for line in lines.splitlines() if line.startswith(wanted))
    return hashlib.sha256(kept.encode()).hexdigest()


def _read(folder: Path) -> Verdict | None:
    fields = disk.published(folder / _VERDICT)
    if fields is None or fields["format"] != FORMAT:
        return None
    return Verdict(**fields | {"measured": tuple(Measured(**each) for each in fields["measured"])})


def _publish(folder: Path, verdict: Verdict) -> None:
    """By one rename; the files of the conversion first, so that no verdict outlives them."""
    for path in (folder / verdict.folder).iterdir():
        disk.fsync(path)
    disk.fsync(folder / verdict.folder)
    disk.publish(folder / _VERDICT, asdict(verdict))


def _delete_conversions(folder: Path) -> None:
    """What another process has open stays readable there."""
    for path in folder.glob(f"{_PREFIX}*"):
        disk.delete(path)
