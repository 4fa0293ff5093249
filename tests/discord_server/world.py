"""What is there: guilds, roles, people, channels, threads, messages, attachments, and the one app.

Plain data with the rules that belong to it. Knows no HTTP.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.discord_server.permissions import EVERYONE, Permission, in_channel, together

EPOCH_MS = 1_420_070_400_000  # Discord's: the first second of 2015
TEXT, DM, CATEGORY, NEWS, FORUM = 0, 1, 4, 5, 15
NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD = 10, 11, 12
CHANNEL_TYPES = {"text": TEXT, "news": NEWS, "forum": FORUM, "category": CATEGORY}

NOTHING = Permission(0)
BOT_PERMISSIONS = together(
    (
        *(Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, Permission.SEND_MESSAGES_IN_THREADS),
        *(Permission.CREATE_PUBLIC_THREADS, Permission.EMBED_LINKS, Permission.ATTACH_FILES),
        *(Permission.READ_MESSAGE_HISTORY, Permission.ADD_REACTIONS),
    )
)


class DiscordError(Exception):
    """A request that Discord refuses: its HTTP status, its code, its sentence."""

    def __init__(self, status, code, message, errors=None):
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def as_json(self):
        more = {"errors": self.errors} if self.errors else {}
        return {"message": self.message, "code": self.code} | more


REFUSALS = {
    "unknown channel": (404, 10003, "Unknown Channel"),
    "unknown guild": (404, 10004, "Unknown Guild"),
    "unknown member": (404, 10007, "Unknown Member"),
    "unknown message": (404, 10008, "Unknown Message"),
    "unknown overwrite": (404, 10009, "Unknown Permission Overwrite"),
    "unknown role": (404, 10011, "Unknown Role"),
    "unknown user": (404, 10013, "Unknown User"),
    "unknown emoji": (400, 10014, "Unknown Emoji"),
    "unknown webhook": (404, 10015, "Unknown Webhook"),
    "unknown interaction": (404, 10062, "Unknown interaction"),
    "unknown command": (404, 10063, "Unknown application command"),
    "too many commands": (400, 30032, "Maximum number of application commands reached (100)"),
    "too many reactions": (400, 30010, "Maximum number of reactions reached (20)"),
    "unauthorized": (401, 0, "401: Unauthorized"),
    "too large": (413, 40005, "Request entity too large"),
    "already acknowledged": (400, 40060, "Interaction has already been acknowledged."),
    "missing access": (403, 50001, "Missing Access"),
    "not in a DM": (403, 50003, "Cannot execute action on a DM channel"),
    "not the author": (403, 50005, "Cannot edit a message authored by another user"),
    "empty": (400, 50006, "Cannot send an empty message"),
    "closed to DMs": (403, 50007, "Cannot send messages to this user"),
    "not a text channel": (400, 50008, "Cannot send messages in a non-text channel"),
    "missing permissions": (403, 50013, "Missing Permissions"),
    "system message": (403, 50021, "Cannot execute action on a system message"),
    "wrong channel type": (400, 50024, "Cannot execute action on this channel type"),
    "invalid token": (401, 50027, "Invalid Webhook Token"),
    "thread is archived": (400, 50083, "Thread is archived"),
    "not json": (400, 50109, "The request body contains invalid JSON."),
    "thread is there": (400, 160004, "A thread has already been created for this message"),
    "locked": (403, 160005, "Thread is locked"),
    "cannot reply": (
        *(400, 160002),
        "Cannot reply without permission to read message history",
    ),
}


def refusal(name):
    """What Discord says to this."""
    status, code, message = REFUSALS[name]
    return DiscordError(status, code, message)


def invalid(errors):
    """50035: `errors` gives to each field's path, dotted, (code, sentence)."""
    nested = {}
    for path, (code, sentence) in errors.items():
        place = nested
        for part in path.split("."):
            place = place.setdefault(part, {})
        place.setdefault("_errors", []).append({"code": code, "message": sentence})
    return DiscordError(400, 50035, "Invalid Form Body", nested)


