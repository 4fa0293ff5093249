"""Promise: a link opens what an answer cited, and nothing and nobody else opens anything.

Over HTTP, against the whole service on a real store. Links are forged (invented, bits flipped, another
answer, marker or expiry under an old signature, signed with another key, cut, prolonged, other spellings of
the same bytes), expired, and followed to what they do not stand for (other documents' pictures, other paths).
The look inside is entered with forged and expired sessions, keys of other roles, a proxy's header from
elsewhere, and with one collection's key is asked for another's pages, and to decide its corrections. None may
be answered by 2xx, and no word of a document or a question may stand in what comes back.
"""

from __future__ import annotations

import base64
import random
import string

from starlette.testclient import TestClient

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.links import PageLinks, read_key
from mmrag.service.admin.door import COOKIE
from mmrag.service.app import create_app
from mmrag.types import Question, Rating, Source
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER

TRIALS = 2_000
PUBLIC = "https://answers.example"
CANARIES = ("zanzibar", "quokka", "xylophone")
PROXY = "10.0.0.7"
ALPHABET = string.ascii_letters + string.digits + "-_"


def run(trials, seed, folder):
    """Try so many doors that must stay closed."""
    settings = Settings(
        home=folder / "home",
        public_url=PUBLIC,
        keep_originals=True,
        admin_sso_header="X-Person",
        admin_sso_proxies=PROXY,
        admin_sso_users="ana",
        serve_client_a_minute=0,
    )
    with trial_run(seed) as outcome, build_engine(settings, embedder=EMBEDDER) as engine:
        house = _House(engine, settings, random.Random(seed))
        with TestClient(
            house.app, base_url=PUBLIC, client=("192.0.2.1", 1), follow_redirects=False
        ) as visitor:
            outcome.check(visitor.get(house.link).status_code == 200, "the link itself does not open")
            outcome.check(CANARIES[0] in visitor.get(house.link).text, "the link does not show its page")
            for number in range(trials):
                kind = KINDS[number % len(KINDS)]
                _try(kind, house, visitor, outcome)
        _check_that_nothing_was_decided(engine, outcome)
    return outcome


class _House:
    """A service with something to hide in two collections."""

    def __init__(self, engine, settings, rng):
        self.rng = rng
        self.engine = engine
        for name, canary in zip(("public", "private"), CANARIES, strict=False):
            text = f"# {canary}\n\nThe {canary} lives in house number 7.".encode()
            engine.add(Source(f"{canary}.md", text, uri=f"u:{canary}"), collection=name)
        self.answer = engine.ask(Question(f"Where does the {CANARIES[0]} live?", ("public",)))
        hidden = engine.ask(
            Question(f"Where does the {CANARIES[1]} live, and the {CANARIES[2]}?", ("private",))
        )
        engine.propose(Rating(hidden.id, "down", f"The {CANARIES[1]} moved.", author="eva"), proposal_id="p1")
        self.link = self.answer.citations[0].link.removeprefix(PUBLIC).removesuffix("#quote")
        self.token = self.link.removeprefix("/s/")
        self.hidden = hidden
        self.links = PageLinks(read_key(settings.home / "links.key"))
        with build_keys(settings) as keys:
            self.owner = keys.add("owner", collections=["public"], role="admin")[1]
            self.writer = keys.add("writer", collections=["*"], role="write")[1]
            self.everything = keys.add("everything", collections=["*"], role="admin")[1]
        self.app = create_app(engine, settings)
        self.session = self._session(self.owner)

    def _session(self, key):
        client = TestClient(self.app, base_url=PUBLIC, follow_redirects=False)  # the application goes on
        return client.post("/admin/enter", data={"key": key}).cookies[COOKIE]

    def bytes_of_token(self):
        return bytearray(base64.urlsafe_b64decode(self.token))

    def random_path(self):
        return self.rng.choice(("", "/1", "/2", "/original", "/page/1", "/picture/figure-1"))

    def inside(self, name):
        return f"/admin/in/{name}" + self.rng.choice(("", "/questions", "/documents", "/corrections"))


def _sealed(raw):
    return base64.urlsafe_b64encode(bytes(raw)).decode()


def _try(kind, house, visitor, outcome):
    method, path, options = kind(house)
    visitor.cookies.clear()
    name = kind.__name__.strip("_").replace("_", " ")
    try:
        reply = visitor.request(method, path, **options)
    except (ValueError, UnicodeError):
        return  # the client itself refuses to send this
    outcome.trials += 1
    outcome.count(name)
    outcome.check(reply.status_code >= 400, f"{name}: {reply.status_code}")
    outcome.check(reply.status_code < 500, f"{name}: {reply.status_code}")
    outcome.check(not any(canary in reply.text for canary in CANARIES), f"{name}: something was said")


def _check_that_nothing_was_decided(engine, outcome):
    waiting = [proposal.id for proposal in engine.insight.proposals("private")]
    outcome.check(waiting == ["p1"], "a correction was decided")


# ------------------------------------------------------------------------- links


def _invented_links(house):
    token = "".join(house.rng.choices(ALPHABET, k=house.rng.choice((0, 1, 43, 44, 44, 44, 45, 88, 400))))
    return "GET", f"/s/{token}{house.random_path()}", {}


def _links_with_a_bit_flipped(house):
    raw = house.bytes_of_token()
    raw[house.rng.randrange(len(raw))] ^= 1 << house.rng.randrange(8)
    return "GET", f"/s/{_sealed(raw)}{house.random_path()}", {}


