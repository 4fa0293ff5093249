"""A bot that offers one of each, and people who do everything once."""

from __future__ import annotations

import io

import discord
from discord import app_commands, ui

from tests.discord_server.client import Bot

PNG = bytes.fromhex(  # 2 x 3 pixels, grey
    "89504e470d0a1a0a0000000d49484452000000020000000308000000009c81815d0000000d49444154789c6368"
    "68600023000d890301361ff52b0000000049454e44ae426082"
)


class Why(ui.Modal, title="What is wrong?"):
    """A modal with one field of each kind that is used."""

    hint = ui.TextDisplay("Say what would be **right**.")
    reason = ui.Label(text="Reason", component=ui.TextInput(custom_id="reason", min_length=3))
    kind = ui.Label(
        text="Kind",
        component=ui.Select(
            custom_id="kind",
            required=False,
            options=[discord.SelectOption(label="Too old", value="old"), discord.SelectOption(label="Wrong")],
        ),
    )
    proof = ui.Label(text="Proof", component=ui.FileUpload(custom_id="proof", required=False, max_values=2))

    def __init__(self, bot):
        super().__init__(custom_id="why")
        self._bot = bot

    async def on_submit(self, interaction):
        files = [await each.read() for each in self.proof.component.values]
        self._bot.taken.append((self.reason.component.value, list(self.kind.component.values), files))
        await interaction.response.send_message("noted", ephemeral=True)


class Rating(ui.View):
    """Buttons that work after a restart, too."""

    def __init__(self, bot):
        super().__init__(timeout=None)
        self._bot = bot

    @ui.button(label="Good", custom_id="good", emoji="👍")
    async def good(self, interaction, _):
        self._bot.taken.append("good")
        await interaction.response.defer()

    @ui.button(label="Bad", custom_id="bad")
    async def bad(self, interaction, _):
        await interaction.response.send_modal(Why(self._bot))

    @ui.button(label="Done", custom_id="done")
    async def done(self, interaction, _):
        await interaction.response.edit_message(content="done", view=None)

    @ui.select(custom_id="pick", options=[discord.SelectOption(label="One", value="1")])
    async def pick(self, interaction, select):
        self._bot.taken.append(select.values)
        await interaction.response.send_message(f"picked {select.values[0]}")


class FullBot(Bot):
    """Commands of every kind, a view, a modal."""

    def __init__(self, **options):
        super().__init__(**options)
        self.taken = []
        self._offer()

    async def setup_hook(self):
        self.add_view(Rating(self))
        await self.tree.sync()

    def _offer(self):
        bot = self

        @self.tree.command(description="Ask a question")
        @app_commands.describe(question="What to ask", image="A picture that it is about", loud="For all")
        async def ask(
            interaction: discord.Interaction,
            question: app_commands.Range[str, 1, 100],
            image: discord.Attachment | None = None,
            loud: bool = False,  # noqa: FBT001, FBT002 - an option of the command
        ):
            await interaction.response.defer(ephemeral=not loud)
            size = len(await image.read()) if image else 0
            await interaction.edit_original_response(content=f"{question}? {size} bytes")
            await interaction.followup.send("and more", ephemeral=not loud)

        group = app_commands.Group(name="kb", description="What is known")

        @group.command(description="Take a title out")
        async def remove(interaction: discord.Interaction, title: str):
            await interaction.response.send_message(f"removed {title}", ephemeral=True)

        @remove.autocomplete("title")
        async def titles(_: discord.Interaction, typed: str):
            known = ["Pears", "Plums"]
            return [app_commands.Choice(name=each, value=each.lower()) for each in known if typed in each]

        @self.tree.context_menu(name="Keep")
        async def keep(interaction: discord.Interaction, message: discord.Message):
            bot.taken.append(message.content)
            await interaction.response.send_message("kept", ephemeral=True)

        @self.tree.context_menu(name="Who")
        async def who(interaction: discord.Interaction, member: discord.Member):
            await interaction.response.send_message(f"that is {member.name}", ephemeral=True)

        self.tree.add_command(group)

    async def on_message(self, message):
        if message.author != self.user and self.user in message.mentions:
            await message.reply("an answer", view=Rating(self), file=discord.File(io.BytesIO(PNG), "a.png"))


