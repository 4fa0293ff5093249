"""Messages, reactions and typing: what the app says."""

from __future__ import annotations

import copy
import mimetypes
from dataclasses import replace
from urllib.parse import unquote

from tests.discord_server import rules, text
from tests.discord_server.api import route, upload_limit
from tests.discord_server.permissions import Permission
from tests.discord_server.shapes import message_json, user_json
from tests.discord_server.world import (
    CATEGORY,
    COMPONENTS_V2,
    EPHEMERAL,
    FORUM,
    HAS_SNAPSHOT,
    LOADING,
    SUPPRESS_EMBEDS,
    SUPPRESS_NOTIFICATIONS,
    Message,
    invalid,
    refusal,
)

OF_A_BOT = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
OF_AN_ANSWER = OF_A_BOT | EPHEMERAL
NONCE_SECONDS = 300.0
MOST_REACTIONS = 20
CAN_BE_REPLIED_TO = (0, 19, 20, 21, 23)


# ----------------------------------------------------------- what a message says


def compose(server, channel, body, files, *, flags, replied_to=None, ephemeral=False):
    """The fields of a new message, checked. `flags` are those that it will have.

    Raises Invalid Form Body, Request entity too large, Cannot send an empty message.
    """
    body = copy.deepcopy(body)
    rules.check_message(body, flags=flags)
    fields = {
        "content": (body.get("content") or "").strip(),
        "embeds": _kept_embeds(body.get("embeds")),
        "components": rules.kept(body.get("components") or []),
        "attachments": _attached(server, channel, body, files, ephemeral=ephemeral),
        "flags": flags,
    }
    _need_something(fields)
    _need_files(fields)
    allowed = body.get("allowed_mentions")
    fields["pings"] = pings_of(server, channel, fields, allowed=allowed, replied_to=replied_to)
    return fields


def recompose(server, message, body, files):
    """What an edit changes of a message. Fields that are not given stay."""
    body = copy.deepcopy(body)
    channel = server.world.channels[message.channel]
    flags = _edited_flags(message, body)
    rules.check_message(body, flags=flags)
    fields = {name: getattr(message, name) for name in ("content", "embeds", "components", "attachments")}
    if "content" in body:
        fields["content"] = (body["content"] or "").strip()
    if "embeds" in body:
        fields["embeds"] = _kept_embeds(body["embeds"])
    if "components" in body:
        fields["components"] = rules.kept(body["components"] or [])
    if "attachments" in body or files:
        ephemeral = message.ephemeral_to is not None
        fields["attachments"] = _attached(server, channel, body, files, ephemeral=ephemeral, before=message)
    fields["flags"] = flags
    if flags & COMPONENTS_V2 and (fields["content"] or fields["embeds"]):
        name = "content" if fields["content"] else "embeds"
        sentence = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise invalid({name: ("MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", sentence)})
    _need_something(fields)
    _need_files(fields)
    replied_to = _author_replied_to(server, message)
    fields["pings"] = pings_of(
        server, channel, fields, allowed=body.get("allowed_mentions"), replied_to=replied_to
    )
    return fields


def _edited_flags(message, body):
    flags = message.flags & ~LOADING
    given = body.get("flags")
    if given is not None:
        flags = (flags & ~SUPPRESS_EMBEDS) | (given & SUPPRESS_EMBEDS) | (given & COMPONENTS_V2)
    return flags


def _author_replied_to(server, message):
    if message.type != 19 or not message.reference:
        return None
    channel = server.world.channels.get(message.reference["channel_id"])
    meant = channel.messages.get(message.reference["message_id"]) if channel else None
    return meant.author if meant and meant.author in message.pings.users else None


def _kept_embeds(embeds):
    """Embeds as Discord keeps them: of type rich, without what is empty."""
    return [
        {"type": "rich"} | {key: value for key, value in each.items() if value not in (None, [], {})}
        for each in embeds or []
    ]


def _need_something(fields):
    if not any(fields[name] for name in ("content", "embeds", "components", "attachments")):
        raise refusal("empty")


