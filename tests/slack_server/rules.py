"""Slack's rules for what is posted and opened: blocks, views, metadata, their limits and required fields.

Each check gives the complaints, as Slack words them: "must be less than 3001 characters [json-pointer:...]".
From the reference of Block Kit; combined text fails near 13,200 characters (measured by others).
"""

from __future__ import annotations

import json
import re

from tests.slack_server.world import SlackError

MAX_BLOCKS = {"message": 50, "modal": 100, "home": 100}
MAX_TEXT = 40_000  # posted: cut there
MAX_UPDATED_TEXT = 4_000
MAX_BLOCKS_TEXT = 13_200
MAX_MARKDOWN = 12_000
MAX_METADATA = 16_000

_BUTTONS = {"button", "workflow_button"}
_SELECTS = {
    f"{multi}{kind}_select"
    for multi in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
}
_PICKERS = {"datepicker", "timepicker", "datetimepicker", "overflow", "checkboxes", "radio_buttons"}
_INPUTS = {
    "plain_text_input",
    "rich_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "file_input",
    "checkboxes",
    "radio_buttons",
    "datepicker",
    "timepicker",
    "datetimepicker",
} | _SELECTS
_ELEMENTS = {
    "section": _BUTTONS | _SELECTS | _PICKERS | {"image"},
    "actions": _BUTTONS | _SELECTS | _PICKERS | {"rich_text_input"},
    "context_actions": {"feedback_buttons", "icon_button"},
    "input": _INPUTS,
}
_SURFACES = {  # where a block may not be
    "input": {"message", "modal", "home"},
    "markdown": {"message"},
    "context_actions": {"message"},
    "file": set(),
    "task_card": {"message"},
    "plan": {"message"},
    "table": {"message"},
}
_RICH = {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}


class Complaints(list):
    """What is wrong, each with the pointer to where."""

    def say(self, what, where):
        self.append(f"{what} [json-pointer:{where}]")

    def need(self, holder, key, where, kinds=(str,)):
        """The value of a required field, or None and a complaint."""
        value = holder.get(key)
        if value is None:
            self.say(f"missing required field: {key}", where)
        elif not isinstance(value, kinds):
            self.say(f"must provide a {kinds[0].__name__}", f"{where}/{key}")
            return None
        return value

    def limit(self, value, limit, where, *, least=1):
        if len(value) > limit:
            self.say(f"must be less than {limit + 1} {_unit(value)}", where)
        if len(value) < least:
            self.say(f"must be more than {least - 1} {_unit(value)}", where)

    def text(self, value, where, *, limit, kinds=("plain_text",)):
        """A text object."""
        if not isinstance(value, dict) or value.get("type") not in kinds:
            self.say(f"must be one of: {', '.join(kinds)}", where)
        elif not isinstance(value.get("text"), str):
            self.say("missing required field: text", where)
        else:
            self.limit(value["text"], limit, f"{where}/text")
            unknown = value.keys() - ({"type", "text", "emoji"} if value["type"] == "plain_text" else _MRKDWN)
            for key in unknown:
                self.say(f"no more items allowed: {key}", where)

    def url(self, value, where, *, limit=3000):
        if not isinstance(value, str) or not re.match(r"https?://[^\s/]+", value):
            self.say("Invalid URL", where)
        else:
            self.limit(value, limit, where)


_MRKDWN = {"type", "text", "verbatim"}
_ANY_TEXT = ("plain_text", "mrkdwn")


def _unit(value):
    return "characters" if isinstance(value, str) else "items"


