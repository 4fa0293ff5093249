"""What a person does: writes, mentions, clicks, fills in, reacts, runs a command; and what they see."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, replace
from pathlib import Path

from tests.discord_server import commands, rules, text
from tests.discord_server.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT
from tests.discord_server.messages import component_urls, known_emoji, pings_of
from tests.discord_server.permissions import Permission, of_member
from tests.discord_server.shapes import (
    attachment_json,
    channel_json,
    is_v2,
    member_json,
    message_json,
    role_json,
    user_json,
)
from tests.discord_server.world import (
    FORUM,
    HAS_SNAPSHOT,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    SUPPRESS_EMBEDS,
    Channel,
    Message,
    Role,
)

_ONE_VALUE = (rules.TEXT_INPUT, rules.RADIO, rules.CHECKBOX)
USER_OPTION, CHANNEL_OPTION, ROLE_OPTION = 6, 7, 8
ADMINISTRATOR = int(Permission.ADMINISTRATOR)


@dataclass(frozen=True)
class Seen:
    """A message as somebody reads it.

    `text` is all that can be read, with names for ids; `links` can be clicked on, `previews` are drawn below;
    `pings` are the names of those whom it calls ("@everyone" among them).
    """

    message: Message
    author: str
    text: str
    pings: tuple[str, ...]
    links: tuple[str, ...]
    previews: tuple[str, ...]
    buttons: tuple[str, ...]
    files: tuple[str, ...]
    open_fences: int
    only_you: bool
    is_thinking: bool


class Person:
    """Somebody in a guild. A place is a name, a channel or thread, or a person for their DM with the bot."""

    def __init__(self, server, user, guild):
        self.server = server
        self.user = user
        self.guild = guild

    def __eq__(self, other):
        return isinstance(other, Person) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    @property
    def id(self):
        return self.user.id

    @property
    def mention(self):
        return f"<@{self.id}>"

    @property
    def world(self):
        return self.server.world

    @property
    def dm(self):
        """The direct channel with the bot."""
        return self.world.direct_channel(self.id)

    @property
    def modal(self):
        """What is open before them, or None."""
        return self.user.modal

    @property
    def notices(self):
        """What Discord told them: that an application did not respond."""
        return self.user.notices

    @property
    def whispers(self):
        """The messages that only they see, oldest first, without "is thinking ..."."""
        return [each for each in self.user.whispers if not each.is_loading]

    def sees(self, where):
        """A channel or thread as they see it, with what only they see. Raises PermissionError."""
        channel = self.place(where)
        self._need(channel, Permission.VIEW_CHANNEL)
        own = [each for each in self.user.whispers if each.channel == channel.id]
        shown = sorted([*channel.messages.values(), *own], key=lambda each: int(each.id))
        return [self.reads(each) for each in shown]

    def reads(self, message):
        """One message as they see it."""
        return seen(self.server, message)

    def sees_typing(self, where):
        """Whether the bot is shown as typing there."""
        return self.server.is_typing(self.place(where), self.server.bot)

    def place(self, where):
        if isinstance(where, str):
            return self.server.channel(where, guild=self.guild)
        return self.server.place(where)

    def _need(self, channel, *permissions):
        for each in permissions:
            if not self.world.may(self.id, channel, each):
                raise PermissionError(f"{self.user.name} has not {each!r} in {channel.name or 'this DM'}")

    def joins(self, guild):
        """Another guild; they act there from now on."""
        self.server.join(guild, self.id)
        self.guild = guild

    def leaves(self, guild=None):
        self.server.leave(guild or self.guild, self.id)

    # ---------------------------------------------------------------- writing

    async def writes(self, where, content="", *, files=(), reply_to=None, pings=True, **more):
        """A message; `files` are (name, bytes). `pings=False` replies without calling the author.

        Returns it at once. Raises PermissionError where they may not write.
        """
        channel = self.place(where)
        self._need(
            channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        )
        if files:
            self._need(channel, Permission.ATTACH_FILES)
        if len(content) > rules.MAX_CONTENT or len(files) > rules.MAX_ATTACHMENTS:
            raise ValueError("Discord does not take a message of this size")
        return self._put(channel, content, files, reply_to=reply_to, pings=pings, **more)

    def _put(self, channel, content, files, *, reply_to=None, pings=True, message_id=None, flags=0):
        reference = self._reference(reply_to) if reply_to else None
        fields = {"content": content.strip(), "components": []}
        called = pings_of(
            self.server,
            channel,
            fields,
            allowed=None,
            author=self.id,
            replied_to=reply_to.author if reply_to and pings and reply_to.author != self.id else None,
        )
        message = Message(
            message_id or self.world.new_id(),
            channel.id,
            self.id,
            fields["content"],
            type=19 if reply_to else 0,
            flags=flags,
            attachments=[self._uploads(channel, *each) for each in files],
            reference=reference,
            pings=called,
        )
        self.server.add_message(message)
        return message

    def _reference(self, message, kind=0):
        channel = self.world.channels[message.channel]
        reference = {"type": kind, "channel_id": message.channel, "message_id": message.id}
        return reference | ({"guild_id": channel.guild} if channel.guild else {})

    def _uploads(self, channel, name, data, *, ephemeral=False):
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if len(data) > self.server.upload_limit(channel):
            raise ValueError("Discord does not take a file of this size")
        return self.world.add_attachment(Path(name).name, data, kind, channel.id, ephemeral=ephemeral)

    async def mentions(self, where, content, **more):
        """A message that mentions the bot."""
        return await self.writes(where, f"<@{self.server.bot}> {content}", **more)

    async def writes_to_bot(self, content="", **more):
        """In their DM."""
        return await self.writes(self.dm, content, **more)

    async def replies(self, message, content, **more):
        """An answer to a message, where that is."""
        return await self.writes(self.world.channels[message.channel], content, reply_to=message, **more)

    async def forwards(self, message, where):
        """A message, passed on to another place: what it says stands in a snapshot."""
        channel = self.place(where)
        self._need(
            channel, Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
        )
        forwarded = Message(
            self.world.new_id(),
            channel.id,
            self.id,
            "",
            flags=HAS_SNAPSHOT,
            reference=self._reference(message, kind=1),
            snapshots=[replace(message)],
        )
        self.server.add_message(forwarded)
        return forwarded

    async def starts_thread(self, where, name, *, message=None, private=False):
        """A thread on a message, or by itself. Returns it."""
        channel = self.world.channels[message.channel] if message else self.place(where)
        self._need(
            channel, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
        )
        kind = PRIVATE_THREAD if private else PUBLIC_THREAD
        return self.server.start_thread(channel, name, owner=self.id, kind=kind, message=message)

    async def posts(self, forum, title, content="", *, files=(), tags=()):
        """A new post of a forum. Returns its thread; its first message has the same id."""
        place = self.server.channel(forum, type="forum") if isinstance(forum, str) else forum
        if place.type != FORUM:
            raise ValueError(f"{place.name} is no forum")
        self._need(place, Permission.SEND_MESSAGES)
        known = {each["name"]: each["id"] for each in place.tags}
        thread = self.server.start_thread(
            *(place, title), owner=self.id, kind=PUBLIC_THREAD, applied_tags=[known[each] for each in tags]
        )
        self._put(thread, content, files, message_id=thread.id)
        return thread

    async def invites(self, thread, user_id):
        """Somebody (the bot, by its id) into a thread."""
        self.server.join_thread(thread, user_id)

    async def types(self, where):
        self.server.show_typing(self.place(where), self.id)

    async def edits(self, message, content):
        channel = self.world.channels[message.channel]
        fields = {"content": content.strip(), "components": []}
        pings = pings_of(self.server, channel, fields, allowed=None, author=self.id)
        self.server.change_message(message, content=fields["content"], pings=pings)

    async def deletes(self, message):
        """Their own, or where they may another's."""
        if message.author != self.id:
            self._need(self.world.channels[message.channel], Permission.MANAGE_MESSAGES)
        self.server.delete_message(message)

    async def reacts(self, message, emoji):
        self.server.react(message, self.id, known_emoji(emoji))

    async def unreacts(self, message, emoji):
        self.server.unreact(message, self.id, known_emoji(emoji))

    # ------------------------------------------------- commands and interactions

    async def uses(self, command, where, /, **options):
        """A slash command, such as "/ask" or "/kb add"; options by name. Returns the interaction.

        A file is (name, bytes); a choice of an autocomplete may be given as it was offered.
        Raises LookupError where there is none, ValueError for what Discord does not let them send.
        """
        channel = self.place(where)
        found, chain, known = commands.find(self.world, command, channel.guild)
        self._may_use(found, channel)
        resolved = {}
        given = [self._option(channel, each, options, resolved) for each in known if each["name"] in options]
        unknown = options.keys() - {each["name"] for each in known}
        missing = [each["name"] for each in known if each.get("required") and each["name"] not in options]
        if unknown or missing:
            raise ValueError(f"{command} does not know {sorted(unknown)} and needs {missing}")
        data = self._command_data(found, chain, given, resolved)
        return await self._interact(channel, COMMAND, data)

    def _may_use(self, command, channel):
        """Raises PermissionError where Discord does not show them the command."""
        contexts = command.get("contexts")
        if contexts is not None and (1 if channel.guild is None else 0) not in contexts:
            raise PermissionError(f"{command['name']} is not offered here")
        if channel.guild is None:
            if command.get("dm_permission") is False:
                raise PermissionError(f"{command['name']} is not offered in DMs")
            return
        self._need(channel, Permission.USE_APPLICATION_COMMANDS)
        needed = command.get("default_member_permissions")
        if needed is not None:
            guild = self.world.guilds[channel.guild]
            has = of_member(guild, self.id, now=self.server.clock.now())
            if not has & ADMINISTRATOR and (int(needed) == 0 or int(has) & int(needed) != int(needed)):
                raise PermissionError(f"{command['name']} is not offered to {self.user.name}")

    def _command_data(self, found, chain, options, resolved):
        for inner in reversed(chain):
            options = [{"name": inner["name"], "type": inner["type"], "options": options}]
        data = {"id": found["id"], "name": found["name"], "type": found["type"], "options": options}
        if found.get("guild_id"):
            data["guild_id"] = found["guild_id"]
        return data | ({"resolved": resolved} if resolved else {})

    def _option(self, channel, option, options, resolved):
        value = options[option["name"]]
        if isinstance(value, dict):
            value = value["value"]
        kind = option["type"]
        match kind:
            case rules.ATTACHMENT:
                kept = self._uploads(channel, *value, ephemeral=True)
                resolved.setdefault("attachments", {})[kept.id] = attachment_json(self.server, kept)
                value = kept.id
            case _ if kind in (USER_OPTION, CHANNEL_OPTION, ROLE_OPTION):
                _resolve(self.world, channel, value, resolved)
                value = value.id
            case rules.STRING:
                _check_text(option, value)
        return {"name": option["name"], "type": kind, "value": value}

    async def is_offered(self, command, where, option, typed="", /, **options):
        """What the app proposes while they type into an option: [{name, value}]; None if it is late."""
        channel = self.place(where)
        found, chain, known = commands.find(self.world, command, channel.guild)
        self._may_use(found, channel)
        resolved = {}
        given = [self._option(channel, each, options, resolved) for each in known if each["name"] in options]
        focused = next(each for each in known if each["name"] == option)
        if not focused.get("autocomplete"):
            raise LookupError(f"{option} of {command} proposes nothing")
        given.append({"name": option, "type": focused["type"], "value": typed, "focused": True})
        data = self._command_data(found, chain, given, resolved)
        made = await self.server.interactions.send(self.id, channel, AUTOCOMPLETE, data)
        return made.choices

    async def uses_menu(self, name, target, *, where=None):
        """An entry of the menu of a message; or of a person, then in the place `where`."""
        if isinstance(target, Message):
            return await self._uses_message_menu(name, target)
        channel = self.place(where)
        found, *_ = commands.find(self.world, name, channel.guild, kind=rules.USER_MENU)
        self._may_use(found, channel)
        resolved = {}
        _resolve(self.world, channel, target, resolved)
        data = {"id": found["id"], "name": name, "type": rules.USER_MENU, "target_id": target.id}
        return await self._interact(channel, COMMAND, data | {"resolved": resolved})

    async def _uses_message_menu(self, name, message):
        channel = self.world.channels[message.channel]
        found, *_ = commands.find(self.world, name, channel.guild, kind=rules.MESSAGE_MENU)
        self._may_use(found, channel)
        resolved = {"messages": {message.id: message_json(self.server, message)}}
        data = {
            "id": found["id"],
            "name": name,
            "type": rules.MESSAGE_MENU,
            "target_id": message.id,
            "resolved": resolved,
        }
        if found.get("guild_id"):
            data["guild_id"] = found["guild_id"]
        return await self._interact(channel, COMMAND, data, target=message)

    async def clicks(self, message, what, *, values=None):
        """A button of a message, by its label, emoji or custom id.

        Of a select, `values` are labels, or people, channels, roles. Returns the interaction.
        """
        component = _find(message.components, what)
        if component.get("disabled"):
            raise ValueError(f"{what!r} cannot be clicked on")
        data = {"component_type": component["type"], "custom_id": component["custom_id"]}
        channel = self.world.channels[message.channel]
        if component["type"] == rules.STRING_SELECT:
            data["values"] = [_value(component, each) for each in values]
        elif component["type"] in rules.SELECTS:
            data |= {"values": [each.id for each in values], "resolved": {}}
            for each in values:
                _resolve(self.world, channel, each, data["resolved"])
        return await self._interact(channel, COMPONENT, data, about=message)

    async def _interact(self, channel, kind, data, **more):
        self._need(channel, Permission.VIEW_CHANNEL)
        made = await self.server.interactions.send(self.id, channel, kind, data, **more)
        if made.late:
            said = {
                COMMAND: "The application did not respond",
                COMPONENT: "This interaction failed",
                MODAL_SUBMIT: "Something went wrong. Try again.",
            }
            self.notices.append(said[kind])
            self.server.touch()
        return made

    # ------------------------------------------------------------------ modals

    def fills_in(self, values):
        """Put into the open modal: {label or custom id: text, labels of options, True or [(name, bytes)]}."""
        for name, value in values.items():
            element = _field(self.modal, name)
            self.modal.filled[element["custom_id"]] = self._filled(element, value)

    def _filled(self, element, value):
        match element["type"]:
            case rules.TEXT_INPUT:
                if len(value) > element.get("max_length", 4000):
                    raise ValueError("Discord does not take a text of this length")
                return value
            case rules.FILE_UPLOAD:
                if len(value) > element.get("max_values", 1):
                    raise ValueError("Discord does not take so many files")
                channel = self.modal.interaction.channel
                return [self._uploads(channel, *each, ephemeral=True) for each in value]
            case rules.CHECKBOX:
                return bool(value)
            case rules.STRING_SELECT | rules.RADIO | rules.CHECKBOXES:
                labels = [value] if isinstance(value, str) else value
                return [_value(element, each) for each in labels]
        return list(value)

    async def submits(self, values=None):
        """Fill the open modal in and press its button; what is missing stands in `modal.errors`."""
        modal = self.modal
        self.fills_in(values or {})
        modal.errors = _unfilled(modal)
        if modal.errors:
            return None
        resolved = {}
        components = [self._submitted(each, modal, resolved) for each in modal.data["components"]]
        data = {"custom_id": modal.data["custom_id"], "components": components}
        if resolved:
            data["resolved"] = resolved
        opened_by = modal.interaction
        made = await self._interact(
            opened_by.channel, MODAL_SUBMIT, data, about=opened_by.about, cause=opened_by
        )
        if not made.late and self.user.modal is modal:
            self.user.modal = None
            self.server.touch()
        return made

    def _submitted(self, component, modal, resolved):
        """A part of the modal as it is sent off."""
        place = {"type": component["type"], "id": component["id"]}
        if component["type"] == rules.LABEL:
            return place | {"component": self._submitted(component["component"], modal, resolved)}
        if component["type"] == rules.ROW:
            inner = [self._submitted(each, modal, resolved) for each in component["components"]]
            return place | {"components": inner}
        if component["type"] == rules.TEXT_DISPLAY:
            return place
        held = modal.filled.get(component["custom_id"], _initial(component))
        if component["type"] == rules.FILE_UPLOAD:
            shown = {each.id: attachment_json(self.server, each) for each in held}
            if shown:
                resolved.setdefault("attachments", {}).update(shown)
            held = list(shown)
        if component["type"] == rules.RADIO:
            held = held[0] if held else None
        if component["type"] in rules.SELECTS and component["type"] != rules.STRING_SELECT:
            for each in held:
                _resolve(self.world, modal.interaction.channel, each, resolved)
            held = [each.id for each in held]
        key = "value" if component["type"] in _ONE_VALUE else "values"
        return place | {"custom_id": component["custom_id"], key: held}

    def closes(self):
        """The open modal, by its cross: the app is not told."""
        self.user.modal = None