def _need_files(fields):
    """attachment://NAME must name a file that is there."""
    names = {each.filename for each in fields["attachments"]}
    fields["embeds"] = [_with_known_pictures(each, names) for each in fields["embeds"]]
    for each in rules.walk(fields["components"]):
        for url in component_urls(each):
            if url.startswith("attachment://") and unquote(url[13:]) not in names:
                sentence = f"The referenced attachment '{url[13:]}' was not found"
                raise invalid(
                    {"components": ("UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", sentence)}
                )


def _with_known_pictures(embed, names):
    """Discord shows an embed without the pictures that are not there."""
    gone = {
        place
        for place in ("image", "thumbnail")
        if (url := (embed.get(place) or {}).get("url", "")).startswith("attachment://")
        and unquote(url[13:]) not in names
    }
    return {key: value for key, value in embed.items() if key not in gone}


def component_urls(component):
    """The addresses of pictures and files in a component."""
    match component["type"]:
        case rules.THUMBNAIL:
            return [component["media"]["url"]]
        case rules.GALLERY:
            return [item["media"]["url"] for item in component["items"]]
        case rules.FILE:
            return [component["file"]["url"]]
    return []


def _attached(server, channel, body, files, *, ephemeral, before=None):
    """The attachments: those that were uploaded, and of an edit those that stay."""
    described = body.get("attachments")
    kept = []
    if before is not None:
        if described is None:
            kept = list(before.attachments)
        else:
            stay = {str(each.get("id")) for each in described}
            kept = [each for each in before.attachments if each.id in stay]
    about = {str(each.get("id")): each for each in described or []}
    for number, file in files.items():
        told = about.get(number, {})
        if len(file.data) > upload_limit(server.world.guild_of(channel)):
            raise refusal("too large")
        name = told.get("filename") or file.filename
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        kept.append(
            server.world.add_attachment(
                name, file.data, kind, channel.id, description=told.get("description"), ephemeral=ephemeral
            )
        )
    if len(kept) > rules.MAX_ATTACHMENTS:
        sentence = f"Must be {rules.MAX_ATTACHMENTS} or fewer in length."
        raise invalid({"attachments": ("BASE_TYPE_MAX_LENGTH", sentence)})
    return kept


def pings_of(server, channel, fields, *, allowed, author=None, replied_to=None):
    """Whom a message with these fields calls."""
    world = server.world
    texts = [fields["content"], *rules.text_displays(fields["components"])]
    guild = world.guild_of(channel)
    return text.pings(
        texts,
        allowed=allowed,
        may_ping_everyone=world.may(author or world.app.id, channel, Permission.MENTION_EVERYONE),
        members=guild.members if guild else channel.recipients,
        roles={key: role for key, role in guild.roles.items() if key != guild.id} if guild else {},
        replied_to=replied_to,
    )


# --------------------------------------------------------------------- posting


def _need_to_post(call, channel):
    """Raises what Discord says to a bot that may not write there."""
    if channel.type in (FORUM, CATEGORY):
        raise refusal("not a text channel")
    if channel.is_dm:
        person = next(user for user in channel.recipients if user != call.app.id)
        if call.world.users[person].closed_to_dms:
            raise refusal("closed to DMs")
        return
    call.need(channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES)
    if channel.is_thread and channel.locked and not call.may(channel, Permission.MANAGE_THREADS):
        raise refusal("thread is archived" if channel.archived else "locked")
    if call.request.files:
        call.need(channel, Permission.ATTACH_FILES)
    if call.body.get("embeds"):
        call.need(channel, Permission.EMBED_LINKS)


