"""auth.*, team.*, users.*, conversations.*, apps.* and oauth.*: who and where."""

from __future__ import annotations

from tests.slack_server.api import METHODS, method
from tests.slack_server.chat import expire
from tests.slack_server.shapes import message_json
from tests.slack_server.world import SCOPE_OF_TYPE, SlackError

TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


@method("api.test", tokens=(), tier=4)
async def api_test(call):
    if call.get("error"):
        raise SlackError(call.get("error"), args=call.arguments)
    return {"args": call.arguments}


@method("auth.test", tokens=("bot", "user", "app"), tier=4)
async def auth_test(call):
    if call.token.kind == "app":
        return {"app_name": call.world.app.name, "app_id": call.world.app.id}
    team, user = call.world.teams[call.token.team], call.world.users[call.token.user]
    answer = {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": user.name,
        "team_id": team.id,
        "user_id": user.id,
        "is_enterprise_install": False,
    }
    return answer | ({"bot_id": call.installation.bot_id} if call.is_app else {})


@method("auth.revoke")
async def auth_revoke(call):
    call.token.revoked = not call.flag("test")
    return {"revoked": call.token.revoked}


@method("team.info", scopes=("team:read",))
async def team_info(call):
    team = call.world.teams.get(call.get("team") or call.token.team)
    if team is None:
        raise SlackError("team_not_found")
    return {
        "team": {
            "id": team.id,
            "name": team.name,
            "domain": team.domain,
            "email_domain": "example.com",
            "icon": {"image_default": True},
            "url": f"https://{team.domain}.slack.com/",
        }
    }


