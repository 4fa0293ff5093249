"""The engine over HTTP: `mmrag serve`. It decides who may ask what, and knows no chat platform.

server.py       binds the port, stops without losing what was begun
app.py          the application: every router, the gate before them; where a new part is named
gate.py         keys, limits, faults and log of each request, before and after its route
context.py      what routes share: the engine, the settings, the lanes, a client's rights
work.py         how many requests are worked on at once, and whose turn is next
asking.py, documents.py, ratings.py, collections.py, chat.py, health.py, metrics.py    the routes
questions.py    from a request to a question and to its answer, for every route that asks
streams.py      server-sent events, and what becomes of work whose client leaves
idempotency.py  what is sent twice is done once
problems.py     errors as problem+json
schemas.py, openapi.py    the JSON of requests and replies, and the document that describes them
pages/, admin/  for people: what a citation's link opens, and the look inside; html.py, templates, assets
"""