def reference_of(call, channel, body):
    """(type of the message, its reference, author replied to, snapshots)."""
    given = body.get("message_reference")
    if not given:
        return 0, None, None, []
    place = call.world.channels.get(str(given.get("channel_id") or channel.id))
    meant = place.messages.get(str(given.get("message_id"))) if place else None
    reference = {"type": given.get("type") or 0, "channel_id": (place or channel).id}
    reference["message_id"] = str(given.get("message_id"))
    if channel.guild:
        reference["guild_id"] = channel.guild
    if reference["type"] == 1:
        if meant is None:
            raise refusal("unknown message")
        return 0, reference, None, [replace(meant)]
    if meant is None or place is not channel:
        if given.get("fail_if_not_exists", True):
            path = "message_reference"
            raise invalid({path: ("MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")})
        return 0, None, None, []
    if not call.may(channel, Permission.READ_MESSAGE_HISTORY):
        raise refusal("cannot reply")
    if meant.type not in CAN_BE_REPLIED_TO:
        sentence = "Cannot reply to a system message"
        raise invalid({"message_reference": ("REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", sentence)})
    return 19, reference, meant.author, []


@route("POST", "/channels/{channel}/messages")
async def create_message(call):
    channel = call.channel()
    _need_to_post(call, channel)
    again = _sent_before(call, channel)
    if again is not None:
        return shown(call, again)
    return shown(call, post(call, channel, call.body))


def post(call, channel, body, *, message_id=None):
    """The app's message in a channel or thread."""
    kind, reference, replied_to, snapshots = reference_of(call, channel, body)
    flags = (body.get("flags") or 0) & OF_A_BOT
    if snapshots:
        fields = {"content": "", "flags": flags | HAS_SNAPSHOT}
        fields["pings"] = text.Pings()
    else:
        fields = compose(call.server, channel, body, call.request.files, flags=flags, replied_to=replied_to)
    nonce = body.get("nonce")
    message = Message(
        message_id or call.world.new_id(),
        channel.id,
        call.app.id,
        type=kind,
        reference=reference,
        snapshots=snapshots,
        nonce=nonce,
        **fields,
    )
    if nonce is not None and body.get("enforce_nonce"):
        call.server.nonces[channel.id, str(nonce)] = (message.id, call.server.clock.now())
    call.server.add_message(message)
    return message


def _sent_before(call, channel):
    """The message that the app posted with this nonce a moment ago, or None."""
    nonce = call.body.get("nonce")
    if nonce is None or not call.body.get("enforce_nonce"):
        return None
    message_id, at = call.server.nonces.get((channel.id, str(nonce)), (None, 0.0))
    if message_id is None or call.server.clock.now() - at > NONCE_SECONDS:
        return None
    return channel.messages.get(message_id)


def shown(call, message):
    """A message as REST gives it to the app."""
    given = message_json(call.server, message, intent=call.app.message_content)
    if message.nonce is not None and call.request.name == "create_message":
        given["nonce"] = message.nonce
    return given


# --------------------------------------------------------------------- reading


