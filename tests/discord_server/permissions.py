"""Who may do what: roles first, then the overwrites of the channel, as Discord computes it.

Follows "Permission Overwrites" and "Implicit Permissions" of Discord's documentation.
"""

from __future__ import annotations

from enum import IntFlag


class Permission(IntFlag):
    CREATE_INVITE = 1 << 0
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CHANGE_NICKNAME = 1 << 26
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    PIN_MESSAGES = 1 << 51


P = Permission
ALL = Permission(0)
for _each in Permission:
    ALL |= _each

# What @everyone has in a new guild.
EVERYONE = (
    *(P.CREATE_INVITE, P.ADD_REACTIONS, P.VIEW_CHANNEL, P.SEND_MESSAGES, P.EMBED_LINKS, P.ATTACH_FILES),
    *(P.READ_MESSAGE_HISTORY, P.MENTION_EVERYONE, P.USE_EXTERNAL_EMOJIS, P.CHANGE_NICKNAME),
    *(P.USE_APPLICATION_COMMANDS, P.CREATE_PUBLIC_THREADS, P.CREATE_PRIVATE_THREADS),
    P.SEND_MESSAGES_IN_THREADS,
)
DM = (
    *(P.ADD_REACTIONS, P.VIEW_CHANNEL, P.SEND_MESSAGES, P.EMBED_LINKS, P.ATTACH_FILES),
    *(P.READ_MESSAGE_HISTORY, P.USE_EXTERNAL_EMOJIS, P.USE_APPLICATION_COMMANDS, P.PIN_MESSAGES),
)
NEEDS_SENDING = P.MENTION_EVERYONE | P.SEND_TTS_MESSAGES | P.ATTACH_FILES | P.EMBED_LINKS
OF_THE_GUILD = P.ADMINISTRATOR | P.MANAGE_GUILD | P.CHANGE_NICKNAME | P.MODERATE_MEMBERS
WHILE_TIMED_OUT = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY


def together(permissions):
    """The union of many."""
    joined = Permission(0)
    for each in permissions:
        joined |= each
    return joined


def of_member(guild, user_id, *, now):
    """What somebody may do in the guild, whatever the channel."""
    if user_id == guild.owner:
        return ALL
    member = guild.members.get(user_id)
    if member is None:
        return Permission(0)
    allowed = together(guild.roles[role].permissions for role in (guild.id, *member.roles))
    if allowed & P.ADMINISTRATOR:
        return ALL
    return allowed & WHILE_TIMED_OUT if member.timed_out_until > now else allowed


def in_channel(world, channel, user_id):
    """What somebody may do in a channel or thread."""
    if channel.guild is None:
        return together(DM) if user_id in channel.recipients else Permission(0)
    guild = world.guilds[channel.guild]
    now = world.clock.now()
    allowed = of_member(guild, user_id, now=now)
    if allowed == ALL or user_id not in guild.members:
        return allowed
    parent = world.channels[channel.parent] if channel.is_thread else channel
    allowed = _overwritten(allowed, parent.overwrites, guild, user_id)
    if guild.members[user_id].timed_out_until > now:
        allowed &= WHILE_TIMED_OUT
    if channel.is_thread and channel.is_private and user_id not in channel.members:
        allowed &= ALL if allowed & P.MANAGE_THREADS else ~P.VIEW_CHANNEL
    if not allowed & P.VIEW_CHANNEL:
        return allowed & OF_THE_GUILD
    if not allowed & (P.SEND_MESSAGES_IN_THREADS if channel.is_thread else P.SEND_MESSAGES):
        allowed &= ~NEEDS_SENDING
    return allowed


def _overwritten(allowed, overwrites, guild, user_id):
    """@everyone's overwrite, then those of all roles at once, then the member's own."""
    roles = [overwrites[role] for role in guild.members[user_id].roles if role in overwrites]
    for layer in ([overwrites.get(guild.id)], roles, [overwrites.get(user_id)]):
        known = [each for each in layer if each is not None]
        allowed &= ~together(each.deny for each in known)
        allowed |= together(each.allow for each in known)
    return allowed
