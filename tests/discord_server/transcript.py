"""What was seen in a channel, as JSON that `draw` takes."""

from __future__ import annotations

import base64
import json

from tests.discord_server.shapes import message_json


def transcript(server, channel):
    """The messages of a channel and its threads, thread by thread. Addresses here become Discord's."""
    place = server.place(channel)
    places = [place, *server.world.threads_of(place)]
    seen = [(_order(place, each), _shown(server, each)) for where in places for each in _all(server, where)]
    seen.sort(key=lambda each: each[0])
    text = json.dumps([shown for _, shown in seen], ensure_ascii=False)
    text = text.replace(f"{server.base}/media", "https://media.discordapp.net")
    return {
        "channel": place.name,
        "id": place.id,
        "people": {user.id: user.name for user in server.world.users.values()},
        "messages": json.loads(text.replace(server.base, "https://cdn.discordapp.com")),
        "pictures": {
            each.id: base64.b64encode(each.data).decode()
            for each in server.world.attachments.values()
            if each.content_type.startswith("image/")
        },
    }


def _all(server, channel):
    """What is said there, and what only one person sees."""
    whispered = [
        each for user in server.world.users.values() for each in user.whispers if each.channel == channel.id
    ]
    return [*channel.messages.values(), *whispered]


def _order(channel, message):
    """A thread stands behind the message that it hangs on, or where it was begun."""
    thread = message.id if message.channel == channel.id else message.channel
    return int(thread), message.channel != channel.id, int(message.id)


def _shown(server, message):
    shown = message_json(server, message)
    return shown | ({"ephemeral_to": message.ephemeral_to} if message.ephemeral_to else {})
