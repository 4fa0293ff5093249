"""Rows of JSON Lines files that people write: each fault names its file and line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmrag.errors import InvalidInput
from mmrag.types import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands, object) of each line that is not blank."""
    for number, line in enumerate(lines(path), start=1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as fault:
            raise InvalidInput(f"{where}: this is no JSON ({fault}).") from None
        if not isinstance(row, dict):
            raise InvalidInput(f'{where}: a row is a JSON object such as {{"_id": "1", "text": "..."}}.')
        yield where, row


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file. Raises InvalidInput."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except OSError as error:
        raise InvalidInput(f"{path} could not be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text: save it as UTF-8.") from None


def text(row: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    """A field that is a text, or `default` where there is none. Raises InvalidInput."""
    value = row.get(name)
    value = default if value is None else value
    if isinstance(value, int) and name == "_id":
        value = str(value)
    if not isinstance(value, str) or (name == "_id" and not value):
        raise InvalidInput(f"{where}: {name!r} must be a text.")
    return value


def history(row: Mapping[str, Any], where: str) -> tuple[Turn, ...]:
    """The thread before a question. Raises InvalidInput."""
    try:
        turns = tuple(Turn(turn["role"], turn["text"]) for turn in row.get("history") or ())
    except (TypeError, KeyError):
        turns = None
    if turns is None or any(
        turn.role not in {"user", "assistant"} or not isinstance(turn.text, str) for turn in turns
    ):
        raise InvalidInput(
            f'{where}: \'history\' is a list of {{"role", "text"}}, with the roles user and assistant.'
        )
    return turns


def beside(path: Path, name: object, where: str) -> Path:
    """A file that a row names, beside the rows' own. Raises InvalidInput."""
    file = path.parent / str(name)
    if not file.is_file():
        raise InvalidInput(f"{where}: {name} is not beside {path.name}.")
    return file


def image(row: Mapping[str, Any], path: Path, where: str) -> Path | None:
    """The file that "image" names, if it names one. Raises InvalidInput."""
    return None if row.get("image") is None else beside(path, text(row, "image", where), where)
