"""Interactions against the real discord.py: commands, autocomplete, menus, buttons, modals, time."""

from __future__ import annotations

import asyncio
import io
from typing import Literal

import discord
import pytest
from discord import app_commands, ui
from discord.http import Route

from tests.discord_server import DiscordServer
from tests.discord_server.client import Bot, running
from tests.discord_server.everything import PNG, FullBot, people_do_everything


def played(story, bot=FullBot):
    """Run a story with a server and a bot that runs there."""

    async def told():
        async with DiscordServer() as server, running(server, bot()) as made:
            return await story(server, made)

    return asyncio.run(told())


class SlowBot(Bot):
    """A bot that keeps the interactions and answers none: the test does."""

    def __init__(self):
        super().__init__()
        self.kept = []

        @self.tree.command(description="Do something")
        async def act(interaction: discord.Interaction):
            self.kept.append(interaction)

    async def setup_hook(self):
        await self.tree.sync()


async def code_of(request):
    """The code that a request is refused with."""
    with pytest.raises(discord.HTTPException) as refused:
        await request
    return refused.value.code


async def answered(bot, server, act, *answers):
    """What `act` gives, while the bot's newest interaction is answered by each of these."""
    count = len(bot.kept)
    acting = asyncio.create_task(act)
    await server.until(lambda: len(bot.kept) > count)
    for answer in answers:
        await answer(bot.kept[-1])
    return await acting


# ----------------------------------------------------------------------- commands


def test_a_command_brings_its_options_and_files():
    async def story(server, bot):
        ana = server.user("ana")
        await ana.uses("/ask", "general", question="why", image=("a.png", PNG), loud=True)
        first, second = await server.until(lambda: _two(server.answers("general")))
        assert (first.content, second.content) == (f"why? {len(PNG)} bytes", "and more")
        seen = ana.reads(first)
        assert (seen.only_you, seen.is_thinking) == (False, False)
        await ana.uses("/ask", ana, question="alone")
        (alone, _) = await server.until(lambda: _two(ana.whispers))
        assert ana.reads(alone).only_you
        assert alone not in server.messages(ana)
        with pytest.raises(ValueError, match="question"):
            await ana.uses("/ask", "general")
        with pytest.raises(ValueError, match="length"):
            await ana.uses("/ask", "general", question="x" * 101)
        with pytest.raises(LookupError, match="ask"):
            await ana.uses("/nothing", "general")
        assert bot.count("interaction") == 2

    played(story)


def _two(found):
    return found if len(found) == 2 else None


def test_titles_are_offered_while_somebody_types():
    async def story(server, bot):
        del bot
        ana = server.user("ana")
        offered = await ana.is_offered("/kb remove", "general", "title", "P")
        assert [each["name"] for each in offered] == ["Pears", "Plums"]
        await ana.uses("/kb remove", "general", title=offered[1])
        (said,) = ana.whispers
        assert said.content == "removed plums"

    played(story)


def test_menus_bring_the_message_that_they_belong_to():
    async def story(server, bot):
        ana, bob = server.user("ana"), server.user("bob")
        plain = await bob.writes("general", "no word to the bot", files=[("a.txt", b"a")])
        await ana.uses_menu("Keep", plain)
        assert bot.taken == ["no word to the bot"]
        await ana.uses_menu("Who", bob, where="general")
        assert [each.content for each in ana.whispers] == ["kept", "that is bob"]

    played(story)


def test_commands_are_replaced_all_at_once_and_keep_their_ids():
    async def story(server, bot):
        before = {each.name: (each.id, each.type) for each in await bot.tree.fetch_commands()}
        assert before.keys() == {"ask", "kb", "Keep", "Who"}
        versions = {each["name"]: each["version"] for each in server.world.app.commands.values()}
        bot.tree.remove_command("Who", type=discord.AppCommandType.user)
        bot.tree.get_command("kb").description = "What is known by now"
        await bot.tree.sync()
        after = {each["name"]: each for each in server.world.app.commands.values()}
        assert {name: int(each["id"]) for name, each in after.items()} == {
            name: before[name][0] for name in ("ask", "kb", "Keep")
        }
        assert after["ask"]["version"] == versions["ask"]
        assert after["kb"]["version"] != versions["kb"]

    played(story)


def command(**more):
    return {"name": "a", "description": "d"} | more


def option(**more):
    return {"type": 3, "name": "o", "description": "d"} | more


REFUSED = [
    ([command(name="Upper")], 50035),
    ([command(name="with space")], 50035),
    ([command(name="x" * 33)], 50035),
    ([command(description="")], 50035),
    ([command(description="x" * 101)], 50035),
    ([command(), command()], 50035),
    ([command(options=[option(name=f"o{n}") for n in range(26)])], 50035),
    ([command(options=[option(), option(name="p", required=True)])], 50035),
    ([command(options=[option(autocomplete=True, choices=[{"name": "n", "value": "v"}])])], 50035),
    ([command(options=[option(choices=[{"name": "n", "value": "v"}] * 26)])], 50035),
    ([command(type=3)], 50035),
    ([command(name=f"c{n}") for n in range(101)], 30032),
    ([{"name": f"c{n}", "type": 3} for n in range(16)], 30032),
]


