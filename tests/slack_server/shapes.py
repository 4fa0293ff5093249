"""What is kept, as the JSON that Slack shows of it: messages, files, views."""

from __future__ import annotations

PRETTY = {
    "image/png": ("png", "PNG"),
    "image/jpeg": ("jpg", "JPEG"),
    "image/gif": ("gif", "GIF"),
    "image/webp": ("webp", "WebP"),
    "application/pdf": ("pdf", "PDF"),
    "text/plain": ("text", "Plain Text"),
    "text/markdown": ("markdown", "Markdown (raw)"),
    "text/csv": ("csv", "CSV"),
}


def message_json(world, message, *, base, with_metadata=False, in_list=True):
    """A message as history shows it; `in_list` adds what is counted (replies, reactions)."""
    shown = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": message.team,
    }
    if message.bot_id:
        shown |= _bot(world, message)
    if message.files:
        shown |= {"files": [file_json(world, world.files[file], base=base) for file in message.files]}
        shown["upload"] = False
    if message.stream:
        shown["streaming_state"] = _streaming_state(message.stream)
    for name in ("client_msg_id", "subtype", "blocks", "attachments", "edited", "thread_ts"):
        if value := getattr(message, name):
            shown[name] = value
    if in_list:
        shown |= _counted(world, message)
    if with_metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown


def _bot(world, message):
    """Who the app is, in each of its messages."""
    profile = {
        "id": message.bot_id,
        "deleted": False,
        "name": world.app.name,
        "updated": 1_700_000_000,
        "app_id": message.app_id,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
        "team_id": message.team,
    }
    return {"bot_id": message.bot_id, "app_id": message.app_id, "bot_profile": profile}


def _streaming_state(stream):
    return "completed" if stream.state == "stopped_by_user" else stream.state


def _counted(world, message):
    shown = {}
    channel = world.channels[message.channel]
    if message.thread_ts == message.ts and (replies := channel.replies_to(message.ts)):
        people = list(dict.fromkeys(reply.user for reply in replies))
        shown |= {
            "reply_count": len(replies),
            "reply_users_count": len(people),
            "latest_reply": replies[-1].ts,
            "reply_users": people[:5],
            "is_locked": False,
            "subscribed": False,
        }
    if message.is_reply and message.thread_ts in channel.messages:
        shown["parent_user_id"] = channel.messages[message.thread_ts].user
    if message.reactions:
        shown["reactions"] = [
            {"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()
        ]
    return shown


def file_json(world, file, *, base, in_full=False):
    """A file; one from outside the organisation shows nothing but where to ask, unless `in_full`."""
    if file.from_outside and not in_full:
        return {
            "id": file.id,
            "created": 0,
            "timestamp": 0,
            "mode": "file_access",
            "file_access": "check_file_info",
            "user": file.user,
        }
    taken_in = world.clock.now() >= file.taken_in_at
    kind, pretty = PRETTY.get(file.mimetype, ("binary", "Binary")) if taken_in else ("", "")
    private = f"{base}/files-pri/{file.team}-{file.id}"
    domain = world.teams[file.team].domain
    by_type = {"channel": [], "group": [], "im": []}
    for channel in sorted(file.channels):
        by_type[{"mpim": "group"}.get(world.channels[channel].type, world.channels[channel].type)].append(
            channel
        )
    return (
        {
            "id": file.id,
            "created": file.created,
            "timestamp": file.created,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": file.mimetype if taken_in else "",
            "filetype": kind,
            "pretty_type": pretty,
            "user": file.user,
            "user_team": file.team,
            "editable": False,
            "size": len(file.data),
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": bool(by_type["channel"]),
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": f"{private}/{file.name}",
            "url_private_download": f"{private}/download/{file.name}",
            "media_display_type": "unknown",
            "permalink": f"https://{domain}.slack.com/files/{file.user}/{file.id}/{file.name}",
            "permalink_public": f"https://slack-files.com/{file.team}-{file.id}-0123456789",
            "is_starred": False,
            "has_rich_preview": False,
            "file_access": "visible",
            "channels": by_type["channel"],
            "groups": by_type["group"],
            "ims": by_type["im"],
        }
        | _kept_elsewhere(file)
        | ({"alt_txt": file.alt_text} if file.alt_text else {})
    )


def _kept_elsewhere(file):
    if file.external_url is None:
        return {}
    url = file.external_url
    return {"mode": "external", "is_external": True, "external_type": "gdrive"} | {
        "url_private": url,
        "url_private_download": url,
    }


def view_json(world, view):
    """A view as Slack gives it back to the app, with what was typed into it."""
    data = view.data
    installation = world.installations[view.team]
    return {
        "id": view.id,
        "team_id": view.team,
        "type": data["type"],
        "blocks": data["blocks"],
        "private_metadata": data.get("private_metadata", ""),
        "callback_id": data.get("callback_id", ""),
        "state": {"values": view.state},
        "hash": view.hash,
        "title": _plain(data.get("title")) or {"type": "plain_text", "text": "View Title", "emoji": True},
        "clear_on_close": data.get("clear_on_close", False),
        "notify_on_close": data.get("notify_on_close", False),
        "close": _plain(data.get("close")),
        "submit": _plain(data.get("submit")),
        "previous_view_id": view.previous,
        "root_view_id": view.root,
        "app_id": world.app.id,
        "external_id": data.get("external_id", ""),
        "app_installed_team_id": view.team,
        "bot_id": installation.bot_id,
    }


def _plain(text):
    return (
        None
        if text is None
        else {"type": "plain_text", "text": text["text"], "emoji": text.get("emoji", True)}
    )


def rich_text(text):
    """What a person typed, as the block that Slack's own clients send along."""
    return [
        {
            "type": "rich_text",
            "block_id": "typed",
            "elements": [{"type": "rich_text_section", "elements": _rich_elements(text)}],
        }
    ]


def _rich_elements(text):
    elements, rest = [], text
    while rest:
        before, opening, after = rest.partition("<@")
        if before:
            elements.append({"type": "text", "text": before})
        if not opening:
            break
        user, closing, rest = after.partition(">")
        elements.append(
            {"type": "user", "user_id": user} if closing else {"type": "text", "text": "<@" + user}
        )
    return elements or [{"type": "text", "text": text}]
