"""Line editing at the prompt: history of this session, completion of commands and paths.

By Python's readline where the platform has it. Nothing of what is typed is written to disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TAKES_PATHS = ("/attach ", "/kb add ")


def enable(commands: Iterable[str]) -> bool:
    """Switch it on for `input`; False where there is no readline."""
    try:
        import readline  # noqa: PLC0415 - Windows has none, and importing it changes `input`
    except ImportError:
        return False
    names = tuple(commands)

    def complete(_: str, state: int) -> str | None:
        candidates = completions(readline.get_line_buffer()[: readline.get_endidx()], names)
        return candidates[state] if state < len(candidates) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    return True


def completions(line: str, commands: Iterable[str]) -> list[str]:
    """What the last word of a line may become."""
    if " " not in line:
        return [f"{command} " for command in commands if line and command.startswith(line)]
    if line.startswith(TAKES_PATHS):
        return sorted(_paths(line.rsplit(" ", 1)[1]))
    return []


def _paths(start: str) -> Iterator[str]:
    """Paths without blanks in them: a word ends at a blank."""
    folder, _, name = start.rpartition("/")
    base = Path(f"{folder}/" if "/" in start else ".").expanduser()
    try:
        children = list(base.iterdir())
    except OSError:
        return
    for child in children:
        hidden = child.name.startswith(".") and not name
        if child.name.startswith(name) and " " not in child.name and not hidden:
            yield start.removesuffix(name) + child.name + ("/" if child.is_dir() else " ")
