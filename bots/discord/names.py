"""What things in Discord are called in the inbox and the records, and the links to them."""

from __future__ import annotations

import re

from mmrag.errors import NotReadable

DIRECT = "dm"
_MESSAGE = re.compile(
    r"https://(?:(?:ptb|canary)\.)?discord(?:app)?\.com/channels/(\d+|@me)(?:/(\d+)(?:/(\d+))?)?/?(?:[?#].*)?",
    re.ASCII,
)


def message_key(message: str) -> str:
    """A message, and the thread that was or can be made from it: Discord gives both the same id."""
    return f"discord:{message}"


def workspace_key(guild: str | None, channel: str) -> str:
    """A guild's collection and its settings; a direct conversation has its own."""
    return f"discord-{guild}" if guild else f"discord-{DIRECT}:{channel}"


def place_key(guild: str | None, channel: str) -> str:
    """A channel's settings."""
    return f"discord:{guild or DIRECT}:{channel}"


def message_link(guild: str | None, channel: str, message: str) -> str:
    """The address that opens a message for those who may see it."""
    return f"https://discord.com/channels/{guild or '@me'}/{channel}/{message}"


def linked_message(link: str) -> tuple[str | None, str, str] | None:
    """(guild, channel, message) that such an address opens; None where it is another's.

    Raises NotReadable where it opens a whole channel.
    """
    found = _MESSAGE.fullmatch(link)
    if found is None:
        return None
    if found[3] is None:
        raise NotReadable("This link opens a channel: take Copy Message Link in a message's menu.")
    guild, channel, message = found.groups()
    return None if guild == "@me" else guild, channel, message
