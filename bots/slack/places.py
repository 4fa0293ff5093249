"""Where something happens and who acts, by Slack's own word: channels, people, admins."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bots.conversation import Audience, Place, audience_of
from bots.handlers import Person
from bots.outcomes import RefusedError, UnsureError
from bots.slack.intake import message_key, workspace_key
from mmrag.text.display import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from bots.conversation import PlaceKind
    from bots.records import DiskRecords
    from bots.slack.web import SlackWeb, Workspaces

Json = dict[str, Any]

ADMINS = "admins"  # the setting of a workspace that names people beside those who are admins already
PEOPLE_KEPT_SECONDS = 300.0
LARGE_KEPT_SECONDS = 60.0
PAGE = 1_000


class Directory:
    """Asks Slack who and where; people are remembered for some minutes, places never.

    Guests see some channels only, so a channel with one in it is not answered from what all others may read.
    """

    def __init__(self, workspaces: Workspaces, records: DiskRecords, *, admins: Iterable[str]) -> None:
        self._workspaces = workspaces
        self._records = records
        self._admins = frozenset(admins)
        self._guests_of: dict[str, tuple[float, frozenset[str]]] = {}
        self._large: dict[tuple[str, str], tuple[float, bool]] = {}
        self._people: dict[tuple[str, str], tuple[float, Person]] = {}

    async def person(self, team: str, user: str) -> Person:
        """Raises nothing: whom Slack does not describe is a guest without rights."""
        person = await self._described_lately(team, user)
        named = (await self._records.setting(workspace_key(team), ADMINS, "")).split()
        return replace(person, admin=True) if user in named and not person.guest else person

    async def _described_lately(self, team: str, user: str) -> Person:
        known = self._people.get((team, user))
        if known is not None and time.monotonic() - known[0] < PEOPLE_KEPT_SECONDS:
            return known[1]
        try:
            found = await (await self._workspaces.of(team)).read("users.info", user=user)
        except (RefusedError, UnsureError):
            return Person(user, user, admin=user in self._admins, guest=True)
        person = self._described(team, user, found["user"])
        if len(self._people) > 10_000:  # noqa: PLR2004 - a bound on memory, no more
            self._people.clear()
        self._people[team, user] = (time.monotonic(), person)
        return person

    def _described(self, team: str, user: str, described: Json) -> Person:
        profile = described.get("profile") or {}
        name = profile.get("display_name") or described.get("real_name") or described.get("name") or user
        elsewhere = described.get("team_id") not in (None, team) or bool(described.get("is_stranger"))
        guest = elsewhere or _is_restricted(described)
        chosen = user in self._admins
        by_slack = not self._admins and bool(described.get("is_admin") or described.get("is_owner"))
        return Person(
            user, shorten(one_line(str(name)), 80), admin=chosen or (by_slack and not guest), guest=guest
        )

    async def audience(self, team: str, channel: str, user: str) -> Audience:
        """Everyone who sees this channel now. Raises RefusedError, UnsureError where Slack does not say."""
        place = await self.place(team, channel, user)
        opened = await self._records.setting(message_key(team, channel, ""), "workspace-documents", "off")
        return audience_of(place, open_to_outsiders=opened == "on")

    async def place(self, team: str, channel: str, user: str) -> Place:
        """A channel as Slack describes it now: it may have become public, or shared, since."""
        found = await (await self._workspaces.of(team)).read("conversations.info", channel=channel)
        described: Json = found["channel"]
        kind = _kind(described)
        outsiders = any(described.get(key) for key in ("is_ext_shared", "is_pending_ext_shared"))
        if not outsiders:
            outsiders = await self._is_guest(team, described.get("user") or user)
        if not outsiders and kind == "group":
            outsiders = await self._has_guests(team, channel)
        elif not outsiders and kind != "direct":
            outsiders = await self._has_one_of(await self._guests(team), team, channel)
        return Place(workspace_key(team), channel, kind, outsiders=outsiders)

    async def _is_guest(self, team: str, user: str) -> bool:
        return (await self.person(team, user)).guest

    async def _has_guests(self, team: str, channel: str) -> bool:
        """A group message is small: everyone in it is looked at."""
        found = await (await self._workspaces.of(team)).read(
            "conversations.members", channel=channel, limit=100
        )
        bot = await self._workspaces.bot_user(team)
        return any([await self._is_guest(team, user) for user in found["members"] if user != bot])

    async def _guests(self, team: str) -> frozenset[str]:
        """All guests of a workspace, most often none; remembered for some minutes."""
        known = self._guests_of.get(team)
        if known is not None and time.monotonic() - known[0] < PEOPLE_KEPT_SECONDS:
            return known[1]
        web = await self._workspaces.of(team)
        guests = frozenset(
            [
                str(user["id"])
                async for page in _pages(web, "users.list", limit=PAGE)
                for user in page["members"]
                if _is_restricted(user) and not user.get("deleted")
            ]
        )
        self._guests_of[team] = (time.monotonic(), guests)
        return guests

    async def _has_one_of(self, people: frozenset[str], team: str, channel: str) -> bool:
        """Whether any of them is in a channel; where it takes several calls, it is remembered for a while."""
        if not people:
            return False
        known = self._large.get((team, channel))
        if known is not None and time.monotonic() - known[0] < LARGE_KEPT_SECONDS:
            return known[1]
        web = await self._workspaces.of(team)
        pages, found = 0, False
        async for page in _pages(web, "conversations.members", channel=channel, limit=PAGE):
            pages += 1
            found = not people.isdisjoint(page["members"])
            if found:
                break
        if pages > 1:
            self._large[team, channel] = (time.monotonic(), found)
        return found


async def _pages(web: SlackWeb, method: str, **arguments: object) -> AsyncIterator[Json]:
    cursor: str | None = None
    while True:
        page = await web.read(method, cursor=cursor, **arguments)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            return


def _is_restricted(described: Json) -> bool:
    """A guest of several channels, or of one."""
    return bool(described.get("is_restricted") or described.get("is_ultra_restricted"))


def _kind(described: Json) -> PlaceKind:
    if described.get("is_im"):
        return "direct"
    if described.get("is_mpim"):
        return "group"
    return "private" if described.get("is_private") else "public"
