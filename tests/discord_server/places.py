"""The app itself, users, guilds, channels and threads."""

from __future__ import annotations

from tests.discord_server import messages, rules
from tests.discord_server.api import route
from tests.discord_server.permissions import Permission, of_member
from tests.discord_server.shapes import (
    channel_json,
    guild_json,
    member_json,
    role_json,
    thread_member_json,
    user_json,
)
from tests.discord_server.world import (
    FORUM,
    NEWS,
    NEWS_THREAD,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    TEXT,
    Overwrite,
    invalid,
    refusal,
)

OFTEN = (50, 1.0)

# ------------------------------------------------------------------ the app


@route("GET", "/users/@me", limit=OFTEN)
async def get_current_user(call):
    return user_json(call.world.users[call.app.id]) | {
        "mfa_enabled": False,
        "verified": True,
        "locale": "en-US",
    }


@route("GET", "/applications/@me", limit=OFTEN)
async def get_application(call):
    owner = next(iter(call.world.guilds.values())).owner
    return {
        "id": call.app.id,
        "name": call.app.name,
        "icon": None,
        "description": "",
        "bot_public": call.app.public,
        "bot_require_code_grant": False,
        "bot": user_json(call.world.users[call.app.id]),
        "owner": user_json(call.world.users[owner]),
        "verify_key": "0" * 64,
        "team": None,
        "flags": call.app.flags,
        "flags_new": str(call.app.flags),
        "summary": "",
        "approximate_guild_count": len(_guilds(call)),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "event_webhooks_url": None,
        "event_webhooks_status": 1,
        "integration_types_config": {"0": {}},
    }


@route("GET", "/oauth2/applications/@me", limit=OFTEN)
async def get_oauth2_application(call):
    return await get_application(call)


@route("GET", "/gateway", token=False, limit=OFTEN)
async def get_gateway(call):
    return {"url": call.server.gateway.url}


@route("GET", "/gateway/bot", limit=(2, 5.0))
async def get_gateway_bot(call):
    gateway = call.server.gateway
    return {
        "url": gateway.url,
        "shards": gateway.shards,
        "session_start_limit": {
            "total": 1000,
            "remaining": gateway.starts_left,
            "reset_after": 14_400_000,
            "max_concurrency": gateway.max_concurrency,
        },
    }


def _guilds(call):
    return [each for each in call.world.guilds.values() if call.app.id in each.members]


@route("GET", "/users/@me/guilds")
async def get_current_user_guilds(call):
    after = call.number("after", 0, least=0, most=1 << 64)
    limit = call.number("limit", 200, least=1, most=200)
    chosen = [each for each in _guilds(call) if int(each.id) > after][:limit]
    now = call.server.clock.now()
    return [
        {
            "id": each.id,
            "name": each.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": str(int(of_member(each, call.app.id, now=now))),
            "features": [],
            "approximate_member_count": len(each.members),
            "approximate_presence_count": 0,
        }
        for each in chosen
    ]


@route("GET", "/users/{user}")
async def get_user(call):
    user = call.world.users.get(call["user"])
    if user is None:
        raise refusal("unknown user")
    return user_json(user)


@route("POST", "/users/@me/channels")
async def create_dm(call):
    person = str(call.body.get("recipient_id"))
    if person not in call.world.users or person == call.app.id:
        raise invalid({"recipient_id": ("INVALID_RECIPIENT", "Invalid Recipient(s)")})
    return channel_json(call.world, call.world.direct_channel(person))


# -------------------------------------------------------------------- guilds