@method("users.info", scopes=("users:read",), tier=4)
async def users_info(call):
    user = call.world.users.get(call.need("user", "user_not_found"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.as_json(with_email="users:read.email" in call.token.scopes)}


@method("users.list", scopes=("users:read",), tier=2)
async def users_list(call):
    users = [user for user in call.world.users.values() if user.team == call.token.team]
    shown, cursor = call.page(users, limit=200)
    members = [user.as_json(with_email="users:read.email" in call.token.scopes) for user in shown]
    return {
        "members": members,
        "cache_ts": int(call.world.clock.now()),
        "response_metadata": {"next_cursor": cursor},
    }


@method("bots.info", scopes=("users:read",))
async def bots_info(call):
    for installation in call.world.installations.values():
        if installation.bot_id == call.get("bot"):
            return {
                "bot": {
                    "id": installation.bot_id,
                    "deleted": False,
                    "name": call.world.app.name,
                    "updated": 1_700_000_000,
                    "app_id": call.world.app.id,
                    "user_id": installation.bot_user,
                }
            }
    raise SlackError("bot_not_found")


@method("conversations.info")
async def conversations_info(call):
    channel = call.channel()
    call.need_scope_for(channel, "read")
    created = 1_700_000_000
    shown = channel.as_json(for_user=call.token.user, created=created)
    if not call.flag("include_num_members"):
        shown.pop("num_members", None)
    return {"channel": shown}


@method("conversations.list", tier=2)
async def conversations_list(call):
    return _listed(call, lambda channel: channel.type == "channel" or call.token.user in channel.members)


@method("users.conversations")
async def users_conversations(call):
    user = call.get("user") or call.token.user
    return _listed(call, lambda channel: user in channel.members)


def _listed(call, fits):
    types = {TYPES[name] for name in str(call.get("types") or "public_channel").split(",") if name in TYPES}
    if not types:
        raise SlackError("invalid_types")
    for wanted in types:
        call.need_scope(f"{SCOPE_OF_TYPE[wanted]}:read")
    rows = [
        channel
        for channel in call.world.channels.values()
        if channel.type in types and channel.team == call.token.team and fits(channel)
        if not (channel.archived and call.flag("exclude_archived"))
    ]
    shown, cursor = call.page(rows, limit=100)
    channels = [channel.as_json(for_user=call.token.user, created=1_700_000_000) for channel in shown]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


@method("conversations.members", tier=4)
async def conversations_members(call):
    channel = call.channel()
    call.need_scope_for(channel, "read")
    shown, cursor = call.page(sorted(channel.members), limit=100)
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def _readable(call):
    channel = call.channel()
    call.need_scope_for(channel, "history")
    if call.token.user not in channel.members:
        raise SlackError("not_in_channel")
    for message in channel.messages.values():
        expire(call.server, message)
    return channel


def _between(call, messages):
    """Those within oldest and latest, which are left out themselves unless `inclusive`."""
    oldest, latest = str(call.get("oldest") or "0"), str(call.get("latest") or "9" * 10)
    whole = call.flag("inclusive")

    def fits(message):
        ts = float(message.ts)
        return float(oldest) < ts < float(latest) or (whole and message.ts in (oldest, latest))

    return [message for message in messages if fits(message)]


def _shown(call, messages):
    with_metadata = call.flag("include_all_metadata")
    base = call.server.base
    return [message_json(call.world, message, base=base, with_metadata=with_metadata) for message in messages]


@method("conversations.history")
async def conversations_history(call):
    channel = _readable(call)
    rows = [message for message in channel.messages.values() if not message.is_reply or message.broadcast]
    shown, cursor = call.page(_between(call, rows)[::-1], limit=100)
    return {
        "messages": _shown(call, shown),
        "has_more": bool(cursor),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
        "response_metadata": {"next_cursor": cursor},
    }


@method("conversations.replies")
async def conversations_replies(call):
    """The thread, oldest first; its first message stands on every page."""
    channel = _readable(call)
    ts = str(call.need("ts"))
    named = channel.messages.get(ts)
    if named is None:
        raise SlackError("thread_not_found")
    first = channel.messages.get(named.thread_ts or named.ts)
    if first is None:
        return {
            "messages": _shown(call, [named]),
            "has_more": False,
            "response_metadata": {"next_cursor": ""},
        }
    most = 15 if call.server.limits.replies_a_minute else 1000
    shown, cursor = call.page(_between(call, channel.replies_to(first.ts)), limit=most, most=most)
    return {
        "messages": _shown(call, [first, *shown]),
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


@method("conversations.open")
async def conversations_open(call):
    if call.get("channel"):
        channel = call.channel()
    else:
        wanted = str(call.need("users", "users_list_not_supplied")).split(",")
        if any(user not in call.world.users for user in wanted):
            raise SlackError("user_not_found")
        call.need_scope("im:write" if len(wanted) == 1 else "mpim:write")
        if len(wanted) == 1:
            channel = call.world.direct_channel(call.token.user, wanted[0])
        else:
            members = {call.token.user, *wanted}
            channel = call.world.add_channel("mpdm", call.token.team, type="mpim", members=members)
    whole = channel.as_json(for_user=call.token.user, created=1_700_000_000)
    return {"channel": whole if call.flag("return_im") else {"id": channel.id}}


@method("conversations.join", scopes=("channels:join",))
async def conversations_join(call):
    channel = call.channel()
    if channel.type != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    already = call.token.user in channel.members
    if not already:
        call.server.join(channel, call.token.user)
    shown = {"channel": channel.as_json(for_user=call.token.user, created=1_700_000_000)}
    return shown | ({"warning": "already_in_channel"} if already else {})


@method("conversations.leave", scopes=("channels:write",))
async def conversations_leave(call):
    channel = call.channel()
    if call.token.user not in channel.members:
        return {"not_in_channel": True}
    call.server.leave(channel, call.token.user)
    return {}


# --------------------------------------------------------------- apps, OAuth


@method("apps.connections.open", scopes=("connections:write",), tokens=("app",))
async def connections_open(call):
    return {"url": call.server.socket_mode.new_address()}


@method("oauth.v2.access", tokens=(), tier=4)
async def oauth_access(call):
    app = call.world.app
    client_id, secret = call.basic or (call.get("client_id"), call.get("client_secret"))
    if (client_id, secret) != (app.client_id, app.client_secret):
        raise SlackError("bad_client_secret" if client_id == app.client_id else "invalid_client_id")
    if call.get("grant_type") == "refresh_token":
        return _refreshed(call)
    team, user, scopes, redirect = call.server.codes.pop(call.get("code"), (None, None, None, None))
    if team is None:
        raise SlackError("invalid_code")
    if (call.get("redirect_uri") or redirect) != redirect:
        raise SlackError("bad_redirect_uri")
    installation = call.world.installations.get(team) or call.world.install(team, scopes=scopes)
    return _granted(call, installation) | {
        "app_id": app.id,
        "authed_user": {"id": user},
        "is_enterprise_install": call.server.installs_organisations,
    }


def _refreshed(call):
    """A new token, and a new one to get the next: docs.slack.dev/authentication/using-token-rotation."""
    team = call.world.refresh_tokens.pop(call.get("refresh_token"), None)
    if team is None:
        raise SlackError("invalid_refresh_token")
    installation = call.world.installations[team]
    call.world.new_bot_token(team, scopes=call.world.tokens[installation.token].scopes)
    return _granted(call, installation) | {"app_id": call.world.app.id}


def _granted(call, installation):
    token, team = call.world.tokens[installation.token], call.world.teams[installation.team]
    given = {
        "access_token": token.value,
        "token_type": "bot",
        "scope": ",".join(sorted(token.scopes)),
        "bot_user_id": installation.bot_user,
        "team": {"id": team.id, "name": team.name},
        "enterprise": None,
    }
    if token.ends is None:
        return given
    seconds = int(token.ends - call.world.clock.now())
    return given | {"expires_in": seconds, "refresh_token": call.world.new_refresh_token(team.id)}


def scopes_of(name):
    """What `x-accepted-oauth-scopes` says of a method."""
    return METHODS[name].scopes if name in METHODS else ()
