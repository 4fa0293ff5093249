"""Promise: the network is contained: a link leads to the public web, and what stands inside is not reached.

One address of this machine stands for the public web, and a site there is what a stranger controls; at other
addresses of the machine, at the same port, sites stand for what is inside: they must not be connected to.
Links name them in all spellings, lead there by redirects of each kind, by names that resolve to them, to
several addresses, or otherwise each time. Addresses of other networks inside are named as well: the reply
must say that they were not tried, since nobody listens there. Public pages between must be had.
"""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address, IPv6Address, ip_network

from bots.addresses import Reach
from bots.fetching import Fetcher
from mmrag.errors import UserFacingError
from tests.bots.site import Names, Site, moved, page, reply
from tests.trust.outcome import trial_run

TRIALS = 3_000
PUBLIC, INSIDE = "127.0.0.1", ("127.0.0.2", "127.0.0.77", "::1")
SAID = page("Public", "What everybody may read.")
REFUSED = (
    "Its address is not one of the public web's",
    "This is not an address of the web",
    "There is no site of this name",
)
NETWORKS = tuple(
    map(
        ip_network,
        """
        10.0.0.0/8 100.64.0.0/10 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15
        224.0.0.0/4 240.0.0.0/4 0.0.0.0/8 168.63.129.16/32 fc00::/7 fe80::/10 ff00::/8 fec0::/10 ::/96
        64:ff9b:1::/48 2001::/32 2001:db8::/32 5f00::/16
        """.split(),
    )
)


def run(trials, seed, folder):
    """Follow so many links that must lead nowhere."""
    del folder
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), outcome))
    return outcome


async def _run(trials, rng, outcome):
    async with Site({}, PUBLIC) as public:
        inside = [Site({}, host, public.port) for host in INSIDE]
        for site in inside:
            await site.__aenter__()
        try:
            stage = _Stage(rng, public)
            for number in range(trials):
                await _try(KINDS[number % len(KINDS)], stage, inside, outcome)
                if number % 50 == 0:
                    await _have_a_public_page(stage, outcome)
        finally:
            for site in inside:
                await site.__aexit__()


class _Stage:
    """The public site, the names that a stranger has, and the fetcher that is on trial."""

    def __init__(self, rng, public):
        self.rng = rng
        self.public = public
        self.port = public.port
        self.names = Names({})
        reach = Reach(networks=(ip_network(PUBLIC),))
        self.fetcher = Fetcher(
            reach, most_bytes=10_000, whole_seconds=20, idle_seconds=2, waits=(), resolver=self.names
        )

    def inside(self):
        """An address that somebody listens at, or one of another network inside."""
        if self.rng.random() < 0.5:
            return self.rng.choice(INSIDE)
        network = self.rng.choice(NETWORKS)
        return str(network[self.rng.randrange(network.num_addresses)])

    def spelled(self, address):
        """An address as the host of a link, in one of its spellings."""
        if ":" in address:
            whole = IPv6Address(address).exploded
            return f"[{self.rng.choice((address, whole, whole.upper()))}]"
        number = int(IPv4Address(address))
        a, b, c, d = number.to_bytes(4, "big")
        return self.rng.choice(
            (
                *(address, f"{address}.", f"{a}.{b}.{c << 8 | d}", f"{a}.{number & 0xFFFFFF}", str(number)),
                *(f"0x{number:08x}", f"0{a:o}.{b}.{c}.{d}", f"0x{a:x}.0x{b:x}.{c}.{d}", f"%31{address[1:]}"),
                *(address.replace(".", "。"), "".join(chr(0xFEE0 + ord(c)) for c in address)),
                f"[::ffff:{address}]",
                f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
                f"[64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}]",
                f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
                f"[::{address}]",
            )
        )

    def named(self, *answers):
        """A new name that resolves to these addresses, a list for each time."""
        name = f"{self.rng.getrandbits(64):016x}.example"
        self.names.known[name] = [list(each) for each in answers]
        return name

    def link(self, host):
        path = self.rng.choice(("", "x", "latest/meta-data/"))
        return f"{self.rng.choice(('http', 'HTTP'))}://{host}:{self.port}/{path}"


async def _try(kind, stage, inside, outcome):
    stage.names.known.clear()
    stage.public.pages.clear()
    link = kind(stage)
    outcome.trials += 1
    outcome.count(kind.__name__.strip("_").replace("_", " "))
    try:
        (source,) = await stage.fetcher.fetch(link)
    except UserFacingError as told:
        said = str(told)
        outcome.check(said.startswith(REFUSED), f"{link}: {said}")
    else:
        outcome.check(source.data == SAID, f"{link}: something came")
    for site in inside:
        outcome.check(not site.asked, f"{link}: reached {site.host}")
        site.asked.clear()


async def _have_a_public_page(stage, outcome):
    stage.public.pages["/"] = reply(SAID)
    name = stage.named([PUBLIC])
    for link in (f"http://{PUBLIC}:{stage.port}/", f"http://{name}:{stage.port}/"):
        try:
            (source,) = await stage.fetcher.fetch(link)
            outcome.check(source.data == SAID, f"{link}: another page")
        except UserFacingError as told:
            outcome.check(False, f"{link}: {told}")  # noqa: FBT003 - it is a failure
        outcome.count("public pages had")


def _addresses_in_all_spellings(stage):
    return stage.link(stage.spelled(stage.inside()))


def _names_of_what_is_inside(stage):
    several = [stage.inside() for _ in range(stage.rng.randint(1, 3))]
    return stage.link(stage.named(several))


def _redirects(stage):
    """From the public site, over some of its pages, inside."""
    rng = stage.rng
    steps = rng.randint(1, 5)
    host = stage.spelled(stage.inside()) if rng.random() < 0.5 else stage.named([stage.inside()])
    for step in range(steps):
        to = stage.link(host) if step == steps - 1 else f"/{step + 1}"
        stage.public.pages[f"/{step}"] = moved(to, rng.choice((301, 302, 303, 307, 308)))
    return f"http://{PUBLIC}:{stage.port}/0"


def _redirects_without_a_scheme(stage):
    stage.public.pages["/"] = moved(f"//{stage.spelled(stage.inside())}:{stage.port}/", 302)
    return f"http://{PUBLIC}:{stage.port}/"


def _names_that_change(stage):
    """Public the first time, inside the second."""
    name = stage.named([PUBLIC], [stage.inside()])
    stage.public.pages["/"] = moved("/again", 302)
    stage.public.pages["/again"] = reply(page("Rebound", "It was asked for twice."))
    return f"http://{name}:{stage.port}/"


def _names_with_both(stage):
    """The public address among others: only that is connected to."""
    several = [stage.inside() for _ in range(stage.rng.randint(1, 3))]
    several.insert(stage.rng.randint(0, len(several)), PUBLIC)
    stage.public.pages["/"] = reply(SAID)
    return f"http://{stage.named(several)}:{stage.port}/"


KINDS = (
    _addresses_in_all_spellings,
    _names_of_what_is_inside,
    _redirects,
    _redirects_without_a_scheme,
    _names_that_change,
    _names_with_both,
)