def _links_to_another_answer(house):
    raw = house.bytes_of_token()
    raw[1:9] = bytes.fromhex(house.hidden.id)
    return "GET", f"/s/{_sealed(raw)}{house.random_path()}", {}


def _links_to_another_marker(house):
    raw = house.bytes_of_token()
    raw[9:11] = house.rng.choice((0, 2, 3, 500)).to_bytes(2, "big")
    return "GET", f"/s/{_sealed(raw)}{house.random_path()}", {}


def _links_that_live_longer(house):
    raw = house.bytes_of_token()
    expires = int.from_bytes(raw[11:15], "big") + house.rng.randint(1, 10**8)
    raw[11:15] = expires.to_bytes(4, "big")
    return "GET", f"/s/{_sealed(raw)}{house.random_path()}", {}


def _links_of_another_key(house):
    token = PageLinks(house.rng.randbytes(32)).token(house.answer.id, 1)
    return "GET", f"/s/{token}{house.random_path()}", {}


def _links_that_expired(house):
    days = -house.rng.uniform(1 / 86_400, 3_000)
    token = PageLinks(house.links.key, days=days).token(house.answer.id, 1)
    return "GET", f"/s/{token}{house.random_path()}", {}


def _signed_links_to_what_is_not_cited(house):
    answer, marker = house.rng.choice(((house.answer.id, 9), (house.rng.randbytes(8).hex(), 1)))
    return "GET", f"/s/{house.links.token(answer, marker)}{house.random_path()}", {}


def _links_spelled_otherwise(house):
    token, rng = house.token, house.rng
    cut = rng.randrange(len(token))
    spelled = rng.choice(
        (
            token[:cut],
            token + rng.choice(ALPHABET + "=.~"),
            token[:cut] + rng.choice(("%00", "%20", "%0A", "=", "+", "%2B", "%2F", ".", "é")) + token[cut:],
            token.swapcase(),
            token[::-1],
            token + "=",
            "A" + token,
        )
    )
    return "GET", f"/s/{spelled}{house.random_path()}", {}


def _good_links_to_other_things(house):
    rest = house.rng.choice(
        (
            *("/0", "/2", "/-1", "/99999999999999999999", "/1e3", "/picture/figure-1", "/picture/figure-999"),
            *("/picture/..%2F..%2Fstore.sqlite3", "/picture/", "/original/x", "/original%2F..", "/%2e%2e/x"),
            *("//", "/page/1", "/picture/figure-1%00", "/picture/%27%20OR%201=1"),
        )
    )
    return "GET", f"{house.link}{rest}", {}


# --------------------------------------------------------------------- look inside


def _visits_without_a_session(house):
    return "GET", house.inside(house.rng.choice(("public", "private"))), {}


def _forged_sessions(house):
    rng, (key, expires, seal) = house.rng, house.session.split(".")
    forged = rng.choice(
        (
            f"{key}.{int(expires) + rng.randint(1, 10**6)}.{seal}",
            f"{house.everything.split('_')[1]}.{expires}.{seal}",
            f"{key}.{expires}.{seal[:-1]}",
            f"{key}.{expires}.",
            f"{key}.{expires}.{''.join(rng.choices(ALPHABET, k=43))}",
            f"..{seal}",
            "".join(rng.choices(string.printable[:94].replace(";", ""), k=rng.randint(0, 90))),
        )
    )
    return "GET", house.inside("public"), {"headers": {"Cookie": f"{COOKIE}={forged}"}}


def _keys_that_are_no_admins(house):
    rng = house.rng
    key = rng.choice(
        (house.writer, house.owner[:-1], house.owner.swapcase(), "", f"mmrag_{rng.getrandbits(48):012x}_x")
    )
    return "POST", "/admin/enter", {"data": {"key": key}}


def _keys_as_headers(house):
    return "GET", house.inside("private"), {"headers": {"Authorization": f"Bearer {house.everything}"}}


def _a_proxys_header_from_elsewhere(house):
    headers = {"X-Person": house.rng.choice(("ana", "ana ", "*", "ANA"))}
    headers |= house.rng.choice(
        ({}, {"X-Forwarded-For": PROXY}, {"Forwarded": f"for={PROXY}"}, {"X-Real-IP": PROXY})
    )
    return "GET", house.inside("public"), {"headers": headers}


def _another_collections_pages(house):
    name = house.rng.choice(
        ("private", "private ", "PRIVATE", "privat%65", "public%2F..%2Fprivate", "*", "nowhere")
    )
    return "GET", house.inside(name), {"headers": {"Cookie": f"{COOKIE}={house.session}"}}


def _another_collections_corrections(house):
    headers = {"Cookie": f"{COOKIE}={house.session}"}
    form = {
        "token": house.rng.choice(("", "x", house.session)),
        "decision": house.rng.choice(("approved", "rejected")),
    }
    place = house.rng.choice(("public", "private"))
    return "POST", f"/admin/in/{place}/corrections/p1", {"headers": headers, "data": form}


KINDS = (
    _invented_links,
    _links_with_a_bit_flipped,
    _links_to_another_answer,
    _links_to_another_marker,
    _links_that_live_longer,
    _links_of_another_key,
    _links_that_expired,
    _signed_links_to_what_is_not_cited,
    _links_spelled_otherwise,
    _good_links_to_other_things,
    _visits_without_a_session,
    _forged_sessions,
    _keys_that_are_no_admins,
    _keys_as_headers,
    _a_proxys_header_from_elsewhere,
    _another_collections_pages,
    _another_collections_corrections,
)
