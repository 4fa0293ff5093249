"""Plays a conversation between people and the real bot, and writes what was seen.

`python -m tests.slack_server.record` writes docs/slack-conversation.json (all messages and blocks), and
.html and .png, drawn from it. The engine is the real one, with the example documents.
"""

from __future__ import annotations

import base64
import json

from bots.conversation import Rules
from tests.chat_servers.draw import page, picture
from tests.chat_servers.record import CHART, LEIDEN, example_engine, main
from tests.slack_server.bot import bot_running, slack_with_the_app


def recorded(slack, channel):
    """What was seen in a channel, thread by thread: JSON that `draw` takes. Addresses here become Slack's."""
    place = slack.channel(channel)
    shown = slack.shown(place, with_metadata=True)
    for user in [each for each in slack.world.users.values() if not each.is_bot]:
        whispered = slack.shown(place, to=slack.user(user.name))
        shown += [each | {"ephemeral_to": user.id} for each in whispered if each.get("is_ephemeral")]
    shown.sort(key=lambda each: (each.get("thread_ts", each["ts"]), each["ts"]))
    text = json.dumps(shown, ensure_ascii=False).replace(slack.base, "https://files.slack.com")
    return {
        "channel": channel,
        "people": {user.id: user.name for user in slack.world.users.values()},
        "messages": json.loads(text),
        "pictures": {
            file.id: base64.b64encode(file.data).decode()
            for file in slack.world.files.values()
            if file.mimetype.startswith("image/")
        },
    }


async def play(slack):
    """Ana and Bob ask, correct and approve; Cleo is an admin."""
    ana, bob = slack.user("ana"), slack.user("bob")
    cleo = slack.user("cleo", is_admin=True)
    for person in (ana, bob, cleo):
        slack.channel("support").members.add(person.id)

    async def replied(asked, number=1):
        def there():
            found = slack.answers("support", thread=asked)
            ready = [each for each in found if each.stream is None or each.stream.state == "completed"]
            return ready[number - 1] if len(ready) >= number else None

        return await slack.until(there, seconds=120)

    question = "How many support tickets came in in August, and what is our target per month?"
    asked = await ana.mentions_bot("support", question, files=[(CHART.name, CHART.read_bytes())])
    answer = await replied(asked)
    await bob.says("support", "And what happens in a month above 450?", thread=asked)
    await replied(asked, 2)
    await bob.reacts(answer, "+1")
    drawn = await ana.mentions_bot("support", "Which sales channel has the largest share?")
    await replied(drawn)
    unknown = await bob.mentions_bot("support", "How many shops does Larkfell run in Canada?")
    await replied(unknown)
    await bob.runs("/ask Who calls a support surge?", "support")
    await slack.until(lambda: bob.whispers("support"), seconds=120)
    wrong = await ana.mentions_bot("support", LEIDEN)
    old = await replied(wrong)
    await ana.clicks(old, "Bad answer")
    await slack.until(lambda: ana.modal)
    correction = "The front desk in Leiden has extension 240 since 1 October 2025."
    await ana.submits({"What is wrong with it?": ["It is out of date"], "What would be right?": correction})
    proposal = await replied(wrong, 2)
    await cleo.clicks(proposal, "approve_correction")
    await slack.until(lambda: "is a source" in proposal.text, seconds=60)
    again = await bob.mentions_bot("support", LEIDEN)
    await replied(again)
    await slack.settled(seconds=60)


async def told(folder):
    """The record of the conversation, with the bot's data in this folder."""
    async with slack_with_the_app() as slack:
        with example_engine(folder / "home", f"slack-{slack.team.id}") as engine:
            async with bot_running(slack, engine, folder / "bots", rules=Rules(approvals=1)):
                await play(slack)
        return recorded(slack, "support")


if __name__ == "__main__":
    main(__doc__, "docs/slack-conversation", told, page=page, picture=picture)