def test_commands_have_limits():
    async def story(server, bot):
        path = f"/applications/{server.bot}/commands"
        codes = [await code_of(bot.http.request(Route("PUT", path), json=each)) for each, _ in REFUSED]
        assert codes == [code for _, code in REFUSED]
        assert len(server.world.app.commands) == 1

    played(story, bot=SlowBot)


def test_commands_are_offered_to_those_who_may_and_where_they_are_for():
    async def story(server, bot):
        @bot.tree.command(description="For those who manage")
        @app_commands.default_permissions(manage_guild=True)
        @app_commands.guild_only()
        async def manage(interaction: discord.Interaction):
            await interaction.response.send_message("managed")

        await bot.tree.sync()
        ana = server.user("ana")
        with pytest.raises(PermissionError):
            await ana.uses("/manage", "general")
        with pytest.raises(PermissionError):
            await ana.uses("/manage", ana)
        await server.owner.uses("/manage", "general")
        await server.until(lambda: server.answers("general"))

    played(story)


# ---------------------------------------------------------------- buttons, modals


def test_buttons_selects_and_modals_come_back_to_the_bot():
    async def story(server, bot):
        ana = server.user("ana")
        await ana.mentions("general", "why?")
        (answer,) = await server.until(lambda: server.answers("general"))
        await ana.clicks(answer, "👍")
        await ana.clicks(answer, "pick", values=["One"])
        await ana.clicks(answer, "Bad")
        assert ana.modal.title == "What is wrong?"
        await ana.submits()
        assert ana.modal.errors == {"Reason": "This field is required."}
        await ana.submits({"Reason": "too old", "Kind": "Too old", "Proof": [("new.pdf", b"%PDF-")]})
        assert ana.modal is None
        assert bot.taken == ["good", ["1"], ("too old", ["old"], [b"%PDF-"])]
        assert ana.whispers[-1].content == "noted"
        await ana.clicks(answer, "Done")
        assert ana.reads(answer).buttons == ()

    played(story)


def test_a_button_works_for_a_bot_that_was_started_anew():
    async def told():
        async with DiscordServer() as server:
            ana = server.user("ana")
            async with running(server, FullBot()):
                await ana.mentions("general", "why?")
                (answer,) = await server.until(lambda: server.answers("general"))
            server.interactions.answer_seconds = 0.0
            await ana.clicks(answer, "Good")
            server.interactions.answer_seconds = 3.0
            assert ana.notices == ["This interaction failed"]
            async with running(server, FullBot()) as again:
                await ana.clicks(answer, "Good")
                assert again.taken == ["good"]

    asyncio.run(told())


def test_everything_that_people_do_reaches_a_bot():
    async def story(server, bot):
        server.world.app.members_intent = True
        await people_do_everything(server, bot)
        assert bot.taken[0] == "good"
        assert {each.status for each in server.requests} == {200, 204, 400}

    played(story)


def test_answers_of_other_kinds_are_refused():
    async def story(server, bot):
        ana = server.user("ana")

        async def wrong(interaction):
            route = Route("POST", f"/interactions/{interaction.id}/{interaction.token}/callback")
            for kind in (6, 7, 8, 99):
                assert await code_of(bot.http.request(route, json={"type": kind})) == 50035
            await interaction.response.defer()

        await answered(bot, server, ana.uses("/act", "general"), wrong)

    played(story, bot=SlowBot)


def test_people_channels_and_roles_are_told_in_full():
    async def story(server, bot):
        bot.tree.clear_commands(guild=None)

        @bot.tree.command(description="Take all")
        async def take(  # noqa: PLR0917 - one option of each kind
            interaction: discord.Interaction,
            who: discord.Member,
            where: discord.TextChannel,
            team: discord.Role,
            count: app_commands.Range[int, 1, 9],
            share: float,
            kind: Literal["a", "b"],
        ):
            bot.taken.append((who.name, where.name, team.name, count, share, kind))
            await interaction.response.send_message(view=Chooser(bot))

        await bot.tree.sync()
        ana, bob = server.user("ana"), server.user("bob")
        team, place = server.role("team"), server.channel("plans")
        await ana.uses("/take", "general", who=bob, where=place, team=team, count=3, share=0.5, kind="b")
        assert bot.taken == [("bob", "plans", "team", 3, 0.5, "b")]
        with pytest.raises(ValueError, match="none of"):
            await ana.uses("/take", "general", who=bob, where=place, team=team, count=3, share=0.5, kind="c")
        (message,) = server.answers("general")
        await ana.clicks(message, "who", values=[bob])
        assert bot.taken[-1] == ["bob"]
        await ana.submits({"Channel": [place], "Size": "Large", "Colours": ["Red", "Blue"], "Sure": True})
        assert bot.taken[-1] == ("plans", "large", ["red", "blue"], True)

    played(story)


class Chooser(ui.View):
    def __init__(self, bot):
        super().__init__(timeout=None)
        self._bot = bot

    @ui.select(cls=ui.UserSelect, custom_id="who")
    async def who(self, interaction, select):
        self._bot.taken.append([each.name for each in select.values])
        await interaction.response.send_modal(Choices(self._bot))


