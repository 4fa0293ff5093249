"""What is kept, as the JSON that Discord shows of it."""

from __future__ import annotations

from urllib.parse import unquote

from tests.discord_server import rules
from tests.discord_server.permissions import Permission, in_channel
from tests.discord_server.world import COMPONENTS_V2, EPOCH_MS, FORUM, NEWS, TEXT

REPLY, THREAD_STARTER = 19, 21


def user_json(user):
    bot = {"bot": True} if user.bot else {}
    return {
        "id": user.id,
        "username": user.name,
        "discriminator": "0000" if user.bot else "0",
        "global_name": user.global_name,
        "avatar": None,
        "public_flags": 0,
    } | bot


def member_json(world, member, *, with_user=True):
    shown = {
        "roles": list(member.roles),
        "nick": member.nick,
        "avatar": None,
        "banner": None,
        "joined_at": world.clock.iso(member.joined),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": world.clock.iso(member.timed_out_until)
        if member.timed_out_until
        else None,
    }
    return {"user": user_json(world.users[member.user])} | shown if with_user else shown


def role_json(role):
    tags = {"tags": {"bot_id": role.bot}} if role.bot else {}
    return {
        "id": role.id,
        "name": role.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": str(int(role.permissions)),
        "managed": role.managed,
        "mentionable": role.mentionable,
        "flags": 0,
    } | tags


def guild_json(guild):
    """A guild as REST gives it."""
    return {
        "id": guild.id,
        "name": guild.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": guild.owner,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "roles": [role_json(role) for role in guild.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "max_presences": None,
        "max_members": 500_000,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "premium_tier": guild.premium_tier,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "nsfw_level": 0,
        "premium_progress_bar_enabled": False,
        "hub_type": None,
        "region": "deprecated",
        "incidents_data": None,
        "widget_enabled": False,
        "widget_channel_id": None,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
    }


