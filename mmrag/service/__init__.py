"""The engine over HTTP: `mmrag serve`. It decides who may ask what, and knows no chat platform.

server.py       binds the port, warms the engine up, stops without losing what was begun
app.py          the application: every router, the gate before them, the OpenAPI document
gate.py         keys, limits, faults and log of each request, before and after its route
context.py      what routes share: the engine, the settings, the lanes
work.py         how many requests are worked on at once, and whose turn is next
problems.py     errors as problem+json
asking.py, documents.py, ratings.py, collections.py, chat.py, health.py, metrics.py    the routes
"""
