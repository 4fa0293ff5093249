"""What can be set for a place, by those who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.conversation.events import Notice
from bots.conversation.rights import check_may_share
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from bots.conversation.desk import Desk
    from bots.conversation.events import Chat, Command, Ending

# The first value holds where nothing is set; for follow-ups what the workspace says.
PLACE_SETTINGS = {
    "follow-ups": ("on", "off"),
    "ephemeral": ("off", "on"),
    "workspace-documents": ("off", "on"),
    "threads": ("on", "off"),
    "forum-posts": ("off", "on"),
}
_MEANING = {
    "follow-ups": "answer in threads that I take part in without a new mention",
    "ephemeral": "show an answer to the person who asked only",
    "workspace-documents": "use everyone's documents although people from elsewhere look on",
    "threads": "answer in a thread made from the question, not beside it",
    "forum-posts": "answer new posts of this forum without a mention",
}


async def show_settings(command: Command, chat: Chat, desk: Desk) -> Ending:
    """What is set here."""
    if desk.records is None:
        raise InvalidInput("There is nothing to set here.")
    lines = []
    for name in desk.place_settings:
        value = await desk.records.setting(command.place, name, PLACE_SETTINGS[name][0])
        lines.append(f"{name} {value} – {_MEANING[name]}")
    await chat.post_notice(
        Notice("Set for this place; change it by /kb set NAME on|off:", tuple(lines), mood="hint")
    )
    return "done"


async def change_setting(words: list[str], command: Command, chat: Chat, desk: Desk) -> Ending:
    """`/kb set NAME on|off`."""
    if desk.records is None:
        raise InvalidInput("There is nothing to set here.")
    name, value = (*words, "", "")[:2]
    if name not in desk.place_settings or value not in PLACE_SETTINGS[name]:
        raise InvalidInput(f"/kb set takes one of {', '.join(desk.place_settings)}, and on or off.")
    check_may_share(desk, admin=command.admin)
    await desk.records.set(command.place, name, value)
    await chat.post_notice(Notice(f"{name} is {value} here from now on."))
    return "done"