class Choices(ui.Modal, title="Choose"):
    channel = ui.Label(text="Channel", component=ui.ChannelSelect())
    size = ui.Label(
        text="Size",
        component=ui.RadioGroup(
            options=[discord.RadioGroupOption(label=each, value=each.lower()) for each in ("Small", "Large")]
        ),
    )
    colours = ui.Label(
        text="Colours",
        component=ui.CheckboxGroup(
            options=[discord.CheckboxGroupOption(label=each, value=each.lower()) for each in ("Red", "Blue")]
        ),
    )
    sure = ui.Label(text="Sure", component=ui.Checkbox())

    def __init__(self, bot):
        super().__init__()
        self._bot = bot

    async def on_submit(self, interaction):
        (channel,) = self.channel.component.values
        chosen = self.size.component.value, self.colours.component.values, self.sure.component.value
        self._bot.taken.append((channel.name, *chosen))
        await interaction.response.defer()


def test_files_of_an_answer_that_one_person_sees_are_theirs_to_read():
    async def story(server, bot):
        async def answer(interaction):
            file = discord.File(io.BytesIO(PNG), "a.png")
            await interaction.response.send_message(file=file, ephemeral=True)
            told = await interaction.original_response()
            assert "/ephemeral-attachments/" in told.attachments[0].url
            assert await told.attachments[0].read() == PNG

        ana = server.user("ana")
        await answered(bot, server, ana.uses("/act", "general"), answer)
        assert ana.reads(ana.whispers[0]).files == ("a.png",)

    played(story, bot=SlowBot)


# ----------------------------------------------------------------------------- time


def test_nobody_waits_longer_than_three_seconds():
    async def story(server, bot):
        ana = server.user("ana")
        acting = asyncio.create_task(ana.uses("/act", "general"))
        await server.until(lambda: bot.kept)
        server.clock.advance(3.1)
        made = await acting
        assert made.late
        assert ana.notices == ["The application did not respond"]
        assert await code_of(bot.kept[0].response.send_message("late")) == 10062

    played(story, bot=SlowBot)


def test_an_interaction_is_answered_once():
    async def story(server, bot):
        async def twice(interaction):
            await interaction.response.defer()
            interaction.response._response_type = None  # noqa: SLF001 - as another process would answer
            assert await code_of(interaction.response.send_message("again")) == 40060

        await answered(bot, server, server.user("ana").uses("/act", "general"), twice)

    played(story, bot=SlowBot)


def test_an_answer_can_be_edited_for_fifteen_minutes():
    async def story(server, bot):
        ana = server.user("ana")
        await answered(bot, server, ana.uses("/act", "general"), lambda each: each.response.send_message("a"))
        (interaction,) = bot.kept
        await interaction.edit_original_response(content="b")
        more = await interaction.followup.send("c", wait=True)
        await more.edit(content="d")
        assert [each.content for each in server.answers("general")] == ["b", "d"]
        await more.delete()
        assert await code_of(more.edit(content="e")) == 10008
        server.clock.advance(901)
        assert await code_of(interaction.edit_original_response(content="f")) == 50027
        assert [each.content for each in server.answers("general")] == ["b"]

    played(story, bot=SlowBot)


@pytest.mark.parametrize("ephemeral", [False, True])
def test_the_first_message_after_a_deferral_is_its_answer(ephemeral):
    async def story(server, bot):
        ana = server.user("ana")
        act = ana.uses("/act", "general")
        await answered(bot, server, act, lambda each: each.response.defer(ephemeral=ephemeral, thinking=True))
        assert ana.sees("general")[0].is_thinking
        (interaction,) = bot.kept
        await interaction.followup.send("first", ephemeral=not ephemeral)
        await interaction.followup.send("second")
        shown = ana.sees("general")
        assert [each.text for each in shown] == ["first", "second"]
        assert [each.only_you for each in shown] == [ephemeral, False]
        original = await interaction.original_response()
        assert original.content == "first"

    played(story, bot=SlowBot)


def test_an_answer_tells_what_it_became():
    async def story(server, bot):
        kept = []

        async def answer(interaction):
            kept.append(await interaction.response.send_message("hello", ephemeral=True))

        ana = server.user("ana")
        await answered(bot, server, ana.uses("/act", "general"), answer)
        (told,) = kept
        assert str(told.message_id) == ana.whispers[0].id
        assert told.is_ephemeral()
        assert not told.is_thinking()

    played(story, bot=SlowBot)


def test_a_modal_has_limits():
    async def story(server, bot):
        ana = server.user("ana")
        asked = ui.TextInput(label="x" * 46, custom_id="a")

        async def too_long(interaction):
            modal = ui.Modal(title="t", custom_id="m")
            modal.add_item(asked)
            assert await code_of(interaction.response.send_modal(modal)) == 50035
            await interaction.response.send_message("sorry")

        await answered(bot, server, ana.uses("/act", "general"), too_long)
        assert ana.modal is None

    played(story, bot=SlowBot)
