"""Promise: over MCP, an API key opens what it opens over HTTP, and nothing more.

The clients, strangers and forged keys are those of `service_keys`. An attempt calls a tool or reads a
resource that belongs to another: by its collection, alone and among the client's own, or by a document's
id. None may succeed and no reply may hold a foreign word. In between clients ask without naming a
collection: they must find their own, and only that. A trial is an attempt.
"""

from __future__ import annotations

import json
import random

import httpx2

from mmrag.config import Settings
from mmrag.mcp.http import PATH, add_mcp
from tests.service.serving import served
from tests.trust import service_keys
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine
from tests.trust.service_keys import TEAMS

TRIALS = 1_000
_ACCEPT = {"Accept": "application/json, text/event-stream"}


def run(trials, seed, folder):
    """Make so many attempts to get at what belongs to others."""
    rng = random.Random(seed)
    with trial_run(seed) as outcome, open_engine(folder, EMBEDDER) as engine:
        world = service_keys._World(engine, folder)  # noqa: SLF001 - the same world, by another way
        settings = Settings(home=folder, serve_client_a_minute=0)
        with (
            served(engine, settings, extend=lambda app: add_mcp(app, engine)) as url,
            httpx2.Client(base_url=url, trust_env=False, timeout=60, headers=_ACCEPT) as http,
        ):
            for _ in range(trials):
                outcome.trials += 1
                rng.choice([_forged, _foreign, _foreign, _own])(world, rng, http, outcome)
    return outcome


def _forged(world, rng, http, outcome):
    outcome.count("with forged keys")
    method, parameters = _attempt(world, rng, rng.choice([*TEAMS]), [])
    headers = service_keys._forged(world, rng)  # noqa: SLF001 - as above
    reply = http.post(PATH, json=_request(method, parameters), headers=headers)
    outcome.check(reply.status_code == 401, f"a stranger's {method}: {reply.status_code}")


def _foreign(world, rng, http, outcome):
    outcome.count("with a key for something else")
    client, team = world.foreign(rng)
    own = [client] if client in TEAMS and rng.random() < 0.5 else []
    method, parameters = _attempt(world, rng, team, own)
    said, failed = _call(http, world.headers(client), method, parameters)
    outcome.check(failed, f"{client} to {team}: {method} {parameters.get('name', '')} was not refused")
    outcome.check(TEAMS[team] not in said, f"{client} to {team}: {method} shows a foreign word")


def _own(world, rng, http, outcome):
    outcome.count("of clients who name nothing")
    client = rng.choice([*world.keys])
    mine = {"green"} if client == "grey" else {client}
    tool = rng.choice(["ask", "search", "list_documents"])
    asked = {"ask": {"question": "Where is the meeting?"}, "search": {"query": "meeting", "k": 100}}
    parameters = {"name": tool, "arguments": asked.get(tool, {})}
    said, failed = _call(http, world.headers(client), "tools/call", parameters)
    marks = {team: f'"u:{team}"' if tool == "list_documents" else word for team, word in TEAMS.items()}
    seen = {team for team, mark in marks.items() if mark in said}
    outcome.check(not failed and seen == mine, f"{client} sees {sorted(seen)} by {tool}")


def _attempt(world, rng, team, own):
    """A request that reaches for what a team has."""
    named = {"collections": rng.sample([*own, team], len(own) + 1)}
    document = world.documents[team]
    tools = [
        ("ask", {"question": "Where is the meeting?"} | named),
        ("search", {"query": "meeting"} | named),
        ("list_documents", named),
        ("read_source", {"document_id": document}),
        ("read_source", {"document_id": document} | named),
    ]
    if rng.random() < 0.2:
        return "resources/read", {"uri": f"mmrag://documents/{document}/pages/1"}
    name, arguments = rng.choice(tools)
    return "tools/call", {"name": name, "arguments": arguments}


def _request(method, parameters):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}


def _call(http, headers, method, parameters):
    """(all that came back, whether it says that it failed)."""
    reply = http.post(PATH, json=_request(method, parameters), headers=headers)
    if reply.status_code != 200:
        return reply.text, True
    (data,) = [line[5:] for line in reply.text.splitlines() if line.startswith("data:") and line[5:].strip()]
    message = json.loads(data)
    return reply.text, "error" in message or bool(message["result"].get("isError"))
