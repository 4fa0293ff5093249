"""The console adapter: a conversation in the terminal.

`session` says what a typed line means, `chat` is the way back with the thread it remembers,
`screen` is how it looks.
"""

from bots.console.screen import Screen
from bots.console.session import Session, read_script, run

__all__ = ["Screen", "Session", "read_script", "run"]
