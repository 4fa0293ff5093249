"""What can be set for a place, by those who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.conversation.events import Notice
from bots.conversation.rights import check_may_share
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.conversation.desk import Desk, Records
    from bots.conversation.events import Chat, Command, Ending

# The first value holds where nothing is set; for follow-ups what the workspace says.
PLACE_SETTINGS = {
    "follow-ups": ("on", "off"),
    "ephemeral": ("off", "on"),
    "workspace-documents": ("off", "on"),
    "threads": ("on", "off"),
    "forum-posts": ("off", "on"),
}
OF_WORKSPACE = ("follow-ups",)
MEANING = {
    "follow-ups": "answer in threads that I take part in without a new mention",
    "ephemeral": "show an answer to the person who asked only",
    "workspace-documents": "use everyone's documents although people from elsewhere look on",
    "threads": "answer in a thread made from the question, not beside it",
    "forum-posts": "answer new posts of this forum without a mention",
}


async def settings_of(records: Records, place: str, workspace: str, names: Sequence[str]) -> dict[str, str]:
    """What holds in a place: what was set for it, or for follow-ups in its workspace, or the first value."""
    found = {}
    for name in names:
        default = PLACE_SETTINGS[name][0]
        if name in OF_WORKSPACE:
            default = await records.setting(workspace, name, default)
        found[name] = await records.setting(place, name, default)
    return found


async def show_settings(command: Command, chat: Chat, desk: Desk) -> Ending:
    """What is set here."""
    if desk.records is None:
        raise InvalidInput("There is nothing to set here.")
    settings = await settings_of(desk.records, command.place, command.workspace, desk.place_settings)
    lines = [f"{name} {value} – {MEANING[name]}" for name, value in settings.items()]
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