def _resolve(world, channel, value, resolved):
    """Say who or what a person chose: somebody, a channel or a role."""
    match value:
        case Channel():
            shown = channel_json(world, value) | {"permissions": "0"}
            resolved.setdefault("channels", {})[value.id] = shown
        case Role():
            resolved.setdefault("roles", {})[value.id] = role_json(value)
        case _:
            resolved.setdefault("users", {})[value.id] = user_json(world.users[value.id])
            member = world.guilds[channel.guild].members.get(value.id) if channel.guild else None
            if member:
                shown = member_json(world, member, with_user=False)
                resolved.setdefault("members", {})[value.id] = shown | {"permissions": "0"}


def _check_text(option, value):
    """What Discord's client does not let through."""
    choices = [each["value"] for each in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"{value!r} is none of {choices}")
    if not option.get("min_length", 0) <= len(value) <= option.get("max_length", 6000):
        raise ValueError("Discord does not take a text of this length")


def seen(server, message):
    """A message as it is drawn for people."""
    world = server.world
    names = _names(world, message)
    texts = [message.content, *rules.text_displays(message.components)]
    embeds = [part for embed in message.embeds for part in _embed_texts(embed)]
    suppressed = message.flags & SUPPRESS_EMBEDS
    drawn = [*texts, *([] if suppressed else embeds)]
    previews = [] if suppressed or is_v2(message) else text.previewed(message.content)
    return Seen(
        message=message,
        author=message.webhook_name or world.users[message.author].name,
        text="\n".join(text.rendered(each, names) for each in drawn if each),
        pings=_called(message, names),
        links=tuple(_links(message, drawn)),
        previews=tuple(previews),
        buttons=tuple(_labels(message)),
        files=tuple(each.filename for each in message.attachments),
        open_fences=sum(text.open_fences(each) for each in drawn),
        only_you=message.ephemeral_to is not None,
        is_thinking=message.is_loading,
    )


