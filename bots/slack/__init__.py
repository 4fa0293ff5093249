"""Slack: events into the inbox, the conversation's replies out of it.

app.py       keeps each request before it is acknowledged, opens modals     http.py    signed requests
intake.py    Slack's events, commands, clicks as events of the inbox        tokens.py  several workspaces
places.py    who and where, by Slack's own word
handlers.py  a job as an event of the conversation                          files.py   down and up
chat.py      the conversation's `Chat`: replies become rows of the outbox   views.py   modals, Home
streams.py   answers that are shown while they are made
delivery.py  rows of the outbox as messages: streamed, posted, once         blocks.py, markup.py
web.py       the Web API, with its three outcomes                           service.py all put together
"""

from __future__ import annotations