async def people_do_everything(server, bot):
    """Each kind of event and interaction is sent once, and each method that a bot needs is called."""
    ana, bob = server.user("ana"), server.user("bob")
    asked = await ana.mentions("general", "what is it?", files=[("chart.png", PNG)])
    (answer,) = await server.until(lambda: server.answers("general"))
    await _interact(ana, answer)
    await ana.reacts(answer, "👍")
    await ana.unreacts(answer, "👍")
    await ana.edits(asked, "what is that?")
    await ana.types("general")
    await ana.writes_to_bot("hello")
    await ana.forwards(asked, ana)
    thread = await ana.starts_thread("general", "a thread", message=asked)
    await bob.writes(thread, "in it")
    private = await ana.starts_thread("general", "private", private=True)
    await ana.mentions(private, "come in")
    forum = server.channel("help", type="forum", tags=["bug"])
    await ana.posts(forum, "It breaks", f"<@{server.bot}> why?", files=[("log.txt", b"log")], tags=["bug"])
    server.leave(server.guild, bob.id)
    role = server.role("readers", members=[ana])
    server.set_permissions(role, server.permission.ADMINISTRATOR)
    general = server.channel("general")
    server.allow(general, role, server.permission.ATTACH_FILES)
    server.deny(general, server.bot, server.permission.VIEW_CHANNEL)
    server.allow(general, server.bot, server.permission.VIEW_CHANNEL)
    server.change_thread(thread, archived=True)
    server.clear_reactions(answer)
    server.delete_messages([await ana.writes(general, "one"), await ana.writes(general, "two")])
    await ana.deletes(await ana.writes("general", "a mistake"))
    await _calls(server, bot, answer)
    server.delete_channel(private)
    server.delete_channel(server.channel("gone"))
    server.remove_bot(server.add_guild("other"))
    await bot.guilds[0].query_members("an")


async def _interact(ana, answer):
    await ana.clicks(answer, "Good")
    await ana.clicks(answer, "pick", values=["One"])
    await ana.clicks(answer, "Bad")
    await ana.submits({"Reason": "too old", "Kind": "Too old", "Proof": [("new.pdf", b"%PDF-")]})
    await ana.uses("/ask", "general", question="why", image=("x.png", PNG), loud=True)
    await ana.uses("/ask", ana, question="why")
    (offered,) = await ana.is_offered("/kb remove", "general", "title", "Pe")
    await ana.uses("/kb remove", "general", title=offered)
    await ana.uses_menu("Keep", answer)
    await ana.uses_menu("Who", ana, where="general")
    await ana.clicks(answer, "Done")


async def _calls(server, bot, answer):
    guild = bot.guilds[0]
    general = bot.get_channel(int(server.channel("general").id))
    sent = await general.send(
        "**so**",
        embed=discord.Embed(title="T", description="D", color=3).set_image(url="attachment://e.png"),
        file=discord.File(io.BytesIO(PNG), "e.png"),
        nonce=7,
    )
    await sent.edit(content="so it is", suppress=True)
    await sent.add_reaction("👀")
    await sent.remove_reaction("👀", bot.user)
    view = ui.LayoutView()
    gallery = ui.MediaGallery(discord.MediaGalleryItem("attachment://g.png"))
    section = ui.Section(ui.TextDisplay("a"), accessory=ui.Thumbnail("attachment://g.png"))
    view.add_item(ui.Container(section, ui.Separator(), gallery, ui.File("attachment://f.txt")))
    files = [discord.File(io.BytesIO(PNG), "g.png"), discord.File(io.BytesIO(b"f"), "f.txt")]
    await general.send(view=view, files=files)
    again = await general.fetch_message(int(answer.id))
    _ = [each async for each in general.history(limit=5)]
    _ = [user async for user in again.reactions[0].users()] if again.reactions else []
    thread = await sent.create_thread(name="more")
    await thread.fetch_members()
    await thread.edit(archived=True)
    await guild.fetch_channels()
    await guild.fetch_roles()
    await guild.active_threads()
    _ = [each async for each in general.archived_threads()]
    await guild.fetch_member(bot.user.id)
    await bot.fetch_guild(guild.id)
    await bot.fetch_channel(general.id)
    _ = [each async for each in bot.fetch_guilds()]
    user = await bot.fetch_user(int(server.user("ana").id))
    await (await user.create_dm()).send("hi")
    await bot.tree.fetch_commands()
    await bot.http.get_bot_gateway()
    await bot.http.request(discord.http.Route("GET", "/gateway"))
    urls = (
        {"attachment_urls": [again.attachments[0].url]} if again.attachments else {"attachment_urls": ["x"]}
    )
    await bot.http.request(discord.http.Route("POST", "/attachments/refresh-urls"), json=urls)
    try:
        await general.send("x" * 2001)
    except discord.HTTPException as refused:
        bot.taken.append(refused.code)
    gone = server.channel("gone")
    await server.until(lambda: bot.get_channel(int(gone.id)))
