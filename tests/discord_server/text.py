"""Discord's own Markdown, as far as it acts: what is a link, a mention, or code that is neither.

A backslash is not taken to protect a mention: whether it does differs between what the clients draw and what
the servers notify, and a test must not rely on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.discord_server.world import Pings

_TOKEN = re.compile(
    r"""
    (?P<fence>```(?:[\w+.#-]*\n)?(?P<fenced>[\s\S]+?)```)
  | (?P<code>(?<!`)(?P<ticks>``?)(?!`)(?P<coded>[\s\S]*?[^`])(?P=ticks)(?!`))
  | \[(?P<label>(?:\\.|\[[^\[\]]*\]|[^\[\]\\])+)\]\(\s*(?P<shy><)?(?P<masked>https?://[^\s<>)]*(?:\([^\s<>)]*\)[^\s<>)]*)*)>?(?:\s+["'][^)]*["'])?\s*\)
  | <(?P<quiet>https?://[^\s>]+)>
  | <(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>
  | (?P<bare>https?://[^\s<]+[^\s<.,:;"'\]])
  | <@!?(?P<user>\d+)>
  | <@&(?P<role>\d+)>
  | <\#(?P<channel>\d+)>
  | (?P<all>@everyone|@here)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """`kind`: text, fence, code, link, user, role, channel or all; `target`: an address or id."""

    kind: str
    text: str
    target: str = ""
    previews: bool = False  # a link of which Discord shows a preview


def tokens(content):
    """A message's text in its parts, in order; what they say together is the text."""
    found, start = [], 0
    for match in _TOKEN.finditer(content):
        if match.start() > start:
            found.append(Token("text", content[start : match.start()]))
        found.append(_token(match))
        start = match.end()
    if start < len(content):
        found.append(Token("text", content[start:]))
    return found


def _token(match):
    given = match.groupdict()
    whole = match.group()
    if given["fence"]:
        return Token("fence", whole, given["fenced"])
    if given["code"]:
        return Token("code", whole, given["coded"])
    for name, previews in (("masked", not given["shy"]), ("quiet", False), ("bare", True)):
        if given[name]:
            return Token("link", whole, _closed(given[name]) if name == "bare" else given[name], previews)
    if given["mail"]:
        return Token("link", whole, f"mailto:{given['mail']}")
    kind = next(name for name in ("user", "role", "channel", "all") if given[name])
    return Token(kind, whole, given[kind])


def _closed(url):
    """A bare address ends before a closing bracket that nothing in it opened."""
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1]
    return url


def links(content):
    """The addresses that can be clicked on, in order."""
    return [each.target for each in tokens(content) if each.kind == "link"]


def previewed(content):
    """The addresses that Discord shows a preview of."""
    return [each.target for each in tokens(content) if each.previews]


def open_fences(content):
    """Code fences that nothing closes: the rest of the message is drawn with its backticks."""
    return sum(each.text.count("```") for each in tokens(content) if each.kind == "text")


def mentioned(contents):
    """Whom these texts name in a way that may notify: (everyone, user ids, role ids)."""
    everyone, users, roles = False, [], []
    for content in contents:
        for each in tokens(content):
            match each.kind:
                case "all":
                    everyone = True
                case "user":
                    users.append(each.target)
                case "role":
                    roles.append(each.target)
    return everyone, list(dict.fromkeys(users)), list(dict.fromkeys(roles))


def pings(contents, *, allowed, may_ping_everyone, members, roles, replied_to=None):
    """Whom a message calls, by what its author allowed and may.

    `allowed` is `allowed_mentions` as it was given, None for all; `members` are the user ids that can be
    called, `roles` the guild's roles by id; `replied_to` is the author of what is replied to.
    """
    everyone, users, named_roles = mentioned(contents)
    parse = ("everyone", "users", "roles") if allowed is None else allowed.get("parse") or ()
    chosen = {key: {str(each) for each in (allowed or {}).get(key) or ()} for key in ("users", "roles")}
    called = [each for each in users if each in members and ("users" in parse or each in chosen["users"])]
    groups = [
        each
        for each in named_roles
        if each in roles
        and ("roles" in parse or each in chosen["roles"])
        and (may_ping_everyone or roles[each].mentionable)
    ]
    replies = allowed is None or allowed.get("replied_user", False)
    if replied_to is not None and replies and replied_to not in called:
        called.append(replied_to)
    return Pings(everyone and "everyone" in parse and may_ping_everyone, tuple(called), tuple(groups))


def rendered(content, names):
    """The text as people read it: `names` gives the name of a user, role or channel by its id."""
    marks = {"user": "@", "role": "@", "channel": "#"}
    return "".join(
        marks[each.kind] + names.get(each.target, "unknown") if each.kind in marks else each.text
        for each in tokens(content)
    )
