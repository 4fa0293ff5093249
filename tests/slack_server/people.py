"""What a person does: writes, mentions, clicks, fills in, reacts, runs a command; and what they see."""

from __future__ import annotations

import mimetypes
import secrets
from pathlib import Path

from tests.slack_server.chat import expire
from tests.slack_server.files import replace_view
from tests.slack_server.rules import all_options, check_view, elements_of
from tests.slack_server.shapes import file_json, message_json, rich_text, view_json
from tests.slack_server.world import Message, SlackError, View

MOST_INPUT_BYTES = 10_000_000  # of one file of a file_input


class Person:
    """Somebody in the workspace. Channels may be given by name, messages as they come back from here."""

    def __init__(self, server, user):
        self.server = server
        self.user = user

    def __eq__(self, other):
        return isinstance(other, Person) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    @property
    def id(self):
        return self.user.id

    @property
    def dm(self):
        """The direct channel with the bot."""
        return self.server.world.direct_channel(
            self.id, self.server.world.installations[self.user.team].bot_user
        )

    @property
    def modal(self):
        """The view on top, or None."""
        return self.server.world.views[self.user.modals[-1]] if self.user.modals else None

    @property
    def home(self):
        return self.server.world.views.get(self.user.home)

    @property
    def status(self):
        """What the bot is shown as doing, or ""."""
        return self.user.statuses[-1][2] if self.user.statuses else ""

    def sees(self, channel):
        """The channel as they see it, ephemeral messages included."""
        return self.server.shown(self._channel(channel), to=self)

    def whispers(self, channel):
        """The ephemeral messages for them, oldest first."""
        return [each for each in self._channel(channel).ephemeral if each.ephemeral_to == self.id]

    def _channel(self, channel):
        return self.server.channel(channel) if isinstance(channel, str) else channel

    # ---------------------------------------------------------------- writing

    def joins(self, channel):
        channel = self._channel(channel)
        if self.id not in channel.members:
            self.server.join(channel, self.id)

    def sends_file(self, name, data, *, mimetype=None, **more):
        """A file of theirs, to go with a message. `name` may be a path, then `data` is read from it."""
        kind = mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self.server.world.add_file(Path(name).name, data, kind, self.id, **more)

    async def says(self, channel, text, *, files=(), thread=None, broadcast=False):
        """A message; `files` are what `sends_file` gave, or (name, bytes). Returns it at once."""
        channel = self._channel(channel)
        channel.members.add(self.id)
        made = [self.sends_file(*each) if isinstance(each, tuple) else each for each in files]
        message = Message(
            channel.id,
            self.server.clock.ts(),
            self.id,
            text,
            self.user.team,
            (thread.thread_ts or thread.ts) if thread is not None else None,
            blocks=rich_text(text) if text else [],
            files=[file.id for file in made],
            subtype="thread_broadcast" if broadcast else "file_share" if made else None,
            client_msg_id=secrets.token_hex(16),
            broadcast=broadcast,
        )
        self.server.add_message(message)
        return message

    async def mentions_bot(self, channel, text, **more):
        bot = self.server.world.installations[self.user.team].bot_user
        return await self.says(channel, f"<@{bot}> {text}", **more)

    async def writes_to_bot(self, text, **more):
        """In their DM."""
        return await self.says(self.dm, text, **more)

    async def edits(self, message, text):
        edited = {"user": self.id, "ts": self.server.clock.ts()}
        self.server.change_message(message, text=text, blocks=rich_text(text), edited=edited)

    async def deletes(self, message):
        self.server.delete_message(message)

    async def reacts(self, message, name):
        self.server.react(message, self.id, name)

    async def unreacts(self, message, name):
        self.server.unreact(message, self.id, name)

    async def stops(self, message):
        """The stop button of a message that is being streamed."""
        expire(self.server, message)
        if message.stream.state == "in_progress":
            message.stream.state = "stopped_by_user"
            self.server.touch()

    async def opens_home(self):
        event = {
            "type": "app_home_opened",
            "user": self.id,
            "channel": self.dm.id,
            "tab": "home",
            "event_ts": self.server.clock.ts(),
        }
        if self.home is not None:
            event["view"] = view_json(self.server.world, self.home)
        self.server.emit("app_home_opened", event, team=self.user.team)

    # ------------------------------------------------- commands and interactions

    async def runs(self, command, channel):
        """A slash command, such as "/ask why?". Slack has none inside of threads. Returns the delivery."""
        channel = self._channel(channel)
        channel.members.add(self.id)
        name, _, text = command.partition(" ")
        payload = {
            "token": self.server.world.app.verification_token,
            "team_id": self.user.team,
            "team_domain": self._team.domain,
            "channel_id": channel.id,
            "channel_name": {"im": "directmessage", "group": "privategroup"}.get(channel.type, channel.name),
            "user_id": self.id,
            "user_name": self.user.name,
            "command": name,
            "text": text,
            "api_app_id": self.server.world.app.id,
            "is_enterprise_install": "false",
            "response_url": self.server.new_response_url(channel, self.user),
            "trigger_id": self.server.triggers.new(self.user),
        }
        self.server.record("slash_command", payload)
        delivery = await self._sent("slash_commands", payload, f"{name} failed")
        if delivery.acked and delivery.answer:
            self.server.take_response(delivery.answer, channel=channel, user=self.user)
        return delivery

    async def uses_shortcut(self, callback_id, message):
        """A shortcut of a message's menu."""
        channel = self.server.world.channels[message.channel]
        payload = {
            "type": "message_action",
            **self._interaction(),
            "callback_id": callback_id,
            "action_ts": self.server.clock.ts(),
            "trigger_id": self.server.triggers.new(self.user),
            "response_url": self.server.new_response_url(channel, self.user),
            "message_ts": message.ts,
            "message": message_json(self.server.world, message, base=self.server.base),
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
        }
        self.server.record("message_action", payload)
        return await self._sent("interactive", payload, f"{callback_id} failed")

    async def uses_global_shortcut(self, callback_id):
        payload = {
            "type": "shortcut",
            **self._interaction(),
            "callback_id": callback_id,
            "action_ts": self.server.clock.ts(),
            "trigger_id": self.server.triggers.new(self.user),
        }
        payload["user"] = payload["user"] | {"team_id": self.user.team}
        self.server.record("shortcut", payload)
        return await self._sent("interactive", payload, f"{callback_id} failed")

    async def clicks(self, where, what, **chosen):
        """A button of a message or view, by its label, action id or value; of a select, `option=` its label.

        Of feedback buttons, the label or value of one of the two. Returns the delivery.
        """
        block, element, value = _find(_blocks(where), what)
        action = {
            "type": element["type"],
            "block_id": block["block_id"],
            "action_id": element["action_id"],
            "action_ts": self.server.clock.ts(),
        } | _pressed(element, value, chosen)
        payload = {"type": "block_actions", **self._interaction()}
        payload |= self._message_place(where) if isinstance(where, Message) else self._view_place(where)
        payload |= {"trigger_id": self.server.triggers.new(self.user), "actions": [action]}
        self.server.record("block_actions", payload)
        return await self._sent("interactive", payload, f"{what} failed")

    def _message_place(self, message):
        channel = self.server.world.channels[message.channel]
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.ephemeral_to is not None,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        place = {
            "container": container,
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "state": {"values": {}},
            "response_url": self.server.new_response_url(channel, self.user, about=message),
        }
        if message.ephemeral_to is None:  # of one that only they see, Slack says no more than where it is
            place["message"] = message_json(self.server.world, message, base=self.server.base)
        return place

    def _view_place(self, view):
        shown = view_json(self.server.world, view)
        return {"container": {"type": "view", "view_id": view.id}, "view": shown, "state": shown["state"]}

    def _interaction(self):
        return {
            "user": {
                "id": self.id,
                "username": self.user.name,
                "name": self.user.name,
                "team_id": self.user.team,
            },
            "api_app_id": self.server.world.app.id,
            "token": self.server.world.app.verification_token,
            "team": {"id": self.user.team, "domain": self._team.domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    @property
    def _team(self):
        return self.server.world.teams[self.user.team]

    async def _sent(self, kind, payload, failed):
        delivery = self.server.courier.send(kind, payload)
        await self.server.until(delivery.done.is_set, seconds=60.0)
        if not delivery.acked:
            self.user.notices.append(f"{failed}: {delivery.attempts[-1].outcome}")
            self.server.touch()
        return delivery

    # ------------------------------------------------------------------ modals

    def fills_in(self, values):
        """Type into the modal on top: {label or block id: text, label of an option, labels, or files}."""
        view = self.modal
        for name, value in values.items():
            block = _input_block(view, name)
            element = block["element"]
            typed = _typed(self, element, value)
            view.state.setdefault(block["block_id"], {})[element["action_id"]] = typed

    async def submits(self, values=None):
        """Fill the modal on top in and press its button; errors stand in `modal.errors`."""
        self.fills_in(values or {})
        view = self.modal
        view.errors = _unfilled(view)
        if view.errors:
            return None
        for block in _inputs(view):
            element = block["element"]
            view.state.setdefault(block["block_id"], {}).setdefault(element["action_id"], _initial(element))
        payload = {
            "type": "view_submission",
            **self._interaction(),
            "trigger_id": self.server.triggers.new(self.user),
            "view": view_json(self.server.world, view),
            "response_urls": [],
        }
        self.server.record("view_submission", payload)
        delivery = await self._sent("interactive", payload, "We had some trouble connecting")
        if delivery.acked:
            self._after(view, delivery.answer or {})
        return delivery

    def _after(self, view, answer):
        """What the app's answer does with the modals."""
        stack, world = self.user.modals, self.server.world
        match answer.get("response_action"):
            case "errors":
                view.errors = answer["errors"]
            case "update":
                check_view(answer["view"], kinds=("modal",))
                replace_view(world, view, answer["view"])
            case "push":
                check_view(answer["view"], kinds=("modal",))
                new_id = world.new_id("V")
                world.views[new_id] = View(
                    new_id, view.team, self.id, answer["view"], secrets.token_hex(8), view.root, view.id
                )
                stack.append(new_id)
            case "clear":
                stack.clear()
            case _:
                stack.remove(view.id)
        self.server.touch()

    async def closes(self):
        """The modal on top, by its cross."""
        view = self.modal
        self.user.modals.remove(view.id)
        if not view.data.get("notify_on_close"):
            return None
        payload = {
            "type": "view_closed",
            **self._interaction(),
            "view": view_json(self.server.world, view),
            "is_cleared": False,
        }
        self.server.record("view_closed", payload)
        return await self._sent("interactive", payload, "closing failed")


def _blocks(where):
    return where.blocks if isinstance(where, Message) else where.data["blocks"]


def _find(blocks, what):
    """(block, element, button's value) of what has this label, action id or value. Raises LookupError."""
    offered = []
    for block in blocks:
        for element in elements_of(block):
            if element.get("type") == "feedback_buttons":
                for key in ("positive_button", "negative_button"):
                    button = element[key]
                    names = (button["text"]["text"], button["value"], key.partition("_")[0])
                    offered.append(names)
                    if what in names:
                        return block, element, button
            elif element.get("type") != "image":
                names = (element.get("text", {}).get("text"), element.get("action_id"), element.get("value"))
                offered.append(names)
                if what in names:
                    return block, element, element
    raise LookupError(f"nothing is called {what!r} here; there is {offered}")


def _pressed(element, button, chosen):
    match element["type"]:
        case "button" | "feedback_buttons" | "icon_button":
            text = {"type": "plain_text", "text": button["text"]["text"], "emoji": True}
            value = {"value": button["value"]} if button.get("value") is not None else {}
            icon = {"icon": element["icon"]} if element["type"] == "icon_button" else {}
            return {"text": text, **value, **icon}
        case "static_select" | "overflow" | "radio_buttons":
            return {"selected_option": _option(element, chosen["option"])}
        case "checkboxes":
            return {"selected_options": [_option(element, each) for each in chosen["options"]]}
        case "users_select":
            return {"selected_user": chosen["user"].id}
        case "conversations_select":
            return {"selected_conversation": chosen["channel"].id}
        case other:
            raise SlackError(f"nobody can click on {other}")


def _option(element, label):
    for _, option in all_options(element):
        if label in (option["text"]["text"], option["value"]):
            return option
    raise LookupError(f"{label!r} is not offered")


def _inputs(view):
    return [block for block in view.data["blocks"] if block["type"] == "input"]


def _input_block(view, name):
    for block in _inputs(view):
        if name in (block["label"]["text"], block.get("block_id"), block["element"].get("action_id")):
            block.setdefault("block_id", f"block-{view.data['blocks'].index(block)}")
            block["element"].setdefault("action_id", "action")
            return block
    raise LookupError(
        f"{name!r} is not asked; there is {[block['label']['text'] for block in _inputs(view)]}"
    )


_HOLDS = {  # a field: what its value is called, and where it begins
    "checkboxes": ("selected_options", "initial_options", []),
    "multi_static_select": ("selected_options", "initial_options", []),
    "static_select": ("selected_option", "initial_option", None),
    "radio_buttons": ("selected_option", "initial_option", None),
    "users_select": ("selected_user", "initial_user", None),
    "multi_users_select": ("selected_users", "initial_users", []),
    "conversations_select": ("selected_conversation", "initial_conversation", None),
    "multi_conversations_select": ("selected_conversations", "initial_conversations", []),
    "file_input": ("files", "initial_files", []),
}
_TEXT = ("value", "initial_value", None)


def _initial(element):
    """What a field holds before anybody touches it."""
    key, begins, empty = _HOLDS.get(element["type"], _TEXT)
    return {"type": element["type"], key: element.get(begins, empty)}


def _typed(person, element, value):
    """What a field holds once `value` is put in."""
    key, *_ = _HOLDS.get(element["type"], _TEXT)
    match key:
        case "files":
            held = _uploaded(person, element, value)
        case "selected_option":
            held = _option(element, value)
        case "selected_options":
            held = [_option(element, each) for each in value]
        case "value":
            if not element.get("min_length", 0) <= len(value) <= element.get("max_length", 3000):
                raise SlackError("Slack does not take a text of this length")
            held = value
        case _:
            held = [each.id for each in value] if isinstance(value, list | tuple) else value.id
    return {"type": element["type"], key: held}


def _uploaded(person, element, given):
    files = [person.sends_file(*each) if isinstance(each, tuple) else each for each in given]
    if len(files) > element.get("max_files", 10) or any(len(f.data) > MOST_INPUT_BYTES for f in files):
        raise SlackError("Slack does not take these files")
    for file in files:
        file.channels.add(person.dm.id)  # the app may see what is put into its modal
    return [file_json(person.server.world, file, base=person.server.base, in_full=True) for file in files]


def _unfilled(view):
    """Required fields that are empty: Slack does not send such a modal off."""
    errors = {}
    for number, block in enumerate(_inputs(view)):
        block.setdefault("block_id", f"block-{number}")
        block["element"].setdefault("action_id", "action")
        held = view.state.get(block["block_id"], {}).get(block["element"]["action_id"]) or _initial(
            block["element"]
        )
        if not block.get("optional") and not any(value for key, value in held.items() if key != "type"):
            errors[block["block_id"]] = "Please complete this required field."
    return errors