class Clock:
    """The time that the server goes by; tests move it on instead of waiting."""

    def __init__(self):
        self._ahead = 0.0
        self._last_ms = 0
        self._count = 0

    def now(self):
        """Seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds):
        self._ahead += seconds

    def snowflake(self):
        """The next id: it tells its time in ms, and is larger than all before it."""
        ms = max(self._last_ms, int(self.now() * 1000) - EPOCH_MS)
        self._count = self._count + 1 if ms == self._last_ms else 0
        if self._count == 1 << 12:
            ms, self._count = ms + 1, 0
        self._last_ms = ms
        return str(ms << 22 | 1 << 17 | self._count)

    def iso(self, at=None):
        return datetime.fromtimestamp(self.now() if at is None else at, UTC).isoformat()


@dataclass
class User:
    id: str
    name: str
    bot: bool = False
    closed_to_dms: bool = False
    notices: list[str] = field(default_factory=list)  # what Discord itself tells them
    modal: Any = None  # the one that is open before them
    whispers: list[Message] = field(default_factory=list)  # the messages that only they see

    @property
    def global_name(self):
        return None if self.bot else self.name.capitalize()


@dataclass
class Role:
    id: str
    name: str
    permissions: Permission
    position: int = 1
    mentionable: bool = False
    managed: bool = False
    bot: str | None = None


@dataclass
class Member:
    user: str
    joined: float
    roles: list[str] = field(default_factory=list)
    nick: str | None = None
    timed_out_until: float = 0.0


@dataclass
class Guild:
    id: str
    name: str
    owner: str
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    premium_tier: int = 0
    unavailable: bool = False


@dataclass
class Overwrite:
    """`type`: 0 for a role, 1 for a member."""

    id: str
    type: int
    allow: Permission = NOTHING
    deny: Permission = NOTHING


@dataclass
class Channel:
    """A channel, a DM or a thread; a thread's `parent` is where it hangs, else its category."""

    id: str
    type: int
    name: str = ""
    guild: str | None = None
    parent: str | None = None
    topic: str | None = None
    position: int = 0
    overwrites: dict[str, Overwrite] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    messages: dict[str, Message] = field(default_factory=dict)  # by id, in order
    last_message: str | None = None
    tags: list[dict] = field(default_factory=list)  # of a forum, to choose from
    owner: str | None = None
    created: float = 0.0
    members: dict[str, float] = field(default_factory=dict)  # of a thread: user, since when
    archived: bool = False
    archive_changed: float = 0.0
    auto_archive: int = 4320  # minutes
    locked: bool = False
    invitable: bool = True
    applied_tags: list[str] = field(default_factory=list)
    sent: int = 0  # messages ever, without the first

    @property
    def is_thread(self):
        return self.type in (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def is_private(self):
        return self.type == PRIVATE_THREAD

    @property
    def is_dm(self):
        return self.type == DM

    @property
    def mention(self):
        return f"<#{self.id}>"


@dataclass
class Attachment:
    id: str
    filename: str
    data: bytes
    content_type: str
    channel: str
    description: str | None = None
    title: str | None = None
    size_of_picture: tuple[int, int] | None = None
    ephemeral: bool = False
    gone: bool = False  # its message was deleted
    cut_after: int | None = None  # a download breaks off after so many bytes


@dataclass
class Message:
    id: str
    channel: str
    author: str
    content: str
    type: int = 0
    flags: int = 0
    embeds: list[dict] = field(default_factory=list)
    components: list[dict] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)  # users by emoji
    pings: Pings = None  # type: ignore[assignment]  # set once the text is read
    reference: dict | None = None
    snapshots: list[Message] = field(default_factory=list)  # what was forwarded, as it was then
    nonce: str | None = None
    edited: float | None = None
    webhook: str | None = None
    webhook_name: str | None = None
    application: str | None = None
    interaction: dict | None = None  # interaction_metadata
    ephemeral_to: str | None = None
    pinned: bool = False
    past: list[str] = field(default_factory=list)  # the content before each edit
    position: int | None = None

    @property
    def is_loading(self):
        return bool(self.flags & LOADING)


CROSSPOSTED, SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING = 1 << 0, 1 << 2, 1 << 5, 1 << 6, 1 << 7
SUPPRESS_NOTIFICATIONS, VOICE_MESSAGE, HAS_SNAPSHOT, COMPONENTS_V2 = 1 << 12, 1 << 13, 1 << 14, 1 << 15


@dataclass(frozen=True)
class Pings:
    """Whom a message calls: everybody, users, roles. What is only written, calls nobody."""

    everyone: bool = False
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def __bool__(self):
        return bool(self.everyone or self.users or self.roles)


