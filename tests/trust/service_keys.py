"""Promise: with an API key nobody reads or changes more than what it may name; without one, nothing.

Three clients have a key each for their own collection, a fourth may read one by the beginning of its name.
Each attempt is one of a stranger (keys that are cut, changed, put together of two, in another scheme, or not
keys at all) or of a client who names what belongs to another: its collection, its documents, its answers,
its figures, alone and among their own. Each collection holds a word of its own. No attempt may succeed, no
reply may hold a foreign word, and at the end everything must be as it was. A trial is an attempt.
"""

from __future__ import annotations

import random
import string

import httpx2

from mmrag.assemble import build_keys
from mmrag.config import Settings
from mmrag.types import Question, Source
from tests.service.serving import served
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine

TRIALS = 1_000
TEAMS = {"red": "Zanzibar", "green": "Ouagadougou", "blue": "Reykjavik"}
_REFUSED = frozenset({401, 403, 404})


def run(trials, seed, folder):
    """Make so many attempts to get at what belongs to others."""
    rng = random.Random(seed)
    with trial_run(seed) as outcome, open_engine(folder, EMBEDDER) as engine:
        world = _World(engine, folder)
        settings = Settings(home=folder, serve_client_a_minute=0)
        with (
            served(engine, settings) as url,
            httpx2.Client(base_url=url, trust_env=False, timeout=60) as http,
        ):
            before = _everything(engine)
            for _ in range(trials):
                outcome.trials += 1
                _attempt(world, rng, http, outcome)
            outcome.check(_everything(engine) == before, "something was changed")
            for team, word in TEAMS.items():  # the keys are good for what they are for
                reply = http.post("/v1/search", json=_question(team), headers=world.headers(team))
                outcome.check(word in reply.text, f"{team} does not find its own")
    return outcome


class _World:
    """What each team has, and the keys."""

    def __init__(self, engine, folder):
        self.keys, self.documents, self.answers = {}, {}, {}
        with build_keys(Settings(home=folder)) as keys:
            for team, word in TEAMS.items():
                source = Source(
                    f"{team}.md", f"# {team}\n\nThe meeting is in {word}.".encode(), uri=f"u:{team}"
                )
                self.documents[team] = engine.add(source, collection=team).document_id
                self.answers[team] = engine.ask(Question("Where is the meeting?", (team,))).id
                self.keys[team] = keys.add(team, collections=[team], role="write")[1]
            self.keys["grey"] = keys.add("grey", collections=["gre*", "grey"], role="read")[1]

    def headers(self, team):
        return {"Authorization": f"Bearer {self.keys[team]}"}

    def foreign(self, rng):
        """A client, and a team whose things it may not see."""
        client = rng.choice([*self.keys])
        allowed = {"green"} if client == "grey" else {client}
        return client, rng.choice([team for team in TEAMS if team not in allowed])


def _question(*collections):
    return {"text": "Where is the meeting?", "collections": list(collections)}


def _attempt(world, rng, http, outcome):
    if rng.random() < 0.4:
        outcome.count("with forged keys")
        client, team = None, rng.choice([*TEAMS])
        headers, refused = _forged(world, rng), frozenset({401})
    else:
        outcome.count("with a key for something else")
        client, team = world.foreign(rng)
        headers, refused = world.headers(client), _REFUSED
    name, request = rng.choice(_requests(world, rng, client, team))
    reply = http.request(*request[:2], headers=headers, **request[2])
    foreign = TEAMS[team]
    outcome.check(
        reply.status_code in refused and foreign not in reply.text,
        f"{name} of {client or 'a stranger'} to {team}: {reply.status_code}",
    )


def _requests(world, rng, client, team):
    own = [client] if client in TEAMS and rng.random() < 0.5 else []
    collections = rng.sample([*own, team], len(own) + 1)
    document, answer = world.documents[team], world.answers[team]
    chat = {"model": f"mmrag:{','.join(collections)}", "messages": [{"role": "user", "content": "Where?"}]}
    return [
        ("ask", ("POST", "/v1/ask", {"json": _question(*collections)})),
        ("search", ("POST", "/v1/search", {"json": _question(*collections)})),
        ("chat", ("POST", "/v1/chat/completions", {"json": chat})),
        ("list", ("GET", "/v1/documents", {"params": {"collection": collections}})),
        ("figure", ("GET", "/v1/figures/figure-1", {"params": {"collection": collections}})),
        ("remove", ("DELETE", f"/v1/documents/{document}", {})),
        ("remove from", ("DELETE", f"/v1/documents/{document}", {"params": {"collection": collections}})),
        ("remove many", ("POST", "/v1/documents/remove", {"json": {"document_ids": [document]}})),
        ("share", ("POST", "/v1/documents/share", {"json": _sharing(document, collections, client or team)})),
        ("forget", ("DELETE", f"/v1/collections/{team}", {})),
        ("rate", ("POST", "/v1/ratings", {"json": {"answer_id": answer, "verdict": "down"}})),
        ("correct", ("POST", "/v1/ratings", {"json": _correction(answer)})),
        ("withdraw", ("DELETE", f"/v1/ratings/{answer}", {})),
        (
            "add",
            ("POST", "/v1/documents", {"files": {"file": ("a.txt", b"x")}, "data": {"collection": team}}),
        ),
    ]


def _sharing(document, collections, into):
    return {"document_ids": [document], "collections": collections, "into": into}


def _correction(answer):
    return {"answer_id": answer, "verdict": "down", "correction": "In Nowhere."}


def _forged(world, rng):
    key, other = (world.keys[team] for team in rng.sample([*world.keys], 2))
    head, id_, secret = key.split("_", 2)
    position = rng.randrange(len(secret))
    changed = rng.choice([c for c in string.ascii_letters + string.digits if c != secret[position]])
    forgeries = [
        "x",
        key[:-1],
        f"{key}x",
        key.upper(),
        f"{head}_{id_}_{secret[:position]}{changed}{secret[position + 1 :]}",
        f"{head}_{id_}_{other.split('_', 2)[2]}",
        f"{head}_{rng.randbytes(6).hex()}_{secret}",
        f"{head}_{id_}_",
        f"{head}_{id_}_{rng.randbytes(32).hex()[:43]}",
        f"{id_}' OR 1=1 --",
        f"{head}_%_{secret}",
        "null",
        "x" * 5_000,
    ]
    scheme = rng.choice(["Bearer", "bearer", "BEARER"])
    if rng.random() < 0.1:  # a good key, but not where keys go
        return rng.choice(
            [{"Authorization": f"Basic {key}"}, {"X-Api-Key": key}, {"Cookie": f"key={key}"}, {}]
        )
    return {"Authorization": f"{scheme} {rng.choice(forgeries)}"}


def _everything(engine):
    return engine.documents(), engine.collections()
