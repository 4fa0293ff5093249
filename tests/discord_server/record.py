"""Plays a conversation between people and the real bot, and writes what was seen.

`python -m tests.discord_server.record` writes docs/discord-conversation.json (all messages, embeds, buttons),
and .html and .png, drawn from it. The engine is the real one, with the example documents.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path

from bots.conversation import Rules
from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.types import Source
from tests.discord_server.bot import bot_running, discord_with_the_app
from tests.discord_server.draw import page, picture
from tests.discord_server.permissions import Permission
from tests.discord_server.transcript import transcript

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CHART = EXAMPLES / "attachments/tickets-per-month.png"
LEIDEN = "What is the telephone extension of the front desk in Leiden?"
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
        settings = Settings(home=folder / "home", generator="extractive")
        with build_engine(settings) as engine:
            for path in sorted((EXAMPLES / "knowledge").iterdir()):
                source = Source(path.name, path.read_bytes(), f"https://wiki.example/{path.name}")
                engine.add(source, collection=f"discord-{discord.guild.id}")
            async with bot_running(discord, engine, folder / "bots", rules=Rules(approvals=1)):
                await play(discord)
        return transcript(discord, "support")


def write(conversation, stem):
    """The record beside its page and its picture."""
    text = json.dumps(conversation, ensure_ascii=False, indent=1) + "\n"
    stem.with_suffix(".json").write_text(text, encoding="utf-8")
    stem.with_suffix(".html").write_text(page(conversation), encoding="utf-8")
    stem.with_suffix(".png").write_bytes(picture(conversation))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/discord-conversation", metavar="STEM")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="mmrag-record-") as folder:
        conversation = asyncio.run(told(Path(folder)))
    write(conversation, options.output)
    sys.stdout.write(
        f"{len(conversation['messages'])} messages in {options.output.name}.json, .html and .png\n"
    )


if __name__ == "__main__":
    main()
