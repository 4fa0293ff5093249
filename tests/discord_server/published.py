"""What the server sent, as TypeScript that only compiles if it is of the types of `discord-api-types`.

`hold<T>()(value)` takes more fields than T names, as Discord itself sends more, but none of a wrong type
and none missing. `Plain` lets JSON's strings stand for what the types call by an enumeration's name, and any
number for flags, of which the types know single ones only.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.chat_servers.typescript import Types

TYPES = Types(Path(__file__).parent / "types", "discord-api-types")
HEAD = """import type * as api from 'discord-api-types/v10'

type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Field<K, T[K]> } : T
type Field<K, T> = K extends `${string}flags` ? number : Plain<T>
const hold = <T,>() => <U extends Plain<T>>(value: U): U => value
"""
EVENTS = {
    "READY": "GatewayReadyDispatchData",
    "GUILD_CREATE": "GatewayGuildCreateDispatchData",
    "GUILD_DELETE": "{ id: string; unavailable?: boolean }",  # the types ask for a whole guild
    "GUILD_MEMBER_ADD": "GatewayGuildMemberAddDispatchData",
    "GUILD_MEMBER_REMOVE": "GatewayGuildMemberRemoveDispatchData",
    "GUILD_MEMBER_UPDATE": "GatewayGuildMemberUpdateDispatchData",
    "GUILD_MEMBERS_CHUNK": "GatewayGuildMembersChunkDispatchData",
    "GUILD_ROLE_CREATE": "GatewayGuildRoleCreateDispatchData",
    "GUILD_ROLE_UPDATE": "GatewayGuildRoleUpdateDispatchData",
    "CHANNEL_CREATE": "GatewayChannelCreateDispatchData",
    "CHANNEL_UPDATE": "GatewayChannelUpdateDispatchData",
    "CHANNEL_DELETE": "GatewayChannelDeleteDispatchData",
    "THREAD_CREATE": "GatewayThreadCreateDispatchData",
    "THREAD_UPDATE": "GatewayThreadUpdateDispatchData",
    "THREAD_DELETE": "GatewayThreadDeleteDispatchData",
    "THREAD_LIST_SYNC": "GatewayThreadListSyncDispatchData",
    "THREAD_MEMBERS_UPDATE": "GatewayThreadMembersUpdateDispatchData",
    "MESSAGE_CREATE": "GatewayMessageCreateDispatchData",
    "MESSAGE_UPDATE": "GatewayMessageUpdateDispatchData",
    "MESSAGE_DELETE": "GatewayMessageDeleteDispatchData",
    "MESSAGE_DELETE_BULK": "GatewayMessageDeleteBulkDispatchData",
    "MESSAGE_REACTION_ADD": "GatewayMessageReactionAddDispatchData",
    "MESSAGE_REACTION_REMOVE": "GatewayMessageReactionRemoveDispatchData",
    "MESSAGE_REACTION_REMOVE_ALL": "GatewayMessageReactionRemoveAllDispatchData",
    "TYPING_START": "GatewayTypingStartDispatchData",
    "INTERACTION_CREATE": "GatewayInteractionCreateDispatchData",
}
ANSWERS = {
    "get_current_user": "RESTGetAPICurrentUserResult",
    "get_application": "RESTGetCurrentApplicationResult",
    "get_oauth2_application": "RESTGetAPIOAuth2CurrentApplicationResult",
    "get_gateway": "RESTGetAPIGatewayResult",
    "get_gateway_bot": "RESTGetAPIGatewayBotResult",
    "get_current_user_guilds": "RESTGetAPICurrentUserGuildsResult",
    "get_user": "RESTGetAPIUserResult",
    "create_dm": "RESTPostAPICurrentUserCreateDMChannelResult",
    "get_guild": "RESTGetAPIGuildResult",
    "get_guild_channels": "RESTGetAPIGuildChannelsResult",
    "get_guild_roles": "RESTGetAPIGuildRolesResult",
    "get_guild_member": "RESTGetAPIGuildMemberResult",
    "list_guild_members": "RESTGetAPIGuildMembersResult",
    "list_active_threads": "RESTGetAPIGuildThreadsResult",
    "get_channel": "RESTGetAPIChannelResult",
    "modify_channel": "RESTPatchAPIChannelResult",
    "delete_channel": "RESTDeleteAPIChannelResult",
    "start_thread_from_message": "RESTPostAPIChannelMessagesThreadsResult",
    "start_thread": "RESTPostAPIChannelThreadsResult",
    "list_thread_members": "RESTGetAPIChannelThreadMembersResult",
    "list_public_archived_threads": "RESTGetAPIChannelThreadsArchivedPublicResult",
    "create_message": "RESTPostAPIChannelMessageResult",
    "get_messages": "RESTGetAPIChannelMessagesResult",
    "get_message": "RESTGetAPIChannelMessageResult",
    "edit_message": "RESTPatchAPIChannelMessageResult",
    "get_reactions": "RESTGetAPIChannelMessageReactionUsersResult",
    "list_commands": "RESTGetAPIApplicationCommandsResult",
    "bulk_overwrite_commands": "RESTPutAPIApplicationCommandsResult",
    "create_interaction_response": "RESTPostAPIInteractionCallbackWithResponseResult",
    "create_followup": "RESTPostAPIInteractionFollowupResult",
    "get_webhook_message": "RESTGetAPIInteractionFollowupResult",
    "edit_webhook_message": "RESTPatchAPIInteractionFollowupResult",
    "refresh_urls": "{ refreshed_urls: { original: string; refreshed: string }[] }",
}


def source_of(sent):
    """TypeScript of all that was sent: (what, JSON) as the server recorded it."""
    lines = [HEAD]
    for what, data in sent:
        kind = EVENTS.get(what) or ANSWERS.get(what.removeprefix("answer "))
        if kind is not None and data is not None:
            named = kind if kind.startswith("{") else f"api.{kind}"
            lines.append(f"hold<{named}>()({json.dumps(data)})")
        elif what.startswith("error "):
            lines.append(f"hold<api.RESTError | api.RESTRateLimit>()({json.dumps(data)})")
    return "\n".join(dict.fromkeys(lines)) + "\n"
