"""Discord: events into the inbox, the conversation's replies out of it.

client.py    the dispatch: keeps each event, acknowledges, opens modals     places.py  who and where
intake.py    Discord's messages, commands, clicks as events of the inbox    files.py   fetched at once
handlers.py  a job as an event of the conversation                          rooms.py   threads of questions
chat.py      the conversation's `Chat`: what came before, the status        drafts.py  what is edited
delivery.py  rows of the outbox as messages: edited, posted, once           cards.py, markup.py
away.py      what was asked while we were away                              history.py, web.py
service.py   all put together                                               check.py, commands.py, names.py
"""
