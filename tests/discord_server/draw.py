"""A recorded conversation in Discord as a page and as a picture, drawn as Slack's are.

A message is brought to the blocks that are drawn there: Markdown, small lines, pictures, buttons.
"""

from __future__ import annotations

import json
import re

from tests.chat_servers import draw
from tests.discord_server import rules

_SMALL = re.compile(r"^-# ", re.MULTILINE)
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_DRAWABLE = str.maketrans({"👍": ":+1:", "👎": ":-1:", "👀": ":eyes:", "✅": "✔", "\ufe0f": None})


def page(conversation):
    """The whole as one HTML file that needs nothing else."""
    return draw.page(_drawn(conversation))


def picture(conversation):
    """The whole as a PNG; emoji that its font has not are drawn by their names."""
    plain = json.dumps(_drawn(conversation), ensure_ascii=False).translate(_DRAWABLE)
    return draw.picture(json.loads(plain))


def _drawn(conversation):
    shown = [_message(each, conversation) for each in conversation["messages"] if _has_words(each)]
    kept = {key: conversation[key] for key in ("channel", "people", "pictures")}
    return kept | {"messages": shown}


def _has_words(message):
    """The line that only says what a thread hangs on is drawn as the thread's indent."""
    return message["type"] not in (18, 21)


def _message(message, conversation):
    thread = message["channel_id"] if message["channel_id"] != conversation["id"] else message["id"]
    drawn = {
        "user": message["author"]["id"],
        "ts": message["id"],
        "thread_ts": thread,
        "text": "",
        "blocks": [
            *_text(message["content"]),
            *_embeds(message),
            *_components(message["components"]),
            *_reactions(message),
        ],
        "files": [{"id": each["id"], "name": each["filename"]} for each in message["attachments"]],
    }
    if message["author"].get("bot"):
        drawn["bot_id"] = message["author"]["id"]
    if message["edited_timestamp"]:
        drawn["edited"] = {}
    if message.get("ephemeral_to"):
        drawn |= {"is_ephemeral": True, "ephemeral_to": message["ephemeral_to"]}
    return drawn


def _reactions(message):
    labels = [f"{each['emoji']['name']} {each['count']}" for each in message.get("reactions") or ()]
    return [_buttons(labels)] if labels else []


def _buttons(labels):
    return {"type": "actions", "elements": [{"type": "button", "text": {"text": each}} for each in labels]}


def _text(content):
    """Markdown, and the lines that Discord draws small."""
    blocks, lines = [], []
    for line in _EMOJI.sub(r"\1", content).splitlines():
        if _SMALL.match(line):
            blocks += [*_markdown(lines), _small(line[3:])]
            lines = []
        else:
            lines.append(line)
    return blocks + _markdown(lines)


def _markdown(lines):
    text = "\n".join(lines).strip()
    return [{"type": "markdown", "text": text}] if text else []


def _small(text):
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _embeds(message):
    blocks = []
    for embed in message["embeds"]:
        title, footer = embed.get("title"), (embed.get("footer") or {}).get("text")
        blocks += _text(f"**{title}**") if title else []
        blocks += _text(embed.get("description") or "")
        for field in embed.get("fields") or ():
            blocks += _text(f"**{field['name']}**\n{field['value']}")
        blocks += _picture((embed.get("image") or {}).get("url"), title or "Figure")
        blocks += [_small(footer)] if footer else []
    return blocks


def _picture(url, title):
    """A picture of ours; its address holds the attachment's id."""
    found = re.search(r"/(?:ephemeral-)?attachments/\d+/(\d+)/", url or "")
    if found is None:
        return []
    return [{"type": "image", "alt_text": title, "slack_file": {"id": found.group(1)}}]


def _components(components):
    blocks = []
    for each in components:
        match each["type"]:
            case rules.ROW:
                blocks.append(_buttons([_label(inner) for inner in each["components"]]))
            case rules.TEXT_DISPLAY:
                blocks += _text(each["content"])
            case rules.SEPARATOR:
                blocks.append({"type": "divider"})
            case rules.GALLERY:
                for item in each["items"]:
                    blocks += _picture(item["media"]["url"], item.get("description") or "Figure")
            case _:
                blocks += _components(rules.children(each))
    return blocks


def _label(component):
    emoji = (component.get("emoji") or {}).get("name") or ""
    return f"{emoji} {component.get('label') or component.get('placeholder') or ''}".strip()
