"""Our own Discord, over real sockets of this machine: what the real discord.py can be run against.

    async with DiscordServer() as discord, ...:
        ... start the bot with discord.bot_token on `discord.api_url`, which stands for
            https://discord.com/api/v10; GET /gateway there says where the gateway is
            (for a discord.py of one's own: `pointed_at(discord)`)
        await discord.connected()
        ana = discord.user("ana")
        asked = await ana.mentions("general", "what grew?", files=[("chart.png", png)])
        thread = await discord.until(lambda: discord.thread_of(asked))
        (answer,) = await discord.until(lambda: discord.answers(thread))
        await ana.clicks(answer, "Bad answer")    # a label, an emoji or a custom id
        await discord.until(lambda: ana.modal)
        await ana.submits({"What was wrong?": "Too old"})

People (`people.py`): `writes`, `mentions`, `writes_to_bot`, `replies`, `forwards`, `starts_thread`, `posts`
(in a forum), `invites`, `types`, `edits`, `deletes`, `reacts`, `unreacts`, `uses("/ask", "general", ...)`,
`is_offered` (autocomplete), `uses_menu("Ask about this", message)`, `clicks`, `fills_in`, `submits`,
`closes`;
what they see: `sees(channel)`, `reads(message)`, `whispers`, `modal`, `notices`, `sees_typing(channel)`.
Places: `discord.channel("help", type="forum", tags=["bug"])`, `discord.channel("secret", hidden=True,
members=[ana])`, `add_guild`; who may what: `role`, `give_role`, `allow`, `deny`, `set_permissions`.

Nobody sleeps: `discord.until(predicate)` looks again after every change, `discord.clock.advance(seconds)`
lets tokens, addresses, nonces and sessions expire. What goes wrong is armed in `discord.faults` (REST and
CDN) and `discord.gateway` (`drop`, `close`, `reconnect`, `invalidate`, `forget`, `refuse`, `when`); limits by
`discord.limits.on = True`, and in `discord.limits.broken` are the requests that did not wait as long as they
were told. Privileged intents are switched on for the app by `discord.world.app.message_content` and
`.members_intent`. `discord.requests` is the log, `discord.calls("create_message")` a handler's part of it;
the bot's token does not stand in it.

`python -m tests.discord_server` is a process of its own, with the guild on a page.
"""

from tests.discord_server.pointing import pointed_at
from tests.discord_server.server import DiscordServer

__all__ = ["DiscordServer", "pointed_at"]