def _names(world, message):
    """The names of whom and what a message may name, by id."""
    names = {user.id: user.name for user in world.users.values()}
    names |= {channel.id: channel.name for channel in world.channels.values()}
    channel = world.channels.get(message.channel)
    if channel is not None and channel.guild:
        names |= {role.id: role.name.removeprefix("@") for role in world.guilds[channel.guild].roles.values()}
    return names


def _called(message, names):
    everyone = ["@everyone"] if message.pings.everyone else []
    return tuple(everyone + ["@" + names[each] for each in (*message.pings.users, *message.pings.roles)])


def _embed_texts(embed):
    fields = [part for each in embed.get("fields") or [] for part in (each["name"], each["value"])]
    author, footer = embed.get("author") or {}, embed.get("footer") or {}
    return [
        author.get("name", ""),
        embed.get("title", ""),
        embed.get("description", ""),
        *fields,
        footer.get("text", ""),
    ]


def _links(message, drawn):
    """Every address that can be clicked on, in what is drawn, titles and buttons."""
    found = [url for each in drawn for url in text.links(each)]
    if not message.flags & SUPPRESS_EMBEDS:
        for embed in message.embeds:
            places = embed, embed.get("author") or {}, embed.get("image") or {}, embed.get("thumbnail") or {}
            found += [each["url"] for each in places if each.get("url")]
    for each in rules.walk(message.components):
        if each["type"] == rules.BUTTON and each.get("url"):
            found.append(each["url"])
        found += component_urls(each)
    return [url for url in found if not url.startswith("attachment://")]


