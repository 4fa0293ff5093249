"""A call of the Web API: its arguments however they come, its token, what it may do, and how it is refused.

Methods register themselves by `method`; they take a `Call` and give the answer without its "ok".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.slack_server.world import SCOPE_OF_TYPE, SlackError

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}  # calls a minute
STRUCTURED = {
    "blocks",
    "attachments",
    "metadata",
    "chunks",
    "view",
    "files",
    "prompts",
    "loading_messages",
    "unfurls",
}


@dataclass(frozen=True)
class Method:
    name: str
    run: Any
    scopes: tuple[str, ...]  # any one of them will do
    tokens: tuple[str, ...]  # the kinds that may call it; empty: none is needed
    tier: int


METHODS = {}


def method(name, *, scopes=(), tokens=("bot", "user"), tier=3):
    """Make a function the method of this name."""

    def register(run):
        METHODS[name] = Method(name, run, scopes, tokens, tier)
        return run

    return register


@dataclass
class Request:
    """One request as the log keeps it; `answer` is None where none was given."""

    name: str
    via: str  # GET, form, json, multipart
    arguments: dict
    token: str  # the kind: bot, user, app; "" for none, "?" for an unknown one
    at: float
    answer: dict | None = None
    status: int | None = None
    fault: str = ""
    headers: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.name} {self.status} {(self.answer or {}).get('error', '')}".rstrip()


@dataclass
class Call:
    server: Any
    request: Request
    token: Any  # world.Token, or None where the method needs none
    basic: tuple[str, str] | None = None  # name and password of HTTP's own kind

    @property
    def world(self):
        return self.server.world

    @property
    def arguments(self):
        return self.request.arguments

    def get(self, key, default=None):
        return self.arguments.get(key, default)

    def need(self, key, error=None):
        """A required argument. Raises invalid_arguments with the sentence that Slack gives."""
        value = self.arguments.get(key)
        if value in (None, ""):
            if error:
                raise SlackError(error)
            raise SlackError(
                "invalid_arguments",
                response_metadata={"messages": [f"[ERROR] missing required field: {key}"]},
            )
        return value

    def flag(self, key, *, default=False):
        value = self.arguments.get(key)
        return default if value is None else str(value).lower() in ("1", "true")

    def number(self, key, default):
        try:
            return int(self.arguments.get(key, default))
        except (TypeError, ValueError):
            raise SlackError(f"invalid_{key}") from None

    @property
    def installation(self):
        return self.world.installations[self.token.team]

    @property
    def is_app(self):
        """Whether the app itself is calling, not a person's token."""
        return self.token.kind == "bot"

    def channel(self, key="channel"):
        return self.world.channel_for(self.token, self.need(key, "channel_not_found"))

    def need_scope(self, *scopes):
        """Raises missing_scope unless the token has one of them."""
        if self.token.kind == "bot" and scopes and not self.token.scopes & set(scopes):
            raise SlackError(
                "missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.token.scopes))
            )

    def need_scope_for(self, channel, what):
        """The scope depends on the kind of channel: channels:history, groups:history ..."""
        self.need_scope(f"{SCOPE_OF_TYPE[channel.type]}:{what}")

    def page(self, rows, *, limit, most=1000):
        """The rows of this page, and the cursor of the next one ("" for none)."""
        wanted = min(self.number("limit", limit) or limit, most)
        try:
            start = int(str(self.get("cursor") or "next:0").removeprefix("next:"))
        except ValueError:
            raise SlackError("invalid_cursor") from None
        shown = rows[start : start + wanted]
        return shown, f"next:{start + wanted}" if start + wanted < len(rows) else ""


async def read_arguments(request):
    """(arguments, how they came). JSON in a form's fields is unfolded, as Slack does."""
    arguments, via = dict(request.query), "GET"
    kind = request.content_type
    if request.method == "POST":
        if kind == "application/json":
            via = "json"
            arguments |= _object(await request.text())
        else:
            via = "multipart" if kind == "multipart/form-data" else "form"
            arguments |= dict(await request.post())
    return {key: _unfolded(key, value) for key, value in arguments.items() if value is not None}, via


def _object(text):
    try:
        given = json.loads(text or "{}")
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(given, dict):
        raise SlackError("json_not_object")
    return given


def _unfolded(key, value):
    if key not in STRUCTURED or not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        if key in ("files", "unfurls"):
            return value
        raise SlackError("invalid_blocks_format" if key == "blocks" else "invalid_arguments") from None


def authorised(server, name, request, value, basic):
    """The call of a method with this token value, or the reason why not."""
    chosen = METHODS.get(name)
    if chosen is None:
        raise SlackError("unknown_method", req_method=name)
    token = server.world.tokens.get(value)
    request.token = token.kind if token else "?" if value else ""
    if chosen.tokens:
        if not value:
            raise SlackError("not_authed")
        if token is None:
            raise SlackError("invalid_auth")
        if token.revoked:
            raise SlackError("token_revoked" if token.kind != "bot" else "account_inactive")
        if token.ends is not None and server.clock.now() > token.ends:
            raise SlackError("token_expired")
        if token.kind not in chosen.tokens:
            raise SlackError("not_allowed_token_type")
    call = Call(server, request, token, basic)
    if token is not None and chosen.tokens:
        server.limits.take(chosen, token.team, request.arguments)
        if token.kind in ("bot", "app"):
            _need(token, chosen.scopes)
    return call, chosen


def _need(token, scopes):
    if scopes and not token.scopes & set(scopes):
        raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(token.scopes)))


class TooMany(SlackError):
    """429, with the seconds to wait."""

    def __init__(self, seconds):
        super().__init__("ratelimited")
        self.seconds = seconds


class Limits:
    """Slack's rate limits, kept only when they are switched on: calls a minute by tier, posts by channel."""

    def __init__(self, clock):
        self.on = False
        self.replies_a_minute = None  # 1 for distributed apps that are not in the directory
        self._clock = clock
        self._taken = {}

    def take(self, chosen, team, arguments):
        """Raises TooMany where there is no room."""
        if not self.on:
            return
        if chosen.name == "chat.postMessage":
            self._room((chosen.name, team, arguments.get("channel")), 60, seconds=60, burst=5)
            return
        calls = TIERS[chosen.tier]
        if chosen.name == "conversations.replies" and self.replies_a_minute:
            calls = self.replies_a_minute
        self._room((chosen.name, team), calls, seconds=60, burst=calls)

    def _room(self, key, calls, *, seconds, burst):
        """A bucket of `burst` calls that fills at `calls` per `seconds`."""
        now = self._clock.now()
        left, since = self._taken.get(key, (float(burst), now))
        left = min(float(burst), left + (now - since) * calls / seconds)
        if left < 1:
            self._taken[key] = (left, now)
            raise TooMany(max(1, round((1 - left) * seconds / calls)))
        self._taken[key] = (left - 1, now)