def check_blocks(blocks, *, surface):
    """Raises invalid_blocks, or msg_blocks_too_long."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    complaints = Complaints()
    if len(blocks) > MAX_BLOCKS[surface]:
        complaints.say(f"no more than {MAX_BLOCKS[surface]} items allowed", "/blocks")
    ids, actions = set(), set()
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict):
            complaints.say("must be an object", where)
            continue
        _check_block(block, where, surface, complaints)
        _check_id(block, "block_id", where, ids, complaints)
        for element in elements_of(block):
            if isinstance(element, dict):
                _check_id(element, "action_id", where, actions, complaints)
    _refuse(complaints)
    if surface == "message":
        _check_sizes(blocks)


def _refuse(complaints):
    if complaints:
        raise SlackError(
            "invalid_blocks",
            errors=list(complaints),
            response_metadata={"messages": [f"[ERROR] {complaint}" for complaint in complaints]},
        )


def _check_sizes(blocks):
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if markdown > MAX_MARKDOWN or text_length(blocks) > MAX_BLOCKS_TEXT:
        raise SlackError("msg_blocks_too_long")


def text_length(value):
    """Characters of all texts in blocks, however deep."""
    if isinstance(value, dict):
        own = len(value["text"]) if isinstance(value.get("text"), str) else 0
        return own + sum(text_length(inner) for inner in value.values() if not isinstance(inner, str))
    return sum(map(text_length, value)) if isinstance(value, list) else 0


def named(world, blocks):
    """The blocks, with names for blocks and elements that have none, as Slack gives them."""
    found = []
    for block in blocks:
        found.append({**block, "block_id": block.get("block_id") or world.new_id("b")})
        for element in elements_of(found[-1]):
            if element.get("type") != "image":
                element.setdefault("action_id", world.new_id("a"))
    return found


def elements_of(block):
    """The interactive elements of a block."""
    if block.get("type") in ("actions", "context_actions"):
        return block.get("elements") or []
    return [block[key] for key in ("accessory", "element") if isinstance(block.get(key), dict)]


def _check_id(holder, key, where, seen, complaints):
    value = holder.get(key)
    if value is None:
        return
    complaints.limit(value, 255, f"{where}/{key}")
    if value in seen:
        complaints.say(f"`{key}` must be unique: {value}", where)
    seen.add(value)


def _check_block(block, where, surface, complaints):
    kind = block.get("type")
    check = _BLOCKS.get(kind)
    if check is None or surface not in _SURFACES.get(kind, {surface}):
        complaints.say(f"unsupported type: {kind}", where)
        return
    known = {"type", "block_id"} | _FIELDS[kind]
    for key in block.keys() - known:
        complaints.say(f"no more items allowed: {key}", where)
    check(block, where, complaints)


def _section(block, where, complaints):
    if block.get("text") is None and not block.get("fields"):
        complaints.say("missing required field: text", where)
    if block.get("text") is not None:
        complaints.text(block["text"], f"{where}/text", limit=3000, kinds=_ANY_TEXT)
    if block.get("fields") is not None:
        complaints.limit(block["fields"], 10, f"{where}/fields")
        for number, each in enumerate(block["fields"]):
            complaints.text(each, f"{where}/fields/{number}", limit=2000, kinds=_ANY_TEXT)
    if block.get("accessory") is not None:
        _check_element(block["accessory"], f"{where}/accessory", "section", complaints)


def _elements(limit):
    def check(block, where, complaints):
        elements = complaints.need(block, "elements", where, (list,))
        if elements is not None:
            complaints.limit(elements, limit, f"{where}/elements")
            for number, element in enumerate(elements):
                _check_element(element, f"{where}/elements/{number}", block["type"], complaints)

    return check


def _context(block, where, complaints):
    elements = complaints.need(block, "elements", where, (list,))
    if elements is None:
        return
    complaints.limit(elements, 10, f"{where}/elements")
    for number, element in enumerate(elements):
        if isinstance(element, dict) and element.get("type") == "image":
            _image(element, f"{where}/elements/{number}", complaints)
        else:
            complaints.text(element, f"{where}/elements/{number}", limit=3000, kinds=_ANY_TEXT)


def _header(block, where, complaints):
    complaints.text(block.get("text"), f"{where}/text", limit=150)


def _image(block, where, complaints):
    alt = complaints.need(block, "alt_text", where)
    if alt is not None:
        complaints.limit(alt, 2000, f"{where}/alt_text")
    if ("image_url" in block) == ("slack_file" in block):
        complaints.say("must provide either image_url or slack_file", where)
    elif "image_url" in block:
        complaints.url(block["image_url"], f"{where}/image_url")
    elif not isinstance(block["slack_file"], dict) or len(block["slack_file"].keys() & {"id", "url"}) != 1:
        complaints.say("must provide either id or url", f"{where}/slack_file")
    if block.get("title") is not None:
        complaints.text(block["title"], f"{where}/title", limit=2000)


def _input(block, where, complaints):
    complaints.text(block.get("label"), f"{where}/label", limit=2000)
    if block.get("hint") is not None:
        complaints.text(block["hint"], f"{where}/hint", limit=2000)
    element = complaints.need(block, "element", where, (dict,))
    if element is not None:
        _check_element(element, f"{where}/element", "input", complaints)


def _markdown(block, where, complaints):
    text = complaints.need(block, "text", where)
    if text is not None:
        complaints.limit(text, MAX_MARKDOWN, f"{where}/text")


def _rich_text(block, where, complaints):
    for number, element in enumerate(complaints.need(block, "elements", where, (list,)) or []):
        if not isinstance(element, dict) or element.get("type") not in _RICH:
            complaints.say("unsupported type", f"{where}/elements/{number}")


def _table(block, where, complaints):
    rows = complaints.need(block, "rows", where, (list,))
    if rows is None:
        return
    complaints.limit(rows, 100, f"{where}/rows")
    for number, row in enumerate(rows):
        complaints.limit(row, 20, f"{where}/rows/{number}")
        for column, cell in enumerate(row):
            pointer = f"{where}/rows/{number}/{column}"
            if cell.get("type") not in ("raw_text", "raw_number", "rich_text"):
                complaints.say("unsupported type", pointer)
            elif cell["type"] == "raw_text":
                complaints.limit(cell.get("text", ""), 3000, f"{pointer}/text")


def _anything(block, where, complaints):
    """A divider has nothing; tasks and plans are shown as they come."""


_BLOCKS = {
    "section": _section,
    "actions": _elements(25),
    "context_actions": _elements(5),
    "context": _context,
    "header": _header,
    "image": _image,
    "input": _input,
    "markdown": _markdown,
    "rich_text": _rich_text,
    "table": _table,
    "divider": _anything,
    "task_card": _anything,
    "plan": _anything,
}
_FIELDS = {
    "section": {"text", "fields", "accessory", "expand"},
    "actions": {"elements"},
    "context_actions": {"elements"},
    "context": {"elements"},
    "header": {"text"},
    "image": {"alt_text", "image_url", "slack_file", "title"},
    "input": {"label", "hint", "element", "optional", "dispatch_action"},
    "markdown": {"text"},
    "rich_text": {"elements"},
    "table": {"rows", "column_settings"},
    "divider": set(),
    "task_card": {"task_id", "title", "details", "output", "sources", "status"},
    "plan": {"title", "tasks"},
}


def _check_element(element, where, block, complaints):
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in _ELEMENTS[block]:
        complaints.say(f"unsupported type: {kind}", where)
        return
    _OWN_CHECKS.get(kind, _anything)(element, where, complaints)
    if element.get("placeholder") is not None:
        complaints.text(element["placeholder"], f"{where}/placeholder", limit=150)
    if element.get("confirm") is not None:
        _confirm(element["confirm"], f"{where}/confirm", complaints)


def _button(element, where, complaints, *, needs_value=False):
    complaints.text(element.get("text"), f"{where}/text", limit=75)
    if needs_value or element.get("value") is not None:
        value = complaints.need(element, "value", where)
        if value is not None:
            complaints.limit(value, 2000, f"{where}/value", least=0)
    if element.get("url") is not None:
        complaints.url(element["url"], f"{where}/url")
    if element.get("style", "primary") not in ("primary", "danger"):
        complaints.say("must be one of: primary, danger", f"{where}/style")


def _feedback(element, where, complaints):
    for key in ("positive_button", "negative_button"):
        button = complaints.need(element, key, where, (dict,))
        if button is not None:
            _button(button, f"{where}/{key}", complaints, needs_value=True)


def _icon(element, where, complaints):
    complaints.need(element, "icon", where)
    _button(element, where, complaints)


def _file_input(element, where, complaints):
    files = element.get("max_files", 10)
    if not isinstance(files, int) or not 1 <= files <= 10:
        complaints.say("must be between 1 and 10", f"{where}/max_files")


def _number(element, where, complaints):
    complaints.need(element, "is_decimal_allowed", where, (bool,))


_OPTIONS = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}


def _options(element, where, complaints):
    if element.get("option_groups") is not None and "static_select" in element["type"]:
        for number, group in enumerate(element["option_groups"]):
            complaints.text(group.get("label"), f"{where}/option_groups/{number}/label", limit=75)
            _option_list(group, f"{where}/option_groups/{number}", element, complaints)
    else:
        _option_list(element, where, element, complaints)
    offered = [option for _, option in all_options(element)]
    chosen = (
        element.get("initial_options") or [element["initial_option"]] if "initial_option" in element else []
    )
    if any(option not in offered for option in chosen):
        complaints.say("must match one of the options", f"{where}/initial_option")


def all_options(element):
    """(label of the group or None, option) of a select, however they are given."""
    for group in element.get("option_groups") or []:
        yield from ((group["label"]["text"], option) for option in group["options"])
    yield from ((None, option) for option in element.get("options") or [])


def _option_list(holder, where, element, complaints):
    options = complaints.need(holder, "options", where, (list,))
    if options is None:
        return
    complaints.limit(options, _OPTIONS.get(element["type"], 100), f"{where}/options")
    kinds = _ANY_TEXT if element["type"] in ("checkboxes", "radio_buttons") else ("plain_text",)
    for number, option in enumerate(options):
        pointer = f"{where}/options/{number}"
        complaints.text(option.get("text"), f"{pointer}/text", limit=75, kinds=kinds)
        value = complaints.need(option, "value", pointer)
        if value is not None:
            complaints.limit(value, 150, f"{pointer}/value", least=0)
        if option.get("description") is not None:
            complaints.text(option["description"], f"{pointer}/description", limit=75, kinds=kinds)


def _confirm(confirm, where, complaints):
    complaints.text(confirm.get("title"), f"{where}/title", limit=100)
    complaints.text(confirm.get("text"), f"{where}/text", limit=300, kinds=_ANY_TEXT)
    complaints.text(confirm.get("confirm"), f"{where}/confirm", limit=30)
    complaints.text(confirm.get("deny"), f"{where}/deny", limit=30)


_OWN_CHECKS = {
    "image": _image,
    "button": _button,
    "feedback_buttons": _feedback,
    "icon_button": _icon,
    "file_input": _file_input,
    "number_input": _number,
} | dict.fromkeys(("static_select", "multi_static_select", *_OPTIONS), _options)


def check_view(view, *, kinds):
    """Raises invalid_arguments where a view is not as Slack wants it; `kinds` are modal or home."""
    complaints = Complaints()
    if not isinstance(view, dict) or view.get("type") not in kinds:
        complaints.say(f"must be one of: {', '.join(kinds)}", "/view/type")
        _refuse_view(complaints)
    blocks = complaints.need(view, "blocks", "/view", (list,))
    if view["type"] == "modal":
        complaints.text(view.get("title"), "/view/title", limit=24)
        for key in ("close", "submit"):
            if view.get(key) is not None:
                complaints.text(view[key], f"/view/{key}", limit=24)
        has_input = any(block.get("type") == "input" for block in blocks or [] if isinstance(block, dict))
        if has_input and view.get("submit") is None:
            complaints.say("missing required field: submit", "/view")
    else:
        for key in ("title", "submit", "close"):
            if view.get(key) is not None:
                complaints.say(f"no more items allowed: {key}", "/view")
    complaints.limit(view.get("private_metadata", ""), 3000, "/view/private_metadata", least=0)
    complaints.limit(view.get("callback_id", ""), 255, "/view/callback_id", least=0)
    _refuse_view(complaints)
    try:
        check_blocks(blocks, surface=view["type"])
    except SlackError as refused:
        _refuse_view(
            [each.replace("/blocks", "/view/blocks") for each in refused.more.get("errors", [refused.code])]
        )
    if len(json.dumps(view)) > 250_000:
        raise SlackError("view_too_large")


def _refuse_view(complaints):
    if complaints:
        raise SlackError(
            "invalid_arguments",
            response_metadata={"messages": [f"[ERROR] {complaint}" for complaint in complaints]},
        )


def check_metadata(metadata):
    """Raises invalid_metadata_format or metadata_too_large."""
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    kind, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(kind, str) or not re.fullmatch(r"\w{1,255}", kind) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise SlackError("metadata_too_large")
