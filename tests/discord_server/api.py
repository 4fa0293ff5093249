"""A request of the REST API: its route, what it brings, who makes it.

Handlers register themselves by `route`; they take a `Call` and give the JSON of the answer, None for 204.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.discord_server.permissions import Permission
from tests.discord_server.world import DiscordError, invalid, refusal

UPLOAD_BYTES = {0: 10 << 20, 1: 10 << 20, 2: 50 << 20, 3: 100 << 20}  # of one file, by the guild's boosts
MAJOR = ("channel", "guild", "webhook", "token")


@dataclass(frozen=True)
class Route:
    """`limit`: (requests, seconds) of its bucket, shared by the routes of the same `bucket`."""

    name: str
    method: str
    parts: tuple[str, ...]
    run: Any
    needs_token: bool
    bucket: str
    limit: tuple[int, float]
    counts: bool  # against the global limit

    def match(self, method, parts):
        """The parameters of the path, or None."""
        if method != self.method or len(parts) != len(self.parts):
            return None
        found = {}
        for mine, given in zip(self.parts, parts, strict=True):
            if mine.startswith("{"):
                found[mine[1:-1]] = given
            elif mine != given:
                return None
        return found


ROUTES = []


def route(method, path, *, token=True, bucket=None, limit=(5, 5.0), counts=True):
    """Make a function the handler of this route; its name is what faults and the log call it."""

    def register(run):
        parts = tuple(path.strip("/").split("/"))
        name = run.__name__
        ROUTES.append(Route(name, method, parts, run, token, bucket or name, limit, counts))
        return run

    return register


def find(method, path):
    """(route, parameters). Raises 404 and 405 as Discord gives them; fixed parts go before parameters."""
    parts = tuple(path.strip("/").split("/"))
    found = [(each, given) for each in ROUTES if (given := each.match(method, parts)) is not None]
    if found:
        return min(found, key=lambda each: len(each[1]))
    known = any(each.match(each.method, parts) is not None for each in ROUTES)
    raise DiscordError(*((405, 0, "405: Method Not Allowed") if known else (404, 0, "404: Not Found")))


@dataclass
class Upload:
    filename: str
    data: bytes
    content_type: str


@dataclass
class Request:
    """One request as the log keeps it, without its token."""

    name: str  # of the handler
    method: str
    path: str
    at: float
    body: Any = None
    query: dict = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)  # by the number in files[n]
    parameters: dict = field(default_factory=dict)
    status: int | None = None
    answer: Any = None
    fault: str = ""

    def __str__(self):
        return f"{self.name} {self.status}"

    @property
    def major(self):
        """What the limits of a route go by, besides its bucket."""
        return tuple(self.parameters.get(each) for each in MAJOR)


@dataclass
class Call:
    server: Any
    request: Request

    @property
    def world(self):
        return self.server.world

    @property
    def app(self):
        return self.world.app

    @property
    def body(self):
        return self.request.body if isinstance(self.request.body, dict) else {}

    def __getitem__(self, name):
        """A parameter of the path."""
        return self.request.parameters[name]

    def channel(self, name="channel", *permissions):
        """The channel of the path, if the app may see it and has these permissions there."""
        channel = self.world.channel_for(self.app.id, self[name])
        self.need(channel, *permissions)
        return channel

    def need(self, channel, *permissions):
        for each in permissions:
            if not self.world.may(self.app.id, channel, each):
                raise refusal("missing permissions")

    def guild(self):
        guild = self.world.guilds.get(self["guild"])
        if guild is None:
            raise refusal("unknown guild")
        if self.app.id not in guild.members:
            raise refusal("missing access")
        return guild

    def number(self, name, default, *, least, most):
        """A number of the query. Raises Invalid Form Body where it is out of range."""
        text = self.request.query.get(name)
        if text is None:
            return default
        if not text.lstrip("-").isdigit():
            raise invalid({name: ("NUMBER_TYPE_COERCE", f'Value "{text}" is not int.')})
        if int(text) < least:
            raise invalid(
                {name: ("NUMBER_TYPE_MIN", f"int value should be greater than or equal to {least}.")}
            )
        if int(text) > most:
            raise invalid({name: ("NUMBER_TYPE_MAX", f"int value should be less than or equal to {most}.")})
        return int(text)

    def may(self, channel, permission):
        return self.world.may(self.app.id, channel, permission)

    def can_view(self, channel):
        return self.may(channel, Permission.VIEW_CHANNEL)


async def read_body(request, logged):
    """The JSON and the files of a request. Raises what Discord says to those that are none."""
    if request.content_type == "multipart/form-data":
        form = await request.post()
        files = {}
        for key, part in form.items():
            if isinstance(part, web.FileField):
                number = key.removeprefix("files[").removesuffix("]") if key.startswith("files[") else key
                files[number] = Upload(part.filename, part.file.read(), part.content_type)
        logged.files = files
        logged.body = _parsed(form["payload_json"]) if "payload_json" in form else dict(form)
        return
    text = await request.text()
    if text and request.content_type == "application/json":
        logged.body = _parsed(text)


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        raise refusal("not json") from None


def upload_limit(guild):
    return UPLOAD_BYTES[guild.premium_tier if guild else 0]
