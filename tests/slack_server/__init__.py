"""Our own Slack, over real sockets of this machine: what the real SDK and Bolt can be run against.

    async with SlackServer() as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)    # app token: slack.app_token
        ... start the bot on `slack.api_url`; for HTTP give it slack.world.app.signing_secret
            and set slack.courier.url = "http://.../slack/events"
        ana = slack.user("ana")
        asked = await ana.mentions_bot("general", "what grew?", files=[("chart.png", png)])
        (answer,) = await slack.until(lambda: slack.answers("general", thread=asked))
        await ana.clicks(answer, "Bad answer")    # a label, an action id, a value; "positive" / "negative"
        await slack.until(lambda: ana.modal)
        await ana.submits({"What was wrong?": "Too old"})

People (`people.py`): `says`, `mentions_bot`, `writes_to_bot`, `edits`, `deletes`, `reacts`, `unreacts`,
`runs` ("/ask ..."), `uses_shortcut`, `clicks`, `fills_in`, `submits`, `closes`, `opens_home`, `stops`; what
they see: `sees(channel)`, `whispers(channel)`, `modal`, `home`, `status`, `user.notices`.
`slack.channel("secret", type="group", members=[ana])` makes other places; `with_bot=False`: without the bot.

Nobody sleeps: `slack.until(predicate)` looks again after every change, `slack.settled()` waits for all acks,
`slack.clock.advance(seconds)` lets streams, triggers and response addresses expire.
What goes wrong is armed in `slack.faults`; how events come, in `slack.courier` (`copies`, `fresh_ids`, `hold`
and `release(random.shuffle)`, `retries`, `ack_seconds`) and `slack.mention_as`; connections, in
`slack.socket_mode` (`warn`, `refresh`, `cut`); limits by `slack.limits.on = True`; files by
`ana.sends_file(name, data, redirect=..., sign_in_page=..., cut_after=..., from_outside=...)`, see `File`.
`slack.requests` is the log, `slack.calls("chat.update")` a method's part of it; no token stands in it.

`threaded.in_thread()` is the same for clients that block; `python -m tests.slack_server` is a process of its
own, with the workspace on a page.
"""

from tests.slack_server.server import SlackServer

__all__ = ["SlackServer"]
