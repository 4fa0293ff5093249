"""What the workspace holds: teams, people, channels, messages, files, views, and the one app.

Plain data with the rules that belong to it (who is where, who may see what). Knows no HTTP.
"""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field

BOT_SCOPES = frozenset(
    """app_mentions:read channels:history channels:join channels:read chat:write commands files:read
    files:write groups:history groups:read im:history im:read im:write mpim:history mpim:read reactions:read
    reactions:write team:read users:read assistant:write""".split()
)
BOT_EVENTS = frozenset(
    """app_home_opened app_mention message.channels message.groups message.im message.mpim reaction_added
    reaction_removed member_joined_channel member_left_channel app_uninstalled tokens_revoked
    assistant_thread_started file_deleted channel_shared channel_unshared""".split()
)
MESSAGE_EVENT = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}
SCOPE_OF_TYPE = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


class SlackError(Exception):
    """A request that Slack refuses: `{"ok": false, "error": code, ...}`."""

    def __init__(self, code, **more):
        super().__init__(code)
        self.code = code
        self.more = more


class Clock:
    """The time that the server goes by; tests move it on instead of waiting."""

    def __init__(self):
        self._ahead = 0.0
        self._last = 0

    def now(self):
        """Seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds):
        self._ahead += seconds

    def ts(self):
        """The next message timestamp: unique, and later than all before it."""
        self._last = max(self._last + 1, int(self.now() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06}"


@dataclass
class Team:
    id: str
    name: str
    domain: str


@dataclass
class User:
    id: str
    name: str
    team: str
    is_bot: bool = False
    is_admin: bool = False
    is_owner: bool = False
    deleted: bool = False
    is_restricted: bool = False  # a guest
    notices: list[str] = field(default_factory=list)  # what Slack itself tells them: "/ask failed ..."
    modals: list[str] = field(default_factory=list)  # ids of the open ones, the top last
    home: str | None = None  # id of the view
    statuses: list[tuple[str, str, str]] = field(default_factory=list)  # (channel, thread, status)

    def as_json(self, *, with_email):
        profile = {
            "real_name": self.name.capitalize(),
            "display_name": self.name,
            "real_name_normalized": self.name.capitalize(),
            "display_name_normalized": self.name,
            "team": self.team,
        }
        if with_email and not self.is_bot:
            profile["email"] = f"{self.name}@example.com"
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.name.capitalize(),
            "tz": "Europe/Berlin",
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": self.is_owner,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
        }


@dataclass
class Channel:
    """`type` is what events call it: channel (public), group (private), im or mpim."""

    id: str
    name: str
    type: str
    team: str
    members: set[str] = field(default_factory=set)
    connected_teams: tuple[str, ...] = ()  # of other organisations (Slack Connect)
    archived: bool = False
    read_only: bool = False
    messages: dict[str, Message] = field(default_factory=dict)  # by ts, in order
    ephemeral: list[Message] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)  # of assistant threads, by their ts
    prompts: dict[str, list[dict]] = field(default_factory=dict)

    @property
    def is_shared_outside(self):
        return bool(self.connected_teams)

    def as_json(self, *, for_user, created):
        common = {
            "id": self.id,
            "created": created,
            "is_archived": self.archived,
            "is_im": self.type == "im",
            "is_org_shared": False,
            "context_team_id": self.team,
            "updated": created * 1000,
        }
        if self.type == "im":
            (other,) = self.members - {for_user} or {for_user}
            return common | {"user": other, "is_user_deleted": False, "priority": 0}
        return common | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.type == "channel",
            "is_group": self.type == "group",
            "is_mpim": self.type == "mpim",
            "is_private": self.type != "channel",
            "is_general": self.name == "general",
            "is_shared": self.is_shared_outside,
            "is_ext_shared": self.is_shared_outside,
            "is_pending_ext_shared": False,
            "is_member": for_user in self.members,
            "creator": "U0CREATOR0",
            "unlinked": 0,
            "shared_team_ids": [self.team, *self.connected_teams],
            "connected_team_ids": list(self.connected_teams),
            "pending_shared": [],
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
            "num_members": len(self.members),
        }

    def replies_to(self, ts):
        return [message for message in self.messages.values() if message.thread_ts == ts and message.ts != ts]


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    text: str
    team: str
    thread_ts: str | None = None
    blocks: list[dict] = field(default_factory=list)
    attachments: list[dict] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    metadata: dict | None = None
    bot_id: str | None = None
    app_id: str | None = None
    subtype: str | None = None
    edited: dict | None = None
    client_msg_id: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    ephemeral_to: str | None = None
    stream: Stream | None = None
    broadcast: bool = False
    unfurls: tuple[bool, bool] = (True, True)  # links, media
    past: list[tuple[str, list[dict]]] = field(default_factory=list)  # texts and blocks before each change

    @property
    def is_reply(self):
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class Stream:
    """A message that is being streamed. `recipient` is who watches it, None in a DM."""

    begun: float
    recipient: str | None
    state: str = "in_progress"  # completed, errored (it took too long), or stopped_by_user
    appended: list[str] = field(default_factory=list)  # Markdown, call by call
    tasks: dict[str, dict] = field(default_factory=dict)
    blocks: list[dict] = field(default_factory=list)

    @property
    def markdown(self):
        return "".join(self.appended)


@dataclass
class File:
    id: str
    name: str
    data: bytes
    mimetype: str
    user: str
    team: str
    created: int
    title: str = ""
    alt_text: str = ""
    channels: set[str] = field(default_factory=set)
    shares: dict[str, list[str]] = field(default_factory=dict)  # ts by channel
    deleted: bool = False
    from_outside: bool = False  # Slack Connect: events say `check_file_info`
    sign_in_page: bool = False  # a download answers 200 and a page, as without the scope
    redirect: str | None = None  # a download is sent on to this address
    external_url: str | None = None  # kept elsewhere, such as in Google Drive: Slack names this address
    cut_after: int | None = None  # a download breaks off after so many bytes
    taken_in_at: float = 0.0  # until Slack has looked at what was sent up, it has no kind


@dataclass
class View:
    id: str
    team: str
    user: str
    data: dict  # as the app gave it
    hash: str
    root: str
    previous: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    state: dict[str, dict[str, dict]] = field(default_factory=dict)


@dataclass
class Token:
    value: str
    kind: str  # bot, user or app
    team: str | None
    user: str | None
    scopes: frozenset[str]
    revoked: bool = False
    ends: float | None = None  # of the app's clock: a token that rotates expires


@dataclass
class Installation:
    """The app in a workspace."""

    team: str
    bot_user: str
    bot_id: str
    token: str


@dataclass
class App:
    id: str = "A0MMRAG000"
    name: str = "mmrag"
    client_id: str = "1111111111.2222222222"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    verification_token: str = field(default_factory=lambda: secrets.token_hex(12))
    events: frozenset[str] = BOT_EVENTS
    scopes: frozenset[str] = BOT_SCOPES
    redirect_uris: tuple[str, ...] = ()
    token_seconds: int | None = None  # how long a token lives, where they rotate


class World:
    """Everything that is there, by id."""

    def __init__(self, clock):
        self.clock = clock
        self.app = App()
        self.teams = {}
        self.users = {}
        self.channels = {}
        self.files = {}
        self.views = {}
        self.tokens = {}
        self.installations = {}  # by team
        self.refresh_tokens = {}  # the team of each; good once
        self._numbers = itertools.count(1)

    def new_id(self, prefix):
        """An id as Slack writes them: a letter that says what it is of, and ten more."""
        return f"{prefix}0{next(self._numbers):09}"

    # ---------------------------------------------------------- making things

    def add_team(self, name):
        team = Team(self.new_id("T"), name.capitalize(), name.lower())
        self.teams[team.id] = team
        return team

    def add_user(self, name, team, **more):
        user = User(self.new_id("U"), name, team, **more)
        self.users[user.id] = user
        return user

    def add_channel(self, name, team, *, type="channel", members=(), **more):  # noqa: A002 - Slack's word
        prefix = {"channel": "C", "group": "C", "im": "D", "mpim": "G"}[type]
        channel = Channel(self.new_id(prefix), name, type, team, set(members), **more)
        self.channels[channel.id] = channel
        return channel

    def install(self, team, *, scopes=None):
        """Put the app into a workspace: a bot user, a bot token."""
        bot = self.add_user(self.app.name, team, is_bot=True)
        self.installations[team] = Installation(team, bot.id, self.new_id("B"), "")
        self.new_bot_token(team, scopes=self.app.scopes if scopes is None else scopes)
        return self.installations[team]

    def new_bot_token(self, team, *, scopes):
        """Another token for an installation; earlier ones are good until they end."""
        installation = self.installations[team]
        token = self.add_token("bot", team=team, user=installation.bot_user, scopes=scopes)
        if self.app.token_seconds is not None:
            del self.tokens[token.value]
            token.value, token.ends = f"xoxe.{token.value}", self.clock.now() + self.app.token_seconds
            self.tokens[token.value] = token
        installation.token = token.value
        return token

    def new_refresh_token(self, team):
        token = f"xoxe-1-{secrets.token_hex(18)}"
        self.refresh_tokens[token] = team
        return token

    def uninstall(self, team):
        """Take the app out of a workspace: its tokens are worth nothing from now on."""
        installation = self.installations.pop(team)
        for token in self.tokens.values():
            token.revoked = token.revoked or (token.kind == "bot" and token.team == team)
        self.refresh_tokens = {value: held for value, held in self.refresh_tokens.items() if held != team}
        for channel in self.channels.values():
            channel.members.discard(installation.bot_user)

    def add_token(self, kind, *, team=None, user=None, scopes=frozenset()):
        prefix = {"bot": "xoxb", "user": "xoxp", "app": "xapp"}[kind]
        token = Token(f"{prefix}-{secrets.token_hex(18)}", kind, team, user, frozenset(scopes))
        self.tokens[token.value] = token
        return token

    def add_file(self, name, data, mimetype, user, **more):
        file = File(
            self.new_id("F"), name, data, mimetype, user, self.users[user].team, int(self.clock.now()), **more
        )
        self.files[file.id] = file
        return file

    # ------------------------------------------------------------ finding them

    def direct_channel(self, first, second):
        """The DM of two users, made if there is none yet."""
        for channel in self.channels.values():
            if channel.type == "im" and channel.members == {first, second}:
                return channel
        return self.add_channel("", self.users[first].team, type="im", members={first, second})

    def channel_for(self, token, channel_id):
        """The channel, if the token's owner may know of it. Raises channel_not_found."""
        channel = self.channels.get(channel_id)
        visible = channel is not None and (channel.type == "channel" or token.user in channel.members)
        if not visible or token.team not in (channel.team, *channel.connected_teams):
            raise SlackError("channel_not_found")
        return channel

    def message_for(self, channel, ts):
        message = channel.messages.get(ts)
        if message is None:
            raise SlackError("message_not_found")
        return message

    def can_see_file(self, user, file):
        """A file is seen by who sent it and by those who are where it was shared."""
        if file.user == user:
            return True
        shared = [self.channels[channel] for channel in file.channels]
        return any(channel.type == "channel" or user in channel.members for channel in shared)

    def installation_of(self, channel):
        """The app's installation that hears what happens in the channel, or None."""
        for team in (channel.team, *channel.connected_teams):
            installation = self.installations.get(team)
            if installation is not None and installation.bot_user in channel.members:
                return installation
        return None

    def permalink(self, channel, ts, thread_ts=None):
        domain = self.teams[channel.team].domain
        link = f"https://{domain}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
        return f"{link}?thread_ts={thread_ts}&cid={channel.id}" if thread_ts and thread_ts != ts else link