def _labels(message):
    named = [
        each for each in rules.walk(message.components) if each["type"] in (rules.BUTTON, *rules.SELECTS)
    ]
    return [
        each.get("label")
        or each.get("placeholder")
        or (each.get("emoji") or {}).get("name")
        or each["custom_id"]
        for each in named
    ]


def _find(components, what):
    """The component with this label, emoji or custom id. Raises LookupError."""
    offered = []
    for each in rules.walk(components):
        if each["type"] not in (rules.BUTTON, *rules.SELECTS):
            continue
        emoji = (each.get("emoji") or {}).get("name")
        names = (each.get("label"), each.get("custom_id"), each.get("placeholder"), emoji)
        offered.append(names)
        if what in names:
            if each.get("url"):
                raise ValueError(f"{what!r} is a link to {each['url']}")
            return each
    raise LookupError(f"nothing is called {what!r} here; there is {offered}")


def _value(element, label):
    for option in element["options"]:
        if label in (option["label"], option["value"]):
            return option["value"]
    raise LookupError(f"{label!r} is not offered")


def _fields(modal):
    """(label, element) of all that can be filled in."""
    found = []
    for each in modal.data["components"]:
        if each["type"] == rules.LABEL:
            found.append((each["label"], each["component"]))
        found += [(inner["label"], inner) for inner in each.get("components") or []]
    return found


def _field(modal, name):
    for label, element in _fields(modal):
        if name in (label, element["custom_id"]):
            return element
    raise LookupError(f"{name!r} is not asked; there is {[label for label, _ in _fields(modal)]}")


def _initial(element):
    """What a field holds before anybody touches it."""
    if element["type"] == rules.TEXT_INPUT:
        return element.get("value") or ""
    if element["type"] == rules.CHECKBOX:
        return bool(element.get("default"))
    return [each["value"] for each in element.get("options") or [] if each.get("default")]


def _unfilled(modal):
    """Required fields that are empty, or hold too little: Discord does not send such a modal off."""
    errors = {}
    for label, element in _fields(modal):
        held = modal.filled.get(element["custom_id"], _initial(element))
        if element["type"] == rules.CHECKBOX:
            continue
        least = element.get("min_length") or element.get("min_values") or 1
        if element.get("required", True) and len(held) < least:
            errors[label] = "This field is required."
    return errors