@route("GET", "/guilds/{guild}")
async def get_guild(call):
    guild = call.guild()
    counted = {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
    return guild_json(guild) | (counted if call.request.query.get("with_counts") else {})


@route("GET", "/guilds/{guild}/channels")
async def get_guild_channels(call):
    guild = call.guild()
    return [
        channel_json(call.world, each)
        for each in call.world.channels.values()
        if each.guild == guild.id and not each.is_thread
    ]


@route("GET", "/guilds/{guild}/roles")
async def get_guild_roles(call):
    return [role_json(each) for each in call.guild().roles.values()]


@route("GET", "/guilds/{guild}/members/{user}")
async def get_guild_member(call):
    guild = call.guild()
    member = guild.members.get(call["user"])
    if member is None:
        raise refusal("unknown member" if call["user"] in call.world.users else "unknown user")
    return member_json(call.world, member)


@route("GET", "/guilds/{guild}/members")
async def list_guild_members(call):
    guild = call.guild()
    if not call.app.members_intent:
        raise refusal("missing access")
    limit = call.number("limit", 1, least=1, most=1000)
    after = call.number("after", 0, least=0, most=1 << 64)
    members = sorted(
        (each for each in guild.members.values() if int(each.user) > after), key=lambda m: int(m.user)
    )
    return [member_json(call.world, each) for each in members[:limit]]


@route("GET", "/guilds/{guild}/threads/active")
async def list_active_threads(call):
    guild = call.guild()
    active = [
        each
        for each in call.world.channels.values()
        if each.is_thread and each.guild == guild.id and not each.archived and call.can_view(each)
    ]
    return _threads(call, sorted(active, key=lambda each: -int(each.id)))


def _threads(call, found):
    mine = [each for each in found if call.app.id in each.members]
    return {
        "threads": [channel_json(call.world, each) for each in found],
        "members": [thread_member_json(call.world, each, call.app.id) for each in mine],
    }


# ------------------------------------------------------------------- channels


@route("GET", "/channels/{channel}")
async def get_channel(call):
    return channel_json(call.world, call.channel())


@route("PATCH", "/channels/{channel}", limit=(5, 15.0))
async def modify_channel(call):
    channel = call.channel()
    body = call.body
    check = rules.Check()
    check.text("name", body.get("name"), most=100, least=1)
    if body.get("auto_archive_duration") is not None:
        check.one_of("auto_archive_duration", body["auto_archive_duration"], rules.ARCHIVE_MINUTES)
    check.text("topic", body.get("topic"), most=4096 if channel.type == FORUM else 1024)
    check.done()
    if not channel.is_thread:
        call.need(channel, Permission.MANAGE_CHANNELS)
        call.server.change_channel(channel, **{key: body[key] for key in ("name", "topic") if key in body})
        return channel_json(call.world, channel)
    _may_change_thread(call, channel, body)
    names = {"auto_archive_duration": "auto_archive"}
    known = ("name", "archived", "locked", "invitable", "auto_archive_duration", "applied_tags")
    changes = {names.get(key, key): body[key] for key in known if key in body}
    call.server.change_thread(channel, **changes)
    return channel_json(call.world, channel)


def _may_change_thread(call, thread, body):
    if call.may(thread, Permission.MANAGE_THREADS):
        return
    reopening = body.get("archived") is False and not thread.locked and body.keys() <= {"archived"}
    if reopening and call.may(thread, Permission.SEND_MESSAGES_IN_THREADS):
        return
    if thread.owner != call.app.id or "locked" in body:
        raise refusal("missing permissions")
    if thread.archived and body.get("archived") is not False:
        raise refusal("thread is archived")


@route("DELETE", "/channels/{channel}")
async def delete_channel(call):
    channel = call.channel()
    shown = channel_json(call.world, channel)
    if channel.guild:
        call.need(channel, Permission.MANAGE_THREADS if channel.is_thread else Permission.MANAGE_CHANNELS)
        call.server.delete_channel(channel)
    return shown


@route("PUT", "/channels/{channel}/permissions/{target}")
async def edit_permissions(call):
    channel = call.channel("channel", Permission.MANAGE_ROLES)
    given = call.body
    allow, deny = Permission(int(given.get("allow") or 0)), Permission(int(given.get("deny") or 0))
    call.server.overwrite(channel, Overwrite(call["target"], int(given["type"]), allow, deny))


# -------------------------------------------------------------------- threads


def _thread_settings(check, body):
    check.text("name", body.get("name"), most=100, least=1, required=True)
    if body.get("auto_archive_duration") is not None:
        check.one_of("auto_archive_duration", body["auto_archive_duration"], rules.ARCHIVE_MINUTES)


@route("POST", "/channels/{channel}/messages/{message}/threads", bucket="threads", limit=(50, 300.0))
async def start_thread_from_message(call):
    channel = call.channel()
    if channel.type not in (TEXT, NEWS):
        raise refusal("wrong channel type")
    check = rules.Check()
    _thread_settings(check, call.body)
    check.done()
    message = call.world.message_in(channel, call["message"])
    call.need(channel, Permission.CREATE_PUBLIC_THREADS)
    if message.id in call.world.channels:
        raise refusal("thread is there")
    if message.type not in messages.CAN_BE_REPLIED_TO:
        raise refusal("system message")
    kind = NEWS_THREAD if channel.type == NEWS else PUBLIC_THREAD
    thread = call.server.start_thread(
        channel,
        call.body["name"].strip(),
        owner=call.app.id,
        kind=kind,
        message=message,
        auto_archive=call.body.get("auto_archive_duration") or 4320,
    )
    return channel_json(call.world, thread)


@route("POST", "/channels/{channel}/threads", bucket="threads", limit=(50, 300.0))
async def start_thread(call):
    channel = call.channel()
    if channel.type == FORUM:
        return _forum_post(call, channel)
    if channel.type not in (TEXT, NEWS):
        raise refusal("wrong channel type")
    check = rules.Check()
    _thread_settings(check, call.body)
    kind = call.body.get("type", PRIVATE_THREAD)
    check.one_of("type", kind, (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD))
    check.done()
    call.need(
        channel,
        Permission.CREATE_PRIVATE_THREADS if kind == PRIVATE_THREAD else Permission.CREATE_PUBLIC_THREADS,
    )
    thread = call.server.start_thread(
        channel,
        call.body["name"].strip(),
        owner=call.app.id,
        kind=kind,
        auto_archive=call.body.get("auto_archive_duration") or 4320,
        invitable=call.body.get("invitable", True),
    )
    return channel_json(call.world, thread)


def _forum_post(call, forum):
    check = rules.Check()
    _thread_settings(check, call.body)
    if not call.body.get("message"):
        check.wrong("message", "BASE_TYPE_REQUIRED", "This field is required")
    tags = check.count("applied_tags", call.body.get("applied_tags") or [], most=5)
    known = {each["id"] for each in forum.tags}
    for number, tag in enumerate(tags):
        if str(tag) not in known:
            check.wrong(f"applied_tags.{number}", "FORUM_TAG_INVALID", "Unknown tag")
    check.done()
    call.need(forum, Permission.SEND_MESSAGES)
    _check_first(call, forum)
    thread = call.server.start_thread(
        forum,
        call.body["name"].strip(),
        owner=call.app.id,
        kind=PUBLIC_THREAD,
        auto_archive=call.body.get("auto_archive_duration") or 4320,
        applied_tags=[str(tag) for tag in tags],
    )
    message = messages.post(call, thread, call.body["message"], message_id=thread.id)
    return channel_json(call.world, thread) | {"message": messages.shown(call, message)}


def _check_first(call, forum):
    """Refuse the first message before there is a thread without it."""
    first = call.body["message"]
    flags = (first.get("flags") or 0) & messages.OF_A_BOT
    rules.check_message(first, flags=flags)
    if call.request.files:
        call.need(forum, Permission.ATTACH_FILES)
    elif not any(first.get(name) for name in ("content", "embeds", "components")):
        raise refusal("empty")


@route("PUT", "/channels/{channel}/thread-members/@me")
async def join_thread(call):
    call.server.join_thread(_open_thread(call), call.app.id)


@route("PUT", "/channels/{channel}/thread-members/{user}")
async def add_thread_member(call):
    thread = _open_thread(call)
    call.need(thread, Permission.SEND_MESSAGES_IN_THREADS)
    if call["user"] not in call.world.guilds[thread.guild].members:
        raise refusal("unknown member")
    call.server.join_thread(thread, call["user"])


@route("DELETE", "/channels/{channel}/thread-members/@me")
async def leave_thread(call):
    call.server.leave_thread(_open_thread(call), call.app.id)


@route("GET", "/channels/{channel}/thread-members")
async def list_thread_members(call):
    thread = call.channel()
    if not thread.is_thread:
        raise refusal("wrong channel type")
    return [thread_member_json(call.world, thread, user) for user in thread.members]


def _open_thread(call):
    thread = call.channel()
    if not thread.is_thread:
        raise refusal("wrong channel type")
    if thread.archived:
        raise refusal("thread is archived")
    return thread


@route("GET", "/channels/{channel}/threads/archived/public")
async def list_public_archived_threads(call):
    return _archived(call, (PUBLIC_THREAD, NEWS_THREAD))


@route("GET", "/channels/{channel}/threads/archived/private")
async def list_private_archived_threads(call):
    call.channel("channel", Permission.MANAGE_THREADS)
    return _archived(call, (PRIVATE_THREAD,))


@route("GET", "/channels/{channel}/users/@me/threads/archived/private")
async def list_joined_private_archived_threads(call):
    return _archived(call, (PRIVATE_THREAD,), joined=True)


def _archived(call, kinds, *, joined=False):
    channel = call.channel("channel", Permission.READ_MESSAGE_HISTORY)
    limit = call.number("limit", 50, least=2, most=100)
    found = [
        each
        for each in call.world.threads_of(channel)
        if each.type in kinds and each.archived and (not joined or call.app.id in each.members)
    ]
    before = call.request.query.get("before")
    if before and not joined:
        found = [each for each in found if call.world.clock.iso(each.archive_changed) < before]
    elif before:
        found = [each for each in found if int(each.id) < int(before)]
    found.sort(key=lambda each: -int(each.id) if joined else -each.archive_changed)
    return _threads(call, found[:limit]) | {"has_more": len(found) > limit}
