"""chat.*, reactions.* and assistant.threads.*: what the app says."""

from __future__ import annotations

from tests.slack_server import rules
from tests.slack_server.api import method
from tests.slack_server.shapes import message_json
from tests.slack_server.world import Message, SlackError, Stream

STREAM_SECONDS = 306.0  # measured by others: from the start, whatever is appended
STATUS_CHARS = 50
LOADING_MESSAGES = 10


def _post_place(call, key="channel"):
    """The channel to post in. A user's id stands for the DM with them."""
    wanted = call.need(key, "channel_not_found")
    user = call.world.users.get(wanted)
    if user is not None and user.team == call.token.team:
        return call.world.direct_channel(call.token.user, user.id)
    by_name = next(
        (channel.id for channel in call.world.channels.values() if channel.name == wanted.lstrip("#") != ""),
        wanted,
    )
    channel = call.world.channel_for(call.token, by_name)
    if channel.archived:
        raise SlackError("is_archived")
    if call.token.user not in channel.members:
        public = channel.type == "channel" and "chat:write.public" in call.token.scopes
        if not public:
            raise SlackError("not_in_channel")
    if channel.read_only:
        raise SlackError("restricted_action_read_only_channel")
    return channel


def _content(call, *, limit):
    """(text, blocks, attachments), checked."""
    text, blocks, attachments = call.get("text") or "", call.get("blocks"), call.get("attachments") or []
    markdown = call.get("markdown_text")
    if markdown:
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > rules.MAX_MARKDOWN:
            raise SlackError("msg_too_long")
        return markdown, [{"type": "markdown", "text": markdown}], []
    if blocks:
        rules.check_blocks(blocks, surface="message")
        _check_pictures(call, blocks)
    if not isinstance(text, str) or not (text.strip() or blocks or attachments):
        raise SlackError("no_text")
    if limit is not None and len(text) > limit:
        raise SlackError("msg_too_long")
    if len(attachments) > 100:
        raise SlackError("too_many_attachments")
    return text[: rules.MAX_TEXT], rules.named(call.world, blocks or []), attachments


def _check_pictures(call, blocks):
    """A Slack file that is shown must be one that the app may see, and ready."""
    for number, block in enumerate(blocks):
        shown = block.get("slack_file") if block["type"] == "image" else None
        if shown is None:
            continue
        wanted = shown.get("id") or shown.get("url", "").rpartition("-")[2].partition("/")[0]
        file = call.world.files.get(wanted)
        missing = file is None or file.deleted or not call.world.can_see_file(call.token.user, file)
        if missing or call.world.clock.now() < file.taken_in_at:
            pointer = f"invalid slack file [json-pointer:/blocks/{number}/slack_file/id]"
            raise SlackError(
                "invalid_blocks", errors=[pointer], response_metadata={"messages": [f"[ERROR] {pointer}"]}
            )


def _metadata(call):
    metadata = call.get("metadata")
    if metadata:
        rules.check_metadata(metadata)
    return metadata or None


def _thread(call, channel):
    """The ts of the thread's first message, also where a reply's was given; None outside of threads."""
    wanted = call.get("thread_ts")
    if not wanted:
        return None
    parent = channel.messages.get(str(wanted))
    if parent is None:
        raise SlackError("thread_not_found")
    return parent.thread_ts or parent.ts


def _as_app(call, channel, text, *, thread_ts=None, **more):
    """A message of the app's."""
    if thread_ts is not None:
        parent = channel.messages[thread_ts]
        parent.thread_ts = parent.ts
    identity = {"bot_id": call.installation.bot_id, "app_id": call.world.app.id} if call.is_app else {}
    return Message(
        channel.id,
        call.world.clock.ts(),
        call.token.user,
        text,
        call.token.team,
        thread_ts,
        **identity,
        **more,
    )


@method("chat.postMessage", scopes=("chat:write",), tier=4)
async def post_message(call):
    channel = _post_place(call)
    text, blocks, attachments = _content(call, limit=None)
    message = _as_app(
        call,
        channel,
        text,
        thread_ts=_thread(call, channel),
        blocks=blocks,
        attachments=attachments,
        metadata=_metadata(call),
        broadcast=call.flag("reply_broadcast"),
        unfurls=(call.flag("unfurl_links", default=not call.is_app), call.flag("unfurl_media", default=True)),
    )
    if message.broadcast and message.thread_ts:
        message.subtype = "thread_broadcast"
    call.server.add_message(message)
    return {"channel": channel.id, "ts": message.ts, "message": _shown(call, message)}