@dataclass
class App:
    """The one app. Which privileged intents its owner has switched on decides what it may see."""

    id: str
    token: str
    name: str = "mmrag"
    message_content: bool = False
    members_intent: bool = False
    presences: bool = False
    permissions: Permission = BOT_PERMISSIONS
    commands: dict[str, dict] = field(default_factory=dict)  # by id
    public: bool = True

    @property
    def flags(self):
        limited = (1 << 13, self.presences), (1 << 15, self.members_intent), (1 << 19, self.message_content)
        return sum(bit for bit, on in limited if on)


class World:
    """Everything that is there, by id."""

    def __init__(self, clock):
        self.clock = clock
        self.users = {}
        self.guilds = {}
        self.channels = {}
        self.attachments = {}
        bot = self.add_user("mmrag", bot=True)
        self.app = App(bot.id, "")
        self.renew_token()

    def new_id(self):
        return self.clock.snowflake()

    def renew_token(self):
        """Another token for the app, as after a click on Reset Token: the old one is of no use any more."""
        parts = secrets.token_urlsafe(18), secrets.token_urlsafe(4), secrets.token_urlsafe(28)
        self.app.token = ".".join(parts)

    # ---------------------------------------------------------- making things

    def add_user(self, name, **more):
        user = User(self.new_id(), name, **more)
        self.users[user.id] = user
        return user

    def add_guild(self, name, *, with_bot=True):
        """A guild with an owner of its own, and the app in it."""
        owner = self.add_user(f"owner of {name}")
        guild = Guild(self.new_id(), name, owner.id)
        guild.roles[guild.id] = Role(guild.id, "@everyone", together(EVERYONE), position=0)
        self.guilds[guild.id] = guild
        self.join(guild, owner.id)
        if with_bot:
            self.install(guild)
        return guild

    def install(self, guild):
        """The app comes into the guild, with a role that has what its invite link asks for."""
        self.join(guild, self.app.id)
        role = self.add_role(guild, self.app.name, self.app.permissions, managed=True, bot=self.app.id)
        guild.members[self.app.id].roles.append(role.id)

    def add_role(self, guild, name, permissions=NOTHING, **more):
        role = Role(self.new_id(), name, permissions, position=len(guild.roles), **more)
        guild.roles[role.id] = role
        return role

    def join(self, guild, user_id):
        guild.members.setdefault(user_id, Member(user_id, self.clock.now()))

    def add_channel(self, name, type, **more):  # noqa: A002 - Discord's word
        channel = Channel(self.new_id(), type, name, created=self.clock.now(), **more)
        self.channels[channel.id] = channel
        return channel

    def add_attachment(self, filename, data, content_type, channel, **more):
        safe = re.sub(r"[^\w.-]", "", re.sub(r"\s+", "_", filename.replace("/", "_"))) or "unknown"
        title = filename.rpartition(".")[0] if safe != filename else None
        kept = Attachment(self.new_id(), safe, data, content_type, channel, title=title, **more)
        kept.size_of_picture = picture_size(data) if content_type.startswith("image/") else None
        self.attachments[kept.id] = kept
        return kept

    # ------------------------------------------------------------ finding them

    def direct_channel(self, user_id):
        """The DM of somebody with the bot, made if there is none yet."""
        for channel in self.channels.values():
            if channel.is_dm and user_id in channel.recipients:
                return channel
        return self.add_channel("", DM, recipients=(user_id, self.app.id))

    def channel_for(self, user_id, channel_id):
        """The channel, if somebody may see it. Raises unknown channel, missing access."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise refusal("unknown channel")
        if not self.may(user_id, channel, Permission.VIEW_CHANNEL):
            raise refusal("missing access")
        return channel

    def message_in(self, channel, message_id):
        message = channel.messages.get(message_id)
        if message is None:
            raise refusal("unknown message")
        return message

    def may(self, user_id, channel, permission):
        """Whether somebody has all of these permissions there."""
        return in_channel(self, channel, user_id) & permission == permission

    def threads_of(self, channel):
        return [each for each in self.channels.values() if each.is_thread and each.parent == channel.id]

    def guild_of(self, channel):
        return self.guilds[channel.guild] if channel.guild else None


def picture_size(data):
    """(width, height) of a PNG, or None: what clients show needs no more."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return None
