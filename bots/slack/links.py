"""Links to what is in Slack: a message, a file. Pure functions over what Slack copies as a link."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmrag.errors import NotReadable

_MESSAGE = re.compile(
    r"https://[\w.-]+\.slack(?:-gov)?\.com/archives/([CDG][A-Z0-9]+)/p(\d{10})(\d{6})(?:[/?#].*)?",
    re.ASCII,
)
_FILE = re.compile(
    r"https://[\w.-]+\.slack(?:-gov)?\.com/files(?:/[A-Z0-9]+/|-(?:pri|tmb)/[A-Z0-9]+-)(F[A-Z0-9]+)(?:[/?#-].*)?",
    re.ASCII,
)
_PLACE = re.compile(r"https://(?:app|[\w.-]+)\.slack(?:-gov)?\.com/(?:archives|client|docs)/.*", re.ASCII)


@dataclass(frozen=True, slots=True)
class MessageLink:
    """A message by its channel and its time there."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file by its id."""

    id: str


def read_link(link: str) -> MessageLink | FileLink | None:
    """What a link leads to in Slack; None where it leads elsewhere.

    Raises NotReadable where it opens something else in Slack: a channel, a canvas.
    """
    if message := _MESSAGE.fullmatch(link):
        return MessageLink(message[1], f"{message[2]}.{message[3]}")
    if file := _FILE.fullmatch(link):
        return FileLink(file[1])
    if _PLACE.fullmatch(link):
        raise NotReadable("This link opens neither a message nor a file: take Copy link in a message's menu.")
    return None
