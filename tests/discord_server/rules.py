"""What Discord refuses in messages, embeds, components, modals and commands: every limit it documents."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tests.discord_server.world import COMPONENTS_V2, invalid

MAX_CONTENT = 2000
MAX_EMBEDS, MAX_EMBED_CHARS = 10, 6000
MAX_ROWS, MAX_BUTTONS, MAX_OPTIONS = 5, 5, 25
MAX_V2_COMPONENTS, MAX_V2_CHARS = 40, 4000
MAX_NONCE = 25
MAX_ATTACHMENTS = 10
MAX_AUTOCOMPLETE = 25
ARCHIVE_MINUTES = (60, 1440, 4320, 10080)

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT = 5, 6, 7, 8
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR = 9, 10, 11, 12, 13, 14
CONTAINER, LABEL, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX = 17, 18, 19, 21, 22, 23
SELECTS = (STRING_SELECT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT)
V2_ONLY = (SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER)
IN_CONTAINER = (ROW, TEXT_DISPLAY, SECTION, GALLERY, SEPARATOR, FILE)
IN_LABEL = (*SELECTS, TEXT_INPUT, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX)
LINK, PREMIUM = 5, 6

SLASH, USER_MENU, MESSAGE_MENU = 1, 2, 3
MOST_COMMANDS = {SLASH: 100, USER_MENU: 15, MESSAGE_MENU: 15}
SUBCOMMAND, SUBCOMMAND_GROUP, STRING, INTEGER, NUMBER, ATTACHMENT = 1, 2, 3, 4, 10, 11
ALL_COMMANDS = 1000  # more than there can be: how many of each kind is counted apart
COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")
COMMAND_CHARS = 8000

NO_OBJECT = "Only dictionaries may be used in a ModelType"
EMBED_TEXTS = {"title": 256, "description": 4096}


class Check:
    """Collects what is wrong, by the path of the field, and refuses it all at once."""

    def __init__(self):
        self.errors = {}

    def wrong(self, path, code, sentence):
        self.errors.setdefault(path, (code, sentence))

    def done(self):
        if self.errors:
            raise invalid(self.errors)

    def text(self, path, value, *, most, least=0, required=False):
        """A text of this length; absent is fine unless required. Returns its length."""
        if value is None:
            if required:
                self.wrong(path, "BASE_TYPE_REQUIRED", "This field is required")
            return 0
        if not isinstance(value, str):
            self.wrong(path, "STRING_TYPE_CONVERT", "Could not interpret as string.")
            return 0
        if required and not value:
            self.wrong(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif least and not least <= len(value) <= most:
            self.wrong(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        elif len(value) > most:
            self.wrong(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return len(value)

    def count(self, path, values, *, most, least=0):
        if not isinstance(values, list):
            self.wrong(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if not least <= len(values) <= most:
            sentence = f"Must be between {least} and {most} in length."
            self.wrong(path, "BASE_TYPE_BAD_LENGTH", sentence)
        return values

    def objects(self, path, values, *, most, least=0):
        """The objects of a list, by their paths."""
        found = []
        for number, each in enumerate(self.count(path, values, most=most, least=least)):
            if isinstance(each, dict):
                found.append((f"{path}.{number}", each))
            else:
                self.wrong(f"{path}.{number}", "MODEL_TYPE_CONVERT", NO_OBJECT)
        return found

    def object(self, path, value):
        """An object; absent is fine, and empty."""
        if value is not None and not isinstance(value, dict):
            self.wrong(path, "MODEL_TYPE_CONVERT", NO_OBJECT)
        return value if isinstance(value, dict) else {}

    def one_of(self, path, value, allowed):
        if isinstance(value, list | dict) or value not in allowed:
            sentence = f"Value must be one of {{{', '.join(map(str, allowed))}}}."
            self.wrong(path, "BASE_TYPE_CHOICES", sentence)

    def number(self, path, value, *, least, most):
        if value is not None and not (isinstance(value, int) and least <= value <= most):
            self.wrong(path, "NUMBER_TYPE_MAX", f"int value should be between {least} and {most}.")

    def url(self, path, value, *, schemes=("http", "https"), most=2048):
        if value is None:
            return
        self.text(path, value, most=most)
        if not _is_url(value, schemes):
            sentence = (
                f'Scheme "{str(value).partition(":")[0]}" is not supported. Scheme must be one of {schemes}.'
            )
            self.wrong(path, "URL_TYPE_INVALID_SCHEME", sentence)


def _is_url(value, schemes):
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.netloc) and not re.search(r"\s", value)


# -------------------------------------------------------------------- messages


def check_message(body, *, flags):
    """The parts of a message as a bot or webhook may send it. Raises Invalid Form Body."""
    check = Check()
    check.text("content", body.get("content"), most=MAX_CONTENT)
    _embeds(check, body.get("embeds") or [])
    is_v2 = bool(flags & COMPONENTS_V2)
    if is_v2:
        for name in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(name):
                sentence = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                check.wrong(name, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", sentence)
    _components(check, body.get("components") or [], is_v2=is_v2)
    nonce = body.get("nonce")
    if isinstance(nonce, str) and len(nonce) > MAX_NONCE:
        check.wrong("nonce", "NONCE_TYPE_TOO_LONG", f"Nonce string cannot be longer than {MAX_NONCE}.")
    _allowed_mentions(check, body.get("allowed_mentions"))
    check.object("message_reference", body.get("message_reference"))
    for path, each in check.objects("attachments", body.get("attachments") or [], most=MAX_ATTACHMENTS):
        check.text(f"{path}.description", each.get("description"), most=1024)
        check.text(f"{path}.filename", each.get("filename"), most=1024)
    check.done()


def _allowed_mentions(check, allowed):
    allowed = check.object("allowed_mentions", allowed)
    parse = check.count("allowed_mentions.parse", allowed.get("parse") or [], most=3)
    for each in parse:
        check.one_of("allowed_mentions.parse", each, ("users", "roles", "everyone"))
    for name in ("users", "roles"):
        given = check.count(f"allowed_mentions.{name}", allowed.get(name) or [], most=100)
        if given and name in parse:
            sentence = f'parse:["{name}"] and {name}: [ids...] are mutually exclusive.'
            check.wrong("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", sentence)


def _embeds(check, embeds):
    total = sum(_embed(check, *each) for each in check.objects("embeds", embeds, most=MAX_EMBEDS))
    if total > MAX_EMBED_CHARS:
        sentence = f"Embed size exceeds maximum size of {MAX_EMBED_CHARS}"
        check.wrong("embeds", "MAX_EMBED_SIZE_EXCEEDED", sentence)


def _embed(check, path, embed):
    """Checks one, and gives the characters that count."""
    counted = sum(check.text(f"{path}.{key}", embed.get(key), most=most) for key, most in EMBED_TEXTS.items())
    check.url(f"{path}.url", embed.get("url"))
    check.number(f"{path}.color", embed.get("color"), least=0, most=0xFFFFFF)
    for place in ("image", "thumbnail"):
        pictured = check.object(f"{path}.{place}", embed.get(place))
        check.url(f"{path}.{place}.url", pictured.get("url"), schemes=("http", "https", "attachment"))
    footer = check.object(f"{path}.footer", embed.get("footer"))
    author = check.object(f"{path}.author", embed.get("author"))
    counted += check.text(f"{path}.footer.text", footer.get("text"), most=2048, required=bool(footer))
    counted += check.text(f"{path}.author.name", author.get("name"), most=256, required=bool(author))
    check.url(f"{path}.author.url", author.get("url"))
    for place, each in check.objects(f"{path}.fields", embed.get("fields") or [], most=25):
        counted += check.text(f"{place}.name", each.get("name"), most=256, required=True)
        counted += check.text(f"{place}.value", each.get("value"), most=1024, required=True)
    return counted


# ------------------------------------------------------------------ components


def children(component):
    """What stands in a component."""
    single = [component[key] for key in ("accessory", "component") if component.get(key)]
    return [*(component.get("components") or []), *single]


def walk(components):
    """Every component, those inside of others included, in the order they are read."""
    for each in components:
        yield each
        yield from walk(children(each))


def kept(components):
    """Components as Discord keeps them: without what is null, and each with an id."""
    return numbered([_without_null(each) for each in components])


def _without_null(value):
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_null(inner) for key, inner in value.items() if inner is not None}
    return value


def numbered(components):
    """Each component with an id, as Discord gives it where the app gave none."""
    taken = {each.get("id") for each in walk(components)}
    number = 0
    for each in walk(components):
        if not each.get("id"):
            number += 1
            while number in taken:
                number += 1
            each["id"] = number
    return components


def text_displays(components):
    return [each["content"] for each in walk(components) if each["type"] == TEXT_DISPLAY]


def _components(check, components, *, is_v2):
    allowed = (ROW, *V2_ONLY) if is_v2 else (ROW,)
    most = MAX_V2_COMPONENTS if is_v2 else MAX_ROWS
    for path, each in check.objects("components", components, most=most):
        _component(check, path, each, allowed)
    if check.errors:
        return
    every = list(walk(components))
    if is_v2 and len(every) > MAX_V2_COMPONENTS:
        sentence = f"Must be {MAX_V2_COMPONENTS} or fewer in total."
        check.wrong("components", "BASE_TYPE_MAX_LENGTH", sentence)
    if sum(len(each) for each in text_displays(components)) > MAX_V2_CHARS:
        sentence = f"The total displayable text size exceeds the maximum size of {MAX_V2_CHARS}"
        check.wrong("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", sentence)
    _unique(check, every)


def _unique(check, every):
    if _repeated(each.get("custom_id") for each in every):
        sentence = "Component custom id cannot be duplicated"
        check.wrong("components", "COMPONENT_CUSTOM_ID_DUPLICATED", sentence)


def _component(check, path, each, allowed):
    kind = each.get("type") if isinstance(each, dict) else None
    if not isinstance(kind, int) or kind not in allowed:
        sentence = f'Value of field "type" must be one of ({", ".join(map(str, allowed))}).'
        check.wrong(f"{path}.type", "UNION_TYPE_CHOICES", sentence)
        return
    _CHECKS[kind](check, path, each)


def _row(check, path, row):
    inner = check.objects(f"{path}.components", row.get("components"), most=MAX_BUTTONS, least=1)
    for place, each in inner:
        _component(check, place, each, (BUTTON, *SELECTS))
    if len(inner) > 1 and any(each.get("type") in SELECTS for _, each in inner):
        sentence = "The specified component exceeds the maximum width"
        check.wrong(f"{path}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", sentence)


def _button(check, path, button):
    style = button.get("style")
    check.one_of(f"{path}.style", style, (1, 2, 3, 4, LINK, PREMIUM))
    check.text(f"{path}.label", button.get("label"), most=80)
    if style == LINK:
        check.url(f"{path}.url", button.get("url"), schemes=("http", "https", "discord"), most=512)
        if not button.get("url"):
            check.wrong(f"{path}.url", "BUTTON_COMPONENT_URL_REQUIRED", "A url is required")
        if button.get("custom_id"):
            sentence = "A custom id and url cannot both be specified"
            check.wrong(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", sentence)
    else:
        check.text(f"{path}.custom_id", button.get("custom_id"), most=100, least=1, required=True)
    if not button.get("label") and not button.get("emoji"):
        check.wrong(path, "BUTTON_COMPONENT_INVALID_LABEL_OR_EMOJI", "A label or emoji is required")


def _select(check, path, select):
    check.text(f"{path}.custom_id", select.get("custom_id"), most=100, least=1, required=True)
    check.text(f"{path}.placeholder", select.get("placeholder"), most=150)
    check.number(f"{path}.min_values", select.get("min_values"), least=0, most=25)
    check.number(f"{path}.max_values", select.get("max_values"), least=1, most=25)
    if select["type"] == STRING_SELECT:
        _options(check, path, select, least=1, most=MAX_OPTIONS)


def _options(check, path, element, *, least, most):
    options = check.objects(f"{path}.options", element.get("options"), most=most, least=least)
    for place, option in options:
        check.text(f"{place}.label", option.get("label"), most=100, least=1, required=True)
        check.text(f"{place}.value", option.get("value"), most=100, least=1, required=True)
        check.text(f"{place}.description", option.get("description"), most=100)
    if _repeated(option.get("value") for _, option in options):
        sentence = "The specified option value is already used"
        check.wrong(f"{path}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", sentence)


def _repeated(values):
    """Whether a text occurs twice."""
    texts = [each for each in values if isinstance(each, str)]
    return len(texts) != len(set(texts))


def _section(check, path, section):
    for place, each in check.objects(f"{path}.components", section.get("components"), most=3, least=1):
        _component(check, place, each, (TEXT_DISPLAY,))
    if not section.get("accessory"):
        check.wrong(f"{path}.accessory", "BASE_TYPE_REQUIRED", "This field is required")
    else:
        _component(check, f"{path}.accessory", section["accessory"], (BUTTON, THUMBNAIL))


def _text_display(check, path, display):
    check.text(f"{path}.content", display.get("content"), most=MAX_V2_CHARS, required=True)


def _media(check, path, media):
    media = check.object(path, media)
    if not media.get("url"):
        check.wrong(f"{path}.url", "BASE_TYPE_REQUIRED", "This field is required")
        return
    check.url(f"{path}.url", media["url"], schemes=("http", "https", "attachment"))


def _thumbnail(check, path, thumbnail):
    _media(check, f"{path}.media", thumbnail.get("media"))
    check.text(f"{path}.description", thumbnail.get("description"), most=1024)


def _gallery(check, path, gallery):
    for place, item in check.objects(f"{path}.items", gallery.get("items"), most=10, least=1):
        _media(check, f"{place}.media", item.get("media"))
        check.text(f"{place}.description", item.get("description"), most=1024)


def _file(check, path, file):
    url = check.object(f"{path}.file", file.get("file")).get("url")
    check.url(f"{path}.file.url", url or "", schemes=("attachment",))


def _separator(check, path, separator):
    if separator.get("spacing") is not None:
        check.one_of(f"{path}.spacing", separator["spacing"], (1, 2))


def _container(check, path, container):
    inner = check.objects(f"{path}.components", container.get("components"), most=MAX_V2_COMPONENTS, least=1)
    check.number(f"{path}.accent_color", container.get("accent_color"), least=0, most=0xFFFFFF)
    for place, each in inner:
        _component(check, place, each, IN_CONTAINER)


def _label(check, path, label):
    check.text(f"{path}.label", label.get("label"), most=45, least=1, required=True)
    check.text(f"{path}.description", label.get("description"), most=100)
    _component(check, f"{path}.component", label.get("component"), IN_LABEL)


def _text_input(check, path, field):
    check.text(f"{path}.custom_id", field.get("custom_id"), most=100, least=1, required=True)
    check.one_of(f"{path}.style", field.get("style"), (1, 2))
    check.text(f"{path}.placeholder", field.get("placeholder"), most=100)
    check.text(f"{path}.value", field.get("value"), most=4000)
    check.text(f"{path}.label", field.get("label"), most=45)
    check.number(f"{path}.min_length", field.get("min_length"), least=0, most=4000)
    check.number(f"{path}.max_length", field.get("max_length"), least=1, most=4000)


def _upload(check, path, field):
    check.text(f"{path}.custom_id", field.get("custom_id"), most=100, least=1, required=True)
    check.number(f"{path}.min_values", field.get("min_values"), least=0, most=10)
    check.number(f"{path}.max_values", field.get("max_values"), least=1, most=10)


def _radio(check, path, field):
    check.text(f"{path}.custom_id", field.get("custom_id"), most=100, least=1, required=True)
    _options(check, path, field, least=2, most=10)


def _checkboxes(check, path, field):
    check.text(f"{path}.custom_id", field.get("custom_id"), most=100, least=1, required=True)
    _options(check, path, field, least=1, most=10)


def _checkbox(check, path, field):
    check.text(f"{path}.custom_id", field.get("custom_id"), most=100, least=1, required=True)


_CHECKS = {
    ROW: _row,
    BUTTON: _button,
    **dict.fromkeys(SELECTS, _select),
    TEXT_INPUT: _text_input,
    SECTION: _section,
    TEXT_DISPLAY: _text_display,
    THUMBNAIL: _thumbnail,
    GALLERY: _gallery,
    FILE: _file,
    SEPARATOR: _separator,
    CONTAINER: _container,
    LABEL: _label,
    FILE_UPLOAD: _upload,
    RADIO: _radio,
    CHECKBOXES: _checkboxes,
    CHECKBOX: _checkbox,
}


def check_modal(data):
    """A modal as the app opens it. Raises Invalid Form Body."""
    check = Check()
    check.text("data.title", data.get("title"), most=45, least=1, required=True)
    check.text("data.custom_id", data.get("custom_id"), most=100, least=1, required=True)
    components = data.get("components")
    for path, each in check.objects("data.components", components, most=5, least=1):
        if each.get("type") == ROW:
            _old_field(check, path, each)
        else:
            _component(check, path, each, (LABEL, TEXT_DISPLAY))
    if not check.errors:
        _unique(check, list(walk(components)))
    check.done()


def _old_field(check, path, row):
    """A text field in a row, with its label, as before there was a component for labels."""
    for place, field in check.objects(f"{path}.components", row.get("components"), most=1, least=1):
        _component(check, place, field, (TEXT_INPUT,))
        check.text(f"{place}.label", field.get("label"), most=45, least=1, required=True)


# -------------------------------------------------------------------- commands


def check_commands(commands):
    """All commands of the app at once. Raises Invalid Form Body."""
    check = Check()
    seen = []
    for path, command in check.objects("commands", commands, most=ALL_COMMANDS):
        kind = command.get("type") or SLASH
        _command(check, path, command, kind)
        if (kind, command.get("name")) in seen:
            sentence = "Application command names must be unique"
            check.wrong(f"{path}.name", "APPLICATION_COMMANDS_DUPLICATE_NAME", sentence)
        seen.append((kind, command.get("name")))
    check.done()


def _command(check, path, command, kind):
    check.one_of(f"{path}.type", kind, (SLASH, USER_MENU, MESSAGE_MENU, 4))
    name = command.get("name")
    check.text(f"{path}.name", name, most=32, least=1, required=True)
    if kind != SLASH:
        if command.get("description"):
            sentence = "Context menu commands cannot have description"
            check.wrong(f"{path}.description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", sentence)
        return
    _name(check, f"{path}.name", name)
    check.text(f"{path}.description", command.get("description"), most=100, least=1, required=True)
    _command_options(check, path, command.get("options") or [], depth=0)
    if not check.errors and _command_chars(command) > COMMAND_CHARS:
        sentence = f"Command exceeds maximum size ({COMMAND_CHARS})"
        check.wrong(path, "APPLICATION_COMMAND_TOO_LARGE", sentence)


def _name(check, path, name):
    if isinstance(name, str) and (not COMMAND_NAME.fullmatch(name) or name != name.lower()):
        sentence = "Command name is invalid"
        check.wrong(path, "APPLICATION_COMMAND_INVALID_NAME", sentence)


def _command_options(check, path, given, *, depth):
    options = check.objects(f"{path}.options", given, most=25)
    optional = False
    for place, option in options:
        kind = option.get("type")
        check.one_of(f"{place}.type", kind, range(1, 12))
        _name(check, f"{place}.name", option.get("name"))
        check.text(f"{place}.name", option.get("name"), most=32, least=1, required=True)
        check.text(f"{place}.description", option.get("description"), most=100, least=1, required=True)
        if kind in (SUBCOMMAND, SUBCOMMAND_GROUP):
            if depth >= (2 if kind == SUBCOMMAND else 1):
                check.wrong(f"{place}.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deep")
            else:
                _command_options(check, place, option.get("options") or [], depth=depth + 1)
            continue
        if option.get("required") and optional:
            sentence = "Required options must be placed before non-required options"
            check.wrong(f"{place}.required", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", sentence)
        optional = optional or not option.get("required")
        _choices(check, place, option)
    if _repeated(option.get("name") for _, option in options):
        sentence = "Option names must be unique"
        check.wrong(f"{path}.options", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", sentence)


def _choices(check, place, option):
    choices = option.get("choices") or []
    for path, choice in check.objects(f"{place}.choices", choices, most=25):
        check.text(f"{path}.name", choice.get("name"), most=100, least=1, required=True)
        if option.get("type") == STRING:
            check.text(f"{path}.value", choice.get("value"), most=100, required=True)
    if choices and option.get("autocomplete"):
        sentence = "Autocomplete cannot be used with choices"
        check.wrong(f"{place}.autocomplete", "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", sentence)
    if option.get("autocomplete") and option.get("type") not in (STRING, INTEGER, NUMBER):
        sentence = "Autocomplete is not available for this option type"
        check.wrong(f"{place}.autocomplete", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", sentence)
    check.number(f"{place}.min_length", option.get("min_length"), least=0, most=6000)
    check.number(f"{place}.max_length", option.get("max_length"), least=1, most=6000)


def _command_chars(command):
    """Names, descriptions and values of a command and all its options."""
    chars = len(command.get("name") or "") + len(command.get("description") or "")
    for choice in command.get("choices") or []:
        chars += len(choice.get("name") or "") + len(str(choice.get("value", "")))
    return chars + sum(_command_chars(each) for each in command.get("options") or [])


def check_choices(choices):
    """What an autocomplete offers. Raises Invalid Form Body."""
    check = Check()
    for path, choice in check.objects("data.choices", choices, most=MAX_AUTOCOMPLETE):
        check.text(f"{path}.name", choice.get("name"), most=100, least=1, required=True)
        if isinstance(choice.get("value"), str):
            check.text(f"{path}.value", choice["value"], most=100, least=1)
        elif choice.get("value") is None:
            check.wrong(f"{path}.value", "BASE_TYPE_REQUIRED", "This field is required")
    check.done()
