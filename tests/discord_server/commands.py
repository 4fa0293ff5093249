"""Application commands: what the app offers, and finding what a person types."""

from __future__ import annotations

from tests.discord_server import rules
from tests.discord_server.api import route
from tests.discord_server.world import refusal

COMPARED = (
    *("name", "type", "description", "options", "default_member_permissions", "contexts", "nsfw"),
    *("name_localizations", "description_localizations", "integration_types", "dm_permission"),
)


def _registered(call, given, guild=None, *, before=None):
    """The command as Discord keeps it; its version moves only when something changed."""
    kind = given.get("type") or rules.SLASH
    kept = {
        "id": before["id"] if before else call.world.new_id(),
        "application_id": call.app.id,
        "version": call.world.new_id(),
        "default_member_permissions": given.get("default_member_permissions"),
        "type": kind,
        "name": given["name"],
        "name_localizations": given.get("name_localizations"),
        "description": given.get("description") or "",
        "description_localizations": given.get("description_localizations"),
        "dm_permission": given.get("dm_permission", True),
        "contexts": given.get("contexts"),
        "integration_types": given.get("integration_types") or [0],
        "nsfw": given.get("nsfw", False),
    }
    if given.get("options"):
        kept["options"] = [_option(each) for each in given["options"]]
    if guild is not None:
        kept["guild_id"] = guild
    if before and all(before.get(key) == kept.get(key) for key in COMPARED):
        kept["version"] = before["version"]
    return kept


def _option(option):
    """An option without what says nothing."""
    kept = {key: value for key, value in option.items() if value not in (None, [], False)}
    if kept.get("options"):
        kept["options"] = [_option(each) for each in kept["options"]]
    return kept


def of_place(world, guild):
    """The commands of a guild, or the global ones (None)."""
    return [each for each in world.app.commands.values() if each.get("guild_id") == guild]


def _own(call):
    if call["application"] != call.app.id:
        raise refusal("missing access")


def _guild(call):
    return call.guild().id if "guild" in call.request.parameters else None


async def list_commands(call):
    _own(call)
    return of_place(call.world, _guild(call))


async def bulk_overwrite_commands(call):
    """What is given is all there is from now on; what has the same name and kind keeps its id."""
    _own(call)
    guild = _guild(call)
    given = call.request.body
    rules.check_commands(given)
    _need_room(given)
    before = {(each["type"], each["name"]): each for each in of_place(call.world, guild)}
    kept = [
        _registered(call, each, guild, before=before.get((each.get("type") or rules.SLASH, each["name"])))
        for each in given
    ]
    for each in before.values():
        del call.app.commands[each["id"]]
    call.app.commands |= {each["id"]: each for each in kept}
    call.server.touch()
    return kept


def _need_room(commands):
    for kind, most in rules.MOST_COMMANDS.items():
        if sum((each.get("type") or rules.SLASH) == kind for each in commands) > most:
            raise refusal("too many commands")


async def create_command(call):
    _own(call)
    guild = _guild(call)
    kind = call.body.get("type") or rules.SLASH
    others = of_place(call.world, guild)
    same = [each for each in others if (each["type"], each["name"]) == (kind, call.body.get("name"))]
    rules.check_commands([call.body])
    _need_room([each for each in others if each not in same] + [call.body])
    kept = _registered(call, call.body, guild, before=same[0] if same else None)
    call.app.commands[kept["id"]] = kept
    call.server.touch()
    return kept


async def edit_command(call):
    _own(call)
    before = _known(call)
    changed = before | call.body
    rules.check_commands([changed])
    kept = _registered(call, changed, before.get("guild_id"), before=before)
    call.app.commands[kept["id"]] = kept
    return kept


async def get_command(call):
    _own(call)
    return _known(call)


async def delete_command(call):
    _own(call)
    del call.app.commands[_known(call)["id"]]


def _known(call):
    kept = call.app.commands.get(call["command"])
    if kept is None or kept.get("guild_id") != _guild(call):
        raise refusal("unknown command")
    return kept


for _place in ("/applications/{application}", "/applications/{application}/guilds/{guild}"):
    route("GET", f"{_place}/commands")(list_commands)
    route("PUT", f"{_place}/commands", limit=(2, 60.0))(bulk_overwrite_commands)
    route("POST", f"{_place}/commands", limit=(5, 20.0))(create_command)
    route("GET", f"{_place}/commands/{{command}}")(get_command)
    route("PATCH", f"{_place}/commands/{{command}}", limit=(5, 20.0))(edit_command)
    route("DELETE", f"{_place}/commands/{{command}}", limit=(5, 20.0))(delete_command)


def find(world, path, guild, *, kind=rules.SLASH):
    """(command, its options down to what is called) of "kb add". A guild's own goes first.

    Raises LookupError where nothing is called so.
    """
    first, *rest = [path] if kind != rules.SLASH else path.removeprefix("/").split()
    places = [of_place(world, guild), of_place(world, None)] if guild else [of_place(world, None)]
    offered = [each for place in places for each in place if each["type"] == kind]
    command = next((each for each in offered if each["name"] == first), None)
    if command is None:
        raise LookupError(f"no command is called {path!r}; there is {[each['name'] for each in offered]}")
    chain, options = [], command.get("options") or []
    for name in rest:
        inner = next((each for each in options if each["name"] == name and each["type"] <= 2), None)
        if inner is None:
            raise LookupError(f"{first!r} has nothing called {name!r}")
        chain.append(inner)
        options = inner.get("options") or []
    if any(each["type"] <= 2 for each in options):
        raise LookupError(f"{path!r} is not complete; there is {[each['name'] for each in options]}")
    return command, chain, options