@route("GET", "/channels/{channel}/messages", limit=(5, 5.0))
async def get_messages(call):
    channel = call.channel()
    if channel.type in (FORUM, CATEGORY):
        raise refusal("not a text channel")
    limit = call.number("limit", 50, least=1, most=100)
    if not call.may(channel, Permission.READ_MESSAGE_HISTORY):
        return []
    every = list(channel.messages.values())
    query = call.request.query
    bounds = [name for name in ("around", "before", "after") if query.get(name)]
    if not bounds:
        chosen = every[-limit:]
    else:
        border = call.number(bounds[0], 0, least=0, most=1 << 64)
        older = [each for each in every if int(each.id) < border]
        newer = [each for each in every if int(each.id) > border]
        match bounds[0]:
            case "before":
                chosen = older[-limit:]
            case "after":
                chosen = newer[:limit]
            case "around":
                itself = [each for each in every if int(each.id) == border]
                chosen = (
                    older[len(older) - min(len(older), limit // 2) :] + itself + newer[: limit - limit // 2]
                )
                chosen = chosen[:limit]
    return [shown(call, each) for each in reversed(chosen)]


@route("GET", "/channels/{channel}/messages/{message}")
async def get_message(call):
    channel = call.channel("channel", Permission.READ_MESSAGE_HISTORY)
    return shown(call, call.world.message_in(channel, call["message"]))


# -------------------------------------------------------------------- changing


@route("PATCH", "/channels/{channel}/messages/{message}")
async def edit_message(call):
    channel = call.channel()
    message = call.world.message_in(channel, call["message"])
    if message.author != call.app.id:
        only_flags = call.body.keys() == {"flags"} and call.may(channel, Permission.MANAGE_MESSAGES)
        if not only_flags:
            raise refusal("not the author")
    if channel.is_thread and channel.archived:
        raise refusal("thread is archived")
    call.server.change_message(message, **recompose(call.server, message, call.body, call.request.files))
    return shown(call, message)


@route("DELETE", "/channels/{channel}/messages/{message}", limit=(5, 1.0))
async def delete_message(call):
    channel = call.channel()
    message = call.world.message_in(channel, call["message"])
    if message.author != call.app.id:
        if channel.is_dm:
            raise refusal("not in a DM")
        call.need(channel, Permission.MANAGE_MESSAGES)
    call.server.delete_message(message)


@route("POST", "/channels/{channel}/messages/bulk-delete", limit=(1, 1.0))
async def bulk_delete_messages(call):
    channel = call.channel("channel", Permission.MANAGE_MESSAGES)
    check = rules.Check()
    given = check.count("messages", call.body.get("messages"), most=100, least=2)
    check.done()
    found = [channel.messages[str(each)] for each in given if str(each) in channel.messages]
    if found:
        call.server.delete_messages(found)


@route("POST", "/channels/{channel}/typing")
async def trigger_typing(call):
    channel = call.channel()
    if channel.guild:
        call.need(
            channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        )
    call.server.show_typing(channel, call.app.id)


# ------------------------------------------------------------------- reactions


@route(
    "PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", bucket="reactions", limit=(1, 0.25)
)
async def create_reaction(call):
    channel = call.channel("channel", Permission.READ_MESSAGE_HISTORY)
    message = call.world.message_in(channel, call["message"])
    emoji = known_emoji(call["emoji"])
    if channel.is_thread and channel.archived:
        raise refusal("thread is archived")
    if emoji not in message.reactions:
        call.need(channel, Permission.ADD_REACTIONS)
        if len(message.reactions) >= MOST_REACTIONS:
            raise refusal("too many reactions")
    call.server.react(message, call.app.id, emoji)


def known_emoji(given):
    """An emoji as the path names it. Raises Unknown Emoji for what is only text."""
    name = unquote(given)
    custom = ":" in name and name.rpartition(":")[2].isdigit()
    if not custom and (name.isascii() or not name):
        raise refusal("unknown emoji")
    return name


@route(
    *("DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me"),
    bucket="reactions",
    limit=(1, 0.25),
)
async def delete_own_reaction(call):
    channel = call.channel()
    message = call.world.message_in(channel, call["message"])
    call.server.unreact(message, call.app.id, known_emoji(call["emoji"]))


@route(
    *("DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/{user}"),
    bucket="reactions",
    limit=(1, 0.25),
)
async def delete_user_reaction(call):
    channel = call.channel("channel", Permission.MANAGE_MESSAGES)
    message = call.world.message_in(channel, call["message"])
    call.server.unreact(message, call["user"], known_emoji(call["emoji"]))


@route("DELETE", "/channels/{channel}/messages/{message}/reactions", limit=(1, 0.25))
async def delete_all_reactions(call):
    channel = call.channel("channel", Permission.MANAGE_MESSAGES)
    call.server.clear_reactions(call.world.message_in(channel, call["message"]))


@route("GET", "/channels/{channel}/messages/{message}/reactions/{emoji}")
async def get_reactions(call):
    channel = call.channel("channel", Permission.READ_MESSAGE_HISTORY)
    message = call.world.message_in(channel, call["message"])
    limit = call.number("limit", 25, least=1, most=100)
    users = message.reactions.get(known_emoji(call["emoji"]), [])
    after = call.number("after", 0, least=0, most=1 << 64)
    return [user_json(call.world.users[each]) for each in users if int(each) > after][:limit]
