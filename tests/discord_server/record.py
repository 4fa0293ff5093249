"""Plays a conversation between people and the real bot, and writes what was seen.

`python -m tests.discord_server.record` writes docs/discord-conversation.json (all messages, embeds, buttons),
and .html and .png, drawn from it. The engine is the real one, with the example documents.
"""

from __future__ import annotations

from bots.conversation import Rules
from tests.chat_servers.record import CHART, LEIDEN, example_engine, main
from tests.discord_server.bot import bot_running, discord_with_the_app
from tests.discord_server.draw import page, picture
from tests.discord_server.permissions import Permission
from tests.discord_server.transcript import transcript

DRAFT = "-# ⏳"


async def play(discord):
    """Ana and Bob ask, correct and approve; Cleo manages the guild."""
    ana, bob, cleo = map(discord.user, ("ana", "bob", "cleo"))
    discord.role("admins", Permission.MANAGE_GUILD, members=[cleo])
    support = discord.channel("support")

    async def replied(asked, number=1):
        thread = await discord.until(lambda: discord.thread_of(asked), seconds=120)

        def there():
            found = [
                each
                for each in discord.answers(thread)
                if each.content and not each.content.startswith(DRAFT)
            ]
            return found[number - 1] if len(found) >= number else None

        return await discord.until(there, seconds=120)

    question = "How many support tickets came in in August, and what is our target per month?"
    asked = await ana.mentions(support, question, files=[(CHART.name, CHART.read_bytes())])
    answer = await replied(asked)
    await bob.writes(discord.thread_of(asked), "And what happens in a month above 450?")
    await replied(asked, 2)
    await bob.reacts(answer, "👍")
    await replied(await bob.mentions(support, "How many shops does Larkfell run in Canada?"))
    await bob.uses("/ask", support, question="Who calls a support surge?")
    await discord.until(lambda: bob.whispers, seconds=120)
    wrong = await ana.mentions(support, LEIDEN)
    old = await replied(wrong)
    await ana.clicks(old, "👎")
    await discord.until(lambda: ana.modal)
    correction = "The front desk in Leiden has extension 240 since 1 October 2025."
    await ana.submits({"What is wrong with it?": ["It is out of date"], "What would be right?": correction})
    proposal = await replied(wrong, 2)
    await cleo.clicks(proposal, "Approve")
    await discord.until(lambda: "is a source" in proposal.content, seconds=60)
    await replied(await bob.mentions(support, LEIDEN))


async def told(folder):
    """The record of the conversation, with the bot's data in this folder."""
    discord = discord_with_the_app()
    discord.world.app.message_content = True
    async with discord:
        with example_engine(folder / "home", f"discord-{discord.guild.id}") as engine:
            async with bot_running(discord, engine, folder / "bots", rules=Rules(approvals=1)):
                await play(discord)
        return transcript(discord, "support")


if __name__ == "__main__":
    main(__doc__, "docs/discord-conversation", told, page=page, picture=picture)
