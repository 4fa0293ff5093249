"""files.* and views.*: what is sent up, and what is opened."""

from __future__ import annotations

import mimetypes
import secrets

from tests.slack_server import rules
from tests.slack_server.api import method
from tests.slack_server.shapes import file_json, view_json
from tests.slack_server.world import Message, SlackError, View

MODALS = 3  # that may lie on one another


@method("files.info", scopes=("files:read",), tier=4)
async def files_info(call):
    file = _visible(call, call.need("file"))
    return {
        "file": file_json(call.world, file, base=call.server.base, in_full=True),
        "comments": [],
        "response_metadata": {"next_cursor": ""},
    }


def _visible(call, file_id):
    file = call.world.files.get(file_id)
    if file is None or not call.world.can_see_file(call.token.user, file):
        raise SlackError("file_not_found")
    if file.deleted:
        raise SlackError("file_deleted")
    return file


@method("files.delete", scopes=("files:write",))
async def files_delete(call):
    file = _visible(call, call.need("file"))
    if file.user != call.token.user:
        raise SlackError("cant_delete_file")
    file.deleted = True
    call.server.touch()
    return {}


@method("files.getUploadURLExternal", scopes=("files:write",), tier=4)
async def get_upload_url(call):
    name, length = call.need("filename"), call.number("length", 0)
    if length <= 0:
        raise SlackError("invalid_arguments")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = call.world.add_file(name, b"", kind, call.token.user, alt_text=call.get("alt_txt") or "")
    ticket = secrets.token_urlsafe(16)
    call.server.uploads[ticket] = (file.id, length)
    return {"upload_url": f"{call.server.base}/upload/v1/{ticket}", "file_id": file.id}


@method("files.completeUploadExternal", scopes=("files:write",), tier=4)
async def complete_upload(call):
    given = call.need("files")
    if not isinstance(given, list):
        raise SlackError("invalid_arguments")
    files = [call.world.files.get(each.get("id")) for each in given]
    if any(file is None or file.user != call.token.user or not file.data for file in files):
        raise SlackError("file_not_found")
    for file, each in zip(files, given, strict=True):
        file.title = each.get("title") or file.name
        file.taken_in_at = call.world.clock.now() + call.server.taking_in_seconds
    wanted = call.get("channel_id") or call.get("channels")
    for channel_id in str(wanted).split(",") if wanted else ():
        _share(call, channel_id, files)
    call.server.touch()
    return {"files": [file_json(call.world, file, base=call.server.base) for file in files]}


def _share(call, channel_id, files):
    channel = call.world.channel_for(call.token, channel_id)
    if call.token.user not in channel.members:
        raise SlackError("not_in_channel")
    thread_ts = call.get("thread_ts")
    if thread_ts and thread_ts not in channel.messages:
        raise SlackError("thread_not_found")
    identity = {"bot_id": call.installation.bot_id, "app_id": call.world.app.id} if call.is_app else {}
    call.server.add_message(
        Message(
            channel.id,
            call.world.clock.ts(),
            call.token.user,
            call.get("initial_comment") or "",
            call.token.team,
            thread_ts,
            files=[file.id for file in files],
            subtype="file_share",
            **identity,
        )
    )


# ---------------------------------------------------------------------- views


def _open(call, *, previous):
    """Put a modal on top of the stack of the trigger's person."""
    view = call.need("view")
    rules.check_view(view, kinds=("modal",))
    user = call.server.triggers.take(call.get("trigger_id") or call.get("interactivity_pointer"))
    stack = user.modals
    if previous and len(stack) >= MODALS:
        raise SlackError("push_limit_reached")
    external = view.get("external_id")
    if external and any(each.data.get("external_id") == external for each in call.world.views.values()):
        raise SlackError("duplicate_external_id")
    new_id = call.world.new_id("V")
    below = stack[-1] if previous and stack else None
    root = call.world.views[below].root if below else new_id
    view = view | {"blocks": rules.named(call.world, view["blocks"])}
    made = View(new_id, call.token.team, user.id, view, _hash(call), root, below)
    call.world.views[new_id] = made
    if not previous:
        stack.clear()
    stack.append(new_id)
    call.server.touch()
    return {"view": view_json(call.world, made)}


def _hash(call):
    return f"{int(call.world.clock.now())}.{secrets.token_hex(4)}"


@method("views.open", tier=4)
async def views_open(call):
    return _open(call, previous=False)


@method("views.push", tier=4)
async def views_push(call):
    return _open(call, previous=True)


@method("views.update", tier=4)
async def views_update(call):
    view = call.need("view")
    rules.check_view(view, kinds=("modal", "home"))
    wanted = call.get("view_id")
    external = call.get("external_id")
    found = call.world.views.get(wanted) or next(
        (each for each in call.world.views.values() if external and each.data.get("external_id") == external),
        None,
    )
    if found is None or found.team != call.token.team:
        raise SlackError("not_found")
    if call.get("hash") and call.get("hash") != found.hash:
        raise SlackError("hash_conflict")
    replace_view(call.world, found, view)
    call.server.touch()
    return {"view": view_json(call.world, found)}


def replace_view(world, view, data):
    """Other blocks; what was typed stays where the names of block and action are the same."""
    data = data | {"blocks": rules.named(world, data["blocks"])}
    view.data, view.hash, view.errors = data, f"{int(world.clock.now())}.{secrets.token_hex(4)}", {}
    names = {
        (block.get("block_id"), element.get("action_id"))
        for block in data["blocks"]
        for element in rules.elements_of(block)
    }
    view.state = {
        block: {action: value for action, value in values.items() if (block, action) in names}
        for block, values in view.state.items()
    }


@method("views.publish", tier=4)
async def views_publish(call):
    view = call.need("view")
    rules.check_view(view, kinds=("home",))
    user = call.world.users.get(call.need("user_id"))
    if user is None or user.team != call.token.team:
        raise SlackError("user_not_found")
    shown = call.world.views.get(user.home)
    if shown is None:
        view = view | {"blocks": rules.named(call.world, view["blocks"])}
        new_id = call.world.new_id("V")
        shown = View(new_id, call.token.team, user.id, view, _hash(call), new_id)
        call.world.views[new_id] = shown
        user.home = new_id
    elif call.get("hash") and call.get("hash") != shown.hash:
        raise SlackError("hash_conflict")
    else:
        replace_view(call.world, shown, view)
    call.server.touch()
    return {"view": view_json(call.world, shown)}