def _shown(call, message):
    return message_json(call.world, message, base=call.server.base, in_list=False, with_metadata=True)


@method("chat.postEphemeral", scopes=("chat:write",), tier=4)
async def post_ephemeral(call):
    channel = _post_place(call)
    user = call.need("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    text, blocks, attachments = _content(call, limit=None)
    message = _as_app(call, channel, text, blocks=blocks, attachments=attachments, ephemeral_to=user)
    message.thread_ts = call.get("thread_ts")
    call.server.whisper(message)
    return {"message_ts": message.ts}


def _own(call, channel, error):
    message = call.world.message_for(channel, call.need("ts"))
    if message.user != call.token.user:
        raise SlackError(error)
    return message


@method("chat.update", scopes=("chat:write",), tier=3)
async def update(call):
    channel = call.channel()
    message = _own(call, channel, "cant_update_message")
    expire(call.server, message)
    if message.stream and message.stream.state == "in_progress":
        raise SlackError("streaming_state_conflict")
    text, blocks, attachments = _content(call, limit=rules.MAX_UPDATED_TEXT)
    metadata = _metadata(call) if call.get("metadata") is not None else message.metadata
    call.server.change_message(
        message,
        text=text,
        blocks=blocks if call.get("blocks") is not None or call.get("text") is not None else message.blocks,
        attachments=attachments,
        metadata=metadata,
        edited={"user": call.token.user, "ts": call.world.clock.ts()},
    )
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": _shown(call, message)}


@method("chat.delete", scopes=("chat:write",), tier=3)
async def delete(call):
    channel = call.channel()
    message = _own(call, channel, "cant_delete_message")
    call.server.delete_message(message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.getPermalink", tier=4)
async def get_permalink(call):
    channel = call.channel()
    message = call.world.message_for(channel, call.need("message_ts"))
    return {"channel": channel.id, "permalink": call.world.permalink(channel, message.ts, message.thread_ts)}


# ------------------------------------------------------------------ streaming


@method("chat.startStream", scopes=("chat:write",), tier=2)
async def start_stream(call):
    channel = _post_place(call)
    call.need("thread_ts")
    thread_ts = _thread(call, channel)
    recipient = call.get("recipient_user_id")
    if channel.type != "im":
        if not recipient:
            raise SlackError("missing_recipient_user_id")
        if not call.get("recipient_team_id"):
            raise SlackError("missing_recipient_team_id")
        if call.get("recipient_team_id") not in call.world.teams:
            raise SlackError("team_not_found")
        if recipient not in call.world.users:
            raise SlackError("user_not_found")
    if call.get("task_display_mode", "timeline") not in ("timeline", "plan"):
        raise SlackError("invalid_arguments")
    stream = Stream(call.world.clock.now(), recipient)
    _append(call, stream, may_be_empty=True)
    message = _as_app(call, channel, "", thread_ts=thread_ts, stream=stream)
    _draw(message)
    call.server.add_message(message)
    return {"channel": channel.id, "ts": message.ts}


def _append(call, stream, *, may_be_empty):
    """What a call brings along, into the stream."""
    markdown, chunks = call.get("markdown_text"), call.get("chunks")
    if markdown and chunks:
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    if not markdown and not chunks:
        if may_be_empty:
            return
        raise SlackError("no_text")
    texts, tasks, blocks = [markdown] if markdown else [], {}, []
    for chunk in chunks or []:
        match chunk:
            case {"type": "markdown_text", "text": str(text)}:
                texts.append(text)
            case {"type": "task_update", "id": str(task), "title": str(), "status": str()}:
                tasks[task] = chunk
            case {"type": "plan_update", "title": str()}:
                pass
            case {"type": "blocks", "blocks": list(more)}:
                rules.check_blocks(more, surface="message")
                blocks += more
            case _:
                raise SlackError("invalid_chunks")
    if any(len(text) > rules.MAX_MARKDOWN for text in texts):
        raise SlackError("msg_too_long")
    stream.appended += texts
    stream.tasks |= tasks
    stream.blocks += blocks


def _draw(message):
    """A streamed message is its Markdown so far, and the blocks at its end."""
    stream = message.stream
    message.text = stream.markdown
    body = (
        [{"type": "markdown", "text": stream.markdown, "block_id": "streamed"}]
        if stream.markdown.strip()
        else []
    )
    message.blocks = [*body, *stream.blocks]


def expire(server, message):
    """A stream that was not stopped in time is over; what it says stays."""
    stream = message.stream
    over = stream and stream.state == "in_progress" and server.clock.now() - stream.begun > STREAM_SECONDS
    if over:
        stream.state = "errored"
        server.touch()


def _streaming(call):
    channel = call.channel()
    message = call.world.message_for(channel, call.need("ts"))
    if message.user != call.token.user:
        raise SlackError("message_not_owned_by_app")
    expire(call.server, message)
    if message.stream and message.stream.state == "stopped_by_user":
        raise SlackError("stopped_by_user")
    if message.stream is None or message.stream.state != "in_progress":
        raise SlackError("message_not_in_streaming_state")
    return channel, message


@method("chat.appendStream", scopes=("chat:write",), tier=4)
async def append_stream(call):
    channel, message = _streaming(call)
    _append(call, message.stream, may_be_empty=False)
    _draw(message)
    call.server.touch()
    return {"channel": channel.id, "ts": message.ts}


@method("chat.stopStream", scopes=("chat:write",), tier=2)
async def stop_stream(call):
    channel, message = _streaming(call)
    metadata = _metadata(call)
    blocks = call.get("blocks")
    if blocks:
        rules.check_blocks(blocks, surface="message")
        _check_pictures(call, blocks)
    _append(call, message.stream, may_be_empty=True)
    message.stream.blocks += rules.named(call.world, blocks or [])
    if rules.text_length(message.stream.blocks) > rules.MAX_BLOCKS_TEXT:
        raise SlackError("msg_blocks_too_long")
    message.stream.state = "completed"
    message.metadata = metadata or message.metadata
    _draw(message)
    call.server.say_changed(message)
    return {"channel": channel.id, "ts": message.ts, "message": _shown(call, message)}


# ------------------------------------------------------------------ reactions


def _reacted(call):
    channel = call.channel()
    name = call.need("name").strip(":")
    return channel, call.world.message_for(channel, call.need("timestamp")), name


@method("reactions.add", scopes=("reactions:write",))
async def add_reaction(call):
    _, message, name = _reacted(call)
    call.server.react(message, call.token.user, name)
    return {}


@method("reactions.remove", scopes=("reactions:write",), tier=2)
async def remove_reaction(call):
    _, message, name = _reacted(call)
    call.server.unreact(message, call.token.user, name)
    return {}


@method("reactions.get", scopes=("reactions:read",))
async def get_reactions(call):
    channel = call.channel()
    message = call.world.message_for(channel, call.need("timestamp"))
    return {
        "type": "message",
        "channel": channel.id,
        "message": message_json(call.world, message, base=call.server.base)
        | {"permalink": call.world.permalink(channel, message.ts, message.thread_ts)},
    }


# ------------------------------------------------------------------ assistant


@method("assistant.threads.setStatus", scopes=("chat:write", "assistant:write"))
async def set_status(call):
    channel = call.channel("channel_id")
    thread_ts = call.need("thread_ts")
    status = call.get("status", "")
    if len(call.get("loading_messages") or []) > LOADING_MESSAGES:
        raise SlackError("invalid_arguments")
    call.server.show_status(channel, thread_ts, status)
    return {}


@method("assistant.threads.setTitle", scopes=("assistant:write",))
async def set_title(call):
    channel = call.channel("channel_id")
    channel.titles[call.need("thread_ts")] = call.need("title")
    call.server.touch()
    return {}


@method("assistant.threads.setSuggestedPrompts", scopes=("assistant:write",))
async def set_suggested_prompts(call):
    channel = call.channel("channel_id")
    prompts = call.need("prompts")
    if not 1 <= len(prompts) <= 4 or any(prompt.keys() != {"title", "message"} for prompt in prompts):
        raise SlackError("invalid_arguments")
    channel.prompts[call.get("thread_ts", "")] = prompts
    call.server.touch()
    return {}