def guild_create_json(world, guild, *, all_members):
    """A guild as GUILD_CREATE gives it: with its channels, the threads that are active, and members."""
    bot = world.app.id
    channels = [each for each in world.channels.values() if each.guild == guild.id]
    threads = [
        each
        for each in channels
        if each.is_thread and not each.archived and world.may(bot, each, Permission.VIEW_CHANNEL)
    ]
    known = guild.members.values() if all_members else [guild.members[bot]]
    return guild_json(guild) | {
        "joined_at": world.clock.iso(guild.members[bot].joined),
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "voice_states": [],
        "members": [member_json(world, each) for each in known],
        "channels": [channel_json(world, each) for each in channels if not each.is_thread],
        "threads": [channel_json(world, each) for each in threads],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def overwrite_json(overwrite):
    return {
        "id": overwrite.id,
        "type": overwrite.type,
        "allow": str(int(overwrite.allow)),
        "deny": str(int(overwrite.deny)),
    }


def channel_json(world, channel, *, with_guild=True):
    """A channel, DM or thread as the bot sees it."""
    shown = {"id": channel.id, "type": channel.type, "last_message_id": channel.last_message, "flags": 0}
    if channel.is_dm:
        others = [user for user in channel.recipients if user != world.app.id]
        return shown | {"name": None, "recipients": [user_json(world.users[user]) for user in others]}
    shown |= {"name": channel.name, "parent_id": channel.parent}
    if with_guild:
        shown["guild_id"] = channel.guild
    if channel.is_thread:
        return shown | _thread(world, channel)
    shown |= {
        "position": channel.position,
        "permission_overwrites": [overwrite_json(each) for each in channel.overwrites.values()],
        "nsfw": False,
    }
    if channel.type in (TEXT, NEWS, FORUM):
        shown |= {"topic": channel.topic, "rate_limit_per_user": 0}
    if channel.type == FORUM:
        shown |= {
            "available_tags": channel.tags,
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
            "default_thread_rate_limit_per_user": 0,
        }
    return shown


def _thread(world, thread):
    metadata = {
        "archived": thread.archived,
        "archive_timestamp": world.clock.iso(thread.archive_changed),
        "auto_archive_duration": thread.auto_archive,
        "locked": thread.locked,
        "create_timestamp": world.clock.iso(thread.created),
    }
    if thread.is_private:
        metadata["invitable"] = thread.invitable
    shown = {
        "owner_id": thread.owner,
        "rate_limit_per_user": 0,
        "message_count": thread.sent,
        "total_message_sent": thread.sent,
        "member_count": min(50, len(thread.members)),
        "thread_metadata": metadata,
    }
    if world.channels[thread.parent].type == FORUM:
        shown["applied_tags"] = thread.applied_tags
    if world.app.id in thread.members:
        shown["member"] = thread_member_json(world, thread, world.app.id)
    return shown


def thread_member_json(world, thread, user_id):
    return {
        "id": thread.id,
        "user_id": user_id,
        "join_timestamp": world.clock.iso(thread.members[user_id]),
        "flags": 0,
    }


def attachment_json(server, attachment):
    url = server.cdn.url(attachment)
    shown = {
        "id": attachment.id,
        "filename": attachment.filename,
        "size": len(attachment.data),
        "url": url,
        "proxy_url": server.cdn.url(attachment, proxy=True),
        "content_type": attachment.content_type,
    }
    for name in ("description", "title"):
        if value := getattr(attachment, name):
            shown[name] = value
    if attachment.ephemeral:
        shown["ephemeral"] = True
    if attachment.size_of_picture:
        shown["width"], shown["height"] = attachment.size_of_picture
    return shown


def may_read(world, message, *, intent):
    """Whether the app is told what a message says: without the intent, only what is meant for it."""
    channel = world.channels[message.channel]
    own = world.app.id in (message.author, message.application)
    return intent or channel.guild is None or own or world.app.id in message.pings.users


def message_json(server, message, *, intent=True, nested=False, for_event=False):
    """A message as the app is shown it.

    `intent`: whether the app has the message content intent. `for_event`: with members, as events have it.
    """
    world = server.world
    channel = world.channels[message.channel]
    shown = {
        "id": message.id,
        "channel_id": message.channel,
        "author": _author(world, message),
        "timestamp": world.clock.iso(_made_at(message.id)),
        "edited_timestamp": world.clock.iso(message.edited) if message.edited else None,
        "tts": False,
        "mention_everyone": message.pings.everyone,
        "mentions": [_mention(world, channel, user, with_member=for_event) for user in message.pings.users],
        "mention_roles": list(message.pings.roles),
        "pinned": message.pinned,
        "type": message.type,
        "flags": message.flags,
    }
    readable = may_read(world, message, intent=intent)
    shown |= _content(server, message) if readable else NO_CONTENT
    if message.snapshots and readable:
        snapshots = [_snapshot_json(server, each) for each in message.snapshots]
        shown["message_snapshots"] = [{"message": each} for each in snapshots]
    shown |= _where_there(world, message)
    if not nested:
        shown |= _around(server, message, intent)
    if for_event:
        shown |= _for_event(world, channel, message)
    return shown


NO_CONTENT = {"content": "", "attachments": [], "embeds": [], "components": []}


def _content(server, message):
    """What the intent is about. A file that an embed shows stands in the embed only."""
    in_embeds = [attached(message, url) for embed in message.embeds for url in _pictures(embed)]
    files = [each for each in message.attachments if each not in in_embeds]
    return {
        "content": message.content,
        "attachments": [attachment_json(server, each) for each in files],
        "embeds": [_embed(server, message, each) for each in message.embeds],
        "components": [_component(server, message, each) for each in message.components],
    }


def _where_there(world, message):
    """The fields that only some messages have."""
    shown = {}
    if message.reactions:
        shown["reactions"] = [_reaction(world, emoji, users) for emoji, users in message.reactions.items()]
    named = {
        "webhook_id": message.webhook,
        "application_id": message.application,
        "interaction_metadata": message.interaction,
        "message_reference": message.reference,
        "position": message.position,
    }
    return shown | {key: value for key, value in named.items() if value is not None}


def _around(server, message, intent):
    """The thread that hangs on a message, and the message that it refers to."""
    shown, world = {}, server.world
    if message.id in world.channels:
        shown["thread"] = channel_json(world, world.channels[message.id])
    if message.reference and message.type in (REPLY, THREAD_STARTER):
        shown["referenced_message"] = _referenced(server, message, intent)
    return shown


def _for_event(world, channel, message):
    more = {"channel_type": channel.type}
    if message.nonce is not None:
        more["nonce"] = message.nonce
    if channel.guild:
        more["guild_id"] = channel.guild
        member = world.guilds[channel.guild].members.get(message.author)
        if member is not None and message.webhook is None:
            more["member"] = member_json(world, member, with_user=False)
    return more


def _mention(world, channel, user, *, with_member):
    shown = user_json(world.users[user])
    member = world.guilds[channel.guild].members.get(user) if channel.guild else None
    return (
        shown | {"member": member_json(world, member, with_user=False)} if with_member and member else shown
    )


def _referenced(server, message, intent):
    channel = server.world.channels.get(message.reference["channel_id"])
    meant = channel.messages.get(message.reference["message_id"]) if channel else None
    return message_json(server, meant, intent=intent, nested=True) if meant else None


def _author(world, message):
    if message.webhook and message.webhook != world.app.id:
        return {
            "id": message.webhook,
            "username": message.webhook_name,
            "avatar": None,
            "discriminator": "0000",
            "global_name": None,
            "bot": True,
            "public_flags": 0,
        }
    return user_json(world.users[message.author])


def _made_at(snowflake):
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1000


def _pictures(embed):
    """The addresses of an embed's pictures."""
    places = (embed.get("image"), "url"), (embed.get("thumbnail"), "url")
    places += (embed.get("author"), "icon_url"), (embed.get("footer"), "icon_url")
    return [place[key] for place, key in places if place and place.get(key)]


def _embed(server, message, embed):
    """An embed whose pictures are attachments, with the addresses where they now are."""
    shown = dict(embed)
    for place in ("image", "thumbnail", "author", "footer"):
        key = "url" if place in ("image", "thumbnail") else "icon_url"
        kept = attached(message, (shown.get(place) or {}).get(key, ""))
        if kept is not None:
            shown[place] = shown[place] | {key: server.cdn.url(kept)}
    return shown


def _component(server, message, component):
    """A component, with the addresses of its pictures and files."""
    shown = dict(component)
    if "components" in shown:
        shown["components"] = [_component(server, message, each) for each in shown["components"]]
    if "accessory" in shown:
        shown["accessory"] = _component(server, message, shown["accessory"])
    match shown["type"]:
        case rules.THUMBNAIL:
            shown["media"] = _media(server, message, shown["media"])
        case rules.GALLERY:
            items = shown["items"]
            shown["items"] = [each | {"media": _media(server, message, each["media"])} for each in items]
        case rules.FILE:
            kept = attached(message, shown["file"]["url"])
            shown |= {"name": kept.filename, "size": len(kept.data)}
            shown["file"] = _media(server, message, shown["file"])
    return shown


def _media(server, message, media):
    kept = attached(message, media["url"])
    if kept is None:
        return {"url": media["url"], "proxy_url": media["url"]}
    width, height = kept.size_of_picture or (None, None)
    return {
        "url": server.cdn.url(kept),
        "proxy_url": server.cdn.url(kept, proxy=True),
        "width": width,
        "height": height,
        "content_type": kept.content_type,
        "attachment_id": kept.id,
    }


def attached(message, address):
    """The attachment that attachment://NAME means, or None."""
    name = address.removeprefix("attachment://")
    if name == address:
        return None
    return next((each for each in message.attachments if each.filename == unquote(name)), None)


def _reaction(world, emoji, users):
    return {
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "me": world.app.id in users,
        "me_burst": False,
        "emoji": emoji_json(emoji),
        "burst_colors": [],
    }


def emoji_json(emoji):
    """A unicode emoji, or one of the guild's: NAME:ID."""
    name, _, number = emoji.partition(":")
    return {"id": number or None, "name": name}


def _snapshot_json(server, message):
    """What a forwarded message says, without who said it."""
    shown = message_json(server, message, nested=True)
    kept = (
        *("content", "timestamp", "edited_timestamp", "attachments", "embeds", "type", "flags"),
        *("mentions", "mention_roles", "components"),
    )
    return {key: shown[key] for key in kept}


def interaction_place(world, channel, user_id):
    """Where an interaction happens and who does it, as every interaction tells it."""
    if channel.guild is None:
        return {
            "channel_id": channel.id,
            "channel": channel_json(world, channel),
            "user": user_json(world.users[user_id]),
            "app_permissions": str(int(in_channel(world, channel, world.app.id))),
            "authorizing_integration_owners": {"0": "0"},
            "context": 1,
        }
    guild = world.guilds[channel.guild]
    may = in_channel(world, channel, user_id)
    shown = channel_json(world, channel) | {"permissions": str(int(may))}
    return {
        "guild_id": guild.id,
        "guild": {"id": guild.id, "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "channel_id": channel.id,
        "channel": shown,
        "member": member_json(world, guild.members[user_id]) | {"permissions": str(int(may))},
        "app_permissions": str(int(in_channel(world, channel, world.app.id))),
        "authorizing_integration_owners": {"0": guild.id},
        "context": 0,
    }


def is_v2(message):
    return bool(message.flags & COMPONENTS_V2)
